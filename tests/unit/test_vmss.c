// uses: vmx dev cpu disk api lib -lsystemd -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_vmss.c - machines in files: a whole machine with the bt engine and every device goes out and comes back the same; files
 * that are damaged anywhere, cut off anywhere or of another machine are refused with a sentence.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmx/vmss.h"

#define BASE "memsize = \"8\"\nsvga.vramSize = \"1048576\"\n"

struct bench {
	struct config *config;
	struct machine *machine;
};

static void build(struct bench *b, const char *text)
{
	struct error err;

	cr_assert_eq(config_parse("test.vmx", text, strlen(text), &b->config, &err), 0, "%s", err.text);
	cr_assert_eq(config_check(b->config, NULL, NULL, &err), 0, "%s", err.text);
	struct machine_config mc = {
		.name = "test", .config = b->config, .engine = &cpu_bt, .devices = device_table, .files = {.folder = "/tmp"}};
	cr_assert_eq(machine_new(&mc, &b->machine, &err), 0, "%s", err.text);
}

static void take_apart(struct bench *b)
{
	machine_free(b->machine);
	config_free(b->config);
}

static int new_file(void)
{
	int fd = memfd_create("vmss", MFD_CLOEXEC);

	cr_assert(fd >= 0);
	return fd;
}

static void save(struct bench *b, int fd)
{
	struct vmss_writer *w;
	struct error err;
	int ret;

	cr_assert_eq(vmss_write_begin(b->machine, fd, &w, &err), 0, "%s", err.text);
	while ((ret = vmss_write_step(w, &err)) > 0)
		;
	cr_assert_eq(ret, 0, "%s", err.text);
	cr_expect_eq(vmss_write_percent(w), 100);
	vmss_write_end(w);
}

static size_t size_of(int fd)
{
	struct stat st;

	cr_assert_eq(fstat(fd, &st), 0);
	return (size_t)st.st_size;
}

/* Pages with patterns, at both ends and alone in between; guest state that a reset does not give. */
static void live(struct bench *b)
{
	struct memory *mem = &b->machine->memory;
	struct x86_state s;
	struct error err;

	for (unsigned n = 0; n < 64; n++)
		for (unsigned k = 0; k < 4096; k += 8)
			mem->ram[n * 3 * 4096 + k] = (u8)(n + k * 7 + 1);
	mem->ram[mem->bytes - 1] = 0x5a;
	b->machine->engine->get(b->machine->vcpus[0].cpu, &s);
	s.gpr[X86_RBX] = 0x12345678;
	s.rip = 0x7c00;
	s.halted = true;
	cr_assert_eq(b->machine->engine->set(b->machine->vcpus[0].cpu, &s, &err), 0);
	machine_lock(b->machine);
	bus_pio_write(b->machine, 0x21, 1, 0xb8);
	bus_pio_write(b->machine, 0x43, 1, 0x34);
	bus_pio_write(b->machine, 0x40, 1, 0x99);
	machine_unlock(b->machine);
	b->machine->clock.base = 123456789;
}

Test(vmss, a_machine_comes_back_the_same)
{
	struct bench a, b;
	struct error err;
	struct x86_state s;
	int fd = new_file(), again = new_file();

	build(&a, BASE);
	live(&a);
	save(&a, fd);
	cr_expect_lt(size_of(fd), 256 * KIB, "zero pages are in the file");
	build(&b, BASE);
	memset(b.machine->memory.ram + 4096, 0xee, 4096); /* a zero page in the file */
	cr_assert_eq(vmss_read(b.machine, fd, &err), 0, "%s", err.text);
	cr_expect_arr_eq(a.machine->memory.ram, b.machine->memory.ram, a.machine->memory.bytes);
	b.machine->engine->get(b.machine->vcpus[0].cpu, &s);
	cr_expect_eq(s.gpr[X86_RBX], 0x12345678);
	cr_expect_eq(s.rip, 0x7c00);
	cr_expect(s.halted);
	cr_expect_eq(clock_now(b.machine), 123456789);
	machine_lock(b.machine);
	cr_expect_eq(bus_pio_read(b.machine, 0x21, 1), 0xb8);
	machine_unlock(b.machine);
	save(&b, again);
	cr_expect_lt(size_of(again), 256 * KIB);
	take_apart(&a);
	take_apart(&b);
}

/* Every byte of the struct that is not padding reaches the stream: a field added to it and forgotten there is found. */
Test(vmss, every_field_of_a_cpu_is_saved)
{
	struct x86_state s;
	const u8 *data;
	size_t len, inert = 0, run = 0, longest = 0, last;

	memset(&s, 0, sizeof(s));
	struct state_writer *w = state_writer_new();
	vmss_save_cpu(w, &s);
	data = state_writer_data(w, &len);
	for (size_t at = 0; at < sizeof(s); at++) {
		struct state_writer *other = state_writer_new();
		((u8 *)&s)[at] ^= 1;
		vmss_save_cpu(other, &s);
		((u8 *)&s)[at] ^= 1;
		const void *changed = state_writer_data(other, &last);
		cr_assert_eq(last, len);
		bool same = !memcmp(changed, data, len);
		inert += same;
		run = same ? run + 1 : 0;
		/* In front of the FXSAVE image and at the end there may be more. */
		if (at < offsetof(struct x86_state, fxsave) - 16 || (at >= offsetof(struct x86_state, fxsave) && at < sizeof(s) - 16))
			longest = MAX(longest, run);
		state_writer_free(other);
	}
	state_writer_free(w);
	cr_expect_lt(longest, 7, "a run of %zu bytes of struct x86_state is not saved", longest);
	cr_expect_lt(inert, 8 * 6 + 2 * 6 + 32, "%zu bytes of struct x86_state are not saved", inert);
}

/* Spoils a CPU of long mode, or of reset. */
static void spoil(struct x86_state *s, unsigned how)
{
	switch (how) {
	case 0: /* paging without protection */
		s->cr0 = 0x80000010;
		break;
	case 1: /* long mode without PAE */
		s->cr4 = 0;
		break;
	case 2: /* active without paging */
		s->cr0 = 1;
		break;
	case 3: /* paging, yet not active */
		s->efer = 0x100;
		break;
	case 4: /* virtual-8086 mode in long mode */
		s->rflags |= BIT(17);
		break;
	case 5: /* L and D */
		s->seg[X86_CS].attr |= BIT(14);
		break;
	case 6:
		s->seg[X86_CS].attr = 0x93;
		break;
	case 7:
		s->lstar = 1ull << 47;
		break;
	case 8:
		s->seg[X86_FS].base = 1ull << 63;
		break;
	case 9: /* else FXRSTOR would fault in the monitor */
		s->fxsave[26] = 1;
		break;
	case 10: /* AVX without SSE */
		s->xcr0 = 5;
		break;
	case 11:
		s->efer |= BIT(1);
		break;
	case 12:
		s->dr[7] = 1ull << 32;
		break;
	case 13:
		s->cr3 = 1ull << 52;
		break;
	}
}
#define SPOILS 14

Test(vmss, a_cpu_that_cannot_be_is_refused)
{
	for (unsigned how = 0; how <= SPOILS; how++) {
		struct x86_state s, back;
		struct state_writer *w = state_writer_new();
		struct error err;
		size_t len;
		u16 version;

		x86_reset(&s);
		s.cr0 = 0x80000011;
		s.cr4 = 0x20;
		s.efer = 0x500;
		s.seg[X86_CS].attr = 0xa09b;
		s.seg[X86_CS].base = 0;
		spoil(&s, how);
		state_begin(w, "cpu", VMSS_CPU_VERSION);
		vmss_save_cpu(w, &s);
		state_end(w);
		const void *data = state_writer_data(w, &len);
		struct state_reader *r = state_reader_new(data, len);
		cr_assert_eq(state_open(r, "cpu", VMSS_CPU_VERSION, &version, &err), 0);
		cr_expect_eq(vmss_load_cpu(r, version, &back, &err) == 0, how == SPOILS, "case %u", how);
		state_reader_free(r);
		state_writer_free(w);
	}
}

static u8 *contents(int fd, size_t *len)
{
	*len = size_of(fd);
	u8 *bytes = xcalloc(1, *len);
	cr_assert_eq(pread(fd, bytes, *len, 0), (ssize_t)*len);
	return bytes;
}

/* Into a machine of its own; a refused one must still be good for taking apart. */
static int try_read(struct bench *b, const u8 *bytes, size_t len, struct error *err)
{
	int fd = new_file();

	err->text[0] = 0;
	cr_assert_eq(write_full(fd, bytes, len), 0);
	int ret = vmss_read(b->machine, fd, err);
	close(fd);
	return ret;
}

/*
 * Packed data may be written in more than one way: a changed byte that means the same is no damage (its checksum is of what is
 * unpacked).
 */
static bool is_same(struct bench *a, struct bench *b)
{
	struct state_writer *of_a = state_writer_new(), *of_b = state_writer_new();
	size_t len_a, len_b;

	vmss_save(a->machine, of_a);
	vmss_save(b->machine, of_b);
	const void *state_a = state_writer_data(of_a, &len_a), *state_b = state_writer_data(of_b, &len_b);
	bool same = len_a == len_b && !memcmp(state_a, state_b, len_a) &&
		    !memcmp(a->machine->memory.ram, b->machine->memory.ram, a->machine->memory.bytes);
	state_writer_free(of_a);
	state_writer_free(of_b);
	return same;
}

Test(vmss, damage_and_truncation_are_refused_everywhere)
{
	struct bench a, b;
	struct error err;
	size_t len;
	int fd = new_file();

	build(&a, BASE);
	live(&a);
	save(&a, fd);
	u8 *bytes = contents(fd, &len);
	cr_assert_eq(try_read(&a, bytes, len, &err), 0, "%s", err.text);
	build(&b, BASE);
	cr_assert_eq(try_read(&b, bytes, len, &err), 0, "%s", err.text);
	cr_assert(is_same(&a, &b));
	size_t step = len / 400 + 1;
	for (size_t at = 0; at < len; at += at < 64 ? 1 : step) {
		bytes[at] ^= 0x41;
		int ret = try_read(&b, bytes, len, &err);
		cr_expect(ret < 0 ? err.text[0] : is_same(&a, &b), "byte %zu of %zu was changed, and nobody saw", at, len);
		bytes[at] ^= 0x41;
	}
	for (size_t cut = 0; cut < len; cut += cut < 64 ? 7 : step) {
		cr_expect_lt(try_read(&b, bytes, cut, &err), 0, "%zu of %zu bytes were enough", cut, len);
		cr_expect(err.text[0]);
	}
	u8 *longer = xcalloc(1, len + 1);
	memcpy(longer, bytes, len);
	cr_expect_lt(try_read(&b, longer, len + 1, &err), 0, "more than the file was accepted");
	cr_expect_eq(try_read(&b, bytes, len, &err), 0, "%s", err.text);
	free(longer);
	free(bytes);
	take_apart(&a);
	take_apart(&b);
}

Test(vmss, files_of_other_machines_are_refused)
{
	static const struct {
		const char *text, *sentence;
	} others[] = {
		{"memsize = \"16\"\nsvga.vramSize = \"1048576\"\n", "8 MB of memory"},
		{"memsize = \"8\"\nsvga.vramSize = \"2097152\"\n", "svga.vramSize was"},
		{BASE "floppy0.present = \"TRUE\"\n", "floppy0.present was not set"},
		{BASE "debug.exit = \"TRUE\"\n", "debug.exit was not set"},
		{BASE "displayName = \"renamed\"\nannotation = \"x\"\nfloppy0.present = \"FALSE\"\n", NULL},
	};
	struct bench a, b;
	struct error err;
	size_t len;
	int fd = new_file();

	build(&a, BASE);
	save(&a, fd);
	take_apart(&a);
	u8 *bytes = contents(fd, &len);
	for (size_t k = 0; k < ARRAY_SIZE(others); k++) {
		build(&b, others[k].text);
		int ret = try_read(&b, bytes, len, &err);
		cr_expect_eq(!ret, !others[k].sentence, "%s: %s", others[k].text, err.text);
		if (others[k].sentence)
			cr_expect(strstr(err.text, others[k].sentence), "%s", err.text);
		take_apart(&b);
	}
	free(bytes);
}

Test(vmss, newer_empty_and_strange_files_have_their_sentences)
{
	struct bench a;
	struct error err;
	size_t len;
	int fd = new_file();

	build(&a, BASE);
	cr_expect_lt(try_read(&a, (const u8 *)"", 0, &err), 0);
	cr_expect(strstr(err.text, "is empty"), "%s", err.text);
	save(&a, fd);
	u8 *bytes = contents(fd, &len);
	bytes[16]++;
	cr_expect_lt(try_read(&a, bytes, len, &err), 0);
	cr_expect(strstr(err.text, "version 2"), "%s", err.text);
	memset(bytes, 'x', 16);
	cr_expect_lt(try_read(&a, bytes, len, &err), 0);
	cr_expect(strstr(err.text, "not a suspended machine"), "%s", err.text);
	free(bytes);
	take_apart(&a);
}

Test(vmss, nonpersistent_disks_keep_a_machine_from_it)
{
	struct config *config;
	struct error err;
	struct machine m = {.name = (char *)"test"};
	const char *text = "ide0:0.mode = \"independent-nonpersistent\"\nide0:0.present = \"TRUE\"\n";

	cr_assert_eq(config_parse("test.vmx", text, strlen(text), &config, &err), 0);
	m.config = config;
	cr_expect_lt(vmss_possible(&m, &err), 0);
	cr_expect(strstr(err.text, "ide0:0"), "%s", err.text);
	cr_assert_eq(config_set(config, "ide0:0.deviceType", "cdrom-image", &err), 0);
	cr_expect_eq(vmss_possible(&m, &err), 0, "a CD: %s", err.text);
	cr_assert_eq(config_set(config, "ide0:0.deviceType", "disk", &err), 0);
	cr_expect_lt(vmss_possible(&m, &err), 0);
	cr_assert_eq(config_set(config, "ide0:0.present", "FALSE", &err), 0);
	cr_expect_eq(vmss_possible(&m, &err), 0);
	config_free(config);
}
