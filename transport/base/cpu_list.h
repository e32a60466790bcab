/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPU list: CPUs as a user and Linux write them, "2-5,8". One reading for the demo's command line,
 * xl-fast.conf and /sys. Threads: any.
 */
#ifndef XF_TRANSPORT_BASE_CPU_LIST_H
#define XF_TRANSPORT_BASE_CPU_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XF_CPU_MAX 1024u /* the first number that is none: as many as cpu_set_t has */

struct xf_cpu_list {
    uint16_t cpus[XF_CPU_MAX]; /* in the order in which they are named */
    unsigned n;
};

/* What a text is not that cannot be read, for a message. */
#define XF_CPU_LIST_WORDS "CPU numbers and ranges, each CPU once: such as 2-5,8"

/* -EINVAL, and an empty list: not one, or empty; a number above 1023; a range backwards; a CPU
   twice. */
int xf_cpu_list_parse(const char *text, struct xf_cpu_list *out);

bool xf_cpu_list_has(const struct xf_cpu_list *list, unsigned cpu);

/* The list as a text that can be read again; "" of an empty one. As much as fits. Returns out. */
const char *xf_cpu_list_show(const struct xf_cpu_list *list, char *out, size_t size);

#endif
