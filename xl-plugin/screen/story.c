/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Story: from lines of JSON to struct xf_story. */
#include "story.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "transport/events.h"

/* Beyond it sums and products could overflow; nothing real comes near. */
#define NUMBER_MAX (UINT64_C(1) << 53)
#define ROUNDS_MAX 100000u

static uint64_t get_u64(struct json_object *o, const char *key, bool *have)
{
    struct json_object *v;
    bool there = json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_int) &&
                 json_object_get_int64(v) >= 0;

    if (have)
        *have = there;
    if (!there)
        return 0;
    uint64_t value = (uint64_t)json_object_get_int64(v);
    return value < NUMBER_MAX ? value : NUMBER_MAX;
}

static bool get_bool(struct json_object *o, const char *key, bool *have)
{
    struct json_object *v;
    bool there = json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_boolean);

    if (have)
        *have = there;
    return there && json_object_get_boolean(v);
}

static void get_text(struct json_object *o, const char *key, char *to, size_t size)
{
    struct json_object *v;

    to[0] = 0;
    if (json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string))
        snprintf(to, size, "%s", json_object_get_string(v));
}

static int add_sample(struct xf_samples *s, uint64_t t_us, uint64_t value)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        struct xf_sample *at = reallocarray(s->at, cap, sizeof(*at));

        if (!at)
            return -ENOMEM;
        s->at = at;
        s->cap = cap;
    }
    /* Time does not run backwards, whatever a file says. */
    if (s->n && t_us < s->at[s->n - 1].t_us)
        t_us = s->at[s->n - 1].t_us;
    s->at[s->n++] = (struct xf_sample){.t_us = t_us, .value = value};
    return 0;
}

static int add_round(struct xf_story *s, struct json_object *o, uint64_t t_us)
{
    if (s->rounds_n == ROUNDS_MAX)
        return -EBADMSG;
    if (s->rounds_n == s->rounds_cap) {
        size_t cap = s->rounds_cap ? s->rounds_cap * 2 : 16;
        struct xf_story_round *rounds = reallocarray(s->rounds, cap, sizeof(*rounds));

        if (!rounds)
            return -ENOMEM;
        s->rounds = rounds;
        s->rounds_cap = cap;
    }
    s->rounds[s->rounds_n++] = (struct xf_story_round){
        .round = get_u64(o, "round", NULL),
        .begin_us = t_us,
        .pages = get_u64(o, "pages", NULL),
        .suspended = get_bool(o, "suspended", NULL),
    };
    return add_sample(&s->remaining, t_us, get_u64(o, "pages", NULL));
}

static int end_round(struct xf_story *s, struct json_object *o, uint64_t t_us)
{
    struct xf_story_round *r = s->rounds_n ? &s->rounds[s->rounds_n - 1] : NULL;
    bool have;

    if (!r || r->round != get_u64(o, "round", NULL))
        return 0; /* its begin was dropped */
    r->over = true;
    r->duration_us = get_u64(o, "duration_us", NULL);
    r->pages = get_u64(o, "pages", NULL);
    r->zero = get_u64(o, "zero", &r->have_zero);
    r->repaired = get_u64(o, "repaired", NULL);
    r->dirty_pages = get_u64(o, "dirty_pages", &r->have_dirty);
    uint64_t bytes = get_u64(o, "bytes", &have);
    int rc = have ? add_sample(&s->bytes, t_us, bytes) : 0;
    return rc ?: add_sample(&s->remaining, r->begin_us + r->duration_us, 0);
}

static int add_progress(struct xf_story *s, struct json_object *o, uint64_t t_us)
{
    bool have;
    uint64_t done = get_u64(o, "pages_done", &have);
    uint64_t pages = get_u64(o, "pages", NULL);
    int rc = add_sample(&s->bytes, t_us, get_u64(o, "bytes", NULL));

    if (!rc && have && pages >= done)
        rc = add_sample(&s->remaining, t_us, pages - done);
    return rc;
}

static void take_totals(struct xf_story *s, struct json_object *o, uint64_t t_us)
{
    struct json_object *inner;
    struct xf_stats *t = &s->totals;

    get_text(o, "error", s->error, sizeof(s->error));
    s->verified = get_bool(o, "verified", &s->have_verified);
    t->pages_total = get_u64(o, "pages_total", NULL);
    t->pages_sent = get_u64(o, "pages_sent", NULL);
    t->pages_zero = get_u64(o, "pages_zero", NULL);
    t->pages_repaired = get_u64(o, "pages_repaired", NULL);
    t->pages_deferred = get_u64(o, "pages_deferred", NULL);
    t->pages_verified = get_u64(o, "pages_verified", NULL);
    t->pages_unverified = get_u64(o, "pages_unverified", NULL);
    t->rounds = (uint32_t)get_u64(o, "rounds", NULL);
    t->throttle_pct = (uint32_t)get_u64(o, "throttle_pct", NULL);
    t->bytes_wire = get_u64(o, "bytes", NULL);
    t->packets_sent = get_u64(o, "packets_sent", NULL);
    t->packets_lost = get_u64(o, "packets_lost", NULL);
    t->path_bytes_per_s = get_u64(o, "path_bps", NULL) / 8;
    t->limit_bytes_per_s = get_u64(o, "bandwidth_bps", NULL) / 8;
    t->rtt_us = get_u64(o, "rtt_us", NULL);
    s->memory_us = get_u64(o, "memory_us", NULL);
    s->payload_bps = get_u64(o, "payload_bps", NULL);
    s->end_us = t_us;
    s->total_us = get_u64(o, "total_us", NULL);
    if (!s->total_us)
        s->total_us = t_us;
    if (json_object_object_get_ex(o, "downtime", &inner) &&
        json_object_is_type(inner, json_type_object))
        xf_downtime_take(&s->downtime, inner);
    s->source.lanes = t->lanes = (uint32_t)get_u64(o, "lanes", NULL);
    if (json_object_object_get_ex(o, "time_pct", &inner))
        xf_limiter_take_time(&s->source, inner);
    if (json_object_object_get_ex(o, "rejects", &inner) &&
        json_object_is_type(inner, json_type_object))
        for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
            t->rejects[i] = get_u64(inner, xf_reject_names[i], NULL);
}

static void take_started(struct xf_story *s, struct json_object *o, uint64_t t_us)
{
    s->downtime.us = get_u64(o, "downtime_us", &s->downtime.whole);
    xf_downtime_take(&s->downtime, o);
    get_text(o, "limited_by", s->limited_by, sizeof(s->limited_by));
    s->vifs = (unsigned)get_u64(o, "vifs", NULL);
    if (s->vifs)
        snprintf(s->now.phase, sizeof(s->now.phase), "reachable");
    if (s->total_us == s->end_us)
        s->total_us = t_us;
}

/* ---- the newest state, for the live line ------------------------------------------------------
 */

static void begin_now(struct xf_story *s, struct json_object *o, uint64_t t_us)
{
    struct xf_live_now *n = &s->now;

    n->round = get_u64(o, "round", NULL);
    n->pages = get_u64(o, "pages", &n->done_known);
    n->pages_done = n->round_us = n->bps = n->round_bps = 0;
    if (!n->pages_total)
        n->pages_total = n->pages;
    s->round_us = t_us;
    s->round_bytes = n->bytes;
    snprintf(n->phase, sizeof(n->phase), "%s", get_bool(o, "suspended", NULL) ? "final" : "live");
}

static void end_now(struct xf_story *s, struct json_object *o)
{
    struct xf_live_now *n = &s->now;
    uint64_t bytes, dirty;
    bool have;

    n->pages = n->pages_done = get_u64(o, "pages", &n->done_known);
    n->round_us = get_u64(o, "duration_us", NULL);
    bytes = get_u64(o, "bytes", &have);
    if (have)
        n->bytes = bytes;
    if (n->round_us && n->bytes > s->round_bytes)
        n->round_bps = (uint64_t)((double)(n->bytes - s->round_bytes) * 8e6 / (double)n->round_us);
    dirty = get_u64(o, "dirty_pages", &have);
    if (have) {
        n->dirty_pages = dirty;
        n->dirty_us = n->round_us;
    }
}

static void progress_now(struct xf_story *s, struct json_object *o, uint64_t t_us)
{
    struct xf_live_now *n = &s->now;

    get_text(o, "phase", n->phase, sizeof(n->phase));
    n->bytes = get_u64(o, "bytes", NULL);
    n->bps = get_u64(o, "wire_bps", NULL);
    n->predicted_us = get_u64(o, "predicted_downtime_us", NULL);
    n->predicted_copy_us = get_u64(o, "predicted_copy_us", NULL);
    if (get_u64(o, "round", NULL) != n->round || !n->round)
        return;
    n->pages_done = get_u64(o, "pages_done", &n->done_known);
    n->round_us = t_us > s->round_us ? t_us - s->round_us : 0;
}

static void take_set(struct xf_story *s, struct json_object *o)
{
    struct xf_steer *set = &s->set;
    bool downtime, bandwidth, throttle;

    *set = (struct xf_steer){
        .max_downtime_us = get_u64(o, "max_downtime_us", &downtime),
        .bandwidth_bytes_per_s = get_u64(o, "bandwidth_bps", &bandwidth) / 8,
        .throttle = get_bool(o, "throttle", &throttle),
    };
    set->what = (downtime ? XF_STEER_MAX_DOWNTIME : 0) | (bandwidth ? XF_STEER_BANDWIDTH : 0) |
                (throttle ? XF_STEER_THROTTLE : 0) | (get_bool(o, "now", NULL) ? XF_STEER_NOW : 0);
    s->sets++;
}

/* ---- events -----------------------------------------------------------------------------------
 */

static int take_event(struct xf_story *s, struct json_object *o)
{
    bool have;
    char event[32];
    uint64_t t_us = get_u64(o, "t_us", NULL);

    get_text(o, "event", event, sizeof(event));
    if (!strcmp(event, "start")) {
        xf_story_free(s);
        get_text(o, "program", s->program, sizeof(s->program));
        get_text(o, "guest", s->guest, sizeof(s->guest));
        get_text(o, "host", s->host, sizeof(s->host));
        get_text(o, "hand_over", s->hand_over, sizeof(s->hand_over));
        get_text(o, "late_because", s->late_because, sizeof(s->late_because));
        s->time_us = get_u64(o, "time_us", NULL);
        s->clock_us = get_u64(o, "clock_us", NULL);
        s->domid = (int64_t)get_u64(o, "domid", &have);
        if (!have)
            s->domid = -1;
        snprintf(s->now.phase, sizeof(s->now.phase), "connect");
    }
    s->now_us = t_us > s->now_us ? t_us : s->now_us;
    s->dropped += get_u64(o, "dropped", NULL);
    if (!strcmp(event, "round_begin")) {
        begin_now(s, o, t_us);
        return add_round(s, o, t_us);
    }
    if (!strcmp(event, "round_end")) {
        end_now(s, o);
        return end_round(s, o, t_us);
    }
    if (!strcmp(event, "progress")) {
        progress_now(s, o, t_us);
        return add_progress(s, o, t_us);
    }
    if (!strcmp(event, "suspend")) {
        s->suspend_us = t_us;
        s->predicted_us = get_u64(o, "predicted_downtime_us", NULL);
        s->predicted_copy_us = get_u64(o, "predicted_copy_us", NULL);
    } else if (!strcmp(event, "done") || !strcmp(event, "failed")) {
        s->done = event[0] == 'd';
        s->failed = event[0] == 'f';
        if (s->done)
            snprintf(s->now.phase, sizeof(s->now.phase), "handover");
        take_totals(s, o, t_us);
    } else if (!strcmp(event, "set")) {
        take_set(s, o);
    } else if (!strcmp(event, "started")) {
        take_started(s, o, t_us);
    } else if (!strcmp(event, "reachable")) {
        xf_reachable_take(&s->reachable, o);
    } else if (!strcmp(event, "wait")) {
        s->waits = true;
    } else if (!strcmp(event, "exit")) {
        s->status = (int)get_u64(o, "status", &s->have_status);
    }
    return 0;
}

int xf_story_take(struct xf_story *s, const char *line)
{
    struct json_object *o = json_tokener_parse(line);
    int rc;

    if (!json_object_is_type(o, json_type_object))
        rc = -EBADMSG;
    else if (get_u64(o, "version", NULL) != XF_EVENTS_VERSION)
        rc = -EPROTONOSUPPORT;
    else
        rc = take_event(s, o);
    json_object_put(o);
    return rc;
}

int xf_story_read(struct xf_story *s, FILE *events, char why[XF_STORY_ERR_BYTES])
{
    char *line = NULL;
    size_t cap = 0, n = 0;
    ssize_t len;
    int rc = 0;

    memset(s, 0, sizeof(*s));
    while (!rc && (len = getline(&line, &cap, events)) > 0) {
        n++;
        rc = xf_story_take(s, line);
        /* A last line without an end was being written when its writer died. */
        if (rc == -EBADMSG && line[len - 1] != '\n')
            rc = 0;
        if (rc)
            snprintf(why, XF_STORY_ERR_BYTES, "line %zu: %s", n,
                     rc == -EBADMSG           ? "is not an event of xl-fast"
                     : rc == -EPROTONOSUPPORT ? "an event of a version that is not known here"
                                              : strerror(-rc));
    }
    if (!rc && ferror(events)) {
        rc = -EIO;
        snprintf(why, XF_STORY_ERR_BYTES, "cannot be read");
    } else if (!rc && !s->program[0]) {
        rc = -ENODATA;
        snprintf(why, XF_STORY_ERR_BYTES, "tells of no migration");
    }
    free(line);
    return rc;
}

struct xf_limiter xf_story_limiter(const struct xf_story *s)
{
    const struct xf_stats *t = &s->totals;

    return (struct xf_limiter){
        .source = s->source,
        .memory_us = s->memory_us,
        .wire_bps =
            s->memory_us ? (uint64_t)((double)t->bytes_wire * 8e6 / (double)s->memory_us) : 0,
        .bandwidth_bps = t->limit_bytes_per_s * 8,
        .path_bps = t->path_bytes_per_s * 8,
        .packets_sent = t->packets_sent,
        .packets_lost = t->packets_lost,
    };
}

void xf_story_free(struct xf_story *s)
{
    free(s->rounds);
    free(s->bytes.at);
    free(s->remaining.at);
    memset(s, 0, sizeof(*s));
}
