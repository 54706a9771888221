// uses: tui pam api lib -lncursesw -ltinfo -ljansson -lxkbcommon -lm -lpam -lcrypt
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vmkstatus makes of the host's answers, whatever they are; its canvas, graphs, tables and thumbnails; --batch. */
#include <criterion/criterion.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"
#include "tui/batch.h"
#include "tui/graph.h"
#include "tui/list.h"
#include "tui/model.h"
#include "tui/pages.h"
#include "tui/panels.h"
#include "tui/ui.h"

static struct model m, copy;

/* The loop of the program; nothing here waits for an answer. */
void main_turn(struct ui *ui)
{
	ui->quit = true;
}

static void begin(void)
{
	setlocale(LC_ALL, "C.UTF-8");
	memset(&m, 0, sizeof(m));
	memset(&copy, 0, sizeof(copy));
}

static void end(void)
{
	model_free(&m);
	model_free(&copy);
}

TestSuite(tui_model, .init = begin, .fini = end, .timeout = 600);

/* Takes `text` as if the host had told it. */
static void take(void (*how)(struct model *, json_t *), const char *text)
{
	json_t *told = json_loads(text, JSON_DECODE_ANY, NULL);
	cr_assert(told, "%s", text);
	how(&m, told);
	json_decref(told);
}

Test(tui_model, host)
{
	take(model_take_host, "{\"name\":\"tower\",\"cpus\":4,\"cpu_percent\":12.5,\"memory_total_mb\":2000,\"memory_used_mb\":500,"
			      "\"machines_on\":3,\"machines_total\":10,\"alerts\":[{\"level\":\"error\",\"text\":\"full\"}]}");
	cr_expect_str_eq(m.host, "tower");
	cr_expect_eq(m.cpus, 4);
	cr_expect_float_eq(m.memory_percent, 25, 0.001);
	cr_expect_eq(m.machines_on, 3);
	cr_expect_eq(rows_count(row_array(m.host_told, "alerts")), 1);
	/* What is not told any more is not remembered. */
	take(model_take_host, "{}");
	cr_expect_str_eq(m.host, "");
	cr_expect_eq(m.cpus, 0);
	cr_expect_eq(m.memory_percent, 0);
}

Test(tui_model, machines_and_their_history)
{
	take(model_take_machines, "[{\"name\":\"a\",\"world\":101,\"cpu\":50.5,\"state\":\"on\",\"question\":{\"id\":1}},"
				  "{\"name\":\"b\",\"world\":null,\"cpu\":null,\"state\":\"off\",\"question\":null}]");
	cr_assert_eq(m.n_machines, 2);
	cr_expect_eq(m.machines[0].world, 101);
	cr_expect(m.machines[0].asks);
	cr_expect_eq(m.machines[1].world, -1);
	cr_expect_lt(m.machines[1].cpu, 0);
	cr_expect_not(m.machines[1].asks);
	history_add(&m.machines[0].cpu_history, 7);
	history_add(&m.machines[1].cpu_history, 8);
	/* One is gone, one is new, one has moved: history goes with the name. */
	take(model_take_machines, "[{\"name\":\"c\"},{\"name\":\"b\"}]");
	cr_assert_eq(m.n_machines, 2);
	cr_expect_lt(history_at(&m.machines[0].cpu_history, 0), 0);
	cr_expect_float_eq(history_at(&m.machines[1].cpu_history, 0), 8, 0.001);
	cr_expect_eq(model_machine(&m, "b"), &m.machines[1]);
	cr_expect_null(model_machine(&m, "a"));
}

Test(tui_model, a_thousand_machines_are_no_matter)
{
	json_t *told = json_array();
	for (int k = 0; k < 1000; k++)
		json_array_append_new(told, json_pack("{s:o, s:i}", "name", json_sprintf("vm%04d", k), "world", k));
	clock_t begun = clock(); /* of this process: what others do meanwhile does not count */
	for (int k = 0; k < 20; k++) {
		model_take_machines(&m, told);
		model_copy(&copy, &m);
	}
	u64 each = (u64)(clock() - begun) * NSEC_PER_SEC / CLOCKS_PER_SEC / 20;
	json_decref(told);
	cr_expect_eq(copy.n_machines, 1000);
	cr_expect_lt(each, 200000000ull, "%lu ns", (unsigned long)each);
}

/* Whatever stands in the place of a field, and whatever the answer is: nothing is believed, nothing breaks. */
Test(tui_model, wrong_types)
{
	static const char *const values[] = {"null", "true", "false", "-1", "0", "99999999999999999999", "1e308", "-1e308", "\"\"",
					     "\"text\"", "[]", "{}", "[[[1]]]", "[null,1,\"x\",{}]", "{\"a\":{\"b\":1}}"};
	static const char *const fields[] = {"name", "world", "cpu", "memory_mb", "used_mb", "uptime", "viewers", "question", "state", "seq",
					     "time", "level", "text", "cpus", "cpu_percent", "memory_total_mb", "machines_on", "alerts"};
	char text[256];
	for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
		json_t *any = json_loads(values[v], JSON_DECODE_ANY, NULL);
		if (any) {
			model_take_host(&m, any);
			model_take_machines(&m, any);
			model_take_log(&m, any);
			cr_expect_leq(rows_count(any), 4);
			json_decref(any);
		}
		for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
			char *object = xasprintf("[{\"%s\":%s},{\"%s\":%s,\"seq\":5}]", fields[f], values[v], fields[f], values[v]);
			json_t *told = json_loads(object, 0, NULL);
			if (told) {
				model_take_host(&m, rows_at(told, 0));
				model_take_machines(&m, told);
				model_take_log(&m, told);
				cr_expect_eq(m.n_machines, 2);
				cr_expect_geq(m.machines[0].world, -1);
				row_text(rows_at(told, 0), fields[f], text, sizeof(text));
				json_decref(told);
			}
			free(object);
		}
	}
	model_take_host(&m, NULL);
	model_take_machines(&m, NULL);
	model_take_log(&m, NULL);
	cr_expect_eq(m.n_machines, 0);
}

Test(tui_model, log)
{
	char *text = xasprintf("[{\"seq\":1,\"text\":\"one\"},{\"seq\":2,\"text\":\"two\",\"level\":\"error\"}]");
	take(model_take_log, text);
	take(model_take_log, text); /* told twice: kept once */
	free(text);
	cr_assert_eq(m.n_log, 2);
	cr_expect_str_eq(m.log[1].text, "two");
	cr_expect_eq(m.last_seq, 2);
	for (int k = 3; k < 2500; k += 7) {
		json_t *told = json_array();
		for (int n = k; n < k + 7; n++)
			json_array_append_new(told, json_pack("{s:i, s:o}", "seq", n, "text", json_sprintf("line %d", n)));
		model_take_log(&m, told);
		json_decref(told);
	}
	cr_expect_eq(m.n_log, MODEL_LOG_LINES);
	char last[32];
	snprintf(last, sizeof(last), "line %llu", (unsigned long long)m.last_seq);
	cr_expect_str_eq(m.log[m.n_log - 1].text, last);
	cr_expect_eq(m.log[m.n_log - 1].seq - m.log[0].seq, MODEL_LOG_LINES - 1);
	model_copy(&copy, &m);
	cr_expect_str_eq(copy.log[0].text, m.log[0].text);
}

/* A daemon that was started again has logged as much as the one before. */
Test(tui_model, another_daemons_log_is_copied)
{
	take(model_take_log, "[{\"seq\":1,\"time\":\"10:00\",\"level\":\"info\",\"text\":\"begins\"},"
			     "{\"seq\":2,\"time\":\"10:01\",\"level\":\"info\",\"text\":\"is ready\"}]");
	model_copy(&copy, &m);
	m.n_log = 0;
	m.last_seq = 0;
	take(model_take_log, "[{\"seq\":1,\"time\":\"11:00\",\"level\":\"info\",\"text\":\"begins again\"},"
			     "{\"seq\":2,\"time\":\"11:01\",\"level\":\"info\",\"text\":\"is ready\"}]");
	model_copy(&copy, &m);
	cr_assert_eq(copy.n_log, 2);
	cr_expect_str_eq(copy.log[0].text, "begins again");
	cr_expect_str_eq(copy.log[1].time, "11:01");
}

/* Two users see as many lines, the same first and last one, and what is each one's own between them. */
Test(tui_model, another_users_log_is_copied)
{
	static const char log[] = "[{\"seq\":1,\"time\":\"10:00\",\"text\":\"begins\"},{\"seq\":%d,\"time\":\"10:01\",\"text\":\"%s\"},"
				  "{\"seq\":4,\"time\":\"10:02\",\"text\":\"goes on\"},{\"seq\":5,\"time\":\"10:03\",\"text\":\"for all\"}]";
	for (int user = 0; user < 2; user++) {
		char *text = xasprintf(log, user ? 3 : 2, user ? "bob's" : "susie's");
		take(model_take_log, text);
		free(text);
		/* What shows it need not have forgotten anything. */
		model_copy(&copy, &m);
		cr_assert_eq(copy.n_log, 4);
		cr_expect_str_eq(copy.log[1].text, user ? "bob's" : "susie's");
		model_forget(&m, true);
	}
	/* Of a shorter log nothing longer is left behind. */
	take(model_take_log, "[{\"seq\":1,\"time\":\"10:00\",\"text\":\"begins\"}]");
	model_copy(&copy, &m);
	cr_assert_eq(copy.n_log, 1);
	for (int k = 1; k < 4; k++)
		cr_expect_eq(copy.log[k].text[0], 0);
}

/* What is told may be what was told last. */
Test(tui_model, a_message_about_the_message)
{
	static struct ui ui;
	ui_message(&ui, true, "the host refuses");
	ui_message(&ui, true, "%s is created, but not all is set: %.300s", "web", ui.message);
	cr_expect_str_eq(ui.message, "web is created, but not all is set: the host refuses");
}

Test(tui_model, copies_outlive_what_they_are_of)
{
	take(model_take_host, "{\"name\":\"tower\",\"urls\":[\"https://tower/\"]}");
	take(model_take_machines, "[{\"name\":\"a\",\"extra\":\"seen\"}]");
	m.answers[ASK_storage].result = json_loads("[{\"name\":\"local\"}]", 0, NULL);
	str_copy(m.answers[ASK_storage].about, sizeof(m.answers[0].about), "");
	model_copy(&copy, &m);
	model_copy(&copy, &m);
	model_free(&m);
	char text[64];
	cr_expect_str_eq(row_text(copy.machines[0].row, "extra", text, sizeof(text)), "seen");
	cr_expect_str_eq(row_text(copy.host_told, "urls", text, sizeof(text)), "https://tower/");
	cr_expect_str_eq(row_text(rows_at(model_answer(&copy, ASK_storage, ""), 0), "name", text, sizeof(text)), "local");
	cr_expect_null(model_answer(&copy, ASK_storage, "another"));
	model_lost(&copy, "gone");
	cr_expect_null(model_answer(&copy, ASK_storage, NULL));
	cr_expect_eq(copy.n_machines, 0);
}

Test(tui_model, history)
{
	struct history h = {0};
	cr_expect_lt(history_at(&h, 0), 0);
	for (int k = 0; k < HISTORY_SAMPLES + 5; k++)
		history_add(&h, k);
	cr_expect_float_eq(history_at(&h, 0), HISTORY_SAMPLES + 4, 0.001);
	cr_expect_float_eq(history_at(&h, HISTORY_SAMPLES - 1), 5, 0.001);
	cr_expect_lt(history_at(&h, HISTORY_SAMPLES), 0);
}

Test(tui_model, rows)
{
	char text[16];
	json_t *row = json_loads("{\"s\":\"x\",\"i\":42,\"r\":1.25,\"t\":true,\"f\":false,\"n\":null,\"l\":[\"a\",1,null,\"a long element\"],\"o\":{}}", 0, NULL);
	cr_expect_str_eq(row_text(row, "s", text, sizeof(text)), "x");
	cr_expect_str_eq(row_text(row, "i", text, sizeof(text)), "42");
	cr_expect_str_eq(row_text(row, "r", text, sizeof(text)), "1.2");
	cr_expect_str_eq(row_text(row, "t", text, sizeof(text)), "yes");
	cr_expect_str_eq(row_text(row, "f", text, sizeof(text)), "no");
	cr_expect_str_eq(row_text(row, "n", text, sizeof(text)), "");
	cr_expect_str_eq(row_text(row, "o", text, sizeof(text)), "");
	cr_expect_str_eq(row_text(row, "missing", text, sizeof(text)), "");
	cr_expect_str_eq(row_text(row, "l", text, sizeof(text)), "a, 1, , a long ");
	cr_expect_eq(row_count(row, "i", 7), 42);
	cr_expect_eq(row_count(row, "s", 7), 7);
	cr_expect_float_eq(row_number(row, "r", 0), 1.25, 0.001);
	cr_expect(row_true(row, "t"));
	cr_expect_not(row_true(row, "s"));
	cr_expect_null(row_array(row, "o"));
	json_decref(row);
}

/* ---- a host that answers as it likes ---- */

/* Reads one request, writes what is given, closes. */
struct liar {
	int fd;
	const char *says;
	size_t length;
	unsigned answers; /* before it lies: true ones */
};

static void *liar_run(void *arg)
{
	struct liar *liar = arg;
	char c;
	for (unsigned n = 0;; n++) {
		do
			if (read(liar->fd, &c, 1) != 1)
				goto end;
		while (c != '\n');
		if (n == liar->answers)
			break;
		char *text = xasprintf("{\"jsonrpc\":\"2.0\",\"id\":%u,\"result\":[]}\n", n + 1);
		write_full(liar->fd, text, strlen(text));
		free(text);
	}
	write_full(liar->fd, liar->says, liar->length);
end:
	close(liar->fd);
	return NULL;
}

Test(tui_model, replies_cut_in_half)
{
	static const char whole[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"name\":\"tower\"}}\n";
	for (unsigned answers = 0; answers < 4; answers++) {
		for (size_t length = 0; length < sizeof(whole) - 1; length++) {
			int pair[2];
			pthread_t thread;
			struct model_wish wish = {.parts = WISH(storage)};
			cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
			struct liar liar = {.fd = pair[1], .says = whole, .length = length, .answers = answers};
			cr_assert_eq(pthread_create(&thread, NULL, liar_run, &liar), 0);
			struct vmk_client *client = vmk_client_from_fd(pair[0]);
			int ret = model_poll(&m, &(struct model_asker){.look = client}, &wish);
			vmk_disconnect(client);
			pthread_join(thread, NULL);
			/* The first three are what there is no screen without. */
			cr_expect_eq(ret == 0, answers == 3);
			cr_expect_eq(m.connected, answers == 3);
			if (answers == 3)
				cr_expect_neq(m.answers[ASK_storage].trouble[0], 0);
			else
				cr_expect_neq(m.trouble[0], 0);
		}
	}
}

/* ---- who asks ---- */

/* A host's end of a connection: "look", which may only look, or "user". */
struct answering {
	int fd;
	const char *who;
	bool checked; /* something was to be checked */
};

static json_t *answer_of(struct answering *a, const char *method, json_t *request)
{
	bool user = !strcmp(a->who, "user");
	if (!strcmp(method, "vm.list"))
		return json_loads("[{\"name\":\"a\",\"rights\":\"r--\",\"world\":7},{\"name\":\"b\",\"rights\":\"r--\"}]", 0, NULL);
	if (!strcmp(method, "log.show"))
		return json_loads("[{\"seq\":9,\"time\":\"t\",\"text\":\"secret\"}]", 0, NULL);
	if (!strcmp(method, "user.rights"))
		return json_loads("[{\"vm\":\"b\",\"rights\":\"rwx\"}]", 0, NULL);
	if (!strcmp(method, "console.locks"))
		return user ? json_loads("[{\"address\":\"192.0.2.7\"}]", 0, NULL) : NULL;
	if (!strcmp(method, "vm.create")) {
		cr_expect(json_is_true(json_object_get(request, "dry_run")), "it is only checked");
		a->checked = true;
		return json_loads("{\"message\":\"would\",\"warnings\":[\"there is no such file\"]}", 0, NULL);
	}
	cr_expect(!json_object_get(request, "dry_run"), "%s", method);
	return json_pack("[{s:s}]", "name", a->who);
}

static void *answering_run(void *arg)
{
	struct answering *a = arg;
	FILE *in = fdopen(dup(a->fd), "r");
	char *line = NULL;
	size_t size = 0;
	while (getline(&line, &size, in) > 0) {
		json_t *request = json_loads(line, 0, NULL), *id = json_object_get(request, "id");
		json_t *result = answer_of(a, json_string_value(json_object_get(request, "method")), request);
		json_t *answer = result ? json_pack("{s:O, s:o}", "id", id, "result", result)
					: json_pack("{s:O, s:{s:i, s:s, s:{s:i}}}", "id", id, "error", "code", -32001, "message", "no", "data", "errno", 1);
		char *text = json_dumps(answer, JSON_COMPACT), *out = xasprintf("%s\n", text);
		write_full(a->fd, out, strlen(out));
		free(out);
		free(text);
		json_decref(answer);
		json_decref(request);
	}
	free(line);
	fclose(in);
	return NULL;
}

static struct vmk_client *answering_begin(struct answering *a, pthread_t *thread)
{
	int pair[2];
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	a->fd = pair[1];
	cr_assert_eq(pthread_create(thread, NULL, answering_run, a), 0);
	return vmk_client_from_fd(pair[0]);
}

static void answering_end(struct answering *a, pthread_t thread, struct vmk_client *client)
{
	vmk_disconnect(client);
	pthread_join(thread, NULL);
	close(a->fd);
}

Test(tui_model, who_has_logged_in_is_told_what_is_his)
{
	struct answering look = {.who = "look"}, user = {.who = "user"};
	pthread_t threads[2];
	char text[64];
	struct model_wish wish = {.parts = WISH(locks) | WISH(storage), .vm = "a", .screen = 1};
	struct vmk_client *everybody = answering_begin(&look, &threads[0]), *susie = answering_begin(&user, &threads[1]);
	struct model_asker as = {.look = everybody, .restricted = true};

	cr_assert_eq(model_poll(&m, &as, &wish), 0);
	cr_expect_null(model_answer(&m, ASK_locks, NULL));
	cr_expect(strstr(m.answers[ASK_locks].trouble, "l logs in"), "%s", m.answers[ASK_locks].trouble);
	cr_expect(strstr(m.thumbnail.trouble, "log in"), "%s", m.thumbnail.trouble);
	cr_expect_str_eq(m.machines[1].rights, "r--");

	model_forget(&m, false);
	as.user = susie;
	wish.screen = 0;
	cr_assert_eq(model_poll(&m, &as, &wish), 0);
	row_text(rows_at(model_answer(&m, ASK_locks, NULL), 0), "address", text, sizeof(text));
	cr_expect_str_eq(text, "192.0.2.7");
	row_text(rows_at(model_answer(&m, ASK_storage, NULL), 0), "name", text, sizeof(text));
	cr_expect_str_eq(text, "look", "everybody sees that");
	cr_expect_str_eq(m.machines[0].rights, "---");
	cr_expect_str_eq(m.machines[1].rights, "rwx");

	/* Logged out: the machines are still known, nothing else. */
	cr_expect_eq(m.n_log, 1);
	model_copy(&copy, &m);
	model_forget(&copy, false);
	cr_expect_eq(copy.n_log, 0);
	cr_expect_eq(copy.log[0].text[0], 0);
	cr_expect_eq(copy.n_machines, 2);
	cr_expect(copy.connected);
	cr_expect_eq(copy.machines[1].rights[0], 0);
	cr_expect_null(model_answer(&copy, ASK_locks, NULL));
	model_forget(&copy, true);
	cr_expect_eq(copy.n_machines, 0);
	cr_expect_not(copy.connected);

	/* The administrator is asked for all of it. */
	as = (struct model_asker){.look = susie};
	model_forget(&m, false);
	cr_assert_eq(model_poll(&m, &as, &wish), 0);
	row_text(rows_at(model_answer(&m, ASK_storage, NULL), 0), "name", text, sizeof(text));
	cr_expect_str_eq(text, "user");
	answering_end(&user, threads[1], susie);
	answering_end(&look, threads[0], everybody);
}

Test(tui_model, the_host_checks_and_does_nothing)
{
	static struct model_check check;
	static const char request[] = "{\"method\":\"vm.create\",\"params\":{\"name\":\"c\",\"cdrom\":\"/x\"}}";
	struct answering user = {.who = "user"}, look = {.who = "look"};
	pthread_t threads[2];
	struct vmk_client *susie = answering_begin(&user, &threads[0]), *everybody = answering_begin(&look, &threads[1]);
	model_check_ask(&check, susie, request);
	cr_expect(user.checked);
	cr_expect_str_eq(check.request, request);
	cr_expect_str_eq(check.trouble, "there is no such file");
	/* What is not refused, and what is. */
	model_check_ask(&check, susie, "{\"method\":\"console.locks\",\"params\":{}}");
	cr_expect_str_eq(check.trouble, "");
	model_check_ask(&check, everybody, "{\"method\":\"console.locks\",\"params\":{}}");
	cr_expect_str_eq(check.trouble, "no");
	answering_end(&user, threads[0], susie);
	answering_end(&look, threads[1], everybody);
}

/* ---- the canvas ---- */

Test(tui_model, canvas)
{
	struct canvas c = {0};
	canvas_clear(&c, 20, 3);
	cr_expect_eq(canvas_text(&c, 0, 0, 5, WHITE, BLACK, "abcdefgh"), 5);
	cr_expect_eq(canvas_text(&c, 18, 1, 10, WHITE, BLACK, "xyz"), 2);
	canvas_right(&c, 0, 2, 6, WHITE, BLACK, "12");
	cr_expect_eq(canvas_text(&c, 30, 9, 10, WHITE, BLACK, "outside"), 0);
	canvas_text(&c, 8, 0, 10, WHITE, BLACK, "a\x01\xff\xc3");
	char *text = canvas_dump(&c);
	cr_expect_str_eq(text, "abcde   a???\n                  xy\n    12\n");
	free(text);
	c.ascii = true;
	canvas_clear(&c, 20, 1);
	canvas_text(&c, 0, 0, 20, WHITE, BLACK, "m\xc3\xbcller");
	text = canvas_dump(&c);
	cr_expect_str_eq(text, "m?ller\n");
	free(text);
	canvas_free(&c);
}

/* ---- thumbnails ---- */

static struct thumbnail thumb;
static struct viewer_screen screen;

static char *thumb_text(unsigned width, unsigned height, bool ascii)
{
	struct canvas c = {.ascii = ascii};
	canvas_clear(&c, width, height);
	thumbnail_draw(&thumb, &c, 0, 0, width, height);
	char *text = canvas_dump(&c);
	canvas_free(&c);
	return text;
}

static void screen_line(unsigned row, const char *text)
{
	for (unsigned x = 0; text[x]; x++)
		screen.cells[row * screen.columns + x].character = (u8)text[x];
}

static void screen_text(void)
{
	screen = (struct viewer_screen){.mode = SCREEN_TEXT, .columns = 80, .rows = 25, .cursor_x = 6, .cursor_y = 20};
	for (unsigned k = 0; k < 80 * 25; k++)
		screen.cells[k] = (struct screen_cell){' ', 7};
	screen_line(0, "Debian GNU/Linux");
	screen_line(3, "starting");
	screen_line(20, "login:");
}

Test(tui_model, thumbnail_of_text)
{
	screen_text();
	thumbnail_keep(&thumb, &screen);
	char *text = thumb_text(20, 3, false);
	cr_expect_str_eq(text, "Debian GNU/Linux\nstarting\nlogin:\n");
	free(text);
	/* The cursor's row is the last to go. */
	text = thumb_text(20, 1, false);
	cr_expect_str_eq(text, "login:\n");
	free(text);
	text = thumb_text(4, 3, false);
	cr_expect_str_eq(text, "ian\nrtin\nin:\n"); /* the cursor is in sight */
	free(text);
	text = thumb_text(100, 30, false);
	cr_expect(str_starts(text, "Debian GNU/Linux\n\n\nstarting\n"), "%s", text);
	free(text);
	free(thumb_text(0, 0, false));
}

Test(tui_model, thumbnail_of_graphics)
{
	static const unsigned sizes[][2] = {{1, 1}, {640, 480}, {SCREEN_MAX_WIDTH, SCREEN_MAX_HEIGHT}, {SCREEN_MAX_WIDTH, 1}, {1, SCREEN_MAX_HEIGHT}};
	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
		screen = (struct viewer_screen){.mode = SCREEN_GRAPHICS, .width = sizes[k][0], .height = sizes[k][1]};
		size_t pixels = (size_t)screen.width * screen.height;
		screen.pixels = xcalloc(pixels, 4);
		for (size_t p = 0; p < pixels; p++)
			screen.pixels[p] = p < pixels / 2 ? 0xffffff : 0;
		thumbnail_keep(&thumb, &screen);
		cr_expect_leq(thumb.screen.width, THUMBNAIL_WIDTH);
		cr_expect_leq(thumb.screen.height, THUMBNAIL_HEIGHT);
		cr_expect_null(thumb.screen.pixels);
		free(screen.pixels);
		free(thumb_text(34, 10, false));
		free(thumb_text(1, 1, true));
	}
	/* White above, black below. */
	screen = (struct viewer_screen){.mode = SCREEN_GRAPHICS, .width = 640, .height = 480};
	screen.pixels = xcalloc(640 * 480, 4);
	memset(screen.pixels, 0xff, 640 * 240 * 4);
	thumbnail_keep(&thumb, &screen);
	free(screen.pixels);
	char *text = thumb_text(40, 4, true);
	cr_expect(strchr(text, '@') && strstr(text, "\n\n"), "%s", text);
	free(text);
	screen.pixels = NULL;
	thumbnail_keep(&thumb, &screen);
	cr_expect_eq(thumb.screen.mode, SCREEN_OFF);
	text = thumb_text(40, 3, true);
	cr_expect(strstr(text, "off"), "%s", text);
	free(text);
}

/* ---- graphs ---- */

Test(tui_model, graph)
{
	struct history h = {0};
	struct canvas c = {.ascii = true};
	for (int k = 0; k < 4; k++)
		history_add(&h, k * 100 / 3.0);
	canvas_clear(&c, 6, 2);
	graph_draw(&c, 0, 0, 6, 2, &h, 100);
	char *text = canvas_dump(&c);
	/* Two steps a row: none, 1, 3 and 4 of 4; before that, nothing is known. */
	cr_expect_str_eq(text, "    _#\n..._##\n");
	free(text);
	canvas_free(&c);
	cr_expect_float_eq(graph_most(&h, 100), 100, 0.001);
	history_add(&h, 130);
	cr_expect_float_eq(graph_most(&h, 100), 200, 0.001);
}

Test(tui_model, sizes)
{
	char text[32];
	cr_expect_str_eq(text_mb(0, text, sizeof(text)), "0 MB");
	cr_expect_str_eq(text_mb(1023, text, sizeof(text)), "1023 MB");
	cr_expect_str_eq(text_mb(1536, text, sizeof(text)), "1.5 GB");
	cr_expect_str_eq(text_mb(3 * 1024 * 1024, text, sizeof(text)), "3.0 TB");
	cr_expect_str_eq(text_mb(-1, text, sizeof(text)), "");
}

/* ---- lists ---- */

static const struct list_column columns[] = {
	LIST_TEXT("Name", 8, "name"),
	LIST_NUMBER("Size", 8, "size", "size_mb"),
	LIST_TEXT("Time", 14, "time", .needs = 60),
	LIST_KEY("name", "size"),
	LIST_ORDER,
};
static const struct list list = {columns, ARRAY_SIZE(columns), .key = 3, .first_sort = 1, .empty = "Nothing.", .polish = list_polish_times};

static struct viewer_press key(u8 code)
{
	return (struct viewer_press){.code = code, .chord = {.codes = {code}, .count = 1}};
}

static char *list_text(struct table *t, const struct model_answer *a, const char *about, unsigned width)
{
	struct canvas c = {0};
	canvas_clear(&c, width, 5);
	list_draw(t, &c, 0, 5, &list, a, about);
	char *text = canvas_dump(&c);
	canvas_free(&c);
	return text;
}

Test(tui_model, lists)
{
	struct table t = {0};
	struct model_answer a = {.at = 1};
	a.result = json_loads("[{\"name\":\"a\",\"size\":\"1 GB\",\"size_mb\":1024,\"time\":\"2026-11-22T14:28:32.249Z\"},"
			      "{\"name\":\"b\",\"size\":\"20 MB\",\"size_mb\":20},7,{\"name\":\"a\",\"size\":\"2 GB\",\"size_mb\":2048}]", 0, NULL);
	char *text = list_text(&t, &a, "", 60);
	cr_expect(strstr(text, "Name"), "%s", text);
	/* The largest first; what is no row is blank, and last. */
	cr_expect(strstr(text, " a             2 GB\n a             1 GB  11-22 14:28:32\n b            20 MB\n"), "%s", text);
	free(text);
	struct viewer_press down = key(CODE_DOWN);
	cr_expect(list_key(&t, &down, &list, &a, ""));
	text = list_text(&t, &a, "", 60);
	/* Two rows of the same name are two rows. */
	cr_expect_str_eq(t.selected, "a/1 GB");
	cr_expect_eq(row_count(list_selected(&t, &list, a.result), "size_mb", 0), 1024);
	free(text);
	text = list_text(&t, &a, "another", 60);
	cr_expect(strstr(text, "Asking the host") && !strstr(text, "GB"), "%s", text);
	free(text);
	json_decref(a.result);
	a.result = NULL;
	str_copy(a.trouble, sizeof(a.trouble), "you may not");
	text = list_text(&t, &a, "", 40);
	cr_expect(strstr(text, "you may not"), "%s", text);
	free(text);
	table_free(&t);
}

Test(tui_model, rows_that_are_looked_for)
{
	json_t *rows = json_loads("[{\"vm\":\"a\"},{\"vm\":\"b\"},{},null,{\"vm\":\"a\",\"n\":2}]", 0, NULL);
	json_t *found = rows_where(rows, "vm", "a");
	cr_expect_eq(rows_count(found), 2);
	cr_expect_eq(row_count(rows_at(found, 1), "n", 0), 2);
	cr_expect_null(rows_where(NULL, "vm", "a"));
	json_decref(found);
	json_decref(rows);
}

/* A key press is drawn in no time, however many machines there are; what others do with the CPU meanwhile does not count. */
Test(tui_model, a_thousand_rows_are_no_matter)
{
	struct table t = {0};
	struct model_answer a = {.at = 1, .result = json_array()};
	for (int k = 0; k < 1000; k++)
		json_array_append_new(a.result, json_pack("{s:o, s:o, s:i}", "name", json_sprintf("machine-%04d", k), "size",
							  json_sprintf("%d MB", k), "size_mb", (k * 7919) % 1000));
	struct viewer_press down = key(CODE_PAGE_DOWN);
	u64 best = UINT64_MAX;
	for (int k = 0; k < 20; k++) {
		struct timespec from, to;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
		list_key(&t, &down, &list, &a, "");
		free(list_text(&t, &a, "", 132));
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
		best = MIN(best, (u64)(to.tv_sec - from.tv_sec) * NSEC_PER_SEC + (u64)to.tv_nsec - (u64)from.tv_nsec);
	}
	cr_expect_lt(best, 100000000ull, "%lu ns", (unsigned long)best);
	json_decref(a.result);
	table_free(&t);
}

/* ---- pages ---- */

Test(tui_model, pages)
{
	static const char *const names[] = {"One", "Two", "Three"};
	struct pages p = {.names = names, .n = 3};
	struct viewer_press left = key(CODE_LEFT), right = key(CODE_RIGHT), up = key(CODE_UP);
	struct canvas c = {.ascii = true};
	cr_expect(pages_key(&p, &left));
	cr_expect_eq(p.current, 2);
	cr_expect(pages_key(&p, &right));
	cr_expect_eq(p.current, 0);
	cr_expect_not(pages_key(&p, &up));
	canvas_clear(&c, 40, 1);
	pages_draw(&p, &c, 0, "web");
	char *text = canvas_dump(&c);
	cr_expect(strstr(text, "web") && strstr(text, "One  Two  Three"), "%s", text);
	/* A click on a name leads there. */
	struct viewer_press click = {.mouse = VIEWER_MOUSE_DOWN, .x = (u16)(strstr(text, "Two") - text), .y = 0};
	free(text);
	cr_expect(pages_key(&p, &click));
	cr_expect_eq(p.current, 1);
	/* Where they do not all fit there is this one, and the way to the others. */
	canvas_clear(&c, 16, 1);
	pages_draw(&p, &c, 0, "");
	text = canvas_dump(&c);
	cr_expect(strstr(text, "Two") && strstr(text, "2 of 3"), "%s", text);
	free(text);
	canvas_free(&c);
}

/* ---- batch ---- */

Test(tui_model, batch_lines)
{
	char *line = batch_csv_heading("memory");
	cr_expect_str_eq(line, "time,world,name,owner,kind,configured_mb,resident_mb,swapped_mb,balloon_mb,overhead_mb");
	free(line);
	json_t *row = json_loads("{\"world\":7,\"name\":\"a,\\\"b\\\"\",\"owner\":null,\"kind\":\"machine\",\"configured_mb\":64,\"resident_mb\":1.5}", 0, NULL);
	line = batch_csv_row("m", "now", row);
	cr_expect_str_eq(line, "now,7,\"a,\"\"b\"\"\",,machine,64,1.5,,,");
	free(line);
	json_decref(row);
	cr_expect_eq(panel_find("Disk"), PANEL_DISK);
	cr_expect_eq(panel_find("n"), PANEL_NETWORK);
	cr_expect_eq(panel_find("x"), PANEL_COUNT);
	cr_expect_eq(panel_find(""), PANEL_COUNT);
}
