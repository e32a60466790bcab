/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many chunks the target maps at once, on hosts of several kinds and sizes. */
#include "tests/unit/common/unit.h"

#include "transport/guest.h"
#include "xl-plugin/plugin/mappings.h"

static uint32_t chunks(uint64_t limit, uint64_t mapped, uint64_t mib, bool pv)
{
    struct xf_mappings_host host = {
        .map_limit = limit, .mapped = mapped, .memory_mib = mib, .pv_dom0 = pv};

    return xf_mappings_chunks(&host);
}

static void test_hosts(void **state)
{
    (void)state;
    /* 64 GiB at the most, and never more than half of what the kernel allows beside what is there.
     */
    assert_int_equal(chunks(65530, 600, 8192, true), (65530 - 600) / 2);
    assert_int_equal(chunks(0, 600, 8192, true), XF_CHUNKS_MAX);
    assert_int_equal(chunks(1 << 20, 600, UINT64_C(1) << 30, true), XF_CHUNKS_MAX);
    assert_int_equal(chunks(760, 600, 8192, true), 80);
    /* A small dom0 does not drown in page tables. */
    assert_int_equal(chunks(65530, 600, 512, true), 8192);
    /* A PVH dom0's p2m pool. */
    assert_int_equal(chunks(65530, 600, 1536, false), 2304);
    assert_int_equal(chunks(65530, 600, 4096, false), 6144);
    assert_int_equal(chunks(1 << 20, 600, UINT64_C(1) << 30, false), XF_CHUNKS_MAX);
    /* A few, whatever is said. */
    assert_int_equal(chunks(600, 600, 8192, true), 16);
    assert_int_equal(chunks(100, 600, 8192, true), 16);
    assert_int_equal(chunks(65530, 600, 0, false), 16);
}

static void test_here(void **state)
{
    struct xf_mappings_host host;

    (void)state;
    xf_mappings_look(&host);
    assert_true(host.mapped > 5 && host.memory_mib > 64);
    assert_in_range(xf_mappings_chunks(&host), 16, XF_CHUNKS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
