/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of the lab's guests share: guestcheck.c (memory, and main()), disk.c, net.c,
 * modules.c. */
#ifndef XF_LAB_GUEST_H
#define XF_LAB_GUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Once false, the guest's verdict is bad for good. Set through wrong(), which says why. */
extern atomic_bool all_ok;

/* A line on the console, in one write. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
/* The same with "BAD " before it, and the verdict is bad from now on. */
__attribute__((format(printf, 1, 2))) void wrong(const char *format, ...);

uint64_t now_ms(clockid_t clock);
void sleep_ms(uint64_t ms);
uint64_t next_random(uint64_t *state);
uint64_t mix(uint64_t x);

/* Loads /modules, in the order of their names. 0 or -errno. */
int load_modules(void);

/* Starts to write and check so many MiB of /dev/xvda. 0 or -errno. */
int start_disk(uint64_t mib, uint32_t boot);
/* How many blocks were read back and found right. */
extern atomic_ullong disk_blocks, disk_trims;

/* Gives eth0 the address, dotted, of a network of 24 bits, and answers on port 7. 0 or -errno. */
int start_net(const char *address);
/* How many messages its TCP peers have sent, in order. */
extern atomic_ullong net_messages;

/* Looks whether it is a copy of another guest (xl-fast clone). 0 or -errno. */
int start_told(void);
/* Of a copy its number; else 0. */
extern atomic_uint copy_number;

#endif
