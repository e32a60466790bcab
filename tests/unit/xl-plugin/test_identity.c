/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* identity.c: which guests are copied, and what a copy has that its guest does not. */
#include "tests/unit/common/unit.h"

#include <libxl.h>
#include <libxl_utils.h>

#include "xl-plugin/clone/identity.h"

#define UUID "e908dbc7-5a47-4680-adc6-1a93ebb6aaff"

/* A guest with a disk, a network card, and something in xenstore. */
static void make(libxl_domain_config *c)
{
    char *told[] = {"data/mine", "1", NULL};

    libxl_domain_config_init(c);
    c->c_info.type = LIBXL_DOMAIN_TYPE_PVH;
    c->c_info.name = strdup("web");
    c->c_info.domid = 7;
    libxl_uuid_generate(&c->c_info.uuid);
    c->c_info.xsdata = calloc(3, sizeof(char *));
    for (unsigned i = 0; told[i]; i++)
        c->c_info.xsdata[i] = strdup(told[i]);
    c->disks = calloc(1, sizeof(*c->disks));
    c->num_disks = 1;
    libxl_device_disk_init(&c->disks[0]);
    c->disks[0].vdev = strdup("xvda");
    c->disks[0].pdev_path = strdup("/srv/web.img");
    c->disks[0].readwrite = 1;
    c->nics = calloc(1, sizeof(*c->nics));
    c->num_nics = 1;
    libxl_device_nic_init(&c->nics[0]);
    memcpy(c->nics[0].mac, "\0\x16\x3e\1\2\3", 6);
    c->nics[0].bridge = strdup("br0");
}

static void which_guests(void **state)
{
    struct xf_identity id = {.net = XF_CLONE_FENCED};
    char why[XF_IDENTITY_WHY];
    libxl_domain_config c;

    (void)state;
    make(&c);
    assert_int_equal(xf_identity_check(&c, &id, why), -ENOTSUP);
    assert_non_null(strstr(why, "it has disks (xvda)"));
    id.disks = XF_CLONE_SHARED_RO;
    assert_int_equal(xf_identity_check(&c, &id, why), -ENOTSUP);
    assert_non_null(strstr(why, "disk xvda is written to"));
    c.disks[0].readwrite = 0;
    assert_int_equal(xf_identity_check(&c, &id, why), 0);
    c.disks[0].readwrite = 1;
    id.disks = XF_CLONE_COPIED;
    assert_int_equal(xf_identity_check(&c, &id, why), 0);
    id.disks = XF_CLONE_NO_DISKS;
    assert_int_equal(xf_identity_check(&c, &id, why), 0);

    c.nics[0].script = strdup("/etc/xen/scripts/vif-bridge");
    assert_int_equal(xf_identity_check(&c, &id, why), 0);
    free(c.nics[0].script);
    c.nics[0].script = strdup("vif-route");
    assert_int_equal(xf_identity_check(&c, &id, why), -ENOTSUP);
    assert_non_null(strstr(why, "vif-route"));
    id.net = XF_CLONE_KEEP;
    assert_int_equal(xf_identity_check(&c, &id, why), 0);
    libxl_domain_config_dispose(&c);
}

static const char *told(const libxl_domain_config *c, const char *key)
{
    for (char **at = c->c_info.xsdata; *at; at += 2)
        if (!strcmp(at[0], key))
            return at[1];
    return "";
}

static void what_a_copy_has(void **state)
{
    struct xf_identity id = {.name = "web-3",
                             .uuid = UUID,
                             .number = 3,
                             .net = XF_CLONE_FENCED,
                             .disks = XF_CLONE_NO_DISKS,
                             .fence = "/usr/lib/xl-fast/xl-fast-vif-fenced"};
    char uuid[37], first[200];
    libxl_domain_config c;

    (void)state;
    make(&c);
    assert_int_equal(xf_identity_give(NULL, &c, &id), 0);
    assert_string_equal(c.c_info.name, "web-3");
    assert_int_equal(c.c_info.domid, 0);
    snprintf(uuid, sizeof(uuid), LIBXL_UUID_FMT, LIBXL_UUID_BYTES(c.c_info.uuid));
    assert_string_equal(uuid, UUID);
    assert_int_equal(c.num_disks, 0);
    assert_int_equal(c.num_nics, 1);
    assert_memory_equal(c.nics[0].mac, "\0\0\0\0\0\0", 6);
    assert_string_equal(c.nics[0].script, id.fence);
    assert_string_equal(c.nics[0].bridge, "br0");
    assert_string_equal(told(&c, "data/mine"), "1");
    snprintf(first, sizeof(first), "%s", told(&c, XF_CLONE_TOLD));
    assert_memory_equal(first, "3 web-3 " UUID " ", strlen("3 web-3 " UUID " "));
    assert_int_equal(strlen(first), strlen("3 web-3 " UUID " ") + 64);
    libxl_domain_config_dispose(&c);

    /* Nobody else has these digits. */
    make(&c);
    id.net = XF_CLONE_NO_NET;
    id.disks = XF_CLONE_COPIED;
    assert_int_equal(xf_identity_give(NULL, &c, &id), 0);
    assert_string_not_equal(told(&c, XF_CLONE_TOLD), first);
    assert_int_equal(c.num_nics, 0);
    assert_string_equal(c.disks[0].pdev_path, "/srv/web.img.web-3");
    libxl_domain_config_dispose(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(which_guests),
                                       cmocka_unit_test(what_a_copy_has)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
