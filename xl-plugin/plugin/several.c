/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several: a group over one port. */
#include "several.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpdk/multicast.h"
#include "transport/group.h"
#include "ports.h"
#include "say.h"
#include "stream.h"

struct xf_several {
    unsigned n;
    char *names, *name[XF_MEMBERS_MAX];
    struct xf_member members[XF_MEMBERS_MAX];
    struct xf_link *copies[XF_MEMBERS_MAX], *group;
    uint64_t told; /* a bit for each that was dropped */
};

static int take_names(struct xf_several *s, const char *names)
{
    char *rest;

    s->names = rest = strdup(names);
    if (!rest)
        return -ENOMEM;
    while (rest) {
        char *name = strsep(&rest, " ");

        if (!*name)
            continue;
        if (s->n == XF_MEMBERS_MAX)
            return -EINVAL;
        s->name[s->n++] = name;
    }
    return s->n ? 0 : -EINVAL;
}

static uint64_t number_of(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

static int new_group(struct xf_several *s, const struct xf_offer *offer, struct xf_link *port,
                     uint64_t limit_us)
{
    struct xf_group_config gc;

    xf_group_config_init(&gc);
    gc.offer = *offer;
    gc.members = s->members;
    gc.names = (const char *const *)s->name;
    gc.paths = &port;
    gc.paths_n = 1;
    gc.copies = s->copies;
    gc.answer_us = gc.ready_us = limit_us;
    gc.all_or_none = number_of(getenv("XL_FAST_ALL_OR_NONE"));
    gc.min_bytes_per_s = number_of(getenv("XL_FAST_MIN_RATE")) / 8;
    int rc = xf_group_new(&s->group, &gc);

    xf_offer_wipe(&gc.offer);
    return rc;
}

int xf_several_new(struct xf_several **out, struct xf_link *port, struct xf_offer *offer,
                   uint64_t limit_us)
{
    const char *names = getenv("XL_FAST_TARGETS");
    struct xf_link_addr group;
    struct xf_several *s;
    int rc;

    *out = NULL;
    if (!names || !*names)
        return 0;
    s = calloc(1, sizeof(*s));
    rc = s ? take_names(s, names) : -ENOMEM;
    /* All receive at the UDP port that the source has, too. */
    xf_multicast_of_session(&group, offer->session_id, port->self.udp_port);
    rc = rc ?: xf_members_new(s->members, s->n, &group);
    for (unsigned i = 0; !rc && i < s->n; i++)
        rc = xf_ports_beside(&s->copies[i], port);
    offer->features |= XF_FEATURE_GROUP;
    rc = rc ?: new_group(s, offer, port, limit_us);
    if (rc) {
        xf_say("source: no session with several targets: %s", strerror(-rc));
        xf_several_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

struct xf_link *xf_several_link(const struct xf_several *s)
{
    return s->group;
}

int xf_several_write(struct xf_several *s, int fd)
{
    uint8_t body[XF_MEMBERS_MAX * XF_MEMBER_BYTES];
    int rc;

    for (unsigned i = 0; i < s->n; i++) {
        xf_member_encode(&s->members[i], body + (size_t)i * XF_MEMBER_BYTES);
        xf_member_wipe(&s->members[i]);
    }
    rc = xf_stream_write_record(fd, XF_REC_GROUP, body, s->n * XF_MEMBER_BYTES);
    explicit_bzero(body, sizeof(body));
    if (rc)
        xf_say("source: cannot write to the targets: %s", strerror(-rc));
    return rc;
}

int xf_several_tell(struct xf_several *s, int fd)
{
    for (unsigned i = 0; i < s->n; i++) {
        struct xf_dropped_record rec = {.target = i};
        uint8_t body[XF_DROPPED_BYTES];
        struct xf_group_target t;

        if (s->told >> i & 1)
            continue;
        xf_group_target(s->group, i, &t);
        if (!t.dropped)
            continue;
        s->told |= UINT64_C(1) << i;
        xf_say("source: %s", t.why);
        snprintf(rec.why, sizeof(rec.why), "%s", t.why);
        xf_dropped_encode(&rec, body);
        int rc = xf_stream_write_record(fd, XF_REC_DROPPED, body, sizeof(body));

        if (rc) {
            xf_say("source: cannot write to the targets: %s", strerror(-rc));
            return rc;
        }
    }
    return 0;
}

bool xf_several_drop(struct xf_several *s, const char *host, const char *why)
{
    for (unsigned i = 0; i < s->n; i++)
        if (!strcmp(s->name[i], host)) {
            xf_group_drop(s->group, i, -EIO, why);
            return !number_of(getenv("XL_FAST_ALL_OR_NONE"));
        }
    return false;
}

void xf_several_stand(struct xf_several *s)
{
    xf_group_stand(s->group);
}

void xf_several_free(struct xf_several *s)
{
    if (!s)
        return;
    if (s->group)
        s->group->ops->close(s->group);
    for (unsigned i = 0; i < s->n; i++) {
        if (s->copies[i])
            s->copies[i]->ops->close(s->copies[i]);
        xf_member_wipe(&s->members[i]);
    }
    free(s->names);
    free(s);
}
