/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast bench plot: what `xl-fast bench link --json` has found, as an SVG: two bars for each
 * combination, in the order of their first lines, each the median of its runs. The lines may be
 * anybody's.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "bench_commands.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/screen/plot.h"

#define BARS_MAX   256u
#define RUNS_MAX   100u
#define LINE_BYTES 65536

/* Of the drawing. */
#define WIDTH 760.0
#define LEFT  330.0
#define RIGHT 690.0
#define TOP   40.0
#define ROW   34.0
#define THICK 12.0

const struct xf_command xf_bench_plot_command = {
    .name = "bench plot",
    .summary = "what bench link --json has found, as a picture",
    .operands = "FILE.jsonl FILE.svg",
    .about =
        "Plots lines of xl-fast bench link --json: for each combination the median rates of its\n"
        "runs. The picture is one file, light or dark as its reader prefers.\n",
    .done = "written",
    .run = xf_bench_plot,
};

enum { MEMORY, WIRE, RATES };

static const char *const keys[RATES] = {"memory_bps", "wire_bps"};

struct bar {
    char label[160];
    double rates[RATES][RUNS_MAX]; /* Gbit/s */
    unsigned runs;
};

struct bars {
    struct bar all[BARS_MAX];
    unsigned n;
};

/* ---- the lines ------------------------------------------------------------------------------ */

static const char *text_of(struct json_object *line, const char *key, const char *otherwise)
{
    struct json_object *value = json_object_object_get(line, key);

    return value ? json_object_get_string(value) : otherwise;
}

static struct bar *bar_of(struct bars *bars, struct json_object *line)
{
    const char *host = text_of(line, "host", NULL), *sink = text_of(line, "sink", "memory");
    char label[sizeof(bars->all[0].label)];

    snprintf(label, sizeof(label), "%.40s%sMTU %.8s, queues %.8s, %.8s, %.16s%s", host ? host : "",
             host ? ": " : "", text_of(line, "mtu", "?"), text_of(line, "queues", "?"),
             text_of(line, "compress", "?"), text_of(line, "fill", "?"),
             strcmp(sink, "null") ? "" : ", null sink");
    for (unsigned i = 0; i < bars->n; i++)
        if (!strcmp(bars->all[i].label, label))
            return &bars->all[i];
    if (bars->n == BARS_MAX)
        return NULL;
    strcpy(bars->all[bars->n].label, label);
    return &bars->all[bars->n++];
}

/* A run that failed has no rates, and is passed over. NULL, or what is wrong. */
static const char *take(struct bars *bars, struct json_object *line)
{
    struct json_object *ok, *rate[RATES];
    struct bar *bar;

    if (!json_object_is_type(line, json_type_object) || !json_object_object_get_ex(line, "ok", &ok))
        return "not a line of xl-fast bench link --json";
    if (!json_object_get_boolean(ok))
        return NULL;
    for (unsigned i = 0; i < RATES; i++) {
        if (!json_object_object_get_ex(line, keys[i], &rate[i]) ||
            !isfinite(json_object_get_double(rate[i])) || json_object_get_double(rate[i]) < 0)
            return "a rate is missing";
    }
    bar = bar_of(bars, line);
    if (!bar)
        return "more combinations than fit a picture";
    if (bar->runs == RUNS_MAX)
        return "more runs of a combination than can be";
    for (unsigned i = 0; i < RATES; i++)
        bar->rates[i][bar->runs] = json_object_get_double(rate[i]) / 1e9;
    bar->runs++;
    return NULL;
}

static int read_lines(struct bars *bars, FILE *from, const char *name)
{
    char *line = malloc(LINE_BYTES);
    const char *wrong = line ? NULL : strerror(ENOMEM);
    unsigned number = 0;

    while (!wrong && fgets(line, LINE_BYTES, from)) {
        struct json_object *j = json_tokener_parse(line);

        number++;
        wrong = take(bars, j);
        json_object_put(j);
    }
    free(line);
    if (wrong)
        fprintf(stderr, "xl-fast bench plot: %s: line %u: %s\n", name, number, wrong);
    else if (!bars->n)
        fprintf(stderr, "xl-fast bench plot: %s: there is no run with figures in it\n", name);
    return wrong || !bars->n ? -EINVAL : 0;
}

/* ---- the picture ---------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median of each rate of each bar comes first; the largest of all is returned. */
static double settle(struct bars *bars)
{
    double max = 0;

    for (unsigned b = 0; b < bars->n; b++)
        for (unsigned i = 0; i < RATES; i++) {
            double *values = bars->all[b].rates[i];

            qsort(values, bars->all[b].runs, sizeof(*values), by_value);
            values[0] = values[bars->all[b].runs / 2];
            max = fmax(max, values[0]);
        }
    return max > 0 ? max : 1;
}

static void write_bar(const struct bar *bar, double top, double scale, FILE *to)
{
    static const char *const classes[RATES] = {"memory", "wire"};

    fprintf(to, "<text x=\"%g\" y=\"%g\" text-anchor=\"end\">", LEFT - 8, top + THICK + 4);
    xf_plot_put_text(bar->label, to);
    fputs("</text>", to);
    for (unsigned i = 0; i < RATES; i++) {
        double width = bar->rates[i][0] * scale, y = top + i * (THICK + 1);

        fprintf(to,
                "<rect class=\"%s\" x=\"%g\" y=\"%g\" width=\"%.1f\" height=\"%g\"/>"
                "<text x=\"%.1f\" y=\"%g\">%.2f</text>\n",
                classes[i], LEFT, y, width, THICK, LEFT + width + 5, y + THICK - 1,
                bar->rates[i][0]);
    }
}

static void write_svg(const struct bars *bars, double max, FILE *to)
{
    double step = xf_plot_step(max, 5), bottom = TOP + ROW * bars->n,
           scale = (RIGHT - LEFT) / (ceil(max / step - 1e-9) * step);

    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" role=\"img\" "
            "aria-label=\"Rates of a migration's transport\">\n<style>\n%s"
            "svg { background: var(--back); } .memory { fill: var(--line); }\n"
            ".wire { fill: var(--mark); }\n</style>\n",
            WIDTH, bottom + 30, xf_plot_style);
    fprintf(to,
            "<rect class=\"memory\" x=\"%g\" y=\"10\" width=\"%g\" height=\"%g\"/>"
            "<text x=\"%g\" y=\"21\">Gbit/s of memory</text>"
            "<rect class=\"wire\" x=\"%g\" y=\"10\" width=\"%g\" height=\"%g\"/>"
            "<text x=\"%g\" y=\"21\">Gbit/s on the wire</text>\n",
            LEFT, THICK, THICK, LEFT + 18, LEFT + 160, THICK, THICK, LEFT + 178);
    for (unsigned i = 0; LEFT + i * step * scale <= RIGHT + 0.5; i++)
        fprintf(to,
                "<path class=\"grid\" d=\"M%.1f %gV%g\"/>"
                "<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%g</text>\n",
                LEFT + i * step * scale, TOP - 6, bottom, LEFT + i * step * scale, bottom + 18,
                i * step);
    for (unsigned i = 0; i < bars->n; i++)
        write_bar(&bars->all[i], TOP + ROW * i, scale, to);
    fputs("</svg>\n", to);
}

static int plot(struct bars *bars, const char *lines, const char *picture)
{
    FILE *from = fopen(lines, "re"), *to;

    if (!from) {
        fprintf(stderr, "xl-fast bench plot: %s: %s\n", lines, strerror(errno));
        return XF_EXIT_FAILED;
    }
    int rc = read_lines(bars, from, lines);

    fclose(from);
    if (rc)
        return XF_EXIT_FAILED;
    to = fopen(picture, "we");
    if (to)
        write_svg(bars, settle(bars), to);
    if (!to || ferror(to) || fclose(to)) {
        fprintf(stderr, "xl-fast bench plot: %s: %s\n", picture, strerror(errno));
        return XF_EXIT_FAILED;
    }
    return XF_EXIT_OK;
}

int xf_bench_plot(int argc, char **argv)
{
    struct xf_operands operands;
    int status = xf_options_parse(&xf_bench_plot_command, NULL, argc, argv, &operands);

    if (status != XF_GO_ON)
        return status;
    struct bars *bars = calloc(1, sizeof(*bars));

    if (!bars) {
        fprintf(stderr, "xl-fast bench plot: %s\n", strerror(ENOMEM));
        return XF_EXIT_FAILED;
    }
    status = plot(bars, operands.words[0], operands.words[1]);

    free(bars);
    return status;
}
