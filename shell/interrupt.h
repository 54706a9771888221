/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interrupt.h - Ctrl-C: it drops a line that is typed, cancels a task, or ends the wait for the host. Process-wide, as signals are.
 */
#ifndef VMK_SHELL_INTERRUPT_H
#define VMK_SHELL_INTERRUPT_H

#include "lib/types.h"

/* From here on SIGINT is counted instead of ending the program. */
void interrupts_catch(void);
/* As it was before. */
void interrupts_release(void);
bool interrupted(void);
void interrupts_forget(void);
/* The connection a call waits at, which an interrupt ends; -1: none. */
void interrupts_connection(int fd);
/* While true the first interrupt is left to who asks interrupted(), to cancel a task; a second one ends the wait. */
void interrupts_cancel(bool possible);
/* Waits until fd (-1: none) can be read, a signal comes or `ms` are over (< 0: never); false: interrupted. */
bool interrupt_wait(int fd, int ms);

#endif
