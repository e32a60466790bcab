/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Simulated guest: memory with writers and a dirty bitmap that means what Xen's means (fetching
 * clears it; what changes after a fetch is in the next), pause and resume. Both ends of a test or
 * demo are made of it.
 *
 * Threads: the writer threads are its own (start/stop_writers). xf_simguest_write() is for tests
 * that are their own writer on a virtual clock. Everything else from one thread.
 */
#ifndef XF_TRANSPORT_SIM_SIMGUEST_H
#define XF_TRANSPORT_SIM_SIMGUEST_H

#include "transport/guest.h"

enum xf_simguest_fill { XF_FILL_RANDOM, XF_FILL_ZERO, XF_FILL_MIXED, XF_FILL_COMPRESSIBLE };

struct xf_simguest;

/* pages of memory, filled from the seed. hole_every: 0, or every n-th 2 MiB chunk is not there. */
int xf_simguest_new(struct xf_simguest **out, uint64_t pages, enum xf_simguest_fill fill,
                    uint64_t seed, unsigned hole_every);

/* An empty one, to be the sink: memory appears by populate(). */
int xf_simguest_new_empty(struct xf_simguest **out, uint64_t pages);

/* Of zeros, and one to be its sink. Their pages take memory only when something else is written to
   them, and 4 KiB each then: such guests may be larger than the machine. */
int xf_simguest_new_sparse(struct xf_simguest **out, uint64_t pages, uint64_t seed);
int xf_simguest_new_empty_sparse(struct xf_simguest **out, uint64_t pages);

/* Where its memory is mapped, *bytes of it. */
const void *xf_simguest_memory(const struct xf_simguest *g, size_t *bytes);

/* Gives it all its memory now, as a host does before a guest moves in: what is measured then is the
   move, and not this machine's first touch of a page. Best effort. */
void xf_simguest_prefault(struct xf_simguest *g);

/* The same in memory that child processes share: only one of them may have writers. */
int xf_simguest_new_shared(struct xf_simguest **out, uint64_t pages, enum xf_simguest_fill fill,
                           uint64_t seed, unsigned hole_every);
int xf_simguest_new_empty_shared(struct xf_simguest **out, uint64_t pages);
void xf_simguest_free(struct xf_simguest *g);

/* n threads that together write bytes_per_s (whole pages are dirtied: XF_PAGE_BYTES a write). */
int xf_simguest_start_writers(struct xf_simguest *g, unsigned n, uint64_t bytes_per_s);
void xf_simguest_stop_writers(struct xf_simguest *g);

/* Dirties n pages picked by the guest's own seeded random sequence. Nothing while paused. */
void xf_simguest_write(struct xf_simguest *g, unsigned n);

/* Pausing waits until no writer is inside a write. The source's suspend() pauses too. */
void xf_simguest_pause(struct xf_simguest *g);
void xf_simguest_resume(struct xf_simguest *g);

/* What its writers have of their speed, in percent: the source's throttle() sets it. */
unsigned xf_simguest_throttle_pct(const struct xf_simguest *g);

/* XXH3-128 of which pages there are and of the XXH3-128 of each; meaningful while paused. */
void xf_simguest_hash(const struct xf_simguest *g, uint64_t out[2]);

/* Bytes that are not the same in two guests of one size; a page that only one has counts whole. */
uint64_t xf_simguest_differing_bytes(const struct xf_simguest *a, const struct xf_simguest *b);

/* Tests only: balloon-like changes of the physmap. */
void xf_simguest_add_page(struct xf_simguest *g, uint64_t gfn);
void xf_simguest_remove_page(struct xf_simguest *g, uint64_t gfn);
/* Tests only: damage that no dirty bitmap tells. */
void xf_simguest_flip_bit(struct xf_simguest *g, uint64_t gfn);
/* Tests only: a page that is not the guest's alone, and so not verified. */
void xf_simguest_unsteady(struct xf_simguest *g, uint64_t gfn);
/* Tests only: once it is suspended, so many pages do not map, though they have content. */
void xf_simguest_refuse_maps(struct xf_simguest *g, uint64_t pages);

struct xf_guest_source xf_simguest_source(struct xf_simguest *g);
struct xf_guest_sink xf_simguest_sink(struct xf_simguest *g);

#endif
