/* SPDX-License-Identifier: GPL-2.0-or-later */
/* question.c - see question.h; handlers of vm.question and vm.answer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/control.h"
#include "vmkernel/methods.h"
#include "vmkernel/question.h"
#include "vmkernel/uuid.h"
#include "vmkernel/vm_files.h"

#define ANSWER_SECONDS 10
#define FILES_SECONDS 60

/* ---- what is asked ---- */

void question_drop(struct vm *vm)
{
	vm->question = (struct vm_question){0};
}

static bool word_valid(const char *word)
{
	return word && *word && strlen(word) < sizeof(((struct vm_question_choice *)0)->name) &&
	       strspn(word, "abcdefghijklmnopqrstuvwxyz") == strlen(word);
}

/* Control characters would spoil the screens of those who read it. */
static void take_text(char *to, size_t size, const char *from)
{
	str_copy(to, size, from ? from : "?");
	utf8_clean(to);
	for (char *c = to; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
}

static void add_choice(struct vm_question *q, const char *name, const char *label)
{
	if (q->n_choices == QUESTION_CHOICES || !word_valid(name))
		return;
	struct vm_question_choice *c = &q->choice[q->n_choices++];
	str_copy(c->name, sizeof(c->name), name);
	take_text(c->label, sizeof(c->label), label ? label : name);
}

void question_take(struct vm *vm, json_t *status)
{
	json_t *asked = json_object_get(status, "question"), *choice;
	json_int_t id = json_integer_value(json_object_get(asked, "id"));
	struct vm_question q = {.id = id > 0 ? (u64)id : 0};
	size_t k;
	take_text(q.text, sizeof(q.text), json_string_value(json_object_get(asked, "text")));
	json_array_foreach(json_object_get(asked, "choices"), k, choice)
		add_choice(&q, json_string_value(json_object_get(choice, "name")), json_string_value(json_object_get(choice, "label")));
	if (!q.n_choices)
		q.id = 0;
	if (q.id == vm->question.id)
		return;
	bool was = vm->question.id != 0;
	vm->question = q;
	if (!log_allow(&vm->question_limit, LOG_LEVEL_WARNING))
		return;
	if (q.id)
		event_vm_itself(LOG_LEVEL_WARNING, vm, "%s waits for an answer: %s", vm->name, q.text);
	else if (was)
		event_vm_itself(LOG_LEVEL_INFO, vm, "%s goes on", vm->name);
}

json_t *question_describe(const struct vm *vm)
{
	const struct vm_question *q = &vm->question;
	if (!q->id)
		return json_null();
	json_t *choices = json_array(), *text = json_string(q->text);
	for (unsigned k = 0; k < q->n_choices; k++) {
		json_t *label = json_string(q->choice[k].label);
		json_array_append_new(choices, json_pack("{s:s, s:o}", "name", q->choice[k].name, "label",
							 label ? label : json_string(q->choice[k].name)));
	}
	return json_pack("{s:I, s:o, s:o}", "id", (json_int_t)q->id, "text", text ? text : json_string("?"), "choices", choices);
}

/* "retry, fail, off" */
static void answers_text(const struct vm_question *q, char *text, size_t size)
{
	size_t n = 0;
	text[0] = 0;
	for (unsigned k = 0; k < q->n_choices && n < size; k++)
		n += (size_t)snprintf(text + n, size - n, "%s%s", k ? ", " : "", q->choice[k].name);
}

int question_none(const struct vm *vm, struct error *err)
{
	char answers[QUESTION_CHOICES * 20];
	if (!vm->question.id)
		return 0;
	answers_text(&vm->question, answers, sizeof(answers));
	return fail(err, -EBUSY, "%s waits for an answer: %s (vm answer %s, one of %s)", vm->name, vm->question.text, vm->name, answers);
}

/* ---- moved or copied ---- */

int question_of_place(struct vm *vm, bool ask, struct error *err)
{
	static const char text[] = "its files are not where the machine was made: were they moved or copied?";
	struct vm_question q = {.id = now_realtime() / 1000000}; /* never one that was used before */
	if (!uuid_is_elsewhere(vm->config, vm->path)) {
		if (ask)
			question_drop(vm);
		return 0;
	}
	if (!ask)
		return fail(err, -EBUSY, "%s would ask: %s", vm->name, text);
	if (!vm->question.id) {
		str_copy(q.text, sizeof(q.text), text);
		add_choice(&q, "moved", "Moved: it is the same machine");
		/* What is suspended has its UUID and addresses in memory. */
		if (vm->state != VM_SUSPENDED)
			add_choice(&q, "copied", "Copied: a new UUID and network address");
		add_choice(&q, "cancel", "Do not power on");
		vm->question = q;
		event_vm(LOG_LEVEL_WARNING, vm, "%s waits for an answer: %s", vm->name, q.text);
	}
	return question_none(vm, err);
}

struct settling {
	struct vm_files files;
	char *path;
	struct request *r;
};

static void on_settled(void *arg, int ret, json_t *result, const struct error *err)
{
	struct settling *s = arg;
	struct request *r = s->r;
	struct vm *vm = r->vm;
	struct error why;
	(void)result;
	vm->busy = NULL;
	if (!ret) {
		vm_refresh(vm);
		question_drop(vm);
		event_vm(LOG_LEVEL_INFO, vm, "%s is at home in %s%s", vm->name, vm->path,
			 s->files.copied ? ", with a new UUID and network address" : "");
		ret = vm_start(vm, r, &why);
		err = &why;
	}
	if (ret != PENDING)
		request_finish(r, ret, NULL, err);
	free(s->path);
	free(s);
}

static int settle(struct request *r, bool copied, struct error *err)
{
	struct vm *vm = r->vm;
	if (vm->busy)
		return fail(err, -EBUSY, "%s %s", vm->name, vm->busy);
	struct settling *s = xcalloc(1, sizeof(*s));
	s->r = r;
	s->files.path = s->path = xstrdup(vm->path);
	s->files.copied = copied;
	struct job_spec spec = {
		.seconds = FILES_SECONDS, .run = vm_files_settle, .done = on_settled, .arg = &s->files, .done_arg = s, .asker = &r->caller};
	identity_of_user(vm->file.uid, &spec.who);
	int ret = job_start(&spec, NULL, NULL, err);
	if (!ret) {
		vm->busy = "is being powered on";
		return PENDING;
	}
	free(s->path);
	free(s);
	return ret;
}

/* ---- methods ---- */

int handle_vm_question(struct request *r, json_t **result, struct error *err)
{
	const struct vm *vm = r->vm;
	char answers[QUESTION_CHOICES * 20];
	if (vm->state == VM_STUCK)
		return fail(err, -EBUSY, "%s is stuck: its process does not answer, and asks nothing", vm->name);
	if (!vm->question.id)
		return fail(err, -ENOENT, "%s does not wait for an answer", vm->name);
	answers_text(&vm->question, answers, sizeof(answers));
	*result = question_describe(vm);
	json_object_set_new(*result, "answers", json_string(answers));
	return 0;
}

static void on_answered(void *arg, int ret, json_t *answer, int fd, const struct error *err)
{
	struct request *r = arg;
	struct vm *vm = r->vm;
	const char *word = param_string(r, "answer");
	(void)answer;
	if (fd >= 0)
		close(fd);
	if (!ret) {
		event_vm(LOG_LEVEL_INFO, vm, "%s is answered: %s", vm->name, word);
		question_drop(vm);
		vm_poll(vm); /* it may ask again at once */
	}
	request_finish(r, ret, ret ? NULL : message_result("%s is answered: %s", vm->name, word), err);
}

static bool is_choice(const struct vm_question *q, const char *word)
{
	for (unsigned k = 0; k < q->n_choices; k++)
		if (strcmp(q->choice[k].name, word) == 0)
			return true;
	return false;
}

int handle_vm_answer(struct request *r, json_t **result, struct error *err)
{
	struct vm *vm = r->vm;
	json_t *id = json_object_get(r->rpc.params, "id");
	const char *word = param_string(r, "answer");
	char answers[QUESTION_CHOICES * 20];
	if (!vm->question.id)
		return fail(err, -ENOENT, "%s does not wait for an answer", vm->name);
	if (id && (u64)json_integer_value(id) != vm->question.id)
		return fail(err, -ESTALE, "%s asks something else by now: vm question %s", vm->name, vm->name);
	answers_text(&vm->question, answers, sizeof(answers));
	if (!is_choice(&vm->question, word))
		return fail(err, -EINVAL, "%s: the answer must be one of %s", vm->name, answers);
	if (vm_running(vm) && !vm->control)
		return fail(err, -EBUSY, "%s is stuck: its process does not answer", vm->name);
	if (r->dry_run)
		return 0;
	if (vm_running(vm)) {
		json_t *command = json_pack("{s:s, s:I, s:s}", "cmd", "answer", "id", (json_int_t)vm->question.id, "answer", word);
		int ret = control_send(vm->control, command, ANSWER_SECONDS, on_answered, r, err);
		return ret ? ret : PENDING;
	}
	if (strcmp(word, "cancel") != 0)
		return settle(r, strcmp(word, "copied") == 0, err);
	question_drop(vm);
	*result = message_result("%s stays off", vm->name);
	return 0;
}
