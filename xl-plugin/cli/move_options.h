/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Move options: the rows that `xl-fast migrate` and `xl-fast demo` share, because both move a
 * guest. member says where the value goes (.to = offsetof(...)), otherwise the text of what holds
 * without it.
 */
#ifndef XF_CLI_MOVE_OPTIONS_H
#define XF_CLI_MOVE_OPTIONS_H

#include "options.h"
#include "words.h"

#define XF_MOVE_MAX_DOWNTIME(member, otherwise)                                                    \
    {                                                                                              \
        .name = "max-downtime", .value = "MS", .kind = XF_OPTION_MS, .min = 1, .max = 3600000,     \
        member, .help = "the downtime to aim for (" otherwise ")"                                  \
    }

#define XF_MOVE_ON_BUSY(member, otherwise)                                                         \
    {                                                                                              \
        .name = "on-busy", .value = "WHAT", .kind = XF_OPTION_CHOICE, .words = xf_words_on_busy,   \
        member,                                                                                    \
        .help = "if the guest writes too fast for that, go: it moves all the same; abort: it "     \
                "stays at the source (" otherwise ")"                                              \
    }

#define XF_MOVE_DEADLINE(member, otherwise)                                                        \
    {                                                                                              \
        .name = "deadline", .value = "TIME", .kind = XF_OPTION_SECONDS, .min = 1, .max = 86400,    \
        member,                                                                                    \
        .help = "when no further round begins, such as 90s or 10m: then --on-busy decides "        \
                "(" otherwise ")"                                                                  \
    }

#define XF_MOVE_THROTTLE(member)                                                                   \
    {                                                                                              \
        .name = "throttle", member,                                                                \
        .help = "slow the guest down before that, by half at a time, until it can move"            \
    }

#define XF_MOVE_BANDWIDTH(member, otherwise)                                                       \
    {                                                                                              \
        .name = "bandwidth", .value = "RATE", .kind = XF_OPTION_RATE, member,                      \
        .help = "limit on the wire, bits per second, such as 500M or 2.5Gbit/s (" otherwise ")"    \
    }

/* max: of xl-fast.conf, too */
#define XF_MOVE_LANES(member, otherwise)                                                           \
    {                                                                                              \
        .name = "lanes", .value = "N", .kind = XF_OPTION_COUNT, .min = 1, .max = 64, member,       \
        .help = "threads that move the guest, a queue of the port each (" otherwise ")"            \
    }

#define XF_MOVE_COMPRESS(member, otherwise)                                                        \
    {                                                                                              \
        .name = "compress", .value = "WHEN", .kind = XF_OPTION_CHOICE, .words = xf_words_compress, \
        member,                                                                                    \
        .help =                                                                                    \
            "auto: pages are compressed while that is faster; lz4: always; none (" otherwise ")"   \
    }

#endif
