/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmk-mks: shows one machine to one VNC viewer. Started by vmk-authd. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "api/keymap.h"
#include "lib/log.h"
#include "lib/util.h"
#include "vnc/mks.h"

static const char usage[] = "usage: vmk-mks --rfb-fd N [--door-fd N] [--keymap NAME]   as vmk-authd starts it\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"rfb-fd", required_argument, NULL, 'r'}, {"door-fd", required_argument, NULL, 'd'},
		{"keymap", required_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'}, {0}};
	u64 rfb_fd = 0, door_fd = 0;
	const char *keymap = KEYMAP_DEFAULT;
	struct error err;
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if ((c == 'r' && parse_u64(optarg, 3, 1023, &rfb_fd)) || (c == 'd' && parse_u64(optarg, 3, 1023, &door_fd)))
			continue;
		if (c == 'k') {
			keymap = optarg;
			continue;
		}
		fputs(usage, c == 'h' ? stdout : stderr);
		return c == 'h' ? 0 : 2;
	}
	if (!rfb_fd || optind != argc) {
		fputs(usage, stderr);
		return 2;
	}
	prctl(PR_SET_NAME, "vmk-mks");
	signal(SIGPIPE, SIG_IGN);
	log_open("mks", 2);
	if (mks_serve((int)rfb_fd, door_fd ? (int)door_fd : -1, keymap, &err)) {
		log_error("%s", err.text);
		return 1;
	}
	return 0;
}
