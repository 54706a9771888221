// uses: pam api lib -lpam -lcrypt -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log-in through the real vmk-login and pam_vmk.so over a temporary private host with a door that only listens. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "pam/login.h"
#include "pam/users.h"
#include "temporary.h"

static char root[TEMPORARY_PATH + 20]; /* of a name that wants to be quoted */
static int door;
static struct error err;

static void set_up(void)
{
	umask(022);
	char folder[TEMPORARY_PATH];
	snprintf(root, sizeof(root), "%s/vmk login [test]", temporary_folder(folder));
	cr_assert(chmod(folder, 0755) == 0 && mkdir(root, 0700) == 0);
	/* As under a home that is closed to others. */
	chmod(root, 0700);
	set_root(root);
	char *etc = root_path("etc/vmk/pam.d"), *run = root_path("run/vmk"), *path = root_path("run/vmk/door.sock");
	cr_assert_eq(make_dirs(etc, 0755, &err), 0);
	cr_assert_eq(make_dirs(run, 0755, &err), 0);
	door = sock_listen(path, SOCK_STREAM, 0666, &err);
	cr_assert_geq(door, 0, "%s", err.text);
	cr_assert_eq(users_add("susie", "open sesame", NULL, &err), 0, "%s", err.text);
	cr_assert_eq(users_add("locked", NULL, NULL, &err), 0, "%s", err.text);
	free(etc);
	free(run);
	free(path);
}

static void tear_down(void)
{
	cr_assert_eq(temporary_remove(root), 0);
}

TestSuite(login, .init = set_up, .fini = tear_down, .timeout = 600);

/* An administrator's own service file, without the delay of a failed log-in. */
static void pam_service_write(const char *extra)
{
	char module[4096], self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[len] = 0;
	*strrchr(self, '/') = 0;
	snprintf(module, sizeof(module), "%.3000s/../lib/pam_vmk.so", self);
	char option[128] = "root=", *to = option + strlen(option);
	for (const char *p = root; *p; p++) {
		if (*p == ']')
			*to++ = '\\';
		*to++ = *p;
	}
	*to = 0;
	char *text = xasprintf("auth required %s [%s] nodelay\naccount required %s [%s]\npassword required %s [%s]\n%s",
			       module, option, module, option, module, option, extra);
	char *path = root_path("etc/vmk/pam.d/vmk");
	cr_assert_eq(replace_file(path, text, strlen(text), 0644, &err), 0);
	free(path);
	free(text);
}

struct script {
	const char *answers[4];
	unsigned asked, told;
};

static int answer(void *arg, const char *prompt, bool echo, char *out, size_t size)
{
	struct script *s = arg;
	(void)echo;
	cr_assert_gt(strlen(prompt), 0);
	if (!size) {
		s->told++;
		return 0;
	}
	if (s->asked >= 4 || !s->answers[s->asked])
		return -EINTR;
	str_copy(out, size, s->answers[s->asked++]);
	return 0;
}

Test(login, right_password_gives_a_door_as_that_user)
{
	struct script s = {.answers = {"open sesame"}};
	int fd = -1;
	cr_assert_eq(login_run("susie", answer, &s, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(s.asked, 1, "nothing is asked twice");
	int accepted = accept(door, NULL, NULL);
	struct sock_peer peer;
	struct user susie;
	cr_assert_eq(sock_peer(accepted, &peer), 0);
	cr_assert_eq(users_find("susie", &susie, &err), 0);
	cr_assert_eq(peer.uid, geteuid() == 0 ? susie.uid : geteuid());
	/* It is the same connection. */
	char byte = 0;
	cr_assert_eq(write(fd, "x", 1), 1);
	cr_assert_eq(read(accepted, &byte, 1), 1);
	cr_assert_eq(byte, 'x');
	close(fd);
	cr_assert_eq(read(accepted, &byte, 1), 0, "no copy of it stays open anywhere");
}

Test(login, name_is_asked_when_not_given)
{
	struct script s = {.answers = {"susie", "open sesame"}};
	int fd = -1;
	cr_assert_eq(login_run(NULL, answer, &s, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(s.asked, 2);
}

Test(login, refusals_are_alike)
{
	static const char *const who[] = {"susie", "nobody-here", "locked", "root", "../susie", ""};
	pam_service_write("");
	for (size_t k = 0; k < ARRAY_SIZE(who); k++) {
		struct script s = {.answers = {"wrong", "wrong"}};
		int fd = -1;
		cr_assert_eq(login_run(who[k], answer, &s, &fd, &err), -EACCES);
		cr_assert_str_eq(err.text, "log-in failed: wrong user name or password");
		cr_assert_eq(fd, -1);
	}
}

Test(login, failure_costs_time)
{
	struct script s = {.answers = {"wrong"}};
	int fd = -1;
	u64 before = now_monotonic();
	cr_assert_eq(login_run("susie", answer, &s, &fd, &err), -EACCES);
	cr_assert_gt(now_monotonic() - before, NSEC_PER_SEC);
}

Test(login, giving_up_ends_it)
{
	struct script s = {.answers = {NULL}};
	int fd = -1;
	cr_assert_eq(login_run("susie", answer, &s, &fd, &err), -ECANCELED);
}

Test(login, messages_of_other_modules_are_shown)
{
	struct script s = {.answers = {"open sesame"}};
	int fd = -1;
	char path[TEMPORARY_PATH], line[TEMPORARY_PATH + 40];
	int message = temporary_file(path);
	cr_assert(write_full(message, "good morning\n", 13) == 0 && fchmod(message, 0644) == 0);
	close(message);
	snprintf(line, sizeof(line), "auth optional pam_echo.so file=%s\n", path);
	pam_service_write(line);
	cr_assert_eq(login_run("susie", answer, &s, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(s.told, 1);
	cr_assert_eq(s.asked, 1);
}

static const char *const *answers;

static int converse(int n, const struct pam_message **m, struct pam_response **out, void *arg)
{
	(void)arg;
	*out = xcalloc((size_t)n, sizeof(**out));
	for (int k = 0; k < n; k++)
		if (m[k]->msg_style == PAM_PROMPT_ECHO_OFF && *answers)
			(*out)[k].resp = xstrdup(*answers++);
	return PAM_SUCCESS;
}

static int password_change(const char *old, const char *new, const char *again)
{
	/* Root is not asked for the old one. */
	const char *const all[] = {old, new, again, NULL};
	const struct pam_conv conv = {.conv = converse};
	pam_handle_t *pamh;
	char *folder = root_path("etc/vmk/pam.d");
	answers = geteuid() == 0 ? all + 1 : all;
	cr_assert_eq(pam_start_confdir("vmk", "susie", &conv, folder, &pamh), PAM_SUCCESS);
	int ret = pam_chauthtok(pamh, 0);
	pam_end(pamh, ret);
	free(folder);
	return ret;
}

Test(login, password_changes_through_pam)
{
	pam_service_write("");
	cr_assert_neq(password_change("open sesame", "one", "other"), PAM_SUCCESS);
	cr_assert_eq(users_verify("susie", "open sesame", &err), 0);
	if (geteuid() != 0)
		cr_assert_neq(password_change("wrong", "new secret", "new secret"), PAM_SUCCESS);
	cr_assert_eq(password_change("open sesame", "new secret", "new secret"), PAM_SUCCESS);
	cr_assert_eq(users_verify("susie", "new secret", &err), 0);
	cr_assert_eq(users_verify("susie", "open sesame", &err), -EACCES);
}

Test(login, no_host_no_connection)
{
	struct script s = {.answers = {"open sesame"}};
	int fd = -1;
	close(door);
	cr_assert_eq(login_run("susie", answer, &s, &fd, &err), -EACCES);
	cr_assert_str_eq(err.text, "the host is not running");
}
