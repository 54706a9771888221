/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host_name.c - see host_name.h */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "computer/host_name.h"
#include "lib/log.h"
#include "lib/util.h"

#define LABEL_MAX 63
#define OWN_ADDRESS "127.0.1.1" /* as Debian gives it to a computer whose own addresses change */

bool host_address_valid(const char *text)
{
	struct in6_addr address;
	return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

bool host_name_valid(const char *name, size_t max_len)
{
	bool letters = false;
	if (!*name || strlen(name) > max_len)
		return false;
	for (const char *label = name;; label++) {
		size_t len = strcspn(label, ".");
		if (!len || len > LABEL_MAX || label[0] == '-' || label[len - 1] == '-')
			return false;
		letters = false; /* in the last label, at least: 192.0.2.300 is a mistake */
		for (size_t k = 0; k < len; k++) {
			unsigned char c = (unsigned char)label[k];
			if (c > 127 || !(isalnum(c) || c == '-'))
				return false;
			letters |= !isdigit(c);
		}
		label += len;
		if (!*label)
			return letters;
	}
}

int host_name_check(const char *name, struct error *err)
{
	if (!host_name_valid(name, HOST_NAME_SIZE - 1))
		return fail(err, -EINVAL, "name %.70s: must be letters, digits and -, perhaps with dots between, and at most %d characters", name,
			    HOST_NAME_SIZE - 1);
	if (str_ieq(name, "localhost") || strncasecmp(name, "localhost.", strlen("localhost.")) == 0)
		return fail(err, -EINVAL, "name %.70s: is what every computer calls itself", name);
	return 0;
}

void host_name_get(char name[HOST_NAME_SIZE])
{
	if (gethostname(name, HOST_NAME_SIZE))
		str_copy(name, HOST_NAME_SIZE, "?");
	name[HOST_NAME_SIZE - 1] = 0;
}

/* ---- files ---- */

/* Comments and all else stay; the first other line is the name. */
static int change_hostname(struct augeas_file *f, const char *name, struct error *err)
{
	char **lines = augeas_file_matches(f, "*[label() != '#comment']");
	int ret = augeas_file_set(f, name, err, "%s", *lines ? *lines : "1");
	augeas_file_free_matches(lines);
	return ret;
}

static char *short_name(const char *name)
{
	return xasprintf("%.*s", (int)strcspn(name, "."), name);
}

/* What a word of a line of the old name's becomes: the name, its first label alone, or with the old domain. Caller frees; NULL: it stays. */
static char *renamed(const char *word, bool alias, const char *old, const char *name)
{
	size_t len = strlen(old);
	bool dots = strchr(name, '.') != NULL;
	char *old_short = short_name(old), *new = NULL;
	if (str_ieq(word, old))
		new = alias && dots && !strchr(old, '.') ? short_name(name) : xstrdup(name);
	else if (strncasecmp(word, old, len) == 0 && word[len] == '.')
		new = dots ? xstrdup(name) : xasprintf("%s%s", name, word + len);
	else if (str_ieq(word, old_short))
		new = short_name(name);
	free(old_short);
	return new;
}

static bool is_there(const struct augeas_file *f, const char *name)
{
	return augeas_file_count(f, "*[canonical = '%s' or alias = '%s']", name, name) != 0;
}

/* Whether that line is about the computer by the old name: www.example.org alone is another one's, whatever this one is called. */
static bool is_own(const struct augeas_file *f, const char *line, const char *old)
{
	const char *address = augeas_file_get(f, "%s/ipaddr", line);
	bool own = address && strcmp(address, OWN_ADDRESS) == 0;
	char **words = augeas_file_matches(f, "%s/*[label() = 'canonical' or label() = 'alias']", line);
	for (char **word = words; *word && !own; word++) {
		const char *value = augeas_file_get(f, "%s", *word);
		own = value && str_ieq(value, old);
	}
	augeas_file_free_matches(words);
	return own;
}

static int rename_line(struct augeas_file *f, const char *line, const char *old, const char *name, struct error *err)
{
	int ret = 0;
	char **words = augeas_file_matches(f, "%s/*[label() = 'canonical' or label() = 'alias']", line);
	for (char **word = words; *word && !ret; word++) {
		const char *value = augeas_file_get(f, "%s", *word);
		char *new = value ? renamed(value, word != words, old, name) : NULL;
		if (new)
			ret = augeas_file_set(f, new, err, "%s", *word);
		free(new);
	}
	augeas_file_free_matches(words);
	return ret;
}

static int rename_lines(struct augeas_file *f, const char *old, const char *name, struct error *err)
{
	int ret = 0;
	char **lines = augeas_file_matches(f, "*[ipaddr]");
	for (char **line = lines; *line && !ret; line++)
		if (is_own(f, *line, old))
			ret = rename_line(f, *line, old, name, err);
	augeas_file_free_matches(lines);
	return ret;
}

static int add_own_line(struct augeas_file *f, const char *name, struct error *err)
{
	char label[16];
	snprintf(label, sizeof(label), "%d", AUGEAS_NEW_LINE); /* of the line that is made */
	int ret = 0;
	if (augeas_file_count(f, "*[ipaddr = '" OWN_ADDRESS "'][1]"))
		return augeas_file_set(f, name, err, "*[ipaddr = '" OWN_ADDRESS "'][1]/alias[last() + 1]");
	if (augeas_file_count(f, "*[ipaddr = '127.0.0.1'][1]"))
		ret = augeas_file_insert(f, label, false, err, "*[ipaddr = '127.0.0.1'][1]");
	if (!ret)
		ret = augeas_file_set(f, OWN_ADDRESS, err, "%s/ipaddr", label);
	return ret ? ret : augeas_file_set(f, name, err, "%s/canonical", label);
}

static int change_hosts(struct augeas_file *f, const char *old, const char *name, struct error *err)
{
	/* A host that was called localhost, or nothing, leaves its line to everybody. */
	bool own = *old && !str_ieq(old, "localhost") && !str_ieq(old, "(none)");
	int ret = own ? rename_lines(f, old, name, err) : 0;
	return ret || is_there(f, name) ? ret : add_own_line(f, name, err);
}

void host_name_close(struct host_name_files *files)
{
	augeas_file_close(files->hostname);
	augeas_file_close(files->hosts);
	*files = (struct host_name_files){0};
}

int host_name_change(const char *etc, const char *old, const char *name, struct host_name_files *out, struct error *err)
{
	*out = (struct host_name_files){0};
	int ret = augeas_file_open(etc, "hostname", "Simplelines.lns", &out->hostname, err);
	if (!ret)
		ret = augeas_file_open(etc, "hosts", "Hosts.lns", &out->hosts, err);
	if (!ret)
		ret = change_hostname(out->hostname, name, err);
	if (!ret)
		ret = change_hosts(out->hosts, old, name, err);
	if (ret)
		host_name_close(out);
	return ret;
}

int host_name_save(struct host_name_files *files, struct error *err)
{
	struct error why;
	int ret = augeas_file_save(files->hostname, err);
	if (ret)
		return ret;
	ret = augeas_file_save(files->hosts, err);
	if (ret && augeas_file_restore(files->hostname, &why))
		log_warning("%s", why.text);
	return ret;
}
