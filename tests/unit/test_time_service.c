// uses: computer lib -laugeas -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time services: which there is, the servers in its files, and what the daemon thinks of the clock. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder_rig.h"
#include "computer/time_servers.h"

TestSuite(time_service, .init = make_folder);

static struct time_service_state look(void)
{
	struct time_service_state s;
	time_service_look(folder, &s);
	return s;
}

static void install(const char *program, const char *script)
{
	write_file(program, "");
	if (script)
		write_file(script, "");
}

static void expect_service(const char *name, bool on, bool enabled)
{
	struct time_service_state s = look();
	cr_assert(s.service, "%s is not found", name);
	cr_expect_str_eq(s.service->name, name);
	cr_expect_eq(s.on, on, "%s", name);
	cr_expect_eq(s.enabled, enabled, "%s", name);
}

/* ---- which there is ---- */

Test(time_service, none)
{
	cr_expect_null(look().service);
	/* What a package leaves behind that was removed, and a program nobody starts. */
	write_file("etc/init.d/chrony", "");
	write_file("usr/sbin/ntpd", "");
	cr_expect_null(look().service);
	/* Without systemd, timesyncd is of no use. */
	install("lib/systemd/systemd-timesyncd", "lib/systemd/system/systemd-timesyncd.service");
	cr_expect_null(look().service);
}

Test(time_service, each_by_its_files)
{
	install("usr/sbin/ntpd", "etc/init.d/ntpsec");
	expect_service("ntpsec", false, false);
	write_file("etc/init.d/openntpd", "");
	expect_service("ntpsec", false, false);
	write_file("etc/rc3.d/S01openntpd", "");
	expect_service("openntpd", false, true);
	install("usr/local/sbin/chronyd", "etc/init.d/chrony");
	expect_service("openntpd", false, true);
	write_file("etc/rc2.d/K01chrony", "");
	expect_service("openntpd", false, true);
	write_file("etc/rc2.d/S01chrony", "");
	expect_service("chrony", false, true);
}

Test(time_service, runs_while_its_pid_file_names_it)
{
	char pid[16];
	install("usr/sbin/chronyd", "etc/init.d/chrony");
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	write_file("run/chrony/chronyd.pid", pid);
	expect_service("chrony", false, false);
	prctl(PR_SET_NAME, "chronyd");
	expect_service("chrony", true, false);
	/* It tells the kernel that the clock is right where one of its files says so. */
	write_file("etc/chrony/chrony.conf", "pool a.example\n#rtcsync\nrtcsyncs\n");
	cr_expect(look().silent);
	write_file("etc/chrony/conf.d/own.conf", "  rtcsync\n");
	cr_expect(!look().silent);
	write_file("etc/chrony/conf.d/own.conf", "");
	write_file("etc/chrony/chrony.conf", "pool a.example\nrtcsync");
	cr_expect(!look().silent);
	if (geteuid() == 0) { /* as a host that is not root's sees it */
		char *closed = xasprintf("%s/run/chrony", folder);
		cr_assert_eq(chmod(closed, 0700) || chmod(folder, 0755) || setegid(65534) || seteuid(65534), 0);
		cr_expect(look().unknown && !look().on);
		cr_assert_eq(seteuid(0) || setegid(0), 0);
		free(closed);
	}
	static const char *const nonsense[] = {"", "-1\n", "0\n", "me\n", "99999999999999999999\n"};
	for (unsigned k = 0; k < ARRAY_SIZE(nonsense); k++) {
		write_file("run/chrony/chronyd.pid", nonsense[k]);
		expect_service("chrony", false, false);
	}
}

Test(time_service, below_systemd)
{
	char *link = path_of("run/systemd/units/invocation:systemd-timesyncd.service");
	install("lib/systemd/systemd-timesyncd", "lib/systemd/system/systemd-timesyncd.service");
	write_file("run/systemd/system/x", "");
	expect_service("systemd-timesyncd", false, false);
	write_file("etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service", "");
	expect_service("systemd-timesyncd", false, true);
	write_file("run/systemd/units/x", "");
	cr_assert_eq(symlink("0123456789abcdef", link), 0);
	expect_service("systemd-timesyncd", true, true);
	free(link);
	/* One that runs counts more than one that is only there. */
	install("usr/sbin/chronyd", "usr/lib/systemd/system/chrony.service");
	expect_service("systemd-timesyncd", true, true);
}

/* ---- servers ---- */

static struct time_servers parsed(const char *text)
{
	struct time_servers s;
	int ret = time_servers_parse(text, &s, &err);
	cr_assert_eq(ret, 0, "%s: %s", text, err.text);
	return s;
}

static void expect_servers(const char *wanted)
{
	struct time_servers s;
	char all[2048] = "";
	struct time_service_state state = look();
	cr_assert(state.service);
	cr_assert_eq(time_servers_read(folder, state.service, &s, &err), 0, "%s", err.text);
	for (unsigned k = 0; k < s.n; k++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", k ? " " : "", s.names[k]);
	cr_expect_str_eq(all, wanted);
}

/* Leaves it to the caller to close; saved. */
static struct augeas_file *change(const char *servers)
{
	struct time_servers wanted = parsed(servers);
	struct augeas_file *f;
	cr_assert_eq(time_servers_change(folder, look().service, &wanted, &f, &err), 0, "%s", err.text);
	cr_assert_eq(time_servers_save(f, &err), 0, "%s", err.text);
	return f;
}

Test(time_service, what_is_typed_is_checked)
{
	static const char *const bad[] = {
		"", " , ", "a a", "A a", "a b c d e f g h i", "x_y", "-x", "x-", "a..b", ".a", "a.", "192.0.2.300", "192.0.2", "fd00::1::2", "fd00::1%eth0",
		"$(reboot)", "a;b", "a\nb", "a\tb", "#a", "gr\xc3\xbcn.example", "a/b", "'a'",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct time_servers s;
	for (unsigned k = 0; k < ARRAY_SIZE(bad); k++)
		cr_expect_eq(time_servers_parse(bad[k], &s, &err), -EINVAL, "%s", bad[k]);
	char *long_name = xcalloc(1, 1001);
	for (unsigned k = 0; k < 500; k++)
		memcpy(long_name + 2 * k, "a.", 2);
	long_name[999] = 0;
	cr_expect_eq(time_servers_parse(long_name, &s, &err), -EINVAL);
	free(long_name);
	s = parsed(" a,b  192.0.2.1 fd00::1, 3.debian.pool.ntp.org e f g ");
	cr_expect_eq(s.n, 8);
	cr_expect_str_eq(s.names[3], "fd00::1");
}

static const char chrony_conf[] =
	"# Welcome to chrony.\n"
	"confdir /etc/chrony/conf.d\n"
	"\n"
	"# Use Debian's pool.\n"
	"pool 2.debian.pool.ntp.org iburst maxsources 4\n"
	"  server ntp.example.org key 1 nts\n"
	"#server commented.example.org\n"
	"! server shouted.example.org\n"
	"sourcedir /run/chrony-dhcp\n"
	"newword of a newer chrony\n"
	"rtcsync\n";

Test(time_service, chrony)
{
	install("usr/sbin/chronyd", "etc/init.d/chrony");
	expect_servers("");
	write_file("etc/chrony/chrony.conf", chrony_conf);
	expect_servers("2.debian.pool.ntp.org ntp.example.org");
	write_file("etc/chrony/sources.d/local.sources", "server 192.0.2.7\n");
	write_file("etc/chrony/sources.d/README", "server 192.0.2.8\n");
	expect_servers("2.debian.pool.ntp.org ntp.example.org 192.0.2.7");
	struct time_servers own;
	cr_assert_eq(time_servers_read_own(folder, look().service, &own, &err), 0, "%s", err.text);
	cr_expect_eq(own.n, 2);

	struct augeas_file *f = change("192.0.2.1 ntp.example.org de.pool.ntp.org");
	expect_text("etc/chrony/chrony.conf",
		    "# Welcome to chrony.\n"
		    "confdir /etc/chrony/conf.d\n"
		    "\n"
		    "# Use Debian's pool.\n"
		    "  server ntp.example.org key 1 nts\n"
		    "server 192.0.2.1 iburst\n"
		    "pool de.pool.ntp.org iburst\n"
		    "#server commented.example.org\n"
		    "! server shouted.example.org\n"
		    "sourcedir /run/chrony-dhcp\n"
		    "newword of a newer chrony\n"
		    "rtcsync\n");
	cr_assert_eq(augeas_file_restore(f, &err), 0, "%s", err.text);
	expect_text("etc/chrony/chrony.conf", chrony_conf);
	augeas_file_close(f);

	/* What is there already is written again as it is. */
	augeas_file_close(change("ntp.example.org 2.debian.pool.ntp.org"));
	expect_text("etc/chrony/chrony.conf", chrony_conf);
}

Test(time_service, a_file_without_servers_gets_them_at_its_end)
{
	install("usr/sbin/chronyd", "etc/init.d/chrony");
	write_file("etc/chrony/chrony.conf", "# nothing\nrtcsync");
	struct augeas_file *f = change("a b");
	cr_expect_eq(time_servers_needed(look().service, f), 1);
	augeas_file_close(f);
	expect_text("etc/chrony/chrony.conf", "# nothing\nrtcsync\nserver a iburst\nserver b iburst\n");
	expect_servers("a b");
}

Test(time_service, ntpsec_and_openntpd)
{
	install("usr/sbin/ntpd", "etc/init.d/ntpsec");
	write_file("etc/ntpsec/ntp.conf", "driftfile /var/lib/ntpsec/ntp.drift\ntos minclock 4 minsane 3\npool 0.debian.pool.ntp.org iburst\n"
					  "pool 1.debian.pool.ntp.org iburst\n\nrestrict default kod nomodify nopeer noquery limited\n");
	expect_servers("0.debian.pool.ntp.org 1.debian.pool.ntp.org");
	struct augeas_file *f = change("fd00::1");
	cr_expect_eq(time_servers_needed(look().service, f), 3);
	augeas_file_close(f);
	expect_text("etc/ntpsec/ntp.conf", "driftfile /var/lib/ntpsec/ntp.drift\ntos minclock 4 minsane 3\nserver fd00::1 iburst\n"
					   "\nrestrict default kod nomodify nopeer noquery limited\n");
	write_file("etc/init.d/openntpd", "");
	write_file("etc/rc3.d/S01openntpd", "");
	write_file("etc/openntpd/ntpd.conf", "# sync\nservers 0.debian.pool.ntp.org\nserver one.example weight 2\n");
	expect_servers("0.debian.pool.ntp.org one.example");
	augeas_file_close(change("one.example 1.debian.pool.ntp.org"));
	expect_text("etc/openntpd/ntpd.conf", "# sync\nserver one.example weight 2\nservers 1.debian.pool.ntp.org\n");
}

Test(time_service, timesyncd_gets_a_file_beside_its_own)
{
	static const char conf[] = "#  This file is part of systemd.\n[Time]\n#NTP=\nNTP=first.example second.example\n#FallbackNTP=a b\n";
	write_file("run/systemd/system/x", "");
	install("lib/systemd/systemd-timesyncd", "lib/systemd/system/systemd-timesyncd.service");
	expect_servers("");
	write_file("etc/systemd/timesyncd.conf", conf);
	expect_servers("first.example second.example");
	write_file("etc/systemd/timesyncd.conf.d/10-more.conf", "[Time]\nNTP=third.example\n");
	expect_servers("first.example second.example third.example");
	struct augeas_file *f = change("192.0.2.1 a.example");
	expect_text("etc/systemd/timesyncd.conf", conf);
	expect_text("etc/systemd/timesyncd.conf.d/vmk.conf",
		    "[Time]\n#Written by vmk: host ntp servers. What other files name before is forgotten.\nNTP=\nNTP=192.0.2.1 a.example\n");
	expect_servers("192.0.2.1 a.example");
	augeas_file_close(f);
	f = change("b.example");
	expect_text("etc/systemd/timesyncd.conf.d/vmk.conf",
		    "[Time]\n#Written by vmk: host ntp servers. What other files name before is forgotten.\nNTP=\nNTP=b.example\n");
	augeas_file_close(f);
	write_file("etc/systemd/timesyncd.conf.d/zz.conf", "[Time]\nNTP=later.example\n");
	expect_servers("b.example later.example");
}

Test(time_service, files_that_cannot_be_used_are_left_alone)
{
	struct time_servers wanted = parsed("a.example"), s;
	struct augeas_file *f;
	install("usr/sbin/chronyd", "etc/init.d/chrony");
	cr_expect_eq(time_servers_change(folder, look().service, &wanted, &f, &err), -ENOENT);
	cr_expect(strstr(err.text, "chrony.conf is missing"), "%s", err.text);
	cr_expect_null(f);
	static const char binary[] = "server a\0server b\n";
	write_text("etc/chrony/chrony.conf", binary, sizeof(binary) - 1);
	cr_expect_eq(time_servers_change(folder, look().service, &wanted, &f, &err), -EINVAL);
	cr_expect_eq(time_servers_read(folder, look().service, &s, &err), -EINVAL);

	write_file("run/systemd/system/x", "");
	install("lib/systemd/systemd-timesyncd", "lib/systemd/system/systemd-timesyncd.service");
	write_file("etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service", "");
	static const char bad[] = "[Time]\nNTP=a\n[Time\nwhat is this\n";
	write_file("etc/systemd/timesyncd.conf.d/vmk.conf", bad);
	cr_expect_eq(time_servers_read(folder, look().service, &s, &err), -EINVAL);
	cr_expect(strstr(err.text, "timesyncd.conf.d/vmk.conf: line 3"), "%s", err.text);
	cr_expect_eq(time_servers_change(folder, look().service, &wanted, &f, &err), -EINVAL);
	expect_text("etc/systemd/timesyncd.conf.d/vmk.conf", bad);
}

/* ---- the clock ---- */

Test(time_service, late_only_after_an_hour_of_trying)
{
	static const struct time_service some = {.name = "some"};
	const u64 minute = 60 * NSEC_PER_SEC;
	struct time_service_state on = {.service = &some, .on = true}, off = {.service = &some}, none = {0};
	struct clock_state right = {.known = true, .synchronised = true}, wrong = {.known = true}, unknown = {0};
	struct time_watch w = {0};
	time_watch_note(&w, &none, &wrong, minute);
	cr_expect_eq(time_watch_trouble(&w, minute), TIME_NOBODY);
	time_watch_note(&w, &none, &right, minute);
	cr_expect_eq(time_watch_trouble(&w, minute), TIME_RIGHT);
	time_watch_note(&w, &off, &wrong, minute);
	cr_expect_eq(time_watch_trouble(&w, minute), TIME_OFF);
	time_watch_note(&w, &off, &unknown, minute);
	cr_expect_eq(time_watch_trouble(&w, minute), TIME_RIGHT);
	for (u64 at = 2; at < 100; at++) {
		time_watch_note(&w, &on, &wrong, at * minute);
		cr_expect_eq(time_watch_trouble(&w, at * minute), at > 62 ? TIME_LATE : TIME_RIGHT, "minute %u", (unsigned)at);
	}
	time_watch_note(&w, &on, &right, 100 * minute);
	cr_expect_eq(time_watch_trouble(&w, 100 * minute), TIME_RIGHT);
	time_watch_note(&w, &on, &wrong, 101 * minute);
	cr_expect_eq(time_watch_trouble(&w, 161 * minute), TIME_RIGHT);
	cr_expect_eq(time_watch_trouble(&w, 162 * minute), TIME_LATE);
	time_watch_note(&w, &off, &wrong, 163 * minute);
	time_watch_note(&w, &on, &wrong, 164 * minute);
	cr_expect_eq(time_watch_trouble(&w, 164 * minute), TIME_RIGHT, "it was switched on just now");
	/* Nobody tells whether it is right, or whether it runs. */
	struct time_service_state silent = {.service = &some, .on = true, .silent = true}, unknown_service = {.service = &some, .unknown = true};
	time_watch_note(&w, &silent, &wrong, 165 * minute);
	cr_expect_eq(time_watch_trouble(&w, 300 * minute), TIME_RIGHT);
	time_watch_note(&w, &unknown_service, &wrong, 301 * minute);
	cr_expect_eq(time_watch_trouble(&w, 301 * minute), TIME_RIGHT);
}

Test(time_service, in_words)
{
	static const struct time_service some = {.name = "some"};
	struct time_service_state on = {.service = &some, .on = true}, none = {0};
	struct clock_state right = {.known = true, .synchronised = true, .error_us = 1234}, far = {.known = true, .synchronised = true, .error_us = 45001};
	struct clock_state wrong = {.known = true};
	char text[100];
	time_service_text(&on, &right, text, sizeof(text));
	cr_expect_str_eq(text, "some is on; clock synchronised, at most 1.2 ms off");
	time_service_text(&on, &far, text, sizeof(text));
	cr_expect_str_eq(text, "some is on; clock synchronised, at most 46 ms off");
	time_service_text(&none, &wrong, text, sizeof(text));
	cr_expect_str_eq(text, "none is installed; clock not synchronised");
}
