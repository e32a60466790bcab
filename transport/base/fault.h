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

#ifndef XF_FAULTS

#define XF_FAULT(point) 0

#else

#include <stddef.h>
#include <stdint.h>

/*
 * Each room that has points lists them in a fault_points.h of its own, which declares their numbers
 * by this; tests/faults/points.c, which each program of a test build is linked with, knows all
 * lists. So nothing here names a point.
 */
#define XF_FAULT_DECLARE(name, when) extern const unsigned xf_fault_at_##name;

struct xf_fault_point {
    const char *name, *when;
};

extern const struct xf_fault_point xf_fault_points[];
extern const unsigned xf_fault_points_n; /* XF_FAULT_POINTS_MAX at the most */
#define XF_FAULT_POINTS_MAX          128

#define XF_FAULT(point) xf_fault_pass(xf_fault_at_##point)

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
    unsigned point; /* of xf_fault_points */
    uint32_t nth;   /* from 1; 0: each time */
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
uint64_t xf_fault_passed(unsigned point);
unsigned xf_faults_fired(void);

int xf_fault_pass(unsigned point);
/* Does in this process what a fault asks for, and says so on stderr. */
int xf_fault_act(const struct xf_fault *fault);

/* What `cut` and `down` have made of the link: 0 it works, 1 it carries nothing, -ENETDOWN. */
int xf_fault_link(void);

/* What `jump` has added to the clock (clock.h); microseconds. */
int64_t xf_fault_clock_us(void);

#endif
#endif
