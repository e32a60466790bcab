/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, report: a run's figures, as a line of JSON or of a table. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "dpdk/frame.h"
#include "bench_run.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/screen/timing.h"

/* Of the passes that count. */
struct figures {
    uint64_t us, packets, lost, repaired;
    uint64_t memory_bps, payload_bps, wire_bps, rate_pps;
};

static void figure(struct figures *f, const struct xf_bench_options *o,
                   const struct xf_bench_run *run)
{
    const struct xf_stats *from = &run->warm, *to = &run->source.stats;
    uint64_t pages = run->passes * (o->memory_bytes / XF_PAGE_BYTES);
    uint64_t zero = to->pages_zero - from->pages_zero;
    double us = run->end_us > run->warm_us ? (double)(run->end_us - run->warm_us) : 1;

    *f = (struct figures){
        .us = run->end_us - run->warm_us,
        .packets = to->packets_sent - from->packets_sent,
        .lost = to->packets_lost - from->packets_lost,
        .repaired = to->pages_repaired - from->pages_repaired,
    };
    f->memory_bps = (uint64_t)((double)(pages * XF_PAGE_BYTES) * 8e6 / us);
    /* Zero pages do not cross the link: they would flatter. */
    f->payload_bps =
        (uint64_t)((double)((pages > zero ? pages - zero : 0) * XF_PAGE_BYTES) * 8e6 / us);
    f->wire_bps =
        (uint64_t)((double)(to->bytes_wire - from->bytes_wire + f->packets * run->frame_bytes) *
                   8e6 / us);
    f->rate_pps = (uint64_t)((double)f->packets * 1e6 / us);
}

static uint32_t mtu_of(const struct xf_bench_run *run)
{
    return run->payload_bytes + XF_FRAME_MTU_OVERHEAD;
}

bool xf_bench_verified(const struct xf_bench_options *o, const struct xf_bench_run *run)
{
    return o->sink == BENCH_SINK_NULL ||
           !memcmp(run->source.hash, run->target.hash, sizeof(run->source.hash));
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void put_u64(struct json_object *to, const char *key, uint64_t v)
{
    json_object_object_add(to, key, json_object_new_uint64(v));
}

static void put_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, text ? xf_json_text(text) : NULL);
}

static struct json_object *by_queue(const struct xf_bench_result *r,
                                    const struct xf_link_stats *link, bool sent)
{
    struct json_object *j = json_object_new_array();

    for (unsigned q = 0; q < r->setup->queues && q < XF_LINK_STATS_QUEUES; q++)
        json_object_array_add(j, json_object_new_uint64(sent ? link->queues[q].tx_packets
                                                             : link->queues[q].rx_packets));
    return j;
}

/* Of all passes. */
static void put_cpu(struct json_object *to, const char *key, const struct xf_bench_end *end)
{
    json_object_object_add(to, key,
                           end->us ? xf_json_tenths(xf_bench_cpu_pct(end->cpu_us, end->us)) : NULL);
}

static void put_figures(struct json_object *to, const struct xf_bench_result *r,
                        const struct xf_bench_run *run)
{
    const struct xf_bench_options *o = r->options;
    struct json_object *rejected = json_object_new_object();
    struct figures f;

    figure(&f, o, run);
    put_u64(to, "passes", run->passes);
    put_u64(to, "time_us", f.us);
    put_u64(to, "memory_bps", f.memory_bps);
    put_u64(to, "payload_bps", f.payload_bps);
    put_u64(to, "wire_bps", f.wire_bps);
    put_u64(to, "rate_pps", f.rate_pps);
    put_u64(to, "packets_sent", f.packets);
    put_u64(to, "packets_lost", f.lost);
    put_u64(to, "pages_repaired", f.repaired);
    put_u64(to, "source_missed", run->source.link.rx_port_missed);
    put_u64(to, "target_missed", run->target.link.rx_port_missed);
    put_u64(to, "rtt_us", run->source.stats.rtt_us);
    put_cpu(to, "source_cpu_pct", &run->source);
    put_cpu(to, "target_cpu_pct", &run->target);
    for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
        put_u64(rejected, xf_reject_names[i],
                run->source.stats.rejects[i] + run->target.stats.rejects[i]);
    json_object_object_add(to, "rejects", rejected);
    json_object_object_add(to, "queue_sent", by_queue(r, &run->source.link, true));
    json_object_object_add(to, "queue_received", by_queue(r, &run->target.link, false));
    json_object_object_add(to, "cycles_per_page",
                           xf_timing_json(&run->source.stats, &run->target.stats));
}

void xf_bench_report_json(const struct xf_bench_result *r, unsigned number)
{
    const struct xf_bench_options *o = r->options;
    const struct xf_bench_setup *s = r->setup;
    const struct xf_bench_run *run = &r->runs[number - 1];
    struct json_object *j = json_object_new_object();
    bool ok = !run->error[0];

    json_object_object_add(j, "ok", json_object_new_boolean(ok));
    put_text(j, "error", ok ? NULL : run->error);
    put_text(j, "host", o->host);
    json_object_object_add(j, "multicast", json_object_new_boolean(o->multicast));
    put_u64(j, "run", number);
    put_u64(j, "mtu", run->payload_bytes ? mtu_of(run) : s->mtu);
    put_u64(j, "queues", s->queues);
    put_text(j, "compress", xf_compress_mode_name(s->compress));
    put_text(j, "fill", xf_ends_fill_name(s->fill));
    put_u64(j, "memory_bytes", o->memory_bytes);
    put_u64(j, "seed", o->seed);
    put_text(j, "sink", o->sink == BENCH_SINK_NULL ? "null" : "memory");
    json_object_object_add(
        j, "verified", ok && o->sink == BENCH_SINK_MEMORY ? json_object_new_boolean(true) : NULL);
    if (ok)
        put_figures(j, r, run);
    if (o->interval_us)
        json_object_object_add(j, "intervals", xf_bench_intervals_json(&r->intervals));
    puts(json_object_to_json_string_ext(j, JSON_C_TO_STRING_SPACED));
    json_object_put(j);
}

/* ---- the table ------------------------------------------------------------------------------ */

static void print_columns(void)
{
    puts("                            Gbit/s                       packets    pages   port\n"
         "  mtu  q  zip fill          memory payload    wire   Mpps   lost repaired missed");
}

void xf_bench_report_head(const struct xf_bench_options *o)
{
    char size[32];

    printf("%s to %s%s, into %s%s\n\n", xf_number_show_size(size, sizeof(size), o->memory_bytes),
           o->host ? o->host : "a process of this machine", o->multicast ? " by multicast" : "",
           o->sink == BENCH_SINK_NULL ? "nothing" : "memory",
           o->runs > 1 ? ", the run in the middle" : "");
    if (!o->timing && !o->interval_us)
        print_columns();
}

static int by_speed(const void *a, const void *b)
{
    const struct xf_bench_run *x = a, *y = b;

    /* Those that failed last. */
    if (!x->error[0] != !y->error[0])
        return !x->error[0] ? -1 : 1;
    double fast_x = (double)x->passes / (double)(x->end_us - x->warm_us + 1),
           fast_y = (double)y->passes / (double)(y->end_us - y->warm_us + 1);

    return (fast_x > fast_y) - (fast_x < fast_y);
}

/* NULL: all have failed. */
static const struct xf_bench_run *middle(const struct xf_bench_result *r)
{
    unsigned good = 0;

    while (good < r->n && !r->runs[good].error[0])
        good++;
    return good ? &r->runs[good / 2] : NULL;
}

void xf_bench_report_row(struct xf_bench_result *r)
{
    const struct xf_bench_setup *s = r->setup;
    char mtu[16] = "-";
    struct figures f;

    qsort(r->runs, r->n, sizeof(*r->runs), by_speed);
    const struct xf_bench_run *run = middle(r);

    if (run || s->mtu)
        snprintf(mtu, sizeof(mtu), "%u", run ? mtu_of(run) : s->mtu);
    if (r->options->timing || r->options->interval_us) /* there are others between two lines */
        print_columns();
    printf("%5s %2u %4s %-12s", mtu, s->queues, xf_compress_mode_name(s->compress),
           xf_ends_fill_name(s->fill));
    if (!run) {
        puts("   failed");
        return;
    }
    figure(&f, r->options, run);
    printf(" %7.2f %7.2f %7.2f %6.3f %6" PRIu64 " %8" PRIu64 " %6" PRIu64 "\n",
           (double)f.memory_bps / 1e9, (double)f.payload_bps / 1e9, (double)f.wire_bps / 1e9,
           (double)f.rate_pps / 1e6, f.lost, f.repaired, run->target.link.rx_port_missed);
}

void xf_bench_report_details(const struct xf_bench_result *r)
{
    const struct xf_bench_run *run = middle(r);

    if (!run)
        return;
    puts("\n  queue              packets sent   received");
    for (unsigned q = 0; q < r->setup->queues && q < XF_LINK_STATS_QUEUES; q++)
        printf("    %-12u %14" PRIu64 " %10" PRIu64 "\n", q, run->source.link.queues[q].tx_packets,
               run->target.link.queues[q].rx_packets);
    xf_timing_print(&run->source.stats, &run->target.stats);
    printf("  CPU, %% of a core  source %.1f, target %.1f\n",
           xf_bench_cpu_pct(run->source.cpu_us, run->source.us),
           xf_bench_cpu_pct(run->target.cpu_us, run->target.us));
}
