/* SPDX-License-Identifier: GPL-2.0-or-later */
/* block_devices.c - see block_devices.h */
#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "computer/mount_table.h"
#include "lib/util.h"
#include "vmkernel/block_devices.h"
#include "vmkernel/text.h"
#include "vmkernel/volumes.h"

#define MAX_DEVICES 1024
#define SMALLEST (1 * MIB) /* an extended partition's own entry is of a few sectors */
#define SYSFS_MAX_BYTES 4096

const struct block_sources block_sources_host = {
	.sys = "/sys",
	.dev = "/dev",
	.mounts = "/proc/self/mountinfo",
	.more_mounts = "/proc/1/mountinfo",
	.swaps = "/proc/swaps",
	.fstab = "/etc/fstab",
};

struct finder {
	const struct block_sources *s;
	struct mount_table *mounts, *more_mounts, *fstab;
	char *swaps;
	struct stat *used; /* of sources' uses; st_ino 0: it is not there, or is nobody's concern */
	struct block_device *list;
	unsigned n;
};

/* ---- /sys/block ---- */

/* All of a file of sysfs as it is; NULL when it is not there. Caller frees. */
static char *sysfs_text(const char *folder, const char *name)
{
	char *path = xasprintf("%s/%s", folder, name), *all = NULL;
	if (read_file(path, SYSFS_MAX_BYTES, &all, NULL, NULL))
		all = NULL;
	free(path);
	return all;
}

/* Its first line to be shown, without blanks around it; false when it is not there. */
static bool sysfs_read(const char *folder, const char *name, char *text, size_t size)
{
	char *all = sysfs_text(folder, name);
	*text = 0;
	if (all) {
		const char *from = all + strspn(all, " \t\n");
		str_copy(text, size, from);
		text[strcspn(text, "\n")] = 0;
		for (size_t len = strlen(text); len && text[len - 1] == ' ';)
			text[--len] = 0;
		utf8_clean(text);
		str_tame(text, false);
	}
	free(all);
	return all != NULL;
}

static u64 sysfs_number(const char *folder, const char *name)
{
	char text[32];
	u64 number = 0;
	sysfs_read(folder, name, text, sizeof(text));
	return parse_u64(text, 0, ~0ull >> 9, &number) ? number : 0;
}

static bool sysfs_device(const char *folder, dev_t *device)
{
	char text[32];
	unsigned major_number, minor_number;
	sysfs_read(folder, "dev", text, sizeof(text));
	if (sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
		return false;
	*device = makedev(major_number, minor_number);
	return true;
}

/* Never a volume: RAM, floppies, CD drives, paths of a device that has another name. */
static bool no_disk(const char *name, const char *folder)
{
	static const char *const kinds[] = {"ram", "zram", "fd", "sr", "mtdblock"};
	char hidden[8];
	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		size_t len = strlen(kinds[k]);
		if (strncmp(name, kinds[k], len) == 0 && name[len] >= '0' && name[len] <= '9')
			return true;
	}
	return sysfs_read(folder, "hidden", hidden, sizeof(hidden)) && strcmp(hidden, "1") == 0;
}

static void set_used(struct block_device *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void set_used(struct block_device *d, const char *fmt, ...)
{
	va_list args;
	if (!d->is_free)
		return;
	va_start(args, fmt);
	vsnprintf(d->used, sizeof(d->used), fmt, args);
	va_end(args);
	utf8_clean(d->used);
	str_tame(d->used, false);
	d->is_free = false;
}

/* ---- what is on it ---- */

/* As it may be shown. */
static void copy_tamed(char *text, size_t size, const char *value)
{
	str_copy(text, size, value);
	utf8_clean(text);
	str_tame(text, false);
}

static void probe_text(blkid_probe probe, const char *name, char *text, size_t size)
{
	const char *value = NULL;
	if (blkid_probe_lookup_value(probe, name, &value, NULL) == 0 && value)
		copy_tamed(text, size, value);
}

const char *block_device_kept_for(const char *scheme, const char *type)
{
	static const struct {
		const char *type, *what;
	} kinds[] = {
		/* gpt */
		{"21686148-6449-6e6f-744e-656564454649", "the boot loader (BIOS)"},
		{"9e1a2d38-c612-4316-aa26-8b49521e5a8b", "the boot loader (PReP)"},
		{"c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "the boot loader (EFI)"},
		{"bc13c2ff-59e6-4262-a352-b275fd6f7172", "the boot loader"},
		{"0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "swap space"},
		{"e6d6d379-f507-44c2-a23c-238f2a3df928", "a volume group (LVM)"},
		{"a19d880f-05fc-4d3b-a006-743f0f84911e", "a RAID"},
		{"ca7d7ccb-63ed-4c53-861c-1742536059cc", "what is encrypted (LUKS)"},
		{"7ffec5c9-2d00-49b7-8941-3ea10a5586b7", "what is encrypted (dm-crypt)"},
		{"8da63339-0007-60c0-c436-083ac8230908", "the system"},
		{"6a898cc3-1dd2-11b2-99a6-080020736631", "ZFS"},
		{"4fbd7e29-9d25-41b8-afd0-062c0ceff05d", "Ceph"},
		{"e3c9e316-0b5c-4db8-817d-f92df00215ae", "Windows"},
		{"de94bba4-06d1-4d40-a16a-bfd50179d6ac", "Windows (recovery)"},
		{"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", "Windows (dynamic disks)"},
		{"af9b60a0-1431-4f62-bc68-3311714a69ad", "Windows (dynamic disks)"},
		{"e75caf8f-f680-4cee-afa3-b001e56efc2d", "Windows (storage spaces)"},
		/* dos */
		{"0x5", "further partitions"},
		{"0xf", "further partitions"},
		{"0x85", "further partitions"},
		{"0x12", "the maker's programs"},
		{"0x27", "Windows (recovery)"},
		{"0x41", "the boot loader (PReP)"},
		{"0x42", "Windows (dynamic disks)"},
		{"0x82", "swap space"},
		{"0x8e", "a volume group (LVM)"},
		{"0xe8", "what is encrypted (LUKS)"},
		{"0xee", "a partition table (GPT)"},
		{"0xef", "the boot loader (EFI)"},
		{"0xfd", "a RAID"},
	};
	if (strcmp(scheme, "gpt") != 0 && strcmp(scheme, "dos") != 0)
		return NULL;
	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++)
		if (strcasecmp(type, kinds[k].type) == 0)
			return kinds[k].what;
	return NULL;
}

/* It may be in use though nothing on it tells so: a boot loader has no signature, and swap space none before its first use. */
static void probe_entry(struct block_device *d, blkid_probe probe)
{
	char scheme[16] = "", type[40] = "";
	probe_text(probe, "PART_ENTRY_UUID", d->partuuid, sizeof(d->partuuid));
	probe_text(probe, "PART_ENTRY_NAME", d->partlabel, sizeof(d->partlabel));
	probe_text(probe, "PART_ENTRY_SCHEME", scheme, sizeof(scheme));
	probe_text(probe, "PART_ENTRY_TYPE", type, sizeof(type));
	const char *what = block_device_kept_for(scheme, type);
	if (what)
		set_used(d, "its partition table keeps it for %s", what);
}

static void probe_table(struct block_device *d, blkid_probe probe)
{
	blkid_partlist parts;
	probe_text(probe, "PTTYPE", d->table, sizeof(d->table));
	parts = *d->table ? blkid_probe_get_partitions(probe) : NULL;
	if (parts && blkid_partlist_numof_partitions(parts) > 0)
		set_used(d, "has partitions (%s)", d->table);
}

static void look_at_type(struct block_device *d)
{
	size_t len = strlen(d->type);
	if (strcmp(d->type, "swap") == 0)
		set_used(d, "swap space");
	else if (strcmp(d->type, "LVM2_member") == 0)
		set_used(d, "member of a volume group (LVM)");
	else if (len > 12 && strcmp(d->type + len - 12, "_raid_member") == 0)
		set_used(d, "member of a RAID");
	else if (strcmp(d->type, "crypto_LUKS") == 0)
		set_used(d, "encrypted (LUKS)");
	else if (*d->type && !d->file_system)
		set_used(d, "member of something else (%s)", d->type);
}

static void probe_content(struct block_device *d, blkid_probe probe)
{
	char usage[32] = "";
	int found = blkid_do_safeprobe(probe);
	if (found == -2)
		set_used(d, "several things are on it at once: wipefs(8) shows them");
	else if (found < 0)
		set_used(d, "cannot be read");
	if (found < 0)
		return;
	probe_text(probe, "TYPE", d->type, sizeof(d->type));
	probe_text(probe, "LABEL", d->label, sizeof(d->label));
	probe_text(probe, "UUID", d->uuid, sizeof(d->uuid));
	probe_text(probe, "USAGE", usage, sizeof(usage));
	size_t len = strlen(d->type), member = strlen("_member");
	d->file_system = strcmp(usage, "filesystem") == 0 && (len < member || strcmp(d->type + len - member, "_member") != 0);
	probe_table(d, probe);
	look_at_type(d);
	probe_entry(d, probe);
}

static void probe(struct block_device *d)
{
	int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		set_used(d, "cannot be read: %s", strerror(errno));
		return;
	}
	blkid_probe p = blkid_new_probe();
	if (!p || blkid_probe_set_device(p, fd, 0, 0)) {
		set_used(d, "cannot be read");
	} else {
		blkid_probe_enable_superblocks(p, 1);
		blkid_probe_set_superblocks_flags(p, BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID | BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
		blkid_probe_enable_partitions(p, 1);
		blkid_probe_set_partitions_flags(p, BLKID_PARTS_ENTRY_DETAILS);
		probe_content(d, p);
	}
	blkid_free_probe(p);
	close(fd);
}

/* ---- who uses it ---- */

/* By its path, or another name in /dev: a path elsewhere may be one of a server that does not answer. */
static bool names_device(const struct block_device *d, const char *path)
{
	struct stat st;
	return strcmp(path, d->path) == 0 ||
	       (str_starts(path, "/dev/") && stat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == d->device);
}

static void look_at_mounts(struct block_device *d, const struct mount_table *t)
{
	for (unsigned k = 0; t && k < t->n; k++)
		/* A btrfs has a device number of its own. */
		if (t->lines[k].device == d->device || names_device(d, t->lines[k].source))
			set_used(d, "mounted at %s", t->lines[k].target);
}

static void look_at_swaps(struct block_device *d, const char *swaps)
{
	char *copy = xstrdup(swaps), *saved = NULL;
	for (char *line = strtok_r(copy, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved)) {
		line[strcspn(line, " \t")] = 0;
		if (names_device(d, line))
			set_used(d, "swap space in use");
	}
	free(copy);
}

/* What the kernel has built upon it: LVM, RAID, an opened encryption. */
static void look_at_holders(struct block_device *d, const char *folder)
{
	char *path = xasprintf("%s/holders", folder);
	DIR *dir = opendir(path);
	struct dirent *e;
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			set_used(d, "part of %.100s", e->d_name);
	if (dir)
		closedir(dir);
	free(path);
}

/* The file behind a loop device: the kernel knows which, whatever its name has become since. */
static bool file_behind(const struct block_device *d, const char *folder, dev_t *device, ino_t *inode)
{
	struct loop_info64 info = {0};
	struct stat st;
	char *path = sysfs_text(folder, "loop/backing_file");
	if (!path)
		return false;
	int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool told = fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0;
	if (fd >= 0)
		close(fd);
	*device = (dev_t)info.lo_device;
	*inode = (ino_t)info.lo_inode;
	path[strcspn(path, "\n")] = 0;
	if (!told && stat(path, &st) == 0) {
		told = true;
		*device = st.st_dev;
		*inode = st.st_ino;
	}
	free(path);
	return told;
}

/* Not where it is known that nobody would answer. */
static struct stat *look_at_uses(const struct block_sources *s)
{
	struct stat *all = xcalloc(s->n_uses + 1, sizeof(*all));
	char volume[256];
	for (size_t k = 0; k < s->n_uses; k++)
		if (volumes_silent(s->uses[k].path, volume) || stat(s->uses[k].path, &all[k]) || !disk_use_counts(&s->uses[k], &all[k]))
			all[k].st_ino = 0;
	return all;
}

static void look_at_machines(struct finder *f, struct block_device *d, const char *folder)
{
	dev_t device;
	ino_t inode;
	bool loop = file_behind(d, folder, &device, &inode);
	for (size_t k = 0; k < f->s->n_uses; k++) {
		const struct disk_use *u = &f->s->uses[k];
		const struct stat *st = &f->used[k];
		const char *machine = u->vm ? u->vm : "somebody's";
		if (!st->st_ino)
			continue;
		if (S_ISBLK(st->st_mode) && st->st_rdev == d->device)
			set_used(d, "disk of the machine %s", machine);
		else if (loop && st->st_dev == device && st->st_ino == inode)
			set_used(d, "its file is a disk of the machine %s", machine);
	}
}

/* "LABEL=data": its length with the "=", 0: it is a path, a server's folder or such. */
static size_t tag_length(const char *source)
{
	size_t len = strspn(source, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
	return len && source[len] == '=' ? len + 1 : 0;
}

/* As `value` was made of what the disk holds. */
static bool same_value(const char *text, const char *value)
{
	char plain[sizeof(((struct block_device *)0)->label)];
	copy_tamed(plain, sizeof(plain), text + (*text == '"'));
	char *last = *text == '"' ? strrchr(plain, '"') : NULL;
	if (last)
		*last = 0;
	return *value && strcasecmp(plain, value) == 0;
}

/* Whether a line of fstab means it: by tag or path. */
static bool fstab_means(const struct block_device *d, const char *source)
{
	const struct {
		const char *tag, *value;
	} tags[] = {{"UUID=", d->uuid}, {"LABEL=", d->label}, {"PARTUUID=", d->partuuid}, {"PARTLABEL=", d->partlabel}};
	size_t len = tag_length(source);
	for (unsigned k = 0; len && k < ARRAY_SIZE(tags); k++)
		if (str_starts(source, tags[k].tag))
			return same_value(source + len, tags[k].value);
	return !len && names_device(d, source);
}

static bool known_tag(const char *source)
{
	return str_starts(source, "UUID=") || str_starts(source, "LABEL=") || str_starts(source, "PARTUUID=") || str_starts(source, "PARTLABEL=");
}

static void look_at_fstab(struct block_device *d, const struct mount_table *fstab)
{
	for (unsigned k = 0; fstab && k < fstab->n; k++) {
		const struct mount_line *l = &fstab->lines[k];
		if (fstab_means(d, l->source))
			set_used(d, "in fstab for %s", l->target);
		else if (tag_length(l->source) && !known_tag(l->source))
			set_used(d, "perhaps in fstab for %s: %.100s may be any disk", l->target, l->source);
	}
}

/* ---- all of them ---- */

/* "cciss!c0d0" is cciss/c0d0 in /dev; of the device mapper's the administrator knows another name. */
static void name_device(struct finder *f, struct block_device *d, const char *kernel_name, const char *folder)
{
	char mapper[64];
	str_copy(d->name, sizeof(d->name), kernel_name);
	for (char *c = d->name; *c; c++)
		if (*c == '!')
			*c = '/';
	snprintf(d->path, sizeof(d->path), "%.40s/%s", f->s->dev, d->name);
	if (!sysfs_read(folder, "dm/name", mapper, sizeof(mapper)) || !*mapper)
		return;
	char *path = xasprintf("%.40s/mapper/%s", f->s->dev, mapper);
	if (access(path, F_OK) == 0 && strlen(path) < sizeof(d->path)) {
		str_copy(d->path, sizeof(d->path), path);
		str_copy(d->name, sizeof(d->name), mapper);
	}
	free(path);
}

static void model_of(struct block_device *d, const char *folder, const struct block_device *disk)
{
	char vendor[40];
	if (disk) {
		str_copy(d->model, sizeof(d->model), disk->model);
		return;
	}
	if (sysfs_read(folder, "loop/backing_file", d->model, sizeof(d->model)))
		return;
	sysfs_read(folder, "device/vendor", vendor, sizeof(vendor));
	sysfs_read(folder, "device/model", d->model, sizeof(d->model));
	/* A bus's number for the maker tells nobody anything. */
	if (*d->model && *vendor && !str_starts(vendor, "0x")) {
		char *both = xasprintf("%s %s", vendor, d->model);
		str_copy(d->model, sizeof(d->model), both);
		free(both);
	}
}

static struct block_device *add_device(struct finder *f, const char *kernel_name, const char *folder, const struct block_device *disk)
{
	struct block_device d = {.is_free = true, .used = "free"};
	d.bytes = sysfs_number(folder, "size") * 512;
	if (f->n == MAX_DEVICES || d.bytes < SMALLEST || !sysfs_device(folder, &d.device))
		return NULL;
	name_device(f, &d, kernel_name, folder);
	model_of(&d, folder, disk);
	f->list[f->n] = d;
	return &f->list[f->n++];
}

static void look_at_users(struct finder *f, struct block_device *d, const char *folder)
{
	look_at_mounts(d, f->mounts);
	look_at_mounts(d, f->more_mounts);
	look_at_swaps(d, f->swaps);
	look_at_holders(d, folder);
	look_at_machines(f, d, folder);
}

static void look_at_content(struct finder *f, struct block_device *d, const char *folder)
{
	probe(d);
	look_at_fstab(d, f->fstab);
	if (sysfs_number(folder, "ro"))
		set_used(d, "can only be read");
}

static int by_version(const struct dirent **a, const struct dirent **b)
{
	return strverscmp((*a)->d_name, (*b)->d_name);
}

static int not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* Its partitions are the folders that say which they are. */
static bool find_partitions(struct finder *f, const char *folder, const struct block_device *disk)
{
	struct dirent **names;
	bool any = false;
	int n = scandir(folder, &names, not_hidden, by_version);
	for (int k = 0; k < n; k++) {
		char *part = xasprintf("%s/%s", folder, names[k]->d_name), number[16];
		if (sysfs_read(part, "partition", number, sizeof(number))) {
			struct block_device *d = add_device(f, names[k]->d_name, part, disk);
			any = true;
			if (d) {
				look_at_users(f, d, part);
				/* Who uses all of it, uses each part. */
				if (!disk->is_free)
					set_used(d, "%s: %s", disk->name, disk->used);
				look_at_content(f, d, part);
			}
		}
		free(part);
		free(names[k]);
	}
	if (n >= 0)
		free(names);
	return any;
}

static void find_disk(struct finder *f, const char *kernel_name)
{
	char *folder = xasprintf("%s/block/%s", f->s->sys, kernel_name);
	struct block_device *disk = no_disk(kernel_name, folder) ? NULL : add_device(f, kernel_name, folder, NULL);
	if (disk) {
		look_at_users(f, disk, folder);
		bool parts = find_partitions(f, folder, disk);
		look_at_content(f, disk, folder);
		if (parts && disk->is_free)
			set_used(disk, "has partitions");
	}
	free(folder);
}

/* The table of mounts names one disk of a btrfs only. */
static void look_at_others_of_btrfs(struct block_device *d, const struct finder *f)
{
	for (unsigned k = 0; k < f->n; k++) {
		const struct block_device *other = &f->list[k];
		if (other != d && strcmp(d->type, "btrfs") == 0 && strcmp(other->type, "btrfs") == 0 && *d->uuid && strcmp(d->uuid, other->uuid) == 0 &&
		    !other->is_free)
			set_used(d, "part of a btrfs of several disks, as is %s", other->name);
	}
}

static int read_sources(struct finder *f, struct error *err)
{
	const struct block_sources *s = f->s;
	int ret = mount_table_read(s->mounts, true, &f->mounts, err);
	if (ret)
		return ret;
	/* Without it O_EXCL still tells whether a device is in use. */
	if (s->more_mounts && mount_table_read(s->more_mounts, true, &f->more_mounts, NULL))
		f->more_mounts = NULL;
	if (mount_table_read(s->fstab, false, &f->fstab, NULL))
		f->fstab = NULL;
	if (read_file(s->swaps, 64 * KIB, &f->swaps, NULL, NULL))
		f->swaps = xstrdup("");
	return 0;
}

int block_devices_find(const struct block_sources *s, struct block_device **list, unsigned *n, struct error *err)
{
	struct finder f = {.s = s, .list = xcalloc(MAX_DEVICES, sizeof(*f.list))};
	struct dirent **names;
	char *folder = xasprintf("%s/block", s->sys);
	int ret = read_sources(&f, err), found = ret ? -1 : scandir(folder, &names, not_hidden, by_version);
	if (!ret && found < 0)
		ret = fail(err, -errno, "cannot read %s: %m", folder);
	f.used = ret ? NULL : look_at_uses(s);
	for (int k = 0; k < found; k++) {
		find_disk(&f, names[k]->d_name);
		free(names[k]);
	}
	if (found >= 0)
		free(names);
	for (unsigned k = 0; k < f.n; k++)
		look_at_others_of_btrfs(&f.list[k], &f);
	mount_table_free(f.mounts);
	mount_table_free(f.more_mounts);
	mount_table_free(f.fstab);
	free(f.swaps);
	free(f.used);
	free(folder);
	if (ret)
		free(f.list);
	*list = ret ? NULL : f.list;
	*n = ret ? 0 : f.n;
	return ret;
}

const struct block_device *block_device_named(const struct block_device *list, unsigned n, const char *name)
{
	for (unsigned k = 0; k < n; k++)
		if (strcmp(list[k].name, name) == 0 || names_device(&list[k], name))
			return &list[k];
	return NULL;
}

const char *block_device_content(const struct block_device *d)
{
	return *d->label ? d->label : *d->type ? d->type : d->table;
}

json_t *block_device_row(const struct block_device *d)
{
	char size[32];
	size_text(d->bytes, size, sizeof(size));
	json_t *row = json_pack("{s:o, s:o, s:s, s:I, s:I}", "name", text_json(d->name), "path", text_json(d->path), "size", size, "size_mb",
				(json_int_t)(d->bytes / MIB), "size_bytes", (json_int_t)d->bytes);
	json_object_set_new(row, "model", text_json(d->model));
	json_object_set_new(row, "type", text_json(*d->type ? d->type : d->table));
	json_object_set_new(row, "label", text_json(d->label));
	json_object_set_new(row, "uuid", text_json(d->uuid));
	json_object_set_new(row, "used", text_json(d->used));
	json_object_set_new(row, "free", json_boolean(d->is_free));
	json_object_set_new(row, "file_system", json_boolean(d->file_system));
	json_object_set_new(row, "content", text_json(block_device_content(d)));
	return row;
}
