/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmss.h - a suspended machine in a file: everything a guest could notice, so that it goes on elsewhere in time.
 *
 * The file, little-endian:
 *	header	64 bytes: "vmk suspended\n\0\0", version, checksum of the rest of the header, lengths, bytes of RAM
 *	state	a state stream (lib/state.h), zstd: "configuration", "machine", "cpu" for each, then one section a device
 *	RAM	blocks of up to 1 MiB: which of its pages are not zero, and those, zstd; ascending; then an end mark
 * An empty file is what is left of one that was resumed or given up: nothing is suspended in it.
 *
 * Files come from outside: one that is damaged, cut off, of another machine or of a newer version is refused with a sentence.
 * All of this is the main thread's, while the CPUs are held.
 */
#ifndef VMK_VMX_VMSS_H
#define VMK_VMX_VMSS_H

#include "vmx/machine.h"

/* Whether the machine can be suspended at all, as it is configured. */
int vmss_possible(struct machine *m, struct error *err);

/* Writing goes in steps, so that the process answers in between. fd stays the caller's. Clock stopped. */
struct vmss_writer;
int vmss_write_begin(struct machine *m, int fd, struct vmss_writer **out, struct error *err);
/* 1: not ready yet; 0: all is on the disk; or -errno with a sentence. */
int vmss_write_step(struct vmss_writer *w, struct error *err);
unsigned vmss_write_percent(const struct vmss_writer *w);
/* Grows with each step: of memory that is packed, then of the file that has reached the disk. */
u64 vmss_write_bytes(const struct vmss_writer *w);
void vmss_write_end(struct vmss_writer *w);

/* Into a machine that was built and never ran. After a failure it must not run. The file is not changed. */
int vmss_read(struct machine *m, int fd, struct error *err);

/* The state section's stream, apart from its file. */
void vmss_save(struct machine *m, struct state_writer *w);
int vmss_load(struct machine *m, struct state_reader *r, struct error *err);
/* One CPU's state, of the section's version; a loaded one is what a CPU can be in. */
#define VMSS_CPU_VERSION 2
void vmss_save_cpu(struct state_writer *w, const struct x86_state *s);
int vmss_load_cpu(struct state_reader *r, unsigned version, struct x86_state *s, struct error *err);

#endif
