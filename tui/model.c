// SPDX-License-Identifier: GPL-2.0-or-later
/* model.c - see model.h */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "tui/model.h"

static void text_take(char *to, size_t size, json_t *o, const char *field)
{
	json_t *value = json_object_get(o, field);
	if (json_is_string(value))
		str_copy(to, size, json_string_value(value));
	else if (json_is_integer(value))
		snprintf(to, size, "%lld", (long long)json_integer_value(value));
	else
		to[0] = 0;
}

static double number_take(json_t *o, const char *field, double missing)
{
	json_t *value = json_object_get(o, field);
	return json_is_number(value) ? json_number_value(value) : missing;
}

static void host_take(struct model *m, json_t *o)
{
	text_take(m->host, sizeof(m->host), o, "name");
	text_take(m->version, sizeof(m->version), o, "version");
	text_take(m->engine, sizeof(m->engine), o, "engine");
	text_take(m->uptime, sizeof(m->uptime), o, "uptime");
	text_take(m->root, sizeof(m->root), o, "root");
	text_take(m->cpu, sizeof(m->cpu), o, "cpu");
	text_take(m->memory, sizeof(m->memory), o, "memory");
	text_take(m->certificate, sizeof(m->certificate), o, "certificate");
	m->cpus = (int)number_take(o, "cpus", 0);
	m->cpu_percent = number_take(o, "cpu_percent", 0);
	double total = number_take(o, "memory_total_mb", 0), used = number_take(o, "memory_used_mb", 0);
	m->memory_percent = total > 0 ? used * 100 / total : 0;
	m->machines_on = (int)number_take(o, "machines_on", 0);
	m->machines_total = (int)number_take(o, "machines_total", 0);
}

static void machines_take(struct model *m, json_t *list)
{
	size_t k;
	json_t *o;
	m->n_machines = 0;
	m->machines = xrealloc(m->machines, json_array_size(list) * sizeof(*m->machines));
	json_array_foreach(list, k, o) {
		struct machine *vm = &m->machines[m->n_machines++];
		memset(vm, 0, sizeof(*vm));
		vm->world = (int)number_take(o, "world", -1);
		vm->cpu = number_take(o, "cpu", -1);
		vm->memory_mb = (u64)number_take(o, "memory_mb", 0);
		vm->uptime = (u64)number_take(o, "uptime", 0);
		text_take(vm->name, sizeof(vm->name), o, "name");
		text_take(vm->owner, sizeof(vm->owner), o, "owner");
		text_take(vm->state, sizeof(vm->state), o, "state");
		text_take(vm->memory, sizeof(vm->memory), o, "memory");
		text_take(vm->console, sizeof(vm->console), o, "console");
		text_take(vm->rights, sizeof(vm->rights), o, "rights");
		text_take(vm->engine, sizeof(vm->engine), o, "engine");
		text_take(vm->up, sizeof(vm->up), o, "up");
		text_take(vm->keymap, sizeof(vm->keymap), o, "keymap");
		vm->viewers = (unsigned)number_take(o, "viewers", 0);
	}
}

static void viewers_take(struct model *m, json_t *list)
{
	size_t k;
	json_t *o;
	m->n_viewers = 0;
	json_array_foreach(list, k, o) {
		if (m->n_viewers == MODEL_VIEWERS)
			return;
		struct model_viewer *v = &m->viewers[m->n_viewers++];
		text_take(v->vm, sizeof(v->vm), o, "vm");
		text_take(v->user, sizeof(v->user), o, "user");
		text_take(v->address, sizeof(v->address), o, "address");
		text_take(v->since, sizeof(v->since), o, "since");
		v->view_only = json_is_true(json_object_get(o, "view_only"));
		v->waits = json_is_true(json_object_get(o, "waits"));
	}
}

/* Each machine has to be asked for its viewers: only where there are any. One that does not answer has none that are known. */
static void viewers_poll(struct model *m, struct vmk_client *client)
{
	unsigned viewers = 0;
	json_t *list = NULL;
	for (unsigned k = 0; k < m->n_machines; k++)
		viewers += m->machines[k].viewers;
	if (viewers && vmk_call(client, "console.list", NULL, &list, NULL, NULL))
		list = NULL;
	viewers_take(m, list);
	json_decref(list);
}

static void log_take(struct model *m, json_t *list)
{
	size_t k;
	json_t *o;
	json_array_foreach(list, k, o) {
		u64 seq = (u64)number_take(o, "seq", 0);
		if (seq && seq <= m->last_seq)
			continue;
		if (m->n_log == MODEL_LOG_LINES) {
			m->n_log--;
			memmove(m->log, m->log + 1, m->n_log * sizeof(m->log[0]));
		}
		struct log_entry *e = &m->log[m->n_log++];
		e->seq = seq;
		text_take(e->time, sizeof(e->time), o, "time");
		text_take(e->level, sizeof(e->level), o, "level");
		text_take(e->text, sizeof(e->text), o, "text");
		m->last_seq = MAX(m->last_seq, seq);
	}
}

static int log_poll(struct model *m, struct vmk_client *client, struct error *err)
{
	json_t *result, *params = json_pack("{s:i}", "lines", m->n_log ? 100 : MODEL_LOG_LINES);
	if (m->last_seq)
		json_object_set_new(params, "since", json_integer((json_int_t)m->last_seq));
	int ret = vmk_call(client, "log.show", params, &result, NULL, err);
	if (ret)
		return ret;
	log_take(m, result);
	json_decref(result);
	return 0;
}

int model_poll(struct model *m, struct vmk_client *client, const struct model_wish *wish)
{
	struct error err;
	json_t *host = NULL, *machines = NULL;
	bool before = m->connected;
	int ret = vmk_call(client, "host.show", NULL, &host, NULL, &err);
	if (!ret)
		ret = vmk_call(client, "vm.list", NULL, &machines, NULL, &err);
	/* A new daemon counts its log from the beginning. */
	if (!ret && !before)
		m->last_seq = 0, m->n_log = 0;
	if (!ret)
		ret = log_poll(m, client, &err);
	if (!ret) {
		host_take(m, host);
		machines_take(m, machines);
		if (wish->parts & MODEL_PART_VIEWERS)
			viewers_poll(m, client);
	}
	m->connected = !ret;
	if (ret) {
		m->n_machines = 0;
		str_copy(m->trouble, sizeof(m->trouble), err.text);
	}
	json_decref(host);
	json_decref(machines);
	return ret;
}

void model_free(struct model *m)
{
	free(m->machines);
	m->machines = NULL;
	m->n_machines = 0;
}

void model_copy(struct model *to, const struct model *from)
{
	struct machine *machines = xrealloc(to->machines, from->n_machines * sizeof(*machines));
	*to = *from;
	if (from->n_machines)
		memcpy(machines, from->machines, from->n_machines * sizeof(*machines));
	to->machines = machines;
}
