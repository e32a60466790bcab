/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* History: reads the file of past migrations, one story each. */
#include "history.h"

#include <errno.h>
#include <stdlib.h>

#include "moving.h"

int xf_history_read(xf_history_take *take, void *arg)
{
    struct xf_story s = {0};
    char path[512], *line = NULL;
    size_t cap = 0;
    int rc = xf_moving_path(path, sizeof(path), "history");
    FILE *f = rc ? NULL : fopen(path, "re");

    if (!f)
        return rc ? rc : errno == ENOENT ? 0 : -errno;
    /* A line that is none was not written whole: what it told is lost, and nothing else. */
    while (!rc && getline(&line, &cap, f) > 0) {
        rc = xf_story_take(&s, line) == -ENOMEM ? -ENOMEM : 0;
        if (!s.have_status)
            continue;
        take(arg, &s);
        xf_story_free(&s);
    }
    if (!rc && ferror(f))
        rc = -EIO;
    xf_story_free(&s);
    free(line);
    fclose(f);
    return rc;
}
