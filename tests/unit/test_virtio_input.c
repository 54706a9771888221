// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_virtio_input.c - the tablet as its driver sees it. */
#include "virtio_rig.h"

enum { LEFT = 1, RIGHT = 2, SIDE = 8, EXTRA = 16 };

/* The size and then the bytes that the configuration shows. */
static void expect_shown(struct rig *r, u8 select, u8 subsel, const void *bytes, u8 size)
{
	fake_store(r->m, CONFIG, 1, select);
	fake_store(r->m, CONFIG + 1, 1, subsel);
	cr_expect_eq(fake_load(r->m, CONFIG, 2), select | subsel << 8);
	cr_expect_eq(fake_load(r->m, CONFIG + 2, 1), size, "%02x.%02x has %u bytes", select, subsel, (u8)fake_load(r->m, CONFIG + 2, 1));
	for (unsigned i = 0; i < 128; i++)
		cr_expect_eq(fake_load(r->m, CONFIG + 8 + i, 1), i < size ? ((const u8 *)bytes)[i] : 0, "%02x.%02x, byte %u", select, subsel, i);
}

Test(virtio_input, says_what_it_is)
{
	struct rig r = rig_new(&dev_virtio_input, SLOT_TABLET);
	const u8 keys[35] = {[34] = 0x1f}, wheels[] = {0x40, 0x01}, axes[] = {3};
	const u32 axis[5] = {0, 0x7fff};
	const u16 ids[4] = {6, 0x1af4, 18, 1};

	cr_expect_eq(config_byte(&r, 0, 4), 0x10521af4);
	cr_expect_geq(config_byte(&r, 8, 1), 1, "no transitional device");
	cr_expect_eq(config_byte(&r, 0x10, 4), 0, "no header of old");
	cr_expect_geq(config_byte(&r, 0x2e, 2), 0x40);
	expect_shown(&r, 1, 0, "vmk tablet", 10);
	expect_shown(&r, 2, 0, "vmk-tablet", 10);
	expect_shown(&r, 3, 0, ids, sizeof(ids));
	expect_shown(&r, 0x11, 1, keys, sizeof(keys));
	expect_shown(&r, 0x11, 2, wheels, sizeof(wheels));
	expect_shown(&r, 0x11, 3, axes, sizeof(axes));
	expect_shown(&r, 0x12, 0, axis, sizeof(axis));
	expect_shown(&r, 0x12, 1, axis, sizeof(axis));
	static const u8 absent[][2] = {{0, 0}, {0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 0}, {0x10, 0}, {0x11, 0}, {0x11, 4}, {0x11, 0x11},
				       {0x11, 0x14}, {0x11, 0xff}, {0x12, 2}, {0x12, 0xff}, {0x13, 0}, {0xff, 0xff}};
	for (unsigned i = 0; i < ARRAY_SIZE(absent); i++)
		expect_shown(&r, absent[i][0], absent[i][1], NULL, 0);
	fake_store(r.m, CONFIG + 2, 1, 77);
	fake_store(r.m, CONFIG + 8, 8, ~0ull);
	cr_expect_eq(fake_load(r.m, CONFIG + 2, 1), 0, "read-only");
	cr_expect_eq(fake_load(r.m, CONFIG + 8, 8), 0, "read-only");
	rig_free(&r);
}

static void feed(struct rig *r, unsigned buffers)
{
	for (; buffers; buffers--) {
		unsigned n = r->index % SIZE;
		desc(r, n, DATA + 8 * n, 8, WRITE, 0);
		offer(r, (u16)n);
	}
	kick(r, 0);
}

static bool point(struct rig *r, u16 x, u16 y, int wheel, unsigned buttons)
{
	return r->m->pointer_to(r->m->absolute, x, y, wheel, 0, buttons);
}

/* What has come behind the `seen` events known, in words: | for SYN_REPORT, x and y, +code and -code of buttons, w and t of wheels. */
struct heard {
	u16 seen;
	char words[4096];
};

static void hear_event(struct rig *r, struct heard *h)
{
	u64 event = fake_load(r->m, DATA + 8 * (h->seen % SIZE), 8);
	u16 type = (u16)event, code = (u16)(event >> 16);
	s32 value = (s32)(event >> 32);
	char word[32] = "?";

	cr_assert_eq(used_len(r, h->seen), 8);
	if (type == 0 && code == 0 && value == 0)
		strcpy(word, "|");
	else if (type == 3 && code < 2)
		snprintf(word, sizeof(word), "%c%d", code ? 'y' : 'x', value);
	else if (type == 1 && (value == 0 || value == 1))
		snprintf(word, sizeof(word), "%c%x", value ? '+' : '-', code);
	else if (type == 2 && (code == 6 || code == 8))
		snprintf(word, sizeof(word), "%c%d", code == 8 ? 'w' : 't', value);
	size_t len = strlen(h->words);
	snprintf(h->words + len, sizeof(h->words) - len, "%s%s", len ? " " : "", word);
	h->seen++;
}

/* With `again`, buffers are given until nothing more comes. */
static void hear(struct rig *r, struct heard *h, bool again)
{
	unsigned n;

	h->words[0] = 0;
	do {
		for (n = 0; h->seen != used(r); n++)
			hear_event(r, h);
		if (again)
			feed(r, SIZE - (u16)(r->index - h->seen));
	} while (again && h->seen != used(r));
}

static void expect_heard(struct rig *r, struct heard *h, const char *words)
{
	hear(r, h, true);
	cr_expect_str_eq(h->words, words);
}

Test(virtio_input, needs_a_driver_and_its_buffers)
{
	struct rig r = rig_new(&dev_virtio_input, SLOT_TABLET);
	struct heard h = {0};

	cr_expect_not(point(&r, 1, 1, 0, 0), "no driver");
	setup(&r, VERSION_1, 0);
	cr_expect_not(point(&r, 1, 1, 0, LEFT), "no buffers");
	feed(&r, SIZE);
	cr_expect_eq(used(&r), 0, "what went to another is not told");
	cr_expect(point(&r, 2, 4, 0, 0));
	expect_heard(&r, &h, "x1 y2 |");
	set_status(&r, 0);
	cr_expect_not(point(&r, 1, 1, 0, 0), "the driver is gone");
	setup(&r, VERSION_1, 0);
	cr_expect_not(point(&r, 1, 1, 0, 0), "another one, without buffers");
	rig_free(&r);
}

Test(virtio_input, positions_buttons_and_wheels)
{
	struct rig r = rig_new(&dev_virtio_input, SLOT_TABLET);
	struct heard h = {0};

	setup(&r, VERSION_1 | F_EVENT, 0);
	feed(&r, SIZE);
	interrupted(&r);
	cr_expect(point(&r, 0, 0, 0, 0));
	cr_expect(interrupted(&r));
	expect_heard(&r, &h, "x0 y0 |");
	cr_expect(point(&r, 0, 0, 0, 0));
	expect_heard(&r, &h, "");
	cr_expect_not(interrupted(&r), "nothing is new");
	cr_expect(point(&r, 0xffff, 0xffff, 0, 0));
	expect_heard(&r, &h, "x32767 y32767 |");
	cr_expect(point(&r, 0xffff, 0x8001, 0, LEFT | RIGHT | 4 | SIDE | EXTRA | 32));
	expect_heard(&r, &h, "y16384 +110 +111 +112 +113 +114 |");
	cr_expect(point(&r, 0xffff, 0x8000, -2, SIDE));
	expect_heard(&r, &h, "-110 -111 -112 -114 w2 |");
	cr_expect(r.m->pointer_to(r.m->absolute, 0xffff, 0x8000, 1, -3, 0));
	expect_heard(&r, &h, "-113 w-1 t-3 |");
	rig_free(&r);
}

/* Nobody reads: places on the way are left out, but where something was done, and in which order, is told. */
Test(virtio_input, waits_for_buffers)
{
	struct rig r = rig_new(&dev_virtio_input, SLOT_TABLET);
	struct heard h = {0};

	setup(&r, VERSION_1, 0);
	feed(&r, 3);
	point(&r, 0, 0, 0, 0);
	for (u16 i = 2; i <= 1000; i += 2)
		cr_expect(point(&r, i, 0, 0, 0));
	point(&r, 1000, 0, 0, LEFT);
	for (u16 i = 1000; i >= 200; i -= 2)
		point(&r, i, 6, 0, LEFT);
	point(&r, 200, 6, 0, 0);
	point(&r, 100, 6, 1, 0);
	point(&r, 100, 6, 1, 0);
	for (u16 i = 100; i >= 4; i -= 2)
		point(&r, i, 6, 0, 0);
	hear(&r, &h, false);
	cr_expect_str_eq(h.words, "x0 y0 |");
	expect_heard(&r, &h, "x500 | +110 | x100 y3 | -110 | x50 w-2 | x2 |");
	rig_free(&r);
}

Test(virtio_input, a_buffer_at_a_time)
{
	struct rig r = rig_new(&dev_virtio_input, SLOT_TABLET);
	static const char *const events[] = {"x1", "y2", "+110", "w-1", "|", "x3", "|"};
	struct heard h = {0};

	setup(&r, VERSION_1 | F_EVENT, 0);
	feed(&r, 1);
	point(&r, 2, 4, 1, LEFT);
	for (unsigned i = 0; i < ARRAY_SIZE(events); i++) {
		if (i == 2)
			point(&r, 6, 4, 0, LEFT); /* in the middle of a report, which this one is not part of */
		hear(&r, &h, false);
		cr_expect_str_eq(h.words, events[i], "event %u is %s", i, h.words);
		feed(&r, 1);
	}
	rig_free(&r);
}

Test(virtio_input, saved_in_the_middle_of_a_report)
{
	struct rig r = rig_new(&dev_virtio_input, SLOT_TABLET);
	struct heard h = {0};
	struct error err;

	setup(&r, VERSION_1, 0);
	feed(&r, 2);
	point(&r, 2, 4, 1, LEFT);
	point(&r, 2, 4, 0, RIGHT);
	hear(&r, &h, false);
	cr_expect_str_eq(h.words, "x1 y2");
	fake_store(r.m, CONFIG, 2, 1);
	struct state_writer *w = fake_save(r.device);
	fake_reset(r.m);
	cr_expect_not(point(&r, 1, 1, 0, 0));
	cr_assert_eq(fake_restore(r.device, w, &err), 0, "%s", err.text);
	cr_expect_eq(fake_load(r.m, CONFIG, 4), 10 << 16 | 1);
	expect_heard(&r, &h, "+110 w-1 | -110 +111 |");
	state_writer_free(w);
	rig_free(&r);
}

/* Buffers given when the machine was saved are used afterwards without anybody moving anything. */
Test(virtio_input, what_waited_goes_on_after_loading)
{
	struct rig r = rig_new(&dev_virtio_input, SLOT_TABLET);
	struct heard h = {0};
	struct error err;

	setup(&r, VERSION_1, 0);
	feed(&r, 1);
	point(&r, 2, 4, 0, 0);
	for (unsigned n = 1; n < 4; n++) {
		desc(&r, n, DATA + 8 * n, 8, WRITE, 0);
		offer(&r, (u16)n);
	}
	struct state_writer *w = fake_save(r.device);
	cr_assert_eq(fake_restore(r.device, w, &err), 0, "%s", err.text);
	fake_time(r.m, 1000000);
	hear(&r, &h, false);
	cr_expect_str_eq(h.words, "x1 y2 |");
	state_writer_free(w);
	rig_free(&r);
}

/* Whatever people do and however slow the guest is: it sees each button go down and up by turns, and in the end what is. */
Test(virtio_input, any_order_of_things)
{
	struct rig r = rig_new(&dev_virtio_input, SLOT_TABLET);
	struct heard h = {0};
	unsigned seed = 1, down = 0, buttons = 0;
	int x = -1, y = -1, turned = 0, wheel = 0, open = 0;
	u16 last_x = 0, last_y = 0;

	setup(&r, VERSION_1, 0);
	feed(&r, 1);
	for (unsigned round = 0; round <= 20000; round++) {
		bool end = round % 1000 == 0;
		if (rand_r(&seed) % 3)
			last_x = (u16)(rand_r(&seed) % 0x10000), last_y = (u16)(rand_r(&seed) % 0x10000);
		else
			buttons ^= 1u << rand_r(&seed) % 5;
		int steps = rand_r(&seed) % 3 - 1;
		turned -= steps;
		cr_assert(point(&r, last_x, last_y, steps, buttons));
		if (!end && rand_r(&seed) % 4)
			continue;
		hear(&r, &h, end);
		feed(&r, MIN((unsigned)rand_r(&seed) % 4, SIZE - (u16)(r.index - h.seen)));
		for (char *word = strtok(h.words, " "); word; word = strtok(NULL, " ")) {
			unsigned button = BIT((strtol(word + 1, NULL, 16) - 0x110) & 31);
			cr_assert(strchr("xy+-w|", *word), "%s", word);
			open = *word != '|';
			x = *word == 'x' ? atoi(word + 1) : x;
			y = *word == 'y' ? atoi(word + 1) : y;
			wheel += *word == 'w' ? atoi(word + 1) : 0;
			cr_assert(*word != '+' || !(down & button), "pressed twice");
			cr_assert(*word != '-' || down & button, "released twice");
			down ^= *word == '+' || *word == '-' ? button : 0;
		}
		if (!end)
			continue;
		cr_assert(x == last_x / 2 && y == last_y / 2 && down == buttons && !open, "at the end %d,%d,%x, not %d,%d,%x", x, y, down,
			  last_x / 2, last_y / 2, buttons);
		cr_assert_eq(wheel, turned, "the wheel has turned by %d, not %d", wheel, turned);
	}
	rig_free(&r);
}

/* A hundred clicks on nobody: some are lost, in pairs. */
Test(virtio_input, bounded)
{
	struct rig r = rig_new(&dev_virtio_input, SLOT_TABLET);
	struct heard h = {0};
	unsigned presses = 0, releases = 0, wheels = 0;

	setup(&r, VERSION_1, 0);
	feed(&r, 3);
	point(&r, 0, 0, 0, 0);
	for (unsigned i = 0; i < 1000; i++)
		point(&r, 0, 0, 0x7fff, i & 1 ? 0 : LEFT);
	hear(&r, &h, true);
	for (const char *word = strtok(h.words, " "); word; word = strtok(NULL, " ")) {
		presses += !strcmp(word, "+110");
		releases += !strcmp(word, "-110");
		wheels += !strcmp(word, "w-32767");
	}
	cr_expect_eq(presses, releases);
	cr_expect(presses >= 30 && presses < 40, "%u clicks", presses);
	cr_expect_eq(wheels, presses + releases);
	rig_free(&r);
}

Test(virtio_input, broken_rings)
{
	static const u32 bad[][2] = {{7, WRITE}, {8, 0}, {0, WRITE}, {8, WRITE | NEXT}, {8, WRITE}};
	struct rig r = rig_new(&dev_virtio_input, SLOT_TABLET);

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		setup(&r, VERSION_1, 0);
		desc(&r, 0, i == 4 ? FAKE_RAM : DATA, bad[i][0], (u16)bad[i][1], 0);
		offer(&r, 0);
		kick(&r, 0);
		cr_expect_not(point(&r, 2, 4, 0, LEFT), "buffer %u", i);
		cr_expect_eq(status(&r) & NEEDS_RESET, NEEDS_RESET, "buffer %u", i);
		cr_expect_eq(used(&r), 0);
	}
	rig_free(&r);
}

Test(virtio_input, status_is_taken)
{
	struct rig r = rig_new(&dev_virtio_input, SLOT_TABLET);

	setup(&r, VERSION_1, 1);
	for (unsigned i = 0; i < SIZE; i++) {
		desc(&r, i, DATA, 8, 0, 0);
		offer(&r, (u16)i);
	}
	kick(&r, 1);
	cr_expect_eq(used(&r), SIZE);
	cr_expect_eq(used_len(&r, 0), 0);
	cr_expect(interrupted(&r));
	cr_expect_not(point(&r, 1, 1, 0, 0), "that queue is not for events");
	rig_free(&r);
}
