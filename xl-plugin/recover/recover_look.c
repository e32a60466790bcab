/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recover, look: what one end sees of a guest, to JSON and back, checked, and as evidence. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "recover_look.h"

static const char *const state_names[XF_STATES] = {
    [XF_STATE_RUNNING] = "running",     [XF_STATE_PAUSED] = "paused",
    [XF_STATE_SUSPENDED] = "suspended", [XF_STATE_ENDED] = "shut-down",
    [XF_STATE_DYING] = "dying",
};

static const char *const record_names[XF_RECORDS] = {
    [XF_RECORD_NONE] = "none",
    [XF_RECORD_HAD_GO] = "had-go",
    [XF_RECORD_GIVEN_BACK] = "given-back",
};

const char *xf_recover_state_name(enum xf_recover_state state)
{
    return state_names[state];
}

const char *xf_recover_record_name(enum xf_recover_record record)
{
    return record_names[record];
}

bool xf_uuid_ok(const char *text)
{
    if (strlen(text) != XF_UUID_SIZE - 1)
        return false;
    for (unsigned i = 0; i < XF_UUID_SIZE - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !isdigit((unsigned char)text[i]) && !strchr("abcdef", text[i]))
            return false;
    }
    return true;
}

/* ---- to JSON ------------------------------------------------------------------------------- */

static void put_string(struct json_object *to, const char *key, const char *value)
{
    json_object_object_add(to, key, value[0] ? json_object_new_string(value) : NULL);
}

static void put_number(struct json_object *to, const char *key, uint64_t value)
{
    json_object_object_add(to, key, json_object_new_uint64(value));
}

char *xf_look_print(const struct xf_look *look)
{
    struct json_object *o = json_object_new_object(), *list = json_object_new_array(), *item;
    char *text;

    put_number(o, "version", XF_LOOK_VERSION);
    put_string(o, "host", look->host);
    put_string(o, "boot_id", look->boot_id);
    for (unsigned i = 0; i < look->domains_n; i++) {
        const struct xf_look_domain *d = &look->domains[i];

        json_object_array_add(list, item = json_object_new_object());
        put_number(item, "domid", d->domid);
        put_string(item, "name", d->name);
        put_string(item, "uuid", d->uuid);
        put_string(item, "state", state_names[d->state]);
        put_number(item, "cpu_time_ns", d->cpu_time_ns);
        if (d->libvirt)
            json_object_object_add(item, "libvirt", json_object_new_boolean(true));
    }
    json_object_object_add(o, "domains", list);
    list = json_object_new_array();
    for (unsigned i = 0; i < look->processes_n; i++) {
        const struct xf_look_process *p = &look->processes[i];

        json_object_array_add(list, item = json_object_new_object());
        put_number(item, "pid", p->pid);
        put_string(item, "does", p->receives ? "receives" : "moves");
        put_string(item, "uuid", p->uuid);
    }
    json_object_object_add(o, "processes", list);
    if (look->record.attempt[0]) {
        json_object_object_add(o, "record", item = json_object_new_object());
        put_string(item, "attempt", look->record.attempt);
        put_string(item, "outcome", record_names[look->record.outcome]);
        put_number(item, "domid", look->record.domid);
    }
    if (look->left.attempt[0]) {
        json_object_object_add(o, "left", item = json_object_new_object());
        put_string(item, "attempt", look->left.attempt);
        put_number(item, "domid", look->left.domid);
        put_number(item, "cpu_time_ns", look->left.cpu_time_ns);
    }
    text = strdup(
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
    return text;
}

/* ---- from JSON ----------------------------------------------------------------------------- */

/* The first thing that is wrong, if any. */
struct check {
    char *err;
    bool bad;
};

static void complain(struct check *c, const char *what, const char *key)
{
    if (!c->bad)
        snprintf(c->err, 128, "%s: %s", key, what);
    c->bad = true;
}

/* all: any bytes, as a domain's name may have. */
static void get_text(struct check *c, struct json_object *from, const char *key, char *to,
                     size_t size, bool needed, bool all)
{
    struct json_object *value;

    to[0] = 0;
    if (!json_object_object_get_ex(from, key, &value) || !value) {
        if (needed)
            complain(c, "missing", key);
        return;
    }
    if (!json_object_is_type(value, json_type_string)) {
        complain(c, "not a string", key);
        return;
    }

    const char *text = json_object_get_string(value);
    size_t bytes = (size_t)json_object_get_string_len(value);
    bool good = bytes < size && strlen(text) == bytes;

    for (size_t i = 0; i < bytes && good; i++)
        good = all || isprint((unsigned char)text[i]);
    if (!good)
        complain(c, "too long, or not printable", key);
    else
        memcpy(to, text, bytes + 1);
}

static void get_string(struct check *c, struct json_object *from, const char *key, char *to,
                       size_t size, bool needed)
{
    get_text(c, from, key, to, size, needed, false);
}

static void get_uuid(struct check *c, struct json_object *from, const char *key,
                     char to[XF_UUID_SIZE], bool needed)
{
    get_string(c, from, key, to, XF_UUID_SIZE, needed);
    if (to[0] && !xf_uuid_ok(to))
        complain(c, "not a UUID", key);
}

static uint64_t get_number(struct check *c, struct json_object *from, const char *key, uint64_t max)
{
    struct json_object *value;
    int64_t n;

    if (!json_object_object_get_ex(from, key, &value) ||
        !json_object_is_type(value, json_type_int)) {
        complain(c, "not a number", key);
        return 0;
    }
    /* json-c gives INT64_MAX for what is larger; nothing here is. */
    n = json_object_get_int64(value);
    if (n < 0 || (uint64_t)n > max) {
        complain(c, "out of range", key);
        return 0;
    }
    return (uint64_t)n;
}

static unsigned get_word(struct check *c, struct json_object *from, const char *key,
                         const char *const *words, unsigned words_n)
{
    char text[32];

    get_string(c, from, key, text, sizeof(text), true);
    for (unsigned i = 0; i < words_n; i++)
        if (!strcmp(text, words[i]))
            return i;
    complain(c, "not one of the known words", key);
    return 0;
}

static struct json_object *get_array(struct check *c, struct json_object *from, const char *key,
                                     size_t max, unsigned *n)
{
    struct json_object *list;

    *n = 0;
    if (!json_object_object_get_ex(from, key, &list) ||
        !json_object_is_type(list, json_type_array)) {
        complain(c, "not a list", key);
    } else if (json_object_array_length(list) > max) {
        complain(c, "too many", key);
    } else {
        *n = (unsigned)json_object_array_length(list);
        return list;
    }
    return NULL;
}

static struct json_object *get_item(struct check *c, struct json_object *list, unsigned i)
{
    struct json_object *item = json_object_array_get_idx(list, i);

    if (!json_object_is_type(item, json_type_object))
        complain(c, "not an object", "an item of a list");
    return item;
}

/* Only said where it is so. */
static bool get_true(struct json_object *from, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(from, key, &value) &&
           json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

static void parse_lists(struct check *c, struct json_object *o, struct xf_look *look)
{
    static const char *const does[] = {"moves", "receives"};
    struct json_object *list, *item;

    list = get_array(c, o, "domains", XF_LOOK_DOMAINS, &look->domains_n);
    for (unsigned i = 0; i < look->domains_n && !c->bad; i++) {
        struct xf_look_domain *d = &look->domains[i];

        item = get_item(c, list, i);
        d->domid = (uint32_t)get_number(c, item, "domid", UINT32_MAX);
        get_text(c, item, "name", d->name, sizeof(d->name), false, true);
        get_uuid(c, item, "uuid", d->uuid, true);
        d->state = get_word(c, item, "state", state_names, XF_STATES);
        d->cpu_time_ns = get_number(c, item, "cpu_time_ns", INT64_MAX - 1);
        d->libvirt = get_true(item, "libvirt");
    }
    list = get_array(c, o, "processes", XF_LOOK_PROCESSES, &look->processes_n);
    for (unsigned i = 0; i < look->processes_n && !c->bad; i++) {
        struct xf_look_process *p = &look->processes[i];

        item = get_item(c, list, i);
        p->pid = (uint32_t)get_number(c, item, "pid", INT32_MAX);
        p->receives = get_word(c, item, "does", does, 2);
        get_uuid(c, item, "uuid", p->uuid, false);
    }
}

int xf_look_parse(const char *text, size_t bytes, struct xf_look *look, char err[128])
{
    struct check c = {.err = err};
    struct json_tokener *tokener = json_tokener_new_ex(8);
    struct json_object *o = NULL, *item;

    memset(look, 0, sizeof(*look));
    if (tokener)
        o = json_tokener_parse_ex(tokener, text, (int)bytes);
    if (!o || !json_object_is_type(o, json_type_object)) {
        complain(&c, "not a JSON object, or cut short", "the answer");
        goto out;
    }
    if (get_number(&c, o, "version", INT32_MAX) != XF_LOOK_VERSION) {
        complain(&c, "another one: install the same xl-fast at both ends", "version");
        goto out;
    }
    get_string(&c, o, "host", look->host, sizeof(look->host), true);
    get_uuid(&c, o, "boot_id", look->boot_id, true);
    if (!c.bad)
        parse_lists(&c, o, look);
    if (!c.bad && json_object_object_get_ex(o, "record", &item)) {
        get_uuid(&c, item, "attempt", look->record.attempt, true);
        look->record.outcome = get_word(&c, item, "outcome", record_names, XF_RECORDS);
        look->record.domid = (uint32_t)get_number(&c, item, "domid", UINT32_MAX);
    }
    if (!c.bad && json_object_object_get_ex(o, "left", &item)) {
        get_uuid(&c, item, "attempt", look->left.attempt, true);
        look->left.domid = (uint32_t)get_number(&c, item, "domid", UINT32_MAX);
        look->left.cpu_time_ns = get_number(&c, item, "cpu_time_ns", INT64_MAX - 1);
    }
out:
    json_object_put(o);
    if (tokener)
        json_tokener_free(tokener);
    return c.bad ? -EPROTO : 0;
}

/* ---- as evidence --------------------------------------------------------------------------- */

enum xf_recover_place xf_look_place(const char *name, const char *domain_name)
{
    size_t n = strlen(name);

    if (strncmp(domain_name, name, n))
        return XF_PLACE_UNCLEAR;
    return !domain_name[n]                              ? XF_PLACE_NAME
           : !strcmp(domain_name + n, "--migratedaway") ? XF_PLACE_AWAY
           : !strcmp(domain_name + n, "--incoming")     ? XF_PLACE_INCOMING
                                                        : XF_PLACE_UNCLEAR;
}

const struct xf_look_domain *xf_look_guest(const struct xf_look *source, bool *unclear)
{
    *unclear = source->domains_n > 1;
    return source->domains_n == 1 ? &source->domains[0] : NULL;
}

/* By its UUID; without a guest here, by its names. */
static void find_there(const char *name, const struct xf_look_domain *guest,
                       const struct xf_look *target, struct xf_recover_evidence *e)
{
    unsigned same = 0, others = 0;

    for (unsigned i = 0; i < target->domains_n; i++) {
        const struct xf_look_domain *d = &target->domains[i];

        if (guest && strcmp(d->uuid, guest->uuid)) {
            others++;
            continue;
        }
        same++;
        /* One that is being destroyed loses its name first. */
        e->target.place = d->state == XF_STATE_DYING && !d->name[0] ? XF_PLACE_INCOMING
                                                                    : xf_look_place(name, d->name);
        e->target.state = d->state;
        e->target.ran = d->cpu_time_ns > 0;
    }
    /* A namesake is another guest, unless xl migrate -C gave this one another UUID: where that
       would matter, it is not known. */
    if (same > 1 || (!same && others && e->source.state == XF_STATE_SUSPENDED))
        e->target.place = XF_PLACE_UNCLEAR;
}

static enum xf_recover_receiver find_receiver(const struct xf_look_domain *guest,
                                              const struct xf_look *target)
{
    enum xf_recover_receiver found = XF_RECEIVER_NONE;

    for (unsigned i = 0; i < target->processes_n; i++) {
        const struct xf_look_process *p = &target->processes[i];

        if (!p->receives)
            continue;
        if (guest && !strcmp(p->uuid, guest->uuid))
            return XF_RECEIVER_OURS;
        if (!guest || !p->uuid[0])
            found = XF_RECEIVER_UNKNOWN;
    }
    return found;
}

bool xf_look_left_counts(const struct xf_look_domain *d, const struct xf_look *source)
{
    return source->left.attempt[0] && source->left.domid == d->domid &&
           source->left.cpu_time_ns == d->cpu_time_ns;
}

/* Only the record of the attempt after which the guest has not run here again: since, it has used
   no CPU time. */
static bool record_counts(const struct xf_look_domain *guest, const struct xf_look *source,
                          const struct xf_look *target)
{
    return guest && xf_look_left_counts(guest, source) &&
           !strcmp(source->left.attempt, target->record.attempt);
}

/* By its number, which no later domain has got: libxl takes a number again only if it is asked to
   (xl migrate -D), and then it is the source's. */
static bool was_received(const struct xf_look_domain *guest, const struct xf_look *target)
{
    for (unsigned i = 0; i < target->domains_n; i++)
        if (!strcmp(target->domains[i].uuid, guest->uuid))
            return target->domains[i].domid == target->record.domid &&
                   target->record.domid != guest->domid;
    return false;
}

void xf_look_reduce(const char *name, const struct xf_look *source, const struct xf_look *target,
                    struct xf_recover_evidence *e)
{
    bool unclear;
    const struct xf_look_domain *guest = xf_look_guest(source, &unclear);

    memset(e, 0, sizeof(*e));
    if (unclear) {
        e->source.place = XF_PLACE_UNCLEAR;
    } else if (guest) {
        e->source.place = xf_look_place(name, guest->name);
        e->source.state = guest->state;
        e->source.maybe_libvirt = guest->libvirt && !xf_look_left_counts(guest, source);
    }
    for (unsigned i = 0; i < source->processes_n; i++)
        e->source.busy |= !source->processes[i].receives;
    if (!target)
        return;
    e->target.answers = true;
    find_there(name, guest, target, e);
    e->target.receiver = find_receiver(guest, target);
    if (record_counts(guest, source, target)) {
        e->target.record = target->record.outcome;
        e->target.received = was_received(guest, target);
    }
}
