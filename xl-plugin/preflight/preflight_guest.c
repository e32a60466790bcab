/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the guests of a question (preflight_question.h) can move to this host. */
#include "checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxl_utils.h>
#include <xenctrl.h>

#include <xen/sysctl.h>
#include <xenguest.h> /* wants xenctrl.h before it */

#include "xl-plugin/handover/fits.h"
#include "preflight_question.h"

#define LEAVES_MAX 1024u
#define MSRS_MAX   256u

/* ---- its CPU --------------------------------------------------------------------------------- */

struct policy {
    bool pv;
    xen_cpuid_leaf_t leaves[LEAVES_MAX];
    xen_msr_entry_t msrs[MSRS_MAX];
    uint32_t nr_leaves, nr_msrs;
};

static bool parse_policy(const char *value, struct policy *to)
{
    const char *blank = strchr(value, ' '), *msrs = blank ? strchr(blank + 1, ' ') : NULL;
    int leaves_bytes, msrs_bytes;

    if (!msrs)
        return false;
    leaves_bytes = xf_question_hex(blank + 1, to->leaves, sizeof(to->leaves));
    msrs_bytes = xf_question_hex(msrs + 1, to->msrs, sizeof(to->msrs));
    if (leaves_bytes <= 0 || msrs_bytes < 0 || leaves_bytes % sizeof(to->leaves[0]) ||
        msrs_bytes % sizeof(to->msrs[0]))
        return false;
    to->pv = !strncmp(value, "pv ", 3);
    to->nr_leaves = (uint32_t)((size_t)leaves_bytes / sizeof(to->leaves[0]));
    to->nr_msrs = (uint32_t)((size_t)msrs_bytes / sizeof(to->msrs[0]));
    return true;
}

/* As Xen here decides when it is given the policy (XEN_DOMCTL_set_cpu_policy), which is when all of
   the memory is still to come, but the domain is made. What cannot be asked is no refusal. */
static bool fits_cpu(xc_interface *xch, const struct policy *p)
{
    xc_cpu_policy_t *host = xc_cpu_policy_init(), *guest = xc_cpu_policy_init();
    unsigned index = p->pv ? XEN_SYSCTL_cpu_policy_pv_max : XEN_SYSCTL_cpu_policy_hvm_max;
    bool fits = true;

    if (host && guest && !xc_cpu_policy_get_system(xch, index, host) &&
        !xc_cpu_policy_update_cpuid(xch, guest, p->leaves, p->nr_leaves) &&
        !xc_cpu_policy_update_msrs(xch, guest, p->msrs, p->nr_msrs))
        fits = xc_cpu_policy_is_compatible(xch, host, guest);
    if (guest)
        xc_cpu_policy_destroy(guest);
    if (host)
        xc_cpu_policy_destroy(host);
    return fits;
}

static int judge_cpu(xc_interface *xch, const char *guest, char why[XF_QUESTION_WHY_BYTES])
{
    size_t size = 2 * sizeof(struct policy) + 16;
    struct policy *p = calloc(1, sizeof(*p));
    char key[16], *value = malloc(size);
    int rc = 0;

    while (p && value && xf_question_line(&guest, true, key, value, size) && !rc)
        if (!strcmp(key, "cpu") && parse_policy(value, p) && !fits_cpu(xch, p))
            rc = -1;
    if (rc)
        snprintf(
            why, XF_QUESTION_WHY_BYTES,
            "its CPU, or its Xen, cannot give the guest the CPU that it was started with: start "
            "it again here with fewer features (cpuid in its xl.cfg, xl-fast doctor names them)");
    free(value);
    free(p);
    return rc;
}

/* ---- its hand-over --------------------------------------------------------------------------- */

/* Of a guest whose source says that it can be early. */
static void say_hand_over(const char *guest)
{
    char key[16], value[1024], why[XF_FITS_WHY];
    const char *at = guest, *path;
    bool asked = false;
    int rc = xf_fits_hooks("", why);

    if (!rc && xf_preflight_is_late()) {
        snprintf(why, sizeof(why), "its xl-fast.conf says so");
        rc = -1;
    }
    while (xf_question_line(&at, true, key, value, sizeof(value))) {
        asked |= !strcmp(key, "hand_over") && !strcmp(value, "early");
        path = strcmp(key, "disk") ? NULL : strchr(value, ' ');
        if (!rc && path)
            rc = xf_fits_disk("", path + 1, why);
    }
    if (asked)
        printf("hand_over=%s%s\n", rc ? "late " : "early", rc ? why : "");
}

/* ---- all of it ------------------------------------------------------------------------------- */

static struct xf_question_domain *list_domains(libxl_ctx *ctx, unsigned *count)
{
    int n = 0;
    libxl_dominfo *all = libxl_list_domain(ctx, &n);
    struct xf_question_domain *list = all ? calloc((size_t)n + 1, sizeof(*list)) : NULL;

    *count = 0;
    for (int i = 0; list && i < n; i++) {
        struct xf_question_domain *d = &list[*count];
        char *name;

        if (all[i].dying)
            continue;
        name = libxl_domid_to_name(ctx, all[i].domid);
        d->domid = all[i].domid;
        snprintf(d->name, sizeof(d->name), "%.255s", name ? name : "");
        snprintf(d->uuid, sizeof(d->uuid), LIBXL_UUID_FMT, LIBXL_UUID_BYTES(all[i].uuid));
        free(name);
        ++*count;
    }
    if (all)
        libxl_dominfo_list_free(all, n);
    return list;
}

int xf_check_guest(struct xf_preflight *p)
{
    /* Which leaf does not fit it would say on stderr, besides our line. */
    xentoollog_logger *quiet =
        (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    xc_interface *xch = xc_interface_open(quiet, quiet, 0);
    struct xf_question_host host = {.root = "", .sysfs = p->sysfs};
    struct xf_question_domain *list = list_domains(p->ctx, &host.domains_n);
    char uuid[37], why[XF_QUESTION_WHY_BYTES], fix[XF_QUESTION_WHY_BYTES], all[4];
    const char *at = p->question;
    unsigned asked = 0, cannot = 0;
    int rc = 0;

    host.domains = list;
    xf_question_value(p->question, "list", all, sizeof(all));
    while (list && xch && !rc && (at = xf_question_guest(at, uuid))) {
        asked++;
        if (!xf_question_judge(at, uuid, &host, why, fix) && !judge_cpu(xch, at, why)) {
            if (!all[0])
                say_hand_over(at);
            continue;
        }
        if (all[0]) {
            cannot++;
            printf("cannot=%s %s%s%s\n", uuid, why, fix[0] ? "; fix: " : "", fix);
            continue;
        }
        if (fix[0])
            xf_fix(p, false, "%s", fix);
        printf("stock=fails\n");
        rc = xf_refuse(p, "%s", why);
    }
    free(list);
    if (xch)
        xc_interface_close(xch);
    if (quiet)
        xtl_logger_destroy(quiet);
    return rc ? rc
              : xf_pass(p, "%u of the source's %u guests could move here", asked - cannot, asked);
}
