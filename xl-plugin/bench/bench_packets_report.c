/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, packets, report: a line a trial, what a search has found, and a run as a line of JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include <json-c/json.h>

#include "bench_run.h"
#include "dpdk/frame.h"
#include "xl-plugin/cli/json_text.h"

static double wire_bps(double pps, uint64_t packet_bytes)
{
    return pps * (double)packet_bytes * 8;
}

static double busy_pct(const struct xf_bench_lane_count *c)
{
    return c->us ? 100.0 * (double)c->busy_us / (double)c->us : 0;
}

static double cpu_pct(const struct xf_bench_lane_count *c)
{
    return c->us ? xf_bench_cpu_pct(c->cpu_us, c->us) : 0;
}

/* ---- for people ----------------------------------------------------------------------------- */

void xf_bench_packets_head(const struct xf_bench_options *o, const struct xf_bench_setup *setup)
{
    char size[32] = "the largest", mtu[32] = "the largest MTU";

    if (setup->size)
        snprintf(size, sizeof(size), "%u bytes", setup->size);
    if (setup->mtu)
        snprintf(mtu, sizeof(mtu), "MTU %u", setup->mtu);
    printf("packets of %s, %s, %u queue%s, %s, %s, to %s\n\n"
           "                Gbit/s          packets     loss  round trip, us       busy %%\n"
           "       asked     wire    Mpps      lost        %%    50%%    99%%  99.9%%  src  tgt\n",
           size, mtu, setup->queues, setup->queues == 1 ? "" : "s",
           o->seal == BENCH_SEAL_AES ? "sealed" : "in the clear",
           o->bidir ? "both ways at once" : "one way", o->host ? o->host : "a process here");
    fflush(stdout);
}

/* Six columns, as long as it is less than a second. */
static void print_us(uint64_t ns)
{
    double us = (double)ns / 1e3;

    printf(" %6.*f", us < 9999 ? 1 : 0, us);
}

void xf_bench_packets_line(unsigned number, uint64_t packet_bytes, const struct xf_bench_trial *t)
{
    char name[16], asked[16] = "max";

    snprintf(name, sizeof(name), "%u", number + 1);
    if (t->asked_pps != BENCH_RATE_MAX)
        snprintf(asked, sizeof(asked), "%.3f", wire_bps((double)t->asked_pps, packet_bytes) / 1e9);
    printf("%4s %7s %8.3f %7.3f %9" PRIu64 " %8.4f", t->asked_pps ? name : "idle",
           t->asked_pps ? asked : "-", wire_bps(t->sent_pps, packet_bytes) / 1e9, t->sent_pps / 1e6,
           t->to.lost + t->back.lost, t->loss_pct);
    print_us(t->rtt.p50_ns);
    print_us(t->rtt.p99_ns);
    print_us(t->rtt.p999_ns);
    printf(" %4.0f %4.0f\n", busy_pct(&t->near.all), busy_pct(&t->far.all));
    fflush(stdout);
}

void xf_bench_packets_found(const struct xf_bench_result *r)
{
    static const char *const names[BENCH_GOALS] = {
        [BENCH_LOSSLESS] = "without loss", [BENCH_LOSSY] = "with at most 0.5 %"};
    const struct xf_bench_run *run = &r->runs[r->n - 1];
    const struct xf_bench_packets *p = &run->packets;

    for (unsigned g = 0; r->options->search && !run->error[0] && g < BENCH_GOALS; g++) {
        const struct xf_bench_trial *t = p->best[g] < 0 ? NULL : &p->trials[p->best[g]];

        printf("%s%-20s", g ? "" : "\n", names[g]);
        if (t)
            printf("%8.3f Gbit/s %8.3f Mpps  (trial %d)\n",
                   wire_bps(t->sent_pps, p->size + run->frame_bytes) / 1e9, t->sent_pps / 1e6,
                   p->best[g] + 1);
        else
            puts("  none of the rates tried");
    }
    putchar('\n');
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void put_u64(struct json_object *to, const char *key, uint64_t v)
{
    json_object_object_add(to, key, json_object_new_uint64(v));
}

static void put_us(struct json_object *to, const char *key, uint64_t ns)
{
    put_u64(to, key, (ns + 999) / 1000); /* a percentile is never too small */
}

static void put_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, text ? xf_json_text(text) : NULL);
}

static struct json_object *rtt_json(const struct xf_bench_rtt *rtt)
{
    struct json_object *j = json_object_new_object();

    put_u64(j, "probes", rtt->n);
    put_us(j, "p50_us", rtt->p50_ns);
    put_us(j, "p99_us", rtt->p99_ns);
    put_us(j, "p999_us", rtt->p999_ns);
    return j;
}

/* A list by queue, each of which is a thread's. */
static void put_lanes(struct json_object *to, const char *key, const struct xf_bench_count *c,
                      unsigned queues, bool busy)
{
    struct json_object *j = json_object_new_array();

    for (unsigned q = 0; q < queues && q < BENCH_LANES_MAX; q++) {
        const struct xf_bench_lane_count *l = &c->lanes[q];

        json_object_array_add(j, xf_json_tenths(busy ? busy_pct(l) : cpu_pct(l)));
    }
    json_object_object_add(to, key, j);
}

static struct json_object *trial_json(const struct xf_bench_result *r,
                                      const struct xf_bench_run *run, unsigned number)
{
    const struct xf_bench_trial *t = &run->packets.trials[number];
    struct json_object *j = json_object_new_object();
    unsigned queues = r->setup->queues;

    put_u64(j, "trial", number + 1);
    json_object_object_add(j, "asked_pps",
                           t->asked_pps == BENCH_RATE_MAX ? NULL
                                                          : json_object_new_uint64(t->asked_pps));
    put_u64(j, "rate_pps", (uint64_t)t->sent_pps);
    put_u64(j, "wire_bps", (uint64_t)wire_bps(t->sent_pps, run->packets.size + run->frame_bytes));
    put_u64(j, "packets_sent", t->to.sent);
    put_u64(j, "packets_lost", t->to.lost);
    put_u64(j, "back_packets_sent", t->back.sent);
    put_u64(j, "back_packets_lost", t->back.lost);
    json_object_object_add(j, "loss_pct", xf_json_tenths(t->loss_pct));
    put_u64(j, "packets_rejected", t->near.all.rejected + t->far.all.rejected);
    json_object_object_add(j, "rtt", rtt_json(&t->rtt));
    put_lanes(j, "source_cpu_pct", &t->near, queues, false);
    put_lanes(j, "source_busy_pct", &t->near, queues, true);
    put_lanes(j, "target_cpu_pct", &t->far, queues, false);
    put_lanes(j, "target_busy_pct", &t->far, queues, true);
    return j;
}

static void put_found(struct json_object *to, const char *key, const struct xf_bench_result *r,
                      const struct xf_bench_run *run, unsigned goal)
{
    int best = run->packets.best[goal];

    json_object_object_add(to, key, best < 0 ? NULL : trial_json(r, run, (unsigned)best));
}

void xf_bench_packets_json(const struct xf_bench_result *r, unsigned number)
{
    const struct xf_bench_options *o = r->options;
    const struct xf_bench_run *run = &r->runs[number - 1];
    struct json_object *j = json_object_new_object(), *trials = json_object_new_array();
    bool ok = !run->error[0];

    json_object_object_add(j, "ok", json_object_new_boolean(ok));
    put_text(j, "error", ok ? NULL : run->error);
    put_text(j, "host", o->host);
    put_u64(j, "run", number);
    put_u64(j, "mtu",
            run->payload_bytes ? run->payload_bytes + XF_FRAME_MTU_OVERHEAD : r->setup->mtu);
    put_u64(j, "queues", r->setup->queues);
    put_u64(j, "size_bytes", run->packets.size ? run->packets.size : r->setup->size);
    put_text(j, "seal", o->seal == BENCH_SEAL_AES ? "aes" : "none");
    json_object_object_add(j, "bidir", json_object_new_boolean(o->bidir));
    put_u64(j, "trial_us", o->seconds * 1000000);
    json_object_object_add(j, "rtt_idle", ok ? rtt_json(&run->packets.idle) : NULL);
    for (unsigned i = 0; i < run->packets.n; i++)
        json_object_array_add(trials, trial_json(r, run, i));
    json_object_object_add(j, "trials", trials);
    if (o->search) {
        put_found(j, "lossless", r, run, BENCH_LOSSLESS);
        put_found(j, "nearly_lossless", r, run, BENCH_LOSSY);
    }
    puts(json_object_to_json_string_ext(j, JSON_C_TO_STRING_SPACED));
    json_object_put(j);
}
