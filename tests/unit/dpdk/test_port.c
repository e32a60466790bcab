/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port: bursts through a real ethdev. net_ring hands what is sent back to its own receiving side,
 * so that one process, without root or a NIC, sees both. Two processes: tests/e2e/demo-*.sh.
 */
#include "tests/unit/common/unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include "dpdk/multicast.h"
#include "dpdk/port.h"
#include "transport/base/clock.h"
#include "transport/sim/faultlink.h"

#define RING 1023u /* net_ring's, less the slot that a DPDK ring keeps free */

static struct xf_link *port;

static int open_port(void **state)
{
    struct xf_port_config config = {.port = "net_ring0", .ipv4 = 0x0a000001};
    char err[XF_DPDK_ERR_BYTES];

    (void)state;
    if (xf_dpdk_start(config.port, 1, err) || xf_port_open(&port, &config, err)) {
        print_error("%s\n", err);
        return -1;
    }
    return 0;
}

#define RINGS 16u /* net_ring's queues */

/* In a process of its own, since DPDK starts once: 0, or what went wrong. */
static int open_with_more_queues(void)
{
    struct xf_port_config config = {.port = "net_ring1", .ipv4 = 0x0a000001, .queues = RINGS + 1};
    char err[XF_DPDK_ERR_BYTES];

    if (xf_dpdk_start(config.port, config.queues, err))
        return 1;
    if (xf_port_open(&port, &config, err) != -EINVAL ||
        strcmp(err, "port net_ring1: 17 queues were asked for, but it has 16"))
        return 2;
    config.fewer = true;
    if (xf_port_open(&port, &config, err))
        return 3;
    return port->queues == RINGS ? 0 : 4;
}

/* Before DPDK starts here. */
static void a_port_with_fewer_queues_is_taken_if_that_will_do(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    if (!pid)
        _exit(open_with_more_queues());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int close_port(void **state)
{
    (void)state;
    port->ops->close(port);
    xf_dpdk_stop();
    return 0;
}

static unsigned send_some(unsigned n, uint32_t len, uint8_t first)
{
    struct xf_buf bufs[XF_BURST_MAX];
    unsigned sent;

    assert_int_equal(port->ops->tx_alloc(port, 0, bufs, n), n);
    for (unsigned i = 0; i < n; i++) {
        assert_true(bufs[i].cap >= len);
        memset(bufs[i].data, first + (int)i, len);
        bufs[i].len = len;
    }
    sent = port->ops->tx_burst(port, 0, bufs, n);
    port->ops->tx_free(port, 0, bufs + sent, n - sent);
    return sent;
}

/* Receives what is there and checks its bytes; returns how many packets. */
static unsigned receive_all(uint32_t len, uint8_t first)
{
    struct xf_buf bufs[XF_BURST_MAX];
    unsigned n, all = 0;

    while ((n = port->ops->rx_burst(port, 0, bufs, XF_BURST_MAX)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(bufs[i].len, len);
            assert_int_equal(bufs[i].data[0], (uint8_t)(first + all + i));
            assert_int_equal(bufs[i].data[len - 1], (uint8_t)(first + all + i));
        }
        port->ops->rx_free(port, 0, bufs, n);
        all += n;
    }
    return all;
}

/* Runs first: nothing has a peer yet. */
static void without_a_peer_packets_go_nowhere(void **state)
{
    struct xf_link_stats s;

    (void)state;
    assert_int_equal(send_some(4, 100, 0), 4);
    assert_int_equal(receive_all(100, 0), 0);
    port->ops->stats(port, &s);
    assert_int_equal(s.tx_packets, 0);
}

static void what_is_sent_arrives(void **state)
{
    struct xf_link_stats before, after;

    (void)state;
    port->ops->set_peer(port, &port->self);
    port->ops->stats(port, &before);
    assert_int_equal(send_some(32, 1000, 7), 32);
    assert_int_equal(receive_all(1000, 7), 32);
    assert_int_equal(send_some(1, port->payload_bytes, 9), 1);
    assert_int_equal(receive_all(port->payload_bytes, 9), 1);
    port->ops->stats(port, &after);
    assert_int_equal(after.tx_packets - before.tx_packets, 33);
    assert_int_equal(after.rx_packets - before.rx_packets, 33);
    assert_int_equal(after.tx_bytes - before.tx_bytes, 32000 + port->payload_bytes);
    assert_int_equal(after.rx_bytes - before.rx_bytes, 32000 + port->payload_bytes);
    assert_int_equal(port->ops->health(port), 0);
}

static void others_frames_are_counted_and_dropped(void **state)
{
    struct xf_link_addr other = port->self;
    struct xf_link_stats before, after;

    (void)state;
    port->ops->stats(port, &before);
    other.ipv4++;
    port->ops->set_peer(port, &other);
    send_some(3, 100, 0);
    other = port->self;
    other.udp_port++;
    port->ops->set_peer(port, &other);
    send_some(2, 100, 0);
    assert_int_equal(receive_all(100, 0), 0);
    port->ops->stats(port, &after);
    assert_int_equal(after.rx_not_ours - before.rx_not_ours, 5);
    assert_int_equal(after.rx_bad_frame, before.rx_bad_frame);
    port->ops->set_peer(port, &port->self);
}

/* Ours are behind more than a burst of others': they come at once, and it is told that there may be
   more, so that nobody sleeps on a ring that is filling. */
static void ours_behind_others_are_found(void **state)
{
    struct xf_link_addr other = port->self;
    struct xf_buf bufs[XF_BURST_MAX];

    (void)state;
    assert_false(xf_link_rx_more(port, 0, port->ops->rx_burst(port, 0, bufs, 64), 64));
    other.udp_port++;
    port->ops->set_peer(port, &other);
    for (unsigned i = 0; i < 3; i++)
        send_some(XF_BURST_MAX, 100, 0);
    port->ops->set_peer(port, &port->self);
    send_some(2, 100, 0);
    assert_int_equal(port->ops->rx_burst(port, 0, bufs, XF_BURST_MAX), 2);
    port->ops->rx_free(port, 0, bufs, 2);
    assert_true(xf_link_rx_more(port, 0, 2, XF_BURST_MAX));
    assert_int_equal(port->ops->rx_burst(port, 0, bufs, XF_BURST_MAX), 0);
    assert_false(xf_link_rx_more(port, 0, 0, XF_BURST_MAX));
    /* Nor does the caller get more than it has asked for. */
    send_some(5, 100, 0);
    assert_int_equal(port->ops->rx_burst(port, 0, bufs, 3), 3);
    assert_true(xf_link_rx_more(port, 0, 3, 3));
    port->ops->rx_free(port, 0, bufs, 3);
    assert_int_equal(port->ops->rx_burst(port, 0, bufs, 3), 2);
    assert_false(xf_link_rx_more(port, 0, 2, 3));
    port->ops->rx_free(port, 0, bufs, 2);
}

/* A full port takes what fits; the rest stays the caller's, whole, to be offered again. */
static void unsent_packets_can_be_offered_again(void **state)
{
    struct xf_buf bufs[XF_BURST_MAX];
    struct xf_link_stats before, after;
    unsigned in_port = 0, sent;

    (void)state;
    port->ops->stats(port, &before);
    do {
        assert_int_equal(port->ops->tx_alloc(port, 0, bufs, XF_BURST_MAX), XF_BURST_MAX);
        for (unsigned i = 0; i < XF_BURST_MAX; i++) {
            bufs[i].data[0] = bufs[i].data[49] = (uint8_t)(in_port + i);
            bufs[i].len = 50;
        }
        sent = port->ops->tx_burst(port, 0, bufs, XF_BURST_MAX);
        in_port += sent;
    } while (sent == XF_BURST_MAX);
    assert_int_equal(in_port, RING);
    assert_int_equal(port->ops->tx_burst(port, 0, bufs + sent, XF_BURST_MAX - sent), 0);
    port->ops->stats(port, &after);
    assert_int_equal(after.tx_unsent - before.tx_unsent, 2 * (XF_BURST_MAX - sent));

    assert_int_equal(receive_all(50, 0), RING);
    assert_int_equal(port->ops->tx_burst(port, 0, bufs + sent, XF_BURST_MAX - sent),
                     XF_BURST_MAX - sent);
    assert_int_equal(receive_all(50, (uint8_t)RING), XF_BURST_MAX - sent);
}

/* A pool that leaks runs dry: many times its size passes through it. */
static void no_buffer_leaks(void **state)
{
    struct xf_link_addr other = port->self;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(send_some(XF_BURST_MAX, 64, 1), XF_BURST_MAX);
        assert_int_equal(receive_all(64, 1), XF_BURST_MAX);
    }
    other.udp_port++;
    port->ops->set_peer(port, &other);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(send_some(XF_BURST_MAX, 64, 1), XF_BURST_MAX);
        assert_int_equal(receive_all(64, 1), 0);
    }
    port->ops->set_peer(port, &port->self);
}

static uint64_t not_ours(void)
{
    struct xf_link_stats s;

    port->ops->stats(port, &s);
    return s.rx_not_ours;
}

/* The ring brings back what is sent, so its member hears itself, and its own reports. */
static void a_member_receives_from_its_group(void **state)
{
    static const uint8_t id[XF_SESSION_ID_BYTES] = {[12] = 0, 0x12, 0x34, 0x56};
    static const char member[] = "member of group 239.18.52.86; the port's filter: ";
    char said[XF_LINK_SAID_BYTES];
    struct xf_link_addr group, other;
    uint64_t before;

    (void)state;
    xf_multicast_of_session(&group, id, port->self.udp_port);
    assert_int_equal(port->ops->join(port, &port->self, said), -EINVAL);
    assert_string_equal(said, "not the address of a group");
    xf_link_leave(port); /* nothing to leave */
    before = not_ours();
    port->ops->set_peer(port, &group);
    send_some(3, 100, 1);
    assert_int_equal(receive_all(100, 1), 0);
    assert_int_equal(not_ours() - before, 3);

    before = not_ours();
    assert_int_equal(xf_link_join(port, &group, said), 0);
    assert_true(!strncmp(said, member, strlen(member)));
    assert_int_equal(xf_link_join(port, &group, said), -EBUSY);
    assert_string_equal(said, "a member of a group already");
    /* To the group, and to the port alone, whoever its peer is. */
    send_some(3, 100, 1);
    assert_int_equal(receive_all(100, 1), 3);
    assert_int_equal(not_ours() - before, 1); /* the report */
    port->ops->set_peer(port, &port->self);
    send_some(2, 100, 1);
    port->ops->set_peer(port, &group);
    assert_int_equal(receive_all(100, 1), 2);
    /* The same MAC, another group. */
    before = not_ours();
    other = group;
    other.ipv4 ^= 1u << 23;
    port->ops->set_peer(port, &other);
    send_some(4, 100, 1);
    assert_int_equal(receive_all(100, 1), 0);
    assert_true(not_ours() - before >= 4);

    while (receive_all(100, 1))
        ;
    before = not_ours();
    xf_link_leave(port);
    port->ops->set_peer(port, &group);
    send_some(3, 100, 1);
    assert_int_equal(receive_all(100, 1), 0);
    assert_int_equal(not_ours() - before, 4); /* and that it has left */
    port->ops->set_peer(port, &port->self);
}

/* The second soon after the first, for that may be lost. */
static void a_member_says_so_again(void **state)
{
    static const uint8_t id[XF_SESSION_ID_BYTES] = {[12] = 0, 0x12, 0x34, 0x56};
    char said[XF_LINK_SAID_BYTES];
    struct xf_link_addr group;
    uint64_t before = not_ours();

    (void)state;
    xf_multicast_of_session(&group, id, port->self.udp_port);
    assert_int_equal(xf_link_join(port, &group, said), 0);
    const uint64_t patience_us = xf_now_us() + 20000000;

    while (not_ours() - before < 2 && xf_now_us() < patience_us)
        receive_all(100, 1);
    assert_int_equal(not_ours() - before, 2);
    xf_link_leave(port);
    receive_all(100, 1);
}

/* What lies between a session and its port joins for the port. */
static void a_fault_link_joins_by_its_port(void **state)
{
    static const uint8_t id[XF_SESSION_ID_BYTES] = {[12] = 0, 0x12, 0x34, 0x56};
    const struct xf_fault_config config = {0};
    char said[XF_LINK_SAID_BYTES];
    struct xf_link *above;
    struct xf_link_addr group;

    (void)state;
    xf_multicast_of_session(&group, id, port->self.udp_port);
    assert_int_equal(xf_faultlink_new(&above, port, &config), 0);
    assert_int_equal(xf_link_join(above, &group, said), 0);
    assert_int_equal(xf_link_join(port, &group, said), -EBUSY);
    xf_link_leave(above);
    assert_int_equal(xf_link_join(port, &group, said), 0);
    xf_link_leave(port);
    above->ops->close(above);

    /* Other kinds of link have no groups. */
    struct xf_link_ops without = *port->ops;
    struct xf_link other = *port;

    without.join = NULL;
    without.leave = NULL;
    other.ops = &without;
    assert_int_equal(xf_link_join(&other, &group, said), -EOPNOTSUPP);
    assert_string_equal(said, "this kind of link has no groups");
    xf_link_leave(&other);
    receive_all(100, 1);
}

static void dpdk_starts_once(void **state)
{
    char err[XF_DPDK_ERR_BYTES];

    (void)state;
    assert_int_equal(xf_dpdk_start("net_ring1", 1, err), -EALREADY);
    assert_true(strlen(err) > 0);
}

static void no_directory_is_left(void **state)
{
    char path[64];

    (void)state;
    snprintf(path, sizeof(path), "/var/run/dpdk/xl-fast-%d", (int)getpid());
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "/tmp/dpdk/xl-fast-%d", (int)getpid());
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest before[] = {
        cmocka_unit_test(a_port_with_fewer_queues_is_taken_if_that_will_do),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_peer_packets_go_nowhere),
        cmocka_unit_test(what_is_sent_arrives),
        cmocka_unit_test(others_frames_are_counted_and_dropped),
        cmocka_unit_test(ours_behind_others_are_found),
        cmocka_unit_test(unsent_packets_can_be_offered_again),
        cmocka_unit_test(no_buffer_leaks),
        cmocka_unit_test(a_member_receives_from_its_group),
        cmocka_unit_test(a_member_says_so_again),
        cmocka_unit_test(a_fault_link_joins_by_its_port),
        cmocka_unit_test(dpdk_starts_once),
        cmocka_unit_test(no_directory_is_left),
    };

    int failed = cmocka_run_group_tests(before, NULL, NULL);

    return failed + cmocka_run_group_tests(tests, open_port, close_port);
}
