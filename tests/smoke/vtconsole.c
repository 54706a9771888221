// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtconsole.c - a Linux virtual console from outside: what it shows, and keys typed at it.
 *
 *	vtconsole N text		its screen as UTF-8 lines without trailing blanks (/dev/vcsuN)
 *	vtconsole N attributes ROW	the attribute byte of each cell of a row, in hexadecimal (/dev/vcsaN)
 *	vtconsole N type TEXT		as if typed there; \e and \r, \xHH as in printf (TIOCSTI)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/types.h"

#define VCS_MAJOR 7
enum { MINOR_VCSU = 64, MINOR_VCSA = 128 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Where there is no udev the node is made for the moment. */
static int vcs_open(const char *kind, unsigned first_minor, unsigned n)
{
	char path[64];
	snprintf(path, sizeof(path), "/dev/%s%u", kind, n);
	int fd = open(path, O_RDONLY);
	if (fd < 0 && errno == ENOENT) {
		snprintf(path, sizeof(path), "/dev/.%s%u.%d", kind, n, (int)getpid());
		if (mknod(path, S_IFCHR | 0600, makedev(VCS_MAJOR, first_minor + n)) == 0) {
			fd = open(path, O_RDONLY);
			unlink(path);
		}
	}
	if (fd < 0)
		die(path);
	return fd;
}

static void size_read(unsigned n, unsigned *columns, unsigned *rows)
{
	u8 header[4];
	int fd = vcs_open("vcsa", MINOR_VCSA, n);
	if (read(fd, header, sizeof(header)) != sizeof(header))
		die("vcsa");
	close(fd);
	*rows = header[0];
	*columns = header[1];
}

static void put_utf8(u32 c)
{
	if (c < 0x80)
		putchar((int)c);
	else if (c < 0x800)
		printf("%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
	else
		printf("%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
}

static void text(unsigned n)
{
	unsigned columns, rows;
	size_read(n, &columns, &rows);
	u32 *cells = calloc((size_t)columns * rows, sizeof(*cells));
	int fd = vcs_open("vcsu", MINOR_VCSU, n);
	if (read(fd, cells, (size_t)columns * rows * sizeof(*cells)) < 0)
		die("vcsu");
	for (unsigned y = 0; y < rows; y++) {
		unsigned used = columns;
		while (used && cells[y * columns + used - 1] == ' ')
			used--;
		for (unsigned x = 0; x < used; x++)
			put_utf8(cells[y * columns + x]);
		putchar('\n');
	}
	free(cells);
}

static void attributes(unsigned n, unsigned row)
{
	unsigned columns, rows;
	size_read(n, &columns, &rows);
	u8 *cells = calloc((size_t)columns * rows * 2 + 4, 1);
	int fd = vcs_open("vcsa", MINOR_VCSA, n);
	if (row >= rows || read(fd, cells, (size_t)columns * rows * 2 + 4) < 0)
		die("vcsa");
	for (unsigned x = 0; x < columns; x++)
		printf("%02x", cells[4 + 2 * (row * columns + x) + 1]);
	putchar('\n');
	free(cells);
}

static void type(unsigned n, const char *keys)
{
	char path[64];
	snprintf(path, sizeof(path), "/dev/tty%u", n);
	int fd = open(path, O_RDWR | O_NOCTTY);
	if (fd < 0)
		die(path);
	for (const char *k = keys; *k; k++) {
		char c = *k;
		if (*k == '\\' && k[1] == 'e')
			c = 27, k++;
		else if (*k == '\\' && k[1] == 'r')
			c = '\r', k++;
		else if (*k == '\\' && k[1] == 'x' && k[2] && k[3])
			c = (char)strtol((char[]){k[2], k[3], 0}, NULL, 16), k += 3;
		if (ioctl(fd, TIOCSTI, &c) < 0)
			die("TIOCSTI");
	}
	close(fd);
}

int main(int argc, char **argv)
{
	unsigned n = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
	if (n && !strcmp(argv[2], "text"))
		text(n);
	else if (n && !strcmp(argv[2], "attributes") && argc == 4)
		attributes(n, (unsigned)atoi(argv[3]));
	else if (n && !strcmp(argv[2], "type") && argc == 4)
		type(n, argv[3]);
	else
		return fprintf(stderr, "usage: vtconsole N text | attributes ROW | type TEXT\n"), 2;
	return 0;
}
