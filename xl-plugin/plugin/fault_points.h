/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fault points of the plug-in (transport/base/fault.h): where Xen calls us, and what we write to
 * its stream. */
#ifndef XF_PLUGIN_FAULT_POINTS_H
#define XF_PLUGIN_FAULT_POINTS_H

#include "transport/base/fault.h"

/* X(name, when it is passed). */
#define XF_FAULT_POINTS_PLUGIN(X)                                                                  \
    X(log_write, "either end: before a line of the log is written")                                \
    X(save_port_open, "source: before the port is opened")                                         \
    X(save_offer_write, "source: before headers and XF_OFFER are written")                         \
    X(save_static_write, "source: XF_OFFER is written; before the static data is")                 \
    X(save_pages_write, "source: all pages have landed; before XF_PAGES is written")               \
    X(save_tail_write, "source: XF_PAGES is written; before the context is")                       \
    X(save_end_written, "source: END is written")                                                  \
    X(restore_offer_read, "target, early or not: XF_OFFER has been read")                          \
    X(restore_port_open, "target, early or not: before the port is opened")                        \
    X(restore_static_forward, "target, late: the port is up; before static data is handed on")     \
    X(restore_static_done, "target, late: the domain can take memory")                             \
    X(restore_pages_read, "target, early or not: before XF_PAGES is read")                         \
    X(restore_tail_forward,                                                                        \
      "target, late: all is counted and unmapped; before the tail is handed on")                   \
    X(restore_end_forward, "target, late: the tail has been handed on")                            \
    X(pump_early_end, "target, early: xl has been given its end")                                  \
    X(pump_ready_held, "target, early: the devices are attached")                                  \
    X(pump_end_read, "target, early: all has come; before the guest's state is set")               \
    X(pump_finished, "target, early: it is set; before the source is told")                        \
    X(pump_go, "target, early or not: before what the source's xl says is passed on")              \
    X(tunnel_save_port_open, "source, PV: before the port is opened")                              \
    X(tunnel_save_offer_write, "source, PV: before headers and XF_OFFER are written")              \
    X(tunnel_save_divert, "source, PV: before Xen's own save begins")                              \
    X(tunnel_save_record_write, "source, PV: before a record is written")                          \
    X(tunnel_save_round_end, "source, PV: a round of Xen's save has landed")                       \
    X(tunnel_save_suspend, "source, PV: before the guest is suspended")                            \
    X(tunnel_save_suspended, "source, PV: after it has been")                                      \
    X(tunnel_save_pages_write, "source, PV: all has landed; before XF_PAGES is written")           \
    X(tunnel_save_end_written, "source, PV: END is written")                                       \
    X(tunnel_restore_offer_read, "target, PV: XF_OFFER has been read")                             \
    X(tunnel_restore_port_open, "target, PV: before the port is opened")                           \
    X(tunnel_restore_record_read, "target, PV: a record's header has been read")                   \
    X(tunnel_restore_batch_join, "target, PV: before PAGE_DATA is handed on")                      \
    X(tunnel_restore_pages_read, "target, PV: before XF_PAGES is read")                            \
    X(tunnel_restore_end_forward, "target, PV: before END is handed on")

#ifdef XF_FAULTS
XF_FAULT_POINTS_PLUGIN(XF_FAULT_DECLARE)
#endif

#endif
