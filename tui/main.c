// SPDX-License-Identifier: GPL-2.0-or-later
/* main.c - vmkstatus: options, the terminal, and the loop that waits for keys, the host and an attached machine */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/util.h"
#include "tui/batch.h"
#include "tui/pages.h"
#include "tui/ui.h"

static const char usage[] =
	"usage: vmkstatus [options]\n"
	"  --attach NAME     show this machine's screen at once\n"
	"  --console [TTY]   as init starts it: no rights without a log-in, no way out\n"
	"  --machine NAME    select this machine\n"
	"  --dump VIEW       print a view (status, machines, details, performance, storage, network, users, log, host,\n"
	"                    help, attach) as text and leave; VIEW/PAGE one of its pages\n"
	"  --width W --height H   its size (80 x 25)\n"
	"  --log-out SECONDS a log-in ends after so long without a key; 0: never (60 with --console, else 0)\n"
	"  --detach SECONDS  a machine's screen is left, and the log-in ends, after so long without a key; 0: never (900 with\n"
	"                    --console, else 0)\n"
	"  --no-mouse        leave the mouse to the terminal\n"
	"  --ascii           nothing but ASCII\n"
	"  --batch           print what worlds use as lines: --panel cpu|memory|disk|network|all,\n"
	"                    --delay S (2), --count N (no end), --format csv|json\n"
	"  --root DIR        the host under DIR (also: VMK_ROOT)\n"
	"  --help, --version\n";

#define KEY_PAUSE_MS 20
#define UNSET (~0ull)

static volatile sig_atomic_t ended;
static int wake_fd;

#define LEAVE_SECONDS 5

static void on_signal(int number)
{
	if (number == SIGWINCH)
		return;
	ended = 1;
	/* A terminal that takes nothing any more (or a host that does not answer) does not keep this process alive. */
	alarm(LEAVE_SECONDS);
}

/* The time to leave is over: the terminal is put right if it still takes that, for which the next alarm is the end. */
static void on_alarm(int number)
{
	(void)number;
	alarm(LEAVE_SECONDS);
	term_end();
	_exit(1);
}

static void on_crash(int number)
{
	/* Not a function for signal handlers, but the terminal is lost without it. */
	term_end();
	signal(number, SIG_DFL);
	raise(number);
}

static void signals_set(void)
{
	static const int leave[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT}, crash[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct sigaction action = {.sa_handler = on_signal}, crashed = {.sa_handler = on_crash};
	struct sigaction late = {.sa_handler = on_alarm, .sa_flags = SA_RESETHAND | SA_NODEFER};
	for (size_t k = 0; k < ARRAY_SIZE(leave); k++)
		sigaction(leave[k], &action, NULL);
	for (size_t k = 0; k < ARRAY_SIZE(crash); k++)
		sigaction(crash[k], &crashed, NULL);
	sigaction(SIGWINCH, &action, NULL);
	sigaction(SIGALRM, &late, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
}

static void key_queue(void *arg, const struct viewer_press *p)
{
	struct ui *ui = arg;
	if (ui->n_keys < KEY_QUEUE)
		ui->keys[(ui->first_key + ui->n_keys++) % KEY_QUEUE] = *p;
}

static void keys_read(struct ui *ui)
{
	u8 bytes[128];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		ended = 1; /* the terminal is gone */
	if (n > 0)
		viewer_decode(&ui->input, bytes, (size_t)n, key_queue, ui);
	explicit_bzero(bytes, sizeof(bytes));
}

static void attached_read(struct ui *ui)
{
	struct attached *a = &ui->attached;
	unsigned events = viewer_receive(a->viewer, NULL, NULL);
	if (events & VIEWER_INSIDE)
		act_inside(ui);
	if (events & VIEWER_CHANGED) {
		viewer_snapshot(a->viewer, a->screen, true);
		viewer_ready(a->viewer);
	}
	ui->input.caps_lock = a->screen->leds & SCREEN_LED_CAPS;
	if (events & VIEWER_ENDED)
		act_detach(ui, viewer_farewell(a->viewer));
}

static void draw(struct ui *ui)
{
	unsigned columns, rows;
	term_resize(&columns, &rows);
	canvas_clear(&ui->canvas, columns, rows);
	ui_draw(ui);
	term_show(&ui->canvas);
}

static void wait_and_read(struct ui *ui)
{
	/* What is pasted waits in the terminal while the queue is long. */
	bool room = ui->n_keys < KEY_QUEUE / 2, escape = !ui->n_keys && viewer_decode_pending(&ui->input);
	struct pollfd p[3] = {
		{.fd = room ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = wake_fd, .events = POLLIN},
		{.fd = ui->attached.viewer ? viewer_fd(ui->attached.viewer) : -1, .events = POLLIN},
	};
	int idle = ui->form && form_pauses(ui->form) ? FORM_PAUSE_MS : 1000;
	int n = poll(p, 3, ui->n_keys || ui->paste_left ? KEY_PAUSE_MS : escape ? VIEWER_ESCAPE_MS : idle);
	if (n == 0 && escape)
		viewer_decode(&ui->input, NULL, 0, key_queue, ui);
	if (n <= 0)
		return;
	if (p[0].revents)
		keys_read(ui);
	if (p[2].revents)
		attached_read(ui);
	if (p[1].revents) {
		bool gone = worker_user_lost(), was_connected = ui->model.connected;
		if (worker_model(&ui->model)) {
			ui_model(ui, was_connected);
			ui->model_at = now_monotonic();
			gone |= !ui->model.connected;
		}
		/* A log-in ends with the daemon that knew its connection. */
		if (gone && ui->door >= 0 && !ui->activity.busy)
			act_logout(ui, "Logged out: the host is gone.");
		act_progress(ui);
		act_done(ui);
	}
}

/* A session on a console does not outlive its use. Looking at a machine is use, but not for ever. */
static void idle_end(struct ui *ui)
{
	bool looking = ui->attached.viewer && !ui->locked;
	u64 at = looking ? ui->detach_at : ui->logout_at;
	if (!at || ui->activity.busy || now_monotonic() < at)
		return;
	if (looking)
		act_detach(ui, "no key was pressed for a while");
	/* A log-in that is to last for ever was told so. */
	if (!looking || ui->logout_seconds)
		act_logout(ui, ui->user[0] ? "Logged out: no key was pressed for a while." : "");
}

void main_turn(struct ui *ui)
{
	if (ended)
		ui->quit = true;
	worker_wish(&ui->wish);
	idle_end(ui);
	if (ui->n_keys && now_monotonic() >= ui->key_at) {
		struct viewer_press *slot = &ui->keys[ui->first_key], p = *slot;
		/* It may be a letter of a password. */
		explicit_bzero(slot, sizeof(*slot));
		ui->first_key = (ui->first_key + 1) % KEY_QUEUE;
		ui->n_keys--;
		ui_key(ui, &p);
		explicit_bzero(&p, sizeof(p));
		/* A machine's keyboard takes pasted text no faster than a fast typist's. */
		ui->key_at = ui->attached.viewer ? now_monotonic() + KEY_PAUSE_MS * 1000000ull : 0;
		return;
	}
	if (ui->paste_left && !ui->n_keys && now_monotonic() >= ui->key_at) {
		attached_paste(ui);
		ui->key_at = now_monotonic() + KEY_PAUSE_MS * 1000000ull;
	}
	draw(ui);
	wait_and_read(ui);
}

struct options {
	const char *attach, *dump, *tty, *machine;
	u64 width, height;
	u64 logout_seconds, detach_seconds;
	bool console, ascii, no_mouse, batch;
	struct batch_options lines; /* of --batch */
};

static bool dump_attach(struct ui *ui, const char *name, struct error *err)
{
	struct viewer *viewer;
	int ret = -EINVAL, fd;
	struct vmk_client *client;
	if (!name)
		return fail(err, ret, "--dump attach needs --attach NAME") == 0;
	if (vmk_connect(&client, err))
		return false;
	ret = vmk_call(client, "vm.attach", json_pack("{s:s, s:b, s:b}", "vm", name, "view_only", 1, "brief", 1), NULL, &fd, err);
	vmk_disconnect(client);
	if (ret || viewer_open(fd, &viewer, err))
		return false;
	ui->attached.viewer = viewer;
	ui->attached.screen = xcalloc(1, sizeof(*ui->attached.screen));
	str_copy(ui->attached.name, sizeof(ui->attached.name), name);
	struct pollfd p = {.fd = viewer_fd(viewer), .events = POLLIN};
	viewer_refresh(viewer);
	poll(&p, 1, 2000);
	viewer_snapshot(viewer, ui->attached.screen, true);
	return true;
}

/* "details/events": which view, and which of its pages. False: there is none of that name. */
static bool dump_view(struct ui *ui, const char *name)
{
	char view_name[64];
	unsigned view = 0;
	size_t length = strcspn(name, "/");
	snprintf(view_name, sizeof(view_name), "%.*s", (int)MIN(length, sizeof(view_name) - 1), name);
	while (view < VIEW_COUNT && strcmp(views[view].name, view_name))
		view++;
	if (view == VIEW_COUNT && strcmp(name, "attach")) {
		fprintf(stderr, "vmkstatus: no view is named %s: attach", view_name);
		for (unsigned k = 0; k < VIEW_COUNT; k++)
			fprintf(stderr, "%s%s", k + 1 < VIEW_COUNT ? ", " : " or ", views[k].name);
		fputc('\n', stderr);
		return false;
	}
	ui->view = view < VIEW_COUNT ? (enum view_id)view : VIEW_HOME;
	if (!name[length] || page_go(ui->view, name + length + 1))
		return true;
	fprintf(stderr, "vmkstatus: the view %s has no page named %s\n", view_name, name + length + 1);
	return false;
}

#define DUMP_PASSES 4
/* Again as long as what has been told leads to further questions: those about a machine, once it is known which there are. */
static int dump_poll(struct ui *ui)
{
	struct error err;
	struct vmk_client *client = NULL;
	int ret = vmk_connect(&client, &err);
	if (ret)
		str_copy(ui->model.trouble, sizeof(ui->model.trouble), err.text);
	bool again = true;
	for (int pass = 0; !ret && again && pass < DUMP_PASSES; pass++) {
		struct model_wish before = ui->wish;
		ret = model_poll(&ui->model, &(struct model_asker){.look = client}, &ui->wish);
		ui_model(ui, ui->model.connected);
		ui_draw(ui);
		again = memcmp(&before, &ui->wish, sizeof(before));
	}
	vmk_disconnect(client);
	return ret;
}

static int dump(struct ui *ui, const struct options *o)
{
	struct error err;
	if (!dump_view(ui, o->dump))
		return 2;
	canvas_clear(&ui->canvas, (unsigned)o->width, (unsigned)o->height);
	int ret = dump_poll(ui);
	if (!strcmp(o->dump, "attach") && !dump_attach(ui, o->attach, &err)) {
		fprintf(stderr, "vmkstatus: %s\n", err.text);
		return 1;
	}
	ui->message[0] = 0;
	canvas_clear(&ui->canvas, (unsigned)o->width, (unsigned)o->height);
	ui_draw(ui);
	char *text = canvas_dump(&ui->canvas);
	fputs(text, stdout);
	free(text);
	return ret ? 1 : 0;
}

static const struct option long_options[] = {
	{"attach", required_argument, NULL, 'a'},
	{"console", no_argument, NULL, 'c'},
	{"dump", required_argument, NULL, 'd'},
	{"machine", required_argument, NULL, 'M'},
	{"batch", no_argument, NULL, 'b'},
	{"panel", required_argument, NULL, 'p'},
	{"delay", required_argument, NULL, 's'},
	{"count", required_argument, NULL, 'n'},
	{"format", required_argument, NULL, 'f'},
	{"width", required_argument, NULL, 'w'},
	{"height", required_argument, NULL, 'H'},
	{"log-out", required_argument, NULL, 'l'},
	{"detach", required_argument, NULL, 'D'},
	{"no-mouse", no_argument, NULL, 'm'},
	{"ascii", no_argument, NULL, 'A'},
	{"root", required_argument, NULL, 'r'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'v'},
	{NULL, 0, NULL, 0},
};

static int options_read(struct options *o, int argc, char **argv)
{
	int option;
	bool good = true;
	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) >= 0) {
		switch (option) {
		case 'a':
			o->attach = optarg;
			break;
		case 'c':
			o->console = true;
			break;
		case 'd':
			o->dump = optarg;
			break;
		case 'M':
			o->machine = optarg;
			break;
		case 'b':
			o->batch = true;
			break;
		case 'p':
			o->lines.panel = optarg;
			break;
		case 's':
			good &= parse_u64(optarg, 1, 86400, &o->lines.delay);
			break;
		case 'n':
			good &= parse_u64(optarg, 1, ~0u, &o->lines.count);
			break;
		case 'f':
			o->lines.format = optarg;
			break;
		case 'w':
			good &= parse_u64(optarg, 1, 1000, &o->width);
			break;
		case 'H':
			good &= parse_u64(optarg, 1, 500, &o->height);
			break;
		case 'l':
			good &= parse_u64(optarg, 0, 7 * 24 * 3600, &o->logout_seconds);
			break;
		case 'D':
			good &= parse_u64(optarg, 0, 7 * 24 * 3600, &o->detach_seconds);
			break;
		case 'm':
			o->no_mouse = true;
			break;
		case 'A':
			o->ascii = true;
			break;
		case 'r':
			set_root(optarg);
			break;
		case 'v':
			puts("vmkstatus " VMK_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			good = false;
		}
	}
	if (o->logout_seconds == UNSET)
		o->logout_seconds = o->console ? 60 : 0;
	if (o->detach_seconds == UNSET)
		o->detach_seconds = o->console ? 15 * 60 : 0;
	if (o->console && optind < argc)
		o->tty = argv[optind++];
	if (good && optind == argc)
		return -1;
	fputs(usage, stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static struct ui ui = {.door = -1, .view = VIEW_HOME, .helped = VIEW_HOME};
	struct options o = {.width = 80, .height = 25, .logout_seconds = UNSET, .detach_seconds = UNSET, .lines.delay = 2};
	struct error err;
	setlocale(LC_ALL, "");
	vmk_wipe_freed_json();
	int status = options_read(&o, argc, argv);
	if (status >= 0)
		return stdout_end(status);
	if (o.tty && !o.dump)
		tty_take(o.tty);
	ui.ascii = o.ascii || strcmp(nl_langinfo(CODESET), "UTF-8");
	ui.console = o.console;
	if (o.machine)
		str_copy(ui.machine, sizeof(ui.machine), o.machine);
	if (o.batch)
		return stdout_end(batch_run(&o.lines));
	ui.logout_seconds = o.logout_seconds;
	ui.detach_seconds = o.detach_seconds;
	if (o.dump)
		return stdout_end(dump(&ui, &o));
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		fatal("needs a terminal; --dump prints a view as text");
	if (session_start(o.console, &err))
		fatal("%s", err.text);
	signals_set();
	if (term_begin(&err))
		fatal("%s", err.text);
	ui.input.mouse = !o.no_mouse && term_mouse(true);
	wake_fd = worker_start();
	if (o.attach)
		act_attach(&ui, o.attach);
	while (!ui.quit) {
		main_turn(&ui);
		question_notice(&ui);
	}
	term_end();
	if (o.tty)
		tty_leave();
	if (ui.attached.viewer)
		act_detach(&ui, "");
	act_logout(&ui, "");
	return 0;
}
