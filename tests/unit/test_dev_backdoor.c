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

extern const struct device_ops dev_backdoor;

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
	cr_expect_not(m->pointer_to(m->absolute, 1, 2, 0, 0), "the guest has not asked");
	cr_expect_eq(call(POINTER_STATUS, 0), 0xffff0000);
	pointer_on();
	cr_expect(m->pointer_to(m->absolute, 0x1234, 0xffff, -1, 5));
	cr_expect_eq(call(POINTER_STATUS, 0), 4);
	cr_expect_eq(call(POINTER_DATA, 4), 0x28); /* left and middle */
	cr_expect_eq(regs[EBX], 0x1234);
	cr_expect_eq(regs[ECX], 0xffff);
	cr_expect_eq((s8)regs[EDX], -1);
	cr_expect_eq(call(POINTER_STATUS, 0), 0);
	call(POINTER_COMMAND, POINTER_RELATIVE);
	cr_expect_not(m->pointer_to(m->absolute, 1, 2, 0, 0));
	pointer_on();
	call(POINTER_COMMAND, POINTER_DISABLE);
	cr_expect_not(m->pointer_to(m->absolute, 1, 2, 0, 0));
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
	m->pointer_to(m->absolute, 1, 2, 0, 1);
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
		cr_assert(m->pointer_to(m->absolute, (u16)i, 0, 0, 0));
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
		m->pointer_to(m->absolute, (u16)i, 0, 0, 0);
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
