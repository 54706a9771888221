/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uuid.c - see uuid.h */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/util.h"
#include "net/net.h"
#include "vmkernel/uuid.h"

/* As VMware writes them: two groups of eight bytes, of which the first two are its mark. */
static void uuid_text(const u8 bytes[16], char text[UUID_TEXT])
{
	size_t n = 0;
	for (unsigned k = 0; k < 16; k++)
		n += (size_t)snprintf(text + n, UUID_TEXT - n, "%s%02x", k == 0 ? "" : k == 8 ? "-" : " ", bytes[k]);
}

static void mark(u8 bytes[16])
{
	bytes[0] = 0x56;
	bytes[1] = 0x4d;
}

/* The mark of a place: the same for the same path, always. */
static void uuid_of_place(const char *path, char text[UUID_TEXT])
{
	u8 bytes[16];
	for (unsigned half = 0; half < 2; half++) {
		u64 hash = 0xcbf29ce484222325u + half; /* FNV-1a */
		for (const char *c = path; *c; c++)
			hash = (hash ^ (u8)*c) * 0x100000001b3u;
		memcpy(bytes + 8 * half, &hash, 8);
	}
	mark(bytes);
	uuid_text(bytes, text);
}

/* The digits alone, in small letters. */
static void digits(const char *text, char out[33])
{
	unsigned n = 0;
	for (; *text && n < 32; text++)
		if (*text != ' ' && *text != '-')
			out[n++] = *text >= 'A' && *text <= 'F' ? (char)(*text + 32) : *text;
	out[n] = 0;
}

bool uuid_is_elsewhere(const struct config *c, const char *path)
{
	char here[UUID_TEXT], wanted[33], found[33];
	const char *location = config_get(c, "uuid.location");
	if (!location || !*location)
		return false;
	uuid_of_place(path, here);
	digits(here, wanted);
	digits(location, found);
	return strcmp(wanted, found) != 0;
}

/* A card that is there gets an address made of the machine's UUID. */
static int set_card(struct config *c, unsigned nic, const char *uuid, struct error *err)
{
	u8 address[NET_ADDRESS_BYTES];
	char key[48], text[NET_ADDRESS_TEXT];
	if (!net_present(c, nic))
		return 0;
	net_address_generate(uuid, nic, address);
	net_address_text(address, text);
	snprintf(key, sizeof(key), "ethernet%u.addressType", nic);
	int ret = config_set(c, key, "generated", err);
	snprintf(key, sizeof(key), "ethernet%u.generatedAddress", nic);
	if (!ret)
		ret = config_set(c, key, text, err);
	snprintf(key, sizeof(key), "ethernet%u.address", nic);
	if (!ret && config_get(c, key))
		ret = config_set(c, key, NULL, err);
	return ret;
}

int uuid_settle(struct config *c, const char *path, bool new_one, struct error *err)
{
	char text[UUID_TEXT];
	u8 bytes[16];
	int ret = 0;
	if (new_one) {
		if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
			return fail(err, -EIO, "no random numbers for a UUID: %s", strerror(errno));
		mark(bytes);
		uuid_text(bytes, text);
		ret = config_set(c, "uuid.bios", text, err);
		for (unsigned nic = 0; !ret && nic < NET_NICS; nic++)
			ret = set_card(c, nic, text, err);
	}
	uuid_of_place(path, text);
	return ret ? ret : config_set(c, "uuid.location", text, err);
}
