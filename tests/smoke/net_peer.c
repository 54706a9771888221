// uses: lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_peer.c - the host's end of a guest's transfers, on 127.0.0.1: net_peer BYTES prints two ports, then one line for each thing
 * that a guest does at them.
 *
 * TCP: a connection is sent BYTES bytes, which look random. The next one is expected to bring the same bytes back: "same" or what was
 * different. UDP: a name server that knows only the address of answer.test, 192.0.2.77: "question".
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util.h"

#define WAIT_SECONDS 880 /* then the test has failed otherwise */
#define DNS_HEADER 12

static u64 seed;

static void fill(u8 *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		p[i] = (u8)seed;
	}
}

static void send_bytes(int fd, u64 bytes)
{
	u8 buffer[16 * KIB];

	seed = 88172645463325252ull;
	for (u64 done = 0; done < bytes; done += sizeof(buffer)) {
		fill(buffer, sizeof(buffer));
		if (write_full(fd, buffer, (size_t)MIN(sizeof(buffer), bytes - done)))
			break;
	}
	shutdown(fd, SHUT_WR);
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	close(fd);
}

static void check_bytes(int fd, u64 bytes)
{
	u8 buffer[16 * KIB], expected[sizeof(buffer)];
	u64 done = 0, wrong = 0;
	ssize_t n;

	seed = 88172645463325252ull;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		fill(expected, (size_t)n);
		wrong += memcmp(buffer, expected, (size_t)n) != 0;
		done += (u64)n;
	}
	if (done == bytes && !wrong)
		puts("same");
	else
		printf("%llu bytes of %llu, %llu pieces wrong\n", (unsigned long long)done, (unsigned long long)bytes, (unsigned long long)wrong);
	close(fd); /* then the guest goes on */
}

/* The question comes back with one answer, or with "no such name" (RFC 1035, 4.1). */
static void answer_name(int fd)
{
	static const char known[] = "\6answer\4test";
	static const u8 record[] = {0xc0, DNS_HEADER, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 77};
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	u8 m[512 + sizeof(record)];
	ssize_t n = recvfrom(fd, m, 512, 0, (struct sockaddr *)&from, &len);

	ssize_t end = DNS_HEADER; /* of the question's name */
	while (end < n && m[end])
		end += m[end] + 1;
	if (end + 5 > n)
		return;
	bool is_known = end + 1 == DNS_HEADER + (ssize_t)sizeof(known) && !memcmp(m + DNS_HEADER, known, sizeof(known));
	bool address = m[end + 2] == 1;
	n = end + 5;
	m[2] = 0x81;
	m[3] = is_known ? 0x80 : 0x83;
	memset(m + 6, 0, 6);
	if (is_known && address) {
		m[7] = 1;
		memcpy(m + n, record, sizeof(record));
		n += (ssize_t)sizeof(record);
	}
	if (sendto(fd, m, (size_t)n, 0, (struct sockaddr *)&from, len) == n)
		puts("question");
}

static int open_port(int type)
{
	struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(loopback);
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&loopback, len) || (type == SOCK_STREAM && listen(fd, 4)) ||
	    getsockname(fd, (struct sockaddr *)&loopback, &len))
		exit(2);
	printf("%u ", ntohs(loopback.sin_port));
	return fd;
}

int main(int argc, char **argv)
{
	struct pollfd fds[] = {{.events = POLLIN}, {.events = POLLIN}};
	u64 bytes = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
	bool back = false;

	setvbuf(stdout, NULL, _IOLBF, 0);
	fds[0].fd = open_port(SOCK_STREAM);
	fds[1].fd = open_port(SOCK_DGRAM);
	putchar('\n');
	alarm(WAIT_SECONDS);
	while (poll(fds, ARRAY_SIZE(fds), -1) > 0) {
		if (fds[1].revents)
			answer_name(fds[1].fd);
		if (!fds[0].revents)
			continue;
		int fd = accept(fds[0].fd, NULL, NULL);
		if (back)
			check_bytes(fd, bytes);
		else
			send_bytes(fd, bytes);
		back = !back;
	}
	return 0;
}
