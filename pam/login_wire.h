/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * login_wire.h - what a front end (login.c) and vmk-login (login_main.c) say to each other: one packet a message over a
 * SOCK_SEQPACKET pair, which vmk-login finds as descriptor LOGIN_FD.
 *
 * LOGIN_USER opens; then vmk-login sends messages and questions, each question is answered by LOGIN_ANSWER; it ends with
 * LOGIN_DONE (with the connected door) or LOGIN_FAILED. Either side may close at any time.
 */
#ifndef VMK_PAM_LOGIN_WIRE_H
#define VMK_PAM_LOGIN_WIRE_H

#include "lib/types.h"

#define LOGIN_FD 3
#define LOGIN_TEXT_MAX 512

enum login_type {
	LOGIN_USER = 1,	 /* -> name; empty: ask for it */
	LOGIN_ANSWER,	 /* -> */
	LOGIN_ASK,	 /* <- a question whose answer is secret */
	LOGIN_ASK_ECHO,	 /* <- a question */
	LOGIN_TELL,	 /* <- a message */
	LOGIN_FAILED,	 /* <- the sentence to show */
	LOGIN_DONE,	 /* <- with one descriptor */
};

struct login_packet {
	u8 type;
	char text[LOGIN_TEXT_MAX]; /* NUL-terminated */
};

#endif
