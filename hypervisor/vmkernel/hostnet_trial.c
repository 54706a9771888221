/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_trial.c - see hostnet_trial.h */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "computer/hostnet_links.h"
#include "computer/program.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "vmkernel/hostnet_record.h"
#include "vmkernel/hostnet_trial.h"

#define PROGRAM_SECONDS 90 /* a DHCP client gives up after a minute */
#define UNDO_SECONDS 330   /* also one that is told to wait for five: what was there before has more time than what is tried out */
#define ADDRESS_SECONDS 20 /* networkd works on when networkctl has ended */
#define SETTLE_SECONDS 2
#define LEASE_SECONDS 60
#define LOOK_USEC 200000

/*
 * This process may outlive the daemon: it holds none of its sockets, whose other ends, and whose ports, are to be free then. The log and the
 * daemon's end stay.
 */
static void let_go(int report)
{
	int low = host.log_fd > STDERR_FILENO ? MIN(report, host.log_fd) : report, high = MAX(report, low == report ? host.log_fd : report);
	if (low > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	close_range((unsigned)MAX(low, high) + 1, ~0u, 0);
}

/* One at a time changes the network, whichever daemon's child it is. Held until this process ends. */
static int take_turn(struct error *err)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char *path = root_path("run/vmk/network.lock");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int ret = fd < 0 ? fail(err, -errno, "cannot open %s: %m", path) : 0;
	while (!ret && fcntl(fd, F_SETLKW, &lock))
		if (errno != EINTR)
			ret = fail(err, -errno, "cannot lock %s: %m", path);
	free(path);
	return ret;
}

/* The daemon's end, while a change is being applied: its word then, and its end, are to undo it. -1: not to be heeded. */
static int heeded = -1;

static bool is_told(void *arg)
{
	struct pollfd p = {.fd = heeded, .events = POLLIN};
	(void)arg;
	return poll(&p, 1, 0) > 0;
}

static int run_words(struct error *err, unsigned seconds, const char *const *words)
{
	const struct program p = {.words = (char *const *)words, .seconds = seconds, .give_up = is_told};
	return program_run(&p, err);
}
#define RUN_FOR(err, seconds, ...) run_words(err, seconds, (const char *const[]){__VA_ARGS__, NULL})
#define RUN(err, ...) RUN_FOR(err, PROGRAM_SECONDS, __VA_ARGS__)

/* For what may well fail, as what is there already is refused. */
#define TRY(...) \
	do { \
		struct error try_why; \
		if (RUN(&try_why, __VA_ARGS__)) \
			log_debug("%s", try_why.text); \
	} while (0)

/* ---- putting back ---- */

static bool is_six(const char *address)
{
	return strchr(address, ':') != NULL;
}

/* With the broadcast address networkd, too, would give it: one without is none that it can take over. */
static void add_address(const char *address, const char *interface)
{
	const char *slash = strchr(address, '/');
	if (!is_six(address) && slash && atoi(slash + 1) < 31)
		TRY("ip", "address", "add", address, "dev", interface, "broadcast", "+");
	else
		TRY("ip", "address", "add", address, "dev", interface);
}

/* Where they are missing. IPv6's of routers come by themselves, and go by themselves. */
static void restore_addresses(const struct hostnet_link *was, const char *gateway, bool lent_too, bool six_only)
{
	struct hostnet_link now = {.n = 0};
	(void)hostnet_link(was->name, &now);
	for (unsigned k = 0; k < was->n; k++) {
		bool six = is_six(was->address[k]);
		if ((six || !six_only) && (!was->lent[k] || (lent_too && !six)) && !hostnet_link_has(&now, was->address[k]))
			add_address(was->address[k], was->name);
	}
	if (*gateway && !six_only && !now.gateway[0])
		TRY("ip", "route", "replace", "default", "via", gateway, "dev", was->name);
	if (*was->gateway6 && !now.gateway6[0])
		TRY("ip", "-6", "route", "replace", "default", "via", was->gateway6, "dev", was->name);
}

/* As the kernel had it, whatever the files say, and whoever set it. */
static void restore_by_hand(const struct hostnet_link *was)
{
	if (!was->up)
		return;
	TRY("ip", "link", "set", "dev", was->name, "up");
	restore_addresses(was, was->gateway, true, false);
}

/* What was set by hand, or in the old way, is in the way of the new one: ifup's own gateway, networkd's own address. */
static void clear_ipv4(const struct hostnet_link *was)
{
	if (was->gateway[0])
		TRY("ip", "-4", "route", "del", "default", "dev", was->name);
	TRY("ip", "-4", "address", "flush", "dev", was->name);
}

/*
 * networkd sets up anew whatever has another file than before, and has only begun with it when networkctl ends. Not `networkctl reconfigure`,
 * which would take all away a second time.
 */
static int networkd_apply(const json_t *record, struct error *err)
{
	hostnet_record_touch(record);
	return RUN(err, "networkctl", "reload");
}

static bool has_one_of(const struct hostnet_link *now, const struct hostnet_link *was)
{
	for (unsigned k = 0; k < was->n; k++)
		if (!is_six(was->address[k]) && hostnet_link_has(now, was->address[k]))
			return true;
	return false;
}

/* Until it has an address as before, and the gateway that the old file names: the manager's program may have ended before its work is done. */
static int wait_until_back(const json_t *record, const struct hostnet_link *was, unsigned seconds, struct error *err)
{
	bool dhcp = hostnet_record_flag(record, "dhcp"), routed = hostnet_record_flag(record, "routed") && was->gateway[0];
	u64 end = now_monotonic() + seconds * NSEC_PER_SEC;
	struct hostnet_link now;
	if (!hostnet_link_has_ipv4(was))
		return 0;
	for (;; usleep(LOOK_USEC)) {
		bool there = hostnet_link(was->name, &now) && (has_one_of(&now, was) || (dhcp && hostnet_link_has_lease(&now, was)));
		bool late = now_monotonic() > end;
		if (there && (late || dhcp || !routed || now.gateway[0]))
			return 0;
		if (late)
			return fail(err, -ETIMEDOUT, "%s does not come back", was->address[0]);
	}
}

/* With the old files in place. */
static int bring_back(const json_t *record, const struct hostnet_link *was, struct error *err)
{
	bool networkd = hostnet_record_by_networkd(record), dhcp = hostnet_record_flag(record, "dhcp");
	if (networkd)
		clear_ipv4(was); /* what is there afterwards is the old configuration's */
	int ret = networkd ? networkd_apply(record, err) : RUN_FOR(err, UNDO_SECONDS, "ifup", was->name);
	if (!ret)
		ret = wait_until_back(record, was, !networkd ? SETTLE_SECONDS : dhcp ? LEASE_SECONDS : ADDRESS_SECONDS, err);
	if (ret)
		restore_by_hand(was);
	else if (was->up)
		restore_addresses(was, dhcp ? "" : was->gateway, false, false);
	return ret;
}

/*
 * No file names it: as somebody set it. networkd lets go of such an interface; what it has set it may take away somewhat later, and with it what
 * is the same.
 */
static void bring_back_by_hand(const json_t *record, const struct hostnet_link *was)
{
	struct error why;
	bool networkd = hostnet_record_by_networkd(record);
	u64 end = now_monotonic() + SETTLE_SECONDS * NSEC_PER_SEC;
	if (networkd) {
		clear_ipv4(was);
		(void)networkd_apply(record, &why);
		clear_ipv4(was);
	}
	restore_by_hand(was);
	while (networkd && now_monotonic() < end) {
		usleep(LOOK_USEC);
		restore_by_hand(was);
	}
}

/*
 * Everything as the record has it. *again: a file could not be put back, and it is to be tried later; meanwhile the interface has what it
 * had.
 */
static int put_back(const json_t *record, bool *again, struct error *err)
{
	struct hostnet_link was;
	struct error why;
	bool others = false;
	hostnet_record_link(record, &was);
	int ret = hostnet_record_stage(record, err);
	if (!ret) {
		if (!hostnet_record_by_networkd(record))
			TRY("ifdown", "--force", was.name); /* as far as it has come up */
		ret = hostnet_record_commit(record, &others, err);
	}
	*again = ret != 0;
	if (ret) {
		restore_by_hand(&was);
		return ret;
	}
	if (!hostnet_record_flag(record, "was_up"))
		bring_back_by_hand(record, &was);
	else if (bring_back(record, &was, &why))
		ret = fail(err, why.code, "the old configuration does not come up: %.400s", why.text);
	return ret || !others ? ret : -EEXIST;
}

/* What was written down is needed until the files are as they were. Not being able to delete it then would undo the change again. */
static int put_back_and_forget(const json_t *record, struct error *err)
{
	struct error why;
	bool again;
	int ret = put_back(record, &again, err);
	if (!again && hostnet_record_delete(&why))
		log_warning("%s", why.text);
	return ret;
}

int hostnet_trial_restore(void *arg, int report, json_t **result, struct error *err)
{
	json_t *record = NULL;
	(void)arg;
	let_go(report);
	int ret = take_turn(err);
	if (!ret)
		ret = hostnet_record_read(&record, err);
	if (ret == -ENOENT)
		ret = 0;
	if (record)
		ret = put_back_and_forget(record, err);
	*result = json_pack("{s:b, s:s}", "undone", record != NULL, "interface", hostnet_record_text(record, "interface"));
	json_decref(record);
	return ret;
}

/* ---- applying ---- */

static bool has_arrived(const struct hostnet_order *o, const struct hostnet_link *now, const struct hostnet_link *before)
{
	if (o->change.method == HOSTNET_DHCP)
		return hostnet_link_has_lease(now, before);
	return hostnet_link_has(now, o->change.address) && (!o->change.gateway[0] || !strcmp(now->gateway, o->change.gateway));
}

/* Until the interface has what it is to have, and did not have `before`. */
static int wait_for_address(const struct hostnet_order *o, const struct hostnet_link *before, struct error *err)
{
	bool fixed = o->change.method == HOSTNET_STATIC;
	u64 end = now_monotonic() + (fixed ? ADDRESS_SECONDS : LEASE_SECONDS) * NSEC_PER_SEC;
	struct hostnet_link link = {.up = false};
	if (o->change.method == HOSTNET_NONE)
		return 0;
	for (;; usleep(LOOK_USEC)) {
		if (hostnet_link(o->interface, &link) && has_arrived(o, &link, before))
			return 0;
		if (is_told(NULL))
			return fail(err, -ECANCELED, "it was cancelled");
		if (now_monotonic() > end)
			break;
	}
	const char *cable = link.up && !link.carrier ? " (its cable is not in)" : "";
	if (!fixed)
		return fail(err, -ETIMEDOUT, "no DHCP server gives %s an address%s", o->interface, cable);
	if (hostnet_link_has(&link, o->change.address))
		return fail(err, -ETIMEDOUT, "the gateway %s does not come to %s", o->change.gateway, o->interface);
	return fail(err, -ETIMEDOUT, "%s does not come to %s%s", o->change.address, o->interface, cable);
}

/* networkd itself takes away what it has set; a lease it has yet to get is not to be told from an address that is still there, though. */
static int take_down(const struct hostnet_order *o, const json_t *record, const struct hostnet_link *was, struct error *err)
{
	bool was_up = hostnet_record_flag(record, "was_up");
	if (was_up && !hostnet_record_by_networkd(record))
		return RUN(err, "ifdown", was->name);
	if (!was_up || o->change.method != HOSTNET_STATIC)
		clear_ipv4(was);
	return 0;
}

static int bring_up(const json_t *record, const struct hostnet_link *was, struct error *err)
{
	if (hostnet_record_by_networkd(record))
		return networkd_apply(record, err);
	int ret = RUN(err, "ifup", was->name);
	/* ifdown has taken IPv6's away, too, and ifup knows only what a file names. */
	if (!ret && was->up)
		restore_addresses(was, "", false, true);
	return ret;
}

/* With the old files down, with the new ones up. */
static int apply(const struct hostnet_order *o, struct hostnet_files *files, json_t *record, const struct hostnet_link *was, struct error *err)
{
	struct hostnet_link before = *was;
	int ret = take_down(o, record, was, err);
	if (!ret)
		ret = hostnet_save(files, err);
	if (!ret)
		ret = hostnet_record_note_new(record, err);
	(void)hostnet_link(o->interface, &before);
	if (!ret)
		ret = bring_up(record, was, err);
	return ret ? ret : wait_for_address(o, &before, err);
}

/* Until somebody says keep (true), or undo, or nothing in time. The daemon's end counts as undo. */
static bool wait_for_keep(int report, unsigned seconds)
{
	static const char applied[] = "{\"percent\": 100}";
	char word[16] = "";
	u64 end = now_monotonic() + seconds * NSEC_PER_SEC, now;
	struct pollfd p = {.fd = report, .events = POLLIN};
	if (sock_send(report, applied, strlen(applied), NULL, 0) < 0)
		return false;
	while ((now = now_monotonic()) < end) {
		int n = poll(&p, 1, (int)MIN((end - now) / 1000000 + 1, 3600000u));
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			return sock_recv(report, word, sizeof(word) - 1, NULL, NULL) > 0 && strcmp(word, HOSTNET_KEEP) == 0;
	}
	return false;
}

static int try_out(const struct hostnet_order *o, struct hostnet_files *files, json_t *record, const struct hostnet_link *was, int report,
		   json_t **result, struct error *err)
{
	struct error why;
	int ret = hostnet_record_write(record, err);
	if (ret)
		return ret;
	heeded = report;
	ret = apply(o, files, record, was, err);
	if (!ret && is_told(NULL))
		ret = fail(err, -ECANCELED, "it was cancelled");
	heeded = -1;
	if (ret) {
		char text[300];
		snprintf(text, sizeof(text), "%.299s", err->text);
		return put_back_and_forget(record, &why) ? fail(err, ret, "%s; and it could not be put back: %.170s", text, why.text)
							  : fail(err, ret, "%s is as it was before: %s", o->interface, text);
	}
	bool kept = !o->trial || wait_for_keep(report, o->trial);
	ret = kept ? hostnet_record_delete(err) : put_back_and_forget(record, err);
	*result = json_pack("{s:b}", "kept", kept);
	return ret;
}

/* `was_up`: its manager has brought it up, and can do so again; else it is as somebody set it by hand. */
static bool is_up(const struct hostnet_config *config, const struct hostnet_link *link)
{
	struct error why;
	return config->manager == HOSTNET_NETWORKD ? config->file[0] != 0 : RUN(&why, "ifquery", "--state", link->name) == 0;
}

/* What an earlier change has left is not to be forgotten for this one. */
static int need_turn(struct error *err)
{
	int ret = take_turn(err);
	if (!ret && hostnet_record_there())
		ret = fail(err, -EBUSY, "an earlier change of the network is not undone yet: host network undo");
	return ret;
}

int hostnet_trial_run(void *arg, int report, json_t **result, struct error *err)
{
	const struct hostnet_order *o = arg;
	struct hostnet_config config;
	struct hostnet_link link;
	let_go(report);
	int ret = o->dry_run ? 0 : need_turn(err);
	if (!ret && !hostnet_link(o->interface, &link))
		ret = fail(err, -ENOENT, "there is no network interface %s", o->interface);
	if (ret)
		return ret;
	struct hostnet_files *files = hostnet_open(o->place);
	hostnet_look(files, &link, &config);
	const char *program = config.manager == HOSTNET_NETWORKD ? "networkctl" : "ifup";
	ret = hostnet_change(files, &link, &config, &o->change, err);
	if (!ret && !program_there(program))
		ret = fail(err, -ENOENT, "%s cannot be changed: there is no program %s on this computer", o->interface, program);
	json_t *record = ret || o->dry_run ? NULL : hostnet_record_make(files, &config, &link, is_up(&config, &link), err);
	if (!ret && !o->dry_run)
		ret = record ? try_out(o, files, record, &link, report, result, err) : err->code;
	json_decref(record);
	hostnet_close(files);
	return ret;
}
