/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Group, checks: who is silent, stands still or holds up the others for too long. */
#include "group_check.h"

#include <errno.h>
#include <string.h>

#include "group_receive.h"

#define CHECK_US 10000u
/* Short answers alone for so long: the path does not carry long packets. Below the source's 5 s. */
#define SHORT_US 4000000u
/* A target that answers and hears nothing by multicast for so long is sent copies. */
#define REACH_US 2000000u
/* Without copies it is dropped. Its reports may have been lost while its switch's port forwarded
   nothing; now that it has answered, the port forwards, and the next report (PROTOCOL.md, section
   10) comes before this. */
#define DEAF_US 6000000u
/* Who did not look for so long has slept. */
#define NAP_US 500000u
/* The stretch over which the rate of who holds up the others is taken. */
#define RATE_US 5000000u
/* As of a session (session.h), and so below the silence of an end. */
#define DOWN_US     10000000u
#define SECONDS(us) ((unsigned long long)(us) / 1000000)

static bool check_path(struct xf_group *g, unsigned i, uint64_t now_us)
{
    struct xf_group_one *one = &g->ones[i];
    int rc = g->config.paths_n > 1 ? one->path->ops->health(one->path) : 0;

    if (!rc)
        one->down_us = 0;
    else if (!one->down_us)
        one->down_us = now_us;
    if (!rc || (rc == -ENETDOWN && now_us - one->down_us <= DOWN_US))
        return true;
    xf_group_drop_for(g, i, rc, "cannot be reached by its port: %s", strerror(-rc));
    return false;
}

static void check_answer(struct xf_group *g, unsigned i, uint64_t now_us)
{
    const struct xf_group_one *one = &g->ones[i];
    const struct xf_group_config *c = &g->config;

    if (one->answered)
        return;
    if (one->short_us && now_us - one->short_us > SHORT_US)
        xf_group_drop_for(g, i, -EMSGSIZE,
                          "answers, but only short packets pass: the path's MTU is smaller than "
                          "the ports'");
    else if (c->answer_us && now_us - g->began_us > c->answer_us)
        xf_group_drop_for(g, i, -ETIMEDOUT,
                          "has not answered over the migration link in %llu s: check port, cable, "
                          "VLAN and MTU",
                          SECONDS(c->answer_us));
}

/* Multicast does not come through to it. Control alone is there so early. */
static void check_reach(struct xf_group *g, unsigned i, uint64_t now_us)
{
    const uint64_t bit = UINT64_C(1) << i, deaf_us = now_us - g->connected_us;
    struct xf_link *copy = xf_group_copy(g, i);

    if (g->by_address || deaf_us < REACH_US ||
        atomic_load_explicit(&g->ones[i].heard, memory_order_relaxed) ||
        atomic_load_explicit(&g->by_copy, memory_order_relaxed) & bit)
        return;
    if (copy) {
        copy->ops->set_peer(copy, &g->ones[i].at);
        atomic_fetch_or_explicit(&g->by_copy, bit, memory_order_release);
    } else if (deaf_us >= DEAF_US) {
        xf_group_drop_for(g, i, -EHOSTUNREACH,
                          "answers, but multicast does not reach it: check IGMP snooping (is there "
                          "a querier?), VLAN, storm control and filters");
    }
}

static void check_silence(struct xf_group *g, unsigned i, uint64_t now_us)
{
    const struct xf_group_config *c = &g->config;
    const uint64_t heard_us = xf_count_of(&g->ones[i].heard_us);

    if (c->silence_us && now_us > heard_us && now_us - heard_us > c->silence_us)
        xf_group_drop_for(g, i, -ETIMEDOUT, "has been silent for %llu s", SECONDS(c->silence_us));
    else if (c->ready_us && now_us - g->connected_us > c->ready_us &&
             !atomic_load_explicit(&g->ones[i].ready, memory_order_relaxed))
        xf_group_drop_for(g, i, -ETIMEDOUT, "has no memory ready after %llu s",
                          SECONDS(c->ready_us));
}

static void check_connected(struct xf_group *g, unsigned i, uint64_t now_us)
{
    check_reach(g, i, now_us);
    check_silence(g, i, now_us);
}

/* Of a lane: who has taken nothing while another is ahead of it. Adds up what each has. */
static void look_at_lane(struct xf_group *g, struct xf_group_lane *l, uint64_t *done,
                         uint64_t *still, uint64_t now_us)
{
    uint64_t most = 0;

    pthread_mutex_lock(&l->lock);
    for (unsigned i = 0; i < g->count; i++)
        if (xf_group_is_alive(g, i) && l->of[i].told.fb.horizon > most)
            most = l->of[i].told.fb.horizon;
    for (unsigned i = 0; i < g->count; i++) {
        struct xf_group_told *t = &l->of[i];
        const uint64_t at = t->told.fb.horizon;

        if (at != t->still_at || at == most || !t->still_us) {
            t->still_at = at;
            t->still_us = now_us;
        } else if (g->config.still_us && now_us - t->still_us > g->config.still_us) {
            *still |= UINT64_C(1) << i;
        }
        done[i] += t->told.fb.base;
    }
    pthread_mutex_unlock(&l->lock);
}

/* It has less than each of the others. */
static bool is_last(const struct xf_group *g, unsigned i, const uint64_t *done)
{
    bool others = false;

    for (unsigned j = 0; j < g->count; j++) {
        if (j == i || !xf_group_is_alive(g, j))
            continue;
        if (done[j] <= done[i])
            return false;
        others = true;
    }
    return others;
}

static void check_rate(struct xf_group *g, unsigned i, const uint64_t *done, uint64_t now_us)
{
    struct xf_group_one *one = &g->ones[i];
    const struct xf_group_config *c = &g->config;

    one->held_up = one->held_up && is_last(g, i, done);
    if (now_us - one->rate_us < RATE_US)
        return;
    const uint64_t rate =
        (done[i] - one->rate_done) * c->offer.payload_bytes * 1000000 / (now_us - one->rate_us);

    if (one->held_up && rate < c->min_bytes_per_s) {
        xf_group_drop_for(g, i, -ETIMEDOUT,
                          "takes %llu MB/s and holds up the others, less than the %llu asked for",
                          (unsigned long long)rate / 1000000,
                          (unsigned long long)c->min_bytes_per_s / 1000000);
        return;
    }
    one->rate_done = done[i];
    one->rate_us = now_us;
    one->held_up = true;
}

/* The guest stands: who is the last must not keep it standing. */
static void check_last(struct xf_group *g, uint64_t now_us)
{
    const uint64_t stand_us = atomic_load_explicit(&g->stand_us, memory_order_relaxed);
    bool one_has_all = false;

    if (!stand_us || !g->config.last_us)
        return;
    for (unsigned i = 0; i < g->count; i++)
        one_has_all =
            one_has_all || (xf_group_is_alive(g, i) &&
                            atomic_load_explicit(&g->ones[i].complete, memory_order_relaxed));
    if (!one_has_all)
        return;
    g->first_us = g->first_us ? g->first_us : now_us;
    const uint64_t took_us = g->first_us - stand_us;
    const uint64_t limit_us = took_us > g->config.last_us ? took_us : g->config.last_us;

    if (now_us - g->first_us <= limit_us)
        return;
    for (unsigned i = 0; i < g->count; i++)
        if (xf_group_is_alive(g, i) &&
            !atomic_load_explicit(&g->ones[i].complete, memory_order_relaxed))
            xf_group_drop_for(g, i, -ETIMEDOUT,
                              "lags %llu ms behind the first in the last round, while the guest "
                              "stands",
                              (unsigned long long)limit_us / 1000);
}

/* It is in a round that another has ended. */
static bool lags(struct xf_group *g, unsigned i, uint64_t now_us)
{
    struct xf_group_one *one = &g->ones[i];
    const uint32_t round = atomic_load_explicit(&one->round, memory_order_relaxed);
    bool behind = false;

    for (unsigned j = 0; j < g->count; j++)
        behind = behind || (xf_group_is_alive(g, j) &&
                            atomic_load_explicit(&g->ones[j].round, memory_order_relaxed) > round);
    if (!behind)
        one->even_us = now_us;
    return g->config.lag_us && now_us - one->even_us > g->config.lag_us;
}

static void check_progress(struct xf_group *g, uint64_t now_us)
{
    uint64_t done[XF_MEMBERS_MAX] = {0}, still = 0;

    for (unsigned l = 0; l < g->config.offer.queues; l++)
        look_at_lane(g, &g->lanes[l], done, &still, now_us);
    for (unsigned i = 0; i < g->count; i++) {
        if (!xf_group_is_alive(g, i))
            continue;
        if (still >> i & 1)
            xf_group_drop_for(g, i, -ETIMEDOUT, "has taken nothing for %llu s, and the others have",
                              SECONDS(g->config.still_us));
        else if (lags(g, i, now_us))
            xf_group_drop_for(g, i, -ETIMEDOUT, "lacks pages that others have had for %llu s",
                              SECONDS(g->config.lag_us));
        else
            check_rate(g, i, done, now_us);
    }
}

/* Nobody has looked for so long, as while the toolstack suspends the guest: what the targets said
   meanwhile is not taken in yet, and all of them get their time anew. */
static void forgive(struct xf_group *g, uint64_t gap_us, uint64_t now_us)
{
    g->began_us += gap_us;
    g->connected_us += gap_us;
    g->first_us += g->first_us ? gap_us : 0;
    for (unsigned i = 0; i < g->count; i++) {
        struct xf_group_one *one = &g->ones[i];

        xf_count_set(&one->heard_us, now_us);
        one->rate_us = one->even_us = now_us;
        one->held_up = false;
        one->down_us += one->down_us ? gap_us : 0;
        one->short_us += one->short_us ? gap_us : 0;
    }
    for (unsigned l = 0; l < g->config.offer.queues; l++) {
        pthread_mutex_lock(&g->lanes[l].lock);
        for (unsigned i = 0; i < g->count; i++)
            g->lanes[l].of[i].still_us = now_us;
        pthread_mutex_unlock(&g->lanes[l].lock);
    }
}

void xf_group_check(struct xf_group *g, uint64_t now_us)
{
    const uint64_t gap_us = now_us - g->checked_us;

    if (gap_us < CHECK_US && now_us >= g->checked_us)
        return;
    if (g->checked_us && now_us > g->checked_us && gap_us > NAP_US)
        forgive(g, gap_us, now_us);
    g->checked_us = now_us;
    const bool connected = atomic_load_explicit(&g->connected, memory_order_relaxed);

    for (unsigned i = 0; i < g->count; i++)
        if (xf_group_is_alive(g, i) && check_path(g, i, now_us))
            connected ? check_connected(g, i, now_us) : check_answer(g, i, now_us);
    if (connected)
        check_progress(g, now_us);
    check_last(g, now_us);
}
