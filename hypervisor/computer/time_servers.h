/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * time_servers.h - the servers a time service asks, in the service's own files below <root>/etc ("" for the computer's own).
 *
 * Files are read and changed with augeas: for a job's child.
 */
#ifndef VMK_COMPUTER_TIME_SERVERS_H
#define VMK_COMPUTER_TIME_SERVERS_H

#include "computer/augeas_file.h"
#include "computer/time_service.h"

#define TIME_SERVERS_MAX 32	/* that are read */
#define TIME_SERVERS_WRITE_MAX 8
#define TIME_SERVER_SIZE 254

struct time_servers {
	unsigned n;
	char names[TIME_SERVERS_MAX][TIME_SERVER_SIZE];
};

/* "a b", also with commas between: addresses and host names, each once. -EINVAL. */
int time_servers_parse(const char *text, struct time_servers *out, struct error *err);
bool time_servers_equal(const struct time_servers *a, const struct time_servers *b);

/* Those the files name, in their order; none: the service has its own. Files that are missing name none. */
int time_servers_read(const char *root, const struct time_service *s, struct time_servers *out, struct error *err);
/* Of them those which time_servers_change() replaces: other files keep theirs. */
int time_servers_read_own(const char *root, const struct time_service *s, struct time_servers *out, struct error *err);
/*
 * Lines of servers that stay are not touched, nor is anything else. *file is the changed file, not saved yet (time_servers_save(), and
 * augeas_file_restore() where the service does not take it); the caller closes it. -ENOENT: the service's file is missing.
 */
int time_servers_change(const char *root, const struct time_service *s, const struct time_servers *wanted, struct augeas_file **file,
			struct error *err);
/* How many servers must agree before the service sets the clock (minsane, minsources); 1 where the file does not say. */
unsigned time_servers_needed(const struct time_service *s, const struct augeas_file *file);
/* Whether it is a name of many servers. */
bool time_server_is_pool(const char *name);
int time_servers_save(struct augeas_file *file, struct error *err);

#endif
