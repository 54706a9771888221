/* SPDX-License-Identifier: GPL-2.0-or-later */
/* job.c - see job.h */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "pam/users.h"
#include "vmkernel/job.h"

#define MAX_JOBS 64
#define MAX_JOBS_USER 16 /* of one user: files that never open are his own trouble */
#define RESERVED_JOBS 8	 /* of MAX_JOBS, for the administrator and the host itself */
#define PACKET_MAX 65536
#define RESULT_MAX (8 * MIB) /* larger ones than a packet go through a file in memory */

const struct caller job_host = {.uid = 0};

struct job {
	struct job *next;
	struct job_spec spec;
	uid_t asker;
	pid_t pid;
	int fd;
	sd_event_source *io, *timer, *idle;
};

void identity_of_user(uid_t uid, struct identity *out)
{
	*out = (struct identity){.uid = uid, .gid = (gid_t)-1, .lookup = true};
}

void identity_of_caller(const struct caller *c, struct identity *out)
{
	*out = (struct identity){.uid = c->uid, .gid = c->gid, .n_groups = c->n_groups};
	memcpy(out->groups, c->groups, sizeof(out->groups));
	/* On a host that is not root's, root may do everything too: as the one user the host has. */
	if (geteuid() != 0 && c->uid == 0)
		out->uid = geteuid();
}

const char *job_path(const char *path)
{
	size_t len = strlen(get_root());
	return len && strncmp(path, get_root(), len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

void identity_lookup(struct identity *who)
{
	char name[USER_NAME_SIZE];
	uid_t uid;
	gid_t gid;
	int n = CALLER_MAX_GROUPS;
	users_name_of(who->uid, name);
	who->gid = 65534;
	who->n_groups = 0;
	if (users_uid_of(name, &uid, &gid, NULL) || uid != who->uid)
		return;
	who->gid = gid;
	struct passwd *pw = getpwnam(name);
	if (pw && pw->pw_uid == uid && getgrouplist(name, gid, who->groups, &n) > 0)
		who->n_groups = (unsigned)n;
}

static int become(struct identity *who, struct error *err)
{
	if (geteuid() != 0) /* job_start() let only our own uid through */
		return 0;
	if (who->uid == 0)
		return 0;
	if (who->lookup)
		identity_lookup(who);
	if (setgroups(who->n_groups, who->groups) || setresgid(who->gid, who->gid, who->gid) ||
	    setresuid(who->uid, who->uid, who->uid))
		return fail(err, -errno, "cannot become user %u: %m", (unsigned)who->uid);
	return 0;
}

/* One packet, or one byte with a file that holds what is too long for a packet. */
static void send_packet(int report, const char *text)
{
	size_t len = strlen(text);
	if (len < PACKET_MAX) {
		(void)sock_send(report, text, len, NULL, 0);
		return;
	}
	int fd = memfd_create("result", MFD_CLOEXEC);
	if (fd >= 0 && write_full(fd, text, len) == 0)
		(void)sock_send(report, "@", 1, &fd, 1);
}

/* Locks among them: who hears that it is done may want the same files at once, and the end of a process takes its time. */
static void let_go_of_files(int report)
{
	(void)close_range(STDERR_FILENO + 1, (unsigned)report - 1, 0);
	(void)close_range((unsigned)report + 1, ~0u, 0);
}

NORETURN static void child_main(struct job *job, int report)
{
	struct error err = {0};
	json_t *result = NULL;
	sigset_t none;
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (job->spec.group)
		setpgid(0, 0);
	log_tap(NULL, NULL); /* what is logged here does not reach the daemon's memory */
	umask(022);

	int ret = 0;
	if (host.root_fd >= 0 && fchdir(host.root_fd))
		ret = fail(&err, -errno, "cannot change to the host's root: %m");
	if (!ret)
		ret = become(&job->spec.who, &err);
	if (!ret)
		ret = job->spec.run(job->spec.arg, report, &result, &err);
	json_t *packet = json_pack("{s:i}", "ret", ret);
	if (ret) {
		json_t *text = json_string(err.text);
		json_object_set_new(packet, "error", text ? text : json_string("failed"));
	} else if (result) {
		json_object_set_new(packet, "result", result);
	}
	char *text = json_dumps(packet, JSON_COMPACT);
	let_go_of_files(report);
	if (text)
		send_packet(report, text);
	_exit(ret ? 1 : 0);
}

static int on_reaped(sd_event_source *s, const siginfo_t *info, void *arg)
{
	(void)info, (void)arg;
	sd_event_source_unref(s);
	return 0;
}

void job_reap(pid_t pid)
{
	sd_event_source *s;
	int ret = sd_event_add_child(host.event, &s, pid, WEXITED, on_reaped, NULL);
	if (ret < 0)
		log_warning("cannot watch process %d: %s", (int)pid, strerror(-ret));
}

static void job_end(struct job *job, int ret, json_t *result, const struct error *err)
{
	for (struct job **p = &host.jobs; *p; p = &(*p)->next) {
		if (*p == job) {
			*p = job->next;
			break;
		}
	}
	host.n_jobs--;
	sd_event_source_disable_unref(job->io);
	sd_event_source_disable_unref(job->timer);
	sd_event_source_disable_unref(job->idle);
	close(job->fd);
	if (!job->spec.keep_child)
		job_reap(job->pid);
	struct job_spec spec = job->spec;
	free(job);
	spec.done(spec.done_arg, ret, result, err);
}

/* Takes over the file. */
static json_t *file_packet(int file)
{
	char *text = NULL;
	size_t len;
	json_t *packet = NULL;
	lseek(file, 0, SEEK_SET);
	if (read_fd(file, "a helper process's result", RESULT_MAX, &text, &len, NULL) == 0)
		packet = json_loadb(text, len, 0, NULL);
	free(text);
	close(file);
	return packet;
}

static int on_report(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	(void)s, (void)events;
	struct job *job = arg;
	struct error err = {0};
	char *buf = xcalloc(1, PACKET_MAX);
	int file = -1;
	unsigned n_files = 1;
	ssize_t n = sock_recv(fd, buf, PACKET_MAX - 1, &file, &n_files);
	/* A child that ended without reading its "go" resets the connection, which is told before its last packet is given. */
	if (n == -EAGAIN || n == -ECONNRESET) {
		free(buf);
		return 0;
	}
	json_t *packet = n > 0 && n_files ? file_packet(file) : n > 0 ? json_loadb(buf, (size_t)n, 0, NULL) : NULL;
	json_t *percent = json_object_get(packet, "percent");
	free(buf);
	if (job->spec.progress && json_is_integer(percent)) {
		if (job->idle)
			sd_event_source_set_time_relative(job->idle, job->spec.idle_seconds * 1000000ull);
		job->spec.progress(job->spec.done_arg, (int)(MAX(json_integer_value(percent), 0) % 101));
		json_decref(packet);
		return 0;
	}
	int ret = 0;
	if (packet)
		ret = (int)json_integer_value(json_object_get(packet, "ret"));
	else if (n || !job->spec.keep_child)
		ret = -EIO;
	if (ret) {
		const char *text = json_string_value(json_object_get(packet, "error"));
		fail(&err, ret, "%s", text ? text : "a helper process has failed");
	}
	job_end(job, ret, json_object_get(packet, "result"), &err);
	json_decref(packet);
	return 0;
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s, (void)usec;
	struct job *job = arg;
	struct error err;
	if (job->spec.late)
		fail(&err, -ETIMEDOUT, "%s", job->spec.late);
	else
		fail(&err, -ETIMEDOUT, "the files could not be reached within %u seconds", job->spec.seconds);
	job_cut(job->pid, &err);
	return 0;
}

static int on_idle(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s, (void)usec;
	struct job *job = arg;
	struct error err;
	fail(&err, -ETIMEDOUT, "nothing has gone on for %u seconds", job->spec.idle_seconds);
	job_cut(job->pid, &err);
	return 0;
}

void job_cut(pid_t pid, const struct error *why)
{
	struct job *job = host.jobs;
	while (job && job->pid != pid)
		job = job->next;
	if (!job)
		return;
	kill(job->spec.group ? -pid : pid, SIGKILL);
	job_end(job, why->code, NULL, why);
}

/* One user's requests, and those of all users together, leave room for others'. */
static int have_room(uid_t asker, struct error *err)
{
	bool user = asker != 0 && asker != geteuid();
	unsigned own = 0;
	for (const struct job *j = host.jobs; j; j = j->next)
		own += j->asker == asker;
	if (host.n_jobs >= MAX_JOBS - (user ? RESERVED_JOBS : 0) || (user && own >= MAX_JOBS_USER))
		return fail(err, -EAGAIN, "the host is doing too much at once: try again");
	return 0;
}

/* Its packets, its time limits. */
static void job_watch(struct job *job)
{
	fcntl(job->fd, F_SETFL, O_NONBLOCK);
	job->next = host.jobs;
	host.jobs = job;
	host.n_jobs++;
	BUG_ON(sd_event_add_io(host.event, &job->io, job->fd, EPOLLIN, on_report, job) < 0);
	BUG_ON(sd_event_add_time_relative(host.event, &job->timer, CLOCK_MONOTONIC, job->spec.seconds * 1000000ull, 0, on_timeout,
					  job) < 0);
	if (job->spec.idle_seconds)
		BUG_ON(sd_event_add_time_relative(host.event, &job->idle, CLOCK_MONOTONIC, job->spec.idle_seconds * 1000000ull, 0, on_idle,
						  job) < 0);
}

int job_start(const struct job_spec *spec, pid_t *pid, int *report, struct error *err)
{
	int pair[2];
	if (geteuid() != 0 && spec->who.uid != geteuid()) {
		char owner[USER_NAME_SIZE], self[USER_NAME_SIZE];
		users_name_of(spec->who.uid, owner);
		users_name_of(geteuid(), self);
		return fail(err, -EPERM, "this host runs as %s and cannot act as %s", self, owner);
	}
	uid_t asker = spec->asker ? spec->asker->uid : spec->who.uid;
	int ret = have_room(asker, err);
	if (ret)
		return ret;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return fail(err, -errno, "cannot start a helper process: %m");
	struct job *job = xcalloc(1, sizeof(*job));
	job->spec = *spec;
	job->spec.asker = NULL;
	job->asker = asker;
	job->fd = pair[0];
	job->pid = fork();
	if (job->pid == 0) {
		close(pair[0]);
		child_main(job, pair[1]);
	}
	ret = job->pid < 0 ? fail(err, -ENOMEM, "the host has no room for another process: its memory or its limit of processes (ulimit -u, "
						"TasksMax= of systemd) is used up") : 0;
	close(pair[1]);
	if (ret) {
		close(pair[0]);
		free(job);
		return ret;
	}
	if (job->spec.group)
		(void)setpgid(job->pid, job->pid); /* whoever of both is first */
	job_watch(job);
	if (pid)
		*pid = job->pid;
	if (report)
		*report = job->fd;
	return 0;
}

void job_kill_all(void)
{
	while (host.jobs) {
		struct job *job = host.jobs;
		host.jobs = job->next;
		if (!job->spec.cleans_up && !job->spec.keep_child)
			kill(job->pid, SIGKILL);
		sd_event_source_disable_unref(job->io);
		sd_event_source_disable_unref(job->timer);
		sd_event_source_disable_unref(job->idle);
		close(job->fd);
		free(job);
	}
}
