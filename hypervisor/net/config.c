/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config.c - what the keys ethernet<n>.* of a machine mean. See net.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "net/net.h"

#define KEY_BYTES 40

static const char *nic_key(char key[KEY_BYTES], unsigned nic, const char *word)
{
	snprintf(key, KEY_BYTES, "ethernet%u.%s", nic, word);
	return key;
}

static const char *nic_string(const struct config *config, unsigned nic, const char *word)
{
	char key[KEY_BYTES];

	return config_string(config, nic_key(key, nic, word));
}

bool net_present(const struct config *config, unsigned nic)
{
	char key[KEY_BYTES];

	return config_bool(config, nic_key(key, nic, "present"));
}

/* Older files name cards that are not built: the e1000 is the one such a file's guest is likeliest to know as well. */
const char *net_kind(const struct config *config, unsigned nic)
{
	return str_ieq(nic_string(config, nic, "virtualDev"), "virtio") ? "virtio" : "e1000";
}

static bool connected(const struct config *config, unsigned nic)
{
	char key[KEY_BYTES];

	return config_bool(config, nic_key(key, nic, "startConnected"));
}

bool net_wants_tap(const struct config *config, unsigned nic)
{
	return net_present(config, nic) && connected(config, nic) && !str_ieq(nic_string(config, nic, "connectionType"), "nat");
}

/* ---- addresses ---- */

static bool parse_address(const char *text, u8 address[NET_ADDRESS_BYTES])
{
	unsigned byte;
	int used;

	for (unsigned i = 0; i < NET_ADDRESS_BYTES; i++) {
		if (!strchr("0123456789abcdefABCDEF", text[0]) || !text[0] || sscanf(text, "%2x%n", &byte, &used) != 1 || used != 2)
			return false;
		address[i] = (u8)byte;
		text += 2;
		if (i + 1 < NET_ADDRESS_BYTES && *text != ':' && *text != '-')
			return false;
		text += i + 1 < NET_ADDRESS_BYTES;
	}
	/* A group's address, or none at all, is no card's. */
	return !*text && !(address[0] & 1) && memcmp(address, "\0\0\0\0\0", NET_ADDRESS_BYTES);
}

/* FNV-1a: spreads; nobody needs it to be secret. */
static u64 hash_text(const char *text, unsigned nic)
{
	u64 hash = 0xcbf29ce484222325;

	for (; *text; text++)
		hash = (hash ^ (u8)*text) * 0x100000001b3;
	hash = (hash ^ (nic + 1)) * 0x100000001b3;
	return hash ^ hash >> 32;
}

/* 52:56:4d is "RVM" with the locally administered bit: no vendor's range. */
void net_address_generate(const char *seed, unsigned nic, u8 address[NET_ADDRESS_BYTES])
{
	u64 hash = hash_text(seed, nic);
	const u8 made[NET_ADDRESS_BYTES] = {0x52, 0x56, 0x4d, (u8)(hash >> 16), (u8)(hash >> 8), (u8)hash};

	memcpy(address, made, sizeof(made));
}

void net_address_text(const u8 a[NET_ADDRESS_BYTES], char text[NET_ADDRESS_TEXT])
{
	snprintf(text, NET_ADDRESS_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5]);
}

int net_address(const struct config *config, unsigned nic, const char *seed, u8 address[NET_ADDRESS_BYTES], struct error *err)
{
	bool is_static = str_ieq(nic_string(config, nic, "addressType"), "static");
	const char *word = is_static ? "address" : "generatedAddress", *text = nic_string(config, nic, word);

	if (!*text && is_static)
		return fail(err, -EINVAL, "ethernet%u.address is not set, though ethernet%u.addressType is static", nic, nic);
	if (!*text) { /* an address without a type is meant, too */
		word = "address";
		text = nic_string(config, nic, word);
	}
	if (!*text)
		net_address_generate(seed, nic, address);
	else if (!parse_address(text, address))
		return fail(err, -EINVAL, "ethernet%u.%s = \"%.40s\": must be a network card's address like 52:56:4d:00:00:01", nic, word, text);
	return 0;
}
