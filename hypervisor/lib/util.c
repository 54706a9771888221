/* SPDX-License-Identifier: GPL-2.0-or-later */
/* util.c - see util.h */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);
	if (!p)
		fatal("out of memory");
	return p;
}

void *xrealloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		fatal("out of memory");
	return p;
}

char *xstrdup(const char *s)
{
	char *copy = strdup(s);
	if (!copy)
		fatal("out of memory");
	return copy;
}

char *xasprintf(const char *fmt, ...)
{
	char *s;
	va_list args;
	va_start(args, fmt);
	int n = vasprintf(&s, fmt, args);
	va_end(args);
	if (n < 0)
		fatal("out of memory");
	return s;
}

bool parse_u64(const char *s, u64 min, u64 max, u64 *out)
{
	/* strtoull takes signs and leading blanks; numbers here have neither. */
	if (*s < '0' || *s > '9')
		return false;
	char *end;
	errno = 0;
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	unsigned long long v = strtoull(s, &end, hex ? 16 : 10);
	if (errno || *end || v < min || v > max)
		return false;
	*out = v;
	return true;
}

bool parse_bool(const char *s, bool *out)
{
	static const char *const yes[] = {"true", "yes", "1", "on"}, *const no[] = {"false", "no", "0", "off"};
	for (size_t k = 0; k < ARRAY_SIZE(yes); k++) {
		if (str_ieq(s, yes[k]) || str_ieq(s, no[k])) {
			*out = str_ieq(s, yes[k]);
			return true;
		}
	}
	return false;
}

bool str_ieq(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[64], n = (unsigned)strlen(b);
	if (n >= ARRAY_SIZE(row))
		return n;
	for (unsigned k = 0; k <= n; k++)
		row[k] = k;
	for (unsigned i = 0; a[i]; i++) {
		unsigned diagonal = row[0];
		row[0] = i + 1;
		for (unsigned k = 0; k < n; k++) {
			unsigned change = diagonal + (a[i] != b[k]), other = MIN(row[k], row[k + 1]) + 1;
			diagonal = row[k + 1];
			row[k + 1] = MIN(change, other);
		}
	}
	return row[n];
}

void str_copy(char *to, size_t size, const char *from)
{
	if (!size)
		return;
	size_t len = strnlen(from, size - 1);
	memcpy(to, from, len);
	to[len] = 0;
}

size_t str_control(const char *text, u32 *code)
{
	const unsigned char *b = (const unsigned char *)text;
	size_t len = 0;
	u32 c = b[0];
	if (c && (c < ' ' || c == 0x7f)) {
		len = 1;
	} else if (c == 0xc2 && b[1] >= 0x80 && b[1] <= 0x9f) {
		c = b[1];
		len = 2;
	} else if (c == 0xe2 && (b[1] == 0x80 || b[1] == 0x81) && (b[2] & 0xc0) == 0x80) {
		c = 0x2000 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
		len = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ? 3 : 0;
	}
	if (code && len)
		*code = c;
	return len;
}

void str_tame(char *text, bool lines)
{
	char *to = text;
	while (*text) {
		size_t len = lines && *text == '\n' ? 0 : str_control(text, NULL);
		*to++ = len ? '?' : *text;
		text += len ? len : 1;
	}
	*to = 0;
}

/* The first error: later ones may be of a stream that has nothing left to write. */
static int stdout_errno;

bool stdout_flush(void)
{
	if (!fflush(stdout))
		return true;
	if (!stdout_errno)
		stdout_errno = errno;
	return false;
}

void stdio_open(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int stdout_end(int status)
{
	if ((stdout_flush() && !ferror(stdout)) || stdout_errno == EPIPE)
		return status;
	fprintf(stderr, "%s: the output could not be written: %s\n", program_invocation_short_name, stdout_errno ? strerror(stdout_errno) : "it is not complete");
	return status ? status : 1;
}

/* Bytes of the character at p, 0: not one; *cut: the text ends in the middle of it. */
static unsigned utf8_length(const unsigned char *p, bool *cut)
{
	static const u32 least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned n = *p < 0x80 ? 1 : *p >= 0xf0 && *p < 0xf8 ? 4 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xc0 && *p < 0xe0 ? 2 : 0;
	u32 code = n > 1 ? *p & (0x7fu >> n) : *p;
	*cut = false;
	for (unsigned k = 1; k < n; k++) {
		*cut = !p[k];
		if ((p[k] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[k] & 0x3f);
	}
	return n && code >= least[n] && code <= 0x10ffff && (code & ~0x7ffu) != 0xd800 ? n : 0;
}

void utf8_clean(char *text)
{
	bool cut;
	for (unsigned n; *text; text += n) {
		n = utf8_length((const unsigned char *)text, &cut);
		if (n)
			continue;
		*text = cut ? 0 : '?';
		n = !cut;
	}
}

int write_full(int fd, const void *buf, size_t len)
{
	const char *p = buf;
	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;
	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int read_fd(int fd, const char *name, size_t max, char **out, size_t *len, struct error *err)
{
	size_t size = 0, room = 0;
	char *text = NULL;
	for (;;) {
		if (size + 1 >= room) {
			room = room ? room * 2 : 8192;
			text = xrealloc(text, room);
		}
		ssize_t n = read_full(fd, text + size, room - size - 1);
		if (n < 0) {
			free(text);
			return fail(err, (int)n, "cannot read %s: %s", name, strerror((int)-n));
		}
		size += (size_t)n;
		if (size > max) {
			free(text);
			return fail(err, -EFBIG, "%s is larger than %zu bytes", name, max);
		}
		if (n == 0)
			break;
	}
	text[size] = 0;
	*out = text;
	if (len)
		*len = size;
	return 0;
}

int read_file(const char *path, size_t max, char **out, size_t *len, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail(err, -errno, "cannot open %s: %m", path);
	struct stat st;
	int ret;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		ret = fail(err, -EISDIR, "%s is a folder", path);
	else
		ret = read_fd(fd, path, max, out, len, err);
	close(fd);
	return ret;
}

int sync_folder_of(const char *path)
{
	char *copy = xstrdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
	free(copy);
	if (fd < 0)
		return -errno;
	if (fsync(fd) && errno != EINVAL)
		ret = -errno;
	close(fd);
	return ret;
}

int replace_file(const char *path, const char *text, size_t len, mode_t mode, struct error *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	/* Of a folder whose files are all read by somebody, those with a dot before are not. */
	char *temporary = xasprintf("%.*s.%s.XXXXXX", (int)(name - path), path, name);
	int fd = mkostemp(temporary, O_CLOEXEC), ret = 0;
	if (fd < 0) {
		ret = fail(err, -errno, "cannot write %s: %m", path);
		goto out;
	}
	ret = write_full(fd, text, len);
	if (!ret && (fchmod(fd, mode) || fsync(fd)))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	if (!ret && rename(temporary, path))
		ret = -errno;
	if (ret) {
		unlink(temporary);
		fail(err, ret, "cannot write %s: %s", path, strerror(-ret));
	} else {
		(void)sync_folder_of(path); /* the new content is in place either way */
	}
out:
	free(temporary);
	return ret;
}

int make_dirs(const char *path, mode_t mode, struct error *err)
{
	char *copy = xstrdup(path);
	int ret = 0;
	for (char *p = copy + 1; !ret; p++) {
		if (*p && *p != '/')
			continue;
		char saved = *p;
		*p = 0;
		if (mkdir(copy, mode) && errno != EEXIST)
			ret = fail(err, -errno, "cannot make the folder %s: %m", copy);
		*p = saved;
		if (!saved)
			break;
	}
	free(copy);
	return ret;
}

static u64 now(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}

u64 now_monotonic(void)
{
	return now(CLOCK_MONOTONIC);
}

u64 now_realtime(void)
{
	return now(CLOCK_REALTIME);
}

static char *the_root;

void set_root(const char *root)
{
	free(the_root);
	the_root = xstrdup(root);
	for (size_t n = strlen(the_root); n && the_root[n - 1] == '/'; n--)
		the_root[n - 1] = 0;
}

const char *get_root(void)
{
	if (the_root)
		return the_root;
	const char *env = getenv("VMK_ROOT");
	return env ? env : "";
}

char *root_path(const char *fmt, ...)
{
	char *tail;
	va_list args;
	va_start(args, fmt);
	if (vasprintf(&tail, fmt, args) < 0)
		fatal("out of memory");
	va_end(args);
	char *path = xasprintf("%s/%s", get_root(), tail[0] == '/' ? tail + 1 : tail);
	free(tail);
	return path;
}
