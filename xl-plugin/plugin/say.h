/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Say: what the user reads. The save helper's stdout is libxl's protocol, so every line goes to
 * stderr, which reaches the terminal of `xl migrate` from both ends (from the target by ssh).
 * One line is one write(2), so the ends' lines do not mix. Any thread.
 */
#ifndef XF_PLUGIN_SAY_H
#define XF_PLUGIN_SAY_H

/* "xl-fast: " + the text + newline. Cut at 2 KiB. */
void xf_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
