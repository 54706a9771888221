// SPDX-License-Identifier: GPL-2.0-or-later
/* rows.c - see rows.h */
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "tui/rows.h"

unsigned rows_count(json_t *answer)
{
	return json_is_array(answer) ? (unsigned)json_array_size(answer) : json_is_object(answer) ? 1 : 0;
}

json_t *rows_at(json_t *answer, unsigned index)
{
	json_t *row = json_is_array(answer) ? json_array_get(answer, index) : index == 0 ? answer : NULL;
	return json_is_object(row) ? row : NULL;
}

static void value_text(json_t *value, char *text, size_t size)
{
	text[0] = 0;
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		str_copy(text, size, json_string_value(value));
		break;
	case JSON_INTEGER:
		snprintf(text, size, "%lld", (long long)json_integer_value(value));
		break;
	case JSON_REAL:
		snprintf(text, size, "%.1f", json_real_value(value));
		break;
	case JSON_TRUE:
		str_copy(text, size, "yes");
		break;
	case JSON_FALSE:
		str_copy(text, size, "no");
		break;
	default:
		break;
	}
}

const char *row_text(json_t *row, const char *field, char *text, size_t size)
{
	json_t *value = json_object_get(row, field), *element;
	size_t k, used = 0;
	value_text(value, text, size);
	if (!json_is_array(value))
		return text;
	json_array_foreach(value, k, element) {
		if (used && used + 2 < size)
			used += (size_t)snprintf(text + used, size - used, ", ");
		value_text(element, text + used, size - used);
		used += strlen(text + used);
	}
	return text;
}

double row_number(json_t *row, const char *field, double missing)
{
	json_t *value = json_object_get(row, field);
	return json_is_number(value) ? json_number_value(value) : missing;
}

u64 row_count(json_t *row, const char *field, u64 missing)
{
	double value = row_number(row, field, -1);
	return value >= 0 && value <= 9007199254740992.0 ? (u64)value : missing;
}

bool row_true(json_t *row, const char *field)
{
	return json_is_true(json_object_get(row, field));
}

json_t *row_array(json_t *row, const char *field)
{
	json_t *value = json_object_get(row, field);
	return json_is_array(value) ? value : NULL;
}
