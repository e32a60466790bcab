/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Report: prints rounds, summary and result of a migration on stderr, and writes its events. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "transport/base/clock.h"
#include "transport/base/spent.h"
#include "transport/guest.h"
#include "fixed.h"
#include "say.h"

static double gbps(uint64_t bytes, uint64_t us)
{
    return us ? (double)bytes * 8 / ((double)us * 1e3) : 0;
}

static double ms(uint64_t us)
{
    return (double)us / 1e3;
}

static unsigned long long us_of(struct timeval t)
{
    return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_usec;
}

static void start_events(struct xf_report *r)
{
    const char *path = strcmp(r->end, "source") ? NULL : getenv("XL_FAST_EVENTS");
    struct xf_events_start start = {
        .program = "migrate",
        .guest = getenv("XL_FAST_GUEST"),
        .host = getenv("XL_FAST_HOST"),
        .domid = r->domid,
        .hand_over = getenv("XL_FAST_HAND_OVER"),
    };

    xf_events_init(&r->events);
    r->events.fixed_us = xf_fixed_from_environment();
    int rc = path && *path ? xf_events_open(&r->events, path) : 0;
    if (rc)
        xf_say("%s: no events: %s: %s", r->end, path, strerror(-rc));
    xf_events_start(&r->events, &start);
}

void xf_report_start(struct xf_report *r, const char *end, uint32_t domid)
{
    memset(r, 0, sizeof(*r));
    r->end = end;
    r->domid = domid;
    r->start_us = xf_now_us();
    start_events(r);
}

static void say_round(struct xf_report *r)
{
    if (!r->round)
        return;
    xf_say("%s: round %u%s: %llu pages, %.1f ms, %.3f Gbit/s", r->end, r->round,
           r->final ? " (guest suspended)" : "", (unsigned long long)r->round_pages,
           ms(r->round_us), gbps(r->round_pages * XF_PAGE_BYTES, r->round_us));
    r->round = 0;
}

void xf_report_progress(void *arg, const struct xf_progress *p)
{
    struct xf_report *r = arg;

    xf_events_progress(&r->events, p);
    if (!r->connected && p->phase >= XF_PHASE_READY && p->phase <= XF_PHASE_DONE) {
        r->connected = true;
        xf_say("%s: connected after %.1f s", r->end, (double)(xf_now_us() - r->start_us) / 1e6);
    }
    /* A round is told when the next thing begins; by then its last event has given the totals. */
    if (r->round && p->round != r->round)
        say_round(r);
    if (p->round && (p->phase == XF_PHASE_LIVE || p->phase == XF_PHASE_FINAL) && p->round_done) {
        r->round = p->round;
        r->round_pages = p->round_done;
        r->round_us = p->round_us;
        r->final = p->phase == XF_PHASE_FINAL;
    }
    if (p->phase == XF_PHASE_DONE || p->phase == XF_PHASE_FAILED)
        say_round(r);
}

/* "name":value pairs of the counters that are not zero. */
static void add_rejects(char *out, size_t size, const struct xf_stats *stats)
{
    size_t len = 0;

    out[0] = 0;
    for (unsigned i = 0; i < XF_REJECT_COUNT; i++) {
        if (!stats->rejects[i] || len >= size)
            continue;
        len += (size_t)snprintf(out + len, size - len, "%s\"%s\":%llu", len ? "," : "",
                                xf_reject_names[i], (unsigned long long)stats->rejects[i]);
    }
}

/* "stage":cycles a page, all eight. */
static void add_cycles(char *out, size_t size, const struct xf_stats *stats)
{
    uint64_t cycles[XF_STAGE_COUNT];
    size_t len = 0;

    xf_laps_read(&stats->laps, cycles);
    for (unsigned i = 0; i < XF_STAGE_COUNT && len < size; i++)
        len += (size_t)snprintf(
            out + len, size - len, "%s\"%s\":%.0f", i ? "," : "", xf_stage_names[i],
            stats->pages_sent ? (double)cycles[i] / (double)stats->pages_sent : 0);
}

/* "stage":percent and "wait_...":percent, where the time went. */
static void add_time(char *out, size_t size, const struct xf_stats *stats)
{
    struct xf_spent spent;
    size_t len = 0;

    xf_spent_of(&spent, stats);
    for (unsigned i = 0; i < XF_SPENT_COUNT && len < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s\"%s\":%u", i ? "," : "",
                                xf_spent_names[i], spent.pct[i]);
}

/* For a JSON string: what would end or break it becomes a blank. */
static void plain(char *out, size_t size, const char *text)
{
    size_t i = 0;

    for (; text && text[i] && i + 1 < size; i++)
        out[i] = text[i] == '"' || text[i] == '\\' || (unsigned char)text[i] < ' ' ? ' ' : text[i];
    out[i] = 0;
}

void xf_report_set(struct xf_report *r, const struct xf_steer *set)
{
    char text[XF_STEER_TEXT_BYTES];

    xf_events_set(&r->events, set, xf_now_us());
    xf_say("%s: set %s", r->end, xf_steer_show(text, set));
}

void xf_report_port(struct xf_report *r, const struct xf_link *link)
{
    if (link)
        link->ops->stats(link, &r->port);
}

void xf_report_result(struct xf_report *r, bool ok, const char *error, const struct xf_stats *s)
{
    const struct xf_link_stats *port = &r->port;
    struct rusage used = {0};
    char rejects[1024], cycles[512], time[512], reason[256];
    uint64_t now = xf_now_us();
    uint64_t memory_us = s->live_us && s->done_us ? s->done_us - s->live_us : 0;
    uint64_t moved_us = s->suspend_us && s->done_us ? s->done_us - s->suspend_us : 0;
    uint64_t suspended_us = s->suspend_us ? now - s->suspend_us : 0;
    double rate = gbps(s->pages_sent * XF_PAGE_BYTES, memory_us);
    struct xf_events_end end = {
        .error = ok      ? NULL
                 : error ? error
                         : "",
        .context_us = s->done_us ? now - s->done_us : 0,
        .verified = ok && s->pages_verified ? 1 : -1,
        .stats = s,
    };

    xf_events_end(&r->events, &end);
    xf_events_close(&r->events);
    getrusage(RUSAGE_SELF, &used);
    say_round(r);
    add_rejects(rejects, sizeof(rejects), s);
    add_cycles(cycles, sizeof(cycles), s);
    add_time(time, sizeof(time), s);
    plain(reason, sizeof(reason), error);

    if (ok)
        xf_say(
            "%s: %u rounds, %llu pages (%llu zero, %llu compressed, %llu repaired), %.3f Gbit/s "
            "payload, "
            "%llu bytes over the link, port: %llu packets out, %llu in; memory %.1f ms, of it with "
            "the guest suspended %.1f ms (predicted %.1f); total %.1f ms",
            r->end, s->rounds, (unsigned long long)s->pages_sent, (unsigned long long)s->pages_zero,
            (unsigned long long)s->pages_compressed, (unsigned long long)s->pages_repaired, rate,
            (unsigned long long)(port->tx_bytes + port->rx_bytes),
            (unsigned long long)port->tx_packets, (unsigned long long)port->rx_packets,
            ms(memory_us), ms(moved_us), ms(s->predicted_us), ms(now - r->start_us));

    if (ok && s->pages_deferred)
        xf_say("%s: %llu pages were deferred: given back by the guest, or written by Xen", r->end,
               (unsigned long long)s->pages_deferred);
    if (ok && s->pages_verified && s->pages_unverified)
        xf_say("%s: verified %llu pages; not compared: %llu, given back or written by dom0", r->end,
               (unsigned long long)s->pages_verified, (unsigned long long)s->pages_unverified);
    else if (ok && s->pages_verified)
        xf_say("%s: verified %llu pages", r->end, (unsigned long long)s->pages_verified);

    /* suspended_memory_us: suspend to the last page landed; suspended_us: to where libxl takes over
       again. Neither is the downtime, which nobody knows here. */
    xf_say(
        "result {\"end\":\"%s\",\"domid\":%u,\"ok\":%s,\"error\":\"%s\",\"lanes\":%u,\"rounds\":%u,"
        "\"pages_total\":%llu,\"pages_sent\":%llu,\"pages_zero\":%llu,\"pages_repaired\":%llu,"
        "\"pages_compressed\":%llu,\"bytes_saved\":%llu,"
        "\"deferred_pages\":%llu,\"verified_pages\":%llu,\"unverified_pages\":%llu,"
        "\"bytes_wire\":%llu,\"payload_bps\":%llu,\"path_bps\":%llu,"
        "\"rtt_us\":%llu,\"bandwidth_bps\":%llu,"
        "\"packets_lost\":%llu,\"port_up_us\":%llu,"
        "\"port_down_us\":%llu,"
        "\"memory_us\":%llu,"
        "\"suspended_memory_us\":%llu,\"predicted_copy_us\":%llu,"
        "\"throttle_pct\":%u,\"suspended_us\":%llu,\"total_us\":%llu,"
        "\"cpu_user_us\":%llu,\"cpu_system_us\":%llu,"
        "\"port_tx_packets\":%llu,\"port_tx_bytes\":%llu,\"port_rx_packets\":%llu,"
        "\"port_rx_bytes\":%llu,\"port_rx_missed\":%llu,"
        "\"cycles_per_page\":{%s},\"time_pct\":{%s},\"rejects\":{%s}}",
        r->end, r->domid, ok ? "true" : "false", reason, s->lanes, s->rounds,
        (unsigned long long)s->pages_total, (unsigned long long)s->pages_sent,
        (unsigned long long)s->pages_zero, (unsigned long long)s->pages_repaired,
        (unsigned long long)s->pages_compressed, (unsigned long long)s->bytes_saved,
        (unsigned long long)s->pages_deferred, (unsigned long long)s->pages_verified,
        (unsigned long long)s->pages_unverified, (unsigned long long)s->bytes_wire,
        (unsigned long long)(rate * 1e9), (unsigned long long)s->path_bytes_per_s * 8,
        (unsigned long long)s->rtt_us, (unsigned long long)s->limit_bytes_per_s * 8,
        (unsigned long long)s->packets_lost, (unsigned long long)r->port_up_us,
        (unsigned long long)r->port_down_us, (unsigned long long)memory_us,
        (unsigned long long)moved_us, (unsigned long long)s->predicted_us, s->throttle_pct,
        (unsigned long long)suspended_us, (unsigned long long)(now - r->start_us),
        us_of(used.ru_utime), us_of(used.ru_stime), (unsigned long long)port->tx_packets,
        (unsigned long long)port->tx_bytes, (unsigned long long)port->rx_packets,
        (unsigned long long)port->rx_bytes, (unsigned long long)port->rx_port_missed, cycles, time,
        rejects);
}
