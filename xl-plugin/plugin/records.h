/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records: what Xen itself wants in the stream of an HVM or PVH guest besides its memory, written
 * as libxenguest 4.17 writes it (tools/libs/guest/xg_sr_common_x86.c, xg_sr_save_x86_hvm.c). Each
 * returns 0 or -errno and has said why. The save helper's thread.
 */
#ifndef XF_PLUGIN_RECORDS_H
#define XF_PLUGIN_RECORDS_H

#include <stdint.h>

#include <xenctrl.h>

/* X86_CPUID_POLICY, X86_MSR_POLICY, STATIC_DATA_END. */
int xf_records_write_static(xc_interface *xch, int fd, uint32_t domid);

/* XF_EARLY, behind these: where the guest's special pages are (special.h). */
int xf_records_write_early(xc_interface *xch, int fd, uint32_t domid);

/* X86_TSC_INFO, HVM_CONTEXT, HVM_PARAMS, END. The guest is suspended. */
int xf_records_write_tail(xc_interface *xch, int fd, uint32_t domid);

#endif
