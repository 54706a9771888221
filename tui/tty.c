// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tty.c - see ui.h: the terminal that init names, as this process's own.
 *
 * What getty does before it asks for a name: a session of its own with that terminal, nobody else at it any more (a program left there could read
 * the passwords typed next), sane settings whatever the last program left behind, an empty screen.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/util.h"
#include "tui/ui.h"

/* Colours, scrolling region, cursor, an empty screen: what may have been left otherwise. */
static const char clean[] = "\033[0m\033[r\033[?25h\033[H\033[2J";

/* A leader of a process group (started by a shell) cannot begin a session: its child can, and the parent stands for it. */
static void session_begin(void)
{
	int status;
	if (getsid(0) == getpid() || setsid() >= 0)
		return;
	pid_t pid = fork();
	if (pid < 0)
		fatal("cannot start: %m");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGHUP);
		setsid();
		return;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static int tty_open(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		fatal("cannot open %s: %m", path);
	if (!isatty(fd))
		fatal("%s is not a terminal", path);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

/* Takes it from whoever has it: root may. */
static int tty_steal(int fd, const char *path)
{
	if (geteuid() != 0 || ioctl(fd, TIOCSCTTY, 1) < 0)
		return fd;
	if (fchown(fd, 0, 0) == 0)
		fchmod(fd, 0600);
	/* It hangs this process up, too. */
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	sigaction(SIGHUP, &ignore, &before);
	vhangup();
	close(fd);
	fd = tty_open(path);
	sigaction(SIGHUP, &before, NULL);
	return fd;
}

/* As "stty sane". */
static void tty_sane(int fd)
{
	struct termios t;
	if (tcgetattr(fd, &t) < 0)
		return;
	t.c_iflag = BRKINT | ICRNL | IXON | IMAXBEL | IUTF8;
	t.c_oflag = OPOST | ONLCR;
	t.c_lflag = ISIG | ICANON | IEXTEN | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE;
	t.c_cflag |= CREAD | CS8;
	t.c_cc[VINTR] = 3;
	t.c_cc[VQUIT] = 28;
	t.c_cc[VERASE] = 127;
	t.c_cc[VKILL] = 21;
	t.c_cc[VEOF] = 4;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	tcsetattr(fd, TCSANOW, &t);
	tcflush(fd, TCIFLUSH);
}

/* init passes no locale. A virtual console that draws UTF-8 is to be used as such. */
static void locale_find(const char *path)
{
	char *text;
	size_t length;
	if (getenv("LC_ALL") || getenv("LC_CTYPE") || getenv("LANG") || !str_starts(path, "/dev/tty") ||
	    read_file("/sys/module/vt/parameters/default_utf8", 16, &text, &length, NULL))
		return;
	if (text[0] == '1')
		setlocale(LC_CTYPE, "C.UTF-8");
	free(text);
}

void tty_take(const char *name)
{
	char *path = name[0] == '/' ? xstrdup(name) : xasprintf("/dev/%s", name);
	session_begin();
	int fd = tty_steal(tty_open(path), path);
	ioctl(fd, TIOCSCTTY, geteuid() == 0);
	for (int k = 0; k < 3; k++)
		dup2(fd, k);
	if (fd > 2)
		close(fd);
	tty_sane(STDIN_FILENO);
	if (!getenv("TERM"))
		setenv("TERM", "linux", 1);
	locale_find(path);
	if (write(STDOUT_FILENO, clean, sizeof(clean) - 1) < 0)
		fatal("cannot write to %s: %m", path);
	free(path);
}

void tty_leave(void)
{
	/* Nothing of what was shown stays for who comes next. */
	if (write(STDOUT_FILENO, clean, sizeof(clean) - 1) < 0)
		return;
}
