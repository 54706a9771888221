/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe.c - see probe.h */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmkernel/job.h"
#include "vmkernel/probe.h"

#define PROBE_SECONDS 30
#define PROBE_MAX_BYTES 8192

static int probe_run(void *arg, int report, json_t **result, struct error *err)
{
	int out[2];
	(void)arg, (void)report;
	if (pipe2(out, O_CLOEXEC))
		return fail(err, -errno, "pipe: %m");
	pid_t pid = fork();
	if (pid == 0) {
		char *words[] = {(char *)"vmk-vmx", (char *)"--engines", NULL};
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execveat(host.vmx_fd, "", words, environ, AT_EMPTY_PATH);
		_exit(127);
	}
	close(out[1]);
	char *text = NULL;
	size_t len = 0;
	int status, ret = pid < 0 ? fail(err, -errno, "fork: %m") : read_fd(out[0], "vmk-vmx", PROBE_MAX_BYTES, &text, &len, err);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0 && !ret)
		ret = fail(err, -EIO, "vmk-vmx --engines has failed");
	if (!ret && !(*result = json_loadb(text, len, 0, NULL)))
		ret = fail(err, -EBADMSG, "vmk-vmx --engines gives no JSON");
	free(text);
	return ret;
}

static void on_probed(void *arg, int ret, json_t *result, const struct error *err)
{
	size_t k;
	json_t *text;
	(void)arg;
	if (ret) {
		log_warning("cannot tell the CPU engine: %s", err->text);
		return;
	}
	const char *engine = json_string_value(json_object_get(result, "engine"));
	if (engine)
		str_copy(host.engine, sizeof(host.engine), engine);
	json_array_foreach(json_object_get(result, "passed_over"), k, text) {
		if (!json_is_string(text))
			continue;
		json_array_append(host.passed_over, text);
		event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "CPU engine passed over: %s", json_string_value(text));
	}
	event_host(LOG_LEVEL_INFO, EVENT_PUBLIC, "CPU engine: %s", host.engine);
}

void probe_engines(void)
{
	struct error err;
	struct job_spec spec = {.seconds = PROBE_SECONDS, .run = probe_run, .done = on_probed};
	if (host.vmx_fd < 0)
		return;
	identity_of_user(geteuid(), &spec.who);
	if (job_start(&spec, NULL, NULL, &err))
		log_warning("cannot tell the CPU engine: %s", err.text);
}
