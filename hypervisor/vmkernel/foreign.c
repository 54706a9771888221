/* SPDX-License-Identifier: GPL-2.0-or-later */
/* foreign.c - see foreign.h */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/foreign.h"
#include "vmkernel/job.h"
#include "vmkernel/volumes.h"

char *foreign_path(const char *folder, const char *value)
{
	return *value == '/' ? xstrdup(value) : xasprintf("%s/%s", folder, value);
}

/* What is behind the folder's name in `path`, or NULL. */
static const char *behind(const char *folder, const char *path)
{
	size_t len = strlen(folder);
	return strncmp(path, folder, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

bool foreign_in_folder(const char *folder, const char *value)
{
	const char *rest = *value == '/' ? behind(folder, value) : value;
	bool in = rest && *rest != '/';
	for (const char *p = rest; in && p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		in = strncmp(p, "..", 2) != 0 || (p[2] && p[2] != '/');
	return in;
}

static int open_path(int at, const char *path, u64 resolve)
{
	struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

static int open_on_volume(const char *volume, const char *rest)
{
	char *folder = volumes_folder(), *top = xasprintf("%s/%s", folder, volume);
	int fd = open(job_path(top), O_PATH | O_DIRECTORY | O_CLOEXEC), ret = fd < 0 ? -errno : 0;
	if (!ret) {
		ret = open_path(fd, rest, RESOLVE_BENEATH);
		close(fd);
	}
	free(top);
	free(folder);
	return ret;
}

/* A folder whose names he cannot make lead elsewhere, and that everybody may pass. */
static bool passable(const char *path, uid_t owner)
{
	struct stat st;
	if (stat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid == owner || !(st.st_mode & 0001))
		return false;
	bool theirs = st.st_mode & 0002 || (st.st_mode & 0020 && st.st_gid != 0);
	return !theirs || st.st_mode & S_ISVTX;
}

/* All folders above, up to the host's root or that of the file system. */
static bool path_is_everybodys(const char *absolute, uid_t owner)
{
	char *path = xstrdup(job_path(absolute)), *slash = path;
	bool fine = true;
	while (fine && (slash = strchr(slash + 1, '/'))) {
		*slash = 0;
		fine = passable(path, owner);
		*slash = '/';
	}
	free(path);
	return fine;
}

int foreign_open(int folder_fd, const char *folder, const char *value, uid_t owner, struct foreign_file *out)
{
	char volume[256], *path = foreign_path(folder, value);
	const char *rest = behind(folder, path);
	int fd;
	if (foreign_in_folder(folder, value)) {
		out->place = FOREIGN_FOLDER;
		fd = open_path(folder_fd, rest, RESOLVE_BENEATH);
	} else if (volumes_split(path, volume, &rest) && *rest) {
		out->place = FOREIGN_VOLUME;
		fd = open_on_volume(volume, rest);
	} else {
		out->place = FOREIGN_ELSEWHERE;
		fd = open_path(AT_FDCWD, job_path(path), 0);
	}
	int ret = fd < 0 ? fd : fstat(fd, &out->st) ? -errno : S_ISREG(out->st.st_mode) ? 0 : -EINVAL;
	if (ret && fd >= 0)
		close(fd);
	out->fd = ret ? -1 : fd;
	out->everybodys = !ret && out->st.st_uid != owner && out->st.st_mode & 0004 && path_is_everybodys(path, owner);
	free(path);
	return ret;
}
