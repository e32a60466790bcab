/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, interval: the difference of two samples, its line and its JSON. */
#include "bench_interval.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "xl-plugin/cli/json_text.h"

#define ROOM_FIRST 16u

static uint64_t less(uint64_t to, uint64_t from)
{
    return to > from ? to - from : 0;
}

double xf_bench_cpu_pct(uint64_t cpu_us, uint64_t us)
{
    return us ? 100.0 * (double)cpu_us / (double)us : NAN;
}

struct xf_bench_interval xf_bench_interval_of(const struct xf_bench_sample *a,
                                              const struct xf_bench_sample *b, uint64_t zero_us,
                                              bool omitted)
{
    uint64_t us = less(b->now_us, a->now_us);
    double seconds = (double)(us ? us : 1) / 1e6;

    return (struct xf_bench_interval){
        .start_us = less(a->now_us, zero_us),
        .end_us = less(b->now_us, zero_us),
        .omitted = omitted,
        .packets = less(b->packets, a->packets),
        .lost = less(b->lost, a->lost),
        .bps = (double)less(b->bytes, a->bytes) * 8 / seconds,
        .pps = (double)less(b->packets, a->packets) / seconds,
        .source_cpu_pct = xf_bench_cpu_pct(less(b->source_cpu_us, a->source_cpu_us), us),
        .target_cpu_pct = xf_bench_cpu_pct(less(b->target_cpu_us, a->target_cpu_us),
                                           less(b->target_us, a->target_us)),
    };
}

void xf_bench_interval_print_columns(void)
{
    puts("                      Gbit/s                                  CPU %\n"
         "  interval s            wire    Mpps    packets     lost  source  target");
}

static void print_pct(double pct)
{
    if (isnan(pct))
        printf(" %7s", "-");
    else
        printf(" %7.1f", pct);
}

void xf_bench_interval_print(const struct xf_bench_interval *i)
{
    char span[40];

    snprintf(span, sizeof(span), "%.2f-%.2f", (double)i->start_us / 1e6, (double)i->end_us / 1e6);
    printf("  %-18s %7.2f %7.3f %10" PRIu64 " %8" PRIu64, span, i->bps / 1e9, i->pps / 1e6,
           i->packets, i->lost);
    print_pct(i->source_cpu_pct);
    print_pct(i->target_cpu_pct);
    puts(i->omitted ? "  omit" : "");
    fflush(stdout);
}

struct json_object *xf_bench_interval_json(const struct xf_bench_interval *i)
{
    struct json_object *j = json_object_new_object();

    json_object_object_add(j, "start_us", json_object_new_uint64(i->start_us));
    json_object_object_add(j, "end_us", json_object_new_uint64(i->end_us));
    json_object_object_add(j, "omitted", json_object_new_boolean(i->omitted));
    json_object_object_add(j, "wire_bps", json_object_new_uint64((uint64_t)i->bps));
    json_object_object_add(j, "rate_pps", json_object_new_uint64((uint64_t)i->pps));
    json_object_object_add(j, "packets_sent", json_object_new_uint64(i->packets));
    json_object_object_add(j, "packets_lost", json_object_new_uint64(i->lost));
    json_object_object_add(j, "source_cpu_pct", xf_json_tenths(i->source_cpu_pct));
    json_object_object_add(j, "target_cpu_pct", xf_json_tenths(i->target_cpu_pct));
    return j;
}

void xf_bench_intervals_add(struct xf_bench_intervals *to, const struct xf_bench_interval *i)
{
    if (to->n == to->room) {
        unsigned room = to->room ? 2 * to->room : ROOM_FIRST;
        void *all = reallocarray(to->all, room, sizeof(*to->all));

        if (!all)
            return;
        to->all = all;
        to->room = room;
    }
    to->all[to->n++] = *i;
}

struct json_object *xf_bench_intervals_json(const struct xf_bench_intervals *all)
{
    struct json_object *j = json_object_new_array();

    for (unsigned i = 0; i < all->n; i++)
        json_object_array_add(j, xf_bench_interval_json(&all->all[i]));
    return j;
}

void xf_bench_intervals_clear(struct xf_bench_intervals *all)
{
    free(all->all);
    *all = (struct xf_bench_intervals){0};
}
