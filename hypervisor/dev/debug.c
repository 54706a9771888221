/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debug.c - ports that tests and firmware talk to: 402 and E9 (text to the log), 80 (POST codes), F4 (exit).
 *
 * 402, E9 and F4 exist only where the configuration asks for them.
 */
#include "dev/isa.h"
#include "lib/log.h"

#define TEXT_PORTS 2
#define LINE_BYTES 200
#define PRESENT 0xe9 /* firmware recognises a text port by reading this */

struct debug {
	struct device dev;
	u8 post; /* last POST code */
	struct text {
		u8 length;
		char line[LINE_BYTES];
	} text[TEXT_PORTS]; /* 402, E9 */
};

static void text_flush(struct text *t)
{
	/* Not rate-limited: whoever switched this on wants every line. */
	if (t->length)
		log_info("%.*s", (int)t->length, t->line);
	t->length = 0;
}

static u8 text_read8(struct device *d, u16 port)
{
	(void)d, (void)port;
	return PRESENT;
}

static void text_write8(struct device *d, u16 port, u8 value)
{
	struct debug *g = (struct debug *)d;
	struct text *t = &g->text[port == 0xe9];

	if (value == '\n') {
		text_flush(t);
		return;
	}
	if (value == '\r')
		return;
	t->line[t->length++] = (char)value;
	if (t->length == LINE_BYTES)
		text_flush(t);
}

static u32 text_read(struct device *d, u16 port, unsigned size)
{
	return isa_read_bytes(d, port, size, text_read8);
}

static void text_write(struct device *d, u16 port, unsigned size, u32 value)
{
	isa_write_bytes(d, port, size, value, text_write8);
}

static u32 post_read(struct device *d, u16 port, unsigned size)
{
	(void)port, (void)size;
	return ((struct debug *)d)->post;
}

static void post_write(struct device *d, u16 port, unsigned size, u32 value)
{
	(void)port, (void)size;
	((struct debug *)d)->post = (u8)value;
}

static u32 exit_read(struct device *d, u16 port, unsigned size)
{
	(void)d, (void)port, (void)size;
	return 0;
}

/* Value 0 must differ from a machine that ended well: the status is always odd. */
static void exit_write(struct device *d, u16 port, unsigned size, u32 value)
{
	(void)port, (void)size;
	dev_request(d, REQUEST_EXIT, (int)(value << 1 | 1));
}

static const struct pio_ops text_ports = {text_read, text_write};
static const struct pio_ops post_ports = {post_read, post_write};
static const struct pio_ops exit_ports = {exit_read, exit_write};

static int debug_init(struct device *d, struct error *err)
{
	(void)err;
	dev_map_pio(d, 0x80, 1, &post_ports);
	if (config_bool(dev_config(d), "debug.console")) {
		dev_map_pio(d, 0x402, 1, &text_ports);
		dev_map_pio(d, 0xe9, 1, &text_ports);
	}
	if (config_bool(dev_config(d), "debug.exit"))
		dev_map_pio(d, 0xf4, 4, &exit_ports);
	return 0;
}

static void debug_reset(struct device *d)
{
	struct debug *g = (struct debug *)d;

	for (unsigned i = 0; i < TEXT_PORTS; i++)
		text_flush(&g->text[i]);
	g->post = 0;
}

static void debug_stop(struct device *d)
{
	debug_reset(d);
}

static void debug_save(struct device *d, struct state_writer *w)
{
	struct debug *g = (struct debug *)d;

	put_u8(w, g->post);
	for (unsigned i = 0; i < TEXT_PORTS; i++) {
		put_u8(w, g->text[i].length);
		put_bytes(w, g->text[i].line, g->text[i].length);
	}
}

static int debug_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct debug *g = (struct debug *)d;

	g->post = get_u8(r);
	for (unsigned i = 0; i < TEXT_PORTS; i++) {
		g->text[i].length = get_u8_max(r, LINE_BYTES - 1);
		get_bytes(r, g->text[i].line, g->text[i].length);
	}
	return isa_load_end(d, r, err);
}

const struct device_ops dev_debug = {
	.name = "debug",
	.size = sizeof(struct debug),
	.version = 1,
	.init = debug_init,
	.reset = debug_reset,
	.stop = debug_stop,
	.save = debug_save,
	.load = debug_load,
};
