/* SPDX-License-Identifier: GPL-2.0-or-later */
/* web.h - the page by which a browser shows a machine: the files of noVNC over HTTPS, and the WebSocket it opens. */
#ifndef VMK_VNC_WEB_H
#define VMK_VNC_WEB_H

#include "vnc/stream.h"

/*
 * Answers requests until one opens a WebSocket: 0, and the stream carries frames from then on. 1 when the browser has left with no more
 * to do; -errno. web_fd: folder of the files, -1 when none are installed. All requests together have `seconds`, and a browser that asks for
 * nothing is sent away sooner: it comes again when it wants more.
 */
int web_serve(struct stream *s, int web_fd, unsigned seconds, struct error *err);

#endif
