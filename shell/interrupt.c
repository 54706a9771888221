// SPDX-License-Identifier: GPL-2.0-or-later
/* interrupt.c - see interrupt.h */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util.h"
#include "shell/interrupt.h"

static volatile sig_atomic_t count;
static volatile sig_atomic_t connection = -1;
static volatile sig_atomic_t can_cancel;
static struct sigaction before;

/* System calls only. */
static void on_interrupt(int number)
{
	(void)number;
	count++;
	/* A command that waits for the host: its connection is ended, the next command makes a new one. */
	if (connection >= 0 && (!can_cancel || count > 1))
		shutdown(connection, SHUT_RDWR);
}

void interrupts_catch(void)
{
	struct sigaction action = {.sa_handler = on_interrupt};
	sigaction(SIGINT, &action, &before);
}

void interrupts_release(void)
{
	sigaction(SIGINT, &before, NULL);
}

bool interrupted(void)
{
	return count;
}

void interrupts_forget(void)
{
	count = 0;
	can_cancel = 0;
}

void interrupts_connection(int fd)
{
	connection = fd;
}

void interrupts_cancel(bool possible)
{
	can_cancel = possible;
}

bool interrupt_wait(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	sigset_t blocked, unblocked;
	/* Let in only while it waits: otherwise one could come between the look at `count` and the wait. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	if (!count)
		ppoll(&p, 1, ms < 0 ? NULL : &left, &unblocked);
	sigprocmask(SIG_SETMASK, &unblocked, NULL);
	return !count;
}
