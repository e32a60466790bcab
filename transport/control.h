/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Control: a socket in the file system by which a move is steered while it runs (xl-fast set). Who
 * moves the guest opens it, and looks at it between two steps; each order has one answer. Whoever
 * may write to the socket's folder may steer.
 *
 *     xl-fast set                     the source
 *        | -- order: struct xf_steer --> |  xf_control_take(), xf_source_steer()
 *        | <-- 0 or -errno ------------- |  xf_control_answer()
 *
 * Threads: one an xf_control. Nothing here waits but xf_control_ask().
 */
#ifndef XF_TRANSPORT_CONTROL_H
#define XF_TRANSPORT_CONTROL_H

#include <sys/socket.h>
#include <sys/un.h>

#include "steer.h"

struct xf_control {
    int fd; /* -1: not open */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct sockaddr_un from; /* who has sent the newest order */
    socklen_t from_len;
};

/* Not open, so that the others may be called. */
void xf_control_init(struct xf_control *c);

/* A socket that is there already is taken for a dead one's. 0 or -errno. */
int xf_control_open(struct xf_control *c, const char *path);

/* An order, if there is one, which is then to be answered. One that makes no sense is answered and
   not taken. */
bool xf_control_take(struct xf_control *c, struct xf_steer *to);
void xf_control_answer(struct xf_control *c, int rc);

void xf_control_close(struct xf_control *c);

/*
 * Sends an order there, and waits for its answer: what xf_control_answer() was given. -ETIMEDOUT:
 * there is none so far; -ECONNREFUSED or -ENOENT: nobody listens; -EPROTO: it is not understood.
 */
int xf_control_ask(const char *path, const struct xf_steer *steer, int timeout_ms);

#endif
