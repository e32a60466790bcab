/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sparse simulated guest: what is not written to costs no memory at either end, and what is
   written arrives. It is looked at itself, not only by the hash, which trusts what the guest knows.
 */
#include "tests/unit/common/pair.h"

#include <sys/mman.h>

#define PAGES 70007u

/* Pages of a guest that have memory, in its own mapping. */
static uint64_t pages_with_memory(const struct xf_simguest *g)
{
    static unsigned char there[PAGES + XF_CHUNK_PAGES];
    size_t bytes;
    void *memory = (void *)(uintptr_t)xf_simguest_memory(g, &bytes);
    uint64_t n = 0;

    assert_true(bytes / XF_PAGE_BYTES <= sizeof(there));
    assert_int_equal(mincore(memory, bytes, there), 0);
    for (size_t i = 0; i < bytes / XF_PAGE_BYTES; i++)
        n += there[i] & 1;
    return n;
}

static void run(uint64_t seed, unsigned writes, uint64_t features)
{
    struct xf_simguest *from, *to;
    struct pair_config c = pair_defaults(seed);
    struct pair p;
    uint64_t a[2], b[2], written;

    assert_int_equal(xf_simguest_new_sparse(&from, PAGES, seed), 0);
    assert_int_equal(xf_simguest_new_empty_sparse(&to, PAGES), 0);
    struct xf_guest_source gs = xf_simguest_source(from);
    struct xf_guest_sink gt = xf_simguest_sink(to);

    gt.chunks_max = 20;
    c.pages = PAGES;
    c.ends.from = &gs;
    c.ends.to = &gt;
    c.features = features;
    c.net.payload_bytes = seed % 2 ? 1472 : 8972;
    c.faults = (struct xf_fault_config){.loss_pct = (double)(seed % 4), .reorder_pct = 2};
    xf_simguest_write(from, writes);
    pair_open(&p, &c);
    while (p.now_us < 60000000 && (p.source_rc == 0 || p.target_rc == 0)) {
        if (p.now_us % 1000 < c.step_us && writes)
            xf_simguest_write(from, 3);
        pair_step(&p);
    }
    if (p.source_rc != XF_SESSION_DONE || p.target_rc != XF_SESSION_DONE)
        fail_msg("seed %llu: source %d (%s), target %d (%s)", (unsigned long long)seed, p.source_rc,
                 xf_source_error(p.source), p.target_rc, xf_target_error(p.target));
    if (features & XF_FEATURE_VERIFY)
        assert_int_equal(xf_target_stats(p.target)->pages_verified, PAGES);
    written = pages_with_memory(from);
    assert_true(writes ? written > 0 && written < PAGES / 8 : written == 0);
    if (!(features & XF_FEATURE_VERIFY))
        assert_true(pages_with_memory(to) <= written * XF_PART_PAGES);
    xf_simguest_hash(from, a);
    xf_simguest_hash(to, b);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(xf_simguest_differing_bytes(from, to), 0);
    pair_close(&p);

    /* It tells when it should not be the same. */
    xf_simguest_flip_bit(from, PAGES - 1);
    xf_simguest_hash(from, a);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(xf_simguest_differing_bytes(from, to), 1);
    xf_simguest_free(from);
    xf_simguest_free(to);
}

static void test_nothing_written(void **state)
{
    (void)state;
    run(1, 0, 0);
    run(2, 0, 0);
}

static void test_written(void **state)
{
    (void)state;
    for (uint64_t seed = 3; seed < 7; seed++)
        run(seed, 200, 0);
}

static void test_verified(void **state)
{
    (void)state;
    run(12, 100, XF_FEATURE_VERIFY);
    run(13, 0, XF_FEATURE_VERIFY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_written),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_verified),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
