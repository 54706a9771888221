/* SPDX-License-Identifier: GPL-2.0-or-later */
/* perf.c - see perf.h; the files are described in proc(5). */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/perf.h"

#define MAX_THREADS 256 /* of a process that are looked at */

/* New totals of the counters from `first` to before `end`, which are all of the process's or all others. */
static void perf_take(struct perf *p, enum perf_counter first, enum perf_counter end, const u64 *totals)
{
	u64 now = now_monotonic(), *at = &p->at_ns[first >= PERF_PROCESS];
	double seconds = *at && now > *at ? (double)(now - *at) / NSEC_PER_SEC : 0;
	for (enum perf_counter k = first; k < end; k++) {
		u64 total = totals[k - first];
		p->rate[k] = seconds > 0 && total >= p->total[k] ? (double)(total - p->total[k]) / seconds : 0;
		p->total[k] = total;
	}
	*at = now;
}

/* A short file of /proc, NUL-terminated; false when it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	size_t n = fread(text, 1, size - 1, f);
	fclose(f);
	text[n] = 0;
	return n > 0;
}

/* ---- processes ---- */

static bool sample_stat(struct perf *p, pid_t pid, u64 totals[3])
{
	char path[40], text[1024];
	unsigned long long user, system;
	unsigned threads;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!read_text(path, text, sizeof(text)))
		return false;
	/* The name in parentheses may hold anything: fields are counted from the last ')'. */
	const char *rest = strrchr(text, ')');
	if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %u", &user, &system,
			    &threads) != 3)
		return false;
	u64 tick = NSEC_PER_SEC / (u64)sysconf(_SC_CLK_TCK);
	totals[0] = user * tick;
	totals[1] = system * tick;
	p->threads = threads;
	return true;
}

/* /proc/PID/schedstat is the first thread's alone. */
static u64 waited(pid_t pid)
{
	char path[300], text[128];
	u64 sum = 0;
	struct dirent *entry;
	unsigned n = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	while (dir && (entry = readdir(dir)) && n < MAX_THREADS) {
		unsigned long long wait;
		if (entry->d_name[0] == '.')
			continue;
		n++;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", (int)pid, entry->d_name);
		if (read_text(path, text, sizeof(text)) && sscanf(text, "%*u %llu", &wait) == 1)
			sum += wait;
	}
	if (dir)
		closedir(dir);
	return sum;
}

/* "VmRSS:   123 kB" */
static u64 status_kb(const char *text, const char *name)
{
	unsigned long long kb = 0;
	const char *at = strstr(text, name);
	return at && sscanf(at + strlen(name), ": %llu", &kb) == 1 ? kb : 0;
}

static void sample_memory(struct perf *p, pid_t pid)
{
	char path[40], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (!read_text(path, text, sizeof(text)))
		return;
	p->resident_kb = status_kb(text, "\nVmRSS");
	p->swapped_kb = status_kb(text, "\nVmSwap");
	/* A guest's memory is a memfd, which is neither. */
	p->own_kb = status_kb(text, "\nRssAnon") + status_kb(text, "\nRssFile");
}

bool perf_sample_process(struct perf *p, pid_t pid)
{
	u64 totals[PERF_PROCESS];
	if (!sample_stat(p, pid, totals))
		return false;
	totals[PERF_WAIT] = waited(pid);
	perf_take(p, PERF_USER, PERF_PROCESS, totals);
	sample_memory(p, pid);
	return true;
}

/* ---- the host ---- */

static bool host_waited(u64 *ns)
{
	char text[256];
	unsigned long long usec;
	const char *at = read_text("/proc/pressure/cpu", text, sizeof(text)) ? strstr(text, "total=") : NULL;
	if (!at || sscanf(at, "total=%llu", &usec) != 1)
		return false;
	*ns = usec * 1000;
	return true;
}

static bool host_cpu(u64 totals[PERF_PROCESS])
{
	char text[512];
	unsigned long long v[8] = {0};
	if (!read_text("/proc/stat", text, sizeof(text)) ||
	    sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 5)
		return false;
	u64 tick = NSEC_PER_SEC / (u64)sysconf(_SC_CLK_TCK);
	/* user nice system (idle iowait) irq softirq steal */
	totals[PERF_USER] = (v[0] + v[1]) * tick;
	totals[PERF_SYSTEM] = (v[2] + v[5] + v[6] + v[7]) * tick;
	return true;
}

static bool is_hardware(const char *disk)
{
	char path[96];
	snprintf(path, sizeof(path), "/sys/block/%.40s/device", disk);
	return access(path, F_OK) == 0;
}

/* Whole disks only: partitions, loop devices and the like would count a transfer twice. */
static void host_disks(u64 *totals)
{
	char line[512], name[64];
	unsigned long long reads, read_sectors, read_ms, writes, write_sectors, write_ms;
	FILE *f = fopen("/proc/diskstats", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*u %*u %63s %llu %*u %llu %llu %llu %*u %llu %llu", name, &reads, &read_sectors, &read_ms,
			   &writes, &write_sectors, &write_ms) != 7 || !is_hardware(name))
			continue;
		totals[PERF_READS] += reads;
		totals[PERF_WRITES] += writes;
		totals[PERF_READ_BYTES] += read_sectors * 512;
		totals[PERF_WRITE_BYTES] += write_sectors * 512;
		totals[PERF_DISK_NS] += (read_ms + write_ms) * 1000000;
	}
	if (f)
		fclose(f);
}

static void host_network(u64 *totals)
{
	char line[512];
	unsigned long long rx, rx_packets, rx_drop, tx, tx_packets, tx_drop;
	FILE *f = fopen("/proc/net/dev", "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');
		const char *name = line + strspn(line, " ");
		if (!colon || str_starts(name, "lo:") ||
		    sscanf(colon + 1, "%llu %llu %*u %llu %*u %*u %*u %*u %llu %llu %*u %llu", &rx, &rx_packets, &rx_drop, &tx,
			   &tx_packets, &tx_drop) != 6)
			continue;
		totals[PERF_RX_BYTES] += rx;
		totals[PERF_RX_PACKETS] += rx_packets;
		totals[PERF_TX_BYTES] += tx;
		totals[PERF_TX_PACKETS] += tx_packets;
		totals[PERF_DROPPED] += rx_drop + tx_drop;
	}
	if (f)
		fclose(f);
}

void perf_sample_host(struct perf *p, bool *waits)
{
	u64 totals[PERF_COUNTERS] = {0};
	char text[128];
	if (host_cpu(totals)) {
		*waits = host_waited(&totals[PERF_WAIT]);
		perf_take(p, PERF_USER, PERF_PROCESS, totals);
	}
	host_disks(totals);
	host_network(totals);
	perf_take(p, PERF_PROCESS, PERF_COUNTERS, totals + PERF_PROCESS);
	if (!read_text("/proc/loadavg", text, sizeof(text)) || sscanf(text, "%*s %*s %*s %*u/%u", &p->threads) != 1)
		p->threads = 0;
}

/* ---- what a machine tells ---- */

void perf_take_status(struct perf *p, json_t *status)
{
	static const char *const names[PERF_COUNTERS] = {
		[PERF_INSTRUCTIONS] = "instructions", [PERF_READS] = "reads",	      [PERF_WRITES] = "writes",
		[PERF_READ_BYTES] = "read_bytes",     [PERF_WRITE_BYTES] = "write_bytes", [PERF_DISK_NS] = "disk_ns",
		[PERF_RX_PACKETS] = "rx_packets",     [PERF_TX_PACKETS] = "tx_packets",   [PERF_RX_BYTES] = "rx_bytes",
		[PERF_TX_BYTES] = "tx_bytes",	      [PERF_DROPPED] = "dropped",
	};
	u64 totals[PERF_COUNTERS - PERF_PROCESS];
	json_t *traffic = json_object_get(status, "traffic");
	for (enum perf_counter k = PERF_PROCESS; k < PERF_COUNTERS; k++) {
		json_int_t value = json_integer_value(json_object_get(k == PERF_INSTRUCTIONS ? status : traffic, names[k]));
		totals[k - PERF_PROCESS] = value > 0 ? (u64)value : 0;
	}
	perf_take(p, PERF_PROCESS, PERF_COUNTERS, totals);
}
