/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_rpc.c - messages between programs of the guest and the machine: command 1Eh of the backdoor, as open-vm-tools' public
 * headers guest_msg_def.h and backdoor_def.h and the comments of its message.c describe it.
 *
 * A program opens a channel, sends a message word by word and fetches the answer word by word; the upper half of ECX says which
 * step, that of EDX which channel. On an RPCI channel it asks ("info-get guestinfo.x", answered by "1 value" or "0 reason"); on a
 * TCLO channel the tools come every now and then for something to do ("ping"), and send back how it went ("OK ").
 *
 * Eight channels, each with at most one message each way, are all a guest can make the host remember. A program that was
 * killed leaves its channel behind: when all are taken, one that was silent for a while makes room.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dev/guest_rpc.h"
#include "dev/isa.h"
#include "lib/util.h"

enum { EAX, EBX, ECX, EDX, ESI, EDI };

enum step { OPEN, SEND_SIZE, SEND_PAYLOAD, RECEIVE_SIZE, RECEIVE_PAYLOAD, RECEIVE_STATUS, CLOSE };
enum { STATUS_SUCCESS = 1, STATUS_DO_RECEIVE = 2 };

#define PROTOCOL_RPCI 0x49435052u
#define PROTOCOL_TCLO 0x4f4c4354u
#define FLAG_COOKIE BIT(31)

#define CHANNELS 8
#define MESSAGE_MAX (64 * KIB)
#define ANSWER_MAX (GUESTINFO_VALUE_MAX + 2)
#define WORD 4
#define SILENT (30 * NSEC_PER_SEC)
#define PING_EVERY (5 * NSEC_PER_SEC)

/* What the tools were last given to do on a TCLO channel. */
enum task { TASK_NONE, TASK_RESET, TASK_CAPABILITIES, TASK_PING, TASKS };

struct channel {
	bool open, tclo, secured; /* secured: who does not know the cookie is not heard */
	u32 cookie[2];
	u64 used; /* machine time */
	u8 *message; /* from the guest: `got` of `size` bytes; NULL: none has begun */
	u32 size, got;
	char *answer; /* for the guest: `given` of `length` bytes; NULL: none */
	u32 length, given;
	u8 task;   /* enum task, to be answered */
	bool tools; /* they have said that they are: programs of users' sessions have TCLO channels too */
	u64 pinged;
};

struct guest_rpc {
	struct device dev;
	struct channel channel[CHANNELS];
	struct guestinfo info;
	u32 tools_version; /* 0: not told */
	u64 heard;	   /* machine time at which the tools last showed that they live; 0: not since the reset */
};

static struct guest_rpc *rpc_of(struct device *d)
{
	return (struct guest_rpc *)d;
}

/* ---- channels ---- */

static void message_drop(struct channel *c)
{
	free(c->message);
	c->message = NULL;
	c->size = c->got = 0;
}

static void answer_drop(struct channel *c)
{
	free(c->answer);
	c->answer = NULL;
	c->length = c->given = 0;
}

static void channel_close(struct channel *c)
{
	message_drop(c);
	answer_drop(c);
	*c = (struct channel){0};
}

/* A free one, or the one that nobody has used for longest. */
static struct channel *channel_for_new(struct guest_rpc *r)
{
	struct channel *oldest = &r->channel[0];

	for (unsigned i = 0; i < CHANNELS; i++) {
		struct channel *c = &r->channel[i];
		if (!c->open)
			return c;
		if (c->used < oldest->used)
			oldest = c;
	}
	if (dev_now(&r->dev) - oldest->used < SILENT)
		return NULL;
	channel_close(oldest);
	return oldest;
}

static struct channel *channel_named(struct guest_rpc *r, const u32 regs[])
{
	u32 number = regs[EDX] >> 16;
	struct channel *c = number < CHANNELS ? &r->channel[number] : NULL;

	if (!c || !c->open || (c->secured && (regs[ESI] != c->cookie[0] || regs[EDI] != c->cookie[1])))
		return NULL;
	return c;
}

/* The answer a program fetches next: "1 value" or "0 reason". */
static void answer(struct channel *c, bool success, const char *text)
{
	answer_drop(c);
	c->answer = xasprintf("%d %.*s", success, (int)GUESTINFO_VALUE_MAX, text);
	c->length = (u32)strlen(c->answer);
}

/* ---- what programs ask (RPCI) ---- */

/* "guestinfo.x" -> "x"; NULL for another key. */
static const char *guestinfo_key(const char *key)
{
	return strncasecmp(key, "guestinfo.", 10) == 0 ? key + 10 : NULL;
}

/* What is told while the machine runs hides what the configuration says. */
static const char *variable(struct guest_rpc *r, const char *key)
{
	const char *value = guestinfo_get(&r->info, key);
	char full[16 + GUESTINFO_KEY_MAX];

	if (value || strlen(key) > GUESTINFO_KEY_MAX)
		return value;
	snprintf(full, sizeof(full), "guestinfo.%s", key);
	return config_get(dev_config(&r->dev), full);
}

static void info_get(struct guest_rpc *r, struct channel *c, char *words)
{
	const char *key = guestinfo_key(words), *value = key ? variable(r, key) : NULL;

	answer(c, value, value ? value : "No value found");
}

static void info_set(struct guest_rpc *r, struct channel *c, char *words)
{
	char *value = strchr(words, ' ');
	struct error err = {0};

	if (value)
		*value++ = 0;
	const char *key = guestinfo_key(words);
	int ret = key ? guestinfo_set(&r->info, key, value ? value : "", &err) : fail(&err, -EINVAL, "Unknown key");
	answer(c, !ret, err.text);
}

static void machine_id_get(struct guest_rpc *r, struct channel *c, char *words)
{
	const char *id = config_string(dev_config(&r->dev), "machine.id");

	(void)words;
	answer(c, *id, *id ? id : "No machine id");
}

static void log_text(struct guest_rpc *r, struct channel *c, char *words)
{
	for (char *p = words; *p; p++)
		if ((u8)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	dev_log(&r->dev, "the guest says: %.300s", words);
	answer(c, true, "");
}

/* "12325", or "12325 4" with how they were installed; the numbers are those of open-vm-tools' vm_tools_version.h. */
static void set_version(struct guest_rpc *r, struct channel *c, char *words)
{
	u64 version;

	words[strcspn(words, " ")] = 0;
	if (!parse_u64(words, 0, INT32_MAX, &version)) {
		answer(c, false, "Not a version");
		return;
	}
	/* The highest number is "another's care", which the version type that follows tells better. */
	if (version != INT32_MAX || !r->tools_version)
		r->tools_version = (u32)version;
	answer(c, true, "");
}

static void heartbeat(struct guest_rpc *r, struct channel *c, char *words)
{
	(void)words;
	r->heard = MAX(dev_now(&r->dev), 1ull);
	answer(c, true, "");
}

static const struct {
	const char *name;
	void (*run)(struct guest_rpc *r, struct channel *c, char *words);
} commands[] = {
	{"info-get", info_get},		 {"info-set", info_set},	       {"machine.id.get", machine_id_get},
	{"log", log_text},		 {"tools.set.version", set_version},   {"tools.set.versiontype", set_version},
	{"heartbeat", heartbeat},	 {"ping", heartbeat},
};

static void run_command(struct guest_rpc *r, struct channel *c, char *text)
{
	size_t len = strcspn(text, " ");

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strlen(commands[i].name) == len && !strncmp(text, commands[i].name, len)) {
			commands[i].run(r, c, text + len + (text[len] == ' '));
			return;
		}
	}
	answer(c, false, "Unknown command");
}

/* ---- what the tools are given to do (TCLO) ---- */

static const char *const tasks[TASKS] = {[TASK_RESET] = "reset", [TASK_CAPABILITIES] = "Capabilities_Register", [TASK_PING] = "ping"};

static void give_task(struct channel *c, enum task task)
{
	answer_drop(c);
	c->task = (u8)task;
	c->answer = xstrdup(tasks[task]);
	c->length = (u32)strlen(c->answer);
}

/* They come with what their last task led to; the first time with nothing. */
static void tools_come(struct guest_rpc *r, struct channel *c, const char *text)
{
	u64 now = dev_now(&r->dev);
	enum task done = c->task;

	c->task = TASK_NONE;
	if (done == TASK_RESET && str_starts(text, "OK ATR toolbox"))
		c->tools = !text[strlen("OK ATR toolbox")];
	if (c->tools)
		r->heard = MAX(now, 1ull);
	answer_drop(c);
	if (!c->pinged) {
		c->pinged = MAX(now, 1ull);
		give_task(c, TASK_RESET);
	} else if (done == TASK_RESET && c->tools) {
		give_task(c, TASK_CAPABILITIES);
	} else if (now - c->pinged >= PING_EVERY) {
		c->pinged = now;
		give_task(c, TASK_PING);
	}
}

/* ---- the steps ---- */

static void message_complete(struct guest_rpc *r, struct channel *c)
{
	char *text = xcalloc(1, c->size + 1ul);

	if (c->size)
		memcpy(text, c->message, c->size);
	message_drop(c);
	if (c->tclo)
		tools_come(r, c, text);
	else
		run_command(r, c, text);
	free(text);
}

static u32 open_channel(struct guest_rpc *r, u32 regs[])
{
	u32 protocol = regs[EBX] & ~FLAG_COOKIE;
	struct channel *c = protocol == PROTOCOL_RPCI || protocol == PROTOCOL_TCLO ? channel_for_new(r) : NULL;

	if (!c)
		return 0;
	*c = (struct channel){.open = true, .tclo = protocol == PROTOCOL_TCLO, .secured = regs[EBX] & FLAG_COOKIE, .used = dev_now(&r->dev)};
	if (c->secured) {
		if (getrandom(c->cookie, sizeof(c->cookie), 0) != sizeof(c->cookie)) {
			channel_close(c);
			return 0;
		}
		regs[ESI] = c->cookie[0];
		regs[EDI] = c->cookie[1];
	}
	regs[EDX] = (regs[EDX] & 0xffff) | (u32)(c - r->channel) << 16;
	return STATUS_SUCCESS;
}

static u32 send_size(struct guest_rpc *r, struct channel *c, u32 size)
{
	message_drop(c);
	if (size > MESSAGE_MAX)
		return 0;
	c->size = size;
	if (size)
		c->message = xcalloc(1, size);
	else
		message_complete(r, c);
	return STATUS_SUCCESS;
}

static u32 send_payload(struct guest_rpc *r, struct channel *c, u32 word)
{
	u32 n = MIN(c->size - c->got, WORD);

	if (!c->message)
		return 0;
	memcpy(c->message + c->got, &word, n);
	c->got += n;
	if (c->got == c->size)
		message_complete(r, c);
	return STATUS_SUCCESS;
}

static u32 receive_size(struct channel *c, u32 regs[])
{
	if (!c->answer)
		return STATUS_SUCCESS;
	c->given = 0; /* who asks again gets it from its beginning */
	regs[EBX] = c->length;
	regs[EDX] = (regs[EDX] & 0xffff) | SEND_SIZE << 16;
	return STATUS_SUCCESS | STATUS_DO_RECEIVE;
}

static u32 receive_payload(struct channel *c, u32 regs[])
{
	u32 n = MIN(c->length - c->given, WORD);

	if (!c->answer || !n)
		return 0;
	regs[EBX] = 0;
	memcpy(&regs[EBX], c->answer + c->given, n);
	c->given += n;
	regs[EDX] = (regs[EDX] & 0xffff) | SEND_PAYLOAD << 16;
	return STATUS_SUCCESS;
}

static u32 step(struct guest_rpc *r, u32 regs[])
{
	enum step what = regs[ECX] >> 16;

	if (what == OPEN)
		return open_channel(r, regs);
	struct channel *c = channel_named(r, regs);
	if (!c)
		return 0;
	c->used = dev_now(&r->dev);
	switch (what) {
	case SEND_SIZE:
		return send_size(r, c, regs[EBX]);
	case SEND_PAYLOAD:
		return send_payload(r, c, regs[EBX]);
	case RECEIVE_SIZE:
		return receive_size(c, regs);
	case RECEIVE_PAYLOAD:
		return receive_payload(c, regs);
	case RECEIVE_STATUS:
		answer_drop(c);
		return STATUS_SUCCESS;
	case CLOSE:
		channel_close(c);
		return STATUS_SUCCESS;
	default:
		return 0;
	}
}

void guest_rpc_call(struct device *d, u32 regs[6])
{
	u32 status = step(rpc_of(d), regs);

	regs[ECX] = (regs[ECX] & 0xffff) | status << 16;
}

/* ---- the host's side ---- */

static const char *rpc_get(struct device *d, const char *key)
{
	return variable(rpc_of(d), key);
}

static int rpc_set(struct device *d, const char *key, const char *value, struct error *err)
{
	return guestinfo_set(&rpc_of(d)->info, key, value, err);
}

static struct guest_tools rpc_tools(struct device *d)
{
	const struct guest_rpc *r = rpc_of(d);

	return (struct guest_tools){.version = r->tools_version, .heard = r->heard != 0, .silent_ns = r->heard ? dev_now(d) - r->heard : 0};
}

static const struct guest_rpc_ops ops = {rpc_get, rpc_set, rpc_tools};

/* ---- life ---- */

static int rpc_init(struct device *d, struct error *err)
{
	(void)err;
	if (!dev_find(d, "backdoor"))
		return DEVICE_ABSENT;
	dev_offer_guest_rpc(d, &ops);
	return 0;
}

/* Variables outlive a reset, programs do not. */
static void rpc_reset(struct device *d)
{
	struct guest_rpc *r = rpc_of(d);

	for (unsigned i = 0; i < CHANNELS; i++)
		channel_close(&r->channel[i]);
	r->tools_version = 0;
	r->heard = 0;
}

static void rpc_stop(struct device *d)
{
	rpc_reset(d);
	guestinfo_clear(&rpc_of(d)->info);
}

static void channel_save(const struct channel *c, struct state_writer *w)
{
	put_bool(w, c->open);
	if (!c->open)
		return;
	put_bool(w, c->tclo);
	put_bool(w, c->secured);
	put_u32(w, c->cookie[0]);
	put_u32(w, c->cookie[1]);
	put_u64(w, c->used);
	put_bool(w, c->message);
	put_u32(w, c->size);
	put_u32(w, c->got);
	if (c->got)
		put_bytes(w, c->message, c->got);
	put_bool(w, c->answer);
	put_u32(w, c->length);
	put_u32(w, c->given);
	if (c->answer)
		put_bytes(w, c->answer, c->length);
	put_u8(w, c->task);
	put_bool(w, c->tools);
	put_u64(w, c->pinged);
}

static void channel_load(struct channel *c, struct state_reader *s)
{
	channel_close(c);
	c->open = get_bool(s);
	if (!c->open)
		return;
	c->tclo = get_bool(s);
	c->secured = get_bool(s);
	c->cookie[0] = get_u32(s);
	c->cookie[1] = get_u32(s);
	c->used = get_u64(s);
	bool message = get_bool(s);
	c->size = get_u32_max(s, MESSAGE_MAX);
	c->got = get_u32_max(s, c->size ? c->size - 1 : 0);
	if (message && c->size)
		c->message = xcalloc(1, c->size);
	else
		c->size = c->got = 0;
	if (c->message)
		get_bytes(s, c->message, c->got);
	bool answered = get_bool(s);
	c->length = get_u32_max(s, ANSWER_MAX);
	c->given = get_u32_max(s, c->length);
	if (answered) {
		c->answer = xcalloc(1, c->length + 1ul);
		get_bytes(s, c->answer, c->length);
	} else {
		c->length = c->given = 0;
	}
	c->task = get_u8_max(s, TASKS - 1);
	c->tools = get_bool(s);
	c->pinged = get_u64(s);
}

static void rpc_save(struct device *d, struct state_writer *w)
{
	const struct guest_rpc *r = rpc_of(d);

	for (unsigned i = 0; i < CHANNELS; i++)
		channel_save(&r->channel[i], w);
	guestinfo_save(&r->info, w);
	put_u32(w, r->tools_version);
	put_u64(w, r->heard);
}

static int rpc_load(struct device *d, struct state_reader *s, struct error *err)
{
	struct guest_rpc *r = rpc_of(d);

	for (unsigned i = 0; i < CHANNELS; i++)
		channel_load(&r->channel[i], s);
	int ret = guestinfo_load(&r->info, s, err);
	if (ret)
		return ret;
	r->tools_version = get_u32_max(s, INT32_MAX);
	r->heard = get_u64(s);
	return isa_load_end(d, s, err);
}

const struct device_ops dev_guest_rpc = {
	.name = "guest_rpc",
	.size = sizeof(struct guest_rpc),
	.version = 1,
	.init = rpc_init,
	.reset = rpc_reset,
	.stop = rpc_stop,
	.save = rpc_save,
	.load = rpc_load,
};
