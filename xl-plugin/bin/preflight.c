/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast-preflight: what can be known before a migration touches anything. The xl shim runs it at
 * both ends, at the target by ssh:
 *
 *     xl-fast-preflight host                 for `xl-fast probe`: all but a guest and a peer
 *     xl-fast-preflight source DOMAIN
 *     xl-fast-preflight target PROTOCOL XEN_VERSION NEED_KIB ADDRESS/PREFIX
 *     xl-fast-preflight config [FILE]        for `xl-fast config` (preflight_config.h)
 *     xl-fast-preflight guests               for `xl-fast evacuate` (preflight_guests.h)
 *
 * It prints key=value lines; of them "busy=PID" if another migration has the port, which passes, so
 * it is no refusal; at last "fast=ok", or "why=" with one line for the user. The exit status is 0
 * for both; 2 for a wrong call.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>
#include <libxlutil.h>

#include "../../dpdk/eal.h"
#include "../../transport/offer.h"
#include "../plugin/config.h"
#include "../plugin/portcheck.h"
#include "../plugin/portlock.h"
#include "preflight_config.h"
#include "preflight_guests.h"

#define XL_CONF "/etc/xen/xl.conf"

struct preflight {
    xentoollog_logger_stdiostream *logger;
    libxl_ctx *ctx;
    struct xf_config config;
    unsigned mtu;
};

/* The line that the user gets. Returns -1, for the caller to return. */
__attribute__((format(printf, 1, 2))) static int refuse(const char *format, ...)
{
    char host[256] = "?";
    va_list args;

    gethostname(host, sizeof(host) - 1);
    printf("why=%s: ", host);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    return -1;
}

static int open_xen(struct preflight *p)
{
    p->logger = xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (!p->logger || libxl_ctx_alloc(&p->ctx, LIBXL_VERSION, 0, (xentoollog_logger *)p->logger))
        return refuse("cannot reach Xen: not running as root in dom0?");
    return 0;
}

static void close_xen(struct preflight *p)
{
    if (p->ctx)
        libxl_ctx_free(p->ctx);
    if (p->logger)
        xtl_logger_destroy((xentoollog_logger *)p->logger);
}

/* Our own files stand beside this one. */
static int check_installation(void)
{
    char dir[512], path[600], command[640];
    ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

    if (n <= 0)
        return refuse("cannot tell where xl-fast is installed");
    dir[n] = 0;
    *strrchr(dir, '/') = 0;
    snprintf(path, sizeof(path), "%s/libxlfast.so", dir);
    if (access(path, R_OK))
        return refuse("%s: %s", path, strerror(errno));
    snprintf(path, sizeof(path), "%s/xl-fast-receive", dir);
    if (access(path, X_OK))
        return refuse("%s: %s", path, strerror(errno));
    snprintf(path, sizeof(path), "%s/xl-fast-helper", dir);
    if (access(path, X_OK))
        return refuse("%s: %s", path, strerror(errno));
    snprintf(command, sizeof(command), "'%s' --which >/dev/null 2>&1", path);
    if (strchr(path, '\'') || system(command))
        return refuse(
            "Xen's libxl-save-helper is not to be found: set stock_helper in " XF_CONFIG_PATH);
    return 0;
}

static int check_port(struct preflight *p)
{
    struct xf_dpdk_host host;
    char err[256];

    if (xf_config_load(&p->config, NULL, err))
        return refuse("%s", err);
    printf("configured=%s\n", p->config.port);
    xf_dpdk_probe_host(&host);
    if (xf_portcheck("/sys", p->config.port, &host, p->config.queues ? p->config.queues : 1,
                     &p->mtu, err))
        return refuse("%s", err);

    struct in_addr in = {.s_addr = htonl(p->config.ipv4)};
    printf("port=%s\naddress=%s/%u\nmtu=%u\n", p->config.port, inet_ntoa(in), p->config.prefix,
           p->mtu);

    pid_t holder = 0;
    if (xf_portlock_look(p->config.port, &holder))
        printf("busy=%d\n", (int)holder);
    return 0;
}

static int print_versions(struct preflight *p)
{
    const libxl_version_info *v = libxl_get_version_info(p->ctx);

    if (!v)
        return refuse("cannot ask Xen for its version");
    printf("protocol=%d\nxen=%d.%d\n", XF_PROTOCOL_VERSION, v->xen_version_major,
           v->xen_version_minor);
    return 0;
}

/* A PV guest's writes are logged by shadow paging and nothing else. Debian builds Xen without it
   since 4.17.7, and stock xl migrate then fails with "Failed to enable logdirty". */
static int check_logdirty(struct preflight *p, const char *name, const libxl_dominfo *info)
{
    libxl_physinfo physinfo;
    int rc = 0;

    if (info->domain_type != LIBXL_DOMAIN_TYPE_PV)
        return 0;
    libxl_physinfo_init(&physinfo);
    if (libxl_get_physinfo(p->ctx, &physinfo))
        rc = refuse("cannot ask Xen what it can do");
    else if (!physinfo.cap_shadow)
        rc = refuse(
            "domain '%s' is a PV guest, and Xen here has no shadow paging to log its writes with: "
            "plain xl migrate cannot move it either (\"Failed to enable logdirty\")",
            name);
    libxl_physinfo_dispose(&physinfo);
    return rc;
}

static int check_domain(struct preflight *p, const char *name)
{
    libxl_domain_config config;
    libxl_dominfo info;
    uint32_t domid;
    uint64_t need_kib = 0;
    int rc = 0;

    if (libxl_domain_qualifier_to_domid(p->ctx, name, &domid))
        return refuse("there is no domain '%s'", name);

    libxl_dominfo_init(&info);
    libxl_domain_config_init(&config);
    if (libxl_domain_info(p->ctx, &info, domid))
        rc = refuse("domain '%s': cannot ask Xen about it", name);
    else if (domid == 0)
        rc = refuse("dom0 cannot be moved");
    else if (info.shutdown || info.dying)
        rc = refuse("domain '%s' is not running", name);
    else if (xf_preflight_need(p->ctx, domid, &config, &need_kib))
        rc = refuse("domain '%s': cannot tell how much memory it needs", name);
    else if (check_logdirty(p, name, &info))
        rc = -1;
    else
        printf("domid=%u\nuuid=" LIBXL_UUID_FMT "\nname=%s\ntype=%s\nneed_kib=%" PRIu64 "\n", domid,
               LIBXL_UUID_BYTES(info.uuid), config.c_info.name,
               libxl_domain_type_to_string(info.domain_type), need_kib);
    libxl_domain_config_dispose(&config);
    libxl_dominfo_dispose(&info);
    return rc;
}

/* Whether xl here will shrink dom0 to make room, by xl.conf and Xen's command line, as xl decides.
 */
static bool xl_makes_room(struct preflight *p)
{
    XLU_Config *cfg = xlu_cfg_init(stderr, XL_CONF);
    const char *text = "auto";
    bool makes_room = true;
    regex_t dom0_mem;

    if (!cfg)
        return true;
    if (!xlu_cfg_readfile(cfg, XL_CONF))
        xlu_cfg_get_string(cfg, "autoballoon", &text, 1);
    if (!strcmp(text, "off") || !strcmp(text, "0")) {
        makes_room = false;
    } else if (!strcmp(text, "auto")) {
        const libxl_version_info *v = libxl_get_version_info(p->ctx);

        if (v && !regcomp(&dom0_mem, "(^| )dom0_mem=((|min:|max:)[0-9]+[bBkKmMgG]?,?)+($| )",
                          REG_NOSUB | REG_EXTENDED)) {
            makes_room = regexec(&dom0_mem, v->commandline, 0, NULL, 0) == REG_NOMATCH;
            regfree(&dom0_mem);
        }
    }
    xlu_cfg_destroy(cfg);
    return makes_room;
}

static int check_memory(struct preflight *p, uint64_t need_kib)
{
    uint64_t free_kib;

    if (libxl_get_free_memory(p->ctx, &free_kib))
        return refuse("cannot ask Xen for its free memory");
    printf("free_kib=%" PRIu64 "\n", free_kib);
    if (free_kib < need_kib && !xl_makes_room(p))
        return refuse("not enough free memory: the guest needs %" PRIu64 " MiB, %" PRIu64
                      " MiB are free",
                      (need_kib + 1023) >> 10, free_kib >> 10);
    return 0;
}

static int check_peer(struct preflight *p, const char *protocol, const char *xen,
                      const char *address)
{
    const libxl_version_info *v = libxl_get_version_info(p->ctx);
    char ip[INET_ADDRSTRLEN] = "";
    unsigned prefix = 0;
    int major = 0, minor = 0;
    struct in_addr in;

    if (atoi(protocol) != XF_PROTOCOL_VERSION)
        return refuse(
            "speaks protocol %d of xl-fast, the source %s: install the same version at both "
            "ends",
            XF_PROTOCOL_VERSION, protocol);
    if (sscanf(xen, "%d.%d", &major, &minor) != 2)
        return refuse("the source's Xen version '%s' is none", xen);
    /* Xen promises nothing for this direction. 4.17, for one, refuses the context of an HVM or PVH
       guest that a later one has saved (its LAPIC record has grown), and that only after all of its
       memory has come. */
    if (v && (v->xen_version_major < major ||
              (v->xen_version_major == major && v->xen_version_minor < minor)))
        return refuse(
            "runs Xen %d.%d, older than the source's %s: Xen does not move guests to older "
            "versions (plain xl migrate: \"Unable to restore HVM context\")",
            v->xen_version_major, v->xen_version_minor, xen);
    if (sscanf(address, "%15[0-9.]/%2u", ip, &prefix) != 2 || inet_pton(AF_INET, ip, &in) != 1 ||
        prefix < 1 || prefix > 32)
        return refuse("the source's address '%s' is none", address);

    uint32_t mask = UINT32_MAX << (32 - p->config.prefix), theirs = ntohl(in.s_addr);
    if (theirs == p->config.ipv4)
        return refuse("has the same address %s as the source on the migration link", ip);
    if ((theirs & mask) != (p->config.ipv4 & mask))
        return refuse(
            "the source's address %s is not in the network of %s here: the migration link "
            "does not route",
            address, p->config.port);
    return 0;
}

int main(int argc, char **argv)
{
    struct preflight p = {0};
    bool only_host = argc == 2 && !strcmp(argv[1], "host");
    bool guests = argc == 2 && !strcmp(argv[1], "guests");
    bool source = argc == 3 && !strcmp(argv[1], "source");
    bool target = argc == 6 && !strcmp(argv[1], "target");

    if ((argc == 2 || argc == 3) && !strcmp(argv[1], "config")) {
        xf_preflight_config(argv[2]);
        return 0;
    }
    if (!source && !target && !only_host && !guests) {
        fprintf(stderr, "usage: xl-fast-preflight host\n"
                        "       xl-fast-preflight source DOMAIN\n"
                        "       xl-fast-preflight target PROTOCOL XEN NEED_KIB ADDRESS/PREFIX\n"
                        "       xl-fast-preflight config [FILE]\n"
                        "       xl-fast-preflight guests\n");
        return 2;
    }
    int rc = open_xen(&p);
    if (guests) {
        if (!rc && xf_preflight_guests(p.ctx))
            refuse("cannot list the domains");
        close_xen(&p);
        return 0;
    }
    rc = rc ?: print_versions(&p);
    if (only_host)
        rc = rc ?: check_memory(&p, 0);
    if (source)
        rc = rc ?: check_domain(&p, argv[2]);
    rc = rc ?: check_installation();
    rc = rc ?: check_port(&p);
    if (target) {
        rc = rc ?: check_peer(&p, argv[2], argv[3], argv[5]);
        rc = rc ?: check_memory(&p, strtoull(argv[4], NULL, 10));
    }
    if (!rc)
        printf("fast=ok\n");
    close_xen(&p);
    return 0;
}
