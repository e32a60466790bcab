/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recover, decide: from the evidence of both ends to a verdict and the next step, and their words.
 */
#include "recover_decide.h"

typedef struct xf_recover_decision decision;

static decision source_owns(enum xf_recover_reason reason, enum xf_recover_step step)
{
    return (decision){XF_VERDICT_SOURCE_OWNS, reason, step};
}

static decision in_progress(enum xf_recover_reason reason, enum xf_recover_step step)
{
    return (decision){XF_VERDICT_IN_PROGRESS, reason, step};
}

static decision cannot_tell(enum xf_recover_reason reason)
{
    return (decision){XF_VERDICT_CANNOT_TELL, reason, XF_STEP_NONE};
}

/* May have run: what cannot be excluded counts as done. */
static bool may_have_run(const struct xf_recover_evidence *e)
{
    return e->target.place != XF_PLACE_NONE &&
           (e->target.ran || e->target.state != XF_STATE_PAUSED);
}

/* The source has none: it was destroyed after a success, or the host was started anew. Nothing is
   done then; what the target has may be the only copy. */
static decision without_source(const struct xf_recover_evidence *e)
{
    if (e->target.receiver != XF_RECEIVER_NONE)
        return in_progress(XF_WHY_RECEIVER_BUSY, XF_STEP_NONE);
    if (e->target.place == XF_PLACE_NONE)
        return cannot_tell(XF_WHY_NOWHERE);
    if (e->target.place == XF_PLACE_NAME &&
        (e->target.state == XF_STATE_RUNNING || e->target.state == XF_STATE_PAUSED))
        return (decision){XF_VERDICT_TARGET_OWNS, XF_WHY_ONLY_THERE, XF_STEP_NONE};
    return cannot_tell(e->target.place == XF_PLACE_INCOMING ? XF_WHY_INCOMING_ONLY
                                                            : XF_WHY_THERE_ENDED);
}

/* The source's copy runs, or would if it were not paused: it is not suspended. */
static decision with_running_source(const struct xf_recover_evidence *e)
{
    if (may_have_run(e) || e->target.place == XF_PLACE_NAME)
        return cannot_tell(XF_WHY_TWO_COPIES);
    if (e->target.receiver == XF_RECEIVER_OURS)
        return in_progress(XF_WHY_RECEIVER_BUSY, XF_STEP_STOP_RECEIVER);
    if (e->target.place == XF_PLACE_INCOMING)
        return e->target.receiver == XF_RECEIVER_UNKNOWN
                   ? in_progress(XF_WHY_RECEIVER_UNKNOWN, XF_STEP_NONE)
                   : source_owns(XF_WHY_LEFTOVER, XF_STEP_DESTROY_UNRUN);
    /* xl resumes a guest that was given back even if it could not rename it. */
    return source_owns(XF_WHY_RUNS_HERE,
                       e->source.place == XF_PLACE_AWAY ? XF_STEP_TAKE_BACK : XF_STEP_NONE);
}

/* The source's copy is suspended. Nothing is decided while a receiver lives: it may start its copy,
   and where that fails it destroys it. */
static decision with_suspended_source(const struct xf_recover_evidence *e)
{
    bool away = e->source.place == XF_PLACE_AWAY;
    bool maybe_libvirt = !away && e->source.maybe_libvirt;

    if (e->target.receiver == XF_RECEIVER_UNKNOWN)
        return in_progress(XF_WHY_RECEIVER_UNKNOWN, XF_STEP_NONE);
    if (e->target.receiver == XF_RECEIVER_OURS)
        return in_progress(XF_WHY_RECEIVER_BUSY,
                           maybe_libvirt ? XF_STEP_TAKE_BACK : XF_STEP_STOP_RECEIVER);
    /* The proof is written down before a step takes it away. */
    if (maybe_libvirt)
        return e->target.place == XF_PLACE_INCOMING && !may_have_run(e)
                   ? source_owns(XF_WHY_NEVER_WENT, XF_STEP_TAKE_BACK)
                   : cannot_tell(XF_WHY_MAYBE_LIBVIRT);
    if (may_have_run(e)) {
        if (!away || e->target.place != XF_PLACE_NAME)
            return cannot_tell(XF_WHY_TWO_COPIES);
        if (e->target.state != XF_STATE_RUNNING && e->target.state != XF_STATE_PAUSED)
            return cannot_tell(XF_WHY_THERE_ENDED);
        return (decision){XF_VERDICT_TARGET_OWNS, XF_WHY_RAN_THERE, XF_STEP_DESTROY_STALE};
    }
    if (!away)
        return source_owns(XF_WHY_NEVER_WENT, e->target.place == XF_PLACE_NONE
                                                  ? XF_STEP_RESUME
                                                  : XF_STEP_DESTROY_UNRUN);
    if (e->target.place == XF_PLACE_NAME && !e->target.received)
        return cannot_tell(XF_WHY_MAYBE_NEW);
    if (e->target.place != XF_PLACE_NONE)
        return source_owns(XF_WHY_NEVER_RAN_THERE, XF_STEP_TAKE_BACK);
    if (e->target.record == XF_RECORD_GIVEN_BACK)
        return source_owns(XF_WHY_GIVEN_BACK, XF_STEP_TAKE_BACK);
    return cannot_tell(e->target.record == XF_RECORD_HAD_GO ? XF_WHY_GONE_THERE : XF_WHY_NO_TRACE);
}

struct xf_recover_decision xf_recover_decide(const struct xf_recover_evidence *e)
{
    if (e->source.busy)
        return in_progress(XF_WHY_SOURCE_BUSY, XF_STEP_NONE);
    if (!e->target.answers)
        return cannot_tell(XF_WHY_NO_ANSWER);
    if (e->source.place == XF_PLACE_UNCLEAR || e->source.place == XF_PLACE_INCOMING)
        return cannot_tell(XF_WHY_UNCLEAR_HERE);
    if (e->target.place == XF_PLACE_UNCLEAR || e->target.place == XF_PLACE_AWAY)
        return cannot_tell(XF_WHY_UNCLEAR_THERE);
    if (e->target.place != XF_PLACE_NONE && e->target.state == XF_STATE_DYING)
        return in_progress(XF_WHY_TARGET_DYING, XF_STEP_NONE);
    if (e->source.place == XF_PLACE_NONE)
        return without_source(e);
    switch (e->source.state) {
    case XF_STATE_RUNNING:
    case XF_STATE_PAUSED:
        return with_running_source(e);
    case XF_STATE_SUSPENDED:
        return with_suspended_source(e);
    default:
        return cannot_tell(XF_WHY_HERE_ENDED);
    }
}

/* ---- words --------------------------------------------------------------------------------- */

const char *xf_recover_verdict_name(enum xf_recover_verdict verdict)
{
    static const char *const names[XF_VERDICTS] = {
        [XF_VERDICT_SOURCE_OWNS] = "source-owns",
        [XF_VERDICT_TARGET_OWNS] = "target-owns",
        [XF_VERDICT_IN_PROGRESS] = "in-progress",
        [XF_VERDICT_CANNOT_TELL] = "cannot-tell",
    };
    return names[verdict];
}

const char *xf_recover_step_name(enum xf_recover_step step)
{
    static const char *const names[XF_STEPS] = {
        [XF_STEP_NONE] = "none",           [XF_STEP_STOP_RECEIVER] = "stop-receiver",
        [XF_STEP_TAKE_BACK] = "take-back", [XF_STEP_DESTROY_UNRUN] = "destroy-unrun",
        [XF_STEP_RESUME] = "resume",       [XF_STEP_DESTROY_STALE] = "destroy-stale",
    };
    return names[step];
}

static const struct {
    const char *name, *text;
} reasons[XF_WHYS] = {
    [XF_WHY_RUNS_HERE] = {"runs-here", "the guest is alive here, and %H has nothing of it"},
    [XF_WHY_LEFTOVER] = {"leftover",
                         "the guest is alive here; the copy at %H has never run and nobody will "
                         "start it"},
    [XF_WHY_NEVER_WENT] = {"never-went",
                           "the guest is suspended here under its own name, so %H was not told to "
                           "start it, or was told and has given it back"},
    [XF_WHY_NEVER_RAN_THERE] = {"never-ran-there",
                                "the copy at %H has used no CPU time, so it has never run, and "
                                "its receiver is gone"},
    [XF_WHY_GIVEN_BACK] = {"given-back",
                           "%H has it in writing that it destroyed its copy, which had not run, "
                           "and gave the guest back"},
    [XF_WHY_RAN_THERE] = {"ran-there",
                          "the copy at %H is started, so the one here, still suspended, is stale"},
    [XF_WHY_ONLY_THERE] = {"only-there", "there is no '%N' here, and %H has it"},
    [XF_WHY_SOURCE_BUSY] = {"source-busy",
                            "a process that moves or saves the guest still lives here: wait for "
                            "it, or end it (kill -TERM), then ask again"},
    [XF_WHY_RECEIVER_BUSY] = {"receiver-busy",
                              "the guest's receiver at %H still lives and may yet start it"},
    [XF_WHY_RECEIVER_UNKNOWN] =
        {"receiver-unknown",
         "an xl migrate-receive lives at %H, and nothing says which guest it receives: wait for "
         "it, or end it there if it is this one's, then ask again"},
    [XF_WHY_TARGET_DYING] = {"target-dying", "the copy at %H is being destroyed: ask again"},
    [XF_WHY_NO_ANSWER] = {"no-answer", "%H does not answer, and the guest may run there"},
    [XF_WHY_UNCLEAR_HERE] = {"unclear-here",
                             "which domain here is the guest is not clear from names and UUIDs"},
    [XF_WHY_UNCLEAR_THERE] = {"unclear-there",
                              "which domain at %H is the guest is not clear from names and UUIDs "
                              "(xl migrate -C can give it another UUID)"},
    [XF_WHY_NOWHERE] = {"nowhere", "neither here nor at %H is there a '%N'"},
    [XF_WHY_HERE_ENDED] = {"here-ended",
                           "the copy here is shut down or being destroyed, not suspended"},
    [XF_WHY_INCOMING_ONLY] = {"incoming-only",
                              "there is no '%N' here, and the copy at %H was not told to start: it "
                              "may be incomplete, and the only one"},
    [XF_WHY_TWO_COPIES] = {"two-copies",
                           "xl migrate never leaves the two copies in these states: someone "
                           "has started one by hand. If both run, pause one at once"},
    [XF_WHY_THERE_ENDED] = {"there-ended",
                            "the copy at %H has run and is shut down or suspended there"},
    [XF_WHY_MAYBE_NEW] =
        {"maybe-new",
         "'%N' at %H has not run yet: either it is the copy, or the guest ran there and "
         "is being started anew. Ask again; if it stays paused, look at its log there"},
    [XF_WHY_GONE_THERE] = {"gone-there",
                           "%H was told to start the guest and has nothing of it any more: it may "
                           "have run there, and then the copy here is older than its disks"},
    [XF_WHY_NO_TRACE] = {"no-trace",
                         "%H may have been told to start the guest, and has nothing of it and no "
                         "record: if it ran there, the copy here is older than its disks"},
    [XF_WHY_MAYBE_LIBVIRT] = {"maybe-libvirt",
                              "the guest is suspended here under its own name, and libvirt, which "
                              "manages it, renames nothing: it may have been started at %H. If it "
                              "ran there, the copy here is older than its disks"},
};

const char *xf_recover_reason_name(enum xf_recover_reason reason)
{
    return reasons[reason].name;
}

const char *xf_recover_reason_text(enum xf_recover_reason reason)
{
    return reasons[reason].text;
}
