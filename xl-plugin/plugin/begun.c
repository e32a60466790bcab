/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Begun: looks in the file of the target's stderr for the line that its helper has begun. */
#include "begun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"

#define SAID_BYTES (64u << 10) /* before it begins, xl says a line or two */

static bool has_begun(void *arg)
{
    struct xf_begun *b = arg;
    char *text = b->yes ? NULL : malloc(SAID_BYTES);
    int fd = text ? open(b->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    ssize_t n = fd < 0 ? 0 : read(fd, text, SAID_BYTES);

    if (fd < 0 || (n > 0 && memmem(text, (size_t)n, XF_BEGUN_SAYS, strlen(XF_BEGUN_SAYS))) ||
        n == SAID_BYTES)
        b->yes = true; /* or it cannot be known any more */
    if (fd >= 0)
        close(fd);
    free(text);
    return b->yes;
}

void xf_begun_ask(struct xf_begun *b, struct xf_source_config *config)
{
    const char *path = getenv("XL_FAST_SAID");

    b->path = path && *path ? path : NULL;
    b->yes = false;
    if (!b->path)
        return;
    config->begun = has_begun;
    config->begun_arg = b;
}

void xf_begun_excuse(const struct xf_begun *b, bool answered, int rc)
{
    if (rc == -ETIMEDOUT && !answered && !b->path)
        xf_say("source: unless the target's xl has not even begun: it waits there while another xl "
               "create or migration has its lock, or while dom0 gives memory back");
}
