/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, packets, far: receives, answers and counts, trial after trial, as near says. */
#include "bench_packets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench_packet.h"
#include "transport/base/clock.h"
#include "xl-plugin/demo/ends.h"

#define TRIAL_MAX_US (UINT64_C(86400) * 1000000)

static bool trial_ok(const struct xf_bench_trial_order *t, const struct xf_link *link)
{
    return t->size >= BENCH_SIZE_MIN && t->size <= link->payload_bytes && t->burst &&
           t->burst <= XF_BURST_MAX && t->bidir <= 1 && t->omit_us <= TRIAL_MAX_US &&
           t->duration_us <= TRIAL_MAX_US;
}

/* near receives until it has our count. */
static void finish_sending(const struct xf_bench_lanes *lanes)
{
    uint64_t end_us = xf_now_us() + BENCH_LATE_US;

    while (xf_bench_lanes_sending(lanes) && xf_now_us() < end_us)
        usleep(1000);
    usleep(BENCH_DRAIN_US);
}

/* 0; 1: near has left, and all is well; -errno. */
static int serve_trial(const struct xf_bench_channel *near, struct xf_link *link,
                       struct xf_bench_lanes *lanes, char why[BENCH_WHY_BYTES])
{
    struct xf_bench_trial_order t;
    struct xf_bench_count count;
    int rc = xf_bench_receive(near, BENCH_TRIAL, &t, sizeof(t), xf_ends_patience_us(0), why);

    if (rc == -EPIPE)
        return 1;
    if (rc)
        return rc;
    if (!trial_ok(&t, link)) {
        snprintf(why, BENCH_WHY_BYTES, "the trial has impossible values");
        return -EBADMSG;
    }
    rc = xf_bench_lanes_start(lanes, &t, t.bidir, false);
    if (rc) {
        snprintf(why, BENCH_WHY_BYTES, "no thread for a queue: %s", strerror(-rc));
        return rc;
    }
    rc = xf_bench_send(near, BENCH_READY, NULL, 0);
    rc = rc
             ?: xf_bench_receive(near, BENCH_STOP, NULL, 0,
                                 t.omit_us + t.duration_us + xf_ends_patience_us(0), why);
    if (!rc && t.bidir)
        finish_sending(lanes);
    xf_bench_lanes_stop(lanes);
    if (rc)
        return rc;
    xf_bench_lanes_count(lanes, &count);
    return xf_bench_send(near, BENCH_COUNT, &count, sizeof(count));
}

int xf_bench_packets_serve(const struct xf_bench_channel *near, struct xf_link *link,
                           unsigned queues, char why[BENCH_WHY_BYTES])
{
    const struct xf_bench_addr addr = {.far = link->self};
    struct xf_bench_lanes *lanes = NULL;
    struct xf_bench_key key;
    int rc = xf_bench_receive(near, BENCH_KEY, &key, sizeof(key), xf_ends_patience_us(0), why);

    if (rc)
        return rc;
    link->ops->set_peer(link, &key.near);
    rc = xf_bench_lanes_new(&lanes, link, queues, key.secret, key.session_id, XF_ROLE_TARGET,
                            key.sealed);
    explicit_bzero(&key, sizeof(key));
    if (rc)
        snprintf(why, BENCH_WHY_BYTES, "no lanes: %s", strerror(-rc));
    rc = rc ?: xf_bench_send(near, BENCH_ADDR, &addr, sizeof(addr));
    while (!rc)
        rc = serve_trial(near, link, lanes, why);
    xf_bench_lanes_free(lanes);
    return rc < 0 ? rc : 0;
}
