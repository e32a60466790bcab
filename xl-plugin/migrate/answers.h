/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers: what xl-fast-preflight says at an end before a migration, lines of key=value
 * (xl-plugin/preflight/preflight.c). Those of the target are anybody's: they are shown and
 * compared, and nothing of them goes into a command line.
 *
 * Pure: no files, no clock. Threads: any.
 */
#ifndef XF_MIGRATE_ANSWERS_H
#define XF_MIGRATE_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

/* "": not said. What they point to is the text that was read. */
struct xf_answers {
    const char *fast;    /* "ok": it can work by this end */
    const char *why;     /* else why not, in a line */
    const char *fix;     /* and the command that fixes it */
    const char *version; /* of xl-fast; ends older than 0.9.0 do not say theirs */
    const char *protocol, *xen, *need_kib, *uuid, *name, *port, *address;
    const char *mtu, *mtu_limit;
    const char *busy;      /* another migration has the target's port: its process, or 0 */
    const char *before;    /* so many are to have it first */
    const char *yield;     /* of two hosts that wait for each other, this one lets go */
    const char *hand_over; /* "early": the devices can be attached early; "late WHY": not */
    const char *xl_busy;   /* the process that holds the lock of the target's xl */
    bool stock_fails;      /* plain xl migrate would fail, too */
};

/* Reads the lines, of which the text consists from then on. */
void xf_answers_read(struct xf_answers *a, char *text);

/* Whether the source's own answers can be words of a command line. */
bool xf_answers_are_words(const struct xf_answers *a);

/* Why the devices cannot be attached early, in a line; "": they can. */
void xf_answers_late(const struct xf_answers *source, const struct xf_answers *target,
                     const char *host, char *why, size_t size);

/* The lines "ask=" of the source, as the target is asked them: each after its key, but for those
   that begin with `without` (NULL: none). To be freed; NULL without memory. Before
   xf_answers_read(). */
char *xf_answers_questions(const char *text, const char *without);

/* The same of a copy, which has another name and UUID. */
char *xf_answers_of_copy(const char *text, const char *name, const char *uuid, const char *without);

/* Of two ports with different MTUs the line that says so, and the command that fixes it: the
   smaller is to be raised, but for AF_XDP's, whose frames have to fit a page: there the larger is
   lowered. "": nothing to say, as where one is not known, or set in xl-fast.conf. */
void xf_answers_mtus(const struct xf_answers *source, const struct xf_answers *target,
                     const char *host, const char *ssh, char *line, size_t size);

#endif
