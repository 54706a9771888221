/* SPDX-License-Identifier: GPL-2.0-or-later */
/* time_methods.c - handler of host.ntp */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "computer/settings.h"
#include "computer/time_servers.h"
#include "lib/util.h"
#include "vmkernel/job.h"
#include "vmkernel/methods.h"
#include "vmkernel/text.h"

#define TIME_SECONDS 220 /* as long as time_service.c gives what it starts (100 s without systemd), and again where all is put back */
#define COMPUTER "" /* the root of its files */

struct time_change {
	struct request *r;
	bool dry_run, set_servers, set_on, on;
	struct time_servers servers;
};

static bool changes_something(const struct time_change *c)
{
	return c->set_servers || c->set_on;
}

/* ---- in the child ---- */

static json_t *servers_json(const struct time_servers *s)
{
	json_t *list = json_array();
	for (unsigned k = 0; k < s->n; k++)
		json_array_append_new(list, text_json(s->names[k]));
	return list;
}

static const char *state_text(const struct time_service_state *s)
{
	if (s->unknown)
		return "not known: what tells it may not be read";
	if (s->on)
		return s->enabled ? "on" : "on, but not from the next start of the computer on";
	return s->enabled ? "off, and on from the next start of the computer on" : "off";
}

/* What there is now. A file that cannot be read is a warning: the rest is told. */
static json_t *describe(json_t *warnings)
{
	struct time_service_state s;
	struct clock_state clock;
	struct time_servers servers = {0}, own = {0};
	struct error err;
	char text[80];
	time_service_look(COMPUTER, &s);
	clock_look(&clock);
	clock_of_service(&s, &clock);
	clock_text(&clock, text, sizeof(text));
	if (s.service && time_servers_read(COMPUTER, s.service, &servers, &err))
		json_array_append_new(warnings, text_json(err.text));
	if (s.service && time_servers_read_own(COMPUTER, s.service, &own, &err))
		own = servers;
	json_t *o = json_pack("{s:o, s:s, s:o, s:o, s:b, s:b}", "service", s.service ? json_string(s.service->name) : json_null(), "state",
			      s.service ? state_text(&s) : "none is installed", "servers", servers_json(&servers), "clock", text_json(text), "on",
			      s.on, "enabled", s.enabled);
	json_object_set_new(o, "own_servers", servers_json(&own)); /* those that setting others replaces */
	json_object_set_new(o, "synchronised", clock.known ? json_boolean(clock.synchronised) : json_null());
	json_object_set_new(o, "error_us", clock.synchronised ? json_integer((json_int_t)clock.error_us) : json_null());
	return o;
}

static void warn_of_few(const struct time_change *c, const struct time_service_state *was, const struct augeas_file *file, json_t *warnings)
{
	unsigned needed = time_servers_needed(was->service, file);
	for (unsigned k = 0; k < c->servers.n; k++)
		if (time_server_is_pool(c->servers.names[k]))
			return;
	if (c->servers.n < needed)
		json_array_append_new(warnings, json_sprintf("%s sets the clock only where %u servers agree: see %s", was->service->name, needed,
							     augeas_file_path(file)));
}

/* What counts besides what was written. */
static void warn_of_others(const struct time_change *c, const struct time_service_state *was, json_t *warnings)
{
	struct time_servers now;
	if (!was->on && !(c->set_on && c->on))
		json_array_append_new(warnings, json_sprintf("%s is off: they count once it is on (host ntp on)", was->service->name));
	if (time_servers_read(COMPUTER, was->service, &now, NULL) == 0 && !time_servers_equal(&now, &c->servers))
		json_array_append_new(warnings, json_sprintf("other files of %s name servers too: all that count are shown", was->service->name));
}

static int apply(const struct time_change *c, const struct time_service_state *was, struct error *err)
{
	if (c->set_on)
		return time_service_set(COMPUTER, was, c->on, c->on, err);
	return was->on ? time_service_restart(COMPUTER, was, err) : 0;
}

/* With its old files again. */
static int put_back(const struct time_change *c, const struct time_service_state *was, struct augeas_file *file, struct error *err)
{
	int ret = file ? augeas_file_restore(file, err) : 0;
	if (!ret && c->set_on)
		return time_service_set(COMPUTER, was, was->on, was->enabled, err);
	return ret || !was->on ? ret : time_service_restart(COMPUTER, was, err);
}

static int change(const struct time_change *c, json_t *warnings, struct error *err)
{
	struct time_service_state was;
	struct augeas_file *file = NULL;
	struct error first = {0}, second = {0};
	time_service_look(COMPUTER, &was);
	if (!was.service)
		return fail(err, -ENOENT, "no time service is installed: install chrony, or systemd-timesyncd");
	int ret = c->set_servers ? time_servers_change(COMPUTER, was.service, &c->servers, &file, err) : 0;
	if (!ret && !c->dry_run && file)
		ret = time_servers_save(file, err);
	if (ret || c->dry_run) {
		augeas_file_close(file);
		return ret;
	}
	ret = apply(c, &was, &first);
	if (ret && put_back(c, &was, file, &second)) {
		fail(err, ret, "%.220s; nor does it get back to how it was: %.200s", first.text, second.text);
	} else if (ret) {
		fail(err, ret, "all is as it was: %s", first.text);
	} else if (file) {
		warn_of_few(c, &was, file, warnings);
		warn_of_others(c, &was, warnings);
	}
	augeas_file_close(file);
	return ret;
}

static int time_run(void *arg, int report, json_t **result, struct error *err)
{
	const struct time_change *c = arg;
	json_t *warnings = json_array();
	(void)report;
	int ret = changes_something(c) ? change(c, warnings, err) : 0;
	if (ret || (c->dry_run && changes_something(c)))
		return ret;
	*result = describe(warnings);
	if (json_array_size(warnings))
		json_object_set(*result, "warnings", warnings);
	return 0;
}

/* ---- in the daemon ---- */

static void tell(const struct time_change *c, json_t *result)
{
	const char *service = json_string_value(json_object_get(result, "service"));
	char names[TIME_SERVERS_WRITE_MAX * TIME_SERVER_SIZE] = "";
	for (unsigned k = 0; k < c->servers.n; k++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", k ? " " : "", c->servers.names[k]);
	event_acting(c->r);
	if (c->set_servers)
		event_host(LOG_LEVEL_INFO, EVENT_ADMIN, "the time servers are now %s", names);
	if (c->set_on)
		event_host(LOG_LEVEL_INFO, EVENT_ADMIN, "the time service %s is %s", service, c->on ? "on" : "off");
	event_acting(NULL);
	if (c->set_on)
		json_object_set_new(result, "message", json_sprintf("%s is %s", service, c->on ? "on" : "off"));
	else if (c->set_servers)
		json_object_set_new(result, "message", json_string("the time servers are set"));
}

static void on_done(void *arg, int ret, json_t *done, const struct error *err)
{
	struct time_change *c = arg;
	json_t *result = NULL;
	if (!ret && c->dry_run && changes_something(c)) {
		result = message_result("would %s%s%s", c->set_servers ? "set the time servers" : "", c->set_servers && c->set_on ? " and " : "",
					!c->set_on ? "" : c->on ? "switch the time service on" : "switch the time service off");
		json_object_set_new(result, "dry_run", json_true());
	} else if (!ret && done) {
		result = json_copy(done);
		tell(c, result);
	}
	time_service_changed();
	request_finish(c->r, ret, result, err);
	free(c);
}

int handle_host_ntp(struct request *r, json_t **result, struct error *err)
{
	const char *on = param_string(r, "switch"), *servers = param_string(r, "servers");
	struct time_change what = {.r = r, .dry_run = r->dry_run, .set_on = on, .on = on && strcmp(on, "on") == 0, .set_servers = servers};
	(void)result;
	int ret = servers ? time_servers_parse(servers, &what.servers, err) : 0;
	if (!ret && (on || servers))
		ret = settings_need_installed("the time service", err);
	if (ret)
		return ret;
	struct time_change *c = xcalloc(1, sizeof(*c));
	*c = what;
	struct job_spec spec = {.seconds = TIME_SECONDS, .run = time_run, .done = on_done, .arg = c, .done_arg = c, .asker = &r->caller, .group = true, .cleans_up = true,
				.late = "the time service has not ended or started in time"};
	identity_of_user(geteuid(), &spec.who);
	ret = job_start(&spec, NULL, NULL, err);
	if (!ret)
		return PENDING;
	free(c);
	return ret;
}
