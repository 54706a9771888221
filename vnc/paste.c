/* SPDX-License-Identifier: GPL-2.0-or-later */
/* paste.c - see paste.h */
#include <string.h>

#include "lib/util.h"
#include "vnc/paste.h"

void paste_keep(struct paste *p, const void *text, size_t length)
{
	paste_stop(p);
	p->length = MIN(length, sizeof(p->text));
	memcpy(p->text, text, p->length);
}

void paste_start(struct paste *p, u64 now)
{
	p->at = 0;
	p->typed = p->left_out = 0;
	p->typing = p->length > 0;
	p->next_at = now;
}

void paste_stop(struct paste *p)
{
	p->typing = false;
}

/* The next character, CR LF being one newline; 0 for a control character that nobody means to type. */
static u32 character(struct paste *p)
{
	u8 c = p->text[p->at++];
	if (c == '\r') {
		if (p->at < p->length && p->text[p->at] == '\n')
			p->at++;
		return '\n';
	}
	return c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f) ? c : 0;
}

unsigned paste_next(struct paste *p, u64 now, const struct keymap *map, bool caps_lock, struct viewer_chord chords[VIEWER_CHORDS_MAX])
{
	unsigned n = 0;
	if (!p->typing || now < p->next_at)
		return 0;
	while (!n && p->at < p->length) {
		u32 c = character(p);
		n = c ? viewer_chord_char(map, c, caps_lock, chords) : 0;
		p->typed += n > 0;
		p->left_out += n == 0;
	}
	p->typing = n > 0;
	p->next_at = now + PASTE_PAUSE_NS;
	return n;
}
