/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast bench seal: the limit of a core, or of several at once: pages of a memory much larger
 * than the caches, each sealed once into a packet, as a source does, and nothing else. Rates of the
 * demo are to be read against it.
 */
#include "bench_commands.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <json-c/json.h>

#include "transport/base/clock.h"
#include "transport/base/random.h"
#include "transport/seal.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/cli/memory.h"
#include "xl-plugin/cli/number.h"

/* As the source sends at an MTU of 9000: bursts of 32 packets of two pages. Two bursts of buffers
   stay in the cache, as a port's do that is emptied as fast as it is filled. */
#define PACKET_PAGES 2u
/* As far ahead as the source's encoder. */
#define AHEAD_BYTES  (2u * XF_PAGE_BYTES)
#define RING_PACKETS 64u
#define PASSES_MIN   3u
#define PASSES_MAX   1000u
#define THREADS_MAX  64u
#define HUGE_BYTES   ((size_t)2 << 20)

struct options {
    uint64_t memory_bytes;
    uint64_t seconds;
    unsigned threads;
    bool json;
};

struct buffer {
    _Alignas(64) uint8_t bytes[9216]; /* a memif's */
};

/* Whole pages, of which each packet has as many. */
static const char *take_memory(const char *text, void *to)
{
    const uint64_t each = PACKET_PAGES * XF_PAGE_BYTES;
    uint64_t *bytes = to;

    if (xf_number_size(text, bytes) || *bytes < each)
        return "a size of two pages at least: such as 64M or 64MiB";
    *bytes = (*bytes + each - 1) / each * each;
    return NULL;
}

#define TO(member) .to = offsetof(struct options, member)

static const struct xf_option rows[] = {
    {.name = "memory",
     .value = "SIZE",
     .kind = XF_OPTION_OWN,
     .take = take_memory,
     TO(memory_bytes),
     .help = "how much of it (2G)"},
    {.name = "seconds",
     .value = "N",
     .kind = XF_OPTION_SECONDS,
     .min = 1,
     .max = 3600,
     TO(seconds),
     .help = "how long: passes are begun for so long, at least three (5)"},
    {.name = "threads",
     .value = "N",
     .kind = XF_OPTION_COUNT,
     .min = 1,
     .max = THREADS_MAX,
     TO(threads),
     .help = "so many cores at once, each with its share of the memory (1)"},
    {.name = "json", TO(json), .help = "one object on stdout and nothing else"},
    {0},
};

const struct xf_command xf_bench_seal_command = {
    .name = "bench seal",
    .summary = "what one core of this machine can seal at most",
    .about =
        "What one core of this machine can seal at most: passes over a memory that no cache\n"
        "holds, two pages a packet, as a migration does it, but without port, target or guest.\n"
        "The figure is the median of the passes. --threads says what several cores reach at once:\n"
        "where they share a core's units, or the memory, that is less than so many times as much.\n"
        "For a whole migration: xl-fast demo --timing.\n",
    .options = rows,
    .done = "measured",
    .run = xf_bench_seal,
};

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
        const uint8_t *page = pages + i * XF_PAGE_BYTES;

        /* The last of them fetch what is behind the memory: no more than a hint. */
        xf_seal_update_ahead(seal, &run, out, page, XF_PAGE_BYTES, page + AHEAD_BYTES);
        out += XF_PAGE_BYTES;
    }
    xf_seal_end(seal, &run, out);
}

struct pass {
    double gbps, cycles_per_page;
};

/* One core at work: a share of the memory, and buffers and keys of its own. */
struct sealer {
    pthread_t thread;
    sem_t go, done; /* a pass */
    bool over;
    struct xf_seal *seal;
    struct buffer *ring;
    const uint8_t *memory;
    uint64_t packets, sequence, cycles;
};

static void seal_share(struct sealer *s)
{
    uint64_t began = __builtin_ia32_rdtsc();

    for (uint64_t i = 0; i < s->packets; i++)
        seal_packet(s->seal, &s->ring[i % RING_PACKETS], s->sequence++,
                    s->memory + i * PACKET_PAGES * XF_PAGE_BYTES);
    s->cycles = __builtin_ia32_rdtsc() - began;
}

static void *run(void *arg)
{
    struct sealer *s = arg;

    for (;;) {
        while (sem_wait(&s->go))
            ;
        if (s->over)
            return NULL;
        seal_share(s);
        sem_post(&s->done);
    }
}

/* All begin at once, the caller as the first of them, and it ends with the last. */
static struct pass one_pass(struct sealer *sealers, unsigned n, uint64_t bytes)
{
    uint64_t cycles = 0, began_us = xf_now_us();

    for (unsigned i = 1; i < n; i++)
        sem_post(&sealers[i].go);
    seal_share(sealers);
    for (unsigned i = 1; i < n; i++)
        while (sem_wait(&sealers[i].done))
            ;
    uint64_t us = xf_now_us() - began_us;

    for (unsigned i = 0; i < n; i++)
        cycles += sealers[i].cycles;
    return (struct pass){
        .gbps = (double)bytes * 8 / (double)(us ? us : 1) / 1e3,
        .cycles_per_page = (double)cycles / (double)(bytes / XF_PAGE_BYTES),
    };
}

static int by_rate(const void *a, const void *b)
{
    double x = ((const struct pass *)a)->gbps, y = ((const struct pass *)b)->gbps;

    return (x > y) - (x < y);
}

static struct json_object *bps_json(const struct pass *p)
{
    return json_object_new_uint64((uint64_t)(p->gbps * 1e9));
}

static void show_json(const struct options *o, const struct pass *median,
                      struct json_object *samples)
{
    struct json_object *j = json_object_new_object();

    json_object_object_add(j, "seal_bps", bps_json(median));
    json_object_object_add(j, "cycles_per_page", xf_json_tenths(median->cycles_per_page));
    json_object_object_add(j, "threads", json_object_new_uint64(o->threads));
    json_object_object_add(j, "memory_bytes", json_object_new_uint64(o->memory_bytes));
    json_object_object_add(j, "passes", json_object_new_uint64(json_object_array_length(samples)));
    json_object_object_add(j, "samples_bps", samples);
    puts(json_object_to_json_string_ext(j, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
    json_object_put(j);
}

static void show(const struct options *o, struct pass *passes, unsigned n)
{
    struct json_object *samples = json_object_new_array();
    char size[32];

    /* As they came; then in order, for the median. */
    for (unsigned i = 0; i < n; i++)
        json_object_array_add(samples, bps_json(&passes[i]));
    qsort(passes, n, sizeof(*passes), by_rate);
    if (o->json) {
        show_json(o, &passes[n / 2], samples);
        return;
    }
    json_object_put(samples);
    printf("seal  %.2f Gbit/s, %.0f cycles a page: the median of %u passes over %s with %u "
           "thread%s, which had %.2f to %.2f\n",
           passes[n / 2].gbps, passes[n / 2].cycles_per_page, n,
           xf_number_show_size(size, sizeof(size), o->memory_bytes), o->threads,
           o->threads == 1 ? "" : "s", passes[0].gbps, passes[n - 1].gbps);
}

static int prepare(struct sealer *s, unsigned number, uint64_t bytes, const uint8_t *memory)
{
    static const uint8_t secret[XF_SECRET_BYTES] = {1};
    const uint8_t id[XF_SESSION_ID_BYTES] = {2, (uint8_t)number};

    s->packets = bytes / (PACKET_PAGES * XF_PAGE_BYTES);
    s->memory = memory + number * bytes;
    s->ring = aligned_alloc(_Alignof(struct buffer), RING_PACKETS * sizeof(*s->ring));
    if (!s->ring || sem_init(&s->go, 0, 0) || sem_init(&s->done, 0, 0))
        return -ENOMEM;
    return xf_seal_new(&s->seal, secret, id, XF_ROLE_SOURCE);
}

static void forget(struct sealer *s)
{
    xf_seal_free(s->seal);
    free(s->ring);
}

static void take_passes(const struct options *o, struct sealer *sealers, struct pass *passes)
{
    const uint64_t end_us = xf_now_us() + o->seconds * 1000000;
    unsigned n = 0;

    do
        passes[n++] = one_pass(sealers, o->threads, o->memory_bytes);
    while (n < PASSES_MAX && (n < PASSES_MIN || xf_now_us() < end_us));
    show(o, passes, n);
}

static int measure(const struct options *o, uint8_t *memory)
{
    struct xf_random random = {.state = 1};
    struct pass *passes = calloc(PASSES_MAX, sizeof(*passes));
    struct sealer sealers[THREADS_MAX] = {0};
    unsigned started = 1;
    int rc = passes ? 0 : -ENOMEM;

    for (unsigned i = 0; i < o->threads && !rc; i++)
        rc = prepare(&sealers[i], i, o->memory_bytes / o->threads, memory);
    /* Every page is touched, and none is the kernel's page of zeros. */
    for (uint64_t i = 0; !rc && i < o->memory_bytes; i += sizeof(uint64_t)) {
        uint64_t v = xf_random_next(&random);

        memcpy(memory + i, &v, sizeof(v));
    }
    while (!rc && started < o->threads) {
        rc = -pthread_create(&sealers[started].thread, NULL, run, &sealers[started]);
        started += !rc;
    }
    if (!rc)
        take_passes(o, sealers, passes);
    for (unsigned i = 1; i < started; i++) {
        sealers[i].over = true;
        sem_post(&sealers[i].go);
        pthread_join(sealers[i].thread, NULL);
    }
    for (unsigned i = 0; i < o->threads; i++)
        forget(&sealers[i]);
    free(passes);
    return rc;
}

int xf_bench_seal(int argc, char **argv)
{
    struct options o = {.memory_bytes = UINT64_C(2) << 30, .seconds = 5, .threads = 1};
    struct xf_operands operands;
    int status = xf_options_parse(&xf_bench_seal_command, &o, argc, argv, &operands), rc;

    if (status != XF_GO_ON)
        return status;
    uint64_t kib = xf_memory_available_kib();
    char have[32];

    if (kib && o.memory_bytes / 1024 >= kib) {
        fprintf(stderr,
                "xl-fast bench seal: this machine has only %s of free memory: choose a smaller "
                "--memory\n",
                xf_number_show_size(have, sizeof(have), kib * 1024));
        return XF_EXIT_FAILED;
    }
    /* The same for each thread. */
    o.memory_bytes = (o.memory_bytes + o.threads * PACKET_PAGES * XF_PAGE_BYTES - 1) /
                     (o.threads * PACKET_PAGES * XF_PAGE_BYTES) *
                     (o.threads * PACKET_PAGES * XF_PAGE_BYTES);
    uint8_t *map = mmap(NULL, o.memory_bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (map == MAP_FAILED) {
        rc = -ENOMEM;
    } else {
        /* As the demo's guests have it, and most guests on a host. */
        uint8_t *memory = (uint8_t *)(((uintptr_t)map + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));

        (void)madvise(memory, o.memory_bytes, MADV_HUGEPAGE);
        rc = measure(&o, memory);
    }
    if (map != MAP_FAILED)
        munmap(map, o.memory_bytes + HUGE_BYTES);
    if (rc)
        fprintf(stderr, "xl-fast bench seal: %s\n", strerror(-rc));
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}
