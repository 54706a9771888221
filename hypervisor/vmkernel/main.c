/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - vmkernel, the resident daemon: vmkernel [--root DIR] [--ready-fd N] [--stop-machines]
 *
 * SIGTERM and SIGINT end the daemon and leave the machines running; SIGHUP reads vm-list again.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "api/client.h"
#include "computer/time_service.h"
#include "lib/util.h"
#include "vmkernel/autostart.h"
#include "vmkernel/conf.h"
#include "vmkernel/consoles.h"
#include "vmkernel/host.h"
#include "vmkernel/hostnet_methods.h"
#include "vmkernel/job.h"
#include "vmkernel/owners_seen.h"
#include "vmkernel/power.h"
#include "vmkernel/probe.h"
#include "vmkernel/volumes.h"

#define ASK_USEC 100000
#define ASK_TRIES 100 /* ten seconds */

struct host host = {.lock_fd = -1, .root_fd = -1, .vmx_fd = -1, .authd_fd = -1, .log_fd = -1, .kvm_fd = -1};

/* The root, its folders, and a canonical name for it: machines' paths are compared with it. */
static void open_root(const char *root)
{
	struct error err;
	static const char *const folders[] = {"etc/vmk", "run/vmk", "var/log/vmk", "vmfs/volumes/local"};
	if (root)
		set_root(root);
	if (*get_root()) {
		if (make_dirs(get_root(), 0755, &err))
			fatal("%s", err.text);
		char *real = realpath(get_root(), NULL);
		if (!real)
			fatal("cannot resolve %s: %m", get_root());
		set_root(real);
		free(real);
		struct stat st;
		host.root_fd = open(get_root(), O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (host.root_fd < 0)
			fatal("cannot open %s: %m", get_root());
		if (geteuid() == 0 && fstat(host.root_fd, &st) == 0 && !(st.st_mode & S_IXOTH))
			log_warning("only root can enter %s: no other user's machine will start (chmod o+x helps)", get_root());
	}
	for (unsigned k = 0; k < ARRAY_SIZE(folders); k++) {
		char *path = root_path("%s", folders[k]);
		if (make_dirs(path, 0755, &err))
			fatal("%s", err.text);
		free(path);
	}
	char *worlds = root_path("run/vmk/worlds");
	if (make_dirs(worlds, 0700, &err))
		fatal("%s", err.text);
	free(worlds);
}

static bool lock_try(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	return fcntl(host.lock_fd, F_SETLK, &lock) == 0;
}

/* Whether a daemon serves the root: 0 when its door is open. */
static int find_daemon(struct error *err)
{
	struct vmk_client *client;
	int ret = vmk_connect(&client, err);
	if (ret == 0)
		vmk_disconnect(client);
	return ret;
}

/* Has the daemon that serves the root stop its machines, or waits with whoever has asked before; 0 when they are off. */
static int ask_daemon(struct error *err)
{
	struct vmk_client *client;
	int ret = vmk_connect(&client, err);
	if (ret)
		return ret;
	ret = vmk_call_long(client, "host.stop", json_pack("{s:s}", "machines", "plan"), NULL, NULL, NULL, NULL, err);
	vmk_disconnect(client);
	return ret;
}

/* The daemon that has the lock, by its own word. */
static NORETURN void fail_locked(const char *what)
{
	char text[32] = "";
	ssize_t n = pread(host.lock_fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	fatal("a vmkernel (process %s) %s %s already", text, what, *get_root() ? get_root() : "/");
}

/*
 * One daemon a root. A POSIX lock: it goes with the process whatever ends it, and no child of the daemon shares it. Whoever has it and
 * keeps his door closed is starting or ending just now: he answers soon, or is gone. False: there is nothing left to do, for the
 * daemon has stopped its machines.
 */
static bool lock_wait(bool stop_machines)
{
	struct error err;
	for (unsigned k = 0; !lock_try(); k++) {
		if ((stop_machines ? ask_daemon : find_daemon)(&err) == 0) {
			if (stop_machines)
				return false;
			fail_locked("serves");
		}
		if (k == ASK_TRIES && stop_machines)
			fatal("the vmkernel cannot be asked to stop its machines: %s", err.text);
		if (k == ASK_TRIES)
			fail_locked("that does not answer holds");
		usleep(ASK_USEC);
	}
	return true;
}

/* False: there is nothing left to do. */
static bool take_lock(bool stop_machines)
{
	char *path = root_path("run/vmk/lock"), text[32];
	host.lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (host.lock_fd < 0)
		fatal("cannot open %s: %m", path);
	bool ours = lock_wait(stop_machines);
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ours && (ftruncate(host.lock_fd, 0) || pwrite(host.lock_fd, text, strlen(text), 0) < 0))
		log_warning("cannot write %s: %m", path);
	free(path);
	return ours;
}

/* The programs of the host stand beside this one; held open, so a root in a closed home works for every owner. */
static int open_program(const char *name)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return -1;
	self[n] = 0;
	*strrchr(self, '/') = 0;
	char *path = xasprintf("%s/%s", self, name);
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		log_warning("cannot open %s: %m", path);
	free(path);
	return fd;
}

static int on_sample(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)usec, (void)arg;
	stats_sample();
	volumes_poll();
	autostart_poll();
	owners_seen_write();
	time_service_poll();
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		vm_poll(vm);
	sd_event_source_set_time_relative(s, SAMPLE_SECONDS * 1000000ull);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
	(void)arg;
	struct error err;
	if (si->ssi_signo != SIGHUP) {
		event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "the VMkernel ends on a signal; machines that are on keep running");
		server_close_door();
		return sd_event_exit(sd_event_source_get_event(s), 0);
	}
	if (registry_load(&err))
		log_error("%s", err.text);
	return 0;
}

static void start_events(void)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	sigset_t mask;
	sd_event_source *s;
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	for (unsigned k = 0; k < ARRAY_SIZE(signals); k++)
		sigaddset(&mask, signals[k]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (sd_event_default(&host.event) < 0)
		fatal("cannot make the event loop");
	for (unsigned k = 0; k < ARRAY_SIZE(signals); k++)
		if (sd_event_add_signal(host.event, NULL, signals[k], on_signal, NULL) < 0)
			fatal("cannot watch signals");
	if (sd_event_add_time_relative(host.event, &s, CLOCK_MONOTONIC, 0, 0, on_sample, NULL) < 0)
		fatal("cannot make a timer");
}

static void tell_ready(int ready_fd)
{
	sd_notify(0, "READY=1");
	if (ready_fd >= 0) {
		(void)!write(ready_fd, "\n", 1);
		close(ready_fd);
	}
}

static void raise_limits(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = MIN(files.rlim_max, (rlim_t)8192);
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static const char usage[] = "usage: vmkernel [--root DIR] [--ready-fd N] [--stop-machines]\n"
			    "  --root DIR       everything of the host is below DIR (default $VMK_ROOT, else /)\n"
			    "  --foreground     stay in the foreground (always so)\n"
			    "  --ready-fd N     write a line to descriptor N when the host answers\n"
			    "  --stop-machines  stop the machines that are on as host plan tells, whether a vmkernel runs or not, and end\n"
			    "SIGTERM ends the daemon and leaves the machines running; `vmksh -c 'host stop stop'` powers them off first.\n";

struct choice {
	const char *root;
	int ready_fd; /* -1 = none */
	bool stop_machines;
};

/* Returns the program's exit status when there is nothing more to do, else -1. */
static int take_options(int argc, char *argv[], struct choice *choice)
{
	static const struct option options[] = {{"root", required_argument, NULL, 'r'}, {"foreground", no_argument, NULL, 'f'},
						{"ready-fd", required_argument, NULL, 'd'}, {"version", no_argument, NULL, 'v'},
						{"stop-machines", no_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	u64 fd;
	int option;
	stdio_open();
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'r') {
			choice->root = optarg;
		} else if (option == 'd' && parse_u64(optarg, 3, 1 << 20, &fd)) {
			choice->ready_fd = (int)fd;
			fcntl(choice->ready_fd, F_SETFD, FD_CLOEXEC);
		} else if (option == 's') {
			choice->stop_machines = true;
		} else if (option == 'v') {
			puts("vmkernel " VMK_VERSION);
			return 0;
		} else if (option != 'f') {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (optind < argc)
		fputs(usage, stderr);
	return optind < argc ? 2 : -1;
}

/* Whoever comes to the door is served either way; --stop-machines ends by itself. */
static void begin_work(const struct choice *choice)
{
	struct error err;
	if (choice->stop_machines && power_stop_alone(&err))
		fatal("%s", err.text);
	if (choice->stop_machines)
		return;
	hostnet_begin();
	consoles_start();
	probe_engines();
	volumes_poll();
	autostart_begin();
}

/* A host that cannot be as it is meant to be does not start; machines that are on are stopped even so. */
static void must(int ret, const struct choice *choice, const struct error *err)
{
	if (ret && !choice->stop_machines)
		fatal("%s", err->text);
	if (ret)
		log_error("%s", err->text);
}

static bool any_on(void)
{
	for (const struct vm *vm = host.vms; vm; vm = vm->next)
		if (vm_running(vm))
			return true;
	return false;
}

int main(int argc, char *argv[])
{
	struct choice choice = {.ready_fd = -1};
	struct error err;
	int ret = take_options(argc, argv, &choice);
	if (ret >= 0)
		return ret;
	umask(022);
	raise_limits();
	open_root(choice.root);
	if (!take_lock(choice.stop_machines))
		return 0;
	must(events_open(&err), &choice, &err);
	must(conf_read(&err), &choice, &err);
	host.started_ns = now_monotonic();
	host.cpus = (unsigned)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
	host.passed_over = json_array();
	host.vmx_fd = open_program("vmk-vmx");
	host.authd_fd = open_program("vmk-authd");
	host.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	start_events();
	event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "VMkernel " VMK_VERSION " starts on %s", *get_root() ? get_root() : "/");
	must(registry_load(&err), &choice, &err);
	supervise_adopt();
	must(server_start(&err), &choice, &err);
	begin_work(&choice);
	tell_ready(choice.ready_fd);
	ret = sd_event_loop(host.event);
	sd_notify(0, "STOPPING=1");
	consoles_stop();
	server_stop();
	owners_seen_write();
	job_kill_all();
	event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "VMkernel ends");
	/* Now: a thread that waits for a server (within.h) may keep the process, and what it has open, for long. */
	close(host.lock_fd);
	return ret < 0 || (choice.stop_machines && any_on()) ? 1 : 0;
}
