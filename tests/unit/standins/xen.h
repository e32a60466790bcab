/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen stand-in: what the plug-in calls of libxenctrl and libxenforeignmemory, over domains in this
 * process's memory, so that the plug-in's own files run without Xen. The linker takes these
 * functions before the libraries'. They do as Xen 4.17 does where the plug-in depends on it:
 *
 *   - a write is logged only if the page was there at the last ENABLE_LOGDIRTY or CLEAN: what is
 *     populated later is not (unless the domain has marks_populated, as Xen 4.22);
 *   - CLEAN of a domain that logs nothing succeeds, and finds nothing;
 *   - ENABLE_LOGDIRTY fails where it is on; OFF forgets all bits;
 *   - a map succeeds although frames of it do not: errors[] has theirs, and behind such a frame is
 *     nothing (PV dom0), or memory that is nobody's (PVH dom0).
 *
 * Each call is counted and may be made to fail; frames may be made to fail one by one. What a test
 * does to a guest while it moves, it does in `hook`, which every call passes.
 *
 * Threads: any; one lock.
 */
#ifndef XF_TESTS_STANDIN_XEN_H
#define XF_TESTS_STANDIN_XEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xenctrl.h>

#define STANDIN_DOMAINS 4u
#define STANDIN_CALLS   48u

struct standin_domain {
    bool exists, pv, shutdown, paused, dying;
    uint8_t uuid[16];
    unsigned contexts_set, params_set; /* calls that gave it a context, a parameter */
    uint8_t context[64];               /* that it has; all zero: one of bytes that mean nothing */
    uint32_t context_set_bytes;
    unsigned reason;
    bool marks_populated; /* as Xen from 4.22 on */
    uint64_t page_count;
    uint64_t gpfns; /* that Xen says it has: page_count at first */
    uint64_t tot_pages;
    uint64_t room;       /* pages that it can still get */
    uint64_t superpages; /* of these, 2 MiB extents */
    uint64_t *present;   /* a bit a page */
    uint64_t *logged;    /* pages whose writes are seen */
    uint64_t *dirty;
    uint64_t granted; /* a gfn that a backend has mapped to write; 0: there is none */
    bool logdirty;
    unsigned populated_twice, small_pages, large_pages;
    int fd;
    uint8_t *memory;
};

struct standin_call {
    const char *name;
    unsigned count;
};

struct standin {
    struct standin_domain domains[STANDIN_DOMAINS];
    unsigned version; /* major << 16 | minor */
    bool pvh_dom0;
    bool no_canary; /* guests have no rings that nobody uses */

    /* Of call `fail_call`, number fail_at (1: the first) fails with fail_errno; 0: none does. */
    const char *fail_call;
    unsigned fail_at;
    int fail_errno;
    /* May be NULL. Before each call, without the lock; > 0: the call fails with that errno. */
    int (*hook)(const char *call, unsigned number);
    /* May be NULL: the errno of a frame that does not map. */
    int (*frame_error)(uint32_t domid, uint64_t gfn);

    struct standin_call calls[STANDIN_CALLS];
    unsigned most_types;                /* that one type query asked for */
    uint64_t types_asked;               /* gfns, by all queries */
    int interfaces, mappings, policies; /* that are open */
    uint64_t largest_map;               /* frames */
};

extern struct standin standin;

/* Everything back to the beginning, with Xen 4.17. */
void standin_reset(void);

/* A domain of so many gfns, none of which has a page yet. */
struct standin_domain *standin_domain_new(uint32_t domid, uint64_t page_count);

/* As the guest does them. */
void standin_populate(struct standin_domain *d, uint64_t gfn);
void standin_give_back(struct standin_domain *d, uint64_t gfn);
void standin_write(struct standin_domain *d, uint64_t gfn, uint64_t value);

/* As another save of the domain does it, of its dirty log: Xen's own turns one that is on off and
   on again. */
void standin_second_begins(uint32_t domid);
void standin_second_reads(uint32_t domid);
void standin_second_ends(uint32_t domid);

/* How often a function was called. */
unsigned standin_calls(const char *call);

/* Pages that one has and the other has not, or whose bytes differ. */
uint64_t standin_differing(const struct standin_domain *a, const struct standin_domain *b);

#endif
