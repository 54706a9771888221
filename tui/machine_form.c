// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * machine_form.c - see form.h: machines are made and changed by form. Which fields there are is told by api.def's row of vm.create and by
 * keys.def; whether a value is allowed, by the functions the host itself calls.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "lib/config.h"
#include "lib/machine_words.h"
#include "lib/util.h"
#include "tui/ui.h"

/* ---- keys of a .vmx file ---- */

/* Which keys stand under which heading: those whose pattern begins so, in order; all others come last. */
static const struct {
	const char *heading, *prefixes;
} groups[] = {
	{"Machine", "displayName guestOS annotation memsize numvcpus autostart autostop bios.bootOrder sched. machine."},
	{"Disks and drives", "ide virtio#. floppy"},
	{"Network", "ethernet nat."},
	{"Console", "RemoteDisplay. console. svga."},
	{"CPU", "cpu. hypervisor. backdoor."},
	{"Ports and further devices", "serial virtio. "},
	{"Firmware and kernel", "bios. vgabios. kernel. nvram"},
	{"Everything else", ""},
};
/* Devices a machine can have though its file does not tell of them. */
static const char *const standard_devices[] = {"ide0:0", "ide0:1", "ide1:0", "ide1:1", "virtio0", "virtio1", "floppy0",
					       "floppy1", "ethernet0", "ethernet1", "serial0", "serial1"};

#define DEVICES_MAX 64
struct devices {
	char names[DEVICES_MAX][32];
	unsigned n;
};

static unsigned group_of(const char *pattern)
{
	for (unsigned k = 0; k + 1 < ARRAY_SIZE(groups); k++) {
		for (const char *p = groups[k].prefixes; *p;) {
			size_t len = strcspn(p, " ");
			if (len && !strncmp(pattern, p, len))
				return k;
			p += len + (p[len] == ' ');
		}
	}
	return ARRAY_SIZE(groups) - 1;
}

static void device_add(struct devices *d, const char *name, size_t length)
{
	if (length >= sizeof(d->names[0]) || d->n == DEVICES_MAX)
		return;
	for (unsigned k = 0; k < d->n; k++)
		if (strlen(d->names[k]) == length && !strncasecmp(d->names[k], name, length))
			return;
	memcpy(d->names[d->n], name, length);
	d->names[d->n++][length] = 0;
}

/* What is set, as vm.get tells it. */
static const char *value_set(json_t *set, const char *key)
{
	size_t k;
	json_t *o;
	json_array_foreach(set, k, o) {
		const char *name = json_string_value(json_object_get(o, "key"));
		if (name && str_ieq(name, key))
			return json_string_value(json_object_get(o, "value"));
	}
	return NULL;
}

static void devices_find(struct devices *d, json_t *set)
{
	size_t k;
	json_t *o;
	d->n = 0;
	for (k = 0; k < ARRAY_SIZE(standard_devices); k++)
		device_add(d, standard_devices[k], strlen(standard_devices[k]));
	json_array_foreach(set, k, o) {
		const char *name = json_string_value(json_object_get(o, "key"));
		const struct config_key *key = name ? config_key_find(name) : NULL;
		if (key && strchr(key->pattern, '#'))
			device_add(d, name, strcspn(name, "."));
	}
}

static struct form_field *key_field(struct form *f, const struct config_key *key, const char *name, json_t *set)
{
	static const char yes_no[] = "TRUE|FALSE";
	const char *value = value_set(set, name);
	/* Longer than a form's field: not to be cut by it. */
	bool fits = !value || strlen(value) < sizeof(((struct form_field *)0)->value);
	bool choice = key->type == CONFIG_BOOL || key->type == CONFIG_CHOICE;
	struct form_field *field = form_add(f, !fits ? FORM_HEADING : choice ? FORM_CHOICE : FORM_TEXT, name, name, value ? value : key->fallback);
	field->choices = key->type == CONFIG_BOOL ? yes_no : choice ? key->allowed : NULL;
	field->help = key->help;
	field->path = key->type == CONFIG_PATH;
	return field;
}

/* All keys of one device: the first says whether it is there. */
static void device_fields(struct form *f, const char *device, json_t *set)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	char name[80];
	int present = -1;
	for (size_t k = 0; k < count; k++) {
		const char *dot = strchr(keys[k].pattern, '.');
		if (!dot || !strchr(keys[k].pattern, '#'))
			continue;
		snprintf(name, sizeof(name), "%s%s", device, dot);
		if (config_key_find(name) != &keys[k])
			continue;
		struct form_field *field = key_field(f, &keys[k], name, set);
		field->needs = present;
		if (!strcmp(dot, ".present"))
			present = (int)f->n_fields - 1;
	}
}

static bool device_in_group(const char *device, unsigned group)
{
	char name[80];
	snprintf(name, sizeof(name), "%s.present", device);
	const struct config_key *key = config_key_find(name);
	return key && group_of(key->pattern) == group;
}

static void group_fields(struct form *f, unsigned group, const struct devices *d, json_t *set)
{
	size_t count;
	const struct config_key *keys = config_keys(&count);
	form_add(f, FORM_HEADING, "", groups[group].heading, "");
	for (size_t k = 0; k < count; k++)
		if (!strpbrk(keys[k].pattern, "#*") && group_of(keys[k].pattern) == group)
			key_field(f, &keys[k], keys[k].pattern, set);
	for (unsigned k = 0; k < d->n; k++)
		if (device_in_group(d->names[k], group))
			device_fields(f, d->names[k], set);
}

static void check_key(struct form_field *field)
{
	struct error err;
	const struct config_key *key = config_key_find(field->name);
	/* What has always been so is not this form's fault. */
	if (!key || !form_field_changed(field))
		return;
	/* Nothing in it takes the key out of the file. */
	if (!field->value[0])
		return;
	if (str_ieq(field->name, "displayName") && machine_name_check(field->value, &err))
		str_copy(field->why, sizeof(field->why), err.text);
	else if (config_value_allowed(key, field->value, field->why, sizeof(field->why)))
		field->why[0] = 0;
}

#define MACHINE_NAME_SIZE 128

/* One vm.set a changed key; those that are set count as unchanged from then on, so that trying again does the rest. */
static bool keys_set(struct ui *ui, struct form *f, char vm[MACHINE_NAME_SIZE])
{
	char what[200];
	for (unsigned k = 0; k < f->n_fields; k++) {
		struct form_field *field = &f->fields[k];
		if (!form_field_changed(field) || !config_key_find(field->name))
			continue;
		snprintf(what, sizeof(what), "setting %s of %.100s", field->name, vm);
		json_t *params = json_pack("{s:s, s:s, s:s}", "vm", vm, "key", field->name, "value", field->value);
		if (act_call_wait(ui, "vm.set", params, what, NULL)) {
			form_go(f, field);
			return false;
		}
		str_copy(field->was, sizeof(field->was), field->value);
		/* From here on it has that name. */
		if (str_ieq(field->name, "displayName") && field->value[0]) {
			str_copy(vm, MACHINE_NAME_SIZE, field->value);
			str_copy(ui->machine, sizeof(ui->machine), vm);
		}
	}
	return true;
}

/* ---- a new machine ---- */

static const struct {
	const char *name, *label, *help;
} words[] = {
	{"name", "Name", "Unique on the host"},
	{"memory", "Memory (MB)", "Guest memory, a multiple of 4"},
	{"disk", "Existing disk image", "An image that is there already; leave it empty for a new one, or none"},
	{"size", "Size of a new disk", "512M or 4G: an empty disk is made in the machine's folder"},
	{"cdrom", "CD image", "An ISO file in the CD drive"},
	{"floppy", "Floppy image", "An image in the floppy drive"},
	{"path", "Configuration file", "Path of the .vmx file to make; empty: the host chooses"},
	{"owner", "Owner", "Only the administrator makes machines for others; empty: you"},
	{"net", "Network card", "nat: a private network behind the host"},
	{"volume", "Volume", "Where its files are to be (view Storage); empty: local"},
};

static void argument_field(struct form *f, const struct api_arg *arg)
{
	unsigned k = 0;
	while (k < ARRAY_SIZE(words) && strcmp(words[k].name, arg->name))
		k++;
	bool known = k < ARRAY_SIZE(words), choice = arg->type == API_CHOICE || arg->type == API_BOOL;
	struct form_field *field =
		form_add(f, choice ? FORM_CHOICE : FORM_TEXT, arg->name, known ? words[k].label : arg->name, arg->fallback);
	field->help = known ? words[k].help : api_find("vm.create")->help;
	field->path = arg->type == API_PATH;
}

/* Choices of a row are separated by commas, a form's by bars; they live as long as the program. */
static const char *choices_of(const struct api_arg *arg)
{
	static char texts[API_MAX_ARGS][sizeof(arg->choices)];
	static unsigned n;
	if (arg->type == API_BOOL)
		return "true|false";
	char *text = texts[n++ % API_MAX_ARGS];
	str_copy(text, sizeof(texts[0]), arg->choices);
	for (char *c = text; *c; c++)
		*c = *c == ',' ? '|' : *c;
	return text;
}

static bool is_argument(const char *name)
{
	struct api_arg args[API_MAX_ARGS];
	unsigned n = api_args(api_find("vm.create"), args);
	while (n-- > 0)
		if (!strcmp(args[n].name, name))
			return true;
	return false;
}

static void check_create(const struct form *f, struct form_field *field, void *arg)
{
	struct error err;
	struct ui *ui = arg;
	u64 number;
	const char *value = field->value;
	if (!is_argument(field->name)) {
		check_key(field);
		return;
	}
	if (!strcmp(field->name, "name")) {
		if (machine_name_check(value, &err))
			str_copy(field->why, sizeof(field->why), err.text);
		for (unsigned k = 0; k < ui->model.n_machines; k++)
			if (!strcasecmp(ui->model.machines[k].name, value))
				snprintf(field->why, sizeof(field->why), "a virtual machine named %.100s exists already", value);
	} else if (!strcmp(field->name, "memory")) {
		if (config_value_allowed(config_key_find("memsize"), value, field->why, sizeof(field->why)))
			field->why[0] = 0;
	} else if (!strcmp(field->name, "size") && value[0]) {
		const struct form_field *disk = form_find(f, "disk");
		if (disk && disk->value[0])
			snprintf(field->why, sizeof(field->why), "give an existing disk or the size of a new one, not both");
		else if (disk_size_parse(value, &number, &err))
			str_copy(field->why, sizeof(field->why), err.text);
	} else if (field->path && value[0] && value[0] != '/') {
		snprintf(field->why, sizeof(field->why), "must be a path from the root: /...");
	}
}

/* Images, one by one: so that what the host says is about this one. Who is to own the machine is who has to be able to open them. */
static bool ask_create(const struct form *f, const struct form_field *field, char *request, size_t size, void *arg)
{
	const struct form_field *name = form_find(f, "name"), *owner = form_find(f, "owner");
	(void)arg;
	if (!field->path || !is_argument(field->name) || !strcmp(field->name, "path") || name->why[0])
		return false;
	json_t *params = json_pack("{s:s, s:s}", "name", name->value, field->name, field->value);
	if (owner && owner->value[0])
		json_object_set_new(params, "owner", json_string(owner->value));
	return form_request("vm.create", params, request, size);
}

static json_t *create_params(const struct form *f)
{
	struct api_arg args[API_MAX_ARGS];
	unsigned n = api_args(api_find("vm.create"), args);
	json_t *params = json_object();
	for (unsigned k = 0; k < n; k++) {
		const struct form_field *field = form_find(f, args[k].name);
		u64 number = 0;
		if (!field || !field->value[0])
			continue;
		json_t *value = args[k].type == API_NUMBER && parse_u64(field->value, 0, INT64_MAX, &number) ? json_integer((json_int_t)number)
				: args[k].type == API_BOOL ? json_boolean(!strcmp(field->value, "true")) : json_string(field->value);
		json_object_set_new(params, args[k].name, value);
	}
	return params;
}

static bool accept_create(struct ui *ui, struct form *f, void *arg)
{
	char name[MACHINE_NAME_SIZE], what[200], warning[300] = "";
	json_t *result;
	(void)arg;
	str_copy(name, sizeof(name), form_find(f, "name")->value);
	snprintf(what, sizeof(what), "creating %.100s", name);
	if (act_call_wait(ui, "vm.create", create_params(f), what, &result))
		return false;
	act_warning(result, warning, sizeof(warning));
	json_decref(result);
	/* It is selected once it is on the list. */
	str_copy(ui->machine, sizeof(ui->machine), name);
	dialog_wait(ui, "Please wait", "The list of machines is read again...");
	for (u64 end = now_monotonic() + 3 * NSEC_PER_SEC; !ui_selected(ui) && !ui->quit && now_monotonic() < end;)
		main_turn(ui);
	dialog_end(ui);
	/* It is there: what could not be set is to be tried again by editing it, not by creating it twice. */
	if (!keys_set(ui, f, name))
		ui_message(ui, true, "%.100s is created, but not all is set; e changes the rest: %.300s", name, ui->message);
	else if (warning[0])
		ui_message(ui, true, "%.100s is created, but %s.", name, warning);
	else
		ui_message(ui, false, "%.100s is created. s powers it on.", name);
	return true;
}

void machine_create(struct ui *ui)
{
	struct form f = {.title = "New virtual machine", .accept_label = "Create", .check = check_create, .ask = ask_create,
			 .accept = accept_create, .arg = ui};
	struct api_arg args[API_MAX_ARGS];
	struct devices none = {.n = 0};
	unsigned n = api_args(api_find("vm.create"), args);
	if (!act_rights(ui))
		return;
	form_add(&f, FORM_HEADING, "", "New machine", "");
	for (unsigned k = 0; k < n; k++) {
		argument_field(&f, &args[k]);
		if (args[k].type == API_CHOICE || args[k].type == API_BOOL)
			f.fields[f.n_fields - 1].choices = choices_of(&args[k]);
	}
	/* Keys that the arguments set are theirs. */
	unsigned first = f.n_fields;
	group_fields(&f, 0, &none, NULL);
	group_fields(&f, 3, &none, NULL);
	group_fields(&f, 4, &none, NULL);
	unsigned kept = first;
	for (unsigned k = first; k < f.n_fields; k++)
		if (!str_ieq(f.fields[k].name, "displayName") && !str_ieq(f.fields[k].name, "memsize"))
			f.fields[kept++] = f.fields[k];
	f.n_fields = kept;
	str_copy(f.note, sizeof(f.note), "What is left as it is gets the host's default.");
	form_run(ui, &f);
	form_free(&f);
}

/* ---- a machine that is there ---- */

static void check_edit(const struct form *f, struct form_field *field, void *arg)
{
	(void)f;
	(void)arg;
	check_key(field);
}

static bool ask_edit(const struct form *f, const struct form_field *field, char *request, size_t size, void *arg)
{
	const char *vm = arg;
	(void)f;
	return field->path &&
	       form_request("vm.set", json_pack("{s:s, s:s, s:s}", "vm", vm, "key", field->name, "value", field->value), request, size);
}

static bool accept_edit(struct ui *ui, struct form *f, void *arg)
{
	char *vm = arg;
	unsigned changed = 0;
	for (unsigned k = 0; k < f->n_fields; k++)
		changed += form_field_changed(&f->fields[k]);
	if (!keys_set(ui, f, vm))
		return false;
	if (!changed)
		ui_message(ui, false, "Nothing is changed.");
	return true;
}

void machine_edit(struct ui *ui, const char *name)
{
	char vm[MACHINE_NAME_SIZE], title[200], what[200];
	struct form f = {.title = title, .accept_label = "Save", .check = check_edit, .ask = ask_edit, .accept = accept_edit, .arg = vm};
	struct devices d;
	json_t *set;
	str_copy(vm, sizeof(vm), name);
	snprintf(title, sizeof(title), "Settings of %s", vm);
	snprintf(what, sizeof(what), "reading the settings of %.100s", vm);
	if (act_call_wait(ui, "vm.get", json_pack("{s:s}", "vm", vm), what, &set))
		return;
	devices_find(&d, set);
	for (unsigned k = 0; k < ARRAY_SIZE(groups); k++)
		group_fields(&f, k, &d, set);
	json_decref(set);
	const struct machine *m = model_machine(&ui->model, vm);
	if (m && m->world >= 0)
		snprintf(f.note, sizeof(f.note), "%s is running: most changes count from its next power on.", vm);
	form_run(ui, &f);
	form_free(&f);
}

/* ---- one value ---- */

/* A field that is one argument of a method. */
struct one {
	const char *method, *argument;
	json_t *others; /* the method's other arguments */
	const char *what; /* "connecting ide1:0 of web" */
	bool optional; /* not told when it is empty */
};

static json_t *one_params(const struct form_field *field, const struct one *one)
{
	json_t *params = json_copy(one->others);
	if (field->value[0] || !one->optional)
		json_object_set_new(params, one->argument, json_string(field->value));
	return params;
}

static void check_one(const struct form *f, struct form_field *field, void *arg)
{
	/* What is no key of a machine only the host can judge. */
	(void)f, (void)arg;
	check_key(field);
}

static bool ask_one(const struct form *f, const struct form_field *field, char *request, size_t size, void *arg)
{
	const struct one *one = arg;
	(void)f;
	return form_request(one->method, one_params(field, one), request, size);
}

static bool accept_one(struct ui *ui, struct form *f, void *arg)
{
	const struct one *one = arg;
	/* The heading is the other one. */
	return !act_call_wait(ui, one->method, one_params(&f->fields[1], one), one->what, NULL);
}

/* With a heading; the field is the caller's to add. */
static struct form one_form(const char *title, const char *accept_label, const char *heading, struct one *one)
{
	struct form f = {.title = title, .accept_label = accept_label, .check = check_one, .ask = ask_one, .accept = accept_one, .arg = one};
	form_add(&f, FORM_HEADING, "", heading, "");
	return f;
}

static void one_run(struct ui *ui, struct form *f, struct one *one)
{
	if (act_rights(ui))
		form_run(ui, f);
	form_free(f);
	json_decref(one->others);
}

void machine_set(struct ui *ui, const char *vm, const char *name, const char *value)
{
	char title[200], what[200];
	struct one one = {.method = "vm.set", .argument = "value", .what = what};
	const struct config_key *key = config_key_find(name);
	snprintf(title, sizeof(title), "A setting of %.100s", vm);
	snprintf(what, sizeof(what), "setting %.60s of %.100s", name, vm);
	one.others = json_pack("{s:s, s:s}", "vm", vm, "key", name);
	struct form f = one_form(title, "Save", "Setting", &one);
	json_t *set = value ? json_pack("[{s:s, s:s}]", "key", name, "value", value) : NULL;
	if (key)
		key_field(&f, key, name, set);
	else
		form_add(&f, FORM_TEXT, name, name, value ? value : "")->help = "vmx(5) lists the keys";
	json_decref(set);
	str_copy(f.note, sizeof(f.note), "An empty value takes the key away.");
	if (f.fields[1].type == FORM_HEADING) {
		ui_message(ui, true, "The value of %.60s is too long to be changed here: vm set changes it.", name);
		form_free(&f);
		json_decref(one.others);
		return;
	}
	one_run(ui, &f, &one);
}

void machine_register(struct ui *ui)
{
	struct one one = {.method = "vm.register", .argument = "path", .what = "adding a machine", .others = json_object()};
	struct form f = one_form("A machine to be added", "Add", "Machine", &one);
	form_add(&f, FORM_TEXT, "path", "Its .vmx file", "/")->help = "Path of its .vmx file";
	one_run(ui, &f, &one);
}

static void medium_connect(struct ui *ui, const char *vm, const char *device)
{
	char title[200], what[200];
	struct one one = {.method = "vm.connect", .argument = "file", .what = what, .optional = true};
	snprintf(title, sizeof(title), "A medium for %.40s of %.100s", device, vm);
	snprintf(what, sizeof(what), "connecting %.40s of %.100s", device, vm);
	one.others = json_pack("{s:s, s:s}", "vm", vm, "device", device);
	struct form f = one_form(title, "Connect", "Medium", &one);
	struct form_field *file = form_add(&f, FORM_TEXT, "file", "Image", "");
	file->help = "Path of the image file; empty: the one it had";
	file->path = true;
	one_run(ui, &f, &one);
}

void machine_plug(struct ui *ui, const char *vm, const char *device, bool connected)
{
	char what[200];
	/* A cable has no medium. */
	if (!connected && !str_starts(device, "ethernet")) {
		medium_connect(ui, vm, device);
		return;
	}
	snprintf(what, sizeof(what), "%s %.40s of %.100s", connected ? "disconnecting" : "connecting", device, vm);
	act_call(ui, connected ? "vm.disconnect" : "vm.connect", json_pack("{s:s, s:s}", "vm", vm, "device", device), what);
}
