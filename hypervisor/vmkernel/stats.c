/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stats.c - CPU and memory in use, sampled from /proc (proc(5)). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/consoles.h"

bool process_times(pid_t pid, u64 *cpu_ns, u64 *start_ticks)
{
	char path[40], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	/* The name in parentheses may hold anything: fields are counted from the last ')'. */
	const char *rest = strrchr(text, ')');
	unsigned long long user, system, start;
	if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
			    &user, &system, &start) != 3)
		return false;
	u64 tick = NSEC_PER_SEC / (u64)sysconf(_SC_CLK_TCK);
	if (cpu_ns)
		*cpu_ns = (user + system) * tick;
	if (start_ticks)
		*start_ticks = start;
	return true;
}

static void use_update(struct cpu_use *use, u64 used_ns)
{
	u64 now = now_monotonic();
	if (use->at_ns && now > use->at_ns && used_ns >= use->used_ns)
		use->percent = 100.0 * (double)(used_ns - use->used_ns) / (double)(now - use->at_ns);
	use->used_ns = used_ns;
	use->at_ns = now;
}

json_t *cpu_percent(const struct cpu_use *use)
{
	return json_real((double)(s64)(use->percent * 10 + 0.5) / 10);
}

/* The whole computer: busy time over all CPUs, so 100 % is everything. */
static void sample_host(void)
{
	unsigned long long v[8] = {0};
	FILE *f = fopen("/proc/stat", "re");
	if (!f)
		return;
	int n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6],
		       &v[7]);
	fclose(f);
	if (n < 5)
		return;
	u64 tick = NSEC_PER_SEC / (u64)sysconf(_SC_CLK_TCK);
	/* user nice system (idle iowait) irq softirq steal */
	use_update(&host.cpu, (v[0] + v[1] + v[2] + v[5] + v[6] + v[7]) * tick / MAX(host.cpus, 1u));
	if (host.cpu.percent > 100)
		host.cpu.percent = 100;
}

static void sample_helper(unsigned k, const char *name, pid_t pid)
{
	bool runs = pid > 0 && perf_sample_process(&host.helper[k].perf, pid);
	host.helper[k].name = runs ? name : NULL;
}

void stats_sample(void)
{
	sample_host();
	perf_sample_host(&host.perf, &host.perf_waits);
	sample_helper(0, "vmkernel", getpid());
	sample_helper(1, "vmk-authd", consoles_pid());
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		if (!vm->world || vm->pid <= 0 || !perf_sample_process(&vm->perf, vm->pid))
			continue;
		use_update(&vm->cpu, vm->perf.total[PERF_USER] + vm->perf.total[PERF_SYSTEM]);
		vm->resident_kb = vm->perf.resident_kb;
	}
}

u64 stats_meminfo(const char *name)
{
	char line[128];
	unsigned long long kb = 0;
	FILE *f = fopen("/proc/meminfo", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (str_starts(line, name) && sscanf(line + strlen(name), ": %llu", &kb) == 1)
			break;
	}
	fclose(f);
	return kb;
}

void stats_memory(u64 *total_kb, u64 *used_kb, u64 *swapped_kb)
{
	u64 available = stats_meminfo("MemAvailable"), swap = stats_meminfo("SwapTotal"), swap_free = stats_meminfo("SwapFree");
	*total_kb = stats_meminfo("MemTotal");
	*used_kb = *total_kb > available ? *total_kb - available : 0;
	*swapped_kb = swap > swap_free ? swap - swap_free : 0;
}

void uptime_text(u64 seconds, char *text, size_t size)
{
	int n = seconds >= 86400 ? snprintf(text, size, "%" PRIu64 " d ", seconds / 86400) : 0;
	snprintf(text + n, size - (size_t)n, "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600 % 24, seconds / 60 % 60,
		 seconds % 60);
}

void stats_host(json_t *into)
{
	u64 total = stats_meminfo("MemTotal") / 1024, available = stats_meminfo("MemAvailable") / 1024;
	u64 used = total > available ? total - available : 0, up = (now_monotonic() - host.started_ns) / NSEC_PER_SEC;
	char text[96];
	json_object_set_new(into, "cpus", json_integer(host.cpus));
	json_object_set_new(into, "cpu_percent", cpu_percent(&host.cpu));
	snprintf(text, sizeof(text), "%.1f %%", host.cpu.percent);
	json_object_set_new(into, "cpu", json_string(text));
	json_object_set_new(into, "memory_total_mb", json_integer((json_int_t)total));
	json_object_set_new(into, "memory_used_mb", json_integer((json_int_t)used));
	snprintf(text, sizeof(text), "%" PRIu64 " of %" PRIu64 " MB used", used, total);
	json_object_set_new(into, "memory", json_string(text));
	json_object_set_new(into, "uptime_s", json_integer((json_int_t)up));
	uptime_text(up, text, sizeof(text));
	json_object_set_new(into, "uptime", json_string(text));
}
