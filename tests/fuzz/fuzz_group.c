/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes a group: what three targets send, each with its own key, and any packets besides. Checked:
 * what the source is told of it is sealed for it and well-formed, and says no more than was sent;
 * a target that was dropped has a reason.
 */
#include "fuzz.h"

#include "transport/group.h"

#define TARGETS 3u
#define QUEUES  2u
#define PAGES   64u

enum { TAKE, SEND, SEAL, FORGE, WAIT, STAND, OPS };

static uint64_t now_us;

static uint64_t now_of(void *arg)
{
    (void)arg;
    return now_us;
}

static struct xf_member members[TARGETS];

/* Made once, where LeakSanitizer does not see what they point to. */
static struct xf_seal *own_keys(unsigned target)
{
    static struct xf_seal *keys[TARGETS];

    if (!keys[target]) {
        __lsan_disable();
        FUZZ_CHECK(!xf_seal_new_two(&keys[target], fuzz_secret, members[target].secret,
                                    fuzz_session_id, XF_ROLE_TARGET));
        __lsan_enable();
    }
    return keys[target];
}

static void make_members(void)
{
    for (unsigned i = 0; i < TARGETS; i++) {
        members[i] = (struct xf_member){
            .number = (uint16_t)i,
            .count = TARGETS,
            .group = {.mac = {1, 0, 0x5e, 1, 2, 3}, .udp_port = 7950, .ipv4 = 0xef010203}};
        memset(members[i].secret, (int)(0x30 + i), sizeof(members[i].secret));
    }
}

/* What the source takes. */
static void take(struct xf_link *group, unsigned queue, uint64_t sent)
{
    uint8_t plain[XF_PAYLOAD_MAX];
    struct xf_wire_feedback fb;
    struct xf_wire_header h;
    struct xf_buf buf;

    if (!group->ops->rx_burst(group, queue, &buf, 1))
        return;
    FUZZ_CHECK(buf.len > sizeof(h) + XF_TAG_BYTES);
    memcpy(&h, buf.data, sizeof(h));
    const size_t len = buf.len - sizeof(h) - XF_TAG_BYTES;

    FUZZ_CHECK(h.queue == queue);
    FUZZ_CHECK(!xf_seal_open(fuzz_keys(XF_ROLE_SOURCE), &h, buf.data + sizeof(h), len,
                             buf.data + sizeof(h) + len, plain));
    if (h.type == XF_PACKET_FEEDBACK) {
        FUZZ_CHECK(!xf_wire_check_feedback(plain, len, 0));
        memcpy(&fb, plain, sizeof(fb));
        FUZZ_CHECK(fb.horizon <= sent);
    }
    group->ops->rx_free(group, queue, &buf, 1);
}

static void send_data(struct xf_link *group, unsigned queue, uint64_t *sent)
{
    struct xf_wire_header h = {.version = XF_WIRE_VERSION,
                               .type = XF_PACKET_DATA,
                               .queue = (uint16_t)queue,
                               .sequence = *sent};
    struct xf_buf buf;

    if (group->ops->tx_alloc(group, queue, &buf, 1) != 1)
        return;
    memcpy(buf.data, &h, sizeof(h));
    buf.len = sizeof(h) + XF_TAG_BYTES;
    if (group->ops->tx_burst(group, queue, &buf, 1) == 1)
        ++*sent;
    else
        group->ops->tx_free(group, queue, &buf, 1);
}

static void run(struct fuzz_in *in, struct fuzz_link *link, struct xf_link *group)
{
    static uint8_t body[XF_PAYLOAD_MAX], packet[XF_PAYLOAD_MAX + 64];
    uint64_t sent[QUEUES] = {0}, sequence[TARGETS] = {0};

    while (in->left) {
        uint8_t op, who, type;
        uint16_t queue, len;

        fuzz_take(in, &op, 1);
        fuzz_take(in, &who, 1);
        queue = who / TARGETS % QUEUES;
        who %= TARGETS;
        switch (op % OPS) {
        case TAKE:
            take(group, queue, sent[queue]);
            break;
        case SEND:
            send_data(group, queue, &sent[queue]);
            break;
        case SEAL:
        case FORGE:
            fuzz_take(in, &type, 1);
            fuzz_take(in, &len, sizeof(len));
            len %= 2048;
            fuzz_take(in, body, len);
            size_t n =
                fuzz_seal(own_keys(who), packet, type, (uint16_t)(queue | who << XF_RECEIVER_SHIFT),
                          sequence[who]++, body, len);

            if (op % OPS == FORGE)
                packet[len % n] ^= 1;
            fuzz_deliver(link, queue, packet, n);
            take(group, queue, sent[queue]);
            break;
        case WAIT:
            now_us += (uint64_t)who * 900000 + 1000;
            break;
        default:
            xf_group_stand(group);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[TARGETS] = {"a", "b", "c"};
    struct fuzz_in in = {data, size};
    struct xf_group_config config;
    struct fuzz_link link;
    struct xf_link *group, *path = &link.link;

    make_members();
    now_us = 1000000;
    fuzz_link_init(&link, QUEUES, 1472);
    xf_group_config_init(&config);
    config.offer = fuzz_offer(path, PAGES);
    config.offer.features = XF_FEATURE_GROUP;
    config.members = members;
    config.names = names;
    config.paths = &path;
    config.paths_n = 1;
    config.now_us = now_of;
    FUZZ_CHECK(!xf_group_new(&group, &config));
    run(&in, &link, group);
    for (unsigned i = 0; i < TARGETS; i++) {
        struct xf_group_target t;

        xf_group_target(group, i, &t);
        FUZZ_CHECK(!t.dropped || (t.code && strlen(t.why) > 2));
    }
    group->ops->close(group);
    fuzz_link_fini(&link);
    return 0;
}
