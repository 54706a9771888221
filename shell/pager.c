// SPDX-License-Identifier: GPL-2.0-or-later
/* pager.c - see pager.h */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "lib/util.h"
#include "shell/interrupt.h"
#include "shell/pager.h"

#define DEFAULT_PAGER "less -RFX"

/* glibc lets its streams be assigned: so whoever prints need not know where it goes. */
void capture_begin(struct capture *c, bool errors)
{
	*c = (struct capture){.out = stdout, .err = stderr};
	fflush(stdout);
	c->into = open_memstream(&c->text, &c->len);
	if (!c->into)
		fatal("out of memory");
	stdout = c->into;
	if (errors)
		stderr = c->into;
}

void capture_end(struct capture *c)
{
	stdout = c->out;
	stderr = c->err;
	fclose(c->into);
	if (!c->text)
		c->text = xstrdup("");
}

void terminal_size(int fd, unsigned *columns, unsigned *rows)
{
	struct winsize size;
	bool known = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
	*columns = known ? size.ws_col : 80;
	*rows = known ? size.ws_row : 24;
}

/* The bytes of a colour's escape sequence at `text`, 0 when there is none. */
static size_t color_length(const char *text)
{
	if (text[0] != '\033' || text[1] != '[')
		return 0;
	size_t len = 2 + strspn(text + 2, "0123456789;");
	return text[len] == 'm' ? len + 1 : 0;
}

size_t terminal_cut(const char *text, unsigned columns)
{
	size_t at = 0;
	unsigned used = 0;
	mbstate_t state = {0};
	while (text[at] && text[at] != '\n') {
		size_t color = color_length(text + at);
		if (color) {
			at += color;
			continue;
		}
		wchar_t wide;
		size_t len = mbrtowc(&wide, text + at, strnlen(text + at, MB_CUR_MAX), &state);
		bool valid = len && len != (size_t)-1 && len != (size_t)-2;
		int width = valid ? wcwidth(wide) : 1;
		if (!valid)
			state = (mbstate_t){0};
		used += width > 0 ? (unsigned)width : 0;
		if (used > columns)
			break;
		at += valid ? len : 1;
	}
	return at;
}

/* Where the page that begins at `text` ends. */
static const char *page_finish(const char *text, unsigned columns, unsigned rows)
{
	for (; rows && *text; rows--) {
		text += terminal_cut(text, columns);
		text += *text == '\n';
	}
	return text;
}

static bool key_take(char *key)
{
	do {
		if (!interrupt_wait(STDIN_FILENO, -1))
			return false;
		errno = 0;
	} while (read(STDIN_FILENO, key, 1) != 1 && errno == EINTR);
	return errno == 0;
}

/* A page, a line on Enter, the end on q or Ctrl-C: all a restricted shell needs, and no way to anywhere. */
static void page_through(const char *text, unsigned columns, unsigned rows)
{
	static const char question[] = "-- more: space, Enter, q --", erase[] = "\r\033[K";
	struct termios before, keys;
	unsigned step = rows - 1;
	char key = ' ';
	if (tcgetattr(STDIN_FILENO, &before))
		return;
	keys = before;
	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 1;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
	while (*text && key != 'q' && key != 'Q') {
		const char *end = page_finish(text, columns, step);
		if (write_full(STDOUT_FILENO, text, (size_t)(end - text)))
			break;
		text = end;
		if (!*text)
			break;
		write_full(STDOUT_FILENO, question, strlen(question));
		if (!key_take(&key))
			key = 'q';
		step = key == '\n' || key == '\r' || key == 'j' ? 1 : rows - 1;
		write_full(STDOUT_FILENO, erase, strlen(erase));
	}
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

/* In the child: what it can do is what its user can do, and less knows of no shell, editor or other file. */
static void pager_exec(const struct words *w, int in)
{
	struct sigaction fresh = {.sa_handler = SIG_DFL};
	sigaction(SIGINT, &fresh, NULL);
	sigaction(SIGPIPE, &fresh, NULL);
	setenv("LESSSECURE", "1", 1);
	setenv("LESS", "RFX", 0);
	if (dup2(in, STDIN_FILENO) >= 0)
		execvp(w->word[0], w->word);
	_exit(127);
}

/* false: there is no such program. */
static bool pager_run(const struct words *w, const char *text, size_t len)
{
	int pipe_fds[2], status = 0;
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return false;
	pid_t child = fork();
	if (child == 0)
		pager_exec(w, pipe_fds[0]);
	close(pipe_fds[0]);
	/* Who has read enough leaves. */
	sigaction(SIGPIPE, &ignore, &before);
	if (child > 0)
		write_full(pipe_fds[1], text, len);
	close(pipe_fds[1]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	sigaction(SIGPIPE, &before, NULL);
	interrupts_forget(); /* the pager's, not ours */
	return child > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

static bool pager_show(const char *text, size_t len)
{
	struct words w;
	const char *chosen = getenv("PAGER"), *line = chosen && *chosen ? chosen : DEFAULT_PAGER;
	if (words_next(&line, NULL, &w, NULL) <= 0)
		return false;
	bool shown = w.n && pager_run(&w, text, len);
	words_free(&w);
	return shown;
}

void page_begin(const struct shell *sh, struct page *p)
{
	p->used = sh->interactive && !sh->json && !sh->csv && !sh->watched && isatty(STDOUT_FILENO);
	if (p->used)
		capture_begin(&p->capture, false);
}

void page_end(const struct shell *sh, struct page *p)
{
	unsigned columns, rows;
	if (!p->used)
		return;
	capture_end(&p->capture);
	const char *text = p->capture.text;
	terminal_size(STDOUT_FILENO, &columns, &rows);
	bool fits = rows < 2 || !*page_finish(text, columns, rows - 1);
	if (fits)
		fputs(text, stdout);
	else if (sh->restricted || !pager_show(text, p->capture.len))
		page_through(text, columns, rows);
	free(p->capture.text);
}
