// SPDX-License-Identifier: GPL-2.0-or-later
/* question.c - see ui.h: a machine that cannot go on without an answer: its question pops up, and the answer is passed on */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/ui.h"

#define CHOICES_MAX 9

/* Questions that were shown and left for later are not shown again by themselves. */
#define SEEN_MAX 64
static struct {
	char vm[128];
	u64 id;
} seen[SEEN_MAX];
static unsigned n_seen;

static u64 question_id(json_t *question)
{
	return (u64)json_integer_value(json_object_get(question, "id"));
}

static bool was_seen(const char *vm, u64 id)
{
	for (unsigned k = 0; k < MIN(n_seen, (unsigned)SEEN_MAX); k++)
		if (seen[k].id == id && !strcmp(seen[k].vm, vm))
			return true;
	return false;
}

static void see(const char *vm, u64 id)
{
	if (was_seen(vm, id))
		return;
	str_copy(seen[n_seen % SEEN_MAX].vm, sizeof(seen[0].vm), vm);
	seen[n_seen++ % SEEN_MAX].id = id;
}

/* A copy of what machine vm asks, NULL when it asks nothing. */
static json_t *question_of(const struct ui *ui, const char *vm)
{
	for (unsigned k = 0; k < ui->model.n_machines; k++) {
		const struct machine *m = &ui->model.machines[k];
		json_t *question = m->asks ? json_object_get(m->row, "question") : NULL;
		if (question && !strcmp(m->name, vm))
			return json_deep_copy(question);
	}
	return NULL;
}

/* unasked: it comes between the keys of somebody who does something else. */
static void ask_machine(struct ui *ui, const char *vm, bool unasked)
{
	char name[128], text[512], what[200], title[128];
	const char *names[CHOICES_MAX], *labels[CHOICES_MAX];
	unsigned n = 0;
	size_t k;
	json_t *choice, *question = question_of(ui, vm);
	str_copy(name, sizeof(name), vm);
	if (!question) {
		ui_message(ui, false, "%.100s asks nothing. If it does not answer, Power off, hard, ends it.", name);
		return;
	}
	see(name, question_id(question));
	json_array_foreach(json_object_get(question, "choices"), k, choice) {
		const char *word = json_string_value(json_object_get(choice, "name"));
		const char *label = json_string_value(json_object_get(choice, "label"));
		if (!word || n == CHOICES_MAX)
			continue;
		names[n] = word;
		labels[n++] = label ? label : word;
	}
	const char *asked = json_string_value(json_object_get(question, "text"));
	str_copy(text, sizeof(text), asked ? asked : "It waits for an answer.");
	snprintf(title, sizeof(title), "%.50s asks", name);
	ui->dialog_deaf = unasked;
	int chosen = n ? ui_choose(ui, title, text, labels, n) : -1;
	if (chosen >= 0) {
		snprintf(what, sizeof(what), "answering %.100s", name);
		act_call(ui, "vm.answer", json_pack("{s:s, s:s, s:I}", "vm", name, "answer", names[chosen], "id", (json_int_t)question_id(question)), what);
	} else {
		ui_message(ui, false, "%.100s waits. x shows the question again.", name);
	}
	json_decref(question);
}

void act_answer(struct ui *ui, const char *vm)
{
	ask_machine(ui, vm, false);
}

void question_notice(struct ui *ui)
{
	char name[128];
	if (ui->dialog.kind || ui->form || ui->locked || ui->activity.busy)
		return;
	for (unsigned k = 0; k < ui->model.n_machines; k++) {
		const struct machine *m = &ui->model.machines[k];
		json_t *question = m->asks ? json_object_get(m->row, "question") : NULL;
		if (!question || was_seen(m->name, question_id(question)))
			continue;
		str_copy(name, sizeof(name), m->name);
		/* Keys are a machine's there: no list of answers gets in their way. */
		if (ui->attached.viewer)
			ui_message(ui, true, "%.100s asks a question and waits: F12 q shows it.", name);
		else
			ask_machine(ui, name, true);
		return;
	}
}
