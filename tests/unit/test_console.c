// uses: api lib -ljansson -lutil
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machines' screens and keyboards through vmksh and vmkstatus: the real programs on a pseudo-terminal, before a fake door. */
#include "fake_door.h"

static struct pty p;

TestSuite(console, .init = fake_door_open, .fini = root_remove, .timeout = 600);

/* The terminal is as it was: lines, echo, signals. */
static void terminal_is_restored(void)
{
	struct termios t;
	cr_assert_eq(tcgetattr(p.fd, &t), 0);
	cr_assert_eq(t.c_lflag & (ECHO | ICANON | ISIG), ECHO | ICANON | ISIG);
	cr_assert(t.c_iflag & ICRNL);
}

static void start(const char *program, const char *one, const char *two, const char *three)
{
	char *const argv[] = {(char *)program, (char *)one, (char *)two, (char *)three, NULL};
	pty_start(&p, argv, 80, 24);
}

Test(console, screen)
{
	run_expect(0, "grub>\n  ╔═╗\n", "$BIN/vmksh vm screen demo");
	run_expect(0, "grub>\n  +=+\n", "$BIN/vmksh vm screen demo ascii");
	run_expect(0, "grub>\n  +=+\n", "LC_ALL=C $BIN/vmksh vm screen demo");
	run_expect(0, "\"cursor\": [", "$BIN/vmksh vm screen demo --json");
	run_expect(0, "PNG", "$BIN/vmksh console screenshot demo $HOME/x.png && head -c 4 $HOME/x.png");
	run_expect(1, "cannot write", "$BIN/vmksh console screenshot demo /nonexistent/x.png");
	run_expect(0, "", "$BIN/vmksh vm wait demo text 'grub>'");
	run_expect(1, "did not show", "$BIN/vmksh vm wait demo text nothing timeout 0");
	page->mode = SCREEN_OFF;
	run_expect(0, "the screen is off", "$BIN/vmksh vm screen demo");
}

Test(console, keys)
{
	run_expect(0, "", "$BIN/vmksh -c 'console type demo \"Ls /\"'");
	heard_wait(keys_heard, "+2a+26-26-2a+1f-1f+39-39+35-35");
	run_expect(0, "", "$BIN/vmksh -c 'console send demo ctrl-alt-del f2'");
	heard_wait(keys_heard, "+1d+38+d3-d3-38-1d+3c-3c");
	run_expect(2, "no key is named f99", "$BIN/vmksh console send demo enter f99");
	run_expect(2, "has no key for", "$BIN/vmksh console type demo 'na\xc3\xafve'");
	cr_assert_eq(keys_heard[0], 0, "nothing is typed by halves");
	run_expect(0, "", "$BIN/vmksh console type demo 'z\xc3\xa9@' keymap=de");
	heard_wait(keys_heard, "+15-15+0d-0d+12-12+b8+10-10-b8");
	run_expect(0, "", "$BIN/vmksh console type demo 'q1' keymap fr");
	heard_wait(keys_heard, "+1e-1e+2a+02-02-2a");
	run_expect(1, "must be a keyboard layout, perhaps with a variant", "$BIN/vmksh console type demo x keymap xx");
	page->leds = SCREEN_LED_CAPS;
	run_expect(0, "", "$BIN/vmksh console type demo 'aB1'");
	heard_wait(keys_heard, "+2a+1e-1e-2a+30-30+02-02");
}

Test(console, attach_type_and_detach)
{
	start("vmksh", "vm", "console", "demo");
	pty_wait(&p, "grub>");
	pty_wait(&p, "╔═╗");
	pty_wait(&p, "F12 q detaches");
	pty_type(&p, "ls\r");
	heard_wait(keys_heard, "+26-26+1f-1f+1c-1c");
	pty_type(&p, "\x1b[1;5P\x03\x1bx");
	heard_wait(keys_heard, "+1d+3b-3b-1d+1d+2e-2e-1d+38+2d-2d-38");
	page_text(1, 0, "hello", 0x4f);
	page->sequence += 2;
	machine_say(machine_fd, SCREEN_CHANGED, "");
	pty_wait(&p, "hello");
	pty_type(&p, "\x1b[24~");
	pty_wait(&p, "q detach");
	pty_type(&p, "c");
	heard_wait(keys_heard, "+1d+38+d3-d3-38-1d");
	pty_type(&p, "\r~.");
	pty_wait(&p, "detached from demo");
	cr_assert_eq(pty_end(&p), 0);
	heard_wait(keys_heard, "+1c-1c");
}

Test(console, the_terminal_comes_back)
{
	static const int signals[] = {SIGTERM, SIGHUP, SIGINT, SIGSEGV};
	for (size_t k = 0; k < ARRAY_SIZE(signals); k++) {
		start("vmksh", "vm", "console", "demo");
		pty_wait(&p, "grub>");
		kill(p.pid, signals[k]);
		pty_wait(&p, "\033[?1049l");
		while (pty_read(&p, 100) && kill(p.pid, 0) == 0 && waitpid(p.pid, NULL, WNOHANG) == 0)
			;
		terminal_is_restored();
		close(p.fd);
	}
}

Test(console, a_machine_that_ends)
{
	start("vmksh", "vm", "console", "demo");
	pty_wait(&p, "grub>");
	machine_say(machine_fd, SCREEN_BYE, "demo was powered off");
	pty_wait(&p, "demo was powered off");
	cr_assert_eq(pty_end(&p), 0);
}

Test(console, serial_line)
{
	char *const argv[] = {(char *)"vmksh", (char *)"vm", (char *)"console", (char *)"demo", (char *)"-s", NULL};
	pty_start(&p, argv, 80, 24);
	pty_wait(&p, "serial line; F12 q detaches");
	pty_wait(&p, "login: ");
	pty_type(&p, "root\r\x1b[A\x03");
	heard_wait(serial_heard, "root\r\x1b[A\x03");
	pty_type(&p, "\x1b[24~s");
	pty_wait(&p, "grub>");
	machine_say(machine_fd, SCREEN_SERIAL, "meanwhile");
	pty_wait(&p, "serial");
	pty_type(&p, "\x1b[24~s");
	pty_wait(&p, "meanwhile");
	pty_type(&p, "\r~.");
	pty_wait(&p, "detached");
	cr_assert_eq(pty_end(&p), 0);
	cr_assert_eq(keys_heard[0], 0);
}

Test(console, serial_line_in_a_pipe)
{
	char *out = NULL;
	/* That it stays is told by its being there when its time is over; a busy host may not even let it begin by then. */
	for (unsigned seconds = 4; seconds < 40 && (!out || !*out); seconds *= 3) {
		free(out);
		cr_assert_eq(run(&out, "echo hi | timeout %u $BIN/vmksh vm console demo", seconds), 124);
	}
	cr_assert_str_eq(out, "login: ");
	heard_wait(serial_heard, "hi\n");
	free(out);
}

Test(console, a_small_terminal_and_a_new_size)
{
	struct winsize size = {.ws_col = 100, .ws_row = 30};
	char *const argv[] = {(char *)"vmksh", (char *)"vm", (char *)"console", (char *)"demo", NULL};
	pty_start(&p, argv, 10, 2);
	pty_wait(&p, "grub>");
	ioctl(p.fd, TIOCSWINSZ, &size);
	pty_wait(&p, "╔═╗");
	pty_wait(&p, "F12 q detaches");
	pty_type(&p, "~.");
	cr_assert_eq(pty_end(&p), 0);
}

Test(console, status_screen)
{
	start("vmkstatus", NULL, NULL, NULL);
	pty_wait(&p, "fakehost");
	pty_wait(&p, "demo");
	pty_wait(&p, "müller");
	pty_type(&p, "\x1bOQ"); /* F2 */
	heard_wait(calls_heard, "vm.start");
	pty_wait(&p, "done");
	pty_type(&p, "p");
	pty_wait(&p, "Power off demo?");
	pty_type(&p, "h");
	heard_wait(calls_heard, "vm.stop");
	pty_wait(&p, "done"); /* before that, the next action would be refused */
	pty_type(&p, "\r");
	pty_wait(&p, "grub>");
	pty_wait(&p, "F12 q detaches");
	pty_type(&p, "ls\r\x1bOP\x1b[24~\x1b[24~");
	heard_wait(keys_heard, "+26-26+1f-1f+1c-1c+3b-3b+58-58");
	pty_type(&p, "~.");
	pty_wait(&p, "fakehost");
	pty_type(&p, "\x1b[21~"); /* F10 */
	cr_assert_eq(pty_end(&p), 0);
}

Test(console, status_screen_attached_at_once)
{
	start("vmkstatus", "--attach", "demo", NULL);
	pty_wait(&p, "grub>");
	machine_say(machine_fd, SCREEN_BYE, "demo was powered off");
	pty_wait(&p, "demo was powered off");
	kill(p.pid, SIGTERM);
	pty_wait(&p, "\033[?1049l");
	cr_assert_eq(pty_end(&p), 0);
}

Test(console, status_screen_on_a_console_cannot_be_left)
{
	start("vmkstatus", "--console", NULL, NULL);
	pty_wait(&p, "fakehost");
	pty_type(&p, "q\x03\x1a\x1b[21~s");
	pty_wait(&p, "User:");
	pty_type(&p, "\x1b");
	pty_wait(&p, "given up");
	cr_assert(!strstr(calls_heard, "vm.start"));
	kill(p.pid, SIGTERM);
	cr_assert_eq(pty_end(&p), 0);
}

Test(console, dumps)
{
	run_expect(0, "  101  demo", "$BIN/vmkstatus --dump machines");
	run_expect(0, "[||||", "$BIN/vmkstatus --dump machines");
	run_expect(0, "Certificate  00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF", "$BIN/vmkstatus --dump status");
	run_expect(0, "Certificate  SHA-256 00:11:22:33:44", "$BIN/vmkstatus --dump status --width 120");
	run_expect(0, "m?ller", "LC_ALL=C $BIN/vmkstatus --dump machines");
	run_expect(0, "11-22 14:28:32  demo is powered on", "$BIN/vmkstatus --dump log");
	run_expect(0, "F10 q", "$BIN/vmkstatus --dump help --height 40");
	run_expect(0, "127.0.0.1:5900, keys de", "$BIN/vmkstatus --dump details");
	run_expect(0, "peter       192.0.2.9               11-22 14:30:00  looks", "$BIN/vmkstatus --dump details/console");
	run_expect(0, "mary        this host               11-22 14:31:00  works  to be let in", "$BIN/vmkstatus --dump details/console");
	run_expect(2, "has no page named", "$BIN/vmkstatus --dump details/nothing");
	run_expect(0, "grub>\n  ╔═╗\n", "$BIN/vmkstatus --attach demo --dump attach");
	run_expect(0, "Too small", "$BIN/vmkstatus --dump machines --width 30");
	run_expect(2, "no view is named", "$BIN/vmkstatus --dump nothing");
	run_expect(1, "not running", "VMK_ROOT=/nonexistent $BIN/vmkstatus --dump machines");
	run_expect(1, "needs a terminal", "$BIN/vmkstatus </dev/null");
}

/* Every size, in both kinds of characters: nothing is written beside the canvas (address sanitizer), no line is too long. */
Test(console, dumps_of_all_sizes)
{
	for (unsigned width = 1; width < 140; width += 13) {
		for (unsigned height = 1; height < 50; height += 6) {
			char *out, *line, *rest;
			cr_assert_eq(run(&out, "$BIN/vmkstatus --ascii --dump machines --width %u --height %u", width, height), 0);
			unsigned lines = 0;
			for (rest = out; (line = strsep(&rest, "\n")) && rest; lines++)
				cr_assert_leq(strlen(line), width);
			cr_assert_eq(lines, height);
			free(out);
		}
	}
}
