/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ear: packet(7), with the kernel's own time of each frame. */
#include "ear.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AGE_MAX_US 5000000 /* beyond it the clock has been set meanwhile */

int xf_ear_open(unsigned ifindex)
{
    const struct sockaddr_ll at = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, rc = 0;

    if (fd < 0)
        return -errno;
    /* Before it is bound: without a protocol it hears nothing. */
    if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) ||
        bind(fd, (const struct sockaddr *)&at, sizeof(at)))
        rc = -errno;
    if (!rc)
        return fd;
    close(fd);
    return rc;
}

static uint64_t age_us(struct msghdr *m)
{
    struct timespec now, then;
    int64_t us = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&then, CMSG_DATA(c), sizeof(then));
        clock_gettime(CLOCK_REALTIME, &now);
        us = (now.tv_sec - then.tv_sec) * INT64_C(1000000) + (now.tv_nsec - then.tv_nsec) / 1000;
    }
    return us < 0 || us > AGE_MAX_US ? 0 : (uint64_t)us;
}

int xf_ear_take(int fd, const struct xf_frame *frames, unsigned n, uint64_t *age)
{
    uint8_t bytes[XF_FRAME_BYTES + 1]; /* one more: what is longer is none of ours */
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};

    for (;;) {
        struct msghdr m = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof(control)};
        ssize_t len = recvmsg(fd, &m, 0);

        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        /* An interface that is down says so once, and is heard when it is up. */
        if (len < 0 && errno == ENETDOWN)
            continue;
        if (len < 0)
            return -errno;
        if (xf_frames_are(frames, n, bytes, (size_t)len))
            continue;
        *age = age_us(&m);
        return 1;
    }
}
