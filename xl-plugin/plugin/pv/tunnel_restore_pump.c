/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the source's xl wrote becomes what the stock function reads: batches get their
   pages back. */
#include "tunnel_restore_pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xl-plugin/plugin/event_words.h"
#include "xl-plugin/plugin/fault_points.h"
#include "tunnel_restore_state.h"

#define COMPARED_MS 60000 /* the last page to compare was written -> Xen's restore has done so */
#define COUNTED_MS  10000 /* XF_PAGES -> our own count, which the source has seen */

static int to_stock(struct xf_pv_restore *r, const void *buf, size_t len)
{
    int rc = xf_stream_write(r->pair[0], buf, len);

    return rc ? xf_tunnel_restore_stream_failed(r, -ECANCELED) : 0;
}

/* ---- pages that come again to be compared ---------------------------------------------------- */

/* XF_COMPARE: from here on the stock function compares. */
static int begin_comparing(struct xf_pv_restore *r, const struct xf_stream *s,
                           const struct xf_record *rec)
{
    const uint32_t verify[2] = {htole32(XF_REC_VERIFY), 0};
    struct {
        uint32_t count, reserved;
        uint64_t pages[XF_UNSTEADY_MAX];
    } body;

    if (!(r->offer.features & XF_FEATURE_VERIFY) || r->compare != NOT_COMPARED || rec->length < 8 ||
        rec->length > sizeof(body) || rec->length % 8)
        return xf_tunnel_restore_fail(r, -EBADMSG, "the source's stream: record %#x of %u bytes",
                                      rec->type, rec->length);
    int rc = xf_stream_read_body(s, rec, &body, rec->length);
    if (rc)
        return xf_tunnel_restore_stream_failed(r, rc);
    if (le32toh(body.count) != rec->length / 8 - 1 || body.reserved)
        return xf_tunnel_restore_fail(
            r, -EBADMSG, "the source's stream: record %#x with another count", rec->type);
    pthread_mutex_lock(&r->verify.lock);
    for (; r->verify.unsteady_n < le32toh(body.count); r->verify.unsteady_n++)
        r->verify.unsteady[r->verify.unsteady_n] = le64toh(body.pages[r->verify.unsteady_n]);
    xf_unsteady_sort(r->verify.unsteady, r->verify.unsteady_n);
    pthread_mutex_unlock(&r->verify.lock);
    r->compare = COMPARING;
    r->trial_pfn = UINT64_MAX;
    return to_stock(r, verify, sizeof(verify));
}

/* A record's pages are being compared: counts them, and keeps the first that will do as the trial.
 */
static void take_trial(struct xf_pv_restore *r, const struct xf_tunnel_head *head, uint32_t count,
                       const uint8_t *from)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t frame = le64toh(head->frames[i]);

        if (!xf_tunnel_has_page(frame))
            continue;
        if (xf_event_words(from))
            xf_verify_leave_out(&r->verify, frame & XF_TUNNEL_PFN);
        if (!xf_verify_is_unsteady(&r->verify, frame & XF_TUNNEL_PFN)) {
            r->verified++;
            if (r->trial_pfn == UINT64_MAX && frame >> 60 == 0) {
                r->trial_pfn = frame;
                memcpy(r->trial, from, sizeof(r->trial));
            }
        }
        from += XF_PAGE_BYTES;
    }
}

/* All pages to compare are written: has the stock function found what it should, and no more? */
static int end_comparing(struct xf_pv_restore *r)
{
    const struct {
        uint32_t type, length, count, reserved;
        uint64_t frame;
    } record = {
        .type = htole32(XF_REC_PAGE_DATA),
        .length = htole32(XF_TUNNEL_HEAD_BYTES(1) + (uint32_t)XF_PAGE_BYTES),
        .count = htole32(1),
        .frame = htole64(r->trial_pfn),
    };
    char why[256];

    r->compare = COMPARED;
    if (r->trial_pfn == UINT64_MAX)
        return xf_tunnel_restore_fail(r, -EBADMSG, "verify: the source sent no pages to compare");
    r->trial[0] ^= 1;
    xf_verify_try(&r->verify, r->trial_pfn);
    int rc = to_stock(r, &record, sizeof(record));
    rc = rc ?: to_stock(r, r->trial, sizeof(r->trial));
    if (rc)
        return rc;
    if (xf_verify_wait(&r->verify, r->p->compared_ms ?: COMPARED_MS) == -ECANCELED)
        return xf_tunnel_restore_stream_failed(r, -ECANCELED);
    if (xf_verify_judge(&r->verify, why))
        return xf_tunnel_restore_fail(r, -EILSEQ, "%s", why);
    xf_tunnel_sink_hold(r->tunnel, false);
    return 0;
}

/* ---- the stream ------------------------------------------------------------------------------ */

/* A PAGE_DATA record, as the stock function at the source wrote it. */
static int join_record(struct xf_pv_restore *r, const struct xf_stream *s,
                       const struct xf_record *rec, struct xf_tunnel_head *head)
{
    char why[XF_STREAM_ERR_BYTES];
    const uint8_t *from;
    uint32_t pages;
    int rc = xf_tunnel_read_head(s, rec, head, &pages, why);

    if (rc == -EBADMSG)
        return xf_tunnel_restore_fail(r, rc, "the source's stream: %s", why);
    if (rc)
        return xf_tunnel_restore_stream_failed(r, rc);

    const uint32_t count = head->count;
    uint32_t length = XF_TUNNEL_HEAD_BYTES(count);
    uint32_t header[2] = {htole32(XF_REC_PAGE_DATA),
                          htole32(length + (uint32_t)(pages * XF_PAGE_BYTES))};

    head->count = htole32(head->count);
    rc = XF_FAULT(tunnel_restore_batch_join);
    if (rc)
        return xf_tunnel_restore_stream_failed(r, rc);
    rc = to_stock(r, header, sizeof(header));
    rc = rc ?: to_stock(r, head, length);
    if (rc || !pages)
        return rc;
    rc = xf_tunnel_sink_take(r->tunnel, pages, &from);
    if (rc == -EBADMSG)
        return xf_tunnel_restore_fail(
            r, rc, "the source's stream: a record of %u pages, but another number has landed",
            pages);
    if (!rc && r->compare == COMPARING)
        take_trial(r, head, count, from);
    rc = rc ?: to_stock(r, from, pages * XF_PAGE_BYTES);
    if (!rc) {
        xf_tunnel_sink_give_back(r->tunnel);
        r->pages += pages;
    }
    return rc;
}

/* XF_PAGES: what the source counts is what was counted here. */
static int compare_counts(struct xf_pv_restore *r, const struct xf_stream *s,
                          const struct xf_record *rec)
{
    struct xf_pages_record pages;
    struct xf_stats stats;
    uint8_t body[XF_PAGES_BYTES];
    uint64_t left;
    int rc;

    if (rec->length != sizeof(body))
        return xf_tunnel_restore_fail(r, -EBADMSG, "the source's stream: record %#x of %u bytes",
                                      rec->type, rec->length);
    rc = XF_FAULT(tunnel_restore_pages_read) ?: xf_stream_read_body(s, rec, body, sizeof(body));
    if (rc)
        return xf_tunnel_restore_stream_failed(r, rc);
    xf_pages_decode(&pages, body);
    if (memcmp(pages.session_id, r->offer.session_id, sizeof(pages.session_id)) || pages.reserved)
        return xf_tunnel_restore_fail(r, -EBADMSG,
                                      "the source's stream: the end of another session's memory");
    rc = xf_tunnel_sink_wait_done(r->tunnel, COUNTED_MS, &stats, &left);
    if (rc)
        return xf_tunnel_restore_fail(
            r, rc, "the source says that all memory is sent, but some is missing here");
    if (pages.rounds != stats.rounds || pages.pages_total != r->pages || left)
        return xf_tunnel_restore_fail(
            r, -EBADMSG,
            "the source counts %llu pages in %u batches; here are %llu in %u, and %llu "
            "left over",
            (unsigned long long)pages.pages_total, pages.rounds, (unsigned long long)r->pages,
            stats.rounds, (unsigned long long)left);
    return 0;
}

static int forward_record(struct xf_pv_restore *r, const struct xf_stream *s,
                          const struct xf_record *rec)
{
    int rc = xf_stream_forward(s, rec, r->pair[0]);

    if (rc == -ECONNRESET)
        rc = -ECANCELED;
    return rc ? xf_tunnel_restore_stream_failed(r, rc) : 0;
}

static int pump(struct xf_pv_restore *r, struct xf_tunnel_head *head)
{
    /* While it waits for the source, the session knows whether that is still there. */
    struct xf_stream s = {.fd = r->p->io_fd, .watch_fd = r->pair[0], .timeout_ms = -1};
    char why[XF_STREAM_ERR_BYTES];
    struct xf_record rec;
    bool counted = false;
    int rc = to_stock(r, r->headers, sizeof(r->headers));

    while (!rc) {
        atomic_store(&r->asking, true);
        rc = xf_stream_read_record(&s, &rec) ?: XF_FAULT(tunnel_restore_record_read);
        atomic_store(&r->asking, false);
        if (rc)
            return xf_tunnel_restore_stream_failed(r, rc);
        if (counted && (rec.type != XF_REC_END || rec.length))
            return xf_tunnel_restore_fail(
                r, -EBADMSG, "the source's stream: record %#x where END is due", rec.type);
        if (r->compare == COMPARING && rec.type != XF_REC_BATCH)
            rc = end_comparing(r);
        if (rc)
            return rc;
        if (rec.type == XF_REC_BATCH) {
            rc = join_record(r, &s, &rec, head);
        } else if (rec.type == XF_REC_COMPARE) {
            rc = begin_comparing(r, &s, &rec);
        } else if (rec.type == XF_REC_PAGES) {
            if (r->offer.features & XF_FEATURE_VERIFY && r->compare != COMPARED)
                return xf_tunnel_restore_fail(r, -EBADMSG,
                                              "verify: the source sent no pages to compare");
            rc = compare_counts(r, &s, &rec);
            counted = true;
        } else {
            rc = xf_tunnel_allow(&rec, why);
            if (rc)
                return xf_tunnel_restore_fail(r, rc, "the source's stream: %s", why);
            if (rec.type == XF_REC_END && !counted)
                return xf_tunnel_restore_fail(
                    r, -EBADMSG, "the source's stream ends before its memory was counted");
            if (rec.type == XF_REC_END) {
                atomic_store(&r->ended, true);
                if (XF_FAULT(tunnel_restore_end_forward))
                    return xf_tunnel_restore_stream_failed(r, -ECANCELED);
            }
            rc = forward_record(r, &s, &rec);
            if (rec.type == XF_REC_END)
                return rc;
        }
    }
    return rc;
}

void *xf_tunnel_restore_pump(void *arg)
{
    struct xf_pv_restore *r = arg;
    struct xf_tunnel_head *head = malloc(sizeof(*head));
    int rc = head ? pump(r, head) : xf_tunnel_restore_fail(r, -ENOMEM, "%s", strerror(ENOMEM));

    free(head);
    return (void *)(intptr_t)rc;
}
