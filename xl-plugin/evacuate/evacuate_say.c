/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Evacuate, say: prints the plan, each move and the final table, as text or as lines of JSON. */
#include "evacuate_say.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/screen/live.h"
#include "xl-plugin/cli/number.h"

#define PLAIN_BYTES XF_NAME_SIZE

static const char *const fates[] = {
    [XF_FATE_MOVES] = "moves",
    [XF_FATE_KEPT] = "kept",
    [XF_FATE_ALONE] = "stays",
    [XF_FATE_LEFT] = "left",
};

/* ---- lines --------------------------------------------------------------------------------- */

/* Names and reasons are others' words. */
static void say_line(const char *format, va_list args)
{
    char text[1024], plain[1024];

    vsnprintf(text, sizeof(text), format, args);
    fprintf(stderr, "xl-fast evacuate: %s\n", xf_live_plain(plain, sizeof(plain), text));
}

void xf_say_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say_line(format, args);
    va_end(args);
}

void xf_say_note(const struct xf_say *s, const char *format, ...)
{
    va_list args;

    if (s->quiet || s->json)
        return;
    va_start(args, format);
    say_line(format, args);
    va_end(args);
}

static const char *show_kib(char *to, size_t size, uint64_t kib)
{
    return kib ? xf_number_show_size(to, size, kib << 10) : strcpy(to, "-");
}

/* ---- events -------------------------------------------------------------------------------- */

static void put_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, xf_json_text(text));
}

static void put_u64(struct json_object *to, const char *key, uint64_t v)
{
    json_object_object_add(to, key, json_object_new_uint64(v));
}

static struct json_object *new_event(const char *event)
{
    struct json_object *o = json_object_new_object();
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    put_u64(o, "version", 1);
    put_text(o, "event", event);
    put_u64(o, "time_us", (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    return o;
}

static void print_event(struct json_object *o)
{
    puts(
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    fflush(stdout);
    json_object_put(o);
}

static void put_guest(struct json_object *o, const char *name, const char *uuid)
{
    put_text(o, "guest", name);
    put_text(o, "uuid", uuid);
}

static struct json_object *guest_object(const struct xf_evacuate_guest *g, const char *key,
                                        const char *fate, const char *why)
{
    struct json_object *o = json_object_new_object();

    put_guest(o, g->name, g->uuid);
    put_text(o, key, fate);
    if (g->need_kib)
        put_u64(o, "need_bytes", g->need_kib * 1024);
    json_object_object_add(o, "busy_pct", xf_json_tenths(g->busy_permille / 10.0));
    const struct xf_evacuate_disks *disks = xf_evacuate_with_disks(g);

    if (disks)
        put_u64(o, "disk_bytes", disks->bytes);
    if (why)
        put_text(o, "why", why);
    return o;
}

static struct json_object *places_list(const struct xf_evacuate_host *h)
{
    struct json_object *list = json_object_new_array(), *item;

    for (unsigned i = 0; i < h->places_n; i++) {
        json_object_array_add(list, item = json_object_new_object());
        put_text(item, "place", h->places[i].name);
        put_u64(item, "free_bytes", h->places[i].free_bytes);
    }
    return list;
}

static void plan_event(const struct xf_evacuate_guest *guests, unsigned n,
                       const struct xf_evacuate_host *hosts, unsigned hosts_n)
{
    struct json_object *o = new_event("evacuate_plan"), *list, *item;

    json_object_object_add(o, "hosts", list = json_object_new_array());
    for (unsigned i = 0; i < hosts_n; i++) {
        json_object_array_add(list, item = json_object_new_object());
        put_text(item, "host", hosts[i].name);
        json_object_object_add(item, "usable", json_object_new_boolean(hosts[i].usable));
        if (hosts[i].usable)
            put_u64(item, "free_bytes", hosts[i].free_kib * 1024);
        else
            put_text(item, "why", hosts[i].why);
        if (hosts[i].places_n)
            json_object_object_add(item, "places", places_list(&hosts[i]));
    }
    json_object_object_add(o, "guests", list = json_object_new_array());
    for (unsigned i = 0; i < n; i++) {
        bool moves = guests[i].fate == XF_FATE_MOVES;

        item =
            guest_object(&guests[i], "fate", fates[guests[i].fate], moves ? NULL : guests[i].why);
        if (moves)
            put_text(item, "host", hosts[guests[i].to].name);
        json_object_array_add(list, item);
    }
    print_event(o);
}

static struct json_object *move_event(const char *event, const struct xf_journal *j)
{
    struct json_object *o = new_event(event);

    put_guest(o, j->guest, j->uuid);
    put_text(o, "host", j->host);
    return o;
}

/* Of a place of that host. */
static uint64_t taken_bytes(const struct xf_evacuate_guest *g, unsigned host, unsigned place)
{
    const struct xf_evacuate_disks *disks = xf_evacuate_with_disks(g);
    uint64_t bytes = 0;

    for (unsigned i = 0; disks && g->to == (int)host && i < disks->n; i++)
        if (disks->needs[i].place == place)
            bytes += disks->needs[i].bytes;
    return bytes;
}

static void print_places(const struct xf_evacuate_guest *guests, unsigned n,
                         const struct xf_evacuate_host *h, unsigned which)
{
    char plain[PLAIN_BYTES], text[40], left[40];

    for (unsigned i = 0; i < h->places_n; i++) {
        uint64_t bytes = h->places[i].free_bytes;

        for (unsigned k = 0; k < n; k++)
            bytes -= taken_bytes(&guests[k], which, i);
        printf("  %-22s %10s  %s\n", xf_live_plain(plain, sizeof(plain), h->places[i].name),
               xf_number_show_size(text, sizeof(text), h->places[i].free_bytes),
               xf_number_show_size(left, sizeof(left), bytes));
    }
}

/* ---- what happens -------------------------------------------------------------------------- */

void xf_say_plan(const struct xf_say *s, const struct xf_evacuate_guest *guests, unsigned n,
                 const struct xf_evacuate_host *hosts, unsigned hosts_n)
{
    char plain[PLAIN_BYTES], text[40];
    uint64_t placed_kib;

    if (s->json) {
        plan_event(guests, n, hosts, hosts_n);
        return;
    }
    if (s->quiet)
        return;
    printf("%-24s %10s %6s  %s\n", "guest", "memory", "CPU", "plan");
    for (unsigned i = 0; i < n; i++) {
        const struct xf_evacuate_guest *g = &guests[i];
        bool moves = g->fate == XF_FATE_MOVES;

        printf("%-24s %10s %4" PRIu64 " %%  ", xf_live_plain(plain, sizeof(plain), g->name),
               show_kib(text, sizeof(text), g->need_kib), (g->busy_permille + 5) / 10);
        printf("%s%s%s", moves ? "to " : fates[g->fate], moves ? "" : ": ",
               moves ? hosts[g->to].name : g->why);
        const struct xf_evacuate_disks *disks = xf_evacuate_with_disks(g);

        if (disks)
            printf(", with its disks: at most %s to send",
                   xf_number_show_size(text, sizeof(text), disks->bytes));
        printf("\n");
    }
    printf("\n%-24s %10s  %s\n", "host", "free", "with these guests");
    for (unsigned i = 0; i < hosts_n; i++) {
        if (!hosts[i].usable) {
            printf("%-24s %10s  %s\n", hosts[i].name, "-", hosts[i].why);
            continue;
        }
        placed_kib = 0;
        for (unsigned k = 0; k < n; k++)
            if (guests[k].fate == XF_FATE_MOVES && guests[k].to == (int)i)
                placed_kib += guests[k].need_kib;
        printf("%-24s %10s  ", hosts[i].name,
               xf_number_show_size(text, sizeof(text), hosts[i].free_kib << 10));
        printf("%s\n",
               xf_number_show_size(text, sizeof(text), (hosts[i].free_kib - placed_kib) << 10));
        print_places(guests, n, &hosts[i], i);
    }
    printf("\n");
    fflush(stdout);
}

void xf_say_begin(const struct xf_say *s, const struct xf_journal *j)
{
    if (s->json)
        print_event(move_event("evacuate_begin", j));
}

void xf_say_end(const struct xf_say *s, const struct xf_journal *j, const char *result, int status)
{
    struct json_object *o;

    if (!s->json)
        return;
    o = move_event("evacuate_end", j);
    put_text(o, "result", result);
    if (status >= 0)
        put_u64(o, "status", (uint64_t)status);
    print_event(o);
}

/* ---- the end ------------------------------------------------------------------------------- */

struct totals {
    unsigned moved, left, kept, ended;
};

static void sum_one(const struct xf_say *s, struct json_object *list, const char *name,
                    uint64_t need_kib, const char *result, const char *why)
{
    char plain[PLAIN_BYTES], text[40];

    if (list || s->quiet)
        return;
    printf("%-24s %10s  %s%s%s\n", xf_live_plain(plain, sizeof(plain), name),
           show_kib(text, sizeof(text), need_kib), result, *why ? ": " : "", why);
}

static void sum_evacuated(const struct xf_say *s, const struct xf_evacuated *v,
                          struct json_object *list, struct totals *t)
{
    static const char *const formats[] = {
        [XF_EVACUATED_MOVED] = "moved to %s",
        [XF_EVACUATED_ENDED] = "ended while it moved to %s",
        [XF_EVACUATED_UNSETTLED] = "unsettled",
    };
    static const char *const results[] = {
        [XF_EVACUATED_MOVED] = "moved",
        [XF_EVACUATED_ENDED] = "ended",
        [XF_EVACUATED_UNSETTLED] = "unsettled",
    };
    bool unsettled = v->result == XF_EVACUATED_UNSETTLED;
    char where[XF_NAME_SIZE + 32];
    struct json_object *o;

    snprintf(where, sizeof(where), formats[v->result], v->host);
    sum_one(s, list, v->name, v->need_kib, where, unsettled ? v->why : "");
    t->moved += v->result == XF_EVACUATED_MOVED;
    t->ended += v->result == XF_EVACUATED_ENDED;
    t->left += unsettled;
    if (unsettled)
        xf_say_error("%s: not settled: %s", v->name, v->why);
    if (!list)
        return;
    json_object_array_add(list, o = json_object_new_object());
    put_guest(o, v->name, v->uuid);
    put_text(o, "result", results[v->result]);
    put_text(o, "host", v->host);
    if (unsettled)
        put_text(o, "why", v->why);
}

static void sum_guest(const struct xf_say *s, const struct xf_evacuate_guest *g,
                      struct json_object *list, struct totals *t)
{
    /* One that would still move was not tried: the run has ended before. */
    bool waits = g->fate == XF_FATE_MOVES;
    const char *fate = waits ? "left" : fates[g->fate];
    const char *why = waits ? "its turn had not come" : g->why;

    sum_one(s, list, g->name, g->need_kib, fate, why);
    t->left += waits || g->fate == XF_FATE_LEFT;
    t->kept += g->fate == XF_FATE_KEPT;
    if (s->quiet && (waits || g->fate == XF_FATE_LEFT))
        xf_say_error("%s is left here: %s", g->name, why);
    if (list)
        json_object_array_add(list, guest_object(g, "result", fate, why));
}

/* What was seen of it here before says less, unless it had ended and is here again. */
static bool was_told(const struct xf_evacuated *v, unsigned n, const char *uuid)
{
    for (unsigned i = 0; i < n; i++)
        if (!strcmp(v[i].uuid, uuid) && v[i].result != XF_EVACUATED_ENDED)
            return true;
    return false;
}

/* One that had ended, and was or is here again, is told of by that. */
static bool is_over(const struct xf_evacuated *v, unsigned n, unsigned which,
                    const struct xf_evacuate_guest *guests, unsigned guests_n)
{
    if (v[which].result != XF_EVACUATED_ENDED)
        return false;
    for (unsigned i = which + 1; i < n; i++)
        if (!strcmp(v[i].uuid, v[which].uuid))
            return true;
    for (unsigned i = 0; i < guests_n; i++)
        if (!strcmp(guests[i].uuid, v[which].uuid) && guests[i].fate != XF_FATE_ALONE)
            return true;
    return false;
}

unsigned xf_say_summary(const struct xf_say *s, const struct xf_evacuated *evacuated,
                        unsigned evacuated_n, const struct xf_evacuate_guest *guests, unsigned n,
                        int status)
{
    struct json_object *o = s->json ? new_event("evacuate_done") : NULL;
    struct json_object *list = o ? json_object_new_array() : NULL;
    struct totals t = {0};

    for (unsigned i = 0; i < evacuated_n; i++)
        if (!is_over(evacuated, evacuated_n, i, guests, n))
            sum_evacuated(s, &evacuated[i], list, &t);
    for (unsigned i = 0; i < n; i++)
        if (!was_told(evacuated, evacuated_n, guests[i].uuid))
            sum_guest(s, &guests[i], list, &t);
    if (o) {
        put_u64(o, "status", (uint64_t)(status ? status : t.left != 0));
        json_object_object_add(o, "guests", list);
        print_event(o);
    } else if (!s->quiet) {
        printf("%u moved, %u left, %u kept", t.moved, t.left, t.kept);
        if (t.ended)
            printf(", %u ended", t.ended);
        printf("\n");
        fflush(stdout);
    }
    return t.left;
}
