/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Demo, options: from the command line to struct demo_options. */
#include "demo.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "transport/base/rate.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/memory.h"
#include "xl-plugin/cli/number.h"

#define WRITERS_MAX 64u /* simguest's */

/* What an end needs besides its guest: itself, and of bitmaps for each page. */
#define ENDS_BYTES    (128.0 * (1 << 20))
#define BITMAPS_BYTES 2.0
/* A guest of zeros moves faster. */
#define SLOW_BYTES_PER_S (4.0 * (1 << 30))

static const char help[] =
    "usage: xl-fast demo [OPTION...]\n"
    "\n"
    "Migrates a simulated guest that is being written to between two processes of this machine,\n"
    "over DPDK's memif, and proves that both ends' memory is the same. Needs no Xen, NIC, root or\n"
    "hugepages.\n"
    "\n"
    "  --memory SIZE        of the guest (256M)\n"
    "  --fill KIND          random, zero, compressible (about 3 to 1), or mixed: all of them "
    "(mixed)\n"
    "  --dirty-rate SIZE    written to per second while it moves (20M)\n"
    "  --writers N          threads that write (1)\n"
    "  --max-downtime MS    the blackout to aim for (300)\n"
    "  --on-busy WHAT       if the guest writes too fast for that, go: it moves all the same;\n"
    "                       abort: it stays at the source (go)\n"
    "  --throttle           slow the guest down before that, by half at a time, until it can move\n"
    "  --bandwidth RATE     limit on the wire, bits per second, such as 500M or 2.5G (none)\n"
    "  --compress WHEN      auto: pages go compressed while that is faster; lz4: always; none "
    "(auto)\n"
    "  --queues N           of the port (1)\n"
    "  --source-port [NETNS/]PORT  --target-port [NETNS/]PORT\n"
    "                       two ports of this machine instead of memif, as xl-fast.conf(5) names\n"
    "                       them, if wanted in network namespaces of ip-netns(8) (root)\n"
    "  --loss PCT           of packets, each way, below the transport (0); and likewise\n"
    "  --reorder PCT  --duplicate PCT  --corrupt PCT\n"
    "  --seed N             for the guest's contents and the faults (from the clock, and shown)\n"
    "  --events FILE        what happens, as lines of JSON, one event each; - is stdout\n"
    "  --report FILE        a page about it, in HTML\n"
    "  --timing             where the cycles of both ends went, stage by stage\n"
    "  --json               one object on stdout and nothing else\n"
    "\n"
    "SIZE takes K, M, G or T (binary). Exit status: 0 verified, 1 failed, 2 wrong options,\n"
    "5 given up by --on-busy abort.\n";

enum {
    MEMORY = 1,
    FILL,
    RATE,
    WRITERS,
    DOWNTIME,
    ON_BUSY,
    BANDWIDTH,
    COMPRESS,
    QUEUES,
    SOURCE_PORT,
    TARGET_PORT,
    LOSS,
    REORDER,
    DUPLICATE,
    CORRUPT,
    SEED,
    EVENTS,
    REPORT
};

static const struct option options[] = {
    {"memory", required_argument, NULL, MEMORY},
    {"fill", required_argument, NULL, FILL},
    {"dirty-rate", required_argument, NULL, RATE},
    {"writers", required_argument, NULL, WRITERS},
    {"max-downtime", required_argument, NULL, DOWNTIME},
    {"on-busy", required_argument, NULL, ON_BUSY},
    {"bandwidth", required_argument, NULL, BANDWIDTH},
    {"compress", required_argument, NULL, COMPRESS},
    {"queues", required_argument, NULL, QUEUES},
    {"source-port", required_argument, NULL, SOURCE_PORT},
    {"target-port", required_argument, NULL, TARGET_PORT},
    {"loss", required_argument, NULL, LOSS},
    {"reorder", required_argument, NULL, REORDER},
    {"duplicate", required_argument, NULL, DUPLICATE},
    {"corrupt", required_argument, NULL, CORRUPT},
    {"seed", required_argument, NULL, SEED},
    {"events", required_argument, NULL, EVENTS},
    {"report", required_argument, NULL, REPORT},
    {"throttle", no_argument, NULL, 's'},
    {"timing", no_argument, NULL, 't'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* NULL, or what the option wants instead. */
static const char *take(struct demo_options *o, int option, const char *text)
{
    uint64_t ms;

    switch (option) {
    case MEMORY:
        return xf_ends_memory_parse(text, &o->memory_bytes)
                   ? "a size of whole 4K pages, such as 512M"
                   : NULL;
    case FILL:
        return xf_ends_fill_parse(text, &o->fill) ? "random, zero, compressible or mixed" : NULL;
    case RATE:
        return xf_number_size(text, &o->dirty_bytes_per_s) ? "a size, such as 50M" : NULL;
    case WRITERS:
        return xf_number_unsigned(text, 0, WRITERS_MAX, &o->writers) ? "a number from 0 to 64"
                                                                     : NULL;
    case DOWNTIME:
        if (xf_number_u64(text, 1, 3600000, &ms))
            return "milliseconds from 1 to 3600000";
        o->max_downtime_us = ms * 1000;
        return NULL;
    case ON_BUSY:
        return xf_on_busy_parse(text, &o->on_busy) ? "go or abort" : NULL;
    case BANDWIDTH:
        return xf_rate_parse(text, &o->bandwidth_bytes_per_s) ? "bits per second, such as 2.5G"
                                                              : NULL;
    case COMPRESS:
        return xf_compress_mode_parse(text, &o->compress) ? XF_COMPRESS_WORDS : NULL;
    case SOURCE_PORT:
    case TARGET_PORT:
        return xf_ends_port_parse(text, &o->ports[option - SOURCE_PORT]) ? "[NETNS/]PORT" : NULL;
    case QUEUES:
        return xf_number_unsigned(text, 1, XF_ENDS_QUEUES_MAX, &o->queues) ? "a number from 1 to 16"
                                                                           : NULL;
    case LOSS:
        return xf_number_percent(text, &o->faults.loss_pct) ? "a percentage" : NULL;
    case REORDER:
        return xf_number_percent(text, &o->faults.reorder_pct) ? "a percentage" : NULL;
    case DUPLICATE:
        return xf_number_percent(text, &o->faults.duplicate_pct) ? "a percentage" : NULL;
    case CORRUPT:
        return xf_number_percent(text, &o->faults.corrupt_pct) ? "a percentage" : NULL;
    case EVENTS:
        o->events = text;
        return text[0] ? NULL : "a file, or - for stdout";
    case REPORT:
        o->report = text;
        return text[0] && strcmp(text, "-") ? NULL : "a file";
    default:
        return xf_number_u64(text, 0, UINT64_MAX, &o->seed) ? "a whole number" : NULL;
    }
}

/* What both ends will need, in bytes. A guest of zeros costs what is written to it while it moves,
   at both ends, and page tables for that, which may come to be those of all its memory. */
static double need_bytes(const struct demo_options *o)
{
    const double memory = (double)o->memory_bytes;
    double each = ENDS_BYTES + memory / XF_PAGE_BYTES * BITMAPS_BYTES;
    double written = (double)o->dirty_bytes_per_s * (1 + memory / SLOW_BYTES_PER_S);

    if (o->fill != XF_FILL_ZERO)
        return 2 * (each + memory);
    if (written > memory)
        written = memory;
    return 2 * (each + written + (written < memory / 512 ? written : memory / 512));
}

/* Both ends live here; to find that out from the kernel's OOM killer would be rude. */
static int check_memory(const struct demo_options *o)
{
    const double have = (double)xf_memory_available_kib() * 1024, need = need_bytes(o);
    char size[32], free[32];

    if (have <= 0 || need < have)
        return 0;
    fprintf(stderr,
            "xl-fast demo: two guests of %s do not fit: %.1f GiB are needed, and %s are free: take "
            "a smaller --memory, or %s\n",
            xf_number_show_size(size, sizeof(size), o->memory_bytes), need / (1 << 30),
            xf_number_show_size(free, sizeof(free), (uint64_t)have),
            o->fill == XF_FILL_ZERO ? "a lower --dirty-rate"
                                    : "--fill zero, whose pages need none");
    return -1;
}

int demo_options_parse(struct demo_options *o, int argc, char **argv, int *status)
{
    struct timespec now;
    int c, index;

    clock_gettime(CLOCK_REALTIME, &now);
    *o = (struct demo_options){
        .memory_bytes = UINT64_C(256) << 20,
        .fill = XF_FILL_MIXED,
        .dirty_bytes_per_s = UINT64_C(20) << 20,
        .writers = 1,
        .seed = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
        .queues = 1,
    };
    *status = XF_EXIT_USAGE;
    opterr = 0;
    optind = 1;
    while ((c = getopt_long(argc, argv, ":", options, &index)) != -1) {
        const char *wants;

        if (c == 'h') {
            fputs(help, stdout);
            *status = XF_EXIT_OK;
            return 1;
        }
        if (c == 'j') {
            o->json = true;
            continue;
        }
        if (c == 's') {
            o->throttle = true;
            continue;
        }
        if (c == 't') {
            o->timing = true;
            continue;
        }
        if (c == '?' || c == ':') {
            fprintf(stderr, "xl-fast demo: %s %s; see xl-fast demo --help\n", argv[optind - 1],
                    c == '?' ? "is no option" : "wants a value");
            return 1;
        }
        wants = take(o, c, optarg);
        if (wants) {
            fprintf(stderr, "xl-fast demo: --%s wants %s, not '%s'\n", options[index].name, wants,
                    optarg);
            return 1;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "xl-fast demo: '%s' is no option; see xl-fast demo --help\n", argv[optind]);
        return 1;
    }
    if (o->json && o->events && !strcmp(o->events, "-")) {
        fputs("xl-fast demo: --json and --events - both want stdout\n", stderr);
        return 1;
    }
    if (o->report && o->events && !strcmp(o->events, "-")) {
        fputs("xl-fast demo: --report is made of a file's events, not of --events -\n", stderr);
        return 1;
    }
    if (!o->ports[0].port != !o->ports[1].port) {
        fputs("xl-fast demo: --source-port and --target-port go together\n", stderr);
        return 1;
    }
    if (!o->writers || !o->dirty_bytes_per_s) /* nobody writes: either of them says so */
        o->writers = 0, o->dirty_bytes_per_s = 0;
    return check_memory(o) ? 1 : 0;
}
