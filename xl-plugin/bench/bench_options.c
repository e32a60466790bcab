/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, options of `xl-fast bench link`: from the command line to struct xf_bench_options. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dpdk/frame.h"
#include "dpdk/spec.h"
#include "transport/wire.h"
#include "bench_packet.h"
#include "bench_run.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/memory.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/cli/words.h"
#include "xl-plugin/recover/recover_reach.h"

#define INTERVAL_MAX_US UINT64_C(3600000000)

#define MTU_MIN (XF_PAYLOAD_MIN + XF_FRAME_MTU_OVERHEAD)

/* A value of a list. */
typedef int parse_value(const char *text, uint32_t *value);

static int parse_mtu(const char *text, uint32_t *value)
{
    return xf_number_unsigned(text, MTU_MIN, XF_SPEC_MTU_MAX, value);
}

static int parse_queues(const char *text, uint32_t *value)
{
    return xf_number_unsigned(text, 1, XF_ENDS_QUEUES_MAX, value);
}

static int parse_compress(const char *text, uint32_t *value)
{
    enum xf_compress_mode mode = XF_COMPRESS_NONE;
    int rc = xf_compress_mode_parse(text, &mode);

    *value = mode;
    return rc;
}

static int parse_fill(const char *text, uint32_t *value)
{
    enum xf_simguest_fill fill = XF_FILL_RANDOM;
    int rc = xf_ends_fill_parse(text, &fill);

    *value = fill;
    return rc;
}

static int parse_list(const char *text, parse_value *parse, struct xf_bench_list *list)
{
    char one[32];

    for (list->n = 0; list->n < BENCH_LIST_MAX;) {
        size_t n = strcspn(text, ",");

        if (n >= sizeof(one))
            return -1;
        memcpy(one, text, n);
        one[n] = 0;
        if (parse(one, &list->values[list->n++]))
            return -1;
        if (!text[n])
            return 0;
        text += n + 1;
    }
    return -1;
}

static const char *take_port(const char *text, void *to)
{
    struct xf_ends_port *port = to;

    return xf_ends_port_parse(text, port) ||
                   strlen(port->port) >= sizeof(((struct xf_bench_order *)0)->port)
               ? "a port: such as eth1 or NETNS/eth1"
               : NULL;
}

static const char *take_mtus(const char *text, void *to)
{
    return parse_list(text, parse_mtu, to) ? "numbers from 1260 to 9000: such as 1500,9000" : NULL;
}

static const char *take_queues(const char *text, void *to)
{
    return parse_list(text, parse_queues, to) ? "numbers from 1 to 16: such as 1,2,4" : NULL;
}

static int parse_size(const char *text, uint32_t *value)
{
    return xf_number_unsigned(text, BENCH_SIZE_MIN, XF_PAYLOAD_MAX, value);
}

/* The sizes that RFC 2544 has for Ethernet, as far as they can be; the last is the largest. */
static const struct xf_bench_list size_sweep = {
    .n = 7, .values = {BENCH_SIZE_MIN, 128, 256, 512, 1024, 1280, 0}};

static const char *take_sizes(const char *text, void *to)
{
    if (!strcmp(text, "sweep")) {
        memcpy(to, &size_sweep, sizeof(size_sweep));
        return NULL;
    }
    return parse_list(text, parse_size, to) ? "sweep, or numbers from 64: such as 64,1472" : NULL;
}

static const char *take_compress(const char *text, void *to)
{
    return parse_list(text, parse_compress, to) ? "some of " XF_COMPRESS_WORDS : NULL;
}

static const char *take_fills(const char *text, void *to)
{
    return parse_list(text, parse_fill, to) ? "some of random, zero, compressible, mixed" : NULL;
}

static const char *take_interval(const char *text, void *to)
{
    uint64_t *us = to;

    return xf_number_time(text, 1000000, us) || *us < 4 * BENCH_TICK_MIN_US || *us > INTERVAL_MAX_US
               ? "a time from 0.1 to 3600 s: such as 1, 0.5 or 500ms"
               : NULL;
}

static const char *const seals[] = {[BENCH_SEAL_AES] = "aes", [BENCH_SEAL_NONE] = "none", NULL};
static const char *const sinks[] = {
    [BENCH_SINK_MEMORY] = "memory", [BENCH_SINK_NULL] = "null", NULL};

#define TO(member) .to = offsetof(struct xf_bench_options, member)

const struct xf_option xf_bench_link_option_rows[] = {
    {.name = "memory",
     .value = "SIZE",
     .kind = XF_OPTION_OWN,
     .take = xf_ends_take_memory,
     TO(memory_bytes),
     .help = "of the source (1G)"},
    {.name = "seconds",
     .letter = 't',
     .value = "N",
     .kind = XF_OPTION_SECONDS,
     .min = 1,
     .max = 86400,
     TO(seconds),
     .help = "how long, after a pass over the memory to warm up (5)"},
    {.name = "omit",
     .letter = 'O',
     .value = "N",
     .kind = XF_OPTION_SECONDS,
     .min = 0,
     .max = 3600,
     TO(omit),
     .help = "leave out the first seconds, too (0): at least the first pass is left out"},
    {.name = "interval",
     .letter = 'i',
     .value = "SECONDS",
     .kind = XF_OPTION_OWN,
     .take = take_interval,
     TO(interval_us),
     .help = "a line each such time: rate, packets, lost ones, CPU time of both ends' threads"},
    {.name = "passes",
     .value = "N",
     .kind = XF_OPTION_NUMBER,
     .min = 1,
     .max = 1000000,
     TO(passes),
     .help = "how many passes over the memory, instead"},
    {.name = "sink",
     .value = "WHAT",
     .kind = XF_OPTION_CHOICE,
     .words = sinks,
     TO(sink),
     .help = "memory: the target writes the pages, and at the end both ends' hashes are compared; "
             "null: it opens them and drops them (memory)"},
    {.name = "source-port",
     .value = "[NETNS/]PORT",
     .kind = XF_OPTION_OWN,
     .take = take_port,
     TO(ports[0]),
     .help = "with --target-port: these ports instead, as xl-fast.conf(5) names them, if wanted in "
             "network namespaces of ip-netns(8) (root); addresses 192.0.2.1 and 192.0.2.2"},
    {.name = "target-port",
     .value = "[NETNS/]PORT",
     .kind = XF_OPTION_OWN,
     .take = take_port,
     TO(ports[1]),
     .help = "the other one"},
    {.name = "multicast",
     TO(multicast),
     .help = "send to a group whose one member the target is: whether multicast passes the "
             "switches, and how fast"},
    {.name = "runs",
     .value = "N",
     .kind = XF_OPTION_COUNT,
     .min = 1,
     .max = BENCH_RUNS_MAX,
     TO(runs),
     .help = "of each combination; the one in the middle is shown (1)"},
    {.name = "timing",
     TO(timing),
     .help = "the same by queue, and where the cycles of both ends went"},
    {.name = "json",
     .letter = 'J',
     TO(json),
     .help = "a line for each run, one JSON object, and nothing else on stdout; the intervals are "
             "in it"},
    {.letter = 's',
     .value = "SSHCOMMAND",
     .kind = XF_OPTION_TEXT,
     TO(ssh),
     .help = "instead of ssh, as in xl migrate"},
    {.name = "serve", TO(serve), .help = "be the target, by stdin and stdout, as ssh starts it"},
    {.kind = XF_OPTION_HEADING,
     .help = "Of these all combinations are run, if they are lists, such as 1,2,4:"},
    {.name = "mtu",
     .value = "N,...",
     .kind = XF_OPTION_OWN,
     .take = take_mtus,
     TO(mtus),
     .help = "of both ports (the largest)"},
    {.name = "queues",
     .letter = 'P',
     .value = "N,...",
     .kind = XF_OPTION_OWN,
     .take = take_queues,
     TO(queues),
     .help = "of both ports, a thread an end each (1): lanes, iperf3's streams"},
    {.name = "compress",
     .value = "WHEN,...",
     .kind = XF_OPTION_OWN,
     .take = take_compress,
     .words = xf_words_compress,
     TO(compress),
     .help = XF_COMPRESS_WORDS " (none)"},
    {.name = "fill",
     .value = "KIND,...",
     .kind = XF_OPTION_OWN,
     .take = take_fills,
     .words = xf_ends_fill_words,
     TO(fills),
     .help = "random, zero, compressible, mixed (random)"},
    {.kind = XF_OPTION_HEADING,
     .help = "Any of these measures packets alone, without a migration and its congestion\n"
             "control: what the path cannot carry is lost. Each queue has a thread then:"},
    {.name = "search",
     TO(search),
     .help = "the highest rate without loss, and with at most 0.5 %, by bisection (RFC 2544), to "
             "within 1 %; a trial lasts --seconds (1)"},
    {.name = "rate",
     .value = "RATE",
     .kind = XF_OPTION_RATE,
     TO(rate_Bps),
     .help = "one trial at this rate on the wire, such as 10Gbit (as fast as it goes)"},
    {.name = "size",
     .letter = 'l',
     .value = "BYTES,...",
     .kind = XF_OPTION_OWN,
     .take = take_sizes,
     TO(sizes),
     .help = "UDP payload of a packet, or sweep: 64 to 1280 and the largest (the largest)"},
    {.name = "bidir", TO(bidir), .help = "both directions at once"},
    {.name = "burst",
     .value = "N",
     .kind = XF_OPTION_COUNT,
     .min = 1,
     .max = XF_BURST_MAX,
     TO(burst),
     .help = "packets at once (32)"},
    {.name = "seal",
     .value = "HOW",
     .kind = XF_OPTION_CHOICE,
     .words = seals,
     TO(seal),
     .help = "aes: as a migration's packets; none: in the clear, to tell the NIC from the cipher "
             "(aes)"},
    {.kind = XF_OPTION_HEADING, .help = "As iperf3 and dpdk-testpmd call them:"},
    {.name = "time", .value = "N", .kind = XF_OPTION_SAME, .help = "seconds"},
    {.name = "parallel", .value = "N", .kind = XF_OPTION_SAME, .help = "queues"},
    {.name = "txq", .value = "N", .kind = XF_OPTION_SAME, .help = "queues"},
    {.name = "rxq", .value = "N", .kind = XF_OPTION_SAME, .help = "queues"},
    {.name = "stats-period", .value = "SECONDS", .kind = XF_OPTION_SAME, .help = "interval"},
    {0},
};

static void use_defaults(struct xf_bench_options *o)
{
    if (!o->memory_bytes)
        o->memory_bytes = o->packets ? XF_PAGE_BYTES : UINT64_C(1) << 30;
    if (!o->compress.n)
        o->compress = (struct xf_bench_list){.n = 1, .values = {XF_COMPRESS_NONE}};
    if (!o->fills.n)
        o->fills = (struct xf_bench_list){.n = 1, .values = {XF_FILL_RANDOM}};
    if (!o->sizes.n)
        o->sizes = (struct xf_bench_list){.n = 1};
}

/* Packets alone: what is of a migration is refused, so that nobody takes it for measured. */
static int check_packets(const struct xf_command *c, struct xf_bench_options *o)
{
    const struct {
        const char *name;
        bool given;
    } others[] = {
        {"memory", o->memory_bytes},  {"passes", o->passes},       {"sink", o->sink},
        {"compress", o->compress.n},  {"fill", o->fills.n},        {"timing", o->timing},
        {"interval", o->interval_us}, {"multicast", o->multicast},
    };

    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (others[i].given)
            return xf_usage_error(c,
                                  "--%s is of a migration, and not of packets alone, which "
                                  "--search, --rate, --size, --bidir, --burst and --seal mean",
                                  others[i].name);
    if (o->search && o->rate_Bps)
        return xf_usage_error(c, "--search and --rate do not go together");
    if (!o->ports[0].port != !o->ports[1].port)
        return xf_usage_error(c, "--source-port and --target-port go together");
    if (!o->seconds)
        o->seconds = o->search ? 1 : 5;
    use_defaults(o);
    return XF_GO_ON;
}

/* What only makes sense, or not, with other options. */
static int check(const struct xf_command *c, struct xf_bench_options *o,
                 const struct xf_operands *operands)
{
    uint64_t kib = xf_memory_available_kib();
    char have[32];
    unsigned here;

    o->host = operands->n ? operands->words[0] : NULL;
    if (o->host && o->serve)
        return xf_usage_error(c, "--serve takes no HOST, and not '%s'", o->host);
    if (o->host && !xf_reach_host_ok(o->host))
        return xf_usage_error(c, "'%s' is not a host name", o->host);
    o->packets =
        o->search || o->rate_Bps || o->sizes.n || o->bidir || o->burst || o->seal != BENCH_SEAL_AES;
    if (o->packets)
        return check_packets(c, o);
    if (o->seconds && o->passes)
        return xf_usage_error(c, "--seconds and --passes do not go together");
    if (!o->ports[0].port != !o->ports[1].port)
        return xf_usage_error(c, "--source-port and --target-port go together");
    if (o->multicast && !o->host && !o->ports[0].port)
        return xf_usage_error(
            c, "--multicast needs HOST, or --source-port and --target-port: a memif has no groups");
    if (!o->seconds && !o->passes)
        o->seconds = 5;
    use_defaults(o);
    here = !o->host && o->sink == BENCH_SINK_MEMORY ? 2 : 1;
    if (!o->serve && kib && o->memory_bytes / 1024 >= kib / here)
        return xf_usage_error(c,
                              "this machine has only %s of free memory: choose a smaller --memory",
                              xf_number_show_size(have, sizeof(have), kib * 1024));
    return XF_GO_ON;
}

int xf_bench_options_parse(const struct xf_command *c, struct xf_bench_options *o, int argc,
                           char **argv)
{
    struct xf_operands operands;
    struct timespec now;
    int status;

    clock_gettime(CLOCK_REALTIME, &now);
    *o = (struct xf_bench_options){
        .ssh = XF_REACH_SSH,
        .seed = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
        .runs = 1,
        .mtus = {.n = 1},
        .queues = {.n = 1, .values = {1}},
    };
    status = xf_options_parse(c, o, argc, argv, &operands);
    return status == XF_GO_ON ? check(c, o, &operands) : status;
}
