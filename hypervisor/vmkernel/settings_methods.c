/* SPDX-License-Identifier: GPL-2.0-or-later */
/* settings_methods.c - handlers of host.date, host.keyboard and host.keyboards */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/keymap_names.h"
#include "lib/util.h"
#include "vmkernel/command.h"
#include "vmkernel/methods.h"
#include "vmkernel/settings.h"
#include "vmkernel/text.h"
#include "vmkernel/time_service.h"

#define SETTINGS_SECONDS 60
#define ETC "/etc"

/* What is to be changed; runs in a child. NULL: stays. */
struct setting {
	struct request *r;
	const char *date, *zone, *map; /* live in the request */
};

static int write_date(const struct setting *s, json_t *warnings, struct error *err)
{
	struct timespec now = {0};
	struct error why;
	int ret = s->date ? settings_parse_date_in(s->date, s->zone, time(NULL), &now.tv_sec, err) : 0;
	if (!ret && s->zone)
		ret = settings_write_timezone(ETC, s->zone, err);
	if (ret || !s->date)
		return ret;
	if (clock_settime(CLOCK_REALTIME, &now))
		return fail(err, -errno, "cannot set the clock: %m");
	/* So that it is right after the next start, too. */
	if (command_run((void *)"hwclock --systohc", -1, NULL, &why))
		json_array_append_new(warnings, json_sprintf("the computer's own clock is not set: %s", why.text));
	struct time_service_state service;
	time_service_look("", &service);
	if (service.on)
		json_array_append_new(warnings, json_sprintf("a time service, %s, sets the clock too, and may set it back (host ntp off)",
							     service.service->name));
	return 0;
}

static int setting_run(void *arg, int report, json_t **result, struct error *err)
{
	const struct setting *s = arg;
	struct error why;
	(void)report;
	json_t *warnings = json_array();
	int ret = s->map ? settings_write_keyboard(ETC, s->map, err) : write_date(s, warnings, err);
	if (!ret && s->map && *host.keyboard_command && command_run(host.keyboard_command, -1, NULL, &why))
		json_array_append_new(warnings, json_sprintf("it counts from the next start of the computer: %s", why.text));
	*result = json_pack("{s:o}", "warnings", warnings);
	return ret;
}

static json_t *date_result(void)
{
	char date[64], zone[128];
	settings_date(date, sizeof(date));
	settings_timezone(zone, sizeof(zone));
	return json_pack("{s:o, s:o}", "date", text_json(date), "timezone", text_json(zone));
}

static json_t *keyboard_result(void)
{
	char map[2 * KEYMAP_NAME_SIZE];
	settings_keyboard(map, sizeof(map));
	return json_pack("{s:o}", "keyboard", *map ? text_json(map) : json_null());
}

/* What was changed, for "... is set" and for the log. */
static const char *setting_name(const struct setting *s)
{
	if (s->map)
		return "the keyboard of the console";
	return !s->date ? "the time zone" : s->zone ? "the clock and its time zone" : "the clock";
}

static void on_set(void *arg, int ret, json_t *done, const struct error *err)
{
	struct setting *s = arg;
	json_t *result = NULL;
	if (!ret && s->zone)
		settings_zone_changed(s->zone);
	if (!ret) {
		result = s->map ? keyboard_result() : date_result();
		event_acting(s->r);
		event_host(LOG_LEVEL_INFO, EVENT_ADMIN, "%s is changed", setting_name(s));
		event_acting(NULL);
		json_object_set_new(result, "message", json_sprintf("%s is set", setting_name(s)));
		if (json_array_size(json_object_get(done, "warnings")))
			json_object_set(result, "warnings", json_object_get(done, "warnings"));
	}
	request_finish(s->r, ret, result, err);
	free(s);
}

static int setting_start(const struct setting *what, struct error *err)
{
	struct setting *s = xcalloc(1, sizeof(*s));
	*s = *what;
	struct job_spec spec = {.seconds = SETTINGS_SECONDS, .run = setting_run, .done = on_set, .arg = s, .done_arg = s,
				.group = true, .late = "it has not ended in time, and was killed"};
	identity_of_user(geteuid(), &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	if (!ret)
		return PENDING;
	free(s);
	return ret;
}

int handle_host_date(struct request *r, json_t **result, struct error *err)
{
	const char *date = param_string(r, "set"), *zone = param_string(r, "timezone");
	struct setting s = {.r = r, .date = date, .zone = zone};
	if (!date && !zone) {
		*result = date_result();
		return 0;
	}
	time_t parsed;
	int ret = date ? settings_parse_date(date, time(NULL), &parsed, err) : 0;
	if (!ret && zone)
		ret = settings_check_timezone(zone, err);
	if (!ret)
		ret = settings_need_installed("the clock", err);
	return ret || r->dry_run ? ret : setting_start(&s, err);
}

int handle_host_keyboard(struct request *r, json_t **result, struct error *err)
{
	char what[480];
	struct setting s = {.r = r, .map = param_string(r, "map")};
	if (!s.map) {
		*result = keyboard_result();
		return 0;
	}
	if (!keymap_name_allowed(s.map, what, sizeof(what)))
		return fail(err, -EINVAL, "keyboard %.40s: %.400s", s.map, what);
	int ret = settings_need_installed("the keyboard", err);
	return ret || r->dry_run ? ret : setting_start(&s, err);
}

static void add_map(void *arg, const char *name)
{
	json_t *row = json_pack("{s:s}", "name", name);
	if (row)
		json_array_append_new(arg, row);
}

int handle_host_keyboards(struct request *r, json_t **result, struct error *err)
{
	(void)r, (void)err;
	*result = json_array();
	keymap_names_each(add_map, *result);
	return 0;
}
