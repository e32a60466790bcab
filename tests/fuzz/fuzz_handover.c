/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes what the pump reads of an early hand-over before Xen sees any of it: xl's head with the
 * guest's configuration, whether that fits, libxl's head, and two records of parameters, an early
 * and a late one. Checked: what is refused has a reason, what fits has what is needed of it, and
 * what is taken of parameters keeps their limits.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xl-plugin/handover/fits.h"
#include "xl-plugin/handover/head.h"
#include "xl-plugin/plugin/special.h"
#include "xl-plugin/plugin/stream.h"

#define PAGES UINT64_C(49168)

static void refused(const char *why, size_t size, int rc)
{
    FUZZ_CHECK(memchr(why, 0, size) && (why[0] || rc != -EBADMSG));
}

static void check_fits(const char *json)
{
    struct xf_fits f;
    int rc = xf_fits_config(&f, json);

    FUZZ_CHECK(rc == 0 || rc == -1);
    FUZZ_CHECK(memchr(f.why, 0, sizeof(f.why)) && memchr(f.uuid, 0, sizeof(f.uuid)));
    FUZZ_CHECK(!rc == !f.why[0]);
    for (unsigned i = 0; i < f.disks_n; i++)
        FUZZ_CHECK(f.disks[i] && f.disks[i][0]);
    xf_fits_free(&f);
}

/* False: there is none. */
static bool read_params(const struct xf_stream *s, uint32_t type, struct xf_params *p)
{
    char why[XF_SPECIAL_WHY] = "";
    uint64_t gfns[XF_SPECIAL_MAX];
    uint8_t body[XF_PARAMS_BYTES];
    struct xf_record rec;
    int rc;

    if (xf_stream_read_record(s, &rec) || rec.type != type || rec.length > sizeof(body) ||
        xf_stream_read_body(s, &rec, body, rec.length))
        return false;
    rc = xf_params_decode(p, body, rec.length, PAGES, why);
    if (rc) {
        refused(why, sizeof(why), rc);
        return false;
    }
    FUZZ_CHECK(p->n <= XF_PARAMS_MAX);
    for (unsigned i = 0, n = xf_params_special(p, gfns); i < n; i++)
        FUZZ_CHECK(n <= XF_SPECIAL_MAX && gfns[i] < PAGES);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1;
    char why[XF_STREAM_ERR_BYTES] = "";
    uint8_t libxl[XF_HEAD_LIBXL_BYTES];
    struct xf_params early, late, set;
    struct xf_head head;
    int rc;

    if (file < 0) {
        file = memfd_create("handover", MFD_CLOEXEC);
        FUZZ_CHECK(file >= 0);
    }
    FUZZ_CHECK(!ftruncate(file, 0) && pwrite(file, data, size, 0) == (ssize_t)size);
    FUZZ_CHECK(lseek(file, 0, SEEK_SET) == 0);
    struct xf_stream s = {.fd = file, .watch_fd = -1, .timeout_ms = 0};

    rc = xf_head_read(&s, &head, why);
    if (rc) {
        refused(why, sizeof(why), rc);
        return 0;
    }
    FUZZ_CHECK(lseek(file, 0, SEEK_CUR) == (off_t)head.length);
    check_fits(head.json);
    xf_head_free(&head);
    rc = xf_head_read_libxl(&s, libxl, why);
    if (rc) {
        refused(why, sizeof(why), rc);
        return 0;
    }
    if (!read_params(&s, XF_REC_EARLY, &early) || !read_params(&s, XF_REC_HVM_PARAMS, &late))
        return 0;
    rc = xf_params_changes(&early, &late, &set, why);
    if (rc)
        refused(why, sizeof(why), rc);
    else
        FUZZ_CHECK(set.n <= XF_PARAMS_MAX);
    rc = xf_head_read_end(&s, why);
    if (rc)
        refused(why, sizeof(why), rc);
    return 0;
}
