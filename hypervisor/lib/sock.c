/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock.c - see sock.h */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"

/*
 * Fills in *address for `path`. A path that does not fit sun_path is reached through its folder, opened as *folder
 * (the caller closes it; -1 when not needed).
 */
static int sock_address(const char *path, struct sockaddr_un *address, int *folder, struct error *err)
{
	*folder = -1;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (strlen(path) < sizeof(address->sun_path)) {
		strcpy(address->sun_path, path);
		return 0;
	}
	char *copy_dir = xstrdup(path), *copy_base = xstrdup(path);
	int ret = 0;
	*folder = open(dirname(copy_dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*folder < 0) {
		ret = fail(err, -errno, "cannot open the folder of %s: %m", path);
		goto out;
	}
	int len = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", *folder,
			   basename(copy_base));
	if (len >= (int)sizeof(address->sun_path)) {
		ret = fail(err, -ENAMETOOLONG, "the name of socket %s is too long", path);
		close(*folder);
		*folder = -1;
	}
out:
	free(copy_dir);
	free(copy_base);
	return ret;
}

/* A socket for the address of `path`; *folder as above, -1 when it fails. */
static int sock_make(const char *path, int type, struct sockaddr_un *address, int *folder, struct error *err)
{
	int ret = sock_address(path, address, folder, err);
	if (ret)
		return ret;
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		return fd;
	ret = fail(err, -errno, "cannot make a socket: %m");
	if (*folder >= 0)
		close(*folder);
	*folder = -1;
	return ret;
}

int sock_listen(const char *path, int type, mode_t mode, struct error *err)
{
	struct sockaddr_un address;
	struct stat st;
	int folder, fd = sock_make(path, type, &address, &folder, err);
	if (fd < 0)
		return fd;
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	int ret = fd;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || chmod(path, mode) || listen(fd, 128)) {
		ret = fail(err, -errno, "cannot listen on %s: %m", path);
		close(fd);
	}
	if (folder >= 0)
		close(folder);
	return ret;
}

int sock_connect(const char *path, int type, struct error *err)
{
	struct sockaddr_un address;
	int folder, fd = sock_make(path, type, &address, &folder, err), ret = fd;
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		ret = fail(err, -errno, "cannot connect to %s: %m", path);
		close(fd);
	}
	if (folder >= 0)
		close(folder);
	return ret;
}

int sock_peer(int fd, struct sock_peer *peer)
{
	struct ucred cred;
	/* An own length each time: one left over from accept() would cut the structure short and leave uid 0 in it. */
	socklen_t len = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	if (len != sizeof(cred) || cred.pid <= 0)
		return -EPROTO;
	*peer = (struct sock_peer){.pid = cred.pid, .uid = cred.uid, .gid = cred.gid};
	return 0;
}

ssize_t sock_send(int fd, const void *buf, size_t len, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(SOCK_MAX_FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	BUG_ON(n_fds > SOCK_MAX_FDS);
	if (n_fds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	ssize_t n;
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Moves descriptors out of one control message; closes those beyond `max`. */
static unsigned take_fds(struct cmsghdr *c, int *fds, unsigned have, unsigned max)
{
	unsigned count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	for (unsigned k = 0; k < count; k++) {
		int fd;
		memcpy(&fd, CMSG_DATA(c) + k * sizeof(int), sizeof(fd));
		if (have < max)
			fds[have++] = fd;
		else
			close(fd);
	}
	return have;
}

ssize_t sock_recv(int fd, void *buf, size_t len, int *fds, unsigned *n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(SOCK_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)};
	unsigned max = n_fds ? MIN(*n_fds, SOCK_MAX_FDS) : 0, have = 0;
	ssize_t n;
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		n = -errno;
	} else {
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
			if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
				have = take_fds(c, fds, have, max);
	}
	if (n_fds)
		*n_fds = have;
	return n;
}
