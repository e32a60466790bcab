/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entropy: what secrets are made of. Numbers that a seed fixes are in random.h. */
#ifndef XF_TRANSPORT_BASE_ENTROPY_H
#define XF_TRANSPORT_BASE_ENTROPY_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/random.h>

/* len bytes of getrandom(2). 0 or -errno. */
static inline int xf_entropy(void *out, size_t len)
{
    uint8_t *p = out;

    while (len) {
        ssize_t n = getrandom(p, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

#endif
