// SPDX-License-Identifier: GPL-2.0-or-later
/* viewer.c - see viewer.h: the connection to a machine and copies of its screen */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/viewer.h"
#include "lib/sock.h"
#include "lib/util.h"

#define HELLO_MS 5000
#define SEND_MS 500
#define SNAPSHOT_TRIES 40
#define QUESTIONS_MAX 8

struct viewer {
	int fd;
	const struct screen_page *page; /* NULL while it waits to be let in */
	char waits[200];
	char farewell[256];
	bool removed;
	struct viewer_question questions[QUESTIONS_MAX]; /* oldest first */
	unsigned n_questions;
};

/* Hears one packet; its length, 0 at the end, -EAGAIN when none waits. bytes[] never lies about its length afterwards. */
static ssize_t packet_receive(int fd, struct screen_message *m, int *page_fd)
{
	int fds[SOCK_MAX_FDS];
	unsigned n_fds = SOCK_MAX_FDS;
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	*page_fd = -1;
	if (poll(&poller, 1, 0) == 0)
		return -EAGAIN;
	memset(m, 0, sizeof(*m));
	ssize_t n = sock_recv(fd, m, sizeof(*m), fds, &n_fds);
	/* A machine that closes without having read all of ours resets the connection, which is told before what it has said last. */
	if (n == -ECONNRESET) {
		n_fds = SOCK_MAX_FDS;
		n = sock_recv(fd, m, sizeof(*m), fds, &n_fds);
	}
	while (n >= 0 && n_fds > 1)
		close(fds[--n_fds]);
	if (n >= 0 && n_fds)
		*page_fd = fds[0];
	size_t head = offsetof(struct screen_message, bytes);
	m->length = n < (ssize_t)head ? 0 : (u16)MIN(m->length, (size_t)n - head);
	return n;
}

static int page_map(struct viewer *v, int page_fd, struct error *err)
{
	struct stat st;
	/* Without the seal vmx could shorten the file under us, and reading it would end in SIGBUS. */
	int seals = fcntl(page_fd, F_GET_SEALS);
	if (fstat(page_fd, &st) < 0 || seals < 0 || !(seals & F_SEAL_SHRINK) || st.st_size < (off_t)SCREEN_BYTES)
		return fail(err, -EPROTO, "the machine shared something that is not a screen");
	void *p = mmap(NULL, SCREEN_BYTES, PROT_READ, MAP_SHARED, page_fd, 0);
	if (p == MAP_FAILED)
		return fail(err, -errno, "cannot map the machine's screen: %m");
	v->page = p;
	if (v->page->magic != SCREEN_MAGIC)
		return fail(err, -EPROTO, "the machine's screen has a format this program does not know");
	return 0;
}

/* Text of the machine's, fit for a terminal. */
static void text_keep(char *to, size_t size, const void *from, size_t length)
{
	const u8 *bytes = from;
	size_t out = 0;
	for (size_t k = 0; k < length && k < size - 1 && bytes[k]; k++)
		to[out++] = bytes[k] < ' ' || bytes[k] == 0x7f ? '?' : (char)bytes[k];
	to[out] = 0;
}

static int hello_wait(struct viewer *v, struct error *err)
{
	struct screen_message m;
	struct pollfd poller = {.fd = v->fd, .events = POLLIN};
	int page_fd;
	if (poll(&poller, 1, HELLO_MS) == 0)
		return fail(err, -ETIMEDOUT, "the machine does not answer");
	ssize_t n = packet_receive(v->fd, &m, &page_fd);
	int ret = 0;
	if (n <= 0)
		ret = fail(err, -ECONNRESET, "the machine closed the connection");
	else if (m.type == SCREEN_BYE)
		ret = fail(err, -ENOTCONN, "%.*s", (int)m.length, (const char *)m.bytes);
	else if (m.type == SCREEN_WAIT)
		text_keep(v->waits, sizeof(v->waits), m.bytes, m.length);
	else if (m.type != SCREEN_HELLO || page_fd < 0)
		ret = fail(err, -EPROTO, "the machine answered with something else than its screen");
	else
		ret = page_map(v, page_fd, err);
	if (page_fd >= 0)
		close(page_fd);
	return ret;
}

int viewer_knock(int fd, struct viewer **out, struct error *err)
{
	struct viewer *v = xcalloc(1, sizeof(*v));
	v->fd = fd;
	str_copy(v->farewell, sizeof(v->farewell), "the machine's process ended");
	int ret = hello_wait(v, err);
	if (ret) {
		viewer_close(v);
		return ret;
	}
	*out = v;
	return 0;
}

const char *viewer_waits(const struct viewer *v)
{
	return v->page ? NULL : v->waits;
}

int viewer_await(struct viewer *v, struct error *err)
{
	while (viewer_waits(v)) {
		struct pollfd poller = {.fd = v->fd, .events = POLLIN};
		if (poll(&poller, 1, -1) < 0)
			return fail(err, -errno, "waiting to be let in has been given up");
		if (viewer_receive(v, NULL, NULL) & VIEWER_ENDED)
			return fail(err, v->removed ? -EACCES : -ENOTCONN, "%s", v->farewell);
	}
	return 0;
}

int viewer_open(int fd, struct viewer **out, struct error *err)
{
	struct viewer *v = NULL;
	int ret = viewer_knock(fd, &v, err);
	if (!ret)
		ret = viewer_await(v, err);
	if (ret)
		viewer_close(v);
	else
		*out = v;
	return ret;
}

void viewer_close(struct viewer *v)
{
	if (!v)
		return;
	if (v->page)
		munmap((void *)v->page, SCREEN_BYTES);
	close(v->fd);
	free(v);
}

int viewer_fd(const struct viewer *v)
{
	return v->fd;
}

const char *viewer_farewell(const struct viewer *v)
{
	return v->farewell;
}

bool viewer_was_removed(const struct viewer *v)
{
	return v->removed;
}

const struct screen_page *viewer_page(const struct viewer *v)
{
	return v->page;
}

/* ---- questions ---- */

static void question_drop(struct viewer *v, unsigned index)
{
	v->n_questions--;
	memmove(&v->questions[index], &v->questions[index + 1], (v->n_questions - index) * sizeof(v->questions[0]));
}

static void question_take(struct viewer *v, const struct screen_message *m)
{
	size_t head = offsetof(struct screen_message, ask.text) - offsetof(struct screen_message, bytes);
	if (m->length < head)
		return;
	for (unsigned k = 0; k < v->n_questions; k++)
		if (v->questions[k].number == m->ask.question)
			question_drop(v, k--);
	if (!m->ask.seconds || v->n_questions == QUESTIONS_MAX)
		return;
	struct viewer_question *q = &v->questions[v->n_questions++];
	q->number = m->ask.question;
	q->until = now_monotonic() + m->ask.seconds * NSEC_PER_SEC;
	text_keep(q->text, sizeof(q->text), m->ask.text, MIN(m->length - head, sizeof(m->ask.text)));
}

const struct viewer_question *viewer_question(struct viewer *v)
{
	while (v->n_questions && v->questions[0].until <= now_monotonic())
		question_drop(v, 0);
	return v->n_questions ? &v->questions[0] : NULL;
}

static int message_send(struct viewer *v, const struct screen_message *m);

int viewer_answer(struct viewer *v, u32 number, bool let_in)
{
	struct screen_message m = {.type = SCREEN_ANSWER, .length = sizeof(m.answer)};
	m.answer.question = number;
	m.answer.let_in = let_in;
	for (unsigned k = 0; k < v->n_questions; k++)
		if (v->questions[k].number == number)
			question_drop(v, k--);
	return message_send(v, &m);
}

/* ---- what the machine says ---- */

static unsigned message_take(struct viewer *v, const struct screen_message *m, int page_fd, void (*serial)(void *arg, const u8 *bytes, size_t len),
			     void *arg)
{
	switch (m->type) {
	case SCREEN_CHANGED:
		return VIEWER_CHANGED;
	case SCREEN_HELLO:
		if (v->page || page_fd < 0)
			return 0;
		return page_map(v, page_fd, NULL) ? VIEWER_ENDED : VIEWER_INSIDE;
	case SCREEN_ASK:
		question_take(v, m);
		return VIEWER_ASKED;
	case SCREEN_SERIAL:
		if (serial && m->length)
			serial(arg, m->bytes, m->length);
		return 0;
	case SCREEN_BYE:
	case SCREEN_REMOVED:
		if (m->length)
			text_keep(v->farewell, sizeof(v->farewell), m->bytes, m->length);
		v->removed = m->type == SCREEN_REMOVED;
		return VIEWER_ENDED;
	default:
		return 0;
	}
}

unsigned viewer_receive(struct viewer *v, void (*serial)(void *arg, const u8 *bytes, size_t len), void *arg)
{
	struct screen_message m;
	unsigned events = 0;
	int page_fd;
	/* Bounded, so that a flood of serial output does not keep the terminal's keys waiting. */
	for (unsigned k = 0; k < 64; k++) {
		ssize_t n = packet_receive(v->fd, &m, &page_fd);
		if (n == -EAGAIN)
			break;
		events |= n <= 0 ? VIEWER_ENDED : message_take(v, &m, page_fd, serial, arg);
		if (page_fd >= 0)
			close(page_fd);
		if (events & VIEWER_ENDED)
			break;
	}
	return events;
}

static int message_send(struct viewer *v, const struct screen_message *m)
{
	size_t len = offsetof(struct screen_message, bytes) + m->length;
	for (int tries = 0; tries < 2; tries++) {
		struct pollfd poller = {.fd = v->fd, .events = POLLOUT};
		ssize_t n = send(v->fd, m, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		poll(&poller, 1, SEND_MS);
	}
	return -EAGAIN;
}

int viewer_ready(struct viewer *v)
{
	return message_send(v, &(struct screen_message){.type = SCREEN_READY});
}

int viewer_refresh(struct viewer *v)
{
	return message_send(v, &(struct screen_message){.type = SCREEN_REFRESH});
}

int viewer_send_key(struct viewer *v, u8 code, bool down)
{
	struct screen_message m = {.type = SCREEN_KEY, .length = sizeof(m.key)};
	m.key.code = code;
	m.key.down = down;
	return message_send(v, &m);
}

static struct screen_message pointer_message(int dx, int dy, int wheel, unsigned buttons)
{
	struct screen_message m = {.type = SCREEN_POINTER, .length = sizeof(m.pointer)};
	m.pointer.dx = (s16)MAX(-0x7fff, MIN(dx, 0x7fff));
	m.pointer.dy = (s16)MAX(-0x7fff, MIN(dy, 0x7fff));
	m.pointer.wheel = (s16)MAX(-0x7fff, MIN(wheel, 0x7fff));
	m.pointer.buttons = (u16)buttons;
	return m;
}

int viewer_send_pointer(struct viewer *v, int dx, int dy, int wheel, unsigned buttons)
{
	struct screen_message m = pointer_message(dx, dy, wheel, buttons);
	return message_send(v, &m);
}

/* 0 to 65535 for the first to the last pixel. */
static u16 position(int at, u32 pixels)
{
	return (u16)MIN((u64)MAX(at, 0) * 0xffff / (MAX(pixels, 2) - 1), 0xffff);
}

int viewer_send_position(struct viewer *v, int x, int y, int dx, int dy, int wheel, int tilt, unsigned buttons)
{
	struct screen_message m = pointer_message(dx, dy, wheel, buttons);
	if (!v->page)
		return -ENOTCONN;
	m.pointer.x = position(x, MIN(v->page->width, SCREEN_MAX_WIDTH));
	m.pointer.y = position(y, MIN(v->page->height, SCREEN_MAX_HEIGHT));
	m.pointer.placed = 1;
	m.pointer.tilt = (s16)MAX(-0x7fff, MIN(tilt, 0x7fff));
	return message_send(v, &m);
}

int viewer_send_serial(struct viewer *v, const void *bytes, size_t len)
{
	const u8 *from = bytes;
	while (len) {
		struct screen_message m = {.type = SCREEN_SERIAL_IN, .length = (u16)MIN(len, sizeof(m.bytes))};
		memcpy(m.bytes, from, m.length);
		int ret = message_send(v, &m);
		if (ret)
			return ret;
		from += m.length;
		len -= m.length;
	}
	return 0;
}

int viewer_serial_on(struct viewer *v, unsigned line, bool on)
{
	struct screen_message m = {.type = SCREEN_SERIAL_ON, .length = sizeof(m.serial)};
	m.serial.line = (u8)line;
	m.serial.on = on;
	return message_send(v, &m);
}

int viewer_send_chord(struct viewer *v, const struct viewer_chord *chord)
{
	int ret = 0;
	for (unsigned k = 0; !ret && k < chord->count; k++)
		ret = viewer_send_key(v, chord->codes[k], true);
	/* What went down comes up, even after a failure: a key that hangs is worse than one that is missing. */
	for (unsigned k = chord->count; k-- > 0;) {
		int up = viewer_send_key(v, chord->codes[k], false);
		ret = ret ? ret : up;
	}
	return ret;
}

int viewer_send_press(struct viewer *v, const struct viewer_press *p)
{
	int ret = viewer_send_chord(v, &p->before);
	return ret ? ret : viewer_send_chord(v, &p->chord);
}

/* Sizes as vmx states them, made safe: what does not fit is a screen that is off. */
static void header_copy(const struct screen_page *p, struct viewer_screen *s, u32 *stride)
{
	s->mode = p->mode <= SCREEN_GRAPHICS ? (enum screen_mode)p->mode : SCREEN_OFF;
	s->width = p->width;
	s->height = p->height;
	*stride = p->stride;
	s->columns = p->columns;
	s->rows = p->rows;
	s->cursor_x = p->cursor_x;
	s->cursor_y = p->cursor_y;
	s->blink_background = p->blink_background;
	s->leds = p->leds;
	memcpy(s->palette16, p->palette16, sizeof(s->palette16));
	memcpy(s->title, p->title, sizeof(s->title));
	s->title[sizeof(s->title) - 1] = 0;
	bool pixels_fit = s->width && s->width <= SCREEN_MAX_WIDTH && s->height && s->height <= SCREEN_MAX_HEIGHT &&
			  *stride % 4 == 0 && *stride >= s->width * 4 && *stride <= SCREEN_MAX_WIDTH * 4;
	bool cells_fit = s->columns && s->columns <= SCREEN_MAX_COLUMNS && s->rows && s->rows <= SCREEN_MAX_ROWS;
	if (!pixels_fit)
		s->width = s->height = 0;
	if (!cells_fit || s->mode != SCREEN_TEXT)
		s->columns = s->rows = 0;
	if ((s->mode == SCREEN_TEXT && !cells_fit) || (s->mode == SCREEN_GRAPHICS && !pixels_fit))
		s->mode = SCREEN_OFF;
	if (s->cursor_x >= s->columns || s->cursor_y >= s->rows)
		s->cursor_x = s->columns;
}

static void page_copy(const struct screen_page *p, struct viewer_screen *s, bool pixels)
{
	u32 stride;
	header_copy(p, s, &stride);
	memcpy(s->cells, p->cells, (size_t)s->columns * s->rows * sizeof(s->cells[0]));
	if (!pixels || s->mode == SCREEN_OFF || !s->width)
		return;
	s->pixels = xrealloc(s->pixels, (size_t)s->width * s->height * 4);
	for (u32 y = 0; y < s->height; y++)
		memcpy(s->pixels + (size_t)y * s->width, p->pixels + (size_t)y * (stride / 4), (size_t)s->width * 4);
}

int viewer_snapshot(struct viewer *v, struct viewer_screen *s, bool pixels)
{
	const struct screen_page *p = v->page;
	if (!p)
		return -ENOTCONN;
	const struct timespec pause = {.tv_nsec = 500000};
	for (unsigned tries = 0; tries < SNAPSHOT_TRIES; tries++) {
		u32 before = atomic_load_explicit(&p->sequence, memory_order_acquire);
		bool last = tries == SNAPSHOT_TRIES - 1;
		if (!(before & 1) || last) {
			page_copy(p, s, pixels);
			atomic_thread_fence(memory_order_acquire);
			if (!(before & 1) && atomic_load_explicit(&p->sequence, memory_order_relaxed) == before)
				return 0;
		}
		nanosleep(&pause, NULL);
	}
	return -EAGAIN;
}

void viewer_screen_free(struct viewer_screen *s)
{
	free(s->pixels);
	s->pixels = NULL;
}
