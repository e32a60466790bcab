/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waits: why a lane of the source sends no page in a step. */
#ifndef XF_TRANSPORT_BASE_WAITS_H
#define XF_TRANSPORT_BASE_WAITS_H

/* X(name, for what) */
#define XF_WAITS(X)                                                                                \
    X(path, "the path, as congestion control knows it, or the user's limit")                       \
    X(credit, "the target, to report packets: so many may be outstanding")                         \
    X(port, "the source's own port")                                                               \
    X(pages, "pages: all of the round is sent, or the next one is not known yet")

#define XF_WAIT_ENUM(name, what) XF_WAIT_##name,
enum xf_wait { XF_WAITS(XF_WAIT_ENUM) XF_WAIT_COUNT };
#undef XF_WAIT_ENUM

#endif
