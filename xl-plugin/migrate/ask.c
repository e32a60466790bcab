/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks both ends whether the migration can work, without touching anything: xl-fast-preflight. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"
#include "steps.h"
#include "xl-plugin/doctor/peers.h"

#define CLEAR_S 3 /* as long as an xl takes to destroy what it has */

static enum xf_step refuse(struct xf_migrate *m, const char *fix, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum xf_step refuse(struct xf_migrate *m, const char *fix, const char *format, ...)
{
    char why[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    snprintf(m->refused, sizeof(m->refused), "%s%s%.700s", why, *fix ? "; fix: " : "", fix);
    return XF_STEP_REFUSED;
}

/* Of this host, or by the way that a user's -s says; what is heard meanwhile ends it. */
static void begin(struct xf_migrate *m, struct xf_reach *reach, const char *name)
{
    *reach = (struct xf_reach){
        .ssh = m->o.ssh, .host = m->o.host, .limit_s = XF_REACH_NO_LIMIT, .stop = &m->signals.fd};
    snprintf(reach->program, sizeof(reach->program), "%.599s/%s", m->lib, name);
}

enum xf_step xf_migrate_ask_source(struct xf_migrate *m)
{
    const char *const args[] = {"source", m->o.domain, NULL};
    struct xf_reach reach;
    int rc;

    begin(m, &reach, "xl-fast-preflight");
    if (access(reach.program, X_OK))
        return refuse(m, "", "this host: %s is missing", reach.program);
    rc = xf_reach_run(&reach, false, args, m->source_said, sizeof(m->source_said));
    if (rc == -ECANCELED || xf_signals_wait(&m->signals, 0))
        return XF_STEP_CANCELLED;
    strcpy(m->source_text, m->source_said);
    xf_answers_read(&m->source, m->source_text);
    m->stock_fails |= m->source.stock_fails;
    if (strcmp(m->source.fast, "ok") != 0)
        return m->source.why[0] ? refuse(m, m->source.fix, "%s", m->source.why)
                                : refuse(m, "", "this host: %s failed", reach.program);
    /* They go into a command line: they are ours, but checked all the same. */
    if (!xf_answers_are_words(&m->source))
        return refuse(m, "", "this host: unexpected output from xl-fast-preflight");
    return XF_STEP_ON;
}

/* What the target is told besides (preflight_question.h). A dry run takes no place in the queue
   there; by -C the guest has another name there, perhaps, and other disks; and disks that come
   along are not there yet. */
static char *question_of(const struct xf_migrate *m)
{
    const char *without = m->o.with_disks ? "disk=" : NULL;
    char *asks, *all = NULL;

    if (m->copy)
        asks = xf_answers_of_copy(m->source_said, m->copy->name, m->copy->uuid,
                                  m->copy->has_disks ? NULL : "disk=");
    else
        asks = m->o.config ? strdup("") : xf_answers_questions(m->source_said, without);
    if (asks && asprintf(&all, "%s%s%s%s", m->o.dry_run ? "" : "attempt=",
                         m->o.dry_run ? "" : m->attempt, m->o.dry_run ? "" : "\n", asks) < 0)
        all = NULL;
    free(asks);
    return all;
}

/* Not as it should have: by what is known of the way. */
static enum xf_step refuse_way(struct xf_migrate *m, int rc)
{
    const char *before = m->noise[0] ? " after \"" : "", *after = m->noise[0] ? "\"" : "";

    if (rc == -EBADMSG)
        return refuse(m, "", "%s: answers '%s', and not as xl-fast does", m->o.host, m->noise);
    if (rc == 127)
        return refuse(m, XF_FIX_INSTALL, "%s: xl-fast is not installed there", m->o.host);
    if (rc == -EFBIG)
        return refuse(m, "", "%s: cannot be asked: its answer is too long", m->o.host);
    if (rc == -ENOENT)
        rc = 127;
    if (rc < 0)
        return refuse(m, "", "%s: cannot be asked: %s", m->o.host, strerror(-rc));
    return refuse(m, "", "%s: cannot be asked: %s ended with status %d%s%s%s", m->o.host, m->o.ssh,
                  rc, before, m->noise, after);
}

/* Plain xl migrate would take it for the words of the target's xl. */
static enum xf_step refuse_noise(struct xf_migrate *m)
{
    char fix[700];

    m->stock_fails = true;
    snprintf(fix, sizeof(fix), "%s %s '" XF_REACH_FIX "'", m->o.ssh, m->o.host);
    return refuse(m, fix, "%s: " XF_REACH_NOISY, m->o.host, m->noise);
}

/* The target compares them too, but one that is older than the first that does says ok to any. */
static enum xf_step compare_versions(struct xf_migrate *m)
{
    struct xf_peer source = {0}, target = {0};
    struct xf_finding f;

    xf_peer_take(&source, "protocol", m->source.protocol);
    xf_peer_take(&source, "version", m->source.version);
    xf_peer_take(&target, "protocol", m->target.protocol);
    xf_peer_take(&target, "version", m->target.version);
    xf_peers_version(&source, &target, &f);
    if (f.state == XF_FINDING_OK)
        return XF_STEP_ON;
    if (f.state == XF_FINDING_UNKNOWN)
        return refuse(m, XF_FIX_INSTALL, "%s: does not say which xl-fast it has", m->o.host);
    return refuse(m, f.fix, "%s: %s", m->o.host, f.text);
}

enum xf_step xf_migrate_ask_target(struct xf_migrate *m)
{
    const char *const args[] = {"target",           m->source.protocol, m->source.xen,
                                m->source.need_kib, m->source.address,  NULL};
    struct xf_reach reach;
    char *question;
    int rc;

    if (!m->o.ssh[strspn(m->o.ssh, " \t\n")])
        return refuse(m, "", "-s '' names no command to reach %s's xl-fast by", m->o.host);
    begin(m, &reach, "xl-fast-preflight");
    reach.noise = m->noise;
    question = question_of(m);
    if (!question)
        return refuse(m, "", "this host: %s", strerror(ENOMEM));
    reach.input = question;
    rc = xf_reach_run(&reach, true, args, m->target_said, sizeof(m->target_said));
    free(question);
    if (rc == -ECANCELED || xf_signals_wait(&m->signals, 0))
        return XF_STEP_CANCELLED;
    if (rc < 0)
        m->target_said[0] = 0;
    strcpy(m->target_text, m->target_said);
    xf_answers_read(&m->target, m->target_text);
    m->stock_fails |= m->target.stock_fails;
    /* With our line before them there are answers, or the status says that there can be none. */
    if (m->noise[0] && (m->target_said[0] || rc == 0 || rc == 127))
        return refuse_noise(m);
    if (rc >= 0 && !strcmp(m->target.fast, "ok"))
        return compare_versions(m);
    return rc >= 0 && m->target.why[0] ? refuse(m, m->target.fix, "%s", m->target.why)
                                       : refuse_way(m, rc);
}

void xf_migrate_say_whereto(const struct xf_migrate *m)
{
    const struct xf_answers *s = &m->source, *t = &m->target;
    char line[1024];

    xf_answers_mtus(s, t, m->o.host, m->o.ssh, line, sizeof(line));
    if (line[0])
        XF_NOTE(m, "%s", line);
    if (t->xl_busy[0])
        XF_NOTE(m, "%s's xl is busy: process %s there has its lock; %s waits for it", m->o.host,
                t->xl_busy, m->o.domain);
    if (m->copy)
        XF_NOTE(m, "%s of %s is made on %s, its memory from %s (%s) to %s (%s)", m->copy->name,
                m->o.domain, m->o.host, s->port, s->address, t->port, t->address);
    else
        XF_NOTE(m, "%s goes to %s, its memory from %s (%s) to %s (%s)", m->o.domain, m->o.host,
                s->port, s->address, t->port, t->address);
}

enum xf_step xf_migrate_choose_hand_over(struct xf_migrate *m)
{
    if (m->copy)
        snprintf(m->late, sizeof(m->late), "it is a copy");
    else if (m->o.hand_over == XF_HAND_OVER_LATE)
        snprintf(m->late, sizeof(m->late), "as asked for");
    else if (m->o.with_disks)
        snprintf(m->late, sizeof(m->late), "its disks come along");
    else if (m->o.config)
        snprintf(m->late, sizeof(m->late), "by -C the guest has another configuration there");
    else
        xf_answers_late(&m->source, &m->target, m->o.host, m->late, sizeof(m->late));
    if (m->late[0] && m->o.hand_over == XF_HAND_OVER_EARLY)
        return refuse(m, "", "%s: its devices cannot be attached early: %s", m->o.domain, m->late);
    return XF_STEP_ON;
}

enum xf_step xf_migrate_measure(struct xf_migrate *m)
{
    struct xf_answers measured = {0};
    char seconds[24], said[XF_ANSWER_BYTES / 16], text[sizeof(said)];
    const char *const args[] = {"measure", m->o.domain, seconds, NULL};
    struct xf_reach reach;
    int rc;

    snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)m->o.measure_s);
    XF_NOTE(m, "Xen logs for %s s what %s writes", seconds, m->o.domain);
    begin(m, &reach, "xl-fast-preflight");
    rc = xf_reach_run(&reach, false, args, said, sizeof(said));
    if (rc == -ECANCELED || xf_signals_wait(&m->signals, 0))
        return XF_STEP_CANCELLED;
    if (rc < 0)
        said[0] = 0;
    strcpy(text, said);
    xf_answers_read(&measured, text);
    if (strcmp(measured.fast, "ok") != 0)
        return measured.why[0] ? refuse(m, "", "%s", measured.why)
                               : refuse(m, "", "this host: %s failed", reach.program);
    snprintf(m->measured, sizeof(m->measured), "%s", said);
    return XF_STEP_ON;
}

void xf_migrate_ask_left(struct xf_migrate *m, char *left, size_t size)
{
    const char *const args[] = {"left", m->source.uuid, m->attempt, NULL};
    const int never = -1;
    struct xf_reach reach;

    begin(m, &reach, "xl-fast-domain");
    reach.stop = &never;
    if (xf_reach_run(&reach, false, args, left, size) < 0)
        left[0] = 0;
    left[strcspn(left, "\n")] = 0;
}

void xf_migrate_resume(struct xf_migrate *m)
{
    const char *const args[] = {"resume", m->source.name, m->source.uuid, NULL};
    const int never = -1;
    struct xf_reach reach;
    char said[64];

    begin(m, &reach, "xl-fast-domain");
    reach.stop = &never;
    xf_reach_run(&reach, false, args, said, sizeof(said)); /* how it is then, a new look says */
}

static int ask_there(struct xf_migrate *m, const char *what, char *said, size_t size)
{
    const char *const args[] = {what, m->copy->name, m->copy->uuid, NULL};
    struct xf_reach reach;

    begin(m, &reach, "xl-fast-domain");
    reach.limit_s = XF_REACH_LIMIT_S;
    return xf_reach_run(&reach, true, args, said, size);
}

/* 1: something of it is there; 0: nothing; -1: that cannot be told. */
static int is_there(struct xf_migrate *m)
{
    char *said = calloc(1, XF_ANSWER_BYTES);
    int is =
        said && !ask_there(m, "look", said, XF_ANSWER_BYTES) ? !!strstr(said, "\"domid\"") : -1;

    free(said);
    return is;
}

void xf_migrate_clear_copy(struct xf_migrate *m)
{
    char said[XF_PATH_BYTES];
    int is = is_there(m);

    if (is > 0)
        ask_there(m, "stop-receiver", said, sizeof(said));
    /* An xl that has heard of it is about to do the rest itself. */
    for (unsigned i = 0; is > 0 && i < CLEAR_S; i++) {
        sleep(1);
        is = is_there(m);
    }
    if (is < 0)
        xf_migrate_say("%s cannot be asked whether something of %s is left there", m->o.host,
                       m->copy->name);
    /* It looks itself at what is there: one that has run is never destroyed. */
    else if (is && ask_there(m, "destroy-unrun", said, sizeof(said)))
        xf_migrate_say("%s is left with a part of %s: see xl list there", m->o.host, m->copy->name);
    else if (is)
        XF_NOTE(m, "what %s had of %s is destroyed", m->o.host, m->copy->name);
}
