/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Soak: many migrations, each with faults drawn from its own seed, and a judge who sees what a
 * hypervisor and the guest's user would see: is there exactly one running copy, and are its bytes
 * right? Once on a virtual clock (virtual.c: all in one thread, as fast as it computes), once with
 * real processes over memif that are really killed (real.c). Test builds only
 * (transport/base/fault.h).
 *
 *     plan.c    seed -> guest, link, faults
 *     world.c   the hypervisor: which copies there are, who runs; what recovery would settle
 *     owner.c   the two ends' life, with a model of xl's handshake around the transport
 *     group.c   on the virtual clock too: a source and several targets, which go wrong each by
 * itself soak.c    the runs, side by side; what they come to
 *
 * The handshake is xl's (xl_migrate.c), shortened to what decides who owns the guest:
 *
 *      source's owner                            target's owner
 *        | -- OFFER --------------------------------> |  creates a domain, which is paused
 *        |  (the transport; suspends; all landed)     |
 *        | -- PAGES --------------------------------> |  compares counts, gives back all mappings
 *        | <------------------------------- READY --- |
 *        |  renames its domain                        |
 *        | -- GO -----------------------------------> |  starts the guest: from here on it owns it
 *        | <----------------------------- OUTCOME --- |
 *        |  started: destroys its own. Not started: renames it back and resumes it
 *
 * Whatever fails before GO: each end closes the channel, the target destroys its domain, the source
 * resumes. After GO the source does not know; it leaves its copy suspended, and recovery decides by
 * what it finds at both ends once nothing of the migration is left there.
 */
#ifndef XF_TESTS_SOAK_H
#define XF_TESTS_SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/faults/points.h"
#include "transport/sim/faultlink.h"
#include "transport/sim/simguest.h"
#include "transport/base/stats.h"

enum soak_end { SOAK_SOURCE, SOAK_TARGET, SOAK_ENDS };

/* The time limits of PROTOCOL.md section 8, made short; microseconds. */
#define SOAK_ANSWER_US  1500000u
#define SOAK_READY_US   1500000u
#define SOAK_PEER_US    1000000u
#define SOAK_GOODBYE_US 2000000u /* target: last page landed -> PAGES */
/* A run that takes longer hangs, whatever it does; its own stalls and cuts are added. */
#define SOAK_RUN_US 60000000u

/* ---- plan.c ------------------------------------------------------------------------------------
 */

struct soak_plan {
    uint64_t seed;
    uint64_t pages;
    unsigned threads; /* of the lanes; 1: none of their own */
    enum xf_simguest_fill fill;
    unsigned hole_every;
    bool grows;             /* virtual clock: pages turn up in its holes while it runs */
    unsigned writes_per_ms; /* pages */
    bool verify;
    bool compress; /* every second seed, so that the others mean what they did */
    unsigned queues;
    struct xf_fault_config link; /* loss and the like, both ways */
    uint64_t max_downtime_us;
    uint64_t ready_after_us; /* session -> the target can take memory */
    struct xf_fault faults[XF_FAULTS_MAX];
    unsigned faults_n;
    /* On the virtual clock only. */
    uint32_t payload_bytes;
    uint64_t delay_us, jitter_us, bytes_per_s;
    uint32_t buffer_bytes, rx_ring;
    uint64_t step_us;
    bool forgets; /* what is on its way in the control channel is lost with its writer */
    /* With real processes only. */
    bool log_full[SOAK_ENDS];
};

void soak_plan_draw(struct soak_plan *plan, uint64_t seed, bool real);
void soak_plan_print(const struct soak_plan *plan, FILE *to);
/* The end whose point it is. */
enum soak_end soak_end_of(unsigned point);
/* How long its faults may make it last, beyond SOAK_RUN_US. */
uint64_t soak_plan_extra_us(const struct soak_plan *plan);

/* ---- world.c -----------------------------------------------------------------------------------
 */

enum soak_dom { DOM_ABSENT, DOM_BUILDING, DOM_RUNNING, DOM_SUSPENDED };

enum soak_outcome {
    SOAK_GOING_ON,
    SOAK_MOVED,     /* source: the target has said that it runs; ours is destroyed */
    SOAK_STAYED,    /* source: resumed */
    SOAK_UNDEFINED, /* source: GO was written, and nothing came back */
    SOAK_STARTED,   /* target: it runs here */
    SOAK_DROPPED,   /* target: nothing is left here */
};

/* What is judged: all but the first are to be 0. */
struct soak_counts {
    atomic_uint_fast64_t runs, wrong_bytes, double_owner, lost, hangs, leaks, crashes;
};

/* In memory that the ends' processes share with the judge. */
struct soak_world {
    struct xf_simguest *guest[SOAK_ENDS];
    struct xf_guest_source source_below; /* the simulated guests' own tables */
    struct xf_guest_sink sink_below;
    _Atomic int dom[SOAK_ENDS];
    atomic_bool renamed;
    atomic_bool dead[SOAK_ENDS]; /* killed: nothing that it still does has an effect */
    _Atomic int outcome[SOAK_ENDS];
    uint64_t hash_suspended[2], hash_started[2];
    atomic_bool started;
    _Atomic int mapped[SOAK_ENDS];
    /* The longest wait of each end that came to a limit's name, and whether one went beyond. */
    atomic_uint_fast64_t longest_wait_us;
    atomic_bool settled;
    /* Real processes. */
    atomic_uint fired;
    atomic_bool up[SOAK_ENDS]; /* has its port */
    struct soak_counts counts; /* of this run */
};

int soak_world_open(struct soak_world *w, const struct soak_plan *plan, bool shared);
void soak_world_close(struct soak_world *w);

/* The ends' tables: the simulated guests', with the hypervisor's book-keeping. */
struct xf_guest_source soak_world_source(struct soak_world *w);
struct xf_guest_sink soak_world_sink(struct soak_world *w);

/* What an owner asks of the hypervisor. -EIO if the asker is dead. */
int soak_world_create(struct soak_world *w); /* target: a domain, paused */
int soak_world_start(struct soak_world *w);  /* target: run it */
int soak_world_rename(struct soak_world *w, bool away);
int soak_world_resume(struct soak_world *w); /* source; nothing if it runs */
int soak_world_destroy(struct soak_world *w, enum soak_end which);

/* The judge: an end has died. Its xl, where that lives on, does what it would do. */
void soak_world_died(struct soak_world *w, enum soak_end end);
/* Nothing of either end is left: recovers, where the handshake leaves that open, and judges. */
void soak_world_judge(struct soak_world *w);

/* ---- owner.c -----------------------------------------------------------------------------------
 */

enum soak_message_kind { SOAK_OFFER = 1, SOAK_PAGES, SOAK_READY, SOAK_GO, SOAK_OUTCOME };

struct soak_message {
    enum soak_message_kind kind;
    uint32_t rounds;      /* PAGES */
    uint64_t pages_total; /* PAGES */
    int32_t rc;           /* OUTCOME */
    uint8_t offer[96];
};

/* An end's side of the control channel: whole messages, in order, or the end of them. */
struct soak_channel {
    int (*send)(void *ctx, const struct soak_message *m); /* 0, or -EPIPE */
    int (*receive)(void *ctx, struct soak_message *m);    /* 1; 0: none yet; -EPIPE: never more */
    void (*close)(void *ctx);
    void *ctx;
};

struct soak_owner;

int soak_owner_new(struct soak_owner **out, const struct soak_plan *plan, struct soak_world *world,
                   enum soak_end end, struct xf_link *link, const struct soak_channel *channel,
                   uint64_t slack_us);
/*
 * now_us: the end's own clock, which may jump; true_us: the judge's. False when its life is over;
 * its outcome is in the world then.
 */
bool soak_owner_step(struct soak_owner *o, uint64_t now_us, uint64_t true_us);
bool soak_owner_idle(const struct soak_owner *o);
void soak_owner_free(struct soak_owner *o);

/* ---- heap.c ------------------------------------------------------------------------------------
 */

/* Blocks of memory and mappings that our objects have taken and not given back. */
int64_t soak_taken(void);

/* ---- virtual.c, real.c, group.c
 * ------------------------------------------------------------------------
 */

/* What a run was like, besides what is judged. */
struct soak_run {
    struct soak_plan plan;
    uint64_t longest_wait_us;
    unsigned fired; /* faults that came true */
    bool moved, settled;
    uint64_t passed[XF_FAULT_POINT_COUNT]; /* on the virtual clock */
};

/* Runs a plan; adds to counts what is wrong. False: it could not be run, which is said. */
bool soak_virtual(struct soak_run *run, struct soak_counts *counts);
bool soak_real(struct soak_run *run, struct soak_counts *counts);
bool soak_group(struct soak_run *run, struct soak_counts *counts);

#endif
