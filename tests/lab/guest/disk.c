/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's disk: blocks are written, read back and checked all the time, several requests in
 * flight (by AIO: what waits for a plain O_DIRECT write cannot be frozen, so nothing would ever be
 * in flight when the guest is suspended). A block carries its index, its generation, the guest's
 * boot id and a checksum; which generation it should have is kept in memory, so that a write that
 * was lost, or one that landed late over a newer one, is seen as well as a broken one. Now and then
 * it is flushed, and blocks are given back as fstrim does: such a one is empty or what it was.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BLOCK_BYTES = 4096, BLOCK_WORDS = BLOCK_BYTES / 8, DEPTH = 8, PAUSE_MS = 20 };
enum { FLUSH_EACH = 4, TRIM_EACH = 16, TRIM_BLOCKS = 16 };

struct block {
    uint64_t index;
    uint64_t generation;
    uint64_t boot;
    uint64_t sum; /* over all other words */
    uint64_t words[BLOCK_WORDS - 4];
};
_Static_assert(sizeof(struct block) == BLOCK_BYTES, "a block");

atomic_ullong disk_blocks, disk_trims;

static struct {
    int fd;
    uint64_t boot;
    uint64_t count;       /* blocks */
    uint64_t *generation; /* what each block's should be */
    bool *trimmed;        /* since it was written */
    struct block *buffer; /* DEPTH of them */
    uint64_t *index;      /* which block each buffer is for */
    uint64_t random;
    aio_context_t aio;
} disk;

static uint64_t block_sum(const struct block *b)
{
    uint64_t sum = mix(b->index) ^ mix(b->generation + 1) ^ mix(b->boot + 2);

    for (size_t i = 0; i < BLOCK_WORDS - 4; i++)
        sum = (sum ^ b->words[i]) * 0x100000001b3ULL + (sum >> 47);
    return sum;
}

static void make_block(struct block *b, uint64_t index)
{
    uint64_t state = mix(disk.boot ^ mix(index) ^ (disk.generation[index] << 32)) | 1;

    b->index = index;
    b->generation = disk.generation[index];
    b->boot = disk.boot;
    for (size_t i = 0; i < BLOCK_WORDS - 4; i++)
        b->words[i] = next_random(&state);
    b->sum = block_sum(b);
}

static bool is_empty(const struct block *b)
{
    const uint64_t *words = (const uint64_t *)b;

    for (size_t i = 0; i < BLOCK_WORDS; i++)
        if (words[i])
            return false;
    return true;
}

static void check_block(const struct block *b, uint64_t index)
{
    if (disk.trimmed[index] && is_empty(b)) {
        atomic_fetch_add(&disk_blocks, 1);
        return;
    }
    if (b->index == index && b->generation == disk.generation[index] && b->boot == disk.boot &&
        b->sum == block_sum(b)) {
        atomic_fetch_add(&disk_blocks, 1);
        return;
    }
    wrong("disk block=%llu index=%llx generation=%llx (expected %llx) boot=%llx sum=%s\n",
          (unsigned long long)index, (unsigned long long)b->index,
          (unsigned long long)b->generation, (unsigned long long)disk.generation[index],
          (unsigned long long)b->boot, b->sum == block_sum(b) ? "right" : "wrong");
}

/* All of disk.index at once; true if each was done whole. */
static bool transfer(int opcode)
{
    struct iocb requests[DEPTH], *list[DEPTH];
    struct io_event events[DEPTH];
    bool ok = true;

    for (int i = 0; i < DEPTH; i++) {
        requests[i] = (struct iocb){.aio_lio_opcode = (uint16_t)opcode,
                                    .aio_fildes = (uint32_t)disk.fd,
                                    .aio_buf = (uint64_t)(uintptr_t)&disk.buffer[i],
                                    .aio_nbytes = BLOCK_BYTES,
                                    .aio_offset = (int64_t)disk.index[i] * BLOCK_BYTES};
        list[i] = &requests[i];
    }
    for (long done = 0; done < DEPTH;) {
        long n = syscall(SYS_io_submit, disk.aio, DEPTH - done, list + done);
        if (n <= 0 && errno != EINTR) {
            wrong("disk: io_submit: %s\n", strerror(errno));
            return false;
        }
        done += n > 0 ? n : 0;
    }
    for (long done = 0; done < DEPTH;) {
        /* The freezer of a suspend interrupts it. */
        long n = syscall(SYS_io_getevents, disk.aio, 1, DEPTH, events, NULL);
        if (n < 0 && errno != EINTR) {
            wrong("disk: io_getevents: %s\n", strerror(errno));
            return false;
        }
        for (long i = 0; i < n; i++)
            if (events[i].res != BLOCK_BYTES) {
                wrong("disk %s: %lld\n", opcode == IOCB_CMD_PREAD ? "read" : "write",
                      (long long)events[i].res);
                ok = false;
            }
        done += n > 0 ? n : 0;
    }
    return ok;
}

static void write_blocks(void)
{
    for (int i = 0; i < DEPTH; i++) {
        disk.generation[disk.index[i]]++;
        disk.trimmed[disk.index[i]] = false;
        make_block(&disk.buffer[i], disk.index[i]);
    }
    transfer(IOCB_CMD_PWRITE);
}

static void read_blocks(void)
{
    memset(disk.buffer, 0, DEPTH * sizeof *disk.buffer);
    if (transfer(IOCB_CMD_PREAD))
        for (int i = 0; i < DEPTH; i++)
            check_block(&disk.buffer[i], disk.index[i]);
}

static void choose(uint64_t first, uint64_t step)
{
    for (uint64_t i = 0; i < DEPTH; i++)
        disk.index[i] = (first + i * step) % disk.count;
}

static void flush(void)
{
    while (fdatasync(disk.fd))
        if (errno != EINTR) {
            wrong("disk: fdatasync: %s\n", strerror(errno));
            return;
        }
}

/* Not each backend can. */
static void trim(void)
{
    uint64_t first = next_random(&disk.random) % disk.count / TRIM_BLOCKS * TRIM_BLOCKS;
    uint64_t range[2] = {first * BLOCK_BYTES, (uint64_t)TRIM_BLOCKS * BLOCK_BYTES};

    if (ioctl(disk.fd, BLKDISCARD, range) && errno != EINTR) {
        if (errno != EOPNOTSUPP)
            wrong("disk: BLKDISCARD: %s\n", strerror(errno));
        return;
    }
    for (uint64_t i = 0; i < TRIM_BLOCKS; i++)
        disk.trimmed[first + i] = true;
    atomic_fetch_add(&disk_trims, 1);
}

static void *work(void *arg)
{
    uint64_t next = 0;

    (void)arg;
    for (uint64_t first = 0; first < disk.count; first += DEPTH) {
        choose(first, 1);
        write_blocks();
    }
    for (uint64_t n = 1;; n++) {
        /* The step is odd and the count a power of two, so that no block is chosen twice. */
        choose(next_random(&disk.random), next_random(&disk.random) | 1);
        write_blocks();
        read_blocks();
        choose(next, 1);
        read_blocks();
        next = (next + DEPTH) % disk.count;
        if (n % FLUSH_EACH == 0)
            flush();
        if (n % TRIM_EACH == 0)
            trim();
        sleep_ms(PAUSE_MS);
    }
    return NULL;
}

int start_disk(uint64_t mib, uint32_t boot)
{
    pthread_t thread;

    disk.count = 64;
    while (disk.count * 2 * BLOCK_BYTES <= mib * 1024 * 1024)
        disk.count *= 2;
    disk.boot = boot;
    disk.random = mix(boot) | 1;
    for (int i = 0; i < 300; i++) {
        disk.fd = open("/dev/xvda", O_RDWR | O_DIRECT | O_CLOEXEC);
        if (disk.fd >= 0 || errno != ENOENT)
            break;
        sleep_ms(100);
    }
    if (disk.fd < 0)
        return -errno;
    disk.generation = calloc(disk.count, sizeof *disk.generation);
    disk.trimmed = calloc(disk.count, sizeof *disk.trimmed);
    disk.index = calloc(DEPTH, sizeof *disk.index);
    disk.buffer = mmap(NULL, DEPTH * sizeof *disk.buffer, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!disk.generation || !disk.trimmed || !disk.index || disk.buffer == MAP_FAILED)
        return -ENOMEM;
    if (syscall(SYS_io_setup, DEPTH, &disk.aio))
        return -errno;
    return -pthread_create(&thread, NULL, work, NULL);
}
