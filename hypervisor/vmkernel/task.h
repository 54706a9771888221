/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * task.h - requests that take long: they tell how far they are, are listed by task.list and may be cancelled.
 *
 * A handler that returns PENDING may make its request a task; request_finish() ends it. A task goes on when its caller has
 * hung up. Every function takes NULL for a request nobody made (autostart, say) and does nothing then.
 */
#ifndef VMK_VMKERNEL_TASK_H
#define VMK_VMKERNEL_TASK_H

#include "vmkernel/host.h"

#define TASK_WHAT_MAX 200

/*
 * Called at most once after a success. 0: request_finish() has been called with -ECANCELED. PENDING: whoever works on it is told, and
 * its request_finish() shows whether in time, or task_goes_on() says that it was not; who cancels waits for that. Or -errno with a
 * sentence why it cannot be cancelled now.
 */
typedef int task_cancel(void *arg, struct error *err);
/* Called before the progress is told, some times a second: may ask for it, or call task_percent(). */
typedef void task_look(void *arg);

/* `cancel` NULL: cannot be cancelled. `look` may be NULL. The sentence says what is being done: "suspending web". */
void task_begin(struct request *r, task_cancel *cancel, task_look *look, void *arg, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Not only its caller and the administrator: whoever may operate its machine may cancel it too, which it keeps from starting. */
void task_for_operators(struct request *r);
/* 0 to 100, negative: not known. */
void task_percent(struct request *r, int percent);
/* Its cancelling has come to nothing, though it has not come to its end: `why` says so to whoever has cancelled. */
void task_goes_on(struct request *r, const struct error *why);
/* server.c, when a request ends, before it is answered; `text` is its answer's sentence, or NULL. */
void task_end(struct request *r, int ret, const char *text);

/* A task's number, sentence and percentage (negative: unknown), for notifications; false when r is no task. */
bool task_tell(const struct request *r, u64 *id, int *percent, const char **what);

#endif
