/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who owns a guest after an `xl migrate` that did not end: a pure function of what was seen at both
 * ends. Knows no Xen, no ssh, no clock.
 *
 * What it builds on (tools/xl/xl_migrate.c, the same in Xen 4.14 to 4.20):
 *
 *   source's xl                                   target's xl migrate-receive
 *   suspends NAME, sends it               ->      creates NAME--incoming, paused
 *                                         <-      "ready"
 *   renames it NAME--migratedaway
 *   "go"                                  ->      renames it NAME, unpauses it
 *                                         <-      report: success
 *   destroys its own
 *                                         <-      or: failure; destroys its own; "go" (take it
 * back) renames its own NAME, resumes it
 *
 * libvirt renames nothing: after its migration, NAME at the source says nothing. So of a guest that
 * libvirt manages, NAME counts only with proof that it was xl that moved it: the note that the xl
 * shim or a take-back has left, a receiver of ours that lives, or NAME--incoming at the target.
 *
 * So NAME at the source: no go was sent, or the guest was given back. NAME--migratedaway: a go may
 * have been sent, and may still be on its way; it is without effect once the receiver is gone or
 * its domain is. A copy at the target that has used no CPU time has never run, and then the
 * source's is as good as ever; once it has run, the source's is stale. But only of NAME--incoming
 * is it certain that it is the copy: a guest that ran there and reboots, or is created anew, is for
 * a while a new domain NAME that has not run either.
 *
 * One step at a time: the caller does it, looks at both ends again and asks again. Each state that
 * a step leaves behind is one that leads on, so recover may die anywhere and be run again. Order is
 * what makes it safe: while a process lives that could still act, nothing is given to anybody; the
 * guest is taken back by its name first (after that a look at the source alone says so), then the
 * target's copy goes, then the source's resumes.
 */
#ifndef XF_RECOVER_RECOVER_DECIDE_H
#define XF_RECOVER_RECOVER_DECIDE_H

#include <stdbool.h>

/* The guest's own domain, found by its UUID. */
enum xf_recover_place {
    XF_PLACE_NONE,     /* there is none */
    XF_PLACE_NAME,     /* it is called NAME */
    XF_PLACE_AWAY,     /* NAME--migratedaway */
    XF_PLACE_INCOMING, /* NAME--incoming */
    XF_PLACE_UNCLEAR,  /* another name, or several, or NAME and the like are other guests' */
    XF_PLACES,
};

enum xf_recover_state {
    XF_STATE_RUNNING, /* or blocked: it may run */
    XF_STATE_PAUSED,
    XF_STATE_SUSPENDED, /* shut down with the reason suspend */
    XF_STATE_ENDED,     /* shut down for any other reason */
    XF_STATE_DYING,     /* being destroyed */
    XF_STATES,
};

enum xf_recover_receiver {
    XF_RECEIVER_NONE,
    XF_RECEIVER_OURS,    /* a receiver of this guest */
    XF_RECEIVER_UNKNOWN, /* a receiver, nothing says of which guest (plain xl migrate) */
    XF_RECEIVERS,
};

/* What the target's receiver of this very attempt has left in writing (recover_record.h). */
enum xf_recover_record {
    XF_RECORD_NONE,
    XF_RECORD_HAD_GO,     /* it was told to start the guest */
    XF_RECORD_GIVEN_BACK, /* it destroyed its copy, which had not run, and gave the guest back */
    XF_RECORDS,
};

struct xf_recover_evidence {
    struct {
        enum xf_recover_place place;
        enum xf_recover_state state;
        bool busy;          /* a process lives that moves or saves this guest */
        bool maybe_libvirt; /* libvirt manages it, and no note says that xl has moved it */
    } source;
    struct {
        bool answers;
        enum xf_recover_place place;
        enum xf_recover_state state;
        bool ran;      /* it has used CPU time */
        bool received; /* it is the domain that the receiver of this attempt has built */
        enum xf_recover_receiver receiver;
        enum xf_recover_record record;
    } target;
};

enum xf_recover_verdict {
    XF_VERDICT_SOURCE_OWNS,
    XF_VERDICT_TARGET_OWNS,
    XF_VERDICT_IN_PROGRESS, /* who owns it may change while one looks */
    XF_VERDICT_CANNOT_TELL,
    XF_VERDICTS,
};

enum xf_recover_step {
    XF_STEP_NONE,
    XF_STEP_STOP_RECEIVER, /* target: kill this guest's receiver */
    XF_STEP_TAKE_BACK,     /* source: note that it is xl's to give back, and name it NAME again */
    XF_STEP_DESTROY_UNRUN, /* target: destroy the copy, if it has still not run */
    XF_STEP_RESUME,        /* source */
    XF_STEP_DESTROY_STALE, /* source: destroy NAME--migratedaway */
    XF_STEPS,
};

enum xf_recover_reason {
    XF_WHY_RUNS_HERE,       /* the source runs, nothing of it is at the target */
    XF_WHY_LEFTOVER,        /* the source runs, the target has a copy that never ran */
    XF_WHY_NEVER_WENT,      /* NAME here: no go was sent, or it was given back */
    XF_WHY_NEVER_RAN_THERE, /* the target's copy has used no CPU time, its receiver is gone */
    XF_WHY_GIVEN_BACK,      /* the target's record */
    XF_WHY_RAN_THERE,       /* the target's copy runs, or has */
    XF_WHY_ONLY_THERE,      /* the target has it, the source does not */
    XF_WHY_SOURCE_BUSY,
    XF_WHY_RECEIVER_BUSY,
    XF_WHY_RECEIVER_UNKNOWN,
    XF_WHY_TARGET_DYING,
    XF_WHY_NO_ANSWER,
    XF_WHY_UNCLEAR_HERE,
    XF_WHY_UNCLEAR_THERE,
    XF_WHY_NOWHERE,       /* neither end has it */
    XF_WHY_HERE_ENDED,    /* the source's copy was shut down or is being destroyed */
    XF_WHY_INCOMING_ONLY, /* the source has none; the target's was not told to start */
    XF_WHY_TWO_COPIES,    /* states that only somebody's own doing explains */
    XF_WHY_THERE_ENDED,   /* the target's ran and was shut down */
    XF_WHY_MAYBE_NEW,     /* NAME at the target has not run, and may not be the copy */
    XF_WHY_GONE_THERE,    /* the target was told to start it and has it no more */
    XF_WHY_NO_TRACE,      /* a go may have been sent, and the target has nothing of it */
    XF_WHY_MAYBE_LIBVIRT, /* NAME here, suspended, and libvirt may have moved it */
    XF_WHYS,
};

struct xf_recover_decision {
    enum xf_recover_verdict verdict;
    enum xf_recover_reason reason;
    enum xf_recover_step step; /* XF_STEP_NONE: settled, or as far as it goes */
};

struct xf_recover_decision xf_recover_decide(const struct xf_recover_evidence *evidence);

/* Words for programs ("source-owns", "stop-receiver", "no-answer") and people. */
const char *xf_recover_verdict_name(enum xf_recover_verdict verdict);
const char *xf_recover_step_name(enum xf_recover_step step);
const char *xf_recover_reason_name(enum xf_recover_reason reason);
/* A sentence in which %N is the guest's name and %H the target's. */
const char *xf_recover_reason_text(enum xf_recover_reason reason);

#endif
