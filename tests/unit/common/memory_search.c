/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory search: by /proc/self/mem. */
#include "memory_search.h"

void needle_keep(struct needle *n, const volatile uint8_t *bytes)
{
    for (unsigned i = 0; i < NEEDLE_BYTES; i++)
        n->masked[i] = bytes[i] ^ NEEDLE_MASK;
}

static unsigned search_buffer(const struct needle *n, const uint8_t *buf, size_t len)
{
    const uint8_t *end = buf + len, *at = buf;
    unsigned hits = 0;

    while ((at = memchr(at, n->masked[0] ^ NEEDLE_MASK, (size_t)(end - at))) &&
           end - at >= (ptrdiff_t)NEEDLE_BYTES) {
        unsigned same = 1;

        while (same < NEEDLE_BYTES && (at[same] ^ NEEDLE_MASK) == n->masked[same])
            same++;
        hits += same == NEEDLE_BYTES;
        at++;
    }
    return hits;
}

struct found memory_search(const struct needle *n)
{
    const size_t piece = 1 << 20, keep = NEEDLE_BYTES - 1;
    uint8_t *buf =
        mmap(NULL, piece + keep, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/smaps", "r");
    unsigned long from = 0, to = 0, a, b;
    struct found found = {0};
    char line[1024], mode[8] = "";

    assert_true(buf != MAP_FAILED && mem >= 0 && maps);
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %7s", &a, &b, mode) == 3) {
            from = a;
            to = b;
            continue;
        }
        if (strncmp(line, "VmFlags:", 8) || !strstr(line, " rd"))
            continue;
        bool kept_out = strstr(line, " dd");

        for (unsigned long at = from; at < to; at += piece) {
            ssize_t got = pread(mem, buf, piece + keep, (off_t)at);

            if (at <= (unsigned long)buf && (unsigned long)buf < at + piece + keep)
                continue;
            if (got > 0)
                *(kept_out ? &found.kept_out : &found.in_core) +=
                    search_buffer(n, buf, (size_t)got);
        }
    }
    fclose(maps);
    close(mem);
    munmap(buf, piece + keep);
    return found;
}
