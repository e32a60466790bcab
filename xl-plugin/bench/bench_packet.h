/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, packet: what `xl-fast bench link` sends where it measures packets and no migration. The
 * header is laid out as a migration's, with a type that no migration knows and a session's tag that
 * none has, so an end of a migration drops it. With --seal none the body is in the clear, which
 * only this benchmark can have: nothing of it is in transport/.
 *
 *     +--------+--------------------------------+-----+
 *     | header | struct xf_bench_body | filler  | tag |
 *     +--------+--------------------------------+-----+
 */
#ifndef XF_BENCH_BENCH_PACKET_H
#define XF_BENCH_BENCH_PACKET_H

#include <stdint.h>

#include "transport/wire.h"

#define BENCH_PACKET_TYPE 0x7b
#define BENCH_SIZE_MIN    64u /* of the UDP payload; that of a probe, too */

enum xf_bench_packet {
    BENCH_PACKET_LOAD,
    BENCH_PACKET_PROBE, /* is answered at once by */
    BENCH_PACKET_ECHO,
};

struct xf_bench_body {
    uint64_t sent_ns; /* of a probe, by its sender's clock; its echo has it, too */
    uint32_t trial;
    uint8_t packet;
    uint8_t counted; /* 0: sent to warm up */
    uint16_t zero;
};

static_assert(sizeof(struct xf_bench_body) == 16, "no holes");
static_assert(sizeof(struct xf_wire_header) + sizeof(struct xf_bench_body) + XF_TAG_BYTES <=
                  BENCH_SIZE_MIN,
              "a probe has room for all");

#endif
