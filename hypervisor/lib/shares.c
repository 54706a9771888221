/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shares.c - see shares.h */
#include "lib/shares.h"
#include "lib/util.h"

bool shares_parse(const char *text, u64 *shares)
{
	static const struct {
		const char *word;
		u64 shares;
	} words[] = {{"low", 500}, {"normal", SHARES_NORMAL}, {"high", SHARES_HIGH}};
	for (unsigned k = 0; k < ARRAY_SIZE(words); k++)
		if (str_ieq(text, words[k].word)) {
			*shares = words[k].shares;
			return true;
		}
	return parse_u64(text, 1, 100000, shares);
}
