/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Restore: the target end of `xl migrate --fast` inside the stock save helper. */
#ifndef XF_PLUGIN_RESTORE_H
#define XF_PLUGIN_RESTORE_H

#include <stdint.h>

#include <xenctrl.h>
#include <xenguest.h>

/* The stock xc_domain_restore() with all but these two arguments bound. */
typedef int xf_stock_restore(void *arg, int io_fd, struct restore_callbacks *callbacks);

/*
 * Builds the domain: memory from the link, everything else by the stock function, in the caller's
 * thread. 0: as xc_domain_restore(); nothing beyond END was read from io_fd. -errno: the reason is
 * said; the half-built domain is libxl's to destroy.
 */
int xf_restore_run(int io_fd, uint32_t domid, struct restore_callbacks *callbacks,
                   xf_stock_restore *stock, void *arg);

#endif
