/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast-arrival UUID PID: watches and announces the guest of that UUID that the process PID, its
 * parent, is about to receive (arrival.h). xl-fast-receive starts it, and waits for nothing of it.
 * It is said on stderr, which is ssh's. Whether guests are announced, xl-fast.conf says (announce).
 *
 * Of the guest it takes Xen's word (its UUID, whether it is paused) and the toolstack's nodes of
 * xenstore, /libxl/DOMID, which the guest cannot write.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenstore.h>

#include "arrival.h"
#include "xl-plugin/plugin/config.h"
#include "xl-plugin/plugin/newcomer.h"

struct xen {
    xc_interface *xch;
    struct xs_handle *xs;
    struct xf_newcomer newcomer;
    bool started; /* it has its name: not looked at again */
};

/* ---- the domain ---------------------------------------------------------------------------- */

static int find(void *arg)
{
    const struct xen *x = arg;
    xc_domaininfo_t info;

    return xf_newcomer_find(&x->newcomer, &info) ? -1 : (int)info.domain;
}

/* A value of xenstore, cut to the size; "": there is none. */
static void read_node(struct xen *x, char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void read_node(struct xen *x, char *to, size_t size, const char *format, ...)
{
    char path[128], *value;
    va_list args;

    va_start(args, format);
    vsnprintf(path, sizeof(path), format, args);
    va_end(args);
    value = xs_read(x->xs, XBT_NULL, path, NULL);
    snprintf(to, size, "%s", value ? value : "");
    free(value);
}

/* xl takes --incoming off the name just before it unpauses the guest, and not before it was told
   to: who unpauses it by hand has not started it. */
static bool is_incoming(struct xen *x, int domid)
{
    static const char ending[] = "--incoming";
    char name[512];
    size_t n;

    read_node(x, name, sizeof(name), "/local/domain/%d/name", domid);
    n = strlen(name);
    return n >= sizeof(ending) - 1 && !strcmp(name + n - (sizeof(ending) - 1), ending);
}

static enum xf_guest_state look(void *arg, int domid)
{
    struct xen *x = arg;
    xc_domaininfo_t info;
    const uint32_t halted = XEN_DOMINF_dying | XEN_DOMINF_shutdown;

    if (xc_domain_getinfolist(x->xch, (uint32_t)domid, 1, &info) != 1 ||
        info.domain != (domid_t)domid ||
        memcmp(info.handle, x->newcomer.uuid, sizeof(info.handle)) != 0 || (info.flags & halted))
        return XF_GUEST_GONE;
    if (info.flags & XEN_DOMINF_paused)
        return x->started ? XF_GUEST_RUNS : XF_GUEST_WAITS; /* paused later, by somebody */
    x->started = x->started || !is_incoming(x, domid);
    return x->started ? XF_GUEST_RUNS : XF_GUEST_WAITS;
}

/* ---- its interfaces ------------------------------------------------------------------------ */

static bool read_nic(struct xen *x, int domid, const char *devid, struct xf_nic *nic)
{
    char mac[64], backend[128], *end;
    unsigned long id = strtoul(devid, &end, 10);

    *nic = (struct xf_nic){.devid = (unsigned)id};
    if (!*devid || *end || id > UINT16_MAX)
        return false;
    read_node(x, backend, sizeof(backend), "/libxl/%d/device/vif/%lu/backend", domid, id);
    read_node(x, mac, sizeof(mac), "/libxl/%d/device/vif/%lu/mac", domid, id);
    read_node(x, nic->ip, sizeof(nic->ip), "/libxl/%d/device/vif/%lu/ip", domid, id);
    read_node(x, nic->name, sizeof(nic->name), "/libxl/%d/device/vif/%lu/vifname", domid, id);
    /* One of a driver domain is not in this dom0. */
    return !strncmp(backend, "/local/domain/0/", 16) && xf_mac_read(nic->mac, mac);
}

static unsigned nics(void *arg, int domid, struct xf_nic to[XF_NICS_MAX])
{
    struct xen *x = arg;
    char path[64], **names;
    unsigned n = 0, found = 0;

    snprintf(path, sizeof(path), "/libxl/%d/device/vif", domid);
    names = xs_directory(x->xs, XBT_NULL, path, &n);
    for (unsigned i = 0; names && i < n && found < XF_NICS_MAX; i++)
        found += read_nic(x, domid, names[i], &to[found]);
    free(names);
    return found;
}

/* -------------------------------------------------------------------------------------------- */

/* Nobody waits for it: what cannot be written at once is not said. */
static void tell(void *arg, const char *line)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    char text[XF_ARRIVAL_BYTES + 1];
    int n = snprintf(text, sizeof(text), "%s\n", line);

    (void)arg;
    if (poll(&out, 1, 0) != 1 || out.revents != POLLOUT ||
        write(STDERR_FILENO, text, (size_t)n) < n)
        errno = 0;
}

static bool is_announced(void)
{
    struct xf_config config;
    char err[XF_CONFIG_ERR_BYTES];

    /* A file that is wrong has ended the move already. */
    return xf_config_load(&config, NULL, err) || config.announce;
}

static int usage(void)
{
    fprintf(stderr, "usage: xl-fast-arrival UUID PID\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct xf_arrival_guest guest = {.find = find, .look = look, .nics = nics};
    struct xen x = {0};
    struct xf_arrival a = {.guest = &guest, .tell = tell, .arg = &x, .receiver = -1};
    pid_t parent = argc == 3 ? (pid_t)strtol(argv[2], NULL, 10) : 0;
    int rc;

    if (parent <= 1)
        return usage();
    signal(SIGPIPE, SIG_IGN);
    a.receiver = (int)syscall(SYS_pidfd_open, parent, 0);
    if (a.receiver < 0 || getppid() != parent)
        return 1; /* it has ended already */
    x.xch = xc_interface_open(NULL, NULL, 0);
    x.xs = xs_open(0);
    if (!x.xch || !x.xs)
        return 1;
    rc = xf_newcomer_begin(&x.newcomer, x.xch, argv[1]);
    if (rc)
        return rc == -EINVAL ? usage() : 1; /* the UUID is none */
    a.announce = is_announced();
    return xf_arrival_run(&a) ? 1 : 0;
}
