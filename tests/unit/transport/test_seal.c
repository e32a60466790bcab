/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Seal: published vectors; sealing by parts; whatever is changed is refused. */
#include "tests/unit/common/unit.h"

#include "transport/seal.h"

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++) {
        unsigned byte;

        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return n;
}

/* RFC 5869, appendix A: the first 32 bytes of each case's output. */
static void test_hkdf_rfc5869(void **state)
{
    static const struct {
        const char *ikm, *salt, *info, *okm;
    } cases[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
         "f0f1f2f3f4f5f6f7f8f9",
         "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"},
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t ikm[64], salt[64], info[64], want[64], out[32];
        size_t ikm_n = unhex(cases[i].ikm, ikm), salt_n = unhex(cases[i].salt, salt);
        size_t info_n = unhex(cases[i].info, info);

        unhex(cases[i].okm, want);
        xf_hkdf_sha256(salt, salt_n, ikm, ikm_n, info, info_n, out, sizeof(out));
        assert_memory_equal(out, want, sizeof(out));
    }
}

static const uint8_t secret[32] = {1}, session_id[16] = {2};

static void test_anything_changed_is_refused(void **state)
{
    struct xf_seal *a, *b;
    struct xf_wire_header h = {.version = 1, .type = 1, .queue = 3, .sequence = 77};
    struct xf_seal_run run;
    uint8_t body[200], sealed[200], plain[200], tag[16];

    (void)state;
    assert_int_equal(xf_seal_new(&a, secret, session_id, XF_ROLE_SOURCE), 0);
    assert_int_equal(xf_seal_new(&b, secret, session_id, XF_ROLE_TARGET), 0);
    for (unsigned i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)i;
    xf_seal_begin(a, &run, &h);
    xf_seal_update(a, &run, sealed, body, 32);
    xf_seal_update(a, &run, sealed + 32, body + 32, 160);
    xf_seal_update(a, &run, sealed + 192, body + 192, 8);
    xf_seal_end(a, &run, tag);
    assert_int_equal(xf_seal_open(b, &h, sealed, 200, tag, plain), 0);
    assert_memory_equal(plain, body, 200);

    for (unsigned bit = 0; bit < sizeof(h) * 8; bit++) {
        struct xf_wire_header other = h;

        ((uint8_t *)&other)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(xf_seal_open(b, &other, sealed, 200, tag, plain), -EBADMSG);
    }
    for (unsigned bit = 0; bit < sizeof(sealed) * 8; bit += 7) {
        sealed[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(xf_seal_open(b, &h, sealed, 200, tag, plain), -EBADMSG);
        sealed[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (unsigned bit = 0; bit < sizeof(tag) * 8; bit++) {
        tag[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(xf_seal_open(b, &h, sealed, 200, tag, plain), -EBADMSG);
        tag[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(xf_seal_open(b, &h, sealed, 184, tag, plain), -EBADMSG);
    assert_int_equal(xf_seal_open(a, &h, sealed, 200, tag, plain), -EBADMSG);
    assert_int_equal(xf_seal_open(b, &h, sealed, 200, tag, plain), 0);
    xf_seal_free(a);
    xf_seal_free(b);
}

/* What is fetched meanwhile changes nothing: every length from none to two pages and a bit. */
static void test_fetching_ahead_seals_the_same(void **state)
{
    static const size_t lengths[] = {0, 1, 16, 1023, 1024, 1025, 4096, 8192 + 8};
    struct xf_seal *a, *b;
    struct xf_wire_header h = {.version = 1, .type = 1, .sequence = 5};
    struct xf_seal_run run;
    static uint8_t body[8200], sealed[8200], plain[8200];
    uint8_t tag[16];

    (void)state;
    assert_int_equal(xf_seal_new(&a, secret, session_id, XF_ROLE_SOURCE), 0);
    assert_int_equal(xf_seal_new(&b, secret, session_id, XF_ROLE_TARGET), 0);
    for (unsigned i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 7);
    for (unsigned i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++) {
        const size_t len = lengths[i / 2];

        xf_seal_begin(a, &run, &h);
        xf_seal_update_ahead(a, &run, sealed, body, len, i % 2 ? plain : NULL);
        xf_seal_end(a, &run, tag);
        assert_int_equal(xf_seal_open(b, &h, sealed, len, tag, plain), 0);
        assert_memory_equal(plain, body, len);
    }
    xf_seal_free(a);
    xf_seal_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hkdf_rfc5869),
        cmocka_unit_test(test_anything_changed_is_refused),
        cmocka_unit_test(test_fetching_ahead_seals_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
