/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_record.c - see hostnet_record.h */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/hostnet_record.h"

#define FILE_BYTES 262144
#define RECORD_BYTES (8 * MIB)

static char *record_path(void)
{
	return root_path("etc/vmk/network-trial.json");
}

bool hostnet_record_there(void)
{
	char *path = record_path();
	bool there = access(path, F_OK) == 0;
	free(path);
	return there;
}

const char *hostnet_record_text(const json_t *record, const char *key)
{
	const char *text = json_string_value(json_object_get(record, key));
	return text ? text : "";
}

bool hostnet_record_flag(const json_t *record, const char *key)
{
	return json_is_true(json_object_get(record, key));
}

bool hostnet_record_by_networkd(const json_t *record)
{
	return json_integer_value(json_object_get(record, "manager")) == HOSTNET_NETWORKD;
}

/* ---- what is written down ---- */

/* null: there is no such file. NULL: it cannot be read, or written down. */
static json_t *text_of(const char *path, struct error *err)
{
	char *text;
	size_t len;
	int ret = read_file(path, FILE_BYTES, &text, &len, err);
	if (ret)
		return ret == -ENOENT ? json_null() : NULL;
	json_t *value = json_stringn(text, len);
	if (!value)
		fail(err, -EINVAL, "cannot write down what is in %s: it is not a text of UTF-8", path);
	free(text);
	return value;
}

static json_t *file_row(const char *path, struct error *err)
{
	struct stat st = {.st_mode = 0644};
	json_t *text = text_of(path, err);
	if (!text)
		return NULL;
	if (!json_is_null(text) && stat(path, &st)) {
		json_decref(text);
		fail(err, -errno, "cannot read %s: %m", path);
		return NULL;
	}
	json_t *row = json_pack("{s:s, s:o, s:i, s:i, s:i}", "path", path, "text", text, "mode", (int)(st.st_mode & 07777), "uid", (int)st.st_uid, "gid",
				(int)st.st_gid);
	if (!row)
		fail(err, -EINVAL, "cannot write down the name of a file about networks");
	return row;
}

static json_t *file_rows(const char *const *paths, struct error *err)
{
	json_t *files = json_array();
	for (; *paths; paths++) {
		json_t *row = file_row(*paths, err);
		if (!row) {
			json_decref(files);
			return NULL;
		}
		json_array_append_new(files, row);
	}
	return files;
}

static json_t *address_rows(const struct hostnet_link *link)
{
	json_t *list = json_array();
	for (unsigned k = 0; k < link->n; k++)
		json_array_append_new(list, json_pack("{s:s, s:b}", "address", link->address[k], "lent", link->lent[k]));
	return list;
}

json_t *hostnet_record_make(struct hostnet_files *files, const struct hostnet_config *config, const struct hostnet_link *link, bool was_up,
			    struct error *err)
{
	json_t *rows = file_rows(hostnet_changed(files), err);
	if (!rows)
		return NULL;
	fail(err, -EINVAL, "what is to be put back of %s cannot be written down", link->name);
	return json_pack("{s:s, s:i, s:b, s:b, s:b, s:b, s:o, s:o, s:s, s:s}", "interface", link->name, "manager", (int)config->manager, "was_up", was_up,
			 "link_up", link->up, "dhcp", config->method == HOSTNET_DHCP, "routed", config->gateway[0] != 0, "files", rows, "addresses", address_rows(link), "gateway",
			 link->gateway, "gateway6", link->gateway6);
}

int hostnet_record_note_new(json_t *record, struct error *err)
{
	size_t k;
	json_t *row;
	json_array_foreach(json_object_get(record, "files"), k, row)
	{
		json_t *text = text_of(hostnet_record_text(row, "path"), err);
		if (!text)
			return err->code;
		json_object_set_new(row, "new", text);
	}
	return hostnet_record_write(record, err);
}

void hostnet_record_link(const json_t *record, struct hostnet_link *out)
{
	size_t k;
	json_t *row;
	*out = (struct hostnet_link){.up = hostnet_record_flag(record, "link_up")};
	str_copy(out->name, sizeof(out->name), hostnet_record_text(record, "interface"));
	str_copy(out->gateway, sizeof(out->gateway), hostnet_record_text(record, "gateway"));
	str_copy(out->gateway6, sizeof(out->gateway6), hostnet_record_text(record, "gateway6"));
	json_array_foreach(json_object_get(record, "addresses"), k, row)
	{
		if (out->n == HOSTNET_LINK_ADDRESSES)
			break;
		out->lent[out->n] = hostnet_record_flag(row, "lent");
		str_copy(out->address[out->n++], sizeof(out->address[0]), hostnet_record_text(row, "address"));
	}
}

/* ---- on the disk ---- */

int hostnet_record_write(const json_t *record, struct error *err)
{
	char *path = record_path(), *text = json_dumps(record, JSON_INDENT(1));
	int ret = text ? replace_file(path, text, strlen(text), 0600, err) : fail(err, -ENOMEM, "cannot write down what is to be put back");
	free(text);
	free(path);
	return ret;
}

/* A loss of power must not bring it back: the change would be undone. */
int hostnet_record_delete(struct error *err)
{
	char *path = record_path();
	int ret = unlink(path) && errno != ENOENT ? -errno : sync_folder_of(path);
	if (ret)
		fail(err, ret, "cannot delete %s: %s", path, strerror(-ret));
	free(path);
	return ret;
}

int hostnet_record_read(json_t **record, struct error *err)
{
	char *path = record_path(), *text = NULL;
	int ret = read_file(path, RECORD_BYTES, &text, NULL, err);
	*record = ret ? NULL : json_loads(text, 0, NULL);
	if (!ret && !*record)
		ret = fail(err, -EINVAL, "%s is not what vmk wrote: nothing is put back", path);
	free(text);
	free(path);
	return ret;
}

/* ---- putting back ---- */

/* The file a row is about: what a link leads to, as a link stays one. Caller frees. */
static char *target_of(const json_t *row)
{
	const char *path = hostnet_record_text(row, "path");
	char *target = realpath(path, NULL);
	return target ? target : xstrdup(path);
}

/* Where the old text waits: a name that no manager reads, in the same folder. Caller frees. */
static char *waiting_of(const char *target)
{
	const char *slash = strrchr(target, '/');
	return xasprintf("%.*s/.%s.vmk-old", (int)(slash - target), target, slash + 1);
}

enum holds { HOLDS_OLD, HOLDS_NEW, HOLDS_OTHER };

/* What is not there, though it was before and is in the new texts, is as good as the new one: without it the interface does not come up. */
static int look_at_file(const json_t *row, enum holds *holds, struct error *err)
{
	const char *path = hostnet_record_text(row, "path");
	const json_t *old = json_object_get(row, "text"), *new = json_object_get(row, "new");
	if (*path != '/')
		return fail(err, -EINVAL, "what is to be put back is written down without a file's name");
	json_t *now = text_of(path, err);
	if (!now)
		return err->code;
	*holds = json_equal(now, old) ? HOLDS_OLD : !new || json_is_null(now) || json_equal(now, new) ? HOLDS_NEW : HOLDS_OTHER;
	json_decref(now);
	return 0;
}

static int stage_file(const json_t *row, struct error *err)
{
	enum holds holds;
	const char *text = json_string_value(json_object_get(row, "text"));
	int ret = look_at_file(row, &holds, err);
	if (ret || holds != HOLDS_NEW || !text)
		return ret;
	char *target = target_of(row), *waiting = waiting_of(target);
	ret = replace_file(waiting, text, strlen(text), (mode_t)json_integer_value(json_object_get(row, "mode")), err);
	if (!ret && geteuid() == 0 &&
	    chown(waiting, (uid_t)json_integer_value(json_object_get(row, "uid")), (gid_t)json_integer_value(json_object_get(row, "gid"))))
		ret = fail(err, -errno, "cannot give %s back to its owner: %m", target);
	free(waiting);
	free(target);
	return ret;
}

static int commit_file(const json_t *row, bool *others, struct error *err)
{
	enum holds holds;
	int ret = look_at_file(row, &holds, err);
	if (ret || holds == HOLDS_OLD)
		return ret;
	char *target = target_of(row), *waiting = waiting_of(target);
	if (holds == HOLDS_OTHER) {
		*others = true;
		fail(err, -EEXIST, "%s holds what somebody else wrote meanwhile, and stays as it is", target);
	} else if (!json_is_string(json_object_get(row, "text"))) {
		ret = unlink(target) && errno != ENOENT ? fail(err, -errno, "cannot delete %s: %m", target) : 0;
	} else if (rename(waiting, target)) {
		ret = fail(err, -errno, "cannot put back %s: %m", target);
	}
	if (!ret)
		(void)sync_folder_of(target);
	(void)unlink(waiting); /* of one that somebody wrote between the two steps */
	free(waiting);
	free(target);
	return ret;
}

void hostnet_record_touch(const json_t *record)
{
	size_t k;
	json_t *row;
	json_array_foreach(json_object_get(record, "files"), k, row)
		(void)utimensat(AT_FDCWD, hostnet_record_text(row, "path"), NULL, 0); /* one that is not there is new to it, too */
}

int hostnet_record_stage(const json_t *record, struct error *err)
{
	size_t k;
	json_t *row;
	struct error why;
	int ret = 0;
	json_array_foreach(json_object_get(record, "files"), k, row)
	{
		if (stage_file(row, &why) && !ret)
			ret = fail(err, why.code, "%s", why.text);
	}
	return ret;
}

int hostnet_record_commit(const json_t *record, bool *others, struct error *err)
{
	size_t k;
	json_t *row;
	struct error why = {0};
	int ret = 0;
	*others = false;
	json_array_foreach(json_object_get(record, "files"), k, row)
	{
		bool other = false;
		int code = commit_file(row, &other, &why);
		if ((code && !ret) || (other && !ret && !*others))
			fail(err, why.code, "%s", why.text);
		ret = ret ? ret : code;
		*others |= other;
	}
	return ret;
}
