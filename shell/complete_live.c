// SPDX-License-Identifier: GPL-2.0-or-later
/* complete_live.c - see complete.h: what is there on the host at the moment */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/viewer.h"
#include "lib/config.h"
#include "lib/keymap_names.h"
#include "lib/util.h"
#include "shell/complete.h"

/* Arguments whose values a method lists: command, argument, method, its field; by_vm: of that machine. */
static const struct live {
	const char *words, *arg, *method, *field;
	bool by_vm;
	const char *only; /* a field that what is offered has; NULL: any */
} live[] = {
	{"console kick", "id", "console.list", "id", false, NULL},
	{"console unlock", "address", "console.locks", "address", false, NULL},
	{"task cancel", "id", "task.list", "id", false, "cancellable"},
	{"vm connect", "device", "vm.hardware", "device", true, "connected"},
	{"vm disconnect", "device", "vm.hardware", "device", true, "connected"},
	{"vm answer", "answer", "vm.question", "choices", true, NULL},
	{"disk list", "volume", "storage.list", "name", false, NULL},
	{"vm create", "volume", "storage.list", "name", false, NULL},
	{"vm clone", "volume", "storage.list", "name", false, NULL},
	{"vm move", "volume", "storage.list", "name", false, NULL},
	{"host network set", "interface", "host.network", "name", false, NULL},
	{"storage add", "source", "storage.devices", "path", false, "free"},
	{"storage format", "device", "storage.devices", "path", false, "free"},
	{"storage mount", "name", "storage.list", "name", false, NULL},
	{"storage remove", "name", "storage.list", "name", false, NULL},
};

static const char *text_of(json_t *value, char number[24])
{
	if (!json_is_integer(value))
		return json_string_value(value);
	snprintf(number, 24, "%lld", (long long)json_integer_value(value));
	return number;
}

static bool first_is_vm(const struct command *c)
{
	return c && str_starts(c->row->args, "vm:vm");
}

/* An object, a list of objects, or of names; a list in the field is looked through as well. */
static void offer_from(struct seeker *s, json_t *value, const char *field, const char *only)
{
	size_t k;
	json_t *item;
	char number[24];
	const char *vm = json_string_value(json_object_get(value, "vm"));
	if (json_is_array(value)) {
		json_array_foreach(value, k, item)
			offer_from(s, item, field, only);
		return;
	}
	/* Of viewers, those at the machine that was named. */
	if (first_is_vm(s->command) && vm && s->n && strcmp(vm, s->words[0]))
		return;
	json_t *must = only ? json_object_get(value, only) : json_true();
	if (!must || json_is_null(must) || (json_is_false(must) && strcmp(only, "connected")))
		return;
	json_t *found = json_is_object(value) ? json_object_get(value, field) : value;
	if (json_is_array(found)) {
		offer_from(s, found, "name", NULL);
		return;
	}
	const char *text = text_of(found, number);
	if (text)
		offer(s, text);
}

static void offer_listed(struct seeker *s, const char *method, json_t *params, const char *field, const char *only)
{
	json_t *answer;
	if (shell_call(s->sh, method, params, &answer, NULL, NULL))
		return;
	offer_from(s, answer, field, only);
	json_decref(answer);
}

void offer_field(struct seeker *s, const char *method, json_t *params, const char *field)
{
	offer_listed(s, method, params, field, NULL);
}

static void offer_keymap(void *arg, const char *name)
{
	struct seeker *s = arg;
	/* Hundreds of variants are told once the layout is chosen. */
	if (!strchr(name, '(') || strchr(s->word, '('))
		offer(s, name);
}

void offer_keymaps(struct seeker *s)
{
	keymap_names_each(offer_keymap, s);
}

/* Files that list what may be said, on the host as on any other. */
static void offer_zones(struct seeker *s)
{
	char *text, *save, *zone;
	offer(s, "UTC");
	if (read_file("/usr/share/zoneinfo/tzdata.zi", 4 * MIB, &text, NULL, NULL))
		return;
	/* "Z Europe/Berlin ..." and "L Europe/Berlin Arctic/Longyearbyen" */
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!str_starts(line, "Z ") && !str_starts(line, "L "))
			continue;
		zone = line[0] == 'Z' ? line + 2 : strrchr(line, ' ') + 1;
		zone[strcspn(zone, " ")] = 0;
		offer(s, zone);
	}
	free(text);
}

bool offer_live(struct seeker *s, const struct api_arg *arg)
{
	const char *words = s->command->row->words;
	for (size_t k = 0; k < ARRAY_SIZE(live); k++) {
		if (strcmp(live[k].words, words) || strcmp(live[k].arg, arg->name))
			continue;
		if (live[k].by_vm && !s->n)
			return true;
		offer_listed(s, live[k].method, live[k].by_vm ? json_pack("{s:s}", "vm", s->words[0]) : NULL, live[k].field, live[k].only);
		return true;
	}
	if (!strcmp(words, "console send"))
		for (unsigned k = 0; viewer_key_name(k); k++)
			offer(s, viewer_key_name(k));
	else if (!strcmp(arg->name, "keymap") || !strcmp(words, "host keyboard"))
		offer_keymaps(s);
	else if (!strcmp(arg->name, "timezone"))
		offer_zones(s);
	else
		return false;
	return true;
}

/* Entries of the folder the word is in. */
static void offer_folder(struct seeker *s)
{
	const char *slash = strrchr(s->word, '/'), *base = slash ? slash + 1 : s->word, *home = getenv("HOME");
	int shown = (int)(base - s->word); /* of the word, before the name */
	bool tilde = str_starts(s->word, "~/") && home;
	char *folder = tilde ? xasprintf("%s/%.*s", home, shown - 2, s->word + 2) : xasprintf("%.*s", shown, s->word);
	DIR *dir = opendir(*folder ? folder : ".");
	struct dirent *entry;
	struct stat st;
	while (dir && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || (entry->d_name[0] == '.' && *base != '.'))
			continue;
		bool is_folder = fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
		char *name = xasprintf("%.*s%s%s", shown, s->word, entry->d_name, is_folder ? "/" : "");
		offer(s, name);
		free(name);
	}
	if (dir)
		closedir(dir);
	free(folder);
}

static void offer_volumes(struct seeker *s)
{
	json_t *list, *volume;
	size_t k;
	if (shell_call(s->sh, "storage.list", NULL, &list, NULL, NULL))
		return;
	json_array_foreach(list, k, volume) {
		const char *path = json_string_value(json_object_get(volume, "path"));
		char *folder = path ? xasprintf("%s/", path) : NULL;
		/* Once the word is inside of it, its files are offered anyway. */
		if (folder && strlen(s->word) < strlen(folder))
			offer(s, folder);
		free(folder);
	}
	json_decref(list);
}

void offer_files(struct seeker *s, bool images)
{
	s->out->path = true;
	offer_folder(s);
	/* A word that begins elsewhere is not going to be a volume. */
	if (*s->word && *s->word != '/')
		return;
	offer_volumes(s);
	if (images)
		offer_field(s, "disk.list", NULL, "path");
}
