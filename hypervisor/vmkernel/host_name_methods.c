/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host_name_methods.c - handler of host.name */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "computer/host_name.h"
#include "computer/settings.h"
#include "lib/util.h"
#include "vmkernel/consoles.h"
#include "vmkernel/job.h"
#include "vmkernel/methods.h"
#include "vmkernel/text.h"

#define NAME_SECONDS 60
#define ETC "/etc"

struct name_change {
	struct request *r;
	bool dry_run;
	char name[HOST_NAME_SIZE], old[HOST_NAME_SIZE];
};

static int save_or_take_back(const struct name_change *c, struct host_name_files *files, struct error *err)
{
	struct error why;
	int ret = host_name_save(files, &why);
	if (!ret)
		return 0;
	if (sethostname(c->old, strlen(c->old)))
		return fail(err, ret, "%s; and the host is called %s until it starts again: %m", why.text, c->name);
	return fail(err, ret, "the name is as it was: %s", why.text);
}

static int name_run(void *arg, int report, json_t **result, struct error *err)
{
	const struct name_change *c = arg;
	struct host_name_files files;
	(void)report, (void)result;
	int ret = host_name_change(ETC, c->old, c->name, &files, err);
	if (ret)
		return ret;
	/* What needs leave that the files do not first: it is the easiest to take back. */
	if (!c->dry_run && sethostname(c->name, strlen(c->name)))
		ret = fail(err, -errno, "cannot set the name, all is as it was: %m");
	else if (!c->dry_run)
		ret = save_or_take_back(c, &files, err);
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
		json_object_set_new(result, "dry_run", json_true());
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
				.late = "the files have not been written in time", .cleans_up = true};
	identity_of_user(geteuid(), &spec.who);
	ret = job_start(&spec, NULL, NULL, err);
	if (!ret)
		return PENDING;
	free(c);
	return ret;
}
