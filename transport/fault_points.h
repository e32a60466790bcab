/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fault points of a session (transport/base/fault.h): both ends. */
#ifndef XF_TRANSPORT_FAULT_POINTS_H
#define XF_TRANSPORT_FAULT_POINTS_H

#include "transport/base/fault.h"

/* X(name, when it is passed). */
#define XF_FAULT_POINTS_TRANSPORT(X)                                                               \
    X(source_answer_seen, "source: an ANSWER that fits has come")                                  \
    X(source_feedback_seen, "source: authentic FEEDBACK has come")                                 \
    X(source_refuse_seen, "source: REFUSE has come")                                               \
    X(source_health, "source: asks the port whether it works")                                     \
    X(source_start, "source: before logging of dirty pages starts")                                \
    X(source_started, "source: after it has")                                                      \
    X(source_present, "source: before it asks which new pages there are")                          \
    X(source_dirty, "source: before the dirty bitmap is fetched")                                  \
    X(source_suspend, "source: before the guest is suspended")                                     \
    X(source_suspended, "source: after it has been")                                               \
    X(source_keep_still, "source: before it asks which pages not to verify")                       \
    X(source_map, "source: before guest pages are mapped")                                         \
    X(source_round_begin, "source: a round begins")                                                \
    X(source_round_end, "source: the target has counted all of a round")                           \
    X(source_complete_seen, "source: the target has counted all of the last round")                \
    X(source_ping_send, "source: before PING")                                                     \
    X(source_data_send, "source: before a burst of DATA")                                          \
    X(source_barrier_send, "source: before BARRIER")                                               \
    X(source_abort_send, "source: before ABORT")                                                   \
    X(target_ping_seen, "target: authentic PING has come")                                         \
    X(target_data_seen, "target: authentic DATA has come")                                         \
    X(target_barrier_seen, "target: authentic BARRIER has come")                                   \
    X(target_abort_seen, "target: ABORT has come")                                                 \
    X(target_health, "target: asks the port whether it works")                                     \
    X(target_populate, "target: before pages get memory")                                          \
    X(target_map_chunk, "target: before a chunk of guest memory is mapped")                        \
    X(target_end_batch, "target: all of a round of pages has landed; before the guest is told")    \
    X(target_round_end, "target: all of a round has landed")                                       \
    X(target_complete, "target: all of the last round has landed")                                 \
    X(target_answer_send, "target: before ANSWER")                                                 \
    X(target_feedback_send, "target: before FEEDBACK")                                             \
    X(target_complete_send, "target: before FEEDBACK with COMPLETE")                               \
    X(target_refuse_send, "target: before REFUSE")

#ifdef XF_FAULTS
XF_FAULT_POINTS_TRANSPORT(XF_FAULT_DECLARE)
#endif

#endif
