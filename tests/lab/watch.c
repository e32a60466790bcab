/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watch: says when a domain stands, or when the only guest of a host runs, as Xen has it, which
 * libxl hears of later. Microseconds since 1970, within about 2 ms:
 *
 *   watch stands DOMID   ->  "stands 1764518400123456"
 *   watch runs           ->  "runs 1764518400123456"
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <xenctrl.h>

#define LOOK_US 1500

/* The domain, or if it is none the first guest; false: there is none. */
static bool look(xc_interface *xen, uint32_t id, xc_domaininfo_t *info)
{
    return xc_domain_getinfolist(xen, id ? id : 1, 1, info) == 1 && (!id || info->domain == id);
}

int main(int argc, char **argv)
{
    const bool stands = argc == 3 && !strcmp(argv[1], "stands");
    const uint32_t id = stands ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    xc_interface *xen = xc_interface_open(NULL, NULL, 0);
    xc_domaininfo_t info = {0};
    struct timeval now;

    if (!xen || (stands && !id))
        return 1;
    for (;; usleep(LOOK_US)) {
        bool there = look(xen, id, &info);

        if (stands && !there)
            return 1;
        if (there && (stands ? info.flags & XEN_DOMINF_shutdown
                             : !(info.flags & (XEN_DOMINF_paused | XEN_DOMINF_dying))))
            break;
    }
    gettimeofday(&now, NULL);
    printf("%s %llu\n", stands ? "stands" : "runs",
           (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_usec);
    return 0;
}
