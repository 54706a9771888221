// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software engine given a hostile guest: the input is a program at 0:7C00 (the images of tests/guest are its corpus), run for
 * a few milliseconds. Ports raise interrupts and change the machine under the guest's feet.
 */
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "cpu/cpu.h"

#define RAM_BYTES (2 * MIB)
#define ROM_AT (1 * MIB) /* 64 KiB that port EA makes read-only */
#define LOAD_AT 0x7c00
#define GUEST_LOADED 0x6b6d76
#define RUN_USEC 3000

/* State survives a round trip wherever the guest was stopped. */
static void round_trip(struct cpu *cpu)
{
	struct x86_state state, again;
	struct error err;

	cpu_bt.get(cpu, &state);
	if (cpu_bt.set(cpu, &state, &err)) {
		fprintf(stderr, "a state of its own is refused: %s (CS %x, CR0 %llx, EFER %llx)\n", err.text, state.seg[X86_CS].attr,
			(unsigned long long)state.cr0, (unsigned long long)state.efer);
		abort();
	}
	cpu_bt.get(cpu, &again);
	again.tsc = state.tsc;
	BUG_ON(memcmp(&state, &again, sizeof(state)) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct machine {
	struct cpu *cpu;
	u8 *ram;
	int vector;
	bool exited;
};

static struct cpu *running;
static volatile sig_atomic_t expired;

static void timer_handler(int signal)
{
	(void)signal;
	expired = 1;
	if (running)
		cpu_bt.kick(running);
}

static void map(struct machine *m, u32 rom_flags)
{
	const struct cpu_slot slots[] = {
		{ 0, ROM_AT, m->ram, CPU_SLOT_LOG_DIRTY },
		{ ROM_AT, 64 * KIB, m->ram + ROM_AT, rom_flags },
		{ ROM_AT + 128 * KIB, RAM_BYTES - ROM_AT - 128 * KIB, m->ram + ROM_AT + 128 * KIB, 0 },
	};
	struct error err;
	BUG_ON(cpu_bt.map(m->cpu, slots, ARRAY_SIZE(slots), &err));
}

static u32 pio_read(void *opaque, u16 port, unsigned size)
{
	(void)opaque;
	return port == 0xe8 ? 0x5a : port * size;
}

static void pio_write(void *opaque, u16 port, unsigned size, u32 value)
{
	struct machine *m = opaque;
	unsigned long dirty[8] = { 0 };
	switch (port) {
	case 0x92:
		cpu_bt.a20(m->cpu, value & 2);
		break;
	case 0xe8:
		m->vector = value & 0xff;
		if (size == 2)
			cpu_bt.nmi(m->cpu);
		else
			cpu_bt.irq(m->cpu, true);
		break;
	case 0xea:
		map(m, value & 1 ? CPU_SLOT_READONLY : 0);
		break;
	case 0xeb:
		cpu_bt.forget(m->cpu, value, size * 1000);
		cpu_bt.dirty(m->cpu, 0, ROM_AT, dirty);
		break;
	case 0xf4:
		m->exited = true;
		cpu_bt.kick(m->cpu);
		break;
	default:
		break;
	}
}

static u64 mmio_read(void *opaque, u64 gpa, unsigned size)
{
	(void)opaque;
	return gpa * size;
}

/* Writing to device memory may change the map in the middle of an instruction. */
static void mmio_write(void *opaque, u64 gpa, unsigned size, u64 value)
{
	(void)size;
	if ((gpa & 0xfff) == 0xea)
		map(opaque, value & 1 ? CPU_SLOT_READONLY : 0);
}

static int intack(void *opaque)
{
	struct machine *m = opaque;
	cpu_bt.irq(m->cpu, false);
	return m->vector;
}

static bool ferr(void *opaque)
{
	(void)opaque;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct itimerval timer = { .it_value = { .tv_usec = RUN_USEC } };
	struct machine m = { 0 };
	struct cpu_host host = { .opaque = &m, .pio_read = pio_read, .pio_write = pio_write, .mmio_read = mmio_read,
				 .mmio_write = mmio_write, .intack = intack, .ferr = ferr };
	struct cpu_config config = { .host = &host, .ram_bytes = RAM_BYTES };
	struct x86_state state;
	struct error err;
	enum cpu_exit why;

	m.ram = aligned_alloc(4096, RAM_BYTES);
	memset(m.ram, 0, RAM_BYTES);
	memcpy(m.ram + LOAD_AT, data, MIN(size, 0x8400u));
	BUG_ON(cpu_bt.create(&config, &m.cpu, &err));
	map(&m, 0);
	x86_reset(&state);
	state.seg[X86_CS].selector = 0;
	state.seg[X86_CS].base = 0;
	state.rip = LOAD_AT;
	state.gpr[X86_RBP] = GUEST_LOADED;
	BUG_ON(cpu_bt.set(m.cpu, &state, &err));

	running = m.cpu;
	expired = 0;
	signal(SIGALRM, timer_handler);
	setitimer(ITIMER_REAL, &timer, NULL);
	do
		why = cpu_bt.run(m.cpu);
	while (why == CPU_EXIT_KICKED && !expired && !m.exited);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	running = NULL;

	if (why != CPU_EXIT_SHUTDOWN) /* a reset follows: between a task switch and its faults a CPU may be as no other */
		round_trip(m.cpu);
	cpu_bt.destroy(m.cpu);
	free(m.ram);
	return 0;
}
