/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight_question.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUESTION_BYTES (1u << 20)
#define WAIT_MS        5000

char *xf_question_read(int fd)
{
    char *text = isatty(fd) ? NULL : malloc(QUESTION_BYTES);
    struct pollfd in = {.fd = fd, .events = POLLIN};
    size_t n = 0;
    ssize_t got = 0;

    while (text && n < QUESTION_BYTES - 1 && poll(&in, 1, WAIT_MS) > 0) {
        got = read(fd, text + n, QUESTION_BYTES - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    if (text)
        text[n] = 0;
    return text;
}

void xf_question_value(const char *question, const char *key, char *to, size_t size)
{
    size_t n = strlen(key);

    to[0] = 0;
    for (const char *at = question; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
        size_t len = strcspn(at, "\n");

        if (strncmp(at, key, n) != 0 || at[n] != '=' || len - n - 1 >= size)
            continue;
        memcpy(to, at + n + 1, len - n - 1);
        to[len - n - 1] = 0;
        return;
    }
}
