/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Evacuate, disks: which guests move with their disks, to which hosts, and what room that takes. */
#include "evacuate_disks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evacuate_ask.h"
#include "xl-plugin/doctor/ask_disks.h"

struct answer {
    struct xf_evacuate_host *host;
    unsigned which;
    struct xf_evacuate_guest *guests;
    unsigned guests_n;
};

/* Its number, or -1: there are too many. */
static int place_of(struct xf_evacuate_host *h, const struct xf_disk_asked *d)
{
    unsigned i = 0;

    while (i < h->places_n && strcmp(h->places[i].name, d->place) != 0)
        i++;
    if (i == XF_EVACUATE_PLACES || strlen(d->place) >= sizeof(h->places[i].name))
        return -1;
    if (i == h->places_n) {
        h->places_n++;
        strcpy(h->places[i].name, d->place);
    }
    h->places[i].free_bytes = d->free_bytes;
    return (int)i;
}

/* A thin pool may be overcommitted: that is what it is for. */
static bool add_need(struct xf_evacuate_host *h, struct xf_evacuate_disks *disks,
                     const struct xf_disk_asked *d)
{
    unsigned i = 0;
    int place = d->thin ? -1 : place_of(h, d);

    if (place < 0)
        return d->thin;
    while (i < disks->n && disks->needs[i].place != (unsigned)place)
        i++;
    if (i == XF_EVACUATE_NEEDS)
        return false;
    if (i == disks->n) {
        disks->n++;
        disks->needs[i].place = (unsigned)place;
        disks->needs[i].bytes = 0;
    }
    disks->needs[i].bytes += d->need_bytes;
    return true;
}

static void take_guest(void *arg, const struct xf_disks_asked *asked)
{
    struct answer *a = arg;
    struct xf_evacuate_guest *g = NULL;

    for (unsigned i = 0; i < a->guests_n && !g; i++)
        if (!strcmp(a->guests[i].uuid, asked->uuid))
            g = &a->guests[i];
    if (!g)
        return;
    struct xf_evacuate_disks *disks = &g->disks[a->which];

    *disks = (struct xf_evacuate_disks){.asked = true};
    if (asked->shared)
        return;
    if (asked->why[0]) {
        xf_evacuate_bar(g, a->which, a->host->name, asked->why);
        return;
    }
    disks->move = true;
    for (unsigned i = 0; i < asked->n; i++) {
        disks->bytes += xf_disk_asked_bytes(&asked->disks[i]);
        if (!add_need(a->host, disks, &asked->disks[i]))
            xf_evacuate_bar(g, a->which, a->host->name,
                            "its disks go to too many file systems and volume groups");
    }
}

static void refuse_host(struct xf_evacuate_host *h, const char *why)
{
    h->usable = false;
    snprintf(h->why, sizeof(h->why), "%.399s", why);
}

static void ask_host(const struct xf_reach *reach, const char *question, struct answer *a)
{
    char *answer = NULL, why[XF_DISKS_WHY_BYTES];
    struct xf_reach asking = *reach;

    asking.host = a->host->name;
    for (unsigned i = 0; i < a->guests_n; i++)
        a->guests[i].disks[a->which].asked = false;
    if (xf_disks_ask_there(&asking, question, &answer, why)) {
        refuse_host(a->host, why);
    } else {
        xf_disks_asked_each(question, answer, take_guest, a);
        /* As one that has just been started. */
        for (unsigned i = 0; i < a->guests_n; i++)
            if (!a->guests[i].disks[a->which].asked)
                xf_evacuate_bar(&a->guests[i], a->which, a->host->name,
                                "its disks are not known yet");
    }
    free(answer);
}

void xf_evacuate_ask_disks(const struct xf_reach *reach, struct xf_evacuate_host *hosts,
                           unsigned hosts_n, struct xf_evacuate_guest *guests, unsigned guests_n)
{
    static const char *const all[] = {NULL};
    char *question = NULL, why[XF_DISKS_WHY_BYTES];
    bool known = !xf_disks_ask_here(reach, all, &question, why);

    for (unsigned i = 0; i < hosts_n; i++) {
        struct answer a = {&hosts[i], i, guests, guests_n};

        hosts[i].places_n = 0;
        if (hosts[i].usable && !known)
            refuse_host(&hosts[i], why);
        else if (hosts[i].usable)
            ask_host(reach, question, &a);
    }
    free(question);
}
