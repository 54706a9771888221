// SPDX-License-Identifier: GPL-2.0-or-later
/* vmkcmd.c - see vmkcmd.h */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "lib/config.h"
#include "lib/util.h"
#include "pam/login.h"
#include "shell/bashcomplete.h"
#include "shell/here.h"
#include "shell/shell.h"
#include "shell/vmkcmd.h"

struct vmkcmd {
	struct shell sh;
	bool quiet, verbose, list, host_scope;
	const char *host, *user, *complete;
	char *password; /* -P; cleared once used */
	char *vm;	/* name or absolute path */
	int status;	/* of what went wrong */
	struct error err;
};

static const char usage[] =
	"usage: vmk-cmd [options] MACHINE VERB [ARGUMENT...]\n"
	"       vmk-cmd [options] -s VERB [ARGUMENT...]\n"
	"       vmk-cmd [options] -l\n"
	"  -l             list the configuration files of the machines you may see\n"
	"  -s             a verb of the host, not of a machine\n"
	"  -H HOST        the host: must be this one\n"
	"  -U USER        act as this user of the host\n"
	"  -P PASSWORD    whose password this is; without -P it is asked for\n"
	"  -O PORT, -T PROTOCOL\n"
	"                 accepted and not used: the host is reached without a network\n"
	"  -q             print the result alone\n"
	"  -v             tell what is asked of the host\n"
	"  --root DIR     the host under DIR (also: VMK_ROOT)\n"
	"  -h, --help, --version\n"
	"MACHINE is the path of a .vmx file or a machine's name; MODE is soft (the default), hard or trysoft.\n"
	"Exit status: 0 done, 1 the host refused or it failed, 2 a mistake in the command.\n";

/* ---- failing, calling ---- */

static char *refuse(struct vmkcmd *c, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
static char *refuse(struct vmkcmd *c, int status, const char *fmt, ...)
{
	va_list args;
	c->status = status;
	va_start(args, fmt);
	vsnprintf(c->err.text, sizeof(c->err.text), fmt, args);
	va_end(args);
	return NULL;
}

/* The answer (caller's reference), or NULL with the host's sentence. Steals params. */
static json_t *call(struct vmkcmd *c, const char *method, json_t *params)
{
	json_t *result = NULL;
	if (c->verbose)
		fprintf(stderr, "vmk-cmd: asking the host: %s\n", method);
	if (!shell_call(&c->sh, method, params, &result, NULL, &c->err))
		return result ? result : json_object();
	c->status = SHELL_FAILED;
	return NULL;
}

/* A call whose answer is nothing but that it is done. */
static char *done(struct vmkcmd *c, const char *method, json_t *params)
{
	json_t *result = call(c, method, params);
	json_decref(result);
	return result ? xstrdup("1") : NULL;
}

static json_t *vm_params(const struct vmkcmd *c)
{
	return json_pack("{s:s}", "vm", c->vm);
}

/* A scalar as text; NULL when it is null, or no scalar. */
static char *scalar(const json_t *value)
{
	if (json_is_string(value))
		return xstrdup(json_string_value(value));
	if (json_is_boolean(value))
		return xstrdup(json_is_true(value) ? "1" : "0");
	if (json_is_integer(value))
		return xasprintf("%lld", (long long)json_integer_value(value));
	return json_is_real(value) ? xasprintf("%g", json_real_value(value)) : NULL;
}

/* Appends a word to a list that is parted by blanks. */
static char *joined(char *list, const char *word)
{
	char *longer = *list ? xasprintf("%s %s", list, word) : xstrdup(word);
	free(list);
	return longer;
}

/* ---- verbs that show ---- */

static char *run_field(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	(void)words, (void)n;
	char field[32];
	const char *absent = strchr(v->detail, '=');
	json_t *o = call(c, v->method, vm_params(c));
	if (!o)
		return NULL;
	snprintf(field, sizeof(field), "%.*s", (int)strcspn(v->detail, "="), v->detail);
	char *text = scalar(json_object_get(o, field));
	const char *state = json_string_value(json_object_get(o, "state"));
	if (!text && absent)
		text = xstrdup(absent + 1);
	else if (!text)
		refuse(c, SHELL_FAILED, "%s is %s: it has no %s", c->vm, state ? state : "off", field);
	json_decref(o);
	return text;
}

static char *run_state(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	static const char *const known[] = {"on", "off", "suspended", "stuck"};
	char *state = run_field(c, v, words, n);
	for (size_t k = 0; state && k < ARRAY_SIZE(known); k++)
		if (!strcmp(state, known[k]))
			return state;
	if (!state)
		return NULL;
	free(state);
	return xstrdup("unknown");
}

static char *run_heartbeat(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	(void)words, (void)n;
	json_t *o = call(c, v->method, vm_params(c));
	const json_t *silent = json_object_get(o, v->detail), *up = json_object_get(o, "uptime");
	json_int_t heard = json_is_integer(silent) ? json_integer_value(up) - json_integer_value(silent) : 0;
	json_decref(o);
	return o ? xasprintf("%lld", (long long)MAX(heard, 0)) : NULL;
}

/* Of each row of a list the same field. */
static char *run_rows(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	(void)words, (void)n;
	size_t k;
	json_t *row, *rows = call(c, v->method, vm_params(c));
	char *list = rows ? xstrdup("") : NULL;
	json_array_foreach(rows, k, row) {
		const char *text = json_string_value(json_object_get(row, v->detail));
		list = text ? joined(list, text) : list;
	}
	json_decref(rows);
	return list;
}

static char *run_users(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	(void)words, (void)n;
	size_t k;
	json_t *row, *rows, *machine = call(c, "vm.show", vm_params(c));
	if (!machine)
		return NULL;
	rows = call(c, v->method, NULL);
	char *list = rows ? xstrdup("") : NULL;
	json_array_foreach(rows, k, row) {
		const char *user = json_string_value(json_object_get(row, "user"));
		const char *address = json_string_value(json_object_get(row, "address"));
		/* Who waits to be let in is not connected. */
		if (!user || json_is_true(json_object_get(row, "waits")) ||
		    !json_equal(json_object_get(row, "vm"), json_object_get(machine, "name")))
			continue;
		char *who = address && *address ? xasprintf("%s@%s", user, address) : xstrdup(user);
		list = joined(list, who);
		free(who);
	}
	json_decref(rows);
	json_decref(machine);
	return list;
}

static char *run_product(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	(void)n;
	struct utsname system;
	json_t *host = call(c, v->method, NULL);
	const char *version = json_string_value(json_object_get(host, v->detail)), *what = words[0];
	char *text = NULL;
	if (!host)
		return NULL;
	if (!strcmp(what, "product")) {
		text = xstrdup("vmk");
	} else if (!strcmp(what, "platform") && !uname(&system)) {
		text = xstrdup(system.sysname);
		for (char *p = text; *p; p++)
			*p = (char)tolower((unsigned char)*p);
	} else if (!strcmp(what, "majorversion") && version) {
		text = xasprintf("%.*s", (int)strcspn(version, "."), version);
	} else if (!strcmp(what, "minorversion") && version && strchr(version, '.')) {
		const char *minor = strchr(version, '.') + 1;
		text = xasprintf("%.*s", (int)strcspn(minor, "."), minor);
	} else {
		refuse(c, SHELL_USAGE, "%s is not known of a product: product, platform, majorversion or minorversion", what);
	}
	json_decref(host);
	return text;
}

static char *run_constant(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	(void)words, (void)n;
	json_t *machine = call(c, "vm.show", vm_params(c));
	json_decref(machine);
	return machine ? xstrdup(v->detail) : NULL;
}

static char *run_refuse(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	(void)words, (void)n;
	return refuse(c, SHELL_FAILED, "%s", v->detail);
}

/* Whether rights like "r-x" are enough for a row of api.def. */
static bool suffices(const char *rights, enum api_role role)
{
	static const char *const needed[] = {[ROLE_ANYONE] = "",      [ROLE_VIEW] = "r",	  [ROLE_OPERATE] = "rx",
					     [ROLE_CONFIGURE] = "rw", [ROLE_REGISTER] = "rwx", [ROLE_ADMIN] = "rwx"};
	for (const char *p = needed[role]; *p; p++)
		if (!strchr(rights, *p))
			return false;
	return true;
}

static char *run_capabilities(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	char *rights = run_field(c, v, words, n), *list = rights ? xstrdup("") : NULL;
	for (unsigned k = 0; rights && k < vmkcmd_verb_count; k++) {
		const struct vmkcmd_verb *other = &vmkcmd_verbs[k];
		const struct api_method *row = api_find(other->method);
		if (!strcmp(other->scope, "VM") && row && suffices(rights, row->role))
			list = joined(list, other->name);
	}
	free(rights);
	return list;
}

/* ---- power ---- */

static const char *power_mode(struct vmkcmd *c, char *const words[], int n)
{
	const char *mode = n ? words[0] : "soft";
	if (!strcmp(mode, "soft") || !strcmp(mode, "hard") || !strcmp(mode, "trysoft"))
		return mode;
	refuse(c, SHELL_USAGE, "%s is no way to do it: soft, hard or trysoft", mode);
	return NULL;
}

static char *run_power(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	const char *mode = power_mode(c, words, n);
	json_t *params = vm_params(c);
	if (mode && *v->detail)
		json_object_set_new(params, v->detail, json_string(mode));
	if (mode)
		return done(c, v->method, params);
	json_decref(params);
	return NULL;
}

static char *run_reset(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	const char *mode = power_mode(c, words, n);
	if (!mode)
		return NULL;
	if (!strcmp(mode, "hard"))
		return done(c, v->method, vm_params(c));
	json_t *params = vm_params(c);
	json_object_set_new(params, "mode", json_string(mode));
	char *stopped = done(c, "vm.stop", params);
	free(stopped);
	return stopped ? done(c, "vm.start", vm_params(c)) : NULL;
}

/* ---- configuration ---- */

static char *config_get_key(struct vmkcmd *c, const char *method, const char *key)
{
	json_t *rows = call(c, method, json_pack("{s:s, s:s}", "vm", c->vm, "key", key));
	char *text = rows ? scalar(json_object_get(json_array_get(rows, 0), "value")) : NULL;
	if (rows && !text)
		refuse(c, SHELL_FAILED, "%s is not set", key);
	json_decref(rows);
	return text;
}

static char *config_set_key(struct vmkcmd *c, const char *method, const char *key, const char *value)
{
	return done(c, method, json_pack("{s:s, s:s, s:s}", "vm", c->vm, "key", key, "value", value));
}

static char *run_getconfig(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	(void)n;
	return config_get_key(c, v->method, words[0]);
}

static char *run_setconfig(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	(void)n;
	return config_set_key(c, v->method, words[0], words[1]);
}

/* cpu.shares is sched.cpu.shares and so on, for the keys there are. */
static char *run_resource(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	const char *name = words[0];
	bool family = str_starts(name, "cpu.") || str_starts(name, "mem.") || str_starts(name, "disk.");
	char *key = !strcmp(name, "mem.size")  ? xstrdup("memsize")
		    : !strcmp(name, "mem.min") ? xstrdup("sched.mem.minsize")
		    : family		       ? xasprintf("sched.%s", name)
					       : xstrdup("");
	char *text = NULL;
	if (!config_key_find(key))
		refuse(c, SHELL_FAILED, "this host has no resource %s of a machine", name);
	else
		text = n == 1 ? config_get_key(c, v->method, key) : config_set_key(c, v->method, key, words[1]);
	free(key);
	return text;
}

static char *run_host_resource(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	(void)n;
	json_t *host = call(c, v->method, NULL);
	json_int_t total = json_integer_value(json_object_get(host, "memory_total_mb"));
	json_int_t used = json_integer_value(json_object_get(host, "memory_used_mb"));
	char *text = NULL;
	if (!host)
		return NULL;
	if (!strcmp(words[0], "system.cpu.number"))
		text = scalar(json_object_get(host, "cpus"));
	else if (!strcmp(words[0], "system.mem.size"))
		text = xasprintf("%lld", (long long)total);
	else if (!strcmp(words[0], "system.mem.avail"))
		text = xasprintf("%lld", (long long)(total - used));
	else
		refuse(c, SHELL_FAILED, "this host has no resource %s: system.cpu.number, system.mem.size or system.mem.avail",
		       words[0]);
	json_decref(host);
	return text;
}

/* ---- the host's list ---- */

/* A path as the host wants it, absolute; a name stays what it is. Caller frees. */
static char *machine_named(const char *word)
{
	size_t len = strlen(word);
	bool path = strchr(word, '/') || (len > 4 && !strcmp(word + len - 4, ".vmx"));
	char *real = path && *word != '/' ? realpath(word, NULL) : NULL;
	return real ? real : xstrdup(word);
}

static char *run_register(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	(void)n;
	char *machine = machine_named(words[0]);
	char *text = done(c, v->method, json_pack("{s:s}", v->detail, machine));
	free(machine);
	return text;
}

/* ---- guest, devices, questions ---- */

static char *run_guestinfo(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	json_t *params = json_pack("{s:s, s:s}", "vm", c->vm, "key", words[0]);
	if (n == 2) {
		json_object_set_new(params, "value", json_string(words[1]));
		return done(c, v->method, params);
	}
	json_t *o = call(c, v->method, params);
	char *text = o ? scalar(json_object_get(o, "value")) : NULL;
	if (o && !text)
		refuse(c, SHELL_FAILED, "guestinfo.%s is not set", words[0]);
	json_decref(o);
	return text;
}

static char *run_device(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	json_t *params = json_pack("{s:s, s:s}", "vm", c->vm, "device", words[0]);
	char *file = n == 2 ? realpath(words[1], NULL) : NULL;
	if (n == 2)
		json_object_set_new(params, "file", json_string(file ? file : words[1]));
	free(file);
	return done(c, v->method, params);
}

static void question_print(const json_t *question)
{
	size_t k;
	json_t *choice;
	const char *text = json_string_value(json_object_get(question, "text"));
	printf("Virtual machine message %lld:\n", (long long)json_integer_value(json_object_get(question, "id")));
	output_text(stdout, text ? text : "", true);
	putchar('\n');
	json_array_foreach(json_object_get(question, "choices"), k, choice) {
		const char *label = json_string_value(json_object_get(choice, "label"));
		printf(" %zu) ", k);
		output_text(stdout, label ? label : "", false);
		putchar('\n');
	}
}

/* The name of the choice that is meant by a number or a name; NULL when none is. */
static const char *choice_named(const json_t *choices, const char *word)
{
	u64 number;
	size_t k;
	json_t *choice;
	if (json_array_size(choices) && parse_u64(word, 0, json_array_size(choices) - 1, &number))
		return json_string_value(json_object_get(json_array_get(choices, (size_t)number), "name"));
	json_array_foreach(choices, k, choice) {
		const char *name = json_string_value(json_object_get(choice, "name"));
		if (name && !strcmp(name, word))
			return name;
	}
	return NULL;
}

static char *run_answer(struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n)
{
	char typed[64] = "";
	json_t *machine = call(c, "vm.show", vm_params(c));
	json_t *question = json_object_get(machine, "question"), *choices = json_object_get(question, "choices");
	char *text = NULL;
	if (!machine)
		return NULL;
	if (!json_array_size(choices)) {
		json_decref(machine);
		return refuse(c, SHELL_FAILED, "%s asks nothing", c->vm);
	}
	if (!n) {
		question_print(question);
		fflush(stdout);
		if (shell_ask(&c->sh, "Select choice. Press enter for default <0> > ", true, typed, sizeof(typed)))
			refuse(c, SHELL_FAILED, "no choice is made");
		else if (!*typed)
			str_copy(typed, sizeof(typed), "0");
	}
	const char *choice = c->status ? NULL : choice_named(choices, n ? words[0] : typed);
	if (choice)
		text = done(c, v->method, json_pack("{s:s, s:s, s:O}", "vm", c->vm, "answer", choice, "id", json_object_get(question, "id")));
	else if (!c->status)
		refuse(c, SHELL_USAGE, "%s is none of the choices", n ? words[0] : typed);
	json_decref(machine);
	return text;
}

/* ---- the program ---- */

const struct vmkcmd_verb vmkcmd_verbs[] = {
#define VERB(scope_, name_, args_, least_, most_, runs_, method_, detail_, help_) \
	{#scope_, #name_, args_, least_, most_, run_##runs_, method_, detail_, help_},
#include "shell/vmkcmd.def"
#undef VERB
};
const unsigned vmkcmd_verb_count = ARRAY_SIZE(vmkcmd_verbs);

static void help_print(void)
{
	fputs(usage, stdout);
	for (unsigned k = 0; k < vmkcmd_verb_count; k++) {
		const struct vmkcmd_verb *v = &vmkcmd_verbs[k];
		char *head = xasprintf("%s%s%s%s", !strcmp(v->scope, "HOST") ? "-s " : "", v->name, *v->args ? " " : "", v->args);
		printf("  %-28s %s\n", head, v->help);
		free(head);
	}
}

static int list_print(struct vmkcmd *c)
{
	size_t k;
	json_t *row, *rows = call(c, "vm.list", NULL);
	json_array_foreach(rows, k, row) {
		const char *path = json_string_value(json_object_get(row, "path"));
		output_text(stdout, path ? path : "", false);
		putchar('\n');
	}
	json_decref(rows);
	return rows ? SHELL_OK : c->status;
}

static const struct vmkcmd_verb *verb_find(bool host_scope, const char *name)
{
	for (unsigned k = 0; k < vmkcmd_verb_count; k++)
		if (!strcmp(vmkcmd_verbs[k].name, name) && host_scope == !strcmp(vmkcmd_verbs[k].scope, "HOST"))
			return &vmkcmd_verbs[k];
	return NULL;
}

static void result_print(const struct vmkcmd *c, const struct vmkcmd_verb *v, char *const words[], int n, const char *text)
{
	if (!c->quiet)
		printf("%s(", v->name);
	for (int k = 0; !c->quiet && k < n; k++) {
		fputs(k ? " " : "", stdout);
		output_text(stdout, words[k], false);
	}
	if (!c->quiet)
		fputs(") = ", stdout);
	output_text(stdout, text, true);
	putchar('\n');
}

static int verb_run(struct vmkcmd *c, int n, char *const words[])
{
	const char *scope = c->host_scope ? "-s " : "";
	const struct vmkcmd_verb *v = n ? verb_find(c->host_scope, words[0]) : NULL;
	char *text = NULL;
	if (!n)
		refuse(c, SHELL_USAGE, "a verb is missing: see vmk-cmd -h");
	else if (!v)
		refuse(c, SHELL_USAGE, "there is no verb %s%s: see vmk-cmd -h", scope, words[0]);
	else if (n - 1 < v->least || n - 1 > v->most)
		refuse(c, SHELL_USAGE, "usage: %s%s%s%s", scope, v->name, *v->args ? " " : "", v->args);
	else
		text = v->run(c, v, words + 1, n - 1);
	if (!text)
		return c->status;
	result_print(c, v, words + 1, n - 1, text);
	free(text);
	return SHELL_OK;
}

/* For login_run(): the password of -P once, else the person is asked. */
static int ask_password(void *arg, const char *prompt, bool echo, char *buf, size_t size)
{
	struct vmkcmd *c = arg;
	if (!c->password || echo || !size)
		return shell_ask(&c->sh, prompt, echo, buf, size);
	str_copy(buf, size, c->password);
	explicit_bzero(c->password, strlen(c->password));
	free(c->password);
	c->password = NULL;
	return 0;
}

/* As whom and where; false with a sentence. */
static bool host_reach(struct vmkcmd *c)
{
	if (c->host && !here_is(c->host)) {
		refuse(c, SHELL_FAILED, "%s is not this host: vmk-cmd works where it runs, so ssh %s vmk-cmd ...", c->host, c->host);
		return false;
	}
	int fd, ret = c->user ? login_run(c->user, ask_password, c, &fd, &c->err) : 0;
	if (c->user && !ret)
		c->sh.client = vmk_client_from_fd(fd);
	c->status = ret ? SHELL_FAILED : SHELL_OK;
	return !ret;
}

/* Others see the words of a program that runs: not these any more. */
static char *secret_take(char *word)
{
	char *copy = xstrdup(word);
	memset(word, '*', strlen(word));
	return copy;
}

/* Whether to go on; otherwise *status is the program's. */
static bool options_read(struct vmkcmd *c, int argc, char **argv, int *status)
{
	static const struct option long_options[] = {
		{"root", required_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{"complete", required_argument, NULL, 'B'}, /* for etc/bash_completion.d/vmk */
		{0}};
	int option;
	while ((option = getopt_long(argc, argv, "+lsH:U:P:O:T:qvh", long_options, NULL)) >= 0) {
		switch (option) {
		case 'l':
			c->list = true;
			break;
		case 's':
			c->host_scope = true;
			break;
		case 'H':
			c->host = optarg;
			break;
		case 'U':
			c->user = optarg;
			break;
		case 'P':
			c->password = secret_take(optarg);
			break;
		case 'O':
		case 'T':
			break;
		case 'q':
			c->quiet = true;
			break;
		case 'v':
			c->verbose = true;
			break;
		case 'r':
			set_root(optarg);
			break;
		case 'B':
			c->complete = optarg;
			break;
		case 'V':
			puts("vmk-cmd " VMK_VERSION);
			*status = SHELL_OK;
			return false;
		case 'h':
			help_print();
			*status = SHELL_OK;
			return false;
		default:
			fputs(usage, stderr);
			*status = SHELL_USAGE;
			return false;
		}
	}
	return true;
}

static void failure_print(const struct vmkcmd *c)
{
	fflush(stdout);
	fputs("vmk-cmd: ", stderr);
	output_text(stderr, c->err.text, true);
	fputc('\n', stderr);
}

int vmkcmd_main(int argc, char **argv)
{
	struct vmkcmd c = {0};
	int status = SHELL_USAGE;
	if (!options_read(&c, argc, argv, &status))
		return status;
	bool machine = !c.list && !c.host_scope;
	if (!c.complete && machine && optind == argc) {
		fputs(usage, stderr);
		return SHELL_USAGE;
	}
	if (!c.complete && machine)
		c.vm = machine_named(argv[optind++]);
	if (c.complete)
		status = bashcomplete_vmkcmd(&c.sh, c.complete);
	else if (!host_reach(&c))
		status = c.status;
	else
		status = c.list ? list_print(&c) : verb_run(&c, argc - optind, argv + optind);
	if (status)
		failure_print(&c);
	shell_free(&c.sh);
	free(c.password);
	free(c.vm);
	return status;
}
