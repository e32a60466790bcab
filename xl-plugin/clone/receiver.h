/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Receiver: the xl migrate-receive of another host, by ssh, and its handshake as the source of
 * `xl migrate` has it (tools/xl/xl_migrate.c). What it says on stderr goes to ours.
 *
 * Threads: one at a time. Errors: 0 or -errno, and a line for the user in why.
 */
#ifndef XF_CLONE_RECEIVER_H
#define XF_CLONE_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define XF_RECEIVER_WHY 300

struct xf_receiver {
    pid_t ssh;
    int to, from;
};

/* ssh and words are those of a shell: `SSH WORDS xl migrate-receive`. */
int xf_receiver_start(struct xf_receiver *r, const char *ssh, const char *words, bool paused,
                      char why[XF_RECEIVER_WHY]);

/* Waits for xl's banner. */
int xf_receiver_greet(struct xf_receiver *r, char why[XF_RECEIVER_WHY]);

/* A guest's configuration, in libxl's JSON; its stream follows on r->to. */
int xf_receiver_configure(struct xf_receiver *r, const char *json, char why[XF_RECEIVER_WHY]);

/* Waits until the domain is complete there. */
int xf_receiver_wait(struct xf_receiver *r, char why[XF_RECEIVER_WHY]);

/* Lets it run (or stay paused); an error: what became of it is not known. */
int xf_receiver_permit(struct xf_receiver *r, char why[XF_RECEIVER_WHY]);

/* Waits for what became of it. -EREMOTEIO: it says that it could not start it, and has none;
   another error: that is not known. */
int xf_receiver_report(struct xf_receiver *r, char why[XF_RECEIVER_WHY]);

/* It hears and says no more: without a go it destroys what it has. Waits for nothing: a host that
   is gone may keep ssh for many minutes. */
void xf_receiver_leave(struct xf_receiver *r);

/* In any case: the same, and waits for ssh to end. */
void xf_receiver_end(struct xf_receiver *r);

#endif
