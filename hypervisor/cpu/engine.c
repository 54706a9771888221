/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.c - the engines there are, and choosing one.
 */
#include <errno.h>
#include <string.h>

#include "cpu/cpu.h"
#include "lib/log.h"

const struct cpu_ops *const cpu_engines[] = {&cpu_kvm, &cpu_bt, NULL};

const struct cpu_ops *cpu_engine_choose(const char *name, struct error *err)
{
	bool any = !name || !strcmp(name, "auto");
	struct error why = {0};

	for (unsigned n = 0; cpu_engines[n]; n++) {
		const struct cpu_ops *ops = cpu_engines[n];

		if (!any && strcmp(name, ops->name))
			continue;
		if (!ops->usable(&why))
			return ops;
		if (!any) {
			fail(err, why.code, "the CPU engine %s does not work here: %s", ops->name, why.text);
			return NULL;
		}
		log_warning("not using the CPU engine %s: %s", ops->name, why.text);
	}
	if (any)
		fail(err, -ENODEV, "no CPU engine works here");
	else
		fail(err, -EINVAL, "there is no CPU engine called %s", name);
	return NULL;
}
