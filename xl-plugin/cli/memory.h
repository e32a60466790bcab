/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory: how much of it programs can have on this machine now. */
#ifndef XF_CLI_MEMORY_H
#define XF_CLI_MEMORY_H

#include <stdint.h>

/* KiB, as /proc/meminfo's MemAvailable; 0 if that cannot be read. Any thread. */
uint64_t xf_memory_available_kib(void);

#endif
