/* SPDX-License-Identifier: GPL-2.0-or-later */
/* network_methods.c - handlers of network.*: where machines' cables can lead, and where they do */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "net/net.h"
#include "vmkernel/methods.h"
#include "vmkernel/network.h"
#include "vmkernel/removable.h"
#include "vmkernel/text.h"

#define NAT_NETWORK "10.0.2.0/24"
#define NAMES_MAX 8 /* machines named in one row */

static const char *card_string(const struct vm *vm, unsigned nic, const char *word)
{
	char key[40];
	snprintf(key, sizeof(key), "ethernet%u.%s", nic, word);
	return config_string(vm->config, key);
}

static bool usable(const struct vm *vm)
{
	return vm->config && !vm->problem[0];
}

static bool leads_to_nat(const struct vm *vm, unsigned nic)
{
	return str_ieq(card_string(vm, nic, "connectionType"), "nat");
}

/* ---- addresses of the host ---- */

/* Those others can reach it at: no loopback, no link-local ones. `of`: of this interface, or NULL. */
static json_t *addresses_of(const char *of)
{
	char text[INET6_ADDRSTRLEN];
	struct ifaddrs *list, *i;
	json_t *out = json_array();
	if (getifaddrs(&list))
		return out;
	for (i = list; i; i = i->ifa_next) {
		const void *address = NULL;
		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || i->ifa_flags & IFF_LOOPBACK || (of && strcmp(of, i->ifa_name) != 0))
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			address = &((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr;
		else if (i->ifa_addr->sa_family == AF_INET6 &&
			 !IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)(void *)i->ifa_addr)->sin6_addr))
			address = &((struct sockaddr_in6 *)(void *)i->ifa_addr)->sin6_addr;
		if (address && inet_ntop(i->ifa_addr->sa_family, address, text, sizeof(text)))
			json_array_append_new(out, json_string(text));
	}
	freeifaddrs(list);
	return out;
}

json_t *network_addresses(void)
{
	return addresses_of(NULL);
}

/* ---- interfaces, from sysfs ---- */

/* "" when there is no such file. */
static void read_word(const char *name, const char *file, char *word, size_t size)
{
	char path[128];
	*word = 0;
	snprintf(path, sizeof(path), "/sys/class/net/%.32s/%s", name, file);
	FILE *f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(word, (int)size, f))
		word[strcspn(word, "\n")] = 0;
	else
		*word = 0; /* as the speed of an interface that is down */
	fclose(f);
}

static bool has_file(const char *name, const char *file)
{
	char path[128];
	snprintf(path, sizeof(path), "/sys/class/net/%.32s/%s", name, file);
	return access(path, F_OK) == 0;
}

static const char *interface_kind(const char *name)
{
	return has_file(name, "bridge") ? "bridge" : has_file(name, "tun_flags") ? "tap" : has_file(name, "device") ? "card" : "virtual";
}

/* The bridge it belongs to, "" = none. */
static void interface_master(const char *name, char *master, size_t size)
{
	char path[128], link[256];
	*master = 0;
	snprintf(path, sizeof(path), "/sys/class/net/%.32s/master", name);
	ssize_t n = readlink(path, link, sizeof(link) - 1);
	if (n <= 0)
		return;
	link[n] = 0;
	const char *slash = strrchr(link, '/');
	str_copy(master, size, slash ? slash + 1 : link);
}

/* Where a card of a machine is that the caller may see: looked up once for a whole list. */
struct card_place {
	const struct vm *vm;
	bool nat;
	char tap[IF_NAMESIZE], master[IF_NAMESIZE]; /* "" = none */
};

struct places {
	struct card_place *list;
	size_t count, room;
};

static void add_place(struct places *p, const struct vm *vm, unsigned nic)
{
	const char *tap = card_string(vm, nic, "devName");
	struct card_place place = {.vm = vm, .nat = leads_to_nat(vm, nic)};
	if (!place.nat && strlen(tap) < sizeof(place.tap) && !strchr(tap, '/')) {
		str_copy(place.tap, sizeof(place.tap), tap);
		if (*tap)
			interface_master(tap, place.master, sizeof(place.master));
	}
	if (p->count == p->room) {
		p->room = p->room ? p->room * 2 : 64;
		p->list = xrealloc(p->list, p->room * sizeof(*p->list));
	}
	p->list[p->count++] = place;
}

static void find_places(struct places *p, const struct caller *c)
{
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		if (!(vm_rights(c, vm) & RIGHT_R) || !usable(vm))
			continue;
		for (unsigned nic = 0; nic < NET_NICS; nic++)
			if (net_present(vm->config, nic))
				add_place(p, vm, nic);
	}
}

/* Its own tap device, or one on that bridge. NULL: the NAT. */
static bool on_interface(const struct card_place *at, const char *interface)
{
	if (!interface || at->nat)
		return !interface && at->nat;
	return strcmp(at->tap, interface) == 0 || strcmp(at->master, interface) == 0;
}

/* "web, mail and 3 more" of the machines that have a card there (NULL: at the NAT); their number too. */
static void set_machines(json_t *row, const struct places *p, const char *interface)
{
	char text[NAMES_MAX * (VM_NAME_MAX + 2) + 32] = "";
	size_t len = 0;
	unsigned n = 0;
	const struct vm *before = NULL;
	for (size_t k = 0; k < p->count; k++) {
		const struct vm *vm = p->list[k].vm;
		if (vm == before || !on_interface(&p->list[k], interface))
			continue;
		before = vm;
		if (n++ < NAMES_MAX)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? ", " : "", vm->name);
	}
	if (n > NAMES_MAX)
		snprintf(text + len, sizeof(text) - len, " and %u more", n - NAMES_MAX);
	json_object_set_new(row, "machines", text_json(text));
	json_object_set_new(row, "count", json_integer(n));
}

static json_t *interface_row(const struct places *p, const char *name)
{
	char state[32], mac[32], speed[32], mtu[32], master[IF_NAMESIZE];
	u64 number;
	read_word(name, "operstate", state, sizeof(state));
	read_word(name, "address", mac, sizeof(mac));
	read_word(name, "speed", speed, sizeof(speed));
	read_word(name, "mtu", mtu, sizeof(mtu));
	interface_master(name, master, sizeof(master));
	json_t *row = json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o}", "name", name, "kind", interface_kind(name), "state",
				strcmp(state, "unknown") == 0 ? "up" : state, "address", joined_json(addresses_of(name)), "mac", mac,
				"speed_mbps", parse_u64(speed, 1, 10000000, &number) ? json_integer((json_int_t)number) : json_null(),
				"mtu", parse_u64(mtu, 1, UINT32_MAX, &number) ? json_integer((json_int_t)number) : json_null(), "bridge",
				*master ? json_string(master) : json_null());
	if (row)
		set_machines(row, p, name);
	return row;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct if_nameindex *)a)->if_name, ((const struct if_nameindex *)b)->if_name);
}

int handle_network_list(struct request *r, json_t **result, struct error *err)
{
	struct if_nameindex *list = if_nameindex();
	struct places places = {0};
	size_t n = 0;
	if (!list)
		return fail(err, -errno, "cannot list the host's network interfaces: %m");
	*result = json_array();
	json_t *nat = json_pack("{s:s, s:s, s:s, s:s, s:n, s:n, s:n, s:n}", "name", "nat", "kind", "NAT", "state", "ready", "address",
				NAT_NETWORK, "mac", "speed_mbps", "mtu", "bridge");
	find_places(&places, &r->caller);
	set_machines(nat, &places, NULL);
	json_array_append_new(*result, nat);
	while (list[n].if_index)
		n++;
	qsort(list, n, sizeof(*list), by_name);
	for (size_t k = 0; k < n; k++) {
		if (strcmp(list[k].if_name, "lo") == 0)
			continue;
		json_t *row = interface_row(&places, list[k].if_name);
		if (row)
			json_array_append_new(*result, row);
	}
	if_freenameindex(list);
	free(places.list);
	return 0;
}

/* ---- machines' cards ---- */

json_t *network_card(const struct vm *vm, unsigned nic)
{
	u8 address[NET_ADDRESS_BYTES];
	char card[16], text[NET_ADDRESS_TEXT] = "";
	struct error why;
	bool nat = leads_to_nat(vm, nic);
	const char *tap = card_string(vm, nic, "devName");
	snprintf(card, sizeof(card), "ethernet%u", nic);
	if (net_address(vm->config, nic, vm->name, address, &why) == 0)
		net_address_text(address, text);
	/* The first card at the NAT answers for all ports. */
	bool forwards = nat;
	for (unsigned before = 0; before < nic; before++)
		forwards &= !net_present(vm->config, before) || !leads_to_nat(vm, before);
	json_t *model = json_string(net_kind(vm->config, nic));
	json_t *leads = nat ? json_string("nat") : json_sprintf("tap %s", *tap ? tap : "?");
	json_t *row = json_pack("{s:o, s:s, s:o, s:s, s:o, s:o, s:b}", "vm", text_json(vm->name), "card", card, "model", model, "address", text,
				"connection", leads ? leads : json_string("?"), "forwards",
				text_json(forwards ? config_string(vm->config, "nat.forward") : ""), "connected",
				removable_connected(vm, card, NULL));
	return row;
}

int handle_network_cards(struct request *r, json_t **result, struct error *err)
{
	(void)err;
	*result = json_array();
	for (struct vm *vm = host.vms; vm; vm = vm->next) {
		if ((r->vm && vm != r->vm) || !(vm_rights(&r->caller, vm) & RIGHT_R) || !usable(vm))
			continue;
		for (unsigned nic = 0; nic < NET_NICS; nic++)
			if (net_present(vm->config, nic))
				json_array_append_new(*result, network_card(vm, nic));
	}
	return 0;
}
