// SPDX-License-Identifier: GPL-2.0-or-later
/* command.c - see shell.h: words -> command -> the host's answer */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util.h"
#include "pam/login.h"
#include "shell/interrupt.h"
#include "shell/pager.h"
#include "shell/shell.h"

int shell_error(const struct shell *sh, int status, const char *fmt, ...)
{
	va_list args;
	char *text;
	fflush(stdout);
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	/* It may quote what somebody typed or a file said: nothing in it moves the cursor. */
	if (text)
		str_tame(text, false);
	if (sh->line)
		fprintf(stderr, "line %u: ", sh->line);
	else if (!sh->interactive)
		fputs("vmksh: ", stderr);
	fprintf(stderr, "%s\n", text ? text : "out of memory");
	free(text);
	return status;
}

unsigned command_count(void)
{
	return api_method_count + local_command_count;
}

struct command command_at(unsigned index)
{
	if (index >= api_method_count)
		return local_commands[index - api_method_count];
	return (struct command){.row = &api_methods[index]};
}

char *command_usage(const struct command *c)
{
	return c->usage ? xstrdup(c->usage) : api_usage(c->row);
}

/* How many words of `row` there are when words[] begins with all of them, else 0. */
static int words_match(const char *row, int n, char *const words[])
{
	int used = 0;
	while (*row) {
		size_t len = strcspn(row, " ");
		if (used == n || strlen(words[used]) != len || memcmp(words[used], row, len))
			return 0;
		used++;
		row += len + (row[len] == ' ');
	}
	return used;
}

bool command_find(int n, char *const words[], struct command *out, int *used)
{
	*used = 0;
	for (unsigned k = 0; k < command_count(); k++) {
		struct command c = command_at(k);
		int count = words_match(c.row->words, n, words);
		if (count > *used) {
			*out = c;
			*used = count;
		}
	}
	return *used > 0;
}

bool command_has_secret(struct shell *sh, const char *line)
{
	struct words w;
	struct command c;
	bool secret = false;
	int used;
	while (!secret && words_next(&line, NULL, &w, NULL) > 0) {
		command_flags_drop(&w);
		if (w.n)
			alias_expand(sh, NULL, &w, 0, NULL);
		secret = command_find(w.n, w.word, &c, &used) && strstr(c.row->args, ":secret");
		words_free(&w);
	}
	return secret;
}

static void client_keep(struct shell *sh, struct vmk_client *client)
{
	json_t *who;
	sh->connections++;
	vmk_disconnect(sh->client);
	sh->client = client;
	sh->user[0] = 0;
	sh->admin = false;
	if (vmk_call(client, "session.whoami", NULL, &who, NULL, NULL))
		return;
	const char *name = json_string_value(json_object_get(who, "user"));
	str_copy(sh->user, sizeof(sh->user), name ? name : "");
	sh->admin = json_is_true(json_object_get(who, "admin"));
	json_decref(who);
}

int shell_login(struct shell *sh, const char *user, struct error *err)
{
	int fd, ret = login_run(user, shell_ask, sh, &fd, err);
	if (!ret)
		client_keep(sh, vmk_client_from_fd(fd));
	return ret;
}

/* Whether the daemon closed the connection while nothing was asked of it. */
static bool client_lost(const struct shell *sh)
{
	struct pollfd p = {.fd = vmk_client_fd(sh->client), .events = POLLIN};
	char byte;
	if (p.fd < 0)
		return true;
	return poll(&p, 1, 0) > 0 && recv(p.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

int shell_connect(struct shell *sh, struct error *err)
{
	struct vmk_client *client;
	if (sh->client && !client_lost(sh))
		return 0;
	if (sh->client) {
		sh->connections++;
		return vmk_reconnect(sh->client, err);
	}
	if (sh->as_user)
		return shell_login(sh, sh->as_user, err);
	int ret = vmk_connect(&client, err);
	if (!ret)
		client_keep(sh, client);
	return ret;
}

/* Interrupted before it was begun, or afterwards with no answer: said as that, not as a host that hung up. */
int shell_call_by(struct shell *sh, const struct shell_way *way, const char *method, json_t *params, json_t **result, int *fd, struct error *err)
{
	int ret = shell_connect(sh, err);
	if (!ret && interrupted())
		ret = fail(err, -EINTR, "interrupted");
	if (ret) {
		json_decref(params);
		return ret;
	}
	vmk_set_dry_run(sh->client, sh->dry_run);
	interrupts_connection(vmk_client_fd(sh->client));
	if (way)
		ret = vmk_call_long(sh->client, method, params, way->progress, way->arg, result, fd, err);
	else
		ret = vmk_call(sh->client, method, params, result, fd, err);
	interrupts_connection(-1);
	vmk_set_dry_run(sh->client, false);
	if (ret == -ECONNRESET && interrupted())
		ret = fail(err, -EINTR, "interrupted; what the host had begun, it goes on with");
	return ret;
}

int shell_call(struct shell *sh, const char *method, json_t *params, json_t **result, int *fd, struct error *err)
{
	return shell_call_by(sh, NULL, method, params, result, fd, err);
}

json_t *shell_params(struct shell *sh, const struct api_method *row, int n, char *const words[])
{
	struct error err;
	json_t *params = NULL;
	if (api_parse_words(row, n, words, NULL, NULL, &params, &err) || api_check(row, params, &err)) {
		shell_error(sh, SHELL_USAGE, "%s", err.text);
		json_decref(params);
		return NULL;
	}
	return params;
}

/* A dry run checks everything but the secret: nobody has to type one for it. */
static int ask_nothing(void *arg, const char *prompt, char *buf, size_t size)
{
	(void)arg, (void)prompt, (void)size;
	buf[0] = 0;
	return 0;
}

static int row_run(struct shell *sh, const struct api_method *row, int n, char *const words[])
{
	struct error err;
	json_t *params, *result;
	int ret = api_parse_words(row, n, words, sh->dry_run ? ask_nothing : shell_ask_secret, sh, &params, &err);
	if (ret)
		return shell_error(sh, ret == -EINVAL ? SHELL_USAGE : SHELL_FAILED, "%s", err.text);
	if (sh->follow)
		return follow_run(sh, row, params);
	ret = task_call(sh, row, params, &result, &err);
	if (ret)
		return shell_error(sh, SHELL_FAILED, "%s", err.text);
	struct page page;
	page_begin(sh, &page);
	output_result(sh, row, result);
	page_end(sh, &page);
	json_decref(result);
	return SHELL_OK;
}

static int unknown_command(const struct shell *sh, int n, char *const words[])
{
	char typed[128];
	const char *best = NULL;
	unsigned best_distance = 3;
	snprintf(typed, sizeof(typed), "%.60s%s%.60s", words[0], n > 1 ? " " : "", n > 1 ? words[1] : "");
	for (unsigned k = 0; k < command_count(); k++) {
		const char *name = command_at(k).row->words;
		/* A command of one word is compared with the first one typed. */
		unsigned distance = edit_distance(strchr(name, ' ') ? typed : words[0], name);
		if (*name && distance < best_distance) {
			best_distance = distance;
			best = name;
		}
	}
	if (best)
		return shell_error(sh, SHELL_USAGE, "unknown command %s; did you mean %s?", typed, best);
	for (unsigned k = 0; n == 1 && k < command_count(); k++) {
		const char *name = command_at(k).row->words;
		if (str_starts(name, words[0]) && name[strlen(words[0])] == ' ')
			return shell_error(sh, SHELL_USAGE, "%s needs another word: see help %s", words[0], words[0]);
	}
	return shell_error(sh, SHELL_USAGE, "unknown command %s: see help", typed);
}

/* Words that are for the shell: they stand anywhere in a command. */
static bool flag_take(struct shell *sh, const char *word)
{
	if (!strcmp(word, "--json")) {
		sh->json = true;
		sh->csv = false;
	} else if (!strcmp(word, "--csv")) {
		sh->csv = true;
		sh->json = false;
	} else if (!strcmp(word, "--dry-run")) {
		sh->dry_run = true;
	} else if (!strcmp(word, "--follow")) {
		sh->follow = true;
	} else {
		return false;
	}
	return true;
}

/* All of them up to --; but in front only, where what follows is another command's text. */
static void flags_take(struct shell *sh, struct words *w)
{
	bool ended = false;
	sh->json = sh->json_always;
	sh->csv = sh->csv_always;
	sh->dry_run = sh->follow = false;
	for (int k = 0; k < w->n && !ended && strcmp(w->word[0], "alias");) {
		ended = !w->literal[k] && !strcmp(w->word[k], "--");
		if (ended || (!w->literal[k] && flag_take(sh, w->word[k])))
			words_remove(w, k);
		else
			k++;
	}
}

void command_flags_drop(struct words *w)
{
	struct shell nobody = {0};
	flags_take(&nobody, w);
}

bool command_changes(const struct command *c)
{
	return c->row->role != ROLE_VIEW && (!c->run || c->row->role != ROLE_ANYONE);
}

/* What a command cannot do is said before it does anything. */
static int flags_check(const struct shell *sh, const struct command *c)
{
	if (sh->dry_run && !command_changes(c) && (c->run || c->row->role != ROLE_VIEW))
		return shell_error(sh, SHELL_USAGE, "--dry-run is for commands that change something on the host: %s does not", c->row->words);
	if (sh->follow && !follow_possible(c))
		return shell_error(sh, SHELL_USAGE, "--follow is for events and log, not for %s", c->row->words);
	return SHELL_OK;
}

int shell_run_words(struct shell *sh, struct words *w)
{
	struct words_scope scope = variables_scope(sh);
	struct command c;
	struct error err;
	int used, first = 0;
	while (first < w->n && !w->literal[first] && str_starts(w->word[first], "--"))
		first++;
	if (first < w->n && alias_expand(sh, &scope, w, first, &err))
		return shell_error(sh, SHELL_USAGE, "%s", err.text);
	flags_take(sh, w);
	if (!w->n)
		return SHELL_OK;
	if (!command_find(w->n, w->word, &c, &used))
		return unknown_command(sh, w->n, w->word);
	int status = flags_check(sh, &c);
	if (status == SHELL_OK)
		status = c.run ? c.run(sh, w->n - used, w->word + used) : row_run(sh, c.row, w->n - used, w->word + used);
	stdout_flush();
	return status;
}

bool shell_goes_on(const struct shell *sh, int status)
{
	return !sh->leave && !interrupted() && (status == SHELL_OK || sh->keep_going);
}

int shell_ends(const struct shell *sh, int status)
{
	return status == SHELL_OK && interrupted() && !sh->interactive ? shell_error(sh, SHELL_FAILED, "interrupted") : status;
}

int shell_run(struct shell *sh, const char *line)
{
	struct words_scope scope = variables_scope(sh);
	struct words w;
	struct error err;
	/* A line of blanks and comments changes nothing. */
	int status = sh->keep_going || sh->interactive ? sh->last_status : SHELL_OK;
	for (;;) {
		int got = words_next(&line, &scope, &w, &err);
		/* What follows a mistake of spelling cannot be told apart from it. */
		if (got < 0)
			status = sh->last_status = shell_error(sh, SHELL_USAGE, "%s", err.text);
		if (got <= 0)
			return status;
		bool empty = !w.n;
		if (!empty)
			status = sh->last_status = shell_run_words(sh, &w);
		words_free(&w);
		if (!empty && !shell_goes_on(sh, status))
			return status;
	}
}

void shell_free(struct shell *sh)
{
	variables_free(sh);
	aliases_free(sh);
	vmk_disconnect(sh->client);
	sh->client = NULL;
}
