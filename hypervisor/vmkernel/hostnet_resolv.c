/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_resolv.c - /etc/resolv.conf, where nobody else writes it; see hostnet_files.h */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util.h"
#include "vmkernel/hostnet_files.h"
#include "vmkernel/program.h"

#define RESOLV_CONF_BYTES 65536

void hostnet_resolvers(const struct hostnet_place *place, char *dns, size_t dns_size, char *search, size_t search_size)
{
	char *path = xasprintf("%s/resolv.conf", place->etc), *text = NULL, *saved = NULL;
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
	free(path);
}

/* resolvconf and systemd-resolved take name servers from the managers' own files, and make this one; a DHCP client writes it, too. */
static bool is_ours(const struct hostnet_files *files, const struct hostnet_change *change)
{
	struct stat st;
	char *path = xasprintf("%s/resolv.conf", files->place->etc);
	bool link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
	free(path);
	return !link && change->method == HOSTNET_STATIC && (change->has_dns || change->has_search) && !program_there("resolvconf") &&
	       !hostnet_unit_runs(files->place, "systemd-resolved");
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

int hostnet_resolv_change(struct hostnet_files *files, const struct hostnet_change *change, struct error *err)
{
	if (!is_ours(files, change))
		return 0;
	char *path = xasprintf("%s/resolv.conf", files->place->etc);
	struct hostnet_file *f = hostnet_add_file(files, HOSTNET_NOBODY, path);
	free(path);
	if (!f || !f->augeas)
		return fail(err, -EINVAL, "%s", f ? f->problem : "there are more files about networks than vmk reads");
	int ret = change->has_dns ? set_lines(f->augeas, "nameserver", change->dns, err) : 0;
	if (!ret && change->has_search) {
		augeas_file_remove(f->augeas, "domain");
		if (!*change->search)
			augeas_file_remove(f->augeas, "search");
		else
			ret = set_lines(f->augeas, "search/domain", change->search, err);
	}
	f->changed |= !ret;
	return ret;
}
