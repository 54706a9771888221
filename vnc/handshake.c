/* SPDX-License-Identifier: GPL-2.0-or-later */
/* handshake.c - see handshake.h */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "lib/util.h"
#include "vnc/handshake.h"

enum { SECURITY_NONE = 1, SECURITY_VNC = 2, SECURITY_VENCRYPT = 19 };
enum { VENCRYPT_PLAIN = 256, VENCRYPT_TLS_PLAIN = 259, VENCRYPT_X509_PLAIN = 262 };
#define VERSION_BYTES 12
#define PLAIN_TEXT_MAX 65536u /* of a user or password; longer ones end the connection */

struct talk {
	const struct handshake *h;
	struct stream *s;
	u64 deadline;
	unsigned minor; /* 3, 7 or 8 */
	struct error *err;
};

static void put32(u8 *p, u32 value)
{
	p[0] = (u8)(value >> 24);
	p[1] = (u8)(value >> 16);
	p[2] = (u8)(value >> 8);
	p[3] = (u8)value;
}

static u32 get32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static int hear(struct talk *t, void *buf, size_t n)
{
	int ret = stream_read_full(t->s, buf, n, t->deadline);
	if (ret == -ETIMEDOUT)
		return fail(t->err, ret, "the viewer took too long to log in");
	return ret ? fail(t->err, ret, "the viewer went away before it logged in") : 0;
}

static int tell(struct talk *t, const void *buf, size_t n)
{
	int ret = stream_write_full(t->s, buf, n, t->deadline);
	return ret ? fail(t->err, ret, "the viewer went away before it logged in") : 0;
}

static int tell_reason(struct talk *t, const char *reason)
{
	u8 length[4];
	put32(length, (u32)strlen(reason));
	int ret = tell(t, length, sizeof(length));
	return ret ? ret : tell(t, reason, strlen(reason));
}

/* "RFB 003.008\n": what a viewer speaks. Some name versions that never were (Apple's 3.889): those speak 3.8. */
static int versions(struct talk *t)
{
	char theirs[VERSION_BYTES + 1] = "";
	unsigned major, minor;
	int ret = tell(t, "RFB 003.008\n", VERSION_BYTES);
	if (!ret)
		ret = hear(t, theirs, VERSION_BYTES);
	if (ret)
		return ret;
	if (theirs[11] != '\n' || sscanf(theirs, "RFB %3u.%3u\n", &major, &minor) != 2 || major < 3)
		return fail(t->err, -EPROTO, "the other side does not speak RFB");
	t->minor = major > 3 || minor >= 8 ? 8 : minor == 7 ? 7 : 3;
	return 0;
}

static int choose_security(struct talk *t, u8 *type)
{
	static const char old[] = "This console is reached by viewers with VeNCrypt, or with a browser by https";
	u8 types[3] = {0, SECURITY_VENCRYPT, SECURITY_VNC}, number[4];
	int ret;
	if (t->minor == 3) { /* the server decides, and knows only the old types */
		put32(number, t->h->vnc_auth ? SECURITY_VNC : 0);
		*type = SECURITY_VNC;
		ret = tell(t, number, sizeof(number));
		if (!ret && !t->h->vnc_auth) {
			tell_reason(t, old);
			ret = fail(t->err, -EPROTO, "a viewer of RFB 3.3, which knows no encryption");
		}
		return ret;
	}
	types[0] = t->h->vnc_auth ? 2 : 1;
	ret = tell(t, types, 1u + types[0]);
	if (!ret)
		ret = hear(t, type, 1);
	if (!ret && *type != SECURITY_VENCRYPT && !(*type == SECURITY_VNC && t->h->vnc_auth))
		ret = fail(t->err, -EPROTO, "the viewer chose security type %u, which was not offered", *type);
	return ret;
}

/* SecurityResult. From 3.8 on a refusal carries its reason. */
static int tell_result(struct talk *t, int ret, const char *reason)
{
	u8 number[4];
	put32(number, ret ? 1 : 0);
	int told = tell(t, number, sizeof(number));
	if (!told && ret && t->minor == 8)
		told = tell_reason(t, reason);
	return ret ? ret : told;
}

static int vnc_auth(struct talk *t)
{
	u8 challenge[16], response[16];
	struct error why = {0};
	if (gnutls_rnd(GNUTLS_RND_NONCE, challenge, sizeof(challenge)))
		return fail(t->err, -EIO, "no random numbers");
	int ret = tell(t, challenge, sizeof(challenge));
	if (!ret)
		ret = hear(t, response, sizeof(response));
	if (ret)
		return ret;
	ret = t->h->check(t->h->arg, challenge, response, &why);
	if (ret)
		*t->err = why;
	return tell_result(t, ret, why.text);
}

/* A text of `n` bytes; of one that is longer than anybody's name or password nothing, though it is heard to its end. */
static int hear_text(struct talk *t, char *text, size_t size, u32 n)
{
	u8 drop[256];
	int ret = 0;
	if (n > PLAIN_TEXT_MAX)
		return fail(t->err, -EPROTO, "a name or password of %u bytes", n);
	if (n < size)
		return hear(t, text, n);
	for (u32 some; !ret && n; n -= some) {
		some = MIN(n, (u32)sizeof(drop));
		ret = hear(t, drop, some);
	}
	explicit_bzero(drop, sizeof(drop));
	return ret;
}

/* User and password as VeNCrypt's Plain sends them. */
static int plain_auth(struct talk *t)
{
	char user[HANDSHAKE_NAME_MAX] = "", password[HANDSHAKE_PASSWORD_MAX] = "";
	struct error why = {0};
	u8 lengths[8];
	int ret = hear(t, lengths, sizeof(lengths));
	if (!ret)
		ret = hear_text(t, user, sizeof(user), get32(lengths));
	if (!ret)
		ret = hear_text(t, password, sizeof(password), get32(lengths + 4));
	if (!ret) {
		/* What was too long is "" now and fails like any other, with the same delay. */
		ret = t->h->login(t->h->arg, user, password, &why);
		explicit_bzero(password, sizeof(password));
		if (ret)
			*t->err = why;
		ret = tell_result(t, ret, why.text);
	}
	explicit_bzero(password, sizeof(password));
	return ret;
}

static int vencrypt(struct talk *t)
{
	u8 version[2] = {0, 2}, zero = 0, one = 1, types[9], choice[4];
	int ret = tell(t, version, 2);
	if (!ret)
		ret = hear(t, version, 2);
	if (ret)
		return ret;
	if (version[0] != 0 || version[1] != 2) {
		tell(t, &one, 1);
		return fail(t->err, -EPROTO, "the viewer speaks VeNCrypt %u.%u, not 0.2", version[0], version[1]);
	}
	types[0] = t->h->inside_tls ? 1 : 2;
	put32(types + 1, t->h->inside_tls ? VENCRYPT_PLAIN : VENCRYPT_X509_PLAIN);
	put32(types + 5, VENCRYPT_TLS_PLAIN);
	ret = tell(t, &zero, 1);
	if (!ret)
		ret = tell(t, types, 1u + 4u * types[0]);
	if (!ret)
		ret = hear(t, choice, sizeof(choice));
	if (ret)
		return ret;
	u32 chosen = get32(choice);
	if (chosen != get32(types + 1) && !(types[0] == 2 && chosen == VENCRYPT_TLS_PLAIN)) {
		tell(t, &zero, 1);
		return fail(t->err, -EPROTO, "the viewer chose VeNCrypt type %u, which was not offered", chosen);
	}
	if (chosen != VENCRYPT_PLAIN) {
		ret = tell(t, &one, 1);
		if (!ret)
			ret = stream_start_tls(t->s, chosen == VENCRYPT_X509_PLAIN ? t->h->certificate : NULL, t->h->anonymous, t->deadline,
					       t->err);
	}
	return ret ? ret : plain_auth(t);
}

int handshake_serve(const struct handshake *h, struct stream *s, u64 deadline, struct error *err)
{
	struct error unheard;
	struct talk t = {.h = h, .s = s, .deadline = deadline, .err = err ? err : &unheard};
	u8 type = 0;
	int ret = versions(&t);
	if (!ret)
		ret = choose_security(&t, &type);
	if (ret)
		return ret;
	return type == SECURITY_VNC ? vnc_auth(&t) : vencrypt(&t);
}

int handshake_join(int fd, struct error *err)
{
	u8 types[256], result[4], none = SECURITY_NONE;
	char version[VERSION_BYTES];
	/* Ours first: the library would wait for a browser otherwise. */
	int ret = write_full(fd, "RFB 003.008\n", VERSION_BYTES);
	if (ret || read_full(fd, version, sizeof(version)) != sizeof(version) || read_full(fd, types, 1) != 1 ||
	    read_full(fd, types + 1, types[0]) != types[0] || !memchr(types + 1, SECURITY_NONE, types[0]))
		return fail(err, -EPROTO, "the console server does not answer");
	ret = write_full(fd, &none, 1);
	if (ret || read_full(fd, result, sizeof(result)) != sizeof(result) || get32(result))
		return fail(err, -EPROTO, "the console server refuses");
	return 0;
}
