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
#define LOOKED_AT_ROWS 8

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

struct count {
	u32 pixels, photo; /* all, and those of photographs */
};

/* A rectangle in pieces, all sent; with `p` NULL they are only counted. False: the connection is closed. */
static bool each_piece(struct photo *p, rfbClientPtr client, const sraRect *r, struct count *n)
{
	u32 right = (u32)r->x2, bottom = (u32)r->y2, width, height;
	for (u32 x = (u32)r->x1; x < right; x += width) {
		width = MIN(right - x, PIECE_WIDTH);
		for (u32 y = (u32)r->y1; y < bottom; y += height) {
			height = MIN(bottom - y, PIECE_PIXELS / width);
			bool photo = is_photo(client, x, y, width, height);
			n->pixels += width * height;
			n->photo += photo ? width * height : 0;
			if (p && (photo ? !send_photo(p, client, x, y, width, height)
					: !rfbSendRectEncodingTight(client, (int)x, (int)y, (int)width, (int)height)))
				return false;
		}
	}
	return true;
}

static bool each_rectangle(struct photo *p, rfbClientPtr client, sraRegionPtr region, struct count *n)
{
	sraRectangleIterator *i = sraRgnGetIterator(region);
	sraRect r;
	bool good = true;
	while (good && sraRgnIteratorNext(i, &r))
		good = each_piece(p, client, &r, n);
	sraRgnReleaseIterator(i);
	return good;
}

/* He has asked for an update, and the library has nothing else to tell him first. */
static bool ready(const rfbClientRec *client)
{
	return !sraRgnEmpty(client->requestedRegion) && !sraRgnEmpty(client->modifiedRegion) && sraRgnEmpty(client->copyRegion) &&
	       !client->newFBSizePending && client->scaledScreen == client->screen;
}

static bool takes_tight(const rfbClientRec *client)
{
	const rfbPixelFormat *f = &client->format;
	return client->preferredEncoding == rfbEncodingTight && client->tightQualityLevel < 0 && client->turboQualityLevel < 0 &&
	       client->enableLastRectEncoding && f->bitsPerPixel == 32 && f->depth == 24 && f->redMax == 255 && f->greenMax == 255 &&
	       f->blueMax == 255;
}

static void send_tight(struct photo *p, rfbClientPtr client, sraRegionPtr region)
{
	rfbFramebufferUpdateMsg *header = (rfbFramebufferUpdateMsg *)(void *)client->updateBuf;
	*header = (rfbFramebufferUpdateMsg){.type = rfbFramebufferUpdate, .nRects = 0xffff}; /* as many as come before the last */
	client->ublen = sz_rfbFramebufferUpdateMsg;
	sraRgnSubtract(client->modifiedRegion, region);
	sraRgnMakeEmpty(client->requestedRegion);
	struct count sent = {0};
	if (each_rectangle(p, client, region, &sent) && rfbSendLastRectMarker(client))
		rfbSendUpdateBuf(client);
}

static void send_raw(rfbClientPtr client)
{
	int preferred = client->preferredEncoding;
	client->preferredEncoding = rfbEncodingRaw;
	rfbSendFramebufferUpdate(client, client->modifiedRegion);
	client->preferredEncoding = preferred;
}

void photo_update(struct photo *p, rfbClientPtr client)
{
	bool tight = takes_tight(client), hextile = client->preferredEncoding == rfbEncodingHextile;
	struct count n = {0};
	if (!ready(client) || !(tight || hextile))
		return;
	sraRegionPtr region = sraRgnCreateRgn(client->modifiedRegion);
	sraRgnAnd(region, client->requestedRegion);
	each_rectangle(NULL, client, region, &n);
	if (tight && n.photo >= UPDATE_LEAST)
		send_tight(p, client, region);
	else if (hextile && n.photo >= UPDATE_LEAST && n.photo > n.pixels - n.pixels / 8)
		send_raw(client);
	sraRgnDestroy(region);
}
