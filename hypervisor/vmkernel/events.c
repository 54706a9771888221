/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events.c - the newest lines of the daemon's log, in memory, each with whom it concerns and who asked for it: log.show and
 * event.list answer from here, and show nobody the events of a machine he may not see.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/host.h"

#define RING 1000
#define LOG_BYTES_KEPT (4 * MIB) /* a larger log is renamed to vmkernel.log.0 at start */

struct event {
	u64 seq; /* 0 = empty */
	enum log_level level;
	bool admin;
	char *vm_path, *vm_name; /* of the machine it is about, or NULL */
	char user[USER_NAME_SIZE]; /* who asked for it, "" = nobody */
	char time[32];
	char *text;
};

static struct event ring[RING];
static u64 last_seq;
/* What the line being logged is about; log lines without it are the administrator's. */
static const struct vm *subject_vm;
static bool subject_public;
static char subject_user[USER_NAME_SIZE];
/* event_acting(): kept by number, as the request may end before the handler does. */
static bool acting;
static uid_t acting_uid;
static sd_event_source *news_source;

/* "<time> vmkernel <level>: text" -> the ring. */
static void event_tap(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	struct event *e = &ring[++last_seq % RING];
	free(e->vm_path);
	free(e->vm_name);
	free(e->text);
	const char *blank = strchr(line, ' '), *text = strstr(line, ": ");
	*e = (struct event){.seq = last_seq, .level = level, .admin = !subject_vm && !subject_public};
	e->vm_path = subject_vm ? xstrdup(subject_vm->path) : NULL;
	e->vm_name = subject_vm ? xstrdup(subject_vm->name) : NULL;
	str_copy(e->user, sizeof(e->user), subject_user);
	e->text = xstrdup(text ? text + 2 : line);
	utf8_clean(e->text);
	if (blank)
		snprintf(e->time, sizeof(e->time), "%.*s", (int)(blank - line), line);
	if (news_source)
		sd_event_source_set_enabled(news_source, SD_EVENT_ONESHOT);
}

int events_open(struct error *err)
{
	char *folder = root_path("var/log/vmk"), *path = root_path("var/log/vmk/vmkernel.log");
	struct stat st;
	int ret = make_dirs(folder, 0755, err);
	if (!ret) {
		if (lstat(path, &st) == 0 && st.st_size > (off_t)LOG_BYTES_KEPT) {
			char *old = root_path("var/log/vmk/vmkernel.log.0");
			rename(path, old);
			free(old);
		}
		host.log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (host.log_fd < 0)
			ret = fail(err, -errno, "cannot open %s: %m", path);
	}
	if (!ret) {
		log_open("vmkernel", host.log_fd);
		log_tap(event_tap, NULL);
	}
	free(folder);
	free(path);
	return ret;
}

void event_acting(const struct request *r)
{
	acting = r != NULL;
	acting_uid = r ? r->caller.uid : 0;
}

/* Who asked: the caller being served, or the last one who waits for a change of the machine. */
static bool asker(const struct vm *vm, uid_t *uid)
{
	if (acting) {
		*uid = acting_uid;
		return true;
	}
	for (const struct request *r = host.pending; r && vm; r = r->next) {
		if (r->vm == vm && r->method->role != ROLE_VIEW) {
			*uid = r->caller.uid;
			return true;
		}
	}
	return false;
}

/* One event; formatted and its asker looked up before the log's lock is taken. */
static void event_log(enum log_level level, const struct vm *vm, bool asked, const char *fmt, va_list args)
{
	char text[512];
	uid_t uid;
	vsnprintf(text, sizeof(text), fmt, args);
	if (asked && asker(vm, &uid))
		users_name_of(uid, subject_user);
	subject_vm = vm;
	log_line(level, "%s", text);
	subject_vm = NULL;
	subject_user[0] = 0;
}

void event_vm(enum log_level level, const struct vm *vm, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	event_log(level, vm, true, fmt, args);
	va_end(args);
}

void event_vm_itself(enum log_level level, const struct vm *vm, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	event_log(level, vm, false, fmt, args);
	va_end(args);
}

void event_host(enum log_level level, enum event_subject subject, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	subject_public = subject == EVENT_PUBLIC;
	event_log(level, NULL, true, fmt, args);
	subject_public = false;
	va_end(args);
}

static bool may_see(const struct caller *c, const struct event *e)
{
	if (caller_is_admin(c))
		return true;
	if (e->admin)
		return false;
	if (!e->vm_path || caller_sees_all(c))
		return true;
	struct vm *vm = registry_find(e->vm_path);
	return vm && vm_rights(c, vm) & RIGHT_R;
}

static json_t *text_or_null(const char *text)
{
	json_t *s = text && *text ? json_string(text) : NULL;
	return s ? s : json_null();
}

static json_t *event_row(const struct event *e, bool whole)
{
	static const char *const levels[] = {"debug", "info", "warning", "error"};
	json_t *text = json_string(e->text);
	json_t *o = json_pack("{s:I, s:s, s:s, s:o}", "seq", (json_int_t)e->seq, "time", e->time, "level", levels[e->level], "text",
			      text ? text : json_string("?"));
	if (whole) {
		json_object_set_new(o, "vm", text_or_null(e->vm_name));
		json_object_set_new(o, "user", text_or_null(e->user));
	}
	return o;
}

void events_moved(const char *from, const char *to)
{
	for (unsigned k = 0; k < RING; k++) {
		if (!ring[k].vm_path || strcmp(ring[k].vm_path, from) != 0)
			continue;
		free(ring[k].vm_path);
		ring[k].vm_path = xstrdup(to);
	}
}

static json_t *events_find(const struct caller *c, const char *vm_path, u64 lines, u64 since, bool whole)
{
	json_t *out = json_array();
	u64 oldest = last_seq > RING ? last_seq - RING : 0;
	/* Newest first, so that the limit keeps the newest; turned round by inserting at the front. */
	for (u64 seq = last_seq; seq > MAX(oldest, since) && json_array_size(out) < lines; seq--) {
		const struct event *e = &ring[seq % RING];
		if (e->seq != seq || (vm_path && (!e->vm_path || strcmp(e->vm_path, vm_path) != 0)) || !may_see(c, e))
			continue;
		json_array_insert_new(out, 0, event_row(e, whole));
	}
	return out;
}

json_t *events_show(const struct caller *c, u64 lines, u64 since)
{
	return events_find(c, NULL, lines, since, false);
}

json_t *events_list(const struct caller *c, const char *vm_path, u64 lines, u64 since)
{
	return events_find(c, vm_path, lines, since, true);
}

u64 events_newest(void)
{
	return last_seq;
}

static int on_news(sd_event_source *s, void *arg)
{
	(void)s;
	((void (*)(void))arg)();
	return 0;
}

void events_watch(void (*news)(void))
{
	if (!news_source && sd_event_add_defer(host.event, &news_source, on_news, (void *)news) < 0)
		news_source = NULL;
	if (news_source)
		sd_event_source_set_enabled(news_source, SD_EVENT_OFF);
}

const char *events_last_of(const struct vm *vm)
{
	u64 oldest = last_seq > RING ? last_seq - RING : 0;
	for (u64 seq = last_seq; seq > oldest; seq--) {
		const struct event *e = &ring[seq % RING];
		if (e->seq == seq && e->vm_path && strcmp(e->vm_path, vm->path) == 0)
			return e->text;
	}
	return NULL;
}
