/* SPDX-License-Identifier: GPL-2.0-or-later */
/* priority.c - see priority.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/shares.h"
#include "lib/util.h"
#include "vmkernel/priority.h"

#define NICE_LEAST 19
#define NICE_STEP 1.25
#define HALF_STEP 1.118 /* its square root */

int priority_nice(const char *shares)
{
	u64 wanted;
	int nice = 0;
	if (!shares_parse(shares, &wanted))
		wanted = SHARES_NORMAL;
	wanted = MIN(wanted, (u64)SHARES_HIGH);
	double weight = SHARES_NORMAL;
	for (; (double)wanted > weight * HALF_STEP; nice--)
		weight *= NICE_STEP;
	for (; nice < NICE_LEAST && (double)wanted < weight / HALF_STEP; nice++)
		weight /= NICE_STEP;
	return nice;
}

/* There is no such file where the kernel makes no groups; another session's group is not the machine's. */
static void autogroup_set(pid_t pid, int nice)
{
	char path[40], text[8];
	if (getsid(pid) != pid)
		return;
	snprintf(path, sizeof(path), "/proc/%d/autogroup", (int)pid);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, text, (size_t)snprintf(text, sizeof(text), "%d", nice));
	close(fd);
}

int priority_set(pid_t pid, int nice, struct error *err)
{
	char path[40];
	int ret = 0, own = MIN(getpriority(PRIO_PROCESS, 0) + nice, NICE_LEAST);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return fail(err, -errno, "process %d is gone", (int)pid);
	for (const struct dirent *entry; (entry = readdir(dir));) {
		id_t thread = (id_t)strtoul(entry->d_name, NULL, 10);
		if (thread && setpriority(PRIO_PROCESS, thread, own) && errno != ESRCH)
			ret = -errno;
	}
	closedir(dir);
	if (ret)
		return fail(err, ret, "the machine's share of the CPU cannot be set: %s", strerror(-ret));
	autogroup_set(pid, nice);
	return 0;
}
