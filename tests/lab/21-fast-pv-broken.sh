#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (15 does it to a PVH guest, the unit tests to a tunnel)
# What 15-fast-broken.sh does, to a PV guest: there it is Xen's own save and restore that must end.
export XF_LAB_TYPE=pv
# shellcheck source=tests/lab/15-fast-broken.sh
. "$(dirname "$0")/15-fast-broken.sh"
