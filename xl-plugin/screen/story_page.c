/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Story, page: HTML and SVG, no scripts, nothing from elsewhere; what came from events is escaped.
 */
#include "story.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transport/guest.h"
#include "xl-plugin/cli/number.h"
#include "plot.h"

/* More steps of the rate would be noise; a plot is about so many points wide. */
#define STEPS_MAX  150u
#define POINTS_MAX 400u

static const char head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n";

static const char style[] =
    "* { box-sizing: border-box; }\n"
    "body { margin: 0 auto; padding: 1rem; max-width: 66rem; background: var(--back);\n"
    "  color: var(--text); font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }\n"
    "h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }\n"
    "h2 { font-size: 1rem; margin: 0 0 .5rem; }\n"
    "p { margin: .25rem 0; } .soft { color: var(--soft); }\n"
    ".good, .bad { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }\n"
    ".facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr));\n"
    "  gap: .5rem; margin: 1rem 0; }\n"
    ".facts div, section { background: var(--card); border-radius: .4rem; padding: .6rem .75rem; "
    "}\n"
    ".facts dt { color: var(--soft); font-size: .8rem; } .facts dd { margin: 0; font-size: "
    "1.15rem; }\n"
    ".cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), "
    "1fr));\n"
    "  gap: .75rem; align-items: start; }\n"
    ".wide { grid-column: 1 / -1; }\n"
    "svg { display: block; width: 100%; height: auto; }\n"
    ".p0 { --part: var(--p0); } .p1 { --part: var(--p1); } .p2 { --part: var(--p2); }\n"
    ".p3 { --part: var(--p3); } .p4 { --part: var(--p4); } .p5 { --part: var(--p5); }\n"
    "rect[class^=p] { fill: var(--part); }\n"
    "ul { list-style: none; margin: .5rem 0 0; padding: 0; }\n"
    "li::before { content: \"\"; display: inline-block; width: .75em; height: .75em;\n"
    "  margin-right: .5em; border-radius: 2px; background: var(--part); }\n"
    "table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }\n"
    "th, td { padding: .25rem .3rem; text-align: right; border-top: 1px solid var(--rule); }\n"
    "th { font-weight: 500; color: var(--soft); font-size: .85rem; border: 0;\n"
    "  vertical-align: bottom; overflow-wrap: normal; }\n"
    ".names td { text-align: left; overflow-wrap: normal; } .names td:last-child { text-align: "
    "right; }\n"
    "@media (max-width: 34rem) { body { padding: .6rem; } table { font-size: .85rem; }\n"
    "  th { font-size: .75rem; } th, td { padding: .25rem .15rem; } .zero { display: none; } }\n"
    "@media (min-width: 48rem) { .facts { grid-template-columns: repeat(4, 1fr); } }\n"
    "</style>\n";

/* Text of others: neither markup nor what turns the direction of what follows. */
static void put_text(const char *text, FILE *to)
{
    fputs("<bdi>", to);
    xf_plot_put_text(text, to);
    fputs("</bdi>", to);
}

static const char *show_pages(char out[32], uint64_t pages)
{
    return xf_number_show_size(out, 32, pages * XF_PAGE_BYTES);
}

/* 9 us, 0.31 ms, 12.4 ms, 3.52 s, 12 min 5 s */
static const char *show_time(char out[32], uint64_t us)
{
    double ms = (double)us / 1e3;

    if (us < 100)
        snprintf(out, 32, "%" PRIu64 " \u00b5s", us);
    else if (us < 1000000)
        snprintf(out, 32, ms < 10 ? "%.2f ms" : ms < 100 ? "%.1f ms" : "%.0f ms", ms);
    else if (us < 600000000)
        snprintf(out, 32, us < 10000000 ? "%.2f s" : "%.1f s", (double)us / 1e6);
    else
        snprintf(out, 32, "%" PRIu64 " min %" PRIu64 " s", us / 60000000, us / 1000000 % 60);
    return out;
}

static const char *show_rate(char out[32], double bps)
{
    if (bps >= 1e9)
        snprintf(out, 32, "%.2f Gbit/s", bps / 1e9);
    else
        snprintf(out, 32, bps >= 1e7 ? "%.0f Mbit/s" : "%.2f Mbit/s", bps / 1e6);
    return out;
}

/* ---- head --------------------------------------------------------------------------------- */

static void put_title(const struct xf_story *s, FILE *to)
{
    if (s->guest[0])
        put_text(s->guest, to);
    else
        fputs("A guest", to);
    if (s->host[0]) {
        fputs(" to ", to);
        put_text(s->host, to);
    }
}

static void put_outcome(const struct xf_story *s, FILE *to)
{
    if (s->failed) {
        fputs("<p class=\"bad\">Failed", to);
        if (s->error[0]) {
            fputs(": ", to);
            put_text(s->error, to);
        }
    } else if (!s->done) {
        fputs("<p class=\"bad\">Not over: the events end in the middle", to);
    } else if (s->have_status && s->status) {
        fprintf(to, "<p class=\"bad\">The memory has moved, but the migration ended with status %d",
                s->status);
    } else {
        fprintf(to, "<p class=\"good\">Moved%s",
                s->have_verified && s->verified ? ", and both ends&#39; memory is the same" : "");
    }
    fputs("</p>\n", to);
}

static void put_when(const struct xf_story *s, FILE *to)
{
    time_t seconds = (time_t)(s->time_us / 1000000);
    char when[40] = "";
    struct tm tm;

    if (s->time_us && gmtime_r(&seconds, &tm))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
    fprintf(to, "<p class=\"soft\">%s%s%s</p>\n",
            !strcmp(s->program, "demo") ? "xl-fast demo" : "xl migrate --fast", when[0] ? ", " : "",
            when);
    if (s->dropped)
        fprintf(to,
                "<p class=\"soft\">%" PRIu64 " events are missing: nobody read them in time.</p>\n",
                s->dropped);
}

static void put_fact(const char *name, const char *value, FILE *to)
{
    fprintf(to, "<div><dt>%s</dt><dd>%s</dd></div>\n", name, value);
}

static void put_facts(const struct xf_story *s, FILE *to)
{
    const struct xf_stats *t = &s->totals;
    char text[40], reachable[XF_REACHABLE_BYTES];

    fputs("<dl class=\"facts\">\n", to);
    if (t->pages_total)
        put_fact("Memory", show_pages(text, t->pages_total), to);
    if (s->downtime.whole)
        put_fact("Downtime", show_time(text, s->downtime.us), to);
    if (s->reachable.n)
        put_fact("Reachable", xf_reachable_show(reachable, &s->reachable), to);
    if (s->total_us)
        put_fact("Total", show_time(text, s->total_us), to);
    if (s->memory_us)
        put_fact("Memory moving", show_time(text, s->memory_us), to);
    if (s->payload_bps)
        put_fact("Pages with content", show_rate(text, (double)s->payload_bps), to);
    put_fact("Sent over the port", xf_number_show_size(text, sizeof(text), t->bytes_wire), to);
    if (t->limit_bytes_per_s)
        put_fact("Limit on the wire", show_rate(text, (double)t->limit_bytes_per_s * 8), to);
    if (t->path_bytes_per_s)
        put_fact("The path carries", show_rate(text, (double)t->path_bytes_per_s * 8), to);
    if (t->rtt_us)
        put_fact("Shortest round trip", show_time(text, t->rtt_us), to);
    fputs("</dl>\n", to);
    if (s->limited_by[0]) {
        fputs("<p>Limited by ", to);
        put_text(s->limited_by, to);
        fputs(".</p>\n", to);
    }
}

/* ---- plots -------------------------------------------------------------------------------- */

struct span {
    uint64_t from_us, to_us;
    double unit_us; /* of the x axis */
    const char *unit;
};

/* From the first round to the end, or to the last that is known. */
static struct span span_of(const struct xf_story *s)
{
    struct span x = {.from_us = s->rounds_n ? s->rounds[0].begin_us : 0, .to_us = s->end_us};

    if (s->done && s->memory_us)
        x.to_us = x.from_us + s->memory_us;
    if (s->remaining.n && s->remaining.at[s->remaining.n - 1].t_us > x.to_us)
        x.to_us = s->remaining.at[s->remaining.n - 1].t_us;
    if (x.to_us <= x.from_us)
        x.to_us = x.from_us + 1;
    x.unit_us = x.to_us - x.from_us < 2000000 ? 1e3 : 1e6;
    x.unit = x.unit_us < 1e6 ? "ms" : "s";
    return x;
}

static double x_of(const struct span *x, uint64_t t_us)
{
    return t_us > x->from_us ? (double)(t_us - x->from_us) / x->unit_us : 0;
}

/* Each step is the mean rate since the one before; steps too short to tell are taken together. */
static size_t rate_points(const struct xf_story *s, const struct span *x, double unit_bps,
                          struct xf_plot_point *points)
{
    uint64_t least_us = (x->to_us - x->from_us) / STEPS_MAX;
    const struct xf_sample *last = NULL;
    size_t n = 0;

    if (least_us < 10000)
        least_us = 10000;
    for (size_t i = 0; i < s->bytes.n; i++) {
        const struct xf_sample *b = &s->bytes.at[i];

        if (b->t_us < x->from_us || !last || b->t_us <= x->from_us) {
            last = b;
            continue;
        }
        /* What was counted before the first round belongs to it: next to nothing was sent then. */
        uint64_t from_us = last->t_us > x->from_us ? last->t_us : x->from_us;
        if (b->t_us - from_us < least_us || b->value < last->value)
            continue;
        double bps = (double)(b->value - last->value) * 8e6 / (double)(b->t_us - from_us);
        if (!n)
            points[n++] = (struct xf_plot_point){x_of(x, from_us), bps / unit_bps};
        points[n++] = (struct xf_plot_point){x_of(x, b->t_us), bps / unit_bps};
        last = b;
    }
    return n;
}

/* All but what is nearer to its neighbours than can be seen; rounds' ends and begins stay. */
static size_t remaining_points(const struct xf_story *s, const struct span *x, double unit_bytes,
                               struct xf_plot_point *points)
{
    uint64_t least_us = (x->to_us - x->from_us) / POINTS_MAX;
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < s->remaining.n; i++) {
        const struct xf_sample *r = &s->remaining.at[i];
        bool edge = !r->value || !i || r->value > s->remaining.at[i - 1].value;

        if (!edge && r->t_us - s->remaining.at[kept].t_us < least_us)
            continue;
        kept = i;
        points[n++] = (struct xf_plot_point){x_of(x, r->t_us),
                                             (double)r->value * (double)XF_PAGE_BYTES / unit_bytes};
    }
    return n;
}

static double highest(const struct xf_plot_point *points, size_t n)
{
    double max = 0;

    for (size_t i = 0; i < n; i++)
        max = fmax(max, points[i].y);
    return max;
}

static void put_plot(struct xf_plot *p, const char *heading, FILE *to)
{
    fprintf(to, "<section>\n<h2>%s</h2>\n", heading);
    p->y_max = highest(p->points, p->points_n);
    if (p->y_max > 0)
        xf_plot_write(p, to);
    else
        fputs("<p class=\"soft\">Too short to tell.</p>\n", to);
    fputs("</section>\n", to);
}

static void put_plots(const struct xf_story *s, FILE *to)
{
    struct span x = span_of(s);
    size_t cap = s->bytes.n + s->remaining.n + 2;
    struct xf_plot_point *points = calloc(cap, sizeof(*points));
    double *marks = calloc(s->rounds_n + 1, sizeof(*marks));
    struct xf_plot p = {.x_unit = x.unit, .x_max = x_of(&x, x.to_us), .marks = marks};

    if (!points || !marks)
        goto out;
    for (size_t i = 0; i < s->rounds_n; i++)
        marks[i] = x_of(&x, s->rounds[i].begin_us);
    p.marks_n = s->rounds_n;
    if (s->suspend_us) {
        p.band_from = x_of(&x, s->suspend_us);
        p.band_to = p.x_max;
    }
    p.points = points;

    p.points_n = rate_points(s, &x, 1, points);
    double unit = highest(points, p.points_n) >= 1e9 ? 1e9 : 1e6;
    p.points_n = rate_points(s, &x, unit, points);
    p.title = "Rate over time";
    p.y_unit = unit < 1e9 ? "Mbit/s" : "Gbit/s";
    p.steps = true;
    put_plot(&p, "Rate on the wire", to);

    p.points_n = remaining_points(s, &x, 1, points);
    double bytes = highest(points, p.points_n);
    unit = bytes >= 1 << 30 ? 1 << 30 : bytes >= 1 << 20 ? 1 << 20 : 1 << 10;
    p.points_n = remaining_points(s, &x, unit, points);
    p.title = "Memory still to send over time";
    p.y_unit = bytes >= 1 << 30 ? "GiB" : bytes >= 1 << 20 ? "MiB" : "KiB";
    p.steps = false;
    put_plot(&p, "Dirty memory still to send", to);
out:
    free(points);
    free(marks);
}

/* ---- downtime ----------------------------------------------------------------------------- */

static void put_downtime(const struct xf_story *s, FILE *to)
{
    static const char *const names[XF_DOWNTIME_PARTS] = {
        "Freeze: suspending the guest",      "Copy: the last round",
        "Verify: comparing both ends",       "Context: the guest&#39;s state is sent",
        "Devices: the target attaches them", "Go: the target starts the guest"};
    const struct xf_downtime *d = &s->downtime;
    uint64_t sum = xf_downtime_sum_us(d);
    double x = 0;
    char text[32];

    fputs("<section class=\"wide\">\n<h2>Downtime</h2>\n", to);
    if (!sum) {
        fprintf(to, "<p class=\"soft\">%s</p>\n</section>\n",
                s->suspend_us ? "The guest was suspended, but its last round did not end."
                              : "The guest was not suspended.");
        return;
    }
    fprintf(to, "<p>%s%s", d->whole ? "" : "At least ", show_time(text, d->whole ? d->us : sum));
    if (s->predicted_us)
        fprintf(to, "; predicted were %s", show_time(text, s->predicted_us));
    else if (s->predicted_copy_us)
        fprintf(to, "; the last round was predicted to take %s",
                show_time(text, s->predicted_copy_us));
    fputs("</p>\n<svg viewBox=\"0 0 960 28\" preserveAspectRatio=\"none\" style=\"height:1.75rem\" "
          "role=\"img\" aria-label=\"Parts of the downtime\">\n",
          to);
    for (unsigned i = 0; i < XF_DOWNTIME_PARTS; i++) {
        double width = 960.0 * (double)d->part_us[i] / (double)sum;

        if (d->part_us[i])
            fprintf(to, "<rect class=\"p%u\" x=\"%.2f\" width=\"%.2f\" height=\"28\"/>\n", i, x,
                    width);
        x += width;
    }
    fputs("</svg>\n<ul>\n", to);
    for (unsigned i = 0; i < XF_DOWNTIME_PARTS; i++)
        if (d->have[i])
            fprintf(to, "<li class=\"p%u\">%s: %s</li>\n", i, names[i],
                    show_time(text, d->part_us[i]));
    fputs("</ul>\n</section>\n", to);
}

/* ---- tables ------------------------------------------------------------------------------- */

static void put_round(const struct xf_story_round *r, FILE *to)
{
    char text[32];

    fprintf(to, "<tr><td>%" PRIu64 "%s</td><td>%s</td>", r->round, r->suspended ? "*" : "",
            r->pages || r->over ? show_pages(text, r->pages) : "");
    fprintf(to, "<td class=\"zero\">%s</td>", r->have_zero ? show_pages(text, r->zero) : "");
    fprintf(to, "<td>%s</td>", r->have_zero ? show_pages(text, r->repaired) : "");
    fprintf(to, "<td>%s</td>", r->over ? show_time(text, r->duration_us) : "not over");
    if (r->duration_us)
        fprintf(to, "<td>%s</td>",
                show_rate(text, (double)(r->pages > r->zero ? r->pages - r->zero : 0) *
                                    (double)XF_PAGE_BYTES * 8e6 / (double)r->duration_us));
    else
        fputs("<td></td>", to);
    fprintf(to, "<td>%s</td>", r->have_dirty ? show_pages(text, r->dirty_pages) : "");
    if (r->have_dirty && r->duration_us)
        fprintf(to, "<td>%s/s</td></tr>\n",
                xf_number_show_size(text, sizeof(text),
                                    (uint64_t)((double)r->dirty_pages * (double)XF_PAGE_BYTES *
                                               1e6 / (double)r->duration_us)));
    else
        fputs("<td></td></tr>\n", to);
}

static void put_rounds(const struct xf_story *s, FILE *to)
{
    fputs("<section class=\"wide\">\n<h2>Rounds</h2>\n", to);
    if (!s->rounds_n) {
        fputs("<p class=\"soft\">None began.</p>\n</section>\n", to);
        return;
    }
    fputs("<table>\n<tr><th>Round</th><th>Sent</th><th class=\"zero\">Zero pages</th>"
          "<th>Repaired</th><th>Time</th><th>Content rate</th><th>Dirty after</th>"
          "<th>Dirty rate</th></tr>\n",
          to);
    for (size_t i = 0; i < s->rounds_n; i++)
        put_round(&s->rounds[i], to);
    fprintf(to, "</table>\n<p class=\"soft\">%s</p>\n</section>\n",
            s->rounds[s->rounds_n - 1].suspended ? "* with the guest suspended" : "");
}

static void put_repair(const struct xf_story *s, FILE *to)
{
    static const char *const meanings[XF_REJECT_COUNT] = {
#define MEANING(name, meaning) [XF_REJECT_##name] = meaning,
        XF_REJECTS(MEANING)
#undef MEANING
    };
    const struct xf_stats *t = &s->totals;
    bool any = false;

    fputs("<section class=\"wide\">\n<h2>Repairs and rejected packets</h2>\n", to);
    fprintf(to,
            "<p>%" PRIu64 " of %" PRIu64 " packets were found lost, and %" PRIu64 " of %" PRIu64
            " pages sent again for it.</p>\n",
            t->packets_lost, t->packets_sent, t->pages_repaired, t->pages_sent);
    if (t->pages_deferred)
        fprintf(to,
                "<p>%" PRIu64 " pages were deferred: the guest had given them back when they were "
                "due.</p>\n",
                t->pages_deferred);
    for (unsigned i = 0; i < XF_REJECT_COUNT; i++) {
        if (!t->rejects[i])
            continue;
        fprintf(to, "%s<tr><td>%s: %s</td><td>%" PRIu64 "</td></tr>\n",
                any ? "" : "<table class=\"names\">\n", xf_reject_names[i], meanings[i],
                t->rejects[i]);
        any = true;
    }
    fputs(any ? "</table>\n</section>\n" : "<p>No packet was rejected.</p>\n</section>\n", to);
}

void xf_story_write_html(const struct xf_story *s, FILE *to)
{
    fputs(head, to);
    fputs("<title>xl-fast: migration report</title>\n", to);
    fprintf(to, "<style>\n%s%s", xf_plot_style, style);
    fputs("</head>\n<body>\n<header>\n<h1>", to);
    put_title(s, to);
    fputs("</h1>\n", to);
    put_outcome(s, to);
    put_when(s, to);
    fputs("</header>\n", to);
    if (s->done || s->failed)
        put_facts(s, to);
    fputs("<main class=\"cards\">\n", to);
    if (s->rounds_n)
        put_plots(s, to);
    put_downtime(s, to);
    put_rounds(s, to);
    if (s->done || s->failed)
        put_repair(s, to);
    fputs("</main>\n</body>\n</html>\n", to);
}
