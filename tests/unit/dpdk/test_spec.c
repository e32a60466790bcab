/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Specs: what names of ports mean, and the vdev strings that follow. */
#include "tests/unit/common/unit.h"

#include "dpdk/af_packet.h"
#include "dpdk/spec.h"

static void names(void **state)
{
    static const struct {
        const char *port;
        const struct xf_port_kind *kind;
        const char *device, *kernel_if;
    } rows[] = {
        {"0000:3b:00.1", &xf_port_pci, "0000:3b:00.1", ""},
        {"3b:00.1", &xf_port_pci, "0000:3b:00.1", ""},
        {"10000:E1:1f.7", &xf_port_pci, "10000:e1:1f.7", ""},
        {"eth1", &xf_port_af_packet, "net_af_packet_eth1", "eth1"},
        {"enp3s0f1.100", &xf_port_af_packet, "net_af_packet_enp3s0f1.100", "enp3s0f1.100"},
        {"af_packet:eth1", &xf_port_af_packet, "net_af_packet_eth1", "eth1"},
        {"af_xdp:eth1", &xf_port_af_xdp, "net_af_xdp_eth1", "eth1"},
        {"net_memif0,role=server", &xf_port_memif, "net_memif0", ""},
        {"net_tap0,iface=x", &xf_port_vdev, "net_tap0", ""},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xf_port_spec s;

        if (xf_spec_parse(&s, rows[i].port))
            fail_msg("%s: refused", rows[i].port);
        assert_ptr_equal(s.kind, rows[i].kind);
        assert_string_equal(s.device, rows[i].device);
        assert_string_equal(s.kernel_if, rows[i].kernel_if);
    }
}

static void refused(void **state)
{
    static const char *const rows[] = {
        NULL,
        "",
        "0000:3b:20.1", /* 32 devices a bus, 0..1f */
        "0000:3b:00.8", /* 8 functions */
        "0000:3b:00.1x",
        "an_interface_name_that_is_too_long",
        "af_packet:",
        "eth1,iface=lo", /* would smuggle arguments into the vdev string */
        "af_xdp:eth1,x=y",
        "../eth1",
        "eth 1",
        "net_memif0,rsize=0",
        "net_memif0,rsize=15",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct xf_port_spec s;

        if (xf_spec_parse(&s, rows[i]) != -EINVAL)
            fail_msg("taken: %s", rows[i]);
    }
}

static void memif_arguments(void **state)
{
    struct xf_port_spec s;

    (void)state;
    assert_int_equal(xf_spec_parse(&s, "net_memif0"), 0);
    assert_int_equal(s.buffer_bytes, 2048);
    assert_int_equal(s.ring, 1024);
    assert_false(s.listens);
    assert_int_equal(xf_spec_parse(&s, "net_memif1,role=server,bsize=9216,rsize=9"), 0);
    assert_int_equal(s.buffer_bytes, 9216);
    assert_int_equal(s.ring, 512);
    assert_true(s.listens);
}

static void af_packet_rings(void **state)
{
    (void)state;
    for (uint32_t mtu = 576; mtu <= 9000; mtu++) {
        uint32_t frame = xf_af_packet_frame_bytes(mtu);

        /* The kernel's header, Ethernet's, and the driver's demand that four fill whole pages. */
        assert_true(frame >= mtu + 14 + 66);
        assert_int_equal(frame * 4 % 4096, 0);
        assert_int_equal(xf_af_packet_frames(mtu) % 4, 0);
        assert_true(xf_af_packet_frames(mtu) >= 512);
    }
    assert_int_equal(xf_af_packet_frame_bytes(9000), 9216);
    assert_int_equal(xf_af_packet_frame_bytes(65536), 9216);
}

static void vdev_strings(void **state)
{
    struct xf_port_spec s;
    char vdev[XF_SPEC_VDEV_BYTES];

    (void)state;
    assert_int_equal(xf_spec_parse(&s, "eth1"), 0);
    assert_int_equal(s.kind->vdev(&s, 2, 9000, vdev), 0);
    assert_string_equal(
        vdev, "net_af_packet_eth1,iface=eth1,qpairs=2,framesz=9216,blocksz=36864,framecnt=568");
    assert_int_equal(xf_spec_parse(&s, "af_xdp:eth1"), 0);
    assert_int_equal(s.kind->vdev(&s, 4, 1500, vdev), 0);
    assert_string_equal(vdev, "net_af_xdp_eth1,iface=eth1,start_queue=0,queue_count=4");
    assert_int_equal(xf_spec_parse(&s, "net_memif0,role=server"), 0);
    assert_int_equal(s.kind->vdev(&s, 1, 0, vdev), 0);
    assert_string_equal(vdev, "net_memif0,role=server");
    assert_int_equal(xf_spec_parse(&s, "3b:00.0"), 0);
    assert_int_equal(s.kind->vdev(&s, 1, 0, vdev), 0);
    assert_string_equal(vdev, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),           cmocka_unit_test(refused),
        cmocka_unit_test(memif_arguments), cmocka_unit_test(af_packet_rings),
        cmocka_unit_test(vdev_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
