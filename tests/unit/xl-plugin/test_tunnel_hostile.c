/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A PV guest's stream that was cut or changed on its way: the target refuses it, Xen's restore gets
 * no END, and the source learns that and keeps the guest. Then the parts of the check by
 * themselves.
 */
#include "tests/unit/common/tunnel_pair.h"

#include <sys/socket.h>

/* What to do to the stream; the records of the small move below are XF_OFFER, 5 of Xen's, then
   batches and the tail. */
static struct {
    uint32_t type; /* the record to change: the nth of this type */
    unsigned nth;
    void (*change)(struct xf_record *rec, struct bytes *body); /* NULL: the way ends before it */
    unsigned seen;
    bool changed;
} plan;

static bool change_it(struct move *m, unsigned n, struct xf_record *rec, struct bytes *body)
{
    (void)m;
    (void)n;
    if (rec->type != plan.type || ++plan.seen != plan.nth)
        return true;
    plan.changed = true;
    if (!plan.change)
        return false;
    plan.change(rec, body);
    return true;
}

static void one_frame_more(struct xf_record *rec, struct bytes *body)
{
    uint64_t frame = 5;

    bytes_add(body, &frame, 8);
    rec->length += 8;
    (*(uint32_t *)(void *)body->data)++;
}

static void one_page_less(struct xf_record *rec, struct bytes *body)
{
    (void)rec;
    for (uint32_t at = 8;; at += 8)
        if (body->data[at + 7] >> 4 < 13) {
            body->data[at + 7] |= 0xf0;
            return;
        }
}

static void count_too_large(struct xf_record *rec, struct bytes *body)
{
    (void)rec;
    (*(uint32_t *)(void *)body->data) += 1;
}

static void count_huge(struct xf_record *rec, struct bytes *body)
{
    (void)rec;
    memset(body->data, 0xff, 4);
}

static void count_zero(struct xf_record *rec, struct bytes *body)
{
    (void)rec;
    memset(body->data, 0, 4);
}

static void reserved_set(struct xf_record *rec, struct bytes *body)
{
    (void)rec;
    body->data[5] = 1;
}

static void unknown_frame_type(struct xf_record *rec, struct bytes *body)
{
    (void)rec;
    body->data[15] = 0x70;
}

static void length_huge(struct xf_record *rec, struct bytes *body)
{
    (void)body;
    rec->length = 0xfffffff8;
}

static void type_page_data(struct xf_record *rec, struct bytes *body)
{
    (void)body;
    rec->type = XF_REC_PAGE_DATA;
}

static void type_unknown(struct xf_record *rec, struct bytes *body)
{
    (void)body;
    rec->type = 0x58460099;
}

static void type_hvm(struct xf_record *rec, struct bytes *body)
{
    (void)body;
    rec->type = XF_REC_HVM_CONTEXT;
}

static void type_optional(struct xf_record *rec, struct bytes *body)
{
    (void)body;
    rec->type |= XF_REC_OPTIONAL; /* a stock restore would skip it */
}

static void type_end(struct xf_record *rec, struct bytes *body)
{
    rec->type = XF_REC_END;
    rec->length = 0;
    body->len = 0;
}

static void other_session(struct xf_record *rec, struct bytes *body)
{
    (void)rec;
    body->data[3] ^= 1;
}

static void other_total(struct xf_record *rec, struct bytes *body)
{
    (void)rec;
    body->data[16]++;
}

static void other_rounds(struct xf_record *rec, struct bytes *body)
{
    (void)rec;
    body->data[24]--;
}

static void small_buffer(struct xf_record *rec, struct bytes *body)
{
    (void)rec;
    memset(body->data + 16, 0, 8);
    body->data[17] = 8; /* 2048 pages */
}

static void changed_streams_are_refused(void **state)
{
    static const struct {
        uint32_t type;
        unsigned nth;
        void (*change)(struct xf_record *, struct bytes *);
    } cases[] = {
        {XF_REC_OFFER, 1, small_buffer},
        {XF_REC_OFFER, 1, NULL},
        {XF_REC_BATCH, 1, NULL},
        {XF_REC_BATCH, 2, one_frame_more},
        {XF_REC_BATCH, 1, one_page_less},
        {XF_REC_BATCH, 1, count_too_large},
        {XF_REC_BATCH, 1, count_huge},
        {XF_REC_BATCH, 1, count_zero},
        {XF_REC_BATCH, 1, reserved_set},
        {XF_REC_BATCH, 1, unknown_frame_type},
        {XF_REC_BATCH, 1, length_huge},
        {XF_REC_BATCH, 3, type_page_data},
        {XF_REC_BATCH, 3, type_unknown},
        {XF_REC_BATCH, 3, type_optional},
        {XF_REC_BATCH, 3, type_end},
        {XF_REC_SHARED_INFO, 1, type_hvm},
        {XF_REC_SHARED_INFO, 1, length_huge},
        {XF_REC_X86_PV_P2M_FRAMES, 1, length_huge},
        {XF_REC_STATIC_DATA_END, 1, NULL},
        {XF_REC_PAGES, 1, other_session},
        {XF_REC_PAGES, 1, other_total},
        {XF_REC_PAGES, 1, other_rounds},
        {XF_REC_PAGES, 1, type_end},
        {XF_REC_PAGES, 1, type_optional},
        {XF_REC_PAGES, 1, NULL},
        {XF_REC_END, 1, type_unknown},
        {XF_REC_END, 1, NULL},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct move m = {.seed = i + 1, .frames = 4000, .hasty = true, .on_the_way = change_it};

        memset(&plan, 0, sizeof(plan));
        plan.type = cases[i].type;
        plan.nth = cases[i].nth;
        plan.change = cases[i].change;
        move_run(&m);
        assert_true(plan.changed);
        if (!m.restore_rc || m.got_end)
            fail_msg("case %u: restore %d, END %d", i, m.restore_rc, m.got_end);
        /* What comes after the last page is on its way when the source returns: then it is xl's
           handshake that keeps the guest. */
        if (plan.type != XF_REC_PAGES && plan.type != XF_REC_END && plan.type != XF_REC_SHARED_INFO)
            assert_int_not_equal(m.save_rc, 0);
        move_free(&m);
    }
}

/* ---- the parts ------------------------------------------------------------------------------- */

/* 0, or -EBADMSG, for the record of these bytes. */
static int head_of(uint32_t type, const void *body, uint32_t len, uint32_t length, uint32_t *pages)
{
    static struct xf_tunnel_head head;
    struct xf_record rec = {.type = type, .length = length};
    char why[XF_STREAM_ERR_BYTES];
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct xf_stream s = {.fd = pair[1], .watch_fd = -1, .timeout_ms = 100};
    assert_int_equal(xf_stream_write(pair[0], body, len), 0);
    close(pair[0]);
    int rc = xf_tunnel_read_head(&s, &rec, &head, pages, why);
    close(pair[1]);
    return rc;
}

static void each_type_has_its_page_or_none(void **state)
{
    (void)state;
    for (uint64_t type = 0; type < 16; type++) {
        uint64_t body[2] = {1, type << 60 | 0x1234};
        uint32_t pages = 77;
        int rc = head_of(XF_REC_BATCH, body, sizeof(body), sizeof(body), &pages);

        if (type >= 5 && type <= 8) {
            assert_int_equal(rc, -EBADMSG);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_int_equal(pages, type < 13);
        rc = head_of(XF_REC_PAGE_DATA, body, sizeof(body), (uint32_t)(sizeof(body) + pages * PAGE),
                     &pages);
        assert_int_equal(rc, 0);
        rc = head_of(XF_REC_PAGE_DATA, body, sizeof(body), (uint32_t)(sizeof(body) + !pages * PAGE),
                     &pages);
        assert_int_equal(rc, -EBADMSG);
    }
}

static void what_is_cut_short_is_no_head(void **state)
{
    uint64_t body[2] = {1, 0x1234};
    uint32_t pages;

    (void)state;
    for (uint32_t len = 0; len < sizeof(body); len++) {
        assert_int_equal(head_of(XF_REC_BATCH, body, len, sizeof(body), &pages), -EPIPE);
        assert_int_equal(head_of(XF_REC_BATCH, body, sizeof(body), len, &pages), -EBADMSG);
    }
}

static void a_pv_stream_has_its_own_records(void **state)
{
    static const uint32_t yes[] = {0, 2, 3, 4, 5, 6, 7, 8, 12, 16, 17, 18, 0x80000001};
    char why[XF_STREAM_ERR_BYTES];
    unsigned passed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        assert_int_equal(xf_tunnel_allow(&(struct xf_record){.type = yes[i]}, why), 0);
    for (uint32_t type = 0; type < 64; type++)
        passed += !xf_tunnel_allow(&(struct xf_record){.type = type}, why);
    assert_int_equal(passed, sizeof(yes) / sizeof(yes[0]) - 1);
    for (uint32_t type = XF_REC_OFFER; type < XF_REC_OFFER + 8; type++)
        assert_int_equal(xf_tunnel_allow(&(struct xf_record){.type = type}, why), -EBADMSG);
    assert_int_equal(xf_tunnel_allow(&(struct xf_record){.type = 0, .length = 8}, why), -EBADMSG);
    /* A guest of 8 TiB has 32 MiB of p2m frames. */
    assert_int_equal(xf_tunnel_allow(&(struct xf_record){.type = 3, .length = 32 << 20}, why), 0);
    assert_int_equal(xf_tunnel_allow(&(struct xf_record){.type = 3, .length = 1 << 30}, why),
                     -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_has_its_page_or_none),
        cmocka_unit_test(what_is_cut_short_is_no_head),
        cmocka_unit_test(a_pv_stream_has_its_own_records),
        cmocka_unit_test(changed_streams_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
