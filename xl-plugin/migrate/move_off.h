/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Move off: the options of `xl-fast move-off` and `xl-fast disks`. What they do, xl-fast-disks
 * does, which knows Xen's libraries (xl-plugin/disks): these commands look at their words, and
 * become it. It reads the same words by the same tables.
 */
#ifndef XF_MIGRATE_MOVE_OFF_H
#define XF_MIGRATE_MOVE_OFF_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/base/compress_mode.h"

struct xf_move_off_options {
    const char *config, *host;
    const char *ssh;                /* with its words; NULL: the usual one */
    uint64_t bandwidth_bytes_per_s; /* 0: xl-fast.conf's */
    enum xf_compress_mode compress;
    bool shutdown, start; /* a guest that runs; and it is to run again */
    bool compress_given, verify, overwrite, delete_source, dry_run, json, quiet;
};

struct xf_disks_options {
    const char *drop; /* a guest's name; NULL: they are listed */
    bool json;
};

/* Of `xl-fast disks sync`. */
struct xf_sync_options {
    const char *guest, *host;
    const char *ssh;                /* with its words; NULL: the usual one */
    uint64_t bandwidth_bytes_per_s; /* 0: xl-fast.conf's */
    enum xf_compress_mode compress;
    bool compress_given, verify, json, quiet;
};

/* XF_GO_ON, or an exit status (cli/options.h). */
int xf_move_off_parse(struct xf_move_off_options *o, int argc, char **argv);
int xf_disks_parse(struct xf_disks_options *o, int argc, char **argv);
int xf_sync_parse(struct xf_sync_options *o, int argc, char **argv);

#endif
