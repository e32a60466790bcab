/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Control: orders and answers over a socket; what makes no sense, and who does not listen. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/common/control_dir.h"
#include "transport/control.h"

struct asker {
    struct xf_steer steer;
    int rc;
};

static void *ask(void *arg)
{
    struct asker *a = arg;

    a->rc = xf_control_ask(path, &a->steer, 5000);
    return NULL;
}

static const struct xf_steer all = {.what = XF_STEER_ALL,
                                    .throttle = true,
                                    .max_downtime_us = 50000,
                                    .bandwidth_bytes_per_s = 125000000};

static void test_order_and_answer(void **state)
{
    static const int answers[] = {0, -EALREADY};
    struct xf_control c;
    struct xf_steer got;
    pthread_t thread;

    (void)state;
    assert_int_equal(xf_control_open(&c, path), 0);
    assert_false(xf_control_take(&c, &got));
    for (unsigned i = 0; i < 2; i++) {
        struct asker a = {.steer = all, .rc = 1};

        assert_int_equal(pthread_create(&thread, NULL, ask, &a), 0);
        while (!xf_control_take(&c, &got))
            usleep(100);
        assert_int_equal(got.what, XF_STEER_ALL);
        assert_true(got.throttle);
        assert_int_equal(got.max_downtime_us, 50000);
        assert_int_equal(got.bandwidth_bytes_per_s, 125000000);
        xf_control_answer(&c, answers[i]);
        pthread_join(thread, NULL);
        assert_int_equal(a.rc, answers[i]);
    }
    xf_control_close(&c);
    xf_control_close(&c);
    assert_false(xf_control_take(&c, &got));
}

static void test_makes_no_sense(void **state)
{
    struct asker wrong[] = {
        {.steer = {.what = 0}},
        {.steer = {.what = XF_STEER_ALL + 1}},
        {.steer = {.what = XF_STEER_MAX_DOWNTIME}},
        {.steer = {.what = XF_STEER_MAX_DOWNTIME, .max_downtime_us = XF_STEER_MAX_DOWNTIME_US + 1}},
    };
    struct xf_control c;
    struct xf_steer got;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    pthread_t thread;
    int fd;

    (void)state;
    assert_int_equal(xf_control_open(&c, path), 0);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        wrong[i].rc = 1;
        assert_int_equal(pthread_create(&thread, NULL, ask, &wrong[i]), 0);
        while (pthread_tryjoin_np(thread, NULL)) {
            assert_false(xf_control_take(&c, &got));
            usleep(100);
        }
        assert_int_equal(wrong[i].rc, -EPROTO);
    }
    /* Other bytes, of nobody that could be answered. */
    strcpy(at.sun_path, path);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(sendto(fd, path, sizeof(path), 0, (struct sockaddr *)&at, sizeof(at)),
                     sizeof(path));
    close(fd);
    assert_false(xf_control_take(&c, &got));
    xf_control_close(&c);
}

static void test_nobody_listens(void **state)
{
    struct xf_control c;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;
    char file[80], far[200];
    FILE *f;
    int fd;

    (void)state;
    assert_int_equal(xf_control_ask(path, &all, 1000), -ENOENT);
    /* One that was killed has left its socket. */
    strcpy(at.sun_path, path);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
    assert_int_equal(xf_control_ask(path, &all, 1000), -ECONNREFUSED);
    assert_int_equal(xf_control_open(&c, path), 0);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
    /* It does not look. */
    assert_int_equal(xf_control_ask(path, &all, 10), -ETIMEDOUT);
    xf_control_close(&c);
    /* A file is nobody's socket, and stays. */
    snprintf(file, sizeof(file), "%s/file", dir);
    f = fopen(file, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(xf_control_open(&c, file), -EADDRINUSE);
    assert_int_equal(unlink(file), 0);
    memset(far, 'a', sizeof(far) - 1);
    far[sizeof(far) - 1] = 0;
    assert_int_equal(xf_control_open(&c, far), -ENAMETOOLONG);
    assert_int_equal(xf_control_ask(far, &all, 10), -ENAMETOOLONG);
    assert_int_equal(xf_control_ask("", &all, 10), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_answer),
        cmocka_unit_test(test_makes_no_sense),
        cmocka_unit_test(test_nobody_listens),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
