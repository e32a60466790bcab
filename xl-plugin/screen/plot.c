/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plot: colours, axes, marks and one line. */
#include "plot.h"

#include <math.h>

/* Of the drawing; the page scales it. Letters of 13 are still read at a phone's width. */
#define WIDTH  480.0
#define HEIGHT 220.0
#define LEFT   46.0
#define RIGHT  470.0
#define TOP    34.0
#define BOTTOM 196.0

/* Nearer to the one before, a mark has no number, or is not drawn. */
#define MARK_LABELS_APART 16.0
#define MARKS_APART       3.0

/* One hue for data, one for what is bad; a part of the downtime is told by its place and name too.
 */
const char xf_plot_style[] =
    ":root { --back: #fff; --card: #f6f7f9; --text: #1b1f24; --soft: #59636e; --rule: #d5dae0;\n"
    "  --line: #0b63b8; --mark: #8a939d; --band: #f4d9b0; --good: #17693a; --bad: #b3261e;\n"
    "  --p0: #0b63b8; --p1: #c96a00; --p2: #7a4fb0; --p3: #5f6b76;\n"
    "  --p4: #0f7d70; --p5: #a8377d; }\n"
    "@media (prefers-color-scheme: dark) { :root { --back: #14171b; --card: #1d2126;\n"
    "  --text: #e6e9ed; --soft: #9aa5b1; --rule: #39414a; --line: #6cb2ff; --mark: #78838f;\n"
    "  --band: #54401f; --good: #63c98b; --bad: #ff8a80; --p0: #6cb2ff; --p1: #f0a04b;\n"
    "  --p2: #b795e8; --p3: #98a4b0; --p4: #4fc3b3; --p5: #f08cc4; } }\n"
    "svg text { font: 13px system-ui, sans-serif; fill: var(--soft); }\n"
    "svg path { fill: none; } .grid { stroke: var(--rule); } .axis { stroke: var(--soft); }\n"
    ".line { stroke: var(--line); stroke-width: 2; stroke-linejoin: round; }\n"
    ".mark { stroke: var(--mark); stroke-dasharray: 3 4; } .band { fill: var(--band); }\n";

void xf_plot_put_text(const char *text, FILE *to)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", to);
            break;
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        case '\'':
            fputs("&#39;", to);
            break;
        default:
            fputc((unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text, to);
        }
    }
}

double xf_plot_step(double max, unsigned n)
{
    double least = max / n, power = pow(10, floor(log10(least)));

    /* A little less than the step is the step: 0.3 / 3 is not 0.1. */
    for (unsigned i = 0; i < 3; i++) {
        static const double factors[] = {1, 2, 5};

        if (factors[i] * power >= least * (1 - 1e-9))
            return factors[i] * power;
    }
    return 10 * power;
}

static double x_of(const struct xf_plot *p, double x)
{
    return LEFT + (RIGHT - LEFT) * fmin(fmax(x / p->x_max, 0), 1);
}

static double y_of(double y, double y_top)
{
    return BOTTOM - (BOTTOM - TOP) * fmin(fmax(y / y_top, 0), 1);
}

static void write_axes(const struct xf_plot *p, double y_step, double y_top, FILE *to)
{
    double x_step = xf_plot_step(p->x_max, 5);

    for (unsigned i = 0; i * y_step <= y_top * (1 + 1e-9); i++) {
        double y = y_of(i * y_step, y_top);

        fprintf(to, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/>", LEFT, y, RIGHT);
        fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", LEFT - 6, y + 4,
                i * y_step);
    }
    for (unsigned i = 0; i * x_step <= p->x_max * (1 + 1e-9); i++) {
        double x = x_of(p, i * x_step);

        fprintf(to, "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>", x, BOTTOM);
        fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g</text>\n", x,
                BOTTOM + 18, i * x_step);
    }
    fprintf(to, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", LEFT, BOTTOM, RIGHT);
    fprintf(to, "<text x=\"4\" y=\"14\">%s</text>", p->y_unit);
    fprintf(to, "<text x=\"4\" y=\"%.1f\">%s</text>\n", BOTTOM + 18, p->x_unit);
}

static void write_marks(const struct xf_plot *p, FILE *to)
{
    double labelled = -1e9, drawn = -1e9;

    for (size_t i = 0; i < p->marks_n; i++) {
        double x = x_of(p, p->marks[i]);

        if (x - drawn < MARKS_APART)
            continue;
        drawn = x;
        fprintf(to, "<path class=\"mark\" d=\"M%.1f %.1fV%.1f\"/>", x, TOP, BOTTOM);
        if (x - labelled < MARK_LABELS_APART)
            continue;
        labelled = x;
        fprintf(to,
                "<text class=\"marklabel\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%zu</text>",
                x, TOP - 6, i + 1);
    }
    fputc('\n', to);
}

static void write_line(const struct xf_plot *p, double y_top, FILE *to)
{
    fputs("<path class=\"line\" d=\"", to);
    for (size_t i = 0; i < p->points_n; i++) {
        double x = x_of(p, p->points[i].x), y = y_of(p->points[i].y, y_top);

        if (!i)
            fprintf(to, "M%.1f %.1f", x, y);
        else if (p->steps)
            fprintf(to, "V%.1fH%.1f", y, x);
        else
            fprintf(to, "L%.1f %.1f", x, y);
    }
    fputs("\"/>\n", to);
}

void xf_plot_write(const struct xf_plot *p, FILE *to)
{
    double y_step = xf_plot_step(p->y_max, 4), y_top = ceil(p->y_max / y_step - 1e-9) * y_step;
    double from = x_of(p, p->band_from), width = x_of(p, p->band_to) - from;

    fprintf(to, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">\n", WIDTH, HEIGHT,
            p->title);
    if (p->band_to > p->band_from)
        fprintf(to, "<rect class=\"band\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                from, TOP, fmax(width, 2), BOTTOM - TOP);
    write_axes(p, y_step, y_top, to);
    write_marks(p, to);
    write_line(p, y_top, to);
    fputs("</svg>\n", to);
}
