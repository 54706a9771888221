/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * photo.h - photographs and films for viewers that take the Tight encoding and want nothing lost.
 *
 * libvncserver compresses such pixels as they are. Here each is predicted from its neighbours (the gradient filter of Tight: RFB community
 * specification, "Tight Encoding", filter 2) and only the difference is compressed: half the bytes in a third of the
 * time. What is no photograph goes to libvncserver. Viewers that allow for loss get JPEG from it. Those that prefer Hextile get photographs
 * raw, which is as many bytes and less work.
 */
#ifndef VMK_VNC_PHOTO_H
#define VMK_VNC_PHOTO_H

#include <rfb/rfb.h>

#include "lib/types.h"

struct photo; /* of one viewer, as long as he stays */

struct photo *photo_new(void);
void photo_free(struct photo *p);
/*
 * When the viewer has asked for an update, wants it in that form and much of what is modified are photographs, sends the update; else
 * leaves it to the library. The frame buffer is XRGB.
 */
void photo_update(struct photo *p, rfbClientPtr client);

/* Pure. Whether the pixels, rows of `width` each `stride` pixels apart, are a photograph's. */
bool photo_recognise(const u32 *pixels, u32 stride, u32 width, u32 height);
/* Red, green and blue of each pixel less what is predicted: width * height * 3 bytes. */
void photo_filter(const u32 *pixels, u32 stride, u32 width, u32 height, u8 *out);

#endif
