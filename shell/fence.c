// SPDX-License-Identifier: GPL-2.0-or-later
/* fence.c - see fence.h */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/util.h"
#include "shell/fence.h"

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ull << 14)
#endif

#define READ_FILE LANDLOCK_ACCESS_FS_READ_FILE
#define READ_FOLDER LANDLOCK_ACCESS_FS_READ_DIR
#define WRITE_FILE (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define MAKE_FILE                                                                                                      \
	(LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)
/* Never allowed anywhere. */
#define MAKE_SPECIAL                                                                                                   \
	(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                  \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK)
#define EVERYTHING (READ_FILE | READ_FOLDER | WRITE_FILE | MAKE_FILE | MAKE_SPECIAL | LANDLOCK_ACCESS_FS_EXECUTE)

struct fence {
	int ruleset; /* -1: a kernel without */
	u64 handled;
};

struct fence *fence_open(struct error *err)
{
	struct fence *f = xcalloc(1, sizeof(*f));
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	f->ruleset = -1;
	if (version < 0)
		return f;
	/* Bits that came with later versions. */
	f->handled = EVERYTHING & ~(version < 2 ? LANDLOCK_ACCESS_FS_REFER : 0) & ~(version < 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
	struct landlock_ruleset_attr attr = {.handled_access_fs = f->handled};
	f->ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (f->ruleset >= 0)
		return f;
	fail(err, -errno, "cannot confine this process: %m");
	free(f);
	return NULL;
}

void fence_allow(struct fence *f, const char *path, unsigned what)
{
	struct stat st;
	struct landlock_path_beneath_attr rule = {
		.parent_fd = f->ruleset < 0 || !path ? -1 : open(path, O_PATH | O_CLOEXEC),
		.allowed_access = (what & FENCE_READ ? READ_FILE | READ_FOLDER : 0) | (what & FENCE_WRITE ? WRITE_FILE : 0) |
				  (what & FENCE_MAKE ? MAKE_FILE : 0) | (what & FENCE_EXECUTE ? LANDLOCK_ACCESS_FS_EXECUTE : 0),
	};
	if (rule.parent_fd < 0)
		return;
	/* A file takes no rights that are folders'. */
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= READ_FILE | WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
	rule.allowed_access &= f->handled;
	syscall(SYS_landlock_add_rule, f->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
}

int fence_close(struct fence *f, struct error *err)
{
	int ret = 0;
	if (f->ruleset >= 0 && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_landlock_restrict_self, f->ruleset, 0)))
		ret = fail(err, -errno, "cannot confine this process: %m");
	if (f->ruleset >= 0)
		close(f->ruleset);
	free(f);
	return ret;
}

const char *fence_interpreter(void)
{
	const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	size_t n = getauxval(AT_PHNUM), base = 0;
	for (size_t k = 0; headers && k < n; k++)
		if (headers[k].p_type == PT_PHDR)
			base = (size_t)headers - headers[k].p_vaddr;
	for (size_t k = 0; headers && k < n; k++)
		if (headers[k].p_type == PT_INTERP)
			return (const char *)(base + headers[k].p_vaddr);
	return NULL;
}
