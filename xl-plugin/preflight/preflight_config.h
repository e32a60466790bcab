/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xl-fast-preflight answers about xl-fast.conf, in key=value lines:
 *
 *     file=PATH
 *     error=LINE             for each error
 *     set=KEY ORIGIN VALUE   for each key, if there is no error; ORIGIN: file, environment or
 * default; VALUE: a number, a string in quotes, or nothing where there is none fast=ok if there is
 * no error
 */
#ifndef XF_PREFLIGHT_PREFLIGHT_CONFIG_H
#define XF_PREFLIGHT_PREFLIGHT_CONFIG_H

/* NULL: the file that a migration would read. */
void xf_preflight_config(const char *path);

#endif
