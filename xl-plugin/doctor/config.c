/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast config: what is wrong with xl-fast.conf, or which keys are in force. The
 * plug-in's own reader says it, by way of xl-fast-preflight, so that nothing passes here that a
 * migration refuses.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/json_text.h"
#include "ask_preflight.h"

#define KEYS_MAX   32u
#define ERRORS_MAX 64u

struct config {
    char *file;
    char *errors[ERRORS_MAX];
    unsigned errors_n;
    struct key {
        char *name, *origin, *value; /* of one allocation, name's */
    } keys[KEYS_MAX];
    unsigned keys_n;
    bool ok;
};

/* KEY ORIGIN VALUE */
static void take_key(struct config *c, const char *words)
{
    if (c->keys_n == KEYS_MAX)
        return;

    struct key *k = &c->keys[c->keys_n];
    k->name = strdup(words);
    k->origin = k->name ? strchr(k->name, ' ') : NULL;
    k->value = k->origin ? strchr(k->origin + 1, ' ') : NULL;
    if (!k->value) {
        free(k->name);
        return;
    }
    *k->origin++ = 0;
    *k->value++ = 0;
    c->keys_n++;
}

static void take(void *arg, const char *key, const char *value)
{
    struct config *c = arg;

    if (!strcmp(key, "file")) {
        free(c->file);
        c->file = strdup(value);
    } else if (!strcmp(key, "error")) {
        if (c->errors_n < ERRORS_MAX)
            c->errors[c->errors_n++] = strdup(value);
    } else if (!strcmp(key, "set")) {
        take_key(c, value);
    } else if (!strcmp(key, "fast")) {
        c->ok = !strcmp(value, "ok");
    }
}

/* What it means that a key has no value. */
static const char *without(const char *key)
{
    static const char *const words[][2] = {
        {"cpus", "where the scheduler puts the lanes"},
        {"mtu", "the largest that the port takes"},
        {"bandwidth", "no limit"},
        {"stock_helper", "found by itself"},
    };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcmp(key, words[i][0]))
            return words[i][1];
    return "none";
}

static void print_text(const struct config *c)
{
    for (unsigned i = 0; i < c->errors_n; i++)
        fprintf(stderr, "xl-fast: %s\n", c->errors[i] ? c->errors[i] : strerror(ENOMEM));
    if (!c->ok)
        return;
    for (unsigned i = 0; i < c->keys_n; i++) {
        const struct key *k = &c->keys[i];

        if (*k->value)
            printf("%-15s = %-22s # %s\n", k->name, k->value, k->origin);
        else
            printf("#%-14s = %-22s # %s: %s\n", k->name, "", k->origin, without(k->name));
    }
}

static struct json_object *value_object(const char *value)
{
    size_t len = strlen(value);

    if (!len)
        return NULL;
    if (*value == '"' || *value == '\'')
        return json_object_new_string_len(value + 1, len > 1 ? (int)len - 2 : 0);
    return json_object_new_uint64(strtoull(value, NULL, 10));
}

static void print_json(const struct config *c)
{
    struct json_object *o = json_object_new_object(), *errors = json_object_new_array(),
                       *keys = json_object_new_object();

    json_object_object_add(o, "ok", json_object_new_boolean(c->ok));
    json_object_object_add(o, "file", c->file ? xf_json_text(c->file) : NULL);
    for (unsigned i = 0; i < c->errors_n; i++)
        json_object_array_add(errors, c->errors[i] ? xf_json_text(c->errors[i]) : NULL);
    json_object_object_add(o, "errors", errors);
    for (unsigned i = 0; i < c->keys_n; i++) {
        struct json_object *key = json_object_new_object();

        json_object_object_add(key, "value", value_object(c->keys[i].value));
        json_object_object_add(key, "origin", json_object_new_string(c->keys[i].origin));
        json_object_object_add(keys, c->keys[i].name, key);
    }
    json_object_object_add(o, "keys", keys);
    printf("%s\n",
           json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                 JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}

static void clear(struct config *c)
{
    for (unsigned i = 0; i < c->errors_n; i++)
        free(c->errors[i]);
    for (unsigned i = 0; i < c->keys_n; i++)
        free(c->keys[i].name);
    free(c->file);
}

struct options {
    bool json, check;
};

static const struct xf_option options[] = {
    {.name = "json", .to = offsetof(struct options, json), .help = "one JSON object"},
    {.name = "check",
     .to = offsetof(struct options, check),
     .hidden = true, /* once required; it changes nothing */
     .help = "taken for old scripts"},
    {0},
};

const struct xf_command xf_command_config = {
    .name = "config",
    .summary = "whether xl-fast.conf is right, and which keys are in force",
    .operands = "[FILE]",
    .about =
        "Reads FILE (/etc/xen/xl-fast.conf) as a migration does. Prints the keys in force, each\n"
        "with where its value comes from, or all that is wrong with the file, a line each.\n"
        "Whether the port that it names can be used, `xl-fast probe` says.\n",
    .options = options,
    .done = "it is right",
    .failed = "it is wrong or cannot be read",
    .run = xf_cli_config,
};

int xf_cli_config(int argc, char **argv)
{
    const char *args[] = {"config", NULL, NULL};
    char why[XF_PREFLIGHT_WHY_BYTES];
    struct options given = {0};
    struct xf_operands operands;
    struct config c = {0};
    int status = xf_options_parse(&xf_command_config, &given, argc, argv, &operands);

    if (status != XF_GO_ON)
        return status;
    if (operands.n)
        args[1] = operands.words[0];
    if (args[1] && !args[1][0])
        return xf_usage_error(&xf_command_config, "'' is not a FILE");
    if (xf_preflight_ask(args, take, &c, why)) {
        /* What it answered so far may be half of it. */
        c.ok = false;
        if (c.errors_n < ERRORS_MAX)
            c.errors[c.errors_n++] = strdup(why);
    }
    if (given.json)
        print_json(&c);
    else
        print_text(&c);

    bool ok = c.ok;
    clear(&c);
    return ok ? XF_EXIT_OK : XF_EXIT_FAILED;
}
