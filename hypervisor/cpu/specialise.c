/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * specialise.c - picking quicker handlers for what hot code is made of.
 */
#include <string.h>

#include "cpu/specialise.h"
#include "cpu/trace.h"

bool insn_changes_key(const struct insn *i)
{
	const struct insn_row *row = &insn_rows[i->op];

	if (!strcmp(row->name, "LES") || !strcmp(row->name, "LDS"))
		return true;
	return !strcmp(row->name, "POP") && row->operands && (!strcmp(row->operands, "ES") || !strcmp(row->operands, "DS"));
}

bool insn_is_conditional(const struct insn *i)
{
	const char *name = insn_rows[i->op].name;

	return (name[0] == 'J' && strcmp(name, "JMP")) || !strncmp(name, "LOOP", 4);
}

void insn_specialise(struct insn *i, unsigned key)
{
	(void)i;
	(void)key;
}
