/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * toys.h - devices and a CPU engine made for tests of the machine around them. One test, one file: all is defined here.
 */
#ifndef TOYS_H
#define TOYS_H

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmx/machine.h"

/* ---- devices ---- */

struct toy {
	struct device dev;
	char log[4096]; /* what reached it */
	struct dev_timer timer;
	unsigned fired, resets, lines;
	bool level;
	size_t room; /* of its serial input */
	char got[64];
};

static void note(struct device *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void note(struct device *d, const char *fmt, ...)
{
	struct toy *t = (struct toy *)d;
	size_t used = strlen(t->log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->log + used, sizeof(t->log) - used, fmt, ap);
	va_end(ap);
}

static u32 toy_in(struct device *d, u16 port, unsigned size)
{
	note(d, "r%x.%u ", port, size);
	return 0xfffffff0u | d->id;
}

static void toy_out(struct device *d, u16 port, unsigned size, u32 value)
{
	note(d, "w%x.%u=%x ", port, size, value);
}

static u64 toy_load(struct device *d, u64 gpa, unsigned size)
{
	note(d, "R%llx.%u ", (unsigned long long)gpa, size);
	return 0x1122334455667788ull;
}

static void toy_store(struct device *d, u64 gpa, unsigned size, u64 value)
{
	note(d, "W%llx.%u=%llx ", (unsigned long long)gpa, size, (unsigned long long)value);
}

static const struct pio_ops toy_pio = {toy_in, toy_out};
static const struct mmio_ops toy_mmio = {toy_load, toy_store};

static void toy_timer(struct device *d)
{
	((struct toy *)d)->fired++;
}

static void toy_reset(struct device *d)
{
	((struct toy *)d)->resets++;
}

static void toy_line(struct device *d, unsigned line, bool level)
{
	struct toy *t = (struct toy *)d;

	note(d, "%c%u ", level ? '+' : '-', line);
	dev_intr(d, level);
	t->lines++;
}

static int toy_intack(struct device *d)
{
	note(d, "ack ");
	dev_intr(d, false);
	return 0x55;
}

static size_t toy_receive(struct device *d, unsigned line, const u8 *data, size_t len)
{
	struct toy *t = (struct toy *)d;
	size_t n = MIN(len, t->room);

	(void)line;
	strncat(t->got, (const char *)data, n);
	t->room -= n;
	return n;
}

static int toy_init(struct device *d, struct error *err)
{
	(void)err;
	dev_timer_init(d, &((struct toy *)d)->timer, toy_timer);
	dev_map_pio(d, 0x100, 8, &toy_pio);
	if (d->id == 0) {
		dev_map_mmio(d, 0xa0000, 0x20000, &toy_mmio);
		dev_irq_controller(d, toy_line, toy_intack);
		dev_offer_serial(d, 0, toy_receive);
	} else {
		dev_map_pio(d, 0x108, 2, &toy_pio);
	}
	return 0;
}

static int absent_init(struct device *d, struct error *err)
{
	(void)err;
	toy_init(d, err);
	return DEVICE_ABSENT;
}

static int failing_init(struct device *d, struct error *err)
{
	toy_init(d, err);
	return fail(err, -EIO, "the toy is broken");
}

static const struct device_ops first = {.name = "first", .size = sizeof(struct toy), .init = toy_init, .reset = toy_reset};
static const struct device_ops absent = {.name = "absent", .size = sizeof(struct toy), .init = absent_init};
static const struct device_ops second = {.name = "second", .size = sizeof(struct toy), .init = toy_init, .reset = toy_reset};
static const struct device_ops broken = {.name = "broken", .size = sizeof(struct toy), .init = failing_init};
static const struct device_ops *const toys[] = {&first, &absent, &second, NULL};
static const struct device_ops *const broken_toys[] __attribute__((unused)) = {&first, &broken, NULL};

/* ---- an engine that does what the test says ---- */

struct cpu {
	const struct cpu_host *host;
	_Atomic bool kicked, pin;
	_Atomic unsigned runs, sets, acks;
	_Atomic int script; /* what the next run() does */
	struct cpu_slot slots[MEMORY_MAX_SLOTS];
	unsigned n_slots;
	bool a20;
};
enum script { HALT, SPIN, TRIPLE, POKE, GIVE_UP };

static struct cpu *the_cpu;

static int fake_usable(struct error *err)
{
	(void)err;
	return 0;
}

static int fake_create(const struct cpu_config *config, struct cpu **out, struct error *err)
{
	(void)err;
	*out = the_cpu = xcalloc(1, sizeof(struct cpu));
	the_cpu->host = config->host;
	return 0;
}

static void fake_destroy(struct cpu *cpu)
{
	free(cpu);
}

static int fake_map(struct cpu *cpu, const struct cpu_slot *slots, unsigned count, struct error *err)
{
	(void)err;
	memcpy(cpu->slots, slots, count * sizeof(slots[0]));
	cpu->n_slots = count;
	return 0;
}

static void fake_a20(struct cpu *cpu, bool enabled)
{
	cpu->a20 = enabled;
}

static enum cpu_exit fake_run(struct cpu *cpu)
{
	int script = atomic_exchange(&cpu->script, HALT);

	atomic_fetch_add(&cpu->runs, 1);
	if (atomic_load(&cpu->pin)) {
		cpu->host->intack(cpu->host->opaque);
		atomic_fetch_add(&cpu->acks, 1);
	}
	if (script == TRIPLE)
		return CPU_EXIT_SHUTDOWN;
	if (script == GIVE_UP)
		return CPU_EXIT_ERROR;
	if (script == POKE) {
		cpu->host->pio_write(cpu->host->opaque, 0x100, 1, 0x42);
		cpu->host->mmio_write(cpu->host->opaque, 0xa1000, 4, 0xdeadbeef);
	}
	while (script == SPIN && !atomic_exchange(&cpu->kicked, false))
		;
	return script == HALT ? CPU_EXIT_HALT : CPU_EXIT_KICKED;
}

static void fake_kick(struct cpu *cpu)
{
	atomic_store(&cpu->kicked, true);
}

static void fake_irq(struct cpu *cpu, bool level)
{
	atomic_store(&cpu->pin, level);
}

static void fake_nmi(struct cpu *cpu)
{
	(void)cpu;
}

static void fake_get(struct cpu *cpu, struct x86_state *state)
{
	(void)cpu, (void)state;
}

static int fake_set(struct cpu *cpu, const struct x86_state *state, struct error *err)
{
	(void)state, (void)err;
	atomic_fetch_add(&cpu->sets, 1);
	return 0;
}

static void fake_forget(struct cpu *cpu, u64 gpa, u64 len)
{
	(void)cpu, (void)gpa, (void)len;
}

static void fake_dirty(struct cpu *cpu, u64 gpa, u64 size, unsigned long *bitmap)
{
	(void)cpu, (void)gpa, (void)size;
	bitmap[0] |= 2;
}

static u64 fake_instructions(struct cpu *cpu)
{
	return atomic_load(&cpu->runs);
}

static const struct cpu_ops fake_engine = {
	.name = "fake",
	.usable = fake_usable,
	.create = fake_create,
	.destroy = fake_destroy,
	.map = fake_map,
	.a20 = fake_a20,
	.run = fake_run,
	.kick = fake_kick,
	.irq = fake_irq,
	.nmi = fake_nmi,
	.get = fake_get,
	.set = fake_set,
	.forget = fake_forget,
	.dirty = fake_dirty,
	.instructions = fake_instructions,
};

/* ---- building machines ---- */

static struct config *config;
static struct machine *machine;

static struct toy *toy(const char *name)
{
	return (struct toy *)dev_find(machine->devices[0], name);
}

static int try_machine(const char *text, const struct device_ops *const *devices, const struct cpu_ops *engine, struct error *err)
{
	cr_assert_eq(config_parse("test.vmx", text, strlen(text), &config, err), 0);
	cr_assert_eq(config_check(config, NULL, NULL, err), 0, "%s", err->text);
	struct machine_config mc = {.name = "test", .config = config, .devices = devices, .engine = engine, .files = {.folder = "."}};
	return machine_new(&mc, &machine, err);
}

static inline void make_machine(const char *text, const struct cpu_ops *engine)
{
	struct error err;

	cr_assert_eq(try_machine(text, toys, engine, &err), 0, "%s", err.text);
}

static inline void finish(void)
{
	machine_free(machine);
	config_free(config);
	machine = NULL;
}

#define expect_log(name, text)                                                       \
	do {                                                                         \
		cr_expect_str_eq(toy(name)->log, text, "%s saw: %s", name, toy(name)->log); \
		toy(name)->log[0] = 0;                                               \
	} while (0)

#endif
