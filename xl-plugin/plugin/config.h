/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Config: /etc/xen/xl-fast.conf, in the syntax of xl.conf (libxlutil reads it). A key that does not
 * exist is refused by name, with the nearest one that does: a mistyped limit must not be silently
 * no limit.
 *
 * What one migration may want otherwise overrides the file by environment: XL_FAST_MAX_DOWNTIME,
 * XL_FAST_ON_BUSY, XL_FAST_DEADLINE, XL_FAST_THROTTLE, XL_FAST_BANDWIDTH, XL_FAST_COMPRESS,
 * XL_FAST_CONNECT_TIMEOUT, XL_FAST_VERIFY, XL_FAST_LANES, in the file's units. XL_FAST_CONF names
 * another file.
 */
#ifndef XF_PLUGIN_CONFIG_H
#define XF_PLUGIN_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "transport/base/compress_mode.h"
#include "transport/base/cpu_list.h"
#include "transport/base/on_busy.h"
#include "config_keys.h"

#define XF_CONFIG_PATH      "/etc/xen/xl-fast.conf"
#define XF_CONFIG_ERR_BYTES 256

/* Whether migrations go by xl-fast that its xl did not ask for: libvirt's, whose daemon has
   LIBXL_SAVE_HELPER in its environment. */
enum xf_unasked {
    XF_UNASKED_OFF,
    XF_UNASKED_TUNNELLED, /* where libvirt encrypts the control stream: virsh migrate --tunnelled */
    XF_UNASKED_ANY,       /* also where it goes over plain TCP, and the session's keys with it */
};

struct xf_config {
    char port[256];             /* as dpdk/eal.h takes it */
    uint32_t ipv4;              /* ours on that port; host order; default: link-local */
    unsigned prefix;            /* of the network that both ends are in */
    uint16_t udp_port;          /* 0 = the default */
    unsigned lanes;             /* 0 = as many as suit the port (xf_portcheck_lanes()) */
    struct xf_cpu_list cpus;    /* of the lanes' threads; empty: where the scheduler puts them */
    uint32_t mtu;               /* 0 = the largest that the port takes */
    unsigned connect_timeout_s; /* offer -> answer, and answer -> ready */
    uint64_t max_downtime_us;
    enum xf_on_busy on_busy;        /* if that cannot be kept */
    unsigned deadline_s;            /* when rounds end; 0 = none */
    bool throttle;                  /* slow the guest down before that */
    uint64_t bandwidth_bytes_per_s; /* 0 = no limit */
    enum xf_compress_mode compress;
    bool verify;         /* compare all pages before the guest starts at the target */
    bool hand_over_late; /* devices are never attached early, of guests that leave or come */
    bool announce; /* at the target: dom0 announces a guest that has come, until it speaks itself */
    enum xf_unasked libvirt;
    char stock_helper[256]; /* "": the launcher, which reads the file itself, finds it */
    /* Bits 1 << enum xf_config_key: what the file and the environment have set; the rest is
     * default. */
    uint32_t from_file, from_environment;
};

/* One line about one error. */
typedef void xf_config_say(void *arg, const char *line);

/*
 * Reads `path` (NULL: XL_FAST_CONF or XF_CONFIG_PATH) and the environment. -ENOENT: no such file;
 * -EINVAL: a value or key that cannot be. err gets one line for the user, about the first error.
 */
int xf_config_load(struct xf_config *config, const char *path, char err[XF_CONFIG_ERR_BYTES]);

/* The same, but all errors are said, a line each; in `config` is what is right. */
int xf_config_check(struct xf_config *config, const char *path, xf_config_say *say, void *arg);

/* The default address: link-local (RFC 3927), made of the host's name, since two hosts that reach
   each other differ in that. Should two names share one, the preflight refuses. Host order. */
uint32_t xf_config_link_local(const char *host);

/* The path that is read where xf_config_load() and xf_config_check() are given none. */
const char *xf_config_path(void);

/* The words for enum xf_unasked in the file. */
const char *xf_config_unasked_name(enum xf_unasked unasked);

/* xf_config_load() from text; `name` is what messages call it. */
int xf_config_parse(struct xf_config *config, const char *text, const char *name,
                    char err[XF_CONFIG_ERR_BYTES]);

#endif
