/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Marks: prints the times of suspend and restore for benchmarks, if XL_FAST_MARKS asks for them. */
#include "marks.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "say.h"

static int (*suspend)(void *data);

static bool wanted(void)
{
    const char *marks = getenv("XL_FAST_MARKS");

    return marks && !strcmp(marks, "1");
}

static void mark(const char *what)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    xf_say("mark %s %lld.%06ld", what, (long long)now.tv_sec, now.tv_nsec / 1000);
}

static int suspend_and_mark(void *data)
{
    int ok = suspend(data);

    mark("suspended");
    return ok;
}

struct save_callbacks *xf_marks_wrap(struct save_callbacks *room, struct save_callbacks *callbacks)
{
    if (!wanted() || !callbacks || !callbacks->suspend)
        return callbacks;
    suspend = callbacks->suspend;
    *room = *callbacks;
    room->suspend = suspend_and_mark;
    return room;
}

int xf_marks_restored(int rc)
{
    if (!rc && wanted())
        mark("restored");
    return rc;
}
