/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers of the command line: refused unless all of the text is one, within its limits. */
#ifndef XF_CLI_NUMBER_H
#define XF_CLI_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* "512", "64K", "256MiB", "1.5G", "1T": bytes, binary; "10MB" is decimal. 0 or -EINVAL. */
int xf_number_size(const char *text, uint64_t *bytes);

/* The same per second, of which "/s" may be said: "20M", "20MiB/s". */
int xf_number_byte_rate(const char *text, uint64_t *bytes_per_s);

/* "300ms", "2s", "0.5s", "5m", "1h", "200us": microseconds; a number alone is of units of so many.
 */
int xf_number_time(const char *text, uint64_t unit_us, uint64_t *us);

/* A whole number from min to max; decimal, or hexadecimal after 0x. */
int xf_number_u64(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* The same, of what fits the type. */
int xf_number_unsigned(const char *text, unsigned min, unsigned max, unsigned *value);

/* A percentage from 0 to 100, such as "0.5" or "0.5%". */
int xf_number_percent(const char *text, double *value);

/* "256.0 MiB" and the like. */
const char *xf_number_show_size(char *out, size_t size, uint64_t bytes);

#endif
