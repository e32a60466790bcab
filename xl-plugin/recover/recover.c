/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast recover: looks at both ends, asks recover_decide.c, does the one step that it names, and
 * begins again until there is none. Nothing is kept between runs: whoever dies in between, the next
 * run goes on from what it sees.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "xl-plugin/cli/cli.h"
#include "xl-plugin/cli/json_text.h"
#include "xl-plugin/screen/live.h"
#include "xl-plugin/cli/quote.h"
#include "recover_look.h"
#include "recover_reach.h"
#include "recover_record.h"

#define ANSWER_BYTES (64u << 10)
#define STEPS_MAX    16u

struct recover {
    char name[XF_NAME_SIZE];
    struct xf_reach reach;
    char noise[XF_REACH_NOISE_BYTES];
    bool dry_run, json, noise_told;
    const char *own_ssh; /* NULL: XF_REACH_SSH */
    uint64_t wait_s;
    struct xf_look here, there;
    bool answers;
    char no_answer[320]; /* why */
    char answer[ANSWER_BYTES];
    struct xf_recover_decision decision;
    enum xf_recover_step done[STEPS_MAX];
    unsigned done_n;
};

/* ---- looking ------------------------------------------------------------------------------- */

static void say_status(char *to, size_t size, int rc, const char *noise)
{
    if (rc == -EBADMSG)
        snprintf(to, size, "unexpected answer: '%s'", noise);
    else if (rc < 0)
        snprintf(to, size, "%s",
                 rc == -ETIMEDOUT ? "no answer in time"
                 : rc == -EFBIG   ? "answers without end"
                                  : strerror(-rc));
    else
        snprintf(to, size, "xl-fast-domain, or the connection to it, failed with exit status %d",
                 rc);
}

/* It does not keep the answer from being heard, as it would xl migrate. */
static void tell_noise(struct recover *r)
{
    if (!r->noise[0] || r->noise_told)
        return;
    r->noise_told = true;
    fprintf(stderr, "xl-fast recover: %s: " XF_REACH_NOISY "\n", r->reach.host, r->noise);
}

/* 0, or -EIO with why in err. */
static int look(struct recover *r, bool there, const char *uuid, struct xf_look *to, char *err,
                size_t size)
{
    const char *args[] = {"look", r->name, uuid, NULL};
    char bad[128] = "";
    int rc = xf_reach_run(&r->reach, there, args, r->answer, sizeof(r->answer));

    if (rc) {
        say_status(err, size, rc, r->noise);
        return -EIO;
    }
    if (there)
        tell_noise(r);
    if (xf_look_parse(r->answer, strlen(r->answer), to, bad)) {
        snprintf(err, size, "unexpected answer: %s", bad);
        return -EIO;
    }
    return 0;
}

/* Here first: a process that is seen to be gone here has done all that is then seen there. */
static int look_at_both(struct recover *r)
{
    struct xf_recover_evidence e;
    char err[sizeof(r->no_answer)];
    bool unclear;

    if (look(r, false, NULL, &r->here, err, sizeof(err))) {
        fprintf(stderr, "xl-fast recover: this host: %s\n", err);
        return -EIO;
    }
    const struct xf_look_domain *guest = xf_look_guest(&r->here, &unclear);
    r->answers =
        !look(r, true, guest ? guest->uuid : NULL, &r->there, r->no_answer, sizeof(r->no_answer));
    if (r->answers && !strcmp(r->here.boot_id, r->there.boot_id)) {
        fprintf(stderr, "xl-fast recover: %s is this host\n", r->reach.host);
        return -EINVAL;
    }
    xf_look_reduce(r->name, &r->here, r->answers ? &r->there : NULL, &e);
    r->decision = xf_recover_decide(&e);
    return 0;
}

/* ---- saying -------------------------------------------------------------------------------- */

/* %N and %H of a reason's text. */
static void put_text(FILE *to, const struct recover *r, const char *text)
{
    char plain[XF_NAME_SIZE];

    for (; *text; text++) {
        if (text[0] == '%' && text[1] == 'N')
            fputs(xf_live_plain(plain, sizeof(plain), r->name), to), text++;
        else if (text[0] == '%' && text[1] == 'H')
            fputs(r->reach.host, to), text++;
        else
            putc(*text, to);
    }
}

static void print_look(const struct recover *r, const struct xf_look *l, bool there)
{
    char name[XF_NAME_SIZE];

    printf("%s (%s):\n", l->host, there ? "the target" : "here");
    for (unsigned i = 0; i < l->domains_n; i++) {
        const struct xf_look_domain *d = &l->domains[i];

        printf("  domain %" PRIu32 " '%s', UUID %s: %s, %s%s\n", d->domid,
               xf_live_plain(name, sizeof(name), d->name), d->uuid, xf_recover_state_name(d->state),
               d->cpu_time_ns ? "has run" : "has used no CPU time: never ran",
               d->libvirt ? ", managed by libvirt" : "");
    }
    xf_live_plain(name, sizeof(name), r->name);
    if (!l->domains_n)
        printf("  no domain '%s', '%s--migratedaway' or '%s--incoming'%s\n", name, name, name,
               there ? ", and none of its UUID" : "");
    for (unsigned i = 0; i < l->processes_n; i++) {
        const struct xf_look_process *p = &l->processes[i];

        printf("  process %" PRIu32 " %s %s\n", p->pid, p->receives ? "receives" : "moves or saves",
               !p->receives ? "it"
               : p->uuid[0] ? p->uuid
                            : "a guest, nothing says which");
    }
    if (there && l->record.attempt[0])
        printf("  record of attempt %s: %s\n", l->record.attempt,
               xf_recover_record_name(l->record.outcome));
    if (!there && l->left.attempt[0])
        printf("  note of attempt %s: left suspended, domain %" PRIu32 " with %" PRIu64
               " ns of CPU time\n",
               l->left.attempt, l->left.domid, l->left.cpu_time_ns);
}

static void print_evidence(const struct recover *r)
{
    print_look(r, &r->here, false);
    if (r->answers)
        print_look(r, &r->there, true);
    else
        printf("%s (the target): %s\n", r->reach.host, r->no_answer);
    printf("verdict: %s: ", xf_recover_verdict_name(r->decision.verdict));
    put_text(stdout, r, xf_recover_reason_text(r->decision.reason));
    printf("\n");
    fflush(stdout);
}

/* A command of xl's about the guest, and what stands between its name and the next. */
static void put_command(const struct recover *r, const char *command, const char *suffix,
                        const char *then)
{
    char name[XF_NAME_SIZE + 16];

    snprintf(name, sizeof(name), "%s%s", r->name, suffix);
    printf("%s %s", command, name[0] == '-' ? "-- " : "");
    xf_quote(stdout, name);
    fputs(then, stdout);
}

/* What somebody can do who knows more. Each command can be pasted. */
static void print_advice(const struct recover *r)
{
    enum xf_recover_reason why = r->decision.reason;
    char name[XF_NAME_SIZE];
    bool unclear;
    const struct xf_look_domain *guest = xf_look_guest(&r->here, &unclear);

    if (!guest ||
        (why != XF_WHY_NO_TRACE && why != XF_WHY_GONE_THERE && why != XF_WHY_MAYBE_LIBVIRT))
        return;
    printf("look at %s: /var/log/xen/xl-%s--incoming.log* (\"has shut down\": it ran there), the "
           "host's uptime, the guest's own logs on its disks\n"
           "if it never ran there:  ",
           r->reach.host, xf_live_plain(name, sizeof(name), r->name));
    if (why != XF_WHY_MAYBE_LIBVIRT) {
        put_command(r, "xl rename", "--migratedaway", " ");
        xf_quote(stdout, r->name);
        fputs("; ", stdout);
    }
    if (guest->libvirt)
        printf("%s left %s " XF_RECORD_NO_ATTEMPT "; ", r->reach.program, guest->uuid);
    fputs("xl-fast recover", stdout);
    if (r->own_ssh) {
        fputs(" -s ", stdout);
        xf_quote(stdout, r->reach.ssh);
    }
    put_command(r, "", "", " ");
    printf("%s\nif it ran there:        ", r->reach.host);
    if (guest->libvirt) /* which it would be confused by to lose the domain otherwise */
        put_command(r, "virsh -c xen:///system destroy", "", "; then start it, from its disks\n");
    else
        put_command(r, "xl destroy", "--migratedaway", "; then xl create, from its disks\n");
}

/* The hosts tell each other nanoseconds; people read microseconds in all JSON. */
static void use_microseconds(struct json_object *look)
{
    struct json_object *domains = json_object_object_get(look, "domains");

    for (size_t i = 0; domains && i < json_object_array_length(domains); i++) {
        struct json_object *domain = json_object_array_get_idx(domains, i);
        uint64_t ns = json_object_get_uint64(json_object_object_get(domain, "cpu_time_ns"));

        json_object_object_del(domain, "cpu_time_ns");
        json_object_object_add(domain, "cpu_time_us", json_object_new_uint64(ns / 1000));
    }
}

static struct json_object *look_object(const struct xf_look *l)
{
    char *text = xf_look_print(l);
    struct json_object *valid = text ? xf_json_text(text) : NULL,
                       *o = valid ? json_tokener_parse(json_object_get_string(valid)) : NULL;

    json_object_put(valid);
    free(text);
    if (o)
        use_microseconds(o);
    return o;
}

static void put_string(struct json_object *to, const char *key, const char *value)
{
    json_object_object_add(to, key, xf_json_text(value));
}

static void print_json(const struct recover *r, int status)
{
    struct json_object *o = json_object_new_object(), *done = json_object_new_array();
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (f) {
        put_text(f, r, xf_recover_reason_text(r->decision.reason));
        fclose(f);
    }
    put_string(o, "domain", r->name);
    put_string(o, "host", r->reach.host);
    put_string(o, "verdict", xf_recover_verdict_name(r->decision.verdict));
    put_string(o, "reason", xf_recover_reason_name(r->decision.reason));
    put_string(o, "text", text ? text : "");
    for (unsigned i = 0; i < r->done_n; i++)
        json_object_array_add(done, json_object_new_string(xf_recover_step_name(r->done[i])));
    json_object_object_add(o, "done", done);
    json_object_object_add(o, "next",
                           r->decision.step == XF_STEP_NONE
                               ? NULL
                               : json_object_new_string(xf_recover_step_name(r->decision.step)));
    json_object_object_add(
        o, "settled",
        json_object_new_boolean(status == XF_EXIT_OK && r->decision.step == XF_STEP_NONE));
    json_object_object_add(o, "source", look_object(&r->here));
    json_object_object_add(o, "target", r->answers ? look_object(&r->there) : NULL);
    if (!r->answers)
        put_string(o, "no_answer", r->no_answer);
    printf("%s\n",
           json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                 JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
    free(text);
}

/* ---- doing --------------------------------------------------------------------------------- */

static int do_step(struct recover *r)
{
    enum xf_recover_step step = r->decision.step;
    bool there = step == XF_STEP_STOP_RECEIVER || step == XF_STEP_DESTROY_UNRUN;
    bool unclear;
    const struct xf_look_domain *guest = xf_look_guest(&r->here, &unclear);
    const char *args[] = {xf_recover_step_name(step), r->name, guest->uuid, NULL};
    char err[sizeof(r->no_answer)];

    if (!r->json) {
        printf("step: %s, %s\n", args[0], there ? r->reach.host : "here");
        fflush(stdout);
    }
    int rc = xf_reach_run(&r->reach, there, args, r->answer, sizeof(r->answer));
    if (rc) {
        say_status(err, sizeof(err), rc, r->noise);
        fprintf(stderr, "xl-fast recover: %s: %s\n", args[0], err);
        return -EIO;
    }
    r->done[r->done_n++] = step;
    return 0;
}

static uint64_t now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec;
}

static int status_of(const struct recover *r)
{
    switch (r->decision.verdict) {
    case XF_VERDICT_CANNOT_TELL:
        return XF_EXIT_CANNOT_TELL;
    case XF_VERDICT_IN_PROGRESS:
        return XF_EXIT_IN_PROGRESS;
    default:
        return XF_EXIT_OK;
    }
}

static int settle(struct recover *r)
{
    uint64_t until = now_s() + (r->dry_run ? 0 : r->wait_s);

    for (;;) {
        if (look_at_both(r))
            return XF_EXIT_FAILED;
        /* Processes mostly end by themselves, and what they then leave says more. */
        if (r->decision.verdict == XF_VERDICT_IN_PROGRESS && now_s() < until) {
            sleep(1);
            continue;
        }
        if (!r->json)
            print_evidence(r);
        if (r->decision.step == XF_STEP_NONE || r->dry_run)
            return status_of(r);
        if (r->done_n == STEPS_MAX) {
            fprintf(stderr, "xl-fast recover: the state changes during the check: try again\n");
            return XF_EXIT_IN_PROGRESS;
        }
        if (do_step(r))
            return XF_EXIT_FAILED;
    }
}

static int run(struct recover *r)
{
    int rc = xf_reach_find(&r->reach, "xl-fast-domain"), status;

    if (rc) {
        fprintf(stderr, "xl-fast recover: %s\n",
                rc == -EINVAL ? "xl-fast cannot work from a folder of that name"
                              : "xl-fast-domain is not there: xl-fast was built or installed "
                                "without its Xen part");
        return XF_EXIT_FAILED;
    }
    status = settle(r);
    if (r->json && r->here.host[0]) {
        print_json(r, status);
    } else if (!r->json && r->here.host[0]) {
        if (status == XF_EXIT_CANNOT_TELL)
            print_advice(r);
        else if (status == XF_EXIT_OK && r->dry_run && r->decision.step != XF_STEP_NONE)
            printf("next, without -n: %s\n", xf_recover_step_name(r->decision.step));
        else if (status == XF_EXIT_OK)
            printf("%s\n", r->done_n ? "settled" : "nothing to settle");
    }
    return status;
}

/* ---- the command line ---------------------------------------------------------------------- */

static const struct xf_option options[] = {
    {.name = "dry-run",
     .letter = 'n',
     .to = offsetof(struct recover, dry_run),
     .help = "only look, and say what the next step would be"},
    {.name = "json", .to = offsetof(struct recover, json), .help = "one JSON object"},
    {.name = "wait",
     .letter = 'w',
     .value = "SECONDS",
     .kind = XF_OPTION_SECONDS,
     .max = 86400,
     .to = offsetof(struct recover, wait_s),
     .help = "how long to wait for processes of the migration to end (10)"},
    {.letter = 's',
     .value = "SSHCOMMAND",
     .kind = XF_OPTION_TEXT,
     .to = offsetof(struct recover, own_ssh),
     .help = "instead of ssh, as in xl migrate"},
    {0},
};

const struct xf_command xf_command_recover = {
    .name = "recover",
    .summary = "after an xl migrate that did not end: who owns the guest, settled",
    .operands = "DOMAIN HOST",
    .about =
        "After an xl migrate of DOMAIN to HOST that did not end (\"CHECK AT BOTH ENDS\"): looks\n"
        "at both hosts, says who owns the guest and by what evidence, and settles it. Run it as\n"
        "root at the source. It never starts a second copy; where the evidence does not tell\n"
        "who owns the guest it says so and changes nothing.\n",
    .options = options,
    .done = "settled, or nothing to settle",
    .exits = XF_EXIT_BIT(XF_EXIT_CANNOT_TELL) | XF_EXIT_BIT(XF_EXIT_IN_PROGRESS),
    .run = xf_cli_recover,
};

static int set_name(struct recover *r, const char *domain)
{
    static const char away[] = "--migratedaway";
    size_t n = strlen(domain);

    if (n >= sizeof(away) && !strcmp(domain + n - (sizeof(away) - 1), away))
        n -= sizeof(away) - 1;
    if (!n || n + sizeof(away) > sizeof(r->name))
        return -EINVAL;
    memcpy(r->name, domain, n);
    return 0;
}

static int parse(struct recover *r, int argc, char **argv)
{
    static const struct xf_command *const c = &xf_command_recover;
    struct xf_operands operands;
    int status = xf_options_parse(c, r, argc, argv, &operands);

    if (status != XF_GO_ON)
        return status;
    if (set_name(r, operands.words[0]))
        return xf_usage_error(c, "'%s' is not a domain's name", operands.words[0]);
    if (!xf_reach_host_ok(operands.words[1]))
        return xf_usage_error(c, "'%s' is not a host name", operands.words[1]);
    r->reach.host = operands.words[1];
    r->reach.ssh = r->own_ssh ? r->own_ssh : XF_REACH_SSH;
    return XF_GO_ON;
}

int xf_cli_recover(int argc, char **argv)
{
    struct recover *r = calloc(1, sizeof(*r));
    int status;

    if (!r) {
        fprintf(stderr, "xl-fast recover: %s\n", strerror(ENOMEM));
        return XF_EXIT_FAILED;
    }
    r->reach.limit_s = XF_REACH_LIMIT_S;
    r->reach.noise = r->noise;
    r->wait_s = 10;
    status = parse(r, argc, argv);
    if (status == XF_GO_ON)
        status = run(r);
    free(r);
    return status;
}
