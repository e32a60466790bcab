/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chunks: never more mapped than may be, whatever is asked for; and a guest that is written to all
   over, round by round, is not mapped anew in each. */
#include "unit.h"

#include "../../../transport/bitmap.h"
#include "../../../transport/chunks.h"
#include "../../../transport/random.h"

#define CHUNKS 4096u

/* Where a chunk is mapped says which it is. */
static char place[CHUNKS];

struct sink {
    uint64_t mapped[CHUNKS / 64];
    uint32_t now, most, room; /* mapped; ever at once; what the kernel takes */
    uint64_t maps;
    bool broken;
};

static int map_chunk(void *ctx, uint64_t chunk, void **base)
{
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
    *base = &place[chunk];
    return 0;
}

static void unmap_chunk(void *ctx, uint64_t chunk, void *base)
{
    struct sink *s = ctx;

    assert_ptr_equal(base, &place[chunk]);
    assert_true(xf_bitmap_test(s->mapped, chunk));
    xf_bitmap_clear(s->mapped, chunk);
    s->now--;
}

static const struct xf_guest_sink_ops ops = {.map_chunk = map_chunk, .unmap_chunk = unmap_chunk};

static void open_chunks(struct xf_chunks *c, struct sink *s, uint32_t chunks, uint32_t most)
{
    struct xf_guest_sink guest = {.ops = &ops,
                                  .ctx = s,
                                  .page_count = (uint64_t)chunks * XF_CHUNK_PAGES - 7,
                                  .chunks_max = most};

    memset(s, 0, sizeof(*s));
    s->room = UINT32_MAX;
    assert_int_equal(xf_chunks_init(c, &guest), 0);
}

static void touch(struct xf_chunks *c, uint64_t chunk)
{
    if (!xf_chunks_at(c, chunk))
        assert_int_equal(xf_chunks_map(c, chunk), 0);
    assert_ptr_equal(xf_chunks_at(c, chunk), &place[chunk]);
}

static void test_a_guest_that_fits_is_mapped_once(void **state)
{
    struct xf_chunks c;
    struct sink s;

    (void)state;
    open_chunks(&c, &s, 1000, 1000);
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
    open_chunks(&c, &s, 4096, 1024);
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
    open_chunks(&c, &s, 4096, 1024);
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
    open_chunks(&c, &s, 4096, 1024);
    for (uint64_t i = 0; i < 4096; i++)
        touch(&c, i);
    assert_int_equal(s.now, 1024);
    while (xf_chunks_rest(&c))
        rested++;
    assert_int_equal(rested, 64);
    assert_int_equal(s.now, 1024 - 64);
    for (uint64_t i = 4096 - 64; i < 4096; i++)
        assert_non_null(xf_chunks_at(&c, i));
    xf_chunks_fini(&c);
}

/* The kernel has room for fewer than was thought. */
static void test_no_room(void **state)
{
    struct xf_chunks c;
    struct sink s;

    (void)state;
    for (uint32_t room = 1; room < 40; room++) {
        open_chunks(&c, &s, 4096, room % 2 ? 64 : 4096);
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
        assert_int_equal(xf_chunks_map(&c, 5), -ENOMEM);
        s.room = room;
        s.broken = true;
        assert_int_equal(xf_chunks_map(&c, 5), -EIO);
        assert_null(xf_chunks_at(&c, 5));
        xf_chunks_fini(&c);
        assert_int_equal(s.now, 0);
    }
}

static void test_at_random(void **state)
{
    struct xf_random random = {.state = 1};
    struct xf_chunks c;
    struct sink s;

    (void)state;
    for (unsigned run = 0; run < 50; run++) {
        uint32_t most = 1 + (uint32_t)xf_random_below(&random, 200);

        open_chunks(&c, &s, 300, most);
        for (unsigned i = 0; i < 20000; i++) {
            uint64_t chunk = xf_random_below(&random, 300);

            switch (xf_random_below(&random, 12)) {
            case 0:
                xf_chunks_unmap(&c, chunk);
                assert_null(xf_chunks_at(&c, chunk));
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
                touch(&c, chunk);
            }
            assert_true(s.now <= most);
            assert_int_equal(s.now, c.mapped);
        }
        if (run % 2) {
            xf_chunks_unmap_all(&c);
            assert_int_equal(s.now, 0);
            touch(&c, 299);
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
        cmocka_unit_test(test_at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
