/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes the way in: open a packet, then check its body, as each end does before it uses anything
 * of it. Bytes as they come, bodies of the input sealed as the peer would, and sealed packets that
 * were replayed, cut, changed or made for another session or the other direction. Checked: only
 * what the peer has sealed, whole and for the first time, opens, and to what was sealed; each other
 * packet is counted once; and what the body's check lets through is what PROTOCOL.md allows, by a
 * second reading of it here.
 */
#include "fuzz.h"

#include "transport/lane.h"

#define PAGES   5000u
#define QUEUES  3u
#define OPS_MAX 200
#define KEPT    8u

struct harness {
    struct fuzz_in in;
    struct xf_session session;
    struct xf_lane *lanes, *lane; /* QUEUES of them; the one whose packet is being looked at */
    struct xf_seal *peer, *own, *stranger; /* keys: the peer's, ours, of another session */
    uint64_t features;                     /* the offer's */
    uint64_t next[QUEUES];
    struct { /* packets that were sent before, to be replayed */
        size_t len;
        uint8_t bytes[1024];
    } kept[KEPT];
    unsigned kept_n;
    uint8_t packet[XF_PAYLOAD_MAX + 64];
    uint8_t body[1024];
};

static uint64_t rejects(const struct harness *h)
{
    uint64_t n = 0;

    for (unsigned l = 0; l < QUEUES; l++)
        for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
            n += xf_count_of(&h->lanes[l].counts.rejects[i]);
    return n;
}

/* What DATA may be, once more: in another order, with sums that cannot overflow. */
static void check_data(const struct harness *h, size_t len)
{
    const struct xf_wire_shape *shape = &h->session.shape;
    uint64_t payload = 0;
    uint16_t records;

    FUZZ_CHECK(len >= 32);
    memcpy(&records, h->lane->plain + 8, sizeof(records));
    FUZZ_CHECK(records >= 1 && records <= 4);
    for (unsigned i = 0; i < records; i++) {
        struct xf_wire_record r;

        memcpy(&r, h->lane->plain + 16 + i * 16u, sizeof(r));
        FUZZ_CHECK(r.count >= 1 && r.index < PAGES && r.index + r.count <= PAGES);
        FUZZ_CHECK(r.space == 0);
        switch (r.kind) {
        case 1:
            payload += UINT64_C(4096) * r.count;
            FUZZ_CHECK(shape->frags == 1 && r.count <= 4);
            break;
        case 3:
            FUZZ_CHECK(r.count == 1 && r.frag < shape->frags && shape->frags <= 4);
            payload +=
                r.frag + 1u < shape->frags ? shape->frag_bytes : 4096 - r.frag * shape->frag_bytes;
            break;
        case 6:
            payload += UINT64_C(16) * r.count;
            break;
        case 7:
            FUZZ_CHECK((h->features & XF_FEATURE_LZ4) && r.frag == 0);
            for (uint32_t page = 0; page < r.count; page++) {
                uint16_t bytes;
                uint64_t at = 16 + 16u * records + payload;

                FUZZ_CHECK(at + 2 <= len);
                memcpy(&bytes, h->lane->plain + at, sizeof(bytes));
                FUZZ_CHECK(bytes > 0 && bytes < 4096);
                payload += 2u + bytes;
            }
            break;
        case 8:
            FUZZ_CHECK((h->features & XF_FEATURE_VERIFY_LIVE) && r.frag == 0);
            break;
        default:
            FUZZ_CHECK(r.kind == 2 || r.kind == 4 || r.kind == 5);
        }
    }
    FUZZ_CHECK(len == 16 + 16u * records + payload);
}

static void check_feedback(const struct harness *h, size_t len)
{
    struct xf_wire_feedback fb;
    uint64_t end = 0;

    memcpy(&fb, h->lane->plain, sizeof(fb));
    FUZZ_CHECK(len == 48 + 8u * fb.ranges && fb.base <= fb.horizon && fb.flags < 4);
    for (unsigned i = 0; i < fb.ranges; i++) {
        uint32_t r[2];

        memcpy(r, h->lane->plain + 48 + 8u * i, sizeof(r));
        FUZZ_CHECK(r[0] >= end && r[1] >= 1);
        end = (uint64_t)r[0] + r[1];
        FUZZ_CHECK(end <= fb.horizon - fb.base);
    }
}

/* Receives h->packet. may_open: it is the peer's, whole, and was not received before. */
static void receive(struct harness *h, size_t len, bool may_open, size_t body_len)
{
    uint64_t before = rejects(h);
    uint8_t *exact = malloc(len + !len); /* so that ASan knows its end */
    struct xf_wire_header head;
    struct xf_buf buf;

    FUZZ_CHECK(exact);
    memcpy(exact, h->packet, len);
    memset(&buf, 0, sizeof(buf));
    buf.data = exact;
    buf.len = buf.cap = (uint32_t)len;
    int named = xf_lane_named(&h->session, &buf);

    h->lane = &h->lanes[named < 0 ? 0 : named];
    int got = xf_lane_open(h->lane, &buf, &head, 1);

    free(exact);
    FUZZ_CHECK(rejects(h) == before + (got < 0));
    if (got < 0)
        return;
    FUZZ_CHECK(may_open && (size_t)got == body_len && head.queue < QUEUES);
    FUZZ_CHECK(!memcmp(h->lane->plain, h->body, body_len));
    xf_window_mark(&h->lane->window, head.sequence);
    if (head.type == XF_PACKET_DATA &&
        !xf_wire_check_data(&h->session.shape, h->features, h->lane->plain, body_len, PAGES))
        check_data(h, body_len);
    if (head.type == XF_PACKET_FEEDBACK && !xf_wire_check_feedback(h->lane->plain, body_len, 0))
        check_feedback(h, body_len);
}

static void op_raw(struct harness *h)
{
    size_t len = fuzz_u16(&h->in) % 1024;

    fuzz_take(&h->in, h->packet, len);
    receive(h, len, false, 0);
}

static void op_sealed(struct harness *h)
{
    uint8_t how = fuzz_u8(&h->in);
    uint8_t type = fuzz_u8(&h->in);
    unsigned queue = fuzz_u8(&h->in) % QUEUES;
    uint64_t skip = how & 0x40 ? fuzz_u16(&h->in) : 0;
    size_t body_len = fuzz_u16(&h->in) % sizeof(h->body);
    const struct xf_seal *key = h->peer;

    fuzz_take(&h->in, h->body, body_len);
    if (how % 8 == 1)
        key = h->own; /* reflected, with a type for us */
    if (how % 8 == 2)
        key = h->stranger;
    uint64_t sequence = h->next[queue] + skip;
    size_t len = fuzz_seal(key, h->packet, type, (uint16_t)queue, sequence, h->body, body_len);

    h->next[queue] = sequence + 1;
    if (how % 8 == 3) {
        unsigned bit = fuzz_u16(&h->in) % ((unsigned)len * 8);

        h->packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    size_t cut = how % 8 == 4 ? 1 + fuzz_u8(&h->in) % len : 0;

    if (len <= sizeof(h->kept[0].bytes)) {
        unsigned k = h->kept_n++ % KEPT;

        h->kept[k].len = len;
        memcpy(h->kept[k].bytes, h->packet, len);
    }
    receive(h, len - cut, key == h->peer && how % 8 != 3 && !cut, body_len);
}

/* A packet that was sent before: whether it opened then or not, it is not new now. */
static void op_replay(struct harness *h)
{
    unsigned n = h->kept_n < KEPT ? h->kept_n : KEPT;
    unsigned k = fuzz_u8(&h->in);
    struct xf_wire_header head;

    if (!n)
        return;
    k %= n;
    memcpy(h->packet, h->kept[k].bytes, h->kept[k].len);
    memcpy(&head, h->packet, sizeof(head));
    bool opened = head.queue < QUEUES &&
                  xf_window_look(&h->lanes[head.queue].window, head.sequence) == XF_WINDOW_NEW;

    if (!opened) /* else it was refused for what it is: op_sealed() has tried that */
        receive(h, h->kept[k].len, false, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct harness h;
    static struct xf_seal *stranger;
    static const uint32_t payloads[] = {8972, 1232, 2100, 16384};
    struct fuzz_link link;

    memset(&h, 0, offsetof(struct harness, packet));
    h.in = (struct fuzz_in){data, size};
    uint8_t settings = fuzz_u8(&h.in);
    enum xf_role role = settings & 1 ? XF_ROLE_SOURCE : XF_ROLE_TARGET;
    uint32_t payload = payloads[settings / 2 % 4];

    if (!stranger) {
        static const uint8_t secret[XF_SECRET_BYTES] = "that of another session";

        __lsan_disable();
        FUZZ_CHECK(!xf_seal_new(&stranger, secret, fuzz_session_id, XF_ROLE_SOURCE));
        __lsan_enable();
    }
    fuzz_link_init(&link, QUEUES, payload);
    h.session.link = &link.link;
    h.features = settings & 8 ? XF_FEATURE_LZ4 | XF_FEATURE_VERIFY | XF_FEATURE_VERIFY_LIVE : 0;
    h.session.role = role;
    h.session.queues = QUEUES;
    h.session.seal = fuzz_keys(role);
    memcpy(&h.session.tag, fuzz_session_id, sizeof(h.session.tag));
    FUZZ_CHECK(!xf_wire_shape(&h.session.shape, payload));
    static struct xf_lane lanes[QUEUES];

    h.lanes = lanes;
    for (unsigned i = 0; i < QUEUES; i++)
        FUZZ_CHECK(!xf_lane_init(&lanes[i], &h.session, i, 1, 1, 1));
    h.own = fuzz_keys(role);
    h.peer = fuzz_keys(role == XF_ROLE_SOURCE ? XF_ROLE_TARGET : XF_ROLE_SOURCE);
    h.stranger = stranger;
    for (unsigned i = 0; i < OPS_MAX && h.in.left; i++) {
        uint8_t op = fuzz_u8(&h.in) % 4;

        if (op == 0)
            op_raw(&h);
        else if (op == 1)
            op_replay(&h);
        else
            op_sealed(&h);
    }
    for (unsigned i = 0; i < QUEUES; i++)
        xf_lane_fini(&lanes[i]);
    return 0;
}
