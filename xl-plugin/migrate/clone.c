/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast clone: of a guest that runs here, copies on other hosts, each with an identity of its
 * own; the guest goes on. The steps are those of xl-fast migrate (xl-plugin/migrate/steps.h), with
 * xl-fast-clone in xl's place. See xl-fast-clone(1).
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clone_words.h"
#include "say.h"
#include "steps.h"
#include "transport/member.h"
#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/move_options.h"

#define COUNT_MAX  64u
#define NOT_GIVEN  UINT32_MAX
#define NAME_BYTES 80u

struct clone_options {
    struct xf_migrate_options move;
    enum xf_clone_net net;
    unsigned disks;   /* the option's word, or NOT_GIVEN; then as enum xf_clone_disks */
    const char *name; /* a pattern; NULL: DOMAIN-%n */
    unsigned count;   /* on each host */
    bool connect, replace;
    bool one_by_one, all;
    uint64_t min_bytes_per_s; /* 0: none */
};

#define FILE_SAYS    "xl-fast.conf's"
#define TO(member)   .to = offsetof(struct clone_options, member)
#define MOVE(member) TO(move.member)

static const struct xf_option rows[] = {
    {.name = "name",
     .value = "PATTERN",
     .kind = XF_OPTION_TEXT,
     TO(name),
     .help = "the copies' names: %n is a copy's number, from 1 on, %h its host (DOMAIN-%n)"},
    {.name = "count",
     .value = "N",
     .kind = XF_OPTION_COUNT,
     .min = 1,
     .max = COUNT_MAX,
     TO(count),
     .help = "copies on each host, one after the other (1)"},
    {.name = "net",
     .value = "HOW",
     .kind = XF_OPTION_CHOICE,
     .words = xf_clone_net_words,
     TO(net),
     .help = "fenced: network cards on no bridge, until --connect; keep: on the bridge at once, "
             "which is for networks where the guest itself is not; none: no cards (fenced)"},
    {.name = "disks",
     .value = "WHAT",
     .kind = XF_OPTION_CHOICE,
     .words = xf_clone_disks_words + 1,
     TO(disks),
     .help = "of a guest that has disks: copy: copies of them, as they are at the same instant; "
             "none: no disks; shared-ro: the same ones, which are all read-only"},
    {.name = "replace",
     TO(replace),
     .help =
         "with --disks copy: onto the disks of an earlier copy of that name, which is off: only "
         "what differs is sent, and what that copy has written is lost"},
    {.name = "paused", MOVE(pause), .help = "leave the copies paused"},
    {.name = "one-by-one",
     TO(one_by_one),
     .help =
         "of several hosts, one after the other, each with a pause of its own; else at once, by "
         "multicast, where the guest allows it"},
    {.name = "all-or-none",
     TO(all),
     .help = "if one of the copies that are made at once fails, none of them starts"},
    {.name = "min-rate",
     .value = "RATE",
     .kind = XF_OPTION_RATE,
     TO(min_bytes_per_s),
     .help =
         "of several hosts at once, leave out one that takes less and holds up the others, bits "
         "per second (no limit)"},
    {.name = "connect",
     TO(connect),
     .help = "of this host's copy DOMAIN: put its network cards on their bridges, once its guest "
             "has said that it is told apart"},
    XF_MOVE_MAX_DOWNTIME(MOVE(max_downtime_us), FILE_SAYS),
    XF_MOVE_ON_BUSY(MOVE(on_busy), FILE_SAYS),
    XF_MOVE_DEADLINE(MOVE(deadline_s), FILE_SAYS),
    XF_MOVE_THROTTLE(MOVE(throttle)),
    XF_MOVE_BANDWIDTH(MOVE(bandwidth_bytes_per_s), FILE_SAYS),
    XF_MOVE_COMPRESS(MOVE(compress), FILE_SAYS),
    XF_MOVE_LANES(MOVE(lanes), FILE_SAYS),
    {.name = "verify",
     MOVE(verify),
     .help = "compare all pages on both hosts before a copy starts"},
    {.name = "dry-run",
     MOVE(dry_run),
     .help = "only ask the hosts, and say how long it would take"},
    {.name = "json",
     MOVE(json),
     .help = "what happens as lines of JSON on stdout, see xl-fast-events(5)"},
    {.name = "quiet", MOVE(quiet), .help = "only errors on stderr"},
    {.name = "verbose", MOVE(verbose), .help = "all that both ends say"},
    {.letter = 's',
     .value = "COMMAND",
     .kind = XF_OPTION_TEXT,
     MOVE(ssh),
     .help = "instead of ssh, with its words"},
    {0},
};

const struct xf_command xf_command_clone = {
    .name = "clone",
    .summary = "make copies of a running guest on other hosts",
    .operands = "DOMAIN [HOST...]",
    .about =
        "Makes a copy of a running guest on each HOST (words, or HOST,HOST): its memory goes over\n"
        "the port as in a migration, to several hosts at once by multicast, and the guest goes on\n"
        "here. A copy has its own name, UUID and MAC; but it wakes with the guest's addresses,\n"
        "keys and secrets, so it stays off the network until it is told apart (--net, "
        "--connect).\n",
    .options = rows,
    .done = "all copies are there",
    .failed = "one or all of them are not; the guest goes on",
    .exits = XF_EXIT_BIT(XF_EXIT_CANNOT_TELL) | XF_EXIT_BY_SIGNAL,
    .run = xf_cli_clone,
};

/* ---- copies of one pause ------------------------------------------------------------------- */

static volatile sig_atomic_t child;

static void pass_on(int number)
{
    if (child > 0)
        kill(child, number);
}

/* A process makes them (steps.h): so each pause has one of its own, which acts on signals. A
   terminal's Ctrl-C it hears itself. */
static int in_process(const struct xf_migrate_options *move, const struct xf_copies *copies)
{
    static const int passed[] = {SIGTERM, SIGHUP};
    struct sigaction before[2], ignored, pass = {.sa_handler = pass_on, .sa_flags = SA_RESTART},
                                         ignore = {.sa_handler = SIG_IGN};
    int status;

    fflush(NULL);
    sigaction(SIGINT, &ignore, &ignored);
    for (unsigned i = 0; i < 2; i++)
        sigaction(passed[i], &pass, &before[i]);
    child = fork();
    if (!child) {
        sigaction(SIGINT, &ignored, NULL);
        for (unsigned i = 0; i < 2; i++)
            sigaction(passed[i], &before[i], NULL);
        status = xf_migrate_run(move, copies);
        exit(fflush(NULL) && !status ? XF_EXIT_FAILED : status);
    }
    status = child < 0 ? XF_EXIT_FAILED : xf_process_end(child);
    child = 0;
    sigaction(SIGINT, &ignored, NULL);
    for (unsigned i = 0; i < 2; i++)
        sigaction(passed[i], &before[i], NULL);
    return status;
}

/* What both processes see. */
struct pause {
    struct xf_copies copies;
    struct xf_copy of[XF_MEMBERS_MAX];
    char name[XF_MEMBERS_MAX][NAME_BYTES], uuid[XF_MEMBERS_MAX][40], number[XF_MEMBERS_MAX][12];
};

static bool describe(struct pause *p, const struct clone_options *o, const char *host,
                     unsigned number)
{
    const unsigned i = p->copies.n++;

    p->of[i] = (struct xf_copy){
        .host = host,
        .name = p->name[i],
        .uuid = p->uuid[i],
        .number = p->number[i],
        .net = xf_clone_net_words[o->net],
        .disks = xf_clone_disks_words[o->disks],
        .paused = o->move.pause,
        .replace = o->replace,
        .has_disks = o->disks == XF_CLONE_SHARED_RO,
        .status = XF_COPY_OPEN,
    };
    xf_clone_name(p->name[i], NAME_BYTES, o->name, number, host); /* which was tried before */
    snprintf(p->number[i], sizeof(p->number[i]), "%u", number);
    return !xf_migrate_make_uuid(p->uuid[i]);
}

/* On each of these hosts one, the first with this number. *failed: how many are not there. */
static int make_copies(const struct clone_options *o, char *const *hosts, unsigned n,
                       unsigned number, unsigned *failed)
{
    struct xf_migrate_options move = o->move;
    struct pause *p =
        mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool ok = p != MAP_FAILED;
    int status;

    if (!ok) {
        fprintf(stderr, "xl-fast clone: %s\n", strerror(ENOMEM));
        return XF_EXIT_FAILED;
    }
    p->copies =
        (struct xf_copies){.of = p->of, .all = o->all, .min_bytes_per_s = o->min_bytes_per_s};
    for (unsigned i = 0; i < n && ok; i++)
        ok = describe(p, o, hosts[i], number + i);
    move.with_disks = o->disks == XF_CLONE_COPIED;
    if (!ok)
        fprintf(stderr, "xl-fast clone: the kernel makes no UUID\n");
    status = ok ? in_process(&move, &p->copies) : XF_EXIT_FAILED;
    for (unsigned i = 0; i < n; i++)
        *failed += n == 1 ? status != 0 : p->of[i].status != 0;
    munmap(p, sizeof(*p));
    return status;
}

/* ---- the words ----------------------------------------------------------------------------- */

struct hosts {
    char **of;
    unsigned n;
};

/* HOST,HOST is two; a host's name has no comma. */
static int take_hosts(struct hosts *h, const struct xf_operands *operands)
{
    unsigned most = 0;

    for (int i = 1; i < operands->n; i++) {
        most++;
        for (const char *c = operands->words[i]; *c; c++)
            most += *c == ',';
    }
    h->n = 0;
    h->of = calloc(most + 1u, sizeof(*h->of));
    for (int i = 1; i < operands->n && h->of; i++) {
        char *rest = operands->words[i], *host;

        while ((host = strsep(&rest, ",")))
            h->of[h->n++] = host;
    }
    return h->of ? 0 : -ENOMEM;
}

static int check_hosts(struct clone_options *o, const struct hosts *h)
{
    char name[NAME_BYTES];

    if (!h->n)
        return xf_usage_error(&xf_command_clone, "HOST is missing; see xl-fast clone --help");
    if (h->n > XF_MEMBERS_MAX)
        return xf_usage_error(&xf_command_clone, "at most %u hosts", XF_MEMBERS_MAX);
    for (unsigned i = 0; i < h->n; i++) {
        if (!xf_reach_host_ok(h->of[i]))
            return xf_usage_error(&xf_command_clone, "'%s' is not a host name", h->of[i]);
        for (unsigned j = 0; j < i; j++)
            if (!strcmp(h->of[i], h->of[j]))
                return xf_usage_error(&xf_command_clone,
                                      "'%s' is named twice: --count N makes so many copies on each "
                                      "host",
                                      h->of[i]);
        const char *wrong = xf_clone_name(name, sizeof(name), o->name, h->n * o->count, h->of[i]);

        if (wrong)
            return xf_usage_error(&xf_command_clone, "--name: '%s' is not %s", o->name, wrong);
    }
    /* Copies of one name could not be on one host, and nobody could tell them apart. */
    if (h->n * o->count > 1 && !strstr(o->name, "%n"))
        return xf_usage_error(&xf_command_clone, "--name: more than one copy needs %%n in it");
    return XF_GO_ON;
}

static int parse(struct clone_options *o, struct hosts *h, char *pattern, size_t size, int argc,
                 char **argv)
{
    struct xf_operands operands;
    int status;

    *o = (struct clone_options){.count = 1, .disks = NOT_GIVEN};
    xf_migrate_options_init(&o->move);
    status = xf_options_parse(&xf_command_clone, o, argc, argv, &operands);
    if (status != XF_GO_ON)
        return status;
    o->disks = o->disks == NOT_GIVEN ? XF_CLONE_REFUSED : o->disks + 1;
    xf_migrate_options_settle(&o->move);
    o->move.domain = operands.words[0];
    if (!o->name && !o->connect &&
        strspn(operands.words[0], "0123456789") == strlen(operands.words[0]))
        return xf_usage_error(&xf_command_clone,
                              "a guest that is named by its number needs --name");
    if (!o->name) {
        snprintf(pattern, size, "%s-%%n", operands.words[0]);
        o->name = pattern;
    }
    if (take_hosts(h, &operands)) {
        fprintf(stderr, "xl-fast clone: %s\n", strerror(ENOMEM));
        return XF_EXIT_FAILED;
    }
    if (o->replace && o->disks != XF_CLONE_COPIED)
        return xf_usage_error(&xf_command_clone, "--replace goes with --disks copy");
    if (o->connect && h->n)
        return xf_usage_error(&xf_command_clone,
                              "--connect is for a copy of this host, and takes no HOST");
    return o->connect ? XF_GO_ON : check_hosts(o, h);
}

/* ---- its program --------------------------------------------------------------------------- */

/* Runs xl-fast-clone; what it prints goes to said. */
static int run_program(const char *const *args, char *said, size_t size)
{
    struct xf_reach reach = {.limit_s = XF_REACH_NO_LIMIT};
    int rc = xf_reach_find(&reach, "xl-fast-clone");

    if (rc && rc != -EINVAL) {
        fprintf(stderr, "xl-fast clone: xl-fast-clone is not there: xl-fast was built or installed "
                        "without its Xen part\n");
        return XF_EXIT_FAILED;
    }
    return xf_reach_run(&reach, false, args, said, size) ? XF_EXIT_FAILED : XF_EXIT_OK;
}

static int connect_copy(const char *domain)
{
    const char *const args[] = {"connect", domain, NULL};
    char said[64];

    return run_program(args, said, sizeof(said));
}

/* *together: it can be sent to several hosts at once. */
static int check_guest(const struct clone_options *o, bool *together)
{
    const char *const args[] = {"check", o->move.domain, xf_clone_net_words[o->net],
                                xf_clone_disks_words[o->disks], NULL};
    char said[64];
    int status = run_program(args, said, sizeof(said));

    *together = !status && !strcmp(said, "together\n");
    return status;
}

/* -------------------------------------------------------------------------------------------- */

static void say_more(const struct clone_options *o)
{
    if (o->move.screen == XF_SCREEN_QUIET || o->move.dry_run)
        return;
    if (o->net == XF_CLONE_FENCED)
        xf_migrate_say("copies are off the network until, on their hosts: xl-fast clone --connect "
                       "NAME");
    xf_migrate_say("a copy has the guest's keys and secrets, and for up to a minute both draw the "
                   "same random numbers: see xl-fast-clone(1)");
}

static int clone_all(const struct clone_options *o, const struct hosts *h)
{
    unsigned number = 0, failed = 0, at_once = 1;
    bool together = false;
    int status = check_guest(o, &together), worst = 0;

    if (status)
        return status;
    if (h->n > 1 && together && !o->one_by_one && !o->move.dry_run)
        at_once = h->n;
    else if (h->n > 1 && o->all) {
        fprintf(stderr,
                "xl-fast clone: --all-or-none needs copies that are made at once, and these "
                "are made one by one\n");
        return XF_EXIT_FAILED;
    }
    for (unsigned k = 0; k < o->count; k++)
        for (unsigned i = 0; i < h->n; i += at_once) {
            status = make_copies(o, h->of + i, at_once, number + 1, &failed);
            number += at_once;
            if (status > worst)
                worst = status;
            if (xf_exit_is_cancelled(status))
                return status;
        }
    if (failed && number > 1)
        xf_migrate_say("%u of %u copies are not there", failed, number);
    if (failed < number)
        say_more(o);
    return worst;
}

int xf_cli_clone(int argc, char **argv)
{
    struct clone_options o;
    struct hosts hosts = {0};
    char pattern[NAME_BYTES];
    int status = parse(&o, &hosts, pattern, sizeof(pattern), argc, argv);

    if (status == XF_GO_ON)
        status = o.connect ? connect_copy(o.move.domain) : clone_all(&o, &hosts);
    free(hosts.of);
    return status;
}
