/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In flight: what counts as acknowledged and as lost. */
#include "tests/unit/common/unit.h"

#include "transport/inflight.h"

struct losses {
    uint64_t pages[64];
    unsigned n;
};

static int note_loss(void *arg, const struct xf_sent *sent)
{
    struct losses *l = arg;

    l->pages[l->n++] = sent->records[0].index;
    return 0;
}

static void send_n(struct xf_inflight *f, unsigned n, uint64_t now_us)
{
    for (unsigned i = 0; i < n; i++) {
        struct xf_wire_record r = {.index = f->next, .count = 1, .kind = XF_RECORD_RAW};

        xf_inflight_add(f, &r, 1, 1000, now_us);
    }
}

static void test_gap_is_lost_only_when_reordering_is_ruled_out(void **state)
{
    struct xf_inflight f;
    struct losses l = {0};
    struct xf_pace_news news;
    struct xf_wire_feedback fb = {.base = 3, .horizon = 10, .ranges = 1};
    struct xf_wire_range r[] = {{0, 1}};

    (void)state;
    assert_int_equal(xf_inflight_init(&f), 0);
    send_n(&f, 200, 1000);
    /* 3 is missing, six later ones are there, and it is young: perhaps reordered. */
    assert_int_equal(xf_inflight_feedback(&f, &fb, r, 1100, 1000, note_loss, &l, &news), 0);
    assert_int_equal(news.acked, 9);
    assert_int_equal(news.acked_bytes, 9000);
    assert_int_equal(news.newest_sent_us, 1000);
    assert_int_equal(news.lost, 0);
    assert_int_equal(f.una, 3);
    /* The same again: nothing new. */
    assert_int_equal(xf_inflight_feedback(&f, &fb, r, 1200, 1000, note_loss, &l, &news), 0);
    assert_int_equal(news.acked, 0);
    assert_int_equal(news.newest_sent_us, 0);
    /* Old enough. */
    assert_int_equal(xf_inflight_feedback(&f, &fb, r, 2000, 1000, note_loss, &l, &news), 0);
    assert_int_equal(news.lost, 1);
    assert_int_equal(news.lost_bytes, 1000);
    assert_int_equal(l.pages[0], 3);
    assert_int_equal(f.una, 10);
    /* By count: 20 is missing and more than XF_REORDER_PACKETS later ones are there. */
    fb = (struct xf_wire_feedback){.base = 20, .horizon = 21 + XF_REORDER_PACKETS, .ranges = 1};
    assert_int_equal(xf_inflight_feedback(&f, &fb, r, 1100, 1000, note_loss, &l, &news), 0);
    assert_int_equal(news.lost, 1);
    assert_int_equal(news.lost_bytes, 1000);
    assert_int_equal(l.pages[1], 20);
    assert_int_equal(f.outstanding, 200 - 21 - XF_REORDER_PACKETS);
    /* Late acknowledgement of what was given up changes nothing. */
    fb = (struct xf_wire_feedback){.base = 21, .horizon = 21};
    assert_int_equal(xf_inflight_feedback(&f, &fb, r, 1100, 1000, note_loss, &l, &news), 0);
    assert_int_equal(news.acked, 0);
    assert_int_equal(news.newest_sent_us, 0);
    xf_inflight_fini(&f);
}

static void test_never_sent_is_dishonest(void **state)
{
    struct xf_inflight f;
    struct losses l = {0};
    struct xf_pace_news news;
    struct xf_wire_feedback fb = {.base = 0, .horizon = 11};

    (void)state;
    assert_int_equal(xf_inflight_init(&f), 0);
    send_n(&f, 10, 0);
    assert_int_equal(xf_inflight_feedback(&f, &fb, NULL, 0, 0, note_loss, &l, &news), -EBADMSG);
    assert_int_equal(f.outstanding, 10);
    xf_inflight_fini(&f);
}

static void test_settle_forgets(void **state)
{
    struct xf_inflight f;
    struct losses l = {0};
    struct xf_pace_news news;
    struct xf_wire_range r[] = {{0, 10}};
    struct xf_wire_feedback fb = {.base = 0, .horizon = 500, .ranges = 1};

    (void)state;
    assert_int_equal(xf_inflight_init(&f), 0);
    send_n(&f, 500, 0);
    xf_inflight_settle(&f);
    assert_int_equal(f.outstanding, 0);
    assert_int_equal(xf_inflight_room(&f), XF_INFLIGHT_PACKETS);
    assert_int_equal(xf_inflight_feedback(&f, &fb, r, 99999999, 0, note_loss, &l, &news), 0);
    assert_int_equal(news.acked + news.lost + l.n, 0);
    xf_inflight_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gap_is_lost_only_when_reordering_is_ruled_out),
        cmocka_unit_test(test_never_sent_is_dishonest),
        cmocka_unit_test(test_settle_forgets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
