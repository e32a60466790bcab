/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compress: a page by a codec, when it pays. It does while the pages then leave faster, and how
 * fast they leave is the slower of two things: what the link takes, at the rate that pace has
 * found, and what the CPU makes, which is measured on some pages and packets.
 *
 *                a page takes on the link     on the CPU
 *      raw       link_ns                      send_ns
 *      codec     share * link_ns              cost_ns + share * send_ns
 *
 * Of several codecs, which are tried in turns, the fastest counts. While none pays, one page in 64
 * and at last in 4096 is tried, so that a change is noticed. And while one does and the CPU is what
 * keeps the link waiting, nobody knows how fast that is: so now and then pages go raw for a moment,
 * in which pace finds out.
 * Private to transport/.
 *
 * Threads: the stepping one.
 */
#ifndef XF_TRANSPORT_COMPRESS_H
#define XF_TRANSPORT_COMPRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "codecs.h"
#include "guest.h"

/* A codec, as far as it is known how it does. */
struct xf_compress_way {
    const struct xf_codec *codec;
    void *state;
    double cost_ns; /* of a page; 0: not known */
    double share;   /* what is left of a page, of 1, on average; 0: not known */
};

struct xf_compress {
    enum xf_compress_mode mode;
    uint64_t (*clock_ns)(void);
    struct xf_compress_way ways[XF_CODECS_N]; /* that the mode and the offer allow */
    unsigned ways_n;
    unsigned best, turn;                      /* of ways: the one in use; the next to be tried */
    bool on;                                  /* AUTO: it pays */
    unsigned every, until_sample;             /* pages */
    unsigned until_timed;                     /* bursts */
    double link_ns, send_ns;                  /* of a page, as above; 0: not known */
    bool trial;                               /* raw for a moment ... */
    uint64_t trial_us, trial_rate;            /* ... since; and the rate known then */
    uint64_t link_waits_us;                   /* since when; the time now if it does not */
    _Alignas(64) uint8_t page[XF_PAGE_BYTES]; /* a copy: the guest may write to its own meanwhile */
};

/* features: the offer's: of the mode's codecs those that it has. clock_ns: for what the CPU takes;
   NULL: xf_cpu_ns(). -ENOMEM; on failure too, call fini. */
int xf_compress_init(struct xf_compress *c, enum xf_compress_mode mode, uint64_t features,
                     uint64_t (*clock_ns)(void));
void xf_compress_fini(struct xf_compress *c);

/*
 * Compresses a page into at most `room` bytes at `out`, by *codec. 0: it shall go raw, because it
 * does not fit or because compressing does not pay. The page's bytes may change meanwhile.
 */
uint32_t xf_compress_page(struct xf_compress *c, const void *page, uint8_t *out, uint32_t room,
                          const struct xf_codec **codec);

/* What the link takes, as far as is known (0: it was never what we waited for), and whether it
 * waits for us now. */
void xf_compress_link(struct xf_compress *c, uint64_t bytes_per_s, bool waits, uint64_t now_us);

/* Whether this burst's sealing and sending shall be timed; then so many bytes took so long. */
bool xf_compress_wants_time(struct xf_compress *c);
void xf_compress_sent(struct xf_compress *c, uint64_t bytes, uint64_t ns);

#endif
