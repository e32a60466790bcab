/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Demo: a simulated guest is migrated between two processes of this machine, over DPDK's memif or
 * two ports that are given.
 *
 *            demo.c (parent: no DPDK, no memory of the guests)
 *            /  \  a socket to each: demo_message up, demo_order down
 *      source    target        demo_end.c
 *          \______/            OFFER over a socket of their own; all else over memif
 *
 * With --clones there are several targets, each with such sockets, and the source's port is a group
 * (transport/group.h): over a memif for each; or over one port by multicast, where ports are given.
 *
 *      parent                      source                           target
 *        |                           | <---------------- listening -- |  its port is open
 *        | <--------------------------------------------------- UP -- |
 *        | <------- UP ------------- |  guest filled, port open       |
 *        | <---- MEASURED ---------- |  if it was to (--measure)      |
 *        |                           | -- OFFER --------------------> |
 *        | <---- PROGRESS, SET ----- | <===== the migration ========> |
 *        | <---- LANDED ------------------------------------------- - |  goes on answering
 *        | <------ RESULT ---------- |  paused; hashed                |
 *        | -- SEEN -----------------------------------------------> - |
 *        | <-----------------------------------------------RESULT --- |  paused; hashed
 *        |    compares the hashes    |                                |
 *        | -- RESUME ---------------------------------------------> - |
 *        | <--------------------------------------------- RESUMED --- |  its writers ran
 *        | -- QUIT ----------------> |  closes its port, ends         |
 *        | -- QUIT -----------------------------------------------> - |  then the target
 *
 * FAILED with a reason may come at any time from either; so may an end without a word. STAYED comes
 * from the source instead of LANDED and all after it, if it gave up as it was told to (--on-busy).
 * DROPPED comes from the source: it goes on without that target, which the parent ends.
 */
#ifndef XF_DEMO_DEMO_PARTS_H
#define XF_DEMO_DEMO_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/base/compress_mode.h"
#include "transport/control.h"
#include "transport/events.h"
#include "transport/sim/faultlink.h"
#include "transport/link.h"
#include "transport/member.h"
#include "transport/base/cpu_list.h"
#include "transport/base/on_busy.h"
#include "transport/base/stats.h"
#include "demo_measure.h"
#include "ends.h"
#include "xl-plugin/cli/options.h"
#include "xl-plugin/screen/live.h"

/* One for each target, in their order. */
struct xf_demo_ports {
    struct xf_ends_port of[XF_MEMBERS_MAX];
    unsigned n;
};

struct xf_demo_options {
    uint64_t memory_bytes;
    enum xf_simguest_fill fill;
    uint64_t dirty_bytes_per_s;
    unsigned writers;
    struct xf_fault_config faults; /* its seed is not used */
    uint64_t seed;
    uint64_t max_downtime_us; /* 0: the transport's default */
    enum xf_on_busy on_busy;
    uint64_t deadline_s;            /* 0: none */
    uint64_t measure_s;             /* likewise */
    bool throttle;                  /* the guest may be slowed down */
    bool verify;                    /* hashes of all pages are compared */
    uint64_t bandwidth_bytes_per_s; /* 0: no limit */
    enum xf_compress_mode compress;
    unsigned lanes;
    unsigned clones;                 /* 0: the guest moves, to one target */
    bool by_copies;                  /* between ports: to each clone alone, in place of multicast */
    struct xf_cpu_list cpus;         /* where their threads run; empty: anywhere */
    struct xf_ends_port source_port; /* its name is NULL: memif */
    struct xf_demo_ports target_ports;
    const char *control; /* socket to make for xl-fast set; NULL: none */
    const char *events;  /* file of events, "-": stdout; NULL: none */
    const char *report;  /* a page to write; NULL: none */
    bool json;
    bool timing; /* where the cycles went, too */
};

/* XF_GO_ON (options.h), or the exit status: help, or an error that was shown. */
extern const struct xf_option xf_demo_option_rows[];
int xf_demo_options_parse(const struct xf_command *c, struct xf_demo_options *o, int argc,
                          char **argv);

enum xf_demo_kind {
    DEMO_UP,
    DEMO_MEASURED,
    DEMO_PROGRESS,
    DEMO_SET,
    DEMO_LANDED,
    DEMO_RESULT,
    DEMO_RESUMED,
    DEMO_STAYED,
    DEMO_DROPPED,
    DEMO_FAILED
};

/* What an end knows when its guest is paused and hashed. */
struct xf_demo_result {
    struct xf_stats stats;
    struct xf_fault_stats faults;
    struct xf_link_stats link;
    uint32_t frame_bytes; /* of the link */
    uint64_t by_copy;     /* the source's: a bit for each clone that multicast did not reach */
    uint64_t hash[2];
    uint64_t began_us;     /* the source's: it turned to the target */
    uint64_t resident_kib; /* memory of the end's process, without its guest's */
};

struct xf_demo_progress {
    struct xf_progress p; /* its stats pointer is cleared */
    uint64_t bytes_wire;
};

struct xf_demo_message {
    enum xf_demo_kind kind;
    union {
        struct xf_demo_progress progress;
        struct xf_demo_result result;
        struct xf_steer set; /* by the user, and taken */
        struct xf_demo_measured measured;
        struct {
            uint64_t pages;   /* RESUMED, STAYED: written by the guest since */
            unsigned target;  /* DROPPED */
            char reason[256]; /* STAYED, DROPPED, FAILED */
        };
    };
};

enum xf_demo_order { DEMO_SEEN = 'S', DEMO_RESUME = 'R', DEMO_QUIT = 'Q' };

#define XF_DEMO_SOCKET_BYTES 88

/* How many targets there are. */
static inline unsigned xf_demo_targets(const struct xf_demo_options *o)
{
    return o->clones ? o->clones : 1;
}

/* The memif of the source and that target, in a folder of the parent's. */
const char *xf_demo_socket(char to[XF_DEMO_SOCKET_BYTES], const char *path, unsigned target);

/* An end's way to the parent and to the other ends; all are sockets of messages. */
struct xf_demo_end {
    const struct xf_demo_options *options;
    struct xf_events *events;   /* the source's; a copy of the parent's */
    struct xf_control *control; /* likewise; the parent removes it */
    const char *memif_socket;
    int parent;
    unsigned number;           /* a target: which */
    int peers[XF_MEMBERS_MAX]; /* the source's: to each target; a target's first: to the source */
};

/* The whole life of a child; returns its exit status. */
int xf_demo_source_main(const struct xf_demo_end *end);
int xf_demo_target_main(const struct xf_demo_end *end);

/* What is known of a target at the end. */
struct xf_demo_target {
    struct xf_demo_result result;
    bool have;
    uint64_t resumed_pages;
    char dropped[256]; /* why; "": it was not */
};

/* All that is known at the end. error: "" or one line. */
struct xf_demo_outcome {
    const struct xf_demo_options *options;
    struct xf_demo_result source;
    bool have_source;
    struct xf_demo_target targets[XF_MEMBERS_MAX];
    struct xf_demo_measured measured;
    uint64_t stayed_pages;
    bool stayed;        /* given up, and the guest goes on at the source */
    bool bandwidth_set; /* while it moved: no one limit held for all of it */
    char error[320];
};

/* Every target has what the source had: of clones, each that was not dropped, and one at least. */
bool xf_demo_verified(const struct xf_demo_outcome *o);
bool xf_demo_any_dropped(const struct xf_demo_outcome *o);
void xf_demo_report_json(const struct xf_demo_outcome *o);
void xf_demo_report_table(const struct xf_demo_outcome *o);
/* The migration's last events: how it ended. */
void xf_demo_report_events(const struct xf_demo_outcome *o, struct xf_events *events);

/* Progress on stderr. */
struct xf_demo_progress_line {
    struct xf_live live;
    uint64_t pages_total, dirty_us;
    struct xf_demo_progress last;
};

void xf_demo_progress_show(struct xf_demo_progress_line *line, const struct xf_demo_progress *now);

#endif
