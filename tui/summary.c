// SPDX-License-Identifier: GPL-2.0-or-later
/* summary.c - see ui.h: how busy the host is, at the top of a view */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/graph.h"
#include "tui/ui.h"

unsigned host_summary(struct ui *ui)
{
	struct canvas *c = &ui->canvas;
	const struct model *m = &ui->model;
	char cpu[96], used[32], total[32], memory[80];
	unsigned y = frame_top(ui), half = c->columns / 2;
	if (frame_trouble(ui))
		return y;
	bool wide = c->columns >= 64;
	if (wide)
		snprintf(cpu, sizeof(cpu), "%.1f %% of %d CPU%s", m->cpu_percent, m->cpus, m->cpus == 1 ? "" : "s");
	else
		snprintf(cpu, sizeof(cpu), "%.0f %%", m->cpu_percent);
	text_mb((double)m->memory_used_mb, used, sizeof(used));
	text_mb((double)m->memory_total_mb, total, sizeof(total));
	snprintf(memory, sizeof(memory), "%s%s%s", used, wide ? " of " : "", wide ? total : "");
	gauge_draw(c, 1, y, half - 2, "CPU", m->cpu_percent, cpu);
	gauge_draw(c, half, y, c->columns - half - 1, "Memory", m->memory_percent, memory);
	/* A blank row behind it, where there are enough. */
	return y + 1 + (c->rows > 16);
}
