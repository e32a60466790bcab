/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tunnel pair: both ends of a PV guest's migration in one process, in real threads: a stand-in for
 * Xen's save that writes a stream as Xen does, one for Xen's restore that keeps what it reads, a
 * pipe for io_fd with something in between that can change records, and a simulated link.
 */
#ifndef XF_TESTS_TUNNEL_PAIR_H
#define XF_TESTS_TUNNEL_PAIR_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/base/clock.h"
#include "transport/sim/faultlink.h"
#include "transport/base/random.h"
#include "transport/sim/simlink.h"
#include "xl-plugin/plugin/pv/tunnel_restore.h"
#include "xl-plugin/plugin/pv/tunnel_save.h"
#include "xl-plugin/plugin/verify.h"
#include "wire.h"

#define PAGE        4096u
#define ROUNDS_MAX  40
#define AFTER_END   "what libxl writes next"
#define RECORD_MOST ((size_t)8 << 20)

struct bytes {
    uint8_t *data;
    size_t len, cap;
};

void bytes_add(struct bytes *b, const void *data, size_t len);

/* What is tried. */
struct move {
    /* Set by the test. */
    uint64_t seed;
    unsigned frames;        /* that the guest has */
    long dirty[ROUNDS_MAX]; /* frames that are dirty after round n + 1; 0 from there on */
    struct xf_fault_config faults;
    uint64_t bytes_per_s;
    enum xf_compress_mode compress;
    unsigned slow_restore_us; /* after each record */
    bool no_target;
    bool hasty; /* waits end after a second, where one of them is expected to; else after 30 */
    unsigned open_fails_at; /* bit 0 source, bit 1 target */
    /* Called by the save before record n, in its thread. False: it gives up there. */
    bool (*before_record)(struct move *m, unsigned n);
    bool verify;   /* asked for */
    bool throttle; /* by the configuration */
    enum xf_on_busy on_busy;
    unsigned deadline_s;
    bool save_forgets;     /* the save does not verify all the same */
    bool restore_is_quiet; /* the restore compares and does not tell */
    uint64_t damage[16]; /* frames of the restored guest that get a wrong bit, before the compare */
    unsigned damaged;
    uint64_t unsteady;          /* the frame that may differ */
    uint64_t events;            /* the one of event words; 0: none */
    unsigned other_reader_at;   /* the look that finds one; 0 = none does */
    bool other_reader_at_stand; /* those do that come once the guest stands */
    unsigned restore_fails_at;  /* the restore gives up after so many records; 0 = never */
    /* Called for each record on the way; false: the way ends before it. */
    bool (*on_the_way)(struct move *m, unsigned n, struct xf_record *rec, struct bytes *body);

    /* Seen. */
    int save_rc, restore_rc;
    bool stock_save_called, stock_restore_called;
    unsigned suspends, live_rounds, looks;
    unsigned throttled[8], throttled_n; /* what the guest was left, one after the other ... */
    unsigned suspended_pct;             /* ... and when it was suspended; 0 = not told */
    struct bytes sent, got;             /* by the stock functions */
    bool got_end;
    unsigned reported; /* by the restore, as different */
    struct bytes rest; /* what came on io_fd after END */

    /* Own. */
    struct wire wire;
    struct wire_end ends[2];
    int from[2], to[2]; /* source -> middle, middle -> target */
    struct xf_random random;
    unsigned records;
    struct bytes zeros;
    struct { /* to verify: each frame's newest type and page, at both ends */
        uint8_t *type;
        uint8_t *page;
    } memory[2];
};

void move_run(struct move *m);

void move_free(struct move *m);

#endif
