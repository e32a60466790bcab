/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Special pages: finds them in a domain and in a record, and compares two records. */
#include "special.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <xen/hvm/params.h>

static const uint32_t indices[XF_SPECIAL_MAX] = {HVM_PARAM_STORE_PFN, HVM_PARAM_CONSOLE_PFN,
                                                 HVM_PARAM_IOREQ_PFN, HVM_PARAM_BUFIOREQ_PFN};

/* Those of the table above that every guest has. */
#define RINGS 2u

static unsigned add(uint64_t gfns[XF_SPECIAL_MAX], unsigned n, uint64_t gfn)
{
    for (unsigned i = 0; i < n; i++)
        if (gfns[i] == gfn)
            return n;
    gfns[n] = gfn;
    return n + 1;
}

int xf_special_of(xc_interface *xch, uint32_t domid, uint64_t page_count,
                  uint64_t gfns[XF_SPECIAL_MAX])
{
    unsigned n = 0;

    for (unsigned i = 0; i < XF_SPECIAL_MAX; i++) {
        uint64_t gfn = 0;

        if (xc_hvm_param_get(xch, domid, indices[i], &gfn))
            return errno ? -errno : -EIO;
        if (gfn && gfn < page_count)
            n = add(gfns, n, gfn);
    }
    return (int)n;
}

/* 0: there is none. */
static uint64_t value_of(const struct xf_params *p, uint64_t index)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->of[i].index == index)
            return p->of[i].value;
    return 0;
}

unsigned xf_params_special(const struct xf_params *p, uint64_t gfns[XF_SPECIAL_MAX])
{
    unsigned n = 0;

    for (unsigned i = 0; i < XF_SPECIAL_MAX; i++) {
        uint64_t gfn = value_of(p, indices[i]);

        if (gfn)
            n = add(gfns, n, gfn);
    }
    return n;
}

static int refuse(char why[XF_SPECIAL_WHY], const char *what, uint64_t index)
{
    snprintf(why, XF_SPECIAL_WHY, "%s (HVM parameter %llu)", what, (unsigned long long)index);
    return -EBADMSG;
}

int xf_params_decode(struct xf_params *p, const void *body, uint32_t length, uint64_t page_count,
                     char why[XF_SPECIAL_WHY])
{
    uint32_t head[2];

    p->n = 0;
    if (length < sizeof(head) || length > XF_PARAMS_BYTES)
        return refuse(why, "parameters of an impossible length", length);
    memcpy(head, body, sizeof(head));
    if (head[0] > XF_PARAMS_MAX || length != sizeof(head) + head[0] * sizeof(p->of[0]))
        return refuse(why, "parameters whose number and length differ", head[0]);
    memcpy(p->of, (const uint8_t *)body + sizeof(head), length - sizeof(head));
    for (unsigned i = 0; i < head[0]; i++) {
        if (!p->of[i].value || p->of[i].index >= HVM_NR_PARAMS || value_of(p, p->of[i].index))
            return refuse(why, "a parameter that cannot be", p->of[i].index);
        p->n++;
    }
    for (unsigned i = 0; i < XF_SPECIAL_MAX; i++) {
        uint64_t gfn = value_of(p, indices[i]);

        if ((!gfn && i < RINGS) || gfn >= page_count)
            return refuse(why, "a ring that is nowhere in the guest", indices[i]);
    }
    return 0;
}

/* Xen's hvm_allow_set_param(). */
static bool is_guests(uint64_t index)
{
    return index == HVM_PARAM_CALLBACK_IRQ || index == HVM_PARAM_VM86_TSS ||
           index == HVM_PARAM_VM86_TSS_SIZED || index == HVM_PARAM_ACPI_IOPORTS_LOCATION ||
           index == HVM_PARAM_VM_GENERATION_ID_ADDR || index == HVM_PARAM_X87_FIP_WIDTH;
}

int xf_params_changes(const struct xf_params *early, const struct xf_params *late,
                      struct xf_params *set, char why[XF_SPECIAL_WHY])
{
    const struct xf_params *both[] = {early, late};

    set->n = 0;
    for (unsigned b = 0; b < 2; b++) {
        for (unsigned i = 0; i < both[b]->n; i++) {
            uint64_t index = both[b]->of[i].index, now = value_of(late, index);

            if (value_of(early, index) == now || (b && value_of(early, index)))
                continue;
            if (!is_guests(index) || set->n == XF_PARAMS_MAX)
                return refuse(why, "what only its builder sets has changed meanwhile", index);
            set->of[set->n].index = index;
            set->of[set->n++].value = now;
        }
    }
    return 0;
}
