/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Outcome: from what the helper and a look at this host say to the last line. */
#include "outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xl-plugin/cli/quote.h"

enum place { RUNS, PAUSED, SUSPENDED, SHUT_DOWN, GONE, UNKNOWN };

static enum place place_of(const char *left)
{
    static const struct {
        const char *word;
        enum place place;
    } words[] = {{"running", RUNS},        {"paused", PAUSED}, {"suspended", SUSPENDED},
                 {"shut-down", SHUT_DOWN}, {"dying", GONE},    {"gone", GONE}};

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcmp(left, words[i].word))
            return words[i].place;
    return UNKNOWN;
}

/* An end is no suspension: nobody has to settle anything. But where this host shows a suspended
   guest, or nothing, the helper's word is not enough. */
static bool has_ended(const struct xf_outcome *o)
{
    enum place at = place_of(o->left);

    return o->ended && at != SUSPENDED && at != UNKNOWN;
}

const char *xf_outcome_state(const struct xf_outcome *o)
{
    enum place at = place_of(o->left);

    if (has_ended(o))
        return at == RUNS || at == PAUSED ? "here" : "ended";
    return at == RUNS        ? "here"
           : at == PAUSED    ? "paused"
           : at == SUSPENDED ? "suspended"
                             : "unknown";
}

/* The command that settles it, to be freed; NULL without memory. */
static char *recover_command(const struct xf_outcome *o)
{
    char *command = NULL;
    size_t size;
    FILE *f = open_memstream(&command, &size);

    if (!f)
        return NULL;
    fputs("xl-fast recover ", f);
    if (o->ssh) {
        fputs("-s ", f);
        xf_quote(f, o->ssh);
        putc(' ', f);
    }
    if (o->guest[0] == '-')
        fputs("-- ", f);
    xf_quote(f, o->guest);
    fprintf(f, " %s", o->host);
    fclose(f);
    return command;
}

/* The name may be that of a new domain already. */
static void put_end(FILE *f, const struct xf_outcome *o)
{
    switch (place_of(o->left)) {
    case RUNS:
    case PAUSED:
        fprintf(f, "%s has rebooted here while it moved: try again", o->guest);
        break;
    case SHUT_DOWN:
        fprintf(f, "%s has shut down here while it moved, and %s does not have it", o->guest,
                o->host);
        break;
    default:
        fprintf(f,
                "%s has ended here while it moved (shut down, rebooted or destroyed), and %s does "
                "not have it",
                o->guest, o->host);
    }
}

static void put_place(FILE *f, const struct xf_outcome *o)
{
    char *recover = recover_command(o);
    const char *command = recover ? recover : "xl-fast recover";

    switch (place_of(o->left)) {
    case RUNS:
        fprintf(f, "%s keeps running here", o->guest);
        break;
    case PAUSED:
        fprintf(f, "%s is here, paused", o->guest);
        break;
    case SUSPENDED:
        fprintf(f, "the guest is suspended here, and may run on %s. To settle who owns it: %s",
                o->host, command);
        break;
    default:
        fprintf(f, "%s is no longer here, or cannot be seen. To find out who owns it: %s", o->guest,
                command);
    }
    free(recover);
}

char *xf_outcome_line(const struct xf_outcome *o)
{
    char *line = NULL;
    size_t size;
    FILE *f = open_memstream(&line, &size);

    if (!f)
        return NULL;
    if (has_ended(o))
        put_end(f, o);
    else
        put_place(f, o);
    fclose(f);
    return line;
}
