/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, options of `xl-fast bench link`: from the command line to struct bench_options. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dpdk/frame.h"
#include "dpdk/spec.h"
#include "transport/wire.h"
#include "bench.h"
#include "bench_link.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/memory.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/recover/recover_reach.h"

#define MTU_MIN (XF_PAYLOAD_MIN + XF_FRAME_MTU_OVERHEAD)

const char bench_link_help[] =
    "usage: xl-fast bench link [OPTION...] [HOST]\n"
    "       xl-fast bench link --serve\n"
    "\n"
    "How fast a migration's transport is: memory of made-up contents, which nobody writes to, "
    "goes\n"
    "again and again from a source to a target. Without HOST both are processes of this machine,\n"
    "over DPDK's memif. With HOST the target is started there by ssh, and each end takes the port\n"
    "of its own xl-fast.conf. Encryption and burst size are a migration's.\n"
    "\n"
    "  --memory SIZE      of the source (1G)\n"
    "  --seconds N        how long, after a pass over the memory to warm up (5)\n"
    "  --passes N         how many passes over the memory, instead\n"
    "  --sink WHAT        memory: the target writes the pages, and at the end both ends' hashes "
    "are\n"
    "                     compared; null: it opens them and drops them (memory)\n"
    "  --source-port [NETNS/]PORT  --target-port [NETNS/]PORT\n"
    "                     these ports instead, as xl-fast.conf(5) names them, if wanted in "
    "network\n"
    "                     namespaces of ip-netns(8) (root); addresses 192.0.2.1 and 192.0.2.2\n"
    "  --runs N           of each combination; the one in the middle is shown (1)\n"
    "  --timing           the same by queue, and where the cycles of both ends went\n"
    "  --json             a line for each run, one JSON object, and nothing else on stdout\n"
    "  -s SSHCOMMAND      instead of ssh, as in xl migrate\n"
    "  --serve            be the target, by stdin and stdout, as ssh starts it\n"
    "\n"
    "Of these all combinations are run, if they are lists, such as 1,2,4:\n"
    "\n"
    "  --mtu N,...        of both ports (the largest)\n"
    "  --queues N,...     of both ports (1)\n"
    "  --compress WHEN,...  auto, lz4, none (none)\n"
    "  --fill KIND,...    random, zero, compressible, mixed (random)\n"
    "\n"
    "SIZE takes K, M, G or T (binary). Exit status: 0 measured, 1 failed, 2 wrong options.\n";

enum {
    MEMORY = 1,
    SECONDS,
    PASSES,
    SINK,
    SOURCE_PORT,
    TARGET_PORT,
    RUNS,
    MTU,
    QUEUES,
    COMPRESS,
    FILL,
};

static const struct option options[] = {
    {"json", no_argument, NULL, 'j'},
    {"serve", no_argument, NULL, 'S'},
    {"timing", no_argument, NULL, 't'},
    {"memory", required_argument, NULL, MEMORY},
    {"seconds", required_argument, NULL, SECONDS},
    {"passes", required_argument, NULL, PASSES},
    {"sink", required_argument, NULL, SINK},
    {"source-port", required_argument, NULL, SOURCE_PORT},
    {"target-port", required_argument, NULL, TARGET_PORT},
    {"runs", required_argument, NULL, RUNS},
    {"mtu", required_argument, NULL, MTU},
    {"queues", required_argument, NULL, QUEUES},
    {"compress", required_argument, NULL, COMPRESS},
    {"fill", required_argument, NULL, FILL},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

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

static int parse_list(const char *text, parse_value *parse, struct bench_list *list)
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

static int parse_sink(const char *text, enum bench_sink *sink)
{
    *sink = strcmp(text, "null") ? BENCH_SINK_MEMORY : BENCH_SINK_NULL;
    return *sink == BENCH_SINK_MEMORY && strcmp(text, "memory");
}

/* NULL, or what the option wants instead. */
static const char *take(struct bench_options *o, int option, const char *text)
{
    switch (option) {
    case MEMORY:
        return xf_ends_memory_parse(text, &o->memory_bytes)
                   ? "a size of whole 4K pages, such as 512M"
                   : NULL;
    case SECONDS:
        return xf_number_u64(text, 1, 86400, &o->seconds) ? "a number from 1 to 86400" : NULL;
    case PASSES:
        return xf_number_u64(text, 1, 1000000, &o->passes) ? "a number from 1 to 1000000" : NULL;
    case SINK:
        return parse_sink(text, &o->sink) ? "memory or null" : NULL;
    case SOURCE_PORT:
    case TARGET_PORT:
        return xf_ends_port_parse(text, &o->ports[option - SOURCE_PORT]) ||
                       strlen(o->ports[option - SOURCE_PORT].port) >=
                           sizeof(((struct bench_order *)0)->port)
                   ? "[NETNS/]PORT"
                   : NULL;
    case RUNS:
        return xf_number_unsigned(text, 1, BENCH_RUNS_MAX, &o->runs) ? "a number from 1 to 100"
                                                                     : NULL;
    case MTU:
        return parse_list(text, parse_mtu, &o->mtus) ? "numbers from 1260 to 9000" : NULL;
    case QUEUES:
        return parse_list(text, parse_queues, &o->queues) ? "numbers from 1 to 16" : NULL;
    case COMPRESS:
        return parse_list(text, parse_compress, &o->compress) ? XF_COMPRESS_WORDS : NULL;
    default:
        return parse_list(text, parse_fill, &o->fills) ? "random, zero, compressible or mixed"
                                                       : NULL;
    }
}

static int usage_error(const char *what, const char *wants)
{
    fprintf(stderr, "xl-fast bench link: %s %s; see xl-fast bench link --help\n", what, wants);
    return 1;
}

static const char *too_little(char *out, size_t size, uint64_t kib)
{
    char have[32];

    snprintf(out, size, "has not so much free memory, but %s: --memory",
             xf_number_show_size(have, sizeof(have), kib * 1024));
    return out;
}

/* What only makes sense, or not, with other options. */
static int check(struct bench_options *o, int operands, char **operand)
{
    uint64_t kib = xf_memory_available_kib();
    char text[96];
    unsigned here;

    if (operands > (o->serve ? 0 : 1))
        return usage_error(operand[operands - 1], "is one HOST too many");
    o->host = operands ? operand[0] : NULL;
    if (o->host && !xf_reach_host_ok(o->host))
        return usage_error(o->host, "is no host name");
    if (o->seconds && o->passes)
        return usage_error("--seconds and --passes", "do not go together");
    if (!o->ports[0].port != !o->ports[1].port)
        return usage_error("--source-port and --target-port", "go together");
    if (!o->seconds && !o->passes)
        o->seconds = 5;
    here = !o->host && o->sink == BENCH_SINK_MEMORY ? 2 : 1;
    if (!o->serve && kib && o->memory_bytes / 1024 >= kib / here)
        return usage_error("this machine", too_little(text, sizeof(text), kib));
    return 0;
}

int bench_options_parse(struct bench_options *o, int argc, char **argv, int *status)
{
    struct timespec now;
    int c, index;

    clock_gettime(CLOCK_REALTIME, &now);
    *o = (struct bench_options){
        .ssh = XF_REACH_SSH,
        .memory_bytes = UINT64_C(1) << 30,
        .seed = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
        .runs = 1,
        .mtus = {.n = 1},
        .queues = {.n = 1, .values = {1}},
        .compress = {.n = 1, .values = {XF_COMPRESS_NONE}},
        .fills = {.n = 1, .values = {XF_FILL_RANDOM}},
    };
    *status = XF_EXIT_USAGE;
    opterr = 0;
    optind = 1;
    while ((c = getopt_long(argc, argv, ":hs:", options, &index)) != -1) {
        const char *wants;

        switch (c) {
        case 'h':
            fputs(bench_link_help, stdout);
            *status = XF_EXIT_OK;
            return 1;
        case 'j':
            o->json = true;
            break;
        case 't':
            o->timing = true;
            break;
        case 'S':
            o->serve = true;
            break;
        case 's':
            o->ssh = optarg;
            break;
        case '?':
        case ':':
            return usage_error(argv[optind - 1], c == '?' ? "is no option" : "wants a value");
        default:
            wants = take(o, c, optarg);
            if (wants) {
                fprintf(stderr, "xl-fast bench link: --%s wants %s, not '%s'\n",
                        options[index].name, wants, optarg);
                return 1;
            }
        }
    }
    return check(o, argc - optind, argv + optind);
}
