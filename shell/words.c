// SPDX-License-Identifier: GPL-2.0-or-later
/* words.c - see shell.h: a line as commands and words */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "shell/shell.h"

/* A word that grows. */
struct text {
	char *bytes;
	size_t len, size;
};

static void text_add(struct text *t, const char *bytes, size_t len)
{
	if (t->len + len + 1 > t->size) {
		t->size = (t->len + len + 1) * 2;
		t->bytes = xrealloc(t->bytes, t->size);
	}
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
	t->bytes[t->len] = 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_end(char c)
{
	return c == 0 || c == '\n' || c == ';';
}

size_t words_name_length(const char *text)
{
	size_t len = 0;
	while (isascii(text[len]) && (isalpha(text[len]) || text[len] == '_' || (len && isdigit(text[len]))))
		len++;
	return len;
}

/*
 * The variable at the '$' of *s: its value is added and *s moves to its last character. 0 when that is no variable's name: the
 * '$' is one of the text.
 */
static int variable_take(const char **s, const struct words_scope *scope, struct text *word, struct error *err)
{
	const char *name = *s + 1;
	bool braced = *name == '{';
	name += braced;
	size_t len = *name == '?' ? 1 : words_name_length(name);
	if (!len || (braced && name[len] != '}'))
		return braced ? fail(err, -EINVAL, "${ begins a variable that does not end: ${name}; \\$ is a dollar sign") : 0;
	char *copy = xcalloc(len + 1, 1);
	memcpy(copy, name, len);
	const char *value = scope->variable(scope->arg, copy);
	int ret = value ? 1 : fail(err, -EINVAL, "the variable $%.60s is not set: set %.60s=... (\\$ is a dollar sign)", copy, copy);
	if (value)
		text_add(word, value, strlen(value));
	free(copy);
	*s = name + len - 1 + braced;
	return ret;
}

/* One word from *p on, which is not blank; NULL when it is not one. *literal: see struct words. */
static char *word_take(const char **p, const struct words_scope *scope, bool *literal, struct error *err)
{
	const char *s = *p, *home = getenv("HOME");
	struct text word = {0};
	char quote = 0;
	int ret = 0;
	text_add(&word, "", 0);
	*literal = false;
	if (s[0] == '~' && home && (s[1] == '/' || is_blank(s[1]) || is_end(s[1]))) {
		text_add(&word, home, strlen(home));
		s++;
	}
	for (; *s && (quote || (!is_blank(*s) && !is_end(*s))); s++) {
		if (quote && *s == quote) {
			quote = 0;
		} else if (!quote && (*s == '\'' || *s == '"')) {
			quote = *s;
			*literal = true;
		} else if (*s == '\\' && s[1] && quote != '\'' && (!quote || strchr("\"\\$", s[1]))) {
			text_add(&word, ++s, 1);
			*literal = true;
		} else if (*s == '$' && quote != '\'' && scope && (ret = variable_take(&s, scope, &word, err))) {
			if (ret < 0)
				break;
			*literal = true;
		} else {
			text_add(&word, s, 1);
		}
	}
	*p = s;
	if (ret >= 0 && !quote)
		return word.bytes;
	if (ret >= 0)
		fail(err, -EINVAL, "the quote %c is not closed", quote);
	free(word.bytes);
	return NULL;
}

int words_next(const char **line, const struct words_scope *scope, struct words *w, struct error *err)
{
	const char *p = *line;
	*w = (struct words){0};
	if (!*p)
		return 0;
	for (;;) {
		while (is_blank(*p))
			p++;
		if (*p == '#')
			p += strcspn(p, "\n");
		if (is_end(*p))
			break;
		bool literal;
		char *word = word_take(&p, scope, &literal, err);
		if (!word) {
			words_free(w);
			return -EINVAL;
		}
		words_insert(w, w->n, word);
		w->literal[w->n - 1] = literal;
	}
	*line = *p ? p + 1 : p;
	return 1;
}

void words_insert(struct words *w, int at, char *word)
{
	w->word = xrealloc(w->word, (size_t)(w->n + 2) * sizeof(char *));
	w->literal = xrealloc(w->literal, (size_t)(w->n + 1) * sizeof(bool));
	memmove(w->word + at + 1, w->word + at, (size_t)(w->n - at) * sizeof(char *));
	memmove(w->literal + at + 1, w->literal + at, (size_t)(w->n - at) * sizeof(bool));
	w->word[at] = word;
	w->literal[at] = false;
	w->word[++w->n] = NULL;
}

void words_remove(struct words *w, int at)
{
	free(w->word[at]);
	w->n--;
	memmove(w->word + at, w->word + at + 1, (size_t)(w->n - at) * sizeof(char *));
	memmove(w->literal + at, w->literal + at + 1, (size_t)(w->n - at) * sizeof(bool));
	w->word[w->n] = NULL;
}

void words_free(struct words *w)
{
	for (int k = 0; k < w->n; k++)
		free(w->word[k]);
	free(w->word);
	free(w->literal);
	*w = (struct words){0};
}

char *words_quote(const char *text)
{
	char *quoted = xcalloc(strlen(text) * 2 + 3, 1), *to = quoted;
	if (!*text)
		return strcpy(quoted, "''");
	for (; *text; text++) {
		if (strchr(" \t\r\n;#'\"\\~$", *text))
			*to++ = '\\';
		*to++ = *text;
	}
	return quoted;
}

char *words_join(int n, char *const words[])
{
	char *line = xstrdup("");
	for (int k = 0; k < n; k++) {
		char *quoted = words_quote(words[k]), *longer = xasprintf("%s%s%s", line, k ? " " : "", quoted);
		free(quoted);
		free(line);
		line = longer;
	}
	return line;
}
