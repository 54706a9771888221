/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.h - files of `key = "value"` lines: .vmx machines and vmkernel.conf.
 *
 * Keys are case-insensitive; '#' starts a comment outside quotes; a value may hold |XX hex escapes
 * (ESX's way to write a quote or control character: |22, |0A). The object keeps comments, order and line
 * numbers, so a changed file differs from the old one only in the changed lines. Not thread-safe.
 *
 * Which keys exist, their types and allowed values stand in keys.def, and nowhere else: config_check()
 * gives warnings for unknown keys and errors for bad values, config_help() describes a key.
 */
#ifndef VMK_LIB_CONFIG_H
#define VMK_LIB_CONFIG_H

#include "lib/error.h"
#include "lib/types.h"

#define CONFIG_MAX_BYTES (256 * 1024) /* larger files are refused */

struct config;

/* `name` is what messages call the file. Malformed lines are errors naming file and line. */
int config_parse(const char *name, const char *text, size_t len, struct config **out, struct error *err);
int config_read(const char *path, struct config **out, struct error *err);
struct config *config_new(const char *name);
void config_free(struct config *c);
/* The file's text as it is to be written; caller frees. */
char *config_text(const struct config *c, size_t *len);

/* NULL when the key is not set. Borrowed until the key is changed. */
const char *config_get(const struct config *c, const char *key);
int config_line(const struct config *c, const char *key); /* 1-based, 0 when not set */
/* Checks the value against keys.def first; a NULL value removes the key. */
int config_set(struct config *c, const char *key, const char *value, struct error *err);
/* Visits every key in file order. */
void config_each(const struct config *c, void (*fn)(void *arg, const char *key, const char *value), void *arg);

/*
 * Walks all keys: `warn` gets one sentence per unknown key ("demo.vmx:3: unknown key foo.bar"); the first
 * bad value is the error ("demo.vmx:4: memsize = \"3\": must be a multiple of 4 from 4 to 65536").
 */
int config_check(const struct config *c, void (*warn)(void *arg, const char *text), void *arg, struct error *err);

/* Typed reads after config_check(): the file's value or the default of keys.def. The key must be in keys.def. */
const char *config_string(const struct config *c, const char *key);
bool config_bool(const struct config *c, const char *key);
u64 config_number(const struct config *c, const char *key);

/* keys.def for help, completion and man pages. */
enum config_type { CONFIG_STRING, CONFIG_PATH, CONFIG_BOOL, CONFIG_NUMBER, CONFIG_CHOICE, CONFIG_KEYMAP /* keymap_names.h */, CONFIG_SHARES /* shares.h */ };
struct config_key {
	const char *pattern; /* '#' stands for a number, "ide#:#.present", '*' at the end for all that may follow */
	enum config_type type;
	const char *allowed; /* NUMBER: "min-max" or "min-max/step"; CHOICE: "a|b|c"; '#' ranges: see keys.def */
	const char *fallback; /* default value */
	const char *help;
};
const struct config_key *config_key_find(const char *key);
/* "unknown key memsze; did you mean memsize?": what to say of a key that config_key_find() does not know */
void config_key_unknown(const char *key, char *text, size_t size);
const struct config_key *config_keys(size_t *count);
/* Whether `value` is allowed for the key; when not, `what` says what would be ("must be a number from 0 to 99"). */
bool config_value_allowed(const struct config_key *k, const char *value, char *what, size_t size);

#endif
