/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Soak: the runs of both kinds, several side by side, and what they come to.
 *
 *     soak [-v RUNS] [-g RUNS] [-r RUNS] [-s SEED] [-j JOBS] [-o FILE]
 *         so many runs on the virtual clock, of one target and of a group, and with real processes;
 *         FILE gets the figures as JSON
 *     soak -V SEED | -G SEED | -R SEED [-f FAULTS]
 *         one run again, of that kind and with its own seed (and other faults:
 * transport/base/fault.h)
 *
 * Exit status: 0 all runs were as they should be, 1 not, 2 the command line makes no sense.
 * Interrupted, it ends the runs that are under way, tells what it has seen, and that is 1.
 */
#include "soak.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "transport/base/random.h"

#define JOBS_MAX    64u
#define TRIES       3u
#define PROGRESS_US 30000000u
/* With so many runs on the virtual clock each point must have been passed. */
#define RUNS_FOR_ALL_POINTS 1000u

/* Shared by the jobs. */
struct tally {
    struct soak_counts counts;
    atomic_bool stop; /* told to end: no run is begun any more */
    atomic_uint_fast64_t unrunnable, fired, moved, settled, longest_wait_us, faulty;
    atomic_uint_fast64_t passed[XF_FAULT_POINT_COUNT];
};

struct kind {
    const char *name;
    char repeat; /* the option that repeats a run */
    bool real;
    bool (*run)(struct soak_run *run, struct soak_counts *counts);
    uint64_t runs;
    unsigned jobs;
    struct tally *tally;
};

struct options {
    const char *program, *json, *faults;
    uint64_t seed;
    unsigned jobs;
};

/* ---- a run -------------------------------------------------------------------------------------
 */

static uint64_t seed_of(uint64_t seed, uint64_t run)
{
    struct xf_random r = {.state = seed ^ (run * 0xd1342543de82ef95u)};

    return xf_random_next(&r);
}

static bool is_right(const struct soak_counts *c)
{
    return !(c->wrong_bytes + c->double_owner + c->lost + c->hangs + c->leaks + c->crashes);
}

static void print_counts(const struct soak_counts *c, FILE *to)
{
    fprintf(to,
            "wrong_bytes %" PRIuFAST64 ", double_owner %" PRIuFAST64 ", lost %" PRIuFAST64
            ", hangs %" PRIuFAST64 ", leaks %" PRIuFAST64 ", crashes %" PRIuFAST64,
            c->wrong_bytes, c->double_owner, c->lost, c->hangs, c->leaks, c->crashes);
}

static void add(atomic_uint_fast64_t *to, uint64_t n)
{
    atomic_fetch_add(to, n);
}

static void count_run(struct tally *t, const struct soak_run *run, const struct soak_counts *c)
{
    uint_fast64_t longest = t->longest_wait_us;

    add(&t->counts.runs, 1);
    add(&t->counts.wrong_bytes, c->wrong_bytes);
    add(&t->counts.double_owner, c->double_owner);
    add(&t->counts.lost, c->lost);
    add(&t->counts.hangs, c->hangs);
    add(&t->counts.leaks, c->leaks);
    add(&t->counts.crashes, c->crashes);
    add(&t->fired, run->fired);
    add(&t->faulty, run->fired > 0);
    add(&t->moved, run->moved);
    add(&t->settled, run->settled);
    for (unsigned i = 0; i < XF_FAULT_POINT_COUNT; i++)
        add(&t->passed[i], run->passed[i]);
    while (run->longest_wait_us > longest &&
           !atomic_compare_exchange_weak(&t->longest_wait_us, &longest, run->longest_wait_us))
        ;
}

static bool do_run(const struct options *o, const struct kind *k, uint64_t seed)
{
    struct soak_counts counts = {0};
    struct soak_run run = {0};

    soak_plan_draw(&run.plan, seed, k->real);
    if (o->faults) {
        int n = xf_fault_parse(run.plan.faults, o->faults, NULL);

        run.plan.faults_n = n > 0 ? (unsigned)n : 0;
    }
    /* On a busy machine a port may not come up in time. */
    bool ran = k->run(&run, &counts);

    for (unsigned i = 1; !ran && i < TRIES; i++)
        ran = k->run(&run, &counts);
    if (!ran) {
        add(&k->tally->unrunnable, 1);
        fprintf(stderr, "soak: %s run %" PRIu64 " could not be run\n", k->name, seed);
        return false;
    }
    count_run(k->tally, &run, &counts);
    if (is_right(&counts))
        return true;
    flockfile(stdout);
    printf("soak: %s: ", k->name);
    print_counts(&counts, stdout);
    printf("; again: %s -%c %" PRIu64 "\n", o->program, k->repeat, seed);
    soak_plan_print(&run.plan, stdout);
    fflush(stdout);
    funlockfile(stdout);
    return false;
}

/* ---- all runs of a kind ------------------------------------------------------------------------
 */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = number;
}

static void __attribute__((noreturn))
be_job(const struct options *o, const struct kind *k, unsigned job, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Whoever ends the soak may tell all its processes; a run is told only what is in its plan. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    if (getppid() != parent)
        _exit(1);
    for (uint64_t i = job; i < k->runs && !k->tally->stop; i += k->jobs)
        do_run(o, k, seed_of(o->seed, i));
    fflush(stdout);
    _exit(0);
}

static void show_progress(const struct kind *k)
{
    const struct tally *t = k->tally;

    printf("soak: %s: %" PRIuFAST64 " of %" PRIu64 " runs: ", k->name, t->counts.runs, k->runs);
    print_counts(&t->counts, stdout);
    putchar('\n');
    fflush(stdout);
}

static uint64_t free_hugepages(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    uint64_t n = 0;

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "HugePages_Free: %" SCNu64, &n) == 1)
            break;
    if (file)
        fclose(file);
    return n;
}

static int run_all(const struct options *o, struct kind *k)
{
    const uint64_t huge_before = free_hugepages();
    const pid_t self = getpid();
    uint64_t shown_us = xf_now_us();
    unsigned left = 0;
    int status;

    fflush(NULL);
    /* Real processes wait more than they compute. */
    k->jobs = k->real ? 2 * o->jobs : o->jobs;
    for (; left < k->jobs; left++) {
        pid_t pid = fork();

        if (pid < 0)
            return -errno;
        if (!pid)
            be_job(o, k, left, self);
    }
    while (left) {
        pid_t pid = waitpid(-1, &status, WNOHANG);

        if (interrupted)
            k->tally->stop = true;
        if (pid > 0) {
            left--;
            /* It takes the rest of its runs with it. */
            if (!WIFEXITED(status) || WEXITSTATUS(status))
                add(&k->tally->counts.crashes, 1);
            continue;
        }
        usleep(10000);
        if (xf_now_us() - shown_us >= PROGRESS_US) {
            shown_us = xf_now_us();
            show_progress(k);
        }
    }
    if (free_hugepages() < huge_before)
        add(&k->tally->counts.leaks, 1);
    return 0;
}

#define POINT(name, when) XF_FAULT_##name,
static const unsigned points[] = {XF_FAULT_POINTS_TRANSPORT(POINT) XF_FAULT_POINTS_OWNER(POINT)};
#undef POINT
#define POINTS (sizeof(points) / sizeof(points[0]))

/* A fault at a point that is never passed shows nothing. */
static bool all_points_passed(const struct kind *k)
{
    bool all = true;

    for (unsigned i = 0; i < POINTS; i++) {
        if (k->tally->passed[points[i]])
            continue;
        printf("soak: %s: no run passed the point %s\n", k->name, xf_fault_points[points[i]].name);
        all = false;
    }
    return all;
}

static bool report(const struct kind *k, uint64_t seed, uint64_t took_us)
{
    const struct tally *t = k->tally;
    bool right = is_right(&t->counts) && !t->unrunnable && t->counts.runs == k->runs;

    if (interrupted)
        printf("soak: %s: interrupted: %" PRIuFAST64 " of %" PRIu64 " runs\n", k->name,
               t->counts.runs, k->runs);
    printf("soak: %s: runs %" PRIuFAST64 ", ", k->name, t->counts.runs);
    print_counts(&t->counts, stdout);
    printf(", seed %" PRIu64 "\n", seed);
    printf("soak: %s: in %.1f s; %" PRIuFAST64 " moved, %" PRIuFAST64
           " stayed, of these %" PRIuFAST64 " settled by recovery; faults came true in %" PRIuFAST64
           " (%" PRIuFAST64 "); longest wait %.3f s of at most %.3f s%s\n",
           k->name, (double)took_us / 1e6, t->moved, t->counts.runs - t->moved, t->settled,
           t->faulty, t->fired, (double)t->longest_wait_us / 1e6, (double)SOAK_GOODBYE_US / 1e6,
           t->unrunnable ? "; SOME COULD NOT BE RUN" : "");
    if (k->run == soak_virtual && k->runs >= RUNS_FOR_ALL_POINTS)
        right = all_points_passed(k) && right;
    fflush(stdout);
    return right;
}

static void write_counts(FILE *file, const struct kind *k, const char *indent)
{
    const struct tally *t = k->tally;

    fprintf(file,
            "%s\"runs\": %" PRIuFAST64 ",\n%s\"wrong_bytes\": %" PRIuFAST64
            ",\n%s\"double_owner\": %" PRIuFAST64 ",\n%s\"lost\": %" PRIuFAST64
            ",\n%s\"hangs\": %" PRIuFAST64 ",\n%s\"leaks\": %" PRIuFAST64
            ",\n%s\"crashes\": %" PRIuFAST64 ",\n%s\"moved\": %" PRIuFAST64
            ",\n%s\"settled\": %" PRIuFAST64 ",\n%s\"faults\": %" PRIuFAST64
            ",\n%s\"longest_wait_us\": %" PRIuFAST64 ",\n",
            indent, t->counts.runs, indent, t->counts.wrong_bytes, indent, t->counts.double_owner,
            indent, t->counts.lost, indent, t->counts.hangs, indent, t->counts.leaks, indent,
            t->counts.crashes, indent, t->moved, indent, t->settled, indent, t->fired, indent,
            t->longest_wait_us);
}

static int write_json(const struct options *o, const struct kind *real, const struct kind *virtual,
                      const struct kind *group)
{
    FILE *file = fopen(o->json, "we");

    if (!file)
        return -errno;
    fputs("{\n", file);
    write_counts(file, real, "  ");
    fprintf(file, "  \"seed\": %" PRIu64 ",\n  \"virtual_clock\": {\n", o->seed);
    write_counts(file, virtual, "    ");
    fprintf(file, "    \"seed\": %" PRIu64 "\n  },\n  \"group\": {\n", o->seed);
    write_counts(file, group, "    ");
    fprintf(file, "    \"seed\": %" PRIu64 "\n  }\n}\n", o->seed);
    return fclose(file) ? -errno : 0;
}

/* ---- the command line --------------------------------------------------------------------------
 */

static uint64_t number(const char *text)
{
    char *end;

    errno = 0;
    uint64_t n = strtoull(text, &end, 10);
    if (errno || *end || end == text) {
        fprintf(stderr, "soak: '%s' is no number\n", text);
        exit(2);
    }
    return n;
}

static struct tally *tally_new(void)
{
    void *p =
        mmap(NULL, sizeof(struct tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static int repeat(const struct options *o, struct kind *k, uint64_t seed)
{
    struct soak_plan plan;

    soak_plan_draw(&plan, seed, k->real);
    soak_plan_print(&plan, stdout);
    do_run(o, k, seed);
    k->runs = 1;
    return report(k, seed, 0) ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options o = {.program = argv[0], .jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
    enum { VIRTUAL, GROUP, REAL, KINDS };
    struct kind kinds[KINDS] = {
        {.name = "virtual", .repeat = 'V', .run = soak_virtual, .tally = tally_new()},
        {.name = "group", .repeat = 'G', .run = soak_group, .tally = tally_new()},
        {.name = "real", .repeat = 'R', .real = true, .run = soak_real, .tally = tally_new()},
    };
    bool right = true, seeded = false;
    int c, again = -1;
    uint64_t again_seed = 0;

    for (unsigned i = 0; i < KINDS; i++)
        if (!kinds[i].tally)
            return 1;
    while ((c = getopt(argc, argv, "v:g:r:s:j:o:V:G:R:f:")) != -1) {
        switch (c) {
        case 'v':
            kinds[VIRTUAL].runs = number(optarg);
            break;
        case 'g':
            kinds[GROUP].runs = number(optarg);
            break;
        case 'r':
            kinds[REAL].runs = number(optarg);
            break;
        case 's':
            o.seed = number(optarg);
            seeded = true;
            break;
        case 'j':
            o.jobs = (unsigned)number(optarg);
            break;
        case 'o':
            o.json = optarg;
            break;
        case 'f':
            o.faults = optarg;
            break;
        case 'V':
        case 'G':
        case 'R':
            again = c == 'V' ? VIRTUAL : c == 'G' ? GROUP : REAL;
            again_seed = number(optarg);
            break;
        default:
            return 2;
        }
    }
    if (optind != argc || (o.faults && (again < 0 || again == GROUP)))
        return 2;
    if (!seeded && getrandom(&o.seed, sizeof(o.seed), 0) != (ssize_t)sizeof(o.seed))
        return 1;
    o.jobs = o.jobs < 1 ? 1 : o.jobs > JOBS_MAX ? JOBS_MAX : o.jobs;
    if (again >= 0)
        return repeat(&o, &kinds[again], again_seed);

    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    printf("soak: seed %" PRIu64 "\n", o.seed);
    for (unsigned i = 0; i < KINDS; i++) {
        uint64_t began_us = xf_now_us();

        if (!kinds[i].runs || interrupted)
            continue;
        right = !run_all(&o, &kinds[i]) && right;
        right = report(&kinds[i], o.seed, xf_now_us() - began_us) && right;
    }
    right = right && !interrupted;
    if (o.json && write_json(&o, &kinds[REAL], &kinds[VIRTUAL], &kinds[GROUP])) {
        perror(o.json);
        right = false;
    }
    return right ? 0 : 1;
}
