/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes the control stream of a PV guest as the target reads it: the pump itself
 * (tunnel_restore_pump.c is included for its static functions, and with it tunnel_restore.c, which
 * reads the offer, and tunnel_restore_state.c), with files in place of io_fd and of the socketpair
 * to Xen's restore, and with batches that land as soon as there is room. Checked: Xen's restore
 * gets the headers, then whole records that it knows, each PAGE_DATA with exactly the pages of its
 * frames, nothing of ours; END comes only after all landed pages were handed on and counted; not a
 * byte beyond END is read; and what fails has a reason.
 */
#include "fuzz_control.h"
#include "xl-plugin/plugin/pv/tunnel_sink.h"

/* The batches that the transport brings. */
static struct {
    struct xf_guest_sink sink;
    unsigned n, landed;
    uint16_t pages[2];
    uint64_t pages_landed;
} batches;

/* One lands when the one before it has been taken. */
static void land(void)
{
    while (batches.landed < batches.n &&
           !batches.sink.ops->end_round(batches.sink.ctx, batches.pages[batches.landed]))
        batches.pages_landed += batches.pages[batches.landed++];
}

static void fuzz_give_back(struct xf_tunnel_sink *t)
{
    xf_tunnel_sink_give_back(t);
    land();
}

#define xf_tunnel_sink_give_back        fuzz_give_back
#define xf_say                          fuzz_say
#define xf_tunnel_restore_run           fuzz_tunnel_restore_run
#define xf_tunnel_restore_fail          fuzz_tunnel_restore_fail
#define xf_tunnel_restore_stream_failed fuzz_tunnel_restore_stream_failed
#define xf_tunnel_restore_pump          fuzz_tunnel_restore_pump
#include "xl-plugin/plugin/pv/tunnel_restore_state.c"
#include "xl-plugin/plugin/pv/tunnel_restore.c"
#include "xl-plugin/plugin/pv/tunnel_restore_pump.c"

/* What Xen's restore gets. Returns how many pages. */
static uint64_t check_output(const struct xf_pv_restore *r, bool ended)
{
    static struct xf_tunnel_head head;
    uint8_t got[XF_HEADERS_BYTES];
    int out = r->pair[0];
    off_t at = sizeof(got);
    struct xf_record rec;
    uint64_t pages = 0;
    bool end = false;

    FUZZ_CHECK(pread(out, got, sizeof(got), 0) == (ssize_t)sizeof(got));
    FUZZ_CHECK(!memcmp(got, r->headers, sizeof(got)));
    while (fuzz_next_record(out, &at, &rec, &head, sizeof(head))) {
        FUZZ_CHECK(!end && rec.type >> 16 != 0x5846 && rec.length <= (uint32_t)128 << 20);
        end = rec.type == XF_REC_END;
        if (rec.type != XF_REC_PAGE_DATA)
            continue;
        uint64_t n = 0;

        FUZZ_CHECK(rec.length >= 16 && head.count >= 1 && head.count <= XF_TUNNEL_FRAMES_MAX);
        FUZZ_CHECK(rec.length >= 8 + 8 * head.count);
        for (uint32_t i = 0; i < head.count; i++) {
            unsigned type = (unsigned)(head.frames[i] >> 60);

            FUZZ_CHECK(type <= 4 || type >= 9);
            n += type < 13;
        }
        FUZZ_CHECK(rec.length == 8 + 8 * (uint64_t)head.count + n * XF_PAGE_BYTES);
        pages += n;
    }
    FUZZ_CHECK(end == ended);
    return pages;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int in = -1, out = -1;
    static struct xf_tunnel_head head;
    struct fuzz_in input = {data, size};
    struct xf_stats stats = {0};

    memset(&batches, 0, sizeof(batches));
    batches.n = fuzz_u8(&input) % 3;
    for (unsigned i = 0; i < batches.n; i++)
        batches.pages[i] = 1 + fuzz_u16(&input) % 600;
    stats.rounds = fuzz_u8(&input) % 4;
    const struct xf_tunnel_restore params = {
        .io_fd = fuzz_file_of(&in, input.data, input.left),
        .compared_ms = 1,
    };
    struct xf_pv_restore r = {
        .p = &params,
        .pair = {fuzz_file(&out), -1},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };

    xf_verify_init(&r.verify);
    int rc = read_offer(&r);

    if (!rc) {
        batches.sink = xf_tunnel_sink_guest(r.tunnel);
        land();
        FUZZ_CHECK(batches.landed == (batches.n > 0));
        xf_tunnel_sink_done(r.tunnel, &stats);
        rc = pump(&r, &head);

        off_t taken = lseek(in, 0, SEEK_CUR);
        uint64_t handed = check_output(&r, !rc);

        /* The trial of a verification is a page more. */
        FUZZ_CHECK(handed == r.pages + (r.compare == COMPARED && r.trial_pfn != UINT64_MAX) ||
                   (rc && handed < r.pages + 2));
        if (!rc) {
            FUZZ_CHECK(r.pages == batches.pages_landed && batches.landed == batches.n);
            fuzz_check_end(in, taken);
        }
    }
    FUZZ_CHECK(!rc || r.error[0]);
    xf_offer_wipe(&r.offer);
    xf_tunnel_sink_free(r.tunnel);
    xf_verify_fini(&r.verify);
    return 0;
}
