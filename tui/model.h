/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - what vmkstatus knows about the host, asked once a second. Pure data; drawn by the views.
 *
 * The host, its machines and its log are always asked for, anything else (asks.def) only while the view that is shown
 * wants it. What the host has answered is kept as it came and only ever read, so that a copy of a model shares it.
 */
#ifndef VMK_TUI_MODEL_H
#define VMK_TUI_MODEL_H

#include "api/client.h"
#include "tui/rows.h"
#include "tui/thumbnail.h"

#define MODEL_LOG_LINES 1000 /* as many as the host remembers */

/* The newest numbers of something, one a second. */
#define HISTORY_SAMPLES 120
struct history {
	float sample[HISTORY_SAMPLES];
	unsigned count, next;
};
void history_add(struct history *h, double value);
/* The sample `back` before the newest; < 0: there is none. */
double history_at(const struct history *h, unsigned back);

struct machine {
	int world; /* -1: off */
	char name[128], owner[64], state[16], memory[32], console[64], rights[8];
	char engine[16], up[32], keymap[64];
	unsigned viewers;
	double cpu; /* percent; < 0: unknown or off */
	u64 memory_mb, used_mb;
	u64 uptime;
	bool asks;   /* has a question open (vm.answer): see row */
	json_t *row; /* as vm.list told it; lives as long as the model */
	struct history cpu_history;
};

struct log_entry {
	u64 seq;
	char time[40], level[12], text[512];
};

enum ask {
#define ASK(name, method, about, seconds, whose) ASK_##name,
#include "tui/asks.def"
#undef ASK
	ASK_COUNT
};
#define WISH(name) (1ull << ASK_##name)

#define MODEL_CHECK_SIZE 4096
/* What the view that is shown wants to know. */
struct model_wish {
	u64 parts; /* WISH() bits */
	char vm[128], volume[128], user[64]; /* whom those are about; "": of a machine or user nothing is asked, of volumes all */
	u32 screen; /* not 0: a thumbnail of vm's screen. No bool: the struct is compared byte by byte */
	unsigned seconds; /* at least so long between two answers of perf.*; 0: one */
	char check[MODEL_CHECK_SIZE]; /* {"method": , "params": } as text: would the host do it (it does not); "": nothing */
};

struct model_answer {
	json_t *result; /* NULL: there is none (yet) */
	char about[128]; /* the machine, volume or user it is about */
	char trouble[200]; /* why there is none; "" while it has not been asked for */
	u64 at; /* monotonic; 0: never asked */
};

/* What the host said to the last wish.check. */
struct model_check {
	char request[MODEL_CHECK_SIZE]; /* "": nothing has been asked */
	char trouble[300]; /* why it would not be done, or the first warning; "": it would */
	u64 at;
};

struct model {
	bool connected;
	char trouble[480]; /* why not connected */
	char host[128], version[32], engine[64], uptime[64], root[256];
	char cpu[64], memory[64]; /* as the host puts it */
	char certificate[112];	  /* of the consoles: "SHA-256 8B:AD:..."; "" where there is none */
	int cpus;
	double cpu_percent, memory_percent;
	u64 memory_total_mb, memory_used_mb;
	int machines_on, machines_total;
	json_t *host_told; /* host.show as it came: alerts, urls, addresses, load... */
	struct history cpu_history, memory_history;
	u64 history_at;
	json_t *machines_told;
	struct machine *machines;
	unsigned n_machines;
	struct log_entry *log; /* oldest first; MODEL_LOG_LINES of room */
	unsigned n_log;
	u64 last_seq;
	unsigned forgotten; /* how often: lines of the log from before are not those from after it */
	struct model_answer answers[ASK_COUNT];
	struct thumbnail thumbnail;
	struct model_check check;
};

/* As whom the host is asked; both connections stay the caller's. */
struct model_asker {
	struct vmk_client *look;
	struct vmk_client *user; /* for what is OWN (asks.def), rights to machines and their screens; NULL: look, for these too */
	bool restricted; /* look may do nothing else: what it is refused takes a log-in */
};
/*
 * Asks the host for all of it. On failure (of look) the machines are forgotten (the log is kept) and trouble says why; what the
 * view wants beyond them never fails: answers[] say what is missing. wish may be NULL.
 */
int model_poll(struct model *m, const struct model_asker *as, const struct model_wish *wish);
/* Somebody else is asked for from now on: forgets what he may not know, and `all`: the host's machines, too. */
void model_forget(struct model *m, bool all);
/* There is no host: forgets what would not be true any more. */
void model_lost(struct model *m, const char *trouble);
void model_free(struct model *m);
/* to must be zeroed or an earlier copy. */
void model_copy(struct model *to, const struct model *from);

/* The answer of an ask, when it is about `about` (NULL: whatever it is about); else NULL. */
json_t *model_answer(const struct model *m, enum ask ask, const char *about);
const struct machine *model_machine(const struct model *m, const char *name);

/* Parts of model_poll(), told rather than asked; for tests. They keep what they are given, and take anything. */
void model_take_host(struct model *m, json_t *told);
void model_take_machines(struct model *m, json_t *told);
void model_take_log(struct model *m, json_t *told);


#endif
