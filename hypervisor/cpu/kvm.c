/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm.c - the kvm engine: guest instructions run on the host CPU by way of Linux's /dev/kvm.
 *
 * Leaving the guest. kick(), irq() and nmi() leave their wish in a flag, set kvm_run's immediate_exit and send KICK_SIGNAL to
 * the thread inside run(), if another one is: the signal ends KVM_RUN with EINTR, immediate_exit does when the signal
 * comes just before KVM_RUN. run() clears immediate_exit before it looks at the flags, so no wish is missed. The
 * signal's handler does nothing and is the process's; a stray signal only makes the loop turn once more.
 *
 * Interrupts. INTR is a pin; the vector is asked of the controller only when KVM says that the guest can take it at once (and
 * else KVM_RUN returns when it can: request_interrupt_window).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cpu/kvm.h"
#include "lib/log.h"

#define KICK_SIGNAL SIGRTMIN
/* Intel CPUs without unrestricted guest mode: KVM's own pages, below the largest firmware (memory.c) and in no slot. */
#define IDENTITY_MAP 0xfeffc000ull
#define TSS_PAGES 0xfeffd000ull
#define EXC_UD 6
#define NAME "/dev/kvm"

/* Handed over by who could open it; for the whole process, set before any CPU is made. */
static int device_fd = -1;

void cpu_kvm_device(int fd)
{
	device_fd = fd;
}

/* ---- pins ---- */

static pid_t thread_id(void)
{
	return (pid_t)syscall(SYS_gettid);
}

/* Flags have been changed: the thread inside run() is to look at them. */
static void notify(struct cpu *cpu)
{
	pid_t runner;

	__atomic_store_n(&cpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	runner = atomic_load(&cpu->runner);
	if (runner && runner != thread_id())
		syscall(SYS_tgkill, getpid(), runner, KICK_SIGNAL);
}

static void kvm_kick(struct cpu *cpu)
{
	atomic_store(&cpu->kicked, true);
	notify(cpu);
}

static void kvm_irq(struct cpu *cpu, bool level)
{
	if (!atomic_exchange(&cpu->irq_pin, level) && level)
		notify(cpu);
}

static void kvm_nmi(struct cpu *cpu)
{
	atomic_store(&cpu->nmi_pin, true);
	notify(cpu);
}

static bool nmi_blocked(struct cpu *cpu)
{
	struct kvm_vcpu_events e;

	return ioctl(cpu->vcpu, KVM_GET_VCPU_EVENTS, &e) == 0 && e.nmi.masked;
}

static int refused(const struct cpu *cpu, const char *what)
{
	int r = -errno;

	log_error("cpu%u: KVM does not take an %s: %s", cpu->index, what, strerror(-r));
	return r;
}

/* Gives KVM what is to be delivered next; 0 or -errno. */
static int inject(struct cpu *cpu)
{
	if (atomic_load(&cpu->nmi_pin) && !(cpu->halted && nmi_blocked(cpu))) {
		atomic_store(&cpu->nmi_pin, false);
		cpu->halted = false;
		if (ioctl(cpu->vcpu, KVM_NMI))
			return refused(cpu, "NMI");
	}
	if (atomic_load(&cpu->irq_pin) && cpu->ready && !cpu->unended) {
		int vector = cpu->host->intack(cpu->host->opaque);
		struct kvm_interrupt interrupt = {.irq = (u32)vector & 0xff};

		cpu->halted = false;
		if (vector < 0)
			return 0;
		cpu->ready = false;
		if (ioctl(cpu->vcpu, KVM_INTERRUPT, &interrupt))
			return refused(cpu, "interrupt");
	}
	cpu->run->request_interrupt_window = atomic_load(&cpu->irq_pin);
	return 0;
}

/* ---- exits ---- */

/* KVM itself puts what is read into EAX when the guest goes on. At CPL 3 without IOPL it has raised #GP before we know of it. */
static bool backdoor(struct cpu *cpu, u8 *data)
{
	struct kvm_regs r;

	if (cpu->run->io.port != CPU_BACKDOOR_PORT || cpu->run->io.size != 4 || cpu->run->io.count != 1 || !cpu->host->backdoor ||
	    ioctl(cpu->vcpu, KVM_GET_REGS, &r) || (u32)r.rax != CPU_BACKDOOR_MAGIC)
		return false;
	__u64 *const order[CPU_BACKDOOR_REGS] = {&r.rax, &r.rbx, &r.rcx, &r.rdx, &r.rsi, &r.rdi};
	u32 regs[CPU_BACKDOOR_REGS];

	for (unsigned n = 0; n < CPU_BACKDOOR_REGS; n++)
		regs[n] = (u32)*order[n];
	if (!cpu->host->backdoor(cpu->host->opaque, regs))
		return false;
	for (unsigned n = 0; n < CPU_BACKDOOR_REGS; n++)
		if (regs[n] != (u32)*order[n])
			*order[n] = regs[n];
	memcpy(data, &regs[0], sizeof(regs[0]));
	return ioctl(cpu->vcpu, KVM_SET_REGS, &r) == 0;
}

static void exit_io(struct cpu *cpu)
{
	struct kvm_run *run = cpu->run;
	const struct cpu_host *host = cpu->host;
	u8 *data = (u8 *)run + run->io.data_offset;
	u8 size = run->io.size;

	if (run->io.direction == KVM_EXIT_IO_IN && backdoor(cpu, data))
		return;
	for (u32 n = 0; n < run->io.count; n++, data += size) {
		u32 value = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, size);
			host->pio_write(host->opaque, run->io.port, size, value);
		} else {
			value = host->pio_read(host->opaque, run->io.port, size);
			memcpy(data, &value, size);
		}
	}
}

/* KVM's pieces end at pages but may have any length: cpu_host wants powers of two. */
static void exit_mmio(struct cpu *cpu)
{
	struct kvm_run *run = cpu->run;
	const struct cpu_host *host = cpu->host;
	u64 gpa = run->mmio.phys_addr & (cpu->a20 ? ~0ull : ~BIT64(20));
	u8 *data = run->mmio.data;
	unsigned size;

	for (u32 left = MIN(run->mmio.len, sizeof(run->mmio.data)); left; left -= size, gpa += size, data += size) {
		u64 value = 0;

		for (size = 8; size > left; size /= 2)
			;
		if (run->mmio.is_write) {
			memcpy(&value, data, size);
			host->mmio_write(host->opaque, gpa, size, value);
		} else {
			value = host->mmio_read(host->opaque, gpa, size);
			memcpy(data, &value, size);
		}
	}
}

/*
 * The guest made KVM's emulator meet an instruction it does not know (or code in a device): #UD is the guest's affair,
 * an end of the machine would be ours.
 */
static bool exit_internal_error(struct cpu *cpu)
{
	struct kvm_regs regs = {0};
	struct kvm_vcpu_events e;

	ioctl(cpu->vcpu, KVM_GET_REGS, &regs);
	log_limited(LOG_LEVEL_WARNING, "cpu%u: KVM cannot execute the instruction at %llx (internal error %u)", cpu->index,
		    (unsigned long long)regs.rip, cpu->run->internal.suberror);
	if (cpu->run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION || ioctl(cpu->vcpu, KVM_GET_VCPU_EVENTS, &e))
		return false;
	e.flags = 0;
	e.exception.injected = 1;
	e.exception.nr = EXC_UD;
	e.exception.has_error_code = 0;
	return ioctl(cpu->vcpu, KVM_SET_VCPU_EVENTS, &e) == 0;
}

/* The local APIC's registers, and those neither KVM nor anybody else knows: #GP(0). */
static void exit_msr(struct cpu *cpu, bool write)
{
	struct kvm_run *run = cpu->run;
	u64 value = write ? run->msr.data : 0;

	run->msr.error = !cpu->host->apic_msr(cpu->host->opaque, run->msr.index, write, &value, kvm_tsc(cpu));
	run->msr.data = value;
}

/* What ended KVM_RUN; true when run() is over. */
static bool handle_exit(struct cpu *cpu, enum cpu_exit *why)
{
	struct kvm_run *run = cpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		cpu->unended = true;
		exit_io(cpu);
		return false;
	case KVM_EXIT_MMIO:
		cpu->unended = true;
		exit_mmio(cpu);
		return false;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		cpu->unended = true;
		exit_msr(cpu, run->exit_reason == KVM_EXIT_X86_WRMSR);
		return false;
	case KVM_EXIT_HLT:
		cpu->halted = true;
		return false;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_INTR:
	case KVM_EXIT_NMI:
	case KVM_EXIT_SET_TPR:
		return false;
	case KVM_EXIT_SHUTDOWN:
		*why = CPU_EXIT_SHUTDOWN;
		return true;
	case KVM_EXIT_INTERNAL_ERROR:
		*why = CPU_EXIT_ERROR;
		return !exit_internal_error(cpu);
	case KVM_EXIT_FAIL_ENTRY:
		log_error("cpu%u: the host CPU refuses the guest's state, reason %llx", cpu->index,
			  (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		log_error("cpu%u: KVM stopped for the unknown reason %u", cpu->index, run->exit_reason);
		break;
	}
	*why = CPU_EXIT_ERROR;
	return true;
}

/* ---- run ---- */

/* KVM_RUN was left before the guest could run: an interrupt just given to KVM may still be waiting there. */
static void interrupted(struct cpu *cpu)
{
	struct kvm_vcpu_events e;

	if (cpu->ready && ioctl(cpu->vcpu, KVM_GET_VCPU_EVENTS, &e) == 0 && e.interrupt.injected)
		cpu->ready = false;
}

/* KVM_RUN takes CR8 from its page and leaves it there: the APIC's is told when the guest has changed it. */
static int enter_guest(struct cpu *cpu)
{
	const struct cpu_host *host = cpu->host;
	u64 cr8;

	if (host->cr8_read)
		cpu->run->cr8 = host->cr8_read(host->opaque);
	cr8 = cpu->run->cr8;
	int r = ioctl(cpu->vcpu, KVM_RUN, NULL) ? -errno : 0;
	if (host->cr8_write && cpu->run->cr8 != cr8)
		host->cr8_write(host->opaque, cpu->run->cr8);
	return r;
}

/* One KVM_RUN; true when run() is over. */
static bool enter(struct cpu *cpu, enum cpu_exit *why)
{
	int r = enter_guest(cpu);

	cpu->unended = false;
	cpu->ready = cpu->run->ready_for_interrupt_injection;
	if (!r)
		return handle_exit(cpu, why);
	if (r == -EINTR || r == -EAGAIN) {
		interrupted(cpu);
		return false;
	}
	log_error("cpu%u: KVM_RUN: %s", cpu->index, strerror(-r));
	*why = CPU_EXIT_ERROR;
	return true;
}

static enum cpu_exit run_until_exit(struct cpu *cpu)
{
	enum cpu_exit why;

	do {
		__atomic_store_n(&cpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		if (atomic_load(&cpu->kicked)) {
			/* Registers are whole only once KVM has completed the access. */
			if (!cpu->unended) {
				atomic_store(&cpu->kicked, false);
				return CPU_EXIT_KICKED;
			}
			cpu->run->immediate_exit = 1;
		} else {
			if (inject(cpu))
				return CPU_EXIT_ERROR;
			if (cpu->halted)
				return CPU_EXIT_HALT;
		}
	} while (!enter(cpu, &why));
	return why;
}

static enum cpu_exit kvm_run_cpu(struct cpu *cpu)
{
	enum cpu_exit why;

	atomic_store(&cpu->runner, thread_id());
	why = run_until_exit(cpu);
	atomic_store(&cpu->runner, 0);
	return why;
}

/* KVM keeps the guest's caches coherent with memory that others write. */
static void kvm_forget(struct cpu *cpu, u64 gpa, u64 len)
{
	(void)cpu;
	(void)gpa;
	(void)len;
}

static u64 kvm_instructions(struct cpu *cpu)
{
	(void)cpu;
	return 0;
}

/* ---- life ---- */

static void kick_handler(int signal)
{
	(void)signal;
}

static int kick_prepare(struct error *err)
{
	struct sigaction action = {.sa_handler = kick_handler}; /* no SA_RESTART: KVM_RUN is to end */
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, KICK_SIGNAL);
	if (sigaction(KICK_SIGNAL, &action, NULL) || pthread_sigmask(SIG_UNBLOCK, &set, NULL))
		return fail(err, -errno, "cannot prepare the signal that ends KVM_RUN: %s", strerror(errno));
	return 0;
}

/* What this engine is built on; KVM_CAP_SREGS2 came last of them, with Linux 5.14. */
static int check_capabilities(int kvm, struct error *err)
{
	static const int wanted[] = {KVM_CAP_USER_MEMORY, KVM_CAP_READONLY_MEM, KVM_CAP_IMMEDIATE_EXIT, KVM_CAP_VCPU_EVENTS,
				     KVM_CAP_DEBUGREGS, KVM_CAP_XSAVE, KVM_CAP_EXT_CPUID, KVM_CAP_USER_NMI, KVM_CAP_SREGS2};
	int version = ioctl(kvm, KVM_GET_API_VERSION, 0);

	if (version != KVM_API_VERSION)
		return fail(err, -ENOTSUP, NAME " has version %d of the interface instead of %d", version, KVM_API_VERSION);
	for (size_t n = 0; n < ARRAY_SIZE(wanted); n++)
		if (ioctl(kvm, KVM_CHECK_EXTENSION, wanted[n]) <= 0)
			return fail(err, -ENOTSUP, "the host's KVM lacks capability %d: Linux 5.14 or later is needed", wanted[n]);
	return 0;
}

/* APIC_BASE and TSC_DEADLINE become exits; the x2APIC's registers are exits since KVM has no APIC of its own. */
static int take_apic_msrs(struct cpu *cpu)
{
	u8 none = 0;
	struct kvm_enable_cap cap = {.cap = KVM_CAP_X86_USER_SPACE_MSR,
				     .args = {KVM_MSR_EXIT_REASON_FILTER | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_INVAL}};
	struct kvm_msr_filter filter = {.flags = KVM_MSR_FILTER_DEFAULT_ALLOW};
	static const u32 indices[] = {0x1b, 0x6e0};

	for (size_t n = 0; n < ARRAY_SIZE(indices); n++)
		filter.ranges[n] = (struct kvm_msr_filter_range){.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, .nmsrs = 1,
								 .base = indices[n], .bitmap = &none};
	return ioctl(cpu->vm, KVM_ENABLE_CAP, &cap) || ioctl(cpu->vm, KVM_X86_SET_MSR_FILTER, &filter) ? -errno : 0;
}

static int create_vm(struct cpu *cpu, int kvm, const struct cpu_config *config, struct error *err)
{
	u64 identity = IDENTITY_MAP;
	int slots = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);

	cpu->max_slots = slots > 0 ? (unsigned)MIN(slots, 1024) : 32;
	cpu->slots = calloc(cpu->max_slots, sizeof(cpu->slots[0]));
	if (!cpu->slots)
		return fail(err, -ENOMEM, "no memory for a virtual CPU");
	do
		cpu->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	while (cpu->vm < 0 && errno == EINTR);
	if (cpu->vm < 0)
		return fail(err, -errno, "KVM does not make a machine: %s", strerror(errno));
	if (ioctl(cpu->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity) || ioctl(cpu->vm, KVM_SET_TSS_ADDR, TSS_PAGES))
		return fail(err, -errno, "KVM has no place for its own pages: %s", strerror(errno));
	if (cpu->host->apic_msr && take_apic_msrs(cpu))
		return fail(err, -errno, "KVM does not leave the local APIC's registers to the machine: %s", strerror(errno));
	cpu->vcpu = ioctl(cpu->vm, KVM_CREATE_VCPU, 0);
	if (cpu->vcpu < 0)
		return fail(err, -errno, "KVM does not make a virtual CPU: %s", strerror(errno));
	int bytes = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *run = bytes < (int)sizeof(*cpu->run) ? MAP_FAILED :
						      mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->vcpu, 0);
	if (run == MAP_FAILED)
		return fail(err, -EIO, "cannot map the virtual CPU's page: %s", strerror(errno));
	cpu->run = run;
	cpu->run_bytes = (size_t)bytes;
	return kvm_set_cpuid(cpu, kvm, config, err);
}

static void kvm_destroy(struct cpu *cpu)
{
	if (!cpu)
		return;
	if (cpu->run)
		munmap(cpu->run, cpu->run_bytes);
	if (cpu->vcpu >= 0)
		close(cpu->vcpu);
	if (cpu->vm >= 0)
		close(cpu->vm);
	kvm_map_free(cpu);
	free(cpu);
}

static int open_device(struct error *err)
{
	int fd = device_fd >= 0 ? fcntl(device_fd, F_DUPFD_CLOEXEC, 0) : open(NAME, O_RDWR | O_CLOEXEC);

	return fd < 0 ? fail(err, -errno, "cannot open " NAME ": %s", strerror(errno)) : fd;
}

static int kvm_create(const struct cpu_config *config, struct cpu **out, struct error *err)
{
	struct cpu *cpu = calloc(1, sizeof(*cpu));
	struct x86_state state;
	int kvm = -1, r;

	if (!cpu)
		return fail(err, -ENOMEM, "no memory for a virtual CPU");
	cpu->host = config->host;
	cpu->index = config->index;
	cpu->vm = cpu->vcpu = -1;
	cpu->a20 = true;
	r = kick_prepare(err);
	if (!r)
		r = kvm = open_device(err);
	if (kvm >= 0)
		r = check_capabilities(kvm, err);
	if (!r)
		r = create_vm(cpu, kvm, config, err);
	if (!r) {
		x86_reset(&state);
		r = kvm_set(cpu, &state, err);
	}
	if (kvm >= 0)
		close(kvm);
	if (r) {
		kvm_destroy(cpu);
		return r;
	}
	*out = cpu;
	return 0;
}

const struct cpu_ops cpu_kvm = {
	.name = "kvm",
	.usable = kvm_usable,
	.create = kvm_create,
	.destroy = kvm_destroy,
	.map = kvm_map,
	.a20 = kvm_a20,
	.run = kvm_run_cpu,
	.kick = kvm_kick,
	.irq = kvm_irq,
	.nmi = kvm_nmi,
	.get = kvm_get,
	.set = kvm_set,
	.forget = kvm_forget,
	.dirty = kvm_dirty,
	.instructions = kvm_instructions,
};
