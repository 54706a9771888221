/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * viewer.h - looking at a machine and typing at it from a terminal: the client side of screen.h, shared by
 * vmksh (vm console, vm screen, console type) and vmkstatus (attach).
 *
 *	vm.attach -> descriptor -> viewer_open() -> viewer_snapshot() -> viewer_render() -> terminal cells
 *	terminal bytes -> viewer_decode() -> viewer_escape() -> viewer_send_chord() -> the machine's keyboard
 *
 * Nothing here draws or touches the terminal. What vmx shares is clamped, never trusted. A viewer belongs to one thread.
 */
#ifndef VMK_API_VIEWER_H
#define VMK_API_VIEWER_H

#include "api/keymap.h"
#include "api/screen.h"
#include "lib/error.h"

struct viewer;

/*
 * Takes fd in every case; waits up to five seconds for the machine's answer. That may be that this viewer has to be let in
 * first: viewer_waits() says by whom, viewer_receive() hears when it is (VIEWER_INSIDE) or is not (VIEWER_ENDED). Until then there is
 * no screen, and no request is heard.
 */
int viewer_knock(int fd, struct viewer **out, struct error *err);
/* NULL once it is inside. */
const char *viewer_waits(const struct viewer *v);
/* Waits for that, as long as it takes; -EINTR at a signal, -EACCES when it is not let in. */
int viewer_await(struct viewer *v, struct error *err);
/* Both, one after the other. */
int viewer_open(int fd, struct viewer **out, struct error *err);
void viewer_close(struct viewer *v); /* NULL is allowed */
int viewer_fd(const struct viewer *v); /* for poll: readable -> viewer_receive() */

enum viewer_event {
	VIEWER_CHANGED = 1, /* the screen: take a snapshot, then viewer_ready() */
	VIEWER_ENDED = 2,   /* powered off, sent away, or vmx is gone; viewer_farewell() says why */
	VIEWER_INSIDE = 4,  /* this viewer is let in */
	VIEWER_ASKED = 8,   /* viewer_question() has changed */
};
/* Reads all that has arrived, never blocks; returns VIEWER_ bits. `serial` (may be NULL) gets the serial line's bytes. */
unsigned viewer_receive(struct viewer *v, void (*serial)(void *arg, const u8 *bytes, size_t len), void *arg);
const char *viewer_farewell(const struct viewer *v);
/* Whether it ended because somebody sent this viewer away. */
bool viewer_was_removed(const struct viewer *v);
/* Whether somebody who waits shall be let in: the oldest open question, or NULL. Nobody needs to answer; it ends by itself. */
struct viewer_question {
	u32 number;
	u64 until; /* monotonic */
	char text[200];
};
const struct viewer_question *viewer_question(struct viewer *v);
int viewer_answer(struct viewer *v, u32 number, bool let_in);
/* The shared page itself, for who follows tile_sequence[] (vmk-mks); sizes in it are to be clamped by the caller. */
const struct screen_page *viewer_page(const struct viewer *v);

/*
 * Requests. 0, -EAGAIN when the machine took nothing for half a second, or another -errno when it is gone. Those without
 * the right to operate the machine are ignored there.
 */
int viewer_ready(struct viewer *v);
int viewer_refresh(struct viewer *v);
int viewer_send_key(struct viewer *v, u8 code, bool down);
int viewer_send_pointer(struct viewer *v, int dx, int dy, int wheel, unsigned buttons);
/* The same and the pixel it is at now, for guests that want to know, and the wheel's steps to the right. */
int viewer_send_position(struct viewer *v, int x, int y, int dx, int dy, int wheel, int tilt, unsigned buttons);
int viewer_send_serial(struct viewer *v, const void *bytes, size_t len);
int viewer_serial_on(struct viewer *v, unsigned line, bool on);

/* A copy of the screen at one moment. pixels is malloc'd, NULL unless asked for. */
struct viewer_screen {
	enum screen_mode mode;
	u32 width, height;
	u32 columns, rows; /* text modes, else 0 */
	u32 cursor_x, cursor_y; /* cursor_x >= columns: not visible */
	bool blink_background;
	u32 leds;
	u32 palette16[16];
	char title[64];
	struct screen_cell cells[SCREEN_MAX_COLUMNS * SCREEN_MAX_ROWS];
	u32 *pixels; /* width * height, no padding */
};
/* -ENOTCONN while it waits to be let in; -EAGAIN when vmx was drawing at every try: *s is the last one, good enough to show. Zero *s before the first time. */
int viewer_snapshot(struct viewer *v, struct viewer_screen *s, bool pixels);
void viewer_screen_free(struct viewer_screen *s);

/* The text screen as lines without trailing blanks; graphics as shades, `columns` wide. Caller frees. */
char *viewer_text(const struct viewer_screen *s, bool ascii, unsigned columns);

/* One character cell of the terminal that shows the machine. */
struct viewer_cell {
	u32 character; /* Unicode, printable */
	u32 foreground, background; /* XRGB */
	u8 ink, paper; /* the same as the nearest of the 16 VGA colours (1 = blue, 4 = red, 8-15 bright) */
	bool blink;
	bool picture;  /* made of pixels: its colours matter; those of text are the terminal's own sixteen */
};
struct viewer_area {
	unsigned columns, rows; /* of the terminal's part that shows the machine */
	int pan; /* rows to shift, when the machine's screen is higher than the area; 0 = choose */
	bool ascii;
	/* out: where the machine's cursor is, cursor_x < 0 when it is not to be shown */
	int cursor_x, cursor_y;
};
/*
 * Text is shown exactly, one cell each; a row too many is left out where it is blank and the cursor is not.
 * Graphics are scaled to fit, two pixels a cell (half-blocks; shades of ASCII characters in ASCII).
 * cells: area->columns * area->rows, all written.
 */
void viewer_render(const struct viewer_screen *s, struct viewer_area *area, struct viewer_cell *cells);

/* Code page 437 (as the VGA font draws it, 0x00-0x1F too) to Unicode, and to ASCII that looks like it. */
u32 viewer_unicode(u8 cp437);
char viewer_ascii(u8 cp437);
/* Appends a character as UTF-8 at `to` (room for 4); returns its length. */
unsigned viewer_utf8(u32 character, char *to);
/* Nearest colour of the 256-colour palette of terminals, and of the 16 VGA colours. */
u8 viewer_color_256(u32 xrgb);
u8 viewer_color_16(u32 xrgb);

/* Keys pressed in order and released in reverse, as set-1 scancodes (bit 7: E0 prefix). */
#define VIEWER_CHORD_MAX 6
struct viewer_chord {
	u8 codes[VIEWER_CHORD_MAX];
	u8 count;
};
int viewer_send_chord(struct viewer *v, const struct viewer_chord *chord);
/*
 * "ctrl-alt-del", "f2", "enter", "shift-tab", "a", "A", "ctrl--": names joined by '-', any case. Characters are those of the
 * machine's key map, which may be NULL: then only names are known.
 */
int viewer_chord_parse(const struct keymap *map, const char *name, struct viewer_chord *chord, struct error *err);
/* What types a character (and newline, tab, ESC): chords one after the other; returns their number, 0 when the map lacks it. */
#define VIEWER_CHORDS_MAX KEYMAP_STROKES_MAX
unsigned viewer_chord_char(const struct keymap *map, u32 character, bool caps_lock, struct viewer_chord chords[VIEWER_CHORDS_MAX]);
/* Names of keys for help and completion, in order; NULL past the end. */
const char *viewer_key_name(unsigned index);

/* What terminals tell of a mouse (SGR mode 1006, or X10 bytes). */
enum viewer_mouse { VIEWER_MOUSE_NONE, VIEWER_MOUSE_DOWN, VIEWER_MOUSE_UP, VIEWER_MOUSE_MOVE, VIEWER_MOUSE_WHEEL_UP, VIEWER_MOUSE_WHEEL_DOWN };

/* A key as a terminal sends it; bytes that are none come as one, too. */
#define VIEWER_RAW_MAX 32
struct viewer_press {
	struct viewer_chord before; /* a dead key, pressed first; count 0: none */
	struct viewer_chord chord; /* count 0: the keyboard has no such key */
	u32 character;		   /* printable, '\r' and ESC; else 0 */
	u8 code;		   /* the last code of the chord */
	u8 raw[VIEWER_RAW_MAX];	   /* the bytes it came as, for a serial line */
	u8 raw_length;
	enum viewer_mouse mouse; /* not NONE: no key but this, at cell x, y of the terminal, from 0 */
	u8 button;		 /* 0 left, 1 middle, 2 right */
	u16 x, y;
};
/*
 * Bytes read from a terminal (raw mode; xterm, Linux console, tmux, screen, rxvt sequences) -> keys. Zero the struct
 * to begin, but for the machine's key map. When nothing follows for VIEWER_ESCAPE_MS call with len 0: then a lone ESC is the Esc key.
 */
#define VIEWER_ESCAPE_MS 40
struct viewer_input {
	const struct keymap *map; /* NULL: characters have no keys */
	bool caps_lock;		  /* the guest's light is on */
	bool mouse;		  /* the terminal was asked to tell of its mouse */
	u8 bytes[VIEWER_RAW_MAX];
	unsigned count;
};
typedef void viewer_pressed(void *arg, const struct viewer_press *p);
void viewer_decode(struct viewer_input *in, const u8 *bytes, size_t len, viewer_pressed *press, void *arg);
bool viewer_decode_pending(const struct viewer_input *in);
int viewer_send_press(struct viewer *v, const struct viewer_press *p);

/*
 * The way back, the same everywhere: "~." as the first keys of a line detaches at once ("~~" is one ~); F12, or "~?",
 * opens a menu, in which one key is
 *	q or .  detach		c  Ctrl-Alt-Del		s  screen or serial line
 *	up, down  pan		r  draw again		F12 or ~  that key itself
 *	y  let somebody in	n  refuse him		(viewer_question())
 * and any other key closes it. While `menu` is set the front end shows VIEWER_MENU.
 */
struct viewer_escape {
	bool inside_line, tilde, menu;
};
enum viewer_verdict { VIEWER_PASS, VIEWER_HELD, VIEWER_PASS_TILDE /* ~ first, then the key */, VIEWER_COMMAND };
enum viewer_command { VIEWER_DETACH, VIEWER_CTRL_ALT_DEL, VIEWER_SWITCH, VIEWER_PAN_UP, VIEWER_PAN_DOWN, VIEWER_REDRAW, VIEWER_LET_IN, VIEWER_REFUSE };
enum viewer_verdict viewer_escape(struct viewer_escape *e, const struct viewer_press *p, enum viewer_command *command);
/* One line each that says so: the way back, what answers a question, and the keys after it. */
#define VIEWER_WAY_BACK "F12 q detaches (or Enter ~ .)   F12 menu"
#define VIEWER_ASKS "F12 y lets them in, F12 n refuses"
#define VIEWER_MENU "q detach  c Ctrl-Alt-Del  s serial/screen  Up/Down pan  r redraw  F12 ~ send"

#endif
