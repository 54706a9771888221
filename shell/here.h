/* SPDX-License-Identifier: GPL-2.0-or-later */
/* here.h - whether a host's name means the computer we run on */
#ifndef VMK_SHELL_HERE_H
#define VMK_SHELL_HERE_H

#include "lib/types.h"

/* Our own name, or a name or number whose address one of our interfaces has. May ask the name server. */
bool here_is(const char *host);

#endif
