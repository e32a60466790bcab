/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pauser: the process that pauses, and what it is told over a socket. */
#include "pauser.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libxl.h>

#include "transport/base/clock.h"

#define fail xf_manifest_fail

#define RESUME_TRIES 50u /* a guest that stands is worse than anything else here */
#define TRY_US       100000u

struct xf_pauser {
    int fd;
    pid_t pid;
};

struct order {
    bool pause; /* else it is to go on */
    uint32_t domid;
};

struct done {
    int rc;
    uint64_t us;
};

/* ---- the process --------------------------------------------------------------------------- */

static int let_go_on(libxl_ctx *ctx, uint32_t domid)
{
    for (unsigned i = 0; i < RESUME_TRIES; i++) {
        if (!libxl_domain_unpause(ctx, domid, NULL))
            return 0;
        usleep(TRY_US);
    }
    fprintf(stderr, "xl-fast: disks: the guest stands and cannot be let go on: xl unpause %u\n",
            domid);
    return -EIO;
}

static void serve(libxl_ctx *ctx, int fd)
{
    struct pollfd in = {.fd = fd, .events = POLLIN};
    uint64_t since_us = 0;
    bool late = false;
    uint32_t domid = 0;

    for (;;) {
        struct order order;
        struct done done = {0};
        int ready = poll(&in, 1, since_us ? XF_PAUSER_LIMIT_MS : -1);

        if (ready < 0 && errno == EINTR)
            continue;
        if (!ready) { /* whoever has ordered it takes too long */
            let_go_on(ctx, domid);
            since_us = 0;
            late = true;
            continue;
        }
        if (read(fd, &order, sizeof(order)) != sizeof(order))
            break;
        if (order.pause) {
            late = false;
            domid = order.domid;
            done.rc = libxl_domain_pause(ctx, domid, NULL) ? -EIO : 0;
            since_us = done.rc ? 0 : xf_now_us();
        } else {
            done.us = xf_now_us() - since_us;
            done.rc = late ? -ETIMEDOUT : let_go_on(ctx, domid);
            since_us = 0;
        }
        if (write(fd, &done, sizeof(done)) != sizeof(done))
            break;
    }
    if (since_us)
        let_go_on(ctx, domid);
}

/* Signals are for the other process: this one ends when that one has. */
static void run(int fd)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    xentoollog_logger_stdiostream *logger = xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    libxl_ctx *ctx = NULL;
    struct done ready = {0};

    for (unsigned i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    setsid();
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    if (!logger || libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, (xentoollog_logger *)logger))
        ready.rc = -EIO;
    if (write(fd, &ready, sizeof(ready)) == sizeof(ready) && !ready.rc)
        serve(ctx, fd);
    _exit(0);
}

/* ---- who orders it ------------------------------------------------------------------------- */

static int hear(struct xf_pauser *p, struct done *done, char why[XF_MANIFEST_WHY_BYTES])
{
    ssize_t n;

    while ((n = read(p->fd, done, sizeof(*done))) < 0 && errno == EINTR)
        continue;
    return n == sizeof(*done)
               ? done->rc
               : fail(why, -EPIPE,
                      "the process that pauses the guest has ended: if it stands, xl unpause it");
}

int xf_pauser_start(struct xf_pauser **out, char why[XF_MANIFEST_WHY_BYTES])
{
    struct xf_pauser *p = *out = calloc(1, sizeof(*p));
    struct done ready;
    int ends[2];

    if (!p || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        free(p);
        *out = NULL;
        return fail(why, -ENOMEM, "%s", strerror(ENOMEM));
    }
    fflush(NULL);
    p->pid = fork();
    if (!p->pid) {
        close(ends[0]);
        run(ends[1]);
    }
    close(ends[1]);
    p->fd = ends[0];
    int rc =
        p->pid < 0 ? fail(why, -errno, "no process: %s", strerror(errno)) : hear(p, &ready, why);

    return rc == -EIO ? fail(why, rc, "cannot reach Xen: not running as root in dom0?") : rc;
}

void xf_pauser_end(struct xf_pauser *p)
{
    if (!p)
        return;
    close(p->fd);
    if (p->pid > 0)
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    free(p);
}

static int tell(struct xf_pauser *p, bool pause, uint32_t domid, struct done *done,
                char why[XF_MANIFEST_WHY_BYTES])
{
    const struct order order = {pause, domid};

    if (send(p->fd, &order, sizeof(order), MSG_NOSIGNAL) != sizeof(order))
        return fail(why, -EPIPE,
                    "the process that pauses the guest has ended: if it stands, xl unpause it");
    return hear(p, done, why);
}

int xf_pauser_pause(struct xf_pauser *p, uint32_t domid, char why[XF_MANIFEST_WHY_BYTES])
{
    struct done done;
    int rc = tell(p, true, domid, &done, why);

    return rc == -EIO ? fail(why, rc, "Xen does not pause the guest: has it ended?") : rc;
}

int xf_pauser_resume(struct xf_pauser *p, uint64_t *us, char why[XF_MANIFEST_WHY_BYTES])
{
    struct done done = {0};
    int rc = tell(p, false, 0, &done, why);

    *us = done.us;
    return rc == -ETIMEDOUT
               ? fail(why, rc,
                      "the guest stood for %u s, and was let go on before its disks were read",
                      XF_PAUSER_LIMIT_MS / 1000)
           : rc == -EIO ? fail(why, rc, "the guest stands and cannot be let go on: xl unpause it")
                        : rc;
}
