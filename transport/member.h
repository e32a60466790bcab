/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Member: what one of several targets of a session is told besides the offer, each something of its
 * own: which of them it is, and with which secret it seals what it sends. So no two of them seal
 * with one key, and none can speak for another. Format: PROTOCOL.md, "A group".
 *
 * Threads: none. Memory: the caller's. A member holds a secret: xf_member_wipe() it.
 */
#ifndef XF_TRANSPORT_MEMBER_H
#define XF_TRANSPORT_MEMBER_H

#include "offer.h"

#define XF_MEMBERS_MAX  64u
#define XF_MEMBER_BYTES 64 /* on the wire */

struct xf_member {
    uint16_t number;           /* which one: 0 .. count - 1 */
    uint16_t count;            /* 1 .. XF_MEMBERS_MAX; 0: a session with one target, no group */
    struct xf_link_addr group; /* where the source's packets go; all 0: to each target's own */
    uint8_t secret[XF_SECRET_BYTES];
};

/* Fills count of them: secrets from getrandom(2). 0 or -errno. */
int xf_members_new(struct xf_member *members, unsigned count, const struct xf_link_addr *group);

void xf_member_encode(const struct xf_member *member, uint8_t out[XF_MEMBER_BYTES]);

/* Decodes and checks what a peer sent. -EBADMSG. `why`: as of xf_offer_decode(). */
int xf_member_decode(struct xf_member *member, const uint8_t *in, size_t len, char *why);

void xf_member_wipe(struct xf_member *member);

#endif
