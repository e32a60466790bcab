/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `xl-fast evacuate` does to a guest: `xl-fast migrate` moves it, and `xl-fast recover`
 * settles where it is when that has not gone as it should. Both are programs of their own, so that
 * they do what they do when a person calls them. One thread; errors of programs reach the user by
 * their own stderr.
 *
 * Ctrl-C, SIGTERM and SIGHUP end the move in progress as `xl-fast cancel` does (the signal to the
 * move may come twice, by the terminal too: it does nothing more then).
 */
#ifndef XF_EVACUATE_EVACUATE_MOVE_H
#define XF_EVACUATE_EVACUATE_MOVE_H

#include "evacuate_journal.h"
#include "evacuate_plan.h"
#include "xl-plugin/recover/recover_reach.h"

struct xf_mover {
    struct xf_reach reach; /* xl-fast-domain; its ssh is what hosts are asked by */
    char self[640];        /* xl-fast */
    const char *ssh;       /* -s of the user's; NULL: none */
    char *const *options;  /* further ones of xl-fast migrate, up to a NULL */
    bool quiet;
};

enum xf_mover_at {
    XF_AT_HERE,     /* under its own name, alive, and no process moves it */
    XF_AT_THERE,    /* nothing of it is here */
    XF_AT_REBOOTED, /* as HERE, but a new domain of its UUID */
    XF_AT_ENDED,    /* shut down, crashed or destroyed while it moved: what is left, if anything, is
                       here, under its own name */
    XF_AT_UNSETTLED,
    XF_AT_CANCELLED, /* unsettled, because the user did not want to wait */
};

/* Finds the programs. The rest of *m is the caller's. 0, or -ENOENT with a line in why. */
int xf_mover_init(struct xf_mover *m, char why[XF_EVACUATE_WHY]);

/* From now on signals are caught, those that were not ignored. */
void xf_mover_catch(void);

/* 0, or the exit status that the signal asks for. */
int xf_mover_cancelled(void);

/* Moves the guest of a journal, by its name; the journal's process is filled in, and it is on the
   disk before that process begins. with_disks: its disks move, too. The exit status of xl-fast
   migrate, 128 and the number of the signal that ended it; or -errno: nothing was begun. */
int xf_mover_move(const struct xf_mover *m, struct xf_journal *j, bool with_disks);

/* Where the guest is, by a look at this host alone: here, there (if it left at all), or unsettled.
   Then why gets a line. */
enum xf_mover_at xf_mover_look(const struct xf_mover *m, const struct xf_journal *j,
                               char why[XF_EVACUATE_WHY]);

/* Waits for a migration of it that still runs here; then recover. A guest that is alive here counts
   as here also if its target does not answer: it was never told to start it, or has given it back.
   Of a guest that neither end has, it is waited for whether a reboot brings it back. */
enum xf_mover_at xf_mover_settle(const struct xf_mover *m, const struct xf_journal *j,
                                 char why[XF_EVACUATE_WHY]);

#endif
