/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trial: sends a long frame by a packet socket of its own, to learn whether the interface takes
 * it.
 */
#include "trial.h"

#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

/* As net_af_packet's own: past the queueing discipline, so that the interface's word is heard, and
   past the sockets that look at what is sent, which that one is. It receives nothing. */
static int open_socket(const char *kernel_if)
{
    const struct sockaddr_ll to = {
        .sll_family = AF_PACKET,
        .sll_ifindex = (int)if_nametoindex(kernel_if),
    };
    const int yes = 1;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 &&
        (!to.sll_ifindex || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)) ||
         bind(fd, (const struct sockaddr *)&to, sizeof(to)))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

bool xf_trial_send(struct xf_trial *t, const char *kernel_if, const void *frame, uint32_t bytes)
{
    if (!t->opened) {
        t->fd = open_socket(kernel_if);
        t->opened = true;
    }
    if (t->fd < 0) {
        t->taken_bytes = UINT32_MAX; /* nothing can be tried */
        return false;
    }
    if (send(t->fd, frame, bytes, 0) < 0)
        return false;
    t->taken_bytes = bytes;
    return true;
}

void xf_trial_close(struct xf_trial *t)
{
    if (t->opened && t->fd >= 0)
        close(t->fd);
    *t = (struct xf_trial){0};
}
