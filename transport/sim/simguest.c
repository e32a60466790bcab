/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Simulated guest. A writer first changes a page, then sets its dirty bit: a fetch that comes in
 * between misses nothing, because the bit appears in the next one.
 */
#include "simguest.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "transport/base/bitmap.h"
#include "transport/base/clock.h"
#include "transport/page.h"
#include "transport/base/random.h"

#define WRITERS_MAX 64
#define LINE_WORDS  8 /* a write changes one cache line of its page */
#define TICK_NS     500000

/* Guest memory is written while it is read: that race is what live migration is about. */
#define RACES_BY_DESIGN __attribute__((no_sanitize("thread"), noinline))

struct writer {
    struct xf_simguest *guest;
    pthread_t thread;
    struct xf_random random;
    uint64_t bytes_per_s;
};

struct xf_simguest {
    uint8_t *memory;
    size_t map_bytes;
    uint64_t unsteady;
    bool has_unsteady;
    uint64_t refusals; /* maps of pages that are to fail once it stands */
    uint64_t pages;
    uint64_t *present;
    _Atomic uint64_t *dirty;
    bool sparse;
    _Atomic uint64_t *touched; /* of a sparse one: pages that may be something else than zero */
    struct xf_random random;
    atomic_bool paused, stopping;
    atomic_uint throttle_pct;
    unsigned owed_pct;        /* of a page, by xf_simguest_write() */
    pthread_rwlock_t writing; /* writers share it; pause takes it */
    struct writer writers[WRITERS_MAX];
    unsigned writers_n;
    pid_t writers_pid; /* whose threads they are, where the guest is shared */
};

/* As a guest's memory is on a host. */
#define HUGE_BYTES ((size_t)2 << 20)

static const _Alignas(XF_PAGE_BYTES) uint8_t zero_page[XF_PAGE_BYTES];

/* All of it in one mapping: the guest, its three bitmaps, its memory. */
static int guest_new(struct xf_simguest **out, uint64_t pages, uint64_t seed, bool shared)
{
    const uint64_t chunks = (pages + XF_CHUNK_PAGES - 1) / XF_CHUNK_PAGES;
    const size_t bitmap_bytes = xf_bitmap_words(pages) * sizeof(uint64_t);
    const size_t head_bytes =
        (sizeof(struct xf_simguest) + 3 * bitmap_bytes + XF_PAGE_BYTES - 1) & ~(XF_PAGE_BYTES - 1);
    const size_t bytes = head_bytes + HUGE_BYTES + chunks * XF_CHUNK_PAGES * XF_PAGE_BYTES;
    struct xf_simguest *g =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE,
             (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    *out = NULL;
    if (g == MAP_FAILED)
        return -ENOMEM;
    g->map_bytes = bytes;
    g->pages = pages;
    g->random.state = seed;
    g->throttle_pct = 100;
    pthread_rwlock_init(&g->writing, NULL);
    g->present = (uint64_t *)(g + 1);
    g->dirty = (_Atomic uint64_t *)(g->present + xf_bitmap_words(pages));
    g->touched = g->dirty + xf_bitmap_words(pages);
    g->memory =
        (uint8_t *)(((uintptr_t)g + head_bytes + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1));
    /* Best effort. */
    (void)madvise(g->memory, chunks * XF_CHUNK_PAGES * XF_PAGE_BYTES, MADV_HUGEPAGE);
    *out = g;
    return 0;
}

static void fill_random(struct xf_random *r, uint64_t *page)
{
    for (unsigned i = 0; i < XF_PAGE_BYTES / sizeof(*page); i++)
        page[i] = xf_random_next(r);
}

/* Like what text and tables look like: about three to one for a compressor. */
static void fill_compressible(struct xf_random *r, uint64_t *page)
{
    for (unsigned i = 0; i < XF_PAGE_BYTES / sizeof(*page); i++)
        page[i] = i % 3 ? 0x2020202061626364u : xf_random_next(r) & 0xffffff;
}

static void fill_page(struct xf_simguest *g, enum xf_simguest_fill fill, uint64_t *page)
{
    uint64_t kind = fill == XF_FILL_MIXED ? xf_random_below(&g->random, 10) : 0;

    if (fill == XF_FILL_ZERO || kind > 5) /* untouched memory is zero */
        return;
    if (kind > 3 || fill == XF_FILL_COMPRESSIBLE)
        fill_compressible(&g->random, page);
    else
        fill_random(&g->random, page);
}

static void fill_guest(struct xf_simguest *g, enum xf_simguest_fill fill, unsigned hole_every)
{
    for (uint64_t p = 0; p < g->pages; p++) {
        if (hole_every && p / XF_CHUNK_PAGES % hole_every == hole_every - 1)
            continue;
        xf_bitmap_set(g->present, p);
        fill_page(g, fill, (uint64_t *)(g->memory + p * XF_PAGE_BYTES));
    }
}

int xf_simguest_new(struct xf_simguest **out, uint64_t pages, enum xf_simguest_fill fill,
                    uint64_t seed, unsigned hole_every)
{
    int rc = guest_new(out, pages, seed, false);

    if (!rc)
        fill_guest(*out, fill, hole_every);
    return rc;
}

int xf_simguest_new_shared(struct xf_simguest **out, uint64_t pages, enum xf_simguest_fill fill,
                           uint64_t seed, unsigned hole_every)
{
    int rc = guest_new(out, pages, seed, true);

    if (!rc)
        fill_guest(*out, fill, hole_every);
    return rc;
}

int xf_simguest_new_empty(struct xf_simguest **out, uint64_t pages)
{
    return guest_new(out, pages, 0, false);
}

/* A large page for each small one that is written to would be the whole guest soon. */
static int sparse_new(struct xf_simguest **out, uint64_t pages, uint64_t seed)
{
    int rc = guest_new(out, pages, seed, false);
    size_t bytes;

    if (rc)
        return rc;
    (*out)->sparse = true;
    (void)xf_simguest_memory(*out, &bytes);
    (void)madvise((*out)->memory, bytes, MADV_NOHUGEPAGE);
    return 0;
}

int xf_simguest_new_sparse(struct xf_simguest **out, uint64_t pages, uint64_t seed)
{
    int rc = sparse_new(out, pages, seed);

    if (!rc)
        xf_bitmap_set_range((*out)->present, 0, pages);
    return rc;
}

int xf_simguest_new_empty_sparse(struct xf_simguest **out, uint64_t pages)
{
    return sparse_new(out, pages, 0);
}

const void *xf_simguest_memory(const struct xf_simguest *g, size_t *bytes)
{
    *bytes = (g->pages + XF_CHUNK_PAGES - 1) / XF_CHUNK_PAGES * XF_CHUNK_PAGES * XF_PAGE_BYTES;
    return g->memory;
}

void xf_simguest_prefault(struct xf_simguest *g)
{
    /* Kernels before 5.14 do not know it. */
    (void)madvise(g->memory, g->pages * XF_PAGE_BYTES, MADV_POPULATE_WRITE);
}

int xf_simguest_new_empty_shared(struct xf_simguest **out, uint64_t pages)
{
    return guest_new(out, pages, 0, true);
}

void xf_simguest_free(struct xf_simguest *g)
{
    if (!g)
        return;
    xf_simguest_stop_writers(g);
    pthread_rwlock_destroy(&g->writing);
    munmap(g, g->map_bytes);
}

/* To read a page that nobody has written to would cost an entry of a page table. */
static const uint8_t *page_of(const struct xf_simguest *g, uint64_t page)
{
    if (g->sparse &&
        !(atomic_load_explicit(&g->touched[page / 64], memory_order_acquire) >> (page % 64) & 1))
        return zero_page;
    return g->memory + page * XF_PAGE_BYTES;
}

/* Before its dirty bit, as its contents: who has seen that bit reads what was written. */
static void touch(struct xf_simguest *g, uint64_t page)
{
    if (g->sparse)
        atomic_fetch_or(&g->touched[page / 64], UINT64_C(1) << (page % 64));
}

/* ---- writers ------------------------------------------------------------------------------ */

RACES_BY_DESIGN static void write_page(struct xf_simguest *g, struct xf_random *r)
{
    uint64_t page = xf_random_below(r, g->pages);

    if (!xf_bitmap_test(g->present, page))
        return;
    volatile uint64_t *line = (volatile uint64_t *)(g->memory + page * XF_PAGE_BYTES) +
                              xf_random_below(r, XF_PAGE_BYTES / 64) * LINE_WORDS;

    for (unsigned i = 0; i < LINE_WORDS; i++)
        line[i] = xf_random_next(r);
    touch(g, page);
    atomic_fetch_or(&g->dirty[page / 64], UINT64_C(1) << (page % 64));
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    struct xf_simguest *g = w->guest;
    uint64_t last_us = xf_now_us();
    double due = 0;

    while (!atomic_load(&g->stopping)) {
        struct timespec tick = {.tv_nsec = TICK_NS};

        nanosleep(&tick, NULL);
        uint64_t now_us = xf_now_us();

        /* A clock that jumps back owes nothing. */
        if (now_us > last_us)
            due += (double)w->bytes_per_s * (double)(now_us - last_us) / 1e6 /
                   (double)XF_PAGE_BYTES * atomic_load(&g->throttle_pct) / 100;
        last_us = now_us;
        if (atomic_load(&g->paused)) {
            due = 0;
            continue;
        }
        pthread_rwlock_rdlock(&g->writing);
        for (; due >= 1 && !atomic_load(&g->paused) && !atomic_load(&g->stopping); due--)
            write_page(g, &w->random);
        pthread_rwlock_unlock(&g->writing);
    }
    return NULL;
}

int xf_simguest_start_writers(struct xf_simguest *g, unsigned n, uint64_t bytes_per_s)
{
    if (n > WRITERS_MAX || g->writers_n)
        return -EINVAL;
    atomic_store(&g->stopping, false);
    g->writers_pid = getpid();
    for (unsigned i = 0; i < n; i++) {
        struct writer *w = &g->writers[i];

        w->guest = g;
        w->random.state = xf_random_next(&g->random);
        w->bytes_per_s = bytes_per_s / n;
        int rc = pthread_create(&w->thread, NULL, writer_main, w);

        if (rc) {
            xf_simguest_stop_writers(g);
            return -rc;
        }
        g->writers_n++;
    }
    return 0;
}

void xf_simguest_stop_writers(struct xf_simguest *g)
{
    if (g->writers_n && g->writers_pid != getpid())
        return;
    atomic_store(&g->stopping, true);
    for (unsigned i = 0; i < g->writers_n; i++)
        pthread_join(g->writers[i].thread, NULL);
    g->writers_n = 0;
}

void xf_simguest_write(struct xf_simguest *g, unsigned n)
{
    unsigned pct = g->owed_pct + n * atomic_load(&g->throttle_pct);

    for (; pct >= 100 && !atomic_load(&g->paused); pct -= 100)
        write_page(g, &g->random);
    g->owed_pct = pct % 100;
}

void xf_simguest_pause(struct xf_simguest *g)
{
    atomic_store(&g->paused, true);
    pthread_rwlock_wrlock(&g->writing);
    pthread_rwlock_unlock(&g->writing);
}

void xf_simguest_resume(struct xf_simguest *g)
{
    atomic_store(&g->paused, false);
}

unsigned xf_simguest_throttle_pct(const struct xf_simguest *g)
{
    return atomic_load(&g->throttle_pct);
}

uint64_t xf_simguest_differing_bytes(const struct xf_simguest *a, const struct xf_simguest *b)
{
    uint64_t bytes = 0;

    for (uint64_t p = 0; p < a->pages && p < b->pages; p++) {
        const uint8_t *of_a = a->memory + p * XF_PAGE_BYTES, *of_b = b->memory + p * XF_PAGE_BYTES;

        if (xf_bitmap_test(a->present, p) != xf_bitmap_test(b->present, p))
            bytes += XF_PAGE_BYTES;
        else if (xf_bitmap_test(a->present, p) && memcmp(of_a, of_b, XF_PAGE_BYTES))
            for (size_t i = 0; i < XF_PAGE_BYTES; i++)
                bytes += of_a[i] != of_b[i];
    }
    return bytes;
}

void xf_simguest_hash(const struct xf_simguest *g, uint64_t out[2])
{
    const XXH128_hash_t of_zeros = XXH3_128bits(zero_page, XF_PAGE_BYTES);
    XXH3_state_t *state = XXH3_createState();

    XXH3_128bits_reset(state);
    XXH3_128bits_update(state, g->present, xf_bitmap_words(g->pages) * sizeof(uint64_t));
    for (uint64_t p = 0; p < g->pages; p++) {
        if (!xf_bitmap_test(g->present, p))
            continue;
        const uint8_t *page = page_of(g, p);
        /* Zeros are found out faster than they are hashed. */
        XXH128_hash_t h = page == zero_page || xf_page_is_zero(page)
                              ? of_zeros
                              : XXH3_128bits(page, XF_PAGE_BYTES);

        XXH3_128bits_update(state, &h, sizeof(h));
    }
    XXH128_hash_t h = XXH3_128bits_digest(state);

    XXH3_freeState(state);
    out[0] = h.high64;
    out[1] = h.low64;
}

void xf_simguest_add_page(struct xf_simguest *g, uint64_t gfn)
{
    xf_bitmap_set(g->present, gfn);
    fill_random(&g->random, (uint64_t *)(g->memory + gfn * XF_PAGE_BYTES));
    touch(g, gfn);
    atomic_fetch_or(&g->dirty[gfn / 64], UINT64_C(1) << (gfn % 64));
}

void xf_simguest_remove_page(struct xf_simguest *g, uint64_t gfn)
{
    xf_bitmap_clear(g->present, gfn);
    memset(g->memory + gfn * XF_PAGE_BYTES, 0, XF_PAGE_BYTES);
}

void xf_simguest_flip_bit(struct xf_simguest *g, uint64_t gfn)
{
    g->memory[gfn * XF_PAGE_BYTES] ^= 1;
    touch(g, gfn);
}

void xf_simguest_unsteady(struct xf_simguest *g, uint64_t gfn)
{
    g->unsteady = gfn;
    g->has_unsteady = true;
}

void xf_simguest_refuse_maps(struct xf_simguest *g, uint64_t pages)
{
    g->refusals = pages;
}

/* ---- as a source -------------------------------------------------------------------------- */

static int source_start(void *ctx, uint64_t *present, uint64_t *known)
{
    struct xf_simguest *g = ctx;

    *known = g->pages;
    memcpy(present, g->present, xf_bitmap_words(g->pages) * sizeof(uint64_t));
    for (uint64_t w = 0; w < xf_bitmap_words(g->pages); w++)
        atomic_store(&g->dirty[w], 0);
    return 0;
}

static int source_dirty(void *ctx, uint64_t *dirty, bool final, uint64_t *count)
{
    struct xf_simguest *g = ctx;

    (void) final;
    *count = 0;
    for (uint64_t w = 0; w < xf_bitmap_words(g->pages); w++) {
        dirty[w] = atomic_exchange(&g->dirty[w], 0);
        *count += (uint64_t)__builtin_popcountll(dirty[w]);
    }
    return 0;
}

static int source_present(void *ctx, uint64_t *candidates)
{
    struct xf_simguest *g = ctx;

    for (uint64_t w = 0; w < xf_bitmap_words(g->pages); w++)
        candidates[w] &= g->present[w];
    return 0;
}

static int source_map(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n,
                      const void **pages)
{
    struct xf_simguest *g = ctx;

    (void)lane; /* all of it is mapped */
    for (unsigned i = 0; i < n; i++) {
        bool there = xf_bitmap_test(g->present, gfns[i]);

        if (there && g->refusals && atomic_load(&g->paused)) {
            g->refusals--;
            there = false;
        }
        pages[i] = there ? page_of(g, gfns[i]) : NULL;
    }
    return 0;
}

static void source_unmap(void *ctx, unsigned lane)
{
    (void)ctx;
    (void)lane;
}

static int source_throttle(void *ctx, unsigned percent)
{
    struct xf_simguest *g = ctx;

    atomic_store(&g->throttle_pct, percent);
    return 0;
}

static int source_suspend(void *ctx)
{
    xf_simguest_pause(ctx);
    return 0;
}

static int source_keep_still(void *ctx, uint64_t *pages)
{
    const struct xf_simguest *g = ctx;

    if (g->has_unsteady)
        xf_bitmap_clear(pages, g->unsteady);
    return 0;
}

struct xf_guest_source xf_simguest_source(struct xf_simguest *g)
{
    static const struct xf_guest_source_ops ops = {
        .lanes = xf_guest_lanes,
        .start = source_start,
        .dirty = source_dirty,
        .present = source_present,
        .map = source_map,
        .unmap = source_unmap,
        .keep_still = source_keep_still,
    };
    static const struct xf_guest_control_ops control = {
        .throttle = source_throttle,
        .suspend = source_suspend,
    };

    return (struct xf_guest_source){
        .ops = &ops, .control = &control, .ctx = g, .page_count = g->pages};
}

/* ---- as a sink ---------------------------------------------------------------------------- */

static int sink_populate(void *ctx, unsigned lane, uint64_t first, uint64_t count)
{
    struct xf_simguest *g = ctx;

    (void)lane;
    xf_bitmap_set_range(g->present, first, count);
    return 0;
}

static int sink_map_chunk(void *ctx, unsigned lane, uint64_t chunk, void **base)
{
    struct xf_simguest *g = ctx;

    (void)lane;
    *base = g->memory + chunk * XF_CHUNK_PAGES * XF_PAGE_BYTES;
    return 0;
}

static int sink_map_part(void *ctx, unsigned lane, uint64_t first, void **base)
{
    struct xf_simguest *g = ctx;
    const uint64_t all = (UINT64_C(1) << XF_PART_PAGES) - 1;

    (void)lane;
    *base = g->memory + first * XF_PAGE_BYTES;
    if (g->sparse) /* whoever maps it may write to it */
        atomic_fetch_or(&g->touched[first / 64], all << (first % 64));
    return 0;
}

static void sink_unmap(void *ctx, unsigned lane, uint64_t which, void *base)
{
    (void)ctx;
    (void)lane;
    (void)which;
    (void)base;
}

struct xf_guest_sink xf_simguest_sink(struct xf_simguest *g)
{
    static const struct xf_guest_sink_ops ops = {
        .lanes = xf_guest_lanes,
        .populate = sink_populate,
        .map_chunk = sink_map_chunk,
        .unmap_chunk = sink_unmap,
        .map_part = sink_map_part,
        .unmap_part = sink_unmap,
        .wrote = xf_sink_wrote,
        .end_round = xf_sink_end_round,
    };

    return (struct xf_guest_sink){
        .ops = &ops, .ctx = g, .page_count = g->pages, .gives_zeros = g->sparse, .parts = true};
}
