/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Track: loads the kernel's part for one device, and empties one generation after the other. */
#include "track.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "track_shape.h"
#include "transport/base/bitmap.h"
#include "transport/base/clock.h"
#include "transport/guest.h"

#define PROGRAMS 3u
/* The longest that a write may take, before it is no longer waited for. */
#define WRITE_US 30000000u
/* The longest that our count and the kernel's may differ, once it is asked. */
#define AGREE_US   1000000u
#define BASE_LOOKS 2000u /* for the device at rest, */
#define BASE_SAME  4u    /* in so many looks in a row that agree, */
#define BASE_US    500u  /* with so long between them */
#define MINOR_BITS 20    /* of the kernel's device numbers */

/* track.bpf.c, as the compiler made it. */
extern const char xf_track_program[], xf_track_program_end[];

struct xf_track {
    struct bpf_object *object;
    struct bpf_link *links[PROGRAMS];
    int programs[PROGRAMS];
    unsigned links_n;
    bool queue; /* the device has a request queue */
    uint64_t pages;
    struct xf_track_shape shape;

    int live_fd, generation_fd[2];
    uint64_t *generation[2]; /* mapped: a word, and the bitmap */
    size_t words;
    volatile struct xf_track_counts *counts; /* mapped */
    bool has_base;                           /* the next is known */
    uint64_t base_sectors;                   /* that the kernel had counted when our count was 0 */
    uint64_t misses;                         /* of which none was of this device */
    unsigned live;
    bool taking;       /* the other generation is to be emptied */
    uint64_t since_us; /* when that began */
};

/* ---- the device ---------------------------------------------------------------------------- */

/* A file of /sys/dev/block/MAJOR:MINOR/. */
static FILE *open_sys(dev_t device, const char *name)
{
    char path[96];

    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(device), minor(device), name);
    return fopen(path, "re");
}

/* The same of one that need not be a file. */
static bool has_sys(dev_t device, const char *name)
{
    FILE *there = open_sys(device, name);

    if (there)
        fclose(there);
    return there != NULL;
}

/* The disk that a partition is of, and where on it. */
static int look_at_partition(dev_t *device, uint64_t *first)
{
    FILE *start = open_sys(*device, "start"), *disk = open_sys(*device, "../dev");
    unsigned numbers[2];
    unsigned long long sector;
    int rc = start && disk && fscanf(start, "%llu", &sector) == 1 &&
                     fscanf(disk, "%u:%u", &numbers[0], &numbers[1]) == 2
                 ? 0
                 : -EIO;

    if (!rc) {
        *first = sector;
        *device = makedev(numbers[0], numbers[1]);
    }
    if (start)
        fclose(start);
    if (disk)
        fclose(disk);
    return rc;
}

static int look(struct xf_track *t, const char *path, uint64_t bytes, char err[XF_DISK_ERR_BYTES])
{
    const uint64_t sectors = bytes / XF_DISK_SECTOR_BYTES;
    struct stat st;

    if (stat(path, &st))
        return xf_disk_fail(err, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISBLK(st.st_mode))
        return xf_disk_fail(err, -ENOTBLK, "%s is no block device", path);
    dev_t device = st.st_rdev;
    uint64_t first = 0;

    if (has_sys(device, "partition") && look_at_partition(&device, &first))
        return xf_disk_fail(err, -EIO, "%s: what disk it is of is not known", path);
    t->queue = has_sys(device, "mq");
    if (!t->queue && !has_sys(st.st_rdev, "dm"))
        return xf_disk_fail(
            err, -EOPNOTSUPP,
            "%s cannot be tracked: it is no device of device mapper, and has no queue of "
            "requests",
            path);
    t->pages = (bytes + XF_PAGE_BYTES - 1) / XF_PAGE_BYTES;
    t->shape = (struct xf_track_shape){
        .first = first,
        .sectors = sectors,
        .device = major(device) << MINOR_BITS | minor(device),
        .shift = XF_PAGE_SHIFT - 9,
    };
    /* A page a bit, as long as the map is large enough. */
    while ((t->shape.bits = ((sectors - 1) >> t->shape.shift) + 1) >
           ((uint64_t)XF_TRACK_WORDS_MAX - 1) * 64)
        t->shape.shift++;
    t->words = 1 + xf_bitmap_words(t->shape.bits);
    return 0;
}

/*
 * Waits for the writes that device mapper has taken before: it suspends when they have ended, and
 * then goes on. What comes meanwhile waits, and is seen.
 */
static int drain(const char *path)
{
    struct dm_ioctl suspend = {
        .version = {DM_VERSION_MAJOR, 0, 0},
        .data_size = sizeof(suspend),
        .flags = DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG,
    };
    struct stat st;
    int fd, rc = 0;

    if (stat(path, &st))
        return -errno;
    fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    suspend.dev = st.st_rdev;

    struct dm_ioctl resume = suspend;

    resume.flags = 0;
    if (ioctl(fd, DM_DEV_SUSPEND, &suspend))
        rc = -errno;
    if (ioctl(fd, DM_DEV_SUSPEND, &resume) && !rc)
        rc = -errno;
    close(fd);
    return rc;
}

/* ---- the program --------------------------------------------------------------------------- */

static int silent(enum libbpf_print_level level, const char *format, va_list ap)
{
    (void)level;
    (void)format;
    (void)ap;
    return 0;
}

static struct bpf_map *find_rodata(struct bpf_object *object)
{
    struct bpf_map *map;

    bpf_object__for_each_map (map, object)
        if (strstr(bpf_map__name(map), ".rodata"))
            return map;
    return NULL;
}

static int set_up(struct xf_track *t)
{
    const struct bpf_map_create_opts options = {.sz = sizeof(options), .map_flags = BPF_F_MMAPABLE};
    static const char *const generations[] = {"generation_0", "generation_1"};
    struct bpf_map *rodata = find_rodata(t->object);
    size_t size = 0;
    void *shape = rodata ? (void *)(uintptr_t)bpf_map__initial_value(rodata, &size) : NULL;

    if (!shape || size < sizeof(t->shape))
        return -EINVAL;
    memcpy(shape, &t->shape, sizeof(t->shape));
    for (unsigned i = 0; i < 2; i++) {
        int rc = bpf_map__set_max_entries(bpf_object__find_map_by_name(t->object, generations[i]),
                                          (uint32_t)t->words);

        if (rc)
            return rc;
    }
    /* libbpf 1.1 cannot set the size of an inner map: one like it says what those are. */
    int like = bpf_map_create(BPF_MAP_TYPE_ARRAY, "like", sizeof(uint32_t), sizeof(uint64_t),
                              (uint32_t)t->words, &options);

    if (like < 0)
        return like;
    int rc = bpf_map__set_inner_map_fd(bpf_object__find_map_by_name(t->object, "live"), like);

    if (rc)
        close(like);
    struct bpf_program *program;

    bpf_object__for_each_program (program, t->object) {
        bool is_queue = !strcmp(bpf_program__name(program), "request_completes");

        rc = rc ?: bpf_program__set_autoload(program, is_queue == t->queue);
    }
    return rc;
}

static void *map_of(const struct xf_track *t, const char *name, size_t bytes, int *fd)
{
    *fd = bpf_object__find_map_fd_by_name(t->object, name);
    void *at = *fd < 0 ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);

    return at == MAP_FAILED ? NULL : at;
}

static int map_all(struct xf_track *t)
{
    int fd;

    t->live_fd = bpf_object__find_map_fd_by_name(t->object, "live");
    t->generation[0] = map_of(t, "generation_0", t->words * sizeof(uint64_t), &t->generation_fd[0]);
    t->generation[1] = map_of(t, "generation_1", t->words * sizeof(uint64_t), &t->generation_fd[1]);
    t->counts = map_of(t, "counts", sizeof(*t->counts), &fd);
    if (t->live_fd < 0 || !t->generation[0] || !t->generation[1] || !t->counts)
        return -ENOMEM;
    t->generation[1][0] = 1;
    return 0;
}

/* The ends before the beginnings: a write that is counted when it begins, and ends before there is
   anybody to see that, would be waited for for ever. */
static int attach(struct xf_track *t)
{
    struct bpf_program *program;

    for (unsigned beginnings = 0; beginnings < 2; beginnings++)
        bpf_object__for_each_program (program, t->object) {
            bool begins = !strcmp(bpf_program__name(program), "bio_begins");

            if (!bpf_program__autoload(program) || begins != (beginnings == 1))
                continue;
            t->links[t->links_n] = bpf_program__attach(program);
            if (!t->links[t->links_n])
                return -errno;
            t->programs[t->links_n++] = bpf_program__fd(program);
        }
    return 0;
}

/* ---- the kernel's own count ----------------------------------------------------------------- */

/* Whether the kernel counts at all. */
static bool counts_are_on(dev_t device)
{
    FILE *f = open_sys(device, "queue/iostats");
    int on = 0;
    bool ok = f && fscanf(f, "%d", &on) == 1 && on;

    if (f)
        fclose(f);
    return ok;
}

/* What the kernel counts of the device: sectors written and discarded. False: it does not. */
static bool kernel_sectors(const struct xf_track *t, uint64_t *sectors)
{
    const dev_t device =
        makedev(t->shape.device >> MINOR_BITS, t->shape.device & ((1u << MINOR_BITS) - 1));
    FILE *stat = open_sys(device, "stat");
    unsigned long long v[14] = {0};
    unsigned n = 0;

    while (stat && n < 14 && fscanf(stat, "%llu", &v[n]) == 1)
        n++;
    if (stat)
        fclose(stat);
    *sectors = v[6] + v[13];
    return n == 14 && counts_are_on(device);
}

/* Both counts of one moment. False: somebody wrote in between. */
static bool look_at_counts(const struct xf_track *t, uint64_t *kernel, uint64_t *ours)
{
    uint64_t again;
    bool known = kernel_sectors(t, kernel);

    *ours = t->counts->sectors;
    return known && kernel_sectors(t, &again) && again == *kernel;
}

bool xf_track_agrees(const struct xf_track *t)
{
    uint64_t kernel, ours;

    return t->has_base && look_at_counts(t, &kernel, &ours) && kernel - t->base_sectors == ours;
}

/* By what the kernel's count is ahead of ours, at a moment in which nothing is on its way. Each
   counts a write at another point of its way, so that one look does not tell. */
static bool look_at_base(const struct xf_track *t, uint64_t *ahead)
{
    uint64_t kernel, ours;
    bool quiet = !t->counts->pending[0] && !t->counts->pending[1];

    quiet = look_at_counts(t, &kernel, &ours) && quiet;
    *ahead = kernel - ours;
    return quiet && !t->counts->pending[0] && !t->counts->pending[1];
}

static void set_base(struct xf_track *t)
{
    uint64_t ahead;
    unsigned same = 0;

    for (unsigned i = 0; i < BASE_LOOKS && same < BASE_SAME; i++) {
        if (same)
            usleep(BASE_US);
        if (!look_at_base(t, &ahead))
            continue;
        same = same && ahead == t->base_sectors ? same + 1 : 1;
        t->base_sectors = ahead;
    }
    t->has_base = same == BASE_SAME;
}

bool xf_track_has_witness(const struct xf_track *t)
{
    return t->has_base;
}

static int fail_track(const char *device, int rc, char err[XF_DISK_ERR_BYTES])
{
    return xf_disk_fail(err, rc, "%s cannot be tracked: %s%s", device, strerror(-rc),
                        rc == -EPERM ? ": it takes root, and a kernel that lets root load programs"
                                     : "");
}

/* The program is in the kernel, and sees nothing yet. */
static int load(struct xf_track **out, const char *device, uint64_t bytes,
                char err[XF_DISK_ERR_BYTES])
{
    struct xf_track *t = *out = calloc(1, sizeof(*t));

    if (!t)
        return xf_disk_fail(err, -ENOMEM, "%s", strerror(ENOMEM));
    int rc = look(t, device, bytes, err);

    if (rc)
        return rc;
    libbpf_set_print(silent);
    t->object = bpf_object__open_mem(
        xf_track_program, (uintptr_t)xf_track_program_end - (uintptr_t)xf_track_program, NULL);
    rc = t->object ? set_up(t) : -errno;
    rc = rc ?: bpf_object__load(t->object);
    return rc ? fail_track(device, rc, err) : 0;
}

int xf_track_check(const char *device, uint64_t bytes, char err[XF_DISK_ERR_BYTES])
{
    struct xf_track *t;
    int rc = load(&t, device, bytes, err);

    xf_track_free(t);
    return rc;
}

int xf_track_new(struct xf_track **out, const char *device, uint64_t bytes,
                 char err[XF_DISK_ERR_BYTES])
{
    struct xf_track *t;
    int rc = load(&t, device, bytes, err);

    *out = NULL;
    if (!rc) {
        rc = map_all(t) ?: attach(t);
        if (!rc && !t->queue)
            rc = drain(device);
        if (rc)
            fail_track(device, rc, err);
    }
    if (rc) {
        xf_track_free(t);
        return rc;
    }
    set_base(t);
    *out = t;
    return 0;
}

void xf_track_free(struct xf_track *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < t->links_n; i++)
        bpf_link__destroy(t->links[i]);
    for (unsigned i = 0; i < 2; i++)
        if (t->generation[i])
            munmap(t->generation[i], t->words * sizeof(uint64_t));
    if (t->counts)
        munmap((void *)(uintptr_t)t->counts, sizeof(*t->counts));
    bpf_object__close(t->object);
    free(t);
}

/* ---- taking -------------------------------------------------------------------------------- */

/*
 * A program that was to run on a CPU while it did already was left out, and the kernel counts that,
 * but not for which device: it was another's if the sectors of this one agree. 0; -EAGAIN: they do
 * not, now; -ENODATA.
 */
static int check_misses(struct xf_track *t)
{
    uint64_t misses = 0;

    if (t->counts->lost)
        return -ENODATA;
    for (unsigned i = 0; i < t->links_n; i++) {
        struct bpf_prog_info info = {0};
        uint32_t size = sizeof(info);

        if (bpf_obj_get_info_by_fd(t->programs[i], &info, &size))
            return -ENODATA;
        misses += info.recursion_misses;
    }
    if (misses != t->misses && !xf_track_agrees(t))
        return xf_now_us() - t->since_us > AGREE_US ? -ENODATA : -EAGAIN;
    t->misses = misses;
    return 0;
}

/* Those of a generation, as pages; it is empty then. */
static uint64_t take_bits(struct xf_track *t, uint64_t *words, uint64_t *dirty)
{
    const uint64_t pages_a_bit = (uint64_t)1 << (t->shape.shift + 9 - XF_PAGE_SHIFT);
    uint64_t count = 0;

    memset(dirty, 0, xf_bitmap_words(t->pages) * sizeof(dirty[0]));
    for (size_t w = 1; w < t->words; w++) {
        if (!words[w])
            continue;
        for (uint64_t bits = __atomic_exchange_n(&words[w], 0, __ATOMIC_ACQ_REL); bits;
             bits &= bits - 1) {
            uint64_t first = ((w - 1) * 64 + (unsigned)__builtin_ctzll(bits)) * pages_a_bit;
            uint64_t n = first + pages_a_bit <= t->pages ? pages_a_bit : t->pages - first;

            xf_bitmap_set_range(dirty, first, n);
            count += n;
        }
    }
    return count;
}

int xf_track_take(void *track, uint64_t *dirty, uint64_t *count)
{
    struct xf_track *t = track;
    const uint32_t zero = 0;

    if (!t->taking) {
        t->live ^= 1;
        /* Returns when no program uses the other one any more. */
        int rc = bpf_map_update_elem(t->live_fd, &zero, &t->generation_fd[t->live], 0);

        if (rc)
            return rc;
        t->taking = true;
        t->since_us = xf_now_us();
    }
    int missed = check_misses(t);

    if (missed)
        return missed;
    if (t->counts->pending[t->live ^ 1])
        return xf_now_us() - t->since_us > WRITE_US ? -ETIMEDOUT : -EAGAIN;
    *count = take_bits(t, t->generation[t->live ^ 1], dirty);
    t->taking = false;
    return 0;
}
