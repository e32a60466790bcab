/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* EAL: starts and stops DPDK in this process. */
/* DPDK 22.11 calls so what makes an interrupt's handle; stable since 23.11. */
#define ALLOW_EXPERIMENTAL_API

#include "eal.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_log.h>
#include <rte_version.h>

#include "args.h"
#include "host.h"
#include "kernelif.h"
#include "spec.h"

/*
 * DPDK is one per process and keeps its state in globals; what belongs to that state is here, the
 * only such place in this room.
 */
static struct {
    bool started;
    bool goes_with_memory; /* the port, see kind.h */
    bool quiet;            /* hold back DPDK's lines: xf_dpdk_start() reports what matters */
    char error[192];       /* the first line of level error or worse: the others follow from it */
    FILE *log;
} eal;

/* Where no directory can be made: see init_without_directory(). What DPDK says of it is no error.
 */
#define NOWHERE "/dev/null"

/* For the interrupt thread to begin, however busy the machine is. */
#define ALONE_S 10

/*
 * DPDK logs to this instead of to stderr and syslog at once. Never to stdout: the plug-in's stdout
 * is a protocol.
 */
static ssize_t log_write(void *cookie, const char *buf, size_t size)
{
    (void)cookie;
    if (rte_log_cur_msg_loglevel() <= (int)RTE_LOG_ERR && !eal.error[0] &&
        !memmem(buf, size, NOWHERE, strlen(NOWHERE))) {
        size_t n = strcspn(buf, "\n");

        n = n < size ? n : size;
        n = n < sizeof(eal.error) ? n : sizeof(eal.error) - 1;
        memcpy(eal.error, buf, n);
        eal.error[n] = 0;
    }
    if (!eal.quiet && write(STDERR_FILENO, buf, size) < 0) {
        /* A closed stderr is no reason to fail. */
    }
    return (ssize_t)size;
}

void xf_dpdk_quiet(bool quiet)
{
    /* Who asks for DPDK's log gets all of it. */
    eal.quiet = quiet && !getenv("XF_DPDK_LOG");
}

static int open_log(void)
{
    static const cookie_io_functions_t io = {.write = log_write};

    if (!eal.log) {
        eal.log = fopencookie(NULL, "w", io);
        if (!eal.log)
            return -ENOMEM;
        setvbuf(eal.log, NULL, _IOLBF, 1024);
    }
    return rte_openlog_stream(eal.log) ? -EIO : 0;
}

/*
 * rte_eal_init() makes a directory for files that it then does not need (--no-shconf), and leaves
 * it. A place where none can be made keeps it from that; it says so in a warning and goes on.
 */
static int init_without_directory(struct xf_eal_args *args)
{
    const char *old = getenv("RUNTIME_DIRECTORY");
    char *saved = old ? strdup(old) : NULL;
    int rc;

    setenv("RUNTIME_DIRECTORY", NOWHERE, 1);
    rc = rte_eal_init(args->argc, args->argv);
    if (saved)
        setenv("RUNTIME_DIRECTORY", saved, 1);
    else
        unsetenv("RUNTIME_DIRECTORY");
    free(saved);
    return rc < 0 ? -rte_errno : 0;
}

/* Why DPDK has no port of that name although it started. */
static void explain_missing(const struct xf_port_spec *spec, const struct xf_dpdk_host *host,
                            const char *port, bool no_huge, char err[XF_DPDK_ERR_BYTES])
{
    if (spec->kind->missing)
        spec->kind->missing(port, host, no_huge, err, XF_DPDK_ERR_BYTES);
    else
        snprintf(err, XF_DPDK_ERR_BYTES, "port %s: DPDK cannot use it%s%s%s", port,
                 host->root ? "" : " (not root)", eal.error[0] ? ": " : "", eal.error);
}

static unsigned first_cpu(const cpu_set_t *set)
{
    for (unsigned i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, set))
            return i;
    return 0;
}

/* For `ports` of them, of which this is the first. */
static int start(const char *port, unsigned ports, unsigned queues, char err[XF_DPDK_ERR_BYTES])
{
    struct xf_port_spec spec;
    struct xf_dpdk_host host;
    struct xf_eal_args args = {0};
    struct xf_eal_wish wish = {.spec = &spec, .queues = queues ? queues : 1, .ports = ports};
    const char *level = getenv("XF_DPDK_LOG");
    cpu_set_t cpus;
    uint16_t id;
    int rc;

    err[0] = 0;
    xf_dpdk_forget_errors();
    if (eal.started) {
        snprintf(err, XF_DPDK_ERR_BYTES, "DPDK is running already in this process");
        return -EALREADY;
    }
    rc = xf_spec_parse(&spec, port);
    if (rc) {
        snprintf(err, XF_DPDK_ERR_BYTES,
                 "'%s' is not a port: name a PCI address, a kernel interface or a vdev string",
                 port ? port : "");
        return rc;
    }
    if (spec.kernel_if[0]) {
        rc = xf_kernel_if_mtu(spec.kernel_if, &wish.if_mtu);
        if (rc) {
            snprintf(err, XF_DPDK_ERR_BYTES, "no network interface %s on this host",
                     spec.kernel_if);
            return rc;
        }
    }
    if (spec.kind->probe_start) {
        struct xf_found found;

        rc = spec.kind->probe_start(&spec, wish.if_mtu, wish.queues, &found);
        if (rc) {
            snprintf(err, XF_DPDK_ERR_BYTES, "port %.24s: %.150s%s%.60s", port, found.why,
                     found.fix[0] ? "; fix: " : "", found.fix);
            return rc;
        }
    }

    xf_dpdk_probe_host(&host);
    CPU_ZERO(&cpus);
    if (sched_getaffinity(0, sizeof(cpus), &cpus))
        CPU_SET(0, &cpus);
    wish.cpu = first_cpu(&cpus);
    wish.log_level = level && *level ? level : "warning";

    rc = open_log();
    if (rc)
        goto out;
    rc = xf_eal_args_build(&args, &host, &wish);
    if (rc)
        goto out;

    xf_dpdk_quiet(true);
    rc = init_without_directory(&args);
    /* DPDK has put this thread on one CPU; whom the scheduler had placed anywhere should stay so.
     */
    sched_setaffinity(0, sizeof(cpus), &cpus);
    if (rc) {
        snprintf(err, XF_DPDK_ERR_BYTES, "port %s: DPDK does not start: %s", port,
                 eal.error[0] ? eal.error : strerror(-rc));
        goto out;
    }
    eal.started = true;
    eal.goes_with_memory = spec.kind->goes_with_memory;
    if (rte_eth_dev_get_port_by_name(spec.device, &id)) {
        explain_missing(&spec, &host, port, args.no_huge, err);
        rc = -ENODEV;
        xf_dpdk_stop();
    }

out:
    xf_dpdk_quiet(false);
    xf_eal_args_free(&args);
    if (rc && !err[0])
        snprintf(err, XF_DPDK_ERR_BYTES, "port %s: DPDK does not start: %s", port, strerror(-rc));
    return rc;
}

int xf_dpdk_start(const char *port, unsigned queues, char err[XF_DPDK_ERR_BYTES])
{
    return start(port, 1, queues, err);
}

static int add_vdev(const char *port, char err[XF_DPDK_ERR_BYTES])
{
    struct xf_port_spec spec;
    int rc = xf_spec_parse(&spec, port);

    xf_dpdk_quiet(true);
    rc = rc ?: rte_dev_probe(port);
    xf_dpdk_quiet(false);
    if (rc)
        snprintf(err, XF_DPDK_ERR_BYTES, "port %s: DPDK cannot use it%s%s", port,
                 eal.error[0] ? ": " : "", eal.error);
    return rc;
}

int xf_dpdk_start_vdevs(const char *const *ports, unsigned n, unsigned queues,
                        char err[XF_DPDK_ERR_BYTES])
{
    int rc = start(ports[0], n, queues, err);

    for (unsigned i = 1; i < n && !rc; i++)
        rc = add_vdev(ports[i], err);
    if (rc)
        xf_dpdk_stop();
    return rc;
}

const char *xf_dpdk_first_error(void)
{
    return eal.error;
}

void xf_dpdk_forget_errors(void)
{
    eal.error[0] = 0;
}

const char *xf_dpdk_version(void)
{
    return rte_version();
}

/* What runs on the interrupt thread, one at a time: it is woken by an event of its own. */
static struct {
    struct rte_intr_handle *handle;
    int event_fd;
    void (*_Atomic what)(void *); /* who takes it, runs it */
    void *arg;
    sem_t done;
} alone;

static void run_alone(void *arg)
{
    void (*what)(void *) = atomic_exchange(&alone.what, NULL);
    eventfd_t n;

    (void)arg;
    eventfd_read(alone.event_fd, &n);
    if (!what)
        return;
    what(alone.arg);
    sem_post(&alone.done);
}

static bool make_event(void)
{
    if (alone.handle)
        return true;
    alone.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    alone.handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
    if (alone.event_fd >= 0 && alone.handle && !rte_intr_fd_set(alone.handle, alone.event_fd) &&
        !rte_intr_type_set(alone.handle, RTE_INTR_HANDLE_EXT) &&
        !rte_intr_callback_register(alone.handle, run_alone, NULL))
        return true;
    rte_intr_instance_free(alone.handle);
    alone.handle = NULL;
    if (alone.event_fd >= 0)
        close(alone.event_fd);
    return false;
}

/* False: that thread does not come to it, and will not. */
static bool on_interrupt_thread(void (*what)(void *), void *arg)
{
    struct timespec until;
    int rc;

    alone.arg = arg;
    alone.what = what;
    if (!make_event() || sem_init(&alone.done, 0, 0) || eventfd_write(alone.event_fd, 1))
        return false;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ALONE_S;
    do
        rc = sem_clockwait(&alone.done, CLOCK_MONOTONIC, &until);
    while (rc && errno == EINTR);
    if (rc && atomic_exchange(&alone.what, NULL))
        return false;
    /* It has begun: what it uses must last until it is through. */
    while (rc)
        rc = sem_wait(&alone.done);
    return true;
}

void xf_dpdk_alone(void (*what)(void *), void *arg)
{
    if (!on_interrupt_thread(what, arg))
        what(arg);
}

/* The interrupt thread does not come back from this. */
static void halt(void *arg)
{
    (void)arg;
    sem_post(&alone.done);
    for (;;)
        pause();
}

void xf_dpdk_stop(void)
{
    if (!eal.started)
        return;
    /* The clean-up wakes the interrupt thread, which would look for the reason in memory that is
       gone by then. */
    on_interrupt_thread(halt, NULL);
    rte_eal_cleanup();
    eal.started = false;
}

bool xf_dpdk_port_goes_with_memory(void)
{
    return eal.goes_with_memory && !rte_eal_has_hugepages();
}

void xf_dpdk_leave(void)
{
    if (rte_eal_has_hugepages())
        xf_dpdk_stop();
    eal.started = false;
}
