/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Readers: who else reads a domain's dirty log. Xen has one log a domain, and a read clears it: of
 * two migrations (or saves) of one guest at a time, each misses what the other has read, and the
 * guests that arrive are wrong. Xen hinders nobody: a second ENABLE_LOGDIRTY fails, and Xen's own
 * save then turns the log off and on again; a CLEAN of a log that is off succeeds, and finds
 * nothing.
 *
 * So we begin only where no other save helper works on the domain, and notice one that begins
 * later: for HVM and PVH by a page that is marked dirty after each read and has to be found so by
 * the next (dirty_log.h); for PV by the helper's process, and by the log, which is off when
 * it has ended. Then ours fails, and leaves the log on, as it is the other's now.
 */
#ifndef XF_PLUGIN_READERS_H
#define XF_PLUGIN_READERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <xenctrl.h>

/* A libxl-save-helper that saves the domain, besides this process; 0: there is none. -errno: it
   cannot be told. proc: "/proc" (or a test's). */
pid_t xf_reader_find(const char *proc, uint32_t domid);

/* True: the log is another's, or may be: from now on this process does not turn it off. */
void xf_reader_leave_log(bool leave);
bool xf_reader_log_is_left(void);

/*
 * Of a PV domain whose log this process has turned on, after each of its reads: 0, or -errno and
 * why (256 bytes), and the log is left on.
 */
int xf_reader_check_pv(xc_interface *xch, uint32_t domid, char why[256]);

#endif
