/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config.c - see config.h */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/config.h"
#include "lib/keymap_names.h"
#include "lib/shares.h"
#include "lib/util.h"

struct line {
	char *raw;   /* as in the file; NULL for lines made by config_set() */
	char *key;   /* NULL for comments and blank lines */
	char *value; /* decoded */
};

struct config {
	char *name;
	struct line *lines;
	int count, room;
};

/* ---- keys.def ---- */

#define KEY(pattern, type, allowed, fallback, help) {pattern, CONFIG_##type, allowed, fallback, help},
static const struct config_key keys[] = {
#include "lib/keys.def"
};
#undef KEY

/* Of devices that may exist several times: the highest number that may stand for '#' in their keys */
static const struct {
	const char *name;
	char highest;
} devices[] = {
#define DEVICES(name, highest) {name, highest},
#include "lib/keys.def"
#undef DEVICES
};

static char highest_number(const char *pattern)
{
	for (size_t k = 0; k < ARRAY_SIZE(devices); k++)
		if (str_starts(pattern, devices[k].name))
			return devices[k].highest;
	return '9';
}

const struct config_key *config_keys(size_t *count)
{
	*count = ARRAY_SIZE(keys);
	return keys;
}

/* What '*' at a pattern's end stands for */
#define KEY_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static bool key_matches(const char *pattern, const char *key)
{
	const char *start = pattern;
	for (; *pattern && *key; pattern++, key++) {
		if (*pattern == '*')
			return !key[strspn(key, KEY_LETTERS)];
		if (*pattern == '#' ? *key < '0' || *key > highest_number(start)
				    : tolower((unsigned char)*pattern) != tolower((unsigned char)*key))
			return false;
	}
	return !*pattern && !*key;
}

const struct config_key *config_key_find(const char *key)
{
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		if (key_matches(keys[k].pattern, key))
			return &keys[k];
	return NULL;
}

/* A key as keys.def would write it: "ide2:0.present" is "ide#:#.present". */
static void key_pattern(const char *key, char *pattern, size_t size)
{
	str_copy(pattern, size, key);
	for (char *p = pattern; *p; p++)
		*p = isdigit((unsigned char)*p) ? '#' : (char)tolower((unsigned char)*p);
}

/* `pattern` with the numbers of `key`, as far as there are any */
static void key_numbered(const char *pattern, const char *key, char *text, size_t size)
{
	char highest = highest_number(pattern);
	str_copy(text, size, pattern);
	for (char *p = text; *p; p++) {
		key += strcspn(key, "0123456789");
		if (*p == '#') {
			*p = *key && *key <= highest ? *key : '0';
			key += *key != 0;
		}
	}
}

void config_key_unknown(const char *key, char *text, size_t size)
{
	char typed[64], known[64], meant[64];
	const struct config_key *best = NULL;
	unsigned best_distance = 3;
	key_pattern(key, typed, sizeof(typed));
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		key_pattern(keys[k].pattern, known, sizeof(known));
		unsigned distance = edit_distance(typed, known);
		if (distance < best_distance) {
			best_distance = distance;
			best = &keys[k];
		}
	}
	if (!best) {
		snprintf(text, size, "unknown key %.100s", key);
	} else if (!best_distance) {
		snprintf(text, size, "unknown key %.100s: numbers are 0 to %c there", key,
			 highest_number(best->pattern));
	} else {
		key_numbered(best->pattern, key, meant, sizeof(meant));
		snprintf(text, size, "unknown key %.100s; did you mean %s?", key, meant);
	}
}

/* "min-max" or "min-max/step" */
static bool number_allowed(const char *allowed, const char *value, u64 *out)
{
	unsigned long long min, max, step = 1;
	BUG_ON(sscanf(allowed, "%llu-%llu/%llu", &min, &max, &step) < 2);
	return parse_u64(value, min, max, out) && *out % step == 0;
}

static bool choice_allowed(const char *allowed, const char *value)
{
	size_t len = strlen(value);
	for (const char *p = allowed; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
		if (len == strcspn(p, "|") && strncasecmp(p, value, len) == 0)
			return true;
	return false;
}

bool config_value_allowed(const struct config_key *k, const char *value, char *what, size_t size)
{
	u64 number;
	bool boolean;
	unsigned long long min, max, step = 1;
	switch (k->type) {
	case CONFIG_BOOL:
		snprintf(what, size, "must be TRUE or FALSE");
		return parse_bool(value, &boolean);
	case CONFIG_NUMBER:
		if (number_allowed(k->allowed, value, &number))
			return true;
		sscanf(k->allowed, "%llu-%llu/%llu", &min, &max, &step);
		if (min == max)
			snprintf(what, size, "must be %llu", min);
		else if (step > 1)
			snprintf(what, size, "must be a multiple of %llu from %llu to %llu", step, min, max);
		else
			snprintf(what, size, "must be a number from %llu to %llu", min, max);
		return false;
	case CONFIG_CHOICE:
		snprintf(what, size, "must be one of %s", k->allowed);
		for (char *c = what; *c; c++)
			if (*c == '|')
				*c = ' ';
		return choice_allowed(k->allowed, value);
	case CONFIG_KEYMAP:
		return keymap_name_allowed(value, what, size);
	case CONFIG_SHARES:
		snprintf(what, size, "must be low, normal, high or a number from 1 to 100000");
		return shares_parse(value, &number);
	case CONFIG_STRING:
	case CONFIG_PATH:
		break;
	}
	return true;
}

/* ---- lines ---- */

static struct line *line_add(struct config *c)
{
	if (c->count == c->room) {
		c->room = c->room ? 2 * c->room : 64;
		c->lines = xrealloc(c->lines, (size_t)c->room * sizeof(*c->lines));
	}
	c->lines[c->count] = (struct line){0};
	return &c->lines[c->count++];
}

static void line_clear(struct line *l)
{
	free(l->raw);
	free(l->key);
	free(l->value);
	*l = (struct line){0};
}

static struct line *line_find(const struct config *c, const char *key)
{
	for (int k = 0; k < c->count; k++)
		if (c->lines[k].key && str_ieq(c->lines[k].key, key))
			return &c->lines[k];
	return NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes |XX in place. */
static void value_decode(char *value)
{
	char *to = value;
	for (const char *from = value; *from; from++) {
		if (from[0] == '|' && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0 &&
		    (hex_digit(from[1]) || hex_digit(from[2]))) {
			*to++ = (char)(hex_digit(from[1]) << 4 | hex_digit(from[2]));
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = 0;
}

/* A '|' needs no escape unless two hexadecimal digits follow; quotes and controls always do. */
static char *value_encode(const char *value)
{
	char *out = xcalloc(strlen(value) * 3 + 1, 1), *to = out;
	for (const char *from = value; *from; from++) {
		unsigned char b = (unsigned char)*from;
		bool ambiguous = b == '|' && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0;
		if (b < ' ' || b == '"' || b == 127 || ambiguous)
			to += sprintf(to, "|%02X", b);
		else
			*to++ = (char)b;
	}
	return out;
}

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

static bool is_key_char(char c)
{
	return isalnum((unsigned char)c) || strchr("._:-", c);
}

/* What stands after the value must be blank or a comment. */
static bool is_rest(const char *p)
{
	p = skip_blanks(p);
	return !*p || *p == '#';
}

/* Fills l->key and l->value from one line; false with a reason when it is malformed. */
static bool line_parse(struct line *l, const char **why)
{
	const char *p = skip_blanks(l->raw), *key = p;
	if (!*p || *p == '#')
		return true;
	while (*p && is_key_char(*p))
		p++;
	size_t key_len = (size_t)(p - key);
	p = skip_blanks(p);
	if (!key_len || *p != '=') {
		*why = "expected key = \"value\"";
		return false;
	}
	p = skip_blanks(p + 1);
	const char *value = p, *end;
	if (*p == '"') {
		value = p + 1;
		end = strchr(value, '"');
		if (!end || !is_rest(end + 1)) {
			*why = end ? "unexpected text after the closing quote" : "the closing quote is missing";
			return false;
		}
	} else {
		end = p + strcspn(p, " \t#\"");
		if (!is_rest(end)) {
			*why = "a value with blanks needs quotes";
			return false;
		}
	}
	l->key = xcalloc(key_len + 1, 1);
	memcpy(l->key, key, key_len);
	l->value = xcalloc((size_t)(end - value) + 1, 1);
	memcpy(l->value, value, (size_t)(end - value));
	value_decode(l->value);
	return true;
}

/* ---- whole files ---- */

struct config *config_new(const char *name)
{
	struct config *c = xcalloc(1, sizeof(*c));
	c->name = xstrdup(name);
	return c;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (int k = 0; k < c->count; k++)
		line_clear(&c->lines[k]);
	free(c->lines);
	free(c->name);
	free(c);
}

static int parse_one(struct config *c, const char *text, size_t len, struct error *err)
{
	const char *why = NULL;
	int number = c->count + 1;
	while (len && text[len - 1] == '\r')
		len--;
	struct line *l = line_add(c);
	l->raw = xcalloc(len + 1, 1);
	memcpy(l->raw, text, len);
	if (!line_parse(l, &why))
		return fail(err, -EINVAL, "%s:%d: %s", c->name, number, why);
	if (!l->key)
		return 0;
	int first = config_line(c, l->key);
	if (first != number)
		return fail(err, -EINVAL, "%s:%d: %s is already set in line %d", c->name, number, l->key, first);
	return 0;
}

int config_parse(const char *name, const char *text, size_t len, struct config **out, struct error *err)
{
	struct config *c = config_new(name);
	int ret = 0;
	if (len > CONFIG_MAX_BYTES)
		ret = fail(err, -EFBIG, "%s is larger than %d bytes", name, CONFIG_MAX_BYTES);
	else if (memchr(text, 0, len))
		ret = fail(err, -EINVAL, "%s is not a text file", name);
	for (size_t at = 0; !ret && at < len;) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t n = newline ? (size_t)(newline - text) - at : len - at;
		ret = parse_one(c, text + at, n, err);
		at += n + 1;
	}
	if (ret) {
		config_free(c);
		return ret;
	}
	*out = c;
	return 0;
}

int config_read(const char *path, struct config **out, struct error *err)
{
	char *text;
	size_t len;
	int ret = read_file(path, CONFIG_MAX_BYTES, &text, &len, err);
	if (ret)
		return ret;
	ret = config_parse(path, text, len, out, err);
	free(text);
	return ret;
}

char *config_text(const struct config *c, size_t *len)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	if (!f)
		fatal("out of memory");
	for (int k = 0; k < c->count; k++) {
		const struct line *l = &c->lines[k];
		if (l->raw) {
			fprintf(f, "%s\n", l->raw);
		} else if (l->key) {
			char *value = value_encode(l->value);
			fprintf(f, "%s = \"%s\"\n", l->key, value);
			free(value);
		}
	}
	if (fclose(f))
		fatal("out of memory");
	if (len)
		*len = size;
	return text;
}

/* ---- keys and values ---- */

const char *config_get(const struct config *c, const char *key)
{
	const struct line *l = line_find(c, key);
	return l ? l->value : NULL;
}

int config_line(const struct config *c, const char *key)
{
	const struct line *l = line_find(c, key);
	return l ? (int)(l - c->lines) + 1 : 0;
}

int config_set(struct config *c, const char *key, const char *value, struct error *err)
{
	char what[480];
	const struct config_key *k = config_key_find(key);
	struct line *l = line_find(c, key);
	if (!value) {
		if (l)
			line_clear(l);
		return 0;
	}
	if (!k && !l) {
		config_key_unknown(key, what, sizeof(what));
		return fail(err, -EINVAL, "%s", what);
	}
	if (k && !config_value_allowed(k, value, what, sizeof(what)))
		return fail(err, -EINVAL, "%s = \"%s\": %s", key, value, what);
	char *copy = xstrdup(value); /* `value` may be the one being replaced */
	if (!l) {
		l = line_add(c);
		l->key = xstrdup(key);
	} else {
		/* The line is written anew; a comment behind the old value goes with it. */
		free(l->raw);
		free(l->value);
		l->raw = NULL;
	}
	l->value = copy;
	return 0;
}

void config_each(const struct config *c, void (*fn)(void *arg, const char *key, const char *value), void *arg)
{
	for (int k = 0; k < c->count; k++)
		if (c->lines[k].key)
			fn(arg, c->lines[k].key, c->lines[k].value);
}

int config_check(const struct config *c, void (*warn)(void *arg, const char *text), void *arg, struct error *err)
{
	char what[480];
	for (int n = 0; n < c->count; n++) {
		const struct line *l = &c->lines[n];
		if (!l->key)
			continue;
		const struct config_key *k = config_key_find(l->key);
		if (!k) {
			config_key_unknown(l->key, what, sizeof(what));
			char *text = xasprintf("%s:%d: %s", c->name, n + 1, what);
			if (warn)
				warn(arg, text);
			free(text);
		} else if (!config_value_allowed(k, l->value, what, sizeof(what))) {
			return fail(err, -EINVAL, "%s:%d: %s = \"%s\": %s", c->name, n + 1, l->key, l->value, what);
		}
	}
	return 0;
}

const char *config_string(const struct config *c, const char *key)
{
	const struct config_key *k = config_key_find(key);
	BUG_ON(!k);
	const char *value = config_get(c, key);
	return value ? value : k->fallback;
}

bool config_bool(const struct config *c, const char *key)
{
	bool value = false;
	BUG_ON(!parse_bool(config_string(c, key), &value));
	return value;
}

u64 config_number(const struct config *c, const char *key)
{
	u64 value = 0;
	const struct config_key *k = config_key_find(key);
	BUG_ON(!k || !number_allowed(k->allowed, config_string(c, key), &value));
	return value;
}
