/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Config: reads and checks xl-fast.conf, then applies the XL_FAST_* environment. */
#include "config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxlutil.h>
#include <xxhash.h>

#include "config_text.h"
#include "dpdk/lanes.h"
#include "transport/base/rate.h"

#define FILE_MAX_BYTES ((size_t)64 << 10)

static const char *const unasked_names[] = {
    [XF_UNASKED_OFF] = "off",
    [XF_UNASKED_TUNNELLED] = "tunnelled",
    [XF_UNASKED_ANY] = "any",
};

/* What is read, and what is wrong with it: the first error is kept, each is said. */
struct reading {
    struct xf_config *config;
    XLU_Config *cfg;
    const char *name; /* of the file */
    char *err;
    xf_config_say *say; /* NULL: the first is enough */
    void *arg;
    unsigned lines[XF_KEYS]; /* where each key stands; 0: nowhere */
};

__attribute__((format(printf, 2, 3))) static int refuse(struct reading *r, const char *format, ...)
{
    char line[XF_CONFIG_ERR_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (!r->err[0])
        strcpy(r->err, line);
    if (r->say)
        r->say(r->arg, line);
    return -EINVAL;
}

static int refuse_key(struct reading *r, unsigned line, const char *key, size_t len)
{
    int nearest = xf_config_key_nearest(key, len);
    int shown = len > 64 ? 64 : (int)len;

    if (nearest < 0)
        return refuse(r, "%s: line %u: unknown key '%.*s'", r->name, line, shown, key);
    return refuse(r, "%s: line %u: unknown key '%.*s': did you mean '%s'?", r->name, line, shown,
                  key, xf_config_key_names[nearest]);
}

/*
 * xlu_cfg answers for names it is asked for but does not list what there is; so find the names
 * here: an identifier before '=' or '+=', outside of quotes, brackets and comments.
 */
static int check_keys(struct reading *r, const char *text)
{
    unsigned line = 1, depth = 0;
    char quote = 0;
    int rc = 0;

    for (const char *p = text; *p; p++) {
        if (*p == '\n')
            line++;
        if (quote) {
            if (*p == '\\' && p[1])
                p++;
            else if (*p == quote)
                quote = 0;
        } else if (*p == '#') {
            while (p[1] && p[1] != '\n')
                p++;
        } else if (*p == '"' || *p == '\'') {
            quote = *p;
        } else if (*p == '[' || *p == ']') {
            depth += *p == '[' ? 1 : depth ? -1u : 0;
        } else if (!depth && (isalpha((unsigned char)*p) || *p == '_')) {
            size_t len =
                strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
            const char *after = p + len + strspn(p + len, " \t");

            if (*after == '=' || *after == '+') {
                int key = xf_config_key_find(p, len);

                if (key >= 0)
                    r->config->from_file |= 1u << key, r->lines[key] = line;
                else
                    rc = refuse_key(r, line, p, len);
            }
            p += len - 1;
        } else if (isdigit((unsigned char)*p)) {
            /* A number, so that the x of 0x10 does not look like a name. */
            while (isalnum((unsigned char)p[1]))
                p++;
        }
    }
    return rc;
}

/* `missing` if the key is not there. */
static long get_number(struct reading *r, enum xf_config_key key, long min, long max, long missing)
{
    const char *name = xf_config_key_names[key];
    long v;
    int rc = xlu_cfg_get_long(r->cfg, name, &v, 1);

    if (rc == ESRCH)
        return missing;
    if (rc || v < min || v > max) {
        refuse(r, "%s: %s must be a number from %ld to %ld", r->name, name, min, max);
        return missing;
    }
    return v;
}

static int get_port(struct reading *r)
{
    struct xf_config *c = r->config;
    const char *text;
    int rc = xlu_cfg_get_string(r->cfg, "port", &text, 1);

    if (rc == ESRCH)
        return refuse(r, "%s: port is missing: name the DPDK port, such as port = \"eth1\"",
                      r->name);
    if (rc || !*text || strlen(text) >= sizeof(c->port))
        return refuse(r, "%s: port must be a string of 1 to %zu characters", r->name,
                      sizeof(c->port) - 1);
    for (const char *p = text; *p; p++)
        if (!isgraph((unsigned char)*p))
            return refuse(r, "%s: port has a blank or control character", r->name);
    strcpy(c->port, text);
    return 0;
}

uint32_t xf_config_link_local(const char *host)
{
    uint64_t hash = XXH3_64bits(host, strlen(host));

    return 0xa9fe0000 | (uint32_t)(1 + hash % 254) << 8 | (uint32_t)(1 + hash / 254 % 254);
}

static void default_address(struct xf_config *c)
{
    char host[256] = "";

    gethostname(host, sizeof(host) - 1);
    c->ipv4 = xf_config_link_local(host);
    c->prefix = 16;
}

static int get_address(struct reading *r)
{
    const char *text;
    int rc = xlu_cfg_get_string(r->cfg, "address", &text, 1);

    if (rc == ESRCH) {
        default_address(r->config);
        return 0;
    }

    char ip[INET_ADDRSTRLEN] = "";
    unsigned prefix = 0;
    int end = 0;
    struct in_addr in;

    if (rc || sscanf(text, "%15[0-9.]/%2u%n", ip, &prefix, &end) != 2 || text[end] ||
        inet_pton(AF_INET, ip, &in) != 1 || prefix < 1 || prefix > 32)
        return refuse(r, "%s: address must be \"IP/PREFIX\", such as \"192.0.2.1/24\"", r->name);
    const char *wrong = xf_config_address_wrong(ntohl(in.s_addr), prefix);

    if (wrong)
        return refuse(r, "%s: line %u: address \"%s\" %s", r->name, r->lines[XF_KEY_ADDRESS], text,
                      wrong);
    r->config->ipv4 = ntohl(in.s_addr);
    r->config->prefix = prefix;
    return 0;
}

static int get_on_busy(struct reading *r)
{
    const char *text;
    int rc = xlu_cfg_get_string(r->cfg, "on_busy", &text, 1);

    if (rc == ESRCH)
        return 0;
    if (rc || xf_on_busy_parse(text, &r->config->on_busy))
        return refuse(r, "%s: on_busy must be \"go\" or \"abort\"", r->name);
    return 0;
}

static int get_hand_over(struct reading *r)
{
    const char *text;
    int rc = xlu_cfg_get_string(r->cfg, "hand_over", &text, 1);

    if (rc == ESRCH)
        return 0;
    r->config->hand_over_late = !rc && !strcmp(text, "late");
    if (rc || (!r->config->hand_over_late && strcmp(text, "auto") != 0))
        return refuse(r, "%s: hand_over must be \"auto\" or \"late\"", r->name);
    return 0;
}

static int get_bandwidth(struct reading *r)
{
    const char *text;
    int rc = xlu_cfg_get_string(r->cfg, "bandwidth", &text, 1);

    if (rc == ESRCH)
        return 0;
    if (rc || xf_rate_parse(text, &r->config->bandwidth_bytes_per_s))
        return refuse(r, "%s: bandwidth must be bits per second, such as \"2.5G\"", r->name);
    return 0;
}

static int get_cpus(struct reading *r)
{
    const char *text;
    int rc = xlu_cfg_get_string(r->cfg, "cpus", &text, 1);

    if (rc == ESRCH)
        return 0;
    if (rc || xf_cpu_list_parse(text, &r->config->cpus))
        return refuse(r, "%s: line %u: cpus must be %s", r->name, r->lines[XF_KEY_CPUS],
                      XF_CPU_LIST_WORDS);
    return 0;
}

static int get_compress(struct reading *r)
{
    const char *text;
    int rc = xlu_cfg_get_string(r->cfg, "compress", &text, 1);

    if (rc == ESRCH)
        return 0;
    if (rc || xf_compress_mode_parse(text, &r->config->compress))
        return refuse(r, "%s: compress must be one of %s", r->name, XF_COMPRESS_WORDS);
    return 0;
}

/* The launcher, xl-fast-helper, looks at it too. */
static int get_libvirt(struct reading *r)
{
    const char *text;
    int rc = xlu_cfg_get_string(r->cfg, "libvirt", &text, 1);

    if (rc == ESRCH)
        return 0;
    for (unsigned i = 0; !rc && i < sizeof(unasked_names) / sizeof(*unasked_names); i++) {
        if (!strcmp(text, unasked_names[i])) {
            r->config->libvirt = (enum xf_unasked)i;
            return 0;
        }
    }
    return refuse(r, "%s: libvirt must be \"off\", \"tunnelled\" or \"any\"", r->name);
}

static int get_stock_helper(struct reading *r)
{
    struct xf_config *c = r->config;
    const char *text;
    int rc = xlu_cfg_get_string(r->cfg, "stock_helper", &text, 1);

    if (rc == ESRCH)
        return 0;
    if (rc || *text != '/' || strlen(text) >= sizeof(c->stock_helper) || strpbrk(text, "\n\r"))
        return refuse(r, "%s: stock_helper must be the path of Xen's libxl-save-helper", r->name);
    strcpy(c->stock_helper, text);
    return 0;
}

/* All of them, whatever is wrong with one: who fixes a file wants to hear of every error. */
static void take(struct reading *r)
{
    struct xf_config *c = r->config;

    get_port(r);
    get_address(r);
    c->udp_port = (uint16_t)get_number(r, XF_KEY_UDP_PORT, 1, 65535, 0);
    c->lanes = (unsigned)get_number(r, XF_KEY_LANES, 1, XF_LANES_MAX, 0);
    get_cpus(r);
    c->mtu = (uint32_t)get_number(r, XF_KEY_MTU, 576, 9000, 0);
    c->connect_timeout_s = (unsigned)get_number(r, XF_KEY_CONNECT_TIMEOUT, 1, 3600, 30);
    c->max_downtime_us = (uint64_t)get_number(r, XF_KEY_MAX_DOWNTIME, 1, 3600000, 300) * 1000;
    get_on_busy(r);
    get_hand_over(r);
    c->deadline_s = (unsigned)get_number(r, XF_KEY_DEADLINE, 0, 86400, 0);
    c->throttle = get_number(r, XF_KEY_THROTTLE, 0, 1, 0);
    get_bandwidth(r);
    get_compress(r);
    c->verify = get_number(r, XF_KEY_VERIFY, 0, 1, 0);
    c->announce = get_number(r, XF_KEY_ANNOUNCE, 0, 1, 1);
    get_libvirt(r);
    get_stock_helper(r);
}

/* -1 if it is not set, or wrongly. */
static long env_number(struct reading *r, enum xf_config_key key, const char *name, long min,
                       long max)
{
    const char *text = getenv(name);
    char *end;

    if (!text || !*text)
        return -1;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (errno || *end || v < min || v > max) {
        refuse(r, "%s must be a number from %ld to %ld", name, min, max);
        return -1;
    }
    r->config->from_environment |= 1u << key;
    return v;
}

static void take_environment(struct reading *r)
{
    struct xf_config *c = r->config;
    const char *bandwidth = getenv("XL_FAST_BANDWIDTH"), *compress = getenv("XL_FAST_COMPRESS");
    const char *on_busy = getenv("XL_FAST_ON_BUSY");
    const char *helper = getenv("XL_FAST_STOCK_HELPER");
    long downtime = env_number(r, XF_KEY_MAX_DOWNTIME, "XL_FAST_MAX_DOWNTIME", 1, 3600000);
    long timeout = env_number(r, XF_KEY_CONNECT_TIMEOUT, "XL_FAST_CONNECT_TIMEOUT", 1, 3600);
    long deadline = env_number(r, XF_KEY_DEADLINE, "XL_FAST_DEADLINE", 0, 86400);
    long throttle = env_number(r, XF_KEY_THROTTLE, "XL_FAST_THROTTLE", 0, 1);
    long verify = env_number(r, XF_KEY_VERIFY, "XL_FAST_VERIFY", 0, 1);
    long lanes = env_number(r, XF_KEY_LANES, "XL_FAST_LANES", 1, XF_LANES_MAX);

    if (downtime > 0)
        c->max_downtime_us = (uint64_t)downtime * 1000;
    if (timeout > 0)
        c->connect_timeout_s = (unsigned)timeout;
    if (lanes > 0)
        c->lanes = (unsigned)lanes;
    if (deadline >= 0)
        c->deadline_s = (unsigned)deadline;
    if (throttle >= 0)
        c->throttle = throttle;
    if (verify >= 0)
        c->verify = verify;
    if (helper && *helper) {
        snprintf(c->stock_helper, sizeof(c->stock_helper), "%s", helper);
        c->from_environment |= 1u << XF_KEY_STOCK_HELPER;
    }
    if (bandwidth && *bandwidth) {
        if (xf_rate_parse(bandwidth, &c->bandwidth_bytes_per_s))
            refuse(r, "XL_FAST_BANDWIDTH must be bits per second, such as 2.5G");
        else
            c->from_environment |= 1u << XF_KEY_BANDWIDTH;
    }
    if (on_busy && *on_busy) {
        if (xf_on_busy_parse(on_busy, &c->on_busy))
            refuse(r, "XL_FAST_ON_BUSY must be go or abort");
        else
            c->from_environment |= 1u << XF_KEY_ON_BUSY;
    }
    if (compress && *compress) {
        if (xf_compress_mode_parse(compress, &c->compress))
            refuse(r, "XL_FAST_COMPRESS must be one of %s", XF_COMPRESS_WORDS);
        else
            c->from_environment |= 1u << XF_KEY_COMPRESS;
    }
}

static void refuse_line(void *arg, unsigned line, const char *words)
{
    struct reading *r = arg;

    refuse(r, "%s: line %u: %s", r->name, line, words);
}

static int read_text(struct reading *r, const char *text)
{
    char *report = NULL;
    size_t report_len = 0;
    int rc = 0;

    memset(r->config, 0, sizeof(*r->config));
    if (xf_config_text_check(text, refuse_line, r)) {
        check_keys(r, text + (strncmp(text, "\xef\xbb\xbf", 3) ? 0 : 3));
        return -EINVAL;
    }

    /* libxlutil reports syntax errors to a FILE: catch its first line. */
    FILE *out = open_memstream(&report, &report_len);
    if (!out || !(r->cfg = xlu_cfg_init(out, r->name))) {
        refuse(r, "%s: out of memory", r->name);
        rc = -ENOMEM;
        goto out;
    }
    if (xlu_cfg_readdata(r->cfg, text, (int)strlen(text))) {
        fflush(out);
        rc = refuse(r, "%.*s", (int)strcspn(report, "\n"), report);
        goto out;
    }
    check_keys(r, text);
    take(r);
    take_environment(r);
    if (r->err[0])
        rc = -EINVAL;
out:
    if (r->cfg)
        xlu_cfg_destroy(r->cfg);
    if (out)
        fclose(out);
    free(report);
    return rc;
}

static int read_file(struct reading *r)
{
    char *text = NULL;
    size_t len = 0;
    int rc = 0;

    int fd = open(r->name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        rc = -errno;
        refuse(r, "%s: %s (it names the port to migrate over)", r->name, strerror(-rc));
        goto out;
    }
    text = malloc(FILE_MAX_BYTES + 1);
    if (!text) {
        rc = -ENOMEM;
        refuse(r, "%s: out of memory", r->name);
        goto out;
    }
    while (len < FILE_MAX_BYTES) {
        ssize_t n = read(fd, text + len, FILE_MAX_BYTES - len);

        if (n < 0) {
            rc = -errno;
            refuse(r, "%s: %s", r->name, strerror(-rc));
            goto out;
        }
        if (!n)
            break;
        len += (size_t)n;
    }
    text[len] = 0;
    if (len == FILE_MAX_BYTES || strlen(text) != len)
        rc = refuse(r, "%s: not a configuration file", r->name);
    else
        rc = read_text(r, text);
out:
    free(text);
    if (fd >= 0)
        close(fd);
    return rc;
}

const char *xf_config_path(void)
{
    const char *path = getenv("XL_FAST_CONF");

    return path && *path ? path : XF_CONFIG_PATH;
}

const char *xf_config_unasked_name(enum xf_unasked unasked)
{
    return unasked_names[unasked];
}

int xf_config_parse(struct xf_config *config, const char *text, const char *name,
                    char err[XF_CONFIG_ERR_BYTES])
{
    struct reading r = {.config = config, .name = name, .err = err};

    err[0] = 0;
    return read_text(&r, text);
}

int xf_config_load(struct xf_config *config, const char *path, char err[XF_CONFIG_ERR_BYTES])
{
    struct reading r = {
        .config = config, .name = path && *path ? path : xf_config_path(), .err = err};

    err[0] = 0;
    return read_file(&r);
}

int xf_config_check(struct xf_config *config, const char *path, xf_config_say *say, void *arg)
{
    char err[XF_CONFIG_ERR_BYTES] = "";
    struct reading r = {.config = config,
                        .name = path && *path ? path : xf_config_path(),
                        .err = err,
                        .say = say,
                        .arg = arg};

    memset(config, 0, sizeof(*config));
    return read_file(&r);
}
