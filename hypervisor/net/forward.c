/* SPDX-License-Identifier: GPL-2.0-or-later */
/* forward.c - reads nat.forward, the ports of this host that lead to a guest behind NAT. See net.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "net/net.h"

#define ENTRY_BYTES 64

/* "address:port"; an empty address leaves *address as it is. */
static bool parse_end(char *text, u8 address[4], u16 *port)
{
	char *colon = strrchr(text, ':');
	u64 number;

	if (!colon || !parse_u64(colon + 1, 1, 65535, &number))
		return false;
	*colon = 0;
	*port = (u16)number;
	return !*text || inet_pton(AF_INET, text, address) == 1;
}

static bool parse_entry(char *entry, struct net_forward *f)
{
	char *colon = strchr(entry, ':'), *dash = strchr(entry, '-');

	if (!colon || !dash || dash < colon)
		return false;
	*colon = *dash = 0;
	f->udp = str_ieq(entry, "udp");
	return (f->udp || str_ieq(entry, "tcp")) && parse_end(colon + 1, f->host, &f->host_port) &&
	       parse_end(dash + 1, f->guest, &f->guest_port);
}

int net_forward_next(const char **text, struct net_forward *f, struct error *err)
{
	char entry[ENTRY_BYTES], copy[ENTRY_BYTES];
	const char *at = *text + strspn(*text, ", ");
	size_t len = strcspn(at, ", ");

	if (!len)
		return 0;
	snprintf(entry, sizeof(entry), "%.*s", (int)MIN(len, sizeof(entry) - 1), at);
	memcpy(copy, entry, sizeof(copy));
	*f = (struct net_forward){.host = {127, 0, 0, 1}};
	if (len >= sizeof(entry) || !parse_entry(copy, f))
		return fail(err, -EINVAL, "nat.forward: \"%s\" is not like tcp:127.0.0.1:8080-:80", entry);
	*text = at + len;
	return 1;
}
