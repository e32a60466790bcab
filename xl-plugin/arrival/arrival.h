/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arrival: a guest that has come here by migration, as its neighbours see it. Beside the receiver,
 * which knows nothing of it, this waits for the guest's interfaces in dom0; once the guest runs
 * here, it announces each emulated card (frames.h, mouth.h) until the guest speaks itself, and says
 * when the first frame came from each:
 *
 *     xl-fast: arrival {"vif":0,"mac":"00:16:3e:01:02:03"}     it is watched
 *     xl-fast: arrival {"vif":0,"age_us":1234}                 its first frame came so long ago
 *     xl-fast: arrival {"over":true}                           no more is said
 *
 * The source takes age_us off its own time when it hears of it: no two hosts' clocks are compared.
 *
 * It looks and speaks, and does nothing to the guest: the move neither waits for it nor fails with
 * it. It is over when all have spoken, XF_ARRIVAL_S after the guest began to run, when the guest
 * is gone, or when the receiver is and the guest does not run. One thread.
 */
#ifndef XF_ARRIVAL_ARRIVAL_H
#define XF_ARRIVAL_ARRIVAL_H

#include <net/if.h>

#include "frames.h"

#define XF_ARRIVAL_S     30
#define XF_NICS_MAX      64
#define XF_NIC_IP_BYTES  512
#define XF_ARRIVAL_BYTES 160 /* of a line */

/* As the toolstack has it. */
struct xf_nic {
    unsigned devid;
    uint8_t mac[XF_MAC_BYTES];
    char ip[XF_NIC_IP_BYTES]; /* "": none is known */
    char name[IFNAMSIZ];      /* of its interface in dom0; "": vifDOMID.DEVID */
};

enum xf_guest_state {
    XF_GUEST_GONE,
    XF_GUEST_WAITS, /* has not been started here */
    XF_GUEST_RUNS,
};

/* What is to be known of the guest. */
struct xf_arrival_guest {
    /* Its number here; -1: not yet. */
    int (*find)(void *arg);
    enum xf_guest_state (*look)(void *arg, int domid);
    /* Those whose other end is in this dom0. How many. */
    unsigned (*nics)(void *arg, int domid, struct xf_nic to[XF_NICS_MAX]);
};

struct xf_arrival {
    const struct xf_arrival_guest *guest;
    void (*tell)(void *arg, const char *line); /* without its end */
    void *arg;                                 /* of both */
    int receiver;                              /* a file that is readable when it has ended */
    bool announce;
};

/* To its end. 0 or -errno: it could not watch. */
int xf_arrival_run(const struct xf_arrival *a);

/* When the next announcement is due after `sent` of them, in milliseconds since the last; -1: no
   more. As QEMU does: five, at 0, 50, 200, 450 and 800 ms. */
int xf_arrival_gap_ms(unsigned sent);

#endif
