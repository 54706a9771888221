/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pager.h - output that is collected before it is shown: a page at a time, or in the place of what was there.
 */
#ifndef VMK_SHELL_PAGER_H
#define VMK_SHELL_PAGER_H

#include <stdio.h>

#include "shell/shell.h"

struct capture {
	FILE *out, *err; /* as they were */
	FILE *into;
	char *text;
	size_t len;
};

/* From here on stdout, and with `errors` stderr, are written into memory. */
void capture_begin(struct capture *c, bool errors);
/* They are as before; c->text is the caller's to free. */
void capture_end(struct capture *c);

/*
 * Between the two, output is collected when somebody at a terminal reads it; what is longer than his screen is shown by $PAGER or
 * less, with the caller's rights and as few ways out of it as less knows, or, on a restricted shell, by the shell itself.
 */
struct page {
	bool used;
	struct capture capture;
};
void page_begin(const struct shell *sh, struct page *p);
void page_end(const struct shell *sh, struct page *p);

/* The size of the terminal at fd; 80x24 where it is not told. */
void terminal_size(int fd, unsigned *columns, unsigned *rows);
/* The bytes at the beginning of `text` (one line) that take at most `columns` of a terminal; colours take none. */
size_t terminal_cut(const char *text, unsigned columns);

#endif
