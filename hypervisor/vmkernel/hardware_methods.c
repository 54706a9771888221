/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hardware_methods.c - handler of vm.hardware: what a machine's configuration puts into it */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"
#include "net/net.h"
#include "vmkernel/methods.h"
#include "vmkernel/network.h"
#include "vmkernel/removable.h"
#include "vmkernel/text.h"

#define IDE_CHANNELS 2
#define IDE_UNITS 2
#define VIRTIO_DISKS 10
#define FLOPPIES 2
#define SERIALS 4

struct hardware {
	const struct vm *vm;
	const struct config *c;
	json_t *rows;
};

static const char *text_of(const struct hardware *h, const char *device, const char *word)
{
	char key[64];
	snprintf(key, sizeof(key), "%s.%s", device, word);
	return config_string(h->c, key);
}

static bool flag_of(const struct hardware *h, const char *device, const char *word)
{
	char key[64];
	snprintf(key, sizeof(key), "%s.%s", device, word);
	return config_bool(h->c, key);
}

/* Takes over detail and connected; NULL: it cannot be taken out. */
static void add(struct hardware *h, const char *device, const char *kind, json_t *detail, json_t *connected)
{
	json_array_append_new(h->rows, json_pack("{s:s, s:s, s:o, s:o}", "device", device, "kind", kind, "detail",
						 detail ? detail : json_string("?"), "connected", connected ? connected : json_null()));
}

static void add_processor(struct hardware *h)
{
	char text[32];
	const char *brand = config_string(h->c, "cpu.brand");
	u64 cpus = config_number(h->c, "numvcpus");
	size_text(config_number(h->c, "memsize") * MIB, text, sizeof(text));
	add(h, "cpu", "CPU",
	    json_sprintf("%llu x %s, engine %s%s%s", (unsigned long long)cpus, config_string(h->c, "cpu.model"),
			 vm_running(h->vm) && h->vm->engine[0] ? h->vm->engine : config_string(h->c, "cpu.engine"), *brand ? ", " : "",
			 brand), NULL);
	add(h, "memory", "Memory", json_string(text), NULL);
}

/* "web.img", "web.img, writes are dropped at power off" */
static json_t *medium(const struct hardware *h, const char *device, bool disk)
{
	const char *file = text_of(h, device, "fileName"), *now;
	if (!disk && removable_connected(h->vm, device, &now) && *now)
		file = now;
	bool dropped = disk && strcasestr(text_of(h, device, "mode"), "nonpersistent");
	return json_sprintf("%s%s", *file ? file : "no medium", dropped ? ", writes are dropped at power off" : "");
}

static void add_ide(struct hardware *h)
{
	char device[32];
	for (unsigned k = 0; k < IDE_CHANNELS * IDE_UNITS; k++) {
		snprintf(device, sizeof(device), "ide%u:%u", k / IDE_UNITS, k % IDE_UNITS);
		if (!flag_of(h, device, "present"))
			continue;
		bool cd = strcasestr(text_of(h, device, "deviceType"), "cdrom") != NULL;
		add(h, device, cd ? "CD drive" : "Disk", medium(h, device, !cd),
		    cd ? json_boolean(removable_connected(h->vm, device, NULL)) : NULL);
	}
}

static void add_virtio_disks(struct hardware *h)
{
	char device[32];
	for (unsigned k = 0; k < VIRTIO_DISKS; k++) {
		snprintf(device, sizeof(device), "virtio%u", k);
		if (flag_of(h, device, "present"))
			add(h, device, "Disk", medium(h, device, true), NULL);
	}
}

static void add_floppies(struct hardware *h)
{
	char device[32];
	for (unsigned k = 0; k < FLOPPIES; k++) {
		snprintf(device, sizeof(device), "floppy%u", k);
		if (flag_of(h, device, "present"))
			add(h, device, "Floppy drive", medium(h, device, false), json_boolean(removable_connected(h->vm, device, NULL)));
	}
}

static void add_cards(struct hardware *h)
{
	for (unsigned nic = 0; nic < NET_NICS; nic++) {
		if (!net_present(h->c, nic))
			continue;
		json_t *card = network_card(h->vm, nic);
		const char *model = json_string_value(json_object_get(card, "model"));
		const char *address = json_string_value(json_object_get(card, "address"));
		add(h, json_string_value(json_object_get(card, "card")), "Network card",
		    json_sprintf("%s, %s, %s", model ? model : "?", address ? address : "?",
				 json_string_value(json_object_get(card, "connection"))),
		    json_incref(json_object_get(card, "connected")));
		json_decref(card);
	}
}

static void add_serials(struct hardware *h)
{
	char device[32];
	for (unsigned k = 0; k < SERIALS; k++) {
		snprintf(device, sizeof(device), "serial%u", k);
		if (!flag_of(h, device, "present"))
			continue;
		const char *type = text_of(h, device, "fileType");
		json_t *detail = str_ieq(type, "file")	    ? json_sprintf("COM%u, into %s", k + 1, text_of(h, device, "fileName"))
				 : str_ieq(type, "console") ? json_sprintf("COM%u, at the console", k + 1)
							    : json_sprintf("COM%u, leads nowhere", k + 1);
		add(h, device, "Serial port", detail, NULL);
	}
}

static void add_others(struct hardware *h)
{
	char text[32];
	size_text(config_number(h->c, "svga.vramSize"), text, sizeof(text));
	add(h, "vga", "Display", json_sprintf("VGA with VBE, %s", text), NULL);
	if (config_bool(h->c, "virtio.rng.present"))
		add(h, "virtio.rng", "Random numbers", json_string("virtio"), NULL);
	if (config_bool(h->c, "virtio.balloon.present"))
		add(h, "virtio.balloon", "Memory balloon",
		    vm_running(h->vm) && h->vm->balloon_asked_mb >= 0
			    ? json_sprintf("virtio, %d of %d MB", h->vm->balloon_mb, h->vm->balloon_asked_mb)
			    : json_sprintf("virtio, asks for %llu MB", (unsigned long long)config_number(h->c, "virtio.balloon.size")),
		    NULL);
	if (config_bool(h->c, "virtio.tablet.present"))
		add(h, "virtio.tablet", "Tablet", json_string("virtio"), NULL);
	if (config_bool(h->c, "backdoor.present"))
		add(h, "backdoor", "Calls of the machine", json_string("port 5658"), NULL);
}

int handle_vm_hardware(struct request *r, json_t **result, struct error *err)
{
	if (!r->vm->config || r->vm->problem[0])
		return fail(err, -EINVAL, "%s", r->vm->problem);
	struct hardware h = {.vm = r->vm, .c = r->vm->config, .rows = json_array()};
	add_processor(&h);
	add_ide(&h);
	add_virtio_disks(&h);
	add_floppies(&h);
	add_cards(&h);
	add_serials(&h);
	add_others(&h);
	*result = h.rows;
	return 0;
}
