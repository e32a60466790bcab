/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast-domain: what `xl-fast recover` and xl-fast migrate need of Xen at one end. recover runs
 * it here, and at the target by ssh:
 *
 *     xl-fast-domain look NAME [UUID]      one line of JSON (recover_look.h)
 *     xl-fast-domain STEP NAME UUID        one step, by its name (recover_decide.h)
 *     xl-fast-domain left UUID ATTEMPT     for migrate, when xl has ended: notes how it left the
 *                                          guest, and prints its state, or "gone"
 *
 * A step looks again first, and is refused where its own end is not as it must be. Exit status: 0
 * done; 1 not, with a line on stderr that says why; 2 a wrong call.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>

#include "xl-plugin/recover/recover_actors.h"
#include "xl-plugin/recover/recover_record.h"

#define DEATH_MS 10000 /* for a killed process to be gone */

struct xen {
    xentoollog_logger_stdiostream *logger;
    libxl_ctx *ctx;
};

/* Returns 1, for the caller to return. */
__attribute__((format(printf, 1, 2))) static int refuse(const char *format, ...)
{
    char host[XF_NAME_SIZE] = "?";
    va_list args;

    gethostname(host, sizeof(host) - 1);
    fprintf(stderr, "xl-fast: %s: ", host);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    return 1;
}

static int open_xen(struct xen *x)
{
    x->logger = xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    if (!x->logger || libxl_ctx_alloc(&x->ctx, LIBXL_VERSION, 0, (xentoollog_logger *)x->logger))
        return refuse("cannot reach Xen: not running as root in dom0?");
    return 0;
}

static void close_xen(struct xen *x)
{
    if (x->ctx)
        libxl_ctx_free(x->ctx);
    if (x->logger)
        xtl_logger_destroy((xentoollog_logger *)x->logger);
}

/* ---- looking ------------------------------------------------------------------------------- */

static enum xf_recover_state state_of(const libxl_dominfo *info)
{
    return info->dying       ? XF_STATE_DYING
           : !info->shutdown ? (info->paused ? XF_STATE_PAUSED : XF_STATE_RUNNING)
           : info->shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND ? XF_STATE_SUSPENDED
                                                                    : XF_STATE_ENDED;
}

static void fill_domain(struct xf_look_domain *d, const libxl_dominfo *info, const char *name)
{
    memset(d, 0, sizeof(*d));
    d->domid = info->domid;
    snprintf(d->name, sizeof(d->name), "%s", name ? name : "");
    snprintf(d->uuid, sizeof(d->uuid), LIBXL_UUID_FMT, LIBXL_UUID_BYTES(info->uuid));
    d->state = state_of(info);
    d->cpu_time_ns = info->cpu_time;
}

/* By what libvirt keeps of each domain that it has made, and looks for when it starts. If that
   cannot be told, it may be. */
static bool is_libvirts(struct xen *x, uint32_t domid)
{
    uint8_t *xml = NULL;
    int bytes = 0, rc = libxl_userdata_retrieve(x->ctx, domid, "libvirt-xml", &xml, &bytes);

    free(xml);
    return rc || bytes > 0;
}

/* name or uuid may be NULL. */
static int find_domains(struct xen *x, const char *name, const char *uuid, struct xf_look *look)
{
    int n, rc = 0;
    libxl_dominfo *all = libxl_list_domain(x->ctx, &n);

    if (!all)
        return refuse("cannot list the domains");
    for (int i = 0; i < n && !rc; i++) {
        struct xf_look_domain d;
        char *called = libxl_domid_to_name(x->ctx, all[i].domid);

        fill_domain(&d, &all[i], called);
        if ((uuid && !strcmp(d.uuid, uuid)) ||
            (name && called && xf_look_place(name, called) != XF_PLACE_UNCLEAR)) {
            d.libvirt = is_libvirts(x, d.domid);
            if (look->domains_n == XF_LOOK_DOMAINS)
                rc = refuse("too many domains of one name");
            else
                look->domains[look->domains_n++] = d;
        }
        free(called);
    }
    libxl_dominfo_list_free(all, n);
    return rc;
}

static int look_here(struct xen *x, const char *name, const char *uuid, struct xf_look *look)
{
    FILE *f;
    int rc;

    memset(look, 0, sizeof(*look));
    gethostname(look->host, sizeof(look->host) - 1);
    f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!f || fscanf(f, "%36s", look->boot_id) != 1)
        look->boot_id[0] = 0;
    if (f)
        fclose(f);
    /* Processes first: one that is gone then has done all that the domains show. */
    rc = find_domains(x, name, uuid, look);
    if (rc)
        return rc;
    rc = xf_actors_find("/proc", name, look);
    if (rc)
        return refuse("cannot see all processes: %s", strerror(-rc));
    look->domains_n = 0;
    rc = find_domains(x, name, uuid, look);
    if (!rc && (uuid || look->domains_n == 1))
        xf_record_read(uuid ? uuid : look->domains[0].uuid, look);
    return rc;
}

static int print_look(struct xen *x, const char *name, const char *uuid)
{
    struct xf_look *look = calloc(1, sizeof(*look));
    char *text = NULL;
    int rc = look ? look_here(x, name, uuid, look) : 1;

    if (!rc) {
        text = xf_look_print(look);
        rc = !text || puts(text) < 0 || fflush(stdout) ? refuse("cannot print what is here") : 0;
    }
    free(text);
    free(look);
    return rc;
}

/* The xl that moved it is dead; if it left the guest suspended, recover will want to know whether
   the guest has run since. */
static int note_left(struct xen *x, const char *uuid, const char *attempt)
{
    struct xf_look *look = calloc(1, sizeof(*look));
    const char *state = "gone";
    int rc = look ? find_domains(x, NULL, uuid, look) : 1;

    if (!rc && look->domains_n == 1) {
        const struct xf_look_domain *d = &look->domains[0];

        state = xf_recover_state_name(d->state);
        if (d->state == XF_STATE_SUSPENDED) {
            snprintf(look->left.attempt, sizeof(look->left.attempt), "%s", attempt);
            look->left.domid = d->domid;
            look->left.cpu_time_ns = d->cpu_time_ns;
        }
    }
    if (!rc) {
        /* Said also where it cannot be noted. */
        if (printf("%s\n", state) < 0 || fflush(stdout))
            rc = refuse("cannot print what is here");
        if (xf_record_write_left(uuid, look))
            rc = refuse("cannot note how xl left the guest");
    }
    free(look);
    return rc;
}

/* ---- steps --------------------------------------------------------------------------------- */

static bool has_movers(const struct xf_look *look)
{
    for (unsigned i = 0; i < look->processes_n; i++)
        if (!look->processes[i].receives)
            return true;
    return false;
}

/* A new look, in which the guest's copy is the only one and of this name, and no process moves it.
   XF_PLACE_UNCLEAR: or still called NAME--migratedaway. */
static int look_again(struct xen *x, const char *name, const char *uuid,
                      enum xf_recover_place place, struct xf_look *look)
{
    int rc = look_here(x, name, uuid, look);

    if (rc)
        return rc;
    enum xf_recover_place is =
        look->domains_n == 1 ? xf_look_place(name, look->domains[0].name) : XF_PLACE_NONE;

    if (look->domains_n != 1 || strcmp(look->domains[0].uuid, uuid) ||
        (place == XF_PLACE_UNCLEAR ? is != XF_PLACE_NAME && is != XF_PLACE_AWAY : is != place))
        return refuse("'%s' is not as it was", name);
    if (has_movers(look))
        return refuse("'%s' is being moved or saved", name);
    return 0;
}

static int take_back(struct xen *x, const char *name, const char *uuid, struct xf_look *look)
{
    int rc = look_again(x, name, uuid, XF_PLACE_UNCLEAR, look);
    struct xf_look_domain *d = &look->domains[0];

    /* Under its own name nothing else says that it was xl's to give back (recover_decide.h). */
    if (!rc && d->libvirt && d->state == XF_STATE_SUSPENDED && !xf_look_left_counts(d, look)) {
        strcpy(look->left.attempt, XF_RECORD_NO_ATTEMPT);
        look->left.domid = d->domid;
        look->left.cpu_time_ns = d->cpu_time_ns;
        if (xf_record_write_left(uuid, look))
            rc = refuse("cannot note that '%s' is to be taken back", name);
    }
    if (!rc && xf_look_place(name, d->name) == XF_PLACE_AWAY &&
        libxl_domain_rename(x->ctx, look->domains[0].domid, look->domains[0].name, name))
        rc = refuse("cannot rename '%s'", look->domains[0].name);
    return rc;
}

static int resume(struct xen *x, const char *name, const char *uuid, struct xf_look *look)
{
    int rc = look_again(x, name, uuid, XF_PLACE_NAME, look);

    if (!rc && look->domains[0].state != XF_STATE_SUSPENDED)
        rc = refuse("'%s' is not suspended", name);
    if (!rc && look->domains[0].libvirt && !xf_look_left_counts(&look->domains[0], look))
        rc = refuse("libvirt may have moved '%s'", name);
    if (!rc && libxl_domain_resume(x->ctx, look->domains[0].domid, 1, NULL))
        rc = refuse("cannot resume '%s'", name);
    if (!rc)
        xf_record_write_left(uuid, &(struct xf_look){0});
    return rc;
}

static int destroy_stale(struct xen *x, const char *name, const char *uuid, struct xf_look *look)
{
    int rc = look_again(x, name, uuid, XF_PLACE_AWAY, look);

    if (!rc && look->domains[0].state != XF_STATE_SUSPENDED)
        rc = refuse("'%s' is not suspended", look->domains[0].name);
    if (!rc && libxl_domain_destroy(x->ctx, look->domains[0].domid, NULL))
        rc = refuse("cannot destroy '%s'", look->domains[0].name);
    if (!rc)
        xf_record_write_left(uuid, &(struct xf_look){0});
    return rc;
}

/* Paused once more, so that nobody's unpausing starts it any more; what has used no CPU time then
   never will. */
static int destroy_unrun(struct xen *x, const char *name, const char *uuid, struct xf_look *look)
{
    struct xf_look_domain *d = &look->domains[0];
    libxl_dominfo info;
    int rc = look_here(x, name, uuid, look);

    if (rc)
        return rc;
    for (unsigned i = 0; i < look->domains_n; i++)
        if (!strcmp(look->domains[i].uuid, uuid))
            *d = look->domains[i];
    if (!look->domains_n || strcmp(d->uuid, uuid) || d->state != XF_STATE_PAUSED)
        return refuse("'%s' is not as it was", name);
    if (libxl_domain_pause(x->ctx, d->domid, NULL))
        return refuse("cannot pause '%s'", d->name);
    libxl_dominfo_init(&info);
    if (libxl_domain_info(x->ctx, &info, d->domid)) {
        rc = refuse("cannot ask Xen about '%s'", d->name);
    } else if (info.cpu_time || info.shutdown || info.dying) {
        rc = refuse("'%s' has run", d->name);
        libxl_domain_unpause(x->ctx, d->domid, NULL);
    } else if (libxl_domain_destroy(x->ctx, d->domid, NULL)) {
        rc = refuse("cannot destroy '%s'", d->name);
    }
    libxl_dominfo_dispose(&info);
    return rc;
}

/* By a handle of the process that is looked at again: no other that has got its number is hit. */
static int kill_receiver(struct xen *x, const char *name, const char *uuid, uint32_t pid,
                         struct xf_look *look)
{
    struct pollfd death = {.events = POLLIN};
    bool still = false;
    int rc;

    death.fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (death.fd < 0)
        return errno == ESRCH ? 0 : refuse("process %" PRIu32 ": %s", pid, strerror(errno));
    rc = look_here(x, name, uuid, look);
    for (unsigned i = 0; i < look->processes_n && !rc; i++)
        still |= look->processes[i].pid == pid && look->processes[i].receives &&
                 !strcmp(look->processes[i].uuid, uuid);
    if (still && syscall(SYS_pidfd_send_signal, death.fd, SIGKILL, NULL, 0) && errno != ESRCH)
        rc = refuse("cannot kill process %" PRIu32 ": %s", pid, strerror(errno));
    else if (still && poll(&death, 1, DEATH_MS) != 1)
        rc = refuse("process %" PRIu32 " does not die", pid);
    close(death.fd);
    return rc;
}

static int stop_receiver(struct xen *x, const char *name, const char *uuid, struct xf_look *look)
{
    struct xf_look *now = calloc(1, sizeof(*now));
    int rc = now ? look_here(x, name, uuid, look) : 1;

    for (unsigned i = 0; i < look->processes_n && !rc; i++)
        if (look->processes[i].receives && !strcmp(look->processes[i].uuid, uuid))
            rc = kill_receiver(x, name, uuid, look->processes[i].pid, now);
    free(now);
    return rc;
}

static int do_step(struct xen *x, const char *step, const char *name, const char *uuid)
{
    static int (*const steps[XF_STEPS])(struct xen *, const char *, const char *,
                                        struct xf_look *) = {
        [XF_STEP_STOP_RECEIVER] = stop_receiver, [XF_STEP_TAKE_BACK] = take_back,
        [XF_STEP_DESTROY_UNRUN] = destroy_unrun, [XF_STEP_RESUME] = resume,
        [XF_STEP_DESTROY_STALE] = destroy_stale,
    };
    struct xf_look *look = calloc(1, sizeof(*look));
    int rc = 1;

    for (unsigned i = 0; look && i < XF_STEPS; i++)
        if (steps[i] && !strcmp(step, xf_recover_step_name(i)))
            rc = steps[i](x, name, uuid, look);
    free(look);
    return rc;
}

static bool is_step(const char *word)
{
    for (unsigned i = XF_STEP_NONE + 1; i < XF_STEPS; i++)
        if (!strcmp(word, xf_recover_step_name(i)))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    struct xen x = {0};
    const char *verb = argc > 1 ? argv[1] : "";
    bool look = !strcmp(verb, "look") && (argc == 3 || (argc == 4 && xf_uuid_ok(argv[3])));
    bool left = !strcmp(verb, "left") && argc == 4 && xf_uuid_ok(argv[2]) && xf_uuid_ok(argv[3]);
    bool step = is_step(verb) && argc == 4 && xf_uuid_ok(argv[3]);

    if (!look && !left && !step) {
        fprintf(stderr, "usage: xl-fast-domain look NAME [UUID]\n"
                        "       xl-fast-domain STEP NAME UUID\n"
                        "       xl-fast-domain left UUID ATTEMPT\n");
        return 2;
    }
    int rc = open_xen(&x);
    if (!rc && look)
        rc = print_look(&x, argv[2], argc > 3 ? argv[3] : NULL);
    else if (!rc && left)
        rc = note_left(&x, argv[2], argv[3]);
    else if (!rc)
        rc = do_step(&x, verb, argv[2], argv[3]);
    close_xen(&x);
    return rc;
}
