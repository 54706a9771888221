// uses: -lpng -lz
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pngsum.c - pngsum A.png: size and CRC-32 of the pixels, whatever the file's compression: "720x400 0badcafe". */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int main(int argc, char **argv)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	unsigned char *pixels;

	if (argc != 2 || !png_image_begin_read_from_file(&image, argv[1]))
		return 1;
	image.format = PNG_FORMAT_RGB;
	pixels = malloc(PNG_IMAGE_SIZE(image));
	if (!pixels || !png_image_finish_read(&image, NULL, pixels, 0, NULL))
		return 1;
	printf("%ux%u %08lx\n", image.width, image.height, crc32(0, pixels, PNG_IMAGE_SIZE(image)));
	free(pixels);
	return 0;
}
