/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Member: its message, over the control channel, after the offer. */
#include "member.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/entropy.h"

#define MEMBER_MAGIC "XFGR"
#define WHY_BYTES    160

struct wire_member {
    char magic[4];
    uint16_t number;
    uint16_t count;
    uint8_t mac[6];
    uint16_t udp_port;
    uint32_t ipv4;
    uint8_t reserved[12];
    uint8_t secret[XF_SECRET_BYTES];
};
static_assert(sizeof(struct wire_member) == XF_MEMBER_BYTES, "wire layout");
static_assert(offsetof(struct wire_member, secret) == 32, "wire layout");

int xf_members_new(struct xf_member *members, unsigned count, const struct xf_link_addr *group)
{
    int rc = count && count <= XF_MEMBERS_MAX ? 0 : -EINVAL;

    for (unsigned i = 0; i < count && !rc; i++) {
        members[i] = (struct xf_member){.number = (uint16_t)i, .count = (uint16_t)count};
        if (group)
            members[i].group = *group;
        rc = xf_entropy(members[i].secret, sizeof(members[i].secret));
    }
    return rc;
}

void xf_member_encode(const struct xf_member *member, uint8_t out[XF_MEMBER_BYTES])
{
    struct wire_member w = {
        .magic = {'X', 'F', 'G', 'R'},
        .number = member->number,
        .count = member->count,
        .udp_port = member->group.udp_port,
        .ipv4 = member->group.ipv4,
    };

    memcpy(w.mac, member->group.mac, sizeof(w.mac));
    memcpy(w.secret, member->secret, sizeof(w.secret));
    memcpy(out, &w, sizeof(w));
    explicit_bzero(&w, sizeof(w));
}

/* A group's address is all there or not at all. */
static bool is_group(const struct wire_member *w)
{
    static const uint8_t none[sizeof(w->mac)];

    return w->ipv4 ? w->mac[0] & 1 && w->ipv4 >> 28 == 14 && w->udp_port
                   : !memcmp(w->mac, none, sizeof(none)) && !w->udp_port;
}

static bool is_possible(const struct wire_member *w)
{
    static const uint8_t none[sizeof(w->reserved)];

    return !memcmp(w->magic, MEMBER_MAGIC, sizeof(w->magic)) && w->count &&
           w->count <= XF_MEMBERS_MAX && w->number < w->count && is_group(w) &&
           !memcmp(w->reserved, none, sizeof(none));
}

int xf_member_decode(struct xf_member *member, const uint8_t *in, size_t len, char *why)
{
    struct wire_member w;
    int rc = 0;

    memset(member, 0, sizeof(*member));
    if (len != sizeof(w)) {
        if (why)
            snprintf(why, WHY_BYTES, "what tells one target of a group has %zu bytes, not %zu", len,
                     sizeof(w));
        return -EBADMSG;
    }
    memcpy(&w, in, sizeof(w));
    if (is_possible(&w)) {
        *member = (struct xf_member){
            .number = w.number,
            .count = w.count,
            .group = {.udp_port = w.udp_port, .ipv4 = w.ipv4},
        };
        memcpy(member->group.mac, w.mac, sizeof(member->group.mac));
        memcpy(member->secret, w.secret, sizeof(member->secret));
    } else {
        rc = -EBADMSG;
        if (why)
            snprintf(why, WHY_BYTES, "what tells one target of a group is impossible (%u of %u)",
                     w.number, w.count);
    }
    explicit_bzero(&w, sizeof(w));
    return rc;
}

void xf_member_wipe(struct xf_member *member)
{
    explicit_bzero(member, sizeof(*member));
}
