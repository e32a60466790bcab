/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TCP peer of the lab's guests (guest/net.c), on a host: echo ADDRESS. Sends a number every
 * SEND_MS, and takes the guest's beats, which come as often. Says "xf-echo begins" with the first
 * beat; ends when told so (SIGTERM) or when the connection is lost, with a line
 *
 *   xf-echo ok=1 sent=523 echoed=522 beats=530 gap_ms=9241 gap_at_ms=30215
 *
 * gap_ms is the longest time in which nothing came, gap_at_ms when it began, after the first beat.
 * Exit status 0 only if no beat was missing, came twice or echoed what was not sent, and the
 * connection stands.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 7, SEND_MS = 50, CONNECT_S = 60, END_MS = 120000 };

static volatile sig_atomic_t told_to_end;

static void on_signal(int signal)
{
    (void)signal;
    told_to_end = 1;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct peer {
    int fd;
    uint64_t sent, echoed, beats;
    uint64_t first_ms, last_ms, gap_ms, gap_at_ms;
    unsigned char part[16];
    size_t have;
    const char *why; /* what was wrong */
};

static int connect_to(const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int one = 1, fd = -1;

    if (inet_pton(AF_INET, address, &in.sin_addr) != 1)
        return -1;
    for (int i = 0; i < CONNECT_S && !told_to_end; i++) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&in, sizeof in) == 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            return fd;
        }
        close(fd);
        sleep(1);
    }
    return -1;
}

static void take_gap(struct peer *p, uint64_t now)
{
    if (p->first_ms && now - p->last_ms > p->gap_ms) {
        p->gap_ms = now - p->last_ms;
        p->gap_at_ms = p->last_ms - p->first_ms;
    }
    p->last_ms = now;
}

static void take_beat(struct peer *p)
{
    uint64_t message[2];

    memcpy(message, p->part, sizeof message);
    p->have = 0;
    if (message[0] != p->beats + 1)
        p->why = "a beat is missing or came twice";
    else if (message[1] < p->echoed || message[1] > p->sent)
        p->why = "echoes what was not sent";
    p->beats = message[0];
    p->echoed = message[1];
}

static void receive(struct peer *p)
{
    unsigned char data[4096];
    ssize_t n = recv(p->fd, data, sizeof data, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        p->why = n ? strerror(errno) : "the guest has closed it";
        return;
    }
    take_gap(p, now_ms());
    if (!p->first_ms) {
        p->first_ms = p->last_ms;
        printf("xf-echo begins\n");
        fflush(stdout);
    }
    for (ssize_t i = 0; i < n && !p->why; i++) {
        p->part[p->have++] = data[i];
        if (p->have == sizeof p->part)
            take_beat(p);
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct peer p = {.fd = -1};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    p.fd = argc == 2 ? connect_to(argv[1]) : -1;
    if (p.fd < 0)
        p.why = "no connection";
    /* At the end it sends no more, and waits until the guest has echoed all. */
    for (uint64_t due = now_ms(), end = 0; !p.why && !(told_to_end && p.echoed == p.sent);) {
        uint64_t now = now_ms();
        if (told_to_end && !end)
            end = now + END_MS;
        if (end && now > end) {
            p.why = "not all is echoed";
        } else if (end) {
            due = now + SEND_MS;
        } else if (now >= due) {
            uint64_t number = p.sent + 1;
            ssize_t n = send(p.fd, &number, sizeof number, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n == sizeof number)
                p.sent++;
            else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
                p.why = n < 0 ? strerror(errno) : "half a message";
            due = now + SEND_MS;
        }
        struct pollfd poll_fd = {.fd = p.fd, .events = POLLIN};
        if (!p.why && poll(&poll_fd, 1, (int)(due - now)) > 0)
            receive(&p);
    }
    if (!p.why)
        take_gap(&p, now_ms());
    if (!p.why && !p.beats)
        p.why = "no beat came";
    if (p.why)
        printf("xf-echo: %s\n", p.why);
    printf("xf-echo ok=%d sent=%llu echoed=%llu beats=%llu gap_ms=%llu gap_at_ms=%llu\n", !p.why,
           (unsigned long long)p.sent, (unsigned long long)p.echoed, (unsigned long long)p.beats,
           (unsigned long long)p.gap_ms, (unsigned long long)p.gap_at_ms);
    return p.why ? 1 : 0;
}
