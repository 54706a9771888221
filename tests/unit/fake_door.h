/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake_door.h - for tests of front ends: a door with one machine, "demo", whose screen is a page made here and whose
 * keyboard and serial line are written down. Served by threads of the test.
 */
#ifndef VMK_TESTS_FAKE_DOOR_H
#define VMK_TESTS_FAKE_DOOR_H

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "api/screen.h"
#include "lib/sock.h"
#include "pty.h"

static struct screen_page *page;
static int page_fd;
static pthread_mutex_t heard_lock = PTHREAD_MUTEX_INITIALIZER;
static char keys_heard[4096];	/* "+1d+2e-2e-1d" */
static char serial_heard[4096];
static char calls_heard[4096];
static volatile int machine_fd = -1; /* the newest viewer's */

static void heard(char *log, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void heard(char *log, const char *fmt, ...)
{
	va_list args;
	pthread_mutex_lock(&heard_lock);
	size_t len = strlen(log);
	va_start(args, fmt);
	vsnprintf(log + len, 4096 - len, fmt, args);
	va_end(args);
	pthread_mutex_unlock(&heard_lock);
}

/* Waits until a log holds `text`, then empties it. */
static inline void heard_wait(char *log, const char *text)
{
	u64 deadline = now_monotonic() + PTY_SECONDS * NSEC_PER_SEC;
	for (bool found = false; !found; usleep(5000)) {
		pthread_mutex_lock(&heard_lock);
		found = strstr(log, text);
		if (found)
			log[0] = 0;
		pthread_mutex_unlock(&heard_lock);
		cr_assert(now_monotonic() < deadline, "heard \"%s\", not \"%s\"", log, text);
	}
}

static void machine_say(int fd, u16 type, const char *text)
{
	struct screen_message m = {.type = type, .length = (u16)strlen(text)};
	memcpy(m.bytes, text, m.length);
	sock_send(fd, &m, offsetof(struct screen_message, bytes) + m.length, NULL, 0);
}

/* The machine's side of one viewer. */
static void *machine_serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct screen_message m;
	while (recv(fd, &m, sizeof(m), 0) > 0) {
		if (m.type == SCREEN_KEY)
			heard(keys_heard, "%c%02x", m.key.down ? '+' : '-', m.key.code);
		else if (m.type == SCREEN_SERIAL_IN)
			heard(serial_heard, "%.*s", m.length, (const char *)m.bytes);
		else if (m.type == SCREEN_SERIAL_ON)
			machine_say(fd, SCREEN_SERIAL, "login: ");
		else if (m.type == SCREEN_REFRESH)
			machine_say(fd, SCREEN_CHANGED, "");
	}
	machine_fd = -1;
	close(fd);
	return NULL;
}

static void thread_make(void *(*fn)(void *), int fd)
{
	pthread_t thread;
	cr_assert_eq(pthread_create(&thread, NULL, fn, (void *)(intptr_t)fd), 0);
	pthread_detach(thread);
}

static int viewer_make(void)
{
	int pair[2];
	struct screen_message hello = {.type = SCREEN_HELLO};
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	sock_send(pair[0], &hello, offsetof(struct screen_message, bytes), &page_fd, 1);
	machine_fd = pair[0];
	thread_make(machine_serve, pair[0]);
	return pair[1];
}

/* What a test's own host answers first; NULL: what all of them do. May write to `client` before that. */
static json_t *(*door_extra)(int client, json_t *request);
/* A test's own way with a request: true when it has dealt with it on the connection, which it may have closed for writing. */
static bool (*door_hook)(int client, json_t *request);

static json_t *door_answer(const char *method, int *fd)
{
	if (!strcmp(method, "session.whoami"))
		return json_pack("{s:s, s:i, s:b}", "user", "tester", "uid", 1, "admin", 1);
	if (!strcmp(method, "host.show"))
		return json_pack("{s:s, s:s, s:s, s:s, s:f, s:i, s:s, s:i, s:i, s:s, s:i, s:i, s:s}", "name", "fakehost", "version", "0.1",
				 "uptime", "01:02:03", "cpu", "25.0 %", "cpu_percent", 25.0, "cpus", 2, "memory", "512 of 1024 MB used",
				 "memory_total_mb", 1024, "memory_used_mb", 512, "engine", "bt", "machines_on", 1, "machines_total", 2,
				 "certificate", "SHA-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF");
	if (!strcmp(method, "vm.list"))
		return json_pack("[{s:i,s:s,s:s,s:s,s:f,s:s,s:i,s:s,s:i,s:s},{s:n,s:s,s:s,s:s,s:n,s:s,s:i,s:n}]", "world", 101, "name", "demo", "owner",
				 "susie", "state", "on", "cpu", 12.5, "memory", "64 MB", "memory_mb", 64, "console", "127.0.0.1:5900",
				 "viewers", 1, "keymap", "de", "world",
				 "name", "m\xc3\xbcller", "owner", "root", "state", "off", "cpu", "memory", "4 MB", "memory_mb", 4, "console");
	if (!strcmp(method, "console.list"))
		return json_pack("[{s:s,s:i,s:s,s:s,s:s,s:b,s:b},{s:s,s:i,s:s,s:s,s:s,s:b,s:b}]", "vm", "demo", "id", 1, "user", "peter", "address", "192.0.2.9",
				 "since", "2026-11-22 14:30:00", "view_only", 1, "waits", 0, "vm", "demo", "id", 2, "user", "mary", "address", "", "since",
				 "2026-11-22 14:31:00", "view_only", 0, "waits", 1);
	if (!strcmp(method, "log.show"))
		return json_pack("[{s:i,s:s,s:s,s:s}]", "seq", 1, "time", "2026-11-22T14:28:32.249Z", "level", "info", "text",
				 "demo is powered on");
	if (!strcmp(method, "vm.attach"))
		*fd = viewer_make();
	return json_pack("{s:s}", "message", "done");
}

static void *door_serve(void *arg)
{
	int client = (int)(intptr_t)arg;
	char line[4096];
	size_t len = 0;
	while (len < sizeof(line) && read(client, line + len, 1) == 1) {
		if (line[len++] != '\n')
			continue;
		json_t *request = json_loadb(line, len, 0, NULL);
		const char *method = json_string_value(json_object_get(request, "method"));
		int fd = -1;
		if (door_hook && door_hook(client, request)) {
			json_decref(request);
			len = 0;
			continue;
		}
		json_t *extra = door_extra ? door_extra(client, request) : NULL;
		json_t *answer = json_pack("{s:O, s:o}", "id", json_object_get(request, "id"), "result", extra ? extra : door_answer(method, &fd));
		char *text = json_dumps(answer, JSON_COMPACT), *out = xasprintf("%s\n", text);
		if (str_starts(method, "vm.") && strcmp(method, "vm.list"))
			heard(calls_heard, "%s ", method);
		sock_send(client, out, strlen(out), &fd, fd >= 0);
		if (fd >= 0)
			close(fd);
		free(out);
		free(text);
		json_decref(answer);
		json_decref(request);
		len = 0;
	}
	close(client);
	return NULL;
}

static void *door_accept(void *arg)
{
	int fd, listener = (int)(intptr_t)arg;
	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		thread_make(door_serve, fd);
	return NULL;
}

static inline void page_text(unsigned row, unsigned column, const char *text, u8 attribute)
{
	for (; *text; text++, column++)
		page->cells[row * page->columns + column] = (struct screen_cell){(u8)*text, attribute};
}

static inline void fake_door_open(void)
{
	struct error err;
	root_make();
	page_fd = memfd_create("page", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	cr_assert_eq(ftruncate(page_fd, SCREEN_BYTES), 0);
	page = mmap(NULL, SCREEN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
	cr_assert_neq(page, MAP_FAILED);
	cr_assert_eq(fcntl(page_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	page->magic = SCREEN_MAGIC;
	page->mode = SCREEN_TEXT;
	page->columns = 80;
	page->rows = 25;
	page->width = 720;
	page->height = 400;
	page->stride = 720 * 4;
	for (int k = 0; k < 80 * 25; k++)
		page->cells[k] = (struct screen_cell){' ', 7};
	page_text(0, 0, "grub> ", 7);
	page_text(1, 2, "\xc9\xcd\xbb", 0x1e);
	page->cursor_x = 6;
	char *folder = root_path("run/vmk"), *path = root_path("run/vmk/door.sock");
	cr_assert_eq(make_dirs(folder, 0755, &err), 0);
	int listener = sock_listen(path, SOCK_STREAM, 0666, &err);
	cr_assert_geq(listener, 0, "%s", err.text);
	thread_make(door_accept, listener);
	free(folder);
	free(path);
}

#endif
