/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chunks: never more mapped than may be, whatever is asked for; and a guest that is written to all
   over, round by round, is not mapped anew in each. */
#include "tests/unit/common/unit.h"

#include "transport/base/bitmap.h"
#include "transport/chunks.h"
#include "transport/base/random.h"

#define CHUNKS 4096u

static const struct xf_stripe one = {.lane = 0, .lanes = 1};

/* Where a chunk is mapped says which it is. (Nothing is read there.) */
static char place[CHUNKS + XF_CHUNK_PAGES * XF_PAGE_BYTES];

struct sink {
    uint64_t mapped[CHUNKS / 64];
    uint32_t now, most, room; /* mapped; ever at once; what the kernel takes */
    uint64_t maps, pages;
    uint64_t part[CHUNKS]; /* 0: all of it is mapped; else the gfn that a part begins with */
    bool broken;
};

static int map_chunk(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    (void)lane;
    struct sink *s = ctx;

    assert_true(chunk < CHUNKS);
    assert_false(xf_bitmap_test(s->mapped, chunk));
    if (s->broken)
        return -EIO;
    if (s->now == s->room)
        return -ENOMEM;
    xf_bitmap_set(s->mapped, chunk);
    if (++s->now > s->most)
        s->most = s->now;
    s->maps++;
    s->pages += XF_CHUNK_PAGES;
    s->part[chunk] = 0;
    *base = &place[chunk];
    return 0;
}

static void unmap_chunk(void *ctx, unsigned lane, uint64_t chunk, void *base)
{
    (void)lane;
    struct sink *s = ctx;

    assert_ptr_equal(base, &place[chunk]);
    assert_true(xf_bitmap_test(s->mapped, chunk));
    xf_bitmap_clear(s->mapped, chunk);
    s->now--;
}

/* A part is where it is in its chunk, so that base says which. */
static int map_part(void *ctx, unsigned lane, uint64_t first, void **base)
{
    (void)lane;
    struct sink *s = ctx;
    const uint64_t chunk = first / XF_CHUNK_PAGES;
    int rc;

    assert_int_equal(first % XF_PART_PAGES, 0);
    rc = map_chunk(ctx, lane, chunk, base);
    if (rc)
        return rc;
    s->pages -= XF_CHUNK_PAGES - XF_PART_PAGES;
    s->part[chunk] = first;
    *base = &place[chunk] + first % XF_CHUNK_PAGES * XF_PAGE_BYTES;
    return 0;
}

static void unmap_part(void *ctx, unsigned lane, uint64_t first, void *base)
{
    (void)lane;
    struct sink *s = ctx;
    const uint64_t chunk = first / XF_CHUNK_PAGES;

    assert_int_equal(s->part[chunk], first);
    unmap_chunk(ctx, lane, chunk, (char *)base - first % XF_CHUNK_PAGES * XF_PAGE_BYTES);
}

static const struct xf_guest_sink_ops ops = {.map_chunk = map_chunk, .unmap_chunk = unmap_chunk};
static const struct xf_guest_sink_ops ops_parts = {.map_chunk = map_chunk,
                                                   .unmap_chunk = unmap_chunk,
                                                   .map_part = map_part,
                                                   .unmap_part = unmap_part};

static void open_chunks(struct xf_chunks *c, struct sink *s, uint32_t chunks, uint32_t most,
                        bool parts)
{
    struct xf_guest_sink guest = {.ops = parts ? &ops_parts : &ops,
                                  .ctx = s,
                                  .page_count = (uint64_t)chunks * XF_CHUNK_PAGES - 7,
                                  .chunks_max = most,
                                  .parts = parts};

    memset(s, 0, sizeof(*s));
    s->room = UINT32_MAX;
    assert_int_equal(xf_chunks_init(c, &guest, &one), 0);
}

static void touch(struct xf_chunks *c, uint64_t chunk)
{
    const uint64_t gfn = chunk * XF_CHUNK_PAGES;

    if (!xf_chunks_at(c, gfn))
        assert_int_equal(xf_chunks_map(c, gfn), 0);
    assert_ptr_equal(xf_chunks_at(c, gfn), &place[chunk]);
}

static void test_a_guest_that_fits_is_mapped_once(void **state)
{
    struct xf_chunks c;
    struct sink s;

    (void)state;
    open_chunks(&c, &s, 1000, 1000, false);
    for (unsigned round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < 1000; i++) {
            touch(&c, i);
            assert_false(xf_chunks_rest(&c));
        }
        xf_chunks_next_round(&c);
    }
    assert_int_equal(s.maps, 1000);
    xf_chunks_fini(&c);
    assert_int_equal(s.now, 0);
}

/* Four times as many as may be mapped: the share that may costs nothing, round after round. */
static void test_a_guest_that_writes_all_over(void **state)
{
    struct xf_chunks c;
    struct sink s;

    (void)state;
    open_chunks(&c, &s, 4096, 1024, false);
    for (uint64_t i = 0; i < 4096; i++)
        touch(&c, i);
    uint64_t first = s.maps;

    assert_int_equal(first, 4096);
    for (unsigned round = 0; round < 10; round++) {
        xf_chunks_next_round(&c);
        for (uint64_t i = 0; i < 4096; i++)
            touch(&c, i);
    }
    /* At least 7 of 8 of the 1024 were there each time. */
    assert_true(s.maps - first <= UINT64_C(10) * (4096 - 1024 * 7 / 8));
    assert_int_equal(s.most, 1024);
    assert_int_equal(c.mapped_most, 1024);
    xf_chunks_fini(&c);
    assert_int_equal(s.now, 0);
}

/* It writes here, then there: soon what it writes is what is kept. */
static void test_a_guest_that_writes_in_places(void **state)
{
    static const uint64_t from[] = {3000, 100, 2000};
    struct xf_chunks c;
    struct sink s;

    (void)state;
    open_chunks(&c, &s, 4096, 1024, false);
    for (uint64_t i = 0; i < 4096; i++)
        touch(&c, i);
    for (unsigned p = 0; p < 3; p++) {
        for (unsigned round = 0; round < 10; round++) {
            uint64_t before = s.maps;

            xf_chunks_next_round(&c);
            for (uint64_t i = 0; i < 800; i++)
                touch(&c, from[p] + i);
            if (round >= 2)
                assert_int_equal(s.maps, before);
        }
    }
    assert_int_equal(s.most, 1024);
    xf_chunks_fini(&c);
}

/* What passes goes in quiet moments, so that the next round need not wait for it; not all of it,
   because a round may be there just now. */
static void test_rest(void **state)
{
    struct xf_chunks c;
    struct sink s;
    unsigned rested = 0;

    (void)state;
    open_chunks(&c, &s, 4096, 1024, false);
    for (uint64_t i = 0; i < 4096; i++)
        touch(&c, i);
    assert_int_equal(s.now, 1024);
    while (xf_chunks_rest(&c))
        rested++;
    assert_int_equal(rested, 64);
    assert_int_equal(s.now, 1024 - 64);
    for (uint64_t i = 4096 - 64; i < 4096; i++)
        assert_non_null(xf_chunks_at(&c, i * XF_CHUNK_PAGES));
    xf_chunks_fini(&c);
}

/* The kernel has room for fewer than was thought. */
static void test_no_room(void **state)
{
    struct xf_chunks c;
    struct sink s;

    (void)state;
    for (uint32_t room = 1; room < 40; room++) {
        open_chunks(&c, &s, 4096, room % 2 ? 64 : 4096, room % 3 == 0);
        s.room = room;
        for (unsigned round = 0; round < 2; round++) {
            for (uint64_t i = 0; i < 4096; i++)
                touch(&c, i);
            xf_chunks_next_round(&c);
        }
        /* It does not run into the end again and again. */
        assert_true(room < 8 || c.kept_max + c.passing_max < room);
        s.room = 0;
        xf_chunks_unmap_all(&c);
        assert_int_equal(xf_chunks_map(&c, 5 * XF_CHUNK_PAGES), -ENOMEM);
        s.room = room;
        s.broken = true;
        assert_int_equal(xf_chunks_map(&c, 5 * XF_CHUNK_PAGES), -EIO);
        assert_null(xf_chunks_at(&c, 5 * XF_CHUNK_PAGES));
        xf_chunks_fini(&c);
        assert_int_equal(s.now, 0);
    }
}

static void touch_page(struct xf_chunks *c, struct sink *s, uint64_t gfn)
{
    const uint64_t chunk = gfn / XF_CHUNK_PAGES;
    const uint8_t *want = (const uint8_t *)&place[chunk] + gfn % XF_CHUNK_PAGES * XF_PAGE_BYTES;

    if (!xf_chunks_at(c, gfn))
        assert_int_equal(xf_chunks_map(c, gfn), 0);
    assert_ptr_equal(xf_chunks_at(c, gfn), want);
    if (s->part[chunk])
        assert_in_range(gfn, s->part[chunk], s->part[chunk] + XF_PART_PAGES - 1);
}

/* One page of each chunk in each round: a part of each is mapped, not all of it; and where much of
   one comes, all of it soon. */
static void test_parts(void **state)
{
    struct xf_random random = {.state = 5};
    struct xf_chunks c;
    struct sink s;

    (void)state;
    open_chunks(&c, &s, 4096, 1024, true);
    for (uint64_t gfn = 0; gfn < 4096 * XF_CHUNK_PAGES - 7; gfn += 5)
        touch_page(&c, &s, gfn);
    assert_int_equal(s.maps, 4096);
    assert_int_equal(s.pages, UINT64_C(4096) * XF_CHUNK_PAGES);
    for (unsigned round = 0; round < 10; round++) {
        s.pages = s.maps = 0;
        xf_chunks_next_round(&c);
        for (uint64_t i = 0; i < 4095; i++)
            touch_page(&c, &s, i * XF_CHUNK_PAGES + xf_random_below(&random, XF_CHUNK_PAGES));
        assert_true(s.maps <= 4096 - 1024 * 7 / 8);
        assert_int_equal(s.pages, s.maps * XF_PART_PAGES);
    }
    s.pages = s.maps = 0;
    xf_chunks_next_round(&c);
    xf_chunks_unmap(&c, 4000);
    for (uint64_t gfn = 4000 * XF_CHUNK_PAGES; gfn < 4001 * XF_CHUNK_PAGES; gfn++)
        touch_page(&c, &s, gfn);
    assert_int_equal(s.maps, 5);
    assert_int_equal(s.pages, 4 * XF_PART_PAGES + XF_CHUNK_PAGES);
    /* Hashes come of all pages. */
    s.pages = s.maps = 0;
    c.whole = true;
    touch_page(&c, &s, 3500 * XF_CHUNK_PAGES + 99);
    assert_int_equal(s.pages, XF_CHUNK_PAGES);
    assert_int_equal(s.most, 1024);
    xf_chunks_fini(&c);
    assert_int_equal(s.now, 0);
}

/* Memory that is zeros is not mapped to see that. */
static void test_zeros(void **state)
{
    struct sink s = {.room = UINT32_MAX};
    struct xf_guest_sink guest = {.ops = &ops_parts,
                                  .ctx = &s,
                                  .page_count = 1000 * XF_CHUNK_PAGES - 7,
                                  .gives_zeros = true,
                                  .parts = true};
    struct xf_chunks c;

    (void)state;
    assert_int_equal(xf_chunks_init(&c, &guest, &one), 0);
    assert_int_equal(xf_chunks_skip_unseen(&c, 3, guest.page_count), guest.page_count);
    touch_page(&c, &s, 5 * XF_PART_PAGES + 1);
    touch_page(&c, &s, guest.page_count - 1);
    assert_int_equal(s.pages, 2 * XF_PART_PAGES);
    assert_int_equal(xf_chunks_skip_unseen(&c, 3, guest.page_count), 5 * XF_PART_PAGES);
    assert_int_equal(xf_chunks_skip_unseen(&c, 3, 20), 20);
    assert_int_equal(xf_chunks_skip_unseen(&c, 5 * XF_PART_PAGES + 7, guest.page_count),
                     5 * XF_PART_PAGES + 7);
    assert_int_equal(xf_chunks_skip_unseen(&c, 6 * XF_PART_PAGES, guest.page_count),
                     (guest.page_count - 1) / XF_PART_PAGES * XF_PART_PAGES);
    xf_chunks_fini(&c);
    assert_int_equal(s.now, 0);
}

static void test_at_random(void **state)
{
    struct xf_random random = {.state = 1};
    struct xf_chunks c;
    struct sink s;

    (void)state;
    for (unsigned run = 0; run < 50; run++) {
        uint32_t most = 1 + (uint32_t)xf_random_below(&random, 200);

        open_chunks(&c, &s, 300, most, run % 3);
        for (unsigned i = 0; i < 20000; i++) {
            uint64_t chunk = xf_random_below(&random, 300);

            switch (xf_random_below(&random, 12)) {
            case 0:
                xf_chunks_unmap(&c, chunk);
                assert_null(xf_chunks_at(&c, chunk * XF_CHUNK_PAGES));
                break;
            case 1:
                xf_chunks_rest(&c);
                break;
            case 2:
                if (!xf_random_below(&random, 100))
                    s.room = (uint32_t)xf_random_below(&random, 250) + 1 + s.now;
                if (!xf_random_below(&random, 50))
                    xf_chunks_next_round(&c);
                break;
            default:
                touch_page(&c, &s, chunk * XF_CHUNK_PAGES + xf_random_below(&random, 505));
            }
            assert_true(s.now <= most);
            assert_int_equal(s.now, c.mapped);
        }
        if (run % 2) {
            xf_chunks_unmap_all(&c);
            assert_int_equal(s.now, 0);
            touch_page(&c, &s, 299 * XF_CHUNK_PAGES);
        }
        xf_chunks_fini(&c);
        assert_int_equal(s.now, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_guest_that_fits_is_mapped_once),
        cmocka_unit_test(test_a_guest_that_writes_all_over),
        cmocka_unit_test(test_a_guest_that_writes_in_places),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
