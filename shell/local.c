// SPDX-License-Identifier: GPL-2.0-or-later
/* local.c - see shell.h: commands that are more than one call to the host */
#include <errno.h>
#include <poll.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "api/viewer.h"
#include "lib/util.h"
#include "shell/interrupt.h"
#include "shell/local.h"
#include "shell/pager.h"

#define KEY_PAUSE_NSEC 30000000 /* a fast typist: firmware and boot loaders poll their keyboard slowly */
#define FRESH_MS 10000		/* how long a machine may take to draw its screen, on a busy host; then it is shown as it was last */

#define LOCAL(id_, words_, role_, args_, columns_, usage_, help_)                                             \
	const struct api_method row_##id_ = {.id = #id_, .name = "", .words = words_, .role = ROLE_##role_, \
						    .args = args_, .columns = columns_, .help = help_};
#include "shell/local.def"
#undef LOCAL

static const char *param_string(json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

static void pause_nsec(long nsec)
{
	struct timespec t = {.tv_sec = nsec / (long)NSEC_PER_SEC, .tv_nsec = nsec % (long)NSEC_PER_SEC};
	nanosleep(&t, NULL);
}

int run_exit(struct shell *sh, int n, char *const words[])
{
	json_t *params = shell_params(sh, &row_exit, n, words);
	if (!params)
		return SHELL_USAGE;
	json_t *status = json_object_get(params, "status");
	sh->leave = true;
	sh->exit_status = status ? (int)(json_integer_value(status) & 0xff) : sh->last_status;
	json_decref(params);
	return SHELL_OK;
}

int run_login(struct shell *sh, int n, char *const words[])
{
	struct error err;
	json_t *params = shell_params(sh, &row_login, n, words);
	if (!params)
		return SHELL_USAGE;
	int ret = shell_login(sh, param_string(params, "user"), &err);
	json_decref(params);
	if (ret)
		return shell_error(sh, SHELL_FAILED, "%s", err.text);
	json_t *o = json_pack("{s:s}", "user", sh->user);
	if (sh->json || sh->csv)
		output_value(sh, &row_login, o);
	else
		printf("you are %s\n", sh->user);
	json_decref(o);
	return SHELL_OK;
}

int run_help(struct shell *sh, int n, char *const words[])
{
	struct words w = {0};
	struct command c;
	struct page page;
	int used;
	for (int k = 0; k < n; k++)
		words_insert(&w, k, xstrdup(words[k]));
	page_begin(sh, &page);
	unsigned count = output_help(sh, w.n, w.word);
	/* A short name is explained by what it is short for. */
	if (!count && n && !alias_expand(sh, NULL, &w, 0, NULL) && command_find(w.n, w.word, &c, &used)) {
		char *text = words_join(w.n, w.word);
		if (!sh->json && !sh->csv)
			printf("%s: %s\n\n", words[0], text);
		free(text);
		count = output_help(sh, used, w.word);
	}
	page_end(sh, &page);
	words_free(&w);
	return count ? SHELL_OK : shell_error(sh, SHELL_USAGE, "no command begins with %s", words[0]);
}

/* A machine's screen and keyboard. */
struct machine {
	struct viewer *viewer;
	struct keymap *map; /* NULL unless it was asked for */
};

static void machine_leave(struct machine *m)
{
	viewer_close(m->viewer);
	keymap_close(m->map);
	*m = (struct machine){0};
}

/* keymap: NULL none, "" the machine's own if there is one to be had, or another. brief: for a moment only; else the viewer may still have to be let in. */
static int attach_try(struct shell *sh, const char *vm, bool view_only, bool brief, const char *keymap, struct machine *m, struct error *err)
{
	json_t *params = json_pack("{s:s, s:b, s:b}", "vm", vm, "view_only", view_only, "brief", brief), *result = NULL;
	int fd, ret = shell_call(sh, "vm.attach", params, &result, &fd, err);
	*m = (struct machine){0};
	if (!ret && fd < 0)
		ret = fail(err, -EPROTO, "the host gave no connection to machine %s", vm);
	if (!ret)
		ret = viewer_knock(fd, &m->viewer, err);
	if (!ret && brief && viewer_waits(m->viewer)) {
		fprintf(stderr, "%s: %s\n", vm, viewer_waits(m->viewer));
		ret = viewer_await(m->viewer, err);
	}
	const char *own = param_string(result, "keymap");
	if (!ret && keymap && *keymap)
		ret = keymap_open(keymap, &m->map, err);
	else if (!ret && keymap && keymap_open(own ? own : KEYMAP_DEFAULT, &m->map, err))
		fprintf(stderr, "%s: only keys that are no characters: %s\n", vm, err->text);
	if (ret)
		machine_leave(m);
	json_decref(result);
	return ret;
}

static int machine_attach(struct shell *sh, const char *vm, bool view_only, const char *keymap, struct machine *m)
{
	struct error err;
	return attach_try(sh, vm, view_only, true, keymap, m, &err) ? shell_error(sh, SHELL_FAILED, "%s", err.text) : SHELL_OK;
}

/* Who may not operate the machine may still look at it. */
static int machine_attach_or_look(struct shell *sh, const char *vm, bool *view_only, struct machine *m)
{
	struct error err;
	int ret = attach_try(sh, vm, *view_only, false, "", m, &err);
	if (!*view_only && (ret == -EACCES || ret == -EPERM)) {
		*view_only = true;
		ret = attach_try(sh, vm, true, false, "", m, &err);
	}
	return ret ? shell_error(sh, SHELL_FAILED, "%s", err.text) : SHELL_OK;
}

/* A picture that is up to date: vmx draws only while somebody looks. */
static void screen_fresh(struct viewer *v, struct viewer_screen *s, bool pixels)
{
	u64 deadline = now_monotonic() + FRESH_MS * 1000000ull;
	struct pollfd p = {.fd = viewer_fd(v), .events = POLLIN};
	viewer_refresh(v);
	while (now_monotonic() < deadline) {
		if (poll(&p, 1, 100) > 0 && viewer_receive(v, NULL, NULL))
			break;
	}
	viewer_snapshot(v, s, pixels);
}

static const char *mode_name(enum screen_mode mode)
{
	return mode == SCREEN_TEXT ? "text" : mode == SCREEN_GRAPHICS ? "graphics" : "off";
}

static json_t *screen_json(const struct viewer_screen *s, const char *text)
{
	json_t *lines = json_array();
	while (*text) {
		size_t len = strcspn(text, "\n");
		json_array_append_new(lines, json_stringn(text, len));
		text += len + 1;
	}
	json_t *o = json_pack("{s:s, s:i, s:i, s:i, s:i, s:o}", "mode", mode_name(s->mode), "columns", (int)s->columns,
			      "rows", (int)s->rows, "width", (int)s->width, "height", (int)s->height, "lines", lines);
	if (s->cursor_x < s->columns)
		json_object_set_new(o, "cursor", json_pack("[i,i]", (int)s->cursor_x, (int)s->cursor_y));
	return o;
}

/* libpng wants bytes in the order R, G, B. */
static int screen_write_png(const struct viewer_screen *s, const char *path, struct error *err)
{
	if (s->mode == SCREEN_OFF || !s->pixels)
		return fail(err, -ENODATA, "the screen is off");
	png_image image = {.version = PNG_IMAGE_VERSION, .width = s->width, .height = s->height, .format = PNG_FORMAT_BGRA};
	size_t count = (size_t)s->width * s->height;
	u32 *opaque = xcalloc(count, sizeof(*opaque));
	for (size_t k = 0; k < count; k++)
		opaque[k] = s->pixels[k] | 0xff000000u;
	int ok = png_image_write_to_file(&image, path, 0, opaque, 0, NULL);
	free(opaque);
	return ok ? 0 : fail(err, -EIO, "cannot write %s: %s", path, image.message);
}

static void screen_print(struct shell *sh, const struct viewer_screen *s, bool ascii)
{
	struct winsize size;
	unsigned columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
	char *text = viewer_text(s, ascii || !sh->utf8, columns);
	bool data = sh->json || sh->csv;
	json_t *o = data ? screen_json(s, text) : json_pack("{s:s}", "text", text);
	if (!data && s->mode == SCREEN_OFF)
		fprintf(stderr, "the screen is off\n");
	output_result(sh, &row_vm_screen, o);
	json_decref(o);
	free(text);
}

/* The screen as it is now, or a complaint and NULL. Caller frees by screen_free(). */
static struct viewer_screen *screen_take(struct shell *sh, const char *vm)
{
	struct machine m;
	if (machine_attach(sh, vm, true, NULL, &m) != SHELL_OK)
		return NULL;
	struct viewer_screen *s = xcalloc(1, sizeof(*s));
	screen_fresh(m.viewer, s, true);
	machine_leave(&m);
	return s;
}

static void screen_free(struct viewer_screen *s)
{
	viewer_screen_free(s);
	free(s);
}

int run_vm_screen(struct shell *sh, int n, char *const words[])
{
	json_t *params = shell_params(sh, &row_vm_screen, n, words);
	if (!params)
		return SHELL_USAGE;
	struct viewer_screen *s = screen_take(sh, param_string(params, "vm"));
	if (s) {
		screen_print(sh, s, json_is_true(json_object_get(params, "ascii")));
		screen_free(s);
	}
	json_decref(params);
	return s ? SHELL_OK : SHELL_FAILED;
}

int run_console_screenshot(struct shell *sh, int n, char *const words[])
{
	struct error err;
	int status = SHELL_FAILED;
	json_t *params = shell_params(sh, &row_console_screenshot, n, words);
	if (!params)
		return SHELL_USAGE;
	struct viewer_screen *s = screen_take(sh, param_string(params, "vm"));
	if (s) {
		int ret = screen_write_png(s, param_string(params, "file"), &err);
		status = ret ? shell_error(sh, SHELL_FAILED, "%s", err.text) : SHELL_OK;
		screen_free(s);
	}
	json_decref(params);
	return status;
}

/* Presses the chords one after the other, then waits for the machine to have taken them. */
static int chords_send(struct shell *sh, const char *vm, struct viewer *v, const struct viewer_chord *chords, size_t n)
{
	int ret = 0;
	/* The machine is attached to for that as well: whether one may, and whether it is there to be, is known then. */
	if (sh->dry_run) {
		char *text = xasprintf("would press %zu key%s of %s", n, n == 1 ? "" : "s", vm);
		json_t *o = json_pack("{s:s}", "message", text);
		output_result(sh, &row_console_send, o);
		json_decref(o);
		free(text);
		return SHELL_OK;
	}
	for (size_t k = 0; k < n && !ret; k++) {
		ret = viewer_send_chord(v, &chords[k]);
		pause_nsec(KEY_PAUSE_NSEC);
		if (viewer_receive(v, NULL, NULL) & VIEWER_ENDED)
			return shell_error(sh, SHELL_FAILED, "%s", viewer_farewell(v));
	}
	return ret ? shell_error(sh, SHELL_FAILED, "machine %s takes no keys", vm) : SHELL_OK;
}

/* All of the text or nothing of it. */
static int text_type(struct shell *sh, const char *vm, const struct machine *m, const char *text)
{
	struct viewer_chord *chords = xcalloc(strlen(text) + 1, VIEWER_CHORDS_MAX * sizeof(*chords));
	bool caps_lock = viewer_page(m->viewer)->leds & SCREEN_LED_CAPS;
	size_t count = 0;
	int status = SHELL_OK;
	for (const char *p = text; *p && status == SHELL_OK;) {
		const char *begin = p;
		unsigned n = viewer_chord_char(m->map, keymap_utf8(&p), caps_lock, &chords[count]);
		count += n;
		if (!n)
			status = shell_error(sh, SHELL_USAGE, "the key map %s has no key for %.*s", keymap_name(m->map), (int)(p - begin), begin);
	}
	if (status == SHELL_OK)
		status = chords_send(sh, vm, m->viewer, chords, count);
	free(chords);
	return status;
}

int run_console_type(struct shell *sh, int n, char *const words[])
{
	struct machine m;
	json_t *params = shell_params(sh, &row_console_type, n, words);
	if (!params)
		return SHELL_USAGE;
	const char *vm = param_string(params, "vm"), *keymap = param_string(params, "keymap");
	int status = machine_attach(sh, vm, false, keymap ? keymap : "", &m);
	if (status == SHELL_OK && !m.map) {
		status = SHELL_FAILED; /* why has been told */
		machine_leave(&m);
	} else if (status == SHELL_OK) {
		status = text_type(sh, vm, &m, param_string(params, "text"));
		machine_leave(&m);
	}
	json_decref(params);
	return status;
}

int run_console_send(struct shell *sh, int n, char *const words[])
{
	struct error err;
	struct machine m;
	json_t *params = shell_params(sh, &row_console_send, n, words);
	if (!params)
		return SHELL_USAGE;
	const char *vm = param_string(params, "vm");
	size_t count = (size_t)n - 1;
	struct viewer_chord *chords = xcalloc(count, sizeof(*chords));
	int status = machine_attach(sh, vm, false, "", &m);
	for (size_t k = 0; k < count && status == SHELL_OK; k++)
		if (viewer_chord_parse(m.map, words[k + 1], &chords[k], &err))
			status = shell_error(sh, SHELL_USAGE, "%s", err.text);
	if (status == SHELL_OK)
		status = chords_send(sh, vm, m.viewer, chords, count);
	machine_leave(&m);
	free(chords);
	json_decref(params);
	return status;
}

/*
 * 1 when the machine's text screen shows `text`, 0 when not (yet), -errno when there is no such machine or no right to look. m is the
 * caller's from one look to the next: others may be asked whether somebody comes in.
 */
static int screen_shows(struct shell *sh, const char *vm, const char *text, struct machine *m, struct error *err)
{
	int ret = m->viewer ? 0 : attach_try(sh, vm, true, true, NULL, m, err);
	if (ret)
		return ret == -ENOENT || ret == -EACCES || ret == -EPERM || ret == -EBUSY ? ret : 0;
	struct viewer_screen *s = xcalloc(1, sizeof(*s));
	screen_fresh(m->viewer, s, false);
	char *shown = s->mode == SCREEN_TEXT ? viewer_text(s, !sh->utf8, 80) : xstrdup("");
	ret = strstr(shown, text) != NULL;
	free(shown);
	screen_free(s);
	if (viewer_receive(m->viewer, NULL, NULL) & VIEWER_ENDED)
		machine_leave(m);
	return ret;
}

static int state_is(struct shell *sh, const char *vm, const char *state, struct error *err)
{
	json_t *result;
	int ret = shell_call(sh, "vm.show", json_pack("{s:s}", "vm", vm), &result, NULL, err);
	if (ret)
		return ret;
	const char *now = param_string(result, "state");
	ret = now && !strcmp(now, state);
	json_decref(result);
	return ret;
}

/* As state_is(): whether all that is waited for is so. */
static int wait_over(struct shell *sh, const char *vm, const char *state, const char *text, struct machine *m, struct error *err)
{
	int ret = state ? state_is(sh, vm, state, err) : 1;
	return ret == 1 && text ? screen_shows(sh, vm, text, m, err) : ret;
}

int run_vm_wait(struct shell *sh, int n, char *const words[])
{
	struct error err;
	json_t *params = shell_params(sh, &row_vm_wait, n, words);
	if (!params)
		return SHELL_USAGE;
	const char *vm = param_string(params, "vm"), *state = param_string(params, "state");
	const char *text = param_string(params, "text");
	unsigned seconds = (unsigned)MIN(json_integer_value(json_object_get(params, "timeout")), 1000000);
	u64 deadline = now_monotonic() + seconds * NSEC_PER_SEC;
	struct machine m = {0};
	int ret, status = SHELL_OK;
	if (!state && !text) {
		json_decref(params);
		return shell_error(sh, SHELL_USAGE, "say what to wait for: vm wait NAME state off, or text \"login:\"");
	}
	while (!(ret = wait_over(sh, vm, state, text, &m, &err)) && now_monotonic() < deadline)
		pause_nsec(200000000);
	machine_leave(&m);
	if (ret < 0)
		status = shell_error(sh, SHELL_FAILED, "%s", err.text);
	else if (!ret && text)
		status = shell_error(sh, SHELL_FAILED, "%s did not show \"%s\" within %u seconds", vm, text, seconds);
	else if (!ret)
		status = shell_error(sh, SHELL_FAILED, "%s was not %s within %u seconds", vm, state, seconds);
	json_decref(params);
	return status;
}

int run_vm_console(struct shell *sh, int n, char *const words[])
{
	struct machine m;
	char **copy = xcalloc((size_t)n + 1, sizeof(*copy));
	/* -s is what people type for --serial. */
	for (int k = 0; k < n; k++)
		copy[k] = !strcmp(words[k], "-s") ? (char *)"--serial=true" : words[k];
	json_t *params = shell_params(sh, &row_vm_console, n, copy);
	free(copy);
	if (!params)
		return SHELL_USAGE;
	struct console_options o = {
		.name = param_string(params, "vm"),
		.serial = json_is_true(json_object_get(params, "serial")),
		.line = (unsigned)json_integer_value(json_object_get(params, "line")),
		.utf8 = sh->utf8,
		.view_only = json_is_true(json_object_get(params, "view_only")),
	};
	int status = SHELL_USAGE;
	if (o.line < 1 || o.line > 4)
		shell_error(sh, status, "line is 1 to 4, for COM1 to COM4");
	else
		status = machine_attach_or_look(sh, o.name, &o.view_only, &m);
	if (status == SHELL_OK) {
		o.map = m.map;
		status = console_run(m.viewer, &o);
		machine_leave(&m);
	}
	json_decref(params);
	return status;
}

const struct command local_commands[] = {
#define LOCAL(id_, words_, role_, args_, columns_, usage_, help_) {&row_##id_, usage_, run_##id_},
#include "shell/local.def"
#undef LOCAL
};
const unsigned local_command_count = ARRAY_SIZE(local_commands);
