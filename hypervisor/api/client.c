/* SPDX-License-Identifier: GPL-2.0-or-later */
/* client.c - see client.h */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/client.h"
#include "api/rpc.h"
#include "lib/sock.h"
#include "lib/util.h"

/* Longer than the daemon's own longest wait (a guest asked to shut down), so its sentence comes first. */
#define CALL_SECONDS 150
#define LOOK_NS (NSEC_PER_SEC / 10) /* between two calls of a vmk_progress */
/* Answers come from the daemon we trust with more than requests: a long list of machines. */
#define MAX_ANSWER (8u * 1024 * 1024)

/* The block's own size, so that what json_dumps() returns can still be given to free(). */
static void free_wiped(void *block)
{
	/* jansson counts down with release order alone: what other threads have read of it, they have read. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (block)
		explicit_bzero(block, malloc_usable_size(block));
	free(block);
}

void vmk_wipe_freed_json(void)
{
	json_set_alloc_funcs(malloc, free_wiped);
}

struct vmk_client {
	int fd;		/* -1: lost */
	bool handed_over; /* not our own connection: cannot be made again */
	bool dry_run;
	u64 last_id;
	char *buf;
	size_t len, size;
	int passed; /* descriptor received with the answer, or -1 */
};

static int door_connect(struct error *err)
{
	char *path = root_path("run/vmk/door.sock");
	int fd = sock_connect(path, SOCK_STREAM | SOCK_NONBLOCK, err);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		fail(err, fd, "the VMkernel is not running (%s)", path);
	free(path);
	return fd;
}

int vmk_connect(struct vmk_client **out, struct error *err)
{
	int fd = door_connect(err);
	if (fd < 0)
		return fd;
	*out = vmk_client_from_fd(fd);
	(*out)->handed_over = false;
	return 0;
}

struct vmk_client *vmk_client_from_fd(int fd)
{
	struct vmk_client *c = xcalloc(1, sizeof(*c));
	c->fd = fd;
	c->passed = -1;
	c->handed_over = true;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return c;
}

static void client_lose(struct vmk_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->passed >= 0)
		close(c->passed);
	c->fd = c->passed = -1;
	c->len = 0;
}

int vmk_reconnect(struct vmk_client *c, struct error *err)
{
	if (c->handed_over)
		return fail(err, -ENOTCONN, "the connection to the VMkernel is lost: log in again");
	client_lose(c);
	int fd = door_connect(err);
	if (fd < 0)
		return fd;
	c->fd = fd;
	return 0;
}

void vmk_disconnect(struct vmk_client *c)
{
	if (!c)
		return;
	client_lose(c);
	free(c->buf);
	free(c);
}

int vmk_client_fd(const struct vmk_client *c)
{
	return c->fd;
}

void vmk_set_dry_run(struct vmk_client *c, bool on)
{
	c->dry_run = on;
}

/* Waits until the socket can be read or written, at most up to `deadline`: then -ETIMEDOUT. */
static int client_wait(struct vmk_client *c, short events, u64 deadline, struct error *err)
{
	for (;;) {
		u64 now = now_monotonic();
		if (now >= deadline)
			return fail(err, -ETIMEDOUT, "the VMkernel does not answer");
		struct pollfd p = {.fd = c->fd, .events = events};
		int n = poll(&p, 1, (int)((deadline - now) / 1000000 + 1));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return fail(err, -errno, "poll: %m");
	}
}

static int client_send(struct vmk_client *c, const char *text, size_t len, u64 deadline, struct error *err)
{
	while (len) {
		ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			int ret = client_wait(c, POLLOUT, deadline, err);
			if (ret)
				return ret;
		} else if (errno != EINTR) {
			return fail(err, -ECONNRESET, "the connection to the VMkernel is lost");
		}
	}
	return 0;
}

/* Receives until buf holds a whole line; *line_len is its length without the newline. */
static int client_receive(struct vmk_client *c, size_t *line_len, u64 deadline, struct error *err)
{
	size_t scanned = 0;
	for (;;) {
		char *end = c->len > scanned ? memchr(c->buf + scanned, '\n', c->len - scanned) : NULL;
		if (end) {
			*line_len = (size_t)(end - c->buf);
			return 0;
		}
		scanned = c->len;
		if (c->len == c->size) {
			if (c->size >= MAX_ANSWER)
				return fail(err, -EMSGSIZE, "the VMkernel's answer is too long");
			c->size = c->size ? c->size * 2 : 16384;
			c->buf = xrealloc(c->buf, c->size);
		}
		int fds[1] = {-1};
		unsigned n_fds = 1;
		ssize_t n = sock_recv(c->fd, c->buf + c->len, c->size - c->len, fds, &n_fds);
		if (n == -EAGAIN) {
			int ret = client_wait(c, POLLIN, deadline, err);
			if (ret)
				return ret;
			continue;
		}
		if (n <= 0)
			return fail(err, -ECONNRESET, "the connection to the VMkernel is lost");
		c->len += (size_t)n;
		if (n_fds) {
			if (c->passed >= 0)
				close(c->passed);
			c->passed = fds[0];
		}
	}
}

/* The answer's result, or its error as ours. */
static int client_unpack(json_t *answer, json_t **result, struct error *err)
{
	json_t *error = json_object_get(answer, "error"), *value = json_object_get(answer, "result");
	if (error) {
		const char *text = json_string_value(json_object_get(error, "message"));
		json_int_t number = json_integer_value(json_object_get(json_object_get(error, "data"), "errno"));
		if (number <= 0 || number > 4095)
			number = EPROTO;
		return fail(err, (int)-number, "%s", text ? text : "the VMkernel refused");
	}
	if (!value)
		return fail(err, -EPROTO, "the VMkernel's answer has neither result nor error");
	if (result)
		*result = json_incref(value);
	return 0;
}

/* The next whole line as JSON, taken out of the buffer. A timeout leaves everything as it is: it may be tried again. */
static int client_message(struct vmk_client *c, json_t **message, u64 deadline, struct error *err)
{
	size_t len = 0;
	json_error_t json_err;
	int ret = client_receive(c, &len, deadline, err);
	if (ret)
		return ret;
	*message = json_loadb(c->buf, len, 0, &json_err);
	memmove(c->buf, c->buf + len + 1, c->len - len - 1);
	c->len -= len + 1;
	return *message ? 0 : fail(err, -EPROTO, "the VMkernel's answer is not JSON: %.100s", json_err.text);
}

static bool is_answer(json_t *message, u64 id)
{
	json_t *of = json_object_get(message, "id");
	return !json_object_get(message, "method") && ((u64)json_integer_value(of) == id || json_is_null(of));
}

/* Waits for the answer to the request just sent. */
static int client_exchange(struct vmk_client *c, json_t **answer, struct error *err)
{
	u64 deadline = now_monotonic() + CALL_SECONDS * NSEC_PER_SEC;
	for (;;) {
		int ret = client_message(c, answer, deadline, err);
		if (ret || is_answer(*answer, c->last_id))
			return ret;
		json_decref(*answer); /* late answer to a call given up earlier */
		*answer = NULL;
	}
}

/* Sends a request with a new id. Steals params. */
static int client_request(struct vmk_client *c, const char *method, json_t *params, bool progress, struct error *err)
{
	json_t *request = json_pack("{s:s, s:I, s:s}", "jsonrpc", "2.0", "id", (json_int_t)++c->last_id, "method", method);
	json_object_set_new(request, "params", params ? params : json_object());
	if (c->dry_run)
		json_object_set_new(request, "dry_run", json_true());
	if (progress)
		json_object_set_new(request, "progress", json_true());
	char *text = json_dumps(request, JSON_COMPACT);
	/* By no printf(): its buffers would keep a password. */
	size_t len = text ? strlen(text) : 0;
	char *line = xcalloc(len + 1, 1);
	if (text)
		memcpy(line, text, len);
	line[len] = '\n';
	json_decref(request);
	int ret = client_send(c, line, len + 1, now_monotonic() + CALL_SECONDS * NSEC_PER_SEC, err);
	if (text)
		explicit_bzero(text, len);
	explicit_bzero(line, len + 1);
	free(text);
	free(line);
	return ret;
}

static int client_begin(struct vmk_client *c, json_t *params, json_t **result, int *fd, struct error *err)
{
	if (fd)
		*fd = -1;
	if (result)
		*result = NULL;
	if (c->fd >= 0)
		return 0;
	json_decref(params);
	return fail(err, -ENOTCONN, "not connected to the VMkernel");
}

/* The end of a call: `ret` says whether there is an answer, which is let go of. */
static int client_finish(struct vmk_client *c, int ret, json_t *answer, json_t **result, int *fd, struct error *err)
{
	if (ret) {
		client_lose(c); /* the stream's position is unknown */
		return ret;
	}
	ret = client_unpack(answer, result, err);
	json_decref(answer);
	if (!ret && fd) {
		*fd = c->passed;
		c->passed = -1;
	}
	if (c->passed >= 0) {
		close(c->passed);
		c->passed = -1;
	}
	return ret;
}

int vmk_call(struct vmk_client *c, const char *method, json_t *params, json_t **result, int *fd, struct error *err)
{
	json_t *answer = NULL;
	int ret = client_begin(c, params, result, fd, err);
	if (ret)
		return ret;
	ret = client_request(c, method, params, false, err);
	if (!ret)
		ret = client_exchange(c, &answer, err);
	return client_finish(c, ret, answer, result, fd, err);
}

/* ---- what takes long ---- */

struct long_call {
	struct vmk_client *c;
	vmk_progress *progress;
	void *arg;
	u64 id, task; /* of the request, and once it is a task */
	int percent;
	char what[256];
	bool cancel, told; /* is to be cancelled; the host knows */
	u64 heard_ns;	   /* last word from the host */
};

static void take_progress(struct long_call *l, json_t *message)
{
	json_t *params = json_object_get(message, "params"), *percent = json_object_get(params, "percent");
	const char *method = json_string_value(json_object_get(message, "method"));
	const char *what = json_string_value(json_object_get(params, "what"));
	if (!method || strcmp(method, "progress") != 0 || (u64)json_integer_value(json_object_get(params, "id")) != l->id)
		return;
	l->task = (u64)json_integer_value(json_object_get(params, "task"));
	l->percent = json_is_integer(percent) ? (int)MIN(json_integer_value(percent), 100) : -1;
	str_copy(l->what, sizeof(l->what), what ? what : "");
}

/* Between two words of the host. */
static int long_look(struct long_call *l, struct error *err)
{
	if (!l->cancel && l->progress)
		l->cancel = !l->progress(l->arg, l->task, l->percent, l->what);
	if (!l->cancel || l->told || !l->task)
		return 0;
	l->told = true;
	return client_request(l->c, "task.cancel", json_pack("{s:I}", "id", (json_int_t)l->task), false, err);
}

static int long_exchange(struct long_call *l, json_t **answer, struct error *err)
{
	u64 look_at = 0;
	for (;;) {
		u64 now = now_monotonic();
		if (now >= look_at) {
			look_at = now + LOOK_NS;
			int ret = long_look(l, err);
			if (ret)
				return ret;
		}
		int ret = client_message(l->c, answer, look_at, err);
		if (ret == -ETIMEDOUT && now_monotonic() - l->heard_ns < CALL_SECONDS * NSEC_PER_SEC)
			continue;
		if (ret || is_answer(*answer, l->id))
			return ret;
		l->heard_ns = now_monotonic();
		take_progress(l, *answer);
		look_at = 0; /* news */
		json_decref(*answer);
		*answer = NULL;
	}
}

int vmk_call_long(struct vmk_client *c, const char *method, json_t *params, vmk_progress *progress, void *arg, json_t **result,
		  int *fd, struct error *err)
{
	struct long_call l = {.c = c, .progress = progress, .arg = arg, .percent = -1, .heard_ns = now_monotonic()};
	json_t *answer = NULL;
	int ret = client_begin(c, params, result, fd, err);
	if (ret)
		return ret;
	ret = client_request(c, method, params, true, err);
	l.id = c->last_id;
	if (!ret)
		ret = long_exchange(&l, &answer, err);
	return client_finish(c, ret, answer, result, fd, err);
}
