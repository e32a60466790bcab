/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wire: a simulated link whose two ends are used by two threads, on the real clock. */
#ifndef XF_TESTS_WIRE_H
#define XF_TESTS_WIRE_H

#include <pthread.h>
#include <string.h>

#include "transport/base/clock.h"
#include "transport/sim/faultlink.h"
#include "transport/sim/simlink.h"

struct wire {
    struct xf_simlink *net;
    struct xf_link *fault[2];
    pthread_mutex_t lock;
};

struct wire_end {
    struct xf_link link; /* first */
    struct xf_link *below;
    struct wire *wire;
};

/* Both ends lose and damage packets by `faults`, from net's seed. */
int wire_open(struct wire *wire, struct wire_end ends[2], const struct xf_simlink_config *net,
              const struct xf_fault_config *faults);

void wire_free(struct wire *wire);

#endif
