/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pump of a PV guest's save: what Xen's own save writes, record by record; its pages go to the
   tunnel, the rest to io_fd. */
#include "tunnel_save_pump.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/plugin/event_words.h"
#include "xl-plugin/plugin/fault_points.h"
#include "tunnel_save_state.h"

#define FORWARD_PIECE 4096u /* bytes of a record that is handed on */

static int pair_failed(struct xf_pv_save *s, int rc)
{
    if (rc != -EPIPE && rc != -ECONNRESET)
        return xf_tunnel_save_fail(s, rc, "reading from Xen's own save: %s", strerror(-rc));
    /* Also when something else failed and has shut it: xf_tunnel_save_fail() keeps that reason. */
    return xf_tunnel_save_stock_failed(s);
}

/* Waits for a record to begin; answers marks meanwhile. */
static int wait_record(struct xf_pv_save *s)
{
    struct pollfd fds[2] = {
        {.fd = s->pair[0], .events = POLLIN},
        {.fd = s->mark_fd, .events = POLLIN},
    };
    uint64_t marks;

    for (;;) {
        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return xf_tunnel_save_fail(s, -errno, "poll: %s", strerror(errno));
        }
        if (fds[0].revents)
            return 0;
        if (!fds[1].revents || read(s->mark_fd, &marks, sizeof(marks)) != sizeof(marks))
            continue;
        /* What was written before the mark may have come after poll() looked. */
        if (poll(fds, 1, 0) > 0) {
            if (write(s->mark_fd, &marks, sizeof(marks)) != sizeof(marks))
                return xf_tunnel_save_fail(s, -EIO, "eventfd: %s", strerror(errno));
            return 0;
        }
        while (marks--)
            xf_tunnel_source_mark(s->tunnel);
    }
}

static int forward_record(struct xf_pv_save *s, const struct xf_stream *pair,
                          const struct xf_record *rec)
{
    uint8_t buf[FORWARD_PIECE];
    uint32_t header[2] = {htole32(rec->type), htole32(rec->length)};
    uint64_t left = ((uint64_t)rec->length + 7) & ~UINT64_C(7);
    int rc = xf_tunnel_save_write(s, header, sizeof(header));

    while (!rc && left) {
        size_t n = left < sizeof(buf) ? (size_t)left : sizeof(buf);

        rc = xf_stream_read(pair, buf, n);
        if (rc)
            return pair_failed(s, rc);
        rc = xf_tunnel_save_write(s, buf, n);
        left -= n;
    }
    return rc;
}

/* From here on pages come to be compared. */
static int begin_comparing(struct xf_pv_save *s)
{
    struct {
        uint32_t count, reserved;
        uint64_t pages[XF_UNSTEADY_MAX];
    } body = {0};

    if (!s->verify || s->comparing)
        return xf_tunnel_save_fail(s, -EPROTO,
                                   "Xen's own save verifies without having been asked to");
    s->comparing = true;
    body.count = htole32((uint32_t)s->unsteady_n);
    for (int i = 0; i < s->unsteady_n; i++)
        body.pages[i] = htole64(s->unsteady[i]);
    return xf_tunnel_save_write_record(s, XF_REC_COMPARE, &body, 8 + 8 * (uint32_t)s->unsteady_n);
}

/* As the target does, from the same pages. */
static void count_verified(struct xf_pv_save *s, const struct xf_tunnel_head *head,
                           const uint8_t *page)
{
    for (uint32_t i = 0; i < head->count; i++) {
        uint64_t frame = le64toh(head->frames[i]);

        if (!xf_tunnel_has_page(frame))
            continue;
        s->verified +=
            !xf_event_words(page) &&
            !xf_unsteady_has(s->unsteady, (unsigned)s->unsteady_n, frame & XF_TUNNEL_PFN);
        page += XF_PAGE_BYTES;
    }
}

/* The pages go to the buffer, the rest of the record to io_fd. */
static int split_record(struct xf_pv_save *s, const struct xf_stream *pair,
                        const struct xf_record *rec, struct xf_tunnel_head *head)
{
    char why[XF_STREAM_ERR_BYTES];
    uint32_t pages;
    uint8_t *room = NULL;
    int rc = xf_tunnel_read_head(pair, rec, head, &pages, why);

    if (rc == -EBADMSG)
        return xf_tunnel_save_fail(s, rc, "Xen's own save: %s", why);
    if (rc)
        return pair_failed(s, rc);
    if (pages) {
        rc = xf_tunnel_source_reserve(s->tunnel, pages, &room);
        if (rc)
            return rc;
        rc = xf_stream_read(pair, room, pages * XF_PAGE_BYTES);
        if (rc)
            return pair_failed(s, rc);
        if (s->comparing)
            count_verified(s, head, room);
        xf_tunnel_source_commit(s->tunnel);
    }
    uint32_t length = XF_TUNNEL_HEAD_BYTES(head->count);

    head->count = htole32(head->count);
    return xf_tunnel_save_write_record(s, XF_REC_BATCH, head, length);
}

static int write_end(struct xf_pv_save *s)
{
    struct xf_tunnel_counts counts;
    uint8_t body[XF_PAGES_BYTES];

    if (s->verify && !s->comparing)
        return xf_tunnel_save_fail(s, -EPROTO, "Xen's own save was to verify, but has not");
    xf_tunnel_source_end(s->tunnel);
    int rc = xf_tunnel_source_wait_done(s->tunnel, &counts);
    rc = rc ?: XF_FAULT(tunnel_save_pages_write);
    if (rc)
        return rc;
    struct xf_pages_record rec = {.pages_total = counts.pages, .rounds = s->stats.rounds};

    memcpy(rec.session_id, s->offer.session_id, sizeof(rec.session_id));
    xf_pages_encode(&rec, body);
    rc = xf_tunnel_save_write_record(s, XF_REC_PAGES, body, sizeof(body));
    rc = rc ?: xf_tunnel_save_write_record(s, XF_REC_END, NULL, 0);
    return rc ?: XF_FAULT(tunnel_save_end_written);
}

static int pump(struct xf_pv_save *s, struct xf_tunnel_head *head)
{
    struct xf_stream pair = {.fd = s->pair[0], .watch_fd = -1, .timeout_ms = -1};
    uint8_t headers[XF_HEADERS_BYTES];
    char why[XF_STREAM_ERR_BYTES];
    struct xf_record rec;
    int rc = xf_stream_read(&pair, headers, sizeof(headers));

    if (rc)
        return pair_failed(s, rc);
    if (memcmp(headers, s->headers, sizeof(headers)))
        return xf_tunnel_save_fail(s, -EPROTO,
                                   "Xen's own save begins another stream than xl-fast knows");
    for (;;) {
        rc = wait_record(s);
        if (rc)
            return rc;
        rc = xf_stream_read_record(&pair, &rec);
        if (rc)
            return pair_failed(s, rc);
        if (rec.type == XF_REC_PAGE_DATA) {
            rc = split_record(s, &pair, &rec, head);
        } else if (rec.type == XF_REC_VERIFY && !rec.length) {
            rc = begin_comparing(s);
        } else {
            rc = xf_tunnel_allow(&rec, why);
            if (rc)
                return xf_tunnel_save_fail(s, rc, "Xen's own save: %s", why);
            if (rec.type == XF_REC_END)
                return write_end(s);
            rc = forward_record(s, &pair, &rec);
        }
        if (rc)
            return rc;
    }
}

void *xf_tunnel_save_pump(void *arg)
{
    struct xf_pv_save *s = arg;
    struct xf_tunnel_head *head = malloc(sizeof(*head));
    int rc = head ? pump(s, head) : xf_tunnel_save_fail(s, -ENOMEM, "%s", strerror(ENOMEM));

    free(head);
    return (void *)(intptr_t)rc;
}
