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
	bool is64 = (key & KEY_MODE) == MODE_64;
	const unsigned stack = is64 ? KEY_FLAT : KEY_FLAT | KEY_SS32;
	insn_handler *flat = insn_rows[i->op].exec->handler[is64 ? 3 : 2][i->size];

	if (!flat || !(key & KEY_FLAT))
		return;
	if (i->flags & INSN_MEM) {
		if (!(i->flags & INSN_ADDR32) == is64 && !(i->flags & (INSN_LOCK | INSN_ADDR16)) && i->index == INSN_NO_REG &&
		    (i->seg == X86_DS || i->seg == X86_SS || i->seg == X86_ES))
			i->handler = flat;
	} else if (i->handler == insn_rows[i->op].exec->handler[0][i->size] && (key & stack) == stack) {
		i->handler = flat;
	}
}
