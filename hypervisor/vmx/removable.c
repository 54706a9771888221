/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * removable.c - what people change at a machine that runs: media in its drives, the cables of its network cards; and what they and
 * programs in the guest tell each other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmx/vmx.h"

/* "ethernet2" -> 2; -1: not a card's name. */
static int card_number(const char *device)
{
	u64 n;

	return str_starts(device, "ethernet") && parse_u64(device + 8, 0, NET_NICS - 1, &n) ? (int)n : -1;
}

/* Under the lock. NULL: no device has such a drive. */
static const struct drives *drives_of(struct machine *m, const char *device)
{
	for (unsigned i = 0; i < MACHINE_MAX_DRIVES; i++) {
		const struct drives *s = &m->people.drives[i];
		if (s->device && s->ops->medium(s->device, device))
			return s;
	}
	return NULL;
}

static int no_such_device(const struct vmx *x, const char *device, struct error *err)
{
	return fail(err, -ENODEV, "%s has no %.40s that can be connected: that are its CD and floppy drives and its network cards", x->name,
		    device);
}

static int cable(struct vmx *x, const char *device, bool in, struct error *err)
{
	struct machine *m = x->machine;
	int card = card_number(device);

	if (card < 0 || !m->nics[card].device)
		return no_such_device(x, device, err);
	machine_lock(m);
	net_plug(m, (unsigned)card, in);
	machine_unlock(m);
	log_info("%s: the cable is %s", device, in ? "plugged in" : "pulled out");
	return 0;
}

static int may_change(const struct vmx *x, struct error *err)
{
	return suspend_active(x) ? fail(err, -EBUSY, "%s is being suspended", x->name) : 0;
}

int removable_connect(struct vmx *x, const char *device, int fd, const char *file, bool force, struct error *err)
{
	struct machine *m = x->machine;
	int r = may_change(x, err);

	if (!r && card_number(device) >= 0)
		r = cable(x, device, true, err);
	else if (!r && fd < 0)
		r = fail(err, -EINVAL, "connect: needs a file");
	if (r || card_number(device) >= 0) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	machine_lock(m);
	const struct drives *s = drives_of(m, device);
	if (s) {
		r = s->ops->insert(s->device, device, fd, file, force, err);
	} else {
		close(fd);
		r = no_such_device(x, device, err);
	}
	machine_unlock(m);
	if (!r)
		log_info("%s: %s is put in", device, file);
	return r;
}

int removable_disconnect(struct vmx *x, const char *device, bool force, struct error *err)
{
	struct machine *m = x->machine;
	int r = may_change(x, err);

	if (r || card_number(device) >= 0)
		return r ? r : cable(x, device, false, err);
	machine_lock(m);
	const struct drives *s = drives_of(m, device);
	r = s ? s->ops->eject(s->device, device, force, err) : no_such_device(x, device, err);
	machine_unlock(m);
	if (!r)
		log_info("%s: the medium is taken out", device);
	return r;
}

/* Under the lock. */
static void list_drive(struct machine *m, json_t *list, const char *device)
{
	const struct drives *s = drives_of(m, device);
	const char *file = s ? s->ops->medium(s->device, device) : NULL;

	if (!file)
		return;
	json_t *text = json_string(file);
	json_object_set_new(list, device, json_pack("{s:b, s:o}", "connected", *file != 0, "file", text ? text : json_string("?")));
}

json_t *removable_list(struct vmx *x)
{
	static const char *const drives[] = {"ide0:0", "ide0:1", "ide1:0", "ide1:1", "floppy0", "floppy1"};
	struct machine *m = x->machine;
	json_t *list = json_object();
	char name[16];

	machine_lock(m);
	for (size_t i = 0; i < ARRAY_SIZE(drives); i++)
		list_drive(m, list, drives[i]);
	for (unsigned i = 0; i < NET_NICS; i++) {
		snprintf(name, sizeof(name), "ethernet%u", i);
		if (m->nics[i].device)
			json_object_set_new(list, name, json_pack("{s:b}", "connected", m->nics[i].plugged));
	}
	machine_unlock(m);
	return list;
}

/* ---- the guest's programs ---- */

static int need_rpc(const struct vmx *x, struct error *err)
{
	return x->machine->people.rpc ? 0 : fail(err, -EOPNOTSUPP, "%s has no way for its guest to tell: set backdoor.present", x->name);
}

int guestinfo_tell(struct vmx *x, const char *key, const char *value, struct error *err)
{
	struct machine *m = x->machine;
	int r = need_rpc(x, err);

	if (r)
		return r;
	machine_lock(m);
	r = m->people.rpc_ops->set(m->people.rpc, key, *value ? value : NULL, err);
	machine_unlock(m);
	return r;
}

int guestinfo_ask(struct vmx *x, const char *key, json_t **value, struct error *err)
{
	struct machine *m = x->machine;
	int r = need_rpc(x, err);

	if (r)
		return r;
	machine_lock(m);
	const char *text = m->people.rpc_ops->get(m->people.rpc, key);
	*value = text ? json_string(text) : NULL;
	machine_unlock(m);
	if (!text)
		return fail(err, -ENOENT, "guestinfo.%.80s is not set in %s", key, x->name);
	return *value ? 0 : fail(err, -EILSEQ, "guestinfo.%.80s of %s is not UTF-8", key, x->name);
}

void guest_tools_tell(struct vmx *x, json_t *answer)
{
	struct machine *m = x->machine;
	struct guest_tools tools = {0};

	machine_lock(m);
	if (m->people.rpc)
		tools = m->people.rpc_ops->tools(m->people.rpc);
	machine_unlock(m);
	if (tools.version)
		json_object_set_new(answer, "tools_version", json_integer(tools.version));
	if (tools.heard)
		json_object_set_new(answer, "heartbeat_s", json_integer((json_int_t)(tools.silent_ns / NSEC_PER_SEC)));
}
