/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks gate: asks once, when the guest is suspended. */
#include "disks_gate.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "say.h"

#define ANSWER_BYTES 1024

/* Of the process, as the guest that it saves is. */
static struct {
    int (*suspend)(void *data);
    const char *path;
    unsigned limit_s;
} gate;

static int ask(int fd, char answer[ANSWER_BYTES])
{
    static const char stands[] = "stands\n";
    const uint64_t end_us = xf_now_us() + gate.limit_s * UINT64_C(1000000);
    size_t n = 0;

    if (send(fd, stands, sizeof(stands) - 1, MSG_NOSIGNAL) < 0)
        return -errno;
    while (n < ANSWER_BYTES - 1 && !memchr(answer, '\n', n)) {
        struct pollfd in = {.fd = fd, .events = POLLIN};
        uint64_t now = xf_now_us();
        int ready = now < end_us ? poll(&in, 1, (int)((end_us - now + 999) / 1000)) : 0;

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready ? -errno : -ETIMEDOUT;
        ssize_t got = read(fd, answer + n, ANSWER_BYTES - 1 - n);
        if (got <= 0)
            return got ? -errno : -EPIPE;
        n += (size_t)got;
    }
    answer[n] = 0;
    answer[strcspn(answer, "\n")] = 0;
    return 0;
}

/* 0: they are whole. */
static int wait_for_disks(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[ANSWER_BYTES] = "";
    int rc = strlen(gate.path) < sizeof(address.sun_path) ? 0 : -ENAMETOOLONG;
    int fd = rc ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (!rc) {
        strcpy(address.sun_path, gate.path);
        rc = fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
    }
    rc = rc ?: ask(fd, answer);
    if (fd >= 0)
        close(fd);
    if (rc)
        xf_say("source: the guest's disks: %s: %s", gate.path, strerror(-rc));
    else if (strcmp(answer, "done") != 0)
        xf_say("source: the guest's disks are not whole at the target: %s", answer);
    return rc ?: strcmp(answer, "done") != 0;
}

static int suspend(void *data)
{
    int ok = gate.suspend(data);

    return ok && wait_for_disks() ? 0 : ok;
}

struct save_callbacks *xf_disks_gate_wrap(struct save_callbacks *wrapped,
                                          struct save_callbacks *callbacks, unsigned limit_s)
{
    const char *path = getenv("XL_FAST_DISKS");

    if (!path || !*path)
        return callbacks;
    gate.suspend = callbacks->suspend;
    gate.path = path;
    gate.limit_s = limit_s;
    *wrapped = *callbacks;
    wrapped->suspend = suspend;
    return wrapped;
}
