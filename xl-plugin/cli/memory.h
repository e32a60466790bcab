/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory: how much of it programs can have on this machine now, and how much this one has. */
#ifndef XF_CLI_MEMORY_H
#define XF_CLI_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* KiB, as /proc/meminfo's MemAvailable; 0 if that cannot be read. Any thread. */
uint64_t xf_memory_available_kib(void);

/* KiB of this process's memory that are resident, as /proc/self/smaps has it, without what is
   mapped in `but`, of so many bytes; 0 if that cannot be read. Any thread. */
uint64_t xf_memory_resident_kib(const void *but, size_t bytes);

#endif
