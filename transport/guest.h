/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest: the two ends of a migration as the transport sees them. The source reads a running guest's
 * memory; the sink builds the memory of the guest that is to be. Both are tables of functions that
 * are called once per batch or chunk, never once per page: what a guest holds in one, what is done
 * to it in another. Every function is there; guest.c has stubs. The real ones are in xl-plugin/,
 * the simulated one is sim/simguest.h.
 *
 * Threads: lanes() comes first, and tells how many lanes there are. A call with a lane's number
 * comes from that lane's thread, and from one at a time; several lanes call side by side, each of
 * its own chunks (stripe.h). All others come from the thread that steps the session. A guest that
 * others use too, as a tunnel's buffer, locks for itself.
 *
 * A page is XF_PAGE_BYTES of guest memory, named by its guest frame number ("gfn"), 0 <= gfn < the
 * session's page count. A bitmap has one bit per gfn (base/bitmap.h).
 *
 * Functions return 0 or -errno unless they say otherwise.
 */
#ifndef XF_TRANSPORT_GUEST_H
#define XF_TRANSPORT_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XF_PAGE_SHIFT 12
#define XF_PAGE_BYTES ((size_t)1 << XF_PAGE_SHIFT)

/* A chunk is what the sink maps at once: 2 MiB of guest memory, aligned. */
#define XF_CHUNK_PAGES 512u

/* A part of a chunk, aligned: what a sink maps of one that it had mapped before, where little of it
   changes. To map is what costs most on a host, page by page. */
#define XF_PART_PAGES 16u

/*
 * The most chunks that are mapped at once where the sink does not say (64 GiB of guest): half of
 * what Linux lets a process map (vm.max_map_count), and 128 MiB of page tables. A smaller guest is
 * mapped once and for all.
 */
#define XF_CHUNKS_MAX 32768u

/* The most pages that one map() of the source is asked for. */
#define XF_MAP_BATCH_PAGES 1024u

struct xf_guest_source_ops {
    /* So many lanes will map. Called once, before all else. */
    int (*lanes)(void *ctx, unsigned lanes);

    /*
     * Starts dirty logging and sets in `present` (all zero on entry) the bit of every gfn that has
     * content to move. Called first, and never after it returned 0.
     * -EAGAIN: there is more to find out; called again soon, with `present` as it was left. The
     * bits of gfns below *known are final then, and those pages are mapped and sent meanwhile; it
     * is a multiple of XF_CHUNK_PAGES. So the first page leaves at once, however large the guest.
     */
    int (*start)(void *ctx, uint64_t *present, uint64_t *known);

    /*
     * Fetches and clears the dirty bitmap: `dirty` is overwritten with the gfns written since the
     * last fetch (or since start). `final` is set for the fetch after suspend().
     * A page that changes after this call is in the next fetch. *count = number of bits set.
     *
     * A tunnel, whose pages are not a guest's memory but a buffer that is filled again and again
     * (plan_batches.h): the pages of the next batch, none when there are no more. -EAGAIN: none
     * yet; asked again at the next step. When this is called again, the batch before has landed and
     * its buffer can be filled anew.
     */
    int (*dirty)(void *ctx, uint64_t *dirty, bool final, uint64_t *count);

    /*
     * Of the gfns set in `candidates`, clears those that have no content to move (holes, special
     * frames). Used for gfns that turn up dirty without having been there at start.
     */
    int (*present)(void *ctx, uint64_t *candidates);

    /*
     * Makes n gfns (1 <= n <= XF_MAP_BATCH_PAGES) readable until the lane's next map() or unmap();
     * pages[i] is set to the page, or to NULL where the gfn has no content any more. Content that
     * cannot be read is an error; once the guest stands, the caller has present() confirm each
     * NULL. The pages are the guest's own: their bytes may change while they are being read.
     * -EAGAIN: they are being fetched; the lane asks for the same ones again soon.
     */
    int (*map)(void *ctx, unsigned lane, const uint64_t *gfns, unsigned n, const void **pages);
    void (*unmap)(void *ctx, unsigned lane);

    /*
     * After suspend(), before all pages are hashed: clears of `pages` those that others than the
     * guest may still write, so that a difference in them would mean nothing. xf_guest_still() if
     * there are none.
     */
    int (*keep_still)(void *ctx, uint64_t *pages);

    /*
     * Whether a page is one of those by what it holds: keep_still() cannot know it. Asked of each
     * page before it is hashed; no, as long as the guest runs. Called by every lane. NULL: none is.
     */
    bool (*unsteady)(void *ctx, const void *page);
};

/* What is done to a guest; its content is apart. xf_guest_uncontrolled for what is none. */
struct xf_guest_control_ops {
    /*
     * Leaves the guest so many percent (1 to 100) of the CPU time that it had before the first
     * call; 100 gives all of it back. Called with less only if the plan orders it, and then with
     * 100 before suspend(), and however else the session ends. An error: it cannot be slowed down.
     */
    int (*throttle)(void *ctx, unsigned percent);

    /* Stops the guest. On success no page changes any more. The downtime starts here. Who resumes
       it after a failure is its owner, when the session is over. */
    int (*suspend)(void *ctx);
};

/* Stubs, for what a kind of guest does not need. */
int xf_guest_lanes(void *ctx, unsigned lanes); /* any number; of a sink too */
int xf_guest_still(void *ctx, uint64_t *pages);
int xf_guest_present(void *ctx, uint64_t *candidates); /* what is dirty is there */
int xf_guest_no_throttle(void *ctx, unsigned percent); /* it cannot be slowed down */
extern const struct xf_guest_control_ops xf_guest_uncontrolled;

struct xf_guest_source {
    const struct xf_guest_source_ops *ops;
    const struct xf_guest_control_ops *control;
    void *ctx;           /* of both */
    uint64_t page_count; /* gfns lie below this */
};

struct xf_guest_sink_ops {
    /* So many lanes will populate and map. Called once, before all else. */
    int (*lanes)(void *ctx, unsigned lanes);

    /*
     * Gives the guest memory for gfns first .. first+count-1, none of which has any. The sink may
     * use large pages where the range allows. Checked by the caller: the range is inside the
     * guest and no gfn is populated twice.
     */
    int (*populate)(void *ctx, unsigned lane, uint64_t first, uint64_t count);

    /*
     * Maps chunk number `chunk` (gfns chunk * XF_CHUNK_PAGES and on) for writing and returns it
     * in *base; stays valid until unmap_chunk() of it. The caller touches only populated gfns, and
     * if one of them cannot be written to, that is an error.
     * -ENOMEM: not so many at once; asked again when others have been unmapped.
     */
    int (*map_chunk)(void *ctx, unsigned lane, uint64_t chunk, void **base);
    void (*unmap_chunk)(void *ctx, unsigned lane, uint64_t chunk, void *base);

    /* The same of the XF_PART_PAGES gfns from `first` on; called only if the sink has `parts`. */
    int (*map_part)(void *ctx, unsigned lane, uint64_t first, void **base);
    void (*unmap_part)(void *ctx, unsigned lane, uint64_t first, void *base);

    /* Before what is mapped at `base` is unmapped: its pages first .. first+count-1 were written
       to since. Called only if the sink `wants_written`. */
    void (*wrote)(void *ctx, unsigned lane, uint64_t first, uint64_t count, void *base);

    /*
     * A round of `count` pages has landed. -EAGAIN: the sink cannot take it yet; asked again at the
     * next step, and the source waits.
     */
    int (*end_round)(void *ctx, uint64_t count);
};

/* Stubs, for what a kind of sink does not need. */
int xf_sink_populate(void *ctx, unsigned lane, uint64_t first,
                     uint64_t count); /* all of it is there */
int xf_sink_map_part(void *ctx, unsigned lane, uint64_t first, void **base); /* -ENOTSUP */
void xf_sink_unmap_part(void *ctx, unsigned lane, uint64_t first, void *base);
void xf_sink_wrote(void *ctx, unsigned lane, uint64_t first, uint64_t count, void *base);
int xf_sink_end_round(void *ctx, uint64_t count);

struct xf_guest_sink {
    const struct xf_guest_sink_ops *ops;
    void *ctx;
    uint64_t page_count;
    uint32_t chunks_max; /* mapped at once by all lanes; 0: XF_CHUNKS_MAX */
    bool gives_zeros; /* what populate() gives is zeros: until it is mapped, it need not be read */
    bool parts;       /* map_part() costs less than map_chunk() */
    bool wants_written;   /* wrote() tells it what was written to: what is mapped is a copy */
    bool unmapped_rounds; /* nothing is mapped while end_round() is called */
};

/* Whether all functions are there: none may be NULL. */
bool xf_guest_source_whole(const struct xf_guest_source *guest);
bool xf_guest_sink_whole(const struct xf_guest_sink *guest);

#endif
