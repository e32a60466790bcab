/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Identity: edits libxl's structure. */
#include "identity.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <libxl_utils.h>

#define ENTROPY_BYTES 32u

__attribute__((format(printf, 2, 3))) static int refuse(char why[XF_IDENTITY_WHY],
                                                        const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, XF_IDENTITY_WHY, format, args);
    va_end(args);
    return -ENOTSUP;
}

/* ---- whether it can be --------------------------------------------------------------------- */

static bool is_bridged(const libxl_device_nic *nic)
{
    const char *script = nic->script ? strrchr(nic->script, '/') : NULL;

    script = script ? script + 1 : nic->script ? nic->script : "";
    return !script[0] || !strcmp(script, "vif-bridge");
}

static int check_nics(const libxl_domain_config *c, const struct xf_identity *id, char *why)
{
    for (int i = 0; i < c->num_nics && id->net == XF_CLONE_FENCED; i++) {
        const libxl_device_nic *nic = &c->nics[i];

        if (!is_bridged(nic) || nic->backend_domid || nic->backend_domname)
            return refuse(why,
                          "network card %d is attached by %s, and only cards on a bridge of dom0 "
                          "can be fenced: --net keep or none",
                          nic->devid, nic->script ? nic->script : "a driver domain");
    }
    return 0;
}

static int check_disks(const libxl_domain_config *c, const struct xf_identity *id, char *why)
{
    for (int i = 0; i < c->num_disks; i++) {
        const libxl_device_disk *d = &c->disks[i];
        const char *vdev = d->vdev ? d->vdev : "?";

        if (id->disks == XF_CLONE_NO_DISKS || id->disks == XF_CLONE_COPIED)
            return 0;
        if (id->disks == XF_CLONE_REFUSED)
            return refuse(why,
                          "it has disks (%s): say what its copy is to have: --disks copy, none, or "
                          "shared-ro where all of them are read-only",
                          vdev);
        if (d->readwrite)
            return refuse(why,
                          "disk %s is written to, and two that write to one disk destroy it: "
                          "--disks copy or none",
                          vdev);
    }
    return 0;
}

int xf_identity_check(const libxl_domain_config *config, const struct xf_identity *id,
                      char why[XF_IDENTITY_WHY])
{
    return check_nics(config, id, why) ?: check_disks(config, id, why);
}

/* ---- giving it ----------------------------------------------------------------------------- */

static void drop_nics(libxl_domain_config *c)
{
    for (int i = 0; i < c->num_nics; i++)
        libxl_device_nic_dispose(&c->nics[i]);
    free(c->nics);
    c->nics = NULL;
    c->num_nics = 0;
}

static void drop_disks(libxl_domain_config *c)
{
    for (int i = 0; i < c->num_disks; i++)
        libxl_device_disk_dispose(&c->disks[i]);
    free(c->disks);
    c->disks = NULL;
    c->num_disks = 0;
}

/* As xl-fast-disks names them at the target. An ISO image is the same there. */
static int rename_disks(libxl_domain_config *c, const char *name)
{
    for (int i = 0; i < c->num_disks; i++) {
        libxl_device_disk *d = &c->disks[i];
        char *path;

        if (d->is_cdrom || !d->pdev_path)
            continue;
        if (asprintf(&path, "%s" XF_CLONE_DISK_DOT "%s", d->pdev_path, name) < 0)
            return -ENOMEM;
        free(d->pdev_path);
        d->pdev_path = path;
    }
    return 0;
}

/* A MAC of zeros: libxl makes one of Xen's. */
static int give_nics(libxl_domain_config *c, const struct xf_identity *id)
{
    if (id->net == XF_CLONE_NO_NET)
        drop_nics(c);
    for (int i = 0; i < c->num_nics; i++) {
        libxl_device_nic *nic = &c->nics[i];

        memset(nic->mac, 0, sizeof(nic->mac));
        if (id->net != XF_CLONE_FENCED)
            continue;
        free(nic->script);
        nic->script = strdup(id->fence);
        if (!nic->script)
            return -ENOMEM;
    }
    return 0;
}

/* Into xenstore, where the guest finds it. */
static int tell(libxl_key_value_list *list, const struct xf_identity *id)
{
    unsigned char entropy[ENTROPY_BYTES];
    char hex[2 * ENTROPY_BYTES + 1];
    char **old = *list, **new;
    int n = libxl_key_value_list_length(list);

    if (getrandom(entropy, sizeof(entropy), 0) != sizeof(entropy))
        return -EIO;
    for (unsigned i = 0; i < sizeof(entropy); i++)
        snprintf(hex + 2 * i, 3, "%02x", entropy[i]);
    new = calloc(2 * (size_t)n + 3, sizeof(*new));
    if (!new)
        return -ENOMEM;
    for (int i = 0; i < 2 * n; i++)
        new[i] = old[i];
    new[2 * n] = strdup(XF_CLONE_TOLD);
    if (!new[2 * n] ||
        asprintf(&new[2 * n + 1], "%u %s %s %s", id->number, id->name, id->uuid, hex) < 0) {
        free(new[2 * n]);
        free(new);
        return -ENOMEM;
    }
    free(old);
    *list = new;
    explicit_bzero(entropy, sizeof(entropy));
    return 0;
}

int xf_identity_give(libxl_ctx *ctx, libxl_domain_config *config, const struct xf_identity *id)
{
    libxl_domain_create_info *info = &config->c_info;
    char *name = strdup(id->name);

    if (!name)
        return -ENOMEM;
    free(info->name);
    info->name = name;
    info->domid = 0; /* any */
    if (libxl_uuid_from_string(&info->uuid, id->uuid))
        return -EINVAL;
    if (info->type == LIBXL_DOMAIN_TYPE_HVM &&
        !libxl_ms_vm_genid_is_zero(&config->b_info.u.hvm.ms_vm_genid) &&
        libxl_ms_vm_genid_generate(ctx, &config->b_info.u.hvm.ms_vm_genid))
        return -EIO;
    if (id->disks == XF_CLONE_NO_DISKS)
        drop_disks(config);
    if (id->disks == XF_CLONE_COPIED && rename_disks(config, id->name))
        return -ENOMEM;
    return give_nics(config, id) ?: tell(&info->xsdata, id);
}
