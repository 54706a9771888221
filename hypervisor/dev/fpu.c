/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fpu.c - how a PC reports x87 errors: FERR# latches IRQ 13, a write to port F0 clears it and asserts IGNNE#
 * (Intel SDM 1, D.2 "MS-DOS compatibility sub-mode"; PC/AT Technical Reference, coprocessor).
 *
 * IGNNE# ends when FERR# does, which the CPU does not tell us. So it counts only for a handler that would otherwise stand
 * still: one whose waiting instruction comes again and again although IRQ 13 has been raised.
 */
#include <errno.h>

#include "dev/dev.h"

#define IRQ_FPU 13
#define TRIES_MAX 1000

struct fpu {
	struct device dev;
	bool latched; /* IRQ 13 */
	bool ignore;  /* port F0 was written since the last error */
	u32 tries;
};

static void fpu_line(struct fpu *f, bool level)
{
	f->latched = level;
	dev_irq(&f->dev, IRQ_FPU, level);
}

static bool fpu_ferr(struct device *d)
{
	struct fpu *f = (struct fpu *)d;

	if (f->ignore && ++f->tries > TRIES_MAX) {
		f->ignore = false;
		f->tries = 0;
		fpu_line(f, false);
		return true;
	}
	fpu_line(f, true);
	return false;
}

static u32 fpu_read(struct device *d, u16 port, unsigned size)
{
	(void)d, (void)port, (void)size;
	return ~0u;
}

/* F0 clears the latch; F1, which resets an 80287, does nothing to a coprocessor on the CPU's die. */
static void fpu_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct fpu *f = (struct fpu *)d;

	(void)size, (void)value;
	if (port != 0xf0)
		return;
	f->ignore = f->latched || f->ignore;
	f->tries = 0;
	fpu_line(f, false);
}

static const struct pio_ops fpu_pio = {fpu_read, fpu_write};

static int fpu_init(struct device *d, struct error *err)
{
	(void)err;
	dev_map_pio(d, 0xf0, 2, &fpu_pio);
	dev_offer_ferr(d, fpu_ferr);
	return 0;
}

static void fpu_reset(struct device *d)
{
	struct fpu *f = (struct fpu *)d;

	f->ignore = false;
	f->tries = 0;
	fpu_line(f, false);
}

static void fpu_save(struct device *d, struct state_writer *w)
{
	struct fpu *f = (struct fpu *)d;

	put_bool(w, f->latched);
	put_bool(w, f->ignore);
	put_u32(w, f->tries);
}

static int fpu_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct fpu *f = (struct fpu *)d;
	bool latched = get_bool(r);

	f->ignore = get_bool(r);
	f->tries = get_u32(r);
	if (state_error(r))
		return fail(err, -EBADMSG, "saved state of fpu is damaged");
	fpu_line(f, latched);
	return 0;
}

const struct device_ops dev_fpu = {
	.name = "fpu",
	.size = sizeof(struct fpu),
	.version = 1,
	.init = fpu_init,
	.reset = fpu_reset,
	.save = fpu_save,
	.load = fpu_load,
};
