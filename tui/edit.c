// SPDX-License-Identifier: GPL-2.0-or-later
/* edit.c - see edit.h */
#include <string.h>

#include "lib/util.h"
#include "tui/edit.h"
#include "tui/ui.h"

static bool inside_character(char byte)
{
	return (byte & 0xc0) == 0x80;
}

static size_t step_back(const struct edit *e, size_t at)
{
	do
		at -= at > 0;
	while (at && inside_character(e->text[at]));
	return at;
}

static size_t step_on(const struct edit *e, size_t at)
{
	do
		at += e->text[at] != 0;
	while (inside_character(e->text[at]));
	return at;
}

/* Takes out [from, to). What is left behind the end is wiped: it may have been a password. */
static void cut(struct edit *e, size_t from, size_t to)
{
	size_t length = strlen(e->text);
	memmove(e->text + from, e->text + to, length - to + 1);
	explicit_bzero(e->text + length - (to - from), to - from);
	e->at = from;
}

static void insert(struct edit *e, u32 character)
{
	char bytes[4];
	size_t n = viewer_utf8(character, bytes), length = strlen(e->text);
	if (length + n >= e->size)
		return;
	memmove(e->text + e->at + n, e->text + e->at, length - e->at + 1);
	memcpy(e->text + e->at, bytes, n);
	e->at += n;
}

static size_t word_back(const struct edit *e)
{
	size_t at = e->at;
	while (at && e->text[at - 1] == ' ')
		at--;
	while (at && e->text[at - 1] != ' ')
		at--;
	return at;
}

static bool key_control(struct edit *e, u8 byte)
{
	switch (byte | 0x60) {
	case 'a':
		e->at = 0;
		return true;
	case 'e':
		e->at = strlen(e->text);
		return true;
	case 'u':
		cut(e, 0, e->at);
		return true;
	case 'k':
		cut(e, e->at, strlen(e->text));
		return true;
	case 'w':
		cut(e, word_back(e), e->at);
		return true;
	}
	return false;
}

bool edit_key(struct edit *e, const struct viewer_press *p)
{
	e->at = MIN(e->at, strlen(e->text));
	if (p->mouse)
		return false;
	if (p->raw_length == 1 && p->raw[0] && p->raw[0] < ' ' && key_control(e, p->raw[0]))
		return true;
	if (p->character >= ' ') {
		insert(e, p->character);
		return true;
	}
	switch (p->chord.count == 1 ? p->code : 0) {
	case CODE_LEFT:
		e->at = step_back(e, e->at);
		return true;
	case CODE_RIGHT:
		e->at = step_on(e, e->at);
		return true;
	case CODE_HOME:
		e->at = 0;
		return true;
	case CODE_END:
		e->at = strlen(e->text);
		return true;
	case CODE_BACKSPACE:
		cut(e, step_back(e, e->at), e->at);
		return true;
	case CODE_DELETE:
		cut(e, e->at, step_on(e, e->at));
		return true;
	}
	return false;
}

void edit_draw(const struct edit *e, struct canvas *c, unsigned x, unsigned y, unsigned width, u8 ink, u8 paper, bool secret)
{
	char shown[2048];
	size_t at = 0, skip = 0;
	str_copy(shown, sizeof(shown), e->text);
	if (secret) {
		/* One star a character. */
		for (const char *from = e->text; *from && at + 1 < sizeof(shown); from++)
			if (!inside_character(*from))
				shown[at++] = '*';
		shown[at] = 0;
	}
	at = MIN(e->at, strlen(shown));
	char kept = shown[at];
	shown[at] = 0;
	unsigned column = text_columns(shown);
	while (column >= width && shown[skip]) {
		do
			skip++;
		while (inside_character(shown[skip]));
		column = text_columns(shown + skip);
	}
	shown[at] = kept;
	canvas_fill(c, x, y, width, 1, ink, paper);
	canvas_text(c, x, y, width, ink, paper, shown + skip);
	c->cursor_x = (int)(x + MIN(column, width - 1));
	c->cursor_y = (int)y;
	explicit_bzero(shown, sizeof(shown));
}
