/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.c - see control.h */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "vmkernel/control.h"

#define MAX_PENDING 32
#define PACKET_MAX (80 * 1024) /* a variable of guestinfo, each byte of it escaped */

struct command {
	struct command *next;
	control_answer *answer; /* NULL: given up */
	void *arg;
	u64 deadline_ns;
};

struct control {
	int fd;
	sd_event_source *io, *timer;
	struct command *first, *last;
	unsigned pending;
	control_event *event;
	control_lost *lost;
	void *arg;
	bool busy, closed; /* a callback runs; control_close() was called in it */
};

static struct command *pop(struct control *c)
{
	struct command *cmd = c->first;
	if (cmd) {
		c->first = cmd->next;
		if (!c->first)
			c->last = NULL;
		c->pending--;
	}
	return cmd;
}

static void answer_command(struct command *cmd, int ret, json_t *answer, int fd, const struct error *err)
{
	if (cmd->answer)
		cmd->answer(cmd->arg, ret, answer, fd, err);
	else if (fd >= 0)
		close(fd);
}

void control_close(struct control *c)
{
	struct error err;
	struct command *cmd;
	if (!c || c->closed)
		return;
	c->closed = true;
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	close(c->fd);
	fail(&err, -ECONNRESET, "the machine's process has ended");
	while ((cmd = pop(c))) {
		answer_command(cmd, err.code, NULL, -1, &err);
		free(cmd);
	}
	if (!c->busy)
		free(c);
}

/* Leaves a callback; false when the callback has closed c. */
static bool still_open(struct control *c)
{
	c->busy = false;
	if (!c->closed)
		return true;
	free(c);
	return false;
}

static void take_answer(struct control *c, json_t *packet, int fd)
{
	struct error err = {0};
	struct command *cmd = pop(c);
	if (!cmd) { /* an answer nobody asked for */
		log_limited(LOG_LEVEL_WARNING, "a machine's process sends answers to nothing");
		if (fd >= 0)
			close(fd);
		return;
	}
	int ret = 0;
	if (!json_is_true(json_object_get(packet, "ok"))) {
		json_int_t number = json_integer_value(json_object_get(packet, "errno"));
		const char *text = json_string_value(json_object_get(packet, "error"));
		ret = fail(&err, number > 0 && number < 4096 ? (int)-number : -EIO, "%.300s",
			   text ? text : "the machine's process has refused");
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	answer_command(cmd, ret, ret ? NULL : packet, fd, &err);
	free(cmd);
}

static int on_control(sd_event_source *s, int socket, uint32_t events, void *arg)
{
	(void)s, (void)events;
	struct control *c = arg;
	char buf[PACKET_MAX];
	int fd = -1;
	unsigned n_fds = 1;
	ssize_t n = sock_recv(socket, buf, sizeof(buf), &fd, &n_fds);
	if (!n_fds)
		fd = -1;
	/* A process that ended with commands unread resets the connection; told once, before its last packets are given. */
	if (n == -EAGAIN || n == -ECONNRESET)
		return 0;
	c->busy = true;
	if (n <= 0) {
		sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
		c->lost(c->arg);
		still_open(c);
		return 0;
	}
	json_t *packet = json_loadb(buf, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	const char *event = json_string_value(json_object_get(packet, "event"));
	const char *text = json_string_value(json_object_get(packet, "text"));
	if (event) {
		c->event(c->arg, event, text ? text : "");
		if (fd >= 0)
			close(fd);
	} else {
		take_answer(c, packet, fd);
	}
	json_decref(packet);
	still_open(c);
	return 0;
}

/* Sets the timer to the earliest deadline that still matters. */
static void control_timer(struct control *c)
{
	u64 next = UINT64_MAX;
	for (struct command *cmd = c->first; cmd; cmd = cmd->next)
		if (cmd->answer)
			next = MIN(next, cmd->deadline_ns);
	if (next == UINT64_MAX) {
		sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time(c->timer, next / 1000 + 1);
	sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static int on_control_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s, (void)usec;
	struct control *c = arg;
	struct error err;
	u64 now = now_monotonic();
	fail(&err, -ETIMEDOUT, "the machine's process does not answer");
	c->busy = true;
	for (struct command *cmd = c->first; cmd; cmd = cmd->next) {
		if (!cmd->answer || cmd->deadline_ns > now)
			continue;
		control_answer *answer = cmd->answer;
		cmd->answer = NULL;
		answer(cmd->arg, -ETIMEDOUT, NULL, -1, &err);
		if (c->closed) /* and cmd is gone */
			break;
	}
	if (still_open(c))
		control_timer(c);
	return 0;
}

int control_open(const char *path, pid_t pid, uid_t uid, control_event *event, control_lost *lost, void *arg,
		 struct control **out, struct error *err)
{
	struct sock_peer peer;
	int fd = sock_connect(path, SOCK_SEQPACKET | SOCK_NONBLOCK, err);
	if (fd < 0)
		return fd;
	if (sock_peer(fd, &peer) || peer.pid != pid || peer.uid != uid) {
		close(fd);
		return fail(err, -EPERM, "%s is not served by process %d", path, (int)pid);
	}
	struct control *c = xcalloc(1, sizeof(*c));
	*c = (struct control){.fd = fd, .event = event, .lost = lost, .arg = arg};
	BUG_ON(sd_event_add_io(host.event, &c->io, fd, EPOLLIN, on_control, c) < 0);
	BUG_ON(sd_event_add_time(host.event, &c->timer, CLOCK_MONOTONIC, UINT64_MAX, 1000, on_control_timer, c) < 0);
	*out = c;
	return 0;
}

int control_send(struct control *c, json_t *command, unsigned seconds, control_answer *answer, void *arg, struct error *err)
{
	return control_send_fd(c, command, -1, seconds, answer, arg, err);
}

int control_send_fd(struct control *c, json_t *command, int fd, unsigned seconds, control_answer *answer, void *arg, struct error *err)
{
	if (c->pending >= MAX_PENDING) {
		json_decref(command);
		return fail(err, -EBUSY, "the machine's process does not answer");
	}
	char *text = json_dumps(command, JSON_COMPACT);
	json_decref(command);
	ssize_t n = sock_send(c->fd, text, strlen(text), &fd, fd >= 0);
	free(text);
	if (n < 0)
		return fail(err, (int)n, "cannot reach the machine's process: %s", strerror((int)-n));
	struct command *cmd = xcalloc(1, sizeof(*cmd));
	*cmd = (struct command){.answer = answer, .arg = arg, .deadline_ns = now_monotonic() + seconds * NSEC_PER_SEC};
	if (c->last)
		c->last->next = cmd;
	else
		c->first = cmd;
	c->last = cmd;
	c->pending++;
	control_timer(c);
	return 0;
}
