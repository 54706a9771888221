// SPDX-License-Identifier: GPL-2.0-or-later
/* ask.c - see shell.h: questions, with secrets that do not show */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "lib/util.h"
#include "shell/shell.h"

static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
	caught = number;
}

/*
 * A line from fd without its newline; -ENODATA at the end, -EINTR after a signal. With `waiting`, signals are let in
 * only while nothing is there to read, so that none comes between the look at `caught` and the wait.
 */
static int line_read(int fd, char *buf, size_t size, const sigset_t *waiting)
{
	size_t len = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	for (;;) {
		char c;
		if (waiting && (caught || ppoll(&p, 1, NULL, waiting) < 0))
			return -EINTR;
		/* Byte by byte: what follows the line belongs to whoever reads next. */
		ssize_t n = read(fd, &c, 1);
		if (n < 0)
			return -errno;
		if (n == 0 && !len)
			return -ENODATA;
		if (n == 0 || c == '\n')
			break;
		if (len + 1 < size)
			buf[len++] = c;
	}
	buf[len] = 0;
	return 0;
}

/* Asks on the terminal; it gets its echo back whatever ends the question. */
static int terminal_ask(int tty, const char *prompt, bool echo, char *buf, size_t size)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	struct sigaction catcher = {.sa_handler = catch_signal}, old[ARRAY_SIZE(signals)];
	struct termios before, quiet;
	sigset_t blocked, unblocked;
	caught = 0;
	sigemptyset(&blocked);
	for (size_t k = 0; k < ARRAY_SIZE(signals); k++)
		sigaddset(&blocked, signals[k]);
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	for (size_t k = 0; k < ARRAY_SIZE(signals); k++)
		sigaction(signals[k], &catcher, &old[k]);
	bool terminal = tcgetattr(tty, &before) == 0;
	quiet = before;
	quiet.c_lflag |= ICANON | ISIG;
	quiet.c_iflag |= ICRNL;
	quiet.c_lflag &= echo ? ~0u : ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	if (terminal)
		tcsetattr(tty, TCSAFLUSH, &quiet);
	fflush(stdout);
	write_full(tty, prompt, strlen(prompt));
	int ret = line_read(tty, buf, size, &unblocked);
	if (terminal)
		tcsetattr(tty, TCSAFLUSH, &before);
	if (!echo || ret)
		write_full(tty, "\n", 1);
	for (size_t k = 0; k < ARRAY_SIZE(signals); k++)
		sigaction(signals[k], &old[k], NULL);
	sigprocmask(SIG_SETMASK, &unblocked, NULL);
	/* Ctrl-C gives the question up, at a prompt and in a command alike; what ends the program still does. */
	if (caught && caught != SIGINT)
		raise(caught);
	return caught ? -EINTR : ret;
}

int shell_ask(void *arg, const char *prompt, bool echo, char *buf, size_t size)
{
	struct shell *sh = arg;
	if (!size) {
		fprintf(stderr, "%s\n", prompt);
		return 0;
	}
	if (isatty(STDIN_FILENO))
		return terminal_ask(STDIN_FILENO, prompt, echo, buf, size);
	/* The script is on stdin: a password must not be taken from its next line by mistake. */
	if (!sh->script_on_stdin)
		return line_read(STDIN_FILENO, buf, size, NULL);
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0) {
		shell_error(sh, 0, "a password is asked for and there is no terminal: use -c, and give it on standard input");
		return -ENOTTY;
	}
	int ret = terminal_ask(tty, prompt, echo, buf, size);
	close(tty);
	return ret;
}

int shell_ask_secret(void *arg, const char *prompt, char *buf, size_t size)
{
	struct shell *sh = arg;
	char again[512];
	int ret = shell_ask(sh, prompt, false, buf, size);
	if (ret || (!isatty(STDIN_FILENO) && !sh->script_on_stdin))
		return ret;
	ret = shell_ask(sh, "The same again: ", false, again, MIN(size, sizeof(again)));
	if (!ret && strcmp(buf, again)) {
		shell_error(sh, 0, "the two are not the same");
		ret = -EINVAL;
	}
	explicit_bzero(again, sizeof(again));
	return ret == -EINVAL ? -ECANCELED : ret;
}
