/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast-clone: what `xl-fast clone` needs of Xen.
 *
 *     xl-fast-clone copy UUID SSH NET DISKS paused|running any|all {WORDS NAME NEW_UUID NUMBER}...
 *         in xl migrate's place: sends the running guest to each xl migrate-receive that SSH WORDS
 *         reaches, under that name and UUID, and lets the guest go on here. all: or none starts
 *     xl-fast-clone check DOMAIN NET DISKS    whether it can be copied so; says "together" if to
 *         several hosts at once
 *     xl-fast-clone connect NAME              of this host's copy, by xl-fast clone --connect
 *
 *     copy, in turn:   configurations ->  receivers      nothing of the guest is touched
 *                      stream         ->  their libxl    the guest runs, and stands for the last
 *                                                        round; several have a hub (hub.h)
 *                      the guest goes on here            whatever has come of the stream
 *                      go             ->  receivers      the copies run
 *
 * The guest is this host's all the while: nothing is renamed, and nothing is asked of the receiver
 * before it goes on. If this process is killed while it stands, `xl-fast clone` lets it go on, or
 * xl-fast recover. Exit status, of the worst copy: 0 done; 1 there is none, or none that will last;
 * 3 its host did not say whether it runs. A line of JSON on stderr has that of each.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>

#include "connect.h"
#include "hub.h"
#include "identity.h"
#include "receiver.h"
#include "transport/base/clock.h"
#include "transport/member.h"
#include "xl-plugin/cli/exits.h"
#include "xl-plugin/recover/recover_look.h"

struct xen {
    xentoollog_logger_stdiostream *logger;
    libxl_ctx *ctx;
};

#define COPY_WORDS 6 /* before the copies' ... */
#define ONE_WORDS  4 /* ... own */

static volatile sig_atomic_t cancelled;

/* Returns 1, for the caller to return. */
__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "xl-fast: ");
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    return 1;
}

static int open_xen(struct xen *x)
{
    /* We have children of our own. */
    static const libxl_childproc_hooks hooks = {
        .chldowner = libxl_sigchld_owner_libxl_always_selective_reap};

    x->logger = xtl_createlogger_stdiostream(stderr, XTL_ERROR, XTL_STDIOSTREAM_HIDE_PROGRESS);
    if (!x->logger || libxl_ctx_alloc(&x->ctx, LIBXL_VERSION, 0, (xentoollog_logger *)x->logger))
        return fail("cannot reach Xen: not running as root in dom0?");
    libxl_childproc_setmode(x->ctx, &hooks, NULL);
    return 0;
}

static void close_xen(struct xen *x)
{
    if (x->ctx)
        libxl_ctx_free(x->ctx);
    if (x->logger)
        xtl_logger_destroy((xentoollog_logger *)x->logger);
}

static int word_of(const char *word, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (!strcmp(word, words[i]))
            return i;
    return -1;
}

/* Beside this program. */
static int find_fence(char *to, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", to, size - 1);
    char *slash;

    to[n > 0 ? n : 0] = 0;
    slash = strrchr(to, '/');
    if (!slash || (size_t)(slash - to) + sizeof("/xl-fast-vif-fenced") > size)
        return -ENAMETOOLONG;
    strcpy(slash, "/xl-fast-vif-fenced");
    return 0;
}

/* By its UUID, or by name or number. */
static int find_domain(struct xen *x, const char *domain, uint32_t *domid)
{
    int n = 0, rc = -ENOENT;
    libxl_dominfo *all;
    char uuid[37];

    if (!xf_uuid_ok(domain))
        return libxl_domain_qualifier_to_domid(x->ctx, domain, domid);
    all = libxl_list_domain(x->ctx, &n);
    for (int i = 0; i < n && rc; i++) {
        snprintf(uuid, sizeof(uuid), LIBXL_UUID_FMT, LIBXL_UUID_BYTES(all[i].uuid));
        *domid = all[i].domid;
        rc = strcmp(uuid, domain) ? -ENOENT : 0;
    }
    if (all)
        libxl_dominfo_list_free(all, n);
    return rc;
}

/* The configuration, init'ed in any case, and the caller's to dispose of. */
static int look_at(struct xen *x, const char *domain, const struct xf_identity *id, uint32_t *domid,
                   libxl_domain_config *config)
{
    char why[XF_IDENTITY_WHY];

    libxl_domain_config_init(config);
    if (find_domain(x, domain, domid))
        return fail("there is no domain '%s' on this host", domain);
    if (libxl_retrieve_domain_configuration(x->ctx, *domid, config, NULL))
        return fail("cannot get the configuration of '%s'", domain);
    return xf_identity_check(config, id, why)
               ? fail("'%s' cannot be cloned so: %s", config->c_info.name, why)
               : 0;
}

/* ---- copy ---------------------------------------------------------------------------------- */

static void note_signal(int number)
{
    cancelled = number;
}

/* From here on a signal waits until the guest goes on. What is executed gets none of the handlers.
 */
static void hold_signals(void)
{
    static const int held[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    struct sigaction act = {.sa_handler = note_signal, .sa_flags = SA_RESTART};

    for (unsigned i = 0; i < sizeof(held) / sizeof(held[0]); i++)
        sigaction(held[i], &act, NULL);
}

static bool is_suspended(struct xen *x, uint32_t domid)
{
    libxl_dominfo info;
    bool is;

    libxl_dominfo_init(&info);
    is = !libxl_domain_info(x->ctx, &info, domid) && info.shutdown &&
         info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND;
    libxl_dominfo_dispose(&info);
    return is;
}

/* As xl lets a guest go on whose migration has failed. */
static int go_on(struct xen *x, uint32_t domid, const char *name)
{
    if (is_suspended(x, domid) && libxl_domain_resume(x->ctx, domid, 1, NULL))
        return fail("'%s' stands, and cannot be let go on", name);
    fprintf(stderr, "xl-fast: source: %s goes on\n", name);
    return 0;
}

/* ---- the copies ---------------------------------------------------------------------------- */

/* One of them. */
struct one {
    const char *words, *name, *uuid, *number; /* the command line's */
    struct xf_receiver r;
    int status; /* != 0: there will be none */
};

struct copies {
    struct xen *x;
    char **words; /* UUID SSH NET DISKS paused|running any|all */
    uint32_t domid;
    char *name; /* the guest's */
    struct one of[XF_MEMBERS_MAX];
    unsigned n;
    bool all; /* or none */
};

static void lose_for(struct one *o, const char *why)
{
    o->status = fail("%s: %s", o->name, why);
    xf_receiver_leave(&o->r);
}

static void lose_all_for(struct copies *c, const char *why)
{
    for (unsigned i = 0; i < c->n; i++)
        if (!c->of[i].status)
            lose_for(&c->of[i], why);
}

static unsigned count_left(const struct copies *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->n; i++)
        n += !c->of[i].status;
    return n;
}

/* Whether it is worth while to go on. */
static bool is_enough(const struct copies *c)
{
    const unsigned left = count_left(c);

    return c->all ? left == c->n : left;
}

/* Each in turn, since most of the time they wait for their hosts. */
static void each(struct copies *c, int (*step)(struct copies *, struct one *, char *why))
{
    char why[XF_RECEIVER_WHY] = "";

    for (unsigned i = 0; i < c->n; i++)
        if (!c->of[i].status && step(c, &c->of[i], why))
            lose_for(&c->of[i], why);
}

static int start(struct copies *c, struct one *o, char *why)
{
    return xf_receiver_start(&o->r, c->words[1], o->words, !strcmp(c->words[4], "paused"), why);
}

static int greet(struct copies *c, struct one *o, char *why)
{
    (void)c;
    return xf_receiver_greet(&o->r, why);
}

static int configure(struct copies *c, struct one *o, char *why)
{
    char fence[600];
    const struct xf_identity id = {
        .name = o->name,
        .uuid = o->uuid,
        .number = (unsigned)strtoul(o->number, NULL, 10),
        .net = (enum xf_clone_net)word_of(c->words[2], xf_clone_net_words),
        .disks = (enum xf_clone_disks)word_of(c->words[3], xf_clone_disks_words),
        .fence = fence};
    libxl_domain_config config;
    char *json = NULL;
    int rc = look_at(c->x, c->words[0], &id, &c->domid, &config);

    if (!rc && !c->name)
        c->name = strdup(config.c_info.name);
    if (rc || !c->name || find_fence(fence, sizeof(fence)) ||
        xf_identity_give(c->x->ctx, &config, &id) ||
        !(json = libxl_domain_config_to_json(c->x->ctx, &config))) {
        snprintf(why, XF_RECEIVER_WHY, "its configuration cannot be made");
        rc = -EINVAL;
    }
    rc = rc ?: xf_receiver_configure(&o->r, json, why);
    libxl_domain_config_dispose(&config);
    free(json);
    return rc;
}

/* ---- their stream ---------------------------------------------------------------------------- */

/* The hub's part of those that are left. */
struct spread {
    int from, rc;
    bool all;
    struct xf_hub_end ends[XF_MEMBERS_MAX];
    struct one *of[XF_MEMBERS_MAX];
    unsigned n;
    char why[XF_HUB_WHY];
};

static void *spread_main(void *arg)
{
    struct spread *s = arg;

    s->rc = xf_hub_run(s->from, s->ends, s->n, s->all, s->why);
    return NULL;
}

/* For the save helper (xl-plugin/plugin/several.h): their hosts, which their words begin with. */
static int name_targets(const struct spread *s)
{
    char *names = NULL;
    size_t size;
    FILE *f = open_memstream(&names, &size);

    for (unsigned i = 0; f && i < s->n; i++)
        fprintf(f, "%s%.*s", i ? " " : "", (int)strcspn(s->of[i]->words, " "), s->of[i]->words);
    int rc = f && !fclose(f) ? setenv("XL_FAST_TARGETS", names, 1) : -1;

    free(names);
    return rc;
}

static void end_spread(struct spread *s, int sent)
{
    for (unsigned i = 0; i < s->n; i++) {
        s->of[i]->r.to = s->ends[i].to;
        if (s->ends[i].gone)
            lose_for(s->of[i], s->ends[i].why);
        else if (s->rc && !(s->rc == -ENODATA && sent)) /* libxl knows better */
            lose_for(s->of[i], s->why);
    }
}

/* By one stream to several receivers. What libxl says. */
static int suspend_to_all(struct copies *c, int *status)
{
    struct spread s = {.all = c->all};
    pthread_t hub;
    int ends[2], sent;

    for (unsigned i = 0; i < c->n; i++)
        if (!c->of[i].status) {
            s.of[s.n] = &c->of[i];
            s.ends[s.n++].to = c->of[i].r.to;
        }
    if (name_targets(&s) || pipe2(ends, O_CLOEXEC))
        return ERROR_FAIL;
    s.from = ends[0];
    if (pthread_create(&hub, NULL, spread_main, &s)) {
        close(ends[0]);
        close(ends[1]);
        return ERROR_FAIL;
    }
    sent = libxl_domain_suspend(c->x->ctx, c->domid, ends[1], LIBXL_SUSPEND_LIVE, NULL);
    *status = go_on(c->x, c->domid, c->name);
    close(ends[1]);
    pthread_join(hub, NULL);
    end_spread(&s, sent);
    return sent;
}

static int suspend_to_one(struct copies *c, int *status)
{
    int sent = libxl_domain_suspend(c->x->ctx, c->domid, c->of[0].r.to, LIBXL_SUSPEND_LIVE, NULL);

    *status = go_on(c->x, c->domid, c->name);
    return sent;
}

/* Whatever comes of it, the guest goes on: 0; else nothing else counts. */
static int send_copies(struct copies *c)
{
    char why[XF_RECEIVER_WHY];
    int status = 0, sent;

    hold_signals();
    /* One that is left of several is one of several still: the save helper knows its name. */
    sent = c->n > 1 ? suspend_to_all(c, &status) : suspend_to_one(c, &status);
    if (sent)
        snprintf(why, sizeof(why), "'%s' was not copied (libxl: %d)", c->name, sent);
    if (sent || status)
        lose_all_for(c, sent ? why : "is not started: the guest stands");
    return status;
}

/* ---- their start ----------------------------------------------------------------------------- */

/* By then the others have done what one has done; a host that is gone says nothing. */
#define LAG_S 60

static int lag_ms(void)
{
    const char *seconds = getenv("XL_FAST_LAG");

    return 1000 * (seconds ? atoi(seconds) : LAG_S);
}

static void lose_silent(struct one *o, int status)
{
    if (status == XF_EXIT_FAILED)
        lose_for(o, "it is not ready, long after another one was");
    else
        lose_for(o, "its xl does not say what became of it");
}

/* Of all at once, so that none holds up the others: the next word of each. lost_status: without it.
 */
static void hear(struct copies *c, int (*word)(struct xf_receiver *, char *), int lost_status)
{
    struct pollfd fds[XF_MEMBERS_MAX];
    struct one *of[XF_MEMBERS_MAX];
    char why[XF_RECEIVER_WHY];
    bool heard[XF_MEMBERS_MAX] = {false};
    uint64_t until_ms = 0;

    for (;;) {
        unsigned n = 0;

        for (unsigned i = 0; i < c->n; i++)
            if (!c->of[i].status && !heard[i]) {
                fds[n] = (struct pollfd){.fd = c->of[i].r.from, .events = POLLIN};
                of[n++] = &c->of[i];
            }
        if (!n || (cancelled && lost_status == XF_EXIT_FAILED))
            return;
        const uint64_t now_ms = xf_now_us() / 1000;
        if (cancelled) /* too late for that: they have their go */
            until_ms = until_ms ?: now_ms + (uint64_t)lag_ms();
        int ready = poll(fds, n, until_ms ? until_ms > now_ms ? (int)(until_ms - now_ms) : 0 : -1);

        for (unsigned i = 0; i < n && ready >= 0; i++) {
            if (ready && !fds[i].revents)
                continue;
            int rc = ready ? word(&of[i]->r, why) : -ETIMEDOUT;

            heard[of[i] - c->of] = true;
            if (!rc) {
                until_ms = until_ms ?: now_ms + (uint64_t)lag_ms();
                continue;
            }
            if (ready)
                lose_for(of[i], why);
            else
                lose_silent(of[i], lost_status);
            of[i]->status = rc == -EREMOTEIO ? XF_EXIT_FAILED : lost_status;
        }
    }
}

/* Once all are ready, or never will be. */
static void start_copies(struct copies *c)
{
    char why[XF_RECEIVER_WHY];

    for (unsigned i = 0; i < c->n; i++) {
        struct one *o = &c->of[i];

        if (o->status || !xf_receiver_permit(&o->r, why))
            continue;
        lose_for(o, why);
        o->status = XF_EXIT_CANNOT_TELL;
    }
    hear(c, xf_receiver_report, XF_EXIT_CANNOT_TELL);
}

static void make_copies(struct copies *c)
{
    each(c, start);
    each(c, greet);
    if (is_enough(c))
        each(c, configure);
    if (is_enough(c) && send_copies(c))
        return;
    if (is_enough(c))
        hear(c, xf_receiver_wait, XF_EXIT_FAILED);
    if (cancelled)
        lose_all_for(c, "is not started: cancelled");
    else if (!is_enough(c))
        lose_all_for(c, "is not started: another one could not be made, and all were wanted");
    else
        start_copies(c);
}

/* For who runs us: a line for each. The worst of their statuses. */
static int tell(struct copies *c)
{
    int worst = 0;

    for (unsigned i = 0; i < c->n; i++) {
        fprintf(stderr, "xl-fast: copy {\"name\":\"%s\",\"status\":%d}\n", c->of[i].name,
                c->of[i].status);
        worst = c->of[i].status > worst ? c->of[i].status : worst;
        xf_receiver_end(&c->of[i].r);
    }
    return worst;
}

static int copy(struct xen *x, char **words)
{
    struct copies *c = calloc(1, sizeof(*c));
    int status;

    if (!c)
        return fail("%s", strerror(ENOMEM));
    c->x = x;
    c->words = words;
    c->all = !strcmp(words[5], "all");
    for (words += COPY_WORDS; *words; words += ONE_WORDS)
        c->of[c->n++] = (struct one){.words = words[0],
                                     .name = words[1],
                                     .uuid = words[2],
                                     .number = words[3],
                                     .r = {.to = -1, .from = -1}};
    make_copies(c);
    status = tell(c);
    free(c->name);
    free(c);
    return status;
}

/* -------------------------------------------------------------------------------------------- */

static int check(struct xen *x, char **words)
{
    const struct xf_identity id = {
        .net = (enum xf_clone_net)word_of(words[1], xf_clone_net_words),
        .disks = (enum xf_clone_disks)word_of(words[2], xf_clone_disks_words)};
    libxl_domain_config config;
    uint32_t domid;
    int rc = look_at(x, words[0], &id, &domid, &config);

    /* Of a PV guest the memory goes through a tunnel, which leads to one host. */
    if (!rc && config.c_info.type != LIBXL_DOMAIN_TYPE_PV)
        puts("together");
    libxl_domain_config_dispose(&config);
    return rc;
}

static int connect_copy(struct xen *x, char **words)
{
    char why[XF_CONNECT_WHY];

    return xf_connect(x->ctx, words[0], why) ? fail("%s: %s", words[0], why) : 0;
}

static bool are_words(char **words)
{
    return word_of(words[0], xf_clone_net_words) >= 0 &&
           word_of(words[1], xf_clone_disks_words) >= 0;
}

static bool are_copies(int n, char **words)
{
    const int own = n - COPY_WORDS;

    if (own < ONE_WORDS || own % ONE_WORDS || own / ONE_WORDS > (int)XF_MEMBERS_MAX ||
        !are_words(words + 2))
        return false;
    for (int i = COPY_WORDS; i < n; i += ONE_WORDS)
        if (!xf_uuid_ok(words[i + 2]))
            return false;
    return true;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    struct xen x = {0};
    int (*run)(struct xen *, char **) = NULL;

    if (!strcmp(verb, "copy") && are_copies(argc - 2, argv + 2))
        run = copy;
    else if (!strcmp(verb, "check") && argc == 5 && are_words(argv + 3))
        run = check;
    else if (!strcmp(verb, "connect") && argc == 3)
        run = connect_copy;
    if (!run) {
        fprintf(stderr,
                "usage: xl-fast-clone copy UUID SSH NET DISKS paused|running any|all {WORDS "
                "NAME NEW_UUID NUMBER}...\n"
                "       xl-fast-clone check DOMAIN NET DISKS\n"
                "       xl-fast-clone connect NAME\n");
        return 2;
    }
    /* The receiver may be gone at any time. */
    signal(SIGPIPE, SIG_IGN);
    int rc = open_xen(&x) ?: run(&x, argv + 2);

    close_xen(&x);
    return rc;
}
