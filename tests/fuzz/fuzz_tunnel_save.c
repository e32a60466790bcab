/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes the other direction of the tunnel: what Xen's own save writes, as the source's pump takes
 * it apart (tunnel_save_pump.c is included for its static functions, and with it
 * tunnel_save_state.c, which it fails by, so that nothing is printed), with files in place of the
 * socketpair and of io_fd. Checked: what goes out is whole records, no PAGE_DATA, each XF_BATCH as
 * the target will demand it; the pages taken are those that were counted; END goes out only after
 * XF_PAGES; and what fails has a reason.
 */
#include "fuzz_control.h"

#include <sys/eventfd.h>

#define xf_say                      fuzz_say
#define xf_tunnel_save_fail         fuzz_tunnel_save_fail
#define xf_tunnel_save_cancelled    fuzz_tunnel_save_cancelled
#define xf_tunnel_save_stock_failed fuzz_tunnel_save_stock_failed
#define xf_tunnel_save_write        fuzz_tunnel_save_write
#define xf_tunnel_save_write_record fuzz_tunnel_save_write_record
#define xf_tunnel_save_pump         fuzz_tunnel_save_pump
#include "xl-plugin/plugin/pv/tunnel_save_state.c"
#include "xl-plugin/plugin/pv/tunnel_save_pump.c"

/* What goes to the target. */
static void check_output(const struct xf_pv_save *s, bool ended)
{
    static struct xf_tunnel_head head;
    struct xf_tunnel_counts counts;
    struct xf_pages_record pages;
    struct xf_record rec = {.type = 1};
    uint64_t sent = 0;
    bool counted = false;
    off_t at = 0;

    FUZZ_CHECK(!xf_tunnel_source_wait_done(s->tunnel, &counts) || !ended);
    while (fuzz_next_record(s->real, &at, &rec, &head, sizeof(head))) {
        FUZZ_CHECK(rec.type != XF_REC_PAGE_DATA && rec.type != XF_REC_VERIFY);
        FUZZ_CHECK(!counted || rec.type == XF_REC_END);
        if (rec.type == XF_REC_BATCH) {
            FUZZ_CHECK(head.count >= 1 && head.count <= XF_TUNNEL_FRAMES_MAX && !head.reserved);
            FUZZ_CHECK(rec.length == XF_TUNNEL_HEAD_BYTES(head.count));
            for (uint32_t i = 0; i < head.count; i++)
                sent += xf_tunnel_has_page(head.frames[i]);
        }
        if (rec.type == XF_REC_PAGES) {
            FUZZ_CHECK(rec.length == XF_PAGES_BYTES);
            xf_pages_decode(&pages, (const uint8_t *)&head);
            FUZZ_CHECK(pages.pages_total == sent && pages.pages_total == counts.pages);
            counted = true;
        }
    }
    FUZZ_CHECK(ended == (rec.type == XF_REC_END && counted));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int in = -1, out = -1, other = -1, mark = -1;
    static struct xf_tunnel_head head;
    struct fuzz_in input = {data, size};
    uint8_t settings = fuzz_u8(&input);
    const struct xf_tunnel_save params = {.io_fd = fuzz_file(&other)};
    struct xf_pv_save s = {
        .p = &params,
        .real = fuzz_file(&out),
        .pair = {fuzz_file_of(&in, input.data, input.left), -1},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
        .shut_fd = -1,
        .verify = settings & 1,
        .unsteady_n = settings / 2 % 4,
    };

    if (mark < 0)
        mark = eventfd(0, EFD_CLOEXEC);
    s.mark_fd = mark;
    FUZZ_CHECK(mark >= 0 && !fstat(params.io_fd, &s.io_stat));
    xf_stream_make_headers(s.headers, XF_STREAM_PV, 4, 17);
    FUZZ_CHECK(!xf_tunnel_source_new(&s.tunnel, XF_TUNNEL_HALF_PAGES));
    xf_tunnel_source_done(s.tunnel); /* nobody is waited for */
    int rc = pump(&s, &head);

    FUZZ_CHECK(!rc || s.error[0]);
    if (!rc)
        fuzz_check_end(s.pair[0], lseek(s.pair[0], 0, SEEK_CUR));
    check_output(&s, !rc);
    xf_tunnel_source_free(s.tunnel);
    return 0;
}
