// uses: vmx dev cpu disk api lib -lsystemd -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_devices.c - what every device of devices.def must bear: reset, suspend and resume, and a hostile guest.
 * The machine is a real one without a CPU; its time stands where the test puts it.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "temporary.h"
#include "vmx/machine.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ACCESSES 50000
#else
#define ACCESSES 1000000
#endif
#define SAVE_EVERY (ACCESSES / 20)

/* Images are locked by the machine that uses them: each machine has its folder. */
static char root[TEMPORARY_PATH];
static unsigned folders;

static void make_file(const char *folder, const char *name, size_t size)
{
	char *path = xasprintf("%s/%s", folder, name);
	FILE *f = fopen(path, "w");

	cr_assert(f);
	cr_assert_eq(ftruncate(fileno(f), (off_t)size), 0);
	fclose(f);
	free(path);
}

static char *make_folder(void)
{
	char *folder = xasprintf("%s/%u", root, folders++);
	struct error err;

	cr_assert_eq(make_dirs(folder, 0700, &err), 0, "%s", err.text);
	make_file(folder, "disk.img", 8 * MIB);
	make_file(folder, "other.img", MIB);
	make_file(folder, "virtio.img", MIB);
	make_file(folder, "virtio7.img", MIB);
	make_file(folder, "cd.iso", 2 * MIB);
	make_file(folder, "floppy.img", 1474560);
	return folder;
}

static void make_root(void)
{
	log_threshold(LOG_LEVEL_ERROR); /* devices say what the guest does wrong */
	temporary_folder(root);
}

static void remove_root(void)
{
	cr_assert_eq(temporary_remove(root), 0);
}

static const char vmx_text[] =
	"memsize = \"8\"\nide0:0.present = \"TRUE\"\nide0:0.fileName = \"disk.img\"\n"
	"ide0:1.present = \"TRUE\"\nide0:1.fileName = \"other.img\"\nide0:1.mode = \"nonpersistent\"\n"
	"ide1:0.present = \"TRUE\"\nide1:0.fileName = \"cd.iso\"\nide1:0.deviceType = \"cdrom-image\"\n"
	"virtio0.present = \"TRUE\"\nvirtio0.fileName = \"virtio.img\"\nvirtio7.present = \"TRUE\"\nvirtio7.fileName = \"virtio7.img\"\n"
	"virtio.rng.present = \"TRUE\"\nvirtio.balloon.present = \"TRUE\"\nvirtio.balloon.size = \"4\"\nvirtio.tablet.present = \"TRUE\"\n"
	"floppy0.present = \"TRUE\"\nfloppy0.fileName = \"floppy.img\"\n"
	"serial0.present = \"TRUE\"\nserial1.present = \"TRUE\"\nserial2.present = \"TRUE\"\nserial3.present = \"TRUE\"\n"
	"serial1.fileType = \"null\"\nethernet0.present = \"TRUE\"\nethernet3.present = \"TRUE\"\nethernet3.startConnected = \"FALSE\"\nethernet1.present = \"TRUE\"\nethernet1.virtualDev = \"virtio\"\nethernet2.present = \"TRUE\"\nethernet2.virtualDev = \"virtio\"\ndebug.exit = \"TRUE\"\ndebug.console = \"TRUE\"\n";

static struct config *make_config(void)
{
	struct config *config;
	struct error err;

	cr_assert_eq(config_parse("test.vmx", vmx_text, strlen(vmx_text), &config, &err), 0, "%s", err.text);
	cr_assert_eq(config_check(config, NULL, NULL, &err), 0, "%s", err.text);
	return config;
}

static struct machine *make_machine(const struct config *config)
{
	char *folder = make_folder();
	struct machine_config mc = {.name = "test", .config = config, .devices = device_table, .files = {.folder = folder}};
	struct machine *m;
	struct error err;

	cr_assert_eq(machine_new(&mc, &m, &err), 0, "%s", err.text);
	free(folder);
	m->files.folder = NULL;
	return m;
}

/* Loads m's state into another machine, which must then save the same bytes. */
static void check_save_load_save(struct machine *m, struct machine *other, const char *when)
{
	struct state_writer *first = state_writer_new(), *second = state_writer_new();
	struct error err;
	size_t len, len2;

	machine_save_devices(m, first);
	const void *bytes = state_writer_data(first, &len);
	struct state_reader *r = state_reader_new(bytes, len);
	other->clock.base = m->clock.base;
	cr_assert_eq(machine_load_devices(other, r, &err), 0, "%s: %s", when, err.text);
	machine_save_devices(other, second);
	const void *bytes2 = state_writer_data(second, &len2);
	cr_expect_eq(len, len2, "%s: %zu bytes became %zu", when, len, len2);
	cr_expect(len != len2 || !memcmp(bytes, bytes2, len), "%s: state changed by save and load", when);
	state_reader_free(r);
	state_writer_free(first);
	state_writer_free(second);
}

/* A section each, so that a failure names the device. */
static void check_each_device(struct machine *m, struct machine *other)
{
	other->clock.base = m->clock.base;
	for (unsigned id = 0; id < m->n_devices; id++) {
		struct device *d = m->devices[id], *d2 = other->devices[id];
		struct state_writer *first = state_writer_new(), *second = state_writer_new();
		struct error err = {0};
		size_t len, len2;
		u16 version;

		if (!d)
			continue;
		cr_assert(d->ops->save && d->ops->load, "%s has no state", d->ops->name);
		state_begin(first, d->ops->name, d->ops->version);
		d->ops->save(d, first);
		state_end(first);
		const void *bytes = state_writer_data(first, &len);
		struct state_reader *r = state_reader_new(bytes, len);
		cr_expect_eq(state_open(r, d->ops->name, d->ops->version, &version, &err), 0);
		cr_expect_eq(d2->ops->load(d2, r, &err), 0, "%s: %s", d->ops->name, err.text);
		cr_expect_eq(state_close(r, &err), 0, "%s: %s", d->ops->name, err.text);
		state_begin(second, d->ops->name, d->ops->version);
		d2->ops->save(d2, second);
		state_end(second);
		const void *bytes2 = state_writer_data(second, &len2);
		cr_expect(len == len2 && !memcmp(bytes, bytes2, len), "%s: save, load, save differs", d->ops->name);
		state_reader_free(r);
		state_writer_free(first);
		state_writer_free(second);
	}
}

/* ---- a hostile guest ---- */

static u64 seed;

static u32 rnd(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 32);
}

static void run_timers(struct machine *m)
{
	for (unsigned i = 0; i < CLOCK_MAX_TIMERS; i++) {
		struct dev_timer *t = m->clock.timers[i];
		if (t && t->when && t->when <= m->clock.base) {
			t->when = 0;
			t->fn(t->device);
		}
	}
}

static u32 interesting(void)
{
	static const u32 values[] = {0, 1, 0xff, 0x80, 0xffff, 0xffffffff, 0x80000000, 0xaa55, 0xec, 0x20};

	return rnd() & 3 ? rnd() : values[rnd() % ARRAY_SIZE(values)];
}

static void random_pio(struct machine *m, unsigned id)
{
	const struct pio_range *ranges[BUS_MAX_PIO];
	unsigned n = 0, size = 1u << rnd() % 3;

	for (unsigned i = 1; i <= BUS_MAX_PIO; i++)
		if (m->bus.pio[i].device && m->bus.pio[i].device->id == id)
			ranges[n++] = &m->bus.pio[i];
	if (!n)
		return;
	const struct pio_range *r = ranges[rnd() % n];
	u16 port = (u16)(r->base + rnd() % r->count);
	if (rnd() & 1)
		bus_pio_read(m, port, size);
	else
		bus_pio_write(m, port, size, rnd() & 1 ? rnd() & 0xff : interesting());
}

static void random_mmio(struct machine *m, unsigned id)
{
	unsigned first = 0, n = 0, size = 1u << rnd() % 4;

	for (unsigned i = 0; i < m->bus.n_mmio; i++)
		if (m->bus.mmio[i].device->id == id && !n++)
			first = i;
	if (!n)
		return;
	const struct mmio_range *r = &m->bus.mmio[first + rnd() % n];
	u64 gpa = (r->gpa + rnd() % r->size) & ~(u64)(size - 1);
	if (rnd() & 1)
		bus_mmio_read(m, gpa, size);
	else
		bus_mmio_write(m, gpa, size, (u64)rnd() << 32 | rnd());
}

/* A register of a function, mostly of the first four slots': moves BARs, ROMs, shadow RAM. */
static void random_pci_config(struct machine *m)
{
	bus_pio_write(m, 0xcf8, 4, 0x80000000 | (rnd() & 1 ? rnd() % 32 : rnd() % 32 * 8) << 8 | (rnd() & 0xfc));
	bus_pio_write(m, (u16)(0xcfc + rnd() % 4), 1u << rnd() % 3, interesting());
	memory_update(m);
}

static void one_access(struct machine *m, unsigned id)
{
	u32 kind = rnd() % 64;

	if (kind == 0) { /* time passes, on average 100 us an access */
		m->clock.base += rnd() % 10000000;
		run_timers(m);
	} else if (kind == 1) {
		irq_acknowledge(m, 0);
	} else if (kind == 2 && m->people.keyboard) {
		m->people.key(m->people.keyboard, (u8)rnd(), rnd() & 1);
	} else if (kind == 3 && m->people.pointer) {
		m->people.move(m->people.pointer, (int)(s16)rnd(), (int)(s16)rnd(), (int)(s16)rnd(), rnd());
	} else if (kind == 6) {
		const struct absolute_pointer *a = &m->people.absolute[rnd() % ABSOLUTE_POINTERS];
		if (a->device)
			a->move_to(a->device, (u16)rnd(), (u16)rnd(), (int)(s16)rnd(), (int)(s16)rnd(), rnd());
	} else if (kind == 4 && rnd() % 64 == 0 && m->people.display) {
		m->people.refresh(m->people.display);
	} else if (kind == 5) {
		random_pci_config(m);
	} else if (kind < 16) {
		random_mmio(m, id);
	} else {
		random_pio(m, id);
	}
}

static void torture(struct machine *m, struct machine *other, unsigned id)
{
	seed = 0x5eed + id;
	machine_reset_devices(m);
	for (unsigned i = 0; i < ACCESSES; i++) {
		if (i % SAVE_EVERY == 0)
			check_each_device(m, other);
		one_access(m, id);
	}
}

TestSuite(devices, .init = make_root, .fini = remove_root, .timeout = 600);

Test(devices, all_are_there)
{
	struct config *config = make_config();
	struct machine *m = make_machine(config);

	cr_expect_gt(m->n_devices, 10);
	for (unsigned id = 0; id < m->n_devices; id++)
		cr_expect(m->devices[id], "%s is missing", device_table[id]->name);
	machine_free(m);
	config_free(config);
}

Test(devices, save_load_save_after_reset)
{
	struct config *config = make_config();
	struct machine *m = make_machine(config), *other = make_machine(config);

	check_each_device(m, other);
	check_save_load_save(m, other, "after reset");
	machine_free(m);
	machine_free(other);
	config_free(config);
}

Test(devices, reset_forgets_everything)
{
	struct config *config = make_config();
	struct machine *m = make_machine(config), *fresh = make_machine(config);

	for (unsigned id = 0; id < m->n_devices; id++)
		for (unsigned i = 0; i < 2000; i++)
			one_access(m, id);
	machine_reset_devices(m);
	cr_expect_eq(m->memory.n_ranges, fresh->memory.n_ranges, "memory is still mapped after reset");
	cr_expect_eq(m->bus.n_mmio, fresh->bus.n_mmio, "registers are still mapped after reset");
	cr_expect_arr_eq(m->bus.port, fresh->bus.port, sizeof(m->bus.port), "ports differ after reset");
	machine_free(m);
	machine_free(fresh);
	config_free(config);
}

static void torture_named(const char *name)
{
	struct config *config = make_config();
	struct machine *m = make_machine(config), *other = make_machine(config);

	for (unsigned id = 0; id < m->n_devices; id++)
		if (m->devices[id] && (!name || !strcmp(m->devices[id]->ops->name, name)))
			torture(m, other, id);
	machine_free(m);
	machine_free(other);
	config_free(config);
}

#define DEVICE(name)                     \
	Test(devices, hostile_##name)    \
	{                                \
		torture_named(#name);    \
	}
#include "dev/devices.def"
