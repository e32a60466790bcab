/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes the frame headers: bytes from the wire, before anything is authenticated. Checked: a
 * payload lies inside its frame; what was written is ours; headers do not depend on how often they
 * are written.
 */
#include "fuzz.h"

#include "dpdk/frame.h"

static const struct xf_link_addr self = {
    .mac = {2, 0, 0, 0, 0, 1},
    .ipv4 = 0xc0000201,
    .udp_port = 7950,
};
static const struct xf_link_addr peer = {
    .mac = {2, 0, 0, 0, 0, 2},
    .ipv4 = 0xc0000202,
    .udp_port = 7950,
};

static const struct xf_link_addr group = {
    .mac = {1, 0, 0x5e, 0x21, 0xb2, 0xc3},
    .ipv4 = 0xefa1b2c3,
    .udp_port = 7950,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t frame[XF_FRAME_HEADER_BYTES + 64], once[XF_FRAME_HEADER_BYTES];
    struct xf_frame_template t;
    struct fuzz_in in = {data, size};
    uint32_t payload = 0;

    for (unsigned kind = 0; kind < 4; kind++) {
        payload = 0;
        if (xf_frame_parse(data, size, &self, kind & 2 ? &group : NULL, kind & 1, &payload) ==
            XF_FRAME_OURS)
            FUZZ_CHECK(size >= XF_FRAME_HEADER_BYTES && payload <= size - XF_FRAME_HEADER_BYTES);
    }

    /* The same way back, to us or to our group: ours with any payload and source port; not ours
     * with a bit turned, or bad.
     */
    uint16_t source_port = fuzz_u16(&in);
    const struct xf_link_addr *to = source_port & 1 ? &group : &self;
    uint32_t len = fuzz_u8(&in) % 65;
    unsigned bit = fuzz_u16(&in) % (XF_FRAME_HEADER_BYTES * 8);

    memset(frame, 0, sizeof(frame));
    xf_frame_template_init(&t, &peer, source_port, to, (struct xf_frame_offload){0});
    xf_frame_write(&t, frame, len);
    memcpy(once, frame, sizeof(once));
    xf_frame_write(&t, frame, len);
    FUZZ_CHECK(!memcmp(once, frame, sizeof(once)));
    FUZZ_CHECK(xf_frame_parse(frame, XF_FRAME_HEADER_BYTES + len, &self, &group, false, &payload) ==
               XF_FRAME_OURS);
    FUZZ_CHECK(payload == len);
    /* Any bit of the IPv4 header (its checksum covers it), or of the address that is ours. */
    frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
    if (bit / 8 < 6 || (bit / 8 >= XF_ETHER_BYTES && bit / 8 < XF_ETHER_BYTES + XF_IPV4_BYTES))
        FUZZ_CHECK(xf_frame_parse(frame, XF_FRAME_HEADER_BYTES + len, &self, &group, false,
                                  &payload) != XF_FRAME_OURS);
    return 0;
}
