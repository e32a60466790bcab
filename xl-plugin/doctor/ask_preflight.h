/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preflight: asks xl-fast-preflight, the program that knows Xen's libraries so that xl-fast need
 * not. It answers in key=value lines (xl-plugin/preflight/preflight.c).
 */
#ifndef XF_DOCTOR_ASK_PREFLIGHT_H
#define XF_DOCTOR_ASK_PREFLIGHT_H

#include <stdbool.h>

#define XF_PREFLIGHT_WHY_BYTES 768

typedef void xf_preflight_take(void *arg, const char *key, const char *value);

/*
 * Runs it with the words of args, which NULL ends, and hands its answers to take. -ENOENT: it is
 * not there; -EIO: it does not run, or its exit status is not 0. Then why gets a line for the user.
 */
int xf_preflight_ask(const char *const args[], xf_preflight_take *take, void *arg,
                     char why[XF_PREFLIGHT_WHY_BYTES]);

#endif
