// uses: lib -lvncclient
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.c - one VNC viewer that looks at the same guest through several servers by turns, and what that costs them.
 *
 *	console ROUNDS SECONDS ROWS NAME,HOST:PORT,MACHINE,FRONT...
 *
 * The guest is guest/console.S. MACHINE is the process that runs it; FRONT the one whose children serve viewers, or 0. The
 * viewer is libvncclient with the pixels TigerVNC asks for; it asks for the next change when it has drawn the last. It logs in
 * as VNC_USERNAME with VNC_PASSWORD if asked to, trusting the certificate VNC_CA, through TLS if offered. ROWS are "all", or
 * names such as "idle key-scroll motion-zrle".
 *
 * Frames are the guest's own that were seen complete: it draws their number. Bytes are those of the TCP connection. CPU is what
 * MACHINE uses above what it uses with no viewer, and all that FRONT's children use. A key's way to the screen ends when an
 * update with the changed pixels has been drawn. Of the rounds the median counts. The first server is compared with each other.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rfb/rfbclient.h>

#include "lib/error.h"
#include "lib/util.h"

#define SERVERS_MAX 6
#define ROUNDS_MAX 15
#define CHILDREN_MAX 16
#define WIDTH 1024
#define HEIGHT 768
#define PATIENCE_SECONDS 60 /* for what must happen at once on a quiet machine */
#define LATENCY_KEYS 40	    /* a round */
#define NOISE 0.05 /* medians that differ by less are the same */

enum scene { IDLE = 1, SCROLL, MOTION }; /* the keys that choose them */
static const char *const scene_names[] = {"", "idle", "scroll", "motion"};

struct encoding {
	const char *name, *list;
	int quality; /* of JPEG, -1: none */
};
/* Photo: what TigerVNC's viewer asks for when it chooses itself on a fast network. */
static const struct encoding encodings[] = {
	{"raw", "raw copyrect", -1}, {"hextile", "hextile copyrect raw", -1}, {"zrle", "zrle copyrect raw", -1},
	{"tight", "tight copyrect raw", -1}, {"photo", "tight copyrect raw", 8},
};
#define TIGHT (&encodings[3])

enum figure { FPS, CPU_MS, MACHINE_MS, WIRE_KIB, FIGURES };
struct cell {
	double value[FIGURES][ROUNDS_MAX];
	unsigned count;
};
struct server {
	char name[32], address[64];
	int port;
	pid_t machine, front;
	double alone; /* ms of CPU a second the machine used last in this scene with no viewer */
	double idle_percent[ROUNDS_MAX], idle_bytes[ROUNDS_MAX];
	unsigned idle_count;
	struct cell cells[MOTION + 1][ARRAY_SIZE(encodings)];
	double latency[MOTION + 1][ROUNDS_MAX * LATENCY_KEYS];
	unsigned latency_count[MOTION + 1];
};

/* What the viewer has seen. */
struct eye {
	unsigned number, frames, updates;
	bool block;
	double block_at;
};

static double now_ms(void)
{
	return (double)now_monotonic() / 1e6;
}

/* ---- the viewer ---- */

static bool white(const rfbClient *c, unsigned x)
{
	u32 pixel;

	memcpy(&pixel, c->frameBuffer + ((size_t)8 * (size_t)c->width + x) * 4, 4);
	return (pixel >> 8 & 0xff) > 127;
}

static void updated(rfbClient *c)
{
	struct eye *eye = rfbClientGetClientData(c, updated);
	unsigned number = 0;

	if (c->width != WIDTH || c->height != HEIGHT)
		return;
	for (unsigned bit = 0; bit < 16; bit++)
		number |= (unsigned)white(c, bit * 16 + 8) << bit;
	eye->updates++;
	if (number != eye->number)
		eye->frames++;
	eye->number = number;
	if (white(c, 520) != eye->block) {
		eye->block = !eye->block;
		eye->block_at = now_ms();
	}
}

static rfbCredential *credential(rfbClient *c, int type)
{
	rfbCredential *answer = calloc(1, sizeof(*answer));
	const char *user = getenv("VNC_USERNAME"), *password = getenv("VNC_PASSWORD"), *ca = getenv("VNC_CA");

	(void)c;
	if (type == rfbCredentialTypeUser) {
		answer->userCredential.username = strdup(user ? user : "");
		answer->userCredential.password = strdup(password ? password : "");
	} else {
		answer->x509Credential.x509CACertFile = ca ? strdup(ca) : NULL;
		answer->x509Credential.x509CrlVerifyMode = rfbX509CrlVerifyNone;
	}
	return answer;
}

static void library_log(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (getenv("VNC_VERBOSE"))
		vfprintf(stderr, format, args);
	va_end(args);
}

static rfbClient *look(const struct server *s, const struct encoding *e, struct eye *eye)
{
	rfbClient *c = rfbGetClient(8, 3, 4);

	rfbClientLog = rfbClientErr = library_log;
	*eye = (struct eye){0};
	rfbClientSetClientData(c, updated, eye);
	free(c->serverHost);
	c->serverHost = strdup(s->address);
	c->serverPort = s->port;
	c->format.redShift = 16;
	c->format.greenShift = 8;
	c->format.blueShift = 0;
	c->appData.encodingsString = e->list;
	c->appData.compressLevel = -1; /* as the server likes it */
	c->appData.enableJPEG = e->quality >= 0;
	c->appData.qualityLevel = e->quality;
	c->FinishedFrameBufferUpdate = updated;
	c->GetCredential = credential;
	if (!rfbInitClient(c, NULL, NULL))
		fatal("%s: no console at %s:%d", s->name, s->address, s->port);
	return c;
}

/* Receives until the time has come or, with `eye`, a frame. */
static void receive(rfbClient *c, double ms, const struct eye *eye)
{
	double end = now_ms() + ms, left;
	unsigned before = eye ? eye->frames : 0;

	while (!(eye && eye->frames != before) && (left = end - now_ms()) > 0) {
		struct pollfd p = {.fd = c->sock, .events = POLLIN};

		if (!c->buffered && poll(&p, 1, (int)left + 1) < 1)
			continue;
		if (!HandleRFBServerMessage(c))
			fatal("%s:%d closed the connection", c->serverHost, c->serverPort);
	}
}

/* Until the next frame has been seen: what is measured from one to another is of whole frames. */
static void receive_frame(rfbClient *c, const struct eye *eye)
{
	unsigned before = eye->frames;
	double end = now_ms() + PATIENCE_SECONDS * 1e3;

	while (eye->frames == before) {
		if (now_ms() > end)
			fatal("%s:%d: no more frames come", c->serverHost, c->serverPort);
		receive(c, 100, eye);
	}
}

static void press(rfbClient *c, unsigned keysym)
{
	SendKeyEvent(c, keysym, TRUE);
	SendKeyEvent(c, keysym, FALSE);
}

/* Chooses the scene, and waits until it is seen to have begun. */
static void choose(rfbClient *c, const struct eye *eye, enum scene scene)
{
	double end = now_ms() + PATIENCE_SECONDS * 1e3;

	while (c->width != WIDTH || c->height != HEIGHT) {
		if (now_ms() > end)
			fatal("%s:%d: the guest does not show its picture", c->serverHost, c->serverPort);
		receive(c, 50, NULL);
	}
	for (unsigned tries = 0; now_ms() < end; tries++) {
		unsigned before = eye->frames;

		press(c, '0' + (unsigned)scene);
		receive(c, 100, NULL); /* the last frame of the scene before */
		/* Frames may take their time, and one that has begun to come belongs to the scene before. */
		for (unsigned waited = 0; waited < 16000; waited += 200) {
			unsigned seen = eye->frames;

			receive(c, tries ? 400 : 200, NULL);
			if (scene == IDLE ? eye->frames == seen : eye->frames > before + 2)
				return;
		}
	}
	fatal("%s:%d: the guest does not choose scene %d", c->serverHost, c->serverPort, scene);
}

static u64 wire_bytes(const rfbClient *c)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(c->sock, IPPROTO_TCP, TCP_INFO, &info, &len))
		fatal("no TCP_INFO: %s", strerror(errno));
	return info.tcpi_bytes_received;
}

/* ---- CPU ---- */

static double cpu_ms(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		fatal("no CPU clock of process %d", (int)pid);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static unsigned children_of(pid_t parent, pid_t children[CHILDREN_MAX])
{
	DIR *folder = opendir("/proc");
	struct dirent *e;
	unsigned n = 0;

	while (parent && folder && (e = readdir(folder))) {
		char path[300], line[512], *at;
		int ppid = 0;
		FILE *in;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		if (e->d_name[0] < '0' || e->d_name[0] > '9' || !(in = fopen(path, "r")))
			continue;
		if (fgets(line, sizeof(line), in) && (at = strrchr(line, ')')) && sscanf(at + 1, " %*c %d", &ppid) == 1 &&
		    ppid == parent && n < CHILDREN_MAX)
			children[n++] = atoi(e->d_name);
		fclose(in);
	}
	if (folder)
		closedir(folder);
	return n;
}

struct stopwatch {
	pid_t machine, children[CHILDREN_MAX];
	unsigned n;
	double wall, machine_cpu, children_cpu;
};

static double children_ms(const struct stopwatch *w)
{
	double ms = 0;

	for (unsigned k = 0; k < w->n; k++)
		ms += cpu_ms(w->children[k]);
	return ms;
}

static void stopwatch_start(struct stopwatch *w, const struct server *s)
{
	w->machine = s->machine;
	w->n = children_of(s->front, w->children);
	w->wall = now_ms();
	w->machine_cpu = cpu_ms(s->machine);
	w->children_cpu = children_ms(w);
}

static void stopwatch_stop(struct stopwatch *w)
{
	w->wall = now_ms() - w->wall;
	w->machine_cpu = cpu_ms(w->machine) - w->machine_cpu;
	w->children_cpu = children_ms(w) - w->children_cpu;
}

/* ---- measuring ---- */

/* The machine with nobody looking. */
static void measure_alone(struct server *s, enum scene scene, double seconds)
{
	const struct timespec pause = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
	const struct timespec settle = {.tv_nsec = 500000000};
	struct stopwatch w;
	struct eye eye;
	rfbClient *c = look(s, TIGHT, &eye);

	choose(c, &eye, scene);
	rfbClientCleanup(c);
	nanosleep(&settle, NULL);
	stopwatch_start(&w, s);
	nanosleep(&pause, NULL);
	stopwatch_stop(&w);
	s->alone = w.machine_cpu / w.wall * 1e3;
	c = look(s, TIGHT, &eye);
	choose(c, &eye, IDLE);
	rfbClientCleanup(c);
}

static void measure_moving(struct server *s, enum scene scene, unsigned e, double seconds)
{
	struct cell *cell = &s->cells[scene][e];
	struct stopwatch w;
	struct eye eye;
	rfbClient *c = look(s, &encodings[e], &eye);
	double frames;
	u64 bytes;

	choose(c, &eye, scene);
	receive(c, 300, NULL);
	receive_frame(c, &eye);
	eye.frames = 0;
	bytes = wire_bytes(c);
	stopwatch_start(&w, s);
	receive(c, seconds * 1e3, NULL);
	receive_frame(c, &eye);
	stopwatch_stop(&w);
	bytes = wire_bytes(c) - bytes;
	frames = eye.frames;
	cell->value[FPS][cell->count] = eye.frames / (w.wall / 1e3);
	cell->value[MACHINE_MS][cell->count] = MAX(w.machine_cpu - s->alone * w.wall / 1e3, 0) / frames;
	cell->value[CPU_MS][cell->count] = cell->value[MACHINE_MS][cell->count] + w.children_cpu / frames;
	cell->value[WIRE_KIB][cell->count] = (double)bytes / 1024 / frames;
	cell->count++;
	choose(c, &eye, IDLE);
	rfbClientCleanup(c);
}

static void measure_idle(struct server *s, double seconds)
{
	struct stopwatch w;
	struct eye eye;
	rfbClient *c;
	u64 bytes;

	measure_alone(s, IDLE, seconds);
	c = look(s, TIGHT, &eye);
	choose(c, &eye, IDLE);
	receive(c, 1500, NULL);
	bytes = wire_bytes(c);
	stopwatch_start(&w, s);
	receive(c, seconds * 1e3, NULL);
	stopwatch_stop(&w);
	s->idle_bytes[s->idle_count] = (double)(wire_bytes(c) - bytes) / (w.wall / 1e3);
	s->idle_percent[s->idle_count++] = MAX(w.machine_cpu - s->alone * w.wall / 1e3 + w.children_cpu, 0) / w.wall * 100;
	rfbClientCleanup(c);
}

/* Keys at the intervals of somebody who types fast; each one's way to the screen. */
static void measure_latency(struct server *s, enum scene scene)
{
	struct eye eye;
	rfbClient *c = look(s, TIGHT, &eye);

	choose(c, &eye, scene);
	for (unsigned k = 0; k < LATENCY_KEYS; k++) {
		double sent;

		receive(c, 60 + (unsigned)rand() % 200, NULL);
		eye.block_at = 0;
		sent = now_ms();
		SendKeyEvent(c, 'x', TRUE);
		while (!eye.block_at && now_ms() < sent + PATIENCE_SECONDS * 1e3) {
			struct pollfd p = {.fd = c->sock, .events = POLLIN};

			if ((c->buffered || poll(&p, 1, 100) == 1) && !HandleRFBServerMessage(c))
				fatal("%s closed the connection", s->name);
		}
		SendKeyEvent(c, 'x', FALSE);
		if (!eye.block_at)
			fatal("%s: a key had no effect on the screen for %d seconds", s->name, PATIENCE_SECONDS);
		s->latency[scene][s->latency_count[scene]++] = eye.block_at - sent;
	}
	choose(c, &eye, IDLE);
	rfbClientCleanup(c);
}

/* ---- the report ---- */

static void row_name(char name[32], const char *what, const char *of)
{
	snprintf(name, 32, "%s-%s", what, of);
}

static bool wanted(const char *rows, const char *name)
{
	return !strcmp(rows, "all") || strstr(rows, name);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *values, unsigned count, double which)
{
	if (!count)
		return 0;
	qsort(values, count, sizeof(*values), by_size);
	return values[MIN((unsigned)(which * count), count - 1)];
}

/* One figure of all servers: for people, or for programs. The first server's is set against each other's. */
struct line {
	char row[32];
	const char *figure;
	bool more_is_better;
	double resolution; /* less than this is nothing */
	double values[SERVERS_MAX];
};

static void report_line(const struct server *servers, unsigned n, const struct line *l, bool for_programs)
{
	if (for_programs) {
		printf("bench-console row=%s figure=%s", l->row, l->figure);
		for (unsigned k = 0; k < n; k++)
			printf(" %s=%.2f", servers[k].name, l->values[k]);
		printf("\n");
		return;
	}
	printf("%-15s %-12s", l->row, l->figure);
	for (unsigned k = 0; k < n; k++)
		printf(" %10.2f", l->values[k]);
	for (unsigned k = 1; k < n; k++) {
		double ratio = l->values[k] > 0 ? l->values[0] / l->values[k] : 0;
		double worse_by = l->more_is_better ? l->values[k] - l->values[0] : l->values[0] - l->values[k];
		bool worse = worse_by > NOISE * l->values[k] + l->resolution;

		printf(ratio > 0 ? " %9.2f" : "         -", ratio);
		printf("%s", worse ? " worse" : "      ");
	}
	printf("\n");
}

static void report_moving(struct server *servers, unsigned n, enum scene scene, unsigned e, bool for_programs)
{
	static const struct line figures[FIGURES] = {[FPS] = {.figure = "frames/s", .more_is_better = true},
						     [CPU_MS] = {.figure = "CPU-ms/frame"},
						     [MACHINE_MS] = {.figure = "of-machine"},
						     [WIRE_KIB] = {.figure = "KiB/frame"}};

	for (unsigned f = 0; f < FIGURES; f++) {
		struct line l = figures[f];

		if (!servers->cells[scene][e].count)
			continue;
		row_name(l.row, scene_names[scene], encodings[e].name);
		for (unsigned k = 0; k < n; k++) {
			struct cell *cell = &servers[k].cells[scene][e];
			l.values[k] = quantile(cell->value[f], cell->count, 0.5);
		}
		report_line(servers, n, &l, for_programs);
	}
}

static void report_latency(struct server *servers, unsigned n, enum scene scene, double which, const char *figure, bool for_programs)
{
	struct line l = {.figure = figure};

	if (!servers->latency_count[scene])
		return;
	row_name(l.row, "key", scene_names[scene]);
	for (unsigned k = 0; k < n; k++)
		l.values[k] = quantile(servers[k].latency[scene], servers[k].latency_count[scene], which);
	report_line(servers, n, &l, for_programs);
}

static void report_idle(struct server *servers, unsigned n, bool for_programs)
{
	struct line cpu = {.row = "idle", .figure = "CPU-%", .resolution = 0.05}, bytes = {.row = "idle", .figure = "bytes/s"};

	if (!servers->idle_count)
		return;
	for (unsigned k = 0; k < n; k++) {
		cpu.values[k] = quantile(servers[k].idle_percent, servers[k].idle_count, 0.5);
		bytes.values[k] = quantile(servers[k].idle_bytes, servers[k].idle_count, 0.5);
	}
	report_line(servers, n, &cpu, for_programs);
	report_line(servers, n, &bytes, for_programs);
}

static void report_all(struct server *servers, unsigned n, bool for_programs)
{
	report_idle(servers, n, for_programs);
	for (enum scene scene = SCROLL; scene <= MOTION; scene++)
		for (unsigned e = 0; e < ARRAY_SIZE(encodings); e++)
			report_moving(servers, n, scene, e, for_programs);
	for (enum scene scene = IDLE; scene <= SCROLL; scene++) {
		report_latency(servers, n, scene, 0.5, "ms-median", for_programs);
		report_latency(servers, n, scene, 0.95, "ms-95%", for_programs);
	}
}

static void report(struct server *servers, unsigned n, unsigned rounds)
{
	char load[64] = "?";
	FILE *in = fopen("/proc/loadavg", "r");

	if (in && fgets(load, sizeof(load), in))
		load[strcspn(load, "\n")] = 0;
	if (in)
		fclose(in);
	printf("%-28s", "");
	for (unsigned k = 0; k < n; k++)
		printf(" %10s", servers[k].name);
	for (unsigned k = 1; k < n; k++)
		printf(" /%-14s", servers[k].name);
	printf("\n");
	report_all(servers, n, false);
	printf("The guest draws 30 frames a second of 1024x768. Medians of %u by turns. Load of this host: %s\n\n", rounds, load);
	report_all(servers, n, true);
}

static void server_parse(struct server *s, const char *text)
{
	int machine, front;

	if (sscanf(text, "%31[^,],%63[^:]:%d,%d,%d", s->name, s->address, &s->port, &machine, &front) != 5)
		fatal("'%s' is not NAME,HOST:PORT,MACHINE,FRONT", text);
	s->machine = machine;
	s->front = front;
}

/* Each server in turn, so that what else the host does falls on all of them. */
static void measure_scene(struct server *servers, unsigned n, enum scene scene, const char *rows, double seconds)
{
	char name[32];
	bool alone = false;

	for (unsigned e = 0; e < ARRAY_SIZE(encodings); e++) {
		row_name(name, scene_names[scene], encodings[e].name);
		if (!wanted(rows, name))
			continue;
		for (unsigned k = 0; k < n && !alone; k++)
			measure_alone(&servers[k], scene, seconds);
		alone = true;
		for (unsigned k = 0; k < n; k++)
			measure_moving(&servers[k], scene, e, seconds);
	}
}

static void measure_round(struct server *servers, unsigned n, const char *rows, double seconds)
{
	char name[32];

	for (unsigned k = 0; k < n && wanted(rows, "idle"); k++)
		measure_idle(&servers[k], seconds);
	for (enum scene scene = SCROLL; scene <= MOTION; scene++)
		measure_scene(servers, n, scene, rows, seconds);
	for (enum scene scene = IDLE; scene <= SCROLL; scene++) {
		row_name(name, "key", scene_names[scene]);
		for (unsigned k = 0; k < n && wanted(rows, name); k++)
			measure_latency(&servers[k], scene);
	}
}

int main(int argc, char **argv)
{
	static struct server servers[SERVERS_MAX];
	unsigned n = argc > 4 ? (unsigned)argc - 4 : 0, rounds;
	double seconds;

	if (!n || n > SERVERS_MAX)
		fatal("usage: console ROUNDS SECONDS ROWS NAME,HOST:PORT,MACHINE,FRONT...");
	rounds = (unsigned)MIN(strtoul(argv[1], NULL, 10), (unsigned long)ROUNDS_MAX);
	seconds = strtod(argv[2], NULL);
	for (unsigned k = 0; k < n; k++)
		server_parse(&servers[k], argv[4 + k]);
	for (unsigned round = 0; round < rounds; round++)
		measure_round(servers, n, argv[3], seconds);
	report(servers, n, rounds);
	return 0;
}
