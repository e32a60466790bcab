/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry: the two functions of libxenguest that the library stands in for, and the choice between
 * ours and the stock one. Ours runs only where all of this holds; everything else goes to the stock
 * function untouched:
 *
 *     the environment asks for it (XL_FAST=1), or xl-fast.conf does for toolstacks that do not
 *     (libvirt); the stream is plain (no Remus, no COLO), and io_fd is not a file (xl save, xl
 *     restore)
 *
 * An HVM or PVH guest's memory is ours to read and build; a PV guest's stays with the stock
 * functions, and goes through the tunnel. Where it was asked for and cannot be (not live), it is
 * refused rather than done slowly.
 *
 * A third function only listens: what libxenguest reports, on its way to libxenctrl (verify.h).
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "begun.h"
#include "cap.h"
#include "config.h"
#include "disks_gate.h"
#include "guest_source.h"
#include "linger.h"
#include "marks.h"
#include "readers.h"
#include "restore.h"
#include "save.h"
#include "say.h"
#include "xl-plugin/plugin/pv/tunnel_restore.h"
#include "xl-plugin/plugin/pv/tunnel_save.h"
#include "unsteady.h"
#include "verify.h"
#include "xen_domain.h"

/* Xen 4.22 has added a last parameter to xc_domain_restore(); xenguest.h carries no version, so the
   domctls' tells them apart. */
#if XEN_DOMCTL_INTERFACE_VERSION >= 0x18
#define MEMFLAGS_PARAMETER , unsigned int memflags
#define MEMFLAGS(value)    , (value)
#else
#define MEMFLAGS_PARAMETER
#define MEMFLAGS(value)
#endif

typedef int save_fn(xc_interface *, int, uint32_t, uint32_t, struct save_callbacks *,
                    xc_stream_type_t, int);
typedef int restore_fn(xc_interface *, int, uint32_t, unsigned int, unsigned long *, uint32_t,
                       unsigned int, unsigned long *, uint32_t, xc_stream_type_t,
                       struct restore_callbacks *, int MEMFLAGS_PARAMETER);

/* Less than the silence that the target bears (PROTOCOL.md, section 8). */
#define DISKS_LIMIT_S    80u
#define DISKS_LIMIT_PV_S 25u

static void *stock_function(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);

    if (!f) {
        xf_say("libxenguest's %s cannot be found: was the library preloaded into something else "
               "than "
               "libxl-save-helper?",
               name);
        errno = ENOSYS;
    }
    return f;
}

enum choice { STOCK, OURS, REFUSED };

/* Of a toolstack that says nothing about xl-fast. */
static enum choice unasked(int io_fd)
{
    struct xf_config config;
    char err[XF_CONFIG_ERR_BYTES];
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    int rc = xf_config_load(&config, NULL, err);

    if (rc && rc != -ENOENT) {
        xf_say("%s", err);
        return REFUSED;
    }
    if (rc || config.libvirt == XF_UNASKED_OFF)
        return STOCK;
    if (config.libvirt == XF_UNASKED_ANY || getsockname(io_fd, (struct sockaddr *)&address, &len) ||
        address.ss_family == AF_UNIX)
        return OURS;
    xf_say(
        "the toolstack's own connection is plain TCP, and who listens there could read the key of "
        "the memory's: use virsh migrate --p2p --tunnelled (or set libvirt = \"any\" "
        "in " XF_CONFIG_PATH " if that network is yours alone)");
    return REFUSED;
}

static enum choice choose(int io_fd, xc_stream_type_t stream_type)
{
    const char *fast = getenv("XL_FAST");
    struct stat st;

    if (stream_type != XC_STREAM_PLAIN || fstat(io_fd, &st) || S_ISREG(st.st_mode))
        return STOCK;
    /* The pump has taken what is ours from the stream. */
    if (fast && !strcmp(fast, "early"))
        return STOCK;
    return fast && !strcmp(fast, "1") ? OURS : unasked(io_fd);
}

/* Of a migration of ours, at either end. */
static void begin(void)
{
    /* The helper leaves it at its default, and the peer's end may close at any time. */
    signal(SIGPIPE, SIG_IGN);
    xf_linger_start();
}

/* -errno to libxc's way. */
static int answer(int rc)
{
    if (!rc)
        return 0;
    errno = -rc;
    return -1;
}

struct stock_save_arguments {
    save_fn *stock;
    xc_interface *xch;
    uint32_t dom;
    uint32_t flags;
    int recv_fd;
    struct xf_cap cap;
};

static int call_stock_save(void *arg, int io_fd, bool verify, struct save_callbacks *callbacks)
{
    const struct stock_save_arguments *a = arg;
    uint32_t flags = a->flags | (verify ? XCFLAGS_DEBUG : 0);

    return a->stock(a->xch, io_fd, a->dom, flags, callbacks, XC_STREAM_PLAIN, a->recv_fd);
}

static int unsteady_pv(void *arg, uint64_t pages[XF_UNSTEADY_MAX])
{
    const struct stock_save_arguments *a = arg;

    return xf_unsteady_pv(a->xch, a->dom, pages);
}

static int throttle_pv(void *arg, unsigned percent)
{
    struct stock_save_arguments *a = arg;

    return xf_cap_throttle(&a->cap, percent);
}

static bool ended_pv(void *arg, char text[XF_ENDED_BYTES])
{
    const struct stock_save_arguments *a = arg;
    xc_interface *own = xc_interface_open(NULL, NULL, 0); /* the stock function uses the other */
    bool ended = own && xf_ended(own, a->dom, text);

    if (own)
        xc_interface_close(own);
    return ended;
}

static int alone_pv(void *arg, char why[256])
{
    const struct stock_save_arguments *a = arg;

    return xf_reader_check_pv(a->xch, a->dom, why);
}

static int save_pv(struct stock_save_arguments *a, int io_fd, struct save_callbacks *callbacks)
{
    int version = xc_version(a->xch, XENVER_version, NULL);
    struct xf_tunnel_save save = {
        .io_fd = io_fd,
        .domid = a->dom,
        .xen_major = (uint32_t)version >> 16,
        .xen_minor = (uint32_t)version & 0xffff,
        .callbacks = callbacks,
        .verify = a->flags & XCFLAGS_DEBUG,
        .stock = call_stock_save,
        .unsteady = unsteady_pv,
        .throttle = throttle_pv,
        .ended = ended_pv,
        .alone = alone_pv,
        .arg = a,
        .port = &xf_tunnel_dpdk_port,
    };

    return version < 0 ? -errno : xf_tunnel_save_run(&save);
}

int xc_domain_save(xc_interface *xch, int io_fd, uint32_t dom, uint32_t flags,
                   struct save_callbacks *callbacks, xc_stream_type_t stream_type, int recv_fd)
{
    save_fn *stock = stock_function("xc_domain_save");
    struct save_callbacks marked, gated;
    struct xf_xen_domain domain;

    if (!stock)
        return -1;
    callbacks = xf_marks_wrap(&marked, callbacks);
    switch (choose(io_fd, stream_type)) {
    case STOCK:
        return stock(xch, io_fd, dom, flags, callbacks, stream_type, recv_fd);
    case REFUSED:
        return answer(-EPERM);
    case OURS:
        break;
    }

    int rc = xf_xen_domain(xch, dom, &domain);
    if (rc) {
        xf_say("source: domain %u: %s", dom, strerror(-rc));
        return answer(rc);
    }
    if (!(flags & XCFLAGS_LIVE)) {
        xf_say("source: domain %u: --fast moves running guests only", dom);
        return answer(-EOPNOTSUPP);
    }
    begin();
    callbacks =
        xf_disks_gate_wrap(&gated, callbacks, domain.hvm ? DISKS_LIMIT_S : DISKS_LIMIT_PV_S);
    if (!domain.hvm) {
        struct stock_save_arguments arguments = {
            .stock = stock,
            .xch = xch,
            .dom = dom,
            .flags = flags,
            .recv_fd = recv_fd,
            .cap = {.xch = xch, .domid = dom},
        };

        return answer(save_pv(&arguments, io_fd, callbacks));
    }
    return answer(xf_save_run(xch, io_fd, dom, flags & XCFLAGS_DEBUG, callbacks));
}

/* libxenctrl's, by which libxenguest says what went wrong. Its prototype is private. */
void xc_report_error(xc_interface *xch, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void xc_report_error(xc_interface *xch, int code, const char *format, ...)
{
    void (*next)(xc_interface *, int, const char *, ...) = stock_function("xc_report_error");
    char line[1024]; /* as libxenctrl's own */
    int saved = errno;
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    xf_verify_report(line);
    errno = saved;
    if (next)
        next(xch, code, "%s", line);
}

/* libxenctrl's, in whose place the library has this one by the linker's --defsym: Xen's own save of
   a PV guest turns the dirty log off at its end, which must not be if it is another's by then. */
int xf_shadow_control(xc_interface *xch, uint32_t domid, unsigned int sop, unsigned int *mb,
                      unsigned int mode);

int xf_shadow_control(xc_interface *xch, uint32_t domid, unsigned int sop, unsigned int *mb,
                      unsigned int mode)
{
    int (*next)(xc_interface *, uint32_t, unsigned int, unsigned int *, unsigned int) =
        stock_function("xc_shadow_control");

    struct xf_xen_domain domain;

    /* One that has begun since we looked; not while the guest waits for us. */
    if (sop == XEN_DOMCTL_SHADOW_OP_OFF && !xf_xen_domain(xch, domid, &domain) &&
        !domain.shutdown && xf_reader_find("/proc", domid) > 0)
        xf_reader_leave_log(true);
    if (sop == XEN_DOMCTL_SHADOW_OP_OFF && xf_reader_log_is_left())
        return 0;
    return next ? next(xch, domid, sop, mb, mode) : -1;
}

struct stock_arguments {
    restore_fn *stock;
    xc_interface *xch;
    uint32_t dom;
    unsigned int store_evtchn;
    unsigned long *store_mfn;
    uint32_t store_domid;
    unsigned int console_evtchn;
    unsigned long *console_mfn;
    uint32_t console_domid;
    int send_back_fd;
#if XEN_DOMCTL_INTERFACE_VERSION >= 0x18
    unsigned int memflags;
#endif
};

static int call_stock_restore(void *arg, int io_fd, struct restore_callbacks *callbacks)
{
    const struct stock_arguments *a = arg;

    return a->stock(a->xch, io_fd, a->dom, a->store_evtchn, a->store_mfn, a->store_domid,
                    a->console_evtchn, a->console_mfn, a->console_domid, XC_STREAM_PLAIN, callbacks,
                    a->send_back_fd MEMFLAGS(a->memflags));
}

int xc_domain_restore(xc_interface *xch, int io_fd, uint32_t dom, unsigned int store_evtchn,
                      unsigned long *store_mfn, uint32_t store_domid, unsigned int console_evtchn,
                      unsigned long *console_mfn, uint32_t console_domid,
                      xc_stream_type_t stream_type, struct restore_callbacks *callbacks,
                      int send_back_fd MEMFLAGS_PARAMETER)
{
    restore_fn *stock = stock_function("xc_domain_restore");
    struct xf_xen_domain domain;

    if (!stock)
        return -1;
    switch (choose(io_fd, stream_type)) {
    case STOCK:
        return xf_marks_restored(stock(xch, io_fd, dom, store_evtchn, store_mfn, store_domid,
                                       console_evtchn, console_mfn, console_domid, stream_type,
                                       callbacks, send_back_fd MEMFLAGS(memflags)));
    case REFUSED:
        return answer(-EPERM);
    case OURS:
        break;
    }

    struct stock_arguments arguments = {
        .stock = stock,
        .xch = xch,
        .dom = dom,
        .store_evtchn = store_evtchn,
        .store_mfn = store_mfn,
        .store_domid = store_domid,
        .console_evtchn = console_evtchn,
        .console_mfn = console_mfn,
        .console_domid = console_domid,
        .send_back_fd = send_back_fd,
#if XEN_DOMCTL_INTERFACE_VERSION >= 0x18
        .memflags = memflags,
#endif
    };
    begin();
    xf_say("%s", XF_BEGUN_SAYS);
    int rc = xf_xen_domain(xch, dom, &domain);
    if (rc) {
        xf_say("target: domain %u: %s", dom, strerror(-rc));
        return answer(rc);
    }
    if (!domain.hvm) {
        struct xf_tunnel_restore restore = {
            .io_fd = io_fd,
            .domid = dom,
            .callbacks = callbacks,
            .stock = call_stock_restore,
            .arg = &arguments,
            .port = &xf_tunnel_dpdk_port,
        };

        return xf_marks_restored(answer(xf_tunnel_restore_run(&restore)));
    }
    return xf_marks_restored(
        answer(xf_restore_run(io_fd, dom, callbacks, call_stock_restore, &arguments)));
}
