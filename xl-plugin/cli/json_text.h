/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A string of JSON from anybody's bytes: what is no UTF-8 becomes U+FFFD, since JSON is UTF-8. */
#ifndef XF_CLI_JSON_TEXT_H
#define XF_CLI_JSON_TEXT_H

struct json_object;

struct json_object *xf_json_text(const char *text);

#endif
