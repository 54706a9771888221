/* SPDX-License-Identifier: GPL-2.0-or-later */
/* power.c - see power.h; handlers of host.plan */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "vmkernel/control.h"
#include "vmkernel/methods.h"
#include "vmkernel/power.h"
#include "vmkernel/text.h"

static bool usable(const struct vm *vm)
{
	return vm->config && !vm->problem[0];
}

enum autostop power_plan(const struct vm *vm)
{
	if (!vm_running(vm))
		return AUTOSTOP_NOTHING;
	if (!vm->control || vm->state == VM_STUCK)
		return AUTOSTOP_PLUG;
	const char *how = usable(vm) ? config_string(vm->config, "autostop") : "softpoweroff";
	return str_ieq(how, "suspend") ? AUTOSTOP_SUSPEND : str_ieq(how, "poweroff") ? AUTOSTOP_PLUG : AUTOSTOP_SOFT;
}

unsigned power_timeout(const struct vm *vm)
{
	return (unsigned)(usable(vm) ? config_number(vm->config, "autostop.timeout") : 60);
}

static json_t *plan_sentence(const struct vm *vm)
{
	unsigned seconds = power_timeout(vm);
	switch (power_plan(vm)) {
	case AUTOSTOP_SOFT:
		return json_sprintf("the guest is asked to shut down; after %u s its plug is pulled", seconds);
	case AUTOSTOP_SUSPEND:
		return json_sprintf("is suspended; if that fails or takes more than %u s, its plug is pulled", seconds);
	case AUTOSTOP_PLUG:
		return json_string(vm->state == VM_STUCK || !vm->control ? "its process does not answer and is ended" : "its plug is pulled");
	default:
		return json_string(vm->state == VM_SUSPENDED ? "stays suspended" : "stays off");
	}
}

json_t *power_plan_rows(const struct caller *c)
{
	json_t *rows = json_array();
	for (struct vm *vm = host.vms; vm; vm = vm->next)
		if (vm_rights(c, vm) & RIGHT_R)
			json_array_append_new(rows, json_pack("{s:o, s:s, s:o}", "vm", text_json(vm->name), "state",
							      vm_state_name(vm), "action", plan_sentence(vm)));
	return rows;
}

int handle_host_plan(struct request *r, json_t **result, struct error *err)
{
	(void)err;
	*result = power_plan_rows(&r->caller);
	return 0;
}
