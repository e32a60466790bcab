/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Wire: what a packet looks like, all of it in this file. PROTOCOL.md says the same in words.
 *
 *     +--------+------------------------- sealed --------------------------+-----+
 *     | header | body: per type; DATA: data head, records, payload         | tag |
 *     +--------+------------------------------------------------------------+-----+
 *       16 B, clear, authenticated                                            16 B
 *
 * All integers are little-endian; reserved fields are sent as zero and refused otherwise. Numbers
 * are never reused. Structures are laid out without holes; x86-64 reads them in place.
 *
 * Threads: pure functions.
 */
#ifndef XF_TRANSPORT_WIRE_H
#define XF_TRANSPORT_WIRE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"
#include "link.h"
#include "transport/base/codec_list.h"

#define XF_WIRE_VERSION 1
#define XF_TAG_BYTES    16
#define XF_QUEUES_MAX   64
/* In the header of what a target of a group sends, above the queue. */
#define XF_RECEIVER_SHIFT 8
/* A link must carry UDP payloads of at least this; a page then travels in XF_FRAGS_MAX pieces. */
#define XF_PAYLOAD_MIN 1232
#define XF_PAYLOAD_MAX 16384
#define XF_FRAGS_MAX   4
/* Records in one DATA packet, and so what the source must remember of it. */
#define XF_RECORDS_MAX 4
/* Pages that one record can name. */
#define XF_RUN_PAGES_MAX 0x8000u
#define XF_HASH_BYTES    16
#define XF_REASON_BYTES  120
/* Before the bytes of a page that a codec has encoded: how many they are. */
#define XF_CODED_HEAD_BYTES 2u

/*
 * The kinds of packets, a row each: X(NAME, number, name, least, most). An end takes those of its
 * list and no others, so a reflected packet is of no known type. `least` and `most` are the bytes
 * of a body. XF_PACKET_NAME is the type; receive_name() handles it, in target_receive.c or
 * source_receive.c.
 */
#define XF_PACKETS_TO_TARGET(X)                                                                    \
    X(DATA, 0x01, data, sizeof(struct xf_wire_data), XF_PAYLOAD_MAX)                               \
    X(BARRIER, 0x02, barrier, sizeof(struct xf_wire_barrier), sizeof(struct xf_wire_barrier))      \
    X(PING, 0x03, ping, sizeof(struct xf_wire_ping), XF_PAYLOAD_MAX)                               \
    X(ABORT, 0x04, abort, 0, XF_PAYLOAD_MAX)
#define XF_PACKETS_TO_SOURCE(X)                                                                    \
    X(ANSWER, 0x10, answer, sizeof(struct xf_wire_answer), XF_PAYLOAD_MAX)                         \
    X(FEEDBACK, 0x11, feedback, sizeof(struct xf_wire_feedback), XF_PAYLOAD_MAX)                   \
    X(REFUSE, 0x12, refuse, 0, XF_PAYLOAD_MAX)

#define XF_PACKET_ENUM(NAME, number, name, least, most) XF_PACKET_##NAME = (number),
enum xf_packet_type { XF_PACKETS_TO_TARGET(XF_PACKET_ENUM) XF_PACKETS_TO_SOURCE(XF_PACKET_ENUM) };
#undef XF_PACKET_ENUM

struct xf_packet_kind {
    const char *name; /* in capitals; NULL: there is no such type */
    bool to_target;
    uint32_t body_least, body_most;
};

/* Of any type, also one that does not exist. */
const struct xf_packet_kind *xf_wire_packet_kind(uint8_t type);

struct xf_wire_header {
    uint8_t version;
    uint8_t type;
    uint16_t queue;       /* and of a group's target, XF_RECEIVER_SHIFT higher, which it is */
    uint32_t session_tag; /* first four bytes of the session id */
    uint64_t sequence;    /* per queue and direction, from 0, never reused */
};
static_assert(sizeof(struct xf_wire_header) == 16, "wire layout");
static_assert(offsetof(struct xf_wire_header, sequence) == 8, "wire layout");

/* Head of DATA: then `records` records, then their payloads in the same order. */
struct xf_wire_data {
    uint32_t round;
    uint32_t
        floor_delta; /* sequence - floor; below the floor nothing is outstanding (queue's own) */
    uint16_t records;
    uint16_t reserved0;
    uint32_t reserved1;
};
static_assert(sizeof(struct xf_wire_data) == 16, "wire layout");

#define XF_RECORD_ENUM(NAME, name, record, feature, most) XF_RECORD_##NAME = (record),
enum xf_record_kind {
    XF_RECORD_RAW = 1,      /* count pages, whole */
    XF_RECORD_ZERO = 2,     /* count pages of zeros, no payload */
    XF_RECORD_FRAG = 3,     /* fragment `frag` of one page */
    XF_RECORD_POPULATE = 4, /* count pages that shall have memory, no payload; none lands */
    XF_RECORD_DEFER = 5, /* count pages that will come in a later round or not at all; no payload */
    XF_RECORD_HASH = 6,  /* the hashes of count pages, XF_HASH_BYTES each */
    XF_RECORD_HELD = 8,  /* count pages whose hashes, sent before, still hold; no payload */
    /* Of the codecs: count pages, each a u16 length and as many bytes. */
    XF_CODECS(XF_RECORD_ENUM)
};
#undef XF_RECORD_ENUM

struct xf_wire_record {
    uint64_t index; /* first page: gfn in space 0 */
    uint32_t count; /* pages */
    uint8_t kind;
    uint8_t frag;   /* FRAG: which one, 0 .. frags - 1; else 0 */
    uint16_t space; /* 0: guest memory */
};
static_assert(sizeof(struct xf_wire_record) == 16, "wire layout");
static_assert(offsetof(struct xf_wire_record, kind) == 12, "wire layout");

/* BARRIER: all of the round has been sent once; it is over when the target has counted `pages`. */
struct xf_wire_barrier {
    uint32_t round;
    uint32_t flags; /* XF_BARRIER_* */
    uint64_t pages; /* distinct pages of the round */
    uint64_t floor; /* of the queue that this is sent on */
    uint64_t reserved;
};
static_assert(sizeof(struct xf_wire_barrier) == 32, "wire layout");
#define XF_BARRIER_FINAL  1u
#define XF_BARRIER_HASHES 2u /* the round was of hashes; where the offer has VERIFY_LIVE */

/* PING: asks for FEEDBACK at once, and moves the queue's floor. */
struct xf_wire_ping {
    uint64_t floor;
    uint64_t stamp_us; /* the source's clock, echoed in FEEDBACK: round-trip time */
};
static_assert(sizeof(struct xf_wire_ping) == 16, "wire layout");

/* ANSWER: the target dials back. */
struct xf_wire_answer {
    uint16_t version;
    uint16_t queues;
    uint32_t payload_bytes; /* agreed: the smaller of both ends' */
    uint64_t page_count;    /* echoed */
    uint8_t mac[6];         /* the target's own address */
    uint16_t udp_port;
    uint32_t ipv4;
    uint32_t credit; /* packets that the source may have outstanding on a queue */
};
static_assert(sizeof(struct xf_wire_answer) == 32, "wire layout");

/* FEEDBACK about one queue: then `ranges` missing ranges. */
struct xf_wire_feedback {
    uint32_t receiver; /* which target of a group; else 0 */
    uint32_t round;    /* the round that the target is in: all before are complete */
    uint64_t base;     /* every sequence below was received or given up */
    uint64_t horizon;  /* every sequence below was received or is in a range; all above: unknown */
    uint64_t landed;   /* pages of this round that have landed, all queues */
    uint64_t stamp_us; /* echo of the newest PING's stamp, 0 if none */
    uint16_t credit;
    uint16_t late;  /* what this reports may have lain here unseen for so long: XF_LATE_UNIT_US */
    uint16_t flags; /* XF_FEEDBACK_* */
    uint16_t ranges;
};
static_assert(sizeof(struct xf_wire_feedback) == 48, "wire layout");
/* The unit of `late`; the most it can say is about a second. */
#define XF_LATE_UNIT_US 16u

static inline uint16_t xf_wire_late(uint64_t us)
{
    return us / XF_LATE_UNIT_US < UINT16_MAX ? (uint16_t)(us / XF_LATE_UNIT_US) : UINT16_MAX;
}

#define XF_FEEDBACK_READY    1u /* the target can take memory */
#define XF_FEEDBACK_COMPLETE 2u /* the final round is over: every page has landed */

struct xf_wire_range {
    uint32_t start;  /* from base */
    uint32_t length; /* sequences, >= 1 */
};
static_assert(sizeof(struct xf_wire_range) == 8, "wire layout");
/* So many of them fit the smallest packet that a link may have. */
#define XF_RANGES_MAX ((XF_PAYLOAD_MIN - 96) / sizeof(struct xf_wire_range))

/* ABORT (source) and REFUSE (target): a reason, text for the user. */
struct xf_wire_reason {
    uint32_t code; /* a positive errno */
    uint32_t reserved;
    char text[XF_REASON_BYTES]; /* zero-padded, not always terminated */
};
static_assert(sizeof(struct xf_wire_reason) == 128, "wire layout");

/* How a link's payload size cuts pages up. */
struct xf_wire_shape {
    uint32_t payload_bytes;
    uint32_t body_bytes; /* room between header and tag */
    uint32_t pages_max;  /* whole pages in a packet; 0 if pages travel in fragments */
    uint32_t frags;      /* fragments of a page; 1 if whole */
    uint32_t frag_bytes; /* of all but the last fragment; a multiple of 16 */
    uint32_t hashes_max; /* hashes in a packet */
};

/* 0, or -EMSGSIZE if pages cannot travel in packets of this size. */
int xf_wire_shape(struct xf_wire_shape *shape, uint32_t payload_bytes);

/* Bytes of fragment `frag` (the last one may be shorter). */
uint32_t xf_wire_frag_bytes(const struct xf_wire_shape *shape, unsigned frag);

/* The largest page of a codec that fits a packet, if it is alone there. */
uint32_t xf_wire_coded_bytes_max(const struct xf_wire_shape *shape);

/*
 * Checks an opened DATA body: lengths (those of compressed pages too), counts, kinds, ranges inside
 * `page_count`, reserved fields. features: the offer's. 0; -EBADMSG if it is malformed;
 * -ERANGE if a page lies beyond the guest. What is in a compressed page is not looked at.
 */
int xf_wire_check_data(const struct xf_wire_shape *shape, uint64_t features, const uint8_t *body,
                       size_t len, uint64_t page_count);

/* Checks an opened FEEDBACK body from that receiver: lengths, ranges ascending and below the
   horizon. 0 or -EBADMSG. */
int xf_wire_check_feedback(const uint8_t *body, size_t len, uint32_t receiver);

/* Copies a peer's text, with what is not printable replaced. out: XF_REASON_BYTES + 1. */
void xf_wire_reason_text(char *out, const struct xf_wire_reason *reason);

#endif
