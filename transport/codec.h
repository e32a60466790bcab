/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Codec: one way to make a page smaller. A file codec_NAME.c each, which defines xf_codec_NAME, and
 * a row in base/codec_list.h; compress.c decides whether it pays. On the wire its record has, for
 * each page, a u16 length and as many bytes.
 *
 * Threads: any; what changes is in the state that the caller passes.
 */
#ifndef XF_TRANSPORT_CODEC_H
#define XF_TRANSPORT_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/base/codec_list.h"

struct xf_codec_ops {
    size_t state_bytes;   /* of the memory that encode() may use; zeros at first */
    uint32_t worth_bytes; /* what does not get smaller than this or as small goes raw */
    /* Whether a page that goes so takes about as long as one that goes raw, and so tells how fast
       pages are: by that the downtime is predicted. Not what takes next to nothing, as zeros. */
    bool tells_speed;

    /*
     * Encodes a page, which does not change meanwhile, into at most `room` bytes at `out`. Returns
     * how many, or 0 if they are too few.
     */
    uint32_t (*encode)(void *state, const uint8_t *page, uint8_t *out, uint32_t room);

    /*
     * Decodes what a peer sent, 1 to the codec's most bytes, into a whole page. False: it is none.
     * Hostile: no byte beyond either buffer is touched, whatever is in it.
     */
    bool (*decode)(const uint8_t *in, uint32_t bytes, uint8_t *page);
};

#define XF_CODEC_DECLARE(NAME, name, record, feature, most)                                        \
    extern const struct xf_codec_ops xf_codec_##name;
XF_CODECS(XF_CODEC_DECLARE)
#undef XF_CODEC_DECLARE

#endif
