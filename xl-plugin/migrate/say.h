/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Say: the lines of `xl-fast migrate` on stderr, each one write. Part of a line may be what the
 * other host answered: nothing in it reaches the terminal that one acts on.
 */
#ifndef XF_MIGRATE_SAY_H
#define XF_MIGRATE_SAY_H

/* "xl-fast: ..." and a line end. */
void xf_migrate_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
