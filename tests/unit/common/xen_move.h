/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen move: a whole migration of an HVM guest by the plug-in's save.c and restore.c, each in its
 * thread, over the stand-in for Xen (standins/xen.h), a pipe for io_fd, and a stand-in for Xen's
 * own restore, which reads what the plug-in gives it.
 */
#ifndef XF_TESTS_XEN_MOVE_H
#define XF_TESTS_XEN_MOVE_H

#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "transport/base/bitmap.h"
#include "transport/base/random.h"
#include "xl-plugin/plugin/readers.h"
#include "xl-plugin/plugin/restore.h"
#include "xl-plugin/plugin/save.h"
#include "xl-plugin/plugin/stream.h"
#include "tests/unit/standins/plugin.h"
#include "tests/unit/standins/xen.h"
#include "wire.h"

#define SOURCE_DOMID 1u /* unless the test has another */
#define TARGET_DOMID 2u

struct xen_move {
    /* Set by the test. */
    uint32_t source_domid; /* 0: SOURCE_DOMID */
    uint64_t pages;        /* gfns; every fourth chunk is a hole, but for its first page */
    uint64_t filled;       /* from there on none has a page; 0: all may have */
    unsigned writes;       /* by the guest, at each map of the source while it runs */
    bool verify;
    bool suspend_fails;
    int (*save)(struct xen_move *m, int fd, struct save_callbacks *callbacks);
    int (*restore)(struct xen_move *m, int fd, struct restore_callbacks *callbacks);
    void (*before_suspend)(struct xen_move *m); /* the last that the guest does */

    /* Seen. */
    struct standin_domain *from, *to;
    int save_rc, restore_rc;
    unsigned suspends, static_done, qemu_on, qemu_off;
    bool got_end;          /* Xen's own restore was given all of it */
    bool params_too_early; /* before the memory was there */
    char rest;             /* what is read from io_fd after END */

    /* Own. */
    struct wire wire;
    struct wire_end ends[2];
    struct xf_random random;
    int fds[2];
};

/* That the hook finds. */
extern struct xen_move *xen_move_now;

/* What the guest does beside the source, at a place that is the same in each run. */
int xen_move_hook(const char *call, unsigned number);

/* tools/libs/guest/xg_sr_restore.c, of a guest whose pages are not in the stream. */
int xen_move_stock_restore(void *arg, int io_fd, struct restore_callbacks *callbacks);

/* Both domains, with what the source's has; everything else is at its beginning. */
void xen_move_new(struct xen_move *m);

void xen_move_run(struct xen_move *m);

/* Nothing of Xen's is left open or switched on, however it ended. */
void xen_move_assert_tidy(const struct xen_move *m);

void xen_move_assert_moved(struct xen_move *m);

/* Neither end said that the guest has moved, and Xen's own restore was not given the end. */
void xen_move_assert_stayed(const struct xen_move *m, const char *what);

#endif
