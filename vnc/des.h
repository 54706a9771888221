/* SPDX-License-Identifier: GPL-2.0-or-later */
/* des.h - the answer to VncAuth's challenge (RFC 6143, section 7.2.2): DES with the password's first eight bytes as the key. */
#ifndef VMK_VNC_DES_H
#define VMK_VNC_DES_H

#include "lib/types.h"

void des_response(const char *password, const u8 challenge[16], u8 response[16]);

#endif
