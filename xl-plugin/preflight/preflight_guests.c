/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast-preflight guests: the domains of this host, for `xl-fast evacuate`. Of each, key=value
 * lines: domain (its number), uuid, name, state (running, paused, suspended, shut-down, dying: the
 * words of xl-plugin/recover/recover_look.h), cpu_time_ns, and, where that can be told, need_kib,
 * what it needs at a target; stays, why it cannot move to any, or lines ask (preflight_question.h).
 * Then "all=said". Domains that work for another one (its device model) are left out: they go with
 * it.
 */
#include "checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <libxl_utils.h>

int xf_preflight_need(libxl_ctx *ctx, uint32_t domid, libxl_domain_config *config,
                      uint64_t *need_kib)
{
    int rc = libxl_retrieve_domain_configuration(ctx, domid, config, NULL);

    return rc ? rc : libxl_domain_need_memory(ctx, config, domid, need_kib);
}

static const char *state_of(const libxl_dominfo *info)
{
    return info->dying       ? "dying"
           : !info->shutdown ? (info->paused ? "paused" : "running")
           : info->shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND ? "suspended"
                                                                    : "shut-down";
}

/* A name is anybody's text: what would end the line is another character, that no name may have. */
static void print_name(const char *name)
{
    printf("name=");
    for (; name && *name; name++)
        putchar(*name == '\n' ? '\001' : *name);
    printf("\n");
}

/* dom0, and a domain that is being made or ends, have no configuration that could be asked for. */
static void print_need(struct xf_preflight *p, const libxl_dominfo *info)
{
    libxl_domain_config config;
    uint64_t need_kib = 0;

    if (!info->domid || info->dying || info->shutdown)
        return;
    libxl_domain_config_init(&config);
    if (!xf_preflight_need(p->ctx, info->domid, &config, &need_kib)) {
        printf("need_kib=%" PRIu64 "\n", need_kib);
        if (xf_preflight_asks(p, info, &config))
            printf("stays=%s%s%s\n", p->text, p->fix[0] ? "; fix: " : "", p->fix);
        p->fix[0] = 0;
    }
    libxl_domain_config_dispose(&config);
}

int xf_check_guests(struct xf_preflight *p)
{
    libxl_ctx *ctx = p->ctx;
    int n;
    libxl_dominfo *all = libxl_list_domain(ctx, &n);

    if (!all)
        return xf_refuse(p, "cannot list the domains");
    for (int i = 0; i < n; i++) {
        uint32_t whose;
        char *name;

        if (libxl_is_stubdom(ctx, all[i].domid, &whose))
            continue;
        name = libxl_domid_to_name(ctx, all[i].domid);
        printf("domain=%" PRIu32 "\nuuid=" LIBXL_UUID_FMT "\n", all[i].domid,
               LIBXL_UUID_BYTES(all[i].uuid));
        print_name(name);
        printf("state=%s\ncpu_time_ns=%" PRIu64 "\n", state_of(&all[i]), all[i].cpu_time);
        print_need(p, &all[i]);
        free(name);
    }
    printf("all=said\n");
    libxl_dominfo_list_free(all, n);
    return xf_pass(p, "%d domains", n);
}
