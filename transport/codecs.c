/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Codecs: the table of them. */
#include "codecs.h"

#define CODEC(NAME, name, record, feature, most)                                                   \
    {record, XF_COMPRESS_##NAME, feature, most, &xf_codec_##name},
const struct xf_codec xf_codecs[XF_CODECS_N] = {XF_CODECS(CODEC)};

const struct xf_codec *xf_codec_of(uint8_t record)
{
    for (unsigned i = 0; i < XF_CODECS_N; i++)
        if (xf_codecs[i].record == record)
            return &xf_codecs[i];
    return NULL;
}
