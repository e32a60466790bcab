/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's part of xl-fast clone: looks each half second into its xenstore whether it is a copy
 * (data/xl-fast/clone: number, name, UUID, entropy). If so it takes another address, 150 and its
 * number in the same network, says so in its ticks, and to dom0 in data/xl-fast/ready. By
 * /dev/xen/xenbus, as libxenstore does it.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LOOK_MS = 500,
    TRIES = 120,
    XS_READ = 2,
    XS_WRITE = 11,
    XS_RM = 13,
    XS_ERROR = 16,
    MOST = 512
};

#define TOLD  "data/xl-fast/clone"
#define READY "data/xl-fast/ready"

atomic_uint copy_number;

/* xen/include/public/io/xs_wire.h */
struct message {
    uint32_t type, req_id, tx_id, len;
};

static bool get(int fd, void *to, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, (char *)to + at, n - at);

        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

/* One request: its answer, with a 0 after it; -1: none, or an error. */
static int ask(int fd, uint32_t type, const char *words, size_t len, char to[MOST])
{
    struct {
        struct message m;
        char words[MOST];
    } out = {.m = {.type = type, .len = (uint32_t)len}};
    struct message in;
    ssize_t bytes = (ssize_t)(sizeof out.m + len);

    memcpy(out.words, words, len);
    if (write(fd, &out, (size_t)bytes) != bytes || !get(fd, &in, sizeof in) || in.len >= MOST ||
        !get(fd, to, in.len))
        return -1;
    to[in.len] = 0;
    return in.type == XS_ERROR ? -1 : (int)in.len;
}

static bool change_address(unsigned number)
{
    struct ifreq ifr = {.ifr_name = "eth0"};
    struct sockaddr_in in;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && !ioctl(fd, SIOCGIFADDR, &ifr);

    if (ok) {
        memcpy(&in, &ifr.ifr_addr, sizeof in);
        in.sin_addr.s_addr = htonl((ntohl(in.sin_addr.s_addr) & 0xffffff00) + 150 + number % 100);
        /* Down and up: what the kernel knows of neighbours is gone then, the old MAC with it. */
        ifr.ifr_flags = 0;
        ok = !ioctl(fd, SIOCSIFFLAGS, &ifr);
        memcpy(&ifr.ifr_addr, &in, sizeof in);
        ok = ok && !ioctl(fd, SIOCSIFADDR, &ifr);
        ifr.ifr_flags = IFF_UP | IFF_RUNNING;
        ok = ok && !ioctl(fd, SIOCSIFFLAGS, &ifr);
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

static void *look(void *arg)
{
    char answer[MOST];
    int fd = -1;

    (void)arg;
    for (;; sleep_ms(LOOK_MS)) {
        if (fd < 0)
            fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
        if (fd < 0 || ask(fd, XS_READ, TOLD, sizeof TOLD, answer) < 0)
            continue;
        copy_number = (unsigned)strtoul(answer, NULL, 10);
        say("xf-guest told: %s\n", answer);
        /* A card that is not back yet after the suspend is no device (ENODEV). */
        bool ok = !if_nametoindex("eth0");

        for (unsigned i = 0; i < TRIES && !(ok = ok || change_address(copy_number)); i++)
            sleep_ms(LOOK_MS);
        if (!ok)
            wrong("copy: the address cannot be changed: %s\n", strerror(errno));
        if (ask(fd, XS_RM, TOLD, sizeof TOLD, answer) < 0 ||
            ask(fd, XS_WRITE, READY "\0001", sizeof READY + 1, answer) < 0)
            wrong("copy: dom0 cannot be told\n");
    }
    return NULL;
}

int start_told(void)
{
    pthread_t thread;

    return -pthread_create(&thread, NULL, look, NULL);
}
