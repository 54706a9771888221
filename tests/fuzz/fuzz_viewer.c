// uses: api lib -ljansson -lxkbcommon
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine's process as its viewers see it: the head of the page, cells, and packets of any kind.
 * Also terminal bytes: every byte goes through the key decoder and the way back.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/viewer.h"
#include "lib/sock.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct screen_page *page;
static int page_fd = -1;

static void page_make(void)
{
	page_fd = memfd_create("page", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	BUG_ON(ftruncate(page_fd, SCREEN_BYTES) < 0);
	page = mmap(NULL, SCREEN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
	BUG_ON(page == MAP_FAILED || fcntl(page_fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0);
}

static void look(struct viewer *v, uint8_t shape)
{
	static struct viewer_screen s;
	static struct viewer_cell cells[256 * 64];
	struct viewer_area area = {.columns = 1 + shape, .rows = 1 + shape % 64, .pan = (int8_t)shape, .ascii = shape & 1};
	viewer_snapshot(v, &s, true);
	viewer_render(&s, &area, cells);
	BUG_ON(area.cursor_x >= (int)area.columns || area.cursor_y >= (int)area.rows);
	for (unsigned k = 0; k < area.columns * area.rows; k++)
		BUG_ON(cells[k].character < ' ' || cells[k].ink > 15 || cells[k].paper > 15);
	free(viewer_text(&s, shape & 1, 1 + shape));
}

static void serial(void *arg, const u8 *bytes, size_t len)
{
	size_t *sum = arg;
	BUG_ON(len > 1024);
	for (size_t k = 0; k < len; k++)
		*sum += bytes[k];
}

static void press(void *arg, const struct viewer_press *p)
{
	enum viewer_command command;
	BUG_ON(p->chord.count > VIEWER_CHORD_MAX || p->before.count > VIEWER_CHORD_MAX || p->raw_length > VIEWER_RAW_MAX);
	viewer_escape(arg, p, &command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct screen_message hello = {.type = SCREEN_HELLO};
	struct viewer_escape escape = {0};
	static struct keymap *map;
	struct viewer_input input = {0};
	struct viewer *v;
	int pair[2];
	if (page_fd < 0)
		page_make();
	BUG_ON(!map && keymap_open("de", &map, NULL));
	input.map = map;
	viewer_decode(&input, data, size, press, &escape);
	viewer_decode(&input, NULL, 0, press, &escape);
	size_t head = MIN(size, offsetof(struct screen_page, tile_sequence)), sum = 0;
	memset(page, 0, offsetof(struct screen_page, tile_sequence));
	memcpy(page, data, head);
	page->magic = SCREEN_MAGIC;
	page->sequence &= ~1u; /* an odd one costs 20 ms each */
	memcpy(page->cells, data, MIN(size, sizeof(page->cells)));
	BUG_ON(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0);
	sock_send(pair[0], &hello, offsetof(struct screen_message, bytes), &page_fd, 1);
	BUG_ON(viewer_open(pair[1], &v, NULL));
	look(v, size ? data[size - 1] : 0);
	/* The rest as packets: a length byte each. */
	for (size_t at = head; at < size; at += 1 + data[at]) {
		size_t len = MIN((size_t)data[at], size - at - 1);
		if (len && sock_send(pair[0], data + at + 1, len, NULL, 0) < 0)
			break;
		viewer_receive(v, serial, &sum);
	}
	close(pair[0]);
	viewer_receive(v, serial, &sum);
	viewer_close(v);
	return (int)(sum & 0);
}
