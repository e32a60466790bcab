/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Quote: a guest's name is anybody's text, and it goes into command lines: those that are printed
 * for the user to paste, and those that ssh hands to the login shell of another host.
 *
 * Only letters, digits and ._/:@%+=,- are passed to another host as they are. All other bytes, as
 * in `dev's pc`, travel in octal: "$(printf %b "dev\0047s\0040pc")". The login shell there (bash,
 * dash, fish, tcsh, zsh) gets it within single quotes, in which none of them changes anything.
 */
#ifndef XF_CLI_QUOTE_H
#define XF_CLI_QUOTE_H

#include <stddef.h>
#include <stdio.h>

/* A word of a command line to be pasted: as it is, in single quotes, or, if a terminal would not
   show it (control characters, no UTF-8), in octal. */
void xf_quote(FILE *to, const char *word);

/* What the longest word in so many bytes may take. */
#define XF_QUOTE_BYTES(size) ((size)*5 + 20)

/* The same, in size bytes (XF_QUOTE_BYTES()); returns to. */
const char *xf_quote_text(char *to, size_t size, const char *word);

/* A word of sh's within single quotes of any login shell. */
void xf_quote_remote(FILE *to, const char *word);

/* Reads a word that xf_quote_remote() may have written. Returns what follows it, which is a blank
   or the end, or NULL for any other text. */
const char *xf_quote_read(const char *at, char *word, size_t size);

/* The bytes of a character of UTF-8 that can be shown; 0: it is none, or a control character. */
unsigned xf_quote_utf8(const char *at);

#endif
