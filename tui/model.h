/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - what vmkstatus knows about the host, asked once a second. Pure data; drawn by the views.
 */
#ifndef VMK_TUI_MODEL_H
#define VMK_TUI_MODEL_H

#include <jansson.h>

#include "api/client.h"
#include "lib/types.h"

#define MODEL_LOG_LINES 500
#define MODEL_VIEWERS 256 /* more are not shown */

struct machine {
	int world; /* -1: off */
	char name[128], owner[64], state[16], memory[32], console[64], rights[8];
	char engine[16], up[32], keymap[64];
	unsigned viewers;
	double cpu; /* percent; < 0: unknown or off */
	u64 memory_mb;
	u64 uptime;
};

struct model_viewer { /* somebody at a console, or waiting to be let in */
	char vm[128], user[64], address[64], since[32];
	bool view_only, waits;
};

struct log_entry {
	u64 seq;
	char time[40], level[12], text[512];
};

struct model {
	bool connected;
	char trouble[480]; /* why not connected */
	char host[128], version[32], engine[64], uptime[64], root[256];
	char cpu[64], memory[64]; /* as the host puts it */
	char certificate[112];	  /* of the consoles: "SHA-256 8B:AD:..."; "" where there is none */
	int cpus;
	double cpu_percent, memory_percent;
	int machines_on, machines_total;
	struct machine *machines;
	unsigned n_machines;
	struct model_viewer viewers[MODEL_VIEWERS];
	unsigned n_viewers;
	struct log_entry log[MODEL_LOG_LINES]; /* oldest first */
	unsigned n_log;
	u64 last_seq;
};

/* What is asked for besides host, machines and log: parts of views. Compared byte by byte. */
enum model_part { MODEL_PART_VIEWERS = 1 };
struct model_wish {
	unsigned parts;
	char vm[128]; /* the machine that parts of one machine are about */
};

/* Asks the host for all of it and what is wished. On failure the machines are forgotten (the log is kept) and trouble says why. */
int model_poll(struct model *m, struct vmk_client *client, const struct model_wish *wish);
void model_free(struct model *m);
/* to must be zeroed or an earlier copy. */
void model_copy(struct model *to, const struct model *from);

#endif
