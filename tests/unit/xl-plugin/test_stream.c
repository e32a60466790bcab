/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control stream over a socketpair: what is written is read; nothing is read beyond; lengths
 * and types that cannot be are refused before their body is looked at; waits end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/offer.h"
#include "xl-plugin/plugin/stream.h"

struct wire {
    int in[2], out[2], watch[2];
    struct xf_stream s;
};

static int setup(void **state)
{
    static struct wire w;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, w.in), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, w.out), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, w.watch), 0);
    w.s = (struct xf_stream){.fd = w.in[1], .watch_fd = w.watch[0], .timeout_ms = 50};
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct wire *w = *state;

    for (int i = 0; i < 2; i++) {
        close(w->in[i]);
        close(w->out[i]);
        close(w->watch[i]);
    }
    return 0;
}

static void headers_are_as_xen_writes_them(void **state)
{
    /* Taken from the specification: docs/specs/libxc-migration-stream.pandoc. */
    static const uint8_t expected[XF_HEADERS_BYTES] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'X', 'E', 'N', 'F', 0,  0, 0, 3, 0,
        0,    0,    0,    0,    0,    0,    0, /* image header */
        2,    0,    0,    0,    12,   0,    0,    0,    4,   0,   0,   0,   17, 0, 0, 0, /* domain
                                                                                            header
                                                                                          */
    };
    uint8_t headers[XF_HEADERS_BYTES];
    char why[XF_STREAM_ERR_BYTES];

    (void)state;
    xf_stream_make_headers(headers, XF_STREAM_HVM, 4, 17);
    assert_memory_equal(headers, expected, sizeof(expected));
    assert_int_equal(xf_stream_check_headers(headers, XF_STREAM_HVM, why), 0);
}

static void other_streams_are_refused(void **state)
{
    static const struct {
        unsigned byte;
        uint8_t value;
        const char *word; /* of the reason */
    } cases[] = {
        {0, 0, "not a Xen"}, {8, 'Y', "not a Xen"}, {15, 2, "version 2"}, {17, 1, "big-endian"},
        {24, 1, "PV"},       {24, 9, "kind 9"},     {28, 13, "kind 2"},
    };
    char why[XF_STREAM_ERR_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t headers[XF_HEADERS_BYTES];

        xf_stream_make_headers(headers, XF_STREAM_HVM, 4, 17);
        headers[cases[i].byte] = cases[i].value;
        assert_int_equal(xf_stream_check_headers(headers, XF_STREAM_HVM, why), -EBADMSG);
        assert_non_null(strstr(why, cases[i].word));
    }
}

static void our_records_are_mandatory(void **state)
{
    (void)state;
    assert_int_equal(XF_REC_OFFER & XF_REC_OPTIONAL, 0);
    assert_int_equal(XF_REC_PAGES & XF_REC_OPTIONAL, 0);
}

static void records_pass_with_their_padding(void **state)
{
    struct wire *w = *state;
    static const char body[] = "thirteen byte";
    struct xf_record rec;
    uint8_t raw[8 + 16 + 1];

    for (uint32_t len = 0; len <= 13; len++) {
        uint32_t padded = (len + 7) & ~7u;

        assert_int_equal(xf_stream_write_record(w->in[0], XF_REC_HVM_CONTEXT, body, len), 0);
        assert_int_equal(xf_stream_read_record(&w->s, &rec), 0);
        assert_int_equal(rec.type, XF_REC_HVM_CONTEXT);
        assert_int_equal(rec.length, len);
        assert_int_equal(xf_stream_forward(&w->s, &rec, w->out[0]), 0);
        assert_int_equal(recv(w->out[1], raw, sizeof(raw), 0), 8 + padded);
        assert_memory_equal(raw + 8, body, len);
        /* Nothing was left behind, and nothing beyond was taken. */
        assert_int_equal(xf_stream_read(&w->s, raw, 1), -ETIMEDOUT);
    }
}

static void nothing_is_read_beyond_end(void **state)
{
    struct wire *w = *state;
    struct xf_record rec;
    char next[4];

    assert_int_equal(xf_stream_write_record(w->in[0], XF_REC_END, NULL, 0), 0);
    assert_int_equal(write(w->in[0], "next", 4), 4);
    assert_int_equal(xf_stream_read_record(&w->s, &rec), 0);
    assert_int_equal(xf_stream_forward(&w->s, &rec, w->out[0]), 0);
    assert_int_equal(read(w->in[1], next, sizeof(next)), 4);
    assert_memory_equal(next, "next", 4);
}

static void a_large_record_passes_in_pieces(void **state)
{
    struct wire *w = *state;
    uint8_t body[20001], got[8 + 20008];
    struct xf_record rec;
    size_t n = 0;

    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 7);
    assert_int_equal(xf_stream_write_record(w->in[0], XF_REC_HVM_CONTEXT, body, sizeof(body)), 0);
    assert_int_equal(xf_stream_read_record(&w->s, &rec), 0);
    assert_int_equal(xf_stream_forward(&w->s, &rec, w->out[0]), 0);
    while (n < sizeof(got)) {
        ssize_t k = read(w->out[1], got + n, sizeof(got) - n);

        assert_true(k > 0);
        n += (size_t)k;
    }
    assert_memory_equal(got + 8, body, sizeof(body));
}

static void a_body_of_another_length_is_refused(void **state)
{
    struct wire *w = *state;
    struct xf_record rec = {.type = XF_REC_OFFER, .length = XF_OFFER_BYTES + 1};
    uint8_t body[XF_OFFER_BYTES];

    assert_int_equal(xf_stream_read_body(&w->s, &rec, body, sizeof(body)), -EBADMSG);
    rec.length = UINT32_MAX;
    assert_int_equal(xf_stream_read_body(&w->s, &rec, body, sizeof(body)), -EBADMSG);
}

static void an_offer_says_when_it_hands_over(void **state)
{
    struct wire *w = *state;
    struct xf_offer offer = {
        .version = XF_PROTOCOL_VERSION, .queues = 1, .payload_bytes = 8972, .page_count = 512};

    for (unsigned i = 0; i < 4; i++) {
        const bool sent = i & 1, wanted = i & 2;
        uint8_t headers[XF_HEADERS_BYTES], body[XF_OFFER_BYTES];
        char why[XF_STREAM_ERR_BYTES];
        struct xf_offer got;

        xf_stream_make_headers(headers, XF_STREAM_HVM, 4, 17);
        offer.features = XF_FEATURE_VERIFY | (sent ? XF_FEATURE_EARLY : 0);
        xf_offer_encode(&offer, body);
        assert_int_equal(xf_stream_write(w->in[0], headers, sizeof(headers)), 0);
        assert_int_equal(xf_stream_write_record(w->in[0], XF_REC_OFFER, body, sizeof(body)), 0);
        assert_int_equal(
            xf_stream_read_offer(&w->s, XF_STREAM_HVM, wanted, headers, &got, NULL, why),
            sent == wanted ? 0 : -EPROTONOSUPPORT);
        assert_true(sent == wanted || strstr(why, wanted ? "late, but" : "early, but"));
    }
}

static void put_offer(struct wire *w, uint64_t features)
{
    struct xf_offer offer = {.version = XF_PROTOCOL_VERSION,
                             .queues = 1,
                             .payload_bytes = 8972,
                             .page_count = 512,
                             .features = features};
    uint8_t headers[XF_HEADERS_BYTES], body[XF_OFFER_BYTES];

    xf_stream_make_headers(headers, XF_STREAM_HVM, 4, 17);
    xf_offer_encode(&offer, body);
    assert_int_equal(xf_stream_write(w->in[0], headers, sizeof(headers)), 0);
    assert_int_equal(xf_stream_write_record(w->in[0], XF_REC_OFFER, body, sizeof(body)), 0);
}

/* An offer to a group has its member behind it; who is no member of a group refuses it. */
static void an_offer_to_a_group(void **state)
{
    struct wire *w = *state;
    struct xf_member members[2], got = {.count = 7};
    uint8_t headers[XF_HEADERS_BYTES], body[XF_MEMBER_BYTES];
    char why[XF_STREAM_ERR_BYTES];
    struct xf_offer offer;

    assert_int_equal(xf_members_new(members, 2, NULL), 0);
    xf_member_encode(&members[1], body);
    put_offer(w, XF_FEATURE_GROUP);
    assert_int_equal(xf_stream_write_record(w->in[0], XF_REC_MEMBER, body, sizeof(body)), 0);
    assert_int_equal(xf_stream_read_offer(&w->s, XF_STREAM_HVM, false, headers, &offer, &got, why),
                     0);
    assert_int_equal(got.number, 1);
    assert_int_equal(got.count, 2);
    assert_memory_equal(got.secret, members[1].secret, sizeof(got.secret));

    put_offer(w, 0);
    assert_int_equal(xf_stream_read_offer(&w->s, XF_STREAM_HVM, false, headers, &offer, &got, why),
                     0);
    assert_int_equal(got.count, 0);

    put_offer(w, XF_FEATURE_GROUP);
    assert_int_equal(xf_stream_read_offer(&w->s, XF_STREAM_HVM, false, headers, &offer, NULL, why),
                     -EPROTONOSUPPORT);
    assert_non_null(strstr(why, "this is none"));

    put_offer(w, XF_FEATURE_GROUP);
    assert_int_equal(xf_stream_write_record(w->in[0], XF_REC_STATIC_DATA_END, NULL, 0), 0);
    assert_int_equal(xf_stream_read_offer(&w->s, XF_STREAM_HVM, false, headers, &offer, &got, why),
                     -EBADMSG);
    assert_non_null(strstr(why, "part of a group is due"));

    body[4] = 9; /* a number that is none of the group's */
    put_offer(w, XF_FEATURE_GROUP);
    assert_int_equal(xf_stream_write_record(w->in[0], XF_REC_MEMBER, body, sizeof(body)), 0);
    assert_int_equal(xf_stream_read_offer(&w->s, XF_STREAM_HVM, false, headers, &offer, &got, why),
                     -EBADMSG);
    assert_non_null(strstr(why, "9 of 2"));
}

/* Who a group drops is told by name, whatever the name. */
static void a_target_that_was_dropped(void **state)
{
    struct xf_dropped_record rec = {.target = 3}, got;
    uint8_t body[XF_DROPPED_BYTES];

    (void)state;
    memset(rec.why, 'x', sizeof(rec.why));
    xf_dropped_encode(&rec, body);
    xf_dropped_decode(&got, body);
    assert_int_equal(got.target, 3);
    assert_int_equal(strlen(got.why), XF_STREAM_WHY_BYTES - 1);
    memset(body, 'y', sizeof(body));
    xf_dropped_decode(&got, body);
    assert_int_equal(strlen(got.why), XF_STREAM_WHY_BYTES - 1);
}

static void a_process_that_ends_ends_the_wait(void **state)
{
    struct wire *w = *state;
    pid_t pid = fork();
    uint8_t buf[8];

    if (!pid) {
        pause();
        _exit(0);
    }
    w->s.watch_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    w->s.process = true;
    assert_true(w->s.watch_fd >= 0);
    assert_int_equal(xf_stream_read(&w->s, buf, 8), -ETIMEDOUT);
    kill(pid, SIGKILL);
    w->s.timeout_ms = 10000;
    assert_int_equal(xf_stream_read(&w->s, buf, 8), -ECANCELED);
    waitpid(pid, NULL, 0);
    close(w->s.watch_fd);
    w->s.watch_fd = -1;
    w->s.process = false;
}

static void waits_end(void **state)
{
    struct wire *w = *state;
    uint8_t buf[8];

    assert_int_equal(xf_stream_read(&w->s, buf, 8), -ETIMEDOUT);
    /* Half a record and then silence. */
    assert_int_equal(write(w->in[0], "half", 4), 4);
    assert_int_equal(xf_stream_read(&w->s, buf, 8), -ETIMEDOUT);
    shutdown(w->watch[1], SHUT_RDWR);
    assert_int_equal(xf_stream_read(&w->s, buf, 8), -ECANCELED);
    w->s.watch_fd = -1;
    assert_int_equal(write(w->in[0], "half", 4), 4);
    shutdown(w->in[0], SHUT_WR);
    assert_int_equal(xf_stream_read(&w->s, buf, 8), -EPIPE);
}

static void records_stand_where_they_belong(void **state)
{
    static const struct {
        enum xf_stream_part part;
        struct xf_record rec;
        int rc;
    } cases[] = {
        {XF_STREAM_STATIC, {XF_REC_X86_CPUID_POLICY, 3000}, 0},
        {XF_STREAM_STATIC, {XF_REC_X86_MSR_POLICY, 16}, 0},
        {XF_STREAM_STATIC, {XF_REC_STATIC_DATA_END, 0}, 0},
        {XF_STREAM_STATIC, {XF_REC_STATIC_DATA_END, 8}, -EBADMSG},
        {XF_STREAM_STATIC, {XF_REC_X86_CPUID_POLICY, (1u << 20) + 1}, -EBADMSG},
        {XF_STREAM_STATIC, {XF_REC_HVM_CONTEXT, 8}, -EBADMSG},
        {XF_STREAM_STATIC, {XF_REC_END, 0}, -EBADMSG},
        {XF_STREAM_STATIC, {0x80000001u, 8}, 0},
        {XF_STREAM_TAIL, {XF_REC_X86_TSC_INFO, 24}, 0},
        {XF_STREAM_TAIL, {XF_REC_HVM_CONTEXT, 1u << 20}, 0},
        {XF_STREAM_TAIL, {XF_REC_HVM_CONTEXT, UINT32_MAX}, -EBADMSG},
        {XF_STREAM_TAIL, {XF_REC_HVM_PARAMS, 264}, 0},
        {XF_STREAM_TAIL, {XF_REC_END, 0}, 0},
        {XF_STREAM_TAIL, {XF_REC_END, 1}, -EBADMSG},
        {XF_STREAM_TAIL, {XF_REC_STATIC_DATA_END, 0}, -EBADMSG},
        {XF_STREAM_TAIL, {0x80000001u, UINT32_MAX}, -EBADMSG},
        /* PAGE_DATA, VERIFY, CHECKPOINT, a PV record, ours again, and what does not exist. */
        {XF_STREAM_STATIC, {0x01, 8}, -EBADMSG},
        {XF_STREAM_TAIL, {0x01, 8}, -EBADMSG},
        {XF_STREAM_TAIL, {0x0d, 0}, -EBADMSG},
        {XF_STREAM_TAIL, {0x0e, 0}, -EBADMSG},
        {XF_STREAM_TAIL, {0x02, 8}, -EBADMSG},
        {XF_STREAM_TAIL, {XF_REC_OFFER, 96}, -EBADMSG},
        {XF_STREAM_TAIL, {XF_REC_PAGES, 32}, -EBADMSG},
        {XF_STREAM_TAIL, {0x13, 0}, -EBADMSG},
    };
    char why[XF_STREAM_ERR_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        why[0] = 0;
        assert_int_equal(xf_stream_allow(cases[i].part, &cases[i].rec, why), cases[i].rc);
        assert_int_equal(!why[0], !cases[i].rc);
    }
}

static void the_count_of_pages_passes(void **state)
{
    struct xf_pages_record in = {.pages_total = 0x123456789aULL, .rounds = 7}, out;
    uint8_t body[XF_PAGES_BYTES];

    (void)state;
    memset(in.session_id, 0x5a, sizeof(in.session_id));
    xf_pages_encode(&in, body);
    xf_pages_decode(&out, body);
    assert_memory_equal(&in, &out, sizeof(in));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_as_xen_writes_them),
        cmocka_unit_test(other_streams_are_refused),
        cmocka_unit_test(our_records_are_mandatory),
        cmocka_unit_test_setup_teardown(records_pass_with_their_padding, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_read_beyond_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_record_passes_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_of_another_length_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(an_offer_says_when_it_hands_over, setup, teardown),
        cmocka_unit_test_setup_teardown(an_offer_to_a_group, setup, teardown),
        cmocka_unit_test_setup_teardown(a_target_that_was_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_process_that_ends_ends_the_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_end, setup, teardown),
        cmocka_unit_test(records_stand_where_they_belong),
        cmocka_unit_test(the_count_of_pages_passes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
