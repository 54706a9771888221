/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * autostart.c - see autostart.h
 *
 * Each owner's machines have an order of their own, so that nobody keeps another's waiting. Steps are numbered from 1. Machines of
 * one autostart.order are one step; those without come after all of these, in the order of
 * vm-list, and are one step up to each that is waited for. A step begins when all machines of the one before are on (or have
 * failed, or are off again) and their waits are over, which are counted from the start of their processes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/autostart.h"

#define LOOK_USEC 200000
#define MARKER_MAX (8 * MIB)
#define ALL_DONE "all" /* is no path */
#define TOOLS_SECONDS 120 /* for guests' tools, where autostart.delay says nothing */
#define STUCK_NS (60 * NSEC_PER_SEC) /* a process that has not answered by then has had its turn */

static sd_event_source *timer; /* NULL: nothing is to be started, now or later */

static bool usable(const struct vm *vm)
{
	return vm->config && !vm->problem[0];
}

static bool wanted(const struct vm *vm)
{
	return host.autostart && usable(vm) && !str_ieq(config_string(vm->config, "autostart"), "false");
}

unsigned autostart_order(const struct vm *vm)
{
	return usable(vm) ? (unsigned)config_number(vm->config, "autostart.order") : 0;
}

uid_t autostart_owner(const struct vm *vm)
{
	return vm->world ? vm->run_uid : vm->file.uid;
}

static bool for_tools(const struct vm *vm)
{
	return usable(vm) && config_bool(vm->config, "autostart.waitForTools");
}

/* Seconds the next step waits at most after this machine; 0 = not at all. */
static unsigned wait_seconds(const struct vm *vm)
{
	unsigned delay = usable(vm) ? (unsigned)config_number(vm->config, "autostart.delay") : 0;
	return delay || !for_tools(vm) ? delay : TOOLS_SECONDS;
}

/* ---- the order ---- */

struct place {
	struct vm *vm;
	uid_t owner;
	unsigned order, index;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	if (x->order != y->order)
		return !y->order || (x->order && x->order < y->order) ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

struct vm **autostart_sorted(unsigned *n)
{
	unsigned k = 0;
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		k++;
	*n = k;
	struct place *places = xcalloc(k + 1, sizeof(*places));
	struct vm **sorted = xcalloc(k + 1, sizeof(struct vm *));
	k = 0;
	for (struct vm *vm = host.vms; vm; vm = vm->next, k++)
		places[k] = (struct place){.vm = vm, .owner = autostart_owner(vm), .order = autostart_order(vm), .index = k};
	qsort(places, k, sizeof(*places), compare_places);
	while (k--)
		sorted[k] = places[k].vm;
	free(places);
	return sorted;
}

void autostart_number(void)
{
	unsigned n, step = 1, before = 0; /* before: order of the machine before in this step, if it has one */
	struct vm **sorted = autostart_sorted(&n);
	for (unsigned k = 0; k < n; k++) {
		struct vm *vm = sorted[k];
		unsigned order = autostart_order(vm);
		if (k && autostart_owner(vm) != autostart_owner(sorted[k - 1])) {
			step = 1;
			before = 0;
		}
		vm->autostart.step = 0;
		if (!wanted(vm))
			continue;
		step += before && order != before;
		vm->autostart.step = step;
		before = order;
		step += !order && wait_seconds(vm) > 0;
	}
	free(sorted);
}

json_t *autostart_sentence(const struct vm *vm)
{
	unsigned seconds = wait_seconds(vm);
	const char *due = vm->autostart.due ? " (still to come)" : "";
	if (!vm->autostart.step)
		return json_string("no");
	if (!seconds)
		return json_sprintf("%u%s", vm->autostart.step, due);
	return json_sprintf(for_tools(vm) ? "%u, then its tools, at most %u s%s" : "%u, then %u s%s", vm->autostart.step, seconds, due);
}

/* ---- once in each life of the host, not at each start of the daemon ---- */

static char *boot_marker(void)
{
	return root_path("run/vmk/booted");
}

/* Caller frees. */
static char *this_boot(void)
{
	char *boot;
	return read_file("/proc/sys/kernel/random/boot_id", 64, &boot, NULL, NULL) ? xstrdup("?\n") : boot;
}

/*
 * The marker holds the boot's number, a line for each machine whose turn is over, and in the end ALL_DONE. A turn is over when what comes of
 * it is known: were it earlier, a daemon killed in between would leave behind a machine that nobody starts. What was in it, or NULL
 * and a new one when it is not of this boot. Caller frees.
 */
static char *boot_read(void)
{
	char *marker = boot_marker(), *boot = this_boot(), *text = NULL;
	struct error err;
	if (read_file(marker, MARKER_MAX, &text, NULL, NULL) || !str_starts(text, boot)) {
		free(text);
		text = NULL;
		if (replace_file(marker, boot, strlen(boot), 0644, &err))
			log_warning("%s", err.text);
	}
	free(boot);
	free(marker);
	return text;
}

static bool boot_has(const char *text, const char *line)
{
	char *whole = xasprintf("\n%s\n", line);
	bool has = text && strstr(text, whole);
	free(whole);
	return has;
}

static void boot_note(const char *line)
{
	char *marker = boot_marker();
	FILE *f = fopen(marker, "ae");
	if (!f || fprintf(f, "%s\n", line) < 0)
		log_warning("cannot write %s: %m", marker);
	if (f)
		fclose(f);
	free(marker);
}

void autostart_forget(void)
{
	char *marker = boot_marker();
	unlink(marker);
	free(marker);
}

/* ---- starting ---- */

/*
 * A machine that cannot be powered on does not stop the others. One that finds too many on their way is still due, or no room for its
 * process.
 */
static void power_on(struct vm *vm)
{
	struct error err;
	bool found = vm_running(vm);
	int ret = found ? 0 : vm_start(vm, NULL, &err);
	vm->autostart.due = ret == -EAGAIN || ret == -ENOMEM;
	vm->autostart.awaited = vm->autostart.starting = ret >= 0;
	vm->autostart.found = found;
	if (ret >= 0 || ret == -EAGAIN)
		return;
	if (!vm->autostart.complained)
		event_vm(LOG_LEVEL_ERROR, vm, "%s%s", err.text, vm->autostart.due ? ": it is tried again" : "");
	vm->autostart.complained = vm->autostart.due;
	if (!vm->autostart.due)
		boot_note(vm->path);
}

/* Of its process, whichever daemon has started it. */
static u64 age_ns(const struct vm *vm)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	u64 start_ns = vm->pid_start * (NSEC_PER_SEC / (u64)sysconf(_SC_CLK_TCK)), now_ns = (u64)now.tv_sec * NSEC_PER_SEC + (u64)now.tv_nsec;
	return now_ns > start_ns ? now_ns - start_ns : 0;
}

void autostart_turn_over(struct vm *vm, bool on)
{
	if (!vm->autostart.starting)
		return;
	vm->autostart.starting = false;
	vm->autostart.due = !on && vm->autostart.found; /* what another daemon had begun has come to nothing */
	if (!vm->autostart.due)
		boot_note(vm->path);
}

/* One that is on already, but answers nobody. */
static void look_at_found(struct vm *vm)
{
	if (vm->autostart.found && vm->state != VM_STARTING && (vm->engine[0] || age_ns(vm) > STUCK_NS))
		autostart_turn_over(vm, true);
}

static bool still_awaited(struct vm *vm)
{
	if (!vm_running(vm))
		return false;
	if (vm->state == VM_STARTING)
		return true;
	if (for_tools(vm) && vm->heartbeat_s >= 0)
		return false;
	return age_ns(vm) < wait_seconds(vm) * NSEC_PER_SEC;
}

/*
 * One owner's machines in the order of their start: as far as the next step is open, those that are due are powered on. True: the turns
 * of some are not over.
 */
static bool advance(struct vm **vms, unsigned n)
{
	unsigned awaited = 0; /* step */
	bool left = false, full = false;
	for (unsigned k = 0; k < n; k++) {
		struct vm *vm = vms[k];
		look_at_found(vm);
		vm->autostart.due = vm->autostart.due && vm->autostart.step; /* somebody may have changed his mind */
		if (vm->autostart.due && !full && (!awaited || vm->autostart.step == awaited)) {
			power_on(vm);
			full = vm->autostart.due; /* as many of this owner's are on their way as may be */
		}
		vm->autostart.awaited = vm->autostart.awaited && still_awaited(vm);
		if (!awaited && (vm->autostart.due || vm->autostart.awaited))
			awaited = vm->autostart.step;
		left |= vm->autostart.due || vm->autostart.starting;
	}
	return left;
}

void autostart_end(void)
{
	if (!timer)
		return;
	timer = sd_event_source_disable_unref(timer);
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		vm->autostart.due = vm->autostart.awaited = vm->autostart.starting = false;
	boot_note(ALL_DONE);
}

static int on_look(sd_event_source *s, uint64_t usec, void *arg)
{
	unsigned n;
	bool left = false;
	struct vm **sorted = autostart_sorted(&n);
	(void)usec, (void)arg;
	autostart_number();
	for (unsigned k = 0, end; k < n; k = end) {
		for (end = k + 1; end < n && autostart_owner(sorted[end]) == autostart_owner(sorted[k]); end++)
			;
		left |= advance(sorted + k, end - k);
	}
	free(sorted);
	if (!left) { /* nobody waits for what the last has to wait */
		autostart_end();
		return 0;
	}
	sd_event_source_set_time_relative(s, LOOK_USEC);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

void autostart_begin(void)
{
	char *before = boot_read();
	bool all = boot_has(before, ALL_DONE);
	for (struct vm *vm = host.vms; vm && !all; vm = vm->next) {
		vm->autostart.awaited = boot_has(before, vm->path); /* if it is on, for the rest of its time */
		vm->autostart.due = !vm->autostart.awaited;
	}
	free(before);
	if (all)
		return;
	BUG_ON(sd_event_add_time_relative(host.event, &timer, CLOCK_MONOTONIC, LOOK_USEC, 0, on_look, NULL) < 0);
	on_look(timer, 0, NULL);
}
