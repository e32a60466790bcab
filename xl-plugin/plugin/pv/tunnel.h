/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tunnel: how a PV guest is moved. Only Xen's own save and restore can read and build such a
 * guest's memory, so both run, and what travels over the link is the bulk of their stream: the
 * pages of its PAGE_DATA records. The stream in between (PROTOCOL.md, section 9):
 *
 *     image header, domain header (of kind PV)
 *     XF_OFFER      ours
 *     ...           every record as stock wrote it, in order, but XF_BATCH for PAGE_DATA
 *     XF_PAGES      ours: every page has landed
 *     END
 *
 * This file: what both ends know about that stream and do alike. tunnel_source.h and tunnel_sink.h
 * are the buffers that the pages pass through, tunnel_save.h and tunnel_restore.h the two ends.
 */
#ifndef XF_PLUGIN_TUNNEL_H
#define XF_PLUGIN_TUNNEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "transport/link.h"
#include "transport/base/stats.h"
#include "xl-plugin/plugin/config.h"
#include "xl-plugin/plugin/stream.h"

#define XF_REC_PAGE_DATA         0x00000001u
#define XF_REC_X86_PV_INFO       0x00000002u
#define XF_REC_X86_PV_P2M_FRAMES 0x00000003u
#define XF_REC_X86_PV_VCPU_FIRST 0x00000004u /* BASIC, EXTENDED, XSAVE */
#define XF_REC_X86_PV_VCPU_LAST  0x00000006u
#define XF_REC_SHARED_INFO       0x00000007u
#define XF_REC_X86_PV_VCPU_MSRS  0x0000000cu
#define XF_REC_VERIFY            0x0000000du

/* Ours. Body: that of the PAGE_DATA record in whose place it stands, without the pages. */
#define XF_REC_BATCH 0x58460003u

/* Ours, in place of VERIFY: all pages come again, to be compared. Body: u32 count, u32 0, and the
   pfns of as many pages that others than the guest write to, which may differ. */
#define XF_REC_COMPARE 0x58460004u

/* The most frames in one record. Xen writes 1024. */
#define XF_TUNNEL_FRAMES_MAX 4096u

/* A buffer is two halves: one being filled while the other is being emptied. Whole chunks. */
#define XF_TUNNEL_HALF_PAGES     8192u
#define XF_TUNNEL_HALF_PAGES_MIN XF_TUNNEL_FRAMES_MAX /* so that any record fits one half */
#define XF_TUNNEL_HALF_PAGES_MAX 65536u

/* The body of PAGE_DATA and XF_BATCH up to the pages, as it stands in the stream. */
struct xf_tunnel_head {
    uint32_t count; /* frames: at least 1 */
    uint32_t reserved;
    uint64_t frames[XF_TUNNEL_FRAMES_MAX]; /* type in bits 63:60, pfn below */
};
#define XF_TUNNEL_HEAD_BYTES(count) (8 + 8 * (uint32_t)(count))

/* Of a frame of a checked head: its pfn, and whether the record has a page for it. */
#define XF_TUNNEL_PFN (UINT64_MAX >> 4)
static inline bool xf_tunnel_has_page(uint64_t frame)
{
    return frame >> 60 < 0xd;
}

/*
 * Reads a record's body up to the pages, of which there are *pages: those of all frames but the
 * ones whose type says that they have none. Checks all of it, and the record's length.
 * -EBADMSG with why, or as xf_stream_read().
 */
int xf_tunnel_read_head(const struct xf_stream *s, const struct xf_record *rec,
                        struct xf_tunnel_head *head, uint32_t *pages,
                        char why[XF_STREAM_ERR_BYTES]);

/*
 * Whether a record that is neither PAGE_DATA nor ours may stand in a PV guest's stream, with that
 * length. 0, or -EBADMSG with why.
 */
int xf_tunnel_allow(const struct xf_record *rec, char why[XF_STREAM_ERR_BYTES]);

/* Where the link comes from. Both are called in the thread that steps the session. */
struct xf_tunnel_port {
    int (*open)(void *arg, struct xf_link **link, struct xf_config *config, char err[256]);
    void (*close)(void *arg, struct xf_link *link); /* link may be NULL */
    void *arg;
};

/* Closes it and returns how long that took. */
uint64_t xf_tunnel_close(const struct xf_tunnel_port *port, struct xf_link *link);

/* The DPDK port that the configuration names. */
extern const struct xf_tunnel_port xf_tunnel_dpdk_port;

/*
 * The progress callback of source and target; arg is a report. A round of the transport is a batch
 * here, and the rounds that a user knows are the save's: so only the phases are passed on.
 */
void xf_tunnel_progress(void *arg, const struct xf_progress *p);

/* A thread that no signal reaches. */
int xf_tunnel_thread(pthread_t *thread, void *(*run)(void *), void *arg);

/* A socketpair that takes a whole record at once, if the system lets it. */
int xf_tunnel_pair(int pair[2]);

/* Memory for pages, zero, not touched yet; NULL if there is none. */
void *xf_tunnel_map(uint64_t pages);
void xf_tunnel_unmap(void *memory, uint64_t pages);

/* A wait of microseconds, for loops that look at something now and then. */
void xf_tunnel_sleep(uint64_t us);

#endif
