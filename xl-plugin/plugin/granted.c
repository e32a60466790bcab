/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "granted.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xenforeignmemory.h>

#include "../../transport/guest.h"

int xf_granted_entries(unsigned version, const void *table, size_t bytes, uint64_t *frames)
{
    int n = 0;

    if (version == 1) {
        const grant_entry_v1_t *entry = table;
        for (size_t i = 0; i < bytes / sizeof(*entry); i++) {
            unsigned flags = entry[i].flags;
            if ((flags & GTF_type_mask) == GTF_permit_access && flags & GTF_writing)
                frames[n++] = entry[i].frame;
        }
    } else {
        const grant_entry_v2_t *entry = table;
        for (size_t i = 0; i < bytes / sizeof(*entry); i++) {
            unsigned flags = entry[i].hdr.flags;
            if ((flags & GTF_type_mask) == GTF_permit_access && !(flags & GTF_readonly))
                frames[n++] =
                    flags & GTF_sub_page ? entry[i].sub_page.frame : entry[i].full_page.frame;
        }
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
