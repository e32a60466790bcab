/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connect: by ip and bridge, as root would type it. */
#include "connect.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libxl_utils.h>
#include <xenstore.h>

#include "xl-plugin/migrate/clone_words.h"

#define STILL_MS   100 /* a ring that gives nothing for so long is empty */
#define DRAIN_MAX  10  /* looks */
#define CARD_BYTES 16

__attribute__((format(printf, 3, 4))) static int fail(char why[XF_CONNECT_WHY], int code,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, XF_CONNECT_WHY, format, args);
    va_end(args);
    return code;
}

/* ---- its words ----------------------------------------------------------------------------- */

static int run(char why[XF_CONNECT_WHY], const char *const *words)
{
    pid_t pid = fork();
    int status;

    if (!pid) {
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    if (pid < 0)
        return fail(why, -errno, "fork: %s", strerror(errno));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return fail(why, -errno, "waitpid: %s", strerror(errno));
    if (WIFEXITED(status) && !WEXITSTATUS(status))
        return 0;
    return fail(why, -EIO, "%s %s has failed, as said above", words[0], words[1]);
}

#define RUN(why, ...) run(why, (const char *const[]){__VA_ARGS__, NULL})

/* ---- the card ------------------------------------------------------------------------------ */

struct card {
    char name[CARD_BYTES], mac[18], bridge[IFNAMSIZ];
};

static bool file_says(const char *card, const char *file, char *to, size_t size)
{
    char path[100];
    FILE *f;
    bool ok;

    snprintf(path, sizeof(path), "/sys/class/net/%s/%s", card, file);
    f = fopen(path, "re");
    ok = f && fgets(to, (int)size, f);
    if (f)
        fclose(f);
    return ok;
}

/* What the guest has put on its ring so far goes nowhere. One that sends all the time does so as
   what it is now. */
static int drain(const struct card *c, char why[XF_CONNECT_WHY])
{
    char before[32] = "", now[32] = "";

    if (RUN(why, "ip", "link", "set", "dev", c->name, "up"))
        return -EIO;
    for (unsigned i = 0; i < DRAIN_MAX; i++) {
        poll(NULL, 0, STILL_MS);
        if (!file_says(c->name, "statistics/rx_packets", now, sizeof(now)))
            return fail(why, -ENODEV, "%s is gone", c->name);
        if (i && !strcmp(before, now))
            return 0;
        strcpy(before, now);
    }
    return 0;
}

static int put_on_bridge(const struct card *c, char why[XF_CONNECT_WHY])
{
    return RUN(why, "ip", "link", "set", "dev", c->name, "down")
               ?: RUN(why, "ip", "link", "set", "dev", c->name, "master", c->bridge)
               ?: RUN(why, "bridge", "link", "set", "dev", c->name, "learning", "off", "locked",
                      "on")
               ?: RUN(why, "bridge", "fdb", "replace", c->mac, "dev", c->name, "master", "static")
               ?: RUN(why, "ip", "link", "set", "dev", c->name, "up");
}

/* As it was: no frame leaves. */
static void fence_again(const struct card *c)
{
    char why[XF_CONNECT_WHY];

    RUN(why, "ip", "link", "set", "dev", c->name, "down");
    RUN(why, "ip", "link", "set", "dev", c->name, "nomaster");
}

static int connect_card(const struct card *c, char why[XF_CONNECT_WHY])
{
    int rc;

    if (!if_nametoindex(c->name))
        return fail(why, -ENODEV, "there is no %s", c->name);
    if (!if_nametoindex(c->bridge))
        return fail(why, -ENODEV, "there is no bridge '%s' on this host", c->bridge);
    rc = drain(c, why) ?: put_on_bridge(c, why);
    if (rc)
        fence_again(c);
    return rc;
}

/* ---- the copy ------------------------------------------------------------------------------ */

static bool is_fenced(const libxl_device_nic *nic)
{
    const char *script = nic->script ? strrchr(nic->script, '/') : NULL;

    return script && !strcmp(script, "/xl-fast-vif-fenced");
}

static int check_ready(struct xs_handle *xs, uint32_t domid, char why[XF_CONNECT_WHY])
{
    char path[100];
    unsigned n = 0;
    char *said;

    snprintf(path, sizeof(path), "/local/domain/%u/" XF_CLONE_READY, domid);
    said = xs_read(xs, XBT_NULL, path, &n);
    bool is = said && !strcmp(said, "1");

    free(said);
    return is ? 0
              : fail(why, -EAGAIN,
                     "its guest has not said that it is told apart: it still has the addresses of "
                     "the guest it was cloned from; see xl-fast-clone(1), IN THE GUEST "
                     "(" XF_CLONE_READY " in its xenstore)");
}

/* From now on, wherever it moves, it is attached as others are. */
static int forget_fence(libxl_ctx *ctx, uint32_t domid, char why[XF_CONNECT_WHY])
{
    libxl_domain_config config;
    uint8_t *bytes = NULL;
    int n = 0, rc = 0;
    char *json = NULL;

    libxl_domain_config_init(&config);
    if (libxl_userdata_retrieve(ctx, domid, "libxl-json", &bytes, &n) || !bytes || n <= 0 ||
        bytes[n - 1] || libxl_domain_config_from_json(ctx, &config, (char *)bytes))
        rc = fail(why, -EIO, "libxl's configuration of it cannot be read");
    for (int i = 0; i < config.num_nics && !rc; i++)
        if (is_fenced(&config.nics[i])) {
            free(config.nics[i].script);
            config.nics[i].script = NULL;
        }
    if (!rc &&
        (!(json = libxl_domain_config_to_json(ctx, &config)) ||
         libxl_userdata_store(ctx, domid, "libxl-json", (uint8_t *)json, (int)strlen(json) + 1)))
        rc = fail(why, -EIO, "libxl's configuration of it cannot be written");
    free(json);
    free(bytes);
    libxl_domain_config_dispose(&config);
    return rc;
}

static void fill(struct card *c, uint32_t domid, const libxl_device_nic *nic)
{
    snprintf(c->name, sizeof(c->name), "vif%u.%d", domid, nic->devid);
    snprintf(c->mac, sizeof(c->mac), LIBXL_MAC_FMT, LIBXL_MAC_BYTES(nic->mac));
    snprintf(c->bridge, sizeof(c->bridge), "%.15s", nic->bridge ? nic->bridge : "");
}

static int connect_all(libxl_ctx *ctx, uint32_t domid, const libxl_domain_config *config,
                       char why[XF_CONNECT_WHY])
{
    unsigned fenced = 0;
    struct card card;
    int rc = 0;

    for (int i = 0; i < config->num_nics && !rc; i++) {
        if (!is_fenced(&config->nics[i]))
            continue;
        fenced++;
        fill(&card, domid, &config->nics[i]);
        rc = connect_card(&card, why);
        if (!rc)
            printf("%s is on %s, and sends as %s alone\n", card.name, card.bridge, card.mac);
    }
    if (!rc && !fenced)
        return fail(why, -ENOENT, "none of its network cards is fenced");
    return rc ?: forget_fence(ctx, domid, why);
}

int xf_connect(libxl_ctx *ctx, const char *name, char why[XF_CONNECT_WHY])
{
    struct xs_handle *xs = xs_open(0);
    libxl_domain_config config;
    uint32_t domid = 0;
    int rc = 0;

    libxl_domain_config_init(&config);
    if (!xs)
        rc = fail(why, -EIO, "cannot reach xenstore");
    else if (libxl_domain_qualifier_to_domid(ctx, name, &domid))
        rc = fail(why, -ENOENT, "there is no such domain on this host");
    else if (libxl_retrieve_domain_configuration(ctx, domid, &config, NULL))
        rc = fail(why, -EIO, "its configuration cannot be read");
    rc = rc ?: check_ready(xs, domid, why);
    rc = rc ?: connect_all(ctx, domid, &config, why);
    libxl_domain_config_dispose(&config);
    if (xs)
        xs_close(xs);
    return rc;
}
