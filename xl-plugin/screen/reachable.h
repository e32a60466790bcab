/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reachable: how long a move lasted for the guest's neighbours, by each of its network interfaces:
 * from the request to suspend the guest at the source, as the downtime, to the first frame that
 * came from that interface at the target. One that was not seen in time is there without a time;
 * one that nobody waited for is not there. Pure. Threads: any.
 */
#ifndef XF_SCREEN_REACHABLE_H
#define XF_SCREEN_REACHABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XF_REACHABLE_MAX   64
#define XF_REACHABLE_MAC   18
#define XF_REACHABLE_BYTES 200
#define XF_REACHABLE_S     30 /* as long is watched (xl-plugin/arrival/arrival.h) */

struct xf_reachable_vif {
    unsigned vif; /* its number, as in the guest's configuration */
    char mac[XF_REACHABLE_MAC];
    bool seen;
    uint64_t after_us;
};

struct xf_reachable {
    struct xf_reachable_vif at[XF_REACHABLE_MAX];
    unsigned n;
};

/* That of this number, which is added if it is new; NULL: there are too many. */
struct xf_reachable_vif *xf_reachable_find(struct xf_reachable *r, unsigned vif);

/* When the last of them was: false if one was not seen, or there is none. */
bool xf_reachable_all(const struct xf_reachable *r, uint64_t *after_us);

/* "after 1.9 s"; "after 1.9 s (vif 0), not seen in 30 s (vif 1)". Needs one. */
char *xf_reachable_show(char to[XF_REACHABLE_BYTES], const struct xf_reachable *r);

/* Whether text is a MAC of small hex digits. */
bool xf_reachable_mac_ok(const char *text);

struct json_object;
/* Adds what an object tells of one (vif, mac, reachable_after_us: null if it was not seen). False:
   it tells of none. */
bool xf_reachable_take(struct xf_reachable *r, struct json_object *from);
/* An array of such objects: taken, and to be put somewhere. */
void xf_reachable_take_all(struct xf_reachable *r, struct json_object *array);
struct json_object *xf_reachable_json(const struct xf_reachable *r);

#endif
