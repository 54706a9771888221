/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_ifupdown.c - interfaces(5): /etc/network/interfaces and what it sources; see hostnet_files.h */
#include <arpa/inet.h>
#include <ctype.h>
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

#define MAIN_FILE "network/interfaces"
#define DEPTH_MAX 8 /* of files that source others */
#define STANZA "iface[. = '%s'][family = '%s']"
/* The last of a stanza's own lines: what follows are comments, which are about what comes next as often as not. */
#define LAST_LINE "*[label() != '#comment'][last()]"
#define SERVERS "*[label() = 'dns-nameservers' or label() = 'dns-nameserver']"
#define DOMAINS "*[label() = 'dns-search' or label() = 'dns-domain']"

/* ---- which files there are ---- */

static void add_files(struct hostnet_files *files, const char *path, unsigned depth);

static bool has_file(const struct hostnet_files *files, const char *path)
{
	for (unsigned k = 0; k < files->n; k++)
		if (strcmp(files->file[k].path, path) == 0)
			return true;
	return false;
}

/* Of a folder ifupdown takes files whose names are letters, digits, '_' and '-'. */
static bool plain_name(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
			return false;
	return *name;
}

/* "/etc/..." is below place->etc, and so is what is relative. Caller frees. */
static char *placed(const struct hostnet_files *files, const char *pattern)
{
	if (str_starts(pattern, "/etc/"))
		return xasprintf("%s/%s", files->place->etc, pattern + strlen("/etc/"));
	return *pattern == '/' ? xstrdup(pattern) : xasprintf("%s/network/%s", files->place->etc, pattern);
}

/* Files that match; `folder`: those in the folders that do. */
static void add_matching(struct hostnet_files *files, const char *pattern, bool folder, unsigned depth)
{
	glob_t found;
	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t k = 0; k < found.gl_pathc && !files->too_many; k++) {
			const char *path = found.gl_pathv[k];
			struct stat st;
			bool is_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
			if (is_folder && depth < DEPTH_MAX) {
				char *inside = xasprintf("%s/*", path);
				add_matching(files, inside, true, depth + DEPTH_MAX); /* no folders in it */
				free(inside);
			} else if (!is_folder && (!folder || plain_name(path))) {
				add_files(files, path, depth % DEPTH_MAX + 1);
			}
		}
		globfree(&found);
	}
}

/* Several words, each a pattern. ifupdown has them as a shell would: what that changes beside patterns is not followed. */
static void add_words(struct hostnet_files *files, struct hostnet_file *f, const char *words, unsigned depth)
{
	char word[512];
	if (strlen(words) >= sizeof(word) || strpbrk(words, "$`\"'\\~{}()&;|<>")) {
		snprintf(f->problem, sizeof(f->problem), "%.200s: source %.100s is not understood", f->path, words);
		return;
	}
	for (unsigned k = 0; hostnet_list_word(words, k, word, sizeof(word)); k++) {
		char *pattern = placed(files, word);
		add_matching(files, pattern, false, depth);
		free(pattern);
	}
}

static void add_sourced(struct hostnet_files *files, struct hostnet_file *f, const char *word, unsigned depth)
{
	char **lines = augeas_file_matches(f->augeas, "%s", word);
	for (char **line = lines; *line; line++) {
		const char *value = augeas_file_get(f->augeas, "%s", *line);
		if (value)
			add_words(files, f, value, depth);
	}
	augeas_file_free_matches(lines);
}

static void add_files(struct hostnet_files *files, const char *path, unsigned depth)
{
	if (has_file(files, path))
		return;
	struct hostnet_file *f = hostnet_add_file(files, HOSTNET_IFUPDOWN, path);
	if (!f || !f->augeas || depth >= DEPTH_MAX)
		return;
	add_sourced(files, f, "source", depth);
	add_sourced(files, f, "source-directory", depth);
}

void hostnet_ifupdown_open(struct hostnet_files *files)
{
	char *path = xasprintf("%s/" MAIN_FILE, files->place->etc);
	add_files(files, path, 0);
	free(path);
}

/* ---- what they say ---- */

static const char *option(const struct augeas_file *f, const char *stanza, const char *name)
{
	const char *value = augeas_file_get(f, "%s/%s", stanza, name);
	return value ? value : "";
}

static void option_list(const struct augeas_file *f, const char *stanza, const char *which, char *list)
{
	char **lines = augeas_file_matches(f, "%s/%s", stanza, which), word[256];
	for (char **line = lines; *line; line++)
		for (unsigned k = 0; hostnet_list_word(augeas_file_get(f, "%s", *line), k, word, sizeof(word)); k++)
			hostnet_list_add(list, HOSTNET_LIST_SIZE, word);
	augeas_file_free_matches(lines);
}

/* Of "255.255.255.0", "24", or of the address's class as it once was. */
static unsigned prefix_of(const char *netmask, const char *address)
{
	struct in_addr in;
	u64 number;
	if (parse_u64(netmask, 1, 32, &number))
		return (unsigned)number;
	if (inet_pton(AF_INET, netmask, &in) == 1)
		return (unsigned)__builtin_popcount(in.s_addr);
	if (inet_pton(AF_INET, address, &in) != 1)
		return 24;
	u32 host = ntohl(in.s_addr);
	return host >> 31 == 0 ? 8 : host >> 30 == 2 ? 16 : 24;
}

static void look_at_stanza(const struct augeas_file *f, const char *stanza, struct hostnet_config *out)
{
	const char *method = option(f, stanza, "method"), *address = option(f, stanza, "address"), *netmask = option(f, stanza, "netmask");
	str_copy(out->file, sizeof(out->file), augeas_file_path(f));
	str_copy(out->word, sizeof(out->word), method);
	out->method = !strcmp(method, "dhcp")	  ? HOSTNET_DHCP
		      : !strcmp(method, "static") ? HOSTNET_STATIC
		      : !strcmp(method, "manual") ? HOSTNET_NONE
						  : HOSTNET_OTHER;
	if (*address && strchr(address, '/'))
		str_copy(out->address, sizeof(out->address), address);
	else if (*address)
		snprintf(out->address, sizeof(out->address), "%.15s/%u", address, prefix_of(netmask, address));
	str_copy(out->gateway, sizeof(out->gateway), option(f, stanza, "gateway"));
	option_list(f, stanza, SERVERS, out->dns);
	option_list(f, stanza, DOMAINS, out->search);
	option_list(f, stanza, "bridge_ports", out->ports);
	option_list(f, stanza, "bridge-ports/*", out->ports);
	if (augeas_file_count(f, "%s/address", stanza) > 1)
		snprintf(out->problem, sizeof(out->problem), "%.200s has several addresses for it: change them there", out->file);
}

/* How many there are; looks at the first. */
static unsigned look_at_stanzas(const struct augeas_file *f, const char *interface, unsigned before, struct hostnet_config *out)
{
	char **stanzas = augeas_file_matches(f, STANZA, interface, "inet");
	unsigned n = 0;
	for (; stanzas[n]; n++)
		if (before + n == 0)
			look_at_stanza(f, stanzas[n], out);
	augeas_file_free_matches(stanzas);
	return n;
}

static bool look_at_ipv6(const struct augeas_file *f, const char *interface, struct hostnet_config *out)
{
	char **stanzas = augeas_file_matches(f, STANZA, interface, "inet6");
	bool there = stanzas[0] != NULL;
	if (there)
		str_copy(out->ipv6, sizeof(out->ipv6), option(f, stanzas[0], "method"));
	if (there && !out->file[0])
		str_copy(out->file, sizeof(out->file), augeas_file_path(f));
	augeas_file_free_matches(stanzas);
	return there;
}

static bool is_mapped(const struct augeas_file *f, const char *interface)
{
	char **patterns = augeas_file_matches(f, "mapping");
	bool mapped = false;
	for (char **p = patterns; *p; p++) {
		const char *pattern = augeas_file_get(f, "%s", *p);
		mapped |= pattern && fnmatch(pattern, interface, 0) == 0;
	}
	augeas_file_free_matches(patterns);
	return mapped;
}

bool hostnet_ifupdown_look(const struct hostnet_files *files, const char *interface, struct hostnet_config *out)
{
	unsigned n = 0;
	bool six = false;
	for (unsigned k = 0; k < files->n; k++) {
		const struct hostnet_file *f = &files->file[k];
		if (f->manager != HOSTNET_IFUPDOWN || !f->augeas)
			continue;
		n += look_at_stanzas(f->augeas, interface, n, out);
		six |= look_at_ipv6(f->augeas, interface, out);
		if (is_mapped(f->augeas, interface) && !out->problem[0])
			snprintf(out->problem, sizeof(out->problem), "a mapping in %.200s is about it: change it there", f->path);
	}
	if (n > 1)
		snprintf(out->problem, sizeof(out->problem), "%u stanzas (iface %s inet) are about it, the first in %.200s: change them there", n,
			 interface, out->file);
	return n || six;
}

/* ---- changing ---- */

/* One line of that name, behind the others where it is new; "": none. */
static int set_option(struct augeas_file *f, const char *stanza, const char *name, const char *value, struct error *err)
{
	int ret = 0;
	if (!*value) {
		augeas_file_remove(f, "%s/%s", stanza, name);
		return 0;
	}
	augeas_file_remove(f, "%s/%s[position() > 1]", stanza, name);
	if (augeas_file_count(f, "%s/%s", stanza, name) == 0)
		ret = augeas_file_insert(f, name, false, err, "%s/" LAST_LINE, stanza);
	return ret ? ret : augeas_file_set(f, value, err, "%s/%s", stanza, name);
}

/* The first line stays where it is, whichever of the two names it has. */
static int set_list(struct augeas_file *f, const char *stanza, const char *which, const char *name, const char *list, struct error *err)
{
	augeas_file_remove(f, "%s/%s[label() != '%s']", stanza, which, name);
	return set_option(f, stanza, name, list, err);
}

static int write_stanza(struct augeas_file *f, const char *stanza, const struct hostnet_change *change, struct error *err)
{
	/* What follows from the address is wrong with another one, or in the way of its prefix. */
	static const char *const derived[] = {"netmask", "network", "broadcast"};
	bool fixed = change->method == HOSTNET_STATIC;
	const char *method = fixed ? "static" : change->method == HOSTNET_DHCP ? "dhcp" : "manual";
	int ret = augeas_file_set(f, method, err, "%s/method", stanza);
	for (unsigned k = 0; k < ARRAY_SIZE(derived); k++)
		augeas_file_remove(f, "%s/%s", stanza, derived[k]);
	if (!ret)
		ret = set_option(f, stanza, "address", fixed ? change->address : "", err);
	if (!ret && (change->has_gateway || !fixed))
		ret = set_option(f, stanza, "gateway", fixed ? change->gateway : "", err);
	if (!ret && change->has_dns)
		ret = set_list(f, stanza, SERVERS, "dns-nameservers", change->dns, err);
	if (!ret && change->has_search)
		ret = set_list(f, stanza, DOMAINS, "dns-search", change->search, err);
	return ret;
}

/* At the end of a file; `named`: something starts the interface already. */
static int add_stanza(struct augeas_file *f, const char *interface, bool named, struct error *err)
{
	int ret = named ? 0 : augeas_file_set(f, interface, err, "auto[last() + 1]/1");
	if (!ret)
		ret = augeas_file_set(f, interface, err, "iface[last() + 1]");
	if (!ret)
		ret = augeas_file_set(f, "inet", err, "iface[last()]/family");
	return ret ? ret : augeas_file_set(f, "manual", err, "iface[last()]/method");
}

/* The file with such a stanza of it, or NULL. */
static struct hostnet_file *file_with(struct hostnet_files *files, const char *interface, const char *family)
{
	for (unsigned k = 0; k < files->n; k++) {
		struct hostnet_file *f = &files->file[k];
		if (f->manager == HOSTNET_IFUPDOWN && f->augeas && augeas_file_count(f->augeas, STANZA, interface, family))
			return f;
	}
	return NULL;
}

static bool is_started(const struct hostnet_files *files, const char *interface)
{
	for (unsigned k = 0; k < files->n; k++) {
		const struct hostnet_file *f = &files->file[k];
		if (f->manager == HOSTNET_IFUPDOWN && f->augeas &&
		    augeas_file_count(f->augeas, "*[label() = 'auto' or label() = 'allow-hotplug']/*[. = '%s']", interface))
			return true;
	}
	return false;
}

int hostnet_ifupdown_change(struct hostnet_files *files, const char *interface, const struct hostnet_change *change, struct error *err)
{
	struct hostnet_file *f = file_with(files, interface, "inet");
	int ret = 0;
	if (!f) {
		f = file_with(files, interface, "inet6");
		f = f ? f : &files->file[0]; /* the main one */
		ret = add_stanza(f->augeas, interface, is_started(files, interface), err);
	}
	char **stanzas = augeas_file_matches(f->augeas, STANZA, interface, "inet");
	if (!ret)
		ret = stanzas[0] ? write_stanza(f->augeas, stanzas[0], change, err) : fail(err, -EINVAL, "%s cannot be changed", f->path);
	augeas_file_free_matches(stanzas);
	f->changed |= !ret;
	return ret;
}
