/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * form.h - fields to fill in, checked while they are typed. A form takes the screen until it is accepted or given up; questions and what
 * is under way are shown over it.
 */
#ifndef VMK_TUI_FORM_H
#define VMK_TUI_FORM_H

#include <jansson.h>

#include "tui/edit.h"

struct ui;
struct form;

enum form_type { FORM_HEADING, FORM_TEXT, FORM_CHOICE };

struct form_field {
	enum form_type type;
	char name[80];	     /* of the argument or key it is for */
	char label[80];
	char value[2048], was[2048]; /* was: at the beginning */
	const char *choices; /* CHOICE: "a|b|c" */
	const char *help;    /* one sentence */
	bool path;	     /* F4 offers images */
	int needs;	     /* index of the field that must be TRUE for this one to be there; -1: none */
	char why[200];	     /* what is wrong with the value; "": nothing */
	bool typed;	     /* something has been, in it */
	char hint[300];	     /* what the host says of it that forbids nothing; "": nothing, or not yet */
	u64 told;	     /* which request that answers (a hash); 0: none */
};

struct form {
	const char *title, *accept_label; /* "Create" */
	char note[200];
	struct form_field *fields;
	unsigned n_fields;
	/* Fills in field->why, or empties it. Called for all fields whenever one has changed. */
	void (*check)(const struct form *f, struct form_field *field, void *arg);
	/*
	 * NULL, or makes the request (model_check.request) by which the host says whether it would do with a field's value; false: it need not be
	 * asked. It is once nothing has been typed for a moment, with the rights of who fills in the form. Called for what has changed.
	 */
	bool (*ask)(const struct form *f, const struct form_field *field, char *request, size_t size, void *arg);
	/* All is checked: do it. True ends the form; false leaves it open (a message says why). */
	bool (*accept)(struct ui *ui, struct form *f, void *arg);
	void *arg;
	/* The form's own. */
	unsigned at, top, first_row, rows, label_width;
	size_t cursor;
	u64 typed_at; /* monotonic */
	bool tried;  /* it was to be accepted: what is wrong is shown of fields that nobody has been at, too */
	bool hinted; /* the hints have been shown: the next time it is accepted with them */
	bool done, accepted;
};

struct form_field *form_add(struct form *f, enum form_type type, const char *name, const char *label, const char *value);
struct form_field *form_find(const struct form *f, const char *name);
bool form_field_changed(const struct form_field *field);
/* Runs the main loop until it ends; whether it was accepted. The caller frees. */
bool form_run(struct ui *ui, struct form *f);
/* The cursor goes to that field. */
void form_go(struct form *f, const struct form_field *field);
void form_free(struct form *f);

/* A request as form.ask makes it; steals params. False: it does not fit. */
bool form_request(const char *method, json_t *params, char *request, size_t size);

/* Whether a value waits to be checked by the host until nothing is typed for FORM_PAUSE_MS. */
#define FORM_PAUSE_MS 300
bool form_pauses(const struct form *f);
/* For the frame: ui->form. */
void form_draw(struct ui *ui);
void form_key(struct ui *ui, const struct viewer_press *p);

/* network_form.c: a row of host.network */
void network_edit(struct ui *ui, json_t *row);

/* machine_form.c */
void machine_create(struct ui *ui);
void machine_edit(struct ui *ui, const char *name);
/* One key of it; value NULL: it is not set yet. */
void machine_set(struct ui *ui, const char *vm, const char *name, const char *value);
/* Adds one whose files are there to the host's list. */
void machine_register(struct ui *ui);
/* Takes a medium out or pulls a cable out where it is connected, else puts it in; asks for the image that is to go into a drive. */
void machine_plug(struct ui *ui, const char *vm, const char *device, bool connected);

/* host_form.c */
void host_name_form(struct ui *ui);
void host_time_form(struct ui *ui);

/* volume_form.c: source may be ""; row: of storage.devices, or of storage.list */
void volume_create(struct ui *ui, const char *source);
void volume_format(struct ui *ui, json_t *row);
void volume_remove(struct ui *ui, json_t *row);
void volume_mount(struct ui *ui, json_t *row);
/* Where there are several to choose from, asks which; `but` is not offered (may be ""). false: given up, or told that there is none. */
bool volume_choose(struct ui *ui, const char *title, const char *text, const char *but, char *name, size_t size);

#endif
