/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves: reads records (moving.h) and the events that they name. */
#include "moves.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xl-plugin/cli/number.h"

void xf_move_story(const struct xf_moving *m, struct xf_story *s)
{
    char why[XF_STORY_ERR_BYTES];
    FILE *events = m->events[0] ? fopen(m->events, "re") : NULL;

    memset(s, 0, sizeof(*s));
    s->domid = -1;
    if (!events)
        return;
    if (fseeko(events, (off_t)m->from, SEEK_SET) || xf_story_read(s, events, why)) {
        bool waits = s->waits;

        xf_story_free(s);
        s->domid = -1;
        s->waits = waits;
    }
    fclose(events);
}

struct xf_moving *xf_moves_list(const char *command, int *n)
{
    struct xf_moving *all = calloc(XF_MOVING_MAX, sizeof(*all));

    *n = all ? xf_moving_find(all) : -ENOMEM;
    if (*n >= 0)
        return all;
    fprintf(stderr, "xl-fast %s: cannot see the migrations: %s\n", command, strerror(-*n));
    free(all);
    return NULL;
}

static bool is_called(const struct xf_moving *m, const char *domain)
{
    struct xf_story s;
    uint64_t domid;
    bool is = !strcmp(domain, m->guest) || !strcmp(domain, m->uuid);

    if (!is && !xf_number_u64(domain, 1, INT32_MAX, &domid)) {
        xf_move_story(m, &s);
        is = s.domid == (int64_t)domid;
        xf_story_free(&s);
    }
    return is;
}

struct xf_moving *xf_move_find(const char *command, const char *domain)
{
    int n;
    struct xf_moving *all = xf_moves_list(command, &n);

    for (int i = 0; all && i < n; i++)
        if (is_called(&all[i], domain)) {
            all[0] = all[i];
            return all;
        }
    if (all)
        fprintf(stderr, "xl-fast %s: no migration of '%s' is in progress here\n", command, domain);
    free(all);
    return NULL;
}
