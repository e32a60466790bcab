/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast set: other values for a move that is under way on this host, from a second terminal: by
 * the socket of who moves the guest (transport/control.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/number.h"
#include "transport/base/rate.h"
#include "transport/control.h"
#include "live.h"
#include "movelog.h"
#include "moves.h"

#define ANSWER_MS 5000

/* ---- words ----------------------------------------------------------------------------------- */

static const char *const set_names[] = {"max-downtime=", "bandwidth=", "throttle=", "now"};

/* NULL, or what the value is not. */
static const char *take_downtime(const char *value, struct xf_steer *to)
{
    to->what = XF_STEER_MAX_DOWNTIME;
    return xf_number_time(value, 1000, &to->max_downtime_us) || to->max_downtime_us < 1000 ||
                   to->max_downtime_us > XF_STEER_MAX_DOWNTIME_US
               ? "a time from 1 to 3600000 milliseconds: such as 300, 300ms or 2s"
               : NULL;
}

static const char *take_bandwidth(const char *value, struct xf_steer *to)
{
    to->what = XF_STEER_BANDWIDTH;
    if (!strcmp(value, "none"))
        return NULL;
    return xf_rate_parse(value, &to->bandwidth_bytes_per_s)
               ? "a rate in bits per second: such as 500M or 2.5Gbit/s, or none"
               : NULL;
}

static const char *take_throttle(const char *value, struct xf_steer *to)
{
    to->what = XF_STEER_THROTTLE;
    to->throttle = !strcmp(value, "on");
    return to->throttle || !strcmp(value, "off") ? NULL : "on or off";
}

/* Of a word with another value, too. */
static const char *guess(const char *word)
{
    char name[32];
    int n = (int)strcspn(word, "=");

    snprintf(name, sizeof(name), "%.*s%s", n < 30 ? n : 30, word, word[n] ? "=" : "");
    return xf_did_you_mean(name, set_names, sizeof(set_names) / sizeof(set_names[0]));
}

static int take_word(const char *word, struct xf_steer *to)
{
    static const char *(*const takes[])(const char *value, struct xf_steer *to) = {
        take_downtime, take_bandwidth, take_throttle};
    struct xf_steer one = {.what = XF_STEER_NOW};
    const char *meant;

    for (unsigned i = 0; i < sizeof(takes) / sizeof(takes[0]); i++) {
        const size_t n = strlen(set_names[i]);

        if (strncmp(word, set_names[i], n) != 0)
            continue;
        one = (struct xf_steer){0};
        const char *is_not = takes[i](word + n, &one);

        if (is_not)
            return xf_usage_error(&xf_command_set, "%.*s: '%s' is not %s", (int)n - 1, word,
                                  word + n, is_not);
        xf_steer_add(to, &one);
        return XF_GO_ON;
    }
    if (!strcmp(word, "now")) {
        xf_steer_add(to, &one);
        return XF_GO_ON;
    }
    meant = guess(word);
    if (meant)
        return xf_usage_error(&xf_command_set, "unknown setting '%s'; did you mean '%s'?", word,
                              meant);
    return xf_usage_error(&xf_command_set, "unknown setting '%s'; see xl-fast set --help", word);
}

/* ---- the move -------------------------------------------------------------------------------- */

struct to_set {
    const char *name;    /* as it is said */
    const char *path;    /* of the socket */
    struct xf_moving *m; /* NULL: a demo */
};

/* Nobody listens: before the memory moves, or after. */
static void say_nobody(const struct to_set *t)
{
    struct xf_story s;
    bool begun;

    if (!t->m) {
        fprintf(stderr, "xl-fast set: %s: nobody listens: is xl-fast demo --control running?\n",
                t->name);
        return;
    }
    xf_move_story(t->m, &s);
    begun = s.program[0];
    xf_story_free(&s);
    fprintf(stderr,
            begun ? "xl-fast set: too late: the memory of %s has moved\n"
                  : "xl-fast set: the memory of %s does not move yet: try again later\n",
            t->name);
}

static int say_answer(const struct to_set *t, const struct xf_steer *steer, int rc)
{
    char text[XF_STEER_TEXT_BYTES];

    switch (rc) {
    case 0:
        printf("%s: set %s\n", t->name, xf_steer_show(text, steer));
        if (t->m)
            xf_movelog_set(t->m, text);
        return XF_EXIT_OK;
    case -EALREADY:
        fprintf(stderr,
                "xl-fast set: too late: %s is being suspended: from then on only its bandwidth can "
                "be set\n",
                t->name);
        break;
    case -ENOENT:
    case -ECONNREFUSED:
        say_nobody(t);
        break;
    case -ETIMEDOUT:
        fprintf(stderr, "xl-fast set: %s: no answer in %u s; see xl-fast status\n", t->name,
                ANSWER_MS / 1000);
        break;
    case -EPROTO:
        fprintf(stderr, "xl-fast set: %s: it is moved by another version of xl-fast\n", t->name);
        break;
    default:
        fprintf(stderr, "xl-fast set: %s: %s\n", t->path, strerror(-rc));
        break;
    }
    return XF_EXIT_FAILED;
}

static int set(const char *domain, const struct xf_steer *steer)
{
    struct to_set t = {.path = domain, .name = domain};
    char guest[sizeof(t.m->guest)];
    int status;

    if (!strchr(domain, '/')) {
        t.m = xf_move_find("set", domain);
        if (!t.m)
            return XF_EXIT_FAILED;
        t.path = t.m->control;
        t.name = xf_live_plain(guest, sizeof(guest), t.m->guest);
    }
    status = say_answer(&t, steer, xf_control_ask(t.path, steer, ANSWER_MS));
    free(t.m);
    return status;
}

const struct xf_command xf_command_set = {
    .name = "set",
    .summary = "steer one of them: downtime, bandwidth, throttle, or go now",
    .operands = "DOMAIN SETTING...",
    .about = "Sets other values for the xl migrate --fast of that guest (name, number or UUID) "
             "that is in\nprogress on this host. DOMAIN with a slash is the socket of an xl-fast "
             "demo --control.\n",
    .more = "Settings: max-downtime=TIME, such as 300ms; bandwidth=RATE, such as 2.5G, or none; "
            "throttle=on or\noff; now: suspend the guest after the round under way, whatever the "
            "downtime.",
    .done = "all of it is set",
    .failed = "nothing is: there is no such move, or it is past that point",
    .run = xf_cli_set,
};

int xf_cli_set(int argc, char **argv)
{
    struct xf_operands operands;
    struct xf_steer steer = {0};
    int status = xf_options_parse(&xf_command_set, NULL, argc, argv, &operands);

    for (int i = 1; status == XF_GO_ON && i < operands.n; i++)
        status = take_word(operands.words[i], &steer);
    return status == XF_GO_ON ? set(operands.words[0], &steer) : status;
}
