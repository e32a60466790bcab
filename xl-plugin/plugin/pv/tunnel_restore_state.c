/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of a PV guest's restore: the first reason of a failure ends it for all of its threads.
 */
#include "tunnel_restore_state.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "xl-plugin/plugin/say.h"

int xf_tunnel_restore_fail(struct xf_pv_restore *r, int rc, const char *format, ...)
{
    va_list args;

    pthread_mutex_lock(&r->lock);
    if (!r->error[0]) {
        va_start(args, format);
        vsnprintf(r->error, sizeof(r->error), format, args);
        va_end(args);
        r->failed = rc;
        xf_say("target: %s", r->error);
    }
    struct xf_tunnel_sink *tunnel = r->tunnel;
    pthread_mutex_unlock(&r->lock);
    if (r->pair[0] >= 0)
        shutdown(r->pair[0], SHUT_RDWR);
    if (tunnel)
        xf_tunnel_sink_fail(tunnel);
    return rc;
}

int xf_tunnel_restore_stream_failed(struct xf_pv_restore *r, int rc)
{
    struct pollfd stock = {.fd = r->pair[0], .events = POLLRDHUP};

    if (rc == -EPIPE && (r->pair[0] < 0 || poll(&stock, 1, 0) <= 0))
        return xf_tunnel_restore_fail(r, rc, "the source has given up");
    if (rc == -ECANCELED || rc == -EPIPE)
        return xf_tunnel_restore_fail(r, rc, "Xen's own restore has given up");
    return xf_tunnel_restore_fail(r, rc, "reading from the source's xl: %s", strerror(-rc));
}
