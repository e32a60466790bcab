/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The preflight's checks of what needs no Xen: our files, the configuration, the port. */
#include "checks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dpdk/args.h"
#include "xl-plugin/doctor/peers.h"
#include "xl-plugin/plugin/portcheck.h"
#include "xl-plugin/plugin/portlock.h"
#include "preflight_question.h"

/* The other files stand beside this program. */
int xf_check_installation(struct xf_preflight *p)
{
    static const struct {
        const char *name;
        int mode;
    } files[] = {{"libxlfast.so", R_OK},  {"xl-fast-pump", X_OK},  {"xl-fast-arrival", X_OK},
                 {"xl-fast-disks", X_OK}, {"xl-fast-clone", X_OK}, {"xl-fast-receive", X_OK},
                 {"xl-fast-helper", X_OK}};
    char path[600], command[640];

    if (!p->lib[0])
        return xf_refuse(p, "cannot tell where xl-fast is installed");
    for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++) {
        snprintf(path, sizeof(path), "%s/%s", p->lib, files[i].name);
        if (access(path, files[i].mode)) {
            xf_fix(p, false, "%s", XF_FIX_INSTALL);
            return xf_refuse(p, "%s: %s", path, strerror(errno));
        }
    }
    snprintf(command, sizeof(command), "'%s' --which >/dev/null 2>&1", path);
    if (strchr(path, '\'') || system(command)) {
        xf_fix(p, false, "editor %s", xf_config_path());
        return xf_refuse(
            p, "Xen's libxl-save-helper cannot be found: set stock_helper in " XF_CONFIG_PATH);
    }
    return xf_pass(p, "%s", p->lib);
}

bool xf_preflight_is_late(void)
{
    struct xf_config config;
    char err[XF_CONFIG_ERR_BYTES];

    return !xf_config_load(&config, NULL, err) && config.hand_over_late;
}

/* The file, beside xl-fast.conf, with which Debian's package leaves Xen's xl in its place
   (scripts/deb/xl-fast-divert). */
static bool is_not_diverted(char *to, size_t size)
{
    const char *conf = xf_config_path(), *slash = strrchr(conf, '/');

    snprintf(to, size, "%.*sxl-fast.no-divert", slash ? (int)(slash + 1 - conf) : 0, conf);
    return !access(to, F_OK);
}

/* Whether `xl` is our shim, by PATH, as a shell would find it; or whether the admin wants Xen's. */
int xf_check_path(struct xf_preflight *p)
{
    static const char link[] = "/usr/local/sbin/xl";
    const char *path = getenv("PATH");
    char found[512] = "", shim[600], not_diverted[600], real[PATH_MAX], ours[PATH_MAX];
    struct stat st;

    snprintf(shim, sizeof(shim), "%s/xl", p->lib);
    for (const char *dir = path ? path : ""; *dir && !found[0];) {
        size_t n = strcspn(dir, ":");

        snprintf(found, sizeof(found), "%.*s/xl", n < 500 ? (int)n : 0, dir);
        if (stat(found, &st) || !S_ISREG(st.st_mode) || access(found, X_OK))
            found[0] = 0;
        dir += n + (dir[n] == ':');
    }
    if (found[0] && realpath(found, real) && realpath(shim, ours) && !strcmp(real, ours))
        return xf_pass(p, "%s is xl-fast's", found);
    if (found[0] && is_not_diverted(not_diverted, sizeof(not_diverted)))
        return xf_pass(p, "%s is Xen's own, by %s: use xl-fast migrate", found, not_diverted);
    if (strcmp(found, link) && !access(shim, X_OK))
        xf_fix(p, false, "ln -s %s %s", shim, link);
    if (!found[0])
        return xf_refuse(p, "there is no xl in PATH");
    return xf_refuse(p, "xl in PATH is %s, which does not know --fast", found);
}

int xf_check_config(struct xf_preflight *p)
{
    char err[XF_CONFIG_ERR_BYTES];

    if (xf_config_load(&p->config, NULL, err)) {
        xf_fix(p, false, "editor %s", xf_config_path());
        return xf_refuse(p, "%s", err);
    }
    struct in_addr in = {.s_addr = htonl(p->config.ipv4)};
    printf("configured=%s\naddress=%s/%u\nbandwidth_bps=%" PRIu64 "\nmax_downtime_us=%" PRIu64 "\n",
           p->config.port, inet_ntoa(in), p->config.prefix, p->config.bandwidth_bytes_per_s * 8,
           p->config.max_downtime_us);
    if (p->config.verify)
        printf("verify=1\n");
    p->configured = true;
    return xf_pass(p, "%s: port %s, address %s/%u", xf_config_path(), p->config.port, inet_ntoa(in),
                   p->config.prefix);
}

static int pass_port(struct xf_preflight *p, const struct xf_found *port, unsigned queues)
{
    char more[80] = "";

    if (!port->name[0])
        return xf_pass(p, "%s: a vdev, of which only DPDK can tell", p->config.port);
    if (port->pci && p->host.hugepages_free)
        snprintf(more, sizeof(more), ", %" PRIu64 " free hugepages of 2 MiB, it takes %u",
                 p->host.hugepages_free, xf_eal_hugepages(queues));
    else if (port->speed_mbps)
        snprintf(more, sizeof(more), ", %d Mbit/s", port->speed_mbps);
    return port->pci ? xf_pass(p, "%s: driver %s%s", port->name, port->driver, more)
                     : xf_pass(p, "%s: driver %s, up, link, MTU %u%s", port->name,
                               port->driver[0] ? port->driver : "none", port->mtu, more);
}

int xf_check_port(struct xf_preflight *p)
{
    const struct xf_config *c = &p->config;
    unsigned queues = xf_portcheck_lanes(p->sysfs, c->port, &p->host, c->lanes).n;
    struct xf_found port;
    char err[256];
    int rc;

    rc = xf_portcheck(p->sysfs, c->port, &p->host, queues, &port, err);
    if (rc) {
        if (port.fix[0])
            xf_fix(p, port.fix_is_safe, "%s", port.fix);
        else if (rc != -ENETDOWN)
            xf_fix(p, false, "editor %s", xf_config_path()); /* another port */
        return xf_refuse(p, "%s", err);
    }
    printf("port=%s\nmtu=%u\nmtu_limit=%u\nspeed_mbps=%d\nlanes=%u\n", c->port, port.mtu, c->mtu,
           port.speed_mbps, queues);
    return pass_port(p, &port, queues);
}

/* Where their threads cannot be is a refusal; that they are too many, a note. */
int xf_check_lanes(struct xf_preflight *p)
{
    const struct xf_config *c = &p->config;
    struct xf_lanes lanes = xf_portcheck_lanes(p->sysfs, c->port, &p->host, c->lanes);
    struct xf_cpu_list online;
    struct xf_found port;
    char err[256], shown[80];

    xf_fix(p, false, "editor %s", xf_config_path());
    xf_cpus_online(p->sysfs, &online);
    for (unsigned i = 0; online.n && i < c->cpus.n; i++)
        if (!xf_cpu_list_has(&online, c->cpus.cpus[i]))
            return xf_refuse(p, "cpus names CPU %u, and this host has CPUs %s", c->cpus.cpus[i],
                             xf_cpu_list_show(&online, shown, sizeof(shown)));
    if (online.n && lanes.n > online.n)
        return xf_note(p, "lanes is %u, and this host has %u CPUs: set lanes = %u or less", lanes.n,
                       online.n, online.n > 2 ? online.n - 1 : 1);
    if (c->cpus.n && lanes.n > c->cpus.n)
        return xf_note(p, "lanes is %u, and cpus names %u: set lanes = %u, or name more", lanes.n,
                       c->cpus.n, c->cpus.n);
    (void)xf_portcheck(p->sysfs, c->port, &p->host, 1, &port, err);
    if (!port.pci && port.queues && lanes.n > port.queues)
        return xf_note(p, "lanes is %u, and %s has %u receive queues: set lanes = %u", lanes.n,
                       port.name, port.queues, port.queues);
    p->fix[0] = 0;
    if (c->cpus.n)
        return xf_pass(p, "%u: %s, on CPUs %s", lanes.n, lanes.why,
                       xf_cpu_list_show(&c->cpus, shown, sizeof(shown)));
    return xf_pass(p, "%u: %s", lanes.n, lanes.why);
}

/* Two hosts that move guests to each other would wait for each other for ever, each with its own
   port: of them the one with the greater address lets go of its own while it waits. */
int xf_check_turn(struct xf_preflight *p)
{
    const char *port = p->config.port;
    struct xf_peer source = {0};
    char attempt[40];
    struct timespec now;
    unsigned before = 0;
    pid_t holder = 0;

    clock_gettime(CLOCK_MONOTONIC, &now);
    xf_question_value(p->question, "attempt", attempt, sizeof(attempt));
    if (attempt[0] && !attempt[strspn(attempt, "0123456789abcdef-")])
        before = xf_turn_ask(port, attempt,
                             (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    if (!xf_portlock_look(port, &holder) && !xf_queue_is_taken(port) && !before)
        return xf_pass(p, "%s is free", port);
    xf_peer_take(&source, "address", p->peer.address);
    printf("busy=%d\nbefore=%u\n", (int)holder, before);
    if (source.ipv4 > p->config.ipv4)
        printf("yield=1\n");
    return xf_note(p, "another migration has %s", port);
}

/* No refusal: others wait for their turn. */
int xf_check_lock(struct xf_preflight *p)
{
    pid_t holder = 0;

    if (!xf_portlock_look(p->config.port, &holder) && !xf_queue_is_taken(p->config.port))
        return xf_pass(p, "no migration has %s", p->config.port);
    if (holder > 0)
        xf_fix(p, false, "tail --pid=%d -f /dev/null", (int)holder);
    if (holder <= 0)
        return xf_note(p,
                       "another migration has %s (xl-fast status at its source): the next one "
                       "waits for its end",
                       p->config.port);
    return xf_note(p,
                   "another migration has %s (process %d; xl-fast status at its source): the next "
                   "one waits for its end, and so does this command",
                   p->config.port, (int)holder);
}
