/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Begun: whether the target's helper has begun. Until it does, its xl waits, for its lock or for
 * memory, and nothing can come over the link. Nothing comes back on io_fd either; but what the
 * target says on its stderr reaches xl-fast migrate by ssh, which keeps it in the file that
 * XL_FAST_SAID names. The target's helper says XF_BEGUN_SAYS there.
 */
#ifndef XF_PLUGIN_BEGUN_H
#define XF_PLUGIN_BEGUN_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/source.h"

#define XF_BEGUN_SAYS "target: begins to receive"

struct xf_begun {
    const char *path; /* NULL: not known */
    bool yes;
};

/* Sets what the source asks, if it can be known. b stays the caller's as long as the source lives.
 */
void xf_begun_ask(struct xf_begun *b, struct xf_source_config *config);

/* When the source has failed: that it may not have been the link, where nothing is known. answered:
   the target has answered over the link. */
void xf_begun_excuse(const struct xf_begun *b, bool answered, int rc);

#endif
