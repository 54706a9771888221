/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vcpu.c - one thread a virtual CPU: runs the guest, answers its accesses, waits while it is halted.
 *
 * The engine's calls that are not for any thread (map, a20, dirty, get, set) are made by the vCPU's own thread, or by the
 * main thread while vcpu->running is false; both under the machine's lock.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "lib/util.h"
#include "vmx/machine.h"

/* The calling vCPU's CPU learns the memory map and A20 as they are now; under the lock. */
static void vcpu_sync(struct vcpu *v)
{
	struct machine *m = v->machine;
	struct error err;

	if (v->map_seen != m->memory.generation) {
		memory_update(m);
		v->map_seen = m->memory.generation;
		if (m->engine->map(v->cpu, m->memory.slots, m->memory.n_slots, &err)) {
			log_error("the %s engine cannot map memory: %s", m->engine->name, err.text);
			machine_request(m, REQUEST_EXIT, 1);
		}
	}
	if (v->a20_seen != m->a20) {
		v->a20_seen = m->a20;
		m->engine->a20(v->cpu, m->a20);
	}
}

/* ---- what the guest's instructions reach ---- */

static struct machine *enter(void *opaque)
{
	struct vcpu *v = opaque;

	machine_lock(v->machine);
	v->machine->accessing = v->index;
	return v->machine;
}

static void leave(void *opaque)
{
	struct vcpu *v = opaque;

	vcpu_sync(v);
	machine_unlock(v->machine);
}

static u32 pio_read(void *opaque, u16 port, unsigned size)
{
	struct machine *m = enter(opaque);
	u32 value = bus_pio_read(m, port, size);

	leave(opaque);
	return value;
}

static void pio_write(void *opaque, u16 port, unsigned size, u32 value)
{
	bus_pio_write(enter(opaque), port, size, value);
	leave(opaque);
}

static u64 mmio_read(void *opaque, u64 gpa, unsigned size)
{
	u64 value = bus_mmio_read(enter(opaque), gpa, size);

	leave(opaque);
	return value;
}

static void mmio_write(void *opaque, u64 gpa, unsigned size, u64 value)
{
	bus_mmio_write(enter(opaque), gpa, size, value);
	leave(opaque);
}

static int intack(void *opaque)
{
	int vector = irq_acknowledge(enter(opaque), ((struct vcpu *)opaque)->index);

	leave(opaque);
	return vector;
}

static bool ferr(void *opaque)
{
	bool ignored = irq_ferr(enter(opaque));

	leave(opaque);
	return ignored;
}

/* The APIC changes no memory map: nothing to sync, and the engine may be in the middle of a trace. */
static bool apic_msr(void *opaque, u32 index, bool write, u64 *value, u64 tsc)
{
	struct machine *m = enter(opaque);
	bool known = irq_apic_msr(m, m->accessing, index, write, value, tsc);

	machine_unlock(m);
	return known;
}

static u64 cr8_read(void *opaque)
{
	struct machine *m = enter(opaque);
	u8 tpr = irq_apic_tpr(m, m->accessing, -1);

	machine_unlock(m);
	return tpr >> 4;
}

static void cr8_write(void *opaque, u64 value)
{
	struct machine *m = enter(opaque);

	irq_apic_tpr(m, m->accessing, (int)(value & 15) << 4);
	machine_unlock(m);
}

/* Of the guest's memory, and at most once between two harvests: no lock is needed. */
static void logged_written(void *opaque)
{
	screen_written(((struct vcpu *)opaque)->machine);
}

static bool backdoor(void *opaque, u32 regs[CPU_BACKDOOR_REGS])
{
	struct machine *m = enter(opaque);
	bool known = m->people.backdoor && m->people.call(m->people.backdoor, regs);

	leave(opaque);
	return known;
}

unsigned dev_accessing_cpu(struct device *d)
{
	return d->machine->accessing;
}

/* ---- the thread ---- */

static bool must_stand(const struct machine *m)
{
	return m->hold || m->reset_wanted || m->power_off_wanted || serial_congested(m);
}

static void vcpu_park(struct vcpu *v)
{
	struct machine *m = v->machine;

	v->parked = true;
	pthread_cond_broadcast(&m->parked);
	while (must_stand(m) && !m->quit)
		pthread_cond_wait(&v->wake, &m->lock);
	v->parked = false;
}

static void vcpu_halted(struct vcpu *v, u32 seen)
{
	struct machine *m = v->machine;

	if (m->screen_awaited && !vcpus_running(m)) {
		m->screen_awaited = false;
		machine_wake(m);
	}
	/* Anything since before run() may be what the guest waits for; looking once more costs little. */
	while (v->events == seen && !must_stand(m) && !m->quit && !(m->harvest && !v->harvested))
		clock_sleep(m, &v->wake);
}

static void vcpu_exit(struct vcpu *v, enum cpu_exit why, u32 seen)
{
	struct machine *m = v->machine;

	switch (why) {
	case CPU_EXIT_HALT:
		vcpu_halted(v, seen);
		break;
	case CPU_EXIT_SHUTDOWN:
		log_limited(LOG_LEVEL_WARNING, "cpu%u: triple fault, the machine is reset", v->index);
		machine_request(m, REQUEST_RESET, 0);
		break;
	case CPU_EXIT_ERROR:
		log_error("cpu%u: the %s engine cannot go on, powering off", v->index, m->engine->name);
		machine_request(m, REQUEST_EXIT, 1);
		break;
	case CPU_EXIT_KICKED:
		break;
	}
}

/* How quick the interpreter was; an engine that runs the guest on the host's CPU counts nothing. */
static void tell_speed(const struct vcpu *v)
{
	double million = (double)v->machine->engine->instructions(v->cpu) / 1e6, seconds;
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	seconds = (double)used.tv_sec + (double)used.tv_nsec / 1e9;
	if (million > 0 && seconds > 0)
		log_info("cpu%u: %.0f million instructions in %.2f s of CPU time, %.0f million instructions a second", v->index,
			 million, seconds, million / seconds);
}

static void vcpu_harvest(struct vcpu *v)
{
	struct machine *m = v->machine;

	memory_harvest(v);
	v->harvested = true;
	for (unsigned i = 0; i < m->n_vcpus; i++)
		if (!m->vcpus[i].harvested)
			return;
	for (unsigned i = 0; i < m->n_vcpus; i++)
		m->vcpus[i].harvested = false;
	m->harvest = false;
	machine_wake(m);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	struct machine *m = v->machine;
	char title[16];

	snprintf(title, sizeof(title), "cpu%u", v->index);
	prctl(PR_SET_NAME, title);
	machine_lock(m);
	while (!m->quit) {
		if (m->harvest && !v->harvested)
			vcpu_harvest(v);
		if (must_stand(m)) {
			vcpu_park(v);
			continue;
		}
		vcpu_sync(v);
		u32 seen = v->events;
		v->running = true;
		machine_unlock(m);
		enum cpu_exit why = m->engine->run(v->cpu);
		machine_lock(m);
		v->running = false;
		vcpu_exit(v, why, seen);
	}
	v->parked = true;
	pthread_cond_broadcast(&m->parked);
	machine_unlock(m);
	tell_speed(v);
	return NULL;
}

/* ---- for the rest of the machine, under the lock ---- */

static void vcpu_signal(struct vcpu *v)
{
	v->events++;
	pthread_cond_signal(&v->wake);
}

void vcpus_kick(struct machine *m)
{
	for (unsigned i = 0; i < m->n_vcpus; i++) {
		struct vcpu *v = &m->vcpus[i];
		if (v->running)
			m->engine->kick(v->cpu);
		vcpu_signal(v);
	}
}

bool vcpus_running(struct machine *m)
{
	for (unsigned i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i].running)
			return true;
	return false;
}

void vcpus_irq(struct machine *m, unsigned cpu, bool level)
{
	if (cpu >= m->n_vcpus)
		return;
	m->engine->irq(m->vcpus[cpu].cpu, level);
	if (level)
		vcpu_signal(&m->vcpus[cpu]);
}

void vcpus_nmi(struct machine *m)
{
	if (!m->n_vcpus)
		return;
	m->engine->nmi(m->vcpus[0].cpu);
	vcpu_signal(&m->vcpus[0]);
}

void vcpus_forget(struct machine *m, u64 gpa, u64 len)
{
	for (unsigned i = 0; i < m->n_vcpus; i++)
		m->engine->forget(m->vcpus[i].cpu, gpa, len);
}

u64 vcpus_instructions(struct machine *m)
{
	u64 sum = 0;

	for (unsigned i = 0; i < m->n_vcpus; i++)
		sum += m->engine->instructions(m->vcpus[i].cpu);
	return sum;
}

static enum cpu_model cpu_model(const struct config *config)
{
	const char *name = config_string(config, "cpu.model");

	if (!strcmp(name, "x86-64-v3"))
		return CPU_MODEL_X86_64_V3;
	return strcmp(name, "i686") ? CPU_MODEL_X86_64_V2 : CPU_MODEL_I686;
}

static bool cpu_is_amd(const struct machine *m)
{
	return !strcmp(config_string(m->config, "cpu.vendor"), "AuthenticAMD");
}

int vcpus_reset(struct machine *m, struct error *err)
{
	struct x86_state state;

	m->a20 = true;
	for (unsigned i = 0; i < m->n_vcpus; i++) {
		x86_reset(&state);
		state.gpr[X86_RDX] = x86_signature(cpu_model(m->config), cpu_is_amd(m));
		int r = m->engine->set(m->vcpus[i].cpu, &state, err);
		if (r)
			return r;
	}
	return 0;
}

/*
 * Machine time stands still: so do the time stamp counters, or a guest that compares the two finds its TSC unstable. Of
 * CPUs that do not run.
 */
void vcpus_clock_stop(struct machine *m)
{
	struct x86_state state;

	for (unsigned i = 0; i < m->n_vcpus; i++) {
		m->engine->get(m->vcpus[i].cpu, &state);
		m->vcpus[i].tsc = state.tsc;
		m->vcpus[i].tsc_stands = true;
	}
}

void vcpus_clock_start(struct machine *m)
{
	struct x86_state state;
	struct error err;

	for (unsigned i = 0; i < m->n_vcpus; i++) {
		struct vcpu *v = &m->vcpus[i];
		if (!v->tsc_stands)
			continue;
		v->tsc_stands = false;
		m->engine->get(v->cpu, &state);
		state.tsc = v->tsc;
		if (m->engine->set(v->cpu, &state, &err))
			log_error("cpu%u: the time stamp counter cannot go on where it stood: %s", i, err.text);
	}
}

/* ---- life ---- */

/* Timeouts are of the clock machine time is made of. */
static void wake_init(pthread_cond_t *wake)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(wake, &attr);
	pthread_condattr_destroy(&attr);
}

/* Those who look for a backdoor look for its maker's name first. */
static struct cpu_machine cpu_machine(struct machine *m)
{
	struct cpu_machine cm = {.tsc_khz = m->clock.tsc_khz, .apic_khz = DEV_APIC_TIMER_KHZ};
	const char *name = config_string(m->config, "hypervisor.vendor");

	if (!*name && config_bool(m->config, "backdoor.present"))
		name = "VMwareVMware";
	str_copy(cm.hypervisor, sizeof(cm.hypervisor), name);
	str_copy(cm.brand, sizeof(cm.brand), config_string(m->config, "cpu.brand"));
	cm.amd = cpu_is_amd(m);
	return cm;
}

int vcpus_create(struct machine *m, struct error *err)
{
	unsigned n = (unsigned)config_number(m->config, "numvcpus");

	if (!m->engine)
		return 0;
	if (strlen(config_string(m->config, "cpu.brand")) > 47)
		return fail(err, -EINVAL, "cpu.brand has more than 47 characters");
	m->clock.tsc_khz = clock_tsc_khz(m);
	m->vcpus = xcalloc(n, sizeof(m->vcpus[0]));
	for (unsigned i = 0; i < n; i++) {
		struct vcpu *v = &m->vcpus[i];
		u64 top = m->memory.bytes > m->memory.low_bytes ? 4 * GIB + m->memory.bytes - m->memory.low_bytes : m->memory.bytes;

		v->machine = m;
		v->index = i;
		v->host = (struct cpu_host){v, pio_read, pio_write, mmio_read, mmio_write, intack, ferr, apic_msr, cr8_read, cr8_write,
					    backdoor, logged_written};
		v->map_seen = m->memory.generation - 1;
		v->a20_seen = false;
		struct cpu_config cc = {.index = i, .host = &v->host, .ram_bytes = top, .model = cpu_model(m->config),
					.machine = cpu_machine(m)};
		int r = m->engine->create(&cc, &v->cpu, err);
		if (r)
			return r;
		wake_init(&v->wake);
		m->n_vcpus++;
	}
	return 0;
}

int vcpus_start(struct machine *m, struct error *err)
{
	for (unsigned i = 0; i < m->n_vcpus; i++) {
		int r = pthread_create(&m->vcpus[i].thread, NULL, vcpu_thread, &m->vcpus[i]);
		if (r)
			return fail(err, -r, "cannot start a thread for cpu%u: %s", i, strerror(r));
		m->vcpus[i].started = true;
	}
	return 0;
}

void vcpus_destroy(struct machine *m)
{
	machine_lock(m);
	m->quit = true;
	vcpus_kick(m);
	machine_unlock(m);
	for (unsigned i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i].started)
			pthread_join(m->vcpus[i].thread, NULL);
	for (unsigned i = 0; i < m->n_vcpus; i++) {
		m->engine->destroy(m->vcpus[i].cpu);
		pthread_cond_destroy(&m->vcpus[i].wake);
	}
	free(m->vcpus);
	m->vcpus = NULL;
	m->n_vcpus = 0;
}
