/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plug-in stand-in: what the plug-in's two ends reach outside Xen's calls: the port, the
 * configuration, libxenguest's own functions (dlsym), and stderr. Tests named test_xen_* are linked
 * with --wrap for these.
 */
#ifndef XF_TESTS_STANDIN_PLUGIN_H
#define XF_TESTS_STANDIN_PLUGIN_H

#include <stdbool.h>

#include "transport/link.h"
#include "xl-plugin/plugin/config.h"

struct standin_plugin {
    struct xf_link *link[2]; /* that the port is: the source's, the target's */
    int port_error;          /* of both; 0: it opens */
    struct xf_config config; /* of both */
    int config_error;
    /* What dlsym() finds by such names. */
    void *stock_save, *stock_restore, *report_error, *shadow_control;
    char said[32768]; /* all of it, a line each */
};

extern struct standin_plugin standin_plugin;

/* Set by the thread that is the source; all others are the target. */
extern _Thread_local bool standin_is_source;

void standin_plugin_reset(void);
/* Whether some line had these words. */
bool standin_said(const char *words);

#endif
