// SPDX-License-Identifier: GPL-2.0-or-later
/* menu.c - see ui.h: all that can be done to a machine, as a list; what takes something away asks first */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

static void do_start(struct ui *ui, const char *vm)
{
	act_on(ui, vm, ACTION_START);
}

static void do_stop(struct ui *ui, const char *vm)
{
	act_on(ui, vm, ACTION_STOP);
}

static void do_reset(struct ui *ui, const char *vm)
{
	act_on(ui, vm, ACTION_RESET);
}

static void do_suspend(struct ui *ui, const char *vm)
{
	act_on(ui, vm, ACTION_SUSPEND);
}

/* A method that takes nothing but the machine, after a yes where `question` asks for one. */
static void call_plain(struct ui *ui, const char *vm, const char *method, const char *verb, const char *question)
{
	char text[400], what[200];
	snprintf(text, sizeof(text), "%.100s: %s y: yes, n: no", vm, question ? question : "");
	if (question && ui_ask(ui, "Are you sure?", text, "yn") != 'y')
		return;
	snprintf(what, sizeof(what), "%s %.100s", verb, vm);
	act_call(ui, method, json_pack("{s:s}", "vm", vm), what);
}

static void do_discard(struct ui *ui, const char *vm)
{
	call_plain(ui, vm, "vm.discard", "discarding the suspended state of",
		   "give up what it was doing, as if its plug had been pulled? Disks stay as they are.");
}

static void do_delete(struct ui *ui, const char *vm)
{
	call_plain(ui, vm, "vm.delete", "deleting", "delete it with its disks and all files in its folder that belong to it? They do not come back.");
}

static void do_unregister(struct ui *ui, const char *vm)
{
	call_plain(ui, vm, "vm.unregister", "unregistering", NULL);
}

static void do_clone(struct ui *ui, const char *vm)
{
	char name[128], what[200], text[200], volume[256];
	snprintf(name, sizeof(name), "%.100s copy", vm);
	snprintf(text, sizeof(text), "Name of the copy of %.100s:", vm);
	if (!ui_input(ui, "Clone", text, name, sizeof(name), true))
		return;
	if (!volume_choose(ui, "Clone", "On which volume are its files to be?", "", volume, sizeof(volume)))
		return;
	snprintf(what, sizeof(what), "copying %.80s to %.80s", vm, name);
	act_call(ui, "vm.clone", json_pack("{s:s, s:s, s:s}", "vm", vm, "name", name, "volume", volume), what);
}

static void do_move(struct ui *ui, const char *vm)
{
	char volume[256], what[200], on[256] = "";
	const struct machine *machine = ui_selected(ui);
	const char *path = machine && !strcmp(machine->name, vm) ? json_string_value(json_object_get(machine->row, "path")) : NULL;
	const char *below = path ? strstr(path, "/vmfs/volumes/") : NULL;
	if (below)
		snprintf(on, sizeof(on), "%.*s", (int)strcspn(below + 14, "/"), below + 14);
	if (!volume_choose(ui, "Move", "To which volume is it to go?", on, volume, sizeof(volume)))
		return;
	snprintf(what, sizeof(what), "moving %.80s to %.80s", vm, volume);
	act_call(ui, "vm.move", json_pack("{s:s, s:s}", "vm", vm, "volume", volume), what);
}

static void do_register(struct ui *ui, const char *vm)
{
	(void)vm;
	machine_register(ui);
}

static void do_mode(struct ui *ui, const char *vm)
{
	char mode[64] = "750", what[200];
	if (!ui_input(ui, "Rights", "Mode of its .vmx file: r see, x operate, w change; owner, group, others (750, or u=rwx,g=rx,o=)", mode,
		      sizeof(mode), true))
		return;
	snprintf(what, sizeof(what), "changing the rights to %.100s", vm);
	act_call(ui, "vm.chmod", json_pack("{s:s, s:s}", "vm", vm, "mode", mode), what);
}

#define DEVICES_MAX 64
/* What of a machine has a plug, or a medium. */
struct plugs {
	char name[DEVICES_MAX][32], label[DEVICES_MAX][160];
	bool connected[DEVICES_MAX];
	unsigned n;
};

static void plugs_take(struct plugs *p, json_t *list)
{
	size_t k;
	json_t *o;
	json_array_foreach(list, k, o) {
		const char *device = json_string_value(json_object_get(o, "device")), *detail = json_string_value(json_object_get(o, "detail"));
		json_t *connected = json_object_get(o, "connected");
		if (!device || !json_is_boolean(connected) || p->n == DEVICES_MAX)
			continue;
		p->connected[p->n] = json_is_true(connected);
		str_copy(p->name[p->n], sizeof(p->name[0]), device);
		snprintf(p->label[p->n], sizeof(p->label[0]), "%-12.30s %-13s%.80s", device, p->connected[p->n] ? "connected" : "disconnected",
			 detail ? detail : "");
		p->n++;
	}
}

static void do_devices(struct ui *ui, const char *vm)
{
	struct plugs p = {.n = 0};
	const char *labels[DEVICES_MAX];
	json_t *list;
	if (act_call_wait(ui, "vm.hardware", json_pack("{s:s}", "vm", vm), "asking for its devices", &list))
		return;
	plugs_take(&p, list);
	json_decref(list);
	for (unsigned k = 0; k < p.n; k++)
		labels[k] = p.label[k];
	if (!p.n) {
		ui_message(ui, false, "%.100s has no device that can be connected while it runs.", vm);
		return;
	}
	int chosen = ui_choose(ui, "Connect or disconnect", vm, labels, p.n);
	if (chosen >= 0)
		machine_plug(ui, vm, p.name[chosen], p.connected[chosen]);
}

enum when { WHEN_ON = 1, WHEN_OFF = 2, WHEN_SUSPENDED = 4, WHEN_STUCK = 8, ALWAYS = 15, WITHOUT = 16 };

static const struct item {
	const char *label;
	unsigned when;
	void (*run)(struct ui *ui, const char *vm);
} items[] = {
	{"Answer its question", WHEN_STUCK, act_answer},
	{"Power on", WHEN_OFF, do_start},
	{"Resume", WHEN_SUSPENDED, do_start},
	{"Attach to its screen", WHEN_ON | WHEN_STUCK, act_attach},
	{"Power off", WHEN_ON | WHEN_STUCK, do_stop},
	{"Reset", WHEN_ON | WHEN_STUCK, do_reset},
	{"Suspend", WHEN_ON, do_suspend},
	{"Connect or disconnect a device", WHEN_ON, do_devices},
	{"Discard what it was doing", WHEN_SUSPENDED, do_discard},
	{"Settings", WHEN_ON | WHEN_OFF | WHEN_STUCK, machine_edit},
	{"Clone", WHEN_OFF, do_clone},
	{"Move to another volume", WHEN_OFF, do_move},
	{"Rights", ALWAYS, do_mode},
	{"Take off the list, keeping its files", WHEN_OFF, do_unregister},
	{"Delete it with its files", WHEN_OFF | WHEN_SUSPENDED, do_delete},
	{"Add an existing machine to the list", ALWAYS | WITHOUT, do_register},
};

static unsigned when_now(const struct machine *vm)
{
	if (!vm)
		return WITHOUT;
	return !strcmp(vm->state, "stuck") ? WHEN_STUCK : !strcmp(vm->state, "suspended") ? WHEN_SUSPENDED : vm->world >= 0 ? WHEN_ON : WHEN_OFF;
}

void act_menu(struct ui *ui)
{
	const struct machine *vm = ui_selected(ui);
	const struct item *shown[ARRAY_SIZE(items)];
	const char *labels[ARRAY_SIZE(items)];
	char name[128], title[128];
	unsigned n = 0, now = when_now(vm);
	str_copy(name, sizeof(name), vm ? vm->name : "");
	for (size_t k = 0; k < ARRAY_SIZE(items); k++)
		if (items[k].when & now) {
			shown[n] = &items[k];
			labels[n++] = items[k].label;
		}
	snprintf(title, sizeof(title), "%.100s", vm ? name : "Machines");
	int chosen = ui_choose(ui, title, "What is to be done?", labels, n);
	/* It may have gone while the menu was open. */
	if (chosen >= 0 && ((shown[chosen]->when & WITHOUT) || act_is_there(ui, name)))
		shown[chosen]->run(ui, name);
}
