/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uart.c - up to four 16550A serial ports, COM1 to COM4.
 *
 * What the guest sends leaves at once; what comes in waits outside until the receiver has room, so nothing is ever
 * overrun. Register names are those of the National PC16550D data sheet.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "dev/isa.h"
#include "lib/util.h"

#define PORTS	   4
#define FIFO_BYTES 16

#define IER_ERBFI    BIT(0) /* received data */
#define IER_ETBEI    BIT(1) /* transmitter holding register empty */
#define IER_ELSI     BIT(2) /* line status */
#define IER_EDSSI    BIT(3) /* modem status */
#define IIR_NONE     1
#define IIR_MODEM    0
#define IIR_THRE     2
#define IIR_DATA     4
#define IIR_LINE     6
#define IIR_TIMEOUT  12
#define IIR_FIFOS    0xc0
#define FCR_ENABLE   BIT(0)
#define FCR_CLEAR_RX BIT(1)
#define LCR_WLS	     3
#define LCR_BREAK    BIT(6)
#define LCR_DLAB     BIT(7)
#define MCR_DTR	     BIT(0)
#define MCR_RTS	     BIT(1)
#define MCR_OUT1     BIT(2)
#define MCR_OUT2     BIT(3) /* gates the interrupt on a PC */
#define MCR_LOOP     BIT(4)
#define LSR_DR	     BIT(0)
#define LSR_OE	     BIT(1)
#define LSR_BI	     BIT(4)
#define LSR_ERRORS   0x1e
#define LSR_THRE     BIT(5)
#define LSR_TEMT     BIT(6)
#define MSR_DELTAS   0x0f
#define MSR_CTS	     BIT(4)
#define MSR_DSR	     BIT(5)
#define MSR_RI	     BIT(6)
#define MSR_DCD	     BIT(7)

enum target { TO_CONSOLE, TO_FILE, TO_NOWHERE };

struct line {
	bool present;
	u8 target; /* enum target: configuration, not state */
	int fd;
	u8 ier, fcr, lcr, mcr, lsr, msr, scr;
	u16 divisor;
	bool thre_pending; /* THRE interrupt not yet read or served */
	bool timed_out;	   /* character time-out (FIFO mode) */
	u8 fifo[FIFO_BYTES];
	u8 fifo_at, fifo_count;
	u64 timeout_at; /* machine time of the character time-out, 0 = none to come */
};

struct uart {
	struct device dev;
	struct line line[PORTS];
	struct dev_timer timer; /* the earliest time-out */
};

static const u16 bases[PORTS] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
static const u8 irqs[PORTS] = {4, 3, 4, 3};

/* ---- interrupts ---- */

static unsigned trigger_level(const struct line *l)
{
	static const u8 levels[] = {1, 4, 8, 14};

	return l->fcr & FCR_ENABLE ? levels[l->fcr >> 6] : 1;
}

/* Interrupt identification without the FIFO bits, in order of priority (data sheet, table III). */
static u8 pending(const struct line *l)
{
	if (l->ier & IER_ELSI && l->lsr & LSR_ERRORS)
		return IIR_LINE;
	if (l->ier & IER_ERBFI && l->fifo_count >= trigger_level(l))
		return IIR_DATA;
	if (l->ier & IER_ERBFI && l->timed_out)
		return IIR_TIMEOUT;
	if (l->ier & IER_ETBEI && l->thre_pending)
		return IIR_THRE;
	if (l->ier & IER_EDSSI && l->msr & MSR_DELTAS)
		return IIR_MODEM;
	return IIR_NONE;
}

/* COM1 and COM3 share a line, as do COM2 and COM4; OUT2 is the board's gate. It does not leave the chip in loop mode.
 */
static void uart_update(struct uart *u)
{
	u16 high = 0;

	for (unsigned i = 0; i < PORTS; i++) {
		const struct line *l = &u->line[i];

		if (l->present && (l->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2 && pending(l) != IIR_NONE)
			high |= BIT(irqs[i]);
	}
	dev_irq(&u->dev, 3, high & BIT(3));
	dev_irq(&u->dev, 4, high & BIT(4));
}

/* Four characters' time at the line's speed: start, data, parity and stop bits. */
static u64 timeout_ns(const struct line *l)
{
	u64 bits = 7 + (l->lcr & LCR_WLS) + !!(l->lcr & BIT(2)) + !!(l->lcr & BIT(3));

	return 4 * bits * MAX(l->divisor, 1u) * NSEC_PER_SEC / 115200;
}

static void timer_update(struct uart *u)
{
	u64 when = 0;

	for (unsigned i = 0; i < PORTS; i++) {
		u64 at = u->line[i].timeout_at;

		if (at && (!when || at < when))
			when = at;
	}
	dev_timer_set(&u->timer, when);
}

/* The time-out restarts with every byte that comes in or is read; it only matters where an interrupt could follow. */
static void timeout_restart(struct uart *u, struct line *l)
{
	bool wanted = l->fcr & FCR_ENABLE && l->ier & IER_ERBFI && l->fifo_count && l->fifo_count < trigger_level(l);

	l->timed_out = false;
	l->timeout_at = wanted ? dev_now(&u->dev) + timeout_ns(l) : 0;
	timer_update(u);
}

static void uart_timer(struct device *d)
{
	struct uart *u = (struct uart *)d;
	u64 now = dev_now(d);

	for (unsigned i = 0; i < PORTS; i++) {
		struct line *l = &u->line[i];

		if (l->timeout_at && l->timeout_at <= now) {
			l->timed_out = true;
			l->timeout_at = 0;
		}
	}
	timer_update(u);
	uart_update(u);
}

/* ---- receiving ---- */

static unsigned capacity(const struct line *l)
{
	return l->fcr & FCR_ENABLE ? FIFO_BYTES : 1;
}

static void receive_byte(struct uart *u, struct line *l, u8 byte)
{
	if (l->fifo_count == capacity(l)) {
		l->lsr |= LSR_OE; /* only loop mode comes here: a FIFO keeps the old bytes, one buffer takes the new */
		if (!(l->fcr & FCR_ENABLE))
			l->fifo[l->fifo_at] = byte;
		return;
	}
	l->fifo[(l->fifo_at + l->fifo_count++) % FIFO_BYTES] = byte;
	l->lsr |= LSR_DR;
	timeout_restart(u, l);
}

static size_t uart_receive(struct device *d, unsigned n, const u8 *data, size_t len)
{
	struct uart *u = (struct uart *)d;
	struct line *l;
	size_t taken = 0;

	if (n >= PORTS || !u->line[n].present)
		return len;
	l = &u->line[n];
	if (l->mcr & MCR_LOOP)
		return 0; /* the pin is disconnected; offered again afterwards */
	while (taken < len && l->fifo_count < capacity(l))
		receive_byte(u, l, data[taken++]);
	uart_update(u);
	return taken;
}

static u8 read_data(struct uart *u, unsigned n)
{
	struct line *l = &u->line[n];
	u8 byte = l->fifo[l->fifo_at];

	if (!l->fifo_count)
		return byte;
	/* A single buffer register still shows its byte after it was read. */
	if (l->fcr & FCR_ENABLE)
		l->fifo_at = (l->fifo_at + 1) % FIFO_BYTES;
	if (!--l->fifo_count)
		l->lsr &= ~LSR_DR;
	timeout_restart(u, l);
	if (!l->fifo_count)
		dev_serial_ready(&u->dev, n);
	return byte;
}

/* ---- sending ---- */

static void transmit(struct uart *u, unsigned n, u8 byte)
{
	struct line *l = &u->line[n];

	if (l->mcr & MCR_LOOP)
		receive_byte(u, l, byte);
	else if (l->target == TO_CONSOLE)
		dev_serial_out(&u->dev, n, &byte, 1);
	else if (l->target == TO_FILE && write(l->fd, &byte, 1) != 1)
		dev_log(&u->dev, "output of serial%u cannot be written to its file", n);
	l->thre_pending = true;
}

/* ---- modem lines ---- */

static void modem_update(struct line *l)
{
	u8 now = l->target == TO_NOWHERE ? 0 : MSR_DCD | MSR_DSR | MSR_CTS, changed;

	if (l->mcr & MCR_LOOP)
		now = (u8)(!!(l->mcr & MCR_RTS) << 4 | !!(l->mcr & MCR_DTR) << 5 | !!(l->mcr & MCR_OUT1) << 6 |
			   !!(l->mcr & MCR_OUT2) << 7);
	changed = (l->msr ^ now) & 0xf0;
	/* TERI is the trailing edge of RI only. */
	if (changed & now & MSR_RI)
		changed &= ~MSR_RI;
	l->msr = now | (l->msr & MSR_DELTAS) | changed >> 4;
}

/* ---- registers ---- */

static void fifo_clear(struct line *l)
{
	l->fifo_at = l->fifo_count = 0;
	l->lsr &= ~(LSR_DR | LSR_OE);
	l->timed_out = false;
}

static void write_fcr(struct uart *u, unsigned n, u8 value)
{
	struct line *l = &u->line[n];
	bool changed = (l->fcr ^ value) & FCR_ENABLE;

	if (changed || (value & FCR_ENABLE && value & FCR_CLEAR_RX)) {
		fifo_clear(l);
		dev_serial_ready(&u->dev, n);
	}
	/* Bits other than 0 are only taken with bit 0 set; the clear bits are commands. */
	l->fcr = value & FCR_ENABLE ? value & 0xc9 : 0;
	timeout_restart(u, l);
}

static void write_ier(struct line *l, u8 value)
{
	value &= 0x0f;
	/* Enabling THRE while the holding register is empty, as it always is here, interrupts at once. */
	if (value & IER_ETBEI && !(l->ier & IER_ETBEI))
		l->thre_pending = true;
	l->ier = value;
}

static void write_mcr(struct uart *u, unsigned n, u8 value)
{
	struct line *l = &u->line[n];
	bool opened = l->mcr & MCR_LOOP && !(value & MCR_LOOP);

	l->mcr = value & 0x1f;
	modem_update(l);
	if (opened)
		dev_serial_ready(&u->dev, n);
}

static u8 read_iir(struct line *l)
{
	u8 id = pending(l);

	if (id == IIR_THRE)
		l->thre_pending = false;
	return id | (l->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static int line_of(u16 port)
{
	for (unsigned i = 0; i < PORTS; i++)
		if (bases[i] == (port & ~7))
			return (int)i;
	return -1;
}

static u8 uart_read8(struct device *d, u16 port)
{
	struct uart *u = (struct uart *)d;
	int n = line_of(port);
	struct line *l;
	u8 value;

	if (n < 0)
		return 0xff;
	l = &u->line[n];
	switch (port & 7) {
	case 0:
		value = l->lcr & LCR_DLAB ? (u8)l->divisor : read_data(u, (unsigned)n);
		break;
	case 1:
		value = l->lcr & LCR_DLAB ? (u8)(l->divisor >> 8) : l->ier;
		break;
	case 2:
		value = read_iir(l);
		break;
	case 3:
		value = l->lcr;
		break;
	case 4:
		value = l->mcr;
		break;
	case 5:
		value = l->lsr;
		l->lsr &= ~LSR_ERRORS;
		break;
	case 6:
		value = l->msr;
		l->msr &= ~MSR_DELTAS;
		break;
	default:
		value = l->scr;
	}
	uart_update(u);
	return value;
}

static void uart_write8(struct device *d, u16 port, u8 value)
{
	struct uart *u = (struct uart *)d;
	int n = line_of(port);
	struct line *l;

	if (n < 0)
		return;
	l = &u->line[n];
	switch (port & 7) {
	case 0:
		if (l->lcr & LCR_DLAB)
			l->divisor = (l->divisor & 0xff00) | value;
		else
			transmit(u, (unsigned)n, value);
		break;
	case 1:
		if (l->lcr & LCR_DLAB) {
			l->divisor = (u16)((l->divisor & 0xff) | value << 8);
		} else {
			write_ier(l, value);
			timeout_restart(u, l);
		}
		break;
	case 2:
		write_fcr(u, (unsigned)n, value);
		break;
	case 3:
		/* A break in loop mode comes back as one. */
		if (value & LCR_BREAK && !(l->lcr & LCR_BREAK) && l->mcr & MCR_LOOP)
			l->lsr |= LSR_BI;
		l->lcr = value;
		break;
	case 4:
		write_mcr(u, (unsigned)n, value);
		break;
	case 7:
		l->scr = value;
		break;
	}
	uart_update(u);
}

static u32 uart_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, uart_read8);
}

static void uart_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, uart_write8);
}

static const struct pio_ops uart_ports = {uart_read, uart_write};

/* ---- life ---- */

static int line_init(struct uart *u, unsigned n, struct error *err)
{
	struct line *l = &u->line[n];
	const struct config *config = dev_config(&u->dev);
	const char *type;
	char key[24];

	snprintf(key, sizeof(key), "serial%u.present", n);
	l->present = config_bool(config, key);
	if (!l->present)
		return 0;
	snprintf(key, sizeof(key), "serial%u.fileType", n);
	type = config_string(config, key);
	l->target = !strcasecmp(type, "file") ? TO_FILE : !strcasecmp(type, "null") ? TO_NOWHERE : TO_CONSOLE;
	if (l->target == TO_FILE) {
		snprintf(key, sizeof(key), "serial%u.fileName", n);
		l->fd = dev_open_file(&u->dev, key, err);
		if (l->fd < 0)
			return l->fd;
		lseek(l->fd, 0, SEEK_END); /* fails on pipes, which have no end to append to */
	}
	if (l->target == TO_CONSOLE)
		dev_offer_serial(&u->dev, n, uart_receive);
	dev_map_pio(&u->dev, bases[n], 8, &uart_ports);
	return 0;
}

static void uart_stop(struct device *d)
{
	struct uart *u = (struct uart *)d;

	for (unsigned i = 0; i < PORTS; i++) {
		if (u->line[i].fd >= 0)
			close(u->line[i].fd);
		u->line[i].fd = -1;
	}
}

static int uart_init(struct device *d, struct error *err)
{
	struct uart *u = (struct uart *)d;
	int rc = 0;

	for (unsigned i = 0; i < PORTS; i++)
		u->line[i].fd = -1;
	dev_timer_init(d, &u->timer, uart_timer);
	for (unsigned i = 0; i < PORTS && !rc; i++)
		rc = line_init(u, i, err);
	if (rc)
		uart_stop(d);
	return rc;
}

/* Data sheet, table I: master reset. The divisor is left alone there; firmware finds 9600 baud. */
static void uart_reset(struct device *d)
{
	struct uart *u = (struct uart *)d;

	for (unsigned i = 0; i < PORTS; i++) {
		struct line *l = &u->line[i];

		l->ier = l->fcr = l->lcr = l->mcr = l->msr = l->scr = 0;
		l->lsr = LSR_THRE | LSR_TEMT;
		l->divisor = 12;
		l->thre_pending = false;
		l->timeout_at = 0;
		fifo_clear(l);
		modem_update(l);
		l->msr &= ~MSR_DELTAS;
		if (l->present)
			dev_serial_ready(d, i);
	}
	timer_update(u);
	uart_update(u);
}

static void uart_save(struct device *d, struct state_writer *w)
{
	struct uart *u = (struct uart *)d;

	for (unsigned i = 0; i < PORTS; i++) {
		const struct line *l = &u->line[i];

		put_u8(w, l->ier);
		put_u8(w, l->fcr);
		put_u8(w, l->lcr);
		put_u8(w, l->mcr);
		put_u8(w, l->lsr);
		put_u8(w, l->msr);
		put_u8(w, l->scr);
		put_u16(w, l->divisor);
		put_bool(w, l->thre_pending);
		put_bool(w, l->timed_out);
		put_bytes(w, l->fifo, sizeof(l->fifo));
		put_u8(w, l->fifo_at);
		put_u8(w, l->fifo_count);
		put_u64(w, l->timeout_at);
	}
}

static int uart_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct uart *u = (struct uart *)d;
	int rc;

	for (unsigned i = 0; i < PORTS; i++) {
		struct line *l = &u->line[i];

		l->ier = get_u8(r) & 0x0f;
		l->fcr = get_u8(r);
		l->lcr = get_u8(r);
		l->mcr = get_u8(r);
		l->lsr = get_u8(r);
		l->msr = get_u8(r);
		l->scr = get_u8(r);
		l->divisor = get_u16(r);
		l->thre_pending = get_bool(r);
		l->timed_out = get_bool(r);
		get_bytes(r, l->fifo, sizeof(l->fifo));
		l->fifo_at = get_u8_max(r, FIFO_BYTES - 1);
		l->fifo_count = get_u8_max(r, FIFO_BYTES);
		l->lsr = (u8)((l->lsr & ~LSR_DR) | (l->fifo_count ? LSR_DR : 0));
		l->timeout_at = get_u64(r);
	}
	rc = isa_load_end(d, r, err);
	if (rc)
		return rc;
	timer_update(u);
	uart_update(u);
	return 0;
}

const struct device_ops dev_uart = {
    .name = "uart",
    .size = sizeof(struct uart),
    .version = 1,
    .init = uart_init,
    .reset = uart_reset,
    .stop = uart_stop,
    .save = uart_save,
    .load = uart_load,
};
