/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pipes: a link in memory whose queues may be used side by side, for tests with threads. Its ends
 * may have other numbers of queues, and what one sends on a queue need not come out of the same
 * one at the other, as where a NIC hashes it elsewhere.
 *
 * Threads: as link.h.
 */
#ifndef XF_TESTS_PIPES_H
#define XF_TESTS_PIPES_H

#include "transport/link.h"

struct pipes;

/* queues: of both ends. shift: what is sent on queue q comes out of queue q + shift, modulo how
   many the other end has. */
struct pipes *pipes_new(const unsigned queues[2], unsigned shift, uint32_t payload_bytes);
void pipes_free(struct pipes *p);

struct xf_link *pipes_end(struct pipes *p, unsigned end);

/* Buffers that were taken and not given back; while nobody uses the link. */
unsigned pipes_held(const struct pipes *p);

#endif
