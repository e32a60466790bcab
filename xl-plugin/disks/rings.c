/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rings: finds each ring's first page by xenstore, and reads its two counters. */
#include "rings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xengnttab.h>
#include <xenstore.h>

#define fail xf_manifest_fail

#define RINGS_MAX 256u

/* The first words of a ring's first page: xen/io/ring.h. */
struct counters {
    uint32_t req_prod, req_event, rsp_prod, rsp_event;
};

struct xf_rings {
    xengnttab_handle *grants;
    const volatile struct counters *rings[RINGS_MAX];
    unsigned n;
};

/* false: there is no such node, or it is no number. */
static bool read_number(struct xs_handle *xs, const char *folder, const char *node, unsigned *to)
{
    char path[320], *text, *end;
    unsigned n;

    snprintf(path, sizeof(path), "%s/%s", folder, node);
    text = xs_read(xs, XBT_NULL, path, &n);
    unsigned long value = text ? strtoul(text, &end, 10) : 0;
    bool ok = text && end != text && !*end && value <= UINT32_MAX;

    free(text);
    *to = (unsigned)value;
    return ok;
}

static int map_ring(struct xf_rings *r, struct xs_handle *xs, uint32_t domid, const char *folder,
                    char why[XF_MANIFEST_WHY_BYTES])
{
    unsigned ref;

    if (!read_number(xs, folder, "ring-ref", &ref) && !read_number(xs, folder, "ring-ref0", &ref))
        return fail(why, -ENOENT, "there is no ring in %s", folder);
    if (r->n == RINGS_MAX)
        return fail(why, -E2BIG, "the guest's disks have too many rings");
    void *page = xengnttab_map_grant_ref(r->grants, domid, ref, PROT_READ);
    if (!page)
        return fail(why, -errno, "the ring of %s cannot be mapped: %s", folder, strerror(errno));
    r->rings[r->n++] = page;
    return 0;
}

/* One ring, or one of each queue. */
static int map_disk(struct xf_rings *r, struct xs_handle *xs, uint32_t domid, const char *folder,
                    char why[XF_MANIFEST_WHY_BYTES])
{
    char queue[256];
    unsigned queues;
    int rc = 0;

    if (!read_number(xs, folder, "multi-queue-num-queues", &queues) || queues < 2)
        return map_ring(r, xs, domid, folder, why);
    for (unsigned i = 0; i < queues && !rc; i++) {
        snprintf(queue, sizeof(queue), "%s/queue-%u", folder, i);
        rc = map_ring(r, xs, domid, queue, why);
    }
    return rc;
}

int xf_rings_open(struct xf_rings **out, uint32_t domid, char why[XF_MANIFEST_WHY_BYTES])
{
    struct xf_rings *r = calloc(1, sizeof(*r));
    struct xs_handle *xs = xs_open(0);
    char base[64], folder[128];
    unsigned n = 0;
    int rc = 0;

    if (r)
        r->grants = xengnttab_open(NULL, 0);
    if (!r || !r->grants || !xs)
        rc = fail(why, -EIO, "cannot look at the guest's rings: %s", strerror(errno));
    snprintf(base, sizeof(base), "/local/domain/%u/device/vbd", domid);
    char **names = rc ? NULL : xs_directory(xs, XBT_NULL, base, &n);

    for (unsigned i = 0; names && i < n && !rc; i++) {
        snprintf(folder, sizeof(folder), "%s/%s", base, names[i]);
        rc = map_disk(r, xs, domid, folder, why);
    }
    free(names);
    if (xs)
        xs_close(xs);
    if (rc)
        xf_rings_close(r);
    *out = rc ? NULL : r;
    return rc;
}

void xf_rings_close(struct xf_rings *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < r->n; i++)
        xengnttab_unmap(r->grants, (void *)(uintptr_t)r->rings[i], 1);
    if (r->grants)
        xengnttab_close(r->grants);
    free(r);
}

bool xf_rings_are_busy(const struct xf_rings *r)
{
    bool busy = false;

    for (unsigned i = 0; i < r->n; i++) {
        /* This one first: it only runs behind the other. */
        uint32_t answered = r->rings[i]->rsp_prod;

        busy |= answered != r->rings[i]->req_prod;
    }
    return busy;
}
