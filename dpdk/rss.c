/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* RSS: the NIC's table, by the hashes that the peer's lanes have. */
#include "rss.h"

#include <errno.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_thash.h>

#include "lanes.h"

/* As many as any NIC has. */
#define KEY_BYTES_MAX   64u
#define KEY_BYTES_USUAL 40u /* of a NIC that does not say */
#define TABLE_MAX       RTE_ETH_RSS_RETA_SIZE_512

/* The tuple's words from the most significant bit on, as NICs take them (rte_thash.h). */
static uint32_t hash_of(const uint8_t *key, const struct xf_link_addr *to,
                        const struct xf_link_addr *peer, unsigned lane)
{
    uint32_t tuple[] = {
        peer->ipv4,
        to->ipv4,
        (uint32_t)(uint16_t)(peer->udp_port + lane) << 16 | to->udp_port,
    };

    return rte_softrss(tuple, RTE_DIM(tuple), key);
}

static void set(struct rte_eth_rss_reta_entry64 *table, unsigned at, unsigned queue)
{
    struct rte_eth_rss_reta_entry64 *group = &table[at / RTE_ETH_RETA_GROUP_SIZE];

    group->mask |= UINT64_C(1) << (at % RTE_ETH_RETA_GROUP_SIZE);
    group->reta[at % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)queue;
}

int xf_rss_steer(uint16_t port, unsigned queues, const struct xf_link_addr *to,
                 const struct xf_link_addr *peer)
{
    struct rte_eth_rss_reta_entry64 table[TABLE_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};
    _Alignas(uint32_t) uint8_t key[KEY_BYTES_MAX] = {0};
    struct rte_eth_rss_conf conf = {.rss_key = key};
    struct rte_eth_dev_info info;
    int rc = rte_eth_dev_info_get(port, &info);

    if (rc)
        return rc;
    const unsigned size = info.reta_size;

    if (!size || size > TABLE_MAX || size & (size - 1) || info.hash_key_size > sizeof(key))
        return -ENOTSUP;
    conf.rss_key_len = info.hash_key_size ? info.hash_key_size : KEY_BYTES_USUAL;
    rc = rte_eth_dev_rss_hash_conf_get(port, &conf);
    if (rc)
        return rc;
    if (!conf.rss_key) /* the driver has taken it off */
        return -ENOTSUP;
    if (!(conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_UDP))
        return -ENOTSUP;
    for (unsigned i = 0; i < size; i++)
        set(table, i, i % queues);
    /* How many the peer has is not known yet. Of two that share an entry, the first has it. */
    for (unsigned lane = XF_LANES_MAX; lane-- > 0;)
        set(table, hash_of(key, to, peer, lane) & (size - 1), lane % queues);
    return rte_eth_dev_rss_reta_update(port, table, (uint16_t)size);
}
