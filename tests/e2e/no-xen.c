/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded: libxl, xenstore and grants of a host without Xen. It has the domains that the file
 * XF_TEST_DOMAINS names, a line each: a name, and perhaps the paths of its disks. Of each these are
 * xvda and xvdb, qcow2 images by their names; their backends' devices are XF_TEST_DEVICE and
 * XF_TEST_DEVICE_B (major:minor, as xenstore has it), and their ring is the file XF_TEST_RING. The
 * last digits of a domain's UUID are how many are above it. A domain is paused, and goes on, by a
 * line to the socket XF_TEST_PAUSES, and one that comes back.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>
#include <xengnttab.h>
#include <xenstore.h>

#define DOMAINS_MAX 8
#define DISKS_MAX   2

static char names[DOMAINS_MAX][256], disks[DOMAINS_MAX][DISKS_MAX][1024];

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
    char line[2400];

    (void)ctx;
    for (*n = 0; f && *n < DOMAINS_MAX && fgets(line, sizeof(line), f); (*n)++) {
        disks[*n][0][0] = disks[*n][1][0] = 0;
        sscanf(line, "%255s %1023s %1023s", names[*n], disks[*n][0], disks[*n][1]);
        all[*n].domid = (uint32_t)*n + 1;
        all[*n].uuid.uuid[15] = (uint8_t)*n;
    }
    if (f)
        fclose(f);
    return all;
}

char *libxl_domid_to_name(libxl_ctx *ctx, uint32_t domid)
{
    (void)ctx;
    return strdup(names[domid - 1]);
}

static libxl_device_disk *list_disks(uint32_t domid, int *n)
{
    static const char *const vdevs[DISKS_MAX] = {"xvda", "xvdb"};
    libxl_device_disk *list = calloc(DISKS_MAX, sizeof(*list));

    for (*n = 0; *n < DISKS_MAX && disks[domid - 1][*n][0]; (*n)++) {
        const char *path = disks[domid - 1][*n];

        libxl_device_disk_init(&list[*n]);
        list[*n].pdev_path = strdup(path);
        list[*n].vdev = strdup(vdevs[*n]);
        list[*n].format = strstr(path, ".qcow2") ? LIBXL_DISK_FORMAT_QCOW2 : LIBXL_DISK_FORMAT_RAW;
    }
    return list;
}

libxl_device_disk *libxl_device_disk_list(libxl_ctx *ctx, uint32_t domid, int *n)
{
    (void)ctx;
    return list_disks(domid, n);
}

int libxl_retrieve_domain_configuration(libxl_ctx *ctx, uint32_t domid, libxl_domain_config *config,
                                        const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)how;
    config->c_info.name = strdup(names[domid - 1]);
    config->c_info.uuid.uuid[15] = (uint8_t)(domid - 1);
    config->disks = list_disks(domid, &config->num_disks);
    return 0;
}

/* ---- pauses -------------------------------------------------------------------------------- */

static int tell(const char *what)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("XF_TEST_PAUSES");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = -1;
    char line[8];

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path ? path : "");
    if (!connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
        write(fd, what, strlen(what)) > 0 && read(fd, line, sizeof(line)) > 0)
        rc = line[0] == 'y' ? 0 : -1;
    close(fd);
    return rc;
}

int libxl_domain_pause(libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)domid;
    (void)how;
    return tell("pause\n");
}

int libxl_domain_unpause(libxl_ctx *ctx, uint32_t domid, const libxl_asyncop_how *how)
{
    (void)ctx;
    (void)domid;
    (void)how;
    return tell("unpause\n");
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
    char **list = malloc(2 * sizeof(*list) + 16);

    (void)xs;
    (void)t;
    (void)path;
    list[0] = (char *)(list + 2);
    list[1] = list[0] + 8;
    strcpy(list[0], "51712");
    strcpy(list[1], "51728");
    *n = getenv("XF_TEST_DEVICE_B") ? 2 : 1;
    return list;
}

void *xs_read(struct xs_handle *xs, xs_transaction_t t, const char *path, unsigned *n)
{
    const char *node = strrchr(path, '/') + 1;
    bool b = strstr(path, "/51728/");
    const char *value = !strcmp(node, "dev")        ? b ? "xvdb" : "xvda"
                        : !strcmp(node, "state")    ? "4"
                        : !strcmp(node, "ring-ref") ? "8"
                        : !strcmp(node, "physical-device")
                            ? getenv(b ? "XF_TEST_DEVICE_B" : "XF_TEST_DEVICE")
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
