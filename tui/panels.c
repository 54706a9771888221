// SPDX-License-Identifier: GPL-2.0-or-later
/* panels.c - see panels.h */
#include <string.h>
#include <strings.h>

#include "lib/util.h"
#include "tui/panels.h"

const char *const panel_names[PANEL_COUNT] = {"CPU", "Memory", "Disk", "Network"};
const enum ask panel_asks[PANEL_COUNT] = {ASK_perf_cpu, ASK_perf_memory, ASK_perf_disk, ASK_perf_network};

#define WORLD_COLUMNS                                      \
	LIST_NUMBER("World", 5, "world", NULL),            \
	LIST_TEXT("Name", 10, "name", .grow = true),       \
	LIST_TEXT("Owner", 8, "owner", .needs = 90),       \
	LIST_TEXT("Kind", 7, "kind", .needs = 76)
#define FIGURE(heading, width, field, needs_) LIST_NUMBER(heading, width, field, NULL, .needs = needs_)

static const struct list_column cpu_columns[] = {
	WORLD_COLUMNS,
	FIGURE("CPU%", 6, "cpu", 0),
	FIGURE("User%", 6, "user", 50),
	FIGURE("Sys%", 6, "system", 50),
	FIGURE("Wait%", 6, "wait", 56),
	FIGURE("MIPS", 7, "mips", 64),
	FIGURE("Threads", 7, "threads", 100),
	FIGURE("Used s", 9, "used_s", 100),
};
static const struct list_column memory_columns[] = {
	WORLD_COLUMNS,
	FIGURE("Given", 7, "configured_mb", 50),
	FIGURE("Resident", 8, "resident_mb", 0),
	FIGURE("Swapped", 7, "swapped_mb", 60),
	FIGURE("Balloon", 7, "balloon_mb", 64),
	FIGURE("Overhead", 8, "overhead_mb", 100),
};
static const struct list_column disk_columns[] = {
	WORLD_COLUMNS,
	FIGURE("Reads/s", 7, "reads", 50),
	FIGURE("Writes/s", 8, "writes", 50),
	FIGURE("Read KB/s", 9, "read_kb", 0),
	FIGURE("Write KB/s", 10, "write_kb", 0),
	FIGURE("ms", 5, "latency_ms", 76),
	FIGURE("Read MB", 8, "read_total_mb", 110),
	FIGURE("Written MB", 10, "write_total_mb", 110),
};
static const struct list_column network_columns[] = {
	WORLD_COLUMNS,
	FIGURE("Rx/s", 7, "rx_packets", 50),
	FIGURE("Tx/s", 7, "tx_packets", 50),
	FIGURE("Rx KB/s", 8, "rx_kb", 0),
	FIGURE("Tx KB/s", 8, "tx_kb", 0),
	FIGURE("Dropped", 7, "dropped", 76),
	FIGURE("Rx MB", 8, "rx_total_mb", 110),
	FIGURE("Tx MB", 8, "tx_total_mb", 110),
};

static u8 figure_ink(const char *field, const char *text)
{
	if (!strcmp(field, "kind"))
		return !strcmp(text, "machine") ? BRIGHT_GREEN : GREY;
	/* What does nothing is not in the way of what does. */
	return !strcmp(text, "0") || !strcmp(text, "0.0") ? DARK : WHITE;
}

#define PANEL(columns_, sort) \
	{.columns = columns_, .n_columns = ARRAY_SIZE(columns_), .first_sort = sort, .ink = figure_ink, .empty = "No worlds."}
const struct list panel_lists[PANEL_COUNT] = {
	[PANEL_CPU] = PANEL(cpu_columns, PANEL_NAME_COLUMNS),
	[PANEL_MEMORY] = PANEL(memory_columns, PANEL_NAME_COLUMNS + 1),
	[PANEL_DISK] = PANEL(disk_columns, PANEL_NAME_COLUMNS + 3),
	[PANEL_NETWORK] = PANEL(network_columns, PANEL_NAME_COLUMNS + 2),
};

const char *panel_method(enum panel panel)
{
	static const char *const methods[PANEL_COUNT] = {"perf.cpu", "perf.memory", "perf.disk", "perf.network"};
	return methods[panel];
}

enum panel panel_find(const char *name)
{
	unsigned k = 0;
	while (k < PANEL_COUNT && strcasecmp(name, panel_names[k]) && (strlen(name) != 1 || strncasecmp(name, panel_names[k], 1)))
		k++;
	return k;
}
