/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmx.h - the process around a machine: its event loop, viewers, controllers, console server and sandbox.
 *
 * Everything here belongs to the main thread. Peers are hostile: a slow one is dropped or loses bytes, never waited for.
 */
#ifndef VMK_VMX_VMX_H
#define VMK_VMX_VMX_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "vmx/machine.h"

#define VIEWERS_MAX 64
#define CONTROLLERS_MAX 16

struct viewer;
struct controller;

struct screen {
	struct viewer *viewers[VIEWERS_MAX];
	sd_event_source *tick, *listener;
	bool harvesting;     /* the vCPUs are to hand over dirty pages before the next drawing */
	u64 drawn_at;	     /* machine-independent, CLOCK_MONOTONIC */
	u64 changed_at;	     /* last time something had changed */
	u64 written_at;	     /* when machine->screen_written was first seen since the last drawing; 0 = not yet */
	u64 again_at;	     /* the picture changes by itself; 0 = never */
	u64 last_id;	     /* of a viewer */
	/* Where a viewer has put the pointer last (api/screen.h), and whether that was the last that was heard of it: else there were steps. */
	u16 placed_x, placed_y;
	bool placed;
	/* Users who were not let in, the last few, and until when they need not ask again (sharing.c). */
	struct screen_refused {
		char user[40];
		u64 until;
	} refused[8];
	unsigned n_refused; /* ever */
};

struct net_source { /* one card's back end on the loop */
	struct vmx *x;
	unsigned nic;
	sd_event_source *readable, *timer;
};

struct vmx;
/* The file is written (0), or was given up (-errno). After 0 the machine stands still until suspend_keep() or _give_up(). */
typedef void suspend_done(struct vmx *x, void *arg, int ret, const struct error *err);
struct vmss_writer;
struct suspend {
	suspend_done *done; /* NULL: not being suspended */
	void *arg;
	int fd;
	struct vmss_writer *writer; /* NULL: all is written */
	sd_event_source *step;
};

struct terminal; /* terminal.c: stdio of a standalone machine */

struct vmx {
	struct machine *machine;
	sd_event *loop;
	const char *name;
	u32 world;
	bool standalone;
	bool failed;	    /* the process has to end with an error */
	bool suspended;	    /* it ends because the machine is in a file */
	struct suspend suspend;
	bool question_held; /* the machine stands still for one */
	u64 question_told;  /* the last one that was */
	int suspend_fd;	    /* standalone: where SIGUSR1 suspends to, -1 = nowhere */
	int statm_fd;	    /* /proc/self/statm */
	struct screen screen;
	struct net_source net[NET_NICS];
	struct controller *controllers[CONTROLLERS_MAX];
	sd_event_source *control_listener, *hard_stop, *clock, *wake;
	struct terminal *terminal;
};

/* Asks the machine to power off; the loop ends when it has. */
void vmx_stop(struct vmx *x);

/* Writes the machine to an empty file; takes fd in every case. done() comes later, and not after a failure here. */
int suspend_begin(struct vmx *x, int fd, suspend_done *done, void *arg, struct error *err);
bool suspend_active(const struct vmx *x);
u64 suspend_bytes(const struct vmx *x); /* dealt with so far: grows as long as it gets on */
unsigned suspend_percent(const struct vmx *x);
void suspend_keep(struct vmx *x);    /* the process ends, the file is the machine */
void suspend_give_up(struct vmx *x); /* the machine goes on; done() is not called */
/* Before the threads: the machine becomes what the file holds, which is emptied. Takes fd. */
int suspend_resume(struct vmx *x, int fd, struct error *err);

int screen_init(struct vmx *x, struct error *err);
void screen_free(struct vmx *x);
/* Accepts viewers on a listening SOCK_SEQPACKET socket (standalone). */
int screen_listen(struct vmx *x, int fd, struct error *err);
/* Who looks, as vmkernel says; "" where nobody said. */
struct screen_who {
	char user[40], address[64];
	bool brief; /* there for a picture or a few keys only */
};
/* A socket pair, one end of which is a viewer: returns the other end. */
int screen_attach(struct vmx *x, bool view_only, const struct screen_who *who, struct error *err);
/* Array of {id, user, address, view_only, waits, since (seconds since 1970)}. */
json_t *screen_list(const struct vmx *x);
/* Sends a viewer away; -ENOENT. */
int screen_remove(struct vmx *x, u64 id, const char *sentence, struct error *err);
unsigned screen_viewers(const struct vmx *x);
void screen_release_keys(struct vmx *x); /* all that viewers hold down */
void screen_bye(struct vmx *x, const char *sentence);
void screen_woken(struct vmx *x); /* after machine_wake(): perhaps there is something to draw, or the dirty pages are there */
void screen_serial_out(struct vmx *x, unsigned line, const u8 *data, size_t len);
void screen_serial_room(struct vmx *x);

/* Listening SOCK_SEQPACKET socket of the controllers; takes fd. */
int control_init(struct vmx *x, int fd, struct error *err);
void control_free(struct vmx *x);
/* "reset", "poweroff", "suspended", "warning" and a sentence to every controller. */
void control_event(struct vmx *x, const char *event, const char *text);

/* After machine_wake(): perhaps somebody asks, or has got an answer. */
void question_attend(struct vmx *x);
/* "retry", "fail", "off". -ESTALE when that question is not open any more. */
int question_answer(struct vmx *x, u64 id, const char *answer, struct error *err);

/* Serial line `line` on stdin and stdout; raw mode where they are a terminal. */
int terminal_init(struct vmx *x, unsigned line, struct error *err);
void terminal_free(struct vmx *x);
/* Moves output on; `true` when the line's output is the terminal's and nobody else may take it. */
bool terminal_out(struct vmx *x, unsigned line);
void terminal_serial_room(struct vmx *x);

/* The cards' back ends on the loop. */
int net_init(struct vmx *x, struct error *err);
void net_free(struct vmx *x);
void net_woken(struct vmx *x); /* after machine_wake(): perhaps cards have sent */
bool net_has_nat(const struct vmx *x);
/* What all cards together have sent (NET_OUT) or got. */
struct net_traffic net_traffic(const struct vmx *x, enum net_direction way);

/* Drives and network cards while the machine runs, by the names of the configuration. Takes fd (-1 for a card) in every case. */
int removable_connect(struct vmx *x, const char *device, int fd, const char *file, bool force, struct error *err);
int removable_disconnect(struct vmx *x, const char *device, bool force, struct error *err);
/* {"ide1:0":{"connected":true,"file":"..."}, "ethernet0":{"connected":true}} */
json_t *removable_list(struct vmx *x);
/* Variables of guestinfo, keys without the prefix; "" removes one. */
int guestinfo_tell(struct vmx *x, const char *key, const char *value, struct error *err);
int guestinfo_ask(struct vmx *x, const char *key, json_t **value, struct error *err);
/* Adds tools_version and heartbeat_s (seconds since the tools were last heard) where they are known. */
void guest_tools_tell(struct vmx *x, json_t *answer);

/* One JSON line for the VMkernel, {"engine":"bt","passed_over":["kvm: sentence"]}; returns the exit status. */
int vmx_print_engines(void);

/* After all files are open and all threads started. With `nat` it may still make sockets, of TCP and UDP over IPv4. 0, or -errno with a sentence: then the process is as it was. */
int sandbox_enter(bool nat, struct error *err);

#endif
