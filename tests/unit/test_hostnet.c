// uses: vmkernel computer lib -laugeas -ljansson
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The computer's own network: what its files say, and what becomes of them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "computer/hostnet.h"
#include "computer/hostnet_links.h"
#include "computer/program.h"
#include "lib/util.h"
#include "vmkernel/hostnet_probe.h"

#define MAC "02:00:00:00:00:07"

static char top[64], etc[80], run[80], usr[80];
static struct hostnet_place place = {.etc = etc, .run = run, .usr = usr};
static struct error err;
static struct hostnet_config config;
static struct hostnet_link a_link = {.type = "ether"};

static void make_folder(void)
{
	strcpy(top, "/tmp/vmk-test-XXXXXX");
	cr_assert(mkdtemp(top));
	snprintf(etc, sizeof(etc), "%s/etc", top);
	snprintf(run, sizeof(run), "%s/run", top);
	snprintf(usr, sizeof(usr), "%s/usr", top);
}

static void remove_folder(void)
{
	char *command = xasprintf("rm -rf %s", top);
	cr_assert_eq(system(command), 0);
	free(command);
}

TestSuite(hostnet, .init = make_folder, .fini = remove_folder);

/* Below top. */
static void write_text(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", top, name), *folder = xstrdup(path);
	*strrchr(folder, '/') = 0;
	cr_assert_eq(make_dirs(folder, 0755, &err), 0, "%s", err.text);
	cr_assert_eq(replace_file(path, text, strlen(text), 0644, &err), 0, "%s", err.text);
	free(folder);
	free(path);
}

static void expect_text(const char *name, const char *wanted)
{
	char *path = xasprintf("%s/%s", top, name), *text;
	cr_assert_eq(read_file(path, 1 << 20, &text, NULL, &err), 0, "%s", err.text);
	cr_expect_str_eq(text, wanted, "%s is:\n%s", name, text);
	free(text);
	free(path);
}

static void runs(const char *unit)
{
	char *name = xasprintf("run/systemd/units/invocation:%s.service", unit);
	write_text(name, "");
	free(name);
}

static struct hostnet_link *named(const char *name, const char *mac)
{
	str_copy(a_link.name, sizeof(a_link.name), name);
	str_copy(a_link.mac, sizeof(a_link.mac), mac);
	return &a_link;
}

static const struct hostnet_config *look(const char *interface)
{
	struct hostnet_files *files = hostnet_open(&place);
	hostnet_look(files, named(interface, MAC), &config);
	hostnet_close(files);
	return &config;
}

static int change(const char *interface, const char *ipv4, const char *gateway, const char *dns, const char *search)
{
	struct hostnet_change wanted;
	cr_assert_eq(hostnet_parse(ipv4, gateway, dns, search, &wanted, &err), 0, "%s", err.text);
	struct hostnet_files *files = hostnet_open(&place);
	hostnet_look(files, named(interface, MAC), &config);
	int ret = hostnet_change(files, named(interface, MAC), &config, &wanted, &err);
	if (!ret)
		ret = hostnet_save(files, &err);
	hostnet_close(files);
	return ret;
}

static void expect_change(const char *interface, const char *ipv4, const char *gateway, const char *dns, const char *search)
{
	cr_assert_eq(change(interface, ipv4, gateway, dns, search), 0, "%s", err.text);
}

static void expect_refusal(const char *what, const char *interface, const char *ipv4)
{
	cr_expect(change(interface, ipv4, NULL, NULL, NULL) < 0, "%s was not refused", what);
	cr_expect(strstr(err.text, what), "expected %s: %s", what, err.text);
}

/* ---- what is typed ---- */

Test(hostnet, refuses_what_is_no_address)
{
	static const char *const bad[] = {
		"", "yes", "192.0.2.7", "192.0.2.7/", "192.0.2.7/0", "192.0.2.7/33", "192.0.2.7/ 24", "192.0.2.7/2x", "192.0.2.7/+2", "192.0.2.7/0x8", "192.0.2/24",
		"192.0.2.256/24", "192.0.2.7/255.255.255.0", "fd00::7/64", "0.0.0.0/8", "0.1.2.3/24", "127.0.0.1/8", "224.0.0.1/24",
		"255.255.255.255/32", "192.0.2.0/24", "192.0.2.255/24", " 192.0.2.7/24", "192.0.2.7/24 ", "192.0.2.7/24;reboot", "192.0.2.7/24\nup reboot",
	};
	static const char *const good[] = {"192.0.2.7/24", "10.0.0.1/8", "192.0.2.0/31", "192.0.2.255/32", "dhcp", "DHCP", "none"};
	struct hostnet_change c;
	for (unsigned k = 0; k < ARRAY_SIZE(bad); k++)
		cr_expect_eq(hostnet_parse(bad[k], NULL, NULL, NULL, &c, &err), -EINVAL, "'%s'", bad[k]);
	for (unsigned k = 0; k < ARRAY_SIZE(good); k++)
		cr_expect_eq(hostnet_parse(good[k], NULL, NULL, NULL, &c, &err), 0, "'%s': %s", good[k], err.text);
}

Test(hostnet, writes_an_address_as_the_kernel_does)
{
	struct hostnet_change c;
	cr_assert_eq(hostnet_parse("192.0.2.7/08", NULL, NULL, NULL, &c, &err), 0, "%s", err.text);
	cr_expect_str_eq(c.address, "192.0.2.7/8");
}

Test(hostnet, refuses_gateways_and_lists)
{
	static const char *const gateways[] = {"198.51.100.1", "192.0.2.7", "192.0.2", "fe80::1", "0.0.0.0", "router", "192.0.2.1/24"};
	static const char *const servers[] = {"router", "0.0.0.0", "224.0.0.1", "::", "fe80::1", "192.0.2.1;192.0.2.2", "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4"};
	static const char *const domains[] = {"a b c d e f g", "a..b", ".a", "-a", "a_b", "a/b", "a#b", "\"a\"", "a\nnameserver"};
	struct hostnet_change c;
	for (unsigned k = 0; k < ARRAY_SIZE(gateways); k++)
		cr_expect_eq(hostnet_parse("192.0.2.7/24", gateways[k], NULL, NULL, &c, &err), -EINVAL, "'%s'", gateways[k]);
	cr_expect_eq(hostnet_parse("dhcp", "192.0.2.1", NULL, NULL, &c, &err), -EINVAL);
	cr_expect_eq(hostnet_parse("none", "192.0.2.1", NULL, NULL, &c, &err), -EINVAL);
	for (unsigned k = 0; k < ARRAY_SIZE(servers); k++)
		cr_expect_eq(hostnet_parse("dhcp", NULL, servers[k], NULL, &c, &err), -EINVAL, "'%s'", servers[k]);
	for (unsigned k = 0; k < ARRAY_SIZE(domains); k++)
		cr_expect_eq(hostnet_parse("dhcp", NULL, NULL, domains[k], &c, &err), -EINVAL, "'%s'", domains[k]);
	cr_assert_eq(hostnet_parse("192.0.2.7/24", "192.0.2.1", "192.0.2.2, fd00::2", "none", &c, &err), 0, "%s", err.text);
	cr_expect_str_eq(c.dns, "192.0.2.2 fd00::2");
	cr_expect(c.has_search && !*c.search);
}

/* ---- ifupdown ---- */

static const char interfaces[] = "# of the administrator\n"
				 "source /etc/network/interfaces.d/*\n"
				 "source-directory more\n"
				 "auto lo\n"
				 "iface lo inet loopback\n"
				 "\n"
				 "# the first\n"
				 "allow-hotplug eth0\n"
				 "iface eth0 inet static\n"
				 "    address 192.0.2.7\n"
				 "    netmask 255.255.255.128\n"
				 "    # the router\n"
				 "    gateway 192.0.2.1\n"
				 "    dns-nameservers 192.0.2.2 192.0.2.3\n"
				 "    up ip route add 10.0.0.0/8 via 192.0.2.2\n"
				 "    mtu 1400\n"
				 "\n"
				 "# about the second\n"
				 "auto eth1\n"
				 "iface eth1 inet dhcp\n"
				 "iface eth1 inet6 auto\n";

Test(hostnet, reads_ifupdown)
{
	write_text("etc/network/interfaces", interfaces);
	write_text("etc/network/interfaces.d/two", "iface eth2 inet manual\niface ppp inet ppp\n\tprovider x\n");
	write_text("etc/network/more/three", "iface eth3 inet static\n\taddress 10.1.2.3\niface eth4 inet6 static\n\taddress fd00::4/64\n");
	write_text("etc/network/more/not.this", "iface eth9 inet dhcp\n");
	look("eth0");
	cr_expect_eq(config.manager, HOSTNET_IFUPDOWN);
	cr_expect_eq(config.method, HOSTNET_STATIC);
	cr_expect_str_eq(config.address, "192.0.2.7/25");
	cr_expect_str_eq(config.gateway, "192.0.2.1");
	cr_expect_str_eq(config.dns, "192.0.2.2 192.0.2.3");
	cr_expect(strstr(config.file, "/etc/network/interfaces") && !*config.problem, "%s", config.problem);
	look("eth1");
	cr_expect_eq(config.method, HOSTNET_DHCP);
	cr_expect_str_eq(config.ipv6, "auto");
	cr_expect_eq(look("eth2")->method, HOSTNET_NONE);
	cr_expect(strstr(config.file, "interfaces.d/two"));
	cr_expect_eq(look("ppp")->method, HOSTNET_OTHER);
	cr_expect(strstr(config.problem, "the method ppp"), "%s", config.problem);
	cr_expect_str_eq(look("eth3")->address, "10.1.2.3/8", "the class's prefix: %s", config.address);
	cr_expect_eq(look("eth4")->method, HOSTNET_UNTOLD);
	cr_expect_str_eq(config.ipv6, "static");
	cr_expect_eq(look("eth9")->method, HOSTNET_UNTOLD);
	cr_expect_str_empty(config.file);
	cr_expect(strstr(look("eth'] | *")->problem, "characters"));
}

Test(hostnet, changes_an_address_and_keeps_the_rest)
{
	write_text("etc/network/interfaces", interfaces);
	expect_change("eth0", "192.0.2.70/24", NULL, NULL, "example.org");
	expect_text("etc/network/interfaces", "# of the administrator\n"
					      "source /etc/network/interfaces.d/*\n"
					      "source-directory more\n"
					      "auto lo\n"
					      "iface lo inet loopback\n"
					      "\n"
					      "# the first\n"
					      "allow-hotplug eth0\n"
					      "iface eth0 inet static\n"
					      "    address 192.0.2.70/24\n"
					      "    # the router\n"
					      "    gateway 192.0.2.1\n"
					      "    dns-nameservers 192.0.2.2 192.0.2.3\n"
					      "    up ip route add 10.0.0.0/8 via 192.0.2.2\n"
					      "    mtu 1400\n"
					      "   dns-search example.org\n"
					      "\n"
					      "# about the second\n"
					      "auto eth1\n"
					      "iface eth1 inet dhcp\n"
					      "iface eth1 inet6 auto\n");
	look("eth0");
	cr_expect_str_eq(config.address, "192.0.2.70/24");
	cr_expect_str_eq(config.search, "example.org");
}

Test(hostnet, changes_the_method)
{
	write_text("etc/network/interfaces", interfaces);
	expect_change("eth0", "dhcp", NULL, "none", NULL);
	expect_change("eth1", "198.51.100.7/24", "198.51.100.1", NULL, NULL);
	look("eth0");
	cr_expect_eq(config.method, HOSTNET_DHCP);
	cr_expect(!*config.address && !*config.gateway && !*config.dns, "%s %s %s", config.address, config.gateway, config.dns);
	look("eth1");
	cr_expect_eq(config.method, HOSTNET_STATIC);
	cr_expect_str_eq(config.gateway, "198.51.100.1");
	cr_expect_str_eq(config.ipv6, "auto", "IPv6 stays");
	expect_change("eth1", "none", NULL, NULL, NULL);
	cr_expect_eq(look("eth1")->method, HOSTNET_NONE);
	cr_expect(!*config.address && !*config.gateway);
	/* The gateway that stays must fit the new address. */
	write_text("etc/network/interfaces", interfaces);
	expect_refusal("the gateway 192.0.2.1 is not in the network of 198.51.100.7/24", "eth0", "198.51.100.7/24");
	expect_text("etc/network/interfaces", interfaces);
}

Test(hostnet, changes_the_file_that_names_it)
{
	write_text("etc/network/interfaces", "source interfaces.d/*\n");
	write_text("etc/network/interfaces.d/b", "# mine\niface eth5 inet6 auto\n");
	expect_change("eth5", "192.0.2.5/24", "none", NULL, NULL);
	expect_text("etc/network/interfaces", "source interfaces.d/*\n");
	expect_text("etc/network/interfaces.d/b", "# mine\niface eth5 inet6 auto\nauto eth5\niface eth5 inet static\n   address 192.0.2.5/24\n");
	look("eth5");
	cr_expect_str_eq(config.address, "192.0.2.5/24");
	cr_expect_str_eq(config.ipv6, "auto");
}

Test(hostnet, refuses_ifupdown_files_it_does_not_understand)
{
	write_text("etc/network/interfaces", "iface eth0 inet dhcp\niface eth0 inet static\n address 192.0.2.7/24\n");
	expect_refusal("2 stanzas (iface eth0 inet) are about it", "eth0", "none");
	write_text("etc/network/interfaces", "mapping eth*\n script x\niface eth0 inet dhcp\n");
	expect_refusal("a mapping in", "eth0", "none");
	write_text("etc/network/interfaces", "iface eth0 inet static\n address 192.0.2.7/24\n address 192.0.2.8/24\n");
	expect_refusal("several addresses", "eth0", "none");
	write_text("etc/network/interfaces", "iface eth0 inet ppp\n provider x\n");
	expect_refusal("the method ppp, which vmk does not know", "eth0", "none");
	write_text("etc/network/interfaces", "iface eth0 inet dhcp\nsource interfaces.d/*\n");
	write_text("etc/network/interfaces.d/bad", "iface eth1 inet dhcp\n}\n");
	expect_refusal("interfaces.d/bad: line 2 is not understood", "eth0", "none");
	expect_text("etc/network/interfaces", "iface eth0 inet dhcp\nsource interfaces.d/*\n");
	/* Files that source themselves, and each other. */
	write_text("etc/network/interfaces", "source interfaces\nsource interfaces.d/*\niface eth0 inet dhcp\n");
	write_text("etc/network/interfaces.d/bad", "source /etc/network/interfaces\n");
	expect_change("eth0", "none", NULL, NULL, NULL);
	char *path = xasprintf("%s/etc/network/interfaces", top);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkdir(path, 0755), 0);
	free(path);
	struct hostnet_files *files = hostnet_open(&place);
	hostnet_look(files, named("eth0", MAC), &config);
	hostnet_close(files);
	cr_expect(*config.problem, "a folder is no file");
}

Test(hostnet, follows_sourced_words)
{
	write_text("etc/network/interfaces", "source one /etc/network/two\niface eth0 inet dhcp\n");
	write_text("etc/network/one", "iface eth1 inet dhcp\n");
	write_text("etc/network/two", "iface eth2 inet manual\n");
	cr_expect_eq(look("eth1")->method, HOSTNET_DHCP);
	cr_expect_eq(look("eth2")->method, HOSTNET_NONE);
	write_text("etc/network/interfaces", "source $HOME/one\niface eth0 inet dhcp\n");
	expect_refusal("source $HOME/one is not understood", "eth0", "none");
}

Test(hostnet, refuses_what_ifupdown_would_cut_off)
{
	write_text("etc/network/interfaces", "iface eth0 inet dhcp\niface br0 inet dhcp\n bridge_ports eth1 eth2\niface br1 inet dhcp\n bridge-ports eth3\n");
	strcpy(a_link.ports, "eth1 eth2");
	cr_expect_str_empty(look("br0")->problem);
	strcpy(a_link.ports, "eth1 tap5");
	expect_refusal("tap5 out of this bridge", "br0", "none");
	strcpy(a_link.ports, "eth3");
	cr_expect_str_empty(look("br1")->problem);
	a_link.ports[0] = 0;
	strcpy(a_link.hanging, "eth0.5 eth0:1");
	expect_refusal("belongs together with it (eth0.5 eth0:1)", "eth0", "none");
	/* networkd takes nothing down. */
	runs("systemd-networkd");
	write_text("etc/systemd/network/a.network", "[Match]\nName=eth0\n[Network]\nDHCP=yes\n");
	expect_change("eth0", "none", NULL, NULL, NULL);
}

Test(hostnet, tells_who_looks_after_what_no_file_names)
{
	look("eth0");
	cr_expect_eq(config.manager, program_there("ifup") ? HOSTNET_IFUPDOWN : HOSTNET_NOBODY);
	cr_expect_eq(!*config.problem, program_there("ifup"), "%s", config.problem);
	runs("systemd-networkd");
	cr_expect_eq(look("eth0")->manager, HOSTNET_NETWORKD);
	runs("NetworkManager");
	cr_expect_eq(look("eth0")->manager, HOSTNET_NETWORKMANAGER);
	expect_refusal("nmcli", "eth0", "dhcp");
	/* A file that names it counts more. */
	write_text("etc/network/interfaces", "iface eth0 inet dhcp\n");
	cr_expect_eq(look("eth0")->manager, HOSTNET_IFUPDOWN);
	write_text("etc/systemd/network/a.network", "[Match]\nName=eth0\n[Network]\nDHCP=yes\n");
	cr_expect_eq(look("eth0")->manager, HOSTNET_NETWORKD, "networkd runs");
}

Test(hostnet, tells_what_networkmanager_is_told)
{
	runs("NetworkManager");
	write_text("etc/NetworkManager/system-connections/a b.nmconnection",
		   "[connection]\nid=a\ninterface-name=eth0\n\n[ipv4]\n# ours\naddress1=192.0.2.7/24,192.0.2.1\nmethod=manual\ndns=192.0.2.2;192.0.2.3;\n"
		   "dns-search=example.org;\n[ipv6]\nmethod=auto\naddress1=fd00::7/64\n");
	write_text("etc/NetworkManager/system-connections/c.nmconnection", "interface-name=eth1\n[ipv4\nmethod=auto\n[connection]\ninterface-name=eth2\n[ipv4]\nmethod=auto\n");
	write_text("etc/NetworkManager/system-connections/d", "[connection]\ninterface-name=eth3\n");
	look("eth0");
	cr_expect_eq(config.method, HOSTNET_STATIC);
	cr_expect_str_eq(config.address, "192.0.2.7/24");
	cr_expect_str_eq(config.gateway, "192.0.2.1");
	cr_expect_str_eq(config.dns, "192.0.2.2 192.0.2.3");
	cr_expect_str_eq(config.search, "example.org");
	cr_expect_str_eq(config.ipv6, "auto");
	cr_expect(strstr(config.file, "/a b.nmconnection") && strstr(config.problem, "nmcli"), "%s %s", config.file, config.problem);
	cr_expect_eq(look("eth1")->method, HOSTNET_UNTOLD);
	cr_expect_eq(look("eth2")->method, HOSTNET_DHCP);
	cr_expect_str_empty(look("eth3")->file);
}

/* ---- systemd-networkd ---- */

static const char network[] = "# of the administrator\n"
			      "[Match]\n"
			      "Name=eth0\n"
			      "\n"
			      "[Link]\n"
			      "MTUBytes=1400\n"
			      "\n"
			      "[Network]\n"
			      "# both\n"
			      "Address=192.0.2.7/24\n"
			      "Address=fd00::7/64\n"
			      "Gateway=192.0.2.1\n"
			      "Gateway=fd00::1\n"
			      "DNS=192.0.2.2 192.0.2.3\n"
			      "LLMNR=no\n"
			      "\n"
			      "[Route]\n"
			      "Destination=10.0.0.0/8\n"
			      "Gateway=192.0.2.2\n";

Test(hostnet, reads_networkd)
{
	runs("systemd-networkd");
	write_text("etc/systemd/network/20-a.network", network);
	write_text("etc/systemd/network/30-b.network", "[Match]\nName=en* eth0\n[Network]\nDHCP=yes\n");
	write_text("etc/systemd/network/40-c.network", "[Match]\nMACAddress=02:00:00:00:00:07\n[Network]\nDHCP=ipv6\nLinkLocalAddressing=no\n");
	write_text("etc/systemd/network/50-d.network", "[Match]\nName=!eth*\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\nDomains=a b\n");
	look("eth0");
	cr_expect_eq(config.manager, HOSTNET_NETWORKD);
	cr_expect_eq(config.method, HOSTNET_STATIC);
	cr_expect(strstr(config.file, "20-a.network"), "%s", config.file);
	cr_expect_str_eq(config.address, "192.0.2.7/24");
	cr_expect_str_eq(config.gateway, "192.0.2.1");
	cr_expect_str_eq(config.dns, "192.0.2.2 192.0.2.3");
	cr_expect_str_eq(config.ipv6, "static");
	cr_expect_str_empty(config.problem);
	cr_expect_eq(look("enp1")->method, HOSTNET_DHCP);
	cr_expect(strstr(config.file, "30-b.network") && !strcmp(config.ipv6, "dhcp"), "%s %s", config.file, config.ipv6);
	cr_expect_eq(look("eth7")->method, HOSTNET_NONE);
	cr_expect(strstr(config.file, "40-c.network") && !strcmp(config.ipv6, "off"), "%s %s", config.file, config.ipv6);
	struct hostnet_files *files = hostnet_open(&place);
	hostnet_look(files, named("wl0", "02:00:00:00:00:08"), &config);
	hostnet_close(files);
	cr_expect(strstr(config.file, "50-d.network") && config.method == HOSTNET_DHCP && !strcmp(config.search, "a b"), "%s", config.file);
}

Test(hostnet, changes_networkd_and_keeps_the_rest)
{
	runs("systemd-networkd");
	write_text("etc/systemd/network/20-a.network", network);
	expect_change("eth0", "198.51.100.7/25", "198.51.100.1", "192.0.2.9 fd00::9", "example.org");
	expect_text("etc/systemd/network/20-a.network", "# of the administrator\n"
							"[Match]\n"
							"Name=eth0\n"
							"\n"
							"[Link]\n"
							"MTUBytes=1400\n"
							"\n"
							"[Network]\n"
							"# both\n"
							"Address=fd00::7/64\n"
							"Gateway=fd00::1\n"
							"LLMNR=no\n"
							"Address=198.51.100.7/25\n"
							"Gateway=198.51.100.1\n"
							"DNS=192.0.2.9 fd00::9\n"
							"Domains=example.org\n"
							"\n"
							"[Route]\n"
							"Destination=10.0.0.0/8\n"
							"Gateway=192.0.2.2\n");
	look("eth0");
	cr_expect_str_eq(config.address, "198.51.100.7/25");
	expect_change("eth0", "dhcp", NULL, "none", NULL);
	cr_expect_eq(look("eth0")->method, HOSTNET_DHCP);
	cr_expect(!*config.address && !*config.gateway && !*config.dns && !strcmp(config.ipv6, "static"), "%s %s", config.address, config.ipv6);
	expect_change("eth0", "none", NULL, NULL, "none");
	cr_expect_eq(look("eth0")->method, HOSTNET_NONE);
}

Test(hostnet, keeps_dhcp_of_the_other_family)
{
	runs("systemd-networkd");
	static const char *const now[][2] = {{"yes", "ipv6"}, {"ipv4", "no"}, {"ipv6", "ipv6"}, {"both", "ipv6"}};
	for (unsigned k = 0; k < ARRAY_SIZE(now); k++) {
		char *text = xasprintf("[Match]\nName=eth0\n[Network]\nDHCP=%s\n", now[k][0]), *wanted;
		write_text("etc/systemd/network/a.network", text);
		expect_change("eth0", "none", NULL, NULL, NULL);
		wanted = xasprintf("[Match]\nName=eth0\n[Network]\nDHCP=%s\n", now[k][1]);
		expect_text("etc/systemd/network/a.network", wanted);
		free(wanted);
		free(text);
	}
	expect_change("eth0", "dhcp", NULL, NULL, NULL);
	expect_text("etc/systemd/network/a.network", "[Match]\nName=eth0\n[Network]\nDHCP=yes\n");
}

Test(hostnet, gives_one_of_many_a_file_of_its_own)
{
	runs("systemd-networkd");
	const char *shared = "# all\n[Match]\nName=eth*\nType=ether\n\n[Network]\nDHCP=yes\nLLMNR=no\n\n[DHCPv4]\nRouteMetric=100\n";
	write_text("etc/systemd/network/50-all.network", shared);
	expect_change("eth0", "192.0.2.7/24", "192.0.2.1", NULL, NULL);
	expect_text("etc/systemd/network/50-all.network", shared);
	look("eth0");
	cr_expect(strstr(config.file, "/00-eth0.network") && config.method == HOSTNET_STATIC, "%s", config.file);
	expect_text("etc/systemd/network/00-eth0.network", "[Match]\nName=eth0\n[Network]\nLLMNR=no\nDHCP=ipv6\nAddress=192.0.2.7/24\n"
							   "Gateway=192.0.2.1\n[DHCPv4]\nRouteMetric=100\n");
	cr_expect_eq(look("eth1")->method, HOSTNET_DHCP);
	/* One that no file names. */
	expect_change("wl0", "dhcp", NULL, NULL, NULL);
	expect_text("etc/systemd/network/10-wl0.network", "[Match]\nName=wl0\n[Network]\nDHCP=ipv4\n");
}

Test(hostnet, refuses_networkd_files_it_does_not_understand)
{
	static const char *const bad[][2] = {
		{"[Match]\nName=eth0\n[Network]\nAddress=192.0.2.7/24\nAddress=192.0.2.8/24\n", "several addresses"},
		{"[Match]\nName=eth0\n[Network]\n[Address]\nAddress=192.0.2.7/24\n", "several addresses, or sections"},
		{"[Match]\nName=eth0\n[Network]\nAddress=192.0.2.7/24\n[Route]\nGateway=192.0.2.1\n", "the gateway in a section of its own"},
		{"[Match]\nName=eth0\n[Network\n", "a.network: line "},
	};
	runs("systemd-networkd");
	for (unsigned k = 0; k < ARRAY_SIZE(bad); k++) {
		write_text("etc/systemd/network/a.network", bad[k][0]);
		expect_refusal(bad[k][1], "eth0", "dhcp");
		expect_text("etc/systemd/network/a.network", bad[k][0]);
	}
	write_text("etc/systemd/network/a.network", network);
	write_text("etc/systemd/network/a.network.d/more.conf", "[Network]\nDHCP=yes\n");
	expect_refusal("more files add to it", "eth0", "dhcp");
	write_text("run/systemd/network/00-netplan.network", "[Match]\nName=eth0\n[Network]\nDHCP=yes\n");
	expect_refusal("another program makes it", "eth0", "dhcp");
	/* The administrator's file of that name hides it. */
	write_text("etc/systemd/network/00-netplan.network", "[Match]\nName=eth0\n[Network]\nDHCP=yes\n");
	expect_change("eth0", "none", NULL, NULL, NULL);
}

static void link_text(const char *name, const char *to)
{
	char *path = xasprintf("%s/%s", top, name);
	write_text(name, "");
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(symlink(to, path), 0);
	free(path);
}

Test(hostnet, does_not_read_what_is_masked)
{
	static const char four[] = "[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n", none[] = "[Match]\nName=eth0\n[Network]\nDHCP=no\n";
	runs("systemd-networkd");
	write_text("run/systemd/network/10-a.network", none);
	write_text("usr/lib/systemd/network/20-b.network", none);
	write_text("usr/local/lib/systemd/network/30-c.network", four);
	write_text("usr/lib/systemd/network/30-c.network", none);
	cr_expect(strstr(look("eth0")->problem, "10-a.network: another program"), "%s", config.problem);
	write_text("etc/systemd/network/10-a.network", "");
	link_text("etc/systemd/network/20-b.network", "/dev/null");
	cr_expect_eq(look("eth0")->method, HOSTNET_DHCP);
	cr_expect(strstr(config.file, "local/lib/systemd/network/30-c.network") && !*config.problem, "%s: %s", config.file, config.problem);
	/* What came with a package stays, and one before it counts. */
	expect_change("eth0", "192.0.2.7/24", NULL, NULL, NULL);
	expect_text("usr/local/lib/systemd/network/30-c.network", four);
	cr_expect(strstr(look("eth0")->file, "etc/systemd/network/00-eth0.network") && config.method == HOSTNET_STATIC, "%s", config.file);
	write_text("usr/lib/systemd/network/00-eth0.network.d/x.conf", "[Network]\nLLMNR=no\n");
	expect_refusal("more files add to it", "eth0", "none");
}

Test(hostnet, compares_what_networkd_does)
{
	runs("systemd-networkd");
	write_text("etc/systemd/network/a.network", "[Match]\nPermanentMACAddress=02:00:00:00:00:09\n[Network]\nDHCP=no\nDHCP=yes\n");
	cr_expect_str_empty(look("eth0")->file);
	strcpy(a_link.permanent_mac, "02:00:00:00:00:09");
	cr_expect_eq(look("eth0")->method, HOSTNET_DHCP, "the last line counts");
	cr_expect(config.file[0] && !config.problem[0], "%s", config.problem);
	write_text("etc/systemd/network/a.network", "[Match]\nType=wlan\n[Network]\nDHCP=yes\n");
	cr_expect_str_empty(look("eth0")->file);
	strcpy(a_link.type, "wlan");
	cr_expect_eq(look("wl0")->method, HOSTNET_DHCP);
	strcpy(a_link.type, "ether");
	write_text("etc/systemd/network/a.network", "[Match]\nDriver=e1000\n[Network]\nDHCP=yes\n");
	expect_refusal("it may be about this interface", "eth0", "none");
	write_text("etc/systemd/network/a.network", "[Match]\nName=wl*\nDriver=e1000\n[Network]\nDHCP=yes\n");
	cr_expect_str_empty(look("eth0")->file);
}

Test(hostnet, says_that_networkd_does_not_run)
{
	write_text("etc/systemd/network/a.network", network);
	expect_refusal("does not run", "eth0", "dhcp");
	write_text("etc/network/interfaces", "iface eth0 inet dhcp\n");
	cr_expect_eq(look("eth0")->manager, HOSTNET_IFUPDOWN);
}

/* ---- name servers ---- */

Test(hostnet, writes_resolv_conf_where_nobody_else_does)
{
	char dns[HOSTNET_LIST_SIZE], search[HOSTNET_LIST_SIZE];
	write_text("etc/network/interfaces", "iface eth0 inet dhcp\n");
	write_text("etc/resolv.conf", "# us\ndomain old.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate\n");
	hostnet_resolvers(&place, dns, sizeof(dns), search, sizeof(search));
	cr_expect_str_eq(dns, "192.0.2.1 192.0.2.2");
	cr_expect_str_eq(search, "old.example");
	if (program_there("resolvconf"))
		cr_skip_test("this computer's resolvconf writes it");
	expect_change("eth0", "dhcp", NULL, "192.0.2.9", NULL);
	hostnet_resolvers(&place, dns, sizeof(dns), search, sizeof(search));
	cr_expect_str_eq(dns, "192.0.2.1 192.0.2.2", "the DHCP client writes it");
	expect_change("eth0", "192.0.2.7/24", NULL, "192.0.2.9", "a.example b.example");
	expect_text("etc/resolv.conf", "# us\nnameserver 192.0.2.9\nnameserver 192.0.2.1\noptions rotate\n"
				       "nameserver 192.0.2.2\nsearch a.example b.example old.example\n");
	/* Its own go, others' stay. */
	expect_change("eth0", "192.0.2.7/24", NULL, "none", "none");
	expect_text("etc/resolv.conf", "# us\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate\nsearch old.example\n");
	runs("NetworkManager");
	expect_change("eth0", "192.0.2.7/24", NULL, "192.0.2.9", NULL);
	expect_text("etc/resolv.conf", "# us\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate\nsearch old.example\n");
	char *path = xasprintf("%s/run/systemd/units/invocation:NetworkManager.service", top);
	cr_assert_eq(unlink(path), 0);
	free(path);
	path = xasprintf("%s/etc/resolv.conf", top);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(symlink("elsewhere", path), 0);
	write_text("etc/elsewhere", "nameserver 192.0.2.1\n");
	expect_change("eth0", "192.0.2.7/24", NULL, "192.0.2.3", NULL);
	expect_text("etc/elsewhere", "nameserver 192.0.2.1\n");
	free(path);
}

Test(hostnet, reads_the_servers_that_resolved_asks)
{
	char dns[HOSTNET_LIST_SIZE], search[HOSTNET_LIST_SIZE];
	write_text("etc/resolv.conf", "nameserver 127.0.0.53\n");
	write_text("run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\nsearch example.org\n");
	hostnet_resolvers(&place, dns, sizeof(dns), search, sizeof(search));
	cr_expect_str_eq(dns, "127.0.0.53", "it does not run");
	runs("systemd-resolved");
	hostnet_resolvers(&place, dns, sizeof(dns), search, sizeof(search));
	cr_expect_str_eq(dns, "192.0.2.1");
	cr_expect_str_eq(search, "example.org");
}

/* ---- what the kernel says ---- */

Test(hostnet, lists_links)
{
	struct hostnet_link *links, one;
	unsigned n;
	cr_assert_eq(hostnet_links(&links, &n, &err), 0, "%s", err.text);
	for (unsigned k = 0; k < n; k++) {
		cr_expect(strcmp(links[k].name, "lo") != 0);
		cr_expect(k == 0 || strcmp(links[k - 1].name, links[k].name) < 0);
	}
	free(links);
	cr_expect_not(hostnet_link("lo", &one));
	cr_expect_not(hostnet_link("no-such", &one));
}

Test(hostnet, tells_a_lease_from_an_address_that_was_there)
{
	struct hostnet_link before = {.n = 2, .address = {"192.0.2.7/24", "fd00::7/64"}}, now = before;
	cr_expect_not(hostnet_link_has_lease(&now, &before));
	now.lent[1] = true;
	cr_expect_not(hostnet_link_has_lease(&now, &before), "IPv6");
	now.lent[0] = true;
	cr_expect(hostnet_link_has_lease(&now, &before), "the same, lent");
	now.lent[0] = false;
	strcpy(now.address[1], "169.254.1.1/16");
	cr_expect_not(hostnet_link_has_lease(&now, &before), "of its own making");
	strcpy(now.address[1], "192.0.2.8/24");
	cr_expect(hostnet_link_has_lease(&now, &before), "a new one");
}

Test(hostnet, pings_and_asks_addresses_only)
{
	struct hostnet_answer answer;
	double milliseconds;
	cr_expect_eq(hostnet_ping("lo", "localhost", &milliseconds), -EINVAL);
	cr_expect_eq(hostnet_ask_server("localhost", NULL, false, &answer), -EINVAL);
	cr_expect_eq(hostnet_ask_server("127.0.0.1", "a..b", false, &answer), -EINVAL);
	cr_expect_neq(hostnet_ask_server("fe80::1%lo", NULL, false, &answer), -EINVAL, "a zone");
}
