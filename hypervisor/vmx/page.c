/* SPDX-License-Identifier: GPL-2.0-or-later */
/* page.c - the shared page of screen.h: made here, drawn by the display adapter. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmx/machine.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

int page_create(struct machine *m, struct error *err)
{
	m->screen_fd = memfd_create("vmk-screen", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (m->screen_fd < 0 || ftruncate(m->screen_fd, SCREEN_BYTES))
		return fail(err, -errno, "cannot create the screen: %s", strerror(errno));
	void *page = mmap(NULL, SCREEN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, m->screen_fd, 0);
	if (page == MAP_FAILED)
		return fail(err, -errno, "cannot map the screen: %s", strerror(errno));
	m->page = page;
	/* From here on only this mapping is writable: viewers can look and nothing else (Linux 5.1; without it they are trusted). */
	fcntl(m->screen_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	fcntl(m->screen_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
	fcntl(m->screen_fd, F_ADD_SEALS, F_SEAL_SEAL);
	m->page->magic = SCREEN_MAGIC;
	m->page->mode = SCREEN_OFF;
	m->screen_written = true;
	str_copy(m->page->title, sizeof(m->page->title), m->name);
	return 0;
}

void page_destroy(struct machine *m)
{
	if (m->page)
		munmap(m->page, SCREEN_BYTES);
	if (m->screen_fd >= 0)
		close(m->screen_fd);
}

static void page_begin(struct screen_page *p)
{
	atomic_fetch_add(&p->sequence, 1);
}

void page_off(struct machine *m)
{
	page_begin(m->page);
	m->page->mode = SCREEN_OFF;
	atomic_fetch_add(&m->page->sequence, 1);
}

void dev_set_leds(struct device *d, unsigned leds)
{
	struct screen_page *p = d->machine->page;

	if (p->leds == leds)
		return;
	page_begin(p);
	p->leds = leds;
	atomic_fetch_add(&p->sequence, 1);
	screen_written(d->machine);
}

struct screen_page *dev_screen(struct device *d)
{
	return d->machine->page;
}

void dev_offer_display(struct device *d, u64 (*refresh)(struct device *d))
{
	d->machine->people.display = d;
	d->machine->people.refresh = refresh;
}

void screen_written(struct machine *m)
{
	/* A look first: adapters tell of each write to a register, and a locked instruction costs more than the write. */
	if (!atomic_load_explicit(&m->screen_written, memory_order_relaxed) && !atomic_exchange(&m->screen_written, true))
		machine_wake(m);
}

void dev_display_changed(struct device *d)
{
	screen_written(d->machine);
}

void dev_offer_keyboard(struct device *d, void (*key)(struct device *d, u8 code, bool down))
{
	d->machine->people.keyboard = d;
	d->machine->people.key = key;
}

void dev_offer_pointer(struct device *d, void (*move)(struct device *d, int dx, int dy, int wheel, unsigned buttons))
{
	d->machine->people.pointer = d;
	d->machine->people.move = move;
}

void dev_offer_absolute_pointer(struct device *d, bool (*move)(struct device *d, u16 x, u16 y, int wheel, int tilt, unsigned buttons))
{
	struct absolute_pointer *absolute = d->machine->people.absolute;
	unsigned i = 0;

	while (absolute[i].device)
		BUG_ON(++i == ABSOLUTE_POINTERS);
	absolute[i] = (struct absolute_pointer){d, move};
}

void dev_offer_backdoor(struct device *d, bool (*call)(struct device *d, u32 regs[6]))
{
	d->machine->people.backdoor = d;
	d->machine->people.call = call;
}

void dev_offer_balloon(struct device *d, const struct balloon_ops *ops)
{
	d->machine->people.balloon = d;
	d->machine->people.balloon_ops = ops;
}

void dev_offer_guest_rpc(struct device *d, const struct guest_rpc_ops *ops)
{
	d->machine->people.rpc = d;
	d->machine->people.rpc_ops = ops;
}

void dev_offer_drives(struct device *d, const struct drive_ops *ops)
{
	struct drives *drives = d->machine->people.drives;
	unsigned i = 0;

	while (drives[i].device)
		BUG_ON(++i == MACHINE_MAX_DRIVES);
	drives[i] = (struct drives){d, ops};
}

void dev_offer_power_button(struct device *d, bool (*press)(struct device *d))
{
	d->machine->people.power_button = d;
	d->machine->people.press = press;
}
