/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fault points of a guest that moves shut off (transport/base/fault.h, move_off.h): both ends. */
#ifndef XF_DISKS_FAULT_POINTS_H
#define XF_DISKS_FAULT_POINTS_H

#include "transport/base/fault.h"

/* X(name, when it is passed). */
#define XF_FAULT_POINTS_DISKS(X)                                                                   \
    X(off_source_ready, "source: the target is ready")                                             \
    X(off_source_landed, "source: a disk has landed")                                              \
    X(off_source_leaving, "source: the journal says that the guest is leaving")                    \
    X(off_source_aside, "source: its configuration has been put aside")                            \
    X(off_source_commit, "source: the target has been asked to take it")                           \
    X(off_source_done, "source: the target has taken it")                                          \
    X(off_source_left, "source: its disks have been put aside")                                    \
    X(off_target_incoming, "target: the journal says that the guest is coming")                    \
    X(off_target_made, "target: its volumes are made")                                             \
    X(off_target_landed, "target: a disk has landed")                                              \
    X(off_target_commit, "target: it is asked to take the guest")                                  \
    X(off_target_here, "target: the journal says that it is here")                                 \
    X(off_target_named, "target: its volumes have their names")                                    \
    X(off_target_settled, "target: its configuration is in place")                                 \
    X(live_source_lost, "source, live: what was seen to be written is forgotten")                  \
    X(live_source_witness, "source, live: before the kernel's count of writes is asked for")       \
    X(live_source_stands, "source, live: the guest is suspended")                                  \
    X(live_source_synced, "source, live: its disks are whole at the target")                       \
    X(live_source_told, "source, live: the journal says that the guest may go")                    \
    X(live_target_sync, "target, live: before the disks are synced")                               \
    X(sync_source_stands, "source, sync: the guest is paused")                                     \
    X(sync_source_synced, "source, sync: the copy is whole at the target")                         \
    X(sync_source_done, "source, sync: the target's journal says so")

#ifdef XF_FAULTS
XF_FAULT_POINTS_DISKS(XF_FAULT_DECLARE)
#endif

#endif
