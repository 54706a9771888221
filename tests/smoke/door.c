// uses: lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* door.c - stdin to a Unix socket, its first answer (or end) to stdout: door PATH. Never sends more than is taken. */
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"

#define WAIT_MS 50000

int main(int argc, char **argv)
{
	static char buf[65536];
	struct error err;
	int fd = argc == 2 ? sock_connect(argv[1], SOCK_STREAM, &err) : -1;
	if (fd < 0)
		return 2;
	ssize_t n, sent;
	while ((n = read_full(STDIN_FILENO, buf, sizeof(buf))) > 0)
		if ((sent = sock_send(fd, buf, (size_t)n, NULL, 0)) < n)
			break; /* the host has had enough of us */
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	if (poll(&poller, 1, WAIT_MS) <= 0)
		return 1;
	n = read(fd, buf, sizeof(buf));
	return n > 0 ? write_full(STDOUT_FILENO, buf, (size_t)n) != 0 : 0;
}
