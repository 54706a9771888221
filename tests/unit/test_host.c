// uses: vmkernel computer pam api disk net lib -ljansson -lsystemd -lcrypt -lpam -laugeas -lmount -lblkid
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon (fake_host.h) tells of the host and does with it: volumes, images, networks, hardware, rights, settings, alerts.
 * As root there are two users.
 */
#include "fake_host.h"
#include "host_answers.h"

#include "computer/settings.h"
#include "lib/machine_words.h"
#include "vmkernel/command.h"
#include "vmkernel/conf.h"
#include "vmkernel/disks.h"
#include "vmkernel/owners.h"
#include "vmkernel/text.h"
#include "vmkernel/volumes.h"

struct host host; /* the parts of the daemon that are called here, rather than through its door, find it empty */

TestSuite(host, .init = host_up, .fini = host_down, .timeout = 600);

static char *folder_of(const char *name)
{
	char *path = machine_path(name, "x");
	*strrchr(path, '/') = 0;
	return path;
}

/* ---- storage ---- */

Test(host, volumes)
{
	struct statvfs fs, later;
	create("web");
	cr_assert_eq(statvfs(here("root/vmfs/volumes/local"), &fs), 0);
	cr_assert_eq(mkdir(here("root/vmfs/volumes/second"), 0755), 0);
	cr_assert_eq(mkdir(here("root/vmfs/volumes/.hidden"), 0755), 0);
	json_t *rows = call("storage.list", NULL), *local = find(rows, "name", "local");
	expect_columns("storage.list", rows);
	cr_expect_eq(json_array_size(rows), 2);
	cr_assert_not_null(local);
	cr_expect_eq(number_of(local, "machines"), 1);
	cr_expect_eq(number_of(find(rows, "name", "second"), "machines"), 0);
	/* There are file systems whose size changes as others write. */
	cr_assert_eq(statvfs(here("root/vmfs/volumes/local"), &later), 0);
	json_int_t least = (json_int_t)((u64)MIN(fs.f_blocks, later.f_blocks) * fs.f_frsize / MIB);
	json_int_t most = (json_int_t)((u64)MAX(fs.f_blocks, later.f_blocks) * fs.f_frsize / MIB);
	cr_expect(number_of(local, "capacity_mb") >= least && number_of(local, "capacity_mb") <= most, "%lld, not %lld to %lld MB",
		  (long long)number_of(local, "capacity_mb"), (long long)least, (long long)most);
	cr_expect_eq(number_of(local, "used_mb") + number_of(local, "free_mb") <= number_of(local, "capacity_mb"), true);
	cr_expect_str_neq(text_of(local, "type"), "?");
	json_decref(rows);
}

static json_t *image(const char *path)
{
	return call("disk.info", P("s:s}", "path", path));
}

Test(host, images_are_made_grow_and_go)
{
	struct stat st;
	call_drop("vm.create", P("s:s, s:s}", "name", "web", "size", "2M"));
	char *folder = folder_of("web"), *path = xasprintf("%s/more.img", folder), *disk = xasprintf("%s/web.img", folder);

	call_drop("disk.create", P("s:s, s:s}", "path", path, "size", "8M"));
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_size, 8 << 20);
	cr_expect_eq(st.st_mode & 0777, 0600);
	call_fails("disk.create", P("s:s, s:s}", "path", path, "size", "8M"), -EEXIST, "exists already");
	call_drop("disk.resize", P("s:s, s:s}", "path", path, "size", "16M"));
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_size, 16 << 20);
	call_fails("disk.resize", P("s:s, s:s}", "path", path, "size", "16M"), -EINVAL, "can only grow");
	call_fails("disk.resize", P("s:s, s:s}", "path", path, "size", "banana"), -EINVAL, "must be like");

	json_t *rows = call("disk.list", NULL), *row = find(rows, "path", path);
	expect_columns("disk.list", rows);
	cr_expect_eq(json_array_size(rows), 2);
	cr_expect_eq(number_of(row, "size_mb"), 16);
	cr_expect_str_eq(text_of(row, "machines"), "");
	cr_expect_str_eq(text_of(find(rows, "path", disk), "machines"), "web");
	json_decref(rows);
	call_fails("disk.list", P("s:s}", "volume", "nowhere"), -ENOENT, "no volume named nowhere");

	row = image(path);
	rows = json_pack("[O]", row);
	expect_columns("disk.info", rows);
	json_decref(rows);
	cr_expect_str_eq(text_of(row, "format"), "raw");
	cr_expect(json_is_false(json_object_get(row, "open")));
	json_decref(row);

	call_fails("disk.delete", P("s:s}", "path", disk), -EBUSY, "is in use by web");
	char *vmx = xasprintf("%s/web.vmx", folder);
	call_fails("disk.delete", P("s:s}", "path", vmx), -EINVAL, "the name of an image ends in");
	call_fails("disk.create", P("s:s, s:s}", "path", vmx, "size", "8M"), -EINVAL, "the name of an image ends in");
	call_drop("disk.delete", P("s:s}", "path", path));
	cr_expect_neq(stat(path, &st), 0);
	call_fails("disk.delete", P("s:s}", "path", path), -ENOENT, "there is no");
	call_fails("disk.info", P("s:s}", "path", path), -ENOENT, "there is no");
	free(vmx);
	free(disk);
	free(path);
	free(folder);
}

/* "/vmfs/volumes/..." means the host's own. */
Test(host, short_paths)
{
	struct stat st;
	create("web");
	char *folder = folder_of("web"), *long_path = xasprintf("%s/a.img", folder), *root = xstrdup(here("root"));
	cr_assert(str_starts(long_path, root));
	call_drop("disk.create", P("s:s, s:s}", "path", long_path + strlen(root), "size", "1M"));
	cr_expect_eq(stat(long_path, &st), 0);
	call_drop("disk.delete", P("s:s}", "path", long_path + strlen(root)));
	cr_expect_neq(stat(long_path, &st), 0);
	free(root);
	free(long_path);
	free(folder);
}

/* Whether blocks that are taken show: not where zeros are compressed, or taking them is only a check whether they are there. */
static bool blocks_show(void)
{
	static const char zeros[65536];
	char path[TEMPORARY_PATH];
	struct stat st;
	int fd = temporary_file(path);
	if (fallocate(fd, 0, 0, (off_t)MIB))
		for (unsigned k = 0; k < 16; k++)
			cr_assert_eq(write_full(fd, zeros, sizeof(zeros)), 0);
	cr_assert_eq(fsync(fd), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	close(fd);
	unlink(path);
	return (u64)st.st_blocks * 512 >= MIB;
}

Test(host, room_is_taken_at_once)
{
	struct stat st;
	create("web");
	char *folder = folder_of("web"), *path = xasprintf("%s/full.img", folder);
	call_drop("disk.create", P("s:s, s:s, s:b}", "path", path, "size", "40M", "preallocate", 1));
	cr_assert_eq(stat(path, &st), 0);
	cr_expect(!blocks_show() || (u64)st.st_blocks * 512 >= 40 * MIB, "%llu blocks", (unsigned long long)st.st_blocks);
	/* What does not fit leaves nothing behind. */
	struct statvfs fs;
	cr_assert_eq(statvfs(folder, &fs), 0);
	u64 too_much = (u64)fs.f_bavail * fs.f_frsize / MIB + 1024;
	char *size = xasprintf("%lluM", (unsigned long long)too_much), *big = xasprintf("%s/big.img", folder);
	if (too_much < 2048 * 1024 && too_much > 100 * 1024) {
		/* Taking that much would take others' room meanwhile: only the warning. */
		json_t *made = call("disk.create", P("s:s, s:s}", "path", big, "size", size));
		cr_expect_eq(json_array_size(json_object_get(made, "warnings")), 1);
		json_decref(made);
	}
	free(big);
	free(size);
	free(path);
	free(folder);
}

static bool cancel_at_once(void *arg, u64 task, int percent, const char *what)
{
	(void)percent;
	unsigned *told = arg;
	++*told;
	cr_expect(task == 0 || str_starts(what, "taking room for "), "%s", what);
	return task == 0;
}

Test(host, taking_room_is_cancelled)
{
	create("web");
	char *folder = folder_of("web"), *path = xasprintf("%s/full.img", folder);
	unsigned told = 0;
	struct stat st;
	struct statvfs fs;
	json_t *result = NULL;
	/* So much that it takes a while, if there is room for that. */
	cr_assert_eq(statvfs(folder, &fs), 0);
	unsigned mb = (unsigned)MIN((u64)fs.f_bavail * fs.f_frsize / MIB / 2, 1024ull);
	char size[20];
	snprintf(size, sizeof(size), "%uM", mb);
	int ret = vmk_call_long(client, "disk.create", P("s:s, s:s, s:b}", "path", path, "size", size, "preallocate", 1), cancel_at_once, &told,
				&result, NULL, &err);
	/* It may have been done before: then it is there, whole; else nothing is. */
	if (ret == 0)
		cr_expect(stat(path, &st) == 0 && st.st_size == (off_t)mb << 20);
	else
		cr_expect(ret == -ECANCELED && stat(path, &st) != 0, "%d %s", ret, err.text);
	if (ret == 0)
		unlink(path);
	cr_expect_gt(told, 0);
	json_decref(result);
	json_t *rows = call("disk.list", NULL);
	cr_expect_eq(json_array_size(rows), 0);
	json_decref(rows);
	free(path);
	free(folder);
}

Test(host, images_in_use)
{
	call_drop("vm.create", P("s:s, s:s}", "name", "web", "size", "2M"));
	char *disk = machine_path("web", "web.img");
	/* As a machine that is on holds it. */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(disk, O_RDWR);
	cr_assert_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
	call_fails("disk.resize", P("s:s, s:s}", "path", disk, "size", "4M"), -EBUSY, "in use by a machine that is on");
	json_t *row = image(disk);
	cr_expect(json_is_true(json_object_get(row, "open")));
	json_decref(row);
	close(fd);
	/* A suspended machine knows its disk's size. */
	char *vmss = machine_path("web", "web.vmss");
	cr_assert_eq(replace_file(vmss, "x", 1, 0600, &err), 0);
	cr_assert(state_is("web", "suspended"));
	call_fails("disk.resize", P("s:s, s:s}", "path", disk, "size", "4M"), -EBUSY, "suspended");
	unlink(vmss);
	cr_assert(state_is("web", "off"));
	call_drop("disk.resize", P("s:s, s:s}", "path", disk, "size", "4M"));
	/* Another's format is no array of sectors. */
	fd = open(disk, O_RDWR);
	cr_assert_eq(pwrite(fd, "QFI\xfb", 4, 0), 4);
	close(fd);
	call_fails("disk.resize", P("s:s, s:s}", "path", disk, "size", "8M"), -EINVAL, "format");
	free(vmss);
	free(disk);
}

Test(host, dry_runs_of_images)
{
	struct stat st;
	call_drop("vm.create", P("s:s, s:s}", "name", "web", "size", "2M"));
	char *folder = folder_of("web"), *path = xasprintf("%s/more.img", folder), *disk = xasprintf("%s/web.img", folder);
	char *words = xasprintf("would make an empty disk image of a size like 512M or 4G (path %s, size 8M)", path);
	would("disk.create", P("s:s, s:s}", "path", path, "size", "8M"), words);
	cr_expect_neq(stat(path, &st), 0);
	free(words);
	would_fail("disk.create", P("s:s, s:s}", "path", disk, "size", "8M"), -EEXIST, "exists already");
	words = xasprintf("would make a disk image larger (path %s, size 8M)", disk);
	would("disk.resize", P("s:s, s:s}", "path", disk, "size", "8M"), words);
	cr_assert_eq(stat(disk, &st), 0);
	cr_expect_eq(st.st_size, 2 << 20);
	free(words);
	would_fail("disk.resize", P("s:s, s:s}", "path", disk, "size", "1M"), -EINVAL, "can only grow");
	would_fail("disk.delete", P("s:s}", "path", disk), -EBUSY, "in use by web");
	call_drop("vm.unregister", VM("web"));
	words = xasprintf("would delete an image file that no registered machine uses (path %s)", disk);
	would("disk.delete", P("s:s}", "path", disk), words);
	cr_expect_eq(stat(disk, &st), 0);
	free(words);
	free(disk);
	free(path);
	free(folder);
}

/* A long list does not fit into one packet of a helper process. */
Test(host, a_thousand_images)
{
	create("web");
	char *folder = folder_of("web");
	for (int k = 0; k < 1000; k++) {
		char *path = xasprintf("%s/a-rather-long-name-of-an-image-number-%d.img", folder, k);
		int fd = open(path, O_WRONLY | O_CREAT, 0600);
		cr_assert_geq(fd, 0);
		close(fd);
		free(path);
	}
	json_t *rows = call("disk.list", P("s:s}", "volume", "local"));
	cr_expect_eq(json_array_size(rows), 1000);
	cr_expect(strstr(text_of(json_array_get(rows, 0), "name"), "number-0.img") != NULL);
	json_decref(rows);
	free(folder);
}

/* ---- rights to files; needs root ---- */

static char *at_bob(const char *name)
{
	return root_path("vmfs/volumes/local/bob/%s", name);
}

static void bob_makes(void)
{
	char *own = at_bob("own.img");
	CHECK(try("disk.create", P("s:s, s:s}", "path", own, "size", "2M")) == 0);
	CHECK(try("vm.create", P("s:s}", "name", "bobs")) == 0);
}

static void bob_reaches_out(void)
{
	char *alices = root_path("vmfs/volumes/local/alice/alices/alices.img"), *new_one = root_path("vmfs/volumes/local/alice/new.img");
	char *link = at_bob("to-etc/x.img"), *link_inside = at_bob("to-alice/alices.img"), *secret = at_bob("secret.img");
	char *dots = at_bob("../../../../etc/vmk/x.img");
	CHECK(try("disk.info", P("s:s}", "path", alices)) == -EACCES);
	CHECK(try("disk.resize", P("s:s, s:s}", "path", alices, "size", "1G")) == -EACCES);
	CHECK(try("disk.delete", P("s:s}", "path", alices)) == -EACCES);
	CHECK(try("disk.create", P("s:s, s:s}", "path", new_one, "size", "2M")) == -EACCES);
	/* No path that is not on a volume, by its words or by links and dots on the way. */
	CHECK(try("disk.create", P("s:s, s:s}", "path", "/tmp/bobs-own.img", "size", "2M")) == -EPERM);
	CHECK(strstr(err.text, "not on a volume"));
	CHECK(try("disk.create", P("s:s, s:s}", "path", link, "size", "2M")) == -EPERM);
	CHECK(strstr(err.text, "leads out of the volume"));
	CHECK(try("disk.create", P("s:s, s:s}", "path", dots, "size", "2M")) == -EPERM);
	CHECK(try("disk.info", P("s:s}", "path", link_inside)) == -EACCES);
	/* A link is no image, wherever it leads. */
	CHECK(try("disk.info", P("s:s}", "path", secret)) == -EINVAL);
	CHECK(try("disk.resize", P("s:s, s:s}", "path", secret, "size", "1G")) == -EINVAL);
	CHECK(try("disk.delete", P("s:s}", "path", secret)) == -EINVAL);
	json_t *rows = NULL;
	CHECK(vmk_call(client, "disk.list", NULL, &rows, NULL, &err) == 0);
	CHECK(json_array_size(rows) == 1);
	CHECK(strcmp(text_of(json_array_get(rows, 0), "name"), "own.img") == 0);
	CHECK(strcmp(text_of(json_array_get(rows, 0), "machines"), "") == 0);
}

/* One that a machine uses which he may not see stays, although it is his, but only where that machine could. */
static void bob_deletes_own(void)
{
	char *own = at_bob("own.img");
	CHECK(chmod(own, 0644) == 0);
	CHECK(try("disk.delete", P("s:s}", "path", own)) == -EBUSY);
	CHECK(strstr(err.text, "somebody else"));
	CHECK(chmod(own, 0600) == 0);
	CHECK(try("disk.delete", P("s:s}", "path", own)) == 0);
}

static void bob_looks_at_rights(void)
{
	json_t *rows = NULL;
	CHECK(try("user.rights", P("s:s}", "user", "alice")) == -EPERM);
	CHECK(vmk_call(client, "user.rights", NULL, &rows, NULL, &err) == 0);
	CHECK(json_array_size(rows) == 1);
	CHECK(strcmp(text_of(json_array_get(rows, 0), "may"), "see, operate, change, delete") == 0);
	CHECK(try("vm.rights", VM("alices")) == -ENOENT);
	CHECK(try("vm.chmod", P("s:s, s:s}", "vm", "bobs", "mode", "777")) == 0);
	CHECK(try("vm.chown", P("s:s, s:s}", "vm", "bobs", "user", "alice")) == -EPERM);
	CHECK(try("host.date", NULL) == -EPERM);
	CHECK(try("host.keyboard", NULL) == -EPERM);
	CHECK(try("host.ntp", NULL) == -EPERM);
	CHECK(try("host.name", NULL) == -EPERM);
	CHECK(try("host.network", NULL) == 0);
	CHECK(try("host.network_set", P("s:s, s:s}", "interface", "eth0", "ipv4", "dhcp")) == -EPERM);
	CHECK(try("host.network_keep", NULL) == -EPERM);
	CHECK(try("host.network_undo", NULL) == -EPERM);
	CHECK(try("host.network_test", NULL) == -EPERM);
	CHECK(try("host.shutdown", NULL) == -EPERM);
	CHECK(try("host.reboot", NULL) == -EPERM);
}

/* rwx for others is what REGISTER asks for, but the mode is the owner's to change. */
static void alice_changes_bobs(void)
{
	CHECK(try("vm.chmod", P("s:s, s:s}", "vm", "bobs", "mode", "700")) == -EPERM);
	CHECK(strstr(err.text, "only bob, whose machine it is"));
}

Test(host, nobody_reaches_beyond_his_rights)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	two_users();
	as_user(BOB, 0, bob_makes);
	char *own = at_bob("own.img"), *to_etc = at_bob("to-etc"), *to_alice = at_bob("to-alice"), *secret = at_bob("secret.img");
	char *alices = machine_path("alices", "alices.img");
	cr_assert_eq(symlink(here("root/etc"), to_etc), 0);
	cr_assert_eq(symlink("../alice/alices", to_alice), 0);
	cr_assert_eq(symlink(own, secret), 0);
	as_user(BOB, 0, bob_reaches_out);

	call_drop("vm.set", P("s:s, s:s, s:s}", "vm", "alices", "key", "ide0:1.present", "value", "TRUE"));
	call_drop("vm.set", P("s:s, s:s, s:s}", "vm", "alices", "key", "ide0:1.fileName", "value", own));
	as_user(BOB, 0, bob_deletes_own);
	as_user(BOB, 0, bob_looks_at_rights);
	as_user(ALICE, 0, alice_changes_bobs);

	/* What the administrator makes in a user's folder is the user's. */
	struct stat st;
	char *gift = at_bob("gift.img");
	call_drop("disk.create", P("s:s, s:s}", "path", gift, "size", "2M"));
	cr_assert_eq(stat(gift, &st), 0);
	cr_expect_eq(st.st_uid, BOB);
	/* He sees the machines of others, and theirs only their names. */
	json_t *rows = call("user.rights", P("s:s}", "user", "alice"));
	cr_expect_not_null(find(rows, "vm", "alices"));
	cr_expect_str_eq(text_of(find(rows, "vm", "bobs"), "rights"), "rwx");
	json_decref(rows);
	call_fails("user.rights", P("s:s}", "user", "nobody-here"), -ENOENT, "nobody-here");
	free(gift);
	free(alices);
	free(secret);
	free(to_alice);
	free(to_etc);
	free(own);
}

Test(host, machines_are_given_away)
{
	struct stat st;
	if (geteuid() != 0) {
		create("web");
		call_fails("vm.chown", P("s:s, s:s}", "vm", "web", "user", "root"), -EPERM, "all its machines are his");
		return;
	}
	two_users();
	char *vmx = machine_path("alices", "alices.vmx"), *disk = machine_path("alices", "alices.img"), *folder = folder_of("alices");
	char *trap = xasprintf("%s/trap.img", folder), *other = xasprintf("%s/other.img", folder), *victim = xstrdup(here("victim"));
	cr_assert_eq(replace_file(victim, "x", 1, 0600, &err), 0);
	cr_assert_eq(symlink(victim, trap), 0);
	cr_assert_eq(replace_file(other, "x", 1, 0600, &err), 0); /* root's */
	set("alices", "ide1:0.fileName", "trap.img");
	set("alices", "ide0:1.fileName", "other.img");
	would("vm.chown", P("s:s, s:s}", "vm", "alices", "user", "bob"), "would give a virtual machine that is off to another user (vm alices, user bob)");
	would_fail("vm.chown", P("s:s, s:s}", "vm", "alices", "user", "carol"), -ENOENT, "carol");
	call_drop("vm.start", VM("alices"));
	call_fails("vm.chown", P("s:s, s:s}", "vm", "alices", "user", "bob"), -EBUSY, "powered on");
	call_drop("vm.stop", VM("alices"));
	cr_assert_eq(stat(vmx, &st), 0);
	cr_expect_eq(st.st_uid, ALICE);

	json_t *given = call("vm.chown", P("s:s, s:s}", "vm", "alices", "user", "bob"));
	cr_expect_eq(json_array_size(json_object_get(given, "warnings")), 2);
	json_decref(given);
	cr_assert_eq(stat(vmx, &st), 0);
	cr_expect(st.st_uid == BOB && st.st_gid == BOB);
	cr_assert_eq(stat(disk, &st), 0);
	cr_expect_eq(st.st_uid, BOB);
	cr_assert_eq(stat(folder, &st), 0);
	cr_expect_eq(st.st_uid, BOB);
	cr_assert_eq(stat(victim, &st), 0);
	cr_expect_eq(st.st_uid, 0);
	cr_assert_eq(lstat(trap, &st), 0);
	cr_expect_eq(st.st_uid, 0); /* the link that root made above */
	cr_assert_eq(stat(other, &st), 0);
	cr_expect_eq(st.st_uid, 0);
	json_t *owner = show("alices", "owner");
	cr_expect_str_eq(json_string_value(owner), "bob");
	json_decref(owner);
	cr_expect(log_has("alices belongs to bob now"));
	call_fails("vm.chown", P("s:s, s:s}", "vm", "alices", "user", "carol"), -ENOENT, "carol");
	free(victim);
	free(other);
	free(trap);
	free(folder);
	free(disk);
	free(vmx);
}

/* ---- what a machine names, used with rights its owner does not have ---- */

static const char everybodys[] = "/usr/share/seabios/vgabios-stdvga.bin";

static void value_is(const char *name, const char *key, const char *value)
{
	json_t *got = call("vm.get", P("s:s, s:s}", "vm", name, "key", key)), *row = json_array_get(got, 0);
	const char *is = json_string_value(json_object_get(row ? row : got, "value"));
	cr_expect_str_eq(is ? is : "", value, "%s of %s is %s, not %s", key, name, is ? is : "?", value);
	json_decref(got);
}

/* A file of some user's. */
static void make_file(const char *path, uid_t uid, mode_t mode)
{
	cr_assert_eq(replace_file(path, "secret", 6, mode, &err), 0, "%s", err.text);
	cr_assert_eq(chown(path, uid, uid), 0);
	cr_assert_eq(chmod(path, mode), 0);
}

static void drive(const char *name, const char *device, const char *type, const char *file)
{
	char key[64];
	snprintf(key, sizeof(key), "%s.present", device);
	set(name, key, "TRUE");
	snprintf(key, sizeof(key), "%s.deviceType", device);
	if (type)
		set(name, key, type);
	snprintf(key, sizeof(key), "%s.fileName", device);
	set(name, key, file);
}

Test(host, a_clone_lends_no_rights)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	two_users();
	char *folder = folder_of("alices"), *secret = xstrdup(here("root/secret.img")), *missing = xstrdup(here("root/missing.nvram"));
	char *link = xasprintf("%s/link.iso", folder), *data = here("root/vmfs/volumes/local/alice/data.img");
	char *roots = here("root/vmfs/volumes/local/alice/roots.img");
	make_file(secret, 0, 0600);
	make_file(data, ALICE, 0600);
	make_file(roots, 0, 0644); /* everybody may read it, but this one's written */
	cr_assert_eq(symlink(secret, link), 0);
	drive("alices", "ide0:1", NULL, secret);
	drive("alices", "ide1:0", "cdrom-image", everybodys);
	drive("alices", "ide1:1", "cdrom-image", "link.iso");
	drive("alices", "virtio0", NULL, data);
	drive("alices", "virtio1", NULL, roots);
	drive("alices", "floppy0", NULL, secret);
	set("alices", "kernel.fileName", "../../../../../secret.img");
	set("alices", "nvram", missing);
	json_t *made = call("vm.clone", P("s:s, s:s}", "vm", "alices", "name", "copy")), *warnings = json_object_get(made, "warnings");
	char *text = json_dumps(warnings, 0);
	cr_expect_eq(json_array_size(warnings), 6, "%s", text);
	cr_expect(strstr(text, "ide0:1.fileName is left out") && strstr(text, "nvram is left out"), "%s", text);
	free(text);
	json_decref(made);
	value_is("copy", "ide0:0.fileName", "copy.img");
	value_is("copy", "ide0:1.fileName", "");
	value_is("copy", "ide0:1.present", "FALSE");
	value_is("copy", "ide1:0.fileName", everybodys);
	value_is("copy", "ide1:1.fileName", "");
	value_is("copy", "ide1:1.startConnected", "FALSE");
	value_is("copy", "virtio0.fileName", "data.img");
	value_is("copy", "virtio1.present", "FALSE");
	value_is("copy", "floppy0.fileName", "");
	value_is("copy", "kernel.fileName", "");
	value_is("copy", "nvram", "");
	char *secrets = xasprintf("! grep -rl secret %s/../../root/copy | grep -v data.img", folder);
	cr_expect_eq(system(secrets), 0);
	free(secrets);
	/* It runs, and does so as its new owner. */
	call_drop("vm.start", VM("copy"));
	call_drop("vm.stop", VM("copy"));
	free(link);
	free(missing);
	free(secret);
	free(folder);
}

Test(host, giving_away_lends_no_rights)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	two_users();
	char *secret = xstrdup(here("root/secret.img")), *data = here("root/vmfs/volumes/local/alice/data.img");
	make_file(secret, 0, 0600);
	make_file(data, ALICE, 0600);
	drive("alices", "ide1:0", "cdrom-image", secret);
	call_fails("vm.chown", P("s:s, s:s}", "vm", "alices", "user", "root"), -EPERM, "neither its owner's own file");
	json_t *owner = show("alices", "owner");
	cr_expect_str_eq(json_string_value(owner), "alice");
	json_decref(owner);
	set("alices", "ide1:0.fileName", everybodys);
	set("alices", "nvram", here("root/new.nvram"));
	call_fails("vm.chown", P("s:s, s:s}", "vm", "alices", "user", "root"), -EPERM, "nvram = ");
	set("alices", "nvram", "alices.nvram");
	drive("alices", "ide0:1", NULL, data);
	json_t *given = call("vm.chown", P("s:s, s:s}", "vm", "alices", "user", "bob"));
	char *text = json_dumps(json_object_get(given, "warnings"), 0);
	cr_expect_eq(json_array_size(json_object_get(given, "warnings")), 2, "%s", text);
	cr_expect(strstr(text, "outside the machine's folder") && strstr(text, everybodys), "%s", text);
	free(text);
	json_decref(given);
	free(secret);
}

/* The administrator goes where a user's link on the volume leads as little as he would be led out of it. */
Test(host, links_do_not_lead_the_administrator)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	two_users();
	char *link = xstrdup(here("root/vmfs/volumes/local/alice/mine")), *way = xasprintf("%s/made.img", link);
	char *bobs = here("root/vmfs/volumes/local/bob"), *made = here("root/vmfs/volumes/local/bob/made.img");
	cr_assert(access(bobs, F_OK) == 0);
	cr_assert_eq(symlink("../bob", link), 0);
	call_fails("disk.create", P("s:s, s:s}", "path", way, "size", "1M"), -ELOOP, "leads through a link");
	cr_expect(access(made, F_OK) != 0);
	call_drop("disk.create", P("s:s, s:s}", "path", made, "size", "1M"));
	call_fails("disk.resize", P("s:s, s:s}", "path", way, "size", "2M"), -ELOOP, "leads through a link");
	call_fails("disk.delete", P("s:s}", "path", way), -ELOOP, "leads through a link");
	cr_expect(access(made, F_OK) == 0);
	free(way);
	free(link);
}

/* Names as long as they get, many of them. */
Test(host, one_users_images_do_not_hide_those_of_others)
{
	char *local = here("root/vmfs/volumes/local"), *file;
	char *crowd = xasprintf("%s/crowd", local), *last = xasprintf("%s/zz", local), name[240] = "", path[600];
	unsigned shown = 0;
	size_t k;
	json_t *row;
	cr_assert_eq(make_dirs(crowd, 0755, &err), 0);
	cr_assert_eq(make_dirs(last, 0755, &err), 0);
	memset(name, 1, sizeof(name) - 1); /* six bytes each in JSON */
	for (unsigned n = 0; n < 6000; n++) {
		snprintf(path, sizeof(path), "%s/%s%04u.img", crowd, name + 10, n);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		cr_assert_geq(fd, 0);
		close(fd);
	}
	file = xasprintf("%s/other.img", last);
	cr_assert_eq(replace_file(file, "x", 1, 0644, &err), 0);
	json_t *rows = call("disk.list", NULL);
	cr_expect_not_null(find(rows, "path", file));
	cr_expect_str_eq(text_of(find(rows, "path", crowd), "name"), "(not all are shown)");
	cr_expect_null(find(rows, "path", last));
	json_array_foreach(rows, k, row)
		shown += str_starts(text_of(row, "path"), crowd);
	cr_expect(shown > 100 && shown < 1000, "%u", shown);
	json_decref(rows);
	free(file);
	free(last);
	free(crowd);
}

/* ---- many at once ---- */

static void alice_asks_often(void)
{
	pid_t pids[48];
	int status;
	for (unsigned k = 0; k < ARRAY_SIZE(pids); k++) {
		pids[k] = fork();
		if (pids[k] == 0) {
			vmk_disconnect(client);
			bool fine = vmk_connect(&client, &err) == 0;
			for (int n = 0; fine && n < 20; n++)
				fine = try("storage.list", NULL) == 0;
			_exit(fine ? 0 : 1);
		}
	}
	for (unsigned k = 0; k < ARRAY_SIZE(pids); k++)
		CHECK(waitpid(pids[k], &status, 0) == pids[k] && status == 0);
}

/* Those who look at the volumes at one time share one look; nobody else is kept from a helper process by them. */
Test(host, many_look_at_the_volumes)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	two_users();
	pid_t pid = fork();
	if (pid == 0) {
		as_user(ALICE, 0, alice_asks_often);
		_exit(0);
	}
	int status, ended = 0;
	while (!ended) {
		json_decref(call("user.rights", P("s:s}", "user", "alice")));
		json_decref(call("storage.list", NULL));
		ended = waitpid(pid, &status, WNOHANG);
	}
	cr_expect_eq(status, 0);
}

Test(host, modes)
{
	struct stat st;
	create("web");
	char *vmx = machine_path("web", "web.vmx");
	json_t *rows = call("vm.rights", VM("web"));
	expect_columns("vm.rights", rows);
	cr_assert_eq(json_array_size(rows), 3);
	cr_expect_str_eq(text_of(json_array_get(rows, 0), "class"), "owner");
	cr_expect_str_eq(text_of(json_array_get(rows, 1), "may"), "see, operate");
	cr_expect_str_eq(text_of(json_array_get(rows, 2), "may"), "nothing");
	json_decref(rows);
	would("vm.chmod", P("s:s, s:s}", "vm", "web", "mode", "755"),
	      "would say who may see (vm web, mode 755)");
	call_drop("vm.chmod", P("s:s, s:s}", "vm", "web", "mode", "o+rx,g="));
	cr_assert_eq(stat(vmx, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0705);
	call_fails("vm.chmod", P("s:s, s:s}", "vm", "web", "mode", "055"), -EINVAL, "take r from the owner");
	call_fails("vm.chmod", P("s:s, s:s}", "vm", "web", "mode", "u+s"), -EINVAL, "three digits");
	call_fails("vm.chmod", P("s:s, s:s}", "vm", "web", "mode", "4755"), -EINVAL, "three digits");
	cr_expect(log_has("web: its mode is 705 now"));
	rows = call("user.rights", NULL);
	expect_columns("user.rights", rows);
	json_decref(rows);
	free(vmx);
}

Test(host_parts, modes_are_parsed)
{
	static const struct {
		const char *text;
		mode_t mode; /* 01000: refused */
	} cases[] = {
		{"750", 0750}, {"u=rwx,g=rx,o=r", 0754}, {"a=r", 0444}, {"g-w", 0740}, {"o+x", 0741}, {"+x", 0751}, {"go=", 0700},
		{"", 01000}, {"rwx", 01000}, {"8", 01000}, {"1777", 01000}, {"u=rwz", 01000}, {"u=r,", 01000}, {",u=r", 01000},
		{"u-r", 01000}, {"u=rwx;", 01000}, {"-1", 01000},
	};
	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		mode_t mode = 0;
		int ret = owners_parse_mode(cases[k].text, 0740, &mode, &err);
		cr_expect_eq(ret, cases[k].mode & 01000 ? -EINVAL : 0, "'%s': %d", cases[k].text, ret);
		if (!ret)
			cr_expect_eq(mode, cases[k].mode, "'%s': %03o", cases[k].text, (unsigned)mode);
	}
}

Test(host_parts, volumes_are_found_in_paths)
{
	char volume[256];
	const char *rest;
	set_root("/x");
	cr_expect(volumes_split("/x/vmfs/volumes/local/a/b.img", volume, &rest));
	cr_expect_str_eq(volume, "local");
	cr_expect_str_eq(rest, "a/b.img");
	cr_expect(volumes_split("/vmfs/volumes/local", volume, &rest));
	cr_expect_str_eq(rest, "");
	cr_expect(!volumes_split("/x/vmfs/volumes", volume, &rest));
	cr_expect(!volumes_split("/x/vmfs/volumes/../etc/passwd", volume, &rest));
	cr_expect(!volumes_split("/x/vmfs/volumesx/local/a", volume, &rest));
	cr_expect(!volumes_split("/etc/passwd", volume, &rest));
	set_root("");
	cr_expect(volumes_split("/vmfs/volumes/local/a", volume, &rest));
}

/* As in the child, whatever the caller said first. */
Test(host_parts, a_cancelled_image_is_not_there)
{
	char folder[TEMPORARY_PATH];
	struct disk_progress progress = {.percent = 0, .cancelled = true};
	struct stat st;
	json_t *result = NULL;
	set_root(temporary_folder(folder));
	char *volume = root_path("vmfs/volumes/local"), *path = xasprintf("%s/a.img", volume);
	cr_assert_eq(make_dirs(volume, 0755, &err), 0);
	cr_assert_eq(chdir(folder), 0);
	struct disk_work w = {.path = path, .bytes = 3 * MIB, .preallocate = true, .progress = &progress};
	cr_expect_eq(disks_create(&w, -1, &result, &err), -ECANCELED);
	cr_expect_not_null(strstr(err.text, "it was cancelled"), "%s", err.text);
	cr_expect_null(result);
	cr_expect_neq(lstat(path, &st), 0);
	progress.cancelled = false;
	cr_expect_eq(disks_create(&w, -1, &result, &err), 0, "%s", err.text);
	cr_expect_eq(progress.percent, 100);
	cr_expect(lstat(path, &st) == 0 && st.st_size == 3 << 20 && (!blocks_show() || st.st_blocks * 512 >= 3 << 20));
	json_decref(result);
	cr_expect_eq(temporary_remove(folder), 0);
	free(path);
	free(volume);
}

Test(host_parts, sizes)
{
	u64 bytes;
	char text[32];
	cr_expect(disk_size_parse("1", &bytes, &err) == 0 && bytes == MIB);
	cr_expect(disk_size_parse("1440k", &bytes, &err) == 0 && bytes == 1440 * KIB);
	cr_expect(disk_size_parse("4GB", &bytes, &err) == 0 && bytes == 4 * GIB);
	cr_expect(disk_size_parse("2048G", &bytes, &err) == 0 && bytes == 2048 * GIB);
	cr_expect(disk_size_parse("2049G", &bytes, &err) == -EINVAL);
	cr_expect(disk_size_parse("0", &bytes, &err) == -EINVAL);
	cr_expect(disk_size_parse("-4G", &bytes, &err) == -EINVAL);
	cr_expect(disk_size_parse("99999999999999999999G", &bytes, &err) == -EINVAL);
	cr_expect(disk_size_parse("4X", &bytes, &err) == -EINVAL);
	size_text(4 * GIB + GIB / 2, text, sizeof(text));
	cr_expect_str_eq(text, "4.5 GB");
	size_text(512 * KIB, text, sizeof(text));
	cr_expect_str_eq(text, "512 KB");
}

/* ---- networks and hardware ---- */

Test(host, networks_and_cards)
{
	call_drop("vm.create", P("s:s, s:s}", "name", "web", "net", "nat"));
	set("web", "nat.forward", "tcp::8080-:80");
	set("web", "ethernet1.present", "TRUE");
	set("web", "ethernet1.connectionType", "custom");
	set("web", "ethernet1.devName", "vmktest7");
	set("web", "ethernet1.virtualDev", "virtio");
	set("web", "ethernet1.startConnected", "FALSE");
	create("alone");
	json_t *rows = call("network.list", NULL), *nat = find(rows, "kind", "NAT");
	expect_columns("network.list", rows);
	cr_expect_str_eq(text_of(nat, "machines"), "web");
	cr_expect_eq(number_of(nat, "count"), 1);
	cr_expect_null(find(rows, "name", "lo"));
	json_decref(rows);

	rows = call("network.cards", NULL);
	expect_columns("network.cards", rows);
	cr_assert_eq(json_array_size(rows), 2);
	json_t *first = json_array_get(rows, 0), *second = json_array_get(rows, 1);
	cr_expect_str_eq(text_of(first, "forwards"), "tcp::8080-:80");
	cr_expect_str_eq(text_of(first, "connection"), "nat");
	cr_expect_str_eq(text_of(first, "model"), "e1000");
	cr_expect_eq(strlen(text_of(first, "address")), 17);
	cr_expect_str_eq(text_of(second, "connection"), "tap vmktest7");
	cr_expect_str_eq(text_of(second, "model"), "virtio");
	cr_expect(json_is_false(json_object_get(second, "connected")));
	json_decref(rows);
	rows = call("network.cards", VM("alone"));
	cr_expect_eq(json_array_size(rows), 0);
	json_decref(rows);
	call_fails("network.cards", VM("nowhere"), -ENOENT, "nowhere");
}

Test(host, hardware)
{
	call_drop("vm.create", P("s:s, s:s, s:s, s:i}", "name", "web", "size", "2M", "cdrom", "/x/y.iso", "memory", 64));
	set("web", "virtio0.present", "TRUE");
	set("web", "virtio0.fileName", "second.img");
	set("web", "virtio0.mode", "nonpersistent");
	set("web", "floppy0.present", "TRUE");
	set("web", "floppy0.startConnected", "FALSE");
	json_t *rows = call("vm.hardware", VM("web"));
	expect_columns("vm.hardware", rows);
	cr_expect_str_eq(text_of(find(rows, "device", "memory"), "detail"), "64 MB");
	cr_expect_str_eq(text_of(find(rows, "device", "ide0:0"), "detail"), "web.img");
	cr_expect_str_eq(text_of(find(rows, "device", "ide1:0"), "kind"), "CD drive");
	cr_expect(json_is_true(json_object_get(find(rows, "device", "ide1:0"), "connected")));
	cr_expect(json_is_null(json_object_get(find(rows, "device", "ide0:0"), "connected")));
	cr_expect_str_eq(text_of(find(rows, "device", "virtio0"), "detail"), "second.img, writes are dropped at power off");
	cr_expect_str_eq(text_of(find(rows, "device", "floppy0"), "detail"), "no medium");
	cr_expect(json_is_false(json_object_get(find(rows, "device", "floppy0"), "connected")));
	cr_expect_null(find(rows, "device", "ethernet0"));
	cr_expect_str_eq(text_of(find(rows, "device", "virtio.tablet"), "kind"), "Tablet");
	json_decref(rows);
	set("web", "virtio.tablet.present", "FALSE");
	rows = call("vm.hardware", VM("web"));
	cr_expect_null(find(rows, "device", "virtio.tablet"));
	json_decref(rows);
}

/* ---- settings ---- */

Test(host, a_private_host_keeps_its_hands_off_the_computer)
{
	json_t *date = call("host.date", NULL);
	cr_expect_gt(strlen(text_of(date, "date")), 18);
	json_decref(date);
	json_decref(call("host.keyboard", NULL));
	call_fails("host.date", P("s:s}", "set", "2026-11-29 16:00"), -EOPNOTSUPP, "private host");
	call_fails("host.date", P("s:s}", "timezone", "Europe/Berlin"), -EOPNOTSUPP, "private host");
	call_fails("host.date", P("s:s}", "set", "tomorrow"), -EINVAL, "must be like");
	call_fails("host.date", P("s:s}", "timezone", "Moon/Sea"), -ENOENT, "no time zone");
	call_fails("host.keyboard", P("s:s}", "map", "de"), -EOPNOTSUPP, "private host");
	call_fails("host.network_set", P("s:s, s:s}", "interface", "eth0", "ipv4", "dhcp"), -EOPNOTSUPP, "private host");
	call_fails("host.network_keep", NULL, -EOPNOTSUPP, "private host");
	call_fails("host.network_undo", NULL, -EOPNOTSUPP, "private host");
	call_fails("host.network_test", P("s:s}", "name", "a..b"), -EINVAL, "name of a computer");
	json_t *interfaces = call("host.network", NULL);
	cr_expect(json_is_array(interfaces));
	if (json_array_size(interfaces)) /* a computer may have none but lo */
		expect_columns("host.network", interfaces);
	json_decref(interfaces);
	call_fails("host.keyboard", P("s:s}", "map", "xx"), -EINVAL, "must be a keyboard layout");
	json_t *ntp = call("host.ntp", NULL), *name = call("host.name", NULL);
	char own[256] = "";
	cr_expect(json_is_boolean(json_object_get(ntp, "on")) && json_is_array(json_object_get(ntp, "servers")));
	cr_expect_str_neq(text_of(ntp, "clock"), "?");
	cr_assert_eq(gethostname(own, sizeof(own) - 1), 0);
	cr_expect_str_eq(text_of(name, "name"), own);
	json_decref(ntp);
	json_decref(name);
	call_fails("host.ntp", P("s:s}", "switch", "on"), -EOPNOTSUPP, "private host");
	call_fails("host.ntp", P("s:s}", "switch", "maybe"), -EINVAL, "must be one of");
	call_fails("host.ntp", P("s:s}", "servers", "192.0.2.1"), -EOPNOTSUPP, "private host");
	call_fails("host.ntp", P("s:s}", "servers", "$(reboot)"), -EINVAL, "neither a host's name nor an address");
	call_fails("host.name", P("s:s}", "name", "other"), -EOPNOTSUPP, "private host");
	call_fails("host.name", P("s:s}", "name", "a b"), -EINVAL, "must be letters");
	json_t *maps = call("host.keyboards", NULL);
	expect_columns("host.keyboards", maps);
	cr_expect_not_null(find(maps, "name", "de(nodeadkeys)"));
	json_decref(maps);
}

Test(host_parts, dates_are_parsed)
{
	setenv("TZ", "UTC", 1);
	tzset();
	static const struct {
		const char *text;
		time_t out; /* -1: refused */
	} cases[] = {
		{"2026-11-29 16:00:30", 1795968030}, {"2026-11-29 16:00", 1795968000}, {"16:00", 1795968000}, {"00:00:01", 1795910401},
		{"2026-02-31 10:00", -1}, {"2026-11-29", -1}, {"25:00", -1}, {"", -1}, {"16:00 now", -1}, {"1950-01-01 10:00", -1},
	};
	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		time_t out = -1;
		int ret = settings_parse_date(cases[k].text, 1795968000, &out, &err);
		cr_expect_eq(ret, cases[k].out < 0 ? -EINVAL : 0, "'%s': %d", cases[k].text, ret);
		if (!ret)
			cr_expect_eq(out, cases[k].out, "'%s': %lld", cases[k].text, (long long)out);
	}
}

Test(host_parts, a_date_is_meant_in_the_zone_that_is_set_with_it)
{
	time_t out = 0;
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	cr_assert_eq(settings_parse_date_in("2026-11-29 16:00", NULL, 1795968000, &out, &err), 0);
	cr_expect_eq(out, 1795968000 - 3600);
	cr_assert_eq(settings_parse_date_in("2026-11-29 16:00", "Asia/Tokyo", 1795968000, &out, &err), 0);
	cr_expect_eq(out, 1795968000 - 9 * 3600);
	settings_zone_changed("UTC");
	cr_expect_str_eq(getenv("TZ"), "Asia/Tokyo");
	unsetenv("TZ");
	settings_zone_changed("UTC");
	cr_expect_null(getenv("TZ"));
}

/* A helper process ignores SIGPIPE; what it runs for the administrator does not. */
Test(host_parts, a_command_ends_when_nobody_reads)
{
	signal(SIGPIPE, SIG_IGN);
	cr_expect_eq(command_run((void *)"true", -1, NULL, &err), 0);
	cr_expect_neq(command_run((void *)"kill -PIPE $$; true", -1, NULL, &err), 0);
	cr_expect(strstr(err.text, "signal 13"), "%s", err.text);
}

Test(host_parts, timezone_and_keyboard_are_written)
{
	char folder[TEMPORARY_PATH], link[200] = "", *text, *path = xasprintf("%s/localtime", temporary_folder(folder));
	for (int k = 0; k < 2; k++) {
		cr_assert_eq(settings_write_timezone(folder, k ? "UTC" : "Europe/Berlin", &err), 0, "%s", err.text);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = 0;
		cr_expect_str_eq(link, k ? "/usr/share/zoneinfo/UTC" : "/usr/share/zoneinfo/Europe/Berlin");
	}
	free(path);
	path = xasprintf("%s/timezone", folder);
	text = file_text(path);
	cr_expect_str_eq(text, "UTC\n");
	free(text);
	free(path);
	cr_expect_eq(settings_check_timezone("../../../etc/passwd", &err), -EINVAL);
	cr_expect_eq(settings_check_timezone("/etc/passwd", &err), -EINVAL);
	cr_expect_eq(settings_check_timezone("Europe", &err), -ENOENT);

	cr_assert_eq(settings_write_keyboard(folder, "de(nodeadkeys)", &err), 0, "%s", err.text);
	path = xasprintf("%s/default/keyboard", folder);
	text = file_text(path);
	cr_expect_not_null(strstr(text, "XKBLAYOUT=\"de\"\nXKBVARIANT=\"nodeadkeys\"\n"), "%s", text);
	free(text);
	static const char had[] = "# mine\nXKBLAYOUT=de\n XKBVARIANT='x'\nXKBOPTIONS=\"ctrl:nocaps\"";
	cr_assert_eq(replace_file(path, had, strlen(had), 0644, &err), 0);
	cr_assert_eq(settings_write_keyboard(folder, "fr", &err), 0, "%s", err.text);
	text = file_text(path);
	cr_expect_str_eq(text, "# mine\nXKBOPTIONS=\"ctrl:nocaps\"\nXKBLAYOUT=\"fr\"\nXKBVARIANT=\"\"\n");
	free(text);
	free(path);
	cr_expect_eq(temporary_remove(folder), 0);
}

/* ---- vmkernel.conf ---- */

/* Every key of the table has a default of its own kind; a bad value of any is refused with its line. */
Test(host_parts, configuration)
{
	static const struct {
		const char *text, *words; /* NULL: good */
	} cases[] = {
		{"", NULL},
		{"console.address = \"::1\"\nconsole.firstPort = \"2000\"\nconsole.lastPort = \"2001\"\nautostart = \"no\"\nlog.level = \"Debug\"\n", NULL},
		{"unheard.of = \"x\"\n", NULL},
		{"console.address = \"here\"\n", "vmkernel.conf:1: console.address = \"here\": must be an IPv4 or IPv6 address"},
		{"\nconsole.firstPort = \"80\"\n", "vmkernel.conf:2: console.firstPort = \"80\": must be a number from 1024 to 65535"},
		{"autostop.limit = \"1\"\n", "must be a number from 2 to 86400"},
		{"autostart = \"maybe\"\n", "must be TRUE or FALSE"},
		{"log.level = \"loud\"\n", "must be one of debug|info|warning|error"},
		{"console.firstPort = \"2000\"\nconsole.lastPort = \"1999\"\n", "lastPort is below"},
	};
	char folder[TEMPORARY_PATH];
	set_root(temporary_folder(folder));
	char *etc = root_path("etc/vmk"), *path = root_path("etc/vmk/vmkernel.conf");
	cr_assert_eq(make_dirs(etc, 0755, &err), 0);
	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		cr_assert_eq(replace_file(path, cases[k].text, strlen(cases[k].text), 0644, &err), 0);
		int ret = conf_read(&err);
		cr_expect_eq(ret, cases[k].words ? -EINVAL : 0, "%u: %d %s", k, ret, ret ? err.text : "");
		if (ret && cases[k].words)
			cr_expect_not_null(strstr(err.text, cases[k].words), "%s", err.text);
		if (k == 0) {
			cr_expect_str_eq(host.console_address, "127.0.0.1");
			cr_expect(host.vnc_first == 5900 && host.vnc_last == 6999 && host.autostart && !*host.shutdown_command);
			cr_expect_str_eq(host.keyboard_command, "setupcon -k");
			cr_expect_eq(host.autostop_limit, 1500);
		}
		if (k == 1)
			cr_expect(host.vnc_first == 2000 && host.vnc_last == 2001 && !host.autostart);
	}
	cr_expect_eq(temporary_remove(folder), 0);
	free(path);
	free(etc);
}

/* ---- alerts ---- */

static bool alerted(const char *words, const char *level, const char *vm)
{
	json_t *rows = call("host.alerts", NULL), *row;
	bool found = false;
	size_t k;
	json_array_foreach(rows, k, row)
		found |= strstr(text_of(row, "text"), words) && strcmp(text_of(row, "level"), level) == 0 &&
			 (!vm || strcmp(text_of(row, "vm"), vm) == 0) && *text_of(row, "advice");
	json_decref(rows);
	return found;
}

/* A mount point of ours has a mode that keeps everybody out while nothing is mounted there. */
Test(host, a_volume_that_is_not_mounted)
{
	cr_assert_eq(mkdir(here("root/vmfs/volumes/far"), 0755), 0);
	call_drop("vm.create", P("s:s, s:s}", "name", "web", "volume", "far"));
	json_t *rows = call("storage.list", NULL), *far = find(rows, "name", "far");
	cr_expect_str_eq(text_of(far, "state"), "folder");
	cr_expect_eq(number_of(far, "machines"), 1);
	json_decref(rows);
	cr_assert_eq(rename(here("root/vmfs/volumes/far"), here("root/elsewhere")), 0);
	cr_assert_eq(mkdir(here("root/vmfs/volumes/far"), 0), 0);

	rows = call("storage.list", NULL);
	far = find(rows, "name", "far");
	expect_columns("storage.list", rows);
	cr_expect_str_eq(text_of(far, "state"), "not mounted");
	cr_expect(json_is_null(json_object_get(far, "capacity")));
	cr_expect(json_is_null(json_object_get(far, "percent")));
	json_decref(rows);
	cr_expect(alerted("volume far is not mounted: 1 machine on it cannot be powered on", "error", NULL));
	call_fails("vm.start", VM("web"), -ENOENT, "its volume far is not mounted");
	cr_expect(alerted("web cannot be powered on: the volume far is not mounted", "warning", "web"));
	call_fails("vm.create", P("s:s, s:s}", "name", "other", "volume", "far"), -ENXIO, "not mounted");
	char *disk = xstrdup(here("root/vmfs/volumes/far/x.img"));
	call_drop("vm.create", P("s:s, s:s}", "name", "near", "disk", disk));
	call_fails("vm.start", VM("near"), geteuid() == 0 ? -ENOENT : -EACCES, "the volume far is not mounted");
	free(disk);

	cr_assert_eq(rmdir(here("root/vmfs/volumes/far")), 0);
	cr_assert_eq(rename(here("root/elsewhere"), here("root/vmfs/volumes/far")), 0);
	rows = call("storage.list", NULL);
	cr_expect_str_eq(text_of(find(rows, "name", "far"), "state"), "folder");
	json_decref(rows);
	cr_expect(!alerted("far is not mounted", "error", NULL));
	call_drop("vm.start", VM("web"));
}

Test(host, machines_on_other_volumes)
{
	struct stat st;
	cr_assert_eq(mkdir(here("root/vmfs/volumes/second"), 0755), 0);
	call_fails("vm.create", P("s:s, s:s}", "name", "web", "volume", "third"), -ENOENT, "no volume third");
	call_fails("vm.create", P("s:s, s:s}", "name", "web", "volume", "../x"), -EINVAL, "volume's name");
	call_fails("vm.create", P("s:s, s:s, s:s}", "name", "web", "volume", "second", "path", "/x/y.vmx"), -EINVAL, "not both");
	call_drop("vm.create", P("s:s, s:s, s:s}", "name", "web", "volume", "second", "size", "2M"));
	call_drop("vm.create", P("s:s, s:s}", "name", "web2", "volume", "second"));
	call_drop("vm.create", P("s:s, s:s}", "name", "web3", "volume", "local"));
	json_t *path = show("web", "path");
	cr_expect_not_null(strstr(json_string_value(path), "/vmfs/volumes/second/"));
	cr_assert_eq(stat(json_string_value(path), &st), 0);
	cr_expect_eq(st.st_uid, geteuid());
	json_decref(path);
	if (geteuid() != 0)
		return;
	/* Somebody else could have put anything where an owner's folder is to be. */
	cr_assert_eq(chmod(here("root/vmfs/volumes/second"), 0777), 0);
	call_fails("vm.create", P("s:s, s:s}", "name", "web4", "volume", "second"), -EPERM, "changed by others");
}

static void alice_misses_hers(void)
{
	json_t *rows = NULL, *o = NULL;
	CHECK(vmk_call(client, "vm.list", NULL, &rows, NULL, &err) == 0);
	json_t *row = find(rows, "name", "farthest");
	CHECK(row && json_array_size(rows) == 2); /* one of hers is not on the volume */
	CHECK(strcmp(text_of(row, "owner"), "alice") == 0 && strcmp(text_of(row, "rights"), "r--") == 0);
	CHECK(vmk_call(client, "vm.show", VM("farthest"), &o, NULL, &err) == 0);
	CHECK(strstr(json_string_value(json_array_get(json_object_get(o, "warnings"), 0)), "the volume far is not mounted"));
	CHECK(try("vm.start", VM("farthest")) == -EPERM && strstr(err.text, "the volume far is not mounted"));
	CHECK(try("vm.delete", VM("farthest")) == -EPERM);
	CHECK(try("vm.set", P("s:s, s:s, s:s}", "vm", "farthest", "key", "memsize", "value", "64")) == -EPERM);
	CHECK(try("vm.clone", P("s:s, s:s}", "vm", "farthest", "name", "copy")) == -EINVAL && strstr(err.text, "is not mounted"));
	json_decref(rows);
	json_decref(o);
}

static void nobodys_business(void)
{
	CHECK(try("vm.show", VM("farthest")) == -ENOENT);
}

static void alice_has_hers(void)
{
	CHECK(try("vm.start", VM("farthest")) == 0);
	CHECK(try("vm.stop", VM("farthest")) == 0);
}

static void daemon_again(void)
{
	vmk_disconnect(client);
	daemon_end(SIGTERM);
	cr_assert_eq(daemon_start(geteuid()), 0);
	cr_assert_eq(vmk_connect(&client, &err), 0, "%s", err.text);
}

/* Whose machine it was is known while its volume is not mounted, and that alone. */
Test(host, owners_see_what_is_not_mounted)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	two_users();
	char *far = xstrdup(here("root/vmfs/volumes/far")), *away = xstrdup(here("root/elsewhere"));
	cr_assert_eq(mkdir(far, 0755), 0);
	call_drop("vm.create", P("s:s, s:s, s:s}", "name", "farthest", "volume", "far", "owner", "alice"));
	call_drop("vm.chmod", P("s:s, s:s}", "vm", "farthest", "mode", "755"));
	cr_assert(rename(far, away) == 0 && mkdir(far, 0) == 0);
	for (int again = 0; again < 2; again++) {
		as_user(ALICE, 0, alice_misses_hers);
		as_user(BOB, 0, nobodys_business); /* though the file would let him see it */
		daemon_again();
	}
	/* It comes back as bob's. */
	char *folder = machine_path("farthest", ""), *theirs = xasprintf("%s/alice/farthest/farthest.vmx", away);
	cr_assert_eq(chown(theirs, BOB, (gid_t)-1), 0);
	cr_assert_eq(chmod(theirs, 0700), 0);
	cr_assert(rmdir(far) == 0 && rename(away, far) == 0);
	call_drop("storage.list", NULL);
	as_user(ALICE, 0, nobodys_business);
	cr_assert(rename(far, away) == 0 && mkdir(far, 0) == 0);
	call_drop("storage.list", NULL);
	as_user(ALICE, 0, nobodys_business);
	cr_assert_eq(chown(theirs, ALICE, (gid_t)-1), 0);
	cr_assert(rmdir(far) == 0 && rename(away, far) == 0);
	call_drop("storage.list", NULL);
	as_user(ALICE, 0, alice_has_hers);
	/* What is taken off the list is forgotten. */
	call_drop("vm.unregister", VM("farthest"));
	daemon_again();
	char *list = file_text(here("root/var/lib/vmk/owners"));
	cr_expect_str_eq(list, "");
	free(list);
	free(theirs);
	free(folder);
	free(away);
	free(far);
}

Test(host, clones_on_other_volumes)
{
	struct stat st;
	call_drop("vm.create", P("s:s, s:s}", "name", "web", "size", "2M"));
	char *disk = machine_path("web", "web.img"), *second = xstrdup(here("root/vmfs/volumes/second"));
	cr_assert_eq(replace_file(disk, "what is on it", 13, 0600, &err), 0);
	cr_assert_eq(mkdir(second, 0755), 0);
	cr_assert_eq(mkdir(here("root/vmfs/volumes/far"), 0), 0);
	for (int dry = 1; dry >= 0; dry--) {
		vmk_set_dry_run(client, dry);
		call_fails("vm.clone", P("s:s, s:s, s:s}", "vm", "web", "name", "copy", "volume", "third"), -ENOENT, "no volume third");
		call_fails("vm.clone", P("s:s, s:s, s:s}", "vm", "web", "name", "copy", "volume", "../x"), -EINVAL, "volume's name");
		call_fails("vm.clone", P("s:s, s:s, s:s}", "vm", "web", "name", "copy", "volume", "far"), -ENXIO, "not mounted");
	}
	vmk_set_dry_run(client, true);
	call_drop("vm.clone", P("s:s, s:s, s:s}", "vm", "web", "name", "copy", "volume", "second"));
	vmk_set_dry_run(client, false);
	cr_expect(rmdir(second) == 0 && mkdir(second, 0755) == 0, "a dry run has made something");
	call_drop("vm.clone", P("s:s, s:s, s:s}", "vm", "web", "name", "copy", "volume", "second"));
	char *copy = machine_path("copy", "copy.img"), *text = file_text(copy);
	cr_expect_not_null(strstr(copy, "/vmfs/volumes/second/"), "%s", copy);
	cr_expect_str_eq(text, "what is on it");
	cr_expect(stat(copy, &st) == 0 && st.st_uid == geteuid());
	value_is("copy", "ide0:0.fileName", "copy.img");
	call_drop("vm.start", VM("copy"));
	call_drop("vm.stop", VM("copy"));
	call_drop("vm.unregister", VM("copy"));
	for (int dry = 1; dry >= 0; dry--) {
		vmk_set_dry_run(client, dry);
		call_fails("vm.clone", P("s:s, s:s, s:s}", "vm", "web", "name", "copy", "volume", "second"), -EEXIST, "cannot make the folder");
		cr_assert_eq(chmod(second, geteuid() == 0 ? 0777 : 0755), 0);
		/* Somebody else could have put anything where an owner's folder is to be. */
		if (geteuid() == 0)
			call_fails("vm.clone", P("s:s, s:s, s:s}", "vm", "web", "name", "more", "volume", "second"), -EPERM, "changed by others");
		cr_assert_eq(chmod(second, 0755), 0);
	}
	cr_expect_eq(stat(copy, &st), 0);
	call_drop("vm.delete", VM("web")); /* nothing has it busy still */
	free(text);
	free(copy);
	free(second);
	free(disk);
}

static void bob_moves_alices(void)
{
	CHECK(try("vm.move", P("s:s, s:s}", "vm", "alices", "volume", "second")) == -EPERM && strstr(err.text, "only alice"));
}

static void alice_moves_hers(void)
{
	CHECK(try("vm.move", P("s:s, s:s}", "vm", "alices", "volume", "second")) == 0);
	CHECK(try("vm.start", VM("alices")) == 0);
	CHECK(try("vm.stop", VM("alices")) == 0);
}

static char *config_of(const char *name, const char *key)
{
	json_t *rows = call("vm.get", P("s:s, s:s}", "vm", name, "key", key));
	char *value = xstrdup(text_of(json_array_get(rows, 0), "value"));
	json_decref(rows);
	return value;
}

Test(host, machines_move_to_other_volumes)
{
	struct stat st;
	call_drop("vm.create", P("s:s, s:s, s:s}", "name", "web", "size", "2M", "net", "nat"));
	create("last");
	char *disk = machine_path("web", "web.img"), *old = folder_of("web"), *second = xstrdup(here("root/vmfs/volumes/second"));
	char *shared = xstrdup(here("root/shared.iso")), *iso = xasprintf("%s/own.iso", old), *notes = xasprintf("%s/notes", old);
	cr_assert_eq(replace_file(disk, "what is on it", 13, 0600, &err), 0);
	cr_assert_eq(replace_file(shared, "shared", 6, 0644, &err), 0);
	cr_assert_eq(replace_file(iso, "iso", 3, 0640, &err), 0);
	cr_assert_eq(mkdir(second, 0755), 0);
	cr_assert_eq(mkdir(here("root/vmfs/volumes/far"), 0), 0);
	drive("web", "ide1:0", "cdrom-image", "../../../../../shared.iso");
	drive("web", "ide1:1", "cdrom-image", iso);
	set("web", "ide1:1.present", "FALSE");
	set("web", "autostart", "true");
	call_drop("vm.chmod", P("s:s, s:s}", "vm", "web", "mode", "740"));
	char *uuid = config_of("web", "uuid.bios"), *address = config_of("web", "ethernet0.generatedAddress");
	/* Refused, and nothing is done. */
	for (int dry = 1; dry >= 0; dry--) {
		vmk_set_dry_run(client, dry);
		call_fails("vm.move", P("s:s, s:s}", "vm", "web", "volume", "local"), -EALREADY, "is on the volume local already");
		call_fails("vm.move", P("s:s, s:s}", "vm", "web", "volume", "third"), -ENOENT, "no volume third");
		call_fails("vm.move", P("s:s, s:s}", "vm", "web", "volume", "../x"), -EINVAL, "volume's name");
		call_fails("vm.move", P("s:s, s:s}", "vm", "web", "volume", "far"), -ENXIO, "not mounted");
	}
	vmk_set_dry_run(client, true);
	call_drop("vm.move", P("s:s, s:s}", "vm", "web", "volume", "second"));
	vmk_set_dry_run(client, false);
	cr_expect(rmdir(second) == 0 && mkdir(second, 0755) == 0, "a dry run has made something");
	drive("last", "ide0:0", NULL, disk);
	call_fails("vm.move", P("s:s, s:s}", "vm", "web", "volume", "second"), -EBUSY, "is used by last, too");
	set("last", "ide0:0.fileName", "other.img");
	call_drop("vm.start", VM("web"));
	call_fails("vm.move", P("s:s, s:s}", "vm", "web", "volume", "second"), -EBUSY, "is powered on");
	call_drop("vm.stop", VM("web"));
	/* A lock is held on what it would copy: half of it is there by then, and goes again. */
	int fd = open(disk, O_RDWR | O_CLOEXEC);
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	cr_assert_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
	call_fails("vm.move", P("s:s, s:s}", "vm", "web", "volume", "second"), -EBUSY, "web is not moved: ");
	close(fd);
	cr_assert_eq(stat(disk, &st), 0);
	cr_assert_eq(replace_file(notes, "mine", 4, 0600, &err), 0);

	json_t *result = call("vm.move", P("s:s, s:s}", "vm", "web", "volume", "second"));
	cr_expect_not_null(strstr(text_of(result, "message"), "web is moved to the volume second"));
	char *warnings = json_dumps(json_object_get(result, "warnings"), 0);
	cr_expect(warnings && strstr(warnings, "stays: other files are in it"), "%s", warnings);
	free(warnings);
	json_decref(result);
	cr_expect(stat(disk, &st) != 0 && stat(iso, &st) != 0 && stat(notes, &st) == 0);
	char *now = machine_path("web", "web.img"), *text = file_text(now), *vmx = machine_path("web", "web.vmx");
	cr_expect_not_null(strstr(now, "/vmfs/volumes/second/"), "%s", now);
	cr_expect_str_eq(text, "what is on it");
	cr_expect(stat(vmx, &st) == 0 && (st.st_mode & 0777) == 0740 && st.st_uid == geteuid());
	value_is("web", "ide0:0.fileName", "web.img");
	value_is("web", "ide1:1.fileName", "own.iso");
	value_is("web", "uuid.bios", uuid);
	value_is("web", "ethernet0.generatedAddress", address);
	value_is("web", "autostart", "true");
	char *cd = config_of("web", "ide1:0.fileName"), *list = file_text(here("root/etc/vmk/vm-list"));
	cr_expect_eq(*cd, '/', "%s", cd);
	cr_expect(strstr(list, vmx) && strstr(list, vmx) < strstr(list, "last.vmx") && !strstr(list, old), "%s", list);
	/* It does not ask whether it was moved, has its events, and comes back. */
	call_drop("vm.start", VM("web"));
	call_drop("vm.stop", VM("web"));
	json_t *events = call("event.list", VM("web"));
	char *told = json_dumps(events, 0);
	cr_expect(strstr(told, "web is created") && strstr(told, "web is moved to the volume second"), "%s", told);
	free(told);
	json_decref(events);
	call_fails("vm.move", P("s:s, s:s}", "vm", "web", "volume", "local"), -EEXIST, "cannot make the folder");
	cr_assert(unlink(notes) == 0 && rmdir(old) == 0);
	call_drop("vm.move", P("s:s, s:s}", "vm", "web", "volume", "local"));
	cr_expect(stat(disk, &st) == 0 && stat(now, &st) != 0);
	call_drop("vm.start", VM("web"));
	call_drop("vm.stop", VM("web"));
	if (geteuid() == 0) {
		two_users();
		call_drop("vm.chmod", P("s:s, s:s}", "vm", "alices", "mode", "777"));
		as_user(BOB, 0, bob_moves_alices);
		as_user(ALICE, 0, alice_moves_hers);
		call_drop("vm.move", P("s:s, s:s}", "vm", "alices", "volume", "local"));
		char *hers = machine_path("alices", "alices.img");
		cr_expect(stat(hers, &st) == 0 && st.st_uid == ALICE && strstr(hers, "/local/alice/"));
		free(hers);
	}
	free(list);
	free(cd);
	free(text);
	free(vmx);
	free(now);
	free(address);
	free(uuid);
	free(notes);
	free(iso);
	free(shared);
	free(second);
	free(old);
	free(disk);
}

Test(host, a_private_host_mounts_nothing)
{
	/* Of the computer's own disks, one of which may be slow. */
	json_t *rows = NULL;
	int ret = vmk_call(client, "storage.devices", NULL, &rows, NULL, &err);
	cr_expect(ret == -ETIMEDOUT || (ret == 0 && json_is_array(rows)), "%d", ret);
	if (ret == 0 && json_array_size(rows))
		expect_columns("storage.devices", rows);
	json_decref(rows);
	call_fails("storage.add", P("s:s, s:s}", "name", "big", "source", "/srv"), -EOPNOTSUPP, "private host");
	call_fails("storage.mount", P("s:s}", "name", "big"), -EOPNOTSUPP, "private host");
	call_fails("storage.remove", P("s:s}", "name", "big"), -EOPNOTSUPP, "private host");
	call_fails("storage.format", P("s:s, s:s, s:s}", "name", "big", "device", "none", "erase", "yes"), -EOPNOTSUPP, "private host");
	call_fails("storage.remove", P("s:s}", "name", "local"), -EINVAL, "stays");
	call_fails("storage.add", P("s:s, s:s}", "name", "a b", "source", "/srv"), -EINVAL, "volume's name");
}

Test(host, alerts)
{
	create("web");
	create("hang");
	char *vmx = machine_path("web", "web.vmx");
	cr_expect(!alerted("web", "warning", NULL));
	char *text = file_text(vmx), *bad = xasprintf("%smemsize = \"many\"\n", text);
	cr_assert_eq(replace_file(vmx, bad, strlen(bad), 0750, &err), 0);
	cr_expect(alerted("the configuration of web cannot be used", "warning", "web"));
	cr_assert_eq(replace_file(vmx, text, strlen(text), 0750, &err), 0);
	cr_expect(!alerted("the configuration of web", "warning", "web"));
	/* This host has no vmk-authd beside it. */
	cr_expect(alerted("vmk-authd", "error", NULL));

	/* A file that says that it was made elsewhere: moved or copied? */
	create("moved");
	set("moved", "uuid.location", "56 4d 00 11 22 33 44 55-66 77 88 99 aa bb cc dd");
	call_fails("vm.start", VM("moved"), -EBUSY, "");
	cr_expect(alerted("moved waits for an answer: ", "error", "moved"));
	planned("moved", "stays off");

	call_drop("vm.start", VM("hang"));
	wait_state("hang", "stuck");
	planned("hang", "does not answer, and may; after 60 s its plug is pulled");
	cr_expect(alerted("hang is stuck", "error", "hang"));
	json_t *stuck = call("host.alerts", NULL);
	cr_expect_str_eq(text_of(find(stuck, "vm", "hang"), "advice"), "wait, or end it: vm stop hang hard");
	json_decref(stuck);
	json_t *shown = call("host.show", NULL);
	cr_expect_not_null(find(json_object_get(shown, "alerts"), "vm", "hang"));
	json_decref(shown);

	cr_assert_eq(make_dirs(here("root/var/lib/vmk"), 0700, &err), 0);
	static const char locks[] = "192.0.2.1 12 1700000000\n192.0.2.2 3 1700000000\n";
	cr_assert_eq(replace_file(here("root/var/lib/vmk/console-locks"), locks, strlen(locks), 0600, &err), 0);
	cr_expect(alerted("1 address is locked out", "warning", NULL));
	free(bad);
	free(text);
	free(vmx);
}

/* Ports that browsers refuse are not given away, so this range holds none. */
Test(host, tells_of_a_machine_without_console)
{
	create("web");
	char *path = xstrdup(here("root/etc/vmk/vmkernel.conf"));
	static const char range[] = "console.firstPort = \"6665\"\nconsole.lastPort = \"6669\"\n";
	cr_assert_eq(replace_file(path, range, strlen(range), 0644, &err), 0);
	free(path);
	host_again("");
	call_drop("vm.start", VM("web"));
	json_t *console = show("web", "console"), *alerts = call("host.alerts", NULL);
	cr_expect(json_is_null(console));
	cr_expect(log_has("web has no console: all ports from 6665 to 6669 are taken"));
	cr_expect_not_null(strstr(text_of(find(alerts, "vm", "web"), "text"), "all ports from 6665 to 6669 are taken"));
	json_decref(alerts);
	json_decref(console);
}
