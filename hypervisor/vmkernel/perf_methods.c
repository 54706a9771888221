/* SPDX-License-Identifier: GPL-2.0-or-later */
/* perf_methods.c - handlers of perf.*: one row for the host, for each helper where it makes sense, for each machine that is on. */
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/methods.h"

/* Percent, or anything else that is shown with one digit behind the point. What machines tell of themselves may be any number. */
static json_t *rounded(double value)
{
	const double most = 1e17;
	value = value > most ? most : value > -most ? value : 0;
	return json_real((double)(s64)(value * 10 + 0.5) / 10);
}

static json_t *percent_of(const struct perf *p, enum perf_counter k)
{
	return rounded(p->rate[k] * 100 / NSEC_PER_SEC);
}

static json_t *row_new(json_t *rows, unsigned world, const char *name, const char *owner, const char *kind)
{
	json_t *o = json_object(), *text = json_string(name);
	json_object_set_new(o, "world", json_integer(world));
	json_object_set_new(o, "name", text ? text : json_string("?"));
	json_object_set_new(o, "owner", owner ? json_string(owner) : json_null());
	json_object_set_new(o, "kind", json_string(kind));
	json_array_append_new(rows, o);
	return o;
}

/* A row of perf.* as fields of `o`; vm NULL: of the host or a helper. */
typedef void fill_fn(json_t *o, const struct perf *p, const struct vm *vm);
struct panel {
	fill_fn *host, *helper /* or NULL */, *machine;
};

static json_t *panel_rows(const struct caller *c, const struct panel *panel)
{
	json_t *rows = json_array();
	char name[256] = "", owner[USER_NAME_SIZE];
	if (gethostname(name, sizeof(name) - 1))
		str_copy(name, sizeof(name), "?");
	panel->host(row_new(rows, 0, name, NULL, "host"), &host.perf, NULL);
	users_name_of(geteuid(), owner);
	for (unsigned k = 0; panel->helper && k < HELPERS; k++)
		if (host.helper[k].name)
			panel->helper(row_new(rows, WORLD_VMKERNEL + k, host.helper[k].name, owner, "helper"), &host.helper[k].perf, NULL);
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		if (vm_running(vm) && vm_rights(c, vm) & RIGHT_R)
			panel->machine(row_new(rows, vm->world, vm->name, vm->owner, "machine"), &vm->perf, vm);
	return rows;
}

/* ---- CPU ---- */

static void fill_cpu(json_t *o, const struct perf *p, const struct vm *vm)
{
	bool counted = vm && strcmp(vm->engine, "bt") == 0; /* else it runs on the host's CPU, which counts nothing */
	json_object_set_new(o, "cpu", rounded((p->rate[PERF_USER] + p->rate[PERF_SYSTEM]) * 100 / NSEC_PER_SEC));
	json_object_set_new(o, "user", percent_of(p, PERF_USER));
	json_object_set_new(o, "system", percent_of(p, PERF_SYSTEM));
	json_object_set_new(o, "wait", percent_of(p, PERF_WAIT));
	json_object_set_new(o, "mips", counted ? rounded(p->rate[PERF_INSTRUCTIONS] / 1e6) : json_null());
	json_object_set_new(o, "threads", json_integer(p->threads));
	json_object_set_new(o, "used_s", rounded((double)(p->total[PERF_USER] + p->total[PERF_SYSTEM]) / NSEC_PER_SEC));
}

static void fill_cpu_host(json_t *o, const struct perf *p, const struct vm *vm)
{
	fill_cpu(o, p, vm);
	if (!host.perf_waits)
		json_object_set_new(o, "wait", json_null());
}

int handle_perf_cpu(struct request *r, json_t **result, struct error *err)
{
	static const struct panel panel = {fill_cpu_host, fill_cpu, fill_cpu};
	(void)err;
	*result = panel_rows(&r->caller, &panel);
	return 0;
}

/* ---- memory ---- */

static void fill_memory(json_t *o, const struct perf *p, const struct vm *vm)
{
	bool known = vm && vm->config && !vm->problem[0];
	json_object_set_new(o, "configured_mb", known ? json_integer((json_int_t)config_number(vm->config, "memsize")) : json_null());
	json_object_set_new(o, "resident_mb", rounded((double)p->resident_kb / 1024));
	json_object_set_new(o, "swapped_mb", rounded((double)p->swapped_kb / 1024));
	json_object_set_new(o, "balloon_mb", vm && vm->balloon_asked_mb >= 0 ? json_integer(vm->balloon_mb) : json_null());
	json_object_set_new(o, "overhead_mb", vm ? rounded((double)p->own_kb / 1024) : json_null());
}

static void fill_memory_host(json_t *o, const struct perf *p, const struct vm *vm)
{
	u64 total, used, swapped;
	(void)p, (void)vm;
	stats_memory(&total, &used, &swapped);
	json_object_set_new(o, "configured_mb", json_integer((json_int_t)(total / 1024)));
	json_object_set_new(o, "resident_mb", rounded((double)used / 1024));
	json_object_set_new(o, "swapped_mb", rounded((double)swapped / 1024));
	json_object_set_new(o, "balloon_mb", json_null());
	json_object_set_new(o, "overhead_mb", json_null());
}

int handle_perf_memory(struct request *r, json_t **result, struct error *err)
{
	static const struct panel panel = {fill_memory_host, fill_memory, fill_memory};
	(void)err;
	*result = panel_rows(&r->caller, &panel);
	return 0;
}

/* ---- disk ---- */

static void fill_disk(json_t *o, const struct perf *p, const struct vm *vm)
{
	double transfers = p->rate[PERF_READS] + p->rate[PERF_WRITES];
	(void)vm;
	json_object_set_new(o, "reads", rounded(p->rate[PERF_READS]));
	json_object_set_new(o, "writes", rounded(p->rate[PERF_WRITES]));
	json_object_set_new(o, "read_kb", rounded(p->rate[PERF_READ_BYTES] / KIB));
	json_object_set_new(o, "write_kb", rounded(p->rate[PERF_WRITE_BYTES] / KIB));
	json_object_set_new(o, "latency_ms", json_real(transfers > 0 ? p->rate[PERF_DISK_NS] / transfers / 1e6 : 0));
	json_object_set_new(o, "read_total_mb", rounded((double)p->total[PERF_READ_BYTES] / MIB));
	json_object_set_new(o, "write_total_mb", rounded((double)p->total[PERF_WRITE_BYTES] / MIB));
}

int handle_perf_disk(struct request *r, json_t **result, struct error *err)
{
	static const struct panel panel = {fill_disk, NULL, fill_disk};
	(void)err;
	*result = panel_rows(&r->caller, &panel);
	return 0;
}

/* ---- network ---- */

static void fill_network(json_t *o, const struct perf *p, const struct vm *vm)
{
	(void)vm;
	json_object_set_new(o, "rx_packets", rounded(p->rate[PERF_RX_PACKETS]));
	json_object_set_new(o, "tx_packets", rounded(p->rate[PERF_TX_PACKETS]));
	json_object_set_new(o, "rx_kb", rounded(p->rate[PERF_RX_BYTES] / KIB));
	json_object_set_new(o, "tx_kb", rounded(p->rate[PERF_TX_BYTES] / KIB));
	json_object_set_new(o, "dropped", rounded(p->rate[PERF_DROPPED]));
	json_object_set_new(o, "rx_total_mb", rounded((double)p->total[PERF_RX_BYTES] / MIB));
	json_object_set_new(o, "tx_total_mb", rounded((double)p->total[PERF_TX_BYTES] / MIB));
}

int handle_perf_network(struct request *r, json_t **result, struct error *err)
{
	static const struct panel panel = {fill_network, NULL, fill_network};
	(void)err;
	*result = panel_rows(&r->caller, &panel);
	return 0;
}
