/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kvm_trial.c - whether the kvm engine works here. Some hosts have a /dev/kvm on which no stock 64-bit kernel starts, so the
 * guest of kvm_guest.S must have run to its end. It does so in a child process, which can be killed when its time is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu/kvm.h"

#define RAM_BYTES 0x10000u
#define TRIAL_MS 5000 /* it takes some milliseconds, on a host with nothing else to do */
#define WANTED 5051u
#define VECTOR 0x20

extern const u8 kvm_guest[], kvm_guest_end[];

struct trial {
	struct cpu *cpu;
	u32 answer;
};

/* ---- its machine ---- */

static u32 trial_pio_read(void *opaque, u16 port, unsigned size)
{
	(void)opaque;
	(void)port;
	(void)size;
	return 0;
}

static void trial_pio_write(void *opaque, u16 port, unsigned size, u32 value)
{
	struct trial *t = opaque;

	(void)size;
	if (port == 0x81)
		cpu_kvm.irq(t->cpu, true);
	else if (port == 0x80)
		t->answer = value;
}

static u64 trial_mmio_read(void *opaque, u64 gpa, unsigned size)
{
	(void)opaque;
	(void)gpa;
	(void)size;
	return 0;
}

static void trial_mmio_write(void *opaque, u64 gpa, unsigned size, u64 value)
{
	(void)opaque;
	(void)gpa;
	(void)size;
	(void)value;
}

static int trial_intack(void *opaque)
{
	struct trial *t = opaque;

	cpu_kvm.irq(t->cpu, false);
	return VECTOR;
}

static int trial_run(void *ram, struct error *err)
{
	static const char *const names[] = {"halt", "triple fault", "kick", "error"};
	struct trial t = {0};
	const struct cpu_host host = {.opaque = &t, .pio_read = trial_pio_read, .pio_write = trial_pio_write,
				      .mmio_read = trial_mmio_read, .mmio_write = trial_mmio_write, .intack = trial_intack};
	struct cpu_config config = {.host = &host, .ram_bytes = RAM_BYTES, .model = CPU_MODEL_X86_64_V2};
	struct cpu_slot slot = {.size = RAM_BYTES, .host = ram};
	struct x86_state state;
	enum cpu_exit why;
	int r;

	memcpy(ram, kvm_guest, (size_t)(kvm_guest_end - kvm_guest));
	if ((r = cpu_kvm.create(&config, &t.cpu, err)))
		return r;
	r = cpu_kvm.map(t.cpu, &slot, 1, err);
	if (!r) {
		x86_reset(&state);
		state.rip = 0;
		state.seg[X86_CS].base = state.seg[X86_CS].selector = 0;
		r = cpu_kvm.set(t.cpu, &state, err);
	}
	if (!r) {
		why = cpu_kvm.run(t.cpu);
		if (why != CPU_EXIT_HALT || t.answer != WANTED)
			r = fail(err, -EIO, "the 64-bit trial guest ended by %s with %u instead of %u", names[why], t.answer, WANTED);
	}
	cpu_kvm.destroy(t.cpu);
	return r;
}

/* ---- its process ---- */

NORETURN static void child(int report)
{
	struct error err = {0};
	void *ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ram == MAP_FAILED)
		fail(&err, -errno, "no memory for the trial guest");
	else if (!trial_run(ram, &err))
		memset(&err, 0, sizeof(err));
	(void)!write(report, &err, sizeof(err));
	_exit(0);
}

/* The child's answer: its error, with code 0 when there was none. */
static void await(int report, struct error *answer)
{
	struct pollfd p = {.fd = report, .events = POLLIN};
	int r;

	do
		r = poll(&p, 1, TRIAL_MS);
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		fail(answer, -ETIMEDOUT, "the 64-bit trial guest did not end within %d s", TRIAL_MS / 1000);
	else if (read(report, answer, sizeof(*answer)) != sizeof(*answer))
		fail(answer, -EIO, "the process of the 64-bit trial guest has died");
}

int kvm_usable(struct error *err)
{
	struct error answer;
	int pipes[2], status;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return fail(err, -errno, "no pipe for the trial guest: %s", strerror(errno));
	pid = fork();
	if (!pid)
		child(pipes[1]);
	close(pipes[1]);
	if (pid < 0) {
		fail(&answer, -errno, "no process for the trial guest: %s", strerror(errno));
	} else {
		await(pipes[0], &answer);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	close(pipes[0]);
	return answer.code ? fail(err, answer.code, "%s", answer.text) : 0;
}
