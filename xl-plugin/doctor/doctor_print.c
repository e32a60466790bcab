/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Doctor, print: the checks as text with the commands that fix them, or as JSON. */
#include <string.h>

#include <json-c/json.h>

#include "doctor_print.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/screen/live.h"

static const char *const state_names[] = {
    [XF_FINDING_OK] = "ok",
    [XF_FINDING_NOTE] = "note",
    [XF_FINDING_FAIL] = "FAIL",
    [XF_FINDING_UNKNOWN] = "?",
};

unsigned xf_doctor_count(const struct xf_doctor *d, enum xf_finding_state state)
{
    unsigned n = 0;

    for (unsigned i = 0; i < d->lines_n; i++)
        n += !d->lines[i].ran && d->lines[i].found.state == state;
    return n;
}

/* ---- as text ------------------------------------------------------------------------------- */

/* A command, as it is to be typed here: at the target by ssh, as one word. */
static void print_command(FILE *to, const struct xf_doctor *d, const char *command, bool at_target)
{
    char plain[XF_FINDING_TEXT_BYTES];

    xf_live_plain(plain, sizeof(plain), command);
    if (!at_target) {
        fprintf(to, "%s\n", plain);
        return;
    }
    fprintf(to, "%s %s '", d->ssh, d->host);
    for (const char *c = plain; *c; c++) {
        if (*c == '\'')
            fputs("'\\''", to);
        else
            putc(*c, to);
    }
    fputs("'\n", to);
}

static void print_line(FILE *to, const struct xf_doctor *d, const struct xf_doctor_line *l)
{
    const struct xf_finding *f = &l->found;
    char text[XF_FINDING_TEXT_BYTES];

    if (l->ran) {
        fputs("  ran:  ", to);
        print_command(to, d, f->text, l->end == XF_AT_TARGET);
        if (l->status)
            fprintf(to, "        which failed, with status %d\n", l->status);
        return;
    }
    fprintf(to, "  %-5s %-10s %s%s%s\n", state_names[f->state], l->check,
            l->end == XF_AT_BOTH ? d->host : "", l->end == XF_AT_BOTH ? " " : "",
            xf_live_plain(text, sizeof(text), f->text));
    if (f->fix[0]) {
        fputs("        fix: ", to);
        print_command(to, d, f->fix, l->end != XF_AT_SOURCE && !f->fix_at_source);
    }
}

void xf_doctor_print(const struct xf_doctor *d, FILE *to)
{
    unsigned failed = xf_doctor_count(d, XF_FINDING_FAIL),
             notes = xf_doctor_count(d, XF_FINDING_NOTE),
             all = failed + notes + xf_doctor_count(d, XF_FINDING_OK);
    char name[sizeof(d->source)];

    for (unsigned end = XF_AT_SOURCE; end <= (d->host ? XF_AT_BOTH : XF_AT_SOURCE); end++) {
        bool begun = false;

        for (unsigned i = 0; i < d->lines_n; i++) {
            if (d->lines[i].end != end)
                continue;
            if (!begun && end == XF_AT_SOURCE)
                fprintf(to, "%s, this host\n", xf_live_plain(name, sizeof(name), d->source));
            else if (!begun)
                fprintf(to, end == XF_AT_TARGET ? "%s\n" : "this host and %s\n", d->host);
            begun = true;
            print_line(to, d, &d->lines[i]);
        }
    }
    if (failed)
        fprintf(to, "%u of %u checks failed", failed, all);
    else
        fprintf(to, "all %u checks passed", all);
    fprintf(to, notes == 1 ? ", with a note\n" : notes ? ", with %u notes\n" : "\n", notes);
}

/* ---- as JSON ------------------------------------------------------------------------------- */

static void put_string(struct json_object *to, const char *key, const char *value)
{
    json_object_object_add(to, key, value && value[0] ? xf_json_text(value) : NULL);
}

static struct json_object *check_object(const struct xf_doctor_line *l, struct json_object *ran)
{
    static const char *const ends[] = {"source", "target", "both"};
    static const char *const states[] = {"ok", "note", "fail", "unknown"};
    struct json_object *o = json_object_new_object();
    bool at_source = l->end == XF_AT_SOURCE || l->found.fix_at_source;

    put_string(o, "end", ends[l->end]);
    put_string(o, "check", l->check);
    put_string(o, "state", states[l->found.state]);
    put_string(o, "text", l->found.text);
    put_string(o, "fix", l->found.fix);
    put_string(o, "fix_at", !l->found.fix[0] ? NULL : at_source ? "source" : "target");
    json_object_object_add(o, "ran", ran);
    return o;
}

static struct json_object *ran_object(const struct xf_doctor_line *l)
{
    struct json_object *o = json_object_new_object();

    put_string(o, "command", l->found.text);
    json_object_object_add(o, "status", json_object_new_int(l->status));
    return o;
}

void xf_doctor_print_json(const struct xf_doctor *d, FILE *to)
{
    struct json_object *o = json_object_new_object(), *checks = json_object_new_array(),
                       *ran = json_object_new_array();

    json_object_object_add(o, "ok", json_object_new_boolean(!xf_doctor_count(d, XF_FINDING_FAIL)));
    put_string(o, "source", d->source);
    put_string(o, "target", d->host);
    json_object_object_add(o, "failed",
                           json_object_new_int((int)xf_doctor_count(d, XF_FINDING_FAIL)));
    json_object_object_add(o, "notes",
                           json_object_new_int((int)xf_doctor_count(d, XF_FINDING_NOTE)));
    for (unsigned i = 0; i < d->lines_n; i++) {
        if (d->lines[i].ran) {
            json_object_array_add(ran, ran_object(&d->lines[i]));
            continue;
        }
        json_object_array_add(checks, check_object(&d->lines[i], ran));
        ran = json_object_new_array();
    }
    json_object_put(ran);
    json_object_object_add(o, "checks", checks);
    fprintf(to, "%s\n",
            json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}
