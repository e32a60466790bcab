/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hub: one stream in, several out. */
#include "hub.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/handover/head.h"
#include "xl-plugin/plugin/stream.h"

#define CHUNK_BYTES 65536

struct hub {
    struct xf_stream in;
    struct xf_hub_end *ends;
    unsigned n;
    bool all;
    char *why;
};

__attribute__((format(printf, 3, 4))) static int fail(struct hub *h, int rc, const char *format,
                                                      ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(h->why, XF_HUB_WHY, format, args);
    va_end(args);
    return rc;
}

/* ---- out ----------------------------------------------------------------------------------- */

static void drop_for(struct xf_hub_end *end, const char *why)
{
    close(end->to);
    end->to = -1;
    end->gone = true;
    snprintf(end->why, sizeof(end->why), "%s", why);
}

static void put(struct xf_hub_end *end, const void *bytes, size_t n)
{
    struct pollfd out = {.fd = end->to, .events = POLLOUT};

    for (size_t at = 0; at < n && !end->gone;) {
        ssize_t done = write(end->to, (const char *)bytes + at, n - at);

        if (done > 0)
            at += (size_t)done;
        else if (done < 0 && errno == EAGAIN && !poll(&out, 1, XF_HUB_STALL_MS))
            drop_for(end, "its xl takes nothing any more");
        else if (done < 0 && errno != EAGAIN && errno != EINTR)
            drop_for(end, "its xl has ended");
    }
}

static void put_header(struct xf_hub_end *end, uint32_t type, uint32_t length)
{
    const uint32_t header[2] = {htole32(type), htole32(length)};

    put(end, header, sizeof(header));
}

/* Who is left? */
static int look(struct hub *h)
{
    unsigned gone = 0;

    for (unsigned i = 0; i < h->n; i++)
        gone += h->ends[i].gone;
    if (gone == h->n)
        return fail(h, -EPIPE, "no receiver is left");
    return h->all && gone ? fail(h, -EPIPE, "one receiver is gone, and all were wanted") : 0;
}

static int pass(struct hub *h, const void *bytes, size_t n)
{
    for (unsigned i = 0; i < h->n; i++)
        put(&h->ends[i], bytes, n);
    return look(h);
}

/* ---- in ------------------------------------------------------------------------------------ */

/* Until something comes; a receiver that ends meanwhile is dropped at once. */
static int wait_for_more(struct hub *h)
{
    struct pollfd fds[1 + XF_MEMBERS_MAX];

    for (;;) {
        fds[0] = (struct pollfd){.fd = h->in.fd, .events = POLLIN};
        for (unsigned i = 0; i < h->n; i++)
            fds[1 + i] = (struct pollfd){.fd = h->ends[i].to}; /* -1 is not looked at */
        if (poll(fds, 1 + h->n, -1) < 0 && errno != EINTR)
            return fail(h, -errno, "poll: %s", strerror(errno));
        for (unsigned i = 0; i < h->n; i++)
            if (!h->ends[i].gone && fds[1 + i].revents & (POLLERR | POLLHUP | POLLNVAL))
                drop_for(&h->ends[i], "its xl has ended");
        int rc = look(h);

        if (rc || fds[0].revents)
            return rc;
    }
}

static int ended_early(struct hub *h, int rc)
{
    if (rc == -EPIPE)
        return fail(h, -ENODATA, "the source's own stream ends too early");
    return fail(h, rc, "the source's own stream: %s", strerror(-rc));
}

static int next_record(struct hub *h, struct xf_record *rec)
{
    int rc = wait_for_more(h);

    if (rc)
        return rc;
    rc = xf_stream_read_record(&h->in, rec);
    return rc ? ended_early(h, rc) : 0;
}

/* With its padding. */
static int pass_record(struct hub *h, const struct xf_record *rec)
{
    uint8_t bytes[8192];
    uint64_t left = ((uint64_t)rec->length + 7) / 8 * 8;
    int rc;

    for (unsigned i = 0; i < h->n; i++)
        put_header(&h->ends[i], rec->type, rec->length);
    rc = look(h);
    while (!rc && left) {
        const size_t n = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);

        rc = xf_stream_read(&h->in, bytes, n);
        rc = rc ? ended_early(h, rc) : pass(h, bytes, n);
        left -= n;
    }
    return rc;
}

/* To each what is its own. */
static int pass_members(struct hub *h)
{
    uint8_t body[XF_MEMBERS_MAX * XF_MEMBER_BYTES];
    struct xf_record rec;
    int rc = next_record(h, &rec);

    if (rc)
        return rc;
    if (rec.type != XF_REC_GROUP || rec.length != h->n * XF_MEMBER_BYTES)
        return fail(h, -EBADMSG,
                    "the save helper sends to one target, or to others than these %u: it is of "
                    "another version of xl-fast, or this kind of guest goes to one target only",
                    h->n);
    rc = xf_stream_read(&h->in, body, rec.length);
    for (unsigned i = 0; i < h->n && !rc; i++) {
        put_header(&h->ends[i], XF_REC_MEMBER, XF_MEMBER_BYTES);
        put(&h->ends[i], body + (size_t)i * XF_MEMBER_BYTES, XF_MEMBER_BYTES);
    }
    explicit_bzero(body, sizeof(body));
    return rc ? ended_early(h, rc) : look(h);
}

/* The source has dropped one. */
static int take_dropped(struct hub *h, const struct xf_record *rec)
{
    uint8_t body[XF_DROPPED_BYTES];
    struct xf_dropped_record dropped;
    int rc = rec->length == sizeof(body) ? xf_stream_read(&h->in, body, sizeof(body)) : -EBADMSG;

    if (rc)
        return ended_early(h, rc);
    xf_dropped_decode(&dropped, body);
    if (dropped.target >= h->n)
        return fail(h, -EBADMSG, "the save helper drops a target that is not there");
    if (!h->ends[dropped.target].gone)
        drop_for(&h->ends[dropped.target], dropped.why);
    return look(h);
}

static int pass_head(struct hub *h)
{
    uint8_t libxl[XF_HEAD_LIBXL_BYTES], headers[XF_HEADERS_BYTES];
    char why[XF_STREAM_ERR_BYTES];
    struct xf_record rec;
    int rc = wait_for_more(h);

    if (rc)
        return rc;
    rc = xf_head_read_libxl(&h->in, libxl, why);
    if (rc)
        return why[0] ? fail(h, rc, "%s", why) : ended_early(h, rc);
    rc = pass(h, libxl, sizeof(libxl)) ?: wait_for_more(h);
    if (rc)
        return rc;
    rc = xf_stream_read(&h->in, headers, sizeof(headers));
    if (rc)
        return ended_early(h, rc);
    rc = pass(h, headers, sizeof(headers)) ?: next_record(h, &rec);
    if (!rc && (rec.type != XF_REC_OFFER || rec.length != XF_OFFER_BYTES))
        rc = fail(h, -EBADMSG, "the save helper does not send as xl-fast does");
    return rc ?: pass_record(h, &rec);
}

static int pass_records(struct hub *h)
{
    struct xf_record rec = {0};
    int rc = 0;

    while (!rc && rec.type != XF_REC_PAGES) {
        rc = next_record(h, &rec);
        if (!rc)
            rc = rec.type == XF_REC_DROPPED ? take_dropped(h, &rec) : pass_record(h, &rec);
    }
    return rc;
}

/* What follows is the same for all: the guest stands, and the rest is not looked at. */
static int pass_rest(struct hub *h)
{
    static char bytes[CHUNK_BYTES];

    for (;;) {
        int rc = wait_for_more(h);
        ssize_t n = rc ? -1 : read(h->in.fd, bytes, sizeof(bytes));

        if (rc || !n)
            return rc;
        if (n < 0 && errno != EINTR)
            return fail(h, -errno, "the source's own stream: %s", strerror(errno));
        rc = n > 0 ? pass(h, bytes, (size_t)n) : 0;
        if (rc)
            return rc;
    }
}

/* -------------------------------------------------------------------------------------------- */

/* One that does not take what it is sent must not hold up the others. */
static void set_waits(struct hub *h, bool waits)
{
    for (unsigned i = 0; i < h->n; i++) {
        const int flags = h->ends[i].gone ? -1 : fcntl(h->ends[i].to, F_GETFL);

        if (flags >= 0)
            fcntl(h->ends[i].to, F_SETFL, waits ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
    }
}

int xf_hub_run(int from, struct xf_hub_end *ends, unsigned n, bool all, char why[XF_HUB_WHY])
{
    struct hub h = {.in = {.fd = from, .watch_fd = -1, .timeout_ms = -1},
                    .ends = ends,
                    .n = n,
                    .all = all,
                    .why = why};

    why[0] = 0;
    set_waits(&h, false);
    int rc = pass_head(&h) ?: pass_members(&h) ?: pass_records(&h) ?: pass_rest(&h);

    set_waits(&h, true);
    close(from);
    return rc;
}
