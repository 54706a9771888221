/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_networkd.c - systemd.network(5): /etc/systemd/network/ *.network; see hostnet_files.h */
#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "computer/hostnet_files.h"
#include "lib/util.h"

#define FOLDER "systemd/network"
#define LAST_LINE "Network[1]/*[label() != '#comment'][last()]"

/* ---- which files there are ---- */

static const char *base_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* Of files of the same name, the first one's folder counts: etc, run, usr. */
static bool has_name(const struct hostnet_files *files, const char *name)
{
	for (unsigned k = 0; k < files->n; k++)
		if (files->file[k].manager == HOSTNET_NETWORKD && strcmp(base_name(files->file[k].path), name) == 0)
			return true;
	return false;
}

/* Empty, or a link to /dev/null, or to nothing: it says only that those of its name do not count. */
static bool is_masked(const char *path)
{
	struct stat st;
	return stat(path, &st) != 0 || st.st_size == 0;
}

static void add_masked(struct hostnet_files *files, const char *path)
{
	if (files->n == HOSTNET_FILES_MAX) {
		files->too_many = true;
		return;
	}
	struct hostnet_file *f = &files->file[files->n++];
	f->manager = HOSTNET_NETWORKD;
	f->path = xstrdup(path);
}

static void add_file(struct hostnet_files *files, const char *path, bool foreign, bool packaged)
{
	if (has_name(files, base_name(path)))
		return;
	if (is_masked(path)) {
		add_masked(files, path);
		return;
	}
	struct hostnet_file *f = hostnet_add_file(files, HOSTNET_NETWORKD, path);
	if (f) {
		f->foreign = foreign;
		f->packaged = packaged;
	}
}

static void add_folder(struct hostnet_files *files, const char *above, const char *below, bool foreign, bool packaged)
{
	glob_t found;
	char *pattern = xasprintf("%s%s/" FOLDER "/*.network", above, below);
	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t k = 0; k < found.gl_pathc; k++)
			add_file(files, found.gl_pathv[k], foreign, packaged);
		globfree(&found);
	}
	free(pattern);
}

void hostnet_networkd_open(struct hostnet_files *files)
{
	add_folder(files, files->place->etc, "", false, false);
	add_folder(files, files->place->run, "", true, false);
	add_folder(files, files->place->usr, "/local/lib", false, true);
	add_folder(files, files->place->usr, "/lib", false, true);
}

static bool has_drop_ins(const struct hostnet_files *files, const char *name)
{
	const struct hostnet_place *p = files->place;
	const char *const folders[][2] = {{p->etc, ""}, {p->run, ""}, {p->usr, "/local/lib"}, {p->usr, "/lib"}};
	bool found = false;
	for (unsigned k = 0; k < ARRAY_SIZE(folders) && !found; k++) {
		char *path = xasprintf("%s%s/" FOLDER "/%s.d", folders[k][0], folders[k][1], name);
		found = access(path, F_OK) == 0;
		free(path);
	}
	return found;
}

/* ---- which of them is about an interface ---- */

/* Whether a word of that key fits: patterns, all turned round by a '!' before the first. */
static bool fits(const struct augeas_file *f, const char *key, const char *text, bool ignore_case)
{
	char **values = augeas_file_matches(f, "Match/%s/value", key);
	bool found = false, turned = false;
	for (char **v = values; *v; v++) {
		const char *pattern = augeas_file_get(f, "%s", *v);
		if (!pattern)
			continue;
		if (v == values && *pattern == '!') {
			turned = true;
			pattern++;
		}
		found |= fnmatch(pattern, text, ignore_case ? FNM_CASEFOLD : 0) == 0;
	}
	augeas_file_free_matches(values);
	return found != turned;
}

/* What stands in [Match] beside these, vmk cannot compare. */
#define NOT_COMPARED "Match/*[label() != '#comment'][label() != 'Name'][label() != 'MACAddress'][label() != 'PermanentMACAddress'][label() != 'Type']"

enum about { NOT_ABOUT, MAYBE_ABOUT, ABOUT };

static enum about is_about(const struct augeas_file *f, const struct hostnet_link *link)
{
	const char *permanent = *link->permanent_mac ? link->permanent_mac : link->mac;
	const struct {
		const char *key, *text;
	} told[] = {{"Name", link->name}, {"MACAddress", link->mac}, {"PermanentMACAddress", permanent}, {"Type", link->type}};
	for (unsigned k = 0; k < ARRAY_SIZE(told); k++)
		if (augeas_file_count(f, "Match/%s", told[k].key) && !fits(f, told[k].key, told[k].text, strstr(told[k].key, "MAC") != NULL))
			return NOT_ABOUT;
	return augeas_file_count(f, NOT_COMPARED) ? MAYBE_ABOUT : ABOUT;
}

/* Whether it is about that interface alone. */
static bool is_exclusive(const struct augeas_file *f)
{
	const char *name = augeas_file_get(f, "Match/Name/value");
	return (name && !strpbrk(name, "*?[!")) || augeas_file_get(f, "Match/MACAddress/value") || augeas_file_get(f, "Match/PermanentMACAddress/value");
}

/* The first by name, as networkd has it. */
static const struct hostnet_file *file_about(const struct hostnet_files *files, const struct hostnet_link *link)
{
	const struct hostnet_file *best = NULL;
	for (unsigned k = 0; k < files->n; k++) {
		const struct hostnet_file *f = &files->file[k];
		if (f->manager == HOSTNET_NETWORKD && f->augeas && is_about(f->augeas, link) != NOT_ABOUT &&
		    (!best || strcmp(base_name(f->path), base_name(best->path)) < 0))
			best = f;
	}
	return best;
}

/* ---- what it says ---- */

static bool is_ipv4(const char *value)
{
	return value && !strchr(value, ':');
}

/* Values of a key of [Network], as a list; only those of IPv4 if that is wanted. How many there are. */
static unsigned values_of(const struct augeas_file *f, const char *key, bool ipv4_only, char *list, size_t size)
{
	char **values = augeas_file_matches(f, "Network/%s/value", key);
	unsigned n = 0;
	for (char **v = values; *v; v++) {
		const char *value = augeas_file_get(f, "%s", *v);
		if (!value || (ipv4_only && !is_ipv4(value)))
			continue;
		hostnet_list_add(list, size, value);
		n++;
	}
	augeas_file_free_matches(values);
	return n;
}

struct dhcp {
	bool four, six;
};

/* Of a key that counts once: the last. NULL: it is not told. Lives until the tree is changed. */
static const char *last_value(const struct augeas_file *f, const char *key)
{
	char **values = augeas_file_matches(f, "Network/%s/value", key);
	const char *value = NULL;
	for (char **v = values; *v; v++)
		value = augeas_file_get(f, "%s", *v);
	augeas_file_free_matches(values);
	return value;
}

static struct dhcp dhcp_of(const struct augeas_file *f)
{
	const char *value = last_value(f, "DHCP");
	bool on, both = value && ((parse_bool(value, &on) && on) || !strcmp(value, "both"));
	if (!value)
		return (struct dhcp){false, false};
	return (struct dhcp){both || !strcmp(value, "ipv4") || !strcmp(value, "v4"), both || !strcmp(value, "ipv6") || !strcmp(value, "v6")};
}

static void look_at_ipv6(const struct augeas_file *f, struct hostnet_config *out)
{
	char all[HOSTNET_LIST_SIZE] = "", four[HOSTNET_LIST_SIZE] = "";
	bool fixed = values_of(f, "Address", false, all, sizeof(all)) > values_of(f, "Address", true, four, sizeof(four));
	const char *accept = last_value(f, "IPv6AcceptRA"), *local = last_value(f, "LinkLocalAddressing");
	bool on, advertised = !accept || !parse_bool(accept, &on) || on;
	if (local && (!strcmp(local, "no") || !strcmp(local, "ipv4")) && !fixed)
		str_copy(out->ipv6, sizeof(out->ipv6), "off");
	else
		snprintf(out->ipv6, sizeof(out->ipv6), "%s", fixed ? "static" : dhcp_of(f).six ? "dhcp" : advertised ? "auto" : "none");
}

/* A default route of IPv4's in a section of its own. */
static bool has_route_section(const struct augeas_file *f)
{
	char **routes = augeas_file_matches(f, "Route");
	bool found = false;
	for (char **r = routes; *r; r++) {
		const char *gateway = augeas_file_get(f, "%s/Gateway/value", *r), *to = augeas_file_get(f, "%s/Destination/value", *r);
		found |= is_ipv4(gateway) && (!to || !strcmp(to, "0.0.0.0/0"));
	}
	augeas_file_free_matches(routes);
	return found;
}

/* What cannot be changed a line at a time, or should not be. */
static void look_for_problems(const struct hostnet_files *files, const struct hostnet_file *file, const struct hostnet_link *link,
			      unsigned n_addresses, struct hostnet_config *out)
{
	const struct augeas_file *f = file->augeas;
	const char *what = NULL;
	if (is_about(f, link) == MAYBE_ABOUT)
		what = "it may be about this interface, by what vmk does not compare in [Match]: change it there";
	else if (file->foreign)
		what = "another program makes it (netplan, say): change it there";
	else if (has_drop_ins(files, base_name(file->path)))
		what = "more files add to it, in a folder of its name and .d: change them there";
	else if (n_addresses > 1 || augeas_file_count(f, "Address"))
		what = "it has several addresses, or sections of their own for them: change them there";
	else if (has_route_section(f))
		what = "it has the gateway in a section of its own: change it there";
	if (what)
		snprintf(out->problem, sizeof(out->problem), "%.200s: %s", file->path, what);
}

bool hostnet_networkd_look(const struct hostnet_files *files, const struct hostnet_link *link, struct hostnet_config *out)
{
	char addresses[HOSTNET_LIST_SIZE] = "", gateways[HOSTNET_LIST_SIZE] = "";
	const struct hostnet_file *file = file_about(files, link);
	if (!file)
		return false;
	const struct augeas_file *f = file->augeas;
	str_copy(out->file, sizeof(out->file), file->path);
	unsigned n = values_of(f, "Address", true, addresses, sizeof(addresses));
	values_of(f, "Gateway", true, gateways, sizeof(gateways));
	hostnet_list_word(addresses, 0, out->address, sizeof(out->address));
	hostnet_list_word(gateways, 0, out->gateway, sizeof(out->gateway));
	values_of(f, "DNS", false, out->dns, sizeof(out->dns));
	values_of(f, "Domains", false, out->search, sizeof(out->search));
	out->method = dhcp_of(f).four ? HOSTNET_DHCP : n ? HOSTNET_STATIC : HOSTNET_NONE;
	look_at_ipv6(f, out);
	look_for_problems(files, file, link, n, out);
	return true;
}

/* ---- changing ---- */

/* Takes away those lines of a key whose value is IPv4's, or all. */
static void remove_lines(struct augeas_file *f, const char *key, bool ipv4_only)
{
	char **lines = augeas_file_matches(f, "Network/%s", key);
	unsigned n = 0;
	while (lines[n])
		n++;
	while (n--) /* from the last on: the others' paths stay what they are */
		if (!ipv4_only || is_ipv4(augeas_file_get(f, "%s/value", lines[n])))
			augeas_file_remove(f, "%s", lines[n]);
	augeas_file_free_matches(lines);
}

/* A new line with the words of the list; none for "". */
static int add_line(struct augeas_file *f, const char *key, const char *list, struct error *err)
{
	char word[256];
	int ret = 0;
	if (!*list)
		return 0;
	if (augeas_file_count(f, LAST_LINE)) {
		ret = augeas_file_insert(f, key, false, err, LAST_LINE);
		for (unsigned k = 0; !ret && hostnet_list_word(list, k, word, sizeof(word)); k++)
			ret = augeas_file_set(f, word, err, "Network[1]/%s[last()]/value[%u]", key, k + 1);
		return ret;
	}
	for (unsigned k = 0; !ret && hostnet_list_word(list, k, word, sizeof(word)); k++)
		ret = augeas_file_set(f, word, err, "Network[1]/%s/value[%u]", key, k + 1);
	return ret;
}

static int set_dhcp(struct augeas_file *f, bool four, struct error *err)
{
	struct dhcp now = dhcp_of(f);
	if (now.four == four)
		return 0;
	const char *value = four ? (now.six ? "yes" : "ipv4") : now.six ? "ipv6" : "no";
	remove_lines(f, "DHCP", false);
	return add_line(f, "DHCP", value, err);
}

static int write_network(struct augeas_file *f, const struct hostnet_change *change, struct error *err)
{
	bool fixed = change->method == HOSTNET_STATIC;
	int ret = augeas_file_count(f, "Network") ? 0 : augeas_file_set(f, NULL, err, "Network");
	if (!ret)
		ret = set_dhcp(f, change->method == HOSTNET_DHCP, err);
	remove_lines(f, "Address", true);
	if (!ret)
		ret = add_line(f, "Address", fixed ? change->address : "", err);
	if (!ret && (change->has_gateway || !fixed)) {
		remove_lines(f, "Gateway", true);
		ret = add_line(f, "Gateway", fixed ? change->gateway : "", err);
	}
	if (!ret && change->has_dns) {
		remove_lines(f, "DNS", false);
		ret = add_line(f, "DNS", change->dns, err);
	}
	if (!ret && change->has_search) {
		remove_lines(f, "Domains", false);
		ret = add_line(f, "Domains", change->search, err);
	}
	return ret;
}

/* A file for this interface alone, which comes before those that are about others, too. */
static int own_file(struct hostnet_files *files, const char *interface, const struct hostnet_file *shared, struct hostnet_file **out,
		    struct error *err)
{
	char *name = xasprintf("%s-%s.network", shared ? "00" : "10", interface), *path = xasprintf("%s/" FOLDER "/%s", files->place->etc, name);
	int ret = 0;
	if (has_name(files, name) || (shared && strcmp(name, base_name(shared->path)) > 0))
		ret = fail(err, -EEXIST, "%s is about other interfaces, too, and %s would not come before it: change them by hand",
			   shared ? shared->path : path, name);
	*out = ret ? NULL : hostnet_add_file(files, HOSTNET_NETWORKD, path);
	if (!ret && (!*out || !(*out)->augeas))
		ret = fail(err, -EINVAL, "%s", *out ? (*out)->problem : "there are more files about networks than vmk reads");
	free(path);
	free(name);
	return ret;
}

/* Copies what stands below `at` to the same place of another file; "": all its sections but the one that says what it is about. */
static int copy_below(const struct augeas_file *from, const char *at, struct augeas_file *to, struct error *err)
{
	char **nodes = augeas_file_matches(from, *at ? "%s/*" : "%s*", at);
	int ret = 0;
	for (char **n = nodes; *n && !ret; n++) {
		const char *label = base_name(*n);
		char *path = *at ? xasprintf("%s/%s", at, label) : xstrdup(label);
		bool left_out = !*at && (!strcmp(label, "Match") || str_starts(label, "Match[") || str_starts(label, "#comment"));
		if (!left_out)
			ret = augeas_file_set(to, augeas_file_get(from, "%s", *n), err, "%s", path);
		if (!left_out && !ret)
			ret = copy_below(from, path, to, err);
		free(path);
	}
	augeas_file_free_matches(nodes);
	return ret;
}

int hostnet_networkd_change(struct hostnet_files *files, const struct hostnet_link *link, const struct hostnet_change *change, struct error *err)
{
	struct hostnet_file *file = (struct hostnet_file *)file_about(files, link);
	if (!file || file->packaged || !is_exclusive(file->augeas)) {
		struct hostnet_file *shared = file;
		int ret = own_file(files, link->name, shared, &file, err);
		if (!ret)
			ret = augeas_file_set(file->augeas, link->name, err, "Match/Name/value");
		if (!ret && shared)
			ret = copy_below(shared->augeas, "", file->augeas, err);
		if (ret)
			return ret;
	}
	int ret = write_network(file->augeas, change, err);
	file->changed |= !ret;
	return ret;
}
