// uses: vnc pam api lib -lgnutls -lnettle -lseccomp -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole visit, from the viewer's first byte to his last: by VncAuth, which needs no TLS, to a console server that gets what the door passes
 * on. Whatever comes in, that is one ClientInit and whole messages from the list; and what the server draws arrives unchanged.
 *
 * One process, one thread: all that vmk-authd and the console server answer lies in their sockets before the door begins.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "vnc/door.h"
#include "vnc/gate.h"

#define INPUT_MAX 32768
static const u8 drawn[] = "\0\0\0\1 a picture that means nothing to the door";

static bool pair(int fds[2], int type)
{
	return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) == 0;
}

/* What the console server will have said: its answer, its side of RFB, a picture. */
static bool console_prepare(int fd, bool view_only)
{
	struct console_answer a = {.view_only = view_only};
	return !write_full(fd, &a, sizeof(a)) && !write_full(fd, "RFB 003.008\n\1\1\0\0\0\0", 18) && !write_full(fd, drawn, sizeof(drawn));
}

/* What the console server has got. */
static void console_check(int fd, bool view_only)
{
	static u8 got[sizeof(struct console_hello) + 2 * INPUT_MAX], again[GATE_MESSAGE_MAX * 4];
	const size_t head = sizeof(struct console_hello) + 12 + 1;
	struct gate gate;
	ssize_t n = read_full(fd, got, sizeof(got));
	BUG_ON(n < 0);
	if ((size_t)n <= head)
		return;
	BUG_ON(strcmp(((struct console_hello *)got)->machine, "web") != 0 || memcmp(got + head - 13, "RFB 003.008\n\1", 13) != 0);
	BUG_ON(got[head] != 1); /* shared, whatever he says */
	gate_init(&gate, view_only);
	for (size_t at = head + 1, given; at < (size_t)n;) {
		ssize_t taken = gate_feed(&gate, got + at, (size_t)n - at, again, sizeof(again), &given, NULL);
		BUG_ON(taken <= 0 || given != (size_t)taken || memcmp(again, got + at, given) != 0);
		at += (size_t)taken;
	}
	BUG_ON(gate.n_held || gate.leaving);
}

/* The viewer sees the server's picture behind what the door itself said, when he is in. */
static bool viewer_saw(int fd)
{
	static u8 said[65536];
	ssize_t n = read_full(fd, said, sizeof(said));
	return n > 0 && memmem(said, (size_t)n, drawn, sizeof(drawn));
}

static void visit(const u8 *data, size_t size, bool view_only, int viewer[2], int post[2], int console[2])
{
	struct door d = {.fd = viewer[0], .post_fd = post[0], .web_fd = -1, .machine = "web", .address = "192.0.2.1", .vnc_auth = true, .login_seconds = 5,
			 .pictures_a_second = 1000000};
	struct post answer = {0}, asked = {0};
	bool ready = console_prepare(console[1], view_only) && !write_full(viewer[1], data, size) &&
		     sock_send(post[1], &answer, sizeof(answer), &console[0], 1) == (ssize_t)sizeof(answer);
	close(console[0]);
	shutdown(viewer[1], SHUT_WR);
	if (ready) {
		unsigned none = 0;
		int ret = door_serve(&d, NULL); /* closes viewer[0] */
		BUG_ON(ret == 0); /* a visit that ended without a reason */
		close(post[0]);
		bool in = sock_recv(post[1], &asked, sizeof(asked), NULL, &none) == (ssize_t)sizeof(asked);
		BUG_ON(in && asked.type != POST_CHECK);
		BUG_ON(viewer_saw(viewer[1]) && !in);
		if (in)
			console_check(console[1], view_only);
	} else {
		close(viewer[0]);
		close(post[0]);
	}
	close(viewer[1]);
	close(post[1]);
	close(console[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int viewer[2], post[2], console[2];
	/* A silent beginning waits for a browser, and TLS has no certificate here. */
	if (size < 2 || size > INPUT_MAX || data[1] != 'R')
		return 0;
	if (!pair(viewer, SOCK_STREAM) || !pair(post, SOCK_SEQPACKET) || !pair(console, SOCK_STREAM))
		abort();
	visit(data + 1, size - 1, data[0] & 1, viewer, post, console);
	return 0;
}
