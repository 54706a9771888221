// SPDX-License-Identifier: GPL-2.0-or-later
/* loginshell.c - see loginshell.h */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "shell/fence.h"
#include "shell/loginshell.h"
#include "shell/shell.h"

/* Where distributions keep the two, ours first. */
static const char *const sftp_servers[] = {"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server"};
static const char *const scps[] = {"/usr/bin/scp"};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool loginshell_is_ours(void)
{
	const struct passwd *account = getpwuid(getuid());
	const char *shell = account ? base_name(account->pw_shell) : "";
	return !strcmp(shell, "vmksh") || !strcmp(shell, "vmk");
}

static const char *first_executable(const char *const paths[], size_t n)
{
	for (size_t k = 0; k < n; k++)
		if (access(paths[k], X_OK) == 0)
			return paths[k];
	return NULL;
}

/* ---- what may be reached ---- */

/*
 * The real name of `folder` when it is below a volume (which itself may be a link), else NULL; caller frees. A machine may be
 * anywhere, such as beside its owner's keys, or seem to be on a volume by a link of his: that must not open the place.
 */
static char *folder_on_volume(const char *folder, const char *volumes)
{
	size_t len = strlen(volumes);
	if (strncmp(folder, volumes, len) || folder[len] != '/' || folder[len + 1] == '.')
		return NULL;
	char *volume = xasprintf("%.*s", (int)(len + 1 + strcspn(folder + len + 1, "/")), folder);
	char *base = realpath(volume, NULL), *real = realpath(folder, NULL);
	size_t base_len = base ? strlen(base) : 0;
	/* The volume itself is everybody's. */
	if (real && (!base_len || strncmp(real, base, base_len) || real[base_len] != '/')) {
		free(real);
		real = NULL;
	}
	free(base);
	free(volume);
	return real;
}

/* The user's folder on the host's own volume, and where his machines are on others. */
static void allow_own_folders(struct shell *sh, struct fence *f, const char *own, const char *volumes)
{
	size_t k;
	json_t *row, *rows = NULL;
	struct error err;
	fence_allow(f, own, FENCE_ALL);
	if (shell_call(sh, "vm.list", NULL, &rows, NULL, &err))
		return;
	json_array_foreach(rows, k, row) {
		const char *owner = json_string_value(json_object_get(row, "owner"));
		const char *path = json_string_value(json_object_get(row, "path"));
		if (!owner || !path || strcmp(owner, sh->user))
			continue;
		char *copy = xstrdup(path);
		char *folder = folder_on_volume(dirname(copy), volumes);
		fence_allow(f, folder, FENCE_ALL);
		free(folder);
		free(copy);
	}
	json_decref(rows);
}

/* Around us and what we become: the program itself, what it loads, and the user's folders. */
static int fence_around(struct shell *sh, const char *program, const char *own, const char *volumes, struct error *err)
{
	static const char *const libraries[] = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf",
						"/etc/localtime"};
	struct fence *f = fence_open(err);
	if (!f)
		return err->code;
	for (size_t k = 0; k < ARRAY_SIZE(libraries); k++)
		fence_allow(f, libraries[k], FENCE_READ);
	fence_allow(f, "/dev/null", FENCE_READ | FENCE_WRITE);
	fence_allow(f, program, FENCE_READ | FENCE_EXECUTE);
	/* The program's interpreter, whose name the libc of the architecture knows. */
	fence_allow(f, fence_interpreter(), FENCE_READ | FENCE_EXECUTE);
	fence_allow(f, volumes, FENCE_READ);
	allow_own_folders(sh, f, own, volumes);
	return fence_close(f, err);
}

/* ---- the two commands ---- */

/* What scp(1) asks of its far end: flags that only say how, and one path. */
static bool scp_words_known(const struct words *w)
{
	static const char *const flags[] = {"-t", "-f", "-r", "-p", "-v", "-d", "-q"};
	int far = 0, paths = 0;
	for (int k = 1; k < w->n; k++) {
		bool flag = false;
		for (size_t i = 0; i < ARRAY_SIZE(flags) && !paths; i++)
			flag |= !strcmp(w->word[k], flags[i]);
		far += flag && (!strcmp(w->word[k], "-t") || !strcmp(w->word[k], "-f"));
		bool end = !paths && !strcmp(w->word[k], "--");
		/* In front of the path only known flags; an unknown one is no path either. */
		if (!flag && !end && !paths && w->word[k][0] == '-')
			return false;
		paths += !flag && !end;
	}
	return far == 1 && paths == 1 && w->word[w->n - 1][0] != '-';
}

/* Adds `-d FOLDER` for sftp-server, which takes the last it is given. */
static void add_folder(struct words *w, const char *folder)
{
	words_insert(w, w->n, xstrdup("-d"));
	words_insert(w, w->n, xstrdup(folder));
}

static int become(struct shell *sh, const char *program, struct words *w, bool sftp, struct error *err)
{
	struct error why;
	char *volumes = root_path("vmfs/volumes"), *own = NULL;
	/* Without a host there is still what the account itself tells. */
	if (shell_connect(sh, &why)) {
		const struct passwd *account = getpwuid(getuid());
		str_copy(sh->user, sizeof(sh->user), account ? account->pw_name : "");
	}
	if (*sh->user)
		own = root_path("vmfs/volumes/local/%s", sh->user);
	const char *folder = own && access(own, X_OK) == 0 ? own : volumes;
	int ret = fence_around(sh, program, own ? own : volumes, volumes, err);
	vmk_disconnect(sh->client);
	sh->client = NULL;
	if (!ret && chdir(folder))
		ret = fail(err, -errno, "cannot go to %s: %m", folder);
	if (!ret && sftp)
		add_folder(w, folder);
	if (!ret) {
		execv(program, w->word);
		ret = fail(err, -errno, "cannot execute %s: %m", program);
	}
	free(own);
	free(volumes);
	return ret;
}

int loginshell_transfer(struct shell *sh, const char *command, struct error *err)
{
	struct words w;
	const char *rest = command;
	if (words_next(&rest, NULL, &w, NULL) <= 0)
		return 0;
	const char *name = w.n ? base_name(w.word[0]) : "";
	bool sftp = !strcmp(name, "sftp-server"), scp = !strcmp(name, "scp");
	const char *program = sftp ? first_executable(sftp_servers, ARRAY_SIZE(sftp_servers)) : first_executable(scps, ARRAY_SIZE(scps));
	int ret = 0;
	if (!sftp && !scp)
		ret = 0;
	else if (*rest || (scp && !scp_words_known(&w)))
		ret = fail(err, -EPERM, "%s is run here for sftp and scp only", name);
	else if (!program)
		ret = fail(err, -ENOENT, "%s is not installed on this host", name);
	else
		ret = become(sh, program, &w, sftp, err);
	words_free(&w);
	return ret;
}
