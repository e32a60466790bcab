/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The question: what the source has to say to its target's preflight, on stdin, in lines:
 *
 *     version=X.Y.Z        of the source's xl-fast; with a guest and without this: older than 0.9.0
 *     attempt=UUID         of a migration that is to begin: it is given a turn (portlock.h)
 *     list=1               of all guests below, say which cannot move here; else that of the one is
 *                          a refusal
 *     guest=UUID           a guest; until the next such line, what it needs:
 *     name=NAME
 *     disk=VDEV PATH       of each disk that dom0 has by a path
 *     hand_over=early      its devices can be attached early (xl-plugin/handover/fits.h), if here,
 * too bridge=NAME          of each network card on a bridge cpu=pv|hvm HEX HEX   its CPU policy:
 * CPUID leaves and MSRs, as Xen has them in memory
 *
 * It may be empty. Nothing of it is trusted: a line that is none of these is passed over. The
 * source prints such lines after "ask=" (preflight_asks.c). Pure, but for xf_question_read().
 */
#ifndef XF_PREFLIGHT_PREFLIGHT_QUESTION_H
#define XF_PREFLIGHT_PREFLIGHT_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads all of fd, for 5 s at most; nothing from a terminal. To be freed; NULL: there is none. */
char *xf_question_read(int fd);

/* The next line: KEY, and its value, cut to size. *at begins as the question; false at its end, or
   at the next guest, where stop says so. */
bool xf_question_line(const char **at, bool stop, char key[16], char *value, size_t size);

/* The value of the first line KEY=VALUE before the first guest, "" without one. */
void xf_question_value(const char *question, const char *key, char *to, size_t size);

/* Where the next guest's lines begin, its UUID taken; NULL: there are no more. */
const char *xf_question_guest(const char *at, char uuid[37]);

/* Bytes from hexadecimal digits up to a blank or the end. How many, or -1. */
int xf_question_hex(const char *text, void *to, size_t size);

/* ---- what a target says to a guest's lines --------------------------------------------------- */

struct xf_question_domain {
    uint32_t domid;
    char name[256], uuid[37];
};

struct xf_question_host {
    const struct xf_question_domain *domains;
    unsigned domains_n;
    const char *root;  /* before a disk's path: "" */
    const char *sysfs; /* "/sys" */
};

#define XF_QUESTION_WHY_BYTES 600

/* 0: the guest fits as far as its lines tell, but for its CPU; -1: not, with why, and the command
   that fixes it (at the target), "" where there is none. */
int xf_question_judge(const char *guest, const char *uuid, const struct xf_question_host *host,
                      char why[XF_QUESTION_WHY_BYTES], char fix[XF_QUESTION_WHY_BYTES]);

#endif
