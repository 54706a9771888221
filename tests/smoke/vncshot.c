// uses: -lvncclient -lpng
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vncshot.c - a VNC viewer for tests, by libvncclient: vncshot HOST:PORT [ACTION...]
 *
 *	type TEXT	types characters as keysyms, as viewers without scancodes do
 *	key KEYSYM	presses and releases one key (hexadecimal X keysym)
 *	hold KEYSYM MS	holds it down for so long
 *	chord KEYSYMS	presses keys one after the other and releases them backwards: "ffe3 ffe9 76"
 *	clipboard TEXT	sends a clipboard
 *	move X Y	moves the pointer there
 *	click X Y MASK	presses and releases buttons there (RFB's: 1 left, 2 middle, 4 right, 8 and 16 the wheel)
 *	until FILE	goes on receiving until there is such a file
 *	pixel X Y RGB	goes on until that pixel has the colour (hexadecimal)
 *	wait MS		goes on receiving for so long
 *	png FILE	writes what has been received
 *	pngs FILE END	writes it to FILE whenever it has changed, until there is a file END
 *	stable MS	waits (at most 20 s) until nothing has changed for so long
 *	size		prints "WIDTHxHEIGHT"
 *
 * It begins when it has a picture, and ends when what it sent has been taken: an action lasts as long as it takes on a busy machine.
 * VNC_ENCODINGS chooses others than ZRLE, none with loss. VNC_AUTH chooses VncAuth. VNC_USERNAME and VNC_PASSWORD log in; VNC_CA is the certificate to trust (else encryption without).
 */
#include <png.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rfb/rfbclient.h>

#define PATIENCE 60 /* seconds */

static double last_update;
static unsigned updates; /* whole ones */

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* libvncclient keeps its pictures and certificates to the end: checks for leaks are for the programs under test. */
static void leave(int status)
{
	fflush(stdout);
	_exit(status);
}

static void fail(const char *what)
{
	fprintf(stderr, "vncshot: %s\n", what);
	leave(1);
}

static void updated(rfbClient *client, int x, int y, int w, int h)
{
	(void)client, (void)x, (void)y, (void)w, (void)h;
	last_update = now();
}

static void update_ended(rfbClient *client)
{
	(void)client;
	updates++;
}

/* false: the server has closed the connection. */
static bool serve(rfbClient *client, double seconds)
{
	double end = now() + seconds;
	do {
		int ready = WaitForMessage(client, 10000);
		if (ready < 0 || (ready && !HandleRFBServerMessage(client)))
			return false;
	} while (now() < end);
	return true;
}

static void receive(rfbClient *client, double seconds)
{
	if (!serve(client, seconds))
		fail("the server closed the connection");
}

static void first_picture(rfbClient *client)
{
	double end = now() + PATIENCE;
	while (!updates) {
		if (now() > end)
			fail("the server sends no picture");
		receive(client, 0.05);
	}
}

/*
 * Until the server has taken all that was sent: messages are taken in their order. The first update may be one that was on its way;
 * the second is asked for behind the rest. Who is sent away meanwhile need not wait.
 */
static void sent_is_taken(rfbClient *client)
{
	double end = now() + PATIENCE;
	for (int round = 0; round < 2; round++) {
		unsigned before = updates;
		if (!SendFramebufferUpdateRequest(client, 0, 0, 1, 1, FALSE))
			return;
		while (updates == before)
			if (now() > end || !serve(client, 0.01))
				return;
	}
}

static void stable(rfbClient *client, double seconds)
{
	double end = now() + PATIENCE;
	last_update = now();
	while (now() - last_update < seconds) {
		if (now() > end)
			fail("the screen never stands still");
		receive(client, 0.02);
	}
}

static void write_png(rfbClient *client, const char *path)
{
	png_image image = {.version = PNG_IMAGE_VERSION,
			   .width = (png_uint_32)client->width,
			   .height = (png_uint_32)client->height,
			   .format = PNG_FORMAT_RGBA};
	size_t pixels = (size_t)client->width * (size_t)client->height;
	unsigned char *copy = malloc(pixels * 4);
	memcpy(copy, client->frameBuffer, pixels * 4);
	for (size_t k = 0; k < pixels; k++)
		copy[4 * k + 3] = 255;
	if (!png_image_write_to_file(&image, path, 0, copy, 0, NULL))
		fail("cannot write the PNG file");
	free(copy);
}

/* A reader never finds half a picture. */
static void write_pngs(rfbClient *client, const char *path, const char *end)
{
	char next[4096];
	snprintf(next, sizeof(next), "%s.next", path);
	for (double written = -1; access(end, F_OK); receive(client, 0.1)) {
		if (last_update == written)
			continue;
		written = last_update;
		write_png(client, next);
		if (rename(next, path))
			fail("cannot rename the PNG file");
	}
}

static void press(rfbClient *client, unsigned keysym)
{
	SendKeyEvent(client, keysym, TRUE);
	SendKeyEvent(client, keysym, FALSE);
	receive(client, 0.03);
}

static void type_text(rfbClient *client, const char *text)
{
	for (; *text; text++)
		press(client, (unsigned char)*text);
}

static void pixel(rfbClient *client, int x, int y, unsigned rgb)
{
	double end = now() + PATIENCE;
	for (;;) {
		const unsigned char *p = client->frameBuffer + 4 * ((size_t)y * (size_t)client->width + (size_t)x);
		if (x < client->width && y < client->height && ((unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2]) == rgb)
			return;
		if (now() > end)
			fail("the pixel never has that colour");
		receive(client, 0.05);
	}
}

static void chord(rfbClient *client, const char *text)
{
	unsigned keys[8], n = 0;
	char *end;
	for (unsigned key; n < 8 && (key = (unsigned)strtoul(text, &end, 16)); text = end)
		keys[n++] = key;
	for (unsigned k = 0; k < n; k++)
		SendKeyEvent(client, keys[k], TRUE);
	while (n-- > 0)
		SendKeyEvent(client, keys[n], FALSE);
}

/* Carries out one action; returns how many arguments it took. */
static int act(rfbClient *client, int left, char **words)
{
	const char *what = words[0];
	if (!strcmp(what, "size")) {
		printf("%dx%d\n", client->width, client->height);
		return 1;
	}
	if (left < 2)
		fail("an action lacks its argument");
	if (!strcmp(what, "type"))
		type_text(client, words[1]);
	else if (!strcmp(what, "key"))
		press(client, (unsigned)strtoul(words[1], NULL, 16));
	else if (!strcmp(what, "chord"))
		chord(client, words[1]);
	else if (!strcmp(what, "clipboard"))
		SendClientCutText(client, words[1], (int)strlen(words[1]));
	else if (!strcmp(what, "until"))
		while (access(words[1], F_OK))
			receive(client, 0.05);
	else if (!strcmp(what, "wait"))
		receive(client, atof(words[1]) / 1000);
	else if (!strcmp(what, "stable"))
		stable(client, atof(words[1]) / 1000);
	else if (!strcmp(what, "png"))
		write_png(client, words[1]);
	else if (!strcmp(what, "pngs") && left >= 3) {
		write_pngs(client, words[1], words[2]);
		return 3;
	} else if (!strcmp(what, "hold") && left >= 3) {
		unsigned keysym = (unsigned)strtoul(words[1], NULL, 16);
		SendKeyEvent(client, keysym, TRUE);
		receive(client, atof(words[2]) / 1000);
		SendKeyEvent(client, keysym, FALSE);
		return 3;
	} else if (!strcmp(what, "pixel") && left >= 4) {
		pixel(client, atoi(words[1]), atoi(words[2]), (unsigned)strtoul(words[3], NULL, 16));
		return 4;
	} else if (!strcmp(what, "click") && left >= 4) {
		SendPointerEvent(client, atoi(words[1]), atoi(words[2]), atoi(words[3]));
		SendPointerEvent(client, atoi(words[1]), atoi(words[2]), 0);
		return 4;
	} else if (!strcmp(what, "move") && left >= 3) {
		SendPointerEvent(client, atoi(words[1]), atoi(words[2]), 0);
		return 3;
	} else
		fail("unknown action");
	return 2;
}

static rfbCredential *credential(rfbClient *client, int type)
{
	(void)client;
	rfbCredential *c = calloc(1, sizeof(*c));
	const char *user = getenv("VNC_USERNAME"), *password = getenv("VNC_PASSWORD"), *ca = getenv("VNC_CA");
	if (type == rfbCredentialTypeUser) {
		c->userCredential.username = strdup(user ? user : "");
		c->userCredential.password = strdup(password ? password : "");
	} else {
		c->x509Credential.x509CACertFile = ca ? strdup(ca) : NULL;
		c->x509Credential.x509CrlVerifyMode = rfbX509CrlVerifyNone;
	}
	return c;
}

static char *vnc_password(rfbClient *client)
{
	(void)client;
	const char *password = getenv("VNC_PASSWORD");
	return strdup(password ? password : "");
}

static bool verbose;

static void library_log(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (verbose)
		vfprintf(stderr, format, args);
	va_end(args);
}

int main(int argc, char **argv)
{
	char *colon = argc > 1 ? strrchr(argv[1], ':') : NULL;
	if (!colon)
		fail("usage: vncshot HOST:PORT [ACTION...]");
	rfbClient *client = rfbGetClient(8, 3, 4);
	static const uint32_t old_way[] = {rfbVncAuth, 0};
	if (getenv("VNC_AUTH"))
		SetClientAuthSchemes(client, old_way, 1);
	*colon = 0;
	free(client->serverHost);
	client->serverHost = strdup(argv[1]);
	client->serverPort = atoi(colon + 1);
	client->GotFrameBufferUpdate = updated;
	client->FinishedFrameBufferUpdate = update_ended;
	client->appData.encodingsString = getenv("VNC_ENCODINGS") ? getenv("VNC_ENCODINGS") : "copyrect zrle hextile raw";
	client->appData.enableJPEG = FALSE;
	client->GetCredential = credential;
	client->GetPassword = vnc_password;
	verbose = getenv("VNC_VERBOSE");
	rfbClientLog = rfbClientErr = library_log;
	if (!rfbInitClient(client, NULL, NULL))
		fail("cannot connect");
	first_picture(client);
	for (int k = 2; k < argc;)
		k += act(client, argc - k, argv + k);
	sent_is_taken(client);
	rfbClientCleanup(client);
	leave(0);
}
