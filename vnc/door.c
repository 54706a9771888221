/* SPDX-License-Identifier: GPL-2.0-or-later */
/* door.c - see door.h */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "pam/login.h"
#include "vnc/door.h"
#include "vnc/gate.h"
#include "vnc/handshake.h"
#include "vnc/web.h"

/* A browser speaks first, a viewer waits for the server: who has said nothing for so long is a viewer. */
#define SILENCE_NS (600 * 1000 * 1000ull)
/* A viewer that takes nothing for so long has gone to sleep. */
#define STUCK_NS (60 * NSEC_PER_SEC)
/*
 * So much is decrypted and encrypted for one viewer in a second, and at once after a rest. What people type and move is a thousandth of
 * it, and the pictures of a machine in motion a tenth (raw, 1024x768 of 30 frames: 90 MiB); one who pastes or asks for pictures without
 * end costs no more. What has not changed a viewer asks for once, and again when he has lost it.
 */
#define INPUT_BYTES_A_SECOND (4 * MIB)
#define OUTPUT_BYTES_A_SECOND (128 * MIB)
#define REST_FOR_MORE_MS 5
#define TLS_HANDSHAKE 0x16 /* the first byte of a ClientHello's record */

struct allowance {
	u64 left;
	u64 at; /* as of then */
};

struct visit {
	const struct door *d;
	struct stream *s;
	int console_fd; /* the console server's RFB stream */
	bool view_only;
	struct gate gate;
	u8 in[4096]; /* from the viewer, before the gate */
	size_t in_at, in_n;
	u8 out[GATE_MESSAGE_MAX * 4]; /* behind it */
	size_t out_at, out_n;
	bool initialised; /* ClientInit has passed */
	size_t unsent;	  /* as last seen, */
	u64 moved_at;	  /* and when it was another number */
	struct allowance input, output, pictures;
};

/* ---- asking vmk-authd ---- */

/* Until an answer is there: false when the viewer leaves meanwhile. A log-in takes its time, and his place is wanted. */
static bool wait_for_answer(const struct door *d)
{
	for (;;) {
		struct pollfd p[2] = {{.fd = d->post_fd, .events = POLLIN}, {.fd = d->fd, .events = POLLRDHUP}};
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return false;
		if (p[0].revents)
			return true;
		if (p[1].revents)
			return false;
	}
}

/* Descriptor, or -errno with the sentence of the answer. */
static int post(const struct door *d, struct post *p, struct error *err)
{
	int fd = -1;
	unsigned n = 1;
	if (sock_send(d->post_fd, p, sizeof(*p), NULL, 0) < 0)
		return fail(err, -EPIPE, "the console's front door has closed");
	if (!wait_for_answer(d))
		return fail(err, -ECONNRESET, "the viewer went away before it logged in");
	if (sock_recv(d->post_fd, p, sizeof(*p), &fd, &n) != (ssize_t)sizeof(*p))
		return fail(err, -EPIPE, "the console's front door has closed");
	p->text[sizeof(p->text) - 1] = 0;
	if (p->ret || n != 1) {
		if (n == 1)
			close(fd);
		return fail(err, p->ret < 0 ? p->ret : -EPROTO, "%s", p->text);
	}
	return fd;
}

/* The console server is told whom it serves (door_fd -1: it knows) and says whether it may. */
static int console_begin(struct visit *v, int fd, int door_fd, struct error *err)
{
	struct console_hello hello = {0};
	struct console_answer answer;
	str_copy(hello.machine, sizeof(hello.machine), v->d->machine);
	str_copy(hello.address, sizeof(hello.address), v->d->address);
	ssize_t sent = sock_send(fd, &hello, sizeof(hello), &door_fd, door_fd >= 0);
	if (door_fd >= 0)
		close(door_fd);
	if (sent < 0 || read_full(fd, &answer, sizeof(answer)) != sizeof(answer)) {
		close(fd);
		return fail(err, -EPIPE, "the console server does not answer");
	}
	answer.text[sizeof(answer.text) - 1] = 0;
	int ret = answer.ret < 0 ? fail(err, answer.ret, "%s", answer.text) : handshake_join(fd, err);
	if (ret) {
		close(fd);
		return ret;
	}
	v->console_fd = fd;
	v->view_only = answer.view_only;
	return 0;
}

struct credentials {
	const char *user, *password;
	bool used;
};

/* PAM's questions: the password, once. What else it wants to know cannot be asked through a viewer. */
static int answer_question(void *arg, const char *prompt, bool echo, char *answer, size_t size)
{
	struct credentials *c = arg;
	(void)prompt;
	if (!size)
		return 0;
	if (!echo && c->used)
		return -ECANCELED;
	c->used |= !echo;
	str_copy(answer, size, echo ? c->user : c->password);
	return 0;
}

static int login(void *arg, const char *user, const char *password, struct error *err)
{
	struct visit *v = arg;
	struct credentials c = {.user = user, .password = password};
	struct post p = {.type = POST_LOGIN};
	int door_fd = -1, fd = post(v->d, &p, err);
	if (fd < 0)
		return fd;
	int ret = login_converse(fd, user, answer_question, &c, &door_fd, err);
	if (ret == -ECANCELED)
		return fail(err, -EACCES, "log-in failed: this account must change its password first (log in to vmksh)");
	if (ret)
		return ret;
	p = (struct post){.type = POST_CONSOLE};
	str_copy(p.text, sizeof(p.text), user);
	fd = post(v->d, &p, err);
	if (fd < 0) {
		close(door_fd);
		return fd;
	}
	return console_begin(v, fd, door_fd, err);
}

static int check(void *arg, const u8 challenge[16], const u8 response[16], struct error *err)
{
	struct visit *v = arg;
	struct post p = {.type = POST_CHECK};
	memcpy(p.challenge, challenge, 16);
	memcpy(p.response, response, 16);
	int fd = post(v->d, &p, err);
	return fd < 0 ? fd : console_begin(v, fd, -1, err);
}

/* ---- passing on ---- */

/* Bytes of the viewer through the gate into out[]. */
static int through_gate(struct visit *v, struct error *err)
{
	if (v->out_at < v->out_n || v->in_at == v->in_n)
		return 0;
	v->out_at = v->out_n = 0;
	if (!v->initialised) { /* ClientInit is one byte, the shared flag: who else is there is not the viewer's to decide */
		v->out[v->out_n++] = 1;
		v->in_at++;
		v->initialised = true;
		return 0;
	}
	v->gate.pictures = (u32)v->pictures.left;
	ssize_t taken = gate_feed(&v->gate, v->in + v->in_at, v->in_n - v->in_at, v->out, sizeof(v->out), &v->out_n, err);
	if (taken < 0)
		return (int)taken;
	v->in_at += (size_t)taken;
	v->pictures.left = v->gate.pictures;
	return 0;
}

static int from_viewer(struct visit *v, struct error *err)
{
	for (;;) {
		int ret = through_gate(v, err);
		if (ret)
			return ret;
		if (v->out_at < v->out_n) {
			ssize_t n = send(v->console_fd, v->out + v->out_at, v->out_n - v->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n < 0)
				return errno == EAGAIN || errno == EINTR ? 0 : fail(err, -errno, "the console server has ended");
			v->out_at += (size_t)n;
			continue;
		}
		if (v->in_at < v->in_n && v->pictures.left)
			continue;
		/* A viewer that does not take its pictures gets no more answers worked out. */
		if (stream_unsent(v->s) || !v->input.left || !v->pictures.left)
			return 0;
		ssize_t n = stream_read(v->s, v->in, sizeof(v->in));
		if (n <= 0)
			return n == -EAGAIN ? 0 : fail(err, n ? (int)n : -ECONNRESET, "the viewer has left");
		v->in_at = 0;
		v->in_n = (size_t)n;
		v->input.left -= MIN(v->input.left, (u64)n);
	}
}

static int from_console(struct visit *v, struct error *err)
{
	u8 chunk[32768];
	for (;;) {
		size_t room = MIN(MIN(stream_room(v->s), sizeof(chunk)), v->output.left);
		if (!room)
			return 0;
		ssize_t n = recv(v->console_fd, chunk, room, MSG_DONTWAIT);
		if (n <= 0)
			return n && (errno == EAGAIN || errno == EINTR) ? 0 : fail(err, -ECONNRESET, "the console has ended");
		v->output.left -= (u64)n;
		stream_write(v->s, chunk, (size_t)n);
		int ret = stream_flush(v->s);
		if (ret && ret != -EAGAIN)
			return fail(err, ret, "the viewer has left");
	}
}

/* -1, or how long the viewer may still take nothing of what waits for him. */
static int patience_ms(struct visit *v)
{
	u64 now = now_monotonic();
	if (v->unsent != stream_unsent(v->s)) {
		v->unsent = stream_unsent(v->s);
		v->moved_at = now;
	}
	if (!v->unsent)
		return -1;
	return now - v->moved_at < STUCK_NS ? (int)((v->moved_at + STUCK_NS - now) / 1000000 + 1) : 0;
}

/* More is allowed as time goes by, up to a second's. false: nothing is now. */
static bool allow_more(struct allowance *a, u64 a_second)
{
	u64 now = now_monotonic(), more = MIN(now - a->at, NSEC_PER_SEC) * a_second / NSEC_PER_SEC;
	if (more) {
		a->left = MIN(a->left + more, a_second);
		a->at = now;
	}
	return a->left;
}

static int pass_on(struct visit *v, struct error *err)
{
	gate_init(&v->gate, v->view_only);
	for (;;) {
		int patience = patience_ms(v);
		bool hears = allow_more(&v->input, INPUT_BYTES_A_SECOND), shows = allow_more(&v->output, OUTPUT_BYTES_A_SECOND);
		hears &= allow_more(&v->pictures, v->d->pictures_a_second);
		bool rest = !hears || !shows;
		if (!patience)
			return fail(err, -ETIMEDOUT, "the viewer takes nothing any more");
		bool full = stream_room(v->s) == 0 || !shows, unsent = stream_unsent(v->s), backlog = v->out_at < v->out_n;
		hears = hears && !backlog && !unsent;
		struct pollfd p[2] = {
			{.fd = stream_fd(v->s), .events = (short)((hears ? POLLIN : 0) | (unsent ? POLLOUT : 0))},
			{.fd = full && !backlog ? -1 : v->console_fd, .events = (short)((full ? 0 : POLLIN) | (backlog ? POLLOUT : 0))}};
		bool more = v->in_at < v->in_n || stream_has_input(v->s); /* of which no poll will tell */
		int ready = poll(p, 2, hears && more ? 0 : rest ? REST_FOR_MORE_MS : patience);
		if (ready < 0 && errno != EINTR)
			return fail(err, -errno, "poll: %m");
		int ret = stream_flush(v->s);
		if (ret && ret != -EAGAIN)
			return fail(err, ret, "the viewer has left");
		ret = from_console(v, err);
		if (!ret)
			ret = from_viewer(v, err);
		if (!ret && (p[0].revents & (POLLERR | POLLHUP)) && !(p[0].revents & POLLIN))
			ret = fail(err, -ECONNRESET, "the viewer has left");
		if (ret)
			return ret;
	}
}

/* ---- the visit ---- */

/* TLS from the first byte means a browser; it ends as a WebSocket. 0: go on with RFB. 1: nothing more. */
static int browser(struct visit *v, u64 deadline, bool *inside_tls, struct error *err)
{
	u8 first = 0;
	ssize_t n = stream_peek(v->s, &first, 1, MIN(deadline, now_monotonic() + SILENCE_NS));
	if (n == 0)
		return 1;
	if (n < 0)
		return n == -ETIMEDOUT ? 0 : fail(err, (int)n, "the connection broke");
	if (first != TLS_HANDSHAKE)
		return first == 'R' ? 0 : fail(err, -EPROTO, "neither RFB nor TLS");
	*inside_tls = true;
	int ret = stream_start_tls(v->s, v->d->certificate, NULL, deadline, err);
	return ret ? ret : web_serve(v->s, v->d->web_fd, v->d->login_seconds, err);
}

int door_serve(const struct door *d, struct error *err)
{
	struct visit v = {.d = d, .console_fd = -1, .s = stream_open(d->fd)};
	u64 deadline = now_monotonic() + d->login_seconds * NSEC_PER_SEC;
	bool inside_tls = false;
	int ret = browser(&v, deadline, &inside_tls, err);
	if (!ret) {
		struct handshake h = {.certificate = d->certificate, .anonymous = d->anonymous, .inside_tls = inside_tls,
				      .vnc_auth = d->vnc_auth && !inside_tls, .login = login, .check = check, .arg = &v};
		deadline = now_monotonic() + d->login_seconds * NSEC_PER_SEC;
		ret = handshake_serve(&h, v.s, deadline, err);
	}
	if (!ret && v.console_fd >= 0)
		ret = pass_on(&v, err);
	if (v.console_fd >= 0)
		close(v.console_fd);
	stream_close(v.s);
	return ret < 0 ? ret : 0;
}
