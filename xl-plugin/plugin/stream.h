/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stream: the libxc migration stream, version 3, of an HVM or PVH guest whose memory travels
 * elsewhere (Xen: docs/specs/libxc-migration-stream.pandoc). What is in it, in this order:
 *
 *     image header, domain header
 *     XF_OFFER             ours, mandatory: a receiver that does not know it must refuse
 *     XF_MEMBER            ours, mandatory, where the source sends to several targets at once
 *     X86_CPUID_POLICY, X86_MSR_POLICY, STATIC_DATA_END         as stock
 *     XF_EARLY             ours, mandatory, where the hand-over is early (special.h)
 *         ... memory goes over the link; nothing is written here meanwhile ...
 *     XF_PAGES             ours, mandatory: every page has landed and the guest is suspended
 *     X86_TSC_INFO, HVM_CONTEXT, HVM_PARAMS, END                as stock
 *
 * A record is {u32 type, u32 length}, little-endian, and a body padded to 8 bytes. A type with bit
 * 31 set is one that a receiver may skip; a stock receiver refuses every other type that it does
 * not know, which is what ours rely on.
 *
 * Reading never takes a byte more than it was asked for, because what follows END is libxl's.
 * One thread per stream.
 */
#ifndef XF_PLUGIN_STREAM_H
#define XF_PLUGIN_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/member.h"
#include "transport/offer.h"

#define XF_STREAM_ERR_BYTES 200
#define XF_STREAM_WHY_BYTES 256

#define XF_REC_END              0x00000000u
#define XF_REC_PAGE_DATA        0x00000001u
#define XF_REC_X86_TSC_INFO     0x00000008u
#define XF_REC_HVM_CONTEXT      0x00000009u
#define XF_REC_HVM_PARAMS       0x0000000au
#define XF_REC_STATIC_DATA_END  0x00000010u
#define XF_REC_X86_CPUID_POLICY 0x00000011u
#define XF_REC_X86_MSR_POLICY   0x00000012u
#define XF_REC_OPTIONAL         0x80000000u /* the bit */

/* Ours: 0x5846 is "XF". Never reused. */
#define XF_REC_OFFER  0x58460001u /* body: an OFFER as in transport/PROTOCOL.md */
#define XF_REC_PAGES  0x58460002u /* body: struct xf_pages_record */
#define XF_REC_EARLY  0x58460005u /* body: that of HVM_PARAMS */
#define XF_REC_MEMBER 0x58460006u /* body: a member as in transport/PROTOCOL.md */
/* To the hub alone, which gives each target its stream (xl-plugin/clone/hub.h). */
#define XF_REC_GROUP   0x58460007u /* body: all members; each target gets its own */
#define XF_REC_DROPPED 0x58460008u /* body: struct xf_dropped_record */

#define XF_IMAGE_HEADER_BYTES  24
#define XF_DOMAIN_HEADER_BYTES 16
#define XF_HEADERS_BYTES       (XF_IMAGE_HEADER_BYTES + XF_DOMAIN_HEADER_BYTES)

struct xf_record {
    uint32_t type;
    uint32_t length; /* of the body, without padding; bytes */
};

/* What the source says that it sent; the target compares. */
struct xf_pages_record {
    uint8_t session_id[16];
    uint64_t pages_total; /* of the first round */
    uint32_t rounds;      /* the final one included */
    uint32_t reserved;    /* zero */
};
#define XF_PAGES_BYTES 32

/* A target of a group that the source has dropped. */
struct xf_dropped_record {
    uint32_t target;
    char why[XF_STREAM_WHY_BYTES]; /* for the user, with its name */
};
#define XF_DROPPED_BYTES (8 + XF_STREAM_WHY_BYTES) /* after the number, 4 bytes of zeros */

/* A descriptor to read from or write to, with what ends the wait. */
struct xf_stream {
    int fd;
    int watch_fd;   /* stop when this one's peer is gone; -1 = none */
    bool process;   /* watch_fd is one of pidfd_open(2)'s: stop when that process has ended */
    int timeout_ms; /* longest wait for the next bytes; -1 = no limit */
};

/*
 * Exactly len bytes, or -EPIPE: the other end has closed (at a byte where it must not);
 * -ECANCELED: watch_fd's peer is gone; -ETIMEDOUT; or another -errno.
 */
int xf_stream_read(const struct xf_stream *s, void *buf, size_t len);
int xf_stream_write(int fd, const void *buf, size_t len);

/* The domain header's kind of guest. */
enum xf_stream_guest { XF_STREAM_PV = 1, XF_STREAM_HVM = 2 /* PVH too */ };

/* Both headers. */
void xf_stream_make_headers(uint8_t out[XF_HEADERS_BYTES], enum xf_stream_guest guest,
                            uint32_t xen_major, uint32_t xen_minor);

/* -EBADMSG: not a version 3 stream of such a guest; why says what it is. */
int xf_stream_check_headers(const uint8_t in[XF_HEADERS_BYTES], enum xf_stream_guest guest,
                            char why[XF_STREAM_ERR_BYTES]);

int xf_stream_write_record(int fd, uint32_t type, const void *body, uint32_t length);
int xf_stream_read_record(const struct xf_stream *s, struct xf_record *rec);

/*
 * What both kinds of fast stream begin with: the headers of such a guest, then the OFFER, which
 * must hand over early or must not (XF_FEATURE_EARLY); then the MEMBER, if it is to a group.
 * member: all 0 without a group; NULL: groups are refused. An error with an empty why is one of
 * reading.
 */
int xf_stream_read_offer(const struct xf_stream *s, enum xf_stream_guest guest, bool early,
                         uint8_t headers[XF_HEADERS_BYTES], struct xf_offer *offer,
                         struct xf_member *member, char why[XF_STREAM_ERR_BYTES]);

/* The body of a record, which must be exactly `length` long; takes the padding too. */
int xf_stream_read_body(const struct xf_stream *s, const struct xf_record *rec, void *body,
                        uint32_t length);

/* Copies the record with its body and padding to `out`, through a small buffer. */
int xf_stream_forward(const struct xf_stream *s, const struct xf_record *rec, int out);

enum xf_stream_part { XF_STREAM_STATIC, XF_STREAM_TAIL };

/*
 * Whether a record may stand in this part of our stream, and with that length. 0, or -EBADMSG with
 * why. Asked before anything of the body is read.
 */
int xf_stream_allow(enum xf_stream_part part, const struct xf_record *rec,
                    char why[XF_STREAM_ERR_BYTES]);

/* The verdict on a record: whether it belongs here ("into ..."), and is at most max bytes long. */
int xf_stream_judge(const struct xf_record *rec, bool here, uint32_t max, const char *where,
                    char why[XF_STREAM_ERR_BYTES]);

void xf_pages_encode(const struct xf_pages_record *rec, uint8_t out[XF_PAGES_BYTES]);
void xf_dropped_encode(const struct xf_dropped_record *rec, uint8_t out[XF_DROPPED_BYTES]);
void xf_dropped_decode(struct xf_dropped_record *rec, const uint8_t in[XF_DROPPED_BYTES]);
void xf_pages_decode(struct xf_pages_record *rec, const uint8_t in[XF_PAGES_BYTES]);

#endif
