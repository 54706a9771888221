/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rpc.c - see rpc.h */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/rpc.h"
#include "lib/util.h"

#define FIRST_SIZE 4096

void *rpc_lines_room(struct rpc_lines *l, size_t *room)
{
	if (l->len > RPC_MAX_LINE)
		return NULL;
	if (l->len == l->size) {
		size_t size = l->size ? MIN(l->size * 2, (size_t)RPC_MAX_LINE + 1) : FIRST_SIZE;
		/* Not realloc: the old copy is cleared. */
		char *buf = xcalloc(1, size);
		if (l->buf) {
			memcpy(buf, l->buf, l->len);
			explicit_bzero(l->buf, l->len);
			free(l->buf);
		}
		l->buf = buf;
		l->size = size;
	}
	*room = l->size - l->len;
	return l->buf + l->len;
}

void rpc_lines_added(struct rpc_lines *l, size_t n)
{
	BUG_ON(n > l->size - l->len);
	l->len += n;
}

/* Removes the first n bytes. */
static void lines_shift(struct rpc_lines *l, size_t n)
{
	memmove(l->buf, l->buf + n, l->len - n);
	l->len -= n;
	explicit_bzero(l->buf + l->len, n);
	l->scanned = 0;
}

int rpc_lines_next(struct rpc_lines *l, char **line, size_t *len)
{
	for (;;) {
		char *end = l->len > l->scanned ? memchr(l->buf + l->scanned, '\n', l->len - l->scanned) : NULL;
		if (l->skipping) {
			if (l->len)
				lines_shift(l, end ? (size_t)(end - l->buf) + 1 : l->len);
			if (!end)
				return 0;
			l->skipping = false;
			continue;
		}
		if (end) {
			*end = 0;
			*line = l->buf;
			*len = (size_t)(end - l->buf);
			l->scanned = *len;
			return 1;
		}
		l->scanned = l->len;
		if (l->len <= RPC_MAX_LINE)
			return 0;
		l->skipping = true;
		lines_shift(l, l->len);
		return -EMSGSIZE;
	}
}

void rpc_lines_drop(struct rpc_lines *l)
{
	lines_shift(l, l->scanned + 1);
}

void rpc_lines_free(struct rpc_lines *l)
{
	if (l->buf)
		explicit_bzero(l->buf, l->size);
	free(l->buf);
	*l = (struct rpc_lines){0};
}

/* Brackets outside strings: jansson's own limit is far deeper than any message of ours. */
static bool too_deep(const char *line, size_t len)
{
	unsigned depth = 0;
	bool in_string = false;
	for (size_t k = 0; k < len; k++) {
		char c = line[k];
		if (in_string) {
			if (c == '\\')
				k++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > RPC_MAX_DEPTH)
				return true;
		} else if ((c == '}' || c == ']') && depth) {
			depth--;
		}
	}
	return false;
}

/* One line -> JSON. -EBADMSG with a sentence: not JSON, nested deeper than RPC_MAX_DEPTH, a NUL, a name twice. */
static int rpc_parse(const char *line, size_t len, json_t **out, struct error *err)
{
	json_error_t json_err;
	if (len > RPC_MAX_LINE)
		return fail(err, -EBADMSG, "the message is longer than %d bytes", RPC_MAX_LINE);
	if (too_deep(line, len))
		return fail(err, -EBADMSG, "the message is nested deeper than %d levels", RPC_MAX_DEPTH);
	*out = json_loadb(line, len, JSON_REJECT_DUPLICATES, &json_err);
	if (!*out)
		return fail(err, -EBADMSG, "the message is not valid JSON: %.100s at byte %d", json_err.text, json_err.position);
	return 0;
}

int rpc_request_parse(const char *line, size_t len, struct rpc_request *r, struct error *err)
{
	*r = (struct rpc_request){0};
	if (rpc_parse(line, len, &r->message, err))
		return RPC_PARSE_ERROR;
	if (json_is_array(r->message)) {
		fail(err, -EINVAL, "batches are not served: send one request a line");
		return RPC_INVALID_REQUEST;
	}
	if (!json_is_object(r->message)) {
		fail(err, -EINVAL, "a request must be an object");
		return RPC_INVALID_REQUEST;
	}
	json_t *id = json_object_get(r->message, "id"), *method = json_object_get(r->message, "method");
	json_t *params = json_object_get(r->message, "params");
	const char *version = json_string_value(json_object_get(r->message, "jsonrpc"));
	if ((!json_is_string(id) && !json_is_integer(id)) || json_string_length(id) > 128) {
		fail(err, -EINVAL, "a request needs an id, a number or a string of at most 128 bytes");
		return RPC_INVALID_REQUEST;
	}
	r->id = json_incref(id);
	if (!version || strcmp(version, "2.0") != 0) {
		fail(err, -EINVAL, "a request needs \"jsonrpc\": \"2.0\"");
		return RPC_INVALID_REQUEST;
	}
	if (!json_is_string(method)) {
		fail(err, -EINVAL, "a request needs a method, a string");
		return RPC_INVALID_REQUEST;
	}
	r->method = json_string_value(method);
	json_t *dry = json_object_get(r->message, "dry_run");
	if (dry && !json_is_boolean(dry)) {
		fail(err, -EINVAL, "dry_run must be true or false");
		return RPC_INVALID_REQUEST;
	}
	r->dry_run = json_is_true(dry);
	if (params && !json_is_object(params)) {
		fail(err, -EINVAL, "params must be an object: arguments are given by name");
		return RPC_INVALID_PARAMS;
	}
	r->params = params ? json_incref(params) : json_object();
	return 0;
}

void rpc_request_free(struct rpc_request *r)
{
	const char *key;
	json_t *value;
	json_object_foreach(r->params, key, value) {
		/* The caller is the only owner of the message: nobody reads these strings any more. */
		if (json_is_string(value))
			explicit_bzero((char *)json_string_value(value), json_string_length(value));
	}
	json_decref(r->params);
	json_decref(r->id);
	json_decref(r->message);
	*r = (struct rpc_request){0};
}

/* Steals message. */
static char *dump_line(json_t *message, size_t *len)
{
	char *text = json_dumps(message, JSON_COMPACT | JSON_REAL_PRECISION(10));
	json_decref(message);
	BUG_ON(!text);
	char *line = xasprintf("%s\n", text);
	*len = strlen(line);
	free(text);
	return line;
}

char *rpc_answer(json_t *id, json_t *result, size_t *len)
{
	json_t *message = json_object();
	json_object_set_new(message, "jsonrpc", json_string("2.0"));
	json_object_set_new(message, "id", id ? json_incref(id) : json_null());
	json_object_set_new(message, "result", result ? result : json_object());
	return dump_line(message, len);
}

/* A sentence that was cut inside a UTF-8 character, or holds a peer's bytes, is no JSON string: '?' for those. */
static json_t *sentence(const char *text)
{
	json_t *s = json_string(text);
	if (s)
		return s;
	char *copy = xstrdup(text);
	for (char *c = copy; *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	s = json_string(copy);
	free(copy);
	return s;
}

char *rpc_error(json_t *id, int code, const struct error *err, size_t *len)
{
	json_t *message = json_object(), *error = json_object(), *data = json_object();
	json_object_set_new(data, "errno", json_integer(-err->code));
	json_object_set_new(error, "code", json_integer(code));
	json_object_set_new(error, "message", sentence(err->text));
	json_object_set_new(error, "data", data);
	json_object_set_new(message, "jsonrpc", json_string("2.0"));
	json_object_set_new(message, "id", id ? json_incref(id) : json_null());
	json_object_set_new(message, "error", error);
	return dump_line(message, len);
}
