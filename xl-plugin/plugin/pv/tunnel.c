/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tunnel: which records Xen's stream may have, and the helpers that both ends of the tunnel use. */
#include "tunnel.h"

#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "transport/base/clock.h"
#include "transport/guest.h"
#include "xl-plugin/plugin/ports.h"
#include "xl-plugin/plugin/report.h"

/* Xen's limit of a record; only the list of a PV guest's p2m frames comes near it. */
#define RECORD_BYTES_MAX ((uint32_t)128 << 20)
/* Far above what Xen writes of a vCPU, of CPU policies and the like. */
#define SMALL_BYTES_MAX ((uint32_t)1 << 20)

/* One whole PAGE_DATA record of Xen's and its neighbours. */
#define PAIR_BYTES (8 << 20)

/* Types of frames, in the four top bits (Xen: public/domctl.h, XEN_DOMCTL_PFINFO_*). */
static int pages_of_type(unsigned type)
{
    switch (type) {
    case 0x0: /* no page table */
    case 0x1: /* L1..L4 page tables, and the same pinned */
    case 0x2:
    case 0x3:
    case 0x4:
    case 0x9:
    case 0xa:
    case 0xb:
    case 0xc:
        return 1;
    case 0xd: /* broken */
    case 0xe: /* to be allocated only */
    case 0xf: /* none there */
        return 0;
    default:
        return -1;
    }
}

int xf_tunnel_read_head(const struct xf_stream *s, const struct xf_record *rec,
                        struct xf_tunnel_head *head, uint32_t *pages, char why[XF_STREAM_ERR_BYTES])
{
    uint64_t expected;
    int rc;

    if (rec->length < XF_TUNNEL_HEAD_BYTES(1)) {
        snprintf(why, XF_STREAM_ERR_BYTES, "record %#x of %u bytes is too short", rec->type,
                 rec->length);
        return -EBADMSG;
    }
    rc = xf_stream_read(s, head, XF_TUNNEL_HEAD_BYTES(0));
    if (rc)
        return rc;
    head->count = le32toh(head->count);
    if (head->count < 1 || head->count > XF_TUNNEL_FRAMES_MAX || head->reserved ||
        rec->length < XF_TUNNEL_HEAD_BYTES(head->count)) {
        snprintf(why, XF_STREAM_ERR_BYTES, "record %#x of %u bytes cannot hold %u frames (%u)",
                 rec->type, rec->length, head->count, le32toh(head->reserved));
        return -EBADMSG;
    }
    rc = xf_stream_read(s, head->frames, 8 * head->count);
    if (rc)
        return rc;
    *pages = 0;
    for (uint32_t i = 0; i < head->count; i++) {
        unsigned type = (unsigned)(le64toh(head->frames[i]) >> 60);
        int n = pages_of_type(type);

        if (n < 0) {
            snprintf(why, XF_STREAM_ERR_BYTES, "record %#x has a frame of unknown type %#x",
                     rec->type, type);
            return -EBADMSG;
        }
        *pages += (uint32_t)n;
    }
    expected = XF_TUNNEL_HEAD_BYTES(head->count);
    if (rec->type == XF_REC_PAGE_DATA)
        expected += *pages * XF_PAGE_BYTES;
    if (rec->length != expected) {
        snprintf(why, XF_STREAM_ERR_BYTES,
                 "record %#x of %u bytes, which should be %llu for %u frames", rec->type,
                 rec->length, (unsigned long long)expected, head->count);
        return -EBADMSG;
    }
    return 0;
}

int xf_tunnel_allow(const struct xf_record *rec, char why[XF_STREAM_ERR_BYTES])
{
    uint32_t max = SMALL_BYTES_MAX;
    bool here = true;

    switch (rec->type) {
    case XF_REC_END:
    case XF_REC_STATIC_DATA_END:
        max = 0;
        break;
    case XF_REC_X86_PV_P2M_FRAMES:
        max = RECORD_BYTES_MAX;
        break;
    case XF_REC_X86_CPUID_POLICY:
    case XF_REC_X86_MSR_POLICY:
    case XF_REC_X86_PV_INFO:
    case XF_REC_SHARED_INFO:
    case XF_REC_X86_TSC_INFO:
    case XF_REC_X86_PV_VCPU_MSRS:
        break;
    default:
        here = (rec->type >= XF_REC_X86_PV_VCPU_FIRST && rec->type <= XF_REC_X86_PV_VCPU_LAST) ||
               rec->type & XF_REC_OPTIONAL;
        break;
    }
    return xf_stream_judge(rec, here, max, "into a PV guest's stream", why);
}

static int open_dpdk(void *arg, struct xf_link **link, struct xf_config *config, char err[256])
{
    (void)arg;
    err[0] = 0;
    int rc = xf_config_load(config, NULL, err);
    return rc ? rc : xf_ports_open(link, config, err);
}

static void close_dpdk(void *arg, struct xf_link *link)
{
    (void)arg;
    xf_ports_close(link);
}

const struct xf_tunnel_port xf_tunnel_dpdk_port = {.open = open_dpdk, .close = close_dpdk};

uint64_t xf_tunnel_close(const struct xf_tunnel_port *port, struct xf_link *link)
{
    uint64_t before = xf_now_us();

    port->close(port->arg, link);
    return xf_now_us() - before;
}

void xf_tunnel_progress(void *arg, const struct xf_progress *p)
{
    struct xf_progress phase = *p;

    phase.round = 0;
    xf_report_progress(arg, &phase);
}

int xf_tunnel_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = -pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int xf_tunnel_pair(int pair[2])
{
    int bytes = PAIR_BYTES;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
        return -errno;
    for (int i = 0; i < 2; i++)
        if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
            setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    return 0;
}

void *xf_tunnel_map(uint64_t pages)
{
    void *memory = mmap(NULL, pages * XF_PAGE_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    /* A guest's pages have no place in a core dump of the helper. */
    (void)madvise(memory, pages * XF_PAGE_BYTES, MADV_DONTDUMP);
    return memory;
}

void xf_tunnel_unmap(void *memory, uint64_t pages)
{
    if (memory)
        munmap(memory, pages * XF_PAGE_BYTES);
}

void xf_tunnel_sleep(uint64_t us)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(us / 1000000), .tv_nsec = us % 1000000 * 1000},
              NULL);
}
