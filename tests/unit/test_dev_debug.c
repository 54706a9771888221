// uses: dev disk lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Debug ports. */
#include "platform.h"

TestSuite(debug, .init = plain_machine, .fini = end);

static char logged[200];

static void log_seen(void *arg, enum log_level level, const char *line)
{
	(void)arg, (void)level;
	str_copy(logged, sizeof(logged), line);
}

Test(debug, text_post_and_exit)
{
	log_threshold(LOG_LEVEL_INFO);
	log_tap(log_seen, NULL);
	cr_assert_eq(in8(0x402), 0xe9);
	for (const char *c = "SeaBIOS\n"; *c; c++)
		out8(0x402, (u8)*c);
	cr_assert(strstr(logged, "SeaBIOS"), "%s", logged);
	log_tap(NULL, NULL);
	out8(0x80, 0x42);
	cr_assert_eq(in8(0x80), 0x42);
	fake_out(m, 0xf4, 4, 3);
	cr_assert_eq(m->requests, BIT(REQUEST_EXIT));
	cr_assert_eq(m->request_status, 7);
}

Test(debug, absent_unless_asked_for)
{
	fake_free(m);
	machine_of("");
	cr_assert_eq(in8(0x402), 0xff);
	fake_out(m, 0xf4, 1, 3);
	cr_assert_eq(m->requests, 0);
	cr_assert_eq(in8(0x3f8), 0xff);
}
