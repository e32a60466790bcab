/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Newcomer: Xen's list of domains, before and after. */
#include "newcomer.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LIST 64u

static int read_uuid(const char *text, uint8_t to[16])
{
    unsigned n = 0;

    for (; *text && n < 16; text++) {
        char two[3] = {text[0], text[1], 0};

        if (*text == '-')
            continue;
        if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
            return -EINVAL;
        to[n++] = (uint8_t)strtoul(two, NULL, 16);
        text++;
    }
    return n == 16 && !*text ? 0 : -EINVAL;
}

static bool was_before(const struct xf_newcomer *w, uint32_t domid)
{
    for (unsigned i = 0; i < w->before_n; i++)
        if (w->before[i] == domid)
            return true;
    return false;
}

/* The first of that UUID that was not there before. */
int xf_newcomer_find(const struct xf_newcomer *w, xc_domaininfo_t *info)
{
    xc_domaininfo_t list[LIST];
    uint32_t first = 1;
    int n;

    while ((n = xc_domain_getinfolist(w->xch, first, LIST, list)) > 0) {
        for (int i = 0; i < n; i++)
            if (!memcmp(list[i].handle, w->uuid, sizeof(w->uuid)) &&
                !(list[i].flags & XEN_DOMINF_dying) && !was_before(w, list[i].domain)) {
                *info = list[i];
                return 0;
            }
        first = list[n - 1].domain + 1u;
    }
    return n < 0 ? -errno : -ENOENT;
}

int xf_newcomer_begin(struct xf_newcomer *w, xc_interface *xch, const char *uuid)
{
    xc_domaininfo_t info;
    int rc;

    *w = (struct xf_newcomer){.xch = xch};
    rc = read_uuid(uuid, w->uuid);
    while (!rc && !(rc = xf_newcomer_find(w, &info))) {
        if (w->before_n == XF_NEWCOMER_BEFORE)
            return -E2BIG;
        w->before[w->before_n++] = info.domain;
    }
    return rc == -ENOENT ? 0 : rc;
}
