/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest_source.c over the stand-in for Xen: which frame of a batch does not map, and why; how many
 * types are asked for at a time; guests with more than 2^20 gfns.
 */
#include "tests/unit/common/unit.h"

#include <unistd.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "transport/base/bitmap.h"
#include "xl-plugin/plugin/guest_source.h"
#include "tests/unit/standins/plugin.h"
#include "tests/unit/standins/xen.h"

#define DOMID 1u
#define BATCH XF_MAP_BATCH_PAGES
/* What libxencall's buffers of one page take. */
#define TYPES_AT_ONCE 510u

static struct standin_domain *guest;
static struct xf_xen_source *source;
static struct xf_guest_source ops;
static uint64_t *present;

static int suspend(void *data)
{
    (void)data;
    guest->shutdown = true;
    guest->reason = SHUTDOWN_suspend;
    return 1;
}

static const struct save_callbacks callbacks = {.suspend = suspend};

/* A guest of so many gfns, the first `populated` with pages, whose log is on. */
static void open_guest(uint64_t page_count, uint64_t populated)
{
    uint64_t known = 0;
    int rc;

    standin_reset();
    standin_plugin_reset();
    guest = standin_domain_new(DOMID, page_count);
    for (uint64_t gfn = 0; gfn < populated; gfn++) {
        standin_populate(guest, gfn);
        standin_write(guest, gfn, gfn + 1);
    }
    assert_int_equal(xf_xen_source_new(&source, (xc_interface *)&standin, DOMID, &callbacks, false),
                     0);
    ops = xf_xen_source_guest(source);
    assert_int_equal(ops.ops->lanes(ops.ctx, 1), 0);
    assert_int_equal(ops.page_count, page_count);
    present = xf_bitmap_new(page_count);
    do
        rc = ops.ops->start(ops.ctx, present, &known);
    while (rc == -EAGAIN);
    assert_int_equal(rc, 0);
}

static void close_guest(void)
{
    xf_xen_source_free(source);
    free(present);
    assert_false(guest->logdirty);
    assert_int_equal(standin.interfaces, 0);
    assert_int_equal(standin.mappings, 0);
}

static int map_all(const void **pages)
{
    uint64_t gfns[BATCH];

    for (unsigned i = 0; i < BATCH; i++)
        gfns[i] = i;
    return ops.ops->map(ops.ctx, 0, gfns, BATCH, pages);
}

static uint64_t bad_gfn;
static unsigned refusals; /* that are left */

static int one_refuses(uint32_t domid, uint64_t gfn)
{
    (void)domid;
    if (gfn != bad_gfn || !refusals)
        return 0;
    refusals--;
    return EPERM;
}

/* Content that cannot be mapped is never left out, at whatever place of the batch it stands. */
static void any_frame_may_refuse(void **state)
{
    const void *pages[BATCH];
    char name[60];

    (void)state;
    open_guest(BATCH, BATCH);
    standin.frame_error = one_refuses;
    for (bad_gfn = 0; bad_gfn < BATCH; bad_gfn++) {
        standin_plugin.said[0] = 0;
        refusals = 1000;
        assert_int_equal(map_all(pages), -EPERM);
        snprintf(name, sizeof(name), "cannot map page %#llx, which", (unsigned long long)bad_gfn);
        assert_true(standin_said(name));
        assert_true(standin_said(strerror(EPERM)));
    }
    close_guest();
}

/* One that was away for a moment only is mapped after all. */
static void a_frame_that_comes_back_is_mapped(void **state)
{
    const void *pages[BATCH];

    (void)state;
    open_guest(BATCH, BATCH);
    standin.frame_error = one_refuses;
    bad_gfn = 700;
    refusals = 1;
    assert_int_equal(map_all(pages), 0);
    for (unsigned i = 0; i < BATCH; i++) {
        assert_non_null(pages[i]);
        assert_int_equal(*(const uint64_t *)pages[i], i + 1);
    }
    close_guest();
}

/* What the guest has given back is no page, and all others are. */
static void any_frame_may_be_given_back(void **state)
{
    (void)state;
    for (unsigned pvh = 0; pvh < 2; pvh++) {
        open_guest(BATCH, BATCH);
        standin.pvh_dom0 = pvh;
        for (uint64_t gone = 0; gone < BATCH; gone += 1 + gone % 37) {
            const void *pages[BATCH];

            standin_give_back(guest, gone);
            assert_int_equal(map_all(pages), 0);
            for (unsigned i = 0; i < BATCH; i++)
                assert_true(i == gone ? !pages[i] : pages[i] != NULL);
            standin_populate(guest, gone);
        }
        close_guest();
    }
}

/* All of them: their types take more than one query. */
static void all_frames_may_be_given_back(void **state)
{
    const void *pages[BATCH];

    (void)state;
    open_guest(BATCH, BATCH);
    for (uint64_t gfn = 0; gfn < BATCH; gfn++)
        standin_give_back(guest, gfn);
    assert_int_equal(map_all(pages), 0);
    for (unsigned i = 0; i < BATCH; i++)
        assert_null(pages[i]);
    assert_int_equal(standin.most_types, TYPES_AT_ONCE);
    close_guest();
}

static void more_gfns_than_a_million(void **state)
{
    const uint64_t count = (UINT64_C(1) << 21) + 77, far = count - 3;
    const void *pages[1];
    uint64_t dirty_pages;

    (void)state;
    open_guest(count, 3000);
    assert_int_equal(xf_bitmap_count(present, count), 3000);
    assert_int_equal(xf_bitmap_next(present, count, 3000), count);
    assert_int_equal(standin.most_types, TYPES_AT_ONCE);
    assert_true(standin.types_asked >= count);

    standin_populate(guest, far);
    guest->logged[far / 64] |= UINT64_C(1) << far % 64;
    standin_write(guest, far, 99);
    memset(present, 0, xf_bitmap_words(count) * sizeof(*present));
    assert_int_equal(ops.ops->dirty(ops.ctx, present, false, &dirty_pages), 0);
    assert_true(xf_bitmap_test(present, far));
    assert_int_equal(ops.ops->present(ops.ctx, present), 0);
    assert_true(xf_bitmap_test(present, far));
    assert_int_equal(ops.ops->map(ops.ctx, 0, &far, 1, pages), 0);
    assert_int_equal(*(const uint64_t *)pages[0], 99);
    close_guest();
}

static int dear_types(const char *call, unsigned number)
{
    (void)number;
    if (!strcmp(call, "xc_get_pfn_type_batch"))
        usleep(2000);
    return 0;
}

/* Where a query is dear, the session may speak after each. What is known is whole chunks. */
static void starts_in_small_steps(void **state)
{
    const uint64_t count = 5000;
    uint64_t known = 0, before;
    unsigned steps = 0;
    int rc;

    (void)state;
    open_guest(count, 3000);
    xf_xen_source_free(source);
    assert_int_equal(xf_xen_source_new(&source, (xc_interface *)&standin, DOMID, &callbacks, false),
                     0);
    ops = xf_xen_source_guest(source);
    assert_int_equal(ops.ops->lanes(ops.ctx, 1), 0);
    memset(present, 0, xf_bitmap_words(count) * sizeof(*present));
    standin.hook = dear_types;
    do {
        const unsigned calls = standin_calls("xc_get_pfn_type_batch");

        before = known;
        rc = ops.ops->start(ops.ctx, present, &known);
        assert_true(known >= before && (known % XF_CHUNK_PAGES == 0 || known == count));
        assert_int_equal(standin_calls("xc_get_pfn_type_batch"), calls + 1);
        steps++;
    } while (rc == -EAGAIN);
    assert_int_equal(rc, 0);
    assert_int_equal(known, count);
    assert_int_equal(steps, (count + TYPES_AT_ONCE - 1) / TYPES_AT_ONCE);
    assert_int_equal(xf_bitmap_count(present, count), 3000);
    close_guest();
}

/* Where the hand-over is early: not in the first round, nor dirty, and nobody takes them for pages
   that the guest has just got. */
static void special_pages_do_not_travel(void **state)
{
    const uint64_t count = 5000;
    uint64_t known = 0, n, *dirty = xf_bitmap_new(count);
    int rc;

    (void)state;
    open_guest(count, 3000);
    xf_xen_source_free(source);
    assert_int_equal(xf_xen_source_new(&source, (xc_interface *)&standin, DOMID, &callbacks, true),
                     0);
    ops = xf_xen_source_guest(source);
    assert_int_equal(ops.ops->lanes(ops.ctx, 1), 0);
    memset(present, 0, xf_bitmap_words(count) * sizeof(*present));
    standin.hook = dear_types;
    do
        rc = ops.ops->start(ops.ctx, present, &known);
    while (rc == -EAGAIN);
    assert_int_equal(rc, 0);
    standin.hook = NULL;
    assert_int_equal(xf_bitmap_count(present, count), 2998);
    assert_false(xf_bitmap_test(present, 3)); /* xenstore's, and the console's */
    assert_false(xf_bitmap_test(present, 4));

    for (uint64_t gfn = 2; gfn < 6; gfn++)
        standin_write(guest, gfn, 77);
    standin_populate(guest, 4000);
    assert_int_equal(ops.ops->dirty(ops.ctx, dirty, false, &n), 0);
    assert_int_equal(n, 3);
    assert_true(xf_bitmap_test(dirty, 2) && xf_bitmap_test(dirty, 5));
    assert_true(xf_bitmap_test(dirty, 4000));
    xf_bitmap_set_range(dirty, 0, 10);
    assert_int_equal(ops.ops->present(ops.ctx, dirty), 0);
    assert_false(xf_bitmap_test(dirty, 3) || xf_bitmap_test(dirty, 4));
    assert_true(xf_bitmap_test(dirty, 2) && xf_bitmap_test(dirty, 9));
    free(dirty);
    close_guest();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_frame_may_refuse),
        cmocka_unit_test(a_frame_that_comes_back_is_mapped),
        cmocka_unit_test(any_frame_may_be_given_back),
        cmocka_unit_test(all_frames_may_be_given_back),
        cmocka_unit_test(more_gfns_than_a_million),
        cmocka_unit_test(starts_in_small_steps),
        cmocka_unit_test(special_pages_do_not_travel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
