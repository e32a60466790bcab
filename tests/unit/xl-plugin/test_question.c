/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a source tells its target's preflight, and what the target says to it: a name or a UUID that
   is taken, disks and bridges that it lacks; lines that are none. */
#include "tests/unit/common/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "xl-plugin/preflight/preflight_question.h"

#define UUID  "6f1c9a52-0001-4000-8000-0123456789ab"
#define OTHER "6f1c9a52-0002-4000-8000-0123456789ab"

static char root[] = "/tmp/xl-fast-question.XXXXXX";
static struct xf_question_domain domains[2];
static struct xf_question_host host = {.domains = domains};
static char why[XF_QUESTION_WHY_BYTES], fix[XF_QUESTION_WHY_BYTES];

static void domain(unsigned i, const char *name, const char *uuid)
{
    domains[i].domid = i + 5;
    strcpy(domains[i].name, name);
    strcpy(domains[i].uuid, uuid);
    host.domains_n = i + 1;
}

static void fits(const char *lines)
{
    assert_int_equal(xf_question_judge(lines, UUID, &host, why, fix), 0);
}

static void refused(const char *lines, const char *words, const char *command)
{
    assert_int_equal(xf_question_judge(lines, UUID, &host, why, fix), -1);
    if (!strstr(why, words))
        fail_msg("'%s' has no '%s'", why, words);
    assert_string_equal(fix, command);
}

static void test_lines(void **state)
{
    static const char text[] = "attempt=a\njunk\nlist=1\n=\nguest=x\nguest=" UUID "\nname=a=b\n"
                               "toolongakeyforthis=1\ndisk=xvda /x\nguest=" OTHER "\nname=two";
    const char *at = text;
    char value[64], uuid[37], key[16];

    (void)state;
    xf_question_value(text, "list", value, sizeof(value));
    assert_string_equal(value, "1");
    xf_question_value(text, "name", value, sizeof(value)); /* a guest's */
    assert_string_equal(value, "");
    xf_question_value(NULL, "list", value, sizeof(value));
    assert_string_equal(value, "");
    at = xf_question_guest(text, uuid);
    assert_non_null(at);
    assert_string_equal(uuid, UUID);
    const char *of_guest = at;
    assert_true(xf_question_line(&of_guest, true, key, value, sizeof(value)));
    assert_string_equal(key, "name");
    assert_string_equal(value, "a=b");
    assert_true(xf_question_line(&of_guest, true, key, value, 4)); /* cut */
    assert_string_equal(value, "xvd");
    assert_false(xf_question_line(&of_guest, true, key, value, sizeof(value)));
    at = xf_question_guest(at, uuid);
    assert_non_null(at);
    assert_string_equal(uuid, OTHER);
    assert_null(xf_question_guest(at, uuid));
    assert_null(xf_question_guest(NULL, uuid));
}

static void test_hex(void **state)
{
    unsigned char bytes[4] = {0};

    (void)state;
    assert_int_equal(xf_question_hex("00ff7F", bytes, 4), 3);
    assert_int_equal(bytes[1], 0xff);
    assert_int_equal(bytes[2], 0x7f);
    assert_int_equal(xf_question_hex("00ff 11", bytes, 4), 2);
    assert_int_equal(xf_question_hex("", bytes, 4), 0);
    assert_int_equal(xf_question_hex("0", bytes, 4), -1);
    assert_int_equal(xf_question_hex("0g", bytes, 4), -1);
    assert_int_equal(xf_question_hex("0011223344", bytes, 4), -1);
}

static void test_read(void **state)
{
    int fds[2];
    char *text;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "list=1\n", 7), 7);
    close(fds[1]);
    text = xf_question_read(fds[0]);
    assert_string_equal(text, "list=1\n");
    free(text);
    text = xf_question_read(fds[0]);
    assert_string_equal(text, "");
    free(text);
    close(fds[0]);
}

static void test_names(void **state)
{
    (void)state;
    host.domains_n = 0;
    fits("name=web1\n");
    domain(0, "Domain-0", "00000000-0000-0000-0000-000000000000");
    domain(1, "web11", OTHER);
    fits("name=web1\n");
    fits("");
    domain(1, "web1", OTHER);
    refused("name=web1\n", "there is a domain 'web1' already (domain 6)", "xl rename 6 other-6");
    domain(1, "web1--incoming", OTHER);
    refused("name=web1\n", "'web1--incoming' already", "xl rename 6 other-6");
    domain(1, "web1--migratedaway", OTHER);
    fits("name=web1\n");
    domain(1, "copy", UUID);
    refused("name=web1\n", "domain 6 ('copy') has the guest's UUID", "xl shutdown -w 6");
    domain(1, "web1--incoming", UUID);
    refused("name=web1\n", "has the guest's UUID", "xl destroy 6");
}

static void touch(const char *path)
{
    char full[300];

    snprintf(full, sizeof(full), "%s%s", root, path);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fclose(f);
}

static void test_devices(void **state)
{
    (void)state;
    host.domains_n = 0;
    touch("/there");
    touch("/class/net/xenbr0");
    fits("name=a\ndisk=xvda /there\nbridge=xenbr0\n");
    refused("disk=xvda /there\ndisk=xvdb /dev/vg/web1\n",
            "no '/dev/vg/web1', the guest's disk xvdb", "vgchange -ay");
    refused("disk=xvda /dev/mapper/vg-a b\n", "no '/dev/mapper/vg-a b'", "vgchange -ay");
    refused("disk=sda /dev/disk/by-id/x\n", "disk sda", "udevadm trigger --settle");
    refused("disk=sda /dev/vdb\n", "disk sda", "udevadm trigger --settle");
    refused("disk=sda /srv/a.img\n", "no '/srv/a.img'", "mount -a");
    refused("disk=sda /srv/a'b.img\n", "no '/srv/a'b.img'", "");
    refused("bridge=xenbr1\n", "no bridge 'xenbr1'",
            "ip link add xenbr1 type bridge && ip link set xenbr1 up");
    refused("bridge=a;b\n", "no bridge 'a;b'", "");
    /* What is no path here is for libxl to find. */
    fits("disk=xvda nbd:x\ndisk=xvda\ndisk=\nbridge=\nbridge=../x\nwhat=else\n");
    /* The next guest's. */
    fits("name=a\nguest=" OTHER "\nbridge=xenbr1\n");
}

static int make(void **state)
{
    char path[100];

    (void)state;
    if (!mkdtemp(root))
        return -1;
    host.root = host.sysfs = root;
    snprintf(path, sizeof(path), "%s/class", root);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/class/net", root);
    return mkdir(path, 0700);
}

static int tidy(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines), cmocka_unit_test(test_hex),     cmocka_unit_test(test_read),
        cmocka_unit_test(test_names), cmocka_unit_test(test_devices),
    };

    return cmocka_run_group_tests(tests, make, tidy);
}
