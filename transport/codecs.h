/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Codecs: the table of them, in the order of base/codec_list.h. */
#ifndef XF_TRANSPORT_CODECS_H
#define XF_TRANSPORT_CODECS_H

#include "codec.h"
#include "transport/base/compress_mode.h"

#define XF_CODEC_COUNT(NAME, name, record, feature, most) +1
#define XF_CODECS_N                                       (0 XF_CODECS(XF_CODEC_COUNT))

struct xf_codec {
    uint8_t record;             /* enum xf_record_kind */
    enum xf_compress_mode mode; /* in which it is the only one */
    uint64_t feature;           /* XF_FEATURE_* */
    uint32_t bytes_max;         /* of a page on the wire */
    const struct xf_codec_ops *ops;
};

extern const struct xf_codec xf_codecs[XF_CODECS_N];

/* The codec of a kind of record; NULL: it is no codec's. */
const struct xf_codec *xf_codec_of(uint8_t record);

#endif
