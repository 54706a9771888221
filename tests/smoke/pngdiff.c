// uses: -lpng
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pngdiff.c - pngdiff A.png B.png LIMIT: 0 when they have the same size and at most LIMIT pixels differ. */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char *load(const char *path, png_image *image)
{
	memset(image, 0, sizeof(*image));
	image->version = PNG_IMAGE_VERSION;
	if (!png_image_begin_read_from_file(image, path))
		return NULL;
	image->format = PNG_FORMAT_RGB;
	unsigned char *pixels = malloc(PNG_IMAGE_SIZE(*image));
	return png_image_finish_read(image, NULL, pixels, 0, NULL) ? pixels : NULL;
}

int main(int argc, char **argv)
{
	png_image a, b;
	if (argc != 4)
		return 2;
	unsigned char *pa = load(argv[1], &a), *pb = load(argv[2], &b);
	if (!pa || !pb) {
		fprintf(stderr, "pngdiff: cannot read a picture\n");
		return 2;
	}
	if (a.width != b.width || a.height != b.height) {
		printf("%ux%u and %ux%u\n", a.width, a.height, b.width, b.height);
		return 1;
	}
	long different = 0;
	for (size_t k = 0; k < (size_t)a.width * a.height; k++)
		different += memcmp(pa + 3 * k, pb + 3 * k, 3) != 0;
	printf("%ld pixels differ\n", different);
	free(pa);
	free(pb);
	return different > atol(argv[3]);
}
