/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Evacuate, plan: sorts out which guests move, orders them, and finds a host for each. */
#include "evacuate_plan.h"

#include <ctype.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static void
decide(struct xf_evacuate_guest *g, enum xf_evacuate_fate fate, const char *format, ...)
{
    va_list args;

    g->fate = fate;
    va_start(args, format);
    vsnprintf(g->why, sizeof(g->why), format, args);
    va_end(args);
}

/* ---- who moves ----------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && !strcmp(text + n - m, end);
}

/* xl takes a number for a domain's; the journal and what is listed are lines; recover has to find
   room for --migratedaway. */
static bool name_works(const char *name)
{
    bool number = true;

    for (const char *c = name; *c; c++) {
        if (iscntrl((unsigned char)*c))
            return false;
        number &= isdigit((unsigned char)*c) != 0;
    }
    return !number && strlen(name) + sizeof("--migratedaway") <= XF_NAME_SIZE;
}

static bool is_kept(const char *name, const char *const *keep)
{
    for (; *keep; keep++)
        if (!fnmatch(*keep, name, 0))
            return true;
    return false;
}

static void sort_out(struct xf_evacuate_guest *g, const char *const *keep)
{
    g->to = -1;
    g->why[0] = 0;
    if (!g->domid)
        decide(g, XF_FATE_ALONE, "is this host itself");
    else if (g->state == XF_STATE_DYING)
        decide(g, XF_FATE_ALONE, "is being destroyed");
    else if (!g->name[0])
        decide(g, XF_FATE_ALONE, "has no name: it is being made, or ends");
    else if (ends_in(g->name, "--incoming"))
        decide(g, XF_FATE_ALONE, "is on its way to this host");
    else if (ends_in(g->name, "--migratedaway"))
        decide(g, XF_FATE_ALONE, "was on its way to another host: xl-fast recover settles it");
    else if (is_kept(g->name, keep))
        decide(g, XF_FATE_KEPT, "--keep");
    else if (g->state == XF_STATE_PAUSED)
        decide(g, XF_FATE_LEFT, "is paused and cannot be moved: xl unpause it");
    else if (g->state == XF_STATE_SUSPENDED)
        decide(g, XF_FATE_LEFT, "is suspended: xl-fast recover, if a migration has left it so");
    else if (g->state == XF_STATE_ENDED)
        decide(g, XF_FATE_LEFT, "is shut down: xl destroy it");
    else if (!name_works(g->name))
        decide(g, XF_FATE_LEFT, "has a name that xl-fast evacuate does not take: xl rename it");
    else if (g->stays[0])
        decide(g, XF_FATE_LEFT, "%s", g->stays);
    else if (!g->need_kib)
        decide(g, XF_FATE_LEFT, "how much memory it needs is not known");
    else if (g->tries >= XF_EVACUATE_TRIES)
        decide(g, XF_FATE_LEFT, "%s", g->failed);
    else
        g->fate = XF_FATE_MOVES;
}

void xf_evacuate_sort_out(struct xf_evacuate_guest *guests, unsigned n, const char *const *keep)
{
    for (unsigned i = 0; i < n; i++)
        sort_out(&guests[i], keep);
}

/* ---- in what order, and to where ----------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct xf_evacuate_guest *x = a, *y = b;

    if (x->need_kib != y->need_kib)
        return x->need_kib > y->need_kib ? -1 : 1;
    if (x->busy_permille != y->busy_permille)
        return x->busy_permille < y->busy_permille ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Before the moves: those with disks last. */
static int compare_moves(const void *a, const void *b)
{
    const struct xf_evacuate_disks *x = xf_evacuate_with_disks(a), *y = xf_evacuate_with_disks(b);

    if (x && y && x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return !x == !y ? compare(a, b) : x ? 1 : -1;
}

/* What is left at a host, by the plan so far. */
struct left {
    uint64_t free_kib, places[XF_EVACUATE_PLACES];
};

static bool fits(const struct xf_evacuate_guest *g, const struct xf_evacuate_disks *disks,
                 const struct left *left)
{
    bool all = left->free_kib >= g->need_kib;

    for (unsigned i = 0; i < disks->n; i++)
        all &= left->places[disks->needs[i].place] >= disks->needs[i].bytes;
    return all;
}

/* The index of a host, or -1. */
static int choose(const struct xf_evacuate_guest *g, const struct xf_evacuate_host *hosts,
                  const struct left *left, unsigned n, bool tight)
{
    int best = -1;

    for (unsigned i = 0; i < n; i++) {
        if (!hosts[i].usable || (g->tried | g->barred) & 1u << i ||
            !fits(g, &g->disks[i], &left[i]))
            continue;
        if (best < 0 || (tight ? left[i].free_kib < left[best].free_kib
                               : left[i].free_kib > left[best].free_kib))
            best = (int)i;
    }
    return best;
}

static void take(const struct xf_evacuate_guest *g, struct left *left)
{
    const struct xf_evacuate_disks *disks = &g->disks[g->to];

    left->free_kib -= g->need_kib;
    for (unsigned i = 0; i < disks->n; i++)
        left->places[disks->needs[i].place] -= disks->needs[i].bytes;
}

/* Returns how much memory the guests need that have found no place. */
static uint64_t place(struct xf_evacuate_guest *guests, unsigned n,
                      const struct xf_evacuate_host *hosts, unsigned hosts_n, bool tight)
{
    struct left left[XF_EVACUATE_HOSTS];
    uint64_t homeless_kib = 0;

    for (unsigned i = 0; i < hosts_n; i++) {
        left[i].free_kib = hosts[i].free_kib;
        for (unsigned k = 0; k < hosts[i].places_n; k++)
            left[i].places[k] = hosts[i].places[k].free_bytes;
    }
    for (unsigned i = 0; i < n; i++) {
        struct xf_evacuate_guest *g = &guests[i];

        if (g->fate != XF_FATE_MOVES)
            continue;
        g->to = choose(g, hosts, left, hosts_n, tight);
        if (g->to < 0)
            homeless_kib += g->need_kib;
        else
            take(g, &left[g->to]);
    }
    return homeless_kib;
}

/* That would move with it. */
static bool has_disks(const struct xf_evacuate_guest *g, unsigned hosts_n)
{
    bool any = false;

    for (unsigned i = 0; i < hosts_n; i++)
        any |= g->disks[i].move;
    return any;
}

void xf_evacuate_plan(struct xf_evacuate_guest *guests, unsigned n,
                      const struct xf_evacuate_host *hosts, unsigned hosts_n)
{
    uint64_t spread_kib;

    qsort(guests, n, sizeof(*guests), compare);
    spread_kib = place(guests, n, hosts, hosts_n, false);
    if (spread_kib && place(guests, n, hosts, hosts_n, true) >= spread_kib)
        place(guests, n, hosts, hosts_n, false);
    for (unsigned i = 0; i < n; i++) {
        struct xf_evacuate_guest *g = &guests[i];

        if (g->fate != XF_FATE_MOVES || g->to >= 0)
            continue;
        if (g->barred && !g->tries)
            decide(g, XF_FATE_LEFT, "%s", g->barred_why);
        else if (g->tries)
            decide(g, XF_FATE_LEFT, "%.150s; no other host has room", g->failed);
        else if (has_disks(g, hosts_n))
            decide(g, XF_FATE_LEFT,
                   "no host that can be used has room for its %" PRIu64 " MiB and its disks",
                   (g->need_kib + 1023) >> 10);
        else
            decide(g, XF_FATE_LEFT, "no host that can be used has room for its %" PRIu64 " MiB",
                   (g->need_kib + 1023) >> 10);
    }
    qsort(guests, n, sizeof(*guests), compare_moves);
}

static void carry_over(struct xf_evacuate_guest *now, const struct xf_evacuate_guest *before,
                       uint64_t elapsed_ns)
{
    now->tried = before->tried;
    now->tries = before->tries;
    now->reboots = before->reboots;
    memcpy(now->failed, before->failed, sizeof(now->failed));
    if (elapsed_ns && now->cpu_time_ns >= before->cpu_time_ns)
        now->busy_permille = (uint64_t)((double)(now->cpu_time_ns - before->cpu_time_ns) * 1000 /
                                        (double)elapsed_ns);
}

/* It may reboot each time, for ever. */
static void carry_over_reboot(struct xf_evacuate_guest *now, const struct xf_evacuate_guest *before)
{
    now->reboots = before->reboots + (before->tries > 0);
    if (now->reboots <= XF_EVACUATE_REBOOTS)
        return;
    now->tries = XF_EVACUATE_TRIES;
    snprintf(now->failed, sizeof(now->failed), "has rebooted %u times while it moved",
             now->reboots);
}

void xf_evacuate_carry_over(struct xf_evacuate_guest *now, unsigned n,
                            const struct xf_evacuate_guest *before, unsigned before_n,
                            uint64_t elapsed_ns)
{
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < before_n; k++)
            if (strcmp(now[i].uuid, before[k].uuid) != 0)
                continue;
            else if (now[i].domid == before[k].domid)
                carry_over(&now[i], &before[k], elapsed_ns);
            else
                carry_over_reboot(&now[i], &before[k]);
}
