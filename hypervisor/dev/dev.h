/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dev.h - what a virtual device is, and the few things it may ask of its machine.
 *
 * A device is one file in dev/ that defines `const struct device_ops dev_NAME` and one word in devices.def.
 * Everything it owns lives in its own struct, whose first member is `struct device`; nothing is static, so a host
 * process could run several machines. All entry points are called with the machine's lock held, from the vCPU's or
 * the machine's main thread: a device needs no locks and must not block for long.
 *
 * What init() maps, offers or creates through the functions below is undone by the machine when init fails or
 * the device goes: devices contain no unwinding of it. stop() releases only what the device itself opened.
 *
 * A guest is hostile: any register value in any order at any size must leave the device in a state its
 * hardware could have. Accesses outside what the device decodes read as all ones and ignore writes.
 */
#ifndef VMK_DEV_DEV_H
#define VMK_DEV_DEV_H

#include "lib/config.h"
#include "lib/error.h"
#include "lib/state.h"
#include "lib/types.h"

struct device;
struct machine;
struct disk;

struct device_ops {
	const char *name; /* of the device and its state section */
	size_t size;	  /* of the whole struct, zeroed before init */
	u16 version;	  /* of its state section */
	/* 0, or -errno with a sentence. Optional devices return DEVICE_ABSENT when the configuration has none. */
	int (*init)(struct device *d, struct error *err);
	void (*reset)(struct device *d); /* power-on state; also called once after all devices are initialised */
	void (*stop)(struct device *d);
	/* Before save(), CPUs held: what the guest was told is written is on the host's disk. Optional. */
	int (*flush)(struct device *d, struct error *err);
	/* Fields only; the machine opens and closes the section. save -> load -> save is byte-identical. */
	void (*save)(struct device *d, struct state_writer *w);
	int (*load)(struct device *d, struct state_reader *r, struct error *err);
};
#define DEVICE_ABSENT 1

struct device {
	const struct device_ops *ops;
	struct machine *machine;
	unsigned id;	      /* position in devices.def: identifies it on shared interrupt lines */
};

/* Every device of devices.def in order; NULL-terminated. */
extern const struct device_ops *const device_table[];

/* ---- configuration ---- */

const struct config *dev_config(struct device *d);
u64 dev_ram_bytes(struct device *d);
/*
 * A file the configuration names under `key` ("ide0:0.fileName"), opened by whoever started the machine, with
 * the owner's rights: a descriptor that belongs to the device from now on, or -errno with a sentence.
 */
int dev_open_file(struct device *d, const char *key, struct error *err);

/* ---- bus ---- */

struct pio_ops {
	u32 (*read)(struct device *d, u16 port, unsigned size); /* size 1, 2, 4 */
	void (*write)(struct device *d, u16 port, unsigned size, u32 value);
};
struct mmio_ops {
	u64 (*read)(struct device *d, u64 gpa, unsigned size); /* size 1, 2, 4, 8, never crossing 4 KiB */
	void (*write)(struct device *d, u64 gpa, unsigned size, u64 value);
};
/*
 * Several devices may claim the same port: the first in devices.def wins. Wider accesses than a range can take are
 * split by the bus into bytes. pio ranges are few; mapping is idempotent per (device, base) and may be moved by
 * unmapping first (PCI BARs).
 */
void dev_map_pio(struct device *d, u16 base, unsigned count, const struct pio_ops *ops);
void dev_unmap_pio(struct device *d, u16 base);
void dev_map_mmio(struct device *d, u64 gpa, u64 size, const struct mmio_ops *ops);
/* Host memory visible to the guest: flags are CPU_SLOT_* of cpu.h. `host` is page-aligned and outlives the mapping. */
void dev_map_memory(struct device *d, u64 gpa, u64 size, void *host, u32 flags);
void dev_unmap(struct device *d, u64 gpa); /* an mmio or memory range of this device starting at gpa */

/* Reading/writing of guest-physical RAM by a bus master; false when any byte is not RAM. Tells the CPU of writes. */
bool dev_dma_read(struct device *d, u64 gpa, void *to, size_t len);
bool dev_dma_write(struct device *d, u64 gpa, const void *from, size_t len);

/* Whole pages of RAM whose contents nobody wants: they are zeros when next touched, and the host has them until then. */
void dev_ram_discard(struct device *d, u64 gpa, u64 size);

/*
 * RAM itself, for transfers that work beside the machine: host memory behind gpa, `contiguous` bytes of it, or NULL. It stays
 * as long as the machine. Who has written to it tells so.
 */
u8 *dev_dma_ram(struct device *d, u64 gpa, bool write, u64 *contiguous);
void dev_dma_wrote(struct device *d, u64 gpa, u64 len);

/* i440FX PAM registers: how 16 KiB (or 64 KiB for 0xF0000) areas of C0000-FFFFF behave. */
enum shadow_mode { SHADOW_ROM, SHADOW_READ_RAM_WRITE_ROM, SHADOW_READ_ROM_WRITE_RAM, SHADOW_RAM };
void dev_shadow(struct device *d, u32 gpa, u32 size, enum shadow_mode mode);
void dev_a20(struct device *d, bool enabled);
/* Writes since the last call in a memory range mapped with CPU_SLOT_LOG_DIRTY: one bit a 4 KiB page, ORed in. */
void dev_dirty(struct device *d, u64 gpa, u64 size, unsigned long *bitmap);

/* ---- interrupts ---- */

/* Level of an ISA line 0-15 as driven by this device; lines are wired-OR of all devices. */
void dev_irq(struct device *d, unsigned line, bool level);
/* The interrupt controller: learns each change of a line, drives INTR, answers acknowledges (vector 0-255). */
void dev_irq_controller(struct device *d, void (*line)(struct device *d, unsigned line, bool level), int (*intack)(struct device *d));
void dev_intr(struct device *d, bool level);
void dev_nmi(struct device *d);
/* One more that learns each change of a line: the IOAPIC. */
void dev_irq_listen(struct device *d, void (*line)(struct device *d, unsigned line, bool level));
/*
 * The local APICs of all CPUs, one device. It stands between the interrupt controller and the CPUs' pins: dev_intr() then is
 * the level at LINT0. Without one, dev_intr() is the first CPU's pin INTR.
 */
struct apic_ops {
	void (*lint0)(struct device *d, bool level);
	int (*intack)(struct device *d, unsigned cpu); /* vector; -1: the interrupt controller answers */
	bool (*msr)(struct device *d, unsigned cpu, u32 index, bool write, u64 *value, u64 tsc); /* cpu_host.apic_msr */
	u8 (*tpr)(struct device *d, unsigned cpu, int value); /* sets TPR unless value < 0; returns it */
	void (*message)(struct device *d, u64 address, u32 data);
};
void dev_offer_apic(struct device *d, const struct apic_ops *ops);
void dev_cpu_intr(struct device *d, unsigned cpu, bool level); /* pin INTR of a CPU */
/* A message-signalled interrupt: a bus master's dword write to FEExxxxx; dev_dma_write() of 4 bytes there is the same. */
void dev_msi(struct device *d, u64 address, u32 data);
/* The CPU whose access is being carried out: for registers that each CPU has its own of. */
unsigned dev_accessing_cpu(struct device *d);
/* Pin FERR# of the CPU, see cpu_host.ferr in cpu/cpu.h. */
void dev_offer_ferr(struct device *d, bool (*ferr)(struct device *d));

/* ---- PCI (the bus itself is dev/pci.c) ---- see dev/pci.h */

/* ---- time ---- */

/* Machine time in nanoseconds: starts at 0, stands still while the machine is suspended. */
u64 dev_now(struct device *d);
/* Nanoseconds in that many cycles of the host's, and so the guest's, time stamp counter. */
u64 dev_tsc_ns(struct device *d, u64 cycles);
/* Wall clock in nanoseconds since 1970, for the RTC. */
u64 dev_wall_clock(struct device *d);

/* One-shot timers; the struct is embedded in the device. fn is called under the machine's lock at or after `when`. */
struct dev_timer {
	struct device *device;
	void (*fn)(struct device *d);
	u64 when;	/* machine time; 0 = not armed */
	int slot;	/* clock.c's */
};
void dev_timer_init(struct device *d, struct dev_timer *t, void (*fn)(struct device *d));
void dev_timer_set(struct dev_timer *t, u64 when); /* re-arms; 0 cancels */

/* ---- work that blocks ---- */

/*
 * A thread of the device's, for jobs one after another. work() runs there, without the machine's lock: it uses what its job holds and
 * nothing else of the device. done() follows under the lock, and may start the job again. A machine without CPUs does both at once.
 */
struct dev_worker;
enum dev_job_state { DEV_JOB_IDLE, DEV_JOB_WAITING, DEV_JOB_WORKING, DEV_JOB_WORKED };
struct dev_job {
	void (*work)(struct dev_job *job);
	void (*done)(struct dev_job *job);
	struct dev_job *next; /* these are the worker's */
	enum dev_job_state state;
};
int dev_worker_new(struct device *d, struct dev_worker **out, struct error *err); /* from init(); stop() frees it */
void dev_worker_free(struct dev_worker *w); /* its jobs are finished */
void dev_job_start(struct dev_worker *w, struct dev_job *job);
void dev_job_finish(struct dev_worker *w, struct dev_job *job); /* returns after done(), or at once if it is idle */
/*
 * In work(), after a write to a disk's image (or flushing it) has failed with `error`: if that is the host's trouble, people are
 * asked what to do while the machine stands still. true: try again. false: tell the guest, as they want it, or because
 * nobody can be asked or somebody waits for the job. `drive` is for the question; disks on one volume share it.
 */
struct disk;
bool dev_disk_retry(struct dev_worker *w, const char *drive, const struct disk *disk, bool flush, int error);

/* ---- people: screen, keyboard, mouse, serial lines ---- */

/*
 * The display adapter: `refresh` is called, at most 60 times a second and only while someone looks, to bring the shared screen
 * (dev_screen()) up to date. It returns in how many nanoseconds the picture changes by itself, 0 = not at all; else refresh() is
 * called after dev_display_changed(), by which the adapter tells that registers or memory have changed, and after a write to a
 * memory range mapped with CPU_SLOT_LOG_DIRTY.
 */
struct screen_page;
void dev_offer_display(struct device *d, u64 (*refresh)(struct device *d));
void dev_display_changed(struct device *d); /* cheap when told already */
struct screen_page *dev_screen(struct device *d); /* api/screen.h */
/* Keys as set-1 scancodes (bit 7 of `code` = E0 prefix), pointer moves as relative steps (dy down) and buttons
 * (bit 0 left, 1 right, 2 middle), wheel steps (positive = towards the user). */
void dev_offer_keyboard(struct device *d, void (*key)(struct device *d, u8 code, bool down));
/*
 * A pointer that takes positions (0-65535 of the screen's width and height); false: the guest does not want them now. Of several, the
 * first of devices.def whose guest wants them gets them. Buttons as below, and bit 3 side, 4 extra; tilt: wheel steps to the right.
 */
void dev_offer_absolute_pointer(struct device *d, bool (*move)(struct device *d, u16 x, u16 y, int wheel, int tilt, unsigned buttons));
void dev_offer_pointer(struct device *d, void (*move)(struct device *d, int dx, int dy, int wheel, unsigned buttons));
void dev_set_leds(struct device *d, unsigned leds); /* bit 0 scroll, 1 num, 2 caps */
/* Serial line n (0-3): bytes from the other side; receive() returns how many it took (the rest is offered again
 * after dev_serial_ready()). */
void dev_offer_serial(struct device *d, unsigned line, size_t (*receive)(struct device *d, unsigned line, const u8 *data, size_t len));
void dev_serial_ready(struct device *d, unsigned line);
void dev_serial_out(struct device *d, unsigned line, const u8 *data, size_t len);

/* ---- drives: media that come and go ---- */

/*
 * Drives of a device whose media may be changed while the machine runs, each named as in the configuration ("ide1:0", "floppy0").
 * insert() takes fd in every case and puts its file in, in place of what is there, which stays after a failure; eject() is
 * content with an empty drive. `force`: though the guest has locked it (-EBUSY, and the guest is asked to let go). medium() is
 * the file's name, "" in an empty drive, NULL when there is no such drive.
 */
struct drive_ops {
	int (*insert)(struct device *d, const char *drive, int fd, const char *file, bool force, struct error *err);
	int (*eject)(struct device *d, const char *drive, bool force, struct error *err);
	const char *(*medium)(struct device *d, const char *drive);
};
void dev_offer_drives(struct device *d, const struct drive_ops *ops);

/* ---- network: card n (0-3) is ethernet<n> of the configuration ---- */

/*
 * Plugs the cable in and tells the card's address; DEVICE_ABSENT when there is no such card of this kind ("e1000", "virtio").
 * `ready` is called when frames may have come, or gone: the device takes those it has room for, and looks again itself when it
 * has more room.
 */
int dev_net_open(struct device *d, unsigned nic, const char *kind, void (*ready)(struct device *d, unsigned nic), u8 address[6],
		 struct error *err);
bool dev_net_link(struct device *d, unsigned nic); /* is there anything at the cable's other end? */
/* From init() on: called when the cable has been pulled or put back. */
void dev_net_on_link(struct device *d, unsigned nic, void (*changed)(struct device *d, unsigned nic));
/* From load(): the cable is as it was when the machine was saved; changed() is not called. */
void dev_net_plug(struct device *d, unsigned nic, bool in);
/* Ethernet frames without their checksum, 14 to DEV_NET_FRAME_MAX bytes; those that the other side is too slow for are lost. */
#define DEV_NET_FRAME_MAX 1522
void dev_net_send(struct device *d, unsigned nic, const u8 *frame, size_t len);
size_t dev_net_receive(struct device *d, unsigned nic, u8 *to, size_t size); /* its length, or 0 when none waits */
/* Whether so many of the longest frames would not be lost now; if not, `ready` is called when the other side has caught up. */
bool dev_net_room(struct device *d, unsigned nic, unsigned frames);

/* ---- the machine ---- */

/*
 * The memory balloon: the guest is asked to leave so many bytes to the host, and `given` tells how many it has left, as it says;
 * both are of whole megabytes' worth of pages at most.
 */
struct balloon_ops {
	void (*ask)(struct device *d, u64 bytes);
	u64 (*asked)(struct device *d);
	u64 (*given)(struct device *d);
};
void dev_offer_balloon(struct device *d, const struct balloon_ops *ops);

/* The power button, when the device can tell the guest of it: press() returns false when the guest has not asked to be told. */
void dev_offer_power_button(struct device *d, bool (*press)(struct device *d));

/* Calls of the machine by its guest: cpu_host.backdoor. */
void dev_offer_backdoor(struct device *d, bool (*call)(struct device *d, u32 regs[6]));
/*
 * What programs of the guest and the host tell each other: variables, by keys without "guestinfo.", and whether the tools live.
 * get() borrows until the next set(), whose NULL value removes one.
 */
struct guest_tools {
	u32 version;	/* major << 10 | minor << 5 | rest; 0: not told */
	bool heard;	/* since the last reset, silent_ns ago */
	u64 silent_ns;
};
struct guest_rpc_ops {
	const char *(*get)(struct device *d, const char *key);
	int (*set)(struct device *d, const char *key, const char *value, struct error *err);
	struct guest_tools (*tools)(struct device *d);
};
void dev_offer_guest_rpc(struct device *d, const struct guest_rpc_ops *ops);
/* Rates in kHz: of the guest's TSC (0: not known), and of what the APIC's timer counts. */
u32 dev_tsc_khz(struct device *d);
#define DEV_APIC_TIMER_KHZ 1000000u

enum machine_request { REQUEST_RESET, REQUEST_POWER_OFF, REQUEST_EXIT /* debug.exit with status */ };
/* Carried out after the current instruction. */
void dev_request(struct device *d, enum machine_request request, int status);
/* Rate-limited line in vmx.log: "vga: ..." */
void dev_log(struct device *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Another device by name, NULL if absent (e.g. a PCI function asking for its bus). */
struct device *dev_find(struct device *d, const char *name);

#endif
