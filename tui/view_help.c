// SPDX-License-Identifier: GPL-2.0-or-later
/* view_help.c - see ui.h: the keys of the view help was asked for in, and those that are the same everywhere */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

#define KEYS_WIDTH 16

/* Lines are "keys\tmeaning". */
static const char *const everywhere[] = {
	"1 to 8, Tab\tthe other views; Esc leads to the machines",
	"F1 h ?\tthis help; any key leads back",
	"l\tlog in as a user of the host, or out again",
	"L Ctrl-O\tlock the screen until a password is given",
	"Ctrl-C\tcancel what is under way",
	"Ctrl-L\tdraw the screen again",
	"F10 q\tquit; the host and its machines go on",
	NULL,
};
static const char *const tables[] = {
	"arrows, PgUp...\tselect a row",
	"F6 t > <\tsort by the next column, or the one before",
	"T !\tthe other way round",
	"/\tshow only rows that hold a text; Esc shows all",
	NULL,
};
static const char *const power[] = {
	"F9 x\tall that can be done to it",
	"n e\tcreate a machine; change the settings of this one",
	"F2 s\tpower on",
	"F3 p\tpower off: y asks the guest first, h pulls the plug",
	"F4 r\tpress the reset button",
	"F7 u\tsuspend to a file; powering on resumes it",
	"Enter a\tattach: see its screen and type at it",
	"F12 q\tleads back from there, or Enter ~ . ; F12 shows more keys",
	NULL,
};
static const char *const machines_keys[] = {"F8 d\tthe details of the selected machine", "F5 o\tthe whole log", NULL};
static const char *const details_keys[] = {
	"Left Right\tthe pages",
	"c\tHardware, Net: connect or disconnect the device",
	"Enter i\tConfig: change the value, or set another key",
	"k\tConsole: send the viewer away",
	"c w\tRights: change the mode, or the owner",
	NULL,
};
static const char *const performance_keys[] = {
	"c m d n\tCPU, memory, disk, network (or Left, Right)",
	"V\tmachines only, or the host's own worlds, too",
	"f\twhich fields are shown",
	"s\tseconds from one sample to the next",
	NULL,
};
static const char *const storage_keys[] = {
	"Left Right\tvolumes, and the images on the selected one (Enter)",
	"c\tmake an image",
	"g x\tImages: grow the selected one, delete it",
	NULL,
};
static const char *const network_keys[] = {"Left Right\tnetworks, and machines' cards", "c\tCards: pull the cable, or put it in", NULL};
static const char *const users_keys[] = {
	"Left Right\tusers, the rights of the selected one (Enter), addresses locked out",
	"n w x\tadd a user, change a password, delete a user",
	"u\tLocked out: let the address log in again",
	NULL,
};
static const char *const log_keys[] = {
	"arrows, PgUp...\tscroll; End follows what comes in (f, too)",
	"/\tsearch, from the newest line back",
	"n N\tthe next line that is older, or newer",
	"e\teverything, warnings and errors, or errors",
	"Left Right\tshift long lines",
	NULL,
};
static const char *const host_keys[] = {
	"t z\tset the clock, the time zone",
	"k\tthe keyboard of the physical console",
	"b x\tstart the computer again, shut it down: the list says what happens",
	NULL,
};
static const char *const status_keys[] = {"Enter m\tthe machines", NULL};

static const char *const *const own[VIEW_COUNT] = {
	[VIEW_status] = status_keys,   [VIEW_machines] = machines_keys, [VIEW_details] = details_keys, [VIEW_performance] = performance_keys,
	[VIEW_storage] = storage_keys, [VIEW_network] = network_keys,	[VIEW_users] = users_keys,     [VIEW_log] = log_keys,
	[VIEW_host] = host_keys,
};

const char *const *help_lines(int view)
{
	static const char *const *const shared[] = {power, tables, everywhere};
	return view >= 0 ? own[view] : shared[-1 - view];
}

static unsigned first; /* line, when they do not all fit */
static unsigned all, room; /* as drawn last */

/* Draws what of a section is between the first line shown and the end. */
static void section(struct ui *ui, unsigned top, const char *title, const char *const *lines)
{
	struct canvas *c = &ui->canvas;
	for (unsigned k = 0; lines && (k == 0 || lines[k - 1]); k++, all++) {
		if (all < first || all - first >= room)
			continue;
		unsigned y = top + all - first;
		if (k == 0) {
			canvas_line(c, 0, y, c->columns, GREY, BLACK, title);
			continue;
		}
		const char *tab = strchr(lines[k - 1], '\t');
		int keys = (int)(tab - lines[k - 1]);
		canvas_printf(c, 2, y, KEYS_WIDTH, YELLOW, BLACK, "%.*s", keys, lines[k - 1]);
		canvas_text(c, 2 + KEYS_WIDTH, y, c->columns - KEYS_WIDTH - 3, WHITE, BLACK, tab + 1);
	}
}

void view_help(struct ui *ui)
{
	static const char *console[ARRAY_SIZE(everywhere)];
	char title[80];
	unsigned y = frame_top(ui);
	const struct view *of = &views[ui->helped];
	room = ui->canvas.rows - FRAME_BOTTOM - y;
	all = 0;
	snprintf(title, sizeof(title), "Keys: %s", of->title);
	section(ui, y, title, own[ui->helped]);
	if (ui->helped == VIEW_machines || ui->helped == VIEW_details)
		section(ui, y, "The machine", power);
	/* A console is not left. */
	memcpy(console, everywhere, sizeof(console));
	if (ui->console)
		console[ARRAY_SIZE(everywhere) - 2] = NULL;
	section(ui, y, "Everywhere", console);
	if (ui->helped != VIEW_status && ui->helped != VIEW_log)
		section(ui, y, "Tables", tables);
	if (all > room && ui->canvas.columns >= 60)
		canvas_printf(&ui->canvas, ui->canvas.columns - 26, y, 24, GREY, BLACK, " %u to %u of %u, Down ", first + 1, MIN(first + room, all), all);
	frame_bottom(ui);
}

const struct key_hint view_help_hints[] = {{"Up/Down", "Scroll", 2}, {"Esc", "Back", 1}, {NULL, NULL, 0}};

bool view_help_key(struct ui *ui, const struct viewer_press *p)
{
	unsigned most = all > room ? all - room : 0, page = room > 1 ? room - 1 : 1;
	if (press_is(p, CODE_DOWN) || press_is(p, CODE_PAGE_DOWN) || p->mouse == VIEWER_MOUSE_WHEEL_DOWN)
		first = MIN(most, first + (press_is(p, CODE_PAGE_DOWN) ? page : 1));
	else if (press_is(p, CODE_UP) || press_is(p, CODE_PAGE_UP) || p->mouse == VIEWER_MOUSE_WHEEL_UP)
		first -= MIN(first, press_is(p, CODE_PAGE_UP) ? page : 1u);
	else if (p->mouse)
		return false;
	else {
		first = 0;
		ui_view(ui, ui->helped);
	}
	return true;
}
