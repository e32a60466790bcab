/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Peers: parses the answers of two hosts, and compares protocol, Xen, addresses, MTU, CPU and
 * clock.
 */
#include "peers.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dpdk/spec.h"
#include "xl-plugin/cli/number.h"

#define CLOCK_MS  2000u /* that two clocks may differ by */
#define NAMES_MAX 12u   /* of features that are missing */
#define CONF      "/etc/xen/xl-fast.conf"
#define TEXT(...) snprintf(f->text, sizeof(f->text), __VA_ARGS__)
#define FIX(...)  snprintf(f->fix, sizeof(f->fix), __VA_ARGS__)

/* ---- answers ------------------------------------------------------------------------------- */

static void take_u32(const char *value, unsigned *to)
{
    uint64_t v;

    if (!xf_number_u64(value, 0, UINT32_MAX, &v))
        *to = (unsigned)v;
}

static void take_u64(const char *value, uint64_t *to)
{
    uint64_t v;

    if (!xf_number_u64(value, 0, INT64_MAX, &v))
        *to = v;
}

static void take_text(const char *value, char *to, size_t size)
{
    if (strlen(value) < size)
        strcpy(to, value);
}

/* Digits first; what an end says goes to a terminal, and into no command. */
static void take_version(const char *value, char to[32])
{
    if (value[0] >= '0' && value[0] <= '9' && strlen(value) < 32 &&
        strspn(value, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+~-") ==
            strlen(value))
        strcpy(to, value);
}

static void take_xen(struct xf_peer *p, const char *value)
{
    unsigned major, minor;
    int end = 0;

    if (sscanf(value, "%4u.%4u%n", &major, &minor, &end) == 2 && !value[end]) {
        p->xen_major = major;
        p->xen_minor = minor;
    }
}

static void take_address(struct xf_peer *p, const char *value)
{
    char ip[INET_ADDRSTRLEN] = "";
    unsigned prefix = 0;
    int end = 0;
    struct in_addr in;

    if (sscanf(value, "%15[0-9.]/%2u%n", ip, &prefix, &end) == 2 && !value[end] &&
        inet_pton(AF_INET, ip, &in) == 1 && prefix >= 1 && prefix <= 32) {
        p->ipv4 = ntohl(in.s_addr);
        p->prefix = prefix;
    }
}

void xf_peer_take(struct xf_peer *p, const char *key, const char *value)
{
    if (!strcmp(key, "protocol"))
        take_u32(value, &p->protocol);
    else if (!strcmp(key, "version"))
        take_version(value, p->version);
    else if (!strcmp(key, "xen"))
        take_xen(p, value);
    else if (!strcmp(key, "address"))
        take_address(p, value);
    else if (!strcmp(key, "port"))
        take_text(value, p->port, sizeof(p->port));
    else if (!strcmp(key, "mtu"))
        take_u32(value, &p->mtu);
    else if (!strcmp(key, "mtu_limit"))
        take_u32(value, &p->mtu_limit);
    else if (!strcmp(key, "clock_ms"))
        take_u64(value, &p->clock_ms);
    else if (!strcmp(key, "cpu"))
        take_text(value, p->cpu, sizeof(p->cpu));
    else if (!strcmp(key, "speed_mbps"))
        take_u32(value, &p->speed_mbps);
    else if (!strcmp(key, "lanes"))
        take_u32(value, &p->lanes);
    else if (!strcmp(key, "bandwidth_bps"))
        take_u64(value, &p->bandwidth_bps);
    else if (!strcmp(key, "max_downtime_us"))
        take_u64(value, &p->max_downtime_us);
    else if (!strcmp(key, "verify"))
        p->verify = !strcmp(value, "1");
    else if (!strcmp(key, "type"))
        p->pv = !strcmp(value, "pv");
    else if (!strcmp(key, "memory_kib"))
        take_u64(value, &p->memory_kib);
}

/* ---- what both ends have to have in common --------------------------------------------------- */

/* Whether both have said it. */
static bool begin(struct xf_finding *f, bool known)
{
    memset(f, 0, sizeof(*f));
    f->state = known ? XF_FINDING_FAIL : XF_FINDING_UNKNOWN;
    return known;
}

/* Three numbers; false: that is none, or has none. */
static bool numbers_of(const char *version, unsigned n[3])
{
    return sscanf(version, "%4u.%4u.%4u", &n[0], &n[1], &n[2]) == 3;
}

/* Which is the older, where one has no number that is before all that do. */
static bool is_older(const char *a, const char *b)
{
    unsigned x[3] = {0}, y[3] = {0};

    if (!numbers_of(a, x) || !numbers_of(b, y))
        return !a[0] && b[0];
    for (unsigned i = 0; i < 3; i++)
        if (x[i] != y[i])
            return x[i] < y[i];
    return strcmp(a, b) < 0;
}

static const char *name_of(const char *version)
{
    return version[0] ? version : "older than " XF_PEERS_FIRST_VERSION;
}

void xf_peers_version(const struct xf_peer *source, const struct xf_peer *target,
                      struct xf_finding *f)
{
    const char *here = source->version, *there = target->version;
    unsigned x[3], y[3];

    if (!begin(f, source->protocol && target->protocol))
        return;
    if (here[0] && !strcmp(here, there)) {
        f->state = XF_FINDING_OK;
        TEXT("has the same xl-fast, %s", there);
    } else if (numbers_of(here, x) && numbers_of(there, y) && x[0] && y[0]) {
        f->state = XF_FINDING_OK;
        TEXT("has xl-fast %s, the source %s: these work together", there, here);
    } else {
        FIX("%s", XF_FIX_INSTALL);
        f->fix_at_source = is_older(here, there);
        TEXT("has xl-fast %s, the source %s: before 1.0.0 different versions do not work together: "
             "install the same one at both ends",
             name_of(there), name_of(here));
    }
}

void xf_peers_protocol(const struct xf_peer *source, const struct xf_peer *target,
                       struct xf_finding *f)
{
    if (!begin(f, source->protocol && target->protocol))
        return;
    if (source->protocol != target->protocol) {
        FIX("%s", XF_FIX_INSTALL);
        f->fix_at_source = source->protocol < target->protocol;
        TEXT("speaks protocol %u of xl-fast, the source %u: install the same version at both ends",
             target->protocol, source->protocol);
        return;
    }
    f->state = XF_FINDING_OK;
    TEXT("speaks the same protocol of xl-fast, %u", target->protocol);
}

/* Xen promises nothing for this direction. 4.17, for one, refuses the context of an HVM or PVH
   guest that a later one has saved (its LAPIC record has grown), and that only after all of its
   memory has come. */
void xf_peers_xen(const struct xf_peer *source, const struct xf_peer *target, struct xf_finding *f)
{
    if (!begin(f, source->xen_major && target->xen_major))
        return;
    if (target->xen_major < source->xen_major ||
        (target->xen_major == source->xen_major && target->xen_minor < source->xen_minor)) {
        TEXT("runs Xen %u.%u, older than the source's %u.%u: Xen does not move guests to older "
             "versions (plain xl migrate: \"Unable to restore HVM context\")",
             target->xen_major, target->xen_minor, source->xen_major, source->xen_minor);
        return;
    }
    f->state = XF_FINDING_OK;
    TEXT("runs Xen %u.%u, not older than the source's %u.%u", target->xen_major, target->xen_minor,
         source->xen_major, source->xen_minor);
}

void xf_peers_network(const struct xf_peer *source, const struct xf_peer *target,
                      struct xf_finding *f)
{
    char ip[INET_ADDRSTRLEN];
    struct in_addr in = {.s_addr = htonl(source->ipv4)};

    if (!begin(f, source->prefix && target->prefix))
        return;
    inet_ntop(AF_INET, &in, ip, sizeof(ip));
    FIX("editor " CONF);
    uint32_t mask = UINT32_MAX << (32 - target->prefix);
    if (source->ipv4 == target->ipv4) {
        TEXT("has the same address %s as the source on the migration link", ip);
    } else if ((source->ipv4 & mask) != (target->ipv4 & mask)) {
        TEXT("the source's address %s is not in the network of %s here: the migration link does "
             "not route",
             ip, target->port);
    } else {
        f->state = XF_FINDING_OK;
        f->fix[0] = 0;
        TEXT("is in one network with the source's %s", ip);
    }
}

/* What a migration has, as far as it is known before DPDK has started. */
static unsigned usable_mtu(const struct xf_peer *p)
{
    return p->mtu_limit && (!p->mtu || p->mtu_limit < p->mtu) ? p->mtu_limit : p->mtu;
}

void xf_peers_mtu(const struct xf_peer *source, const struct xf_peer *target, struct xf_finding *f)
{
    unsigned here = usable_mtu(source), there = usable_mtu(target);

    if (!begin(f, here && there))
        return;
    if (here == there) {
        f->state = XF_FINDING_OK;
        TEXT("has the source's MTU, %u", there);
        return;
    }
    const struct xf_peer *low = here < there ? source : target;
    const struct xf_peer *high = here < there ? target : source;
    struct xf_port_spec spec;

    /* Where its frames have to fit a page, no MTU of the other end's may be one that it can be
       given. */
    xf_spec_parse(&spec, low->port);
    const struct xf_peer *changed = spec.kind && spec.kind->mtu_at_most ? high : low;

    f->fix_at_source = changed == source;
    xf_spec_parse(&spec, changed->port);
    if (low->mtu == usable_mtu(low) && spec.kernel_if[0])
        FIX("ip link set %.15s mtu %u", spec.kernel_if, usable_mtu(changed == low ? high : low));
    else
        FIX("editor " CONF);
    TEXT("has an MTU of %u, the source of %u: migrations use the smaller, and where a switch "
         "between them does too, none works",
         there, here);
}

static bool has_word(const char *words, const char *word, size_t n)
{
    for (const char *at = words; *at; at += *at == ' ') {
        size_t len = strcspn(at, " ");

        if (len == n && !memcmp(at, word, n))
            return true;
        at += len;
    }
    return false;
}

void xf_peers_cpu(const struct xf_peer *source, const struct xf_peer *target, struct xf_finding *f)
{
    char names[300] = "";
    unsigned missing = 0;
    size_t used = 0;

    if (!begin(f, source->cpu[0] && target->cpu[0]))
        return;
    for (const char *at = source->cpu; *at; at += *at == ' ') {
        size_t len = strcspn(at, " ");

        if (len && !has_word(target->cpu, at, len)) {
            if (missing++ < NAMES_MAX && used + len + 2 < sizeof(names))
                used += (size_t)sprintf(names + used, " %.*s", (int)len, at);
        }
        at += len;
    }
    if (!missing) {
        f->state = XF_FINDING_OK;
        TEXT("gives guests all CPU features that the source does");
        return;
    }
    TEXT("gives guests fewer CPU features than the source: without%s%s (a guest that was started "
         "with them may fail; cpuid in its xl.cfg leaves them out)",
         names, missing > NAMES_MAX ? " ..." : "");
}

void xf_peers_clock(const struct xf_peer *target, uint64_t from_ms, uint64_t until_ms,
                    struct xf_finding *f)
{
    uint64_t t = target->clock_ms;

    if (!begin(f, t))
        return;
    uint64_t off = t < from_ms ? from_ms - t : t > until_ms ? t - until_ms : 0;

    if (off <= CLOCK_MS) {
        f->state = XF_FINDING_OK;
        TEXT("has the source's time, to %u seconds", CLOCK_MS / 1000);
        return;
    }
    FIX("timedatectl set-ntp true");
    TEXT("has a clock that is %llu s %s: a guest that moves takes over its host's",
         (unsigned long long)(off / 1000), t < from_ms ? "slow" : "fast");
}
