/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, disk, ends: the life of the source's and of the target's process. */
#include "bench_disk_end.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dpdk/thread.h"
#include "transport/base/clock.h"
#include "transport/disk/disk_copy.h"
#include "bench_talk.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/demo/ends.h"
#include "xl-plugin/demo/memif.h"

#define PEER_WAIT_MS 60000

/* What both ends hold. */
struct parts {
    const struct xf_bench_disk_end *end;
    struct xf_disk disk;
    struct xf_link *link;
    uint64_t began_us;
};

static void tell(const struct xf_bench_disk_end *end, const struct xf_bench_disk_news *news,
                 int flags)
{
    if (send(end->parent, news, sizeof(*news), MSG_NOSIGNAL | flags) < 0) {
        /* Without a parent we are about to be killed; progress may be lost. */
    }
}

static int __attribute__((format(printf, 3, 4)))
fail(const struct xf_bench_disk_end *end, int rc, const char *format, ...)
{
    struct xf_bench_disk_news news = {.kind = BENCH_DISK_FAILED};
    va_list ap;

    va_start(ap, format);
    vsnprintf(news.reason, sizeof(news.reason), format, ap);
    va_end(ap);
    tell(end, &news, 0);
    return rc;
}

static void tell_done(const struct parts *p, const struct xf_stats *stats)
{
    struct xf_bench_disk_news news = {.kind = BENCH_DISK_DONE};

    news.end.stats = *stats;
    news.end.us = xf_now_us() - p->began_us;
    news.end.cpu_us = xf_bench_cpu_us();
    news.end.direct = p->disk.direct;
    tell(p->end, &news, 0);
}

/* Something of the other end, at most n bytes; 0 if it has gone, -ETIMEDOUT if it says nothing. */
static ssize_t hear(const struct xf_bench_disk_end *end, void *to, size_t n)
{
    struct pollfd in = {.fd = end->peer, .events = POLLIN};

    return poll(&in, 1, PEER_WAIT_MS) == 1 ? recv(end->peer, to, n, 0) : -ETIMEDOUT;
}

static int bring_up(struct parts *p, bool source)
{
    const struct xf_bench_disk_end *end = p->end;
    const struct xf_bench_disk_options *o = end->options;
    char err[XF_DPDK_ERR_BYTES], why[XF_DISK_ERR_BYTES], listens;
    struct xf_memif memif;
    int rc = xf_disk_open(&p->disk, source ? o->from : o->to, source ? XF_DISK_READ : XF_DISK_WRITE,
                          why);

    if (rc)
        return fail(end, rc, "%s", why);
    xf_memif_init(&memif, !source, end->memif_socket, o->lanes);
    rc = xf_memif_start(&memif, 1, err);
    if (rc)
        return fail(end, rc, "%s", err);
    /* A memif's server listens before its client comes. */
    if (source && hear(end, &listens, 1) != 1)
        return fail(end, -ETIMEDOUT, "the target process does not come up");
    rc = xf_memif_open(&memif, &p->link, err);
    if (rc)
        return fail(end, rc, "%s", err);
    if (!source && send(end->peer, "", 1, MSG_NOSIGNAL) != 1)
        return fail(end, -EPIPE, "the source process has gone");
    p->began_us = xf_now_us();
    return 0;
}

static int end_main(const struct xf_bench_disk_end *end, bool source, int (*run)(struct parts *))
{
    struct parts p = {.end = end, .disk = {.fd = -1}};
    int rc;

    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    dup2(STDERR_FILENO, STDOUT_FILENO); /* stdout is the report's alone */
    rc = bring_up(&p, source) ?: run(&p);
    if (p.link)
        p.link->ops->close(p.link);
    xf_dpdk_stop();
    xf_disk_close(&p.disk);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}

/* ---- source -------------------------------------------------------------------------------- */

static void on_progress(void *arg, const struct xf_progress *progress)
{
    const struct parts *p = arg;
    struct xf_bench_disk_news news = {.kind = BENCH_DISK_PROGRESS};

    news.progress.pages = progress->stats->pages_total;
    news.progress.pages_sent = progress->stats->pages_sent;
    news.progress.verifying = progress->verifying;
    tell(p->end, &news, MSG_DONTWAIT);
}

static int send_offer(struct parts *p, struct xf_offer *offer)
{
    const struct xf_bench_disk_options *o = p->end->options;
    uint8_t wire[XF_OFFER_BYTES];
    int rc = xf_offer_new(offer, p->link, p->disk.pages);

    if (rc)
        return fail(p->end, rc, "no offer: %s", strerror(-rc));
    offer->features = xf_offer_features(o->verify, o->compress);
    xf_offer_encode(offer, wire);
    if (send(p->end->peer, wire, sizeof(wire), MSG_NOSIGNAL) != (ssize_t)sizeof(wire))
        rc = fail(p->end, -EPIPE, "the target process has gone");
    explicit_bzero(wire, sizeof(wire));
    return rc;
}

static int send_disk(struct parts *p, struct xf_disk_source *disk)
{
    const struct xf_bench_disk_options *o = p->end->options;
    const struct xf_disk_copy copy = {
        .link = p->link,
        .threads = xf_dpdk_threads(o->lanes, NULL),
        .bandwidth_bytes_per_s = o->bandwidth_bytes_per_s,
        .compress = o->compress,
        .verify = o->verify,
        .progress = on_progress,
        .arg = p,
    };
    char why[XF_DISK_ERR_BYTES];
    struct xf_offer offer;
    struct xf_stats stats;
    int rc = send_offer(p, &offer);

    if (rc)
        return rc;
    rc = xf_disk_copy_send(&copy, disk, &offer, &stats, why);
    xf_offer_wipe(&offer);
    if (rc)
        return fail(p->end, rc, "%s", why);
    tell_done(p, &stats);
    return send(p->end->peer, "", 1, MSG_NOSIGNAL) == 1 ? 0 : -EPIPE;
}

static int run_source(struct parts *p)
{
    struct xf_disk_source *disk;
    int rc = xf_disk_source_new(&disk, &p->disk, p->end->zeros);

    if (rc)
        return fail(p->end, rc, "%s", strerror(-rc));
    rc = send_disk(p, disk);
    xf_disk_source_free(disk);
    return rc;
}

int xf_bench_disk_source(const struct xf_bench_disk_end *end)
{
    return end_main(end, true, run_source);
}

/* ---- target -------------------------------------------------------------------------------- */

static int receive_offer(struct parts *p, struct xf_offer *offer)
{
    uint8_t wire[XF_OFFER_BYTES];
    char why[160];
    ssize_t n = hear(p->end, wire, sizeof(wire));
    int rc;

    if (n <= 0)
        return fail(p->end, -ETIMEDOUT, "no offer from the source process");
    rc = xf_offer_decode(offer, wire, (size_t)n, why);
    explicit_bzero(wire, sizeof(wire));
    return rc ? fail(p->end, rc, "%s", why) : 0;
}

static void on_landed(void *arg, const struct xf_stats *stats)
{
    tell_done(arg, stats);
}

/* The source's word, or that it has gone. */
static bool was_seen(void *arg)
{
    const struct parts *p = arg;
    char seen;

    return recv(p->end->peer, &seen, 1, MSG_DONTWAIT) >= 0;
}

static int receive_disk(struct parts *p, struct xf_disk_sink *disk)
{
    const struct xf_disk_copy copy = {
        .link = p->link,
        .threads = xf_dpdk_threads(p->end->options->lanes, NULL),
        .landed = on_landed,
        .seen = was_seen,
        .arg = p,
    };
    char why[XF_DISK_ERR_BYTES], gone;
    struct xf_offer offer;
    int rc = receive_offer(p, &offer);

    if (rc)
        return rc;
    rc = xf_disk_copy_receive(&copy, disk, &offer, why);
    xf_offer_wipe(&offer);
    if (!rc) /* the source closes its port first (memif.h) */
        hear(p->end, &gone, 1);
    /* What the source breaks off, it says itself. */
    return !rc || rc == -ECONNABORTED ? rc : fail(p->end, rc, "%s", why);
}

static int run_target(struct parts *p)
{
    struct xf_disk_sink *disk;
    int rc = xf_disk_sink_new(&disk, &p->disk, p->end->zeros);

    if (rc)
        return fail(p->end, rc, "%s", strerror(-rc));
    rc = receive_disk(p, disk);
    xf_disk_sink_free(disk);
    return rc;
}

int xf_bench_disk_target(const struct xf_bench_disk_end *end)
{
    return end_main(end, false, run_target);
}
