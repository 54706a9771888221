/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu_keys.c - see qemu_keys.h */
#include <string.h>

#include "vnc/qemu_keys.h"

#define ENCODING_EXTENDED_KEY (-258)
#define MESSAGE_QEMU 255
#define SUBMESSAGE_KEY 0
#define KEY_REST_BYTES 11 /* u8 submessage, u16 down, u32 keysym, u32 keycode */

static void (*key_hook)(rfbClientPtr client, u32 keycode, u32 keysym, bool down);

static rfbBool extension_new_client(rfbClientPtr client, void **data)
{
	(void)client;
	(void)data;
	return FALSE; /* until it asks */
}

/* The server's agreement is an update of one empty rectangle in this encoding. */
static rfbBool extension_enable(rfbClientPtr client, void **data, int encoding)
{
	u8 update[16] = {rfbFramebufferUpdate, 0, 0, 1};
	(void)data;
	if (encoding != ENCODING_EXTENDED_KEY)
		return FALSE;
	u32 wire = htonl((u32)ENCODING_EXTENDED_KEY);
	memcpy(update + 12, &wire, sizeof(wire));
	return rfbWriteExact(client, (const char *)update, sizeof(update)) > 0;
}

static u32 get_be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static rfbBool extension_message(rfbClientPtr client, void *data, const rfbClientToServerMsg *message)
{
	u8 rest[KEY_REST_BYTES];
	(void)data;
	if (message->type != MESSAGE_QEMU)
		return FALSE;
	if (rfbReadExact(client, (char *)rest, sizeof(rest)) <= 0 || rest[0] != SUBMESSAGE_KEY) {
		rfbCloseClient(client);
		return TRUE;
	}
	if (!client->viewOnly)
		key_hook(client, get_be32(rest + 7), get_be32(rest + 3), rest[1] || rest[2]);
	return TRUE;
}

void qemu_keys_register(void (*key)(rfbClientPtr client, u32 keycode, u32 keysym, bool down))
{
	static int encodings[] = {ENCODING_EXTENDED_KEY, 0};
	static rfbProtocolExtension extension = {
		.newClient = extension_new_client,
		.pseudoEncodings = encodings,
		.enablePseudoEncoding = extension_enable,
		.handleMessage = extension_message,
	};
	key_hook = key;
	rfbRegisterProtocolExtension(&extension);
}
