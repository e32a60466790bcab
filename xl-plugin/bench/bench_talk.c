/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, talk: sends and receives the messages between both ends, and checks what arrives. */
#include "bench_talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dpdk/frame.h"
#include "dpdk/spec.h"
#include "transport/base/clock.h"
#include "transport/guest.h"
#include "xl-plugin/demo/ends.h"
#include "xl-plugin/screen/live.h"

/* One more for each change of what is said. */
#define BENCH_VERSION 3u

#define LINE_US 200000u /* for the rest of a line */

static const char magic[8] = "xf-bench";

struct header {
    char magic[sizeof(magic)];
    uint16_t version, kind;
    uint32_t bytes; /* of the structure that follows */
};

static int write_all(int fd, const void *from, size_t bytes)
{
    const uint8_t *at = from;

    while (bytes) {
        ssize_t n = write(fd, at, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += n;
        bytes -= (size_t)n;
    }
    return 0;
}

int xf_bench_send(const struct xf_bench_channel *c, enum xf_bench_kind kind, const void *body,
                  size_t bytes)
{
    struct header h = {.version = BENCH_VERSION, .kind = (uint16_t)kind, .bytes = (uint32_t)bytes};

    memcpy(h.magic, magic, sizeof(magic));
    int rc = write_all(c->out, &h, sizeof(h));

    return rc ?: write_all(c->out, body, bytes);
}

/* The next bytes, at most n of them. -EPIPE: the other end has gone. */
static ssize_t read_some(int fd, void *to, size_t n, uint64_t end_us)
{
    struct pollfd in = {.fd = fd, .events = POLLIN};

    for (;;) {
        uint64_t now = xf_now_us();
        int ready = poll(&in, 1, now < end_us ? (int)((end_us - now + 999) / 1000) : 0);

        if (!ready)
            return -ETIMEDOUT;
        ssize_t got = ready < 0 ? -1 : read(fd, to, n);

        if (got > 0)
            return got;
        if (!got || errno == ECONNRESET)
            return -EPIPE;
        if (errno != EINTR)
            return -errno;
    }
}

static int read_all(int fd, void *to, size_t bytes, uint64_t end_us)
{
    for (size_t at = 0; at < bytes;) {
        ssize_t n = read_some(fd, (uint8_t *)to + at, bytes - at, end_us);

        if (n < 0)
            return (int)n;
        at += (size_t)n;
    }
    return 0;
}

/* What is no header, to the end of its first line as far as that has come. */
static void say_stranger(const struct xf_bench_channel *c, const void *begun, size_t at,
                         char why[BENCH_WHY_BYTES])
{
    char text[120] = "", plain[sizeof(text)], *line = text;
    uint64_t end_us = xf_now_us() + LINE_US;
    ssize_t n;

    memcpy(text, begun, at);
    while (at + 1 < sizeof(text) && !strchr(text + strspn(text, "\r\n"), '\n') &&
           (n = read_some(c->in, text + at, sizeof(text) - 1 - at, end_us)) > 0)
        at += (size_t)n;
    line += strspn(line, "\r\n");
    line[strcspn(line, "\r\n")] = 0;
    snprintf(why, BENCH_WHY_BYTES,
             "%s answers '%s', and not as xl-fast bench link does: what its shell starts with must "
             "print nothing",
             c->peer, xf_live_plain(plain, sizeof(plain), line));
}

/* What begins in another way, such as a greeting of a shell, may be too short for a header. */
static int read_header(const struct xf_bench_channel *c, struct header *h, uint64_t end_us,
                       char why[BENCH_WHY_BYTES])
{
    size_t at = 0;

    memset(h, 0, sizeof(*h));
    while (at < sizeof(*h)) {
        ssize_t n = read_some(c->in, (uint8_t *)h + at, sizeof(*h) - at, end_us);

        if (n < 0)
            return (int)n;
        at += (size_t)n;
        if (memcmp(h->magic, magic, at < sizeof(magic) ? at : sizeof(magic))) {
            say_stranger(c, h, at, why);
            return -EPROTO;
        }
    }
    if (h->version == BENCH_VERSION)
        return 0;
    snprintf(why, BENCH_WHY_BYTES,
             "%s has an xl-fast bench link of version %u, this one is %u: install the same xl-fast "
             "at both ends",
             c->peer, h->version, BENCH_VERSION);
    return -EPROTONOSUPPORT;
}

/* A header, and before it the TICKs that have come, of which the newest is kept. */
static int read_past_ticks(const struct xf_bench_channel *c, enum xf_bench_kind kind,
                           struct header *h, uint64_t end_us, char why[BENCH_WHY_BYTES])
{
    for (;;) {
        int rc = read_header(c, h, end_us, why);

        if (rc || h->kind != BENCH_TICK || !c->tick || h->bytes != sizeof(*c->tick) ||
            kind == BENCH_TICK)
            return rc;
        rc = read_all(c->in, c->tick, sizeof(*c->tick), end_us);
        if (rc || xf_now_us() > end_us)
            return rc ?: -ETIMEDOUT;
    }
}

int xf_bench_receive(const struct xf_bench_channel *c, enum xf_bench_kind kind, void *body,
                     size_t bytes, uint64_t limit_us, char why[BENCH_WHY_BYTES])
{
    uint64_t end_us = xf_now_us() + limit_us;
    struct xf_bench_failed failed;
    struct header h;

    why[0] = 0;
    int rc = read_past_ticks(c, kind, &h, end_us, why);

    if (!rc && h.kind == BENCH_FAILED && h.bytes == sizeof(failed)) {
        rc = read_all(c->in, &failed, sizeof(failed), end_us);
        if (!rc) {
            char plain[sizeof(failed.reason)];

            failed.reason[sizeof(failed.reason) - 1] = 0;
            snprintf(why, BENCH_WHY_BYTES, "%.60s: %s", c->peer,
                     xf_live_plain(plain, sizeof(plain), failed.reason));
            return -ECANCELED;
        }
    } else if (!rc && (!kind || h.kind != kind || h.bytes != bytes)) {
        snprintf(why, BENCH_WHY_BYTES,
                 "%s sent an unexpected message (%u of %u bytes): install the same xl-fast at "
                 "both ends",
                 c->peer, h.kind, h.bytes);
        return -EPROTO;
    }
    rc = rc ?: read_all(c->in, body, bytes, end_us);
    if (rc == -EPIPE)
        snprintf(why, BENCH_WHY_BYTES, "%s ended before it had answered", c->peer);
    else if (rc == -ETIMEDOUT)
        snprintf(why, BENCH_WHY_BYTES, "%s has said nothing for %u s", c->peer,
                 (unsigned)(limit_us / 1000000));
    else if (rc && !why[0])
        snprintf(why, BENCH_WHY_BYTES, "%s: %s", c->peer, strerror(-rc));
    return rc;
}

bool xf_bench_pending(const struct xf_bench_channel *c)
{
    struct pollfd in = {.fd = c->in, .events = POLLIN};

    return poll(&in, 1, 0) > 0;
}

static bool ends_in_0(const char *text, size_t size)
{
    return strnlen(text, size) < size;
}

int xf_bench_order_check(const struct xf_bench_order *o)
{
    bool ok = o->memory_bytes && o->memory_bytes % XF_PAGE_BYTES == 0 &&
              o->memory_bytes / XF_PAGE_BYTES <= XF_PAGE_COUNT_MAX && o->mtu <= XF_SPEC_MTU_MAX &&
              o->queues && o->queues <= XF_ENDS_QUEUES_MAX && o->sink <= BENCH_SINK_NULL &&
              o->packets + o->multicast <= 1 && !(o->multicast && o->memif[0]) &&
              (!o->tick_us || o->tick_us >= BENCH_TICK_MIN_US) &&
              ends_in_0(o->memif, sizeof(o->memif)) && ends_in_0(o->port, sizeof(o->port)) &&
              ends_in_0(o->netns, sizeof(o->netns)) && !strchr(o->netns, '/');

    return ok ? 0 : -EBADMSG;
}

/* Cycles that no machine has counted yet, and of which sums and shares are numbers too. */
static bool cycles_ok(const uint64_t *cycles, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (cycles[i] >> 56)
            return false;
    return true;
}

static uint64_t clock_us(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t xf_bench_thread_cpu_us(void)
{
    return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t xf_bench_cpu_us(void)
{
    return clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

int xf_bench_end_check(const struct xf_bench_end *e)
{
    const struct xf_laps *l = &e->stats.laps;

    return cycles_ok(l->spent, XF_STAGE_COUNT + 1) && cycles_ok(l->split, XF_STAGE_COUNT)
               ? 0
               : -EBADMSG;
}
