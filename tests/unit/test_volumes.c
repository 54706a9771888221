// uses: vmkernel computer pam api disk net lib -ljansson -lsystemd -lcrypt -lpam -laugeas -lmount -lblkid
/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The computer's disks, what is mounted and what fstab says, read from files of the test's own. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "temporary.h"

#include "computer/mount_table.h"
#include "computer/program.h"
#include "lib/machine_words.h"
#include "lib/util.h"
#include "vmkernel/block_devices.h"
#include "vmkernel/host.h"
#include "vmkernel/volume_source.h"
#include "vmkernel/within.h"

struct host host;

static char folder[TEMPORARY_PATH];
static struct error err;

static void remove_folder(void)
{
	cr_expect_eq(temporary_remove(folder), 0);
}

static char *in_folder(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

/* A file below the folder, with the folders above. */
static void put(const char *name, const char *text)
{
	char *path = in_folder(name), *slash = strrchr(path, '/');
	*slash = 0;
	cr_assert_eq(make_dirs(path, 0755, &err), 0, "%s", err.text);
	*slash = '/';
	cr_assert_eq(replace_file(path, text, strlen(text), 0644, &err), 0, "%s", err.text);
	free(path);
}

static void make_folder(void)
{
	temporary_folder(folder);
	put("mountinfo", "");
}

static void expect_file(const char *name, const char *text)
{
	char *path = in_folder(name), *is;
	cr_assert_eq(read_file(path, MIB, &is, NULL, &err), 0, "%s", err.text);
	cr_expect_str_eq(is, text);
	free(is);
	free(path);
}

/* ---- fstab ---- */

TestSuite(fstab, .init = make_folder, .fini = remove_folder, .timeout = 600);

static struct mount_table *read_table(const char *name, bool mountinfo)
{
	struct mount_table *t = NULL;
	char *path = in_folder(name);
	cr_assert_eq(mount_table_read(path, mountinfo, &t, &err), 0, "%s", err.text);
	free(path);
	return t;
}

static const char plain_fstab[] = "# by hand\n"
				  "UUID=1234-ABCD  /boot/efi   vfat    umask=0077  0  1  # firmware\n"
				  "\n"
				  "/srv/my\\040files /vmfs/volumes/files none bind,nofail 0 0\n"
				  "nas:/x\t/vmfs/volumes/nas/\tnfs\tdefaults\n";

Test(fstab, is_read_with_comments_and_blanks)
{
	put("fstab", plain_fstab);
	struct mount_table *t = read_table("fstab", false);
	cr_assert_eq(t->n, 3);
	cr_expect_eq(t->bad_line, 0);
	cr_expect_str_eq(mount_table_at(t, "/vmfs/volumes/files")->source, "/srv/my files");
	cr_expect_str_eq(mount_table_at(t, "/vmfs/volumes/nas")->type, "nfs", "a slash at the end makes no other folder");
	cr_expect_null(mount_table_at(t, "/vmfs/volumes/na"));
	cr_expect_null(mount_table_at(t, "/vmfs/volumes"));
	mount_table_free(t);
}

Test(fstab, leaves_out_what_is_no_line)
{
	put("fstab", "/dev/sda1 / ext4 defaults 0 1\nnonsense\n/dev/sdb1 /vmfs/volumes/big ext4 defaults 0 2\n");
	struct mount_table *t = read_table("fstab", false);
	cr_expect_eq(t->bad_line, 2);
	cr_expect_not_null(mount_table_at(t, "/vmfs/volumes/big"));
	mount_table_free(t);
}

Test(fstab, may_be_missing_but_no_folder_pipe_or_novel)
{
	struct mount_table *t = read_table("nothing", false);
	char *path = in_folder("fstab"), *text = xcalloc(1, 300 * 1024);
	cr_expect_eq(t->n, 0);
	mount_table_free(t);
	mkdir(path, 0755);
	cr_expect_eq(mount_table_read(path, false, &t, &err), -EINVAL);
	rmdir(path);
	mkfifo(path, 0600);
	cr_expect_eq(mount_table_read(path, false, &t, &err), -EINVAL, "and nobody waits for a writer");
	unlink(path);
	memset(text, '#', 300 * 1024 - 1);
	put("fstab", text);
	cr_expect_eq(mount_table_read(path, false, &t, &err), -EFBIG);
	free(text);
	free(path);
}

static const struct mount_line big = {.source = "UUID=aa-bb", .target = "/vmfs/volumes/big", .type = "ext4", .options = "nofail,x-systemd.device-timeout=30,ro"};
static const struct mount_line blank = {.source = "/srv/my files", .target = "/vmfs/volumes/blank", .type = "none", .options = "bind"};

Test(fstab, gets_a_line_and_loses_it_again)
{
	char *all = xasprintf("%s%s", plain_fstab, "UUID=aa-bb\t/vmfs/volumes/big\text4\tnofail,x-systemd.device-timeout=30,ro\t0 2\n");
	put("fstab", plain_fstab);
	cr_assert_eq(fstab_add(folder, &big, 2, &err), 0, "%s", err.text);
	expect_file("fstab", all);
	cr_expect_eq(fstab_add(folder, &big, 2, &err), -EEXIST);
	cr_expect_eq(fstab_check(folder, big.target, &err), -EEXIST);
	cr_expect_eq(fstab_check(folder, blank.target, &err), 0, "%s", err.text);
	cr_expect_eq(fstab_remove(folder, blank.target, &err), -ENOENT);
	expect_file("fstab", all);
	cr_assert_eq(fstab_remove(folder, big.target, &err), 0, "%s", err.text);
	expect_file("fstab", plain_fstab);
	free(all);
}

Test(fstab, knows_blanks_in_names)
{
	cr_assert_eq(fstab_add(folder, &blank, 0, &err), 0, "%s", err.text);
	expect_file("fstab", "# fstab(5)\n/srv/my\\040files\t/vmfs/volumes/blank\tnone\tbind\t0 0\n");
	struct mount_table *t = read_table("fstab", false);
	cr_expect_str_eq(mount_table_at(t, blank.target)->source, blank.source);
	mount_table_free(t);
	put("fstab", plain_fstab);
	cr_expect_eq(fstab_remove(folder, "/vmfs/volumes/nas", &err), 0, "%s", err.text);
}

Test(fstab, that_is_not_understood_is_left_alone)
{
	static const char broken[] = "/dev/sda1 / ext4 defaults 0 1\n/dev/sdb1\n";
	put("fstab", broken);
	cr_expect_eq(fstab_add(folder, &big, 2, &err), -EINVAL);
	cr_expect_not_null(strstr(err.text, "fstab: line 2"), "%s", err.text);
	cr_expect_eq(fstab_remove(folder, "/", &err), -EINVAL);
	expect_file("fstab", broken);
}

Test(fstab, with_two_lines_for_a_folder_loses_neither)
{
	static const char twice[] = "/dev/sda1 /vmfs/volumes/big ext4 defaults 0 1\n/dev/sdb1 /vmfs/volumes/big/ ext4 defaults 0 1\n";
	put("fstab", twice);
	cr_expect_eq(fstab_remove(folder, big.target, &err), -ENOTUNIQ);
	cr_expect_eq(fstab_add(folder, &big, 2, &err), -EEXIST);
	expect_file("fstab", twice);
	struct mount_table *t = read_table("fstab", false);
	cr_expect_eq(mount_table_count(t, big.target), 2);
	mount_table_free(t);
}

Test(fstab, keeps_what_it_is)
{
	char *path = in_folder("fstab"), *real = in_folder("real");
	struct stat st;
	put("real", plain_fstab);
	chmod(real, 0640);
	cr_assert_eq(symlink("real", path), 0);
	cr_assert_eq(fstab_add(folder, &big, 2, &err), 0, "%s", err.text);
	cr_expect(lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
	cr_expect(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
	free(real);
	free(path);
}

/* ---- devices ---- */

TestSuite(devices, .init = make_folder, .fini = remove_folder, .timeout = 600);

/* An entry of /sys/block with its number and size in MB, and an image in its place in /dev. */
static void put_device(const char *sysfs, const char *dev, const char *number, unsigned megabytes)
{
	char *file = xasprintf("sys/block/%s/dev", sysfs), *size = xasprintf("sys/block/%s/size", sysfs), *sectors = xasprintf("%u\n", megabytes * 2048);
	char *path = xasprintf("%s/dev/%s", folder, dev), *image = xasprintf("dev/%s", dev);
	put(file, number);
	put(size, sectors);
	put(image, "");
	cr_assert_eq(truncate(path, (off_t)(megabytes * MIB)), 0);
	free(image);
	free(path);
	free(sectors);
	free(size);
	free(file);
}

static void make_ext4(const char *dev, char *label)
{
	if (!program_there("mkfs.ext4"))
		cr_skip_test("there is no mkfs.ext4 here");
	char *path = xasprintf("%s/dev/%s", folder, dev);
	char *const words[] = {"mkfs.ext4", "-q", "-F", "-L", label, path, NULL};
	struct program p = {.words = words, .seconds = 60};
	cr_assert_eq(program_run(&p, &err), 0, "%s", err.text);
	free(path);
}

static void write_at(const char *dev, off_t at, const void *bytes, size_t len)
{
	char *path = xasprintf("%s/dev/%s", folder, dev);
	int fd = open(path, O_WRONLY);
	cr_assert(fd >= 0 && pwrite(fd, bytes, len, at) == (ssize_t)len);
	close(fd);
	free(path);
}

static struct block_device *found;
static unsigned n_found;

static void find_devices(const struct disk_use *uses, size_t n_uses)
{
	char *sys = in_folder("sys"), *dev = in_folder("dev"), *mounts = in_folder("mountinfo"), *swaps = in_folder("swaps"), *fstab = in_folder("fstab");
	struct block_sources s = {.sys = sys, .dev = dev, .mounts = mounts, .swaps = swaps, .fstab = fstab, .uses = uses, .n_uses = n_uses};
	free(found);
	cr_assert_eq(block_devices_find(&s, &found, &n_found, &err), 0, "%s", err.text);
	free(sys);
	free(dev);
	free(mounts);
	free(swaps);
	free(fstab);
}

static const struct block_device *device(const char *name)
{
	const struct block_device *d = block_device_named(found, n_found, name);
	cr_assert_not_null(d, "there is no %s", name);
	return d;
}

static void expect_used(const char *name, const char *used)
{
	cr_expect_str_eq(device(name)->used, used, "%s: %s", name, device(name)->used);
	cr_expect_eq(device(name)->is_free, strcmp(used, "free") == 0, "%s", name);
}

Test(devices, are_told_with_what_is_on_them)
{
	put_device("sda", "sda", "8:0\n", 64);
	put("sys/block/sda/device/vendor", "ATA     \n");
	put("sys/block/sda/device/model", "Fast Disk 3   \n");
	put_device("sda/sda1", "sda1", "8:1\n", 16);
	put("sys/block/sda/sda1/partition", "1\n");
	put_device("sda/sda10", "sda10", "8:10\n", 16);
	put("sys/block/sda/sda10/partition", "10\n");
	put_device("sda/sda2", "sda2", "8:2\n", 16);
	put("sys/block/sda/sda2/partition", "2\n");
	make_ext4("sda1", "backup");
	make_ext4("sda2", "a\033[31mb");
	find_devices(NULL, 0);
	cr_assert_eq(n_found, 4);
	cr_expect_str_eq(found[0].name, "sda");
	cr_expect_str_eq(found[2].name, "sda2", "as people count");
	cr_expect_str_eq(found[0].model, "ATA Fast Disk 3");
	cr_expect_eq(found[0].bytes, 64 * MIB);
	expect_used("sda", "has partitions");
	expect_used("sda1", "free");
	cr_expect_str_eq(device("sda1")->type, "ext4");
	cr_expect_str_eq(device("sda1")->label, "backup");
	cr_expect_eq(strlen(device("sda1")->uuid), 36);
	cr_expect(device("sda1")->file_system);
	cr_expect_str_eq(block_device_content(device("sda1")), "backup");
	cr_expect_str_eq(device("sda2")->label, "a?[31mb", "nothing of it acts on a terminal");
	expect_used("sda10", "free");
	cr_expect_not(device("sda10")->file_system);
	cr_expect_str_eq(block_device_content(device("sda10")), "");
	json_t *row = block_device_row(device("sda1"));
	cr_expect_str_eq(json_string_value(json_object_get(row, "size")), "16 MB");
	cr_expect(json_is_true(json_object_get(row, "free")));
	json_decref(row);
}

Test(devices, that_are_in_use_are_told_by_what)
{
	put_device("sdb", "sdb", "8:16\n", 16);
	put_device("sdc", "sdc", "8:32\n", 16);
	put_device("sdd", "sdd", "8:48\n", 16);
	put_device("sde", "sde", "8:64\n", 16);
	put("sys/block/sde/holders/dm-0", "");
	put_device("sdf", "sdf", "8:80\n", 16);
	make_ext4("sdf", "elsewhere");
	put_device("sdg", "sdg", "8:96\n", 16);
	write_at("sdg", 4096 - 10, "SWAPSPACE2", 10);
	write_at("sdg", 1024, "\1\0\0\0\377\17\0\0", 8);
	put_device("sdh", "sdh", "8:112\n", 16);
	put("sys/block/sdh/ro", "1\n");
	char *other = in_folder("dev/sdd"), *mounts = xasprintf("30 1 8:16 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
								"31 30 0:40 / /mnt/my\\040data rw - btrfs %s rw\n", other);
	char *swaps = xasprintf("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n%s/dev/sdc                partition\t16380\t0\t-2\n", folder);
	put("mountinfo", mounts);
	put("swaps", swaps);
	put("fstab", "LABEL=\"elsewhere\" /home ext4 noauto 0 0\n");
	find_devices(NULL, 0);
	expect_used("sdb", "mounted at /");
	expect_used("sdc", "swap space in use");
	expect_used("sdd", "mounted at /mnt/my data");
	expect_used("sde", "part of dm-0");
	expect_used("sdf", "in fstab for /home");
	expect_used("sdg", "swap space");
	expect_used("sdh", "can only be read");
	free(swaps);
	free(mounts);
	free(other);
}

Test(devices, whose_disk_is_in_use_are_so_too)
{
	put_device("sdb", "sdb", "8:16\n", 16);
	put_device("sdb/sdb1", "sdb1", "8:17\n", 4);
	put("sys/block/sdb/sdb1/partition", "1\n");
	put_device("sdc", "sdc", "8:32\n", 16);
	put_device("sdc/sdc1", "sdc1", "8:33\n", 4);
	put("sys/block/sdc/sdc1/partition", "1\n");
	put("mountinfo", "30 1 8:16 / /mnt rw - iso9660 /dev/x rw\n31 1 8:33 / /srv rw - ext4 /dev/y rw\n");
	find_devices(NULL, 0);
	expect_used("sdb1", "sdb: mounted at /mnt");
	expect_used("sdc1", "mounted at /srv");
	expect_used("sdc", "has partitions");
}

Test(devices, may_be_meant_by_a_tag_nobody_knows)
{
	put_device("sdb", "sdb", "8:16\n", 16);
	put("fstab", "nas:/A=b /x nfs defaults 0 0\nPARTLABEL=other /y ext4 defaults 0 0\n");
	find_devices(NULL, 0);
	expect_used("sdb", "free");
	put("fstab", "ID=wwn-0x1 /home ext4 defaults 0 0\n");
	find_devices(NULL, 0);
	expect_used("sdb", "perhaps in fstab for /home: ID=wwn-0x1 may be any disk");
}

Test(devices, are_kept_for_others_by_the_type_of_their_partition)
{
	cr_expect_str_eq(block_device_kept_for("gpt", "21686148-6449-6E6F-744E-656564454649"), "the boot loader (BIOS)");
	cr_expect_str_eq(block_device_kept_for("gpt", "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"), "swap space");
	cr_expect_str_eq(block_device_kept_for("dos", "0x8e"), "a volume group (LVM)");
	cr_expect_null(block_device_kept_for("dos", "0x83"));
	cr_expect_null(block_device_kept_for("gpt", "0fc63daf-8483-4772-8e79-3d69d8477de4"), "a file system of Linux");
	cr_expect_null(block_device_kept_for("bsd", "0x82"), "which has numbers of its own");
	cr_expect_null(block_device_kept_for("", ""));
}

Test(devices, of_a_btrfs_are_used_together)
{
	static const char id[] = "0123456789abcdef", other[] = "0123456789abcdeX";
	static const struct {
		const char *dev, *number, *id;
	} disks[] = {{"sdb", "8:16\n", id}, {"sdc", "8:32\n", id}, {"sdd", "8:48\n", other}};
	for (unsigned k = 0; k < ARRAY_SIZE(disks); k++) {
		put_device(disks[k].dev, disks[k].dev, disks[k].number, 16);
		write_at(disks[k].dev, 0x10000 + 0x20, disks[k].id, 16);
		write_at(disks[k].dev, 0x10000 + 0x40, "_BHRfS_M", 8);
	}
	char *first = in_folder("dev/sdb"), *mounts = xasprintf("31 30 0:40 / /mnt rw - btrfs %s rw\n", first);
	put("mountinfo", mounts);
	find_devices(NULL, 0);
	expect_used("sdb", "mounted at /mnt");
	expect_used("sdc", "part of a btrfs of several disks, as is sdb");
	expect_used("sdd", "free");
	free(mounts);
	free(first);
}

Test(devices, have_partition_tables)
{
	static const unsigned char entry[16] = {0, 0, 2, 0, 0x83, 0, 3, 0, 0, 8, 0, 0, 0, 8, 0, 0}; /* from sector 2048, 2048 of them */
	put_device("sdb", "sdb", "8:16\n", 16);
	put_device("sdc", "sdc", "8:32\n", 16);
	for (char dev[] = "sdb"; dev[2] <= 'c'; dev[2]++) {
		write_at(dev, 510, "\x55\xaa", 2);
		write_at(dev, 440, "\1\2\3\4", 4);
	}
	write_at("sdb", 446, entry, sizeof(entry));
	find_devices(NULL, 0);
	expect_used("sdb", "has partitions (dos)");
	expect_used("sdc", "free");
	cr_expect_str_eq(block_device_content(device("sdc")), "dos", "an empty table is to be named before it goes");
}

Test(devices, of_machines_and_odd_names)
{
	put_device("loop3", "loop3", "7:3\n", 16);
	put("images/web.img", "x");
	char *image = in_folder("images/web.img"), *line = xasprintf("%s\n", image);
	put("sys/block/loop3/loop/backing_file", line);
	put_device("cciss!c0d0", "cciss/c0d0", "104:0\n", 16);
	put_device("dm-0", "mapper/vg0-data", "253:0\n", 16);
	put("sys/block/dm-0/dm/name", "vg0-data\n");
	put_device("zram0", "zram0", "252:0\n", 16);
	put_device("sr0", "sr0", "11:0\n", 16);
	put_device("loop4", "loop4", "7:4\n", 0);
	put("sys/block/sdx/size", "a lot\n");
	put("sys/block/sdy/size", "4096000\n");
	put("sys/block/sdy/dev", "nothing\n");
	struct disk_use use = {.path = image, .vm = "web"};
	find_devices(&use, 1);
	cr_expect_eq(n_found, 3, "%u", n_found);
	expect_used("loop3", "its file is a disk of the machine web");
	cr_expect_str_eq(device("loop3")->model, image);
	expect_used("cciss/c0d0", "free");
	/* Whoever may not read the file only claims it. */
	use.owner = 54321;
	chmod(image, 0600);
	find_devices(&use, 1);
	expect_used("loop3", "free");
	use.owner = 0;
	/* However long its name is, and whatever is in it. */
	char *folders = xasprintf("images/%0150d\033[m", 0), *far = xasprintf("%s/web.img", folders), *there = in_folder(far), *end = xasprintf("%s\n", there);
	put(far, "x");
	put("sys/block/loop3/loop/backing_file", end);
	use.path = there;
	find_devices(&use, 1);
	expect_used("loop3", "its file is a disk of the machine web");
	free(end);
	free(there);
	free(far);
	free(folders);
	cr_expect(str_starts(device("vg0-data")->path, folder) && strstr(device("vg0-data")->path, "/mapper/vg0-data"));
	cr_expect_null(block_device_named(found, n_found, "sdx"));
	free(line);
	free(image);
}

Test(devices, without_anything_to_read)
{
	char *sys = in_folder("sys"), *mounts = in_folder("mountinfo");
	struct block_sources s = {.sys = sys, .dev = sys, .mounts = mounts, .swaps = "/nonexistent", .fstab = "/nonexistent"};
	cr_expect_eq(block_devices_find(&s, &found, &n_found, &err), -ENOENT);
	put("sys/block/sda/dev", "8:0\n");
	s.mounts = "/nonexistent";
	cr_expect_eq(block_devices_find(&s, &found, &n_found, &err), -ENOENT, "who knows what is mounted");
	put("sys/block/sda/size", "40960\n");
	find_devices(NULL, 0);
	cr_expect_eq(n_found, 1);
	cr_expect(str_starts(device("sda")->used, "cannot be read"), "%s", device("sda")->used);
	cr_expect_not(device("sda")->is_free);
	free(mounts);
	free(sys);
}

/* ---- what a volume may be ---- */

TestSuite(sources, .init = make_folder, .fini = remove_folder, .timeout = 600);

Test(sources, names)
{
	static const char *const good[] = {"big", "Big-2", "a.b_c", "9", "a234567890123456789012345678901234567890"};
	static const char *const bad[] = {"", ".", "..", "-x", "_x", "a b", "a/b", "a\tb", "a\\b", "a,b", "\303\244", "a2345678901234567890123456789012345678901"};
	for (unsigned k = 0; k < ARRAY_SIZE(good); k++)
		cr_expect_eq(volume_name_check(good[k], &err), 0, "%s", good[k]);
	for (unsigned k = 0; k < ARRAY_SIZE(bad); k++)
		cr_expect_eq(volume_name_check(bad[k], &err), -EINVAL, "%s", bad[k]);
}

Test(sources, servers)
{
	static const char *const good[] = {"nas:/", "nas.example.com:/export/my images", "10.0.0.1:/x", "[fe80::1%eth0]:/x"};
	static const char *const bad[] = {"nas", "nas:", "nas:x", ":/x", "/srv:/x", "-onosuid:/x", "a b:/x", "nas,b:/x", "nas:/x\n/ ext4", "nas:/\033[m", "a;b:/x"};
	for (unsigned k = 0; k < ARRAY_SIZE(good); k++)
		cr_expect(volume_source_is_server(good[k]), "%s", good[k]);
	for (unsigned k = 0; k < ARRAY_SIZE(bad); k++)
		cr_expect_not(volume_source_is_server(bad[k]), "%s", bad[k]);
}

Test(sources, folders)
{
	char real[PATH_MAX], *volumes = in_folder("vmfs/volumes"), *inside = in_folder("vmfs/volumes/local"), *above = in_folder("vmfs");
	char *mine = in_folder("mine"), *link = in_folder("link");
	struct stat st;
	cr_assert(make_dirs(inside, 0755, &err) == 0 && mkdir(mine, 0755) == 0 && symlink(volumes, link) == 0);
	cr_expect_eq(volume_source_folder(inside, volumes, real, &err), -EINVAL);
	cr_expect_eq(volume_source_folder(above, volumes, real, &err), -EINVAL);
	cr_expect_eq(volume_source_folder(link, volumes, real, &err), -EINVAL, "whatever it is called");
	cr_expect_eq(volume_source_folder("/", volumes, real, &err), -EINVAL);
	cr_expect_eq(volume_source_folder("/proc/self", volumes, real, &err), -EINVAL);
	cr_expect_eq(volume_source_folder("srv", volumes, real, &err), -EINVAL);
	cr_expect_eq(volume_source_folder("/nonexistent", volumes, real, &err), -ENOENT);
	if (stat("/usr/share", &st) == 0 && st.st_uid == 0 && !(st.st_mode & 022)) {
		cr_expect_eq(volume_source_folder("/usr/share/.", volumes, real, &err), 0, "%s", err.text);
		cr_expect_str_eq(real, "/usr/share");
	}
	cr_expect_eq(volume_source_folder(mine, volumes, real, &err), -EPERM, "it is in /tmp, which is anybody's");
	chmod(mine, 0777);
	cr_expect_eq(volume_source_folder(mine, volumes, real, &err), -EPERM);
	free(link);
	free(mine);
	free(above);
	free(inside);
	free(volumes);
}

Test(sources, devices_with_a_file_system_of_their_own)
{
	struct volume_source s;
	char *sys = in_folder("sys"), *dev = in_folder("dev"), *one = in_folder("dev/sda"), *two = in_folder("dev/sdb"), *mounts = in_folder("mountinfo");
	struct block_sources sources = {.sys = sys, .dev = dev, .mounts = mounts, .swaps = "/nonexistent", .fstab = "/nonexistent"};
	put_device("sda", "sda", "8:0\n", 16);
	put_device("sdb", "sdb", "8:16\n", 16);
	cr_expect_eq(volume_source_find("sda", "/vmfs/volumes/x", &sources, &s, &err), -EINVAL);
	cr_expect_not_null(strstr(err.text, "storage format"), "%s", err.text);
	make_ext4("sda", "data");
	cr_assert_eq(volume_source_find("sda", "/vmfs/volumes/x", &sources, &s, &err), 0, "%s", err.text);
	cr_expect(str_starts(s.line.source, "UUID=") && strlen(s.line.source) == 41, "%s", s.line.source);
	cr_expect_str_eq(s.line.type, "ext4");
	cr_expect_eq(s.passno, 2);
	cr_expect(strstr(s.line.options, "nofail") && strstr(s.line.options, "nosuid,nodev"));
	volume_source_free(&s);
	/* A copy of it has the same UUID: who knows which of both would be mounted? */
	char *const words[] = {"cp", one, two, NULL};
	struct program p = {.words = words, .seconds = 60};
	cr_assert_eq(program_run(&p, &err), 0, "%s", err.text);
	cr_expect_eq(volume_source_find("sda", "/vmfs/volumes/x", &sources, &s, &err), -EEXIST);
	cr_expect_eq(volume_source_find("sdz", "/vmfs/volumes/x", &sources, &s, &err), -ENOENT);
	free(mounts);
	free(two);
	free(one);
	free(dev);
	free(sys);
}

/* ---- servers that do not answer ---- */

TestSuite(within, .timeout = 600);

struct waiting {
	int pipe[2];
	_Atomic int *told;
	int result;
};

static void wait_for_word(void *arg)
{
	struct waiting *w = arg;
	char byte;
	w->result = (int)read(w->pipe[0], &byte, 1);
}

static void tell_dropped(void *arg)
{
	struct waiting *w = arg;
	atomic_store(w->told, 1);
	free(w);
}

Test(within, nobody_waits_for_ever)
{
	static _Atomic int told;
	struct waiting *w = xcalloc(1, sizeof(*w));
	w->told = &told;
	cr_assert(pipe(w->pipe) == 0 && write(w->pipe[1], "xy", 1) == 1);
	cr_assert(call_within(300 * NSEC_PER_SEC, wait_for_word, tell_dropped, w));
	cr_expect_eq(w->result, 1);
	cr_expect_eq(atomic_load(&told), 0, "it is the caller's");
	int to = w->pipe[1];
	cr_assert_not(call_within(1000000, wait_for_word, tell_dropped, w));
	cr_expect_eq(atomic_load(&told), 0);
	cr_assert_eq(write(to, "x", 1), 1);
	for (unsigned k = 0; k < 6000 && !atomic_load(&told); k++)
		usleep(10000);
	cr_expect_eq(atomic_load(&told), 1, "it is let go when the answer comes at last");
}

/* ---- programs ---- */

TestSuite(programs, .timeout = 600);

static int run(char *first, char *second, char *third, unsigned seconds)
{
	char *const words[] = {first, second, third, NULL};
	struct program p = {.words = words, .seconds = seconds};
	return program_run(&p, &err);
}

Test(programs, say_why_they_fail)
{
	cr_expect_eq(run("true", NULL, NULL, 30), 0);
	cr_expect_eq(run("no-such-program", NULL, NULL, 30), -ENOENT);
	cr_expect_eq(run("false", NULL, NULL, 30), -EIO);
	cr_expect_str_eq(err.text, "false ended with status 1");
	cr_expect_eq(run("sh", "-c", "echo one; echo two >&2; exit 3", 30), -EIO);
	cr_expect_str_eq(err.text, "sh: two");
	cr_expect_eq(run("sh", "-c", "echo '  sh: the cause'; echo a hint; exit 3", 30), -EIO);
	cr_expect_str_eq(err.text, "sh: the cause");
	cr_expect_eq(run("sh", "-c", "seq 100000; exit 3", 30), -EIO);
	cr_expect_str_eq(err.text, "sh: 100000");
	cr_expect_eq(run("sh", "-c", "kill -9 $$", 30), -EIO);
	cr_expect_str_eq(err.text, "sh was ended by signal 9");
	cr_expect(program_there("sh") && !program_there("no-such-program") && !program_there("../bin/no-such-program"));
}

Test(programs, get_no_words_from_a_shell_and_nothing_of_ours)
{
	setenv("SECRET", "told", 1);
	cr_expect_eq(run("sh", "-c", "[ -z \"$SECRET\" ] && [ $LC_ALL = C ] && ! read x", 30), 0, "%s", err.text);
	cr_expect_eq(run("test", "$(touch x);*", NULL, 30), 0, "%s", err.text);
}

static bool at_once(void *arg)
{
	(void)arg;
	return true;
}

Test(programs, are_ended_with_what_they_started)
{
	u64 began = now_monotonic();
	cr_expect_eq(run("sh", "-c", "sleep 600 & sleep 600", 1), -ETIMEDOUT);
	char *const words[] = {"sh", "-c", "sleep 600 & sleep 600", NULL};
	struct program p = {.words = words, .seconds = 600, .give_up = at_once};
	cr_expect_eq(program_run(&p, &err), -ECANCELED);
	cr_expect_lt(now_monotonic() - began, 50 * NSEC_PER_SEC);
}
