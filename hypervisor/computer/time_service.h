/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * time_service.h - what keeps the computer's clock right: which service (NTP) there is, whether it runs, how far off the clock may be.
 *
 * `root` is the folder of the computer's own files, "" for the real ones. Nothing here waits or starts a process but
 * time_service_set() and time_service_restart(), which are for a job's child.
 */
#ifndef VMK_COMPUTER_TIME_SERVICE_H
#define VMK_COMPUTER_TIME_SERVICE_H

#include "lib/error.h"
#include "lib/types.h"

struct time_service {
	const char *name;	       /* of the package: "chrony" */
	const char *program;	       /* in a folder for programs, or a whole path below the root */
	const char *unit, *script;     /* systemd's; /etc/init.d's, NULL: it runs below systemd only */
	const char *pid_file, *socket; /* how a running one is known where systemd does not say; NULL: not so */
	const char *comm;	       /* of the process in the pid file */
	const char *conf, *more[2];    /* below etc; more: patterns of files that name servers too */
	const char *server, *pool;     /* words of lines that name one server, or a name of many; NULL: an ini file */
	const char *options;	       /* of a new line */
	const char *tells;	       /* word of its files without which it does not tell the kernel that the clock is right; NULL: it does */
};

struct time_service_state {
	const struct time_service *service; /* NULL: none is installed */
	bool systemd;			    /* whether it manages this computer's services */
	bool on;			    /* runs now */
	bool unknown;			    /* whether it does: what tells it may not be read; on is false then */
	bool silent;			    /* it runs, and does not tell the kernel: nobody knows whether the clock is right */
	bool enabled;			    /* starts with the computer */
};
/* Of several that are installed the one that runs, or is enabled. */
void time_service_look(const char *root, struct time_service_state *out);

/* What the kernel knows of its clock from whatever sets it. */
struct clock_state {
	bool known, synchronised;
	u64 error_us; /* how far off it is at most, when synchronised */
};
void clock_look(struct clock_state *out);
/* What of it is known where that service runs. */
void clock_of_service(const struct time_service_state *s, struct clock_state *c);
/* "synchronised, at most 12 ms off" */
void clock_text(const struct clock_state *c, char *text, size_t size);
/* "chrony is on; clock synchronised, at most 12 ms off" */
void time_service_text(const struct time_service_state *s, const struct clock_state *c, char *text, size_t size);

/*
 * The service is to run now or not, and to start with the computer or not; one that runs already starts anew. 0 once that is so. Puts
 * nothing back on failure: its files may be what is wrong.
 */
int time_service_set(const char *root, const struct time_service_state *s, bool on, bool enabled, struct error *err);
/* A running one reads its files anew. */
int time_service_restart(const char *root, const struct time_service_state *s, struct error *err);

/* ---- what the daemon remembers, of the real computer ---- */

enum time_trouble {
	TIME_RIGHT,   /* or it is not known that it is wrong */
	TIME_NOBODY,  /* nothing sets it: no service is installed */
	TIME_OFF,     /* the service is off */
	TIME_LATE,    /* the service has been on for over an hour, and the clock is not synchronised */
};
struct time_watch {
	struct time_service_state service;
	struct clock_state clock;
	u64 since; /* monotonic; the service is on and the clock not synchronised; 0: it is not so */
};
/* Notes the state as of `now` (monotonic). */
void time_watch_note(struct time_watch *w, const struct time_service_state *service, const struct clock_state *clock, u64 now);
enum time_trouble time_watch_trouble(const struct time_watch *w, u64 now);

/* Of the daemon, from its event loop; to be called often, looks about once a minute. */
void time_service_poll(void);
/* The next time_service_last() looks. */
void time_service_changed(void);
const struct time_watch *time_service_last(void);

#endif
