/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * consoles.h - which machine's console listens where, and vmk-authd, the front door that accepts there.
 *
 * Every registered machine whose configuration wants a console has a port as long as there are ports: the configured one, or the
 * first free one from console.firstPort on. It keeps it while it is registered, on or off. vmkernel makes the listening
 * sockets and keeps them, so a vmk-authd that dies is started again with the same ones and no connection is refused meanwhile.
 */
#ifndef VMK_VMKERNEL_CONSOLES_H
#define VMK_VMKERNEL_CONSOLES_H

#include "vmkernel/host.h"

/* Once, when all machines are known (those that run keep their ports): starts vmk-authd. */
void consoles_start(void);
/*
 * Once, when the daemon ends: vmk-authd is told to end, and nothing listens at the consoles' ports any more, so that the next daemon has
 * them at once though vmk-authd may take a moment, or stays as long as somebody is connected.
 */
void consoles_stop(void);
/* After anything of the machine has changed that a console depends on: name, owner, configuration. Before consoles_start(): nothing. */
void consoles_update(struct vm *vm);
/* Gives a machine that is powered on a port even when the range is used up: one of a machine that is off. */
void consoles_claim(struct vm *vm);
/* The machine is taken off the list. */
void consoles_forget(struct vm *vm);
/* "address:port" as a viewer needs it; false when the machine has no console. */
bool consoles_address(const struct vm *vm, char *text, size_t size);
/* The guest's key map, a name of lib/keymap_names.h. */
const char *vm_keymap(const struct vm *vm);
/* Releases an address (or all, "") that is locked out; the request is answered later. */
int consoles_unlock(const char *address, struct request *r, struct error *err);
/* SHA-256 of the certificate, "" before vmk-authd has told it. */
const char *consoles_fingerprint(void);
/* The host's name it was made for when nobody else has signed it; "": somebody has, or it is not told yet. */
const char *consoles_certificate_name(void);
/* When it ends, in seconds since 1970; 0 = not known yet. */
u64 consoles_certificate_end(void);
/* Whether vmk-authd is running. */
bool consoles_open(void);
/* The machine is to have a console and got none: its port, or all ports, are taken. */
bool consoles_lacking(const struct vm *vm);
/* How many addresses are locked out. */
unsigned consoles_locked(void);
pid_t consoles_pid(void); /* of vmk-authd, 0 while it does not run */

#endif
