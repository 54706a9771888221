// SPDX-License-Identifier: GPL-2.0-or-later
/* model.c - see model.h */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/util.h"
#include "tui/model.h"

/* A little less than a second: asking is no clock. */
#define SAMPLE_NSEC (800 * 1000000ull)
#define CHECK_NSEC (2 * NSEC_PER_SEC)

/* ---- history ---- */

void history_add(struct history *h, double value)
{
	h->sample[h->next] = (float)value;
	h->next = (h->next + 1) % HISTORY_SAMPLES;
	h->count = MIN(h->count + 1, (unsigned)HISTORY_SAMPLES);
}

double history_at(const struct history *h, unsigned back)
{
	return back < h->count ? (double)h->sample[(h->next + HISTORY_SAMPLES - 1 - back) % HISTORY_SAMPLES] : -1;
}

/* ---- what the host tells ---- */

static void keep_told(json_t **slot, json_t *told)
{
	json_decref(*slot);
	*slot = json_incref(told);
}

/* A whole number within [low, high], or `missing`. */
static int whole(json_t *row, const char *field, int low, int high, int missing)
{
	double value = row_number(row, field, missing);
	return value >= low && value <= high ? (int)value : missing;
}

void model_take_host(struct model *m, json_t *told)
{
	json_t *o = rows_at(told, 0);
	keep_told(&m->host_told, o);
	row_text(o, "name", m->host, sizeof(m->host));
	row_text(o, "version", m->version, sizeof(m->version));
	row_text(o, "engine", m->engine, sizeof(m->engine));
	row_text(o, "uptime", m->uptime, sizeof(m->uptime));
	row_text(o, "root", m->root, sizeof(m->root));
	row_text(o, "cpu", m->cpu, sizeof(m->cpu));
	row_text(o, "memory", m->memory, sizeof(m->memory));
	row_text(o, "certificate", m->certificate, sizeof(m->certificate));
	m->cpus = whole(o, "cpus", 0, 1 << 20, 0);
	m->cpu_percent = row_number(o, "cpu_percent", 0);
	m->memory_total_mb = row_count(o, "memory_total_mb", 0);
	m->memory_used_mb = row_count(o, "memory_used_mb", 0);
	m->memory_percent = m->memory_total_mb ? (double)m->memory_used_mb * 100 / (double)m->memory_total_mb : 0;
	m->machines_on = whole(o, "machines_on", 0, 1 << 30, 0);
	m->machines_total = whole(o, "machines_total", 0, 1 << 30, 0);
}

static void machine_take(struct machine *vm, json_t *o)
{
	vm->row = o;
	vm->world = whole(o, "world", 0, 0x7fffffff, -1);
	vm->cpu = row_number(o, "cpu", -1);
	vm->memory_mb = row_count(o, "memory_mb", 0);
	vm->used_mb = row_count(o, "used_mb", 0);
	vm->uptime = row_count(o, "uptime", 0);
	vm->viewers = (unsigned)whole(o, "viewers", 0, 1 << 20, 0);
	vm->asks = json_is_object(json_object_get(o, "question"));
	row_text(o, "name", vm->name, sizeof(vm->name));
	row_text(o, "owner", vm->owner, sizeof(vm->owner));
	row_text(o, "state", vm->state, sizeof(vm->state));
	row_text(o, "memory", vm->memory, sizeof(vm->memory));
	row_text(o, "console", vm->console, sizeof(vm->console));
	row_text(o, "rights", vm->rights, sizeof(vm->rights));
	row_text(o, "engine", vm->engine, sizeof(vm->engine));
	row_text(o, "up", vm->up, sizeof(vm->up));
	row_text(o, "keymap", vm->keymap, sizeof(vm->keymap));
}

/*
 * A machine of before, by its name. The host lists them in the same order each time, so that looking on from the last
 * one found finds the next at once.
 */
static const struct machine *machine_before(const struct model *m, const char *name, unsigned *from)
{
	for (unsigned k = 0; k < m->n_machines; k++) {
		unsigned index = (*from + k) % m->n_machines;
		if (!strcmp(m->machines[index].name, name)) {
			*from = index + 1;
			return &m->machines[index];
		}
	}
	return NULL;
}

void model_take_machines(struct model *m, json_t *told)
{
	unsigned rows = rows_count(told), from = 0, n = 0;
	struct machine *machines = xcalloc(rows + 1, sizeof(*machines));
	for (unsigned k = 0; k < rows; k++) {
		json_t *o = rows_at(told, k);
		struct machine *vm = &machines[n];
		if (!o)
			continue;
		machine_take(vm, o);
		const struct machine *before = machine_before(m, vm->name, &from);
		if (before)
			vm->cpu_history = before->cpu_history;
		n++;
	}
	free(m->machines);
	m->machines = machines;
	m->n_machines = n;
	keep_told(&m->machines_told, told);
}

void model_take_log(struct model *m, json_t *told)
{
	unsigned rows = rows_count(told), fresh = 0;
	if (!m->log)
		m->log = xcalloc(MODEL_LOG_LINES, sizeof(*m->log));
	for (unsigned k = 0; k < rows; k++)
		fresh += row_count(rows_at(told, k), "seq", 0) > m->last_seq;
	fresh = MIN(fresh, (unsigned)MODEL_LOG_LINES);
	if (m->n_log + fresh > MODEL_LOG_LINES) {
		unsigned gone = m->n_log + fresh - MODEL_LOG_LINES;
		m->n_log -= gone;
		memmove(m->log, m->log + gone, m->n_log * sizeof(*m->log));
	}
	for (unsigned k = 0; k < rows && m->n_log < MODEL_LOG_LINES; k++) {
		json_t *o = rows_at(told, k);
		u64 seq = row_count(o, "seq", 0);
		if (seq <= m->last_seq)
			continue;
		struct log_entry *e = &m->log[m->n_log++];
		e->seq = m->last_seq = seq;
		row_text(o, "time", e->time, sizeof(e->time));
		row_text(o, "level", e->level, sizeof(e->level));
		row_text(o, "text", e->text, sizeof(e->text));
	}
}

static void history_take(struct model *m)
{
	u64 now = now_monotonic();
	if (m->history_at && now - m->history_at < SAMPLE_NSEC)
		return;
	m->history_at = now;
	history_add(&m->cpu_history, m->cpu_percent);
	history_add(&m->memory_history, m->memory_percent);
	for (unsigned k = 0; k < m->n_machines; k++)
		history_add(&m->machines[k].cpu_history, MAX(m->machines[k].cpu, 0.0));
}

/* ---- what a view wants beside ---- */

enum about { NONE, VM, VOLUME, USER };
enum whose { SHARED, OWN };
static const struct {
	const char *method;
	enum about about;
	unsigned seconds;
	enum whose whose;
} asks[ASK_COUNT] = {
#define ASK(name, method_, about_, seconds_, whose_) [ASK_##name] = {method_, about_, seconds_, whose_},
#include "tui/asks.def"
#undef ASK
};

static const char *ask_about(enum ask ask, const struct model_wish *wish)
{
	return asks[ask].about == VM ? wish->vm : asks[ask].about == VOLUME ? wish->volume : asks[ask].about == USER ? wish->user : "";
}

static json_t *ask_params(enum ask ask, const char *about)
{
	static const char *const names[] = {"", "vm", "volume", "user"};
	json_t *params = json_object();
	if (*about)
		json_object_set_new(params, names[asks[ask].about], json_string(about));
	if (ask == ASK_events)
		json_object_set_new(params, "lines", json_integer(100));
	return params;
}

static struct vmk_client *ask_client(const struct model_asker *as, enum ask ask)
{
	return as->user && asks[ask].whose == OWN ? as->user : as->look;
}

static void ask_poll(struct model *m, const struct model_asker *as, enum ask ask, const struct model_wish *wish)
{
	struct model_answer *a = &m->answers[ask];
	struct vmk_client *client = ask_client(as, ask);
	const char *about = ask_about(ask, wish);
	u64 now = now_monotonic(), seconds = asks[ask].seconds;
	bool same = a->at && !strcmp(a->about, about), panel = ask >= ASK_perf_cpu && ask <= ASK_perf_network;
	if (panel && wish->seconds)
		seconds = wish->seconds;
	if (same && now - a->at < seconds * NSEC_PER_SEC - (NSEC_PER_SEC - SAMPLE_NSEC))
		return;
	json_t *result = NULL;
	struct error err;
	int ret = vmk_call(client, asks[ask].method, ask_params(ask, about), &result, NULL, &err);
	json_decref(a->result);
	a->result = ret ? NULL : result;
	a->at = now;
	str_copy(a->about, sizeof(a->about), about);
	bool shut_out = ret == -EPERM && as->restricted && client == as->look;
	str_copy(a->trouble, sizeof(a->trouble), shut_out ? "Only who has logged in may see this: l logs in." : ret ? err.text : "");
}

static void screen_poll(struct model *m, const struct model_asker *as, const struct machine *vm)
{
	struct vmk_client *client = as->user ? as->user : as->look;
	const char *name = vm->world >= 0 ? vm->name : "";
	if (as->restricted && !as->user)
		thumbnail_refuse(&m->thumbnail, name, "To see it, log in: l");
	else if (as->user && !strcmp(vm->rights, "---"))
		thumbnail_refuse(&m->thumbnail, name, "You may not see its screen.");
	else if (vmk_client_fd(client) >= 0)
		thumbnail_poll(&m->thumbnail, client, name);
}

/* Asked again now and then: a file that is missing may come. */
static void check_poll(struct model_check *check, const struct model_asker *as, const char *request)
{
	struct vmk_client *client = as->user ? as->user : as->look;
	bool same = !strcmp(check->request, request);
	u64 now = now_monotonic();
	/* Who may only look is told nothing about files. */
	if (!*request || (as->restricted && !as->user) || (same && now - check->at < CHECK_NSEC) || vmk_client_fd(client) < 0)
		return;
	json_t *call = json_loads(request, 0, NULL), *result = NULL;
	const char *method = json_string_value(json_object_get(call, "method"));
	struct error err;
	vmk_set_dry_run(client, true);
	int ret = vmk_call(client, method ? method : "", json_incref(json_object_get(call, "params")), &result, NULL, &err);
	vmk_set_dry_run(client, false);
	const char *warning = json_string_value(json_array_get(json_object_get(result, "warnings"), 0));
	str_copy(check->request, sizeof(check->request), request);
	str_copy(check->trouble, sizeof(check->trouble), ret ? err.text : warning ? warning : "");
	check->at = now;
	json_decref(result);
	json_decref(call);
}

static void wants_poll(struct model *m, const struct model_asker *as, const struct model_wish *wish)
{
	for (unsigned k = 0; k < ASK_COUNT; k++) {
		bool about_one = asks[k].about == VM || asks[k].about == USER;
		if ((wish->parts & 1ull << k) && !(about_one && !*ask_about(k, wish)) && vmk_client_fd(ask_client(as, k)) >= 0)
			ask_poll(m, as, k, wish);
	}
	const struct machine *vm = wish->screen ? model_machine(m, wish->vm) : NULL;
	if (vm)
		screen_poll(m, as, vm);
	check_poll(&m->check, as, wish->check);
}

/* The row of user.rights about vm. They are in the order of the machines: looking on from the last one found finds the next at once. */
static json_t *rights_row(json_t *told, const struct machine *vm, unsigned *from)
{
	unsigned rows = rows_count(told);
	char name[sizeof(vm->name)];
	for (unsigned k = 0; k < rows; k++) {
		json_t *row = rows_at(told, (*from + k) % rows);
		if (strcmp(row_text(row, "vm", name, sizeof(name)), vm->name))
			continue;
		*from += k + 1;
		return row;
	}
	return NULL;
}

/* Look's rights to machines are not those of who has logged in. */
static void rights_poll(struct model *m, const struct model_asker *as)
{
	static const struct model_wish nothing;
	unsigned from = 0;
	if (vmk_client_fd(as->user) >= 0)
		ask_poll(m, as, ASK_own_rights, &nothing);
	json_t *told = model_answer(m, ASK_own_rights, NULL);
	for (unsigned k = 0; k < m->n_machines; k++) {
		struct machine *vm = &m->machines[k];
		json_t *row = rights_row(told, vm, &from);
		str_copy(vm->rights, sizeof(vm->rights), told ? "---" : "");
		if (row)
			row_text(row, "rights", vm->rights, sizeof(vm->rights));
	}
}

json_t *model_answer(const struct model *m, enum ask ask, const char *about)
{
	const struct model_answer *a = &m->answers[ask];
	return about && strcmp(a->about, about) ? NULL : a->result;
}

/* ---- all of it ---- */

static int log_poll(struct model *m, struct vmk_client *client, struct error *err)
{
	json_t *result, *params = json_pack("{s:i}", "lines", m->n_log ? 100 : MODEL_LOG_LINES);
	if (m->last_seq)
		json_object_set_new(params, "since", json_integer((json_int_t)m->last_seq));
	int ret = vmk_call(client, "log.show", params, &result, NULL, err);
	if (ret)
		return ret;
	model_take_log(m, result);
	json_decref(result);
	return 0;
}

static int basics_poll(struct model *m, struct vmk_client *client, struct error *err)
{
	json_t *host = NULL, *machines = NULL;
	int ret = vmk_call(client, "host.show", NULL, &host, NULL, err);
	if (!ret)
		ret = vmk_call(client, "vm.list", NULL, &machines, NULL, err);
	/* A new daemon counts its log from the beginning. */
	if (!ret && !m->connected)
		m->last_seq = 0, m->n_log = 0;
	if (!ret)
		ret = log_poll(m, client, err);
	if (!ret) {
		model_take_host(m, host);
		model_take_machines(m, machines);
		history_take(m);
	}
	json_decref(host);
	json_decref(machines);
	return ret;
}

int model_poll(struct model *m, const struct model_asker *as, const struct model_wish *wish)
{
	struct error err;
	int ret = basics_poll(m, as->look, &err);
	if (ret) {
		model_lost(m, err.text);
		return ret;
	}
	m->connected = true;
	if (as->user)
		rights_poll(m, as);
	if (wish)
		wants_poll(m, as, wish);
	return 0;
}

static void answers_forget(struct model *m)
{
	for (unsigned k = 0; k < ASK_COUNT; k++) {
		json_decref(m->answers[k].result);
		m->answers[k] = (struct model_answer){0};
	}
	memset(&m->thumbnail, 0, sizeof(m->thumbnail));
	memset(&m->check, 0, sizeof(m->check));
}

void model_lost(struct model *m, const char *trouble)
{
	m->connected = false;
	m->n_machines = 0;
	str_copy(m->trouble, sizeof(m->trouble), trouble);
	answers_forget(m);
}

void model_forget(struct model *m, bool all)
{
	answers_forget(m);
	m->forgotten++;
	/* The administrator reads lines in it that others do not. */
	if (m->log)
		explicit_bzero(m->log, MODEL_LOG_LINES * sizeof(*m->log));
	m->n_log = 0;
	m->last_seq = 0;
	for (unsigned k = 0; k < m->n_machines; k++)
		m->machines[k].rights[0] = 0;
	if (!all)
		return;
	model_lost(m, "");
	/* With its alerts, which are about machines. */
	keep_told(&m->host_told, NULL);
}

void model_free(struct model *m)
{
	model_lost(m, "");
	json_decref(m->host_told);
	json_decref(m->machines_told);
	free(m->machines);
	free(m->log);
	m->host_told = m->machines_told = NULL;
	m->machines = NULL;
	m->log = NULL;
	m->n_log = 0;
}

/*
 * Two users may see as many lines, with the same first and last one, and others between them. Another daemon may have counted as far: what
 * its newest line says and when tells them apart.
 */
static bool logs_same(const struct model *a, const struct model *b)
{
	if (a->forgotten != b->forgotten || a->n_log != b->n_log || a->last_seq != b->last_seq || (a->n_log && a->log[0].seq != b->log[0].seq))
		return false;
	const struct log_entry *x = a->n_log ? &a->log[a->n_log - 1] : NULL, *y = b->n_log ? &b->log[b->n_log - 1] : NULL;
	return !x || (!strcmp(x->time, y->time) && !strcmp(x->text, y->text));
}

void model_copy(struct model *to, const struct model *from)
{
	struct machine *machines = xrealloc(to->machines, (from->n_machines + 1) * sizeof(*machines));
	struct log_entry *log = to->log;
	bool same_log = log && logs_same(to, from);
	unsigned stale = to->n_log > from->n_log ? to->n_log - from->n_log : 0;
	json_decref(to->host_told);
	json_decref(to->machines_told);
	for (unsigned k = 0; k < ASK_COUNT; k++)
		json_decref(to->answers[k].result);
	*to = *from;
	json_incref(to->host_told);
	json_incref(to->machines_told);
	for (unsigned k = 0; k < ASK_COUNT; k++)
		json_incref(to->answers[k].result);
	if (from->n_machines)
		memcpy(machines, from->machines, from->n_machines * sizeof(*machines));
	to->machines = machines;
	if (!log && from->log)
		log = xcalloc(MODEL_LOG_LINES, sizeof(*log));
	if (!same_log && from->n_log)
		memcpy(log, from->log, from->n_log * sizeof(*log));
	if (log && stale)
		explicit_bzero(log + from->n_log, stale * sizeof(*log));
	to->log = log;
}

const struct machine *model_machine(const struct model *m, const char *name)
{
	for (unsigned k = 0; k < m->n_machines; k++)
		if (!strcmp(m->machines[k].name, name))
			return &m->machines[k];
	return NULL;
}
