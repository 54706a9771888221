/* SPDX-License-Identifier: GPL-2.0-or-later */
/* alerts.c - see alerts.h. Nothing here waits: what takes time was looked at before (volumes.h, consoles.h, stats.c). */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "computer/time_service.h"
#include "lib/util.h"
#include "vmkernel/alerts.h"
#include "vmkernel/consoles.h"
#include "vmkernel/hostnet_methods.h"
#include "vmkernel/text.h"
#include "vmkernel/volumes.h"

#define VOLUME_WARNING 90 /* percent in use */
#define VOLUME_ERROR 97
#define MEMORY_WARNING 10 /* percent left */
#define MEMORY_ERROR 4
#define CERTIFICATE_DAYS 30
#define DAY (24 * 3600)

struct alerts {
	const struct caller *c;
	json_t *errors, *warnings;
};

/* NAME in the advice stands for the machine's. */
static void alert(struct alerts *a, enum log_level level, const struct vm *vm, const char *advice, const char *fmt, ...)
	PRINTF_LIKE(5, 6);

static void alert(struct alerts *a, enum log_level level, const struct vm *vm, const char *advice, const char *fmt, ...)
{
	char text[600], what_to_do[300];
	va_list args;
	const char *gap = vm ? strstr(advice, "NAME") : NULL;
	bool is_error = level == LOG_LEVEL_ERROR;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (gap)
		snprintf(what_to_do, sizeof(what_to_do), "%.*s%s%s", (int)(gap - advice), advice, vm->name, gap + strlen("NAME"));
	json_array_append_new(is_error ? a->errors : a->warnings,
			      json_pack("{s:s, s:o, s:o, s:o}", "level", is_error ? "error" : "warning", "vm",
					vm ? text_json(vm->name) : json_null(), "text", text_json(text), "advice", text_json(gap ? what_to_do : advice)));
}

static void look_at_missing(struct alerts *a, const struct volume *v)
{
	char what_to_do[300], held[60] = "";
	unsigned n = volumes_machines(a->c, v->name);
	snprintf(what_to_do, sizeof(what_to_do), "storage mount %.80s tries again, and says why it fails; storage remove %.80s gives the volume up",
		 v->name, v->name);
	if (n)
		snprintf(held, sizeof(held), ": %u machine%s on it cannot be powered on", n, n == 1 ? "" : "s");
	alert(a, LOG_LEVEL_ERROR, NULL, what_to_do, "volume %s is not mounted%s%s%s", v->name, *v->source ? ", which is on " : "", v->source, held);
}

static void look_at_volume(struct alerts *a, const struct volume *v)
{
	char left[32], what[300], what_to_do[300] = "make room: logs and settings can soon not be written any more";
	if (v->state == VOLUME_NOT_MOUNTED)
		look_at_missing(a, v);
	if (v->state == VOLUME_SILENT)
		alert(a, LOG_LEVEL_ERROR, NULL, "see whether its server works and can be reached; storage remove with force gives the volume up",
		      "volume %s does not answer", v->name);
	u64 percent = v->capacity ? (v->capacity - MIN(v->free, v->capacity)) * 100 / v->capacity : 0;
	if (percent < VOLUME_WARNING)
		return;
	size_text(v->free, left, sizeof(left));
	if (v->name[0]) {
		snprintf(what, sizeof(what), "volume %s", v->name);
		snprintf(what_to_do, sizeof(what_to_do),
			 "delete images, or move them to another volume (disk list %.80s shows them): machines that cannot write stand still", v->name);
	} else {
		str_copy(what, sizeof(what), "the file system of the host's own files");
	}
	alert(a, percent >= VOLUME_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, NULL, what_to_do,
	      "%s is %s: %" PRIu64 " %% in use, %s left", what, percent >= VOLUME_ERROR ? "full" : "nearly full", percent, left);
}

static void look_at_volumes(struct alerts *a)
{
	unsigned count;
	bool silent;
	const struct volume *v = volumes_last(&count, &silent);
	for (unsigned k = 0; k < count; k++)
		look_at_volume(a, &v[k]);
	if (silent)
		alert(a, LOG_LEVEL_ERROR, NULL, "see whether the servers and disks they are on still work", "the volumes do not answer");
}

static void look_at_console(struct alerts *a, struct vm *vm)
{
	unsigned port = (unsigned)config_number(vm->config, "RemoteDisplay.vnc.port");
	if (port)
		alert(a, LOG_LEVEL_WARNING, vm, "see who has it, or change RemoteDisplay.vnc.port (0: the host chooses)",
		      "%s has no console: its port %u is taken", vm->name, port);
	else
		alert(a, LOG_LEVEL_WARNING, vm, "console.lastPort of vmkernel.conf gives more ports",
		      "%s has no console: all ports from %u to %u are taken", vm->name, host.vnc_first, host.vnc_last);
}

static void look_at_configuration(struct alerts *a, struct vm *vm)
{
	char volume[256], what_to_do[300];
	if (volumes_lack(vm->path, volume)) {
		snprintf(what_to_do, sizeof(what_to_do), caller_sees_all(a->c) ? "storage mount %.80s" : "ask the administrator to mount the volume %.80s", volume);
		alert(a, LOG_LEVEL_WARNING, vm, what_to_do, "%s cannot be powered on: the volume %s is not mounted", vm->name, volume);
	} else {
		alert(a, LOG_LEVEL_WARNING, vm,
		      vm->readable ? "mend the file with an editor, or take the machine off the list: vm unregister NAME"
				   : "put the file back, or take the machine off the list: vm unregister NAME",
		      "the configuration of %s cannot be used: %s", vm->name, vm->problem);
	}
}

static void look_at_machines(struct alerts *a)
{
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		if (!(vm_rights(a->c, vm) & RIGHT_R))
			continue;
		if (vm->question.id)
			alert(a, LOG_LEVEL_ERROR, vm, "vm question NAME shows what can be answered, and vm answer answers", "%s waits for an answer: %s",
			      vm->name, vm->question.text);
		else if (vm->state == VM_STUCK)
			alert(a, LOG_LEVEL_ERROR, vm, "wait, or end it: vm stop NAME hard", "%s is stuck: its process does not answer", vm->name);
		if (vm_running(vm) && consoles_lacking(vm))
			look_at_console(a, vm);
		if (vm->problem[0])
			look_at_configuration(a, vm);
	}
}

static void look_at_memory(struct alerts *a)
{
	u64 total = stats_meminfo("MemTotal"), available = stats_meminfo("MemAvailable");
	if (!total || available * 100 >= total * MEMORY_WARNING)
		return;
	bool is_error = available * 100 < total * MEMORY_ERROR;
	alert(a, is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, NULL,
	      "power off or suspend a machine, or ask guests for memory (vm balloon)",
	      "the host's memory is %s used up: %" PRIu64 " of %" PRIu64 " MB left",
	      is_error ? "" : "nearly", available / 1024, total / 1024);
}

static void look_at_consoles(struct alerts *a)
{
	u64 ends = consoles_certificate_end(), now = now_realtime() / NSEC_PER_SEC;
	unsigned locked = caller_sees_all(a->c) ? consoles_locked() : 0;
	if (!consoles_open())
		alert(a, LOG_LEVEL_ERROR, NULL, "look at the log: vmk-authd is started again by itself",
		      "nobody gets to the consoles: vmk-authd is not running");
	if (ends && ends <= now)
		alert(a, LOG_LEVEL_ERROR, NULL, "put a new one in etc/vmk, or delete console.crt and console.key and restart vmkernel",
		      "the consoles' certificate has ended: browsers refuse it");
	else if (ends && ends - now < (u64)CERTIFICATE_DAYS * DAY)
		alert(a, LOG_LEVEL_WARNING, NULL, "put a new one in etc/vmk, or delete console.crt and console.key and restart vmkernel",
		      "the consoles' certificate ends in %" PRIu64 " days", (ends - now) / DAY);
	if (locked)
		alert(a, LOG_LEVEL_WARNING, NULL, "console locks shows them, console unlock lets them in again",
		      "%u address%s locked out of the consoles after failed log-ins", locked, locked == 1 ? " is" : "es are");
}

/* The computer's clock is its administrator's: a private host can do nothing about it. */
static void look_at_time(struct alerts *a)
{
	const struct time_watch *time = time_service_last();
	enum time_trouble trouble = *get_root() ? TIME_RIGHT : time_watch_trouble(time, now_monotonic());
	const char *name = time->service.service ? time->service.service->name : "";
	if (trouble == TIME_NOBODY)
		alert(a, LOG_LEVEL_WARNING, NULL, "install chrony or systemd-timesyncd; host ntp shows and sets it",
		      "nothing keeps the host's clock right, which machines take their time from");
	else if (trouble == TIME_OFF)
		alert(a, LOG_LEVEL_WARNING, NULL, "host ntp on",
		      "the time service %s is off: nothing keeps the host's clock right, which machines take their time from",
		      name);
	else if (trouble == TIME_LATE)
		alert(a, LOG_LEVEL_WARNING, NULL, "see whether the servers that host ntp shows can be reached",
		      "the host's clock has not been synchronised for over an hour, though %s runs", name);
}

static void look_at_network(struct alerts *a)
{
	unsigned seconds;
	const char *interface = hostnet_on_trial(&seconds);
	if (interface)
		alert(a, LOG_LEVEL_WARNING, NULL, "host network keep keeps it, host network undo undoes it now",
		      "the network of %s is on trial: it is undone in %u s", interface, seconds);
}

json_t *alerts_find(const struct caller *c)
{
	struct alerts a = {.c = c, .errors = json_array(), .warnings = json_array()};
	look_at_machines(&a);
	look_at_volumes(&a);
	look_at_memory(&a);
	look_at_consoles(&a);
	look_at_time(&a);
	look_at_network(&a);
	json_array_extend(a.errors, a.warnings);
	json_decref(a.warnings);
	return a.errors;
}
