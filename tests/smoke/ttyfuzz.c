// uses: lib -lutil
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ttyfuzz.c - random keys, clicks, pastes and new sizes for a program on a pseudo-terminal.
 *
 *	ttyfuzz SECONDS SEED FIRST-KEYS COMMAND [ARGUMENT...]
 *
 * The program may leave when a key tells it to, with status 0 and the terminal as it was; it is then started again. A signal that ends it, another
 * status, or ten seconds without reading its keys fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "lib/util.h"

#define SILENT_NSEC (10 * NSEC_PER_SEC)

static struct termios before;
static int tty;
static pid_t pid;
static char last[4096]; /* bytes sent, the newest at the end */
static unsigned long keys_sent, starts;

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
}

/* What it draws is read so that it can go on. */
static void drain(int ms)
{
	char bytes[65536];
	struct pollfd p = {.fd = tty, .events = POLLIN};
	if (poll(&p, 1, ms) > 0)
		while (read(tty, bytes, sizeof(bytes)) > 0)
			;
}

/* True when it has left; it must have done so well. */
static bool has_left(void)
{
	int status;
	struct termios now;
	if (waitpid(pid, &status, WNOHANG) != pid)
		return false;
	if (WIFSIGNALED(status))
		die("it was ended by a signal");
	if (WEXITSTATUS(status))
		die("it ended with another status than 0");
	if (tcgetattr(tty, &now) == 0 && (now.c_lflag != before.c_lflag || now.c_iflag != before.c_iflag || now.c_oflag != before.c_oflag))
		die("the terminal is not as it was");
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
		if (!left)
			kill(pid, SIGTERM);
		for (u64 wait = now_monotonic() + SILENT_NSEC; !left; left = has_left()) {
			drain(10);
			if (now_monotonic() > wait)
				die("it does not end");
		}
	}
	printf("%lu keys, %lu starts\n", keys_sent, starts);
	return 0;
}
