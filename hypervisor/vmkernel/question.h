/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * question.h - machines that wait for somebody's word, state "stuck": what they ask, and answering it.
 *
 * A machine that is on asks by its status (vmx/question.c) and keeps its question while the daemon is away. One whose .vmx file
 * is not where it was made asks at power on, here; that question ends with the daemon and comes back with the next power on.
 */
#ifndef VMK_VMKERNEL_QUESTION_H
#define VMK_VMKERNEL_QUESTION_H

#include "vmkernel/host.h"

/* From the machine's status: a question, or that there is none. It is as trusted as its owner. */
void question_take(struct vm *vm, json_t *status);
/* A machine that is off has no question (any more). */
void question_drop(struct vm *vm);
/* {"id", "text", "choices": [{"name", "label"}]}, or null. */
json_t *question_describe(const struct vm *vm);
/* 0, or -EBUSY with a sentence that tells what is asked and how to answer. */
int question_none(const struct vm *vm, struct error *err);
/*
 * Before power on: 0, or -EBUSY when it has to be said first whether the machine was moved or copied; with `ask` that becomes its
 * question.
 */
int question_of_place(struct vm *vm, bool ask, struct error *err);

#endif
