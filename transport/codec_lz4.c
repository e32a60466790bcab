/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Codec LZ4: a page as one LZ4 block, without a frame. */
#include "codec.h"

#include <lz4.h>

#include "guest.h"

static uint32_t encode(void *state, const uint8_t *page, uint8_t *out, uint32_t room)
{
    int n = LZ4_compress_fast_extState(state, (const char *)page, (char *)out, (int)XF_PAGE_BYTES,
                                       (int)room, 1);

    return n > 0 ? (uint32_t)n : 0;
}

static bool decode(const uint8_t *in, uint32_t bytes, uint8_t *page)
{
    return LZ4_decompress_safe((const char *)in, (char *)page, (int)bytes, (int)XF_PAGE_BYTES) ==
           (int)XF_PAGE_BYTES;
}

/* What does not shrink to three quarters would take the target longer, and save little. */
const struct xf_codec_ops xf_codec_lz4 = {
    .state_bytes = sizeof(LZ4_stream_t),
    .worth_bytes = (uint32_t)XF_PAGE_BYTES / 4 * 3,
    .tells_speed = true,
    .encode = encode,
    .decode = decode,
};
