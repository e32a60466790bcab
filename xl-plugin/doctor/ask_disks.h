/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ask disks: what a move with disks would find: asks xl-fast-disks, the program that knows them,
 * here and at the target. Nothing is touched. What is said is xl-plugin/disks/plan.h's; that of the
 * target is checked here.
 *
 * Threads: none. Errors: 0 or -errno, and a line in why.
 */
#ifndef XF_DOCTOR_ASK_DISKS_H
#define XF_DOCTOR_ASK_DISKS_H

#include <stdbool.h>
#include <stdint.h>

#include "xl-plugin/recover/recover_look.h"
#include "xl-plugin/recover/recover_reach.h"

#define XF_DISKS_WHY_BYTES 700

struct xf_disk_asked {
    char vdev[16];
    char path[1024];     /* here; "": dom0 has none for it */
    char kind[8];        /* file, volume, thin; "": it cannot move while the guest runs */
    uint64_t bytes;      /* of the disk */
    uint64_t data_bytes; /* of it, what is no hole */
    char there[1024];    /* its path at the target; "": that was not asked */
    uint64_t old_s;      /* 1970: of when the older copy there is; 0: there is none */
    char place[256];     /* there: a file system, volume group or pool; "": not known */
    bool thin;           /* the place is a thin pool */
    uint64_t free_bytes, need_bytes;
    char why[XF_DISKS_WHY_BYTES]; /* it cannot move so; "": nothing stands against it */
};

struct xf_disks_asked {
    char uuid[XF_UUID_SIZE];
    bool shared;                  /* all of them are at the target by their names */
    char why[XF_DISKS_WHY_BYTES]; /* the guest cannot move with them; "": nothing stands against it
                                   */
    unsigned n;
    struct xf_disk_asked *disks;
};

/* args: the words after "describe", up to a NULL. *text is the question to targets, to be freed
   whatever is returned. */
int xf_disks_ask_here(const struct xf_reach *reach, const char *const *args, char **text,
                      char why[XF_DISKS_WHY_BYTES]);
/* reach: xl-fast-disks, with host and ssh. *answer likewise. */
int xf_disks_ask_there(const struct xf_reach *reach, const char *text, char **answer,
                       char why[XF_DISKS_WHY_BYTES]);

/* Calls take for each guest that the question describes, with the answer (NULL: it was not asked
   for) to it. What it is given is gone after that. -EBADMSG: one of them cannot be read. */
int xf_disks_asked_each(const char *text, const char *answer,
                        void (*take)(void *arg, const struct xf_disks_asked *guest), void *arg);

/* How many bytes are to be sent, at the most; of one that has an older copy, that is not known. */
uint64_t xf_disk_asked_bytes(const struct xf_disk_asked *disk);

#endif
