/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Head: what xl and libxl write before libxc's stream begins, which the pump reads to know the
 * guest's configuration and where libxc's begins (tools/xl/xl.h, libxl_sr_stream_format.h; the same
 * in Xen 4.14 to 4.22):
 *
 *     xl      32 bytes of magic, u32 byte order, mandatory flags, optional flags, length;
 *             of that length: u32 length, the configuration in JSON
 *     libxl   u64 magic, u32 version, u32 options, big-endian; a record LIBXC_CONTEXT
 *
 * After libxc's END comes libxl's, a record of type 0 and no body, if the guest has no device
 * model.
 */
#ifndef XF_HANDOVER_HEAD_H
#define XF_HANDOVER_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "xl-plugin/plugin/stream.h"

#define XF_HEAD_LIBXL_BYTES 24 /* libxl's part */

struct xf_head {
    void *bytes; /* xl's part, as it came */
    size_t length;
    const char *json; /* in it; ends with a 0 */
};

/* 0; -EBADMSG with why; another -errno: of reading, and why is empty. */
int xf_head_read(const struct xf_stream *s, struct xf_head *h, char why[XF_STREAM_ERR_BYTES]);
int xf_head_read_libxl(const struct xf_stream *s, uint8_t to[XF_HEAD_LIBXL_BYTES],
                       char why[XF_STREAM_ERR_BYTES]);
/* libxl's END. */
int xf_head_read_end(const struct xf_stream *s, char why[XF_STREAM_ERR_BYTES]);

void xf_head_free(struct xf_head *h);

#endif
