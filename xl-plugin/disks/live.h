/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Live: a guest that runs moves with its disks. `xl-fast migrate --with-disks` starts this at the
 * source before xl, and speaks with it by its stdin and stdout, in lines of JSON (talk.h); it
 * starts the target's end by ssh, as move_off.h says. What is different:
 *
 *     xl-fast migrate     source                              target
 *       |                   | writes are tracked (track.h)      |
 *       |                   | -- manifest (live), offers -----> |
 *       |                   | rounds, until little is written   |
 *       |                   | -- names -----------------------> | closes its port;
 *       | <-- ready, socket | <------------------------- named  | journal: arriving; names
 *       |  xl migrate:      |                                   |
 *       |  memory           | -- pages (disk, page, pages) ---> | are written
 *       |                   |                                   |
 *     the save helper, when the guest is suspended (plugin/disks_gate.h): "stands"
 *       |                   | no request is on its way (rings.h)|
 *       |                   | -- pages: the last -------------> |
 *       |                   | compares, if asked                |
 *       |                   | -- sync ------------------------> | on the medium
 *       |                   | <------------------------ synced  |
 *     the save helper: "done", or "failed" and why: then the guest goes on here
 *       |                   |                                   |
 *       | - moved | stays > | -- here | back -----------------> | journal: here | incoming
 *       |                   | <-------------------------- done  |
 *       |                   | volumes: put aside                |
 *
 * A guest that is copied (xl-fast clone) stays: then "moved" means that the copy runs, the source
 * writes no journal, and puts nothing aside. The target does the same in both cases. Of copies on
 * several hosts at once each has a process like this.
 *
 * The source's disk is written to by the source's guest alone, the target's by this until "synced"
 * and by the guest after that. Whoever dies before "synced" leaves the guest at the source.
 */
#ifndef XF_DISKS_LIVE_H
#define XF_DISKS_LIVE_H

#include <stdbool.h>

struct xf_live_options {
    const char *uuid;
    const char *host, *ssh; /* with its words */
    bool verify;            /* all of the disks is compared while the guest stands */
    /* Of a copy, which gets disks of its own (xf_manifest_of_copy()), and the guest keeps its;
       NULL: the guest moves. */
    const char *copy, *copy_uuid;
    bool replace; /* the disks of an earlier copy of that name, which is off */
};

/* Returns an exit status. */
int xf_disks_live(const struct xf_live_options *o);

#endif
