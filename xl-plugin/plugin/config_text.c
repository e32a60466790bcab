/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Config, text: looks at xl-fast.conf line by line before the parser does. */
#include "config_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config_keys.h"

/* Where the value of a line `KEY = VALUE` begins; NULL: the line is none. */
static const char *value_of(const char *line, int *key_n)
{
    const char *key = line + strspn(line, " \t"), *at = key;

    if (!isalpha((unsigned char)*at) && *at != '_')
        return NULL;
    while (isalnum((unsigned char)*at) || *at == '_')
        at++;
    *key_n = (int)(at - line);
    at += strspn(at, " \t");
    if (*at != '=')
        return NULL;
    at++;
    return at + strspn(at, " \t");
}

static bool is_number(const char *value, size_t n)
{
    size_t digits = strspn(value, "0123456789");

    return digits == n || (!strncasecmp(value, "0x", 2) && n > 2 &&
                           2 + strspn(value + 2, "0123456789abcdefABCDEF") == n);
}

/* A value that is neither in quotes, nor a list, nor a number. */
static bool lacks_quotes(const char *value, size_t *n)
{
    if (!*value || strchr("\"'[\r\n#", *value))
        return false;
    *n = strcspn(value, "\r\n#;");
    while (*n && isblank((unsigned char)value[*n - 1]))
        --*n;
    return *n && !is_number(value, *n);
}

/* A line `KEY = VALUE`, whose key is up to key_n and may have blanks before it. */
static void say_value(xf_config_text_say *say, void *arg, unsigned line, const char *at, int key_n,
                      const char *value, size_t value_n)
{
    int blanks = (int)strspn(at, " \t"), n = key_n - blanks;
    char why[256];

    snprintf(why, sizeof(why),
             xf_config_key_is_number(xf_config_key_find(at + blanks, (size_t)n))
                 ? "%.*s takes a number, not '%.*s'"
                 : "a string needs quotes: %.*s = \"%.*s\"",
             n > 32 ? 32 : n, at + blanks, value_n > 128 ? 128 : (int)value_n, value);
    say(arg, line, why);
}

unsigned xf_config_text_check(const char *text, xf_config_text_say *say, void *arg)
{
    unsigned found = 0, line = 1;
    bool dos = false;

    if (!strncmp(text, "\xef\xbb\xbf", 3)) {
        say(arg, line, "begins with a byte order mark: save the file as UTF-8 without one");
        text += 3;
        found++;
    }
    for (const char *at = text; *at; line++) {
        const char *end = at + strcspn(at, "\n"), *value;
        int key_n = 0;
        size_t n;

        if (!dos && end > at && end[-1] == '\r') {
            say(arg, line, "ends with CR LF, as on DOS: sed -i 's/\\r$//' FILE");
            dos = true;
            found++;
        }
        value = value_of(at, &key_n);
        if (value && value <= end && lacks_quotes(value, &n)) {
            say_value(say, arg, line, at, key_n, value, n);
            found++;
        }
        at = end + (*end != 0);
    }
    return found;
}

const char *xf_config_address_wrong(uint32_t ipv4, unsigned prefix)
{
    uint32_t hosts = prefix < 31 ? UINT32_MAX >> prefix : 0;

    if (ipv4 >> 24 == 0)
        return "begins with 0, as no host's does";
    if (ipv4 >> 24 == 127)
        return "is a loopback address: the other host cannot reach it";
    if (ipv4 >> 28 == 0xe)
        return "is a multicast address";
    if (ipv4 >> 28 == 0xf)
        return "is in the reserved range 240.0.0.0/4";
    if (hosts && !(ipv4 & hosts))
        return "is the address of the network, not of a host in it";
    if (hosts && (ipv4 & hosts) == hosts)
        return "is the broadcast address of its network";
    return NULL;
}
