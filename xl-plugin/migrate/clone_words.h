/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clone words: what `xl-fast clone` and xl-fast-clone, its program that knows Xen
 * (xl-plugin/clone), say to each other, and where a copy finds what it is.
 */
#ifndef XF_MIGRATE_CLONE_WORDS_H
#define XF_MIGRATE_CLONE_WORDS_H

#include <stddef.h>

/* A copy's network cards, by --net. */
enum xf_clone_net {
    XF_CLONE_FENCED, /* a new MAC; on no bridge, until xl-fast clone --connect */
    XF_CLONE_KEEP,   /* a new MAC; on the bridge at once */
    XF_CLONE_NO_NET, /* none */
};

/* Its disks, by --disks. */
enum xf_clone_disks {
    XF_CLONE_REFUSED,   /* nothing was said: a guest that has disks is not copied */
    XF_CLONE_NO_DISKS,  /* none */
    XF_CLONE_SHARED_RO, /* the guest's own, which are all read-only */
    XF_CLONE_COPIED,    /* copies of them, of the same instant (xl-plugin/disks/live.h) */
};

extern const char *const xf_clone_net_words[], *const xf_clone_disks_words[];

/* In the copy's xenstore (/local/domain/ID), which the guest reads and may remove: its number,
   name, UUID and 64 hexadecimal digits that nobody else has. */
#define XF_CLONE_TOLD "data/xl-fast/clone"
/* What the guest writes once it is told apart: then it may be connected. */
#define XF_CLONE_READY "data/xl-fast/ready"

/* What a copied disk's path has after the guest's: a dot, and the copy's name. */
#define XF_CLONE_DISK_DOT "."

/* The copy's name by a pattern: %n its number, %h its host. NULL, or what is wrong with the
   pattern or with what comes of it. */
const char *xf_clone_name(char *to, size_t size, const char *pattern, unsigned number,
                          const char *host);

#endif
