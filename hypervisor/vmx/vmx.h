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
};

struct mks {
	int image_fd, listen_fd; /* -1: no console server wanted */
	int starter;		 /* socket of the process that starts it, -1 = none */
	pid_t pid;		 /* 0 = not running */
	int pid_fd;
	unsigned failures;
	u64 started_at;
	sd_event_source *exit_source, *again;
};

struct terminal; /* terminal.c: stdio of a standalone machine */

struct vmx {
	struct machine *machine;
	sd_event *loop;
	const char *name;
	u32 world;
	bool standalone;
	bool failed;	    /* the process has to end with an error */
	int statm_fd;	    /* /proc/self/statm */
	struct screen screen;
	struct mks mks;
	struct controller *controllers[CONTROLLERS_MAX];
	sd_event_source *control_listener, *hard_stop, *clock, *wake;
	struct terminal *terminal;
};

/* Asks the machine to power off; the loop ends when it has. */
void vmx_stop(struct vmx *x);

int screen_init(struct vmx *x, struct error *err);
void screen_free(struct vmx *x);
/* Accepts viewers on a listening SOCK_SEQPACKET socket (standalone). */
int screen_listen(struct vmx *x, int fd, struct error *err);
/* A new viewer; takes fd in every case. hidden ones are not counted. */
int screen_add(struct vmx *x, int fd, bool view_only, bool hidden, struct error *err);
/* A socket pair, one end of which is a viewer: returns the other end. */
int screen_attach(struct vmx *x, bool view_only, bool hidden, struct error *err);
unsigned screen_viewers(const struct vmx *x);
void screen_bye(struct vmx *x, const char *sentence);
void screen_woken(struct vmx *x); /* after machine_wake(): perhaps the dirty pages are there */
void screen_serial_out(struct vmx *x, unsigned line, const u8 *data, size_t len);
void screen_serial_room(struct vmx *x);

/* Listening SOCK_SEQPACKET socket of the controllers; takes fd. */
int control_init(struct vmx *x, int fd, struct error *err);
void control_free(struct vmx *x);
/* "reset", "poweroff", "mks-died", "warning" and a sentence to every controller. */
void control_event(struct vmx *x, const char *event, const char *text);

/*
 * Before any thread or descriptor that the console server must not have: forks the small process that will start
 * it, since the sandbox allows vmx itself no exec. argv0 is vmx's, to be told apart in ps.
 */
int mks_prepare(struct vmx *x, char *argv0, struct error *err);
int mks_start(struct vmx *x, struct error *err);
void mks_stop(struct vmx *x);

/* Serial line `line` on stdin and stdout; raw mode where they are a terminal. */
int terminal_init(struct vmx *x, unsigned line, struct error *err);
void terminal_free(struct vmx *x);
/* Moves output on; `true` when the line's output is the terminal's and nobody else may take it. */
bool terminal_out(struct vmx *x, unsigned line);
void terminal_serial_room(struct vmx *x);

/* One JSON line for the VMkernel, {"engine":"bt","passed_over":["kvm: sentence"]}; returns the exit status. */
int vmx_print_engines(void);

/* After all files are open and all threads started. 0, or -errno with a sentence: then the process is as it was. */
int sandbox_enter(struct error *err);

#endif
