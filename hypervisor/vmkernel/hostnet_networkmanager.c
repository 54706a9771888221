/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_networkmanager.c - NetworkManager's keyfiles (nm-settings-keyfile(5)), which are read only; see hostnet_files.h */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "vmkernel/hostnet_files.h"

#define KEYFILE_BYTES 65536

/* Lists are separated by ';' there. */
static void take_list(const char *value, char *list)
{
	char word[256];
	for (; *value; value += strspn(value, "; ")) {
		size_t len = strcspn(value, "; ");
		snprintf(word, sizeof(word), "%.*s", (int)MIN(len, sizeof(word) - 1), value);
		hostnet_list_add(list, HOSTNET_LIST_SIZE, word);
		value += len;
	}
}

static void take_method(const char *value, struct hostnet_config *out)
{
	out->method = !strcmp(value, "auto")		  ? HOSTNET_DHCP
		      : !strcmp(value, "manual")	  ? HOSTNET_STATIC
		      : !strcmp(value, "disabled")	  ? HOSTNET_NONE
							  : HOSTNET_OTHER;
	str_copy(out->word, sizeof(out->word), value);
}

/* "192.0.2.7/24,192.0.2.1": with its gateway, or without */
static void take_address(const char *value, struct hostnet_config *out)
{
	hostnet_list_word(value, 0, out->address, sizeof(out->address));
	hostnet_list_word(value, 1, out->gateway, sizeof(out->gateway));
}

static void take_line(const char *section, const char *key, const char *value, struct hostnet_config *out)
{
	if (!strcmp(section, "ipv6") && !strcmp(key, "method"))
		str_copy(out->ipv6, sizeof(out->ipv6), value);
	if (strcmp(section, "ipv4") != 0)
		return;
	if (!strcmp(key, "method"))
		take_method(value, out);
	else if (!strcmp(key, "address1"))
		take_address(value, out);
	else if (!strcmp(key, "gateway"))
		str_copy(out->gateway, sizeof(out->gateway), value);
	else if (!strcmp(key, "dns"))
		take_list(value, out->dns);
	else if (!strcmp(key, "dns-search"))
		take_list(value, out->search);
}

/* True: the file, whose text is taken apart, is about that interface. */
static bool take_file(char *text, const char *interface, struct hostnet_config *out)
{
	char section[32] = "", *saved = NULL;
	bool about = false;
	for (char *line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved)) {
		char *value = strchr(line, '=');
		if (*line == '[') {
			size_t len = strcspn(line + 1, "]");
			snprintf(section, sizeof(section), "%.*s", line[len + 1] ? (int)MIN(len, sizeof(section) - 1) : 0, line + 1);
		} else if (value && *line != '#') {
			*value++ = 0;
			about |= !strcmp(section, "connection") && !strcmp(line, "interface-name") && !strcmp(value, interface);
			take_line(section, line, value, out);
		}
	}
	return about;
}

void hostnet_networkmanager_look(const struct hostnet_place *place, const char *interface, struct hostnet_config *out)
{
	glob_t found;
	char *pattern = xasprintf("%s/NetworkManager/system-connections/*.nmconnection", place->etc), *text;
	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t k = 0; k < MIN(found.gl_pathc, (size_t)HOSTNET_FILES_MAX) && !out->file[0]; k++) {
			struct hostnet_config told = {.manager = HOSTNET_NETWORKMANAGER};
			if (read_file(found.gl_pathv[k], KEYFILE_BYTES, &text, NULL, NULL))
				continue;
			str_copy(told.file, sizeof(told.file), found.gl_pathv[k]);
			if (take_file(text, interface, &told))
				*out = told;
			explicit_bzero(text, strlen(text)); /* passwords of other networks' */
			free(text);
		}
		globfree(&found);
	}
	free(pattern);
}
