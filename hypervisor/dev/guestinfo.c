/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guestinfo.c - the variables of guestinfo.*, which are gone when the machine is powered off. See guest_rpc.h. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dev/guest_rpc.h"
#include "lib/util.h"

static bool key_valid(const char *key)
{
	size_t len = strlen(key);

	for (const char *p = key; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(".-_", *p))
			return false;
	return len > 0 && len <= GUESTINFO_KEY_MAX;
}

/* Bytes of the UTF-8 character at p (RFC 3629, 4); 0 when it is none. */
static unsigned character_bytes(const unsigned char *p)
{
	unsigned n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;

	for (unsigned i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool text_valid(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned n;

	for (; *p; p += n) {
		n = character_bytes(p);
		if (!n || (*p < 0x20 && !strchr("\t\n\r", *p)) || *p == 0x7f)
			return false;
	}
	return true;
}

static struct guestinfo_variable *find(const struct guestinfo *g, const char *key)
{
	for (unsigned i = 0; i < g->n; i++)
		if (str_ieq(g->variable[i].key, key))
			return (struct guestinfo_variable *)&g->variable[i];
	return NULL;
}

const char *guestinfo_get(const struct guestinfo *g, const char *key)
{
	const struct guestinfo_variable *v = find(g, key);

	return v ? v->value : NULL;
}

static void variable_remove(struct guestinfo *g, struct guestinfo_variable *v)
{
	size_t behind = (size_t)(g->variable + g->n - v) - 1;

	g->bytes -= strlen(v->key) + strlen(v->value);
	free(v->key);
	free(v->value);
	memmove(v, v + 1, behind * sizeof(*v));
	g->n--;
}

int guestinfo_set(struct guestinfo *g, const char *key, const char *value, struct error *err)
{
	struct guestinfo_variable *v = find(g, key);

	if (!key_valid(key))
		return fail(err, -EINVAL, "a key of guestinfo has 1 to %d letters, digits, dots, - and _", GUESTINFO_KEY_MAX);
	if (!value) {
		if (v)
			variable_remove(g, v);
		return 0;
	}
	size_t len = strlen(value), was = v ? strlen(v->value) : 0;
	if (len > GUESTINFO_VALUE_MAX)
		return fail(err, -E2BIG, "a value of guestinfo has at most %llu bytes", (unsigned long long)GUESTINFO_VALUE_MAX);
	if (!text_valid(value))
		return fail(err, -EINVAL, "a value of guestinfo is UTF-8 text without control characters");
	if ((!v && g->n == GUESTINFO_VARIABLES) || g->bytes - was + len + (v ? 0 : strlen(key)) > GUESTINFO_TOTAL_MAX)
		return fail(err, -ENOSPC, "there is room for %d variables of guestinfo, together %llu bytes", GUESTINFO_VARIABLES,
			    (unsigned long long)GUESTINFO_TOTAL_MAX);
	if (!v) {
		v = &g->variable[g->n++];
		*v = (struct guestinfo_variable){.key = xstrdup(key)};
		g->bytes += strlen(key);
	}
	free(v->value);
	v->value = xstrdup(value);
	g->bytes += len - was;
	return 0;
}

void guestinfo_clear(struct guestinfo *g)
{
	while (g->n)
		variable_remove(g, &g->variable[g->n - 1]);
}

/* ---- state ---- */

static void put_text(struct state_writer *w, const char *text)
{
	put_u32(w, (u32)strlen(text));
	put_bytes(w, text, strlen(text));
}

static char *get_text(struct state_reader *r, u32 max)
{
	u32 len = get_u32_max(r, max);
	char *text = xcalloc(1, len + 1);

	get_bytes(r, text, len);
	return text;
}

void guestinfo_save(const struct guestinfo *g, struct state_writer *w)
{
	put_u32(w, g->n);
	for (unsigned i = 0; i < g->n; i++) {
		put_text(w, g->variable[i].key);
		put_text(w, g->variable[i].value);
	}
}

int guestinfo_load(struct guestinfo *g, struct state_reader *r, struct error *err)
{
	int ret = 0;

	guestinfo_clear(g);
	for (u32 n = get_u32_max(r, GUESTINFO_VARIABLES); n && !ret && !state_error(r); n--) {
		char *key = get_text(r, GUESTINFO_KEY_MAX), *value = get_text(r, GUESTINFO_VALUE_MAX);
		if (!state_error(r) && (find(g, key) || guestinfo_set(g, key, value, NULL)))
			ret = fail(err, -EBADMSG, "a saved variable of guestinfo is damaged");
		free(key);
		free(value);
	}
	return ret;
}
