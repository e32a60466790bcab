/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manifest: as JSON and back, and what cannot be in one. */
#include "manifest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <json-c/json.h>

#include "talk.h"
#include "xl-plugin/migrate/clone_words.h"

static const char *const kinds[XF_DISK_KINDS] = {"file", "lv", "device"};

void xf_manifest_fini(struct xf_manifest *m)
{
    free(m->text);
    m->text = NULL;
}

static int rename_disk(struct xf_manifest_disk *d, const char *name)
{
    char path[sizeof(d->path)], lv[sizeof(d->lv)];

    /* By another path of it (/dev/mapper) the copy's would have another form, too. */
    snprintf(path, sizeof(path), "/dev/%s/%s", d->vg, d->lv);
    if (d->kind == XF_DISK_LV && strcmp(path, d->path) != 0)
        return -ENOTSUP;
    if (snprintf(path, sizeof(path), "%s" XF_CLONE_DISK_DOT "%s", d->path, name) >=
            (int)sizeof(path) ||
        snprintf(lv, sizeof(lv), "%s" XF_CLONE_DISK_DOT "%s", d->lv, name) >= (int)sizeof(lv))
        return -ENAMETOOLONG;
    strcpy(d->path, path);
    if (d->kind == XF_DISK_LV)
        strcpy(d->lv, lv);
    return 0;
}

int xf_manifest_of_copy(struct xf_manifest *to, const struct xf_manifest *m, const char *name,
                        const char *uuid)
{
    const bool moves = !strcmp(name, m->name);
    int rc = 0;

    *to = *m;
    to->text = strdup(m->text);
    if (!to->text)
        return -ENOMEM;
    if (snprintf(to->name, sizeof(to->name), "%s", name) >= (int)sizeof(to->name) ||
        snprintf(to->uuid, sizeof(to->uuid), "%s", uuid) >= (int)sizeof(to->uuid))
        return -ENAMETOOLONG;
    for (unsigned i = 0; i < to->disks_n && !rc && !moves; i++)
        rc = rename_disk(&to->disks[i], name);
    return rc;
}

int xf_manifest_fail(char why[XF_MANIFEST_WHY_BYTES], int rc, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(why, XF_MANIFEST_WHY_BYTES, format, ap);
    va_end(ap);
    return rc;
}

#define refuse(why, ...) xf_manifest_fail(why, -EINVAL, __VA_ARGS__)

int xf_manifest_need(struct xf_manifest *m, const char *path, char why[XF_MANIFEST_WHY_BYTES])
{
    struct xf_manifest_need *need = &m->needs[m->needs_n];
    struct stat st;

    if (m->needs_n == XF_MANIFEST_NEEDS_MAX || strlen(path) >= sizeof(need->path))
        return xf_manifest_fail(why, -E2BIG, "the guest names too many files");
    if (stat(path, &st))
        return xf_manifest_fail(why, -errno, "%s: %s", path, strerror(errno));
    strcpy(need->path, path);
    need->bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    m->needs_n++;
    return 0;
}

/* ---- what can be in one -------------------------------------------------------------------- */

/* Whole, and nothing in it that leads elsewhere or that a line cannot show. */
static bool is_path(const char *path)
{
    size_t n = strlen(path);

    if (path[0] != '/' || n >= XF_MANIFEST_PATH_BYTES || path[n - 1] == '/' || strstr(path, "//"))
        return false;
    for (const char *at = path; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f ||
            (*at == '/' && at[1] == '.' &&
             (!at[2] || at[2] == '/' || (at[2] == '.' && (!at[3] || at[3] == '/')))))
            return false;
    return true;
}

/* A file's name, too. */
static bool is_name(const char *name)
{
    if (!name[0] || name[0] == '.')
        return false;
    for (; *name; name++)
        if ((unsigned char)*name < ' ' || *name == 0x7f || *name == '/')
            return false;
    return true;
}

/* lvm(8), "Valid names". */
static bool is_lvm_name(const char *name)
{
    return name[0] && name[0] != '-' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+_.-") ==
               strlen(name);
}

static int check_disk(const struct xf_manifest_disk *d, char why[XF_MANIFEST_WHY_BYTES])
{
    if (!is_path(d->path) || !is_name(d->vdev))
        return refuse(why, "disk %s: '%s' is no path of a disk", d->vdev, d->path);
    if (d->kind == XF_DISK_LV &&
        (!is_lvm_name(d->vg) || !is_lvm_name(d->lv) || (d->pool[0] && !is_lvm_name(d->pool))))
        return refuse(why, "disk %s: '%s/%s' is no logical volume's name", d->vdev, d->vg, d->lv);
    if ((d->kind != XF_DISK_FILE) != !strncmp(d->path, "/dev/", 5))
        return refuse(why, "disk %s: %s is not where a %s is", d->vdev, d->path, kinds[d->kind]);
    return d->bytes ? 0 : refuse(why, "disk %s: %s is empty", d->vdev, d->path);
}

int xf_manifest_check(const struct xf_manifest *m, char why[XF_MANIFEST_WHY_BYTES])
{
    int rc = 0;

    if (!is_name(m->name))
        return refuse(why, "'%s' is no name of a guest that can be a file's, too", m->name);
    if (m->config[0] ? !is_path(m->config) : m->text && m->text[0])
        return refuse(why, "'%s' is no path of a configuration", m->config);
    for (unsigned i = 0; i < m->disks_n && !rc; i++) {
        rc = check_disk(&m->disks[i], why);
        for (unsigned j = 0; j < i && !rc; j++)
            if (!strcmp(m->disks[i].path, m->disks[j].path))
                rc = refuse(why, "disks %s and %s are both on %s", m->disks[j].vdev,
                            m->disks[i].vdev, m->disks[i].path);
    }
    for (unsigned i = 0; i < m->needs_n && !rc; i++)
        if (!is_path(m->needs[i].path))
            rc = refuse(why, "'%s' is no path of a file", m->needs[i].path);
    return rc;
}

/* ---- as JSON ------------------------------------------------------------------------------- */

static void add_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, json_object_new_string(text));
}

static void add_number(struct json_object *to, const char *key, uint64_t value)
{
    json_object_object_add(to, key, json_object_new_uint64(value));
}

struct json_object *xf_manifest_print(const struct xf_manifest *m)
{
    struct json_object *o = json_object_new_object(), *disks = json_object_new_array(),
                       *needs = json_object_new_array();

    add_text(o, "name", m->name);
    add_text(o, "uuid", m->uuid);
    add_text(o, "config", m->config);
    add_text(o, "text", m->text ? m->text : "");
    add_number(o, "config_mode", m->config_mode);
    for (unsigned i = 0; i < m->disks_n; i++) {
        const struct xf_manifest_disk *d = &m->disks[i];
        struct json_object *disk = json_object_new_object();

        add_text(disk, "vdev", d->vdev);
        add_text(disk, "path", d->path);
        add_text(disk, "is", kinds[d->kind]);
        add_number(disk, "bytes", d->bytes);
        add_number(disk, "mode", d->mode);
        add_number(disk, "uid", d->uid);
        add_number(disk, "gid", d->gid);
        add_text(disk, "vg", d->vg);
        add_text(disk, "lv", d->lv);
        add_text(disk, "pool", d->pool);
        json_object_array_add(disks, disk);
    }
    json_object_object_add(o, "disks", disks);
    for (unsigned i = 0; i < m->needs_n; i++) {
        struct json_object *need = json_object_new_object();

        add_text(need, "path", m->needs[i].path);
        add_number(need, "bytes", m->needs[i].bytes);
        json_object_array_add(needs, need);
    }
    json_object_object_add(o, "needs", needs);
    return o;
}

/* False: it is longer than fits. */
static bool take_text(struct json_object *from, const char *key, char *to, size_t size)
{
    const char *text = xf_talk_text(from, key);

    snprintf(to, size, "%s", text);
    return strlen(text) < size;
}

#define TAKE(from, key, to) take_text(from, key, to, sizeof(to))

static struct json_object *list_of(struct json_object *from, const char *key, size_t most)
{
    struct json_object *list;

    return json_object_object_get_ex(from, key, &list) &&
                   json_object_is_type(list, json_type_array) &&
                   json_object_array_length(list) <= most
               ? list
               : NULL;
}

static bool read_disk(struct xf_manifest_disk *d, struct json_object *from)
{
    const char *is = xf_talk_text(from, "is");

    while (d->kind < XF_DISK_KINDS && strcmp(is, kinds[d->kind]) != 0)
        d->kind++;
    d->bytes = xf_talk_number(from, "bytes");
    d->mode = (mode_t)xf_talk_number(from, "mode") & 0777;
    d->uid = (uid_t)xf_talk_number(from, "uid");
    d->gid = (gid_t)xf_talk_number(from, "gid");
    return d->kind < XF_DISK_KINDS && TAKE(from, "vdev", d->vdev) && TAKE(from, "path", d->path) &&
           TAKE(from, "vg", d->vg) && TAKE(from, "lv", d->lv) && TAKE(from, "pool", d->pool);
}

int xf_manifest_read(struct xf_manifest *m, struct json_object *from,
                     char why[XF_MANIFEST_WHY_BYTES])
{
    struct json_object *disks = list_of(from, "disks", XF_MANIFEST_DISKS_MAX),
                       *needs = list_of(from, "needs", XF_MANIFEST_NEEDS_MAX);
    bool ok = disks && needs;

    memset(m, 0, sizeof(*m));
    ok = ok && TAKE(from, "name", m->name) && TAKE(from, "uuid", m->uuid) &&
         TAKE(from, "config", m->config);
    m->config_mode = (mode_t)xf_talk_number(from, "config_mode") & 0777;
    for (size_t i = 0; ok && i < json_object_array_length(disks); i++)
        ok = read_disk(&m->disks[m->disks_n++], json_object_array_get_idx(disks, i));
    for (size_t i = 0; ok && i < json_object_array_length(needs); i++) {
        struct xf_manifest_need *need = &m->needs[m->needs_n++];
        struct json_object *o = json_object_array_get_idx(needs, i);

        need->bytes = xf_talk_number(o, "bytes");
        ok = TAKE(o, "path", need->path);
    }
    if (!ok)
        return refuse(why, "what is to come is not said as this xl-fast does: install the same "
                           "xl-fast at both ends");
    m->text = strdup(xf_talk_text(from, "text"));
    if (!m->text)
        return refuse(why, "%s", strerror(ENOMEM));
    return xf_manifest_check(m, why);
}
