/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2.h - the PS/2 keyboard and mouse as the 8042 sees them: two devices that take command bytes and queue answers.
 *
 * Parts of i8042.c's device, under its lock; they reach the outside only through the controller.
 */
#ifndef VMK_DEV_PS2_H
#define VMK_DEV_PS2_H

#include "lib/state.h"
#include "lib/types.h"

/* Bytes on their way to the controller; what does not fit is refused whole, so sequences stay complete. */
#define PS2_QUEUE 256
struct ps2_queue {
	u8 bytes[PS2_QUEUE];
	u16 at, count;
};
bool ps2_queue_room(const struct ps2_queue *q, unsigned count);
void ps2_queue_put(struct ps2_queue *q, u8 byte); /* dropped when full */
u8 ps2_queue_take(struct ps2_queue *q);		  /* 0 when empty */
void ps2_queue_clear(struct ps2_queue *q);
void ps2_queue_save(const struct ps2_queue *q, struct state_writer *w);
void ps2_queue_load(struct ps2_queue *q, struct state_reader *r);

struct ps2_keyboard {
	struct ps2_queue codes;	  /* scan codes */
	struct ps2_queue replies; /* go before scan codes */
	u8 command;   /* that waits for its parameter, 0 = none */
	u8 scan_set;  /* 1-3 */
	u8 leds, typematic;
	u8 last_byte; /* for Resend */
	bool scanning;
	u8 make_break[32]; /* set 3: bit per key that sends break codes */
	u8 repeats[32];	   /* set 3: bit per key that repeats */
	u8 down[32];	   /* keys held, by set-1 code with bit 7 for E0 */
};
void ps2_keyboard_reset(struct ps2_keyboard *k);
/* True when the LEDs changed. */
bool ps2_keyboard_command(struct ps2_keyboard *k, u8 byte);
void ps2_keyboard_key(struct ps2_keyboard *k, u8 code, bool is_down);
bool ps2_keyboard_ready(const struct ps2_keyboard *k);
u8 ps2_keyboard_take(struct ps2_keyboard *k);
void ps2_keyboard_save(const struct ps2_keyboard *k, struct state_writer *w);
void ps2_keyboard_load(struct ps2_keyboard *k, struct state_reader *r);
/* What the controller's translation makes of a set-2 code, F0 prefixes apart. */
u8 ps2_translate(u8 set2);

struct ps2_mouse {
	struct ps2_queue packets, replies;
	u8 command; /* that waits for its parameter, 0 = none */
	u8 id;	    /* 0 = three buttons, 3 = wheel */
	u8 rate, resolution;
	u8 knock[2]; /* the last two sample rates set: 200, 100, then 80 switches the wheel on */
	u8 last_byte;
	bool remote, wrap, scaling, reporting;
	bool nudged; /* not saved: the next one comes soon */
	int dx, dy, wheel; /* not yet reported, screen directions */
	u8 buttons, reported_buttons;
	u64 next_report; /* machine time */
};
void ps2_mouse_reset(struct ps2_mouse *m);
void ps2_mouse_command(struct ps2_mouse *m, u8 byte);
void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int wheel, unsigned buttons);
/* The next report is due though nothing has moved. */
void ps2_mouse_nudge(struct ps2_mouse *m);
/* Queues a packet if there is something to report and it is time; returns when to ask again, 0 = not needed. */
u64 ps2_mouse_report(struct ps2_mouse *m, u64 now);
bool ps2_mouse_ready(const struct ps2_mouse *m);
u8 ps2_mouse_take(struct ps2_mouse *m);
void ps2_mouse_save(const struct ps2_mouse *m, struct state_writer *w);
void ps2_mouse_load(struct ps2_mouse *m, struct state_reader *r);

struct device;
/* i8042.c: the guest is to look for what the mouse's other interface has. */
void i8042_nudge_mouse(struct device *i8042);

#endif
