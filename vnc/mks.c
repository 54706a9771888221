/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mks.c - see mks.h
 *
 * The picture viewers get is a copy of the shared page made tile by tile: libvncserver encodes from it whenever it
 * likes, while vmx goes on drawing. Nothing is asked of vmx while nobody watches, so an idle console costs nothing.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rfb/rfb.h>

#include "api/screen.h"
#include "api/viewer.h"
#include "lib/log.h"
#include "lib/util.h"
#include "vnc/keys.h"
#include "vnc/mks.h"
#include "vnc/qemu_keys.h"

#define CLIENTS_MAX 16
#define CLIENT_STALL_MS 2000 /* a viewer that takes or sends nothing for so long in mid-message is dropped */
#define BLANK_WIDTH 640
#define BLANK_HEIGHT 400

struct mks {
	rfbScreenInfoPtr rfb;
	struct viewer *viewer;
	const struct screen_page *page;
	u32 *pixels; /* what libvncserver encodes; width x height, red in the low byte */
	u32 width, height;
	u32 shown;    /* page->sequence of the newest tile in pixels */
	bool blank;   /* pixels show no picture of the machine */
	unsigned clients;
	bool stale;	 /* vmx was drawing while we copied: copy again soon */
	bool newcomer;	 /* whose first picture must not be an old one */
	bool ready_sent; /* vmx owes us a SCREEN_CHANGED */
};

#define STALE_MS 5

struct mks_client {
	struct mks *mks;
	struct keys keys;
	int x, y;
	int buttons;
	bool placed; /* x and y are known */
};

/* ---- picture ---- */

static void picture_resize(struct mks *m, u32 width, u32 height)
{
	u32 *old = m->pixels;
	m->pixels = xcalloc((size_t)width * height, sizeof(u32));
	m->width = width;
	m->height = height;
	m->shown = 0;
	if (m->rfb)
		rfbNewFramebuffer(m->rfb, (char *)m->pixels, (int)width, (int)height, 8, 3, 4);
	free(old);
}

/* vmx keeps XRGB; libvncserver's own format has red in the low byte. */
static void copy_row(u32 *to, const u32 *from, u32 count)
{
	for (u32 x = 0; x < count; x++)
		to[x] = (from[x] & 0xff00) | (from[x] >> 16 & 0xff) | (from[x] & 0xff) << 16;
}

static void picture_tile(struct mks *m, u32 tx, u32 ty, u32 stride)
{
	u32 x = tx * SCREEN_TILE, y = ty * SCREEN_TILE;
	u32 width = MIN(SCREEN_TILE, m->width - x), height = MIN(SCREEN_TILE, m->height - y);
	for (u32 row = y; row < y + height; row++)
		copy_row(m->pixels + (size_t)row * m->width + x, m->page->pixels + (size_t)row * stride + x, width);
}

/* Copies the run of changed tiles that starts at tx and reports it; returns the tile after it. */
static u32 picture_run(struct mks *m, u32 tx, u32 ty, u32 tiles_x, u32 stride)
{
	const _Atomic u32 *sequence = m->page->tile_sequence + ty * SCREEN_TILES_X;
	u32 first = tx;
	while (tx < tiles_x && (s32)(atomic_load_explicit(&sequence[tx], memory_order_acquire) - m->shown) > 0)
		picture_tile(m, tx++, ty, stride);
	if (tx > first)
		rfbMarkRectAsModified(m->rfb, (int)(first * SCREEN_TILE), (int)(ty * SCREEN_TILE),
				      (int)MIN(tx * SCREEN_TILE, m->width), (int)MIN((ty + 1) * SCREEN_TILE, m->height));
	return tx;
}

static void picture_blank(struct mks *m)
{
	if (m->blank)
		return;
	m->blank = true;
	memset(m->pixels, 0, (size_t)m->width * m->height * sizeof(u32));
	rfbMarkRectAsModified(m->rfb, 0, 0, (int)m->width, (int)m->height);
}

/*
 * Brings the picture up to date with the page. A sequence that is odd or moves while we copy means vmx drew meanwhile:
 * `shown` then stays behind, and the tiles concerned are copied again.
 */
static void picture_update(struct mks *m)
{
	const struct screen_page *p = m->page;
	u32 before = atomic_load_explicit(&p->sequence, memory_order_acquire);
	u32 width = p->width, height = p->height, stride = p->stride / sizeof(u32);
	if (p->mode == SCREEN_OFF || !width || !height || width > SCREEN_MAX_WIDTH || height > SCREEN_MAX_HEIGHT ||
	    stride < width || (u64)stride * height > SCREEN_MAX_WIDTH * SCREEN_MAX_HEIGHT) {
		picture_blank(m);
		return;
	}
	if (width != m->width || height != m->height)
		picture_resize(m, width, height);
	if (m->blank)
		m->shown = 0;
	m->blank = false;
	u32 tiles_x = (width + SCREEN_TILE - 1) / SCREEN_TILE, tiles_y = (height + SCREEN_TILE - 1) / SCREEN_TILE;
	for (u32 ty = 0; ty < tiles_y; ty++)
		for (u32 tx = 0; tx < tiles_x; tx++)
			tx = picture_run(m, tx, ty, tiles_x, stride);
	u32 after = atomic_load_explicit(&p->sequence, memory_order_acquire);
	m->stale = (before & 1) || before != after;
	if (!m->stale)
		m->shown = before;
}

/* ---- viewers ---- */

static void send_key(void *arg, u8 code, bool down)
{
	viewer_send_key(((struct mks *)arg)->viewer, code, down);
}

static void hook_gone(rfbClientPtr client)
{
	struct mks_client *c = client->clientData;
	if (!c)
		return;
	keys_release_all(&c->keys);
	if (c->buttons)
		viewer_send_pointer(c->mks->viewer, 0, 0, 0, 0);
	c->mks->clients--;
	free(c);
	client->clientData = NULL;
}

static enum rfbNewClientAction hook_new(rfbClientPtr client)
{
	struct mks *m = client->screen->screenData;
	if (m->clients >= CLIENTS_MAX) {
		log_limited(LOG_LEVEL_WARNING, "refused a viewer from %s: %u are connected", client->host, m->clients);
		return RFB_CLIENT_REFUSE;
	}
	struct mks_client *c = xcalloc(1, sizeof(*c));
	c->mks = m;
	keys_init(&c->keys, send_key, m);
	client->clientData = c;
	client->clientGoneHook = hook_gone;
	m->clients++;
	m->newcomer = true;
	return RFB_CLIENT_ACCEPT;
}

static void hook_key(rfbBool down, rfbKeySym keysym, rfbClientPtr client)
{
	struct mks_client *c = client->clientData;
	if (c && !client->viewOnly)
		keys_symbol(&c->keys, keysym, down, c->mks->page->leds & 4);
}

static void hook_scancode(rfbClientPtr client, u32 keycode, u32 keysym, bool down)
{
	struct mks_client *c = client->clientData;
	if (!c)
		return;
	if (keycode)
		keys_scancode(&c->keys, keycode, down);
	else /* an on-screen keyboard, say: no key, only its meaning */
		keys_symbol(&c->keys, keysym, down, c->mks->page->leds & 4);
}

/* RFB: left 1, middle 2, right 4, wheel up 8, wheel down 16. The machine: left 1, right 2, middle 4. */
static void hook_pointer(int mask, int x, int y, rfbClientPtr client)
{
	struct mks_client *c = client->clientData;
	if (!c || client->viewOnly)
		return;
	int pressed = mask & ~c->buttons;
	int wheel = (pressed & 16 ? 1 : 0) - (pressed & 8 ? 1 : 0);
	unsigned buttons = (unsigned)((mask & 1) | (mask & 4) >> 1 | (mask & 2) << 1);
	int dx = c->placed ? x - c->x : 0, dy = c->placed ? y - c->y : 0;
	if (dx || dy || wheel || mask != c->buttons)
		viewer_send_position(c->mks->viewer, x, y, dx, dy, wheel, buttons);
	c->x = x;
	c->y = y;
	c->placed = true;
	c->buttons = mask;
}

static void drop_all(struct mks *m)
{
	rfbClientIteratorPtr iterator = rfbGetClientIterator(m->rfb);
	rfbClientPtr client;
	while ((client = rfbClientIteratorNext(iterator)))
		rfbCloseClient(client);
	rfbReleaseClientIterator(iterator);
	rfbProcessEvents(m->rfb, 0);
}

static void library_log(const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text[strcspn(text, "\n")] = 0;
	log_debug("%s", text);
}

static void rfb_open(struct mks *m, const char *name)
{
	rfbLog = library_log;
	rfbErr = library_log;
	rfbMaxClientWait = CLIENT_STALL_MS;
	qemu_keys_register(hook_scancode);
	m->rfb = rfbGetScreen(NULL, NULL, (int)m->width, (int)m->height, 8, 3, 4);
	if (!m->rfb)
		fatal("out of memory");
	m->rfb->screenData = m;
	m->rfb->frameBuffer = (char *)m->pixels;
	m->rfb->desktopName = name;
	m->rfb->alwaysShared = TRUE;
	m->rfb->deferUpdateTime = 0;
	m->rfb->port = m->rfb->ipv6port = 0; /* we listen ourselves */
	m->rfb->httpPort = m->rfb->http6Port = 0;
	m->rfb->permitFileTransfer = FALSE;
	m->rfb->cursor = NULL; /* the guest draws its own */
	m->rfb->newClientHook = hook_new;
	m->rfb->kbdAddEvent = hook_key;
	m->rfb->ptrAddEvent = hook_pointer;
	rfbInitServer(m->rfb);
}

/* ---- the loop ---- */

static void accept_viewer(struct mks *m, int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (fd >= FD_SETSIZE) { /* libvncserver selects */
		close(fd);
		return;
	}
	rfbNewClient(m->rfb, fd);
}

/* Asks vmx to tell the next change, once somebody is there to see it. */
static int ask_for_change(struct mks *m)
{
	if (!m->clients || (m->ready_sent && !m->newcomer))
		return 0;
	int ret = m->newcomer ? viewer_refresh(m->viewer) : 0;
	m->newcomer = false;
	m->ready_sent = true;
	return ret ? ret : viewer_ready(m->viewer);
}

static int wait_for_events(struct mks *m, int listen_fd, bool *screen, bool *connect)
{
	struct pollfd p[2 + CLIENTS_MAX + 8] = {{.fd = viewer_fd(m->viewer), .events = POLLIN},
						{.fd = listen_fd, .events = POLLIN}};
	nfds_t n = 2;
	rfbClientIteratorPtr iterator = rfbGetClientIterator(m->rfb);
	rfbClientPtr client;
	while ((client = rfbClientIteratorNext(iterator)) && n < ARRAY_SIZE(p))
		if (client->sock >= 0)
			p[n++] = (struct pollfd){.fd = client->sock, .events = POLLIN};
	rfbReleaseClientIterator(iterator);
	if (poll(p, n, m->stale ? STALE_MS : -1) < 0 && errno != EINTR)
		return -errno;
	*screen = p[0].revents;
	*connect = p[1].revents;
	return 0;
}

static int serve(struct mks *m, int listen_fd, struct error *err)
{
	for (;;) {
		bool screen = false, connect = false;
		int ret = wait_for_events(m, listen_fd, &screen, &connect);
		if (ret)
			return fail(err, ret, "cannot wait for viewers: %s", strerror(-ret));
		if (connect)
			accept_viewer(m, listen_fd);
		unsigned events = screen ? viewer_receive(m->viewer, NULL, NULL) : 0;
		if (events & VIEWER_ENDED) {
			log_info("the console ends: %s", viewer_farewell(m->viewer));
			return 0;
		}
		if (events & VIEWER_CHANGED)
			m->ready_sent = false;
		if ((events & VIEWER_CHANGED) || m->stale)
			picture_update(m);
		rfbProcessEvents(m->rfb, 0);
		if (ask_for_change(m) == -EPIPE)
			return 0;
	}
}

int mks_serve(int screen_fd, int listen_fd, const char *name, struct error *err)
{
	struct mks m = {0};
	int ret = viewer_open(screen_fd, &m.viewer, err);
	if (ret)
		return ret;
	m.page = viewer_page(m.viewer);
	picture_resize(&m, BLANK_WIDTH, BLANK_HEIGHT);
	m.blank = true;
	rfb_open(&m, name);
	ret = serve(&m, listen_fd, err);
	drop_all(&m);
	rfbScreenCleanup(m.rfb);
	free(m.pixels);
	viewer_close(m.viewer);
	close(listen_fd);
	return ret;
}

/* ---- listening ---- */

int mks_check_listener(int listen_fd, struct error *err)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	if (getsockname(listen_fd, (struct sockaddr *)&address, &len))
		return fail(err, -errno, "the console's descriptor is not a socket: %m");
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
	if (address.ss_family == AF_INET && ntohl(v4->sin_addr.s_addr) >> 24 == 127)
		return 0;
	if (address.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr))
		return 0;
	return fail(err, -EPERM, "the console listens on loopback only: it has neither encryption nor log-in");
}

int mks_listen(unsigned port, struct error *err)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((u16)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(err, -errno, "cannot make a socket: %m");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 16)) {
		fail(err, -errno, "cannot listen on 127.0.0.1 port %u: %m", port);
		close(fd);
		return err ? err->code : -EADDRINUSE;
	}
	return fd;
}
