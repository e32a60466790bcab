/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's network card: a TCP server on port 7 for tests/lab/echo.c. Every BEAT_MS it sends a
 * beat, its number and the number of the last message that came, without being asked: so a peer
 * sees at once that the guest runs again, and not only when its own retransmission is due. Messages
 * are numbers that count up from 1; one that is missing or comes twice makes the guest's verdict
 * bad.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 7, BEAT_MS = 50 };

atomic_ullong net_messages;

static bool set_address(int fd, struct ifreq *ifr, unsigned long what, uint32_t address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = address};

    memcpy(&ifr->ifr_addr, &in, sizeof in);
    return ioctl(fd, what, ifr) == 0;
}

static int bring_up(const char *address)
{
    struct ifreq ifr = {.ifr_name = "eth0"};
    int err = 0, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    /* The card comes some time after its driver. */
    for (int i = 0; i < 300 && if_nametoindex("eth0") == 0; i++)
        sleep_ms(100);
    if (!set_address(fd, &ifr, SIOCSIFADDR, inet_addr(address)) ||
        !set_address(fd, &ifr, SIOCSIFNETMASK, htonl(0xffffff00)))
        err = -errno;
    ifr.ifr_flags = IFF_UP | IFF_RUNNING;
    if (!err && ioctl(fd, SIOCSIFFLAGS, &ifr))
        err = -errno;
    close(fd);
    return err;
}

/* What has come so far; false when the peer has gone. */
static bool receive(int fd, uint64_t *last)
{
    static _Thread_local struct {
        unsigned char bytes[8];
        size_t have;
    } part;
    unsigned char data[512];
    ssize_t n = recv(fd, data, sizeof data, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    for (ssize_t i = 0; i < n; i++) {
        uint64_t number;
        part.bytes[part.have++] = data[i];
        if (part.have < sizeof number)
            continue;
        memcpy(&number, part.bytes, sizeof number);
        part.have = 0;
        if (number != *last + 1)
            wrong("net: message %llu after %llu\n", (unsigned long long)number,
                  (unsigned long long)*last);
        *last = number;
        atomic_fetch_add(&net_messages, 1);
    }
    return n > 0;
}

static void *talk(void *arg)
{
    int fd = (int)(intptr_t)arg;
    uint64_t last = 0, due = now_ms(CLOCK_MONOTONIC);

    for (uint64_t beat = 1;; beat++) {
        uint64_t message[2] = {beat, last};
        if (send(fd, message, sizeof message, MSG_NOSIGNAL) != sizeof message)
            break;
        uint64_t now = now_ms(CLOCK_MONOTONIC);
        for (due = due + BEAT_MS < now ? now : due + BEAT_MS; now < due;
             now = now_ms(CLOCK_MONOTONIC)) {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            if (poll(&p, 1, (int)(due - now)) > 0 && !receive(fd, &last))
                goto gone;
        }
    }
gone:
    close(fd);
    return NULL;
}

static void *serve(void *arg)
{
    int server = (int)(intptr_t)arg, one = 1;

    for (;;) {
        pthread_t thread;
        int fd = accept(server, NULL, NULL);
        if (fd < 0)
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (pthread_create(&thread, NULL, talk, (void *)(intptr_t)fd))
            close(fd);
        else
            pthread_detach(thread);
    }
    return NULL;
}

int start_net(const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    pthread_t thread;
    int err = bring_up(address);

    if (err)
        return err;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof in) || listen(fd, 8))
        return -errno;
    return -pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd);
}
