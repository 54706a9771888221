// uses: vnc lib -lgnutls -lnettle -lseccomp
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What strangers say before they are known: the handshake of RFB, HTTP requests and WebSocket frames. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util.h"
#include "vnc/handshake.h"
#include "vnc/web.h"
#include "vnc/websocket.h"

static int login(void *arg, const char *user, const char *password, struct error *err)
{
	(void)arg;
	return *user && strcmp(user, password) == 0 ? 0 : fail(err, -EACCES, "no");
}

static int check(void *arg, const u8 challenge[16], const u8 response[16], struct error *err)
{
	(void)arg, (void)challenge;
	return response[0] ? 0 : fail(err, -EACCES, "no");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct handshake h = {.inside_tls = true, .vnc_auth = true, .login = login, .check = check};
	int pair[2];
	char drain[4096];
	if (!size || size > 32768 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return 0;
	if (write_full(pair[1], data + 1, size - 1) == 0) {
		shutdown(pair[1], SHUT_WR);
		struct stream *s = stream_open(pair[0]);
		u64 deadline = now_monotonic() + NSEC_PER_SEC;
		int ret = 0;
		if (data[0] & 1)
			ret = web_serve(s, -1, 1, NULL);
		else if (data[0] & 2)
			stream_start_websocket(s);
		if (!ret && handshake_serve(&h, s, deadline, NULL) == 0)
			while (stream_read(s, drain, sizeof(drain)) > 0)
				;
		stream_close(s);
	}
	close(pair[1]);
	return 0;
}
