/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compress: a page by a codec, and whether that pays. */
#include "compress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/clock.h"

/* Of how many pages one is timed and counted. */
#define EVERY_ON      16u
#define EVERY_OFF     64u
#define EVERY_OFF_MAX 4096u
#define TIMED_BURSTS  16u
/* A sample's weight; and what a sample of time may be of the average at most, since a process that
   loses its CPU in the middle says nothing about the page. */
#define WEIGHT    0.125
#define OUTLIER   4.0
#define TIMED_MIN 16384u /* bytes, to judge by */
/* By how much it must be faster: to begin with it, and to go on. */
#define GAIN_BEGIN 1.1
#define GAIN_GO_ON 1.02
/* For how long the link waits before pages go raw, and for how long they do: as long as pace takes
   to send a quarter more a few times; and again as long as that finds anything. */
#define TRIAL_US       50000u
#define TRIAL_EVERY_US 1000000u
#define TRIAL_GROWTH   1.1

int xf_compress_init(struct xf_compress *c, enum xf_compress_mode mode, uint64_t features,
                     uint64_t (*clock_ns)(void))
{
    memset(c, 0, sizeof(*c));
    c->mode = mode;
    c->clock_ns = clock_ns ? clock_ns : xf_cpu_ns;
    c->every = EVERY_OFF;
    for (unsigned i = 0; i < XF_CODECS_N; i++) {
        const struct xf_codec *codec = &xf_codecs[i];

        if (!(features & codec->feature) || (mode != XF_COMPRESS_AUTO && mode != codec->mode))
            continue;
        struct xf_compress_way *w = &c->ways[c->ways_n++];

        w->codec = codec;
        w->state = calloc(1, codec->ops->state_bytes + 1);
        if (!w->state)
            return -ENOMEM;
    }
    if (!c->ways_n)
        c->mode = XF_COMPRESS_NONE;
    return 0;
}

void xf_compress_fini(struct xf_compress *c)
{
    for (unsigned i = 0; i < c->ways_n; i++)
        free(c->ways[i].state);
    c->ways_n = 0;
}

static void average(double *of, double sample)
{
    *of = *of > 0 ? *of + (sample - *of) * WEIGHT : sample;
}

static void average_time(double *of, double sample)
{
    average(of, *of > 0 && sample > *of * OUTLIER ? *of * OUTLIER : sample);
}

static double slower(double a_ns, double b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

/* What a page takes that goes so. */
static double page_ns(const struct xf_compress *c, const struct xf_compress_way *w)
{
    return slower(w->share * c->link_ns, w->cost_ns + w->share * c->send_ns);
}

static void decide(struct xf_compress *c)
{
    double raw = slower(c->link_ns, c->send_ns);

    for (unsigned i = 0; i < c->ways_n; i++)
        if (c->ways[i].share > 0 && page_ns(c, &c->ways[i]) < page_ns(c, &c->ways[c->best]))
            c->best = i;
    c->on = !c->trial && page_ns(c, &c->ways[c->best]) * (c->on ? GAIN_GO_ON : GAIN_BEGIN) < raw;
}

static void take_sample(struct xf_compress *c, struct xf_compress_way *w, uint32_t bytes,
                        uint64_t ns)
{
    bool was_on = c->on;

    average(&w->share, bytes ? bytes / (double)XF_PAGE_BYTES : 1);
    average_time(&w->cost_ns, (double)ns);
    if (!(c->ways[c->best].share > 0))
        c->best = (unsigned)(w - c->ways);
    decide(c);
    if (c->on)
        c->every = EVERY_ON;
    else if (was_on || bytes > 0)
        c->every = EVERY_OFF;
    else if (c->every < EVERY_OFF_MAX)
        c->every *= 2;
    c->until_sample = c->every;
}

uint32_t xf_compress_page(struct xf_compress *c, const void *page, uint8_t *out, uint32_t room,
                          const struct xf_codec **codec)
{
    struct xf_compress_way *w = &c->ways[c->best];
    bool sample = false;
    uint64_t begin = 0;

    if (c->mode == XF_COMPRESS_NONE)
        return 0;
    if (c->mode == XF_COMPRESS_AUTO) {
        sample = c->until_sample == 0 || --c->until_sample == 0;
        if (!sample && !c->on)
            return 0;
    }
    if (sample) {
        w = &c->ways[c->turn];
        c->turn = (c->turn + 1) % c->ways_n;
        begin = c->clock_ns();
    }
    memcpy(c->page, page, XF_PAGE_BYTES);
    const struct xf_codec_ops *ops = w->codec->ops;
    uint32_t most = ops->worth_bytes < w->codec->bytes_max ? ops->worth_bytes : w->codec->bytes_max;
    uint32_t n = ops->encode(w->state, c->page, out, room < most ? room : most);

    if (sample)
        take_sample(c, w, n, c->clock_ns() - begin);
    *codec = w->codec;
    return n;
}

static void begin_trial(struct xf_compress *c, uint64_t bytes_per_s, uint64_t now_us)
{
    c->trial = true;
    c->trial_us = now_us;
    c->trial_rate = bytes_per_s;
    c->on = false;
}

void xf_compress_link(struct xf_compress *c, uint64_t bytes_per_s, bool waits, uint64_t now_us)
{
    c->link_ns = bytes_per_s ? (double)XF_PAGE_BYTES * 1e9 / (double)bytes_per_s : 0;
    if (!waits || !c->on)
        c->link_waits_us = now_us;
    if (c->trial && now_us - c->trial_us >= TRIAL_US) {
        if ((double)bytes_per_s > (double)c->trial_rate * TRIAL_GROWTH)
            begin_trial(c, bytes_per_s, now_us);
        else
            c->trial = false;
    } else if (now_us - c->link_waits_us >= TRIAL_US && now_us - c->trial_us >= TRIAL_EVERY_US) {
        begin_trial(c, bytes_per_s, now_us);
    }
}

bool xf_compress_wants_time(struct xf_compress *c)
{
    /* What is sent while it pays is other packets: shorter, and not of one page's cost. */
    if (c->mode != XF_COMPRESS_AUTO || c->on)
        return false;
    if (c->until_timed) {
        c->until_timed--;
        return false;
    }
    c->until_timed = TIMED_BURSTS - 1;
    return true;
}

void xf_compress_sent(struct xf_compress *c, uint64_t bytes, uint64_t ns)
{
    if (bytes >= TIMED_MIN)
        average_time(&c->send_ns, (double)ns * (double)XF_PAGE_BYTES / (double)bytes);
}
