/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Demo, options: from the command line to struct xf_demo_options. */
#include "demo_parts.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dpdk/lanes.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/memory.h"
#include "xl-plugin/cli/move_options.h"
#include "xl-plugin/cli/number.h"

#define WRITERS_MAX 64u /* simguest's */

/* What an end needs besides its guest: itself, and of bitmaps for each page. */
#define ENDS_BYTES    (128.0 * (1 << 20))
#define BITMAPS_BYTES 2.0
/* A guest of zeros moves faster. */
#define SLOW_BYTES_PER_S (4.0 * (1 << 30))

/* The other end waits for that. */
#define MEASURE_MAX_S 120

#define TO(member) .to = offsetof(struct xf_demo_options, member)
#define PERCENT(name_, member, help_)                                                              \
    {                                                                                              \
        .name = name_, .value = "PCT", .kind = XF_OPTION_PERCENT, TO(faults.member), .help = help_ \
    }

static const char *take_cpus(const char *text, void *to)
{
    return xf_cpu_list_parse(text, to) ? XF_CPU_LIST_WORDS : NULL;
}

static const char *take_port(const char *text, void *to)
{
    return xf_ends_port_parse(text, to) ? "a port: such as eth1 or NETNS/eth1" : NULL;
}

/* Once for each target. */
static const char *take_target_port(const char *text, void *to)
{
    struct xf_demo_ports *ports = to;

    if (ports->n == XF_MEMBERS_MAX)
        return "fewer of them";
    return take_port(text, &ports->of[ports->n++]);
}

const struct xf_option xf_demo_option_rows[] = {
    {.name = "memory",
     .value = "SIZE",
     .kind = XF_OPTION_OWN,
     .take = xf_ends_take_memory,
     TO(memory_bytes),
     .help = "of the guest (256M)"},
    {.name = "fill",
     .value = "KIND",
     .kind = XF_OPTION_CHOICE,
     .words = xf_ends_fill_words,
     TO(fill),
     .help = "random, zero, compressible (about 3 to 1), or mixed: all of them (mixed)"},
    {.name = "dirty-rate",
     .value = "SIZE",
     .kind = XF_OPTION_BYTE_RATE,
     TO(dirty_bytes_per_s),
     .help = "written to per second while it moves (20M)"},
    {.name = "writers",
     .value = "N",
     .kind = XF_OPTION_COUNT,
     .max = WRITERS_MAX,
     TO(writers),
     .help = "threads that write (1)"},
    XF_MOVE_MAX_DOWNTIME(TO(max_downtime_us), "300"),
    XF_MOVE_ON_BUSY(TO(on_busy), "go"),
    XF_MOVE_DEADLINE(TO(deadline_s), "none"),
    {.name = "measure",
     .value = "SECONDS",
     .kind = XF_OPTION_SECONDS,
     .min = 1,
     .max = MEASURE_MAX_S,
     TO(measure_s),
     .help = "measure first, for so long, what the guest writes, and show what follows from it"},
    XF_MOVE_THROTTLE(TO(throttle)),
    XF_MOVE_BANDWIDTH(TO(bandwidth_bytes_per_s), "none"),
    XF_MOVE_COMPRESS(TO(compress), "auto"),
    {.name = "lanes",
     .value = "N",
     .kind = XF_OPTION_COUNT,
     .min = 1,
     .max = XF_ENDS_QUEUES_MAX,
     TO(lanes),
     .help = "threads at each end that move the guest, a queue of the port each (1)"},
    {.name = "clones",
     .value = "N",
     .kind = XF_OPTION_COUNT,
     .min = 1,
     .max = XF_MEMBERS_MAX,
     TO(clones),
     .help = "copy the guest to so many targets at once, sealed once for all (0: move it to one)"},
    {.name = "by-copies",
     TO(by_copies),
     .help = "with --clones between ports: send to each by itself, and not by multicast"},
    {.name = "verify",
     TO(verify),
     .help = "compare hashes of all pages, while the guest runs and once it is suspended"},
    {.name = "cpus",
     .value = "LIST",
     .kind = XF_OPTION_OWN,
     .take = take_cpus,
     TO(cpus),
     .help = "the CPUs that both ends' threads are kept on, such as 2-5,8 (any)"},
    {.name = "source-port",
     .value = "[NETNS/]PORT",
     .kind = XF_OPTION_OWN,
     .take = take_port,
     TO(source_port),
     .help = "with --target-port: two ports of this machine instead of memif, as xl-fast.conf(5) "
             "names them, if wanted in network namespaces of ip-netns(8) (root)"},
    {.name = "target-port",
     .value = "[NETNS/]PORT",
     .kind = XF_OPTION_OWN,
     .take = take_target_port,
     TO(target_ports),
     .help = "the other one; with --clones one for each, which are reached by multicast"},
    PERCENT("loss", loss_pct, "of packets, each way, below the transport (0)"),
    PERCENT("reorder", reorder_pct, "likewise"),
    PERCENT("duplicate", duplicate_pct, "likewise"),
    PERCENT("corrupt", corrupt_pct, "likewise"),
    {.name = "seed",
     .value = "N",
     .kind = XF_OPTION_NUMBER,
     TO(seed),
     .help = "for the guest's contents and the faults (from the clock, and shown)"},
    {.name = "control",
     .value = "FILE",
     .kind = XF_OPTION_TEXT,
     TO(control),
     .help = "a socket to make, by which xl-fast set steers the demo"},
    {.name = "events",
     .value = "FILE",
     .kind = XF_OPTION_TEXT,
     TO(events),
     .help = "what happens, as lines of JSON, one event each; - is stdout"},
    {.name = "report",
     .value = "FILE",
     .kind = XF_OPTION_TEXT,
     TO(report),
     .help = "a page about it, in HTML"},
    {.name = "timing", TO(timing), .help = "where the cycles of both ends went, stage by stage"},
    {.name = "json", TO(json), .help = "one object on stdout and nothing else"},
    {0},
};

/* What all ends will need, in bytes. A guest of zeros costs what is written to it while it moves,
   at both ends, and page tables for that, which may come to be those of all its memory. */
static double need_bytes(const struct xf_demo_options *o)
{
    const double memory = (double)o->memory_bytes;
    double each = ENDS_BYTES + memory / XF_PAGE_BYTES * BITMAPS_BYTES;
    double written = (double)o->dirty_bytes_per_s * (1 + memory / SLOW_BYTES_PER_S);
    const double ends = 1 + xf_demo_targets(o);

    if (o->fill != XF_FILL_ZERO)
        return ends * (each + memory);
    if (written > memory)
        written = memory;
    return ends * (each + written + (written < memory / 512 ? written : memory / 512));
}

/* Both ends live here; to find that out from the kernel's OOM killer would be rude. */
static int check_memory(const struct xf_command *c, const struct xf_demo_options *o)
{
    const double have = (double)xf_memory_available_kib() * 1024, need = need_bytes(o);
    char size[32], free[32], guests[32] = "two guests";

    if (have <= 0 || need < have)
        return XF_GO_ON;
    if (o->clones > 1)
        snprintf(guests, sizeof(guests), "%u guests", 1 + o->clones);
    return xf_usage_error(c,
                          "%s of %s do not fit: %.1f GiB are needed, and %s are free: take "
                          "a smaller --memory, or %s",
                          guests, xf_number_show_size(size, sizeof(size), o->memory_bytes),
                          need / (1 << 30), xf_number_show_size(free, sizeof(free), (uint64_t)have),
                          o->fill == XF_FILL_ZERO ? "a lower --dirty-rate"
                                                  : "--fill zero, whose pages need none");
}

static int check_cpus(const struct xf_command *c, const struct xf_demo_options *o)
{
    struct xf_cpu_list online;
    char shown[80];

    xf_cpus_online("/sys", &online);
    for (unsigned i = 0; online.n && i < o->cpus.n; i++)
        if (!xf_cpu_list_has(&online, o->cpus.cpus[i]))
            return xf_usage_error(c, "--cpus: there is no CPU %u, this host has %s",
                                  o->cpus.cpus[i], xf_cpu_list_show(&online, shown, sizeof(shown)));
    return XF_GO_ON;
}

int xf_demo_options_parse(const struct xf_command *c, struct xf_demo_options *o, int argc,
                          char **argv)
{
    struct xf_operands operands;
    struct timespec now;
    int status;

    clock_gettime(CLOCK_REALTIME, &now);
    *o = (struct xf_demo_options){
        .memory_bytes = UINT64_C(256) << 20,
        .fill = XF_FILL_MIXED,
        .dirty_bytes_per_s = UINT64_C(20) << 20,
        .writers = 1,
        .seed = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
        .lanes = 1,
    };
    status = xf_options_parse(c, o, argc, argv, &operands);
    if (status != XF_GO_ON)
        return status;
    if (o->report && !strcmp(o->report, "-"))
        return xf_usage_error(c, "--report: '-' is not a file");
    if (o->json && o->events && !strcmp(o->events, "-"))
        return xf_usage_error(c, "--json and --events - both need stdout");
    if (o->report && o->events && !strcmp(o->events, "-"))
        return xf_usage_error(c, "--report needs a file's events, not those of --events -");
    if (check_cpus(c, o) != XF_GO_ON)
        return XF_EXIT_USAGE;
    if (!o->source_port.port != !o->target_ports.n)
        return xf_usage_error(c, "--source-port and --target-port go together");
    if (o->by_copies && (!o->clones || !o->target_ports.n))
        return xf_usage_error(c, "--by-copies goes with --clones and ports");
    if (o->target_ports.n && o->target_ports.n != xf_demo_targets(o))
        return xf_usage_error(c, "--target-port: once for each target, that is %u times and not %u",
                              xf_demo_targets(o), o->target_ports.n);
    if (!o->writers || !o->dirty_bytes_per_s) /* nobody writes: either of them says so */
        o->writers = 0, o->dirty_bytes_per_s = 0;
    return check_memory(c, o);
}
