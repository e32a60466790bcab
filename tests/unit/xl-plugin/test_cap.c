/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cap: which scheduler is asked and for how much, what there was before comes back, and what the
 * file says meanwhile. The functions of libxenctrl are stand-ins.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "xl-plugin/plugin/cap.h"

#define POOL 3u

static struct {
    uint32_t scheduler, cpus;
    uint16_t cap[10]; /* by scheduler */
    bool set_fails, pool_is_gone;
    unsigned pools;
} xen;

int xc_domain_getinfolist(xc_interface *xch, uint32_t first, unsigned int max,
                          xc_domaininfo_t *info)
{
    (void)xch;
    (void)max;
    memset(info, 0, sizeof(*info));
    info->domain = (domid_t)first;
    info->cpupool = POOL;
    info->nr_online_vcpus = xen.cpus;
    return 1;
}

xc_cpupoolinfo_t *xc_cpupool_getinfo(xc_interface *xch, uint32_t pool)
{
    xc_cpupoolinfo_t *info = calloc(1, sizeof(*info));

    (void)xch;
    assert_non_null(info);
    assert_int_equal(pool, POOL);
    info->cpupool_id = pool + xen.pool_is_gone;
    info->sched_id = xen.scheduler;
    xen.pools++;
    return info;
}

void xc_cpupool_infofree(xc_interface *xch, xc_cpupoolinfo_t *info)
{
    (void)xch;
    free(info);
    xen.pools--;
}

static int get(uint32_t scheduler, uint16_t *cap)
{
    assert_int_equal(scheduler, xen.scheduler);
    *cap = xen.cap[scheduler];
    return 0;
}

static int set(uint32_t scheduler, uint16_t weight, uint16_t cap)
{
    assert_int_equal(scheduler, xen.scheduler);
    assert_int_equal(weight, 0);
    if (xen.set_fails) {
        errno = EPERM;
        return -1;
    }
    xen.cap[scheduler] = cap;
    return 0;
}

int xc_sched_credit_domain_get(xc_interface *xch, uint32_t domid, struct xen_domctl_sched_credit *s)
{
    (void)xch;
    (void)domid;
    s->weight = 256;
    return get(XEN_SCHEDULER_CREDIT, &s->cap);
}

int xc_sched_credit_domain_set(xc_interface *xch, uint32_t domid, struct xen_domctl_sched_credit *s)
{
    (void)xch;
    (void)domid;
    return set(XEN_SCHEDULER_CREDIT, s->weight, s->cap);
}

int xc_sched_credit2_domain_get(xc_interface *xch, uint32_t domid,
                                struct xen_domctl_sched_credit2 *s)
{
    (void)xch;
    (void)domid;
    s->weight = 256;
    return get(XEN_SCHEDULER_CREDIT2, &s->cap);
}

int xc_sched_credit2_domain_set(xc_interface *xch, uint32_t domid,
                                struct xen_domctl_sched_credit2 *s)
{
    (void)xch;
    (void)domid;
    return set(XEN_SCHEDULER_CREDIT2, s->weight, s->cap);
}

static char path[] = "/tmp/xl-fast-test-cap-XXXXXX";

static void file_says(const char *words)
{
    char line[80] = "";
    FILE *file = fopen(path, "r");

    if (!words) {
        assert_null(file);
        return;
    }
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    assert_string_equal(line, words);
    fclose(file);
}

static void halves_and_gives_back(void **state)
{
    struct xf_cap c = {.domid = 5};

    (void)state;
    memset(&xen, 0, sizeof(xen));
    xen.scheduler = XEN_SCHEDULER_CREDIT2;
    xen.cpus = 4;
    assert_int_equal(xf_cap_throttle(&c, 100), 0);
    assert_int_equal(xf_cap_throttle(&c, 50), 0);
    assert_int_equal(xen.cap[XEN_SCHEDULER_CREDIT2], 200);
    file_says("sched-credit2 -d 5 -c 0\n");
    assert_int_equal(xf_cap_throttle(&c, 1), 0);
    assert_int_equal(xen.cap[XEN_SCHEDULER_CREDIT2], 4);
    file_says("sched-credit2 -d 5 -c 0\n");
    assert_int_equal(xf_cap_throttle(&c, 100), 0);
    assert_int_equal(xen.cap[XEN_SCHEDULER_CREDIT2], 0);
    file_says(NULL);
    assert_int_equal(xen.pools, 0);
}

/* Of what it may have; and 0 would be no cap at all. */
static void a_cap_that_was_there_comes_back(void **state)
{
    struct xf_cap c = {.domid = 6};

    (void)state;
    memset(&xen, 0, sizeof(xen));
    xen.scheduler = XEN_SCHEDULER_CREDIT;
    xen.cpus = 4;
    xen.cap[XEN_SCHEDULER_CREDIT] = 60;
    assert_int_equal(xf_cap_throttle(&c, 25), 0);
    assert_int_equal(xen.cap[XEN_SCHEDULER_CREDIT], 15);
    file_says("sched-credit -d 6 -c 60\n");
    assert_int_equal(xf_cap_throttle(&c, 1), 0);
    assert_int_equal(xen.cap[XEN_SCHEDULER_CREDIT], 1);
    assert_int_equal(xf_cap_throttle(&c, 100), 0);
    assert_int_equal(xen.cap[XEN_SCHEDULER_CREDIT], 60);
    file_says(NULL);
}

static void what_fails_leaves_the_record(void **state)
{
    struct xf_cap c = {.domid = 7};

    (void)state;
    memset(&xen, 0, sizeof(xen));
    xen.scheduler = XEN_SCHEDULER_NULL;
    assert_int_equal(xf_cap_throttle(&c, 50), -EOPNOTSUPP);
    assert_int_equal(xf_cap_throttle(&c, 100), 0);
    file_says(NULL);

    /* Another pool is no answer. */
    xen.scheduler = XEN_SCHEDULER_CREDIT2;
    xen.pool_is_gone = true;
    assert_int_equal(xf_cap_throttle(&c, 50), -ESRCH);
    assert_int_equal(xen.cap[XEN_SCHEDULER_CREDIT2], 0);
    file_says(NULL);
    xen.pool_is_gone = false;

    xen.cpus = 1;
    assert_int_equal(xf_cap_throttle(&c, 50), 0);
    xen.set_fails = true;
    assert_int_equal(xf_cap_throttle(&c, 25), -EPERM);
    assert_int_equal(xf_cap_throttle(&c, 100), -EPERM);
    file_says("sched-credit2 -d 7 -c 0\n");
    xen.set_fails = false;
    assert_int_equal(xf_cap_throttle(&c, 100), 0);
    assert_int_equal(xen.cap[XEN_SCHEDULER_CREDIT2], 0);
    file_says(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_and_gives_back),
        cmocka_unit_test(a_cap_that_was_there_comes_back),
        cmocka_unit_test(what_fails_leaves_the_record),
    };
    int fd = mkstemp(path);

    if (fd < 0)
        return 1;
    close(fd);
    unlink(path);
    setenv("XL_FAST_CAP", path, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
