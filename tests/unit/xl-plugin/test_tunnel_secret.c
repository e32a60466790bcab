/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The secret of a PV guest's move, with both ends in this process: once the guest is touched, it is
 * nowhere in memory, not on a stack, not in a buffer that the control stream went through.
 */
#include "tests/unit/common/tunnel_pair.h"

#include "tests/unit/common/memory_search.h"

static struct needle secret;
static bool caught, looked;

/* Both the offer's place in the record and the secret's in the offer: PROTOCOL.md, section 2. */
static bool catch_offer(struct move *m, unsigned n, struct xf_record *rec, struct bytes *body)
{
    (void)m;
    (void)n;
    if (rec->type == XF_REC_OFFER) {
        needle_keep(&secret, body->data + 48);
        caught = true;
    }
    return true;
}

/* Xen's save writes its first record: keys have been made at both ends. */
static bool look(struct move *m, unsigned n)
{
    struct found f;

    (void)m;
    if (n)
        return true;
    f = memory_search(&secret);
    looked = caught && !f.in_core && !f.kept_out;
    if (!looked)
        print_error("caught %d, then %u and %u places\n", caught, f.in_core, f.kept_out);
    return true;
}

static void the_secret_is_gone_before_the_guest_is_touched(void **state)
{
    struct move m = {.seed = 1, .frames = 1000, .on_the_way = catch_offer, .before_record = look};

    (void)state;
    if (!MEMORY_SEARCH_WORKS)
        skip();
    move_run(&m);
    assert_int_equal(m.save_rc, 0);
    assert_int_equal(m.restore_rc, 0);
    assert_true(looked);
    move_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_secret_is_gone_before_the_guest_is_touched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
