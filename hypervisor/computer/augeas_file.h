/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * augeas_file.h - a configuration file of the computer's, read and changed with libaugeas: what is not changed stays, comments too.
 *
 * The file is a tree of labels and values that its lens (augeas-lenses: "Hosts.lns") tells. Paths are path expressions of augeas below
 * that tree ("*[ipaddr = '127.0.1.1']/canonical"); what a caller typed and goes into one is checked before, as it could hold a quote.
 *
 * Parsing takes a while and the file may be anything: for a job's child (job.h), whose time limit holds. One handle, one thread.
 */
#ifndef VMK_COMPUTER_AUGEAS_FILE_H
#define VMK_COMPUTER_AUGEAS_FILE_H

#include "lib/error.h"
#include "lib/types.h"

#define AUGEAS_NEW_LINE 1000000 /* labels of lines are numbers: above those of any file */

struct augeas_file;

/*
 * Reads <folder>/<name> ("chrony/chrony.conf"; folder is absolute). A missing one is an empty tree: augeas_file_save() makes it, in a
 * folder that is there. -EINVAL: not understood, and err names file and line; -ENOPKG: there is no
 * such lens; -EFBIG, -EISDIR and others: it is not such a file.
 */
int augeas_file_open(const char *folder, const char *name, const char *lens, struct augeas_file **out, struct error *err);
/* Does not save. NULL is allowed. */
void augeas_file_close(struct augeas_file *f);
bool augeas_file_exists(const struct augeas_file *f);
/* For sentences. Lives as long as f. */
const char *augeas_file_path(const struct augeas_file *f);

/* The value of the one node there; NULL: no such node, more than one, or it has none. Lives until the tree is changed. */
const char *augeas_file_get(const struct augeas_file *f, const char *path, ...) PRINTF_LIKE(2, 3);
/* How many nodes there are. */
unsigned augeas_file_count(const struct augeas_file *f, const char *path, ...) PRINTF_LIKE(2, 3);
/* The paths of the nodes there in the file's order, each good for the other functions (as "%s"), with NULL behind the last. Caller frees both. */
char **augeas_file_matches(const struct augeas_file *f, const char *path, ...) PRINTF_LIKE(2, 3);
void augeas_file_free_matches(char **matches);

/* Gives the one node there a value (NULL: none), or makes it, at the end of its folder. -EINVAL: there are more. */
int augeas_file_set(struct augeas_file *f, const char *value, struct error *err, const char *path, ...) PRINTF_LIKE(4, 5);
/* A new node beside the one there. */
int augeas_file_insert(struct augeas_file *f, const char *label, bool before, struct error *err, const char *path, ...) PRINTF_LIKE(5, 6);
/* Takes the nodes there away, and all below; returns how many nodes that were. */
unsigned augeas_file_remove(struct augeas_file *f, const char *path, ...) PRINTF_LIKE(2, 3);

/*
 * Writes the file, whole or not at all; its owner and mode stay, and a link stays one. Nothing changed: nothing is written.
 * -EINVAL: the tree does not fit the file's form; -EIO: it cannot be written.
 */
int augeas_file_save(struct augeas_file *f, struct error *err);
/* Puts back what was there when it was opened, after augeas_file_save(), or takes the file away when there was none. */
int augeas_file_restore(struct augeas_file *f, struct error *err);

#endif
