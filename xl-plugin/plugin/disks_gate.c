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
#include "transport/member.h"
#include "say.h"

#define ANSWER_BYTES 1024

/* One of xl-fast-disks. */
struct one {
    char *host, *path;
    int fd; /* -1 */
    int rc;
    char answer[ANSWER_BYTES];
};

/* Of the process, as the guest that it saves is. */
static struct {
    int (*suspend)(void *data);
    char *words;
    struct one ones[XF_MEMBERS_MAX];
    unsigned n, limit_s;
    bool (*lost)(void *arg, const char *host, const char *why);
    void *arg;
} gate;

static int ask(struct one *o)
{
    static const char stands[] = "stands\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    o->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(o->path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, o->path);
    if (o->fd < 0 || connect(o->fd, (struct sockaddr *)&address, sizeof(address)) ||
        send(o->fd, stands, sizeof(stands) - 1, MSG_NOSIGNAL) < 0)
        return -errno;
    return 0;
}

static int hear(struct one *o, uint64_t end_us)
{
    size_t n = 0;

    while (n < ANSWER_BYTES - 1 && !memchr(o->answer, '\n', n)) {
        struct pollfd in = {.fd = o->fd, .events = POLLIN};
        uint64_t now = xf_now_us();
        int ready = now < end_us ? poll(&in, 1, (int)((end_us - now + 999) / 1000)) : 0;

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready ? -errno : -ETIMEDOUT;
        ssize_t got = read(o->fd, o->answer + n, ANSWER_BYTES - 1 - n);
        if (got <= 0)
            return got ? -errno : -EPIPE;
        n += (size_t)got;
    }
    o->answer[n] = 0;
    o->answer[strcspn(o->answer, "\n")] = 0;
    return strcmp(o->answer, "done") ? -EREMOTEIO : 0;
}

/* Whether the guest may go without it. */
static bool lose(const struct one *o)
{
    const char *why = o->rc == -EREMOTEIO ? o->answer : strerror(-o->rc);

    if (o->rc == -EREMOTEIO)
        xf_say("source: the guest's disks are not whole at the target: %s", o->answer);
    else
        xf_say("source: the guest's disks: %s: %s", o->path, why);
    return gate.lost && gate.lost(gate.arg, o->host, why);
}

/* All make them whole at the same time. 0: they are. */
static int wait_for_disks(void)
{
    const uint64_t end_us = xf_now_us() + gate.limit_s * UINT64_C(1000000);
    int rc = 0;

    for (unsigned i = 0; i < gate.n; i++)
        gate.ones[i].rc = ask(&gate.ones[i]);
    for (unsigned i = 0; i < gate.n; i++) {
        struct one *o = &gate.ones[i];

        o->rc = o->rc ?: hear(o, end_us);
        if (o->fd >= 0)
            close(o->fd);
        if (o->rc && !lose(o))
            rc = o->rc;
    }
    return rc;
}

static int suspend(void *data)
{
    int ok = gate.suspend(data);

    /* Without memory for the words nothing is asked, and nothing is known of the disks. */
    return ok && (!gate.words || wait_for_disks()) ? 0 : ok;
}

/* A word that is none has no host and no path, and fails when it is asked. */
static void take_words(const char *words)
{
    char *rest, *word;

    free(gate.words);
    gate.n = 0;
    rest = gate.words = strdup(words);

    while (rest && (word = strsep(&rest, " ")) && gate.n < XF_MEMBERS_MAX) {
        char *path = strchr(word, '=');

        if (!*word)
            continue;
        gate.ones[gate.n++] = (struct one){.host = word, .path = path ? path + 1 : word, .fd = -1};
        if (path)
            *path = 0;
    }
}

struct save_callbacks *xf_disks_gate_wrap(struct save_callbacks *wrapped,
                                          struct save_callbacks *callbacks, unsigned limit_s)
{
    const char *words = getenv("XL_FAST_DISKS");

    if (!words || !*words)
        return callbacks;
    take_words(words);
    gate.suspend = callbacks->suspend;
    gate.limit_s = limit_s;
    *wrapped = *callbacks;
    wrapped->suspend = suspend;
    return wrapped;
}

void xf_disks_gate_on_lost(bool (*lost)(void *arg, const char *host, const char *why), void *arg)
{
    gate.lost = lost;
    gate.arg = arg;
}
