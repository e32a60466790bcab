/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A neighbour of the lab's guests, on a host. Until it is ended (SIGTERM), one line for each:
 *
 *   neighbour ping ADDRESS     an echo request each 100 ms; of each answer when the request was
 * sent and when it came: "reply SENT_US GOT_US" neighbour hear IFACE MAC   a frame that comes in
 * there from that MAC: "heard GOT_US TYPE", TYPE in hex
 *
 * Times are microseconds since 1970.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVERY_US = 100000 };

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static uint16_t checksum(const void *bytes, size_t n)
{
    const uint16_t *words = bytes;
    uint32_t sum = 0;

    for (size_t i = 0; i < n / 2; i++)
        sum += words[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

struct echo {
    struct icmphdr icmp;
    uint64_t sent_us;
};

static int send_echo(int fd, const struct sockaddr_in *to)
{
    struct echo e = {.icmp = {.type = ICMP_ECHO}, .sent_us = now_us()};

    e.icmp.un.echo.id = (uint16_t)getpid();
    e.icmp.checksum = checksum(&e, sizeof(e));
    /* While the guest is away, nobody may take it. */
    sendto(fd, &e, sizeof(e), 0, (const struct sockaddr *)to, sizeof(*to));
    return 0;
}

static void take_reply(int fd)
{
    uint8_t packet[2048];
    ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
    size_t header = n > 0 ? (size_t)(packet[0] & 15) * 4 : 0;
    struct echo e;

    if (n < 0 || (size_t)n < header + sizeof(e))
        return;
    memcpy(&e, packet + header, sizeof(e));
    if (e.icmp.type == ICMP_ECHOREPLY && e.icmp.un.echo.id == (uint16_t)getpid())
        printf("reply %llu %llu\n", (unsigned long long)e.sent_us, (unsigned long long)now_us());
}

static int ping(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    uint64_t next_us = now_us();
    struct pollfd in = {.fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), .events = POLLIN};

    if (in.fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1)
        return fail(address);
    for (;;) {
        uint64_t us = now_us();

        if (us >= next_us) {
            send_echo(in.fd, &to);
            next_us += EVERY_US;
            continue;
        }
        if (poll(&in, 1, (int)((next_us - us) / 1000) + 1) > 0)
            take_reply(in.fd);
    }
}

static int hear(const char *name, const char *text)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    uint8_t frame[2048], mac[6];

    at.sll_ifindex = (int)if_nametoindex(name);
    if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
               &mac[5]) != 6 ||
        fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof(at)))
        return fail(name);
    for (;;) {
        struct sockaddr_ll from;
        socklen_t size = sizeof(from);
        ssize_t n = recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &size);

        if (n >= ETH_HLEN && from.sll_pkttype != PACKET_OUTGOING && !memcmp(frame + 6, mac, 6))
            printf("heard %llu %02x%02x\n", (unsigned long long)now_us(), frame[12], frame[13]);
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 3 && !strcmp(argv[1], "ping"))
        return ping(argv[2]);
    if (argc == 4 && !strcmp(argv[1], "hear"))
        return hear(argv[2], argv[3]);
    return 2;
}
