// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * login_main.c - vmk-login: proves by PAM who somebody is, becomes that user, connects to the host's door and hands the
 * connection over. One log-in a process: PAM modules block, prompt and crash, and what they leave behind ends with it.
 *
 * Run by login_run() with a socket as descriptor LOGIN_FD. Gives no right its caller could not have: as root it can become
 * anybody; otherwise it stays who it is, so the door knows the caller, whatever name was proved.
 */
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "pam/login_wire.h"
#include "pam/users.h"

#define DEADLINE_NSEC (90 * NSEC_PER_SEC)

static u64 deadline;
static unsigned fail_delay_usec;

static void packet_send(enum login_type type, const char *text, int fd)
{
	struct login_packet p = {.type = type};
	str_copy(p.text, sizeof(p.text), text);
	sock_send(LOGIN_FD, &p, sizeof(p), &fd, fd >= 0);
}

NORETURN static void give_up(const char *sentence)
{
	packet_send(LOGIN_FAILED, sentence, -1);
	exit(1);
}

/* Waits for the front end's next packet; false when it closed or time is up. */
static bool packet_wait(struct login_packet *p, enum login_type type)
{
	struct pollfd poller = {.fd = LOGIN_FD, .events = POLLIN};
	u64 now = now_monotonic();
	int ms = now < deadline ? (int)((deadline - now) / 1000000) : 0;
	int n = poll(&poller, 1, ms);
	if (n == 0)
		give_up("the log-in took too long");
	unsigned no_fds = 0;
	if (n < 0 || sock_recv(LOGIN_FD, p, sizeof(*p), NULL, &no_fds) != (ssize_t)sizeof(*p) || p->type != type)
		return false;
	p->text[sizeof(p->text) - 1] = 0;
	return true;
}

static char *question_ask(int style, const char *text)
{
	struct login_packet answer = {0};
	packet_send(style == PAM_PROMPT_ECHO_ON ? LOGIN_ASK_ECHO : LOGIN_ASK, text, -1);
	char *reply = packet_wait(&answer, LOGIN_ANSWER) ? strdup(answer.text) : NULL;
	explicit_bzero(&answer, sizeof(answer));
	return reply;
}

static void replies_free(struct pam_response *replies, int n)
{
	for (int k = 0; k < n; k++) {
		if (replies[k].resp)
			explicit_bzero(replies[k].resp, strlen(replies[k].resp));
		free(replies[k].resp);
	}
	free(replies);
}

static int converse(int n, const struct pam_message **messages, struct pam_response **out, void *arg)
{
	(void)arg;
	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	struct pam_response *replies = xcalloc((size_t)n, sizeof(*replies));
	for (int k = 0; k < n; k++) {
		int style = messages[k]->msg_style;
		if (style != PAM_PROMPT_ECHO_OFF && style != PAM_PROMPT_ECHO_ON) {
			packet_send(LOGIN_TELL, messages[k]->msg, -1);
			continue;
		}
		replies[k].resp = question_ask(style, messages[k]->msg);
		if (!replies[k].resp) {
			replies_free(replies, n);
			return PAM_CONV_ERR;
		}
	}
	*out = replies;
	return PAM_SUCCESS;
}

/* libpam would sleep here; the delay is spent where a front end that leaves ends it. */
static void delay_note(int retval, unsigned usec, void *arg)
{
	(void)arg;
	if (retval != PAM_SUCCESS)
		fail_delay_usec = usec;
}

NORETURN static void refuse(const char *sentence)
{
	struct pollfd poller = {.fd = LOGIN_FD, .events = 0};
	poll(&poller, 1, (int)(fail_delay_usec / 1000));
	give_up(sentence);
}

/* Where pam_vmk.so is: built beside this program, installed with it, or (a plain name) among the system's modules. */
static char *module_path(void)
{
	static const char *const places[] = {"../lib/pam_vmk.so", "../lib/vmk/pam_vmk.so"};
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[len > 0 ? len : 0] = 0;
	const char *folder = dirname(self);
	for (size_t k = 0; k < ARRAY_SIZE(places); k++) {
		char *path = xasprintf("%s/%s", folder, places[k]), *real = realpath(path, NULL);
		free(path);
		if (real)
			return real;
	}
	return xstrdup("pam_vmk.so");
}

/* A PAM argument in brackets may hold blanks; a ']' in it is escaped. */
static void write_bracketed(FILE *f, const char *text)
{
	fputc('[', f);
	for (; *text; text++)
		fprintf(f, *text == ']' ? "\\%c" : "%c", *text);
	fputc(']', f);
}

/*
 * The PAM service of a private host. An administrator may write <root>/etc/vmk/pam.d/vmk; where it does not exist the
 * service is made up here, in memory: PAM opens it as /proc/self/fd/N. A root needs no set-up and may be read-only.
 */
static int private_start(const char *user, const struct pam_conv *conv, pam_handle_t **pamh)
{
	static const char *const kinds[] = {"auth", "account", "password"};
	char *folder = root_path("etc/vmk/pam.d"), *service = root_path("etc/vmk/pam.d/vmk");
	char name[16];
	int ret;
	if (!access(service, F_OK)) {
		ret = pam_start_confdir("vmk", user, conv, folder, pamh);
		goto out;
	}
	char *shadow = root_path("etc/vmk/shadow");
	/* The module could only say that the password is wrong. */
	if (access(shadow, R_OK) && errno == EACCES)
		give_up("only the administrator can log in as another user of this host");
	free(shadow);
	int fd = memfd_create("vmk", 0);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f)
		give_up("cannot prepare the log-in: out of memory or descriptors");
	char *module = module_path(), *option = xasprintf("root=%s", get_root());
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		fprintf(f, "%s required %s ", kinds[k], module);
		write_bracketed(f, option);
		fputc('\n', f);
	}
	free(option);
	free(module);
	fflush(f);
	snprintf(name, sizeof(name), "%d", fd);
	ret = pam_start_confdir(name, user, conv, "/proc/self/fd", pamh);
	fclose(f);
out:
	free(folder);
	free(service);
	return ret;
}

/* Authentication and account; ends the process with a sentence when they fail. */
static void prove(pam_handle_t *pamh)
{
	pam_set_item(pamh, PAM_FAIL_DELAY, (const void *)delay_note);
	pam_set_item(pamh, PAM_USER_PROMPT, "User: ");
	int ret = pam_authenticate(pamh, PAM_DISALLOW_NULL_AUTHTOK);
	switch (ret) {
	case PAM_SUCCESS:
		break;
	case PAM_AUTHINFO_UNAVAIL:
	case PAM_ABORT:
	case PAM_SERVICE_ERR:
	case PAM_MODULE_UNKNOWN:
		refuse("log-in is not possible: the users cannot be read");
	default:
		/* Unknown user, locked user, wrong password, too many tries: one answer. */
		refuse("log-in failed: wrong user name or password");
	}
	ret = pam_acct_mgmt(pamh, PAM_DISALLOW_NULL_AUTHTOK);
	if (ret == PAM_NEW_AUTHTOK_REQD)
		ret = pam_chauthtok(pamh, PAM_CHANGE_EXPIRED_AUTHTOK);
	if (ret != PAM_SUCCESS)
		refuse("log-in failed: the account is locked or expired");
}

static int identity_take(const char *name, struct error *err)
{
	if (geteuid() != 0)
		return 0;
	uid_t uid;
	gid_t gid;
	if (users_private()) {
		struct user user;
		int ret = users_find(name, &user, err);
		if (ret)
			return ret;
		uid = user.uid;
		gid = user.gid;
		if (setgroups(1, &gid) < 0)
			return fail(err, -errno, "cannot give up root's groups: %m");
	} else {
		struct passwd *entry = getpwnam(name);
		if (!entry)
			return fail(err, -ENOENT, "no user named %s", name);
		uid = entry->pw_uid;
		gid = entry->pw_gid;
		if (initgroups(name, gid) < 0)
			return fail(err, -errno, "cannot take the groups of %s: %m", name);
	}
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return fail(err, -errno, "cannot become user %s: %m", name);
	return 0;
}

static int door_open(const char *name, struct error *err)
{
	/* Entered while still root: the folders above may be closed to the user. */
	char *folder = root_path("run/vmk");
	int ret = chdir(folder) < 0 ? -errno : 0;
	free(folder);
	if (ret)
		return fail(err, ret, "the host is not running");
	ret = identity_take(name, err);
	if (ret)
		return ret;
	ret = sock_connect("door.sock", SOCK_STREAM, err);
	if (ret == -ENOENT || ret == -ECONNREFUSED)
		return fail(err, ret, "the host is not running");
	return ret;
}

int main(void)
{
	struct login_packet hello = {0};
	const struct pam_conv conv = {.conv = converse};
	const struct rlimit no_core = {0, 0};
	pam_handle_t *pamh = NULL;
	const void *name = NULL;
	struct error err;
	int type;
	socklen_t len = sizeof(type);
	if (getsockopt(LOGIN_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET) {
		fprintf(stderr, "vmk-login: run by vmksh, vmkstatus and vmk-authd, not by hand\n");
		return 2;
	}
	/* Passwords pass through this process: it leaves no memory behind and nobody looks in. */
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	deadline = now_monotonic() + DEADLINE_NSEC;
	alarm(DEADLINE_NSEC / NSEC_PER_SEC + 30); /* a module that hangs */
	if (!packet_wait(&hello, LOGIN_USER))
		return 1;
	const char *user = hello.text[0] ? hello.text : NULL;
	int ret = users_private() ? private_start(user, &conv, &pamh) : pam_start("vmk", user, &conv, &pamh);
	if (ret != PAM_SUCCESS)
		give_up("log-in is not possible: PAM service vmk cannot be started");
	prove(pamh);
	if (pam_get_item(pamh, PAM_USER, &name) != PAM_SUCCESS || !name)
		give_up("log-in failed: no user name");
	str_copy(hello.text, sizeof(hello.text), name);
	pam_end(pamh, PAM_SUCCESS);
	int fd = door_open(hello.text, &err);
	if (fd < 0)
		give_up(err.text);
	packet_send(LOGIN_DONE, hello.text, fd);
	return 0;
}
