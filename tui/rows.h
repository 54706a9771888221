/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows.h - reading what the host has answered: JSON of any shape, of which a view takes what it knows.
 *
 * Nothing here fails: a field that is missing, null or of another kind is blank, or the number given for it. NULL is
 * allowed wherever JSON is. Read only, so that threads may share an answer.
 */
#ifndef VMK_TUI_ROWS_H
#define VMK_TUI_ROWS_H

#include <jansson.h>

#include "lib/types.h"

/* Rows of an array; an object counts as one row, anything else as none. */
unsigned rows_count(json_t *answer);
/* NULL past the end, and for what is no object. */
json_t *rows_at(json_t *answer, unsigned index);

/*
 * A field as text: whole numbers as they are, others with one digit behind the point, yes or no, an array's elements
 * with ", " between them. Returns `text`.
 */
const char *row_text(json_t *row, const char *field, char *text, size_t size);
double row_number(json_t *row, const char *field, double missing);
/* The same as a whole number within [0, 2^53]; else `missing`. */
u64 row_count(json_t *row, const char *field, u64 missing);
bool row_true(json_t *row, const char *field);
/* The array (its elements by rows_at(), or json_array_get() for text), or NULL. */
json_t *row_array(json_t *row, const char *field);

#endif
