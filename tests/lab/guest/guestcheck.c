/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The init of the lab's guests: holds memory full of pseudo-random pages, checks all of them again
 * and again, rewrites some, and says on the console about once a second how that goes:
 *
 *   xf-guest tick=12 ok=1 pages=24576 bad=0 passes=3 gen=512 uptime=14 boot=5f2a9c11 gap_ms=31
 *
 * tick counts these lines and goes on over a migration; boot is random for each start, so the same
 * boot with a greater tick is the same guest, not rebooted. gen is how many pages were rewritten.
 * gap_ms is the longest time since the last line in which the guest did not run its checks. ok=0
 * once anything was ever wrong; bad counts wrong pages (each is told once, "BAD page=...").
 *
 * A page carries its index, its generation, the seed and a checksum over itself; its generation is
 * also kept in a table beside it, so that an older version of a page, which is right in itself, is
 * seen too.
 *
 * From the kernel command line: xf.fill=MiB to hold (default: 70 % of what is free), xf.seed=N,
 * xf.write=pages rewritten per second (default 0), xf.busy=percent of one CPU for checking, all
 * threads together (default 20; a guest that spins would take the emulated host's only CPU from
 * dom0). One thread for each CPU.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, PAGE_WORDS = PAGE_BYTES / 8, CHUNK_PAGES = 32, MAX_THREADS = 16 };

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
};

/* A thread owns the pages [first, end): nobody else touches them. */
struct worker {
    uint64_t first, end;
    uint64_t write_pages_per_second;
    uint64_t random;
    atomic_ullong passes;
    atomic_ullong writes;
    atomic_ullong max_gap_ms;
    pthread_t thread;
};

static struct options opt = {.seed = 1, .busy_percent = 20};
static struct page *pages;
static uint32_t *generations; /* what each page's generation should be; bit 31: told as bad */
static uint64_t page_count;
static struct worker workers[MAX_THREADS];
static unsigned worker_count;
static atomic_ullong bad_pages;
static atomic_bool all_ok = true;

enum { TOLD = 1u << 31 };

static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    /* In one write, so that lines of several threads do not mix. */
    if (n > 0 && write(STDOUT_FILENO, line, (size_t)n) < 0)
        all_ok = false;
}

static uint64_t now_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_ms(uint64_t ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static uint64_t next_random(uint64_t *state) /* xorshift64* */
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dULL;
}

static uint64_t mix(uint64_t x) /* splitmix64's finisher */
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
    uint64_t next = w->first, last_write_ms = now_ms(CLOCK_MONOTONIC),
             last_seen_ms = now_ms(CLOCK_BOOTTIME);

    for (;;) {
        uint64_t began = now_ms(CLOCK_BOOTTIME);
        if (began - last_seen_ms > w->max_gap_ms)
            w->max_gap_ms = began - last_seen_ms;
        last_seen_ms = began;

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
    uint64_t free_mib = available_mib(), limit = free_mib * 95 / 100;
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

static void tell(uint64_t tick, uint32_t boot)
{
    unsigned long long passes = ~0ULL, writes = 0, gap_ms = 0;
    for (unsigned i = 0; i < worker_count; i++) {
        unsigned long long p = workers[i].passes, g = atomic_exchange(&workers[i].max_gap_ms, 0);
        passes = p < passes ? p : passes;
        gap_ms = g > gap_ms ? g : gap_ms;
        writes += workers[i].writes;
    }
    say("xf-guest tick=%llu ok=%d pages=%llu bad=%llu passes=%llu gen=%llu uptime=%llu boot=%08x "
        "gap_ms=%llu\n",
        (unsigned long long)tick, all_ok ? 1 : 0, (unsigned long long)page_count,
        (unsigned long long)bad_pages, passes, writes,
        (unsigned long long)now_ms(CLOCK_MONOTONIC) / 1000, boot, gap_ms);
}

int main(void)
{
    uint32_t boot = 0;
    mkdir("/proc", 0555);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    if (console >= 0)
        for (int fd = 0; fd < 3; fd++)
            dup2(console, fd);

    read_options();
    if (getrandom(&boot, sizeof boot, GRND_NONBLOCK) != sizeof boot)
        boot = (uint32_t)mix(now_ms(CLOCK_REALTIME));
    int err = take_memory();
    if (!err)
        err = start_workers();
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
