/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.c - see conf.h */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/conf.h"
#include "vmkernel/host.h"

static int conf_port(const struct config *c, const char *key, unsigned *port, struct error *err)
{
	u64 value;
	const char *text = config_get(c, key);
	if (!text)
		return 0;
	if (!parse_u64(text, 1024, 65535, &value))
		return fail(err, -EINVAL, "vmkernel.conf:%d: %s = \"%s\": must be a number from 1024 to 65535", config_line(c, key), key,
			    text);
	*port = (unsigned)value;
	return 0;
}

/* A private host is one person's: loopback, unless it says otherwise. */
static int conf_address(const struct config *c, struct error *err)
{
	u8 bytes[16];
	const char *text = c ? config_get(c, "console.address") : NULL;
	str_copy(host.console_address, sizeof(host.console_address), text ? text : *get_root() ? "127.0.0.1" : "::");
	if (text && inet_pton(AF_INET, text, bytes) != 1 && inet_pton(AF_INET6, text, bytes) != 1)
		return fail(err, -EINVAL, "vmkernel.conf:%d: console.address = \"%s\": must be an IPv4 or IPv6 address, as 0.0.0.0 or ::1",
			    config_line(c, "console.address"), text);
	return 0;
}

static int conf_log_level(const struct config *c, struct error *err)
{
	static const char *const names[] = {"debug", "info", "warning", "error"};
	const char *text = config_get(c, "log.level");
	for (unsigned k = 0; text && k < ARRAY_SIZE(names); k++) {
		if (str_ieq(text, names[k])) {
			log_threshold((enum log_level)k);
			return 0;
		}
	}
	return text ? fail(err, -EINVAL, "vmkernel.conf:%d: log.level = \"%s\": must be debug, info, warning or error",
			   config_line(c, "log.level"), text)
		    : 0;
}

static void conf_known(void *arg, const char *key, const char *value)
{
	static const char *const known[] = {"console.address", "console.firstPort", "console.lastPort", "log.level", "autostart"};
	(void)value;
	for (unsigned k = 0; k < ARRAY_SIZE(known); k++)
		if (str_ieq(key, known[k]))
			return;
	log_warning("vmkernel.conf:%d: unknown key %s", config_line(arg, key), key);
}

int conf_read(struct error *err)
{
	char *path = root_path("etc/vmk/vmkernel.conf");
	struct config *c = NULL;
	host.vnc_first = 5900;
	host.vnc_last = 5999;
	host.autostart = true;
	int ret = access(path, F_OK) == 0 ? config_read(path, &c, err) : 0;
	free(path);
	if (!ret)
		ret = conf_address(c, err);
	if (ret || !c) {
		config_free(c);
		return ret;
	}
	config_each(c, conf_known, c);
	const char *autostart = config_get(c, "autostart");
	ret = conf_port(c, "console.firstPort", &host.vnc_first, err);
	if (!ret)
		ret = conf_port(c, "console.lastPort", &host.vnc_last, err);
	if (!ret && host.vnc_last < host.vnc_first)
		ret = fail(err, -EINVAL, "vmkernel.conf: console.lastPort is below console.firstPort");
	if (!ret)
		ret = conf_log_level(c, err);
	if (!ret && autostart && !parse_bool(autostart, &host.autostart))
		ret = fail(err, -EINVAL, "vmkernel.conf:%d: autostart = \"%s\": must be TRUE or FALSE", config_line(c, "autostart"),
			   autostart);
	config_free(c);
	return ret;
}
