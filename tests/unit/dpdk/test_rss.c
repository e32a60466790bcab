/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RSS: a lane's packets land on its own queue. net_null keeps key and table as a NIC does, and
 * receives nothing; where a NIC would put a packet is computed here, by the hash's definition.
 */
#include "tests/unit/common/unit.h"

#include <rte_ethdev.h>

#include "dpdk/multicast.h"
#include "dpdk/port.h"
#include "dpdk/portdev.h"

#define QUEUES 4u
#define SELF   0xa18e6450u /* 161.142.100.80 */
#define PEER   0x420995bbu /* 66.9.149.187 */

/* Toeplitz, bit by bit: for each set bit of the input, the 32 bits of the key that begin there. */
static uint32_t toeplitz(const uint8_t *key, const uint8_t *input, unsigned bytes)
{
    uint32_t hash = 0;

    for (unsigned bit = 0; bit < bytes * 8; bit++) {
        if (!(input[bit / 8] >> (7 - bit % 8) & 1))
            continue;
        for (unsigned i = 0; i < 32; i++) {
            unsigned k = bit + i;

            hash ^= (uint32_t)(key[k / 8] >> (7 - k % 8) & 1) << (31 - i);
        }
    }
    return hash;
}

static uint32_t hash_of(const uint8_t *key, uint32_t from, uint16_t from_port, uint32_t to,
                        uint16_t to_port)
{
    const uint8_t input[] = {
        (uint8_t)(from >> 24),     (uint8_t)(from >> 16), (uint8_t)(from >> 8),    (uint8_t)from,
        (uint8_t)(to >> 24),       (uint8_t)(to >> 16),   (uint8_t)(to >> 8),      (uint8_t)to,
        (uint8_t)(from_port >> 8), (uint8_t)from_port,    (uint8_t)(to_port >> 8), (uint8_t)to_port,
    };

    return toeplitz(key, input, sizeof(input));
}

/* The verification suite of Microsoft's "RSS Hashing Functions" has this one. */
static void the_hash_here_is_a_nics(void **state)
{
    static const uint8_t key[] = {
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
        0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
        0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    };

    (void)state;
    assert_int_equal(hash_of(key, PEER, 2794, SELF, 1766), 0x51ccc178);
}

/* Each lane of the peer on its own queue, in packets to that address. */
static void expect_lanes(uint16_t id, const struct xf_link_addr *peer,
                         const struct xf_link_addr *to)
{
    unsigned spread[QUEUES] = {0};
    struct rte_eth_rss_reta_entry64 table[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];
    uint8_t key[64] = {0};
    struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = 40};
    struct rte_eth_dev_info info;

    assert_int_equal(rte_eth_dev_info_get(id, &info), 0);
    assert_int_equal(rte_eth_dev_rss_hash_conf_get(id, &conf), 0);
    memset(table, 0xff, sizeof(table));
    assert_int_equal(rte_eth_dev_rss_reta_query(id, table, info.reta_size), 0);
    for (unsigned lane = 0; lane < QUEUES; lane++) {
        uint32_t at =
            hash_of(key, peer->ipv4, (uint16_t)(peer->udp_port + lane), to->ipv4, to->udp_port) %
            info.reta_size;

        assert_int_equal(table[at / RTE_ETH_RETA_GROUP_SIZE].reta[at % RTE_ETH_RETA_GROUP_SIZE],
                         lane);
    }
    /* What else comes is nobody's alone. */
    for (unsigned at = 0; at < info.reta_size; at++) {
        unsigned queue = table[at / RTE_ETH_RETA_GROUP_SIZE].reta[at % RTE_ETH_RETA_GROUP_SIZE];

        assert_true(queue < QUEUES);
        spread[queue]++;
    }
    for (unsigned queue = 0; queue < QUEUES; queue++)
        assert_true(spread[queue] >= info.reta_size / QUEUES / 2);
}

static void each_lane_lands_on_its_own_queue(void **state)
{
    static const uint8_t session_id[XF_SESSION_ID_BYTES] = {[12] = 0, 0x12, 0x34, 0x56};
    struct xf_port_config config = {.port = "net_null0", .ipv4 = SELF, .queues = QUEUES};
    const struct xf_link_addr peer = {.ipv4 = PEER, .udp_port = 40001, .mac = {2, 0, 0, 0, 0, 1}};
    struct xf_link_addr group;
    char err[XF_DPDK_ERR_BYTES];
    struct xf_link *port = NULL;

    (void)state;
    if (xf_dpdk_start(config.port, QUEUES, err) || xf_port_open(&port, &config, err))
        fail_msg("%s", err);
    const uint16_t id = xf_port_of(port)->id;

    port->ops->set_peer(port, &peer);
    expect_lanes(id, &peer, &port->self);
    /* A member's lanes are told by what goes to its group, until it leaves. */
    xf_multicast_of_session(&group, session_id, port->self.udp_port);
    if (xf_link_join(port, &group, err))
        fail_msg("%s", err);
    expect_lanes(id, &peer, &group);
    port->ops->set_peer(port, &group); /* which sends nothing, so this changes nothing */
    expect_lanes(id, &peer, &group);
    port->ops->set_peer(port, &peer);
    xf_link_leave(port);
    expect_lanes(id, &peer, &port->self);
    port->ops->close(port);
    xf_dpdk_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_here_is_a_nics),
        cmocka_unit_test(each_lane_lands_on_its_own_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
