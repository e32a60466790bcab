/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preflight, question: parses what the source asks, and judges names, disks, bridges and CPUs for
 * this host.
 */
#include "preflight_question.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUESTION_BYTES (16u << 20)
#define FIRST_BYTES    (64u << 10)
#define WAIT_MS        5000

char *xf_question_read(int fd)
{
    size_t size = FIRST_BYTES, n = 0;
    char *text = isatty(fd) ? NULL : malloc(size), *grown;
    struct pollfd in = {.fd = fd, .events = POLLIN};

    while (text && poll(&in, 1, WAIT_MS) > 0) {
        ssize_t got = read(fd, text + n, size - 1 - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
        if (n < size - 1)
            continue;
        grown = size < QUESTION_BYTES ? realloc(text, size * 2) : NULL;
        if (!grown)
            break;
        text = grown;
        size *= 2;
    }
    if (text)
        text[n] = 0;
    return text;
}

bool xf_question_line(const char **at, bool stop, char key[16], char *value, size_t size)
{
    while (*at && **at) {
        size_t len = strcspn(*at, "\n"), n = strcspn(*at, "=\n");
        const char *line = *at;

        if (stop && !strncmp(line, "guest=", 6))
            return false;
        *at += len + (line[len] == '\n');
        if (n == len || n >= 16)
            continue;
        memcpy(key, line, n);
        key[n] = 0;
        len -= n + 1;
        if (len >= size)
            len = size - 1;
        memcpy(value, line + n + 1, len);
        value[len] = 0;
        return true;
    }
    return false;
}

void xf_question_value(const char *question, const char *key, char *to, size_t size)
{
    char this[16];

    while (xf_question_line(&question, true, this, to, size))
        if (!strcmp(this, key))
            return;
    to[0] = 0;
}

const char *xf_question_guest(const char *at, char uuid[37])
{
    char key[16], value[64];

    while (xf_question_line(&at, false, key, value, sizeof(value))) {
        if (strcmp(key, "guest") != 0 || strlen(value) != 36 ||
            strspn(value, "0123456789abcdef-") != 36)
            continue;
        strcpy(uuid, value);
        return at;
    }
    return NULL;
}

int xf_question_hex(const char *text, void *to, size_t size)
{
    uint8_t *bytes = to;
    size_t n = 0;

    for (; isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]); text += 2) {
        char two[3] = {text[0], text[1], 0};

        if (n == size)
            return -1;
        bytes[n++] = (uint8_t)strtoul(two, NULL, 16);
    }
    return *text && *text != ' ' ? -1 : (int)n;
}

/* ---- the target's word ----------------------------------------------------------------------- */

#define FIX(...) snprintf(fix, XF_QUESTION_WHY_BYTES, __VA_ARGS__)

static bool ends_in_incoming(const char *name)
{
    static const char end[] = "--incoming";
    size_t n = strlen(name);

    return n >= sizeof(end) && !strcmp(name + n - (sizeof(end) - 1), end);
}

static int judge_domain(const struct xf_question_domain *d, const char *name, const char *uuid,
                        char why[XF_QUESTION_WHY_BYTES], char fix[XF_QUESTION_WHY_BYTES])
{
    size_t n = strlen(name);

    if (!strcmp(d->uuid, uuid)) {
        snprintf(why, XF_QUESTION_WHY_BYTES,
                 "domain %u ('%.100s') has the guest's UUID: one that an earlier move has left, or "
                 "another "
                 "copy of the guest (xl-fast recover at the source tells)",
                 d->domid, d->name);
        /* What is half built nobody misses. */
        if (ends_in_incoming(d->name))
            FIX("xl destroy %u", d->domid);
        else
            FIX("xl shutdown -w %u", d->domid);
        return -1;
    }
    if (!strcmp(d->name, name)) {
        snprintf(why, XF_QUESTION_WHY_BYTES, "there is a domain '%.100s' already (domain %u)",
                 d->name, d->domid);
        FIX("xl rename %u other-%u", d->domid, d->domid);
        return -1;
    }
    if (n && !strncmp(d->name, name, n) && !strcmp(d->name + n, "--incoming")) {
        snprintf(
            why, XF_QUESTION_WHY_BYTES,
            "there is a domain '%.100s' already (domain %u): another guest of that name is coming",
            d->name, d->domid);
        FIX("xl rename %u other-%u", d->domid, d->domid);
        return -1;
    }
    return 0;
}

/* What makes a path there depends on what it is. */
static void fix_disk(const char *path, char fix[XF_QUESTION_WHY_BYTES])
{
    unsigned slashes = 0;

    for (const char *c = path; *c; c++)
        slashes += *c == '/';
    fix[0] = 0;
    if (strpbrk(path, "'\\"))
        return;
    if (!strncmp(path, "/dev/mapper/", 12) ||
        (!strncmp(path, "/dev/", 5) && slashes == 3 && strncmp(path, "/dev/disk/", 10) != 0))
        FIX("vgchange -ay");
    else if (!strncmp(path, "/dev/", 5))
        FIX("udevadm trigger --settle");
    else
        FIX("mount -a");
}

static int judge_disk(const char *value, const struct xf_question_host *host,
                      char why[XF_QUESTION_WHY_BYTES], char fix[XF_QUESTION_WHY_BYTES])
{
    const char *path = strchr(value, ' ');
    char full[1024];

    if (!path || path[1] != '/' ||
        snprintf(full, sizeof(full), "%s%s", host->root, path + 1) >= (int)sizeof(full) ||
        !access(full, F_OK))
        return 0;
    snprintf(
        why, XF_QUESTION_WHY_BYTES,
        "there is no '%.300s', the guest's disk %.*s: both hosts have to reach its disks by the "
        "same path, or it moves with them (--with-disks)",
        path + 1, (int)(path - value < 20 ? path - value : 20), value);
    fix_disk(path + 1, fix);
    return -1;
}

static int judge_bridge(const char *bridge, const struct xf_question_host *host,
                        char why[XF_QUESTION_WHY_BYTES], char fix[XF_QUESTION_WHY_BYTES])
{
    char path[600];

    if (!bridge[0] || strchr(bridge, '/') || bridge[0] == '.' ||
        snprintf(path, sizeof(path), "%s/class/net/%.100s", host->sysfs, bridge) >=
            (int)sizeof(path) ||
        !access(path, F_OK))
        return 0;
    snprintf(why, XF_QUESTION_WHY_BYTES,
             "there is no bridge '%.100s', which a network card of the guest is on", bridge);
    if (strspn(bridge, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
        strlen(bridge))
        FIX("ip link add %.15s type bridge && ip link set %.15s up", bridge, bridge);
    return -1;
}

int xf_question_judge(const char *guest, const char *uuid, const struct xf_question_host *host,
                      char why[XF_QUESTION_WHY_BYTES], char fix[XF_QUESTION_WHY_BYTES])
{
    char key[16], value[1024], name[256] = "";
    const char *at = guest;

    why[0] = fix[0] = 0;
    while (xf_question_line(&at, true, key, value, sizeof(value)))
        if (!strcmp(key, "name"))
            snprintf(name, sizeof(name), "%.255s", value);
    for (unsigned i = 0; i < host->domains_n; i++)
        if (judge_domain(&host->domains[i], name, uuid, why, fix))
            return -1;
    at = guest;
    while (xf_question_line(&at, true, key, value, sizeof(value))) {
        if ((!strcmp(key, "disk") && judge_disk(value, host, why, fix)) ||
            (!strcmp(key, "bridge") && judge_bridge(value, host, why, fix)))
            return -1;
    }
    return 0;
}
