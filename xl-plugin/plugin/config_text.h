/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Config, text: what people often write and libxlutil's parser answers with "syntax error": a
 * string without quotes, DOS line ends, a byte order mark. Said in words, with the line.
 */
#ifndef XF_PLUGIN_CONFIG_TEXT_H
#define XF_PLUGIN_CONFIG_TEXT_H

#include <stdint.h>

/* Called for each finding; line counts from 1. */
typedef void xf_config_text_say(void *arg, unsigned line, const char *words);

/* Returns the number of findings. With one, the parser need not be asked. */
unsigned xf_config_text_check(const char *text, xf_config_text_say *say, void *arg);

/* NULL, or why no host can have the address in a network of that prefix. */
const char *xf_config_address_wrong(uint32_t ipv4, unsigned prefix);

#endif
