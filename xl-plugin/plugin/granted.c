/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Granted: reads the guest's grant table for the frames that others may write to. */
#include "granted.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xenforeignmemory.h>

#include "transport/guest.h"

static bool writable(unsigned flags)
{
    return (flags & GTF_type_mask) == GTF_permit_access && !(flags & GTF_readonly);
}

int xf_granted_entries(unsigned version, const void *table, size_t bytes, uint64_t *frames)
{
    const grant_entry_v1_t *v1 = table;
    const grant_entry_v2_t *v2 = table;
    int n = 0;

    if (version == 1) {
        for (size_t i = GNTTAB_NR_RESERVED_ENTRIES; i < bytes / sizeof(*v1); i++)
            if (writable(v1[i].flags))
                frames[n++] = v1[i].frame;
    } else {
        for (size_t i = GNTTAB_NR_RESERVED_ENTRIES; i < bytes / sizeof(*v2); i++)
            if (writable(v2[i].hdr.flags))
                frames[n++] =
                    v2[i].hdr.flags & GTF_sub_page ? v2[i].sub_page.frame : v2[i].full_page.frame;
    }
    return n;
}

int xf_granted(xc_interface *xch, uint32_t domid, uint64_t **frames)
{
    struct gnttab_query_size size = {.dom = (domid_t)domid};
    xenforeignmemory_resource_handle *resource = NULL;
    int version = xc_gnttab_get_version(xch, domid), rc;
    void *table = NULL;

    *frames = NULL;
    if (version < 0 || xc_gnttab_query_size(xch, &size))
        return -errno;
    if (size.status != GNTST_okay)
        return -EIO;
    if (size.nr_frames == 0)
        return 0;
    size_t bytes = (size_t)size.nr_frames * XF_PAGE_BYTES;
    uint64_t *list = malloc(bytes / sizeof(grant_entry_v1_t) * sizeof(*list));
    xenforeignmemory_handle *fmem = xenforeignmemory_open(NULL, 0);
    if (list && fmem)
        resource = xenforeignmemory_map_resource(fmem, (domid_t)domid, XENMEM_resource_grant_table,
                                                 XENMEM_resource_grant_table_id_shared, 0,
                                                 size.nr_frames, &table, PROT_READ, 0);
    if (resource) {
        rc = xf_granted_entries((unsigned)version, table, bytes, list);
        *frames = list;
        list = NULL;
        xenforeignmemory_unmap_resource(fmem, resource);
    } else {
        rc = errno ? -errno : -ENOMEM;
    }
    if (fmem)
        xenforeignmemory_close(fmem);
    free(list);
    return rc;
}
