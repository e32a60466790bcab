/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disk: one file goes to another over a simulated link, as the disk of a guest that is shut off.
 * Whatever is lost or cut, what is complete is the same, byte for byte, and on the medium.
 */
#include "tests/unit/common/pair.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/base/bitmap.h"
#include "transport/base/random.h"
#include "transport/disk/disk_sink.h"
#include "transport/disk/disk_source.h"
#include "transport/disk/disk_units.h"

#define LIMIT_US 600000000u
#define CHUNK    ((uint64_t)XF_CHUNK_PAGES * XF_PAGE_BYTES)

/* In place of the C library's: whether it was called, and what comes of it. */
static struct {
    unsigned calls;
    int fails;
} sync_calls;

int fdatasync(int fd)
{
    (void)fd;
    sync_calls.calls++;
    errno = sync_calls.fails;
    return sync_calls.fails ? -1 : 0;
}

struct copy {
    char from_path[64], to_path[64];
    uint64_t bytes;
    bool old;   /* the target has other content, and is not known to be zeros */
    bool holes; /* half of the source's chunks are holes */
    struct xf_disk from, to;
    struct xf_disk_source *source;
    struct xf_disk_sink *sink;
    struct xf_guest_source gs;
    struct xf_guest_sink gt;
    struct pair_config config;
    struct pair pair;
};

static uint8_t *contents(const char *path, uint64_t bytes)
{
    uint8_t *all = malloc(bytes);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_non_null(all);
    assert_int_equal(pread(fd, all, bytes, 0), bytes);
    close(fd);
    return all;
}

/* Random bytes; every third page zeros. */
static void fill(const char *path, uint64_t bytes, uint64_t seed, bool holes)
{
    struct xf_random random = {.state = seed};
    uint64_t page[XF_PAGE_BYTES / 8];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    for (uint64_t at = 0; at < bytes; at += sizeof(page)) {
        size_t n = bytes - at < sizeof(page) ? bytes - at : sizeof(page);
        bool zero = at / sizeof(page) % 3 == 2;

        if (holes && at / CHUNK % 2)
            continue;
        for (unsigned i = 0; i < XF_PAGE_BYTES / 8; i++)
            page[i] = zero ? 0 : xf_random_next(&random);
        assert_int_equal(pwrite(fd, page, n, (off_t)at), n);
    }
    close(fd);
}

static void begin(struct copy *c, const char *where, uint64_t bytes)
{
    memset(c, 0, sizeof(*c));
    memset(&sync_calls, 0, sizeof(sync_calls));
    snprintf(c->from_path, sizeof(c->from_path), "%s/xf-disk-from-%d", where, getpid());
    snprintf(c->to_path, sizeof(c->to_path), "%s/xf-disk-to-%d", where, getpid());
    c->bytes = bytes;
    c->config = pair_defaults(1);
    c->config.features = XF_FEATURE_VERIFY | XF_FEATURE_VERIFY_LIVE;
    /* What disks take is real time, which this clock does not know. */
    c->config.step_us = 5;
}

static void open_both(struct copy *c)
{
    char err[XF_DISK_ERR_BYTES];

    fill(c->from_path, c->bytes, 1, c->holes);
    if (c->old) {
        fill(c->to_path, c->bytes, 2, false);
    } else {
        fill(c->to_path, 1, 2, false);
        assert_int_equal(truncate(c->to_path, 0), 0);
        assert_int_equal(truncate(c->to_path, (off_t)c->bytes), 0);
    }
    assert_int_equal(xf_disk_open(&c->from, c->from_path, XF_DISK_READ, err), 0);
    assert_int_equal(xf_disk_open(&c->to, c->to_path, XF_DISK_WRITE, err), 0);
    assert_int_equal(xf_disk_source_new(&c->source, &c->from, !c->old), 0);
    assert_int_equal(xf_disk_sink_new(&c->sink, &c->to, !c->old), 0);
    c->gs = xf_disk_source_guest(c->source);
    c->gt = xf_disk_sink_guest(c->sink);
    c->config.ends.from = &c->gs;
    c->config.ends.to = &c->gt;
    c->config.pages = c->from.pages;
    pair_open(&c->pair, &c->config);
}

static void run(struct copy *c)
{
    open_both(c);
    pair_run(&c->pair, LIMIT_US);
}

static void end(struct copy *c)
{
    pair_close(&c->pair);
    xf_disk_source_free(c->source);
    xf_disk_sink_free(c->sink);
    xf_disk_close(&c->from);
    xf_disk_close(&c->to);
    unlink(c->from_path);
    unlink(c->to_path);
}

static void assert_same(const struct copy *c)
{
    struct stat st;

    if (c->pair.source_rc != XF_SESSION_DONE || c->pair.target_rc != XF_SESSION_DONE)
        fail_msg("source %d (%s), target %d (%s)", c->pair.source_rc,
                 xf_source_error(c->pair.source), c->pair.target_rc,
                 xf_target_error(c->pair.target));
    uint8_t *a = contents(c->from_path, c->bytes), *b = contents(c->to_path, c->bytes);

    for (uint64_t i = 0; i < c->bytes; i++)
        if (a[i] != b[i])
            fail_msg("byte %llu differs", (unsigned long long)i);
    free(a);
    free(b);
    assert_int_equal(stat(c->to_path, &st), 0);
    assert_int_equal(st.st_size, c->bytes);
    assert_true(sync_calls.calls > 0);
}

/* With and without O_DIRECT, one lane and several, over old content and over none. */
static void a_disk_goes_over(void **unused)
{
    static const char *const where[] = {"/var/tmp", "/dev/shm"};

    (void)unused;
    for (unsigned i = 0; i < 8; i++) {
        struct copy c;

        begin(&c, where[i & 1], 24 * CHUNK + 3 * XF_PAGE_BYTES);
        c.config.net.queues = i & 2 ? 3 : 1;
        c.old = i & 4;
        run(&c);
        assert_same(&c);
        assert_true(xf_target_stats(c.pair.target)->pages_verified > 0);
        end(&c);
    }
}

/* Packets are lost, and a page is several of them: its fragments come in pieces that were written
   in between. */
static void what_is_lost_comes_again(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 3; i++) {
        struct copy c;

        begin(&c, "/var/tmp", 24 * CHUNK);
        c.old = true;
        c.config.seed = i;
        c.config.net.queues = 1 + i;
        c.config.net.payload_bytes = 1472;
        c.config.faults = (struct xf_fault_config){.loss_pct = 3, .reorder_pct = 2};
        run(&c);
        assert_same(&c);
        assert_true(xf_source_stats(c.pair.source)->pages_repaired > 0);
        end(&c);
    }
}

/* The last page is partly beyond the disk. */
static void a_disk_ends_at_a_sector(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 2; i++) {
        struct copy c;

        begin(&c, i ? "/dev/shm" : "/var/tmp", CHUNK + 7 * XF_PAGE_BYTES + 3 * 512);
        c.old = true;
        run(&c);
        assert_same(&c);
        end(&c);
    }
}

static uint64_t allocated(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* Where the target is zeros, neither holes are sent nor zeros written. */
static void holes_stay_holes(void **unused)
{
    struct copy c;

    (void)unused;
    begin(&c, "/dev/shm", 24 * CHUNK);
    c.holes = true;
    run(&c);
    assert_same(&c);
    /* Half is holes; a third of the rest is zeros. */
    assert_int_equal(xf_source_stats(c.pair.source)->pages_total, 12 * XF_CHUNK_PAGES);
    assert_in_range(allocated(c.to_path), 7 * CHUNK, 9 * CHUNK);
    end(&c);
}

/* A disk of nothing but holes. */
static void an_empty_disk_goes_over(void **unused)
{
    struct copy c;

    (void)unused;
    begin(&c, "/dev/shm", CHUNK / 2); /* no chunk of it is a hole */
    run(&c);
    assert_same(&c);
    end(&c);

    begin(&c, "/dev/shm", CHUNK);
    open_both(&c);
    assert_int_equal(truncate(c.from_path, 0), 0);
    assert_int_equal(truncate(c.from_path, (off_t)CHUNK), 0);
    pair_run(&c.pair, LIMIT_US);
    assert_int_equal(c.pair.source_rc, XF_SESSION_DONE);
    assert_int_equal(c.pair.target_rc, XF_SESSION_DONE);
    assert_int_equal(xf_source_stats(c.pair.source)->pages_total, 0);
    assert_int_equal(allocated(c.to_path), 0);
    end(&c);
}

/* ---- written to meanwhile ------------------------------------------------------------------- */

static struct {
    const struct copy *copy;
    unsigned takes, waits;
    bool stopped;
} writer;

/* Each time half of all pages were written, and it is not told at once. */
static int write_half(void *unused, uint64_t *dirty, uint64_t *count)
{
    const struct copy *c = writer.copy;
    struct xf_random random = {.state = 100 + writer.takes};
    int fd;

    (void)unused;
    if (++writer.waits % 3)
        return -EAGAIN;
    memset(dirty, 0, xf_bitmap_words(c->from.pages) * sizeof(dirty[0]));
    *count = 0;
    if (writer.stopped && writer.takes > 4)
        return 0;
    writer.takes++;
    fd = open(c->from_path, O_WRONLY | O_CLOEXEC);
    for (uint64_t page = 0; page < c->from.pages; page++) {
        uint64_t bytes[XF_PAGE_BYTES / 8];

        if (xf_random_below(&random, 2))
            continue;
        for (unsigned i = 0; i < XF_PAGE_BYTES / 8; i++)
            bytes[i] = xf_random_next(&random);
        assert_int_equal(pwrite(fd, bytes, sizeof(bytes), (off_t)(page * sizeof(bytes))),
                         sizeof(bytes));
        xf_bitmap_set(dirty, page);
        ++*count;
    }
    close(fd);
    return 0;
}

static int stop_writing(void *unused)
{
    (void)unused;
    writer.stopped = true;
    return 0;
}

static void what_is_written_meanwhile_goes_again(void **unused)
{
    const struct xf_disk_writers writers = {.take = write_half, .stop = stop_writing};

    (void)unused;
    for (unsigned i = 0; i < 4; i++) {
        struct copy c;

        begin(&c, i & 1 ? "/dev/shm" : "/var/tmp", 24 * CHUNK);
        c.config.net.queues = 1 + i / 2;
        c.config.faults = (struct xf_fault_config){.loss_pct = 2};
        c.config.seed = i;
        open_both(&c);
        memset(&writer, 0, sizeof(writer));
        writer.copy = &c;
        xf_disk_source_written(c.source, &writers);
        pair_run(&c.pair, LIMIT_US);
        assert_same(&c);
        assert_true(writer.stopped && writer.takes > 2);
        end(&c);
    }
}

static const void *const *map_batch(const struct xf_guest_source *gs, uint64_t first)
{
    static const void *pages[XF_MAP_BATCH_PAGES];
    uint64_t gfns[XF_MAP_BATCH_PAGES];
    int rc;

    for (unsigned i = 0; i < XF_MAP_BATCH_PAGES; i++)
        gfns[i] = first + i;
    while ((rc = gs->ops->map(gs->ctx, 0, gfns, XF_MAP_BATCH_PAGES, pages)) == -EAGAIN)
        usleep(100);
    assert_int_equal(rc, 0);
    return pages;
}

/* What was read ahead of one round is not sent in the next. */
static void what_was_read_ahead_is_read_again(void **unused)
{
    const struct xf_disk_writers writers = {.take = write_half, .stop = stop_writing};
    uint64_t bitmap[4 * XF_MAP_BATCH_PAGES / 64] = {0}, count;
    char err[XF_DISK_ERR_BYTES];
    struct xf_guest_source gs;
    struct copy c;

    (void)unused;
    begin(&c, "/dev/shm", 4 * XF_MAP_BATCH_PAGES * XF_PAGE_BYTES);
    fill(c.from_path, c.bytes, 1, false);
    assert_int_equal(xf_disk_open(&c.from, c.from_path, XF_DISK_READ, err), 0);
    assert_int_equal(xf_disk_source_new(&c.source, &c.from, false), 0);
    memset(&writer, 0, sizeof(writer));
    writer.copy = &c;
    xf_disk_source_written(c.source, &writers);
    gs = xf_disk_source_guest(c.source);
    assert_int_equal(gs.ops->lanes(gs.ctx, 1), 0);
    assert_int_equal(gs.ops->start(gs.ctx, bitmap, &count), 0);
    map_batch(&gs, 0);
    usleep(50000); /* so that the batch after it is there: if it is not, this shows less */
    while (gs.ops->dirty(gs.ctx, bitmap, false, &count) == -EAGAIN)
        continue;

    uint8_t *now = contents(c.from_path, c.bytes);

    const void *const *pages = map_batch(&gs, XF_MAP_BATCH_PAGES);

    for (unsigned i = 0; i < XF_MAP_BATCH_PAGES; i++)
        assert_memory_equal(pages[i], now + (XF_MAP_BATCH_PAGES + i) * XF_PAGE_BYTES,
                            XF_PAGE_BYTES);
    free(now);
    xf_disk_source_free(c.source);
    xf_disk_close(&c.from);
    unlink(c.from_path);
}

/* ---- what goes wrong ---------------------------------------------------------------------- */

static void assert_failed(const struct copy *c, int rc, const char *because)
{
    const char *why = xf_target_error(c->pair.target);

    if (!*why)
        why = xf_source_error(c->pair.source);
    if (!strstr(why, because))
        fail_msg("'%s', not '%s'", why, because);
    assert_int_not_equal(c->pair.source_rc, XF_SESSION_DONE);
    assert_int_not_equal(c->pair.target_rc, XF_SESSION_DONE);
    assert_true(c->pair.source_rc == rc || c->pair.target_rc == rc);
}

static void a_full_target_ends_it(void **unused)
{
    const struct rlimit few = {10 * CHUNK, RLIM_INFINITY};
    const struct rlimit many = {RLIM_INFINITY, RLIM_INFINITY};
    struct copy c;

    (void)unused;
    begin(&c, "/var/tmp", 24 * CHUNK);
    c.old = true;
    open_both(&c);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
    pair_run(&c.pair, LIMIT_US);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &many), 0);
    assert_failed(&c, -EFBIG, strerror(EFBIG));
    end(&c);
}

static void what_cannot_be_read_ends_it(void **unused)
{
    struct copy c;

    (void)unused;
    begin(&c, "/var/tmp", 24 * CHUNK);
    c.old = true;
    open_both(&c);
    assert_int_equal(truncate(c.from_path, (off_t)(18 * CHUNK)), 0);
    pair_run(&c.pair, LIMIT_US);
    assert_failed(&c, -EIO, "cannot read");
    end(&c);
}

static void what_is_not_durable_is_not_complete(void **unused)
{
    struct copy c;

    (void)unused;
    begin(&c, "/var/tmp", 4 * CHUNK);
    sync_calls.fails = EIO;
    run(&c);
    assert_failed(&c, -EIO, strerror(EIO));
    end(&c);
}

/* A wrong byte at the target is found, however it came about. */
static void what_differs_is_found(void **unused)
{
    struct copy c;

    (void)unused;
    begin(&c, "/dev/shm", 8 * CHUNK);
    open_both(&c);
    while (c.pair.source_rc == 0 && xf_target_stats(c.pair.target)->rounds == 0)
        pair_step(&c.pair);
    int fd = open(c.to_path, O_WRONLY | O_CLOEXEC);

    assert_int_equal(pwrite(fd, "wrong", 5, (off_t)(3 * CHUNK)), 5);
    close(fd);
    pair_run(&c.pair, LIMIT_US);
    assert_failed(&c, -EILSEQ, "pages differ: 0x600");
    end(&c);
}

/* Of two disks just the units that differ have other hashes, whatever the threads do. */
static void units_that_differ_show(void **unused)
{
    enum { UNITS = 2 * CHUNK / (XF_DISK_UNIT_PAGES * XF_PAGE_BYTES) + 1 };
    static uint8_t before[UNITS][XF_HASH_BYTES], after[UNITS][XF_HASH_BYTES];
    const uint64_t unit_bytes = XF_DISK_UNIT_PAGES * XF_PAGE_BYTES;
    char err[XF_DISK_ERR_BYTES], path[64];
    struct xf_disk disk;

    (void)unused;
    snprintf(path, sizeof(path), "/dev/shm/xf-disk-%d", getpid());
    fill(path, 2 * CHUNK + 1000, 1, false);
    assert_int_equal(xf_disk_open(&disk, path, XF_DISK_WRITE, err), 0);
    assert_int_equal(xf_disk_units(&disk), UNITS);
    assert_int_equal(xf_disk_hash_units(&disk, 7, 0, UNITS, before[0]), 0);
    assert_int_equal(pwrite(disk.fd, "!", 1, (off_t)(5 * unit_bytes - 1)), 1);
    assert_int_equal(pwrite(disk.fd, "!", 1, (off_t)(2 * CHUNK + 999)), 1);
    /* In two calls, which do not begin where a piece does. */
    assert_int_equal(xf_disk_hash_units(&disk, 7, 0, 3, after[0]), 0);
    assert_int_equal(xf_disk_hash_units(&disk, 7, 3, UNITS - 3, after[3]), 0);
    for (unsigned i = 0; i < UNITS; i++)
        assert_int_equal(memcmp(before[i], after[i], XF_HASH_BYTES) != 0, i == 4 || i == UNITS - 1);
    assert_int_equal(xf_disk_hash_units(&disk, 8, 0, UNITS, after[0]), 0);
    assert_memory_not_equal(before[0], after[0], XF_HASH_BYTES); /* another seed */
    xf_disk_close(&disk);
    assert_int_not_equal(xf_disk_hash_units(&disk, 7, 0, UNITS, after[0]), 0);
    unlink(path);
}

static void what_is_no_disk_is_told(void **unused)
{
    char err[XF_DISK_ERR_BYTES], path[64];
    struct xf_disk disk;

    (void)unused;
    assert_int_equal(xf_disk_open(&disk, "/none", XF_DISK_READ, err), -ENOENT);
    assert_string_equal(err, "/none: No such file or directory");
    assert_int_equal(xf_disk_open(&disk, "/", XF_DISK_READ, err), -ENOTBLK);
    assert_string_equal(err, "/ is neither a block device nor a file");
    snprintf(path, sizeof(path), "/dev/shm/xf-disk-%d", getpid());
    fill(path, 0, 1, false);
    assert_int_equal(xf_disk_open(&disk, path, XF_DISK_WRITE, err), -EINVAL);
    assert_non_null(strstr(err, "is empty"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_goes_over),
        cmocka_unit_test(what_is_lost_comes_again),
        cmocka_unit_test(a_disk_ends_at_a_sector),
        cmocka_unit_test(holes_stay_holes),
        cmocka_unit_test(an_empty_disk_goes_over),
        cmocka_unit_test(what_is_written_meanwhile_goes_again),
        cmocka_unit_test(what_was_read_ahead_is_read_again),
        cmocka_unit_test(a_full_target_ends_it),
        cmocka_unit_test(what_cannot_be_read_ends_it),
        cmocka_unit_test(what_is_not_durable_is_not_complete),
        cmocka_unit_test(what_differs_is_found),
        cmocka_unit_test(units_that_differ_show),
        cmocka_unit_test(what_is_no_disk_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
