/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sizes: whole sessions of guests of 1 TiB and of 16 TiB, the most that an offer can name, sparse:
 * few of their pages are there, in all places where a number could be cut short. What a round's end
 * costs is counted, since it is in the guest's pause, and must not grow with the guest more than
 * one look at the bitmaps does; times and memory are printed, not judged.
 */
#include "tests/unit/common/pair.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "transport/base/bitmap.h"
#include "transport/base/random.h"
#include "transport/source_state.h"
#include "transport/target_state.h"

#define CHUNK_BYTES (XF_CHUNK_PAGES * XF_PAGE_BYTES)
#define CHUNKS_MAX  1000u

/* Both ends of a guest of which only some pages are there. */
struct sparse {
    uint64_t page_count;
    uint64_t *gfns; /* that are there, ascending */
    uint32_t *versions;
    size_t n;
    uint32_t *dirty; /* indices of those written since the last fetch */
    size_t dirty_n;
    struct xf_random random;
    uint8_t *batch;
    uint64_t ops_us; /* what the source's own functions took: a guest's, not the transport's */

    uint8_t **chunks; /* of the sink */
    uint32_t mapped, mapped_most;
    uint64_t maps, parts, populated; /* maps: of chunks and of parts */
};

static uint64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t resident_mib(void)
{
    unsigned long long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f && fscanf(f, "%llu %llu", &all, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE) >> 20;
}

/* One page of eight is not zero. */
static void contents(uint8_t *page, uint64_t gfn, uint32_t version)
{
    struct xf_random r = {.state = gfn * 31 + version};
    uint64_t word;

    memset(page, 0, XF_PAGE_BYTES);
    if (xf_random_next(&r) % 8)
        return;
    for (size_t i = 0; i < XF_PAGE_BYTES; i += sizeof(word)) {
        word = xf_random_next(&r);
        memcpy(page + i, &word, sizeof(word));
    }
}

static size_t index_of(const struct sparse *g, uint64_t gfn)
{
    size_t from = 0, to = g->n;

    while (to - from > 1) {
        size_t middle = (from + to) / 2;

        if (g->gfns[middle] <= gfn)
            from = middle;
        else
            to = middle;
    }
    assert_true(g->gfns[from] == gfn);
    return from;
}

static int from_start(void *ctx, uint64_t *present, uint64_t *known)
{
    const struct sparse *g = ctx;

    (void)known;
    for (size_t i = 0; i < g->n; i++)
        xf_bitmap_set(present, g->gfns[i]);
    return 0;
}

static int from_dirty(void *ctx, uint64_t *dirty, bool final, uint64_t *count)
{
    struct sparse *g = ctx;
    uint64_t before = cpu_us();

    (void) final;
    *count = 0;
    for (uint64_t w = 0; w < xf_bitmap_words(g->page_count); w++)
        if (dirty[w])
            dirty[w] = 0;
    for (size_t i = 0; i < g->dirty_n; i++) {
        uint64_t gfn = g->gfns[g->dirty[i]];

        *count += !xf_bitmap_test(dirty, gfn);
        xf_bitmap_set(dirty, gfn);
    }
    g->dirty_n = 0;
    g->ops_us += cpu_us() - before;
    return 0;
}

static int from_present(void *ctx, uint64_t *candidates)
{
    const struct sparse *g = ctx;

    assert_int_equal(xf_bitmap_next(candidates, g->page_count, 0), g->page_count);
    return 0;
}

static int from_map(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n, const void **pages)
{
    (void)lane;
    struct sparse *g = ctx;
    uint64_t before = cpu_us();

    for (unsigned i = 0; i < n; i++) {
        contents(g->batch + i * XF_PAGE_BYTES, gfns[i], g->versions[index_of(g, gfns[i])]);
        pages[i] = g->batch + i * XF_PAGE_BYTES;
    }
    g->ops_us += cpu_us() - before;
    return 0;
}

static void from_unmap(void *ctx, unsigned lane)
{
    (void)lane;
    (void)ctx;
}

static int from_suspend(void *ctx)
{
    (void)ctx;
    return 0;
}

static int to_populate(void *ctx, unsigned lane, uint64_t first, uint64_t count)
{
    (void)lane;
    struct sparse *g = ctx;

    assert_true(first + count <= g->page_count);
    g->populated += count;
    return 0;
}

static int to_map_chunk(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    (void)lane;
    struct sparse *g = ctx;

    if (!g->chunks[chunk]) {
        g->chunks[chunk] = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        assert_true(g->chunks[chunk] != MAP_FAILED);
        (void)madvise(g->chunks[chunk], CHUNK_BYTES, MADV_NOHUGEPAGE);
    }
    *base = g->chunks[chunk];
    g->maps++;
    if (++g->mapped > g->mapped_most)
        g->mapped_most = g->mapped;
    return 0;
}

static void to_unmap_chunk(void *ctx, unsigned lane, uint64_t chunk, void *base)
{
    (void)lane;
    struct sparse *g = ctx;

    assert_ptr_equal(base, g->chunks[chunk]);
    g->mapped--;
}

static int to_map_part(void *ctx, unsigned lane, uint64_t first, void **base)
{
    (void)lane;
    struct sparse *g = ctx;
    int rc = to_map_chunk(ctx, lane, first / XF_CHUNK_PAGES, base);

    *base = (uint8_t *)*base + first % XF_CHUNK_PAGES * XF_PAGE_BYTES;
    g->parts++;
    return rc;
}

static void to_unmap_part(void *ctx, unsigned lane, uint64_t first, void *base)
{
    (void)lane;
    to_unmap_chunk(ctx, lane, first / XF_CHUNK_PAGES,
                   (uint8_t *)base - first % XF_CHUNK_PAGES * XF_PAGE_BYTES);
}

static void add(struct sparse *g, uint64_t first, uint64_t count)
{
    g->gfns = realloc(g->gfns, (g->n + count) * sizeof(g->gfns[0]));
    assert_non_null(g->gfns);
    for (uint64_t i = 0; i < count; i++) {
        assert_true(first + i < g->page_count && (!g->n || g->gfns[g->n - 1] < first + i));
        g->gfns[g->n++] = first + i;
    }
}

/* Writes to some of its pages, most of them where it writes most. */
static void write_some(struct sparse *g, unsigned n)
{
    for (unsigned i = 0; i < n && g->dirty_n < g->n; i++) {
        uint64_t at = xf_random_below(&g->random, i % 4 ? g->n / 16 + 1 : g->n);

        g->versions[at]++;
        g->dirty[g->dirty_n++] = (uint32_t)at;
    }
}

static uint64_t chunks_there(const struct sparse *g)
{
    uint64_t n = 0;

    for (size_t i = 0; i < g->n; i++)
        n += !i || g->gfns[i] / XF_CHUNK_PAGES != g->gfns[i - 1] / XF_CHUNK_PAGES;
    return n;
}

/* The longest that a step took in which a round ended. */
struct longest {
    uint64_t live_us, stop_us, complete_us;
};

static void longer(uint64_t *longest, uint64_t us)
{
    if (us > *longest)
        *longest = us;
}

static void move(const char *name, struct sparse *g, const struct pair_config *config)
{
    const uint64_t words = xf_bitmap_words(g->page_count);
    struct longest source = {0}, target = {0};
    uint64_t stop_words = 0, live_rounds = 0, start_us = 0, before_us, cleared_last = 0;
    uint64_t before_mib = resident_mib();
    struct pair_config c = *config;
    struct pair p;

    before_us = cpu_us();
    pair_open(&p, &c);
    uint64_t new_us = cpu_us() - before_us;

    while (p.source_rc == 0 || p.target_rc == 0) {
        p.now_us += c.step_us;
        assert_true(p.now_us < 60000000);
        xf_simlink_advance(p.net, p.now_us);
        if (p.now_us % 1000 < c.step_us && p.source->phase == XF_PHASE_LIVE)
            write_some(g, c.writes_per_ms);
        xf_target_ready(p.target);

        uint32_t round = p.source->round;
        enum xf_phase phase = p.source->phase;
        uint64_t passed = p.source->words_passed, ops_us = g->ops_us, at = cpu_us();

        if (p.source_rc == 0)
            p.source_rc = xf_source_step(p.source, p.now_us);
        uint64_t us = cpu_us() - at - (g->ops_us - ops_us);

        passed = p.source->words_passed - passed;
        if (p.source->round != round && round == 0) {
            start_us = us;
            assert_true(passed <= words);
        } else if (p.source->round != round && p.source->phase == XF_PHASE_FINAL &&
                   phase == XF_PHASE_LIVE) {
            source.stop_us = us;
            stop_words = passed;
        } else if (p.source->round != round) {
            longer(&source.live_us, us);
            live_rounds += phase == XF_PHASE_LIVE;
            assert_true(passed <= words);
        }

        round = p.target->round;
        uint64_t cleared = p.target->lanes[0].landing.blocks_cleared;

        at = cpu_us();
        if (p.target_rc >= 0)
            p.target_rc = xf_target_step(p.target, p.now_us);
        us = cpu_us() - at;
        if (p.target->round != round && p.target->phase == XF_PHASE_DONE) {
            target.complete_us = us;
            cleared_last = p.target->lanes[0].landing.blocks_cleared - cleared;
        } else if (p.target->round != round) {
            longer(&target.live_us, us);
        }
    }
    if (p.source_rc != XF_SESSION_DONE || p.target_rc != XF_SESSION_DONE)
        fail_msg("source %d (%s), target %d (%s)", p.source_rc, xf_source_error(p.source),
                 p.target_rc, xf_target_error(p.target));

    const struct xf_stats *ss = xf_source_stats(p.source), *ts = xf_target_stats(p.target);
    const struct xf_landing *l = &p.target->lanes[0].landing;

    printf("%s: %llu pages of %llu GiB, %u rounds, %llu pages sent\n"
           "  CPU time, ms: both ends made %.1f, source's start %.1f, its live rounds' ends %.1f, "
           "its stop %.1f; target's rounds' ends %.1f, its last %.1f\n"
           "  resident, MiB: %llu before, %llu with both ends; chunks mapped %llu times, "
           "parts of them %llu, at most %u at once; bits cleared %.1f KiB a round of %.1f\n",
           name, (unsigned long long)g->n, (unsigned long long)g->page_count * XF_PAGE_BYTES >> 30,
           ss->rounds, (unsigned long long)ss->pages_sent, (double)new_us / 1e3,
           (double)start_us / 1e3, (double)source.live_us / 1e3, (double)source.stop_us / 1e3,
           (double)target.live_us / 1e3, (double)target.complete_us / 1e3,
           (unsigned long long)before_mib, (unsigned long long)resident_mib(),
           (unsigned long long)(g->maps - g->parts), (unsigned long long)g->parts, g->mapped_most,
           (double)l->blocks_cleared / 2 / p.target->round,
           (double)(g->page_count * l->stride) / 8192);

    assert_int_equal(ss->rounds, ts->rounds);
    assert_int_equal(ss->pages_total, g->n);
    assert_int_equal(ts->pages_total, g->n);
    assert_int_equal(g->populated, g->n);
    assert_int_equal(ss->pages_sent, ts->pages_sent + ss->pages_repaired);
    if (c.features & XF_FEATURE_VERIFY)
        assert_int_equal(ts->pages_verified, g->n);

    /* The guest stands while its last bitmap joins what is to be sent: one pass. */
    assert_true(stop_words > 0 && stop_words <= words);
    assert_true(live_rounds > 0 || ss->rounds == 2); /* a small one moves in two */
    /* No more is cleared than pages landed on, and nothing between the last of them and COMPLETE.
     */
    assert_true(l->blocks_cleared <= ts->pages_sent + ts->pages_verified + g->n);
    assert_true(cleared_last <= XF_BURST_MAX * XF_RECORDS_MAX);
    /* All of a chunk once, and once more for its hashes; but for few pages only parts of it. */
    assert_true(g->mapped_most <= CHUNKS_MAX);
    if (!(c.features & XF_FEATURE_VERIFY))
        assert_true(g->maps - g->parts <= chunks_there(g) + g->parts / 4);

    uint8_t want[XF_PAGE_BYTES];

    for (size_t i = 0; i < g->n; i++) {
        const uint8_t *chunk = g->chunks[g->gfns[i] / XF_CHUNK_PAGES];

        contents(want, g->gfns[i], g->versions[i]);
        if (!chunk ||
            memcmp(chunk + g->gfns[i] % XF_CHUNK_PAGES * XF_PAGE_BYTES, want, XF_PAGE_BYTES))
            fail_msg("page %#llx differs", (unsigned long long)g->gfns[i]);
    }
    pair_close(&p);
    assert_int_equal(g->mapped, 0);
}

static int from_throttle(void *ctx, unsigned percent)
{
    (void)ctx;
    (void)percent;
    return 0;
}

static const struct xf_guest_source_ops from_ops = {
    .lanes = xf_guest_lanes,
    .start = from_start,
    .dirty = from_dirty,
    .present = from_present,
    .map = from_map,
    .unmap = from_unmap,
    .keep_still = xf_guest_still,
};

static const struct xf_guest_control_ops from_control = {
    .throttle = from_throttle,
    .suspend = from_suspend,
};

static const struct xf_guest_sink_ops to_ops = {
    .lanes = xf_guest_lanes,
    .populate = to_populate,
    .map_chunk = to_map_chunk,
    .unmap_chunk = to_unmap_chunk,
    .map_part = to_map_part,
    .unmap_part = to_unmap_part,
    .wrote = xf_sink_wrote,
    .end_round = xf_sink_end_round,
};

static void move_sparse(const char *name, struct sparse *g, uint32_t payload_bytes,
                        uint64_t features)
{
    struct xf_guest_source from = {
        .ops = &from_ops, .control = &from_control, .ctx = g, .page_count = g->page_count};
    struct xf_guest_sink to = {.ops = &to_ops,
                               .ctx = g,
                               .page_count = g->page_count,
                               .chunks_max = CHUNKS_MAX,
                               .parts = true};
    struct pair_config c = pair_defaults(1);
    const uint64_t chunks = (g->page_count + XF_CHUNK_PAGES - 1) / XF_CHUNK_PAGES;

    g->random.state = 7;
    g->versions = calloc(g->n, sizeof(g->versions[0]));
    g->dirty = calloc(g->n, sizeof(g->dirty[0]));
    g->batch = calloc(XF_MAP_BATCH_PAGES, XF_PAGE_BYTES);
    g->chunks = calloc(chunks, sizeof(g->chunks[0]));
    assert_true(g->versions && g->dirty && g->batch && g->chunks);
    c.pages = g->page_count;
    c.ends.from = &from;
    c.ends.to = &to;
    c.features = features;
    c.net.payload_bytes = payload_bytes;
    c.net.bytes_per_s = 4000000000;
    c.writes_per_ms = 100;
    c.policy.max_downtime_us = 1000;
    c.compress = XF_COMPRESS_NONE;
    move(name, g, &c);
    for (uint64_t i = 0; i < chunks; i++)
        if (g->chunks[i])
            munmap(g->chunks[i], CHUNK_BYTES);
    free(g->chunks);
    free(g->batch);
    free(g->dirty);
    free(g->versions);
    free(g->gfns);
}

/* Sanitizers keep books of each byte that is looked at. */
static uint64_t size(uint64_t usual, uint64_t sanitized)
{
    const char *which = getenv("XF_SANITIZED");

    return which && which[0] ? sanitized : usual;
}

/* A few pages in every 64th chunk, a dense part, and the last pages of all. */
static struct sparse one_tib(void)
{
    struct sparse g = {.page_count = size(UINT64_C(1) << 28, UINT64_C(1) << 23)};
    const uint64_t dense = g.page_count / 2 + 77;

    for (uint64_t gfn = 5; gfn < g.page_count - 64 * XF_CHUNK_PAGES; gfn += 64 * XF_CHUNK_PAGES) {
        if (gfn < dense && gfn + 64 * XF_CHUNK_PAGES > dense)
            add(&g, dense, 20000);
        else
            add(&g, gfn, 12);
    }
    add(&g, g.page_count - 3, 3);
    return g;
}

static void test_1_tib(void **state)
{
    struct sparse g = one_tib();

    (void)state;
    move_sparse("whole pages", &g, 8972, 0);
}

static void test_1_tib_in_fragments_verified(void **state)
{
    struct sparse g = one_tib();

    (void)state;
    move_sparse("fragments, verified", &g, 1472, XF_FEATURE_VERIFY);
}

/* All that an offer can name. */
static void test_16_tib(void **state)
{
    struct sparse g = {.page_count = size(XF_PAGE_COUNT_MAX, UINT64_C(1) << 24)};

    (void)state;
    add(&g, 0, 3);
    for (unsigned shift = 9; UINT64_C(1) << shift < g.page_count; shift++)
        add(&g, (UINT64_C(1) << shift) - 1, shift == 9 ? 2 : 3);
    add(&g, g.page_count - 1, 1);
    move_sparse("whole pages, verified", &g, 8972, XF_FEATURE_VERIFY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_1_tib),
        cmocka_unit_test(test_1_tib_in_fragments_verified),
        cmocka_unit_test(test_16_tib),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
