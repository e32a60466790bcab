/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory search: where in this process's memory some bytes lie, as one would look who has a core
 * dump, or the memory itself. What is looked for is kept masked, so that it is not found here. Not
 * for builds with sanitizers, whose shadow memory is beyond reading.
 */
#ifndef XF_TESTS_MEMORY_SEARCH_H
#define XF_TESTS_MEMORY_SEARCH_H

#include "unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_SEARCH_WORKS 0
#else
#define MEMORY_SEARCH_WORKS 1
#endif

#define NEEDLE_BYTES 32u
#define NEEDLE_MASK  0xa5u

struct needle {
    uint8_t masked[NEEDLE_BYTES];
};

/* Keeps what is to be looked for. The bytes themselves are the caller's to wipe. */
void needle_keep(struct needle *n, const volatile uint8_t *bytes);

struct found {
    unsigned in_core;  /* places that a core dump would have */
    unsigned kept_out; /* places in memory that is left out of core dumps */
};

/* All memory that can be read, stacks of other threads too; they may go on meanwhile. */
struct found memory_search(const struct needle *n);

#endif
