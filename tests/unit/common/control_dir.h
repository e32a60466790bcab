/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Control directory: a folder of a test's own for a control socket (transport/control.h). For
 * cmocka's group setup and teardown.
 */
#ifndef XF_TESTS_CONTROL_DIR_H
#define XF_TESTS_CONTROL_DIR_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/xf-control-XXXXXX", path[64];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/control", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir); /* nothing is left in it */
}

#endif
