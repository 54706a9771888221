/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backdoor.c - calls of the machine by its guest: VMware's port 5658, so that the drivers and tools that guests have for it work.
 *
 * A call is IN EAX, DX with the number of a command in CX; the registers carry its words (cpu_host.backdoor). Programs make
 * calls as well as kernels. The commands are those of open-vm-tools' public header lib/include/backdoor_def.h and, for the pointer, of
 * the comments of Linux's vmmouse driver; what else there is says "not known", as older machines do.
 *
 * The pointer: positions wait in a queue of words, four to an event, and the PS/2 mouse gives an empty report for each so that
 * the guest comes to look.
 */
#include <stdlib.h>
#include <string.h>

#include "dev/guest_rpc.h"
#include "dev/isa.h"
#include "dev/ps2.h"
#include "lib/util.h"

enum { EAX, EBX, ECX, EDX, ESI, EDI, REGS };

#define MAGIC	    0x564d5868u
#define VERSION	    6
#define PRODUCT_ESX 2
#define UNKNOWN	    0xffffffffu

enum command {
	GETMHZ = 1,
	GETVERSION = 10,
	GETHWVERSION = 17,
	GETUUID = 19,
	GETMEMSIZE = 20,
	GETTIME = 23,
	MESSAGE = 30,
	ABSPOINTER_DATA = 39,
	ABSPOINTER_STATUS = 40,
	ABSPOINTER_COMMAND = 41,
	GETHZ = 45,
	GETTIMEFULL = 46,
	GETVCPU_INFO = 68,
};

#define VCPU_LEGACY_X2APIC BIT(3) /* x2APIC mode works without interrupt remapping */

#define POINTER_ENABLE	 0x45414552u
#define POINTER_RELATIVE 0x4c455252u
#define POINTER_ABSOLUTE 0x53424152u
#define POINTER_DISABLE	 0x000000f5u
#define POINTER_ID	 0x3442554au
#define POINTER_ERROR	 0xffff0000u
#define BUTTON_LEFT	 0x20u
#define BUTTON_RIGHT	 0x10u
#define BUTTON_MIDDLE	 0x08u

#define EVENT_WORDS 4
#define QUEUE_WORDS (64 * EVENT_WORDS)

struct backdoor {
	struct device dev;
	bool enabled, absolute; /* the pointer; positions come when both are set */
	u32 queue[QUEUE_WORDS]; /* ring */
	u32 head, count;
};

/* ---- pointer ---- */

static void queue_put(struct backdoor *b, u32 word)
{
	b->queue[(b->head + b->count++) % QUEUE_WORDS] = word;
}

static u32 queue_take(struct backdoor *b)
{
	u32 word = b->queue[b->head];

	b->head = (b->head + 1) % QUEUE_WORDS;
	b->count--;
	return word;
}

static void pointer_command(struct backdoor *b, u32 command)
{
	switch (command) {
	case POINTER_ENABLE:
		b->enabled = true;
		b->absolute = false;
		b->count = 0;
		queue_put(b, POINTER_ID);
		break;
	case POINTER_DISABLE:
		b->enabled = b->absolute = false;
		b->count = 0;
		break;
	case POINTER_RELATIVE:
	case POINTER_ABSOLUTE:
		b->absolute = command == POINTER_ABSOLUTE;
		break;
	}
}

/* EBX words, at most four, into EAX, EBX, ECX, EDX. */
static void pointer_data(struct backdoor *b, u32 regs[REGS])
{
	u32 words = regs[EBX];

	if (!b->enabled || words > EVENT_WORDS || words > b->count) {
		regs[EAX] = POINTER_ERROR;
		return;
	}
	for (u32 n = 0; n < words; n++)
		regs[n] = queue_take(b);
}

static bool pointer_moved(struct device *d, u16 x, u16 y, int wheel, int tilt, unsigned buttons)
{
	struct backdoor *b = (struct backdoor *)d;
	struct device *controller = dev_find(d, "i8042");

	(void)tilt; /* VMware's has none */
	if (!b->enabled || !b->absolute)
		return false;
	/* Nobody looks: where it is now is worth more than where it was. */
	if (b->count > QUEUE_WORDS - EVENT_WORDS)
		b->count -= EVENT_WORDS;
	queue_put(b, (buttons & 1 ? BUTTON_LEFT : 0) | (buttons & 2 ? BUTTON_RIGHT : 0) | (buttons & 4 ? BUTTON_MIDDLE : 0));
	queue_put(b, x);
	queue_put(b, y);
	queue_put(b, (u32)wheel);
	if (controller)
		i8042_nudge_mouse(controller);
	return true;
}

/* ---- what the machine is ---- */

static void get_time(struct device *d, u32 regs[REGS], bool full)
{
	u64 now = dev_wall_clock(d), seconds = now / NSEC_PER_SEC;

	regs[EAX] = full ? MAGIC : (u32)seconds;
	regs[EBX] = (u32)(now % NSEC_PER_SEC / 1000);
	regs[ECX] = 0; /* how far the guest's clock may be behind: it never is */
	regs[EDX] = full ? (u32)seconds : 0; /* or minutes west of UTC */
	if (full)
		regs[ESI] = (u32)(seconds >> 32);
}

/* "56 4d 9c ... -..." or without blanks; 0 to 16 bytes of it. */
static void get_uuid(struct device *d, u32 regs[REGS])
{
	const char *text = config_string(dev_config(d), "uuid.bios");
	u8 bytes[16] = {0};
	unsigned digits = 0;

	for (; *text && digits < 32; text++) {
		char digit[2] = {*text, 0}, *end;
		u8 value = (u8)strtoul(digit, &end, 16);

		if (*text == ' ' || *text == '-' || *end)
			continue;
		bytes[digits / 2] |= (u8)(value << (digits % 2 ? 0 : 4));
		digits++;
	}
	memcpy(&regs[EAX], bytes, sizeof(bytes));
}

static void message(struct device *d, u32 regs[REGS])
{
	struct device *rpc = dev_find(d, "guest_rpc");

	if (rpc)
		guest_rpc_call(rpc, regs);
	else
		regs[EAX] = UNKNOWN;
}

static bool backdoor_call(struct device *d, u32 regs[REGS])
{
	struct backdoor *b = (struct backdoor *)d;
	u64 hz = dev_tsc_khz(d) * 1000ull;

	switch (regs[ECX] & 0xffff) {
	case GETMHZ:
		regs[EAX] = (u32)(hz / 1000000);
		break;
	case GETVERSION:
		regs[EAX] = VERSION;
		regs[EBX] = MAGIC;
		regs[ECX] = PRODUCT_ESX;
		break;
	case GETHWVERSION:
		regs[EAX] = (u32)config_number(dev_config(d), "virtualHW.version");
		break;
	case GETUUID:
		get_uuid(d, regs);
		break;
	case GETMEMSIZE:
		regs[EAX] = (u32)(dev_ram_bytes(d) / MIB);
		break;
	case GETTIME:
	case GETTIMEFULL:
		get_time(d, regs, (regs[ECX] & 0xffff) == GETTIMEFULL);
		break;
	case MESSAGE:
		message(d, regs);
		break;
	case GETHZ:
		regs[EAX] = (u32)hz;
		regs[EBX] = (u32)(hz >> 32);
		regs[ECX] = DEV_APIC_TIMER_KHZ * 1000;
		break;
	case GETVCPU_INFO:
		regs[EAX] = VCPU_LEGACY_X2APIC;
		break;
	case ABSPOINTER_DATA:
		pointer_data(b, regs);
		break;
	case ABSPOINTER_STATUS:
		regs[EAX] = b->enabled ? b->count : POINTER_ERROR;
		break;
	case ABSPOINTER_COMMAND:
		pointer_command(b, regs[EBX]);
		break;
	default:
		regs[EAX] = UNKNOWN;
	}
	return true;
}

/* ---- life ---- */

static int backdoor_init(struct device *d, struct error *err)
{
	(void)err;
	if (!config_bool(dev_config(d), "backdoor.present"))
		return DEVICE_ABSENT;
	dev_offer_backdoor(d, backdoor_call);
	dev_offer_absolute_pointer(d, pointer_moved);
	return 0;
}

static void backdoor_reset(struct device *d)
{
	struct backdoor *b = (struct backdoor *)d;

	b->enabled = b->absolute = false;
	b->head = b->count = 0;
}

static void backdoor_save(struct device *d, struct state_writer *w)
{
	struct backdoor *b = (struct backdoor *)d;

	put_bool(w, b->enabled);
	put_bool(w, b->absolute);
	put_u32(w, b->count);
	for (u32 n = 0; n < b->count; n++)
		put_u32(w, b->queue[(b->head + n) % QUEUE_WORDS]);
}

static int backdoor_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct backdoor *b = (struct backdoor *)d;
	u32 count;

	b->enabled = get_bool(r);
	b->absolute = get_bool(r);
	count = get_u32_max(r, QUEUE_WORDS);
	b->head = b->count = 0;
	while (b->count < count)
		queue_put(b, get_u32(r));
	return isa_load_end(d, r, err);
}

const struct device_ops dev_backdoor = {
    .name = "backdoor",
    .size = sizeof(struct backdoor),
    .version = 1,
    .init = backdoor_init,
    .reset = backdoor_reset,
    .save = backdoor_save,
    .load = backdoor_load,
};
