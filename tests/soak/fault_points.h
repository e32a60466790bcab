/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fault points of the owners' handshake, which is xl's; here it is the soak's model of it. */
#ifndef XF_TESTS_SOAK_FAULT_POINTS_H
#define XF_TESTS_SOAK_FAULT_POINTS_H

#include "transport/base/fault.h"

/* X(name, when it is passed). */
#define XF_FAULT_POINTS_OWNER(X)                                                                   \
    X(owner_offer_write, "source's owner: before OFFER is written")                                \
    X(owner_offer_written, "source's owner: after")                                                \
    X(owner_pages_write, "source's owner: all has landed; before the stream's end is written")     \
    X(owner_pages_written, "source's owner: after")                                                \
    X(owner_ready_read, "source's owner: the target says that the guest is there")                 \
    X(owner_renamed, "source's owner: the guest is renamed; before the go")                        \
    X(owner_go_written, "source's owner: after the go")                                            \
    X(owner_outcome_read, "source's owner: the target has said what became of it")                 \
    X(owner_offer_read, "target's owner: OFFER has been read; nothing is built")                   \
    X(owner_session_up, "target's owner: the domain is created, the session is there")             \
    X(owner_pages_read, "target's owner: the stream's end has been read")                          \
    X(owner_ready_write, "target's owner: before it says that the guest is there")                 \
    X(owner_ready_written, "target's owner: after")                                                \
    X(owner_go_read, "target's owner: the go has come; before the guest starts")                   \
    X(owner_started, "target's owner: the guest runs; before it says so")                          \
    X(owner_outcome_written, "target's owner: after")

#ifdef XF_FAULTS
XF_FAULT_POINTS_OWNER(XF_FAULT_DECLARE)
#endif

#endif
