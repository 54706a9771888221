/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.h - one virtual machine: its memory, bus, interrupts, clock, devices and CPUs, and what its people see.
 *
 * Threads. The main thread builds the machine, runs its timers and talks to people; each virtual CPU has a thread.
 * machine->lock protects everything here that is not said to be atomic or the main thread's own; device code always
 * runs under it. A vCPU thread holds it in its callbacks and between runs, never while the guest executes.
 * Whatever a vCPU thread wants of the main thread is left in a field under the lock, followed by machine_wake().
 *
 * What a device maps, offers or arms is kept with the device's id, so that machine.c can undo it (the *_forget functions).
 */
#ifndef VMK_VMX_MACHINE_H
#define VMK_VMX_MACHINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/screen.h"
#include "cpu/cpu.h"
#include "dev/dev.h"
#include "lib/config.h"
#include "lib/log.h"
#include "net/net.h"

#define MACHINE_MAX_DEVICES 64 /* bits of irq_line.drivers */
#define MACHINE_MAX_DRIVES 4 /* devices with drives whose media may be changed */
#define SERIAL_LINES 4

/* ---- memory.c ---- */

#define RAM_BELOW_4G (3 * GIB) /* the rest stands above 4 GiB; between them the PCI hole */
#define MEMORY_MAX_SLOTS 128
#define MEMORY_MAX_RANGES 64

struct memory_range { /* dev_map_memory() */
	unsigned owner;
	u64 gpa, size;
	u8 *host;
	u32 flags;
	unsigned long *dirty; /* CPU_SLOT_LOG_DIRTY: pages the CPUs have handed over, not yet asked for by the device */
};

struct memory {
	int fd;	     /* memfd of all RAM */
	u8 *ram;     /* RAM below the hole, then RAM above 4 GiB */
	u64 bytes, low_bytes;
	u8 *rom;     /* system firmware, ends at 4 GiB */
	size_t rom_bytes;
	enum shadow_mode shadow[16]; /* 16 KiB each from 0xC0000 */
	struct memory_range ranges[MEMORY_MAX_RANGES];
	unsigned n_ranges;
	struct cpu_slot slots[MEMORY_MAX_SLOTS];
	struct memory_range *slot_range[MEMORY_MAX_SLOTS]; /* the range a slot shows, NULL for RAM and ROM */
	unsigned n_slots;
	unsigned generation; /* counts changes of the map; a vCPU that has seen less calls cpu_ops->map */
	bool stale;	     /* slots[] does not show the last changes yet */
};

/* ---- bus.c ---- */

struct pio_range {
	struct device *device; /* NULL: free */
	u16 base;
	unsigned count;
	const struct pio_ops *ops;
};
struct mmio_range {
	struct device *device;
	u64 gpa, size;
	const struct mmio_ops *ops;
};
#define BUS_MAX_PIO 255
#define BUS_MAX_MMIO 64
struct bus {
	struct pio_range pio[BUS_MAX_PIO + 1]; /* [0] is nobody */
	u8 port[65536];			       /* index into pio[] */
	struct mmio_range mmio[BUS_MAX_MMIO];
	unsigned n_mmio;
};

/* ---- irq.c ---- */

struct irq {
	u64 drivers[16]; /* per line: devices that hold it high */
	struct device *controller;
	void (*line)(struct device *d, unsigned line, bool level);
	int (*intack)(struct device *d);
	struct device *coprocessor;
	bool (*ferr)(struct device *d);
	struct device *listener; /* the IOAPIC */
	void (*heard)(struct device *d, unsigned line, bool level);
	struct device *apic;
	const struct apic_ops *apic_ops;
	bool intr;	  /* the interrupt controller's output */
	u64 cpu_intr;	  /* pin INTR of each CPU */
};

/* ---- clock.c ---- */

#define CLOCK_MAX_TIMERS 64
struct clock {
	int fd;	      /* timerfd, readable when a timer is due */
	u64 base;     /* running: CLOCK_MONOTONIC at machine time 0; standing: the machine time */
	bool running;
	pthread_cond_t *sleeper; /* in clock_sleep(): stands in for the timerfd */
	u64 armed;    /* machine time the timerfd is set to, 0 = off */
	u32 tsc_khz; /* as guests are told; 0 = no CPUs */
	u64 tsc_start, tsc_start_ns; /* the host's TSC at that CLOCK_MONOTONIC: its rate follows */
	struct dev_timer *timers[CLOCK_MAX_TIMERS];
};

/* ---- vcpu.c ---- */

struct vcpu {
	struct machine *machine;
	unsigned index;
	struct cpu *cpu;
	struct cpu_host host;
	pthread_t thread;
	bool started;
	pthread_cond_t wake;
	u32 events;	   /* counts everything that may end a HLT */
	bool running;	   /* inside cpu_ops->run() */
	bool parked;	   /* waits for machine->hold to end */
	bool harvested;	   /* has done what machine->harvest asks for */
	unsigned map_seen; /* memory.generation this CPU knows */
	bool a20_seen;
	u64 tsc;	   /* of its time stamp counter, while tsc_stands */
	bool tsc_stands;
};

/* ---- serial.c ---- */

#define SERIAL_OUT_BYTES (64 * KIB)
#define SERIAL_IN_BYTES (4 * KIB)

struct serial_line {
	struct device *device; /* NULL: no such port */
	size_t (*receive)(struct device *d, unsigned line, const u8 *data, size_t len);
	u8 out[SERIAL_OUT_BYTES]; /* ring: written by the guest, taken by the main thread */
	size_t out_head, out_count;
	u8 in[SERIAL_IN_BYTES]; /* what the device had no room for, oldest first */
	size_t in_count;
	bool reliable; /* nothing may be lost: the guest waits for a slower reader */
};

/* ---- files.c ---- */

#define FILES_MAX 64
struct file_entry {
	char key[64];
	int fd;
};
struct files {
	const char *folder; /* standalone: relative names start here; NULL: only the table counts */
	struct file_entry table[FILES_MAX];
	unsigned n;
};

/* ---- question.c ---- */

#define QUESTION_TEXT 300

/* What an answer is about: a volume (disk.h), and what the host says when it is written to. */
struct question_cause {
	u64 volume;
	int error;
};

/* A device's thread that waits, on its own stack. */
struct question_waiter {
	struct question_waiter *next;
	const atomic_uint *wanted; /* whose it is */
	struct question_cause cause;
	bool settled, again;
	char text[QUESTION_TEXT];
};

struct question {
	pthread_mutex_t lock; /* innermost: held across no callback, nor while waiting for another */
	pthread_cond_t changed;
	bool possible;		       /* there is somebody to answer */
	u64 id;			       /* of the last one */
	struct question_waiter *first; /* whose question is open; others wait behind it */
};

/* ---- net.c ---- */

struct nic {
	struct device *device; /* NULL: no such card */
	void (*ready)(struct device *d, unsigned nic);
	struct net_port *port;
	void (*changed)(struct device *d, unsigned nic); /* may be NULL */
	struct net *back; /* the main thread's */
	bool plugged;	  /* the cable leads there */
};

/* ---- the machine ---- */

#define ABSOLUTE_POINTERS 2
struct people { /* what devices offered */
	struct device *display, *keyboard, *pointer, *power_button, *backdoor, *balloon, *rpc;
	u64 (*refresh)(struct device *d);
	void (*key)(struct device *d, u8 code, bool down);
	void (*move)(struct device *d, int dx, int dy, int wheel, unsigned buttons);
	struct absolute_pointer {
		struct device *device; /* NULL: free */
		bool (*move_to)(struct device *d, u16 x, u16 y, int wheel, int tilt, unsigned buttons);
	} absolute[ABSOLUTE_POINTERS];
	struct device *pointing; /* which pointer was told last, */
	unsigned pointing_buttons; /* and the buttons it has */
	bool (*press)(struct device *d);
	bool (*call)(struct device *d, u32 regs[6]);
	const struct balloon_ops *balloon_ops;
	const struct guest_rpc_ops *rpc_ops;
	struct drives {
		struct device *device;
		const struct drive_ops *ops;
	} drives[MACHINE_MAX_DRIVES]; /* device NULL: free */
};

enum machine_state { MACHINE_OFF, MACHINE_ON };

struct machine_config {
	const char *name;
	const struct config *config;
	const struct cpu_ops *engine; /* NULL: a machine without CPUs, for tests */
	const struct device_ops *const *devices; /* device_table, or a test's own */
	struct files files;	      /* descriptors are the machine's from now on */
};

struct machine {
	char *name;
	const struct config *config;
	pthread_mutex_t lock;

	struct device *devices[MACHINE_MAX_DEVICES]; /* by id; NULL = absent */
	struct log_limit log_limits[MACHINE_MAX_DEVICES];
	unsigned n_devices;

	struct memory memory;
	struct bus bus;
	struct irq irq;
	struct clock clock;
	struct files files;
	struct people people;
	struct serial_line serial[SERIAL_LINES];
	struct nic nics[NET_NICS];
	bool a20;

	const struct cpu_ops *engine;
	struct vcpu *vcpus;
	unsigned n_vcpus;
	unsigned accessing; /* the vCPU that is inside a callback of cpu_host */
	pthread_cond_t parked; /* a vCPU has parked */
	unsigned hold;	       /* reasons for the vCPUs to stand still */
	bool quit;	       /* vCPU threads end */
	bool harvest;	       /* vCPUs are to hand over their dirty pages; over when each has */

	/* What a device or CPU asked for, carried out by the main thread (machine_attend()). */
	bool reset_wanted, power_off_wanted;
	int exit_status;  /* with power_off_wanted */
	bool serial_room; /* a serial device can take input again */

	int wake_fd; /* eventfd: look at the machine */
	enum machine_state state;
	u64 started_at; /* CLOCK_MONOTONIC of power on */

	struct question question;

	int screen_fd; /* memfd */
	struct screen_page *page;
	atomic_bool screen_written; /* what the screen shows may have changed since the main thread last cleared this */
	bool screen_awaited;	    /* then wake the main thread when the CPUs halt: what they draw may be complete */
};

/* Builds the machine: memory, firmware, devices in order, CPUs. Nothing runs yet. */
int machine_new(const struct machine_config *mc, struct machine **out, struct error *err);
void machine_free(struct machine *m); /* stops it first; NULL is allowed */

void machine_lock(struct machine *m);
void machine_unlock(struct machine *m);
/* Any thread: the main thread's loop calls machine_attend() soon. */
void machine_wake(struct machine *m);

/* Main thread. Creates the vCPU threads, held; the machine runs at machine_power_on(). */
int machine_start_threads(struct machine *m, struct error *err);
void machine_power_on(struct machine *m);
/* vCPUs stand still from the return of hold() to release(); may nest. The lock is taken inside. */
void machine_hold(struct machine *m);
void machine_release(struct machine *m);
/* Main thread, after machine_wake(): carries out a reset or a power off that was asked for; returns what it did. */
enum machine_event { MACHINE_NOTHING, MACHINE_RESET, MACHINE_POWERED_OFF } machine_attend(struct machine *m);
void machine_request(struct machine *m, enum machine_request request, int status); /* under the lock */
/* Every device, in order; a section each. CPUs held. */
void machine_save_devices(struct machine *m, struct state_writer *w);
int machine_load_devices(struct machine *m, struct state_reader *r, struct error *err);
void machine_reset_devices(struct machine *m);

int memory_init(struct machine *m, struct error *err);
int memory_load_rom(struct machine *m, struct error *err);
void memory_destroy(struct machine *m);
void memory_forget(struct machine *m, unsigned owner);
void memory_unmap(struct machine *m, unsigned owner, u64 gpa);
void memory_reset(struct machine *m);
void memory_update(struct machine *m);	   /* under the lock: slots[] from the ranges, if stale */
/* Under the lock, the CPU not running: its dirty pages into the ranges. It tells its next write by screen_written(). */
void memory_harvest(struct vcpu *v);
bool memory_has_dirty(struct machine *m);
/* A write that no slot took: true when it went to C0000-FFFFF or the firmware, where it is dropped or shadowed. */
bool memory_rom_write(struct machine *m, u64 gpa, unsigned size, u64 value);
/* RAM behind gpa and how many bytes of it are contiguous; NULL when it is not RAM for that direction. */
u8 *memory_ram(struct machine *m, u64 gpa, bool write, u64 *contiguous);

/* Under the lock. Sizes as in cpu_host; any address. */
u32 bus_pio_read(struct machine *m, u16 port, unsigned size);
void bus_pio_write(struct machine *m, u16 port, unsigned size, u32 value);
u64 bus_mmio_read(struct machine *m, u64 gpa, unsigned size);
void bus_mmio_write(struct machine *m, u64 gpa, unsigned size, u64 value);
void bus_forget(struct machine *m, unsigned owner);

void irq_reset(struct machine *m);
void irq_forget(struct machine *m, unsigned owner);
int irq_acknowledge(struct machine *m, unsigned cpu); /* vector */
bool irq_message(struct machine *m, u64 address, const void *data, size_t len); /* a DMA write: false = no interrupt message */
bool irq_apic_msr(struct machine *m, unsigned cpu, u32 index, bool write, u64 *value, u64 tsc); /* as cpu_host.apic_msr */
u8 irq_apic_tpr(struct machine *m, unsigned cpu, int value); /* as apic_ops.tpr */
bool irq_ferr(struct machine *m);	/* as cpu_host.ferr */

int clock_init(struct machine *m, struct error *err);
void clock_destroy(struct machine *m);
void clock_forget(struct machine *m, unsigned owner);
void clock_run(struct machine *m); /* under the lock: the timers that are due */
void clock_sleep(struct machine *m, pthread_cond_t *wake); /* under the lock: until signalled or a timer has run */
void clock_start(struct machine *m);
void clock_stop(struct machine *m);
u64 clock_now(struct machine *m);
u32 clock_tsc_khz(struct machine *m); /* measured: takes 10 ms in a machine that is younger */

int vcpus_create(struct machine *m, struct error *err);
void vcpus_destroy(struct machine *m);
int vcpus_start(struct machine *m, struct error *err);
int vcpus_reset(struct machine *m, struct error *err);
void vcpus_kick(struct machine *m);  /* under the lock */
bool vcpus_running(struct machine *m); /* under the lock: at least one is inside run() */
void vcpus_clock_stop(struct machine *m);
void vcpus_clock_start(struct machine *m);
void vcpus_irq(struct machine *m, unsigned cpu, bool level);
void vcpus_nmi(struct machine *m);
void vcpus_forget(struct machine *m, u64 gpa, u64 len);
u64 vcpus_instructions(struct machine *m);

/* Opens the file named by `key`; -errno with a sentence. Firmware and devices only, before the sandbox. */
int files_open(struct machine *m, const char *key, struct error *err);
void files_close(struct machine *m);

/* Main thread, takes the lock: moves up to len bytes of a line's output to `to`. */
size_t serial_take(struct machine *m, unsigned line, u8 *to, size_t len);
/* Offers input to the guest; false when the line's buffer has no room for len bytes (nothing was taken). */
bool serial_give(struct machine *m, unsigned line, const u8 *data, size_t len);
/* Under the lock: a reliable line is more than half full, the CPUs are to stand still. */
bool serial_congested(const struct machine *m);
void serial_retry(struct machine *m); /* input that was left over */
void serial_forget(struct machine *m, unsigned owner);

void net_forget(struct machine *m, unsigned owner);
void net_plug(struct machine *m, unsigned nic, bool in); /* under the lock; the card must be there, and learns it */

void question_init(struct question *q);
void question_destroy(struct question *q);
/*
 * A device's thread, with no lock: waits for people's word; true = try again. False at once when somebody waits for the thread
 * (*wanted, which may become true at any time: question_take_back()) or nobody can answer (question_possible(), which is said
 * before the machine runs).
 */
bool question_ask(struct machine *m, const atomic_uint *wanted, struct question_cause cause, const char *text);
void question_take_back(struct machine *m, const atomic_uint *wanted); /* any thread, the machine's lock held or not */
bool question_get(struct machine *m, u64 *id, char text[QUESTION_TEXT]); /* any thread: whether one is open */
void question_possible(struct machine *m, bool possible);
/* All that wait try again, or those with the same cause tell the guest. False: that question is not open any more. */
bool question_settle(struct machine *m, u64 id, bool again);

int page_create(struct machine *m, struct error *err); /* the shared screen */
void page_destroy(struct machine *m);
void page_off(struct machine *m);
void screen_written(struct machine *m); /* any thread: what the screen shows may have changed */

#endif
