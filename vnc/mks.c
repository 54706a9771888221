/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mks.c - see mks.h
 *
 * The picture the viewer gets is a copy of the shared page made tile by tile: libvncserver encodes from it whenever it
 * likes, while vmx goes on drawing. It is made when the viewer has asked for an update and vmx has told of a change, so what a slow
 * viewer would not see is not even drawn. At all times the copy is what the viewer has, but for what is marked as modified or copied:
 * that is why rows are taken from the page first, which others may let change meanwhile, and compared then.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <rfb/rfb.h>
#include <rfb/rfbregion.h>

#include "api/client.h"
#include "api/screen.h"
#include "api/viewer.h"
#include "lib/log.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "vnc/confine.h"
#include "vnc/door.h"
#include "vnc/keys.h"
#include "vnc/mks.h"
#include "vnc/paste.h"
#include "vnc/photo.h"
#include "vnc/placard.h"
#include "vnc/qemu_keys.h"
#include "vnc/qemu_leds.h"
#include "vnc/scroll.h"

#define CLIENT_STALL_MS 60000 /* a viewer that takes nothing for so long is dropped */
#define PLACARD_WIDE 80 /* characters of a line */
#define BLANK_WIDTH 720
#define BLANK_HEIGHT 400
#define LOOK_AGAIN_NS NSEC_PER_SEC /* at a machine that is off */
#define NOT_SCROLLED_OFTEN 8

struct mks {
	rfbScreenInfoPtr rfb;
	struct vmk_client *host;
	struct placard *font;
	struct photo *photo;
	char machine[64], address[64];
	bool may_operate;
	struct viewer *viewer; /* NULL: the machine is off, or does not want us */
	struct viewer *waiting; /* for being let in */
	bool refused;		/* which the viewer was: it has to ask again by itself */
	bool off;		/* the machine: Enter powers it on */
	u32 banner;		/* number of the question that is drawn over the picture, 0: none */
	bool top_changed;	/* the picture, where the banner is */
	const struct screen_page *page;
	u32 *pixels; /* what libvncserver encodes; width x height, XRGB like the page */
	u32 *taken;  /* of the page, where it is compared at other places than its own */
	s32 scrolled; /* by so many rows, last time */
	u32 not_scrolled; /* times in a row that much changed */
	u32 width, height;
	u32 shown;    /* page->sequence of the newest tile in pixels */
	bool blank;   /* pixels show no picture of the machine */
	bool stale;	 /* vmx was drawing while we copied: copy again soon */
	bool newcomer;	 /* the first picture must not be an old one */
	bool ready_sent; /* vmx owes us a SCREEN_CHANGED */
	bool ask_again;	 /* for that, soon: it took nothing */
	bool gone;	 /* the viewer */
	bool kicked;
	u64 look_at; /* when to look at a machine that is off */
	char said[PLACARD_LINES][200]; /* the placard */
	/* the viewer's */
	struct keymap *map;
	struct keys keys;
	struct paste paste;
	int x, y;
	int buttons;
	bool placed; /* x and y are known */
};

#define STALE_NS (5 * 1000000ull)
#define ASK_AGAIN_NS (50 * 1000000ull)

/* ---- picture ---- */

/* The page's own, and that of TigerVNC's viewer; the library's has red in the low byte, and comes back with each frame buffer. */
static void picture_format(rfbScreenInfoPtr rfb)
{
	rfb->serverFormat.depth = 24;
	rfb->serverFormat.redShift = 16;
	rfb->serverFormat.greenShift = 8;
	rfb->serverFormat.blueShift = 0;
	if (rfb->clientHead)
		rfb->setTranslateFunction(rfb->clientHead);
}

static void picture_resize(struct mks *m, u32 width, u32 height)
{
	u32 *old = m->pixels;
	m->pixels = xcalloc((size_t)width * height, sizeof(u32));
	m->width = width;
	m->height = height;
	m->shown = 0;
	m->top_changed = true;
	if (m->rfb) {
		rfbNewFramebuffer(m->rfb, (char *)m->pixels, (int)width, (int)height, 8, 3, 4);
		picture_format(m->rfb);
	}
	free(old);
}

static bool tile_changed(const struct mks *m, u32 tx, u32 ty)
{
	return (s32)(atomic_load_explicit(&m->page->tile_sequence[ty * SCREEN_TILES_X + tx], memory_order_acquire) - m->shown) > 0;
}

/* Takes over `width` pixels of a row from `from`; whether any differ. */
static bool take_row(struct mks *m, u32 x, u32 y, const u32 *from, u32 width)
{
	u32 *to = m->pixels + (size_t)y * m->width + x;
	if (memcmp(to, from, width * sizeof(u32)) == 0)
		return false;
	memcpy(to, from, width * sizeof(u32));
	return true;
}

/* Takes over the run of changed tiles that starts at tx and reports the rows that differ; returns the tile after it. */
static u32 picture_run(struct mks *m, u32 tx, u32 ty, u32 tiles_x, u32 stride)
{
	u32 x = tx * SCREEN_TILE, y = ty * SCREEN_TILE, first = m->height, last = 0;
	while (tx < tiles_x && tile_changed(m, tx, ty))
		tx++;
	u32 end = MIN(tx * SCREEN_TILE, m->width), row[SCREEN_MAX_WIDTH];
	for (u32 line = y; end > x && line < MIN(y + SCREEN_TILE, m->height); line++) {
		memcpy(row, m->page->pixels + (size_t)line * stride + x, (end - x) * sizeof(u32));
		if (!take_row(m, x, line, row, end - x))
			continue;
		first = MIN(first, line);
		last = line;
	}
	if (first <= last)
		rfbMarkRectAsModified(m->rfb, (int)x, (int)first, (int)end, (int)last + 1);
	m->top_changed |= first <= last && first < BANNER_ROWS;
	return tx;
}

/* ---- scrolling ---- */

/* Pixels. */
struct area {
	u32 x, y, width, height;
};

/* What the changed tiles lie in; `tiles` of them. */
static struct area changed_area(const struct mks *m, u32 tiles_x, u32 tiles_y, u32 *tiles)
{
	u32 left = tiles_x, right = 0, top = tiles_y, bottom = 0;
	*tiles = 0;
	for (u32 ty = 0; ty < tiles_y; ty++) {
		for (u32 tx = 0; tx < tiles_x; tx++) {
			if (!tile_changed(m, tx, ty))
				continue;
			++*tiles;
			left = MIN(left, tx);
			right = MAX(right, tx + 1);
			top = MIN(top, ty);
			bottom = ty + 1;
		}
	}
	if (!*tiles)
		return (struct area){0};
	struct area a = {.x = left * SCREEN_TILE, .y = top * SCREEN_TILE};
	a.width = MIN(right * SCREEN_TILE, m->width) - a.x;
	a.height = MIN(bottom * SCREEN_TILE, m->height) - a.y;
	return a;
}

/* The viewer can copy, and has all that is in the picture. */
static bool viewer_can_copy(const rfbClientRec *client)
{
	return client && client->useCopyRect && !client->newFBSizePending && sraRgnEmpty(client->modifiedRegion) &&
	       sraRgnEmpty(client->copyRegion);
}

static void region_add(sraRegionPtr region, u32 left, u32 top, u32 right, u32 bottom)
{
	sraRegionPtr part = sraRgnCreateRect((int)left, (int)top, (int)right, (int)bottom);
	sraRgnOr(region, part);
	sraRgnDestroy(part);
}

/* Which rows of the area stood `distance` rows further down, in runs that are worth it; how many. */
static u32 find_copied(const struct mks *m, const struct area *a, s32 distance, bool copied[SCREEN_MAX_HEIGHT])
{
	u32 run = 0, rows = 0;
	for (u32 k = 0; k <= a->height; k++) {
		s64 from = (s64)a->y + k + distance;
		if (k < a->height && from >= 0 && from < m->height &&
		    memcmp(m->taken + (size_t)k * a->width, m->pixels + (size_t)from * m->width + a->x, a->width * sizeof(u32)) == 0) {
			run++;
			continue;
		}
		if (run >= SCREEN_TILE) {
			memset(copied + k - run, true, run);
			rows += run;
		}
		run = 0;
	}
	return rows;
}

/* Takes over the rows: some the viewer copies, of the others he is sent what differs. */
static void take_area(struct mks *m, rfbClientPtr client, const struct area *a, const bool *copied)
{
	sraRegionPtr modified = sraRgnCreate();
	for (u32 k = 0; k < a->height; k++) {
		const u32 *from = m->taken + (size_t)k * a->width;
		u32 y = a->y + k, left = a->width, right = 0;
		if (copied[k] && (!k || !copied[k - 1])) {
			u32 end = k;
			while (end < a->height && copied[end])
				end++;
			region_add(client->copyRegion, a->x, y, a->x + a->width, a->y + end);
		}
		if (copied[k]) {
			memcpy(m->pixels + (size_t)y * m->width + a->x, from, a->width * sizeof(u32));
			continue;
		}
		for (u32 x = 0; x < a->width; x += SCREEN_TILE) {
			if (!take_row(m, a->x + x, y, from + x, MIN(SCREEN_TILE, a->width - x)))
				continue;
			left = MIN(left, x);
			right = MIN(x + SCREEN_TILE, a->width);
		}
		if (left < right)
			region_add(modified, a->x + left, y, a->x + right, y + 1);
	}
	rfbMarkRegionAsModified(m->rfb, modified);
	sraRgnDestroy(modified);
}

/*
 * Whether most rows of the area have moved, by m->scrolled; the area is in m->taken then. As a rule it is the distance of the last
 * time. Where nothing scrolls, as in a film, it is looked for now and then only.
 */
static bool area_moved(struct mks *m, const struct area *a, u32 stride, bool copied[SCREEN_MAX_HEIGHT])
{
	const u32 *page = m->page->pixels + (size_t)a->y * stride + a->x, *before = m->pixels + (size_t)a->y * m->width + a->x;
	s32 guess = m->scrolled;
	if (!guess && m->not_scrolled++ >= NOT_SCROLLED_OFTEN && m->not_scrolled % NOT_SCROLLED_OFTEN)
		return false;
	if (!guess && !(guess = scroll_find(before, m->width, page, stride, a->width, a->height)))
		return false;
	m->taken = xrealloc(m->taken, (size_t)a->width * a->height * sizeof(u32));
	for (u32 k = 0; k < a->height; k++)
		memcpy(m->taken + (size_t)k * a->width, page + (size_t)k * stride, a->width * sizeof(u32));
	if (find_copied(m, a, guess, copied) < a->height / 2) {
		memset(copied, false, a->height);
		guess = m->scrolled ? scroll_find(before, m->width, m->taken, a->width, a->width, a->height) : 0;
		if (guess && find_copied(m, a, guess, copied) < a->height / 2)
			guess = 0;
	}
	m->scrolled = guess;
	if (guess)
		m->not_scrolled = 0;
	return guess;
}

/* Where most of what changed has only moved up or down: true, and the picture is up to date. */
static bool picture_scroll(struct mks *m, u32 tiles_x, u32 tiles_y, u32 stride)
{
	rfbClientPtr client = m->rfb->clientHead;
	bool copied[SCREEN_MAX_HEIGHT] = {false};
	u32 tiles;
	if (m->banner || !viewer_can_copy(client)) /* what lies under the banner is not in the picture */
		return false;
	struct area a = changed_area(m, tiles_x, tiles_y, &tiles);
	if (a.height < SCROLL_ROWS_LEAST || tiles * SCREEN_TILE * SCREEN_TILE < a.width * a.height / 4)
		return false;
	if (!area_moved(m, &a, stride, copied))
		return false;
	take_area(m, client, &a, copied);
	client->copyDX = 0;
	client->copyDY = -m->scrolled;
	return true;
}

static void picture_blank(struct mks *m)
{
	if (m->blank)
		return;
	m->blank = m->top_changed = true;
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
	bool scrolled = picture_scroll(m, tiles_x, tiles_y, stride);
	for (u32 ty = 0; !scrolled && ty < tiles_y; ty++)
		for (u32 tx = 0; tx < tiles_x; tx++)
			tx = picture_run(m, tx, ty, tiles_x, stride);
	u32 after = atomic_load_explicit(&p->sequence, memory_order_acquire);
	m->stale = (before & 1) || before != after;
	if (!m->stale)
		m->shown = before;
}

/* ---- the question whether somebody is let in ---- */

static void banner_draw(struct mks *m, const struct viewer_question *q)
{
	placard_banner(m->font, m->pixels, m->width, m->height, q->text, "Ctrl-Alt-Y lets them in, Ctrl-Alt-N refuses; without an answer they are let in soon.");
	rfbMarkRectAsModified(m->rfb, 0, 0, (int)m->width, (int)MIN(BANNER_ROWS, m->height));
	m->top_changed = false;
}

/* Puts the banner over the picture while there is a question, and the picture back where it was. */
static void banner_update(struct mks *m)
{
	const struct viewer_question *q = viewer_question(m->viewer);
	u32 number = q ? q->number : 0;
	if (q && (number != m->banner || m->top_changed))
		banner_draw(m, q);
	if (!q && m->banner) {
		m->shown = 0;
		m->blank = false;
		picture_update(m);
	}
	m->banner = number;
}

/* ---- placard ---- */

/* A line of the placard; an empty format leaves it out. */
static void say(struct mks *m, unsigned line, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void say(struct mks *m, unsigned line, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(m->said[line], sizeof(m->said[line]), fmt, args);
	va_end(args);
}

/* A sentence on as many lines as it takes. */
static void say_sentence(struct mks *m, unsigned line, const char *text)
{
	while (*text && line < PLACARD_LINES) {
		size_t len = strlen(text);
		if (len > PLACARD_WIDE)
			for (len = PLACARD_WIDE; len > 1 && text[len] != ' ';)
				len--;
		say(m, line++, "%.*s", (int)len, text);
		text += len + (text[len] == ' ');
	}
}

static void placard_show(struct mks *m)
{
	const char *lines[PLACARD_LINES];
	for (unsigned k = 0; k < PLACARD_LINES; k++)
		lines[k] = m->said[k][0] ? m->said[k] : NULL;
	if (m->width != BLANK_WIDTH || m->height != BLANK_HEIGHT)
		picture_resize(m, BLANK_WIDTH, BLANK_HEIGHT);
	m->blank = true;
	placard_draw(m->font, m->pixels, m->width, m->height, lines);
	rfbMarkRectAsModified(m->rfb, 0, 0, (int)m->width, (int)m->height);
}

/* ---- the machine ---- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

static void detach(struct mks *m)
{
	keys_release_all(&m->keys);
	paste_stop(&m->paste);
	viewer_close(m->viewer);
	viewer_close(m->waiting);
	m->viewer = m->waiting = NULL;
	m->page = NULL;
	m->banner = 0;
	m->ready_sent = m->stale = m->placed = false;
	m->buttons = 0;
}

static void inside(struct mks *m, struct viewer *v)
{
	m->viewer = v;
	m->page = viewer_page(v);
	m->newcomer = true;
	m->shown = 0;
	m->blank = false;
}

/* A machine that is on: its screen, or the reason why not on the placard. */
static void attach(struct mks *m)
{
	struct error err;
	struct viewer *v;
	int fd = -1;
	json_t *params = json_pack("{s:s, s:b, s:s}", "vm", m->machine, "view_only", !m->may_operate, "address", m->address);
	int ret = vmk_call(m->host, "vm.attach", params, NULL, &fd, &err);
	if (!ret)
		ret = viewer_knock(fd, &v, &err);
	if (ret) {
		say_sentence(m, 1, err.text);
	} else if (viewer_waits(v)) {
		m->waiting = v;
		say_sentence(m, 1, viewer_waits(v));
		say(m, 4, "Without an answer you are let in within %d seconds.", SCREEN_WAIT_SECONDS);
	} else {
		inside(m, v);
	}
}

/* Asks vmkernel how the machine is; attaches to one that is on, shows the placard of another. */
static void look(struct mks *m)
{
	struct error err;
	json_t *vm = NULL;
	int ret = vmk_call(m->host, "vm.show", json_pack("{s:s}", "vm", m->machine), &vm, NULL, &err);
	const char *state = text_of(vm, "state");
	char before[sizeof(m->said)];
	memcpy(before, m->said, sizeof(before));
	memset(m->said, 0, sizeof(m->said));
	say(m, 0, "%s", m->machine);
	m->off = m->refused = false;
	m->may_operate = strchr(text_of(vm, "rights"), 'x') && strchr(text_of(vm, "rights"), 'r');
	if (ret) {
		say(m, 1, "%s", err.text);
	} else if (strcmp(state, "on") == 0 || strcmp(state, "stuck") == 0) {
		attach(m);
	} else {
		m->off = true;
		say(m, 1, "is %s", strcmp(state, "off") == 0 ? "powered off" : state);
		say(m, 2, "%s", text_of(vm, "event"));
		if (m->may_operate)
			say(m, 4, "Enter %s it", strcmp(state, "suspended") == 0 ? "resumes" : "powers on");
	}
	json_decref(vm);
	if (!m->viewer && (!m->blank || memcmp(before, m->said, sizeof(before)) != 0))
		placard_show(m);
	m->look_at = now_monotonic() + LOOK_AGAIN_NS;
}

static void power_on(struct mks *m)
{
	struct error err;
	if (!m->may_operate)
		return;
	say(m, 4, "powering on...");
	placard_show(m);
	rfbProcessEvents(m->rfb, 0);
	int ret = vmk_call(m->host, "vm.start", json_pack("{s:s}", "vm", m->machine), NULL, NULL, &err);
	look(m);
	if (ret && !m->viewer) {
		say(m, 3, "%s", err.text);
		placard_show(m);
		m->look_at = now_monotonic() + 10 * LOOK_AGAIN_NS; /* time to read it */
	}
}

/* ---- the viewer ---- */

static bool caps_lock(const struct mks *m)
{
	return m->page && m->page->leds & SCREEN_LED_CAPS;
}

static void send_key(void *arg, u8 code, bool down)
{
	struct mks *m = arg;
	if (down && m->paste.typing) {
		paste_stop(&m->paste);
		log_info("a key has stopped the typing of %s's clipboard after %u characters", m->address, m->paste.typed);
	}
	if (m->viewer)
		viewer_send_key(m->viewer, code, down);
}

/* The key of a letter on the guest's board; where its layout has no such letter the one in that place on an American one. */
static u8 code_of_letter(const struct mks *m, char letter, u8 otherwise)
{
	struct keymap_stroke strokes[KEYMAP_STROKES_MAX];
	return keymap_character(m->map, (u8)letter, false, strokes) == 1 ? strokes[0].code : otherwise;
}

/* Keys with Ctrl and Alt that are ours. */
static bool take_chord(void *arg, u8 code)
{
	struct mks *m = arg;
	const struct viewer_question *q = m->viewer ? viewer_question(m->viewer) : NULL;
	bool yes = code == code_of_letter(m, 'y', 0x15), no = code == code_of_letter(m, 'n', 0x31);
	if (q && (yes || no)) {
		viewer_answer(m->viewer, q->number, yes);
		return true;
	}
	if (!m->may_operate || code != code_of_letter(m, 'v', 0x2f))
		return false;
	paste_start(&m->paste, now_monotonic());
	return true;
}

/* The next character of the clipboard, when it is its time. */
static void paste_some(struct mks *m)
{
	struct viewer_chord chords[VIEWER_CHORDS_MAX];
	if (!m->paste.typing || !m->viewer)
		return;
	unsigned n = paste_next(&m->paste, now_monotonic(), m->map, caps_lock(m), chords);
	for (unsigned k = 0; k < n; k++)
		viewer_send_chord(m->viewer, &chords[k]);
	if (!m->paste.typing)
		log_line(m->paste.left_out ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
			 "%u characters of %s's clipboard are typed into %s, %u that its key map lacks are left out", m->paste.typed, m->address,
			 m->machine, m->paste.left_out);
}

/* A clipboard is kept; nothing is typed until Ctrl-Alt-V. */
static void hook_clipboard(char *text, int length, rfbClientPtr client)
{
	struct mks *m = client->clientData;
	if (m && m->may_operate && length > 0)
		paste_keep(&m->paste, text, (size_t)length);
}

static void hook_gone(rfbClientPtr client)
{
	struct mks *m = client->clientData;
	if (m)
		m->gone = true;
	client->clientData = NULL;
}

static enum rfbNewClientAction hook_new(rfbClientPtr client)
{
	client->clientData = client->screen->screenData;
	client->clientGoneHook = hook_gone;
	return RFB_CLIENT_ACCEPT;
}

static void key_of_placard(struct mks *m, rfbKeySym keysym, bool down)
{
	if (!down || (keysym != 0xff0d && keysym != 0xff8d)) /* Enter, and that of the keypad */
		return;
	if (m->refused)
		look(m);
	else if (m->off)
		power_on(m);
}

static void hook_key(rfbBool down, rfbKeySym keysym, rfbClientPtr client)
{
	struct mks *m = client->clientData;
	if (m && m->viewer)
		keys_symbol(&m->keys, keysym, down, caps_lock(m));
	else if (m)
		key_of_placard(m, keysym, down);
}

static void hook_scancode(rfbClientPtr client, u32 keycode, u32 keysym, bool down)
{
	struct mks *m = client->clientData;
	if (!m || !m->viewer || !keycode) /* no key, only its meaning: an on-screen keyboard, say */
		hook_key(down, keysym, client);
	else
		keys_scancode(&m->keys, keycode, down);
}

/* RFB: left 1, middle 2, right 4, wheel up 8, down 16, left 32, right 64, back 128. The machine: left 1, right 2, middle 4, side 8. */
static void hook_pointer(int mask, int x, int y, rfbClientPtr client)
{
	struct mks *m = client->clientData;
	if (!m || !m->viewer)
		return;
	int pressed = mask & ~m->buttons;
	int wheel = (pressed & 16 ? 1 : 0) - (pressed & 8 ? 1 : 0), tilt = (pressed & 64 ? 1 : 0) - (pressed & 32 ? 1 : 0);
	unsigned buttons = (unsigned)((mask & 1) | (mask & 4) >> 1 | (mask & 2) << 1 | (mask & 128) >> 4);
	int dx = m->placed ? x - m->x : 0, dy = m->placed ? y - m->y : 0;
	if (!m->placed || dx || dy || mask != m->buttons)
		viewer_send_position(m->viewer, x, y, dx, dy, wheel, tilt, buttons);
	m->x = x;
	m->y = y;
	m->placed = true;
	m->buttons = mask;
}

static void library_log(const char *format, ...) PRINTF_LIKE(1, 2);
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

static void rfb_open(struct mks *m)
{
	rfbLog = library_log;
	rfbErr = library_log;
	rfbMaxClientWait = CLIENT_STALL_MS;
	qemu_keys_register(hook_scancode);
	qemu_leds_register();
	m->rfb = rfbGetScreen(NULL, NULL, (int)m->width, (int)m->height, 8, 3, 4);
	if (!m->rfb)
		fatal("out of memory");
	picture_format(m->rfb);
	m->rfb->screenData = m;
	m->rfb->frameBuffer = (char *)m->pixels;
	m->rfb->desktopName = m->machine;
	m->rfb->alwaysShared = TRUE;
	m->rfb->deferUpdateTime = 0;
	m->rfb->port = m->rfb->ipv6port = 0; /* nobody listens here */
	m->rfb->httpPort = m->rfb->http6Port = 0;
	m->rfb->permitFileTransfer = FALSE;
	m->rfb->cursor = NULL; /* the guest draws its own */
	m->rfb->newClientHook = hook_new;
	m->rfb->kbdAddEvent = hook_key;
	m->rfb->ptrAddEvent = hook_pointer;
	m->rfb->setXCutText = hook_clipboard;
	rfbInitServer(m->rfb);
}

/* ---- the loop ---- */

/* Asks vmx to tell the next change, when the viewer waits for one. */
static int ask_for_change(struct mks *m)
{
	const rfbClientRec *client = m->rfb->clientHead;
	if (!m->viewer || (m->ready_sent && !m->newcomer))
		return 0;
	if (!m->newcomer && client && sraRgnEmpty(client->requestedRegion))
		return 0;
	int ret = m->newcomer ? viewer_refresh(m->viewer) : 0;
	m->newcomer = m->newcomer && ret;
	if (!ret)
		ret = viewer_ready(m->viewer);
	m->ready_sent = !ret;
	return ret;
}

static void machine_events(struct mks *m)
{
	unsigned events = viewer_receive(m->viewer, NULL, NULL);
	if (events & VIEWER_CHANGED)
		m->ready_sent = false;
	if ((events & VIEWER_CHANGED) || m->stale)
		picture_update(m);
	if (!(events & VIEWER_ENDED))
		return;
	m->kicked = viewer_was_removed(m->viewer);
	detach(m);
	if (!m->kicked)
		look(m);
}

/* What is heard while the placard says by whom this viewer has to be let in. */
static void waiting_events(struct mks *m)
{
	struct viewer *v = m->waiting;
	unsigned events = viewer_receive(v, NULL, NULL);
	if (events & VIEWER_ENDED) {
		m->refused = viewer_was_removed(v);
		memset(m->said[1], 0, sizeof(m->said) - sizeof(m->said[0]));
		say_sentence(m, 1, viewer_farewell(v));
		say(m, 4, m->may_operate ? "Enter asks again." : "Connect again to ask again."); /* who only looks has no keys */
		detach(m);
		if (m->refused)
			placard_show(m);
		else
			look(m);
	} else if (events & VIEWER_INSIDE) {
		m->waiting = NULL;
		inside(m, v);
	}
}

static bool looks_again(const struct mks *m)
{
	return !m->viewer && !m->waiting && !m->refused;
}

static int wait_ms(const struct mks *m)
{
	u64 now = now_monotonic(), at = looks_again(m) ? m->look_at : 0;
	const struct viewer_question *q = m->viewer ? viewer_question(m->viewer) : NULL;
	if (q)
		at = q->until;
	if (m->viewer && m->paste.typing)
		at = at ? MIN(at, m->paste.next_at) : m->paste.next_at;
	if (m->viewer && m->ask_again)
		at = at ? MIN(at, now + ASK_AGAIN_NS) : now + ASK_AGAIN_NS;
	if (m->viewer && m->stale)
		at = at ? MIN(at, now + STALE_NS) : now + STALE_NS;
	return !at ? -1 : now >= at ? 0 : (int)((at - now) / 1000000 + 1);
}

static int serve(struct mks *m, struct error *err)
{
	while (!m->gone && !m->kicked) {
		rfbClientPtr client = m->rfb->clientHead;
		struct pollfd p[2] = {{.fd = client ? client->sock : -1, .events = POLLIN},
				      {.fd = m->viewer ? viewer_fd(m->viewer) : m->waiting ? viewer_fd(m->waiting) : -1, .events = POLLIN}};
		if (poll(p, 2, wait_ms(m)) < 0 && errno != EINTR)
			return fail(err, -errno, "poll: %m");
		if (m->viewer && (p[1].revents || m->stale))
			machine_events(m);
		else if (m->waiting && p[1].revents)
			waiting_events(m);
		else if (looks_again(m) && now_monotonic() >= m->look_at)
			look(m);
		if (m->viewer)
			banner_update(m);
		if (m->rfb->clientHead)
			photo_update(m->photo, m->rfb->clientHead);
		rfbProcessEvents(m->rfb, 0);
		paste_some(m);
		qemu_leds_show(m->rfb, m->page ? m->page->leds : 0);
		int ret = ask_for_change(m);
		m->ask_again = ret == -EAGAIN; /* vmx has much to do */
		if (ret == -EPIPE) /* it may have said why */
			machine_events(m);
	}
	return 0;
}

/* ---- beginning ---- */

/* Whom to serve, and whether the host lets him see the machine. */
static int hello(struct mks *m, int rfb_fd, int door_fd, struct error *err)
{
	struct console_hello h;
	struct console_answer a = {0};
	struct error why;
	json_t *vm = NULL;
	int came = -1;
	unsigned n = 1;
	if (sock_recv(rfb_fd, &h, sizeof(h), &came, &n) != (ssize_t)sizeof(h) || (n != 1 && door_fd < 0))
		return fail(err, -EPROTO, "the door did not say whom to serve");
	if (n == 1 && door_fd >= 0)
		close(came);
	h.machine[sizeof(h.machine) - 1] = h.address[sizeof(h.address) - 1] = 0;
	str_copy(m->machine, sizeof(m->machine), h.machine);
	str_copy(m->address, sizeof(m->address), h.address);
	m->host = vmk_client_from_fd(door_fd >= 0 ? door_fd : came);
	int ret = vmk_call(m->host, "vm.show", json_pack("{s:s}", "vm", m->machine), &vm, NULL, &why);
	a.ret = ret;
	a.view_only = ret || !strchr(text_of(vm, "rights"), 'x');
	str_copy(a.text, sizeof(a.text), ret ? why.text : "");
	json_decref(vm);
	if (write_full(rfb_fd, &a, sizeof(a)))
		return fail(err, -EPIPE, "the door has closed");
	return ret ? fail(err, ret, "%s", why.text) : 0;
}

int mks_serve(int rfb_fd, int door_fd, const char *keymap, struct error *err)
{
	struct mks m = {.font = placard_open()};
	struct error why;
	/* All files are read before the process loses the right to open them. Without a key map there are still scancodes. */
	if (keymap_open(keymap, &m.map, &why))
		log_warning("viewers without scancodes cannot type: %s", why.text);
	picture_resize(&m, BLANK_WIDTH, BLANK_HEIGHT);
	m.blank = true;
	keys_init(&m.keys, m.map, send_key, &m);
	m.keys.chord = take_chord;
	rfb_open(&m);
	m.photo = photo_new();
	int ret = confine(false, err);
	if (!ret)
		ret = hello(&m, rfb_fd, door_fd, err);
	if (!ret) {
		rfbNewClient(m.rfb, rfb_fd);
		look(&m);
		ret = serve(&m, err);
		detach(&m);
	}
	m.rfb->screenData = NULL;
	rfbScreenCleanup(m.rfb);
	if (m.host)
		vmk_disconnect(m.host);
	placard_close(m.font);
	keymap_close(m.map);
	photo_free(m.photo);
	free(m.pixels);
	free(m.taken);
	return ret;
}
