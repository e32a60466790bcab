/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Identity: from a guest's configuration that of a copy, which can be told apart from it: another
 * name, UUID, MAC and generation id, and what it is told about itself.
 *
 * Threads: one at a time. Source: tools/libs/light/libxl_types.idl.
 */
#ifndef XF_CLONE_IDENTITY_H
#define XF_CLONE_IDENTITY_H

#include <libxl.h>

#include "xl-plugin/migrate/clone_words.h"

#define XF_IDENTITY_WHY 300

struct xf_identity {
    const char *name, *uuid;
    unsigned number;
    enum xf_clone_net net;
    enum xf_clone_disks disks;
    const char *fence; /* the script that attaches a fenced network card */
};

/* Whether a guest can be copied so. 0, or -ENOTSUP with a line in why: what to do instead. */
int xf_identity_check(const libxl_domain_config *config, const struct xf_identity *id,
                      char why[XF_IDENTITY_WHY]);

/* Changes the configuration. 0 or -errno. */
int xf_identity_give(libxl_ctx *ctx, libxl_domain_config *config, const struct xf_identity *id);

#endif
