/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmss_state.c - see vmss.h: the state stream of a machine, all but its RAM */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "vmx/vmss.h"

#define VERSION_CONFIGURATION 1
#define VERSION_MACHINE 1
#define MAX_KEYS 1000
#define TEXT_MAX 4096

/* ---- text ---- */

static void put_text(struct state_writer *w, const char *text)
{
	size_t len = strnlen(text, TEXT_MAX);

	put_u32(w, (u32)len);
	put_bytes(w, text, len);
}

static void get_text(struct state_reader *r, char text[TEXT_MAX + 1])
{
	u32 len = get_u32_max(r, TEXT_MAX);

	get_bytes(r, text, len);
	text[len] = 0;
}

/* ---- the configuration: what the guest sees of it must not have changed ---- */

/* What is in a CD or floppy drive, and whether a cable is plugged in, may change at any time: the devices tell the guest. */
static bool key_is_of_medium(const struct config *c, const char *key)
{
	const char *dot = strrchr(key, '.');
	char type[64];

	if (!dot || str_ieq(dot, ".startConnected"))
		return dot != NULL;
	if (!str_ieq(dot, ".fileName"))
		return false;
	snprintf(type, sizeof(type), "%.*s.deviceType", (int)(dot - key), key);
	return !strncasecmp(key, "floppy", 6) || (config_key_find(type) && strcasestr(config_string(c, type), "cdrom"));
}

/* Keys of the world outside the guest. */
static bool key_counts(const struct config *c, const char *key)
{
	static const char *const outside[] = {"displayName", "annotation", "autostart", "uuid.location", "RemoteDisplay.", "sched.",
					      "cpu.engine", "debug.console", "nat.forward", "bios.fileName", "vgabios.fileName", "guestinfo."};

	for (size_t i = 0; i < ARRAY_SIZE(outside); i++)
		if (!strncasecmp(key, outside[i], strlen(outside[i])))
			return false;
	return config_key_find(key) && !key_is_of_medium(c, key);
}

struct keys {
	struct machine *machine;
	struct state_writer *writer;
	unsigned count;
	const char *key; /* the first that differs */
};

static void count_key(void *arg, const char *key, const char *value)
{
	struct keys *k = arg;
	(void)value;

	k->count += key_counts(k->machine->config, key);
}

static void save_key(void *arg, const char *key, const char *value)
{
	struct keys *k = arg;

	if (!key_counts(k->machine->config, key) || k->count++ >= MAX_KEYS)
		return;
	put_text(k->writer, key);
	put_text(k->writer, value);
}

static void save_configuration(struct machine *m, struct state_writer *w)
{
	struct keys k = {.machine = m, .writer = w};
	unsigned devices = 0;

	state_begin(w, "configuration", VERSION_CONFIGURATION);
	put_u64(w, m->memory.bytes);
	put_u32(w, m->n_vcpus);
	for (unsigned id = 0; id < m->n_devices; id++)
		devices += m->devices[id] != NULL;
	put_u32(w, devices);
	for (unsigned id = 0; id < m->n_devices; id++)
		if (m->devices[id])
			put_text(w, m->devices[id]->ops->name);
	config_each(m->config, count_key, &k);
	put_u32(w, MIN(k.count, (unsigned)MAX_KEYS));
	k.count = 0;
	config_each(m->config, save_key, &k);
	state_end(w);
}

static int load_devices_list(struct machine *m, struct state_reader *r, struct error *err)
{
	u32 left = get_u32_max(r, MACHINE_MAX_DEVICES);
	char name[TEXT_MAX + 1];

	for (unsigned id = 0; id < m->n_devices; id++) {
		if (!m->devices[id])
			continue;
		const char *now = m->devices[id]->ops->name;
		if (!left--)
			return fail(err, -EINVAL, "the machine had no device %s when it was suspended", now);
		get_text(r, name);
		if (!state_error(r) && strcmp(name, now))
			return fail(err, -EINVAL, "the machine had other devices when it was suspended: %.40s, not %s", name, now);
	}
	return left && !state_error(r) ? fail(err, -EINVAL, "the machine had more devices when it was suspended") : 0;
}

static bool same_value(const struct config *c, const char *key, const char *value)
{
	const struct config_key *row = config_key_find(key);
	bool a, b;

	if (!row)
		return true;
	const char *now = config_get(c, key);
	if (!now)
		now = row->fallback;
	if (row->type == CONFIG_BOOL && parse_bool(now, &a) && parse_bool(value, &b))
		return a == b;
	return row->type == CONFIG_PATH || row->type == CONFIG_STRING ? !strcmp(now, value) : str_ieq(now, value);
}

struct missing {
	const struct config *then, *now;
	const char *key;
};

/* A key that is set now must have had that value then. */
static void find_new(void *arg, const char *key, const char *value)
{
	struct missing *x = arg;

	if (!x->key && key_counts(x->now, key) && !same_value(x->then, key, value))
		x->key = key;
}

static int load_keys(struct machine *m, struct state_reader *r, struct error *err)
{
	char key[TEXT_MAX + 1], value[TEXT_MAX + 1];
	struct config *then = config_new("saved");
	int ret = 0;

	for (u32 n = get_u32_max(r, MAX_KEYS); n && !ret && !state_error(r); n--) {
		get_text(r, key);
		get_text(r, value);
		if (state_error(r) || !key_counts(m->config, key))
			continue;
		if (!same_value(m->config, key, value))
			ret = fail(err, -EINVAL, "%.60s was \"%.100s\" when the machine was suspended", key, value);
		else if (config_set(then, key, value, NULL))
			ret = fail(err, -EBADMSG, "the saved %.60s has an impossible value", key);
	}
	struct missing x = {.then = then, .now = m->config};
	if (!ret && !state_error(r))
		config_each(m->config, find_new, &x);
	if (x.key)
		ret = fail(err, -EINVAL, "%.60s was not set when the machine was suspended", x.key);
	config_free(then);
	return ret;
}

static int load_configuration(struct machine *m, struct state_reader *r, struct error *err)
{
	u16 version;
	int ret = state_open(r, "configuration", VERSION_CONFIGURATION, &version, err);

	if (ret)
		return ret;
	u64 bytes = get_u64(r);
	u32 cpus = get_u32(r);
	if (!state_error(r) && bytes != m->memory.bytes)
		return fail(err, -EINVAL, "the machine had %llu MB of memory when it was suspended, and has %llu now",
			    (unsigned long long)(bytes / MIB), (unsigned long long)(m->memory.bytes / MIB));
	if (!state_error(r) && cpus != m->n_vcpus)
		return fail(err, -EINVAL, "the machine had %u CPUs when it was suspended, and has %u now", cpus, m->n_vcpus);
	if ((ret = load_devices_list(m, r, err)) || (ret = load_keys(m, r, err)))
		return ret;
	return state_close(r, err);
}

/* ---- clock, A20, interrupt lines ---- */

static void save_machine(struct machine *m, struct state_writer *w)
{
	state_begin(w, "machine", VERSION_MACHINE);
	put_u64(w, clock_now(m));
	put_bool(w, m->a20);
	put_u32(w, ARRAY_SIZE(m->irq.drivers));
	for (unsigned line = 0; line < ARRAY_SIZE(m->irq.drivers); line++)
		put_u64(w, m->irq.drivers[line]);
	state_end(w);
}

/* Before the devices: those that drive their lines anew then change nothing. */
static int load_machine(struct machine *m, struct state_reader *r, struct error *err)
{
	u64 present = 0;
	u16 version;
	int ret = state_open(r, "machine", VERSION_MACHINE, &version, err);

	if (ret)
		return ret;
	for (unsigned id = 0; id < m->n_devices; id++)
		present |= m->devices[id] ? BIT64(id) : 0;
	u64 now = get_u64(r);
	m->a20 = get_bool(r);
	u32 lines = get_u32(r);
	if (!state_error(r) && (now > INT64_MAX / 2 || lines != ARRAY_SIZE(m->irq.drivers)))
		return fail(err, -EBADMSG, "saved clock or interrupt lines are impossible");
	for (unsigned line = 0; line < ARRAY_SIZE(m->irq.drivers); line++)
		m->irq.drivers[line] = get_u64(r) & present;
	m->clock.base = now;
	return state_close(r, err);
}

/* ---- CPUs ---- */

#define CPU_NUMBERS(X)                                                                                                             \
	X(rip) X(rflags) X(cr0) X(cr2) X(cr3) X(cr4) X(cr8) X(efer) X(sysenter_cs) X(sysenter_esp) X(sysenter_eip) X(star) X(lstar) \
	X(cstar) X(fmask) X(kernel_gs_base) X(tsc_aux) X(apic_base) X(pat) X(misc_enable) X(mtrr_def_type) X(tsc)
#define CPU_ARRAYS(X) X(gpr) X(dr) X(pdpte) X(mtrr_fixed) X(mtrr_base) X(mtrr_mask)
#define CPU_FLAGS(X) X(sti_shadow) X(mov_ss_shadow) X(nmi_blocked) X(halted) X(irq_taken)


static void save_segment(struct state_writer *w, const struct x86_segment *s)
{
	put_u16(w, s->selector);
	put_u32(w, s->attr);
	put_u32(w, s->limit);
	put_u64(w, s->base);
}

static void load_segment(struct state_reader *r, struct x86_segment *s)
{
	s->selector = get_u16(r);
	s->attr = get_u32(r) & (0xf0ff | X86_SEG_UNUSABLE);
	s->limit = get_u32(r);
	s->base = get_u64(r);
}

static void load_table(struct state_reader *r, struct x86_table *t)
{
	t->base = get_u64(r);
	t->limit = get_u16(r);
}

void vmss_save_cpu(struct state_writer *w, const struct x86_state *s)
{
#define X(f) put_u64(w, s->f);
	CPU_NUMBERS(X)
#undef X
#define X(f)                                            \
	for (unsigned n = 0; n < ARRAY_SIZE(s->f); n++) \
		put_u64(w, s->f[n]);
	CPU_ARRAYS(X)
#undef X
	for (unsigned n = 0; n < X86_SREGS; n++)
		save_segment(w, &s->seg[n]);
	save_segment(w, &s->ldtr);
	save_segment(w, &s->tr);
	put_u64(w, s->gdtr.base);
	put_u16(w, s->gdtr.limit);
	put_u64(w, s->idtr.base);
	put_u16(w, s->idtr.limit);
	put_bytes(w, s->fxsave, sizeof(s->fxsave));
	put_u8(w, s->irq_vector);
#define X(f) put_bool(w, s->f);
	CPU_FLAGS(X)
#undef X
	put_u64(w, s->xcr0);
	put_bytes(w, s->ymm_high, sizeof(s->ymm_high));
	put_bool(w, s->nmi_pending);
	put_u64(w, s->tsc_adjust);
}

int vmss_load_cpu(struct state_reader *r, unsigned version, struct x86_state *s, struct error *err)
{
	memset(s, 0, sizeof(*s));
#define X(f) s->f = get_u64(r);
	CPU_NUMBERS(X)
#undef X
#define X(f)                                            \
	for (unsigned n = 0; n < ARRAY_SIZE(s->f); n++) \
		s->f[n] = get_u64(r);
	CPU_ARRAYS(X)
#undef X
	for (unsigned n = 0; n < X86_SREGS; n++)
		load_segment(r, &s->seg[n]);
	load_segment(r, &s->ldtr);
	load_segment(r, &s->tr);
	load_table(r, &s->gdtr);
	load_table(r, &s->idtr);
	get_bytes(r, s->fxsave, sizeof(s->fxsave));
	s->irq_vector = get_u8(r);
#define X(f) s->f = get_bool(r);
	CPU_FLAGS(X)
#undef X
	s->xcr0 = 1;
	if (version >= 2) {
		s->xcr0 = get_u64(r);
		get_bytes(r, s->ymm_high, sizeof(s->ymm_high));
		s->nmi_pending = get_bool(r);
		s->tsc_adjust = get_u64(r);
	}
	return state_error(r) ? 0 : x86_check(s, err); /* an error is state_close()'s to tell */
}

static int load_cpu(struct vcpu *v, struct state_reader *r, struct error *err)
{
	struct x86_state state;
	u16 version;
	int ret = state_open(r, "cpu", VMSS_CPU_VERSION, &version, err);

	if (!ret)
		ret = vmss_load_cpu(r, version, &state, err);
	if (!ret)
		ret = state_close(r, err);
	if (ret)
		return ret;
	v->tsc = state.tsc;
	v->tsc_stands = true;
	return v->machine->engine->set(v->cpu, &state, err);
}

/* ---- all ---- */

void vmss_save(struct machine *m, struct state_writer *w)
{
	struct x86_state state;

	save_configuration(m, w);
	save_machine(m, w);
	for (unsigned i = 0; i < m->n_vcpus; i++) {
		m->engine->get(m->vcpus[i].cpu, &state);
		if (m->vcpus[i].tsc_stands)
			state.tsc = m->vcpus[i].tsc;
		state_begin(w, "cpu", VMSS_CPU_VERSION);
		vmss_save_cpu(w, &state);
		state_end(w);
	}
	machine_save_devices(m, w);
}

int vmss_load(struct machine *m, struct state_reader *r, struct error *err)
{
	int ret;

	if ((ret = load_configuration(m, r, err)) || (ret = load_machine(m, r, err)))
		return ret;
	for (unsigned i = 0; !ret && i < m->n_vcpus; i++)
		ret = load_cpu(&m->vcpus[i], r, err);
	return ret ? ret : machine_load_devices(m, r, err);
}

struct refusal {
	struct machine *machine;
	char key[64];
};

static void find_nonpersistent(void *arg, const char *key, const char *value)
{
	struct refusal *x = arg;
	const char *dot = strrchr(key, '.');
	const struct config *config = x->machine->config;
	char present[64], type[64];

	if (x->key[0] || !dot || !str_ieq(dot, ".mode") || !strcasestr(value, "nonpersistent"))
		return;
	snprintf(present, sizeof(present), "%.*s.present", (int)(dot - key), key);
	snprintf(type, sizeof(type), "%.*s.deviceType", (int)(dot - key), key);
	/* Nothing is written to a CD: its mode says nothing. */
	if (config_key_find(type) && strcasestr(config_string(config, type), "cdrom"))
		return;
	if (config_key_find(present) && config_bool(config, present))
		snprintf(x->key, sizeof(x->key), "%.*s", (int)(dot - key), key);
}

int vmss_possible(struct machine *m, struct error *err)
{
	struct refusal x = {.machine = m};

	config_each(m->config, find_nonpersistent, &x);
	if (x.key[0])
		return fail(err, -EOPNOTSUPP, "%s cannot be suspended: its disk %s is nonpersistent, what was written to it would be lost",
			    m->name, x.key);
	return 0;
}
