/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engines.c - vmk-vmx --engines: which CPU engine machines get on this host, and why not those preferred to it.
 * The VMkernel asks once at its start; it links no engine itself.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpu/cpu.h"
#include "vmx/vmx.h"

int vmx_print_engines(void)
{
	json_t *passed_over = json_array(), *answer = json_object();
	const struct cpu_ops *const *ops = cpu_engines;

	for (; *ops; ops++) {
		struct error err = {0};
		if ((*ops)->usable(&err) == 0)
			break;
		json_array_append_new(passed_over, json_sprintf("%s: %s", (*ops)->name, err.text));
	}
	if (*ops)
		json_object_set_new(answer, "engine", json_string((*ops)->name));
	json_object_set_new(answer, "passed_over", passed_over);
	char *text = json_dumps(answer, JSON_COMPACT);
	int ret = text && puts(text) >= 0 && fflush(stdout) == 0 ? 0 : 1;
	free(text);
	json_decref(answer);
	return ret;
}
