/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Live: formats the progress line, estimates the time that is left, and rewrites the terminal's
 * line.
 */
#include "live.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "transport/guest.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/cli/quote.h"

#define ETA_MAX_US (UINT64_C(86400) * 1000000) /* beyond it the guess is no use */
#define ETA_MIN_US UINT64_C(500000)            /* of a round, before its speed says anything */

/* ---- figures ------------------------------------------------------------------------------ */

const char *xf_live_time(char *to, size_t size, uint64_t us)
{
    uint64_t s = (us + 500000) / 1000000;

    if (us < 1000)
        snprintf(to, size, "%" PRIu64 " us", us);
    else if (us < 999500)
        snprintf(to, size, us < 10000 ? "%.1f ms" : "%.0f ms", (double)us / 1e3);
    else if (us < 60000000)
        snprintf(to, size, us < 10000000 ? "%.1f s" : "%.0f s", (double)us / 1e6);
    else if (s < 3600)
        snprintf(to, size, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    else
        snprintf(to, size, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
    return to;
}

const char *xf_live_plain(char *to, size_t size, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t n = 0;

    while (*at && n + 1 < size) {
        bool c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0; /* control, in UTF-8 */
        unsigned bytes = xf_quote_utf8((const char *)at);

        if (n + (bytes ? bytes : 1) >= size)
            break;
        if (bytes)
            memcpy(to + n, at, bytes);
        else
            to[n] = '?';
        n += bytes ? bytes : 1;
        at += bytes ? bytes : c1 ? 2 : 1;
    }
    to[n] = 0;
    return to;
}

double xf_live_percent(const struct xf_live_now *now)
{
    uint64_t total = now->pages_total > now->pages ? now->pages_total : now->pages;

    if (!now->round || !now->done_known || !total || now->pages_done > now->pages)
        return -1;
    return 100.0 * (double)(total - now->pages + now->pages_done) / (double)total;
}

/*
 * Each round has to carry what the guest wrote during the one before: a geometric series, whose sum
 * is what is left over the speed that remains when the guest's is taken off.
 */
uint64_t xf_live_eta_us(const struct xf_live_now *now)
{
    double left, speed;

    if (!now->round || !now->done_known || !now->pages_done || now->pages_done > now->pages ||
        now->round_us < ETA_MIN_US)
        return 0;
    left = (double)(now->pages - now->pages_done);
    speed = (double)now->pages_done / (double)now->round_us;
    if (now->dirty_us && strcmp(now->phase, "final"))
        speed -= (double)now->dirty_pages / (double)now->dirty_us;
    if (speed <= 0 || left / speed >= (double)ETA_MAX_US)
        return 0;
    return (uint64_t)(left / speed) +
           (now->predicted_us ? now->predicted_us : now->predicted_copy_us);
}

/* ---- the line ----------------------------------------------------------------------------- */

static const char *phase_words(const char *phase)
{
    static const char *const words[][2] = {
        {"connect", "connecting"},
        {"ready", "target prepares"},
        {"final", "suspended"},
        {"verify", "verifying"},
        {"handover", "starts there"},
        {"reachable", "runs there; waits for its first frame (Ctrl-C: no more)"},
    };

    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcmp(phase, words[i][0]))
            return words[i][1];
    return phase;
}

struct draft {
    char *to;
    size_t len, width;
    bool full;
};

/* A part goes in whole or not at all, and after one that did not nothing does: no gaps. */
__attribute__((format(printf, 2, 3))) static void add(struct draft *d, const char *format, ...)
{
    char part[64];
    const char *gap = d->len ? "  " : "";
    va_list args;

    va_start(args, format);
    int n = vsnprintf(part, sizeof(part), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(part) || d->full)
        return;
    if (d->len + strlen(gap) + (size_t)n > d->width) {
        d->full = true;
        return;
    }
    d->len += (size_t)sprintf(d->to + d->len, "%s%s", gap, part);
}

static void add_rest(struct draft *d, const struct xf_live_now *now)
{
    char text[40];
    uint64_t eta_us = xf_live_eta_us(now);

    if (now->dirty_us)
        add(d, "dirty %s/s",
            xf_number_show_size(text, sizeof(text),
                                (uint64_t)((double)now->dirty_pages * XF_PAGE_BYTES * 1e6 /
                                           (double)now->dirty_us)));
    if (now->predicted_us && !strcmp(now->phase, "live"))
        add(d, "downtime %s", xf_live_time(text, sizeof(text), now->predicted_us));
    else if (now->predicted_copy_us && !strcmp(now->phase, "live"))
        add(d, "last round %s", xf_live_time(text, sizeof(text), now->predicted_copy_us));
    if (eta_us)
        add(d, "ETA %s", xf_live_time(text, sizeof(text), eta_us));
    if (now->round && now->done_known && now->pages)
        add(d, "%" PRIu64 " of %" PRIu64 " pages", now->pages_done, now->pages);
    if (now->round && now->bytes)
        add(d, "%s sent", xf_number_show_size(text, sizeof(text), now->bytes));
    if (now->round && now->round_us)
        add(d, "round takes %s", xf_live_time(text, sizeof(text), now->round_us));
}

size_t xf_live_line(char to[XF_LIVE_BYTES], unsigned width, const struct xf_live_now *now)
{
    struct draft d = {.to = to, .width = width < XF_LIVE_BYTES - 1 ? width : XF_LIVE_BYTES - 1};
    double percent = xf_live_percent(now);
    size_t phase;

    to[0] = 0;
    add(&d, "%s", phase_words(now->phase));
    phase = d.len;
    if (now->round)
        add(&d, "round %" PRIu64, now->round);
    if (percent >= 0)
        add(&d, "%.0f %%", percent < 99 ? percent : percent < 100 ? 99.0 : 100.0);
    if (now->bps)
        add(&d, "%.2f Gbit/s", (double)now->bps / 1e9);
    add_rest(&d, now);
    return phase;
}

static void clear(struct xf_live *l)
{
    if (l->drawn)
        fputs("\r\033[K", stderr);
    l->drawn = false;
}

static unsigned columns(void)
{
    struct winsize size = {0};
    const char *text = getenv("COLUMNS");

    if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col)
        return size.ws_col;
    return text && atoi(text) > 0 ? (unsigned)atoi(text) : 80;
}

/* The last column stays free: some terminals go on to the next line when it is written. */
static void rewrite(struct xf_live *l, const struct xf_live_now *now)
{
    static const char cancelling[] = "cancelling: ";
    char text[XF_LIVE_BYTES];
    unsigned width = columns() - 1, used = 0;

    putc('\r', stderr);
    if (l->cancelling && width > sizeof(cancelling)) {
        used = sizeof(cancelling) - 1;
        fputs(cancelling, stderr);
    }
    size_t phase = xf_live_line(text, width - used, now);
    fprintf(stderr, l->colour ? "\033[1m%.*s\033[m%s\033[K" : "%.*s%s\033[K", (int)phase, text,
            text + phase);
    fflush(stderr);
    l->drawn = true;
}

/* Whether it is a round of pages, and worth a line. */
static bool has_round(const struct xf_live_now *now)
{
    return now->round && (now->pages_done || now->round_us) &&
           (!strcmp(now->phase, "live") || !strcmp(now->phase, "final"));
}

static void print_round(const struct xf_live_now *round)
{
    struct xf_live_now now = *round;
    char text[XF_LIVE_BYTES];

    now.bps = now.round_bps;
    xf_live_line(text, 200, &now);
    fprintf(stderr, "%s\n", text);
}

/* ---- for callers -------------------------------------------------------------------------- */

void xf_live_init(struct xf_live *l)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

    memset(l, 0, sizeof(*l));
    l->rewrites = isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
    l->colour = l->rewrites && !(no_color && *no_color);
}

void xf_live_show(struct xf_live *l, const struct xf_live_now *now)
{
    bool news = now->round != l->last.round || strcmp(now->phase, l->last.phase) != 0;

    /* Without a terminal a line is printed when its round is over, so that it is complete. */
    if (l->rewrites)
        rewrite(l, now);
    else if (news && has_round(&l->last))
        print_round(&l->last);
    l->last = *now;
}

void xf_live_note(struct xf_live *l, const char *text)
{
    clear(l);
    fprintf(stderr, "%s\n", text);
    if (l->rewrites && l->last.phase[0])
        rewrite(l, &l->last);
}

void xf_live_end(struct xf_live *l)
{
    if (l->rewrites)
        clear(l);
    else if (has_round(&l->last))
        print_round(&l->last);
    l->last = (struct xf_live_now){0};
}
