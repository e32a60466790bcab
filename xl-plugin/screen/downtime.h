/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Downtime: from the guest's last instruction at the source, when it is asked to suspend, to its
 * first at the target, when xl there unpauses it. Its parts follow each other without gaps:
 *
 *   freeze    from the request until the guest is suspended and its last dirty pages are known
 *   copy      the last round of pages
 *   verify    both ends' memory is compared
 *   context   what follows the memory is sent, and the source's port is closed
 *   devices   until the target's xl is ready: it loads the state and attaches the devices
 *   go        until it has started the guest
 *
 * A part that was not measured is not there, which is not the same as 0; without the word that the
 * guest was started there is no downtime, only parts of it. Pure. Threads: any.
 */
#ifndef XF_SCREEN_DOWNTIME_H
#define XF_SCREEN_DOWNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xf_downtime_part {
    XF_DOWNTIME_FREEZE,
    XF_DOWNTIME_COPY,
    XF_DOWNTIME_VERIFY,
    XF_DOWNTIME_CONTEXT,
    XF_DOWNTIME_DEVICES,
    XF_DOWNTIME_GO,
    XF_DOWNTIME_PARTS
};

extern const char *const xf_downtime_names[XF_DOWNTIME_PARTS];

struct xf_downtime {
    bool have[XF_DOWNTIME_PARTS];
    uint64_t part_us[XF_DOWNTIME_PARTS];
    bool whole; /* the guest was started: us is known */
    uint64_t us;
};

/* Of the parts that are there. */
uint64_t xf_downtime_sum_us(const struct xf_downtime *d);
bool xf_downtime_any(const struct xf_downtime *d);

#define XF_DOWNTIME_BYTES 200

/* "7050 ms: freeze 2.0, copy 30, context 60, ..."; "at least 92 ms: ..." of one that is not whole.
   Needs xf_downtime_any(). */
char *xf_downtime_show(char to[XF_DOWNTIME_BYTES], const struct xf_downtime *d);

struct json_object;
/* Adds the members freeze_us and so on that the object has; those that are there to the object. */
void xf_downtime_take(struct xf_downtime *d, struct json_object *from);
void xf_downtime_put(struct json_object *to, const struct xf_downtime *d);

#endif
