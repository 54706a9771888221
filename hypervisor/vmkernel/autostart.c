/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * autostart.c - see autostart.h
 *
 * Each owner's machines have an order of their own, so that nobody keeps another's waiting. Steps are numbered from 1. Machines of
 * one autostart.order are one step; those without come after all of these, in the order of
 * vm-list, and are one step up to each that is waited for. A step begins when all machines of the one before are on (or have
 * failed, or are off again) and their waits are over, which are counted from the start of their processes.
 *
 * A machine whose volume is not mounted when its turn comes keeps nobody waiting. Its turn is not over: it has it, among those that are
 * still due then, when the volume is mounted, be it days later.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/machine_files.h"
#include "lib/util.h"
#include "vmkernel/autostart.h"
#include "vmkernel/volumes.h"

#define LOOK_USEC 200000
#define MARKER_MAX (8 * MIB)
#define ALL_DONE "all" /* is no path; but for those of LATE */
#define LATE "late "	/* before the path of one that waits for its volume */
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
	const char *due = vm->autostart.volume[0] ? " (waits for its volume)" : vm->autostart.due ? " (still to come)" : "";
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
 * The marker holds the boot's number, a line for each machine whose turn is over (or that is LATE), and in the end ALL_DONE. A turn is over when what comes of
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

/* ---- volumes that are not mounted ---- */

/* A volume other than local that the path is on; volumes_lack() is another such question. */
typedef bool volume_question(const char *path, char volume[256]);

static bool on_other_volume(const char *path, char volume[256])
{
	const char *rest;
	return volumes_split(path, volume, &rest) && strcmp(volume, LOCAL_VOLUME) != 0;
}

struct asking {
	const struct config *config;
	volume_question *is;
	char *volume;
	bool found;
};

static void look_at_key(void *arg, const char *key, const char *value)
{
	struct asking *a = arg;
	const struct config_key *k = config_key_find(key);
	a->found = a->found || (k && k->type == CONFIG_PATH && machine_file_in_use(a->config, key) && !machine_file_may_miss(a->config, key) &&
				a->is(value, a->volume));
}

/* Whether its configuration, or a file that it does not start without, is on such a volume: which. */
static bool needs_volume(const struct vm *vm, volume_question *is, char volume[256])
{
	struct asking a = {.config = vm->config, .is = is, .volume = volume};
	if (is(vm->path, volume))
		return true;
	if (usable(vm))
		config_each(vm->config, look_at_key, &a);
	return a.found;
}

/* Its turn waits for the volume; of one whose configuration is there, too, nobody knows yet whether it has one. */
static void put_off(struct vm *vm, const char *volume)
{
	char *line = xasprintf(LATE "%s", vm->path);
	str_copy(vm->autostart.volume, sizeof(vm->autostart.volume), volume);
	vm->autostart.due = false;
	boot_note(line);
	free(line);
	if (vm->readable)
		event_vm(LOG_LEVEL_WARNING, vm, "%s does not start with the host yet: the volume %s is not mounted; it starts once that is", vm->name,
			 volume);
	else
		event_vm(LOG_LEVEL_WARNING, vm, "its volume %s is not mounted: if %s is to start with the host, it starts once that is", volume, vm->name);
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

static void late_turn_over(struct vm *vm)
{
	vm->autostart.volume[0] = 0;
	boot_note(vm->path);
}

void autostart_turn_over(struct vm *vm, bool on)
{
	if (vm->autostart.volume[0] && on) /* by hand, before its volume was seen to be there */
		late_turn_over(vm);
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
	char volume[256];
	for (unsigned k = 0; k < n; k++) {
		struct vm *vm = vms[k];
		look_at_found(vm);
		if (vm->autostart.due && !volumes_known() && needs_volume(vm, on_other_volume, volume)) {
			left = true; /* soon it is seen whether it has to wait for that */
			if (!awaited)
				awaited = vm->autostart.step;
			continue;
		}
		bool may_be_wanted = vm->autostart.step || (host.autostart && !vm->readable);
		if (vm->autostart.due && may_be_wanted && !vm_running(vm) && needs_volume(vm, volumes_lack, volume))
			put_off(vm, volume);
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

/* But for those that wait for their volumes. */
static void all_turns_over(void)
{
	timer = sd_event_source_disable_unref(timer);
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		vm->autostart.due = vm->autostart.awaited = vm->autostart.starting = false;
	boot_note(ALL_DONE);
}

void autostart_end(void)
{
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		if (vm->autostart.volume[0])
			late_turn_over(vm);
	if (timer)
		all_turns_over();
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
		all_turns_over();
		return 0;
	}
	sd_event_source_set_time_relative(s, LOOK_USEC);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static void begin_looking(void)
{
	if (!timer)
		BUG_ON(sd_event_add_time_relative(host.event, &timer, CLOCK_MONOTONIC, LOOK_USEC, 0, on_look, NULL) < 0);
}

void autostart_begin(void)
{
	char *before = boot_read();
	bool all = boot_has(before, ALL_DONE), left = !all;
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		char *late = xasprintf(LATE "%s", vm->path);
		bool over = boot_has(before, vm->path);
		vm->autostart.awaited = !all && over; /* if it is on, for the rest of its time */
		vm->autostart.due = !over && (!all || boot_has(before, late));
		left |= vm->autostart.due;
		free(late);
	}
	free(before);
	if (!left)
		return;
	begin_looking();
	on_look(timer, 0, NULL);
}

/* Its volume is mounted. */
static void have_late_turn(struct vm *vm)
{
	char volume[256];
	str_copy(volume, sizeof(volume), vm->autostart.volume);
	vm->autostart.volume[0] = 0;
	if (!vm_refresh(vm) || !wanted(vm)) {
		boot_note(vm->path);
		return;
	}
	event_vm(LOG_LEVEL_INFO, vm, "the volume %s is mounted now: %s starts, as it was to do with the host", volume, vm->name);
	vm->autostart.due = true;
	begin_looking();
}

void autostart_poll(void)
{
	char volume[256];
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		if (vm->autostart.volume[0] && !needs_volume(vm, volumes_lack, volume))
			have_late_turn(vm);
}
