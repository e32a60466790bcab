/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Alarm: ends a wait within a driver. net_af_packet's transmit polls without a limit while the
 * kernel holds the packets of a full ring, and a NIC that has stopped sending holds them for good:
 * the process then sees neither its peer's silence nor a SIGTERM. A signal interrupts that poll,
 * and the burst ends with what was taken.
 *
 * The timer goes on between two bursts, for to start and to stop it are system calls, which would
 * be two a burst; it stops by itself once there are none any more. So what else a thread that sends
 * may wait in has to bear an EINTR or a short sleep now and then.
 *
 * Threads: each has an alarm of its own, and is the one that is interrupted. SIGRTMAX is the
 * alarms'. Private to dpdk/.
 */
#ifndef XF_DPDK_ALARM_H
#define XF_DPDK_ALARM_H

/* From now on the calling thread's waits are interrupted, each after XF_ALARM_MS at most, until it
   is cleared; some that come soon after that may be. Where the kernel has no timer left, none is.
 */
void xf_alarm_set(void);
void xf_alarm_clear(void);
/* The thread ends: its timer goes. */
void xf_alarm_end(void);

/* Far more than a burst takes, far less than what a session waits for. */
#define XF_ALARM_MS 100

#endif
