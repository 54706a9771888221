// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_guest.c - runs every program of tests/guest on a machine of RAM and three ports, on each usable engine.
 *
 * VMK_GUEST_ENGINE names the only one to be tested.
 *
 * Ports: E9 text, F4 exit status, E7 (0: the engine leaves to the host's CPU what it can), E8 interrupts (read: 5A;
 * write a byte: raises INTR with that vector until acknowledged; write a word: raises NMI). triple.S is to end in a shutdown, the others in status 0.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "lib/util.h"

#define RAM_BYTES (16 * MIB)
#define LOAD_AT 0x7c00
#define GUEST_LOADED 0x6b6d76
#define RUN_SECONDS 20 /* far more than any program needs */

struct machine {
	const struct cpu_ops *ops;
	struct cpu *cpu;
	u8 *ram;
	char text[4096];
	size_t text_len;
	bool exited;
	u32 status;
	int vector;
};

static u32 pio_read(void *opaque, u16 port, unsigned size)
{
	const struct machine *m = opaque;
	(void)size;
	if (port == 0xe7)
		return m->ops == &cpu_kvm ? 0 : 0xff;
	return port == 0xe8 ? 0x5a : 0xffffffff;
}

static void pio_write(void *opaque, u16 port, unsigned size, u32 value)
{
	struct machine *m = opaque;
	switch (port) {
	case 0xe8:
		if (size == 2) {
			m->ops->nmi(m->cpu);
		} else {
			m->vector = (int)value;
			m->ops->irq(m->cpu, true);
		}
		break;
	case 0xe9:
		if (m->text_len < sizeof(m->text) - 1)
			m->text[m->text_len++] = (char)value;
		break;
	case 0xf4:
		m->exited = true;
		m->status = value;
		m->ops->kick(m->cpu);
		break;
	default:
		break;
	}
}

static u64 mmio_read(void *opaque, u64 gpa, unsigned size)
{
	(void)opaque;
	(void)gpa;
	(void)size;
	return ~0ull;
}

static void mmio_write(void *opaque, u64 gpa, unsigned size, u64 value)
{
	(void)opaque;
	(void)gpa;
	(void)size;
	(void)value;
}

static int intack(void *opaque)
{
	struct machine *m = opaque;
	m->ops->irq(m->cpu, false);
	return m->vector;
}

/* The call that asks for the version. */
static bool backdoor(void *opaque, u32 regs[CPU_BACKDOOR_REGS])
{
	(void)opaque;
	if (regs[2] != 10)
		return false;
	regs[0] = 6;
	regs[1] = CPU_BACKDOOR_MAGIC;
	regs[2] = 2;
	return true;
}

static void load(struct machine *m, const char *path)
{
	struct error err;
	struct x86_state state;
	char *image;
	size_t len;
	cr_assert_eq(read_file(path, 0x8400, &image, &len, &err), 0, "%s", err.text);
	memcpy(m->ram + LOAD_AT, image, len);
	free(image);
	x86_reset(&state);
	state.seg[X86_CS].selector = 0;
	state.seg[X86_CS].base = 0;
	state.rip = LOAD_AT;
	state.gpr[X86_RBP] = GUEST_LOADED;
	cr_assert_eq(m->ops->set(m->cpu, &state, &err), 0, "%s", err.text);
}

static struct machine *watched;
static volatile sig_atomic_t too_long;

static void alarm_handler(int signal)
{
	(void)signal;
	too_long = 1;
	watched->ops->kick(watched->cpu);
}

static enum cpu_exit run(struct machine *m)
{
	enum cpu_exit why;
	watched = m;
	too_long = 0;
	signal(SIGALRM, alarm_handler);
	alarm(RUN_SECONDS);
	do
		why = m->ops->run(m->cpu);
	while (!m->exited && !too_long && why == CPU_EXIT_KICKED);
	alarm(0);
	return why;
}

static void run_program(const struct cpu_ops *ops, const char *path)
{
	struct machine m = { .ops = ops };
	struct cpu_host host = { .opaque = &m, .pio_read = pio_read, .pio_write = pio_write, .mmio_read = mmio_read,
				 .mmio_write = mmio_write, .intack = intack, .backdoor = backdoor };
	struct cpu_config config = { .host = &host, .ram_bytes = RAM_BYTES,
				     .model = strstr(path, "/long") ? CPU_MODEL_X86_64_V2 : CPU_MODEL_I686 };
	struct error err;
	m.ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(m.ram, MAP_FAILED);
	cr_assert_eq(ops->create(&config, &m.cpu, &err), 0, "%s", err.text);
	struct cpu_slot slot = { .size = RAM_BYTES, .host = m.ram };
	cr_assert_eq(ops->map(m.cpu, &slot, 1, &err), 0, "%s", err.text);
	load(&m, path);

	enum cpu_exit why = run(&m);
	struct x86_state state;
	ops->get(m.cpu, &state);
	if (strstr(path, "triple"))
		cr_expect(!m.exited && why == CPU_EXIT_SHUTDOWN, "%s on %s: exit %d at %x:%llx instead of a shutdown\n%s", path,
			  ops->name, why, state.seg[X86_CS].selector, (unsigned long long)state.rip, m.text);
	else
		cr_expect(m.exited && m.status == 0, "%s on %s: exit %d, status %u, at %x:%llx\n%s", path, ops->name, why,
			  m.status, state.seg[X86_CS].selector, (unsigned long long)state.rip, m.text);
	ops->destroy(m.cpu);
	munmap(m.ram, RAM_BYTES);
}

/* A path as a parameter: Criterion wants memory of its own. */
struct program {
	char path[64];
};

ParameterizedTestParameters(guest, program)
{
	glob_t found;
	size_t count = glob("build/guest/*.bin", 0, NULL, &found) ? 0 : found.gl_pathc;
	struct program *list = cr_malloc((count + 1) * sizeof(*list));
	for (size_t n = 0; n < count; n++)
		str_copy(list[n].path, sizeof(list[n].path), found.gl_pathv[n]);
	globfree(&found);
	return cr_make_param_array(struct program, list, count, NULL);
}

/* Programs of real mode (and a few steps beside it): some hosts' KVM runs these though it runs no operating system. */
static bool in_real_mode(const char *path)
{
	return strstr(path, "/real.bin") || strstr(path, "/triple.bin");
}

static bool runs_on(const struct cpu_ops *ops, const char *path)
{
	struct cpu_host host = { .opaque = NULL };
	struct cpu_config config = { .host = &host };
	struct cpu *cpu;
	struct error err;
	const char *only = getenv("VMK_GUEST_ENGINE");
	if (only && strcmp(only, ops->name))
		return false;
	if (!ops->usable(&err))
		return true;
	if (!in_real_mode(path) || ops->create(&config, &cpu, &err)) {
		printf("%s is not run on %s: %s\n", path, ops->name, err.text);
		return false;
	}
	ops->destroy(cpu);
	return true;
}

ParameterizedTest(struct program *program, guest, program, .timeout = 600)
{
	unsigned engines = 0;
	for (unsigned n = 0; cpu_engines[n]; n++) {
		if (!runs_on(cpu_engines[n], program->path))
			continue;
		engines++;
		run_program(cpu_engines[n], program->path);
	}
	cr_expect_gt(engines, 0);
}

Test(guest, images_are_there)
{
	glob_t found;
	cr_assert_eq(glob("build/guest/*.bin", 0, NULL, &found), 0, "make guests first");
	cr_expect_gt(found.gl_pathc, 5);
	globfree(&found);
}
