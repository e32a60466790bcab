/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ports.h"

#include <pthread.h>
#include <signal.h>

#include "../../dpdk/port.h"
#include "../../transport/fault.h"
#include "../../transport/faultlink.h"

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
#endif

int xf_ports_open(struct xf_link **out, const struct xf_config *config, char err[256])
{
    struct xf_port_config port = {
        .port = config->port,
        .ipv4 = config->ipv4,
        .udp_port = config->udp_port,
        .queues = config->queues,
        .mtu = config->mtu,
    };
    sigset_t all, before;

    /* DPDK's threads inherit the mask. The helper's SIGTERM must reach a thread that is in a system
       call on io_fd, not one of theirs. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err[0] = 0;
    int rc = xf_dpdk_start(config->port, config->queues ? config->queues : 1, err);
    if (!rc)
        rc = xf_port_open(out, &port, err);
    if (!rc)
        rc = wrap(out);
    if (rc)
        xf_dpdk_stop();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

void xf_ports_close(struct xf_link *link)
{
    if (link)
        link = unwrap(link);
    if (link)
        link->ops->close(link);
    xf_dpdk_stop();
}
