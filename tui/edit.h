/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit.h - one line of UTF-8 text that is being typed, with a cursor: of dialogs and of forms. Text never is half a character.
 */
#ifndef VMK_TUI_EDIT_H
#define VMK_TUI_EDIT_H

#include "api/viewer.h"
#include "tui/canvas.h"

struct edit {
	char *text;  /* size bytes, terminated */
	size_t size;
	size_t at;   /* the cursor, in bytes */
};

/* Characters, arrows, Home, End, Backspace, Del, Ctrl-A E U K W: true when it was one of them. */
bool edit_key(struct edit *e, const struct viewer_press *p);
/* In `width` cells, scrolled so that the cursor is among them; secret: stars. Puts the canvas's cursor there. */
void edit_draw(const struct edit *e, struct canvas *c, unsigned x, unsigned y, unsigned width, u8 ink, u8 paper, bool secret);

#endif
