/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rpc.h - JSON-RPC 2.0 on a stream: one message a line, limits on what a peer may send, answers and errors.
 *
 * Both ends use it: the daemon for requests, libvmk for answers. Not thread-safe: one owner per object.
 */
#ifndef VMK_API_RPC_H
#define VMK_API_RPC_H

#include <jansson.h>

#include "api/api.h"

/* Bytes received, cut into lines of at most RPC_MAX_LINE; a longer line is dropped up to its end. */
struct rpc_lines {
	char *buf;
	size_t len, size, scanned;
	bool skipping;
};
/* Room for the next read, never so much that more than RPC_MAX_LINE + 1 bytes are held; NULL: rpc_lines_next() first. */
void *rpc_lines_room(struct rpc_lines *l, size_t *room);
void rpc_lines_added(struct rpc_lines *l, size_t n);
/* 1: *line is the next whole line (NUL-terminated, without newline, valid until rpc_lines_drop()); 0: none yet;
 * -EMSGSIZE: a line was too long and is being dropped (told once a line). */
int rpc_lines_next(struct rpc_lines *l, char **line, size_t *len);
void rpc_lines_drop(struct rpc_lines *l);
/* Clears the bytes too: they may have held a password. */
void rpc_lines_free(struct rpc_lines *l);

struct rpc_request {
	json_t *id;	    /* string or integer; owned */
	const char *method; /* lives in `message` */
	json_t *params;	    /* object; owned */
	json_t *message;    /* owned */
	bool dry_run;	    /* "dry_run": true beside params: check, but do nothing */
};
/* Returns 0 or a JSON-RPC error code with a sentence; *r is to be freed in both cases (id may be known even then). */
int rpc_request_parse(const char *line, size_t len, struct rpc_request *r, struct error *err);
/* Overwrites every string of params (they may be secrets) and lets go of all. */
void rpc_request_free(struct rpc_request *r);

/* Whole lines with their newline; caller frees. rpc_answer() steals result (NULL = {}). id NULL = null. */
char *rpc_answer(json_t *id, json_t *result, size_t *len);
char *rpc_error(json_t *id, int code, const struct error *err, size_t *len);

#endif
