/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host_methods.c - handlers of host.*, log.*, session.*, api.* */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/alerts.h"
#include "vmkernel/consoles.h"
#include "vmkernel/host_name.h"
#include "vmkernel/methods.h"
#include "vmkernel/network.h"
#include "vmkernel/power.h"
#include "vmkernel/settings.h"
#include "vmkernel/text.h"
#include "vmkernel/time_service.h"

#define URLS_MAX 16

/* Where a browser finds the consoles of the machines the caller may see. */
static json_t *console_urls(const struct caller *c)
{
	json_t *urls = json_array();
	char address[320];
	for (struct vm *vm = host.vms; vm && json_array_size(urls) < URLS_MAX; vm = vm->next)
		if (vm_rights(c, vm) & RIGHT_R && consoles_address(vm, address, sizeof(address)))
			json_array_append_new(urls, json_sprintf("https://%s/", address));
	return urls;
}

/* The computer the host is: its clock, keyboard, addresses. */
static void show_computer(json_t *o)
{
	char text[128];
	double load[3] = {0};
	settings_date(text, sizeof(text));
	json_object_set_new(o, "date", text_json(text));
	settings_timezone(text, sizeof(text));
	json_object_set_new(o, "timezone", text_json(text));
	const struct time_watch *time = time_service_last();
	time_service_text(&time->service, &time->clock, text, sizeof(text));
	json_object_set_new(o, "time_service", text_json(text));
	settings_keyboard(text, sizeof(text));
	json_object_set_new(o, "keyboard", *text ? text_json(text) : json_null());
	json_object_set_new(o, "addresses", network_addresses());
	if (getloadavg(load, 3) != 3)
		load[0] = load[1] = load[2] = 0;
	json_object_set_new(o, "load", json_pack("[f, f, f]", load[0], load[1], load[2]));
}

int handle_host_show(struct request *r, json_t **result, struct error *err)
{
	char name[HOST_NAME_SIZE], text[64];
	unsigned on = 0, total = 0;
	(void)err;
	host_name_get(name);
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		if (!(vm_rights(&r->caller, vm) & RIGHT_R))
			continue;
		total++;
		on += vm_running(vm);
	}
	json_t *o = json_pack("{s:s, s:s, s:s, s:O, s:i, s:i, s:i, s:i}", "name", name, "version", VMK_VERSION, "root",
			      *get_root() ? get_root() : "/", "passed_over", host.passed_over, "pid", (int)getpid(), "clients",
			      (int)host.n_conns, "machines_on", (int)on, "machines_total", (int)total);
	*result = o ? o : json_object();
	const char *print = consoles_fingerprint();
	json_object_set_new(*result, "certificate", *print ? json_sprintf("SHA-256 %s", print) : json_null());
	json_object_set_new(*result, "engine", host.engine[0] ? json_string(host.engine) : json_null());
	char *passed = xstrdup("");
	size_t k;
	json_t *sentence;
	json_array_foreach(host.passed_over, k, sentence) {
		char *longer = xasprintf("%s%s%s", passed, k ? "; " : "", json_string_value(sentence));
		free(passed);
		passed = longer;
	}
	json_object_set_new(*result, "passed", *passed ? json_string(passed) : json_null());
	free(passed);
	snprintf(text, sizeof(text), "%u on, %u in all", on, total);
	json_object_set_new(*result, "machines", json_string(text));
	stats_host(*result);
	show_computer(*result);
	json_object_set_new(*result, "urls", console_urls(&r->caller));
	json_object_set_new(*result, "alerts", alerts_find(&r->caller));
	return 0;
}

int handle_host_alerts(struct request *r, json_t **result, struct error *err)
{
	(void)err;
	*result = alerts_find(&r->caller);
	return 0;
}

/* ---- log, session, api ---- */

int handle_log_show(struct request *r, json_t **result, struct error *err)
{
	json_int_t lines = json_integer_value(json_object_get(r->rpc.params, "lines"));
	json_int_t since = json_integer_value(json_object_get(r->rpc.params, "since"));
	(void)err;
	*result = events_show(&r->caller, (u64)lines, (u64)since);
	return 0;
}

int handle_session_whoami(struct request *r, json_t **result, struct error *err)
{
	char name[USER_NAME_SIZE];
	(void)err;
	users_name_of(r->caller.uid, name);
	*result = json_pack("{s:s, s:I, s:b, s:b}", "user", name, "uid", (json_int_t)r->caller.uid, "admin",
			    caller_is_admin(&r->caller), "restricted", r->caller.restricted);
	return 0;
}

int handle_session_restrict(struct request *r, json_t **result, struct error *err)
{
	(void)err;
	r->caller.restricted = true; /* copied to the connection with the answer */
	*result = message_result("this connection may only look from now on");
	return 0;
}

int handle_api_describe(struct request *r, json_t **result, struct error *err)
{
	static const char *const roles[] = {"anyone", "view", "operate", "configure", "register", "admin"};
	(void)r, (void)err;
	*result = json_array();
	for (unsigned k = 0; k < api_method_count; k++) {
		const struct api_method *m = &api_methods[k];
		json_array_append_new(*result, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", m->name, "words", m->words,
							 "role", roles[m->role], "args", m->args, "columns", m->columns, "help",
							 m->help));
	}
	return 0;
}
