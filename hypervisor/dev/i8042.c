/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8042.c - the PS/2 keyboard controller: ports 60h, 64h, 92h, the A20 gate and the reset pulse.
 *
 * One byte stands in the output buffer at a time; the next one follows a serial transfer's time after it was read,
 * so handlers that read port 60h twice get the same byte. The devices behind it are ps2_keyboard.c and
 * ps2_mouse.c. IBM PS/2 Hardware Interface Technical Reference, "Keyboard and auxiliary device controller".
 */
#include <string.h>

#include "dev/isa.h"
#include "dev/ps2.h"

#define STATUS_OBF	BIT(0)
#define STATUS_SYS	BIT(2)
#define STATUS_COMMAND	BIT(3) /* the last write went to port 64 */
#define STATUS_UNLOCKED BIT(4)
#define STATUS_AUX	BIT(5)

#define CCB_KBD_INT BIT(0)
#define CCB_AUX_INT BIT(1)
#define CCB_SYS	    BIT(2)
#define CCB_KBD_OFF BIT(4)
#define CCB_AUX_OFF BIT(5)
#define CCB_XLATE   BIT(6)

#define OUT_RUN	     BIT(0) /* 0 resets the processor */
#define OUT_A20	     BIT(1)
#define PORT92_RESET BIT(0)
#define PORT92_A20   BIT(1)

#define KBD_IRQ	  1
#define AUX_IRQ	  12
/* Eleven bits at 10-16 kHz; nothing waits for less. */
#define BYTE_NS	  700000
#define RAM_BYTES 32

struct i8042 {
	struct device dev;
	struct ps2_keyboard keyboard;
	struct ps2_mouse mouse;
	u8 ram[RAM_BYTES]; /* byte 0 is the command byte */
	u8 status;	   /* OBF, COMMAND, AUX */
	u8 output;	   /* output buffer */
	u8 command;	   /* that waits for its byte at port 60, 0 = none */
	u8 reply;	   /* controller's answer that waits for the buffer to be read */
	bool reply_waits;
	bool broken; /* translation: F0 was seen */
	bool a20;
	u8 port92;
	u64 next_byte; /* machine time from which a device can have another byte through */
	struct dev_timer timer;
};

static void set_a20(struct i8042 *c, bool enabled)
{
	c->a20 = enabled;
	dev_a20(&c->dev, enabled);
}

/* ---- output buffer ---- */

static void irq_update(struct i8042 *c)
{
	bool full = c->status & STATUS_OBF, aux = c->status & STATUS_AUX;

	dev_irq(&c->dev, KBD_IRQ, full && !aux && c->ram[0] & CCB_KBD_INT);
	dev_irq(&c->dev, AUX_IRQ, full && aux && c->ram[0] & CCB_AUX_INT);
}

static void output(struct i8042 *c, u8 byte, bool aux)
{
	c->output = byte;
	c->status = (u8)((c->status & ~STATUS_AUX) | STATUS_OBF | (aux ? STATUS_AUX : 0));
	irq_update(c);
}

/* Set 2 to set 1: a prefix F0 becomes bit 7 of the next code. False when there is nothing to show yet. */
static bool translate(struct i8042 *c, u8 *byte)
{
	if (!(c->ram[0] & CCB_XLATE))
		return true;
	if (*byte == 0xf0) {
		c->broken = true;
		return false;
	}
	*byte = ps2_translate(*byte) | (c->broken ? 0x80 : 0);
	c->broken = false;
	return true;
}

static bool keyboard_ready(struct i8042 *c)
{
	return !(c->ram[0] & CCB_KBD_OFF) && ps2_keyboard_ready(&c->keyboard);
}

static bool mouse_ready(struct i8042 *c)
{
	return !(c->ram[0] & CCB_AUX_OFF) && ps2_mouse_ready(&c->mouse);
}

/* Fills an empty output buffer from whoever has something, and arms the timer for what has to wait. */
static void pump(struct i8042 *c)
{
	u64 now = dev_now(&c->dev), again = ps2_mouse_report(&c->mouse, now);
	u8 byte;

	if (!(c->status & STATUS_OBF) && c->reply_waits) {
		c->reply_waits = false;
		output(c, c->reply, false);
	}
	while (!(c->status & STATUS_OBF) && now >= c->next_byte && keyboard_ready(c)) {
		byte = ps2_keyboard_take(&c->keyboard);
		if (translate(c, &byte))
			output(c, byte, false);
	}
	if (!(c->status & STATUS_OBF) && now >= c->next_byte && mouse_ready(c))
		output(c, ps2_mouse_take(&c->mouse), true);
	/* With the buffer full, reading it goes on from here. */
	if (!(c->status & STATUS_OBF) && now < c->next_byte && (keyboard_ready(c) || mouse_ready(c)))
		again = again ? MIN(again, c->next_byte) : c->next_byte;
	dev_timer_set(&c->timer, again);
}

static void i8042_timer(struct device *d)
{
	pump((struct i8042 *)d);
}

static void controller_reply(struct i8042 *c, u8 byte)
{
	c->reply = byte;
	c->reply_waits = true;
	pump(c);
}

static u8 read_data(struct i8042 *c)
{
	u8 byte = c->output;

	if (!(c->status & STATUS_OBF))
		return byte;
	c->status &= ~(STATUS_OBF | STATUS_AUX);
	c->next_byte = dev_now(&c->dev) + BYTE_NS;
	irq_update(c);
	pump(c);
	return byte;
}

/* ---- commands ---- */

static u8 output_port(const struct i8042 *c)
{
	bool full = c->status & STATUS_OBF, aux = c->status & STATUS_AUX;

	return (u8)(OUT_RUN | (c->a20 ? OUT_A20 : 0) | (full && !aux) << 4 | (full && aux) << 5 | 0xc0);
}

static void write_command_byte(struct i8042 *c, u8 value)
{
	c->ram[0] = value;
	irq_update(c);
	pump(c);
}

static void write_output_port(struct i8042 *c, u8 value)
{
	set_a20(c, value & OUT_A20);
	if (!(value & OUT_RUN))
		dev_request(&c->dev, REQUEST_RESET, 0);
}

static void write_command(struct i8042 *c, u8 value)
{
	c->command = 0;
	switch (value) {
	case 0x20 ... 0x3f: /* read RAM */
		controller_reply(c, c->ram[value & 31]);
		break;
	case 0x60 ... 0x7f: /* write RAM */
	case 0xd1:	    /* write output port */
	case 0xd2:	    /* write keyboard buffer */
	case 0xd3:	    /* write auxiliary buffer */
	case 0xd4:	    /* write to the auxiliary device */
		c->command = value;
		break;
	case 0xa4: /* is a password installed: no */
		controller_reply(c, 0xf1);
		break;
	case 0xa7:
		write_command_byte(c, c->ram[0] | CCB_AUX_OFF);
		break;
	case 0xa8:
		write_command_byte(c, c->ram[0] & ~CCB_AUX_OFF);
		break;
	case 0xa9: /* interface tests: no fault */
	case 0xab:
		controller_reply(c, 0x00);
		break;
	case 0xaa: /* self-test */
		c->ram[0] |= CCB_SYS;
		controller_reply(c, 0x55);
		break;
	case 0xad:
		write_command_byte(c, c->ram[0] | CCB_KBD_OFF);
		break;
	case 0xae:
		write_command_byte(c, c->ram[0] & ~CCB_KBD_OFF);
		break;
	case 0xc0: /* input port: keyboard not locked */
		controller_reply(c, 0x80);
		break;
	case 0xd0:
		controller_reply(c, output_port(c));
		break;
	case 0xdd:
	case 0xdf:
		set_a20(c, value == 0xdf);
		break;
	case 0xe0: /* test inputs: both clocks high */
		controller_reply(c, 0x03);
		break;
	case 0xf0 ... 0xff: /* pulse output port bits 0-3 that are 0 */
		if (!(value & OUT_RUN))
			dev_request(&c->dev, REQUEST_RESET, 0);
		break;
	}
}

static void write_keyboard(struct i8042 *c, u8 value)
{
	/* Sending clocks the interface on (Technical Reference, command byte, bit 4). */
	c->ram[0] &= ~CCB_KBD_OFF;
	if (ps2_keyboard_command(&c->keyboard, value))
		dev_set_leds(&c->dev, c->keyboard.leds);
	pump(c);
}

static void write_data(struct i8042 *c, u8 value)
{
	u8 command = c->command;

	c->command = 0;
	switch (command) {
	case 0:
		write_keyboard(c, value);
		break;
	case 0x60:
		write_command_byte(c, value);
		break;
	case 0xd1:
		write_output_port(c, value);
		break;
	case 0xd2:
	case 0xd3:
		output(c, value, command == 0xd3);
		break;
	case 0xd4:
		c->ram[0] &= ~CCB_AUX_OFF;
		ps2_mouse_command(&c->mouse, value);
		pump(c);
		break;
	default:
		c->ram[command & 31] = value;
	}
}

/* ---- ports ---- */

static u8 i8042_read8(struct device *d, u16 port)
{
	struct i8042 *c = (struct i8042 *)d;

	if (port == 0x60)
		return read_data(c);
	pump(c); /* whoever polls sees a byte at its time, not at the timer's */
	return c->status | STATUS_UNLOCKED | (c->ram[0] & CCB_SYS ? STATUS_SYS : 0);
}

static void i8042_write8(struct device *d, u16 port, u8 value)
{
	struct i8042 *c = (struct i8042 *)d;

	if (port == 0x64) {
		c->status |= STATUS_COMMAND;
		write_command(c, value);
	} else {
		c->status &= ~STATUS_COMMAND;
		write_data(c, value);
	}
}

static u32 i8042_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, i8042_read8);
}

static void i8042_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, i8042_write8);
}

/* System control port A (PIIX3 2.5.6.3): bit 1 is ORed with the controller's A20 on hardware; here both set one gate.
 */
static u32 port92_read(struct device *d, u16 port, unsigned size)
{
	struct i8042 *c = (struct i8042 *)d;

	(void)port, (void)size;
	return (c->port92 & ~PORT92_A20) | (c->a20 ? PORT92_A20 : 0u);
}

static void port92_write(struct device *d, u16 port, unsigned size, u32 value)
{
	struct i8042 *c = (struct i8042 *)d;
	bool rising = value & PORT92_RESET && !(c->port92 & PORT92_RESET);

	(void)port, (void)size;
	c->port92 = value & PORT92_RESET;
	set_a20(c, value & PORT92_A20);
	if (rising)
		dev_request(d, REQUEST_RESET, 0);
}

static const struct pio_ops i8042_ports = {i8042_read, i8042_write};
static const struct pio_ops port92_ports = {port92_read, port92_write};

/* ---- people ---- */

static void i8042_key(struct device *d, u8 code, bool down)
{
	struct i8042 *c = (struct i8042 *)d;

	ps2_keyboard_key(&c->keyboard, code, down);
	pump(c);
}

static void i8042_move(struct device *d, int dx, int dy, int wheel, unsigned buttons)
{
	struct i8042 *c = (struct i8042 *)d;

	ps2_mouse_move(&c->mouse, dx, dy, wheel, buttons);
	pump(c);
}

void i8042_nudge_mouse(struct device *d)
{
	struct i8042 *c = (struct i8042 *)d;

	ps2_mouse_nudge(&c->mouse);
	pump(c);
}

/* ---- life ---- */

static int i8042_init(struct device *d, struct error *err)
{
	struct i8042 *c = (struct i8042 *)d;

	(void)err;
	dev_timer_init(d, &c->timer, i8042_timer);
	dev_map_pio(d, 0x60, 1, &i8042_ports);
	dev_map_pio(d, 0x64, 1, &i8042_ports);
	dev_map_pio(d, 0x92, 1, &port92_ports);
	dev_offer_keyboard(d, i8042_key);
	dev_offer_pointer(d, i8042_move);
	return 0;
}

static void i8042_reset(struct device *d)
{
	struct i8042 *c = (struct i8042 *)d;

	ps2_keyboard_reset(&c->keyboard);
	ps2_mouse_reset(&c->mouse);
	memset(c->ram, 0, sizeof(c->ram));
	c->ram[0] = CCB_KBD_OFF | CCB_AUX_OFF;
	c->status = c->output = c->command = c->reply = c->port92 = 0;
	c->reply_waits = c->broken = false;
	c->next_byte = 0;
	set_a20(c, true);
	dev_set_leds(d, 0);
	irq_update(c);
	pump(c);
}

static void i8042_save(struct device *d, struct state_writer *w)
{
	struct i8042 *c = (struct i8042 *)d;

	ps2_keyboard_save(&c->keyboard, w);
	ps2_mouse_save(&c->mouse, w);
	put_bytes(w, c->ram, sizeof(c->ram));
	put_u8(w, c->status);
	put_u8(w, c->output);
	put_u8(w, c->command);
	put_u8(w, c->reply);
	put_bool(w, c->reply_waits);
	put_bool(w, c->broken);
	put_bool(w, c->a20);
	put_u8(w, c->port92);
	put_u64(w, c->next_byte);
}

static int i8042_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct i8042 *c = (struct i8042 *)d;
	int rc;

	ps2_keyboard_load(&c->keyboard, r);
	ps2_mouse_load(&c->mouse, r);
	get_bytes(r, c->ram, sizeof(c->ram));
	c->status = get_u8(r) & (STATUS_OBF | STATUS_COMMAND | STATUS_AUX);
	c->output = get_u8(r);
	c->command = get_u8(r);
	c->reply = get_u8(r);
	c->reply_waits = get_bool(r);
	c->broken = get_bool(r);
	c->a20 = get_bool(r);
	c->port92 = get_u8(r) & PORT92_RESET;
	c->next_byte = get_u64(r);
	rc = isa_load_end(d, r, err);
	if (rc)
		return rc;
	set_a20(c, c->a20);
	dev_set_leds(d, c->keyboard.leds);
	irq_update(c);
	/* What is on its way goes on when the machine runs. */
	dev_timer_set(&c->timer, MAX(c->next_byte, 1ull));
	return 0;
}

const struct device_ops dev_i8042 = {
    .name = "i8042",
    .size = sizeof(struct i8042),
    .version = 1,
    .init = i8042_init,
    .reset = i8042_reset,
    .save = i8042_save,
    .load = i8042_load,
};
