/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cap: sets, records and removes the cap of CPU time by which --throttle slows a guest down. */
#include "cap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"

static const char *record_path(void)
{
    const char *path = getenv("XL_FAST_CAP");

    return path && *path ? path : NULL;
}

/* The command of xl for it. */
static const char *scheduler_name(const struct xf_cap *c)
{
    return c->scheduler == XEN_SCHEDULER_CREDIT ? "sched-credit" : "sched-credit2";
}

/* What cannot be written here is no reason not to move: only a helper that is killed leaves a cap.
 */
static void write_record(const struct xf_cap *c)
{
    const char *path = record_path();
    FILE *file = path ? fopen(path, "we") : NULL;

    if (!path)
        return;
    if (file)
        fprintf(file, "%s -d %u -c %u\n", scheduler_name(c), c->domid, c->before);
    if (!file || fclose(file))
        xf_say("source: %s: %s", path, strerror(errno));
}

static int set_cap(const struct xf_cap *c, uint32_t value)
{
    /* A weight of 0 leaves it as it is. */
    struct xen_domctl_sched_credit credit = {.cap = (uint16_t)value};
    struct xen_domctl_sched_credit2 credit2 = {.cap = (uint16_t)value};

    if (c->scheduler == XEN_SCHEDULER_CREDIT)
        return xc_sched_credit_domain_set(c->xch, c->domid, &credit) ? -errno : 0;
    return xc_sched_credit2_domain_set(c->xch, c->domid, &credit2) ? -errno : 0;
}

static int get_cap(struct xf_cap *c)
{
    struct xen_domctl_sched_credit credit;
    struct xen_domctl_sched_credit2 credit2;

    if (c->scheduler == XEN_SCHEDULER_CREDIT) {
        if (xc_sched_credit_domain_get(c->xch, c->domid, &credit))
            return -errno;
        c->before = credit.cap;
        return 0;
    }
    if (xc_sched_credit2_domain_get(c->xch, c->domid, &credit2))
        return -errno;
    c->before = credit2.cap;
    return 0;
}

/* What there is before the first cap. */
static int look(struct xf_cap *c)
{
    xc_domaininfo_t info;
    int n = xc_domain_getinfolist(c->xch, c->domid, 1, &info);

    if (n < 0)
        return -errno;
    if (n != 1 || info.domain != c->domid)
        return -ESRCH;
    xc_cpupoolinfo_t *pool = xc_cpupool_getinfo(c->xch, info.cpupool);

    if (!pool)
        return -errno;
    /* Xen answers with the first pool from that number on. */
    bool same = pool->cpupool_id == info.cpupool;

    c->scheduler = pool->sched_id;
    xc_cpupool_infofree(c->xch, pool);
    if (!same)
        return -ESRCH;
    if (c->scheduler != XEN_SCHEDULER_CREDIT && c->scheduler != XEN_SCHEDULER_CREDIT2)
        return -EOPNOTSUPP;
    int rc = get_cap(c);

    c->full = c->before ? c->before : 100 * info.nr_online_vcpus;
    return rc;
}

static int fail(const struct xf_cap *c, int rc)
{
    xf_say("source: domain %u cannot be slowed down: %s", c->domid,
           rc == -EOPNOTSUPP ? "the scheduler of its cpupool has no caps" : strerror(-rc));
    return rc;
}

static int undo(struct xf_cap *c)
{
    int rc = set_cap(c, c->before);

    if (rc) {
        xf_say("source: domain %u: its cap of CPU time cannot be undone: %s; do so by xl %s -d %u "
               "-c %u",
               c->domid, strerror(-rc), scheduler_name(c), c->domid, c->before);
        return rc;
    }
    c->set = false;
    if (record_path())
        unlink(record_path());
    return 0;
}

int xf_cap_throttle(struct xf_cap *c, unsigned percent)
{
    uint32_t value;
    int rc;

    if (percent >= 100)
        return c->set ? undo(c) : 0;
    rc = c->set ? 0 : look(c);
    if (rc)
        return fail(c, rc);
    value = c->full * percent / 100;
    if (!c->set)
        write_record(c);
    c->set = true; /* from now on there may be one */
    rc = set_cap(c, value ? value : 1);
    if (rc)
        return fail(c, rc);
    xf_say("source: domain %u writes too fast: it keeps %u %% of its CPU time", c->domid, percent);
    return 0;
}
