/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Predict: how long a move will take, by what xl-fast-preflight answered at both ends, the link,
 * and this host's earlier migrations.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "xl-plugin/cli/cli.h"
#include "fixed.h"
#include "transport/forecast.h"
#include "predict.h"
#include "predict_disks.h"
#include "xl-plugin/screen/history.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/doctor/peers.h"
#include "transport/guest.h"

/* Of what is on the wire, what is pages; with an MTU of 1500 a little less, with 9000 more. */
#define PAGES_SHARE 0.95

#define NOT_KNOWN UINT64_MAX
#define LOOKS_MAX 16u /* at what the guest writes; more are not taken */

struct past {
    bool there;
    uint64_t rate, bytes, time_us, downtime_us, rounds; /* downtime_us may be NOT_KNOWN */
};

struct predict {
    const char *host, *copy;
    const struct xf_disks_asked *disks; /* or NULL */
    char name[256];                     /* the guest's, which may have been named by its number */
    char refused[2048], late[600], busy[32];
    struct xf_peer source, target;
    struct past last, same_host, same_guest; /* migrations that moved their guest; the newest */
    struct xf_fixed fixed;
    uint64_t rate; /* bytes of pages a second, 0: not known */
    const char *rate_from;
    struct xf_forecast quiet, restless, as_measured;
    struct xf_written written[LOOKS_MAX];
    unsigned written_n; /* 0: not measured */
};

/* ---- what there is to go by ------------------------------------------------------------------ */

static void take_past(void *arg, const struct xf_history_move *m)
{
    struct predict *p = arg;
    struct past now = {
        .there = true, .bytes = m->bytes, .time_us = m->total_us, .rounds = m->rounds};

    if (!m->done || m->status)
        return;
    xf_fixed_take(&p->fixed, m);
    /* One that was held back says nothing about the link. */
    now.rate = m->bandwidth_bps ? 0 : m->payload_bps / 8;
    now.downtime_us = m->downtime.whole ? m->downtime.us : NOT_KNOWN;
    if (now.rate)
        p->last = now;
    if (now.rate && !strcmp(m->to, p->host))
        p->same_host = now;
    if (!strcmp(m->guest, p->name))
        p->same_guest = now;
}

static void read_answers(struct predict *p, struct xf_peer *peer, const char *text)
{
    char *lines = strdup(text), *rest = lines, *line;

    while ((line = strsep(&rest, "\n"))) {
        char *value = strchr(line, '=');

        if (!value)
            continue;
        *value++ = 0;
        if (!strcmp(line, "name") && peer == &p->source)
            snprintf(p->name, sizeof(p->name), "%s", value);
        else if (!strcmp(line, "busy"))
            snprintf(p->busy, sizeof(p->busy), "%s", value);
        else
            xf_peer_take(peer, line, value);
    }
    free(lines);
}

static void read_measured(struct predict *p, const char *text)
{
    char *lines = strdup(text), *rest = lines, *line;

    while ((line = strsep(&rest, "\n"))) {
        struct xf_written w;

        if (p->written_n < LOOKS_MAX &&
            sscanf(line, "dirty=%" SCNu64 " %" SCNu64, &w.us, &w.pages) == 2)
            p->written[p->written_n++] = w;
    }
    free(lines);
}

/* How long it was measured, and how many bytes of its pages were written to. */
static uint64_t measured_us(const struct predict *p)
{
    return p->written_n ? p->written[p->written_n - 1].us : 0;
}

static uint64_t measured_bytes(const struct predict *p)
{
    return p->written_n ? p->written[p->written_n - 1].pages * XF_PAGE_BYTES : 0;
}

/* The least of what limits it. */
static void find_rate(struct predict *p)
{
    const struct past *past = p->same_host.there ? &p->same_host : &p->last;
    uint64_t limits[] = {p->source.bandwidth_bps, (uint64_t)p->source.speed_mbps * 1000000,
                         (uint64_t)p->target.speed_mbps * 1000000};

    for (unsigned i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
        uint64_t rate = (uint64_t)((double)limits[i] * PAGES_SHARE / 8);

        if (rate && (!p->rate || rate < p->rate)) {
            p->rate = rate;
            p->rate_from = i ? "link" : "bandwidth";
        }
    }
    if (past->there && (!p->rate || past->rate < p->rate)) {
        p->rate = past->rate;
        p->rate_from = "history";
    }
}

static void predict(struct predict *p)
{
    uint64_t memory = p->source.memory_kib <= UINT64_MAX >> 10 ? p->source.memory_kib << 10 : 0;
    struct xf_forecast_of of = {.memory_bytes = memory, .fixed_us = xf_fixed_us(&p->fixed)};
    struct xf_policy policy;

    find_rate(p);
    if (!p->rate)
        return;
    xf_policy_init(&policy);
    if (p->source.max_downtime_us)
        policy.max_downtime_us = p->source.max_downtime_us;
    of.rate = p->rate;
    if (p->source.verify)
        of.verify = p->source.pv ? XF_FORECAST_VERIFIED_STOPPED : XF_FORECAST_VERIFIED_LIVE;
    xf_forecast(&of, &policy, &p->quiet);
    of.written = p->written;
    of.written_n = p->written_n;
    if (of.written_n)
        xf_forecast(&of, &policy, &p->as_measured);
    of.written_n = 0;
    /* More than leaves in the same time makes no difference: no round gets any shorter. */
    of.writes = p->rate;
    xf_forecast(&of, &policy, &p->restless);
}

/* ---- as text ------------------------------------------------------------------------------- */

static void print_forecast(const char *what, const struct xf_forecast *f)
{
    char time[40], size[40], downtime[40] = "not known";

    if (f->downtime_us != NOT_KNOWN)
        xf_live_time(downtime, sizeof(downtime), f->downtime_us);
    printf("  %-10s %s, %s, %u rounds, downtime %s\n", what,
           xf_live_time(time, sizeof(time), f->time_us),
           xf_number_show_size(size, sizeof(size), f->bytes), f->rounds, downtime);
}

static void print_writes(const struct predict *p)
{
    char rate[40], size[40], time[40];

    printf("  writes     %s/s, to %s of its memory in %s\n",
           xf_number_show_size(rate, sizeof(rate), xf_written_rate(p->written, p->written_n)),
           xf_number_show_size(size, sizeof(size), measured_bytes(p)),
           xf_live_time(time, sizeof(time), measured_us(p)));
}

static void print_text(const struct predict *p)
{
    char guest[256], size[40], busy[sizeof(p->busy)], late[sizeof(p->late)];

    xf_live_plain(guest, sizeof(guest), p->name);
    if (p->copy)
        printf("%s can be cloned to %s, as %s; nothing was touched\n", guest, p->host, p->copy);
    else
        printf("%s can move to %s; nothing was touched\n", guest, p->host);
    printf("  memory     %s\n",
           xf_number_show_size(size, sizeof(size), p->source.memory_kib << 10));
    if (p->busy[0])
        printf("  waits      another migration has the port (process %s)\n",
               xf_live_plain(busy, sizeof(busy), p->busy));
    if (!p->copy)
        printf("  devices    attached %s%s%s\n", p->late[0] ? "late: " : "early",
               xf_live_plain(late, sizeof(late), p->late),
               p->late[0] ? "" : ", while it still runs here");
    if (p->source.lanes && p->target.lanes)
        printf("  lanes      %u here, %u on %s\n", p->source.lanes, p->target.lanes, p->host);
    if (p->disks)
        xf_predict_disks_print(p->disks, p->rate);
    if (p->written_n)
        print_writes(p);
    if (!p->rate) {
        printf(
            "  rate       not known: no bandwidth is set, the ports do not tell their speed, and "
            "nothing has moved from here yet\n");
        return;
    }
    printf("  rate       %.2f Gbit/s of pages, by %s\n", (double)p->rate * 8 / 1e9,
           !strcmp(p->rate_from, "history")     ? "the last migration"
           : !strcmp(p->rate_from, "bandwidth") ? "the bandwidth that is allowed"
                                                : "the ports' speed");
    if (p->fixed.moves)
        printf("  fixed      %s of the downtime, as in earlier moves to %s\n",
               xf_live_time(size, sizeof(size), xf_fixed_us(&p->fixed)), p->host);
    print_forecast("quiet", &p->quiet);
    if (p->written_n)
        print_forecast("measured", &p->as_measured);
    print_forecast("restless", &p->restless);
    if (p->same_guest.there) {
        const struct past *l = &p->same_guest;
        const struct xf_forecast f = {l->time_us, l->bytes, l->downtime_us, (unsigned)l->rounds};

        print_forecast("last time", &f);
    }
    printf("quiet: a guest that writes nothing; restless: one that writes faster than the link; %s"
           "\nPages of zeros make it less%s.\n",
           p->written_n ? "measured: one that writes\nas this one did just now."
                        : "--measure SECONDS\nmeasures what this one writes.",
           p->fixed.moves ? "" : ", what Xen takes to suspend and start it comes to the downtime");
}

/* ---- as JSON ------------------------------------------------------------------------------- */

static void put_u64(struct json_object *to, const char *key, uint64_t v)
{
    json_object_object_add(to, key, json_object_new_uint64(v));
}

/* null: not known */
static void put_known(struct json_object *to, const char *key, unsigned v)
{
    json_object_object_add(to, key, v ? json_object_new_uint64(v) : NULL);
}

static void put_string(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, text && *text ? xf_json_text(text) : NULL);
}

static struct json_object *forecast_object(bool there, uint64_t time_us, uint64_t bytes,
                                           uint64_t rounds, uint64_t downtime_us)
{
    if (!there)
        return NULL;
    struct json_object *o = json_object_new_object();

    put_u64(o, "time_us", time_us);
    put_u64(o, "bytes", bytes);
    put_u64(o, "rounds", rounds);
    json_object_object_add(o, "downtime_us",
                           downtime_us != NOT_KNOWN ? json_object_new_uint64(downtime_us) : NULL);
    return o;
}

/* NULL: not measured. */
static struct json_object *measured_object(const struct predict *p)
{
    const struct xf_forecast *f = &p->as_measured;
    struct json_object *o;

    if (!p->written_n)
        return NULL;
    o = forecast_object(p->rate, f->time_us, f->bytes, f->rounds, f->downtime_us);
    if (!o)
        o = json_object_new_object();
    put_u64(o, "measured_us", measured_us(p));
    put_u64(o, "dirty_bps", xf_written_rate(p->written, p->written_n) * 8);
    put_u64(o, "dirtied_bytes", measured_bytes(p));
    return o;
}

static void print_json(const struct predict *p)
{
    struct json_object *o = json_object_new_object();
    const struct xf_forecast *q = &p->quiet, *r = &p->restless;
    const struct past *l = &p->same_guest;

    json_object_object_add(o, "possible", json_object_new_boolean(!p->refused[0]));
    put_string(o, "why", p->refused);
    put_string(o, "guest", p->name);
    put_string(o, "host", p->host);
    if (p->copy)
        put_string(o, "copy", p->copy);
    put_string(o, "hand_over", p->refused[0] ? "" : p->late[0] ? "late" : "early");
    put_string(o, "late_because", p->refused[0] ? "" : p->late);
    json_object_object_add(o, "waits", json_object_new_boolean(p->busy[0] != 0));
    json_object_object_add(o, "memory_bytes",
                           p->source.memory_kib ? json_object_new_uint64(p->source.memory_kib << 10)
                                                : NULL);
    put_known(o, "source_lanes", p->source.lanes);
    put_known(o, "target_lanes", p->target.lanes);
    json_object_object_add(o, "rate_bps", p->rate ? json_object_new_uint64(p->rate * 8) : NULL);
    put_string(o, "rate_from", p->rate_from);
    json_object_object_add(o, "fixed_us",
                           p->fixed.moves ? json_object_new_uint64(xf_fixed_us(&p->fixed)) : NULL);
    json_object_object_add(o, "downtime_whole", json_object_new_boolean(p->fixed.moves != 0));
    json_object_object_add(
        o, "quiet", forecast_object(p->rate, q->time_us, q->bytes, q->rounds, q->downtime_us));
    json_object_object_add(o, "measured", measured_object(p));
    json_object_object_add(
        o, "restless", forecast_object(p->rate, r->time_us, r->bytes, r->rounds, r->downtime_us));
    json_object_object_add(
        o, "last_time", forecast_object(l->there, l->time_us, l->bytes, l->rounds, l->downtime_us));
    if (p->disks)
        xf_predict_disks_put(o, p->disks);
    printf("%s\n",
           json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                 JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}

/* ------------------------------------------------------------------------------------------- */

int xf_predict(const struct xf_prediction *what)
{
    struct predict *p = calloc(1, sizeof(*p));
    char plain[sizeof(p->refused)];
    bool possible;
    int rc;

    if (!p) {
        fprintf(stderr, "xl-fast: %s\n", strerror(ENOMEM));
        return XF_EXIT_FAILED;
    }
    p->host = p->fixed.host = what->host;
    p->copy = what->copy;
    p->disks = what->disks;
    snprintf(p->name, sizeof(p->name), "%s", what->guest);
    snprintf(p->refused, sizeof(p->refused), "%s", what->refused);
    snprintf(p->late, sizeof(p->late), "%s", what->late);
    p->fixed.early = !p->late[0];
    read_answers(p, &p->source, what->source);
    read_answers(p, &p->target, what->target);
    read_measured(p, what->measured);
    rc = xf_history_read(take_past, p);
    if (rc)
        fprintf(stderr, "xl-fast: continues without the earlier migrations: %s\n", strerror(-rc));
    if (!p->refused[0] && !p->source.memory_kib)
        strcpy(
            p->refused,
            "the source did not report the guest's memory: install the same version of xl-fast at "
            "both ends");
    possible = !p->refused[0];
    if (possible)
        predict(p);
    if (what->json)
        print_json(p);
    else if (possible)
        print_text(p);
    else if (p->disks)
        xf_predict_disks_print(p->disks, 0);
    if (!what->json && !possible)
        fprintf(stderr, "xl-fast: %s\n", xf_live_plain(plain, sizeof(plain), p->refused));
    free(p);
    return fflush(stdout) || !possible ? XF_EXIT_FAILED : XF_EXIT_OK;
}
