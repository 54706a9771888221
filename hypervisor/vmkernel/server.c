/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.c - the one door: connections, requests, answers.
 *
 * A connection has at most one request in work and is not read from while an answer is on its way, so what a client can make
 * the daemon hold is one line and one answer. Each turn of the loop serves one request of one connection. One who wants to be told
 * of his task's progress may call task.cancel meanwhile, and nothing else.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "vmkernel/dry_run.h"
#include "vmkernel/methods.h"
#include "vmkernel/task.h"

#define MAX_CONNS 1024
#define MAX_CONNS_USER 64 /* of one who is not the administrator */
#define CONNS_FOR_ADMIN 32 /* of MAX_CONNS, which others cannot take */

struct conn {
	struct conn *next;
	int fd;
	sd_event_source *io, *more;
	struct rpc_lines in;
	char *out;
	size_t out_len, out_sent;
	int out_fd; /* goes with the first byte of out */
	bool ended; /* the client sends nothing any more */
	bool later; /* the first whole line of `in` waits for the end of the request */
	bool pinned, dead; /* in use further up the stack; freed after that */
	struct request *request;
	struct caller caller;
};

static handler_fn *const handlers[] = {
#define METHOD(id_, name_, words_, role_, args_, columns_, help_) handle_##id_,
#include "api/api.def"
#undef METHOD
};

static sd_event_source *door_source;
static int door_fd = -1;

static void conn_update(struct conn *c);

static void conn_free(struct conn *c)
{
	if (c->pinned) {
		c->dead = true;
		return;
	}
	for (struct conn **p = &host.conns; *p; p = &(*p)->next) {
		if (*p == c) {
			*p = c->next;
			break;
		}
	}
	host.n_conns--;
	struct request *r = c->request;
	if (r)
		r->conn = NULL;
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->more);
	rpc_lines_free(&c->in);
	free(c->out);
	if (c->out_fd >= 0)
		close(c->out_fd);
	close(c->fd);
	free(c);
	if (r && r->gone)
		r->gone(r);
}

/* Sends what it can; -errno when the client is lost. */
static int conn_flush(struct conn *c)
{
	while (c->out_sent < c->out_len) {
		ssize_t n = sock_send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, &c->out_fd, c->out_fd >= 0);
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		if (c->out_fd >= 0)
			close(c->out_fd);
		c->out_fd = -1;
		c->out_sent += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_sent = 0;
	return 0;
}

/* Takes over line and fd. Behind what is on its way already: at most a notification, or the answer of a task.cancel. */
static void conn_answer(struct conn *c, char *line, size_t len, int fd)
{
	size_t waiting = c->out_len - c->out_sent;
	BUG_ON(c->out_fd >= 0);
	c->out_fd = fd;
	if (!c->out) {
		c->out = line;
		c->out_len = len;
		c->out_sent = 0;
		return;
	}
	char *both = xcalloc(1, waiting + len);
	memcpy(both, c->out + c->out_sent, waiting);
	memcpy(both + waiting, line, len);
	free(c->out);
	free(line);
	c->out = both;
	c->out_len = waiting + len;
	c->out_sent = 0;
}

static void request_free(struct request *r)
{
	for (struct request **p = &host.pending; *p; p = &(*p)->next) {
		if (*p == r) {
			*p = r->next;
			break;
		}
	}
	rpc_request_free(&r->rpc);
	free(r);
}

static int rpc_code(const struct error *err)
{
	switch (err->code) {
	case -EPERM:
		return RPC_FORBIDDEN;
	case -EINVAL:
		return RPC_INVALID_PARAMS;
	default:
		return RPC_FAILED;
	}
}

/* Turns a request into its answer and lets go of it. code 0: by err->code. */
static void request_answer(struct request *r, int ret, json_t *result, int code, const struct error *err)
{
	struct conn *c = r->conn;
	int fd = ret ? -1 : r->fd;
	if (ret) {
		json_decref(result);
		result = NULL;
	}
	if (!ret && !result && r->dry_run)
		result = dry_run_result(r);
	task_end(r, ret, ret ? err->text : json_string_value(json_object_get(result, "message")));
	if (r->fd >= 0 && fd < 0)
		close(r->fd);
	if (!c) {
		json_decref(result);
		if (fd >= 0)
			close(fd);
	} else {
		size_t len;
		char *line = ret ? rpc_error(r->rpc.id, code ? code : rpc_code(err), err, &len)
				 : rpc_answer(r->rpc.id, result, &len);
		c->request = NULL;
		c->caller.restricted = r->caller.restricted;
		conn_answer(c, line, len, fd);
	}
	request_free(r);
}

void request_finish(struct request *r, int ret, json_t *result, const struct error *err)
{
	if (!r) {
		json_decref(result);
		return;
	}
	struct conn *c = r->conn;
	request_answer(r, ret, result, 0, err);
	if (c)
		conn_update(c);
}

json_t *message_result(const char *fmt, ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return json_pack("{s:s}", "message", text);
}

/* What the row demands, before its handler runs. Returns 0 or a JSON-RPC code. */
static int request_check(struct request *r, struct error *err)
{
	const struct api_method *m = api_find(r->rpc.method);
	if (!m) {
		fail(err, -ENOSYS, "no method named %.60s", r->rpc.method);
		return RPC_METHOD_NOT_FOUND;
	}
	r->method = m;
	if (r->caller.restricted && m->role != ROLE_VIEW) {
		fail(err, -EPERM, "this connection may only look: %s needs you to log in", m->name);
		return RPC_FORBIDDEN;
	}
	if (m->role == ROLE_ADMIN && !caller_is_admin(&r->caller)) {
		fail(err, -EPERM, "only the administrator may call %s", m->name);
		return RPC_FORBIDDEN;
	}
	if (api_check(m, r->rpc.params, err))
		return RPC_INVALID_PARAMS;

	struct api_arg args[API_MAX_ARGS];
	unsigned n = api_args(m, args);
	for (unsigned k = 0; k < n; k++) {
		if (args[k].type != API_VM)
			continue;
		const char *name = param_string(r, args[k].name);
		if (!name) /* optional */
			continue;
		r->vm = registry_find(name);
		if (!r->vm) {
			fail(err, -ENOENT, "no virtual machine named %.100s", name);
			return RPC_FAILED;
		}
		if (vm_permit(&r->caller, r->vm, m->role, err)) {
			if (err->code == -ENOENT) /* as if it were not there: with the words asked for */
				fail(err, -ENOENT, "no virtual machine named %.100s", name);
			return rpc_code(err);
		}
	}
	return 0;
}

static int request_handle(struct request *r, json_t **result, struct error *err)
{
	r->dry_run = r->rpc.dry_run && r->method->role != ROLE_VIEW;
	int ret = r->dry_run ? dry_run_check(r, err) : 0;
	if (!ret && (!r->dry_run || dry_run_calls(r))) {
		event_acting(r);
		ret = handlers[r->method - api_methods](r, result, err);
		event_acting(NULL);
	}
	if (!ret && !*result && r->dry_run)
		*result = dry_run_result(r);
	return ret;
}

/* One line from a client. */
static void conn_request(struct conn *c, const char *line, size_t len)
{
	struct error err = {0};
	json_t *result = NULL;
	struct request *r = xcalloc(1, sizeof(*r));
	r->conn = c;
	r->fd = -1;
	r->caller = c->caller;
	r->next = host.pending;
	host.pending = r;
	c->request = r;
	int code = rpc_request_parse(line, len, &r->rpc, &err);
	if (!code)
		code = request_check(r, &err);
	if (code) {
		request_answer(r, err.code, NULL, code, &err);
		return;
	}
	r->progress = json_is_true(json_object_get(r->rpc.message, "progress"));
	int ret = request_handle(r, &result, &err);
	if (ret != PENDING)
		request_answer(r, ret, result, 0, &err);
}

/* ---- while a task is under way ---- */

void server_tell_progress(struct request *r)
{
	struct conn *c = r->conn;
	u64 id;
	int percent;
	const char *what;
	if (!c || !r->progress || c->out || !task_tell(r, &id, &percent, &what))
		return; /* who does not read hears less often */
	json_t *sentence = json_string(what);
	json_t *params = json_pack("{s:O, s:I, s:o, s:o}", "id", r->rpc.id, "task", (json_int_t)id, "percent",
				   percent < 0 ? json_null() : json_integer(percent), "what", sentence ? sentence : json_string("?"));
	json_t *message = json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", "progress", "params", params);
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	if (!text)
		return;
	char *line = xasprintf("%s\n", text);
	free(text);
	conn_answer(c, line, strlen(line), -1);
	conn_update(c);
}

/* Carries out a task.cancel; false: it is another request, which has to wait. */
static bool conn_cancel(struct conn *c, const char *text, size_t len)
{
	struct request r = {.caller = c->caller, .fd = -1, .aside = true};
	struct error err = {0};
	json_t *result = NULL;
	size_t line_len;
	int code = rpc_request_parse(text, len, &r.rpc, &err);
	bool mine = !code && strcmp(r.rpc.method, "task.cancel") == 0;
	if (mine) {
		code = request_check(&r, &err);
		int ret = code ? err.code : request_handle(&r, &result, &err);
		char *line = ret ? rpc_error(r.rpc.id, code ? code : rpc_code(&err), &err, &line_len)
				 : rpc_answer(r.rpc.id, result, &line_len);
		conn_answer(c, line, line_len, -1);
	}
	rpc_request_free(&r.rpc);
	return mine;
}

/* Whether more is read of a client whose request is being worked on. */
static bool conn_listens(const struct conn *c)
{
	return c->request && c->request->progress && !c->out && !c->later && !c->ended && c->in.len <= RPC_MAX_LINE;
}

static void conn_serve_cancel(struct conn *c)
{
	char *end = c->in.len ? memchr(c->in.buf, '\n', c->in.len) : NULL, *line;
	size_t len;
	if (!end)
		return;
	c->pinned = true; /* the end of the task answers on this connection, too */
	c->later = !conn_cancel(c, c->in.buf, (size_t)(end - c->in.buf));
	c->pinned = false;
	if (!c->later && rpc_lines_next(&c->in, &line, &len) == 1)
		rpc_lines_drop(&c->in);
}

static void conn_too_long(struct conn *c)
{
	struct error err;
	size_t len;
	fail(&err, -EMSGSIZE, "the message is longer than %d bytes", RPC_MAX_LINE);
	char *line = rpc_error(NULL, RPC_PARSE_ERROR, &err, &len);
	conn_answer(c, line, len, -1);
}

static bool conn_idle(const struct conn *c)
{
	return !c->request && !c->out;
}

/* Serves at most one line; true when it did. */
static bool conn_serve(struct conn *c)
{
	char *line;
	size_t len;
	int n = rpc_lines_next(&c->in, &line, &len);
	if (n == -EMSGSIZE) {
		conn_too_long(c);
		return true;
	}
	if (n == 0)
		return false;
	if (len)
		conn_request(c, line, len);
	rpc_lines_drop(&c->in);
	return true;
}

/* After anything happened: sends, then asks for the events that can bring the connection on. May free c. */
static void conn_update(struct conn *c)
{
	if (c->out && conn_flush(c) < 0) {
		conn_free(c);
		return;
	}
	if (conn_idle(c))
		c->later = false;
	bool more = conn_idle(c) && c->in.len > 0;
	if (conn_idle(c) && c->ended && !more) {
		conn_free(c);
		return;
	}
	sd_event_source_set_enabled(c->more, more ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	bool reads = (conn_idle(c) && !c->ended && !more) || conn_listens(c);
	uint32_t events = (c->out ? EPOLLOUT : 0u) | (reads ? EPOLLIN : 0u);
	sd_event_source_set_io_events(c->io, events);
}

static int on_more(sd_event_source *s, void *arg)
{
	(void)s;
	struct conn *c = arg;
	if (conn_idle(c) && !conn_serve(c) && c->ended) {
		conn_free(c); /* the rest is half a line */
		return 0;
	}
	/* Without a whole line, `more` stays off until bytes arrive. */
	bool wait = conn_idle(c) && c->in.len && !memchr(c->in.buf, '\n', c->in.len) && !c->ended;
	if (wait)
		sd_event_source_set_io_events(c->io, EPOLLIN);
	else
		conn_update(c);
	return 0;
}

static int on_conn(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	(void)s;
	struct conn *c = arg;
	size_t room;
	void *to;
	if (events & EPOLLIN && (conn_idle(c) || conn_listens(c)) && (to = rpc_lines_room(&c->in, &room))) {
		ssize_t n = recv(fd, to, room, 0);
		if (n > 0)
			rpc_lines_added(&c->in, (size_t)n);
		else if (n == 0)
			c->ended = true;
		else if (errno != EAGAIN && errno != EINTR)
			events |= EPOLLERR;
		if (n > 0 && conn_listens(c))
			conn_serve_cancel(c);
		if (c->dead)
			conn_free(c);
		else
			conn_update(c);
		return 0;
	}
	if (events & (EPOLLHUP | EPOLLERR)) {
		conn_free(c);
		return 0;
	}
	conn_update(c);
	return 0;
}

/* Supplementary groups as they were at connect() (SO_PEERGROUPS). */
static void caller_groups(int fd, struct caller *c)
{
	socklen_t len = sizeof(c->groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, c->groups, &len) == 0)
		c->n_groups = len / sizeof(gid_t);
}

/* Says why in the form a client expects, then hangs up. */
static void refuse(int fd, const char *why)
{
	struct error err;
	size_t len;
	fail(&err, -EBUSY, "%s", why);
	char *line = rpc_error(NULL, RPC_FAILED, &err, &len);
	(void)!send(fd, line, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(line);
	close(fd);
	log_limited(LOG_LEVEL_WARNING, "connection refused: %s", why);
}

static bool too_many(const struct caller *caller)
{
	unsigned own = 0;
	if (caller_is_admin(caller))
		return host.n_conns >= MAX_CONNS;
	for (const struct conn *c = host.conns; c; c = c->next)
		own += c->caller.uid == caller->uid;
	return own >= MAX_CONNS_USER || host.n_conns >= MAX_CONNS - CONNS_FOR_ADMIN;
}

/* Takes fd, in any case. */
static int conn_new(int fd, const struct caller *caller)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	*c = (struct conn){.fd = fd, .out_fd = -1, .caller = *caller, .next = host.conns};
	host.conns = c;
	host.n_conns++;
	int ret = sd_event_add_io(host.event, &c->io, fd, EPOLLIN, on_conn, c);
	if (ret >= 0)
		ret = sd_event_add_defer(host.event, &c->more, on_more, c);
	if (ret < 0) {
		conn_free(c);
		return ret;
	}
	sd_event_source_set_enabled(c->more, SD_EVENT_OFF);
	return 0;
}

static int on_door(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	(void)s, (void)events, (void)arg;
	struct sock_peer peer;
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (client < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			log_limited(LOG_LEVEL_ERROR, "accept: %m");
		return 0;
	}
	if (sock_peer(client, &peer)) {
		close(client);
		return 0;
	}
	struct caller caller = {.uid = peer.uid, .gid = peer.gid, .pid = peer.pid};
	caller_groups(client, &caller);
	if (too_many(&caller)) {
		refuse(client, "too many connections");
		return 0;
	}
	(void)conn_new(client, &caller);
	return 0;
}

int handle_session_connect(struct request *r, json_t **result, struct error *err)
{
	int pair[2];
	if (too_many(&r->caller))
		return fail(err, -EBUSY, "too many connections");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return fail(err, -errno, "cannot make a connection: %m");
	int ret = conn_new(pair[0], &r->caller);
	if (ret) {
		close(pair[1]);
		return fail(err, ret, "cannot make a connection: %s", strerror(-ret));
	}
	r->fd = pair[1];
	*result = json_object();
	return 0;
}

int server_start(struct error *err)
{
	char *path = root_path("run/vmk/door.sock");
	int fd = sock_listen(path, SOCK_STREAM | SOCK_NONBLOCK, 0666, err);
	free(path);
	if (fd < 0)
		return fd;
	door_fd = fd;
	int ret = sd_event_add_io(host.event, &door_source, fd, EPOLLIN, on_door, NULL);
	return ret < 0 ? fail(err, ret, "cannot watch the door: %s", strerror(-ret)) : 0;
}

void server_close_door(void)
{
	door_source = sd_event_source_disable_unref(door_source);
	if (door_fd < 0)
		return;
	char *path = root_path("run/vmk/door.sock");
	unlink(path);
	free(path);
	close(door_fd);
	door_fd = -1;
}

void server_stop(void)
{
	struct error err;
	fail(&err, -ECANCELED, "the VMkernel has ended");
	server_close_door();
	while (host.conns) {
		struct conn *c = host.conns;
		/* Whoever works on the request finds its connection gone. */
		if (c->request) {
			size_t len;
			char *line = rpc_error(c->request->rpc.id, RPC_FAILED, &err, &len);
			conn_answer(c, line, len, -1);
		}
		if (c->out)
			(void)conn_flush(c);
		conn_free(c);
	}
}
