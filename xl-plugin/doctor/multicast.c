/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Multicast: runs xl-fast bench link --multicast, and reads its line of JSON. */
#include "multicast.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "dpdk/sysfs.h"
#include "xl-plugin/cli/quote.h"

#define COMMAND "bench link --multicast --seconds 1 --memory 64M --json"

/* ---- the run ------------------------------------------------------------------------------- */

/* As words of sh; NULL: no memory. To be freed. */
static char *command_for(const char *ssh, const char *host)
{
    char self[512], *text = NULL;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    self[n > 0 ? n : 0] = 0;
    fputs("exec ", f);
    xf_quote(f, self);
    fputs(" " COMMAND " -s ", f);
    xf_quote(f, ssh);
    putc(' ', f);
    xf_quote(f, host);
    fputs(" 2>/dev/null", f); /* the line of JSON has the reason */
    if (fclose(f)) {
        free(text);
        return NULL;
    }
    return text;
}

/* Returns the line, to be freed, or NULL; *status: of the run, or -1. */
static struct json_object *run(const char *ssh, const char *host, int *status)
{
    char *command = command_for(ssh, host), *line = NULL;
    size_t cap = 0;
    FILE *f = command ? popen(command, "re") : NULL;
    struct json_object *said = f && getline(&line, &cap, f) > 0 ? json_tokener_parse(line) : NULL;

    *status = f ? pclose(f) : -1;
    *status = *status >= 0 && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
    free(command);
    free(line);
    return said;
}

/* ---- what it says -------------------------------------------------------------------------- */

static struct json_object *member(struct json_object *o, const char *key)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(o, key, &value);
    return value;
}

/* The subject of a finding is the target. */
static void take_error(const char *host, const char *error, struct xf_finding *f)
{
    const size_t n = strlen(host);

    if (!strncmp(error, host, n) && error[n] == ' ')
        snprintf(f->text, sizeof(f->text), "%s", error + n + 1);
    else
        snprintf(f->text, sizeof(f->text), "cannot be tested by multicast: %s", error);
}

void xf_multicast_test(const char *ssh, const char *host, struct xf_finding *f)
{
    int status;
    struct json_object *said = run(ssh, host, &status), *error = member(said, "error");

    *f = (struct xf_finding){.state = XF_FINDING_FAIL};
    if (said && json_object_get_boolean(member(said, "ok"))) {
        f->state = XF_FINDING_OK;
        snprintf(f->text, sizeof(f->text),
                 "is reached by multicast: %.2f Gbit/s, %" PRIu64 " of %" PRIu64 " packets lost",
                 (double)json_object_get_uint64(member(said, "wire_bps")) / 1e9,
                 json_object_get_uint64(member(said, "packets_lost")),
                 json_object_get_uint64(member(said, "packets_sent")));
    } else if (json_object_is_type(error, json_type_string)) {
        take_error(host, json_object_get_string(error), f);
    } else {
        snprintf(f->text, sizeof(f->text),
                 "cannot be tested by multicast: xl-fast bench link ended with status %d", status);
        snprintf(f->fix, sizeof(f->fix), "xl-fast bench link --multicast %.200s", host);
        f->fix_at_source = true;
    }
    json_object_put(said);
}

/* ---- a bridge here ------------------------------------------------------------------------- */

bool xf_multicast_bridge(const char *sysfs, const char *port, struct xf_finding *f)
{
    const char *name = strrchr(port, ':') ? strrchr(port, ':') + 1 : port;
    char dir[512], bridge[64];
    long snoops, asks;

    snprintf(dir, sizeof(dir), "%.200s/class/net/%.200s", sysfs, name);
    xf_sysfs_link(dir, "master", bridge, sizeof(bridge));
    snprintf(dir, sizeof(dir), "%.200s/class/net/%s/bridge", sysfs, bridge);
    if (!*bridge || !xf_sysfs_number(dir, "multicast_snooping", &snoops) || !snoops ||
        !xf_sysfs_number(dir, "multicast_querier", &asks) || asks)
        return false;
    *f = (struct xf_finding){.state = XF_FINDING_NOTE};
    snprintf(f->text, sizeof(f->text),
             "%s, which %.200s is on, snoops IGMP and is no querier: without another one it may "
             "forget who wants multicast",
             bridge, name);
    snprintf(f->fix, sizeof(f->fix), "ip link set %s type bridge mcast_querier 1", bridge);
    return true;
}
