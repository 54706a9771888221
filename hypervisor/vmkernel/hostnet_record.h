/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostnet_record.h - what is to be put back when a change of the computer's network is undone: <root>/etc/vmk/network-trial.json.
 *
 * It has the files' old text, and the new one once that is written; and the interface's addresses and default routes as they were. For a
 * job's child.
 */
#ifndef VMK_VMKERNEL_HOSTNET_RECORD_H
#define VMK_VMKERNEL_HOSTNET_RECORD_H

#include <jansson.h>

#include "computer/hostnet.h"
#include "computer/hostnet_links.h"

/* Whether there is one. Also for the daemon. */
bool hostnet_record_there(void);

/* Before anything is changed. NULL and err: it cannot be written down. `was_up`: its manager has brought it up, and can do so again. */
json_t *hostnet_record_make(struct hostnet_files *files, const struct hostnet_config *config, const struct hostnet_link *link, bool was_up,
			    struct error *err);
/* When hostnet_save() has written the new texts. */
int hostnet_record_note_new(json_t *record, struct error *err);

/* All three: on the disk when they return 0. */
int hostnet_record_write(const json_t *record, struct error *err);
int hostnet_record_delete(struct error *err);
/* -ENOENT: there is none. */
int hostnet_record_read(json_t **record, struct error *err);

/*
 * The files, in two steps, so that a full disk is known of before the network is touched: stage() writes the old texts beside what they
 * replace, commit() puts them there. Files that are right already are left alone, and so are those that hold what somebody else wrote
 * meanwhile: *others, and err says which. Both: all of the files, whatever becomes of one; the first failure is told.
 */
int hostnet_record_stage(const json_t *record, struct error *err);
int hostnet_record_commit(const json_t *record, bool *others, struct error *err);

/* So that networkd, which looks at files' times, takes them for new. */
void hostnet_record_touch(const json_t *record);

/* "" when it is not there */
const char *hostnet_record_text(const json_t *record, const char *key);
bool hostnet_record_flag(const json_t *record, const char *key);
bool hostnet_record_by_networkd(const json_t *record);
/* The interface as it was. Its name, addresses and gateways only. */
void hostnet_record_link(const json_t *record, struct hostnet_link *out);

#endif
