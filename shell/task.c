// SPDX-License-Identifier: GPL-2.0-or-later
/* task.c - see shell.h: calls that take their time */
#include "shell/shell.h"

int task_call(struct shell *sh, const struct api_method *row, json_t *params, json_t **result, struct error *err)
{
	return shell_call(sh, row->name, params, result, NULL, err);
}
