/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Soak, heap: counts what our own objects take and give back, of memory and of mappings: the linker
 * puts these in the place of the C library's (-Wl,--wrap; Makefile). Nothing but a count: what the
 * C library keeps for later does not blur it.
 */
#include "soak.h"

#include <stdarg.h>
#include <sys/mman.h>

static atomic_int_fast64_t taken;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void __real_free(void *p);
void *__real_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t bytes);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void __wrap_free(void *p);
void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t bytes);

int64_t soak_taken(void)
{
    return atomic_load(&taken);
}

static void *count(void *p)
{
    taken += p != NULL;
    return p;
}

void *__wrap_malloc(size_t bytes)
{
    return count(__real_malloc(bytes));
}

void *__wrap_calloc(size_t n, size_t bytes)
{
    return count(__real_calloc(n, bytes));
}

void *__wrap_realloc(void *p, size_t bytes)
{
    void *to = __real_realloc(p, bytes);

    if (!p)
        count(to);
    return to;
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return count(__real_aligned_alloc(alignment, bytes));
}

void __wrap_free(void *p)
{
    taken -= p != NULL;
    __real_free(p);
}

void *__wrap_mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    void *p = __real_mmap(at, bytes, prot, flags, fd, offset);

    taken += p != MAP_FAILED;
    return p;
}

int __wrap_munmap(void *at, size_t bytes)
{
    taken--;
    return __real_munmap(at, bytes);
}
