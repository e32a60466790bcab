/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded: a libxl without Xen that has one running guest, for xl-fast-clone. What is done to it
 * is a line each in the file XF_TEST_LOG: suspend, resume; its state is the file XF_TEST_STATE.
 * To several (XL_FAST_TARGETS) it writes what libxl and a save helper of ours would, cut short.
 * XF_TEST_FAULT: suspend-early fails before the guest is touched, suspend-late after it has been
 * suspended; resume fails; hang stays in the suspend;
 * drop: the source drops its second target; one: the helper sends to one target.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <endian.h>

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

static bool put_record(int fd, uint32_t type, const void *body, uint32_t length)
{
    const uint32_t header[2] = {type, length};

    return write(fd, header, sizeof(header)) == sizeof(header) &&
           write(fd, body, length) == (ssize_t)length;
}

/* The records: xl-plugin/plugin/stream.h. */
static bool put_to_several(int fd, const char *targets)
{
    static const uint8_t headers[40], offer[96];
    const uint64_t libxl[3] = {htobe64(0x4c6962786c466d74), htobe32(2), 1};
    uint8_t members[64][64] = {0}, dropped[264] = {1};
    uint32_t n = 1;
    bool ok;

    for (const char *c = targets; *c; c++)
        n += *c == ' ';
    for (uint32_t i = 0; i < n; i++)
        members[i][0] = (uint8_t)i;
    strcpy((char *)dropped + 8, "hostc is too slow");
    ok = write(fd, libxl, sizeof(libxl)) == sizeof(libxl) &&
         write(fd, headers, sizeof(headers)) == sizeof(headers) &&
         put_record(fd, 0x58460001, offer, sizeof(offer));
    if (!is_fault("one"))
        ok = ok && put_record(fd, 0x58460007, members, n * 64);
    ok = ok && put_record(fd, 0x10, "", 0);
    if (is_fault("drop"))
        ok = ok && put_record(fd, 0x58460008, dropped, sizeof(dropped));
    return ok && put_record(fd, 0x58460002, headers, 32);
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
    const char *targets = getenv("XL_FAST_TARGETS");

    if (targets && !put_to_several(fd, targets))
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
