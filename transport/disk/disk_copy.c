/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disk copy: makes a session over a disk and steps it. */
#include "disk_copy.h"

#include <errno.h>
#include <string.h>

#include "transport/base/clock.h"
#include "transport/base/idle.h"
#include "transport/plan_live.h"
#include "transport/source.h"
#include "transport/target.h"

/* Busy steps between two looks at what others have to say. */
#define LOOK_EVERY 1024u

static bool is_time(unsigned *steps, bool was_idle)
{
    return was_idle || ++*steps % LOOK_EVERY == 0;
}

/* After a step; pages are on their way all along. */
static void nap(struct xf_idle *idle, bool was_idle)
{
    if (was_idle)
        xf_idle_wait(idle, xf_now_us(), true);
    else
        xf_idle_busy(idle);
}

int xf_disk_copy_send(const struct xf_disk_copy *c, struct xf_disk_source *disk,
                      const struct xf_offer *offer, struct xf_stats *stats,
                      char err[XF_DISK_ERR_BYTES])
{
    const struct xf_guest_source guest = xf_disk_source_guest(disk);
    struct xf_source_config config;
    struct xf_source *source;
    struct xf_policy policy;
    struct xf_plan_live plan;
    struct xf_idle idle = {0};
    unsigned steps = 0;

    xf_policy_init(&policy);
    xf_plan_live_init(&plan, &policy, c->verify);
    xf_source_config_init(&config);
    config.offer = *offer;
    config.plan = &plan.plan;
    config.bandwidth_bytes_per_s = c->bandwidth_bytes_per_s;
    config.compress = c->compress;
    config.threads = c->threads;
    config.progress = c->progress;
    config.progress_arg = c->arg;
    int rc = xf_source_new(&source, &config, &guest, c->link, xf_now_us()), why = 0;

    xf_offer_wipe(&config.offer);
    if (rc)
        return xf_disk_fail(err, rc, "no session: %s", strerror(-rc));
    while ((rc = xf_source_step(source, xf_now_us())) == 0) {
        if (!why && c->look && is_time(&steps, xf_source_idle(source)) && (why = c->look(c->arg)))
            xf_source_abort(source, "the copy was ended");
        nap(&idle, xf_source_idle(source));
    }
    *stats = *xf_source_stats(source);
    rc = rc == XF_SESSION_DONE ? 0 : why ? why : rc;
    if (rc)
        xf_disk_fail(err, rc, "%s", xf_source_error(source));
    xf_source_free(source);
    return rc;
}

static int step_until_seen(const struct xf_disk_copy *c, struct xf_target *target)
{
    struct xf_idle idle = {0};
    unsigned steps = 0;
    bool landed = false;
    int rc, why = 0;

    while ((rc = xf_target_step(target, xf_now_us())) >= 0) {
        if (rc == XF_SESSION_DONE && !landed)
            c->landed(c->arg, xf_target_stats(target));
        landed = landed || rc == XF_SESSION_DONE;
        if (is_time(&steps, xf_target_idle(target))) {
            if (landed && c->seen(c->arg))
                return 0;
            if (!why && c->look && (why = c->look(c->arg)))
                xf_target_abort(target, "the copy was ended");
        }
        nap(&idle, xf_target_idle(target));
    }
    return why ?: rc;
}

int xf_disk_copy_receive(const struct xf_disk_copy *c, struct xf_disk_sink *disk,
                         const struct xf_offer *offer, char err[XF_DISK_ERR_BYTES])
{
    const struct xf_guest_sink guest = xf_disk_sink_guest(disk);
    struct xf_target_config config;
    struct xf_target *target;

    xf_target_config_init(&config);
    config.offer = *offer;
    config.threads = c->threads;
    int rc = xf_target_new(&target, &config, &guest, c->link, xf_now_us());

    xf_offer_wipe(&config.offer);
    if (rc)
        return xf_disk_fail(err, rc, "no session: %s", strerror(-rc));
    xf_target_ready(target);
    rc = step_until_seen(c, target);
    if (rc)
        xf_disk_fail(err, rc, "%s", xf_target_error(target));
    xf_target_free(target);
    return rc;
}
