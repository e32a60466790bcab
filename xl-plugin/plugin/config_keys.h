/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Config keys: the names that xl-fast.conf may give values to, and which of them a mistyped name
 * was probably meant to be. xl-plugin/conf/xl-fast.conf and xl-fast.conf(5) explain the same names
 * (tests/e2e/config.sh).
 */
#ifndef XF_PLUGIN_CONFIG_KEYS_H
#define XF_PLUGIN_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/* In the order in which they are shown. */
enum xf_config_key {
    XF_KEY_PORT,
    XF_KEY_ADDRESS,
    XF_KEY_UDP_PORT,
    XF_KEY_LANES,
    XF_KEY_CPUS,
    XF_KEY_MTU,
    XF_KEY_CONNECT_TIMEOUT,
    XF_KEY_MAX_DOWNTIME,
    XF_KEY_ON_BUSY,
    XF_KEY_DEADLINE,
    XF_KEY_THROTTLE,
    XF_KEY_BANDWIDTH,
    XF_KEY_COMPRESS,
    XF_KEY_VERIFY,
    XF_KEY_HAND_OVER,
    XF_KEY_ANNOUNCE,
    XF_KEY_LIBVIRT,
    XF_KEY_STOCK_HELPER,
    XF_KEYS
};

extern const char *const xf_config_key_names[XF_KEYS];

/* The key of that name, `len` characters long; -ENOENT: none. */
int xf_config_key_find(const char *name, size_t len);

/* Whether its value is a number. False for what is no key, such as -ENOENT. */
bool xf_config_key_is_number(int key);

/*
 * The key whose name is the fewest edits away: a character inserted, deleted or replaced, or two
 * neighbours exchanged; the case does not count. -ENOENT: more than a third of the longer name
 * would have to change, so that it would be a guess.
 */
int xf_config_key_nearest(const char *name, size_t len);

#endif
