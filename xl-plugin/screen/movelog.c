/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Movelog: what the system's log gets of a move. Not by syslog(3), which waits for a log that does
   not read. */
#include "movelog.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "live.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/cli/quote.h"

static void log_line(int priority, const char *text)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const char *path = getenv("XL_FAST_SYSLOG");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char line[XF_MOVELOG_BYTES + 64];
    time_t now = time(NULL);
    struct tm t;
    int fd, n;

    if (!localtime_r(&now, &t))
        return;
    /* RFC 3164, section 4.1, without a host, as syslog(3) writes it; no month of the locale's. */
    n = snprintf(line, sizeof(line), "<%d>%s %2d %02d:%02d:%02d xl-fast[%d]: %s",
                 LOG_DAEMON | priority, months[t.tm_mon], t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
                 (int)getpid(), text);
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path && *path ? path : "/dev/log");
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    /* What is lost is lost. */
    if (sendto(fd, line, strnlen(line, (size_t)n), MSG_NOSIGNAL, (struct sockaddr *)&to,
               sizeof(to)) < 0)
        n = 0;
    close(fd);
}

void xf_movelog_begin(const struct xf_history_move *m)
{
    char text[XF_MOVELOG_BYTES], guest[sizeof(m->guest)], to[sizeof(m->to)];

    snprintf(text, sizeof(text), "%s (%s) begins to move to %s",
             xf_live_plain(guest, sizeof(guest), m->guest), m->uuid,
             xf_live_plain(to, sizeof(to), m->to));
    log_line(LOG_INFO, text);
}

void xf_movelog_set(const struct xf_moving *m, const char *text)
{
    char line[XF_MOVELOG_BYTES], guest[sizeof(m->guest)], host[sizeof(m->host)];

    snprintf(line, sizeof(line), "%s (%s), on its way to %s: set %s",
             xf_live_plain(guest, sizeof(guest), m->guest), m->uuid,
             xf_live_plain(host, sizeof(host), m->host), text);
    log_line(LOG_INFO, line);
}

static void add(char text[XF_MOVELOG_BYTES], const char *format, ...)
{
    size_t n = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + n, XF_MOVELOG_BYTES - n, format, args);
    va_end(args);
}

int xf_movelog_text(char text[XF_MOVELOG_BYTES], const struct xf_history_move *m)
{
    static const char *const verbs[XF_HISTORY_RESULTS] = {
        "has moved to", "failed to move to", "was cancelled on its way to", "was cloned to"};
    enum xf_history_result result = xf_history_result(m);
    char guest[sizeof(m->guest)], to[sizeof(m->to)], error[sizeof(m->error)], time[40], size[40];
    char word[XF_QUOTE_BYTES(sizeof(m->guest))], ssh[XF_QUOTE_BYTES(sizeof(m->ssh))];
    char reachable[XF_REACHABLE_BYTES];
    const char *state = m->state;

    xf_live_plain(to, sizeof(to), m->to);
    text[0] = 0;
    add(text, "%s (%s) %s %s", xf_live_plain(guest, sizeof(guest), m->guest), m->uuid,
        verbs[result], to);
    if (result == XF_HISTORY_MOVED || result == XF_HISTORY_CLONED) {
        if (m->downtime.whole)
            add(text, ": downtime %s", xf_live_time(time, sizeof(time), m->downtime.us));
        if (m->downtime.whole && m->reachable.n)
            add(text, ", reachable %s", xf_reachable_show(reachable, &m->reachable));
        if (m->began)
            add(text, "%s total %s, %s", m->downtime.whole ? "," : ":",
                xf_live_time(time, sizeof(time), m->total_us),
                xf_number_show_size(size, sizeof(size), m->bytes));
        return LOG_NOTICE;
    }
    if (result == XF_HISTORY_FAILED)
        add(text, " (exit status %d)", m->status);
    if (m->error[0])
        add(text, ": %.300s", xf_live_plain(error, sizeof(error), m->error));
    if (!strcmp(state, "here")) {
        add(text, "; the guest is on this host");
    } else if (!strcmp(state, "paused")) {
        add(text, "; the guest is on this host, paused");
    } else if (!strcmp(state, "ended")) {
        add(text, "; the guest has ended on this host");
    } else {
        add(text, "; the guest %s: xl-fast recover%s%s %s%s %s",
            strcmp(state, "suspended") ? "is on this host or on the target"
                                       : "is suspended on this host, and may run on the target",
            m->ssh[0] ? " -s " : "", m->ssh[0] ? xf_quote_text(ssh, sizeof(ssh), m->ssh) : "",
            m->guest[0] == '-' ? "-- " : "", xf_quote_text(word, sizeof(word), m->guest), to);
        return LOG_ERR;
    }
    return result == XF_HISTORY_FAILED ? LOG_WARNING : LOG_NOTICE;
}

void xf_movelog_end(const struct xf_history_move *m)
{
    char text[XF_MOVELOG_BYTES];
    int priority = xf_movelog_text(text, m);

    log_line(priority, text);
}
