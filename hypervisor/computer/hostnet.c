/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostnet.c - see hostnet.h */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "computer/hostnet_files.h"
#include "computer/program.h"
#include "lib/util.h"

#define RESOLVERS_MAX 3 /* that the C library asks */
#define SEARCH_MAX 6

const struct hostnet_place hostnet_system = {.etc = "/etc", .run = "/run", .usr = "/usr"};

const char *hostnet_manager_name(enum hostnet_manager m)
{
	static const char *const names[] = {"", "ifupdown", "systemd-networkd", "NetworkManager"};
	return names[m];
}

/* ---- lists ---- */

void hostnet_list_add(char *list, size_t size, const char *word)
{
	size_t len = strlen(list);
	if (*word && len + strlen(word) + 2 <= size)
		snprintf(list + len, size - len, "%s%s", len ? " " : "", word);
}

bool hostnet_list_word(const char *list, unsigned number, char *word, size_t size)
{
	static const char between[] = " ,\t";
	for (list += strspn(list, between); *list; list += strspn(list, between)) {
		size_t len = strcspn(list, between);
		if (!number--) {
			snprintf(word, size, "%.*s", (int)MIN(len, size - 1), list);
			return true;
		}
		list += len;
	}
	return false;
}

/* ---- what is typed ---- */

static u32 netmask(unsigned prefix)
{
	return prefix ? ~0u << (32 - prefix) : 0;
}

/* Into the number, in the host's order. */
static bool parse_ipv4(const char *text, u32 *number)
{
	struct in_addr in;
	if (inet_pton(AF_INET, text, &in) != 1)
		return false;
	*number = ntohl(in.s_addr);
	return true;
}

/* "192.0.2.7/24" */
static bool split_address(const char *text, u32 *number, u64 *prefix)
{
	char host[HOSTNET_ADDRESS_SIZE];
	const char *slash = strchr(text, '/');
	if (!slash || (size_t)(slash - text) >= sizeof(host) || strlen(slash + 1) > 2 || !isdigit((unsigned char)slash[1]))
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)(slash - text), text);
	return parse_ipv4(host, number) && parse_u64(slash + 1, 1, 32, prefix);
}

/* One that a computer may have. */
static bool host_address(u32 number)
{
	return number >> 24 != 0 && number >> 24 != 127 && number >> 28 < 14;
}

/* Whether both are of one network, and the gateway is not the address itself. */
static bool reaches(const char *address, const char *gateway)
{
	u32 own, other;
	u64 prefix;
	if (!split_address(address, &own, &prefix) || !parse_ipv4(gateway, &other))
		return false;
	return own != other && !((own ^ other) & netmask((unsigned)prefix));
}

static int parse_address(const char *text, struct hostnet_change *out, struct error *err)
{
	char host[INET_ADDRSTRLEN];
	struct in_addr in;
	u32 number;
	u64 prefix;
	if (!split_address(text, &number, &prefix))
		return fail(err, -EINVAL, "%.40s: must be dhcp, none, or an IPv4 address and the length of its network's prefix, as 192.0.2.7/24", text);
	u32 rest = number & ~netmask((unsigned)prefix);
	if (!host_address(number) || (prefix < 31 && (rest == 0 || rest == ~netmask((unsigned)prefix))))
		return fail(err, -EINVAL, "%.40s is not an address that a computer may have%s", text,
			    host_address(number) ? ": it means the network itself, or all in it" : "");
	out->method = HOSTNET_STATIC;
	in.s_addr = htonl(number); /* as the kernel writes it, whatever zeros were typed */
	inet_ntop(AF_INET, &in, host, sizeof(host));
	snprintf(out->address, sizeof(out->address), "%s/%u", host, (unsigned)prefix);
	return 0;
}

static bool means_none(const char *text)
{
	return !*text || str_ieq(text, "none");
}

static int parse_gateway(const char *text, struct hostnet_change *out, struct error *err)
{
	u32 number;
	out->has_gateway = true;
	if (means_none(text))
		return 0;
	if (!parse_ipv4(text, &number) || !host_address(number))
		return fail(err, -EINVAL, "gateway %.40s: must be an IPv4 address, as 192.0.2.1, or none", text);
	if (out->method != HOSTNET_STATIC)
		return fail(err, -EINVAL, "gateway %.40s: %s", text,
			    out->method == HOSTNET_DHCP ? "the DHCP server tells it, it cannot be set" : "there is none without an IPv4 address");
	if (!reaches(out->address, text))
		return fail(err, -EINVAL, "gateway %.40s: must be another address in the network of %s", text, out->address);
	str_copy(out->gateway, sizeof(out->gateway), text);
	return 0;
}

bool hostnet_domain_ok(const char *name)
{
	size_t len = strlen(name);
	if (!len || len > 253 || strstr(name, "..") || *name == '.' || *name == '-')
		return false;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '.' && *c != '-')
			return false;
	return true;
}

static bool server_ok(const char *word)
{
	struct in6_addr six;
	u32 four;
	if (inet_pton(AF_INET6, word, &six) == 1)
		return !IN6_IS_ADDR_UNSPECIFIED(&six) && !IN6_IS_ADDR_MULTICAST(&six) && !IN6_IS_ADDR_LINKLOCAL(&six);
	return parse_ipv4(word, &four) && four >> 24 != 0 && four >> 28 < 14;
}

static int parse_list(const char *text, bool servers, char *out, struct error *err)
{
	char word[256];
	unsigned n = 0, max = servers ? RESOLVERS_MAX : SEARCH_MAX;
	if (means_none(text))
		return 0;
	if (strlen(text) >= HOSTNET_LIST_SIZE)
		return fail(err, -EINVAL, "%s: is too long", servers ? "dns" : "search");
	for (; hostnet_list_word(text, n, word, sizeof(word)); n++) {
		if (n == max)
			return fail(err, -EINVAL, "%s: at most %u are asked", servers ? "dns" : "search", max);
		if (servers ? !server_ok(word) : !hostnet_domain_ok(word))
			return fail(err, -EINVAL, "%s %.60s: must be %s, or none", servers ? "dns" : "search", word,
				    servers ? "addresses of name servers, as 192.0.2.53" : "names of domains, as example.org");
		hostnet_list_add(out, HOSTNET_LIST_SIZE, word);
	}
	return 0;
}

int hostnet_parse(const char *ipv4, const char *gateway, const char *dns, const char *search, struct hostnet_change *out, struct error *err)
{
	*out = (struct hostnet_change){.has_dns = dns != NULL, .has_search = search != NULL};
	int ret = 0;
	if (str_ieq(ipv4, "dhcp"))
		out->method = HOSTNET_DHCP;
	else if (str_ieq(ipv4, "none"))
		out->method = HOSTNET_NONE;
	else
		ret = parse_address(ipv4, out, err);
	if (!ret && gateway)
		ret = parse_gateway(gateway, out, err);
	if (!ret && dns)
		ret = parse_list(dns, true, out->dns, err);
	return ret || !search ? ret : parse_list(search, false, out->search, err);
}

/* ---- files ---- */

static const char *lens_of(enum hostnet_manager m)
{
	return m == HOSTNET_IFUPDOWN ? "Interfaces.lns" : m == HOSTNET_NETWORKD ? "Systemd.lns" : "Resolv.lns";
}

struct hostnet_file *hostnet_add_file(struct hostnet_files *files, enum hostnet_manager manager, const char *path)
{
	struct error why;
	if (files->n == HOSTNET_FILES_MAX) {
		files->too_many = true;
		return NULL;
	}
	struct hostnet_file *f = &files->file[files->n++];
	f->manager = manager;
	f->path = xstrdup(path);
	char *folder = xstrdup(path), *slash = strrchr(folder, '/');
	*slash = 0;
	if (augeas_file_open(folder, slash + 1, lens_of(manager), &f->augeas, &why))
		snprintf(f->problem, sizeof(f->problem), "%.390s", why.text);
	free(folder);
	return f;
}

const char *hostnet_files_problem(const struct hostnet_files *files, enum hostnet_manager manager)
{
	for (unsigned k = 0; k < files->n; k++)
		if (files->file[k].manager == manager && files->file[k].problem[0])
			return files->file[k].problem;
	return files->too_many ? "there are more files about networks than vmk reads" : NULL;
}

bool hostnet_unit_runs(const struct hostnet_place *place, const char *unit)
{
	struct stat st;
	/* systemd keeps a link for each unit that is active. */
	char *path = xasprintf("%s/systemd/units/invocation:%s.service", place->run, unit);
	bool there = lstat(path, &st) == 0;
	free(path);
	return there;
}

struct hostnet_files *hostnet_open(const struct hostnet_place *place)
{
	struct hostnet_files *files = xcalloc(1, sizeof(*files));
	files->place = place;
	hostnet_ifupdown_open(files);
	hostnet_networkd_open(files);
	return files;
}

void hostnet_close(struct hostnet_files *files)
{
	for (unsigned k = 0; files && k < files->n; k++) {
		augeas_file_close(files->file[k].augeas);
		free(files->file[k].path);
	}
	free(files);
}

/* What a path expression of augeas may hold between quotes, and a program's arguments. */
static bool interface_ok(const char *name)
{
	if (!*name || *name == '-' || strlen(name) >= IF_NAMESIZE)
		return false;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-:@", *c))
			return false;
	return true;
}

/* Who would look after an interface that no file names. */
static enum hostnet_manager default_manager(const struct hostnet_place *place)
{
	if (hostnet_unit_runs(place, "NetworkManager"))
		return HOSTNET_NETWORKMANAGER;
	if (hostnet_unit_runs(place, "systemd-networkd"))
		return HOSTNET_NETWORKD;
	return program_there("ifup") ? HOSTNET_IFUPDOWN : HOSTNET_NOBODY;
}

static void set_problem(struct hostnet_config *out, const char *text)
{
	if (!out->problem[0])
		str_copy(out->problem, sizeof(out->problem), text);
}

/* Where both have a file about it, the one that runs; networkd without running does nothing with its own. */
static void look_at_files(const struct hostnet_files *files, const struct hostnet_link *link, struct hostnet_config *out)
{
	struct hostnet_config networkd = {.manager = HOSTNET_NETWORKD};
	bool runs = hostnet_unit_runs(files->place, "systemd-networkd");
	bool by_networkd = hostnet_networkd_look(files, link, &networkd), by_ifupdown = false;
	if (!by_networkd || !runs)
		by_ifupdown = hostnet_ifupdown_look(files, link->name, out);
	if (by_ifupdown)
		out->manager = HOSTNET_IFUPDOWN;
	else if (by_networkd)
		*out = networkd;
	else
		out->manager = default_manager(files->place);
	if (out->manager == HOSTNET_NETWORKMANAGER)
		hostnet_networkmanager_look(files->place, link->name, out);
	if (out->manager == HOSTNET_NETWORKD && !runs)
		set_problem(out, "systemd-networkd, whose file names it, does not run: systemctl enable --now systemd-networkd");
}

/* ifdown takes the interface down, and a bridge apart: ifup does not bring back what others have put on it. */
static void look_at_what_hangs(const struct hostnet_link *link, struct hostnet_config *out)
{
	char port[IF_NAMESIZE], own[IF_NAMESIZE];
	if (*link->hanging && !*out->problem)
		snprintf(out->problem, sizeof(out->problem), "ifupdown would cut off what belongs together with it (%.200s): change it by hand", link->hanging);
	for (unsigned k = 0; hostnet_list_word(link->ports, k, port, sizeof(port)) && !*out->problem; k++) {
		bool named = false;
		for (unsigned i = 0; hostnet_list_word(out->ports, i, own, sizeof(own)) && !named; i++)
			named = strcmp(own, port) == 0;
		if (!named)
			snprintf(out->problem, sizeof(out->problem), "ifupdown would take %s out of this bridge, whose file does not name it: change it by hand",
				 port);
	}
}

void hostnet_look(const struct hostnet_files *files, const struct hostnet_link *link, struct hostnet_config *out)
{
	*out = (struct hostnet_config){.method = HOSTNET_UNTOLD};
	if (!interface_ok(link->name)) {
		set_problem(out, "its name has characters that vmk does not take");
		return;
	}
	look_at_files(files, link, out);
	if (out->manager == HOSTNET_IFUPDOWN)
		look_at_what_hangs(link, out);
	const char *problem = hostnet_files_problem(files, out->manager);
	if (problem)
		set_problem(out, problem);
	if (out->manager == HOSTNET_NETWORKMANAGER)
		set_problem(out, "NetworkManager looks after it: change it with nmcli (nmcli connection modify, nmcli connection up)");
	else if (out->manager == HOSTNET_NOBODY)
		set_problem(out, "nobody looks after it: neither systemd-networkd nor NetworkManager runs, and ifupdown is not installed");
	else if (out->method == HOSTNET_OTHER && !out->problem[0])
		snprintf(out->problem, sizeof(out->problem), "%.200s has the method %s, which vmk does not know: change it there", out->file, out->word);
}

/* What was not told stays: it must fit, too. */
static int check_what_stays(const struct hostnet_config *config, const struct hostnet_change *change, struct error *err)
{
	if (change->method != HOSTNET_STATIC || change->has_gateway || !config->gateway[0] || reaches(change->address, config->gateway))
		return 0;
	return fail(err, -EINVAL, "the gateway %s is not in the network of %s: give another one, or gateway none", config->gateway, change->address);
}

int hostnet_change(struct hostnet_files *files, const struct hostnet_link *link, const struct hostnet_config *config,
		   const struct hostnet_change *change, struct error *err)
{
	if (config->problem[0])
		return fail(err, -EOPNOTSUPP, "%s cannot be changed: %.400s", link->name, config->problem);
	int ret = check_what_stays(config, change, err);
	if (ret)
		return ret;
	ret = config->manager == HOSTNET_NETWORKD ? hostnet_networkd_change(files, link, change, err)
						  : hostnet_ifupdown_change(files, link->name, change, err);
	return ret ? ret : hostnet_resolv_change(files, config, change, err);
}

const char *const *hostnet_changed(struct hostnet_files *f)
{
	unsigned n = 0;
	for (unsigned k = 0; k < f->n; k++)
		if (f->file[k].changed)
			f->changed[n++] = f->file[k].path;
	f->changed[n] = NULL;
	return f->changed;
}

int hostnet_save(struct hostnet_files *files, struct error *err)
{
	int ret = 0;
	for (unsigned k = 0; k < files->n && !ret; k++)
		if (files->file[k].changed)
			ret = augeas_file_save(files->file[k].augeas, err);
	return ret;
}
