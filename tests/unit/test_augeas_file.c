// uses: computer lib -laugeas
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration files of the computer's, read and changed by augeas. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder_rig.h"
#include "computer/augeas_file.h"

#define HOSTS "Hosts.lns"

TestSuite(augeas_file, .init = make_folder);

static struct augeas_file *open_file(const char *name, const char *lens)
{
	struct augeas_file *f;
	int ret = augeas_file_open(folder, name, lens, &f, &err);
	cr_assert_eq(ret, 0, "%s", err.text);
	return f;
}

static const char hosts[] = "# who is who\n127.0.0.1\tlocalhost\n\n127.0.1.1   old.example old  # us\n192.0.2.1 other\n";

Test(augeas_file, changes_one_thing_and_keeps_the_rest)
{
	write_text("hosts", hosts, strlen(hosts));
	struct augeas_file *f = open_file("hosts", HOSTS);
	cr_expect(augeas_file_exists(f));
	cr_expect_str_eq(augeas_file_get(f, "*[ipaddr = '%s']/canonical", "127.0.1.1"), "old.example");
	cr_expect_eq(augeas_file_count(f, "*[ipaddr]"), 3);
	cr_expect_null(augeas_file_get(f, "*[ipaddr]/canonical"), "three are not one");
	cr_expect_null(augeas_file_get(f, "nothing"));
	cr_expect_eq(augeas_file_set(f, "x", &err, "*[ipaddr]/canonical"), -EINVAL);
	cr_assert_eq(augeas_file_set(f, "new", &err, "*[ipaddr = '127.0.1.1']/canonical"), 0, "%s", err.text);
	cr_expect_eq(augeas_file_remove(f, "*[ipaddr = '127.0.1.1']/alias"), 1);
	cr_assert_eq(augeas_file_save(f, &err), 0, "%s", err.text);
	expect_text("hosts", "# who is who\n127.0.0.1\tlocalhost\n\n127.0.1.1   new  # us\n192.0.2.1 other\n");
	cr_assert_eq(augeas_file_restore(f, &err), 0, "%s", err.text);
	expect_text("hosts", hosts);
	augeas_file_close(f);
}

/* As a container's /etc/hosts is: nothing can be renamed to it. */
Test(augeas_file, puts_back_what_is_a_mount)
{
	write_text("hosts", hosts, strlen(hosts));
	write_text("mounted", hosts, strlen(hosts));
	char *path = xasprintf("%s/hosts", folder), *source = xasprintf("%s/mounted", folder);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount(source, path, NULL, MS_BIND, NULL))
		cr_skip_test("needs leave to mount");
	struct augeas_file *f = open_file("hosts", HOSTS);
	cr_assert_eq(augeas_file_set(f, "new", &err, "*[ipaddr = '127.0.1.1']/canonical"), 0, "%s", err.text);
	cr_assert_eq(augeas_file_save(f, &err), 0, "%s", err.text);
	cr_assert_eq(augeas_file_restore(f, &err), 0, "%s", err.text);
	expect_text("hosts", hosts);
	augeas_file_close(f);
	cr_expect_eq(umount(path), 0);
	free(source);
	free(path);
}

Test(augeas_file, inserts_and_lists_in_the_order_of_the_file)
{
	write_text("hosts", hosts, strlen(hosts));
	struct augeas_file *f = open_file("hosts", HOSTS);
	cr_assert_eq(augeas_file_insert(f, "01", false, &err, "*[ipaddr = '127.0.0.1']"), 0, "%s", err.text);
	cr_assert_eq(augeas_file_set(f, "192.0.2.9", &err, "01/ipaddr"), 0, "%s", err.text);
	cr_assert_eq(augeas_file_set(f, "nine", &err, "01/canonical"), 0, "%s", err.text);
	char **all = augeas_file_matches(f, "*/canonical");
	static const char *const wanted[] = {"localhost", "nine", "old.example", "other"};
	for (unsigned k = 0; k < ARRAY_SIZE(wanted); k++) {
		cr_assert(all[k]);
		cr_expect_str_eq(augeas_file_get(f, "%s", all[k]), wanted[k]);
	}
	cr_expect_null(all[ARRAY_SIZE(wanted)]);
	augeas_file_free_matches(all);
	all = augeas_file_matches(f, "none");
	cr_assert(all && !all[0]);
	augeas_file_free_matches(all);
	cr_assert_eq(augeas_file_save(f, &err), 0, "%s", err.text);
	augeas_file_close(f);
	expect_text("hosts", "# who is who\n127.0.0.1\tlocalhost\n192.0.2.9\tnine\n\n127.0.1.1   old.example old  # us\n192.0.2.1 other\n");
}

Test(augeas_file, makes_a_file_that_is_missing)
{
	struct augeas_file *f = open_file("hosts", HOSTS);
	cr_expect_not(augeas_file_exists(f));
	cr_assert_eq(augeas_file_save(f, &err), 0, "%s", err.text);
	char *path = path_of("hosts");
	struct stat st;
	cr_expect_eq(access(path, F_OK), -1, "nothing was changed, and nothing is to be written");
	umask(022);
	cr_assert_eq(augeas_file_set(f, "127.0.1.1", &err, "01/ipaddr"), 0, "%s", err.text);
	cr_assert_eq(augeas_file_set(f, "vm", &err, "01/canonical"), 0, "%s", err.text);
	cr_assert_eq(augeas_file_save(f, &err), 0, "%s", err.text);
	expect_text("hosts", "127.0.1.1\tvm\n");
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0644);
	cr_assert_eq(augeas_file_restore(f, &err), 0, "%s", err.text);
	cr_expect_eq(access(path, F_OK), -1);
	augeas_file_close(f);
	free(path);
}

Test(augeas_file, mode_and_link_stay)
{
	char *real = path_of("real"), *link = path_of("hosts");
	struct stat st;
	write_text("real", hosts, strlen(hosts));
	cr_assert_eq(chmod(real, 0600) || symlink("real", link), 0);
	struct augeas_file *f = open_file("hosts", HOSTS);
	cr_assert_eq(augeas_file_set(f, "new", &err, "2/canonical"), 0, "%s", err.text);
	for (unsigned k = 0; k < 2; k++) {
		if (k)
			cr_assert_eq(augeas_file_restore(f, &err), 0, "%s", err.text);
		else
			cr_assert_eq(augeas_file_save(f, &err), 0, "%s", err.text);
		cr_assert_eq(lstat(link, &st), 0);
		cr_expect(S_ISLNK(st.st_mode));
		cr_assert_eq(stat(link, &st), 0);
		cr_expect_eq(st.st_mode & 0777, 0600);
		char *text;
		cr_assert_eq(read_file(real, 1 << 20, &text, NULL, &err), 0);
		cr_expect_eq(strstr(text, "new") != NULL, !k);
		free(text);
	}
	augeas_file_close(f);
	free(real);
	free(link);
}

static void expect_refused(const char *name, const char *lens, int code, const char *words)
{
	struct augeas_file *f = (void *)1;
	memset(&err, 0, sizeof(err));
	cr_expect_eq(augeas_file_open(folder, name, lens, &f, &err), code, "%s: %s", name, err.text);
	cr_expect_null(f);
	cr_expect(strstr(err.text, words), "%s: %s", name, err.text);
}

Test(augeas_file, what_is_no_such_file_is_refused)
{
	char *path = path_of("pipe"), *inner = path_of("folder"), *loop = path_of("loop");
	cr_assert_eq(mkfifo(path, 0600) || mkdir(inner, 0755) || symlink("loop", loop), 0);
	expect_refused("pipe", HOSTS, -EINVAL, "it is not a file");
	expect_refused("folder", HOSTS, -EISDIR, "it is not a file");
	expect_refused("loop", HOSTS, -ELOOP, "cannot read");
	expect_refused("a*b", HOSTS, -EINVAL, "its name");
	write_text("hosts", hosts, strlen(hosts));
	expect_refused("hosts", "Nothing_Like_It.lns", -ENOPKG, "Nothing_Like_It");
	write_text("hosts", "127.0.0.1\0localhost\n", 20);
	expect_refused("hosts", HOSTS, -EINVAL, "not a text");
	char *large = xcalloc(1, 1 << 20);
	memset(large, '#', 1 << 20);
	write_text("hosts", large, 1 << 20);
	expect_refused("hosts", HOSTS, -EFBIG, "hosts");
	free(large);
	static const char bad[] = "127.0.0.1 localhost\n# fine\none-word\n192.0.2.1 other\n";
	write_text("hosts", bad, strlen(bad));
	expect_refused("hosts", HOSTS, -EINVAL, "hosts: line 3 ");
	expect_text("hosts", bad);
	free(path);
	free(inner);
	free(loop);
}

Test(augeas_file, a_tree_that_does_not_fit_is_not_written)
{
	write_text("hosts", hosts, strlen(hosts));
	struct augeas_file *f = open_file("hosts", HOSTS);
	cr_assert_eq(augeas_file_set(f, "two words", &err, "1/canonical"), 0, "%s", err.text);
	cr_expect_eq(augeas_file_save(f, &err), -EINVAL);
	cr_expect(strstr(err.text, "would not be understood"), "%s", err.text);
	augeas_file_close(f);
	expect_text("hosts", hosts);
}

Test(augeas_file, names_mean_themselves)
{
	static const char *const names[] = {"a b(c)=d,e|f!", "sub.d/10 x.conf"};
	char *sub = path_of("sub.d");
	cr_assert_eq(mkdir(sub, 0755), 0);
	for (unsigned k = 0; k < ARRAY_SIZE(names); k++) {
		write_text(names[k], hosts, strlen(hosts));
		struct augeas_file *f = open_file(names[k], HOSTS);
		cr_expect_str_eq(augeas_file_get(f, "1/canonical"), "localhost");
		cr_assert_eq(augeas_file_set(f, "new", &err, "1/canonical"), 0, "%s", err.text);
		cr_assert_eq(augeas_file_save(f, &err), 0, "%s", err.text);
		augeas_file_close(f);
		char *path = path_of(names[k]), *text;
		cr_assert_eq(read_file(path, 1 << 20, &text, NULL, &err), 0);
		cr_expect(strstr(text, "127.0.0.1\tnew\n"), "%s", text);
		free(text);
		free(path);
	}
	free(sub);
}
