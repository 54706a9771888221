// uses: vmx dev cpu disk api lib -lsystemd -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_vmss.c - the file of a suspended machine, from somebody who can compute checksums. The input's first byte says what the rest is:
 *	'f'	a file as it stands
 *	's'	changes of the state of a machine, its sections mended: six bytes each {section, offset, offset, offset, value, how often}
 *	'r'	the same of the file behind its state, which is the memory, with its blocks mended; section means nothing
 * What is accepted also runs for a moment.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmx/vmss.h"

#define CHANGE 6u
#define SECTION_HEADER 28u /* lib/state.c: tag, version, length, checksum */
#define LENGTH_AT 20u
#define CHECKSUM_AT 24u
#define FILE_HEADER 64u /* vmx/vmss.c */
#define STORED_AT 40u
#define BLOCK_HEADER 48u
#define SECTIONS_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct machine *machine;
static u8 *saved_file, *saved_state;
static size_t file_len, state_len;

static u32 get_u32_at(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static struct machine *build(void)
{
	static const char text[] = "memsize = \"8\"\nsvga.vramSize = \"1048576\"\ncpu.model = \"x86-64-v2\"\n"
				   "virtio.rng.present = \"TRUE\"\nvirtio.balloon.present = \"TRUE\"\nvirtio.tablet.present = \"TRUE\"\nfloppy0.present = \"TRUE\"\n";
	struct config *config;
	struct machine *m;
	struct error err;

	if (config_parse("fuzz.vmx", text, strlen(text), &config, &err))
		abort();
	struct machine_config mc = {
		.name = "fuzz", .config = config, .engine = &cpu_bt, .devices = device_table, .files = {.folder = "/tmp"}};
	if (machine_new(&mc, &m, &err))
		abort();
	return m;
}

/* What all changes start from. */
static void save(void)
{
	int fd = memfd_create("vmss", MFD_CLOEXEC);
	struct state_writer *w = state_writer_new();
	struct vmss_writer *writer;
	struct error err;

	machine->memory.ram[4096] = machine->memory.ram[3 * MIB] = 1;
	if (fd < 0 || vmss_write_begin(machine, fd, &writer, &err))
		abort();
	while (vmss_write_step(writer, &err) > 0)
		;
	vmss_write_end(writer);
	file_len = (size_t)lseek(fd, 0, SEEK_END);
	saved_file = xcalloc(1, file_len);
	if (pread(fd, saved_file, file_len, 0) != (ssize_t)file_len)
		abort();
	close(fd);
	machine_lock(machine);
	vmss_save(machine, w);
	machine_unlock(machine);
	const void *state = state_writer_data(w, &state_len);
	saved_state = xcalloc(1, state_len);
	memcpy(saved_state, state, state_len);
	state_writer_free(w);
}

static void kick(int signal)
{
	(void)signal;
	machine->engine->kick(machine->vcpus[0].cpu);
}

static void prepare(void)
{
	struct sigaction action = {.sa_handler = kick};

	if (machine)
		return;
	machine = build();
	save();
	sigaction(SIGALRM, &action, NULL);
}

/* The guest goes on until the timer kicks it. */
static void run_a_moment(void)
{
	struct itimerval soon = {.it_value.tv_usec = 1000}, off = {0};

	setitimer(ITIMER_REAL, &soon, NULL);
	machine->engine->run(machine->vcpus[0].cpu);
	setitimer(ITIMER_REAL, &off, NULL);
}

static void change(u8 *bytes, size_t len, const u8 *c)
{
	size_t at = c[1] | (size_t)c[2] << 8 | (size_t)c[3] << 16;

	for (unsigned n = 0; len && n <= (c[5] & 7u); n++)
		bytes[(at + n) % len] = c[4];
}

/* Where section number n of the stream (counted round) has its payload. */
static u8 *section(u8 *stream, unsigned number, size_t *len)
{
	u8 *found[SECTIONS_MAX];
	unsigned count = 0;

	for (size_t at = 0; at + SECTION_HEADER <= state_len && count < SECTIONS_MAX; count++) {
		found[count] = stream + at;
		at += SECTION_HEADER + get_u32_at(stream + at + LENGTH_AT);
	}
	*len = get_u32_at(found[number % count] + LENGTH_AT);
	return found[number % count] + SECTION_HEADER;
}

static void try_state(const u8 *data, size_t size)
{
	u8 *stream = xcalloc(1, state_len);
	struct error err;
	size_t len;

	memcpy(stream, saved_state, state_len);
	for (; size >= CHANGE; data += CHANGE, size -= CHANGE) {
		u8 *payload = section(stream, data[0], &len);
		change(payload, len, data);
		u32 sum = state_checksum(payload, len);
		memcpy(payload - SECTION_HEADER + CHECKSUM_AT, &sum, sizeof(sum));
	}
	struct state_reader *r = state_reader_new(stream, state_len);
	machine_lock(machine);
	int ret = vmss_load(machine, r, &err);
	machine_unlock(machine);
	state_reader_free(r);
	free(stream);
	if (!ret)
		run_a_moment();
}

static void try_file(const u8 *bytes, size_t len)
{
	int fd = memfd_create("vmss", MFD_CLOEXEC);
	struct error err;

	if (fd < 0 || write_full(fd, bytes, len))
		abort();
	if (!vmss_read(machine, fd, &err))
		run_a_moment();
	close(fd);
}

static void mend_blocks(u8 *file, size_t at)
{
	while (at + BLOCK_HEADER <= file_len) {
		u32 sum = state_checksum(file + at, BLOCK_HEADER - 4);

		memcpy(file + at + BLOCK_HEADER - 4, &sum, sizeof(sum));
		at += BLOCK_HEADER + get_u32_at(file + at + BLOCK_HEADER - 8);
	}
}

static void try_memory(const u8 *data, size_t size)
{
	u8 *file = xcalloc(1, file_len);
	size_t ram = FILE_HEADER + get_u32_at(saved_file + STORED_AT);

	memcpy(file, saved_file, file_len);
	for (; size >= CHANGE; data += CHANGE, size -= CHANGE)
		change(file + ram, file_len - ram, data);
	mend_blocks(file, ram);
	try_file(file, file_len);
	free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	prepare();
	if (!size)
		return 0;
	switch (data[0]) {
	case 'f':
		try_file(data + 1, size - 1);
		break;
	case 's':
		try_state(data + 1, size - 1);
		break;
	case 'r':
		try_memory(data + 1, size - 1);
		break;
	}
	return 0;
}
