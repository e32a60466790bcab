/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quote: turns a guest's name into one word of a command line, and back. */
#include "quote.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SAFE                                                                                       \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"                               \
    "._/:@%+=,-"

static const char begin[] = "\"$(printf %b \"", end[] = "\")\"";

static bool is_safe(const char *word)
{
    return word[0] && strspn(word, SAFE) == strlen(word);
}

unsigned xf_quote_utf8(const char *at)
{
    const uint8_t *c = (const uint8_t *)at;
    unsigned n = c[0] < 0x80             ? 1
                 : (c[0] & 0xe0) == 0xc0 ? 2
                 : (c[0] & 0xf0) == 0xe0 ? 3
                 : (c[0] & 0xf8) == 0xf0 ? 4
                                         : 0;
    static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000}; /* 0x80 to 0x9f are controls */
    uint32_t value = n > 1 ? c[0] & (0x7fu >> n) : c[0];

    for (unsigned i = 1; i < n; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (c[i] & 0x3f);
    }
    if (n == 1)
        return value >= ' ' && value != 0x7f;
    return value >= least[n] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff) ? n : 0;
}

static bool can_be_shown(const char *word)
{
    for (unsigned n; *word; word += n) {
        n = xf_quote_utf8(word);
        if (!n)
            return false;
    }
    return true;
}

void xf_quote_remote(FILE *to, const char *word)
{
    if (is_safe(word)) {
        fputs(word, to);
        return;
    }
    fputs(begin, to);
    for (; *word; word++) {
        if (strchr(SAFE, *word))
            putc(*word, to);
        else
            fprintf(to, "\\0%03o", (uint8_t)*word);
    }
    fputs(end, to);
}

void xf_quote(FILE *to, const char *word)
{
    if (is_safe(word) || !can_be_shown(word)) {
        xf_quote_remote(to, word);
        return;
    }
    putc('\'', to);
    for (; *word; word++) {
        if (*word == '\'')
            fputs("'\\''", to);
        else
            putc(*word, to);
    }
    putc('\'', to);
}

const char *xf_quote_text(char *to, size_t size, const char *word)
{
    FILE *f = fmemopen(to, size, "w");

    to[0] = 0;
    if (f) {
        xf_quote(f, word);
        fclose(f);
    }
    to[size - 1] = 0;
    return to;
}

/* Four octal digits, the first 0, that make a byte. */
static int read_octal(const char *at)
{
    int value = 0;

    for (unsigned i = 0; i < 4; i++) {
        if (at[i] < '0' || at[i] > '7')
            return -1;
        value = value * 8 + (at[i] - '0');
    }
    return at[0] == '0' && value > 0 && value < 256 ? value : -1;
}

const char *xf_quote_read(const char *at, char *word, size_t size)
{
    bool quoted = !strncmp(at, begin, sizeof(begin) - 1);
    size_t n = 0;

    at += quoted ? sizeof(begin) - 1 : 0;
    for (; *at && n + 1 < size; n++) {
        int octal = quoted && *at == '\\' ? read_octal(at + 1) : -1;

        if (octal > 0)
            word[n] = (char)octal, at += 5;
        else if (strchr(SAFE, *at))
            word[n] = *at++;
        else
            break;
    }
    word[n] = 0;
    if (quoted) {
        if (strncmp(at, end, sizeof(end) - 1) != 0)
            return NULL;
        at += sizeof(end) - 1;
    }
    return (quoted || n) && (!*at || *at == ' ') ? at : NULL;
}
