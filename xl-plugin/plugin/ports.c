/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports: locks the port, starts the EAL, opens the port, and closes it beside the caller's work. */
#include "ports.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dpdk/host.h"
#include "dpdk/port.h"
#include "dpdk/thread.h"
#include "transport/base/clock.h"
#include "transport/base/fault.h"
#include "transport/sim/faultlink.h"
#include "linger.h"
#include "portcheck.h"
#include "portlock.h"
#include "say.h"

_Static_assert(XF_DPDK_ERR_BYTES == 256, "the size that ports.h promises");

#ifdef XF_FAULTS
static int link_state(void *arg)
{
    (void)arg;
    return xf_fault_link();
}

/* So that faults can cut the link. */
static int wrap(struct xf_link **link)
{
    struct xf_link *port = *link;
    int rc = xf_faultlink_new(link, port, &(struct xf_fault_config){.state = link_state});

    if (rc)
        port->ops->close(port);
    return rc;
}

static struct xf_link *unwrap(struct xf_link *link)
{
    struct xf_link *below = xf_faultlink_below(link);

    link->ops->close(link);
    return below;
}
static struct xf_link *port_of(struct xf_link *link)
{
    return xf_faultlink_below(link);
}
#else
static int wrap(struct xf_link **link)
{
    (void)link;
    return 0;
}

static struct xf_link *unwrap(struct xf_link *link)
{
    return link;
}

static struct xf_link *port_of(struct xf_link *link)
{
    return link;
}
#endif

/* As long as it may take the migration before this one to leave. */
#define LOCK_WAIT_MS 5000u

/* Of the process, as the EAL that it guards is. */
static int lock_fd = -1;

/* Likewise: the lanes of the port that is open, and where their threads are to run. */
static unsigned open_lanes;
static struct xf_cpu_list open_cpus;

static unsigned lanes_of(const struct xf_config *config)
{
    struct xf_dpdk_host host;

    xf_dpdk_probe_host(&host);
    return xf_portcheck_lanes("/sys", config->port, &host, config->lanes).n;
}

static int lock(const char *port, char err[256])
{
    pid_t holder = 0;
    int fd = xf_portlock_take(port, LOCK_WAIT_MS, &holder);

    if (fd == -EBUSY)
        snprintf(err, 256, "port %.100s: another migration has it (process %d): try again after it",
                 port, (int)holder);
    else if (fd < 0)
        snprintf(err, 256, "port %.100s: cannot be locked in /run/xl-fast: %s", port,
                 strerror(-fd));
    if (fd < 0)
        return fd;
    lock_fd = fd;
    return 0;
}

static void unlock(void)
{
    if (lock_fd >= 0)
        close(lock_fd);
    lock_fd = -1;
}

#define DONE SIGUSR2 /* to the watch, from the thread that opens */

/* A port may take 20 s, in DPDK's hands, to come up. Nothing of the guest has been touched then,
   and libxl's SIGTERM, which the handler of the save helper would turn into a failed write later,
   ends the helper at once; so does a restore helper, whose domain libxl destroys. */
static void *watch_main(void *arg)
{
    sigset_t wanted;
    int sig = 0;

    (void)arg;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, DONE);
    while (sigwait(&wanted, &sig))
        continue;
    if (sig == SIGTERM) {
        xf_say("cancelled while the port came up: nothing was touched");
        _exit(1);
    }
    return NULL;
}

int xf_ports_open(struct xf_link **out, const struct xf_config *config, char err[256])
{
    struct xf_port_config port = {
        .port = config->port,
        .ipv4 = config->ipv4,
        .udp_port = config->udp_port,
        .queues = lanes_of(config),
        .fewer = !config->lanes, /* that many are only what sysfs suggests */
        .mtu = config->mtu,
    };
    sigset_t all, before;
    pthread_t watch;

    /* DPDK's threads inherit the mask. The helper's SIGTERM must reach a thread that is in a system
       call on io_fd, not one of theirs. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err[0] = 0;
    bool watched = !pthread_create(&watch, NULL, watch_main, NULL);
    int rc = lock(config->port, err);
    if (rc)
        goto out;
    rc = xf_dpdk_start(config->port, port.queues, err);
    if (!rc)
        rc = xf_port_open(out, &port, err);
    if (!rc) {
        open_lanes = (*out)->queues;
        open_cpus = config->cpus;
        rc = wrap(out);
    }
    if (rc) {
        xf_dpdk_stop();
        unlock();
    }
out:
    if (watched) {
        pthread_kill(watch, DONE);
        pthread_join(watch, NULL);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int xf_ports_beside(struct xf_link **out, struct xf_link *link)
{
    return xf_port_beside(out, port_of(link));
}

static void close_port(struct xf_link *link, bool leave)
{
    if (link)
        link = unwrap(link);
    if (link && !(leave && xf_dpdk_port_goes_with_memory()))
        link->ops->close(link);
    if (leave)
        xf_dpdk_leave();
    else
        xf_dpdk_stop();
    unlock();
}

void xf_ports_close(struct xf_link *link)
{
    close_port(link, xf_lingers());
}

void xf_ports_close_whole(struct xf_link *link)
{
    close_port(link, false);
}

static pthread_t closer;
static bool closing;
static uint64_t closing_us;

static void *close_main(void *link)
{
    uint64_t before = xf_now_us();

    xf_ports_close(link);
    closing_us = xf_now_us() - before;
    return NULL;
}

void xf_ports_close_begin(struct xf_link *link)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    closing = !pthread_create(&closer, NULL, close_main, link);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!closing)
        close_main(link);
}

uint64_t xf_ports_close_end(void)
{
    if (closing)
        pthread_join(closer, NULL);
    closing = false;
    return closing_us;
}

struct xf_threads xf_ports_threads(void)
{
    return xf_dpdk_threads(open_lanes, &open_cpus);
}
