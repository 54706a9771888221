// uses: vmx dev cpu disk api lib -lsystemd -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_devices.c - a whole machine without a CPU, given what a hostile guest says: ports, physical addresses (registers of the
 * APICs, of PCI functions, video memory, RAM), PCI configuration, APIC MSRs, calls of the machine, interrupt acknowledges, with
 * time, people's input and other media in between. The input is a list of commands of eight bytes: a letter, a byte, 16 and 32 bits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmx/machine.h"

#define COMMAND_BYTES 8
#define COMMANDS_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char vmx_text[] =
	"memsize = \"4\"\nide0:0.present = \"TRUE\"\nide0:0.fileName = \"disk.img\"\nide0:0.mode = \"nonpersistent\"\n"
	"ide1:0.present = \"TRUE\"\nide1:0.fileName = \"cd.iso\"\nide1:0.deviceType = \"cdrom-image\"\n"
	"virtio.rng.present = \"TRUE\"\nvirtio.balloon.present = \"TRUE\"\nvirtio.tablet.present = \"TRUE\"\nfloppy0.present = \"TRUE\"\nfloppy0.fileName = \"floppy.img\"\n"
	"serial0.present = \"TRUE\"\nserial1.present = \"TRUE\"\nserial1.fileType = \"null\"\n"
	"debug.exit = \"TRUE\"\ndebug.console = \"TRUE\"\n";

/* Pages of physical memory that a command can name; video memory and BARs lie where a firmware would put them. */
static const u64 places[16] = {0xfee00000, 0xfec00000, 0xa0000, 0xb8000, 0xc0000, 0xf0000, 0xe0000000, 0xe1000000, 0xfd000000, 0xfe000000,
			       0xfebf0000, 0xfebf1000, 0x1000, 0x100000, 0x3ff000, 0xfffc0000};

static void make_file(const char *folder, const char *name, off_t size)
{
	char *path = xasprintf("%s/%s", folder, name);
	FILE *f = fopen(path, "w");

	BUG_ON(!f || ftruncate(fileno(f), size));
	fclose(f);
	free(path);
}

/* One machine for all inputs: making it takes longer than most of them. Its disks are gone from their folder at once. */
static struct machine *machine(void)
{
	static char folder[] = "/tmp/vmk-fuzz-devices-XXXXXX";
	static struct machine *m;
	struct config *config;
	struct error err;

	if (m)
		return m;
	log_threshold(LOG_LEVEL_ERROR);
	BUG_ON(!mkdtemp(folder));
	make_file(folder, "disk.img", MIB);
	make_file(folder, "cd.iso", MIB);
	make_file(folder, "floppy.img", 1474560);
	BUG_ON(config_parse("fuzz.vmx", vmx_text, strlen(vmx_text), &config, &err));
	struct machine_config mc = {.name = "fuzz", .config = config, .devices = device_table, .files = {.folder = folder}};
	BUG_ON(machine_new(&mc, &m, &err));
	m->files.folder = NULL;
	char *command = xasprintf("rm -rf %s", folder);
	BUG_ON(system(command));
	free(command);
	return m;
}

static void pass(struct machine *m, u32 ns)
{
	m->clock.base += ns;
	for (unsigned i = 0; i < CLOCK_MAX_TIMERS; i++) {
		struct dev_timer *t = m->clock.timers[i];
		if (t && t->when && t->when <= m->clock.base) {
			t->when = 0;
			t->fn(t->device);
		}
	}
}

static void pci_config(struct machine *m, bool write, u16 at, u8 size, u32 value)
{
	bus_pio_write(m, 0xcf8, 4, 0x80000000 | (u32)(at & 0xff00) | (at & 0xfc));
	if (write)
		bus_pio_write(m, (u16)(0xcfc + (at & 3)), size, value);
	else
		bus_pio_read(m, (u16)(0xcfc + (at & 3)), size);
	memory_update(m);
}

/* A write to RAM as a bus master's; elsewhere as the CPU's. */
static void memory_write(struct machine *m, u64 gpa, u8 size, u64 value)
{
	u64 room;
	u8 *ram = memory_ram(m, gpa, true, &room);

	if (ram && room >= size)
		memcpy(ram, &value, size);
	else
		bus_mmio_write(m, gpa, size, value);
}

static void msr(struct machine *m, bool write, u8 which, u64 value)
{
	u32 index = which == 0xff ? 0x1b : which == 0xfe ? 0x6e0 : 0x800 + which;

	irq_apic_msr(m, 0, index, write, &value, 2 * m->clock.base);
}

static void place(struct absolute_pointer *a, unsigned buttons, u16 at, u32 value)
{
	if (a->device)
		a->move_to(a->device, (u16)value, (u16)(value >> 16), (s8)at, (s8)value, buttons);
}

static void people(struct machine *m, u8 what, u16 at, u32 value)
{
	struct people *p = &m->people;

	if (what & 1)
		p->key(p->keyboard, (u8)value, at & 1);
	else if (what & 2)
		p->move(p->pointer, (s16)value, (s16)(value >> 16), (s8)at, what >> 4);
	else if (what & 4)
		place(&p->absolute[at >> 8 & 1], what >> 3, at, value);
	else
		p->press(p->power_button);
}

/* A step of a program's message: what EBX, the upper halves of ECX and EDX say. */
static void message(struct machine *m, u8 step, u16 channel, u32 value)
{
	u32 regs[CPU_BACKDOOR_REGS] = {CPU_BACKDOOR_MAGIC, value, (u32)step << 16 | 0x1e, (u32)channel << 16 | CPU_BACKDOOR_PORT, 0, 0};

	m->people.call(m->people.backdoor, regs);
}

/* Somebody takes out a CD or floppy, or puts one of `kib` in. */
static void medium(struct machine *m, u8 what, u16 kib)
{
	const char *drive = what & 1 ? "ide1:0" : "floppy0";
	const struct drives *s = m->people.drives;
	struct error err;

	while (!s->ops->medium(s->device, drive))
		s++;
	if (what & 2) {
		s->ops->eject(s->device, drive, what & 4, &err);
		return;
	}
	int fd = memfd_create("medium", MFD_CLOEXEC);
	BUG_ON(fd < 0 || ftruncate(fd, (off_t)(kib * KIB)));
	s->ops->insert(s->device, drive, fd, what & 8 ? "one" : "other", what & 4, &err);
}

static void command(struct machine *m, const u8 *c)
{
	u8 size = (u8)(1u << (c[1] & 3)), port_size = MIN(size, 4);
	u16 at = (u16)(c[2] | c[3] << 8);
	u32 value = c[4] | (u32)c[5] << 8 | (u32)c[6] << 16 | (u32)c[7] << 24;
	u64 gpa = places[at >> 12] + (at & 0xfff & ~(u32)(size - 1));
	u32 regs[CPU_BACKDOOR_REGS] = {CPU_BACKDOOR_MAGIC, value, at, CPU_BACKDOOR_PORT, c[1], 0};

	switch (c[0]) {
	case 'i':
		bus_pio_read(m, at, port_size);
		break;
	case 'o':
		bus_pio_write(m, at, port_size, value);
		break;
	case 'r':
		bus_mmio_read(m, gpa, size);
		break;
	case 'w':
		memory_write(m, gpa, size, (u64)c[1] << 32 | value);
		break;
	case 'p':
	case 'q':
		pci_config(m, c[0] == 'p', at, port_size, value);
		break;
	case 'm':
	case 'n':
		msr(m, c[0] == 'm', c[1], (u64)at << 32 | value);
		break;
	case 'a':
		irq_acknowledge(m, 0);
		break;
	case 'b':
		m->people.call(m->people.backdoor, regs);
		break;
	case 's':
		message(m, c[1], at, value);
		break;
	case 'v':
		medium(m, c[1], at);
		break;
	case 't':
		pass(m, value % NSEC_PER_SEC);
		break;
	case 'h':
		people(m, c[1], at, value);
		break;
	case 'R':
		machine_reset_devices(m);
		break;
	}
}

static struct state_writer *save(struct device *d)
{
	struct state_writer *w = state_writer_new();

	state_begin(w, d->ops->name, d->ops->version);
	d->ops->save(d, w);
	state_end(w);
	return w;
}

static void load(struct device *d, struct state_writer *w)
{
	struct error err;
	size_t len;
	u16 version;
	const void *bytes = state_writer_data(w, &len);
	struct state_reader *r = state_reader_new(bytes, len);

	if (state_open(r, d->ops->name, d->ops->version, &version, &err) || d->ops->load(d, r, &err) || state_close(r, &err)) {
		fprintf(stderr, "%s: %s\n", d->ops->name, err.text);
		abort();
	}
	state_reader_free(r);
}

/* What the devices save they must take back, each undisturbed by the others, and then save the same. */
static void check_state(struct machine *m)
{
	struct state_writer *before[MACHINE_MAX_DEVICES], *after;
	size_t len, len2;

	for (unsigned id = 0; id < m->n_devices; id++)
		before[id] = m->devices[id] ? save(m->devices[id]) : NULL;
	for (unsigned id = 0; id < m->n_devices; id++)
		if (before[id])
			load(m->devices[id], before[id]);
	for (unsigned id = 0; id < m->n_devices; id++) {
		if (!before[id])
			continue;
		after = save(m->devices[id]);
		const void *bytes = state_writer_data(before[id], &len), *bytes2 = state_writer_data(after, &len2);
		if (len != len2 || memcmp(bytes, bytes2, len)) {
			fprintf(stderr, "%s: save, load, save differs\n", m->devices[id]->ops->name);
			abort();
		}
		state_writer_free(before[id]);
		state_writer_free(after);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = machine();

	machine_lock(m);
	m->clock.base = NSEC_PER_SEC;
	memset(m->memory.ram, 0, m->memory.bytes);
	machine_reset_devices(m);
	for (size_t i = 0; i < COMMANDS_MAX && (i + 1) * COMMAND_BYTES <= size; i++)
		command(m, data + i * COMMAND_BYTES);
	check_state(m);
	m->reset_wanted = m->power_off_wanted = false;
	machine_unlock(m);
	return 0;
}
