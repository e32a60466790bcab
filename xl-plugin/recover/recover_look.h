/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A look at one end: what xl-fast-domain sees there of a guest, as a structure and as the JSON that
 * it travels in. What comes from the other end is checked here before anything is done with it:
 * sizes and ranges. A domain's name may be of any bytes, and is shown as live.h's xf_live_plain()
 * makes it.
 */
#ifndef XF_RECOVER_RECOVER_LOOK_H
#define XF_RECOVER_RECOVER_LOOK_H

#include <stddef.h>
#include <stdint.h>

#include "recover_decide.h"

#define XF_LOOK_VERSION   1
#define XF_LOOK_DOMAINS   16u
#define XF_LOOK_PROCESSES 64u
#define XF_UUID_SIZE      37 /* with its 0 */
#define XF_NAME_SIZE      256

struct xf_look_domain {
    uint32_t domid;
    char name[XF_NAME_SIZE]; /* "": it has none any more */
    char uuid[XF_UUID_SIZE];
    enum xf_recover_state state;
    uint64_t cpu_time_ns;
    bool libvirt; /* manages it: its own description of the domain is there */
};

struct xf_look_process {
    uint32_t pid;
    bool receives;           /* else it moves or saves one of the domains */
    char uuid[XF_UUID_SIZE]; /* of the guest that it receives; "": nothing says */
};

struct xf_look {
    char host[XF_NAME_SIZE];
    char boot_id[XF_UUID_SIZE];
    /* Those called NAME, NAME--migratedaway or NAME--incoming, and those with the UUID asked for.
     */
    struct xf_look_domain domains[XF_LOOK_DOMAINS];
    unsigned domains_n;
    struct xf_look_process processes[XF_LOOK_PROCESSES];
    unsigned processes_n;
    /* The target's record of the newest receiver with the guest's UUID; attempt "": none. */
    struct {
        char attempt[XF_UUID_SIZE];
        enum xf_recover_record outcome;
        uint32_t domid; /* that was restored into; 0: it does not say */
    } record;
    /* The source's note of how the newest attempt left the guest; attempt "": none. */
    struct {
        char attempt[XF_UUID_SIZE];
        uint32_t domid;
        uint64_t cpu_time_ns;
    } left;
};

bool xf_uuid_ok(const char *text);

/* Whether the source's note is of that domain as it is now: it has not run since. */
bool xf_look_left_counts(const struct xf_look_domain *d, const struct xf_look *source);

/* As one line of JSON, to be freed; NULL without memory. */
char *xf_look_print(const struct xf_look *look);

/* -EPROTO with a line in err, or 0. */
int xf_look_parse(const char *text, size_t bytes, struct xf_look *look, char err[128]);

/* The guest's domain in a look at the source: the only one called NAME or one of its other names.
   NULL: there is none, or more than one, which *unclear says. */
const struct xf_look_domain *xf_look_guest(const struct xf_look *source, bool *unclear);

/* Both looks as what the decision needs. target: NULL if it does not answer. */
void xf_look_reduce(const char *name, const struct xf_look *source, const struct xf_look *target,
                    struct xf_recover_evidence *evidence);

/* What name a domain has, as a place. */
enum xf_recover_place xf_look_place(const char *name, const char *domain_name);

const char *xf_recover_state_name(enum xf_recover_state state);
const char *xf_recover_record_name(enum xf_recover_record record);

#endif
