// SPDX-License-Identifier: GPL-2.0-or-later
/* follow.c - see shell.h: commands that go on until they are interrupted: events --follow, log --follow, watch */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"
#include "shell/interrupt.h"
#include "shell/local.h"
#include "shell/pager.h"

#define WAIT_SECONDS 1	   /* how long the host is asked to wait for something new: as long Ctrl-C has to */
#define LINES_AT_ONCE 1000 /* as many as it remembers */
#define PAUSE_MS 1000	   /* between two looks where it cannot be asked to wait, and at a host that is gone */

static bool has_argument(const struct api_method *row, const char *name)
{
	struct api_arg args[API_MAX_ARGS];
	unsigned n = api_args(row, args);
	for (unsigned k = 0; k < n; k++)
		if (!strcmp(args[k].name, name))
			return true;
	return false;
}

bool follow_possible(const struct command *c)
{
	return !c->run && has_argument(c->row, "since");
}

struct follower {
	struct shell *sh;
	const struct api_method *row;
	json_t *params;
	json_int_t newest;   /* seq of the newest line printed */
	char newest_time[40];
	unsigned connection; /* it came by */
	int widths[API_MAX_COLUMNS];
	bool begun, gone;
	bool none_old; /* lines 0: only what is new */
};

static json_int_t sequence_of(json_t *line)
{
	return json_integer_value(json_object_get(line, "seq"));
}

static const char *time_of(json_t *line)
{
	const char *text = json_string_value(json_object_get(line, "time"));
	return text ? text : "";
}

/* Whether the newest line printed is among these: else another VMkernel has begun to count anew. */
static bool knows_newest(const struct follower *f, json_t *answer)
{
	json_t *line;
	size_t k;
	json_array_foreach(answer, k, line)
		if (sequence_of(line) == f->newest)
			return !strcmp(time_of(line), f->newest_time);
	return false;
}

/* Lines behind the newest one; all of them from a new VMkernel. */
static json_t *new_lines(struct follower *f, json_t *answer)
{
	json_t *line, *fresh = json_array();
	size_t k;
	if (f->connection != f->sh->connections && !knows_newest(f, answer))
		f->newest = 0;
	json_int_t shown = f->newest;
	json_array_foreach(answer, k, line) {
		if (f->begun ? sequence_of(line) > shown : !f->none_old)
			json_array_append(fresh, line);
		if (sequence_of(line) < f->newest)
			continue;
		f->newest = sequence_of(line);
		str_copy(f->newest_time, sizeof(f->newest_time), time_of(line));
	}
	return fresh;
}

static void follower_print(struct follower *f, json_t *lines)
{
	size_t k;
	json_t *line;
	if (f->sh->csv) {
		output_csv_rows(f->row, lines, !f->begun);
	} else if (!f->sh->json) {
		output_table(f->sh, f->row, lines, f->widths, !f->begun);
	} else {
		json_array_foreach(lines, k, line) {
			output_json_line(line); /* one a line, for who reads along */
		}
	}
	fflush(stdout);
}

static int follower_look(struct follower *f, struct error *err)
{
	json_t *params = json_deep_copy(f->params), *answer;
	bool again = f->begun && f->connection == f->sh->connections;
	/* The newest line there is tells where to begin, wanted or not. */
	if (f->begun || f->none_old)
		json_object_set_new(params, "lines", json_integer(f->begun ? LINES_AT_ONCE : 1));
	if (again) {
		json_object_set_new(params, "since", json_integer(f->newest));
		if (has_argument(f->row, "wait"))
			json_object_set_new(params, "wait", json_integer(WAIT_SECONDS));
	}
	int ret = shell_call(f->sh, f->row->name, params, &answer, NULL, err);
	/* By a new connection: nothing may be left out, so that it is asked for all. */
	if (!ret && again && f->connection != f->sh->connections) {
		json_decref(answer);
		return follower_look(f, err);
	}
	if (ret)
		return ret;
	json_t *lines = new_lines(f, answer);
	follower_print(f, lines);
	json_decref(lines);
	json_decref(answer);
	f->connection = f->sh->connections;
	f->begun = true;
	return 0;
}

static bool host_is_gone(int ret)
{
	return ret == -ECONNRESET || ret == -ENOTCONN || ret == -ENOENT || ret == -ECONNREFUSED || ret == -ECANCELED;
}

int follow_run(struct shell *sh, const struct api_method *row, json_t *params)
{
	struct follower f = {.sh = sh, .row = row, .params = params};
	struct error err;
	int ret = 0;
	bool waits = has_argument(row, "wait");
	json_t *lines = json_object_get(params, "lines");
	f.none_old = lines && !json_integer_value(lines);
	while (!interrupted()) {
		/* Ctrl-C lets the host answer: a log-in would not survive its connection. */
		interrupts_cancel(true);
		ret = follower_look(&f, &err);
		/* Where it was followed before, the host is waited for: it is being restarted. */
		if (ret && (!f.begun || !host_is_gone(ret) || sh->as_user))
			break;
		if (ret && !f.gone)
			shell_error(sh, 0, "the VMkernel is gone; this goes on when it is back");
		f.gone = ret != 0;
		if (ret || !waits)
			interrupt_wait(-1, PAUSE_MS);
	}
	json_decref(params);
	bool ended = interrupted();
	interrupts_forget();
	return !ret || ended ? SHELL_OK : shell_error(sh, SHELL_FAILED, "%s", err.text);
}

struct watch {
	double seconds;
	unsigned times; /* 0: until interrupted */
	int n;
	char *const *words;
};

/* -n and -c, then the command. */
static int watch_read(struct shell *sh, int n, char *const words[], struct watch *w)
{
	int at = 0;
	u64 times;
	char *end;
	*w = (struct watch){.seconds = 2};
	for (; at + 1 < n && words[at][0] == '-' && strchr("nc", words[at][1]) && words[at][1] && !words[at][2]; at += 2) {
		if (words[at][1] == 'c') {
			if (!parse_u64(words[at + 1], 1, 1000000, &times))
				return shell_error(sh, SHELL_USAGE, "-c is a number of times, 1 to 1000000");
			w->times = (unsigned)times;
			continue;
		}
		w->seconds = strtod(words[at + 1], &end);
		if (*end || !(w->seconds >= 0.1 && w->seconds <= 86400))
			return shell_error(sh, SHELL_USAGE, "-n is a number of seconds, 0.1 to 86400");
	}
	w->n = n - at;
	w->words = words + at;
	return w->n ? SHELL_OK : shell_error(sh, SHELL_USAGE, "which command? watch [-n <seconds>] [-c <times>] <command>...");
}

static struct words words_copy(const struct watch *w)
{
	struct words copy = {0};
	for (int k = 0; k < w->n; k++) {
		words_insert(&copy, k, xstrdup(w->words[k]));
		copy.literal[k] = true; /* what was a flag is taken */
	}
	return copy;
}

/* Only what shows something: the rest would happen again and again. */
static int watch_check(struct shell *sh, const struct watch *w)
{
	struct words_scope scope = variables_scope(sh);
	struct words words = words_copy(w);
	struct command c;
	struct error err;
	int used, status = SHELL_OK;
	if (alias_expand(sh, &scope, &words, 0, &err))
		status = shell_error(sh, SHELL_USAGE, "%s", err.text);
	else if (sh->follow)
		status = shell_error(sh, SHELL_USAGE, "--follow goes on by itself: leave watch away");
	else if (command_find(words.n, words.word, &c, &used) && (c.row->role != ROLE_VIEW || (c.run && c.run != run_vm_screen)))
		status = shell_error(sh, SHELL_USAGE, "watch is for commands that show something, not for %s", c.row->words);
	words_free(&words);
	return status;
}

/* One look, drawn over the last one without a moment of nothing between them. */
static void watch_draw(const struct shell *sh, const struct watch *w, const char *text)
{
	unsigned columns, rows;
	char when[32];
	time_t now = time(NULL);
	struct tm tm;
	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&now, &tm));
	char *command = words_join(w->n, w->words);
	char *heading = xasprintf("every %g s, %s: %s", w->seconds, when, command);
	terminal_size(STDOUT_FILENO, &columns, &rows);
	printf("\033[H%.*s\033[K\n\033[K", (int)terminal_cut(heading, columns), heading);
	for (unsigned row = 2; row < rows && *text; row++) {
		printf("\n%.*s%s\033[K", (int)terminal_cut(text, columns), text, sh->color ? "\033[0m" : "");
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	printf("\033[J");
	fflush(stdout);
	free(heading);
	free(command);
}

static int watch_once(struct shell *sh, const struct watch *w, bool screen)
{
	struct words words = words_copy(w);
	struct capture capture;
	bool json = sh->json_always, csv = sh->csv_always;
	/* --json was taken from among the words: it is the command's. */
	sh->json_always = sh->json;
	sh->csv_always = sh->csv;
	if (screen)
		capture_begin(&capture, true);
	int status = shell_run_words(sh, &words);
	if (screen) {
		capture_end(&capture);
		if (!interrupted())
			watch_draw(sh, w, capture.text);
		free(capture.text);
	}
	sh->json_always = json;
	sh->csv_always = csv;
	words_free(&words);
	return status;
}

int run_watch(struct shell *sh, int n, char *const words[])
{
	struct watch w;
	int status = watch_read(sh, n, words, &w);
	if (status == SHELL_OK)
		status = watch_check(sh, &w);
	if (status != SHELL_OK)
		return status;
	bool screen = isatty(STDOUT_FILENO);
	sh->watched = true;
	if (screen)
		fputs("\033[2J", stdout);
	/* On a screen one sees a failure come and go; a script has to be told of it. */
	for (unsigned k = 1;; k++) {
		status = watch_once(sh, &w, screen);
		if (status == SHELL_USAGE || (status != SHELL_OK && !screen) || k == w.times)
			break;
		if (!interrupt_wait(-1, (int)(w.seconds * 1000)))
			break;
		if (!screen)
			putchar('\n');
	}
	if (screen)
		putchar('\n');
	sh->watched = false;
	if (interrupted())
		status = SHELL_OK;
	interrupts_forget();
	return status;
}
