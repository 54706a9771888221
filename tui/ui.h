/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ui.h - vmkstatus: the state of its screen, drawn by views onto a canvas, changed by keys and by what the host says.
 *
 *	main loop	keys -> state -> views -> canvas -> ncurses
 *	poller thread	host -> model, each second (worker.c)
 *	worker thread	one action at a time: start, attach... (worker.c)
 *
 * Threads never touch struct ui: they leave a copy behind a lock and wake the main loop.
 */
#ifndef VMK_TUI_UI_H
#define VMK_TUI_UI_H

#include "api/viewer.h"
#include "pam/login.h"
#include "tui/canvas.h"
#include "tui/model.h"

#define MIN_COLUMNS 40
#define MIN_ROWS 10

enum view_id {
#define VIEW(name, fkey, letter, label, title) VIEW_##name,
#include "tui/views.def"
#undef VIEW
	VIEW_COUNT
};

enum dialog_kind { DIALOG_NONE, DIALOG_CONFIRM, DIALOG_INPUT, DIALOG_WAIT };
struct dialog {
	enum dialog_kind kind;
	char title[64], text[256];
	const char *keys; /* CONFIRM: letters that answer */
	char input[256];  /* INPUT */
	size_t length;
	bool echo;
	char answer; /* 0 open, a letter of keys, '\r' entered, 27 given up */
};

enum action { ACTION_START, ACTION_STOP, ACTION_STOP_HARD, ACTION_RESET, ACTION_SUSPEND, ACTION_ATTACH };

/* The machine whose screen is shown instead of a view. */
struct attached {
	struct viewer *viewer; /* NULL: none */
	struct viewer_screen *screen;
	struct keymap *map;
	struct viewer_escape escape;
	char name[128];
	int pan;
	bool view_only;
};

#define KEY_QUEUE 512
struct ui {
	struct canvas canvas;
	struct model model;
	u64 model_at; /* when it came; 0: the host need not answer (--dump) */
	enum view_id view;
	enum sort sort;
	char selected[128]; /* name; the machine at `row` when it is gone */
	unsigned row, top, log_back;
	bool console; /* on the physical console: no rights, no quitting */
	bool ascii, quit, busy;
	char user[64];	/* logged in as; "" = not */
	u64 logout_at;	/* monotonic; 0: never */
	int door;	/* that user's connection, -1 none; lent to the worker while busy */
	char message[512];
	bool message_bad;
	u64 message_until;
	struct dialog dialog;
	struct attached attached;
	struct viewer_press keys[KEY_QUEUE];
	unsigned first_key, n_keys;
	u64 key_at; /* when the next one may go to an attached machine */
	struct viewer_input input;
};

/* ui.c */
void ui_draw(struct ui *ui);
void ui_key(struct ui *ui, const struct viewer_press *p);
void ui_message(struct ui *ui, bool bad, const char *fmt, ...) PRINTF_LIKE(3, 4);
const struct machine *ui_selected(struct ui *ui);
/* New data: keeps the selection on the same machine. */
void ui_model(struct ui *ui, const struct model *m);

/* act.c: actions, with the log-in they may need first */
void act_on_selected(struct ui *ui, enum action what);
void act_attach(struct ui *ui, const char *name);
void act_login(struct ui *ui);
void act_logout(struct ui *ui, const char *why);
void act_done(struct ui *ui); /* the worker finished */
void act_inside(struct ui *ui); /* the attached machine has let its viewer in */
void act_detach(struct ui *ui, const char *why);

/* view_*.c; sizes are at least MIN_COLUMNS x MIN_ROWS */
void view_machines(struct ui *ui);
void view_details(struct ui *ui);
void view_log(struct ui *ui);
void view_help(struct ui *ui);
void view_attached(struct ui *ui);
void view_dialog(struct ui *ui);
/* Shared parts: rows at the top, taken; the last two lines. */
unsigned view_host(struct ui *ui);
void view_key_bar(struct ui *ui);
void view_log_lines(struct ui *ui, unsigned y, unsigned rows, unsigned back);
struct view {
	const char *name, *label, *title;
	unsigned fkey;
	char letter;
	void (*draw)(struct ui *ui);
};
extern const struct view views[VIEW_COUNT];

/* session.c: connections. With console: forks the log-in process, then gives up root for good. */
int session_start(bool console, struct error *err);
/* A new connection: as who runs this, or (on a console) one that may only look. */
int session_connect(struct vmk_client **out, struct error *err);
/* As login_run(). */
int session_login(const char *user, login_ask *ask, void *arg, int *door_fd, struct error *err);

/* worker.c */
struct job {
	enum action what;
	char machine[128];
	int door; /* -1: connect */
	int ret;
	struct error err;
	char message[480];
	struct viewer *viewer;
	struct keymap *map;
	bool view_only;
};
/* Wakes become readable on the returned descriptor (also for new models). */
int worker_start(void);
void worker_poll_now(void);
void worker_viewers(bool wanted); /* whether the model is to have them */
bool worker_model(struct model *m); /* whether there is a newer one: copied */
void worker_run(const struct job *job);
bool worker_finished(struct job *job);

/* term.c: ncurses, output only */
int term_begin(struct error *err);
void term_end(void);
void term_resize(unsigned *columns, unsigned *rows);
void term_show(const struct canvas *c);
void term_redraw(void);

/* main.c: one turn of the loop, also while a question is open */
void main_turn(struct ui *ui);

#endif
