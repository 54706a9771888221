/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign.h - files that somebody else's configuration names, before they are used with rights that one does not have.
 *
 * Anybody may write any path into his own configuration. Whoever takes it over (vm.clone, vm.chown) would lend him his own rights.
 * All of it is used in a child.
 */
#ifndef VMK_VMKERNEL_FOREIGN_H
#define VMK_VMKERNEL_FOREIGN_H

#include <stdbool.h>
#include <sys/stat.h>

enum foreign_place { FOREIGN_FOLDER /* the machine's own */, FOREIGN_VOLUME, FOREIGN_ELSEWHERE };

struct foreign_file {
	int fd; /* O_PATH */
	struct stat st;
	enum foreign_place place;
	bool everybodys; /* everybody may read it, and its path is not `owner`'s to lead elsewhere later */
};

/* "/x/a" of "a" in the folder "/x"; caller frees. */
char *foreign_path(const char *folder, const char *value);
/* Whether it is in the machine's own folder, by its text. */
bool foreign_in_folder(const char *folder, const char *value);
/*
 * Opens the regular file that a configuration of `owner`'s in `folder` (open as folder_fd) calls `value`. No component of the path may
 * be a link; what is in the folder or on a volume must not lead out of it. 0, or -errno without a sentence.
 */
int foreign_open(int folder_fd, const char *folder, const char *value, uid_t owner, struct foreign_file *out);

#endif
