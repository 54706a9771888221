/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registry.c - the host's machines: <root>/etc/vmk/vm-list, one line `config "/path/x.vmx"` each.
 *
 * The file is read again before each change and replaced as a whole, so comments, lines of other hands and what a crash or a full
 * disk would lose stay.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/machine_words.h"
#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/consoles.h"
#include "vmkernel/host.h"
#include "vmkernel/owners_seen.h"
#include "vmkernel/vm_look.h"
#include "vmkernel/volumes.h"
#include "vmkernel/within.h"

#define LIST_MAX_BYTES (1024 * 1024)
#define ANSWER_NS (2 * NSEC_PER_SEC) /* of a volume's server: so long the host stands still, once */

char *vm_folder(const char *path)
{
	char *copy = xstrdup(path), *folder = xstrdup(dirname(copy));
	free(copy);
	return folder;
}

bool vm_name_valid(const char *name)
{
	return machine_name_check(name, NULL) == 0;
}

void vm_config_name(const struct config *config, const char *path, char name[VM_NAME_MAX + 1])
{
	const char *display = config ? config_get(config, "displayName") : NULL;
	if (display && vm_name_valid(display)) {
		str_copy(name, VM_NAME_MAX + 1, display);
		return;
	}
	const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
	size_t len = strlen(file);
	if (len > 4 && strcmp(file + len - 4, ".vmx") == 0)
		len -= 4;
	len = MIN(len, (size_t)VM_NAME_MAX);
	memcpy(name, file, len);
	name[len] = 0;
}

/* A name that another machine has already gets " (2)" and so on, until somebody changes it. */
static void vm_take_name(struct vm *vm)
{
	char wanted[VM_NAME_MAX + 1];
	vm_config_name(vm->config, vm->path, wanted);
	if (strcmp(wanted, vm->name) == 0)
		return;
	if (!registry_find_name(wanted, vm)) {
		str_copy(vm->name, sizeof(vm->name), wanted);
		return;
	}
	char numbered[VM_NAME_MAX + 1];
	for (unsigned k = 2; k < 1000; k++) {
		char tail[16];
		int tail_len = snprintf(tail, sizeof(tail), " (%u)", k);
		snprintf(numbered, sizeof(numbered), "%.*s%s", VM_NAME_MAX - tail_len, wanted, tail);
		if (strcmp(numbered, vm->name) == 0)
			return;
		if (!registry_find_name(numbered, vm)) {
			log_warning("%s: there is a machine named %s already: this one is called %s", vm->path, wanted, numbered);
			str_copy(vm->name, sizeof(vm->name), numbered);
			return;
		}
	}
}

static bool vm_unreadable(struct vm *vm, const char *why)
{
	char volume[256], lacks[300];
	bool silent = volumes_silent(vm->path, volume), away = silent || volumes_lack(vm->path, volume), news = vm->readable || !vm->owner[0] || away != vm->away;
	vm->away = away;
	if (away) {
		snprintf(lacks, sizeof(lacks), "the volume %s %s", volume, silent ? "does not answer" : "is not mounted");
		why = lacks;
	}
	if (vm->readable || !vm->owner[0])
		event_vm(LOG_LEVEL_WARNING, vm, "%s: %s", vm->path, why);
	vm->readable = false;
	snprintf(vm->problem, sizeof(vm->problem), "%s: %s", vm->path, why);
	vm->file.mode = 0;
	if (news && away && vm->owner_known)
		users_name_of(vm->file.uid, vm->owner);
	else if (news)
		str_copy(vm->owner, sizeof(vm->owner), "?");
	if (!vm->name[0])
		vm_take_name(vm);
	return false;
}

static void note_suspended(struct vm *vm, bool suspended)
{
	if (!vm->world)
		vm->state = suspended ? VM_SUSPENDED : VM_OFF;
}

/* Who is not told now what is there, keeps what was there last. */
static bool vm_silent(struct vm *vm)
{
	return vm->readable || vm_unreadable(vm, "its volume does not answer");
}

/* Takes over what vm_look() has found. */
static bool vm_take(struct vm *vm, struct vm_look *l)
{
	struct error err = l->err;
	struct config *config = NULL;
	if (l->ret)
		return vm_unreadable(vm, l->err.text);
	vm->file = l->file;
	note_suspended(vm, l->suspended);
	if (l->same)
		return true;
	vm->owner_known = true;
	owner_seen_note(vm->path, l->file.uid);
	users_name_of(l->file.uid, vm->owner);
	int ret = l->text ? config_parse(vm->path, l->text, l->len, &config, &err) : l->err.code;
	config_free(vm->config);
	vm->config = config;
	vm->readable = true; /* its rights are known, even when its text makes no sense */
	if (!ret)
		ret = config_check(config, NULL, NULL, &err);
	str_copy(vm->problem, sizeof(vm->problem), ret ? err.text : "");
	if (ret)
		event_vm(LOG_LEVEL_WARNING, vm, "%s", err.text);
	/* While it runs, the name it was started with stays. */
	if (!vm->world)
		vm_take_name(vm);
	consoles_update(vm);
	return true;
}

bool vm_refresh(struct vm *vm)
{
	char volume[256];
	bool far = volumes_far(vm->path);
	if (far && volumes_silent(vm->path, volume))
		return vm_silent(vm);
	struct vm_look *l = vm_look_new(vm->path, vm->readable ? &vm->file : NULL);
	if (!far)
		vm_look(l);
	else if (!call_within(ANSWER_NS, vm_look, vm_look_free, l)) {
		volumes_set_silent(vm->path);
		return vm_silent(vm);
	}
	bool there = vm_take(vm, l);
	vm_look_free(l);
	return there;
}

struct vm *registry_find_name(const char *name, const struct vm *but)
{
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		if (vm != but && strcmp(vm->name, name) == 0)
			return vm;
	return NULL;
}

/* host.vms once more, by path: each event is looked up so for each who waits for events. */
static void *by_path;

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct vm *)a)->path, ((const struct vm *)b)->path);
}

static struct vm *registry_find_path(const char *path)
{
	const struct vm key = {.path = (char *)path};
	struct vm **found = tfind(&key, &by_path, compare_paths);
	return found ? *found : NULL;
}

struct vm *registry_find(const char *name_or_path)
{
	if (*name_or_path == '/')
		return registry_find_path(name_or_path);
	struct vm *vm = registry_find_name(name_or_path, NULL);
	if (vm)
		return vm;
	/* A name changed in the file by hand since it was last looked at. */
	for (vm = host.vms; vm; vm = vm->next)
		vm_refresh(vm);
	return registry_find_name(name_or_path, NULL);
}

struct vm *registry_adopt(const char *path)
{
	struct vm *vm = xcalloc(1, sizeof(*vm)), **p = &host.vms;
	vm->path = xstrdup(path);
	vm->pidfd = vm->console_fd = -1;
	while (*p)
		p = &(*p)->next;
	*p = vm;
	BUG_ON(!tsearch(vm, &by_path, compare_paths));
	vm->owner_known = owner_seen(path, &vm->file.uid);
	vm_refresh(vm);
	return vm;
}

/* The path in a line `config "/path"`; NULL for other lines. Changes the line. */
static char *line_path(char *line)
{
	while (isspace((unsigned char)*line))
		line++;
	if (!str_starts(line, "config") || !isspace((unsigned char)line[6]))
		return NULL;
	char *open_quote = strchr(line, '"'), *close_quote = open_quote ? strchr(open_quote + 1, '"') : NULL;
	if (!close_quote || open_quote[1] != '/')
		return NULL;
	*close_quote = 0;
	return open_quote + 1;
}

static int list_read(char **text, struct error *err)
{
	char *path = root_path("etc/vmk/vm-list");
	struct error why;
	int ret = read_file(path, LIST_MAX_BYTES, text, NULL, &why);
	if (ret == -ENOENT) {
		*text = xstrdup("");
		ret = 0;
	} else if (ret) {
		fail(err, ret, "%s", why.text);
	}
	free(path);
	return ret;
}

/* The list without the line of `without`, and with one for `with` in its place, or at the end; either may be NULL. */
static int list_change(const char *without, const char *with, struct error *err)
{
	char *text, *path = root_path("etc/vmk/vm-list");
	int ret = list_read(&text, err);
	if (ret) {
		free(path);
		return ret;
	}
	char *out = xcalloc(1, strlen(text) + (with ? strlen(with) : 0) + 16), *end = out, *saved = NULL;
	bool placed = false;
	for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved)) {
		char *copy = xstrdup(line), *of = line_path(copy);
		if (!of || !without || strcmp(of, without) != 0)
			end += sprintf(end, "%s\n", line);
		else if (with)
			end += sprintf(end, "config \"%s\"\n", with);
		placed = placed || (of && without && strcmp(of, without) == 0);
		free(copy);
	}
	if (with && !placed)
		end += sprintf(end, "config \"%s\"\n", with);
	ret = replace_file(path, out, (size_t)(end - out), 0644, err);
	free(out);
	free(text);
	free(path);
	return ret;
}

int registry_load(struct error *err)
{
	char *text, *saved = NULL;
	unsigned number = 0;
	int ret = list_read(&text, err);
	if (ret)
		return ret;
	for (char *line = text; line && *line; line = saved) {
		saved = strchr(line, '\n');
		if (saved)
			*saved++ = 0;
		number++;
		line += strspn(line, " \t\r");
		if (!*line || *line == '#')
			continue;
		char *path = line_path(line);
		if (!path)
			log_warning("vm-list:%u: not a line of the form config \"/path/name.vmx\"", number);
		else if (!registry_find_path(path))
			registry_adopt(path);
	}
	free(text);
	return 0;
}

int registry_add(const char *path, struct vm **out, struct error *err)
{
	if (registry_find_path(path))
		return fail(err, -EEXIST, "%s is registered already", path);
	if (strpbrk(path, "\"\n\r"))
		return fail(err, -EINVAL, "%s: a path with quotes or line ends cannot be registered", path);
	int ret = list_change(NULL, path, err);
	if (ret)
		return ret;
	*out = registry_adopt(path);
	return 0;
}

int registry_move(struct vm *vm, const char *path, struct error *err)
{
	if (registry_find_path(path))
		return fail(err, -EEXIST, "%s is registered already", path);
	if (strpbrk(path, "\"\n\r"))
		return fail(err, -EINVAL, "%s: a path with quotes or line ends cannot be registered", path);
	int ret = list_change(vm->path, path, err);
	if (ret)
		return ret;
	owner_seen_forget(vm->path);
	events_moved(vm->path, path);
	tdelete(vm, &by_path, compare_paths);
	free(vm->path);
	vm->path = xstrdup(path);
	BUG_ON(!tsearch(vm, &by_path, compare_paths));
	vm_refresh(vm);
	return 0;
}

int registry_remove(struct vm *vm, struct error *err)
{
	BUG_ON(vm->world || vm->busy);
	int ret = list_change(vm->path, NULL, err);
	if (ret)
		return ret;
	owner_seen_forget(vm->path);
	tdelete(vm, &by_path, compare_paths);
	for (struct vm **p = &host.vms; *p; p = &(*p)->next) {
		if (*p == vm) {
			*p = vm->next;
			break;
		}
	}
	for (struct request *r = host.pending; r; r = r->next)
		if (r->vm == vm)
			r->vm = NULL;
	consoles_forget(vm);
	config_free(vm->config);
	free(vm->path);
	free(vm);
	return 0;
}
