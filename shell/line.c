// SPDX-License-Identifier: GPL-2.0-or-later
/* line.c - see shell.h: the interactive shell, readline's side of it */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "lib/util.h"
#include "shell/complete.h"
#include "shell/interrupt.h"
#include "shell/shell.h"

#define HISTORY_MAX 1000

/* readline's callbacks have no argument. */
static struct shell *the_shell;
static struct completion candidates;

/* The terminal, opened anew so that reading it does not wait; -1: it may not be, as after su. */
static int keys_fd = -1;

/*
 * Ctrl-C drops the line: readline is told of an Enter (one that ends a search as well), and what it returns is thrown away. The
 * terminal throws away what was typed before it (termios(3), NOFLSH), maybe after poll() has told of it: read() must not wait then.
 */
static int key_read(FILE *stream)
{
	struct pollfd p = {.fd = fileno(stream), .events = POLLIN};
	unsigned char key;
	ssize_t n = -1;
	for (errno = EAGAIN; n < 0 && !interrupted() && (errno == EAGAIN || errno == EINTR);) {
		while (interrupt_wait(p.fd, -1) && poll(&p, 1, 0) <= 0)
			rl_check_signals(); /* a new window size */
		if (interrupted())
			break;
		if (keys_fd < 0)
			return rl_getc(stream);
		n = read(keys_fd, &key, 1);
	}
	if (!interrupted())
		return n == 1 ? key : EOF;
	write_full(STDOUT_FILENO, "^C", 2);
	return '\r';
}

static char *next_candidate(const char *text, int state)
{
	static unsigned next;
	(void)text;
	if (!state)
		next = 0;
	return next < candidates.count ? strdup(candidates.choices[next++]) : NULL;
}

/* A word as it is typed, without its quotes. */
static char *dequote(char *text, int quote)
{
	char *plain = xcalloc(strlen(text) + 1, 1), *to = plain;
	for (; *text; text++) {
		if (quote && *text == quote)
			continue;
		if (*text == '\\' && quote != '\'' && text[1] && (!quote || strchr("\"\\$", text[1])))
			text++;
		*to++ = *text;
	}
	return plain;
}

/* A completion as it has to be typed: inside an open quote only what ends or escapes it, else with backslashes. */
static char *quote_word(char *text, int match, char *quote)
{
	if (candidates.variable)
		return xasprintf("%s%s", *quote == '"' ? "\"" : "", text);
	/* The home folder stays the home folder. */
	if (!*quote && str_starts(text, "~/")) {
		char *rest = words_quote(text + 2), *whole = xasprintf("~/%s", text[2] ? rest : "");
		free(rest);
		return whole;
	}
	if (!*quote)
		return words_quote(text);
	char *quoted = xcalloc(strlen(text) * 2 + 3, 1), *to = quoted;
	*to++ = *quote;
	for (; *text; text++) {
		if (*quote == '"' && strchr("\"\\$", *text))
			*to++ = '\\';
		*to++ = *text;
	}
	if (match == SINGLE_MATCH && !candidates.no_blank)
		*to = *quote;
	return quoted;
}

/* Whether the blank, quote or ; at `at` is escaped by a backslash. */
static int is_escaped(char *text, int at)
{
	int count = 0;
	while (at > 0 && text[--at] == '\\')
		count++;
	return count & 1;
}

static char **attempt(const char *text, int start, int end)
{
	(void)end;
	/* Inside a quote readline's word begins behind it. */
	while (start > 0 && rl_completion_quote_character && rl_line_buffer[start - 1] == rl_completion_quote_character)
		start--;
	char *line = strndup(rl_line_buffer, (size_t)start);
	char *word = dequote((char *)text, rl_completion_quote_character);
	complete_free(&candidates);
	if (line)
		complete(the_shell, line, word, &candidates);
	free(word);
	free(line);
	rl_attempted_completion_over = 1;
	rl_filename_completion_desired = 0;
	char **matches = rl_completion_matches(text, next_candidate);
	/* Names with blanks are quoted as files' names are. */
	rl_filename_completion_desired = matches != NULL;
	rl_ignore_completion_duplicates = 1;
	if (candidates.no_blank)
		rl_completion_append_character = 0;
	return matches;
}

static char *history_path(const struct shell *sh)
{
	const char *home = getenv("HOME");
	if (!home || home[0] != '/')
		return NULL;
	/* Lines typed as somebody else are kept apart. */
	return sh->as_user ? xasprintf("%s/.vmksh_history-%s", home, sh->user) : xasprintf("%s/.vmksh_history", home);
}

/*
 * Whether the file (or the place where it will be) is the caller's own: an administrator whose HOME is still another user's, by
 * sudo or su, neither reads lines of that one's nor leaves him some.
 */
static bool history_is_ours(const char *path)
{
	struct stat file, folder;
	char *copy = xstrdup(path);
	bool ours = stat(dirname(copy), &folder) == 0 && (folder.st_uid == geteuid() || folder.st_uid == 0);
	free(copy);
	if (lstat(path, &file))
		return ours && errno == ENOENT;
	return ours && S_ISREG(file.st_mode) && file.st_uid == geteuid();
}

/* Only its owner reads it, also when an earlier version or an editor left it open. */
static void history_shorten(const char *path)
{
	if (!path)
		return;
	history_truncate_file(path, HISTORY_MAX);
	chmod(path, 0600);
}

static void history_load(const char *path)
{
	using_history();
	stifle_history(HISTORY_MAX);
	if (!path || access(path, F_OK))
		return;
	history_shorten(path);
	read_history(path);
}

/* At once: a terminal that vanishes ends us, and other shells of the user's keep theirs. */
static void history_append(const char *path, const char *line)
{
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (fd < 0)
		return;
	fchmod(fd, 0600);
	char *whole = xasprintf("%s\n", line);
	write_full(fd, whole, strlen(whole));
	free(whole);
	close(fd);
}

static void history_note(struct shell *sh, const char *path, const char *line)
{
	HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;
	if (!*line || (last && !strcmp(last->line, line)) || command_has_secret(sh, line))
		return;
	add_history(line);
	history_append(path, line);
}

static char *prompt_text(const struct shell *sh)
{
	const char *on = sh->color ? "\001\033[1m\002" : "", *off = sh->color ? "\001\033[0m\002" : "";
	return xasprintf("%svmk%s%s%s %s", on, *sh->user ? ":" : "", sh->user, sh->admin ? "#" : ">", off);
}

static void readline_prepare(void)
{
	rl_readline_name = "vmksh";
	rl_catch_signals = 0; /* ours: on_interrupt() */
	rl_getc_function = key_read;
	rl_attempted_completion_function = attempt;
	rl_basic_word_break_characters = " \t;=";
	rl_completer_word_break_characters = (char *)" \t;=";
	rl_completer_quote_characters = "'\"";
	rl_filename_quote_characters = " \t;#'\"\\~$";
	rl_filename_quoting_function = quote_word;
	rl_filename_dequoting_function = dequote;
	rl_char_is_quoted_p = is_escaped;
}

int shell_interact(struct shell *sh)
{
	the_shell = sh;
	interrupts_catch();
	readline_prepare();
	keys_fd = open("/proc/self/fd/0", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *path = history_path(sh);
	if (path && !history_is_ours(path)) {
		free(path);
		path = NULL;
	}
	history_load(path);
	while (!sh->leave) {
		char *prompt = prompt_text(sh);
		interrupts_forget();
		char *line = readline(prompt);
		free(prompt);
		if (!line) {
			puts("exit");
			sh->leave = true;
		} else if (!interrupted()) {
			history_note(sh, path, line);
			int status = shell_run(sh, line);
			sh->exit_status = sh->leave ? sh->exit_status : status;
		}
		free(line);
	}
	history_shorten(path);
	free(path);
	complete_free(&candidates);
	return sh->exit_status;
}
