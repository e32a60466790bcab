/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames: makes them, byte by byte. */
#include "frames.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define ETHERNET_BYTES 14
#define SHORTEST_BYTES 60 /* without the checksum that the card adds */
#define ARP_BYTES      28
#define IPV6_BYTES     40
#define ICMPV6_BYTES   32 /* an advertisement with the link-layer address */
#define OP_REPLY       2
#define OP_RARP        3

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}

static uint8_t *put16(uint8_t *at, unsigned value)
{
    *at++ = (uint8_t)(value >> 8);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_ethernet(uint8_t *at, const uint8_t *to, const uint8_t *mac, unsigned type)
{
    at = put(at, to, XF_MAC_BYTES);
    at = put(at, mac, XF_MAC_BYTES);
    return put16(at, type);
}

/* ARP and RARP are of one form: both addresses of sender and target are the guest's. */
static void make_arp(struct xf_frame *f, const uint8_t *mac, unsigned type, unsigned op,
                     const void *ipv4)
{
    static const uint8_t everybody[XF_MAC_BYTES] = {255, 255, 255, 255, 255, 255};
    uint8_t *at = put_ethernet(f->bytes, everybody, mac, type);

    at = put16(at, 1); /* Ethernet */
    at = put16(at, 0x0800);
    *at++ = XF_MAC_BYTES;
    *at++ = 4;
    at = put16(at, op);
    for (unsigned i = 0; i < 2; i++) {
        at = put(at, mac, XF_MAC_BYTES);
        at = put(at, ipv4, 4);
    }
    f->len = SHORTEST_BYTES;
}

/* RFC 1071, over the pseudo-header of RFC 8200, section 8.1, and the message. */
static unsigned checksum(const uint8_t *ipv6)
{
    unsigned sum = ICMPV6_BYTES + 58;

    for (unsigned i = 8; i < IPV6_BYTES + ICMPV6_BYTES; i += 2)
        sum += (unsigned)ipv6[i] << 8 | ipv6[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static void make_advertisement(struct xf_frame *f, const uint8_t *mac, const void *address)
{
    static const uint8_t all_nodes_mac[XF_MAC_BYTES] = {0x33, 0x33, 0, 0, 0, 1};
    static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
    uint8_t *ipv6 = put_ethernet(f->bytes, all_nodes_mac, mac, 0x86dd), *icmp, *at = ipv6;

    *at = 0x60;
    at = put16(at + 4, ICMPV6_BYTES);
    *at++ = 58;  /* ICMPv6 */
    *at++ = 255; /* hops: from this link */
    at = put(at, address, 16);
    at = put(at, all_nodes, 16);
    icmp = at;
    *at = 136;
    at[4] = 0x20; /* override what is known */
    at = put(at + 8, address, 16);
    *at++ = 2; /* the target's link-layer address, */
    *at++ = 1; /* in 8 bytes */
    put(at, mac, XF_MAC_BYTES);
    put16(icmp + 2, checksum(ipv6));
    f->len = ETHERNET_BYTES + IPV6_BYTES + ICMPV6_BYTES;
}

/* Of one host, which may be anywhere but here. */
static bool is_hosts_ipv4(const uint8_t a[4])
{
    return a[0] && a[0] != 127 && a[0] < 224;
}

static bool is_hosts_ipv6(const uint8_t a[16])
{
    static const uint8_t zero[15];

    return a[0] != 0xff && memcmp(a, zero, sizeof(zero)) != 0;
}

static bool make_one(struct xf_frame *f, const uint8_t *mac, const char *text, size_t n)
{
    uint8_t address[16];
    char word[INET6_ADDRSTRLEN];

    *f = (struct xf_frame){.len = 0};
    if (n >= sizeof(word))
        return false;
    memcpy(word, text, n);
    word[n] = 0;
    word[strcspn(word, "/")] = 0;
    if (inet_pton(AF_INET, word, address) == 1 && is_hosts_ipv4(address))
        make_arp(f, mac, 0x0806, OP_REPLY, address);
    else if (inet_pton(AF_INET6, word, address) == 1 && is_hosts_ipv6(address))
        make_advertisement(f, mac, address);
    return f->len;
}

unsigned xf_frames_make(struct xf_frame to[XF_FRAMES_MAX], const uint8_t mac[XF_MAC_BYTES],
                        const char *ip)
{
    static const char gaps[] = " ,\t\n";
    static const uint8_t none[4];
    unsigned n = 0;

    to[n] = (struct xf_frame){.len = 0};
    make_arp(&to[n++], mac, XF_RARP_PROTOCOL, OP_RARP, none);
    for (size_t len; n < XF_FRAMES_MAX && *(ip += strspn(ip, gaps)); ip += len) {
        len = strcspn(ip, gaps);
        n += make_one(&to[n], mac, ip, len);
    }
    return n;
}

bool xf_frames_are(const struct xf_frame *frames, unsigned n, const uint8_t *bytes, size_t len)
{
    if (len < ETHERNET_BYTES)
        return false;
    if ((bytes[12] << 8 | bytes[13]) == XF_RARP_PROTOCOL &&
        !memcmp(bytes + XF_MAC_BYTES, frames[0].bytes + XF_MAC_BYTES, XF_MAC_BYTES))
        return true;
    for (unsigned i = 0; i < n; i++)
        if (len == frames[i].len && !memcmp(bytes, frames[i].bytes, len))
            return true;
    return false;
}

bool xf_mac_read(uint8_t mac[XF_MAC_BYTES], const char *text)
{
    static const uint8_t zero[XF_MAC_BYTES];
    int end = 0;

    if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3],
               &mac[4], &mac[5], &end) != XF_MAC_BYTES ||
        end != XF_MAC_TEXT - 1 || text[end])
        return false;
    return !(mac[0] & 1) && memcmp(mac, zero, sizeof(zero)) != 0;
}

const char *xf_mac_show(char to[XF_MAC_TEXT], const uint8_t mac[XF_MAC_BYTES])
{
    snprintf(to, XF_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
    return to;
}
