/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Evacuate, ask: runs the preflight here and on each host, and parses what they answer. */
#include "evacuate_ask.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xl-plugin/cli/number.h"
#include "xl-plugin/doctor/ask_preflight.h"

#define ANSWER_BYTES (512u << 10)

/* What of an answer is for the user: its beginning, and nothing that a terminal acts on. */
static void put_text(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text);
    for (; *to; to++)
        if (!isprint((unsigned char)*to))
            *to = '?';
}

static uint64_t number(const char *text)
{
    uint64_t n;

    return xf_number_u64(text, 0, INT64_MAX, &n) ? 0 : n;
}

/* ---- this host ----------------------------------------------------------------------------- */

struct self_answer {
    struct xf_evacuate_self *self;
    char *why;
    bool fast;
};

static void take_self(void *arg, const char *key, const char *value)
{
    struct self_answer *a = arg;

    if (!strcmp(key, "protocol"))
        put_text(a->self->protocol, sizeof(a->self->protocol), value);
    else if (!strcmp(key, "xen"))
        put_text(a->self->xen, sizeof(a->self->xen), value);
    else if (!strcmp(key, "address"))
        put_text(a->self->address, sizeof(a->self->address), value);
    else if (!strcmp(key, "why"))
        put_text(a->why, XF_EVACUATE_WHY, value);
    else if (!strcmp(key, "fast"))
        a->fast = !strcmp(value, "ok");
}

int xf_evacuate_ask_self(struct xf_evacuate_self *self, char why[XF_EVACUATE_WHY])
{
    static const char *const args[] = {"host", NULL};
    struct self_answer a = {.self = self, .why = why};
    char err[XF_PREFLIGHT_WHY_BYTES] = "";

    memset(self, 0, sizeof(*self));
    snprintf(why, XF_EVACUATE_WHY, "this host: xl-fast-preflight says neither yes nor why not");
    if (xf_preflight_ask(args, take_self, &a, err)) {
        put_text(why, XF_EVACUATE_WHY, err);
        return -EIO;
    }
    return a.fast && self->protocol[0] && self->xen[0] && self->address[0] ? 0 : -EIO;
}

/* ---- its guests ---------------------------------------------------------------------------- */

struct guests_answer {
    struct xf_evacuate_guest *guests;
    unsigned n;
    bool all, with_disks;
    char *why;
    FILE *question;
};

static enum xf_recover_state state_of(const char *word)
{
    for (unsigned i = 0; i < XF_STATES; i++)
        if (!strcmp(word, xf_recover_state_name(i)))
            return i;
    return XF_STATE_DYING; /* not known: not touched */
}

static void take_guest(void *arg, const char *key, const char *value)
{
    struct guests_answer *a = arg;
    struct xf_evacuate_guest *g = a->n ? &a->guests[a->n - 1] : NULL;

    if (!strcmp(key, "why")) {
        put_text(a->why, XF_EVACUATE_WHY, value);
    } else if (!strcmp(key, "all")) {
        a->all = !strcmp(value, "said");
    } else if (!strcmp(key, "domain") && a->n < XF_EVACUATE_GUESTS) {
        g = &a->guests[a->n++];
        memset(g, 0, sizeof(*g));
        g->domid = (uint32_t)number(value);
        g->state = XF_STATE_DYING;
    } else if (!g) {
        return;
    } else if (!strcmp(key, "uuid")) {
        snprintf(g->uuid, sizeof(g->uuid), "%s", xf_uuid_ok(value) ? value : "");
    } else if (!strcmp(key, "name")) {
        snprintf(g->name, sizeof(g->name), "%s", value);
    } else if (!strcmp(key, "state")) {
        g->state = state_of(value);
    } else if (!strcmp(key, "cpu_time_ns")) {
        g->cpu_time_ns = number(value);
    } else if (!strcmp(key, "need_kib")) {
        g->need_kib = number(value);
    } else if (!strcmp(key, "stays")) {
        put_text(g->stays, sizeof(g->stays), value);
    } else if (!strcmp(key, "ask") && a->question &&
               !(a->with_disks && !strncmp(value, "disk=", 5))) {
        fprintf(a->question, "%s\n", value);
    }
}

int xf_evacuate_ask_guests(struct xf_evacuate_guest guests[XF_EVACUATE_GUESTS], bool with_disks,
                           char **question, char why[XF_EVACUATE_WHY])
{
    size_t size;

    *question = NULL;
    static const char *const args[] = {"guests", NULL};
    struct guests_answer a = {.guests = guests,
                              .with_disks = with_disks,
                              .why = why,
                              .question = open_memstream(question, &size)};
    char err[XF_PREFLIGHT_WHY_BYTES] = "";

    snprintf(why, XF_EVACUATE_WHY, "this host: xl-fast-preflight does not list all guests");
    if (a.question)
        fputs("list=1\n", a.question);
    int rc = xf_preflight_ask(args, take_guest, &a, err);

    if (a.question)
        fclose(a.question);
    if (rc) {
        put_text(why, XF_EVACUATE_WHY, err);
        return -EIO;
    }
    return a.all ? (int)a.n : -EIO;
}

/* ---- the others ---------------------------------------------------------------------------- */

/* The value of KEY= in lines; "" without. */
static void value_of(const char *lines, const char *key, char *to, size_t size)
{
    size_t n = strlen(key);

    to[0] = 0;
    for (const char *at = lines; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        if (strncmp(at, key, n) != 0 || at[n] != '=')
            continue;
        char line[256];
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(at + n + 1, "\n"), at + n + 1);
        put_text(to, size, line);
    }
}

void xf_evacuate_bar(struct xf_evacuate_guest *g, unsigned host, const char *name, const char *why)
{
    g->barred |= 1u << host;
    put_text(g->barred_why, sizeof(g->barred_why), name);
    size_t used = strlen(g->barred_why);

    if (used + 3 >= sizeof(g->barred_why))
        return;
    strcpy(g->barred_why + used, ": ");
    put_text(g->barred_why + used + 2, sizeof(g->barred_why) - used - 2, why);
}

/* cannot=UUID WHY, of each guest that the host cannot take. */
static void take_cannot(const char *answer, const struct xf_evacuate_host *h, unsigned which,
                        struct xf_evacuate_guest *guests, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char words[60], *at, why[XF_EVACUATE_WHY];

        snprintf(words, sizeof(words), "\ncannot=%s ", guests[i].uuid);
        at = strstr(answer, words);
        if (!at)
            continue;
        at += strlen(words);
        snprintf(why, sizeof(why), "%.*s", (int)strcspn(at, "\n"), at);
        xf_evacuate_bar(&guests[i], which, h->name, why);
    }
}

static void ask_host(const struct xf_reach *reach, const struct xf_evacuate_self *self,
                     struct xf_evacuate_host *h, char address[24], char *answer)
{
    const char *args[] = {"target", self->protocol, self->xen, "0", self->address, NULL};
    struct xf_reach preflight = *reach; /* at that host */
    char fast[8], free_kib[24], noise[XF_REACH_NOISE_BYTES];

    preflight.host = h->name;
    preflight.noise = noise;
    h->usable = false;
    h->free_kib = 0;
    address[0] = 0;

    int rc = xf_reach_run(&preflight, true, args, answer, ANSWER_BYTES);
    if (noise[0] && rc != -EBADMSG) {
        snprintf(h->why, sizeof(h->why), "%.100s: " XF_REACH_NOISY, h->name, noise);
        return;
    }
    if (rc) {
        snprintf(h->why, sizeof(h->why), "%s: cannot be asked: %s", h->name,
                 rc == -ETIMEDOUT ? "no answer in time"
                 : rc == -EBADMSG ? "it answers, and not as xl-fast does"
                 : rc == -EFBIG   ? "answers without end"
                 : rc < 0         ? strerror(-rc)
                 : rc == 127      ? "xl-fast is not installed there"
                                  : "ssh, or xl-fast-preflight there, failed");
        return;
    }
    value_of(answer, "fast", fast, sizeof(fast));
    value_of(answer, "free_kib", free_kib, sizeof(free_kib));
    value_of(answer, "address", address, 24);
    value_of(answer, "why", h->why, sizeof(h->why));
    if (!strcmp(fast, "ok") && !xf_number_u64(free_kib, 0, INT64_MAX, &h->free_kib))
        h->usable = true;
    else if (!h->why[0])
        snprintf(h->why, sizeof(h->why), "%s: unexpected output from xl-fast-preflight", h->name);
}

void xf_evacuate_ask_hosts(const struct xf_reach *reach, const struct xf_evacuate_self *self,
                           const char *question, struct xf_evacuate_host *hosts, unsigned n,
                           struct xf_evacuate_guest *guests, unsigned guests_n)
{
    char addresses[XF_EVACUATE_HOSTS][24], *answer = malloc(ANSWER_BYTES);
    struct xf_reach asking = *reach;

    asking.input = question;
    for (unsigned i = 0; i < guests_n; i++)
        guests[i].barred = 0;
    for (unsigned i = 0; i < n; i++) {
        hosts[i].usable = false;
        snprintf(hosts[i].why, sizeof(hosts[i].why), "%s", strerror(ENOMEM));
        if (!answer)
            continue;
        ask_host(&asking, self, &hosts[i], addresses[i], answer);
        take_cannot(answer, &hosts[i], i, guests, guests_n);
        for (unsigned k = 0; k < i && hosts[i].usable; k++) {
            if (!hosts[k].usable || strcmp(addresses[k], addresses[i]) != 0)
                continue;
            hosts[i].usable = false;
            snprintf(hosts[i].why, sizeof(hosts[i].why), "%.90s: is %.90s again", hosts[i].name,
                     hosts[k].name);
        }
    }
    free(answer);
}
