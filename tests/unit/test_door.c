// uses: vnc lib -lgnutls -lnettle -lseccomp
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The consoles' front door: the gate, frames and requests of browsers, RFB's security types, VncAuth, lock-outs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util.h"
#include "temporary.h"
#include "vnc/des.h"
#include "vnc/gate.h"
#include "vnc/handshake.h"
#include "vnc/lockout.h"
#include "vnc/websocket.h"

/* ---- the gate ---- */

static struct gate gate;
static u8 out[GATE_MESSAGE_MAX * 64];
static struct error err;

/* Feeds `n` bytes in pieces of `piece`; the bytes given on are in out[]. -EPROTO or their number. */
static ssize_t feed(const u8 *in, size_t n, size_t piece)
{
	size_t total = 0, given;
	for (size_t at = 0; at < n;) {
		ssize_t taken = gate_feed(&gate, in + at, MIN(piece, n - at), out + total, sizeof(out) - total, &given, &err);
		if (taken < 0)
			return taken;
		at += (size_t)taken;
		total += given;
	}
	return (ssize_t)total;
}

static const u8 key[8] = {4, 1, 0, 0, 0, 0, 0, 'a'}, pointer[6] = {5, 1, 0, 10, 0, 20},
		request[10] = {3, 1, 0, 0, 0, 0, 2, 0, 1, 0x80}, scancode[12] = {255, 0, 0, 1, 0, 0, 0, 'a', 0, 0, 0, 30};

Test(gate, whole_messages_pass_however_they_come)
{
	u8 all[sizeof(key) + sizeof(pointer) + sizeof(request) + sizeof(scancode)];
	memcpy(all, key, 8);
	memcpy(all + 8, pointer, 6);
	memcpy(all + 14, request, 10);
	memcpy(all + 24, scancode, 12);
	for (size_t piece = 1; piece <= sizeof(all); piece++) {
		gate_init(&gate, false);
		cr_assert_eq(feed(all, sizeof(all), piece), (ssize_t)sizeof(all));
		cr_assert_arr_eq(out, all, sizeof(all));
	}
}

Test(gate, half_a_message_stays)
{
	gate_init(&gate, false);
	for (size_t n = 1; n < sizeof(request); n++) {
		gate_init(&gate, false);
		cr_expect_eq(feed(request, n, n), 0);
	}
}

Test(gate, who_only_looks_types_nothing)
{
	gate_init(&gate, true);
	cr_expect_eq(feed(key, sizeof(key), 3), 0);
	cr_expect_eq(feed(pointer, sizeof(pointer), 3), 0);
	cr_expect_eq(feed(scancode, sizeof(scancode), 3), 0);
	cr_expect_eq(feed((const u8[]){6, 0, 0, 0, 0, 0, 0, 2, 'h', 'i'}, 10, 3), 0);
	cr_expect_eq(feed(request, sizeof(request), 3), (ssize_t)sizeof(request));
}

Test(gate, encodings_of_other_extensions_are_left_out)
{
	/* ZRLE, the extended clipboard, QEMU's keys, xvp, a quality of JPEG */
	static const u8 in[] = {2, 0, 0, 5, 0, 0, 0, 16, 0xc0, 0xa1, 0xe5, 0xce, 0xff, 0xff, 0xfe, 0xfe, 0xff, 0xff, 0xfe, 0xcb, 0xff, 0xff, 0xff, 0xe6};
	static const u8 expected[] = {2, 0, 0, 3, 0, 0, 0, 16, 0xff, 0xff, 0xfe, 0xfe, 0xff, 0xff, 0xff, 0xe6};
	gate_init(&gate, false);
	cr_assert_eq(feed(in, sizeof(in), 5), (ssize_t)sizeof(expected));
	cr_assert_arr_eq(out, expected, sizeof(expected));
}

Test(gate, clipboards)
{
	u8 *big = xcalloc(1, 8 + GATE_CUT_TEXT_MAX + 1 + sizeof(key));
	gate_init(&gate, false);
	cr_expect_eq(feed((const u8[]){6, 0, 0, 0, 0, 0, 0, 2, 'h', 'i'}, 10, 3), 10);
	/* too long: left out to its last byte, and what follows is a message again */
	memcpy(big, (const u8[]){6, 0, 0, 0, 0, 1, 0, 1}, 8);
	memcpy(big + 8 + GATE_CUT_TEXT_MAX + 1, key, sizeof(key));
	cr_expect_eq(feed(big, 8 + GATE_CUT_TEXT_MAX + 1 + sizeof(key), 1000), (ssize_t)sizeof(key));
	/* the extended kind: minus its length */
	cr_expect_eq(feed((const u8[]){6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 1, 2, 3, 4}, 12, 5), 0);
	cr_expect_eq(feed(key, sizeof(key), 8), (ssize_t)sizeof(key));
	cr_expect_eq(feed((const u8[]){6, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff}, 8, 8), -EPROTO);
	free(big);
}

Test(gate, what_is_no_message_ends_it)
{
	static const u8 types[] = {1, 7, 100, 252, 254};
	for (size_t k = 0; k < sizeof(types); k++) {
		gate_init(&gate, false);
		cr_expect_eq(feed(&types[k], 1, 1), -EPROTO, "type %u", types[k]);
	}
	gate_init(&gate, false);
	cr_expect_eq(feed((const u8[]){2, 0, 0xff, 0xff}, 4, 4), -EPROTO, "65535 encodings");
	gate_init(&gate, false);
	cr_expect_eq(feed((const u8[]){255, 7}, 2, 2), -EPROTO, "QEMU's audio was not offered");
}

Test(gate, a_full_buffer_takes_no_more)
{
	size_t given;
	gate_init(&gate, false);
	ssize_t taken = gate_feed(&gate, key, sizeof(key), out, GATE_MESSAGE_MAX, &given, &err);
	cr_assert_eq(taken, (ssize_t)sizeof(key));
	u8 many[8 * 200];
	for (unsigned k = 0; k < 200; k++)
		memcpy(many + 8 * k, key, 8);
	taken = gate_feed(&gate, many, sizeof(many), out, GATE_MESSAGE_MAX + 8, &given, &err);
	cr_expect_eq(given, 16);
	cr_expect_eq(taken, 16);
}

Test(gate, pictures_that_have_not_changed_are_counted)
{
	static const u8 whole[10] = {3, 0, 0, 0, 0, 0, 2, 0, 1, 0x80};
	u8 all[5 * 10];
	size_t given;
	for (unsigned k = 0; k < 5; k++)
		memcpy(all + 10 * k, k == 1 ? request : whole, 10);
	gate_init(&gate, false);
	gate.pictures = 2;
	/* One, a request for changes, two; then nothing is taken, not even a key. */
	cr_expect_eq(gate_feed(&gate, all, sizeof(all), out, sizeof(out), &given, &err), 30);
	cr_expect_eq(given, 30);
	cr_expect_eq(gate.pictures, 0);
	cr_expect_eq(gate_feed(&gate, key, sizeof(key), out, sizeof(out), &given, &err), 0);
	gate.pictures = 1;
	cr_expect_eq(gate_feed(&gate, key, sizeof(key), out, sizeof(out), &given, &err), (ssize_t)sizeof(key));
}

/* ---- browsers ---- */

static int parse(const char *text, struct http_request *r)
{
	size_t length = http_request_length(text, strlen(text));
	cr_assert(length);
	return http_request_parse(text, length, r, &err);
}

Test(websocket, requests)
{
	struct http_request r;
	cr_assert_eq(http_request_length("GET / HTTP/1.1\r\nHost: a\r\n", 25), 0);
	cr_assert_eq(parse("GET /app/ui%2ejs?x=%00 HTTP/1.1\r\nHost: h:5900\r\n\r\n", &r), 0);
	cr_expect_str_eq(r.path, "/app/ui.js");
	cr_expect_str_eq(r.host, "h:5900");
	cr_expect(!r.upgrade && !r.head && http_same_origin(&r));
	cr_assert_eq(parse("GET /w HTTP/1.1\r\nhost: h\r\nORIGIN:  https://h \r\nUpgrade: h2c, WebSocket\r\n"
			   "Sec-WebSocket-Protocol: base64, binary\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", &r), 0);
	cr_expect(r.upgrade && r.binary && http_same_origin(&r));
	str_copy(r.origin, sizeof(r.origin), "https://evil");
	cr_expect(!http_same_origin(&r));
	str_copy(r.origin, sizeof(r.origin), "http://h");
	cr_expect(!http_same_origin(&r));
}

Test(websocket, what_is_no_request)
{
	static const char *const bad[] = {
		"POST / HTTP/1.1\r\n\r\n", "GET /\r\n\r\n", "GET ../etc HTTP/1.1\r\n\r\n", "GET /../etc/passwd HTTP/1.1\r\n\r\n",
		"GET /%2e%2e/etc HTTP/1.1\r\n\r\n", "GET //x HTTP/1.1\r\n\r\n", "GET /%00 HTTP/1.1\r\n\r\n", "GET /\\x HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
	};
	struct http_request r;
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		cr_expect_eq(parse(bad[k], &r), -EBADMSG, "%s", bad[k]);
}

Test(websocket, the_answer_of_the_standard) /* RFC 6455, section 1.3 */
{
	char answer[32];
	websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", answer);
	cr_expect_str_eq(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* Takes `n` bytes in pieces; payload to `to`. */
static ssize_t frames(struct websocket *w, const u8 *in, size_t n, size_t piece, u8 *to, enum websocket_event *event)
{
	size_t total = 0, given;
	for (size_t at = 0; at < n;) {
		ssize_t taken = websocket_feed(w, in + at, MIN(piece, n - at), to + total, &given, event);
		if (taken < 0)
			return taken;
		at += (size_t)taken;
		total += given;
		if (*event != WEBSOCKET_DATA)
			break;
	}
	return (ssize_t)total;
}

Test(websocket, frames_are_unmasked) /* RFC 6455, section 5.7 */
{
	static const u8 hello[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
	static const u8 ping[] = {0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
	enum websocket_event event;
	u8 to[64];
	for (size_t piece = 1; piece <= sizeof(hello); piece++) {
		struct websocket w = {0};
		cr_assert_eq(frames(&w, hello, sizeof(hello), piece, to, &event), 5);
		cr_assert_arr_eq(to, "Hello", 5);
	}
	struct websocket w = {0};
	cr_expect_eq(frames(&w, ping, sizeof(ping), 4, to, &event), 0);
	cr_expect_eq(event, WEBSOCKET_PING);
	cr_expect_eq(w.n_control, 5);
	cr_expect_arr_eq(w.control, "Hello", 5);
}

Test(websocket, long_frames_and_headers)
{
	u8 in[8 + 300] = {0x82, 0xfe, 300 >> 8, 300 & 0xff, 1, 2, 3, 4}, to[300], header[10];
	enum websocket_event event;
	struct websocket w = {0};
	for (unsigned k = 0; k < 300; k++)
		in[8 + k] = (u8)(k ^ (k % 4 + 1));
	cr_assert_eq(frames(&w, in, sizeof(in), 7, to, &event), 300);
	for (unsigned k = 0; k < 300; k++)
		cr_assert_eq(to[k], (u8)k);
	cr_expect_eq(websocket_header(2, 125, header), 2);
	cr_expect_eq(websocket_header(2, 126, header), 4);
	cr_expect_eq(websocket_header(2, 65536, header), 10);
	cr_expect_arr_eq(header, "\x82\x7f\0\0\0\0\0\x01\0\0", 10);
}

Test(websocket, what_is_no_frame)
{
	static const u8 bad[][6] = {{0x82, 5, 0, 0, 0, 0} /* no mask */, {0xc2, 0x81} /* reserved bit */, {0x83, 0x80} /* opcode */,
				    {0x09, 0x80} /* half a ping */, {0x89, 0xfe, 0, 200} /* a long one */};
	enum websocket_event event;
	u8 to[64], padded[32];
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
		struct websocket w = {0};
		memset(padded, 0, sizeof(padded));
		memcpy(padded, bad[k], 6);
		cr_expect_eq(frames(&w, padded, 16, 16, to, &event), -EPROTO, "%zu", k);
	}
}

/* ---- log-in ---- */

Test(login, vncauth)
{
	/* A challenge of zeros: DES of nothing with the key "password" in VNC's order of bits. */
	static const u8 challenge[16] = {0};
	u8 one[16], two[16];
	des_response("password", challenge, one);
	des_response("passwordignored", challenge, two);
	cr_expect_arr_eq(one, two, 16, "eight characters count");
	cr_expect_arr_eq(one, one + 8, 8);
	des_response("Password", challenge, two);
	cr_expect_neq(memcmp(one, two, 16), 0);
}

static int never(void *arg, const char *user, const char *password, struct error *e)
{
	(void)arg, (void)user, (void)password;
	return fail(e, -EACCES, "not you");
}

static int never_check(void *arg, const u8 challenge[16], const u8 response[16], struct error *e)
{
	(void)arg, (void)challenge, (void)response;
	return fail(e, -EACCES, "not you");
}

/* What the server says to a client that sends `bytes`; its result in *ret. */
static size_t talk(const void *bytes, size_t n, bool vnc_auth, u8 *heard, size_t room, int *ret)
{
	int pair[2];
	struct handshake h = {.vnc_auth = vnc_auth, .login = never, .check = never_check};
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	cr_assert_eq(write_full(pair[1], bytes, n), 0);
	shutdown(pair[1], SHUT_WR);
	struct stream *s = stream_open(pair[0]);
	*ret = handshake_serve(&h, s, now_monotonic() + 100 * NSEC_PER_SEC, &err);
	stream_close(s);
	ssize_t got = read_full(pair[1], heard, room);
	close(pair[1]);
	return (size_t)MAX(got, 0);
}

static char tried_user[HANDSHAKE_NAME_MAX], tried_password[HANDSHAKE_PASSWORD_MAX];
static unsigned tries;

static int note_login(void *arg, const char *user, const char *password, struct error *e)
{
	(void)arg;
	tries++;
	str_copy(tried_user, sizeof(tried_user), user);
	str_copy(tried_password, sizeof(tried_password), password);
	return fail(e, -EACCES, "not you");
}

/* User and password of so many 'x' and 'y', inside TLS; what handshake_serve() says. */
static int plain(u32 user_len, u32 password_len, u32 sent)
{
	static const u8 begin[] = "RFB 003.008\n\x13\0\2\0\0\1";
	static u8 bytes[200000];
	int pair[2];
	struct handshake h = {.inside_tls = true, .login = note_login};
	size_t n = sizeof(begin); /* its last byte, 0, belongs to it: type 256 */
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, begin, n);
	u8 lengths[8] = {(u8)(user_len >> 24), (u8)(user_len >> 16), (u8)(user_len >> 8), (u8)user_len,
			 (u8)(password_len >> 24), (u8)(password_len >> 16), (u8)(password_len >> 8), (u8)password_len};
	memcpy(bytes + n, lengths, 8);
	memset(bytes + n + 8 + user_len, 'y', sizeof(bytes) - n - 8 - user_len);
	tries = 0;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	cr_assert_eq(write_full(pair[1], bytes, n + 8 + sent), 0);
	shutdown(pair[1], SHUT_WR);
	struct stream *s = stream_open(pair[0]);
	int ret = handshake_serve(&h, s, now_monotonic() + 100 * NSEC_PER_SEC, &err);
	stream_close(s);
	close(pair[1]);
	return ret;
}

Test(login, names_and_passwords_of_any_length)
{
	cr_expect_eq(plain(3, 2, 5), -EACCES);
	cr_expect_str_eq(tried_user, "xxx");
	cr_expect_str_eq(tried_password, "yy");
	/* Too long for anybody: tried as nobody's, so the answer and its delay are those to a wrong password. */
	cr_expect_eq(plain(HANDSHAKE_NAME_MAX, 5000, HANDSHAKE_NAME_MAX + 5000), -EACCES);
	cr_expect_eq(tries, 1);
	cr_expect_str_eq(tried_user, "");
	cr_expect_str_eq(tried_password, "");
	cr_expect_str_eq(err.text, "not you");
	/* Half of it, and lengths that are none. */
	cr_expect_eq(plain(3, 20, 10), -ECONNRESET);
	cr_expect_eq(plain(100000, 2, 0), -EPROTO);
	cr_expect_eq(plain(3, 100000, 3), -EPROTO);
	cr_expect_eq(tries, 0);
}

Test(login, security_types)
{
	u8 heard[400];
	int ret;
	/* 3.8 and 3.7: VeNCrypt alone; never None, though it is asked for */
	size_t n = talk("RFB 003.008\n\1", 13, false, heard, sizeof(heard), &ret);
	cr_expect_eq(ret, -EPROTO);
	cr_expect_eq(n, 14);
	cr_expect_arr_eq(heard, "RFB 003.008\n\1\23", 14);
	/* 3.3 knows no such thing: a reason */
	n = talk("RFB 003.003\n", 12, false, heard, sizeof(heard), &ret);
	cr_expect_eq(ret, -EPROTO);
	cr_expect(n > 20 && memcmp(heard + 12, "\0\0\0\0\0\0\0", 7) == 0);
	/* with a password in the .vmx: 16 bytes of challenge, and the refusal with its reason in 3.8 only */
	n = talk("RFB 003.008\n\2................", 29, true, heard, sizeof(heard), &ret);
	cr_expect_eq(ret, -EACCES);
	cr_expect_eq(n, 15 + 16 + 4 + 4 + strlen("not you"));
	n = talk("RFB 003.003\n................", 28, true, heard, sizeof(heard), &ret);
	cr_expect_eq(n, 12 + 4 + 16 + 4);
	/* who leaves, and who talks something else */
	talk("", 0, false, heard, sizeof(heard), &ret);
	cr_expect_eq(ret, -ECONNRESET);
	talk("GET / HTTP/1", 12, false, heard, sizeof(heard), &ret);
	cr_expect_eq(ret, -EPROTO);
	talk("RFB 003.008\n\23\0\1", 15, false, heard, sizeof(heard), &ret);
	cr_expect_eq(ret, -EPROTO, "VeNCrypt 0.1");
}

/* ---- lock-outs ---- */

static char root[TEMPORARY_PATH];

static void root_make(void)
{
	set_root(temporary_folder(root));
}

static void root_remove(void)
{
	cr_assert_eq(temporary_remove(root), 0);
}

Test(lockout, grows_and_is_remembered, .init = root_make, .fini = root_remove)
{
	struct lockout *l = lockout_open();
	s64 before = 0;
	cr_expect_eq(lockout_delay(l, "10.0.0.1", 1000), 0);
	for (unsigned k = 1; k < LOCKOUT_FAILURES; k++) {
		cr_expect_eq(lockout_fail(l, "10.0.0.1", 1000), k);
		s64 delay = lockout_delay(l, "10.0.0.1", 1000);
		cr_expect(delay > 0 && delay >= before);
		before = delay;
	}
	lockout_fail(l, "10.0.0.1", 1000);
	cr_expect_eq(lockout_delay(l, "10.0.0.1", 1000), -1);
	cr_expect_eq(lockout_delay(l, "::ffff:10.0.0.1", 1000), -1, "the same address");
	cr_expect_eq(lockout_delay(l, "10.0.0.2", 1000), 0);
	lockout_succeed(l, "10.0.0.1");
	cr_expect_eq(lockout_delay(l, "10.0.0.1", 1000), -1, "a log-in under way does not release it");
	lockout_close(l);
	l = lockout_open();
	cr_expect_eq(lockout_delay(l, "10.0.0.1", 1000), -1, "after a restart too");
	cr_expect_eq(lockout_delay(l, "10.0.0.1", 1000 + LOCKOUT_SECONDS), 0, "time releases it");
	cr_expect_eq(lockout_release(l, "10.0.0.1"), 1);
	cr_expect_eq(lockout_delay(l, "10.0.0.1", 1000), 0);
	lockout_fail(l, "2001:db8::1", 1000);
	cr_expect_gt(lockout_delay(l, "2001:db8::2", 1000), 0, "one /64 is one customer");
	cr_expect_eq(lockout_delay(l, "2001:db8:0:1::2", 1000), 0);
	for (unsigned k = 0; k < 2 * LOCKOUT_ADDRESSES; k++) {
		char address[32];
		snprintf(address, sizeof(address), "10.1.%u.%u", k / 256, k % 256);
		if (k % 100 == 0)
			lockout_fail(l, address, 2000 + k);
	}
	cr_expect_gt(lockout_release(l, ""), 10);
	lockout_close(l);
}

Test(lockout, several_processes_keep_one_account, .init = root_make, .fini = root_remove)
{
	struct lockout *one = lockout_open(), *two = lockout_open();
	for (unsigned k = 1; k <= LOCKOUT_FAILURES; k++)
		cr_expect_eq(lockout_fail(k & 1 ? one : two, "10.0.0.1", 1000), k);
	cr_expect_eq(lockout_delay(one, "10.0.0.1", 1000), -1);
	cr_expect_eq(lockout_delay(two, "10.0.0.1", 1000), -1);
	lockout_fail(one, "10.0.0.2", 1000);
	lockout_succeed(two, "10.0.0.2");
	cr_expect_eq(lockout_delay(one, "10.0.0.2", 1000), 0);
	cr_expect_eq(lockout_release(two, ""), 1);
	cr_expect_eq(lockout_delay(one, "10.0.0.1", 1000), 0);
	lockout_close(one);
	lockout_close(two);
}

Test(lockout, who_counts_as_one)
{
	char a[48], b[48];
	lockout_group("2001:db8::1", a);
	lockout_group("2001:db8::ffff:2", b);
	cr_expect_str_eq(a, b);
	lockout_group("::ffff:10.0.0.1", a);
	lockout_group("10.0.0.1", b);
	cr_expect_str_eq(a, b);
	lockout_group("?", a);
	cr_expect_str_eq(a, "?");
}
