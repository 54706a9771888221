/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ui.h - vmkstatus: the state of its screen, drawn by views onto a canvas, changed by keys and by what the host says.
 *
 *	main loop	keys -> state -> views -> canvas -> ncurses
 *	poller thread	host -> model, each second (worker.c)
 *	checker thread	what is filled in -> whether the host would do it (worker.c)
 *	worker thread	one action at a time: start, attach... (worker.c)
 *
 * Threads never touch struct ui: they leave a copy behind a lock and wake the main loop.
 */
#ifndef VMK_TUI_UI_H
#define VMK_TUI_UI_H

#include "api/viewer.h"
#include "pam/login.h"
#include "tui/canvas.h"
#include "tui/form.h"
#include "tui/model.h"
#include "tui/table.h"

#define MIN_COLUMNS 40
#define MIN_ROWS 10

enum view_id {
#define VIEW(name, digit, fkey, letter, label, title) VIEW_##name,
#include "tui/views.def"
#undef VIEW
	VIEW_COUNT
};
#define VIEW_HOME VIEW_machines /* where it starts, and where Esc leads */

enum dialog_kind { DIALOG_NONE, DIALOG_CONFIRM, DIALOG_INPUT, DIALOG_WAIT, DIALOG_CHOICE };
struct dialog {
	enum dialog_kind kind;
	char title[64], text[512];
	const char *keys; /* CONFIRM: letters that answer */
	char input[256];  /* INPUT */
	size_t at;
	bool echo;
	const char *const *choices; /* CHOICE: labels */
	unsigned n_choices, chosen;
	unsigned x, y, top, shown; /* of the choices, as drawn */
	u64 deaf_until; /* monotonic: keys before that were meant for something else */
	char answer; /* 0 open, a letter of keys, '\r' entered, 27 given up */
};

enum action { ACTION_START, ACTION_STOP, ACTION_RESET, ACTION_SUSPEND, ACTION_ATTACH };

/* The machine whose screen is shown instead of a view. */
struct attached {
	struct viewer *viewer; /* NULL: none */
	struct viewer_screen *screen;
	struct keymap *map;
	struct viewer_escape escape;
	char name[128];
	int pan;
	bool view_only;
	struct copy *copy; /* text is being marked; NULL: not */
};

/* What the worker is doing, as the message line shows it. */
struct activity {
	bool busy;
	char what[200]; /* "powering on web" */
	u64 since;	/* monotonic */
	int percent;	/* < 0: unknown */
	bool cancellable, cancelling;
};

#define KEY_QUEUE 512
struct ui {
	struct canvas canvas;
	struct model model;
	struct model_check check; /* what the host said last of what a form asked about */
	char check_wish[MODEL_CHECK_SIZE]; /* set by the form drawn last: a request to be checked; "": none */
	u64 model_at; /* when it came; 0: the host need not answer (--dump) */
	struct model_wish wish; /* set by the view drawn last: what else it shows */
	enum view_id view, helped; /* helped: what help is about, and leads back to */
	struct table tables[VIEW_COUNT]; /* a view's own table, if it has one */
	void *state[VIEW_COUNT];	 /* a view's own, made and freed by it; NULL at first */
	char machine[128]; /* name of the machine that actions and details are about; "" none */
	bool console; /* on the physical console: no rights, no quitting */
	bool ascii, quit;
	struct activity activity;
	char user[64];	/* logged in as; "" = not */
	u64 logout_seconds; /* a log-in ends when no key was pressed for so long; 0: never */
	u64 logout_at;	/* monotonic; 0: never */
	u64 detach_seconds, detach_at; /* the same for a machine's screen, which is looked at for longer: it ends with the log-in it was opened with */
	bool locked;	/* nothing is shown and done until the password of locked_by */
	char locked_by[64];
	bool locked_login; /* who was logged in then: unlocking is logging in again, should that have ended meanwhile */
	int door;	/* that user's connection, -1 none; lent to the worker while busy */
	char message[512];
	bool message_bad;
	u64 message_until;
	struct dialog dialog;
	bool dialog_deaf; /* the next one comes unasked: it takes no keys that were meant for something else */
	struct form *form; /* shown instead of a view; NULL: none */
	struct attached attached;
	char *paste;		/* what was copied; NULL: nothing yet */
	const char *paste_left; /* of it, what is still to be typed into the machine; NULL: nothing */
	struct viewer_press keys[KEY_QUEUE];
	unsigned first_key, n_keys;
	u64 key_at; /* when the next one may go to an attached machine */
	struct viewer_input input;
};

/* Set-1 codes of the keys that type nothing: viewer_press.code where chord.count is 1. */
enum { CODE_BACKSPACE = 0x0e, CODE_TAB = 0x0f, CODE_F1 = 0x3b, CODE_F2, CODE_F3, CODE_F4, CODE_F5, CODE_F6, CODE_F7, CODE_F8, CODE_F9,
       CODE_F10, CODE_F12 = 0x58, CODE_HOME = 0xc7, CODE_UP, CODE_PAGE_UP, CODE_LEFT = 0xcb, CODE_RIGHT = 0xcd, CODE_END = 0xcf,
       CODE_DOWN, CODE_PAGE_DOWN, CODE_INSERT, CODE_DELETE };
/* Whether it is that key alone, without Shift, Ctrl and Alt. */
static inline bool press_is(const struct viewer_press *p, u8 code)
{
	return p->chord.count == 1 && p->code == code;
}

/* ui.c */
void ui_draw(struct ui *ui);
void ui_key(struct ui *ui, const struct viewer_press *p);
/* An argument may be ui->message itself. */
void ui_message(struct ui *ui, bool bad, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The machine named ui->machine, NULL when there is none. Valid until the next main_turn(). */
const struct machine *ui_selected(struct ui *ui);
/* There is new data in ui->model: keeps the selection on the same machine. */
void ui_model(struct ui *ui, bool was_connected);
void ui_view(struct ui *ui, enum view_id view);
/* Keys that act on the selected machine (s p r u a e x, F2 F3 F4 F7 F9, Enter) or make one (n): true when it was one. For views that show which it is. */
bool ui_machine_key(struct ui *ui, const struct viewer_press *p);

/* view_users.c: asks for a new password of the user's, twice, and sets it. */
void user_password(struct ui *ui, const char *name);

/*
 * dialog.c: questions. They run the main loop until answered; the model and the selection may have changed by then.
 */
/* One of the letters of `keys`, or 0x1b when given up. */
char ui_ask(struct ui *ui, const char *title, const char *text, const char *keys);
/* A line of text into answer (what it holds is where editing starts); false when given up. */
bool ui_input(struct ui *ui, const char *title, const char *text, char *answer, size_t size, bool echo);
/* The number of the label chosen, -1 when given up. */
int ui_choose(struct ui *ui, const char *title, const char *text, const char *const *labels, unsigned n);
void dialog_key(struct ui *ui, const struct viewer_press *p);
void dialog_draw(struct ui *ui);
/* A box that says to wait, drawn at once; ends with the next dialog, or dialog_end(). */
void dialog_wait(struct ui *ui, const char *title, const char *text);
void dialog_end(struct ui *ui);

/* act.c: actions, with the log-in they may need first */
/*
 * Calls a method of the host with the rights of who is logged in (where that takes a log-in, it is asked for); steals params. `what`
 * ("powering on web") is shown while it runs, the answer's message or the error, with the right it takes, afterwards.
 */
void act_call(struct ui *ui, const char *method, json_t *params, const char *what);
/* The same, but waits for it (the screen goes on, keys do nothing but cancel): 0 and the caller's *result (may be NULL), or -errno, told already. */
int act_call_wait(struct ui *ui, const char *method, json_t *params, const char *what, json_t **result);
/* The first warning of a method's result, "" when there is none. */
void act_warning(json_t *result, char *text, size_t size);
/* Gives up what the worker does, where that can be given up. */
void act_cancel(struct ui *ui);
void act_progress(struct ui *ui); /* how far it is */
void act_on_selected(struct ui *ui, enum action what);
void act_on(struct ui *ui, const char *vm, enum action what);
/* Whether there is (still) a machine of that name; says so when there is not. */
bool act_is_there(struct ui *ui, const char *vm);
void act_attach(struct ui *ui, const char *name);
void act_edit(struct ui *ui); /* the selected machine's settings */
void act_menu(struct ui *ui); /* menu.c: all that can be done to the selected machine */
/* Whether there are rights to act with; on a console that takes a log-in, which is asked for. */
bool act_rights(struct ui *ui);
void act_login(struct ui *ui);
/* Asks for a name (user NULL) and password in a dialog; as session_login(). */
int act_ask_login(struct ui *ui, const char *title, const char *user, int *fd, struct error *err);
/* Takes the connection of who has logged in. -errno: the log-in counts, but what is shown stays as it was. */
int act_login_take(struct ui *ui, int door, struct error *err);
/* Nothing is shown any more that only who has logged in may see, until somebody else has been asked for. */
void act_forget(struct ui *ui);
/* Also gives up the questions and forms that were opened with that log-in: nobody answers them with other rights. */
void act_logout(struct ui *ui, const char *why);
void act_done(struct ui *ui); /* the worker finished */
/* The log-in, or a machine's screen, has been used: its time begins anew. */
void session_extend(struct ui *ui);
/* Until the password of who is logged in, or started the program, is given. */
void act_lock(struct ui *ui);
void act_unlock(struct ui *ui);
void lock_draw(struct ui *ui);
/* A log-in has ended: on a console nothing is left to be protected, and the lock ends with it. Elsewhere it stays: the rights of who started
 * the program are behind it. */
void lock_logged_out(struct ui *ui);

/* question.c: what a machine asks. Shows the question of vm (or says that it has none) and passes the answer on. */
void act_answer(struct ui *ui, const char *vm);
/* Shows a new question, once, when nothing else is going on. */
void question_notice(struct ui *ui);

/* attach.c: the attached machine */
struct job;
void attached_begin(struct ui *ui, const struct job *job);
void attached_draw(struct ui *ui);
void attached_key(struct ui *ui, const struct viewer_press *p);
void attached_paste(struct ui *ui); /* types the next character of what is pasted */
void act_inside(struct ui *ui);	    /* it has let its viewer in */
void act_detach(struct ui *ui, const char *why);

/* copy.c: marking text on its screen */
#define COPY_KEYS "arrows  Space mark  r block  Enter copy  Esc"
void copy_begin(struct ui *ui);
void copy_end(struct attached *a);
void copy_key(struct ui *ui, const struct viewer_press *p);
void copy_draw(const struct attached *a, struct canvas *c);

/*
 * Views: a file view_NAME.c each and a row of views.def. Sizes are at least MIN_COLUMNS x MIN_ROWS. view_NAME() draws all of the screen:
 * frame_top(), its own rows, frame_bottom(), and sets ui->wish when it shows more than host, machines and log.
 * view_NAME_key() gets every key (and click) first, before the frame's own: true when it took it.
 */
struct key_hint {
	const char *keys, *label; /* keys: "F2/s"; NULL ends the list */
	unsigned rank;	/* left out first: the highest (1 to 6) */
	u32 pages;	/* bits: on which of the view's pages (pages.h); 0: on each */
};
struct view {
	const char *name, *label, *title;
	unsigned digit, fkey; /* 0: none */
	char letter;	      /* 0: none */
	void (*draw)(struct ui *ui);
	bool (*key)(struct ui *ui, const struct viewer_press *p);
	const struct key_hint *hints; /* its own keys, for the key bar */
};
extern const struct view views[VIEW_COUNT];
#define VIEW(name, digit, fkey, letter, label, title)                            \
	void view_##name(struct ui *ui);                                         \
	bool view_##name##_key(struct ui *ui, const struct viewer_press *p);     \
	extern const struct key_hint view_##name##_hints[];
#include "tui/views.def"
#undef VIEW
unsigned host_summary(struct ui *ui); /* summary.c: frame_top() and what the host uses: the next free row */
void view_log_lines(struct ui *ui, unsigned y, unsigned rows, unsigned back);

/* frame.c: what every view has. Title and tabs, and what is wrong with the connection: the next free row. */
unsigned frame_top(struct ui *ui);
bool frame_trouble(const struct ui *ui); /* no connection, or the host is silent: what is known is old */
/* Message line and key bar: the last FRAME_BOTTOM rows. */
#define FRAME_BOTTOM 2
void frame_bottom(struct ui *ui);
/* The message, or what is under way, in row y. */
void frame_message(struct ui *ui, unsigned y);
/* A click on a tab or on a key of the bar: true when it was one. */
bool frame_click(struct ui *ui, const struct viewer_press *p);

/* session.c: connections. With console: forks the log-in process, then gives up root for good. */
int session_start(bool console, struct error *err);
/* A new connection: as who runs this, or (on a console) one that may only look. */
int session_connect(struct vmk_client **out, struct error *err);
/* Whether that is one that may only look. */
bool session_restricted(void);
/* As login_run(). */
int session_login(const char *user, login_ask *ask, void *arg, int *door_fd, struct error *err);

/* worker.c */
struct job {
	bool attach;	   /* to `machine`; else `method` is called */
	char machine[128];
	char method[48], what[200];
	json_t *params, *result; /* the job's own: whoever takes the finished one */
	int door; /* -1: connect */
	int ret;
	struct error err;
	struct viewer *viewer;
	struct keymap *map;
	bool view_only;
};
/* Wakes become readable on the returned descriptor (also for new models). */
int worker_start(void);
void worker_poll_now(void);
void worker_wish(const struct model_wish *wish); /* what the model is to have besides; asks at once for what is new */
bool worker_model(struct model *m); /* whether there is a newer one: copied */
/* What a form asks for (ui->check_wish), and whether something new has come of it: copied. Asked anew from time to time while it is wished. */
void worker_check_wish(const char *request);
bool worker_check(struct model_check *check);
/*
 * Who has logged in: the next models are what he may see. Takes fd and check_fd, two connections of his (check_fd -1: nothing is checked);
 * fd -1: nobody has, any more. No model comes that was asked for before; what the caller shows is his to forget. Callable whether or not the worker has been started.
 */
void worker_user(int fd, int check_fd, bool admin);
void worker_hide_user(bool hidden); /* the screen is locked: models are as if nobody had logged in */
bool worker_user_lost(void);	    /* that connection has ended */
void worker_run(const struct job *job); /* takes params */
bool worker_finished(struct job *job);
/* How far it is: task 0 as long as it is not one that can be cancelled; percent < 0: unknown. */
struct job_progress {
	u64 task;
	int percent;
};
struct job_progress worker_progress(void);
void worker_cancel(void);

/* term.c: ncurses, output only */
int term_begin(struct error *err);
void term_end(void);
void term_resize(unsigned *columns, unsigned *rows);
void term_show(const struct canvas *c);
void term_redraw(void);
/* Hands text to the clipboard of terminals that have one (OSC 52). */
void term_clipboard(const char *text);
/* Whether the terminal tells of its mouse once it is asked to. */
bool term_mouse(bool on);

/* tty.c: --console TTY, before anything else: that terminal as standard input and output, taken from whoever had it */
void tty_take(const char *name);
void tty_leave(void); /* an empty screen for who comes next */

/* main.c: one turn of the loop, also while a question is open */
void main_turn(struct ui *ui);

#endif
