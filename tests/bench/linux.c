// uses: lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linux.c - the same Linux kernel and first process in a machine of vmk and in one of QEMU's interpreter (TCG), by turns.
 *
 *	linux KERNEL INIT IMAGE VMK-VMX QEMU [ROUNDS [NAMES]]
 *
 * INIT becomes /init of an initial RAM disk that holds nothing else; it names the beginning and the end of what it does
 * on the serial line. IMAGE is an IDE disk that boots to a login on it. The clock is the CPU time the machine's process
 * used, so that other work on this host counts little; boots are told in wall time as well. Of the rounds the median
 * counts. IMAGE and QEMU may be "-": then there is no boot from disk, and vmk runs alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/util.h"

#define RAM_MB "128"
#define COMMAND_LINE "console=ttyS0 panic=-1 bench="
#define ROUNDS_MAX 15
#define ROWS_MAX 32
#define LIMIT_SECONDS 600 /* a round that takes longer has failed */

enum machine { VMK, QEMU, MACHINES };
enum boot { BOOT_KERNEL, BOOT_DISK };

/* A machine that runs. */
struct run {
	pid_t pid;
	int fd; /* its serial line */
	clockid_t cpu;
	double start, end; /* on the wall: when it began, when it has taken too long */
	char line[1024]; /* what came last; not ended by a newline when more may come */
	size_t length;
};

struct row {
	char name[16];
	double ms[MACHINES][ROUNDS_MAX];
	unsigned count[MACHINES];
	unsigned long long result[MACHINES];
};

struct bench {
	const char *kernel, *init, *image, *program[MACHINES], *names;
	char folder[64], initrd[80], vmx[80], log[80];
	unsigned rounds;
	struct row rows[ROWS_MAX];
	unsigned n_rows;
	double memory_mib[MACHINES], mips;
};

/* ---- the initial RAM disk: a cpio archive of the "newc" form (Linux Documentation/driver-api/early-userspace) ---- */

static void cpio_entry(FILE *out, const char *name, unsigned mode, unsigned major, unsigned minor, const void *data, size_t size)
{
	static const char zeros[4];
	size_t length = strlen(name) + 1;

	fprintf(out, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 1, mode, 0, 0, 1, 0, size, 0, 0, major, minor,
		length, 0);
	fwrite(name, 1, length, out);
	fwrite(zeros, 1, (4 - (110 + length) % 4) % 4, out);
	fwrite(data, 1, size, out);
	fwrite(zeros, 1, (4 - size % 4) % 4, out);
}

static void make_initrd(const struct bench *b)
{
	FILE *in = fopen(b->init, "rb"), *out = fopen(b->initrd, "wb");
	static char data[4 * MIB];
	size_t size = in ? fread(data, 1, sizeof(data), in) : 0;

	if (!size || !out || size == sizeof(data))
		fatal("cannot make an initial RAM disk of %s: %s", b->init, strerror(errno));
	cpio_entry(out, "dev", 040755, 0, 0, "", 0);
	cpio_entry(out, "dev/console", 020600, 5, 1, "", 0);
	cpio_entry(out, "init", 0100755, 0, 0, data, size);
	cpio_entry(out, "TRAILER!!!", 0, 0, 0, "", 0);
	fclose(in);
	if (fclose(out))
		fatal("cannot write %s: %s", b->initrd, strerror(errno));
}

/* ---- machines ---- */

static double clock_ms(clockid_t clock)
{
	struct timespec t = {0, 0};

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void make_vmx(const struct bench *b, enum boot boot, const char *names)
{
	FILE *out = fopen(b->vmx, "w");

	if (!out)
		fatal("cannot write %s: %s", b->vmx, strerror(errno));
	fprintf(out, "displayName = \"bench\"\nmemsize = \"" RAM_MB "\"\ncpu.model = \"x86-64-v2\"\ncpu.engine = \"bt\"\n"
		     "serial0.present = \"TRUE\"\n");
	if (boot == BOOT_KERNEL)
		fprintf(out, "kernel.fileName = \"%s\"\nkernel.initrd = \"%s\"\nkernel.commandLine = \"" COMMAND_LINE "%s\"\n",
			b->kernel, b->initrd, names);
	else
		fprintf(out, "ide0:0.present = \"TRUE\"\nide0:0.fileName = \"%s\"\nide0:0.mode = \"nonpersistent\"\n"
			     "bios.bootOrder = \"hdd\"\n", b->image);
	if (fclose(out))
		fatal("cannot write %s: %s", b->vmx, strerror(errno));
}

static NORETURN void become_qemu(const struct bench *b, enum boot boot, const char *names)
{
	char command_line[256], drive[512];
	const char *words[40] = {b->program[QEMU], "-accel", "tcg", "-cpu", "Nehalem", "-m", RAM_MB, "-object",
				 "memory-backend-memfd,id=ram,size=" RAM_MB "M", "-machine", "pc,memory-backend=ram", "-nodefaults",
				 "-display", "none", "-vga", "std", "-serial", "stdio", "-no-reboot"};
	const char *const direct[] = {"-kernel", b->kernel, "-initrd", b->initrd, "-append", command_line};
	const char *const disk[] = {"-drive", drive};
	unsigned n = 0;

	snprintf(command_line, sizeof(command_line), COMMAND_LINE "%s", names);
	snprintf(drive, sizeof(drive), "file=%s,format=raw,if=ide,snapshot=on", b->image);
	while (words[n])
		n++;
	if (boot == BOOT_KERNEL)
		memcpy(words + n, direct, sizeof(direct));
	else
		memcpy(words + n, disk, sizeof(disk));
	execvp(words[0], (char **)(uintptr_t)words);
	_exit(127);
}

static void start_machine(const struct bench *b, enum machine machine, enum boot boot, const char *names, struct run *r)
{
	int line[2], log = open(b->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (log < 0 || null < 0 || pipe2(line, O_CLOEXEC))
		fatal("cannot start a machine: %s", strerror(errno));
	make_vmx(b, boot, names);
	*r = (struct run){.fd = line[0], .start = clock_ms(CLOCK_MONOTONIC)};
	r->end = r->start + LIMIT_SECONDS * 1e3;
	r->pid = fork();
	if (r->pid < 0)
		fatal("cannot start a machine: %s", strerror(errno));
	if (!r->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(null, STDIN_FILENO);
		dup2(line[1], STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		if (machine == QEMU)
			become_qemu(b, boot, names);
		execlp(b->program[VMK], b->program[VMK], "--standalone", b->vmx, NULL);
		_exit(127);
	}
	close(line[1]);
	close(log);
	close(null);
	if (clock_getcpuclockid(r->pid, &r->cpu))
		fatal("no CPU clock of process %d", (int)r->pid);
}

/* The process's proportional share of memory, but for the guest's RAM, which both keep in a memfd. */
static double memory_mib(pid_t pid)
{
	char path[64], line[512], perms[8];
	double kib = 0, pss;
	bool ram = false;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	in = fopen(path, "r");
	while (in && fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%*x-%*x %7s", perms) == 1)
			ram = strstr(line, "memfd:") != NULL;
		else if (sscanf(line, "Pss: %lf", &pss) == 1 && !ram)
			kib += pss;
	}
	if (in)
		fclose(in);
	return kib / 1024;
}

/* What vmk says of itself when it ends. */
static double mips_told(const struct bench *b)
{
	char line[512];
	double mips = 0;
	FILE *in = fopen(b->log, "r");

	while (in && fgets(line, sizeof(line), in)) {
		const char *at = strstr(line, "million instructions a second");

		while (at && at > line && at[-1] != ',')
			at--;
		if (at)
			mips = strtod(at, NULL);
	}
	if (in)
		fclose(in);
	return mips;
}

/* ---- a round ---- */

static struct row *row_of(struct bench *b, const char *name)
{
	for (unsigned n = 0; n < b->n_rows; n++)
		if (!strcmp(b->rows[n].name, name))
			return &b->rows[n];
	if (b->n_rows == ROWS_MAX)
		fatal("the guest names more than %d kernels", ROWS_MAX);
	snprintf(b->rows[b->n_rows].name, sizeof(b->rows[0].name), "%s", name);
	return &b->rows[b->n_rows++];
}

static void note(struct bench *b, enum machine machine, const char *name, double ms, unsigned long long result)
{
	struct row *row = row_of(b, name);

	row->ms[machine][row->count[machine]++] = ms;
	row->result[machine] = result;
}

/* Adds what comes next to r->line, which starts afresh after a newline. False when nothing comes within the limit. */
static bool next_byte(struct run *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};
	double left = r->end - clock_ms(CLOCK_MONOTONIC);

	if (left <= 0 || poll(&p, 1, (int)left) != 1)
		return false;
	if (r->length && (r->line[r->length - 1] == '\n' || r->length == sizeof(r->line) - 1))
		r->length = 0;
	if (read(r->fd, r->line + r->length, 1) != 1)
		return false;
	r->line[++r->length] = 0;
	return true;
}

static bool next_line(struct run *r)
{
	do
		if (!next_byte(r))
			return false;
	while (r->line[r->length - 1] != '\n');
	return true;
}

static void stop_machine(const struct bench *b, enum machine machine, struct run *r, bool done)
{
	kill(r->pid, done ? SIGTERM : SIGKILL);
	waitpid(r->pid, NULL, 0);
	close(r->fd);
	if (!done)
		fatal("%s did not come to its end; the last line was: %s", b->program[machine], r->line);
}

static void boot_disk(struct bench *b, enum machine machine)
{
	struct run r;
	bool done;

	start_machine(b, machine, BOOT_DISK, "", &r);
	while ((done = next_byte(&r)) && !strstr(r.line, "login: "))
		;
	note(b, machine, "login", clock_ms(r.cpu), 0);
	note(b, machine, "login-wall", clock_ms(CLOCK_MONOTONIC) - r.start, 0);
	stop_machine(b, machine, &r, done);
}

static void boot_kernel(struct bench *b, enum machine machine, const char *names)
{
	char word[16], name[16], *at;
	bool done = false, boot_only = !strcmp(names, "none");
	unsigned long long result;
	double before = 0, now;
	struct run r;

	start_machine(b, machine, BOOT_KERNEL, names, &r);
	while (!done && next_line(&r)) {
		now = clock_ms(r.cpu);
		if (!(at = strstr(r.line, "bench: ")) || sscanf(at, "bench: %15s %15s %llx", word, name, &result) != 3)
			continue;
		if (!strcmp(word, "ready") && !boot_only) {
			note(b, machine, "boot", now, 0);
			note(b, machine, "boot-wall", clock_ms(CLOCK_MONOTONIC) - r.start, 0);
		} else if (!strcmp(word, "start")) {
			before = now;
		} else if (!strcmp(word, "end")) {
			note(b, machine, name, now - before, result);
		}
		done = !strcmp(word, "done");
	}
	if (done && !boot_only)
		b->memory_mib[machine] = memory_mib(r.pid);
	stop_machine(b, machine, &r, done);
	if (machine == VMK && boot_only)
		b->mips = mips_told(b);
}

/* ---- the report ---- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median; *spread: the range in per cent of it. */
static double median(double *ms, unsigned count, double *spread)
{
	double middle;

	if (!count)
		return 0;
	qsort(ms, count, sizeof(*ms), by_size);
	middle = count % 2 ? ms[count / 2] : (ms[count / 2 - 1] + ms[count / 2]) / 2;
	*spread = middle > 0 ? 100 * (ms[count - 1] - ms[0]) / middle : 0;
	return middle;
}

static bool report_row(struct row *row, bool lines)
{
	double spread[MACHINES] = {0, 0}, vmk = median(row->ms[VMK], row->count[VMK], &spread[VMK]);
	double qemu = median(row->ms[QEMU], row->count[QEMU], &spread[QEMU]);
	bool same = !row->count[QEMU] || row->result[VMK] == row->result[QEMU];

	if (lines)
		printf("bench-linux name=%s vmk_ms=%.1f qemu_ms=%.1f ratio=%.2f vmk_spread=%.0f qemu_spread=%.0f\n", row->name, vmk,
		       qemu, vmk > 0 ? qemu / vmk : 0, spread[VMK], spread[QEMU]);
	else
		printf("%-10s %10.0f %10.0f %8.2f %9.0f %% %6.0f %%%s\n", row->name, vmk, qemu, vmk > 0 ? qemu / vmk : 0, spread[VMK],
		       spread[QEMU], same ? "" : "  RESULTS DIFFER");
	return same;
}

static bool report(struct bench *b)
{
	bool good = true;
	char load[64] = "?";
	FILE *in = fopen("/proc/loadavg", "r");

	if (in && fgets(load, sizeof(load), in))
		load[strcspn(load, "\n")] = 0;
	if (in)
		fclose(in);
	printf("%-10s %10s %10s %8s %11s %8s\n", "", "vmk ms", "QEMU ms", "QEMU/vmk", "spread vmk", "QEMU");
	for (unsigned n = 0; n < b->n_rows; n++)
		good &= report_row(&b->rows[n], false);
	printf("CPU time of the machine's process, -wall: time on the wall; medians of %u by turns; spread: slowest less quickest.\n"
	       "boot: the kernel loaded directly, to its first process; login: from the disk. Load of this host: %s\n", b->rounds, load);
	printf("memory beside the guest's RAM: vmk %.1f MiB, QEMU %.1f MiB\n", b->memory_mib[VMK], b->memory_mib[QEMU]);
	printf("interpreter through the boot: %.0f million instructions a second (at least 100 wanted)\n\n", b->mips);
	for (unsigned n = 0; n < b->n_rows; n++)
		report_row(&b->rows[n], true);
	printf("bench-linux name=memory vmk_mib=%.1f qemu_mib=%.1f\nbench-linux name=boot-mips vmk=%.0f\n", b->memory_mib[VMK],
	       b->memory_mib[QEMU], b->mips);
	return good;
}

int main(int argc, char **argv)
{
	static struct bench b;

	if (argc < 6)
		fatal("usage: linux KERNEL INIT IMAGE VMK-VMX QEMU [ROUNDS [NAMES]]");
	b.kernel = argv[1];
	b.init = argv[2];
	b.image = argv[3];
	b.program[VMK] = argv[4];
	b.program[QEMU] = argv[5];
	b.rounds = argc > 6 ? (unsigned)MIN(strtoul(argv[6], NULL, 10), (unsigned long)ROUNDS_MAX) : 3;
	b.names = argc > 7 ? argv[7] : "all";
	snprintf(b.folder, sizeof(b.folder), "/tmp/vmk-bench-XXXXXX");
	if (!mkdtemp(b.folder))
		fatal("cannot make a folder: %s", strerror(errno));
	snprintf(b.initrd, sizeof(b.initrd), "%s/initrd", b.folder);
	snprintf(b.vmx, sizeof(b.vmx), "%s/bench.vmx", b.folder);
	snprintf(b.log, sizeof(b.log), "%s/log", b.folder);
	make_initrd(&b);
	boot_kernel(&b, VMK, "none");
	for (unsigned round = 0; round < b.rounds; round++)
		for (unsigned m = 0; m < MACHINES; m++)
			if (strcmp(b.program[m], "-"))
				boot_kernel(&b, m, b.names);
	for (unsigned round = 0; round < b.rounds && strcmp(b.image, "-"); round++)
		for (unsigned m = 0; m < MACHINES; m++)
			if (strcmp(b.program[m], "-"))
				boot_disk(&b, m);
	unlink(b.initrd);
	unlink(b.vmx);
	unlink(b.log);
	rmdir(b.folder);
	return !report(&b);
}
