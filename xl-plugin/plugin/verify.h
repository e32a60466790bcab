/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verify: what Xen's own restore finds when a PV guest's pages come a second time to be compared.
 * Only it can compare them, since it alone knows where a PV guest's pages are and what their page
 * tables became. But it merely logs a page that differs ("verify pfn 0x2bc failed (type 0)",
 * process_page_data() of tools/libs/guest/xg_sr_restore.c) and goes on. So entry.c stands in for
 * the function that it logs by, and hands here what passes.
 *
 * That this works cannot be taken for granted in every version of Xen. So the last page that it
 * gets to compare is a trial: one with a wrong bit. If it does not find that, nothing of what it
 * says is believed. A page that is only compared is not written, so the trial does no harm; were it
 * written after all, it would not be reported either, and the guest not started.
 *
 * Threads: xf_verify_report() in the one that restores, the others in one that feeds it.
 */
#ifndef XF_PLUGIN_VERIFY_H
#define XF_PLUGIN_VERIFY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "unsteady.h"

#define XF_VERIFY_NAMED 12u /* pages that a message names */

struct xf_verify {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    uint64_t unsteady[XF_UNSTEADY_MAX]; /* pfns whose difference means nothing, ascending */
    unsigned unsteady_n;
    uint64_t differ; /* pages, of them named[]: the first ones */
    uint64_t named[XF_VERIFY_NAMED];
    uint64_t trial;
    bool tried, found; /* the trial was sent; was reported */
    bool over;         /* there will be no more reports */
};

void xf_verify_init(struct xf_verify *v);
void xf_verify_fini(struct xf_verify *v);

/* What this thread's xf_verify_report() is about, from here on until xf_verify_over(). */
void xf_verify_watch(struct xf_verify *v);
void xf_verify_over(struct xf_verify *v);

/* A line that libxenguest logs as an error. */
void xf_verify_report(const char *line);

bool xf_verify_is_unsteady(struct xf_verify *v, uint64_t pfn);

/* Whose difference means nothing, either; if there is room for it. */
void xf_verify_leave_out(struct xf_verify *v, uint64_t pfn);

/* A page with a wrong bit is on its way. */
void xf_verify_try(struct xf_verify *v, uint64_t pfn);

/* Waits until the trial was found: all pages before it have been compared. -ETIMEDOUT, -ECANCELED:
   it is over. */
int xf_verify_wait(struct xf_verify *v, unsigned timeout_ms);

/* 0: the trial was found, and no page besides. -EILSEQ, and why names the pages (256 bytes). */
int xf_verify_judge(struct xf_verify *v, char why[256]);

#endif
