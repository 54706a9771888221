/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rights.c - who may do what with a machine: the mode bits of its .vmx file, as the kernel would read them. */
#include <errno.h>
#include <unistd.h>

#include "vmkernel/host.h"

static bool is_admin_uid(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

bool caller_is_admin(const struct caller *c)
{
	return !c->restricted && is_admin_uid(c->uid);
}

bool caller_sees_all(const struct caller *c)
{
	return is_admin_uid(c->uid);
}

static bool in_group(const struct caller *c, gid_t gid)
{
	if (c->gid == gid)
		return true;
	for (unsigned k = 0; k < c->n_groups; k++)
		if (c->groups[k] == gid)
			return true;
	return false;
}

unsigned rights_of_mode(const struct caller *c, uid_t uid, gid_t gid, mode_t mode)
{
	unsigned most = c->restricted ? RIGHT_R : RIGHT_R | RIGHT_W | RIGHT_X;
	if (caller_sees_all(c))
		return most;
	/* As for any file: only the first class that matches counts, even if a later one would allow more. */
	if (c->uid == uid)
		return mode >> 6 & most;
	return (in_group(c, gid) ? mode >> 3 : mode) & most;
}

unsigned vm_rights(const struct caller *c, struct vm *vm)
{
	vm_refresh(vm);
	/*
	 * Of a file that is not there nobody has rights. But that a machine of his is on a volume that is not mounted, and its name, is
	 * no secret from whom it last belonged to: what he could see then, and nothing that the file would have to allow.
	 */
	if (!vm->readable && !caller_sees_all(c))
		return vm->away && vm->owner_known && c->uid == vm->file.uid ? RIGHT_R : 0;
	return rights_of_mode(c, vm->file.uid, vm->file.gid, vm->file.mode);
}

int vm_permit(const struct caller *c, struct vm *vm, enum api_role role, struct error *err)
{
	static const struct {
		unsigned need;
		const char *verb, *bits;
	} roles[] = {
		[ROLE_ANYONE] = {0, "", ""},
		[ROLE_VIEW] = {RIGHT_R, "see", "r"},
		[ROLE_OPERATE] = {RIGHT_R | RIGHT_X, "operate", "r and x"},
		[ROLE_CONFIGURE] = {RIGHT_R | RIGHT_W, "configure", "r and w"},
		[ROLE_REGISTER] = {RIGHT_R | RIGHT_W | RIGHT_X, "register, unregister or delete", "r, w and x"},
		[ROLE_ADMIN] = {RIGHT_R | RIGHT_W | RIGHT_X, "", ""},
	};
	unsigned have = vm_rights(c, vm);
	/* What one may not see does not exist. */
	if (!(have & RIGHT_R))
		return fail(err, -ENOENT, "no virtual machine named %s", vm->name);
	if (role == ROLE_ADMIN && !caller_is_admin(c))
		return fail(err, -EPERM, "only the administrator may do this");
	if ((have & roles[role].need) != roles[role].need && !vm->readable)
		return fail(err, -EPERM, "you cannot %s %s now: %s", roles[role].verb, vm->name, vm->problem);
	if ((have & roles[role].need) != roles[role].need)
		return fail(err, -EPERM, "you may not %s %s: that needs %s in the mode of its .vmx file", roles[role].verb,
			    vm->name, roles[role].bits);
	return 0;
}
