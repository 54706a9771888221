/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_machine.h - the dev_* functions of dev/dev.h for a test program: a bus, RAM, interrupt lines and a clock that
 * stands where the test puts it. One test, one file: everything is defined here.
 *
 *	struct machine *m = fake_new("ide0:0.present = \"TRUE\"\n");
 *	struct device *pci = fake_add(m, &dev_pci), *ide = fake_add(m, &dev_ide);
 *	fake_out(m, 0x1f7, 1, 0xec);
 */
#ifndef FAKE_MACHINE_H
#define FAKE_MACHINE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/screen.h"
#include "cpu/cpu.h"
#include "dev/dev.h"
#include "lib/util.h"

#define FAKE_RAM MIB
#define FAKE_RANGES 64

struct machine {
	struct config *config;
	struct device *device[32];
	unsigned n_devices;
	u8 *ram;
	u64 now, wall;
	u64 lines[16]; /* devices holding each line high */
	int (*intack)(struct device *d);
	void (*line)(struct device *d, unsigned line, bool level);
	struct device *controller, *listener, *apic;
	void (*heard)(struct device *d, unsigned line, bool level);
	const struct apic_ops *apic_ops;
	const struct balloon_ops *balloon_ops;
	const struct guest_rpc_ops *rpc_ops;
	struct device *drives; /* the last that has offered some */
	const struct drive_ops *drive_ops;
	void (*net_changed)(struct device *d, unsigned nic);
	bool intr;	   /* the interrupt controller's output */
	u64 cpu_intr;	   /* pin INTR of each CPU */
	unsigned accessing; /* the CPU that makes the test's accesses */
	unsigned nmis, logs, requests;
	bool a20;
	enum shadow_mode shadow[16]; /* 16 KiB each from 0xC0000 */
	int request_status;
	char log[256];
	unsigned leds;
	struct fake_pio {
		struct device *d;
		u16 base;
		unsigned count;
		const struct pio_ops *ops;
	} pio[FAKE_RANGES];
	struct fake_memory {
		struct device *d;
		u64 gpa, size;
		const struct mmio_ops *ops;
		u8 *host;
		u32 flags;
		unsigned long dirty[2048];
	} memory[FAKE_RANGES];
	struct dev_timer *timers[32];
	struct screen_page *page;
	u64 (*refresh)(struct device *d);
	unsigned display_changes; /* told */
	void (*key)(struct device *d, u8 code, bool down);
	void (*pointer)(struct device *d, int dx, int dy, int wheel, unsigned buttons);
	size_t (*receive)(struct device *d, unsigned line, const u8 *data, size_t len);
	bool (*pointer_to)(struct device *d, u16 x, u16 y, int wheel, int tilt, unsigned buttons);
	bool (*call)(struct device *d, u32 regs[CPU_BACKDOOR_REGS]);
	struct device *display, *keyboard, *mouse, *absolute, *backdoor, *serial;
	void (*net_ready)(struct device *d, unsigned nic);
	unsigned net_cards; /* how many ethernet<n> there are */
	bool net_unplugged;
	struct fake_frame {
		size_t len;
		u8 bytes[DEV_NET_FRAME_MAX];
	} net_sent[64], net_waiting[8]; /* card 0's */
	unsigned net_n_sent, net_n_waiting;
	u8 serial_out[4096];
	size_t serial_len;
};

/* ---- for tests ---- */

static inline struct machine *fake_new(const char *config)
{
	struct machine *m = xcalloc(1, sizeof(*m));
	struct error err;

	cr_assert_eq(config_parse("test.vmx", config, strlen(config), &m->config, &err), 0, "%s", err.text);
	m->ram = xcalloc(FAKE_RAM, 1);
	m->page = aligned_alloc(4096, ROUND_UP(SCREEN_BYTES, 4096));
	memset(m->page, 0, sizeof(*m->page));
	return m;
}

/* NULL when init fails: *err then says why. */
static inline struct device *fake_try_add(struct machine *m, const struct device_ops *ops, struct error *err)
{
	struct device *d = aligned_alloc(64, ROUND_UP(ops->size, 64));

	memset(d, 0, ops->size);
	d->ops = ops;
	d->machine = m;
	d->id = m->n_devices;
	m->device[m->n_devices++] = d;
	if (ops->init(d, err) == 0)
		return d;
	m->n_devices--;
	free(d);
	return NULL;
}

static inline struct device *fake_add(struct machine *m, const struct device_ops *ops)
{
	struct error err = {0};
	struct device *d = fake_try_add(m, ops, &err);

	cr_assert(d, "%s", err.text);
	return d;
}

static inline void fake_reset(struct machine *m)
{
	for (unsigned i = 0; i < m->n_devices; i++)
		if (m->device[i]->ops->reset)
			m->device[i]->ops->reset(m->device[i]);
}

/* Its devices end; what they did to the machine can still be looked at. */
static inline void fake_stop(struct machine *m)
{
	while (m->n_devices) {
		struct device *d = m->device[--m->n_devices];

		if (d->ops->stop)
			d->ops->stop(d);
		free(d);
	}
}

static inline void fake_free(struct machine *m)
{
	fake_stop(m);
	config_free(m->config);
	free(m->ram);
	free(m->page);
	free(m);
}

static inline struct fake_pio *fake_pio_find(struct machine *m, u16 port, unsigned size)
{
	struct fake_pio *best = NULL;

	for (unsigned i = 0; i < FAKE_RANGES; i++) {
		struct fake_pio *p = &m->pio[i];

		if (p->d && port >= p->base && port + size <= p->base + p->count && (!best || p->d->id < best->d->id))
			best = p;
	}
	return best;
}

static inline u32 fake_in(struct machine *m, u16 port, unsigned size)
{
	struct fake_pio *p = fake_pio_find(m, port, size);
	u32 ones = size == 4 ? 0xffffffff : BIT(8 * size) - 1, value = 0;

	if (p)
		return p->ops->read(p->d, port, size) & ones;
	if (size == 1)
		return ones;
	for (unsigned i = 0; i < size; i++)
		value |= fake_in(m, (u16)(port + i), 1) << 8 * i;
	return value;
}

static inline void fake_out(struct machine *m, u16 port, unsigned size, u32 value)
{
	struct fake_pio *p = fake_pio_find(m, port, size);

	if (p)
		p->ops->write(p->d, port, size, value);
	else if (size > 1)
		for (unsigned i = 0; i < size; i++)
			fake_out(m, (u16)(port + i), 1, value >> 8 * i & 0xff);
}

static inline struct fake_memory *fake_memory_find(struct machine *m, u64 gpa)
{
	struct fake_memory *best = NULL;

	for (unsigned i = 0; i < FAKE_RANGES; i++)
		if (m->memory[i].d && gpa - m->memory[i].gpa < m->memory[i].size && (!best || m->memory[i].host))
			best = &m->memory[i];
	return best;
}

static inline u64 fake_load(struct machine *m, u64 gpa, unsigned size)
{
	struct fake_memory *r = fake_memory_find(m, gpa);
	u64 value = 0;

	if (r && r->ops)
		return r->ops->read(r->d, gpa, size);
	for (unsigned i = 0; i < size; i++)
		value |= (u64)(r ? r->host[gpa - r->gpa + i] : gpa + i < FAKE_RAM ? m->ram[gpa + i] : 0xff) << 8 * i;
	return value;
}

static inline void fake_store(struct machine *m, u64 gpa, unsigned size, u64 value)
{
	struct fake_memory *r = fake_memory_find(m, gpa);

	if (r && r->ops) {
		r->ops->write(r->d, gpa, size, value);
		return;
	}
	for (unsigned i = 0; i < size; i++) {
		u8 byte = (u8)(value >> 8 * i);
		u64 page = r ? (gpa - r->gpa + i) / 4096 : 0;

		if (!r && gpa + i < FAKE_RAM)
			m->ram[gpa + i] = byte;
		if (!r || r->flags & CPU_SLOT_READONLY)
			continue;
		r->host[gpa - r->gpa + i] = byte;
		if (page / 64 < ARRAY_SIZE(r->dirty))
			r->dirty[page / 64] |= 1ul << page % 64;
	}
}

/* Moves the clock, running timers on the way in order. */
static inline void fake_time(struct machine *m, u64 to)
{
	for (;;) {
		struct dev_timer *next = NULL;

		for (unsigned i = 0; i < ARRAY_SIZE(m->timers); i++)
			if (m->timers[i] && m->timers[i]->when && m->timers[i]->when <= to && (!next || m->timers[i]->when < next->when))
				next = m->timers[i];
		if (!next)
			break;
		m->now = MAX(m->now, next->when);
		next->when = 0;
		next->fn(next->device);
	}
	m->now = to;
}

static inline bool fake_line(struct machine *m, unsigned line)
{
	return m->lines[line] != 0;
}

/* The device's state section; caller frees the writer. */
static inline struct state_writer *fake_save(struct device *d)
{
	struct state_writer *w = state_writer_new();

	state_begin(w, d->ops->name, d->ops->version);
	d->ops->save(d, w);
	state_end(w);
	return w;
}

static inline int fake_restore(struct device *d, struct state_writer *w, struct error *err)
{
	size_t len;
	const void *data = state_writer_data(w, &len);
	struct state_reader *r = state_reader_new(data, len);
	u16 version;
	int rc = state_open(r, d->ops->name, d->ops->version, &version, err);

	if (rc == 0)
		rc = d->ops->load(d, r, err);
	if (rc == 0)
		rc = state_close(r, err);
	state_reader_free(r);
	return rc;
}

/* save -> load into `other` -> save gives the same bytes. */
static inline void fake_check_state(struct device *d, struct device *other)
{
	struct state_writer *w = fake_save(d), *again;
	struct error err = {0};
	size_t len, len_again;
	const void *data, *data_again;

	cr_assert_eq(fake_restore(other, w, &err), 0, "%s", err.text);
	again = fake_save(other);
	data = state_writer_data(w, &len);
	data_again = state_writer_data(again, &len_again);
	cr_assert_eq(len, len_again);
	cr_assert_eq(memcmp(data, data_again, len), 0);
	state_writer_free(w);
	state_writer_free(again);
}

/* ---- dev.h ---- */

const struct config *dev_config(struct device *d)
{
	return d->machine->config;
}

u64 dev_ram_bytes(struct device *d)
{
	(void)d;
	return FAKE_RAM;
}

static bool fake_read_only; /* files that are opened from now on */

int dev_open_file(struct device *d, const char *key, struct error *err)
{
	const char *path = config_string(d->machine->config, key);
	int fd = fake_read_only ? -1 : open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : fail(err, -errno, "cannot open %s", path);
}

void dev_unmap_pio(struct device *d, u16 base)
{
	for (unsigned i = 0; i < FAKE_RANGES; i++)
		if (d->machine->pio[i].d == d && d->machine->pio[i].base == base)
			d->machine->pio[i].d = NULL;
}

void dev_map_pio(struct device *d, u16 base, unsigned count, const struct pio_ops *ops)
{
	struct fake_pio *p = d->machine->pio;

	dev_unmap_pio(d, base);
	while (p->d)
		cr_assert_lt(++p - d->machine->pio, FAKE_RANGES, "too many port ranges");
	*p = (struct fake_pio){d, base, count, ops};
}

void dev_unmap(struct device *d, u64 gpa)
{
	for (unsigned i = 0; i < FAKE_RANGES; i++)
		if (d->machine->memory[i].d == d && d->machine->memory[i].gpa == gpa)
			d->machine->memory[i].d = NULL;
}

static inline struct fake_memory *fake_map(struct device *d, u64 gpa, u64 size)
{
	struct fake_memory *r = d->machine->memory;

	dev_unmap(d, gpa);
	while (r->d)
		cr_assert_lt(++r - d->machine->memory, FAKE_RANGES, "too many memory ranges");
	memset(r, 0, sizeof(*r));
	r->d = d;
	r->gpa = gpa;
	r->size = size;
	return r;
}

void dev_map_mmio(struct device *d, u64 gpa, u64 size, const struct mmio_ops *ops)
{
	fake_map(d, gpa, size)->ops = ops;
}

void dev_map_memory(struct device *d, u64 gpa, u64 size, void *host, u32 flags)
{
	struct fake_memory *r = fake_map(d, gpa, size);

	r->host = host;
	r->flags = flags;
}

void dev_dirty(struct device *d, u64 gpa, u64 size, unsigned long *bitmap)
{
	for (unsigned i = 0; i < FAKE_RANGES; i++) {
		struct fake_memory *r = &d->machine->memory[i];

		if (r->d != d || r->gpa != gpa || !r->host)
			continue;
		for (u64 w = 0; w < (size / 4096 + 63) / 64 && w < ARRAY_SIZE(r->dirty); w++) {
			if (r->dirty[w])
				bitmap[w] |= r->dirty[w];
			r->dirty[w] = 0;
		}
	}
}

bool dev_dma_read(struct device *d, u64 gpa, void *to, size_t len)
{
	if (gpa > FAKE_RAM || len > FAKE_RAM - gpa)
		return false;
	memcpy(to, d->machine->ram + gpa, len);
	return true;
}

bool dev_dma_write(struct device *d, u64 gpa, const void *from, size_t len)
{
	if (gpa > FAKE_RAM || len > FAKE_RAM - gpa)
		return false;
	memcpy(d->machine->ram + gpa, from, len);
	return true;
}

u8 *dev_dma_ram(struct device *d, u64 gpa, bool write, u64 *contiguous)
{
	(void)write;
	*contiguous = gpa < FAKE_RAM ? FAKE_RAM - gpa : 0;
	return gpa < FAKE_RAM ? d->machine->ram + gpa : NULL;
}

void dev_dma_wrote(struct device *d, u64 gpa, u64 len)
{
	cr_assert(gpa <= FAKE_RAM && len <= FAKE_RAM - gpa);
	(void)d;
}

/* Jobs are done at once, unless the test holds them. */
static bool fake_hold_jobs;
struct dev_worker {
	struct dev_job *held;
};

int dev_worker_new(struct device *d, struct dev_worker **out, struct error *err)
{
	(void)d, (void)err;
	*out = xcalloc(1, sizeof(**out));
	return 0;
}

void dev_worker_free(struct dev_worker *w)
{
	free(w);
}

void dev_job_finish(struct dev_worker *w, struct dev_job *job)
{
	struct dev_job **at = &w->held;

	while (*at && *at != job)
		at = &(*at)->next;
	if (!*at)
		return; /* idle */
	*at = job->next;
	job->work(job);
	job->done(job);
}

void dev_job_start(struct dev_worker *w, struct dev_job *job)
{
	job->next = w->held;
	w->held = job;
	if (!fake_hold_jobs)
		dev_job_finish(w, job);
}

/* Nobody can be asked, unless the test answers: the guest is told. */
static bool (*fake_answer)(const char *drive, int error);
bool dev_disk_retry(struct dev_worker *w, const char *drive, const struct disk *disk, bool flush, int error)
{
	(void)w, (void)disk;
	return fake_answer && !flush && fake_answer(drive, error);
}

void dev_ram_discard(struct device *d, u64 gpa, u64 size)
{
	if (gpa <= FAKE_RAM && size <= FAKE_RAM - gpa)
		memset(d->machine->ram + gpa, 0, size);
}

void dev_shadow(struct device *d, u32 gpa, u32 size, enum shadow_mode mode)
{
	for (u32 at = gpa; at < gpa + size; at += 16 * KIB)
		d->machine->shadow[(at - 0xc0000) / (16 * KIB) % 16] = mode;
}

void dev_a20(struct device *d, bool enabled)
{
	d->machine->a20 = enabled;
}

void dev_irq(struct device *d, unsigned line, bool level)
{
	struct machine *m = d->machine;
	u64 was = m->lines[line];

	m->lines[line] = level ? was | BIT64(d->id) : was & ~BIT64(d->id);
	if (m->line && !was != !m->lines[line])
		m->line(m->controller, line, level);
	if (m->heard && !was != !m->lines[line])
		m->heard(m->listener, line, level);
}

void dev_irq_controller(struct device *d, void (*line)(struct device *d, unsigned line, bool level), int (*intack)(struct device *d))
{
	d->machine->controller = d;
	d->machine->line = line;
	d->machine->intack = intack;
}

void dev_intr(struct device *d, bool level)
{
	d->machine->intr = level;
	if (d->machine->apic)
		d->machine->apic_ops->lint0(d->machine->apic, level);
}

void dev_cpu_intr(struct device *d, unsigned cpu, bool level)
{
	d->machine->cpu_intr = (d->machine->cpu_intr & ~BIT64(cpu)) | (u64)level << cpu;
}

void dev_irq_listen(struct device *d, void (*line)(struct device *d, unsigned line, bool level))
{
	d->machine->listener = d;
	d->machine->heard = line;
}

void dev_offer_apic(struct device *d, const struct apic_ops *ops)
{
	d->machine->apic = d;
	d->machine->apic_ops = ops;
}

void dev_msi(struct device *d, u64 address, u32 data)
{
	if (d->machine->apic)
		d->machine->apic_ops->message(d->machine->apic, address, data);
}

unsigned dev_accessing_cpu(struct device *d)
{
	return d->machine->accessing;
}

/* The fake TSC counts 2 GHz. */
u32 dev_tsc_khz(struct device *d)
{
	(void)d;
	return 2000000;
}

u64 dev_tsc_ns(struct device *d, u64 cycles)
{
	(void)d;
	return cycles / 2;
}

void dev_nmi(struct device *d)
{
	d->machine->nmis++;
}

u64 dev_now(struct device *d)
{
	return d->machine->now;
}

u64 dev_wall_clock(struct device *d)
{
	return d->machine->wall + d->machine->now;
}

void dev_timer_init(struct device *d, struct dev_timer *t, void (*fn)(struct device *d))
{
	struct dev_timer **slot = d->machine->timers;

	while (*slot)
		slot++;
	*slot = t;
	t->device = d;
	t->fn = fn;
	t->when = 0;
}

void dev_timer_set(struct dev_timer *t, u64 when)
{
	t->when = when;
}

void dev_offer_display(struct device *d, u64 (*refresh)(struct device *d))
{
	d->machine->display = d;
	d->machine->refresh = refresh;
}

void dev_display_changed(struct device *d)
{
	d->machine->display_changes++;
}

struct screen_page *dev_screen(struct device *d)
{
	return d->machine->page;
}

void dev_offer_keyboard(struct device *d, void (*key)(struct device *d, u8 code, bool down))
{
	d->machine->keyboard = d;
	d->machine->key = key;
}

void dev_offer_absolute_pointer(struct device *d, bool (*move)(struct device *d, u16 x, u16 y, int wheel, int tilt, unsigned buttons))
{
	d->machine->absolute = d;
	d->machine->pointer_to = move;
}

void dev_offer_backdoor(struct device *d, bool (*call)(struct device *d, u32 regs[CPU_BACKDOOR_REGS]))
{
	d->machine->backdoor = d;
	d->machine->call = call;
}

void dev_offer_pointer(struct device *d, void (*move)(struct device *d, int dx, int dy, int wheel, unsigned buttons))
{
	d->machine->mouse = d;
	d->machine->pointer = move;
}

void dev_set_leds(struct device *d, unsigned leds)
{
	d->machine->leds = leds;
}

void dev_offer_serial(struct device *d, unsigned line, size_t (*receive)(struct device *d, unsigned line, const u8 *data, size_t len))
{
	(void)line;
	d->machine->serial = d;
	d->machine->receive = receive;
}

void dev_serial_ready(struct device *d, unsigned line)
{
	(void)d, (void)line;
}

void dev_serial_out(struct device *d, unsigned line, const u8 *data, size_t len)
{
	struct machine *m = d->machine;

	(void)line;
	len = MIN(len, sizeof(m->serial_out) - m->serial_len);
	memcpy(m->serial_out + m->serial_len, data, len);
	m->serial_len += len;
}

/* Cards are 0 to net_cards - 1; the first one's frames are kept. */
int dev_net_open(struct device *d, unsigned nic, const char *kind, void (*ready)(struct device *d, unsigned nic), u8 address[6],
		 struct error *err)
{
	const u8 made[6] = {0x52, 0x56, 0x4d, 0x12, 0x34, (u8)nic};

	(void)err, (void)kind;
	if (nic >= d->machine->net_cards)
		return DEVICE_ABSENT;
	d->machine->net_ready = ready;
	memcpy(address, made, sizeof(made));
	return 0;
}

bool dev_net_link(struct device *d, unsigned nic)
{
	(void)nic;
	return !d->machine->net_unplugged;
}

void dev_net_send(struct device *d, unsigned nic, const u8 *frame, size_t len)
{
	struct machine *m = d->machine;

	cr_assert(len >= 14 && len <= DEV_NET_FRAME_MAX, "a frame of %zu bytes", len);
	if (nic || m->net_n_sent == ARRAY_SIZE(m->net_sent))
		return;
	m->net_sent[m->net_n_sent].len = len;
	memcpy(m->net_sent[m->net_n_sent++].bytes, frame, len);
}

bool dev_net_room(struct device *d, unsigned nic, unsigned frames)
{
	return nic || d->machine->net_n_sent + frames <= ARRAY_SIZE(d->machine->net_sent);
}

size_t dev_net_receive(struct device *d, unsigned nic, u8 *to, size_t size)
{
	struct machine *m = d->machine;
	size_t len;

	if (nic || !m->net_n_waiting)
		return 0;
	len = MIN(size, m->net_waiting[0].len);
	memcpy(to, m->net_waiting[0].bytes, len);
	memmove(&m->net_waiting[0], &m->net_waiting[1], --m->net_n_waiting * sizeof(m->net_waiting[0]));
	return len;
}

void dev_offer_balloon(struct device *d, const struct balloon_ops *ops)
{
	d->machine->balloon_ops = ops;
}

void dev_offer_guest_rpc(struct device *d, const struct guest_rpc_ops *ops)
{
	d->machine->rpc_ops = ops;
}

void dev_offer_drives(struct device *d, const struct drive_ops *ops)
{
	d->machine->drives = d;
	d->machine->drive_ops = ops;
}

void dev_net_on_link(struct device *d, unsigned nic, void (*changed)(struct device *d, unsigned nic))
{
	(void)nic;
	d->machine->net_changed = changed;
}

void dev_net_plug(struct device *d, unsigned nic, bool in)
{
	(void)nic;
	d->machine->net_unplugged = !in;
}

void dev_offer_power_button(struct device *d, bool (*press)(struct device *d))
{
	(void)d, (void)press;
}

void dev_request(struct device *d, enum machine_request request, int status)
{
	d->machine->requests |= BIT(request);
	d->machine->request_status = status;
}

void dev_log(struct device *d, const char *fmt, ...)
{
	va_list ap;

	d->machine->logs++;
	va_start(ap, fmt);
	vsnprintf(d->machine->log, sizeof(d->machine->log), fmt, ap);
	va_end(ap);
}

struct device *dev_find(struct device *d, const char *name)
{
	for (unsigned i = 0; i < d->machine->n_devices; i++)
		if (strcmp(d->machine->device[i]->ops->name, name) == 0)
			return d->machine->device[i];
	return NULL;
}

#endif
