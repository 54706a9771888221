/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ps2_mouse.c - a PS/2 mouse with three buttons and, after the IntelliMouse knock, a wheel.
 *
 * IBM PS/2 Hardware Interface Technical Reference, "Mouse".
 */
#include <string.h>

#include "dev/ps2.h"

#define ACK    0xfa
#define NAK    0xfe
#define ERROR  0xfc
#define BAT_OK 0xaa

#define CMD_SCALE_1    0xe6
#define CMD_SCALE_2    0xe7
#define CMD_RESOLUTION 0xe8
#define CMD_STATUS     0xe9
#define CMD_STREAM     0xea
#define CMD_READ_DATA  0xeb
#define CMD_RESET_WRAP 0xec
#define CMD_WRAP       0xee
#define CMD_REMOTE     0xf0
#define CMD_IDENTIFY   0xf2
#define CMD_RATE       0xf3
#define CMD_ENABLE     0xf4
#define CMD_DISABLE    0xf5
#define CMD_DEFAULT    0xf6
#define CMD_RESEND     0xfe
#define CMD_RESET      0xff

#define ID_PLAIN    0
#define ID_WHEEL    3
#define PACKET_MAX  4
#define STEP_MAX    255	 /* nine bits with sign */
#define PENDING_MAX 2048 /* movement kept while nobody reads */

static int clamp(int n, int limit)
{
	return n < -limit ? -limit : n > limit ? limit : n;
}

static void reply(struct ps2_mouse *m, u8 byte)
{
	if (m->replies.count < 16)
		ps2_queue_put(&m->replies, byte);
}

/* ---- reports ---- */

/* 2:1 scaling of stream mode: 1, 1, 3, 6, 9, then twice the count. */
static int scale(int n)
{
	static const int table[] = {0, 1, 1, 3, 6, 9};
	int size = n < 0 ? -n : n;

	size = size < (int)ARRAY_SIZE(table) ? table[size] : 2 * size;
	return n < 0 ? -size : size;
}

static void packet(struct ps2_mouse *m, struct ps2_queue *q, bool scaled)
{
	int dx = clamp(m->dx, scaled ? STEP_MAX / 2 : STEP_MAX), dy = clamp(m->dy, scaled ? STEP_MAX / 2 : STEP_MAX);
	int wheel = clamp(m->wheel, 7), x = scaled ? scale(dx) : dx,
	    y = scaled ? -scale(dy) : -dy; /* the mouse's y is up */

	m->dx -= dx;
	m->dy -= dy;
	m->reported_buttons = m->buttons;
	m->nudged = false;
	ps2_queue_put(q, (u8)((m->buttons & 7) | 8 | (x < 0) << 4 | (y < 0) << 5));
	ps2_queue_put(q, (u8)x);
	ps2_queue_put(q, (u8)y);
	if (m->id == ID_WHEEL) {
		ps2_queue_put(q, (u8)wheel);
		m->wheel -= wheel;
	} else {
		m->wheel = 0;
	}
}

u64 ps2_mouse_report(struct ps2_mouse *m, u64 now)
{
	bool news = m->nudged || m->dx || m->dy || (m->wheel && m->id == ID_WHEEL) || m->buttons != m->reported_buttons;

	if (!news || !m->reporting || m->remote || m->wrap)
		return 0;
	if (!ps2_queue_room(&m->packets, PACKET_MAX) || m->packets.count >= 2 * PACKET_MAX)
		return 0; /* asked again when the guest has read */
	if (now < m->next_report)
		return m->next_report;
	packet(m, &m->packets, m->scaling);
	m->next_report = now + NSEC_PER_SEC / MAX(m->rate, 10);
	news = m->dx || m->dy || (m->wheel && m->id == ID_WHEEL);
	return news ? m->next_report : 0;
}

void ps2_mouse_nudge(struct ps2_mouse *m)
{
	m->nudged = true;
}

void ps2_mouse_move(struct ps2_mouse *m, int dx, int dy, int wheel, unsigned buttons)
{
	if (!m->reporting &&
	    !m->remote) { /* movement while nobody listens is lost, the buttons are seen when enabled */
		m->buttons = buttons & 7;
		return;
	}
	m->dx = clamp(m->dx + clamp(dx, PENDING_MAX), PENDING_MAX);
	m->dy = clamp(m->dy + clamp(dy, PENDING_MAX), PENDING_MAX);
	m->wheel = clamp(m->wheel + clamp(wheel, PENDING_MAX), PENDING_MAX);
	m->buttons = buttons & 7;
}

/* ---- commands ---- */

static void set_defaults(struct ps2_mouse *m)
{
	m->rate = 100;
	m->resolution = 2;
	m->scaling = m->remote = m->wrap = m->reporting = false;
	m->dx = m->dy = m->wheel = 0;
	m->nudged = false;
	ps2_queue_clear(&m->packets);
}

void ps2_mouse_reset(struct ps2_mouse *m)
{
	u8 buttons = m->buttons;

	memset(m, 0, sizeof(*m));
	m->buttons = m->reported_buttons = buttons;
	set_defaults(m);
}

static void set_rate(struct ps2_mouse *m, u8 rate)
{
	if (m->knock[0] == 200 && m->knock[1] == 100 && rate == 80)
		m->id = ID_WHEEL;
	m->knock[0] = m->knock[1];
	m->knock[1] = rate;
	m->rate = rate;
}

static void parameter(struct ps2_mouse *m, u8 byte)
{
	u8 command = m->command;

	if (command == CMD_RESOLUTION && byte > 3) {
		reply(m, ERROR);
		m->command = 0;
		return;
	}
	m->command = 0;
	reply(m, ACK);
	if (command == CMD_RESOLUTION)
		m->resolution = byte;
	else
		set_rate(m, byte);
}

static void status(struct ps2_mouse *m)
{
	u8 b = m->buttons;

	reply(m, (u8)((b & 1) << 2 | (b >> 2 & 1) << 1 | (b >> 1 & 1) | m->scaling << 4 | m->reporting << 5 |
		      m->remote << 6));
	reply(m, m->resolution);
	reply(m, m->rate);
}

void ps2_mouse_command(struct ps2_mouse *m, u8 byte)
{
	if (m->wrap && byte != CMD_RESET_WRAP && byte != CMD_RESET) {
		reply(m, byte);
		return;
	}
	if (m->command) {
		parameter(m, byte);
		return;
	}
	/* A command stops a packet on its way: the host is waiting for the answer. */
	ps2_queue_clear(&m->packets);
	if (byte != CMD_RESEND && byte >= CMD_SCALE_1)
		reply(m, ACK);
	switch (byte) {
	case CMD_SCALE_1:
	case CMD_SCALE_2:
		m->scaling = byte == CMD_SCALE_2;
		break;
	case CMD_RESOLUTION:
	case CMD_RATE:
		m->command = byte;
		break;
	case CMD_STATUS:
		status(m);
		break;
	case CMD_STREAM:
		m->remote = false;
		break;
	case CMD_READ_DATA:
		packet(m, &m->replies, false);
		break;
	case CMD_RESET_WRAP:
	case CMD_WRAP:
		m->wrap = byte == CMD_WRAP;
		break;
	case CMD_REMOTE:
		m->remote = true;
		break;
	case CMD_IDENTIFY:
		reply(m, m->id);
		break;
	case CMD_ENABLE:
	case CMD_DISABLE:
		m->reporting = byte == CMD_ENABLE;
		break;
	case CMD_DEFAULT:
		set_defaults(m);
		break;
	case CMD_RESEND:
		reply(m, m->last_byte);
		break;
	case CMD_RESET:
		ps2_mouse_reset(m);
		reply(m, ACK);
		reply(m, BAT_OK);
		reply(m, ID_PLAIN);
		break;
	default:
		ps2_queue_clear(&m->replies);
		reply(m, NAK);
	}
}

bool ps2_mouse_ready(const struct ps2_mouse *m)
{
	return m->replies.count || m->packets.count;
}

u8 ps2_mouse_take(struct ps2_mouse *m)
{
	u8 byte = ps2_queue_take(m->replies.count ? &m->replies : &m->packets);

	if (byte != NAK)
		m->last_byte = byte;
	return byte;
}

void ps2_mouse_save(const struct ps2_mouse *m, struct state_writer *w)
{
	ps2_queue_save(&m->packets, w);
	ps2_queue_save(&m->replies, w);
	put_u8(w, m->command);
	put_u8(w, m->id);
	put_u8(w, m->rate);
	put_u8(w, m->resolution);
	put_bytes(w, m->knock, sizeof(m->knock));
	put_u8(w, m->last_byte);
	put_bool(w, m->remote);
	put_bool(w, m->wrap);
	put_bool(w, m->scaling);
	put_bool(w, m->reporting);
	put_u32(w, (u32)m->dx);
	put_u32(w, (u32)m->dy);
	put_u32(w, (u32)m->wheel);
	put_u8(w, m->buttons);
	put_u8(w, m->reported_buttons);
	put_u64(w, m->next_report);
}

void ps2_mouse_load(struct ps2_mouse *m, struct state_reader *r)
{
	ps2_queue_load(&m->packets, r);
	ps2_queue_load(&m->replies, r);
	m->command = get_u8(r);
	m->id = get_u8_max(r, ID_WHEEL);
	m->rate = get_u8(r);
	m->resolution = get_u8_max(r, 3);
	get_bytes(r, m->knock, sizeof(m->knock));
	m->last_byte = get_u8(r);
	m->remote = get_bool(r);
	m->wrap = get_bool(r);
	m->scaling = get_bool(r);
	m->reporting = get_bool(r);
	m->dx = clamp((s32)get_u32(r), PENDING_MAX);
	m->dy = clamp((s32)get_u32(r), PENDING_MAX);
	m->wheel = clamp((s32)get_u32(r), PENDING_MAX);
	m->buttons = get_u8(r) & 7;
	m->reported_buttons = get_u8(r) & 7;
	m->next_report = get_u64(r);
}
