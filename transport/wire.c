/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wire: sizes, and the checks of what a peer sent. */
#include "wire.h"

#include <errno.h>
#include <string.h>

#include "codecs.h"
#include "features.h"

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

const struct xf_packet_kind *xf_wire_packet_kind(uint8_t type)
{
#define TO_TARGET(NAME, number, name, least, most) [number] = {#NAME, true, least, most},
#define TO_SOURCE(NAME, number, name, least, most) [number] = {#NAME, false, least, most},
    static const struct xf_packet_kind kinds[UINT8_MAX + 1] = {XF_PACKETS_TO_TARGET(TO_TARGET)
                                                                   XF_PACKETS_TO_SOURCE(TO_SOURCE)};
#undef TO_TARGET
#undef TO_SOURCE

    return &kinds[type];
}

uint32_t xf_wire_coded_bytes_max(const struct xf_wire_shape *shape)
{
    return shape->body_bytes - (uint32_t)sizeof(struct xf_wire_data) -
           (uint32_t)sizeof(struct xf_wire_record) - XF_CODED_HEAD_BYTES;
}

/* The payload of a codec's pages: each says how long it is. -EBADMSG if it cannot be. */
static int check_coded(const struct xf_codec *codec, const uint8_t *payload, size_t len,
                       uint32_t count, size_t *bytes)
{
    size_t at = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint16_t page_bytes;

        if (len - at < XF_CODED_HEAD_BYTES)
            return -EBADMSG;
        memcpy(&page_bytes, payload + at, sizeof(page_bytes));
        at += XF_CODED_HEAD_BYTES;
        if (page_bytes == 0 || page_bytes > codec->bytes_max || page_bytes > len - at)
            return -EBADMSG;
        at += page_bytes;
    }
    *bytes = at;
    return 0;
}

/* Bytes of a checked record's payload, the first of the `len` bytes that are left. */
static int check_payload(const struct xf_wire_shape *shape, const struct xf_wire_record *r,
                         const uint8_t *payload, size_t len, size_t *bytes)
{
    const struct xf_codec *codec;

    switch (r->kind) {
    case XF_RECORD_RAW:
        *bytes = r->count * XF_PAGE_BYTES;
        break;
    case XF_RECORD_FRAG:
        *bytes = xf_wire_frag_bytes(shape, r->frag);
        break;
    case XF_RECORD_HASH:
        *bytes = r->count * (size_t)XF_HASH_BYTES;
        break;
    default:
        codec = xf_codec_of(r->kind);
        if (codec)
            return check_coded(codec, payload, len, r->count, bytes);
        *bytes = 0;
        break;
    }
    return *bytes <= len ? 0 : -EBADMSG;
}

static int check_record(const struct xf_wire_shape *shape, uint64_t features,
                        const struct xf_wire_record *r, uint64_t page_count)
{
    const struct xf_codec *codec;

    if (r->space != 0 || r->count == 0 || r->count > XF_RUN_PAGES_MAX)
        return -EBADMSG;
    switch (r->kind) {
    case XF_RECORD_RAW:
        /* Bounded here, so that the bytes of a payload cannot overflow. */
        if (r->frag != 0 || r->count > shape->pages_max)
            return -EBADMSG;
        break;
    case XF_RECORD_HASH:
        if (!(features & XF_FEATURE_VERIFY) || r->frag != 0 || r->count > shape->hashes_max)
            return -EBADMSG;
        break;
    case XF_RECORD_HELD:
        if (!(features & XF_FEATURE_VERIFY_LIVE) || r->frag != 0)
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
        codec = xf_codec_of(r->kind);
        if (!codec || !(features & codec->feature) || r->frag != 0)
            return -EBADMSG;
        break;
    }
    if (r->index >= page_count || r->count > page_count - r->index)
        return -ERANGE;
    return 0;
}

int xf_wire_check_data(const struct xf_wire_shape *shape, uint64_t features, const uint8_t *body,
                       size_t len, uint64_t page_count)
{
    struct xf_wire_data head;
    struct xf_wire_record records[XF_RECORDS_MAX];
    size_t at, bytes;
    int rc;

    if (len < sizeof(head))
        return -EBADMSG;
    memcpy(&head, body, sizeof(head));
    if (head.records == 0 || head.records > XF_RECORDS_MAX || head.reserved0 || head.reserved1)
        return -EBADMSG;
    at = sizeof(head) + head.records * sizeof(records[0]);
    if (len < at)
        return -EBADMSG;
    memcpy(records, body + sizeof(head), head.records * sizeof(records[0]));
    for (unsigned i = 0; i < head.records; i++) {
        rc = check_record(shape, features, &records[i], page_count);
        if (rc)
            return rc;
    }
    for (unsigned i = 0; i < head.records; i++, at += bytes) {
        rc = check_payload(shape, &records[i], body + at, len - at, &bytes);
        if (rc)
            return rc;
    }
    return at == len ? 0 : -EBADMSG;
}

int xf_wire_check_feedback(const uint8_t *body, size_t len, uint32_t receiver)
{
    struct xf_wire_feedback fb;
    uint64_t next = 0;

    if (len < sizeof(fb))
        return -EBADMSG;
    memcpy(&fb, body, sizeof(fb));
    if (fb.receiver != receiver || fb.horizon < fb.base ||
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
