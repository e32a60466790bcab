/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest_sink.c over the stand-in for Xen: memory by superpages and without, memory that ends in the
 * middle, frames that do not map, guests with more than 2^20 gfns.
 */
#include "tests/unit/common/unit.h"

#include <xenctrl.h>

#include "transport/base/bitmap.h"
#include "xl-plugin/plugin/guest_sink.h"
#include "tests/unit/standins/plugin.h"
#include "tests/unit/standins/xen.h"

#define DOMID 2u
#define CHUNK XF_CHUNK_PAGES

static struct standin_domain *guest;
static struct xf_xen_sink *sink;
static struct xf_guest_sink ops;

static void open_guest(uint64_t page_count)
{
    standin_reset();
    standin_plugin_reset();
    guest = standin_domain_new(DOMID, page_count);
    assert_int_equal(xf_xen_sink_new(&sink, DOMID, page_count), 0);
    ops = xf_xen_sink_guest(sink);
    assert_int_equal(ops.ops->lanes(ops.ctx, 1), 0);
}

static void close_guest(void)
{
    xf_xen_sink_free(sink);
    assert_int_equal(standin.interfaces, 0);
    assert_int_equal(standin.mappings, 0);
    assert_int_equal(guest->populated_twice, 0);
}

static int populate(uint64_t first, uint64_t count)
{
    return ops.ops->populate(ops.ctx, 0, first, count);
}

static void whole_chunks_are_superpages(void **state)
{
    (void)state;
    open_guest(10 * CHUNK);
    assert_int_equal(populate(CHUNK - 5, 3 * CHUNK + 9), 0);
    assert_int_equal(guest->large_pages, 3);
    assert_int_equal(guest->small_pages, 9);
    for (uint64_t gfn = 0; gfn < 10 * CHUNK; gfn++)
        assert_int_equal(xf_bitmap_test(guest->present, gfn),
                         gfn >= CHUNK - 5 && gfn < 4 * CHUNK + 4);
    close_guest();
}

static void small_pages_where_there_are_no_superpages(void **state)
{
    (void)state;
    open_guest(10 * CHUNK);
    guest->superpages = 1;
    assert_int_equal(populate(0, 4 * CHUNK), 0);
    assert_int_equal(guest->large_pages, 1);
    assert_int_equal(guest->small_pages, 3 * CHUNK);
    assert_int_equal(xf_xen_sink_stats(sink).superpages_refused, 3);
    close_guest();
}

/* The first page that there is no memory for is named. */
static void memory_may_end_anywhere(void **state)
{
    (void)state;
    for (uint64_t room = 0; room < 3 * CHUNK; room += 1 + room % 61) {
        char name[60];

        open_guest(4 * CHUNK);
        guest->room = room;
        guest->superpages = 0;
        assert_int_equal(populate(7, 3 * CHUNK), -ENOMEM);
        snprintf(name, sizeof(name), "no memory for page %#llx ", (unsigned long long)room + 7);
        assert_true(standin_said(name));
        close_guest();
    }
}

/* Where the hand-over is early, four pages are there before the memory comes. */
static void pages_that_are_not_the_sources_to_send(void **state)
{
    static const uint64_t special[] = {3, CHUNK, 2 * CHUNK - 1, 3 * CHUNK};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        open_guest(4 * CHUNK);
        xf_xen_sink_keep_out(sink, special, 4);
        assert_int_equal(populate(special[i], 1), -EBADMSG);
        assert_true(standin_said("which is not its to send"));
        assert_int_equal(populate(special[i] - 3, 4), -EBADMSG);
        assert_int_equal(populate(0, 4 * CHUNK), -EBADMSG);
        assert_int_equal(guest->tot_pages, 0);
        assert_int_equal(populate(special[i] - 3, 3), 0);
        assert_int_equal(populate(special[i] + 1, 2), 0);
        close_guest();
    }
}

static void a_call_that_fails_is_not_taken_for_no_memory(void **state)
{
    (void)state;
    open_guest(CHUNK);
    standin.fail_call = "xc_domain_populate_physmap";
    standin.fail_at = 1;
    standin.fail_errno = EPERM;
    assert_int_equal(populate(0, 3), -EPERM);
    assert_true(standin_said(strerror(EPERM)));
    close_guest();
}

static uint64_t bad_gfn;

static int one_refuses(uint32_t domid, uint64_t gfn)
{
    (void)domid;
    return gfn == bad_gfn ? ENOSPC : 0;
}

/* A page that has memory and does not map: in a PVH dom0 what is written to it would be lost. */
static void any_populated_frame_may_refuse(void **state)
{
    (void)state;
    for (unsigned pvh = 0; pvh < 2; pvh++) {
        open_guest(4 * CHUNK);
        standin.pvh_dom0 = pvh;
        standin.frame_error = one_refuses;
        assert_int_equal(populate(CHUNK, 2 * CHUNK - 1), 0);
        for (bad_gfn = CHUNK; bad_gfn < 3 * CHUNK - 1; bad_gfn++) {
            void *base = NULL;
            char name[60];

            standin_plugin.said[0] = 0;
            assert_int_equal(ops.ops->map_chunk(ops.ctx, 0, bad_gfn / CHUNK, &base), -ENOSPC);
            assert_null(base);
            snprintf(name, sizeof(name), "cannot map page %#llx, which",
                     (unsigned long long)bad_gfn);
            assert_true(standin_said(name));
        }
        close_guest();
    }
}

/* A chunk maps although some of its gfns have no memory, the last one's end too. */
static void holes_do_not_matter(void **state)
{
    void *base;

    (void)state;
    open_guest(2 * CHUNK + 3);
    bad_gfn = 2 * CHUNK + 1;
    standin.frame_error = one_refuses; /* of a page that has none anyhow */
    assert_int_equal(populate(2 * CHUNK, 1), 0);
    assert_int_equal(populate(2 * CHUNK + 2, 1), 0);
    assert_int_equal(ops.ops->map_chunk(ops.ctx, 0, 2, &base), 0);
    memset(base, 0x33, XF_PAGE_BYTES);
    assert_int_equal(guest->memory[2 * CHUNK * XF_PAGE_BYTES + 9], 0x33);
    ops.ops->unmap_chunk(ops.ctx, 0, 2, base);
    close_guest();
}

static void more_gfns_than_a_million(void **state)
{
    const uint64_t count = (UINT64_C(1) << 21) + 77;
    void *base;

    (void)state;
    open_guest(count);
    assert_int_equal(populate(count - 77 - CHUNK, CHUNK + 77), 0);
    assert_int_equal(guest->large_pages, 1);
    assert_int_equal(guest->small_pages, 77);
    assert_int_equal(ops.ops->map_chunk(ops.ctx, 0, count / CHUNK, &base), 0);
    memset((uint8_t *)base + 76 * XF_PAGE_BYTES, 0x44, XF_PAGE_BYTES);
    assert_int_equal(guest->memory[(count - 1) * XF_PAGE_BYTES], 0x44);
    ops.ops->unmap_chunk(ops.ctx, 0, count / CHUNK, base);
    close_guest();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_chunks_are_superpages),
        cmocka_unit_test(small_pages_where_there_are_no_superpages),
        cmocka_unit_test(memory_may_end_anywhere),
        cmocka_unit_test(pages_that_are_not_the_sources_to_send),
        cmocka_unit_test(a_call_that_fails_is_not_taken_for_no_memory),
        cmocka_unit_test(any_populated_frame_may_refuse),
        cmocka_unit_test(holes_do_not_matter),
        cmocka_unit_test(more_gfns_than_a_million),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
