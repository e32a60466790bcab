/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Head: reads and checks what xl and libxl write before libxc. */
#include "head.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_BYTES_MAX   ((uint32_t)16 << 20)
#define XL_BYTE_ORDER    0x01020304u
#define XL_JSON          1u /* mandatory flags */
#define XL_STREAM_V2     2u
#define LIBXL_ID         0x4c6962786c466d74ull /* "LibxlFmt" */
#define LIBXL_VERSION    2u
#define LIBXL_BIG_ENDIAN 1u
#define LIBXC_CONTEXT    1u

struct xl_header {
    char magic[32];
    uint32_t byte_order, mandatory, optional, length;
};
_Static_assert(sizeof(struct xl_header) == 48, "as xl has it");

static const char magic[33] = "Xen saved domain, xl format\n \0 \r";

static int refuse(char why[XF_STREAM_ERR_BYTES], const char *what)
{
    snprintf(why, XF_STREAM_ERR_BYTES, "%s", what);
    return -EBADMSG;
}

static int check(const struct xl_header *h, char why[XF_STREAM_ERR_BYTES])
{
    if (memcmp(h->magic, magic, sizeof(h->magic)))
        return refuse(why, "not what xl migrate writes");
    if (le32toh(h->byte_order) != XL_BYTE_ORDER)
        return refuse(why, "a header of xl's in another byte order");
    if (le32toh(h->mandatory) != (XL_JSON | XL_STREAM_V2))
        return refuse(why, "a header of xl's with flags that are not known");
    if (le32toh(h->length) < sizeof(uint32_t) + 1 || le32toh(h->length) > JSON_BYTES_MAX)
        return refuse(why, "a configuration of an impossible length");
    return 0;
}

/* The u32 before it counts its 0 as well; what may follow is not known, and xl skips it. */
static int find_json(struct xf_head *h, char why[XF_STREAM_ERR_BYTES])
{
    const uint8_t *data = (const uint8_t *)h->bytes + sizeof(struct xl_header);
    size_t room = h->length - sizeof(struct xl_header) - sizeof(uint32_t);
    uint32_t length;

    memcpy(&length, data, sizeof(length));
    length = le32toh(length);
    h->json = (const char *)data + sizeof(length);
    if (!length || length > room || strnlen(h->json, length) != length - 1)
        return refuse(why, "a configuration whose length is not its own");
    return 0;
}

int xf_head_read(const struct xf_stream *s, struct xf_head *h, char why[XF_STREAM_ERR_BYTES])
{
    struct xl_header header;
    int rc = xf_stream_read(s, &header, sizeof(header));

    *h = (struct xf_head){0};
    why[0] = 0;
    rc = rc ?: check(&header, why);
    if (rc)
        return rc;
    h->length = sizeof(header) + le32toh(header.length);
    h->bytes = malloc(h->length);
    if (!h->bytes)
        return -ENOMEM;
    memcpy(h->bytes, &header, sizeof(header));
    rc = xf_stream_read(s, (uint8_t *)h->bytes + sizeof(header), h->length - sizeof(header));
    rc = rc ?: find_json(h, why);
    if (rc)
        xf_head_free(h);
    return rc;
}

int xf_head_read_libxl(const struct xf_stream *s, uint8_t to[XF_HEAD_LIBXL_BYTES],
                       char why[XF_STREAM_ERR_BYTES])
{
    struct {
        uint64_t id;
        uint32_t version, options;
        uint32_t type, length;
    } h;
    _Static_assert(sizeof(h) == XF_HEAD_LIBXL_BYTES, "no hole");
    int rc = xf_stream_read(s, to, XF_HEAD_LIBXL_BYTES);

    why[0] = 0;
    if (rc)
        return rc;
    memcpy(&h, to, sizeof(h));
    if (be64toh(h.id) != LIBXL_ID || be32toh(h.version) != LIBXL_VERSION ||
        be32toh(h.options) & LIBXL_BIG_ENDIAN)
        return refuse(why, "not a stream of libxl's that is known here");
    if (le32toh(h.type) != LIBXC_CONTEXT || h.length)
        return refuse(why, "libxl's stream does not begin with libxc's");
    return 0;
}

int xf_head_read_end(const struct xf_stream *s, char why[XF_STREAM_ERR_BYTES])
{
    struct xf_record rec;
    int rc = xf_stream_read_record(s, &rec);

    why[0] = 0;
    if (!rc && (rec.type || rec.length))
        rc = refuse(why, "libxl has more to say than a guest without a device model needs");
    return rc;
}

void xf_head_free(struct xf_head *h)
{
    free(h->bytes);
    *h = (struct xf_head){0};
}
