/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes that are files, and the journal: nothing that is there is written over or removed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "xl-plugin/disks/journal.h"
#include "xl-plugin/disks/settle.h"
#include "xl-plugin/disks/volume.h"

static char dir[] = "/tmp/xf-volume-XXXXXX", why[XF_MANIFEST_WHY_BYTES];
static struct xf_manifest m;

static int begin(void **unused)
{
    (void)unused;
    strcpy(dir, "/tmp/xf-volume-XXXXXX");
    assert_non_null(mkdtemp(dir));
    setenv("XL_FAST_STATEDIR", dir, 1);
    memset(&m, 0, sizeof(m));
    strcpy(m.name, "web");
    snprintf(m.config, sizeof(m.config), "%s/web.cfg", dir);
    m.text = strdup("text");
    m.config_mode = 0600;
    m.disks_n = 1;
    strcpy(m.disks[0].vdev, "xvda");
    snprintf(m.disks[0].path, sizeof(m.disks[0].path), "%s/web.img", dir);
    m.disks[0].bytes = 5000;
    m.disks[0].mode = 0640;
    m.disks[0].uid = getuid();
    m.disks[0].gid = getgid();
    return 0;
}

static int end(void **unused)
{
    char command[64];

    (void)unused;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    xf_manifest_fini(&m);
    return system(command);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void it_gets_its_name_at_last(void **unused)
{
    struct xf_manifest_disk *d = &m.disks[0], seen = {0};
    struct stat st;
    bool zeros;

    (void)unused;
    assert_int_equal(xf_volume_make(d, XF_VOLUME_INCOMING, &zeros, why), 0);
    assert_true(zeros);
    assert_false(xf_volume_is_there(d, XF_VOLUME_OWN));
    assert_int_equal(xf_volume_make(d, XF_VOLUME_INCOMING, &zeros, why), -EEXIST);
    assert_int_equal(xf_settle_here(&m, why), 0);
    assert_int_equal(xf_settle_here(&m, why), 0); /* again, as after it was broken off */
    assert_int_equal(stat(d->path, &st), 0);
    assert_int_equal(st.st_size, 5000);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(stat(m.config, &st), 0);
    strcpy(seen.path, d->path);
    assert_int_equal(xf_volume_look(&seen, why), 0);
    assert_int_equal(seen.bytes, 5000);
    assert_int_equal(seen.kind, XF_DISK_FILE);
    xf_settle_back(&m);
    assert_true(access(m.config, F_OK) && !xf_volume_is_there(d, XF_VOLUME_OWN));
    assert_int_equal(xf_volume_remove(d, XF_VOLUME_INCOMING, why), 0);
    assert_int_equal(xf_settle_here(&m, why), -ENOENT);
}

static void what_is_another_ones_stays(void **unused)
{
    struct xf_manifest_disk *d = &m.disks[0];
    char path[XF_VOLUME_PATH_BYTES];

    (void)unused;
    xf_volume_path(d, XF_VOLUME_INCOMING, path);
    put(path, "ours");
    put(d->path, "another's");
    put(m.config, "another's");
    assert_int_equal(xf_settle_here(&m, why), -EEXIST);
    xf_settle_back(&m);
    assert_int_equal(access(m.config, F_OK), 0);
    assert_true(xf_volume_is_there(d, XF_VOLUME_OWN) && xf_volume_is_there(d, XF_VOLUME_INCOMING));
    assert_int_equal(xf_volume_remove(d, XF_VOLUME_OWN, why), 0);
    assert_true(xf_volume_is_there(d, XF_VOLUME_OWN));
}

static void where_the_room_is(void **unused)
{
    struct xf_volume_place place;
    struct stat here, there;

    (void)unused;
    assert_int_equal(xf_volume_place(&m.disks[0], &place, why), 0);
    assert_true(place.free_bytes > 0 && !place.thin);
    assert_int_equal(stat(place.name, &there), 0);
    assert_int_equal(stat(dir, &here), 0);
    assert_int_equal(here.st_dev, there.st_dev);
    assert_true(strlen(place.name) < strlen(dir));
    strcpy(m.disks[0].path, "/none/web.img");
    assert_int_equal(xf_volume_place(&m.disks[0], &place, why), -ENOENT);
    m.disks[0].kind = XF_DISK_LV;
    strcpy(m.disks[0].vg, "none");
    assert_int_equal(xf_volume_place(&m.disks[0], &place, why), -ENOENT);
    m.disks[0].kind = XF_DISK_DEVICE;
    assert_int_equal(xf_volume_place(&m.disks[0], &place, why), -ENODEV);
}

/* lvm2's tools, as they print it. */
static void put_tool(const char *name, const char *says)
{
    char path[256], text[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    snprintf(text, sizeof(text), "#!/bin/sh\necho '  %s'\n", says);
    put(path, text);
    assert_int_equal(chmod(path, 0755), 0);
}

static void where_the_room_of_volumes_is(void **unused)
{
    struct xf_manifest_disk *d = &m.disks[0];
    struct xf_volume_place place;
    char *path = strdup(getenv("PATH"));

    (void)unused;
    setenv("PATH", dir, 1);
    put_tool("vgs", "1073741824");
    put_tool("lvs", "2147483648,25.00");
    d->kind = XF_DISK_LV;
    strcpy(d->vg, "vg");
    assert_int_equal(xf_volume_place(d, &place, why), 0);
    assert_string_equal(place.name, "vg");
    assert_true(place.free_bytes == 1u << 30 && !place.thin);
    strcpy(d->pool, "pool");
    assert_int_equal(xf_volume_place(d, &place, why), 0);
    assert_string_equal(place.name, "vg/pool");
    assert_true(place.free_bytes == UINT64_C(3) << 29 && place.thin);
    put_tool("lvs", "2147483648,100.00");
    assert_int_equal(xf_volume_place(d, &place, why), 0);
    assert_int_equal(place.free_bytes, 0);
    setenv("PATH", path, 1);
    free(path);
}

static void holes_take_nothing(void **unused)
{
    struct xf_manifest_disk *d = &m.disks[0];
    bool zeros;

    (void)unused;
    assert_int_equal(xf_volume_taken(d, XF_VOLUME_OWN), 0);
    d->bytes = 10 << 20;
    assert_int_equal(xf_volume_make(d, XF_VOLUME_INCOMING, &zeros, why), 0);
    assert_true(xf_volume_taken(d, XF_VOLUME_INCOMING) < 1 << 20);
    put(d->path, "data");
    assert_true(xf_volume_taken(d, XF_VOLUME_OWN) > 0);
}

static void what_is_written_shows(void **unused)
{
    uint64_t before, after;

    (void)unused;
    put(m.disks[0].path, "a");
    assert_int_equal(xf_volume_stamp(&m.disks[0], &before, why), 0);
    assert_int_equal(xf_volume_stamp(&m.disks[0], &after, why), 0);
    assert_int_equal(before, after);
    usleep(20000); /* of the kernel's clock for files */
    put(m.disks[0].path, "b");
    assert_int_equal(xf_volume_stamp(&m.disks[0], &after, why), 0);
    assert_int_not_equal(before, after);
}

static int count(void *arg, const struct xf_journal *j)
{
    assert_string_equal(j->manifest.name, "web");
    ++*(unsigned *)arg;
    return 0;
}

static void the_journal_says_it(void **unused)
{
    struct xf_journal *j = calloc(1, sizeof(*j));
    char path[256];
    unsigned n = 0;

    (void)unused;
    assert_int_equal(xf_journal_read("web", j), 0);
    assert_int_equal(j->state, XF_JOURNAL_NONE);
    assert_int_equal(xf_journal_write(XF_JOURNAL_LEAVING, "B", &m), 0);
    assert_int_equal(xf_journal_read("web", j), 0);
    assert_int_equal(j->state, XF_JOURNAL_LEAVING);
    assert_string_equal(j->host, "B");
    assert_string_equal(j->manifest.text, "text");
    assert_memory_equal(j->manifest.disks, m.disks, sizeof(m.disks[0]));
    xf_manifest_fini(&j->manifest);
    assert_int_equal(xf_journal_each(count, &n), 0);
    assert_int_equal(n, 1);
    /* One that is another guest's, or none. */
    snprintf(path, sizeof(path), "%s/xl-fast/disks/other.json", dir);
    put(path, "{\"state\":\"here\"}");
    assert_int_equal(xf_journal_read("other", j), -EINVAL);
    assert_int_equal(xf_journal_remove("web"), 0);
    assert_int_equal(xf_journal_remove("web"), 0);
    free(j);
}

static void one_at_a_time(void **unused)
{
    int fd = xf_journal_lock("web", false, 0), other;

    (void)unused;
    assert_true(fd >= 0);
    assert_int_equal(xf_journal_lock("web", false, 150), -EBUSY);
    other = xf_journal_lock("mail", false, 0);
    assert_true(other >= 0);
    close(other);
    close(fd);
    fd = xf_journal_lock("web", false, 0);
    assert_true(fd >= 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_gets_its_name_at_last, begin, end),
        cmocka_unit_test_setup_teardown(what_is_another_ones_stays, begin, end),
        cmocka_unit_test_setup_teardown(where_the_room_is, begin, end),
        cmocka_unit_test_setup_teardown(where_the_room_of_volumes_is, begin, end),
        cmocka_unit_test_setup_teardown(holes_take_nothing, begin, end),
        cmocka_unit_test_setup_teardown(what_is_written_shows, begin, end),
        cmocka_unit_test_setup_teardown(the_journal_says_it, begin, end),
        cmocka_unit_test_setup_teardown(one_at_a_time, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
