/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source config: reads it with libxlutil, and looks at each file that it names. */
#include "source_config.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libxl.h>
#include <libxlutil.h>

#include "talk.h"
#include "volume.h"

#define fail xf_manifest_fail

/* What else goes over is less than the rest of a line. */
#define CONFIG_BYTES_MAX (XF_TALK_LINE_BYTES / 8)

/* Of keys whose value is a file that both hosts have. */
static const char *const file_keys[] = {
    "kernel",          "ramdisk",         "device_tree",        "acpi_firmware",
    "smbios_firmware", "system_firmware", "bios_path_override", "firmware_override"};

/* ---- the file ------------------------------------------------------------------------------ */

static int read_text(struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES])
{
    int fd = open(m->config, O_RDONLY | O_CLOEXEC), rc = 0;
    struct stat st;
    ssize_t n = -1;

    if (fd < 0 || fstat(fd, &st))
        rc = fail(why, -errno, "%s: %s", m->config, strerror(errno));
    else if (!S_ISREG(st.st_mode) || st.st_size > (off_t)CONFIG_BYTES_MAX)
        rc = fail(why, -EINVAL, "%s is no configuration of a guest", m->config);
    else if (!(m->text = malloc((size_t)st.st_size + 1)))
        rc = fail(why, -ENOMEM, "%s", strerror(ENOMEM));
    else if ((n = read(fd, m->text, (size_t)st.st_size)) != st.st_size)
        rc = fail(why, -EIO, "%s: it cannot be read whole", m->config);
    if (!rc) {
        m->config_mode = st.st_mode & 0777;
        m->text[n] = 0;
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

/* ---- the files that it names --------------------------------------------------------------- */

/* A qcow2 image is moved as the file that it is; what it needs besides would be missing. */
static int check_qcow2(const struct xf_manifest_disk *d, char why[XF_MANIFEST_WHY_BYTES])
{
    struct {
        char magic[4];
        uint32_t version;
        uint64_t backing_file;
        uint8_t between[56];
        uint64_t incompatible;
    } header;
    int fd = open(d->path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, &header, sizeof(header));

    _Static_assert(sizeof(header) == 80, "docs/interop/qcow2.txt");
    if (fd >= 0)
        close(fd);
    if (n < (ssize_t)sizeof(header) || memcmp(header.magic, "QFI\xfb", 4) != 0)
        return fail(why, -EINVAL, "disk %s: %s is no qcow2 image", d->vdev, d->path);
    if (header.backing_file)
        return fail(why, -EINVAL,
                    "disk %s: %s has a backing file, which would be missing at the target: "
                    "qemu-img rebase makes it whole",
                    d->vdev, d->path);
    if (be32toh(header.version) >= 3 && be64toh(header.incompatible) & 4)
        return fail(why, -EINVAL, "disk %s: %s keeps its data in another file", d->vdev, d->path);
    return 0;
}

static int add_disk(struct xf_manifest *m, const libxl_device_disk *from,
                    char why[XF_MANIFEST_WHY_BYTES])
{
    struct xf_manifest_disk *d = &m->disks[m->disks_n];
    const char *path = from->pdev_path ? from->pdev_path : "";

    if (from->is_cdrom || !path[0])
        return path[0] ? xf_manifest_need(m, path, why) : 0; /* nothing is in the drive */
    if (m->disks_n == XF_MANIFEST_DISKS_MAX)
        return fail(why, -E2BIG, "%s names too many disks", m->config);
    snprintf(d->vdev, sizeof(d->vdev), "%s", from->vdev ? from->vdev : "");
    if (from->script && from->script[0])
        return fail(why, -ENOTSUP,
                    "disk %s is attached by a script, %s: how that makes a disk is "
                    "not known",
                    d->vdev, from->script);
    if (from->backend_domname)
        return fail(why, -ENOTSUP, "disk %s is that of another domain, %s", d->vdev,
                    from->backend_domname);
    if (from->format != LIBXL_DISK_FORMAT_RAW && from->format != LIBXL_DISK_FORMAT_QCOW2)
        return fail(why, -ENOTSUP, "disk %s is neither raw nor qcow2", d->vdev);
    if (strlen(path) >= sizeof(d->path))
        return fail(why, -ENAMETOOLONG, "disk %s: %s: %s", d->vdev, path, strerror(ENAMETOOLONG));
    strcpy(d->path, path);
    int rc = xf_volume_look(d, why);

    if (!rc && from->format == LIBXL_DISK_FORMAT_QCOW2)
        rc = check_qcow2(d, why);
    m->disks_n += !rc;
    return rc;
}

static int take_disks(struct xf_manifest *m, XLU_Config *config, char why[XF_MANIFEST_WHY_BYTES])
{
    XLU_ConfigList *list;
    int n = 0, rc = 0;

    if (xlu_cfg_get_list(config, "disk", &list, &n, 1))
        return 0;
    for (int i = 0; i < n && !rc; i++) {
        const char *spec = xlu_cfg_get_listitem(list, i);
        libxl_device_disk disk;

        libxl_device_disk_init(&disk);
        rc =
            !spec || xlu_disk_parse(config, 1, &spec, &disk)
                ? fail(why, -EINVAL, "%s: disk '%s' is not understood", m->config, spec ? spec : "")
                : add_disk(m, &disk, why);
        libxl_device_disk_dispose(&disk);
    }
    return rc;
}

static int take_all(struct xf_manifest *m, XLU_Config *config, char why[XF_MANIFEST_WHY_BYTES])
{
    const char *value;
    int rc = 0;

    if (xlu_cfg_get_string(config, "name", &value, 0))
        return fail(why, -EINVAL, "%s: it has no name =", m->config);
    if (strlen(value) >= sizeof(m->name))
        return fail(why, -ENAMETOOLONG, "%s: the guest's name is too long", m->config);
    strcpy(m->name, value);
    if (!xlu_cfg_get_string(config, "uuid", &value, 1))
        snprintf(m->uuid, sizeof(m->uuid), "%s", value);
    for (unsigned i = 0; i < sizeof(file_keys) / sizeof(file_keys[0]) && !rc; i++)
        if (!xlu_cfg_get_string(config, file_keys[i], &value, 1) && value[0] == '/')
            rc = xf_manifest_need(m, value, why);
    return rc ?: take_disks(m, config, why);
}

int xf_source_config_read(struct xf_manifest *m, const char *path, char why[XF_MANIFEST_WHY_BYTES])
{
    char *whole = realpath(path, NULL);
    int rc;

    memset(m, 0, sizeof(*m));
    if (!whole || strlen(whole) >= sizeof(m->config)) {
        free(whole);
        return fail(why, -ENOENT, "%s: %s", path, strerror(errno));
    }
    strcpy(m->config, whole);
    free(whole);
    rc = read_text(m, why);
    if (rc)
        return rc;
    XLU_Config *config = xlu_cfg_init(stderr, m->config);
    if (!config)
        return fail(why, -ENOMEM, "%s", strerror(ENOMEM));
    rc = xlu_cfg_readdata(config, m->text, (int)strlen(m->text))
             ? fail(why, -EINVAL, "%s is no configuration of a guest", m->config)
             : take_all(m, config, why);
    xlu_cfg_destroy(config);
    return rc ?: xf_manifest_check(m, why);
}
