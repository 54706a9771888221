/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * screen.h - a machine's screen, keyboard, mouse and serial line as vmk-vmx shares them with its viewers:
 * vmk-mks (VNC), vmksh (vm console, vm screen, console type) and vmkstatus (attach).
 *
 * A viewer holds one end of a SOCK_SEQPACKET Unix socket whose other end is vmx's. The first message from vmx is
 * SCREEN_HELLO with one descriptor: a memfd of SCREEN_BYTES, sealed against resizing, which the viewer maps read-only as
 * struct screen_page. vmx alone writes it. Viewers trust nothing in it: they clamp sizes to the limits below.
 *
 * Consistency is seqlock-like: `sequence` is odd while vmx draws; a viewer that sees it odd, or changed
 * after copying, copies again next time. What changed is told per tile of TILE x TILE pixels: tile_sequence[] holds the
 * value of `sequence` (even) after the draw that last changed it. A viewer redraws the tiles above the sequence it last showed.
 *
 * Rights are attached to the descriptor: view-only viewers' input is dropped by vmx.
 *
 * Where a machine asks before it is shared (console.sharing), SCREEN_WAIT comes instead, and SCREEN_HELLO or SCREEN_REMOVED when that
 * is settled. Those inside are asked by SCREEN_ASK and may answer by SCREEN_ANSWER; nobody has to.
 */
#ifndef VMK_API_SCREEN_H
#define VMK_API_SCREEN_H

#include <stdatomic.h>

#include "lib/types.h"

#define SCREEN_MAX_WIDTH 2560
#define SCREEN_MAX_HEIGHT 1600
#define SCREEN_TILE 16
#define SCREEN_TILES_X (SCREEN_MAX_WIDTH / SCREEN_TILE)
#define SCREEN_TILES_Y (SCREEN_MAX_HEIGHT / SCREEN_TILE)
#define SCREEN_MAX_COLUMNS 160
#define SCREEN_MAX_ROWS 100
#define SCREEN_WAIT_SECONDS 15 /* after which who waits is let in unasked */
#define SCREEN_MAGIC 0x4e524353u /* "SCRN" */

enum screen_mode { SCREEN_OFF /* powered off or blanked */, SCREEN_TEXT, SCREEN_GRAPHICS };

struct screen_cell { /* text modes: as the guest wrote it */
	u8 character; /* CP437 code (position in the guest's font) */
	u8 attribute; /* VGA: foreground 0-3, background 4-6, blink or bright background 7 */
};

#define SCREEN_LED_SCROLL 1u
#define SCREEN_LED_NUM 2u
#define SCREEN_LED_CAPS 4u

struct screen_page {
	u32 magic;
	_Atomic u32 sequence;	/* see above */
	u32 mode;		/* enum screen_mode */
	u32 width, height;	/* pixels, valid in all modes but SCREEN_OFF: text is drawn too */
	u32 stride;		/* bytes from line to line of pixels[] */
	u32 columns, rows;	/* text modes */
	u32 cursor_x, cursor_y; /* cells; cursor_x >= columns: not visible */
	u32 cursor_top, cursor_bottom; /* scan lines within the cell */
	u32 blink_background;	/* attribute bit 7: 1 = blink, 0 = bright background */
	u32 cell_width, cell_height; /* pixels of a text cell */
	u32 leds;		/* keyboard: SCREEN_LED_ */
	u32 palette16[16];	/* XRGB of the 16 text colours, as the guest has set them */
	char title[64];		/* machine's name */
	_Atomic u32 tile_sequence[SCREEN_TILES_X * SCREEN_TILES_Y]; /* index ty * SCREEN_TILES_X + tx */
	struct screen_cell cells[SCREEN_MAX_COLUMNS * SCREEN_MAX_ROWS]; /* index row * columns + column */
	u32 pixels[SCREEN_MAX_WIDTH * SCREEN_MAX_HEIGHT] __attribute__((aligned(4096))); /* XRGB8888 */
};
#define SCREEN_BYTES sizeof(struct screen_page)

#define SCREEN_BUTTONS 31u /* of a pointer: left 1, right 2, middle 4, side 8, extra 16 */

/* Messages: one per packet, at most SCREEN_MESSAGE_MAX bytes, `type` first. */
enum screen_message_type {
	/* vmx -> viewer */
	SCREEN_HELLO = 1, /* with the memfd */
	SCREEN_CHANGED,	  /* something changed since SCREEN_READY; sent once per READY */
	SCREEN_SERIAL,	  /* bytes[] from the machine's serial line */
	SCREEN_BYE,	  /* the machine is powered off; bytes[] holds a sentence */
	SCREEN_REMOVED,	  /* this viewer is sent away, or not let in; bytes[] holds a sentence */
	SCREEN_WAIT,	  /* before SCREEN_HELLO: this viewer has to be let in; bytes[] says by whom */
	SCREEN_ASK,	  /* ask: shall somebody be let in? seconds 0: that question is settled */
	/* viewer -> vmx */
	SCREEN_READY = 32, /* tell me the next change (at most 60 a second) */
	SCREEN_KEY,	   /* key */
	SCREEN_POINTER,	   /* pointer: steps, and the position where the viewer knows it */
	SCREEN_SERIAL_IN,  /* bytes[] to the serial line */
	SCREEN_SERIAL_ON,  /* serial.on: start/stop sending SCREEN_SERIAL; `line` chooses COM1-4 */
	SCREEN_REFRESH,	   /* draw now, then SCREEN_CHANGED even if nothing changed (a screenshot) */
	SCREEN_ANSWER,	   /* answer, to a SCREEN_ASK */
};
struct screen_message {
	u16 type;
	u16 length; /* of bytes[] */
	union {
		struct { u8 code; /* set-1 scancode, bit 7 = E0 prefix; Pause is 0xC6 */ u8 down; } key;
		struct { s16 dx, dy, wheel; u16 buttons; u16 x, y /* of 65536ths of the screen */, placed; s16 tilt /* to the right */; } pointer;
		struct { u8 on, line; } serial;
		struct { u32 question; u16 seconds /* until he is let in */; char text[200]; /* `length` tells its end */ } ask;
		struct { u32 question; u8 let_in; } answer;
		u8 bytes[1024];
	};
};
#define SCREEN_MESSAGE_MAX sizeof(struct screen_message)

#endif
