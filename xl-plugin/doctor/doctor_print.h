/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Doctor: what `xl-fast doctor` has found, and how it is shown. doctor.c asks both ends
 * (xl-plugin/preflight/preflight.c) and compares what they answer (peers.h). Texts and commands of
 * the target are the target's: they are shown as what they are, and never run here.
 */
#ifndef XF_DOCTOR_DOCTOR_PRINT_H
#define XF_DOCTOR_DOCTOR_PRINT_H

#include <stdbool.h>
#include <stdio.h>

#include "peers.h"

#define XF_DOCTOR_LINES 64u

enum xf_doctor_end { XF_AT_SOURCE, XF_AT_TARGET, XF_AT_BOTH };

struct xf_doctor_line {
    enum xf_doctor_end end;
    bool ran;       /* not a check, but a command that was run: text, at `end`, with status */
    int status;     /* of what ran; -1: it did not end by itself */
    char check[24]; /* the check's name; of what ran, the check that it was run for comes next */
    struct xf_finding found;
};

struct xf_doctor {
    char source[256];       /* this host's name */
    const char *host, *ssh; /* as the user gave them; host NULL: only this host */
    struct xf_doctor_line lines[XF_DOCTOR_LINES];
    unsigned lines_n;
};

/* How many checks have this state. */
unsigned xf_doctor_count(const struct xf_doctor *d, enum xf_finding_state state);

void xf_doctor_print(const struct xf_doctor *d, FILE *to);
void xf_doctor_print_json(const struct xf_doctor *d, FILE *to);

#endif
