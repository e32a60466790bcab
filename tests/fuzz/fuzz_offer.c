/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes the offer: bytes from the control channel. Checked: what is accepted encodes to the same
 * bytes, and a target made of it keeps to the queues that its link has.
 */
#include "fuzz.h"

#include "transport/target.h"

#define PAGES_MAX 4096u /* what this test would give a guest */

static int refuse(void *ctx, unsigned lane, uint64_t first, uint64_t count)
{
    (void)lane;
    (void)ctx;
    (void)first;
    (void)count;
    return -1;
}

static const struct xf_guest_sink_ops sink_ops = {
    .lanes = xf_guest_lanes,
    .populate = refuse,
    .map_chunk = xf_sink_map_part, /* nothing lands */
    .unmap_chunk = xf_sink_unmap_part,
    .map_part = xf_sink_map_part,
    .unmap_part = xf_sink_unmap_part,
    .wrote = xf_sink_wrote,
    .end_round = xf_sink_end_round,
};

static void run_target(const struct xf_offer *offer)
{
    struct xf_guest_sink guest = {.ops = &sink_ops, .page_count = offer->page_count};
    struct xf_target_config config;
    struct xf_target *target;
    struct fuzz_link link;

    fuzz_link_init(&link, 2, 8972);
    xf_target_config_init(&config);
    config.offer = *offer;
    if (!xf_target_new(&target, &config, &guest, &link.link, 0)) {
        xf_target_ready(target);
        for (unsigned i = 1; i < 4; i++)
            FUZZ_CHECK(xf_target_step(target, i * 60000) == 0);
        xf_target_abort(target, "enough of it");
        xf_target_free(target);
    }
    fuzz_link_fini(&link);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xf_offer offer;
    uint8_t again[XF_OFFER_BYTES];
    char why[160];

    memset(why, 0, sizeof(why));
    if (xf_offer_decode(&offer, data, size, why)) {
        FUZZ_CHECK(why[0] && memchr(why, 0, sizeof(why)));
        return 0;
    }
    FUZZ_CHECK(size == sizeof(again));
    xf_offer_encode(&offer, again);
    FUZZ_CHECK(!memcmp(again, data, sizeof(again)));
    if (offer.page_count <= PAGES_MAX)
        run_target(&offer);
    return 0;
}
