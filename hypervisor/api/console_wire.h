/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console_wire.h - what vmkernel and vmk-authd, the consoles' front door, say to each other: SOCK_SEQPACKET, one struct a packet.
 *
 * vmkernel decides which machine's console listens where and makes the listening sockets; vmk-authd only accepts on them. When the
 * socket closes, vmk-authd closes its listeners and ends with its last connection.
 */
#ifndef VMK_API_CONSOLE_WIRE_H
#define VMK_API_CONSOLE_WIRE_H

#include "lib/keymap_names.h"
#include "lib/types.h"

#define CONSOLE_NAME_SIZE 64
#define CONSOLE_PASSWORD_SIZE 16
#define CONSOLE_TEXT_SIZE 256
#define CONSOLE_LOCKED_FAILURES 10 /* log-ins that fail from one address before it is locked out */

enum console_command_type {
	CONSOLE_LISTEN = 1, /* with the listening socket; replaces what is known of `port` */
	CONSOLE_CLOSE,	    /* no more connections for `port` */
	CONSOLE_UNLOCK,	    /* text: an address, or "" for all */
};
struct console_command {
	u32 type;
	u32 port;
	u32 uid, gid; /* the machine's owner: who comes by VncAuth acts for him */
	char machine[CONSOLE_NAME_SIZE];
	char keymap[KEYMAP_NAME_SIZE]; /* the guest's layout */
	char password[CONSOLE_PASSWORD_SIZE]; /* VncAuth, "": not offered */
	char text[CONSOLE_TEXT_SIZE];
};

enum console_report_type {
	CONSOLE_EVENT = 1, /* a line for the host's log */
	CONSOLE_READY,	   /* text: the certificate's SHA-256 fingerprint; number: when it ends, in seconds since 1970 */
	CONSOLE_CERTIFIED, /* text: the host's name a certificate of our own making was made for; "": it is another's */
	CONSOLE_UNLOCKED,  /* number: how many addresses were released */
};
struct console_report {
	u32 type;
	u32 level; /* enum log_level */
	u32 number;
	char text[CONSOLE_TEXT_SIZE];
};

#endif
