/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Encode: from "these pages are to go" to the records and bytes of one packet. Takes pages to
 * repair first, then the round's, a mapped batch at a time; zero pages become runs without payload;
 * others go compressed where that pays (compress.h); pages that do not fit a packet whole are cut
 * into fragments. Each lane has one, for the pages of its stripe. Private to transport/.
 *
 * Threads: the lane's.
 */
#ifndef XF_TRANSPORT_ENCODE_H
#define XF_TRANSPORT_ENCODE_H

#include <stdbool.h>

#include "compress.h"
#include "guest.h"
#include "lane.h"

/* As many whole pages as a packet has records, and a run of compressed ones for each record. */
#define XF_PARTS_MAX (2 * XF_RECORDS_MAX)

/* What goes into one packet. Parts point into the guest's memory or the encoder's: to be sealed
 * before the next call. */
struct xf_packet {
    struct xf_wire_record records[XF_RECORDS_MAX];
    unsigned records_n;
    bool memory; /* POPULATE: to be told by xf_encoder_sent() when it has a number */
    const uint8_t *parts[XF_PARTS_MAX];
    uint32_t part_bytes[XF_PARTS_MAX];
    const uint8_t *ahead[XF_PARTS_MAX]; /* to be fetched while the part is sealed; NULL: nothing */
    unsigned parts_n;
    unsigned whole_pages;
    uint32_t payload_bytes, made_bytes; /* all; of those, in the encoder's memory */
};

/* What a round carries. */
enum xf_round_kind {
    XF_ROUND_PAGES,  /* pages' content; and memory for those that are new to the target */
    XF_ROUND_HASHES, /* hashes of it, to compare */
};

/* Memory is asked for so many pages of the lane's ahead, in so many packets at the most, of so many
   pages each: so the target gives it while pages come. A page goes when that packet has arrived. */
#define XF_MEMORY_AHEAD   (64u * XF_CHUNK_PAGES)
#define XF_MEMORY_PACKETS 128u
#define XF_MEMORY_PAGES   (8u * XF_CHUNK_PAGES)

/* A packet of POPULATE that may not have arrived. */
struct xf_memory_wait {
    uint64_t sequence; /* UINT64_MAX: it is to be sent, for the first time or again */
    struct xf_wire_record records[XF_RECORDS_MAX];
    unsigned records_n;
};

struct xf_encoder {
    const struct xf_guest_source *guest;
    struct xf_lane *lane; /* for its stripe, its counters and the session's shape */

    const uint64_t *todo;          /* the round's pages, of all lanes; owned by the caller */
    const _Atomic uint64_t *known; /* gfns below have their bit in todo */
    uint64_t cursor;     /* where to look for the lane's next of them; page_count: there is none */
    uint64_t stripe_end; /* of the chunk that the cursor is in */
    enum xf_round_kind kind;
    uint64_t hash_seed;

    uint64_t *populated; /* pages that have been given memory, all lanes'; NULL: all of todo have */
    uint64_t memory_cursor;                         /* below it none of todo is without */
    struct xf_memory_wait waits[XF_MEMORY_PACKETS]; /* in the order of their pages, a ring */
    unsigned waits_at, waits_n, unsent_n;           /* of those, without a number */
    const uint64_t *held; /* HASHES: pages whose hashes were sent in an earlier round; or NULL */
    uint64_t held_cursor; /* as cursor, of them */
    uint64_t *deferred;   /* pages that map() gave nothing for in this round; the caller's; the
                             lane's own bits mean something only if deferred_n */
    xf_count deferred_n;  /* how often that was in this round */

    struct xf_wire_record *repairs; /* what was lost, to be sent again; last in, first out */
    size_t repairs_n, repairs_cap;

    /* The batch that is mapped now. */
    uint64_t gfns[XF_MAP_BATCH_PAGES];
    const void *pages[XF_MAP_BATCH_PAGES];
    uint8_t
        frags_left[XF_MAP_BATCH_PAGES]; /* fragments of each page still to be sent, a bit each */
    unsigned batch_n, batch_pos;
    bool batch_repairs;
    bool awaited;    /* the batch is not mapped yet: the guest is to be asked for it again */
    uint64_t mapped; /* pages of all batches */

    uint8_t made[XF_PAYLOAD_MAX]; /* hashes or compressed pages of the packet that is being made */

    /* The page at batch_pos, if it has been looked at: what it is compressed; 0: it goes raw. It
       may have to wait for the next packet. */
    bool tried;
    uint32_t small_bytes;
    const struct xf_codec *small_codec;
    uint8_t small[XF_PAGE_BYTES];
    struct xf_compress compress;

    xf_count pages_full; /* raw, or by a codec that tells how fast pages are */
};

/* features: the offer's. -ENOMEM; on failure too, call fini. */
int xf_encoder_init(struct xf_encoder *e, const struct xf_guest_source *guest, struct xf_lane *lane,
                    enum xf_compress_mode compress, uint64_t features, uint64_t (*clock_ns)(void));
void xf_encoder_fini(struct xf_encoder *e);

/* Begins a round. Drops what is left to repair of the one before. deferred: a bitmap as long as
   todo, to be written to while pages go; as populated is, if it is not NULL. */
void xf_encoder_round(struct xf_encoder *e, const uint64_t *todo, enum xf_round_kind kind,
                      uint64_t *populated, uint64_t *deferred);
/* After it, in a round of hashes: these pages too, without their hashes. The caller's. */
void xf_encoder_hold(struct xf_encoder *e, const uint64_t *held);

/* Clears the bits of the lane's pages. */
void xf_encoder_clear(const struct xf_encoder *e, uint64_t *bitmap);

/* A packet with these records was lost. -ENOMEM. */
int xf_encoder_repair(struct xf_encoder *e, const struct xf_wire_record *records, unsigned n);

/* Makes the next packet: 1, or 0 if nothing is left to send for now, or the guest's error. */
int xf_encoder_next(struct xf_encoder *e, struct xf_packet *packet);

/* A packet of memory, just made, gets this number. */
void xf_encoder_sent(struct xf_encoder *e, uint64_t sequence);
/* Numbers below una have arrived or were lost, which was told. */
void xf_encoder_acknowledge(struct xf_encoder *e, uint64_t una);

/* Nothing is left to send of the round, and nothing is waited for to be sent. */
bool xf_encoder_empty(const struct xf_encoder *e);
/* There may be something to send now. */
bool xf_encoder_has(const struct xf_encoder *e);

#endif
