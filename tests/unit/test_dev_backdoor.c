// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls of the machine by its guest, as tools and Linux's pointer driver make them. */
#include "platform.h"

enum { EAX, EBX, ECX, EDX, ESI, EDI };

#define GETVERSION 10
#define GETUUID 19
#define GETMEMSIZE 20
#define GETTIME 23
#define POINTER_DATA 39
#define POINTER_STATUS 40
#define POINTER_COMMAND 41
#define GETHZ 45
#define GETTIMEFULL 46
#define POINTER_ENABLE 0x45414552
#define POINTER_RELATIVE 0x4c455252
#define POINTER_ABSOLUTE 0x53424152
#define POINTER_DISABLE 0xf5

extern const struct device_ops dev_backdoor, dev_guest_rpc;

static u32 regs[CPU_BACKDOOR_REGS];

static u32 call(u32 command, u32 parameter)
{
	memcpy(regs, (u32[]){CPU_BACKDOOR_MAGIC, parameter, command, CPU_BACKDOOR_PORT, 0x5e5e, 0xd1d1}, sizeof(regs));
	cr_assert(m->call(m->backdoor, regs));
	return regs[EAX];
}

static void begin(void)
{
	machine_of("uuid.bios = \"56 4d 00 01 02 03 04 05-06 07 08 09 0a 0b 0c ff\"\n");
	fake_add(m, &dev_backdoor);
	fake_reset(m);
}

TestSuite(backdoor, .init = begin, .fini = end);

Test(backdoor, tells_of_the_machine)
{
	cr_expect_eq(call(GETVERSION, 0), 6);
	cr_expect_eq(regs[EBX], CPU_BACKDOOR_MAGIC);
	cr_expect_eq(call(GETMEMSIZE, 0), FAKE_RAM / MIB);
	cr_expect_eq(call(GETHZ, 0), 2000000000);
	cr_expect_eq(regs[EBX], 0);
	cr_expect_eq(regs[ECX], 1000000000);
	call(GETUUID, 0);
	cr_expect_eq(memcmp(regs, "\x56\x4d\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\xff", 16), 0);
	cr_expect_eq(call(0x7777, 0), 0xffffffff);
}

Test(backdoor, tells_the_hosts_time)
{
	m->wall += 123456789;
	cr_expect_eq(call(GETTIME, 0), 1795355999);
	cr_expect_eq(regs[EBX], 123456);
	cr_expect_eq(call(GETTIMEFULL, 0), CPU_BACKDOOR_MAGIC);
	cr_expect_eq(regs[EDX], 1795355999);
	cr_expect_eq(regs[ESI], 0);
	cr_expect_eq(regs[EBX], 123456);
}

Test(backdoor, absent_when_not_wanted)
{
	fake_free(m);
	machine_of("backdoor.present = \"FALSE\"\n");
	m->backdoor = NULL;
	struct error err;
	cr_expect_null(fake_try_add(m, &dev_backdoor, &err));
	cr_expect_null(m->backdoor);
}

static void pointer_on(void)
{
	call(POINTER_COMMAND, POINTER_ENABLE);
	cr_assert_eq(call(POINTER_STATUS, 0), 1);
	cr_assert_eq(call(POINTER_DATA, 1), 0x3442554a);
	call(POINTER_COMMAND, POINTER_ABSOLUTE);
	cr_assert_eq(call(POINTER_STATUS, 0), 0);
}

Test(backdoor, positions_come_when_asked_for)
{
	cr_expect_not(m->pointer_to(m->absolute, 1, 2, 0, 0, 0), "the guest has not asked");
	cr_expect_eq(call(POINTER_STATUS, 0), 0xffff0000);
	pointer_on();
	cr_expect(m->pointer_to(m->absolute, 0x1234, 0xffff, -1, 0, 5));
	cr_expect_eq(call(POINTER_STATUS, 0), 4);
	cr_expect_eq(call(POINTER_DATA, 4), 0x28); /* left and middle */
	cr_expect_eq(regs[EBX], 0x1234);
	cr_expect_eq(regs[ECX], 0xffff);
	cr_expect_eq((s8)regs[EDX], -1);
	cr_expect_eq(call(POINTER_STATUS, 0), 0);
	call(POINTER_COMMAND, POINTER_RELATIVE);
	cr_expect_not(m->pointer_to(m->absolute, 1, 2, 0, 0, 0));
	pointer_on();
	call(POINTER_COMMAND, POINTER_DISABLE);
	cr_expect_not(m->pointer_to(m->absolute, 1, 2, 0, 0, 0));
}

Test(backdoor, the_mouse_reports_that_there_is_something)
{
	out8(0x64, 0x60);
	out8(0x60, 0x47); /* both interrupts on, translation */
	out8(0x64, 0xa8);
	out8(0x64, 0xd4);
	out8(0x60, 0xf4); /* enable reporting */
	pass(10 * MS);
	cr_expect_eq(in8(0x60), 0xfa);
	pointer_on();
	pass(100 * MS);
	cr_expect_eq(in8(0x64) & 0x21, 0);
	m->pointer_to(m->absolute, 1, 2, 0, 0, 1);
	for (unsigned i = 0; i < 3; i++) {
		pass(20 * MS);
		cr_expect_eq(in8(0x64) & 0x21, 0x21, "byte %u", i);
		cr_expect_eq(in8(0x60), i ? 0 : 8);
	}
	pass(100 * MS);
	cr_expect_eq(in8(0x64) & 0x01, 0, "one report is enough");
}

Test(backdoor, nobody_reads_and_wrong_counts)
{
	pointer_on();
	for (unsigned i = 0; i < 1000; i++)
		cr_assert(m->pointer_to(m->absolute, (u16)i, 0, 0, 0, 0));
	u32 words = call(POINTER_STATUS, 0);
	cr_expect_eq(words % 4, 0);
	cr_expect_eq(call(POINTER_DATA, 5), 0xffff0000);
	cr_expect_eq(call(POINTER_DATA, 0xffffffff), 0xffff0000);
	cr_expect_eq(call(POINTER_STATUS, 0), words);
	for (u32 n = words; n; n -= 4)
		call(POINTER_DATA, 4);
	cr_expect_eq(regs[EBX], 999, "the last position is not lost");
	cr_expect_eq(call(POINTER_DATA, 4), 0xffff0000);
}

Test(backdoor, positions_are_saved)
{
	struct error err;
	size_t len, len_after;

	pointer_on();
	for (unsigned i = 0; i < 70; i++)
		m->pointer_to(m->absolute, (u16)i, 0, 0, 0, 0);
	struct state_writer *before = fake_save(m->backdoor);
	fake_reset(m);
	cr_assert_eq(fake_restore(m->backdoor, before, &err), 0, "%s", err.text);
	struct state_writer *after = fake_save(m->backdoor);
	const void *a = state_writer_data(before, &len), *b = state_writer_data(after, &len_after);
	cr_expect(len == len_after && !memcmp(a, b, len));
	cr_expect_neq(call(POINTER_DATA, 4), 0xffff0000);
	state_writer_free(before);
	state_writer_free(after);
}

/* ---- messages of programs ---- */

enum { OPEN, SEND_SIZE, SEND_PAYLOAD, RECEIVE_SIZE, RECEIVE_PAYLOAD, RECEIVE_STATUS, CLOSE };
#define RPCI 0x49435052u
#define TCLO 0x4f4c4354u
#define COOKIE 0x80000000u

static struct device *rpc;

static void rpc_begin(void)
{
	machine_of("guestinfo.set = \"in the file\"\nmachine.id = \"number 5\"\n");
	fake_add(m, &dev_backdoor);
	rpc = fake_add(m, &dev_guest_rpc);
	fake_reset(m);
}

TestSuite(guest_rpc, .init = rpc_begin, .fini = end);

struct program {
	u32 channel, cookie[2];
};

/* The status in the upper half of ECX; *value is EBX. */
static u32 message(struct program *p, u32 step, u32 *value)
{
	memcpy(regs, (u32[]){CPU_BACKDOOR_MAGIC, *value, step << 16 | 0x1e, p->channel << 16 | CPU_BACKDOOR_PORT, p->cookie[0], p->cookie[1]},
	       sizeof(regs));
	cr_assert(m->call(m->backdoor, regs));
	*value = regs[EBX];
	return regs[ECX] >> 16;
}

static u32 message_with(struct program *p, u32 step, u32 value)
{
	return message(p, step, &value);
}

static bool open_channel(struct program *p, u32 protocol)
{
	*p = (struct program){0};
	if (!(message_with(p, OPEN, protocol) & 1))
		return false;
	*p = (struct program){regs[EDX] >> 16, {regs[ESI], regs[EDI]}};
	return true;
}

static void send_bytes(struct program *p, const char *text, size_t len)
{
	cr_assert_eq(message_with(p, SEND_SIZE, (u32)len), 1);
	for (size_t at = 0; at < len; at += 4) {
		u32 word = 0;
		memcpy(&word, text + at, MIN(len - at, 4u));
		cr_assert_eq(message_with(p, SEND_PAYLOAD, word), 1, "at %zu", at);
	}
}

/* The answer, "" when there is none. */
static const char *fetch(struct program *p)
{
	static char text[70000];
	u32 len = 0, word;
	u32 status = message(p, RECEIVE_SIZE, &len);

	cr_assert(status & 1);
	text[0] = 0;
	if (!(status & 2))
		return text;
	cr_assert_eq(regs[EDX] >> 16, SEND_SIZE);
	for (u32 at = 0; at < len; at += 4) {
		word = 1;
		cr_assert_eq(message(p, RECEIVE_PAYLOAD, &word), 1);
		cr_assert_eq(regs[EDX] >> 16, SEND_PAYLOAD);
		memcpy(text + at, &word, 4);
	}
	text[len] = 0;
	cr_assert_eq(message_with(p, RECEIVE_PAYLOAD, 1), 0, "there is no more");
	cr_assert_eq(message_with(p, RECEIVE_STATUS, 1), 1);
	return text;
}

static const char *said(const char *text)
{
	struct program p;

	cr_assert(open_channel(&p, RPCI | COOKIE));
	send_bytes(&p, text, strlen(text));
	const char *answer = fetch(&p);
	cr_assert_eq(message_with(&p, CLOSE, 0), 1);
	return answer;
}

Test(guest_rpc, variables)
{
	struct error err;

	cr_expect_str_eq(said("info-get guestinfo.x"), "0 No value found");
	cr_expect_str_eq(said("info-set guestinfo.x a b  c"), "1 ");
	cr_expect_str_eq(said("info-get guestinfo.X"), "1 a b  c", "keys are in any case");
	cr_expect_str_eq(m->rpc_ops->get(rpc, "x"), "a b  c");
	cr_expect_str_eq(said("info-set guestinfo.x"), "1 ");
	cr_expect_str_eq(said("info-get guestinfo.x"), "1 ");
	cr_assert_eq(m->rpc_ops->set(rpc, "x", "the host's", &err), 0);
	cr_expect_str_eq(said("info-get guestinfo.x"), "1 the host's");
	cr_assert_eq(m->rpc_ops->set(rpc, "x", NULL, &err), 0);
	cr_expect_str_eq(said("info-get guestinfo.x"), "0 No value found");
	cr_expect_str_eq(said("info-get guestinfo.set"), "1 in the file");
	cr_expect_str_eq(said("info-set guestinfo.set here"), "1 ");
	cr_expect_str_eq(said("info-get guestinfo.set"), "1 here");
	fake_reset(m);
	cr_expect_str_eq(said("info-get guestinfo.set"), "1 here", "a reset is no power off");
	cr_expect_str_eq(said("machine.id.get"), "1 number 5");
	cr_expect_str_eq(said("info-get memsize"), "0 No value found", "of the configuration only guestinfo");
	cr_expect_eq(said("info-set memsize 4")[0], '0');
	cr_expect_str_eq(said("rm -rf /"), "0 Unknown command");
	cr_expect_str_eq(said(""), "0 Unknown command");
	cr_expect_str_eq(said("info-getguestinfo.set"), "0 Unknown command");
	m->logs = 0;
	cr_expect_str_eq(said("log two\nlines"), "1 ");
	cr_expect_eq(m->logs, 1);
	cr_expect_not_null(strstr(m->log, "two lines"));
}

Test(guest_rpc, variables_are_bounded)
{
	static char text[66000];
	struct error err;

	cr_expect_eq(said("info-set guestinfo. x")[0], '0');
	cr_expect_eq(said("info-set guestinfo.a/b x")[0], '0');
	cr_expect_eq(said("info-set guestinfo.bad \xff\xfe")[0], '0', "not UTF-8");
	cr_expect_eq(said("info-set guestinfo.bad \xc0\xaf")[0], '0', "not the shortest form");
	cr_expect_eq(said("info-set guestinfo.bad \033[2J")[0], '0', "a control character");
	cr_expect_eq(said("info-set guestinfo.good gr\xc3\xbc\xc3\x9f\t\n \xf0\x9f\x98\x80")[0], '1');
	int start = snprintf(text, sizeof(text), "info-set guestinfo.%070d x", 0);
	cr_expect_eq(said(text)[0], '0', "a long key");
	start = snprintf(text, sizeof(text), "info-set guestinfo.big ");
	memset(text + start, 'x', 32768);
	cr_expect_eq(said(text)[0], '1');
	cr_expect_eq(strlen(said("info-get guestinfo.big")), 32768 + 2);
	text[start + 32768] = 'x';
	cr_expect_eq(said(text)[0], '0', "one byte more");
	cr_expect_eq(strlen(said("info-get guestinfo.big")), 32768 + 2, "the old one stays");
	unsigned n = 0;
	for (unsigned i = 0; i < 200; i++) {
		char key[16];
		snprintf(key, sizeof(key), "k%u", i);
		n += !m->rpc_ops->set(rpc, key, "v", &err);
	}
	cr_expect_eq(n, 62);
	text[start + 32768] = 0;
	for (unsigned i = 0; i < 10; i++) {
		char key[16];
		snprintf(key, sizeof(key), "k%u", i);
		cr_expect_eq(m->rpc_ops->set(rpc, key, text + start, &err), i < 6 ? 0 : -ENOSPC, "variable %u", i);
	}
	cr_assert_eq(m->rpc_ops->set(rpc, "big", "short", &err), 0);
	cr_expect_eq(m->rpc_ops->set(rpc, "k6", text + start, &err), 0, "what one gave up another has");
}

Test(guest_rpc, channels_are_bounded_and_private)
{
	struct program p[9], thief;

	for (unsigned i = 0; i < 8; i++)
		cr_assert(open_channel(&p[i], RPCI | COOKIE), "channel %u", i);
	cr_expect_not(open_channel(&p[8], RPCI | COOKIE));
	pass(20 * NSEC_PER_SEC);
	send_bytes(&p[0], "machine.id.get", 14);
	pass(15 * NSEC_PER_SEC);
	cr_expect(open_channel(&p[8], RPCI), "the longest silent makes room");
	cr_expect_str_eq(fetch(&p[0]), "1 number 5");
	cr_expect_eq(p[8].channel, p[1].channel);
	cr_expect_eq(message_with(&p[8], SEND_SIZE, 4), 1, "without a cookie");
	send_bytes(&p[2], "machine.id.get", 14);
	thief = p[2];
	thief.cookie[0]++;
	cr_expect_eq(message_with(&thief, RECEIVE_SIZE, 0), 0);
	thief.channel = 8;
	cr_expect_eq(message_with(&thief, RECEIVE_SIZE, 0), 0);
	cr_expect_not(open_channel(&thief, 0x12345678));
	cr_expect_eq(message_with(&p[3], 77, 0), 0);
	fake_reset(m);
	cr_expect_eq(message_with(&p[2], RECEIVE_SIZE, 0), 0, "a reset closes them");
}

Test(guest_rpc, messages_are_bounded)
{
	struct program p;
	static char text[65537];

	cr_assert(open_channel(&p, RPCI | COOKIE));
	cr_expect_eq(message_with(&p, SEND_SIZE, 65537), 0);
	cr_expect_eq(message_with(&p, SEND_SIZE, 0xffffffff), 0);
	cr_expect_eq(message_with(&p, SEND_PAYLOAD, 1), 0, "of no message");
	cr_expect_eq(message_with(&p, RECEIVE_PAYLOAD, 1), 0);
	cr_expect_eq(message_with(&p, RECEIVE_SIZE, 1), 1);
	memset(text, 'y', 65536);
	send_bytes(&p, text, 65536);
	cr_expect_str_eq(fetch(&p), "0 Unknown command");
	cr_expect_eq(message_with(&p, SEND_SIZE, 100), 1);
	cr_expect_eq(message_with(&p, SEND_PAYLOAD, 1), 1);
	send_bytes(&p, "machine.id.get", 14); /* another one instead */
	cr_expect_str_eq(fetch(&p), "1 number 5");
	send_bytes(&p, "machine.id.get\0", 15);
	cr_expect_str_eq(fetch(&p), "1 number 5");
}

Test(guest_rpc, the_tools_live)
{
	struct program p, session;
	struct guest_tools t = m->rpc_ops->tools(rpc);

	cr_expect(!t.heard && !t.version);
	pass(NSEC_PER_SEC);
	cr_assert(open_channel(&p, TCLO | COOKIE));
	send_bytes(&p, "", 0);
	cr_expect_str_eq(fetch(&p), "reset");
	send_bytes(&p, "OK ATR toolbox", 14);
	cr_expect_str_eq(fetch(&p), "Capabilities_Register");
	cr_expect(m->rpc_ops->tools(rpc).heard);
	send_bytes(&p, "OK ", 3);
	cr_expect_str_eq(fetch(&p), "");
	pass(6 * NSEC_PER_SEC);
	cr_expect_eq(m->rpc_ops->tools(rpc).silent_ns, 6 * NSEC_PER_SEC);
	send_bytes(&p, "", 0);
	cr_expect_str_eq(fetch(&p), "ping");
	cr_expect_eq(m->rpc_ops->tools(rpc).silent_ns, 0);
	pass(NSEC_PER_SEC);
	cr_assert(open_channel(&session, TCLO));
	send_bytes(&session, "", 0);
	fetch(&session);
	send_bytes(&session, "OK ATR toolbox-dnd", 18);
	cr_expect_str_eq(fetch(&session), "");
	cr_expect_eq(m->rpc_ops->tools(rpc).silent_ns, NSEC_PER_SEC, "a user's session is not the tools");
	cr_expect_str_eq(said("tools.set.version 2147483647"), "1 ");
	cr_expect_eq(m->rpc_ops->tools(rpc).version, 2147483647);
	cr_expect_str_eq(said("tools.set.versiontype 12325 4"), "1 ");
	cr_expect_eq(m->rpc_ops->tools(rpc).version, 12325);
	cr_expect_eq(said("tools.set.version new")[0], '0');
	cr_expect_str_eq(said("heartbeat"), "1 ");
	cr_expect_eq(m->rpc_ops->tools(rpc).silent_ns, 0);
	fake_reset(m);
	t = m->rpc_ops->tools(rpc);
	cr_expect(!t.heard && !t.version);
}

Test(guest_rpc, a_conversation_is_saved)
{
	struct program p, q;
	struct error err;
	size_t len, len_after;

	said("info-set guestinfo.kept value");
	cr_assert(open_channel(&p, RPCI | COOKIE));
	cr_assert(open_channel(&q, RPCI | COOKIE));
	message_with(&p, SEND_SIZE, 14);
	message_with(&p, SEND_PAYLOAD, 0x6863616d); /* "mach" */
	send_bytes(&q, "info-get guestinfo.kept", 23);
	struct state_writer *before = fake_save(rpc);
	fake_reset(m);
	m->rpc_ops->set(rpc, "kept", NULL, &err);
	m->rpc_ops->set(rpc, "new", "value", &err);
	cr_assert_eq(fake_restore(rpc, before, &err), 0, "%s", err.text);
	struct state_writer *after = fake_save(rpc);
	const void *a = state_writer_data(before, &len), *b = state_writer_data(after, &len_after);
	cr_expect(len == len_after && !memcmp(a, b, len));
	message_with(&p, SEND_PAYLOAD, 0x2e656e69); /* "ine." */
	message_with(&p, SEND_PAYLOAD, 0x672e6469); /* "id.g" */
	message_with(&p, SEND_PAYLOAD, 0x00007465); /* "et" */
	cr_expect_str_eq(fetch(&p), "1 number 5");
	cr_expect_str_eq(fetch(&q), "1 value");
	cr_expect_null(m->rpc_ops->get(rpc, "new"));
	state_writer_free(before);
	state_writer_free(after);
}

/* Whatever is called in whatever order, and whatever a damaged file says. */
Test(guest_rpc, hostile_calls_and_damaged_state, .timeout = 600)
{
	struct error err;
	unsigned seed = 1;

	for (unsigned i = 0; i < 200000; i++) {
		struct program p = {.channel = (u32)rand_r(&seed) % 9};
		u32 value = rand_r(&seed) & 1 ? (u32)rand_r(&seed) % 70000 : (u32)rand_r(&seed);
		u32 step = (u32)rand_r(&seed) % 8;
		message_with(&p, step, step ? value : rand_r(&seed) & 1 ? RPCI : TCLO);
		if (i % 1000 == 0)
			pass(NSEC_PER_SEC);
	}
	said("info-set guestinfo.kept value");
	struct state_writer *w = fake_save(rpc);
	size_t len;
	const u8 *data = state_writer_data(w, &len);
	for (unsigned i = 0; i < 2000; i++) {
		u8 *copy = memcpy(xcalloc(1, len), data, len);
		struct state_reader *r = state_reader_new(copy, len);
		u16 version;
		if (!state_open(r, "guest_rpc", 1, &version, &err)) {
			copy[len - 1 - (size_t)rand_r(&seed) % MIN(len - 32, 400u)] ^= (u8)(1 << rand_r(&seed) % 8);
			dev_guest_rpc.load(rpc, r, &err);
			struct program p = {.channel = (u32)rand_r(&seed) % 8};
			message_with(&p, SEND_PAYLOAD, 1);
			message_with(&p, RECEIVE_PAYLOAD, 1);
			state_writer_free(fake_save(rpc));
		}
		state_reader_free(r);
		free(copy);
	}
	state_writer_free(w);
}
