/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wire: how packet sizes cut pages up; what an offer must say; zero test and hash of a page. */
#include "tests/unit/common/unit.h"

#include "transport/offer.h"
#include "transport/page.h"
#include "transport/wire.h"

static void test_shapes(void **state)
{
    static const struct {
        uint32_t payload, pages_max, frags, frag_bytes, last;
    } rows[] = {
        {8972, 2, 1, 4096, 4096},                            /* MTU 9000 */
        {4300, 1, 1, 4096, 4096},  {4160, 1, 1, 4096, 4096}, /* just one page and its record */
        {4159, 0, 2, 2048, 2048},  {3372, 0, 2, 2048, 2048}, /* AF_XDP */
        {1472, 0, 3, 1376, 1344},                            /* MTU 1500 */
        {1232, 0, 4, 1024, 1024},                            /* IPv6's least MTU */
        {16384, 3, 1, 4096, 4096}, {65535, 3, 1, 4096, 4096},
    };
    struct xf_wire_shape s;

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(xf_wire_shape(&s, rows[i].payload), 0);
        if (s.pages_max != rows[i].pages_max || s.frags != rows[i].frags ||
            s.frag_bytes != rows[i].frag_bytes ||
            xf_wire_frag_bytes(&s, s.frags - 1) != rows[i].last)
            fail_msg("payload %u: %u pages, %u fragments of %u, last %u", rows[i].payload,
                     s.pages_max, s.frags, s.frag_bytes, xf_wire_frag_bytes(&s, s.frags - 1));
    }
    assert_int_equal(xf_wire_shape(&s, 1231), -EMSGSIZE);
    assert_int_equal(xf_wire_shape(&s, 0), -EMSGSIZE);
    /* Whatever the size: the fragments are a page, and fit with their record. */
    for (uint32_t payload = XF_PAYLOAD_MIN; payload < 20000; payload++) {
        uint32_t sum = 0;

        assert_int_equal(xf_wire_shape(&s, payload), 0);
        for (unsigned f = 0; f < s.frags; f++)
            sum += xf_wire_frag_bytes(&s, f);
        assert_int_equal(sum, XF_PAGE_BYTES);
        assert_true(16 + 16 + 16 + s.frag_bytes + 16 <= payload);
        assert_true(16 + 16 + s.pages_max * (16 + 4096) + 16 <= payload);
        assert_true(16 + 16 + 4 * 16 + s.hashes_max * 16 + 16 <= payload);
    }
}

static void test_offers_that_cannot_be(void **state)
{
    struct xf_link link = {.queues = 1, .payload_bytes = 8972};
    struct xf_offer good, o;
    uint8_t wire[XF_OFFER_BYTES], bad[XF_OFFER_BYTES];
    char why[160] = "";
    static const struct {
        unsigned at;
        uint8_t value;
        int rc;
        const char *why;
    } rows[] = {
        {0, 'x', -EBADMSG, "not come from xl-fast"},
        {4, 2, -EPROTONOSUPPORT, "protocol version 2"},
        {6, 0, -EBADMSG, "queues 0"},
        {6, 65, -EBADMSG, "queues 65"},
        {9, 0, -EBADMSG, "packet 12 B"},
        {12, 1, -EBADMSG, "impossible"},
        {20, 1, -EBADMSG, "impossible"}, /* more than 2^32 pages */
        {22, 1, -EBADMSG, "impossible"},
        {24, 0x80, -EPROTONOSUPPORT, "features (0x80)"},
        {92, 1, -EBADMSG, "impossible"},
    };

    (void)state;
    assert_int_equal(xf_offer_new(&good, &link, 1000), 0);
    xf_offer_encode(&good, wire);
    assert_int_equal(xf_offer_decode(&o, wire, sizeof(wire), why), 0);
    assert_memory_equal(o.secret, good.secret, sizeof(o.secret));
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memcpy(bad, wire, sizeof(bad));
        bad[rows[i].at] = rows[i].value;
        int rc = xf_offer_decode(&o, bad, sizeof(bad), why);

        if (rc != rows[i].rc || !strstr(why, rows[i].why))
            fail_msg("byte %u: %d, %s", rows[i].at, rc, why);
    }
    assert_int_equal(xf_offer_decode(&o, wire, sizeof(wire) - 1, why), -EBADMSG);
    assert_int_equal(xf_offer_decode(&o, wire, 0, NULL), -EBADMSG);
    xf_offer_wipe(&good);
    for (unsigned i = 0; i < sizeof(good.secret); i++)
        assert_int_equal(good.secret[i], 0);
}

static void test_zero_page_and_hash(void **state)
{
    static _Alignas(64) uint8_t page[XF_PAGE_BYTES];
    uint8_t a[XF_HASH_BYTES], b[XF_HASH_BYTES];

    (void)state;
    assert_true(xf_page_is_zero(page));
    xf_page_hash(page, 1, a);
    for (unsigned bit = 0; bit < XF_PAGE_BYTES * 8; bit++) {
        page[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (xf_page_is_zero(page))
            fail_msg("bit %u is not seen", bit);
        if (bit % 1001 == 0) {
            xf_page_hash(page, 1, b);
            assert_memory_not_equal(a, b, sizeof(a));
        }
        page[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    xf_page_hash(page, 2, b);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_offers_that_cannot_be),
        cmocka_unit_test(test_zero_page_and_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
