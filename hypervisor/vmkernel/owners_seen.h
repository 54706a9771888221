/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * owners_seen.h - whose machines on volumes other than local were when their .vmx files were last seen, also by earlier daemons:
 * <root>/var/lib/vmk/owners, lines "UID /path". Gives no rights by itself (rights.c).
 */
#ifndef VMK_VMKERNEL_OWNERS_SEEN_H
#define VMK_VMKERNEL_OWNERS_SEEN_H

#include <stdbool.h>
#include <sys/types.h>

/* false: it is not known, or not on such a volume. */
bool owner_seen(const char *path, uid_t *uid);
/* In memory, until it is written. */
void owner_seen_note(const char *path, uid_t uid);
void owner_seen_forget(const char *path);
/* Once each sample, and at the end: writes what is new. What cannot be written is logged, and known to this daemon alone. */
void owners_seen_write(void);

#endif
