/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * screen.c - the viewers of a machine's screen, keyboard, mouse and serial lines (api/screen.h).
 *
 * The display is drawn only while a viewer has asked to be told of the next change, at most 60 times a second, and only
 * after something was written that may change it: a guest whose screen stands still costs nothing. It is drawn when all
 * CPUs halt, for then what the guest draws is complete, or else a little later. Engines that do not tell of writes (kvm) are asked, less
 * often once nothing has changed for a while. Where the adapter needs to know which pages the guest has written, the
 * vCPUs hand over that knowledge first (they alone may ask the engine), and the drawing follows in screen_woken().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "vmx/viewers.h"

#define FRAME_NS (NSEC_PER_SEC / 60)
#define QUIET_FRAME_NS (NSEC_PER_SEC / 20)
#define QUIET_AFTER_NS (NSEC_PER_SEC / 2)
#define COMPLETE_NS (NSEC_PER_SEC / 125) /* a guest that never halts may have drawn its picture by then */
#define MESSAGES_AT_ONCE 32
#define VIEWER_OUT_BYTES (64 * KIB)
#define HEADER offsetof(struct screen_message, bytes)

/* ---- input ---- */

static void send_key(struct vmx *x, u8 code, bool down)
{
	struct machine *m = x->machine;

	machine_lock(m);
	if (m->state == MACHINE_ON && m->people.keyboard)
		m->people.key(m->people.keyboard, code, down);
	machine_unlock(m);
	x->screen.changed_at = now_monotonic(); /* people expect an answer: draw at full rate */
}

static struct device *send_position(struct people *p, const struct screen_message *msg, unsigned buttons)
{
	for (unsigned i = 0; i < ABSOLUTE_POINTERS; i++) {
		struct absolute_pointer *a = &p->absolute[i];
		if (a->device && a->move_to(a->device, msg->pointer.x, msg->pointer.y, msg->pointer.wheel, msg->pointer.tilt, buttons))
			return a->device;
	}
	return NULL;
}

static struct device *send_steps(struct people *p, const struct screen_message *msg, unsigned buttons)
{
	if (p->pointer)
		p->move(p->pointer, msg->pointer.dx, msg->pointer.dy, msg->pointer.wheel, buttons & 7);
	return p->pointer;
}

/* Another pointer has taken over: buttons that this one has are up there, where it has been told to be last. */
static void release_buttons(const struct screen *s, struct people *p, struct device *pointer)
{
	if (pointer == p->pointer)
		p->move(pointer, 0, 0, 0, 0);
	for (unsigned i = 0; i < ABSOLUTE_POINTERS; i++)
		if (pointer == p->absolute[i].device)
			p->absolute[i].move_to(pointer, s->placed_x, s->placed_y, 0, 0, 0);
}

/*
 * Where the pointer goes is decided here: the position, where the viewer tells it, to the first device whose guest wants it (the
 * backdoor, then the tablet); else the steps to the mouse.
 */
static void send_pointer(struct vmx *x, const struct screen_message *msg, unsigned buttons)
{
	struct machine *m = x->machine;
	struct people *p = &m->people;
	struct screen *s = &x->screen;
	struct device *taker = NULL;

	machine_lock(m);
	if (m->state == MACHINE_ON && !suspend_active(x)) { /* a machine that is being written to a file does not change */
		if (msg->pointer.placed)
			taker = send_position(p, msg, buttons);
		if (!taker)
			taker = send_steps(p, msg, buttons);
		if (p->pointing && p->pointing != taker && p->pointing_buttons)
			release_buttons(s, p, p->pointing);
		p->pointing = taker;
		p->pointing_buttons = buttons;
	}
	machine_unlock(m);
	s->placed = msg->pointer.placed;
	s->placed_x = s->placed ? msg->pointer.x : s->placed_x;
	s->placed_y = s->placed ? msg->pointer.y : s->placed_y;
	s->changed_at = now_monotonic();
}

/* Several viewers share one mouse: a button is down while any of them holds it. */
static unsigned buttons_held(const struct vmx *x)
{
	unsigned buttons = 0;

	for (unsigned i = 0; i < VIEWERS_MAX; i++)
		if (x->screen.viewers[i])
			buttons |= x->screen.viewers[i]->buttons;
	return buttons;
}

static void viewer_key(struct viewer *v, u8 code, bool down)
{
	u8 bit = (u8)(1u << (code % 8));

	if (down)
		v->down[code / 8] |= bit;
	else
		v->down[code / 8] &= (u8)~bit;
	send_key(v->x, code, down);
}

/* A viewer that goes away must not leave Ctrl pressed. */
static void viewer_release_all(struct viewer *v)
{
	for (unsigned code = 0; code < 256; code++)
		if (v->down[code / 8] >> (code % 8) & 1)
			viewer_key(v, (u8)code, false);
	if (v->buttons) {
		/* The pointer stays where anybody has put it last: another one may be dragging something. */
		const struct screen *s = &v->x->screen;
		struct screen_message here = {.pointer = {.x = s->placed_x, .y = s->placed_y, .placed = s->placed}};
		v->buttons = 0;
		send_pointer(v->x, &here, buttons_held(v->x));
	}
}

void screen_release_keys(struct vmx *x)
{
	for (unsigned i = 0; i < VIEWERS_MAX; i++)
		if (x->screen.viewers[i])
			viewer_release_all(x->screen.viewers[i]);
}

/* ---- life ---- */

void viewer_remove(struct viewer *v)
{
	v->x->screen.viewers[v->index] = NULL;
	viewer_release_all(v);
	sd_event_source_disable_unref(v->io);
	sharing_left(v->x, v);
	sd_event_source_disable_unref(v->deadline);
	close(v->fd);
	free(v->out);
	free(v);
}

int viewer_send(struct viewer *v, u16 type, const void *bytes, size_t len)
{
	struct screen_message msg = {.type = type, .length = (u16)len};

	if (len)
		memcpy(msg.bytes, bytes, len);
	return (int)MIN(sock_send(v->fd, &msg, HEADER + len, NULL, 0), 0);
}

static void viewer_poll_events(struct viewer *v)
{
	sd_event_source_set_io_events(v->io, (v->waits ? 0u : EPOLLIN) | (v->out_count ? EPOLLOUT : 0u));
}

/* ---- serial output ---- */

static void viewer_flush(struct viewer *v)
{
	u8 chunk[1024];

	while (v->out_count) {
		size_t n = MIN(v->out_count, sizeof(chunk));
		for (size_t i = 0; i < n; i++)
			chunk[i] = v->out[(v->out_head + i) % VIEWER_OUT_BYTES];
		if (viewer_send(v, SCREEN_SERIAL, chunk, n))
			break;
		v->out_head = (v->out_head + n) % VIEWER_OUT_BYTES;
		v->out_count -= n;
	}
	viewer_poll_events(v);
}

void screen_serial_out(struct vmx *x, unsigned line, const u8 *data, size_t len)
{
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *v = x->screen.viewers[i];
		if (!v || !v->serial_on || v->line != line)
			continue;
		for (size_t j = 0; j < len; j++) {
			v->out[(v->out_head + v->out_count) % VIEWER_OUT_BYTES] = data[j];
			if (v->out_count < VIEWER_OUT_BYTES)
				v->out_count++;
			else /* it does not read: the oldest go */
				v->out_head = (v->out_head + 1) % VIEWER_OUT_BYTES;
		}
		viewer_flush(v);
	}
}

static void viewer_serial_on(struct viewer *v, bool on, unsigned line)
{
	v->serial_on = on && line < SERIAL_LINES;
	v->line = line % SERIAL_LINES;
	v->out_head = v->out_count = 0;
	if (v->serial_on && !v->out)
		v->out = xcalloc(1, VIEWER_OUT_BYTES);
}

void screen_serial_room(struct vmx *x)
{
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *v = x->screen.viewers[i];
		if (!v || !v->waits || !serial_give(x->machine, v->line, v->pending.bytes, v->pending.length))
			continue;
		v->waits = false;
		viewer_poll_events(v);
	}
}

/* ---- drawing ---- */

static bool watched(const struct vmx *x)
{
	for (unsigned i = 0; i < VIEWERS_MAX; i++)
		if (x->screen.viewers[i] && (x->screen.viewers[i]->ready || x->screen.viewers[i]->forced))
			return true;
	return false;
}

static void tick_at(struct vmx *x, u64 when)
{
	sd_event_source_set_time(x->screen.tick, when / 1000 + 1);
	sd_event_source_set_enabled(x->screen.tick, SD_EVENT_ONESHOT);
}

/* Somebody is to be told without anything being written. */
static bool owes_change(const struct vmx *x)
{
	u32 sequence = atomic_load(&x->machine->page->sequence);

	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		const struct viewer *v = x->screen.viewers[i];
		if (v && (v->forced || (v->ready && v->seen != sequence)))
			return true;
	}
	return false;
}

/* When what has been written may be a complete picture. A guest that still draws is waited for, and tells when it halts. */
static u64 complete_at(struct vmx *x)
{
	struct machine *m = x->machine;

	machine_lock(m);
	bool running = vcpus_running(m);
	m->screen_awaited = running;
	machine_unlock(m);
	return running ? x->screen.written_at + COMPLETE_NS : 0;
}

/* The engine does not tell of writes to memory, and there is some whose writes are asked for. */
static bool must_ask(struct machine *m)
{
	if (!m->engine || m->engine->tells_writes)
		return false;
	machine_lock(m);
	bool logged = memory_has_dirty(m);
	machine_unlock(m);
	return logged;
}

/* Of the next drawing; 0: when something is written. */
static u64 tick_when(struct vmx *x)
{
	struct machine *m = x->machine;
	struct screen *s = &x->screen;
	u64 when = s->again_at ? MAX(s->again_at, s->drawn_at + FRAME_NS) : 0;

	if (owes_change(x))
		return s->drawn_at + FRAME_NS;
	if (s->written_at)
		return MAX(s->drawn_at + FRAME_NS, complete_at(x));
	if (must_ask(m)) {
		u64 ask = s->drawn_at + (now_monotonic() - s->changed_at > QUIET_AFTER_NS ? QUIET_FRAME_NS : FRAME_NS);
		when = when ? MIN(when, ask) : ask;
	}
	return when;
}

static void tick_next(struct vmx *x)
{
	struct screen *s = &x->screen;

	if (!s->written_at && atomic_load(&x->machine->screen_written))
		s->written_at = now_monotonic();
	if (!watched(x) || s->harvesting)
		return;
	u64 when = tick_when(x);
	if (when)
		tick_at(x, when);
	else
		sd_event_source_set_enabled(s->tick, SD_EVENT_OFF);
}

static void notify_viewers(struct vmx *x, u32 sequence)
{
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *v = x->screen.viewers[i];
		if (!v || !(v->forced || (v->ready && v->seen != sequence)))
			continue;
		int r = viewer_send(v, SCREEN_CHANGED, NULL, 0);
		v->forced = r == -EAGAIN; /* its socket is full of serial output: next time */
		v->ready = false;
		v->seen = sequence;
		if (r && r != -EAGAIN)
			viewer_remove(v);
	}
}

static void draw(struct vmx *x)
{
	struct machine *m = x->machine;
	struct screen *s = &x->screen;
	u64 again = 0;

	machine_lock(m);
	u32 before = atomic_load(&m->page->sequence);
	if (m->state == MACHINE_ON && m->people.display)
		again = m->people.refresh(m->people.display);
	u32 after = atomic_load(&m->page->sequence);
	if (m->hold)
		again = 0; /* its clock stands still */
	machine_unlock(m);
	s->drawn_at = now_monotonic();
	s->again_at = again ? s->drawn_at + again : 0;
	if (before != after)
		s->changed_at = s->drawn_at;
	notify_viewers(x, after);
	tick_next(x);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source, (void)usec;
	struct vmx *x = arg;
	struct machine *m = x->machine;

	if (!watched(x))
		return 0;
	x->screen.written_at = 0;
	atomic_store(&m->screen_written, false); /* before the harvest: what is written behind it counts again */
	machine_lock(m);
	m->screen_awaited = false;
	if (memory_has_dirty(m)) {
		if (vcpus_running(m)) {
			m->harvest = x->screen.harvesting = true;
			vcpus_kick(m);
		} else {
			for (unsigned i = 0; i < m->n_vcpus; i++)
				memory_harvest(&m->vcpus[i]);
		}
	}
	machine_unlock(m);
	if (!x->screen.harvesting)
		draw(x);
	return 0;
}

void screen_woken(struct vmx *x)
{
	struct machine *m = x->machine;

	if (!x->screen.harvesting) {
		tick_next(x);
		return;
	}
	machine_lock(m);
	bool done = !m->harvest;
	machine_unlock(m);
	if (!done)
		return;
	x->screen.harvesting = false;
	draw(x);
}

/* ---- messages ---- */

static bool message_whole(const struct screen_message *msg, size_t len)
{
	switch (msg->type) {
	case SCREEN_READY:
	case SCREEN_REFRESH:
		return true;
	case SCREEN_KEY:
		return len >= HEADER + sizeof(msg->key);
	case SCREEN_POINTER: /* front ends of before this one tell no tilt */
		return len >= HEADER + sizeof(msg->pointer) - sizeof(msg->pointer.tilt);
	case SCREEN_SERIAL_ON:
		return len >= HEADER + sizeof(msg->serial);
	case SCREEN_ANSWER:
		return len >= HEADER + sizeof(msg->answer);
	case SCREEN_SERIAL_IN:
		return msg->length <= sizeof(msg->bytes) && len >= HEADER + msg->length;
	default:
		return false;
	}
}

static void viewer_input(struct viewer *v, const struct screen_message *msg)
{
	struct vmx *x = v->x;

	if (v->view_only)
		return;
	if (msg->type == SCREEN_KEY) {
		viewer_key(v, msg->key.code, msg->key.down);
	} else if (msg->type == SCREEN_POINTER) {
		v->buttons = msg->pointer.buttons & SCREEN_BUTTONS;
		send_pointer(x, msg, buttons_held(x));
	} else if (msg->type == SCREEN_SERIAL_IN && !serial_give(x->machine, v->line, msg->bytes, msg->length)) {
		v->pending = *msg;
		v->waits = true;
		viewer_poll_events(v);
	}
}

static void viewer_message(struct viewer *v, const struct screen_message *msg)
{
	switch (msg->type) {
	case SCREEN_REFRESH:
		v->forced = true;
		v->x->screen.changed_at = now_monotonic();
		tick_next(v->x);
		break;
	case SCREEN_READY:
		v->ready = true;
		tick_next(v->x);
		break;
	case SCREEN_SERIAL_ON:
		viewer_serial_on(v, msg->serial.on, msg->serial.line);
		break;
	case SCREEN_ANSWER:
		sharing_answer(v, msg->answer.question, msg->answer.let_in);
		break;
	default:
		viewer_input(v, msg);
		tick_next(v->x);
	}
}

static int on_viewer(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source;
	struct viewer *v = arg;

	if (events & EPOLLOUT)
		viewer_flush(v);
	for (unsigned i = 0; i < MESSAGES_AT_ONCE && !v->waits; i++) {
		struct screen_message msg = {0};
		ssize_t n = recv(fd, &msg, sizeof(msg), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0) {
			viewer_remove(v);
			return 0;
		}
		if (v->outside)
			continue; /* who waits is not heard */
		if ((size_t)n >= HEADER && message_whole(&msg, (size_t)n))
			viewer_message(v, &msg);
		else
			log_limited(LOG_LEVEL_WARNING, "a viewer sent a message that means nothing");
	}
	if (v->waits && events & EPOLLHUP)
		viewer_remove(v);
	return 0;
}

/* ---- coming and going ---- */

int viewer_let_in(struct viewer *v, struct error *err)
{
	struct screen_message hello = {.type = SCREEN_HELLO};
	ssize_t n = sock_send(v->fd, &hello, HEADER, &v->x->machine->screen_fd, 1);

	v->outside = false;
	if (n < 0) {
		viewer_remove(v);
		return fail(err, (int)n, "cannot greet a viewer: %s", strerror((int)-n));
	}
	v->since = now_realtime() / NSEC_PER_SEC;
	v->seen = atomic_load(&v->x->machine->page->sequence) - 1; /* the first READY is answered at once */
	sharing_entered(v);
	return 0;
}

/* A new viewer, or one that waits to be let in (viewers.h), or -EBUSY; takes fd in every case. */
static int screen_add(struct vmx *x, int fd, bool view_only, const struct screen_who *who, struct error *err)
{
	unsigned i = 0;
	int r = sharing_judge(x, who, err);

	while (i < VIEWERS_MAX && x->screen.viewers[i])
		i++;
	if (r >= 0 && i == VIEWERS_MAX)
		r = fail(err, -EUSERS, "%s has %u viewers already", x->name, VIEWERS_MAX);
	if (r < 0) {
		close(fd);
		return r;
	}
	struct viewer *v = xcalloc(1, sizeof(*v));
	*v = (struct viewer){.x = x, .index = i, .fd = fd, .view_only = view_only, .who = *who, .id = ++x->screen.last_id,
			      .since = now_realtime() / NSEC_PER_SEC, .outside = true};
	int watched_io = sd_event_add_io(x->loop, &v->io, fd, EPOLLIN, on_viewer, v);
	if (watched_io < 0) {
		close(fd);
		free(v);
		return fail(err, watched_io, "cannot watch a viewer: %s", strerror(-watched_io));
	}
	x->screen.viewers[i] = v;
	if (r == SHARING_ASK) {
		r = sharing_ask(v, err);
		if (r)
			viewer_remove(v);
		return r;
	}
	return viewer_let_in(v, err);
}

int screen_attach(struct vmx *x, bool view_only, const struct screen_who *who, struct error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return fail(err, -errno, "cannot create a socket pair: %s", strerror(errno));
	fcntl(pair[0], F_SETFL, O_NONBLOCK); /* ours; how the viewer waits is its own business */
	int r = screen_add(x, pair[0], view_only, who, err);
	if (r) {
		close(pair[1]);
		return r;
	}
	return pair[1];
}

static int on_listener(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source, (void)events;
	struct vmx *x = arg;
	const struct screen_who nobody = {0};
	struct sock_peer peer;
	struct error err;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (client < 0)
		return 0;
	if (sock_peer(client, &peer) || (peer.uid != 0 && peer.uid != geteuid()))
		close(client);
	else if (screen_add(x, client, false, &nobody, &err))
		log_warning("%s", err.text);
	return 0;
}

int screen_listen(struct vmx *x, int fd, struct error *err)
{
	int r = sd_event_add_io(x->loop, &x->screen.listener, fd, EPOLLIN, on_listener, x);

	return r < 0 ? fail(err, r, "cannot watch the screen's socket: %s", strerror(-r)) : 0;
}

unsigned screen_viewers(const struct vmx *x)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VIEWERS_MAX; i++)
		n += x->screen.viewers[i] && !x->screen.viewers[i]->outside;
	return n;
}

json_t *screen_list(const struct vmx *x)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		const struct viewer *v = x->screen.viewers[i];
		if (v)
			json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:b, s:b, s:I}", "id", (json_int_t)v->id, "user", v->who.user,
							      "address", v->who.address, "view_only", v->view_only, "waits", v->outside, "since",
							      (json_int_t)v->since));
	}
	return list;
}

int screen_remove(struct vmx *x, u64 id, const char *sentence, struct error *err)
{
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *v = x->screen.viewers[i];
		if (v && v->id == id) {
			viewer_send(v, SCREEN_REMOVED, sentence, MIN(strlen(sentence), sizeof(((struct screen_message *)0)->bytes)));
			viewer_remove(v);
			return 0;
		}
	}
	return fail(err, -ENOENT, "%s has no viewer %llu", x->name, (unsigned long long)id);
}

void screen_bye(struct vmx *x, const char *sentence)
{
	for (unsigned i = 0; i < VIEWERS_MAX; i++)
		if (x->screen.viewers[i])
			viewer_send(x->screen.viewers[i], SCREEN_BYE, sentence, strlen(sentence));
}

int screen_init(struct vmx *x, struct error *err)
{
	int r = sd_event_add_time(x->loop, &x->screen.tick, CLOCK_MONOTONIC, 0, 1, on_tick, x);

	if (r < 0)
		return fail(err, r, "cannot create the screen's timer: %s", strerror(-r));
	sd_event_source_set_enabled(x->screen.tick, SD_EVENT_OFF);
	return 0;
}

void screen_free(struct vmx *x)
{
	/* Who waits first: nobody is to be let in now. */
	for (unsigned outside = 2; outside-- > 0;)
		for (unsigned i = 0; i < VIEWERS_MAX; i++)
			if (x->screen.viewers[i] && x->screen.viewers[i]->outside >= outside)
				viewer_remove(x->screen.viewers[i]);
	sd_event_source_disable_unref(x->screen.tick);
	sd_event_source_disable_unref(x->screen.listener);
}
