// uses: vmx dev cpu disk api lib -lsystemd -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_machine.c - the machine around its devices: bus, memory, interrupt lines, clock, serial lines, and the life of a
 * vCPU's thread, with devices and a CPU engine made for the purpose.
 */
#include <sys/mman.h>

#include "toys.h"

#include "disk/disk.h"

/* ---- bus ---- */

Test(bus, first_device_wins_and_absent_ones_leave_nothing)
{
	make_machine("memsize = \"4\"\n", NULL);
	cr_expect_null(machine->devices[1]);
	cr_expect_eq(bus_pio_read(machine, 0x100, 1), 0xf0);
	expect_log("first", "r100.1 ");
	expect_log("second", "");
	dev_unmap_pio(&toy("first")->dev, 0x100);
	cr_expect_eq(bus_pio_read(machine, 0x100, 2), 0xfff2);
	expect_log("second", "r100.2 ");
	dev_unmap_pio(&toy("second")->dev, 0x100);
	cr_expect_eq(bus_pio_read(machine, 0x100, 4), 0xffffffff);
	finish();
}

Test(bus, accesses_across_ranges_become_bytes)
{
	make_machine("memsize = \"4\"\n", NULL);
	bus_pio_write(machine, 0x106, 4, 0x44332211);
	expect_log("first", "w106.1=11 w107.1=22 ");
	expect_log("second", "w108.1=33 w109.1=44 ");
	cr_expect_eq(bus_pio_read(machine, 0xffff, 4), 0xffffffff);
	bus_mmio_write(machine, 0xbfffe, 4, 0x44332211);
	expect_log("first", "Wbfffe.1=11 Wbffff.1=22 ");
	cr_expect_eq(bus_mmio_read(machine, 0xa0000, 4), 0x55667788);
	cr_expect_eq(bus_mmio_read(machine, 0x9fffc, 8), 0x88888888ffffffffull);
	finish();
}

Test(bus, a_range_at_the_end_of_port_space_is_cut)
{
	make_machine("memsize = \"4\"\n", NULL);
	dev_map_pio(&toy("first")->dev, 0xfffe, 16, &toy_pio);
	bus_pio_write(machine, 0xffff, 2, 0xaabb);
	expect_log("first", "wffff.1=bb ");
	bus_forget(machine, 0);
	cr_expect_eq(machine->bus.port[0xffff], 0);
	finish();
}

/* ---- memory ---- */

static const struct cpu_slot *slot_at(u64 gpa)
{
	memory_update(machine);
	for (unsigned i = 0; i < machine->memory.n_slots; i++)
		if (gpa - machine->memory.slots[i].gpa < machine->memory.slots[i].size)
			return &machine->memory.slots[i];
	return NULL;
}

static void *host_at(u64 gpa)
{
	const struct cpu_slot *s = slot_at(gpa);

	return s ? (u8 *)s->host + (gpa - s->gpa) : NULL;
}

Test(memory, ram_above_3_gb_stands_above_4)
{
	make_machine("memsize = \"4096\"\n", NULL);
	cr_expect_eq(host_at(3 * GIB - 1), machine->memory.ram + 3 * GIB - 1);
	cr_expect_null(host_at(3 * GIB));
	cr_expect_eq(host_at(4 * GIB), machine->memory.ram + 3 * GIB);
	cr_expect_null(host_at(5 * GIB));
	cr_expect_null(host_at(0xa0000));
	finish();
}

Test(memory, shadow_modes)
{
	struct device *d;

	make_machine("memsize = \"4\"\n", &fake_engine);
	d = machine->devices[0];
	u8 *rom = machine->memory.rom + machine->memory.rom_bytes - 0x10000;
	cr_expect_eq(host_at(0xf0000), rom);
	cr_expect_eq(host_at(0xfffffff0), machine->memory.rom + machine->memory.rom_bytes - 16);
	cr_expect(slot_at(0xf0000)->flags & CPU_SLOT_READONLY);
	cr_expect_null(host_at(0xc0000), "no ROM stands there");
	dev_shadow(d, 0xf0000, 0x10000, SHADOW_READ_ROM_WRITE_RAM);
	cr_expect_eq(host_at(0xf0000), rom);
	bus_mmio_write(machine, 0xf0000, 4, 0x12345678);
	cr_expect_eq(*(u32 *)(machine->memory.ram + 0xf0000), 0x12345678);
	dev_shadow(d, 0xf0000, 0x10000, SHADOW_READ_RAM_WRITE_ROM);
	cr_expect_eq(host_at(0xf0000), machine->memory.ram + 0xf0000);
	cr_expect(slot_at(0xf0000)->flags & CPU_SLOT_READONLY);
	bus_mmio_write(machine, 0xf0000, 4, 0);
	cr_expect_eq(*(u32 *)(machine->memory.ram + 0xf0000), 0x12345678);
	dev_shadow(d, 0xc0000, 0x40000, SHADOW_RAM);
	cr_expect_eq(slot_at(0xc0000)->flags, 0);
	cr_expect_eq(slot_at(0xc0000), slot_at(0x100000), "neighbours become one slot");
	finish();
}

Test(memory, ram_hides_a_bar_that_the_guest_moves_over_it)
{
	static u8 vram[4 * MIB] __attribute__((aligned(4096)));

	make_machine("memsize = \"4\"\n", NULL);
	dev_map_memory(machine->devices[0], 3 * MIB, sizeof(vram), vram, CPU_SLOT_LOG_DIRTY);
	cr_expect_eq(host_at(3 * MIB), machine->memory.ram + 3 * MIB);
	cr_expect_eq(host_at(4 * MIB), vram + MIB);
	dev_map_memory(machine->devices[2], 5 * MIB, 8 * MIB, vram, 0);
	cr_expect_eq(host_at(6 * MIB), vram + 3 * MIB, "the first device wins");
	cr_expect_eq(host_at(7 * MIB), vram + 2 * MIB);
	dev_unmap(machine->devices[0], 3 * MIB);
	cr_expect_eq(host_at(6 * MIB), vram + MIB);
	finish();
}

Test(memory, dirty_pages_reach_the_device_once)
{
	static u8 vram[2 * MIB] __attribute__((aligned(4096)));
	unsigned long bits[8] = {0};

	make_machine("memsize = \"4\"\n", &fake_engine);
	dev_map_memory(machine->devices[0], 3 * MIB, sizeof(vram), vram, CPU_SLOT_LOG_DIRTY);
	memory_update(machine);
	memory_harvest(&machine->vcpus[0]); /* the engine says: second page of each slot; the slot begins at 4 MB, page 256 */
	dev_dirty(machine->devices[0], 3 * MIB, sizeof(vram), bits);
	cr_expect_eq(bits[4], 2);
	bits[4] = 0;
	dev_dirty(machine->devices[0], 3 * MIB, sizeof(vram), bits);
	cr_expect_eq(bits[4], 0);
	finish();
}

Test(memory, bus_masters_reach_ram_only)
{
	u8 buffer[64] = "across the hole", back[64];
	struct device *d;

	make_machine("memsize = \"4096\"\n", NULL);
	d = machine->devices[0];
	cr_expect(dev_dma_write(d, 0x1000, buffer, sizeof(buffer)));
	cr_expect(dev_dma_read(d, 0x1000, back, sizeof(back)));
	cr_expect_arr_eq(buffer, back, sizeof(back));
	for (size_t len = 1; len <= 9; len++) {
		memset(back, '.', sizeof(back));
		cr_expect(dev_dma_write(d, 0x2003, buffer + len, len) && dev_dma_read(d, 0x2003, back, len));
		cr_expect(!memcmp(back, buffer + len, len) && back[len] == '.', "%zu bytes", len);
	}
	cr_expect_not(dev_dma_write(d, 0xa0000 - 32, buffer, 64));
	cr_expect_not(dev_dma_read(d, 3 * GIB - 32, back, 64));
	cr_expect(dev_dma_write(d, 5 * GIB - 64, buffer, 64));
	cr_expect_not(dev_dma_write(d, 5 * GIB - 63, buffer, 64));
	cr_expect_not(dev_dma_write(d, ~0ull - 8, buffer, 64));
	cr_expect_not(dev_dma_write(d, 0xf0000, buffer, 64), "the BIOS is not writable");
	finish();
}

/* ---- lines and time ---- */

Test(irq, lines_are_the_or_of_their_drivers)
{
	make_machine("memsize = \"4\"\n", NULL);
	dev_irq(machine->devices[0], 5, true);
	dev_irq(machine->devices[2], 5, true);
	dev_irq(machine->devices[0], 5, false);
	expect_log("first", "+5 ");
	dev_irq(machine->devices[2], 5, false);
	dev_irq(machine->devices[2], 16, true); /* there is no such line */
	expect_log("first", "-5 ");
	finish();
}

extern const struct device_ops dev_fpu;

Test(irq, coprocessor_errors_raise_irq_13_until_port_f0)
{
	static const struct device_ops *const devices[] = {&first, &dev_fpu, NULL};
	struct error err;
	unsigned tries = 0;

	cr_assert_eq(try_machine("memsize = \"4\"\n", devices, NULL, &err), 0);
	for (unsigned i = 0; i < 5000; i++)
		cr_assert_not(irq_ferr(machine), "the instruction waits for its handler");
	expect_log("first", "+13 ");
	bus_pio_write(machine, 0xf0, 1, 0);
	expect_log("first", "-13 ");
	while (tries < 100000 && !irq_ferr(machine))
		tries++;
	cr_expect(tries > 100 && tries < 100000, "a waiting instruction in the handler goes on in the end");
	expect_log("first", "+13 -13 ");
	cr_expect_not(irq_ferr(machine), "the next error is an error again");
	finish();
}

Test(clock, stands_until_power_on_and_runs_timers_in_order)
{
	make_machine("memsize = \"4\"\n", NULL);
	struct toy *t = toy("first");
	cr_expect_eq(dev_now(&t->dev), 0);
	dev_timer_set(&t->timer, 1);
	clock_run(machine);
	cr_expect_eq(t->fired, 0);
	machine_power_on(machine);
	while (dev_now(&t->dev) < 1000)
		;
	clock_run(machine);
	cr_expect_eq(t->fired, 1);
	cr_expect_eq(t->timer.when, 0);
	dev_timer_set(&t->timer, dev_now(&t->dev) + 2000000);
	struct pollfd p = {machine->clock.fd, POLLIN, 0};
	cr_expect_eq(poll(&p, 1, 150000), 1, "the timerfd wakes the loop");
	clock_run(machine);
	cr_expect_eq(t->fired, 2);
	dev_timer_set(&t->timer, dev_now(&t->dev) + NSEC_PER_SEC);
	dev_timer_set(&t->timer, 0);
	clock_stop(machine);
	u64 then = dev_now(&t->dev);
	cr_expect_eq(dev_now(&t->dev), then);
	finish();
}

/* ---- devices that fail ---- */

Test(machine, a_failed_device_leaves_nothing)
{
	struct error err;

	cr_expect_eq(try_machine("memsize = \"4\"\n", broken_toys, NULL, &err), -EIO);
	cr_expect_str_eq(err.text, "the toy is broken");
	config_free(config);
}

Test(machine, a_missing_firmware_is_a_sentence)
{
	struct error err;

	cr_expect_lt(try_machine("memsize = \"4\"\nbios.fileName = \"/nowhere/bios\"\n", toys, &fake_engine, &err), 0);
	cr_expect(strstr(err.text, "/nowhere/bios"), "%s", err.text);
	config_free(config);
}

/* ---- serial ---- */

Test(serial, input_waits_for_room)
{
	make_machine("memsize = \"4\"\n", NULL);
	struct toy *t = toy("first");
	static u8 big[SERIAL_IN_BYTES];
	t->room = 3;
	cr_expect(serial_give(machine, 0, (const u8 *)"hello", 5));
	cr_expect_str_eq(t->got, "hel");
	cr_expect_not(serial_give(machine, 0, big, sizeof(big)), "there are two bytes too many");
	t->room = 10;
	dev_serial_ready(&t->dev, 0);
	cr_expect(machine->serial_room);
	serial_retry(machine);
	cr_expect_str_eq(t->got, "hello");
	cr_expect(serial_give(machine, 3, big, sizeof(big)), "nobody at line 3 refuses");
	finish();
}

Test(serial, output_keeps_its_order_and_stops_a_fast_guest)
{
	u8 chunk[1000], back[SERIAL_OUT_BYTES];
	u8 next = 0;

	make_machine("memsize = \"4\"\n", NULL);
	machine->serial[0].reliable = true;
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < sizeof(chunk); i++)
			chunk[i] = (u8)(round * sizeof(chunk) + i);
		dev_serial_out(machine->devices[0], 0, chunk, sizeof(chunk));
		cr_expect_eq(serial_congested(machine), machine->serial[0].out_count > SERIAL_OUT_BYTES / 2);
		if (!serial_congested(machine))
			continue;
		size_t n = serial_take(machine, 0, back, sizeof(back));
		for (size_t i = 0; i < n; i++)
			cr_assert_eq(back[i], next++);
		cr_expect_not(serial_congested(machine));
	}
	finish();
}

/* ---- the vCPU's thread ---- */

/* Polls a condition for up to thirty seconds of a busy host. */
#define eventually(cond)                                                   \
	do {                                                               \
		u64 end_ = now_monotonic() + 150 * NSEC_PER_SEC;            \
		bool met_;                                                 \
		while (!(met_ = (cond)) && now_monotonic() < end_)         \
			usleep(1000);                                      \
		cr_assert(met_, "never: %s", #cond);                       \
	} while (0)

static void start(void)
{
	struct error err;

	make_machine("memsize = \"4\"\n", &fake_engine);
	cr_assert_eq(machine_start_threads(machine, &err), 0);
	machine_power_on(machine);
}

static unsigned runs(void)
{
	return atomic_load(&the_cpu->runs);
}

/* No more than one run in a fifth of a second. */
static bool rests(void)
{
	unsigned before = runs();
	usleep(200000);
	return runs() <= before + 1;
}

Test(vcpu, halted_guest_sleeps_until_an_interrupt, .timeout = 600)
{
	start();
	eventually(runs() > 0);
	eventually(rests()); /* a halted CPU does not spin */
	machine_lock(machine);
	dev_irq(machine->devices[2], 3, true);
	machine_unlock(machine);
	eventually(atomic_load(&the_cpu->acks) == 1);
	finish();
}

Test(vcpu, accesses_reach_devices, .timeout = 600)
{
	start();
	atomic_store(&the_cpu->script, POKE);
	machine_lock(machine);
	vcpus_kick(machine);
	machine_unlock(machine);
	eventually(runs() > 1);
	machine_hold(machine);
	cr_expect(strstr(toy("first")->log, "w100.1=42 Wa1000.4=deadbeef "), "%s", toy("first")->log);
	cr_expect_gt(the_cpu->n_slots, 2);
	cr_expect(the_cpu->a20);
	machine_release(machine);
	finish();
}

Test(vcpu, hold_stops_a_spinning_guest, .timeout = 600)
{
	start();
	atomic_store(&the_cpu->script, SPIN);
	machine_lock(machine);
	vcpus_kick(machine);
	machine_unlock(machine);
	eventually(atomic_load(&the_cpu->script) == HALT);
	machine_hold(machine);
	unsigned before = runs();
	usleep(20000);
	cr_expect_eq(runs(), before);
	machine_release(machine);
	eventually(runs() > before);
	finish();
}

Test(vcpu, triple_fault_resets, .timeout = 600)
{
	start();
	machine_hold(machine);
	unsigned resets = toy("second")->resets, sets = atomic_load(&the_cpu->sets);
	atomic_store(&the_cpu->script, TRIPLE);
	machine_release(machine);
	struct pollfd p = {machine->wake_fd, POLLIN, 0};
	cr_assert_eq(poll(&p, 1, 150000), 1);
	cr_expect_eq(machine_attend(machine), MACHINE_RESET);
	cr_expect_eq(toy("second")->resets, resets + 1);
	cr_expect_eq(atomic_load(&the_cpu->sets), sets + 1);
	cr_expect_eq(machine_attend(machine), MACHINE_NOTHING);
	finish();
}

Test(vcpu, a_failing_engine_powers_off_with_an_error, .timeout = 600)
{
	start();
	machine_hold(machine);
	atomic_store(&the_cpu->script, GIVE_UP);
	machine_release(machine);
	eventually(machine_attend(machine) == MACHINE_POWERED_OFF);
	cr_expect_eq(machine->exit_status, 1);
	cr_expect_eq(machine->page->mode, SCREEN_OFF);
	finish();
}

Test(vcpu, the_first_request_decides_the_exit_status, .timeout = 600)
{
	start();
	machine_lock(machine);
	dev_request(machine->devices[0], REQUEST_EXIT, 7);
	dev_request(machine->devices[0], REQUEST_POWER_OFF, 0);
	machine_unlock(machine);
	cr_expect_eq(machine_attend(machine), MACHINE_POWERED_OFF);
	cr_expect_eq(machine->exit_status, 7);
	finish();
}

/* ---- questions ---- */

struct asker {
	pthread_t thread;
	atomic_uint wanted;
	atomic_int answer; /* -1: waits */
	struct question_cause cause;
	const char *text;
};

static void *ask(void *arg)
{
	struct asker *a = arg;

	a->answer = question_ask(machine, &a->wanted, a->cause, a->text);
	return NULL;
}

static void ask_start(struct asker *a, u64 volume, const char *text)
{
	a->text = text;
	a->cause = (struct question_cause){volume, -ENOSPC};
	a->wanted = 0;
	a->answer = -1;
	cr_assert_eq(pthread_create(&a->thread, NULL, ask, a), 0);
}

/* Waits until a question with that text is open. */
static u64 asked(const char *text)
{
	char found[QUESTION_TEXT];
	u64 id = 0;

	eventually(question_get(machine, &id, found) && !strcmp(found, text));
	return id;
}

static void answer_is(struct asker *a, int answer)
{
	pthread_join(a->thread, NULL);
	cr_expect_eq(a->answer, answer);
}

Test(question, waits_for_an_answer, .timeout = 600)
{
	struct asker a;
	char text[QUESTION_TEXT];
	u64 id;

	make_machine("memsize = \"4\"\n", NULL);
	ask_start(&a, 1, "nobody there");
	answer_is(&a, 0);
	question_possible(machine, true);
	ask_start(&a, 1, "first");
	id = asked("first");
	cr_expect_not(question_settle(machine, id + 1, true));
	cr_expect_eq(a.answer, -1);
	cr_expect(question_settle(machine, id, true));
	answer_is(&a, 1);
	cr_expect_not(question_settle(machine, id, true), "it has been answered");
	cr_expect_not(question_get(machine, &id, text));
	finish();
}

static unsigned waiting(void)
{
	unsigned n = 0;

	pthread_mutex_lock(&machine->question.lock);
	for (const struct question_waiter *w = machine->question.first; w; w = w->next)
		n++;
	pthread_mutex_unlock(&machine->question.lock);
	return n;
}

/* Asks, behind `before` others. */
static void ask_behind(struct asker *a, u64 volume, const char *text, unsigned before)
{
	ask_start(a, volume, text);
	eventually(waiting() == before + 1);
}

Test(question, one_answer_for_all_who_wait_for_the_same, .timeout = 600)
{
	struct asker a, b, other;
	char text[QUESTION_TEXT];
	u64 id;

	make_machine("memsize = \"4\"\n", NULL);
	question_possible(machine, true);
	ask_behind(&a, 1, "a", 0);
	ask_behind(&other, 2, "other", 1);
	ask_behind(&b, 1, "b", 2);
	id = asked("a");
	cr_expect(question_settle(machine, id, false));
	answer_is(&a, 0);
	answer_is(&b, 0);
	cr_expect_eq(other.answer, -1, "another volume: nobody has been asked about it");
	cr_expect_eq(asked("other"), id + 1);
	cr_expect_not(question_settle(machine, id, false), "it has been answered");
	/* A bad sector of one image says nothing of another. */
	cr_expect(question_settle(machine, id + 1, true));
	answer_is(&other, 1);
	ask_behind(&a, 1, "a", 0);
	ask_behind(&other, 1, "other", 1);
	machine->question.first->cause.error = machine->question.first->next->cause.error = -EIO;
	id = asked("a");
	cr_expect(question_settle(machine, id, false));
	answer_is(&a, 0);
	cr_expect_eq(other.answer, -1);
	cr_expect_eq(asked("other"), id + 1);
	/* To try again harms nobody. */
	ask_behind(&a, 1, "a", 1);
	cr_expect(question_settle(machine, id + 1, true));
	answer_is(&other, 1);
	answer_is(&a, 1);
	cr_expect_not(question_get(machine, &id, text));
	finish();
}

Test(question, is_taken_back_from_whoever_is_waited_for, .timeout = 600)
{
	struct asker a, b;
	char text[QUESTION_TEXT];
	u64 id;

	make_machine("memsize = \"4\"\n", NULL);
	question_possible(machine, true);
	ask_behind(&a, 1, "open", 0);
	ask_behind(&b, 1, "behind it", 1);
	b.wanted = 1;
	question_take_back(machine, &b.wanted);
	answer_is(&b, 0);
	cr_expect_eq(a.answer, -1, "that one is another's");
	id = asked("open");
	ask_behind(&b, 1, "behind it", 1);
	a.wanted = 1;
	question_take_back(machine, &a.wanted);
	answer_is(&a, 0);
	cr_expect_eq(b.answer, -1, "whoever waited behind it asks now");
	cr_expect_eq(asked("behind it"), id + 1);
	b.wanted = 1;
	question_take_back(machine, &b.wanted);
	answer_is(&b, 0);
	cr_expect_not(question_get(machine, &id, text));
	finish();
}

static struct dev_worker *worker;
static struct disk *toy_disk;
static atomic_int tried;

static void work_on_a_full_disk(struct dev_job *job)
{
	(void)job;
	while (dev_disk_retry(worker, "toy", toy_disk, false, -ENOSPC))
		tried++;
	cr_expect_not(dev_disk_retry(worker, "toy", toy_disk, true, -EIO), "a failed flush is final");
	cr_expect_not(dev_disk_retry(worker, "toy", toy_disk, false, -EROFS));
}

static void work_is_done(struct dev_job *job)
{
	(void)job;
	tried += 100;
}

/* A reset, with the machine's lock, waits for the thread that waits for people, who need the lock. */
Test(question, a_reset_ends_it, .timeout = 600)
{
	struct dev_job job = {.work = work_on_a_full_disk, .done = work_is_done};
	struct error err;
	u64 id, again;

	int fd = memfd_create("toy", MFD_CLOEXEC);
	cr_assert_eq(ftruncate(fd, MIB), 0);
	cr_assert_eq(disk_open(fd, "toy.img", 0, &toy_disk, &err), 0);
	start();
	question_possible(machine, true);
	cr_assert_eq(dev_worker_new(machine->devices[0], &worker, &err), 0);
	machine_lock(machine);
	dev_job_start(worker, &job);
	machine_unlock(machine);
	id = asked("toy: toy.img cannot be written: the host's disk is full");
	cr_expect(question_settle(machine, id, true));
	for (again = id; again == id;)
		again = asked("toy: toy.img cannot be written: the host's disk is full");
	cr_expect_eq(tried, 1);
	machine_lock(machine);
	dev_job_finish(worker, &job);
	cr_expect_eq(tried, 101);
	dev_worker_free(worker);
	machine_unlock(machine);
	disk_close(toy_disk);
	finish();
}

Test(vcpu, dirty_pages_are_handed_over_while_the_guest_runs, .timeout = 600)
{
	static u8 vram[MIB] __attribute__((aligned(4096)));
	unsigned long bits[4] = {0};

	start();
	machine_lock(machine);
	dev_map_memory(machine->devices[0], 16 * MIB, sizeof(vram), vram, CPU_SLOT_LOG_DIRTY);
	machine_unlock(machine);
	atomic_store(&the_cpu->script, SPIN);
	machine_lock(machine);
	vcpus_kick(machine);
	machine_unlock(machine);
	eventually(atomic_load(&the_cpu->script) == HALT);
	machine_lock(machine);
	machine->harvest = true;
	vcpus_kick(machine);
	machine_unlock(machine);
	for (bool waiting = true; waiting;) {
		machine_lock(machine);
		waiting = machine->harvest;
		machine_unlock(machine);
	}
	machine_lock(machine);
	dev_dirty(machine->devices[0], 16 * MIB, sizeof(vram), bits);
	machine_unlock(machine);
	cr_expect_eq(bits[0], 2);
	finish();
}
