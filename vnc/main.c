/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmk-mks: serves one machine's screen, keyboard and mouse to VNC viewers. Started by vmk-vmx. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"
#include "vnc/mks.h"

static const char usage[] = "usage: vmk-mks --screen-fd N (--listen-fd N | --port PORT) [--name NAME]\n";

static int number_option(const char *name, u64 max)
{
	u64 value;
	if (!parse_u64(optarg, 0, max, &value))
		fatal("--%s %s: not a number up to %llu", name, optarg, (unsigned long long)max);
	return (int)value;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"screen-fd", required_argument, NULL, 's'},
		{"listen-fd", required_argument, NULL, 'l'},
		{"port", required_argument, NULL, 'p'},
		{"name", required_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int screen_fd = -1, listen_fd = -1, port = -1, c;
	const char *name = "machine";
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			screen_fd = number_option("screen-fd", 1023);
			break;
		case 'l':
			listen_fd = number_option("listen-fd", 1023);
			break;
		case 'p':
			port = number_option("port", 65535);
			break;
		case 'n':
			name = optarg;
			break;
		default:
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (screen_fd < 0 || (listen_fd < 0) == (port < 0) || optind != argc) {
		fputs(usage, stderr);
		return 2;
	}
	struct error err;
	prctl(PR_SET_NAME, "vmk-mks");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	log_open("mks", STDERR_FILENO);
	if (port >= 0)
		listen_fd = mks_listen((unsigned)port, &err);
	if (listen_fd < 0 || mks_check_listener(listen_fd, &err) || mks_serve(screen_fd, listen_fd, name, &err)) {
		log_error("%s", err.text);
		return 1;
	}
	return 0;
}
