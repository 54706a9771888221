/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu_leds.c - see qemu_leds.h */
#include <stdlib.h>
#include <string.h>

#include "api/screen.h"
#include "lib/util.h"
#include "vnc/qemu_leds.h"

#define ENCODING_LED_STATE (-261)
#define NEVER_TOLD ~0u

static rfbBool extension_new_client(rfbClientPtr client, void **data)
{
	(void)client;
	(void)data;
	return FALSE; /* until it asks */
}

/* The client's data is what it was last told. */
static rfbBool extension_enable(rfbClientPtr client, void **data, int encoding)
{
	(void)client;
	if (encoding != ENCODING_LED_STATE)
		return FALSE;
	/* The library asks again each time the client names the encoding. */
	if (!*data)
		*data = xcalloc(1, sizeof(u32));
	*(u32 *)*data = NEVER_TOLD;
	return TRUE;
}

static void extension_close(rfbClientPtr client, void *data)
{
	(void)client;
	free(data);
}

static int encodings[] = {ENCODING_LED_STATE, 0};
static rfbProtocolExtension extension = {
	.newClient = extension_new_client,
	.pseudoEncodings = encodings,
	.enablePseudoEncoding = extension_enable,
	.close = extension_close,
};

void qemu_leds_register(void)
{
	rfbRegisterProtocolExtension(&extension);
}

/* An update of one rectangle without pixels, the state behind it. */
static void client_tell(rfbClientPtr client, u32 leds)
{
	u8 update[17] = {rfbFramebufferUpdate, 0, 0, 1};
	u32 wire = htonl((u32)ENCODING_LED_STATE);
	memcpy(update + 12, &wire, sizeof(wire));
	update[16] = (u8)leds;
	rfbWriteExact(client, (const char *)update, sizeof(update));
}

void qemu_leds_show(rfbScreenInfoPtr screen, u32 leds)
{
	rfbClientPtr client;
	rfbClientIteratorPtr all = rfbGetClientIterator(screen);
	leds &= SCREEN_LED_SCROLL | SCREEN_LED_NUM | SCREEN_LED_CAPS;
	while ((client = rfbClientIteratorNext(all))) {
		u32 *told = rfbGetExtensionClientData(client, &extension);
		if (!told || *told == leds || client->sock < 0)
			continue;
		*told = leds;
		client_tell(client, leds);
	}
	rfbReleaseClientIterator(all);
}
