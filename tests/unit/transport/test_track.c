/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Track: a loop device is copied while threads write to it and discard, past the cache; when they
 * have stopped, the copy is the same, page for page. A tracker that sees nothing is found out.
 *
 * Needs root, loop devices, and a kernel that takes the program. XF_TRACK_DEVICE: another device to
 * try, of 16 MiB; what is on it is lost. If its writes are slow and it has no queue of requests, a
 * tracker that does not wait for them is found out, too (tests/lab/38-track.sh; track.c is included
 * for that).
 */
#include "tests/unit/common/pair.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "transport/base/bitmap.h"
#include "transport/base/clock.h"
#include "transport/base/random.h"
#include "transport/disk/disk_sink.h"
#include "transport/disk/disk_source.h"
#include "transport/disk/track.h"
#if XF_TRACK
#include "transport/disk/track.c"
#endif

#define DISK_BYTES   ((uint64_t)16 << 20)
#define WRITERS      3u
#define WRITE_PAGES  16u
#define DISCARD_EACH 50u
#define LIVE_US      2000000u
#define GIVEN_TIMES  50u
#define LIMIT_US     6000000000u

static char file[64], device[64], copy_path[64];
static const char *why_not; /* it cannot be tried here */
static bool given;          /* the device */

static struct {
    pthread_t threads[WRITERS];
    atomic_bool stop;
    atomic_uint writes;
} writers;

/* ---- the device, and who writes to it ------------------------------------------------------- */

static int make_device(void **unused)
{
    char command[240], err[XF_DISK_ERR_BYTES];
    struct xf_track *t;

    (void)unused;
    given = getenv("XF_TRACK_DEVICE") != NULL;
    snprintf(file, sizeof(file), "/dev/shm/xf-track-%d", getpid());
    snprintf(copy_path, sizeof(copy_path), "/dev/shm/xf-track-copy-%d", getpid());
    if (given) {
        snprintf(device, sizeof(device), "%s", getenv("XF_TRACK_DEVICE"));
    } else {
        snprintf(command, sizeof(command),
                 "truncate -s %llu %s && losetup --show -f %s 2>/dev/null",
                 (unsigned long long)DISK_BYTES, file, file);
        FILE *losetup = popen(command, "re");

        if (!losetup || !fgets(device, sizeof(device), losetup))
            device[0] = 0;
        device[strcspn(device, "\n")] = 0;
        if (losetup)
            pclose(losetup);
    }
    if (!device[0]) {
        why_not = "no loop device: it takes root";
        return 0;
    }
    int rc = xf_track_new(&t, device, DISK_BYTES, err);

    if (rc == -EPERM || rc == -EOPNOTSUPP) {
        fprintf(stderr, "%s\n", err);
        why_not = "this kernel or this build has no tracker";
    } else {
        assert_int_equal(rc, 0);
    }
    xf_track_free(t);
    return 0;
}

static int remove_device(void **unused)
{
    char command[100];

    (void)unused;
    snprintf(command, sizeof(command), "losetup -d %s", device);
    if (device[0] && !given && system(command))
        fprintf(stderr, "%s stays\n", device);
    unlink(file);
    unlink(copy_path);
    return 0;
}

static void *write_at_random(void *arg)
{
    struct xf_random random = {.state = (uintptr_t)arg};
    int fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
    uint64_t *bytes = aligned_alloc(XF_PAGE_BYTES, WRITE_PAGES * XF_PAGE_BYTES);

    while (fd >= 0 && bytes && !atomic_load(&writers.stop)) {
        uint64_t n = (1 + xf_random_below(&random, WRITE_PAGES)) * XF_PAGE_BYTES;
        uint64_t at = xf_random_below(&random, (DISK_BYTES - n) / XF_PAGE_BYTES) * XF_PAGE_BYTES;
        uint64_t range[2] = {at, n};

        for (uint64_t i = 0; i < n / 8; i += 64)
            bytes[i] = xf_random_next(&random);
        if (xf_random_below(&random, DISCARD_EACH) == 0 ? ioctl(fd, BLKDISCARD, range) != 0
                                                        : pwrite(fd, bytes, n, (off_t)at) < 0)
            break;
        atomic_fetch_add(&writers.writes, 1);
        usleep(1000);
    }
    free(bytes);
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void start_writers(void)
{
    atomic_store(&writers.stop, false);
    atomic_store(&writers.writes, 0);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(
            pthread_create(&writers.threads[i], NULL, write_at_random, (void *)(uintptr_t)(i + 1)),
            0);
}

static int stop_writers(void *unused)
{
    (void)unused;
    if (atomic_exchange(&writers.stop, true))
        return 0;
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(writers.threads[i], NULL);
    return 0;
}

/* ---- copying -------------------------------------------------------------------------------- */

/* Round after round for so long, then the stop: writers like these never leave little to send. */
struct rounds {
    struct xf_plan plan;
    uint64_t until_us;
    bool stopped;
};

static struct xf_plan_order next(struct xf_plan *plan, const struct xf_plan_ended *ended)
{
    struct rounds *r = (struct rounds *)plan;

    switch (ended->what) {
    case XF_ENDED_START:
        return xf_order_send(XF_SEND_PAGES, false);
    case XF_ENDED_SEND:
        return xf_order_just(r->stopped ? XF_ORDER_DONE : XF_ORDER_LOOK);
    case XF_ENDED_LOOK:
        if (ended->none_yet)
            return xf_order_just(XF_ORDER_WAIT);
        return xf_now_us() < r->until_us ? xf_order_send(XF_SEND_PAGES, false)
                                         : xf_order_just(XF_ORDER_SUSPEND);
    case XF_ENDED_SUSPEND:
        r->stopped = true;
        return xf_order_send(XF_SEND_PAGES, true);
    default:
        return xf_order_just(XF_ORDER_LOOK);
    }
}

static int see_nothing(void *unused, uint64_t *dirty, uint64_t *count)
{
    (void)unused;
    memset(dirty, 0, DISK_BYTES / XF_PAGE_BYTES / 8);
    *count = 0;
    return 0;
}

/* Kernels lose events of a tracker now and then (6.18 does, while another one begins or ends), and
   count no misses. That is no fault as long as it shows; then nobody takes such a copy for whole.
 */
static unsigned found_out;

/* A write is counted a moment after it is done. */
static bool agrees_soon(const struct xf_track *track)
{
    for (unsigned i = 0; i < 1000 && !xf_track_agrees(track); i++)
        usleep(1000);
    return xf_track_agrees(track);
}

/* How many pages of the copy differ. */
static unsigned copy_of_device(int (*take)(void *, uint64_t *, uint64_t *), unsigned lanes)
{
    struct rounds rounds = {.plan = {.next = next}, .until_us = xf_now_us() + LIVE_US};
    struct pair_config config = pair_defaults(1);
    struct xf_disk_writers live = {.take = take, .stop = stop_writers};
    char err[XF_DISK_ERR_BYTES];
    struct xf_disk from, to;
    struct xf_disk_source *source;
    struct xf_disk_sink *sink;
    struct xf_track *track;
    struct pair pair;
    unsigned differ = 0;
    int fd = open(copy_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(ftruncate(fd, (off_t)DISK_BYTES), 0);
    assert_int_equal(xf_disk_open(&from, device, XF_DISK_READ, err), 0);
    assert_int_equal(xf_disk_open(&to, copy_path, XF_DISK_WRITE, err), 0);
    assert_int_equal(xf_track_new(&track, device, DISK_BYTES, err), 0);
    start_writers();
    live.ctx = track;
    assert_int_equal(xf_disk_source_new(&source, &from, false), 0);
    assert_int_equal(xf_disk_sink_new(&sink, &to, true), 0);
    xf_disk_source_written(source, &live);

    struct xf_guest_source gs = xf_disk_source_guest(source);
    struct xf_guest_sink gt = xf_disk_sink_guest(sink);

    config.ends.from = &gs;
    config.ends.to = &gt;
    config.pages = from.pages;
    config.net.queues = lanes;
    config.step_us = 5;
    config.plan = &rounds.plan;
    pair_open(&pair, &config);
    pair_run(&pair, LIMIT_US);
    stop_writers(NULL);
    if (pair.source_rc != XF_SESSION_DONE || pair.target_rc != XF_SESSION_DONE)
        fail_msg("source %d (%s), target %d (%s)", pair.source_rc, xf_source_error(pair.source),
                 pair.target_rc, xf_target_error(pair.target));
    printf("%u writes, %u rounds\n", atomic_load(&writers.writes),
           xf_source_stats(pair.source)->rounds);
    bool told = !given && !agrees_soon(track);

    pair_close(&pair);
    xf_disk_source_free(source);
    xf_disk_sink_free(sink);
    xf_track_free(track);
    xf_disk_close(&to);

    static _Alignas(XF_PAGE_BYTES) uint8_t a[XF_PAGE_BYTES], b[XF_PAGE_BYTES];
    int of =
        given ? open(device, O_RDONLY | O_DIRECT | O_CLOEXEC) : open(file, O_RDONLY | O_CLOEXEC);

    for (uint64_t at = 0; at < DISK_BYTES; at += sizeof(a)) {
        assert_int_equal(pread(of, a, sizeof(a), (off_t)at), sizeof(a));
        assert_int_equal(pread(fd, b, sizeof(b), (off_t)at), sizeof(b));
        differ += memcmp(a, b, sizeof(a)) != 0;
    }
    close(of);
    close(fd);
    xf_disk_close(&from);
    if (told)
        printf("%u pages differ; the kernel counts other writes than were seen\n", differ);
    found_out += told;
    return told ? 0 : differ;
}

/* As if a write that has begun could be read. */
static int take_too_early(void *track, uint64_t *dirty, uint64_t *count)
{
#if XF_TRACK
    struct xf_track *t = track;
    const uint32_t zero = 0;

    t->live ^= 1;
    assert_int_equal(bpf_map_update_elem(t->live_fd, &zero, &t->generation_fd[t->live], 0), 0);
    *count = take_bits(t, t->generation[t->live ^ 1], dirty);
    return 0;
#else
    return xf_track_take(track, dirty, count);
#endif
}

static void what_has_not_ended_shows(void **unused)
{
    (void)unused;
    if (why_not || !given)
        skip();
    assert_true(copy_of_device(take_too_early, 1) > 0);
}

static void what_is_written_is_seen(void **unused)
{
    (void)unused;
    if (why_not)
        skip();
    for (unsigned i = 0; i < (given ? GIVEN_TIMES : 4); i++)
        assert_int_equal(copy_of_device(xf_track_take, 1 + i % 2), 0);
    assert_true(found_out < 4);
}

static void what_is_not_seen_shows(void **unused)
{
    (void)unused;
    if (why_not)
        skip();
    assert_true(copy_of_device(see_nothing, 1) > 0);
}

/* What was written, and nothing else. */
static void pages_are_those_that_were_written(void **unused)
{
    uint64_t dirty[DISK_BYTES / XF_PAGE_BYTES / 64], count;
    char err[XF_DISK_ERR_BYTES];
    struct xf_track *t;

    (void)unused;
    if (why_not)
        skip();
    int fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
    void *bytes = aligned_alloc(XF_PAGE_BYTES, 4 * XF_PAGE_BYTES);

    memset(bytes, 1, 4 * XF_PAGE_BYTES);
    assert_int_equal(xf_track_new(&t, device, DISK_BYTES, err), 0);
    assert_int_equal(xf_track_take(t, dirty, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(pwrite(fd, bytes, 4 * XF_PAGE_BYTES, 62 * XF_PAGE_BYTES), 4 * XF_PAGE_BYTES);
    assert_int_equal(pwrite(fd, bytes, 512, (off_t)(DISK_BYTES - 512)), 512);
    assert_int_equal(xf_track_take(t, dirty, &count), 0);
    assert_int_equal(count, 5);
    for (uint64_t page = 0; page < DISK_BYTES / XF_PAGE_BYTES; page++)
        assert_int_equal(xf_bitmap_test(dirty, page),
                         (page >= 62 && page < 66) || page == DISK_BYTES / XF_PAGE_BYTES - 1);
    assert_int_equal(xf_track_take(t, dirty, &count), 0);
    assert_int_equal(count, 0);
    uint64_t range[2] = {8 * XF_PAGE_BYTES, 2 * XF_PAGE_BYTES};

    assert_int_equal(ioctl(fd, BLKDISCARD, range), 0);
    assert_int_equal(xf_track_take(t, dirty, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(dirty[0], 3 << 8);
    xf_track_free(t);
    free(bytes);
    close(fd);
}

static void what_cannot_be_tracked_is_told(void **unused)
{
    char err[XF_DISK_ERR_BYTES];
    struct xf_track *t;

    (void)unused;
    if (why_not)
        skip();
    assert_int_equal(xf_track_new(&t, "/proc/self/exe", DISK_BYTES, err), -ENOTBLK);
    assert_non_null(strstr(err, "is no block device"));
    assert_null(t);
    assert_int_equal(xf_track_new(&t, "/none", DISK_BYTES, err), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_those_that_were_written),
        cmocka_unit_test(what_is_written_is_seen),
        cmocka_unit_test(what_is_not_seen_shows),
        cmocka_unit_test(what_has_not_ended_shows),
        cmocka_unit_test(what_cannot_be_tracked_is_told),
    };
    int failed = cmocka_run_group_tests(tests, make_device, remove_device);

    if (!failed && why_not) {
        printf("%s\n", why_not);
        return 77;
    }
    return failed;
}
