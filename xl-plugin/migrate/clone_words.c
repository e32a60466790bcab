/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clone words: the tables, and names by a pattern. */
#include "clone_words.h"

#include <stdio.h>
#include <string.h>

const char *const xf_clone_net_words[] = {"fenced", "keep", "none", NULL};
const char *const xf_clone_disks_words[] = {"", "none", "shared-ro", "copy", NULL};

#define NAME_MAX_BYTES 64u /* with --incoming behind it, and in a file's name */

/* Of a host to be found by ssh, the host. */
static const char *host_of(const char *host)
{
    const char *at = strrchr(host, '@');

    return at ? at + 1 : host;
}

const char *xf_clone_name(char *to, size_t size, const char *pattern, unsigned number,
                          const char *host)
{
    size_t n = 0;

    to[0] = 0;
    for (const char *at = pattern; *at; at++) {
        char one[16] = {*at};
        const char *add = one;

        if (*at == '%') {
            switch (*++at) {
            case 'n':
                snprintf(one, sizeof(one), "%u", number);
                break;
            case 'h':
                add = host_of(host);
                break;
            default:
                return "a pattern: %n is the copy's number, %h its host";
            }
        }
        n += strlen(add);
        if (n >= size || n > NAME_MAX_BYTES)
            return "a name of at most 64 bytes";
        strcat(to, add);
    }
    /* As Xen's tools take them, and no word of a shell. */
    if (!to[0] || to[0] == '-' ||
        strspn(to, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+") !=
            strlen(to) ||
        strspn(to, "0123456789") == strlen(to))
        return "a domain's name: letters, digits, and . _ + -, not a number alone";
    return NULL;
}
