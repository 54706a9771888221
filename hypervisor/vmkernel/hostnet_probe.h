/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet_probe.h - whether the computer's network works: cables, addresses, gateways, name servers */
#ifndef VMK_VMKERNEL_HOSTNET_PROBE_H
#define VMK_VMKERNEL_HOSTNET_PROBE_H

#include "vmkernel/hostnet.h"
#include "vmkernel/job.h"

#define HOSTNET_PROBE_SECONDS 120

struct hostnet_probe {
	const struct hostnet_place *place;
	const char *name; /* that name servers are asked for; NULL: whether they answer at all */
};

/*
 * job_fn, arg is a struct hostnet_probe, with `progress`. Result: rows {interface (or null), what, result ("ok" or what is wrong), good,
 * time ("0.4 ms" or null), advice}. What does not work is a row, no failure.
 */
job_fn hostnet_probe_run;

/*
 * An echo request by ICMP through that interface; milliseconds, or -errno (-ETIMEDOUT: no answer). For networks of IPv4.
 */
int hostnet_ping(const char *interface, const char *address, double *milliseconds);
/*
 * Asks a name server for a name, or (NULL) for the root: what it answers (an RCODE of RFC 1035, and how many records), or -errno.
 */
struct hostnet_answer {
	unsigned code, records;
	double milliseconds;
};
int hostnet_ask_server(const char *server, const char *name, bool ipv6, struct hostnet_answer *out);

#endif
