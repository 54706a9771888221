/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.h - what a network card does for its driver: checksums, and a TCP packet that is too long for the cable sent as several.
 *
 * Offsets and lengths are a hostile guest's: what does not fit together is not done (false).
 */
#ifndef VMK_DEV_SEGMENT_H
#define VMK_DEV_SEGMENT_H

#include "dev/dev.h"

#define SEGMENT_PACKET_MAX (64u * 1024 + 128) /* an IP packet behind its Ethernet header */
#define SEGMENT_FRAMES_MAX 128u

/* The Internet checksum (RFC 1071) of all from `start` on, stored `offset` bytes behind it, where the pseudo header's sum is now. */
bool segment_checksum(u8 *frame, size_t len, size_t start, size_t offset);
/* TCP at `tcp` over IPv4 or IPv6, `mss` bytes a frame, to send(); the packet is used up. */
bool segment_tcp(u8 *packet, size_t len, size_t tcp, size_t mss, void (*send)(void *arg, const u8 *frame, size_t len), void *arg);

#endif
