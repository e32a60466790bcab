/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mappings: how many chunks of the guest's memory (transport/guest.h) the target may have mapped at
 * once. Linux gives a process so many mappings (vm.max_map_count), and each costs dom0 memory.
 */
#ifndef XF_PLUGIN_MAPPINGS_H
#define XF_PLUGIN_MAPPINGS_H

#include <stdbool.h>
#include <stdint.h>

struct xf_mappings_host {
    uint64_t map_limit;  /* vm.max_map_count; 0: not known */
    uint64_t mapped;     /* by this process */
    uint64_t memory_mib; /* of dom0 */
    bool pv_dom0;
};

/* Any thread. */
void xf_mappings_look(struct xf_mappings_host *host);

/* From a few to XF_CHUNKS_MAX. */
uint32_t xf_mappings_chunks(const struct xf_mappings_host *host);

#endif
