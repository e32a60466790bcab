/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Save: the source end of `xl migrate --fast` inside the stock save helper. Its thread. */
#ifndef XF_PLUGIN_SAVE_H
#define XF_PLUGIN_SAVE_H

#include <stdbool.h>
#include <stdint.h>

#include <xenctrl.h>
#include <xenguest.h>

/*
 * Moves the domain; verify: and compares hashes of all pages before the end. 0: END is written, and
 * the guest is suspended; what xc_domain_save() returns 0 for. -errno: the reason is said; the
 * domain may be suspended and is libxl's to resume.
 */
int xf_save_run(xc_interface *xch, int io_fd, uint32_t domid, bool verify,
                struct save_callbacks *callbacks);

#endif
