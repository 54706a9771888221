// uses: -lvncclient -lxkbcommon
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnckeys.c - every key of a 105-key board through a VNC viewer, checked by what the guest's 8042 gave.
 *
 *	vnckeys HOST:PORT FILE scancodes	a viewer that sends scancodes (QEMU's extended key event)
 *	vnckeys HOST:PORT FILE CLIENT GUEST	one that sends keysyms: layouts of the viewer's board and of the guest
 *
 * FILE is the serial output of tests/guest/floppy/scancodes.S: one byte a line. A viewer's board and a guest are played by
 * libxkbcommon: each key with each set of Shift and AltGr, without locks, with Caps Lock and with Num Lock, gives the keysym that an X
 * viewer sends; the codes that arrive, played on the guest's board, have to give it again. With two layouts it is the character that
 * has to come out, by dead keys if need be, and all of ASCII has to be there. In each case nothing may be left pressed,
 * and the lights that the guest sets have to be told (QEMU's LED state).
 * Logs in as vncshot does: VNC_USERNAME, VNC_PASSWORD.
 */
#include <locale.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rfb/rfbclient.h>
#include <xkbcommon/xkbcommon-compose.h>
#include <xkbcommon/xkbcommon.h>

#define OFFSET 8 /* X's key codes are evdev's plus this */
#define WAIT_SECONDS 60
#define BYTES_MAX 64
#define LED_STATE (-261)
enum { SHIFT = 42, RIGHT_ALT = 100, CAPS = 58, NUM = 69, SCROLL = 70, F11 = 87, F12 = 88, SYSRQ = 99, PAUSE = 119 };
enum { LIGHT_SCROLL = 1, LIGHT_NUM = 2, LIGHT_CAPS = 4 };

static rfbClient *client;
static const char *serial_path;
static long serial_at;
static int lights = -1;
static unsigned checked, failures, left_out;

/* libvncclient keeps its pictures and certificates to the end: checks for leaks are for the programs under test. */
static void leave(int status)
{
	fflush(stdout);
	_exit(status);
}

static void fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("vnckeys: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	leave(1);
}

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- the board ---- */

/* Scancodes of the keys whose evdev code is another: E0 codes with bit 7 (IBM's technical reference, the keyboard's section). */
static const struct {
	int evdev, code;
} extended[] = {
	{96, 0x9c}, {97, 0x9d}, {98, 0xb5}, {99, 0xb7}, {100, 0xb8}, {102, 0xc7}, {103, 0xc8}, {104, 0xc9}, {105, 0xcb}, {106, 0xcd},
	{107, 0xcf}, {108, 0xd0}, {109, 0xd1}, {110, 0xd2}, {111, 0xd3}, {119, 0xc6}, {125, 0xdb}, {126, 0xdc}, {127, 0xdd},
};
#define N_EXTENDED (int)(sizeof(extended) / sizeof(extended[0]))
#define KEYS 105

/* evdev's code of the nth key. */
static int key_at(int n)
{
	return n < 83 ? n + 1 : n < 86 ? n + 3 : extended[n - 86].evdev;
}

static int code_of(int evdev)
{
	for (int k = 0; k < N_EXTENDED; k++)
		if (extended[k].evdev == evdev)
			return extended[k].code;
	return evdev;
}

static int evdev_of(int code)
{
	for (int k = 0; k < N_EXTENDED; k++)
		if (extended[k].code == code)
			return extended[k].evdev;
	return code == 0x54 ? SYSRQ : code;
}

/* ---- what the guest has got ---- */

static void serve(void)
{
	int ready;
	while ((ready = WaitForMessage(client, 0)) > 0)
		if (!HandleRFBServerMessage(client))
			fail("the server closed the connection");
	if (ready < 0)
		fail("the connection is lost");
}

/* Appends what has come since; the number of bytes. */
static int serial_read(unsigned char *bytes, int n)
{
	char line[8];
	FILE *f = fopen(serial_path, "r");
	if (!f)
		fail("cannot read %s", serial_path);
	fseek(f, serial_at, SEEK_SET);
	while (n < BYTES_MAX && fgets(line, sizeof(line), f) && strchr(line, '\n')) {
		bytes[n++] = (unsigned char)strtoul(line, NULL, 16);
		serial_at = ftell(f);
	}
	fclose(f);
	return n;
}

/* All bytes up to the press and release of key `marker`, which are taken away. */
static int bytes_until(int marker, unsigned char *bytes)
{
	double end = now() + WAIT_SECONDS;
	int n = 0;
	do {
		serve();
		n = serial_read(bytes, n);
		if (n >= 2 && bytes[n - 1] == (marker | 0x80) && bytes[n - 2] == marker)
			return n - 2;
		usleep(500);
	} while (now() < end);
	fail("the guest has got %d bytes and not the last key", n);
	return 0;
}

static const char *hex(const unsigned char *bytes, int n)
{
	static char text[BYTES_MAX * 3 + 1];
	text[0] = 0;
	for (int k = 0; k < n; k++)
		sprintf(text + 3 * k, "%02x ", bytes[k]);
	return text;
}

/* ---- scancodes ---- */

static void check_scancode(int evdev)
{
	static const unsigned char pause[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};
	unsigned char bytes[BYTES_MAX], expected[8];
	int code = code_of(evdev), marker = evdev == F12 ? F11 : F12, n = 0, got;
	for (int up = 0; up < 2; up++) {
		if (code & 0x80)
			expected[n++] = 0xe0;
		expected[n++] = (unsigned char)((code & 0x7f) | up << 7);
	}
	if (evdev == PAUSE)
		memcpy(expected, pause, (size_t)(n = sizeof(pause)));
	SendExtendedKeyEvent(client, 0, (uint32_t)code, TRUE);
	SendExtendedKeyEvent(client, 0, (uint32_t)code, FALSE);
	SendExtendedKeyEvent(client, 0, (uint32_t)marker, TRUE);
	SendExtendedKeyEvent(client, 0, (uint32_t)marker, FALSE);
	got = bytes_until(marker, bytes);
	checked++;
	if (got == n && !memcmp(bytes, expected, (size_t)n))
		return;
	failures++;
	printf("key %d: got %s", evdev, hex(bytes, got));
	printf("instead of %s\n", hex(expected, n));
}

/* ---- keysyms ---- */

static struct xkb_context *context;
static struct xkb_state *board, *guest; /* the viewer's and the guest's */
static struct xkb_compose_state *compose;
static bool same_layout;
static int last_key; /* evdev's code of what play() found */

static struct xkb_state *state_new(const char *name)
{
	char layout[64], variant[64] = "";
	if (sscanf(name, "%63[^(](%63[^)])", layout, variant) < 1)
		fail("no layout is named %s", name);
	const struct xkb_rule_names names = {"evdev", "pc105", layout, variant, ""};
	struct xkb_keymap *map = xkb_keymap_new_from_names(context, &names, 0);
	if (!map)
		fail("no layout is named %s", name);
	return xkb_state_new(map);
}

/* The viewer's hand: returns the keysym that its system gives for the key now. */
static xkb_keysym_t hand(int evdev, bool down)
{
	xkb_keysym_t keysym = xkb_state_key_get_one_sym(board, (xkb_keycode_t)evdev + OFFSET);
	xkb_state_update_key(board, (xkb_keycode_t)evdev + OFFSET, down ? XKB_KEY_DOWN : XKB_KEY_UP);
	return keysym;
}

static void send_marker(int marker)
{
	uint32_t keysym = marker == F11 ? XKB_KEY_F11 : XKB_KEY_F12;
	SendKeyEvent(client, keysym, TRUE);
	SendKeyEvent(client, keysym, FALSE);
}

static bool is_modifier(xkb_keysym_t keysym)
{
	return (keysym >= XKB_KEY_Shift_L && keysym <= XKB_KEY_Hyper_R) || keysym == XKB_KEY_ISO_Level3_Shift || keysym == XKB_KEY_Num_Lock;
}

/*
 * Plays bytes on the guest's board: *last is the keysym of the last key that is no modifier (or of the last modifier, where there is no
 * other), *typed the character that the keys make together. Returns how many keys are still down.
 */
static int play(const unsigned char *bytes, int n, xkb_keysym_t *last, uint32_t *typed)
{
	static bool down[256];
	bool e0 = false;
	int held = 0;
	*last = XKB_KEY_NoSymbol;
	*typed = 0;
	xkb_compose_state_reset(compose);
	for (int k = 0; k < n; k++) {
		if (bytes[k] == 0xe0) {
			e0 = true;
			continue;
		}
		if (bytes[k] == 0xe1) { /* Pause, whole */
			*last = XKB_KEY_Pause;
			k += 5;
			continue;
		}
		int evdev = evdev_of((bytes[k] & 0x7f) | e0 << 7);
		bool up = bytes[k] & 0x80;
		e0 = false;
		xkb_keysym_t keysym = xkb_state_key_get_one_sym(guest, (xkb_keycode_t)evdev + OFFSET);
		xkb_state_update_key(guest, (xkb_keycode_t)evdev + OFFSET, up ? XKB_KEY_UP : XKB_KEY_DOWN);
		down[evdev & 255] = !up;
		if (up || (is_modifier(keysym) && !is_modifier(*last) && *last))
			continue;
		*last = keysym;
		last_key = evdev;
		if (is_modifier(keysym))
			continue;
		xkb_compose_state_feed(compose, keysym);
		*typed = xkb_compose_state_get_status(compose) == XKB_COMPOSE_COMPOSED
				 ? xkb_keysym_to_utf32(xkb_compose_state_get_one_sym(compose))
				 : xkb_keysym_to_utf32(keysym);
	}
	for (int k = 0; k < 256; k++)
		held += down[k];
	return held;
}

static void judge(int evdev, unsigned set, xkb_keysym_t sent, const unsigned char *bytes, int n)
{
	char name[64], other[64];
	xkb_keysym_t got;
	uint32_t typed, wanted = xkb_keysym_to_utf32(sent);
	int held = play(bytes, n, &got, &typed);
	bool right = got == sent || (!same_layout && wanted && typed == wanted);
	checked++;
	if (!right && !same_layout && wanted > 0x7e && (got == XKB_KEY_NoSymbol || is_modifier(got))) {
		left_out++; /* that layout has no such character */
		right = true;
	}
	/* The keypad's keys are the same ones whatever they are called. */
	if (!same_layout && sent >= XKB_KEY_KP_Space && sent <= XKB_KEY_KP_Equal && last_key == evdev)
		right = true;
	/* A dead key of a layout that has it not; AltGr where there is none. */
	if (!same_layout && !wanted && (got == XKB_KEY_NoSymbol || is_modifier(sent) || is_modifier(got)))
		right = true;
	if (right && !held)
		return;
	failures++;
	xkb_keysym_get_name(sent, name, sizeof(name));
	xkb_keysym_get_name(got, other, sizeof(other));
	printf("key %d with modifiers %u: %s became %s, %d keys held: %s\n", evdev, set, name, other, held, hex(bytes, n));
}

/* One key of the viewer's board with a set of modifiers: 1 Shift, 2 the right Alt (AltGr). */
static void check_keysym(int evdev, unsigned set)
{
	unsigned char bytes[BYTES_MAX];
	int marker = evdev == F12 ? F11 : F12;
	xkb_keysym_t shift = 0, altgr = 0, keysym;
	if (((set & 1) && (evdev == SHIFT || evdev == 54)) || ((set & 2) && evdev == RIGHT_ALT))
		return;
	if (set & 1)
		SendKeyEvent(client, shift = hand(SHIFT, true), TRUE);
	if (set & 2)
		SendKeyEvent(client, altgr = hand(RIGHT_ALT, true), TRUE);
	keysym = hand(evdev, true);
	if (keysym) {
		SendKeyEvent(client, keysym, TRUE);
		hand(evdev, false);
		SendKeyEvent(client, keysym, FALSE);
	} else {
		hand(evdev, false);
	}
	if (set & 2)
		hand(RIGHT_ALT, false), SendKeyEvent(client, altgr, FALSE);
	if (set & 1)
		hand(SHIFT, false), SendKeyEvent(client, shift, FALSE);
	send_marker(marker);
	int n = bytes_until(marker, bytes);
	if (keysym)
		judge(evdev, set, keysym, bytes, n);
}

/* The guest's lights as the viewer is told of them. */
static void expect_lights(int expected)
{
	double end = now() + WAIT_SECONDS;
	while (lights != expected && now() < end) {
		WaitForMessage(client, 10000);
		serve();
	}
	if (lights != expected)
		fail("the lights are told to be %d, not %d", lights, expected);
}

static void press_lock(int evdev, int expected)
{
	check_keysym(evdev, 0);
	expect_lights(expected);
}

static void check_scancodes(void)
{
	expect_lights(0);
	for (int k = 0; k < KEYS; k++)
		check_scancode(key_at(k));
	expect_lights(LIGHT_SCROLL | LIGHT_NUM | LIGHT_CAPS); /* each was pressed once, */
	check_scancode(CAPS);
	check_scancode(NUM);
	check_scancode(SCROLL);
	expect_lights(0); /* and again */
}

static void board_check(void)
{
	for (unsigned set = 0; set < 4; set++)
		for (int k = 0; k < KEYS; k++)
			if (key_at(k) != CAPS && key_at(k) != NUM && key_at(k) != SCROLL)
				check_keysym(key_at(k), set);
}

static void check_keysyms(const char *viewers, const char *guests)
{
	context = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
	board = state_new(viewers);
	guest = state_new(guests);
	same_layout = !strcmp(viewers, guests);
	struct xkb_compose_table *table = xkb_compose_table_new_from_locale(context, "en_US.UTF-8", 0);
	compose = table ? xkb_compose_state_new(table, 0) : NULL;
	if (!compose)
		fail("there is no table of compositions");
	expect_lights(0);
	board_check();
	press_lock(SCROLL, LIGHT_SCROLL);
	press_lock(SCROLL, 0);
	press_lock(CAPS, LIGHT_CAPS);
	board_check();
	press_lock(CAPS, 0);
	press_lock(NUM, LIGHT_NUM);
	board_check();
	press_lock(NUM, 0);
}

/* ---- the viewer ---- */

static rfbBool lights_told(rfbClient *c, rfbFramebufferUpdateRectHeader *rect)
{
	unsigned char state;
	if (rect->encoding != (uint32_t)LED_STATE)
		return FALSE;
	if (!ReadFromRFBServer(c, (char *)&state, 1))
		return FALSE;
	lights = state;
	return TRUE;
}

static rfbCredential *credential(rfbClient *c, int type)
{
	rfbCredential *out = calloc(1, sizeof(*out));
	(void)c;
	if (type == rfbCredentialTypeUser) {
		out->userCredential.username = strdup(getenv("VNC_USERNAME"));
		out->userCredential.password = strdup(getenv("VNC_PASSWORD"));
	} else {
		out->x509Credential.x509CACertFile = getenv("VNC_CA") ? strdup(getenv("VNC_CA")) : NULL;
		out->x509Credential.x509CrlVerifyMode = rfbX509CrlVerifyNone;
	}
	return out;
}

static void quiet(const char *format, ...)
{
	(void)format;
}

static void viewer_connect(char *where)
{
	static int led_encodings[] = {LED_STATE, 0};
	static rfbClientProtocolExtension leds = {.encodings = led_encodings, .handleEncoding = lights_told};
	char *colon = strrchr(where, ':');
	if (!colon)
		fail("not HOST:PORT: %s", where);
	*colon = 0;
	rfbClientLog = rfbClientErr = quiet;
	rfbClientRegisterExtension(&leds);
	client = rfbGetClient(8, 3, 4);
	free(client->serverHost);
	client->serverHost = strdup(where);
	client->serverPort = atoi(colon + 1);
	client->GetCredential = credential;
	client->appData.encodingsString = "zrle raw";
	if (!rfbInitClient(client, NULL, NULL))
		fail("cannot connect");
	double end = now() + 2;
	do {
		WaitForMessage(client, 10000);
		serve();
	} while (now() < end && lights < 0);
}

int main(int argc, char **argv)
{
	unsigned char bytes[BYTES_MAX];
	if (argc < 4)
		fail("usage: vnckeys HOST:PORT FILE scancodes|CLIENT GUEST");
	setlocale(LC_ALL, "C.UTF-8");
	serial_path = argv[2];
	viewer_connect(argv[1]);
	while (serial_read(bytes, 0)) /* of an earlier run */
		;
	if (!strcmp(argv[3], "scancodes"))
		check_scancodes();
	else if (argc == 5)
		check_keysyms(argv[3], argv[4]);
	else
		fail("which layout has the guest?");
	printf("%u checked, %u wrong, %u characters not in the guest's layout\n", checked, failures, left_out);
	leave(failures || !checked);
}
