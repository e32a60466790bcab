/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded: a libxl without Xen that has one running guest, for xl-fast-clone. What is done to it
 * is a line each in the file XF_TEST_LOG: suspend, resume; its state is the file XF_TEST_STATE.
 * XF_TEST_FAULT: suspend-early fails before the guest is touched, suspend-late after it has been
 * suspended; resume fails; hang stays in the suspend.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>

static bool is_fault(const char *name)
{
    const char *fault = getenv("XF_TEST_FAULT");

    return fault && !strcmp(fault, name);
}

static void put(const char *path, const char *mode, const char *line)
{
    FILE *f = fopen(path, mode);

    if (f) {
        fprintf(f, "%s\n", line);
        fclose(f);
    }
}

static void set_state(const char *state)
{
    put(getenv("XF_TEST_STATE"), "w", state);
}

static bool is_suspended(void)
{
    FILE *f = fopen(getenv("XF_TEST_STATE"), "r");
    char line[32] = "";

    if (f) {
        if (!fgets(line, sizeof(line), f))
            line[0] = 0;
        fclose(f);
    }
    return !strcmp(line, "suspended\n");
}

int libxl_ctx_alloc(libxl_ctx **out, int version, unsigned flags, xentoollog_logger *logger)
{
    (void)version;
    (void)flags;
    (void)logger;
    *out = malloc(1);
    return 0;
}

int libxl_ctx_free(libxl_ctx *ctx)
{
    free(ctx);
    return 0;
}

void libxl_childproc_setmode(libxl_ctx *ctx, const libxl_childproc_hooks *hooks, void *user)
{
    (void)ctx;
    (void)hooks;
    (void)user;
}

int libxl_domain_qualifier_to_domid(libxl_ctx *ctx, const char *name, uint32_t *domid)
{
    (void)ctx;
    (void)name;
    *domid = 1;
    return 0;
}

libxl_dominfo *libxl_list_domain(libxl_ctx *ctx, int *n)
{
    libxl_dominfo *all = calloc(1, sizeof(*all));

    (void)ctx;
    *n = 1;
    libxl_uuid_from_string(&all->uuid, getenv("XF_TEST_UUID"));
    return all;
}

int libxl_retrieve_domain_configuration(libxl_ctx *ctx, uint32_t domid, libxl_domain_config *config,
                                        const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)domid;
    (void)how;
    config->c_info.name = strdup("web");
    config->c_info.type = LIBXL_DOMAIN_TYPE_PVH;
    return 0;
}

char *libxl_domain_config_to_json(libxl_ctx *ctx, libxl_domain_config *config)
{
    char *json;

    (void)ctx;
    return asprintf(&json, "{\"name\": \"%s\", \"told\": \"%s\"}", config->c_info.name,
                    config->c_info.xsdata[1]) < 0
               ? NULL
               : json;
}

int libxl_domain_info(libxl_ctx *ctx, libxl_dominfo *info, uint32_t domid)
{
    (void)ctx;
    (void)domid;
    info->shutdown = is_suspended();
    info->shutdown_reason = LIBXL_SHUTDOWN_REASON_SUSPEND;
    return 0;
}

int libxl_domain_suspend(libxl_ctx *ctx, uint32_t domid, int fd, int flags,
                         const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)domid;
    (void)flags;
    (void)how;
    if (is_fault("suspend-early"))
        return ERROR_FAIL;
    set_state("suspended");
    put(getenv("XF_TEST_LOG"), "a", "suspend");
    if (is_fault("hang"))
        for (;;)
            pause();
    if (is_fault("suspend-late"))
        return ERROR_FAIL;
    return write(fd, "stream", 6) == 6 ? 0 : ERROR_FAIL;
}

int libxl_domain_resume(libxl_ctx *ctx, uint32_t domid, int cancel, const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)domid;
    (void)cancel;
    (void)how;
    if (is_fault("resume"))
        return ERROR_FAIL;
    set_state("running");
    put(getenv("XF_TEST_LOG"), "a", "resume");
    return 0;
}
