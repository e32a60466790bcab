/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fault: named points of a migration at which a test build (`make FAULTS=1`) can be made to fail.
 * In every other build a point is the constant 0 and leaves neither code nor text.
 *
 *     rc = XF_FAULT(target_populate) ?: ops->populate(...);
 *
 * A point is 0, or -errno: as if the call beside it had failed with that. What is to happen is said
 * in words of the form
 *
 *     POINT[:NTH]=ACTION[:ARGUMENT]       source_suspended=kill   target_populate:3=error:12
 *
 * (NTH: at the n-th time, default 1; * each time), with blanks, commas or newlines in between, in
 * the environment as XF_FAULT, or in the file that XF_FAULT_FILE names (XF_FAULT_PATH if it names
 * none; # begins a comment). A word that makes no sense ends the process: a test must not pass
 * because of it. The points of both ends have names of their own, so both may be given the same
 * words. `xl-fast faults` of a test build lists points and actions.
 *
 * Threads: any. Faults are of the process: there is one set.
 */
#ifndef XF_TRANSPORT_BASE_FAULT_H
#define XF_TRANSPORT_BASE_FAULT_H

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
    X(source_next_batch, "source: before a tunnel's next batch is fetched")                        \
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
    X(target_end_batch, "target: before a tunnel's batch is handed on")                            \
    X(target_round_end, "target: all of a round has landed")                                       \
    X(target_complete, "target: all of the last round has landed")                                 \
    X(target_answer_send, "target: before ANSWER")                                                 \
    X(target_feedback_send, "target: before FEEDBACK")                                             \
    X(target_complete_send, "target: before FEEDBACK with COMPLETE")                               \
    X(target_refuse_send, "target: before REFUSE")

#define XF_FAULT_POINTS_PLUGIN(X)                                                                  \
    X(log_write, "either end: before a line of the log is written")                                \
    X(save_port_open, "source: before the port is opened")                                         \
    X(save_offer_write, "source: before headers and XF_OFFER are written")                         \
    X(save_static_write, "source: XF_OFFER is written; before the static data is")                 \
    X(save_pages_write, "source: all pages have landed; before XF_PAGES is written")               \
    X(save_tail_write, "source: XF_PAGES is written; before the context is")                       \
    X(save_end_written, "source: END is written")                                                  \
    X(restore_offer_read, "target: XF_OFFER has been read")                                        \
    X(restore_port_open, "target: before the port is opened")                                      \
    X(restore_static_forward, "target: the port is up; before static data is handed on")           \
    X(restore_static_done, "target: the domain can take memory")                                   \
    X(restore_pages_read, "target: before XF_PAGES is read")                                       \
    X(restore_tail_forward, "target: all is counted and unmapped; before the tail is handed on")   \
    X(restore_end_forward, "target: the tail has been handed on")                                  \
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

/* The handshake of the owners, which is xl's; here it is the soak's model of it (tests/soak). */
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

#define XF_FAULT_POINTS(X)                                                                         \
    XF_FAULT_POINTS_TRANSPORT(X)                                                                   \
    XF_FAULT_POINTS_PLUGIN(X)                                                                      \
    XF_FAULT_POINTS_OWNER(X)

#ifndef XF_FAULTS

#define XF_FAULT(point) 0

#else

#include <stddef.h>
#include <stdint.h>

#define XF_FAULT_ENUM(name, when) XF_FAULT_##name,
enum xf_fault_point { XF_FAULT_POINTS(XF_FAULT_ENUM) XF_FAULT_POINT_COUNT };
#undef XF_FAULT_ENUM

#define XF_FAULT(point) xf_fault_pass(XF_FAULT_##point)

#define XF_FAULT_PATH "/etc/xen/xl-fast-faults"

/* X(NAME, word, default argument, what it does). */
#define XF_FAULT_ACTIONS(X)                                                                        \
    X(KILL, "kill", 0, "SIGKILL, here and now")                                                    \
    X(EXIT, "exit", 1, "the process ends with that status, without a word")                        \
    X(ERROR, "error", 5, "the call fails with that errno")                                         \
    X(STALL, "stall", 100, "nothing goes on for so many ms")                                       \
    X(CUT, "cut", 0, "the link carries nothing, silently, for so many ms (0: ever after)")         \
    X(DOWN, "down", 0, "the port says that it is down for so many ms (0: ever after)")             \
    X(JUMP, "jump", 0, "the clock jumps by so many ms, which may be negative")

#define XF_FAULT_ENUM(name, word, argument, what) XF_FAULT_##name,
enum xf_fault_action { XF_FAULT_ACTIONS(XF_FAULT_ENUM) XF_FAULT_ACTION_COUNT };
#undef XF_FAULT_ENUM

struct xf_fault {
    enum xf_fault_point point;
    uint32_t nth; /* from 1; 0: each time */
    enum xf_fault_action action;
    int64_t argument;
};

#define XF_FAULTS_MAX       8
#define XF_FAULT_TEXT_BYTES 96

/* How many words text holds, or -EINVAL with the wrong word in *bad (may be NULL), or -E2BIG. */
int xf_fault_parse(struct xf_fault faults[XF_FAULTS_MAX], const char *text,
                   char bad[XF_FAULT_TEXT_BYTES]);
void xf_fault_format(const struct xf_fault *fault, char out[XF_FAULT_TEXT_BYTES]);

/*
 * Takes these in place of the environment's and the file's, and counts anew. `act` does what a
 * fault asks for, and its result is the point's; NULL: as described, in this process.
 */
void xf_faults_set(const struct xf_fault *faults, unsigned n,
                   int (*act)(void *arg, const struct xf_fault *fault), void *arg);

/* How often a point was passed since, and how many faults have come true. */
uint64_t xf_fault_passed(enum xf_fault_point point);
unsigned xf_faults_fired(void);

const char *xf_fault_point_name(enum xf_fault_point point);
const char *xf_fault_point_when(enum xf_fault_point point);

int xf_fault_pass(enum xf_fault_point point);
/* Does in this process what a fault asks for, and says so on stderr. */
int xf_fault_act(const struct xf_fault *fault);

/* What `cut` and `down` have made of the link: 0 it works, 1 it carries nothing, -ENETDOWN. */
int xf_fault_link(void);

/* What `jump` has added to the clock; microseconds. */
int64_t xf_fault_clock_us(void);

#endif
#endif
