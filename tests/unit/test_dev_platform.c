// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All platform devices at once: random accesses, saved and damaged states. */
#include "platform.h"

static u32 seed;

static u32 random32(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8 ^ seed << 16;
}

/* Ports that belong to the devices here, and some that do not. */
static u16 random_port(void)
{
	static const u16 bases[] = {0x00, 0x20, 0x40, 0x60, 0x70, 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0, 0xf0, 0x2f8, 0x3f0, 0x3f8, 0x402,
				    0x4d0, 0x600, 0x700, 0xcf8, 0xafe0, 0x3f5, 0x3f5, 0x60, 0x64};

	return (u16)(bases[random32() % ARRAY_SIZE(bases)] + random32() % 16);
}

static void hammer(unsigned n)
{
	static const u8 sizes[] = {1, 1, 1, 2, 4};

	for (unsigned i = 0; i < n; i++) {
		unsigned size = sizes[random32() % ARRAY_SIZE(sizes)];
		u16 port = random_port();

		switch (random32() % 16) {
		case 0 ... 4:
			fake_in(m, port, size);
			break;
		case 13:
			pass(random32() % (20 * MS));
			break;
		case 14:
			m->key(m->keyboard, (u8)random32(), random32() & 1);
			m->pointer(m->mouse, (int)random32(), (int)random32(), (int)random32(), random32());
			if (m->serial)
				receive("text");
			break;
		case 15:
			if (m->intr)
				acknowledge();
			break;
		default:
			fake_out(m, port, size, random32());
		}
	}
}

/* Another machine with the same floppy is in every device's state, and takes the machine's place. */
static void check_states(void)
{
	struct state_writer *before[16], *after;
	struct machine *used = m;
	size_t len, len_after;
	const void *data;

	for (unsigned i = 0; i < used->n_devices; i++)
		before[i] = fake_save(used->device[i]);
	fake_stop(used);
	machine_of(floppy_config());
	m->now = used->now;
	m->wall = used->wall;
	for (unsigned i = 0; i < m->n_devices; i++) {
		struct error err = {0};

		cr_assert_eq(fake_restore(m->device[i], before[i], &err), 0, "%s", err.text);
	}
	for (unsigned i = 0; i < m->n_devices; i++) {
		after = fake_save(m->device[i]);
		data = state_writer_data(before[i], &len);
		const void *data_after = state_writer_data(after, &len_after);
		cr_assert_eq(len, len_after, "%s", m->device[i]->ops->name);
		cr_assert_eq(memcmp(data, data_after, len), 0, "%s", m->device[i]->ops->name);
		state_writer_free(before[i]);
		state_writer_free(after);
	}
	cr_assert_eq(used->intr, m->intr);
	for (unsigned i = 0; i < 16; i++)
		cr_assert_eq(used->lines[i], m->lines[i], "line %u", i);
	fake_free(used);
}

Test(all, random_accesses_and_saved_states, .init = floppy_machine, .fini = floppy_end)
{
	seed = 42;
	for (unsigned round = 0; round < 60; round++) {
		hammer(5000);
		check_states();
		if (round % 8 == 7)
			fake_reset(m);
	}
}

Test(all, damaged_states_are_refused_or_harmless, .init = plain_machine, .fini = end)
{
	seed = 7;
	hammer(2000);
	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < m->n_devices; i++) {
			struct device *d = m->device[i];
			struct state_writer *w = state_writer_new();
			struct state_reader *r;
			struct error err;
			size_t len;
			u16 version;

			state_begin(w, d->ops->name, d->ops->version);
			for (unsigned n = random32() % 700; n; n--)
				put_u8(w, (u8)(random32() % 3 ? 0 : random32()));
			state_end(w);
			const void *data = state_writer_data(w, &len);
			r = state_reader_new(data, len);
			cr_assert_eq(state_open(r, d->ops->name, d->ops->version, &version, &err), 0);
			d->ops->load(d, r, &err);
			state_reader_free(r);
			state_writer_free(w);
		}
		hammer(50);
		fake_reset(m);
	}
}
