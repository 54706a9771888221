// uses: computer lib -laugeas
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The computer's name in its files. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder_rig.h"
#include "computer/host_name.h"

TestSuite(host_name, .init = make_folder);

Test(host_name, which_are_names)
{
	static const char *const good[] = {"vm", "VM2", "a", "a-b.example.org", "2web", "3com.example",
					   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	static const char *const bad[] = {"", "a b", "a_b", "-a", "a-", "a..b", ".a", "a.", "a\n", "1.2.3.4", "12", "fd00::1", "gr\xc3\xbcn", "$(x)", "a'b",
					  "a/b", "localhost", "localhost.localdomain",
					  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
					  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	for (unsigned k = 0; k < ARRAY_SIZE(good); k++)
		cr_expect_eq(host_name_check(good[k], &err), 0, "%s", good[k]);
	for (unsigned k = 0; k < ARRAY_SIZE(bad); k++)
		cr_expect_eq(host_name_check(bad[k], &err), -EINVAL, "%s", bad[k]);
	char own[HOST_NAME_SIZE], told[256] = "";
	host_name_get(own);
	cr_assert_eq(gethostname(told, sizeof(told) - 1), 0);
	cr_expect_str_eq(own, told);
}

static void change(const char *old, const char *name)
{
	struct host_name_files files;
	cr_assert_eq(host_name_change(folder, old, name, &files, &err), 0, "%s", err.text);
	cr_assert_eq(host_name_save(&files, &err), 0, "%s", err.text);
	host_name_close(&files);
}

Test(host_name, hosts_follows)
{
	static const char *const cases[][4] = {
		/* old, new, /etc/hosts before and after */
		{"old", "new", "127.0.0.1\tlocalhost\n127.0.1.1\told\n# end\n", "127.0.0.1\tlocalhost\n127.0.1.1\tnew\n# end\n"},
		{"old", "new", "127.0.1.1 old.example old www # us\n", "127.0.1.1 new.example new www # us\n"},
		{"old", "new.other.org", "127.0.1.1 old.example old\n", "127.0.1.1 new.other.org new\n"},
		{"old.example", "new", "127.0.1.1 old.example old\n", "127.0.1.1 new new\n"},
		{"old.example", "new.example", "127.0.1.1 old.example old\n", "127.0.1.1 new.example new\n"},
		{"old", "new", "192.0.2.5 old.example old\nfd00::5 old.example old\n", "192.0.2.5 new.example new\nfd00::5 new.example new\n"},
		/* Others keep theirs. */
		{"www", "new", "192.0.2.6 www.example.org\n127.0.1.1 www\n192.0.2.7 www2 wwwold\n",
		 "192.0.2.6 www.example.org\n127.0.1.1 new\n192.0.2.7 www2 wwwold\n"},
		/* Nobody knew the old one. */
		{"old", "new", "127.0.0.1\tlocalhost\n::1 localhost\n", "127.0.0.1\tlocalhost\n127.0.1.1\tnew\n::1 localhost\n"},
		{"old", "new", "# nothing\n", "# nothing\n127.0.1.1\tnew\n"},
		{"localhost", "new", "127.0.0.1 localhost\n127.0.1.1\tother\n", "127.0.0.1 localhost\n127.0.1.1\tother new\n"},
		{"old", "new", "192.0.2.5 new\n", "192.0.2.5 new\n"},
		{"it's", "new", "127.0.1.1\tit's\n", "127.0.1.1\tnew\n"},
	};
	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		write_file("hosts", cases[k][2]);
		write_file("hostname", "whatever\n");
		change(cases[k][0], cases[k][1]);
		expect_text("hosts", cases[k][3]);
		char *line = xasprintf("%s\n", cases[k][1]);
		expect_text("hostname", line);
		free(line);
	}
}

Test(host_name, files_that_are_not_there_are_made)
{
	change("old", "new");
	expect_text("hostname", "new\n");
	expect_text("hosts", "127.0.1.1\tnew\n");
}

Test(host_name, comments_stay)
{
	write_file("hostname", "# ours\n\nold\n");
	write_file("hosts", "127.0.1.1 old\n");
	change("old", "new");
	expect_text("hostname", "# ours\n\nnew\n");
}

Test(host_name, both_files_or_none)
{
	struct host_name_files files;
	static const char bad[] = "127.0.0.1 localhost\nalone\n";
	write_file("hostname", "old\n");
	write_file("hosts", bad);
	cr_expect_eq(host_name_change(folder, "old", "new", &files, &err), -EINVAL);
	cr_expect(strstr(err.text, "hosts: line 2 "), "%s", err.text);
	expect_text("hostname", "old\n");
	expect_text("hosts", bad);

	write_file("hosts", "127.0.1.1 old\n");
	cr_assert_eq(host_name_change(folder, "old", "new", &files, &err), 0, "%s", err.text);
	/* What hosts was replaced by meanwhile takes no writing. */
	char *path = path_of("hosts"), *kept = path_of("kept");
	cr_assert_eq(rename(path, kept) || mkdir(path, 0755), 0);
	cr_expect_neq(host_name_save(&files, &err), 0);
	expect_text("hostname", "old\n");
	cr_assert_eq(rmdir(path) || rename(kept, path), 0);
	host_name_close(&files);

	cr_assert_eq(host_name_change(folder, "old", "new", &files, &err), 0, "%s", err.text);
	cr_assert_eq(host_name_save(&files, &err), 0, "%s", err.text);
	expect_text("hostname", "new\n");
	expect_text("hosts", "127.0.1.1 new\n");
	host_name_close(&files);
	free(kept);
	free(path);
}
