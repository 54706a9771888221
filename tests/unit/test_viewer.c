// uses: api lib -ljansson -lxkbcommon
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The terminal side of a machine's screen: copies, cells, keys; against a page and a socket made here. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/viewer.h"
#include "lib/sock.h"
#include "lib/util.h"

static struct error err;
static struct screen_page *page;
static int vmx; /* the machine's end */
static struct viewer *viewer;

static void message_give(u16 type, const char *text, int fd)
{
	struct screen_message m = {.type = type, .length = (u16)strlen(text)};
	memcpy(m.bytes, text, m.length);
	cr_assert_gt(sock_send(vmx, &m, offsetof(struct screen_message, bytes) + m.length, &fd, fd >= 0), 0);
}

static int machine_make(size_t bytes, int seals)
{
	int pair[2], fd = memfd_create("page", MFD_ALLOW_SEALING);
	cr_assert_eq(ftruncate(fd, (off_t)bytes), 0);
	page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(page, MAP_FAILED);
	page->magic = SCREEN_MAGIC;
	if (seals)
		cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	cr_assert_eq(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &(int){65536}, sizeof(int)), 0); /* a host may give much more */
	vmx = pair[0];
	message_give(SCREEN_HELLO, "", fd);
	close(fd);
	return pair[1];
}

static void set_up(void)
{
	int fd = machine_make(SCREEN_BYTES, F_SEAL_SHRINK | F_SEAL_GROW);
	cr_assert_eq(viewer_open(fd, &viewer, &err), 0, "%s", err.text);
	page->mode = SCREEN_TEXT;
	page->columns = 80;
	page->rows = 25;
	page->width = 720;
	page->height = 400;
	page->stride = 720 * 4;
	page->cursor_x = 80;
	for (int k = 0; k < 80 * 25; k++)
		page->cells[k] = (struct screen_cell){' ', 7};
}

TestSuite(viewer, .init = set_up, .timeout = 600);

static void put(unsigned row, unsigned column, const char *text, u8 attribute)
{
	for (; *text; text++, column++)
		page->cells[row * page->columns + column] = (struct screen_cell){(u8)*text, attribute};
}

static struct viewer_screen *shot(bool pixels)
{
	static struct viewer_screen s;
	cr_assert_eq(viewer_snapshot(viewer, &s, pixels), 0);
	return &s;
}

Test(viewer, text_comes_out_as_written)
{
	put(0, 0, "grub>", 7);
	put(2, 4, "\xc9\xcd\xbb \x01", 0x1e);
	char *text = viewer_text(shot(false), false, 80), *ascii = viewer_text(shot(false), true, 80);
	cr_assert(str_starts(text, "grub>\n\n    ╔═╗ ☺\n\n"));
	cr_assert(str_starts(ascii, "grub>\n\n    +=+ @\n\n"));
	free(text);
	free(ascii);
}

Test(viewer, colours_and_cursor)
{
	struct viewer_cell cells[80 * 25];
	struct viewer_area area = {.columns = 80, .rows = 25};
	put(1, 1, "x", 0x9e);
	page->cursor_x = 3;
	page->cursor_y = 1;
	page->blink_background = 1;
	viewer_render(shot(false), &area, cells);
	cr_assert_eq(cells[81].character, 'x');
	cr_assert_eq(cells[81].ink, 14);
	cr_assert_eq(cells[81].paper, 1);
	cr_assert(cells[81].blink);
	cr_assert_eq(area.cursor_x, 3);
	cr_assert_eq(area.cursor_y, 1);
	page->blink_background = 0;
	viewer_render(shot(false), &area, cells);
	cr_assert_eq(cells[81].paper, 9);
	cr_assert(!cells[81].blink);
}

Test(viewer, a_smaller_area_leaves_out_the_blank_row)
{
	struct viewer_cell cells[80 * 24];
	struct viewer_area area = {.columns = 80, .rows = 24};
	put(0, 0, "first", 7);
	put(23, 0, "last but one", 7);
	viewer_render(shot(false), &area, cells);
	cr_assert_eq(cells[0].character, 'f', "row 24 is blank and goes");
	put(24, 0, "and another line", 7);
	viewer_render(shot(false), &area, cells);
	cr_assert_neq(cells[0].character, 'f', "the first row says least");
	cr_assert_eq(cells[23 * 80].character, 'a');
	page->cursor_x = page->cursor_y = 0;
	viewer_render(shot(false), &area, cells);
	cr_assert_eq(cells[0].character, 'f', "the cursor is always seen");
	area.pan = 5;
	viewer_render(shot(false), &area, cells);
	cr_assert_eq(cells[23 * 80].character, 'a', "panning goes as far as there is something");
}

Test(viewer, graphics_become_half_blocks)
{
	struct viewer_cell cells[16 * 4];
	struct viewer_area area = {.columns = 16, .rows = 4};
	page->mode = SCREEN_GRAPHICS;
	page->width = 320;
	page->height = 160;
	page->stride = 320 * 4;
	for (int y = 0; y < 160; y++)
		for (int x = 0; x < 320; x++)
			page->pixels[y * 320 + x] = y < 20 ? 0xff0000 : 0x0000ff;
	viewer_render(shot(true), &area, cells);
	cr_assert_eq(cells[0].character, 0x2580);
	cr_assert_eq(cells[0].foreground, 0xff0000);
	cr_assert_eq(cells[0].background, 0x0000ff);
	cr_assert_eq(cells[63].character, ' ');
	area.ascii = true;
	viewer_render(shot(true), &area, cells);
	for (int k = 0; k < 64; k++)
		cr_assert_lt(cells[k].character, 0x80);
}

Test(viewer, sizes_are_not_believed)
{
	static const u32 bad[] = {0, 1, 161, 2561, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff};
	struct viewer_cell cells[20 * 10];
	for (size_t i = 0; i < ARRAY_SIZE(bad) * 8; i++) {
		u32 value = bad[i / 8];
		page->mode = i & 1 ? SCREEN_TEXT : SCREEN_GRAPHICS;
		page->columns = i & 2 ? value : 80;
		page->rows = i & 4 ? value : 25;
		page->width = i & 2 ? value : 640;
		page->height = i & 4 ? value : 480;
		page->stride = value;
		page->cursor_x = page->cursor_y = value;
		struct viewer_area area = {.columns = 20, .rows = 10, .pan = (int)value};
		viewer_render(shot(true), &area, cells);
		cr_assert_lt(area.cursor_x, 20);
		free(viewer_text(shot(true), false, 40));
	}
}

Test(viewer, a_screen_being_drawn_is_not_waited_for_forever)
{
	static struct viewer_screen s;
	page->sequence = 1;
	cr_assert_eq(viewer_snapshot(viewer, &s, true), -EAGAIN);
	cr_assert_eq(s.columns, 80);
}

Test(viewer, a_page_that_could_shrink_is_refused)
{
	struct viewer *v;
	cr_assert_eq(viewer_open(machine_make(SCREEN_BYTES, 0), &v, &err), -EPROTO);
	cr_assert_eq(viewer_open(machine_make(8192, F_SEAL_SHRINK), &v, &err), -EPROTO);
	int fd = machine_make(SCREEN_BYTES, F_SEAL_SHRINK);
	page->magic++;
	cr_assert_eq(viewer_open(fd, &v, &err), -EPROTO);
}

static char heard[64];
static void serial(void *arg, const u8 *bytes, size_t len)
{
	(void)arg;
	strncat(heard, (const char *)bytes, len);
}

Test(viewer, messages)
{
	struct screen_message m;
	message_give(SCREEN_SERIAL, "log", -1);
	message_give(SCREEN_SERIAL, "in:", -1);
	message_give(SCREEN_CHANGED, "", -1);
	message_give(99, "what is this", -1);
	cr_assert_eq(viewer_receive(viewer, serial, NULL), VIEWER_CHANGED);
	cr_assert_str_eq(heard, "login:");
	/* Length says more than there is. */
	m = (struct screen_message){.type = SCREEN_SERIAL, .length = 1000, .bytes = "x"};
	cr_assert_gt(send(vmx, &m, offsetof(struct screen_message, bytes) + 1, 0), 0);
	cr_assert_eq(viewer_receive(viewer, serial, NULL), 0);
	cr_assert_str_eq(heard, "login:x");
	message_give(SCREEN_BYE, "off\x1b[2J", -1);
	cr_assert_eq(viewer_receive(viewer, serial, NULL), VIEWER_ENDED);
	cr_assert_str_eq(viewer_farewell(viewer), "off?[2J");
}

/* Whoever is sent away must not come back for want of having heard it. */
Test(viewer, the_last_word_is_heard_from_a_machine_that_reads_nothing)
{
	cr_assert_eq(viewer_ready(viewer), 0);
	message_give(SCREEN_REMOVED, "root has sent you away", -1);
	close(vmx);
	cr_assert_eq(viewer_receive(viewer, NULL, NULL), VIEWER_ENDED);
	cr_assert(viewer_was_removed(viewer));
	cr_assert_str_eq(viewer_farewell(viewer), "root has sent you away");
}

static const struct keymap *us(void)
{
	static struct keymap *map;
	if (!map)
		cr_assert_eq(keymap_open("us", &map, &err), 0, "%s", err.text);
	return map;
}

Test(viewer, a_chord_goes_down_and_up)
{
	static const u8 expected[][2] = {{0x1d, 1}, {0x38, 1}, {0xd3, 1}, {0xd3, 0}, {0x38, 0}, {0x1d, 0}};
	struct viewer_chord chord;
	cr_assert_eq(viewer_chord_parse(us(), "Ctrl-Alt-Del", &chord, &err), 0);
	cr_assert_eq(viewer_send_chord(viewer, &chord), 0);
	for (size_t k = 0; k < ARRAY_SIZE(expected); k++) {
		struct screen_message m;
		cr_assert_gt(recv(vmx, &m, sizeof(m), MSG_DONTWAIT), 0);
		cr_assert_eq(m.type, SCREEN_KEY);
		cr_assert_eq(m.key.code, expected[k][0]);
		cr_assert_eq(m.key.down, expected[k][1]);
	}
}

static void question_give(u32 number, u16 seconds, const char *text)
{
	struct screen_message m = {.type = SCREEN_ASK};
	m.ask.question = number;
	m.ask.seconds = seconds;
	memcpy(m.ask.text, text, strlen(text));
	m.length = (u16)(offsetof(struct screen_message, ask.text) - offsetof(struct screen_message, bytes) + strlen(text));
	cr_assert_gt(send(vmx, &m, offsetof(struct screen_message, bytes) + m.length, 0), 0);
	cr_assert_eq(viewer_receive(viewer, NULL, NULL), VIEWER_ASKED);
}

Test(viewer, questions)
{
	struct screen_message m;
	cr_assert_null(viewer_question(viewer));
	question_give(7, 15, "pe\x1bter wants in");
	question_give(8, 15, "mary");
	cr_assert_eq(viewer_question(viewer)->number, 7);
	cr_assert_str_eq(viewer_question(viewer)->text, "pe?ter wants in");
	cr_assert_eq(viewer_answer(viewer, 7, true), 0);
	cr_assert_gt(recv(vmx, &m, sizeof(m), MSG_DONTWAIT), 0);
	cr_assert(m.type == SCREEN_ANSWER && m.answer.question == 7 && m.answer.let_in == 1);
	cr_assert_eq(viewer_question(viewer)->number, 8);
	question_give(8, 0, "");
	cr_assert_null(viewer_question(viewer), "settled");
	for (u32 k = 0; k < 100; k++)
		question_give(k, 15, "a crowd");
	m = (struct screen_message){.type = SCREEN_ASK, .length = 3};
	cr_assert_gt(send(vmx, &m, 7, 0), 0);
	viewer_receive(viewer, NULL, NULL);
	cr_assert_eq(viewer_question(viewer)->number, 0);
}

Test(viewer, waiting_to_be_let_in)
{
	int pair[2];
	struct viewer *v;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	struct screen_message m = {.type = SCREEN_WAIT, .length = 5, .bytes = "susie"};
	cr_assert_gt(send(pair[0], &m, offsetof(struct screen_message, bytes) + 5, 0), 0);
	cr_assert_eq(viewer_knock(pair[1], &v, &err), 0);
	cr_assert_str_eq(viewer_waits(v), "susie");
	cr_assert_null(viewer_page(v));
	static struct viewer_screen s;
	cr_assert_eq(viewer_snapshot(v, &s, true), -ENOTCONN);
	cr_assert_eq(viewer_send_position(v, 1, 1, 0, 0, 0, 0, 0), -ENOTCONN);
	int fd = memfd_create("page", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	cr_assert_eq(ftruncate(fd, SCREEN_BYTES), 0);
	u32 magic = SCREEN_MAGIC;
	cr_assert_eq(pwrite(fd, &magic, sizeof(magic), 0), sizeof(magic));
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	m = (struct screen_message){.type = SCREEN_HELLO};
	cr_assert_gt(sock_send(pair[0], &m, offsetof(struct screen_message, bytes), &fd, 1), 0);
	cr_assert_eq(viewer_receive(v, NULL, NULL), VIEWER_INSIDE);
	cr_assert_null(viewer_waits(v));
	cr_assert_eq(viewer_snapshot(v, &s, true), 0);
	viewer_close(v);
	close(pair[0]);
	close(fd);
}

Test(viewer, a_machine_that_takes_nothing_is_not_waited_for_forever)
{
	static const char bytes[4096];
	int ret = 0;
	for (int k = 0; k < 1000 && !ret; k++)
		ret = viewer_send_serial(viewer, bytes, sizeof(bytes));
	cr_assert_eq(ret, -EAGAIN);
	close(vmx);
	cr_assert_lt(viewer_send_key(viewer, 1, true), 0);
	cr_assert_eq(viewer_receive(viewer, NULL, NULL), VIEWER_ENDED);
}

/* Codes as "1d 38 d3". */
static const char *codes(const struct viewer_chord *chord)
{
	static char text[64];
	char *to = text;
	*to = 0;
	for (int k = 0; k < chord->count; k++)
		to += sprintf(to, "%s%02x", k ? " " : "", chord->codes[k]);
	return text;
}

Test(keys, names)
{
	static const char *const cases[][2] = {
		{"enter", "1c"},    {"ENTER", "1c"},   {"f2", "3c"},	 {"f12", "58"},	   {"a", "1e"},	     {"A", "2a 1e"},
		{"ctrl-a", "1d 1e"}, {"ctrl-A", "1d 1e"}, {"ctrl--", "1d 0c"}, {"-", "0c"}, {"+", "2a 0d"}, {"ctrl+alt+f1", "1d 38 3b"},
		{"shift-tab", "2a 0f"}, {"~", "2a 29"}, {"up", "c8"}, {"ctrl-!", "1d 2a 02"}, {"pause", "c6"}, {"\\", "2b"},
	};
	static const char *const bad[] = {"", "ctrl-", "nokey", "ctrl-nokey", "f13", "\xc3\xa9", "ctrl-alt-shift-a-b-c-d-e",
					  "averyveryverylongname", "ctrl-alt-del-"};
	struct viewer_chord chord;
	for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
		cr_assert_eq(viewer_chord_parse(us(), cases[k][0], &chord, &err), 0, "%s: %s", cases[k][0], err.text);
		cr_assert_str_eq(codes(&chord), cases[k][1], "%s", cases[k][0]);
	}
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		cr_assert_eq(viewer_chord_parse(us(), bad[k], &chord, &err), -EINVAL, "%s", bad[k]);
	for (unsigned k = 0; viewer_key_name(k); k++)
		cr_assert_eq(viewer_chord_parse(us(), viewer_key_name(k), &chord, &err), 0, "%s", viewer_key_name(k));
}

Test(keys, every_ascii_character_has_a_key)
{
	struct viewer_chord chords[VIEWER_CHORDS_MAX];
	for (u32 c = ' '; c < 0x7f; c++)
		cr_assert_eq(viewer_chord_char(us(), c, false, chords), 1, "%c", (char)c);
	cr_assert_eq(viewer_chord_char(us(), 0xe9, false, chords), 0);
	cr_assert_eq(viewer_chord_char(us(), 1, false, chords), 0);
	cr_assert_eq(viewer_chord_char(NULL, 'a', false, chords), 0);
}

static char pressed[256];
static char raw[256];
static void press(void *arg, const struct viewer_press *p)
{
	(void)arg;
	sprintf(pressed + strlen(pressed), "%s%s", *pressed ? ", " : "", p->chord.count ? codes(&p->chord) : "-");
	strncat(raw, (const char *)p->raw, p->raw_length);
}

static const char *decoded(const char *bytes)
{
	struct viewer_input in = {.map = us()};
	pressed[0] = raw[0] = 0;
	/* One by one, as over a slow line. */
	for (const char *b = bytes; *b; b++)
		viewer_decode(&in, (const u8 *)b, 1, press, NULL);
	viewer_decode(&in, NULL, 0, press, NULL);
	cr_assert(!viewer_decode_pending(&in));
	cr_assert_str_eq(raw, bytes, "no byte is lost");
	return pressed;
}

Test(keys, terminals)
{
	static const char *const cases[][2] = {
		{"a", "1e"}, {"A", "2a 1e"}, {"\r", "1c"}, {"\t", "0f"}, {"\x7f", "0e"}, {"\x03", "1d 2e"}, {"\x1c", "1d 2b"},
		{"\x1b", "01"}, {"\x1bx", "38 2d"}, {"\x1b[", "38 1a"}, {"\x1b[A", "c8"}, {"\x1bOA", "c8"},
		{"\x1bOP", "3b"}, {"\x1b[[A", "3b"}, {"\x1b[11~", "3b"}, {"\x1b[15~", "3f"}, {"\x1b[24~", "58"}, {"\x1b[21~", "44"},
		{"\x1b[25~", "2a 3b"}, {"\x1b[3~", "d3"}, {"\x1b[1;5C", "1d cd"}, {"\x1b[1;2P", "2a 3b"}, {"\x1b[3;5~", "1d d3"},
		{"\x1b[Z", "2a 0f"}, {"\x1b\x1b[A", "38 c8"}, {"\x1b[5^", "1d c9"}, {"\x1b[27;5;9~", "1d 0f"}, {"\x1b[97;7u", "1d 38 1e"},
		{"\xc3\xa9", "-"}, {"\xff" "a", "-, 1e"}, {"\x1b[?1;2c", "-"}, {"\xc3" "a", "-, 1e"}, {"\x1b[200~", "-"},
		{"ls\r", "26, 1f, 1c"}, {"\x1b\x1bx", "38 01, 2d"},
	};
	for (size_t k = 0; k < ARRAY_SIZE(cases); k++)
		cr_assert_str_eq(decoded(cases[k][0]), cases[k][1], "case %zu: %s", k, pressed);
}

Test(keys, any_bytes)
{
	unsigned seed = 7;
	struct viewer_input in = {.map = us()};
	for (int k = 0; k < 200000; k++) {
		static const char likely_bytes[] = "\x1b[O;0123456789~uAZ$^";
		u8 byte = (u8)rand_r(&seed);
		if (byte & 0x80)
			byte = (u8)likely_bytes[byte % (sizeof(likely_bytes) - 1)];
		pressed[0] = raw[0] = 0;
		viewer_decode(&in, &byte, 1, press, NULL);
		if (k % 100 == 0)
			viewer_decode(&in, NULL, 0, press, NULL);
	}
}

struct escape_log {
	struct viewer_escape escape;
	char text[64];
};
static void escape_press(void *arg, const struct viewer_press *p)
{
	struct escape_log *log = arg;
	enum viewer_command command = 0;
	enum viewer_verdict verdict = viewer_escape(&log->escape, p, &command);
	char *to = log->text + strlen(log->text);
	if (verdict == VIEWER_COMMAND)
		sprintf(to, "C%d", command);
	else
		strcpy(to, verdict == VIEWER_PASS ? "p" : verdict == VIEWER_HELD ? "h" : "t");
}

Test(keys, the_way_back)
{
	static const char *const cases[][2] = {
		{"~.", "hC0"}, {"a~.", "ppp"}, {"a\r~.", "pphC0"}, {"~~.", "hpp"}, {"~a", "ht"}, {"~?q", "hhC0"}, {"ab\x1b[24~q", "pphC0"}, {"\x1b[24~y\x1b[24~n", "hC6hC7"},
		{"\x1b[24~c", "hC1"}, {"\x1b[24~\x1b[24~", "hp"}, {"\x1b[24~x~", "hhh"}, {"\x1b[24~s\r~.", "hC2phC0"},
		{"\x1b[24~\x1b[A\x1b[Bz", "hC3C4h"}, {"~\r~.", "hthC0"}, {"\x1b[A\x1b[B~.", "pphC0"}, {"a\x1b[A~.", "pppp"},
	};
	for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
		struct escape_log log = {0};
		struct viewer_input in = {.map = us()};
		viewer_decode(&in, (const u8 *)cases[k][0], strlen(cases[k][0]), escape_press, &log);
		cr_assert_str_eq(log.text, cases[k][1], "case %zu: %s", k, log.text);
	}
}

Test(keys, tables)
{
	char utf8[5] = "";
	for (unsigned c = 0; c < 256; c++) {
		u32 u = viewer_unicode((u8)c);
		char a = viewer_ascii((u8)c);
		cr_assert(u >= ' ' && u != 0x7f && (u < 0x80 || u >= 0xa0), "%02x", c);
		cr_assert(a >= ' ' && a < 0x7f, "%02x", c);
		utf8[viewer_utf8(u, utf8)] = 0;
	}
	cr_assert_eq(viewer_color_256(0xff0000), 196);
	cr_assert_eq(viewer_color_256(0x000000), 16);
	cr_assert_eq(viewer_color_256(0x808080), 244);
	cr_assert_eq(viewer_color_16(0x0000aa), 1);
	cr_assert_eq(viewer_color_16(0xfefefe), 15);
}
