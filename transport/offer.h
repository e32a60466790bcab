/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OFFER: what the source tells the target over the control channel (authenticated and encrypted by
 * others: ssh, or a pipe between parent and child) so that both can bring the link up: the first
 * step of a session. Format: PROTOCOL.md, "OFFER".
 *
 * Threads: none. Memory: the caller's. An offer holds the session's secret: xf_offer_wipe() it.
 */
#ifndef XF_TRANSPORT_OFFER_H
#define XF_TRANSPORT_OFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "features.h"
#include "link.h"
#include "transport/base/compress_mode.h"

/* Raised when the other end of an older build could not understand us. */
#define XF_PROTOCOL_VERSION 1

#define XF_SESSION_ID_BYTES 16
#define XF_SECRET_BYTES     32
#define XF_OFFER_BYTES      96 /* on the wire */

/* 16 TiB of guest addresses, more than Xen gives to a guest. It bounds what a lie can cost: 5 bits
   of memory a page at the source, 7 to verify; up to 6 bits and a half at the target, one more to
   verify. */
#define XF_PAGE_COUNT_MAX (UINT64_C(1) << 32)

struct xf_offer {
    uint16_t version; /* XF_PROTOCOL_VERSION */
    uint16_t queues;
    uint32_t payload_bytes; /* largest UDP payload that the source's link carries */
    uint64_t page_count;
    uint8_t session_id[XF_SESSION_ID_BYTES];
    uint8_t secret[XF_SECRET_BYTES];
    struct xf_link_addr source;
    uint64_t features; /* XF_FEATURE_*; a bit that the target does not know makes it refuse */
};

/* Fills a new offer for `link`: id and secret from getrandom(2). */
int xf_offer_new(struct xf_offer *offer, const struct xf_link *link, uint64_t page_count);

/* What to offer: to compare all pages, while the guest runs and at the end; to send them
   compressed, by any codec if `compress` is auto. */
uint64_t xf_offer_features(bool verify, enum xf_compress_mode compress);

void xf_offer_encode(const struct xf_offer *offer, uint8_t out[XF_OFFER_BYTES]);

/*
 * Decodes and checks what a peer sent. -EPROTONOSUPPORT: another version or an unknown feature;
 * -EBADMSG: anything else that cannot be. `why` (may be NULL, else at least 160 bytes) gets one
 * line for the user.
 */
int xf_offer_decode(struct xf_offer *offer, const uint8_t *in, size_t len, char *why);
/* Whether an offer is to one target of a group; it is not decoded otherwise. */
bool xf_offer_is_to_group(const uint8_t in[XF_OFFER_BYTES]);
/* The same of an offer to one target of a group, which no other target can take: a member
   (member.h) comes with it. */
int xf_offer_decode_group(struct xf_offer *offer, const uint8_t *in, size_t len, char *why);

void xf_offer_wipe(struct xf_offer *offer);

/* The keys are made: only the secret goes, and the offer still says which session it is. */
void xf_offer_wipe_secret(struct xf_offer *offer);

#endif
