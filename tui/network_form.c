// SPDX-License-Identifier: GPL-2.0-or-later
/* network_form.c - see form.h: how one of the computer's own network interfaces is set up. Whether it would do is the host's to say. */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

struct edited {
	char interface[64];
	bool was_static; /* in a file */
};

static const char *value_of(const struct form *f, const char *name)
{
	return form_find(f, name)->value;
}

static const char *or_none(const char *value)
{
	return *value ? value : "none";
}

/*
 * What was left as it is stays; a gateway goes with its address. Name servers that a DHCP server has told, or that are only in force, are in
 * no file: an address that is set from now on needs them there.
 */
static json_t *params_of(const struct form *f, const struct edited *e)
{
	static const char *const lists[] = {"dns", "search"};
	const char *ipv4 = value_of(f, "ipv4");
	bool fixed = strchr(ipv4, '.');
	json_t *params = json_pack("{s:s, s:s}", "interface", e->interface, "ipv4", ipv4);
	if (fixed || (form_field_changed(form_find(f, "gateway")) && *value_of(f, "gateway")))
		json_object_set_new(params, "gateway", json_string(or_none(value_of(f, "gateway"))));
	for (unsigned k = 0; k < ARRAY_SIZE(lists); k++)
		if (form_field_changed(form_find(f, lists[k])) || (fixed && !e->was_static && *value_of(f, lists[k])))
			json_object_set_new(params, lists[k], json_string(or_none(value_of(f, lists[k]))));
	return params;
}

static void check(const struct form *f, struct form_field *field, void *arg)
{
	(void)f, (void)arg;
	if (!strcmp(field->name, "ipv4") && !field->value[0])
		str_copy(field->why, sizeof(field->why), "dhcp, none, or an address like 192.0.2.7/24");
}

static bool ask(const struct form *f, const struct form_field *field, char *request, size_t size, void *arg)
{
	(void)field;
	return *value_of(f, "ipv4") && form_request("host.network_set", params_of(f, arg), request, size);
}

static bool accept(struct ui *ui, struct form *f, void *arg)
{
	const struct edited *e = arg;
	char what[100];
	snprintf(what, sizeof(what), "changing the network of %.40s", e->interface);
	return !act_call_wait(ui, "host.network_set", params_of(f, e), what, NULL);
}

/* What the file says, or what was set by hand. */
static void address_now(json_t *row, char *text, size_t size)
{
	char method[64];
	row_text(row, "set_address", text, size);
	if (*text)
		return;
	row_text(row, "method", method, sizeof(method));
	if (str_starts(method, "by hand"))
		row_text(row, "addresses", text, size);
	else
		row_text(row, "set_method", text, size);
	text[strcspn(text, ",")] = 0;
}

void network_edit(struct ui *ui, json_t *row)
{
	struct edited e;
	char title[100], text[512], note[400];
	const char *interface = e.interface;
	struct form f = {.title = title, .accept_label = "Change", .check = check, .ask = ask, .accept = accept, .arg = &e};
	row_text(row, "name", e.interface, sizeof(e.interface));
	e.was_static = strcmp(row_text(row, "method", text, sizeof(text)), "static") == 0;
	if (!json_is_integer(json_object_get(row, "trial_s")) && *row_text(row, "note", note, sizeof(note))) {
		ui_message(ui, true, "%.40s cannot be changed here: %s", interface, note);
		return;
	}
	if (!act_rights(ui))
		return;
	snprintf(title, sizeof(title), "Network of %.40s", interface);
	form_add(&f, FORM_HEADING, "", title, "");
	address_now(row, text, sizeof(text));
	form_add(&f, FORM_TEXT, "ipv4", "IPv4", text)->help = "dhcp, none, or an address and the length of its network's prefix, as 192.0.2.7/24";
	row_text(row, *row_text(row, "set_gateway", text, sizeof(text)) ? "set_gateway" : "gateway", text, sizeof(text));
	form_add(&f, FORM_TEXT, "gateway", "Gateway", text)->help = "Of an address that is set here: the router in its network; empty: none";
	form_add(&f, FORM_TEXT, "dns", "Name servers", row_text(row, "dns", text, sizeof(text)))->help = "Up to three addresses; empty: none of its own";
	form_add(&f, FORM_TEXT, "search", "Search", row_text(row, "search", text, sizeof(text)))->help = "Domains in which names without a dot are looked for";
	str_copy(f.note, sizeof(f.note), "It is changed at once, and on trial: unless it is kept in time (k), it is undone.");
	form_run(ui, &f);
	form_free(&f);
}
