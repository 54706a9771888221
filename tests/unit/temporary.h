/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * temporary.h - for tests: files and folders that are gone once the test program has ended, whatever became of its tests. They are in one
 * folder in /tmp: Criterion's process makes it before the tests, which are processes of their own, and removes it behind them all.
 */
#ifndef VMK_TESTS_TEMPORARY_H
#define VMK_TESTS_TEMPORARY_H

#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY_PATH 64 /* bytes that the path of a new file or folder takes at most */

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
	static char folder[] = "/tmp/vmk-test-XXXXXX";
	(void)tests;
	/* /tmp may be a link: what is told of paths has none. */
	char *path = mkdtemp(folder) ? realpath(folder, NULL) : NULL;
	if (!path || chmod(path, 0755) || setenv("VMK_TEST_FOLDER", path, 1)) {
		perror(folder);
		exit(1);
	}
	free(path);
}

/* What a test has left without rights for its owner goes too. What it has started is perhaps just ending, and may still write: again, then. */
static inline int temporary_remove(const char *path)
{
	char command[400];
	int status = -1;
	snprintf(command, sizeof(command), "chmod -R u+rwX '%s'; rm -rf '%s'", path, path);
	for (int k = 0; k < 200 && (status = system(command)) != 0; k++)
		usleep(50000);
	return status;
}

/* A test that is skipped, crashes or hangs ends without its .fini. */
ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
	const char *folder = getenv("VMK_TEST_FOLDER");
	(void)stats;
	for (int k = 0; k < 5 && access(folder, F_OK) == 0; k++)
		temporary_remove(folder);
}

static inline void temporary_name(char path[TEMPORARY_PATH])
{
	const char *folder = getenv("VMK_TEST_FOLDER");
	cr_assert_not_null(folder);
	cr_assert_lt(snprintf(path, TEMPORARY_PATH, "%s/XXXXXX", folder), TEMPORARY_PATH);
}

/* A new folder, for its owner only. Returns `path`. */
static inline char *temporary_folder(char path[TEMPORARY_PATH])
{
	temporary_name(path);
	cr_assert_not_null(mkdtemp(path));
	return path;
}

/* A new, empty file, for its owner only. Returns a descriptor to read and write it. */
static inline int temporary_file(char path[TEMPORARY_PATH])
{
	temporary_name(path);
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	return fd;
}

#endif
