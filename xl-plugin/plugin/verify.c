/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verify: counts the pages that Xen's restore reports as different, and judges the result by a
 * trial page.
 */
#include "verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timed.h"

/* The stock function runs in one thread, and its messages come in that thread. */
static _Thread_local struct xf_verify *watching;

void xf_verify_init(struct xf_verify *v)
{
    memset(v, 0, sizeof(*v));
    pthread_mutex_init(&v->lock, NULL);
    xf_timed_init(&v->changed);
}

void xf_verify_fini(struct xf_verify *v)
{
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->lock);
}

void xf_verify_watch(struct xf_verify *v)
{
    watching = v;
}

void xf_verify_over(struct xf_verify *v)
{
    watching = NULL;
    pthread_mutex_lock(&v->lock);
    v->over = true;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

static bool unsteady(const struct xf_verify *v, uint64_t pfn)
{
    return xf_unsteady_has(v->unsteady, v->unsteady_n, pfn);
}

void xf_verify_report(const char *line)
{
    struct xf_verify *v = watching;
    const char *number = strstr(line, "pfn ");

    if (!v || !strstr(line, "verify"))
        return;
    /* A line that says "verify" and names no page is one more that differs: page ~0. */
    uint64_t pfn = number ? strtoull(number + 4, NULL, 16) : UINT64_MAX;

    pthread_mutex_lock(&v->lock);
    if (v->tried && !v->found && pfn == v->trial) {
        v->found = true;
    } else if (!unsteady(v, pfn)) {
        if (v->differ < XF_VERIFY_NAMED)
            v->named[v->differ] = pfn;
        v->differ++;
    }
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

void xf_verify_leave_out(struct xf_verify *v, uint64_t pfn)
{
    pthread_mutex_lock(&v->lock);
    if (v->unsteady_n < XF_UNSTEADY_MAX && !unsteady(v, pfn)) {
        v->unsteady[v->unsteady_n++] = pfn;
        xf_unsteady_sort(v->unsteady, v->unsteady_n);
    }
    pthread_mutex_unlock(&v->lock);
}

bool xf_verify_is_unsteady(struct xf_verify *v, uint64_t pfn)
{
    pthread_mutex_lock(&v->lock);
    bool is = unsteady(v, pfn);
    pthread_mutex_unlock(&v->lock);
    return is;
}

void xf_verify_try(struct xf_verify *v, uint64_t pfn)
{
    pthread_mutex_lock(&v->lock);
    v->trial = pfn;
    v->tried = true;
    pthread_mutex_unlock(&v->lock);
}

int xf_verify_wait(struct xf_verify *v, unsigned timeout_ms)
{
    struct timespec until = xf_timed_deadline(timeout_ms);
    int rc = 0;

    pthread_mutex_lock(&v->lock);
    while (!v->found && !v->over && !rc)
        rc = -pthread_cond_timedwait(&v->changed, &v->lock, &until);
    rc = v->found ? 0 : v->over ? -ECANCELED : rc;
    pthread_mutex_unlock(&v->lock);
    return rc;
}

int xf_verify_judge(struct xf_verify *v, char why[256])
{
    int rc = -EILSEQ;
    size_t n = 0;

    pthread_mutex_lock(&v->lock);
    if (v->differ) {
        n = (size_t)snprintf(why, 256, "verify: %llu pages differ:", (unsigned long long)v->differ);
        for (unsigned i = 0; i < v->differ && i < XF_VERIFY_NAMED && n < 256; i++)
            n += (size_t)snprintf(why + n, 256 - n, " %#llx", (unsigned long long)v->named[i]);
        if (v->differ > XF_VERIFY_NAMED && n < 256)
            snprintf(why + n, 256 - n, " ...");
    } else if (!v->found) {
        snprintf(why, 256,
                 "verify: Xen's own restore did not find a page that was made to differ: this "
                 "version of Xen does not tell what it finds");
    } else {
        rc = 0;
    }
    pthread_mutex_unlock(&v->lock);
    return rc;
}
