// uses: pam lib api -lcrypt -ljansson -lpam
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The private host's users. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util.h"
#include "pam/users.h"
#include "temporary.h"

static char folder[TEMPORARY_PATH];

static void make_root(void)
{
	set_root(temporary_folder(folder));
}

static void remove_root(void)
{
	cr_expect_eq(temporary_remove(folder), 0);
}

TestSuite(users, .init = make_root, .fini = remove_root);

static char *content(const char *file)
{
	char *path = root_path("etc/vmk/%s", file), *text = NULL;
	cr_assert_eq(read_file(path, 1 << 20, &text, NULL, NULL), 0);
	free(path);
	return text;
}

Test(users, add_verify_change_delete)
{
	struct error err = {0};
	struct user u, v;
	cr_assert_eq(users_add("demo", "geheim", &u, &err), 0, "%s", err.text);
	cr_expect_eq(u.uid, USER_FIRST_UID);
	cr_expect_eq(u.gid, u.uid);
	cr_expect_eq(users_verify("demo", "geheim", &err), 0);
	cr_expect_eq(users_verify("demo", "Geheim", &err), -EACCES);
	cr_expect_eq(users_verify("demo", "", &err), -EACCES);
	cr_expect_eq(users_verify("demi", "geheim", &err), -EACCES);
	cr_expect_str_eq(err.text, "wrong user name or password");

	cr_assert_eq(users_add("susie", "s", &v, &err), 0);
	cr_expect_eq(v.uid, u.uid + 1);
	cr_expect_eq(users_set_password("demo", "neu", &err), 0);
	cr_expect_eq(users_verify("demo", "neu", &err), 0);
	cr_expect_eq(users_verify("demo", "geheim", &err), -EACCES);
	cr_expect_eq(users_verify("susie", "s", &err), 0);

	cr_assert_eq(users_find("susie", &v, &err), 0);
	cr_expect(!v.locked);
	cr_assert_eq(users_delete("susie", &err), 0);
	cr_expect_eq(users_find("susie", &v, &err), -ENOENT);
	cr_expect_str_eq(err.text, "no user named susie");
	cr_expect_eq(users_verify("susie", "s", &err), -EACCES);
	cr_expect_eq(users_delete("susie", &err), -ENOENT);
	cr_expect_eq(users_set_password("susie", "x", &err), -ENOENT);
	char *shadow = content("shadow");
	cr_expect_null(strstr(shadow, "susie"));
	free(shadow);

	/* A deleted user's number never comes back: his files may still be there. */
	cr_assert_eq(users_add("next", "s", &v, &err), 0);
	cr_expect_eq(v.uid, u.uid + 2);
}

Test(users, files)
{
	struct error err;
	struct stat st;
	cr_assert_eq(users_add("demo", "geheim", NULL, &err), 0);
	char *shadow = content("shadow"), *passwd = content("passwd"), *path = root_path("etc/vmk/shadow");
	cr_expect(str_starts(shadow, "demo:$y$"), "%s", shadow);
	cr_expect_null(strstr(shadow, "geheim"));
	cr_expect_null(strstr(passwd, "$y$"));
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	free(path);
	path = root_path("etc/vmk/passwd");
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0644);
	free(path);
	free(shadow);
	free(passwd);
}

Test(users, names_and_passwords_that_are_refused)
{
	static const char *const names[] = {"", "Demo", "1demo", "-x", "de mo", "de:mo", "de\nmo", "d\xc3\xa9", "root",
					    "abcdefghijklmnopqrstuvwxyzabcdef"};
	struct error err;
	char long_password[USER_PASSWORD_MAX + 2];
	for (unsigned k = 0; k < ARRAY_SIZE(names); k++)
		cr_expect_lt(users_add(names[k], "x", NULL, &err), 0, "%s", names[k]);
	memset(long_password, 'x', sizeof(long_password) - 1);
	long_password[sizeof(long_password) - 1] = 0;
	cr_expect_eq(users_add("demo", "", NULL, &err), -EINVAL);
	cr_expect_eq(users_add("demo", "a\nb", NULL, &err), -EINVAL);
	cr_expect_eq(users_add("demo", long_password, NULL, &err), -EINVAL);
	long_password[USER_PASSWORD_MAX] = 0;
	cr_expect_eq(users_add("demo", long_password, NULL, &err), 0);
	cr_expect_eq(users_verify("demo", long_password, &err), 0);
	long_password[USER_PASSWORD_MAX - 1] = 0;
	cr_expect_eq(users_verify("demo", long_password, &err), -EACCES);
	cr_expect_eq(users_add("demo", "x", NULL, &err), -EEXIST);
}

Test(users, locked)
{
	struct error err;
	struct user u;
	cr_assert_eq(users_add("demo", NULL, NULL, &err), 0);
	cr_assert_eq(users_find("demo", &u, &err), 0);
	cr_expect(u.locked);
	cr_expect_eq(users_verify("demo", "", &err), -EACCES);
	cr_expect_eq(users_verify("demo", "!", &err), -EACCES);
	cr_assert_eq(users_set_password("demo", "auf", &err), 0);
	cr_expect_eq(users_verify("demo", "auf", &err), 0);
}

Test(users, an_installed_host_has_the_systems)
{
	struct error err;
	char name[USER_NAME_SIZE];
	uid_t uid;
	gid_t gid;
	set_root("/");
	cr_expect(!users_private());
	cr_expect_eq(users_add("demo", "x", NULL, &err), -EOPNOTSUPP);
	cr_expect_not_null(strstr(err.text, "useradd"));
	cr_expect_eq(users_delete("demo", &err), -EOPNOTSUPP);
	cr_expect_eq(users_set_password("demo", "x", &err), -EOPNOTSUPP);
	users_name_of(0, name);
	cr_expect_str_eq(name, "root");
	cr_expect_eq(users_uid_of("root", &uid, &gid, &err), 0);
	cr_expect_eq(uid, 0);
}

Test(users, names_of_numbers)
{
	struct error err;
	char name[USER_NAME_SIZE];
	uid_t uid;
	gid_t gid;
	cr_assert_eq(users_add("demo", "x", NULL, &err), 0);
	users_name_of(USER_FIRST_UID, name);
	cr_expect_str_eq(name, "demo");
	users_name_of(USER_FIRST_UID + 77, name);
	cr_expect_str_eq(name, "10077");
	cr_expect_eq(users_uid_of("demo", &uid, &gid, &err), 0);
	cr_expect_eq(uid, USER_FIRST_UID);
	cr_expect_eq(users_uid_of("nobody-of-this-name", &uid, &gid, &err), -ENOENT);
}

Test(users, broken_files_are_survived)
{
	struct error err;
	struct user u;
	cr_assert_eq(users_add("demo", "x", NULL, &err), 0);
	char *path = root_path("etc/vmk/passwd"), *shadow = root_path("etc/vmk/shadow"), *next = root_path("etc/vmk/next-uid");
	const char *text = "\n:::\nonly\na:b\nzero:x:0:0:::\nbig:x:99999999999:1::h:\ndemo:x:10000:10000:demo:/h:/bin/false:extra\n"
			   "susie:x:10005:10005::/h:/s";
	cr_assert_eq(replace_file(path, text, strlen(text), 0644, &err), 0);
	cr_expect_eq(users_find("zero", &u, &err), -ENOENT); /* nobody becomes root by a line in a file */
	cr_expect_eq(users_find("big", &u, &err), -ENOENT);
	cr_expect_eq(users_find("demo", &u, &err), -ENOENT);
	cr_expect_eq(users_find("susie", &u, &err), 0);
	cr_expect(u.locked);
	/* Lines of other hands stay. */
	cr_assert_eq(users_add("new", "x", &u, &err), 0);
	cr_expect_eq(u.uid, 10006);
	char *after = content("passwd");
	cr_expect_not_null(strstr(after, "\nonly\n"));
	free(after);
	cr_assert_eq(replace_file(shadow, "\n\nnew\nnew:\n", 11, 0600, &err), 0);
	cr_expect_eq(users_verify("new", "x", &err), -EACCES);
	cr_assert_eq(replace_file(next, "many\n", 5, 0644, &err), 0);
	cr_expect_eq(users_add("more", "x", &u, &err), -EBADMSG);
	free(path);
	free(shadow);
	free(next);
}

/* Several processes at once: none is lost, no number twice. */
Test(users, parallel_changes)
{
	pid_t pids[4];
	struct user a, b;
	struct error err;
	cr_assert_eq(users_add("first", NULL, NULL, &err), 0);
	for (int k = 0; k < 4; k++) {
		pids[k] = fork();
		if (pids[k] == 0) {
			int bad = 0;
			for (int n = 0; n < 5; n++) {
				char name[32];
				snprintf(name, sizeof(name), "u%d-%d", k, n);
				bad |= users_add(name, NULL, NULL, NULL);
			}
			_exit(bad ? 1 : 0);
		}
	}
	for (int k = 0; k < 4; k++) {
		int status;
		waitpid(pids[k], &status, 0);
		cr_expect_eq(status, 0);
	}
	for (int k = 0; k < 20; k++) {
		char name[32];
		snprintf(name, sizeof(name), "u%d-%d", k / 5, k % 5);
		cr_assert_eq(users_find(name, &a, &err), 0, "%s", name);
		if (k) {
			char other[32];
			snprintf(other, sizeof(other), "u%d-%d", (k - 1) / 5, (k - 1) % 5);
			cr_assert_eq(users_find(other, &b, &err), 0);
			cr_expect_neq(a.uid, b.uid);
		}
	}
}
