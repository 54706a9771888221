// uses: shell pam api lib -ljansson -lreadline -lpng -lxkbcommon
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of vmksh: their words with variables and aliases, read back once they are quoted; the same lines run by a shell whose host
 * is not there; and completion at every line's end.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "shell/complete.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A host and a home that are nowhere: nothing is asked, read or kept. */
static void surroundings_make(void)
{
	static bool made;
	if (made)
		return;
	made = true;
	setenv("HOME", "/nonexistent", 1);
	set_root("/nonexistent");
}

/* Quoted and read again, with no variables left, a word is what it was. */
static void word_check(const char *word)
{
	struct words w;
	char *quoted = words_quote(word);
	const char *p = quoted;
	BUG_ON(words_next(&p, NULL, &w, NULL) != 1 || w.n != 1 || strcmp(w.word[0], word) || *p);
	words_free(&w);
	free(quoted);
}

static void line_check(struct shell *sh, const char *line)
{
	struct words_scope scope = variables_scope(sh);
	struct words w;
	struct error err;
	struct completion c;
	for (const char *p = line; words_next(&p, &scope, &w, &err) > 0; words_free(&w)) {
		for (int k = 0; k < w.n; k++)
			word_check(w.word[k]);
		if (w.n)
			alias_expand(sh, &scope, &w, 0, &err);
	}
	const char *blank = strrchr(line, ' ');
	char *before = blank ? strndup(line, (size_t)(blank + 1 - line)) : xstrdup("");
	complete(sh, before, blank ? blank + 1 : line, &c);
	for (unsigned k = 0; k < c.count; k++)
		BUG_ON(strncmp(c.choices[k], blank ? blank + 1 : line, strlen(blank ? blank + 1 : line)) &&
		       strncasecmp(c.choices[k], blank ? blank + 1 : line, strlen(blank ? blank + 1 : line)));
	complete_free(&c);
	free(before);
}

/* Those that would wait for a time, or open files by their names. */
static bool takes_its_time(const char *line)
{
	return strstr(line, "watch") || strstr(line, "top") || strstr(line, "wait") || strstr(line, "login") || strstr(line, "passwd") ||
	       strstr(line, "add");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct shell sh = {.keep_going = true};
	surroundings_make();
	if (size > 4096)
		return 0;
	char *text = xcalloc(size + 1, 1), *save;
	memcpy(text, data, size);
	/* What the shell says goes nowhere; what this program says does not. */
	FILE *out = stdout, *err = stderr, *none = fopen("/dev/null", "w");
	BUG_ON(!none);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line_check(&sh, line);
		if (takes_its_time(line))
			continue;
		stdout = stderr = none;
		shell_run(&sh, line);
		stdout = out;
		stderr = err;
		sh.leave = false;
	}
	fclose(none);
	shell_free(&sh);
	free(text);
	return 0;
}
