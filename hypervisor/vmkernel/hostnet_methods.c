/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_methods.c - handlers of host.network and host.network_*: the computer's own network; and the trial of a change of it */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "computer/hostnet_links.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "vmkernel/hostnet_methods.h"
#include "vmkernel/hostnet_probe.h"
#include "vmkernel/hostnet_record.h"
#include "vmkernel/hostnet_trial.h"
#include "vmkernel/methods.h"
#include "vmkernel/task.h"
#include "vmkernel/text.h"

#define LIST_SECONDS 30
#define CHECK_SECONDS 30
#define RETRY_SECONDS 10 /* and twice as long each time, */
#define RETRY_SECONDS_MAX 300
#define LATE "it has not ended in time, and was killed"

/* There is one at most. */
static struct {
	enum { TRIAL_NONE, TRIAL_APPLYING, TRIAL_RUNNING, TRIAL_ENDING, TRIAL_RESTORING } state;
	char interface[IF_NAMESIZE];
	u64 ends_ns; /* monotonic; of RUNNING */
	int report;  /* to the child, whose job it is */
	struct request *setter; /* waits until it is applied; NULL: it has its answer */
	struct request *ender;	/* keeps or undoes it; NULL: nobody, or the host itself */
	bool keep;		/* what the ender wants */
	bool cancelled;		/* while it was being applied */
	sd_event_source *retry; /* of what could not be undone; NULL: nothing waits */
	unsigned retry_seconds; /* the pause before it; 0: it was not tried yet */
} trial;

static int need_installed(struct error *err)
{
	if (*get_root())
		return fail(err, -EOPNOTSUPP, "the network is the computer's, and this is a private host below %s: change it there", get_root());
	return geteuid() ? fail(err, -EPERM, "only a VMkernel that is root's changes the network") : 0;
}

const char *hostnet_on_trial(unsigned *seconds)
{
	u64 now = now_monotonic();
	if (trial.state != TRIAL_RUNNING)
		return NULL;
	*seconds = trial.ends_ns > now ? (unsigned)((trial.ends_ns - now) / NSEC_PER_SEC) + 1 : 0;
	return trial.interface;
}

/* ---- host.network ---- */

static const char *link_text(const struct hostnet_link *link)
{
	return !link->up ? "down" : link->carrier ? "up" : "no cable";
}

static const char *method_text(const struct hostnet_link *link, const struct hostnet_config *c)
{
	static const char *const texts[] = {[HOSTNET_DHCP] = "dhcp", [HOSTNET_STATIC] = "static", [HOSTNET_NONE] = "none"};
	if (c->method == HOSTNET_OTHER)
		return c->word;
	if (c->method != HOSTNET_UNTOLD)
		return texts[c->method];
	if (c->manager == HOSTNET_NETWORKMANAGER)
		return "nmcli tells";
	return link->n ? "by hand: not in a file that vmk knows" : "not set up";
}

static json_t *link_row(const struct hostnet_link *link, const struct hostnet_config *c, const char *resolvers, const char *search)
{
	bool routed = link->gateway[0];
	const char *dns = c->dns[0] || !routed ? c->dns : resolvers, *domains = c->search[0] || !routed ? c->search : search;
	json_t *addresses = json_array();
	for (unsigned k = 0; k < link->n; k++)
		json_array_append_new(addresses, json_string(link->address[k]));
	return json_pack("{s:o, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:n}", "name", text_json(link->name), "link",
			 link_text(link), "mac", link->mac, "method", method_text(link, c), "addresses", joined_json(addresses), "gateway",
			 routed ? link->gateway : c->gateway, "dns", text_json(dns), "search", text_json(domains), "manager",
			 hostnet_manager_name(c->manager), "file", text_json(c->file), "note", text_json(c->problem), "ipv6", c->ipv6, "set_address",
			 c->address, "set_gateway", c->gateway, "set_method", c->method == HOSTNET_STATIC ? "static" : c->method == HOSTNET_NONE ? "none" : "dhcp",
			 "trial_s");
}

static int list_run(void *arg, int report, json_t **result, struct error *err)
{
	struct hostnet_link *links = NULL;
	char resolvers[HOSTNET_LIST_SIZE], search[HOSTNET_LIST_SIZE];
	unsigned n;
	(void)arg, (void)report;
	int ret = hostnet_links(&links, &n, err);
	if (ret)
		return ret;
	struct hostnet_files *files = hostnet_open(&hostnet_system);
	hostnet_resolvers(&hostnet_system, resolvers, sizeof(resolvers), search, sizeof(search));
	*result = json_array();
	for (unsigned k = 0; k < n; k++) {
		struct hostnet_config config;
		hostnet_look(files, &links[k], &config);
		json_t *row = link_row(&links[k], &config, resolvers, search);
		if (row)
			json_array_append_new(*result, row);
	}
	hostnet_close(files);
	free(links);
	return 0;
}

/* The child did not know: the trial is the daemon's. */
static void add_trial(json_t *rows)
{
	unsigned seconds;
	const char *interface = hostnet_on_trial(&seconds);
	for (size_t k = 0; interface && k < json_array_size(rows); k++) {
		json_t *row = json_array_get(rows, k);
		const char *name = json_string_value(json_object_get(row, "name"));
		if (!name || strcmp(name, interface) != 0)
			continue;
		json_object_set_new(row, "trial_s", json_integer(seconds));
		json_object_set_new(row, "note", json_sprintf("undone in %u s unless it is kept: host network keep", seconds));
	}
}

static void on_list(void *arg, int ret, json_t *rows, const struct error *err)
{
	if (!ret)
		add_trial(rows);
	request_finish(arg, ret, ret ? NULL : json_incref(rows), err);
}

int handle_host_network(struct request *r, json_t **result, struct error *err)
{
	struct job_spec spec = {.asker = &r->caller, .seconds = LIST_SECONDS, .run = list_run, .done = on_list, .done_arg = r, .late = LATE};
	(void)result;
	identity_of_user(geteuid(), &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	return ret ? ret : PENDING;
}

/* ---- a change, and its trial ---- */

static int restore_start(struct error *err);
static void restore_soon(void);

static void on_applied(void *arg, int percent)
{
	(void)arg, (void)percent;
	if (trial.state != TRIAL_APPLYING)
		return;
	trial.state = TRIAL_RUNNING;
	trial.ends_ns = now_monotonic() + host.network_trial * NSEC_PER_SEC;
	event_acting(trial.setter);
	event_host(LOG_LEVEL_WARNING, EVENT_ADMIN, "the network of %s is changed, on trial for %u seconds", trial.interface, host.network_trial);
	event_acting(NULL);
	struct request *r = trial.setter;
	trial.setter = NULL;
	request_finish(r, 0, message_result("the network of %s is changed; in %u seconds it is undone, unless it is kept: host network keep", trial.interface,
					    host.network_trial), NULL);
}

/* Who keeps or undoes it hears what has become of it. */
static void answer_ender(int ret, bool kept, const struct error *err)
{
	struct request *r = trial.ender;
	struct error why;
	trial.ender = NULL;
	if (ret)
		request_finish(r, ret, NULL, err);
	else if (trial.keep && !kept)
		request_finish(r, fail(&why, -ETIMEDOUT, "the time was up: the network of %s is as it was before", trial.interface), NULL, &why);
	else
		request_finish(r, 0, message_result("the network of %s %s", trial.interface, kept ? "stays as it is now" : "is as it was before"), NULL);
}

static void log_end(int ret, bool kept, const struct error *err)
{
	const char *name = trial.interface;
	if (ret)
		event_host(trial.setter ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, EVENT_ADMIN, "the network of %s: %.400s", name, err->text);
	else if (kept)
		event_host(LOG_LEVEL_INFO, EVENT_ADMIN, "the network of %s is changed%s", name, trial.setter ? "" : ", and kept");
	else
		event_host(LOG_LEVEL_WARNING, EVENT_ADMIN, "the network of %s is as it was before: %s", name,
			   trial.cancelled		? "the change was cancelled"
			   : trial.ender && !trial.keep ? "the change was undone"
							: "nobody kept the change");
}

static void on_end(void *arg, int ret, json_t *result, const struct error *err)
{
	bool kept = json_is_true(json_object_get(result, "kept")), left = ret && hostnet_record_there();
	struct request *r = trial.setter;
	(void)arg;
	event_acting(r ? r : trial.ender);
	log_end(ret, kept, err);
	event_acting(NULL);
	trial.setter = NULL;
	if (r)
		request_finish(r, ret, ret ? NULL : message_result("the network of %s is changed", trial.interface), err);
	if (trial.ender)
		answer_ender(ret, kept, err);
	trial.state = TRIAL_NONE;
	if (left)
		restore_soon(); /* its child was ended before it could, or a file cannot be put back now */
}

/* Once it is applied it is no task any more, but on trial. */
static int cancel_applying(void *arg, struct error *err)
{
	(void)arg;
	if (trial.state != TRIAL_APPLYING || sock_send(trial.report, HOSTNET_UNDO, strlen(HOSTNET_UNDO), NULL, 0) < 0)
		return fail(err, -EBUSY, "the network of %s is changed already", trial.interface);
	trial.cancelled = true;
	return PENDING; /* the child says what came of it */
}

static int trial_start(struct request *r, const struct hostnet_order *o, struct error *err)
{
	struct job_spec spec = {.asker = &r->caller, .seconds = o->trial + HOSTNET_APPLY_SECONDS, .run = hostnet_trial_run, .progress = on_applied,
				.done = on_end, .arg = (void *)o, .group = true, .late = LATE, .cleans_up = true};
	identity_of_user(geteuid(), &spec.who);
	int ret = job_start(&spec, NULL, &trial.report, err);
	if (ret)
		return ret;
	trial.state = TRIAL_APPLYING;
	trial.setter = r;
	trial.ender = NULL;
	trial.cancelled = false;
	str_copy(trial.interface, sizeof(trial.interface), o->interface);
	task_begin(r, cancel_applying, NULL, NULL, "changing the network of %s", trial.interface);
	return PENDING;
}

static void on_checked(void *arg, int ret, json_t *result, const struct error *err)
{
	(void)result;
	request_finish(arg, ret, NULL, err);
}

/* Whether it would do: only the child may read the files. */
static int check_start(struct request *r, const struct hostnet_order *o, struct error *err)
{
	struct job_spec spec = {.asker = &r->caller, .seconds = CHECK_SECONDS, .run = hostnet_trial_run, .done = on_checked, .arg = (void *)o,
				.done_arg = r, .group = true, .late = LATE};
	identity_of_user(geteuid(), &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	return ret ? ret : PENDING;
}

/* Not while another one is under way, or has left what is to be put back. */
static int need_no_trial(struct error *err)
{
	unsigned seconds;
	if (trial.state == TRIAL_NONE)
		return hostnet_record_there() ? fail(err, -EBUSY, "an earlier change of the network is not undone yet: host network undo tries it again") : 0;
	if (hostnet_on_trial(&seconds))
		return fail(err, -EBUSY, "a change of %s is on trial for %u seconds more: host network keep, or host network undo, first", trial.interface,
			    seconds);
	return fail(err, -EBUSY, "a change of %s is under way", *trial.interface ? trial.interface : "the network");
}

int handle_host_network_set(struct request *r, json_t **result, struct error *err)
{
	struct hostnet_order o = {.place = &hostnet_system, .trial = host.network_trial, .dry_run = r->dry_run};
	const char *interface = param_string(r, "interface");
	(void)result;
	if (strlen(interface) >= sizeof(o.interface))
		return fail(err, -ENOENT, "there is no network interface %.60s", interface);
	str_copy(o.interface, sizeof(o.interface), interface);
	int ret = hostnet_parse(param_string(r, "ipv4"), param_string(r, "gateway"), param_string(r, "dns"), param_string(r, "search"), &o.change, err);
	if (!ret)
		ret = need_installed(err);
	if (!ret)
		ret = need_no_trial(err);
	if (ret)
		return ret;
	return r->dry_run ? check_start(r, &o, err) : trial_start(r, &o, err);
}

/* No change is on trial, but one may have been left that is only to be undone. */
static int end_what_was_left(struct request *r, bool keep, struct error *err)
{
	if (trial.state != TRIAL_NONE || (keep && hostnet_record_there()))
		return need_no_trial(err);
	if (!hostnet_record_there())
		return fail(err, -ENOENT, "no change of the network is on trial");
	if (r->dry_run)
		return 0;
	int ret = restore_start(err);
	if (ret)
		return ret;
	trial.ender = r;
	return PENDING;
}

static int trial_end(struct request *r, bool keep, struct error *err)
{
	const char *word = keep ? HOSTNET_KEEP : HOSTNET_UNDO;
	unsigned seconds;
	int ret = need_installed(err);
	if (ret)
		return ret;
	if (!hostnet_on_trial(&seconds))
		return end_what_was_left(r, keep, err);
	if (r->dry_run)
		return 0;
	/* Should the child be past hearing it, its answer says what has become of the change. */
	(void)sock_send(trial.report, word, strlen(word), NULL, 0);
	trial.state = TRIAL_ENDING;
	trial.ender = r;
	trial.keep = keep;
	return PENDING;
}

int handle_host_network_keep(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	return trial_end(r, true, err);
}

int handle_host_network_undo(struct request *r, json_t **result, struct error *err)
{
	(void)result;
	return trial_end(r, false, err);
}

/* ---- what an earlier daemon, or a child that was ended, has left ---- */

static void on_restored(void *arg, int ret, json_t *result, const struct error *err)
{
	const char *interface = json_string_value(json_object_get(result, "interface"));
	const char *of = interface && *interface ? " of " : "", *name = interface ? interface : "";
	struct request *r = trial.ender;
	(void)arg;
	trial.ender = NULL;
	trial.state = TRIAL_NONE;
	event_acting(r);
	if (ret)
		event_host(LOG_LEVEL_ERROR, EVENT_ADMIN, "a change of the network that was on trial: %.400s", err->text);
	else
		event_host(LOG_LEVEL_WARNING, EVENT_ADMIN, "the network%s%s is as it was before: a change that was on trial is undone", of, name);
	event_acting(NULL);
	if (ret && hostnet_record_there())
		restore_soon();
	else
		trial.retry_seconds = 0;
	if (r)
		request_finish(r, ret, ret ? NULL : message_result("the network%s%s is as it was before", of, name), err);
}

static int restore_start(struct error *err)
{
	struct job_spec spec = {.asker = &job_host, .seconds = HOSTNET_APPLY_SECONDS, .run = hostnet_trial_restore, .done = on_restored, .group = true,
				.late = LATE, .cleans_up = true};
	identity_of_user(geteuid(), &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	if (ret)
		return ret;
	trial.retry = sd_event_source_disable_unref(trial.retry);
	trial.interface[0] = 0;
	trial.setter = trial.ender = NULL;
	trial.state = TRIAL_RESTORING;
	return 0;
}

static int on_retry(sd_event_source *s, uint64_t usec, void *arg)
{
	struct error err;
	(void)s, (void)usec, (void)arg;
	trial.retry = sd_event_source_disable_unref(trial.retry);
	if (trial.state != TRIAL_NONE || !hostnet_record_there() || !restore_start(&err))
		return 0;
	event_host(LOG_LEVEL_ERROR, EVENT_ADMIN, "a change of the network that was on trial cannot be undone: %.400s", err.text);
	restore_soon();
	return 0;
}

/* At once the first time, later after a pause. */
static void restore_soon(void)
{
	if (!trial.retry)
		BUG_ON(sd_event_add_time_relative(host.event, &trial.retry, CLOCK_MONOTONIC, trial.retry_seconds * 1000000ull, 0, on_retry, NULL) < 0);
	trial.retry_seconds = trial.retry_seconds ? MIN(trial.retry_seconds * 2, RETRY_SECONDS_MAX) : RETRY_SECONDS;
}

void hostnet_begin(void)
{
	if (!*get_root() && geteuid() == 0 && hostnet_record_there())
		restore_soon();
}

/* ---- host.network_test ---- */

struct test {
	struct request *r;
	struct hostnet_probe probe;
	pid_t pid;
};

static void on_tested(void *arg, int ret, json_t *rows, const struct error *err)
{
	struct test *t = arg;
	request_finish(t->r, ret, ret ? NULL : json_incref(rows), err);
	free(t);
}

static void on_test_progress(void *arg, int percent)
{
	const struct test *t = arg;
	task_percent(t->r, percent);
}

/* It has changed nothing: it is just ended. */
static int test_cancel(void *arg, struct error *err)
{
	const struct test *t = arg;
	struct error why;
	(void)err;
	fail(&why, -ECANCELED, "testing the network is cancelled");
	job_cut(t->pid, &why);
	return 0;
}

int handle_host_network_test(struct request *r, json_t **result, struct error *err)
{
	const char *name = param_string(r, "name");
	(void)result;
	if (name && !hostnet_domain_ok(name))
		return fail(err, -EINVAL, "name %.60s: must be the name of a computer, as www.example.org", name);
	if (r->dry_run)
		return 0;
	struct test *t = xcalloc(1, sizeof(*t));
	*t = (struct test){.r = r, .probe = {.place = &hostnet_system, .name = name}};
	struct job_spec spec = {.asker = &r->caller, .seconds = HOSTNET_PROBE_SECONDS, .run = hostnet_probe_run, .done = on_tested, .arg = &t->probe,
				.done_arg = t, .progress = on_test_progress, .late = LATE};
	identity_of_user(geteuid(), &spec.who);
	int ret = job_start(&spec, &t->pid, NULL, err);
	if (ret) {
		free(t);
		return ret;
	}
	task_begin(r, test_cancel, NULL, t, "testing the network");
	return PENDING;
}
