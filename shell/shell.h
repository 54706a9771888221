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
#include <stdio.h>

#include "api/api.h"
#include "api/client.h"

/* Exit statuses. */
enum { SHELL_OK, SHELL_FAILED, SHELL_USAGE };

struct variables;
struct aliases;
struct words;

struct shell {
	struct vmk_client *client; /* NULL: not connected yet */
	char user[64];		   /* whom the host takes us for; "" = not asked yet */
	bool admin;
	const char *as_user; /* -u: log in as */
	bool interactive;    /* readline on a terminal */
	bool color, utf8;
	bool json_always, json; /* --json of the program, of this command */
	bool csv_always, csv;	/* the same of --csv; one of the two at most */
	bool dry_run, follow;	/* --dry-run, --follow of this command */
	bool watched;		/* by watch: what it prints goes to no pager */
	unsigned connections;	/* how many there have been: a new one may be to a new VMkernel */
	bool restricted;	/* starts no other program, whatever its user asks for */
	bool keep_going;	/* set +e: a command that fails does not end a script */
	bool leave;		/* exit was given */
	int exit_status;
	int last_status; /* $? */
	struct variables *variables; /* NULL: none yet */
	struct aliases *aliases;     /* NULL: not read yet */
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
bool command_has_secret(struct shell *sh, const char *line);
/* Takes --json and the like away, which may stand anywhere; what is quoted or behind -- is none. */
void command_flags_drop(struct words *w);
/* Whether it changes something, of the host or of a file. */
bool command_changes(const struct command *c);
/* Runs all commands of a line; SHELL_ status of the last, or of the first that failed. */
int shell_run(struct shell *sh, const char *line);
/* Runs one command; its words may change. */
int shell_run_words(struct shell *sh, struct words *w);
/* Whether a line or script goes on behind a command that ended so. */
bool shell_goes_on(const struct shell *sh, int status);
/* What a script ends with whose last command ended so: interrupted, it has not done all it was to do, and that is said. */
int shell_ends(const struct shell *sh, int status);
void shell_free(struct shell *sh);
/* Prints "line 3: sentence" (or as fits where the command came from) on stderr and returns `status`. */
int shell_error(const struct shell *sh, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Connects when that is still to be done, reconnects when the daemon was restarted. */
int shell_connect(struct shell *sh, struct error *err);
int shell_login(struct shell *sh, const char *user, struct error *err);
/* vmk_call() with a connection made when needed; steals params. */
int shell_call(struct shell *sh, const char *method, json_t *params, json_t **result, int *fd, struct error *err);
/* The same by vmk_call_long(). */
struct shell_way {
	vmk_progress *progress;
	void *arg;
};
int shell_call_by(struct shell *sh, const struct shell_way *way, const char *method, json_t *params, json_t **result, int *fd, struct error *err);
/* For api_parse_words() and login_run(): asks on the terminal (or reads a line of stdin), twice for a new secret. */
int shell_ask_secret(void *sh, const char *prompt, char *buf, size_t size);
int shell_ask(void *sh, const char *prompt, bool echo, char *buf, size_t size);
/* Words of a local row -> params, without secrets; prints what is wrong and returns NULL. */
json_t *shell_params(struct shell *sh, const struct api_method *row, int n, char *const words[]);

/*
 * words.c: blanks part words; '...' takes all as it is, "..." and \ as in sh; $name, ${name} and $? are variables outside of '...'
 * and never part words; # begins a comment; ; ends a command.
 */
struct words {
	char **word;   /* NULL-terminated once there is one */
	bool *literal; /* of each: something of it was quoted, or came from a variable; it is no flag */
	int n;
};
struct words_scope {
	/* The variable's value, borrowed until the next call; NULL: it is not set. */
	const char *(*variable)(void *arg, const char *name);
	void *arg;
};
/*
 * The next command of *line, which moves on; 1 got one (maybe empty), 0 at the end, -EINVAL with a sentence. Without a scope
 * $name stays as it is typed.
 */
int words_next(const char **line, const struct words_scope *scope, struct words *w, struct error *err);
void words_insert(struct words *w, int at, char *word); /* takes word, as one that is not literal */
void words_remove(struct words *w, int at);
void words_free(struct words *w);
/* `text` so that words_next() gives it back as one word; caller frees. */
char *words_quote(const char *text);
/* The words quoted, with blanks between them; caller frees. */
char *words_join(int n, char *const words[]);
/* How many bytes at the beginning of `text` are a variable's name. */
size_t words_name_length(const char *text);

/* variables.c */
struct words_scope variables_scope(struct shell *sh);
void variables_free(struct shell *sh);
/* name NULL at the end. Borrowed until one changes. */
const char *variable_at(const struct shell *sh, unsigned index, const char **value);

/* alias.c: short names of a user, kept in ~/.vmksh_aliases, and those of aliases.def. */
struct alias {
	const char *name, *text;
	bool built_in;
};
/* false at the end. Borrowed until one changes. */
bool alias_at(struct shell *sh, unsigned index, struct alias *out);
/* Puts the words of an alias in the place of words[at], if it is one and no command; again for what comes of it. */
void aliases_free(struct shell *sh);
int alias_expand(struct shell *sh, const struct words_scope *scope, struct words *w, int at, struct error *err);

/* output.c */
void output_result(const struct shell *sh, const struct api_method *row, json_t *result);
/* Rows in columns at least as wide as widths[], which grow; header: its line too. */
void output_table(const struct shell *sh, const struct api_method *row, json_t *result, int widths[API_MAX_COLUMNS], bool header);
void output_json_line(json_t *value);
/* As --json or --csv of the command says. */
void output_value(const struct shell *sh, const struct api_method *row, json_t *value);
/* `text` as it is, or on a terminal without what would act on it (str_tame()). */
void output_text(FILE *to, const char *text, bool lines);
/* Columns of the terminal that `text` takes. */
int output_width(const char *text);
/* csv.c: RFC 4180 with a header line: the row's columns, then whatever else the answer tells. */
void output_csv(const struct api_method *row, json_t *value);
/* Lines of a list that goes on: the row's columns alone, so that all of them have the same. */
void output_csv_rows(const struct api_method *row, json_t *list, bool header);

/* help.c: the commands that begin with words[], one alone with its arguments; returns how many there are. */
unsigned output_help(const struct shell *sh, int n, char *const words[]);
/* Examples of a command, NULL at the end; examples.def. */
struct example {
	const char *command, *line, *help;
};
const struct example *example_at(unsigned index);
/* Commands that belong together; groups.def. */
struct group {
	const char *name, *title;
	const char *words; /* the first words of its commands, separated by blanks */
};
const struct group *group_at(unsigned index);
const struct group *group_of(const struct api_method *row); /* NULL: none */

/* follow.c */
bool follow_possible(const struct command *c);
/* Prints what is new until it is interrupted; steals params. */
int follow_run(struct shell *sh, const struct api_method *row, json_t *params);

/* task.c: shell_call() that shows how far a long task is, and lets Ctrl-C cancel it. */
int task_call(struct shell *sh, const struct api_method *row, json_t *params, json_t **result, struct error *err);

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
