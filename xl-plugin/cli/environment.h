/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Environment: all variables XL_FAST* of ours, a row each (scripts/lint.d/environment holds it to
 * the code). Who says which: U a user (the man pages document those), A the alias xl, M xl-fast
 * migrate, for the save helper at the source (xl hands its environment on), R what is run at the
 * target, T tests.
 *
 *   XL_FAST                  M R  1: xl-fast-helper preloads libxlfast.so; early: the pump does all
 *                                 of it (xl-plugin/handover/pump.c)
 *   XL_FAST_HAND_OVER        M    early, or why it is late
 *   XL_FAST_MARKS            T R  1: it does so in any migration, for marks of time
 *   XL_FAST_DOMAIN           R    the UUID of the guest that xl-fast-receive receives
 *   XL_FAST_CLONE            R    1: what comes is a clone, which is not announced
 *   XL_FAST_EVENTS           U M  the file that events are appended to
 *   XL_FAST_GUEST            M    the guest's name, for the events
 *   XL_FAST_HOST             M    the target's name, for the events
 *   XL_FAST_SAID             M    the file of what xl and both ends say
 *   XL_FAST_FIXED_US         M    of the downtime, microseconds besides pages, as in earlier moves
 *   XL_FAST_UNTOUCHED        M    a file that is removed before the guest is touched
 *   XL_FAST_CAP              M    the file that says how to undo a cap of the guest's CPU time
 *   XL_FAST_DISKS            M    HOST=SOCKET of each xl-fast-disks: makes the guest's disks whole
 *   XL_FAST_TARGETS          M    of copies on several hosts at once: these (by xl-fast-clone)
 *   XL_FAST_ALL_OR_NONE      M    1: of those, all are made or none
 *   XL_FAST_MIN_RATE         M    bits per second that each of them is to take
 *   XL_FAST_CONTROL          M    the socket to make for xl-fast set
 *   XL_FAST_MAX_DOWNTIME     U M  milliseconds; this and the next nine override xl-fast.conf
 *   XL_FAST_BANDWIDTH        U M  bits per second
 *   XL_FAST_COMPRESS         U M  auto, lz4 or none
 *   XL_FAST_ON_BUSY          U M  go or abort
 *   XL_FAST_DEADLINE         U M  seconds
 *   XL_FAST_THROTTLE         U M  1
 *   XL_FAST_VERIFY           U M  1
 *   XL_FAST_LANES            U M  1 to 64
 *   XL_FAST_CONNECT_TIMEOUT  U    seconds
 *   XL_FAST_STOCK_HELPER     U    the path of Xen's libxl-save-helper
 *   XL_FAST_CONF             U    another xl-fast.conf
 *   XL_FAST_WAIT             U    0: a move does not wait for the guest's first frame
 *   XL_FAST_VERBOSE          U    not empty: as --verbose
 *   XL_FAST_REAL_XL          A    the real xl
 *   XL_FAST_LIBDIR           A T  the folder of what belongs together, /usr/lib/xl-fast
 *   XL_FAST_SHIM             A M  1: an alias that is called from below looks for no further xl
 *   XL_FAST_RUNDIR           T    instead of /run
 *   XL_FAST_STATEDIR         T    instead of /var/lib
 *   XL_FAST_SYSLOG           T    instead of /dev/log
 *   XL_FAST_SYSFS            T    instead of /sys
 *   XL_FAST_LAG              T    seconds that a copy may be ready later than another one
 *   XL_FAST_POLL             T    seconds between two questions to a target whose port is in use
 */
#ifndef XF_CLI_ENVIRONMENT_H
#define XF_CLI_ENVIRONMENT_H

#endif
