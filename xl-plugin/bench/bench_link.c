/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, link, parent: starts the two ends of each run, and looks after them. See bench_run.h. */
#include "bench_run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "bench_commands.h"
#include "bench_far.h"
#include "bench_near.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/screen/live.h"

#define POLL_MS  100
#define BLAME_US UINT64_C(500000)
#define END_US   UINT64_C(2000000)

struct bench {
    struct xf_bench_options options;
    struct xf_ends_dir dir;
    struct xf_live live; /* whether there is a terminal that a line can be drawn on */
    unsigned run, runs;  /* this one, of all, from 1 */
    pid_t near, far;     /* 0: not there, or waited for */
    int news;            /* near's; -1: closed */
    uint64_t heard_us;
    struct xf_bench_progress last;
    struct xf_bench_intervals *intervals; /* of this run */
};

/* The first reason is the one that counts: what fails after it fails because of it. */
static void __attribute__((format(printf, 2, 3)))
give_up(struct xf_bench_run *run, const char *fmt, ...)
{
    va_list ap;

    if (run->error[0])
        return;
    va_start(ap, fmt);
    vsnprintf(run->error, sizeof(run->error), fmt, ap);
    va_end(ap);
}

/* ---- the ends ------------------------------------------------------------------------------- */

static void order_for(struct xf_bench_order *order, const struct bench *b,
                      const struct xf_bench_setup *setup, bool target)
{
    const struct xf_ends_port *port = &b->options.ports[target];

    *order = (struct xf_bench_order){
        .memory_bytes = b->options.memory_bytes,
        .mtu = setup->mtu,
        .queues = setup->queues,
        .sink = b->options.sink,
        .packets = b->options.packets,
        .multicast = b->options.multicast,
        /* Often enough that each interval has heard of the target's. */
        .tick_us = b->options.interval_us ? b->options.interval_us / 4 : 0,
    };
    if (port->port) {
        snprintf(order->port, sizeof(order->port), "%s", port->port);
        memcpy(order->netns, port->netns, sizeof(order->netns));
    } else if (!b->options.host) {
        snprintf(order->memif, sizeof(order->memif), "%s", b->dir.socket);
    }
}

static void __attribute__((noreturn)) be_far(const struct bench *b, int talk, pid_t parent)
{
    char script[1024];
    int n;

    xf_ends_be_child(parent, "xl-fast target");
    if (!b->options.host)
        exit(xf_bench_far_main(talk, talk));
    n = snprintf(script, sizeof(script), "exec %s \"$@\"", b->options.ssh);
    if (n < 0 || (size_t)n >= sizeof(script) || dup2(talk, STDIN_FILENO) < 0 ||
        dup2(talk, STDOUT_FILENO) < 0)
        _exit(126);
    execl("/bin/sh", "sh", "-c", script, "sh", b->options.host, "xl-fast bench link --serve",
          (char *)NULL);
    _exit(127);
}

static void __attribute__((noreturn))
be_near(const struct bench *b, const struct xf_bench_setup *setup, int talk, int news, pid_t parent)
{
    struct xf_bench_tick tick = {0};
    struct xf_bench_near near = {
        .options = &b->options,
        .setup = setup,
        .far = {.in = talk,
                .out = talk,
                .peer = b->options.host ? b->options.host : "the target",
                .tick = &tick},
        .parent = news,
    };

    xf_ends_be_child(parent, "xl-fast source");
    order_for(&near.here, b, setup, false);
    order_for(&near.there, b, setup, true);
    exit(xf_bench_near_main(&near));
}

static int start_ends(struct bench *b, const struct xf_bench_setup *setup)
{
    pid_t self = getpid();
    int talk[2], news[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, talk))
        return -errno;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, news)) {
        close(talk[0]);
        close(talk[1]);
        return -errno;
    }
    fflush(stdout);
    /* Whoever holds another's end of a socket hides that the other has died. */
    b->far = fork();
    if (!b->far) {
        close(talk[0]);
        close(news[0]);
        close(news[1]);
        be_far(b, talk[1], self);
    }
    b->near = b->far > 0 ? fork() : -1;
    if (!b->near) {
        close(talk[1]);
        close(news[0]);
        be_near(b, setup, talk[0], news[1], self);
    }
    int rc = b->near < 0 ? -errno : 0;

    close(talk[0]);
    close(talk[1]);
    close(news[1]);
    b->news = news[0];
    b->heard_us = xf_now_us();
    b->far = b->far > 0 ? b->far : 0;
    b->near = b->near > 0 ? b->near : 0;
    return rc;
}

/* It may be ssh, or what stands for it: that is to end what it has begun. */
static void end_child(pid_t *pid)
{
    uint64_t end = xf_now_us() + END_US;

    if (!*pid)
        return;
    kill(*pid, SIGTERM);
    while (waitpid(*pid, NULL, WNOHANG) == 0) {
        if (xf_now_us() > end)
            kill(*pid, SIGKILL);
        usleep(1000);
    }
    *pid = 0;
}

/* That the other end has gone is seen before it is known how. */
static void blame_far(struct bench *b, struct xf_bench_run *run, const char *reason)
{
    const char *what = b->options.host ? "ssh" : "the target process";
    int status = 0;

    if (!b->far || !xf_ends_wait(b->far, BLAME_US, &status)) {
        give_up(run, "%s", reason);
        return;
    }
    b->far = 0;
    if (WIFSIGNALED(status))
        give_up(run, "%s was killed by signal %d (%s)", what, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    else if (b->options.host && WEXITSTATUS(status) > XF_EXIT_FAILED)
        give_up(run, "%.200s: %s ended with status %d", reason, what, WEXITSTATUS(status));
    else
        give_up(run, "%s", reason);
}

static void expect_end(pid_t *pid, const char *what, struct xf_bench_run *run, uint64_t limit_us)
{
    int status = 0;

    if (!xf_ends_wait(*pid, limit_us, &status)) {
        give_up(run, "%s does not end", what);
        return;
    }
    *pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        give_up(run, "%s ended badly (%s %d)", what, WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- a run ---------------------------------------------------------------------------------- */

static void show_progress(struct bench *b, const struct xf_bench_setup *setup,
                          const struct xf_bench_progress *now)
{
    uint64_t us = now->now_us - b->last.now_us;
    double gbps = (double)(now->bytes_wire - b->last.bytes_wire) * 8 / (double)(us ? us : 1) / 1e3;

    if (b->live.rewrites && b->last.now_us && !b->options.interval_us)
        fprintf(stderr, "\r\033[Krun %u of %u: %u queue%s, %s, %s: %.2f Gbit/s", b->run, b->runs,
                setup->queues, setup->queues == 1 ? "" : "s",
                b->options.packets ? "packets" : xf_compress_mode_name(setup->compress),
                b->options.search ? "search" : xf_ends_fill_name(setup->fill), gbps);
    b->last = *now;
}

static void clear_progress(struct bench *b)
{
    if (b->live.rewrites && b->last.now_us)
        fputs("\r\033[K", stderr);
    b->last = (struct xf_bench_progress){0};
}

static void take_interval(struct bench *b, const struct xf_bench_interval *i)
{
    if (!b->options.json && !b->intervals->n)
        xf_bench_interval_print_columns();
    xf_bench_intervals_add(b->intervals, i);
    if (!b->options.json)
        xf_bench_interval_print(i);
}

/* Takes all that near has to say. True: its figures are there. */
static bool take_news(struct bench *b, const struct xf_bench_setup *setup, struct xf_bench_run *run)
{
    struct xf_bench_news m;
    ssize_t n;

    while ((n = recv(b->news, &m, sizeof(m), MSG_DONTWAIT)) == (ssize_t)sizeof(m)) {
        b->heard_us = xf_now_us();
        switch (m.kind) {
        case BENCH_NEWS_PROGRESS:
            xf_ends_dir_remove(&b->dir); /* they are joined */
            show_progress(b, setup, &m.progress);
            break;
        case BENCH_NEWS_TRIAL:
            clear_progress(b);
            if (!b->options.json)
                xf_bench_packets_line(m.trial.number, m.trial.packet_bytes, &m.trial.trial);
            break;
        case BENCH_NEWS_INTERVAL:
            take_interval(b, &m.interval);
            break;
        case BENCH_NEWS_RUN:
            *run = m.run;
            return true;
        case BENCH_NEWS_FAILED:
            blame_far(b, run, m.reason);
            return false;
        }
    }
    if (n == 0)
        give_up(run, "the source process ended early");
    return false;
}

static void follow(struct bench *b, const struct xf_bench_setup *setup, struct xf_bench_run *run)
{
    const uint64_t patience_us = xf_ends_patience_us(b->options.memory_bytes);
    bool done = false;

    while (!done && !run->error[0]) {
        struct pollfd pfd = {.fd = b->news, .events = POLLIN};
        int sig = xf_ends_interrupted();

        if (sig)
            give_up(run, "interrupted by signal %d (%s)", sig, strsignal(sig));
        else if (poll(&pfd, 1, POLL_MS) > 0)
            done = take_news(b, setup, run);
        else if (xf_now_us() - b->heard_us > 2 * patience_us) /* its own for the other end is one */
            give_up(run, "the source process has said nothing for %u s",
                    (unsigned)(2 * patience_us / 1000000));
    }
    if (!done)
        return;
    expect_end(&b->near, "the source process", run, patience_us);
    if (!run->error[0])
        expect_end(&b->far, b->options.host ? "ssh" : "the target process", run, patience_us);
}

static void run_once(struct bench *b, const struct xf_bench_setup *setup, struct xf_bench_run *run)
{
    int rc = b->options.host ? 0 : xf_ends_dir_make(&b->dir, "xl-fast-bench");

    if (rc) {
        give_up(run, "no directory for the memif's socket: %s", strerror(-rc));
        return;
    }
    rc = start_ends(b, setup);
    if (rc)
        give_up(run, "no process: %s", strerror(-rc));
    else
        follow(b, setup, run);
    /* The source first (memif.h); the target ends by itself then, but it is not waited for. */
    end_child(&b->near);
    end_child(&b->far);
    if (b->news >= 0)
        close(b->news);
    b->news = -1;
    xf_ends_dir_remove(&b->dir);
    clear_progress(b);
    if (!run->error[0] && !b->options.packets && !xf_bench_verified(&b->options, run))
        give_up(run, "the ends' memory differs");
}

/* ---- the sweep ------------------------------------------------------------------------------ */

/* 0; 1 if a run has failed. */
static int run_setup(struct bench *b, const struct xf_bench_setup *setup)
{
    const struct xf_bench_options *o = &b->options;
    struct xf_bench_result result = {.options = o, .setup = setup};
    int failed = 0;

    result.runs = calloc(o->runs, sizeof(*result.runs));
    if (!result.runs) {
        fprintf(stderr, "xl-fast bench link: %s\n", strerror(ENOMEM));
        return 1;
    }
    for (unsigned i = 0; i < o->runs && !xf_ends_interrupted(); i++) {
        struct xf_bench_run *run = &result.runs[result.n++];

        b->run++;
        b->intervals = &result.intervals; // cppcheck-suppress autoVariables ; taken back below
        if (o->packets && !o->json)
            xf_bench_packets_head(o, setup);
        run_once(b, setup, run);
        if (run->error[0]) {
            failed = 1;
            fprintf(stderr, "xl-fast bench link: %s\n", run->error);
        }
        if (o->packets && o->json)
            xf_bench_packets_json(&result, result.n);
        else if (o->packets)
            xf_bench_packets_found(&result);
        else if (o->json)
            xf_bench_report_json(&result, result.n);
        b->intervals = NULL;
        xf_bench_intervals_clear(&result.intervals);
    }
    if (!o->json && !o->packets) {
        xf_bench_report_row(&result);
        if (o->timing)
            xf_bench_report_details(&result);
    }
    fflush(stdout);
    free(result.runs);
    return failed;
}

static int sweep(struct bench *b)
{
    const struct xf_bench_options *o = &b->options;
    const unsigned fills = o->fills.n, compress = o->compress.n, queues = o->queues.n,
                   sizes = o->sizes.n, all = o->mtus.n * queues * compress * fills * sizes;
    int failed = 0;

    b->runs = all * o->runs;
    if (!o->json && !o->packets)
        xf_bench_report_head(o);
    for (unsigned i = 0; i < all && !xf_ends_interrupted(); i++) {
        const struct xf_bench_setup setup = {
            .mtu = o->mtus.values[i / sizes / fills / compress / queues],
            .queues = o->queues.values[i / sizes / fills / compress % queues],
            .compress = (enum xf_compress_mode)o->compress.values[i / sizes / fills % compress],
            .fill = (enum xf_simguest_fill)o->fills.values[i / sizes % fills],
            .size = o->sizes.values[i % sizes],
        };

        failed |= run_setup(b, &setup);
    }
    return failed || xf_ends_interrupted() ? XF_EXIT_FAILED : XF_EXIT_OK;
}

int xf_bench_link(int argc, char **argv)
{
    struct bench b = {.news = -1};
    int status;

    status = xf_bench_options_parse(&xf_bench_link_command, &b.options, argc, argv);
    if (status != XF_GO_ON)
        return status;
    if (b.options.serve)
        return xf_bench_far_main(STDIN_FILENO, STDOUT_FILENO);
    xf_live_init(&b.live);
    xf_ends_catch_signals();
    return sweep(&b);
}

const struct xf_command xf_bench_link_command = {
    .name = "bench link",
    .summary = "how fast a migration's transport is, here or to another host",
    .operands = "[HOST]",
    .about =
        "How fast a migration's transport is: memory of made-up contents, which nobody writes to,\n"
        "goes again and again from a source to a target. Without HOST both are processes of this\n"
        "machine, over DPDK's memif. With HOST the target is started there by ssh, and each end\n"
        "takes the port of its own xl-fast.conf. Encryption and burst size are a migration's.\n",
    .options = xf_bench_link_option_rows,
    .done = "measured",
    .run = xf_bench_link,
};
