/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * viewers.h - one viewer as screen.c keeps it, and sharing.c's say in who becomes one.
 *
 * console.sharing decides what happens to a newcomer while somebody is inside: "shared" lets him in, "exclusive" refuses him, "ask" asks
 * those inside who may type; the first answer counts, and without one he is let in after SCREEN_WAIT_SECONDS. A short look (a
 * picture, a few keys) and anything else of the same user never stand in each other's way. Who waits hears nothing of the machine,
 * and nothing he sends is heard.
 */
#ifndef VMK_VMX_VIEWERS_H
#define VMK_VMX_VIEWERS_H

#include "vmx/vmx.h"

#define SHARING_WAITING_MAX 8 /* in all, */
#define SHARING_WAITING_EACH 2 /* and of one user */
#define SHARING_REFUSED_SECONDS 60 /* in which who was refused is not asked about again */

struct viewer {
	struct vmx *x;
	unsigned index;
	int fd;
	bool view_only;
	struct screen_who who;
	u64 id;	  /* never used twice */
	u64 since; /* seconds since 1970 */
	sd_event_source *io;
	bool outside; /* waits to be let in */
	sd_event_source *deadline; /* until when, else NULL */
	bool ready, forced; /* wants SCREEN_CHANGED; even if nothing changed */
	u32 seen;	    /* page->sequence it was last told of */
	bool serial_on;
	unsigned line;
	u8 *out; /* ring of serial output on its way */
	size_t out_head, out_count;
	bool waits; /* `pending` did not fit into the line's buffer: nothing more is read */
	struct screen_message pending;
	u8 down[256 / 8]; /* keys it holds */
	u16 buttons; /* it holds */
};

/* ---- screen.c ---- */

/* 0, -EAGAIN when it does not read, another -errno when it is gone. */
int viewer_send(struct viewer *v, u16 type, const void *bytes, size_t len);
/* Hands over the screen: from here on it is inside. Removes it where that fails. */
int viewer_let_in(struct viewer *v, struct error *err);
void viewer_remove(struct viewer *v);

/* ---- sharing.c ---- */

/* 0: come in. SHARING_ASK: those inside are to be asked. Else -EBUSY and why not. */
#define SHARING_ASK 1
int sharing_judge(const struct vmx *x, const struct screen_who *who, struct error *err);
/* v, which is outside, is told so, and those inside are asked. */
int sharing_ask(struct viewer *v, struct error *err);
/* v is inside now and may have to answer too. */
void sharing_entered(struct viewer *v);
void sharing_answer(struct viewer *v, u32 question, bool let_in);
/* A viewer is on its way out, not in the table any more. */
void sharing_left(struct vmx *x, struct viewer *v);

#endif
