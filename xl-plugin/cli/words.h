/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words: those of which an option of several commands takes one; a word's place is the enum's. */
#ifndef XF_CLI_WORDS_H
#define XF_CLI_WORDS_H

extern const char *const xf_words_compress[]; /* enum xf_compress_mode */
extern const char *const xf_words_on_busy[];  /* enum xf_on_busy */

#endif
