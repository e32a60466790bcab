/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fits.c: configurations of guests as libxl 4.17 writes them, each with one thing changed: which of
 * them let the devices be attached early, and what the others are told.
 */
#include "tests/unit/common/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xl-plugin/handover/fits.h"

#define UUID "e908dbc7-5a47-4680-adc6-1a93ebb6aaff"

/* xl list -l of a guest of the lab: with %s where a test puts something of its own. */
static const char guest[] =
    "{\"c_info\": {\"type\": \"%s\", \"name\": \"own\", \"domid\": 4294967295, \"uuid\": \"" UUID
    "\", %s \"run_hotplug_scripts\": \"True\", \"driver_domain\": \"False\"},"
    "\"b_info\": {\"max_vcpus\": 2, \"avail_vcpus\": [0, 1], \"max_memkb\": 196608,"
    " \"target_memkb\": 196608, \"video_memkb\": 0, %s \"sched_params\": {\"sched\": \"credit2\","
    " \"weight\": 256, \"cap\": 0}, \"claim_mode\": \"True\", \"kernel\": \"/lab/vmlinux\","
    " \"type.pvh\": {%s}, \"arch_arm\": {}, \"arch_x86\": {\"msr_relaxed\": \"False\"}},"
    "\"disks\": [{\"pdev_path\": \"/dev/vdb\", \"vdev\": \"xvda\", %s \"readwrite\": 1,"
    " \"colo_restore_enable\": \"False\"}],"
    "\"nics\": [{\"devid\": 0, \"mac\": \"00:16:3e:00:00:01\", \"bridge\": \"br0\", %s"
    " \"nictype\": \"vif\"}], %s \"on_reboot\": \"restart\", \"on_soft_reset\": \"soft_reset\"}";

static const char *const plain[7] = {"pvh", "", "", "", "\"format\": \"raw\",", "", ""};

/* Where what stands in the guest, and a word of the reason; NULL: it fits. */
struct change {
    unsigned where;
    const char *what, *why;
};

static void try(const struct change *c)
{
    const char *at[7];
    char json[4096];
    struct xf_fits f;

    memcpy(at, plain, sizeof(at));
    if (c)
        at[c->where] = c->what;
    snprintf(json, sizeof(json), guest, at[0], at[1], at[2], at[3], at[4], at[5], at[6]);
    int rc = xf_fits_config(&f, json);

    if (rc != (c && c->why ? -1 : 0) || (c && c->why && !strstr(f.why, c->why)))
        fail_msg("%s: %d, '%s'", c ? c->what : "plain", rc, f.why);
    if (!rc) {
        assert_string_equal(f.uuid, UUID);
        assert_int_equal(f.disks_n, 1);
        assert_string_equal(f.disks[0], "/dev/vdb");
        assert_string_equal(f.why, "");
    }
    xf_fits_free(&f);
}

static void what_fits_and_what_does_not(void **state)
{
    static const struct change changes[] = {
        {0, "pv", "it is a pv guest"},
        {0, "hvm", "it is a hvm guest"},
        {0, "", "guest"},
        {1, "\"passthrough\": \"sync_pt\",", "devices of the host"},
        {1, "\"passthrough\": \"disabled\",", NULL},
        {1, "\"driver_domain\": \"True\", \"x\": 0,", "'x'"},
        {1, "\"run_later\": 1,", "'run_later', which is not known"},
        {2, "\"stubdomain_memkb\": 32768, \"device_model_stubdomain\": \"False\",", NULL},
        {2, "\"iomem\": [{\"start\": 1}],", "'iomem'"},
        {2, "\"ioports\": [{\"first\": 1}],", "'ioports'"},
        {2, "\"irqs\": [3],", "'irqs'"},
        {2, "\"vnuma_nodes\": [{}],", "'vnuma_nodes'"},
        {3, "\"pvshim\": \"True\"", "shim"},
        {3, "\"pvshim\": \"False\"", NULL},
        {4, "\"format\": \"raw\", \"backend\": \"phy\",", NULL},
        {4, "\"format\": \"raw\", \"backend\": \"unknown\",", NULL},
        {4, "\"format\": \"raw\", \"backend\": \"qdisk\",", "image"},
        {4, "\"format\": \"qcow2\",", "image"},
        {4, "\"format\": \"vhd\",", "image"},
        {4, "\"script\": \"block-drbd\",", "script"},
        {4, "\"script\": \"block-iscsi\",", "script"},
        {4, "\"backend_domname\": \"storage\",", "another domain's"},
        {4, "\"backend_domid\": 3,", "another domain's"},
        {4, "\"backend_domid\": 0,", NULL},
        {4, "\"is_cdrom\": 1,", "CD"},
        {4, "\"specification\": \"virtio\",", "special kind"},
        {4, "\"colo_enable\": \"True\",", "special kind"},
        {4, "\"format\": \"raw\", \"new\": 1,", "'new'"},
        {5, "\"script\": \"vif-bridge\",", NULL},
        {5, "\"script\": \"/etc/xen/scripts/vif-bridge\",", NULL},
        {5, "\"script\": \"vif-route\",", "not on a bridge: vif-route"},
        {5, "\"script\": \"/root/vif-bridge\",", "not on a bridge"},
        {5, "\"script\": \"vif-openvswitch\",", "not on a bridge"},
        {5, "\"backend_domname\": \"net\",", "another domain's"},
        {5, "\"ip\": \"10.0.0.1\", \"rate_interval_usecs\": 50000,", NULL},
        {5, "\"coloft_forwarddev\": \"eth0\",", "'coloft_forwarddev'"},
        {6, "\"vtpms\": [],", NULL},
        {6, "\"vtpms\": [{}],", "vtpms"},
        {6, "\"pcidevs\": [{}],", "pcidevs"},
        {6, "\"vfbs\": [{}],", "vfbs"},
        {6, "\"channels\": [{}],", "channels"},
        {6, "\"virtios\": [{}],", "virtios"},
        {6, "\"usbdevs\": 1,", "usbdevs"},
        {6, "\"holodecks\": [{}],", "'holodecks'"},
    };

    (void)state;
    try(NULL);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
        try(&changes[i]);
}

static void what_is_no_configuration(void **state)
{
    static const char *const texts[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"c_info\": 1}",
        "null",
        "\"",
        "{\"c_info\": {\"type\": \"pvh\"}}",
        "{\"c_info\": {\"type\": \"pvh\"}, \"b_info\": []}",
        "{\"c_info\": {\"type\": \"pvh\"}, \"b_info\": {}, \"disks\": {}}",
        "{\"c_info\": {\"type\": \"pvh\"}, \"b_info\": {}, \"nics\": [7]}"};
    struct xf_fits f;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(xf_fits_config(&f, texts[i]), -1);
        assert_true(f.why[0]);
        xf_fits_free(&f);
    }
    /* Without disks and cards. */
    assert_int_equal(xf_fits_config(&f, "{\"c_info\": {\"type\": \"pvh\"}, \"b_info\": {}}"), 0);
    xf_fits_free(&f);
}

static void disks_and_hooks_of_a_host(void **state)
{
    char root[] = "/tmp/xf-fits.XXXXXX", why[XF_FITS_WHY], path[200];

    (void)state;
    assert_non_null(mkdtemp(root));
    assert_int_equal(xf_fits_disk(root, "/none", why), -1);
    assert_non_null(strstr(why, "'/none' is no block device"));
    snprintf(path, sizeof(path), "%s/file", root);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(xf_fits_disk(root, "/file", why), -1);
    assert_int_equal(xf_fits_disk("", "/dev/null", why), -1);

    assert_int_equal(xf_fits_hooks(root, why), 0);
    snprintf(path, sizeof(path), "mkdir -p %s/etc/xen/scripts/vif-post.d", root);
    assert_int_equal(system(path), 0);
    assert_int_equal(xf_fits_hooks(root, why), 0);
    snprintf(path, sizeof(path), "%s/etc/xen/scripts/vif-post.d/10-mine.hook", root);
    close(open(path, O_CREAT | O_WRONLY, 0700));
    assert_int_equal(xf_fits_hooks(root, why), -1);
    assert_non_null(strstr(why, "10-mine.hook"));
    snprintf(path, sizeof(path), "rm -r %s", root);
    assert_int_equal(system(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_and_what_does_not),
        cmocka_unit_test(what_is_no_configuration),
        cmocka_unit_test(disks_and_hooks_of_a_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
