/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fault: counts who passes, and makes a fault come true. Part of test builds only. */
#include "fault.h"

#ifdef XF_FAULTS

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define BLANKS     " \t\r\n,"
#define FILE_BYTES 4096

#define WORD(name, word, argument, what) {word, argument},
static const struct {
    const char *word;
    int64_t argument;
} actions[] = {XF_FAULT_ACTIONS(WORD)};

/* A test build's only: of the process, as its environment is. */
static struct {
    pthread_once_t once;
    struct xf_fault faults[XF_FAULTS_MAX];
    unsigned n;
    int (*act)(void *arg, const struct xf_fault *fault);
    void *arg;
    atomic_uint_fast64_t passed[XF_FAULT_POINTS_MAX];
    atomic_uint fired;
    atomic_int link;
    _Atomic uint64_t link_until_us; /* 0: for ever */
} state = {.once = PTHREAD_ONCE_INIT};

_Atomic int64_t xf_clock_skew_us;

/* ---- words -------------------------------------------------------------------------------------
 */

static int find_point(const char *name)
{
    for (unsigned i = 0; i < xf_fault_points_n; i++)
        if (!strcmp(xf_fault_points[i].name, name))
            return (int)i;
    return -1;
}

static int find_action(const char *word)
{
    for (int i = 0; i < XF_FAULT_ACTION_COUNT; i++)
        if (!strcmp(actions[i].word, word))
            return i;
    return -1;
}

/* Cuts word at the separator and returns what follows it; NULL if there is none. */
static char *cut_at(char *word, char separator)
{
    char *at = strchr(word, separator);

    if (!at)
        return NULL;
    *at = 0;
    return at + 1;
}

static int parse_word(struct xf_fault *f, char *word)
{
    char *action = cut_at(word, '=');
    char *argument = action ? cut_at(action, ':') : NULL;
    char *nth = cut_at(word, ':');
    char *end = "";
    int point = find_point(word), what = action ? find_action(action) : -1;

    if (point < 0 || what < 0)
        return -EINVAL;
    *f = (struct xf_fault){.point = (unsigned)point,
                           .nth = 1,
                           .action = (enum xf_fault_action)what,
                           .argument = actions[what].argument};
    if (nth) {
        unsigned long n = strtoul(nth, &end, 10);

        if (!strcmp(nth, "*"))
            n = 0;
        else if (!isdigit((unsigned char)*nth) || *end || n < 1 || n > UINT32_MAX)
            return -EINVAL;
        f->nth = (uint32_t)n;
    }
    if (argument) {
        f->argument = strtoll(argument, &end, 10);
        if (end == argument || *end || (f->argument < 0 && f->action != XF_FAULT_JUMP))
            return -EINVAL;
    }
    return 0;
}

int xf_fault_parse(struct xf_fault faults[XF_FAULTS_MAX], const char *text,
                   char bad[XF_FAULT_TEXT_BYTES])
{
    int n = 0;

    while (*(text += strspn(text, BLANKS))) {
        size_t len = strcspn(text, BLANKS);
        char word[XF_FAULT_TEXT_BYTES] = "";

        memcpy(word, text, len < sizeof(word) - 1 ? len : sizeof(word) - 1);
        if (bad)
            memcpy(bad, word, sizeof(word));
        if (n == XF_FAULTS_MAX)
            return -E2BIG;
        if (len >= sizeof(word) || parse_word(&faults[n], word))
            return -EINVAL;
        n++;
        text += len;
    }
    return n;
}

void xf_fault_format(const struct xf_fault *f, char out[XF_FAULT_TEXT_BYTES])
{
    char nth[16] = "*";

    if (f->nth)
        snprintf(nth, sizeof(nth), "%u", f->nth);
    snprintf(out, XF_FAULT_TEXT_BYTES, "%s:%s=%s:%lld", xf_fault_points[f->point].name, nth,
             actions[f->action].word, (long long)f->argument);
}

/* ---- where they come from ----------------------------------------------------------------------
 */

static void take(const char *text, const char *from)
{
    char bad[XF_FAULT_TEXT_BYTES];
    struct xf_fault some[XF_FAULTS_MAX];
    int n = xf_fault_parse(some, text, bad);

    if (n < 0 || state.n + (unsigned)n > XF_FAULTS_MAX) {
        fprintf(stderr, "xl-fast: %s: '%s' is no fault of this build, or one too many\n", from,
                bad);
        abort();
    }
    memcpy(state.faults + state.n, some, (unsigned)n * sizeof(some[0]));
    state.n += (unsigned)n;
}

static void load(void)
{
    const char *words = getenv("XF_FAULT"), *path = getenv("XF_FAULT_FILE");
    char text[FILE_BYTES];
    FILE *file = fopen(path ? path : XF_FAULT_PATH, "re");

    if (words)
        take(words, "XF_FAULT");
    if (!file)
        return;
    while (fgets(text, sizeof(text), file)) {
        text[strcspn(text, "#")] = 0;
        take(text, path ? path : XF_FAULT_PATH);
    }
    fclose(file);
}

static void load_nothing(void)
{
}

void xf_faults_set(const struct xf_fault *faults, unsigned n,
                   int (*act)(void *arg, const struct xf_fault *fault), void *arg)
{
    pthread_once(&state.once, load_nothing);
    state.n = n < XF_FAULTS_MAX ? n : XF_FAULTS_MAX;
    if (n)
        memcpy(state.faults, faults, state.n * sizeof(faults[0]));
    state.act = act;
    state.arg = arg;
    for (unsigned i = 0; i < XF_FAULT_POINTS_MAX; i++)
        atomic_store(&state.passed[i], 0);
    atomic_store(&state.fired, 0);
    atomic_store(&state.link, 0);
    atomic_store(&xf_clock_skew_us, 0);
}

/* ---- coming true -------------------------------------------------------------------------------
 */

static void sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (nanosleep(&left, &left) && errno == EINTR)
        ;
}

static void break_link(int how, int64_t ms)
{
    atomic_store(&state.link_until_us, ms ? xf_now_us() + (uint64_t)ms * 1000 : 0);
    atomic_store(&state.link, how);
}

int xf_fault_act(const struct xf_fault *f)
{
    char text[XF_FAULT_TEXT_BYTES], line[XF_FAULT_TEXT_BYTES + 32];

    xf_fault_format(f, text);
    int len = snprintf(line, sizeof(line), "xl-fast: fault: %s\n", text);
    if (write(STDERR_FILENO, line, (size_t)len) < 0) {
        /* Nobody listens. */
    }
    switch (f->action) {
    case XF_FAULT_KILL:
        kill(getpid(), SIGKILL);
        break;
    case XF_FAULT_EXIT:
        _exit((int)f->argument);
    case XF_FAULT_ERROR:
        return (int)-f->argument;
    case XF_FAULT_STALL:
        sleep_ms(f->argument);
        break;
    case XF_FAULT_CUT:
        break_link(1, f->argument);
        break;
    case XF_FAULT_DOWN:
        break_link(-ENETDOWN, f->argument);
        break;
    default:
        atomic_fetch_add(&xf_clock_skew_us, f->argument * 1000);
    }
    return 0;
}

int xf_fault_pass(unsigned point)
{
    pthread_once(&state.once, load);
    uint64_t time = atomic_fetch_add(&state.passed[point], 1) + 1;
    int rc = 0;

    for (unsigned i = 0; i < state.n; i++) {
        const struct xf_fault *f = &state.faults[i];

        if (f->point != point || (f->nth && f->nth != time))
            continue;
        atomic_fetch_add(&state.fired, 1);
        int now = state.act ? state.act(state.arg, f) : xf_fault_act(f);

        rc = rc ? rc : now;
    }
    return rc;
}

uint64_t xf_fault_passed(unsigned point)
{
    return atomic_load(&state.passed[point]);
}

unsigned xf_faults_fired(void)
{
    return atomic_load(&state.fired);
}

int xf_fault_link(void)
{
    uint64_t until = atomic_load(&state.link_until_us);

    if (atomic_load(&state.link) && until && xf_now_us() >= until)
        atomic_store(&state.link, 0);
    return atomic_load(&state.link);
}

int64_t xf_fault_clock_us(void)
{
    return atomic_load(&xf_clock_skew_us);
}

#endif
