// SPDX-License-Identifier: GPL-2.0-or-later
/* task.c - see shell.h: calls that take their time */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "shell/interrupt.h"
#include "shell/pager.h"
#include "shell/shell.h"

#define BAR_WIDTH 30
#define QUIET_NS 400000000ull /* what is done by then needs no bar */

struct bar {
	bool wanted, drawn;
	u64 begun_ns;
};

static void bar_erase(struct bar *b)
{
	if (b->drawn)
		fputs("\r\033[K", stderr);
	b->drawn = false;
}

/* "suspending web [########......................]  27 %" on the last line, never more than one line. */
static void bar_draw(struct bar *b, int percent, const char *what)
{
	unsigned columns, rows;
	char amount[BAR_WIDTH + 16] = "";
	if (percent >= 0) {
		char done[BAR_WIDTH + 1], left[BAR_WIDTH + 1];
		int full = MIN(percent, 100) * BAR_WIDTH / 100;
		memset(done, '#', sizeof(done));
		memset(left, '.', sizeof(left));
		snprintf(amount, sizeof(amount), " [%.*s%.*s] %3d %%", full, done, BAR_WIDTH - full, left, MIN(percent, 100));
	}
	terminal_size(STDERR_FILENO, &columns, &rows);
	unsigned space = (unsigned)strlen(amount) + 1;
	fprintf(stderr, "\r%.*s%s\033[K", (int)terminal_cut(what, columns > space ? columns - space : 0), what, columns > space ? amount : "");
	fflush(stderr);
	b->drawn = true;
}

/* Control characters do not reach the terminal. */
static char *sentence(const char *what)
{
	char *text = xstrdup(what);
	str_tame(text, false);
	return text;
}

static bool on_progress(void *arg, u64 task, int percent, const char *what)
{
	struct bar *b = arg;
	/* Ctrl-C cancels what the host can cancel; of anything else it ends the wait. */
	interrupts_cancel(task != 0);
	bool cancel = interrupted();
	if (b->wanted && task && (cancel || now_monotonic() - b->begun_ns >= QUIET_NS)) {
		char *text = sentence(cancel ? "cancelling (Ctrl-C again: wait no longer)" : what);
		bar_draw(b, cancel ? -1 : percent, text);
		free(text);
	}
	return !cancel;
}

static bool bar_wanted(void)
{
	const char *term = getenv("TERM");
	return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb");
}

int task_call(struct shell *sh, const struct api_method *row, json_t *params, json_t **result, struct error *err)
{
	struct bar bar = {.wanted = bar_wanted(), .begun_ns = now_monotonic()};
	struct shell_way way = {.progress = on_progress, .arg = &bar};
	if (row->role == ROLE_VIEW)
		return shell_call(sh, row->name, params, result, NULL, err);
	/* A script is ended by Ctrl-C as well, but not before its task is. */
	if (!sh->interactive)
		interrupts_catch();
	fflush(stdout);
	int ret = shell_call_by(sh, &way, row->name, params, result, NULL, err);
	interrupts_cancel(false);
	if (!sh->interactive)
		interrupts_release();
	bar_erase(&bar);
	return ret;
}
