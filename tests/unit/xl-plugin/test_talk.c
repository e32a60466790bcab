/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Talk: messages and bytes in order, and a peer that says anything else, or too much, or nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "xl-plugin/disks/talk.h"

#define MS 50u

static struct xf_talk t;
static int peer;
static char why[XF_TALK_WHY_BYTES];
static struct json_object *message;

static int begin(void **unused)
{
    int ends[2];

    (void)unused;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    peer = ends[1];
    return xf_talk_init(&t, ends[0], ends[0], "B");
}

static int end(void **unused)
{
    (void)unused;
    close(peer);
    xf_talk_fini(&t);
    return 0;
}

static void says(const char *text)
{
    assert_int_equal(write(peer, text, strlen(text)), strlen(text));
}

static void in_order(void **unused)
{
    char bytes[4];

    (void)unused;
    says("hello\nxl-fast-answer\n{\"kind\":\"offer\",\"disk\":3}\nABCD{\"kind\":\"se");
    assert_int_equal(xf_talk_await_start(&t, MS, why), 0);
    assert_int_equal(xf_talk_receive(&t, NULL, MS, &message, why), 0);
    assert_string_equal(xf_talk_text(message, "kind"), "offer");
    assert_int_equal(xf_talk_number(message, "disk"), 3);
    assert_int_equal(xf_talk_number(message, "none"), 0);
    assert_string_equal(xf_talk_text(message, "disk"), "");
    json_object_put(message);
    assert_int_equal(xf_talk_receive_bytes(&t, bytes, 4, MS, why), 0);
    assert_memory_equal(bytes, "ABCD", 4);
    /* None of them is still there. */
    assert_null(memmem(t.held, XF_TALK_LINE_BYTES, "ABCD", 4));
    says("en\"}\n");
    assert_int_equal(xf_talk_hear(&t, "seen", MS, why), 0);
    assert_false(xf_talk_pending(&t));
}

static void its_reason_is_told(void **unused)
{
    (void)unused;
    says("{\"kind\":\"failed\",\"reason\":\"no \\u001b[31mroom\"}\n");
    assert_int_equal(xf_talk_hear(&t, "ready", MS, why), -ECANCELED);
    assert_non_null(strstr(why, "B: no "));
    assert_null(strchr(why, 27));
}

static void what_is_no_message(void **unused)
{
    static const char *const wrong[] = {"\n",
                                        "ready\n",
                                        "[]\n",
                                        "{}\n",
                                        "{\"kind\":7}\n",
                                        "{\"kind\":\"ready\"\n",
                                        "7\n",
                                        "{\"kind\":{\"a\":[[[[[[[[[[1]]]]]]]]]]}}\n"};

    (void)unused;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        says(wrong[i]);
        assert_int_equal(xf_talk_hear(&t, "ready", MS, why), -EBADMSG);
    }
    says("{\"kind\":\"landed\"}\n");
    assert_int_equal(xf_talk_hear(&t, "ready", MS, why), -EPROTO);
}

static void no_line_without_end(void **unused)
{
    char block[4096];
    size_t sent = 0;
    ssize_t n;
    int rc;

    (void)unused;
    memset(block, 'x', sizeof(block));
    do {
        while ((n = send(peer, block, sizeof(block), MSG_DONTWAIT)) > 0)
            sent += (size_t)n;
        rc = xf_talk_hear(&t, "ready", MS, why);
    } while (rc == -ETIMEDOUT && sent < 2 * XF_TALK_LINE_BYTES);
    assert_int_equal(rc, -EMSGSIZE);
}

static void who_says_nothing(void **unused)
{
    static volatile sig_atomic_t stop = 15;

    (void)unused;
    assert_int_equal(xf_talk_hear(&t, "ready", MS, why), -ETIMEDOUT);
    t.stop = &stop;
    assert_int_equal(xf_talk_hear(&t, "ready", 600000, why), -EINTR);
    t.stop = NULL;
    close(peer);
    assert_true(xf_talk_pending(&t));
    assert_int_equal(xf_talk_hear(&t, "ready", MS, why), -EPIPE);
    assert_int_equal(xf_talk_await_start(&t, MS, why), -EPIPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_order, begin, end),
        cmocka_unit_test_setup_teardown(its_reason_is_told, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_message, begin, end),
        cmocka_unit_test_setup_teardown(no_line_without_end, begin, end),
        cmocka_unit_test_setup_teardown(who_says_nothing, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
