/* SPDX-License-Identifier: GPL-2.0-or-later */
/* methods.h - one handler for each row of api.def; a row without its handler does not link. */
#ifndef VMK_VMKERNEL_METHODS_H
#define VMK_VMKERNEL_METHODS_H

#include "vmkernel/host.h"

#define METHOD(id_, name_, words_, role_, args_, columns_, help_) handler_fn handle_##id_;
#include "api/api.def"
#undef METHOD

#endif
