/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xenforeignmemory_map() says of a single frame. */
#ifndef XF_PLUGIN_FRAME_ERROR_H
#define XF_PLUGIN_FRAME_ERROR_H

/* 0 or -errno: Linux's privcmd gives -errno, though xenforeignmemory.h promises errno. */
static inline int xf_frame_error(int error)
{
    return error > 0 ? -error : error;
}

#endif
