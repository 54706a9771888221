/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * batch.h - vmkstatus --batch: the panels of performance as lines, for files, spreadsheets and scripts.
 */
#ifndef VMK_TUI_BATCH_H
#define VMK_TUI_BATCH_H

#include <jansson.h>

#include "lib/types.h"

struct batch_options {
	const char *panel; /* name or first letter; "all": every panel, the default (NULL): CPU */
	u64 delay, count;  /* seconds from sample to sample; samples, 0: until it is ended */
	const char *format; /* "csv" (also NULL) or "json" */
};

/*
 * csv: one line of headings, then a line for each world and sample, which begins with the time. json: one object a line,
 * {"time": ..., "panel": ..., "worlds": [...]}, as the host has told them. Prints to standard output what the host said;
 * ends with the reader, too. Returns an exit status, having said on standard error what went wrong.
 */
int batch_run(const struct batch_options *o);

/* Parts of it, for tests: a line of headings, and a row, without newline. Caller frees. */
char *batch_csv_heading(const char *panel);
char *batch_csv_row(const char *panel, const char *time, json_t *row);

#endif
