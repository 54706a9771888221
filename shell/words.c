// SPDX-License-Identifier: GPL-2.0-or-later
/* words.c - see shell.h: a line as commands and words */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "shell/shell.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_end(char c)
{
	return c == 0 || c == '\n' || c == ';';
}

/* One word from *p on, which is not blank; NULL when a quote is left open. */
static char *word_take(const char **p, struct error *err)
{
	const char *s = *p, *home = getenv("HOME");
	bool tilde = s[0] == '~' && home && (s[1] == '/' || is_blank(s[1]) || is_end(s[1]));
	char *word = xcalloc(strlen(s) + (tilde ? strlen(home) : 0) + 1, 1), *to = word, quote = 0;
	if (tilde) {
		to = stpcpy(to, home);
		s++;
	}
	for (; *s && (quote || (!is_blank(*s) && !is_end(*s))); s++) {
		if (quote && *s == quote) {
			quote = 0;
		} else if (!quote && (*s == '\'' || *s == '"')) {
			quote = *s;
		} else if (*s == '\\' && s[1] && quote != '\'' && (!quote || strchr("\"\\", s[1]))) {
			*to++ = *++s;
		} else {
			*to++ = *s;
		}
	}
	*p = s;
	if (!quote)
		return word;
	fail(err, -EINVAL, "the quote %c is not closed", quote);
	free(word);
	return NULL;
}

int words_next(const char **line, struct words *w, struct error *err)
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
		char *word = word_take(&p, err);
		if (!word) {
			words_free(w);
			return -EINVAL;
		}
		w->word = xrealloc(w->word, (size_t)(w->n + 2) * sizeof(char *));
		w->word[w->n++] = word;
		w->word[w->n] = NULL;
	}
	*line = *p ? p + 1 : p;
	return 1;
}

void words_free(struct words *w)
{
	for (int k = 0; k < w->n; k++)
		free(w->word[k]);
	free(w->word);
	*w = (struct words){0};
}

char *words_quote(const char *text)
{
	char *quoted = xcalloc(strlen(text) * 2 + 3, 1), *to = quoted;
	if (!*text)
		return strcpy(quoted, "''");
	for (; *text; text++) {
		if (strchr(" \t\r\n;#'\"\\~", *text))
			*to++ = '\\';
		*to++ = *text;
	}
	return quoted;
}
