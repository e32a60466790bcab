/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Orders: from the control socket to the source, and to the report. */
#include "orders.h"

#include <stdlib.h>
#include <string.h>

#include "fixed.h"
#include "say.h"

void xf_orders_open(struct xf_control *control)
{
    const char *path = getenv("XL_FAST_CONTROL");

    xf_control_init(control);
    if (!path || !*path)
        return;
    int rc = xf_control_open(control, path);

    if (rc)
        xf_say("source: xl-fast set will not reach this move: %s: %s", path, strerror(-rc));
}

void xf_orders_look(struct xf_control *control, struct xf_report *report,
                    int (*steer)(void *arg, const struct xf_steer *to), void *arg)
{
    struct xf_steer to;

    if (!xf_control_take(control, &to))
        return;
    if (to.what & XF_STEER_MAX_DOWNTIME)
        xf_fixed_say(to.max_downtime_us, report->events.fixed_us);
    int rc = steer(arg, &to);

    if (!rc)
        xf_report_set(report, &to);
    xf_control_answer(control, rc);
}
