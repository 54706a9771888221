/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.c - the VMkernel's door to this machine: JSON objects, one a packet, on a SOCK_SEQPACKET socket.
 *
 * {"cmd":"status"|"stop"|"reset"|"balloon"|"attach"|"viewers"|"remove"|"answer"|"connect"|"disconnect"|"guestinfo"|"suspend"|"suspended",...} is answered by {"ok":true,...} or {"ok":false,"errno":n,"error":"sentence"};
 * "suspend" comes with the descriptor of an empty file and is answered when the machine is in it, on the disk, standing still;
 * "connect" comes with the descriptor of a medium, if the device takes one.
 * "suspended" from the same controller then ends the process. If the controller goes away before, the machine goes on.
 * {"event":"...","text":"..."} may come at any time. Only root and the machine's own user are heard.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "disk/disk.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "vmx/vmx.h"

#define PACKET_MAX (80 * 1024) /* a variable of guestinfo, each byte of it escaped */
#define SOFT_STOP_SECONDS 30 /* as vmksh(8) says; TRYSOFT_SECONDS of the VMkernel are more */

struct controller {
	struct vmx *x;
	unsigned index;
	int fd;
	sd_event_source *io;
	int fd_in;	 /* came with the command, -1 = none */
	json_t *args;	 /* of the command being carried out */
	bool suspending; /* has asked for it */
};

/* ---- commands: 0 fills in the answer (and may hand over *fd), or -errno with a sentence; LATER: others answer ---- */

#define LATER 1
struct command {
	const char *name;
	int (*run)(struct vmx *x, json_t *args, json_t *answer, int *fd, struct error *err);
	int (*run_for)(struct controller *c, struct error *err); /* instead: those that need to know who asks */
};

static u64 cpu_time(void)
{
	struct timespec ts = {0};

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}

static u64 resident_kb(const struct vmx *x)
{
	char text[128];
	unsigned long long resident = 0;
	ssize_t n = pread(x->statm_fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	if (sscanf(text, "%*u %llu", &resident) != 1)
		return 0;
	return resident * (u64)sysconf(_SC_PAGESIZE) / 1024;
}

/* Totals since power on, of which the VMkernel makes rates. */
static json_t *traffic(const struct vmx *x)
{
	struct net_traffic rx = net_traffic(x, NET_IN), tx = net_traffic(x, NET_OUT);
	struct disk_traffic disk;

	disk_traffic(&disk);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "reads", (json_int_t)disk.reads, "writes",
			 (json_int_t)disk.writes, "read_bytes", (json_int_t)disk.read_bytes, "write_bytes",
			 (json_int_t)disk.write_bytes, "disk_ns", (json_int_t)disk.ns, "rx_packets", (json_int_t)rx.frames,
			 "tx_packets", (json_int_t)tx.frames, "rx_bytes", (json_int_t)rx.bytes, "tx_bytes", (json_int_t)tx.bytes,
			 "dropped", (json_int_t)(rx.lost + tx.lost));
}

static void question_status(struct vmx *x, json_t *answer)
{
	char text[QUESTION_TEXT];
	u64 id;

	if (!question_get(x->machine, &id, text))
		return;
	json_object_set_new(answer, "question",
			    json_pack("{s:I, s:s+, s:[{s:s,s:s},{s:s,s:s},{s:s,s:s}]}", "id", (json_int_t)id, "text", text,
				      "; the machine stands still", "choices", "name", "retry", "label", "Try again", "name", "fail",
				      "label", "Tell the guest", "name", "off", "label", "Power off"));
}

static int run_answer(struct vmx *x, json_t *args, json_t *answer, int *fd, struct error *err)
{
	(void)answer, (void)fd;
	const char *word = json_string_value(json_object_get(args, "answer"));

	return question_answer(x, (u64)json_integer_value(json_object_get(args, "id")), word ? word : "", err);
}

static int run_status(struct vmx *x, json_t *args, json_t *answer, int *fd, struct error *err)
{
	(void)args, (void)fd, (void)err;
	struct machine *m = x->machine;

	machine_lock(m);
	bool stopping = m->state != MACHINE_ON || m->power_off_wanted;
	u64 instructions = vcpus_instructions(m), uptime = now_monotonic() - m->started_at;
	struct device *balloon = m->people.balloon;
	u64 asked = balloon ? m->people.balloon_ops->asked(balloon) : 0, given = balloon ? m->people.balloon_ops->given(balloon) : 0;
	machine_unlock(m);
	json_object_set_new(answer, "state", json_string(stopping ? "stopping" : "on"));
	json_object_set_new(answer, "engine", json_string(m->engine->name));
	json_object_set_new(answer, "world", json_integer(x->world));
	json_object_set_new(answer, "name", json_string(x->name));
	json_object_set_new(answer, "pid", json_integer(getpid()));
	json_object_set_new(answer, "cpu_ns", json_integer((json_int_t)cpu_time()));
	json_object_set_new(answer, "memory_kb", json_integer((json_int_t)resident_kb(x)));
	json_object_set_new(answer, "guest_memory_mb", json_integer((json_int_t)(m->memory.bytes / MIB)));
	json_object_set_new(answer, "viewers", json_integer(screen_viewers(x)));
	json_object_set_new(answer, "uptime_ns", json_integer((json_int_t)uptime));
	json_object_set_new(answer, "instructions", json_integer((json_int_t)instructions));
	json_object_set_new(answer, "traffic", traffic(x));
	question_status(x, answer);
	if (balloon) {
		json_object_set_new(answer, "balloon_asked_mb", json_integer((json_int_t)(asked / MIB)));
		json_object_set_new(answer, "balloon_mb", json_integer((json_int_t)(given / MIB)));
	}
	json_object_set_new(answer, "devices", removable_list(x));
	guest_tools_tell(x, answer);
	if (suspend_active(x)) {
		json_object_set_new(answer, "suspending", json_integer(suspend_percent(x)));
		json_object_set_new(answer, "suspended_bytes", json_integer((json_int_t)suspend_bytes(x)));
	}
	return 0;
}

void vmx_stop(struct vmx *x)
{
	machine_lock(x->machine);
	machine_request(x->machine, REQUEST_POWER_OFF, 0);
	machine_unlock(x->machine);
}

static int press_power_button(struct vmx *x, struct error *err)
{
	struct machine *m = x->machine;

	machine_lock(m);
	bool heard = m->people.power_button && m->people.press(m->people.power_button);
	machine_unlock(m);
	return heard ? 0 : fail(err, -EOPNOTSUPP, "the guest in %s does not listen to the power button", x->name);
}

static int on_hard_stop(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source, (void)usec;
	struct vmx *x = arg;

	log_warning("the guest has not powered off within %u seconds", SOFT_STOP_SECONDS);
	vmx_stop(x);
	return 0;
}

static void hard_stop_later(struct vmx *x)
{
	x->hard_stop = sd_event_source_disable_unref(x->hard_stop);
	if (sd_event_add_time_relative(x->loop, &x->hard_stop, CLOCK_MONOTONIC, SOFT_STOP_SECONDS * 1000000ull, 100000,
				       on_hard_stop, x) < 0)
		vmx_stop(x);
}

static int run_stop(struct vmx *x, json_t *args, json_t *answer, int *fd, struct error *err)
{
	(void)answer, (void)fd;
	const char *mode = json_string_value(json_object_get(args, "mode"));

	if (!mode || (strcmp(mode, "soft") && strcmp(mode, "trysoft") && strcmp(mode, "hard") && strcmp(mode, "cancel")))
		return fail(err, -EINVAL, "stop: mode must be soft, trysoft, hard or cancel");
	if (!strcmp(mode, "cancel")) {
		log_info("the plug is not pulled after all, should the guest not power off");
		x->hard_stop = sd_event_source_disable_unref(x->hard_stop);
		return 0;
	}
	if (!strcmp(mode, "hard")) {
		log_info("powering off on request");
		vmx_stop(x);
		return 0;
	}
	int r = press_power_button(x, err);
	log_info("the power button was pressed%s", r ? ", but the guest does not listen" : "");
	if (!strcmp(mode, "soft"))
		return r;
	if (r)
		vmx_stop(x);
	else
		hard_stop_later(x);
	return 0;
}

static int run_reset(struct vmx *x, json_t *args, json_t *answer, int *fd, struct error *err)
{
	(void)args, (void)answer, (void)fd, (void)err;

	machine_lock(x->machine);
	machine_request(x->machine, REQUEST_RESET, 0);
	machine_unlock(x->machine);
	return 0;
}

static int run_balloon(struct vmx *x, json_t *args, json_t *answer, int *fd, struct error *err)
{
	(void)answer, (void)fd;
	struct machine *m = x->machine;
	json_int_t mb = json_integer_value(json_object_get(args, "megabytes"));

	if (!m->people.balloon)
		return fail(err, -EOPNOTSUPP, "%s has no memory balloon: set virtio.balloon.present", x->name);
	if (mb < 0 || (u64)mb > m->memory.bytes / MIB)
		return fail(err, -EINVAL, "%s has %llu MB of memory", x->name, (unsigned long long)(m->memory.bytes / MIB));
	machine_lock(m);
	m->people.balloon_ops->ask(m->people.balloon, (u64)mb * MIB);
	machine_unlock(m);
	log_info("the guest is asked to leave %lld MB of memory to the host", (long long)mb);
	return 0;
}

static int run_attach(struct vmx *x, json_t *args, json_t *answer, int *fd, struct error *err)
{
	(void)answer;
	struct screen_who who = {0};
	const char *user = json_string_value(json_object_get(args, "user")), *address = json_string_value(json_object_get(args, "address"));

	str_copy(who.user, sizeof(who.user), user ? user : "");
	str_copy(who.address, sizeof(who.address), address ? address : "");
	who.brief = json_is_true(json_object_get(args, "brief"));
	/* Rights are given, not assumed: without an explicit false the viewer only looks. */
	*fd = screen_attach(x, !json_is_false(json_object_get(args, "view_only")), &who, err);
	return *fd < 0 ? *fd : 0;
}

static int run_viewers(struct vmx *x, json_t *args, json_t *answer, int *fd, struct error *err)
{
	(void)args, (void)fd, (void)err;
	json_object_set_new(answer, "viewers", screen_list(x));
	return 0;
}

static int run_remove(struct vmx *x, json_t *args, json_t *answer, int *fd, struct error *err)
{
	const char *text = json_string_value(json_object_get(args, "text"));
	(void)answer, (void)fd;

	return screen_remove(x, (u64)json_integer_value(json_object_get(args, "id")), text ? text : "sent away", err);
}

static const char *text_of(json_t *args, const char *name)
{
	const char *text = json_string_value(json_object_get(args, name));

	return text ? text : "";
}

static int run_connect(struct controller *c, struct error *err)
{
	int fd = c->fd_in;

	c->fd_in = -1; /* taken */
	return removable_connect(c->x, text_of(c->args, "device"), fd, text_of(c->args, "file"),
				 json_is_true(json_object_get(c->args, "force")), err);
}

static int run_disconnect(struct vmx *x, json_t *args, json_t *answer, int *fd, struct error *err)
{
	(void)answer, (void)fd;
	return removable_disconnect(x, text_of(args, "device"), json_is_true(json_object_get(args, "force")), err);
}

static int run_guestinfo(struct vmx *x, json_t *args, json_t *answer, int *fd, struct error *err)
{
	const char *key = text_of(args, "key");
	json_t *value;
	(void)fd;

	if (json_object_get(args, "value"))
		return guestinfo_tell(x, key, text_of(args, "value"), err);
	int r = guestinfo_ask(x, key, &value, err);
	if (!r)
		json_object_set_new(answer, "value", value);
	return r;
}

static void controller_answer(struct controller *c, json_t *answer, int r, const struct error *err, int fd);

static void on_suspended(struct vmx *x, void *arg, int ret, const struct error *err)
{
	(void)x;
	struct controller *c = arg;
	json_t *answer = json_object();

	c->suspending = !ret;
	controller_answer(c, answer, ret, err, -1);
	json_decref(answer);
}

static int run_suspend(struct controller *c, struct error *err)
{
	int fd = c->fd_in;

	c->fd_in = -1;
	if (fd < 0)
		return fail(err, -EINVAL, "suspend: needs a file");
	int r = suspend_begin(c->x, fd, on_suspended, c, err);
	if (r)
		return r;
	c->suspending = true;
	return LATER;
}

static int run_suspended(struct controller *c, struct error *err)
{
	if (!c->suspending || c->x->suspend.writer)
		return fail(err, -EINVAL, "suspended: the machine is not in a file");
	c->suspending = false;
	suspend_keep(c->x);
	return 0;
}

static const struct command commands[] = {
	{"status", run_status, NULL}, {"stop", run_stop, NULL},	      {"reset", run_reset, NULL},
	{"attach", run_attach, NULL}, {"viewers", run_viewers, NULL}, {"remove", run_remove, NULL}, {"suspend", NULL, run_suspend}, {"suspended", NULL, run_suspended},
	{"balloon", run_balloon, NULL}, {"answer", run_answer, NULL}, {"connect", NULL, run_connect}, {"disconnect", run_disconnect, NULL}, {"guestinfo", run_guestinfo, NULL},
};

/* ---- connections ---- */

static void controller_remove(struct controller *c)
{
	c->x->controllers[c->index] = NULL;
	sd_event_source_disable_unref(c->io);
	if (c->suspending)
		suspend_give_up(c->x);
	if (c->fd_in >= 0)
		close(c->fd_in);
	close(c->fd);
	free(c);
}

/* A controller that does not read its answers is dropped. */
static void controller_send(struct controller *c, json_t *packet, int fd)
{
	char *text = json_dumps(packet, JSON_COMPACT);

	if (!text || sock_send(c->fd, text, strlen(text), &fd, fd >= 0 ? 1 : 0) < 0)
		controller_remove(c);
	free(text);
}

static void controller_answer(struct controller *c, json_t *answer, int r, const struct error *err, int fd)
{
	json_object_set_new(answer, "ok", json_boolean(!r));
	if (r) {
		json_object_set_new(answer, "errno", json_integer(-r));
		json_object_set_new(answer, "error", json_string(err->text));
	}
	controller_send(c, answer, fd);
}

static int dispatch(struct controller *c, json_t *packet, json_t *answer, int *fd, struct error *err)
{
	const char *name = json_string_value(json_object_get(packet, "cmd"));

	if (!name)
		return fail(err, -EINVAL, "not an object with a \"cmd\"");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run ? commands[i].run(c->x, packet, answer, fd, err) : commands[i].run_for(c, err);
	return fail(err, -ENOSYS, "unknown command");
}

static void controller_packet(struct controller *c, const char *text, size_t len)
{
	json_t *packet = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL), *answer = json_object();
	struct error err = {0};
	int fd = -1;

	c->args = packet;
	int r = dispatch(c, packet, answer, &fd, &err);
	c->args = NULL;

	if (c->fd_in >= 0)
		close(c->fd_in); /* not wanted */
	c->fd_in = -1;
	if (r != LATER)
		controller_answer(c, answer, r, &err, fd);
	if (fd >= 0)
		close(fd);
	json_decref(packet);
	json_decref(answer);
}

static int on_controller(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source, (void)events;
	struct controller *c = arg;
	char text[PACKET_MAX];
	unsigned n_fds = 1;
	ssize_t n = sock_recv(fd, text, sizeof(text), &c->fd_in, &n_fds);

	if (n > 0)
		controller_packet(c, text, (size_t)n);
	else if (n != -EAGAIN)
		controller_remove(c);
	return 0;
}

static int controller_add(struct vmx *x, int fd)
{
	unsigned i = 0;

	while (i < CONTROLLERS_MAX && x->controllers[i])
		i++;
	if (i == CONTROLLERS_MAX)
		return -EUSERS;
	struct controller *c = xcalloc(1, sizeof(*c));
	*c = (struct controller){.x = x, .index = i, .fd = fd, .fd_in = -1};
	int r = sd_event_add_io(x->loop, &c->io, fd, EPOLLIN, on_controller, c);
	if (r < 0) {
		free(c);
		return r;
	}
	x->controllers[i] = c;
	return 0;
}

static int on_control_listener(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source, (void)events;
	struct vmx *x = arg;
	struct sock_peer peer;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (client < 0)
		return 0;
	int r = sock_peer(client, &peer);
	if (!r && peer.uid != 0 && peer.uid != geteuid())
		r = -EPERM;
	if (!r)
		r = controller_add(x, client);
	if (r) {
		log_limited(LOG_LEVEL_WARNING, "a controller was turned away: %s", strerror(-r));
		close(client);
	}
	return 0;
}

void control_event(struct vmx *x, const char *event, const char *text)
{
	char *clean = xstrdup(text);

	utf8_clean(clean);
	json_t *packet = json_pack("{s:s, s:s}", "event", event, "text", clean);
	free(clean);

	for (unsigned i = 0; packet && i < CONTROLLERS_MAX; i++)
		if (x->controllers[i])
			controller_send(x->controllers[i], packet, -1);
	json_decref(packet);
}

int control_init(struct vmx *x, int fd, struct error *err)
{
	int r = sd_event_add_io(x->loop, &x->control_listener, fd, EPOLLIN, on_control_listener, x);

	return r < 0 ? fail(err, r, "cannot watch the control socket: %s", strerror(-r)) : 0;
}

void control_free(struct vmx *x)
{
	for (unsigned i = 0; i < CONTROLLERS_MAX; i++)
		if (x->controllers[i])
			controller_remove(x->controllers[i]);
	sd_event_source_disable_unref(x->control_listener);
	sd_event_source_disable_unref(x->hard_stop);
}
