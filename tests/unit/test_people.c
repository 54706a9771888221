// uses: vmx dev cpu disk api lib -ljansson -lsystemd -lseccomp
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_people.c - those who talk to a machine's process: viewers of its screen and controllers, well behaved and not.
 */
#include "toys.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "lib/sock.h"
#include "temporary.h"
#include "vmx/viewers.h"

static struct vmx x;
static char keys[256];	 /* what reached the keyboard, in words */
static unsigned drawings;
static bool changing; /* each drawing differs */
static u64 again; /* what refresh() returns */

static void take_key(struct device *d, u8 code, bool down)
{
	(void)d;
	size_t used = strlen(keys);
	snprintf(keys + used, sizeof(keys) - used, "%02x%c ", code, down ? '+' : '-');
}

static void take_move(struct device *d, int dx, int dy, int wheel, unsigned buttons)
{
	(void)d;
	size_t used = strlen(keys);
	snprintf(keys + used, sizeof(keys) - used, "%d,%d,%d,%x ", dx, dy, wheel, buttons);
}

static bool wanted[2]; /* positions, by the first and the second device that takes some */
static struct device other_pointer = {.id = 9};

static bool take_place(struct device *d, u16 across, u16 down, int wheel, int tilt, unsigned buttons)
{
	bool later = d == &other_pointer;
	size_t used = strlen(keys);

	if (!wanted[later])
		return false;
	snprintf(keys + used, sizeof(keys) - used, "%c%x,%x,%d,%d,%x ", later ? 'b' : 'a', across, down, wheel, tilt, buttons);
	return true;
}

static u64 refresh(struct device *d)
{
	drawings++;
	if (changing)
		atomic_fetch_add(&dev_screen(d)->sequence, 2);
	return again;
}

static char folder[TEMPORARY_PATH];

static char *socket_path(void)
{
	return xasprintf("%s/control", folder);
}

static const struct screen_who somebody = {"susie", "192.0.2.7", false};

static void open_house(void)
{
	struct error err;
	temporary_folder(folder);
	char *path = socket_path();

	log_threshold(LOG_LEVEL_ERROR);
	make_machine("memsize = \"4\"\n", &fake_engine);
	x = (struct vmx){.machine = machine, .name = "test", .world = 101, .statm_fd = open("/proc/self/statm", O_RDONLY)};
	cr_assert_geq(sd_event_new(&x.loop), 0);
	cr_assert_eq(screen_init(&x, &err), 0);
	int fd = sock_listen(path, SOCK_SEQPACKET, 0600, &err);
	cr_assert_geq(fd, 0, "%s", err.text);
	cr_assert_eq(control_init(&x, fd, &err), 0);
	free(path);
	dev_offer_keyboard(machine->devices[0], take_key);
	dev_offer_pointer(machine->devices[0], take_move);
	dev_offer_display(machine->devices[0], refresh);
	machine->state = MACHINE_ON;
	keys[0] = 0;
	again = 0;
}

static void close_house(void)
{
	screen_free(&x);
	control_free(&x);
	sd_event_unref(x.loop);
	cr_expect_eq(temporary_remove(folder), 0);
	finish();
}

TestSuite(people, .init = open_house, .fini = close_house, .timeout = 600);

/* Lets vmx's loop do what it has to do. */
static void serve(unsigned ms)
{
	u64 end = now_monotonic() + ms * 1000000ull;

	/* A busy host may let the time pass at once: some rounds at least. */
	for (unsigned rounds = 0; rounds < 20 || now_monotonic() < end; rounds++) {
		eventfd_t woken;
		if (!eventfd_read(machine->wake_fd, &woken))
			screen_woken(&x);
		sd_event_run(x.loop, 1000);
	}
}

/* Serves until a condition holds; the limit is only for what hangs. */
#define serve_until(cond)                                                                 \
	do {                                                                              \
		for (u64 end_ = now_monotonic() + 150 * NSEC_PER_SEC; !(cond) && now_monotonic() < end_;) \
			serve(5);                                                         \
		cr_expect(cond, "never: %s", #cond);                                      \
	} while (0)

/* ---- viewers ---- */

static int view(bool view_only)
{
	struct error err;
	struct screen_message msg;
	int memfd = -1, fd = screen_attach(&x, view_only, &somebody, &err);
	unsigned n = 1;

	cr_assert_geq(fd, 0, "%s", err.text);
	cr_assert_geq(sock_recv(fd, &msg, sizeof(msg), &memfd, &n), 4);
	cr_assert(n == 1 && msg.type == SCREEN_HELLO);
	close(memfd);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void tell(int fd, struct screen_message msg, size_t bytes)
{
	cr_assert_geq(sock_send(fd, &msg, 4 + bytes, NULL, 0), 0);
}

static void tell_key(int fd, u8 code, bool down)
{
	tell(fd, (struct screen_message){.type = SCREEN_KEY, .key = {code, down}}, 2);
}

/* The type of the next message, 0 when there is none. */
static unsigned hear(int fd, struct screen_message *msg)
{
	return recv(fd, msg, sizeof(*msg), MSG_DONTWAIT) >= 4 ? msg->type : 0;
}

Test(people, the_screen_is_shared_for_reading_only)
{
	struct error err;
	struct screen_message msg;
	int memfd = -1, fd = screen_attach(&x, true, &somebody, &err);
	unsigned n = 1;

	cr_assert_geq(sock_recv(fd, &msg, sizeof(msg), &memfd, &n), 4);
	void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, memfd, 0);
	cr_assert_neq(page, MAP_FAILED);
	cr_expect_eq(((struct screen_page *)page)->magic, SCREEN_MAGIC);
	cr_expect_str_eq(((struct screen_page *)page)->title, "test");
	cr_expect_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0), MAP_FAILED);
	cr_expect_neq(ftruncate(memfd, 0), 0);
	close(fd);
	close(memfd);
}

Test(people, viewers_are_told_once_for_each_ready)
{
	struct screen_message msg;
	int fd = view(true);

	serve(100);
	cr_expect_eq(drawings, 0, "nobody asked");
	tell(fd, (struct screen_message){.type = SCREEN_READY}, 0);
	serve(100);
	cr_expect_eq(hear(fd, &msg), SCREEN_CHANGED, "the first READY is answered at once");
	tell(fd, (struct screen_message){.type = SCREEN_READY}, 0);
	serve(200);
	cr_expect_eq(hear(fd, &msg), 0, "nothing has changed");
	changing = true;
	dev_display_changed(machine->devices[0]);
	serve(200);
	cr_expect_eq(hear(fd, &msg), SCREEN_CHANGED);
	unsigned before = drawings;
	dev_display_changed(machine->devices[0]);
	serve(200);
	cr_expect_eq(hear(fd, &msg), 0);
	cr_expect_eq(drawings, before, "told, and not ready again: not drawn");
	changing = false;
	tell(fd, (struct screen_message){.type = SCREEN_REFRESH}, 0);
	serve(100);
	cr_expect_eq(hear(fd, &msg), SCREEN_CHANGED, "a refresh is answered without a change");
	close(fd);
}

Test(people, a_screen_nothing_is_written_to_is_not_drawn)
{
	struct screen_message msg;
	int fd = view(true);

	tell(fd, (struct screen_message){.type = SCREEN_READY}, 0);
	serve(100);
	cr_assert_eq(hear(fd, &msg), SCREEN_CHANGED);
	tell(fd, (struct screen_message){.type = SCREEN_READY}, 0);
	serve(100); /* what had been written before the first drawing */
	unsigned before = drawings;
	serve(300);
	cr_expect_eq(drawings, before);
	dev_display_changed(machine->devices[0]);
	serve(100);
	cr_expect_eq(drawings, before + 1, "drawn once though nothing differs");
	cr_expect_eq(hear(fd, &msg), 0);
	again = NSEC_PER_SEC / 100;
	dev_display_changed(machine->devices[0]);
	serve_until(drawings >= before + 4); /* it changes by itself */
	close(fd);
}

Test(people, drawing_is_limited)
{
	int fd = view(true);
	struct screen_message msg;
	u64 begun = now_monotonic(), end = begun + NSEC_PER_SEC / 2;

	changing = true;
	while (now_monotonic() < end || drawings < 2) {
		dev_display_changed(machine->devices[0]);
		tell(fd, (struct screen_message){.type = SCREEN_READY}, 0);
		serve(1);
		hear(fd, &msg);
	}
	u64 frames = (now_monotonic() - begun) * 60 / NSEC_PER_SEC + 2;
	cr_expect_leq(drawings, frames, "%u drawings", drawings);
	close(fd);
}

Test(people, keys_are_released_when_a_viewer_goes)
{
	int fd = view(false);

	tell_key(fd, 0x1d, true);
	tell_key(fd, 0x9d, true);
	tell_key(fd, 0x1e, true);
	tell_key(fd, 0x1e, false);
	tell(fd, (struct screen_message){.type = SCREEN_POINTER, .pointer = {3, -4, 1, 0xffff}}, sizeof(((struct screen_message *)0)->pointer));
	serve(50);
	cr_expect_str_eq(keys, "1d+ 9d+ 1e+ 1e- 3,-4,1,7 ");
	keys[0] = 0;
	close(fd);
	serve(50);
	cr_expect_str_eq(keys, "1d- 9d- 0,0,0,0 ");
	cr_expect_eq(screen_viewers(&x), 0);
}

static void tell_pointer(int fd, bool placed, u16 buttons)
{
	struct screen_message msg = {.type = SCREEN_POINTER, .pointer = {3, -4, 1, buttons, 0x1234, 0xffff, placed, -1}};

	tell(fd, msg, sizeof(msg.pointer));
	serve(20);
}

static void expect_heard(const char *words)
{
	cr_expect_str_eq(keys, words);
	keys[0] = 0;
}

Test(people, the_pointer_goes_to_whom_the_guest_wants)
{
	int fd = view(false);

	other_pointer.machine = machine;
	dev_offer_absolute_pointer(machine->devices[2], take_place);
	dev_offer_absolute_pointer(&other_pointer, take_place);
	wanted[0] = wanted[1] = false;
	tell_pointer(fd, true, 0);
	expect_heard("3,-4,1,0 ");
	wanted[1] = true;
	tell_pointer(fd, true, 0);
	expect_heard("b1234,ffff,1,-1,0 ");
	tell_pointer(fd, false, 0);
	expect_heard("3,-4,1,0 ");
	wanted[0] = true;
	tell_pointer(fd, true, 9);
	expect_heard("a1234,ffff,1,-1,9 ");
	wanted[0] = false; /* who had a button down is told that it is up, if he still listens */
	tell_pointer(fd, true, 1);
	expect_heard("b1234,ffff,1,-1,1 ");
	wanted[0] = true;
	tell_pointer(fd, true, 1);
	expect_heard("a1234,ffff,1,-1,1 b1234,ffff,0,0,0 ");
	wanted[0] = wanted[1] = false;
	tell_pointer(fd, true, 1);
	tell_pointer(fd, true, 1);
	expect_heard("3,-4,1,1 3,-4,1,1 ");
	wanted[1] = true;
	tell_pointer(fd, true, 1);
	expect_heard("b1234,ffff,1,-1,1 0,0,0,0 ");
	close(fd);
	serve(50);
	expect_heard("b1234,ffff,0,0,0 ");
}

Test(people, a_button_is_down_while_anybody_holds_it)
{
	int one = view(false), two = view(false), looks = view(true);

	tell_pointer(one, false, 1);
	tell_pointer(two, false, 0);
	tell_pointer(two, false, 2);
	tell_pointer(looks, false, 4);
	expect_heard("3,-4,1,1 3,-4,1,1 3,-4,1,3 ");
	close(one);
	serve(50);
	expect_heard("0,0,0,2 ");
	tell_pointer(two, false, 0);
	expect_heard("3,-4,1,0 ");
	close(two);
	close(looks);
}

static void nothing_to_do(struct vmx *, void *, int, const struct error *)
{
}

/* The tablet writes to the guest's memory, which is on its way into the file. */
Test(people, the_pointer_stands_still_while_the_machine_is_suspended)
{
	int fd = view(false);

	dev_offer_absolute_pointer(machine->devices[2], take_place);
	wanted[0] = true;
	tell_pointer(fd, true, 1);
	expect_heard("a1234,ffff,1,-1,1 ");
	x.suspend.done = nothing_to_do;
	tell_pointer(fd, true, 3);
	expect_heard("");
	x.suspend.done = NULL;
	tell_pointer(fd, true, 2);
	expect_heard("a1234,ffff,1,-1,2 ");
	close(fd);
	serve(50);
}

/* Whoever leaves with a button down moves nothing: another may be dragging. */
Test(people, the_pointer_stays_where_it_was_put_last)
{
	struct screen_message far = {.type = SCREEN_POINTER, .pointer = {.buttons = 1, .x = 7, .y = 8, .placed = 1}};
	int one = view(false), two = view(false);

	dev_offer_absolute_pointer(machine->devices[2], take_place);
	wanted[0] = true;
	tell_pointer(one, true, 2);
	/* As front ends of before there was a tilt say it. */
	tell(two, far, sizeof(far.pointer) - sizeof(far.pointer.tilt));
	serve(20);
	expect_heard("a1234,ffff,1,-1,2 a7,8,0,0,3 ");
	close(one);
	serve(50);
	expect_heard("a7,8,0,0,1 ");
	/* Steps of a viewer that knows no position go to the mouse; the tablet's button goes up where it is. */
	tell_pointer(two, false, 1);
	expect_heard("3,-4,1,1 a7,8,0,0,0 ");
	close(two);
	serve(50);
	expect_heard("0,0,0,0 ");
}

Test(people, who_may_only_look_cannot_type)
{
	int fd = view(true);

	tell_key(fd, 0x1d, true);
	tell(fd, (struct screen_message){.type = SCREEN_SERIAL_IN, .length = 1, .bytes = "x"}, 1);
	serve(50);
	cr_expect_str_eq(keys, "");
	cr_expect_eq(machine->serial[0].in_count, 0);
	close(fd);
}

Test(people, nonsense_is_ignored)
{
	static const struct {
		u8 bytes[8];
		size_t len;
	} junk[] = {
		{{0}, 1}, {{35}, 2}, {{35, 0, 0xff, 0xff, 1}, 5}, {{33, 0, 0, 0, 1}, 5}, {{34, 0, 0, 0}, 4}, {{36, 0, 0, 0, 1, 200}, 6},
		{{0xff, 0xff, 0xff, 0xff}, 4},
	};
	int fd = view(false);

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++)
		cr_assert_geq(send(fd, junk[i].bytes, junk[i].len, 0), 0);
	serve(50);
	cr_expect_eq(screen_viewers(&x), 1);
	tell_key(fd, 0x1e, true);
	serve(50);
	cr_expect_str_eq(keys, "1e+ ");
	close(fd);
}

Test(people, serial_output_reaches_the_line_that_was_asked_for)
{
	struct screen_message msg;
	int fd = view(true);

	screen_serial_out(&x, 1, (const u8 *)"early", 5);
	tell(fd, (struct screen_message){.type = SCREEN_SERIAL_ON, .serial = {1, 1}}, 2);
	serve(50);
	screen_serial_out(&x, 0, (const u8 *)"other", 5);
	screen_serial_out(&x, 1, (const u8 *)"mine", 4);
	serve(50);
	cr_expect_eq(hear(fd, &msg), SCREEN_SERIAL);
	cr_expect(msg.length == 4 && !memcmp(msg.bytes, "mine", 4));
	close(fd);
}

Test(people, a_viewer_that_does_not_read_loses_output_but_not_the_machine)
{
	static u8 flood[SERIAL_OUT_BYTES];
	struct screen_message msg;
	int fd = view(true);
	size_t got = 0;

	tell(fd, (struct screen_message){.type = SCREEN_SERIAL_ON, .serial = {1, 0}}, 2);
	serve(50);
	for (unsigned i = 0; i < 64; i++)
		screen_serial_out(&x, 0, flood, sizeof(flood));
	tell(fd, (struct screen_message){.type = SCREEN_READY}, 0);
	serve(100);
	cr_expect_eq(screen_viewers(&x), 1, "it is slow, not gone");
	for (unsigned i = 0; i < 50; i++) {
		while (hear(fd, &msg))
			got += msg.type == SCREEN_SERIAL ? msg.length : 0;
		serve(5);
	}
	cr_expect(got >= 64 * KIB && got < 64 * sizeof(flood), "%zu bytes", got);
	close(fd);
}

Test(people, serial_input_waits_for_room)
{
	struct screen_message msg = {.type = SCREEN_SERIAL_IN, .length = 1000};
	int fd = view(false);
	struct toy *t = toy("first");

	memset(msg.bytes, 'a', sizeof(msg.bytes));
	for (unsigned i = 0; i < 6; i++)
		tell(fd, msg, 1000);
	serve(50);
	cr_expect_eq(machine->serial[0].in_count, 4000);
	t->room = 63;
	serial_retry(machine);
	cr_expect_eq(strlen(t->got), 63);
	memset(t->got, 0, sizeof(t->got));
	machine->serial[0].in_count = 0; /* the guest has read it all */
	screen_serial_room(&x);
	serve(50);
	cr_expect_eq(machine->serial[0].in_count, 2000, "the rest follows, nothing is lost");
	close(fd);
}

/* ---- who is let in ---- */

static const struct screen_who susie = {"susie", "192.0.2.7", false}, peter = {"peter", "192.0.2.9", false};
static const struct screen_who susie_briefly = {"susie", "", true}, peter_briefly = {"peter", "", true};
static struct error refusal;

static void sharing(const char *how)
{
	cr_assert_eq(config_set((struct config *)machine->config, "console.sharing", how, &refusal), 0);
}

static int come(const struct screen_who *who, bool view_only)
{
	int fd = screen_attach(&x, view_only, who, &refusal);
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void leave(int fd)
{
	close(fd);
	serve(20);
}

static void tell_answer(int fd, u32 question, bool let_in)
{
	struct screen_message msg = {.type = SCREEN_ANSWER};
	msg.answer.question = question;
	msg.answer.let_in = let_in;
	tell(fd, msg, sizeof(msg.answer));
	serve(20);
}

/* The question that `fd` hears next. */
static struct screen_message asked(int fd)
{
	struct screen_message msg;
	cr_assert_eq(hear(fd, &msg), SCREEN_ASK);
	return msg;
}

Test(people, an_exclusive_console_has_one_viewer)
{
	sharing("exclusive");
	int earlier = come(&susie, true);
	cr_assert_geq(earlier, 0);
	cr_expect_eq(come(&peter, true), -EBUSY);
	cr_expect(strstr(refusal.text, "susie from 192.0.2.7 ") && strstr(refusal.text, " since 20") && strstr(refusal.text, "console.sharing"), "%s",
		  refusal.text);
	cr_expect_eq(come(&susie, false), -EBUSY, "not even the same user's");
	cr_expect_eq(come(&peter_briefly, true), -EBUSY, "nor for a moment");
	int picture = come(&susie_briefly, true);
	cr_expect_geq(picture, 0, "but the same user's look");
	leave(earlier);
	cr_expect_eq(come(&peter, false), -EBUSY, "which counts");
	leave(picture);
	int next = come(&peter, false);
	cr_expect_geq(next, 0);
	leave(next);
}

Test(people, the_one_inside_lets_in_or_refuses)
{
	struct screen_message msg;
	sharing("ask");
	int inside = come(&susie, false), newcomer = come(&peter, true);
	cr_expect_eq(hear(inside, &msg), SCREEN_HELLO);
	cr_expect_eq(hear(newcomer, &msg), SCREEN_WAIT);
	cr_expect(strstr((char *)msg.bytes, "susie from 192.0.2.7"));
	cr_expect_eq(hear(newcomer, &msg), 0, "no screen before he is in");
	cr_expect_eq(screen_viewers(&x), 1);
	json_t *list = screen_list(&x);
	cr_expect(json_is_false(json_object_get(json_array_get(list, 0), "waits")) && json_is_true(json_object_get(json_array_get(list, 1), "waits")));
	json_decref(list);
	msg = asked(inside);
	cr_expect(msg.ask.seconds == SCREEN_WAIT_SECONDS && strstr(msg.ask.text, "peter from 192.0.2.9 wants to look"), "%s", msg.ask.text);
	u32 question = msg.ask.question;
	tell_answer(inside, question, true);
	cr_expect_eq(hear(newcomer, &msg), SCREEN_HELLO);
	msg = asked(inside);
	cr_expect(msg.ask.question == question && msg.ask.seconds == 0, "it is settled");
	cr_expect_eq(screen_viewers(&x), 2);
	tell_answer(inside, question, false);
	cr_expect_eq(screen_viewers(&x), 2, "too late");
	leave(newcomer);

	newcomer = come(&peter, false);
	tell_answer(inside, asked(inside).ask.question, false);
	cr_expect_eq(hear(newcomer, &msg), SCREEN_WAIT);
	cr_expect_eq(hear(newcomer, &msg), SCREEN_REMOVED);
	cr_expect(strstr((char *)msg.bytes, "susie has not let you in"));
	cr_expect_eq(hear(newcomer, &msg), 0);
	cr_expect_eq(asked(inside).ask.seconds, 0);
	close(newcomer);
	cr_expect_eq(come(&peter, false), -EBUSY, "he may not ask again at once");
	cr_expect(strstr(refusal.text, "ask again in"), "%s", refusal.text);
	x.screen.refused[0].until = now_monotonic();
	newcomer = come(&peter, false);
	cr_expect_eq(hear(newcomer, &msg), SCREEN_WAIT, "but later");
	leave(newcomer);
	leave(inside);
}

Test(people, nobody_answers_for_another)
{
	struct screen_message msg;
	sharing("ask");
	int looks = come(&peter, true), types = come(&susie, false);
	cr_expect_eq(hear(types, &msg), SCREEN_HELLO, "who only looks is not asked");
	int one = come(&peter, false), two = come(&peter, false);
	u32 about_one = asked(types).ask.question, about_two = asked(types).ask.question;
	tell_key(one, 0x1e, true);
	tell(one, (struct screen_message){.type = SCREEN_REFRESH}, 0);
	tell_answer(one, about_one, true);
	tell_answer(one, about_two, true);
	tell_answer(looks, about_one, true);
	tell_answer(types, 12345, true);
	cr_expect_eq(screen_viewers(&x), 2);
	cr_expect_str_eq(keys, "", "who waits types nothing");
	cr_expect_eq(come(&peter, false), -EBUSY, "nor waits in crowds");
	cr_expect(strstr(refusal.text, "too many wait"), "%s", refusal.text);
	int other = come(&susie_briefly, true);
	cr_expect_eq(hear(other, &msg), SCREEN_HELLO, "a short look of the one inside's need not be asked for");
	tell_answer(other, about_one, true);
	cr_expect_eq(screen_viewers(&x), 3);
	leave(other);
	leave(one); /* he gives up */
	cr_expect(asked(types).ask.question == about_one);
	tell_answer(types, about_two, true);
	cr_expect_eq(hear(two, &msg), SCREEN_WAIT);
	cr_expect_eq(hear(two, &msg), SCREEN_HELLO);
	leave(two);
	leave(looks);
	leave(types);
}

Test(people, who_never_answers_stalls_nobody)
{
	static const struct screen_who third = {"mary", "", false};
	struct screen_message msg;
	sharing("ask");
	int inside = come(&susie, false), newcomer = come(&peter, false), another = come(&third, false);
	cr_expect_eq(hear(newcomer, &msg), SCREEN_WAIT);
	cr_expect_eq(hear(another, &msg), SCREEN_WAIT);
	uint64_t at, now = now_monotonic() / 1000;
	sd_event_source_get_time(x.screen.viewers[1]->deadline, &at);
	cr_expect(at <= now + SCREEN_WAIT_SECONDS * 1000000ull && at > now, "there is an end to it");
	sd_event_source_set_time(x.screen.viewers[1]->deadline, now);
	serve(50);
	cr_expect_eq(hear(newcomer, &msg), SCREEN_HELLO);
	cr_expect_eq(hear(another, &msg), 0);
	msg = asked(newcomer);
	cr_expect(strstr(msg.ask.text, "mary") && msg.ask.seconds > 0, "who came in is asked, too");
	leave(inside);
	cr_expect_eq(hear(another, &msg), 0);
	leave(newcomer);
	cr_expect_eq(hear(another, &msg), SCREEN_HELLO, "nobody is left to ask");
	leave(another);
	cr_expect_eq(screen_viewers(&x), 0);
}

/* ---- controllers ---- */

static int control(void)
{
	struct error err;
	char *path = socket_path();
	int fd = sock_connect(path, SOCK_SEQPACKET | SOCK_NONBLOCK, &err);

	cr_assert_geq(fd, 0, "%s", err.text);
	free(path);
	serve(20);
	return fd;
}

static json_t *ask_raw(int fd, const char *text, size_t len, int *passed)
{
	static char answer[16384];
	unsigned n = 1;
	int received = -1;

	cr_assert_geq(sock_send(fd, text, len, NULL, 0), 0);
	serve(30);
	ssize_t got = sock_recv(fd, answer, sizeof(answer), &received, &n);
	cr_assert_gt(got, 0, "no answer to %s", text);
	if (passed)
		*passed = n ? received : -1;
	return json_loadb(answer, (size_t)got, 0, NULL);
}

static json_t *ask(int fd, const char *text)
{
	return ask_raw(fd, text, strlen(text), NULL);
}

Test(people, status_tells_what_is_known)
{
	int fd = control();
	json_t *a = ask(fd, "{\"cmd\":\"status\"}");

	cr_expect(json_is_true(json_object_get(a, "ok")));
	cr_expect_str_eq(json_string_value(json_object_get(a, "state")), "on");
	cr_expect_str_eq(json_string_value(json_object_get(a, "engine")), "fake");
	cr_expect_eq(json_integer_value(json_object_get(a, "world")), 101);
	cr_expect_eq(json_integer_value(json_object_get(a, "guest_memory_mb")), 4);
	cr_expect_eq(json_integer_value(json_object_get(a, "pid")), getpid());
	cr_expect_gt(json_integer_value(json_object_get(a, "memory_kb")), 100);
	json_decref(a);
	close(fd);
}

Test(people, bad_commands_are_answered_with_a_sentence)
{
	static const char *const bad[] = {"", "{", "[]", "null", "\"x\"", "{\"cmd\":1}", "{\"cmd\":\"fly\"}", "{\"cmd\":\"stop\"}",
					  "{\"cmd\":\"stop\",\"mode\":\"gently\"}", "\xff\xfe", "{\"cmd\":\"stop\",\"mode\":\"soft\"}"};
	int fd = control();

	for (size_t i = 1; i < ARRAY_SIZE(bad); i++) {
		json_t *a = ask(fd, bad[i]);
		cr_expect(json_is_false(json_object_get(a, "ok")), "%s", bad[i]);
		cr_expect_gt(json_integer_value(json_object_get(a, "errno")), 0);
		cr_expect_gt(strlen(json_string_value(json_object_get(a, "error"))), 5);
		json_decref(a);
	}
	cr_expect_not(machine->power_off_wanted);
	close(fd);
}

Test(people, deep_and_long_packets_do_no_harm)
{
	static char deep[16384];
	int fd = control();

	memset(deep, '[', sizeof(deep));
	json_t *a = ask_raw(fd, deep, sizeof(deep), NULL);
	cr_expect(json_is_false(json_object_get(a, "ok")));
	json_decref(a);
	close(fd);
}

Test(people, stop_and_reset)
{
	int fd = control();

	json_decref(ask(fd, "{\"cmd\":\"reset\"}"));
	cr_expect(machine->reset_wanted);
	json_decref(ask(fd, "{\"cmd\":\"stop\",\"mode\":\"hard\"}"));
	cr_expect(machine->power_off_wanted);
	json_t *a = ask(fd, "{\"cmd\":\"status\"}");
	cr_expect_str_eq(json_string_value(json_object_get(a, "state")), "stopping");
	json_decref(a);
	close(fd);
}

static bool pressed, listens;

static bool press(struct device *d)
{
	(void)d;
	pressed = true;
	return listens;
}

Test(people, soft_stop_presses_the_button)
{
	int fd = control();

	dev_offer_power_button(machine->devices[0], press);
	json_t *a = ask(fd, "{\"cmd\":\"stop\",\"mode\":\"soft\"}");
	cr_expect(pressed && json_is_false(json_object_get(a, "ok")), "the guest does not listen");
	json_decref(a);
	listens = true;
	a = ask(fd, "{\"cmd\":\"stop\",\"mode\":\"trysoft\"}");
	cr_expect(json_is_true(json_object_get(a, "ok")));
	cr_expect_not(machine->power_off_wanted, "it has time");
	json_decref(a);
	listens = false;
	json_decref(ask(fd, "{\"cmd\":\"stop\",\"mode\":\"trysoft\"}"));
	cr_expect(machine->power_off_wanted, "a deaf guest is stopped at once");
	close(fd);
}

Test(people, attach_hands_over_a_viewer_that_only_looks_unless_said)
{
	struct screen_message msg;
	static const char *const commands[] = {"{\"cmd\":\"attach\"}", "{\"cmd\":\"attach\",\"view_only\":false}"};
	int fd = control();

	for (unsigned i = 0; i < 2; i++) {
		int viewer = -1;
		json_decref(ask_raw(fd, commands[i], strlen(commands[i]), &viewer));
		cr_assert_geq(viewer, 0);
		cr_expect_eq(hear(viewer, &msg), SCREEN_HELLO);
		tell_key(viewer, 0x1e, true);
		serve(30);
		cr_expect_str_eq(keys, i ? "1e+ " : "");
		close(viewer);
	}
	close(fd);
}

Test(people, a_controller_that_does_not_read_is_dropped)
{
	int fd = control(), other = control();

	for (unsigned i = 0; i < 300000 /* more than any host keeps of them */ && sock_send(fd, "{\"cmd\":\"status\"}", 16, NULL, 0) >= 0; i++)
		serve(0);
	serve(50);
	cr_expect_null(x.controllers[0]);
	json_t *a = ask(other, "{\"cmd\":\"status\"}");
	cr_expect(json_is_true(json_object_get(a, "ok")), "others are served");
	json_decref(a);
	control_event(&x, "reset", "the machine was reset");
	char text[256] = "";
	cr_expect_gt(sock_recv(other, text, sizeof(text) - 1, NULL, &(unsigned){0}), 0);
	cr_expect(strstr(text, "\"event\":\"reset\""), "%s", text);
	close(fd);
	close(other);
}
