// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * volume_form.c - see form.h: volumes are added and disks formatted by form. Names are checked by the function the host itself calls;
 * what a volume is to be made of, by the host.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/machine_words.h"
#include "lib/util.h"
#include "tui/ui.h"

static void check_name(const struct ui *ui, struct form_field *field)
{
	struct error err;
	char name[128];
	json_t *rows = model_answer(&ui->model, ASK_storage, NULL);
	if (volume_name_check(field->value, &err))
		str_copy(field->why, sizeof(field->why), err.text);
	for (unsigned k = 0; k < rows_count(rows); k++)
		if (!strcmp(row_text(rows_at(rows, k), "name", name, sizeof(name)), field->value))
			snprintf(field->why, sizeof(field->why), "a volume named %.100s is there already", name);
}

/* ---- a volume of what is there ---- */

static void check_add(const struct form *f, struct form_field *field, void *arg)
{
	(void)f;
	if (!strcmp(field->name, "name"))
		check_name(arg, field);
	else if (!field->value[0])
		str_copy(field->why, sizeof(field->why), "a disk or partition, server:/path or /folder");
}

static json_t *add_params(const struct form *f)
{
	return json_pack("{s:s, s:s}", "name", form_find(f, "name")->value, "source", form_find(f, "source")->value);
}

/* Whether the host would, for nothing else knows what is a disk or a server's folder there. */
static bool ask_add(const struct form *f, const struct form_field *field, char *request, size_t size, void *arg)
{
	const struct form_field *name = form_find(f, "name");
	(void)arg;
	return !strcmp(field->name, "source") && !name->why[0] && form_request("storage.add", add_params(f), request, size);
}

static bool accept_add(struct ui *ui, struct form *f, void *arg)
{
	char what[200];
	(void)arg;
	snprintf(what, sizeof(what), "adding the volume %.100s", form_find(f, "name")->value);
	act_call(ui, "storage.add", add_params(f), what);
	return true;
}

void volume_create(struct ui *ui, const char *source)
{
	struct form f = {.title = "New volume", .accept_label = "Add", .check = check_add, .ask = ask_add, .accept = accept_add, .arg = ui};
	if (!act_rights(ui))
		return;
	form_add(&f, FORM_HEADING, "", "New volume", "");
	form_add(&f, FORM_TEXT, "name", "Name", "")->help = "Of its folder in vmfs/volumes: letters, digits and ._-";
	form_add(&f, FORM_TEXT, "source", "What it is made of", source)->help =
		"A disk or partition with a file system (sdb1), server:/path by NFS, or a folder of this computer (/srv/images)";
	str_copy(f.note, sizeof(f.note), "What is on it stays as it is. It is mounted now, and whenever this computer starts.");
	form_run(ui, &f);
	form_free(&f);
}

/* ---- a volume on a disk whose content goes ---- */

struct formatting {
	struct ui *ui;
	char device[128], word[128]; /* word: that has to be typed */
};

static void check_format(const struct form *f, struct form_field *field, void *arg)
{
	const struct formatting *m = arg;
	(void)f;
	if (!strcmp(field->name, "name"))
		check_name(m->ui, field);
	else if (!strcmp(field->name, "erase") && strcmp(field->value, m->word) != 0)
		snprintf(field->why, sizeof(field->why), "only %.90s says that what is on %.60s may be lost", m->word, m->device);
}

static bool accept_format(struct ui *ui, struct form *f, void *arg)
{
	const struct formatting *m = arg;
	char what[200];
	snprintf(what, sizeof(what), "formatting %.100s", m->device);
	act_call(ui, "storage.format",
		 json_pack("{s:s, s:s, s:s, s:s}", "name", form_find(f, "name")->value, "device", m->device, "type", form_find(f, "type")->value, "erase",
			   form_find(f, "erase")->value),
		 what);
	return true;
}

void volume_format(struct ui *ui, json_t *row)
{
	char title[200], lost[200], type[40], size[40], used[300], erase[200];
	struct formatting m = {.ui = ui};
	struct form f = {.title = title, .accept_label = "Format", .check = check_format, .accept = accept_format, .arg = &m};
	row_text(row, "path", m.device, sizeof(m.device));
	if (!*row_text(row, "content", m.word, sizeof(m.word)))
		str_copy(m.word, sizeof(m.word), "yes");
	row_text(row, "type", type, sizeof(type));
	if (!json_is_true(json_object_get(row, "free"))) {
		ui_message(ui, true, "%.100s is not formatted: %.200s", m.device, row_text(row, "used", used, sizeof(used)));
		return;
	}
	if (!act_rights(ui))
		return;
	snprintf(title, sizeof(title), "Format %.100s", m.device);
	snprintf(erase, sizeof(erase), "To go on, type %.60s", m.word);
	snprintf(lost, sizeof(lost), "Everything on it is LOST: %s%s%s", row_text(row, "size", size, sizeof(size)), *type ? ", " : "", type);
	form_add(&f, FORM_HEADING, "", lost, "");
	form_add(&f, FORM_TEXT, "name", "Name of the volume", "")->help = "Of its folder in vmfs/volumes: letters, digits and ._-";
	struct form_field *types = form_add(&f, FORM_CHOICE, "type", "File system", "ext4");
	types->choices = "ext4|xfs";
	types->help = "xfs needs the package xfsprogs on the host";
	form_add(&f, FORM_TEXT, "erase", erase, "")->help = "Everything on the disk or partition goes, and does not come back";
	snprintf(f.note, sizeof(f.note), "The new volume is mounted now, and whenever this computer starts.");
	form_run(ui, &f);
	form_free(&f);
}

/* ---- one that is there ---- */

void volume_remove(struct ui *ui, json_t *row)
{
	char name[128], machines[16], text[400], what[200];
	row_text(row, "name", name, sizeof(name));
	row_text(row, "machines", machines, sizeof(machines));
	bool used = strcmp(machines, "0") != 0;
	snprintf(text, sizeof(text), "Unmount the volume %.100s for good? What is on it stays as it is. %s%s%s, n: no", name, used ? "Machines on it: " : "",
		 used ? machines : "", used ? ". f: leave them without their files" : "y: yes");
	char key = ui_ask(ui, "Remove a volume", text, used ? "fn" : "yn");
	if (key != 'y' && key != 'f')
		return;
	json_t *params = json_pack("{s:s}", "name", name);
	if (key == 'f')
		json_object_set_new(params, "force", json_true());
	snprintf(what, sizeof(what), "removing the volume %.100s", name);
	act_call(ui, "storage.remove", params, what);
}

void volume_mount(struct ui *ui, json_t *row)
{
	char name[128], what[200];
	row_text(row, "name", name, sizeof(name));
	snprintf(what, sizeof(what), "mounting the volume %.100s", name);
	act_call(ui, "storage.mount", json_pack("{s:s}", "name", name), what);
}

/* ---- choosing one ---- */

#define CHOICES_MAX 60

bool volume_choose(struct ui *ui, const char *title, const char *text, const char *but, char *name, size_t size)
{
	static char labels[CHOICES_MAX][200]; /* one dialog at a time */
	const char *shown[CHOICES_MAX], *names[CHOICES_MAX];
	json_t *rows, *row;
	unsigned n = 0;
	size_t k;
	if (act_call_wait(ui, "storage.list", NULL, "looking at the volumes", &rows))
		return false;
	json_array_foreach(rows, k, row) {
		const char *left = json_string_value(json_object_get(row, "free"));
		char volume[128];
		row_text(row, "name", volume, sizeof(volume));
		if (n == CHOICES_MAX || !left || !strcmp(volume, but))
			continue; /* without a size: it is not mounted */
		names[n] = json_string_value(json_object_get(row, "name"));
		snprintf(labels[n], sizeof(labels[n]), "%s (%.40s free)", volume, left);
		shown[n] = labels[n];
		n++;
	}
	int chosen = n > 1 || (n && *but) ? ui_choose(ui, title, text, shown, n) : n ? 0 : -1;
	if (chosen >= 0)
		str_copy(name, size, names[chosen]);
	else if (!n)
		ui_message(ui, false, "There is no other volume: n in the view Storage adds one.");
	json_decref(rows);
	return chosen >= 0;
}
