/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast-preflight: what can be known before a migration touches anything. xl-fast migrate runs it
 * at both ends, at the target by ssh:
 *
 *     xl-fast-preflight host                 for `xl-fast probe`: all but a guest and a peer
 *     xl-fast-preflight source DOMAIN
 *     xl-fast-preflight target PROTOCOL XEN_VERSION NEED_KIB ADDRESS/PREFIX
 *     xl-fast-preflight measure DOMAIN SECONDS   for --dry-run --measure (measure.c)
 *     xl-fast-preflight examine              for `xl-fast doctor`
 *     xl-fast-preflight fix                  the same, with --fix
 *     xl-fast-preflight config [FILE]        for `xl-fast config` (preflight_config.h)
 *     xl-fast-preflight guests               for `xl-fast evacuate` (preflight_guests.c)
 *     xl-fast-preflight queue                for xl-fast-receive: the file that is locked
 *
 * "stock=fails" says that plain xl migrate would fail too, or do harm. The target says
 * "xl_busy=PID" if its xl would wait, and is told more on its stdin (preflight_question.h).
 *
 * It prints key=value lines; of them "busy=PID" if another migration has the port or comes before
 * this one (PID 0: which is not known), which passes, so it is no refusal, with "before=N", how
 * many come before it, and "yield=1" if it is to have no port of its own locked while it waits; at
 * last "fast=ok", or "why=" with one line for the user, and before it, where there is one, "fix="
 * with the shell command that fixes it. The exit status is 0 for both; 2 for a wrong call.
 *
 * examine does not end with the first refusal. Of each check it prints "check=STATE NAME TEXT"
 * (STATE: ok, note, fail) and, if there is one, "fix=" after it; at last "examined=1". fix runs
 * those commands that are safe, says "ran=STATUS COMMAND", and looks again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "transport/base/version.h"
#include "transport/offer.h"
#include "xl-plugin/plugin/portlock.h"
#include "checks.h"
#include "findings.h"
#include "preflight_config.h"
#include "preflight_question.h"

#define FIXES_MAX 3 /* of one check: a driver, then hugepages for it */

enum { HOST = 1, SOURCE = 2, TARGET = 4, EXAMINE = 8, GUESTS = 16, MEASURE = 32 };

static const struct check {
    const char *name;
    xf_check *run;
    unsigned calls;
    bool needs_xen, needs_config;
} checks[] = {
    {"xen", xf_check_xen, HOST | SOURCE | TARGET | EXAMINE | GUESTS | MEASURE, false, false},
    {"measure", xf_check_measure, MEASURE, true, false},
    {"guests", xf_check_guests, GUESTS, true, false},
    {"memory", xf_check_memory, HOST | EXAMINE, true, false},
    {"cpu", xf_check_cpu, EXAMINE, true, false},
    {"domain", xf_check_domain, SOURCE, true, false},
    {"installed", xf_check_installation, HOST | SOURCE | TARGET | EXAMINE, false, false},
    {"path", xf_check_path, EXAMINE, false, false},
    {"config", xf_check_config, HOST | SOURCE | TARGET | EXAMINE, false, false},
    {"port", xf_check_port, HOST | SOURCE | TARGET | EXAMINE, false, true},
    {"lanes", xf_check_lanes, HOST | SOURCE | TARGET | EXAMINE, false, true},
    {"lock", xf_check_lock, EXAMINE, false, true},
    {"run", xf_check_room, EXAMINE, false, false},
    {"disks", xf_check_disks, EXAMINE, false, false},
    {"xl", xf_check_xl, TARGET | EXAMINE, true, false},
    {"peer", xf_check_peer, TARGET, true, true},
    {"memory", xf_check_memory, TARGET, true, false},
    {"guest", xf_check_guest, TARGET | EXAMINE, true, false},
    {"turn", xf_check_turn, TARGET, true, true}, /* the last: only what can go gets one */
};

static int run_check(struct xf_preflight *p, const struct check *c)
{
    xf_findings_begin(p);
    return c->run(p);
}

/* Until the first that refuses. */
static int ask(struct xf_preflight *p, unsigned call, const char *host)
{
    for (const struct check *c = checks; c < checks + sizeof(checks) / sizeof(*checks); c++) {
        if (!(c->calls & call) || run_check(p, c) >= 0)
            continue;
        if (p->fix[0])
            printf("fix=%s\n", p->fix);
        printf("why=%s: %s\n", host, p->text);
        return -1;
    }
    printf("fast=ok\n");
    return 0;
}

/* stdout is the answer's. */
static void run_fix(const struct xf_preflight *p)
{
    char command[sizeof(p->fix) + 32];

    snprintf(command, sizeof(command), "{ %s; } >/dev/null 2>&1", p->fix);
    int status = system(command);
    printf("ran=%d %s\n", status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1, p->fix);
}

static void examine(struct xf_preflight *p, bool fix)
{
    static const char *const states[] = {"fail", "ok", "note"};

    for (const struct check *c = checks; c < checks + sizeof(checks) / sizeof(*checks); c++) {
        if (!(c->calls & EXAMINE) || (c->needs_xen && !p->ctx) ||
            (c->needs_config && !p->configured) || (c->run == xf_check_guest && !p->question))
            continue;
        int rc = run_check(p, c);

        for (unsigned n = 0; n < FIXES_MAX && rc < 0 && fix && p->fix_is_safe; n++) {
            run_fix(p);
            xf_dpdk_probe_host_at(p->sysfs, &p->host); /* what it has may have changed */
            rc = run_check(p, c);
        }
        printf("check=%s %s %s\n", states[rc + 1], c->name, p->text);
        if (p->fix[0])
            printf("fix=%s\n", p->fix);
    }
    printf("examined=1\n");
}

static void find_ourselves(struct xf_preflight *p)
{
    ssize_t n = readlink("/proc/self/exe", p->lib, sizeof(p->lib) - 1);

    p->lib[n > 0 ? n : 0] = 0;
    if (n > 0)
        *strrchr(p->lib, '/') = 0;
}

/* For xl-fast-receive. */
static int print_queue(struct xf_preflight *p)
{
    char path[512];

    if (xf_config_load(&p->config, NULL, p->text) ||
        xf_queue_path(p->config.port, path, sizeof(path)))
        return 1;
    puts(path);
    return 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: xl-fast-preflight host | examine | fix\n"
                    "       xl-fast-preflight source DOMAIN\n"
                    "       xl-fast-preflight target PROTOCOL XEN NEED_KIB ADDRESS/PREFIX\n"
                    "       xl-fast-preflight measure DOMAIN SECONDS\n"
                    "       xl-fast-preflight config [FILE]\n"
                    "       xl-fast-preflight guests\n"
                    "       xl-fast-preflight queue\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "", *sysfs = getenv("XL_FAST_SYSFS");
    struct xf_preflight p = {.sysfs = sysfs && *sysfs ? sysfs : "/sys"};
    bool fix = argc == 2 && !strcmp(verb, "fix");
    unsigned call = 0;
    char host[256] = "?";
    struct timespec now;

    if ((argc == 2 || argc == 3) && !strcmp(verb, "config")) {
        xf_preflight_config(argv[2]);
        return 0;
    }
    if (argc == 2 && !strcmp(verb, "host")) {
        call = HOST;
    } else if (argc == 2 && !strcmp(verb, "guests")) {
        call = GUESTS;
    } else if (argc == 2 && (fix || !strcmp(verb, "examine"))) {
        call = EXAMINE;
        p.question = xf_question_read(0);
    } else if (argc == 3 && !strcmp(verb, "source")) {
        call = SOURCE;
        p.domain = argv[2];
    } else if (argc == 6 && !strcmp(verb, "target")) {
        call = TARGET;
        p.peer.protocol = argv[2];
        p.peer.xen = argv[3];
        p.peer.need_kib = argv[4];
        p.peer.address = argv[5];
        p.question = xf_question_read(0);
    } else if (argc == 4 && !strcmp(verb, "measure")) {
        p.domain = argv[2];
        p.measure_s = (unsigned)strtoul(argv[3], NULL, 10);
        call = p.measure_s ? MEASURE : 0;
    } else if (argc == 2 && !strcmp(verb, "queue")) {
        return print_queue(&p);
    }
    if (!call)
        return usage();
    /* In the order in which it happens, also around what fix runs. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    gethostname(host, sizeof(host) - 1);
    find_ourselves(&p);
    xf_dpdk_probe_host_at(p.sysfs, &p.host);
    printf("version=%s\nprotocol=%d\n", XF_VERSION, XF_PROTOCOL_VERSION);
    if (call == SOURCE)
        printf("ask=version=%s\n", XF_VERSION);
    if (call == EXAMINE) {
        /* What Xen's libraries say of a host without Xen is said once, by us. */
        if (!freopen("/dev/null", "w", stderr))
            return 1;
        clock_gettime(CLOCK_REALTIME, &now);
        printf("host=%s\nclock_ms=%lld\n", host, now.tv_sec * 1000LL + now.tv_nsec / 1000000);
        examine(&p, fix);
    } else {
        ask(&p, call, host);
    }
    xf_close_xen(&p);
    free(p.question);
    return 0;
}
