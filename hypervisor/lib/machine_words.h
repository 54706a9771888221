/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine_words.h - what may be typed as a machine's or a volume's name and as a disk's size: checked by the host, and by forms while
 * it is typed.
 */
#ifndef VMK_LIB_MACHINE_WORDS_H
#define VMK_LIB_MACHINE_WORDS_H

#include "lib/error.h"
#include "lib/types.h"

#define MACHINE_NAME_MAX 60 /* bytes */
#define VOLUME_NAME_MAX 40

/* 0, or -EINVAL with a sentence that says what a name is. */
int machine_name_check(const char *name, struct error *err);
/* The same of a volume: the name of a folder in commands, in fstab and in systemd's units. */
int volume_name_check(const char *name, struct error *err);
/* "512M", "4G", "4GB", or megabytes; from 1 MB to 2048 GB. */
int disk_size_parse(const char *text, u64 *bytes, struct error *err);

#endif
