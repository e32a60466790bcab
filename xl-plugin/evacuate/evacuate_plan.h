/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which guests of a host that is to be emptied move, in what order, and to where: pure functions of
 * what was seen. They know no Xen, no ssh, no clock.
 *
 * The order: who needs the most memory first, so that the small ones fill what is left; of equals
 * the one that keeps its processors less busy, since it is away sooner. (What a guest writes per
 * second is not to be had without logging its writes; a guest that does not run writes nothing.)
 * Those whose disks move with them come after all others, the most bytes last: they hold the port
 * for long, and what can go soon is away if the host dies meanwhile. Places are given out in the
 * order of memory all the same.
 *
 * The place: a host where the guest fits, and its disks, which share what is free in a file system
 * or a volume group with those of others. As long as all find a place that way, it is the one with
 * the most free memory, so that hosts are filled evenly; else the one where the least is left.
 */
#ifndef XF_EVACUATE_EVACUATE_PLAN_H
#define XF_EVACUATE_EVACUATE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "xl-plugin/recover/recover_look.h"

#define XF_EVACUATE_HOSTS  32u
#define XF_EVACUATE_GUESTS 1024u
#define XF_EVACUATE_WHY    400
#define XF_EVACUATE_PLACES 16u /* for disks, at a host */
#define XF_EVACUATE_NEEDS  4u  /* so many of them for one guest */
/* A move that has failed is tried once more, at another host. */
#define XF_EVACUATE_TRIES 2u
/* One that has rebooted meanwhile begins anew with them, so many times. */
#define XF_EVACUATE_REBOOTS 3u

enum xf_evacuate_fate {
    XF_FATE_MOVES,
    XF_FATE_KEPT,  /* by --keep */
    XF_FATE_ALONE, /* no guest to be moved: not counted */
    XF_FATE_LEFT,  /* it should move, and does not */
};

/* A guest's disks at a host. */
struct xf_evacuate_disks {
    bool asked, move;
    uint64_t bytes; /* to be sent, if they move, at the most */
    unsigned n;     /* needs */
    struct {
        unsigned place; /* of that host */
        uint64_t bytes; /* at the most */
    } needs[XF_EVACUATE_NEEDS];
};

struct xf_evacuate_guest {
    uint32_t domid;
    char name[XF_NAME_SIZE];
    char uuid[XF_UUID_SIZE];
    enum xf_recover_state state;
    uint64_t cpu_time_ns;
    uint64_t need_kib; /* at the target, with what Xen itself needs for it; 0: not known */
    /* Of its processors in the time that was looked at, 1000 for one of them. */
    uint64_t busy_permille;
    /* What this run has tried: a bit for each host by its index, and how often. */
    uint32_t tried;
    unsigned tries;
    unsigned reboots;                 /* while it moved */
    char failed[XF_EVACUATE_WHY];     /* the last one */
    char stays[XF_EVACUATE_WHY];      /* why it can move nowhere, "": it can */
    uint32_t barred;                  /* hosts that cannot take it, by the newest question */
    char barred_why[XF_EVACUATE_WHY]; /* of the last of them */
    struct xf_evacuate_disks disks[XF_EVACUATE_HOSTS];
    /* What is decided. */
    enum xf_evacuate_fate fate;
    char why[XF_EVACUATE_WHY]; /* unless it moves */
    int to;                    /* index of a host; -1: to none */
};

struct xf_evacuate_host {
    const char *name;
    bool usable;
    uint64_t free_kib;         /* if usable */
    char why[XF_EVACUATE_WHY]; /* if not */
    unsigned places_n;         /* that disks have asked for */
    struct {
        char name[128];
        uint64_t free_bytes;
    } places[XF_EVACUATE_PLACES];
};

/* Its disks, if it is planned to move with them, or NULL. */
static inline const struct xf_evacuate_disks *
xf_evacuate_with_disks(const struct xf_evacuate_guest *g)
{
    return g->fate == XF_FATE_MOVES && g->to >= 0 && g->disks[g->to].move ? &g->disks[g->to] : NULL;
}

/* The fate of each guest by what it is; keep: patterns of the shell up to a NULL. */
void xf_evacuate_sort_out(struct xf_evacuate_guest *guests, unsigned n, const char *const *keep);

/* Puts the guests in the order in which they are to move, and sets `to` of those that do. One that
   finds no place gets fate LEFT, and why. Only guests that were sorted out. */
void xf_evacuate_plan(struct xf_evacuate_guest *guests, unsigned n,
                      const struct xf_evacuate_host *hosts, unsigned hosts_n);

/* From a look that is elapsed_ns older: what this run has tried with a guest, and how busy the
   guest was since. One of the same UUID in a new domain has rebooted: what was tried counts no
   more. */
void xf_evacuate_carry_over(struct xf_evacuate_guest *now, unsigned n,
                            const struct xf_evacuate_guest *before, unsigned before_n,
                            uint64_t elapsed_ns);

#endif
