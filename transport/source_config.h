/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a source is told when it begins (source.h). Times are microseconds. */
#ifndef XF_TRANSPORT_SOURCE_CONFIG_H
#define XF_TRANSPORT_SOURCE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "offer.h"
#include "plan.h"
#include "threads.h"
#include "transport/base/compress_mode.h"
#include "transport/base/stats.h"

struct xf_source_config {
    struct xf_offer offer;      /* copied; wipe yours */
    struct xf_plan *plan;       /* what to send when; the caller's, and must outlive the source */
    uint64_t answer_timeout_us; /* offer -> the target's first answer over the link */
    /* Whether the target's end has begun, as far as is known: until then the answer's time does not
       run, but this one. Asked a few times a second before the first answer; NULL: not known. */
    bool (*begun)(void *arg);
    void *begun_arg;
    uint64_t begin_timeout_us;
    uint64_t ready_timeout_us;      /* answer -> the target can take memory */
    uint64_t peer_timeout_us;       /* longest silence of the peer afterwards */
    uint64_t bandwidth_bytes_per_s; /* of frames of DATA, at the most; 0 = no limit */
    enum xf_compress_mode compress; /* AUTO; of its codecs those that the offer has */
    uint64_t (*cpu_ns)(void);       /* to tell what compressing costs; NULL: xf_cpu_ns() */
    struct xf_threads threads;      /* of the lanes: one for each of the offer's queues */
    /* Called at each event (a phase or round begins or ends); may be NULL. Same thread. */
    void (*progress)(void *arg, const struct xf_progress *progress);
    void *progress_arg;
};

#endif
