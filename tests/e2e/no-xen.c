/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded: a libxl of a host without Xen. It has the domains that the file XF_TEST_DOMAINS names,
 * a line each: a name, and perhaps the path of its disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl.h>
#include <libxl_utils.h>

#define DOMAINS_MAX 8

static char names[DOMAINS_MAX][256], disks[DOMAINS_MAX][1024];

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

libxl_dominfo *libxl_list_domain(libxl_ctx *ctx, int *n)
{
    libxl_dominfo *all = calloc(DOMAINS_MAX, sizeof(*all));
    const char *path = getenv("XF_TEST_DOMAINS");
    FILE *f = path ? fopen(path, "re") : NULL;
    char line[1400];

    (void)ctx;
    for (*n = 0; f && *n < DOMAINS_MAX && fgets(line, sizeof(line), f); (*n)++) {
        disks[*n][0] = 0;
        sscanf(line, "%255s %1023s", names[*n], disks[*n]);
        all[*n].domid = (uint32_t)*n;
    }
    if (f)
        fclose(f);
    return all;
}

char *libxl_domid_to_name(libxl_ctx *ctx, uint32_t domid)
{
    (void)ctx;
    return strdup(names[domid]);
}

libxl_device_disk *libxl_device_disk_list(libxl_ctx *ctx, uint32_t domid, int *n)
{
    libxl_device_disk *list = calloc(1, sizeof(*list));

    (void)ctx;
    libxl_device_disk_init(list);
    list->pdev_path = strdup(disks[domid]);
    *n = disks[domid][0] != 0;
    return list;
}
