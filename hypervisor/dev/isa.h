/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isa.h - what the byte-wide devices on the ISA bus share.
 */
#ifndef VMK_DEV_ISA_H
#define VMK_DEV_ISA_H

#include <errno.h>

#include "dev/dev.h"

/* The crystal every PC clock is divided from: 14.31818 MHz; /12 feeds the 8254, /4 the ACPI timer. */
#define ISA_CRYSTAL_HZ 14318180ull

/* RAM below 4 GiB ends here at the latest; the rest stands above 4 GiB, the PCI hole between them. */
#define ISA_LOW_RAM (3 * GIB)

/* Ticks of the crystal divided by `divisor` that have begun by machine time `ns`. */
static inline u64 isa_ticks(u64 ns, unsigned divisor)
{
	return (u64)((unsigned __int128)ns * ISA_CRYSTAL_HZ / ((u64)divisor * NSEC_PER_SEC));
}

/* The first nanosecond at which isa_ticks() is `ticks`; UINT64_MAX when that is never. */
static inline u64 isa_ticks_time(u64 ticks, unsigned divisor)
{
	unsigned __int128 scaled = (unsigned __int128)ticks * divisor * NSEC_PER_SEC;
	unsigned __int128 ns = (scaled + ISA_CRYSTAL_HZ - 1) / ISA_CRYSTAL_HZ;

	return ns >> 64 ? UINT64_MAX : (u64)ns;
}

/* The bridge turns a wide access to a byte-wide device into byte cycles, lowest address first. */
static inline u32 isa_read_bytes(struct device *d, u16 port, unsigned size, u8 (*read)(struct device *d, u16 port))
{
	u32 value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (u32)read(d, (u16)(port + i)) << (8 * i);
	return value;
}

static inline void isa_write_bytes(struct device *d, u16 port, unsigned size, u32 value,
				   void (*write)(struct device *d, u16 port, u8 value))
{
	for (unsigned i = 0; i < size; i++)
		write(d, (u16)(port + i), (u8)(value >> (8 * i)));
}

/* The last line of a load(): the stream was whole and every field in range. */
static inline int isa_load_end(struct device *d, struct state_reader *r, struct error *err)
{
	if (state_error(r))
		return fail(err, -EBADMSG, "saved state of %s is damaged", d->ops->name);
	return 0;
}

#endif
