/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rpctool.c - for a Linux guest: asks the machine one thing, by the messages of the backdoor's command 1Eh, and prints the answer.
 *
 *	rpctool WORDS...	the words are one message; 0 when the answer is "1 ...", 1 when it is "0 ..."
 *	rpctool -tools SECONDS	comes for something to do twice a second, as the tools do, and says what it was given
 *	rpctool -hog		opens channels until it gets no more, leaves them, and prints how many there were
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPEN, SEND_SIZE, SEND_PAYLOAD, RECEIVE_SIZE, RECEIVE_PAYLOAD, RECEIVE_STATUS, CLOSE };
#define RPCI 0x49435052u
#define TCLO 0x4f4c4354u
#define COOKIE 0x80000000u

static struct channel {
	uint32_t number, cookie[2];
} channel;

/* The upper half of ECX: bit 0 done, bit 1 there is something to fetch. */
static unsigned call(unsigned step, uint32_t *value)
{
	uint32_t a = 0x564d5868, b = *value, c = step << 16 | 0x1e, d = channel.number << 16 | 0x5658;
	uint32_t s = channel.cookie[0], t = channel.cookie[1];

	__asm__ volatile("inl %%dx, %%eax" : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(s), "+D"(t) : : "memory");
	*value = b;
	if (step == OPEN)
		channel = (struct channel){d >> 16, {s, t}};
	return c >> 16;
}

static void must(unsigned step, uint32_t value)
{
	if (call(step, &value) & 1)
		return;
	fprintf(stderr, "step %u was refused\n", step);
	exit(3);
}

static void send(const char *text)
{
	size_t len = strlen(text);

	must(SEND_SIZE, (uint32_t)len);
	for (size_t at = 0; at < len; at += 4) {
		uint32_t word = 0;
		memcpy(&word, text + at, len - at < 4 ? len - at : 4);
		must(SEND_PAYLOAD, word);
	}
}

/* NULL: there is nothing. */
static char *receive(void)
{
	uint32_t len = 0, word = 0;
	unsigned status = call(RECEIVE_SIZE, &len);

	if (!(status & 1))
		exit(3);
	if (!(status & 2))
		return NULL;
	char *text = calloc(1, len + 4ul);
	for (size_t at = 0; at < len; at += 4) {
		word = 1;
		if (!(call(RECEIVE_PAYLOAD, &word) & 1))
			exit(3);
		memcpy(text + at, &word, 4);
	}
	text[len] = 0;
	must(RECEIVE_STATUS, 1);
	return text;
}

static void tools(int seconds)
{
	const char *result = "";

	must(OPEN, TCLO | COOKIE);
	for (int i = 0; i < 2 * seconds; i++) {
		send(result);
		char *task = receive();
		result = !task ? "" : strcmp(task, "reset") ? "OK " : "OK ATR toolbox";
		if (task) {
			printf("%s\n", task);
			fflush(stdout);
		}
		free(task);
		usleep(500000);
	}
	must(CLOSE, 0);
}

int main(int argc, char **argv)
{
	static char text[60000];

	if (argc > 1 && !strcmp(argv[1], "-hog")) {
		uint32_t value = RPCI | COOKIE, n = 0;
		while (call(OPEN, &value) & 1) {
			n++;
			value = RPCI | COOKIE;
		}
		printf("%u\n", n);
		return 0;
	}
	if (argc > 2 && !strcmp(argv[1], "-tools")) {
		tools(atoi(argv[2]));
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		strcat(text, i > 1 ? " " : "");
		strncat(text, argv[i], sizeof(text) - strlen(text) - 2);
	}
	must(OPEN, RPCI | COOKIE);
	send(text);
	char *answer = receive();
	must(CLOSE, 0);
	if (!answer || strlen(answer) < 2)
		return 3;
	puts(answer + 2);
	return *answer != '1';
}
