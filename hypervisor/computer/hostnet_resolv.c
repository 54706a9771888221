/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_resolv.c - /etc/resolv.conf, where nobody else writes it; see hostnet_files.h */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "computer/hostnet_files.h"
#include "computer/program.h"
#include "lib/util.h"

#define RESOLV_CONF_BYTES 65536

/* Caller frees. systemd-resolved's resolv.conf names only itself; those it asks are in its own. */
static char *path_of_resolvers(const struct hostnet_place *place)
{
	char *path = xasprintf("%s/systemd/resolve/resolv.conf", place->run);
	if (hostnet_unit_runs(place, "systemd-resolved") && access(path, R_OK) == 0)
		return path;
	free(path);
	return xasprintf("%s/resolv.conf", place->etc);
}

static void read_resolvers(const char *path, char *dns, size_t dns_size, char *search, size_t search_size)
{
	char *text = NULL, *saved = NULL;
	*dns = *search = 0;
	if (read_file(path, RESOLV_CONF_BYTES, &text, NULL, NULL))
		text = NULL;
	for (char *line = text ? strtok_r(text, "\n", &saved) : NULL; line; line = strtok_r(NULL, "\n", &saved)) {
		char word[256];
		if (!hostnet_list_word(line, 0, word, sizeof(word)))
			continue;
		bool server = strcmp(word, "nameserver") == 0, domains = strcmp(word, "search") == 0 || strcmp(word, "domain") == 0;
		if (domains)
			*search = 0; /* the last line counts */
		for (unsigned k = 1; (server || domains) && hostnet_list_word(line, k, word, sizeof(word)); k++)
			hostnet_list_add(server ? dns : search, server ? dns_size : search_size, word);
	}
	free(text);
}

void hostnet_resolvers(const struct hostnet_place *place, char *dns, size_t dns_size, char *search, size_t search_size)
{
	char *path = path_of_resolvers(place);
	read_resolvers(path, dns, dns_size, search, search_size);
	free(path);
}

/* resolvconf, systemd-resolved and NetworkManager take name servers from the managers' own files, and make this one; a DHCP client writes it, too. */
static bool is_ours(const struct hostnet_files *files, const struct hostnet_change *change)
{
	struct stat st;
	char *path = xasprintf("%s/resolv.conf", files->place->etc);
	bool link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
	free(path);
	return !link && change->method == HOSTNET_STATIC && (change->has_dns || change->has_search) && !program_there("resolvconf") &&
	       !hostnet_unit_runs(files->place, "systemd-resolved") && !hostnet_unit_runs(files->place, "NetworkManager");
}

static bool has_word(const char *list, const char *wanted)
{
	char word[256];
	for (unsigned k = 0; hostnet_list_word(list, k, word, sizeof(word)); k++)
		if (strcmp(word, wanted) == 0)
			return true;
	return false;
}

/* The wanted ones before those that are there now, but for its own of before: `out` has HOSTNET_LIST_SIZE bytes. */
static void put_in_front(const char *wanted, const char *own, const char *now, char *out)
{
	char word[256];
	str_copy(out, HOSTNET_LIST_SIZE, wanted);
	for (unsigned k = 0; hostnet_list_word(now, k, word, sizeof(word)); k++)
		if (!has_word(own, word) && !has_word(wanted, word))
			hostnet_list_add(out, HOSTNET_LIST_SIZE, word);
}

/* Lines of that name become those of the list, the first where the first was. */
static int set_lines(struct augeas_file *f, const char *line, const char *list, struct error *err)
{
	char word[256];
	unsigned n = 0;
	int ret = 0;
	for (; !ret && hostnet_list_word(list, n, word, sizeof(word)); n++)
		ret = augeas_file_set(f, word, err, "%s[%u]", line, n + 1);
	augeas_file_remove(f, "%s[position() > %u]", line, n);
	return ret;
}

static int write_lists(struct augeas_file *f, const struct hostnet_config *config, const struct hostnet_change *change, struct error *err)
{
	char dns[HOSTNET_LIST_SIZE], search[HOSTNET_LIST_SIZE], list[HOSTNET_LIST_SIZE];
	int ret = 0;
	read_resolvers(augeas_file_path(f), dns, sizeof(dns), search, sizeof(search));
	if (change->has_dns) {
		put_in_front(change->dns, config->dns, dns, list);
		ret = set_lines(f, "nameserver", list, err);
	}
	if (ret || !change->has_search)
		return ret;
	put_in_front(change->search, config->search, search, list);
	augeas_file_remove(f, "domain");
	if (*list)
		return set_lines(f, "search/domain", list, err);
	augeas_file_remove(f, "search");
	return 0;
}

int hostnet_resolv_change(struct hostnet_files *files, const struct hostnet_config *config, const struct hostnet_change *change, struct error *err)
{
	if (!is_ours(files, change))
		return 0;
	char *path = xasprintf("%s/resolv.conf", files->place->etc);
	struct hostnet_file *f = hostnet_add_file(files, HOSTNET_NOBODY, path);
	free(path);
	if (!f || !f->augeas)
		return fail(err, -EINVAL, "%s", f ? f->problem : "there are more files about networks than vmk reads");
	int ret = write_lists(f->augeas, config, change, err);
	f->changed |= !ret;
	return ret;
}
