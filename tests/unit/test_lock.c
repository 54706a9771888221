// uses: cpu lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_lock.c - two CPUs of the bt engine and a thread of the host change the same memory at once: whatever is done with LOCK adds up,
 * also where an operand lies in two pages.
 */
#include <criterion/criterion.h>
#include <pthread.h>

#include "bare.h"

#define ROUNDS 50000u
#define CPUS 2u

/* Words in one page, and (5FFE, 6FFD, 7FFC) in two. */
GUEST16(hammer, "mov $50000, %ecx; 1: lock incl 0x4000; mov $3, %eax; lock xadd %eax, 0x4004; mov 0x4008, %eax; "
		"2: lea 5(%eax), %edx; lock cmpxchg %edx, 0x4008; jnz 2b; lock btsl $0, 0x400c; jc 3f; inc %edi; incl 0x4010; "
		"movl $0, %eax; xchg %eax, 0x400c; 3: "
		"lock addl $7, 0x5ffe; mov $9, %eax; lock xadd %eax, 0x6ffd; mov 0x7ffc, %eax; mov 0x8000, %edx; "
		"4: mov %ecx, %esi; mov %eax, %ebx; mov %edx, %ecx; add $1, %ebx; adc $2, %ecx; lock cmpxchg8b 0x7ffc; mov %esi, %ecx; jnz 4b; "
		"dec %ecx; jnz 1b; hlt");

static pthread_barrier_t start;

static void *run_cpu(void *arg)
{
	pthread_barrier_wait(&start);
	return bare_vector(arg) == -1 ? NULL : arg;
}

static void *run_host(void *arg)
{
	u32 *word = (u32 *)(void *)((struct bare *)arg)->ram + 0x4000 / 4;

	pthread_barrier_wait(&start);
	for (unsigned n = 0; n < ROUNDS; n++)
		__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

Test(lock, cpus_and_the_host_add_up, .timeout = 600)
{
	struct bare *cpu[CPUS];
	pthread_t threads[CPUS + 1];
	void *failed;

	pthread_barrier_init(&start, NULL, CPUS + 1);
	for (unsigned n = 0; n < CPUS; n++) {
		cpu[n] = bare_new();
		if (n) {
			munmap(cpu[n]->ram, RAM_BYTES);
			cpu[n]->ram = cpu[0]->ram;
			bare_map(cpu[n]);
		}
		LOAD16(cpu[n], hammer);
		cpu[n]->state.gpr[X86_RSP] -= 0x100 * n;
	}
	for (unsigned n = 0; n < CPUS; n++)
		pthread_create(&threads[n], NULL, run_cpu, cpu[n]);
	pthread_create(&threads[CPUS], NULL, run_host, cpu[0]);
	for (unsigned n = 0; n <= CPUS; n++) {
		pthread_join(threads[n], &failed);
		cr_expect_null(failed);
	}
	cr_expect_eq(got32(cpu[0], 0x4000), (CPUS + 1) * ROUNDS, "INC");
	cr_expect_eq(got32(cpu[0], 0x4004), CPUS * ROUNDS * 3, "XADD");
	cr_expect_eq(got32(cpu[0], 0x4008), CPUS * ROUNDS * 5, "CMPXCHG");
	cr_expect_eq(got32(cpu[0], 0x4010), cpu[0]->state.gpr[X86_RDI] + cpu[1]->state.gpr[X86_RDI], "between BTS and XCHG");
	cr_expect_eq(got32(cpu[0], 0x5ffe), CPUS * ROUNDS * 7, "ADD in two pages");
	cr_expect_eq(got32(cpu[0], 0x6ffd), CPUS * ROUNDS * 9, "XADD in two pages");
	cr_expect_eq(got32(cpu[0], 0x7ffc), CPUS * ROUNDS, "CMPXCHG8B in two pages");
	cr_expect_eq(got32(cpu[0], 0x8000), CPUS * ROUNDS * 2, "its upper half");
	for (unsigned n = CPUS; n-- > 1;)
		cpu[n]->ram = mmap(NULL, RAM_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned n = 0; n < CPUS; n++)
		bare_free(cpu[n]);
	pthread_barrier_destroy(&start);
}
