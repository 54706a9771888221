// uses: api lib -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of api.def, words of a command line, JSON-RPC lines. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/rpc.h"
#include "lib/util.h"

static const struct api_method *row(const char *name)
{
	const struct api_method *m = api_find(name);
	cr_assert(m, "%s", name);
	return m;
}

static int ask_nothing(void *arg, const char *prompt, char *buf, size_t size)
{
	(void)prompt;
	str_copy(buf, size, arg ? arg : "");
	return arg ? 0 : -EIO;
}

/* Words -> compact JSON text, or the error's. */
static char *words(const char *method, const char *line, const char *secret)
{
	char *copy = xstrdup(line), *word[16], *saved = NULL;
	int n = 0;
	for (char *w = strtok_r(copy, " ", &saved); w; w = strtok_r(NULL, " ", &saved))
		word[n++] = w;
	json_t *params;
	struct error err;
	char *text;
	if (api_parse_words(row(method), n, word, secret ? ask_nothing : NULL, (void *)secret, &params, &err)) {
		text = xasprintf("error: %s", err.text);
	} else {
		text = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
		json_decref(params);
	}
	free(copy);
	return text;
}

#define assert_words(method, line, secret, expected)                    \
	do {                                                            \
		char *text_ = words(method, line, secret);              \
		cr_expect_str_eq(text_, expected, "%s", text_);         \
		free(text_);                                            \
	} while (0)

Test(api, every_row_is_well_formed)
{
	for (unsigned k = 0; k < api_method_count; k++) {
		const struct api_method *m = &api_methods[k];
		struct api_arg args[API_MAX_ARGS];
		struct api_column columns[API_MAX_COLUMNS];
		unsigned n = api_args(m, args);
		for (unsigned j = 0; j < n; j++) {
			cr_expect(args[j].name[0], "%s", m->name);
			cr_expect(!args[j].rest || j == n - 1, "%s: the rest must be last", m->name);
			cr_expect(!args[j].fallback[0] || !args[j].optional, "%s: %s has a default and is optional", m->name, args[j].name);
		}
		n = api_columns(m, columns);
		for (unsigned j = 0; j < n; j++)
			cr_expect(columns[j].field[0] && columns[j].heading[0] && !strchr(columns[j].heading, '_'), "%s", m->name);
		cr_expect(m->help[0]);
		cr_expect_eq(api_find(m->name), m);
		for (unsigned j = 0; j < k; j++)
			cr_expect(!m->words[0] || strcmp(m->words, api_methods[j].words) != 0, "%s twice", m->words);
		/* Defaults pass their own check. */
		char *usage = api_usage(m);
		cr_expect(str_starts(usage, m->words));
		free(usage);
	}
	cr_expect_null(api_find("vm.nothing"));
	cr_expect_null(api_find(""));
}

Test(api, arguments_of_a_row)
{
	struct api_arg a[API_MAX_ARGS];
	cr_assert_eq(api_args(row("vm.stop"), a), 2);
	cr_expect_str_eq(a[0].name, "vm");
	cr_expect_eq(a[0].type, API_VM);
	cr_expect_eq(a[1].type, API_CHOICE);
	cr_expect_str_eq(a[1].choices, "soft,trysoft,hard");
	cr_expect_str_eq(a[1].fallback, "trysoft");
	cr_assert_eq(api_args(row("vm.set"), a), 3);
	cr_expect(a[2].rest);
	cr_expect_str_eq(a[2].name, "value");
	char *usage = api_usage(row("vm.stop"));
	cr_expect_str_eq(usage, "vm stop <vm> [mode soft|trysoft|hard]");
	free(usage);
	struct api_column c[API_MAX_COLUMNS];
	cr_assert_eq(api_columns(row("vm.list"), c), 7);
	cr_expect(c[0].right);
	cr_expect(!c[1].right);
	cr_expect_str_eq(c[1].heading, "Name");
}

Test(api, words_to_params)
{
	assert_words("vm.stop", "web", NULL, "{\"vm\":\"web\"}");
	assert_words("vm.stop", "web hard", NULL, "{\"mode\":\"hard\",\"vm\":\"web\"}");
	assert_words("vm.stop", "web mode hard", NULL, "{\"mode\":\"hard\",\"vm\":\"web\"}");
	assert_words("vm.stop", "web --mode=soft", NULL, "{\"mode\":\"soft\",\"vm\":\"web\"}");
	assert_words("vm.stop", "mode mode=soft", NULL, "{\"mode\":\"soft\",\"vm\":\"mode\"}");
	assert_words("vm.stop", "web now", NULL, "error: vm.stop: mode must be one of soft,trysoft,hard");
	assert_words("vm.stop", "", NULL, "error: vm is missing: vm stop <vm> [mode soft|trysoft|hard]");
	assert_words("vm.start", "web at once", NULL, "error: at is one word too many: vm start <vm>");
	assert_words("vm.set", "web displayName my web", NULL, "{\"key\":\"displayName\",\"value\":\"my web\",\"vm\":\"web\"}");
	assert_words("vm.create", "web memory 64 size 1G", NULL, "{\"memory\":64,\"name\":\"web\",\"size\":\"1G\"}");
	assert_words("vm.create", "web 64", NULL, "{\"memory\":64,\"name\":\"web\"}");
	assert_words("vm.create", "web memory much", NULL, "error: vm create: much is not a valid number");
	assert_words("vm.create", "web memory", NULL, "error: vm create: memory needs a value");
	/* What is named as its argument is, at the end, is a value. */
	assert_words("vm.guestinfo", "web colour value", NULL, "{\"key\":\"colour\",\"value\":\"value\",\"vm\":\"web\"}");
	assert_words("vm.guestinfo", "web colour value value", NULL, "{\"key\":\"colour\",\"value\":\"value\",\"vm\":\"web\"}");
	assert_words("vm.guestinfo", "web value red", NULL, "{\"key\":\"value\",\"value\":\"red\",\"vm\":\"web\"}");
	assert_words("vm.guestinfo", "web colour --value", NULL, "error: vm guestinfo: value needs a value");
	assert_words("vm.create", "web disk /a disk /b", NULL,
		     "error: disk is one word too many: vm create <name> [memory number] [disk path] [size string] [cdrom path] "
		     "[floppy path] [path path] [owner user] [net none|nat] [volume string]");
	assert_words("vm.attach", "web view_only", NULL, "{\"view_only\":true,\"vm\":\"web\"}");
	assert_words("vm.attach", "web view_only no", NULL, "{\"view_only\":false,\"vm\":\"web\"}");
}

Test(api, relative_paths_become_absolute)
{
	cr_assert_eq(chdir("/usr"), 0);
	assert_words("vm.register", "a.vmx", NULL, "{\"path\":\"/usr/a.vmx\"}");
	assert_words("vm.register", "./a.vmx", NULL, "{\"path\":\"/usr/a.vmx\"}");
	assert_words("vm.register", "/b/a.vmx", NULL, "{\"path\":\"/b/a.vmx\"}");
}

Test(api, secrets_are_asked_for)
{
	assert_words("user.add", "demo", "geheim", "{\"name\":\"demo\",\"password\":\"geheim\"}");
	assert_words("user.add", "demo geheim", "x", "error: geheim is one word too many: user add <name>");
	assert_words("user.add", "demo geheim", NULL, "{\"name\":\"demo\",\"password\":\"geheim\"}");
	assert_words("user.passwd", "", "p", "{\"password\":\"p\"}");
	assert_words("user.passwd", "demo", "p", "{\"password\":\"p\",\"user\":\"demo\"}");
}

static int check(const char *method, const char *json, char *text, size_t size)
{
	struct error err = {0};
	json_t *params = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	cr_assert(params, "%s", json);
	int ret = api_check(row(method), params, &err);
	if (ret) {
		str_copy(text, size, err.text);
	} else {
		char *dump = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
		str_copy(text, size, dump);
		free(dump);
	}
	json_decref(params);
	return ret;
}

#define assert_check(method, json, code, expected)                           \
	do {                                                                 \
		char text_[600];                                             \
		cr_expect_eq(check(method, json, text_, sizeof(text_)), code); \
		cr_expect_str_eq(text_, expected, "%s", text_);              \
	} while (0)

Test(api, check_types_and_defaults)
{
	assert_check("vm.stop", "{\"vm\":\"web\"}", 0, "{\"mode\":\"trysoft\",\"vm\":\"web\"}");
	assert_check("log.show", "{}", 0, "{\"lines\":20}");
	assert_check("vm.attach", "{\"vm\":\"a\"}", 0, "{\"brief\":false,\"view_only\":false,\"vm\":\"a\"}");
	assert_check("vm.stop", "{}", -EINVAL, "vm.stop: vm is missing");
	assert_check("vm.stop", "[]", -EINVAL, "vm.stop: params must be an object");
	assert_check("vm.stop", "{\"vm\":7}", -EINVAL, "vm.stop: vm must be a string");
	assert_check("vm.stop", "{\"vm\":{}}", -EINVAL, "vm.stop: vm must be a string");
	assert_check("vm.stop", "{\"vm\":null}", -EINVAL, "vm.stop: vm must be a string");
	assert_check("vm.stop", "{\"vm\":\"\"}", -EINVAL, "vm.stop: vm must not be empty");
	assert_check("vm.stop", "{\"vm\":\"a\\u0000b\"}", -EINVAL, "vm.stop: vm must not contain a NUL character");
	assert_check("vm.stop", "{\"vm\":\"a\",\"mode\":\"har\"}", -EINVAL, "vm.stop: mode must be one of soft,trysoft,hard");
	assert_check("vm.stop", "{\"vm\":\"a\",\"mode\":\"soft,trysoft\"}", -EINVAL, "vm.stop: mode must be one of soft,trysoft,hard");
	assert_check("vm.stop", "{\"vm\":\"a\",\"x\":1}", -EINVAL, "vm.stop: unknown argument x");
	assert_check("log.show", "{\"lines\":-1}", -EINVAL, "log.show: lines must be a whole number, zero or more");
	assert_check("log.show", "{\"lines\":1.5}", -EINVAL, "log.show: lines must be a whole number, zero or more");
	assert_check("log.show", "{\"lines\":\"1\"}", -EINVAL, "log.show: lines must be a whole number, zero or more");
	assert_check("vm.register", "{\"path\":\"x\"}", -EINVAL, "vm.register: path must be an absolute path");
	assert_check("vm.set", "{\"vm\":\"a\",\"key\":\"k\",\"value\":\"\"}", 0, "{\"key\":\"k\",\"value\":\"\",\"vm\":\"a\"}");
}

Test(api, check_lengths)
{
	struct error err;
	char long_text[9001];
	memset(long_text, 'x', 9000);
	long_text[9000] = 0;
	json_t *params = json_pack("{s:s}", "vm", long_text);
	cr_expect_eq(api_check(row("vm.stop"), params, &err), -EINVAL);
	cr_expect_str_eq(err.text, "vm.stop: vm is too long");
	json_decref(params);
}

/* ---- lines ---- */

static void feed(struct rpc_lines *l, const char *bytes, size_t len)
{
	while (len) {
		size_t room;
		void *to = rpc_lines_room(l, &room);
		cr_assert(to);
		size_t n = MIN(room, len);
		memcpy(to, bytes, n);
		rpc_lines_added(l, n);
		bytes += n;
		len -= n;
	}
}

Test(rpc, lines_are_cut)
{
	struct rpc_lines l = {0};
	char *line;
	size_t len;
	feed(&l, "one\ntwo\nthr", 11);
	cr_assert_eq(rpc_lines_next(&l, &line, &len), 1);
	cr_expect_str_eq(line, "one");
	rpc_lines_drop(&l);
	cr_assert_eq(rpc_lines_next(&l, &line, &len), 1);
	cr_expect_str_eq(line, "two");
	rpc_lines_drop(&l);
	cr_expect_eq(rpc_lines_next(&l, &line, &len), 0);
	feed(&l, "ee\n", 3);
	cr_assert_eq(rpc_lines_next(&l, &line, &len), 1);
	cr_expect_str_eq(line, "three");
	cr_expect_eq(len, 5);
	rpc_lines_free(&l);
}

Test(rpc, a_long_line_is_dropped_in_bounded_memory)
{
	struct rpc_lines l = {0};
	char *line, block[4096];
	size_t len, sent = 0;
	int told = 0;
	memset(block, 'a', sizeof(block));
	while (sent < 10 * MIB) {
		size_t room;
		void *to = rpc_lines_room(&l, &room);
		if (to) {
			size_t n = MIN(room, sizeof(block));
			memcpy(to, block, n);
			rpc_lines_added(&l, n);
			sent += n;
		}
		int ret = rpc_lines_next(&l, &line, &len);
		cr_assert(ret == 0 || ret == -EMSGSIZE);
		told += ret != 0;
		cr_assert_leq(l.size, (size_t)RPC_MAX_LINE + 1);
	}
	cr_expect_eq(told, 1);
	feed(&l, "end\nnext\n", 9);
	cr_assert_eq(rpc_lines_next(&l, &line, &len), 1);
	cr_expect_str_eq(line, "next");
	rpc_lines_free(&l);
}

Test(rpc, the_longest_line_passes)
{
	struct rpc_lines l = {0};
	char *line, *big = malloc(RPC_MAX_LINE + 1);
	size_t len;
	memset(big, 'b', RPC_MAX_LINE);
	big[RPC_MAX_LINE] = '\n';
	feed(&l, big, RPC_MAX_LINE + 1);
	cr_assert_eq(rpc_lines_next(&l, &line, &len), 1);
	cr_expect_eq(len, RPC_MAX_LINE);
	rpc_lines_drop(&l);
	rpc_lines_free(&l);
	free(big);
}

/* ---- requests ---- */

static int request(const char *line, size_t len, char *text, size_t size)
{
	struct rpc_request r;
	struct error err = {0};
	int code = rpc_request_parse(line, len, &r, &err);
	str_copy(text, size, err.text);
	rpc_request_free(&r);
	return code;
}

Test(rpc, requests)
{
	static const struct {
		const char *line;
		int code;
	} cases[] = {
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.list\"}", 0},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"vm.list\",\"params\":{}}", 0},
		{"", RPC_PARSE_ERROR},
		{"{", RPC_PARSE_ERROR},
		{"nonsense", RPC_PARSE_ERROR},
		{"{\"a\":1,\"a\":2}", RPC_PARSE_ERROR},
		{"{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999,\"method\":\"x\"}", RPC_PARSE_ERROR},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\\u0000\"}", RPC_PARSE_ERROR},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", RPC_PARSE_ERROR},
		{"[]", RPC_INVALID_REQUEST},
		{"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"vm.list\"}]", RPC_INVALID_REQUEST},
		{"{}", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"vm.list\"}", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"vm.list\"}", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"vm.list\"}", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"vm.list\"}", RPC_INVALID_REQUEST},
		{"{\"id\":1,\"method\":\"vm.list\"}", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":1}", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":{}}", RPC_INVALID_REQUEST},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":[]}", RPC_INVALID_PARAMS},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":null}", RPC_INVALID_PARAMS},
	};
	char text[600];
	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		cr_expect_eq(request(cases[k].line, strlen(cases[k].line), text, sizeof(text)), cases[k].code, "%s: %s",
			     cases[k].line, text);
		cr_expect(!cases[k].code == !text[0], "%s", cases[k].line);
	}
	cr_expect_eq(request("{\"jsonrpc\":\"2.0\"\0}", 18, text, sizeof(text)), RPC_PARSE_ERROR);
}

Test(rpc, deep_nesting)
{
	char line[400], text[600];
	for (int depth = 1; depth < 150; depth++) {
		memset(line, '[', (size_t)depth);
		memset(line + depth, ']', (size_t)depth);
		int code = request(line, 2 * (size_t)depth, text, sizeof(text));
		cr_expect_eq(code, depth <= RPC_MAX_DEPTH ? RPC_INVALID_REQUEST : RPC_PARSE_ERROR, "%d", depth);
	}
	/* Brackets in strings do not count. */
	char *p = line + sprintf(line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\\\"");
	memset(p, '[', 100);
	strcpy(p + 100, "\"}");
	cr_expect_eq(request(line, strlen(line), text, sizeof(text)), 0, "%s", text);
}

Test(rpc, answers_are_one_line)
{
	size_t len;
	json_t *id = json_integer(7);
	char *line = rpc_answer(id, json_pack("{s:s, s:f}", "a", "x\ny", "cpu", 12.3), &len);
	cr_expect_str_eq(line, "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":\"x\\ny\",\"cpu\":12.3}}\n");
	free(line);
	struct error err;
	fail(&err, -ENOENT, "no machine named \xc3"); /* half a character, as when a sentence was cut */
	line = rpc_error(id, RPC_FAILED, &err, &len);
	cr_expect_str_eq(line, "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32000,\"message\":\"no machine named ?\",\"data\":{\"errno\":2}}}\n");
	free(line);
	line = rpc_error(NULL, RPC_PARSE_ERROR, &err, &len);
	cr_expect_not_null(strstr(line, "\"id\":null"));
	free(line);
	json_decref(id);
}

Test(rpc, secrets_are_cleared)
{
	const char *line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"user.add\",\"params\":{\"password\":\"geheim\"}}";
	struct rpc_request r;
	struct error err;
	cr_assert_eq(rpc_request_parse(line, strlen(line), &r, &err), 0);
	json_t *password = json_incref(json_object_get(r.params, "password"));
	rpc_request_free(&r);
	for (size_t k = 0; k < json_string_length(password); k++)
		cr_expect_eq(json_string_value(password)[k], 0);
	json_decref(password);
}
