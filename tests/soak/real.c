/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Soak, real: each end a process of its own, joined by memif and a socket, and killed for real. The
 * judge (the caller) has the guests' memory and the domains' states in memory that the ends share:
 * it is the hypervisor, which outlives them.
 */
#include "soak.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "xl-plugin/demo/memif.h"
#include "transport/base/idle.h"

/* Beyond a limit: what a busy machine may take to run us. Where it takes longer, we see that. */
#define SLACK_US       500000u
#define PORT_WAIT_MS   120000 /* for the other end's DPDK */
#define GONE_WAIT_MS   60000  /* for the other end's session, and then its port, to close */
#define KEEPER_WAIT_US 30000000
#define JUDGE_POLL_US  500
#define START_US       180000000u /* for DPDK to start at both ends; then there is no run */
#define STATUS_NO_PORT 77

struct real {
    struct soak_plan *plan;
    struct soak_world *world;
    char dir[64], socket[80];
    int channel[SOAK_ENDS]; /* a socket each */
    int listening[2];       /* pipe: the target's port is open */
    int gone[2];            /* pipe that the source holds open while its port is */
    int keep[2];            /* pipe that the judge holds open while there are keepers */
    pid_t pid[SOAK_ENDS];
};

static const char *const names[SOAK_ENDS] = {"source", "target"};

static uint64_t true_us(void)
{
    return xf_now_us() - (uint64_t)xf_fault_clock_us();
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- an end ------------------------------------------------------------------------------------
 */

static int channel_send(void *ctx, const struct soak_message *m)
{
    const int *fd = ctx;

    return *fd >= 0 && send(*fd, m, sizeof(*m), MSG_NOSIGNAL) == (ssize_t)sizeof(*m) ? 0 : -EPIPE;
}

static int channel_receive(void *ctx, struct soak_message *m)
{
    const int *fd = ctx;
    ssize_t n = *fd >= 0 ? recv(*fd, m, sizeof(*m), MSG_DONTWAIT) : 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n == (ssize_t)sizeof(*m) ? 1 : -EPIPE;
}

static void channel_close(void *ctx)
{
    close_fd(ctx);
}

static int act(void *arg, const struct xf_fault *f)
{
    struct soak_world *w = arg;

    atomic_fetch_add(&w->fired, 1);
    return xf_fault_act(f);
}

static int link_state(void *arg)
{
    (void)arg;
    return xf_fault_link();
}

static int wait_readable(int fd, int ms)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    return poll(&pfd, 1, ms) == 1 ? 0 : -ETIMEDOUT;
}

static int open_port(const struct real *r, enum soak_end end, struct xf_link **out)
{
    char err[XF_DPDK_ERR_BYTES];
    struct xf_memif memif;
    char byte;
    int rc;

    xf_memif_init(&memif, end == SOAK_TARGET, r->socket, r->plan->queues);
    rc = xf_memif_start(&memif, 1, err);

    if (!rc && end == SOAK_SOURCE &&
        (wait_readable(r->listening[0], PORT_WAIT_MS) || read(r->listening[0], &byte, 1) != 1))
        rc = -ETIMEDOUT;
    if (!rc)
        rc = xf_memif_open(&memif, out, err);
    if (!rc && end == SOAK_TARGET && write(r->listening[1], "", 1) != 1)
        rc = -EPIPE;
    if (rc)
        fprintf(stderr, "soak: %s: no port: %s\n", names[end], err[0] ? err : strerror(-rc));
    return rc;
}

/* The guest's writers: those of the source's process, as long as it lives. */
static int start_writers(const struct real *r)
{
    const uint64_t bytes_per_s = r->plan->writes_per_ms * UINT64_C(1000) * XF_PAGE_BYTES;

    return bytes_per_s ? xf_simguest_start_writers(r->world->guest[SOAK_SOURCE], 1, bytes_per_s)
                       : 0;
}

/*
 * net_memif's thread tears a port down when its peer's connection closes, whatever the thread that
 * sends is doing in it, which then crashes (seen with DPDK 22.11). No other port knows of its
 * peer's death. So a child of each end holds all its descriptors as long as the run lasts, and an
 * end that dies is silent, as it would be on a network.
 */
static int start_keeper(struct real *r, enum soak_end end)
{
    char byte;
    pid_t pid = fork();

    if (pid)
        return pid < 0 ? -errno : 0;
    close_fd(&r->channel[end]);
    close_fd(&r->gone[1]);
    if (read(r->keep[0], &byte, 1) < 0)
        _exit(1);
    _exit(0);
}

/* For the same reason no port closes while the other end's session goes on. */
static void wait_for_other(const struct real *r, enum soak_end end)
{
    const struct soak_world *w = r->world;

    for (unsigned ms = 0; ms < GONE_WAIT_MS && w->outcome[!end] == SOAK_GOING_ON && !w->dead[!end];
         ms++)
        usleep(1000);
    if (end == SOAK_TARGET)
        wait_readable(r->gone[0], GONE_WAIT_MS); /* memif.h: the client closes first */
}

static int live(struct real *r, enum soak_end end)
{
    struct xf_link *port = NULL, *link = NULL;
    struct soak_owner *owner = NULL;
    struct xf_fault_config faults = r->plan->link;
    struct xf_idle idle = {0};
    const struct soak_channel channel = {.send = channel_send,
                                         .receive = channel_receive,
                                         .close = channel_close,
                                         .ctx = &r->channel[end]};
    int rc = open_port(r, end, &port);

    if (rc)
        return STATUS_NO_PORT;
    faults.seed = r->plan->seed * 2 + end;
    faults.state = link_state;
    rc = xf_faultlink_new(&link, port, &faults);
    /* Once the source speaks, the ports are joined, and there is a connection to hold. */
    if (!rc && end == SOAK_TARGET)
        wait_readable(r->channel[end], PORT_WAIT_MS);
    rc = rc ?: start_keeper(r, end);
    if (!rc && end == SOAK_SOURCE)
        rc = start_writers(r);
    rc = rc ?: soak_owner_new(&owner, r->plan, r->world, end, link, &channel, SLACK_US);
    if (!rc) {
        atomic_store(&r->world->up[end], true);
        xf_faults_set(r->plan->faults, r->plan->faults_n, act, r->world);
        while (soak_owner_step(owner, xf_now_us(), true_us())) {
            if (soak_owner_idle(owner))
                xf_idle_wait(&idle, true_us(), true);
            else
                xf_idle_busy(&idle);
        }
        xf_faults_set(NULL, 0, NULL, NULL);
    }
    soak_owner_free(owner);
    if (end == SOAK_SOURCE)
        xf_simguest_stop_writers(r->world->guest[SOAK_SOURCE]);
    wait_for_other(r, end);
    if (link)
        link->ops->close(link);
    port->ops->close(port);
    close_fd(&r->gone[1]);
    xf_dpdk_stop();
    return rc ? STATUS_NO_PORT : 0;
}

static void __attribute__((noreturn)) be_end(struct real *r, enum soak_end end, pid_t judge)
{
    char path[96];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != judge)
        _exit(1);
    prctl(PR_SET_NAME, end == SOAK_SOURCE ? "soak source" : "soak target");
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    close_fd(&r->channel[!end]);
    close_fd(&r->keep[1]);
    close_fd(end == SOAK_SOURCE ? &r->gone[0] : &r->gone[1]);
    close_fd(end == SOAK_SOURCE ? &r->listening[1] : &r->listening[0]);
    snprintf(path, sizeof(path), "%s/%s.log", r->dir, names[end]);
    int log = r->plan->log_full[end] ? open("/dev/full", O_WRONLY | O_CLOEXEC)
                                     : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
        _exit(1);
    _exit(live(r, end));
}

/* ---- the judge ---------------------------------------------------------------------------------
 */

static unsigned open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

/* Files with DPDK's prefix for that process. */
static unsigned files_of(pid_t pid)
{
    static const char *const places[] = {"/dev/shm",  "/run/dpdk", "/var/run/dpdk",
                                         "/tmp/dpdk", "/tmp",      "/dev/hugepages"};
    char mine[40];
    unsigned n = 0;

    snprintf(mine, sizeof(mine), "xl-fast-%d", (int)pid);
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        DIR *dir = opendir(places[i]);
        struct dirent *entry;

        while (dir && (entry = readdir(dir)))
            n += strstr(entry->d_name, mine) != NULL;
        if (dir)
            closedir(dir);
    }
    return n;
}

static bool planned(const struct soak_plan *plan, enum xf_fault_action action)
{
    for (unsigned i = 0; i < plan->faults_n; i++)
        if (plan->faults[i].action == action)
            return true;
    return false;
}

/* An end's process is gone. False: it never had a port, so there was no run. */
static bool take_end(struct real *r, enum soak_end end, int status)
{
    struct soak_world *w = r->world;
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool exited = WIFEXITED(status) && WEXITSTATUS(status) == 1;

    r->pid[end] = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_NO_PORT)
        return false;
    if (w->outcome[end] == SOAK_GOING_ON)
        soak_world_died(w, end);
    if ((killed && planned(r->plan, XF_FAULT_KILL)) ||
        (exited && planned(r->plan, XF_FAULT_EXIT)) || (WIFEXITED(status) && !WEXITSTATUS(status)))
        return true;
    fprintf(stderr, "soak: the %s has ended badly: %s %d\n", names[end],
            WIFSIGNALED(status) ? "signal" : "status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    atomic_fetch_add(&w->counts.crashes, 1);
    return true;
}

static bool wait_for_ends(struct real *r)
{
    struct soak_world *w = r->world;
    /* In the judge's own ticks: on a busy machine they are as slow as the ends. */
    uint64_t ticks = START_US / JUDGE_POLL_US;
    bool ran = true, begun = false;
    int status;

    while (ran && (r->pid[0] || r->pid[1])) {
        /* What DPDK takes to start on a busy machine is not the run's. */
        if (!begun && w->up[SOAK_SOURCE] && w->up[SOAK_TARGET]) {
            begun = true;
            ticks = (SOAK_RUN_US + soak_plan_extra_us(r->plan)) / JUDGE_POLL_US;
        }
        for (unsigned i = 0; i < SOAK_ENDS; i++)
            if (r->pid[i] && waitpid(r->pid[i], &status, WNOHANG) == r->pid[i])
                ran = take_end(r, (enum soak_end)i, status) && ran;
        if (!ticks--) {
            fprintf(stderr, "soak: not over in time:%s%s\n", r->pid[0] ? " the source" : "",
                    r->pid[1] ? " the target" : "");
            atomic_fetch_add(&w->counts.hangs, 1);
            ran = begun;
            break;
        }
        usleep(JUDGE_POLL_US);
    }
    for (unsigned i = 0; i < SOAK_ENDS; i++) {
        if (!r->pid[i])
            continue;
        kill(r->pid[i], SIGKILL);
        waitpid(r->pid[i], NULL, 0);
        if (r->world->outcome[i] == SOAK_GOING_ON)
            soak_world_died(r->world, (enum soak_end)i);
    }
    return ran;
}

static void show_log(const struct real *r, enum soak_end end)
{
    char path[96], line[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s.log", r->dir, names[end]);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (!strstr(line, "soak: progress"))
            fprintf(stderr, "  %s: %s", names[end], line);
    if (file)
        fclose(file);
}

static int make_dir(struct real *r)
{
    const char *tmp = getenv("TMPDIR");

    /* A socket's path holds 107 bytes. */
    if (!tmp || strlen(tmp) > 30)
        tmp = "/tmp";
    snprintf(r->dir, sizeof(r->dir), "%s/xl-fast-soak-XXXXXX", tmp);
    if (!mkdtemp(r->dir))
        return -errno;
    snprintf(r->socket, sizeof(r->socket), "%s/memif", r->dir);
    return 0;
}

/* Leaves nothing but what should not be there. */
static bool remove_dir(const struct real *r)
{
    char path[96];

    for (unsigned i = 0; i < SOAK_ENDS; i++) {
        snprintf(path, sizeof(path), "%s/%s.log", r->dir, names[i]);
        unlink(path);
    }
    unlink(r->socket);
    return !rmdir(r->dir);
}

static int start_ends(struct real *r)
{
    const pid_t judge = getpid();

    fflush(NULL);
    for (unsigned i = 0; i < SOAK_ENDS; i++) {
        r->pid[i] = fork();
        if (r->pid[i] < 0) {
            r->pid[i] = 0;
            return -errno;
        }
        if (!r->pid[i])
            be_end(r, (enum soak_end)i, judge);
    }
    return 0;
}

/* All but the one that ends the keepers. */
static void close_pipes(struct real *r, bool keepers_too)
{
    for (unsigned i = 0; i < 2; i++) {
        close_fd(&r->channel[i]);
        close_fd(&r->listening[i]);
        close_fd(&r->gone[i]);
        if (!i || keepers_too)
            close_fd(&r->keep[i]);
    }
}

/* All our children, and theirs that would be ours now. */
static bool children_gone(void)
{
    const uint64_t end_us = true_us() + KEEPER_WAIT_US;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && true_us() < end_us)
        if (!pid)
            usleep(1000);
    return pid < 0;
}

static void look_for_leaks(const struct real *r, const pid_t pids[SOAK_ENDS], unsigned fds_before)
{
    unsigned left = 0;

    for (unsigned i = 0; i < SOAK_ENDS; i++)
        left += pids[i] && files_of(pids[i]);
    if (!remove_dir(r)) {
        fprintf(stderr, "soak: something is left in %s\n", r->dir);
        left++;
    }
    if (!children_gone()) {
        fputs("soak: a process is left\n", stderr);
        left++;
    }
    if (open_fds() != fds_before)
        left++;
    atomic_fetch_add(&r->world->counts.leaks, left);
}

bool soak_real(struct soak_run *run, struct soak_counts *counts)
{
    struct real r = {.plan = &run->plan,
                     .channel = {-1, -1},
                     .listening = {-1, -1},
                     .gone = {-1, -1},
                     .keep = {-1, -1}};
    const unsigned fds_before = open_fds();
    bool ran = false;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    r.world =
        mmap(NULL, sizeof(*r.world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r.world == MAP_FAILED)
        return false;
    if (make_dir(&r) || soak_world_open(r.world, &run->plan, true) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, r.channel) ||
        pipe2(r.listening, O_CLOEXEC) || pipe2(r.gone, O_CLOEXEC) || pipe2(r.keep, O_CLOEXEC)) {
        perror("soak");
        goto out;
    }
    int rc = start_ends(&r);
    const pid_t pids[SOAK_ENDS] = {r.pid[0], r.pid[1]};

    close_pipes(&r, false);
    ran = wait_for_ends(&r) && !rc;
    soak_world_judge(r.world);
    const struct soak_counts *c = &r.world->counts;

    if (!ran || c->wrong_bytes + c->double_owner + c->lost + c->hangs + c->leaks + c->crashes)
        for (unsigned i = 0; i < SOAK_ENDS; i++)
            show_log(&r, (enum soak_end)i);
    close_pipes(&r, true);
    look_for_leaks(&r, pids, fds_before);
    if (!ran)
        goto out;
    atomic_fetch_add(&counts->wrong_bytes, c->wrong_bytes);
    atomic_fetch_add(&counts->double_owner, c->double_owner);
    atomic_fetch_add(&counts->lost, c->lost);
    atomic_fetch_add(&counts->hangs, c->hangs);
    atomic_fetch_add(&counts->leaks, c->leaks);
    atomic_fetch_add(&counts->crashes, c->crashes);
    run->fired = r.world->fired;
    run->moved = r.world->dom[SOAK_TARGET] == DOM_RUNNING;
    run->settled = r.world->settled;
    run->longest_wait_us = r.world->longest_wait_us;
out:
    close_pipes(&r, true);
    soak_world_close(r.world);
    munmap(r.world, sizeof(*r.world));
    return ran;
}
