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
	char cpu[96];
	unsigned y = frame_top(ui), half = c->columns / 2;
	if (frame_trouble(ui))
		return y;
	snprintf(cpu, sizeof(cpu), "%.40s of %d CPU%s", m->cpu, m->cpus, m->cpus == 1 ? "" : "s");
	gauge_draw(c, 1, y, half - 2, "CPU", m->cpu_percent, cpu);
	gauge_draw(c, half, y, c->columns - half - 1, "Memory", m->memory_percent, m->memory);
	/* A blank row behind it, where there are enough. */
	return y + 1 + (c->rows > 16);
}
