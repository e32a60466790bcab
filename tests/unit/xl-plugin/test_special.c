/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * special.c: the record that says where a guest's special pages are, as a source may send it, whole
 * and wrong, and what of it may have changed at the end.
 */
#include "tests/unit/common/unit.h"

#include <string.h>

#include "xl-plugin/plugin/special.h"

#include <xen/hvm/params.h> /* wants xenctrl.h before it */

#define PAGES 64u

struct body {
    uint32_t count, reserved;
    uint64_t of[XF_PARAMS_MAX + 1][2];
};

static struct body body;
static char why[XF_SPECIAL_WHY];

static void add(uint64_t index, uint64_t value)
{
    body.of[body.count][0] = index;
    body.of[body.count++][1] = value;
}

/* What a PVH guest of Xen 4.17 has. */
static void begin(void)
{
    memset(&body, 0, sizeof(body));
    add(HVM_PARAM_STORE_PFN, 40);
    add(HVM_PARAM_IOREQ_PFN, 42);
    add(HVM_PARAM_BUFIOREQ_PFN, 41);
    add(HVM_PARAM_CONSOLE_PFN, 43);
    add(HVM_PARAM_IDENT_PT, 44 << 12);
}

static uint32_t length(void)
{
    return 8 + body.count * 16;
}

static int decode(struct xf_params *p)
{
    why[0] = 0;
    return xf_params_decode(p, &body, length(), PAGES, why);
}

static void refused(const char *words)
{
    struct xf_params p;

    assert_int_equal(decode(&p), -EBADMSG);
    assert_non_null(strstr(why, words));
}

static void a_record_names_its_pages(void **state)
{
    uint64_t gfns[XF_SPECIAL_MAX];
    struct xf_params p;

    (void)state;
    begin();
    assert_int_equal(decode(&p), 0);
    assert_int_equal(p.n, 5);
    assert_int_equal(xf_params_special(&p, gfns), 4);
    assert_int_equal(gfns[0] + gfns[1] + gfns[2] + gfns[3], 40 + 41 + 42 + 43);
    /* Two on one page are one page. */
    body.of[2][1] = 42;
    assert_int_equal(decode(&p), 0);
    assert_int_equal(xf_params_special(&p, gfns), 3);
    /* Without a device model's. */
    memset(&body, 0, sizeof(body));
    add(HVM_PARAM_STORE_PFN, 1);
    add(HVM_PARAM_CONSOLE_PFN, PAGES - 1);
    assert_int_equal(decode(&p), 0);
    assert_int_equal(xf_params_special(&p, gfns), 2);
}

static void what_cannot_be_is_refused(void **state)
{
    struct xf_params p;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        begin();
        body.of[i][1] = PAGES;
        refused("nowhere in the guest");
        body.of[i][1] = UINT64_MAX;
        refused("nowhere in the guest");
        body.of[i][1] = 0;
        refused("cannot be");
    }
    begin();
    body.of[0][0] = HVM_PARAM_VIRIDIAN; /* no xenstore's ring */
    refused("nowhere in the guest");
    begin();
    add(HVM_PARAM_STORE_PFN, 50);
    refused("cannot be");
    begin();
    add(HVM_NR_PARAMS, 1);
    refused("cannot be");
    begin();
    for (uint32_t wrong = 0; wrong < length() + 40; wrong++)
        if (wrong != length())
            assert_int_equal(xf_params_decode(&p, &body, wrong, PAGES, why), -EBADMSG);
    body.count = XF_PARAMS_MAX + 1;
    refused("length");
    body.count = UINT32_MAX;
    assert_int_equal(xf_params_decode(&p, &body, 8, PAGES, why), -EBADMSG);
}

static void only_the_guests_own_may_change(void **state)
{
    struct xf_params early, late, set;

    (void)state;
    begin();
    add(HVM_PARAM_VM86_TSS_SIZED, 7);
    assert_int_equal(decode(&early), 0);
    assert_int_equal(xf_params_changes(&early, &early, &set, why), 0);
    assert_int_equal(set.n, 0);
    /* Changed, gone and new. */
    body.count = 5;
    add(HVM_PARAM_X87_FIP_WIDTH, 8);
    assert_int_equal(decode(&late), 0);
    assert_int_equal(xf_params_changes(&early, &late, &set, why), 0);
    assert_int_equal(set.n, 2);
    assert_int_equal(set.of[0].index, HVM_PARAM_VM86_TSS_SIZED);
    assert_int_equal(set.of[0].value, 0);
    assert_int_equal(set.of[1].index, HVM_PARAM_X87_FIP_WIDTH);
    assert_int_equal(set.of[1].value, 8);
    for (unsigned i = 0; i < 5; i++) {
        begin();
        assert_int_equal(decode(&early), 0);
        body.of[i][1]--;
        assert_int_equal(decode(&late), 0);
        assert_int_equal(xf_params_changes(&early, &late, &set, why), -EBADMSG);
        assert_non_null(strstr(why, "changed meanwhile"));
        assert_int_equal(xf_params_changes(&late, &early, &set, why), -EBADMSG);
    }
    begin();
    assert_int_equal(decode(&early), 0);
    add(HVM_PARAM_VIRIDIAN, 1);
    assert_int_equal(decode(&late), 0);
    assert_int_equal(xf_params_changes(&early, &late, &set, why), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_names_its_pages),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(only_the_guests_own_may_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
