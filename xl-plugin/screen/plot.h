/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plot: a line of values over time as an SVG for a page; and what all our pictures have in common.
 */
#ifndef XF_SCREEN_PLOT_H
#define XF_SCREEN_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* CSS of the page or SVG that the plot is in: colours, light and dark, and the classes of its
 * parts.
 */
extern const char xf_plot_style[];

/* Text of others, escaped. */
void xf_plot_put_text(const char *text, FILE *to);

/* An x and a y, in the plot's units. */
struct xf_plot_point {
    double x, y;
};

struct xf_plot {
    const char *title;           /* plain text of ours, read to who cannot see the plot */
    const char *x_unit, *y_unit; /* shown at the axes' ends */
    double x_max, y_max;         /* both axes begin at 0 */
    const struct xf_plot_point *points;
    size_t points_n;
    bool steps;          /* a point's y holds from the point before to it */
    const double *marks; /* x of vertical lines, numbered from 1, in order */
    size_t marks_n;
    double band_from, band_to; /* shaded; none if empty */
};

/* 1, 2 or 5 times a power of ten, so that there are at most n steps to max; max > 0. */
double xf_plot_step(double max, unsigned n);

void xf_plot_write(const struct xf_plot *p, FILE *to);

#endif
