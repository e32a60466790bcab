/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes the control stream of an HVM or PVH guest as the target reads it, from the headers to END:
 * the code of restoring.c itself (it is included, to say nothing), with files in place of io_fd and
 * of the socketpair to Xen's restore. Checked: Xen's restore gets the headers, then only records
 * that Xen knows or may skip, no page and nothing of ours; END comes to it only if all that was
 * read was in order; not a byte beyond END is read, because that is libxl's; and what fails has a
 * reason.
 */
#include "fuzz_control.h"

#define xf_say fuzz_say
#include "xl-plugin/plugin/restoring.c"

static int refuse(void *ctx, unsigned lane, uint64_t first, uint64_t count)
{
    (void)lane;
    (void)ctx;
    (void)first;
    (void)count;
    return -ENOMEM;
}

/* What Xen's restore gets. */
static void check_output(int out, const uint8_t *headers, bool ended)
{
    uint8_t got[XF_HEADERS_BYTES];
    off_t at = sizeof(got);
    struct xf_record rec = {.type = 1};
    bool end = false;

    FUZZ_CHECK(pread(out, got, sizeof(got), 0) == (ssize_t)sizeof(got));
    FUZZ_CHECK(!memcmp(got, headers, sizeof(got)));
    while (fuzz_next_record(out, &at, &rec, NULL, 0)) {
        FUZZ_CHECK(!end && rec.length <= (uint32_t)128 << 20);
        FUZZ_CHECK(rec.type >> 16 != 0x5846 && rec.type != 1 && rec.type != 0xd && rec.type != 0xe);
        end = rec.type == XF_REC_END;
    }
    FUZZ_CHECK(end == ended);
}

/* The target of the session that the offer describes; nothing is sent or received. */
static struct xf_target *new_target(const struct xf_offer *offer, const struct xf_member *member,
                                    struct fuzz_link *link)
{
    static const struct xf_guest_sink_ops ops = {
        .lanes = xf_guest_lanes,
        .populate = refuse,
        .map_chunk = xf_sink_map_part, /* nothing lands */
        .unmap_chunk = xf_sink_unmap_part,
        .map_part = xf_sink_map_part,
        .unmap_part = xf_sink_unmap_part,
        .wrote = xf_sink_wrote,
        .end_round = xf_sink_end_round,
    };
    struct xf_guest_sink sink = {.ops = &ops, .page_count = offer->page_count};
    struct xf_target_config tc;
    struct xf_target *target;

    fuzz_link_init(link, 1, 8972);
    xf_target_config_init(&tc);
    tc.offer = *offer;
    tc.member = *member;
    return xf_target_new(&target, &tc, &sink, &link->link, 0) ? NULL : target;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int in = -1, out = -1;
    struct fuzz_link link;
    struct xf_restoring a = {
        .in = {.fd = fuzz_file_of(&in, data, size), .watch_fd = fuzz_file(&out)},
        .given_up = "given up",
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };

    int rc = xf_restoring_read_offer(&a, false);

    /* What a larger guest needs is not what is tried here. */
    if (!rc && a.offer.page_count <= 4096)
        a.target = new_target(&a.offer, &a.member, &link);
    if (a.target) {
        rc = xf_stream_write(out, a.headers, sizeof(a.headers));
        rc = rc ?: xf_restoring_forward(&a, XF_STREAM_STATIC, XF_REC_STATIC_DATA_END, out);
        rc = rc ?: xf_restoring_take_pages(&a);
        rc = rc ?: xf_restoring_forward(&a, XF_STREAM_TAIL, XF_REC_END, out);
        off_t taken = lseek(in, 0, SEEK_CUR);

        check_output(out, a.headers, !rc);
        xf_target_free(a.target);
        if (!rc)
            fuzz_check_end(in, taken);
    }
    FUZZ_CHECK(!rc || a.error[0]);
    xf_offer_wipe(&a.offer);
    xf_member_wipe(&a.member);
    return 0;
}
