/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OFFER: the session's first message, over the control channel. */
#include "offer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codecs.h"
#include "transport/base/entropy.h"
#include "wire.h"

#define OFFER_MAGIC "XFOF"
#define WHY_BYTES   160

struct wire_offer {
    char magic[4];
    uint16_t version;
    uint16_t queues;
    uint32_t payload_bytes;
    uint32_t reserved;
    uint64_t page_count;
    uint64_t features;
    uint8_t session_id[XF_SESSION_ID_BYTES];
    uint8_t secret[XF_SECRET_BYTES];
    uint8_t mac[6];
    uint16_t udp_port;
    uint32_t ipv4;
    uint32_t reserved1;
};
static_assert(sizeof(struct wire_offer) == XF_OFFER_BYTES, "wire layout");
static_assert(offsetof(struct wire_offer, session_id) == 32, "wire layout");
static_assert(offsetof(struct wire_offer, mac) == 80, "wire layout");

int xf_offer_new(struct xf_offer *offer, const struct xf_link *link, uint64_t page_count)
{
    memset(offer, 0, sizeof(*offer));
    offer->version = XF_PROTOCOL_VERSION;
    offer->queues = (uint16_t)link->queues;
    offer->payload_bytes = link->payload_bytes;
    offer->page_count = page_count;
    offer->source = link->self;

    int rc = xf_entropy(offer->session_id, sizeof(offer->session_id));

    return rc ?: xf_entropy(offer->secret, sizeof(offer->secret));
}

uint64_t xf_offer_features(bool verify, enum xf_compress_mode compress)
{
    uint64_t features = verify ? XF_FEATURE_VERIFY | XF_FEATURE_VERIFY_LIVE : 0;

    for (unsigned i = 0; i < XF_CODECS_N; i++)
        if (compress == XF_COMPRESS_AUTO || compress == xf_codecs[i].mode)
            features |= xf_codecs[i].feature;
    return features;
}

void xf_offer_encode(const struct xf_offer *offer, uint8_t out[XF_OFFER_BYTES])
{
    struct wire_offer w = {
        .magic = {'X', 'F', 'O', 'F'},
        .version = offer->version,
        .queues = offer->queues,
        .payload_bytes = offer->payload_bytes,
        .page_count = offer->page_count,
        .features = offer->features,
        .udp_port = offer->source.udp_port,
        .ipv4 = offer->source.ipv4,
    };

    memcpy(w.session_id, offer->session_id, sizeof(w.session_id));
    memcpy(w.secret, offer->secret, sizeof(w.secret));
    memcpy(w.mac, offer->source.mac, sizeof(w.mac));
    memcpy(out, &w, sizeof(w));
    explicit_bzero(&w, sizeof(w));
}

/* Why an offer cannot be taken, or 0. */
static int check(const struct wire_offer *w, bool group, char *why)
{
    if (memcmp(w->magic, OFFER_MAGIC, sizeof(w->magic))) {
        snprintf(why, WHY_BYTES, "the offer does not come from xl-fast");
        return -EBADMSG;
    }
    if (w->version != XF_PROTOCOL_VERSION) {
        snprintf(why, WHY_BYTES,
                 "the source speaks protocol version %u, this host %u: install the same xl-fast",
                 w->version, XF_PROTOCOL_VERSION);
        return -EPROTONOSUPPORT;
    }
    if (w->features & ~(uint64_t)XF_FEATURES_KNOWN) {
        snprintf(why, WHY_BYTES,
                 "the source needs features (%#llx) that this host lacks: install the same xl-fast",
                 (unsigned long long)(w->features & ~(uint64_t)XF_FEATURES_KNOWN));
        return -EPROTONOSUPPORT;
    }
    if (w->features & XF_FEATURE_VERIFY_LIVE && !(w->features & XF_FEATURE_VERIFY)) {
        snprintf(why, WHY_BYTES, "the offer has features (%#llx) that do not go together",
                 (unsigned long long)w->features);
        return -EBADMSG;
    }
    if (!(w->features & XF_FEATURE_GROUP) != !group) {
        if (group)
            snprintf(why, WHY_BYTES, "the source sends to one target, not to a group");
        else
            snprintf(why, WHY_BYTES, "the source sends to a group of targets, and this is none");
        return -EPROTONOSUPPORT;
    }
    if (w->queues == 0 || w->queues > XF_QUEUES_MAX || w->payload_bytes < XF_PAYLOAD_MIN ||
        w->page_count == 0 || w->page_count > XF_PAGE_COUNT_MAX || w->reserved || w->reserved1) {
        snprintf(why, WHY_BYTES,
                 "the offer has impossible numbers (queues %u, packet %u B, %llu pages)", w->queues,
                 w->payload_bytes, (unsigned long long)w->page_count);
        return -EBADMSG;
    }
    return 0;
}

static int decode(struct xf_offer *offer, const uint8_t *in, size_t len, bool group, char *why)
{
    struct wire_offer w;
    char ignored[WHY_BYTES];

    memset(offer, 0, sizeof(*offer));
    if (!why)
        why = ignored;
    if (len != sizeof(w)) {
        snprintf(why, WHY_BYTES, "the offer has %zu bytes, not %zu", len, sizeof(w));
        return -EBADMSG;
    }
    memcpy(&w, in, sizeof(w));

    int rc = check(&w, group, why);

    if (!rc) {
        offer->version = w.version;
        offer->queues = w.queues;
        offer->payload_bytes = w.payload_bytes;
        offer->page_count = w.page_count;
        offer->features = w.features;
        memcpy(offer->session_id, w.session_id, sizeof(offer->session_id));
        memcpy(offer->secret, w.secret, sizeof(offer->secret));
        memcpy(offer->source.mac, w.mac, sizeof(offer->source.mac));
        offer->source.udp_port = w.udp_port;
        offer->source.ipv4 = w.ipv4;
    }
    explicit_bzero(&w, sizeof(w));
    return rc;
}

int xf_offer_decode(struct xf_offer *offer, const uint8_t *in, size_t len, char *why)
{
    return decode(offer, in, len, false, why);
}

int xf_offer_decode_group(struct xf_offer *offer, const uint8_t *in, size_t len, char *why)
{
    return decode(offer, in, len, true, why);
}

bool xf_offer_is_to_group(const uint8_t in[XF_OFFER_BYTES])
{
    uint64_t features;

    memcpy(&features, in + offsetof(struct wire_offer, features), sizeof(features));
    return features & XF_FEATURE_GROUP;
}

void xf_offer_wipe(struct xf_offer *offer)
{
    explicit_bzero(offer, sizeof(*offer));
}

void xf_offer_wipe_secret(struct xf_offer *offer)
{
    explicit_bzero(offer->secret, sizeof(offer->secret));
}
