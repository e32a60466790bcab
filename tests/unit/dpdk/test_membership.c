/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Membership: which filter is opened, over a port that can do what each test says (the linker puts
 * these functions in the place of DPDK's), and when reports are due.
 */
#include "tests/unit/common/unit.h"

#include <dirent.h>
#include <rte_ethdev.h>

#include "dpdk/membership.h"

#define PORT 7

static const struct xf_link_addr group = {
    .mac = {0x01, 0x00, 0x5e, 0x21, 0xb2, 0xc3}, .udp_port = 7950, .ipv4 = 0xefa1b2c3};
static const struct xf_port_spec nic = {.kind = &xf_port_pci};

/* What the port can do, and what is on. */
static struct {
    int list_rc, all_groups_rc, promiscuous_rc;
    unsigned list;
    bool all_groups, promiscuous;
} port;

int __wrap_rte_eth_dev_set_mc_addr_list(uint16_t id, struct rte_ether_addr *list, uint32_t n);
int __wrap_rte_eth_allmulticast_enable(uint16_t id);
int __wrap_rte_eth_allmulticast_disable(uint16_t id);
int __wrap_rte_eth_promiscuous_enable(uint16_t id);
int __wrap_rte_eth_promiscuous_disable(uint16_t id);
int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);

int __wrap_rte_eth_dev_set_mc_addr_list(uint16_t id, struct rte_ether_addr *list, uint32_t n)
{
    assert_int_equal(id, PORT);
    if (n)
        assert_memory_equal(list[0].addr_bytes, group.mac, 6);
    if (!port.list_rc)
        port.list = n;
    return port.list_rc;
}

int __wrap_rte_eth_allmulticast_enable(uint16_t id)
{
    assert_int_equal(id, PORT);
    port.all_groups = !port.all_groups_rc;
    return port.all_groups_rc;
}

int __wrap_rte_eth_allmulticast_disable(uint16_t id)
{
    assert_int_equal(id, PORT);
    port.all_groups = false;
    return 0;
}

int __wrap_rte_eth_promiscuous_enable(uint16_t id)
{
    assert_int_equal(id, PORT);
    port.promiscuous = !port.promiscuous_rc;
    return port.promiscuous_rc;
}

int __wrap_rte_eth_promiscuous_disable(uint16_t id)
{
    assert_int_equal(id, PORT);
    port.promiscuous = false;
    return 0;
}

int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info)
{
    assert_int_equal(id, PORT);
    memset(info, 0, sizeof(*info));
    info->driver_name = "net_deaf";
    return 0;
}

static void the_first_filter_that_opens_is_taken(void **state)
{
    static const struct {
        int list_rc, all_groups_rc, promiscuous_rc;
        enum xf_membership_filter filter;
        const char *said;
    } rows[] = {
        {0, 0, 0, XF_FILTER_LIST, "the NIC's list of groups"},
        {-ENOTSUP, 0, 0, XF_FILTER_ALL_GROUPS, "open to all groups"},
        {-ENOSPC, 0, 0, XF_FILTER_ALL_GROUPS, "open to all groups"},
        {-ENOTSUP, -ENOTSUP, 0, XF_FILTER_PROMISCUOUS, "open to all frames"},
        {-EIO, -EAGAIN, 0, XF_FILTER_PROMISCUOUS, "open to all frames"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xf_membership m = {0};
        char said[XF_LINK_SAID_BYTES], expected[XF_LINK_SAID_BYTES];

        memset(&port, 0, sizeof(port));
        port.list_rc = rows[i].list_rc;
        port.all_groups_rc = rows[i].all_groups_rc;
        port.promiscuous_rc = rows[i].promiscuous_rc;
        assert_int_equal(xf_membership_join(&m, PORT, &nic, &group, said), 0);
        snprintf(expected, sizeof(expected),
                 "member of group 239.161.178.195; the port's filter: %s", rows[i].said);
        assert_string_equal(said, expected);
        assert_int_equal(m.filter, rows[i].filter);
        assert_int_equal(port.list, m.filter == XF_FILTER_LIST);
        assert_int_equal(port.all_groups, m.filter == XF_FILTER_ALL_GROUPS);
        assert_int_equal(port.promiscuous, m.filter == XF_FILTER_PROMISCUOUS);
        assert_memory_equal(xf_membership_group(&m), &group, sizeof(group));

        xf_membership_leave(&m, PORT);
        assert_null(xf_membership_group(&m));
        assert_false(port.list || port.all_groups || port.promiscuous);
    }
}

static void a_port_that_can_do_nothing_is_named(void **state)
{
    struct xf_membership m = {0};
    char said[XF_LINK_SAID_BYTES];

    (void)state;
    memset(&port, 0, sizeof(port));
    port.list_rc = port.all_groups_rc = port.promiscuous_rc = -ENOTSUP;
    assert_int_equal(xf_membership_join(&m, PORT, &nic, &group, said), -EOPNOTSUPP);
    assert_string_equal(said, "group 239.161.178.195: net_deaf cannot receive from groups: "
                              "Operation not supported");
    assert_null(xf_membership_group(&m));
    port.promiscuous_rc = -EPERM; /* a virtual function that is not trusted */
    assert_int_equal(xf_membership_join(&m, PORT, &nic, &group, said), -EPERM);
    assert_null(xf_membership_group(&m));
}

static void a_memif_has_no_filter(void **state)
{
    const struct xf_port_spec memif = {.kind = &xf_port_memif};
    struct xf_membership m = {0};
    char said[XF_LINK_SAID_BYTES];

    (void)state;
    memset(&port, 0, sizeof(port));
    port.list_rc = port.all_groups_rc = port.promiscuous_rc = -ENOTSUP;
    assert_int_equal(xf_membership_join(&m, PORT, &memif, &group, said), 0);
    assert_string_equal(said, "member of group 239.161.178.195; the port's filter: it has none");
    xf_membership_leave(&m, PORT);
}

static unsigned open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* The interface's own filter is the kernel's; who has no such interface has DPDK's ways. */
static void over_an_interface_the_kernel_is_the_member(void **state)
{
    struct xf_port_spec over = {.kind = &xf_port_af_packet, .kernel_if = "lo"};
    const unsigned files = open_files();
    struct xf_membership m = {0};
    char said[XF_LINK_SAID_BYTES];

    (void)state;
    memset(&port, 0, sizeof(port));
    assert_int_equal(xf_membership_join(&m, PORT, &over, &group, said), 0);
    assert_string_equal(
        said, "member of group 239.161.178.195; the port's filter: the kernel's membership");
    assert_false(port.list || port.all_groups || port.promiscuous);
    xf_membership_leave(&m, PORT);
    assert_int_equal(open_files(), files);

    strcpy(over.kernel_if, "no-such-if");
    port.list_rc = port.all_groups_rc = -ENOTSUP; /* as net_af_packet does */
    assert_int_equal(xf_membership_join(&m, PORT, &over, &group, said), 0);
    assert_int_equal(m.filter, XF_FILTER_PROMISCUOUS);
    xf_membership_leave(&m, PORT);
    assert_int_equal(open_files(), files);
}

/* At once, soon after, ever later, and then every ten seconds; what could not be sent, soon again.
 */
static void reports_are_due(void **state)
{
    struct xf_membership m = {0};
    char said[XF_LINK_SAID_BYTES];
    uint64_t now_us = 1000;

    (void)state;
    memset(&port, 0, sizeof(port));
    assert_int_equal(xf_membership_join(&m, PORT, &nic, &group, said), 0);
    assert_true(xf_membership_is_due(&m, now_us));
    xf_membership_reported(&m, now_us, false);
    assert_false(xf_membership_is_due(&m, now_us));
    now_us += XF_MEMBERSHIP_AGAIN_US;
    assert_true(xf_membership_is_due(&m, now_us));
    xf_membership_reported(&m, now_us, true);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t wait_us = i < 5 ? UINT64_C(500000) << i : 10000000;

        assert_false(xf_membership_is_due(&m, now_us + wait_us - 1));
        now_us += wait_us;
        assert_true(xf_membership_is_due(&m, now_us));
        xf_membership_reported(&m, now_us, true);
    }
    now_us += 10000000;
    xf_membership_reported(&m, now_us, false);
    assert_true(xf_membership_is_due(&m, now_us + 500000));
    xf_membership_leave(&m, PORT);
    /* A later membership begins anew. */
    assert_int_equal(xf_membership_join(&m, PORT, &nic, &group, said), 0);
    assert_true(xf_membership_is_due(&m, 0));
    xf_membership_leave(&m, PORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_filter_that_opens_is_taken),
        cmocka_unit_test(a_port_that_can_do_nothing_is_named),
        cmocka_unit_test(a_memif_has_no_filter),
        cmocka_unit_test(over_an_interface_the_kernel_is_the_member),
        cmocka_unit_test(reports_are_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
