/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded: libxl, xenstore and grants of a host without Xen. It has the domains that the file
 * XF_TEST_DOMAINS names, a line each: a name, and perhaps the path of its disk. Of each the disk is
 * xvda, its backend's device is XF_TEST_DEVICE (major:minor, as xenstore has it), and its ring is
 * the file XF_TEST_RING.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>
#include <xengnttab.h>
#include <xenstore.h>

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

int libxl_retrieve_domain_configuration(libxl_ctx *ctx, uint32_t domid, libxl_domain_config *config,
                                        const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)how;
    config->c_info.name = strdup(names[domid]);
    config->num_disks = 1;
    config->disks = calloc(1, sizeof(*config->disks));
    libxl_device_disk_init(config->disks);
    config->disks->pdev_path = strdup(disks[domid]);
    config->disks->vdev = strdup("xvda");
    config->disks->format = LIBXL_DISK_FORMAT_RAW;
    return 0;
}

/* ---- xenstore ------------------------------------------------------------------------------ */

struct xs_handle *xs_open(unsigned long flags)
{
    (void)flags;
    return malloc(1);
}

void xs_close(struct xs_handle *xs)
{
    free(xs);
}

char **xs_directory(struct xs_handle *xs, xs_transaction_t t, const char *path, unsigned *n)
{
    char **list = malloc(sizeof(*list) + 8);

    (void)xs;
    (void)t;
    (void)path;
    list[0] = (char *)(list + 1);
    strcpy(list[0], "51712");
    *n = 1;
    return list;
}

void *xs_read(struct xs_handle *xs, xs_transaction_t t, const char *path, unsigned *n)
{
    const char *node = strrchr(path, '/') + 1;
    const char *value = !strcmp(node, "dev")               ? "xvda"
                        : !strcmp(node, "state")           ? "4"
                        : !strcmp(node, "ring-ref")        ? "8"
                        : !strcmp(node, "physical-device") ? getenv("XF_TEST_DEVICE")
                                                           : NULL;

    (void)xs;
    (void)t;
    *n = value ? (unsigned)strlen(value) : 0;
    return value ? strdup(value) : NULL;
}

/* ---- grants -------------------------------------------------------------------------------- */

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    return malloc(1);
}

int xengnttab_close(xengnttab_handle *g)
{
    free(g);
    return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *g, uint32_t domid, uint32_t ref, int prot)
{
    int fd = open(getenv("XF_TEST_RING"), O_RDONLY | O_CLOEXEC);
    void *page = mmap(NULL, 4096, prot, MAP_SHARED, fd, 0);

    (void)g;
    (void)domid;
    (void)ref;
    close(fd);
    return page == MAP_FAILED ? NULL : page;
}

int xengnttab_unmap(xengnttab_handle *g, void *page, uint32_t n)
{
    (void)g;
    return munmap(page, n * 4096);
}
