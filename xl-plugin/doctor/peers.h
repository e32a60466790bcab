/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Peers: what two hosts have to have in common, by what xl-fast-preflight answers at each. The
 * preflight of a migration and `xl-fast doctor` ask the same functions, so that they agree.
 *
 * Pure: no clock, no files. The answers may be anybody's: what is no value is as if it had not been
 * said. Threads: any.
 */
#ifndef XF_DOCTOR_PEERS_H
#define XF_DOCTOR_PEERS_H

#include <stdbool.h>
#include <stdint.h>

/* 0 or "": not said. */
struct xf_peer {
    unsigned protocol, xen_major, xen_minor;
    char version[32]; /* of xl-fast; ends older than 0.9.0 do not say theirs */
    uint32_t ipv4;    /* host order; with a prefix */
    unsigned prefix;
    char port[256];
    unsigned mtu;                            /* of a kernel interface */
    unsigned mtu_limit;                      /* xl-fast.conf's */
    uint64_t clock_ms;                       /* since 1970, when it answered */
    char cpu[8192];                          /* features, each with a blank after it */
    unsigned speed_mbps;                     /* of the port's link */
    unsigned lanes;                          /* that move a guest; 0: it does not say */
    uint64_t bandwidth_bps, max_downtime_us; /* xl-fast.conf's, or what overrides it */
    bool verify;                             /* pages are compared: likewise */
    bool pv;                                 /* the guest's kind, at the source */
    uint64_t memory_kib;                     /* the guest's, at the source */
};

/* The first that says its version. */
#define XF_PEERS_FIRST_VERSION "0.9.0"

enum xf_finding_state { XF_FINDING_OK, XF_FINDING_NOTE, XF_FINDING_FAIL, XF_FINDING_UNKNOWN };

#define XF_FINDING_TEXT_BYTES 600
#define XF_FINDING_FIX_BYTES  320

/* The package of this version (make deb), for whoever has its file there. */
#define XF_FIX_INSTALL "apt install ./xl-fast_*.deb"

struct xf_finding {
    enum xf_finding_state state;
    char text[XF_FINDING_TEXT_BYTES]; /* one line, whose subject is the target */
    char fix[XF_FINDING_FIX_BYTES];   /* a shell command, "": none */
    bool fix_at_source;               /* else it is for the target */
};

/* An answer; other keys are passed over. */
void xf_peer_take(struct xf_peer *p, const char *key, const char *value);

/* XF_FINDING_UNKNOWN where an end has not said what is compared. */
typedef void xf_peers_compare(const struct xf_peer *source, const struct xf_peer *target,
                              struct xf_finding *f);

/* Versions of xl-fast. Before 1.0.0 only the same one: the protocol may change with each, also
   where its number does not tell. From 1.0.0 on a version speaks with the one before, and the
   protocol's number decides. Unknown only where an end has not answered at all. */
xf_peers_compare xf_peers_version;
xf_peers_compare xf_peers_protocol; /* the same version */
xf_peers_compare xf_peers_xen;      /* the target's not older */
xf_peers_compare xf_peers_network;  /* addresses: one network, and not the same */
xf_peers_compare xf_peers_mtu;      /* the same */
xf_peers_compare xf_peers_cpu;      /* no feature is missing at the target */

/* The target was asked at from_ms and had answered at until_ms, by the source's clock. */
void xf_peers_clock(const struct xf_peer *target, uint64_t from_ms, uint64_t until_ms,
                    struct xf_finding *f);

#endif
