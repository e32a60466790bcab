/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manifest: what was printed is read again, and what cannot be in one is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "xl-plugin/disks/manifest.h"

static struct xf_manifest made, got;
static char why[XF_MANIFEST_WHY_BYTES];

static void make(void)
{
    memset(&made, 0, sizeof(made));
    strcpy(made.name, "web");
    strcpy(made.uuid, "00000000-0000-0000-0000-000000000001");
    strcpy(made.config, "/etc/xen/web.cfg");
    made.text = strdup("name = \"web\"\n");
    made.config_mode = 0640;
    made.disks_n = 2;
    strcpy(made.disks[0].vdev, "xvda");
    strcpy(made.disks[0].path, "/dev/vg/web");
    strcpy(made.disks[0].vg, "vg");
    strcpy(made.disks[0].lv, "web");
    made.disks[0].kind = XF_DISK_LV;
    made.disks[0].bytes = UINT64_C(5) << 40;
    strcpy(made.disks[1].vdev, "xvdb");
    strcpy(made.disks[1].path, "/srv/data.img");
    made.disks[1].bytes = 1001;
    made.disks[1].mode = 0600;
    made.needs_n = 1;
    strcpy(made.needs[0].path, "/srv/cd.iso");
    made.needs[0].bytes = 7;
}

static int send(void)
{
    struct json_object *o = xf_manifest_print(&made);
    /* As it goes over. */
    struct json_object *there = json_tokener_parse(json_object_to_json_string(o));
    int rc = xf_manifest_read(&got, there, why);

    json_object_put(o);
    json_object_put(there);
    return rc;
}

static void end(void)
{
    xf_manifest_fini(&made);
    xf_manifest_fini(&got);
}

static void all_of_it_goes_over(void **unused)
{
    (void)unused;
    make();
    assert_int_equal(send(), 0);
    assert_string_equal(got.name, "web");
    assert_string_equal(got.uuid, made.uuid);
    assert_string_equal(got.config, made.config);
    assert_string_equal(got.text, made.text);
    assert_int_equal(got.config_mode, 0640);
    assert_int_equal(got.disks_n, 2);
    assert_memory_equal(got.disks, made.disks, 2 * sizeof(made.disks[0]));
    assert_int_equal(got.needs_n, 1);
    assert_memory_equal(got.needs, made.needs, sizeof(made.needs[0]));
    end();
}

/* What is written to at the target must be where a disk is, by a plain path. */
static void no_other_path(void **unused)
{
    static const char *const wrong[] = {"",          "web.img",   "/",        "/srv/",
                                        "/srv/../x", "/srv/./x",  "/srv//x",  "/srv/x/..",
                                        "/srv/\nx",  "/srv/\x7f", "/dev/sda", "/srv/."};

    (void)unused;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        make();
        strcpy(made.disks[1].path, wrong[i]);
        assert_int_equal(send(), -EINVAL);
        end();
    }
    make();
    strcpy(made.disks[0].path, "/srv/web.img"); /* no logical volume is there */
    assert_int_equal(send(), -EINVAL);
    end();
    make();
    memset(made.disks[1].path, 'x', sizeof(made.disks[1].path) - 1);
    made.disks[1].path[0] = '/';
    assert_int_equal(send(), 0);
    end();
}

static void no_other_name(void **unused)
{
    static const char *const wrong[] = {"", ".", "..", "a/b", ".web", "a\nb"};

    (void)unused;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        make();
        strcpy(made.name, wrong[i]);
        assert_int_equal(send(), -EINVAL);
        end();
    }
    make();
    strcpy(made.disks[0].vg, "-ay");
    assert_int_equal(send(), -EINVAL);
    end();
    make();
    strcpy(made.disks[0].lv, "web/../x");
    assert_int_equal(send(), -EINVAL);
    end();
    make();
    strcpy(made.disks[0].pool, "a b");
    assert_int_equal(send(), -EINVAL);
    end();
}

static void no_disk_twice_or_empty(void **unused)
{
    (void)unused;
    make();
    made.disks[0] = made.disks[1];
    assert_int_equal(send(), -EINVAL);
    assert_non_null(strstr(why, "both on /srv/data.img"));
    end();
    make();
    made.disks[1].bytes = 0;
    assert_int_equal(send(), -EINVAL);
    end();
}

/* What no xl-fast says. */
static void nothing_else(void **unused)
{
    static const char *const wrong[] = {
        "{}",
        "[]",
        "\"x\"",
        "{\"disks\":[],\"needs\":{}}",
        "{\"name\":\"web\",\"config\":\"/a\",\"disks\":[7],\"needs\":[]}",
        "{\"name\":\"web\",\"config\":\"/a\",\"disks\":[{\"is\":\"tape\"}],\"needs\":[]}",
        "{\"name\":7,\"config\":\"/a\",\"disks\":[],\"needs\":[]}",
        ("{\"name\":\"web\",\"config\":\"/a\",\"needs\":[],\"disks\":"
         "[{\"is\":\"file\",\"vdev\":\"xvdaxvdaxvdaxvdaxvda\",\"path\":\"/a\",\"bytes\":1}]}"),
    };
    char many[4096] = "{\"name\":\"web\",\"config\":\"/a\",\"needs\":[],\"disks\":[0";
    struct json_object *o;

    (void)unused;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        o = json_tokener_parse(wrong[i]);
        assert_int_equal(xf_manifest_read(&got, o, why), -EINVAL);
        json_object_put(o);
        xf_manifest_fini(&got);
    }
    for (unsigned i = 0; i < XF_MANIFEST_DISKS_MAX; i++)
        strcat(many, ",0");
    o = json_tokener_parse(strcat(many, "]}"));
    assert_non_null(o);
    assert_int_equal(xf_manifest_read(&got, o, why), -EINVAL);
    json_object_put(o);
    assert_int_equal(xf_manifest_read(&got, NULL, why), -EINVAL);
    xf_manifest_fini(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_goes_over), cmocka_unit_test(no_other_path),
        cmocka_unit_test(no_other_name),       cmocka_unit_test(no_disk_twice_or_empty),
        cmocka_unit_test(nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
