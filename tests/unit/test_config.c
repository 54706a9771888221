// uses: lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* .vmx files: syntax, keys.def, changes that keep the rest of the file. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config.h"
#include "lib/util.h"

static struct error err;

static struct config *parse(const char *text)
{
	struct config *c = NULL;
	err.text[0] = 0;
	config_parse("t.vmx", text, strlen(text), &c, &err);
	return c;
}

Test(config, reads_what_people_write)
{
	struct config *c = parse("#!/usr/bin/vmk\n"
				 ".encoding = \"UTF-8\"\r\n"
				 "  displayName=\"Susie's web\"   # her own\n"
				 "\n"
				 "MemSize = 64\n"
				 "annotation = \"say |22hi|22|0Aa|b | c\"");
	cr_assert(c, "%s", err.text);
	cr_assert_str_eq(config_get(c, "DISPLAYNAME"), "Susie's web");
	cr_assert_eq(config_number(c, "memsize"), 64);
	cr_assert_eq(config_line(c, "memsize"), 5);
	cr_assert_str_eq(config_get(c, "annotation"), "say \"hi\"\na|b | c");
	cr_assert_eq(config_number(c, "numvcpus"), 1);
	cr_assert_eq(config_bool(c, "ide0:0.present"), false);
	config_free(c);
}

Test(config, malformed_lines_name_file_and_line)
{
	static const char *const bad[] = {
		"a = \"b", "a = \"b\" c", "a b", "= \"x\"", "a = b c", "a = \"x\"\na = \"y\"", "a = b\"c\"",
	};
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
		cr_assert_null(parse(bad[k]), "%s", bad[k]);
		cr_assert(str_starts(err.text, k == 5 ? "t.vmx:2: " : "t.vmx:1: "), "%s", err.text);
	}
	struct config *c = NULL;
	cr_assert_eq(config_parse("t.vmx", "a\0b", 3, &c, &err), -EINVAL);
	char *big = xcalloc(1, CONFIG_MAX_BYTES + 1);
	memset(big, '#', CONFIG_MAX_BYTES + 1);
	cr_assert_eq(config_parse("t.vmx", big, CONFIG_MAX_BYTES + 1, &c, &err), -EFBIG);
	free(big);
}

Test(config, an_unknown_key_is_told_with_the_one_that_is_like_it)
{
	static const char *const keys[][2] = {
		{"memsze", "unknown key memsze; did you mean memsize?"},
		{"MEMSIZES", "unknown key MEMSIZES; did you mean memsize?"},
		{"ide1:0.presnt", "unknown key ide1:0.presnt; did you mean ide1:0.present?"},
		{"ethernet.present", "unknown key ethernet.present; did you mean ethernet0.present?"},
		{"ide2:0.present", "unknown key ide2:0.present: numbers are 0 to 1 there"},
		{"ethernet7.presnt", "unknown key ethernet7.presnt; did you mean ethernet0.present?"},
		{"sched.memory", "unknown key sched.memory"},
		{"x", "unknown key x"},
		{"", "unknown key "},
	};
	char text[240], *big = xcalloc(1, 500);
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		config_key_unknown(keys[k][0], text, sizeof(text));
		cr_assert_str_eq(text, keys[k][1]);
	}
	memset(big, '7', 499);
	config_key_unknown(big, text, sizeof(text));
	cr_assert(str_starts(text, "unknown key 777"));
	free(big);
}

static void count_warning(void *arg, const char *text)
{
	cr_assert_str_eq(text, "t.vmx:2: unknown key foo.bar");
	++*(int *)arg;
}

Test(config, unknown_keys_warn_and_bad_values_fail)
{
	int warnings = 0;
	struct config *c = parse("memsize = \"64\"\nfoo.bar = \"1\"\n");
	cr_assert_eq(config_check(c, count_warning, &warnings, &err), 0);
	cr_assert_eq(warnings, 1);
	config_free(c);

	c = parse("\nmemsize = \"3\"");
	cr_assert_eq(config_check(c, NULL, NULL, &err), -EINVAL);
	cr_assert_str_eq(err.text, "t.vmx:2: memsize = \"3\": must be a multiple of 4 from 4 to 65536");
	config_free(c);
	c = parse("ide0:1.deviceType = \"tape\"");
	cr_assert_eq(config_check(c, NULL, NULL, &err), -EINVAL);
	cr_assert_str_eq(err.text, "t.vmx:1: ide0:1.deviceType = \"tape\": must be one of "
				   "ata-hardDisk disk cdrom-image atapi-cdrom");
	config_free(c);
	c = parse("remotedisplay.vnc.keymap = \"de(nodeadkeys)\"");
	cr_assert_eq(config_check(c, NULL, NULL, &err), 0);
	config_free(c);
	c = parse("RemoteDisplay.vnc.keyMap = \"german\"");
	cr_assert_eq(config_check(c, NULL, NULL, &err), -EINVAL);
	cr_assert(str_starts(err.text, "t.vmx:1: RemoteDisplay.vnc.keyMap = \"german\": must be a keyboard layout") && strstr(err.text, " de "), "%s",
		  err.text);
	config_free(c);
}

Test(config, changes_keep_the_rest)
{
	struct config *c = parse("# first\nmemsize = 32 # why\n\nguestOS = \"linux\"\n");
	cr_assert_eq(config_set(c, "memsize", "64", &err), 0);
	cr_assert_eq(config_set(c, "annotation", "a \"b\"\n|41", &err), 0);
	cr_assert_eq(config_set(c, "guestos", NULL, &err), 0);
	cr_assert_eq(config_set(c, "memsize", config_get(c, "memsize"), &err), 0);
	cr_assert_eq(config_set(c, "memsize", "65", &err), -EINVAL);
	cr_assert_eq(config_set(c, "no.such", "65", &err), -EINVAL);
	size_t len;
	char *text = config_text(c, &len);
	cr_assert_str_eq(text, "# first\nmemsize = \"64\"\n\nannotation = \"a |22b|22|0A|7C41\"\n");
	config_free(c);
	c = parse(text);
	cr_assert_str_eq(config_get(c, "annotation"), "a \"b\"\n|41");
	free(text);
	config_free(c);
}

Test(config, keys_with_any_end)
{
	cr_expect_not_null(config_key_find("guestinfo.a.b-c_9"));
	cr_expect_not_null(config_key_find("GuestInfo.A"));
	cr_expect_null(config_key_find("guestinfo."));
	cr_expect_null(config_key_find("guestinfo.*"));
	cr_expect_null(config_key_find("guestinfo.a b"));
}

Test(config, every_default_is_allowed_by_its_own_row)
{
	size_t n;
	const struct config_key *keys = config_keys(&n);
	for (size_t k = 0; k < n; k++) {
		char key[64], line[256];
		str_copy(key, sizeof(key), keys[k].pattern);
		for (char *c = key; *c; c++)
			if (*c == '#')
				*c = '0';
			else if (*c == '*')
				*c = 'x';
		cr_assert_eq(config_key_find(key), &keys[k]);
		snprintf(line, sizeof(line), "%s = \"%s\"", key, keys[k].fallback);
		struct config *c = parse(line);
		cr_assert(c);
		cr_assert_eq(config_check(c, NULL, NULL, &err), 0, "%s", err.text);
		config_free(c);
	}
}
