/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Alarm: ends a wait within a driver. net_af_packet's transmit polls without a limit while the
 * kernel holds the packets of a full ring, and a NIC that has stopped sending holds them for good:
 * the process then sees neither its peer's silence nor a SIGTERM. A signal interrupts that poll,
 * and the burst ends with what was taken.
 *
 * Threads: one alarm a thread, which is the one that is interrupted. SIGRTMAX is the alarms'.
 * Private to dpdk/.
 */
#ifndef XF_DPDK_ALARM_H
#define XF_DPDK_ALARM_H

#include <stdbool.h>
#include <time.h>

struct xf_alarm {
    bool made, failed; /* all zero before the first xf_alarm_set() */
    timer_t timer;
};

/* For the calling thread: from XF_ALARM_MS on, again and again until it is cleared. Where the
   kernel has no timer left, nothing is interrupted. */
void xf_alarm_set(struct xf_alarm *a);
void xf_alarm_clear(struct xf_alarm *a);

/* After its last use, by any thread. */
void xf_alarm_free(struct xf_alarm *a);

/* Far more than a burst takes, far less than what a session waits for. */
#define XF_ALARM_MS 100

#endif
