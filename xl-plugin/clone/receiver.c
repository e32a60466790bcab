/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Receiver: two pipes to ssh, and xl's words. */
#include "receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* tools/xl/xl.h; but for the banner with their 0. */
static const char banner[] = "xl migration receiver ready, send binary domain data.\n";
static const char ready[] = "domain received, ready to unpause";
static const char permission[] = "domain is yours, you are cleared to unpause";
static const char report[] = "my copy unpause results are as follows";

/* tools/xl/xl.h: what stands before the stream. */
#define MAGIC           "Xen saved domain, xl format\n \0 \r"
#define MANDATORY_FLAGS 3u /* a stream of version 2, and the configuration as JSON */

struct head {
    char magic[32];
    uint32_t byteorder, mandatory_flags, optional_flags, optional_data_len;
};

__attribute__((format(printf, 3, 4))) static int fail(char why[XF_RECEIVER_WHY], int code,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, XF_RECEIVER_WHY, format, args);
    va_end(args);
    return code;
}

/* ---- bytes --------------------------------------------------------------------------------- */

static int put(struct xf_receiver *r, const void *bytes, size_t n, char why[XF_RECEIVER_WHY])
{
    for (size_t at = 0; at < n;) {
        ssize_t out = write(r->to, (const char *)bytes + at, n - at);

        if (out < 0 && errno != EINTR)
            return fail(why, -errno, "its xl does not listen: %s", strerror(errno));
        at += out > 0 ? (size_t)out : 0;
    }
    return 0;
}

/* Exactly these words. */
static int expect(struct xf_receiver *r, const char *words, size_t n, const char *what,
                  char why[XF_RECEIVER_WHY])
{
    char heard[sizeof(banner)];

    for (size_t at = 0; at < n;) {
        ssize_t got = read(r->from, heard + at, n - at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail(why, got ? -errno : -ECONNRESET, "its xl has ended before %s", what);
        if (memcmp(heard + at, words + at, (size_t)got) != 0)
            return fail(why, -EBADMSG, "what came in place of %s is not xl's", what);
        at += (size_t)got;
    }
    return 0;
}

/* ---- ssh ----------------------------------------------------------------------------------- */

static void become_ssh(const char *command, int in, int out)
{
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
        _exit(127);
    /* As xl's own ssh: a terminal's signals are for who runs us. */
    setpgid(0, 0);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

int xf_receiver_start(struct xf_receiver *r, const char *ssh, const char *words, bool paused,
                      char why[XF_RECEIVER_WHY])
{
    int in[2], out[2];
    char *command;

    *r = (struct xf_receiver){.to = -1, .from = -1};
    if (asprintf(&command, "exec %s %s xl migrate-receive%s", ssh, words, paused ? " -p" : "") < 0)
        return fail(why, -ENOMEM, "%s", strerror(ENOMEM));
    if (pipe2(in, O_CLOEXEC)) {
        free(command);
        return fail(why, -errno, "pipe: %s", strerror(errno));
    }
    if (pipe2(out, O_CLOEXEC)) {
        int rc = -errno;

        close(in[0]);
        close(in[1]);
        free(command);
        return fail(why, rc, "pipe: %s", strerror(-rc));
    }
    r->ssh = fork();
    if (!r->ssh)
        become_ssh(command, in[0], out[1]);
    int rc = r->ssh < 0 ? fail(why, -errno, "fork: %s", strerror(errno)) : 0;

    close(in[0]);
    close(out[1]);
    free(command);
    r->to = in[1];
    r->from = out[0];
    return rc;
}

int xf_receiver_greet(struct xf_receiver *r, char why[XF_RECEIVER_WHY])
{
    return expect(r, banner, sizeof(banner) - 1, "its first word", why);
}

int xf_receiver_configure(struct xf_receiver *r, const char *json, char why[XF_RECEIVER_WHY])
{
    const uint32_t bytes = (uint32_t)strlen(json) + 1;
    struct head head = {.byteorder = 0x01020304,
                        .mandatory_flags = MANDATORY_FLAGS,
                        .optional_data_len = (uint32_t)sizeof(bytes) + bytes};

    memcpy(head.magic, MAGIC, sizeof(head.magic));
    return put(r, &head, sizeof(head), why) ?: put(r, &bytes, sizeof(bytes), why)
                                            ?: put(r, json, bytes, why);
}

int xf_receiver_wait(struct xf_receiver *r, char why[XF_RECEIVER_WHY])
{
    return expect(r, ready, sizeof(ready), "it was ready", why);
}

int xf_receiver_permit(struct xf_receiver *r, char why[XF_RECEIVER_WHY])
{
    return put(r, permission, sizeof(permission), why);
}

int xf_receiver_report(struct xf_receiver *r, char why[XF_RECEIVER_WHY])
{
    unsigned char status;
    ssize_t n;
    int rc = expect(r, report, sizeof(report), "it said what became of it", why);

    if (rc)
        return rc;
    while ((n = read(r->from, &status, 1)) < 0 && errno == EINTR)
        ;
    if (n != 1)
        return fail(why, -ECONNRESET, "its xl has ended before it said what became of it");
    return status ? fail(why, -EREMOTEIO, "its xl could not start it") : 0;
}

void xf_receiver_leave(struct xf_receiver *r)
{
    if (r->to >= 0)
        close(r->to);
    if (r->from >= 0)
        close(r->from);
    r->to = r->from = -1;
}

void xf_receiver_end(struct xf_receiver *r)
{
    xf_receiver_leave(r);
    if (r->ssh > 0)
        while (waitpid(r->ssh, NULL, 0) < 0 && errno == EINTR)
            ;
    *r = (struct xf_receiver){.to = -1, .from = -1};
}
