/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `xl-fast evacuate` asks before each move: xl-fast-preflight here for the guests, and at each
 * host, by ssh, for what `xl migrate --fast` itself will ask it, with no guest: whether a move to
 * it can work, and how much memory is free there. What a host answers is checked here.
 */
#ifndef XF_EVACUATE_EVACUATE_ASK_H
#define XF_EVACUATE_EVACUATE_ASK_H

#include "evacuate_plan.h"
#include "xl-plugin/recover/recover_reach.h"

/* This host as a source, for the others to judge. */
struct xf_evacuate_self {
    char protocol[16], xen[16], address[24];
};

/* 0; or -EIO with a line for the user in why: nothing can move from here. */
int xf_evacuate_ask_self(struct xf_evacuate_self *self, char why[XF_EVACUATE_WHY]);

/* All domains of this host, as they are: at most XF_EVACUATE_GUESTS. Returns how many, or -EIO with
   a line in why. question: what xf_evacuate_ask_hosts() asks, to be freed, whatever is returned;
   NULL without memory. with_disks: that of disks is asked by evacuate_disks.h. */
int xf_evacuate_ask_guests(struct xf_evacuate_guest guests[XF_EVACUATE_GUESTS], bool with_disks,
                           char **question, char why[XF_EVACUATE_WHY]);

/* Fills all but the names, one after the other: one that is another's equal by its address is not
   usable. reach: xl-fast-preflight, as found by xf_reach_find(), with its ssh. Of the guests, which
   of the hosts cannot take them, and why. */
void xf_evacuate_ask_hosts(const struct xf_reach *reach, const struct xf_evacuate_self *self,
                           const char *question, struct xf_evacuate_host *hosts, unsigned n,
                           struct xf_evacuate_guest *guests, unsigned guests_n);

/* That host number `host`, called name, cannot take the guest. */
void xf_evacuate_bar(struct xf_evacuate_guest *g, unsigned host, const char *name, const char *why);

#endif
