/* SPDX-License-Identifier: GPL-2.0-or-later */
/* photo.c - see photo.h */
#include <stdlib.h>
#include <string.h>

#include <rfb/rfb.h>
#include <rfb/rfbregion.h>
#include <zlib.h>

#include "lib/util.h"
#include "vnc/photo.h"

#define PIECE_WIDTH 2048 /* viewers take no wider ones */
#define PIECE_PIXELS 65536u
#define PIECE_LEAST 4096u  /* pixels; smaller ones are not worth a look */
#define UPDATE_LEAST 65536u /* pixels */
#define STREAM 3	   /* of Tight's four: libvncserver uses 0 to 2 */
#define FILTER_FOLLOWS 0x40
#define FILTER_GRADIENT 2
#define LOOKED_AT_ROWS 16

struct photo {
	z_stream stream;
	u8 filtered[PIECE_PIXELS * 3];
	u8 *packed;
	uLong packed_size;
};

struct photo *photo_new(void)
{
	struct photo *p = xcalloc(1, sizeof(*p));
	/* Differences are small numbers without repetitions but zeros: looking for others takes time and finds nothing. */
	if (deflateInit2(&p->stream, 1, Z_DEFLATED, MAX_WBITS, MAX_MEM_LEVEL, Z_RLE) != Z_OK)
		fatal("out of memory");
	p->packed_size = deflateBound(&p->stream, sizeof(p->filtered)) + 64;
	p->packed = xcalloc(1, p->packed_size);
	return p;
}

void photo_free(struct photo *p)
{
	if (!p)
		return;
	deflateEnd(&p->stream);
	free(p->packed);
	free(p);
}

/* ---- the filter ---- */

static u8 predict(u8 left, u8 above, u8 corner)
{
	int value = left + above - corner;
	return (u8)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* What of a pixel is not predicted, for one colour. */
static u8 surprise(u32 here, u32 left, u32 above, u32 corner, unsigned shift)
{
	return (u8)((u8)(here >> shift) - predict((u8)(left >> shift), (u8)(above >> shift), (u8)(corner >> shift)));
}

void photo_filter(const u32 *pixels, u32 stride, u32 width, u32 height, u8 *out)
{
	for (u32 y = 0; y < height; y++, pixels += stride) {
		u32 left = 0, corner = 0;
		for (u32 x = 0; x < width; x++) {
			u32 here = pixels[x], above = y ? *(pixels + x - stride) : 0;
			*out++ = surprise(here, left, above, corner, 16);
			*out++ = surprise(here, left, above, corner, 8);
			*out++ = surprise(here, left, above, corner, 0);
			left = here;
			corner = above;
		}
	}
}

/* Few pixels are like their neighbour, and most nearly as predicted. Drawings are the first not, noise the second. */
bool photo_recognise(const u32 *pixels, u32 stride, u32 width, u32 height)
{
	u32 looked_at = 0, same = 0, surprises = 0, step = MAX(height / LOOKED_AT_ROWS, 1);
	for (u32 y = 1; y < height; y += step) {
		const u32 *row = pixels + (size_t)y * stride, *above = row - stride;
		for (u32 x = 1; x < width; x++) {
			s8 green = (s8)surprise(row[x], row[x - 1], above[x], above[x - 1], 8);
			same += row[x] == row[x - 1];
			surprises += (u32)abs(green);
			looked_at++;
		}
	}
	return looked_at && same < looked_at / 4 && surprises < looked_at * 16;
}

/* ---- updates ---- */

static const u32 *pixels_at(const rfbClientRec *client, u32 x, u32 y)
{
	return (const u32 *)(const void *)client->screen->frameBuffer + (size_t)y * (u32)client->screen->width + x;
}

static bool send_photo(struct photo *p, rfbClientPtr client, u32 x, u32 y, u32 width, u32 height)
{
	z_stream *z = &p->stream;
	photo_filter(pixels_at(client, x, y), (u32)client->screen->width, width, height, p->filtered);
	z->next_in = p->filtered;
	z->avail_in = width * height * 3;
	z->next_out = p->packed;
	z->avail_out = (uInt)p->packed_size;
	BUG_ON(deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_in || !z->avail_out);
	client->tightEncoding = rfbEncodingTight;
	if (!rfbSendTightHeader(client, (int)x, (int)y, (int)width, (int)height))
		return false;
	if (client->ublen + 2 > UPDATE_BUF_SIZE && !rfbSendUpdateBuf(client))
		return false;
	client->updateBuf[client->ublen++] = (char)(STREAM << 4 | FILTER_FOLLOWS);
	client->updateBuf[client->ublen++] = FILTER_GRADIENT;
	return rfbSendCompressedDataTight(client, (char *)p->packed, (int)(p->packed_size - z->avail_out));
}

static bool is_photo(const rfbClientRec *client, u32 x, u32 y, u32 width, u32 height)
{
	return width * height >= PIECE_LEAST && photo_recognise(pixels_at(client, x, y), (u32)client->screen->width, width, height);
}

/* A rectangle in pieces, all sent; with `p` NULL only the pixels of photographs are counted, until they are enough. */
static bool each_piece(struct photo *p, rfbClientPtr client, const sraRect *r, u32 *pixels)
{
	u32 right = (u32)r->x2, bottom = (u32)r->y2, width, height;
	for (u32 x = (u32)r->x1; x < right; x += width) {
		width = MIN(right - x, PIECE_WIDTH);
		for (u32 y = (u32)r->y1; y < bottom; y += height) {
			height = MIN(bottom - y, PIECE_PIXELS / width);
			bool photo = is_photo(client, x, y, width, height);
			if (!p && photo && (*pixels += width * height) >= UPDATE_LEAST)
				return false;
			if (p && (photo ? !send_photo(p, client, x, y, width, height)
					: !rfbSendRectEncodingTight(client, (int)x, (int)y, (int)width, (int)height)))
				return false;
		}
	}
	return true;
}

static bool each_rectangle(struct photo *p, rfbClientPtr client, sraRegionPtr region, u32 *pixels)
{
	sraRectangleIterator *i = sraRgnGetIterator(region);
	sraRect r;
	bool good = true;
	while (good && sraRgnIteratorNext(i, &r))
		good = each_piece(p, client, &r, pixels);
	sraRgnReleaseIterator(i);
	return good;
}

/* What the viewer has chosen; the library has nothing else to tell him first. */
static bool wanted(const rfbClientRec *client)
{
	const rfbPixelFormat *f = &client->format;
	return client->preferredEncoding == rfbEncodingTight && client->tightQualityLevel < 0 && client->turboQualityLevel < 0 &&
	       client->enableLastRectEncoding && f->bitsPerPixel == 32 && f->depth == 24 && f->redMax == 255 && f->greenMax == 255 &&
	       f->blueMax == 255 && !client->newFBSizePending && sraRgnEmpty(client->copyRegion) &&
	       client->scaledScreen == client->screen;
}

static void send_update(struct photo *p, rfbClientPtr client, sraRegionPtr region)
{
	rfbFramebufferUpdateMsg *header = (rfbFramebufferUpdateMsg *)(void *)client->updateBuf;
	*header = (rfbFramebufferUpdateMsg){.type = rfbFramebufferUpdate, .nRects = 0xffff}; /* as many as come before the last */
	client->ublen = sz_rfbFramebufferUpdateMsg;
	sraRgnSubtract(client->modifiedRegion, region);
	sraRgnMakeEmpty(client->requestedRegion);
	/* A failure has closed the connection. */
	if (each_rectangle(p, client, region, NULL) && rfbSendLastRectMarker(client))
		rfbSendUpdateBuf(client);
}

void photo_update(struct photo *p, rfbClientPtr client)
{
	u32 pixels = 0;
	if (!wanted(client) || sraRgnEmpty(client->requestedRegion) || sraRgnEmpty(client->modifiedRegion))
		return;
	sraRegionPtr region = sraRgnCreateRgn(client->modifiedRegion);
	sraRgnAnd(region, client->requestedRegion);
	each_rectangle(NULL, client, region, &pixels);
	if (pixels >= UPDATE_LEAST)
		send_update(p, client, region);
	sraRgnDestroy(region);
}
