/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wire: sizes, and the checks of what a peer sent. */
#include "wire.h"

#include <errno.h>
#include <string.h>

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

int xf_wire_shape(struct xf_wire_shape *shape, uint32_t payload_bytes)
{
    uint32_t payload = min_u32(payload_bytes, XF_PAYLOAD_MAX);

    memset(shape, 0, sizeof(*shape));
    if (payload < XF_PAYLOAD_MIN)
        return -EMSGSIZE;
    shape->payload_bytes = payload;
    shape->body_bytes = payload - (uint32_t)sizeof(struct xf_wire_header) - XF_TAG_BYTES;

    const uint32_t record = (uint32_t)sizeof(struct xf_wire_record);
    uint32_t room = shape->body_bytes - (uint32_t)sizeof(struct xf_wire_data);

    shape->hashes_max = (room - XF_RECORDS_MAX * record) / XF_HASH_BYTES;

    /* Every page may need a record of its own. */
    shape->pages_max = min_u32(room / ((uint32_t)XF_PAGE_BYTES + record), XF_RECORDS_MAX);
    shape->frags = 1;
    shape->frag_bytes = XF_PAGE_BYTES;
    if (shape->pages_max)
        return 0;

    for (uint32_t frags = 2; frags <= XF_FRAGS_MAX; frags++) {
        uint32_t bytes = ((uint32_t)XF_PAGE_BYTES + frags - 1) / frags;

        bytes = (bytes + 15) & ~15u;
        if (bytes + record <= room) {
            shape->frags = frags;
            shape->frag_bytes = bytes;
            return 0;
        }
    }
    return -EMSGSIZE;
}

uint32_t xf_wire_frag_bytes(const struct xf_wire_shape *shape, unsigned frag)
{
    if (frag + 1 < shape->frags)
        return shape->frag_bytes;
    return (uint32_t)XF_PAGE_BYTES - shape->frag_bytes * (shape->frags - 1);
}

uint32_t xf_wire_payload_bytes(const struct xf_wire_shape *shape,
                               const struct xf_wire_record *records, unsigned n)
{
    uint32_t bytes = 0;

    for (unsigned i = 0; i < n; i++) {
        if (records[i].kind == XF_RECORD_RAW)
            bytes += records[i].count * (uint32_t)XF_PAGE_BYTES;
        else if (records[i].kind == XF_RECORD_FRAG)
            bytes += xf_wire_frag_bytes(shape, records[i].frag);
        else if (records[i].kind == XF_RECORD_HASH)
            bytes += records[i].count * XF_HASH_BYTES;
    }
    return bytes;
}

static int check_record(const struct xf_wire_shape *shape, const struct xf_wire_record *r,
                        uint64_t page_count)
{
    if (r->space != 0 || r->count == 0 || r->count > XF_RUN_PAGES_MAX)
        return -EBADMSG;
    switch (r->kind) {
    case XF_RECORD_RAW:
        /* Bounded here, so that the sum of payloads below cannot overflow. */
        if (r->frag != 0 || r->count > shape->pages_max)
            return -EBADMSG;
        break;
    case XF_RECORD_HASH:
        if (r->frag != 0 || r->count > shape->hashes_max)
            return -EBADMSG;
        break;
    case XF_RECORD_FRAG:
        if (r->count != 1 || shape->frags < 2 || r->frag >= shape->frags)
            return -EBADMSG;
        break;
    case XF_RECORD_ZERO:
    case XF_RECORD_POPULATE:
    case XF_RECORD_DEFER:
        if (r->frag != 0)
            return -EBADMSG;
        break;
    default:
        return -EBADMSG;
    }
    if (r->index >= page_count || r->count > page_count - r->index)
        return -ERANGE;
    return 0;
}

int xf_wire_check_data(const struct xf_wire_shape *shape, const uint8_t *body, size_t len,
                       uint64_t page_count)
{
    struct xf_wire_data head;
    struct xf_wire_record records[XF_RECORDS_MAX];

    if (len < sizeof(head))
        return -EBADMSG;
    memcpy(&head, body, sizeof(head));
    if (head.records == 0 || head.records > XF_RECORDS_MAX || head.reserved0 || head.reserved1)
        return -EBADMSG;
    if (len < sizeof(head) + head.records * sizeof(records[0]))
        return -EBADMSG;
    memcpy(records, body + sizeof(head), head.records * sizeof(records[0]));
    for (unsigned i = 0; i < head.records; i++) {
        int rc = check_record(shape, &records[i], page_count);

        if (rc)
            return rc;
    }
    if (len != sizeof(head) + head.records * sizeof(records[0]) +
                   xf_wire_payload_bytes(shape, records, head.records))
        return -EBADMSG;
    return 0;
}

int xf_wire_check_feedback(const uint8_t *body, size_t len)
{
    struct xf_wire_feedback fb;
    uint64_t next = 0;

    if (len < sizeof(fb))
        return -EBADMSG;
    memcpy(&fb, body, sizeof(fb));
    if (fb.receiver != 0 || fb.horizon < fb.base ||
        (fb.flags & ~(XF_FEEDBACK_READY | XF_FEEDBACK_COMPLETE)) ||
        len != sizeof(fb) + fb.ranges * sizeof(struct xf_wire_range))
        return -EBADMSG;
    for (unsigned i = 0; i < fb.ranges; i++) {
        struct xf_wire_range r;

        memcpy(&r, body + sizeof(fb) + i * sizeof(r), sizeof(r));
        if (r.length == 0 || r.start < next || (uint64_t)r.start + r.length > fb.horizon - fb.base)
            return -EBADMSG;
        next = (uint64_t)r.start + r.length;
    }
    return 0;
}

void xf_wire_reason_text(char *out, const struct xf_wire_reason *reason)
{
    size_t i;

    for (i = 0; i < XF_REASON_BYTES && reason->text[i]; i++) {
        char c = reason->text[i];

        out[i] = c >= ' ' && c <= '~' ? c : '?';
    }
    out[i] = 0;
}
