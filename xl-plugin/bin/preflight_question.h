/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The question: what the source has to say to its target's preflight, on stdin, in key=value lines:
 *
 *     attempt=UUID    of a migration that is to begin: it is given a turn (../plugin/portlock.h)
 *
 * It may be empty. Nothing of it is trusted: a line that is none of these is passed over.
 */
#ifndef XF_BIN_PREFLIGHT_QUESTION_H
#define XF_BIN_PREFLIGHT_QUESTION_H

#include <stddef.h>

/* Reads all of fd, for 5 s at most; nothing from a terminal. To be freed; NULL: there is none. */
char *xf_question_read(int fd);

/* The value of the first line KEY=VALUE, "" without one. */
void xf_question_value(const char *question, const char *key, char *to, size_t size);

#endif
