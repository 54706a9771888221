/* SPDX-License-Identifier: GPL-2.0-or-later */
/* users.c - see users.h */
#include <crypt.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"
#include "pam/users.h"

#define USERS_MAX_BYTES (1024 * 1024)
#define LOCK_TRIES 50 /* of 100 ms each */
/* What is verified for a user who does not exist, so that the answer takes as long. */
#define NOBODY_SETTING "$y$j9T$AAAAAAAAAAAAAAAAAAAAA.$"

bool users_private(void)
{
	const char *root = get_root();
	return root[0] && strcmp(root, "/") != 0;
}

static int need_private(struct error *err)
{
	if (users_private())
		return 0;
	return fail(err, -EOPNOTSUPP,
		    "this host's users are the system's: use useradd, passwd and userdel (or your directory's tools)");
}

bool users_name_valid(const char *name)
{
	size_t len = strlen(name);
	if (!len || len >= USER_NAME_SIZE || !islower((unsigned char)name[0]))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

static int users_file(const char *file, char **text, size_t *len, struct error *err)
{
	char *path = root_path("etc/vmk/%s", file);
	struct error why;
	int ret = read_file(path, USERS_MAX_BYTES, text, len, &why);
	if (ret == -ENOENT) { /* no users yet */
		*text = xstrdup("");
		*len = 0;
		ret = 0;
	} else if (ret) {
		fail(err, ret, "%s", why.text);
	}
	free(path);
	return ret;
}

/* Cuts the next line off *rest; NULL at the end. */
static char *next_line(char **rest)
{
	char *line = *rest;
	if (!*line)
		return NULL;
	char *end = strchrnul(line, '\n');
	*rest = *end ? end + 1 : end;
	*end = 0;
	return line;
}

/* Cuts the line into exactly `n` fields at its colons. */
static bool split_fields(char *line, char *fields[], unsigned n)
{
	for (unsigned k = 0; k < n; k++) {
		fields[k] = line;
		line = strchr(line, ':');
		if (!line)
			return k + 1 == n;
		*line++ = 0;
	}
	return false;
}

/* name:x:uid:gid:gecos:home:shell */
static bool parse_passwd(char *line, struct user *u)
{
	char *field[7];
	u64 uid, gid;
	if (!split_fields(line, field, ARRAY_SIZE(field)) || !users_name_valid(field[0]) ||
	    !parse_u64(field[2], 1, UINT32_MAX - 1, &uid) || !parse_u64(field[3], 1, UINT32_MAX - 1, &gid))
		return false;
	*u = (struct user){.uid = (uid_t)uid, .gid = (gid_t)gid};
	str_copy(u->name, sizeof(u->name), field[0]);
	str_copy(u->home, sizeof(u->home), field[5]);
	return true;
}

int users_each(int (*fn)(void *arg, const struct user *u), void *arg, struct error *err)
{
	char *text, *line;
	size_t len;
	int ret = need_private(err);
	if (!ret)
		ret = users_file("passwd", &text, &len, err);
	if (ret)
		return ret;
	char *rest = text;
	while (!ret && (line = next_line(&rest))) {
		struct user u;
		if (parse_passwd(line, &u))
			ret = fn(arg, &u);
	}
	free(text);
	return ret;
}

struct find {
	const char *name; /* or NULL: by uid */
	uid_t uid;
	struct user user;
};

static int find_one(void *arg, const struct user *u)
{
	struct find *f = arg;
	if (f->name ? strcmp(f->name, u->name) != 0 : f->uid != u->uid)
		return 0;
	f->user = *u;
	return 1;
}

/* The password hash of `name`, in a buffer the caller frees; NULL when there is none. */
static int shadow_hash(const char *name, char **hash, struct error *err)
{
	char *text, *line;
	size_t len;
	*hash = NULL;
	int ret = users_file("shadow", &text, &len, err);
	if (ret)
		return ret;
	char *rest = text;
	while (!*hash && (line = next_line(&rest))) {
		char *second = strchr(line, ':');
		if (!second)
			continue;
		*second++ = 0;
		if (strcmp(line, name) == 0) {
			second[strcspn(second, ":")] = 0;
			*hash = xstrdup(second);
		}
	}
	explicit_bzero(text, len);
	free(text);
	return 0;
}

static bool hash_usable(const char *hash)
{
	return hash && hash[0] == '$';
}

int users_find(const char *name, struct user *out, struct error *err)
{
	struct find f = {.name = name};
	char *hash = NULL;
	int ret = users_each(find_one, &f, err);
	if (ret < 0)
		return ret;
	if (!ret)
		return fail(err, -ENOENT, "no user named %s", name);
	*out = f.user;
	if (shadow_hash(name, &hash, NULL) == 0)
		out->locked = !hash_usable(hash);
	free(hash);
	return 0;
}

static bool name_known(uid_t uid, char name[USER_NAME_SIZE])
{
	struct find f = {.uid = uid};
	struct passwd pw, *found = NULL;
	char buf[4096];
	if (users_private() && users_each(find_one, &f, NULL) == 1)
		str_copy(name, USER_NAME_SIZE, f.user.name);
	else if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found)
		str_copy(name, USER_NAME_SIZE, pw.pw_name);
	else
		return false;
	return true;
}

bool users_uid_known(uid_t uid)
{
	char name[USER_NAME_SIZE];
	return name_known(uid, name);
}

void users_name_of(uid_t uid, char name[USER_NAME_SIZE])
{
	if (!name_known(uid, name))
		snprintf(name, USER_NAME_SIZE, "%u", (unsigned)uid);
}

int users_uid_of(const char *name, uid_t *uid, gid_t *gid, struct error *err)
{
	struct find f = {.name = name};
	struct passwd pw, *found = NULL;
	char buf[4096];
	if (users_private() && users_each(find_one, &f, NULL) == 1) {
		*uid = f.user.uid;
		*gid = f.user.gid;
	} else if (getpwnam_r(name, &pw, buf, sizeof(buf), &found) == 0 && found) {
		*uid = pw.pw_uid;
		*gid = pw.pw_gid;
	} else {
		return fail(err, -ENOENT, "no user named %s", name);
	}
	return 0;
}

/* --- changes: all under the lock, each file replaced as a whole --- */

static int users_lock(struct error *err)
{
	char *path = root_path("etc/vmk/passwd.lock");
	char *dir = root_path("etc/vmk");
	int ret = make_dirs(dir, 0755, err);
	free(dir);
	if (!ret) {
		ret = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (ret < 0)
			ret = fail(err, -errno, "cannot open %s: %m", path);
	}
	free(path);
	if (ret < 0)
		return ret;
	for (int k = 0; flock(ret, LOCK_EX | LOCK_NB); k++) {
		if (k == LOCK_TRIES) {
			close(ret);
			return fail(err, -EBUSY, "somebody else is changing the users: try again");
		}
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
	return ret;
}

static int write_users_file(const char *file, const char *text, mode_t mode, struct error *err)
{
	char *path = root_path("etc/vmk/%s", file);
	int ret = replace_file(path, text, strlen(text), mode, err);
	free(path);
	return ret;
}

/* Rewrites `file` with the line of `name` replaced by `line` (added when new; NULL removes it). */
static int edit_file(const char *file, mode_t mode, const char *name, const char *line, struct error *err)
{
	char *text, *old;
	size_t len, name_len = strlen(name);
	int ret = users_file(file, &text, &len, err);
	if (ret)
		return ret;
	size_t room = len + (line ? strlen(line) : 0) + 3, out_len = 0;
	char *out = xcalloc(1, room), *rest = text;
	bool written = !line;
	while ((old = next_line(&rest))) {
		bool match = strncmp(old, name, name_len) == 0 && old[name_len] == ':';
		if (match && written)
			continue;
		out_len += (size_t)snprintf(out + out_len, room - out_len, "%s\n", match ? line : old);
		written |= match;
	}
	if (!written)
		snprintf(out + out_len, room - out_len, "%s\n", line);
	ret = write_users_file(file, out, mode, err);
	explicit_bzero(text, len);
	explicit_bzero(out, room);
	free(text);
	free(out);
	return ret;
}

static int check_password(const char *password, struct error *err)
{
	size_t len = strlen(password);
	if (!len)
		return fail(err, -EINVAL, "the password is empty");
	if (len > USER_PASSWORD_MAX)
		return fail(err, -EINVAL, "the password is longer than %d bytes", USER_PASSWORD_MAX);
	for (size_t k = 0; k < len; k++)
		if (iscntrl((unsigned char)password[k]))
			return fail(err, -EINVAL, "the password has a control character in it");
	return 0;
}

/* crypt() with its 32 KB of state on the heap, cleared afterwards. */
static int hash_password(const char *password, const char *setting, char out[CRYPT_OUTPUT_SIZE])
{
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *hash = crypt_rn(password, setting, data, sizeof(*data));
	int ret = hash && hash[0] != '*' ? 0 : -EINVAL;
	if (!ret)
		str_copy(out, CRYPT_OUTPUT_SIZE, hash);
	explicit_bzero(data, sizeof(*data));
	free(data);
	return ret;
}

static int write_shadow(const char *name, const char *password, struct error *err)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE], hash[CRYPT_OUTPUT_SIZE] = "!";
	if (password && (!crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) ||
			 hash_password(password, setting, hash)))
		return fail(err, -ENOSYS, "libcrypt cannot make a yescrypt hash");
	char *line = xasprintf("%s:%s:%lld:0:99999:7:::", name, hash, (long long)(time(NULL) / 86400));
	int ret = edit_file("shadow", 0600, name, line, err);
	explicit_bzero(line, strlen(line));
	explicit_bzero(hash, sizeof(hash));
	free(line);
	return ret;
}

static int highest_uid(void *arg, const struct user *u)
{
	u64 *highest = arg;
	*highest = MAX(*highest, (u64)u->uid);
	return 0;
}

/* Next free uid, noted as used before anything is made with it. */
static int take_uid(u64 *uid, struct error *err)
{
	char *text;
	size_t len;
	u64 next = USER_FIRST_UID, highest = USER_FIRST_UID - 1;
	int ret = users_file("next-uid", &text, &len, err);
	if (ret)
		return ret;
	text[strcspn(text, "\n")] = 0;
	if (*text && !parse_u64(text, USER_FIRST_UID, UINT32_MAX - 2, &next))
		ret = fail(err, -EBADMSG, "etc/vmk/next-uid does not hold a uid");
	free(text);
	if (!ret)
		ret = users_each(highest_uid, &highest, err);
	if (ret)
		return ret;
	*uid = MAX(next, highest + 1);
	if (*uid > UINT32_MAX - 2)
		return fail(err, -ENOSPC, "no uid is left");
	char line[32];
	snprintf(line, sizeof(line), "%llu\n", (unsigned long long)*uid + 1);
	return write_users_file("next-uid", line, 0644, err);
}

int users_add(const char *name, const char *password, struct user *out, struct error *err)
{
	struct find f = {.name = name};
	u64 uid;
	int ret = need_private(err);
	if (ret)
		return ret;
	if (!users_name_valid(name))
		return fail(err, -EINVAL, "a user's name is lower-case letters, digits, - and _, begins with a letter and has at most %d characters", USER_NAME_SIZE - 1);
	if (strcmp(name, "root") == 0)
		return fail(err, -EEXIST, "root is the system's administrator: choose another name");
	if (password && (ret = check_password(password, err)))
		return ret;
	int lock = users_lock(err);
	if (lock < 0)
		return lock;
	ret = users_each(find_one, &f, err);
	if (ret) {
		ret = ret < 0 ? ret : fail(err, -EEXIST, "there is a user named %s already", name);
		goto out;
	}
	ret = take_uid(&uid, err);
	if (ret)
		goto out;
	char *home = root_path("vmfs/volumes/local/%s", name);
	char *line = xasprintf("%s:x:%llu:%llu:%s:%s:/bin/false", name, (unsigned long long)uid, (unsigned long long)uid,
			       name, home);
	/* The hash first: a name without a shadow line cannot log in, the reverse would be a leftover. */
	ret = write_shadow(name, password, err);
	if (!ret && (ret = edit_file("passwd", 0644, name, line, err)))
		edit_file("shadow", 0600, name, NULL, NULL);
	if (!ret && out) {
		*out = (struct user){.uid = (uid_t)uid, .gid = (gid_t)uid, .locked = !password};
		str_copy(out->name, sizeof(out->name), name);
		str_copy(out->home, sizeof(out->home), home);
	}
	free(home);
	free(line);
out:
	close(lock);
	return ret;
}

/* users_lock(), where there is that user. */
static int user_lock(const char *name, struct error *err)
{
	struct user u;
	int lock = users_lock(err);
	if (lock < 0)
		return lock;
	int ret = users_find(name, &u, err);
	if (!ret)
		return lock;
	close(lock);
	return ret;
}

int users_set_password(const char *name, const char *password, struct error *err)
{
	int ret = need_private(err);
	if (!ret)
		ret = check_password(password, err);
	if (ret)
		return ret;
	int lock = user_lock(name, err);
	if (lock < 0)
		return lock;
	ret = write_shadow(name, password, err);
	close(lock);
	return ret;
}

int users_delete(const char *name, struct error *err)
{
	int ret = need_private(err);
	if (ret)
		return ret;
	int lock = user_lock(name, err);
	if (lock < 0)
		return lock;
	ret = edit_file("passwd", 0644, name, NULL, err);
	if (!ret)
		ret = edit_file("shadow", 0600, name, NULL, err);
	close(lock);
	return ret;
}

/* Compares without telling by its time where the difference is. */
static bool same_hash(const char *a, const char *b)
{
	size_t len = strlen(a);
	if (strlen(b) != len)
		return false;
	unsigned char differ = 0;
	for (size_t k = 0; k < len; k++)
		differ |= (unsigned char)(a[k] ^ b[k]);
	return differ == 0;
}

int users_verify(const char *name, const char *password, struct error *err)
{
	struct find f = {.name = name};
	char *hash = NULL, computed[CRYPT_OUTPUT_SIZE] = "";
	int ret = users_each(find_one, &f, err);
	if (ret < 0)
		return ret;
	bool known = ret == 1;
	ret = shadow_hash(name, &hash, err);
	if (ret)
		return ret;
	bool usable = known && hash_usable(hash);
	int hashed = hash_password(password, usable ? hash : NOBODY_SETTING, computed);
	bool right = usable && hashed == 0 && same_hash(hash, computed);
	explicit_bzero(computed, sizeof(computed));
	if (hash)
		explicit_bzero(hash, strlen(hash));
	free(hash);
	return right ? 0 : fail(err, -EACCES, "wrong user name or password");
}
