// uses: lib -lgnutls
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostile.c - viewers that mean no good: hostile HOST:PORT ADDRESS KIND [NUMBER]
 *
 *	one-byte	a byte or half a message at every stage, and silence
 *	half-tls	TLS begun, TLS up and half closed, and silence
 *	storm		8 at a time come as far as TLS and go, as fast as they can
 *	deaf		logged in: asks for whole pictures and never reads
 *	greedy		logged in: asks for whole pictures as fast as they come
 *	clipboard	logged in: 10 MB of clipboard, again and again
 *	random SEED	random bytes at every stage, again and again
 *	input		logged in: holds a mouse button and types, by keysyms and by scancodes
 *	connects N	N connections that say nothing
 *	guess SECONDS	20 connections that guess passwords
 *	login		not hostile: logs in once; "in MS", or "refused MS: SENTENCE" and status 1
 *
 * Comes from ADDRESS and logs in as $VNC_USERNAME. Prints "ready" when the harm is under way and goes on until it is killed; connects and guess end
 * with what they saw. Status 3: what must not happen did.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "rfb_client.h"

#define CONNECTIONS_MAX 512
#define CLIPBOARD_BYTES (10 * MIB)
#define TOO_LONG_BYTES (100 * MIB)
#define GUESSERS 20

static struct rfb_host host;
static const char *user, *password;

NORETURN static void wrong(const char *what)
{
	printf("wrong: %s\n", what);
	exit(3);
}

NORETURN static void stay(void)
{
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}

static bool log_in(struct rfb *r)
{
	return rfb_enter(r, &host, user, password);
}

/* ---- silence ---- */

static void one_byte(unsigned number)
{
	/* Beginnings of messages: encodings, a clipboard of 60000 bytes, its body, a key, a scancode, an update request, a fence. */
	static const struct { u8 n, bytes[12]; } halves[] = {
		{1, {2}}, {7, {2, 0, 0, 3, 0, 0, 0}}, {4, {6, 0, 0, 0}}, {9, {6, 0, 0, 0, 0, 0, 0xea, 0x60, 'x'}}, {1, {4}},
		{3, {255, 0, 0}}, {9, {3, 0, 0, 0, 0, 0, 2, 0, 1}}, {5, {248, 0, 0, 0, 0}}};
	struct rfb r;
	(void)number;
	for (unsigned k = 0; k < 3; k++) {
		if (!rfb_until(&r, &host, RFB_CONNECTED) || !rfb_send(&r, "R", 1) || !rfb_until(&r, &host, RFB_CONNECTED) ||
		    !rfb_send(&r, "\x16", 1) || !rfb_until(&r, &host, RFB_VERSION) || !rfb_until(&r, &host, RFB_VENCRYPT) ||
		    !rfb_send(&r, "", 1) || !rfb_until(&r, &host, RFB_BEFORE_TLS) || !rfb_send(&r, "\x16", 1) ||
		    !rfb_until(&r, &host, RFB_INSIDE_TLS) || !rfb_send(&r, "", 1))
			wrong("a stranger was not let as far as he may come");
	}
	for (size_t k = 0; k < ARRAY_SIZE(halves); k++)
		if (!log_in(&r) || !rfb_send(&r, halves[k].bytes, halves[k].n))
			wrong("no log-in");
	/* Logged in, and not even ClientInit. */
	if (!rfb_until(&r, &host, RFB_INSIDE_TLS) || !rfb_login(&r, user, password))
		wrong("no log-in");
	stay();
}

static u8 hello[16384];
static size_t hello_n;

static ssize_t hello_take(gnutls_transport_ptr_t arg, const void *bytes, size_t n)
{
	(void)arg;
	n = MIN(n, sizeof(hello) - hello_n);
	memcpy(hello + hello_n, bytes, n);
	hello_n += n;
	return (ssize_t)n;
}

static ssize_t hello_end(gnutls_transport_ptr_t arg, void *bytes, size_t n)
{
	(void)arg, (void)bytes, (void)n;
	errno = EIO;
	return -1;
}

/* What GnuTLS would say first. */
static void hello_make(void)
{
	gnutls_session_t s;
	gnutls_certificate_credentials_t nobody;
	gnutls_certificate_allocate_credentials(&nobody);
	gnutls_init(&s, GNUTLS_CLIENT);
	gnutls_set_default_priority(s);
	gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, nobody);
	gnutls_transport_set_push_function(s, hello_take);
	gnutls_transport_set_pull_function(s, hello_end);
	gnutls_handshake(s);
	gnutls_deinit(s);
	gnutls_certificate_free_credentials(nobody);
	if (hello_n < 100)
		wrong("no ClientHello was made");
}

static void half_tls(unsigned number)
{
	struct rfb r;
	(void)number;
	hello_make();
	for (unsigned k = 0; k < 3; k++) {
		if (!rfb_until(&r, &host, RFB_CONNECTED) || !rfb_send(&r, hello, hello_n / 2) || !rfb_until(&r, &host, RFB_CONNECTED) ||
		    !rfb_send(&r, hello, hello_n) || !rfb_until(&r, &host, RFB_BEFORE_TLS) || !rfb_send(&r, hello, hello_n / 2) ||
		    !rfb_until(&r, &host, RFB_BEFORE_TLS) || !rfb_send(&r, hello, hello_n))
			wrong("a stranger was not let as far as he may come");
		if (!rfb_until(&r, &host, RFB_INSIDE_TLS) || gnutls_bye(r.tls, GNUTLS_SHUT_WR))
			wrong("TLS cannot be closed by half");
		if (!log_in(&r) || !rfb_request(&r, false) || gnutls_bye(r.tls, GNUTLS_SHUT_WR))
			wrong("no log-in");
	}
	stay();
}

static void connects(unsigned number)
{
	static struct rfb r[CONNECTIONS_MAX];
	struct pollfd p[CONNECTIONS_MAX];
	u64 begin = now_monotonic(), first = 0;
	unsigned n = MIN(number, CONNECTIONS_MAX), open = n, refused = 0;
	for (unsigned k = 0; k < n; k++) {
		if (!rfb_connect(&r[k], &host))
			wrong("a connection was not even accepted");
		p[k] = (struct pollfd){.fd = r[k].fd, .events = POLLIN};
	}
	printf("ready\n");
	fflush(stdout);
	while (open) {
		char drop[256];
		if (poll(p, n, 1000) < 0 || now_monotonic() - begin > 600 * NSEC_PER_SEC)
			wrong("connections that say nothing are kept");
		for (unsigned k = 0; k < n; k++) {
			if (p[k].fd < 0 || !p[k].revents || read(p[k].fd, drop, sizeof(drop)) > 0)
				continue;
			p[k].fd = -1;
			open--;
			/* At once, or after the time that strangers have. */
			if (now_monotonic() - begin < 20 * NSEC_PER_SEC)
				refused++;
			else if (!first)
				first = now_monotonic();
		}
	}
	printf("refused %u, the others closed after %llu to %llu s\n", refused, (unsigned long long)((first ? first - begin : 0) / NSEC_PER_SEC),
	       (unsigned long long)((now_monotonic() - begin) / NSEC_PER_SEC));
}

/* ---- harm by those who are in ---- */

/* Runs act() in `n` processes, which end with this one. */
static void several(unsigned n, void (*act)(unsigned k))
{
	fflush(stdout);
	for (unsigned k = 0; k < n; k++) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			act(k);
			_exit(0);
		}
	}
}

static int told[2]; /* a pipe: one byte of each process that has begun */

static void tell(void)
{
	if (write(told[1], "", 1) != 1)
		_exit(1);
}

static void hear(unsigned n)
{
	char drop;
	struct pollfd p = {.fd = told[0], .events = POLLIN};
	while (n--)
		if (poll(&p, 1, RFB_SECONDS * 1000) != 1 || read(told[0], &drop, 1) != 1)
			wrong("a hostile viewer did not come so far");
}

static void be_storm(unsigned k)
{
	struct rfb r;
	(void)k;
	for (unsigned n = 0;; n++) {
		rfb_until(&r, &host, RFB_INSIDE_TLS);
		rfb_close(&r);
		if (n == 3)
			tell();
	}
}

static void storm(unsigned number)
{
	(void)number;
	several(8, be_storm);
	hear(8);
	stay();
}

static void be_deaf(unsigned k)
{
	struct rfb r;
	int small = 4096;
	(void)k;
	if (!log_in(&r))
		return;
	setsockopt(r.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (!rfb_send(&r, "\2\0\0\1\0\0\0\0", 8))
		return;
	for (unsigned n = 0;; n++) {
		if (n == 5)
			tell();
		/* When even requests are not taken any more he waits: that is what he came for. */
		if (!rfb_request(&r, false) && errno != EAGAIN)
			pause();
		if (n > 100000)
			pause();
	}
}

static void deaf(unsigned number)
{
	(void)number;
	several(3, be_deaf);
	hear(3);
	stay();
}

static void be_greedy(unsigned k)
{
	static u8 drop[65536];
	struct rfb r;
	(void)k;
	if (!log_in(&r) || !rfb_send(&r, "\2\0\0\1\0\0\0\0", 8) || !rfb_request(&r, false))
		return;
	tell();
	for (size_t picture = 4ul * r.width * r.height, got = 0;;) {
		ssize_t n = gnutls_record_recv(r.tls, drop, sizeof(drop));
		if (n <= 0)
			return;
		/* Two requests are always open. */
		for (got += (size_t)n; got >= picture / 2; got -= picture / 2)
			if (!rfb_request(&r, false))
				return;
	}
}

static void greedy(unsigned number)
{
	(void)number;
	several(3, be_greedy);
	hear(3);
	stay();
}

static void paste(unsigned k)
{
	static u8 text[65536];
	u8 head[8] = {6};
	struct rfb r;
	(void)k;
	memset(text, 'a', sizeof(text));
	rfb_put32(head + 4, CLIPBOARD_BYTES);
	for (bool first = true; log_in(&r); rfb_close(&r)) {
		for (unsigned n = 0; n < 20 && rfb_send(&r, head, 8); n++) {
			for (size_t done = 0; done < CLIPBOARD_BYTES; done += sizeof(text))
				if (!rfb_send(&r, text, sizeof(text)))
					break;
			if (first)
				tell();
			first = false;
		}
		/* And one whose length alone must end the connection. */
		rfb_put32(head + 4, TOO_LONG_BYTES);
		if (!rfb_send(&r, head, 8) || !rfb_closes(&r, RFB_SECONDS))
			kill(getppid(), SIGUSR1);
		rfb_put32(head + 4, CLIPBOARD_BYTES);
	}
}

static void not_closed(int signal_number)
{
	static const char text[] = "wrong: a clipboard of 100 MB was taken\n";
	(void)signal_number;
	(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
	_exit(3);
}

static void clipboard(unsigned number)
{
	(void)number;
	signal(SIGUSR1, not_closed);
	several(2, paste);
	hear(2);
	stay();
}

static void input(unsigned number)
{
	struct rfb r;
	u8 scancode[12] = {255, 0, 0, 1, 0, 0, 0, 'b', 0, 0, 0, 0x30};
	struct timespec rest = {0, 2000000};
	(void)number;
	if (!log_in(&r) || !rfb_send(&r, "\2\0\0\2\xff\xff\xfe\xfe\0\0\0\0", 12))
		wrong("no log-in");
	for (unsigned n = 0;; n++) {
		if (n == 100) {
			printf("ready\n");
			fflush(stdout);
		}
		scancode[3] = n & 1;
		if (!rfb_pointer(&r, n % 700, n % 390, 7) || !rfb_key(&r, 'b', n & 1) || !rfb_send(&r, scancode, sizeof(scancode)) ||
		    !rfb_key(&r, 0xffe3, true))
			wrong("a viewer that only looks was sent away");
		nanosleep(&rest, NULL);
	}
}

/* ---- random bytes ---- */

static u64 seed;

static u64 next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static size_t noise(u8 *to, size_t room)
{
	size_t n = 1 + next() % (next() % 4 ? 64 : room);
	for (size_t k = 0; k < n; k++)
		to[k] = (u8)next();
	return n;
}

/* A message's type and noise, or noise alone. */
static size_t noise_message(u8 *to, size_t room)
{
	static const u8 types[] = {0, 2, 3, 4, 5, 6, 150, 248, 250, 251, 255};
	size_t n = noise(to, room);
	if (next() & 1)
		to[0] = types[next() % ARRAY_SIZE(types)];
	return n;
}

static size_t noise_request(u8 *to, size_t room)
{
	static const char *const parts[] = {"GET ", "HEAD ", "/", "/vnc.html", "/../", "%2e", " HTTP/1.1\r\n", "\r\n", "Host: h\r\n", "Upgrade: websocket\r\n",
					    "Origin: https://h\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ": ", "\r\n\r\n"};
	size_t n = 0;
	for (unsigned k = next() % 24; k; k--) {
		const char *part = parts[next() % ARRAY_SIZE(parts)];
		if (n + strlen(part) + 80 > room)
			break;
		memcpy(to + n, part, strlen(part));
		n += strlen(part);
		if (next() % 8 == 0)
			n += noise(to + n, 65);
	}
	return n ? n : noise(to, room);
}

static bool to_websocket(struct rfb *r)
{
	static const char request[] = "GET /w HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: binary\r\n"
				      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	char answer[12];
	return rfb_until(r, &host, RFB_CONNECTED) && rfb_start_tls(r) && rfb_send(r, request, sizeof(request) - 1) &&
	       rfb_receive(r, answer, sizeof(answer)) && memcmp(answer, "HTTP/1.1 101", 12) == 0;
}

enum { AT_HTTP = RFB_INSIDE_TLS + 1, AT_FRAMES, AT_INIT, AT_MESSAGE, STAGES };

static bool reach(struct rfb *r, unsigned stage)
{
	if (stage <= RFB_INSIDE_TLS)
		return rfb_until(r, &host, (enum rfb_stage)stage);
	if (stage == AT_HTTP)
		return rfb_until(r, &host, RFB_CONNECTED) && rfb_start_tls(r);
	if (stage == AT_FRAMES)
		return to_websocket(r);
	return rfb_until(r, &host, RFB_INSIDE_TLS) && rfb_login(r, user, password) && (stage == AT_INIT || rfb_init(r));
}

static bool all_reached(const unsigned reached[STAGES])
{
	for (unsigned k = 0; k < STAGES; k++)
		if (!reached[k])
			return false;
	return true;
}

static void random_bytes(unsigned number)
{
	static u8 bytes[8192];
	unsigned reached[STAGES] = {0};
	bool ready = false;
	seed = 0x9e3779b97f4a7c15 ^ number;
	for (unsigned round = 0;; round++) {
		unsigned stage = round % STAGES;
		struct rfb r;
		/* Some are refused: there may be too many strangers. */
		if (reach(&r, stage)) {
			size_t n = stage == AT_HTTP ? noise_request(bytes, sizeof(bytes)) : stage == AT_MESSAGE ? noise_message(bytes, sizeof(bytes))
				 : noise(bytes, sizeof(bytes));
			/* Over a finished TLS or below it. */
			if (r.tls && next() % 8 == 0)
				(void)!send(r.fd, bytes, n, MSG_NOSIGNAL);
			else
				rfb_send(&r, bytes, n);
			if (next() % 4 == 0)
				rfb_closes(&r, 1);
			reached[stage]++;
		}
		rfb_close(&r);
		if (!ready && all_reached(reached)) {
			printf("ready\n");
			fflush(stdout);
			ready = true;
		}
		if (!ready && round == 10 * STAGES)
			wrong("a stage of the protocol was never reached");
	}
}

/* ---- passwords ---- */

struct guesses {
	_Atomic unsigned answers, silent, in, other_words;
	char words[256]; /* of the first refusal */
	_Atomic unsigned have_words;
};
static struct guesses *guesses;

static void be_guesser(unsigned k)
{
	u64 n = 0;
	for (;;) {
		struct rfb r;
		char try[32];
		snprintf(try, sizeof(try), "%u-%llu", k, (unsigned long long)n++);
		bool in = rfb_until(&r, &host, RFB_INSIDE_TLS) && rfb_login(&r, user, try);
		guesses->in += in;
		if (in)
			kill(getppid(), SIGUSR1);
		if (r.refusal[0]) {
			guesses->answers++;
			unsigned none = 0;
			if (atomic_compare_exchange_strong(&guesses->have_words, &none, 1)) {
				str_copy(guesses->words, sizeof(guesses->words), r.refusal);
				guesses->have_words = 2;
			}
			if (guesses->have_words == 2 && strcmp(guesses->words, r.refusal) != 0) {
				guesses->other_words++;
				kill(getppid(), SIGUSR2);
			}
		} else {
			guesses->silent++;
			nanosleep(&(struct timespec){0, 50000000}, NULL);
		}
		rfb_close(&r);
	}
}

/* At once: who attacks only while something is measured is killed before he comes to his end. */
static void guessed(int signal_number)
{
	static const char in[] = "wrong: a guessed password was taken\n", words[] = "wrong: guesses are refused in different words\n";
	if (signal_number == SIGUSR1)
		(void)!write(STDOUT_FILENO, in, sizeof(in) - 1);
	else
		(void)!write(STDOUT_FILENO, words, sizeof(words) - 1);
	_exit(3);
}

static void guess(unsigned number)
{
	signal(SIGUSR1, guessed);
	signal(SIGUSR2, guessed);
	guesses = mmap(NULL, sizeof(*guesses), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (guesses == MAP_FAILED)
		wrong("no memory");
	several(GUESSERS, be_guesser);
	printf("ready\n");
	fflush(stdout);
	sleep(number);
	printf("answers %u, unanswered %u, in %u, other words %u: %s\n", guesses->answers, guesses->silent, guesses->in, guesses->other_words,
	       guesses->words);
	if (guesses->in || guesses->other_words)
		exit(3);
}

static void login(unsigned number)
{
	struct rfb r;
	(void)number;
	if (!rfb_until(&r, &host, RFB_INSIDE_TLS)) {
		printf("refused 0: no conversation\n");
		exit(1);
	}
	u64 begin = now_monotonic();
	bool in = rfb_login(&r, user, password) && rfb_init(&r);
	double ms = (double)(now_monotonic() - begin) / 1e6;
	if (in)
		printf("in %.0f\n", ms);
	else
		printf("refused %.0f: %s\n", ms, r.refusal);
	exit(!in);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; void (*act)(unsigned); } kinds[] = {
		{"one-byte", one_byte}, {"half-tls", half_tls}, {"storm", storm}, {"deaf", deaf}, {"greedy", greedy}, {"clipboard", clipboard}, {"random", random_bytes},
		{"input", input}, {"connects", connects}, {"guess", guess}, {"login", login}};
	user = getenv("VNC_USERNAME");
	password = getenv("VNC_PASSWORD");
	if (argc < 4 || !user || !password || !rfb_host_parse(&host, argv[1], argv[2]) || pipe(told))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		if (strcmp(argv[3], kinds[k].name) == 0) {
			kinds[k].act(argc > 4 ? (unsigned)atoi(argv[4]) : 1);
			return 0;
		}
	}
	return 2;
}
