/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spawn.c - see spawn.h
 *
 * Everything here runs in the child, as the machine's owner: what the owner cannot open, his machine cannot use, whatever the
 * configuration names. vmk-vmx itself opens nothing and gets descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/machine_files.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "net/net.h"
#include "vmkernel/spawn.h"
#include "vmkernel/suspend.h"
#include "vmkernel/volumes.h"

#define MAX_WORDS 160
#define MAX_FILES 64

/* The command line of vmk-vmx and what it refers to. */
struct launch {
	const struct spawn *s;
	struct config *config;
	int folder_fd;
	char *words[MAX_WORDS + 1];
	unsigned n_words;
	int fds[MAX_FILES + 8];
	unsigned n_fds, n_files;
};

static void add_word(struct launch *l, char *word)
{
	BUG_ON(l->n_words == MAX_WORDS);
	l->words[l->n_words++] = word;
}

static void add_fd(struct launch *l, const char *option, int fd)
{
	BUG_ON(l->n_fds == ARRAY_SIZE(l->fds));
	l->fds[l->n_fds++] = fd;
	add_word(l, xstrdup(option));
	add_word(l, xasprintf("%d", fd));
}

/* Opens a file that the configuration names; relative ones are beside it. Only regular files: no device, no FIFO to wait on. */
static int open_file(struct launch *l, const char *key, const char *path, const struct machine_file *file, struct error *err)
{
	struct stat st;
	char volume[256];
	int flags = file->flags;
	/* What the machine writes must be the file itself: a link put there by somebody else would lead to the owner's other files. */
	if ((flags & O_ACCMODE) != O_RDONLY)
		flags |= O_NOFOLLOW;
	int fd = openat(l->folder_fd, path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, file->mode);
	if (fd < 0 && *path == '/' && job_path(path) != path)
		fd = openat(AT_FDCWD, job_path(path), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, file->mode);
	if (fd < 0) {
		int code = -errno;
		return volumes_lack(path, volume) ? fail(err, code, "%s: the volume %s is not mounted, which %s is on", key, volume, path)
						  : fail(err, code, "%s: cannot open %s: %s", key, path, strerror(-code));
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return fail(err, -EINVAL, "%s: %s is not a regular file", key, path);
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

static int open_key(struct launch *l, const char *key, struct error *err)
{
	if (!machine_file_in_use(l->config, key))
		return 0;
	const char *path = config_string(l->config, key);
	struct machine_file file = machine_file_find(l->config, key);
	int fd = open_file(l, key, path, &file, err);
	if (file.or_readonly && (fd == -EACCES || fd == -EROFS || fd == -EPERM)) {
		file.flags = O_RDONLY;
		fd = open_file(l, key, path, &file, err);
	}
	if (fd < 0 && machine_file_may_miss(l->config, key))
		return 0;
	if (fd < 0)
		return fd;
	if (++l->n_files > MAX_FILES)
		return fail(err, -E2BIG, "the machine has more than %d files", MAX_FILES);
	l->fds[l->n_fds++] = fd;
	add_word(l, xstrdup("--file"));
	add_word(l, xasprintf("%s=%d", key, fd));
	return 0;
}

/* All keys of a pattern: each '#' stands for a digit. */
static int open_pattern(struct launch *l, const char *pattern, struct error *err)
{
	char key[64];
	str_copy(key, sizeof(key), pattern);
	char *digit = strchr(key, '#');
	if (!digit)
		return config_key_find(key) ? open_key(l, key, err) : 0;
	for (char d = '0'; d <= '9'; d++) {
		*digit = d;
		int ret = open_pattern(l, key, err);
		if (ret)
			return ret;
	}
	return 0;
}

static int open_files(struct launch *l, struct error *err)
{
	size_t n;
	const struct config_key *keys = config_keys(&n);
	for (size_t k = 0; k < n; k++) {
		int ret = keys[k].type == CONFIG_PATH ? open_pattern(l, keys[k].pattern, err) : 0;
		if (ret)
			return ret;
	}
	return 0;
}

/* Tap devices of network cards, in the owner's name: the administrator makes them his. */
static int open_taps(struct launch *l, struct error *err)
{
	for (unsigned nic = 0; nic < NET_NICS; nic++) {
		if (!net_wants_tap(l->config, nic))
			continue;
		int fd = tap_open(l->config, nic, err);
		if (fd < 0)
			return fd;
		if (++l->n_files > MAX_FILES) {
			close(fd);
			return fail(err, -E2BIG, "the machine has more than %d files", MAX_FILES);
		}
		l->fds[l->n_fds++] = fd;
		add_word(l, xstrdup("--file"));
		add_word(l, xasprintf("ethernet%u.devName=%d", nic, fd));
	}
	return 0;
}

/* The configuration, its folder and the log of this run; the last run's log becomes vmx-0.log. */
static int open_base(struct launch *l, int *log_fd, struct error *err)
{
	char *text, *folder = vm_folder(job_path(l->s->path));
	size_t len;
	l->folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ret = l->folder_fd < 0 ? fail(err, -errno, "cannot open %s: %m", folder) : 0;
	free(folder);
	if (ret)
		return ret;
	int fd = openat(l->folder_fd, strrchr(l->s->path, '/') + 1, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fail(err, -errno, "cannot open %s: %m", l->s->path);
	ret = read_fd(fd, l->s->path, CONFIG_MAX_BYTES, &text, &len, err);
	if (ret)
		return ret;
	ret = config_parse(l->s->path, text, len, &l->config, err);
	if (!ret)
		ret = config_check(l->config, NULL, NULL, err);
	if (ret)
		return ret;
	lseek(fd, 0, SEEK_SET);
	add_fd(l, "--config-fd", fd);

	(void)renameat(l->folder_fd, "vmx.log", l->folder_fd, "vmx-0.log");
	*log_fd = openat(l->folder_fd, "vmx.log", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (*log_fd < 0)
		return fail(err, -errno, "cannot write vmx.log beside %s: %m", l->s->path);
	add_fd(l, "--log-fd", *log_fd);
	return 0;
}

/* The suspended machine. vmk-vmx empties it when the machine lives in memory again. */
static int open_suspended(struct launch *l, struct error *err)
{
	struct machine_file file = {.flags = O_RDWR};
	char *path = suspend_file(l->s->path);
	int fd = open_file(l, "what was suspended", strrchr(path, '/') + 1, &file, err);

	free(path);
	if (fd < 0)
		return fd;
	add_fd(l, "--resume-fd", fd);
	return 0;
}

static int wait_for_go(int report, struct error *err)
{
	char text[400];
	ssize_t n = sock_recv(report, text, sizeof(text) - 1, NULL, NULL);
	if (n <= 0)
		return fail(err, -ECANCELED, "the VMkernel has ended");
	text[n] = 0;
	return strcmp(text, "go") == 0 ? 0 : fail(err, -ECANCELED, "%s", text);
}

NORETURN static void execute(struct launch *l, int log_fd, int report)
{
	static const char *const keep[] = {"PATH", "LANG", "TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"};
	char *environment[ARRAY_SIZE(keep) + 1];
	unsigned n = 0;
	for (unsigned k = 0; k < ARRAY_SIZE(keep); k++)
		if (getenv(keep[k]))
			environment[n++] = xasprintf("%s=%s", keep[k], getenv(keep[k]));
	environment[n] = NULL;
	for (unsigned k = 0; k < l->n_fds; k++)
		fcntl(l->fds[k], F_SETFD, 0);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	l->words[l->n_words] = NULL;
	(void)!chdir("/");
	execveat(host.vmx_fd, "", l->words, environment, AT_EMPTY_PATH);
	int code = -errno;
	char *why = xasprintf("cannot execute vmk-vmx: %m");
	json_t *packet = json_pack("{s:i, s:s}", "ret", code, "error", why);
	char *text = json_dumps(packet, JSON_COMPACT);
	(void)sock_send(report, text, strlen(text), NULL, 0);
	_exit(1);
}

int spawn_run(void *arg, int report, json_t **result, struct error *err)
{
	struct launch l = {.s = arg};
	int log_fd = -1;
	(void)result;
	setsid(); /* a signal from the daemon's terminal is not for the machine */
	add_word(&l, xasprintf("vmk-vmx [%s]", l.s->name));
	add_word(&l, xstrdup("--name"));
	add_word(&l, xstrdup(l.s->name));
	add_word(&l, xstrdup("--world"));
	add_word(&l, xasprintf("%u", l.s->world));
	int ret = open_base(&l, &log_fd, err);
	if (!ret)
		ret = open_files(&l, err);
	if (!ret)
		ret = open_taps(&l, err);
	if (!ret && l.s->resume)
		ret = open_suspended(&l, err);
	if (ret)
		return ret;
	if (listen(l.s->control_fd, 16))
		return fail(err, -errno, "cannot listen on the control socket: %m");
	add_fd(&l, "--control-fd", l.s->control_fd);
	/* The one descriptor its owner might not open himself: hardware virtualisation is for every machine, not for a group. */
	if (host.kvm_fd >= 0)
		add_fd(&l, "--kvm-fd", host.kvm_fd);
	ret = wait_for_go(report, err);
	if (ret)
		return ret;
	execute(&l, log_fd, report);
}

/* The text of the last line "TIME NAME error: text" of a log's end; NULL when there is none. What a guest says may look like one. */
static char *last_error(char *text)
{
	char *found = NULL, *line, *rest = text;
	while ((line = strsep(&rest, "\n"))) {
		char *name = strchr(line, ' '), *level = name ? strchr(name + 1, ' ') : NULL;
		if (level && str_starts(level, " error: "))
			found = level + strlen(" error: ");
	}
	return found;
}

int spawn_last_words(void *arg, int report, json_t **result, struct error *err)
{
	char text[4096];
	(void)report;
	char *folder = vm_folder(job_path(arg)), *path = xasprintf("%s/vmx.log", folder);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int ret = fd < 0 ? fail(err, -errno, "cannot open %s: %m", path) : 0;
	if (!ret) {
		lseek(fd, -(off_t)(sizeof(text) - 1), SEEK_END); /* a shorter file: stays at its start */
		ssize_t n = read_full(fd, text, sizeof(text) - 1);
		text[MAX(n, 0)] = 0;
		char *words = last_error(text);
		*result = json_pack("{s:s*}", "text", words);
		if (!*result) /* not UTF-8 */
			*result = json_object();
		close(fd);
	}
	free(path);
	free(folder);
	return ret;
}
