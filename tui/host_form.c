// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * host_form.c - see form.h: the computer's name and its time service, by form. What may be set only the host knows, and is asked while it
 * is typed.
 */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

static void check_some(const struct form *f, struct form_field *field, void *arg)
{
	(void)f, (void)arg;
	if (!field->value[0] && field->was[0])
		str_copy(field->why, sizeof(field->why), "must not be empty");
}

/* ---- name ---- */

static json_t *name_params(const struct form *f)
{
	return json_pack("{s:s}", "name", form_find(f, "name")->value);
}

static bool ask_name(const struct form *f, const struct form_field *field, char *request, size_t size, void *arg)
{
	(void)field, (void)arg;
	return form_request("host.name", name_params(f), request, size);
}

static bool accept_name(struct ui *ui, struct form *f, void *arg)
{
	(void)arg;
	if (form_field_changed(form_find(f, "name")))
		act_call(ui, "host.name", name_params(f), "setting the host's name");
	else
		ui_message(ui, false, "Nothing is changed.");
	return true;
}

void host_name_form(struct ui *ui)
{
	struct form f = {.title = "Name of the host", .accept_label = "Set", .check = check_some, .ask = ask_name, .accept = accept_name};
	if (!act_rights(ui))
		return;
	form_add(&f, FORM_HEADING, "", "Name", "");
	form_add(&f, FORM_TEXT, "name", "Name", ui->model.host)->help =
		"Letters, digits and -, perhaps with dots between: vm1, vm1.example.org";
	form_run(ui, &f);
	form_free(&f);
}

/* ---- time service ---- */

#define AS_IT_IS "as it is" /* runs now and not from the next start on, or the other way round */

/* What has changed, as host.ntp is told it. */
static json_t *time_params(const struct form *f)
{
	const struct form_field *on = form_find(f, "switch"), *servers = form_find(f, "servers");
	json_t *params = json_object();
	if (form_field_changed(on))
		json_object_set_new(params, on->name, json_string(on->value));
	if (form_field_changed(servers))
		json_object_set_new(params, servers->name, json_string(servers->value));
	return params;
}

static bool ask_time(const struct form *f, const struct form_field *field, char *request, size_t size, void *arg)
{
	(void)f, (void)arg;
	if (strcmp(field->value, AS_IT_IS) == 0)
		return false;
	return form_request("host.ntp", json_pack("{s:s}", field->name, field->value), request, size);
}

static bool accept_time(struct ui *ui, struct form *f, void *arg)
{
	json_t *params = time_params(f);
	(void)arg;
	if (json_object_size(params)) {
		act_call(ui, "host.ntp", params, "setting the time service");
	} else {
		json_decref(params);
		ui_message(ui, false, "Nothing is changed.");
	}
	return true;
}

/* "a b c": those that are set here; other files of the service's keep theirs. */
static void servers_text(json_t *told, char *text, size_t size)
{
	json_t *servers = json_object_get(told, "own_servers"), *server;
	size_t k;
	text[0] = 0;
	json_array_foreach(servers, k, server)
		snprintf(text + strlen(text), size - strlen(text), "%s%s", k ? " " : "", json_string_value(server) ? json_string_value(server) : "");
}

void host_time_form(struct ui *ui)
{
	struct form f = {.title = "Time service", .accept_label = "Set", .check = check_some, .ask = ask_time, .accept = accept_time};
	char servers[sizeof(f.fields->value)], service[64], clock[80];
	json_t *told = NULL;
	if (!act_rights(ui) || act_call_wait(ui, "host.ntp", NULL, "reading the time servers", &told))
		return;
	servers_text(told, servers, sizeof(servers));
	row_text(told, "service", service, sizeof(service));
	row_text(told, "clock", clock, sizeof(clock));
	form_add(&f, FORM_HEADING, "", service[0] ? service : "Time service", "");
	bool runs = json_is_true(json_object_get(told, "on")), mixed = runs != json_is_true(json_object_get(told, "enabled"));
	struct form_field *on = form_add(&f, FORM_CHOICE, "switch", "Runs", mixed ? AS_IT_IS : runs ? "on" : "off");
	on->choices = mixed ? AS_IT_IS "|on|off" : "on|off";
	on->help = "Now, and from each start of the computer on";
	form_add(&f, FORM_TEXT, "servers", "Servers", servers)->help =
		"Up to 8 names or addresses, with blanks between: 0.debian.pool.ntp.org 192.0.2.1";
	bool others = json_array_size(json_object_get(told, "servers")) > json_array_size(json_object_get(told, "own_servers"));
	snprintf(f.note, sizeof(f.note), "The clock is %.60s.%s%s", clock, service[0] ? "" : " No time service is installed.",
		 others ? " Other files name more servers." : "");
	json_decref(told);
	form_run(ui, &f);
	form_free(&f);
}
