/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * init.c - the benchmark's guest: the first process of a Linux without any user land, linked statically.
 *
 * It writes "bench: ready", runs the kernels named on the kernel's command line as bench=NAME,NAME... (all: bench=all) and
 * tells the beginning and the end of each in lines of their own; the host's side holds the clock. What a kernel
 * computed is told too: it must be the same on every machine. "bench: done" is the last word, whatever happens.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define KIB 1024u
#define PAGE 4096u

static uint32_t next_random(uint32_t *state)
{
	return *state = *state * 1103515245u + 12345u;
}

/* ---- the processor ---- */

static uint64_t bench_integer(void)
{
	uint64_t a = 0x123456789abcdef, b = 1, c = 0;

	for (unsigned n = 0; n < 6000000; n++) {
		a = a * 6364136223846793005u + 1442695040888963407u;
		b ^= (a >> 29) + (b << 7);
		c += (b | n) - (a & 0xffff);
		if (n % 16 == 0)
			c ^= a / (n | 1);
	}
	return a ^ b ^ c;
}

static uint64_t bench_branch(void)
{
	uint32_t random = 1;
	uint64_t sum = 0;

	for (unsigned n = 0; n < 6000000; n++) {
		uint32_t r = next_random(&random) >> 16;

		if (r & 1)
			sum += r;
		else if (r & 2)
			sum ^= n;
		if (r % 8 < 3)
			sum -= 5;
		else if ((r & 0x30) == 0x10)
			sum = sum << 1 | sum >> 63;
	}
	return sum;
}

static NOINLINE unsigned fibonacci(unsigned n)
{
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t bench_call(void)
{
	return fibonacci(31);
}

static NOINLINE uint64_t op_add(uint64_t a, uint64_t b) { return a + b; }
static NOINLINE uint64_t op_sub(uint64_t a, uint64_t b) { return a - b; }
static NOINLINE uint64_t op_xor(uint64_t a, uint64_t b) { return a ^ b; }
static NOINLINE uint64_t op_rotate(uint64_t a, uint64_t b) { return (a << 13 | a >> 51) + b; }
static NOINLINE uint64_t op_and(uint64_t a, uint64_t b) { return a & (b | 0xff00ff); }
static NOINLINE uint64_t op_times(uint64_t a, uint64_t b) { return a * (b | 1); }
static NOINLINE uint64_t op_swap(uint64_t a, uint64_t b) { return __builtin_bswap64(a) ^ b; }
static NOINLINE uint64_t op_not(uint64_t a, uint64_t b) { return ~a + b; }

static uint64_t bench_indirect(void)
{
	static uint64_t (*volatile const ops[8])(uint64_t, uint64_t) = {op_add, op_sub, op_xor, op_rotate, op_and, op_times,
									op_swap, op_not};
	uint32_t random = 7;
	uint64_t value = 1;

	for (unsigned n = 0; n < 6000000; n++)
		value = ops[next_random(&random) >> 29](value, n);
	return value;
}

static uint64_t bench_crc(void)
{
	static uint32_t table[256];
	static uint8_t data[64 * KIB];
	uint32_t random = 3, crc = ~0u;

	for (uint32_t n = 0; n < 256; n++) {
		table[n] = n;
		for (int bit = 0; bit < 8; bit++)
			table[n] = table[n] >> 1 ^ (table[n] & 1 ? 0xedb88320 : 0);
	}
	for (size_t n = 0; n < sizeof(data); n++)
		data[n] = (uint8_t)(next_random(&random) >> 24);
	for (unsigned pass = 0; pass < 250; pass++)
		for (size_t n = 0; n < sizeof(data); n++)
			crc = crc >> 8 ^ table[(crc ^ data[n]) & 0xff];
	return crc;
}

#define ROTATE(x, n) ((x) >> (n) | (x) << (32 - (n)))

/* The rounds of SHA-256, over words that the rounds themselves make. */
static uint64_t bench_sha(void)
{
	uint32_t s[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	uint32_t w[16];

	for (unsigned n = 0; n < 16; n++)
		w[n] = n * 0x9e3779b9u;
	for (unsigned n = 0; n < 2500000; n++) {
		uint32_t w1 = w[(n + 1) % 16], w14 = w[(n + 14) % 16];
		uint32_t word = w[n % 16] += (ROTATE(w1, 7) ^ ROTATE(w1, 18) ^ w1 >> 3) + w[(n + 9) % 16] +
					     (ROTATE(w14, 17) ^ ROTATE(w14, 19) ^ w14 >> 10);
		uint32_t t1 = s[7] + (ROTATE(s[4], 6) ^ ROTATE(s[4], 11) ^ ROTATE(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + word;
		uint32_t t2 = (ROTATE(s[0], 2) ^ ROTATE(s[0], 13) ^ ROTATE(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));

		memmove(&s[1], &s[0], 28);
		s[4] += t1;
		s[0] = t1 + t2;
	}
	return (uint64_t)s[0] << 32 | s[4];
}

#define MATRIX 64

static uint64_t bench_sse(void)
{
	static double a[MATRIX][MATRIX], b[MATRIX][MATRIX], c[MATRIX][MATRIX];
	double trace = 0;

	for (unsigned i = 0; i < MATRIX; i++)
		for (unsigned k = 0; k < MATRIX; k++) {
			a[i][k] = 1.0 / (1 + i + k);
			b[i][k] = 1.0 + i - 0.5 * k;
		}
	for (unsigned pass = 0; pass < 12; pass++)
		for (unsigned i = 0; i < MATRIX; i++)
			for (unsigned k = 0; k < MATRIX; k++) {
				double sum = c[i][k] / 2;

				for (unsigned j = 0; j < MATRIX; j++)
					sum += a[i][j] * b[j][k];
				c[i][k] = sum;
			}
	for (unsigned i = 0; i < MATRIX; i++)
		trace += c[i][i];
	return (uint64_t)(trace * 1e6);
}

/* ---- memory ---- */

static uint64_t from[128 * KIB], to[128 * KIB]; /* a megabyte each */

static uint64_t bench_words(void)
{
	for (unsigned pass = 0; pass < 100; pass++) {
		from[pass] = pass;
		for (volatile uint64_t *f = from, *t = to; f < from + 128 * KIB; f += 2, t += 2) {
			t[0] = f[0];
			t[1] = f[1];
		}
	}
	return to[99];
}

static uint64_t bench_copy(void)
{
	for (unsigned pass = 0; pass < 2000; pass++) {
		void *f = from, *t = to;
		size_t bytes = sizeof(from);

		from[pass] = pass;
		__asm__ volatile("rep movsb" : "+S"(f), "+D"(t), "+c"(bytes) : : "memory");
	}
	return to[1999];
}

static uint64_t bench_fault(void)
{
	uint64_t pages = 0;

	for (unsigned pass = 0; pass < 12; pass++) {
		uint8_t *p = mmap(NULL, 8192 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return 0;
		madvise(p, 8192 * KIB, MADV_NOHUGEPAGE);
		for (size_t n = 0; n < 8192 * KIB; n += PAGE, pages++)
			p[n] = 1;
		munmap(p, 8192 * KIB);
	}
	return pages;
}

/* ---- the kernel ---- */

static uint64_t bench_syscall(void)
{
	uint64_t sum = 0;

	for (unsigned n = 0; n < 200000; n++)
		sum += (uint64_t)syscall(SYS_getppid);
	return sum;
}

static uint64_t bench_fork(void)
{
	int status = 0, good = 0;

	for (unsigned n = 0; n < 250; n++) {
		pid_t pid = fork();

		if (!pid)
			_exit(7);
		if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
			good += WEXITSTATUS(status);
	}
	return (uint64_t)good;
}

static uint64_t bench_exec(void)
{
	int status = 0;
	volatile int good = 0; /* the child shares it */

	for (unsigned n = 0; n < 100; n++) {
		pid_t pid = vfork();

		if (!pid) {
			execl("/init", "child", NULL);
			_exit(1);
		}
		if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
			good += WEXITSTATUS(status);
	}
	return (uint64_t)good;
}

static uint64_t bench_switch(void)
{
	int there[2], back[2], status;
	char byte = 1;
	uint64_t sum = 0;

	if (pipe(there) || pipe(back))
		return 0;
	pid_t pid = fork();
	if (!pid) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	close(there[0]);
	for (unsigned n = 0; n < 12000; n++)
		if (write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1)
			sum += (uint64_t)byte;
	close(there[1]);
	waitpid(pid, &status, 0);
	return sum;
}

/* ---- running them ---- */

static const struct kernel {
	const char *name;
	uint64_t (*run)(void);
} kernels[] = {
	{"integer", bench_integer}, {"branch", bench_branch}, {"call", bench_call}, {"indirect", bench_indirect},
	{"crc", bench_crc}, {"sha", bench_sha}, {"sse", bench_sse}, {"words", bench_words}, {"copy", bench_copy},
	{"fault", bench_fault}, {"syscall", bench_syscall}, {"fork", bench_fork}, {"exec", bench_exec},
	{"switch", bench_switch},
};

/* One write a line: the kernel's own messages come between lines, not into them. */
static void tell(const char *word, const char *name, uint64_t value)
{
	char line[128];
	int length = snprintf(line, sizeof(line), "bench: %s %s %llx\n", word, name, (unsigned long long)value);

	if (write(STDOUT_FILENO, line, (size_t)length) < 0)
		_exit(1);
}

static int wanted(const char *names, const char *name)
{
	size_t length = strlen(name);

	if (!strncmp(names, "all", 3))
		return 1;
	for (const char *at = names; (at = strstr(at, name)); at += length)
		if ((at == names || at[-1] == ',') && !strchr("abcdefghijklmnopqrstuvwxyz", at[length] ? at[length] : ','))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	static char line[4096];
	const char *names;
	int fd;

	if (argc > 0 && !strcmp(argv[0], "child"))
		return 1;
	tell("ready", "-", 0);
	mkdir("/proc", 0755);
	if (!mount("proc", "/proc", "proc", 0, NULL) && (fd = open("/proc/cmdline", O_RDONLY)) >= 0 && read(fd, line, sizeof(line) - 1) > 0 &&
	    (names = strstr(line, "bench=")))
		for (size_t n = 0; n < sizeof(kernels) / sizeof(kernels[0]); n++)
			if (wanted(names + 6, kernels[n].name)) {
				tell("start", kernels[n].name, 0);
				tell("end", kernels[n].name, kernels[n].run());
			}
	tell("done", "-", 0);
	for (;;)
		pause();
}
