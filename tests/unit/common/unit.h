/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every unit test includes: cmocka wants these headers before its own. */
#ifndef XF_TESTS_UNIT_H
#define XF_TESTS_UNIT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#endif
