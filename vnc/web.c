/* SPDX-License-Identifier: GPL-2.0-or-later */
/* web.c - see web.h */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"
#include "vnc/web.h"
#include "vnc/websocket.h"

#define REQUESTS_MAX 256 /* of one connection */
#define IDLE_SECONDS 10u	 /* between two of them */
#define FRONT_PAGE "/vnc.html?autoconnect=true&resize=scale&show_dot=true"
#define SECURITY_HEADERS                                              \
	"X-Content-Type-Options: nosniff\r\n"                         \
	"X-Frame-Options: DENY\r\n"                                   \
	"Referrer-Policy: no-referrer\r\n"                            \
	"Content-Security-Policy: frame-ancestors 'none'\r\n"

struct web {
	struct stream *s;
	int folder;
	u64 deadline;
	struct error *err;
	char head[HTTP_REQUEST_MAX];
	size_t n_head;
};

static const char *content_type(const char *path)
{
	static const struct { const char *ending, *type; } types[] = {
		{".html", "text/html; charset=utf-8"}, {".js", "text/javascript"}, {".css", "text/css"}, {".svg", "image/svg+xml"},
		{".png", "image/png"}, {".ico", "image/x-icon"}, {".json", "application/json"}, {".mp3", "audio/mpeg"},
		{".oga", "audio/ogg"}, {".woff", "font/woff"}, {".ttf", "font/ttf"},
	};
	size_t n = strlen(path);
	for (size_t k = 0; k < ARRAY_SIZE(types); k++) {
		size_t len = strlen(types[k].ending);
		if (n > len && strcmp(path + n - len, types[k].ending) == 0)
			return types[k].type;
	}
	return "application/octet-stream";
}

static int answer_status(struct web *w, const char *status, const char *extra, const char *text)
{
	char head[1024];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n" SECURITY_HEADERS "%sContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
			 status, extra, strlen(text), text);
	return stream_write_full(w->s, head, (size_t)n, w->deadline);
}

static int answer_file(struct web *w, const struct http_request *r)
{
	/* Nothing outside the folder, whatever links lie in it. */
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	int fd = w->folder >= 0 ? (int)syscall(SYS_openat2, w->folder, r->path + 1, &how, sizeof(how)) : -1;
	struct stat st;
	char head[1024], chunk[16384];
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		return answer_status(w, "404 Not Found", "",
				     w->folder < 0 ? "The browser's page is not installed on this host (package novnc)\n" : "Not here\n");
	}
	int n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n" SECURITY_HEADERS
			 "Cache-Control: max-age=300\r\nContent-Type: %s\r\nContent-Length: %lld\r\n\r\n",
			 content_type(r->path), (long long)st.st_size);
	int ret = stream_write_full(w->s, head, (size_t)n, w->deadline);
	off_t left = r->head ? 0 : st.st_size;
	while (!ret && left > 0) {
		ssize_t got = read(fd, chunk, (size_t)MIN(left, (off_t)sizeof(chunk)));
		if (got <= 0)
			ret = -EIO;
		else
			ret = stream_write_full(w->s, chunk, (size_t)got, w->deadline);
		left -= got;
	}
	close(fd);
	return ret;
}

/* 101, and frames from here on. */
static int open_websocket(struct web *w, const struct http_request *r)
{
	char answer[32], head[512];
	if (!http_same_origin(r)) {
		answer_status(w, "403 Forbidden", "", "This page came from another host\n");
		return fail(w->err, -EPERM, "a page of %.100s asked for the console", r->origin);
	}
	websocket_accept(r->key, answer);
	int n = snprintf(head, sizeof(head),
			 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
			 answer, r->binary ? "Sec-WebSocket-Protocol: binary\r\n" : "");
	int ret = stream_write_full(w->s, head, (size_t)n, w->deadline);
	if (!ret)
		stream_start_websocket(w->s);
	return ret;
}

/* Reads one request's head: its length, 0 at an orderly end, -errno. Nothing follows a GET, so one byte a time is not needed: what came
 * behind the head stays in w->head. */
static ssize_t read_head(struct web *w)
{
	size_t length;
	while (!(length = http_request_length(w->head, w->n_head))) {
		if (w->n_head == sizeof(w->head))
			return fail(w->err, -EMSGSIZE, "a request of more than %d bytes", HTTP_REQUEST_MAX);
		int ret = stream_read_full(w->s, w->head + w->n_head, 1, w->deadline);
		if (ret)
			return w->n_head || ret != -ECONNRESET ? fail(w->err, ret, "a browser sent no request") : 0;
		w->n_head++;
	}
	return (ssize_t)length;
}

/* Browsers keep connections for later; each is a place of a stranger's. false: there came none. */
static bool waits_for_request(struct web *w, u64 deadline)
{
	return stream_read_full(w->s, w->head, 1, deadline) == 0 && ++w->n_head;
}

int web_serve(struct stream *s, int web_fd, unsigned seconds, struct error *err)
{
	struct web w = {.s = s, .folder = web_fd, .err = err};
	u64 last = now_monotonic() + seconds * NSEC_PER_SEC;
	for (unsigned k = 0; k < REQUESTS_MAX; k++) {
		struct http_request r;
		if (k && !waits_for_request(&w, MIN(last, now_monotonic() + IDLE_SECONDS * NSEC_PER_SEC)))
			return 1;
		w.deadline = last;
		ssize_t length = read_head(&w);
		if (length <= 0)
			return length ? (int)length : 1;
		int ret = http_request_parse(w.head, (size_t)length, &r, err);
		if (ret) {
			answer_status(&w, "400 Bad Request", "Connection: close\r\n", "That was not a request\n");
			return ret;
		}
		w.n_head = 0;
		if (r.upgrade)
			return open_websocket(&w, &r);
		ret = strcmp(r.path, "/") == 0 ? answer_status(&w, "302 Found", "Location: " FRONT_PAGE "\r\n", "") : answer_file(&w, &r);
		if (ret)
			return fail(err, ret, "a browser went away");
	}
	return 1;
}
