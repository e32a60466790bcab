/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Control: datagrams of fixed size. Both ends are of this host, and may be of two versions. */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ORDER_MAGIC UINT64_C(0x31726565747366) /* "fsteer1" */

struct order {
    uint64_t magic;
    uint32_t what, throttle;
    uint64_t max_downtime_us, bandwidth_bytes_per_s;
};

struct answer {
    uint64_t magic;
    int64_t rc;
};

static int set_path(struct sockaddr_un *to, const char *path)
{
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!path[0]) /* which would be an abstract one */
        return -ENOENT;
    if (strlen(path) >= sizeof(to->sun_path))
        return -ENAMETOOLONG;
    strcpy(to->sun_path, path);
    return 0;
}

void xf_control_init(struct xf_control *c)
{
    *c = (struct xf_control){.fd = -1};
}

/* Nothing but a socket is removed. */
static void remove_socket(const char *path)
{
    struct stat st;

    if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
        unlink(path);
}

int xf_control_open(struct xf_control *c, const char *path)
{
    struct sockaddr_un at;
    int rc = set_path(&at, path);

    xf_control_init(c);
    if (rc)
        return rc;
    c->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return -errno;
    remove_socket(path);
    if (fchmod(c->fd, 0600) || bind(c->fd, (struct sockaddr *)&at, sizeof(at))) {
        rc = -errno;
        close(c->fd);
        c->fd = -1;
        return rc;
    }
    strcpy(c->path, path);
    return 0;
}

static bool is_order(const struct order *o)
{
    return o->magic == ORDER_MAGIC && o->what && !(o->what & ~(uint32_t)XF_STEER_ALL) &&
           o->throttle <= 1 &&
           (!(o->what & XF_STEER_MAX_DOWNTIME) ||
            (o->max_downtime_us && o->max_downtime_us <= XF_STEER_MAX_DOWNTIME_US));
}

bool xf_control_take(struct xf_control *c, struct xf_steer *to)
{
    struct order o;
    ssize_t n;

    if (c->fd < 0)
        return false;
    c->from_len = sizeof(c->from);
    n = recvfrom(c->fd, &o, sizeof(o), MSG_TRUNC, (struct sockaddr *)&c->from, &c->from_len);
    if (n < 0)
        return false;
    if (n != (ssize_t)sizeof(o) || !is_order(&o)) {
        xf_control_answer(c, -EPROTO);
        return false;
    }
    *to = (struct xf_steer){.what = o.what,
                            .throttle = o.throttle,
                            .max_downtime_us = o.max_downtime_us,
                            .bandwidth_bytes_per_s = o.bandwidth_bytes_per_s};
    return true;
}

void xf_control_answer(struct xf_control *c, int rc)
{
    const struct answer a = {.magic = ORDER_MAGIC, .rc = rc};

    if (c->from_len > offsetof(struct sockaddr_un, sun_path) &&
        sendto(c->fd, &a, sizeof(a), MSG_NOSIGNAL, (struct sockaddr *)&c->from, c->from_len) < 0) {
        /* Who asked has gone, and does not miss it. */
    }
}

void xf_control_close(struct xf_control *c)
{
    if (c->fd < 0)
        return;
    remove_socket(c->path);
    close(c->fd);
    c->fd = -1;
}

/* Connected, it hears nobody else. */
static int reach(int fd, const char *path)
{
    const struct sockaddr_un own = {.sun_family = AF_UNIX};
    struct sockaddr_un to;
    int rc = set_path(&to, path);

    if (rc)
        return rc;
    if (bind(fd, (const struct sockaddr *)&own, sizeof(own.sun_family)) ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)))
        return -errno;
    return 0;
}

static int ask(int fd, const struct order *o, int timeout_ms)
{
    struct pollfd in = {.fd = fd, .events = POLLIN};
    struct answer a;
    ssize_t n;

    if (send(fd, o, sizeof(*o), MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof(*o))
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    if (poll(&in, 1, timeout_ms) != 1)
        return -ETIMEDOUT;
    n = recv(fd, &a, sizeof(a), MSG_DONTWAIT);
    if (n < 0)
        return -errno;
    return n == (ssize_t)sizeof(a) && a.magic == ORDER_MAGIC && a.rc <= 0 && a.rc > -4096
               ? (int)a.rc
               : -EPROTO;
}

int xf_control_ask(const char *path, const struct xf_steer *steer, int timeout_ms)
{
    const struct order o = {.magic = ORDER_MAGIC,
                            .what = steer->what,
                            .throttle = steer->throttle,
                            .max_downtime_us = steer->max_downtime_us,
                            .bandwidth_bytes_per_s = steer->bandwidth_bytes_per_s};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

    if (fd < 0)
        return -errno;
    rc = reach(fd, path) ?: ask(fd, &o, timeout_ms);
    close(fd);
    return rc;
}
