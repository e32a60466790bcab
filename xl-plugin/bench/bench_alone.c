/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, alone: options and report of bench send and bench receive. */
#include "bench_alone.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <json-c/json.h>

#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/cli/memory.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/demo/ends.h"

#define TO(member) .to = offsetof(struct xf_alone_options, member)

const struct xf_option xf_alone_option_rows[] = {
    {.name = "memory",
     .value = "SIZE",
     .kind = XF_OPTION_OWN,
     .take = xf_ends_take_memory,
     TO(memory_bytes),
     .help = "of the guest (1G)"},
    {.name = "fill",
     .value = "KIND",
     .kind = XF_OPTION_CHOICE,
     .words = xf_ends_fill_words,
     TO(fill),
     .help = "random, zero, compressible, mixed (random)"},
    {.name = "lanes",
     .value = "N",
     .kind = XF_OPTION_COUNT,
     .min = 1,
     .max = XF_ENDS_QUEUES_MAX,
     TO(lanes),
     .help = "threads, as lanes in xl-fast.conf (1)"},
    {.name = "seconds",
     .value = "N",
     .kind = XF_OPTION_SECONDS,
     .min = 1,
     .max = 3600,
     TO(seconds),
     .help = "how long: passes are begun for so long, after one to warm up (5)"},
    {.name = "passes",
     .value = "N",
     .kind = XF_OPTION_NUMBER,
     .min = 1,
     .max = XF_ALONE_PASSES_MAX,
     TO(passes),
     .help = "how many passes, instead"},
    {.name = "json", TO(json), .help = "one object on stdout and nothing else"},
    {0},
};

int xf_alone_options_parse(const struct xf_command *c, struct xf_alone_options *o, unsigned copies,
                           int argc, char **argv)
{
    const uint64_t kib = xf_memory_available_kib();
    struct xf_operands operands;
    char have[32];

    *o = (struct xf_alone_options){
        .memory_bytes = UINT64_C(1) << 30, .lanes = 1, .fill = XF_FILL_RANDOM};
    int status = xf_options_parse(c, o, argc, argv, &operands);

    if (status != XF_GO_ON)
        return status;
    if (o->seconds && o->passes)
        return xf_usage_error(c, "--seconds and --passes do not go together");
    if (!o->passes && !o->seconds)
        o->seconds = 5;
    if (kib && o->memory_bytes / 1024 >= kib / copies)
        return xf_usage_error(c,
                              "this machine has only %s of free memory, and %u times as much as "
                              "--memory is needed: choose a smaller one",
                              xf_number_show_size(have, sizeof(have), kib * 1024), copies);
    return XF_GO_ON;
}

int xf_alone_add(struct xf_alone *a, uint64_t bytes, uint64_t us)
{
    double *more = realloc(a->gbps, (a->passes + 1) * sizeof(*more));

    if (!more)
        return -ENOMEM;
    a->gbps = more;
    a->gbps[a->passes++] = (double)bytes * 8 / (double)(us ? us : 1) / 1e3;
    return 0;
}

uint64_t xf_alone_thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void xf_alone_add_laps(struct xf_laps *to, const struct xf_laps *now, const struct xf_laps *before)
{
    for (unsigned i = 0; i <= XF_STAGE_COUNT; i++)
        to->spent[i] += now->spent[i] - before->spent[i];
    for (unsigned i = 0; i < XF_STAGE_COUNT; i++)
        to->split[i] += now->split[i] - before->split[i];
}

/* ---- what was found ------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static struct json_object *bps_json(double gbps)
{
    return json_object_new_uint64((uint64_t)(gbps * 1e9));
}

static struct json_object *cycles_json(const uint64_t cycles[XF_STAGE_COUNT], uint64_t all,
                                       double pages)
{
    struct json_object *j = json_object_new_object();

    for (unsigned i = 0; i < XF_STAGE_COUNT; i++)
        json_object_object_add(j, xf_stage_names[i], xf_json_tenths((double)cycles[i] / pages));
    json_object_object_add(j, "all", xf_json_tenths((double)all / pages));
    return j;
}

void xf_alone_report(const struct xf_alone_options *o, struct xf_alone *a, const char *what)
{
    const uint64_t pages = a->passes * (o->memory_bytes / XF_PAGE_BYTES);
    uint64_t cycles[XF_STAGE_COUNT], all = xf_laps_read(&a->laps, cycles);
    struct json_object *samples = json_object_new_array(), *j;
    char size[32];

    /* As they came; then in order, for the median. */
    for (uint64_t i = 0; i < a->passes; i++)
        json_object_array_add(samples, bps_json(a->gbps[i]));
    qsort(a->gbps, a->passes, sizeof(*a->gbps), by_size);
    const double median = a->gbps[a->passes / 2];

    if (!o->json) {
        json_object_put(samples);
        printf("%s  %.2f Gbit/s, %.0f ns of CPU time a page: the median of %llu passes over %s "
               "with %u lane%s, which had %.2f to %.2f\n",
               what, median, (double)a->cpu_ns / (double)pages, (unsigned long long)a->passes,
               xf_number_show_size(size, sizeof(size), o->memory_bytes), o->lanes,
               o->lanes == 1 ? "" : "s", a->gbps[0], a->gbps[a->passes - 1]);
        puts("\n  cycles a page");
        for (unsigned i = 0; i < XF_STAGE_COUNT; i++)
            printf("    %-12s %8.0f   %s\n", xf_stage_names[i], (double)cycles[i] / (double)pages,
                   xf_stage_what[i]);
        printf("    all          %8.0f\n", (double)all / (double)pages);
        return;
    }
    j = json_object_new_object();
    json_object_object_add(j, "memory_bps", bps_json(median));
    json_object_object_add(j, "lanes", json_object_new_uint64(o->lanes));
    json_object_object_add(j, "memory_bytes", json_object_new_uint64(o->memory_bytes));
    json_object_object_add(j, "fill", json_object_new_string(xf_ends_fill_name(o->fill)));
    json_object_object_add(j, "passes", json_object_new_uint64(a->passes));
    json_object_object_add(j, "pages", json_object_new_uint64(pages));
    json_object_object_add(j, "cpu_us", json_object_new_uint64(a->cpu_ns / 1000));
    json_object_object_add(j, "control_cpu_us", json_object_new_uint64(a->control_ns / 1000));
    json_object_object_add(j, "cycles_per_page", cycles_json(cycles, all, (double)pages));
    if (a->verified)
        json_object_object_add(j, "verified", json_object_new_boolean(true));
    json_object_object_add(j, "samples_bps", samples);
    puts(json_object_to_json_string_ext(j, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
    json_object_put(j);
}
