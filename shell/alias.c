// SPDX-License-Identifier: GPL-2.0-or-later
/* alias.c - see shell.h: short names for commands, kept in a file of the user's */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "shell/local.h"

#define FILE_MAX_BYTES (256 * 1024)
#define ALIASES_MAX 500
#define NESTING_MAX 16 /* an alias of an alias of... */

struct aliases {
	char **name, **text; /* the user's, in the file's order */
	unsigned count;
};

static const struct alias built_in[] = {
#define ALIAS(name_, text_) {.name = name_, .text = text_, .built_in = true},
#include "shell/aliases.def"
#undef ALIAS
};

static char *file_path(void)
{
	const char *home = getenv("HOME");
	return home && home[0] == '/' ? xasprintf("%s/.vmksh_aliases", home) : NULL;
}

static int place_of(const struct aliases *a, const char *name)
{
	for (unsigned k = 0; k < a->count; k++)
		if (!strcmp(a->name[k], name))
			return (int)k;
	return -1;
}

static void drop(struct aliases *a, unsigned at)
{
	free(a->name[at]);
	free(a->text[at]);
	a->count--;
	memmove(&a->name[at], &a->name[at + 1], (a->count - at) * sizeof(char *));
	memmove(&a->text[at], &a->text[at + 1], (a->count - at) * sizeof(char *));
}

static void put(struct aliases *a, const char *name, const char *text)
{
	int at = place_of(a, name);
	if (at >= 0)
		drop(a, (unsigned)at);
	a->name = xrealloc(a->name, (a->count + 1) * sizeof(char *));
	a->text = xrealloc(a->text, (a->count + 1) * sizeof(char *));
	a->name[a->count] = xstrdup(name);
	a->text[a->count++] = xstrdup(text);
}

/* Letters, digits and _ . ? ! -, and no - in front: nothing that means something on a line. */
static bool is_name(const char *name)
{
	if (!*name || *name == '-' || strlen(name) > 32)
		return false;
	for (const char *c = name; *c; c++)
		if (!(*c & 0x80) && !isalnum(*c) && !strchr("_.?!-", *c))
			return false;
	return true;
}

/* A command's first word stays that command: what an administrator or a script types means one thing everywhere. */
static bool is_command(const char *name)
{
	size_t len = strlen(name);
	for (unsigned k = 0; k < command_count(); k++) {
		const char *words = command_at(k).row->words;
		if (len && strcspn(words, " ") == len && !memcmp(words, name, len))
			return true;
	}
	return false;
}

/* Whether `text` is one command, and nothing in it reaches the terminal that should not. */
static bool is_text(const char *text, struct error *err)
{
	struct words w;
	const char *p = text;
	for (const char *c = text; *c; c++)
		if (str_control(c, NULL))
			return !fail(err, -EINVAL, "an alias holds no control characters");
	if (words_next(&p, NULL, &w, err) < 0)
		return false;
	bool one = !*p && w.n;
	words_free(&w);
	return one || !fail(err, -EINVAL, "an alias stands for one command");
}

/* Lines name=text; what is not one is left out, so that a damaged file costs no more than itself. */
static void file_parse(struct aliases *a, char *text)
{
	struct error err;
	char *save;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *equals = strchr(line, '=');
		if (!equals || line[0] == '#' || a->count == ALIASES_MAX)
			continue;
		*equals = 0;
		if (is_name(line) && is_text(equals + 1, &err))
			put(a, line, equals + 1);
	}
}

/*
 * Only a file of the caller's own is read: an administrator whose HOME is still another user's (by sudo or su) must not run
 * what that one wrote there.
 */
static int file_read(struct aliases *a, struct error *err)
{
	struct stat st;
	char *path = file_path(), *text;
	size_t len;
	int ret = 0, fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
	if (path && fd < 0 && errno != ENOENT)
		ret = fail(err, -errno, "cannot open %s: %m", path);
	else if (fd >= 0 && (fstat(fd, &st) || st.st_uid != geteuid() || st.st_mode & 022 || !S_ISREG(st.st_mode)))
		ret = fail(err, -EPERM, "the aliases of %s are not taken: it has to be a file only you may write to", path);
	else if (fd >= 0)
		ret = read_fd(fd, path, FILE_MAX_BYTES, &text, &len, err);
	if (!ret && fd >= 0) {
		file_parse(a, text);
		free(text);
	}
	if (fd >= 0)
		close(fd);
	free(path);
	return ret;
}

static int file_write(const struct aliases *a, struct error *err)
{
	char *path = file_path(), *text = xstrdup("# Aliases of vmksh, name=command; written by its alias and unalias.\n");
	if (!path) {
		free(text);
		return fail(err, -ENOENT, "HOME is no folder: the alias cannot be kept");
	}
	for (unsigned k = 0; k < a->count; k++) {
		char *longer = xasprintf("%s%s=%s\n", text, a->name[k], a->text[k]);
		free(text);
		text = longer;
	}
	int ret = replace_file(path, text, strlen(text), 0600, err);
	free(text);
	free(path);
	return ret;
}

static struct aliases *aliases_of(struct shell *sh)
{
	struct error err;
	if (!sh->aliases) {
		sh->aliases = xcalloc(1, sizeof(*sh->aliases));
		if (file_read(sh->aliases, &err))
			shell_error(sh, 0, "%s", err.text);
	}
	return sh->aliases;
}

void aliases_free(struct shell *sh)
{
	struct aliases *a = sh->aliases;
	if (!a)
		return;
	while (a->count)
		drop(a, a->count - 1);
	free(a->name);
	free(a->text);
	free(a);
	sh->aliases = NULL;
}

bool alias_at(struct shell *sh, unsigned index, struct alias *out)
{
	const struct aliases *a = aliases_of(sh);
	if (index < a->count) {
		*out = (struct alias){.name = a->name[index], .text = a->text[index]};
		return true;
	}
	for (unsigned k = 0, at = a->count; k < ARRAY_SIZE(built_in); k++) {
		if (place_of(a, built_in[k].name) >= 0 || at++ < index)
			continue;
		*out = built_in[k];
		return true;
	}
	return false;
}

static bool alias_find(struct shell *sh, const char *name, struct alias *out)
{
	for (unsigned k = 0; alias_at(sh, k, out); k++)
		if (!strcmp(out->name, name))
			return true;
	return false;
}

int alias_expand(struct shell *sh, const struct words_scope *scope, struct words *w, int at, struct error *err)
{
	struct alias a;
	char *typed = xstrdup(w->word[at]);
	int ret = 0;
	for (int depth = 0; !ret && at < w->n && !is_command(w->word[at]) && alias_find(sh, w->word[at], &a); depth++) {
		struct words own;
		const char *text = a.text;
		if (depth == NESTING_MAX) {
			ret = fail(err, -ELOOP, "the alias %.32s leads back to itself: see alias", typed);
			break;
		}
		ret = words_next(&text, scope, &own, err) < 0 ? -EINVAL : 0;
		if (ret)
			break;
		words_remove(w, at);
		for (int k = 0; k < own.n; k++) {
			words_insert(w, at + k, xstrdup(own.word[k]));
			w->literal[at + k] = own.literal[k];
		}
		words_free(&own);
	}
	free(typed);
	return ret;
}

static void alias_print(const struct shell *sh, const struct alias *a)
{
	json_t *one = json_pack("[{s:s, s:s, s:s}]", "name", a->name, "command", a->text, "from", a->built_in ? "vmksh" : "you");
	output_result(sh, &row_alias, one);
	json_decref(one);
}

static void aliases_print(struct shell *sh)
{
	struct alias a;
	json_t *all = json_array();
	for (unsigned k = 0; alias_at(sh, k, &a); k++)
		json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "name", a.name, "command", a.text, "from", a.built_in ? "vmksh" : "you"));
	output_result(sh, &row_alias, all);
	json_decref(all);
}

/* What other shells of the user's wrote meanwhile is kept. */
static int aliases_change(struct shell *sh, const char *name, const char *text)
{
	struct error err;
	aliases_free(sh);
	struct aliases *a = sh->aliases = xcalloc(1, sizeof(*a));
	if (file_read(a, &err))
		return shell_error(sh, SHELL_FAILED, "%s", err.text);
	int at = place_of(a, name);
	if (at >= 0)
		drop(a, (unsigned)at);
	if (text && a->count == ALIASES_MAX)
		return shell_error(sh, SHELL_FAILED, "there are %d aliases already: unalias some", ALIASES_MAX);
	if (text)
		put(a, name, text);
	if (!file_write(a, &err))
		return SHELL_OK;
	aliases_free(sh); /* as the file has it */
	return shell_error(sh, SHELL_FAILED, "%s", err.text);
}

static int alias_define(struct shell *sh, const char *name, const char *text)
{
	struct error err;
	if (!is_name(name))
		return shell_error(sh, SHELL_USAGE, "%.60s cannot be an alias: up to 32 letters, digits and _ . ? ! -", name);
	if (is_command(name))
		return shell_error(sh, SHELL_USAGE, "%s is a command and stays one: see help %s", name, name);
	if (!is_text(text, &err))
		return shell_error(sh, SHELL_USAGE, "%s", err.text);
	return aliases_change(sh, name, text);
}

/* alias; alias NAME; alias NAME=COMMAND; alias NAME COMMAND, in one word or several. */
int run_alias(struct shell *sh, int n, char *const words[])
{
	struct alias a;
	if (!n) {
		aliases_print(sh);
		return SHELL_OK;
	}
	char *equals = strchr(words[0], '=');
	if (n == 1 && !equals) {
		if (!alias_find(sh, words[0], &a))
			return shell_error(sh, SHELL_FAILED, "there is no alias %.60s", words[0]);
		alias_print(sh, &a);
		return SHELL_OK;
	}
	char *name = equals ? strndup(words[0], (size_t)(equals - words[0])) : xstrdup(words[0]);
	/* ll='vm list' is the command; ll vm show 'my vm' are its words. */
	char *rest = words_join(n - 1, words + 1);
	char *text = equals ? xasprintf("%s%s%s", equals + 1, n > 1 ? " " : "", rest) : n == 2 ? xstrdup(words[1]) : xstrdup(rest);
	int status = alias_define(sh, name, text);
	free(text);
	free(rest);
	free(name);
	return status;
}

int run_unalias(struct shell *sh, int n, char *const words[])
{
	struct alias a;
	if (n != 1)
		return shell_error(sh, SHELL_USAGE, "one name is needed: unalias <name>");
	if (!alias_find(sh, words[0], &a))
		return shell_error(sh, SHELL_FAILED, "there is no alias %.60s", words[0]);
	if (a.built_in)
		return shell_error(sh, SHELL_FAILED, "%s is a short name of vmksh's own; an alias of that name comes before it", words[0]);
	return aliases_change(sh, words[0], NULL);
}
