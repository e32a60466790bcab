/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Config keys: their names, and the nearest one to a mistyped name. */
#include "config_keys.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Longer than any name that is near a key: the longest has 15 characters. */
#define NAME_MAX_CHARS 24u

const char *const xf_config_key_names[XF_KEYS] = {
    [XF_KEY_PORT] = "port",
    [XF_KEY_ADDRESS] = "address",
    [XF_KEY_UDP_PORT] = "udp_port",
    [XF_KEY_LANES] = "lanes",
    [XF_KEY_CPUS] = "cpus",
    [XF_KEY_MTU] = "mtu",
    [XF_KEY_CONNECT_TIMEOUT] = "connect_timeout",
    [XF_KEY_MAX_DOWNTIME] = "max_downtime",
    [XF_KEY_ON_BUSY] = "on_busy",
    [XF_KEY_DEADLINE] = "deadline",
    [XF_KEY_THROTTLE] = "throttle",
    [XF_KEY_BANDWIDTH] = "bandwidth",
    [XF_KEY_COMPRESS] = "compress",
    [XF_KEY_VERIFY] = "verify",
    [XF_KEY_HAND_OVER] = "hand_over",
    [XF_KEY_ANNOUNCE] = "announce",
    [XF_KEY_LIBVIRT] = "libvirt",
    [XF_KEY_STOCK_HELPER] = "stock_helper",
};

int xf_config_key_find(const char *name, size_t len)
{
    for (int i = 0; i < XF_KEYS; i++)
        if (strlen(xf_config_key_names[i]) == len && !memcmp(xf_config_key_names[i], name, len))
            return i;
    return -ENOENT;
}

bool xf_config_key_is_number(int key)
{
    switch (key) {
    case XF_KEY_UDP_PORT:
    case XF_KEY_LANES:
    case XF_KEY_MTU:
    case XF_KEY_CONNECT_TIMEOUT:
    case XF_KEY_MAX_DOWNTIME:
    case XF_KEY_DEADLINE:
    case XF_KEY_THROTTLE:
    case XF_KEY_VERIFY:
    case XF_KEY_ANNOUNCE:
        return true;
    default:
        return false;
    }
}

static unsigned min2(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/*
 * The "optimal string alignment" distance. cost[i][j] is that of the first i characters of a from
 * the first j of b.
 */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned cost[NAME_MAX_CHARS + 1][NAME_MAX_CHARS + 1];

    for (unsigned i = 0; i <= a_len; i++)
        cost[i][0] = i;
    for (unsigned j = 0; j <= b_len; j++)
        cost[0][j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        for (unsigned j = 1; j <= b_len; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            unsigned best = cost[i - 1][j - 1] + (x != y);

            best = min2(best, cost[i - 1][j] + 1);
            best = min2(best, cost[i][j - 1] + 1);
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                y == tolower((unsigned char)a[i - 2]))
                best = min2(best, cost[i - 2][j - 2] + 1);
            cost[i][j] = best;
        }
    }
    return cost[a_len][b_len];
}

int xf_config_key_nearest(const char *name, size_t len)
{
    unsigned best = NAME_MAX_CHARS;
    int nearest = -ENOENT;

    if (len > NAME_MAX_CHARS)
        return -ENOENT;
    for (int i = 0; i < XF_KEYS; i++) {
        size_t key_len = strlen(xf_config_key_names[i]);
        unsigned d = distance(name, len, xf_config_key_names[i], key_len);

        if (d < best && d <= (len > key_len ? len : key_len) / 3) {
            best = d;
            nearest = i;
        }
    }
    return nearest;
}
