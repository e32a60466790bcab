/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Recover, record: reads and writes the records that migrations leave at both ends. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recover_record.h"

static int make_path(char *path, size_t size, const char *what, const char *uuid)
{
    const char *run = getenv("XL_FAST_RUNDIR");
    int n = snprintf(path, size, "%s/xl-fast/%s%s", run && *run ? run : "/run", what, uuid);

    return n > 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

/* The words of xl migrate-receive, the same in Xen 4.14 to 4.22. */
static void take_line(const char *line, struct xf_look *look)
{
    if (!strcmp(line, "migration target: Got permission, starting domain."))
        look->record.outcome = XF_RECORD_HAD_GO;
    else if (!strcmp(line, "migration target: Cleanup OK, granting sender permission to resume."))
        look->record.outcome = XF_RECORD_GIVEN_BACK;
    else
        sscanf(line, "xl-fast: domid %" SCNu32, &look->record.domid);
}

/* Lines end in \n, those of xl's progress in \r; of longer ones than any of interest only a part is
   kept. */
static void read_record(FILE *f, struct xf_look *look)
{
    char line[256], attempt[XF_UUID_SIZE] = "";
    size_t n = 0;
    int c;

    if (fscanf(f, "attempt %36s", attempt) != 1 || !xf_uuid_ok(attempt))
        return;
    memcpy(look->record.attempt, attempt, sizeof(attempt));
    while ((c = getc(f)) != EOF) {
        if (c == '\n' || c == '\r') {
            line[n] = 0;
            take_line(line, look);
            n = 0;
        } else if (n < sizeof(line) - 1) {
            line[n++] = (char)c;
        }
    }
}

static void read_left(FILE *f, struct xf_look *look)
{
    char attempt[XF_UUID_SIZE] = "";
    uint32_t domid;
    uint64_t cpu_time_ns;

    if (fscanf(f, "attempt %36s\ndomid %" SCNu32 "\ncpu_time_ns %" SCNu64 "\n", attempt, &domid,
               &cpu_time_ns) != 3 ||
        !xf_uuid_ok(attempt))
        return;
    memcpy(look->left.attempt, attempt, sizeof(attempt));
    look->left.domid = domid;
    look->left.cpu_time_ns = cpu_time_ns;
}

void xf_record_read(const char *uuid, struct xf_look *look)
{
    const struct {
        const char *name;
        void (*read)(FILE *, struct xf_look *);
    } files[] = {{"receive-", read_record}, {"left-", read_left}};
    char path[512];

    memset(&look->record, 0, sizeof(look->record));
    memset(&look->left, 0, sizeof(look->left));
    for (unsigned i = 0; i < 2; i++) {
        FILE *f = make_path(path, sizeof(path), files[i].name, uuid) ? NULL : fopen(path, "re");

        if (!f)
            continue;
        files[i].read(f, look);
        fclose(f);
    }
}

int xf_record_write_left(const char *uuid, const struct xf_look *look)
{
    char path[512], new[520];
    FILE *f = NULL;
    int rc;

    rc = make_path(path, sizeof(path), "", "");
    if (rc)
        return rc;
    if (mkdir(path, 0700) && errno != EEXIST)
        return -errno;
    rc = make_path(path, sizeof(path), "left-", uuid);
    if (rc)
        return rc;
    if (!look->left.attempt[0])
        return unlink(path) && errno != ENOENT ? -errno : 0;
    snprintf(new, sizeof(new), "%s.new", path);
    f = fopen(new, "we");
    if (!f)
        return -errno;
    bool good = fprintf(f, "attempt %s\ndomid %" PRIu32 "\ncpu_time_ns %" PRIu64 "\n",
                        look->left.attempt, look->left.domid, look->left.cpu_time_ns) > 0;
    if (fclose(f))
        good = false;
    if (!good || rename(new, path)) {
        unlink(new);
        return -EIO;
    }
    return 0;
}
