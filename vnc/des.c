/* SPDX-License-Identifier: GPL-2.0-or-later */
/* des.c - see des.h */
#include <string.h>

#include <nettle/des.h>

#include "vnc/des.h"

/* VNC takes the bits of each byte of the key in the other order than everybody else. */
static u8 mirrored(u8 byte)
{
	u8 out = 0;
	for (unsigned k = 0; k < 8; k++)
		out |= (u8)((byte >> k & 1) << (7 - k));
	return out;
}

void des_response(const char *password, const u8 challenge[16], u8 response[16])
{
	struct des_ctx context;
	u8 key[DES_KEY_SIZE] = {0};
	for (unsigned k = 0; k < sizeof(key) && password[k]; k++)
		key[k] = mirrored((u8)password[k]);
	des_set_key(&context, key);
	des_encrypt(&context, 16, response, challenge);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(&context, sizeof(context));
}
