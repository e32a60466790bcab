/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Talk: lines of JSON over two descriptors, with a limit of time and of length. */
#include "talk.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "transport/base/clock.h"
#include "xl-plugin/recover/recover_reach.h"
#include "xl-plugin/screen/live.h"

#define REASON_BYTES 400

int xf_talk_init(struct xf_talk *t, int in, int out, const char *peer)
{
    *t = (struct xf_talk){.in = in, .out = out, .peer = peer, .held = malloc(XF_TALK_LINE_BYTES)};
    return t->held ? 0 : -ENOMEM;
}

void xf_talk_fini(struct xf_talk *t)
{
    if (t->held)
        explicit_bzero(t->held, XF_TALK_LINE_BYTES);
    free(t->held);
    t->held = NULL;
    if (t->in >= 0)
        close(t->in);
    if (t->out >= 0 && t->out != t->in)
        close(t->out);
    t->in = t->out = -1;
}

/* ---- sending ------------------------------------------------------------------------------- */

int xf_talk_send_bytes(struct xf_talk *t, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;

    while (n) {
        ssize_t done = write(t->out, at, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

int xf_talk_send(struct xf_talk *t, struct json_object *message)
{
    size_t n = 0;
    const char *text = json_object_to_json_string_length(message, JSON_C_TO_STRING_PLAIN, &n);
    int rc = !text                         ? -ENOMEM
             : n + 2 >= XF_TALK_LINE_BYTES ? -EMSGSIZE
                                           : xf_talk_send_bytes(t, text, n);

    json_object_put(message);
    return rc ?: xf_talk_send_bytes(t, "\n", 1);
}

struct json_object *xf_talk_message(const char *kind)
{
    struct json_object *message = json_object_new_object();

    json_object_object_add(message, "kind", json_object_new_string(kind));
    return message;
}

int xf_talk_say(struct xf_talk *t, const char *kind)
{
    return xf_talk_send(t, xf_talk_message(kind));
}

int xf_talk_say_failed(struct xf_talk *t, const char *reason)
{
    struct json_object *message = xf_talk_message("failed");

    json_object_object_add(message, "reason", json_object_new_string(reason));
    return xf_talk_send(t, message);
}

/* ---- receiving ----------------------------------------------------------------------------- */

static int fail(const struct xf_talk *t, int rc, unsigned limit_ms, char why[XF_TALK_WHY_BYTES])
{
    if (rc == -EPIPE)
        snprintf(why, XF_TALK_WHY_BYTES, "%s: the connection to it has ended", t->peer);
    else if (rc == -EINTR)
        snprintf(why, XF_TALK_WHY_BYTES, "interrupted by signal %d (%s)", *t->stop,
                 strsignal(*t->stop));
    else if (rc == -ETIMEDOUT)
        snprintf(why, XF_TALK_WHY_BYTES, "%s has said nothing for %u s", t->peer, limit_ms / 1000);
    else
        snprintf(why, XF_TALK_WHY_BYTES, "%s: %s", t->peer, strerror(-rc));
    return rc;
}

/* More of it, at most so much as fits. */
static int take_more(struct xf_talk *t, uint64_t end_us)
{
    struct pollfd in = {.fd = t->in, .events = POLLIN};

    if (t->held_n == XF_TALK_LINE_BYTES)
        return -EMSGSIZE;
    for (;;) {
        if (t->stop && *t->stop)
            return -EINTR;

        uint64_t now = xf_now_us();
        int ready = poll(&in, 1, now < end_us ? (int)((end_us - now + 999) / 1000) : 0);

        if (!ready)
            return -ETIMEDOUT;
        ssize_t n =
            ready < 0 ? -1 : read(t->in, t->held + t->held_n, XF_TALK_LINE_BYTES - t->held_n);

        if (n > 0) {
            t->held_n += (size_t)n;
            return 0;
        }
        if (!n || errno == ECONNRESET)
            return -EPIPE;
        if (errno != EINTR)
            return -errno;
    }
}

/* The first n bytes of what is held are done with, and were perhaps secret. */
static void drop(struct xf_talk *t, size_t n)
{
    memmove(t->held, t->held + n, t->held_n - n);
    explicit_bzero(t->held + t->held_n - n, n);
    t->held_n -= n;
}

int xf_talk_await_start(struct xf_talk *t, unsigned limit_ms, char why[XF_TALK_WHY_BYTES])
{
    static const char mark[] = XF_REACH_MARK;
    uint64_t end_us = xf_now_us() + limit_ms * UINT64_C(1000);
    char *at;
    int rc = 0;

    while (!(at = memmem(t->held, t->held_n, mark, sizeof(mark) - 1)) && !rc)
        rc = take_more(t, end_us);
    if (rc == -EPIPE) /* ssh, or its shell, has said why on stderr */
        snprintf(why, XF_TALK_WHY_BYTES, "%s: xl-fast-disks cannot be started there by ssh",
                 t->peer);
    if (rc)
        return rc == -EPIPE ? rc : fail(t, rc, limit_ms, why);
    drop(t, (size_t)(at - t->held) + sizeof(mark) - 1);
    return 0;
}

/* What is no object with a kind is none of ours. */
static int parse(const struct xf_talk *t, size_t n, struct json_object **message,
                 char why[XF_TALK_WHY_BYTES])
{
    struct json_tokener *tokener = json_tokener_new_ex(8);
    struct json_object *o = tokener ? json_tokener_parse_ex(tokener, t->held, (int)n) : NULL;
    bool ok = o && json_tokener_get_error(tokener) == json_tokener_success &&
              json_object_is_type(o, json_type_object) && xf_talk_text(o, "kind")[0];

    if (tokener)
        json_tokener_free(tokener);
    if (!ok) {
        json_object_put(o);
        snprintf(why, XF_TALK_WHY_BYTES,
                 "%s says what is no message: install the same xl-fast at "
                 "both ends",
                 t->peer);
        return -EBADMSG;
    }
    *message = o;
    return 0;
}

int xf_talk_receive(struct xf_talk *t, const char *kind, unsigned limit_ms,
                    struct json_object **message, char why[XF_TALK_WHY_BYTES])
{
    uint64_t end_us = xf_now_us() + limit_ms * UINT64_C(1000);
    char plain[REASON_BYTES];
    const char *said, *end;
    int rc = 0;

    *message = NULL;
    while (!(end = memchr(t->held, '\n', t->held_n)) && !rc)
        rc = take_more(t, end_us);
    if (rc)
        return fail(t, rc, limit_ms, why);
    rc = parse(t, (size_t)(end - t->held), message, why);
    drop(t, (size_t)(end - t->held) + 1);
    if (rc)
        return rc;
    said = xf_talk_text(*message, "kind");
    if (!strcmp(said, "failed")) {
        snprintf(why, XF_TALK_WHY_BYTES, "%.60s: %s", t->peer,
                 xf_live_plain(plain, sizeof(plain), xf_talk_text(*message, "reason")));
        rc = -ECANCELED;
    } else if (kind && strcmp(said, kind) != 0) {
        snprintf(why, XF_TALK_WHY_BYTES,
                 "%.60s says '%s', expected '%s': install the same xl-fast "
                 "at both ends",
                 t->peer, xf_live_plain(plain, sizeof(plain), said), kind);
        rc = -EPROTO;
    }
    if (rc) {
        json_object_put(*message);
        *message = NULL;
    }
    return rc;
}

int xf_talk_hear(struct xf_talk *t, const char *kind, unsigned limit_ms,
                 char why[XF_TALK_WHY_BYTES])
{
    struct json_object *message;
    int rc = xf_talk_receive(t, kind, limit_ms, &message, why);

    json_object_put(message);
    return rc;
}

int xf_talk_receive_bytes(struct xf_talk *t, void *to, size_t n, unsigned limit_ms,
                          char why[XF_TALK_WHY_BYTES])
{
    uint64_t end_us = xf_now_us() + limit_ms * UINT64_C(1000);
    int rc = 0;

    while (t->held_n < n && !rc)
        rc = take_more(t, end_us);
    if (rc)
        return fail(t, rc, limit_ms, why);
    memcpy(to, t->held, n);
    drop(t, n);
    return 0;
}

bool xf_talk_pending(const struct xf_talk *t)
{
    struct pollfd in = {.fd = t->in, .events = POLLIN};

    return t->held_n || poll(&in, 1, 0) > 0;
}

/* ---- what is in a message ------------------------------------------------------------------ */

const char *xf_talk_text(struct json_object *message, const char *key)
{
    struct json_object *o;

    return json_object_object_get_ex(message, key, &o) && json_object_is_type(o, json_type_string)
               ? json_object_get_string(o)
               : "";
}

unsigned long long xf_talk_number(struct json_object *message, const char *key)
{
    struct json_object *o;

    if (!json_object_object_get_ex(message, key, &o) || !json_object_is_type(o, json_type_int))
        return 0;
    return json_object_get_int64(o) < 0 ? 0 : json_object_get_uint64(o);
}

bool xf_talk_flag(struct json_object *message, const char *key)
{
    struct json_object *o;

    return json_object_object_get_ex(message, key, &o) && json_object_get_boolean(o);
}
