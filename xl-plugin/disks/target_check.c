/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Target check: what of a guest cannot come to this host, and what of it is here already. */
#include "target_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domains.h"
#include "journal.h"
#include "settle.h"

#define fail xf_disks_target_fail

static int check_needs(struct xf_disks_target *t)
{
    for (unsigned i = 0; i < t->manifest.needs_n; i++) {
        const struct xf_manifest_need *need = &t->manifest.needs[i];
        struct stat st;

        if (stat(need->path, &st))
            return fail(t, -ENOENT, "%s is not there, and the guest needs it: copy it first",
                        need->path);
        if (need->bytes && (uint64_t)st.st_size != need->bytes)
            return fail(t, -EINVAL, "%s has %llu bytes, and at the source %llu: it is another one",
                        need->path, (unsigned long long)st.st_size,
                        (unsigned long long)need->bytes);
    }
    return 0;
}

/* One that is neither a file nor a logical volume has to be there, as large. */
static int check_device(struct xf_disks_target *t, const struct xf_manifest_disk *d)
{
    struct xf_manifest_disk there = {0};
    int rc;

    strcpy(there.path, d->path);
    rc = xf_volume_look(&there, t->why);
    if (rc)
        return rc;
    if (there.kind != XF_DISK_DEVICE || there.bytes != d->bytes)
        return fail(t, -EINVAL, "disk %s: %s is not a device of %llu bytes as at the source",
                    d->vdev, d->path, (unsigned long long)d->bytes);
    return t->overwrite ? 0
                        : fail(t, -EEXIST,
                               "disk %s: %s is there: --overwrite writes over it, and "
                               "what is on it is lost",
                               d->vdev, d->path);
}

/* A file may have grown since, as a qcow2 image does. */
static bool is_same(const struct xf_manifest_disk *a, const struct xf_manifest_disk *b)
{
    return a->kind == b->kind && (a->kind == XF_DISK_FILE || a->bytes == b->bytes) &&
           !strcmp(a->path, b->path) && !strcmp(a->vg, b->vg) && !strcmp(a->lv, b->lv) &&
           !strcmp(a->pool, b->pool);
}

/* Its volumes are here, and no guest has them. */
static bool is_put_aside(const struct xf_journal *j)
{
    return j->state == XF_JOURNAL_INCOMING || j->state == XF_JOURNAL_LEFT ||
           j->state == XF_JOURNAL_REPLICA;
}

/* The journal's disk of that path, or NULL. */
static const struct xf_manifest_disk *find(const struct xf_journal *j,
                                           const struct xf_manifest_disk *d)
{
    for (unsigned i = 0; i < j->manifest.disks_n; i++)
        if (!strcmp(j->manifest.disks[i].path, d->path))
            return &j->manifest.disks[i];
    return NULL;
}

/* What is here of this disk, by which name: *old, which only changes come to, or NULL. Its own name
   is undone before anything is made (below), but not by --dry-run. */
static int find_old(struct xf_disks_target *t, const struct xf_journal *j,
                    const struct xf_manifest_disk *d, const struct xf_manifest_disk **old,
                    enum xf_volume_name *name)
{
    const bool own = (j->state == XF_JOURNAL_ARRIVING && t->live) ||
                     (j->state == XF_JOURNAL_HERE && t->replace && !j->manifest.config[0]),
               put_aside = is_put_aside(j);
    char path[XF_VOLUME_PATH_BYTES];

    *old = own || put_aside ? find(j, d) : NULL;
    for (*name = XF_VOLUME_OWN; *name <= XF_VOLUME_LEFT; ++*name) {
        if (!xf_volume_is_there(d, *name))
            continue;
        if ((*old && (own || *name != XF_VOLUME_OWN)) || *name == XF_VOLUME_LEFT)
            return 0;
        xf_volume_path(d, *name, path);
        return fail(t, -EEXIST, "disk %s: %s is there already", d->vdev, path);
    }
    *old = NULL;
    return 0;
}

static int look_at_disk(struct xf_disks_target *t, const struct xf_journal *j,
                        const struct xf_manifest_disk *d, struct xf_target_disk *v)
{
    const struct xf_manifest_disk *old;
    enum xf_volume_name name;

    if (d->kind == XF_DISK_DEVICE)
        return check_device(t, d);
    int rc = find_old(t, j, d, &old, &name);

    if (rc)
        return rc;
    /* One of another size is removed. */
    uint64_t taken = old ? xf_volume_taken(old, name) : 0;

    v->old_s = !old || !is_same(old, d) ? 0 : j->point_us ? j->point_us / 1000000 : j->time_s;
    v->need_bytes = d->bytes > taken ? d->bytes - taken : 0;
    return xf_volume_place(d, &v->place, t->why);
}

/* Disks of one place share what is free there. A sparse file of any size could be made: what is to
   come may fill it. */
static int check_room(struct xf_disks_target *t, const struct xf_target_disk *v, unsigned i)
{
    const struct xf_manifest_disk *d = &t->manifest.disks[i];
    uint64_t need = 0;

    if (d->kind == XF_DISK_DEVICE || v[i].place.thin || !v[i].need_bytes)
        return 0;
    for (unsigned k = 0; k <= i; k++)
        if (t->manifest.disks[k].kind != XF_DISK_DEVICE && !v[k].place.thin &&
            !strcmp(v[k].place.name, v[i].place.name))
            need += v[k].need_bytes;
    return need <= v[i].place.free_bytes
               ? 0
               : fail(t, -ENOSPC, "disk %s: %s has %llu MiB free, and %llu are needed", d->vdev,
                      v[i].place.name, (unsigned long long)(v[i].place.free_bytes >> 20),
                      (unsigned long long)(need + (1u << 20) - 1) >> 20);
}

/* Each of them, whatever is wrong with another; of the first that cannot come, the reason. */
static int look_at_disks(struct xf_disks_target *t, const struct xf_journal *j)
{
    char first[sizeof(t->why)];
    int rc = 0;

    for (unsigned i = 0; i < t->manifest.disks_n; i++) {
        struct xf_target_disk *v = &t->disks[i];

        v->rc = look_at_disk(t, j, &t->manifest.disks[i], v) ?: check_room(t, t->disks, i);
        if (v->rc)
            snprintf(v->why, sizeof(v->why), "%s", t->why);
        if (v->rc && !rc) {
            rc = v->rc;
            strcpy(first, t->why);
        }
    }
    if (rc)
        strcpy(t->why, first);
    return rc;
}

/* What is there of that disk gets the name of one that arrives; *old: there is something. */
static int keep_volume(struct xf_disks_target *t, const struct xf_manifest_disk *d, bool *old)
{
    int rc = 0;

    if (d->kind != XF_DISK_DEVICE && !xf_volume_is_there(d, XF_VOLUME_INCOMING) &&
        xf_volume_is_there(d, XF_VOLUME_LEFT))
        rc = xf_volume_rename(d, XF_VOLUME_LEFT, XF_VOLUME_INCOMING, t->why);
    *old = !rc && xf_volume_is_there(d, XF_VOLUME_INCOMING);
    return *old ? xf_volume_resize(d, XF_VOLUME_INCOMING, t->why) : rc;
}

static int take_over_disk(struct xf_disks_target *t, const struct xf_manifest_disk *d)
{
    unsigned i = 0;

    while (i < t->manifest.disks_n && !is_same(d, &t->manifest.disks[i]))
        i++;
    int rc = i < t->manifest.disks_n ? keep_volume(t, &t->manifest.disks[i], &t->old[i])
                                     : xf_volume_remove(d, XF_VOLUME_INCOMING, t->why);

    return rc ?: xf_volume_remove(d, XF_VOLUME_LEFT, t->why);
}

/* What is here of a guest of that name, or nothing, given to act. */
static int with_journal(struct xf_disks_target *t,
                        int (*act)(struct xf_disks_target *t, const struct xf_journal *j))
{
    struct xf_journal *j = calloc(1, sizeof(*j));
    int rc = j ? xf_journal_read(t->manifest.name, j) : -ENOMEM;

    rc = rc ? fail(t, rc, "the journal of '%s' cannot be read: %s", t->manifest.name, strerror(-rc))
            : act(t, j);
    if (j)
        xf_manifest_fini(&j->manifest);
    free(j);
    return rc;
}

/* What an earlier try, or an earlier stay, of the same guest has left is what only changes come to;
   or it makes room. */
static int take_over(struct xf_disks_target *t, const struct xf_journal *j)
{
    int rc = 0;

    if (t->dry_run || !is_put_aside(j))
        return 0;
    for (unsigned i = 0; i < j->manifest.disks_n && !rc; i++)
        rc = take_over_disk(t, &j->manifest.disks[i]);
    if (!rc && j->state == XF_JOURNAL_LEFT)
        xf_settle_forget_config(&j->manifest);
    return rc;
}

static int bring_back(const struct xf_journal *j)
{
    xf_settle_back(&j->manifest);
    return xf_journal_write(XF_JOURNAL_INCOMING, j->host, &j->manifest);
}

/* A move of this guest that was not seen to end. Where it was to come here, and runs at the source,
   which knows of no open move, it did not: then no guest has its volumes. */
static int settle_unseen(struct xf_disks_target *t, const struct xf_journal *j)
{
    if (j->state == XF_JOURNAL_LEAVING || (j->state == XF_JOURNAL_ARRIVING && !t->live))
        return fail(t, -EBUSY,
                    "a move of '%s' between here and %s was not seen to end: xl-fast disks",
                    t->manifest.name, j->host);
    return j->state == XF_JOURNAL_ARRIVING && !t->dry_run ? bring_back(j) : 0;
}

/* What is here of an earlier copy of that name becomes what only changes come to. It is off, as no
   domain has its name or its disks. Another guest that has the copy's name has other disks. */
static int replace_earlier(struct xf_disks_target *t, const struct xf_journal *j)
{
    if (j->state != XF_JOURNAL_HERE)
        return 0;
    for (unsigned k = 0; k < j->manifest.disks_n; k++) {
        unsigned i = 0;

        while (i < t->manifest.disks_n && !is_same(&j->manifest.disks[k], &t->manifest.disks[i]))
            i++;
        if (i == t->manifest.disks_n)
            return fail(t, -EEXIST, "'%s' here is no earlier copy of the guest: it has %s",
                        t->manifest.name, j->manifest.disks[k].path);
    }
    return j->manifest.config[0] ? 0 : bring_back(j);
}

static int check_guest(struct xf_disks_target *t)
{
    const struct xf_manifest *m = &t->manifest;
    int rc = xf_domains_check(m, XF_DOMAINS_IS_OFF, t->why);

    if (!rc && m->config[0] && !access(m->config, F_OK))
        rc = fail(t, -EEXIST, "%s is there already", m->config);
    rc = rc ?: check_needs(t);
    rc = rc ?: with_journal(t, settle_unseen);
    if (!rc && t->replace && t->live && !t->dry_run)
        rc = with_journal(t, replace_earlier);
    return rc;
}

int xf_disks_target_check(struct xf_disks_target *t)
{
    char why[sizeof(t->why)];
    int rc = check_guest(t);

    if (rc && !t->dry_run)
        return rc;
    strcpy(why, t->why);
    int disks = with_journal(t, look_at_disks);

    if (rc)
        strcpy(t->why, why);
    return rc ?: disks ?: with_journal(t, take_over);
}
