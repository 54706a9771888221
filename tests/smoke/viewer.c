// uses: api lib -lpng -lxkbcommon
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * viewer.c - a machine's screen for tests: looks, types, waits, takes pictures.
 *
 *	viewer SOCKET|fd:N ACTION...
 *
 *	text              print the text screen
 *	key NAME          press and release keys: "enter", "f2", "ctrl-alt-del"
 *	type TEXT         type characters of a US keyboard; \n is Enter
 *	wait SECONDS TEXT succeed when the text is on the screen, fail (exit 1, screen on stderr) when it is not in time
 *	gone SECONDS TEXT the opposite: wait until it is no longer there
 *	graphics SECONDS  wait for a graphics mode
 *	off SECONDS       wait for the machine's farewell
 *	sleep SECONDS     let the guest go on
 *	move DX DY        move the pointer; button N: press and release
 *	png FILE          save what is on the screen
 *	serial SECONDS TEXT  wait for TEXT from serial line 0 (listening begins with the first such action)
 *	say TEXT          send TEXT to serial line 0
 *
 * SOCKET is vmk-vmx's --screen-socket; it is tried for ten seconds. Exit status: 0, 1 (not seen), 2 (misuse, no machine).
 */
#include <errno.h>
#include <poll.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/viewer.h"
#include "lib/sock.h"
#include "lib/util.h"

#define CONNECT_SECONDS 10
#define KEY_GAP_NS (20 * 1000 * 1000)
#define SERIAL_KEPT 65536

static struct viewer *viewer;
static struct keymap *map; /* the US one */
static struct viewer_screen screen;
static char serial[SERIAL_KEPT + 1];
static size_t serial_len;
static bool ended;

NORETURN static void misuse(const char *what)
{
	fprintf(stderr, "viewer: %s\n", what);
	exit(2);
}

static void take_serial(void *arg, const u8 *bytes, size_t len)
{
	(void)arg;
	for (size_t i = 0; i < len; i++) {
		if (serial_len == SERIAL_KEPT) {
			memmove(serial, serial + SERIAL_KEPT / 2, SERIAL_KEPT / 2);
			serial_len = SERIAL_KEPT / 2;
		}
		serial[serial_len++] = bytes[i] ? (char)bytes[i] : ' ';
	}
	serial[serial_len] = 0;
}

/* Waits up to `ns` for a message and takes all that came. */
static unsigned pump(u64 ns)
{
	struct pollfd p = {viewer_fd(viewer), POLLIN, 0};
	struct timespec ts = {(time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC)};

	if (ended) {
		nanosleep(&ts, NULL);
		return VIEWER_ENDED;
	}
	if (ppoll(&p, 1, &ts, NULL) <= 0)
		return 0;
	unsigned events = viewer_receive(viewer, take_serial, NULL);
	ended = ended || events & VIEWER_ENDED;
	return events;
}

static char *look(bool pixels)
{
	u64 end = now_monotonic() + 2 * NSEC_PER_SEC;

	if (!ended && !viewer_refresh(viewer))
		while (now_monotonic() < end && !(pump(50 * 1000000) & (VIEWER_CHANGED | VIEWER_ENDED)))
			;
	viewer_snapshot(viewer, &screen, pixels);
	return viewer_text(&screen, false, 80);
}

static void connect_viewer(const char *where)
{
	struct error err;
	u64 end = now_monotonic() + CONNECT_SECONDS * NSEC_PER_SEC, number;
	int fd;

	if (str_starts(where, "fd:") && parse_u64(where + 3, 0, 1 << 20, &number)) {
		fd = (int)number;
	} else {
		while ((fd = sock_connect(where, SOCK_SEQPACKET, &err)) < 0 && now_monotonic() < end)
			nanosleep(&(struct timespec){0, 50000000}, NULL);
	}
	if (fd < 0 || viewer_open(fd, &viewer, &err))
		misuse(err.text);
}

/* ---- input ---- */

static void press(const struct viewer_chord *chord)
{
	struct timespec gap = {0, KEY_GAP_NS};

	viewer_send_chord(viewer, chord);
	nanosleep(&gap, NULL);
	pump(0);
}

static void press_named(const char *name)
{
	struct viewer_chord chord;
	struct error err;

	if (viewer_chord_parse(map, name, &chord, &err))
		misuse(err.text);
	press(&chord);
}

static void type_text(const char *text)
{
	struct viewer_chord chords[VIEWER_CHORDS_MAX];

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] == 'n') {
			press_named("enter");
			text++;
		} else if (*text == '\n') {
			press_named("enter");
		} else if (viewer_chord_char(map, (u8)*text, false, chords) == 1) {
			press(&chords[0]);
		} else {
			misuse("a character that no key has");
		}
	}
}

/* ---- output ---- */

static void write_rows(png_structp png, png_infop info)
{
	u8 *row = xcalloc(screen.width, 3);

	png_set_IHDR(png, info, screen.width, screen.height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
		     PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (u32 y = 0; y < screen.height; y++) {
		for (u32 x = 0; x < screen.width; x++) {
			u32 p = screen.pixels[(size_t)y * screen.width + x];
			row[3 * x] = (u8)(p >> 16);
			row[3 * x + 1] = (u8)(p >> 8);
			row[3 * x + 2] = (u8)p;
		}
		png_write_row(png, row);
	}
	png_write_end(png, NULL);
	free(row);
}

static void save_png(const char *path)
{
	free(look(true));
	if (screen.mode == SCREEN_OFF || !screen.pixels || !screen.width)
		misuse("the screen is off");
	FILE *f = fopen(path, "wb");
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	if (!f || !info)
		misuse("cannot write the picture");
	png_init_io(png, f);
	write_rows(png, info);
	png_destroy_write_struct(&png, &info);
	if (fclose(f))
		misuse("cannot write the picture");
}

/* ---- waiting ---- */

static bool seen(const char *what, const char *text)
{
	if (!strcmp(what, "off"))
		return ended;
	if (!strcmp(what, "serial"))
		return strstr(serial, text) != NULL;
	char *now = look(false);
	bool there = strstr(now, text) != NULL;
	free(now);
	if (!strcmp(what, "graphics"))
		return screen.mode == SCREEN_GRAPHICS;
	return there == !strcmp(what, "wait");
}

static void wait_for(const char *what, const char *seconds, const char *text)
{
	u64 limit;

	if (!parse_u64(seconds, 0, 86400, &limit))
		misuse("SECONDS must be a number");
	u64 end = now_monotonic() + limit * NSEC_PER_SEC;
	while (!seen(what, text)) {
		if (now_monotonic() >= end || (ended && strcmp(what, "off"))) {
			char *now = look(false);
			fprintf(stderr, "viewer: %s %s: not in %s s; screen:\n%s\n", what, text, seconds, now);
			if (!strcmp(what, "serial"))
				fprintf(stderr, "serial:\n%s\n", serial);
			exit(1);
		}
		pump(50 * 1000000);
	}
}

/* ---- actions ---- */

static int serial_on(void)
{
	static bool on;

	if (!on)
		viewer_serial_on(viewer, 0, true);
	on = true;
	return 0;
}

/* Returns how many words it took. */
static int act(int n, char **word)
{
	const char *a = word[0];
	char *text;

	if (!strcmp(a, "text")) {
		puts(text = look(false));
		free(text);
		return 1;
	}
	if (n >= 2 && !strcmp(a, "key"))
		return press_named(word[1]), 2;
	if (n >= 2 && !strcmp(a, "type"))
		return type_text(word[1]), 2;
	if (n >= 3 && (!strcmp(a, "wait") || !strcmp(a, "gone")))
		return wait_for(a, word[1], word[2]), 3;
	if (n >= 3 && !strcmp(a, "serial"))
		return serial_on(), wait_for(a, word[1], word[2]), 3;
	if (n >= 2 && (!strcmp(a, "graphics") || !strcmp(a, "off")))
		return wait_for(a, word[1], ""), 2;
	if (n >= 2 && !strcmp(a, "sleep")) {
		u64 end = now_monotonic() + (u64)(atof(word[1]) * 1e9);
		for (u64 now; (now = now_monotonic()) < end;)
			pump(MIN(end - now, 50000000ull));
		return 2;
	}
	if (n >= 3 && !strcmp(a, "move"))
		return viewer_send_pointer(viewer, atoi(word[1]), atoi(word[2]), 0, 0), 3;
	if (n >= 2 && !strcmp(a, "button")) {
		viewer_send_pointer(viewer, 0, 0, 0, 1u << atoi(word[1]));
		viewer_send_pointer(viewer, 0, 0, 0, 0);
		return 2;
	}
	if (n >= 2 && !strcmp(a, "png"))
		return save_png(word[1]), 2;
	if (n >= 2 && !strcmp(a, "say"))
		return viewer_send_serial(viewer, word[1], strlen(word[1])), 2;
	misuse("unknown action or missing words; see the head of viewer.c");
}

int main(int argc, char **argv)
{
	if (argc < 3)
		misuse("usage: viewer SOCKET|fd:N ACTION...");
	struct error err;
	if (keymap_open("us", &map, &err))
		misuse(err.text);
	connect_viewer(argv[1]);
	for (int i = 2; i < argc;)
		i += act(argc - i, argv + i);
	viewer_screen_free(&screen);
	viewer_close(viewer);
	return 0;
}
