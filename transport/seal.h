/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Seal: AES-256-GCM over every packet, by libipsec-mb. Two keys a session, one for each direction,
 * derived from the session's secret by HKDF-SHA256 (RFC 5869; salt: session id). The nonce is the
 * queue (4 bytes) and the sequence number (8 bytes), little-endian; the packet's header is the
 * associated data. A sequence number is used once, so a nonce is.
 *
 * A packet is sealed in one pass from where its parts lie: begin, update for each part, end. All
 * parts but the last are multiples of 16 bytes.
 *
 * Threads: struct xf_seal is read-only after new and shared; struct xf_seal_run belongs to one.
 */
#ifndef XF_TRANSPORT_SEAL_H
#define XF_TRANSPORT_SEAL_H

#include <stddef.h>
#include <stdint.h>
#include <intel-ipsec-mb.h>

#include "offer.h"
#include "wire.h"

enum xf_role { XF_ROLE_SOURCE, XF_ROLE_TARGET };

struct xf_seal;

struct xf_seal_run {
    struct gcm_context_data gcm;
};

/* Secrets are kept in memory that is left out of core dumps. -ENOMEM, -ENOTSUP (no usable CPU
 * path). */
int xf_seal_new(struct xf_seal **out, const uint8_t secret[XF_SECRET_BYTES],
                const uint8_t session_id[XF_SESSION_ID_BYTES], enum xf_role role);
/* The same, where what the target sends has a secret of its own, as that of a group's. */
int xf_seal_new_two(struct xf_seal **out, const uint8_t to_target[XF_SECRET_BYTES],
                    const uint8_t to_source[XF_SECRET_BYTES],
                    const uint8_t session_id[XF_SESSION_ID_BYTES], enum xf_role role);
void xf_seal_free(struct xf_seal *seal); /* wipes the keys */

void xf_seal_begin(const struct xf_seal *seal, struct xf_seal_run *run,
                   const struct xf_wire_header *header);
void xf_seal_update(const struct xf_seal *seal, struct xf_seal_run *run, uint8_t *dst,
                    const void *src, size_t len);
/* The same, and fetches the len bytes at `ahead` into the cache meanwhile: what is sealed soon.
   NULL: nothing. */
void xf_seal_update_ahead(const struct xf_seal *seal, struct xf_seal_run *run, uint8_t *dst,
                          const void *src, size_t len, const void *ahead);
void xf_seal_end(const struct xf_seal *seal, struct xf_seal_run *run, uint8_t tag[XF_TAG_BYTES]);

/*
 * Opens a received body into `plain` (len bytes, not overlapping). -EBADMSG: not authentic, and
 * plain's bytes mean nothing. Guest memory is never written before this has said yes.
 */
int xf_seal_open(const struct xf_seal *seal, const struct xf_wire_header *header,
                 const uint8_t *sealed, size_t len, const uint8_t tag[XF_TAG_BYTES],
                 uint8_t *plain);

/* RFC 5869, for at most 32 bytes of output: all that is needed here. info_len <= 64. */
void xf_hkdf_sha256(const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len,
                    const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len);

#endif
