/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies: what the steps are for several copies at once, each on a host of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "say.h"
#include "steps.h"
#include "xl-plugin/cli/cli.h"

/* xl-fast-clone's word of one of them. */
static const char told[] = "xl-fast: copy {";

static void add(char list[XF_PATH_BYTES], const char *word)
{
    const size_t n = strlen(list);

    snprintf(list + n, XF_PATH_BYTES - n, "%s%s", n ? "," : "", word);
}

void xf_migrate_copies_aim_at(struct xf_migrate *m, unsigned i)
{
    m->copy = &m->copies->of[i];
    m->o.host = m->copy->host;
}

void xf_migrate_copies_aim(struct xf_migrate *m)
{
    xf_migrate_copies_aim_at(m, 0);
    m->hosts[0] = m->names[0] = 0;
    for (unsigned i = 0; i < m->copies->n; i++) {
        add(m->hosts, m->copies->of[i].host);
        add(m->names, m->copies->of[i].name);
    }
    m->o.host = m->hosts;
}

static bool is_left(const struct xf_migrate *m)
{
    for (unsigned i = 0; i < m->copies->n; i++)
        if (m->copies->of[i].status == XF_COPY_OPEN)
            return true;
    return false;
}

bool xf_migrate_copies_leave_out(struct xf_migrate *m, unsigned i, const char *why)
{
    const struct xf_copies *c = m->copies;

    if (c->n == 1 || c->all)
        return false;
    c->of[i].status = XF_EXIT_FAILED;
    c->of[i].left_out = true;
    if (!is_left(m))
        return false;
    xf_migrate_say("%s is not made: %s", c->of[i].name, why);
    return true;
}

enum xf_step xf_migrate_copies_meet(struct xf_migrate *m)
{
    const struct xf_copies *c = m->copies;
    enum xf_step step = XF_STEP_ON;

    for (unsigned i = 0; i < c->n && step == XF_STEP_ON; i++) {
        if (c->of[i].status != XF_COPY_OPEN)
            continue;
        xf_migrate_copies_aim_at(m, i);
        step = xf_migrate_queue_there(m);
        if (step == XF_STEP_ON)
            xf_migrate_say_whereto(m);
        else if (step == XF_STEP_REFUSED && xf_migrate_copies_leave_out(m, i, m->refused))
            step = XF_STEP_ON;
    }
    xf_migrate_copies_aim(m);
    return step;
}

/* ---- what became of each ----------------------------------------------------------------------
 */

static void take(const struct xf_copies *c, const char *json)
{
    struct json_object *o = json_tokener_parse(json), *name, *status;

    if (json_object_object_get_ex(o, "name", &name) &&
        json_object_object_get_ex(o, "status", &status))
        for (unsigned i = 0; i < c->n; i++)
            if (c->of[i].status == XF_COPY_OPEN &&
                !strcmp(c->of[i].name, json_object_get_string(name)))
                c->of[i].status = json_object_get_int(status);
    json_object_put(o);
}

static void read_told(const struct xf_migrate *m)
{
    FILE *f = m->said[0] ? fopen(m->said, "re") : NULL;
    char *line = NULL;
    size_t size = 0;

    while (f && getline(&line, &size, f) > 0)
        if (!strncmp(line, told, sizeof(told) - 1))
            take(m->copies, line + sizeof(told) - 2);
    free(line);
    if (f)
        fclose(f);
}

/* status: of those of which it has said nothing: it has not come so far, or was killed. */
int xf_migrate_copies_take(struct xf_migrate *m, int status)
{
    const struct xf_copies *c = m->copies;
    int worst = status;

    if (c->n > 1)
        read_told(m);
    for (unsigned i = 0; i < c->n; i++) {
        if (c->of[i].status == XF_COPY_OPEN)
            c->of[i].status = status;
        if (c->of[i].status > worst)
            worst = c->of[i].status;
        xf_migrate_events_copy(m, &c->of[i]);
    }
    return worst;
}

void xf_migrate_copies_clear(struct xf_migrate *m)
{
    const struct xf_copies *c = m->copies;

    for (unsigned i = 0; i < c->n; i++) {
        if (c->of[i].left_out || !c->of[i].status || c->of[i].status == XF_EXIT_CANNOT_TELL)
            continue;
        xf_migrate_copies_aim_at(m, i);
        xf_migrate_clear_copy(m);
    }
    xf_migrate_copies_aim(m);
}
