/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preflight, config: prints the errors of xl-fast.conf, or each key with its origin and value. */
#include "preflight_config.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpdk/port.h"
#include "xl-plugin/plugin/config.h"
#include "xl-plugin/plugin/portcheck.h"

#define VALUE_BYTES 300

static void say_error(void *arg, const char *line)
{
    (void)arg;
    printf("error=%s\n", line);
}

/* As it would stand in the file, but for a value with both kinds of quotes, which has no such form.
 */
static void quote(char value[VALUE_BYTES], const char *text)
{
    char mark = strchr(text, '"') ? '\'' : '"';

    snprintf(value, VALUE_BYTES, "%c%s%c", mark, text, mark);
}

static void quote_address(char value[VALUE_BYTES], const struct xf_config *c)
{
    struct in_addr in = {.s_addr = htonl(c->ipv4)};
    char ip[INET_ADDRSTRLEN] = "", text[INET_ADDRSTRLEN + 4];

    inet_ntop(AF_INET, &in, ip, sizeof(ip));
    snprintf(text, sizeof(text), "%s/%u", ip, c->prefix);
    quote(value, text);
}

/* Whole numbers only, in the largest unit that leaves one. */
static void quote_rate(char value[VALUE_BYTES], uint64_t bytes_per_s)
{
    static const char *const units[] = {"", "k", "M", "G"};
    uint64_t bits = bytes_per_s * 8;
    unsigned unit = 0;
    char text[32];

    for (; unit < 3 && bits % 1000 == 0; unit++)
        bits /= 1000;
    snprintf(text, sizeof(text), "%" PRIu64 "%s", bits, units[unit]);
    quote(value, text);
}

static void put(char value[VALUE_BYTES], uint64_t number)
{
    snprintf(value, VALUE_BYTES, "%" PRIu64, number);
}

/* In force: by the port, if none are set. */
static unsigned lanes_of(const struct xf_config *c)
{
    const char *sysfs = getenv("XL_FAST_SYSFS");
    struct xf_dpdk_host host;

    if (!sysfs || !*sysfs)
        sysfs = "/sys";
    xf_dpdk_probe_host_at(sysfs, &host);
    return xf_portcheck_lanes(sysfs, c->port, &host, c->lanes).n;
}

static void value_of(const struct xf_config *c, enum xf_config_key key, char value[VALUE_BYTES])
{
    char list[VALUE_BYTES - 2];

    value[0] = 0;
    switch (key) {
    case XF_KEY_PORT:
        quote(value, c->port);
        break;
    case XF_KEY_ADDRESS:
        quote_address(value, c);
        break;
    case XF_KEY_UDP_PORT:
        put(value, c->udp_port ? c->udp_port : XF_UDP_PORT_DEFAULT);
        break;
    case XF_KEY_LANES:
        put(value, lanes_of(c));
        break;
    case XF_KEY_CPUS:
        if (c->cpus.n)
            quote(value, xf_cpu_list_show(&c->cpus, list, sizeof(list)));
        break;
    case XF_KEY_MTU:
        if (c->mtu)
            put(value, c->mtu);
        break;
    case XF_KEY_CONNECT_TIMEOUT:
        put(value, c->connect_timeout_s);
        break;
    case XF_KEY_MAX_DOWNTIME:
        put(value, c->max_downtime_us / 1000);
        break;
    case XF_KEY_ON_BUSY:
        quote(value, xf_on_busy_name(c->on_busy));
        break;
    case XF_KEY_DEADLINE:
        if (c->deadline_s)
            put(value, c->deadline_s);
        break;
    case XF_KEY_THROTTLE:
        put(value, c->throttle);
        break;
    case XF_KEY_BANDWIDTH:
        if (c->bandwidth_bytes_per_s)
            quote_rate(value, c->bandwidth_bytes_per_s);
        break;
    case XF_KEY_COMPRESS:
        quote(value, xf_compress_mode_name(c->compress));
        break;
    case XF_KEY_VERIFY:
        put(value, c->verify);
        break;
    case XF_KEY_HAND_OVER:
        quote(value, c->hand_over_late ? "late" : "auto");
        break;
    case XF_KEY_ANNOUNCE:
        put(value, c->announce);
        break;
    case XF_KEY_LIBVIRT:
        quote(value, xf_config_unasked_name(c->libvirt));
        break;
    case XF_KEY_STOCK_HELPER:
        if (c->stock_helper[0])
            quote(value, c->stock_helper);
        break;
    case XF_KEYS:
        break;
    }
}

void xf_preflight_config(const char *path)
{
    struct xf_config c;

    printf("file=%s\n", path && *path ? path : xf_config_path());
    if (xf_config_check(&c, path, say_error, NULL))
        return;
    for (unsigned key = 0; key < XF_KEYS; key++) {
        char value[VALUE_BYTES];

        value_of(&c, (enum xf_config_key)key, value);
        printf("set=%s %s %s\n", xf_config_key_names[key],
               c.from_environment & 1u << key ? "environment"
               : c.from_file & 1u << key      ? "file"
                                              : "default",
               value);
    }
    printf("fast=ok\n");
}
