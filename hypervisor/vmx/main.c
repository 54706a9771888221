/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - vmk-vmx: one process a machine, started by the VMkernel with descriptors, or standalone with a .vmx file.
 *
 * Order: descriptors and configuration, the console server's starter (before there are threads), the machine (opens every
 * file), threads, sandbox, power on, loop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"
#include "vmx/vmx.h"

#define EXIT_BAD 2 /* standalone: configuration or input/output */

struct options {
	const char *file; /* standalone */
	const char *name, *engine, *screen_socket;
	const char *suspend_to, *resume; /* standalone */
	int config_fd, control_fd, log_fd, resume_fd, suspend_fd;
	u64 world, serial;
	bool sandbox;
	struct files files;
};

static const char usage_text[] =
	"usage: vmk-vmx --standalone FILE.vmx [--serial N] [--screen-socket PATH] [--engine NAME] [--no-sandbox]\n"
	"               [--suspend-to FILE (at SIGUSR1)] [--resume FILE]\n"
	"       vmk-vmx --name NAME --world N --config-fd F --control-fd F --log-fd F [--kvm-fd F] [--resume-fd F] [--file KEY=F]...\n"
	"       vmk-vmx --engines\n";

NORETURN static void usage(void)
{
	fputs(usage_text, stderr);
	exit(EXIT_BAD);
}

/* ---- command line ---- */

static u64 number_option(const char *name, const char *text, u64 max)
{
	u64 value;

	if (!parse_u64(text, 0, max, &value)) {
		fprintf(stderr, "vmk-vmx: --%s %s: must be a number from 0 to %llu\n", name, text, (unsigned long long)max);
		exit(EXIT_BAD);
	}
	return value;
}

/* Descriptors are for this process, not for the console server it starts. */
static int fd_option(const char *name, const char *text)
{
	int fd = (int)number_option(name, text, 1 << 20);

	if (fcntl(fd, F_SETFD, FD_CLOEXEC)) {
		fprintf(stderr, "vmk-vmx: --%s %d: not an open descriptor\n", name, fd);
		exit(EXIT_BAD);
	}
	return fd;
}

static void file_option(struct files *files, const char *text)
{
	const char *equals = strchr(text, '=');
	struct file_entry *f = &files->table[files->n];

	if (!equals || files->n == FILES_MAX || (size_t)(equals - text) >= sizeof(f->key))
		usage();
	memcpy(f->key, text, (size_t)(equals - text));
	f->fd = fd_option("file", equals + 1);
	files->n++;
}

enum vmx_option { OPT_STANDALONE, OPT_SERIAL, OPT_SCREEN_SOCKET, OPT_NO_SANDBOX, OPT_ENGINE, OPT_NAME, OPT_WORLD, OPT_CONFIG_FD,
	      OPT_CONTROL_FD, OPT_LOG_FD, OPT_FILE, OPT_ENGINES,
	      OPT_RESUME_FD, OPT_SUSPEND_TO, OPT_RESUME, OPT_KVM_FD };

static const struct option long_options[] = {
	{"standalone", required_argument, NULL, OPT_STANDALONE},
	{"serial", required_argument, NULL, OPT_SERIAL},
	{"screen-socket", required_argument, NULL, OPT_SCREEN_SOCKET},
	{"no-sandbox", no_argument, NULL, OPT_NO_SANDBOX},
	{"engine", required_argument, NULL, OPT_ENGINE},
	{"name", required_argument, NULL, OPT_NAME},
	{"world", required_argument, NULL, OPT_WORLD},
	{"config-fd", required_argument, NULL, OPT_CONFIG_FD},
	{"control-fd", required_argument, NULL, OPT_CONTROL_FD},
	{"log-fd", required_argument, NULL, OPT_LOG_FD},
	{"file", required_argument, NULL, OPT_FILE},
	{"kvm-fd", required_argument, NULL, OPT_KVM_FD},
	{"engines", no_argument, NULL, OPT_ENGINES},
	{"resume-fd", required_argument, NULL, OPT_RESUME_FD},
	{"suspend-to", required_argument, NULL, OPT_SUSPEND_TO},
	{"resume", required_argument, NULL, OPT_RESUME},
	{NULL, 0, NULL, 0},
};

static void take_option(struct options *o, int option)
{
	switch (option) {
	case OPT_STANDALONE:
		o->file = optarg;
		break;
	case OPT_SERIAL:
		o->serial = number_option("serial", optarg, SERIAL_LINES - 1);
		break;
	case OPT_SCREEN_SOCKET:
		o->screen_socket = optarg;
		break;
	case OPT_NO_SANDBOX:
		o->sandbox = false;
		break;
	case OPT_ENGINE:
		o->engine = optarg;
		break;
	case OPT_NAME:
		o->name = optarg;
		break;
	case OPT_WORLD:
		o->world = number_option("world", optarg, UINT32_MAX);
		break;
	case OPT_CONFIG_FD:
		o->config_fd = fd_option("config-fd", optarg);
		break;
	case OPT_CONTROL_FD:
		o->control_fd = fd_option("control-fd", optarg);
		break;
	case OPT_LOG_FD:
		o->log_fd = fd_option("log-fd", optarg);
		break;
	case OPT_FILE:
		file_option(&o->files, optarg);
		break;
	case OPT_RESUME_FD:
		o->resume_fd = fd_option("resume-fd", optarg);
		break;
	case OPT_SUSPEND_TO:
		o->suspend_to = optarg;
		break;
	case OPT_RESUME:
		o->resume = optarg;
		break;
	case OPT_KVM_FD:
		cpu_kvm_device(fd_option("kvm-fd", optarg));
		break;
	case OPT_ENGINES:
		exit(vmx_print_engines());
	default:
		usage();
	}
}

static void parse_options(struct options *o, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		take_option(o, option);
	if (optind != argc || (!o->file && (!o->name || o->config_fd < 0 || o->control_fd < 0)))
		usage();
}

/* ---- configuration ---- */

static void warn(void *arg, const char *text)
{
	(void)arg;
	log_warning("%s", text);
}

static int read_config(const struct options *o, struct config **config, struct error *err)
{
	char *text;
	size_t len;
	int r;

	if (o->file) {
		r = config_read(o->file, config, err);
	} else {
		r = read_fd(o->config_fd, o->name, CONFIG_MAX_BYTES, &text, &len, err);
		if (r)
			return r;
		r = config_parse(o->name, text, len, config, err);
		free(text);
	}
	return r ? r : config_check(*config, warn, NULL, err);
}

/* "/vms/demo/demo.vmx" without a displayName is "demo". */
static char *name_of(const struct options *o, const struct config *config)
{
	const char *display = config_string(config, "displayName");

	if (o->name || (display && *display))
		return xstrdup(o->name ? o->name : display);
	char *path = xstrdup(o->file), *name = xstrdup(basename(path)), *dot = strrchr(name, '.');
	if (dot && dot != name)
		*dot = 0;
	free(path);
	return name;
}

/* ---- suspending without a VMkernel ---- */

static int open_suspended(struct options *o, struct error *err)
{
	if (o->file && o->resume && (o->resume_fd = open(o->resume, O_RDWR | O_CLOEXEC)) < 0)
		return fail(err, -errno, "cannot open %s: %s", o->resume, strerror(errno));
	if (o->file && o->suspend_to && (o->suspend_fd = open(o->suspend_to, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
		return fail(err, -errno, "cannot open %s: %s", o->suspend_to, strerror(errno));
	return 0;
}

static void on_suspended(struct vmx *x, void *arg, int ret, const struct error *err)
{
	(void)arg;
	if (ret)
		log_error("%s", err->text);
	else
		suspend_keep(x);
}

static int on_suspend_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct vmx *x = arg;
	struct error err;
	int fd = dup(x->suspend_fd);

	(void)source, (void)info;
	if (fd < 0 || suspend_begin(x, fd, on_suspended, NULL, &err))
		log_error("%s", fd < 0 ? strerror(errno) : err.text);
	return 0;
}

/* ---- the loop ---- */

static int on_clock(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source, (void)fd, (void)events;
	struct vmx *x = arg;

	machine_lock(x->machine);
	clock_run(x->machine);
	machine_unlock(x->machine);
	return 0;
}

static void move_serial(struct vmx *x)
{
	u8 chunk[1024];
	size_t n;

	for (unsigned line = 0; line < SERIAL_LINES; line++)
		while (!terminal_out(x, line) && (n = serial_take(x->machine, line, chunk, sizeof(chunk))))
			screen_serial_out(x, line, chunk, n);
}

static void attend(struct vmx *x)
{
	/* Pulling the plug is stronger than suspending; a reset waits. */
	if (suspend_active(x)) {
		machine_lock(x->machine);
		bool off = x->machine->power_off_wanted;
		machine_unlock(x->machine);
		if (!off)
			return;
		suspend_give_up(x);
	}
	switch (machine_attend(x->machine)) {
	case MACHINE_NOTHING:
		break;
	case MACHINE_RESET:
		log_limited(LOG_LEVEL_INFO, "reset");
		control_event(x, "reset", "the machine was reset");
		break;
	case MACHINE_POWERED_OFF:
		log_info("powered off");
		sd_event_exit(x->loop, x->machine->exit_status);
		break;
	}
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source, (void)events;
	struct vmx *x = arg;
	eventfd_t count;

	eventfd_read(fd, &count);
	machine_lock(x->machine);
	bool room = x->machine->serial_room;
	machine_unlock(x->machine);
	if (room) {
		serial_retry(x->machine);
		terminal_serial_room(x);
		screen_serial_room(x);
	}
	move_serial(x);
	net_woken(x);
	screen_woken(x);
	question_attend(x);
	attend(x);
	return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	(void)source;

	log_info("signal %u, powering off", info->ssi_signo);
	vmx_stop(arg);
	return 0;
}

static int loop_new(struct vmx *x, struct error *err)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	int r = sd_event_new(&x->loop);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(signals); i++)
		r = sd_event_add_signal(x->loop, NULL, signals[i], on_signal, x);
	if (r >= 0 && x->suspend_fd >= 0)
		r = sd_event_add_signal(x->loop, NULL, SIGUSR1, on_suspend_signal, x);
	if (r >= 0)
		r = sd_event_add_io(x->loop, &x->clock, x->machine->clock.fd, EPOLLIN, on_clock, x);
	if (r >= 0)
		r = sd_event_source_set_priority(x->clock, SD_EVENT_PRIORITY_IMPORTANT);
	if (r >= 0)
		r = sd_event_add_io(x->loop, &x->wake, x->machine->wake_fd, EPOLLIN, on_wake, x);
	return r < 0 ? fail(err, r, "cannot create the event loop: %s", strerror(-r)) : 0;
}

static int people_init(struct vmx *x, const struct options *o, struct error *err)
{
	int r = screen_init(x, err);

	if (!r && o->control_fd >= 0)
		r = control_init(x, o->control_fd, err);
	question_possible(x->machine, !r && o->control_fd >= 0);
	if (!r && o->screen_socket) {
		int fd = sock_listen(o->screen_socket, SOCK_SEQPACKET, 0600, err);
		r = fd < 0 ? fd : screen_listen(x, fd, err);
	}
	if (!r && x->standalone)
		r = terminal_init(x, (unsigned)o->serial, err);
	return r;
}

static void close_down(struct vmx *x)
{
	const char *why = x->failed ? "the machine has failed" : x->suspended ? "the machine is suspended" : "the machine is powered off";

	if (x->loop) {
		suspend_give_up(x);
		move_serial(x); /* its last words, written since the loop looked last */
		control_event(x, "poweroff", why);
		screen_bye(x, why);
		terminal_free(x);
		screen_free(x);
		control_free(x);
		net_free(x);
		sd_event_source_disable_unref(x->clock);
		sd_event_source_disable_unref(x->wake);
		sd_event_unref(x->loop);
	}
	machine_free(x->machine);
}

static int power_on(struct vmx *x, const struct options *o, struct error *err)
{
	int r;

	if ((r = loop_new(x, err)) || (r = people_init(x, o, err)) || (r = net_init(x, err)) ||
	    (o->resume_fd >= 0 && (r = suspend_resume(x, o->resume_fd, err))) || (r = machine_start_threads(x->machine, err)))
		return r;
	if (!o->sandbox)
		log_warning("running without a sandbox");
	else if (sandbox_enter(net_has_nat(x), err))
		log_warning("running without a sandbox: %s", err->text);
	log_info("power on: %s, %llu MB, engine %s", x->name, (unsigned long long)(x->machine->memory.bytes / MIB),
		 x->machine->engine->name);
	machine_power_on(x->machine);
	r = sd_event_loop(x->loop);
	return r < 0 ? fail(err, r, "the event loop failed: %s", strerror(-r)) : r;
}

static void process_init(const struct options *o)
{
	sigset_t blocked;

	prctl(PR_SET_NAME, "vmk-vmx");
	/* These read /dev/urandom and /etc/localtime, which the sandbox will not allow. */
	json_object_seed(0);
	tzset();
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGHUP);
	if (o->suspend_to)
		sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL); /* before threads: they inherit it */
	log_open("vmx", o->log_fd >= 0 ? o->log_fd : STDERR_FILENO);
	if (!o->file && o->log_fd >= 0)
		dup2(o->log_fd, STDERR_FILENO); /* what libraries and the console server say */
	if (o->file && isatty(STDERR_FILENO))
		log_threshold(LOG_LEVEL_WARNING); /* the serial line is on the same terminal */
}

/* Returns the machine's exit status, or -errno with a sentence. */
static int run(struct vmx *x, struct options *o, struct error *err)
{
	struct config *config = NULL;
	char *name = NULL, *folder = NULL;
	int r = read_config(o, &config, err);

	if (r)
		goto out;
	x->name = name = name_of(o, config);
	r = open_suspended(o, err);
	if (r)
		goto out;
	x->suspend_fd = o->suspend_fd;
	const struct cpu_ops *engine = cpu_engine_choose(o->engine ? o->engine : config_string(config, "cpu.engine"), err);
	if (!engine) {
		r = err->code;
		goto out;
	}
	if (o->file) {
		folder = xstrdup(o->file);
		o->files.folder = dirname(folder);
	}
	struct machine_config mc = {name, config, engine, device_table, o->files};
	if (!(r = machine_new(&mc, &x->machine, err)))
		r = power_on(x, o, err);
	x->failed = r < 0 || (r && !o->file);
	close_down(x);
out:
	config_free(config);
	free(folder);
	free(name);
	return r;
}

int main(int argc, char **argv)
{
	struct options o = {.config_fd = -1, .control_fd = -1, .log_fd = -1, 
			    .resume_fd = -1, .suspend_fd = -1, .sandbox = true};
	struct vmx x = {.suspend = {.fd = -1}, .suspend_fd = -1};
	struct error err;

	parse_options(&o, argc, argv);
	process_init(&o);
	x.world = (u32)o.world;
	x.standalone = o.file != NULL;
	x.statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	int r = run(&x, &o, &err);
	if (r >= 0)
		return x.standalone ? r & 0xff : r != 0;
	if (x.standalone)
		fprintf(stderr, "vmk-vmx: %s\n", err.text);
	else
		log_error("%s", err.text);
	return x.standalone ? EXIT_BAD : 1;
}
