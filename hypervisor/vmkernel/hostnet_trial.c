/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_trial.c - see hostnet_trial.h */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "computer/hostnet_links.h"
#include "computer/program.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "vmkernel/hostnet_trial.h"

#define FILE_BYTES 262144
#define RECORD_BYTES (4 * MIB)
#define PROGRAM_SECONDS 90 /* a DHCP client gives up after a minute */
#define ADDRESS_SECONDS 20 /* networkd works on when networkctl has ended */
#define LEASE_SECONDS 60
#define LOOK_USEC 200000

static char *record_path(void)
{
	return root_path("etc/vmk/network-trial.json");
}

bool hostnet_trial_recorded(void)
{
	char *path = record_path();
	bool there = access(path, F_OK) == 0;
	free(path);
	return there;
}

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

static int run(struct error *err, const char *name, const char *one, const char *two, const char *three, const char *four, const char *five)
{
	const char *words[] = {name, one, two, three, four, five, NULL};
	const struct program p = {.words = (char *const *)words, .seconds = PROGRAM_SECONDS, .give_up = is_told};
	return program_run(&p, err);
}
#define RUN5(err, name, a, b, c, d, e) run(err, name, a, b, c, d, e)
#define RUN1(err, name, a) run(err, name, a, NULL, NULL, NULL, NULL)
#define RUN2(err, name, a, b) run(err, name, a, b, NULL, NULL, NULL)

/* ---- what is written down ---- */

static json_t *file_record(const char *path, struct error *err)
{
	char *text = NULL;
	size_t len;
	struct stat st = {.st_mode = 0644};
	if (stat(path, &st) == 0 && read_file(path, FILE_BYTES, &text, &len, err))
		return NULL;
	json_t *content = text ? json_stringn(text, len) : json_null();
	json_t *row = content ? json_pack("{s:s, s:o, s:i, s:i, s:i}", "path", path, "text", content, "mode", (int)(st.st_mode & 07777), "uid",
					  (int)st.st_uid, "gid", (int)st.st_gid)
			      : NULL;
	if (!row)
		fail(err, -EINVAL, "cannot write down what is in %s: it is not a text of UTF-8", path);
	free(text);
	return row;
}

static json_t *files_record(const char *const *paths, struct error *err)
{
	json_t *files = json_array();
	for (; *paths; paths++) {
		json_t *row = file_record(*paths, err);
		if (!row) {
			json_decref(files);
			return NULL;
		}
		json_array_append_new(files, row);
	}
	return files;
}

static json_t *addresses_record(const struct hostnet_link *link)
{
	json_t *list = json_array();
	for (unsigned k = 0; k < link->n; k++)
		json_array_append_new(list, json_string(link->address[k]));
	return list;
}

/* `was_up`: its manager has brought it up, and can do so again; else it is as somebody set it by hand. NULL: it cannot be told. */
static json_t *make_record(struct hostnet_files *files, const struct hostnet_config *config, const struct hostnet_link *link, struct error *err)
{
	struct error why;
	bool was_up = config->manager == HOSTNET_NETWORKD ? config->file[0] != 0 : RUN2(&why, "ifquery", "--state", link->name) == 0;
	json_t *list = files_record(hostnet_changed(files), err);
	if (!list)
		return NULL;
	fail(err, -EINVAL, "what is to be put back of %s cannot be written down", link->name);
	return json_pack("{s:s, s:i, s:b, s:b, s:o, s:o, s:s}", "interface", link->name, "manager", (int)config->manager, "was_up", was_up, "link_up",
			 link->up, "files", list, "addresses", addresses_record(link), "gateway", link->gateway);
}

static int write_record(const json_t *record, struct error *err)
{
	char *path = record_path(), *text = json_dumps(record, JSON_INDENT(1));
	int ret = text ? replace_file(path, text, strlen(text), 0600, err) : fail(err, -ENOMEM, "cannot write down what is to be put back");
	free(text);
	free(path);
	return ret;
}

static int delete_record(struct error *err)
{
	char *path = record_path();
	int ret = unlink(path) && errno != ENOENT ? fail(err, -errno, "cannot delete %s: %m", path) : 0;
	free(path);
	return ret;
}

static const char *record_string(const json_t *record, const char *key)
{
	const char *text = json_string_value(json_object_get(record, key));
	return text ? text : "";
}

static bool by_networkd(const json_t *record)
{
	return json_integer_value(json_object_get(record, "manager")) == HOSTNET_NETWORKD;
}

/* ---- putting back ---- */

static int restore_file(const json_t *row, struct error *err)
{
	const char *path = record_string(row, "path"), *text = json_string_value(json_object_get(row, "text"));
	if (!*path)
		return fail(err, -EINVAL, "what is to be put back is written down without a file's name");
	if (!text)
		return unlink(path) && errno != ENOENT ? fail(err, -errno, "cannot delete %s: %m", path) : 0;
	char *target = realpath(path, NULL); /* a link stays one */
	const char *real = target ? target : path;
	int ret = replace_file(real, text, strlen(text), (mode_t)json_integer_value(json_object_get(row, "mode")), err);
	if (!ret && geteuid() == 0 &&
	    chown(real, (uid_t)json_integer_value(json_object_get(row, "uid")), (gid_t)json_integer_value(json_object_get(row, "gid"))))
		ret = fail(err, -errno, "cannot give %s back to its owner: %m", path);
	free(target);
	return ret;
}

/* All of them, whatever becomes of one; the first failure is told. */
static int restore_files(const json_t *record, struct error *err)
{
	json_t *files = json_object_get(record, "files");
	struct error why;
	int ret = 0;
	for (size_t k = 0; k < json_array_size(files); k++)
		if (restore_file(json_array_get(files, k), &why) && !ret)
			ret = fail(err, why.code, "%s", why.text);
	return ret;
}

/* With the broadcast address networkd, too, would give it: one without is none that it can take over. */
static int add_address(const char *address, const char *interface, struct error *err)
{
	const char *slash = strchr(address, '/');
	bool broadcast = strchr(address, '.') && slash && atoi(slash + 1) < 31;
	const char *words[] = {"ip", "address", "add", address, "dev", interface, broadcast ? "broadcast" : NULL, "+", NULL};
	const struct program p = {.words = (char *const *)words, .seconds = PROGRAM_SECONDS};
	return program_run(&p, err);
}

/* As it was set by hand: no file says it. What is there already is refused, and no matter. */
static void restore_by_hand(const json_t *record)
{
	const char *interface = record_string(record, "interface"), *gateway = record_string(record, "gateway");
	json_t *addresses = json_object_get(record, "addresses");
	struct error why;
	if (!json_is_true(json_object_get(record, "link_up")))
		return;
	(void)RUN5(&why, "ip", "link", "set", "dev", interface, "up");
	for (size_t k = 0; k < json_array_size(addresses); k++) {
		const char *address = json_string_value(json_array_get(addresses, k));
		if (address && add_address(address, interface, &why))
			log_debug("%s", why.text);
	}
	if (*gateway) {
		const char *words[] = {"ip", "route", "replace", "default", "via", gateway, "dev", interface, NULL};
		const struct program p = {.words = (char *const *)words, .seconds = PROGRAM_SECONDS};
		if (program_run(&p, &why))
			log_warning("%s", why.text);
	}
}

static void flush_ipv4(const char *interface)
{
	struct error why;
	if (RUN5(&why, "ip", "-4", "address", "flush", "dev", interface))
		log_warning("%s", why.text);
}

static bool is_as_recorded(const json_t *record, const struct hostnet_link *link)
{
	const char *first = json_string_value(json_array_get(json_object_get(record, "addresses"), 0)); /* those of IPv4 come first */
	bool had_ipv4 = first && strchr(first, '.');
	return (!had_ipv4 || hostnet_link_has_ipv4(link)) && (!*record_string(record, "gateway") || link->gateway[0]);
}

/* Until networkd has put back an address and a gateway, where there were any; DHCP may give others. Without a cable it does not. */
static void wait_for_networkd(const json_t *record)
{
	u64 end = now_monotonic() + ADDRESS_SECONDS * NSEC_PER_SEC;
	struct hostnet_link link;
	while (hostnet_link(record_string(record, "interface"), &link) && !is_as_recorded(record, &link) && (link.carrier || !link.up) &&
	       now_monotonic() < end)
		usleep(LOOK_USEC);
}

/* Everything as the record has it. Tries all of it, whatever fails. */
static int put_back(const json_t *record, struct error *err)
{
	const char *interface = record_string(record, "interface");
	bool was_up = json_is_true(json_object_get(record, "was_up"));
	struct error why;
	if (!by_networkd(record))
		(void)RUN2(&why, "ifdown", "--force", interface); /* as far as it has come up */
	int ret = restore_files(record, err), up = 0;
	if (by_networkd(record)) {
		flush_ipv4(interface); /* so that what is there afterwards is the old configuration's */
		up = RUN1(&why, "networkctl", "reload");
	} else if (was_up) {
		up = RUN1(&why, "ifup", interface);
	}
	/* networkd lets go of an interface that no file names any more, and leaves it as it is; or it does not run any more. */
	bool left_alone = by_networkd(record) && (!was_up || up);
	if (left_alone)
		flush_ipv4(interface);
	if (left_alone || !was_up)
		restore_by_hand(record);
	else if (by_networkd(record))
		wait_for_networkd(record);
	if (up && !ret && was_up)
		ret = fail(err, up, "the old configuration does not come up: %.400s", why.text);
	return ret;
}

/* What was written down has served; not being able to delete it would undo it again. */
static int put_back_and_forget(const json_t *record, struct error *err)
{
	int ret = put_back(record, err);
	struct error why;
	if (delete_record(&why))
		log_warning("%s", why.text);
	return ret;
}

int hostnet_trial_restore(void *arg, int report, json_t **result, struct error *err)
{
	char *path = record_path(), *text = NULL;
	json_t *record = NULL;
	(void)arg;
	let_go(report);
	int ret = take_turn(err);
	if (!ret)
		ret = read_file(path, RECORD_BYTES, &text, NULL, err);
	if (!ret) {
		record = json_loads(text, 0, NULL);
		ret = record ? put_back_and_forget(record, err) : fail(err, -EINVAL, "%s is not what vmk wrote: nothing is put back", path);
	} else if (ret == -ENOENT) {
		ret = 0;
	}
	*result = json_pack("{s:b, s:s}", "undone", record != NULL, "interface", record_string(record, "interface"));
	json_decref(record);
	free(text);
	free(path);
	return ret;
}

/* ---- applying ---- */

/* Until the interface has what it is to have. */
static int wait_for_address(const struct hostnet_order *o, struct error *err)
{
	bool fixed = o->change.method == HOSTNET_STATIC;
	u64 end = now_monotonic() + (fixed ? ADDRESS_SECONDS : LEASE_SECONDS) * NSEC_PER_SEC;
	struct hostnet_link link = {.up = false};
	if (o->change.method == HOSTNET_NONE)
		return 0;
	for (;;) {
		bool there = hostnet_link(o->interface, &link);
		if (there && (fixed ? hostnet_link_has(&link, o->change.address) : hostnet_link_has_ipv4(&link)))
			return 0;
		if (is_told(NULL))
			return fail(err, -ECANCELED, "it was cancelled");
		if (now_monotonic() > end)
			break;
		usleep(LOOK_USEC);
	}
	const char *cable = link.up && !link.carrier ? " (its cable is not in)" : "";
	return fixed ? fail(err, -ETIMEDOUT, "%s does not come to %s%s", o->change.address, o->interface, cable)
		     : fail(err, -ETIMEDOUT, "no DHCP server gives %s an address%s", o->interface, cable);
}

/*
 * networkd sets up anew whatever has another file than before, and has only begun with it when networkctl ends: a lease is not to be told from
 * the address that was there before, which goes first therefore. So does one of somebody else's, which it may not be able to take over. Not
 * `networkctl reconfigure`, which would take all away a second time.
 */
static int apply_by_networkd(const struct hostnet_order *o, struct hostnet_files *files, bool was_up, struct error *err)
{
	for (const char *const *path = hostnet_changed(files); *path; path++)
		if (utimensat(AT_FDCWD, *path, NULL, 0)) /* also one that says the same as before */
			return fail(err, -errno, "cannot touch %s: %m", *path);
	if (o->change.method != HOSTNET_STATIC || !was_up)
		flush_ipv4(o->interface);
	return RUN1(err, "networkctl", "reload");
}

/* With the old files down, with the new ones up. */
static int apply(const struct hostnet_order *o, struct hostnet_files *files, const json_t *record, struct error *err)
{
	bool was_up = json_is_true(json_object_get(record, "was_up"));
	int ret = 0;
	if (!by_networkd(record) && was_up)
		ret = RUN1(err, "ifdown", o->interface);
	if (!ret)
		ret = hostnet_save(files, err);
	if (!ret)
		ret = by_networkd(record) ? apply_by_networkd(o, files, was_up, err) : RUN1(err, "ifup", o->interface);
	return ret ? ret : wait_for_address(o, err);
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

static int try_out(const struct hostnet_order *o, struct hostnet_files *files, const json_t *record, int report, json_t **result, struct error *err)
{
	struct error why;
	int ret = write_record(record, err);
	if (ret)
		return ret;
	heeded = report;
	ret = apply(o, files, record, err);
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
	ret = kept ? delete_record(err) : put_back_and_forget(record, err);
	*result = json_pack("{s:b}", "kept", kept);
	return ret;
}

int hostnet_trial_run(void *arg, int report, json_t **result, struct error *err)
{
	const struct hostnet_order *o = arg;
	struct hostnet_config config;
	struct hostnet_link link;
	let_go(report);
	if (!hostnet_link(o->interface, &link))
		return fail(err, -ENOENT, "there is no network interface %s", o->interface);
	int ret = o->dry_run ? 0 : take_turn(err);
	if (ret)
		return ret;
	struct hostnet_files *files = hostnet_open(o->place);
	hostnet_look(files, o->interface, link.mac, &config);
	const char *program = config.manager == HOSTNET_NETWORKD ? "networkctl" : "ifup";
	ret = hostnet_change(files, o->interface, link.mac, &config, &o->change, err);
	if (!ret && !program_there(program))
		ret = fail(err, -ENOENT, "%s cannot be changed: there is no program %s on this computer", o->interface, program);
	json_t *record = ret || o->dry_run ? NULL : make_record(files, &config, &link, err);
	if (!ret && !o->dry_run)
		ret = record ? try_out(o, files, record, report, result, err) : err->code;
	json_decref(record);
	hostnet_close(files);
	return ret;
}
