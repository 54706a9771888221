// SPDX-License-Identifier: GPL-2.0-or-later
/* here.c - see here.h */
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util.h"
#include "shell/here.h"

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	if (!a || a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr == ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return a->sa_family == AF_INET6 && !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
						   &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr));
}

static bool loopback(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

bool here_is(const char *host)
{
	char own[256] = "";
	struct addrinfo *found = NULL;
	struct ifaddrs *interfaces = NULL;
	bool here = gethostname(own, sizeof(own) - 1) == 0 && str_ieq(host, own);
	if (here || getaddrinfo(host, NULL, NULL, &found) || getifaddrs(&interfaces)) {
		if (found)
			freeaddrinfo(found);
		return here;
	}
	for (const struct addrinfo *a = found; a && !here; a = a->ai_next) {
		here = loopback(a->ai_addr);
		for (const struct ifaddrs *i = interfaces; i && !here; i = i->ifa_next)
			here = same_address(i->ifa_addr, a->ai_addr);
	}
	freeaddrinfo(found);
	freeifaddrs(interfaces);
	return here;
}
