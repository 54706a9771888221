// SPDX-License-Identifier: GPL-2.0-or-later
/* worker.c - see ui.h: the threads that wait for the host, so that the screen does not */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util.h"
#include "tui/ui.h"

#define POLL_MS 1000
#define CHECK_MS 2000

static int wake_fd = -1, poke_fd = -1, check_poke_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Behind the lock. */
static struct model latest;
static bool latest_new, job_done, job_cancel;
static struct job_progress job_told;
static struct model_wish wished;
static char check_wished[MODEL_CHECK_SIZE];
static struct model_check checked;
static bool checked_new;
static struct job the_job;
static struct who {
	int fd; /* the user's connection; -1: nobody has logged in */
	int check_fd; /* another one, which may have to wait for long; -1: none */
	bool admin, hidden;
	unsigned logins; /* so far */
	unsigned changes; /* of any of this: what was asked for before one is not shown behind it */
	bool lost;
} who = {.fd = -1, .check_fd = -1};

static void wake(int fd)
{
	u64 one = 1;
	/* The counter cannot overflow before somebody reads it. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

/* ---- the model ---- */

/* Of one thread that asks. */
struct asking {
	struct vmk_client *own, *user; /* NULL: none */
	struct who as; /* its descriptors are not this thread's */
};

/* With the lock held; fd: the one of who that this thread asks by. Whether another one asks now. */
static bool who_take(struct asking *a, int fd)
{
	bool is_new = a->as.changes != who.changes;
	if (a->as.logins != who.logins) {
		vmk_disconnect(a->user);
		a->user = fd >= 0 ? vmk_client_from_fd(fcntl(fd, F_DUPFD_CLOEXEC, 0)) : NULL;
	}
	a->as = who;
	return is_new;
}

static void connection_drop(struct vmk_client **client)
{
	vmk_disconnect(*client);
	*client = NULL;
}

static void poll_once(struct model *m, struct asking *a, const struct model_wish *wish)
{
	struct error err;
	struct model_asker as = {.restricted = session_restricted()};
	bool shown = a->user && !a->as.hidden;
	/*
	 * The administrator sees all that everybody at a console sees, and more. From others nothing is taken away by logging in there; in
	 * a terminal it is another who looks.
	 */
	bool alone = shown && (a->as.admin || !as.restricted);
	int ret = alone || a->own ? 0 : session_connect(&a->own, &err);
	if (ret) {
		model_lost(m, err.text);
		return;
	}
	as.look = alone ? a->user : a->own;
	as.user = shown ? a->user : NULL;
	/* Made anew next time: the daemon may have been restarted. */
	if (model_poll(m, &as, wish) && !alone)
		connection_drop(&a->own);
	if (!a->user || vmk_client_fd(a->user) >= 0)
		return;
	/* A log-in ends with the daemon that knew its connection. */
	a->as.lost = true;
	connection_drop(&a->user);
	connection_drop(&a->own);
}

static void *poller(void *arg)
{
	static struct model model;
	struct asking asking = {.as.fd = -1};
	(void)arg;
	for (;;) {
		u64 count;
		struct pollfd p = {.fd = poke_fd, .events = POLLIN};
		pthread_mutex_lock(&lock);
		struct model_wish wish = wished;
		bool is_new = who_take(&asking, who.fd);
		pthread_mutex_unlock(&lock);
		if (is_new)
			model_forget(&model, !session_restricted());
		poll_once(&model, &asking, &wish);
		pthread_mutex_lock(&lock);
		bool current = asking.as.changes == who.changes;
		if (current) {
			model_copy(&latest, &model);
			latest_new = true;
			who.lost |= asking.as.lost;
		}
		pthread_mutex_unlock(&lock);
		if (!current)
			continue;
		wake(wake_fd);
		if (poll(&p, 1, POLL_MS) > 0 && read(poke_fd, &count, sizeof(count)) < 0)
			return NULL;
	}
}

/* ---- whether the host would do something ---- */

/*
 * Has a thread and a connection of its own: a file on a server that does not answer is waited for as long as the host does, and everything
 * else is seen meanwhile. NULL: there is nobody to ask for. Who may only look is told nothing about files.
 */
static struct vmk_client *check_client(struct asking *a)
{
	if (a->as.fd >= 0 || session_restricted())
		return a->as.hidden || !a->user || vmk_client_fd(a->user) < 0 ? NULL : a->user;
	return a->own || !session_connect(&a->own, NULL) ? a->own : NULL;
}

/* In how many milliseconds to ask again, as a file that is missing may come; < 0: once something else is wished. */
static int check_once(struct asking *a, const char *request)
{
	struct model_check check;
	struct vmk_client *client = *request ? check_client(a) : NULL;
	if (!client)
		return *request ? CHECK_MS : -1;
	u64 begun = now_monotonic();
	model_check_ask(&check, client, request);
	if (vmk_client_fd(client) < 0) {
		connection_drop(&a->own);
		return CHECK_MS;
	}
	pthread_mutex_lock(&lock);
	if (a->as.changes == who.changes) {
		checked = check;
		checked_new = true;
	}
	pthread_mutex_unlock(&lock);
	wake(wake_fd);
	/* What takes the host long is not all it does. */
	return (int)MAX((now_monotonic() - begun) / 1000000, (u64)CHECK_MS);
}

static void *checker(void *arg)
{
	struct asking asking = {.as.fd = -1};
	char request[MODEL_CHECK_SIZE];
	(void)arg;
	for (;;) {
		u64 count;
		struct pollfd p = {.fd = check_poke_fd, .events = POLLIN};
		pthread_mutex_lock(&lock);
		who_take(&asking, who.check_fd);
		str_copy(request, sizeof(request), check_wished);
		pthread_mutex_unlock(&lock);
		int wait = check_once(&asking, request);
		if (poll(&p, 1, wait) > 0 && read(check_poke_fd, &count, sizeof(count)) < 0)
			return NULL;
	}
}

void worker_check_wish(const char *request)
{
	pthread_mutex_lock(&lock);
	bool is_new = strcmp(check_wished, request) != 0;
	str_copy(check_wished, sizeof(check_wished), request);
	pthread_mutex_unlock(&lock);
	if (is_new)
		wake(check_poke_fd);
}

bool worker_check(struct model_check *check)
{
	pthread_mutex_lock(&lock);
	bool is_new = checked_new;
	if (is_new)
		*check = checked;
	checked_new = false;
	pthread_mutex_unlock(&lock);
	return is_new;
}

/* ---- who asks ---- */

/* With the lock held. */
static void who_changed(void)
{
	who.changes++;
	who.lost = false;
	model_forget(&latest, !session_restricted());
	memset(&checked, 0, sizeof(checked));
	latest_new = checked_new = false;
}

/* Also for the thread that asks by it: a host that is slow to answer keeps no log-in open. */
static void connection_end(int fd)
{
	if (fd < 0)
		return;
	shutdown(fd, SHUT_RDWR);
	close(fd);
}

static void ask_anew(void)
{
	wake(poke_fd);
	wake(check_poke_fd);
}

void worker_user(int fd, int check_fd, bool admin)
{
	pthread_mutex_lock(&lock);
	connection_end(who.fd);
	connection_end(who.check_fd);
	who.fd = fd;
	who.check_fd = check_fd;
	who.admin = admin;
	who.hidden = false;
	who.logins++;
	who_changed();
	pthread_mutex_unlock(&lock);
	ask_anew();
}

void worker_hide_user(bool hidden)
{
	pthread_mutex_lock(&lock);
	bool is_new = who.fd >= 0 && who.hidden != hidden;
	who.hidden = hidden;
	if (is_new)
		who_changed();
	pthread_mutex_unlock(&lock);
	if (is_new)
		ask_anew();
}

bool worker_user_lost(void)
{
	pthread_mutex_lock(&lock);
	bool lost = who.lost;
	pthread_mutex_unlock(&lock);
	return lost;
}

/* ---- actions ---- */

static int attach_try(struct vmk_client *client, struct job *job, bool view_only, struct error *err)
{
	json_t *params = json_pack("{s:s, s:b}", "vm", job->machine, "view_only", view_only);
	json_t *result = NULL;
	int fd, ret = vmk_call(client, "vm.attach", params, &result, &fd, err);
	if (!ret && fd < 0)
		ret = fail(err, -EPROTO, "the host gave no connection to machine %s", job->machine);
	job->view_only = view_only;
	const char *map = json_string_value(json_object_get(result, "keymap"));
	if (!ret)
		ret = viewer_knock(fd, &job->viewer, err);
	/* Without it there are still the keys that are no characters. */
	if (!ret && keymap_open(map ? map : KEYMAP_DEFAULT, &job->map, NULL))
		job->map = NULL;
	json_decref(result);
	return ret;
}

/* Who may not operate the machine may still look at it. */
static int job_attach(struct vmk_client *client, struct job *job)
{
	int ret = attach_try(client, job, false, &job->err);
	if (ret == -EACCES || ret == -EPERM)
		ret = attach_try(client, job, true, NULL) ? ret : 0;
	return ret;
}

/* For vmk_call_long(): leaves what is told where the main loop finds it. */
static bool on_progress(void *arg, u64 task, int percent, const char *what)
{
	(void)arg;
	(void)what;
	pthread_mutex_lock(&lock);
	bool cancel = job_cancel, is_new = job_told.task != task || job_told.percent != percent;
	job_told = (struct job_progress){.task = task, .percent = percent};
	pthread_mutex_unlock(&lock);
	if (is_new)
		wake(wake_fd);
	return !cancel;
}

static void *worker(void *arg)
{
	struct vmk_client *client = NULL;
	(void)arg;
	pthread_mutex_lock(&lock);
	struct job job = the_job;
	pthread_mutex_unlock(&lock);
	job.ret = 0;
	if (job.door >= 0)
		client = vmk_client_from_fd(dup(job.door));
	else
		job.ret = vmk_connect(&client, &job.err);
	if (!job.ret)
		job.ret = job.attach ? job_attach(client, &job) : vmk_call_long(client, job.method, job.params, on_progress, NULL, &job.result, NULL, &job.err);
	else
		json_decref(job.params);
	job.params = NULL;
	vmk_disconnect(client);
	pthread_mutex_lock(&lock);
	the_job = job;
	job_done = true;
	pthread_mutex_unlock(&lock);
	wake(poke_fd);
	wake(wake_fd);
	return NULL;
}

static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

static void thread_start(void *(*run)(void *))
{
	pthread_t thread;
	sigset_t all, before;
	/* Signals are the main thread's: they have to end its poll(). All but those of a crash here, which restores the terminal first. */
	sigfillset(&all);
	for (size_t k = 0; k < ARRAY_SIZE(crashes); k++)
		sigdelset(&all, crashes[k]);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, run, NULL))
		fatal("cannot start a thread");
	pthread_detach(thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int worker_start(void)
{
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	check_poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0 || poke_fd < 0 || check_poke_fd < 0)
		fatal("cannot make an eventfd: %m");
	thread_start(poller);
	thread_start(checker);
	return wake_fd;
}

void worker_poll_now(void)
{
	wake(poke_fd);
}

void worker_wish(const struct model_wish *wish)
{
	pthread_mutex_lock(&lock);
	bool is_new = memcmp(&wished, wish, sizeof(wished)) != 0;
	wished = *wish;
	pthread_mutex_unlock(&lock);
	if (is_new)
		worker_poll_now();
}

bool worker_model(struct model *m)
{
	u64 count;
	if (read(wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return false;
	pthread_mutex_lock(&lock);
	bool is_new = latest_new;
	if (is_new)
		model_copy(m, &latest);
	latest_new = false;
	pthread_mutex_unlock(&lock);
	return is_new;
}

void worker_run(const struct job *job)
{
	pthread_mutex_lock(&lock);
	the_job = *job;
	job_done = job_cancel = false;
	job_told = (struct job_progress){.percent = -1};
	pthread_mutex_unlock(&lock);
	thread_start(worker);
}

bool worker_finished(struct job *job)
{
	pthread_mutex_lock(&lock);
	bool done = job_done;
	if (done)
		*job = the_job;
	job_done = false;
	pthread_mutex_unlock(&lock);
	return done;
}

void worker_cancel(void)
{
	pthread_mutex_lock(&lock);
	job_cancel = true;
	pthread_mutex_unlock(&lock);
}

struct job_progress worker_progress(void)
{
	pthread_mutex_lock(&lock);
	struct job_progress told = job_told;
	pthread_mutex_unlock(&lock);
	return told;
}
