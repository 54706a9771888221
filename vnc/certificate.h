/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * certificate.h - the host's certificate: <root>/etc/vmk/console.crt and console.key (0600), PEM.
 *
 * Made once, self-signed for this host's name and addresses; an administrator may put another in its place.
 */
#ifndef VMK_VNC_CERTIFICATE_H
#define VMK_VNC_CERTIFICATE_H

#include <gnutls/gnutls.h>

#include "lib/error.h"
#include "lib/types.h"

#define FINGERPRINT_SIZE 96 /* "AB:CD:..." of 32 bytes, NUL */

struct certificate_facts {
	char fingerprint[FINGERPRINT_SIZE];
	u64 ends; /* seconds since 1970 */
	char made_for[256]; /* the host's name, when it is one that was made here (or anybody's that nobody else signed); "": another's */
};

/* Makes what is missing, then loads; *out is the caller's. */
int certificate_load(gnutls_certificate_credentials_t *out, struct certificate_facts *facts, struct error *err);

#endif
