/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio_input.c - the tablet (virtio 1.2, section 5.8), key virtio.tablet.present: a mouse that tells positions instead of steps, for
 * guests that do not know the backdoor.
 *
 * What people do waits as frames, each the state after it, until the guest has buffers; events are the difference between what the
 * guest was told and the oldest frame. So they can stop anywhere and go on there, and no button is ever told in a wrong order. Frames that
 * only move become one; when all are used, the last is what is now.
 */
#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>
#include <string.h>

#include "dev/isa.h"
#include "dev/virtio_pci.h"

enum { QUEUE_EVENT, QUEUE_STATUS, QUEUES };

#define QUEUE_SIZE   64
#define ROUND_CHAINS 16u
#define FRAMES	     64
#define POSITION_MAX 0x7fff /* half of ours: what drivers have been tested with */
#define NOWHERE	     (POSITION_MAX + 1)
#define WHEEL_MAX    0x7fff

static const u16 button_codes[] = {BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA};
#define BUTTONS_MASK (BIT(ARRAY_SIZE(button_codes)) - 1)

struct frame {
	u16 x, y;
	s16 wheel, tilt; /* steps towards the user, and to the right */
	u8 buttons;
};

struct virtio_input {
	struct virtio_device base;
	struct virtio_pci v;
	struct dev_timer again;
	u8 select, subsel; /* what the configuration shows */
	bool fed;	   /* the driver gives buffers */
	bool open;	   /* events were told that no SYN_REPORT has ended */
	struct frame told; /* as the guest has it; x and y may be NOWHERE */
	struct frame frame[FRAMES];
	unsigned n;
};

static struct virtio_input *input_of(struct virtio_pci *v)
{
	return container_of(v, struct virtio_input, v);
}

/* ---- configuration (5.8.4): what is there, has a size ---- */

static const struct code {
	u8 type;
	u16 code;
} codes[] = {
	{EV_KEY, BTN_LEFT}, {EV_KEY, BTN_RIGHT}, {EV_KEY, BTN_MIDDLE}, {EV_KEY, BTN_SIDE},
	{EV_KEY, BTN_EXTRA}, {EV_REL, REL_WHEEL}, {EV_REL, REL_HWHEEL}, {EV_ABS, ABS_X}, {EV_ABS, ABS_Y},
};

static void show_text(struct virtio_input_config *c, const char *text)
{
	if (c->subsel)
		return;
	c->size = (u8)strlen(text);
	memcpy(c->u.string, text, c->size);
}

static void show_codes(struct virtio_input_config *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		if (codes[i].type != c->subsel)
			continue;
		c->u.bitmap[codes[i].code / 8] |= (u8)BIT(codes[i].code % 8);
		c->size = MAX(c->size, (u8)(codes[i].code / 8 + 1));
	}
}

static void show_axis(struct virtio_input_config *c)
{
	if (c->subsel != ABS_X && c->subsel != ABS_Y)
		return;
	c->size = sizeof(c->u.abs);
	c->u.abs.max = POSITION_MAX;
}

static void show_ids(struct virtio_input_config *c)
{
	if (c->subsel)
		return;
	c->size = sizeof(c->u.ids);
	c->u.ids.bustype = 6; /* BUS_VIRTUAL */
	c->u.ids.vendor = 0x1af4;
	c->u.ids.product = 18;
	c->u.ids.version = 1;
}

static void input_config(struct virtio_pci *v, u8 *bytes)
{
	struct virtio_input_config c = {.select = input_of(v)->select, .subsel = input_of(v)->subsel};

	switch (c.select) {
	case VIRTIO_INPUT_CFG_ID_NAME:
		show_text(&c, "vmk tablet");
		break;
	case VIRTIO_INPUT_CFG_ID_SERIAL:
		show_text(&c, "vmk-tablet");
		break;
	case VIRTIO_INPUT_CFG_ID_DEVIDS:
		show_ids(&c);
		break;
	case VIRTIO_INPUT_CFG_EV_BITS:
		show_codes(&c);
		break;
	case VIRTIO_INPUT_CFG_ABS_INFO:
		show_axis(&c);
		break;
	}
	memcpy(bytes, &c, sizeof(c));
}

static void input_config_written(struct virtio_pci *v, unsigned at, u8 byte)
{
	if (at == offsetof(struct virtio_input_config, select))
		input_of(v)->select = byte;
	else if (at == offsetof(struct virtio_input_config, subsel))
		input_of(v)->subsel = byte;
}

/* ---- events ---- */

/* false: the guest has no buffer for it now. */
static bool tell(struct virtio_input *t, u16 type, u16 code, int value)
{
	struct virtqueue *q = &t->v.queue[QUEUE_EVENT];
	struct virtio_input_event event = {type, code, (u32)value};
	struct virtq_chain chain;

	if (!virtqueue_next(q, &chain))
		return false;
	t->fed = true;
	if (!virtq_write(q, &chain, 0, &event, sizeof(event)))
		return false;
	virtqueue_done(q, &chain, sizeof(event));
	t->open = type != EV_SYN;
	return true;
}

static bool tell_place(struct virtio_input *t, const struct frame *f)
{
	if (t->told.x != f->x && !tell(t, EV_ABS, ABS_X, f->x))
		return false;
	t->told.x = f->x;
	if (t->told.y != f->y && !tell(t, EV_ABS, ABS_Y, f->y))
		return false;
	t->told.y = f->y;
	return true;
}

static bool tell_buttons(struct virtio_input *t, u8 buttons)
{
	for (unsigned i = 0; i < ARRAY_SIZE(button_codes); i++) {
		if (!((t->told.buttons ^ buttons) & BIT(i)))
			continue;
		if (!tell(t, EV_KEY, button_codes[i], buttons >> i & 1))
			return false;
		t->told.buttons ^= (u8)BIT(i);
	}
	return true;
}

static bool tell_frame(struct virtio_input *t, struct frame *f)
{
	if (!tell_place(t, f) || !tell_buttons(t, f->buttons))
		return false;
	if (f->wheel && !tell(t, EV_REL, REL_WHEEL, -f->wheel))
		return false;
	f->wheel = 0;
	if (f->tilt && !tell(t, EV_REL, REL_HWHEEL, f->tilt))
		return false;
	f->tilt = 0;
	return !t->open || tell(t, EV_SYN, SYN_REPORT, 0);
}

static void tell_frames(struct virtio_input *t)
{
	while (t->n && tell_frame(t, &t->frame[0]))
		memmove(&t->frame[0], &t->frame[1], --t->n * sizeof(t->frame[0]));
	virtio_finish(&t->v, QUEUE_EVENT);
}

/* Whether the last frame need not be told if f is: a place on the way. A button that changed there, or a wheel, has to be told there. */
static bool passed_by(const struct virtio_input *t, const struct frame *f)
{
	const struct frame *last = &t->frame[t->n - 1], *before = t->n > 1 ? last - 1 : &t->told;

	if (t->n == 1 && t->open)
		return false;
	if (last->buttons != before->buttons || last->buttons != f->buttons)
		return false;
	return (!last->wheel && !last->tilt) || (last->x == f->x && last->y == f->y);
}

static s16 steps(int n)
{
	return (s16)MAX(-WHEEL_MAX, MIN(n, WHEEL_MAX));
}

static void keep(struct virtio_input *t, struct frame f)
{
	struct frame *last = &t->frame[t->n ? t->n - 1 : 0];

	if (!t->n || (t->n < FRAMES && !passed_by(t, &f))) {
		t->frame[t->n++] = f;
		return;
	}
	f.wheel = steps(last->wheel + f.wheel);
	f.tilt = steps(last->tilt + f.tilt);
	*last = f;
}

static bool input_moved(struct device *d, u16 x, u16 y, int wheel, int tilt, unsigned buttons)
{
	struct virtio_input *t = (struct virtio_input *)d;

	if (!virtio_running(&t->v))
		return false;
	keep(t, (struct frame){x / 2, y / 2, steps(wheel), steps(tilt), (u8)(buttons & BUTTONS_MASK)});
	tell_frames(t);
	if (!t->fed)
		t->n = 0;
	return t->fed && virtio_running(&t->v);
}

/* There are no lamps on a tablet: what the guest says is only taken. */
static void take_status(struct virtio_input *t)
{
	struct virtqueue *q = &t->v.queue[QUEUE_STATUS];
	struct virtq_chain chain;
	unsigned n = 0;

	for (; n < ROUND_CHAINS && virtqueue_next(q, &chain); n++)
		virtqueue_done(q, &chain, 0);
	virtio_finish(&t->v, QUEUE_STATUS);
	if (n == ROUND_CHAINS)
		dev_timer_set(&t->again, MAX(dev_now(t->v.pci.device), 1ull));
}

static void input_notify(struct virtio_pci *v, unsigned queue)
{
	if (queue == QUEUE_STATUS)
		take_status(input_of(v));
	else
		tell_frames(input_of(v));
}

static void next_round(struct device *d)
{
	struct virtio_input *t = (struct virtio_input *)d;

	for (unsigned queue = 0; queue < QUEUES; queue++)
		if (virtio_running(&t->v))
			input_notify(&t->v, queue);
}

/* ---- life ---- */

static void input_quiesce(struct virtio_pci *v)
{
	struct virtio_input *t = input_of(v);

	t->select = t->subsel = 0;
	t->fed = t->open = false;
	t->told = (struct frame){.x = NOWHERE, .y = NOWHERE};
	t->n = 0;
}

static const struct virtio_type input_type = {
	.id = 18,
	.class_code = 0x098000,
	.queues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.config_bytes = sizeof(struct virtio_input_config),
	.config = input_config,
	.config_written = input_config_written,
	.notify = input_notify,
	.quiesce = input_quiesce,
};

static int input_init(struct device *d, struct error *err)
{
	struct virtio_input *t = (struct virtio_input *)d;

	(void)err;
	if (!config_bool(dev_config(d), "virtio.tablet.present"))
		return DEVICE_ABSENT;
	virtio_add(&t->base, &t->v, &input_type, VIRTIO_SLOT_TABLET, 0);
	dev_timer_init(d, &t->again, next_round);
	dev_offer_absolute_pointer(d, input_moved);
	return 0;
}

static void input_reset(struct device *d)
{
	struct virtio_input *t = (struct virtio_input *)d;

	dev_timer_set(&t->again, 0);
	virtio_reset(&t->v);
}

static void frame_save(const struct frame *f, struct state_writer *w)
{
	put_u16(w, f->x);
	put_u16(w, f->y);
	put_u16(w, (u16)f->wheel);
	put_u16(w, (u16)f->tilt);
	put_u8(w, f->buttons);
}

static struct frame frame_load(struct state_reader *r, u16 place_max)
{
	u16 x = get_u16(r), y = get_u16(r);
	s16 wheel = (s16)get_u16(r), tilt = (s16)get_u16(r);

	return (struct frame){MIN(x, place_max), MIN(y, place_max), steps(wheel), steps(tilt), get_u8_max(r, BUTTONS_MASK)};
}

static void input_save(struct device *d, struct state_writer *w)
{
	struct virtio_input *t = (struct virtio_input *)d;

	virtio_save(&t->v, w);
	put_u8(w, t->select);
	put_u8(w, t->subsel);
	put_bool(w, t->fed);
	put_bool(w, t->open);
	frame_save(&t->told, w);
	put_u32(w, t->n);
	for (unsigned i = 0; i < t->n; i++)
		frame_save(&t->frame[i], w);
}

static int input_load(struct device *d, struct state_reader *r, struct error *err)
{
	struct virtio_input *t = (struct virtio_input *)d;
	int ret = virtio_load(&t->v, r, err);

	if (ret)
		return ret;
	t->select = get_u8(r);
	t->subsel = get_u8(r);
	t->fed = get_bool(r);
	t->open = get_bool(r);
	t->told = frame_load(r, NOWHERE);
	t->n = get_u32_max(r, FRAMES);
	for (unsigned i = 0; i < t->n; i++)
		t->frame[i] = frame_load(r, POSITION_MAX);
	dev_timer_set(&t->again, MAX(dev_now(d), 1ull));
	return isa_load_end(d, r, err);
}

const struct device_ops dev_virtio_input = {
	.name = "virtio_input",
	.size = sizeof(struct virtio_input),
	.version = 1,
	.init = input_init,
	.reset = input_reset,
	.save = input_save,
	.load = input_load,
};
