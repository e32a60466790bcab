/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers: reads key=value lines, and compares what two ends have said. */
#include "answers.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xl-plugin/cli/number.h"

void xf_answers_read(struct xf_answers *a, char *text)
{
    *a = (struct xf_answers){0};
    const struct {
        const char *key;
        const char **to;
    } keys[] = {
        {"fast", &a->fast},         {"why", &a->why},         {"fix", &a->fix},
        {"protocol", &a->protocol}, {"xen", &a->xen},         {"need_kib", &a->need_kib},
        {"uuid", &a->uuid},         {"name", &a->name},       {"port", &a->port},
        {"address", &a->address},   {"mtu", &a->mtu},         {"mtu_limit", &a->mtu_limit},
        {"busy", &a->busy},         {"before", &a->before},   {"yield", &a->yield},
        {"xl_busy", &a->xl_busy},   {"version", &a->version}, {"hand_over", &a->hand_over},
    };
    char *rest = text, *line;

    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        *keys[i].to = "";
    while ((line = strsep(&rest, "\n"))) {
        char *value = strchr(line, '=');

        if (!value)
            continue;
        *value++ = 0;
        if (!strcmp(line, "stock"))
            a->stock_fails = true;
        for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
            if (!strcmp(line, keys[i].key))
                *keys[i].to = value;
    }
}

static bool consists_of(const char *text, const char *bytes)
{
    return *text && strspn(text, bytes) == strlen(text);
}

bool xf_answers_are_words(const struct xf_answers *a)
{
    static const char digits[] = "0123456789./";

    return consists_of(a->protocol, digits) && consists_of(a->xen, digits) &&
           consists_of(a->need_kib, digits) && consists_of(a->address, digits) &&
           consists_of(a->uuid, "0123456789abcdef-");
}

void xf_answers_late(const struct xf_answers *source, const struct xf_answers *target,
                     const char *host, char *why, size_t size)
{
    static const char late[] = "late ";

    if (strcmp(source->hand_over, "early") != 0)
        snprintf(why, size, "%s",
                 strncmp(source->hand_over, late, sizeof(late) - 1) != 0
                     ? "this host does not say that it can"
                     : source->hand_over + sizeof(late) - 1);
    else if (strcmp(target->hand_over, "early") != 0)
        snprintf(why, size, "%s: %s", host,
                 strncmp(target->hand_over, late, sizeof(late) - 1) != 0
                     ? "does not say that it can"
                     : target->hand_over + sizeof(late) - 1);
    else
        why[0] = 0;
}

char *xf_answers_questions(const char *text, const char *without)
{
    static const char key[] = "ask=";
    size_t n = 0, bytes = sizeof(key) - 1;
    char *to = malloc(strlen(text) + 2);

    for (const char *at = text; to && *at;) {
        size_t line = strcspn(at, "\n");

        if (line > bytes && !strncmp(at, key, bytes) &&
            (!without || strncmp(at + bytes, without, strlen(without)) != 0)) {
            memcpy(to + n, at + bytes, line - bytes);
            n += line - bytes;
            to[n++] = '\n';
        }
        at += line + (at[line] != 0);
    }
    if (to)
        to[n] = 0;
    return to;
}

char *xf_answers_of_copy(const char *text, const char *name, const char *uuid, const char *without)
{
    char *asks = xf_answers_questions(text, without), *to = NULL;
    size_t size;
    FILE *f = asks ? open_memstream(&to, &size) : NULL;

    if (!f) {
        free(asks);
        return NULL;
    }
    /* In their order: what is before the guest's lines is of all. */
    for (const char *at = asks; *at;) {
        size_t line = strcspn(at, "\n");

        if (!strncmp(at, "guest=", 6))
            fprintf(f, "guest=%s\n", uuid);
        else if (!strncmp(at, "name=", 5))
            fprintf(f, "name=%s\n", name);
        else
            fprintf(f, "%.*s\n", (int)line, at);
        at += line + (at[line] != 0);
    }
    free(asks);
    return fclose(f) ? (free(to), NULL) : to;
}

static uint64_t number(const char *text)
{
    uint64_t n;

    return xf_number_u64(text, 0, INT32_MAX, &n) ? 0 : n;
}

/* The kernel's name of an interface. */
static const char *interface(const char *port)
{
    const char *colon = strncmp(port, "af_", 3) ? NULL : strchr(port, ':');

    return colon ? colon + 1 : port;
}

void xf_answers_mtus(const struct xf_answers *source, const struct xf_answers *target,
                     const char *host, const char *ssh, char *line, size_t size)
{
    uint64_t here = number(source->mtu), there = number(target->mtu);
    bool change_here = here < there;

    line[0] = 0;
    if (!here || !there || here == there || number(source->mtu_limit) || number(target->mtu_limit))
        return;
    if (!strncmp(change_here ? source->port : target->port, "af_xdp:", 7))
        change_here = !change_here;
    if (change_here)
        snprintf(line, size, "%s has an MTU of %s, %s's %s of %s; fix: ip link set %s mtu %s",
                 source->port, source->mtu, host, target->port, target->mtu,
                 interface(source->port), target->mtu);
    else
        snprintf(line, size,
                 "%s's %s has an MTU of %s, %s of %s; fix: %s %s 'ip link set %s mtu %s'", host,
                 target->port, target->mtu, source->port, source->mtu, ssh, host,
                 interface(target->port), source->mtu);
}
