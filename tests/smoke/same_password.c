// uses: -lcrypt
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* same_password.c - same_password PASSWORD HASH: whether the hash of a shadow file is that password's */
#include <crypt.h>
#include <string.h>

int main(int argc, char **argv)
{
	const char *hash = argc == 3 ? crypt(argv[1], argv[2]) : NULL;
	return !hash || strcmp(hash, argv[2]) != 0;
}
