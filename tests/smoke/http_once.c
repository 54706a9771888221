// uses: lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* http_once.c - prints a free port of 127.0.0.1 and answers one request for /script with its arguments as lines: http_once LINE... */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util.h"

#define WAIT_SECONDS 880 /* then the test has failed otherwise */

static int answer(int fd, int argc, char **argv)
{
	char request[4096], body[2048] = "", head[128];
	ssize_t n = read(fd, request, sizeof(request) - 1);

	request[n > 0 ? n : 0] = 0;
	for (int i = 1; i < argc; i++)
		snprintf(body + strlen(body), sizeof(body) - strlen(body), "%s\n", argv[i]);
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", strlen(body));
	write_full(fd, head, strlen(head));
	write_full(fd, body, strlen(body));
	shutdown(fd, SHUT_WR);
	while (read(fd, head, sizeof(head)) > 0)
		;
	return str_starts(request, "GET /script ") ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(loopback);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&loopback, len) || listen(fd, 1) || getsockname(fd, (struct sockaddr *)&loopback, &len))
		return 2;
	printf("%u\n", ntohs(loopback.sin_port));
	fflush(stdout);
	alarm(WAIT_SECONDS);
	return answer(accept(fd, NULL, NULL), argc, argv);
}
