/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl-fast history: the moves from this host that are over, as a table or as JSON. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "history.h"
#include "live.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/number.h"

struct list {
    const char *domain; /* NULL: all */
    struct xf_history_move *at;
    size_t n, cap;
    int rc;
};

static void take(void *arg, const struct xf_history_move *m)
{
    struct list *l = arg;

    if (l->rc || (l->domain && strcmp(m->guest, l->domain) && strcmp(m->uuid, l->domain)))
        return;
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct xf_history_move *at = reallocarray(l->at, cap, sizeof(*at));

        if (!at) {
            l->rc = -ENOMEM;
            return;
        }
        l->at = at;
        l->cap = cap;
    }
    l->at[l->n++] = *m;
}

/* ---- the table ---------------------------------------------------------------------------- */

enum { WHEN, GUEST, FROM, TO, ENDED, DOWNTIME, REACHABLE, TOTAL, BYTES, COLUMNS };

struct row {
    char cell[COLUMNS][256];
};

/* Columns of a terminal that a text takes, if each character takes one. */
static int width_of(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void make_row(struct row *r, const struct xf_history_move *m)
{
    time_t when = (time_t)(m->time_us / 1000000);
    struct tm t;
    uint64_t us;

    memset(r, 0, sizeof(*r));
    if (!localtime_r(&when, &t) || !strftime(r->cell[WHEN], sizeof(r->cell[WHEN]), "%F %T", &t))
        strcpy(r->cell[WHEN], "?");
    xf_live_plain(r->cell[GUEST], sizeof(r->cell[GUEST]), m->guest);
    xf_live_plain(r->cell[FROM], sizeof(r->cell[FROM]), m->from);
    xf_live_plain(r->cell[TO], sizeof(r->cell[TO]), m->to);
    strcpy(r->cell[ENDED], xf_history_results[xf_history_result(m)]);
    if (m->status && !strcmp(m->state, "suspended"))
        strcpy(r->cell[ENDED], "suspended");
    else if (m->status && !strcmp(m->state, "unknown"))
        strcat(r->cell[ENDED], ", unknown");
    strcpy(r->cell[DOWNTIME], "-");
    strcpy(r->cell[REACHABLE], "-");
    strcpy(r->cell[TOTAL], "-");
    strcpy(r->cell[BYTES], "-");
    if (m->downtime.whole)
        xf_live_time(r->cell[DOWNTIME], sizeof(r->cell[DOWNTIME]), m->downtime.us);
    if (xf_reachable_all(&m->reachable, &us))
        xf_live_time(r->cell[REACHABLE], sizeof(r->cell[REACHABLE]), us);
    else if (m->reachable.n)
        strcpy(r->cell[REACHABLE], "not seen");
    if (m->began) {
        xf_live_time(r->cell[TOTAL], sizeof(r->cell[TOTAL]), m->total_us);
        xf_number_show_size(r->cell[BYTES], sizeof(r->cell[BYTES]), m->bytes);
    }
}

static void print_row(const struct row *r, const int width[COLUMNS])
{
    for (unsigned i = 0; i < COLUMNS; i++)
        printf("%s%s%*s", i ? "  " : "", r->cell[i],
               i + 1 < COLUMNS ? width[i] - width_of(r->cell[i]) : 0, "");
    putchar('\n');
}

static void print_table(const struct list *l)
{
    static const struct row head = {
        {"when", "guest", "from", "to", "ended", "downtime", "reachable", "total", "bytes"}};
    int width[COLUMNS];
    struct row row;

    if (!l->n) {
        puts("no move from this host is over");
        return;
    }
    for (unsigned c = 0; c < COLUMNS; c++)
        width[c] = width_of(head.cell[c]);
    for (size_t i = 0; i < l->n; i++) {
        make_row(&row, &l->at[i]);
        for (unsigned c = 0; c < COLUMNS; c++)
            if (width_of(row.cell[c]) > width[c])
                width[c] = width_of(row.cell[c]);
    }
    print_row(&head, width);
    for (size_t i = 0; i < l->n; i++) {
        make_row(&row, &l->at[i]);
        print_row(&row, width);
    }
}

static void print_json(const struct list *l)
{
    struct json_object *o = json_object_new_object(), *moves = json_object_new_array();

    for (size_t i = 0; i < l->n; i++) {
        struct json_object *move = json_object_new_object();

        xf_history_put(move, &l->at[i]);
        json_object_array_add(moves, move);
    }
    json_object_object_add(o, "moves", moves);
    puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                               JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}

/* ------------------------------------------------------------------------------------------ */

struct wanted {
    bool json;
};

static const struct xf_option options[] = {
    {.name = "json",
     .kind = XF_OPTION_FLAG,
     .to = offsetof(struct wanted, json),
     .help = "one JSON object"},
    {0},
};

static int run(int argc, char **argv)
{
    struct wanted wanted = {0};
    struct xf_operands operands;
    struct list l = {0};
    int rc;

    rc = xf_options_parse(&xf_command_history, &wanted, argc, argv, &operands);
    if (rc != XF_GO_ON)
        return rc;
    if (operands.n)
        l.domain = operands.words[0];
    rc = xf_history_read(take, &l);
    rc = rc ? rc : l.rc;
    if (rc)
        fprintf(stderr, "xl-fast history: the history cannot be read: %s\n", strerror(-rc));
    else if (wanted.json)
        print_json(&l);
    else
        print_table(&l);
    free(l.at);
    return rc ? XF_EXIT_FAILED : XF_EXIT_OK;
}

const struct xf_command xf_command_history = {
    .name = "history",
    .summary = "the moves from this host that are over, also before its boot",
    .operands = "[DOMAIN]",
    .about = "Lists the moves from this host that are over, the oldest first, with how each ended: "
             "all, or "
             "those\nof DOMAIN (name or UUID). The list survives reboots. It holds at most 2 MiB, "
             "some thousand "
             "moves.\n",
    .options = options,
    .run = run,
};
