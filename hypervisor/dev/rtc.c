/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtc.c - the MC146818 real-time clock and the CMOS memory behind ports 70h-73h.
 *
 * The time is the host's wall clock plus an offset the guest sets; registers are computed when they are read. A timer
 * runs only while an interrupt is enabled and its flag is not already waiting to be read. Register names are those of
 * the Motorola MC146818A data sheet. CMOS bytes are those SeaBIOS reads on an i440FX.
 */
#include <string.h>
#include <unistd.h>

#include "dev/isa.h"
#include "dev/rtc.h"
#include "lib/util.h"

enum {
	REG_SECONDS,
	REG_SECONDS_ALARM,
	REG_MINUTES,
	REG_MINUTES_ALARM,
	REG_HOURS,
	REG_HOURS_ALARM,
	REG_DAY_OF_WEEK,
	REG_DATE,
	REG_MONTH,
	REG_YEAR,
	REG_A,
	REG_B,
	REG_C,
	REG_D
};

#define A_UIP	BIT(7)
#define A_RS	0x0f
#define B_SET	BIT(7)
#define B_PIE	BIT(6)
#define B_AIE	BIT(5)
#define B_UIE	BIT(4)
#define B_SQWE	BIT(3)
#define B_DM	BIT(2)
#define B_24	BIT(1)
#define C_IRQF	BIT(7)
#define C_PF	BIT(6)
#define C_AF	BIT(5)
#define C_UF	BIT(4)
#define D_VRT	BIT(7)
#define HOUR_PM 0x80

#define CMOS_BYTES     256
#define CMOS_FLOPPY    0x10
#define CMOS_EQUIPMENT 0x14
#define CMOS_CHECKSUM  0x2e
#define CMOS_CENTURY   0x32
#define RTC_IRQ	       8
#define DAY	       86400
/* UIP rises 244 us before the update, which takes 1984 us with a 32.768 kHz crystal (data sheet, table 6). */
#define UIP_NS	       (244000 + 1984000)
#define SAVE_DELAY     NSEC_PER_SEC

struct rtc {
	struct device dev;
	u8 cmos[CMOS_BYTES]; /* registers A-D too; time bytes only while `halted` */
	u8 configured[CMOS_BYTES];
	u8 is_configured[CMOS_BYTES / 8];
	u8 index[2];	    /* ports 70, 72 */
	s64 offset;	    /* ns of the clock's time ahead of the wall clock */
	u64 checked;	    /* clock time up to which alarm and update flags are set */
	u64 checked_period; /* periods of the periodic interrupt passed by then */
	struct dev_timer timer;
	struct dev_timer save_timer;
	int nvram; /* descriptor or -1 */
};

/* ---- calendar ---- */

struct calendar {
	unsigned second, minute, hour, weekday /* 1 = Sunday */, day, month, year;
};

/* Days since 1970-01-01 of the proleptic Gregorian calendar, counted in years that begin in March. */
static s64 days_from_date(unsigned year, unsigned month, unsigned day)
{
	unsigned y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;
	s64 days = 365ll * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1;

	return days - 719468;
}

static void calendar_from_seconds(u64 seconds, struct calendar *t)
{
	u64 days = seconds / DAY, rest = seconds % DAY, z = days + 719468, era = z / 146097, doe = z % 146097;
	u64 yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (unsigned)((5 * doy + 2) / 153);

	t->second = (unsigned)(rest % 60);
	t->minute = (unsigned)(rest / 60 % 60);
	t->hour = (unsigned)(rest / 3600);
	t->weekday = (unsigned)((days + 4) % 7 + 1);
	t->day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	t->month = mp < 10 ? mp + 3 : mp - 9;
	t->year = (unsigned)(yoe + era * 400 + (t->month <= 2));
}

/* ---- the clock ---- */

/* SET holds the registers for software, DV = 11x holds the divider in reset. */
static bool halted(const struct rtc *r)
{
	return r->cmos[REG_B] & B_SET || (r->cmos[REG_A] & 0x60) == 0x60;
}

static u64 clock_now(struct rtc *r)
{
	__int128 t = (__int128)dev_wall_clock(&r->dev) + r->offset;

	return t < 0 ? 0 : (u64)MIN(t, INT64_MAX);
}

static u8 encode(const struct rtc *r, unsigned n)
{
	return r->cmos[REG_B] & B_DM ? (u8)n : (u8)(n / 10 % 10 << 4 | n % 10);
}

static unsigned decode(const struct rtc *r, u8 value)
{
	return r->cmos[REG_B] & B_DM ? value : (value >> 4) * 10u + (value & 15);
}

static u8 encode_hour(const struct rtc *r, unsigned hour)
{
	if (r->cmos[REG_B] & B_24)
		return encode(r, hour);
	return encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const struct rtc *r, u8 value)
{
	if (r->cmos[REG_B] & B_24)
		return decode(r, value);
	return decode(r, value & 0x7f) % 12 + (value & HOUR_PM ? 12 : 0);
}

/* Time bytes of the CMOS as of now. */
static void registers_from_clock(struct rtc *r)
{
	struct calendar t;

	calendar_from_seconds(clock_now(r) / NSEC_PER_SEC, &t);
	r->cmos[REG_SECONDS] = encode(r, t.second);
	r->cmos[REG_MINUTES] = encode(r, t.minute);
	r->cmos[REG_HOURS] = encode_hour(r, t.hour);
	r->cmos[REG_DAY_OF_WEEK] = encode(r, t.weekday);
	r->cmos[REG_DATE] = encode(r, t.day);
	r->cmos[REG_MONTH] = encode(r, t.month);
	r->cmos[REG_YEAR] = encode(r, t.year % 100);
	r->cmos[CMOS_CENTURY] = encode(r, t.year / 100);
}

static unsigned clamp(unsigned n, unsigned low, unsigned high)
{
	return n < low ? low : n > high ? high : n;
}

/* Sets the clock to what the time bytes say; impossible dates become the nearest possible ones. */
static void clock_from_registers(struct rtc *r, u64 fraction)
{
	const u8 *c = r->cmos;
	unsigned year = clamp(decode(r, c[CMOS_CENTURY]), 19, 99) * 100 + clamp(decode(r, c[REG_YEAR]), 0, 99);
	/* Nanoseconds in 63 bits end in 2262. */
	s64 days = days_from_date(clamp(year, 1970, 2260), clamp(decode(r, c[REG_MONTH]), 1, 12),
				  clamp(decode(r, c[REG_DATE]), 1, 31));
	s64 seconds = days * DAY + clamp(decode_hour(r, c[REG_HOURS]), 0, 23) * 3600 +
		      clamp(decode(r, c[REG_MINUTES]), 0, 59) * 60 + clamp(decode(r, c[REG_SECONDS]), 0, 59);

	r->offset = seconds * (s64)NSEC_PER_SEC + (s64)fraction - (s64)dev_wall_clock(&r->dev);
	r->checked = clock_now(r);
}

/* ---- interrupts ---- */

/* Length of the periodic interrupt in cycles of 32768 Hz; 0 = off (data sheet, table 5). */
static unsigned period(const struct rtc *r)
{
	unsigned rs = r->cmos[REG_A] & A_RS;

	if (!rs)
		return 0;
	return rs <= 2 ? 64u << rs : 1u << (rs - 1);
}

static u64 periods_passed(struct rtc *r)
{
	return period(r) ? (u64)((unsigned __int128)dev_now(&r->dev) * 32768 / NSEC_PER_SEC) / period(r) : 0;
}

static bool alarm_matches(u8 alarm, unsigned want, unsigned have)
{
	return alarm >= 0xc0 /* "don't care" */ || want == have;
}

/* First second after `after` that the alarm bytes match; 0 when they match none. */
static u64 next_alarm(const struct rtc *r, u64 after)
{
	const u8 *c = r->cmos;
	u64 t = after + 1;

	for (unsigned i = 0; i < 200; i++) { /* at most 24 hours + 60 minutes + 60 seconds are passed over */
		unsigned hour = (unsigned)(t % DAY / 3600), minute = (unsigned)(t / 60 % 60),
			 second = (unsigned)(t % 60);

		if (!alarm_matches(c[REG_HOURS_ALARM], decode_hour(r, c[REG_HOURS_ALARM]), hour))
			t += 3600 - t % 3600;
		else if (!alarm_matches(c[REG_MINUTES_ALARM], decode(r, c[REG_MINUTES_ALARM]), minute))
			t += 60 - t % 60;
		else if (!alarm_matches(c[REG_SECONDS_ALARM], decode(r, c[REG_SECONDS_ALARM]), second))
			t++;
		else
			return t;
	}
	return 0;
}

/* Sets the flags of register C for what has happened since it was last looked at. */
static void update_flags(struct rtc *r)
{
	u64 now = clock_now(r), passed = periods_passed(r), alarm;
	u8 *c = &r->cmos[REG_C];

	if (passed != r->checked_period && period(r))
		*c |= C_PF;
	r->checked_period = passed;
	if (!halted(r) && now / NSEC_PER_SEC > r->checked / NSEC_PER_SEC) {
		*c |= C_UF;
		alarm = next_alarm(r, r->checked / NSEC_PER_SEC);
		if (alarm && alarm <= now / NSEC_PER_SEC)
			*c |= C_AF;
	}
	r->checked = now;
	if (*c & r->cmos[REG_B] & (C_PF | C_AF | C_UF))
		*c |= C_IRQF;
	else
		*c &= ~C_IRQF;
	dev_irq(&r->dev, RTC_IRQ, *c & C_IRQF);
}

/* Arms the timer for the next event that would raise IRQ 8; none while it is raised already. */
static void schedule(struct rtc *r)
{
	u64 now = dev_now(&r->dev), clock = clock_now(r), seconds = clock / NSEC_PER_SEC, when = UINT64_MAX, alarm;
	u8 enabled = r->cmos[REG_B] & (B_PIE | B_AIE | B_UIE);

	if (!enabled || r->cmos[REG_C] & C_IRQF) {
		dev_timer_set(&r->timer, 0);
		return;
	}
	if (enabled & B_PIE && period(r)) {
		unsigned __int128 cycles = (unsigned __int128)(periods_passed(r) + 1) * period(r);

		when = (u64)((cycles * NSEC_PER_SEC + 32767) / 32768);
	}
	if (enabled & B_UIE && !halted(r))
		when = MIN(when, now + (seconds + 1) * NSEC_PER_SEC - clock);
	if (enabled & B_AIE && !halted(r)) {
		alarm = next_alarm(r, seconds);
		if (alarm)
			when = MIN(when, now + alarm * NSEC_PER_SEC - clock);
	}
	dev_timer_set(&r->timer, when == UINT64_MAX ? 0 : when);
}

static void rtc_refresh(struct rtc *r)
{
	update_flags(r);
	schedule(r);
}

static void rtc_timer(struct device *d)
{
	rtc_refresh((struct rtc *)d);
}

/* ---- registers ---- */

static bool is_time(u8 index)
{
	return index == CMOS_CENTURY || (index <= REG_YEAR && index != REG_SECONDS_ALARM &&
					 index != REG_MINUTES_ALARM && index != REG_HOURS_ALARM);
}

static void save_soon(struct rtc *r)
{
	if (r->nvram >= 0 && !r->save_timer.when)
		dev_timer_set(&r->save_timer, dev_now(&r->dev) + SAVE_DELAY);
}

static u8 cmos_read(struct rtc *r, u8 index)
{
	u8 value;

	if (is_time(index)) {
		if (!halted(r))
			registers_from_clock(r);
		return r->cmos[index];
	}
	switch (index) {
	case REG_A:
		if (!halted(r) && clock_now(r) % NSEC_PER_SEC >= NSEC_PER_SEC - UIP_NS)
			return r->cmos[REG_A] | A_UIP;
		return r->cmos[REG_A];
	case REG_C: /* reading clears the flags and IRQF */
		update_flags(r);
		value = r->cmos[REG_C];
		r->cmos[REG_C] = 0;
		rtc_refresh(r);
		return value;
	case REG_D:
		return D_VRT;
	default:
		return r->cmos[index];
	}
}

static void control_write(struct rtc *r, u8 index, u8 value)
{
	bool was_halted = halted(r), was_reset = (r->cmos[REG_A] & 0x60) == 0x60;

	update_flags(r);
	if (!was_halted)
		registers_from_clock(r);
	if (index == REG_A)
		value &= ~A_UIP;
	else if (value & B_SET)
		value &= ~B_UIE; /* SET clears UIE */
	r->cmos[index] = value;
	if (was_halted && !halted(r)) {
		/* The first update comes half a second after the divider is released (data sheet, "divider stages"). */
		clock_from_registers(r, was_reset ? NSEC_PER_SEC / 2 : clock_now(r) % NSEC_PER_SEC);
		save_soon(r);
	}
	r->checked_period = periods_passed(r);
	rtc_refresh(r);
}

static void cmos_write(struct rtc *r, u8 index, u8 value)
{
	switch (index) {
	case REG_A:
	case REG_B:
		control_write(r, index, value);
		return;
	case REG_C:
	case REG_D:
		return; /* read-only */
	}
	update_flags(r);
	if (is_time(index) && !halted(r)) {
		registers_from_clock(r);
		r->cmos[index] = value;
		clock_from_registers(r, clock_now(r) % NSEC_PER_SEC);
	} else {
		r->cmos[index] = value;
	}
	schedule(r);
	save_soon(r);
}

static u8 rtc_read8(struct device *d, u16 port)
{
	struct rtc *r = (struct rtc *)d;

	if (!(port & 1))
		return 0xff; /* the index is write-only */
	return cmos_read(r, r->index[port >> 1 & 1]);
}

static void rtc_write8(struct device *d, u16 port, u8 value)
{
	struct rtc *r = (struct rtc *)d;
	unsigned bank = port >> 1 & 1;

	if (port & 1)
		cmos_write(r, r->index[bank], value);
	else
		r->index[bank] = (value & 0x7f) | (u8)(bank << 7); /* bit 7 of port 70 masks NMI: there is no source */
}

static u32 rtc_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, rtc_read8);
}

static void rtc_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, rtc_write8);
}

static const struct pio_ops rtc_ports = {rtc_read, rtc_write};

/* ---- what stays when the power is off ---- */

#define NVRAM_BYTES (CMOS_BYTES + 8) /* the CMOS, then the clock's offset, little-endian */

static void nvram_write(struct device *d)
{
	struct rtc *r = (struct rtc *)d;
	u8 file[NVRAM_BYTES];

	if (r->nvram < 0)
		return;
	memcpy(file, r->cmos, CMOS_BYTES);
	for (unsigned i = 0; i < 8; i++)
		file[CMOS_BYTES + i] = (u8)((u64)r->offset >> (8 * i));
	if (pwrite(r->nvram, file, sizeof(file), 0) != (ssize_t)sizeof(file))
		dev_log(d, "the CMOS memory could not be written to its file");
}

/* A file of another size is new, or not ours: it is begun afresh. */
static void nvram_read(struct rtc *r)
{
	u8 file[NVRAM_BYTES];
	u64 offset = 0;

	if (pread(r->nvram, file, sizeof(file), 0) != (ssize_t)sizeof(file))
		return;
	memcpy(r->cmos + REG_D + 1, file + REG_D + 1, CMOS_BYTES - REG_D - 1);
	for (unsigned i = 0; i < 8; i++)
		offset |= (u64)file[CMOS_BYTES + i] << (8 * i);
	r->offset = (s64)offset;
}

void rtc_configure(struct device *d, u8 index, u8 value)
{
	struct rtc *r = (struct rtc *)d;

	r->configured[index] = value;
	r->is_configured[index / 8] |= BIT(index % 8);
}

static void configure_u16(struct rtc *r, u8 index, u64 value)
{
	value = MIN(value, 0xffffull);
	rtc_configure(&r->dev, index, (u8)value);
	rtc_configure(&r->dev, index + 1, (u8)(value >> 8));
}

static void configure_memory(struct rtc *r)
{
	u64 ram = dev_ram_bytes(&r->dev), low = MIN(ram, ISA_LOW_RAM), high = (ram - low) / (64 * KIB);

	configure_u16(r, 0x15, 640);
	configure_u16(r, 0x17, low > MIB ? (low - MIB) / KIB : 0);
	configure_u16(r, 0x30, low > MIB ? (low - MIB) / KIB : 0);
	configure_u16(r, 0x34, low > 16 * MIB ? (low - 16 * MIB) / (64 * KIB) : 0);
	configure_u16(r, 0x5b, high & 0xffff);
	rtc_configure(&r->dev, 0x5d, (u8)(high >> 16));
}

/* Coprocessor and PS/2 mouse are always there; bits 7-6 count the floppy drives, less one. */
static void configure_equipment(struct rtc *r)
{
	const struct config *config = dev_config(&r->dev);
	unsigned drives = config_bool(config, "floppy0.present") + config_bool(config, "floppy1.present");

	rtc_configure(&r->dev, CMOS_EQUIPMENT, (u8)(0x06 | (drives ? 1 | (drives - 1) << 6 : 0)));
}

/* SeaBIOS: first device in the low nibble of 3D, second in its high one, third in the high one of 38. */
static void configure_boot_order(struct rtc *r)
{
	static const char *const names[] = {"floppy", "hdd", "cdrom"}; /* codes 1, 2, 3 */
	const char *at = config_string(dev_config(&r->dev), "bios.bootOrder");
	u8 order[3] = {0};
	unsigned n = 0;

	while (at && *at && n < ARRAY_SIZE(order)) {
		size_t len = strcspn(at, ", ");

		for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
			if (len == strlen(names[i]) && !strncasecmp(at, names[i], len))
				order[n++] = (u8)(i + 1);
		at += len;
		at += strspn(at, ", ");
	}
	rtc_configure(&r->dev, 0x3d, (u8)(order[0] | order[1] << 4));
	rtc_configure(&r->dev, 0x38, (u8)(order[2] << 4 | 1 /* floppies without the 55AA signature boot too */));
}

static int rtc_init(struct device *d, struct error *err)
{
	struct rtc *r = (struct rtc *)d;
	const char *file = config_string(dev_config(d), "nvram");

	r->nvram = -1;
	r->cmos[REG_A] = 0x26; /* 32.768 kHz, 1024 Hz */
	r->cmos[REG_B] = B_24;
	dev_timer_init(d, &r->timer, rtc_timer);
	dev_timer_init(d, &r->save_timer, nvram_write);
	if (file && *file) {
		r->nvram = dev_open_file(d, "nvram", err);
		if (r->nvram < 0)
			return r->nvram;
		nvram_read(r);
	}
	configure_memory(r);
	configure_boot_order(r);
	configure_equipment(r);
	dev_map_pio(d, 0x70, 4, &rtc_ports);
	return 0;
}

/* The RESET pin leaves time, alarm and memory alone. */
static void rtc_reset(struct device *d)
{
	struct rtc *r = (struct rtc *)d;
	u16 sum = 0;

	r->cmos[REG_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQWE);
	r->cmos[REG_C] = 0;
	r->index[0] = 0;
	r->index[1] = 0x80;
	for (unsigned i = 0; i < CMOS_BYTES; i++)
		if (r->is_configured[i / 8] & BIT(i % 8))
			r->cmos[i] = r->configured[i];
	for (unsigned i = CMOS_FLOPPY; i < CMOS_CHECKSUM; i++)
		sum += r->cmos[i];
	r->cmos[CMOS_CHECKSUM] = (u8)(sum >> 8);
	r->cmos[CMOS_CHECKSUM + 1] = (u8)sum;
	r->checked = clock_now(r);
	r->checked_period = periods_passed(r);
	rtc_refresh(r);
}

static void rtc_stop(struct device *d)
{
	struct rtc *r = (struct rtc *)d;

	if (r->nvram < 0)
		return;
	nvram_write(d);
	close(r->nvram);
	r->nvram = -1;
}

static void rtc_save(struct device *d, struct state_writer *w)
{
	struct rtc *r = (struct rtc *)d;

	put_bytes(w, r->cmos, sizeof(r->cmos));
	put_bytes(w, r->index, sizeof(r->index));
	put_u64(w, (u64)r->offset);
	put_u64(w, r->checked);
	put_u64(w, r->checked_period);
}

static int rtc_load(struct device *d, struct state_reader *s, struct error *err)
{
	struct rtc *r = (struct rtc *)d;
	int rc;

	get_bytes(s, r->cmos, sizeof(r->cmos));
	get_bytes(s, r->index, sizeof(r->index));
	r->offset = (s64)get_u64(s);
	r->checked = get_u64(s);
	r->checked_period = get_u64(s);
	r->index[0] &= 0x7f;
	r->index[1] |= 0x80;
	rc = isa_load_end(d, s, err);
	if (rc)
		return rc;
	dev_irq(d, RTC_IRQ, r->cmos[REG_C] & C_IRQF);
	schedule(r);
	return 0;
}

const struct device_ops dev_rtc = {
    .name = "rtc",
    .size = sizeof(struct rtc),
    .version = 1,
    .init = rtc_init,
    .reset = rtc_reset,
    .stop = rtc_stop,
    .save = rtc_save,
    .load = rtc_load,
};
