/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe.h - which CPU engine machines get on this host, asked of vmk-vmx once at start. */
#ifndef VMK_VMKERNEL_PROBE_H
#define VMK_VMKERNEL_PROBE_H

/*
 * Runs `vmk-vmx --engines` in a child: one JSON object on its standard output, {"engine":"bt","passed_over":["kvm: ..."]}.
 * Fills host.engine and host.passed_over when it answers; nothing waits for it.
 */
void probe_engines(void);

#endif
