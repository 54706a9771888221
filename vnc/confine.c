/* SPDX-License-Identifier: GPL-2.0-or-later */
/* confine.c - see confine.h */
#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/util.h"
#include "vnc/confine.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* its runtime opens /proc and starts helpers */
#else
#define SANITIZED 0
#endif

#define DATA_BYTES (512 * MIB) /* some pictures of the largest screen, and what encoders keep */

static const int allowed[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto),
	SCMP_SYS(sendmsg), SCMP_SYS(shutdown), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(fcntl), SCMP_SYS(lseek),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(restart_syscall), SCMP_SYS(futex), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap),
	SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(getrandom), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(tgkill), SCMP_SYS(uname), SCMP_SYS(sysinfo),
};

static int become_nobody(struct error *err)
{
	if (geteuid() != 0)
		return 0;
	char *empty = root_path("run/vmk/empty");
	int ret = chroot(empty) || chdir("/") ? fail(err, -errno, "cannot go into %s: %m", empty) : 0;
	free(empty);
	if (!ret && (setgroups(0, NULL) || setresgid(CONFINE_UID, CONFINE_UID, CONFINE_UID) || setresuid(CONFINE_UID, CONFINE_UID, CONFINE_UID)))
		ret = fail(err, -errno, "cannot become nobody: %m");
	return ret;
}

static int filter(bool files, struct error *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int ret = ctx ? 0 : -ENOMEM;
	for (size_t k = 0; !ret && k < ARRAY_SIZE(allowed); k++)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[k], 0);
	if (!ret && files)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat2), 0);
	if (!ret)
		ret = seccomp_load(ctx);
	seccomp_release(ctx);
	return ret ? fail(err, ret, "cannot load a system call filter: %s", strerror(-ret)) : 0;
}

int confine(bool files, struct error *err)
{
	const struct rlimit none = {0, 0}, descriptors = {64, 64}, data = {DATA_BYTES, DATA_BYTES};
	int ret = become_nobody(err);
	prctl(PR_SET_DUMPABLE, 0); /* keys and passwords pass through here */
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NOFILE, &descriptors);
	if (!SANITIZED)
		setrlimit(RLIMIT_DATA, &data);
	if (!ret && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		ret = fail(err, -errno, "cannot give up new privileges: %m");
	return ret || SANITIZED ? ret : filter(files, err);
}
