/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Track, in the kernel: sets a bit for each piece of a disk that is written to or discarded. There
 * are two bitmaps, the generations; track.c says which one is live, and empties the other.
 *
 * Who reads a piece after its bit was taken must read what was written. So a bit may not be set
 * before the write can be read, or it must be known which writes have not ended:
 *
 *   with a request queue (loop, SCSI, NVMe, virtio):
 *       a bit is set when a request completes
 *   without one (device mapper: every LV):
 *       a bit is set when a bio is queued, in the live generation, which is settled when all bios
 *       that were counted in it have completed
 *
 * With a queue bios have no completion of their own: the kernel clears their flag for it, as the
 * request's was told already (block/blk-mq.c, blk_update_request()). Without one, a completed bio's
 * range means nothing, as device mapper trims the bio that it splits (drivers/md/dm.c), but its
 * address stays. Compiled by clang for the kernel's own machine; loaded by libbpf.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "transport/disk/track_shape.h"

#define INFLIGHT_MAX 65536
#define RANGES_MAX   256 /* of one discard */

/* As far as they are read. */
#define OF_KERNEL __attribute__((preserve_access_index))
struct block_device {
    __u32 bd_dev;
} OF_KERNEL;
struct bvec_iter {
    __u64 bi_sector;
    __u32 bi_size;
} OF_KERNEL;
struct bio {
    struct bio *bi_next;
    struct block_device *bi_bdev;
    __u32 bi_opf;
    struct bvec_iter bi_iter;
} OF_KERNEL;
struct gendisk {
    int major;
    int first_minor;
} OF_KERNEL;
struct request_queue {
    struct gendisk *disk;
} OF_KERNEL;
struct request {
    struct request_queue *q;
    __u32 cmd_flags;
    __u64 __sector;
    struct bio *bio;
} OF_KERNEL;

/* Operations (include/linux/blk_types.h): odd ones write. */
#define OP_MASK    0xff
#define OP_DISCARD 3

const volatile struct xf_track_shape shape;

struct generation {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, XF_TRACK_WORDS_MAX);
    __type(key, __u32);
    __type(value, __u64);
};
struct generation generation_0 SEC(".maps"), generation_1 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __array(values, struct generation);
} live SEC(".maps") = {.values = {[0] = &generation_0}};

/* A bio's address -> the generation that it was counted in. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, INFLIGHT_MAX);
    __type(key, __u64);
    __type(value, __u32);
} inflight SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct xf_track_counts);
} counts SEC(".maps");

struct run {
    void *map;
    __u64 bit, end;
};

/* Of a run of bits, those of its i-th word. 1: there is none. */
static long mark_word(__u32 i, void *arg)
{
    struct run *r = arg;
    __u64 word = (r->bit >> 6) + i, from = word << 6, mask = ~0ull;
    __u32 key = word + 1;

    if (from >= r->end)
        return 1;
    if (r->bit > from)
        mask &= ~0ull << (r->bit & 63);
    if (r->end < from + 64)
        mask &= ~0ull >> (64 - (r->end & 63));
    __u64 *bits = bpf_map_lookup_elem(r->map, &key);

    if (bits)
        __sync_fetch_and_or(bits, mask);
    return 0;
}

/*
 * Sectors of the device, of which the tracked part may have some, in the generation that is live.
 * Global, and so verified once: Linux 6.1 finds a walk over many ranges too long otherwise.
 */
__noinline int mark(__u64 sector, __u64 count)
{
    __u32 zero = 0;
    __u64 end = sector + count;
    struct xf_track_counts *n = bpf_map_lookup_elem(&counts, &zero);
    void *map = bpf_map_lookup_elem(&live, &zero);

    if (!n || !map)
        return 0;
    if (sector < shape.first)
        sector = shape.first;
    if (end > shape.first + shape.sectors)
        end = shape.first + shape.sectors;
    if (sector >= end)
        return 0;
    struct run r = {map, (sector - shape.first) >> shape.shift,
                    ((end - 1 - shape.first) >> shape.shift) + 1};

    if (r.end > shape.bits || bpf_loop((r.end - 1) / 64 - r.bit / 64 + 1, mark_word, &r, 0) < 0)
        __sync_fetch_and_add(&n->lost, 1);
    return 0;
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(request_completes, struct request *rq, int error, unsigned int bytes)
{
    __u32 zero = 0, op = rq->cmd_flags & OP_MASK;
    struct gendisk *disk = rq->q->disk;

    if (!disk || ((__u32)disk->major << 20 | disk->first_minor) != shape.device || !(op & 1) ||
        !bytes)
        return 0;
    struct xf_track_counts *n = bpf_map_lookup_elem(&counts, &zero);

    if (!n)
        return 0;
    __sync_fetch_and_add(&n->sectors, bytes >> 9);
    if (op != OP_DISCARD) {
        mark(rq->__sector, bytes >> 9);
        return 0;
    }
    /* One of several ranges has a bio for each. */
    struct bio *bio = rq->bio;

    for (int i = 0; i < RANGES_MAX && bio; i++, bio = bio->bi_next)
        mark(bio->bi_iter.bi_sector, bio->bi_iter.bi_size >> 9);
    if (bio)
        __sync_fetch_and_add(&n->lost, 1);
    return 0;
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(bio_begins, struct bio *bio)
{
    __u32 zero = 0, op = bio->bi_opf & OP_MASK;

    if (bio->bi_bdev->bd_dev != shape.device || !(op & 1) || !bio->bi_iter.bi_size)
        return 0;
    struct xf_track_counts *n = bpf_map_lookup_elem(&counts, &zero);
    void *map = bpf_map_lookup_elem(&live, &zero);
    __u64 *number = map ? bpf_map_lookup_elem(map, &zero) : 0, id = (__u64)bio;

    if (!n || !map || !number)
        return 0;
    __u32 generation = *number & 1;

    /* Counted first: if the other generation is live when it is marked, it is marked in the later
       one, and the earlier one is not taken before it has ended. */
    __sync_fetch_and_add(&n->pending[generation], 1);
    if (bpf_map_update_elem(&inflight, &id, &generation, BPF_ANY))
        __sync_fetch_and_add(&n->lost, 1);
    __sync_fetch_and_add(&n->sectors, bio->bi_iter.bi_size >> 9);
    mark(bio->bi_iter.bi_sector, bio->bi_iter.bi_size >> 9);
    return 0;
}

SEC("tp_btf/block_bio_complete")
int BPF_PROG(bio_ends, struct request_queue *q, struct bio *bio)
{
    __u64 id = (__u64)bio;
    __u32 zero = 0, *generation = bpf_map_lookup_elem(&inflight, &id);
    struct xf_track_counts *n = bpf_map_lookup_elem(&counts, &zero);

    if (!generation || !n)
        return 0;
    __u32 was = *generation & 1;

    bpf_map_delete_elem(&inflight, &id);
    __sync_fetch_and_add(&n->pending[was], -1);
    return 0;
}

/* The kernel lends these tracepoints to programs under the GPL only; the LGPL's section 3 lets this
   one be taken under it. */
char LICENSE[] SEC("license") = "GPL";
