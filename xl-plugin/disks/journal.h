/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Journal: what a host knows of the disks of guests that come and go: DIR/NAME.json for each guest,
 * DIR being /var/lib/xl-fast/disks or $XL_FAST_STATEDIR/xl-fast/disks. It is on its medium before
 * what it says is done, so it tells what is there, however a host or a process ends:
 *
 *   incoming  its volumes arrive; they have no guest, and may be removed
 *   arriving  its volumes have their names, and its memory moves: it may have come
 *   here      it has arrived: the guest is this host's
 *   leaving   its configuration has been put aside, and the other host is asked to take the guest
 *   left      the guest is the other host's; the volumes are what it left with
 *   synced    it runs here, and the other host has a copy of its disks, all of one moment
 *   replica   such a copy is here; it has no guest, and the next copy sends what differs from it
 *
 * Threads: one at a time. Errors: 0 or -errno.
 */
#ifndef XF_DISKS_JOURNAL_H
#define XF_DISKS_JOURNAL_H

#include "manifest.h"

enum xf_journal_state {
    XF_JOURNAL_NONE, /* there is no entry */
    XF_JOURNAL_INCOMING,
    XF_JOURNAL_ARRIVING,
    XF_JOURNAL_HERE,
    XF_JOURNAL_LEAVING,
    XF_JOURNAL_LEFT,
    XF_JOURNAL_SYNCED,
    XF_JOURNAL_REPLICA,
    XF_JOURNAL_STATES
};

extern const char *const xf_journal_words[XF_JOURNAL_STATES];

struct xf_journal {
    enum xf_journal_state state;
    char host[256]; /* the other one */
    uint64_t time_s;
    uint64_t point_us; /* of a copy of one moment, by the source's clock since 1970; else 0 */
    struct xf_manifest manifest;
};

/* One process at a time has to do with a guest, or several that only copy it (shared): the
   descriptor holds it until it is closed. -EBUSY: another one still has after so long. */
int xf_journal_lock(const char *name, bool shared, unsigned wait_ms);

/* time_s is now. */
int xf_journal_write(enum xf_journal_state state, const char *host, const struct xf_manifest *m);

/* The same of synced and replica. */
int xf_journal_write_point(enum xf_journal_state state, const char *host,
                           const struct xf_manifest *m, uint64_t point_us);

/* XF_JOURNAL_NONE if there is none. -EINVAL: it cannot be read as one. xf_manifest_fini() it. */
int xf_journal_read(const char *name, struct xf_journal *j);

int xf_journal_remove(const char *name);

/* Calls take for each, in any order, until it returns other than 0. */
int xf_journal_each(int (*take)(void *arg, const struct xf_journal *j), void *arg);

#endif
