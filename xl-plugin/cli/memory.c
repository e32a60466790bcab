/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory: reads available memory from /proc/meminfo and resident memory from /proc/self/smaps. */
#include "memory.h"

#include <stdbool.h>
#include <stdio.h>

uint64_t xf_memory_available_kib(void)
{
    unsigned long long kib = 0;
    char line[256];
    FILE *f = fopen("/proc/meminfo", "re");

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

uint64_t xf_memory_resident_kib(const void *but, size_t bytes)
{
    const unsigned long from = (unsigned long)but, to = from + bytes;
    unsigned long start, end;
    unsigned long long kib, sum = 0;
    bool counts = false;
    char line[512];
    FILE *f = fopen("/proc/self/smaps", "re");

    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            counts = end <= from || start >= to;
        else if (counts && sscanf(line, "Rss: %llu kB", &kib) == 1)
            sum += kib;
    }
    if (f)
        fclose(f);
    return sum;
}
