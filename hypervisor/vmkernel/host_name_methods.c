/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host_name_methods.c - handler of host.name */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/consoles.h"
#include "vmkernel/host_name.h"
#include "vmkernel/job.h"
#include "vmkernel/methods.h"
#include "vmkernel/settings.h"
#include "vmkernel/text.h"

#define NAME_SECONDS 60
#define ETC "/etc"

struct name_change {
	struct request *r;
	bool dry_run;
	char name[HOST_NAME_SIZE], old[HOST_NAME_SIZE];
};

static int name_run(void *arg, int report, json_t **result, struct error *err)
{
	const struct name_change *c = arg;
	struct host_name_files files;
	struct error why;
	(void)report, (void)result;
	int ret = host_name_change(ETC, c->old, c->name, &files, err);
	if (ret)
		return ret;
	if (!c->dry_run)
		ret = host_name_save(&files, err);
	if (!ret && !c->dry_run && sethostname(c->name, strlen(c->name))) {
		ret = fail(err, -errno, "cannot set the name, all is as it was: %m");
		if (host_name_restore(&files, &why))
			fail(err, ret, "cannot set the name; nor are the files as they were: %s", why.text);
	}
	host_name_close(&files);
	return ret;
}

static json_t *name_result(void)
{
	char name[HOST_NAME_SIZE];
	host_name_get(name);
	return json_pack("{s:o}", "name", text_json(name));
}

static void on_named(void *arg, int ret, json_t *done, const struct error *err)
{
	struct name_change *c = arg;
	const char *certified = consoles_certificate_name();
	json_t *result = NULL;
	(void)done;
	if (!ret && c->dry_run) {
		result = message_result("would call the host %s", c->name);
	} else if (!ret) {
		result = name_result();
		event_acting(c->r);
		event_host(LOG_LEVEL_INFO, EVENT_ADMIN, "the host %s is called %s now", c->old, c->name);
		event_acting(NULL);
		json_object_set_new(result, "message", json_sprintf("the host is called %s", c->name));
		if (*certified && !str_ieq(certified, c->name))
			json_object_set_new(result, "warnings",
					    json_pack("[o]", json_sprintf("the consoles' certificate is for %s: for one of the new name delete console.crt and "
									  "console.key in etc/vmk and restart vmkernel; who trusts the old one is asked again", certified)));
	}
	request_finish(c->r, ret, result, err);
	free(c);
}

int handle_host_name(struct request *r, json_t **result, struct error *err)
{
	const char *name = param_string(r, "name");
	if (!name) {
		*result = name_result();
		return 0;
	}
	int ret = host_name_check(name, err);
	if (!ret)
		ret = settings_need_installed("the name", err);
	if (ret)
		return ret;
	struct name_change *c = xcalloc(1, sizeof(*c));
	*c = (struct name_change){.r = r, .dry_run = r->dry_run};
	str_copy(c->name, sizeof(c->name), name);
	host_name_get(c->old);
	struct job_spec spec = {.seconds = NAME_SECONDS, .run = name_run, .done = on_named, .arg = c, .done_arg = c, .asker = &r->caller,
				.late = "the files have not been written in time"};
	identity_of_user(geteuid(), &spec.who);
	ret = job_start(&spec, NULL, NULL, err);
	if (!ret)
		return PENDING;
	free(c);
	return ret;
}
