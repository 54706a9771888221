/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostnet.h - the computer's own network: what its files say of an interface, and changing that.
 *
 * Files are ifupdown's (interfaces(5), and what it sources) and systemd-networkd's (systemd.network(5)); NetworkManager's are told, not changed.
 * Only IPv4, name servers and search domains are changed: what the files say of IPv6 stays, and so does every line vmk does not know.
 * For a job's child (job.h), as augeas_file.h is; one thread.
 */
#ifndef VMK_COMPUTER_HOSTNET_H
#define VMK_COMPUTER_HOSTNET_H

#include "computer/hostnet_links.h"
#include "lib/error.h"
#include "lib/types.h"

/* Folders of the computer's; those of a test. Lives as long as what is opened there. */
struct hostnet_place {
	const char *etc, *run, *usr;
};
extern const struct hostnet_place hostnet_system; /* "/etc", "/run", "/usr" */

/* NOBODY: no file names the interface, and nobody is there who would look after it. */
enum hostnet_manager { HOSTNET_NOBODY, HOSTNET_IFUPDOWN, HOSTNET_NETWORKD, HOSTNET_NETWORKMANAGER };
/* "ifupdown"; "" of NOBODY */
const char *hostnet_manager_name(enum hostnet_manager m);

/* Of IPv4. UNTOLD: no file says; OTHER: in a way vmk does not know. */
enum hostnet_method { HOSTNET_UNTOLD, HOSTNET_DHCP, HOSTNET_STATIC, HOSTNET_NONE, HOSTNET_OTHER };

#define HOSTNET_ADDRESS_SIZE 20 /* "192.0.2.7/24" */
#define HOSTNET_LIST_SIZE 512

struct hostnet_config {
	enum hostnet_manager manager; /* who looks after it, or would */
	char file[300];		      /* that names it; "": none does */
	enum hostnet_method method;
	char word[32]; /* of OTHER: as the file has it */
	char address[HOSTNET_ADDRESS_SIZE], gateway[HOSTNET_ADDRESS_SIZE]; /* "": none */
	char dns[HOSTNET_LIST_SIZE], search[HOSTNET_LIST_SIZE];		   /* separated by a blank each; "": none */
	char ports[HOSTNET_LIST_SIZE]; /* of a bridge, as the file has them */
	char ipv6[32];	   /* the file's word for it; "": it says nothing */
	char problem[400]; /* why it cannot be changed; "": it can */
};

struct hostnet_change {
	enum hostnet_method method; /* DHCP, STATIC or NONE */
	char address[HOSTNET_ADDRESS_SIZE]; /* of STATIC */
	/* A list or address not told stays as it is, as far as the method has one; "": none. */
	bool has_gateway, has_dns, has_search;
	char gateway[HOSTNET_ADDRESS_SIZE], dns[HOSTNET_LIST_SIZE], search[HOSTNET_LIST_SIZE];
};

/*
 * What somebody typed: ipv4 is "dhcp", "none" or "192.0.2.7/24"; lists are separated by commas or blanks; "none" is an empty one; NULL: not
 * told. -EINVAL with a sentence.
 */
int hostnet_parse(const char *ipv4, const char *gateway, const char *dns, const char *search, struct hostnet_change *out, struct error *err);
/* Whether it can be the name of a computer or domain. */
bool hostnet_domain_ok(const char *name);

struct hostnet_files;
/* Reads all of them. What cannot be read is told of the interfaces it may be about. */
struct hostnet_files *hostnet_open(const struct hostnet_place *place);
void hostnet_close(struct hostnet_files *files);
void hostnet_look(const struct hostnet_files *files, const struct hostnet_link *link, struct hostnet_config *out);
/*
 * Changes it in memory. -EINVAL and others: the change does not fit what is there, or there is nobody to do it. Once for each handle.
 * `config` is what hostnet_look() told.
 */
int hostnet_change(struct hostnet_files *files, const struct hostnet_link *link, const struct hostnet_config *config,
		   const struct hostnet_change *change, struct error *err);
/* The files that hostnet_save() will write, and NULL behind them. They live as long as the handle. */
const char *const *hostnet_changed(struct hostnet_files *files);
int hostnet_save(struct hostnet_files *files, struct error *err);

/* The name servers in force, those of systemd-resolved or of <etc>/resolv.conf, and the search domains; separated by a blank each. */
void hostnet_resolvers(const struct hostnet_place *place, char *dns, size_t dns_size, char *search, size_t search_size);

#endif
