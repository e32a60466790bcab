/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * incoming.c over the stand-in for Xen: which domain is the one that xl makes, what is left of its
 * context, and that nothing is set of one that is another, or that somebody has unpaused.
 */
#include "tests/unit/common/unit.h"

#include <xenctrl.h>

#include "xl-plugin/handover/incoming.h"
#include "tests/unit/standins/plugin.h"
#include "tests/unit/standins/xen.h"

#define UUID   "00010203-0405-4607-8809-0a0b0c0d0e0f"
#define DOMID  2u
#define BEFORE 1u /* another of that UUID, that was there first */

static struct xf_incoming in;
static struct standin_domain *guest;
static uint8_t tsc[XF_TSC_BYTES], context[100];

static struct standin_domain *add(uint32_t domid)
{
    static const uint8_t uuid[16] = {0, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, 15};
    struct standin_domain *d = standin_domain_new(domid, 64);

    memcpy(d->uuid, uuid, sizeof(uuid));
    d->paused = true;
    return d;
}

static int setup(void **state)
{
    (void)state;
    standin_reset();
    standin_plugin_reset();
    add(BEFORE);
    assert_int_equal(xf_incoming_open(&in, UUID), 0);
    assert_int_equal(xf_incoming_find(&in), -ENOENT);
    guest = add(DOMID);
    assert_int_equal(xf_incoming_find(&in), 0);
    assert_int_equal(in.domid, DOMID);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    xf_incoming_close(&in);
    return standin.interfaces;
}

static int finish(void)
{
    const struct xf_params set = {.n = 1, .of = {{.index = 1, .value = 2}}};

    return xf_incoming_finish(&in, tsc, context, sizeof(context), &set);
}

static void no_uuid(void **state)
{
    static const char *const texts[] = {"", "x", "0001", UUID "0",
                                        "0001020304054607880Z0a0b0c0d0e0f"};
    struct xf_incoming i;

    (void)state;
    for (size_t n = 0; n < sizeof(texts) / sizeof(texts[0]); n++)
        assert_int_equal(xf_incoming_open(&i, texts[n]), -EINVAL);
}

static void its_state_is_set_once(void **state)
{
    (void)state;
    assert_int_equal(finish(), 0);
    assert_int_equal(guest->contexts_set, 1);
    assert_int_equal(guest->context_set_bytes, sizeof(context));
    assert_int_equal(guest->params_set, 1);
    assert_int_equal(standin.domains[BEFORE].contexts_set, 0);
}

/* It would run at once, before the source has given its go. */
static void not_of_one_that_is_unpaused(void **state)
{
    (void)state;
    guest->paused = false;
    assert_int_equal(finish(), -EBUSY);
    assert_int_equal(guest->contexts_set, 0);
    assert_int_equal(guest->params_set, 0);
}

static void not_of_another(void **state)
{
    (void)state;
    guest->dying = true;
    assert_int_equal(finish(), -ENOENT);
    guest->dying = false;
    guest->uuid[15] ^= 1; /* its number is another's */
    assert_int_equal(finish(), -ENOENT);
    add(3);
    assert_int_equal(finish(), -ENOENT);
    assert_int_equal(guest->contexts_set + standin.domains[3].contexts_set, 0);
}

static void every_call_may_fail(void **state)
{
    static const char *const calls[] = {"xc_domain_getinfolist", "xc_domain_set_tsc_info",
                                        "xc_domain_hvm_setcontext", "xc_hvm_param_set"};

    (void)state;
    for (size_t c = 0; c < 4; c++) {
        standin.fail_call = calls[c];
        standin.fail_at = standin_calls(calls[c]) + 1;
        standin.fail_errno = EPERM;
        assert_int_equal(finish(), -EPERM);
    }
}

/* Of a context the header stays, and an end of zeros behind it. */
static void only_a_header(void **state)
{
    static const uint8_t header[] = {1, 0, 0, 0, 16, 0, 0, 0};
    uint32_t length;
    void *got;

    (void)state;
    memset(guest->context, 0x77, sizeof(guest->context));
    memcpy(guest->context, header, sizeof(header));
    assert_int_equal(xf_incoming_header(&in, &got, &length), 0);
    assert_int_equal(length, 32);
    assert_memory_equal(got, guest->context, 24);
    for (unsigned i = 24; i < 32; i++)
        assert_int_equal(((uint8_t *)got)[i], 0);
    free(got);
    /* Of another type, or longer than all of it. */
    guest->context[0] = 2;
    assert_int_equal(xf_incoming_header(&in, &got, &length), -EBADMSG);
    guest->context[0] = 1;
    guest->context[4] = 49;
    assert_int_equal(xf_incoming_header(&in, &got, &length), -EBADMSG);
    guest->context[4] = 48;
    assert_int_equal(xf_incoming_header(&in, &got, &length), 0);
    free(got);
}

static void pages_come_one_by_one(void **state)
{
    const uint64_t gfns[] = {3, 60};

    (void)state;
    assert_int_equal(xf_incoming_has(&in, gfns, 2), -EAGAIN);
    standin_populate(guest, 3);
    assert_int_equal(xf_incoming_has(&in, gfns, 2), -EAGAIN);
    standin_populate(guest, 60);
    assert_int_equal(xf_incoming_has(&in, gfns, 2), 0);
    guest->exists = false;
    assert_int_equal(xf_incoming_has(&in, gfns, 2), -ESRCH);
    guest->exists = true;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_uuid),
        cmocka_unit_test_setup_teardown(its_state_is_set_once, setup, teardown),
        cmocka_unit_test_setup_teardown(not_of_one_that_is_unpaused, setup, teardown),
        cmocka_unit_test_setup_teardown(not_of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(every_call_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(only_a_header, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_come_one_by_one, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
