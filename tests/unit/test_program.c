// uses: computer lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How programs of the computer's are ended. What they are run with is tested with volumes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "computer/program.h"
#include "lib/util.h"

static struct error err;

static int run_shell(const char *script, unsigned seconds, void (*output)(void *, const char *), void *arg)
{
	const char *const words[] = {"sh", "-c", script, NULL};
	const struct program p = {.words = (char *const *)words, .seconds = seconds, .output = output, .arg = arg};
	return program_run(&p, &err);
}

Test(program, that_closes_its_output_has_its_time_limit, .timeout = 300)
{
	cr_expect_eq(run_shell("exec sleep 600 >/dev/null 2>&1", 1, NULL, NULL), -ETIMEDOUT, "%s", err.text);
	cr_expect_eq(run_shell("exec >/dev/null 2>&1; sleep 0.3; exit 5", 60, NULL, NULL), -EIO);
	cr_expect_str_eq(err.text, "sh ended with status 5");
}

Test(program, that_leaves_something_running_is_not_waited_for, .timeout = 300)
{
	u64 began = now_monotonic();
	cr_expect_eq(run_shell("sleep 100 & echo well done >&2; exit 1", 90, NULL, NULL), -EIO);
	cr_expect_str_eq(err.text, "sh: well done");
	cr_expect_lt(now_monotonic() - began, 80 * NSEC_PER_SEC);
}

static void note_pid(void *arg, const char *text)
{
	*(volatile pid_t *)arg = atoi(text);
}

Test(program, ends_with_whoever_runs_it, .timeout = 300)
{
	volatile pid_t *program = mmap(NULL, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(program, MAP_FAILED);
	*program = 0;
	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* to hear of its end */
	pid_t job = fork();
	if (job == 0)
		_exit(run_shell("echo $$; exec sleep 600", 500, note_pid, (void *)program) ? 1 : 0);
	while (!*program && waitpid(job, NULL, WNOHANG) == 0)
		usleep(10000);
	cr_assert_gt(*program, 1);
	kill(job, SIGKILL);
	int status;
	cr_assert_eq(waitpid(job, &status, 0), job);
	for (unsigned k = 0; k < 3000 && waitpid(*program, &status, WNOHANG) == 0; k++)
		usleep(10000);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%x", status);
	if (waitpid(*program, &status, WNOHANG) == 0)
		kill(*program, SIGKILL);
}
