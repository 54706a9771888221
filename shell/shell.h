/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shell.h - vmksh: an administrator's shell over the host's one door.
 *
 * Commands are the rows of api.def and the few rows of local.c that need a terminal or more than one call; words, help,
 * completion, tables and --json come from the row. The shell decides nothing: it asks, and prints the answer.
 */
#ifndef VMK_SHELL_SHELL_H
#define VMK_SHELL_SHELL_H

#include <jansson.h>

#include "api/api.h"
#include "api/client.h"

/* Exit statuses. */
enum { SHELL_OK, SHELL_FAILED, SHELL_USAGE };

struct shell {
	struct vmk_client *client; /* NULL: not connected yet */
	char user[64];		   /* whom the host takes us for; "" = not asked yet */
	bool admin;
	const char *as_user; /* -u: log in as */
	bool interactive;    /* readline on a terminal */
	bool color, utf8;
	bool json_always, json; /* --json of the program, of this command */
	bool leave;		/* exit was given */
	int exit_status;
	unsigned line; /* of the script, 0 = not a script */
	bool script_on_stdin;
};

/* A command: a row of api.def, or one of ours with a function. */
struct command {
	const struct api_method *row;
	const char *usage; /* NULL: api_usage() of the row */
	int (*run)(struct shell *sh, int n, char *const words[]); /* NULL: call the host */
};
unsigned command_count(void);
struct command command_at(unsigned index);
char *command_usage(const struct command *c); /* caller frees */
/* The command whose words begin words[]; *used = how many of them it took. false when there is none. */
bool command_find(int n, char *const words[], struct command *out, int *used);
bool command_has_secret(const char *line);
/* Runs all commands of a line; SHELL_ status of the last, or of the first that failed. */
int shell_run(struct shell *sh, const char *line);
/* Prints "line 3: sentence" (or as fits where the command came from) on stderr and returns `status`. */
int shell_error(const struct shell *sh, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Connects when that is still to be done, reconnects when the daemon was restarted. */
int shell_connect(struct shell *sh, struct error *err);
int shell_login(struct shell *sh, const char *user, struct error *err);
/* vmk_call() with a connection made when needed; steals params. */
int shell_call(struct shell *sh, const char *method, json_t *params, json_t **result, int *fd, struct error *err);
/* For api_parse_words() and login_run(): asks on the terminal (or reads a line of stdin), twice for a new secret. */
int shell_ask_secret(void *sh, const char *prompt, char *buf, size_t size);
int shell_ask(void *sh, const char *prompt, bool echo, char *buf, size_t size);
/* Words of a local row -> params, without secrets; prints what is wrong and returns NULL. */
json_t *shell_params(struct shell *sh, const struct api_method *row, int n, char *const words[]);

/* words.c: blanks part words; '...' takes all as it is, "..." and \ as in sh; # begins a comment; ; ends a command. */
struct words {
	char **word;
	int n;
};
/* The next command of *line, which moves on; 1 got one (maybe empty), 0 at the end, -EINVAL with a sentence. */
int words_next(const char **line, struct words *w, struct error *err);
void words_free(struct words *w);
/* `text` so that words_next() gives it back as one word; caller frees. */
char *words_quote(const char *text);

/* output.c */
void output_result(const struct shell *sh, const struct api_method *row, json_t *result);
void output_json(json_t *value);
/* The commands that begin with words[], one alone with its arguments; returns how many there are. */
unsigned output_help(const struct shell *sh, int n, char *const words[]);

/* local.c */
extern const struct command local_commands[];
extern const unsigned local_command_count;

/* line.c: readline, its completion and history */
int shell_interact(struct shell *sh);

/* console.c: the terminal attached to a machine, until its user detaches (SHELL_OK) or it ends. */
struct viewer;
struct keymap;
struct console_options {
	const char *name;
	bool serial;	/* begin with the serial line */
	unsigned line;	/* COM1-4 */
	bool utf8;
	const struct keymap *map; /* the machine's */
	bool view_only; /* for the status line: keys are dropped by the machine */
};
int console_run(struct viewer *v, const struct console_options *o);

#endif
