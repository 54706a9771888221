/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events.c - the newest lines of the daemon's log, in memory, each with whom it concerns: log.show answers from here,
 * and shows nobody the events of a machine he may not see.
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
#include "vmkernel/host.h"

#define RING 1000
#define LOG_BYTES_KEPT (4 * MIB) /* a larger log is renamed to vmkernel.log.0 at start */

struct event {
	u64 seq; /* 0 = empty */
	enum log_level level;
	bool admin;
	char *vm_path; /* of the machine it is about, or NULL */
	char time[32];
	char *text;
};

static struct event ring[RING];
static u64 last_seq;
/* What the line being logged is about; log lines without it are the administrator's. */
static const struct vm *subject_vm;
static bool subject_public;

/* "<time> vmkernel <level>: text" -> the ring. */
static void event_tap(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	struct event *e = &ring[++last_seq % RING];
	free(e->vm_path);
	free(e->text);
	const char *blank = strchr(line, ' '), *text = strstr(line, ": ");
	*e = (struct event){.seq = last_seq, .level = level, .admin = !subject_vm && !subject_public};
	e->vm_path = subject_vm ? xstrdup(subject_vm->path) : NULL;
	e->text = xstrdup(text ? text + 2 : line);
	if (blank)
		snprintf(e->time, sizeof(e->time), "%.*s", (int)(blank - line), line);
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

void event_vm(enum log_level level, const struct vm *vm, const char *fmt, ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	subject_vm = vm;
	log_line(level, "%s", text);
	subject_vm = NULL;
}

void event_host(enum log_level level, enum event_subject subject, const char *fmt, ...)
{
	char text[512];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	subject_public = subject == EVENT_PUBLIC;
	log_line(level, "%s", text);
	subject_public = false;
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

json_t *events_show(const struct caller *c, u64 lines, u64 since)
{
	static const char *const levels[] = {"debug", "info", "warning", "error"};
	json_t *out = json_array();
	u64 oldest = last_seq > RING ? last_seq - RING : 0;
	/* Newest first, so that the limit keeps the newest; turned round by inserting at the front. */
	for (u64 seq = last_seq; seq > MAX(oldest, since) && json_array_size(out) < lines; seq--) {
		const struct event *e = &ring[seq % RING];
		if (e->seq != seq || !may_see(c, e))
			continue;
		json_t *text = json_string(e->text);
		json_array_insert_new(out, 0,
				      json_pack("{s:I, s:s, s:s, s:o}", "seq", (json_int_t)e->seq, "time", e->time, "level",
						levels[e->level], "text", text ? text : json_string("?")));
	}
	return out;
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
