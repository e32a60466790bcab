/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz control: what the targets share that read a control stream: files in place of its ends, and
 * a look at what was written. A file shows what was read of it and takes all that is written, so no
 * thread is needed, and an input means the same each time.
 */
#ifndef XF_TESTS_FUZZ_CONTROL_H
#define XF_TESTS_FUZZ_CONTROL_H

#include "fuzz.h"

#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xl-plugin/plugin/stream.h"

/* In place of xf_say(): writes nothing, but formats, so that sanitizers see the arguments. */
__attribute__((format(printf, 1, 2), unused)) static void fuzz_say(const char *format, ...)
{
    char line[2048];
    va_list args;

    va_start(args, format);
    FUZZ_CHECK(vsnprintf(line, sizeof(line), format, args) > 0);
    va_end(args);
}

/* An empty file, the same each time. */
static inline int fuzz_file(int *file)
{
    if (*file < 0)
        *file = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_CHECK(*file >= 0 && !ftruncate(*file, 0) && lseek(*file, 0, SEEK_SET) == 0);
    return *file;
}

static inline int fuzz_file_of(int *file, const void *data, size_t size)
{
    int fd = fuzz_file(file);

    FUZZ_CHECK(pwrite(fd, data, size, 0) == (ssize_t)size);
    return fd;
}

/* Reads the next whole record of a file at *at, which moves over it; false at its end or where it
   is cut. Of the body up to `most` bytes. */
static inline bool fuzz_next_record(int fd, off_t *at, struct xf_record *rec, void *body,
                                    size_t most)
{
    off_t end = lseek(fd, 0, SEEK_END);

    if (end - *at < (off_t)sizeof(*rec))
        return false;
    FUZZ_CHECK(pread(fd, rec, sizeof(*rec), *at) == (ssize_t)sizeof(*rec));
    off_t whole = (off_t)sizeof(*rec) + (off_t)(((uint64_t)rec->length + 7) & ~UINT64_C(7));

    if (end - *at < whole)
        return false;
    size_t n = rec->length < most ? rec->length : most;

    FUZZ_CHECK(!n || pread(fd, body, n, *at + (off_t)sizeof(*rec)) == (ssize_t)n);
    *at += whole;
    return true;
}

/* A whole stream was read: its END ends where reading did. */
static inline void fuzz_check_end(int in, off_t taken)
{
    struct xf_record rec = {.type = 1};
    off_t at = XF_HEADERS_BYTES;

    while (rec.type != XF_REC_END)
        FUZZ_CHECK(fuzz_next_record(in, &at, &rec, NULL, 0));
    FUZZ_CHECK(at == taken);
}

#endif
