// uses: lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* .vmx files: parse, check, write, parse again: the second text must equal the first. */
#include <stdlib.h>
#include <string.h>

#include "lib/config.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(void *arg, const char *key, const char *value)
{
	(void)value;
	*(size_t *)arg += strlen(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err;
	struct config *c, *again;
	size_t sum = 0, len, len_again;
	if (config_parse("fuzz.vmx", (const char *)data, size, &c, &err))
		return 0;
	config_each(c, touch, &sum);
	config_check(c, NULL, NULL, &err);
	config_set(c, "annotation", "|22\"\x01", &err);
	char *text = config_text(c, &len);
	BUG_ON(config_parse("again.vmx", text, len, &again, &err) && len <= CONFIG_MAX_BYTES);
	if (len <= CONFIG_MAX_BYTES) {
		char *text_again = config_text(again, &len_again);
		BUG_ON(len != len_again || memcmp(text, text_again, len));
		free(text_again);
		config_free(again);
	}
	free(text);
	config_free(c);
	return 0;
}
