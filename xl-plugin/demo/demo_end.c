/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Demo, ends: the life of the source's and of the target's process; demo_parts.h draws their talk.
 */
#include "demo_parts.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/base/bitmap.h"
#include "transport/base/clock.h"
#include "transport/group.h"
#include "transport/plan_live.h"
#include "transport/source.h"
#include "transport/target.h"
#include "dpdk/multicast.h"
#include "dpdk/thread.h"
#include "memif.h"
#include "xl-plugin/cli/memory.h"

#define PEER_WAIT_MS                                                                               \
    300000 /* to come up, or to fill much memory: the parent's patience ends first */
#define RUN_US        50000u
#define LOOK_EVERY_US 20000u /* at the control socket */

/* Of a memif, or of what is in its place. */
struct path {
    struct xf_link *port, *faulty, *link; /* link is the one to use */
};

/* What both ends hold. */
struct parts {
    const struct xf_demo_end *end;
    struct xf_simguest *guest;
    struct path paths[XF_MEMBERS_MAX]; /* the source's: one for each target; a target's first */
    unsigned paths_n;
    struct xf_link *copies[XF_MEMBERS_MAX]; /* the source's port to each target alone */
    struct xf_link *group, *link;           /* link is the one to use */
    uint64_t dropped;                       /* of the targets, those that the parent has heard of */
    bool stands;                            /* and the group knows */
    uint64_t began_us;                      /* the source turned to the target */
    uint64_t looked_us;                     /* at the control socket */
};

static void tell(const struct xf_demo_end *end, const struct xf_demo_message *m, int flags)
{
    if (send(end->parent, m, sizeof(*m), MSG_NOSIGNAL | flags) < 0) {
        /* Without a parent we are about to be killed; progress may be lost. */
    }
}

static void tell_kind(const struct xf_demo_end *end, enum xf_demo_kind kind)
{
    struct xf_demo_message m = {.kind = kind};

    tell(end, &m, 0);
}

static int __attribute__((format(printf, 3, 4)))
fail(const struct xf_demo_end *end, int rc, const char *fmt, ...)
{
    struct xf_demo_message m = {.kind = DEMO_FAILED};
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(m.reason, sizeof(m.reason), fmt, ap);
    va_end(ap);
    tell(end, &m, 0);
    return rc;
}

/* For both ends, but only the source's are events. */
static void on_progress(void *arg, const struct xf_progress *progress)
{
    struct parts *p = arg;
    const struct xf_demo_end *end = p->end;
    struct xf_demo_message m = {.kind = DEMO_PROGRESS, .progress.p = *progress};

    m.progress.bytes_wire = progress->stats->bytes_wire;
    m.progress.p.stats = NULL;
    tell(end, &m, MSG_DONTWAIT);
    if (end->events)
        xf_events_progress(end->events, progress);
    if (p->group && progress->stats->suspend_us && !p->stands) {
        p->stands = true;
        xf_group_stand(p->group);
    }
}

/* The parent's next order. wait: DEMO_QUIT if the parent is gone; else 0 if there is none yet. */
static int next_order(const struct xf_demo_end *end, bool wait)
{
    char c;
    ssize_t n = recv(end->parent, &c, 1, wait ? 0 : MSG_DONTWAIT);

    return n == 1 ? c : wait ? DEMO_QUIT : 0;
}

const char *xf_demo_socket(char to[XF_DEMO_SOCKET_BYTES], const char *path, unsigned target)
{
    if (target)
        snprintf(to, XF_DEMO_SOCKET_BYTES, "%s%u", path, target);
    else
        snprintf(to, XF_DEMO_SOCKET_BYTES, "%s", path);
    return to;
}

/* A memif's server listens before its client comes; so targets are up first and say so. */
static int wait_for_targets(const struct xf_demo_end *end)
{
    for (unsigned i = 0; i < xf_demo_targets(end->options); i++) {
        struct pollfd pfd = {.fd = end->peers[i], .events = POLLIN};
        char listening;

        if (poll(&pfd, 1, PEER_WAIT_MS) != 1 || recv(end->peers[i], &listening, 1, 0) != 1)
            return fail(end, -ETIMEDOUT, "the target does not come up");
    }
    return 0;
}

/* The links that the group or the session uses: with faults, where they are wanted. */
static int open_path(struct parts *p, unsigned number, const struct xf_memif *memif, bool source)
{
    const struct xf_demo_options *o = p->end->options;
    struct xf_fault_config faults = o->faults;
    struct path *path = &p->paths[number];
    char err[XF_DPDK_ERR_BYTES];
    int rc = xf_memif_open(memif, &path->port, err);

    if (rc)
        return fail(p->end, rc, "%s", err);
    p->paths_n++;
    path->link = path->port;
    if (faults.loss_pct + faults.reorder_pct + faults.duplicate_pct + faults.corrupt_pct <= 0)
        return 0;
    /* The two directions must not suffer alike, nor two targets. */
    faults.seed = o->seed * 2 + source + (number + p->end->number) * UINT64_C(0x10001);
    rc = xf_faultlink_new(&path->faulty, path->port, &faults);
    if (rc)
        return fail(p->end, rc, "no memory for faults");
    path->link = path->faulty;
    return 0;
}

/* The port that was given in place of a memif; NULL: none. */
static const struct xf_ends_port *given_port(const struct xf_demo_end *end, bool source)
{
    const struct xf_demo_options *o = end->options;

    if (!o->source_port.port)
        return NULL;
    return source ? &o->source_port : &o->target_ports.of[end->number];
}

static void init_memif(struct parts *p, bool source, unsigned i, struct xf_memif *memif)
{
    const struct xf_demo_options *o = p->end->options;
    const unsigned number = p->end->number + i;
    char socket[XF_DEMO_SOCKET_BYTES];

    xf_demo_socket(socket, p->end->memif_socket, number);
    if (o->clones)
        xf_memif_init_one(memif, !source, socket, number, o->lanes);
    else
        xf_memif_init(memif, !source, socket, o->lanes);
}

static int bring_up(struct parts *p, bool source)
{
    const struct xf_ends_port *given = given_port(p->end, source);
    const unsigned n = source && !given ? xf_demo_targets(p->end->options) : 1;
    struct xf_memif memifs[XF_MEMBERS_MAX];
    char err[XF_DPDK_ERR_BYTES];
    int rc = given ? xf_ends_enter_netns(given->netns) : 0;

    if (rc)
        return fail(p->end, rc, "network namespace %s: %s", given->netns, strerror(-rc));
    for (unsigned i = 0; i < n; i++)
        init_memif(p, source, i, &memifs[i]);
    if (given)
        memifs[0].port = given->port;
    rc = xf_memif_start(memifs, n, err);
    if (rc)
        return fail(p->end, rc, "%s", err);
    if (source)
        rc = wait_for_targets(p->end);
    for (unsigned i = 0; i < n && !rc; i++)
        rc = open_path(p, i, &memifs[i], source);
    if (rc)
        return rc;
    if (!source && send(p->end->peers[0], "", 1, MSG_NOSIGNAL) != 1)
        return fail(p->end, -EPIPE, "the source is gone");
    p->link = p->paths[0].link;
    tell_kind(p->end, DEMO_UP);
    return 0;
}

static void bring_down(struct parts *p)
{
    if (p->group)
        p->group->ops->close(p->group);
    for (unsigned i = 0; i < XF_MEMBERS_MAX; i++)
        if (p->copies[i])
            p->copies[i]->ops->close(p->copies[i]);
    for (unsigned i = 0; i < p->paths_n; i++) {
        if (p->paths[i].faulty)
            p->paths[i].faulty->ops->close(p->paths[i].faulty);
        p->paths[i].port->ops->close(p->paths[i].port);
    }
    xf_dpdk_stop();
    xf_simguest_free(p->guest);
}

static void add_faults(struct xf_fault_stats *to, const struct xf_link *faulty)
{
    struct xf_fault_stats one;

    xf_faultlink_stats(faulty, &one);
    to->lost += one.lost;
    to->reordered += one.reordered;
    to->duplicated += one.duplicated;
    to->corrupted += one.corrupted;
}

/* The proof: the guest is paused, so its hash means something. */
static void tell_result(struct parts *p, const struct xf_stats *stats)
{
    struct xf_demo_message m = {.kind = DEMO_RESULT};
    size_t bytes;
    const void *memory = xf_simguest_memory(p->guest, &bytes);

    m.result.resident_kib = xf_memory_resident_kib(memory, bytes);
    m.result.stats = *stats;
    m.result.began_us = p->began_us;
    for (unsigned i = 0; i < p->paths_n; i++)
        if (p->paths[i].faulty)
            add_faults(&m.result.faults, p->paths[i].faulty);
    p->link->ops->stats(p->link, &m.result.link);
    m.result.frame_bytes = p->link->frame_bytes;
    for (unsigned i = 0; p->group && i < p->end->options->clones; i++) {
        struct xf_group_target t;

        xf_group_target(p->group, i, &t);
        m.result.by_copy |= (uint64_t)t.by_copy << i;
    }
    xf_simguest_hash(p->guest, m.result.hash);
    tell(p->end, &m, 0);
}

/* How much the guest writes in a moment, which shows that it runs. */
static int count_writes(struct parts *p, uint64_t *pages)
{
    struct xf_guest_source guest = xf_simguest_source(p->guest);
    uint64_t *map = xf_bitmap_new(guest.page_count);

    if (!map)
        return -ENOMEM;
    guest.ops->dirty(guest.ctx, map, false, pages);
    usleep(RUN_US);
    guest.ops->dirty(guest.ctx, map, false, pages);
    free(map);
    return 0;
}

/* ---- source ------------------------------------------------------------------------------- */

/* Of a group, with what is the target's own. */
static int send_offer_to(struct parts *p, unsigned target, const struct xf_offer *offer,
                         const struct xf_member *member)
{
    uint8_t wire[XF_OFFER_BYTES + XF_MEMBER_BYTES];
    const size_t len = member ? sizeof(wire) : XF_OFFER_BYTES;
    int rc = 0;

    xf_offer_encode(offer, wire);
    if (member)
        xf_member_encode(member, wire + XF_OFFER_BYTES);
    if (send(p->end->peers[target], wire, len, MSG_NOSIGNAL) != (ssize_t)len)
        rc = -EPIPE;
    explicit_bzero(wire, sizeof(wire));
    return rc;
}

static int open_group(struct parts *p, const struct xf_offer *offer,
                      const struct xf_member *members, unsigned n)
{
    static char text[XF_MEMBERS_MAX][24];
    struct xf_link *paths[XF_MEMBERS_MAX];
    const char *names[XF_MEMBERS_MAX];
    struct xf_group_config gc;

    xf_group_config_init(&gc);
    gc.offer = *offer;
    gc.members = members;
    for (unsigned i = 0; i < n; i++) {
        snprintf(text[i], sizeof(text[i]), "clone %u", i + 1);
        names[i] = text[i];
    }
    for (unsigned i = 0; i < p->paths_n; i++)
        paths[i] = p->paths[i].link;
    gc.names = names;
    gc.paths = paths;
    gc.paths_n = p->paths_n;
    if (members[0].group.ipv4) {
        for (unsigned i = 0; i < n; i++)
            if (xf_port_beside(&p->copies[i], p->paths[0].port))
                return fail(p->end, -ENOMEM, "no memory");
        gc.copies = p->copies;
        gc.by_copies = p->end->options->by_copies;
    }
    int rc = xf_group_new(&p->group, &gc);

    xf_offer_wipe(&gc.offer);
    if (rc)
        return fail(p->end, rc, "no group: %s", strerror(-rc));
    p->link = p->group;
    return 0;
}

/* To several targets: one that does not take its offer is dropped. */
static int send_offers(struct parts *p, struct xf_offer *offer)
{
    const unsigned n = p->end->options->clones;
    const bool multicast = p->end->options->source_port.port;
    struct xf_member members[XF_MEMBERS_MAX];
    struct xf_link_addr group;
    int rc;

    /* Targets receive at the port that the source has, too. */
    xf_multicast_of_session(&group, offer->session_id, p->link->self.udp_port);
    rc = xf_members_new(members, n, multicast ? &group : NULL);
    if (rc)
        return fail(p->end, rc, "no offer: %s", strerror(-rc));
    offer->features |= XF_FEATURE_GROUP;
    rc = open_group(p, offer, members, n);
    for (unsigned i = 0; i < n && !rc; i++) {
        struct xf_offer own;

        xf_group_offer(p->group, i, offer, &own);
        if (send_offer_to(p, i, &own, &members[i]))
            xf_group_drop(p->group, i, -EPIPE, "does not take the offer");
        xf_offer_wipe(&own);
    }
    for (unsigned i = 0; i < n; i++)
        xf_member_wipe(&members[i]);
    return rc;
}

static int send_offer(struct parts *p, struct xf_offer *offer, uint64_t pages)
{
    int rc = xf_offer_new(offer, p->link, pages);

    if (rc)
        return fail(p->end, rc, "no offer: %s", strerror(-rc));
    offer->features = xf_offer_features(p->end->options->verify, p->end->options->compress);
    if (p->end->options->clones)
        return send_offers(p, offer);
    rc = send_offer_to(p, 0, offer, NULL);
    return rc ? fail(p->end, rc, "the target does not take the offer") : 0;
}

/* Whom the group has dropped. */
static void tell_dropped(struct parts *p)
{
    for (unsigned i = 0; p->group && i < p->end->options->clones; i++) {
        struct xf_demo_message m = {.kind = DEMO_DROPPED, .target = i};
        struct xf_group_target t;

        if (p->dropped >> i & 1)
            continue;
        xf_group_target(p->group, i, &t);
        if (!t.dropped)
            continue;
        p->dropped |= UINT64_C(1) << i;
        snprintf(m.reason, sizeof(m.reason), "%s", t.why);
        tell(p->end, &m, 0);
    }
}

/* It was given up, and the guest must not have noticed. */
static void tell_stayed(struct parts *p, const char *reason)
{
    struct xf_demo_message m = {.kind = DEMO_STAYED};
    int rc = count_writes(p, &m.pages);

    snprintf(m.reason, sizeof(m.reason), "%s", reason);
    if (rc)
        fail(p->end, rc, "%s", strerror(-rc));
    else if (!m.pages)
        fail(p->end, -EIO, "the guest no longer runs at the source after this: %s", reason);
    else
        tell(p->end, &m, 0);
}

/* What xl-fast set wants; and who is no longer there. */
static void look_around(struct parts *p, struct xf_source *source)
{
    struct xf_demo_message m = {.kind = DEMO_SET};
    const uint64_t now = xf_now_us();

    if (now - p->looked_us < LOOK_EVERY_US)
        return;
    p->looked_us = now;
    tell_dropped(p);
    if (!xf_control_take(p->end->control, &m.set))
        return;
    int rc = xf_source_steer(source, &m.set);

    if (!rc) {
        tell(p->end, &m, 0);
        xf_events_set(p->end->events, &m.set, now);
    }
    xf_control_answer(p->end->control, rc);
}

/* From now on the guest writes; and so long as it was to be, that is measured. */
static int start_writers(struct parts *p)
{
    const struct xf_demo_options *o = p->end->options;
    struct xf_demo_message m = {.kind = DEMO_MEASURED};
    int rc = o->writers ? xf_simguest_start_writers(p->guest, o->writers, o->dirty_bytes_per_s) : 0;

    if (rc)
        return fail(p->end, rc, "no writers: %s", strerror(-rc));
    if (!o->measure_s)
        return 0;
    rc = xf_demo_measure(p->guest, o->measure_s, &m.measured);
    if (rc)
        return fail(p->end, rc, "what the guest writes cannot be measured: %s", strerror(-rc));
    tell(p->end, &m, 0);
    return 0;
}

static int run_source(struct parts *p)
{
    const struct xf_demo_options *o = p->end->options;
    struct xf_guest_source guest;
    struct xf_source_config config;
    struct xf_policy policy;
    struct xf_plan_live plan;
    struct xf_source *source = NULL;
    unsigned idle_steps = 0;
    int rc;

    if (o->fill == XF_FILL_ZERO)
        rc = xf_simguest_new_sparse(&p->guest, o->memory_bytes / XF_PAGE_BYTES, o->seed);
    else
        rc = xf_simguest_new(&p->guest, o->memory_bytes / XF_PAGE_BYTES, o->fill, o->seed, 0);
    if (rc)
        return fail(p->end, rc, "no memory for the guest: %s", strerror(-rc));
    rc = bring_up(p, true);
    if (rc)
        return rc;
    guest = xf_simguest_source(p->guest);
    if (o->measure_s && (rc = start_writers(p)))
        return rc;

    xf_source_config_init(&config);
    xf_policy_init(&policy);
    if (o->max_downtime_us)
        policy.max_downtime_us = o->max_downtime_us;
    policy.on_busy = o->on_busy;
    policy.throttle = o->throttle;
    p->began_us = xf_now_us();
    policy.until_us = o->deadline_s ? p->began_us + o->deadline_s * 1000000 : 0;
    xf_plan_live_init(&plan, &policy, o->verify);
    config.plan = &plan.plan;
    config.bandwidth_bytes_per_s = o->bandwidth_bytes_per_s;
    config.compress = o->compress;
    config.threads = xf_dpdk_threads(o->lanes, &o->cpus);
    config.progress = on_progress;
    config.progress_arg = p;
    rc = send_offer(p, &config.offer, guest.page_count);
    if (rc)
        goto out;
    rc = xf_source_new(&source, &config, &guest, p->link, xf_now_us());
    xf_offer_wipe_secret(&config.offer);
    if (rc) {
        fail(p->end, rc, "no session: %s", strerror(-rc));
        goto out;
    }
    if (!o->measure_s && (rc = start_writers(p)))
        goto out;
    while ((rc = xf_source_step(source, xf_now_us())) == 0) {
        look_around(p, source);
        xf_ends_idle(&idle_steps, xf_source_idle(source));
    }
    tell_dropped(p);
    if (rc == -EBUSY && !xf_source_stats(source)->suspend_us) {
        tell_stayed(p, xf_source_error(source));
        goto out;
    }
    if (rc < 0) {
        fail(p->end, rc, "%s", xf_source_error(source));
        goto out;
    }
    tell_result(p, xf_source_stats(source));
    next_order(p->end, true); /* QUIT */
    rc = 0;

out:
    xf_source_free(source);
    xf_offer_wipe(&config.offer);
    return rc;
}

/* ---- target ------------------------------------------------------------------------------- */

static int receive_offer(struct parts *p, struct xf_offer *offer, struct xf_member *member)
{
    struct pollfd pfd = {.fd = p->end->peers[0], .events = POLLIN};
    uint8_t wire[XF_OFFER_BYTES + XF_MEMBER_BYTES];
    char why[160] = "the offer is not one to a group";
    ssize_t n = 0;
    int rc;

    if (poll(&pfd, 1, PEER_WAIT_MS) == 1)
        n = recv(p->end->peers[0], wire, sizeof(wire), 0);
    if (n <= 0)
        return fail(p->end, -ETIMEDOUT, "no offer from the source");
    if (p->end->options->clones) {
        n -= XF_MEMBER_BYTES;
        rc = n == XF_OFFER_BYTES ? xf_offer_decode_group(offer, wire, XF_OFFER_BYTES, why)
                                 : -EBADMSG;
        rc = rc ?: xf_member_decode(member, wire + XF_OFFER_BYTES, XF_MEMBER_BYTES, why);
    } else {
        rc = xf_offer_decode(offer, wire, (size_t)n, why);
    }
    explicit_bzero(wire, sizeof(wire));
    return rc ? fail(p->end, rc, "%s", why) : 0;
}

/* Where the source sends to all at once. */
static int join_group(struct parts *p, const struct xf_member *member)
{
    char said[XF_LINK_SAID_BYTES];
    int rc = member->group.ipv4 ? xf_link_join(p->link, &member->group, said) : 0;

    return rc ? fail(p->end, rc, "%s", said) : 0;
}

/* Lets the guest's writers run for a moment on the memory that has arrived. */
static int resume(struct parts *p)
{
    const struct xf_demo_options *o = p->end->options;
    struct xf_demo_message m = {.kind = DEMO_RESUMED};
    int rc;

    xf_simguest_resume(p->guest);
    rc = o->writers ? xf_simguest_start_writers(p->guest, o->writers, o->dirty_bytes_per_s) : 0;
    rc = rc ?: count_writes(p, &m.pages);
    xf_simguest_stop_writers(p->guest);
    if (!rc)
        tell(p->end, &m, 0);
    return rc ? fail(p->end, rc, "no writers: %s", strerror(-rc)) : 0;
}

static int run_target(struct parts *p)
{
    const struct xf_demo_options *o = p->end->options;
    struct xf_guest_sink guest;
    struct xf_target_config config;
    struct xf_target *target = NULL;
    unsigned idle_steps = 0;
    uint64_t looked_us = 0;
    bool landed = false;
    int rc;

    if (o->fill == XF_FILL_ZERO)
        rc = xf_simguest_new_empty_sparse(&p->guest, o->memory_bytes / XF_PAGE_BYTES);
    else
        rc = xf_simguest_new_empty(&p->guest, o->memory_bytes / XF_PAGE_BYTES);
    if (rc)
        return fail(p->end, rc, "no memory for the guest: %s", strerror(-rc));
    if (o->fill != XF_FILL_ZERO)
        xf_simguest_prefault(p->guest);
    xf_simguest_pause(p->guest); /* nobody writes before the proof */
    rc = bring_up(p, false);
    if (rc)
        return rc;
    guest = xf_simguest_sink(p->guest);

    xf_target_config_init(&config);
    rc = receive_offer(p, &config.offer, &config.member);
    rc = rc ?: join_group(p, &config.member);
    if (rc)
        return rc;
    config.threads = xf_dpdk_threads(o->lanes, &o->cpus);
    config.progress = on_progress;
    config.progress_arg = p;
    rc = xf_target_new(&target, &config, &guest, p->link, xf_now_us());
    xf_offer_wipe(&config.offer);
    xf_member_wipe(&config.member);
    if (rc)
        return fail(p->end, rc, "no session: %s", strerror(-rc));
    xf_target_ready(target);

    /* Once all has landed, the source may still ask (its copy of our word may be lost). */
    while ((rc = xf_target_step(target, xf_now_us())) >= 0) {
        if (rc == XF_SESSION_DONE && !landed) {
            landed = true;
            tell_kind(p->end, DEMO_LANDED);
        }
        if (landed && xf_ends_is_time(xf_now_us(), &looked_us) &&
            next_order(p->end, false) == DEMO_SEEN)
            break;
        xf_ends_idle(&idle_steps, xf_target_idle(target));
    }
    if (rc == -ECONNABORTED) {
        next_order(p->end, true); /* the source says why */
        goto out;
    }
    if (rc < 0) {
        fail(p->end, rc, "%s", xf_target_error(target));
        goto out;
    }
    tell_result(p, xf_target_stats(target));
    /* No thread of it may be at the port when the source closes its end: net_memif takes away the
       memory that they write to. */
    xf_target_free(target);
    target = NULL;
    while (rc >= 0 && next_order(p->end, true) == DEMO_RESUME)
        rc = resume(p);

out:
    xf_target_free(target);
    return rc < 0 ? rc : 0;
}

/* ---- both --------------------------------------------------------------------------------- */

static int end_main(const struct xf_demo_end *end, int (*run)(struct parts *))
{
    struct parts p = {.end = end};
    int rc;

    /* Sleeps of xf_ends_idle() should be about as long as it says, not 50 us more. */
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    rc = run(&p);
    bring_down(&p);
    return rc ? 1 : 0;
}

int xf_demo_source_main(const struct xf_demo_end *end)
{
    return end_main(end, run_source);
}

int xf_demo_target_main(const struct xf_demo_end *end)
{
    return end_main(end, run_target);
}
