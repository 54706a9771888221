/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.c - what a machine's process may still ask of the kernel once it runs the guest.
 *
 * By then everything is open and every thread started: no open, no exec, no fork, no new socket but a pair. Refused calls fail
 * with EPERM instead of killing: a machine must not die of a library's unexpected call. Needs no privilege.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmx/vmx.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* its runtime opens /proc and starts helpers */
#else
#define SANITIZED 0
#endif

static const int allowed[] = {
	/* files, disks, the log */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(pwritev2), SCMP_SYS(lseek), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	SCMP_SYS(fallocate), SCMP_SYS(ftruncate), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(close), SCMP_SYS(fcntl),
	SCMP_SYS(dup), SCMP_SYS(sync_file_range), SCMP_SYS(fadvise64), SCMP_SYS(flock),
	/* the loop */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime), SCMP_SYS(eventfd2), SCMP_SYS(signalfd4),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(restart_syscall),
	/* threads and signals */
	SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(geteuid), SCMP_SYS(getcpu),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending), SCMP_SYS(sigaltstack),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(waitid),
	SCMP_SYS(wait4), SCMP_SYS(pidfd_send_signal),
	/* memory: guest code is translated into executable pages */
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(brk),
	SCMP_SYS(memfd_create), SCMP_SYS(getrandom),
	/* viewers and controllers */
	SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(accept4), SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(shutdown), SCMP_SYS(socketpair),
};

/* The calls that are safe only with certain arguments. */
static int allow_some(scmp_filter_ctx ctx)
{
	/* Terminal settings and /dev/kvm; not TIOCSTI, which types into the user's shell. */
	static const unsigned terminal[] = {0x5401 /* TCGETS */, 0x5402, 0x5403, 0x5404 /* TCSETSF */, 0x5413 /* TIOCGWINSZ */,
					    0x541b /* FIONREAD */};
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xff00, 0xae00));

	for (size_t i = 0; !r && i < ARRAY_SIZE(terminal); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, terminal[i]));
	if (!r)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	if (!r)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	return r;
}

/*
 * What NAT needs beyond that: sockets of TCP, UDP and ping over IPv4 only, so that connect and bind lead nowhere else (the other
 * sockets here are connected or listen already), and the options libslirp sets.
 */
static int allow_nat(scmp_filter_ctx ctx)
{
	static const int calls[] = {SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept)};
	static const unsigned kinds[] = {SOCK_STREAM, SOCK_DGRAM};
	static const unsigned options[][2] = {{SOL_SOCKET, SO_REUSEADDR}, {SOL_SOCKET, SO_OOBINLINE}, {IPPROTO_TCP, TCP_NODELAY},
					      {IPPROTO_IP, IP_TTL}};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(calls); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; !r && i < ARRAY_SIZE(kinds); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, AF_INET),
				     SCMP_A1(SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)SOCK_CLOEXEC, kinds[i]));
	for (size_t i = 0; !r && i < ARRAY_SIZE(options); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2, SCMP_A1(SCMP_CMP_EQ, options[i][0]),
				     SCMP_A2(SCMP_CMP_EQ, options[i][1]));
	return r;
}

int sandbox_enter(bool nat, struct error *err)
{
	scmp_filter_ctx ctx;
	int r = 0;

	if (SANITIZED)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fail(err, -errno, "cannot give up new privileges: %s", strerror(errno));
	ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!ctx)
		return fail(err, -ENOMEM, "cannot build a system call filter");
	for (size_t i = 0; !r && i < ARRAY_SIZE(allowed); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!r)
		r = allow_some(ctx);
	if (!r && nat)
		r = allow_nat(ctx);
	if (!r)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1); /* the vCPUs' threads too */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree instead of a list, where the library can */
	if (!r)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r ? fail(err, r, "cannot load a system call filter: %s", strerror(-r)) : 0;
}
