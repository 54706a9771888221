// uses: lib -lutil
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ttyfuzz.c - random keys, clicks, pastes and new sizes for a program on a pseudo-terminal.
 *
 *	ttyfuzz SECONDS SEED FIRST-KEYS COMMAND [ARGUMENT...]
 *
 * The program may leave when a key tells it to, with status 0 and the terminal as it was: its settings, the screen there was before, no mouse; it
 * is then started again. A signal that ends it, another status, or a minute without reading its keys fail. When it is told to end it may be waiting
 * for the host: status 1 is as good then, after the seconds that it waits for an answer. Last it is ended by SIGSEGV, which is to leave the terminal no
 * worse.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "lib/util.h"

#define SILENT_NSEC (60 * NSEC_PER_SEC)
#define RESTORE_NSEC (20 * NSEC_PER_SEC)
#define LEAVE_NSEC (4 * NSEC_PER_SEC) /* less than what the program waits for an answer once it is told to end */

static struct termios before;
static int tty;
static pid_t pid;
static char last[4096]; /* bytes sent, the newest at the end */
static unsigned long keys_sent, starts;
static char drawn[65536 + 64]; /* the end of what it wrote */
static size_t n_drawn;
static bool mouse_on;
static u64 told_to_end; /* when, 0: not yet */

static const char *const sequences[] = {
	"\033[A", "\033[B", "\033[C", "\033[D", "\033[H", "\033[F", "\033[5~", "\033[6~", "\033OP", "\033OQ", "\033OR", "\033OS", "\033[15~",
	"\033[17~", "\033[18~", "\033[19~", "\033[20~", "\033[24~", "\033[Z", "\t", "\r", "\r", "\033", "\177", "\033[3~", "\033[1;5C", "\x03",
	"\x0c", "\x15", "\033[M !!", "\033[<0;10;8M", "\033[<0;20;2M", "\033[<64;5;5M", "\033[<65;5;5M", "\033[<0;999;999M", "\033[<;;M",
	"\033[200~", "\033]0;x\a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xff\xfe", "\033[999999999999999999999999999999999999999999m", "n", "y",
};

static void die(const char *what)
{
	printf("ttyfuzz: %s\nlast keys:", what);
	for (const char *c = last; c < last + sizeof(last); c++)
		if (*c)
			printf(*c > ' ' && *c < 127 ? "%c" : " %02x ", (unsigned char)*c);
	printf("\n");
	kill(pid, SIGKILL);
	exit(1);
}

/* Keys come when it has drawn something: until it has taken over the terminal some of them are signals. */
static void start(char **argv)
{
	struct winsize size = {.ws_col = 80, .ws_row = 25};
	int front;
	if (openpty(&tty, &front, NULL, NULL, &size) < 0 || tcgetattr(front, &before) < 0)
		die("there is no terminal for it");
	/* A Ctrl-C that comes when it has just left must not throw away what it wrote last. */
	before.c_lflag |= NOFLSH;
	tcsetattr(front, TCSANOW, &before);
	pid = fork();
	if (pid == 0) {
		close(tty);
		login_tty(front);
		setenv("TERM", "xterm-256color", 1);
		execv(argv[0], argv);
		_exit(127);
	}
	close(front);
	struct pollfd p = {.fd = tty, .events = POLLIN};
	if (pid < 0 || poll(&p, 1, SILENT_NSEC / 1000000) != 1)
		die("it does not start");
	fcntl(tty, F_SETFL, O_NONBLOCK);
	starts++;
	n_drawn = 0;
	mouse_on = false;
	told_to_end = 0;
}

static bool has_drawn(const char *sequence)
{
	return memmem(drawn, n_drawn, sequence, strlen(sequence)) != NULL;
}

static void keep(const char *bytes, size_t length)
{
	/* A sequence may be cut in two. */
	size_t rest = MIN(n_drawn, sizeof(drawn) - length);
	memmove(drawn, drawn + n_drawn - rest, rest);
	memcpy(drawn + rest, bytes, length);
	n_drawn = rest + length;
	mouse_on |= has_drawn("\033[?1002h");
}

/* What it draws is read so that it can go on. */
static void drain(int ms)
{
	char bytes[4096];
	struct pollfd p = {.fd = tty, .events = POLLIN};
	ssize_t n;
	if (poll(&p, 1, ms) > 0)
		while ((n = read(tty, bytes, sizeof(bytes))) > 0)
			keep(bytes, (size_t)n);
}

static bool is_restored(void)
{
	return has_drawn("\033[?1049l") && (!mouse_on || has_drawn("\033[?1002l"));
}

static void check_terminal(void)
{
	struct termios now;
	if (tcgetattr(tty, &now) == 0 && (now.c_lflag != before.c_lflag || now.c_iflag != before.c_iflag || now.c_oflag != before.c_oflag))
		die("the terminal is not as it was");
	/* What was written last may be on its way still. */
	for (u64 end = now_monotonic() + RESTORE_NSEC; now_monotonic() < end && !is_restored();)
		drain(10);
	if (!has_drawn("\033[?1049l"))
		die("the screen there was before is not back");
	if (!is_restored())
		die("the terminal still tells of its mouse");
}

/* True when it has left; it must have done so well. */
static bool has_left(void)
{
	int status;
	if (waitpid(pid, &status, WNOHANG) != pid)
		return false;
	if (WIFSIGNALED(status))
		die("it was ended by a signal");
	bool gave_up = told_to_end && now_monotonic() - told_to_end >= LEAVE_NSEC;
	if (WEXITSTATUS(status) > (gave_up ? 1 : 0))
		die("it ended with another status than 0");
	check_terminal();
	close(tty);
	return true;
}

static void sent(const char *bytes, size_t length)
{
	memmove(last, last + length, sizeof(last) - length);
	memcpy(last + sizeof(last) - length, bytes, length);
	keys_sent++;
}

static void send_keys(const char *bytes, size_t length)
{
	u64 end = now_monotonic() + SILENT_NSEC;
	size_t at = 0;
	while (at < length) {
		ssize_t n = write(tty, bytes + at, length - at);
		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			return; /* it has left */
		drain(n > 0 ? 0 : 10);
		if (now_monotonic() > end)
			die("it does not read its keys");
	}
	sent(bytes, length);
}

static void resize(void)
{
	static const unsigned short sizes[][2] = {{80, 25}, {40, 10}, {132, 50}, {30, 8}, {1, 1}, {200, 70}, {80, 24}};
	const unsigned short *s = sizes[(size_t)rand() % ARRAY_SIZE(sizes)];
	struct winsize size = {.ws_col = s[0], .ws_row = s[1]};
	ioctl(tty, TIOCSWINSZ, &size);
}

static void something(void)
{
	char bytes[300];
	int what = rand() % 100;
	if (what < 50) {
		const char *s = sequences[(size_t)rand() % ARRAY_SIZE(sequences)];
		send_keys(s, strlen(s));
	} else if (what < 94) {
		bytes[0] = (char)(' ' + rand() % 95);
		send_keys(bytes, 1);
	} else if (what < 96) {
		size_t length = 1 + (size_t)rand() % (sizeof(bytes) - 1);
		for (size_t k = 0; k < length; k++)
			bytes[k] = (char)(1 + rand() % 255);
		send_keys(bytes, length);
	} else if (what < 98) {
		resize();
	}
	drain(rand() % 4 ? 0 : 5);
}

/* Its newest thread; the main one when there is no other. */
static pid_t last_thread(void)
{
	char path[64];
	pid_t found = pid;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *folder = opendir(path);
	for (struct dirent *e; folder && (e = readdir(folder));)
		found = MAX(found, (pid_t)atoi(e->d_name));
	if (folder)
		closedir(folder);
	return found;
}

/* Its end by a crash, in its main thread or in another, which is not its own fault here. */
static void crash(char **argv, bool other)
{
	int status;
	start(argv);
	/* Threads begin last. */
	for (u64 wait = now_monotonic() + SILENT_NSEC; !has_drawn("\033[?1049h") || last_thread() == pid;) {
		drain(10);
		if (now_monotonic() > wait)
			die("it never drew");
	}
	pid_t thread = other ? last_thread() : pid;
	syscall(SYS_tgkill, pid, thread, SIGSEGV);
	for (u64 wait = now_monotonic() + SILENT_NSEC; waitpid(pid, &status, WNOHANG) != pid;) {
		drain(10);
		if (now_monotonic() > wait)
			die("it survives a crash");
	}
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
		die("who started it is not told of the crash");
	check_terminal();
	close(tty);
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return fprintf(stderr, "usage: ttyfuzz SECONDS SEED FIRST-KEYS COMMAND [ARGUMENT...]\n"), 2;
	u64 end = now_monotonic() + (u64)atoi(argv[1]) * NSEC_PER_SEC;
	srand((unsigned)atoi(argv[2]));
	while (now_monotonic() < end) {
		start(argv + 4);
		drain(500);
		send_keys(argv[3], strlen(argv[3]));
		bool left = false;
		/* Now and then from the beginning, however deep it has got. */
		for (int k = 0; k < 250 && now_monotonic() < end && !left; k++) {
			something();
			left = has_left();
		}
		if (!left) {
			told_to_end = now_monotonic();
			kill(pid, SIGTERM);
		}
		for (u64 wait = now_monotonic() + SILENT_NSEC; !left; left = has_left()) {
			drain(10);
			if (now_monotonic() > wait)
				die("it does not end");
		}
	}
	crash(argv + 4, false);
	crash(argv + 4, true);
	printf("%lu keys, %lu starts\n", keys_sent, starts);
	return 0;
}
