/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compress, mode: whether pages go compressed and by which codec, as the user says it. */
#ifndef XF_TRANSPORT_BASE_COMPRESS_MODE_H
#define XF_TRANSPORT_BASE_COMPRESS_MODE_H

#include <errno.h>
#include <string.h>

#include "codec_list.h"

#define XF_COMPRESS_ENUM(NAME, name, record, feature, most) XF_COMPRESS_##NAME,
enum xf_compress_mode {
    XF_COMPRESS_AUTO,           /* by what makes pages go out faster, while it does */
    XF_CODECS(XF_COMPRESS_ENUM) /* all pages that get smaller by that codec */
    XF_COMPRESS_NONE,
};
#undef XF_COMPRESS_ENUM

/* All of the names, for a message. */
#define XF_COMPRESS_WORD(NAME, name, record, feature, most) ", " #name
#define XF_COMPRESS_WORDS                                   "auto" XF_CODECS(XF_COMPRESS_WORD) " or none"

static inline const char *xf_compress_mode_name(enum xf_compress_mode mode)
{
#define XF_COMPRESS_NAME(NAME, name, record, feature, most) #name,
    static const char *const names[] = {"auto", XF_CODECS(XF_COMPRESS_NAME) "none"};
#undef XF_COMPRESS_NAME

    return names[mode];
}

/* -EINVAL if it is none of the names. */
static inline int xf_compress_mode_parse(const char *text, enum xf_compress_mode *mode)
{
    for (unsigned i = XF_COMPRESS_AUTO; i <= XF_COMPRESS_NONE; i++) {
        if (!strcmp(text, xf_compress_mode_name((enum xf_compress_mode)i))) {
            *mode = (enum xf_compress_mode)i;
            return 0;
        }
    }
    return -EINVAL;
}

#endif
