/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay.c - main() of a fuzz target outside the fuzzer: runs every file of the corpus folders named, then seeded
 * mutations of them, so that `make test` replays what was once found and a little more. Prints the count.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX_BYTES (1 << 20)
#define MUTATIONS 200

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static size_t mutate(uint8_t *to, const uint8_t *from, size_t size)
{
	memcpy(to, from, size);
	for (unsigned k = 1 + next_random() % 8; k && size; k--) {
		size_t at = next_random() % size;
		switch (next_random() % 4) {
		case 0:
			to[at] ^= (uint8_t)(1u << next_random() % 8);
			break;
		case 1:
			to[at] = (uint8_t)next_random();
			break;
		case 2:
			size = at; /* cut off */
			break;
		case 3:
			memmove(to + at, to + at / 2, size - at);
			break;
		}
	}
	return size;
}

/* Each input gets a heap block of its exact size, so that ASan sees the first byte past its end. */
static void run_one(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);
	memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static unsigned replay_file(const char *path)
{
	static uint8_t data[INPUT_MAX_BYTES], changed[INPUT_MAX_BYTES];
	FILE *f = fopen(path, "rb");
	if (!f)
		return 0;
	size_t size = fread(data, 1, sizeof(data), f);
	fclose(f);
	run_one(data, size);
	for (int k = 0; k < MUTATIONS; k++)
		run_one(changed, mutate(changed, data, size));
	return 1 + MUTATIONS;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	for (int k = 1; k < argc; k++) {
		DIR *folder = opendir(argv[k]);
		struct dirent *entry;
		while (folder && (entry = readdir(folder))) {
			char path[1024];
			snprintf(path, sizeof(path), "%s/%s", argv[k], entry->d_name);
			if (entry->d_name[0] != '.')
				count += replay_file(path);
		}
		if (folder)
			closedir(folder);
	}
	printf("%u inputs\n", count);
	return count == 0; /* an empty corpus tests nothing */
}
