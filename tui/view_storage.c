// SPDX-License-Identifier: GPL-2.0-or-later
/* view_storage.c - see ui.h: the host's volumes, how full they are, the disk images on them, and its disks */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "tui/list.h"
#include "tui/pages.h"
#include "tui/ui.h"

enum page { VOLUMES, IMAGES, DEVICES, PAGE_COUNT };
static const char *const page_names[PAGE_COUNT] = {"Volumes", "Images", "Devices"};
struct pages view_storage_pages = {.names = page_names, .n = PAGE_COUNT};
static struct table tables[PAGE_COUNT];

#define NOT_MOUNTED "not mounted"
#define NO_ANSWER "no answer"

/* Where the percentage would be. */
static void mark_silent(json_t *rows)
{
	char state[32];
	for (unsigned k = 0; k < rows_count(rows); k++)
		if (!strcmp(row_text(rows_at(rows, k), "state", state, sizeof(state)), NO_ANSWER))
			json_object_set_new(rows_at(rows, k), "percent", json_string(NO_ANSWER));
}

/* "45" -> "|||||.....  45 %"; "" -> NOT_MOUNTED */
static void polish(const char *field, char *text, size_t size)
{
	char bar[11];
	u64 percent;
	if (!strcmp(field, "percent") && !*text)
		str_copy(text, size, NOT_MOUNTED);
	if (strcmp(field, "percent") || !parse_u64(text, 0, 1000, &percent))
		return;
	for (unsigned k = 0; k < 10; k++)
		bar[k] = (percent + 5) / 10 > k ? '|' : '.';
	bar[10] = 0;
	snprintf(text, size, "%s %3u %%", bar, (unsigned)percent);
}

static u8 ink(const char *field, const char *text)
{
	u64 percent;
	if (!strcmp(field, "used") && strcmp(text, "free"))
		return GREY;
	if (!strcmp(text, NOT_MOUNTED) || !strcmp(text, NO_ANSWER))
		return BRIGHT_RED;
	if (strcmp(field, "percent") || strlen(text) < 14 || !parse_u64(text + 11 + strspn(text + 11, " "), 0, 1000, &percent))
		return !strcmp(field, "path") ? GREY : WHITE;
	return percent >= 90 ? BRIGHT_RED : percent > 70 ? YELLOW : BRIGHT_GREEN;
}


static const struct list_column volume_columns[] = {
	LIST_TEXT("Volume", 10, "name"),
	LIST_TEXT("Path", 14, "path", .grow = true, .needs = 100),
	LIST_TEXT("Type", 6, "type", .needs = 76),
	LIST_NUMBER("Capacity", 9, "capacity", "capacity_mb", .needs = 60),
	LIST_NUMBER("Used", 9, "used", "used_mb", .needs = 90),
	LIST_NUMBER("Free", 9, "free", "free_mb"),
	LIST_NUMBER("Use", 16, "percent", "percent"),
	LIST_NUMBER("Machines", 8, "machines", NULL, .needs = 70),
};
static const struct list_column image_columns[] = {
	LIST_TEXT("Image", 14, "name", .grow = true),
	LIST_NUMBER("Size", 9, "size", "size_mb"),
	LIST_NUMBER("Stored", 9, "stored", "stored_mb", .needs = 50),
	LIST_TEXT("Owner", 8, "owner", .needs = 70),
	LIST_TEXT("Used by", 12, "machines"),
	LIST_TEXT("Path", 20, "path", .grow = true, .needs = 110),
	LIST_KEY("path", NULL),
};
static const struct list_column device_columns[] = {
	LIST_TEXT("Device", 10, "name"),
	LIST_NUMBER("Size", 9, "size", "size_mb"),
	LIST_TEXT("Type", 8, "type"),
	LIST_TEXT("Label", 12, "label", .needs = 60),
	LIST_TEXT("Used for", 16, "used", .grow = true),
	LIST_TEXT("Model", 16, "model", .grow = true, .needs = 90),
	LIST_TEXT("UUID", 36, "uuid", .needs = 140),
};
static const struct list lists[PAGE_COUNT] = {
	[VOLUMES] = {volume_columns, ARRAY_SIZE(volume_columns), .empty = "No volumes.", .ink = ink, .polish = polish},
	[IMAGES] = {image_columns, ARRAY_SIZE(image_columns), .key = 6, .empty = "No images that you may see; c makes one.", .ink = ink},
	[DEVICES] = {device_columns, ARRAY_SIZE(device_columns), .empty = "No disks.", .ink = ink},
};
static const enum ask page_asks[PAGE_COUNT] = {ASK_storage, ASK_disks, ASK_devices};

static const char *volume_selected(void)
{
	return tables[VOLUMES].selected;
}

/* What the answer has to be about; NULL: whatever it is. */
static const char *page_about(enum page page)
{
	return page == IMAGES ? volume_selected() : NULL;
}

/* Of a row of volumes: the folder its files are in. */
static void volume_path(struct ui *ui, char *path, size_t size)
{
	json_t *rows = model_answer(&ui->model, ASK_storage, NULL);
	json_t *found = rows_where(rows, "name", volume_selected());
	row_text(rows_at(found, 0), "path", path, size);
	json_decref(found);
}

void view_storage(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	enum page page = view_storage_pages.current;
	unsigned y = frame_top(ui), end = c->rows - FRAME_BOTTOM;
	const struct model_answer *answers = ui->model.answers;
	/* The images of a volume are shown below it, too, where there is room for both. */
	mark_silent(answers[ASK_storage].result);
	unsigned volumes = MIN(rows_count(answers[ASK_storage].result), 8u) + 2;
	bool both = page == VOLUMES && end - y > volumes + 6;
	if (!volume_selected()[0]) {
		json_t *first = rows_at(model_answer(&ui->model, ASK_storage, NULL), 0);
		row_text(first, "name", tables[VOLUMES].selected, sizeof(tables[VOLUMES].selected));
	}
	bool disks = volume_selected()[0] && (both || page == IMAGES);
	ui->wish.parts = WISH(storage) | (disks ? WISH(disks) : 0) | (page == DEVICES ? WISH(devices) : 0);
	str_copy(ui->wish.volume, sizeof(ui->wish.volume), volume_selected());
	pages_draw(&view_storage_pages, c, y++, page == IMAGES ? volume_selected() : "");
	list_draw(&tables[page], c, y, both ? volumes : end - y, &lists[page], &answers[page_asks[page]], page_about(page));
	if (both) {
		static struct table below;
		char title[160];
		snprintf(title, sizeof(title), "Images on %.120s", volume_selected());
		canvas_line(c, 0, y + volumes, c->columns, GREY, BLACK, title);
		below.selected[0] = 0;
		list_draw(&below, c, y + volumes + 1, end - y - volumes - 1, &lists[IMAGES], &answers[ASK_disks], volume_selected());
	}
	frame_bottom(ui);
}

const struct key_hint view_storage_hints[] = {
	{"Left/Right", "Pages", 2, 0}, {"n", "New volume", 3, BIT(VOLUMES) | BIT(DEVICES)}, {"c", "Create image", 3, BIT(VOLUMES) | BIT(IMAGES)},
	{"w", "Mount", 5, BIT(VOLUMES)}, {"x", "Remove", 4, BIT(VOLUMES)},
	{"g", "Grow", 4, BIT(IMAGES)}, {"x", "Delete", 4, BIT(IMAGES)},
	{"f", "Format", 3, BIT(DEVICES)}, {"F6/t", "Sort", 5, 0}, {NULL, NULL, 0, 0},
};

/* ---- what is done to images ---- */

static void image_create(struct ui *ui)
{
	char path[256], size[32] = "1G", text[300];
	volume_path(ui, path, sizeof(path) - 1);
	strcat(path, path[0] ? "/" : "");
	if (!ui_input(ui, "New image", "File", path, sizeof(path), true) || !path[0] ||
	    !ui_input(ui, "New image", "Size (512M, 4G)", size, sizeof(size), true))
		return;
	json_t *params = json_pack("{s:s, s:s}", "path", path, "size", size);
	char key = ui_ask(ui, "New image", "Take all of its space from the volume now? y: yes, n: as it is written", "yn");
	if (key == 'y')
		json_object_set_new(params, "preallocate", json_true());
	if (key != 'y' && key != 'n') {
		json_decref(params);
		return;
	}
	snprintf(text, sizeof(text), "making %.200s", path);
	act_call(ui, "disk.create", params, text);
}

static void image_grow(struct ui *ui, json_t *row)
{
	char path[256], size[32], text[300];
	row_text(row, "path", path, sizeof(path));
	row_text(row, "size", size, sizeof(size));
	if (!ui_input(ui, "Grow the image", "New size (512M, 4G); its file systems are the guest's to grow", size, sizeof(size), true))
		return;
	snprintf(text, sizeof(text), "growing %.200s", path);
	act_call(ui, "disk.resize", json_pack("{s:s, s:s}", "path", path, "size", size), text);
}

static void image_delete(struct ui *ui, json_t *row)
{
	char path[256], text[400];
	row_text(row, "path", path, sizeof(path));
	snprintf(text, sizeof(text), "Delete %.250s? What is on it is lost. y: yes, n: no", path);
	if (ui_ask(ui, "Delete an image", text, "yn") != 'y')
		return;
	snprintf(text, sizeof(text), "deleting %.200s", path);
	act_call(ui, "disk.delete", json_pack("{s:s}", "path", path), text);
}

/* The keys of one page; false: it has no such key, or no row is selected to which it could be done. */
static bool page_key(struct ui *ui, enum page page, char key, json_t *row)
{
	static const struct {
		enum page page;
		char key;
		void (*act)(struct ui *ui, json_t *row);
	} keys[] = {{IMAGES, 'g', image_grow},	   {IMAGES, 'x', image_delete},	  {VOLUMES, 'x', volume_remove},
		    {VOLUMES, 'w', volume_mount}, {DEVICES, 'f', volume_format}};
	char path[128] = "";
	if (key == 'c')
		image_create(ui);
	else if (key == 'n')
		volume_create(ui, page == DEVICES && row ? row_text(row, "path", path, sizeof(path)) : "");
	else
		for (unsigned k = 0; k < ARRAY_SIZE(keys); k++)
			if (row && keys[k].page == page && keys[k].key == key)
				keys[k].act(ui, row);
	return key && strchr("cngxwf", key);
}

bool view_storage_key(struct ui *ui, const struct viewer_press *p)
{
	enum page page = view_storage_pages.current;
	struct table *t = &tables[page];
	const struct model_answer *a = &ui->model.answers[page_asks[page]];
	if (!t->filtering && pages_key(&view_storage_pages, p))
		return true;
	bool taken = list_key(t, p, &lists[page], a, page_about(page));
	bool opened = t->opened && page == VOLUMES;
	t->opened = false;
	str_copy(ui->tables[VIEW_storage].status, sizeof(t->status), t->status);
	t->status[0] = 0;
	if (taken)
		return true;
	if (opened) {
		view_storage_pages.current = IMAGES;
		return true;
	}
	/* The row outlives the answers that come while a question is open. */
	json_t *row = json_incref(list_selected(t, &lists[page], a->result));
	bool done = page_key(ui, page, p->character < 0x80 ? (char)p->character : 0, row);
	json_decref(row);
	return done;
}
