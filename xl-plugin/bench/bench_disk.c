/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, disk, parent: what is copied where, the two ends, and what they have found. */
#include "bench_disk_end.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "transport/disk/disk.h"
#include "bench_commands.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/cli/move_options.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/demo/ends.h"
#include "xl-plugin/screen/live.h"

#define POLL_MS     100
#define END_US      UINT64_C(10000000)
#define GIB         ((double)(1 << 30))
#define MODE_OF_NEW 0600

struct bench {
    struct xf_bench_disk_options options;
    struct xf_bench_disk_end end;
    struct xf_ends_dir dir;
    struct xf_live live; /* whether there is a terminal that a line can be drawn on */
    bool made;           /* the target's file is ours */
    uint64_t bytes;      /* of the disk */
    pid_t pid[2];        /* source, target; 0: not there, or waited for */
    int news[2];         /* of each; -1: closed */
    struct xf_bench_disk_news done[2];
    char error[BENCH_DISK_WHY_BYTES]; /* the first reason; "" */
};

#define TO(member) .to = offsetof(struct xf_bench_disk_options, member)

static const struct xf_option rows[] = {
    {.name = "overwrite",
     TO(overwrite),
     .help = "TO exists, and what is on it is lost: a device, or a file as large as FROM"},
    {.name = "lanes",
     .value = "N",
     .kind = XF_OPTION_COUNT,
     .min = 1,
     .max = XF_ENDS_QUEUES_MAX,
     TO(lanes),
     .help = "threads at each end that move the disk, a queue of the port each (1)"},
    {.name = "verify",
     TO(verify),
     .help = "both ends read their disk once more, and compare hashes of it"},
    XF_MOVE_BANDWIDTH(TO(bandwidth_bytes_per_s), "none"),
    XF_MOVE_COMPRESS(TO(compress), "auto"),
    {.name = "json", TO(json), .help = "one object on stdout and nothing else"},
    {0},
};

const struct xf_command xf_bench_disk_command = {
    .name = "bench disk",
    .summary = "how fast a disk goes over, between two processes of this machine",
    .operands = "FROM TO",
    .about =
        "How fast a disk goes over: FROM, a file or a block device that nobody writes to, is "
        "copied\n"
        "to TO by two processes of this machine, encrypted and repaired as a migration is. TO is\n"
        "made if it is not there; holes and zeros stay holes in it then. It is over when all of\n"
        "TO is on its medium.\n",
    .options = rows,
    .done = "copied",
    .run = xf_bench_disk,
};

static void __attribute__((format(printf, 2, 3))) give_up(struct bench *b, const char *format, ...)
{
    va_list ap;

    if (b->error[0])
        return;
    va_start(ap, format);
    vsnprintf(b->error, sizeof(b->error), format, ap);
    va_end(ap);
}

/* ---- the two disks ------------------------------------------------------------------------- */

static int make_target(struct bench *b)
{
    const char *to = b->options.to;
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE_OF_NEW);

    if (fd < 0)
        return -errno;
    b->made = true;
    int rc = ftruncate(fd, (off_t)b->bytes) ? -errno : 0;

    close(fd);
    return rc;
}

static void look_at_disks(struct bench *b)
{
    const struct xf_bench_disk_options *o = &b->options;
    char why[XF_DISK_ERR_BYTES];
    struct xf_disk disk;

    if (xf_disk_open(&disk, o->from, XF_DISK_READ, why)) {
        give_up(b, "%s", why);
        return;
    }
    b->bytes = disk.bytes;
    xf_disk_close(&disk);
    int rc = o->overwrite ? -EEXIST : make_target(b);

    b->end.zeros = !rc;
    if (rc == -EEXIST && !o->overwrite) {
        give_up(b, "%s exists: --overwrite writes over it, and what is on it is lost", o->to);
    } else if (rc && rc != -EEXIST) {
        give_up(b, "%s: %s", o->to, strerror(-rc));
    } else if (rc) {
        if (xf_disk_open(&disk, o->to, XF_DISK_WRITE, why)) {
            give_up(b, "%s", why);
            return;
        }
        if (disk.bytes != b->bytes)
            give_up(b, "%s has %llu bytes and %s %llu: a copy has as many", o->from,
                    (unsigned long long)b->bytes, o->to, (unsigned long long)disk.bytes);
        xf_disk_close(&disk);
    }
}

/* ---- the ends ------------------------------------------------------------------------------ */

static void be_end(const struct bench *b, unsigned i, const int news[2][2], const int peer[2],
                   pid_t parent)
{
    struct xf_bench_disk_end end = b->end;

    /* Whoever holds another's end of a socket hides that the other has died. */
    close(peer[!i]);
    close(news[0][0]);
    close(news[1][0]);
    close(news[!i][1]);
    xf_ends_be_child(parent, i ? "xl-fast target" : "xl-fast source");
    end.options = &b->options;
    end.parent = news[i][1];
    end.peer = peer[i];
    end.memif_socket = b->dir.socket;
    exit(i ? xf_bench_disk_target(&end) : xf_bench_disk_source(&end));
}

static void start_ends(struct bench *b)
{
    const pid_t self = getpid();
    int news[2][2], peer[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, news[0]) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, news[1]) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, peer)) {
        give_up(b, "no sockets: %s", strerror(errno));
        return;
    }
    fflush(stdout);
    for (unsigned i = 0; i < 2; i++) {
        b->pid[i] = fork();
        if (!b->pid[i])
            be_end(b, i, (const int(*)[2])news, peer, self);
        if (b->pid[i] < 0) {
            give_up(b, "no process: %s", strerror(errno));
            b->pid[i] = 0;
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        close(news[i][1]);
        close(peer[i]);
        b->news[i] = news[i][0];
    }
}

static void show_progress(struct bench *b, const struct xf_bench_disk_news *m)
{
    if (b->live.rewrites && !b->options.json && m->progress.pages)
        fprintf(stderr, "\r\033[K%s  %.0f %%", m->progress.verifying ? "compares" : "copies",
                100.0 * (double)m->progress.pages_sent / (double)m->progress.pages);
}

/* Takes what an end has to say; how it ended if it has. */
static void take_news(struct bench *b, unsigned i)
{
    struct xf_bench_disk_news m;
    ssize_t n;

    while ((n = recv(b->news[i], &m, sizeof(m), MSG_DONTWAIT)) == (ssize_t)sizeof(m)) {
        if (m.kind == BENCH_DISK_PROGRESS)
            show_progress(b, &m);
        else if (m.kind == BENCH_DISK_FAILED)
            give_up(b, "%s", m.reason);
        else
            b->done[i] = m;
    }
    if (n)
        return;
    close(b->news[i]);
    b->news[i] = -1;
}

static void follow(struct bench *b)
{
    while (!b->error[0] && (b->news[0] >= 0 || b->news[1] >= 0)) {
        struct pollfd in[2] = {{.fd = b->news[0], .events = POLLIN},
                               {.fd = b->news[1], .events = POLLIN}};
        int sig = xf_ends_interrupted();

        if (sig)
            give_up(b, "interrupted by signal %d (%s)", sig, strsignal(sig));
        else if (poll(in, 2, POLL_MS) > 0)
            for (unsigned i = 0; i < 2; i++)
                if (in[i].revents)
                    take_news(b, i);
    }
}

/* The source first (memif.h). */
static void end_ends(struct bench *b)
{
    static const char *const names[] = {"source", "target"};

    for (unsigned i = 0; i < 2; i++) {
        int status = 0;

        if (!b->pid[i])
            continue;
        if (b->error[0])
            kill(b->pid[i], SIGTERM);
        if (!xf_ends_wait(b->pid[i], END_US, &status)) {
            give_up(b, "the %s process does not end", names[i]);
            kill(b->pid[i], SIGKILL);
            waitpid(b->pid[i], &status, 0);
        } else if (WIFSIGNALED(status)) {
            give_up(b, "the %s process was killed by signal %d (%s)", names[i], WTERMSIG(status),
                    strsignal(WTERMSIG(status)));
        } else if (status || b->done[i].kind != BENCH_DISK_DONE) {
            give_up(b, "the %s process ended early", names[i]);
        }
        if (b->news[i] >= 0)
            close(b->news[i]);
    }
}

/* ---- what it has found --------------------------------------------------------------------- */

static double cpu_s_a_gib(const struct bench *b, unsigned i)
{
    return (double)b->done[i].end.cpu_us / 1e6 / ((double)b->bytes / GIB);
}

static void show_json(const struct bench *b)
{
    const struct xf_stats *s = &b->done[0].end.stats, *t = &b->done[1].end.stats;
    struct json_object *o = json_object_new_object();
    const uint64_t us = b->done[0].end.us;
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"disk_bytes", b->bytes},
        {"us", us},
        {"disk_bps", (uint64_t)((double)b->bytes * 8e6 / (double)(us ? us : 1))},
        {"bytes_wire", s->bytes_wire},
        {"pages_sent", s->pages_sent},
        {"pages_zero", s->pages_zero},
        {"pages_verified", t->pages_verified},
        {"source_cpu_us", b->done[0].end.cpu_us},
        {"target_cpu_us", b->done[1].end.cpu_us},
    };

    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        json_object_object_add(o, numbers[i].key, json_object_new_uint64(numbers[i].value));
    json_object_object_add(o, "lanes", json_object_new_uint64(b->options.lanes));
    json_object_object_add(o, "source_direct", json_object_new_boolean(b->done[0].end.direct));
    json_object_object_add(o, "target_direct", json_object_new_boolean(b->done[1].end.direct));
    puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED));
    json_object_put(o);
}

static void show(const struct bench *b)
{
    const struct xf_stats *s = &b->done[0].end.stats;
    const uint64_t us = b->done[0].end.us;
    char all[32], wire[32], took[32];

    if (b->options.json) {
        show_json(b);
        return;
    }
    printf("disk  %s in %s: %.2f Gbit/s; %s over the link; CPU time of source and target %.2f and "
           "%.2f s a GiB%s\n",
           xf_number_show_size(all, sizeof(all), b->bytes), xf_live_time(took, sizeof(took), us),
           (double)b->bytes * 8 / (double)(us ? us : 1) / 1e3,
           xf_number_show_size(wire, sizeof(wire), s->bytes_wire), cpu_s_a_gib(b, 0),
           cpu_s_a_gib(b, 1), b->options.verify ? "; verified" : "");
}

int xf_bench_disk(int argc, char **argv)
{
    struct bench b = {.options = {.lanes = 1}, .news = {-1, -1}};
    struct xf_operands operands;
    int status = xf_options_parse(&xf_bench_disk_command, &b.options, argc, argv, &operands);

    if (status != XF_GO_ON)
        return status;
    b.options.from = operands.words[0];
    b.options.to = operands.words[1];
    xf_live_init(&b.live);
    xf_ends_catch_signals();
    look_at_disks(&b);
    int rc = b.error[0] ? 0 : xf_ends_dir_make(&b.dir, "xl-fast-bench");

    if (rc)
        give_up(&b, "no directory for the memif's socket: %s", strerror(-rc));
    if (!b.error[0])
        start_ends(&b);
    if (!b.error[0])
        follow(&b);
    end_ends(&b);
    xf_ends_dir_remove(&b.dir);
    if (b.live.rewrites && !b.options.json)
        fputs("\r\033[K", stderr);
    if (b.error[0] && b.made)
        unlink(b.options.to);
    if (b.error[0])
        fprintf(stderr, "xl-fast bench disk: %s\n", b.error);
    else
        show(&b);
    return b.error[0] ? XF_EXIT_FAILED : XF_EXIT_OK;
}
