/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * specialise.h - what the trace builder asks about a decoded instruction.
 *
 * Pure functions of the instruction and the trace's key (enum trace_key).
 */
#ifndef VMK_CPU_SPECIALISE_H
#define VMK_CPU_SPECIALISE_H

#include "cpu/insn.h"

/* Changes something the key depends on without being an ATTR_END row: loads of data segments. */
bool insn_changes_key(const struct insn *i);
/* A conditional branch that goes on in its trace when it is not taken. */
bool insn_is_conditional(const struct insn *i);
/* Replaces the handler by a quicker one that does the same under this key. */
void insn_specialise(struct insn *i, unsigned key);

#endif
