/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which frames a grant table takes out of a verification: those that others may write to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "xl-plugin/plugin/granted.h"
#include "xl-plugin/plugin/unsteady.h"

#include <xen/grant_table.h> /* after xenctrl.h, which says for which Xen */

enum { RESERVED = GNTTAB_NR_RESERVED_ENTRIES };

static void test_version_1(void **state)
{
    const grant_entry_v1_t table[] = {
        [GNTTAB_RESERVED_CONSOLE] = {.flags = GTF_permit_access, .frame = 2},
        [GNTTAB_RESERVED_XENSTORE] = {.flags = GTF_permit_access | GTF_writing, .frame = 3},
        [RESERVED] = {.flags = GTF_permit_access | GTF_reading | GTF_writing, .frame = 7},
        {.flags = GTF_permit_access, .frame = 20}, /* that could be written to at any time */
        {.flags = GTF_permit_access | GTF_readonly | GTF_reading, .frame = 21},
        {.flags = GTF_accept_transfer | GTF_writing, .frame = 22},
        {.flags = GTF_invalid | GTF_writing, .frame = 23},
        {.flags = GTF_permit_access, .frame = UINT32_MAX},
    };
    uint64_t frames[sizeof table / sizeof table[0]];

    (void)state;
    assert_int_equal(xf_granted_entries(1, table, sizeof table, frames), 3);
    assert_int_equal(frames[0], 7);
    assert_int_equal(frames[1], 20);
    assert_int_equal(frames[2], UINT32_MAX);
    /* Half an entry is none; nor is there one in a table that has only the reserved ones. */
    assert_int_equal(xf_granted_entries(1, table, (RESERVED + 1) * sizeof table[0] - 1, frames), 0);
    assert_int_equal(xf_granted_entries(1, table, RESERVED * sizeof table[0], frames), 0);
}

static void test_version_2(void **state)
{
    grant_entry_v2_t table[RESERVED + 4], *entry = table + RESERVED;
    uint64_t frames[RESERVED + 4];

    (void)state;
    memset(table, 0, sizeof table);
    table[0].full_page.hdr.flags = GTF_permit_access;
    entry[0].full_page.hdr.flags = GTF_permit_access;
    entry[0].full_page.frame = 7;
    entry[1].full_page.hdr.flags = GTF_permit_access | GTF_readonly;
    entry[1].full_page.frame = 8;
    entry[2].sub_page.hdr.flags = GTF_permit_access | GTF_sub_page;
    entry[2].sub_page.frame = UINT64_MAX;
    entry[3].full_page.hdr.flags = GTF_accept_transfer;
    entry[3].full_page.frame = 10;
    assert_int_equal(xf_granted_entries(2, table, sizeof table, frames), 2);
    assert_int_equal(frames[0], 7);
    assert_int_equal(frames[1], UINT64_MAX);
}

/* What comes from a peer or from a grant table is in any order. */
static void test_sorted(void **state)
{
    uint64_t pages[] = {9, UINT64_MAX, 3, 9, 0};

    (void)state;
    xf_unsteady_sort(pages, 5);
    for (unsigned i = 1; i < 5; i++)
        assert_true(pages[i - 1] <= pages[i]);
    assert_true(xf_unsteady_has(pages, 5, 0));
    assert_true(xf_unsteady_has(pages, 5, 9));
    assert_true(xf_unsteady_has(pages, 5, UINT64_MAX));
    assert_false(xf_unsteady_has(pages, 5, 4));
    assert_false(xf_unsteady_has(pages, 0, 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
