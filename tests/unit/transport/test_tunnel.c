/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tunnel: batches through one buffer at each end, the way a PV guest's stream will go: in order,
 * whole, each once, whatever the link does, and with a producer and a consumer that make the other
 * end wait.
 */
#include "tests/unit/common/pair.h"

#include "transport/base/bitmap.h"
#include "transport/base/random.h"

#define BUFFER_PAGES 700
#define BATCHES      25

struct tunnel {
    struct xf_random from_random, to_random; /* the same sequence at both ends */
    struct xf_random whims;
    uint8_t *from, *to;
    unsigned made, taken;
    uint64_t pages;
};

static void fill(struct xf_random *r, uint8_t *page)
{
    uint64_t zero = xf_random_below(r, 5) == 0;

    for (unsigned i = 0; i < XF_PAGE_BYTES / 8; i++) {
        uint64_t word = zero ? 0 : xf_random_next(r);

        memcpy(page + 8 * i, &word, 8);
    }
}

static int from_start(void *ctx, uint64_t *present, uint64_t *known)
{
    (void)ctx;
    (void)known;
    for (uint64_t i = 0; i < BUFFER_PAGES; i++)
        xf_bitmap_set(present, i);
    return 0;
}

static int from_dirty(void *ctx, uint64_t *todo, bool final, uint64_t *count)
{
    struct tunnel *t = ctx;

    if (xf_random_below(&t->whims, 10))
        return -EAGAIN;
    (void) final;
    *count = 0;
    memset(todo, 0, xf_bitmap_words(BUFFER_PAGES) * sizeof(todo[0]));
    if (t->made == BATCHES)
        return 0;
    t->made++;
    *count = 1 + xf_random_below(&t->from_random, BUFFER_PAGES);
    for (uint64_t i = 0; i < *count; i++) {
        fill(&t->from_random, t->from + i * XF_PAGE_BYTES);
        xf_bitmap_set(todo, i);
    }
    return 0;
}

static int from_map(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n, const void **pages)
{
    (void)lane;
    for (unsigned i = 0; i < n; i++)
        pages[i] = ((struct tunnel *)ctx)->from + gfns[i] * XF_PAGE_BYTES;
    return 0;
}

static void from_unmap(void *ctx, unsigned lane)
{
    (void)lane;
    (void)ctx;
}

static int to_populate(void *ctx, unsigned lane, uint64_t first, uint64_t count)
{
    (void)lane;
    (void)ctx;
    return first + count <= BUFFER_PAGES ? 0 : -EINVAL;
}

static int to_map_chunk(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    (void)lane;
    *base = ((struct tunnel *)ctx)->to + chunk * XF_CHUNK_PAGES * XF_PAGE_BYTES;
    return 0;
}

static void to_unmap_chunk(void *ctx, unsigned lane, uint64_t chunk, void *base)
{
    (void)lane;
    (void)ctx;
    (void)chunk;
    (void)base;
}

static int to_end_round(void *ctx, uint64_t count)
{
    struct tunnel *t = ctx;
    uint8_t want[XF_PAGE_BYTES];

    if (xf_random_below(&t->whims, 10))
        return -EAGAIN;
    if (!count) /* the last round, which only says that there are no more */
        return 0;
    t->taken++;
    t->pages += count;
    assert_int_equal(count, 1 + xf_random_below(&t->to_random, BUFFER_PAGES));
    for (uint64_t i = 0; i < count; i++) {
        fill(&t->to_random, want);
        assert_memory_equal(t->to + i * XF_PAGE_BYTES, want, XF_PAGE_BYTES);
    }
    return 0;
}

static void run(uint64_t seed)
{
    static const struct xf_guest_source_ops from_ops = {.lanes = xf_guest_lanes,
                                                        .start = from_start,
                                                        .map = from_map,
                                                        .unmap = from_unmap,
                                                        .dirty = from_dirty,
                                                        .present = xf_guest_present,
                                                        .keep_still = xf_guest_still};
    static const struct xf_guest_sink_ops to_ops = {.lanes = xf_guest_lanes,
                                                    .populate = to_populate,
                                                    .map_chunk = to_map_chunk,
                                                    .unmap_chunk = to_unmap_chunk,
                                                    .map_part = xf_sink_map_part,
                                                    .unmap_part = xf_sink_unmap_part,
                                                    .wrote = xf_sink_wrote,
                                                    .end_round = to_end_round};
    struct tunnel t = {.from_random.state = seed, .to_random.state = seed, .whims.state = ~seed};
    struct xf_guest_source from = {
        .ops = &from_ops, .control = &xf_guest_uncontrolled, .ctx = &t, .page_count = BUFFER_PAGES};
    struct xf_guest_sink to = {
        .ops = &to_ops, .ctx = &t, .page_count = BUFFER_PAGES, .unmapped_rounds = true};
    struct pair_config c = pair_defaults(seed);
    struct pair p;

    t.from = calloc(2 * XF_CHUNK_PAGES, XF_PAGE_BYTES);
    t.to = calloc(2 * XF_CHUNK_PAGES, XF_PAGE_BYTES);
    c.faults = (struct xf_fault_config){
        .loss_pct = (double)(seed % 6), .reorder_pct = 3, .duplicate_pct = 2, .corrupt_pct = 1};
    c.net.payload_bytes = seed % 2 ? 1472 : 8972;
    c.ends.from = &from;
    c.ends.to = &to;
    c.batches = true;
    c.pages = BUFFER_PAGES;
    pair_open(&p, &c);
    pair_run(&p, 100000000);
    if (p.source_rc != XF_SESSION_DONE || p.target_rc != XF_SESSION_DONE)
        fail_msg("seed %llu: source %d (%s), target %d (%s)", (unsigned long long)seed, p.source_rc,
                 xf_source_error(p.source), p.target_rc, xf_target_error(p.target));
    assert_int_equal(t.taken, BATCHES);
    assert_int_equal(xf_target_stats(p.target)->pages_sent, t.pages);
    assert_int_equal(xf_source_stats(p.source)->rounds, BATCHES + 1);
    assert_int_equal(xf_target_stats(p.target)->rounds, BATCHES + 1);
    pair_close(&p);
    free(t.from);
    free(t.to);
}

static void test_batches_arrive_in_order_and_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_batches_arrive_in_order_and_whole)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
