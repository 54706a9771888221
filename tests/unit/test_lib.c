// uses: lib
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors, numbers, files, sockets and the state stream. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/machine_words.h"
#include "lib/sock.h"
#include "lib/state.h"
#include "lib/util.h"
#include "temporary.h"

Test(lib, text_becomes_utf8)
{
	static const char *const cases[][2] = {
		{"plain", "plain"},
		{"gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"cut \xc3", "cut "},
		{"cut \xf0\x9f\x98", "cut "},
		{"gr\xfc\xdf" "e", "gr??e"},
		{"\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80", "?????????"},
		{"a\xe2\x82z", "a??z"},
		{"\x80", "?"},
	};
	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		char text[40];
		str_copy(text, sizeof(text), cases[k][0]);
		utf8_clean(text);
		cr_expect_str_eq(text, cases[k][1], "%u", k);
	}
}

Test(error, sentence_may_quote_itself)
{
	struct error err;
	cr_assert_eq(fail(&err, -ENOENT, "no machine %s", "a"), -ENOENT);
	cr_assert_eq(fail_prefix(&err, "line %d", 3), -ENOENT);
	cr_assert_str_eq(err.text, "line 3: no machine a");
	fail(&err, -EINVAL, "<%s>", err.text);
	cr_assert_str_eq(err.text, "<line 3: no machine a>");
}

Test(util, numbers)
{
	u64 v = 7;
	cr_assert(parse_u64("0x10", 0, 100, &v) && v == 16);
	cr_assert(parse_u64("0", 0, 0, &v) && v == 0);
	cr_assert(parse_u64("18446744073709551615", 0, UINT64_MAX, &v) && v == UINT64_MAX);
	const char *bad[] = {"", " 1", "-1", "+1", "1x", "0x", "101", "18446744073709551616", "1 "};
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		cr_assert_not(parse_u64(bad[k], 0, 100, &v), "%s", bad[k]);
}

Test(util, booleans)
{
	bool b = false;
	cr_assert(parse_bool("TRUE", &b) && b);
	cr_assert(parse_bool("off", &b) && !b);
	cr_assert_not(parse_bool("maybe", &b));
}

Test(util, what_acts_on_a_terminal)
{
	static const struct {
		const char *text, *tamed;
	} cases[] = {
		{"plain \xc3\xbc \xe2\x82\xac", "plain \xc3\xbc \xe2\x82\xac"},
		{"a\033[2J\x7f\tb", "a?[2J??b"},
		{"\xc2\x9b" "2J\xc2\x80\xc2\x9f\xc2\xa0", "?2J??\xc2\xa0"}, /* C1, and the blank behind them */
		{"a\xe2\x80\xae" "b\xe2\x80\xaa", "a?b?"},
		{"\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa", "??\xe2\x81\xaa"},
		{"\xe2\x80\xa9\xe2\x80\xaf", "\xe2\x80\xa9\xe2\x80\xaf"},
		{"cut \xc2", "cut \xc2"},
		{"cut \xe2\x80", "cut \xe2\x80"},
	};
	u32 code = 0;
	for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
		char *text = xstrdup(cases[k].text);
		str_tame(text, false);
		cr_assert_str_eq(text, cases[k].tamed);
		free(text);
	}
	char lines[] = "a\nb\r\n";
	str_tame(lines, true);
	cr_assert_str_eq(lines, "a\nb?\n");
	cr_assert(str_control("\xe2\x80\xae", &code) == 3 && code == 0x202e);
	cr_assert(str_control("\xc2\x9b", &code) == 2 && code == 0x9b);
	cr_assert_eq(str_control("", NULL), 0);
}

Test(machine_words, names)
{
	static const char *const bad[] = {"", " a", "a ", ".a", "-a", "a/b", "a\033[2J", "a\xc2\x9b" "2J", "a\xe2\x80\xae" "b",
					  "a\xe2\x81\xa6" "b", "a\x7f", "a`b", "a\nb"};
	struct error err;
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		cr_assert_eq(machine_name_check(bad[k], &err), -EINVAL, "%zu", k);
	cr_assert_eq(machine_name_check("M\xc3\xbcllers Rechner; 2", &err), 0, "%s", err.text);
	cr_assert_eq(machine_name_check("\xe2\x82\xac", &err), 0, "%s", err.text);
}

Test(util, replace_file_is_whole_or_not_at_all)
{
	struct error err;
	char folder[TEMPORARY_PATH], *path = xasprintf("%s/f", temporary_folder(folder)), *text;
	cr_assert_eq(replace_file(path, "old", 3, 0640, &err), 0);
	struct stat st;
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0640);

	/* A disk that takes no more: the file size limit stands for it. */
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit old, limit;
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 2;
	setrlimit(RLIMIT_FSIZE, &limit);
	cr_assert_lt(replace_file(path, "much newer", 10, 0640, &err), 0);
	setrlimit(RLIMIT_FSIZE, &old);

	cr_assert_eq(read_file(path, 100, &text, NULL, &err), 0);
	cr_assert_str_eq(text, "old");
	cr_assert_eq(read_file(path, 2, &text, NULL, &err), -EFBIG);
	cr_assert_eq(read_file("/tmp", 2, &text, NULL, &err), -EISDIR);
}

Test(util, standard_files_that_are_closed)
{
	struct stat null, st;
	int status;

	cr_assert_eq(stat("/dev/null", &null), 0);
	pid_t child = fork();
	if (child == 0) {
		int pair[2];
		close(0), close(2);
		stdio_open();
		bool same = fstat(0, &st) == 0 && st.st_rdev == null.st_rdev && fstat(2, &st) == 0 && st.st_rdev == null.st_rdev;
		_exit(!same || pipe(pair) || pair[0] < 3);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect_eq(status, 0);
}

Test(util, roots)
{
	set_root("/srv/x//");
	char *path = root_path("etc/vmk/%s", "vm-list");
	cr_assert_str_eq(path, "/srv/x/etc/vmk/vm-list");
	free(path);
	set_root("/");
	path = root_path("/etc");
	cr_assert_str_eq(path, "/etc");
	free(path);
}

Test(sock, descriptors_and_peer)
{
	int pair[2], sent[2], got[1];
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	cr_assert_eq(pipe(sent), 0);
	cr_assert_eq(sock_send(pair[0], "x", 1, sent, 2), 1);
	char byte;
	unsigned n = 1; /* room for one: the other must be closed, not leaked */
	int lowest = dup(0);
	close(lowest);
	cr_assert_eq(sock_recv(pair[1], &byte, 1, got, &n), 1);
	cr_assert_eq(n, 1);
	cr_assert(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	close(got[0]);
	int after = dup(0);
	cr_assert_eq(after, lowest, "a surplus descriptor leaked");

	struct sock_peer peer = {0};
	cr_assert_eq(sock_peer(pair[0], &peer), 0);
	cr_assert_eq(peer.uid, getuid());
	cr_assert_eq(peer.pid, getpid());
	close(pair[1]);
	cr_assert_eq(sock_send(pair[0], "x", 1, NULL, 0), -EPIPE);
}

/* The length variable handed to accept() must not end up in SO_PEERCRED's call: every peer would be uid 0. */
Test(sock, peer_of_an_accepted_connection)
{
	struct error err;
	char folder[TEMPORARY_PATH], *path = xasprintf("%s/s", temporary_folder(folder));
	int listener = sock_listen(path, SOCK_STREAM, 0666, &err);
	cr_assert_geq(listener, 0);
	chmod(folder, 0755);
	pid_t child = fork();
	if (!child) {
		if (getuid() == 0 && setresuid(12345, 12345, 12345))
			_exit(1);
		int fd = sock_connect(path, SOCK_STREAM, NULL);
		pause();
		_exit(fd < 0);
	}
	int fd = accept(listener, NULL, NULL);
	struct sock_peer peer;
	cr_assert_eq(sock_peer(fd, &peer), 0);
	cr_assert_eq(peer.pid, child);
	cr_assert_eq(peer.uid, getuid() == 0 ? 12345 : getuid());
	kill(child, SIGKILL);
}

Test(sock, long_paths)
{
	struct error err;
	char folder[TEMPORARY_PATH], *deep = xasprintf("%s/%0*d", temporary_folder(folder), 150, 1);
	cr_assert_eq(make_dirs(deep, 0755, &err), 0);
	char *path = xasprintf("%s/door.sock", deep);
	int listener = sock_listen(path, SOCK_STREAM, 0600, &err);
	cr_assert_geq(listener, 0, "%s", err.text);
	cr_assert_geq(sock_connect(path, SOCK_STREAM, &err), 0, "%s", err.text);
	cr_assert_geq(sock_listen(path, SOCK_STREAM, 0600, &err), 0, "a dead socket file is replaced");
}

Test(state, round_trip_and_damage)
{
	struct state_writer *w = state_writer_new();
	state_begin(w, "pit", 2);
	put_u8(w, 0xab);
	put_u16(w, 0x1234);
	put_u32(w, 0xdeadbeef);
	put_u64(w, 0x0123456789abcdef);
	put_bool(w, true);
	put_bytes(w, "xyz", 3);
	state_end(w);
	size_t len;
	const u8 *data = state_writer_data(w, &len);
	u8 copy[128];
	cr_assert_leq(len, sizeof(copy));

	struct error err;
	u16 version;
	struct state_reader *r = state_reader_new(data, len);
	cr_assert_eq(state_open(r, "pit", 2, &version, &err), 0, "%s", err.text);
	cr_assert_eq(version, 2);
	cr_assert_eq(get_u8(r), 0xab);
	cr_assert_eq(get_u16(r), 0x1234);
	cr_assert_eq(get_u32(r), 0xdeadbeef);
	cr_assert_eq(get_u64(r), 0x0123456789abcdef);
	cr_assert(get_bool(r));
	char text[3];
	get_bytes(r, text, 3);
	cr_assert_eq(memcmp(text, "xyz", 3), 0);
	cr_assert_eq(state_close(r, &err), 0);
	state_reader_free(r);

	/* Every single damaged byte and every truncation is noticed. */
	for (size_t at = 0; at < len; at++) {
		memcpy(copy, data, len);
		copy[at] ^= 0x40;
		r = state_reader_new(copy, len);
		if (at != 18 && at != 19) /* reserved */
			cr_assert_neq(state_open(r, "pit", 2, &version, &err), 0, "byte %zu", at);
		state_reader_free(r);
		r = state_reader_new(data, at);
		cr_assert_neq(state_open(r, "pit", 2, &version, &err), 0);
		state_reader_free(r);
	}

	/* Reading too much or too little is an error, never an overrun. */
	r = state_reader_new(data, len);
	cr_assert_eq(state_open(r, "pit", 2, &version, &err), 0);
	get_u32_max(r, 3);
	cr_assert_neq(state_close(r, &err), 0);
	state_reader_free(r);
	r = state_reader_new(data, len);
	cr_assert_eq(state_open(r, "pit", 2, &version, &err), 0);
	for (int k = 0; k < 10; k++) {
		u64 v = get_u64(r); /* 19 bytes of payload: two whole numbers */
		cr_assert(k < 2 ? v != 0 : v == 0, "%d", k);
	}
	cr_assert_neq(state_close(r, &err), 0);
	state_reader_free(r);
	state_writer_free(w);
}

Test(log, guests_cannot_forge_lines)
{
	int fds[2];
	cr_assert_eq(pipe(fds), 0);
	log_open("test", fds[1]);
	log_info("a\nb %s", "\033[2J");
	char text[256] = "";
	ssize_t n = read(fds[0], text, sizeof(text) - 1);
	cr_assert_gt(n, 0);
	cr_assert(strstr(text, "test info: a?b ?[2J\n"), "%s", text);
	for (int k = 0; k < 1000; k++)
		log_limited(LOG_LEVEL_WARNING, "flood");
	static char flood[65536];
	n = read(fds[0], flood, sizeof(flood) - 1);
	int lines = 0;
	for (ssize_t k = 0; k < n; k++)
		lines += flood[k] == '\n';
	cr_assert(lines >= LOG_BURST && lines <= 10 * LOG_BURST, "%d lines", lines);
}
