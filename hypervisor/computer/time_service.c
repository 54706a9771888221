/* SPDX-License-Identifier: GPL-2.0-or-later */
/* time_service.c - see time_service.h */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "computer/program.h"
#include "computer/time_service.h"
#include "lib/util.h"

#define LATE_NS (3600 * NSEC_PER_SEC)
#define LOOK_NS (60 * NSEC_PER_SEC)
#define PROGRAM_SECONDS 30
#define CONF_MAX_BYTES (256 * 1024)
#define START_MS 10000 /* until a service that was started is to run */

/* As Debian has them. First those that do more: where several are installed and none is in use. */
static const struct time_service services[] = {
	{.name = "chrony", .program = "chronyd", .unit = "chrony.service", .script = "chrony", .pid_file = "/run/chrony/chronyd.pid",
	 .comm = "chronyd", .conf = "chrony/chrony.conf", .more = {"chrony/sources.d/*.sources", "chrony/conf.d/*.conf"},
	 .server = "server", .pool = "pool", .options = " iburst", .tells = "rtcsync"},
	{.name = "ntpsec", .program = "ntpd", .unit = "ntpsec.service", .script = "ntpsec", .pid_file = "/run/ntpd.pid", .comm = "ntpd",
	 .conf = "ntpsec/ntp.conf", .server = "server", .pool = "pool", .options = " iburst"},
	{.name = "ntp", .program = "ntpd", .unit = "ntp.service", .script = "ntp", .pid_file = "/run/ntpd.pid", .comm = "ntpd", .conf = "ntp.conf",
	 .server = "server", .pool = "pool", .options = " iburst"},
	{.name = "openntpd", .program = "ntpd", .unit = "openntpd.service", .script = "openntpd", .socket = "/var/lib/openntpd/run/ntpd.sock",
	 .conf = "openntpd/ntpd.conf", .server = "server", .pool = "servers", .options = ""},
	{.name = "systemd-timesyncd", .program = "/lib/systemd/systemd-timesyncd", .unit = "systemd-timesyncd.service",
	 .conf = "systemd/timesyncd.conf", .more = {"systemd/timesyncd.conf.d/*.conf"}},
};

/* ---- which there is ---- */

static bool there(const char *root, const char *folder, const char *name)
{
	struct stat st;
	char *path = xasprintf("%s%s%s", root, folder, name);
	/* Not whether a link leads anywhere: systemd's tell something by their text alone. */
	bool yes = lstat(path, &st) == 0;
	free(path);
	return yes;
}

static bool matches(const char *root, const char *pattern, const char *name)
{
	glob_t found;
	char *whole = xasprintf("%s%s%s", root, pattern, name);
	bool yes = glob(whole, GLOB_NOSORT, NULL, &found) == 0;
	if (yes)
		globfree(&found);
	free(whole);
	return yes;
}

static bool is_installed(const char *root, const struct time_service *s, bool systemd)
{
	static const char *const programs[] = {"/usr/local/sbin/", "/usr/sbin/", "/sbin/"};
	static const char *const units[] = {"/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/"};
	bool program = *s->program == '/' && there(root, "", s->program);
	for (unsigned k = 0; k < ARRAY_SIZE(programs) && *s->program != '/'; k++)
		program |= there(root, programs[k], s->program);
	/* A package that was removed leaves its script behind, and two have a program of the same name. */
	bool started = s->script && there(root, "/etc/init.d/", s->script);
	for (unsigned k = 0; k < ARRAY_SIZE(units) && systemd; k++)
		started |= there(root, units[k], s->unit);
	return program && started;
}

/* The process that a pid file names is still the service's. */
static bool pid_file_holds(const char *root, const struct time_service *s, bool *unknown)
{
	char *path = xasprintf("%s%s", root, s->pid_file), *text = NULL, *comm = NULL;
	bool holds = false;
	int ret = read_file(path, 64, &text, NULL, NULL);
	*unknown = ret == -EACCES; /* in a folder of the service's own */
	if (ret == 0) {
		int pid = atoi(text);
		char *proc = xasprintf("/proc/%d/comm", pid);
		if (pid > 0 && read_file(proc, 64, &comm, NULL, NULL) == 0) {
			comm[strcspn(comm, "\n")] = 0;
			holds = strcmp(comm, s->comm) == 0;
		}
		free(proc);
	}
	free(comm);
	free(text);
	free(path);
	return holds;
}

static bool socket_answers(const char *root, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if ((size_t)snprintf(a.sun_path, sizeof(a.sun_path), "%s%s", root, path) >= sizeof(a.sun_path))
		return false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answers = fd >= 0 && (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EAGAIN);
	if (fd >= 0)
		close(fd);
	return answers;
}

static bool is_on(const char *root, const struct time_service *s, bool systemd, bool *unknown)
{
	*unknown = false;
	/* Systemd has such a link as long as the unit is active. */
	if (systemd)
		return there(root, "/run/systemd/units/invocation:", s->unit);
	return (s->pid_file && pid_file_holds(root, s, unknown)) || (s->socket && socket_answers(root, s->socket));
}

static bool is_enabled(const char *root, const struct time_service *s, bool systemd)
{
	if (systemd)
		return matches(root, "/etc/systemd/system/*.wants/", s->unit);
	return s->script && matches(root, "/etc/rc[2-5].d/S[0-9][0-9]", s->script);
}

static bool file_has(const char *path, const char *word)
{
	char *text = NULL;
	size_t len = strlen(word);
	bool has = false;
	/* What cannot be read may well have it. */
	if (read_file(path, CONF_MAX_BYTES, &text, NULL, NULL))
		return true;
	for (const char *line = text; line && !has; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		line += strspn(line, " \t");
		has = strncasecmp(line, word, len) == 0 && (!line[len] || strchr(" \t\r\n", line[len]));
	}
	free(text);
	return has;
}

static bool is_silent(const char *root, const struct time_service *s)
{
	bool tells = !s->tells;
	char *conf = xasprintf("%s/etc/%s", root, s->conf);
	tells = tells || file_has(conf, s->tells);
	for (unsigned m = 0; m < ARRAY_SIZE(s->more) && s->more[m] && !tells; m++) {
		glob_t found;
		char *pattern = xasprintf("%s/etc/%s", root, s->more[m]);
		if (glob(pattern, 0, NULL, &found) == 0) {
			for (size_t k = 0; k < found.gl_pathc && !tells; k++)
				tells = file_has(found.gl_pathv[k], s->tells);
			globfree(&found);
		}
		free(pattern);
	}
	free(conf);
	return !tells;
}

void time_service_look(const char *root, struct time_service_state *out)
{
	unsigned best = 0;
	bool systemd = there(root, "/run/systemd/", "system");
	*out = (struct time_service_state){.systemd = systemd};
	for (unsigned k = 0; k < ARRAY_SIZE(services); k++) {
		const struct time_service *s = &services[k];
		if (!is_installed(root, s, systemd))
			continue;
		bool unknown, on = is_on(root, s, systemd, &unknown), enabled = is_enabled(root, s, systemd);
		unsigned rank = 1u + enabled + 2u * on;
		if (rank <= best)
			continue;
		best = rank;
		*out = (struct time_service_state){.service = s, .systemd = systemd, .on = on, .enabled = enabled, .unknown = unknown && !on};
	}
	out->silent = out->on && is_silent(root, out->service);
}

/* ---- the clock ---- */

void clock_look(struct clock_state *out)
{
	struct timex t = {0}; /* no modes: nothing is set */
	int ret = adjtimex(&t);
	*out = (struct clock_state){.known = ret >= 0};
	out->synchronised = ret >= 0 && ret != TIME_ERROR && !(t.status & STA_UNSYNC);
	if (out->synchronised)
		out->error_us = (u64)MAX(t.maxerror, 0);
}

void clock_of_service(const struct time_service_state *s, struct clock_state *c)
{
	if (s->silent && !c->synchronised)
		*c = (struct clock_state){.known = false};
}

void clock_text(const struct clock_state *c, char *text, size_t size)
{
	if (!c->known)
		str_copy(text, size, "not known to the kernel");
	else if (!c->synchronised)
		str_copy(text, size, "not synchronised");
	else if (c->error_us < 10000)
		snprintf(text, size, "synchronised, at most %.1f ms off", (double)c->error_us / 1000);
	else
		snprintf(text, size, "synchronised, at most %" PRIu64 " ms off", (c->error_us + 999) / 1000);
}

void time_service_text(const struct time_service_state *s, const struct clock_state *c, char *text, size_t size)
{
	char clock[64];
	clock_text(c, clock, sizeof(clock));
	if (s->service)
		snprintf(text, size, "%s is %s; clock %s", s->service->name, s->on ? "on" : s->unknown ? "installed" : "off", clock);
	else
		snprintf(text, size, "none is installed; clock %s", clock);
}

/* ---- changing ---- */

static int run(const char *program, const char *first, const char *second, struct error *err)
{
	const char *const words[] = {program, first, second, NULL};
	const struct program p = {.words = (char *const *)words, .seconds = PROGRAM_SECONDS};
	return program_run(&p, err);
}

static int start_or_stop(const struct time_service_state *s, const char *verb, struct error *err)
{
	return s->systemd ? run("systemctl", verb, s->service->unit, err) : run("service", s->service->script, verb, err);
}

static int enable(const struct time_service_state *s, bool on, struct error *err)
{
	const char *verb = on ? "enable" : "disable";
	if (s->systemd)
		return run("systemctl", verb, s->service->unit, err);
	/* "enable" turns links around, and there may be none yet. */
	int ret = on ? run("update-rc.d", s->service->script, "defaults", err) : 0;
	return ret ? ret : run("update-rc.d", s->service->script, verb, err);
}

/* Scripts say that all is well before the daemon has looked at its files. */
static int wait_until(const char *root, const struct time_service_state *s, bool on, struct error *err)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
	bool unknown;
	for (unsigned waited = 0; is_on(root, s->service, s->systemd, &unknown) != on; waited += 50) {
		if (waited >= START_MS)
			return fail(err, -EIO, on ? "%s was started and does not run" : "%s was stopped and still runs", s->service->name);
		nanosleep(&pause, NULL);
	}
	return 0;
}

int time_service_restart(const char *root, const struct time_service_state *s, struct error *err)
{
	struct error why;
	/* Starts that somebody asks for are none of a service that fails in a loop, after five of which in ten seconds systemd starts nothing. */
	if (s->systemd)
		(void)run("systemctl", "reset-failed", s->service->unit, &why);
	int ret = start_or_stop(s, "restart", err);
	return ret ? ret : wait_until(root, s, true, err);
}

int time_service_set(const char *root, const struct time_service_state *s, bool on, bool enabled, struct error *err)
{
	int ret = enable(s, enabled, err);
	if (!ret && on)
		return time_service_restart(root, s, err);
	if (!ret)
		ret = start_or_stop(s, "stop", err);
	return ret ? ret : wait_until(root, s, false, err);
}

/* ---- what the daemon remembers ---- */

void time_watch_note(struct time_watch *w, const struct time_service_state *service, const struct clock_state *clock, u64 now)
{
	w->service = *service;
	w->clock = *clock;
	clock_of_service(service, &w->clock);
	bool waits = service->on && w->clock.known && !w->clock.synchronised;
	w->since = !waits ? 0 : w->since ? w->since : now;
}

enum time_trouble time_watch_trouble(const struct time_watch *w, u64 now)
{
	/* Whatever has synchronised it, as a container's own computer has: it is right. */
	if (!w->clock.known || w->clock.synchronised)
		return TIME_RIGHT;
	if (w->service.unknown)
		return TIME_RIGHT;
	if (!w->service.on)
		return w->service.service ? TIME_OFF : TIME_NOBODY;
	return w->since && now - w->since > LATE_NS ? TIME_LATE : TIME_RIGHT;
}

static struct time_watch watch;
static u64 looked; /* 0: it is to look */

void time_service_poll(void)
{
	struct time_service_state service;
	struct clock_state clock;
	u64 now = now_monotonic();
	if (looked && now - looked < LOOK_NS)
		return;
	looked = now;
	time_service_look("", &service);
	clock_look(&clock);
	time_watch_note(&watch, &service, &clock, now);
}

void time_service_changed(void)
{
	looked = 0;
}

const struct time_watch *time_service_last(void)
{
	time_service_poll();
	return &watch;
}
