/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks, plan: asks both ends about a guest's disks, without touching anything. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"
#include "steps.h"
#include "xl-plugin/doctor/ask_disks.h"

/* There is one. */
static void take_guest(void *arg, const struct xf_disks_asked *guest)
{
    struct xf_disks_asked *plan = arg;
    const size_t bytes = guest->n * sizeof(*guest->disks);

    if (plan->disks)
        return;
    *plan = *guest;
    plan->disks = malloc(bytes + 1);
    if (plan->disks)
        memcpy(plan->disks, guest->disks, bytes);
    else
        plan->n = 0;
}

enum xf_step xf_migrate_disks_plan(struct xf_migrate *m, struct xf_disks_asked *plan)
{
    const char *const copy[] = {m->source.uuid,
                                "copy",
                                m->copy ? m->copy->name : "",
                                m->copy ? m->copy->uuid : "",
                                m->copy && m->copy->replace ? "replace" : NULL,
                                NULL},
                      *const move[] = {m->source.uuid, NULL};
    struct xf_reach reach = {
        .ssh = m->o.own_ssh ? m->o.ssh : XF_REACH_SSH, .host = m->o.host, .stop = &m->signals.fd};
    char *question = NULL, *answer = NULL, why[XF_DISKS_WHY_BYTES] = "";

    *plan = (struct xf_disks_asked){0};
    snprintf(reach.program, sizeof(reach.program), "%.599s/xl-fast-disks", m->lib);
    int rc = xf_disks_ask_here(&reach, m->copy ? copy : move, &question, why);

    rc = rc ?: xf_disks_ask_there(&reach, question, &answer, why);
    rc = rc ?: xf_disks_asked_each(question, answer, take_guest, plan);
    if (rc && !why[0])
        snprintf(why, sizeof(why), "%s", strerror(-rc));
    free(question);
    free(answer);
    if (rc == -ECANCELED || xf_signals_wait(&m->signals, 0))
        return XF_STEP_CANCELLED;
    if (!rc && !plan->n && !plan->why[0])
        snprintf(why, sizeof(why), "the guest has no disks: --with-disks is not for it");
    else if (!rc)
        snprintf(why, sizeof(why), "%s", plan->why);
    snprintf(m->refused, sizeof(m->refused), "%s", why);
    return why[0] ? XF_STEP_REFUSED : XF_STEP_ON;
}
