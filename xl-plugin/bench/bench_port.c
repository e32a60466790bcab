/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bench, port: takes port, address and MTU from the order or from xl-fast.conf, and starts DPDK. */
#include "bench_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "xl-plugin/demo/ends.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/doctor/ask_preflight.h"

/* xl-fast.conf, by what xl-fast-preflight says of it: only that knows how Xen's files are read. */
struct config {
    struct xf_bench_port *port;
    char *why;
};

/* KEY ORIGIN VALUE, and texts in quotes. */
static void take_key(struct xf_bench_port *p, const char *words)
{
    char key[32], text[256] = "";
    struct in_addr in;
    uint64_t mtu;

    if (sscanf(words, "%31s %*s %255[^\n]", key, text) < 2)
        return;
    size_t n = strlen(text);
    if (n >= 2 && text[n - 1] == text[0]) {
        text[n - 1] = 0;
        memmove(text, text + 1, n - 1);
    }
    if (!strcmp(key, "port")) {
        snprintf(p->name, sizeof(p->name), "%s", text);
    } else if (!strcmp(key, "address")) {
        text[strcspn(text, "/")] = 0;
        if (inet_pton(AF_INET, text, &in) == 1)
            p->memif.ipv4 = ntohl(in.s_addr);
    } else if (!strcmp(key, "mtu") && !p->memif.mtu && !xf_number_u64(text, 1, UINT32_MAX, &mtu)) {
        p->memif.mtu = (uint32_t)mtu;
    }
}

static void take(void *arg, const char *key, const char *value)
{
    struct config *c = arg;

    if (!strcmp(key, "set"))
        take_key(c->port, value);
    else if (!strcmp(key, "error") && !c->why[0])
        snprintf(c->why, BENCH_WHY_BYTES, "%s", value);
}

static int read_config(struct xf_bench_port *p, char why[BENCH_WHY_BYTES])
{
    static const char *const args[] = {"config", NULL};
    char asked[XF_PREFLIGHT_WHY_BYTES] = "";
    struct config c = {.port = p, .why = why};

    why[0] = 0;
    if (xf_preflight_ask(args, take, &c, asked))
        snprintf(why, BENCH_WHY_BYTES, "%.200s; or name both ports: see --source-port", asked);
    else if (!why[0] && !p->name[0])
        snprintf(why, BENCH_WHY_BYTES, "xl-fast.conf names no port: see xl-fast probe");
    return why[0] ? -EINVAL : 0;
}

int xf_bench_port_start(struct xf_bench_port *p, const struct xf_bench_order *order, bool server,
                        char why[BENCH_WHY_BYTES])
{
    char err[XF_DPDK_ERR_BYTES];
    int rc = xf_ends_enter_netns(order->netns);

    if (rc) {
        snprintf(why, BENCH_WHY_BYTES, "network namespace %.60s: %s", order->netns, strerror(-rc));
        return rc;
    }
    xf_memif_init(&p->memif, server, order->memif, order->queues);
    p->memif.mtu = order->mtu;
    memcpy(p->name, order->port, sizeof(p->name));
    if (!order->memif[0]) {
        if (!p->name[0])
            rc = read_config(p, why);
        if (rc)
            return rc;
        p->memif.port = p->name;
    }
    rc = xf_memif_start(&p->memif, 1, err);
    if (rc)
        snprintf(why, BENCH_WHY_BYTES, "%s", err);
    return rc;
}
