/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.c - see conf.h */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/conf.h"
#include "vmkernel/host.h"

#define CONF(key_, type_, allowed_, fallback_, help_) \
	{.key = key_, .type = CONF_##type_, .allowed = allowed_, .fallback = fallback_, .help = help_},
const struct conf_key conf_keys[] = {
#include "vmkernel/conf.def"
};
#undef CONF
const unsigned conf_key_count = ARRAY_SIZE(conf_keys);

static const struct conf_key *conf_find(const char *key)
{
	for (unsigned k = 0; k < conf_key_count; k++)
		if (str_ieq(conf_keys[k].key, key))
			return &conf_keys[k];
	return NULL;
}

static bool is_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);
	for (const char *p = choices; *p; p += strcspn(p, "|"), p += *p == '|')
		if (strcspn(p, "|") == len && strncasecmp(p, value, len) == 0)
			return true;
	return false;
}

/* Whether the value is one; else `what` says what it must be. */
static bool value_allowed(const struct conf_key *k, const char *value, char *what, size_t size)
{
	u8 bytes[16];
	bool flag;
	u64 min = 0, max = 0, number;
	switch (k->type) {
	case CONF_ADDRESS:
		str_copy(what, size, "an IPv4 or IPv6 address, as 0.0.0.0 or ::1");
		return inet_pton(AF_INET, value, bytes) == 1 || inet_pton(AF_INET6, value, bytes) == 1;
	case CONF_NUMBER:
		min = strtoull(k->allowed, NULL, 10);
		max = strtoull(strchr(k->allowed, '-') + 1, NULL, 10);
		snprintf(what, size, "a number from %llu to %llu", (unsigned long long)min, (unsigned long long)max);
		return parse_u64(value, min, max, &number);
	case CONF_BOOL:
		str_copy(what, size, "TRUE or FALSE");
		return parse_bool(value, &flag);
	case CONF_CHOICE:
		snprintf(what, size, "one of %s", k->allowed);
		return is_choice(k->allowed, value);
	default:
		return true;
	}
}

struct checking {
	const struct config *c;
	struct error *err;
	int ret;
};

static void check(void *arg, const char *key, const char *value)
{
	struct checking *c = arg;
	const struct conf_key *k = conf_find(key);
	char what[80];
	if (!k)
		log_warning("vmkernel.conf:%d: unknown key %s", config_line(c->c, key), key);
	else if (!c->ret && !value_allowed(k, value, what, sizeof(what)))
		c->ret = fail(c->err, -EINVAL, "vmkernel.conf:%d: %s = \"%s\": must be %s", config_line(c->c, key), key, value, what);
}

/* The file's value, or the default. `c` may be NULL: there is no file. */
static const char *value_of(const struct config *c, const char *key)
{
	const char *text = c ? config_get(c, key) : NULL;
	return text ? text : conf_find(key)->fallback;
}

static unsigned number_of(const struct config *c, const char *key)
{
	return (unsigned)strtoul(value_of(c, key), NULL, 0);
}

static void take_log_level(const struct config *c)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};
	for (unsigned k = 0; k < ARRAY_SIZE(names); k++)
		if (str_ieq(value_of(c, "log.level"), names[k]))
			log_threshold((enum log_level)k);
}

/* All values are allowed ones. */
static void take(const struct config *c)
{
	const char *address = c ? config_get(c, "console.address") : NULL;
	/* A private host is one person's: loopback, unless it says otherwise. */
	str_copy(host.console_address, sizeof(host.console_address),
		 !address && *get_root() ? "127.0.0.1" : value_of(c, "console.address"));
	host.vnc_first = number_of(c, "console.firstPort");
	host.vnc_last = number_of(c, "console.lastPort");
	parse_bool(value_of(c, "autostart"), &host.autostart);
	host.network_trial = number_of(c, "host.networkTrial");
	host.autostop_limit = number_of(c, "autostop.limit");
	take_log_level(c);
	free(host.shutdown_command);
	free(host.reboot_command);
	free(host.keyboard_command);
	host.shutdown_command = xstrdup(value_of(c, "host.shutdownCommand"));
	host.reboot_command = xstrdup(value_of(c, "host.rebootCommand"));
	host.keyboard_command = xstrdup(value_of(c, "host.keyboardCommand"));
}

int conf_read(struct error *err)
{
	char *path = root_path("etc/vmk/vmkernel.conf");
	struct config *c = NULL;
	int ret = access(path, F_OK) == 0 ? config_read(path, &c, err) : 0;
	struct checking checking = {.c = c, .err = err, .ret = ret};
	free(path);
	if (c)
		config_each(c, check, &checking);
	ret = checking.ret;
	take(ret ? NULL : c);
	if (!ret && host.vnc_last < host.vnc_first)
		ret = fail(err, -EINVAL, "vmkernel.conf: console.lastPort is below console.firstPort");
	config_free(c);
	return ret;
}
