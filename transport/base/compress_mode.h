/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compress, mode: whether pages go compressed, as the user says it. */
#ifndef XF_TRANSPORT_BASE_COMPRESS_MODE_H
#define XF_TRANSPORT_BASE_COMPRESS_MODE_H

#include <errno.h>
#include <string.h>

enum xf_compress_mode {
    XF_COMPRESS_AUTO, /* while that makes them go out faster */
    XF_COMPRESS_LZ4,  /* all that get smaller by it */
    XF_COMPRESS_NONE,
};

static inline const char *xf_compress_mode_name(enum xf_compress_mode mode)
{
    static const char *const names[] = {"auto", "lz4", "none"};

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
