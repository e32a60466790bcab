/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limiter: the sentence, by rules from the clearest to the least clear. */
#include "limiter.h"

#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

/* A core that is as busy has no time to wait for anybody. */
#define BUSY_PCT 85u
/* No core is busy, and the source has waited: for that. */
#define WAIT_PCT 10u
/* More than that is most of the time. */
#define MOST_PCT 50u
/* A limit that is kept: of what leaves, packets' frames are left out. */
#define LIMIT_PCT 85u
/* Shorter than that, connecting and round trips count more than anything else. */
#define SHORT_US 50000u
/* Losses below are said, but are no reason by themselves. */
#define LOST_PCT 1.0

static unsigned waits(const struct xf_limiter *l, enum xf_wait what)
{
    return l->source.spent.pct[XF_STAGE_COUNT + what];
}

static unsigned busy(const struct xf_limiter_end *end)
{
    return end->known ? xf_spent_busy_pct(&end->spent) : 0;
}

static const char *show_rate(char to[32], uint64_t bps)
{
    if (bps < 1000000000)
        snprintf(to, 32, "%.0f Mbit/s", (double)bps / 1e6);
    else
        snprintf(to, 32, "%.2f Gbit/s", (double)bps / 1e9);
    return to;
}

static double lost_pct(const struct xf_limiter *l)
{
    return l->packets_sent ? 100.0 * (double)l->packets_lost / (double)l->packets_sent : 0;
}

/* With the two stages that take most. */
static void say_core(char *to, const char *whose, const struct xf_limiter_end *end)
{
    const unsigned *pct = end->spent.pct;
    unsigned most = 0, next;

    for (unsigned i = 1; i < XF_STAGE_COUNT; i++)
        most = pct[i] > pct[most] ? i : most;
    next = !most;
    for (unsigned i = 0; i < XF_STAGE_COUNT; i++)
        next = i != most && pct[i] > pct[next] ? i : next;
    /* In the order of a page's way. */
    snprintf(to, XF_LIMITER_BYTES, "the %s's core%s: %u %% busy, %s and %s %u %%%s", whose,
             end->lanes > 1 ? "s" : "", busy(end), xf_stage_names[most < next ? most : next],
             xf_stage_names[most < next ? next : most], pct[most] + pct[next],
             end->lanes == 1 ? "; a second lane may help" : "");
}

static void say_link(char *to, const struct xf_limiter *l)
{
    char rate[32], carries[64] = "", lost[40] = "";

    if (l->path_bps)
        snprintf(carries, sizeof(carries), "it carries %s", show_rate(rate, l->path_bps));
    if (lost_pct(l) >= LOST_PCT)
        snprintf(lost, sizeof(lost), "%slost %.0f %%", carries[0] ? ", " : "", lost_pct(l));
    snprintf(to, XF_LIMITER_BYTES, "the link%s%s%s", carries[0] || lost[0] ? ": " : "", carries,
             lost);
}

/* What a limit lets through is what the path was seen to carry: a little less, or more. */
static bool is_held_back(const struct xf_limiter *l)
{
    return l->bandwidth_bps && (!l->path_bps || l->bandwidth_bps / 10 * 9 < l->path_bps);
}

static void say_bandwidth(char *to, const struct xf_limiter *l)
{
    char rate[32];

    snprintf(to, XF_LIMITER_BYTES, "the bandwidth limit, %s", show_rate(rate, l->bandwidth_bps));
}

/* By the path or the user; 0: not known. */
static uint64_t allowed_bps(const struct xf_limiter *l)
{
    return is_held_back(l) ? l->bandwidth_bps : l->path_bps;
}

/* What the source waited for most. */
static enum xf_wait most_waited(const struct xf_limiter *l)
{
    enum xf_wait most = XF_WAIT_path;

    /* One that carries much more was only not known yet. If nearly all of the time was waited for
       it, others had the core. */
    if (allowed_bps(l) / 2 > l->wire_bps && lost_pct(l) < LOST_PCT && waits(l, most) < MOST_PCT)
        most = XF_WAIT_credit;
    for (unsigned i = XF_WAIT_credit; i < XF_WAIT_COUNT; i++)
        most = waits(l, i) > waits(l, most) ? i : most;
    return most;
}

static void say_wait(char *to, const struct xf_limiter *l)
{
    enum xf_wait most = most_waited(l);

    switch (most) {
    case XF_WAIT_credit:
        snprintf(to, XF_LIMITER_BYTES, "the receiver's credit: the source waited for it %u %%",
                 waits(l, most));
        break;
    case XF_WAIT_port:
        snprintf(to, XF_LIMITER_BYTES, "the source's port: it had no room %u %% of the time",
                 waits(l, most));
        break;
    case XF_WAIT_pages:
        snprintf(to, XF_LIMITER_BYTES, "the guest: little to send, nothing for %u %% of the time",
                 waits(l, most));
        break;
    default:
        (is_held_back(l) ? say_bandwidth : say_link)(to, l);
    }
}

const char *xf_limiter_say(char to[XF_LIMITER_BYTES], const struct xf_limiter *l)
{
    const struct xf_limiter_end *busier =
        busy(&l->target) >= busy(&l->source) ? &l->target : &l->source;
    const char *whose = busier == &l->target ? "target" : "source";

    to[0] = 0;
    if (!l->source.known || !l->memory_us)
        return to;
    if (l->bandwidth_bps && (double)l->wire_bps * 100 >= (double)l->bandwidth_bps * LIMIT_PCT)
        say_bandwidth(to, l);
    else if (l->memory_us < SHORT_US)
        snprintf(to, XF_LIMITER_BYTES, "the guest: little memory to send");
    else if (busy(busier) >= BUSY_PCT)
        say_core(to, whose, busier);
    else if (lost_pct(l) >= LOST_PCT && l->target_dropped >= l->packets_lost / 2)
        snprintf(to, XF_LIMITER_BYTES,
                 "the target's core: its port dropped %.0f %% of the packets, unread",
                 100.0 * (double)l->target_dropped / (double)l->packets_sent);
    else if (waits(l, most_waited(l)) >= WAIT_PCT)
        say_wait(to, l);
    else
        say_core(to, whose, busier);
    return to;
}

const char *xf_limiter_split(char *said)
{
    char *half = strstr(said, "; ");

    if (!half)
        return NULL;
    half[1] = 0;
    return half + 2;
}

void xf_limiter_take_time(struct xf_limiter_end *end, struct json_object *time_pct)
{
    end->known = json_object_is_type(time_pct, json_type_object);
    for (unsigned i = 0; i < XF_SPENT_COUNT; i++) {
        struct json_object *v = NULL;
        int64_t pct = end->known && json_object_object_get_ex(time_pct, xf_spent_names[i], &v)
                          ? json_object_get_int64(v)
                          : 0;

        end->spent.pct[i] = pct < 0 ? 0 : pct > 100 ? 100 : (unsigned)pct;
    }
}
