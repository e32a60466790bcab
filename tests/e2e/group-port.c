/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * group-port PORT IPV4 SESSION [MAC IPV4]: a port by itself, in whatever network namespace it runs,
 * and the group of a session whose id ends in that number. Its peer is who has that MAC and
 * address, else the group. Commands are lines on stdin, and each is answered by a line on stdout:
 *
 *     join     what the link says, or "cannot: " and that
 *     leave    "left"
 *     send N   "sent N": to the peer, numbered from 0
 *     count    "count PACKETS DIFFERENT": since the last time
 *
 * Between them, what comes is counted. It ends with stdin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dpdk/multicast.h"
#include "dpdk/port.h"

#define PACKETS_MAX 65536u

struct end {
    struct xf_link *link;
    struct xf_link_addr group;
    uint64_t packets, different;
    bool seen[PACKETS_MAX];
};

static uint32_t address(const char *text)
{
    struct in_addr to;

    return inet_pton(AF_INET, text, &to) == 1 ? ntohl(to.s_addr) : 0;
}

static void receive(struct end *e)
{
    struct xf_buf bufs[XF_BURST_MAX];
    unsigned n;

    while ((n = e->link->ops->rx_burst(e->link, 0, bufs, XF_BURST_MAX)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            uint32_t number = PACKETS_MAX;

            if (bufs[i].len == e->link->payload_bytes)
                memcpy(&number, bufs[i].data, sizeof(number));
            if (number >= PACKETS_MAX)
                continue;
            e->packets++;
            e->different += !e->seen[number];
            e->seen[number] = true;
        }
        e->link->ops->rx_free(e->link, 0, bufs, n);
    }
}

/* One by one, so that no receiver's ring runs over while it is not looked at. */
static int send_some(struct end *e, uint32_t n)
{
    const struct timespec pause = {.tv_nsec = 20000};
    struct xf_buf buf;

    for (uint32_t i = 0; i < n; i++) {
        if (e->link->ops->tx_alloc(e->link, 0, &buf, 1) != 1)
            return -ENOBUFS;
        memset(buf.data, 0, e->link->payload_bytes);
        memcpy(buf.data, &i, sizeof(i));
        buf.len = e->link->payload_bytes;
        while (e->link->ops->tx_burst(e->link, 0, &buf, 1) != 1)
            receive(e);
        receive(e);
        nanosleep(&pause, NULL);
    }
    return 0;
}

static void obey(struct end *e, const char *line)
{
    char said[XF_LINK_SAID_BYTES];
    uint32_t n;

    if (!strcmp(line, "join\n")) {
        printf("%s%s\n", xf_link_join(e->link, &e->group, said) ? "cannot: " : "", said);
    } else if (!strcmp(line, "leave\n")) {
        xf_link_leave(e->link);
        puts("left");
    } else if (!strcmp(line, "count\n")) {
        printf("count %" PRIu64 " %" PRIu64 "\n", e->packets, e->different);
        e->packets = e->different = 0;
        memset(e->seen, 0, sizeof(e->seen));
    } else if (sscanf(line, "send %" SCNu32, &n) == 1 && n <= PACKETS_MAX) {
        if (send_some(e, n))
            puts("cannot: no buffers");
        else
            printf("sent %" PRIu32 "\n", n);
    } else {
        printf("unknown: %s", line);
    }
    fflush(stdout);
}

/* True: it has printed why not. */
static bool usage_is_wrong(int argc, char **argv, struct xf_port_config *config,
                           uint8_t session_id[XF_SESSION_ID_BYTES], struct xf_link_addr *peer)
{
    uint32_t session = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 0) : 0;

    if ((argc != 4 && argc != 6) || !(config->ipv4 = address(argv[2])) ||
        (argc == 6 &&
         (sscanf(argv[4], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &peer->mac[0], &peer->mac[1],
                 &peer->mac[2], &peer->mac[3], &peer->mac[4], &peer->mac[5]) != 6 ||
          !(peer->ipv4 = address(argv[5]))))) {
        fprintf(stderr, "group-port PORT IPV4 SESSION [MAC IPV4]\n");
        return true;
    }
    config->port = argv[1];
    peer->udp_port = XF_UDP_PORT_DEFAULT;
    for (unsigned i = 0; i < 4; i++)
        session_id[XF_SESSION_ID_BYTES - 1 - i] = (uint8_t)(session >> 8 * i);
    return false;
}

int main(int argc, char **argv)
{
    static struct end e;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    uint8_t session_id[XF_SESSION_ID_BYTES] = {0};
    struct xf_port_config config = {0};
    struct xf_link_addr peer = {0};
    char err[XF_DPDK_ERR_BYTES], line[64];

    if (usage_is_wrong(argc, argv, &config, session_id, &peer))
        return 2;
    if (xf_dpdk_start(config.port, 1, err) || xf_port_open(&e.link, &config, err)) {
        fprintf(stderr, "group-port: %s\n", err);
        return 1;
    }
    xf_multicast_of_session(&e.group, session_id, XF_UDP_PORT_DEFAULT);
    e.link->ops->set_peer(e.link, argc == 6 ? &peer : &e.group);
    puts("ready");
    fflush(stdout);
    for (;;) {
        receive(&e);
        if (poll(&input, 1, 1) <= 0)
            continue;
        if (!fgets(line, sizeof(line), stdin))
            break;
        obey(&e, line);
    }
    e.link->ops->close(e.link);
    xf_dpdk_stop();
    return 0;
}
