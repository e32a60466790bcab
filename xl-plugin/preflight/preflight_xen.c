/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The preflight's checks of what Xen and its libraries know. */
#include "checks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl_utils.h>
#include <libxlutil.h>
#include <xenctrl.h>

#include <xenguest.h> /* wants xenctrl.h before it */

#include "transport/base/version.h"
#include "transport/offer.h"
#include "xl-plugin/doctor/peers.h"
#include "preflight_question.h"

#define XL_CONF "/etc/xen/xl.conf"
#define XL_LOCK "/var/lock/xl"

int xf_check_xen(struct xf_preflight *p)
{
    const libxl_version_info *v;

    p->logger = xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (!p->logger || libxl_ctx_alloc(&p->ctx, LIBXL_VERSION, 0, (xentoollog_logger *)p->logger)) {
        p->ctx = NULL;
        return xf_refuse(p, "cannot reach Xen: not running as root in dom0?");
    }
    v = libxl_get_version_info(p->ctx);
    if (!v)
        return xf_refuse(p, "cannot ask Xen for its version");
    printf("xen=%d.%d\n", v->xen_version_major, v->xen_version_minor);
    return xf_pass(p, "Xen %d.%d, %s dom0, xl-fast %s, protocol %d", v->xen_version_major,
                   v->xen_version_minor, p->host.pv_dom0 ? "PV" : "PVH", XF_VERSION,
                   XF_PROTOCOL_VERSION);
}

void xf_close_xen(struct xf_preflight *p)
{
    if (p->ctx)
        libxl_ctx_free(p->ctx);
    if (p->logger)
        xtl_logger_destroy((xentoollog_logger *)p->logger);
}

/* A PV guest's writes are logged by shadow paging and nothing else. Debian builds Xen without it
   since 4.17.7, and stock xl migrate then fails with "Failed to enable logdirty". */
static int check_logdirty(struct xf_preflight *p, const char *name, const libxl_dominfo *info)
{
    libxl_physinfo physinfo;
    int rc = 0;

    if (info->domain_type != LIBXL_DOMAIN_TYPE_PV)
        return 0;
    libxl_physinfo_init(&physinfo);
    if (libxl_get_physinfo(p->ctx, &physinfo))
        rc = xf_refuse(p, "cannot ask Xen what it can do");
    else if (!physinfo.cap_shadow)
        rc = xf_refuse(
            p,
            "domain '%s' is a PV guest, and Xen here has no shadow paging to log its writes with: "
            "plain xl migrate cannot move it either (\"Failed to enable logdirty\")",
            name);
    libxl_physinfo_dispose(&physinfo);
    return rc;
}

int xf_check_domain(struct xf_preflight *p)
{
    const char *name = p->domain;
    libxl_domain_config config;
    libxl_dominfo info;
    uint32_t domid;
    uint64_t need_kib = 0;
    int rc = 0;

    if (libxl_domain_qualifier_to_domid(p->ctx, name, &domid))
        return xf_refuse(p, "there is no domain '%s'", name);

    libxl_dominfo_init(&info);
    libxl_domain_config_init(&config);
    if (libxl_domain_info(p->ctx, &info, domid))
        rc = xf_refuse(p, "domain '%s': cannot ask Xen about it", name);
    else if (domid == 0)
        rc = xf_refuse(p, "dom0 cannot be moved");
    else if (info.shutdown || info.dying)
        rc = xf_refuse(p, "domain '%s' is not running", name);
    else if (xf_preflight_need(p->ctx, domid, &config, &need_kib))
        rc = xf_refuse(p, "domain '%s': cannot tell how much memory it needs", name);
    else if (check_logdirty(p, name, &info) || xf_preflight_asks(p, &info, &config))
        rc = -1;
    else
        printf("domid=%u\nuuid=" LIBXL_UUID_FMT "\nname=%s\ntype=%s\nneed_kib=%" PRIu64
               "\nmemory_kib=%" PRIu64 "\n",
               domid, LIBXL_UUID_BYTES(info.uuid), config.c_info.name,
               libxl_domain_type_to_string(info.domain_type), need_kib, info.current_memkb);
    libxl_domain_config_dispose(&config);
    libxl_dominfo_dispose(&info);
    return rc;
}

/* Whether xl here will shrink dom0 to make room, by xl.conf and Xen's command line, as xl decides.
 */
static bool xl_makes_room(struct xf_preflight *p)
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

/* xl makes one domain at a time, whether it is created or received, under a lock (fcntl's) that it
   waits for without a word. */
int xf_check_xl(struct xf_preflight *p)
{
    XLU_Config *cfg = xlu_cfg_init(stderr, XL_CONF);
    const char *path = XL_LOCK;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (cfg && !xlu_cfg_readfile(cfg, XL_CONF))
        xlu_cfg_get_string(cfg, "lockfile", &path, 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool busy = fd >= 0 && !fcntl(fd, F_GETLK, &lock) && lock.l_type != F_UNLCK;

    if (fd >= 0)
        close(fd);
    if (cfg)
        xlu_cfg_destroy(cfg);
    if (!busy)
        return xf_pass(p, "xl is not busy");
    printf("xl_busy=%d\n", (int)lock.l_pid);
    xf_fix(p, false, "tail --pid=%d -f /dev/null", (int)lock.l_pid);
    return xf_note(p,
                   "xl here makes or receives a domain (process %d has its lock): the next one "
                   "waits for that, and so does this command",
                   (int)lock.l_pid);
}

int xf_check_memory(struct xf_preflight *p)
{
    uint64_t free_kib, need_kib = p->peer.need_kib ? strtoull(p->peer.need_kib, NULL, 10) : 0;

    if (libxl_get_free_memory(p->ctx, &free_kib))
        return xf_refuse(p, "cannot ask Xen for its free memory");
    printf("free_kib=%" PRIu64 "\n", free_kib);
    bool makes_room = xl_makes_room(p);
    if (free_kib < need_kib && !makes_room)
        return xf_refuse(
            p, "not enough free memory: the guest needs %" PRIu64 " MiB, %" PRIu64 " MiB are free",
            (need_kib + 1023) >> 10, free_kib >> 10);
    return xf_pass(p, "%" PRIu64 " MiB are free for guests%s", free_kib >> 10,
                   makes_room ? ", and xl shrinks dom0 for more" : "");
}

/* What one end can see of both; the rest `xl-fast doctor` compares by the same functions. */
int xf_check_peer(struct xf_preflight *p)
{
    static xf_peers_compare *const all[] = {xf_peers_version, xf_peers_protocol, xf_peers_xen,
                                            xf_peers_network};
    struct xf_peer source = {0}, here = {0};
    const libxl_version_info *v = libxl_get_version_info(p->ctx);
    struct xf_finding f;
    char text[32], version[64], uuid[37];
    unsigned compares;

    xf_peer_take(&source, "protocol", p->peer.protocol);
    xf_peer_take(&source, "xen", p->peer.xen);
    xf_peer_take(&source, "address", p->peer.address);
    if (!source.protocol)
        return xf_refuse(p, "the source sent an invalid protocol version: '%s'", p->peer.protocol);
    if (!source.xen_major)
        return xf_refuse(p, "the source sent an invalid Xen version: '%s'", p->peer.xen);
    if (!source.prefix)
        return xf_refuse(p, "the source sent an invalid address: '%s'", p->peer.address);
    xf_question_value(p->question, "version", version, sizeof(version));
    xf_peer_take(&source, "version", version);
    /* By -C, nothing of the guest is asked, and its version is not told: the protocol's has to do.
     */
    compares = source.version[0] || xf_question_guest(p->question, uuid) ? 0 : 1;
    here.protocol = XF_PROTOCOL_VERSION;
    xf_peer_take(&here, "version", XF_VERSION);
    snprintf(text, sizeof(text), "%d.%d", v->xen_version_major, v->xen_version_minor);
    xf_peer_take(&here, "xen", text);
    here.ipv4 = p->config.ipv4;
    here.prefix = p->config.prefix;
    xf_peer_take(&here, "port", p->config.port);
    for (unsigned i = compares; i < sizeof(all) / sizeof(*all); i++) {
        all[i](&source, &here, &f);
        if (f.state != XF_FINDING_OK) {
            xf_fix(p, false, "%s", f.fix);
            return xf_refuse(p, "%s", f.text);
        }
    }
    return xf_pass(p, "fits the source");
}

/* ---- CPU features -------------------------------------------------------------------------- */

static const char *feature_name(unsigned bit)
{
    static const char *const names[] = {
#define XEN_CPUFEATURE(name, value) [value] = #name,
#include <xen/arch-x86/cpufeatureset.h>
#undef XEN_CPUFEATURE
    };

    return bit < sizeof(names) / sizeof(*names) ? names[bit] : NULL;
}

static int get_features(xc_interface *xch, uint32_t kind, uint32_t n, uint32_t *words)
{
    uint32_t got = n, any = 0;

    if (xc_get_cpu_featureset(xch, kind, &got, words))
        return -1;
    for (uint32_t i = 0; i < got && i < n; i++)
        any |= words[i];
    return any ? 0 : -1;
}

/* What a guest gets here if its configuration asks for nothing else, by Xen's names. PV guests get
   less; of a host that has no others, what they get. */
int xf_check_cpu(struct xf_preflight *p)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    uint32_t n = xc_get_cpu_featureset_size(), *words = calloc(n ? n : 1, sizeof(*words));
    unsigned count = 0;
    int rc = -1;

    if (xch && words)
        rc = get_features(xch, XEN_SYSCTL_cpu_featureset_hvm, n, words)
                 ? get_features(xch, XEN_SYSCTL_cpu_featureset_pv, n, words)
                 : 0;
    if (!rc) {
        printf("cpu=");
        for (unsigned bit = 0; bit < n * 32; bit++) {
            if (!(words[bit / 32] & 1u << bit % 32))
                continue;
            count++;
            if (feature_name(bit))
                printf("%s ", feature_name(bit));
            else
                printf("%u*32+%u ", bit / 32, bit % 32);
        }
        printf("\n");
    }
    free(words);
    if (xch)
        xc_interface_close(xch);
    return rc ? xf_note(p, "cannot ask Xen for the CPU features that guests get")
              : xf_pass(p, "guests get %u CPU features", count);
}
