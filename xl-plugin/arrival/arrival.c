/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arrival: looks every few milliseconds until it is over. */
#include "arrival.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ear.h"
#include "mouth.h"
#include "transport/base/clock.h"

/* A look costs dom0 time that the move could use, and a frame's age is by its own time. */
#define LOOK_MS   250    /* between two looks for the domain, and for whether it runs, */
#define LIST_US   500000 /* for its interfaces, */
#define TICK_MS   20     /* and for what is to be announced */
#define ANNOUNCED 5u

/* vifD.N, and vifD.N-emu of an emulated card. */
enum { CARD, EMULATED, SIDES };

/* An interface in dom0. */
struct side {
    unsigned ifindex; /* 0: not there yet */
    int ear;
};

struct watched {
    struct xf_nic nic;
    struct side sides[SIDES];
    struct xf_frame frames[XF_FRAMES_MAX];
    unsigned frames_n, sent;
    uint64_t sent_us;
    int mouth; /* -1: none yet, or none any more */
    bool told, seen, mute;
};

struct run {
    const struct xf_arrival *a;
    int domid, control; /* control: a socket to ask about interfaces by */
    struct watched at[XF_NICS_MAX];
    unsigned n;
    uint64_t listed_us, runs_us; /* 0: not yet */
    bool received;               /* the receiver has ended */
};

int xf_arrival_gap_ms(unsigned sent)
{
    return sent >= ANNOUNCED ? -1 : sent ? 50 + 100 * ((int)sent - 1) : 0;
}

static void tell_line(const struct run *r, const char *before, const char *format, va_list args)
{
    char line[XF_ARRIVAL_BYTES];
    size_t n = (size_t)snprintf(line, sizeof(line), "%s", before);

    vsnprintf(line + n, sizeof(line) - n, format, args);
    r->a->tell(r->a->arg, line);
}

/* For the source. */
__attribute__((format(printf, 2, 3))) static void tell(const struct run *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell_line(r, "xl-fast: arrival ", format, args);
    va_end(args);
}

/* For its user. */
__attribute__((format(printf, 2, 3))) static void say(const struct run *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell_line(r, "xl-fast: target: ", format, args);
    va_end(args);
}

/* ---- its interfaces ------------------------------------------------------------------------ */

static void take_nic(struct run *r, const struct xf_nic *nic)
{
    struct watched *w;

    for (unsigned i = 0; i < r->n; i++)
        if (r->at[i].nic.devid == nic->devid)
            return;
    if (r->n == XF_NICS_MAX)
        return;
    w = &r->at[r->n++];
    *w = (struct watched){.nic = *nic, .mouth = -1};
    w->frames_n = xf_frames_make(w->frames, nic->mac, nic->ip);
}

static void list_nics(struct run *r)
{
    struct xf_nic *nics = calloc(XF_NICS_MAX, sizeof(*nics));
    unsigned n = nics ? r->a->guest->nics(r->a->arg, r->domid, nics) : 0;

    for (unsigned i = 0; i < n; i++)
        take_nic(r, &nics[i]);
    free(nics);
    r->listed_us = xf_now_us();
}

/* 0: not there. A kernel that is asked for a name it does not know looks for a module of that name,
   which is two processes in dom0 each time: while a guest resumed, it held it up for seconds. */
static unsigned interface_index(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/class/net/%s", name);
    return access(path, F_OK) ? 0 : if_nametoindex(name);
}

/* By the name that the hotplug script gives it, or the one that it has before. */
static unsigned find_interface(const struct run *r, const struct xf_nic *nic, const char *ending)
{
    char name[2 * IFNAMSIZ];
    unsigned ifindex = 0;

    if (nic->name[0] && snprintf(name, sizeof(name), "%s%s", nic->name, ending) < IFNAMSIZ)
        ifindex = interface_index(name);
    if (!ifindex &&
        snprintf(name, sizeof(name), "vif%d.%u%s", r->domid, nic->devid, ending) < IFNAMSIZ)
        ifindex = interface_index(name);
    return ifindex;
}

static void open_ears(struct run *r, struct watched *w)
{
    static const char *const endings[SIDES] = {[CARD] = "", [EMULATED] = "-emu"};
    char mac[XF_MAC_TEXT];

    for (unsigned i = 0; i < SIDES; i++) {
        struct side *s = &w->sides[i];
        unsigned ifindex = s->ifindex ? 0 : find_interface(r, &w->nic, endings[i]);

        if (!ifindex)
            continue;
        s->ear = xf_ear_open(ifindex);
        if (s->ear < 0)
            continue;
        s->ifindex = ifindex;
        if (!w->told)
            tell(r, "{\"vif\":%u,\"mac\":\"%s\"}", w->nic.devid, xf_mac_show(mac, w->nic.mac));
        w->told = true;
    }
}

static void close_watched(struct watched *w)
{
    for (unsigned i = 0; i < SIDES; i++) {
        if (w->sides[i].ifindex)
            close(w->sides[i].ear);
        w->sides[i].ifindex = 0;
    }
    if (w->mouth >= 0)
        close(w->mouth);
    w->mouth = -1;
}

/* ---- hearing ------------------------------------------------------------------------------- */

static void hear(const struct run *r, struct watched *w)
{
    uint64_t age_us;

    for (unsigned i = 0; i < SIDES && !w->seen; i++) {
        int got =
            w->sides[i].ifindex ? xf_ear_take(w->sides[i].ear, w->frames, w->frames_n, &age_us) : 0;

        if (got < 0) {
            close(w->sides[i].ear);
            w->sides[i].ifindex = 0;
        }
        if (got <= 0)
            continue;
        w->seen = true;
        tell(r, "{\"vif\":%u,\"age_us\":%" PRIu64 "}", w->nic.devid, age_us);
    }
    if (w->seen)
        close_watched(w);
}

/* Whether a card has announcements to come. Drivers of Xen's own cards announce them themselves
   once they have connected, and what is done here meanwhile would only hold them up. */
static bool is_due(const struct run *r, const struct watched *w)
{
    return r->a->announce && w->sides[EMULATED].ifindex && !w->seen && !w->mute &&
           xf_arrival_gap_ms(w->sent) >= 0;
}

static int tick_ms(const struct run *r)
{
    for (unsigned i = 0; i < r->n && r->runs_us; i++)
        if (is_due(r, &r->at[i]))
            return TICK_MS;
    return LOOK_MS;
}

/* Until something comes, or it is time to look again. */
static void wait_a_tick(struct run *r)
{
    struct pollfd fds[1 + XF_NICS_MAX * SIDES] = {
        {.fd = r->received ? -1 : r->a->receiver, .events = POLLIN}};
    unsigned n = 1;

    for (unsigned i = 0; i < r->n; i++)
        for (unsigned k = 0; k < SIDES; k++)
            if (!r->at[i].seen && r->at[i].sides[k].ifindex)
                fds[n++] = (struct pollfd){.fd = r->at[i].sides[k].ear, .events = POLLIN};
    poll(fds, n, tick_ms(r));
    r->received = r->received || fds[0].revents;
}

/* ---- announcing ---------------------------------------------------------------------------- */

/* Whether what comes in there goes anywhere: a card that nobody has connected has no carrier, and
   its bridge takes nothing from it. */
static bool has_carrier(const struct run *r, unsigned ifindex)
{
    struct ifreq asked = {0};

    return ifindex && if_indextoname(ifindex, asked.ifr_name) &&
           !ioctl(r->control, SIOCGIFFLAGS, &asked) && (asked.ifr_flags & IFF_UP) &&
           (asked.ifr_flags & IFF_RUNNING);
}

static void announce(struct run *r, struct watched *w)
{
    const unsigned ifindex = w->sides[EMULATED].ifindex;
    uint64_t now_us = xf_now_us();
    int rc = 0;

    if (!is_due(r, w) || now_us - w->sent_us < (uint64_t)xf_arrival_gap_ms(w->sent) * 1000 ||
        !has_carrier(r, ifindex))
        return;
    if (w->mouth < 0)
        w->mouth = rc = xf_mouth_open(ifindex);
    for (unsigned i = 0; i < w->frames_n && rc >= 0; i++)
        rc = xf_mouth_say(w->mouth, &w->frames[i]);
    w->sent++;
    w->sent_us = now_us;
    if (rc >= 0)
        return;
    w->mute = true;
    say(r, "vif %u cannot be announced: %s; its own first frame does that", w->nic.devid,
        strerror(-rc));
}

/* -------------------------------------------------------------------------------------------- */

static bool all_seen(const struct run *r)
{
    for (unsigned i = 0; i < r->n; i++)
        if (!r->at[i].seen)
            return false;
    return true;
}

/* Whether it is over. */
static bool tick(struct run *r)
{
    enum xf_guest_state state = r->a->guest->look(r->a->arg, r->domid);
    uint64_t now_us = xf_now_us();

    if (state == XF_GUEST_GONE || (state == XF_GUEST_WAITS && r->received))
        return true;
    /* Once more when it runs: all are there then. */
    if (!r->runs_us && (state == XF_GUEST_RUNS || now_us - r->listed_us >= LIST_US))
        list_nics(r);
    if (state == XF_GUEST_RUNS && !r->runs_us)
        r->runs_us = now_us;
    for (unsigned i = 0; i < r->n; i++) {
        if (!r->at[i].seen)
            open_ears(r, &r->at[i]);
        hear(r, &r->at[i]);
        if (state == XF_GUEST_RUNS)
            announce(r, &r->at[i]);
    }
    return r->runs_us && (all_seen(r) || now_us - r->runs_us >= XF_ARRIVAL_S * UINT64_C(1000000));
}

int xf_arrival_run(const struct xf_arrival *a)
{
    struct run *r = calloc(1, sizeof(*r));
    bool over = false;
    int rc = 0;

    if (!r)
        return -ENOMEM;
    r->a = a;
    r->domid = -1;
    r->control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (r->control < 0)
        rc = -errno;
    while (!rc && !over) {
        if (r->domid < 0)
            r->domid = a->guest->find(a->arg);
        over = r->domid >= 0 ? tick(r) : r->received;
        if (!over)
            wait_a_tick(r);
    }
    tell(r, "{\"over\":true}");
    for (unsigned i = 0; i < r->n; i++)
        close_watched(&r->at[i]);
    if (r->control >= 0)
        close(r->control);
    free(r);
    return rc;
}
