/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast-pump COMMAND...: the process between ssh and the target's xl migrate-receive, which
 * xl-fast-receive starts. Unless XL_FAST is "early" it only copies both ways.
 *
 * Where the hand-over is early, the pump is the target's end: xl and its save helper are Xen's own,
 * and get a stream that ends before the memory has come. So libxl builds the domain and attaches
 * its devices while the guest still runs at the source.
 *
 *     source                 pump                             xl, libxl, its helper
 *     xl's and libxl's head  reads the configuration     ->   make NAME--incoming
 *     headers, XF_OFFER,
 *     static data            port up                     ->   headers, static data
 *     XF_EARLY               special pages, a header as
 *                            context, parameters, END    ->   the domain's end; disks, cards
 *                            "ready to unpause" is held  <-   wait for the go
 *     memory (the link)      lands
 *     XF_PAGES, TSC,
 *     context, parameters,
 *     END                    counts, sets all of them
 *                       <-   lets "ready" out
 *     the go            ->   from here a copier          ->   unpause the guest
 *
 * "Ready" means to the source's xl what it means without us. Whatever fails before it: xl's stdin
 * ends, it destroys its copy with the devices, and the guest goes on at the source. No vCPU of the
 * copy can run before its context is set (incoming.h). If the pump is killed, xl's stdin ends as
 * well; if xl is, the pump gives up.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "transport/base/clock.h"
#include "xl-plugin/plugin/restoring.h"
#include "xl-plugin/plugin/begun.h"
#include "xl-plugin/plugin/fault_points.h"
#include "xl-plugin/plugin/linger.h"
#include "xl-plugin/plugin/ports.h"
#include "xl-plugin/plugin/say.h"
#include "child.h"
#include "fits.h"
#include "head.h"
#include "incoming.h"

/* xl's words (tools/xl/xl.h), the second with its 0. */
#define BANNER "xl migration receiver ready, send binary domain data.\n"
#define READY  "domain received, ready to unpause"

#define CONTEXT_BYTES_MAX ((uint32_t)8 << 20) /* 16 KiB a vCPU, and some */
#define LOOK_EVERY_MS     10
#define UNMAP_AFTER_S     10 /* when the guest's devices are connected */

struct pump {
    struct xf_child xl;
    struct xf_restoring session;
    struct xf_incoming incoming;
    bool opened;
    struct xf_params params;
    uint64_t special[XF_SPECIAL_MAX];
    unsigned special_n;
    char heard[sizeof(READY)]; /* of "ready" */
    size_t heard_n;
};

/* ---- what comes from the source, before the memory ------------------------------------------- */

static int write_to_xl(struct pump *p, const void *bytes, size_t n)
{
    int rc = xf_stream_write(p->xl.in, bytes, n);

    return rc ? xf_restoring_fail(&p->session, rc, "writing to xl here: %s", strerror(-rc)) : 0;
}

static int write_record(struct pump *p, uint32_t type, const void *body, uint32_t length)
{
    int rc = xf_stream_write_record(p->xl.in, type, body, length);

    return rc ? xf_restoring_fail(&p->session, rc, "writing to xl here: %s", strerror(-rc)) : 0;
}

/* Between two looks at something that is still to come from xl. */
static int wait_a_little(struct pump *p)
{
    struct pollfd fds[] = {{.fd = p->xl.process, .events = POLLIN},
                           {.fd = p->session.in.fd, .events = POLLRDHUP}};

    if (poll(fds, 2, LOOK_EVERY_MS) < 0 && errno != EINTR)
        return xf_restoring_fail(&p->session, -errno, "poll: %s", strerror(errno));
    if (fds[0].revents)
        return xf_restoring_stream_failed(&p->session, -ECANCELED);
    if (fds[1].revents)
        return xf_restoring_stream_failed(&p->session, -EPIPE);
    return 0;
}

/* xl's words up to their end: 1; 0: not yet all of them. */
static int hear(struct pump *p, const char *words, size_t n)
{
    ssize_t got = xf_child_hear(&p->xl, p->heard + p->heard_n, n - p->heard_n);

    if (got == -EAGAIN)
        return 0;
    if (got == 0)
        return xf_restoring_stream_failed(&p->session, -ECANCELED);
    if (got < 0)
        return xf_restoring_fail(&p->session, (int)got, "reading from xl here: %s",
                                 strerror((int)-got));
    p->heard_n += (size_t)got;
    if (memcmp(p->heard, words, p->heard_n) != 0)
        return xf_restoring_fail(&p->session, -EBADMSG, "xl here says what is not known of it");
    return p->heard_n == n;
}

static int pass_banner(struct pump *p)
{
    char banner[sizeof(BANNER) - 1];
    size_t n = 0;
    int rc = 0;

    while (!rc && n < sizeof(banner)) {
        ssize_t got = xf_child_hear(&p->xl, banner + n, sizeof(banner) - n);

        if (got == 0)
            rc = xf_restoring_stream_failed(&p->session, -ECANCELED);
        else if (got > 0)
            n += (size_t)got;
        else
            rc = wait_a_little(p);
    }
    if (!rc && memcmp(banner, BANNER, sizeof(banner)) != 0)
        rc =
            xf_restoring_fail(&p->session, -EBADMSG, "xl here begins with what is not known of it");
    if (!rc && xf_stream_write(STDOUT_FILENO, banner, sizeof(banner)))
        rc = xf_restoring_stream_failed(&p->session, -EPIPE);
    return rc;
}

static int check_fits(struct pump *p, const char *json, const char *uuid)
{
    char why[XF_FITS_WHY];
    struct xf_fits f;
    int rc = xf_fits_config(&f, json);

    snprintf(why, sizeof(why), "%s", f.why);
    for (unsigned i = 0; i < f.disks_n && !rc; i++)
        rc = xf_fits_disk("", f.disks[i], why);
    rc = rc ?: xf_fits_hooks("", why);
    if (rc)
        xf_restoring_fail(&p->session, -EOPNOTSUPP, "its devices cannot be attached early: %s",
                          why);
    else if (strcasecmp(f.uuid, uuid) != 0)
        rc = xf_restoring_fail(&p->session, -EBADMSG,
                               "the configuration that comes is of another guest");
    xf_fits_free(&f);
    return rc ? -EOPNOTSUPP : 0;
}

/* An error of reading, or what is wrong with what was read. */
static int failed(struct pump *p, int rc, const char *why)
{
    return why[0] ? xf_restoring_fail(&p->session, rc, "the source's stream: %s", why)
                  : xf_restoring_stream_failed(&p->session, rc);
}

static int pass_head(struct pump *p, const char *uuid)
{
    uint8_t libxl[XF_HEAD_LIBXL_BYTES];
    char why[XF_STREAM_ERR_BYTES];
    struct xf_head head;
    int rc = xf_head_read(&p->session.in, &head, why);

    if (rc)
        return failed(p, rc, why);
    rc = check_fits(p, head.json, uuid);
    rc = rc ?: write_to_xl(p, head.bytes, head.length);
    xf_head_free(&head);
    if (rc)
        return rc;
    /* From here on the source has nothing to wait for but its port. */
    p->session.in.timeout_ms = XF_RESTORING_WAIT_MS;
    rc = xf_head_read_libxl(&p->session.in, libxl, why);
    return rc ? failed(p, rc, why) : write_to_xl(p, libxl, sizeof(libxl));
}

static int take_params(struct pump *p, uint32_t type, struct xf_params *params)
{
    char why[XF_SPECIAL_WHY];
    uint32_t length;
    void *body;
    int rc = xf_restoring_take_record(&p->session, type, XF_PARAMS_BYTES, &body, &length);

    if (rc)
        return rc;
    rc = xf_params_decode(params, body, length, p->session.offer.page_count, why);
    free(body);
    return rc ? xf_restoring_fail(&p->session, rc, "the source's stream: %s", why) : 0;
}

static int take_beginning(struct pump *p, const char *uuid)
{
    struct xf_restoring *a = &p->session;
    int rc = pass_banner(p);

    rc = rc ?: pass_head(p, uuid);
    rc = rc ?: xf_restoring_read_offer(a, true);
    rc = rc ?: write_to_xl(p, a->headers, sizeof(a->headers));
    rc = rc ?: xf_restoring_forward(a, XF_STREAM_STATIC, XF_REC_STATIC_DATA_END, p->xl.in);
    rc = rc ?: take_params(p, XF_REC_EARLY, &p->params);
    if (!rc)
        p->special_n = xf_params_special(&p->params, p->special);
    /* Beside xl, which makes the domain. */
    return rc ?: xf_restoring_open_port(a);
}

/* ---- the early end --------------------------------------------------------------------------- */

static int find_domain(struct pump *p)
{
    int rc;

    /* xl waits for its lock and for memory first, as long as that takes. */
    while ((rc = xf_incoming_find(&p->incoming)) == -ENOENT)
        if ((rc = wait_a_little(p)))
            return rc;
    if (rc)
        return xf_restoring_fail(&p->session, rc, "cannot find the domain that xl makes: %s",
                                 strerror(-rc));
    p->session.domid = p->session.report.domid = p->incoming.domid;
    return 0;
}

/* By Xen's own restore, which gives them memory; they are zero, as it leaves them. */
static int give_special(struct pump *p)
{
    struct {
        uint32_t count, reserved;
        uint64_t gfns[XF_SPECIAL_MAX];
    } head = {.count = p->special_n};
    const size_t head_bytes = 8 + p->special_n * sizeof(head.gfns[0]),
                 bytes = head_bytes + p->special_n * XF_PAGE_BYTES;
    uint8_t *body = calloc(1, bytes);

    if (!body)
        return xf_restoring_fail(&p->session, -ENOMEM, "%s", strerror(ENOMEM));
    memcpy(head.gfns, p->special, p->special_n * sizeof(head.gfns[0]));
    memcpy(body, &head, head_bytes);
    int rc = write_record(p, XF_REC_PAGE_DATA, body, (uint32_t)bytes);

    free(body);
    while (!rc && (rc = xf_incoming_has(&p->incoming, p->special, p->special_n)) == -EAGAIN)
        rc = wait_a_little(p);
    if (rc)
        xf_restoring_fail(&p->session, rc, "domain %u: cannot see its pages: %s", p->incoming.domid,
                          strerror(-rc));
    return rc;
}

static int give_params(struct pump *p)
{
    struct {
        uint32_t count, reserved;
        uint8_t of[sizeof(p->params.of)];
    } body = {.count = p->params.n};
    const size_t bytes = p->params.n * sizeof(p->params.of[0]);

    memcpy(body.of, p->params.of, bytes);
    return write_record(p, XF_REC_HVM_PARAMS, &body, (uint32_t)(8 + bytes));
}

static int give_early_end(struct pump *p)
{
    static const uint32_t libxl_end[2];
    uint32_t length = 0;
    void *header = NULL;
    int rc = find_domain(p);

    rc = rc ?: give_special(p);
    if (rc)
        return rc;
    rc = xf_incoming_header(&p->incoming, &header, &length);
    if (rc)
        return xf_restoring_fail(&p->session, rc, "domain %u: cannot get its context: %s",
                                 p->incoming.domid, strerror(-rc));
    rc = write_record(p, XF_REC_HVM_CONTEXT, header, length);
    free(header);
    rc = rc ?: give_params(p);
    rc = rc ?: write_record(p, XF_REC_END, NULL, 0);
    rc = rc ?: write_to_xl(p, libxl_end, sizeof(libxl_end));
    return rc ?: XF_FAULT(pump_early_end);
}

/* ---- memory, and what follows it ------------------------------------------------------------- */

static int is_ready(void *arg)
{
    struct pump *p = arg;
    int rc = hear(p, READY, sizeof(READY));

    if (rc > 0)
        xf_say("target: domain %u: its devices are attached, the memory may come",
               p->incoming.domid);
    return rc > 0 ? XF_FAULT(pump_ready_held) ?: 1 : rc;
}

static int finish(struct pump *p, const void *tsc, void *context, uint32_t length)
{
    char why[XF_SPECIAL_WHY];
    struct xf_params late, set;
    int rc = take_params(p, XF_REC_HVM_PARAMS, &late);

    if (rc)
        return rc;
    rc = xf_params_changes(&p->params, &late, &set, why);
    if (rc)
        return xf_restoring_fail(&p->session, rc, "the source's stream: %s", why);
    void *end;
    uint32_t none;

    rc = xf_restoring_take_record(&p->session, XF_REC_END, 0, &end, &none);
    if (rc)
        return rc;
    free(end);
    rc = xf_head_read_end(&p->session.in, why);
    if (rc)
        return failed(p, rc, why);
    rc = XF_FAULT(pump_end_read) ?: xf_incoming_finish(&p->incoming, tsc, context, length, &set);
    if (rc == -EBUSY)
        return xf_restoring_fail(
            &p->session, rc,
            "domain %u: somebody has unpaused it, and it is not to run yet: try again",
            p->incoming.domid);
    if (rc)
        return xf_restoring_fail(&p->session, rc,
                                 "domain %u: cannot be given the guest's state: %s",
                                 p->incoming.domid, strerror(-rc));
    /* Without xl nobody would start it, or destroy it. */
    if (xf_child_ended(&p->xl))
        return xf_restoring_stream_failed(&p->session, -ECANCELED);
    return XF_FAULT(pump_finished);
}

static int take_end(struct pump *p)
{
    uint32_t length;
    void *tsc = NULL, *context = NULL;
    int rc =
        xf_restoring_take_record(&p->session, XF_REC_X86_TSC_INFO, XF_TSC_BYTES, &tsc, &length);

    if (!rc && length != XF_TSC_BYTES)
        rc = xf_restoring_fail(&p->session, -EBADMSG, "the source's stream: a TSC of %u bytes",
                               length);
    rc = rc
             ?: xf_restoring_take_record(&p->session, XF_REC_HVM_CONTEXT, CONTEXT_BYTES_MAX,
                                         &context, &length);
    rc = rc ?: finish(p, tsc, context, length);
    free(tsc);
    free(context);
    return rc;
}

static int take_guest(struct pump *p, const char *uuid)
{
    struct xf_restoring *a = &p->session;
    int rc = xf_incoming_open(&p->incoming, uuid);

    if (rc)
        return xf_restoring_fail(a, rc, "cannot reach Xen: %s", strerror(-rc));
    p->opened = true;
    rc = take_beginning(p, uuid);
    rc = rc ?: give_early_end(p);
    if (rc)
        return rc;
    xf_say("%s", XF_BEGUN_SAYS);
    rc = xf_restoring_begin(a, p->special, p->special_n);
    rc = rc ?: xf_restoring_take_memory(a, is_ready, p);
    return rc ?: take_end(p);
}

static int release(struct pump *p)
{
    int rc = xf_stream_write(STDOUT_FILENO, READY, sizeof(READY));

    return rc ? xf_restoring_stream_failed(&p->session, -EPIPE) : 0;
}

/* The reason, if the source still listens on the link. */
static void tell(struct xf_restoring *a)
{
    if (!a->target)
        return;
    xf_target_abort(a->target, a->error[0] ? a->error : "the target has given up");
    xf_target_step(a->target, xf_now_us());
}

static int run_early(struct pump *p)
{
    const char *uuid = getenv("XL_FAST_DOMAIN");
    struct xf_restoring *a = &p->session;
    int status, rc;

    xf_report_start(&a->report, "target", 0);
    rc = take_guest(p, uuid ? uuid : "");
    rc = rc ?: release(p);
    if (rc)
        tell(a);
    xf_restoring_end(a, !rc);
    xf_report_result(&a->report, !rc, a->error, &a->stats);
    status =
        rc ? (xf_child_give_up(&p->xl), 1) : xf_child_copy(&p->xl, STDIN_FILENO, STDOUT_FILENO);
    if (status)
        xf_linger_give_back();
    else
        xf_linger_wait(UNMAP_AFTER_S);
    if (a->link)
        xf_ports_close_whole(a->link);
    if (p->opened)
        xf_incoming_close(&p->incoming);
    xf_offer_wipe(&a->offer);
    xf_member_wipe(&a->member);
    return status;
}

int main(int argc, char **argv)
{
    const char *fast = getenv("XL_FAST");
    bool early = fast && !strcmp(fast, "early");
    struct pump p = {
        .session = {.in = {.fd = STDIN_FILENO, .process = true, .timeout_ms = -1},
                    .given_up = "xl here has ended",
                    .lock = PTHREAD_MUTEX_INITIALIZER},
    };
    int rc;

    if (argc < 2) {
        fprintf(stderr, "usage: xl-fast-pump COMMAND...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    rc = xf_child_start(&p.xl, argv + 1);
    if (rc) {
        xf_say("target: cannot start %s: %s", argv[1], strerror(-rc));
        return p.xl.pid > 0 ? xf_child_give_up(&p.xl) : 1;
    }
    if (!early)
        return xf_child_copy(&p.xl, STDIN_FILENO, STDOUT_FILENO);
    /* xl's stdin would end with the last process that has it. */
    xf_linger_start();
    p.session.in.watch_fd = p.xl.process;
    return run_early(&p);
}
