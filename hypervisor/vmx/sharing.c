/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sharing.c - see viewers.h */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/util.h"
#include "vmx/viewers.h"

enum sharing { SHARED, ASK, EXCLUSIVE };

static enum sharing policy(const struct vmx *x)
{
	const char *text = config_string(x->machine->config, "console.sharing");

	return str_ieq(text, "exclusive") ? EXCLUSIVE : str_ieq(text, "ask") ? ASK : SHARED;
}

/* "susie from 192.0.2.7", as others are told. */
static void name_of(const struct screen_who *who, char *text, size_t size)
{
	snprintf(text, size, "%s%s%s", who->user[0] ? who->user : "somebody", who->address[0] ? " from " : " on this host", who->address);
}

static bool in_the_way(const struct viewer *v, const struct screen_who *who)
{
	bool same = strcmp(v->who.user, who->user) == 0;

	return !v->outside && !(same && (v->who.brief || who->brief));
}

/* Who only looks, or is there for a moment, has no say. */
static bool has_a_say(const struct viewer *v)
{
	return !v->outside && !v->view_only && !v->who.brief;
}

static int refuse(const struct vmx *x, const struct viewer *inside, struct error *err)
{
	char name[128], since[32];
	time_t t = (time_t)inside->since;
	struct tm tm;

	name_of(&inside->who, name, sizeof(name));
	localtime_r(&t, &tm);
	strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S", &tm);
	return fail(err, -EBUSY, "%s is at the console of %s since %s, and console.sharing = \"exclusive\" lets in one at a time", name, x->name, since);
}

int sharing_judge(const struct vmx *x, const struct screen_who *who, struct error *err)
{
	enum sharing sharing = policy(x);
	unsigned waiting = 0, waiting_same = 0;
	bool ask = false;

	if (sharing == SHARED)
		return 0;
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		const struct viewer *v = x->screen.viewers[i];
		if (!v)
			continue;
		waiting += v->outside;
		waiting_same += v->outside && strcmp(v->who.user, who->user) == 0;
		if (sharing == EXCLUSIVE && in_the_way(v, who))
			return refuse(x, v, err);
		ask |= in_the_way(v, who) && has_a_say(v);
	}
	if (ask && (waiting >= SHARING_WAITING_MAX || waiting_same >= SHARING_WAITING_EACH))
		return fail(err, -EBUSY, "too many wait to be let in to the console of %s", x->name);
	return ask ? SHARING_ASK : 0;
}

/* ---- questions ---- */

static void put_question(struct viewer *to, const struct viewer *about, unsigned seconds)
{
	struct screen_message msg = {0};
	char name[128];

	name_of(&about->who, name, sizeof(name));
	msg.ask.question = (u32)about->id;
	msg.ask.seconds = (u16)seconds;
	int len = snprintf(msg.ask.text, sizeof(msg.ask.text), "%s wants to %s", name, about->view_only ? "look at this console" : "work at this console, too");
	viewer_send(to, SCREEN_ASK, msg.bytes, (size_t)(msg.ask.text - (char *)msg.bytes) + MIN((size_t)len, sizeof(msg.ask.text)));
}

static void tell_all(const struct viewer *about, unsigned seconds)
{
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *v = about->x->screen.viewers[i];
		if (v && v != about && has_a_say(v))
			put_question(v, about, seconds);
	}
}

/* The question about v is settled. */
static void settle(struct viewer *v)
{
	v->deadline = sd_event_source_disable_unref(v->deadline);
	tell_all(v, 0);
}

static void let_in(struct viewer *v, const char *why)
{
	char name[128];
	struct error err;

	name_of(&v->who, name, sizeof(name));
	settle(v);
	log_info("%s is let in to the console: %s", name, why);
	if (viewer_let_in(v, &err))
		log_warning("%s", err.text);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source, (void)usec;
	let_in(arg, "nobody has answered");
	return 0;
}

int sharing_ask(struct viewer *v, struct error *err)
{
	struct vmx *x = v->x;
	char text[200] = "", name[128];
	unsigned asked = 0;

	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		const struct viewer *other = x->screen.viewers[i];
		if (!other || !has_a_say(other))
			continue;
		name_of(&other->who, name, sizeof(name));
		if (!asked++)
			snprintf(text, sizeof(text), "%s is asked to let you in", name);
	}
	int r = sd_event_add_time_relative(x->loop, &v->deadline, CLOCK_MONOTONIC, SCREEN_WAIT_SECONDS * 1000000ull, 1000, on_deadline, v);
	if (r < 0)
		return fail(err, r, "cannot make a timer: %s", strerror(-r));
	r = viewer_send(v, SCREEN_WAIT, text, strlen(text));
	if (r)
		return fail(err, r, "cannot tell a viewer to wait: %s", strerror(-r));
	tell_all(v, SCREEN_WAIT_SECONDS);
	return 0;
}

static unsigned seconds_left(const struct viewer *v)
{
	uint64_t at = 0, now = now_monotonic() / 1000;

	sd_event_source_get_time(v->deadline, &at);
	return at > now ? (unsigned)((at - now) / 1000000 + 1) : 1;
}

void sharing_entered(struct viewer *v)
{
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		const struct viewer *other = v->x->screen.viewers[i];
		if (other && other->outside && has_a_say(v))
			put_question(v, other, seconds_left(other));
	}
}

static void turn_away(struct viewer *v, const struct viewer *who)
{
	char text[200], name[128];

	name_of(&v->who, name, sizeof(name));
	log_info("%s is not let in to the console: %s has refused", name, who->who.user);
	snprintf(text, sizeof(text), "%s has not let you in", who->who.user[0] ? who->who.user : "somebody");
	viewer_send(v, SCREEN_REMOVED, text, strlen(text));
	viewer_remove(v);
}

void sharing_answer(struct viewer *v, u32 question, bool yes)
{
	char why[64];

	if (!has_a_say(v))
		return;
	for (unsigned i = 0; i < VIEWERS_MAX; i++) {
		struct viewer *about = v->x->screen.viewers[i];
		if (!about || !about->outside || (u32)about->id != question)
			continue;
		snprintf(why, sizeof(why), "by %s", v->who.user[0] ? v->who.user : "somebody");
		if (yes)
			let_in(about, why);
		else
			turn_away(about, v);
		return;
	}
}

void sharing_left(struct vmx *x, struct viewer *v)
{
	bool anybody = false;

	if (v->outside) {
		settle(v);
		return;
	}
	for (unsigned i = 0; i < VIEWERS_MAX; i++)
		anybody |= x->screen.viewers[i] && has_a_say(x->screen.viewers[i]);
	for (unsigned i = 0; i < VIEWERS_MAX && !anybody; i++)
		if (x->screen.viewers[i] && x->screen.viewers[i]->outside) {
			let_in(x->screen.viewers[i], "there is nobody left to ask");
			/* Who is in now has a say about the rest. */
			anybody = x->screen.viewers[i] && has_a_say(x->screen.viewers[i]);
		}
}
