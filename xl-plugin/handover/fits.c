/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fits: reads a guest's configuration, and looks at its disks and at the scripts of this host. */
#include "fits.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#define HOOKS      "/etc/xen/scripts/vif-post.d"
#define VIF_SCRIPT "/etc/xen/scripts/vif-bridge"

static int refuse(char why[XF_FITS_WHY], const char *format, const char *what)
    __attribute__((format(printf, 2, 0)));

static int refuse(char why[XF_FITS_WHY], const char *format, const char *what)
{
    snprintf(why, XF_FITS_WHY, format, what);
    return -1;
}

static bool is_any(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(word, *words))
            return true;
    return false;
}

/* "" where there is none. */
static const char *text(struct json_object *o, const char *key)
{
    struct json_object *v;

    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string)
               ? json_object_get_string(v)
               : "";
}

/* A number that is there and not zero, or something that is no number. */
static bool is_set(struct json_object *o, const char *key)
{
    struct json_object *v;

    if (!json_object_object_get_ex(o, key, &v) || !v)
        return false;
    return json_object_is_type(v, json_type_string)  ? json_object_get_string_len(v) > 0
           : json_object_is_type(v, json_type_array) ? json_object_array_length(v) > 0
                                                     : json_object_get_int64(v) != 0;
}

/* All keys of o are among these. */
static int check_keys(struct xf_fits *f, struct json_object *o, const char *const *known)
{
    json_object_object_foreach(o, key, value)
    {
        (void)value;
        if (!is_any(key, known))
            return refuse(f->why, "its configuration has '%.60s', which is not known here", key);
    }
    return 0;
}

/* ---- devices --------------------------------------------------------------------------------- */

static int check_disk(struct xf_fits *f, struct json_object *o)
{
    static const char *const known[] = {"backend_domid",
                                        "backend_domname",
                                        "pdev_path",
                                        "vdev",
                                        "backend",
                                        "format",
                                        "script",
                                        "removable",
                                        "readwrite",
                                        "is_cdrom",
                                        "trusted",
                                        "discard_enable",
                                        "direct_io_safe",
                                        "specification",
                                        "grant_usage",
                                        "transport",
                                        "colo_enable",
                                        "colo_restore_enable",
                                        NULL};
    static const char *const backends[] = {"", "unknown", "phy", NULL};
    static const char *const formats[] = {"", "raw", NULL};
    static const char *const specifications[] = {"", "unknown", "default", "xen", NULL};
    static const char *const transports[] = {"", "unknown", NULL};
    static const char *const no[] = {"", "False", "<default>", NULL};
    const char *vdev = text(o, "vdev"), *path = text(o, "pdev_path");
    char **more;

    if (check_keys(f, o, known))
        return -1;
    if (!is_any(text(o, "format"), formats) || !is_any(text(o, "backend"), backends))
        return refuse(f->why, "its disk %.30s is an image of its own format", vdev);
    if (is_set(o, "script"))
        return refuse(f->why, "its disk %.30s is attached by a script of its own", vdev);
    if (is_set(o, "backend_domid") || is_set(o, "backend_domname"))
        return refuse(f->why, "its disk %.30s is another domain's", vdev);
    if (is_set(o, "is_cdrom"))
        return refuse(f->why, "its disk %.30s is a CD", vdev);
    if (!is_any(text(o, "specification"), specifications) ||
        !is_any(text(o, "transport"), transports) || !is_any(text(o, "colo_enable"), no) ||
        !is_any(text(o, "colo_restore_enable"), no))
        return refuse(f->why, "its disk %.30s is of a special kind", vdev);
    if (path[0] != '/')
        return refuse(f->why, "its disk %.30s has no path", vdev);
    more = realloc(f->disks, (f->disks_n + 1) * sizeof(*more));
    if (!more)
        return refuse(f->why, "%s", "no memory");
    f->disks = more;
    f->disks[f->disks_n] = strdup(path);
    if (!f->disks[f->disks_n])
        return refuse(f->why, "%s", "no memory");
    f->disks_n++;
    return 0;
}

static int check_nic(struct xf_fits *f, struct json_object *o)
{
    static const char *const known[] = {"backend_domid",
                                        "backend_domname",
                                        "devid",
                                        "mtu",
                                        "model",
                                        "mac",
                                        "ip",
                                        "bridge",
                                        "ifname",
                                        "script",
                                        "nictype",
                                        "rate_bytes_per_interval",
                                        "rate_interval_usecs",
                                        "gatewaydev",
                                        "trusted",
                                        NULL};
    static const char *const types[] = {"", "vif", "vif_ioemu", NULL};
    static const char *const scripts[] = {"", "vif-bridge", VIF_SCRIPT, NULL};
    const char *mac = text(o, "mac");

    if (check_keys(f, o, known))
        return -1;
    if (!is_any(text(o, "script"), scripts))
        return refuse(f->why, "a network card of its is not on a bridge: %.100s",
                      text(o, "script"));
    if (is_set(o, "backend_domid") || is_set(o, "backend_domname"))
        return refuse(f->why, "its network card %.20s is another domain's", mac);
    if (!is_any(text(o, "nictype"), types))
        return refuse(f->why, "its network card %.20s is of a special kind", mac);
    return 0;
}

static int check_each(struct xf_fits *f, struct json_object *config, const char *key,
                      int (*check)(struct xf_fits *f, struct json_object *o))
{
    struct json_object *list, *o;

    if (!json_object_object_get_ex(config, key, &list))
        return 0;
    if (!json_object_is_type(list, json_type_array))
        return refuse(f->why, "its configuration has no list of '%s'", key);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        o = json_object_array_get_idx(list, i);
        if (!json_object_is_type(o, json_type_object))
            return refuse(f->why, "its configuration has no list of '%s'", key);
        if (check(f, o))
            return -1;
    }
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int check_create(struct xf_fits *f, struct json_object *config)
{
    static const char *const known[] = {"type",
                                        "hap",
                                        "oos",
                                        "ssidref",
                                        "ssid_label",
                                        "name",
                                        "domid",
                                        "uuid",
                                        "xsdata",
                                        "platformdata",
                                        "poolid",
                                        "pool_name",
                                        "run_hotplug_scripts",
                                        "passthrough",
                                        "driver_domain",
                                        "xend_suspend_evtchn_compat",
                                        NULL};
    static const char *const passthroughs[] = {"", "default", "unknown", "disabled", NULL};
    static const char *const yes[] = {"", "True", "<default>", NULL};
    static const char *const no[] = {"", "False", "<default>", NULL};
    struct json_object *c;

    if (!json_object_object_get_ex(config, "c_info", &c) ||
        !json_object_is_type(c, json_type_object))
        return refuse(f->why, "%s", "its configuration cannot be read");
    snprintf(f->uuid, sizeof(f->uuid), "%s", text(c, "uuid"));
    if (strcmp(text(c, "type"), "pvh") != 0)
        return refuse(f->why, "it is a %.10s guest: only those of PVH can", text(c, "type"));
    if (check_keys(f, c, known))
        return -1;
    if (!is_any(text(c, "passthrough"), passthroughs))
        return refuse(f->why, "%s", "devices of the host can be given to it");
    if (!is_any(text(c, "run_hotplug_scripts"), yes))
        return refuse(f->why, "%s", "its devices are attached by udev");
    if (!is_any(text(c, "driver_domain"), no))
        return refuse(f->why, "%s", "it is a driver domain");
    return 0;
}

static int check_build(struct xf_fits *f, struct json_object *config)
{
    static const char *const known[] = {
        "max_vcpus", "avail_vcpus", "cpumap", "nodemap", "vcpu_hard_affinity", "vcpu_soft_affinity",
        "numa_placement", "tsc_mode", "max_memkb", "target_memkb", "video_memkb", "shadow_memkb",
        "iommu_memkb", "rtc_timeoffset", "exec_ssidref", "exec_ssid_label", "localtime",
        "disable_migrate", "cpuid", "max_grant_frames", "max_maptrack_frames", "max_grant_version",
        "sched_params", "claim_mode", "event_channels", "kernel", "cmdline", "ramdisk", "acpi",
        "bootloader", "bootloader_args", "bootloader_restrict", "bootloader_user", "timer_mode",
        "nested_hvm", "apic", "type", "type.pvh", "arch_arm", "arch_x86", "altp2m", "altp2m_count",
        "vmtrace_buf_kb", "vpmu", "blkdev_start", "tee", "llc_colors", "trap_unmapped_accesses",
        "xenstore_feature_mask",
        /* These do nothing without a device model, which is not there without their devices. */
        "device_model_version", "device_model_stubdomain", "device_model_ssidref",
        "device_model_ssid_label", "device_model_user", "device_model", "dm_restrict",
        "stubdomain_memkb", "stubdomain_kernel", "stubdomain_cmdline", "stubdomain_ramdisk",
        "extra", "extra_pv", "extra_hvm", NULL};
    static const char *const no[] = {"", "False", "<default>", NULL};
    struct json_object *b, *pvh;

    if (!json_object_object_get_ex(config, "b_info", &b) ||
        !json_object_is_type(b, json_type_object))
        return refuse(f->why, "%s", "its configuration cannot be read");
    if (json_object_object_get_ex(b, "type.pvh", &pvh) &&
        (!json_object_is_type(pvh, json_type_object) || !is_any(text(pvh, "pvshim"), no)))
        return refuse(f->why, "%s", "it is a PV guest in a shim");
    return check_keys(f, b, known);
}

int xf_fits_config(struct xf_fits *f, const char *json)
{
    static const char *const known[] = {"c_info",        "b_info",      "disks",    "nics",
                                        "on_reboot",     "on_poweroff", "on_crash", "on_watchdog",
                                        "on_soft_reset", NULL};
    static const char *const devices[] = {
        "pcidevs",    "rdms",    "dtdevs", "vfbs",     "vkbs",     "virtios", "vtpms", "p9s",
        "pvcallsifs", "vdispls", "vsnds",  "channels", "usbctrls", "usbdevs", NULL};
    struct json_object *config = json_tokener_parse(json);
    int rc = 0;

    *f = (struct xf_fits){0};
    if (!json_object_is_type(config, json_type_object))
        rc = refuse(f->why, "%s", "its configuration cannot be read");
    rc = rc ?: check_create(f, config);
    for (const char *const *d = devices; !rc && *d; d++) {
        if (is_set(config, *d))
            rc = refuse(f->why, "it has devices of another kind (%s)", *d);
        json_object_object_del(config, *d);
    }
    rc = rc ?: check_keys(f, config, known);
    rc = rc ?: check_build(f, config);
    rc = rc ?: check_each(f, config, "disks", check_disk);
    rc = rc ?: check_each(f, config, "nics", check_nic);
    json_object_put(config);
    return rc;
}

void xf_fits_free(struct xf_fits *f)
{
    for (unsigned i = 0; i < f->disks_n; i++)
        free(f->disks[i]);
    free(f->disks);
    f->disks = NULL;
    f->disks_n = 0;
}

/* libxl asks the same to choose who serves it (libxl_device.c, disk_try_backend()). */
int xf_fits_disk(const char *root, const char *path, char why[XF_FITS_WHY])
{
    char full[1024];
    struct stat st;

    if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full) || stat(full, &st) ||
        !S_ISBLK(st.st_mode))
        return refuse(why, "its disk '%.120s' is no block device there", path);
    return 0;
}

int xf_fits_hooks(const char *root, char why[XF_FITS_WHY])
{
    char pattern[1024];
    glob_t found = {0};
    int rc = 0;

    if (snprintf(pattern, sizeof(pattern), "%s" HOOKS "/%s", root, "*.hook") >=
        (int)sizeof(pattern))
        return refuse(why, "%s", "its scripts cannot be looked at");
    if (!glob(pattern, 0, NULL, &found))
        rc =
            refuse(why, "there are hooks of its own for network cards (%.100s)", found.gl_pathv[0]);
    globfree(&found);
    return rc;
}
