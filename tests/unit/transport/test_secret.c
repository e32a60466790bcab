/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a session's secret and keys lie: the secret nowhere once both ends are made; the keys only
 * in memory that is left out of core dumps, and nowhere once the ends are gone. Looked for in all
 * of the process's memory, so stacks, buffers and what libraries leave behind count too.
 */
#include "tests/unit/common/memory_search.h"
#include "transport/plan_live.h"
#include "transport/seal.h"
#include "tests/unit/common/pair.h"

static const char to_target[] = "xl-fast 1 source to target";
static const char to_source[] = "xl-fast 1 target to source";

/* The key of a direction, as PROTOCOL.md says. */
static void keep_key(struct needle *n, const struct xf_offer *offer, const char *info)
{
    uint8_t key[32];

    xf_hkdf_sha256(offer->session_id, sizeof(offer->session_id), offer->secret,
                   sizeof(offer->secret), (const uint8_t *)info, strlen(info), key, sizeof(key));
    needle_keep(n, key);
    explicit_bzero(key, sizeof(key));
}

static void assert_nowhere(const struct needle *n, const char *what)
{
    struct found f = memory_search(n);

    if (f.in_core || f.kept_out)
        fail_msg("%s: %u times in memory that a core dump has, %u times elsewhere", what, f.in_core,
                 f.kept_out);
}

static void test_secret_and_keys(void **state)
{
    const struct xf_simlink_config net = {.queues = 1, .payload_bytes = 8972};
    struct xf_simguest *from, *to;
    struct xf_simlink *wire;
    struct xf_source_config sc;
    struct xf_target_config tc;
    struct xf_policy policy;
    struct xf_plan_live plan;
    struct xf_source *source;
    struct xf_target *target;
    struct needle secret, keys[2];
    uint8_t encoded[XF_OFFER_BYTES];

    (void)state;
    if (!MEMORY_SEARCH_WORKS)
        skip();
    assert_int_equal(xf_simguest_new(&from, 300, XF_FILL_MIXED, 1, 0), 0);
    assert_int_equal(xf_simguest_new_empty(&to, 300), 0);
    assert_int_equal(xf_simlink_new(&wire, &net), 0);
    struct xf_guest_source gs = xf_simguest_source(from);
    struct xf_guest_sink gt = xf_simguest_sink(to);

    xf_source_config_init(&sc);
    xf_policy_init(&policy);
    xf_plan_live_init(&plan, &policy, false);
    sc.plan = &plan.plan;
    xf_target_config_init(&tc);
    assert_int_equal(xf_offer_new(&sc.offer, xf_simlink_end(wire, 0), 300), 0);
    needle_keep(&secret, sc.offer.secret);
    keep_key(&keys[0], &sc.offer, to_target);
    keep_key(&keys[1], &sc.offer, to_source);
    assert_true(memory_search(&secret).in_core >= 1); /* it does find what is there */

    xf_offer_encode(&sc.offer, encoded);
    assert_int_equal(xf_offer_decode(&tc.offer, encoded, sizeof(encoded), NULL), 0);
    explicit_bzero(encoded, sizeof(encoded));
    assert_int_equal(xf_source_new(&source, &sc, &gs, xf_simlink_end(wire, 0), 1000), 0);
    assert_int_equal(xf_target_new(&target, &tc, &gt, xf_simlink_end(wire, 1), 1000), 0);
    xf_offer_wipe_secret(&sc.offer);
    xf_offer_wipe(&tc.offer);
    assert_nowhere(&secret, "the secret, both ends made");

    xf_target_ready(target);
    for (uint64_t now = 1020; xf_source_step(source, now) == 0; now += 20) {
        assert_true(now < 10000000);
        xf_simlink_advance(wire, now);
        assert_true(xf_target_step(target, now) >= 0);
    }
    assert_nowhere(&secret, "the secret, all moved");
    for (unsigned i = 0; i < 2; i++) {
        struct found f = memory_search(&keys[i]);

        assert_int_equal(f.in_core, 0);
        assert_int_equal(f.kept_out, 2); /* one at each end */
    }
    xf_source_free(source);
    xf_target_free(target);
    for (unsigned i = 0; i < 2; i++)
        assert_nowhere(&keys[i], "a key, both ends gone");
    xf_simlink_free(wire);
    xf_simguest_free(from);
    xf_simguest_free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret_and_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
