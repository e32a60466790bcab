/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of JSON: a string of anybody's bytes, a number with as many digits as are worth reading.
 */
#ifndef XF_CLI_JSON_TEXT_H
#define XF_CLI_JSON_TEXT_H

struct json_object;

/* What is no UTF-8 becomes U+FFFD, since JSON is UTF-8. */
struct json_object *xf_json_text(const char *text);

/* With one digit after the point: cycles per page, percent. Not finite: null. */
struct json_object *xf_json_tenths(double v);

#endif
