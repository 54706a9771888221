/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_files.h - what hostnet.c and those who know one manager's files (hostnet_ifupdown.c, hostnet_networkd.c) share */
#ifndef VMK_COMPUTER_HOSTNET_FILES_H
#define VMK_COMPUTER_HOSTNET_FILES_H

#include "computer/augeas_file.h"
#include "computer/hostnet.h"

#define HOSTNET_FILES_MAX 64

struct hostnet_file {
	enum hostnet_manager manager; /* NOBODY: resolv.conf */
	char *path;
	struct augeas_file *augeas; /* NULL: it cannot be read */
	char problem[400];
	bool foreign;  /* somebody else makes it: not to be changed */
	bool packaged; /* it came with a package: one of the administrator's comes before it */
	bool changed;
};

struct hostnet_files {
	const struct hostnet_place *place;
	struct hostnet_file file[HOSTNET_FILES_MAX];
	unsigned n;
	bool too_many;
	const char *changed[HOSTNET_FILES_MAX + 1];
};

/* NULL: there are too many. Whether it can be read is told in the result. */
struct hostnet_file *hostnet_add_file(struct hostnet_files *files, enum hostnet_manager manager, const char *path);
/* The first problem with that manager's files, NULL: none. */
const char *hostnet_files_problem(const struct hostnet_files *files, enum hostnet_manager manager);
/* Appends a word to a list, after a blank; what does not fit is left out. */
void hostnet_list_add(char *list, size_t size, const char *word);
/* The words of a list, separated by blanks or commas: how many there are, or the one of that number (false: none). */
bool hostnet_list_word(const char *list, unsigned number, char *word, size_t size);
bool hostnet_unit_runs(const struct hostnet_place *place, const char *unit);

/*
 * Those of one manager. open: adds its files. look: fills in what they say; true when one names the interface. change: as
 * hostnet_change(), for one whose problem is empty.
 */
void hostnet_ifupdown_open(struct hostnet_files *files);
bool hostnet_ifupdown_look(const struct hostnet_files *files, const char *interface, struct hostnet_config *out);
int hostnet_ifupdown_change(struct hostnet_files *files, const char *interface, const struct hostnet_change *change, struct error *err);
void hostnet_networkd_open(struct hostnet_files *files);
bool hostnet_networkd_look(const struct hostnet_files *files, const struct hostnet_link *link, struct hostnet_config *out);
int hostnet_networkd_change(struct hostnet_files *files, const struct hostnet_link *link, const struct hostnet_change *change, struct error *err);
/* What NetworkManager's keyfile of that interface says, if there is one. */
void hostnet_networkmanager_look(const struct hostnet_place *place, const char *interface, struct hostnet_config *out);
/*
 * Name servers and search domains also where the C library looks, if no other program does that: in front of those that are there, which
 * may be other interfaces'; `config`'s own go.
 */
int hostnet_resolv_change(struct hostnet_files *files, const struct hostnet_config *config, const struct hostnet_change *change, struct error *err);

#endif
