/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmk-authd: the front door of the consoles. Started by vmkernel, or for one connection by systemd, inetd or xinetd. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"
#include "vnc/authd.h"

static const char usage[] = "usage: vmk-authd [--root DIR] --inetd [--machine NAME]   one connection, on standard input\n"
			    "       vmk-authd [--root DIR] --control-fd N            as vmkernel starts it\n";

/*
 * Standard input is the connection under inetd, and output and error often are too: it becomes the descriptor returned, and these
 * lead elsewhere. Else a line of log would reach the viewer, and the connection would live as long as any process of it.
 */
static int take_connection(void)
{
	struct stat in = {0}, is = {0};
	char *log = root_path("var/log/vmk/vmkernel.log");
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int errors = open(log, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	free(log);
	fstat(STDIN_FILENO, &in);
	if (fstat(STDERR_FILENO, &is) || (is.st_dev == in.st_dev && is.st_ino == in.st_ino))
		dup2(errors >= 0 ? errors : null, STDERR_FILENO);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (errors >= 0)
		close(errors);
	close(null);
	return fd;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"root", required_argument, NULL, 'r'},	  {"control-fd", required_argument, NULL, 'c'}, {"inetd", no_argument, NULL, 'i'},
		{"machine", required_argument, NULL, 'm'}, {"help", no_argument, NULL, 'h'},		{0},
	};
	const char *machine = NULL;
	bool inetd = false;
	u64 control_fd = 0;
	struct error err;
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r') {
			set_root(optarg);
		} else if (c == 'c' && parse_u64(optarg, 3, 1023, &control_fd)) {
			continue;
		} else if (c == 'i') {
			inetd = true;
		} else if (c == 'm') {
			machine = optarg;
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (optind != argc || inetd == (control_fd != 0)) {
		fputs(usage, stderr);
		return 2;
	}
	prctl(PR_SET_NAME, "vmk-authd");
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	int fd = inetd ? take_connection() : (int)control_fd;
	log_open("authd", STDERR_FILENO);
	if (inetd ? authd_serve_one(fd, machine, &err) : authd_serve(fd, &err)) {
		log_error("%s", err.text);
		return 1;
	}
	return 0;
}
