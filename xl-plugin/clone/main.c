/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast-clone: what `xl-fast clone` needs of Xen.
 *
 *     xl-fast-clone copy UUID SSH WORDS NAME NEW_UUID NUMBER NET DISKS paused|running
 *         in xl migrate's place: sends the running guest to the xl migrate-receive that SSH WORDS
 *         reaches, under the new name and UUID, and lets the guest go on here
 *     xl-fast-clone check DOMAIN NET DISKS    whether it can be copied so
 *     xl-fast-clone connect NAME              of this host's copy, by xl-fast clone --connect
 *
 *     copy, in turn:   configuration  ->  receiver       nothing of the guest is touched
 *                      stream         ->  its libxl      the guest runs, and stands for the last
 * round the guest goes on here            whatever has come of the stream go             ->
 * receiver       the copy runs
 *
 * The guest is this host's all the while: nothing is renamed, and nothing is asked of the receiver
 * before it goes on. If this process is killed while it stands, `xl-fast clone` lets it go on, or
 * xl-fast recover. Exit status: 0 done; 1 there is no copy, or none that will last; 3 the copy's
 * host did not say whether it runs.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>

#include "connect.h"
#include "identity.h"
#include "receiver.h"
#include "xl-plugin/cli/exits.h"
#include "xl-plugin/recover/recover_look.h"

struct xen {
    xentoollog_logger_stdiostream *logger;
    libxl_ctx *ctx;
};

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

/* The receiver is ready, or nothing is there any more: the exit status. */
static int finish(struct xf_receiver *r, const char *name)
{
    char why[XF_RECEIVER_WHY];
    int rc = xf_receiver_wait(r, why);

    if (!rc && cancelled)
        return fail("cancelled: %s is not started", name);
    if (rc)
        return fail("%s: %s", name, why);
    rc = xf_receiver_go(r, why);
    if (rc)
        fail("%s: %s", name, why);
    return !rc ? 0 : rc == -EREMOTEIO ? XF_EXIT_FAILED : XF_EXIT_CANNOT_TELL;
}

static int send_copy(struct xen *x, uint32_t domid, const char *name, struct xf_receiver *r,
                     const char *new_name)
{
    int sent, status;

    hold_signals();
    sent = libxl_domain_suspend(x->ctx, domid, r->to, LIBXL_SUSPEND_LIVE, NULL);
    status = go_on(x, domid, name);
    if (sent && !status)
        status = fail("'%s' was not copied (libxl: %d)", name, sent);
    return status ? status : finish(r, new_name);
}

static int copy(struct xen *x, char **words)
{
    char fence[600], why[XF_RECEIVER_WHY] = "";
    struct xf_identity id = {.name = words[3],
                             .uuid = words[4],
                             .number = (unsigned)strtoul(words[5], NULL, 10),
                             .net = (enum xf_clone_net)word_of(words[6], xf_clone_net_words),
                             .disks = (enum xf_clone_disks)word_of(words[7], xf_clone_disks_words),
                             .fence = fence};
    libxl_domain_config config;
    struct xf_receiver r = {.to = -1, .from = -1};
    char *name = NULL, *json = NULL;
    uint32_t domid;
    int rc = look_at(x, words[0], &id, &domid, &config);

    if (!rc)
        name = strdup(config.c_info.name);
    if (!rc &&
        (!name || find_fence(fence, sizeof(fence)) || xf_identity_give(x->ctx, &config, &id) ||
         !(json = libxl_domain_config_to_json(x->ctx, &config))))
        rc = fail("cannot make the configuration of %s", id.name);
    if (!rc && (xf_receiver_start(&r, words[1], words[2], !strcmp(words[8], "paused"), why) ||
                xf_receiver_configure(&r, json, why)))
        rc = fail("%s: %s", id.name, why);
    if (!rc)
        rc = send_copy(x, domid, name, &r, id.name);
    xf_receiver_end(&r);
    libxl_domain_config_dispose(&config);
    free(json);
    free(name);
    return rc;
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

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    struct xen x = {0};
    int (*run)(struct xen *, char **) = NULL;

    if (!strcmp(verb, "copy") && argc == 11 && xf_uuid_ok(argv[6]) && are_words(argv + 8))
        run = copy;
    else if (!strcmp(verb, "check") && argc == 5 && are_words(argv + 3))
        run = check;
    else if (!strcmp(verb, "connect") && argc == 3)
        run = connect_copy;
    if (!run) {
        fprintf(stderr, "usage: xl-fast-clone copy UUID SSH WORDS NAME NEW_UUID NUMBER NET DISKS "
                        "paused|running\n"
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
