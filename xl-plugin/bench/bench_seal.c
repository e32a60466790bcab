/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast bench seal: the limit of one core: pages of a memory much larger than the caches, each
 * sealed once into a packet, as a source does, and nothing else. Rates of the demo are to be read
 * against it.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <json-c/json.h>

#include "transport/base/clock.h"
#include "transport/base/random.h"
#include "transport/seal.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/memory.h"
#include "xl-plugin/cli/number.h"

/* As the source sends at an MTU of 9000: bursts of 32 packets of two pages. Two bursts of buffers
   stay in the cache, as a port's do that is emptied as fast as it is filled. */
#define PACKET_PAGES 2u
#define RING_PACKETS 64u
#define PASSES_MIN   3u
#define PASSES_MAX   1000u
#define HUGE_BYTES   ((size_t)2 << 20)

const char bench_seal_help[] =
    "usage: xl-fast bench seal [--memory SIZE] [--seconds N] [--json]\n"
    "\n"
    "What one core of this machine can seal at most: passes over a memory that no cache holds, "
    "two\n"
    "pages a packet, as a migration does it, but without port, target or guest. The figure is the\n"
    "median of the passes. For a whole migration: xl-fast demo --timing.\n"
    "\n"
    "  --memory SIZE   how much of it; K, M, G, T are binary (2G)\n"
    "  --seconds N     how long: passes are begun for so long, at least three (5)\n"
    "  --json          one object on stdout and nothing else\n"
    "\n"
    "Exit status: 0 measured, 1 failed, 2 wrong options.\n";

struct options {
    uint64_t memory_bytes;
    uint64_t seconds;
    bool json;
};

struct buffer {
    _Alignas(64) uint8_t bytes[9216]; /* a memif's */
};

static int usage_error(const char *what, const char *wants)
{
    fprintf(stderr, "xl-fast bench: %s %s; see xl-fast bench --help\n", what, wants);
    return XF_EXIT_USAGE;
}

/* 0: go on; otherwise *status is the process's. */
static int parse(struct options *o, int argc, char **argv, int *status)
{
    static const struct option options[] = {
        {"memory", required_argument, NULL, 'm'},
        {"seconds", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    *o = (struct options){.memory_bytes = UINT64_C(2) << 30, .seconds = 5};
    *status = XF_EXIT_USAGE;
    opterr = 0;
    optind = 1;
    while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (c) {
        case 'm':
            if (xf_number_size(optarg, &o->memory_bytes) ||
                o->memory_bytes < PACKET_PAGES * XF_PAGE_BYTES ||
                o->memory_bytes % (PACKET_PAGES * XF_PAGE_BYTES)) {
                usage_error("--memory", "wants a size in whole pages, an even number of them");
                return 1;
            }
            break;
        case 's':
            if (xf_number_u64(optarg, 1, 3600, &o->seconds)) {
                usage_error("--seconds", "wants a number from 1 to 3600");
                return 1;
            }
            break;
        case 'j':
            o->json = true;
            break;
        case 'h':
            fputs(bench_seal_help, stdout);
            *status = XF_EXIT_OK;
            return 1;
        default:
            usage_error(argv[optind - 1], c == ':' ? "wants a value" : "is no option");
            return 1;
        }
    }
    if (optind < argc) {
        usage_error(argv[optind], "is no option");
        return 1;
    }
    return 0;
}

/* One packet, as the source's seal_packet() has it. */
static void seal_packet(const struct xf_seal *seal, struct buffer *to, uint64_t sequence,
                        const uint8_t *pages)
{
    struct xf_wire_header h = {
        .version = XF_WIRE_VERSION, .type = XF_PACKET_DATA, .sequence = sequence};
    struct {
        struct xf_wire_data head;
        struct xf_wire_record record;
    } body = {
        .head = {.round = 1, .records = 1},
        .record = {.index = sequence * PACKET_PAGES, .count = PACKET_PAGES, .kind = XF_RECORD_RAW},
    };
    uint8_t *out = to->bytes + sizeof(h);
    struct xf_seal_run run;

    static_assert(sizeof(h) + sizeof(body) + PACKET_PAGES * XF_PAGE_BYTES + XF_TAG_BYTES <=
                      sizeof(to->bytes),
                  "a packet fits its buffer");
    memcpy(to->bytes, &h, sizeof(h));
    xf_seal_begin(seal, &run, &h);
    xf_seal_update(seal, &run, out, &body, sizeof(body));
    out += sizeof(body);
    for (unsigned i = 0; i < PACKET_PAGES; i++) {
        xf_seal_update(seal, &run, out, pages + i * XF_PAGE_BYTES, XF_PAGE_BYTES);
        out += XF_PAGE_BYTES;
    }
    xf_seal_end(seal, &run, out);
}

struct pass {
    double gbps, cycles_per_page;
};

static struct pass one_pass(const struct xf_seal *seal, struct buffer *ring, const uint8_t *memory,
                            uint64_t bytes, uint64_t *sequence)
{
    const uint64_t packets = bytes / (PACKET_PAGES * XF_PAGE_BYTES);
    uint64_t began_us = xf_now_us(), began = __builtin_ia32_rdtsc();

    for (uint64_t i = 0; i < packets; i++)
        seal_packet(seal, &ring[i % RING_PACKETS], (*sequence)++,
                    memory + i * PACKET_PAGES * XF_PAGE_BYTES);
    uint64_t cycles = __builtin_ia32_rdtsc() - began, us = xf_now_us() - began_us;

    return (struct pass){
        .gbps = (double)bytes * 8 / (double)(us ? us : 1) / 1e3,
        .cycles_per_page = (double)cycles / (double)(packets * PACKET_PAGES),
    };
}

static int by_rate(const void *a, const void *b)
{
    double x = ((const struct pass *)a)->gbps, y = ((const struct pass *)b)->gbps;

    return (x > y) - (x < y);
}

static void show_json(const struct options *o, const struct pass *median,
                      struct json_object *samples)
{
    struct json_object *j = json_object_new_object();

    json_object_object_add(j, "seal_gbps", json_object_new_double(median->gbps));
    json_object_object_add(j, "cycles_per_page", json_object_new_double(median->cycles_per_page));
    json_object_object_add(j, "memory_bytes", json_object_new_uint64(o->memory_bytes));
    json_object_object_add(j, "passes", json_object_new_uint64(json_object_array_length(samples)));
    json_object_object_add(j, "samples_gbps", samples);
    puts(json_object_to_json_string_ext(j, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
    json_object_put(j);
}

static void show(const struct options *o, struct pass *passes, unsigned n)
{
    struct json_object *samples = json_object_new_array();
    char size[32];

    /* As they came; then in order, for the median. */
    for (unsigned i = 0; i < n; i++)
        json_object_array_add(samples, json_object_new_double(passes[i].gbps));
    qsort(passes, n, sizeof(*passes), by_rate);
    if (o->json) {
        show_json(o, &passes[n / 2], samples);
        return;
    }
    json_object_put(samples);
    printf("seal  %.2f Gbit/s, %.0f cycles a page: the median of %u passes over %s, which had %.2f "
           "to %.2f\n",
           passes[n / 2].gbps, passes[n / 2].cycles_per_page, n,
           xf_number_show_size(size, sizeof(size), o->memory_bytes), passes[0].gbps,
           passes[n - 1].gbps);
}

static int measure(const struct options *o, uint8_t *memory, struct buffer *ring)
{
    static const uint8_t secret[XF_SECRET_BYTES] = {1}, id[XF_SESSION_ID_BYTES] = {2};
    struct xf_random random = {.state = 1};
    struct pass *passes = calloc(PASSES_MAX, sizeof(*passes));
    struct xf_seal *seal = NULL;
    uint64_t sequence = 0, end_us;
    unsigned n = 0;
    int rc = passes ? xf_seal_new(&seal, secret, id, XF_ROLE_SOURCE) : -ENOMEM;

    if (!rc) {
        /* Every page is touched, and none is the kernel's page of zeros. */
        for (uint64_t i = 0; i < o->memory_bytes; i += sizeof(uint64_t)) {
            uint64_t v = xf_random_next(&random);

            memcpy(memory + i, &v, sizeof(v));
        }
        end_us = xf_now_us() + o->seconds * 1000000;
        do
            passes[n++] = one_pass(seal, ring, memory, o->memory_bytes, &sequence);
        while (n < PASSES_MAX && (n < PASSES_MIN || xf_now_us() < end_us));
        show(o, passes, n);
    }
    xf_seal_free(seal);
    free(passes);
    return rc;
}

int bench_seal(int argc, char **argv)
{
    struct options o;
    int status, rc;

    if (parse(&o, argc, argv, &status))
        return status;
    uint64_t kib = xf_memory_available_kib();
    char have[32];

    if (kib && o.memory_bytes / 1024 >= kib) {
        fprintf(stderr,
                "xl-fast bench: this machine has not so much free memory, but %s; see --memory\n",
                xf_number_show_size(have, sizeof(have), kib * 1024));
        return XF_EXIT_FAILED;
    }
    struct buffer *ring = aligned_alloc(_Alignof(struct buffer), RING_PACKETS * sizeof(*ring));
    uint8_t *map = mmap(NULL, o.memory_bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (!ring || map == MAP_FAILED) {
        rc = -ENOMEM;
    } else {
        /* As the demo's guests have it, and most guests on a host. */
        uint8_t *memory = (uint8_t *)(((uintptr_t)map + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));

        (void)madvise(memory, o.memory_bytes, MADV_HUGEPAGE);
        rc = measure(&o, memory, ring);
    }
    if (map != MAP_FAILED)
        munmap(map, o.memory_bytes + HUGE_BYTES);
    free(ring);
    if (rc)
        fprintf(stderr, "xl-fast bench: %s\n", strerror(-rc));
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
