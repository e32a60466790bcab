/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The init of the lab's guests: holds memory full of pseudo-random pages, checks all of them again
 * and again, rewrites some, and says on the console about once a second how that goes:
 *
 *   xf-guest tick=12 ok=1 pages=24576 bad=0 passes=3 gen=512 uptime=14 boot=5f2a9c11 churn=0
 *       balloon=0 late=0 disk=0 trims=0 net=0 slept_ms=0 gap_ms=31           (all in one line)
 *
 * tick counts these lines and goes on over a migration; boot is random for each start, so the same
 * boot with a greater tick is the same guest, not rebooted. gen is how many pages were rewritten.
 * gap_ms is the longest time since the last line in which none of its CPUs ran the thread there
 * that comes before all others. ok=0 once anything was ever wrong; bad counts wrong pages (each is
 * told once, "BAD page=..."). slept_ms is how long it was suspended in all, from its last
 * instruction to its first, by the time of day of the hosts, as its kernel counts.
 *
 * A page carries its index, its generation, the seed and a checksum over itself; its generation is
 * also kept in a table beside it, so that an older version of a page, which is right in itself, is
 * seen too.
 *
 * From the kernel command line: xf.fill=MiB to hold (default: 70 % of what is free), xf.seed=N,
 * xf.write=pages rewritten per second (default 0), xf.busy=percent of one CPU for checking, all
 * threads together (default 20; a guest that spins would take the emulated host's only CPU from
 * dom0). One thread for each CPU.
 *
 * xf.churn=1: page tables come and go all the time: processes are forked, share memory, part from
 * it page by page, check each other's, start this program anew, map and unmap; churn counts the
 * rounds. xf.balloon=MiB: gives so much memory back to Xen and takes it again, over and over;
 * balloon counts the turns. xf.late=MiB: gives so much back at its start (late=1), gets it again
 * when dom0 sets its memory to what it was (2), and leaves it untouched until dom0 sets it to less;
 * then it takes all memory that is free, writes it and looks whether it holds (3). xf.disk=MiB: so
 * much of /dev/xvda is written, read back and checked all the time (disk.c); disk counts the blocks
 * that were right. xf.net=ADDRESS: eth0 has it, and a TCP server answers there (net.c); net counts
 * what came.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PAGE_BYTES = 4096,
    PAGE_WORDS = PAGE_BYTES / 8,
    CHUNK_PAGES = 256,
    MAX_THREADS = 16,
    BEAT_MS = 10,
};

struct page {
    uint64_t index;
    uint64_t generation;
    uint64_t seed;
    uint64_t sum; /* over all other words */
    uint64_t words[PAGE_WORDS - 4];
};
_Static_assert(sizeof(struct page) == PAGE_BYTES, "a page");

struct options {
    uint64_t fill_mib;
    uint64_t seed;
    uint64_t write_pages_per_second;
    uint64_t busy_percent;
    uint64_t churn;
    uint64_t balloon_mib;
    uint64_t late_mib;
    uint64_t disk_mib;
    char address[16]; /* of eth0 */
};

/* A thread owns the pages [first, end): nobody else touches them. */
struct worker {
    uint64_t first, end;
    uint64_t write_pages_per_second;
    uint64_t random;
    atomic_ullong passes;
    atomic_ullong writes;
    pthread_t thread;
};

static struct options opt = {.seed = 1, .busy_percent = 20};
static struct page *pages;
static uint32_t *generations; /* what each page's generation should be; bit 31: told as bad */
static uint64_t page_count;
static struct worker workers[MAX_THREADS];
static unsigned worker_count;
static atomic_ullong bad_pages;
static atomic_ullong last_beat_ms, max_gap_ms; /* between two beats, since the last line */
atomic_bool all_ok = true;
static atomic_ullong balloon_turns;
static atomic_uint late_state;

enum { TOLD = 1u << 31 };

static void say_line(const char *start, const char *format, va_list args)
{
    char line[512];
    int n = snprintf(line, sizeof line, "%s", start);
    n += vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    /* In one write, so that lines of several threads do not mix. */
    if (n > 0 && write(STDOUT_FILENO, line, (size_t)n) < 0)
        all_ok = false;
}

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say_line("", format, args);
    va_end(args);
}

void wrong(const char *format, ...)
{
    va_list args;
    all_ok = false;
    va_start(args, format);
    say_line("BAD ", format, args);
    va_end(args);
}

uint64_t now_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void sleep_ms(uint64_t ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

uint64_t next_random(uint64_t *state) /* xorshift64* */
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dULL;
}

uint64_t mix(uint64_t x) /* splitmix64's finisher */
{
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static uint64_t page_sum(const struct page *p)
{
    uint64_t sum = mix(p->index) ^ mix(p->generation + 1) ^ mix(p->seed + 2);
    for (size_t i = 0; i < PAGE_WORDS - 4; i++)
        sum = (sum ^ p->words[i]) * 0x100000001b3ULL + (sum >> 47);
    return sum;
}

static void write_page(uint64_t index, uint32_t generation)
{
    struct page *p = &pages[index];
    uint64_t state = mix(opt.seed ^ mix(index) ^ ((uint64_t)generation << 40)) | 1;

    p->index = index;
    p->generation = generation;
    p->seed = opt.seed;
    for (size_t i = 0; i < PAGE_WORDS - 4; i++)
        p->words[i] = next_random(&state);
    p->sum = page_sum(p);
    generations[index] = generation;
}

static void check_page(uint64_t index)
{
    const struct page *p = &pages[index];
    uint32_t expected = generations[index];

    if (expected & TOLD)
        return;
    if (p->index == index && p->generation == expected && p->seed == opt.seed &&
        p->sum == page_sum(p))
        return;
    generations[index] |= TOLD;
    all_ok = false;
    if (atomic_fetch_add(&bad_pages, 1) < 50)
        say("BAD page=%llu address=%p index=%llx generation=%llx (expected %x) seed=%llx sum=%s\n",
            (unsigned long long)index, (const void *)p, (unsigned long long)p->index,
            (unsigned long long)p->generation, expected, (unsigned long long)p->seed,
            p->sum == page_sum(p) ? "right" : "wrong");
}

/* The table of generations is guest memory too: what was written in all must be what it adds up to.
 */
static void check_table(const struct worker *w)
{
    uint64_t total = 0;
    for (uint64_t i = w->first; i < w->end; i++)
        total += generations[i] & ~TOLD;
    if (total != w->writes) {
        all_ok = false;
        say("BAD generations=%llu writes=%llu\n", (unsigned long long)total,
            (unsigned long long)w->writes);
    }
}

/* Rewrites what is due since *last_ms; after a long pause at most one second's worth. */
static void rewrite_pages(struct worker *w, uint64_t *last_ms)
{
    uint64_t now = now_ms(CLOCK_MONOTONIC), span = now - *last_ms;
    if (span > 1000) {
        span = 1000;
        *last_ms = now - span;
    }
    uint64_t due = w->write_pages_per_second * span / 1000;
    if (due == 0)
        return;
    *last_ms += due * 1000 / w->write_pages_per_second;
    while (due--) {
        uint64_t index = w->first + next_random(&w->random) % (w->end - w->first);
        if (generations[index] & TOLD)
            continue;
        write_page(index, generations[index] + 1);
        atomic_fetch_add(&w->writes, 1);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    const uint64_t busy_percent = (opt.busy_percent + worker_count - 1) / worker_count;
    uint64_t next = w->first, last_write_ms = now_ms(CLOCK_MONOTONIC);

    for (;;) {
        uint64_t began = now_ms(CLOCK_BOOTTIME);

        for (int i = 0; i < CHUNK_PAGES; i++) {
            check_page(next);
            if (++next == w->end) {
                next = w->first;
                check_table(w);
                atomic_fetch_add(&w->passes, 1);
                break;
            }
        }
        if (w->write_pages_per_second)
            rewrite_pages(w, &last_write_ms);

        uint64_t worked = now_ms(CLOCK_BOOTTIME) - began;
        if (opt.busy_percent < 100)
            sleep_ms((worked > 50 ? 50 : worked + 1) * (100 - busy_percent) / busy_percent);
    }
    return NULL;
}

/* On each CPU one that runs before all else. */
static void *beat(void *arg)
{
    (void)arg;
    for (;;) {
        uint64_t now = now_ms(CLOCK_BOOTTIME), last = atomic_exchange(&last_beat_ms, now);
        unsigned long long most = max_gap_ms;

        while (now > last && now - last > most)
            if (atomic_compare_exchange_weak(&max_gap_ms, &most, now - last))
                break;
        sleep_ms(BEAT_MS);
    }
    return NULL;
}

static int start_beats(void)
{
    const struct sched_param before_all = {.sched_priority = 50};
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int fd = open("/proc/sys/kernel/sched_rt_runtime_us", O_WRONLY);
    int err = 0;

    /* The kernel takes the time in which Xen ran others for theirs, and would hold them back. */
    if (fd < 0 || write(fd, "-1", 2) != 2)
        err = -errno;
    if (fd >= 0)
        close(fd);
    last_beat_ms = now_ms(CLOCK_BOOTTIME);
    for (long i = 0; i < cpus && !err; i++) {
        pthread_attr_t attr;
        pthread_t thread;
        cpu_set_t cpu;

        CPU_ZERO(&cpu);
        CPU_SET((size_t)i, &cpu);
        pthread_attr_init(&attr);
        pthread_attr_setaffinity_np(&attr, sizeof cpu, &cpu);
        pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
        pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
        pthread_attr_setschedparam(&attr, &before_all);
        err = -pthread_create(&thread, &attr, beat, NULL);
    }
    return err;
}

static void read_options(void)
{
    char line[4096];
    int fd = open("/proc/cmdline", O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return;
    line[n] = 0;
    char *save = NULL;
    for (char *word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
        unsigned long long value;
        if (sscanf(word, "xf.fill=%llu", &value) == 1)
            opt.fill_mib = value;
        else if (sscanf(word, "xf.seed=%llu", &value) == 1)
            opt.seed = value;
        else if (sscanf(word, "xf.write=%llu", &value) == 1)
            opt.write_pages_per_second = value;
        else if (sscanf(word, "xf.busy=%llu", &value) == 1 && value >= 1 && value <= 100)
            opt.busy_percent = value;
        else if (sscanf(word, "xf.churn=%llu", &value) == 1)
            opt.churn = value;
        else if (sscanf(word, "xf.balloon=%llu", &value) == 1)
            opt.balloon_mib = value;
        else if (sscanf(word, "xf.late=%llu", &value) == 1)
            opt.late_mib = value;
        else if (sscanf(word, "xf.disk=%llu", &value) == 1)
            opt.disk_mib = value;
        else
            sscanf(word, "xf.net=%15s", opt.address);
    }
}

static uint64_t available_mib(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib / 1024;
}

/* Asks for no more than there is: a guest killed for want of memory proves nothing. */
static int take_memory(void)
{
    /* What churn maps, copies and holds in page tables, what the balloon takes away, packets. */
    uint64_t others_mib =
                 (opt.churn ? 12 : 0) + opt.balloon_mib + opt.late_mib + (opt.address[0] ? 4 : 0),
             free_mib = available_mib();
    free_mib -= free_mib < others_mib ? free_mib : others_mib;
    uint64_t limit = free_mib * 95 / 100;
    uint64_t mib = opt.fill_mib ? opt.fill_mib : free_mib * 70 / 100;
    if (mib > limit) {
        say("xf-guest fill=%llu is more than there is: %llu\n", (unsigned long long)mib,
            (unsigned long long)limit);
        mib = limit;
    }
    page_count = mib * 1024 * 1024 / PAGE_BYTES;
    pages = mmap(NULL, page_count * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                 -1, 0);
    generations = mmap(NULL, page_count * sizeof *generations, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page_count < 64 || pages == MAP_FAILED || generations == MAP_FAILED)
        return -ENOMEM;
    for (uint64_t i = 0; i < page_count; i++)
        write_page(i, 0);
    return 0;
}

static int start_workers(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    worker_count = cpus < 1 ? 1 : cpus > MAX_THREADS ? MAX_THREADS : (unsigned)cpus;
    for (unsigned i = 0; i < worker_count; i++) {
        struct worker *w = &workers[i];
        w->first = page_count * i / worker_count;
        w->end = page_count * (i + 1) / worker_count;
        w->write_pages_per_second = opt.write_pages_per_second / worker_count;
        w->random = mix(opt.seed + i) | 1;
        int err = pthread_create(&w->thread, NULL, work, w);
        if (err)
            return -err;
    }
    return 0;
}

/* ---- page tables that come and go ------------------------------------------------------------ */

enum { CHURN_PAGES = 256, CHURN_PAUSE_MS = 50 };

static uint64_t *churn_map(void)
{
    uint64_t *p = mmap(NULL, CHURN_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void churn_fill(uint64_t *p, uint64_t seed, size_t step)
{
    for (size_t i = 0; i < CHURN_PAGES; i += step)
        for (size_t w = 0; w < PAGE_WORDS; w += 64)
            p[i * PAGE_WORDS + w] = mix(seed ^ (i * PAGE_WORDS + w));
}

/* Every second page is of `odd`, the others are of `even`. */
static bool churn_holds(const uint64_t *p, uint64_t even, uint64_t odd)
{
    for (size_t i = 0; i < CHURN_PAGES; i++)
        for (size_t w = 0; w < PAGE_WORDS; w += 64)
            if (p[i * PAGE_WORDS + w] != mix((i % 2 ? odd : even) ^ (i * PAGE_WORDS + w)))
                return false;
    return true;
}

/* This program started anew: fresh page tables for everything. Its exit status is its verdict. */
static int churn_child(uint64_t seed)
{
    uint64_t *p = churn_map();

    if (!p)
        return 1;
    churn_fill(p, seed, 1);
    return churn_holds(p, seed, seed) && !munmap(p, CHURN_PAGES * PAGE_BYTES) ? 0 : 1;
}

/* True if both the copy of our memory that a child has and what is left to us are as they should
 * be. */
static bool churn_once(uint64_t seed)
{
    uint64_t *p = churn_map();
    char number[24];
    char *argv[] = {"churn", number, NULL};
    int status = -1;

    if (!p)
        return false;
    churn_fill(p, seed, 1);
    snprintf(number, sizeof number, "%llu", (unsigned long long)seed);
    pid_t child = fork();
    if (child == 0) {
        churn_fill(p, ~seed, 2);
        if (!churn_holds(p, ~seed, seed))
            _exit(2);
        execv("/proc/self/exe", argv);
        _exit(3);
    }
    bool ok = child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
              WEXITSTATUS(status) == 0 && churn_holds(p, seed, seed);
    /* In pieces, so that the tables in between go too. */
    for (size_t i = 0; i < CHURN_PAGES; i += 8)
        munmap(&p[i * PAGE_WORDS], 8 * PAGE_BYTES);
    if (!ok)
        say("BAD churn status=%x\n", (unsigned)status);
    return ok;
}

/* In a process of its own, begun while this one is small: to fork one that holds all of the guest's
   memory takes so long that there would be few rounds. What it has done is in memory that both see.
 */
struct churn {
    atomic_ullong rounds, failed;
};
static struct churn *churn;

static int start_churn(void)
{
    churn = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (churn == MAP_FAILED)
        return -ENOMEM;
    pid_t child = opt.churn ? fork() : 1;
    if (child < 0)
        return -errno;
    for (uint64_t seed = opt.seed + 1; child == 0; seed++) {
        if (!churn_once(seed))
            atomic_fetch_add(&churn->failed, 1);
        atomic_fetch_add(&churn->rounds, 1);
        sleep_ms(CHURN_PAUSE_MS);
    }
    return 0;
}

/* ---- balloon --------------------------------------------------------------------------------- */

#define BALLOON "/sys/devices/system/xen_memory/xen_memory0/"

static bool balloon_read(const char *path, uint64_t *kib)
{
    unsigned long long value;
    FILE *f = fopen(path, "r");
    bool ok = f && fscanf(f, "%llu", &value) == 1;

    if (f)
        fclose(f);
    if (ok)
        *kib = value;
    return ok;
}

static bool balloon_set(uint64_t kib)
{
    FILE *f = fopen(BALLOON "target_kb", "w");
    bool ok = f && fprintf(f, "%llu", (unsigned long long)kib) > 0;

    if (f && fclose(f))
        ok = false;
    return ok;
}

/* The driver moves towards its target in steps of its own, so each turn waits until it is there. */
static void *balloon(void *arg)
{
    uint64_t full, now, wanted;

    (void)arg;
    if (!balloon_read(BALLOON "info/current_kb", &full)) {
        all_ok = false;
        say("BAD balloon: %s\n", strerror(errno));
        return NULL;
    }
    for (bool down = true;; down = !down) {
        wanted = full - (down ? opt.balloon_mib * 1024 : 0);
        if (!balloon_set(wanted))
            say("balloon: %s\n", strerror(errno));
        for (int i = 0; i < 30; i++) {
            sleep_ms(100);
            if (balloon_read(BALLOON "info/current_kb", &now) && now / 1024 == wanted / 1024) {
                atomic_fetch_add(&balloon_turns, 1);
                break;
            }
        }
        sleep_ms(300);
    }
    return NULL;
}

static int start_balloon(void)
{
    pthread_t thread;

    return opt.balloon_mib ? -pthread_create(&thread, NULL, balloon, NULL) : 0;
}

/* Most of the memory that is free (14 MiB are the kernel's): what it did not give yet is written
 * and looked at. */
static void use_free_memory(void)
{
    const uint64_t left_mib = 14, free_mib = available_mib();
    const uint64_t count = free_mib > left_mib ? (free_mib - left_mib) * 256 : 0;
    uint64_t *at =
        mmap(NULL, count * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t wrong = 0;

    if (!count || at == MAP_FAILED) {
        all_ok = false;
        say("BAD late: no memory is free\n");
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        for (uint64_t w = 0; w < PAGE_WORDS; w++)
            at[i * PAGE_WORDS + w] = mix(i * PAGE_WORDS + w);
    for (uint64_t i = 0; i < count; i++)
        for (uint64_t w = 0; w < PAGE_WORDS; w++)
            if (at[i * PAGE_WORDS + w] != mix(i * PAGE_WORDS + w)) {
                wrong++;
                break;
            }
    munmap(at, count * PAGE_BYTES);
    if (wrong) {
        all_ok = false;
        say("BAD late: %llu of %llu pages do not hold what is written to them\n",
            (unsigned long long)wrong, (unsigned long long)count);
    }
    atomic_store(&late_state, 3);
}

static uint64_t wait_balloon(uint64_t kib, bool at_least)
{
    uint64_t now = 0;

    while (!balloon_read(BALLOON "info/current_kb", &now) || (at_least ? now < kib : now > kib))
        sleep_ms(100);
    return now;
}

static void *late(void *arg)
{
    uint64_t full;

    (void)arg;
    if (!balloon_read(BALLOON "info/current_kb", &full) ||
        !balloon_set(full - opt.late_mib * 1024)) {
        all_ok = false;
        say("BAD late: %s\n", strerror(errno));
        return NULL;
    }
    wait_balloon(full - opt.late_mib * 1024 + 256, false);
    atomic_store(&late_state, 1);
    wait_balloon(full - 256, true);
    atomic_store(&late_state, 2);
    wait_balloon(full - 1024, false);
    use_free_memory();
    return NULL;
}

static int start_late(void)
{
    pthread_t thread;

    return opt.late_mib ? -pthread_create(&thread, NULL, late, NULL) : 0;
}

/* What comes between the two clocks makes it less. */
static uint64_t slept_ms(void)
{
    int64_t most = 0;

    for (int i = 0; i < 10; i++) {
        int64_t ms = (int64_t)now_ms(CLOCK_BOOTTIME) - (int64_t)now_ms(CLOCK_MONOTONIC);

        most = ms > most ? ms : most;
    }
    return (uint64_t)most;
}

static void tell(uint64_t tick, uint32_t boot)
{
    unsigned long long passes = ~0ULL, writes = 0;
    for (unsigned i = 0; i < worker_count; i++) {
        unsigned long long p = workers[i].passes;
        passes = p < passes ? p : passes;
        writes += workers[i].writes;
    }
    if (churn->failed)
        all_ok = false;
    say("xf-guest tick=%llu ok=%d pages=%llu bad=%llu passes=%llu gen=%llu uptime=%llu boot=%08x "
        "churn=%llu balloon=%llu late=%u disk=%llu trims=%llu net=%llu copy=%u slept_ms=%llu "
        "gap_ms=%llu\n",
        (unsigned long long)tick, all_ok ? 1 : 0, (unsigned long long)page_count,
        (unsigned long long)bad_pages, passes, writes,
        (unsigned long long)now_ms(CLOCK_MONOTONIC) / 1000, boot, (unsigned long long)churn->rounds,
        (unsigned long long)balloon_turns, late_state, (unsigned long long)disk_blocks,
        (unsigned long long)disk_trims, (unsigned long long)net_messages, copy_number,
        (unsigned long long)slept_ms(), (unsigned long long)atomic_exchange(&max_gap_ms, 0));
}

/* The disk and the network card, if it has them. */
static int start_devices(uint32_t boot)
{
    int err = opt.disk_mib || opt.address[0] ? load_modules() : 0;

    if (!err && opt.disk_mib)
        err = start_disk(opt.disk_mib, boot);
    if (!err && opt.address[0])
        err = start_net(opt.address);
    if (!err)
        err = start_told();
    return err;
}

int main(int argc, char **argv)
{
    uint32_t boot = 0;

    /* What the kernel runs when dom0 shuts the guest off. */
    if (getpid() != 1 && !strcmp(argv[0], "/sbin/poweroff"))
        return sync(), reboot(RB_POWER_OFF);
    if (argc == 2 && getpid() != 1 && !strcmp(argv[0], "churn"))
        return churn_child(strtoull(argv[1], NULL, 10));
    mkdir("/proc", 0555);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mkdir("/sys", 0555);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    if (console >= 0)
        for (int fd = 0; fd < 3; fd++)
            dup2(console, fd);

    read_options();
    if (getrandom(&boot, sizeof boot, GRND_NONBLOCK) != sizeof boot)
        boot = (uint32_t)mix(now_ms(CLOCK_REALTIME));
    int err = start_churn();
    /* Before all memory is taken: drivers, rings and buffers need some. */
    if (!err)
        err = start_devices(boot);
    if (!err)
        err = take_memory();
    if (!err)
        err = start_workers();
    if (!err)
        err = start_beats();
    if (!err)
        err = start_balloon();
    if (!err)
        err = start_late();
    if (err)
        say("BAD xf-guest cannot start: %s\n", strerror(-err));

    uint64_t last_ms = 0;
    for (uint64_t tick = 1; !err; tick++) {
        uint64_t now = now_ms(CLOCK_MONOTONIC);
        if (now <= last_ms) {
            all_ok = false;
            say("BAD time does not go on: %llu after %llu ms\n", (unsigned long long)now,
                (unsigned long long)last_ms);
        }
        last_ms = now;
        tell(tick, boot);
        sleep_ms(1000);
    }
    for (;;) /* init must not end */
        pause();
}
