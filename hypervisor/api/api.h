/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * api.h - the host's methods as data: one row of api.def each, shared by the daemon and every front end.
 *
 *	METHOD(vm_stop, "vm.stop", "vm stop", OPERATE, "vm:vm mode:{soft,trysoft,hard}=hard", "", "Power off a virtual machine")
 *	       handler  method     words      role     arguments                             columns  help
 *
 * Arguments, separated by spaces, in the order they stand on a command line: name:type[=default], a '?' after the name
 * makes it optional, "name*:type" takes all remaining words. Types: vm (a registered machine the caller may touch in the row's
 * role), user, string, path, number, bool, secret (prompted for, never logged, never in history), key (a .vmx key), {a,b,c}.
 * Columns of a table result (a JSON array of objects), separated by spaces: field:Heading[:right], where '_' in a heading
 * stands for a space; a result that is one object is printed as "Heading: value" lines; "" = nothing but messages;
 * "text" = result.text printed as it is. Null fields are printed empty.
 *
 * On a command line required arguments stand in order; the others follow as "name value", "name=value" or, when no name
 * matches, as bare values in order.
 *
 * From a row come dispatch, role check, argument check before the handler runs, usage, help, completion, output.
 */
#ifndef VMK_API_API_H
#define VMK_API_API_H

#include <jansson.h>

#include "lib/error.h"
#include "lib/types.h"

/* What the caller must be allowed. VIEW r, OPERATE r+x, CONFIGURE r+w, REGISTER rwx of the .vmx; ADMIN root or the
 * daemon's own user; ANYONE no right at all. */
enum api_role { ROLE_ANYONE, ROLE_VIEW, ROLE_OPERATE, ROLE_CONFIGURE, ROLE_REGISTER, ROLE_ADMIN };

enum api_type { API_VM, API_USER, API_STRING, API_PATH, API_NUMBER, API_BOOL, API_SECRET, API_KEY, API_CHOICE };

#define API_MAX_ARGS 16
#define API_MAX_COLUMNS 24

struct api_arg {
	char name[24];
	enum api_type type;
	bool optional, rest;
	char fallback[32];  /* "" = none */
	char choices[96];   /* "a,b,c" */
};

struct api_method {
	const char *id;	    /* "vm_stop" */
	const char *name;   /* "vm.stop" */
	const char *words;  /* "vm stop"; "" = not a shell command */
	enum api_role role;
	const char *args;   /* as written */
	const char *columns;
	const char *help;
};

extern const struct api_method api_methods[]; /* in order of api.def */
extern const unsigned api_method_count;
const struct api_method *api_find(const char *name);

/* Parsed arguments of a row; returns their count. Rows are ours: a malformed one is a BUG. */
unsigned api_args(const struct api_method *m, struct api_arg args[API_MAX_ARGS]);
struct api_column {
	char field[24];
	char heading[24]; /* '_' already replaced */
	bool right;
};
unsigned api_columns(const struct api_method *m, struct api_column columns[API_MAX_COLUMNS]);

/* Checks `params` (object by name) against the row, fills in defaults, refuses unknown names and wrong types. */
int api_check(const struct api_method *m, json_t *params, struct error *err);
/* Command words after the method's own -> params. `ask` reads a secret (may be NULL: secrets must then be given). */
int api_parse_words(const struct api_method *m, int n, char *const words[], int (*ask)(void *arg, const char *prompt, char *buf, size_t size), void *arg, json_t **params, struct error *err);
/* "vm stop <vm> [mode soft|trysoft|hard]"; caller frees. */
char *api_usage(const struct api_method *m);

/* JSON-RPC 2.0 limits and codes: one message a line. */
#define RPC_MAX_LINE (256 * 1024)
#define RPC_MAX_DEPTH 32
#define RPC_PARSE_ERROR -32700
#define RPC_INVALID_REQUEST -32600
#define RPC_METHOD_NOT_FOUND -32601
#define RPC_INVALID_PARAMS -32602
#define RPC_FAILED -32000   /* error.message is the sentence, error.data.errno the number */
#define RPC_FORBIDDEN -32001

#endif
