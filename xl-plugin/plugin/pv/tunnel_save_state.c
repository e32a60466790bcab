/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of a PV guest's save: the first reason of a failure ends it for all of its threads; and
   what is written to io_fd. */
#include "tunnel_save_state.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "xl-plugin/plugin/fault_points.h"
#include "xl-plugin/plugin/say.h"

/* After POLLOUT a pipe takes so much without blocking. */
#define PIPE_PIECE 4096u

int xf_tunnel_save_fail(struct xf_pv_save *s, int rc, const char *format, ...)
{
    va_list args;

    pthread_mutex_lock(&s->lock);
    if (!s->error[0]) {
        va_start(args, format);
        vsnprintf(s->error, sizeof(s->error), format, args);
        va_end(args);
        s->failed = rc;
        xf_say("source: %s", s->error);
    }
    if (s->shut_fd >= 0)
        shutdown(s->shut_fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
    xf_tunnel_source_fail(s->tunnel);
    return rc;
}

bool xf_tunnel_save_cancelled(const struct xf_pv_save *s)
{
    struct stat now;

    return fstat(s->p->io_fd, &now) || now.st_dev != s->io_stat.st_dev ||
           now.st_ino != s->io_stat.st_ino;
}

int xf_tunnel_save_stock_failed(struct xf_pv_save *s)
{
    char ended[XF_ENDED_BYTES];

    if (s->p->ended && s->p->ended(s->p->arg, ended)) {
        s->ended = true;
        return xf_tunnel_save_fail(s, -ESRCH, "%s", ended);
    }
    if (xf_tunnel_save_cancelled(s))
        return xf_tunnel_save_fail(s, -ECANCELED, "cancelled by the toolstack");
    return xf_tunnel_save_fail(s, -EIO, "Xen's own save has failed");
}

int xf_tunnel_save_write(struct xf_pv_save *s, const void *buf, size_t len)
{
    const uint8_t *from = buf;

    while (len) {
        struct pollfd out = {.fd = s->real, .events = POLLOUT};
        size_t piece = len < PIPE_PIECE ? len : PIPE_PIECE;

        if (xf_tunnel_source_failed(s->tunnel))
            return -ECANCELED;
        if (poll(&out, 1, XF_TUNNEL_LOOK_MS) <= 0)
            continue;
        int rc = xf_stream_write(s->real, from, piece);
        if (rc)
            return xf_tunnel_save_fail(s, rc, "cannot write to the target's xl: %s", strerror(-rc));
        from += piece;
        len -= piece;
    }
    return 0;
}

int xf_tunnel_save_write_record(struct xf_pv_save *s, uint32_t type, const void *body,
                                uint32_t length)
{
    uint32_t header[2] = {htole32(type), htole32(length)};
    int rc = XF_FAULT(tunnel_save_record_write) ?: xf_tunnel_save_write(s, header, sizeof(header));

    return rc ? rc : xf_tunnel_save_write(s, body, length);
}
