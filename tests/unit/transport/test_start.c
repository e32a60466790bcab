/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The beginning: while the source finds out which pages a large guest has, what it knows already is
 * given memory at the target, and what has memory is sent. Both ends' hosts take their time for
 * each call, on a virtual clock, as Xen's do; the ends are not stepped meanwhile, and each waits
 * for its own host only.
 */
#include "tests/unit/common/unit.h"

#include "tests/unit/common/pair.h"
#include "transport/base/bitmap.h"

#define GIB_PAGES (UINT64_C(1) << 18)
static uint64_t guest_pages = 64 * GIB_PAGES;
/* Of all that time, when nothing else is done: seconds. A page goes as a mark on the wire (all are
   zeros), and costs what is said here. */
#define TYPES_S    4.0
#define POPULATE_S 6.0
#define PAGES_S    10.0
#define STRETCH    (32 * XF_CHUNK_PAGES)

/* An end's host: busy until then. */
static struct {
    uint64_t source_until_us, target_until_us, types_until_us;
    uint64_t known, first_page_us;
    const uint64_t *now_us;
    enum { BY_STRETCHES, AT_ONCE, BESIDE, HOLES } types;
} hosts;

/* With HOLES: only so many are there, and all that is not takes a minute to be asked about. */
#define FEW     GIB_PAGES
#define HOLES_S 60.0

static void takes(uint64_t *until_us, double seconds, uint64_t pages)
{
    if (*until_us < *hosts.now_us)
        *until_us = *hosts.now_us;
    *until_us += (uint64_t)(seconds * 1e6 * (double)pages / guest_pages);
}

static int slow_start(void *ctx, uint64_t *present, uint64_t *known)
{
    (void)ctx;
    uint64_t end = hosts.types == AT_ONCE ? guest_pages : hosts.known + STRETCH;

    if (hosts.types == BESIDE && *hosts.now_us < hosts.types_until_us)
        return -EAGAIN;
    takes(hosts.types == BESIDE ? &hosts.types_until_us : &hosts.source_until_us,
          hosts.types == HOLES ? HOLES_S : TYPES_S, end - hosts.known);
    if (hosts.types != HOLES || end <= FEW)
        xf_bitmap_set_range(present, hosts.known, end - hosts.known);
    hosts.known = *known = end;
    return end < guest_pages ? -EAGAIN : 0;
}

static int none_dirty(void *ctx, uint64_t *dirty, bool final, uint64_t *count)
{
    (void)ctx;
    (void) final;
    memset(dirty, 0, guest_pages / 8);
    *count = 0;
    return 0;
}

static int zero_map(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n, const void **pages)
{
    static const _Alignas(64) uint8_t zeros[XF_PAGE_BYTES];

    (void)ctx;
    (void)lane;
    (void)gfns;
    for (unsigned i = 0; i < n; i++)
        pages[i] = zeros;
    if (!hosts.first_page_us)
        hosts.first_page_us = *hosts.now_us;
    takes(&hosts.source_until_us, PAGES_S, n);
    return 0;
}

static void nothing(void *ctx, unsigned lane)
{
    (void)ctx;
    (void)lane;
}

static int at_once(void *ctx)
{
    (void)ctx;
    return 0;
}

static int slow_populate(void *ctx, unsigned lane, uint64_t first, uint64_t count)
{
    (void)ctx;
    (void)lane;
    (void)first;
    takes(&hosts.target_until_us, POPULATE_S, count);
    return 0;
}

static int one_chunk(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    static _Alignas(64) uint8_t memory[XF_CHUNK_PAGES * XF_PAGE_BYTES];

    (void)ctx;
    (void)lane;
    (void)chunk;
    *base = memory;
    return 0;
}

static void no_chunk(void *ctx, unsigned lane, uint64_t chunk, void *base)
{
    (void)ctx;
    (void)lane;
    (void)chunk;
    (void)base;
}

static double move(unsigned lanes, unsigned types, double loss_pct)
{
    static const struct xf_guest_source_ops from_ops = {.lanes = xf_guest_lanes,
                                                        .start = slow_start,
                                                        .dirty = none_dirty,
                                                        .present = xf_guest_present,
                                                        .map = zero_map,
                                                        .unmap = nothing,
                                                        .keep_still = xf_guest_still};
    static const struct xf_guest_control_ops control = {.throttle = pair_no_throttle,
                                                        .suspend = at_once};
    static const struct xf_guest_sink_ops to_ops = {.lanes = xf_guest_lanes,
                                                    .populate = slow_populate,
                                                    .map_chunk = one_chunk,
                                                    .unmap_chunk = no_chunk,
                                                    .map_part = xf_sink_map_part,
                                                    .unmap_part = xf_sink_unmap_part,
                                                    .wrote = xf_sink_wrote,
                                                    .end_round = xf_sink_end_round};
    const struct xf_guest_source from = {
        .ops = &from_ops, .control = &control, .page_count = guest_pages};
    const struct xf_guest_sink to = {.ops = &to_ops, .page_count = guest_pages};
    struct pair_config c = pair_defaults(1);
    struct pair p;

    c.pages = guest_pages;
    c.net.queues = lanes;
    c.net.delay_us = 50;
    c.faults.loss_pct = loss_pct;
    c.ends.from = &from;
    c.ends.to = &to;
    c.step_us = 200;
    memset(&hosts, 0, sizeof(hosts));
    hosts.now_us = &p.now_us;
    hosts.types = types;
    pair_open(&p, &c);
    while (p.now_us < 100000000 && (p.source_rc == 0 || p.target_rc == 0))
        pair_step_busy(&p, hosts.source_until_us, hosts.target_until_us);
    assert_int_equal(p.source_rc, XF_SESSION_DONE);
    assert_int_equal(p.target_rc, XF_SESSION_DONE);
    const struct xf_stats *ss = xf_source_stats(p.source);

    assert_int_equal(ss->pages_total, types == HOLES ? FEW : guest_pages);
    assert_int_equal(xf_target_stats(p.target)->pages_total, types == HOLES ? FEW : guest_pages);
    double seconds = (double)(ss->done_us - ss->start_us) / 1e6;

    print_message("%u lanes%s%s: the first page after %.3f s, all after %.2f s\n", lanes,
                  types == AT_ONCE  ? ", all types first"
                  : types == BESIDE ? ", types by another thread"
                  : types == HOLES  ? ", few pages and a long hole"
                                    : "",
                  loss_pct > 0 ? ", losses" : "",
                  (double)(hosts.first_page_us - ss->start_us) / 1e6, seconds);
    pair_close(&p);
    return seconds;
}

/* Where lanes have threads of their own, control asks for types beside them: it takes what the
   slowest of the three takes. */
static void all_go_side_by_side(void **state)
{
    (void)state;
    for (unsigned lanes = 1; lanes <= 2; lanes++) {
        double seconds = move(lanes, BESIDE, 0);

        assert_true(hosts.first_page_us < 500000);
        assert_true(seconds < PAGES_S * 1.1);
    }
}

/* One thread at the source asks for types and maps; the target's host works beside it. */
static void the_ends_work_side_by_side(void **state)
{
    (void)state;
    double seconds = move(1, BY_STRETCHES, 0);

    assert_true(hosts.first_page_us < 500000);
    assert_true(seconds < (TYPES_S + PAGES_S) * 1.1);
}

/* What was measured here can be other: if all types are asked for first, the first page is late. */
static void types_first_take_longer(void **state)
{
    (void)state;
    move(1, AT_ONCE, 0);
    assert_true(hosts.first_page_us > TYPES_S * 1e6);
}

/* That no page arrives is no fault of the link where there is none to send. */
static void holes_take_long(void **state)
{
    (void)state;
    double seconds = move(1, HOLES, 0);

    assert_true(seconds > HOLES_S * 0.9); /* twice as long as it waits for a page to arrive */
    assert_true(hosts.first_page_us < 500000);
}

/* Memory that was asked for and got lost is asked for again. */
static void memory_gets_lost(void **state)
{
    (void)state;
    double seconds = move(2, BY_STRETCHES, 5);

    assert_true(hosts.first_page_us < 1000000);
    assert_true(seconds < (TYPES_S + PAGES_S) * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_go_side_by_side),     cmocka_unit_test(the_ends_work_side_by_side),
        cmocka_unit_test(types_first_take_longer), cmocka_unit_test(holes_take_long),
        cmocka_unit_test(memory_gets_lost),
    };

    const char *sanitized = getenv("XF_SANITIZED");

    if (sanitized && sanitized[0]) /* it keeps books of each page */
        guest_pages = 16 * GIB_PAGES;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
