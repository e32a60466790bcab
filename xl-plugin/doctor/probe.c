/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast probe: what this host has for xl migrate --fast. Ports, memory and DPDK are looked at
 * here; what only Xen and its libraries know comes from xl-fast-preflight, the program that the xl
 * shim asks too, so that xl-fast itself needs none of them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "dpdk/eal.h"
#include "dpdk/lanes.h"
#include "dpdk/probe.h"
#include "transport/offer.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/cli/memory.h"
#include "ask_preflight.h"

#define PORTS_MAX 256u

struct probe {
    const char *sysfs;
    char name[256]; /* of the host */
    struct xf_dpdk_host host;
    uint64_t memory_kib; /* that programs can have here */
    struct xf_found ports[PORTS_MAX];
    unsigned ports_n;
    /* By xl-fast-preflight; "" where it does not say. */
    bool asked;
    char xen[32], free_kib[32], configured[256], address[64], mtu[16], lanes[16],
        why[XF_PREFLIGHT_WHY_BYTES];
    char fix[XF_FOUND_FIX_BYTES]; /* what why says */
    bool ok;
};

static const char *kind(const struct probe *p)
{
    return !p->host.xen ? "bare" : p->host.pv_dom0 ? "pv" : "pvh";
}

static void take(void *arg, const char *key, const char *value)
{
    struct probe *p = arg;
    const struct {
        const char *key;
        char *to;
        size_t size;
    } answers[] = {
        {"xen", p->xen, sizeof(p->xen)},
        {"free_kib", p->free_kib, sizeof(p->free_kib)},
        {"configured", p->configured, sizeof(p->configured)},
        {"address", p->address, sizeof(p->address)},
        {"mtu", p->mtu, sizeof(p->mtu)},
        {"lanes", p->lanes, sizeof(p->lanes)},
        {"why", p->why, sizeof(p->why)},
        {"fix", p->fix, sizeof(p->fix)},
    };

    for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (!strcmp(key, answers[i].key))
            snprintf(answers[i].to, answers[i].size, "%s", value);
    if (!strcmp(key, "fast"))
        p->ok = !strcmp(value, "ok");
}

static void ask_preflight(struct probe *p)
{
    static const char *const args[] = {"host", NULL};
    char why[XF_PREFLIGHT_WHY_BYTES];
    int rc = xf_preflight_ask(args, take, p, why);

    p->asked = rc != -ENOENT;
    if (rc && !p->why[0])
        strcpy(p->why, why);
}

static unsigned usable_ports(const struct probe *p)
{
    unsigned n = 0;

    for (unsigned i = 0; i < p->ports_n; i++)
        n += p->ports[i].usable;
    return n;
}

/* ---- as text ------------------------------------------------------------------------------ */

static void print_ports(const struct probe *p)
{
    printf("\n%-14s %-14s %5s %-5s %6s  %s\n", "port", "driver", "mtu", "link", "queues", "");
    for (unsigned i = 0; i < p->ports_n; i++) {
        const struct xf_found *port = &p->ports[i];
        char mtu[16] = "", queues[16] = "";

        if (port->mtu)
            snprintf(mtu, sizeof(mtu), "%u", port->mtu);
        if (port->queues)
            snprintf(queues, sizeof(queues), "%u", port->queues);
        printf("%-14s %-14s %5s %-5s %6s  ", port->name, port->driver[0] ? port->driver : "-", mtu,
               port->pci    ? ""
               : port->link ? "up"
               : port->up   ? "none"
                            : "down",
               queues);
        if (port->usable) {
            struct xf_lanes lanes = xf_lanes_of(p->sysfs, port);

            printf("port = \"%s\" # %u lane%s: %s\n", port->name, lanes.n, lanes.n == 1 ? "" : "s",
                   lanes.why);
        } else {
            printf("no: %s%s%s\n", port->why, port->fix[0] ? "; fix: " : "", port->fix);
        }
    }
}

static void print_text(const struct probe *p)
{
    const char *domain = p->free_kib[0] ? "dom0" : "domain"; /* Xen answers to dom0 only */

    printf("host      %s: ", p->name);
    if (p->host.xen)
        printf("%s %s", p->host.pv_dom0 ? "PV" : "PVH or HVM", domain);
    else
        printf("no Xen");
    if (p->xen[0])
        printf(", Xen %s", p->xen);
    printf("; xl-fast protocol %d, %s\n", XF_PROTOCOL_VERSION, xf_dpdk_version());
    printf("memory    ");
    if (p->free_kib[0])
        printf("%llu MiB free in Xen for guests, ", strtoull(p->free_kib, NULL, 10) >> 10);
    printf("%" PRIu64 " MiB available here, %" PRIu64 " free hugepages of 2 MiB%s\n",
           p->memory_kib >> 10, p->host.hugepages_free,
           p->host.pv_dom0 ? " (a PV dom0 has none)" : "");
    printf("ready     ");
    if (p->ok)
        printf("port %s, address %s%s%s%s%s\n", p->configured, p->address,
               strtoul(p->mtu, NULL, 10) ? ", MTU " : "", strtoul(p->mtu, NULL, 10) ? p->mtu : "",
               p->lanes[0] ? ", lanes " : "", p->lanes);
    else
        printf("no: %s%s%s\n", p->why, p->fix[0] ? "; fix: " : "", p->fix);
    print_ports(p);
}

/* ---- as JSON ------------------------------------------------------------------------------ */

static void put_string(struct json_object *to, const char *key, const char *value)
{
    json_object_object_add(to, key, value[0] ? xf_json_text(value) : NULL);
}

static void put_number(struct json_object *to, const char *key, uint64_t value)
{
    json_object_object_add(to, key, json_object_new_uint64(value));
}

static void put_bool(struct json_object *to, const char *key, bool value)
{
    json_object_object_add(to, key, json_object_new_boolean(value));
}

static struct json_object *port_object(const char *sysfs, const struct xf_found *port)
{
    struct xf_lanes lanes = xf_lanes_of(sysfs, port);
    struct json_object *o = json_object_new_object();

    put_string(o, "name", port->name);
    put_string(o, "type", port->pci ? "pci" : "interface");
    put_string(o, "driver", port->driver);
    put_string(o, port->pci ? "interface" : "device", port->other);
    if (!port->pci) {
        put_number(o, "mtu", port->mtu);
        put_bool(o, "up", port->up);
        put_bool(o, "link", port->link);
        put_number(o, "queues", port->queues);
        put_number(o, "speed_bps", (uint64_t)port->speed_mbps * 1000000);
    }
    put_number(o, "lanes", lanes.n);
    put_string(o, "lanes_why", lanes.why);
    put_bool(o, "usable", port->usable);
    put_string(o, "why", port->why);
    put_string(o, "fix", port->fix);
    return o;
}

static void print_json(const struct probe *p)
{
    struct json_object *o = json_object_new_object(), *ports = json_object_new_array();

    put_bool(o, "ready", p->ok);
    put_string(o, "why", p->why);
    put_string(o, "fix", p->fix);
    put_string(o, "host", p->name);
    put_string(o, "kind", kind(p));
    put_string(o, "xen", p->xen);
    put_number(o, "protocol", XF_PROTOCOL_VERSION);
    put_string(o, "dpdk", xf_dpdk_version());
    put_number(o, "memory_available_bytes", p->memory_kib * 1024);
    put_number(o, "hugepages_free", p->host.hugepages_free);
    if (p->free_kib[0])
        put_number(o, "xen_free_bytes", strtoull(p->free_kib, NULL, 10) * 1024);
    put_string(o, "port", p->configured);
    put_string(o, "address", p->address);
    json_object_object_add(
        o, "lanes", p->lanes[0] ? json_object_new_uint64(strtoull(p->lanes, NULL, 10)) : NULL);
    for (unsigned i = 0; i < p->ports_n; i++)
        json_object_array_add(ports, port_object(p->sysfs, &p->ports[i]));
    json_object_object_add(o, "ports", ports);
    printf("%s\n",
           json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                 JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
}

/* ------------------------------------------------------------------------------------------- */

struct options {
    const char *sysfs;
    bool json;
};

static const struct xf_option options[] = {
    {.name = "json", .to = offsetof(struct options, json), .help = "one JSON object"},
    {.name = "sysfs",
     .value = "DIR",
     .kind = XF_OPTION_TEXT,
     .to = offsetof(struct options, sysfs),
     .help = "look there instead of /sys (for tests)"},
    {0},
};

const struct xf_command xf_command_probe = {
    .name = "probe",
    .summary = "what this host has for a fast migration, and what is missing",
    .about =
        "What this host has for xl migrate --fast: its kind, versions, memory, and which network\n"
        "interfaces and PCI devices can be the port, with what to write in xl-fast.conf. The\n"
        "line `ready` says whether the configuration works, and if not, why.\n",
    .options = options,
    .done = "ready (without the Xen part: a port is usable)",
    .failed = "not",
    .run = xf_cli_probe,
};

int xf_cli_probe(int argc, char **argv)
{
    struct options given = {.sysfs = "/sys"};
    struct xf_operands operands;
    int status = xf_options_parse(&xf_command_probe, &given, argc, argv, &operands);
    struct probe *p;

    if (status != XF_GO_ON)
        return status;
    p = calloc(1, sizeof(*p));
    if (!p) {
        fprintf(stderr, "xl-fast probe: %s\n", strerror(ENOMEM));
        return XF_EXIT_FAILED;
    }
    p->sysfs = given.sysfs;
    gethostname(p->name, sizeof(p->name) - 1);
    xf_dpdk_probe_host_at(given.sysfs, &p->host);
    p->memory_kib = xf_memory_available_kib();
    p->ports_n = xf_probe_ports(given.sysfs, &p->host, p->ports, PORTS_MAX);
    ask_preflight(p);
    if (given.json)
        print_json(p);
    else
        print_text(p);
    bool good = p->asked ? p->ok : usable_ports(p) > 0;
    free(p);
    return good ? XF_EXIT_OK : XF_EXIT_FAILED;
}
