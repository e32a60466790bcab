/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast doctor: what commonly goes wrong at one or both ends, and the command that fixes it. Each
 * end is asked by xl-fast-preflight, which a migration asks too; what both have to have in common
 * is compared here.
 */
#include "doctor_print.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "xl-plugin/cli/cli.h"
#include "ask_preflight.h"
#include "multicast.h"
#include "xl-plugin/recover/recover_reach.h"

#define ANSWER_BYTES (512u << 10)
#define LIMIT_S      120

/* As xl does it, but never with a question: a password that is asked for would be asked for in the
   middle of a migration that a timer has started. */
#define SSH "ssh -o BatchMode=yes -o ConnectTimeout=20"

struct doctor {
    struct xf_doctor d;
    struct xf_reach reach;
    bool fix, json, multicast;
    const char *own_ssh; /* NULL: SSH */
    char noise[XF_REACH_NOISE_BYTES];
    struct xf_peer source, target;
    FILE *asking; /* the question about this host's guests, while it is made */
    char *question, guest[256];
    unsigned early, late_n; /* guests that could be handed over so, as far as is known here */
    char late[300];         /* of some of these, why */
    uint64_t from_ms, until_ms;
    char answer[ANSWER_BYTES];
};

/* ---- lines ---------------------------------------------------------------------------------- */

/* One that there is no place for is none of ours. */
static struct xf_doctor_line *add(struct doctor *x, enum xf_doctor_end end, const char *check,
                                  enum xf_finding_state state)
{
    static struct xf_doctor_line none;
    struct xf_doctor_line *l = x->d.lines_n < XF_DOCTOR_LINES ? &x->d.lines[x->d.lines_n++] : &none;

    *l = (struct xf_doctor_line){.end = end, .found.state = state};
    snprintf(l->check, sizeof(l->check), "%s", check);
    return l;
}

/* STATE NAME TEXT */
static void take_check(struct doctor *x, enum xf_doctor_end end, char *value)
{
    char *name = strchr(value, ' '), *text = name ? strchr(name + 1, ' ') : NULL;

    if (!text)
        return;
    *name++ = *text++ = 0;
    enum xf_finding_state state = !strcmp(value, "ok")     ? XF_FINDING_OK
                                  : !strcmp(value, "note") ? XF_FINDING_NOTE
                                                           : XF_FINDING_FAIL;
    /* Only who moves guests from there needs the shim there. */
    if (end == XF_AT_TARGET && !strcmp(name, "path") && state == XF_FINDING_FAIL)
        state = XF_FINDING_NOTE;
    struct xf_doctor_line *l = add(x, end, name, state);
    snprintf(l->found.text, sizeof(l->found.text), "%s", text);
}

/* STATUS COMMAND */
static void take_ran(struct doctor *x, enum xf_doctor_end end, char *value)
{
    char *command;
    long status = strtol(value, &command, 10);
    struct xf_doctor_line *l = add(x, end, "", XF_FINDING_NOTE);

    l->ran = true;
    l->status = (int)status;
    snprintf(l->found.text, sizeof(l->found.text), "%s", command + (*command == ' '));
}

/* ---- guests ---------------------------------------------------------------------------------- */

/* A note: the hosts are as they should be, and other guests move. What fixes it comes after the
 * text. */
static void add_guest(struct doctor *x, enum xf_doctor_end end, const char *name, const char *text)
{
    static const char before[] = "; fix: ";
    struct xf_finding *f = &add(x, end, "guest", XF_FINDING_NOTE)->found;
    const char *fix = strstr(text, before);

    snprintf(f->text, sizeof(f->text), "%.200s cannot move%s: %.*s", name,
             end == XF_AT_TARGET ? " there" : "", (int)(fix ? fix - text : (long)strlen(text)),
             text);
    if (fix)
        snprintf(f->fix, sizeof(f->fix), "%s", fix + sizeof(before) - 1);
}

#define LATE_NAMED 3u

/* "early", or "late WHY", of the guest that was named last. */
static void take_hand_over(struct doctor *x, const char *value)
{
    size_t n = strlen(x->late);

    if (!strcmp(value, "early")) {
        x->early++;
        return;
    }
    if (x->late_n++ < LATE_NAMED)
        snprintf(x->late + n, sizeof(x->late) - n, "%s%.40s (%.50s)", n ? ", " : "", x->guest,
                 strncmp(value, "late ", 5) ? value : value + 5);
}

static void add_hand_over(struct doctor *x)
{
    struct xf_finding *f;

    if (!x->early && !x->late_n)
        return;
    f = &add(x, XF_AT_SOURCE, "hand-over", XF_FINDING_OK)->found;
    snprintf(f->text, sizeof(f->text),
             "the devices of %u of %u guests can be attached early at a target%s%s%s", x->early,
             x->early + x->late_n, x->late_n ? "; late: " : "", x->late,
             x->late_n > LATE_NAMED ? " and others" : "");
}

static void take_guest(void *arg, const char *key, const char *value)
{
    struct doctor *x = arg;

    if (!strcmp(key, "name"))
        snprintf(x->guest, sizeof(x->guest), "%.255s", value);
    else if (!strcmp(key, "stays"))
        add_guest(x, XF_AT_SOURCE, x->guest, value);
    else if (!strcmp(key, "hand_over"))
        take_hand_over(x, value);
    else if (!strcmp(key, "ask") && x->asking)
        fprintf(x->asking, "%s\n", value);
}

/* What of this host's guests stays here whatever the target is, and what is to be asked there. */
static void ask_guests(struct doctor *x)
{
    static const char *const args[] = {"guests", NULL};
    char why[XF_PREFLIGHT_WHY_BYTES];
    size_t size;

    x->asking = open_memstream(&x->question, &size);
    if (x->asking)
        fputs("list=1\n", x->asking);
    xf_preflight_ask(args, take_guest, x, why); /* what it cannot say, the checks have said */
    if (x->asking)
        fclose(x->asking);
    x->asking = NULL;
    add_hand_over(x);
}

/* UUID WHY, of a guest of the question. */
static void take_cannot(struct doctor *x, char *value)
{
    char uuid[60], name[256], *why = strchr(value, ' ');
    const char *at;

    if (!why || !x->question)
        return;
    *why++ = 0;
    snprintf(uuid, sizeof(uuid), "guest=%.40s\nname=", value);
    at = strstr(x->question, uuid);
    if (!at)
        return;
    at += strlen(uuid);
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(at, "\n"), at);
    add_guest(x, XF_AT_TARGET, name, why);
}

/* Returns whether the answer is whole. */
static bool take_answer(struct doctor *x, enum xf_doctor_end end)
{
    struct xf_peer *peer = end == XF_AT_SOURCE ? &x->source : &x->target;
    bool whole = false;
    char *rest = x->answer, *line;

    while ((line = strsep(&rest, "\n"))) {
        char *value = strchr(line, '=');

        if (!value)
            continue;
        *value++ = 0;
        if (!strcmp(line, "check")) {
            take_check(x, end, value);
        } else if (!strcmp(line, "ran")) {
            take_ran(x, end, value);
        } else if (!strcmp(line, "fix")) {
            if (x->d.lines_n)
                snprintf(x->d.lines[x->d.lines_n - 1].found.fix, XF_FINDING_FIX_BYTES, "%s", value);
        } else if (!strcmp(line, "cannot")) {
            take_cannot(x, value);
        } else if (!strcmp(line, "examined")) {
            whole = true;
        } else {
            xf_peer_take(peer, line, value);
        }
    }
    return whole;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What an end that did not answer as it should is about. */
static void add_no_answer(struct doctor *x, enum xf_doctor_end end, int rc)
{
    struct xf_finding *f;

    if (end == XF_AT_TARGET && rc == 127) {
        f = &add(x, end, "installed", XF_FINDING_FAIL)->found;
        snprintf(f->text, sizeof(f->text),
                 "%.500s is not there: xl-fast is not installed, or elsewhere", x->reach.program);
        strcpy(f->fix, XF_FIX_INSTALL);
    } else if (rc == 2) {
        f = &add(x, end, "installed", XF_FINDING_FAIL)->found;
        strcpy(f->text, "this version of xl-fast has no doctor: install the same version at "
                        "both ends");
        strcpy(f->fix, XF_FIX_INSTALL);
    } else if (end == XF_AT_TARGET) {
        f = &add(x, end, "ssh", XF_FINDING_FAIL)->found;
        if (rc == -EBADMSG && x->noise[0])
            snprintf(f->text, sizeof(f->text), "answers '%s', and not as xl-fast does", x->noise);
        else if (rc < 0)
            snprintf(f->text, sizeof(f->text), "gives no answer: %s", strerror(-rc));
        else
            snprintf(f->text, sizeof(f->text),
                     "cannot be reached without a prompt: %s ended with status %d", x->d.ssh, rc);
        f->fix_at_source = true;
        if (x->own_ssh)
            snprintf(f->fix, sizeof(f->fix), "%.200s %.100s true", x->d.ssh, x->d.host);
        else
            snprintf(f->fix, sizeof(f->fix), "ssh-copy-id %.200s", x->d.host);
    } else {
        f = &add(x, end, "installed", XF_FINDING_FAIL)->found;
        snprintf(f->text, sizeof(f->text), "%.500s does not run: %s %d", x->reach.program,
                 rc < 0 ? "error" : "status", rc < 0 ? -rc : rc);
        strcpy(f->fix, XF_FIX_INSTALL);
    }
}

/* The answer is heard all the same; a migration would fail. */
static void add_noise(struct doctor *x, enum xf_doctor_end end, int rc)
{
    struct xf_finding *f;

    if (end != XF_AT_TARGET || !x->noise[0] || rc == -EBADMSG)
        return;
    f = &add(x, XF_AT_TARGET, "shell", XF_FINDING_FAIL)->found;
    snprintf(f->text, sizeof(f->text), XF_REACH_NOISY, x->noise);
    strcpy(f->fix, XF_REACH_FIX);
}

static void ask(struct doctor *x, enum xf_doctor_end end)
{
    const char *args[] = {x->fix ? "fix" : "examine", NULL};
    unsigned lines_n = x->d.lines_n;
    struct xf_doctor_line *ssh = end == XF_AT_TARGET ? add(x, end, "ssh", XF_FINDING_OK) : NULL;

    x->from_ms = now_ms();
    int rc = xf_reach_run(&x->reach, end == XF_AT_TARGET, args, x->answer, sizeof(x->answer));
    x->until_ms = now_ms();
    if (ssh)
        snprintf(ssh->found.text, sizeof(ssh->found.text), "answers without a prompt");
    add_noise(x, end, rc);
    if (!rc && !take_answer(x, end))
        rc = -EPROTO;
    if (!rc)
        return;
    /* What it did say is half of it. ssh's own status is 255; who is not there is reached. */
    x->d.lines_n = lines_n + (ssh && (rc == 127 || rc == 2));
    *(end == XF_AT_SOURCE ? &x->source : &x->target) = (struct xf_peer){0};
    add_no_answer(x, end, rc);
    add_noise(x, end, rc);
}

static void compare(struct doctor *x)
{
    static const struct {
        const char *name;
        xf_peers_compare *run;
    } all[] = {
        {"version", xf_peers_version}, {"protocol", xf_peers_protocol}, {"xen", xf_peers_xen},
        {"network", xf_peers_network}, {"mtu", xf_peers_mtu},           {"cpu", xf_peers_cpu},
    };
    struct xf_finding f;

    for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
        all[i].run(&x->source, &x->target, &f);
        if (f.state != XF_FINDING_UNKNOWN)
            add(x, XF_AT_BOTH, all[i].name, f.state)->found = f;
    }
    xf_peers_clock(&x->target, x->from_ms, x->until_ms, &f);
    if (f.state == XF_FINDING_FAIL)
        f.state = XF_FINDING_NOTE; /* the guest moves all the same */
    if (f.state != XF_FINDING_UNKNOWN)
        add(x, XF_AT_BOTH, "clock", f.state)->found = f;
}

/* ---- multicast ------------------------------------------------------------------------------- */

/* The first of these checks that has this state, or NULL. */
static const char *first_of(const struct doctor *x, const char *const *checks,
                            enum xf_finding_state state)
{
    for (unsigned i = 0; i < x->d.lines_n; i++)
        for (const char *const *c = checks; *c && x->d.lines[i].found.state == state; c++)
            if (!x->d.lines[i].ran && !strcmp(x->d.lines[i].check, *c))
                return *c;
    return NULL;
}

/* Nothing goes over the link before these are well; and it is not taken from a migration. */
static void test_multicast(struct doctor *x)
{
    static const char *const needed[] = {"ssh",     "shell",   "installed", "config", "port",
                                         "version", "network", "mtu",       NULL};
    static const char *const lock[] = {"lock", NULL};
    const char *failed = first_of(x, needed, XF_FINDING_FAIL), *sysfs = getenv("XL_FAST_SYSFS");
    const bool busy = first_of(x, lock, XF_FINDING_NOTE);
    struct xf_finding f;

    if (xf_multicast_bridge(sysfs && *sysfs ? sysfs : "/sys", x->source.port, &f))
        add(x, XF_AT_SOURCE, "multicast", f.state)->found = f;
    f = (struct xf_finding){.state = XF_FINDING_NOTE};
    if (failed)
        snprintf(f.text, sizeof(f.text), "was not tested by multicast: see %s", failed);
    else if (busy)
        snprintf(f.text, sizeof(f.text), "was not tested by multicast: a migration has the port");
    else
        xf_multicast_test(x->reach.ssh, x->d.host, &f);
    add(x, XF_AT_BOTH, "multicast", f.state)->found = f;
}

static int run(struct doctor *x)
{
    int rc = xf_reach_find(&x->reach, "xl-fast-preflight");

    gethostname(x->d.source, sizeof(x->d.source) - 1);
    if (rc) {
        struct xf_finding *f = &add(x, XF_AT_SOURCE, "installed", XF_FINDING_FAIL)->found;

        snprintf(f->text, sizeof(f->text), "%s",
                 rc == -EINVAL ? "xl-fast cannot work from a folder of that name"
                               : "xl-fast-preflight is not there: xl-fast was built or installed "
                                 "without its Xen part");
        strcpy(f->fix, XF_FIX_INSTALL);
    } else {
        ask(x, XF_AT_SOURCE);
        ask_guests(x);
        if (x->d.host) {
            x->reach.input = x->question;
            ask(x, XF_AT_TARGET);
            compare(x);
        }
        if (x->multicast)
            test_multicast(x);
    }
    if (x->json)
        xf_doctor_print_json(&x->d, stdout);
    else
        xf_doctor_print(&x->d, stdout);
    return fflush(stdout) || xf_doctor_count(&x->d, XF_FINDING_FAIL) ? XF_EXIT_FAILED : XF_EXIT_OK;
}

/* ---- the command line ------------------------------------------------------------------------ */

static const struct xf_option options[] = {
    {.name = "fix",
     .to = offsetof(struct doctor, fix),
     .help = "run those of the commands that are safe, and look again"},
    {.name = "multicast",
     .to = offsetof(struct doctor, multicast),
     .help = "send some packets by multicast to HOST, too"},
    {.name = "json", .to = offsetof(struct doctor, json), .help = "one JSON object"},
    {.letter = 's',
     .value = "SSHCOMMAND",
     .kind = XF_OPTION_TEXT,
     .to = offsetof(struct doctor, own_ssh),
     .help = "instead of ssh, as in xl migrate"},
    {0},
};

const struct xf_command xf_command_doctor = {
    .name = "doctor",
    .summary = "what is wrong on one or both hosts, and the command that fixes it",
    .operands = "[HOST]",
    .about =
        "Checks what commonly goes wrong with xl migrate --fast, here, and with HOST also there\n"
        "and between the two; a line a check, and for each failure the command that fixes it.\n"
        "Run it as root in dom0.\n",
    .options = options,
    .done = "all is well (there may be notes)",
    .failed = "a check failed",
    .run = xf_cli_doctor,
};

int xf_cli_doctor(int argc, char **argv)
{
    struct doctor *x = calloc(1, sizeof(*x));
    struct xf_operands operands;
    int status;

    if (!x) {
        fprintf(stderr, "xl-fast doctor: %s\n", strerror(ENOMEM));
        return XF_EXIT_FAILED;
    }
    status = xf_options_parse(&xf_command_doctor, x, argc, argv, &operands);
    x->d.host = operands.n ? operands.words[0] : NULL;
    if (status == XF_GO_ON && x->d.host && !xf_reach_host_ok(x->d.host))
        status = xf_usage_error(&xf_command_doctor, "'%s' is not a host name", x->d.host);
    if (status == XF_GO_ON && x->multicast && !x->d.host)
        status = xf_usage_error(&xf_command_doctor, "--multicast needs HOST");
    if (status == XF_GO_ON) {
        x->d.ssh = x->own_ssh ? x->own_ssh : "ssh";
        x->reach.ssh = x->own_ssh ? x->own_ssh : SSH;
        x->reach.host = x->d.host;
        x->reach.limit_s = LIMIT_S;
        x->reach.noise = x->noise;
        status = run(x);
    }
    free(x->question);
    free(x);
    return status;
}
