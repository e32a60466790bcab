/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compress: when it pays, by clocks and links of the test's own; and whole sessions with it. */
#include "tests/unit/common/pair.h"

#include "transport/compress.h"
#include "transport/base/random.h"

#define LIMIT_US 60000000u
#define GBIT     UINT64_C(125000000)

/* Each look at it is so many nanoseconds later. */
static uint64_t clock_ns, tick_ns;

static uint64_t ticking(void)
{
    return clock_ns += tick_ns;
}

static _Alignas(64) uint64_t text[XF_PAGE_BYTES / 8], noise[XF_PAGE_BYTES / 8];

static int fill_pages(void **state)
{
    struct xf_random r = {.state = 7};

    (void)state;
    for (unsigned i = 0; i < XF_PAGE_BYTES / 8; i++) {
        noise[i] = xf_random_next(&r);
        text[i] = i % 3 ? 0x2020202061626364u : noise[i] & 0xffffff;
    }
    return 0;
}

/* Of n pages, how many went compressed. */
static unsigned compress(struct xf_compress *c, const void *page, unsigned n)
{
    static uint8_t out[XF_PAGE_BYTES];
    const struct xf_codec *codec;
    unsigned compressed = 0;

    while (n--)
        compressed += xf_compress_page(c, page, out, sizeof(out), &codec) > 0;
    return compressed;
}

static void test_modes(void **state)
{
    static struct xf_compress c;
    uint8_t out[XF_PAGE_BYTES];
    const struct xf_codec *codec = NULL;
    enum xf_compress_mode mode;

    (void)state;
    xf_compress_init(&c, XF_COMPRESS_NONE, XF_FEATURES_KNOWN, ticking);
    assert_int_equal(compress(&c, text, 1000), 0);
    xf_compress_fini(&c);
    xf_compress_init(&c, XF_COMPRESS_LZ4, XF_FEATURES_KNOWN, ticking);
    assert_int_equal(compress(&c, text, 1000), 1000);
    assert_int_equal(compress(&c, noise, 1000), 0);
    /* No more than there is room for. */
    uint32_t bytes = xf_compress_page(&c, text, out, sizeof(out), &codec);
    assert_in_range(bytes, XF_PAGE_BYTES / 4, XF_PAGE_BYTES / 3);
    assert_int_equal(xf_compress_page(&c, text, out, bytes - 1, &codec), 0);
    assert_int_equal(xf_compress_page(&c, text, out, bytes, &codec), bytes);
    xf_compress_fini(&c);
    for (unsigned i = XF_COMPRESS_AUTO; i <= XF_COMPRESS_NONE; i++) {
        assert_int_equal(
            xf_compress_mode_parse(xf_compress_mode_name((enum xf_compress_mode)i), &mode), 0);
        assert_int_equal(mode, i);
    }
    assert_int_equal(xf_compress_mode_parse("LZ4", &mode), -EINVAL);
    assert_int_equal(xf_compress_mode_parse("", &mode), -EINVAL);
}

static void test_auto_is_for_what_limits(void **state)
{
    static const struct {
        const char *what;
        uint64_t link;    /* bytes per second; 0: never waited for */
        uint64_t tick_ns; /* of the CPU for a page */
        uint64_t send_ns;
        const void *page;
        bool pays;
    } rows[] = {
        {"1 Gbit/s, text", GBIT, 6000, 1000, text, true},
        {"1 Gbit/s, noise", GBIT, 2000, 1000, noise, false},
        {"1 Gbit/s, a CPU so slow that it would be the limit", GBIT, 40000, 1000, text, false},
        {"25 Gbit/s, text", 25 * GBIT, 6000, 1000, text, false},
        {"25 Gbit/s, and a CPU that is quick enough", 25 * GBIT, 500, 200, text, true},
        {"the CPU limits", 0, 6000, 1000, text, false},
        {"the CPU limits, and sending is what takes it so long", 0, 6000, 50000, text, true},
        {"nothing is known", 0, 6000, 0, text, false},
    };
    static struct xf_compress c;

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        xf_compress_init(&c, XF_COMPRESS_AUTO, XF_FEATURES_KNOWN, ticking);
        tick_ns = rows[i].tick_ns;
        xf_compress_link(&c, rows[i].link, false, 1000);
        if (rows[i].send_ns)
            xf_compress_sent(&c, 16 * XF_PAGE_BYTES, 16 * rows[i].send_ns);
        compress(&c, rows[i].page, 5000); /* time to find out */
        unsigned n = compress(&c, rows[i].page, 5000);

        if (rows[i].pays ? n != 5000 : n > 100)
            fail_msg("%s: %u of 5000 compressed", rows[i].what, n);
        xf_compress_fini(&c);
    }
}

static void test_auto_follows_changes(void **state)
{
    static struct xf_compress c;

    (void)state;
    xf_compress_init(&c, XF_COMPRESS_AUTO, XF_FEATURES_KNOWN, ticking);
    tick_ns = 6000;
    xf_compress_link(&c, GBIT, false, 1000);
    xf_compress_sent(&c, 16 * XF_PAGE_BYTES, 16000);
    compress(&c, noise, 100000);
    assert_false(c.on);
    /* Rarely looked at, but looked at: what 32 MiB hold. */
    assert_true(compress(&c, text, 8192) > 2000);
    assert_int_equal(compress(&c, text, 5000), 5000);
    compress(&c, noise, 2048);
    assert_false(c.on);
    /* Of noise, next to nothing is tried. */
    uint64_t before = clock_ns;
    compress(&c, noise, 100000);
    assert_true(clock_ns - before < 100 * 2 * tick_ns);
    compress(&c, text, 5000);
    assert_true(c.on);
    xf_compress_link(&c, 25 * GBIT, false, 2000);
    compress(&c, text, 200);
    assert_false(c.on);
    xf_compress_fini(&c);
}

/* While the CPU limits by compressing, the link's rate is what was last seen: it may be wrong. */
static void test_auto_tries_raw(void **state)
{
    static struct xf_compress c;
    uint64_t now_us = 2000000;

    (void)state;
    xf_compress_init(&c, XF_COMPRESS_AUTO, XF_FEATURES_KNOWN, ticking);
    tick_ns = 6000;
    xf_compress_link(&c, GBIT, false, now_us);
    compress(&c, text, 5000);
    assert_true(c.on);
    for (unsigned ms = 0; ms < 60; ms++)
        xf_compress_link(&c, GBIT, true, now_us += 1000);
    assert_false(c.on);
    assert_true(compress(&c, text, 1000) < 100);
    /* It was right: so it goes on, and asks again only after a while. */
    for (unsigned ms = 0; ms < 60; ms++)
        xf_compress_link(&c, GBIT, false, now_us += 1000);
    compress(&c, text, 5000);
    assert_true(c.on);
    for (unsigned ms = 0; ms < 500; ms++)
        xf_compress_link(&c, GBIT, true, now_us += 1000);
    assert_true(c.on);
    for (unsigned ms = 0; ms < 500 && c.on; ms++)
        xf_compress_link(&c, GBIT, true, now_us += 1000);
    assert_false(c.on);
    /* The rate grows: raw for as long as it does, and in the end it does not pay. */
    for (unsigned ms = 0; ms < 200; ms++) {
        xf_compress_link(&c, GBIT + GBIT * (ms + 1) / 10, false, now_us += 1000);
        compress(&c, text, 100);
        assert_false(c.on);
    }
    xf_compress_fini(&c);
}

/* ---- whole sessions ------------------------------------------------------------------------- */

static void test_compressed_over_bad_links(void **state)
{
    static const uint32_t payloads[] = {8972, 1472};

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct pair p;
        struct pair_config c = pair_defaults(seed);

        c.features = XF_FEATURE_LZ4 | (seed % 3 ? 0 : XF_FEATURE_VERIFY);
        c.compress = XF_COMPRESS_LZ4;
        c.fill = seed % 4 ? XF_FILL_COMPRESSIBLE : XF_FILL_MIXED;
        c.net.payload_bytes = payloads[seed % 2];
        c.faults = (struct xf_fault_config){
            .loss_pct = 3, .reorder_pct = 5, .duplicate_pct = 2, .corrupt_pct = 1};
        pair_open(&p, &c);
        pair_run(&p, LIMIT_US);
        pair_assert_same(&p);
        const struct xf_stats *from = xf_source_stats(p.source), *to = xf_target_stats(p.target);

        assert_true(from->pages_repaired > 0);
        assert_true(to->pages_compressed > to->pages_total / 10);
        assert_true(to->pages_compressed <= from->pages_compressed);
        /* Three to one; and of a zero page that was written to, a line is left. */
        assert_in_range(from->bytes_saved, from->pages_compressed * XF_PAGE_BYTES / 4,
                        from->pages_compressed * XF_PAGE_BYTES * 7 / 8);
        pair_close(&p);
    }
}

/* Without the feature in the offer, whatever the source is told. */
static void test_not_offered_not_used(void **state)
{
    struct pair p;
    struct pair_config c = pair_defaults(3);

    (void)state;
    c.compress = XF_COMPRESS_LZ4;
    c.fill = XF_FILL_COMPRESSIBLE;
    pair_open(&p, &c);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    assert_int_equal(xf_source_stats(p.source)->pages_compressed, 0);
    pair_close(&p);
}

/* What goes over a link of a gigabit, and in what time. */
static void measure(enum xf_simguest_fill fill, enum xf_compress_mode mode, uint64_t *bytes,
                    uint64_t *us)
{
    struct pair p;
    struct pair_config c = pair_defaults(5);

    c.pages = 20000;
    c.hole_every = 0;
    c.features = XF_FEATURE_LZ4;
    c.compress = mode;
    c.fill = fill;
    c.net.bytes_per_s = GBIT;
    pair_open(&p, &c);
    pair_run(&p, LIMIT_US);
    pair_assert_same(&p);
    *bytes = xf_source_stats(p.source)->bytes_wire;
    *us = xf_source_stats(p.source)->done_us - xf_source_stats(p.source)->live_us;
    pair_close(&p);
}

static void test_auto_on_a_slow_link(void **state)
{
    uint64_t raw, raw_us, bytes, us;

    (void)state;
    measure(XF_FILL_COMPRESSIBLE, XF_COMPRESS_NONE, &raw, &raw_us);
    measure(XF_FILL_COMPRESSIBLE, XF_COMPRESS_AUTO, &bytes, &us);
    if (bytes * 2 > raw || us * 18 > raw_us * 10)
        fail_msg("3:1: %llu of %llu bytes, %llu of %llu us", (unsigned long long)bytes,
                 (unsigned long long)raw, (unsigned long long)us, (unsigned long long)raw_us);
    measure(XF_FILL_RANDOM, XF_COMPRESS_NONE, &raw, &raw_us);
    measure(XF_FILL_RANDOM, XF_COMPRESS_AUTO, &bytes, &us);
    if (bytes * 100 > raw * 102 || us * 100 > raw_us * 102)
        fail_msg("random: %llu of %llu bytes, %llu of %llu us", (unsigned long long)bytes,
                 (unsigned long long)raw, (unsigned long long)us, (unsigned long long)raw_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_auto_is_for_what_limits),
        cmocka_unit_test(test_auto_follows_changes),
        cmocka_unit_test(test_auto_tries_raw),
        cmocka_unit_test(test_compressed_over_bad_links),
        cmocka_unit_test(test_not_offered_not_used),
        cmocka_unit_test(test_auto_on_a_slow_link),
    };

    return cmocka_run_group_tests(tests, fill_pages, NULL);
}
