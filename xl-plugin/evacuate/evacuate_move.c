/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Evacuate, move: starts xl-fast migrate for a guest, waits, and settles what failed by xl-fast
 * recover.
 */
#include "evacuate_move.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "xl-plugin/screen/moving.h"

#define ANSWER_BYTES    (256u << 10)
#define RECOVER_LIMIT_S 900
/* Between a guest's end and its next beginning xl itself sleeps 2 s; then the new domain is built,
   paused, which takes its device scripts' time. */
#define REBOOT_S    10u
#define BUILD_S     60u
#define PRESERVED_S 3u  /* until xl has destroyed what has shut down */
#define RECEIVER_S  60u /* for the target's receiver to see that the source is gone */

/* ---- signals ------------------------------------------------------------------------------- */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static volatile sig_atomic_t caught;

static void catch_one(int signal_number)
{
    caught = signal_number;
}

void xf_mover_catch(void)
{
    /* Without SA_RESTART: what is waited for is looked at anew. */
    struct sigaction act = {.sa_handler = catch_one}, before;

    for (unsigned i = 0; i < SIGNALS; i++)
        if (!sigaction(signals[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &act, NULL);
}

int xf_mover_cancelled(void)
{
    return caught ? 128 + caught : 0;
}

/* ---- the programs -------------------------------------------------------------------------- */

int xf_mover_init(struct xf_mover *m, char why[XF_EVACUATE_WHY])
{
    ssize_t n = readlink("/proc/self/exe", m->self, sizeof(m->self) - 1);
    int rc = xf_reach_find(&m->reach, "xl-fast-domain");

    m->self[n > 0 ? n : 0] = 0;
    if (rc || n <= 0) {
        snprintf(why, XF_EVACUATE_WHY,
                 rc == -EINVAL ? "xl-fast cannot work from a folder of that name"
                               : "xl-fast-domain is not there: xl-fast was built or installed "
                                 "without its Xen part");
        return -ENOENT;
    }
    return 0;
}

/* To be freed; NULL without memory. */
static char **words_of(const struct xf_mover *m, const char *name, const char *host,
                       bool with_disks)
{
    size_t options = 0, n = 0;
    char **words;

    while (m->options[options])
        options++;
    words = calloc(options + 11, sizeof(*words));
    if (!words)
        return NULL;
    words[n++] = (char *)m->self;
    words[n++] = "migrate";
    if (m->quiet)
        words[n++] = "--quiet";
    if (with_disks)
        words[n++] = "--with-disks";
    if (m->ssh) {
        words[n++] = "-s";
        words[n++] = (char *)m->ssh;
    }
    for (size_t i = 0; i < options; i++)
        words[n++] = m->options[i];
    words[n++] = "--";
    words[n++] = (char *)name;
    words[n++] = (char *)host;
    return words;
}

/* Waits for its end, and tells it once of a signal. */
static int wait_for(pid_t pid, const sigset_t *unblocked)
{
    struct pollfd death = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    bool told = false;
    int status = 0, rc = death.fd < 0 ? -errno : 0;

    while (!rc) {
        if (caught && !told)
            told = !kill(pid, SIGUSR1); /* as xl-fast cancel does */
        if (ppoll(&death, 1, NULL, unblocked) == 1)
            break;
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    if (death.fd >= 0)
        close(death.fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* In the child: only if it is told to, for then its process is in the journal. */
static void run_child(int go, char *const *words, const sigset_t *unblocked)
{
    char told;

    if (read(go, &told, 1) != 1)
        _exit(125);
    sigprocmask(SIG_SETMASK, unblocked, NULL);
    setenv("XL_FAST_WAIT", "0", 1); /* the next guest's turn is more than one figure */
    execv(words[0], words);
    fprintf(stderr, "xl-fast: %s: %s\n", words[0], strerror(errno));
    _exit(127);
}

static int note_process(struct xf_journal *j, pid_t pid)
{
    int rc = xf_moving_started(pid, &j->started);

    j->pid = pid;
    return rc == 1 ? xf_journal_write(j) : rc ? rc : -ESRCH;
}

int xf_mover_move(const struct xf_mover *m, struct xf_journal *j, bool with_disks)
{
    char **words = words_of(m, j->guest, j->host, with_disks);
    sigset_t ours, before;
    int go[2], rc, status;

    if (!words || pipe2(go, O_CLOEXEC)) {
        rc = words ? -errno : -ENOMEM;
        free(words);
        return rc;
    }
    /* So that none comes between the look at it and the wait. */
    sigemptyset(&ours);
    for (unsigned i = 0; i < SIGNALS; i++)
        sigaddset(&ours, signals[i]);
    sigprocmask(SIG_BLOCK, &ours, &before);
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        close(go[1]);
        run_child(go[0], words, &before);
    }
    close(go[0]);
    rc = pid < 0 ? -errno : note_process(j, pid);
    if (!rc && write(go[1], "", 1) != 1)
        rc = -errno;
    close(go[1]);
    status = pid < 0 ? 0 : wait_for(pid, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    free(words);
    return rc ? rc : status;
}

/* xl-fast itself, with another command: its exit status, and what it prints in answer; or -errno.
 */
static int run_self(const struct xf_mover *m, const char *const *args, char *answer)
{
    struct xf_reach self = {.limit_s = RECOVER_LIMIT_S};

    strcpy(self.program, m->self);
    return xf_reach_run(&self, false, args, answer, ANSWER_BYTES);
}

/* ---- where the guest is -------------------------------------------------------------------- */

/* The guest here, or NULL; *busy: a process moves it. -EIO with why. */
static int look_here(const struct xf_mover *m, const struct xf_journal *j, struct xf_look *look,
                     char *answer, char *why)
{
    const char *args[] = {"look", j->guest, j->uuid, NULL};
    char bad[128] = "";
    int rc = xf_reach_run(&m->reach, false, args, answer, ANSWER_BYTES);

    if (!rc && !xf_look_parse(answer, strlen(answer), look, bad))
        return 0;
    snprintf(why, XF_EVACUATE_WHY, "this host cannot be looked at: %s",
             bad[0] ? bad : "xl-fast-domain fails");
    return -EIO;
}

static bool is_busy(const struct xf_look *look)
{
    for (unsigned i = 0; i < look->processes_n; i++)
        if (!look->processes[i].receives)
            return true;
    return false;
}

static const struct xf_look_domain *domain_of(const struct xf_journal *j,
                                              const struct xf_look *look)
{
    for (unsigned i = 0; i < look->domains_n; i++)
        if (!strcmp(look->domains[i].uuid, j->uuid))
            return &look->domains[i];
    return NULL;
}

static bool is_new(const struct xf_journal *j, const struct xf_look_domain *d)
{
    return j->domid && d && d->domid != j->domid;
}

static enum xf_mover_at place_of(const struct xf_journal *j, const struct xf_look *look, char *why)
{
    const struct xf_look_domain *d = domain_of(j, look);

    if (!d)
        return XF_AT_THERE;
    if (xf_look_place(j->guest, d->name) == XF_PLACE_NAME &&
        (d->state == XF_STATE_RUNNING || d->state == XF_STATE_PAUSED) && !is_busy(look))
        return is_new(j, d) ? XF_AT_REBOOTED : XF_AT_HERE;
    snprintf(why, XF_EVACUATE_WHY, "it is %s here%s", xf_recover_state_name(d->state),
             is_busy(look) ? ", and being moved" : "");
    return XF_AT_UNSETTLED;
}

enum xf_mover_at xf_mover_look(const struct xf_mover *m, const struct xf_journal *j,
                               char why[XF_EVACUATE_WHY])
{
    struct xf_look *look = calloc(1, sizeof(*look));
    char *answer = malloc(ANSWER_BYTES);
    enum xf_mover_at at = XF_AT_UNSETTLED;

    snprintf(why, XF_EVACUATE_WHY, "%s", strerror(ENOMEM));
    if (look && answer && !look_here(m, j, look, answer, why))
        at = place_of(j, look, why);
    free(answer);
    free(look);
    return at;
}

/* ---- settling ------------------------------------------------------------------------------ */

/* A move that goes on by itself is the best that can happen: waited for, however long it takes. 0,
   -ECANCELED or -EIO with why. */
static int wait_for_others(const struct xf_mover *m, const struct xf_journal *j,
                           struct xf_look *look, char *answer, char *why)
{
    const char *const cancel[] = {"cancel", j->uuid, NULL};
    bool told = false;

    for (;;) {
        bool shim = xf_moving_alive(&(struct xf_moving){.pid = j->pid, .started = j->started}) == 1;

        if (look_here(m, j, look, answer, why))
            return -EIO;
        if (!shim && !is_busy(look))
            return 0;
        if (!told && !m->quiet)
            fprintf(stderr, "xl-fast evacuate: %s is still on its way to %s: waits for its end\n",
                    j->guest, j->host);
        told = true;
        if (caught) {
            if (shim && run_self(m, cancel, answer) >= 0)
                fputs(answer, stderr);
            return -ECANCELED;
        }
        sleep(1);
    }
}

enum target_has {
    HAS_NOTHING, /* neither a domain of the guest's UUID nor a receiver that may still make one */
    HAS_BUSY,    /* that ends by itself */
    HAS_GUEST,
    HAS_NO_ANSWER,
};

static enum target_has look_there(const struct xf_mover *m, const struct xf_journal *j,
                                  char *answer)
{
    const char *args[] = {"look", j->guest, j->uuid, NULL};
    struct xf_reach reach = m->reach;
    struct xf_look *look = calloc(1, sizeof(*look));
    enum target_has has = HAS_NO_ANSWER;
    char bad[128];

    reach.host = j->host;
    if (look && !xf_reach_run(&reach, true, args, answer, ANSWER_BYTES) &&
        !xf_look_parse(answer, strlen(answer), look, bad)) {
        const struct xf_look_domain *d = domain_of(j, look);

        has = !d ? HAS_NOTHING : d->state == XF_STATE_DYING ? HAS_BUSY : HAS_GUEST;
        for (unsigned i = 0; i < look->processes_n; i++)
            if (look->processes[i].receives &&
                (!look->processes[i].uuid[0] || !strcmp(look->processes[i].uuid, j->uuid)))
                has = HAS_BUSY;
    }
    free(look);
    return has;
}

/* The guest is shut down here under its own name (so no target was told to start it), is being
   destroyed, or is not here at all. */
static bool may_have_ended(const struct xf_journal *j, const struct xf_look *look)
{
    const struct xf_look_domain *d = domain_of(j, look);

    return !d || d->state == XF_STATE_DYING ||
           (d->state == XF_STATE_ENDED && xf_look_place(j->guest, d->name) == XF_PLACE_NAME);
}

/* A new domain that is still being built: it has no name yet, or is paused. */
static bool is_being_built(const struct xf_journal *j, const struct xf_look *look)
{
    const struct xf_look_domain *d = domain_of(j, look);

    return d && d->state == XF_STATE_PAUSED && (is_new(j, d) || !d->name[0]);
}

/* Looks until a guest that may have ended is seen to have, or is back: XF_AT_ENDED,
   XF_AT_CANCELLED, or XF_AT_UNSETTLED: ask recover. */
static enum xf_mover_at wait_for_end(const struct xf_mover *m, const struct xf_journal *j,
                                     struct xf_look *look, char *answer, char *why)
{
    unsigned gone_s = 0, built_s = 0;

    for (;; sleep(1)) {
        if (caught)
            return XF_AT_CANCELLED;
        if (look_here(m, j, look, answer, why))
            return XF_AT_UNSETTLED;
        if (is_being_built(j, look) && built_s++ < BUILD_S)
            continue;
        if (!may_have_ended(j, look))
            return XF_AT_UNSETTLED;
        const struct xf_look_domain *d = domain_of(j, look);
        bool preserved = d && d->state == XF_STATE_ENDED;
        enum target_has has = look_there(m, j, answer);

        /* Where nothing is here, only the target's word counts. */
        if (has == HAS_GUEST || (has == HAS_NO_ANSWER && !preserved))
            return XF_AT_UNSETTLED;
        if (gone_s >= (preserved ? PRESERVED_S : REBOOT_S) &&
            (has != HAS_BUSY || gone_s >= RECEIVER_S))
            return has == HAS_BUSY ? XF_AT_UNSETTLED : XF_AT_ENDED;
        gone_s++;
    }
}

static const char *text_of(struct json_object *o, const char *key)
{
    struct json_object *value;
    const char *text =
        o && json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : NULL;

    return text ? text : "";
}

static enum xf_mover_at run_recover(const struct xf_mover *m, const struct xf_journal *j,
                                    char *answer, char *why)
{
    const char *args[10] = {"recover", "--json"};
    enum xf_mover_at at = XF_AT_UNSETTLED;
    char unused[XF_EVACUATE_WHY];
    struct json_object *o;
    unsigned n = 2;
    int status;

    if (m->ssh) {
        args[n++] = "-s";
        args[n++] = m->ssh;
    }
    args[n++] = "--";
    args[n++] = j->guest;
    args[n] = j->host;
    status = run_self(m, args, answer);
    o = status >= 0 ? json_tokener_parse(answer) : NULL;
    if (!status && !strcmp(text_of(o, "settled"), "true"))
        at = strcmp(text_of(o, "verdict"), "target-owns") ? XF_AT_HERE : XF_AT_THERE;
    else if (!strcmp(text_of(o, "reason"), "no-answer"))
        at = xf_mover_look(m, j, unused);
    if (at == XF_AT_HERE && xf_mover_look(m, j, unused) == XF_AT_REBOOTED)
        at = XF_AT_REBOOTED;
    if (at == XF_AT_THERE && strcmp(text_of(o, "verdict"), "target-owns") != 0)
        at = XF_AT_UNSETTLED; /* it is not here, which says nothing of there */
    snprintf(why, XF_EVACUATE_WHY, "xl-fast recover: %s",
             o            ? text_of(o, "text")
             : status < 0 ? strerror(-status)
                          : "failed");
    json_object_put(o);
    return at == XF_AT_UNSETTLED && caught ? XF_AT_CANCELLED : at;
}

enum xf_mover_at xf_mover_settle(const struct xf_mover *m, const struct xf_journal *j,
                                 char why[XF_EVACUATE_WHY])
{
    struct xf_look *look = calloc(1, sizeof(*look));
    char *answer = malloc(ANSWER_BYTES);
    enum xf_mover_at at = XF_AT_UNSETTLED;
    int rc;

    snprintf(why, XF_EVACUATE_WHY, "%s", strerror(ENOMEM));
    if (look && answer) {
        rc = wait_for_others(m, j, look, answer, why);
        if (rc)
            at = rc == -ECANCELED ? XF_AT_CANCELLED : XF_AT_UNSETTLED;
        else
            at = wait_for_end(m, j, look, answer, why);
        if (!rc && at == XF_AT_UNSETTLED)
            at = run_recover(m, j, answer, why);
    }
    free(answer);
    free(look);
    return at;
}
