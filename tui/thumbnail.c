// SPDX-License-Identifier: GPL-2.0-or-later
/* thumbnail.c - see thumbnail.h */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "tui/thumbnail.h"

#define FRESH_MS 300
#define AGAIN_NSEC (900 * 1000000ull)
#define AFTER_TROUBLE_NSEC (10 * NSEC_PER_SEC)

/* ---- fetching ---- */

/* vmx draws only while somebody looks: wait for it, but not long. */
static void picture_take(struct thumbnail *t, struct viewer *v)
{
	struct viewer_screen *s = xcalloc(1, sizeof(*s));
	u64 deadline = now_monotonic() + FRESH_MS * 1000000ull;
	struct pollfd p = {.fd = viewer_fd(v), .events = POLLIN};
	viewer_refresh(v);
	viewer_ready(v);
	while (now_monotonic() < deadline)
		if (poll(&p, 1, 50) > 0 && viewer_receive(v, NULL, NULL))
			break;
	viewer_snapshot(v, s, true);
	thumbnail_keep(t, s);
	viewer_screen_free(s);
	free(s);
}

/* Whether whoever is at the machine's console would be asked, or kept out. */
static int sharing_ask(struct thumbnail *t, struct vmk_client *client, struct error *err)
{
	json_t *result = NULL;
	int ret = vmk_call(client, "vm.get", json_pack("{s:s, s:s}", "vm", t->vm, "key", "console.sharing"), &result, NULL, err);
	json_t *row = json_is_array(result) ? json_array_get(result, 0) : result;
	const char *value = json_string_value(json_object_get(row, "value"));
	t->private = value && (!strcasecmp(value, "ask") || !strcasecmp(value, "exclusive"));
	t->asked = !ret;
	json_decref(result);
	return ret;
}

static int screen_fetch(struct thumbnail *t, struct vmk_client *client, struct error *err)
{
	struct viewer *v;
	int fd, ret = t->asked ? 0 : sharing_ask(t, client, err);
	if (ret)
		return ret;
	if (t->private)
		return fail(err, -EACCES, "no picture: console.sharing lets others in only when they attach");
	ret = vmk_call(client, "vm.attach", json_pack("{s:s, s:b, s:b}", "vm", t->vm, "view_only", 1, "brief", 1), NULL, &fd, err);
	if (ret)
		return ret;
	if (fd < 0)
		return fail(err, -EPROTO, "the host gave no connection to the screen");
	ret = viewer_knock(fd, &v, err);
	if (ret)
		return ret;
	if (viewer_waits(v))
		ret = fail(err, -EACCES, "no picture: who attaches has to be let in");
	else
		picture_take(t, v);
	viewer_close(v);
	return ret;
}

static void thumbnail_of(struct thumbnail *t, const char *vm)
{
	if (!strcmp(t->vm, vm))
		return;
	memset(t, 0, sizeof(*t));
	str_copy(t->vm, sizeof(t->vm), vm);
}

void thumbnail_refuse(struct thumbnail *t, const char *vm, const char *trouble)
{
	thumbnail_of(t, vm);
	str_copy(t->trouble, sizeof(t->trouble), *vm ? trouble : "");
}

void thumbnail_poll(struct thumbnail *t, struct vmk_client *client, const char *vm)
{
	struct error err;
	thumbnail_of(t, vm);
	u64 now = now_monotonic();
	if (!*vm || now < t->again_at)
		return;
	t->again_at = now + AGAIN_NSEC;
	t->trouble[0] = 0;
	if (screen_fetch(t, client, &err)) {
		t->screen.mode = SCREEN_OFF;
		t->again_at = now + AFTER_TROUBLE_NSEC;
		str_copy(t->trouble, sizeof(t->trouble), err.text);
	}
}

/* ---- keeping ---- */

/* Means of the pixels that fall together, from at most 4 x 4 of them. */
static u32 pixel_mean(const struct viewer_screen *s, u32 x0, u32 x1, u32 y0, u32 y1)
{
	u32 sum[3] = {0}, n = 0, step_x = MAX(1u, (x1 - x0) / 4), step_y = MAX(1u, (y1 - y0) / 4);
	for (u32 y = y0; y < y1 && y < s->height; y += step_y) {
		for (u32 x = x0; x < x1 && x < s->width; x += step_x, n++) {
			u32 p = s->pixels[(size_t)y * s->width + x];
			for (unsigned k = 0; k < 3; k++)
				sum[k] += p >> (8 * k) & 0xff;
		}
	}
	return n ? sum[0] / n | sum[1] / n << 8 | sum[2] / n << 16 : 0;
}

static void graphics_keep(struct thumbnail *t, const struct viewer_screen *s)
{
	u32 width = MIN(s->width, (u32)THUMBNAIL_WIDTH), height = MIN(s->height, (u32)THUMBNAIL_HEIGHT);
	/* The proportions stay: the side that had to shrink more decides. */
	if ((u64)width * s->height > (u64)height * s->width)
		width = MAX(1u, (u32)((u64)height * s->width / s->height));
	else
		height = MAX(1u, (u32)((u64)width * s->height / s->width));
	for (u32 y = 0; y < height; y++)
		for (u32 x = 0; x < width; x++)
			t->pixels[y * width + x] =
				pixel_mean(s, x * s->width / width, MAX((x + 1) * s->width / width, x * s->width / width + 1),
					   y * s->height / height, MAX((y + 1) * s->height / height, y * s->height / height + 1));
	t->screen.width = width;
	t->screen.height = height;
}

void thumbnail_keep(struct thumbnail *t, const struct viewer_screen *s)
{
	t->screen = *s;
	t->screen.pixels = NULL;
	if (s->mode != SCREEN_GRAPHICS)
		return;
	if (s->pixels && s->width && s->height)
		graphics_keep(t, s);
	else
		t->screen.mode = SCREEN_OFF;
}

/* ---- drawing ---- */

static bool row_blank(const struct viewer_screen *s, unsigned row)
{
	for (unsigned x = 0; x < s->columns; x++) {
		struct screen_cell cell = s->cells[row * s->columns + x];
		if ((cell.character != ' ' && cell.character != 0 && cell.character != 0xff) || cell.attribute >> 4)
			return false;
	}
	return true;
}

/* Takes blank rows out, from the top, until the screen is `rows` high or none is left; the cursor's stays. */
static void rows_squeeze(struct viewer_screen *s, unsigned rows)
{
	bool cursor = s->cursor_x < s->columns;
	unsigned kept = 0, spare = s->rows > rows ? s->rows - rows : 0, cursor_y = s->cursor_y;
	for (unsigned y = 0; y < s->rows; y++) {
		if (spare && row_blank(s, y) && !(cursor && y == cursor_y)) {
			spare--;
			continue;
		}
		if (cursor && y == cursor_y)
			s->cursor_y = kept;
		memmove(&s->cells[kept++ * s->columns], &s->cells[y * s->columns], s->columns * sizeof(s->cells[0]));
	}
	s->rows = kept;
}

static void cells_copy(struct canvas *c, unsigned x, unsigned y, const struct viewer_area *a, const struct viewer_cell *cells)
{
	for (unsigned row = 0; row < a->rows && y + row < c->rows; row++)
		for (unsigned column = 0; column < a->columns && x + column < c->columns; column++)
			c->cells[(size_t)(y + row) * c->columns + x + column] = cells[row * a->columns + column];
}

static void note_draw(struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned height, const char *text)
{
	unsigned columns = MIN(text_columns(text), width);
	canvas_text(c, x + (width - columns) / 2, y + (height - 1) / 2, columns, DARK, BLACK, text);
}

void thumbnail_draw(const struct thumbnail *t, struct canvas *c, unsigned x, unsigned y, unsigned width, unsigned height)
{
	if (!width || !height)
		return;
	canvas_fill(c, x, y, width, height, GREY, BLACK);
	if (t->screen.mode == SCREEN_OFF) {
		note_draw(c, x, y, width, height, t->trouble[0] ? t->trouble : "The screen is off.");
		return;
	}
	struct viewer_screen *s = xcalloc(1, sizeof(*s));
	struct viewer_area area = {.columns = width, .rows = height, .ascii = c->ascii};
	struct viewer_cell *cells = xcalloc((size_t)width * height, sizeof(*cells));
	*s = t->screen;
	if (s->mode == SCREEN_TEXT)
		rows_squeeze(s, height);
	else
		s->pixels = (u32 *)t->pixels;
	viewer_render(s, &area, cells);
	cells_copy(c, x, y, &area, cells);
	free(cells);
	free(s);
}
