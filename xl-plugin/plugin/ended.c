/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ended: asks Xen for the domain's state, and puts its end into words. */
#include "ended.h"

#include <stdio.h>

bool xf_ended_words(bool found, uint32_t flags, char why[XF_ENDED_BYTES])
{
    unsigned reason = (flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
    const char *how = "is no longer here: shut down, rebooted or destroyed";

    why[0] = 0;
    if (found && !(flags & XEN_DOMINF_dying)) {
        if (!(flags & XEN_DOMINF_shutdown) || reason == SHUTDOWN_suspend)
            return false;
        how = reason == SHUTDOWN_poweroff   ? "has shut down"
              : reason == SHUTDOWN_reboot   ? "reboots"
              : reason == SHUTDOWN_crash    ? "has crashed"
              : reason == SHUTDOWN_watchdog ? "was ended by its watchdog"
                                            : "has stopped";
    }
    snprintf(why, XF_ENDED_BYTES, "the guest has ended while it moved: it %s", how);
    return true;
}

bool xf_ended(xc_interface *xch, uint32_t domid, char why[XF_ENDED_BYTES])
{
    xc_domaininfo_t info;
    int n = xc_domain_getinfolist(xch, domid, 1, &info);

    why[0] = 0;
    return n >= 0 && xf_ended_words(n == 1 && info.domain == domid, n == 1 ? info.flags : 0, why);
}
