/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stream: reads, checks, writes and forwards headers and records of the libxc stream. */
#include "stream.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IMAGE_ID          0x58454e46u /* "XENF" */
#define STREAM_VERSION    3u
#define OPTION_BIG_ENDIAN 0x0001u
#define PAGE_SHIFT_4K     12u

/* Far above what Xen writes, far below what would hurt. */
#define STATIC_BYTES_MAX  ((uint32_t)1 << 20)
#define CONTEXT_BYTES_MAX ((uint32_t)128 << 20) /* Xen's own limit of a record */
#define PARAMS_BYTES_MAX  ((uint32_t)64 << 10)

static uint32_t padding(uint32_t length)
{
    return -length & 7;
}

/* 0 when fd has something (data or an end), else why not to wait for it any longer. */
static int wait_readable(const struct xf_stream *s)
{
    /* What watch_fd receives is not ours to read: only its end counts, which poll always reports.
     */
    struct pollfd fds[2] = {
        {.fd = s->fd, .events = POLLIN},
        {.fd = s->watch_fd, .events = s->process ? POLLIN : POLLRDHUP},
    };

    for (;;) {
        int n = poll(fds, s->watch_fd >= 0 ? 2 : 1, s->timeout_ms);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -ETIMEDOUT;
        if (n > 0 && s->watch_fd >= 0 && fds[1].revents)
            return -ECANCELED;
        if (n > 0 && fds[0].revents)
            return 0;
    }
}

int xf_stream_read(const struct xf_stream *s, void *buf, size_t len)
{
    uint8_t *to = buf;

    while (len) {
        int rc = wait_readable(s);

        if (rc)
            return rc;
        ssize_t n = read(s->fd, to, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EPIPE;
        to += n;
        len -= (size_t)n;
    }
    return 0;
}

int xf_stream_write(int fd, const void *buf, size_t len)
{
    const uint8_t *from = buf;

    while (len) {
        ssize_t n = write(fd, from, len);

        /* EINTR may be the helper's SIGTERM handler at work: the next write then fails with EBADF.
         */
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        from += n;
        len -= (size_t)n;
    }
    return 0;
}

void xf_stream_make_headers(uint8_t out[XF_HEADERS_BYTES], enum xf_stream_guest guest,
                            uint32_t xen_major, uint32_t xen_minor)
{
    /* The image header is big-endian, so that it can say what the rest is. */
    struct __attribute__((packed)) {
        uint64_t marker;
        uint32_t id, version;
        uint16_t options, reserved1;
        uint32_t reserved2;
        uint32_t type;
        uint16_t page_shift, reserved3;
        uint32_t major, minor;
    } h = {
        .marker = UINT64_MAX,
        .id = htobe32(IMAGE_ID),
        .version = htobe32(STREAM_VERSION),
        .type = htole32(guest),
        .page_shift = htole16(PAGE_SHIFT_4K),
        .major = htole32(xen_major),
        .minor = htole32(xen_minor),
    };
    _Static_assert(sizeof(h) == XF_HEADERS_BYTES, "no hole");

    memcpy(out, &h, sizeof(h));
}

int xf_stream_check_headers(const uint8_t in[XF_HEADERS_BYTES], enum xf_stream_guest guest,
                            char why[XF_STREAM_ERR_BYTES])
{
    uint64_t marker;
    uint32_t id, version, type;
    uint16_t options, page_shift;

    memcpy(&marker, in, 8);
    memcpy(&id, in + 8, 4);
    memcpy(&version, in + 12, 4);
    memcpy(&options, in + 16, 2);
    memcpy(&type, in + XF_IMAGE_HEADER_BYTES, 4);
    memcpy(&page_shift, in + XF_IMAGE_HEADER_BYTES + 4, 2);

    if (marker != UINT64_MAX || be32toh(id) != IMAGE_ID)
        snprintf(why, XF_STREAM_ERR_BYTES, "not a Xen migration stream");
    else if (be32toh(version) != STREAM_VERSION)
        snprintf(why, XF_STREAM_ERR_BYTES, "a stream of version %u, not %u", be32toh(version),
                 STREAM_VERSION);
    else if (be16toh(options) & OPTION_BIG_ENDIAN)
        snprintf(why, XF_STREAM_ERR_BYTES, "a big-endian stream");
    else if (le32toh(type) != guest && le32toh(type) == XF_STREAM_PV)
        snprintf(why, XF_STREAM_ERR_BYTES, "a PV guest for a domain that is not PV");
    else if (le32toh(type) != guest && le32toh(type) == XF_STREAM_HVM)
        snprintf(why, XF_STREAM_ERR_BYTES, "an HVM or PVH guest for a PV domain");
    else if (le32toh(type) != guest || le16toh(page_shift) != PAGE_SHIFT_4K)
        snprintf(why, XF_STREAM_ERR_BYTES, "a guest of unknown kind %u", le32toh(type));
    else
        return 0;
    return -EBADMSG;
}

int xf_stream_write_record(int fd, uint32_t type, const void *body, uint32_t length)
{
    static const uint8_t zeros[8];
    uint32_t header[2] = {htole32(type), htole32(length)};
    int rc = xf_stream_write(fd, header, sizeof(header));

    if (!rc && length)
        rc = xf_stream_write(fd, body, length);
    if (!rc)
        rc = xf_stream_write(fd, zeros, padding(length));
    return rc;
}

int xf_stream_read_record(const struct xf_stream *s, struct xf_record *rec)
{
    uint32_t header[2];
    int rc = xf_stream_read(s, header, sizeof(header));

    if (!rc) {
        rec->type = le32toh(header[0]);
        rec->length = le32toh(header[1]);
    }
    return rc;
}

int xf_stream_read_body(const struct xf_stream *s, const struct xf_record *rec, void *body,
                        uint32_t length)
{
    uint8_t pad[8];

    if (rec->length != length)
        return -EBADMSG;
    int rc = xf_stream_read(s, body, length);
    return rc ? rc : xf_stream_read(s, pad, padding(length));
}

int xf_stream_forward(const struct xf_stream *s, const struct xf_record *rec, int out)
{
    uint8_t buf[4096];
    uint32_t header[2] = {htole32(rec->type), htole32(rec->length)};
    uint64_t left = (uint64_t)rec->length + padding(rec->length);
    int rc = xf_stream_write(out, header, sizeof(header));

    while (!rc && left) {
        size_t n = left < sizeof(buf) ? (size_t)left : sizeof(buf);

        rc = xf_stream_read(s, buf, n);
        if (!rc)
            rc = xf_stream_write(out, buf, n);
        left -= n;
    }
    return rc;
}

int xf_stream_allow(enum xf_stream_part part, const struct xf_record *rec,
                    char why[XF_STREAM_ERR_BYTES])
{
    uint32_t max = 0;
    bool here = false;

    switch (rec->type) {
    case XF_REC_X86_CPUID_POLICY:
    case XF_REC_X86_MSR_POLICY:
        here = part == XF_STREAM_STATIC;
        max = STATIC_BYTES_MAX;
        break;
    case XF_REC_STATIC_DATA_END:
        here = part == XF_STREAM_STATIC;
        break;
    case XF_REC_X86_TSC_INFO:
    case XF_REC_HVM_PARAMS:
        here = part == XF_STREAM_TAIL;
        max = PARAMS_BYTES_MAX;
        break;
    case XF_REC_HVM_CONTEXT:
        here = part == XF_STREAM_TAIL;
        max = CONTEXT_BYTES_MAX;
        break;
    case XF_REC_END:
        here = part == XF_STREAM_TAIL;
        break;
    default:
        /* A later Xen's optional record: stock skips it, and so it may pass. */
        here = rec->type & XF_REC_OPTIONAL;
        max = STATIC_BYTES_MAX;
        break;
    }
    return xf_stream_judge(
        rec, here, max, part == XF_STREAM_STATIC ? "before the memory" : "after the memory", why);
}

int xf_stream_judge(const struct xf_record *rec, bool here, uint32_t max, const char *where,
                    char why[XF_STREAM_ERR_BYTES])
{
    if (!here)
        snprintf(why, XF_STREAM_ERR_BYTES, "record %#x does not belong %s", rec->type, where);
    else if (rec->length > max)
        snprintf(why, XF_STREAM_ERR_BYTES, "record %#x of %u bytes, at most %u expected", rec->type,
                 rec->length, max);
    else
        return 0;
    return -EBADMSG;
}

static int read_member(const struct xf_stream *s, struct xf_member *member,
                       char why[XF_STREAM_ERR_BYTES])
{
    uint8_t body[XF_MEMBER_BYTES];
    struct xf_record rec;
    int rc = xf_stream_read_record(s, &rec);

    if (rc)
        return rc;
    if (rec.type != XF_REC_MEMBER || rec.length != XF_MEMBER_BYTES) {
        snprintf(why, XF_STREAM_ERR_BYTES,
                 "record %#x of %u bytes where this target's part of a group is due", rec.type,
                 rec.length);
        return -EBADMSG;
    }
    rc = xf_stream_read_body(s, &rec, body, sizeof(body));
    rc = rc ?: xf_member_decode(member, body, sizeof(body), why);
    explicit_bzero(body, sizeof(body));
    return rc;
}

int xf_stream_read_offer(const struct xf_stream *s, enum xf_stream_guest guest, bool early,
                         uint8_t headers[XF_HEADERS_BYTES], struct xf_offer *offer,
                         struct xf_member *member, char why[XF_STREAM_ERR_BYTES])
{
    char what[XF_STREAM_ERR_BYTES];
    uint8_t body[XF_OFFER_BYTES];
    struct xf_record rec;
    int rc = xf_stream_read(s, headers, XF_HEADERS_BYTES);

    why[0] = 0;
    if (member)
        *member = (struct xf_member){0};
    if (rc)
        return rc;
    rc = xf_stream_check_headers(headers, guest, what);
    if (rc) {
        snprintf(why, XF_STREAM_ERR_BYTES, "the source sends %.150s", what);
        return rc;
    }
    rc = xf_stream_read_record(s, &rec);
    if (rc)
        return rc;
    if (rec.type != XF_REC_OFFER) {
        snprintf(why, XF_STREAM_ERR_BYTES,
                 "the sender is not xl-fast, but the target was asked to be: run plain "
                 "xl migrate, or install xl-fast at the source");
        return -EBADMSG;
    }
    if (rec.length != XF_OFFER_BYTES) {
        snprintf(why, XF_STREAM_ERR_BYTES,
                 "the source is of another version of xl-fast: install the same at both ends");
        return -EBADMSG;
    }
    rc = xf_stream_read_body(s, &rec, body, sizeof(body));
    const bool group = !rc && member && xf_offer_is_to_group(body);
    if (!rc)
        rc = group ? xf_offer_decode_group(offer, body, sizeof(body), why)
                   : xf_offer_decode(offer, body, sizeof(body), why);
    explicit_bzero(body, sizeof(body));
    if (!rc && early != !!(offer->features & XF_FEATURE_EARLY)) {
        snprintf(why, XF_STREAM_ERR_BYTES,
                 "the source hands the guest over %s, but the target was asked to take it %s: "
                 "install the same xl-fast at both ends",
                 early ? "late" : "early", early ? "early" : "late");
        rc = -EPROTONOSUPPORT;
    }
    if (group && !rc)
        rc = read_member(s, member, why);
    if (rc)
        xf_offer_wipe(offer);
    return rc;
}

void xf_dropped_encode(const struct xf_dropped_record *rec, uint8_t out[XF_DROPPED_BYTES])
{
    uint32_t target = htole32(rec->target);

    memset(out, 0, XF_DROPPED_BYTES);
    memcpy(out, &target, 4);
    memcpy(out + 8, rec->why, strnlen(rec->why, XF_STREAM_WHY_BYTES - 1));
}

void xf_dropped_decode(struct xf_dropped_record *rec, const uint8_t in[XF_DROPPED_BYTES])
{
    memcpy(&rec->target, in, 4);
    rec->target = le32toh(rec->target);
    memcpy(rec->why, in + 8, XF_STREAM_WHY_BYTES);
    rec->why[XF_STREAM_WHY_BYTES - 1] = 0;
}

void xf_pages_encode(const struct xf_pages_record *rec, uint8_t out[XF_PAGES_BYTES])
{
    uint64_t pages = htole64(rec->pages_total);
    uint32_t rounds = htole32(rec->rounds);

    memset(out, 0, XF_PAGES_BYTES);
    memcpy(out, rec->session_id, 16);
    memcpy(out + 16, &pages, 8);
    memcpy(out + 24, &rounds, 4);
}

void xf_pages_decode(struct xf_pages_record *rec, const uint8_t in[XF_PAGES_BYTES])
{
    memcpy(rec->session_id, in, 16);
    memcpy(&rec->pages_total, in + 16, 8);
    memcpy(&rec->rounds, in + 24, 4);
    memcpy(&rec->reserved, in + 28, 4);
    rec->pages_total = le64toh(rec->pages_total);
    rec->rounds = le32toh(rec->rounds);
    rec->reserved = le32toh(rec->reserved);
}
