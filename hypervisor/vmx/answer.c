/* SPDX-License-Identifier: GPL-2.0-or-later */
/* answer.c - the main thread's side of question.c: the machine stands still while one is open, the VMkernel is told and answers. */
#include <errno.h>
#include <string.h>

#include "lib/util.h"
#include "vmx/vmx.h"

int question_answer(struct vmx *x, u64 id, const char *answer, struct error *err)
{
	char text[QUESTION_TEXT];
	u64 open_id;
	bool off = !strcmp(answer, "off"), again = !strcmp(answer, "retry");

	if (!off && !again && strcmp(answer, "fail"))
		return fail(err, -EINVAL, "the answer must be retry, fail or off");
	if (off && question_get(x->machine, &open_id, text) && open_id == id) {
		log_info("powering off: the answer to \"%s\"", text);
		vmx_stop(x); /* the machine stands still until then; taking it apart ends the question */
		return 0;
	}
	if (off || !question_settle(x->machine, id, again))
		return fail(err, -ESTALE, "the question has been answered already");
	log_info("the answer is: %s", again ? "try again" : "tell the guest");
	return 0;
}

static void stand_still(struct vmx *x, bool still)
{
	struct machine *m = x->machine;

	x->question_held = still;
	if (still)
		machine_hold(m);
	machine_lock(m);
	if (still)
		clock_stop(m);
	else
		clock_start(m);
	machine_unlock(m);
	if (!still)
		machine_release(m);
}

void question_attend(struct vmx *x)
{
	char text[QUESTION_TEXT];
	u64 id;
	bool open = question_get(x->machine, &id, text);

	if (open && !x->question_held)
		stand_still(x, true);
	/* Holding may have ended it: a CPU that waited for the device. */
	open = question_get(x->machine, &id, text);
	if (open && x->question_told != id) {
		x->question_told = id;
		log_warning("%s; the machine stands still until somebody says what to do", text);
		control_event(x, "question", text);
	}
	if (!open && x->question_held && x->machine->state == MACHINE_ON) {
		stand_still(x, false);
		control_event(x, "answered", "the machine goes on");
	}
}
