/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest needs at a target, as "ask=" lines (preflight_question.h), and what it has that
 * never moves. Xen's libxl finds most of it at the target, after all of the memory has come: it is
 * tools/libs/light that says what it makes of a configuration.
 */
#include "checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

#include <xen/hvm/params.h>
#include <xenguest.h> /* wants xenctrl.h before it */

#include "xl-plugin/handover/fits.h"

static void put_line(const char *key, const char *before, const char *text)
{
    printf("ask=%s=%s", key, before);
    for (; *text; text++)
        putchar(*text == '\n' ? '\001' : *text);
    printf("\n");
}

/* dom0 has it, and it is found by a path: another domain's, or a script's, is named otherwise. */
static void ask_disk(const libxl_device_disk *disk)
{
    char before[40];

    if (!disk->pdev_path || disk->pdev_path[0] != '/' || disk->backend_domid ||
        (disk->backend_domname && disk->backend_domname[0]) || (disk->script && disk->script[0]))
        return;
    snprintf(before, sizeof(before), "%.30s ", disk->vdev ? disk->vdev : "?");
    put_line("disk", before, disk->pdev_path);
}

static void ask_nic(const libxl_device_nic *nic)
{
    const char *script = nic->script ? strrchr(nic->script, '/') : NULL;

    script = script ? script + 1 : nic->script ? nic->script : "";
    if (!nic->bridge || !nic->bridge[0] || nic->backend_domid ||
        (nic->backend_domname && nic->backend_domname[0]) ||
        (script[0] && strcmp(script, "vif-bridge") != 0))
        return;
    put_line("bridge", "", nic->bridge);
}

static void put_hex(const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02x", ((const uint8_t *)bytes)[i]);
}

static void ask_cpu(xc_interface *xch, uint32_t domid, bool pv)
{
    xc_cpu_policy_t *policy = xc_cpu_policy_init();
    xen_cpuid_leaf_t *leaves = NULL;
    xen_msr_entry_t *msrs = NULL;
    uint32_t nr_leaves = 0, nr_msrs = 0;

    if (policy && !xc_cpu_policy_get_size(xch, &nr_leaves, &nr_msrs)) {
        leaves = calloc(nr_leaves, sizeof(*leaves));
        msrs = calloc(nr_msrs, sizeof(*msrs));
    }
    if (leaves && msrs && !xc_cpu_policy_get_domain(xch, domid, policy) &&
        !xc_cpu_policy_serialise(xch, policy, leaves, &nr_leaves, msrs, &nr_msrs)) {
        printf("ask=cpu=%s ", pv ? "pv" : "hvm");
        put_hex(leaves, nr_leaves * sizeof(*leaves));
        printf(" ");
        put_hex(msrs, nr_msrs * sizeof(*msrs));
        printf("\n");
    }
    free(msrs);
    free(leaves);
    if (policy)
        xc_cpu_policy_destroy(policy);
}

/* libxl asks the guest's kernel to suspend, and one that does not run cannot hear it: it waits for
   a minute, with all memory moved. Only an HVM guest without Xen's drivers (or asleep) is suspended
   unasked (libxl_dom_suspend.c). */
static bool can_suspend_paused(xc_interface *xch, const libxl_dominfo *info)
{
    uint64_t drivers = 1, asleep = 0;

    if (info->domain_type != LIBXL_DOMAIN_TYPE_HVM)
        return false;
    xc_hvm_param_get(xch, info->domid, HVM_PARAM_CALLBACK_IRQ, &drivers);
    xc_hvm_param_get(xch, info->domid, HVM_PARAM_ACPI_S_STATE, &asleep);
    return !drivers || asleep;
}

static int find_what_stays(struct xf_preflight *p, xc_interface *xch, const libxl_dominfo *info,
                           const libxl_domain_config *c)
{
    const char *name = c->c_info.name;

    if (info->paused && !can_suspend_paused(xch, info)) {
        xf_fix(p, false, "xl unpause %u", info->domid);
        return xf_refuse(p, "domain '%s' is paused and cannot be suspended: unpause it first",
                         name);
    }
    if (c->num_pcidevs) {
        const libxl_device_pci *d = &c->pcidevs[0];

        xf_fix(p, false, "xl pci-detach %u %04x:%02x:%02x.%x", info->domid, (unsigned)d->domain,
               d->bus, d->dev, d->func);
        return xf_refuse(p, "domain '%s' has a PCI device of this host, which does not move", name);
    }
    if (c->num_usbdevs) {
        xf_fix(p, false, "xl usbdev-detach %u %d %d", info->domid, c->usbdevs[0].ctrl,
               c->usbdevs[0].port);
        return xf_refuse(p, "domain '%s' has a USB device of this host, which does not move", name);
    }
    if (c->num_vtpms) {
        xf_fix(p, false, "xl vtpm-detach %u %d", info->domid, c->vtpms[0].devid);
        return xf_refuse(p, "domain '%s' has a virtual TPM, whose keys stay here", name);
    }
    if (c->num_p9s) {
        xf_fix(p, false, "xl shutdown -w %u", info->domid);
        return xf_refuse(p,
                         "domain '%s' has a 9pfs share of this host, which does not move: start it "
                         "without",
                         name);
    }
    if (c->b_info.num_vnuma_nodes) {
        xf_fix(p, false, "xl shutdown -w %u", info->domid);
        return xf_refuse(p,
                         "domain '%s' has virtual NUMA nodes, and libxl does not move such guests: "
                         "start it without",
                         name);
    }
    return 0;
}

/* Whether its devices can be attached early, as far as its configuration says (fits.h); the target
   is asked about itself. */
static void ask_hand_over(struct xf_preflight *p, const libxl_domain_config *config)
{
    libxl_domain_config copy = *config;
    char *json = libxl_domain_config_to_json(p->ctx, &copy);
    struct xf_fits f = {.why = "its configuration cannot be read"};

    if (xf_preflight_is_late())
        printf("hand_over=late this host's xl-fast.conf says so\n");
    else if (json && !xf_fits_config(&f, json))
        printf("hand_over=early\nask=hand_over=early\n");
    else
        printf("hand_over=late %s\n", f.why);
    xf_fits_free(&f);
    free(json);
}

int xf_preflight_asks(struct xf_preflight *p, const libxl_dominfo *info,
                      const libxl_domain_config *config)
{
    xc_interface *xch = xc_interface_open(NULL, NULL, 0);
    int rc;

    if (!xch)
        return xf_refuse(p, "cannot reach Xen: not running as root in dom0?");
    rc = find_what_stays(p, xch, info, config);
    if (rc) {
        printf("stock=fails\n");
    } else {
        printf("ask=guest=" LIBXL_UUID_FMT "\n", LIBXL_UUID_BYTES(info->uuid));
        put_line("name", "", config->c_info.name ? config->c_info.name : "");
        for (int i = 0; i < config->num_disks; i++)
            ask_disk(&config->disks[i]);
        for (int i = 0; i < config->num_nics; i++)
            ask_nic(&config->nics[i]);
        ask_cpu(xch, info->domid, info->domain_type == LIBXL_DOMAIN_TYPE_PV);
        ask_hand_over(p, config);
    }
    xc_interface_close(xch);
    return rc;
}
