/* SPDX-License-Identifier: LGPL-2.1-or-later */
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

#include "../../transport/rate.h"

#define FILE_MAX_BYTES ((size_t)64 << 10)

static const char *const known_keys[] = {
    "port",         "address",   "udp_port", "queues",  "mtu",          "connect_timeout",
    "max_downtime", "bandwidth", "verify",   "libvirt", "stock_helper",
};

__attribute__((format(printf, 2, 3))) static int refuse(char *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(err, XF_CONFIG_ERR_BYTES, format, args);
    va_end(args);
    return -EINVAL;
}

static bool known(const char *key, size_t len)
{
    for (size_t i = 0; i < sizeof(known_keys) / sizeof(*known_keys); i++)
        if (strlen(known_keys[i]) == len && !memcmp(known_keys[i], key, len))
            return true;
    return false;
}

/*
 * xlu_cfg answers for names it is asked for but does not list what there is; so find the names
 * here: an identifier before '=' or '+=', outside of quotes, brackets and comments.
 */
static int check_keys(const char *text, const char *name, char *err)
{
    unsigned line = 1, depth = 0;
    char quote = 0;

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

            if ((*after == '=' || *after == '+') && !known(p, len))
                return refuse(err, "%s: line %u: unknown key '%.*s'", name, line,
                              len > 64 ? 64 : (int)len, p);
            p += len - 1;
        } else if (isdigit((unsigned char)*p)) {
            /* A number, so that the x of 0x10 does not look like a name. */
            while (isalnum((unsigned char)p[1]))
                p++;
        }
    }
    return 0;
}

/* Leaves *value alone if the key is not there. */
static int get_number(XLU_Config *cfg, const char *name, const char *key, long min, long max,
                      long *value, char *err)
{
    long v;
    int rc = xlu_cfg_get_long(cfg, key, &v, 1);

    if (rc == ESRCH)
        return 0;
    if (rc || v < min || v > max)
        return refuse(err, "%s: %s must be a number from %ld to %ld", name, key, min, max);
    *value = v;
    return 0;
}

static int get_port(XLU_Config *cfg, const char *name, struct xf_config *c, char *err)
{
    const char *text;
    int rc = xlu_cfg_get_string(cfg, "port", &text, 1);

    if (rc == ESRCH)
        return refuse(err, "%s: port is missing: name the DPDK port, such as port = \"eth1\"",
                      name);
    if (rc || !*text || strlen(text) >= sizeof(c->port))
        return refuse(err, "%s: port must be a string of 1 to %zu characters", name,
                      sizeof(c->port) - 1);
    for (const char *p = text; *p; p++)
        if (!isgraph((unsigned char)*p))
            return refuse(err, "%s: port has a blank or control character", name);
    strcpy(c->port, text);
    return 0;
}

static int get_address(XLU_Config *cfg, const char *name, struct xf_config *c, char *err)
{
    const char *text;
    int rc = xlu_cfg_get_string(cfg, "address", &text, 1);

    if (rc == ESRCH)
        return refuse(err, "%s: address is missing, such as address = \"192.0.2.1/24\"", name);

    char ip[INET_ADDRSTRLEN] = "";
    unsigned prefix = 0;
    int end = 0;
    struct in_addr in;

    if (rc || sscanf(text, "%15[0-9.]/%2u%n", ip, &prefix, &end) != 2 || text[end] ||
        inet_pton(AF_INET, ip, &in) != 1 || prefix < 1 || prefix > 32)
        return refuse(err, "%s: address must be \"IP/PREFIX\", such as \"192.0.2.1/24\"", name);
    c->ipv4 = ntohl(in.s_addr);
    c->prefix = prefix;
    return 0;
}

/* The launcher, xl-fast-helper, looks at it too. */
static int get_libvirt(XLU_Config *cfg, const char *name, struct xf_config *c, char *err)
{
    static const char *const words[] = {
        [XF_UNASKED_OFF] = "off",
        [XF_UNASKED_TUNNELLED] = "tunnelled",
        [XF_UNASKED_ANY] = "any",
    };
    const char *text;
    int rc = xlu_cfg_get_string(cfg, "libvirt", &text, 1);

    if (rc == ESRCH)
        return 0;
    for (unsigned i = 0; !rc && i < sizeof(words) / sizeof(*words); i++) {
        if (!strcmp(text, words[i])) {
            c->libvirt = (enum xf_unasked)i;
            return 0;
        }
    }
    return refuse(err, "%s: libvirt must be \"off\", \"tunnelled\" or \"any\"", name);
}

static int take(XLU_Config *cfg, const char *name, struct xf_config *c, char *err)
{
    const char *text;
    long udp = 0, queues = 0, mtu = 0, timeout = 30, downtime = 300, verify = 0;
    int rc = get_port(cfg, name, c, err);

    rc = rc ?: get_address(cfg, name, c, err);
    rc = rc ?: get_number(cfg, name, "udp_port", 1, 65535, &udp, err);
    rc = rc ?: get_number(cfg, name, "queues", 1, 64, &queues, err);
    rc = rc ?: get_number(cfg, name, "mtu", 576, 9000, &mtu, err);
    rc = rc ?: get_number(cfg, name, "connect_timeout", 1, 3600, &timeout, err);
    rc = rc ?: get_number(cfg, name, "max_downtime", 1, 3600000, &downtime, err);
    rc = rc ?: get_number(cfg, name, "verify", 0, 1, &verify, err);
    rc = rc ?: get_libvirt(cfg, name, c, err);
    if (rc)
        return rc;

    rc = xlu_cfg_get_string(cfg, "bandwidth", &text, 1);
    if (rc != ESRCH && (rc || xf_rate_parse(text, &c->bandwidth_bytes_per_s)))
        return refuse(err, "%s: bandwidth must be bits per second, such as \"2.5G\"", name);

    c->udp_port = (uint16_t)udp;
    c->queues = (unsigned)queues;
    c->mtu = (uint32_t)mtu;
    c->connect_timeout_s = (unsigned)timeout;
    c->max_downtime_us = (uint64_t)downtime * 1000;
    c->verify = verify;
    return 0;
}

static int env_number(const char *name, long min, long max, long *value, char *err)
{
    const char *text = getenv(name);
    char *end;

    if (!text || !*text)
        return 0;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (errno || *end || v < min || v > max)
        return refuse(err, "%s must be a number from %ld to %ld", name, min, max);
    *value = v;
    return 0;
}

static int take_environment(struct xf_config *c, char *err)
{
    const char *text = getenv("XL_FAST_BANDWIDTH");
    long downtime = -1, timeout = -1, verify = -1;
    int rc = env_number("XL_FAST_MAX_DOWNTIME", 1, 3600000, &downtime, err);

    rc = rc ?: env_number("XL_FAST_CONNECT_TIMEOUT", 1, 3600, &timeout, err);
    rc = rc ?: env_number("XL_FAST_VERIFY", 0, 1, &verify, err);
    if (rc)
        return rc;
    if (downtime > 0)
        c->max_downtime_us = (uint64_t)downtime * 1000;
    if (timeout > 0)
        c->connect_timeout_s = (unsigned)timeout;
    if (verify >= 0)
        c->verify = verify;
    if (text && *text && xf_rate_parse(text, &c->bandwidth_bytes_per_s))
        return refuse(err, "XL_FAST_BANDWIDTH must be bits per second, such as 2.5G");
    return 0;
}

int xf_config_parse(struct xf_config *config, const char *text, const char *name,
                    char err[XF_CONFIG_ERR_BYTES])
{
    char *report = NULL;
    size_t report_len = 0;
    XLU_Config *cfg = NULL;
    int rc;

    memset(config, 0, sizeof(*config));
    err[0] = 0;

    /* libxlutil reports syntax errors to a FILE: catch its first line. */
    FILE *out = open_memstream(&report, &report_len);
    if (!out || !(cfg = xlu_cfg_init(out, name))) {
        snprintf(err, XF_CONFIG_ERR_BYTES, "%s: out of memory", name);
        rc = -ENOMEM;
        goto out;
    }
    if (xlu_cfg_readdata(cfg, text, (int)strlen(text))) {
        fflush(out);
        rc = refuse(err, "%.*s", (int)strcspn(report, "\n"), report);
        goto out;
    }
    rc = check_keys(text, name, err);
    if (!rc)
        rc = take(cfg, name, config, err);
    if (!rc)
        rc = take_environment(config, err);
out:
    if (cfg)
        xlu_cfg_destroy(cfg);
    if (out)
        fclose(out);
    free(report);
    return rc;
}

int xf_config_load(struct xf_config *config, const char *path, char err[XF_CONFIG_ERR_BYTES])
{
    char *text = NULL;
    size_t len = 0;
    int rc = 0;

    if (!path)
        path = getenv("XL_FAST_CONF");
    if (!path || !*path)
        path = XF_CONFIG_PATH;

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        rc = -errno;
        snprintf(err, XF_CONFIG_ERR_BYTES, "%s: %s (it names the port to migrate over)", path,
                 strerror(errno));
        goto out;
    }
    text = malloc(FILE_MAX_BYTES + 1);
    if (!text) {
        rc = -ENOMEM;
        snprintf(err, XF_CONFIG_ERR_BYTES, "%s: out of memory", path);
        goto out;
    }
    while (len < FILE_MAX_BYTES) {
        ssize_t n = read(fd, text + len, FILE_MAX_BYTES - len);

        if (n < 0) {
            rc = -errno;
            snprintf(err, XF_CONFIG_ERR_BYTES, "%s: %s", path, strerror(errno));
            goto out;
        }
        if (!n)
            break;
        len += (size_t)n;
    }
    text[len] = 0;
    if (len == FILE_MAX_BYTES || strlen(text) != len)
        rc = refuse(err, "%s: not a configuration file", path);
    else
        rc = xf_config_parse(config, text, path, err);
out:
    free(text);
    if (fd >= 0)
        close(fd);
    return rc;
}
